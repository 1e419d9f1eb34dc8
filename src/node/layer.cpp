#include "node/layer.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "base/strings.hpp"
#include "node/layer_writer.hpp"
#include "sys/fs.hpp"
#include "sys/process.hpp"

namespace node {
namespace {

std::unexpected<base::Error> bad(std::string message) {
  return base::fail(base::Reason::invalid, std::move(message));
}

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
  }
  void add(const void* bytes, size_t size) { EVP_DigestUpdate(context_.get(), bytes, size); }
  std::string digest() {
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    EVP_DigestFinal_ex(context_.get(), bytes, &size);
    return "sha256:" + base::hex_encode(std::string_view(reinterpret_cast<char*>(bytes), size));
  }

 private:
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context_;
};

struct CloseArchive {
  void operator()(archive* a) const { archive_read_free(a); }
};
using Reader = std::unique_ptr<archive, CloseArchive>;

// The child: its root is the layer, its only door is the pipe.
[[noreturn]] void run_unpacker(const std::string& target, int input, int report, const LayerLimits& limits) {
  ::signal(SIGPIPE, SIG_DFL);
  rlimit cpu{600, 600};
  ::setrlimit(RLIMIT_CPU, &cpu);
  ::umask(0);
  std::string message;
  if (::chroot(target.c_str()) != 0 || ::chdir("/") != 0) {
    message = "E" + base::errno_error("enter the layer's folder", errno).message;
  } else {
    auto implied = write_layer(input, {limits.max_bytes, limits.max_entries});
    if (implied) {
      message = "I";
      for (const auto& path : *implied) message += path + std::string(1, '\0');
    } else {
      message = "E" + implied.error().message;
    }
  }
  const bool sent = sys::write_all(report, message).has_value();
  ::_exit(sent && message[0] == 'I' ? 0 : 1);
}

// Decompresses the blob into the pipe, hashing and counting on the way.
base::Result<int64_t> feed(const std::string& blob, int pipe, Sha256& hash, const LayerLimits& limits) {
  struct stat info{};
  if (::stat(blob.c_str(), &info) != 0) return std::unexpected(base::errno_error("open " + blob, errno));
  Reader reader(archive_read_new());
  archive_read_support_filter_gzip(reader.get());
  archive_read_support_filter_zstd(reader.get());
  archive_read_support_format_raw(reader.get());
  archive_read_support_format_empty(reader.get());
  archive_entry* entry = nullptr;
  if (archive_read_open_filename(reader.get(), blob.c_str(), 256 << 10) != ARCHIVE_OK) {
    return bad(std::string("cannot read the layer: ") + archive_error_string(reader.get()));
  }
  const int first = archive_read_next_header(reader.get(), &entry);
  if (first == ARCHIVE_EOF) return 0;
  if (first != ARCHIVE_OK)
    return bad(std::string("cannot read the layer: ") + archive_error_string(reader.get()));
  std::vector<char> buffer(256 << 10);
  int64_t total = 0;
  bool child_listens = true;
  for (;;) {
    const la_ssize_t n = archive_read_data(reader.get(), buffer.data(), buffer.size());
    if (n < 0) return bad(std::string("the layer is damaged: ") + archive_error_string(reader.get()));
    if (n == 0) return total;
    total += n;
    if (total > limits.max_bytes)
      return bad("the layer unpacks to more than the limit of " + std::to_string(limits.max_bytes) +
                 " bytes");
    if (total > limits.ratio_from && total / std::max<int64_t>(info.st_size, 1) > limits.max_ratio) {
      return bad("the layer unpacks to more than " + std::to_string(limits.max_ratio) + " times its size");
    }
    hash.add(buffer.data(), static_cast<size_t>(n));
    // The child stops reading at the end mark of the tar, or at its first error; the hash needs the rest.
    if (child_listens && !sys::write_all(pipe, std::string_view(buffer.data(), static_cast<size_t>(n)))) {
      child_listens = false;
    }
  }
}

// Gives a folder that the layer did not describe the owner and mode that the layers below gave it.
void inherit_folder(int root, const std::string& path, const std::vector<std::string>& below) {
  auto own = sys::open_in_root(root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!own) return;
  for (auto lower = below.rbegin(); lower != below.rend(); ++lower) {
    auto lower_root = sys::open_file(*lower, O_PATH | O_DIRECTORY);
    if (!lower_root) continue;
    auto found = sys::open_in_root(lower_root->get(), path, O_PATH | O_NOFOLLOW);
    struct stat info{};
    if (!found || ::fstat(found->get(), &info) != 0) continue;
    if (!S_ISDIR(info.st_mode)) return;
    if (::fchown(own->get(), info.st_uid, info.st_gid) == 0) ::fchmod(own->get(), info.st_mode & 07777);
    return;
  }
}

std::string read_report(int fd) {
  std::string text;
  char buffer[8192];
  for (;;) {
    const ssize_t n = ::read(fd, buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0 || text.size() > (64u << 20)) return text;
    text.append(buffer, static_cast<size_t>(n));
  }
}

}  // namespace

std::string bytes_digest(std::string_view bytes) {
  Sha256 hash;
  hash.add(bytes.data(), bytes.size());
  return hash.digest();
}

base::Result<std::string> file_digest(const std::string& path) {
  TRY(auto fd, sys::open_file(path, O_RDONLY));
  Sha256 hash;
  std::vector<char> buffer(256 << 10);
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::unexpected(base::errno_error("read " + path, errno));
    if (n == 0) return hash.digest();
    hash.add(buffer.data(), static_cast<size_t>(n));
  }
}

base::Result<int64_t> unpack_layer(const std::string& blob, const std::string& target,
                                   const std::string& diff_id, const std::vector<std::string>& below,
                                   const LayerLimits& limits) {
  TRY(auto data, sys::make_pipe());
  TRY(auto report, sys::make_pipe());
  const pid_t pid = ::fork();
  if (pid < 0) return std::unexpected(base::errno_error("fork", errno));
  if (pid == 0) {
    data.write.reset();
    report.read.reset();
    run_unpacker(target, data.read.get(), report.write.get(), limits);
  }
  data.read.reset();
  report.write.reset();
  // Who writes to a child that has given up gets an error, not a signal.
  struct sigaction ignore{};
  struct sigaction before{};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignore, &before);
  Sha256 hash;
  auto fed = feed(blob, data.write.get(), hash, limits);
  data.write.reset();
  if (!fed) ::kill(pid, SIGKILL);
  const std::string text = read_report(report.read.get());
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  ::sigaction(SIGPIPE, &before, nullptr);
  if (!fed) return fed;
  if (text.empty() || text[0] != 'I') {
    return bad(text.size() > 1 ? text.substr(1) : "the unpacking child process ended early");
  }
  if (const auto actual = hash.digest(); actual != diff_id) {
    return bad("the layer's content is " + actual + ", its image says " + diff_id);
  }
  TRY(auto root, sys::open_file(target, O_PATH | O_DIRECTORY));
  for (const auto& path : base::split(std::string_view(text).substr(1), '\0')) {
    if (!path.empty()) inherit_folder(root.get(), path, below);
  }
  return *fed;
}

}  // namespace node
