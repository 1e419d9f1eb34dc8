// An image archive or layout folder as named members, whatever its form: reading a member never leaves it.
// One thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace node {

class ImageArchive {
 public:
  // A folder is read where it is; an archive (tar, plain, gzip or zstd) is staged below `staging`, an empty
  // folder.
  static base::Result<ImageArchive> open(const std::string& file, const std::string& staging,
                                         int64_t max_bytes);
  bool has(const std::string& member) const;
  // The path of a regular file with the member's bytes. invalid when the archive has none of that name.
  base::Result<std::string> path_of(const std::string& member) const;
  base::Result<std::string> read(const std::string& member, size_t limit) const;
  // The member blobs/sha256/..., its size and digest checked.
  base::Result<std::string> blob_path(const std::string& digest, int64_t size) const;

 private:
  std::string folder_;                          // of a layout
  std::map<std::string, std::string> members_;  // of an archive: name -> staged path
  std::map<std::string, std::string> links_;    // name -> name
  bool staged_ = false;
};

}  // namespace node
