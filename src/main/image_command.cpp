#include "main/image_command.hpp"

#include <fmt/format.h>

#include "main/cluster.hpp"
#include "node/agent.hpp"
#include "sys/fs.hpp"

namespace main_ {
namespace {

bool cluster_exists(const std::string& cluster) {
  if (sys::exists(ClusterPaths(cluster).state_dir)) return true;
  fmt::print(stderr, "error: there is no cluster \"{}\": start it with: sampan up --name {}\n", cluster, cluster);
  return false;
}

std::string human_size(int64_t bytes) {
  if (bytes >= 1'000'000'000) return fmt::format("{:.1f}GB", static_cast<double>(bytes) / 1e9);
  if (bytes >= 1'000'000) return fmt::format("{:.1f}MB", static_cast<double>(bytes) / 1e6);
  return fmt::format("{:.1f}kB", static_cast<double>(bytes) / 1e3);
}

}  // namespace

int import_images(const std::string& cluster, const std::vector<std::string>& files) {
  if (!cluster_exists(cluster)) return 1;
  int failed = 0;
  for (auto& file : files) {
    auto names = node::import_image(node_config(ClusterPaths(cluster)).image_dir, file);
    if (!names) {
      fmt::print(stderr, "error: {}\n", names.error().message);
      failed = 1;
      continue;
    }
    for (auto& name : *names) fmt::print("imported {}\n", name);
  }
  return failed;
}

int list_images(const std::string& cluster) {
  if (!cluster_exists(cluster)) return 1;
  auto images = node::list_images(node_config(ClusterPaths(cluster)).image_dir);
  if (!images) {
    fmt::print(stderr, "error: {}\n", images.error().message);
    return 1;
  }
  size_t width = 5;
  for (auto& image : *images) width = std::max(width, image.name.size());
  fmt::print("{:<{}}   {:<12}   {}\n", "IMAGE", width, "IMAGE ID", "SIZE");
  for (auto& image : *images) {
    std::string_view id = image.id;
    if (id.starts_with("sha256:")) id.remove_prefix(7);
    fmt::print("{:<{}}   {:<12}   {}\n", image.name, width, id.substr(0, 12), human_size(image.size));
  }
  return 0;
}

}  // namespace main_
