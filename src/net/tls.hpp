// OpenSSL as the rest of net/ uses it: owning pointers, contexts of servers and clients, and the verification of client
// certificates. Contexts may be shared by threads once made; an SSL belongs to one thread at a time.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "net/client.hpp"
#include "net/http.hpp"
#include "net/server.hpp"

namespace net {

template <auto Free>
struct OpensslDelete {
  template <class T>
  void operator()(T* object) const { Free(object); }
};
using BioPtr = std::unique_ptr<BIO, OpensslDelete<&BIO_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, OpensslDelete<&EVP_PKEY_free>>;
using X509Ptr = std::unique_ptr<X509, OpensslDelete<&X509_free>>;
using X509StorePtr = std::unique_ptr<X509_STORE, OpensslDelete<&X509_STORE_free>>;
using SslPtr = std::unique_ptr<SSL, OpensslDelete<&SSL_free>>;
using SslContextPtr = std::unique_ptr<SSL_CTX, OpensslDelete<&SSL_CTX_free>>;

// What OpenSSL last complained about on this thread; empties its queue.
std::string openssl_error_text();

base::Result<X509Ptr> read_certificate(std::string_view pem);
base::Result<KeyPtr> read_private_key(std::string_view pem);

// TLS 1.3, ALPN h2 and http/1.1; asks for a client certificate when there is a CA, and takes any: see identify_peer.
base::Result<SslContextPtr> make_server_context(const ServerConfig& config);
base::Result<SslContextPtr> make_client_context(const ClientConfig& config);
// The CAs of client certificates; null when the text is empty.
base::Result<X509StorePtr> make_trust(std::string_view ca_pem);
// Fills the certificate part of `peer` when the handshake brought a certificate that `trust` vouches for now, for use by
// clients. Anything else leaves it unverified: the API answers 401 then.
void identify_peer(SSL* ssl, X509_STORE* trust, Peer& peer);

// An SSL over that socket; writes never raise SIGPIPE. The fd stays the caller's.
SslPtr make_ssl(SSL_CTX* context, int fd);

// The base64 of the SHA-1 of key + the WebSocket GUID (RFC 6455 section 4.2.2).
std::string websocket_accept(std::string_view key);

}  // namespace net
