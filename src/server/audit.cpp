#include "server/audit.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <optional>

#include "api/protobuf.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "base/strings.hpp"
#include "base/yaml.hpp"

namespace server {

namespace {

constexpr size_t kMaxQueuedBytes = 16u << 20;
// Bodies beyond it are left out, and the event says so (upstream: audit-log-truncate-max-event-size).
constexpr size_t kMaxBody = 100u << 10;

void drop_managed_fields(base::Value& object) {
  if (auto* root = object.if_object()) {
    if (auto* metadata = root->find("metadata"); metadata && metadata->is_object()) metadata->object().erase("managedFields");
    if (auto* items = root->find("items"); items && items->is_array()) {
      for (auto& item : items->array()) drop_managed_fields(item);
    }
  }
}

// `kind`: what the body is when it is protobuf; may be null.
std::optional<base::Value> parse_body(std::string_view body, std::string_view type, const api::KindPtr& kind) {
  auto kept = [](auto value) { return value ? std::optional(std::move(*value)) : std::nullopt; };
  if (type.find("yaml") != std::string_view::npos) return kept(base::parse_yaml(body));
  if (type.empty() || type.find("json") != std::string_view::npos) return kept(base::parse_json(body));
  if (type.find(api::kProtobufMediaType) == std::string_view::npos || !kind || !api::has_protobuf(*kind)) return std::nullopt;
  auto value = api::decode_protobuf(*kind, body);
  if (!value || (*value)["kind"].as_string() != kind->kind) return std::nullopt;
  return std::move(*value);
}

// A body as an object of the event; `truncated` is set when it is too large.
std::optional<base::Value> body_object(std::string_view body, std::string_view type, const api::KindPtr& kind,
                                       bool without_managed_fields, bool& truncated) {
  if (body.empty()) return std::nullopt;
  if (body.size() > kMaxBody) {
    truncated = true;
    return std::nullopt;
  }
  auto value = parse_body(body, type, kind);
  if (!value || (!value->is_object() && !value->is_array())) return std::nullopt;
  if (without_managed_fields) drop_managed_fields(*value);
  return value;
}

base::Array texts(const std::vector<std::string>& list) {
  base::Array out;
  for (const auto& text : list) out.emplace_back(text);
  return out;
}

void set_text(base::Object& object, std::string_view name, const std::string& text) {
  if (!text.empty()) object.set(name, text);
}

base::Value response_status(int code, std::string_view body, std::string_view type, const api::KindPtr& kind) {
  base::Object status{{"metadata", base::Object{}}};
  if (code >= 400 && body.size() <= kMaxBody) {
    if (auto value = parse_body(body, type, kind); value && (*value)["kind"].as_string() == "Status") {
      for (const char* member : {"status", "message", "reason", "details"}) {
        if (const auto* found = value->as_object().find(member)) status.set(member, *found);
      }
    }
  }
  status.set("code", code);
  return status;
}

// The name of what was created, or could not be: the URL has none.
std::string created_name(int code, std::string_view body, std::string_view type, const AuditFacts& facts) {
  if (body.size() > kMaxBody) return {};
  auto answer = parse_body(body, type, code >= 400 ? facts.status_kind : facts.kind);
  if (!answer) return {};
  return std::string(answer->at({code >= 400 ? "details" : "metadata", "name"}).as_string());
}

bool is_address(const std::string& text) {
  unsigned char buffer[sizeof(in6_addr)];
  return ::inet_pton(AF_INET, text.c_str(), buffer) == 1 || ::inet_pton(AF_INET6, text.c_str(), buffer) == 1;
}

// "192.0.2.7:4711", "[2001:db8::7]:4711"; what is no such thing is this process.
std::string address_of(std::string_view peer) {
  size_t colon = peer.rfind(':');
  if (colon == std::string_view::npos) return "127.0.0.1";
  auto address = peer.substr(0, colon);
  if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
  return std::string(address);
}

// How much of what others say is written down.
constexpr size_t kMaxForwarded = 32;

}  // namespace

std::vector<std::string> source_ips_of(const net::Request& request) {
  std::vector<std::string> out;
  for (const auto& part : base::split(request.headers.get("X-Forwarded-For"), ',')) {
    std::string address(base::trim(part));
    if (is_address(address) && out.size() < kMaxForwarded) out.push_back(std::move(address));
  }
  std::string real(base::trim(request.headers.get("X-Real-Ip")));
  if (is_address(real) && std::ranges::find(out, real) == out.end()) out.push_back(std::move(real));
  auto sender = address_of(request.peer.address);
  if (out.empty() || out.back() != sender) out.push_back(std::move(sender));
  return out;
}

base::Value make_audit_event(const AuditFacts& facts, AuditStage stage, base::Time now, int code, std::string_view body,
                             std::string_view type) {
  const auto& subject = facts.subject;
  base::Object user;
  if (subject.user.empty()) {
    user.set("username", "system:anonymous");
    user.set("groups", base::Array{"system:unauthenticated"});
  } else {
    user.set("username", subject.user);
    user.set("groups", texts(subject.groups));
  }
  base::Object event{{"kind", "Event"},
                     {"apiVersion", "audit.k8s.io/v1"},
                     {"level", std::string(audit_level_name(facts.decision.level))},
                     {"auditID", facts.id},
                     {"stage", std::string(audit_stage_name(stage))},
                     {"requestURI", facts.request_uri},
                     {"verb", subject.verb},
                     {"user", std::move(user)},
                     {"sourceIPs", texts(facts.source_ips)}};
  set_text(event, "userAgent", facts.user_agent);
  if (!subject.resource.empty()) {
    base::Object reference{{"resource", subject.resource}};
    set_text(reference, "namespace", subject.namespace_);
    bool unnamed = subject.name.empty() && subject.verb == "create" && stage == AuditStage::response_complete;
    set_text(reference, "name", unnamed ? created_name(code, body, type, facts) : subject.name);
    set_text(reference, "apiGroup", subject.group);
    set_text(reference, "apiVersion", facts.api_version);
    set_text(reference, "subresource", subject.subresource);
    event.set("objectRef", std::move(reference));
  }
  bool truncated = false;
  bool bare = facts.decision.omit_managed_fields;
  if (stage != AuditStage::request_received) event.set("responseStatus", response_status(code, body, type, facts.status_kind));
  if (facts.decision.level >= AuditLevel::request) {
    if (auto object = body_object(facts.request_body, facts.request_type, facts.kind, bare, truncated)) {
      event.set("requestObject", std::move(*object));
    }
  }
  if (facts.decision.level >= AuditLevel::request_response && stage == AuditStage::response_complete) {
    if (auto object = body_object(body, type, code >= 400 ? facts.status_kind : facts.kind, bare, truncated)) event.set("responseObject", std::move(*object));
  }
  event.set("requestReceivedTimestamp", base::format_micro_time(facts.received));
  event.set("stageTimestamp", base::format_micro_time(now));
  base::Object annotations;
  if (stage != AuditStage::request_received) {
    annotations.set("authorization.k8s.io/decision", facts.allowed ? "allow" : "forbid");
    annotations.set("authorization.k8s.io/reason", "");
  }
  if (truncated) annotations.set("audit.k8s.io/truncated", "true");
  if (!annotations.empty()) event.set("annotations", std::move(annotations));
  return event;
}

AuditLog::AuditLog(AuditConfig config, std::shared_ptr<Metrics> metrics)
    : config_(std::move(config)), metrics_(std::move(metrics)) {}

base::Result<std::unique_ptr<AuditLog>> AuditLog::open(AuditConfig config, std::shared_ptr<Metrics> metrics) {
  std::unique_ptr<AuditLog> log(new AuditLog(std::move(config), std::move(metrics)));
  CHECK_OK(log->open_file());
  if (log->fd_ > STDERR_FILENO) log->remove_old();
  log->thread_ = std::thread([self = log.get()] { self->run(); });
  return log;
}

AuditLog::~AuditLog() {
  queue_.lock()->stopping = true;
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  if (fd_ > STDERR_FILENO) ::close(fd_);
}

base::Result<void> AuditLog::open_file() {
  if (config_.path == "-") {
    fd_ = STDOUT_FILENO;
    return {};
  }
  fd_ = ::open(config_.path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd_ < 0) return std::unexpected(base::errno_error("open the audit log " + config_.path, errno));
  struct stat info{};
  size_ = ::fstat(fd_, &info) == 0 ? static_cast<int64_t>(info.st_size) : 0;
  return {};
}

void AuditLog::write(const base::Value& event) {
  std::string line = base::write_json(event) + "\n";
  auto queue = queue_.lock();
  if (queue->bytes + line.size() > kMaxQueuedBytes) {
    metrics_->audit_dropped.fetch_add(1, std::memory_order_relaxed);
    if (!std::exchange(queue->dropping, true)) {
      base::log_warning("audit", "{} is written too slowly: audit events are being dropped", config_.path);
    }
    return;
  }
  queue->dropping = false;
  queue->bytes += line.size();
  queue->lines.push_back(std::move(line));
  if (!queue->busy) changed_.notify_all();
}

void AuditLog::flush() {
  auto queue = queue_.lock();
  changed_.wait(queue.native(), [&] { return queue->lines.empty() && !queue->busy; });
}

void AuditLog::run() {
  while (true) {
    std::deque<std::string> lines;
    {
      auto queue = queue_.lock();
      queue->busy = false;
      if (queue->lines.empty()) changed_.notify_all();  // for flush()
      changed_.wait(queue.native(), [&] { return queue->stopping || !queue->lines.empty(); });
      if (queue->lines.empty()) return;
      queue->busy = true;
      lines.swap(queue->lines);
      queue->bytes = 0;
    }
    write_lines(lines);
  }
}

void AuditLog::write_lines(const std::deque<std::string>& lines) {
  for (const auto& line : lines) {
    if (fd_ > STDERR_FILENO && size_ > 0 && size_ + static_cast<int64_t>(line.size()) > config_.max_size) rotate();
    ssize_t written = -1;
    while ((written = ::write(fd_, line.data(), line.size())) < 0 && errno == EINTR) {
    }
    if (written == static_cast<ssize_t>(line.size())) {
      size_ += written;
      failing_ = false;
      metrics_->audit_events.fetch_add(1, std::memory_order_relaxed);
      continue;
    }
    int error = errno;
    // Half a line would spoil the next one too.
    if (written > 0 && fd_ > STDERR_FILENO && ::ftruncate(fd_, size_) != 0) size_ += written;
    metrics_->audit_dropped.fetch_add(1, std::memory_order_relaxed);
    if (!std::exchange(failing_, true)) {
      base::log_error("audit", "cannot write to {}: {}: audit events are lost", config_.path,
                      written < 0 ? strerror(error) : "no space left");
    }
  }
}

// audit.log becomes audit-2026-11-23T03-13-41.123.log, and the oldest of those go.
void AuditLog::rotate() {
  namespace fs = std::filesystem;
  fs::path path(config_.path);
  std::string stem = path.stem().string() + "-";
  std::string extension = path.extension().string();
  auto now = std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now());
  std::string stamp = base::format_micro_time(now).substr(0, 23);
  std::ranges::replace(stamp, ':', '-');
  fs::path target = path.parent_path() / (stem + stamp + extension);
  for (int n = 1; fs::exists(target) && n < 1000; ++n) {
    target = path.parent_path() / fmt::format("{}{}.{:03}{}", stem, stamp, n, extension);
  }
  ::close(fd_);
  if (::rename(config_.path.c_str(), target.c_str()) != 0) {
    base::log_error("audit", "cannot put {} aside: {}", config_.path, strerror(errno));
  }
  if (auto opened = open_file(); !opened) base::log_error("audit", "{}", opened.error().message);
  remove_old();
}

// Files put aside of which there are too many, or that are too old by the time in their names.
void AuditLog::remove_old() {
  namespace fs = std::filesystem;
  if (config_.max_backups <= 0 && config_.max_age_days <= 0) return;
  fs::path path(config_.path);
  const std::string stem = path.stem().string() + "-", extension = path.extension().string();
  std::vector<std::string> backups;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path.has_parent_path() ? path.parent_path() : ".", error)) {
    std::string name = entry.path().filename().string();
    bool ours = name.starts_with(stem) && name.ends_with(extension) && name.size() >= stem.size() + 23 + extension.size();
    if (!ours) continue;
    auto time = name.substr(stem.size(), 23);
    time[13] = time[16] = ':';
    auto put_aside = base::parse_time(time + "Z");
    if (!put_aside) continue;
    if (config_.max_age_days > 0 && std::chrono::system_clock::now() - *put_aside > std::chrono::days(config_.max_age_days)) {
      fs::remove(entry.path(), error);
    } else {
      backups.push_back(entry.path().string());
    }
  }
  if (config_.max_backups <= 0) return;
  std::ranges::sort(backups);
  while (backups.size() > static_cast<size_t>(config_.max_backups)) {
    fs::remove(backups.front(), error);
    backups.erase(backups.begin());
  }
}

}  // namespace server
