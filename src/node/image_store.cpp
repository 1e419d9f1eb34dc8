#include "node/image_store.hpp"

#include <algorithm>

#include "base/json.hpp"
#include "node/agent.hpp"
#include "node/image_name.hpp"
#include "sys/fs.hpp"

namespace node {

base::Result<std::vector<StoredImage>> ImageStore::list() const {
  std::vector<StoredImage> images;
  auto text = sys::read_file(dir_ + "/index.json");
  if (!text) {
    if (text.error().reason == base::Reason::not_found) return images;
    return std::unexpected(std::move(text).error());
  }
  auto value = base::parse_json(*text);
  if (!value) return std::unexpected(std::move(value).error().wrap("the index of the image store " + dir_));
  for (const auto& item : (*value)["images"].as_array()) {
    StoredImage image;
    image.name = item["name"].as_string();
    image.id = item["id"].as_string();
    image.size = item["size"].int_or(0);
    for (const auto& layer : item["layers"].as_array()) image.layers.emplace_back(layer.as_string());
    image.config = image_config_from(item["config"]);
    images.push_back(std::move(image));
  }
  return images;
}

base::Result<StoredImage> ImageStore::find(std::string_view name) const {
  TRY(auto images, list());
  std::string wanted(name);
  if (!is_sha256_digest(name)) {
    TRY(wanted, normalise_image_name(name));
  }
  const auto found = std::find_if(images.begin(), images.end(), [&](const StoredImage& image) {
    return image.name == wanted || image.id == wanted;
  });
  if (found != images.end()) return *found;
  return base::fail(
      base::Reason::not_found,
      "image \"" + std::string(name) +
          "\" is not in this node's store: import it with: sampan image import FILE (pulling from "
          "registries comes later)");
}

base::Result<void> ImageStore::add(const std::vector<StoredImage>& added) {
  TRY(auto images, list());
  for (const auto& image : added) {
    std::erase_if(images, [&](const StoredImage& old) { return old.name == image.name; });
    images.push_back(image);
  }
  std::sort(images.begin(), images.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  base::Array items;
  for (const auto& image : images) {
    base::Array layers;
    for (const auto& layer : image.layers) layers.emplace_back(layer);
    items.emplace_back(base::Object{{"name", image.name},
                                    {"id", image.id},
                                    {"size", image.size},
                                    {"layers", std::move(layers)},
                                    {"config", to_value(image.config)}});
  }
  return sys::write_file_atomically(
      dir_ + "/index.json",
      base::write_json(base::Object{{"version", 1}, {"images", std::move(items)}}) + "\n", 0600, true);
}

base::Result<std::vector<ImageListEntry>> list_images(const std::string& image_dir) {
  TRY(auto images, ImageStore(image_dir).list());
  std::vector<ImageListEntry> entries;
  for (auto& image : images) entries.push_back({std::move(image.name), std::move(image.id), image.size});
  return entries;
}

}  // namespace node
