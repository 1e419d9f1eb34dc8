// For tests: tars and image archives made entry by entry with libarchive, also such as no honest tool makes.
// One thread.
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <functional>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "base/value.hpp"
#include "node/layer.hpp"

namespace node {

struct TarEntry {
  std::string path;
  std::string bytes = {};
  int type = AE_IFREG;
  int mode = 0644;
  std::string link = {};  // of a symbolic link
  std::string hardlink = {};
  std::vector<std::pair<std::string, std::string>> attributes = {};
  int uid = 0;
};

inline std::string make_tar(const std::vector<TarEntry>& entries, int filter = ARCHIVE_FILTER_NONE) {
  archive* writer = archive_write_new();
  archive_write_set_format_pax_restricted(writer);
  archive_write_add_filter(writer, filter);
  archive_write_set_bytes_in_last_block(writer, 1);
  std::string out;
  archive_write_open(
      writer, &out, nullptr,
      [](archive*, void* to, const void* bytes, size_t size) -> la_ssize_t {
        static_cast<std::string*>(to)->append(static_cast<const char*>(bytes), size);
        return static_cast<la_ssize_t>(size);
      },
      nullptr);
  for (const auto& item : entries) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, item.path.c_str());
    archive_entry_set_mode(entry, static_cast<mode_t>(item.type | item.mode));
    archive_entry_set_uid(entry, item.uid);
    if (!item.link.empty()) archive_entry_set_symlink(entry, item.link.c_str());
    if (!item.hardlink.empty()) archive_entry_set_hardlink(entry, item.hardlink.c_str());
    for (const auto& [key, value] : item.attributes) {
      archive_entry_xattr_add_entry(entry, key.c_str(), value.data(), value.size());
    }
    const bool data = item.type == AE_IFREG && item.hardlink.empty();
    archive_entry_set_size(entry, data ? static_cast<la_int64_t>(item.bytes.size()) : 0);
    archive_write_header(writer, entry);
    if (data) archive_write_data(writer, item.bytes.data(), item.bytes.size());
    archive_entry_free(entry);
  }
  archive_write_close(writer);
  archive_write_free(writer);
  return out;
}

// The members of an OCI archive of one image; the caller may spoil them before make_tar().
inline std::vector<TarEntry> oci_members(const std::string& name, const std::vector<std::string>& layers,
                                         base::Object config) {
  std::vector<TarEntry> members = {{.path = "oci-layout", .bytes = R"({"imageLayoutVersion":"1.0.0"})"}};
  const auto add = [&](const std::string& bytes, const char* type) {
    const std::string digest = bytes_digest(bytes);
    members.push_back({.path = "blobs/sha256/" + digest.substr(7), .bytes = bytes});
    return base::Object{
        {"mediaType", type}, {"digest", digest}, {"size", static_cast<int64_t>(bytes.size())}};
  };
  base::Array diff_ids, descriptors;
  for (const auto& layer : layers) {
    diff_ids.emplace_back(bytes_digest(layer));
    descriptors.emplace_back(add(layer, "application/vnd.oci.image.layer.v1.tar"));
  }
  const std::string config_text =
      base::write_json(base::Object{{"os", "linux"},
                                    {"config", std::move(config)},
                                    {"rootfs", base::Object{{"type", "layers"}, {"diff_ids", diff_ids}}}});
  const auto config_descriptor = add(config_text, "application/vnd.oci.image.config.v1+json");
  const std::string manifest = base::write_json(
      base::Object{{"schemaVersion", 2}, {"config", config_descriptor}, {"layers", descriptors}});
  auto manifest_descriptor = add(manifest, "application/vnd.oci.image.manifest.v1+json");
  manifest_descriptor.set("annotations", base::Object{{"org.opencontainers.image.ref.name", name}});
  members.push_back({.path = "index.json",
                     .bytes = base::write_json(base::Object{
                         {"schemaVersion", 2}, {"manifests", base::Array{manifest_descriptor}}})});
  return members;
}

}  // namespace node
