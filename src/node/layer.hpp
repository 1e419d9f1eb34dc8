// Unpacks one layer of an image into a folder, in the form that overlayfs stacks. The tar is read by a child
// process that has made the folder its root, so that no path, link or whiteout in it can reach anything else.
// Any thread.
//
// Source: OCI image specification, "Image Layer Filesystem Changeset".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace node {

struct LayerLimits {
  int64_t max_bytes = int64_t{16} << 30;  // of all that is unpacked
  int64_t max_entries = 300'000;
  // More than `max_ratio` times the packed size is refused once it exceeds `ratio_from`.
  int64_t max_ratio = 200;
  int64_t ratio_from = 64 << 20;
};

// `blob` (plain, gzip or zstd) into the empty folder `target`. Its uncompressed bytes must hash to `diff_id`.
// `below`: the folders of the layers under it, lowest first; folders that the layer implies but does not
// describe take their owner and mode from there. Returns the bytes unpacked.
base::Result<int64_t> unpack_layer(const std::string& blob, const std::string& target,
                                   const std::string& diff_id, const std::vector<std::string>& below,
                                   const LayerLimits& limits = {});

// "sha256:..." of the file's bytes.
base::Result<std::string> file_digest(const std::string& path);
std::string bytes_digest(std::string_view bytes);

}  // namespace node
