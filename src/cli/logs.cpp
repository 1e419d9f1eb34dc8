#include <fmt/format.h>

#include <cstdio>
#include <thread>

#include "base/strings.hpp"
#include "base/time.hpp"
#include "cli/command.hpp"
#include "cli/pods.hpp"
#include "cli/targets.hpp"

namespace cli {
namespace {

using base::Value;

struct Source {
  std::string pod;
  std::string container;
};

base::Result<net::Query> log_query(const Args& args, bool by_selector) {
  net::Query query;
  if (args.on("follow")) query.add("follow", "true");
  if (args.on("previous")) query.add("previous", "true");
  if (args.on("timestamps")) query.add("timestamps", "true");
  if (args.given("since")) {
    auto duration = base::parse_duration(args.get("since"));
    if (args.given("since-time"))
      return base::fail(base::Reason::unknown,
                        "at most one of `sinceTime` or `sinceSeconds` may be specified");
    if (duration && duration->count() > 0)
      query.add("sinceSeconds", std::to_string(std::chrono::ceil<std::chrono::seconds>(*duration).count()));
  }
  if (std::string time = args.get("since-time"); !time.empty()) {
    if (time.size() < 4 || time.find_first_not_of("0123456789") < 4)
      return base::fail(
          base::Reason::unknown,
          fmt::format("parsing time {0} as \"2006-01-02T15:04:05Z07:00\": cannot parse {0} as \"2006\"",
                      base::quote(time)));
    query.add("sinceTime", time);
  }
  if (auto limit = args.number("limit-bytes")) query.add("limitBytes", std::to_string(*limit));
  int64_t tail = args.number("tail").value_or(-1);
  if (!args.given("tail") && by_selector) tail = 10;
  if (tail >= 0) query.add("tailLines", std::to_string(tail));
  return query;
}

int print_log(Session& session, const Source& source, net::Query query, bool prefix) {
  auto resource = session.find_resource("pods");
  if (!resource) return print_error(resource.error());
  if (!source.container.empty()) query.add("container", source.container);
  auto stream =
      session.open_stream(Session::path_of(*resource, session.namespace_(), source.pod, "log"), query, "*/*");
  if (!stream) return print_error(stream.error());
  std::string head = prefix ? fmt::format("[pod/{}/{}] ", source.pod, source.container) : "";
  bool line_start = true;
  while (true) {
    auto chunk = (*stream)->read();
    if (!chunk) return print_error(chunk.error());
    if (chunk->empty()) return 0;
    if (!prefix) {
      std::fwrite(chunk->data(), 1, chunk->size(), stdout);
    } else {
      for (char c : *chunk) {
        if (line_start) std::fputs(head.c_str(), stdout);
        std::fputc(c, stdout);
        line_start = c == '\n';
      }
    }
    std::fflush(stdout);
  }
}

bool has_container(const Value& pod, std::string_view name) {
  for (std::string_view list : {"containers", "initContainers", "ephemeralContainers"}) {
    for (auto& container : pod.at({"spec", list}).as_array()) {
      if (container["name"].as_string() == name) return true;
    }
  }
  return false;
}

int check_usage(const Args& args) {
  bool by_selector = args.given("selector");
  if (by_selector && !args.operands.empty())
    return usage_error("logs", "only a selector (-l) or a POD name is allowed");
  if ((args.operands.empty() && !by_selector) || args.operands.size() > 2)
    return usage_error("logs",
                       "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\nPOD or TYPE/NAME is a "
                       "required argument for the logs command");
  if (args.operands.size() == 2 && args.given("container"))
    return print_error(base::Error{base::Reason::unknown,
                                   "only one of -c or an inline [CONTAINER] arg is allowed", nullptr});
  return 0;
}

int print_find_error(const Session& session, const base::Error& error) {
  if (!error.details || error.reason != base::Reason::not_found) return print_error(error);
  fmt::print(stderr, "error: error from server (NotFound): {} in namespace \"{}\"\n", error.message,
             session.namespace_());
  return 1;
}

int run_logs(Context& context) {
  const Args& args = context.args;
  if (int failed = check_usage(args)) return failed;
  auto session = context.session();
  if (!session) return print_error(session.error());
  std::string selector = args.get("selector");
  auto query = log_query(args, !selector.empty());
  if (!query) return print_error(query.error());
  auto pods = find_pods(
      **session, {args.operands.empty() ? "" : args.operands[0], selector, "get the logs from",
                  base::parse_duration(args.get("pod-running-timeout")).value_or(std::chrono::seconds(20))});
  if (!pods) return print_find_error(**session, pods.error());
  if (pods->empty()) {
    fmt::print(stderr, "No resources found in {} namespace.\n", (*session)->namespace_());
    return 0;
  }
  std::string wanted = args.given("container")    ? args.get("container")
                       : args.operands.size() > 1 ? args.operands[1]
                                                  : "";
  if (selector.empty() && pods->size() > 1 && !args.on("all-pods")) {
    fmt::print(stderr, "Found {} pods, using pod/{}\n", pods->size(),
               (*pods)[0].at({"metadata", "name"}).as_string());
    pods->resize(1);
  }
  std::vector<Source> sources;
  for (auto& pod : *pods) {
    std::string name(pod.at({"metadata", "name"}).as_string());
    if (args.on("all-containers")) {
      for (auto& container : pod.at({"spec", "containers"}).as_array())
        sources.push_back({name, std::string(container["name"].as_string())});
    } else {
      if (!wanted.empty() && !has_container(pod, wanted))
        return print_error(base::Error{base::Reason::unknown,
                                       fmt::format("container {} is not valid for pod {}", wanted, name),
                                       nullptr});
      sources.push_back({name, wanted.empty() ? default_container(pod, false) : wanted});
    }
  }
  bool prefix = args.on("prefix");
  if (!args.on("follow") || sources.size() == 1) {
    int code = 0;
    for (auto& source : sources) {
      if (int failed = print_log(**session, source, *query, prefix)) code = failed;
    }
    return code;
  }
  if (sources.size() > 5)
    return print_error(base::Error{
        base::Reason::unknown,
        fmt::format("you are attempting to follow {} log streams, but maximum allowed concurrency is 5",
                    sources.size()),
        nullptr});
  std::vector<std::thread> readers;
  for (auto& source : sources)
    readers.emplace_back([&, source] { print_log(**session, source, *query, prefix); });
  for (auto& reader : readers) reader.join();
  return 0;
}

}  // namespace

Command logs_command() {
  using Type = Flag::Type;
  return {
      .name = "logs",
      .aliases = {"log"},
      .usage = "logs [-f] [-p] (POD | TYPE/NAME | -l LABEL) [-c CONTAINER]",
      .summary = "Print what a pod's container wrote",
      .flags = {{"follow", Type::boolean, "Go on as the container writes", 'f'},
                {"previous", Type::boolean, "Of the container before the last restart", 'p'},
                {"container", Type::string, "Which container", 'c'},
                {"all-containers", Type::boolean, "Of all containers of the pod"},
                {"all-pods", Type::boolean, "Of all pods that TYPE/NAME selects"},
                {"selector", Type::string, "Of all pods with these labels", 'l'},
                {"tail", Type::integer, "Only the last lines (default: all; 10 with -l)"},
                {"since", Type::duration, "Only what is younger: 10s, 5m, 2h"},
                {"since-time", Type::string, "Only what is younger than this RFC 3339 time"},
                {"timestamps", Type::boolean, "A time in front of each line"},
                {"limit-bytes", Type::integer, "At most this many bytes"},
                {"pod-running-timeout", Type::duration, "How long to wait for a pod of TYPE/NAME", 0, "20s"},
                {"prefix", Type::boolean, "The pod and container in front of each line"}},
      .run = run_logs};
}

}  // namespace cli
