// `sampan list`, `sampan kubeconfig`: what there is. Prints to stdout; returns the exit code.
#pragma once

#include <string>

namespace main_ {

int list_clusters();
int print_kubeconfig(const std::string& name);

}  // namespace main_
