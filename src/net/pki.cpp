#include "net/pki.hpp"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <memory>

#include "net/tls.hpp"

namespace net {

namespace {

base::Error openssl_failed(std::string_view what) {
  return {base::Reason::internal_error, std::string(what) + ": " + openssl_error_text(), nullptr};
}

std::string bio_text(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<size_t>(size)};
}

base::Result<std::string> certificate_to_pem(X509* certificate) {
  BioPtr bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_X509(bio.get(), certificate) != 1) return std::unexpected(openssl_failed("write certificate"));
  return bio_text(bio.get());
}

base::Result<std::string> key_to_pem(EVP_PKEY* key) {
  BioPtr bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return std::unexpected(openssl_failed("write private key"));
  }
  return bio_text(bio.get());
}

base::Result<void> set_times(X509* certificate, base::Time not_before, std::chrono::hours lifetime) {
  if (not_before == base::Time{}) {
    return base::fail(base::Reason::bad_request, "certificate request: not_before is not set");
  }
  const std::time_t from = std::chrono::system_clock::to_time_t(
      std::chrono::time_point_cast<std::chrono::system_clock::duration>(not_before));
  const std::time_t to = from + std::chrono::duration_cast<std::chrono::seconds>(lifetime).count();
  if (!ASN1_TIME_set(X509_getm_notBefore(certificate), from) || !ASN1_TIME_set(X509_getm_notAfter(certificate), to)) {
    return std::unexpected(openssl_failed("certificate validity"));
  }
  return {};
}

base::Result<void> set_serial(X509* certificate) {
  unsigned char bytes[16];
  if (RAND_bytes(bytes, sizeof bytes) != 1) return std::unexpected(openssl_failed("random serial number"));
  bytes[0] = static_cast<unsigned char>((bytes[0] & 0x7f) | 0x01);  // positive, and never zero
  std::unique_ptr<BIGNUM, decltype(&BN_free)> number(BN_bin2bn(bytes, sizeof bytes, nullptr), &BN_free);
  if (!number || !BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate))) {
    return std::unexpected(openssl_failed("serial number"));
  }
  return {};
}

base::Result<void> add_name(X509_NAME* name, const char* field, std::string_view text) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  if (X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, bytes, static_cast<int>(text.size()), -1, 0) != 1) {
    (void)openssl_error_text();
    return base::fail(base::Reason::bad_request,
                      "certificate subject: " + std::string(field) + " does not fit (at most 64 characters of UTF-8): " +
                          std::string(text.substr(0, 100)));
  }
  return {};
}

base::Result<void> add_extension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  std::unique_ptr<X509_EXTENSION, decltype(&X509_EXTENSION_free)> extension(
      X509V3_EXT_conf_nid(nullptr, &context, nid, value), &X509_EXTENSION_free);
  if (!extension || X509_add_ext(certificate, extension.get(), -1) != 1) {
    return std::unexpected(openssl_failed(std::string("certificate extension ") + OBJ_nid2sn(nid)));
  }
  return {};
}

base::Result<void> add_san(GENERAL_NAMES* names, int type, std::string_view bytes) {
  ASN1_STRING* text = type == GEN_DNS ? ASN1_IA5STRING_new() : ASN1_OCTET_STRING_new();
  GENERAL_NAME* name = GENERAL_NAME_new();
  if (!text || !name || ASN1_STRING_set(text, bytes.data(), static_cast<int>(bytes.size())) != 1) {
    ASN1_STRING_free(text);
    GENERAL_NAME_free(name);
    return std::unexpected(openssl_failed("subject alternative name"));
  }
  GENERAL_NAME_set0_value(name, type, text);
  if (sk_GENERAL_NAME_push(names, name) == 0) {
    GENERAL_NAME_free(name);
    return std::unexpected(openssl_failed("subject alternative name"));
  }
  return {};
}

base::Result<void> add_sans(X509* certificate, const CertificateRequest& request) {
  if (request.dns_names.empty() && request.ip_addresses.empty()) return {};
  std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> names(GENERAL_NAMES_new(), &GENERAL_NAMES_free);
  if (!names) return std::unexpected(openssl_failed("subject alternative names"));
  for (const std::string& dns : request.dns_names) CHECK_OK(add_san(names.get(), GEN_DNS, dns));
  for (const std::string& ip : request.ip_addresses) {
    char bytes[16];
    size_t size = 0;
    if (inet_pton(AF_INET, ip.c_str(), bytes) == 1) size = 4;
    else if (inet_pton(AF_INET6, ip.c_str(), bytes) == 1) size = 16;
    else return base::fail(base::Reason::bad_request, "certificate request: not an IP address: " + ip);
    CHECK_OK(add_san(names.get(), GEN_IPADD, {bytes, size}));
  }
  if (X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT) != 1) {
    return std::unexpected(openssl_failed("subject alternative names"));
  }
  return {};
}

// A certificate with key, serial, times and subject, but no extensions and no signature yet.
base::Result<X509Ptr> make_bare(EVP_PKEY* key, std::string_view common_name,
                                const std::vector<std::string>& organizations, base::Time not_before,
                                std::chrono::hours lifetime) {
  X509Ptr certificate(X509_new());
  if (!certificate || X509_set_version(certificate.get(), 2) != 1 || X509_set_pubkey(certificate.get(), key) != 1) {
    return std::unexpected(openssl_failed("new certificate"));
  }
  CHECK_OK(set_serial(certificate.get()));
  CHECK_OK(set_times(certificate.get(), not_before, lifetime));
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  for (const std::string& organization : organizations) CHECK_OK(add_name(subject, "O", organization));
  if (!common_name.empty()) CHECK_OK(add_name(subject, "CN", common_name));
  return certificate;
}

base::Result<KeyPair> sign(X509* certificate, EVP_PKEY* key, EVP_PKEY* signer) {
  if (X509_sign(certificate, signer, EVP_sha256()) == 0) return std::unexpected(openssl_failed("sign certificate"));
  KeyPair pair;
  TRY(pair.certificate_pem, certificate_to_pem(certificate));
  TRY(pair.key_pem, key_to_pem(key));
  return pair;
}

}  // namespace

base::Result<KeyPair> make_ca(std::string_view common_name, base::Time not_before, std::chrono::hours lifetime) {
  KeyPtr key(EVP_EC_gen("P-256"));
  if (!key) return std::unexpected(openssl_failed("new EC key"));
  TRY(X509Ptr certificate, make_bare(key.get(), common_name, {}, not_before, lifetime));
  X509* c = certificate.get();
  if (X509_set_issuer_name(c, X509_get_subject_name(c)) != 1) return std::unexpected(openssl_failed("issuer"));
  CHECK_OK(add_extension(c, c, NID_basic_constraints, "critical,CA:TRUE"));
  CHECK_OK(add_extension(c, c, NID_key_usage, "critical,digitalSignature,keyCertSign,cRLSign"));
  CHECK_OK(add_extension(c, c, NID_subject_key_identifier, "hash"));
  return sign(c, key.get(), key.get());
}

base::Result<KeyPair> issue_certificate(const KeyPair& ca, const CertificateRequest& request) {
  TRY(X509Ptr issuer, read_certificate(ca.certificate_pem));
  TRY(KeyPtr signer, read_private_key(ca.key_pem));
  if (X509_check_private_key(issuer.get(), signer.get()) != 1) {
    (void)openssl_error_text();
    return base::fail(base::Reason::bad_request, "the CA's private key does not belong to its certificate");
  }
  KeyPtr key(EVP_EC_gen("P-256"));
  if (!key) return std::unexpected(openssl_failed("new EC key"));
  TRY(X509Ptr certificate,
      make_bare(key.get(), request.common_name, request.organizations, request.not_before, request.lifetime));
  X509* c = certificate.get();
  if (X509_set_issuer_name(c, X509_get_subject_name(issuer.get())) != 1) {
    return std::unexpected(openssl_failed("issuer"));
  }
  CHECK_OK(add_extension(c, issuer.get(), NID_basic_constraints, "critical,CA:FALSE"));
  CHECK_OK(add_extension(c, issuer.get(), NID_key_usage, "critical,digitalSignature,keyEncipherment"));
  if (request.server || request.client) {
    const char* usages = request.server && request.client ? "serverAuth,clientAuth"
                         : request.server                 ? "serverAuth"
                                                          : "clientAuth";
    CHECK_OK(add_extension(c, issuer.get(), NID_ext_key_usage, usages));
  }
  CHECK_OK(add_extension(c, issuer.get(), NID_subject_key_identifier, "hash"));
  CHECK_OK(add_extension(c, issuer.get(), NID_authority_key_identifier, "keyid:always"));
  CHECK_OK(add_sans(c, request));
  return sign(c, key.get(), signer.get());
}

base::Result<base::Time> certificate_not_after(std::string_view certificate_pem) {
  TRY(X509Ptr certificate, read_certificate(certificate_pem));
  std::tm broken_down{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &broken_down) != 1) {
    return std::unexpected(openssl_failed("certificate end"));
  }
  return base::Time(std::chrono::seconds(timegm(&broken_down)));
}

}  // namespace net
