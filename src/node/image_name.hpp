// Names of images: "luksa/kubia" is docker.io/luksa/kubia:latest everywhere. Pure; any thread.
//
// Source: the reference grammar of the distribution project, as container runtimes apply it.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace node {

// The full form: registry, repository, tag or digest. invalid when it is no image name.
base::Result<std::string> normalise_image_name(std::string_view name);

}  // namespace node
