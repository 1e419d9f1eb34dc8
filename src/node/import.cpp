// `sampan image import`: reads an archive or layout, unpacks the layers that the store lacks, and enters the
// images into its index, all or nothing.
#include <sys/utsname.h>

#include <algorithm>

#include "base/ids.hpp"
#include "base/strings.hpp"
#include "node/agent.hpp"
#include "node/image_archive.hpp"
#include "node/image_name.hpp"
#include "node/image_store.hpp"
#include "node/layer.hpp"
#include "node/machine.hpp"
#include "sys/fs.hpp"

namespace node {
namespace {

constexpr int64_t kMaxBytes = int64_t{16} << 30;

std::unexpected<base::Error> bad(std::string message) {
  return base::fail(base::Reason::invalid, std::move(message));
}

// An image with its layers' blobs found, not yet unpacked.
struct FoundImage {
  std::string id;
  ImageConfig config;
  std::vector<std::string> blobs;
  std::vector<std::string> names;
};

class Import {
 public:
  Import(const std::string& image_dir, const ImageArchive& archive) : dir_(image_dir), archive_(archive) {}

  base::Result<std::vector<FoundImage>> find_images() {
    std::vector<FoundImage> images;
    if (archive_.has("manifest.json")) {
      TRY(auto text, archive_.read("manifest.json", kMaxDocument));
      TRY(auto saved, parse_saved_images(text));
      for (const auto& item : saved) {
        TRY(auto image, find_saved(item));
        images.push_back(std::move(image));
      }
    } else if (archive_.has("index.json")) {
      TRY(auto text, archive_.read("index.json", kMaxDocument));
      TRY(auto manifests, parse_index(text));
      for (const auto& manifest : manifests) CHECK_OK(find_indexed(manifest, manifest.name, 0, images));
    } else {
      return bad("it is no image: neither manifest.json (docker save) nor index.json (OCI) is in it");
    }
    if (images.empty()) return bad("it holds no image for linux/" + machine_architecture());
    return images;
  }

  base::Result<StoredImage> store(const FoundImage& found) {
    StoredImage image;
    image.id = found.id;
    image.config = found.config;
    std::vector<std::string> below;
    std::string chain;
    for (size_t i = 0; i < found.blobs.size(); ++i) {
      const std::string& diff_id = found.config.diff_ids[i];
      chain = i == 0 ? diff_id : bytes_digest(chain + " " + diff_id);
      // Half of the digest keeps the options of the overlay mount short.
      const std::string name = chain.substr(7, 24);
      TRY(auto size, unpack_once(found.blobs[i], name, diff_id, below));
      image.size += size;
      image.layers.push_back(name);
      below.push_back(dir_ + "/layers/" + name);
    }
    return image;
  }

 private:
  base::Result<FoundImage> find_saved(const SavedImage& saved) {
    FoundImage image;
    TRY(auto text, archive_.read(saved.config, kMaxDocument));
    TRY(image.config, parse_image_config(text, machine_architecture()));
    image.id = bytes_digest(text);
    if (saved.layers.size() != image.config.diff_ids.size()) {
      return bad("manifest.json names " + std::to_string(saved.layers.size()) +
                 " layers, the configuration " + std::to_string(image.config.diff_ids.size()));
    }
    for (const auto& layer : saved.layers) {
      TRY(auto path, archive_.path_of(layer));
      image.blobs.push_back(std::move(path));
    }
    image.names = saved.tags;
    return image;
  }

  base::Result<void> find_indexed(const IndexedManifest& entry, const std::string& name, int depth,
                                  std::vector<FoundImage>& images) {
    if (depth > 3) return bad("the image's indexes are nested too deep");
    if (!entry.os.empty() && (entry.os != "linux" || entry.architecture != machine_architecture())) return {};
    TRY(auto path, archive_.blob_path(entry.descriptor.digest, entry.descriptor.size));
    TRY(auto text, sys::read_file(path, kMaxDocument));
    if (entry.is_index) {
      TRY(auto inner, parse_index(text));
      for (const auto& manifest : inner) CHECK_OK(find_indexed(manifest, name, depth + 1, images));
      return {};
    }
    TRY(auto manifest, parse_manifest(text));
    TRY(auto config_path, archive_.blob_path(manifest.config.digest, manifest.config.size));
    TRY(auto config, sys::read_file(config_path, kMaxDocument));
    FoundImage image;
    TRY(image.config, parse_image_config(config, machine_architecture()));
    image.id = manifest.config.digest;
    if (manifest.layers.size() != image.config.diff_ids.size()) {
      return bad("the manifest names " + std::to_string(manifest.layers.size()) +
                 " layers, the configuration " + std::to_string(image.config.diff_ids.size()));
    }
    for (const auto& layer : manifest.layers) {
      TRY(auto blob, archive_.blob_path(layer.digest, layer.size));
      image.blobs.push_back(std::move(blob));
    }
    if (!name.empty()) image.names.push_back(name);
    images.push_back(std::move(image));
    return {};
  }

  // A layer is unpacked beside its place and moved there whole.
  base::Result<int64_t> unpack_once(const std::string& blob, const std::string& name,
                                    const std::string& diff_id, const std::vector<std::string>& below) {
    const std::string place = dir_ + "/layers/" + name;
    if (sys::exists(place)) {
      TRY(auto text, sys::read_file(place + ".size", 100));
      return base::parse_int(base::trim(text)).value_or(0);
    }
    const std::string unpacked = dir_ + "/tmp/layer-" + base::make_name_suffix(10);
    CHECK_OK(sys::make_dirs(unpacked, 0755));
    TRY(auto size, unpack_layer(blob, unpacked, diff_id, below));
    CHECK_OK(sys::write_file_atomically(place + ".size", std::to_string(size) + "\n", 0600));
    if (::rename(unpacked.c_str(), place.c_str()) != 0) {
      return std::unexpected(base::errno_error("move a layer to " + place, errno));
    }
    return size;
  }

  std::string dir_;
  const ImageArchive& archive_;
};

base::Result<std::vector<std::string>> import_locked(const std::string& image_dir, const std::string& file) {
  // Left by an import that was killed.
  CHECK_OK(sys::remove_tree(image_dir + "/tmp"));
  const std::string staging = image_dir + "/tmp/archive";
  CHECK_OK(sys::make_dirs(staging, 0700));
  CHECK_OK(sys::make_dirs(image_dir + "/layers", 0700));
  TRY(auto archive, ImageArchive::open(file, staging, kMaxBytes));
  Import import(image_dir, archive);
  TRY(auto found, import.find_images());
  std::vector<StoredImage> stored;
  std::vector<std::string> names;
  for (const auto& image : found) {
    if (image.names.empty())
      return bad("an image in it has no name: save it with its name, e.g. docker save luksa/kubia");
    TRY(auto one, import.store(image));
    for (const auto& name : image.names) {
      TRY(one.name, normalise_image_name(name));
      stored.push_back(one);
      names.push_back(one.name);
    }
  }
  CHECK_OK(ImageStore(image_dir).add(stored));
  return names;
}

}  // namespace

base::Result<std::vector<std::string>> import_image(const std::string& image_dir, const std::string& file) {
  CHECK_OK(sys::make_dirs(image_dir, 0700));
  TRY(auto lock, sys::lock_file(image_dir + "/lock"));
  auto names = import_locked(image_dir, file);
  auto cleaned = sys::remove_tree(image_dir + "/tmp");
  if (!names) return std::unexpected(std::move(names).error().wrap("import " + file));
  CHECK_OK(std::move(cleaned));
  return names;
}

}  // namespace node
