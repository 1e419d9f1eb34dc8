#include "node/probe_plan.hpp"

#include <algorithm>

#include "base/strings.hpp"

namespace node {
namespace {

constexpr int kMaxRedirects = 10;

base::Result<int> port_of(const api::IntOrString& port, const api::Container& container) {
  int64_t number = port.int_value();
  if (port.is_string()) {
    const auto named = std::find_if(container.ports.begin(), container.ports.end(),
                                    [&](const auto& p) { return p.name == port.string_value(); });
    if (named != container.ports.end()) {
      number = named->container_port;
    } else if (const auto parsed = base::parse_int(port.string_value())) {
      number = *parsed;
    } else {
      return base::fail(base::Reason::invalid, "port " + port.string_value() + " not found");
    }
  }
  if (number <= 0 || number > 65535) {
    return base::fail(base::Reason::invalid, "invalid port number: " + std::to_string(number));
  }
  return static_cast<int>(number);
}

// The path as it goes on the wire: what a URL does not allow is escaped, escapes stay.
std::string encoded_target(std::string_view path) {
  std::string target;
  if (const auto hash = path.find('#'); hash != std::string_view::npos) path = path.substr(0, hash);
  if (!path.starts_with('/')) target = "/";
  static constexpr char kHex[] = "0123456789ABCDEF";
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= ' ' || byte >= 0x7f || c == '"' || c == '<' || c == '>' || c == '\\' || c == '^' ||
        c == '`' || c == '{' || c == '|' || c == '}') {
      target += '%';
      target += kHex[byte >> 4];
      target += kHex[byte & 15];
    } else {
      target += c;
    }
  }
  return target;
}

ProbeTiming timing_of(const api::Probe& probe) {
  const auto at_least = [](const std::optional<int64_t>& value, int64_t least, int64_t otherwise) {
    return std::max(least, value.value_or(0) == 0 ? otherwise : *value);
  };
  ProbeTiming timing;
  timing.initial_delay = std::chrono::seconds(std::max<int64_t>(0, probe.initial_delay_seconds.value_or(0)));
  timing.period = std::chrono::seconds(at_least(probe.period_seconds, 1, 10));
  timing.timeout = std::chrono::seconds(at_least(probe.timeout_seconds, 1, 1));
  timing.success_threshold = static_cast<int>(at_least(probe.success_threshold, 1, 1));
  timing.failure_threshold = static_cast<int>(at_least(probe.failure_threshold, 1, 3));
  return timing;
}

std::string host_and_port(const std::string& host, int port) {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

// Where a Location leads from that URL; nothing when it is no http URL.
std::optional<ProbeAction> follow(const ProbeAction& from, std::string_view location) {
  ProbeAction to = from;
  if (const auto hash = location.find('#'); hash != std::string_view::npos)
    location = location.substr(0, hash);
  std::string_view rest = location;
  const bool https = rest.starts_with("https://");
  if (https || rest.starts_with("http://")) {
    to.tls = https;
    rest.remove_prefix(https ? 6 : 5);
  }
  if (rest.starts_with("//")) {
    rest.remove_prefix(2);
    const auto end = rest.find_first_of("/?");
    std::string_view authority = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end);
    to.port = to.tls ? 443 : 80;
    const auto colon = authority.rfind(':');
    if (colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos) {
      const auto port = base::parse_int(authority.substr(colon + 1));
      if (!port || *port <= 0 || *port > 65535) return {};
      to.port = static_cast<int>(*port);
      authority = authority.substr(0, colon);
    }
    if (authority.starts_with('[') && authority.ends_with(']'))
      authority = authority.substr(1, authority.size() - 2);
    to.host = authority;
    to.target = encoded_target(rest.empty() ? "/" : rest);
    return to;
  }
  if (rest.empty() || (rest.find("://") != std::string_view::npos && !rest.starts_with('/'))) return {};
  if (rest.starts_with('/')) {
    to.target = encoded_target(rest);
  } else if (rest.starts_with('?')) {
    to.target = encoded_target(from.target.substr(0, from.target.find('?')) + std::string(rest));
  } else {
    const std::string path = from.target.substr(0, from.target.find('?'));
    to.target = encoded_target(path.substr(0, path.rfind('/') + 1) + std::string(rest));
  }
  return to;
}

}  // namespace

std::string_view probe_kind_name(ProbeKind kind) {
  switch (kind) {
    case ProbeKind::startup:
      return "Startup";
    case ProbeKind::readiness:
      return "Readiness";
    case ProbeKind::liveness:
      break;
  }
  return "Liveness";
}

std::string seconds_text(std::chrono::milliseconds time) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(time).count()) + "s";
}

std::string ProbeAction::url() const {
  return (tls ? "https://" : "http://") + host_and_port(host, port) + target;
}

base::Result<ProbeSpec> probe_spec(const api::Probe& probe, const api::Container& container,
                                   const std::string& pod_ip) {
  ProbeSpec spec;
  spec.timing = timing_of(probe);
  spec.grace = probe.termination_grace_period_seconds;
  ProbeAction& action = spec.action;
  if (probe.exec) {
    action.kind = ProbeAction::Kind::exec;
    action.command = probe.exec->command;
    if (action.command.empty()) return base::fail(base::Reason::invalid, "the probe's command is empty");
  } else if (probe.http_get) {
    const auto& get = *probe.http_get;
    action.kind = ProbeAction::Kind::http;
    action.tls = base::to_lower(get.scheme) == "https";
    action.host = get.host.empty() ? pod_ip : get.host;
    TRY(action.port, port_of(get.port, container));
    action.target = encoded_target(get.path);
    for (const auto& header : get.http_headers) action.headers.emplace_back(header.name, header.value);
  } else if (probe.tcp_socket) {
    action.kind = ProbeAction::Kind::tcp;
    action.host = probe.tcp_socket->host.empty() ? pod_ip : probe.tcp_socket->host;
    TRY(action.port, port_of(probe.tcp_socket->port, container));
  } else if (probe.grpc) {
    action.kind = ProbeAction::Kind::grpc;
    action.host = pod_ip;
    action.service = probe.grpc->service;
    TRY(action.port, port_of(api::IntOrString(probe.grpc->port), container));
  } else {
    return base::fail(base::Reason::invalid, "missing probe handler for " + container.name);
  }
  return spec;
}

ProbeRun::ProbeRun(ProbeKind kind, const ProbeTiming& timing, Steady first, std::optional<bool> known)
    : kind_(kind),
      timing_(timing),
      first_(first),
      due_(first),
      good_(known.value_or(kind == ProbeKind::liveness)) {}

void ProbeRun::begin(Steady now) {
  // Keeps the beat; a beat that was missed is not made up for.
  due_ += timing_.period;
  if (due_ <= now) due_ = now + timing_.period;
}

bool ProbeRun::note(ProbeAnswer::Kind answer) {
  if (answer == ProbeAnswer::Kind::error || resting()) return false;
  const bool success = answer != ProbeAnswer::Kind::failure;
  run_ = last_ == success ? run_ + 1 : 1;
  last_ = success;
  if (run_ < (success ? timing_.success_threshold : timing_.failure_threshold)) return false;
  if (!success && kind_ != ProbeKind::readiness) {
    good_ = false;
    must_restart_ = true;
    return true;
  }
  return std::exchange(good_, success) != success;
}

HttpVerdict judge_http(const ProbeAction& first, const ProbeAction& asked, int redirects, int status,
                       std::string_view location, const std::string& body) {
  const auto answer = [](ProbeAnswer::Kind kind, std::string text) {
    return HttpVerdict{ProbeAnswer{kind, std::move(text)}, {}};
  };
  const bool redirect = status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
  if (redirect && !location.empty()) {
    auto next = follow(asked, location);
    if (!next) {
      return answer(ProbeAnswer::Kind::failure,
                    "Get " + base::quote(first.url()) + ": failed to parse Location header " + base::quote(location));
    }
    if (next->host == first.host) {
      if (redirects + 1 >= kMaxRedirects)
        return answer(ProbeAnswer::Kind::failure,
                      "Get " + base::quote(next->url()) + ": stopped after 10 redirects");
      return {std::nullopt, std::move(*next)};
    }
  }
  if (status >= 300 && status < 400)
    return answer(ProbeAnswer::Kind::warning, "Probe terminated redirects, Response body: " + body);
  if (status >= 200 && status < 300) return answer(ProbeAnswer::Kind::success, body);
  return answer(ProbeAnswer::Kind::failure, "HTTP probe failed with statuscode: " + std::to_string(status));
}

ProbeAnswer judge_grpc(int grpc_status, const std::string& message, int serving,
                       std::chrono::milliseconds timeout) {
  static constexpr int kDeadlineExceeded = 4, kUnimplemented = 12;
  static constexpr const char* kCodes[] = {
      "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
      "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
      "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
      "DataLoss", "Unauthenticated"};
  static constexpr const char* kServing[] = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};
  const auto failure = [](std::string text) {
    return ProbeAnswer{ProbeAnswer::Kind::failure, std::move(text)};
  };
  if (grpc_status == kUnimplemented) {
    return failure(
        "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): " + message);
  }
  if (grpc_status == kDeadlineExceeded)
    return failure("timeout: health rpc did not complete within " + seconds_text(timeout));
  if (grpc_status != 0) {
    const std::string code = grpc_status > 0 && grpc_status < 17 ? kCodes[grpc_status] : "Unknown";
    return failure("error: health rpc probe failed: rpc error: code = " + code + " desc = " + message);
  }
  if (serving != 1) {
    const std::string name = serving >= 0 && serving < 4 ? kServing[serving] : std::to_string(serving);
    return failure("service unhealthy (responded with " + base::quote(name) + ")");
  }
  return {ProbeAnswer::Kind::success, "service healthy"};
}

std::optional<ProbeEvent> event_of(ProbeKind kind, const ProbeAnswer& answer) {
  const std::string name(probe_kind_name(kind));
  switch (answer.kind) {
    case ProbeAnswer::Kind::success:
      return {};
    case ProbeAnswer::Kind::warning:
      return ProbeEvent{"ProbeWarning", name + " probe warning: " + answer.text};
    case ProbeAnswer::Kind::failure:
      return ProbeEvent{"Unhealthy", name + " probe failed: " + answer.text};
    case ProbeAnswer::Kind::error:
      break;
  }
  return ProbeEvent{"Unhealthy", name + " probe errored and resulted in unknown state: " + answer.text};
}

}  // namespace node
