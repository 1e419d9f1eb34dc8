// `sampan image import` and `sampan image list`. They work on the image folder itself, also while the cluster is down.
#pragma once

#include <string>
#include <vector>

namespace main_ {

int import_images(const std::string& cluster, const std::vector<std::string>& files);
int list_images(const std::string& cluster);

}  // namespace main_
