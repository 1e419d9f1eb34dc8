#include "node/image_archive.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "base/strings.hpp"
#include "node/layer.hpp"
#include "node/oci.hpp"
#include "sys/fs.hpp"

namespace node {
namespace {

constexpr size_t kMaxMembers = 20'000;

std::unexpected<base::Error> bad(std::string message) {
  return base::fail(base::Reason::invalid, std::move(message));
}

struct FreeReader {
  void operator()(archive* a) const { archive_read_free(a); }
};

base::Result<int64_t> stage_member(archive* reader, const std::string& path, int64_t room) {
  TRY(auto fd, sys::open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0600));
  std::vector<char> buffer(256 << 10);
  int64_t total = 0;
  for (;;) {
    const la_ssize_t n = archive_read_data(reader, buffer.data(), buffer.size());
    if (n < 0) return bad(std::string("the archive is damaged: ") + archive_error_string(reader));
    if (n == 0) return total;
    total += n;
    if (total > room) return bad("the archive unpacks to more than the limit of 16 GiB");
    CHECK_OK(sys::write_all(fd.get(), std::string_view(buffer.data(), static_cast<size_t>(n))));
  }
}

// What a link named `from` means: its target, relative to the folder it lies in.
base::Result<std::string> link_target(const std::string& from, std::string_view target) {
  std::vector<std::string> parts;
  if (!target.starts_with('/')) {
    parts = base::split(from, '/');
    parts.pop_back();
  }
  for (const auto& part : base::split(target, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (parts.empty()) return bad("the link " + base::quote(from) + " leaves the archive");
      parts.pop_back();
    } else {
      parts.push_back(part);
    }
  }
  return base::join(parts, "/");
}

}  // namespace

base::Result<ImageArchive> ImageArchive::open(const std::string& file, const std::string& staging,
                                              int64_t max_bytes) {
  ImageArchive result;
  if (sys::is_dir(file)) {
    result.folder_ = file;
    return result;
  }
  struct stat info{};
  if (::stat(file.c_str(), &info) != 0) return std::unexpected(base::errno_error("open " + file, errno));
  if (!S_ISREG(info.st_mode)) return bad(file + " is neither a file nor a folder");
  result.staged_ = true;
  std::unique_ptr<archive, FreeReader> reader(archive_read_new());
  archive_read_support_filter_gzip(reader.get());
  archive_read_support_filter_zstd(reader.get());
  archive_read_support_format_tar(reader.get());
  archive_read_set_option(reader.get(), "tar", "hdrcharset", "BINARY");
  if (archive_read_open_filename(reader.get(), file.c_str(), 256 << 10) != ARCHIVE_OK) {
    return bad(file + " is no image archive (docker save, OCI): " + archive_error_string(reader.get()));
  }
  int64_t total = 0;
  for (size_t count = 0;; ++count) {
    archive_entry* entry = nullptr;
    const int state = archive_read_next_header(reader.get(), &entry);
    if (state == ARCHIVE_EOF) break;
    if (state != ARCHIVE_OK && state != ARCHIVE_WARN) {
      return bad(file + " is no image archive (docker save, OCI): " + archive_error_string(reader.get()));
    }
    if (count >= kMaxMembers) return bad(file + " has more than 20000 members: it is no image archive");
    const char* raw = archive_entry_pathname(entry);
    if (raw == nullptr) return bad(file + " has a member without a name");
    TRY(auto name, normalise_member(raw));
    if (const char* link = archive_entry_hardlink(entry)) {
      TRY(result.links_[name], normalise_member(link));
    } else if (archive_entry_filetype(entry) == AE_IFLNK) {
      TRY(result.links_[name], link_target(name, archive_entry_symlink(entry)));
    } else if (archive_entry_filetype(entry) == AE_IFREG) {
      const std::string path = staging + "/" + std::to_string(count);
      TRY(auto size, stage_member(reader.get(), path, max_bytes - total));
      total += size;
      if (total > (64 << 20) && total / std::max<int64_t>(info.st_size, 1) > 200) {
        return bad(file + " unpacks to more than 200 times its size");
      }
      result.members_[name] = path;
    }
  }
  return result;
}

base::Result<std::string> ImageArchive::path_of(const std::string& member) const {
  if (!staged_) {
    TRY(auto name, normalise_member(member));
    TRY(auto root, sys::open_file(folder_, O_PATH | O_DIRECTORY));
    auto found = sys::open_in_root(root.get(), name, O_PATH);
    struct stat info{};
    if (!found || ::fstat(found->get(), &info) != 0 || !S_ISREG(info.st_mode)) {
      return bad("the image has no file " + base::quote(name));
    }
    return folder_ + "/" + name;
  }
  std::string name = member;
  for (int hops = 0; hops < 16; ++hops) {
    if (const auto found = members_.find(name); found != members_.end()) return found->second;
    const auto link = links_.find(name);
    if (link == links_.end()) break;
    name = link->second;
  }
  return bad("the image has no file " + base::quote(member));
}

bool ImageArchive::has(const std::string& member) const { return path_of(member).has_value(); }

base::Result<std::string> ImageArchive::read(const std::string& member, size_t limit) const {
  TRY(auto path, path_of(member));
  auto text = sys::read_file(path, limit);
  if (!text) return std::unexpected(std::move(text).error().wrap(member));
  return text;
}

base::Result<std::string> ImageArchive::blob_path(const std::string& digest, int64_t size) const {
  TRY(auto path, path_of("blobs/sha256/" + digest.substr(7)));
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return std::unexpected(base::errno_error("open " + digest, errno));
  if (size >= 0 && info.st_size != size) {
    return bad("the blob " + digest + " has " + std::to_string(info.st_size) + " bytes, the image says " +
               std::to_string(size));
  }
  TRY(auto actual, file_digest(path));
  if (actual != digest) return bad("the blob " + digest + " is damaged: its content is " + actual);
  return path;
}

}  // namespace node
