// The documents of an image: index, manifest, configuration, and docker-save's list, read from untrusted text
// and checked. Pure; any thread.
//
// Source: OCI image specification 1.1 and the archive format of `docker save`.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/value.hpp"

namespace node {

struct Descriptor {
  std::string media_type;
  std::string digest;  // sha256:...
  int64_t size = -1;   // -1: not said
};

struct IndexedManifest {
  Descriptor descriptor;
  std::string name;  // from the annotations, as written; may be ""
  std::string os;
  std::string architecture;
  bool is_index = false;
};

struct ImageManifest {
  Descriptor config;
  std::vector<Descriptor> layers;
};

// What a container takes from its image.
struct ImageConfig {
  std::vector<std::string> env;
  std::vector<std::string> entrypoint;
  std::vector<std::string> cmd;
  std::string user;
  std::string working_dir;
  std::string stop_signal;
  std::vector<std::string> diff_ids;
};

struct SavedImage {
  std::string config;               // a member's name
  std::vector<std::string> layers;  // members' names, lowest first
  std::vector<std::string> tags;
};

constexpr size_t kMaxDocument = 4u << 20;
constexpr size_t kMaxLayers = 120;  // overlayfs takes 500, a mount's options are one page

base::Result<std::vector<IndexedManifest>> parse_index(std::string_view text);
base::Result<ImageManifest> parse_manifest(std::string_view text);
// `architecture` is this machine's ("amd64").
base::Result<ImageConfig> parse_image_config(std::string_view text, std::string_view architecture);
base::Result<std::vector<SavedImage>> parse_saved_images(std::string_view text);
bool is_sha256_digest(std::string_view text);

// How the index of the store keeps it.
base::Value to_value(const ImageConfig& config);
ImageConfig image_config_from(const base::Value& value);

// A path of an archive without "./" and leading "/": invalid when it climbs ("..") or holds a NUL.
base::Result<std::string> normalise_member(std::string_view path);

}  // namespace node
