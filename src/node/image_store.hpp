// The images of this node: an index file and one folder per layer, shared between images and never changed
// once made. Many processes may read; an import holds the lock. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "node/oci.hpp"

namespace node {

struct StoredImage {
  std::string name;  // docker.io/luksa/kubia:latest
  std::string id;    // sha256:... of the configuration
  int64_t size = 0;
  std::vector<std::string> layers;  // names of folders below layers/, lowest first
  ImageConfig config;
};

class ImageStore {
 public:
  explicit ImageStore(std::string dir) : dir_(std::move(dir)) {}
  std::string layers_dir() const { return dir_ + "/layers"; }
  // By any name that normalises to it, or by id. not_found says how to import it.
  base::Result<StoredImage> find(std::string_view name) const;
  base::Result<std::vector<StoredImage>> list() const;
  // Replaces images of the same names.
  base::Result<void> add(const std::vector<StoredImage>& images);

 private:
  std::string dir_;
};

}  // namespace node
