#include "net/tls.hpp"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "base/strings.hpp"

namespace net {

namespace {

BioPtr memory_bio(std::string_view text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// --- a socket BIO whose writes carry MSG_NOSIGNAL -----------------------------------------------------------------

int socket_of(BIO* bio) { return static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio))); }

bool is_retry(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

int bio_write(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t n = ::send(socket_of(bio), data, static_cast<size_t>(size), MSG_NOSIGNAL);
  if (n < 0 && is_retry(errno)) BIO_set_retry_write(bio);
  return static_cast<int>(n);
}

int bio_read(BIO* bio, char* data, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t n = ::recv(socket_of(bio), data, static_cast<size_t>(size), 0);
  if (n < 0 && is_retry(errno)) BIO_set_retry_read(bio);
  if (n == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return static_cast<int>(n);
}

long bio_control(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD* socket_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket without SIGPIPE");
    BIO_meth_set_write(made, bio_write);
    BIO_meth_set_read(made, bio_read);
    BIO_meth_set_ctrl(made, bio_control);
    return made;
  }();
  return method;
}

// --- contexts -------------------------------------------------------------------------------------------------------

int select_alpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in, unsigned in_size,
                void*) {
  static constexpr unsigned char kOurs[] = "\x02h2\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kOurs, sizeof kOurs - 1, in, in_size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

base::Error config_error(std::string_view what) {
  return {base::Reason::bad_request, std::string(what) + ": " + openssl_error_text(), nullptr};
}

// The certificate chain and its key.
base::Result<void> use_identity(SSL_CTX* context, std::string_view certificate_pem, std::string_view key_pem) {
  BioPtr bio = memory_bio(certificate_pem);
  X509Ptr leaf(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1) {
    return std::unexpected(config_error("the TLS certificate is no PEM certificate"));
  }
  while (X509* next = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    if (SSL_CTX_add0_chain_cert(context, next) != 1) {
      X509_free(next);
      return std::unexpected(config_error("the TLS certificate chain"));
    }
  }
  ERR_clear_error();
  TRY(KeyPtr key, read_private_key(key_pem));
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    return std::unexpected(config_error("the TLS private key does not belong to the certificate"));
  }
  return {};
}

void set_common_options(SSL_CTX* context) {
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
}

// Every certificate of the PEM text, into the store and (may be null) the list of names told to clients.
base::Result<X509StorePtr> read_trust(std::string_view ca_pem, STACK_OF(X509_NAME) * names) {
  X509StorePtr store(X509_STORE_new());
  BioPtr bio = memory_bio(ca_pem);
  int count = 0;
  while (X509* next = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    X509Ptr certificate(next);
    if (X509_STORE_add_cert(store.get(), next) != 1) return std::unexpected(config_error("CA certificate"));
    if (names) sk_X509_NAME_push(names, X509_NAME_dup(X509_get_subject_name(next)));
    ++count;
  }
  ERR_clear_error();
  if (count == 0) return base::fail(base::Reason::bad_request, "the CA holds no PEM certificate");
  return store;
}

int accept_any_certificate(X509_STORE_CTX*, void*) { return 1; }

// The text of a name entry; nothing when it holds a NUL or is no text.
std::optional<std::string> entry_text(X509_NAME_ENTRY* entry) {
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));
  if (size < 0) return std::nullopt;
  std::string text(reinterpret_cast<char*>(utf8), static_cast<size_t>(size));
  OPENSSL_free(utf8);
  if (text.find('\0') != std::string::npos) return std::nullopt;
  return text;
}

bool is_trusted_client(X509* certificate, STACK_OF(X509) * chain, X509_STORE* trust) {
  std::unique_ptr<X509_STORE_CTX, OpensslDelete<&X509_STORE_CTX_free>> context(X509_STORE_CTX_new());
  if (!context || X509_STORE_CTX_init(context.get(), trust, certificate, chain) != 1) return false;
  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_purpose(parameters, X509_PURPOSE_SSL_CLIENT);
  const bool trusted = X509_verify_cert(context.get()) == 1;
  ERR_clear_error();
  return trusted;
}

}  // namespace

std::string openssl_error_text() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  if (code == 0) return "unknown error";
  if (const char* reason = ERR_reason_error_string(code)) return reason;
  char text[256];
  ERR_error_string_n(code, text, sizeof text);
  return text;
}

base::Result<X509Ptr> read_certificate(std::string_view pem) {
  BioPtr bio = memory_bio(pem);
  X509Ptr certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (!certificate) return std::unexpected(config_error("not a PEM certificate"));
  return certificate;
}

base::Result<KeyPtr> read_private_key(std::string_view pem) {
  BioPtr bio = memory_bio(pem);
  auto no_passphrase = [](char*, int, int, void*) { return 0; };  // never ask on the terminal
  KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  if (!key) return std::unexpected(config_error("not a PEM private key"));
  return key;
}

base::Result<SslContextPtr> make_server_context(const ServerConfig& config) {
  SslContextPtr context(SSL_CTX_new(TLS_server_method()));
  if (!context) return std::unexpected(config_error("TLS context"));
  SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
  set_common_options(context.get());
  SSL_CTX_set_num_tickets(context.get(), 0);
  SSL_CTX_set_alpn_select_cb(context.get(), select_alpn, nullptr);
  CHECK_OK(use_identity(context.get(), config.certificate_pem, config.key_pem));
  if (!config.client_ca_pem.empty()) {
    STACK_OF(X509_NAME)* names = sk_X509_NAME_new_null();
    auto trust = read_trust(config.client_ca_pem, names);
    SSL_CTX_set_client_CA_list(context.get(), names);
    if (!trust) return std::unexpected(std::move(trust).error().wrap("client CA"));
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_cert_verify_callback(context.get(), accept_any_certificate, nullptr);
  }
  return context;
}

base::Result<X509StorePtr> make_trust(std::string_view ca_pem) {
  if (ca_pem.empty()) return X509StorePtr();
  return read_trust(ca_pem, nullptr);
}

base::Result<SslContextPtr> make_client_context(const ClientConfig& config) {
  SslContextPtr context(SSL_CTX_new(TLS_client_method()));
  if (!context) return std::unexpected(config_error("TLS context"));
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  set_common_options(context.get());
  static constexpr unsigned char kAlpn[] = "\x08http/1.1";
  SSL_CTX_set_alpn_protos(context.get(), kAlpn, sizeof kAlpn - 1);
  if (!config.certificate_pem.empty()) {
    if (auto used = use_identity(context.get(), config.certificate_pem, config.key_pem); !used) {
      return std::unexpected(std::move(used).error().wrap("client certificate"));
    }
  }
  if (config.insecure_skip_verify) {
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
    return context;
  }
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  if (config.ca_pem.empty()) {
    SSL_CTX_set_default_verify_paths(context.get());
  } else {
    auto trust = read_trust(config.ca_pem, nullptr);
    if (!trust) return std::unexpected(std::move(trust).error().wrap("certificate authority"));
    SSL_CTX_set_cert_store(context.get(), trust->release());
  }
  return context;
}

void identify_peer(SSL* ssl, X509_STORE* trust, Peer& peer) {
  X509Ptr certificate(SSL_get1_peer_certificate(ssl));
  if (!certificate || !trust) return;
  if (!is_trusted_client(certificate.get(), SSL_get_peer_cert_chain(ssl), trust)) return;
  std::string common_name;
  std::vector<std::string> organizations;
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  for (int i = 0; i < X509_NAME_entry_count(subject); ++i) {
    X509_NAME_ENTRY* entry = X509_NAME_get_entry(subject, i);
    const int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
    if (nid != NID_commonName && nid != NID_organizationName) continue;
    auto text = entry_text(entry);
    if (!text) return;
    if (nid == NID_commonName) common_name = std::move(*text);
    else organizations.push_back(std::move(*text));
  }
  peer.certificate_verified = true;
  peer.common_name = std::move(common_name);
  peer.organizations = std::move(organizations);
}

SslPtr make_ssl(SSL_CTX* context, int fd) {
  SslPtr ssl(SSL_new(context));
  BIO* bio = BIO_new(socket_method());
  if (!ssl || !bio) {
    BIO_free(bio);
    return nullptr;
  }
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<intptr_t>(fd)));
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl.get(), bio, bio);
  return ssl;
}

std::string websocket_accept(std::string_view key) {
  std::string text(key);
  text += "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha1(), nullptr);
  return base::base64_encode({reinterpret_cast<char*>(digest), size});
}

}  // namespace net
