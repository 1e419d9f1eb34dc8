#include "node/layer_writer.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <set>

#include "base/strings.hpp"
#include "node/oci.hpp"
#include "sys/fs.hpp"

namespace node {
namespace {

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";
constexpr const char* kOpaqueAttribute = "trusted.overlay.opaque";

std::unexpected<base::Error> bad(std::string message) {
  return base::fail(base::Reason::invalid, std::move(message));
}

struct FreeReader {
  void operator()(archive* a) const { archive_read_free(a); }
};
struct FreeWriter {
  void operator()(archive* a) const { archive_write_free(a); }
};

bool stat_of(const std::string& path, struct stat& info) { return ::lstat(path.c_str(), &info) == 0; }
bool is_whiteout(const struct stat& info) { return S_ISCHR(info.st_mode) && info.st_rdev == makedev(0, 0); }

class LayerWriter {
 public:
  explicit LayerWriter(const WriterLimits& limits) : limits_(limits), disk_(archive_write_disk_new()) {
    archive_write_disk_set_options(disk_.get(), ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_PERM |
                                                    ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_XATTR |
                                                    ARCHIVE_EXTRACT_UNLINK | ARCHIVE_EXTRACT_SECURE_NODOTDOT);
  }

  base::Result<void> write(archive* from, archive_entry* entry);
  base::Result<std::vector<std::string>> finish() {
    if (archive_write_close(disk_.get()) != ARCHIVE_OK) {
      return bad(std::string("cannot finish the layer: ") + archive_error_string(disk_.get()));
    }
    for (const auto& path : opaque_) CHECK_OK(set_opaque(path));
    return std::vector<std::string>(implied_.begin(), implied_.end());
  }

 private:
  base::Result<void> make_parents(const std::string& path);
  base::Result<void> whiteout(const std::string& path, const std::string& folder, std::string_view name);
  base::Result<void> extract(archive* from, archive_entry* entry, const std::string& path);
  base::Result<void> copy_data(archive* from, const std::string& path);
  static base::Result<void> set_opaque(const std::string& path) {
    if (::lsetxattr(path.empty() ? "/" : path.c_str(), kOpaqueAttribute, "y", 1, 0) != 0) {
      return std::unexpected(base::errno_error("mark folder " + path + " opaque", errno));
    }
    return {};
  }

  WriterLimits limits_;
  std::unique_ptr<archive, FreeWriter> disk_;
  std::set<std::string> implied_;
  std::set<std::string> opaque_;  // marked at the end: the writer sets attributes late
  int64_t entries_ = 0;
  int64_t bytes_ = 0;
};

base::Result<void> LayerWriter::make_parents(const std::string& path) {
  for (size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    const std::string parent = path.substr(0, slash);
    struct stat info{};
    if (stat_of(parent, info)) {
      if (is_whiteout(info)) {
        ::unlink(parent.c_str());
        opaque_.insert(parent);
      } else {
        continue;
      }
    }
    if (::mkdir(parent.c_str(), 0755) != 0 && errno != EEXIST) {
      return std::unexpected(base::errno_error("make folder " + base::quote(parent), errno));
    }
    implied_.insert(parent);
  }
  return {};
}

// "name is gone in this layer": a character device 0/0 for overlayfs.
base::Result<void> LayerWriter::whiteout(const std::string& path, const std::string& folder,
                                         std::string_view name) {
  // Its folder must be one, not a link to one: else it would mark something elsewhere.
  for (size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    struct stat info{};
    if (stat_of(path.substr(0, slash), info) && !S_ISDIR(info.st_mode) && !is_whiteout(info)) {
      return bad("the whiteout " + base::quote(path) + " lies behind something that is no folder");
    }
  }
  CHECK_OK(make_parents(path));
  if (path.substr(folder.empty() ? 0 : folder.size() + 1) == kOpaque) {
    opaque_.insert(folder);
    return {};
  }
  if (name.starts_with(kWhiteout)) return {};  // ".wh..wh.aufs", ".wh..wh.plnk": notes of an old driver
  if (name.empty() || name == "." || name == "..")
    return bad("the whiteout " + base::quote(path) + " names nothing");
  const std::string target = (folder.empty() ? "" : folder + "/") + std::string(name);
  struct stat info{};
  if (stat_of(target, info)) {
    // The layer has its own: it replaces what is below, as a whole.
    if (S_ISDIR(info.st_mode)) opaque_.insert(target);
    return {};
  }
  if (::mknod(target.c_str(), S_IFCHR, makedev(0, 0)) != 0) {
    return std::unexpected(base::errno_error("make the whiteout of " + base::quote(target), errno));
  }
  return {};
}

void keep_harmless_attributes(archive_entry* entry) {
  std::vector<std::pair<std::string, std::string>> kept;
  archive_entry_xattr_reset(entry);
  const char* name = nullptr;
  const void* value = nullptr;
  size_t size = 0;
  while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
    const std::string_view key = name;
    const bool wanted = (key == "security.capability" && size <= 64) ||
                        (key.starts_with("user.") && !key.starts_with("user.overlay.") && size <= 4096);
    if (wanted && kept.size() < 32)
      kept.emplace_back(key, std::string(static_cast<const char*>(value), size));
  }
  archive_entry_xattr_clear(entry);
  for (const auto& [key, text] : kept)
    archive_entry_xattr_add_entry(entry, key.c_str(), text.data(), text.size());
  archive_entry_acl_clear(entry);
  archive_entry_copy_fflags_text(entry, "");
}

base::Result<void> LayerWriter::write(archive* from, archive_entry* entry) {
  if (++entries_ > limits_.max_entries) {
    return bad("the layer has more than " + std::to_string(limits_.max_entries) + " entries");
  }
  const char* raw = archive_entry_pathname(entry);
  if (raw == nullptr) return bad("an entry of the layer has no path");
  TRY(auto path, normalise_member(raw));
  if (archive_entry_size_is_set(entry)) {
    const int64_t size = archive_entry_size(entry);
    if (size < 0) return bad("the entry " + base::quote(path) + " has a negative size");
    if (size > limits_.max_bytes - bytes_) return bad("the layer unpacks to more than the limit");
    bytes_ += size;
  }
  if (path.empty()) {
    if (archive_entry_filetype(entry) == AE_IFDIR) {
      ::chmod("/", archive_entry_perm(entry) & 07777);
      if (::chown("/", static_cast<uid_t>(archive_entry_uid(entry)),
                  static_cast<gid_t>(archive_entry_gid(entry))) != 0) {
        return std::unexpected(base::errno_error("own the root folder", errno));
      }
    }
    return {};
  }
  const auto slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : path.substr(0, slash);
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  for (const auto& part : base::split(folder, '/')) {
    if (part.starts_with(kWhiteout)) return bad("the path " + base::quote(path) + " goes through a whiteout");
  }
  if (name.starts_with(kWhiteout))
    return whiteout(path, folder, std::string_view(name).substr(kWhiteout.size()));
  return extract(from, entry, path);
}

base::Result<void> LayerWriter::extract(archive* from, archive_entry* entry, const std::string& path) {
  CHECK_OK(make_parents(path));
  archive_entry_copy_pathname(entry, path.c_str());
  const auto type = archive_entry_filetype(entry);
  const char* hardlink = archive_entry_hardlink(entry);
  struct stat info{};
  if (hardlink != nullptr) {
    TRY(auto target, normalise_member(hardlink));
    if (!stat_of(target, info)) {
      return bad("the hard link " + base::quote(path) + " points to " + base::quote(target) +
                 ", which is not in the layer");
    }
    if (!S_ISREG(info.st_mode))
      return bad("the hard link " + base::quote(path) + " points to no regular file");
    if (target == path) return {};
    archive_entry_copy_hardlink(entry, target.c_str());
  } else if (type == AE_IFCHR || type == AE_IFBLK || type == AE_IFSOCK) {
    return {};  // devices of images are never made: a container gets its own /dev
  } else if (type != AE_IFREG && type != AE_IFDIR && type != AE_IFLNK && type != AE_IFIFO) {
    return bad("the entry " + base::quote(path) + " is of an unknown kind");
  }
  const bool folder = hardlink == nullptr && type == AE_IFDIR;
  if (stat_of(path, info)) {
    if (is_whiteout(info)) {
      ::unlink(path.c_str());
      if (folder) opaque_.insert(path);
    } else if (S_ISDIR(info.st_mode) && !folder) {
      CHECK_OK(sys::remove_tree(path));
    } else if (!S_ISDIR(info.st_mode) && folder) {
      ::unlink(path.c_str());
    }
  }
  if (folder) implied_.erase(path);
  keep_harmless_attributes(entry);
  if (archive_write_header(disk_.get(), entry) < ARCHIVE_OK) {
    return bad("cannot unpack " + base::quote(path) + ": " + archive_error_string(disk_.get()));
  }
  if (hardlink == nullptr && type == AE_IFREG && archive_entry_size(entry) > 0)
    CHECK_OK(copy_data(from, path));
  if (archive_write_finish_entry(disk_.get()) < ARCHIVE_WARN) {
    return bad("cannot unpack " + base::quote(path) + ": " + archive_error_string(disk_.get()));
  }
  return {};
}

base::Result<void> LayerWriter::copy_data(archive* from, const std::string& path) {
  for (;;) {
    const void* block = nullptr;
    size_t size = 0;
    la_int64_t offset = 0;
    const int state = archive_read_data_block(from, &block, &size, &offset);
    if (state == ARCHIVE_EOF) return {};
    if (state != ARCHIVE_OK) {
      return bad("the content of " + base::quote(path) + " is damaged: " + archive_error_string(from));
    }
    if (archive_write_data_block(disk_.get(), block, size, offset) < ARCHIVE_OK) {
      return bad("cannot write " + base::quote(path) + ": " + archive_error_string(disk_.get()));
    }
  }
}

}  // namespace

base::Result<std::vector<std::string>> write_layer(int input, const WriterLimits& limits) {
  std::unique_ptr<archive, FreeReader> reader(archive_read_new());
  archive_read_support_format_tar(reader.get());
  archive_read_support_format_empty(reader.get());
  archive_read_set_option(reader.get(), "tar", "hdrcharset", "BINARY");
  if (archive_read_open_fd(reader.get(), input, 64 << 10) != ARCHIVE_OK) {
    return bad(std::string("the layer is no tar: ") + archive_error_string(reader.get()));
  }
  LayerWriter writer(limits);
  for (;;) {
    archive_entry* entry = nullptr;
    const int state = archive_read_next_header(reader.get(), &entry);
    if (state == ARCHIVE_EOF) return writer.finish();
    if (state != ARCHIVE_OK && state != ARCHIVE_WARN) {
      return bad(std::string("the layer's tar is damaged: ") + archive_error_string(reader.get()));
    }
    CHECK_OK(writer.write(reader.get(), entry));
  }
}

}  // namespace node
