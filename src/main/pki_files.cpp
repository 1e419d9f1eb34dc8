#include "main/pki_files.hpp"

#include "base/strings.hpp"
#include "sys/fs.hpp"

namespace main_ {
namespace {

using namespace std::chrono_literals;

constexpr auto kCaLifetime = 24h * 3650;
constexpr auto kLifetime = 24h * 365;
constexpr auto kRenewBefore = 24h * 30;

bool still_good(const net::KeyPair& pair, const sys::Clock& clock) {
  auto end = net::certificate_not_after(pair.certificate_pem);
  return end && *end > clock.now() + kRenewBefore;
}

base::Result<net::KeyPair> read_pair(const std::string& path) {
  TRY(std::string certificate, sys::read_file(path + ".crt"));
  TRY(std::string key, sys::read_file(path + ".key"));
  return net::KeyPair{std::move(certificate), std::move(key)};
}

// The key first: a certificate without its key would be taken for a whole pair.
base::Result<void> write_pair(const std::string& path, const net::KeyPair& pair) {
  CHECK_OK(sys::write_file_atomically(path + ".key", pair.key_pem, 0600));
  return sys::write_file_atomically(path + ".crt", pair.certificate_pem, 0644);
}

base::Result<net::KeyPair> open_pair(const std::string& path, const net::KeyPair& ca, net::CertificateRequest request,
                                     const sys::Clock& clock) {
  // The names that it was made for stand beside it: other names need another certificate.
  std::string wanted = request.common_name + "\n" + base::join(request.dns_names, ",") + "\n" +
                       base::join(request.ip_addresses, ",") + "\n";
  auto made_for = sys::read_file(path + ".names");
  if (auto pair = read_pair(path); pair && made_for && *made_for == wanted && still_good(*pair, clock)) return pair;
  // An hour back: clocks of clients may lag.
  request.not_before = clock.now() - 1h;
  request.lifetime = std::chrono::duration_cast<std::chrono::hours>(kLifetime);
  TRY(auto pair, net::issue_certificate(ca, request));
  CHECK_OK(write_pair(path, pair));
  CHECK_OK(sys::write_file_atomically(path + ".names", wanted, 0600));
  return pair;
}

}  // namespace

base::Result<ClusterPki> open_pki(const std::string& dir, const std::vector<std::string>& addresses,
                                  const std::vector<std::string>& names, const sys::Clock& clock) {
  CHECK_OK(sys::make_dirs(dir, 0700));
  auto ca = read_pair(dir + "/ca");
  if (!ca) {
    ca = net::make_ca("sampan-ca", clock.now() - 1h, std::chrono::duration_cast<std::chrono::hours>(kCaLifetime));
    if (!ca) return std::unexpected(std::move(ca).error());
    CHECK_OK(write_pair(dir + "/ca", *ca));
  }
  TRY(auto server, open_pair(dir + "/apiserver", *ca,
                             {.common_name = "kube-apiserver", .dns_names = names, .ip_addresses = addresses, .server = true},
                             clock));
  TRY(auto admin, open_pair(dir + "/admin", *ca,
                            {.common_name = "kubernetes-admin", .organizations = {"system:masters"}, .client = true}, clock));
  return ClusterPki{ca->certificate_pem, std::move(server), std::move(admin)};
}

}  // namespace main_
