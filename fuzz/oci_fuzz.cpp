// links: node
// The documents of an image come from anywhere: index, manifest, configuration, docker-save's list, names,
// paths and log lines are parsed from the same bytes, and what was accepted must hold what the parser
// promises.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "node/cri_log.hpp"
#include "node/image_name.hpp"
#include "node/oci.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto manifest = node::parse_manifest(text)) {
    if (manifest->layers.empty() || manifest->layers.size() > node::kMaxLayers) std::abort();
  }
  if (auto config = node::parse_image_config(text, "amd64")) {
    for (const auto& variable : config->env) {
      if (variable.find('=') == std::string::npos) std::abort();
    }
    for (const auto& id : config->diff_ids) {
      if (!node::is_sha256_digest(id)) std::abort();
    }
  }
  if (auto index = node::parse_index(text)) {
    for (const auto& manifest : *index) {
      if (!node::is_sha256_digest(manifest.descriptor.digest)) std::abort();
    }
  }
  (void)node::parse_saved_images(text);
  if (auto path = node::normalise_member(text)) {
    if (path->starts_with("/") || path->find("..") == 0) {
      // A name may begin with two dots ("..data"), but never be them.
      if (*path == ".." || path->starts_with("../") || path->starts_with("/")) std::abort();
    }
  }
  if (auto name = node::normalise_image_name(text)) {
    auto again = node::normalise_image_name(*name);
    if (!again || *again != *name) std::abort();
  }
  node::LogFilter filter({.timestamps = true, .limit_bytes = 100});
  if (filter.feed(text).size() > 100) std::abort();
  if (node::find_tail(text, 3) > text.size()) std::abort();
  return 0;
}
