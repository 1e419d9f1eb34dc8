#include "node/oci.hpp"

#include <algorithm>
#include <set>

#include "base/json.hpp"
#include "base/strings.hpp"

namespace node {
namespace {

std::unexpected<base::Error> bad(std::string message) {
  return base::fail(base::Reason::invalid, std::move(message));
}

base::Result<base::Value> parse_document(std::string_view text, std::string_view what) {
  if (text.size() > kMaxDocument) return bad(std::string(what) + " is larger than 4 MiB");
  auto value = base::parse_json(text, {.max_depth = 64, .max_bytes = kMaxDocument});
  if (!value) return std::unexpected(std::move(value).error().wrap(what));
  if (!value->is_object() && !value->is_array()) return bad(std::string(what) + " is no JSON object");
  return value;
}

base::Result<Descriptor> parse_descriptor(const base::Value& value, std::string_view what) {
  Descriptor descriptor;
  descriptor.media_type = value["mediaType"].as_string();
  descriptor.digest = value["digest"].as_string();
  descriptor.size = value["size"].int_or(-1);
  if (!is_sha256_digest(descriptor.digest)) {
    return bad(std::string(what) + " has the digest " + base::quote(descriptor.digest.substr(0, 100)) +
               ": only sha256 is supported");
  }
  if (descriptor.size < 0) return bad(std::string(what) + " " + descriptor.digest + " has no size");
  return descriptor;
}

bool has_control_characters(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

base::Result<std::vector<std::string>> string_list(const base::Value& value, std::string_view what) {
  std::vector<std::string> list;
  if (value.is_null()) return list;
  if (!value.is_array()) return bad(std::string(what) + " is no list");
  for (const auto& item : value.as_array()) {
    if (!item.is_string()) return bad(std::string(what) + " holds something that is no text");
    if (item.as_string().find('\0') != std::string_view::npos) return bad(std::string(what) + " holds a NUL");
    list.emplace_back(item.as_string());
  }
  return list;
}

base::Result<void> check_runtime_fields(const ImageConfig& config) {
  for (const auto& variable : config.env) {
    const auto equals = variable.find('=');
    if (equals == std::string::npos || equals == 0) {
      return bad("the image's Env has an entry without a name or \"=\": " +
                 base::quote(variable.substr(0, 80)));
    }
  }
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-' || c == ':' || c == '$';
  };
  if (config.user.size() > 256 || !std::all_of(config.user.begin(), config.user.end(), allowed)) {
    return bad("the image's User is not valid: " + base::quote(config.user.substr(0, 80)));
  }
  const std::string& dir = config.working_dir;
  if (has_control_characters(dir) || (!dir.empty() && dir[0] != '/')) {
    return bad("the image's WorkingDir is no absolute path: " + base::quote(dir.substr(0, 80)));
  }
  for (const auto& part : base::split(dir, '/')) {
    if (part == "..")
      return bad("the image's WorkingDir climbs with \"..\": " + base::quote(dir.substr(0, 80)));
  }
  if (dir == "/proc" || dir.starts_with("/proc/")) {
    return bad("the image's WorkingDir lies in /proc: " + base::quote(dir.substr(0, 80)));
  }
  return {};
}

base::Value list_value(const std::vector<std::string>& list) {
  base::Array array;
  for (const auto& item : list) array.emplace_back(item);
  return array;
}

std::vector<std::string> list_from(const base::Value& value) {
  std::vector<std::string> list;
  for (const auto& item : value.as_array()) list.emplace_back(item.as_string());
  return list;
}

}  // namespace

bool is_sha256_digest(std::string_view text) {
  return text.size() == 71 && text.starts_with("sha256:") &&
         text.find_first_not_of("0123456789abcdef", 7) == std::string_view::npos;
}

base::Result<std::vector<IndexedManifest>> parse_index(std::string_view text) {
  TRY(auto value, parse_document(text, "the image index"));
  if (!value["manifests"].is_array()) return bad("the image index has no list of manifests");
  if (!value["layers"].is_null()) return bad("the image index also has layers: it is ambiguous");
  if (value["manifests"].as_array().size() > 1000)
    return bad("the image index names more than 1000 manifests");
  std::vector<IndexedManifest> manifests;
  for (const auto& item : value["manifests"].as_array()) {
    IndexedManifest manifest;
    TRY(manifest.descriptor, parse_descriptor(item, "a manifest of the index"));
    manifest.os = item.at({"platform", "os"}).as_string();
    manifest.architecture = item.at({"platform", "architecture"}).as_string();
    const auto& annotations = item["annotations"];
    manifest.name = annotations["io.containerd.image.name"].as_string();
    if (manifest.name.empty()) manifest.name = annotations["org.opencontainers.image.ref.name"].as_string();
    const auto& type = manifest.descriptor.media_type;
    manifest.is_index = type == "application/vnd.oci.image.index.v1+json" ||
                        type == "application/vnd.docker.distribution.manifest.list.v2+json";
    manifests.push_back(std::move(manifest));
  }
  return manifests;
}

base::Result<ImageManifest> parse_manifest(std::string_view text) {
  TRY(auto value, parse_document(text, "the image manifest"));
  if (!value["manifests"].is_null()) return bad("the image manifest is also an index: it is ambiguous");
  if (value["schemaVersion"].int_or(0) != 2) return bad("the image manifest is not of schema version 2");
  ImageManifest manifest;
  TRY(manifest.config, parse_descriptor(value["config"], "the image configuration"));
  const auto& layers = value["layers"].as_array();
  if (layers.empty()) return bad("the image has no layers");
  if (layers.size() > kMaxLayers) {
    return bad("the image has " + std::to_string(layers.size()) + " layers: at most 120 are supported");
  }
  for (const auto& item : layers) {
    TRY(auto layer, parse_descriptor(item, "a layer"));
    manifest.layers.push_back(std::move(layer));
  }
  return manifest;
}

base::Result<ImageConfig> parse_image_config(std::string_view text, std::string_view architecture) {
  TRY(auto value, parse_document(text, "the image configuration"));
  if (!value.is_object()) return bad("the image configuration is no JSON object");
  const auto os = value["os"].as_string();
  const auto arch = value["architecture"].as_string();
  if ((!os.empty() && os != "linux") || (!arch.empty() && arch != architecture)) {
    return bad("the image is for " + std::string(os) + "/" + std::string(arch) + ", this node is linux/" +
               std::string(architecture));
  }
  ImageConfig config;
  const auto& runtime = value["config"];
  TRY(config.env, string_list(runtime["Env"], "the image's Env"));
  TRY(config.entrypoint, string_list(runtime["Entrypoint"], "the image's Entrypoint"));
  TRY(config.cmd, string_list(runtime["Cmd"], "the image's Cmd"));
  config.user = runtime["User"].as_string();
  config.working_dir = runtime["WorkingDir"].as_string();
  config.stop_signal = runtime["StopSignal"].as_string();
  TRY(config.diff_ids, string_list(value.at({"rootfs", "diff_ids"}), "the image's diff_ids"));
  if (config.diff_ids.empty()) return bad("the image configuration lists no layers (rootfs.diff_ids)");
  if (config.diff_ids.size() > kMaxLayers) {
    return bad("the image has " + std::to_string(config.diff_ids.size()) +
               " layers: at most 120 are supported");
  }
  for (const auto& id : config.diff_ids) {
    if (!is_sha256_digest(id))
      return bad("a diff_id of the image is no sha256 digest: " + base::quote(id.substr(0, 80)));
  }
  CHECK_OK(check_runtime_fields(config));
  return config;
}

base::Result<std::vector<SavedImage>> parse_saved_images(std::string_view text) {
  TRY(auto value, parse_document(text, "manifest.json"));
  if (!value.is_array()) return bad("manifest.json is no list of images");
  if (value.as_array().size() > 1000) return bad("manifest.json names more than 1000 images");
  std::vector<SavedImage> images;
  for (const auto& item : value.as_array()) {
    SavedImage image;
    TRY(image.config, normalise_member(item["Config"].as_string()));
    TRY(auto layers, string_list(item["Layers"], "manifest.json: Layers"));
    if (layers.empty()) return bad("manifest.json: an image has no layers");
    if (layers.size() > kMaxLayers) return bad("manifest.json: an image has more than 120 layers");
    for (const auto& layer : layers) {
      TRY(auto member, normalise_member(layer));
      image.layers.push_back(std::move(member));
    }
    TRY(image.tags, string_list(item["RepoTags"], "manifest.json: RepoTags"));
    images.push_back(std::move(image));
  }
  return images;
}

base::Value to_value(const ImageConfig& config) {
  return base::Object{{"env", list_value(config.env)},    {"entrypoint", list_value(config.entrypoint)},
                      {"cmd", list_value(config.cmd)},    {"user", config.user},
                      {"workingDir", config.working_dir}, {"stopSignal", config.stop_signal}};
}

ImageConfig image_config_from(const base::Value& value) {
  ImageConfig config;
  config.env = list_from(value["env"]);
  config.entrypoint = list_from(value["entrypoint"]);
  config.cmd = list_from(value["cmd"]);
  config.user = value["user"].as_string();
  config.working_dir = value["workingDir"].as_string();
  config.stop_signal = value["stopSignal"].as_string();
  return config;
}

base::Result<std::string> normalise_member(std::string_view path) {
  if (path.size() > 4096) return bad("a path in the archive is longer than 4096 bytes");
  if (path.find('\0') != std::string_view::npos) return bad("a path in the archive holds a NUL");
  std::string result;
  for (const auto& part : base::split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") return bad("the path " + base::quote(path) + " in the archive climbs with \"..\"");
    if (part.size() > 255) return bad("a name in the archive is longer than 255 bytes");
    if (!result.empty()) result += '/';
    result += part;
  }
  return result;
}

}  // namespace node
