// Rules for certificate signing requests. Whether the request's signature is right is the signer's to check: here the
// PEM and the outline of its content must be.
#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

#include "api/validate_access.hpp"
#include "base/strings.hpp"

namespace api::rules {

namespace {

constexpr size_t kMaxDomain = 253;
constexpr size_t kMaxSignerName = 571;
constexpr int64_t kMinSeconds = 600;
constexpr std::array kDecisions = {"Approved", "Denied", "Failed"};
constexpr std::initializer_list<std::string_view> kUsages = {
    "any",           "cert sign",        "client auth",       "code signing",     "content commitment", "crl sign",
    "data encipherment", "decipher only", "digital signature", "email protection", "encipher only",
    "ipsec end system",  "ipsec tunnel",  "ipsec user",        "key agreement",    "key encipherment",
    "microsoft sgc", "netscape sgc",     "ocsp signing",      "s/mime",           "server auth",        "signing",
    "timestamping"};

struct Pem {
  std::string type;
  bool headers = false;
  std::string bytes;
};

// The next block of the text, which is shortened by it; nothing when there is none.
std::optional<Pem> take_pem(std::string_view& text) {
  constexpr std::string_view kBegin = "-----BEGIN ", kDashes = "-----";
  const size_t begin = text.find(kBegin);
  if (begin == std::string_view::npos) return std::nullopt;
  std::string_view rest = text.substr(begin + kBegin.size());
  const size_t line = rest.find('\n');
  const size_t dashes = rest.find(kDashes);
  if (line == std::string_view::npos || dashes == std::string_view::npos || dashes > line) return std::nullopt;
  Pem out;
  out.type = rest.substr(0, dashes);
  rest.remove_prefix(line + 1);
  const std::string end = fmt::format("-----END {}-----", out.type);
  const size_t stop = rest.find(end);
  if (stop == std::string_view::npos) return std::nullopt;
  std::string_view body = rest.substr(0, stop);
  out.headers = body.find(':') != std::string_view::npos;
  std::string packed;
  for (char c : body) {
    if (c != '\r' && c != '\n' && c != ' ' && c != '\t') packed += c;
  }
  auto bytes = base::base64_decode(packed);
  if (!bytes && !out.headers) return std::nullopt;
  out.bytes = bytes.value_or("");
  text = rest.substr(stop + end.size());
  return out;
}

struct Element {
  unsigned char tag = 0;
  std::string_view content;
};

// The next DER element of the bytes, which are shortened by it.
std::optional<Element> take_der(std::string_view& bytes) {
  if (bytes.size() < 2) return std::nullopt;
  const auto at = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  size_t size = at(1), head = 2;
  if (size >= 0x80) {
    const size_t count = size & 0x7f;
    if (count == 0 || count > 4 || bytes.size() < 2 + count) return std::nullopt;
    size = 0;
    for (size_t i = 0; i < count; ++i) size = size << 8 | at(2 + i);
    head += count;
  }
  if (bytes.size() - head < size) return std::nullopt;
  const Element out{at(0), bytes.substr(head, size)};
  bytes.remove_prefix(head + size);
  return out;
}

// RFC 2986: the request's content, an algorithm, a signature.
bool is_pkcs10(std::string_view bytes) {
  constexpr unsigned char kSequence = 0x30, kBitString = 0x03;
  const auto outer = take_der(bytes);
  if (!outer || outer->tag != kSequence || !bytes.empty()) return false;
  std::string_view rest = outer->content;
  const auto content = take_der(rest), algorithm = take_der(rest), signature = take_der(rest);
  return content && content->tag == kSequence && algorithm && algorithm->tag == kSequence && signature &&
         signature->tag == kBitString && rest.empty();
}

void check_request(Problems& out, const Value& request) {
  const auto text = base::base64_decode(request.as_string());
  std::string_view rest = text ? std::string_view(*text) : std::string_view();
  const auto pem = take_pem(rest);
  if (!pem || pem->type != "CERTIFICATE REQUEST")
    return out.invalid("spec.request", request, std::string("PEM block type must be CERTIFICATE REQUEST"));
  if (!is_pkcs10(pem->bytes))
    out.invalid("spec.request", request, std::string("asn1: the PEM block holds no PKCS#10 certificate request"));
}

void check_usages(Problems& out, const Value& usages) {
  const auto& list = usages.as_array();
  if (list.empty()) out.required("spec.usages");
  std::set<std::string_view> seen;
  for (size_t i = 0; i < list.size(); ++i) {
    if (std::ranges::find(kUsages, list[i].as_string()) == kUsages.end())
      out.unsupported(index("spec.usages", i), list[i], kUsages);
  }
  for (size_t i = 0; i < list.size(); ++i) {
    if (!seen.insert(list[i].as_string()).second) out.duplicate(index("spec.usages", i), list[i]);
  }
}

void check_conditions(Problems& out, const Value& conditions) {
  const std::string path = "status.conditions";
  const auto& list = conditions.as_array();
  std::set<std::string_view> seen;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = index(path, i);
    const std::string_view type = list[i]["type"].as_string(), status = list[i]["status"].as_string();
    if (type.empty()) out.required(child(at, "type"));
    const bool only_true = std::ranges::find(kDecisions, type) != kDecisions.end();
    if (status.empty()) {
      out.required(child(at, "status"));
    } else if (only_true && status != "True") {
      out.unsupported(child(at, "status"), list[i]["status"], {"True"});
    } else if (status != "True" && status != "False" && status != "Unknown") {
      out.unsupported(child(at, "status"), list[i]["status"], {"False", "True", "Unknown"});
    }
    const bool contradicts =
        (type == "Approved" && seen.contains("Denied")) || (type == "Denied" && seen.contains("Approved"));
    if (contradicts)
      out.invalid(path, list[i]["type"], std::string("Approved and Denied conditions are mutually exclusive"));
    if (!seen.insert(type).second) out.duplicate(child(at, "type"), list[i]["type"]);
  }
}

void check_certificate(Problems& out, const Value& certificate) {
  if (certificate.as_string().empty()) return;
  const auto text = base::base64_decode(certificate.as_string());
  std::string_view rest = text ? std::string_view(*text) : std::string_view();
  const auto wrong = [&](std::string why) {
    out.invalid("status.certificate", "<certificate data>", std::move(why));
  };
  int blocks = 0;
  while (const auto pem = take_pem(rest)) {
    if (pem->type != "CERTIFICATE")
      return wrong(fmt::format("only CERTIFICATE PEM blocks are allowed, found {}", base::quote(pem->type)));
    if (pem->headers) return wrong("no PEM block headers are permitted");
    if (pem->bytes.empty()) return wrong("found CERTIFICATE PEM block containing 0 certificates");
    ++blocks;
  }
  if (blocks == 0) wrong("must contain at least one CERTIFICATE PEM block");
}

std::vector<Value> conditions_of(const Value& request, std::string_view type) {
  std::vector<Value> out;
  for (const Value& condition : request.at({"status", "conditions"}).as_array()) {
    if (condition["type"].as_string() == type) out.push_back(condition);
  }
  return out;
}

void check_kept_conditions(Problems& out, const Value& fresh, const Value& old, bool may_decide) {
  for (std::string_view type : kDecisions) {
    if (conditions_of(fresh, type).size() < conditions_of(old, type).size())
      out.forbidden("status.conditions",
                    fmt::format("updates may not remove a condition of type {}", base::quote(type)));
  }
  if (may_decide) return;
  for (std::string_view type : {"Approved", "Denied"}) {
    const auto before = conditions_of(old, type), now = conditions_of(fresh, type);
    if (now.size() > before.size())
      out.forbidden("status.conditions", fmt::format("updates may not add a condition of type {}", base::quote(type)));
    else if (now.size() == before.size() && now != before)
      out.forbidden("status.conditions",
                    fmt::format("updates may not modify a condition of type {}", base::quote(type)));
  }
}

void check_kept_certificate(Problems& out, const Value& fresh, const Value& old, bool may_issue) {
  const Value &now = fresh.at({"status", "certificate"}), &before = old.at({"status", "certificate"});
  if (now.as_string() == before.as_string()) return;
  if (!may_issue)
    out.forbidden("status.certificate", "updates may not set certificate content");
  else if (!before.as_string().empty())
    out.forbidden("status.certificate", "updates may not modify existing certificate content");
}

}  // namespace

void check_signer_name(Problems& out, const std::string& path, std::string_view name) {
  if (name.empty()) return out.required(path);
  const auto segments = base::split(name, '/');
  if (segments.size() != 2)
    return out.invalid(path, name,
                       std::string("must be a fully qualified domain and path of the form 'example.com/signer-name'"));
  if (segments[0].size() > kMaxDomain) out.add(too_long_field(path, kMaxDomain));
  const auto check_labels = [&](const std::string& segment, auto check) {
    for (const std::string& label : base::split(segment, '.')) {
      const auto messages = check(label);
      for (const std::string& message : messages)
        out.invalid(path, segment, fmt::format("validating label {}: {}", base::quote(label), message));
      if (!messages.empty()) return;
    }
  };
  check_labels(segments[0], base::check_dns1123_label);
  if (segments[0].find('.') == std::string::npos)
    out.invalid(path, segments[0], std::string("should be a domain with at least two segments separated by dots"));
  check_labels(segments[1], base::check_dns1123_subdomain);
  if (name.size() > kMaxSignerName) out.add(too_long_field(path, kMaxSignerName));
}

void check_signing_request(Problems& out, const Value& request) {
  const Value& spec = request["spec"];
  check_request(out, spec["request"]);
  check_usages(out, spec["usages"]);
  const std::string_view signer = spec["signerName"].as_string();
  if (signer == "kubernetes.io/legacy-unknown")
    out.invalid("spec.signerName", signer, std::string("the legacy signerName is not allowed via this API version"));
  else
    check_signer_name(out, "spec.signerName", signer);
  const Value& seconds = spec["expirationSeconds"];
  if (const auto number = seconds.as_int(); number && *number < kMinSeconds)
    out.invalid("spec.expirationSeconds", seconds,
                std::string("may not specify a duration less than 600 seconds (10 minutes)"));
  check_conditions(out, request.at({"status", "conditions"}));
}

void check_signing_request_update(Problems& out, const Value& fresh, const Value& old) {
  check_kept_conditions(out, fresh, old, false);
  check_kept_certificate(out, fresh, old, false);
}

void check_signing_request_status(Problems& out, const Value& fresh, const Value& old) {
  check_conditions(out, fresh.at({"status", "conditions"}));
  if (fresh.at({"status", "certificate"}) != old.at({"status", "certificate"}))
    check_certificate(out, fresh.at({"status", "certificate"}));
  check_kept_conditions(out, fresh, old, false);
  check_kept_certificate(out, fresh, old, true);
}

void check_signing_request_approval(Problems& out, const Value& fresh, const Value& old) {
  check_conditions(out, fresh.at({"status", "conditions"}));
  check_kept_conditions(out, fresh, old, true);
  check_kept_certificate(out, fresh, old, false);
}

}  // namespace api::rules
