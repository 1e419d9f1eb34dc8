#include "net/wire.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.hpp"

namespace net {

namespace {

base::Error unreachable(std::string message) {
  return {base::Reason::service_unavailable, "Unable to connect to the server: " + std::move(message), nullptr};
}

struct AddressList {
  addrinfo* first = nullptr;
  AddressList() = default;
  AddressList(const AddressList&) = delete;
  AddressList& operator=(const AddressList&) = delete;
  ~AddressList() {
    if (first) freeaddrinfo(first);
  }
};

// poll() until ready, cut short by the deadline. 0: timeout.
int poll_until(int fd, short events, Deadline deadline) {
  for (;;) {
    int timeout = -1;
    if (deadline != kNoDeadline) {
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
      if (left < 0) return 0;
      timeout = static_cast<int>(std::min<int64_t>(left + 1, 3'600'000));
    }
    pollfd item{fd, events, 0};
    const int ready = ::poll(&item, 1, timeout);
    if (ready > 0) return 1;
    if (ready < 0 && errno != EINTR) return -1;
  }
}

// A connected socket, or the errno of the last address.
int connect_any(const addrinfo* addresses, Deadline deadline, int& error) {
  error = EHOSTUNREACH;
  for (const addrinfo* a = addresses; a; a = a->ai_next) {
    const int fd = ::socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
      error = errno;
      continue;
    }
    error = ::connect(fd, a->ai_addr, a->ai_addrlen) == 0 ? 0 : errno;
    if (error == EINPROGRESS) {
      socklen_t size = sizeof error;
      if (poll_until(fd, POLLOUT, deadline) <= 0) error = ETIMEDOUT;
      else getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    }
    if (error == 0) return fd;
    ::close(fd);
  }
  return -1;
}

void tune(int fd) {
  const int on = 1;
  const int idle = 15;
  const int interval = 10;
  const int count = 3;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

bool is_ip_address(const std::string& host) {
  char bytes[16];
  return inet_pton(AF_INET, host.c_str(), bytes) == 1 || inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

std::string authority(const ClientConfig& config) {
  const bool v6 = config.host.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", v6 ? "[" : "", config.host, v6 ? "]" : "", config.port);
}

// The names and addresses that a certificate speaks for.
std::string names_of(X509* certificate) {
  std::vector<std::string> names;
  auto* list = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(list); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(list, i);
    if (name->type == GEN_DNS) {
      names.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                         static_cast<size_t>(ASN1_STRING_length(name->d.dNSName)));
    } else if (name->type == GEN_IPADD) {
      const int size = ASN1_STRING_length(name->d.iPAddress);
      char text[INET6_ADDRSTRLEN] = "";
      if (size == 4 || size == 16) {
        inet_ntop(size == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(name->d.iPAddress), text, sizeof text);
      }
      names.emplace_back(text);
    }
  }
  GENERAL_NAMES_free(list);
  return base::join(names, ", ");
}

// Why the handshake failed, in the words that users of kubectl know.
base::Error tls_failure(SSL* ssl, const std::string& server_name) {
  const long verdict = SSL_get_verify_result(ssl);
  const std::string prefix = "tls: failed to verify certificate: x509: ";
  const STACK_OF(X509)* chain = SSL_get0_verified_chain(ssl);  // the peer certificate itself is not kept on failure
  X509* certificate = sk_X509_num(chain) > 0 ? sk_X509_value(chain, 0) : nullptr;
  const unsigned long code = ERR_peek_error();
  const int reason = ERR_GET_REASON(code);
  if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    ERR_clear_error();
    switch (verdict) {
      case X509_V_ERR_CERT_HAS_EXPIRED:
      case X509_V_ERR_CERT_NOT_YET_VALID:
        return unreachable(prefix + "certificate has expired or is not yet valid: check the clocks of both machines");
      case X509_V_ERR_HOSTNAME_MISMATCH:
      case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return unreachable(fmt::format("{}certificate is valid for {}, not {}", prefix,
                                       certificate ? names_of(certificate) : "another name", server_name));
      case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
      case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        return unreachable(prefix + "certificate signed by unknown authority");
      default: return unreachable(prefix + X509_verify_cert_error_string(verdict));
    }
  }
  if (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST) {
    ERR_clear_error();
    return unreachable("http: server gave HTTP response to HTTPS client");
  }
  if (code == 0) return unreachable("the connection was closed during the TLS handshake");
  return unreachable("tls: " + openssl_error_text());
}

}  // namespace

Deadline deadline_in(int milliseconds) {
  if (milliseconds <= 0) return kNoDeadline;
  return std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
}

base::Result<std::unique_ptr<Wire>> Wire::dial(const ClientConfig& config, SSL_CTX* tls) {
  const Deadline deadline = deadline_in(config.connect_timeout_ms);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (is_ip_address(config.host) ? AI_NUMERICHOST : 0);
  AddressList addresses;
  const std::string where = authority(config);
  if (getaddrinfo(config.host.c_str(), std::to_string(config.port).c_str(), &hints, &addresses.first) != 0) {
    return std::unexpected(unreachable(fmt::format("dial tcp: lookup {}: no such host", config.host)));
  }
  int error = 0;
  const int fd = connect_any(addresses.first, deadline, error);
  if (fd < 0) {
    if (error == ECONNREFUSED) {
      return base::fail(base::Reason::service_unavailable,
                        fmt::format("The connection to the server {} was refused - did you specify the right host or "
                                    "port?", where));
    }
    if (error == ETIMEDOUT) return std::unexpected(unreachable(fmt::format("dial tcp {}: i/o timeout", where)));
    return std::unexpected(unreachable(base::errno_error("dial tcp " + where, error).message));
  }
  tune(fd);
  std::unique_ptr<Wire> wire(new Wire(fd, tls ? make_ssl(tls, fd) : nullptr, where));
  if (tls) CHECK_OK(wire->handshake(config, deadline));
  return wire;
}

Wire::~Wire() { ::close(fd_); }

base::Result<void> Wire::handshake(const ClientConfig& config, Deadline deadline) {
  SSL* ssl = channel_.ssl();
  if (!ssl) return base::fail(base::Reason::internal_error, "out of memory for a TLS connection");
  const std::string name = config.tls_server_name.empty() ? config.host : config.tls_server_name;
  if (is_ip_address(name)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str());
  } else {
    SSL_set_tlsext_host_name(ssl, name.c_str());
    SSL_set1_host(ssl, name.c_str());
  }
  for (;;) {
    const Io state = channel_.connect();
    if (state == Io::ok) return {};
    if (state != Io::want_read && state != Io::want_write) return std::unexpected(tls_failure(ssl, name));
    if (!wait(state, deadline)) {
      return std::unexpected(unreachable("net/http: TLS handshake timeout: " + where_));
    }
  }
}

base::Error Wire::lost(std::string_view doing) const {
  if (interrupted()) return {base::Reason::service_unavailable, "the request was cancelled", nullptr};
  return {base::Reason::service_unavailable,
          fmt::format("the connection to {} was lost while {}: try again", where_, doing), nullptr};
}

base::Result<void> Wire::wait(Io what, Deadline deadline) const {
  if (interrupted()) return std::unexpected(lost("waiting"));
  const int ready = poll_until(fd_, what == Io::want_write ? POLLOUT : POLLIN, deadline);
  if (interrupted()) return std::unexpected(lost("waiting"));
  if (ready == 0) {
    return base::fail(base::Reason::timeout, fmt::format("{} did not answer within the request timeout", where_));
  }
  if (ready < 0) return std::unexpected(base::errno_error("poll", errno));
  return {};
}

base::Result<void> Wire::write_all(Output& output, Deadline deadline) {
  for (;;) {
    const Io state = channel_.write(output);
    if (state == Io::ok) return {};
    if (state != Io::want_read && state != Io::want_write) return std::unexpected(lost("sending a request"));
    CHECK_OK(wait(state, deadline));
  }
}

base::Result<size_t> Wire::read(char* buffer, size_t size, Deadline deadline) {
  for (;;) {
    size_t got = 0;
    const Io state = channel_.read(buffer, size, got);
    if (interrupted()) return std::unexpected(lost("reading"));
    if (state == Io::ok) return got;
    if (state == Io::end) return size_t{0};
    if (state == Io::failed) return std::unexpected(lost("reading the answer"));
    CHECK_OK(wait(state, deadline));
  }
}

void Wire::interrupt() {
  interrupted_.store(true);
  ::shutdown(fd_, SHUT_RDWR);
}

bool Wire::looks_alive() const {
  char byte = 0;
  const ssize_t n = ::recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

base::Result<void> send_request(Wire& wire, const ClientConfig& config, const Request& request, Deadline deadline) {
  const std::string target = write_target(request);
  if (!is_http_method(request.method) || !is_field_value(target)) {
    return base::fail(base::Reason::bad_request, "the request has no proper method or target");
  }
  std::string head;
  head.reserve(512);
  head += request.method;
  head += ' ';
  head += target;
  head += " HTTP/1.1\r\n";
  auto field = [&](std::string_view name, std::string_view value) {
    head += name;
    head += ": ";
    head += value;
    head += "\r\n";
  };
  if (!request.headers.has("host")) field("Host", authority(config));
  if (!request.headers.has("user-agent")) field("User-Agent", config.user_agent);
  if (!config.bearer_token.empty() && !request.headers.has("authorization")) {
    field("Authorization", "Bearer " + config.bearer_token);
  }
  for (const auto& [name, value] : request.headers.fields()) {
    if (!is_http_token(name) || !is_field_value(value)) {
      return base::fail(base::Reason::bad_request, "header field " + name + " holds characters that HTTP forbids");
    }
    const bool framing = base::equal_ignoring_case(name, "content-length") ||
                         base::equal_ignoring_case(name, "transfer-encoding");
    if (!framing) field(name, value);
  }
  const bool has_body = !request.body.empty() || request.method == "POST" || request.method == "PUT" ||
                        request.method == "PATCH";
  if (has_body) field("Content-Length", std::to_string(request.body.size()));
  head += "\r\n";
  Output output;
  output.text(head);
  // Not owned: the request outlives the writing.
  if (!request.body.empty()) output.chunk(Chunk(Chunk(), &request.body));
  return wire.write_all(output, deadline);
}

base::Result<void> read_response(Wire& wire, Http1Parser& parser, bool whole, bool head_request, Deadline deadline) {
  if (head_request) parser.expect_no_body();
  std::string bytes = std::exchange(wire.leftover, {});
  char buffer[16 << 10];
  std::string_view rest = bytes;
  for (;;) {
    while (!rest.empty() && !parser.failed() && !parser.complete()) {
      const bool had_head = parser.head_complete();
      rest.remove_prefix(parser.feed(rest));
      const bool interim = !had_head && parser.head_complete() && parser.status() < 200 && parser.status() != 101;
      if (interim) {
        parser.reset();
        if (head_request) parser.expect_no_body();
      } else if (!whole && parser.head_complete()) {
        break;
      }
    }
    if (parser.failed()) {
      return base::fail(base::Reason::service_unavailable, "malformed HTTP answer: " + parser.error_text());
    }
    if (parser.complete() || (!whole && parser.head_complete())) {
      wire.leftover.assign(rest);
      return {};
    }
    TRY(const size_t got, wire.read(buffer, sizeof buffer, deadline));
    if (got == 0) {
      const bool fresh = parser.untouched();
      if (parser.feed_eof() && !fresh) return {};
      return std::unexpected(wire.lost("reading the answer"));
    }
    rest = {buffer, got};
  }
}

std::string base64_random_key() {
  unsigned char bytes[16];
  RAND_bytes(bytes, sizeof bytes);
  return base::base64_encode({reinterpret_cast<char*>(bytes), sizeof bytes});
}

}  // namespace net
