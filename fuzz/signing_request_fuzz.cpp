// links: base api
// Any bytes as the request of a CertificateSigningRequest, and as the certificate that a signer gives: the PEM and DER
// readers must neither crash nor read beyond the input.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "api/kinds.hpp"
#include "api/validate.hpp"
#include "base/strings.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto kKinds = api::load_builtin_kinds();
  if (!kKinds) __builtin_trap();
  static const auto kKind = kKinds->find_kind("certificates.k8s.io/v1", "CertificateSigningRequest");
  const std::string text = base::base64_encode(std::string_view(reinterpret_cast<const char*>(data), size));
  const base::Value old = base::Object{
      {"metadata", base::Object{{"name", "a"}}},
      {"spec", base::Object{{"request", text}, {"signerName", "a.b/c"}, {"usages", base::Array{base::Value("any")}}}}};
  (void)api::check_create(*kKind, old);
  base::Value fresh = old;
  fresh.make({"status", "certificate"}) = text;
  (void)api::check_update(*kKind, fresh, old, "status");
  return 0;
}
