#include "net/pki.hpp"

#include <gtest/gtest.h>
#include <openssl/x509v3.h>

#include "net/tls.hpp"

namespace net {
namespace {

const base::Time kNow{std::chrono::seconds(1'790'000'000)};

std::string extension(X509* certificate, int nid) {
  const int at = X509_get_ext_by_NID(certificate, nid, -1);
  if (at < 0) return "(none)";
  BioPtr bio(BIO_new(BIO_s_mem()));
  X509V3_EXT_print(bio.get(), X509_get_ext(certificate, at), 0, 0);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<size_t>(size)};
}

TEST(Pki, IssuesWhatWasAskedFor) {
  const auto ca = make_ca("sampan-ca", kNow, std::chrono::hours(24 * 3650));
  ASSERT_TRUE(ca) << ca.error().message;
  const auto pair = issue_certificate(*ca, {.common_name = "kube-apiserver",
                                            .organizations = {"system:masters", "o2"},
                                            .dns_names = {"kubernetes", "kubernetes.default.svc"},
                                            .ip_addresses = {"127.0.0.1", "::1"},
                                            .server = true,
                                            .client = true,
                                            .not_before = kNow,
                                            .lifetime = std::chrono::hours(10)});
  ASSERT_TRUE(pair) << pair.error().message;
  EXPECT_EQ(*certificate_not_after(pair->certificate_pem), kNow + std::chrono::hours(10));
  auto certificate = read_certificate(pair->certificate_pem);
  auto issuer = read_certificate(ca->certificate_pem);
  ASSERT_TRUE(certificate && issuer);
  EXPECT_EQ(X509_verify(certificate->get(), X509_get0_pubkey(issuer->get())), 1);
  EXPECT_EQ(extension(certificate->get(), NID_subject_alt_name),
            "DNS:kubernetes, DNS:kubernetes.default.svc, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1");
  EXPECT_EQ(extension(certificate->get(), NID_ext_key_usage),
            "TLS Web Server Authentication, TLS Web Client Authentication");
  EXPECT_EQ(extension(certificate->get(), NID_basic_constraints), "CA:FALSE");
  EXPECT_EQ(extension(issuer->get(), NID_basic_constraints), "CA:TRUE");
  EXPECT_EQ(extension(certificate->get(), NID_authority_key_identifier),
            extension(issuer->get(), NID_subject_key_identifier));
  EXPECT_EQ(X509_check_issued(issuer->get(), certificate->get()), X509_V_OK);
}

TEST(Pki, SaysWhatIsWrong) {
  const auto ca = make_ca("ca", kNow, std::chrono::hours(24));
  ASSERT_TRUE(ca);
  EXPECT_FALSE(make_ca("ca", {}, std::chrono::hours(1)));
  EXPECT_FALSE(issue_certificate(*ca, {.common_name = "x", .ip_addresses = {"300.1.1.1"}, .not_before = kNow}));
  EXPECT_FALSE(issue_certificate(*ca, {.common_name = std::string(65, 'x'), .not_before = kNow}));
  EXPECT_FALSE(issue_certificate({"", ""}, {.common_name = "x", .not_before = kNow}));
  const auto other = make_ca("other", kNow, std::chrono::hours(24));
  const auto mixed = issue_certificate({ca->certificate_pem, other->key_pem}, {.common_name = "x", .not_before = kNow});
  ASSERT_FALSE(mixed);
  EXPECT_EQ(mixed.error().message, "the CA's private key does not belong to its certificate");
  EXPECT_FALSE(certificate_not_after("nonsense"));
}

TEST(Pki, YearsAfter2050) {
  const auto ca = make_ca("ca", kNow, std::chrono::hours(24 * 365 * 50));
  ASSERT_TRUE(ca);
  EXPECT_EQ(*certificate_not_after(ca->certificate_pem), kNow + std::chrono::hours(24 * 365 * 50));
}

}  // namespace
}  // namespace net
