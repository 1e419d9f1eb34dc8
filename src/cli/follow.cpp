#include "cli/follow.hpp"

#include <algorithm>

#include "base/json.hpp"

namespace cli {
namespace {

using base::Value;
using Clock = std::chrono::steady_clock;
using See = std::function<base::Result<bool>(const Value* object)>;

// Watches end by themselves at the deadline: a read has no time limit of its own.
void add_time_limit(net::Query& query, const Deadline& deadline) {
  if (!deadline) return;
  auto left = std::chrono::ceil<std::chrono::seconds>(*deadline - Clock::now()).count();
  query.add("timeoutSeconds", std::to_string(std::max<int64_t>(left, 1)));
}

// One watch to its end. True: `see` had enough.
base::Result<bool> read_events(net::ResponseStream& stream, const Deadline& deadline, const See& see) {
  std::string buffer;
  while (true) {
    auto chunk = stream.read();
    if (!chunk || chunk->empty()) return false;  // the caller lists again
    buffer += *chunk;
    for (size_t end; (end = buffer.find('\n')) != std::string::npos; buffer.erase(0, end + 1)) {
      TRY(Value event, base::parse_json(std::string_view(buffer).substr(0, end)));
      auto type = event["type"].as_string();
      if (type == "ERROR") return false;
      if (type == "BOOKMARK") continue;
      TRY(bool done, see(type == "DELETED" ? nullptr : &event["object"]));
      if (done) return true;
      if (deadline && Clock::now() >= *deadline) return false;
    }
  }
}

}  // namespace

base::Result<bool> follow_object(Session& session, const ApiResource& resource, const std::string& namespace_,
                                 const std::string& name, const Deadline& deadline, const See& see) {
  while (true) {
    net::Query query;
    query.add("fieldSelector", "metadata.name=" + name);
    std::string path = Session::path_of(resource, namespace_);
    TRY(Value list, session.call("GET", path, query));
    auto& items = list["items"].as_array();
    Value object = items.empty() ? Value() : items.front();
    if (!items.empty()) {
      object.object().set("apiVersion", resource.api_version());
      object.object().set("kind", resource.kind);
    }
    TRY(bool done, see(items.empty() ? nullptr : &object));
    if (done) return true;
    if (deadline && Clock::now() >= *deadline) return false;
    query.add("resourceVersion", std::string(list.at({"metadata", "resourceVersion"}).as_string()));
    query.add("watch", "true");
    add_time_limit(query, deadline);
    TRY(auto stream, session.open_stream(path, query, "application/json"));
    TRY(done, read_events(*stream, deadline, see));
    if (done) return true;
    if (deadline && Clock::now() >= *deadline) return false;
  }
}

}  // namespace cli
