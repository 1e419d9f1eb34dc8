#include "server/metrics.hpp"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <tuple>

#include "base/strings.hpp"
#include "sys/fs.hpp"

namespace server {

namespace {

size_t code_index(int code) {
  auto found = std::find(kCountedCodes.begin() + 1, kCountedCodes.end(), code);
  return found == kCountedCodes.end() ? 0 : static_cast<size_t>(found - kCountedCodes.begin());
}

size_t hash_of(const RequestLabels& labels) {
  size_t hash = labels.dry_run ? 1 : 0;
  for (const auto* text : {&labels.verb, &labels.group, &labels.version, &labels.resource, &labels.subresource,
                           &labels.scope}) {
    hash = hash * 1099511628211u ^ std::hash<std::string_view>{}(*text);
  }
  return hash;
}

bool same(const RequestLabels& a, const RequestLabels& b) {
  return a.verb == b.verb && a.resource == b.resource && a.group == b.group && a.version == b.version &&
         a.subresource == b.subresource && a.scope == b.scope && a.dry_run == b.dry_run;
}

std::string number(double value) {
  if (value == std::floor(value) && std::abs(value) < 1e15) return fmt::format("{}", static_cast<int64_t>(value));
  return fmt::format("{}", value);
}

// The labels that the request metrics share, in alphabetical order; `dry_run` stands between component and group.
std::string label_text(const RequestLabels& labels, bool with_dry_run) {
  std::string out;
  append_label(out, "component", "apiserver");
  if (with_dry_run) append_label(out, "dry_run", labels.dry_run ? "All" : "");
  append_label(out, "group", labels.group);
  append_label(out, "resource", labels.resource);
  append_label(out, "scope", labels.scope);
  append_label(out, "subresource", labels.subresource);
  append_label(out, "verb", labels.verb);
  append_label(out, "version", labels.version);
  return out;
}

template <size_t N>
void append_histogram(std::string& out, std::string_view name, const std::string& labels,
                      const std::array<double, N>& bounds, const Histogram<N>& histogram) {
  uint64_t total = 0;
  for (size_t i = 0; i <= N; ++i) {
    total += histogram.count(i);
    std::string with_bound = labels;
    append_label(with_bound, "le", i == N ? "+Inf" : number(bounds[i]));
    append_sample(out, std::string(name) + "_bucket", with_bound, static_cast<double>(total));
  }
  append_sample(out, std::string(name) + "_sum", labels, histogram.sum());
  append_sample(out, std::string(name) + "_count", labels, static_cast<double>(total));
}

template <size_t N>
bool has_any(const Histogram<N>& histogram) {
  for (size_t i = 0; i <= N; ++i) {
    if (histogram.count(i) > 0) return true;
  }
  return false;
}

std::string version_part(std::string_view version, size_t index) {
  auto pieces = base::split(version, '.');
  if (index >= pieces.size()) return "";
  std::string piece = pieces[index];
  if (piece.starts_with('v')) piece.erase(0, 1);
  return piece;
}

int count_open_files() {
  DIR* folder = ::opendir("/proc/self/fd");
  if (!folder) return -1;
  int count = -3;  // "." and "..", and the folder itself
  while (::readdir(folder)) ++count;
  ::closedir(folder);
  return count;
}

// Seconds since the epoch at which this process began.
double process_start() {
  auto stat = sys::read_file("/proc/self/stat");
  auto uptime = sys::read_file("/proc/stat");
  if (!stat || !uptime) return 0;
  size_t name_end = stat->rfind(')');
  size_t boot = uptime->find("\nbtime ");
  if (name_end == std::string::npos || boot == std::string::npos) return 0;
  auto fields = base::split(stat->substr(name_end + 2), ' ');
  if (fields.size() < 20) return 0;
  std::string boot_text = uptime->substr(boot + 7, uptime->find('\n', boot + 1) - boot - 7);
  auto ticks = base::parse_int(fields[19]);
  auto boot_time = base::parse_int(boot_text);
  if (!ticks || !boot_time) return 0;
  return static_cast<double>(*boot_time) + static_cast<double>(*ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

}  // namespace

void append_family(std::string& out, std::string_view name, std::string_view type, std::string_view help) {
  fmt::format_to(std::back_inserter(out), "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

void append_sample(std::string& out, std::string_view name, std::string_view labels, double value) {
  out += name;
  if (!labels.empty()) {
    out += '{';
    out += labels;
    out += '}';
  }
  out += ' ';
  out += number(value);
  out += '\n';
}

void append_label(std::string& labels, std::string_view name, std::string_view value) {
  if (!labels.empty()) labels += ',';
  labels += name;
  labels += "=\"";
  for (char c : value) {
    if (c == '\\' || c == '"') labels += '\\';
    if (c == '\n') labels += "\\n";
    else labels += c;
  }
  labels += '"';
}

Metrics::Metrics(std::string git_version) : git_version_(std::move(git_version)), slots_(kSlots) {
  other_.labels.verb = "OTHER";
}

Metrics::~Metrics() {
  for (auto& slot : slots_) delete slot.load();
}

Metrics::Series& Metrics::series(const RequestLabels& labels) {
  size_t at = hash_of(labels) % kSlots;
  std::unique_ptr<Series> made;
  for (size_t step = 0; step < kSlots; ++step, at = (at + 1) % kSlots) {
    Series* known = slots_[at].load(std::memory_order_acquire);
    if (!known) {
      if (used_.load(std::memory_order_relaxed) >= kMaxSeries) return other_;
      if (!made) {
        made = std::make_unique<Series>();
        made->labels = labels;
      }
      if (slots_[at].compare_exchange_strong(known, made.get(), std::memory_order_acq_rel)) {
        used_.fetch_add(1, std::memory_order_relaxed);
        return *made.release();
      }
    }
    if (same(known->labels, labels)) return *known;
  }
  return other_;
}

void Metrics::count(Series& series, int code, std::chrono::nanoseconds took, std::optional<size_t> bytes) {
  series.by_code[code_index(code)].fetch_add(1, std::memory_order_relaxed);
  series.duration.observe(kDurationBounds, std::chrono::duration<double>(took).count());
  if (bytes) series.size.observe(kSizeBounds, static_cast<double>(*bytes));
}

void Metrics::add_source(std::function<void(std::string&)> source) {
  sources_.lock()->push_back(std::move(source));
}

void Metrics::append_requests(std::string& out) const {
  std::vector<const Series*> all;
  for (const auto& slot : slots_) {
    if (const Series* one = slot.load(std::memory_order_acquire)) all.push_back(one);
  }
  all.push_back(&other_);
  auto key = [](const Series* s) {
    const auto& l = s->labels;
    return std::tie(l.group, l.version, l.resource, l.subresource, l.verb, l.scope, l.dry_run);
  };
  std::sort(all.begin(), all.end(), [&](const Series* a, const Series* b) { return key(a) < key(b); });

  append_family(out, "apiserver_request_total", "counter", "Requests answered, by verb, resource and code.");
  for (const Series* one : all) {
    for (size_t i = 0; i < kCountedCodes.size(); ++i) {
      auto value = one->by_code[i].load(std::memory_order_relaxed);
      if (value == 0) continue;
      std::string labels;
      append_label(labels, "code", i == 0 ? "other" : std::to_string(kCountedCodes[i]));
      append_sample(out, "apiserver_request_total", labels + "," + label_text(one->labels, true),
                    static_cast<double>(value));
    }
  }
  append_family(out, "apiserver_request_duration_seconds", "histogram", "Time from the request to its answer.");
  for (const Series* one : all) {
    if (!has_any(one->duration)) continue;
    append_histogram(out, "apiserver_request_duration_seconds", label_text(one->labels, true), kDurationBounds,
                     one->duration);
  }
  append_family(out, "apiserver_response_sizes", "histogram", "Bytes of the answers to reads.");
  for (const Series* one : all) {
    if (!has_any(one->size)) continue;
    append_histogram(out, "apiserver_response_sizes", label_text(one->labels, false), kSizeBounds, one->size);
  }
  append_family(out, "apiserver_longrunning_requests", "gauge", "Watches, logs and sessions that are open now.");
  for (const Series* one : all) {
    auto running = one->running.load(std::memory_order_relaxed);
    bool ever = one->labels.verb == "WATCH" || one->labels.verb == "CONNECT" || running > 0;
    if (ever) {
      append_sample(out, "apiserver_longrunning_requests", label_text(one->labels, false),
                    static_cast<double>(running));
    }
  }
  append_family(out, "apiserver_request_terminations_total", "counter",
                "Requests that the server's limits answered: too many at a time, or too slow.");
  for (const Series* one : all) {
    auto value = one->terminated.load(std::memory_order_relaxed);
    if (value > 0) {
      append_sample(out, "apiserver_request_terminations_total", label_text(one->labels, false),
                    static_cast<double>(value));
    }
  }
  append_family(out, "apiserver_watch_events_total", "counter", "Writes to watchers, by resource.");
  for (const Series* one : all) {
    auto value = one->watch_events.load(std::memory_order_relaxed);
    if (value == 0) continue;
    std::string labels;
    append_label(labels, "group", one->labels.group);
    append_label(labels, "resource", one->labels.resource);
    append_label(labels, "scope", one->labels.scope);
    append_label(labels, "version", one->labels.version);
    append_sample(out, "apiserver_watch_events_total", labels, static_cast<double>(value));
  }
  append_family(out, "apiserver_current_inflight_requests", "gauge", "Requests under way, long-running ones apart.");
  append_sample(out, "apiserver_current_inflight_requests", "request_kind=\"mutating\"",
                static_cast<double>(mutating.load()));
  append_sample(out, "apiserver_current_inflight_requests", "request_kind=\"readOnly\"",
                static_cast<double>(reading.load()));
  append_family(out, "apiserver_audit_event_total", "counter", "Lines written to the audit log.");
  append_sample(out, "apiserver_audit_event_total", "", static_cast<double>(audit_events.load()));
  append_family(out, "apiserver_audit_error_total", "counter", "Audit events dropped: the log could not keep up.");
  append_sample(out, "apiserver_audit_error_total", "plugin=\"log\"", static_cast<double>(audit_dropped.load()));
}

void Metrics::append_process(std::string& out) const {
  auto single = [&](std::string_view name, std::string_view type, std::string_view help, double value) {
    append_family(out, name, type, help);
    append_sample(out, name, "", value);
  };
  if (!git_version_.empty()) {
    std::string labels;
    append_label(labels, "compiler", "clang");
    append_label(labels, "git_version", git_version_);
    append_label(labels, "major", version_part(git_version_, 0));
    append_label(labels, "minor", version_part(git_version_, 1));
    append_label(labels, "platform",
#if defined(__aarch64__)
                 "linux/arm64"
#else
                 "linux/amd64"
#endif
    );
    append_family(out, "kubernetes_build_info", "gauge", "A constant 1; the labels say which version runs.");
    append_sample(out, "kubernetes_build_info", labels, 1);
  }
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  single("process_cpu_seconds_total", "counter", "CPU time of this process, user and system.",
         seconds(usage.ru_utime) + seconds(usage.ru_stime));
  if (auto statm = sys::read_file("/proc/self/statm")) {
    auto fields = base::split(base::trim(*statm), ' ');
    auto page_size = static_cast<double>(::sysconf(_SC_PAGESIZE));
    if (fields.size() > 1) {
      single("process_virtual_memory_bytes", "gauge", "Address space of this process.",
             static_cast<double>(base::parse_int(fields[0]).value_or(0)) * page_size);
      single("process_resident_memory_bytes", "gauge", "Memory of this process that is in RAM.",
             static_cast<double>(base::parse_int(fields[1]).value_or(0)) * page_size);
    }
  }
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  single("process_open_fds", "gauge", "File descriptors in use.", count_open_files());
  single("process_max_fds", "gauge", "File descriptors that may be in use.", static_cast<double>(files.rlim_cur));
  static const double kStart = process_start();
  single("process_start_time_seconds", "gauge", "When this process began, in seconds since the epoch.", kStart);
}

std::string Metrics::page() const {
  std::string out;
  append_requests(out);
  auto sources = *sources_.lock();
  for (const auto& source : sources) source(out);
  append_process(out);
  return out;
}

}  // namespace server
