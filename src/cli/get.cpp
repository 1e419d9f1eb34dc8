#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "base/json.hpp"
#include "base/jsonpath.hpp"
#include "base/strings.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/targets.hpp"

namespace cli {
namespace {

using base::Array;
using base::Object;
using base::Value;

constexpr std::string_view kTableAccept =
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/"
    "json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";

struct Request {
  const Args& args;
  Session& session;
  OutputFormat format;
  std::vector<Target> targets;
  std::string namespace_;  // "" with -A
  bool as_table() const { return !format.needs_objects(); }
};

net::Query list_query(const Request& request) {
  net::Query query;
  if (auto selector = request.args.get("field-selector"); !selector.empty())
    query.add("fieldSelector", selector);
  if (auto selector = request.args.get("selector"); !selector.empty()) query.add("labelSelector", selector);
  return query;
}

std::string accept_of(const Request& request) {
  return request.as_table() ? std::string(kTableAccept) : "application/json";
}

// A Table, List or object; pages of 500 are put together.
base::Result<Value> fetch(const Request& request, const Target& target) {
  if (!target.name.empty()) {
    return request.session.call(
        "GET",
        Session::path_of(target.resource, request.namespace_, target.name, request.args.get("subresource")),
        {}, {}, "", accept_of(request));
  }
  std::string path = Session::path_of(target.resource, request.namespace_);
  Value all;
  std::string next;
  do {
    net::Query query = list_query(request);
    if (request.args.given("sort-by")) {
      query.add("includeObject", "Object");
    } else {
      query.add("limit", "500");
    }
    if (!next.empty()) query.add("continue", next);
    auto answer = request.session.call("GET", path, query, {}, "", accept_of(request));
    if (!answer)
      return std::unexpected(explain_list_error(std::move(answer).error(), target.resource,
                                                request.args.get("selector"),
                                                request.args.get("field-selector")));
    Value page = std::move(*answer);
    next = page.at({"metadata", "continue"}).as_string();
    if (all.is_null()) {
      all = std::move(page);
      continue;
    }
    const char* items = request.as_table() ? "rows" : "items";
    for (auto& item : page.object()[items].array()) all.object()[items].array().push_back(std::move(item));
  } while (!next.empty());
  return all;
}

// Objects without the field come first. False when none has it.
bool sort_objects(Array& items, std::string_view member, const std::string& by) {
  std::vector<std::pair<Value, Value>> keyed;
  bool any = false;
  for (Value& item : items) {
    auto values = base::select_jsonpath(by, member.empty() ? item : item[member]);
    Value key = values && !values->empty() ? values->front() : Value();
    any = any || !key.is_null();
    keyed.emplace_back(std::move(key), std::move(item));
  }
  if (any) {
    std::stable_sort(keyed.begin(), keyed.end(), [](const auto& a, const auto& b) {
      if (a.first.is_null() || b.first.is_null()) return a.first.is_null() && !b.first.is_null();
      if (auto i = a.first.as_int(), j = b.first.as_int(); i && j) return *i < *j;
      return a.first.as_string() < b.first.as_string();
    });
  }
  for (size_t i = 0; i < items.size(); ++i) items[i] = std::move(keyed[i].second);
  return any;
}

TableOptions table_options(const Request& request, bool with_kind, const ApiResource& resource) {
  TableOptions options;
  options.wide = request.format.kind == OutputFormat::Kind::wide;
  options.headers = !request.args.on("no-headers");
  options.with_namespace = request.args.on("all-namespaces") && resource.namespaced;
  options.with_kind = with_kind;
  options.kind_prefix = resource.qualified_singular();
  options.show_labels = request.args.on("show-labels");
  options.label_columns = request.args.all("label-columns");
  return options;
}

void print_nothing_found(const Request& request) {
  bool namespaced = std::any_of(request.targets.begin(), request.targets.end(),
                                [](auto& t) { return t.resource.namespaced; });
  if (namespaced && !request.namespace_.empty()) {
    fmt::print(stderr, "No resources found in {} namespace.\n", request.namespace_);
  } else {
    fmt::print(stderr, "No resources found\n");
  }
}

bool same_resource(const Target& a, const Target& b) {
  return a.resource.plural == b.resource.plural && a.resource.group == b.resource.group;
}

int print_tables(const Request& request) {
  int code = 0;
  bool several = request.args.on("show-kind") ||
                 std::any_of(request.targets.begin(), request.targets.end(),
                             [&](auto& t) { return !same_resource(t, request.targets[0]); });
  bool printed = false;
  for (size_t i = 0; i < request.targets.size();) {
    const Target& first = request.targets[i];
    Value table;
    for (; i < request.targets.size() && same_resource(request.targets[i], first); ++i) {
      auto answer = fetch(request, request.targets[i]);
      if (!answer) {
        if (answer.error().reason == base::Reason::not_found && request.args.on("ignore-not-found")) continue;
        code = print_error(answer.error());
        continue;
      }
      if (table.is_null()) {
        table = std::move(*answer);
      } else {
        for (auto& row : answer->object()["rows"].array())
          table.object()["rows"].array().push_back(std::move(row));
      }
    }
    if (table["rows"].as_array().empty()) continue;
    if (request.args.given("sort-by") &&
        !sort_objects(table.object()["rows"].array(), "object", request.args.get("sort-by")))
      continue;
    if (printed && !request.args.on("no-headers")) fmt::print("\n");
    fmt::print("{}", format_table(table, table_options(request, several, first.resource)));
    printed = true;
  }
  if (!printed && code == 0 && !request.args.on("ignore-not-found")) print_nothing_found(request);
  return code;
}

int print_objects(const Request& request) {
  int code = 0;
  Array items;
  bool single = request.targets.size() == 1 && !request.targets[0].name.empty();
  for (auto& target : request.targets) {
    auto answer = fetch(request, target);
    if (!answer) {
      if (answer.error().reason == base::Reason::not_found && request.args.on("ignore-not-found")) continue;
      code = print_error(answer.error());
      continue;
    }
    if (!target.name.empty()) {
      items.push_back(std::move(*answer));
      continue;
    }
    // Items of a list carry no type of their own.
    std::string version = target.resource.api_version();
    for (auto& item : answer->object()["items"].array()) {
      item.object().set("apiVersion", version);
      item.object().set("kind", target.resource.kind);
      items.push_back(std::move(item));
    }
  }
  if (single && items.empty()) return code;
  if (auto by = request.args.get("sort-by");
      !single && !by.empty() && !items.empty() && !sort_objects(items, "", by))
    return print_error(base::Error{
        base::Reason::unknown,
        fmt::format("couldn't find any field with path \"{}\" in the list of objects", base::relaxed_jsonpath(by)),
        nullptr});
  Value shown = single ? std::move(items[0])
                       : Value(Object{{"apiVersion", "v1"},
                                      {"items", std::move(items)},
                                      {"kind", "List"},
                                      {"metadata", Object{{"resourceVersion", ""}}}});
  OutputFormat format = request.format;
  format.headers = !request.args.on("no-headers");
  auto text = format_object(format, shown);
  if (!text) return print_error(text.error());
  std::fwrite(text->data(), 1, text->size(), stdout);
  return code;
}

int print_event(const Request& request, const ApiResource& resource, const Value& object,
                std::vector<size_t>& widths, bool first) {
  if (!request.as_table()) {
    auto text = format_object(request.format, object);
    if (!text) return print_error(text.error());
    if (request.format.kind == OutputFormat::Kind::yaml && !first) fmt::print("---\n");
    fmt::print("{}", *text);
  } else {
    TableOptions options = table_options(request, false, resource);
    options.headers = options.headers && first;
    fmt::print("{}", format_table(object, options, &widths));
  }
  std::fflush(stdout);
  return 0;
}

// What there is, then each change until the user or the server ends it.
int watch(const Request& request) {
  if (request.targets.size() != 1)
    return print_error(
        base::Error{base::Reason::unknown, "you may only specify a single resource type", nullptr});
  const Target& target = request.targets[0];
  auto start = fetch(request, target);
  if (!start) return print_error(start.error());
  std::vector<size_t> widths;
  bool first = true;
  std::string version(start->at({"metadata", "resourceVersion"}).as_string());
  bool is_list = (*start)["items"].is_array();
  bool any = request.as_table() ? !(*start)["rows"].as_array().empty()
                                : !is_list || !(*start)["items"].as_array().empty();
  if (any && !request.args.on("watch-only")) {
    if (!request.as_table() && is_list) {
      for (auto& item : (*start)["items"].as_array()) {
        Value object = item;
        object.object().set("apiVersion", target.resource.api_version());
        object.object().set("kind", target.resource.kind);
        if (int code = print_event(request, target.resource, object, widths, first)) return code;
        first = false;
      }
    } else {
      if (int code = print_event(request, target.resource, *start, widths, first)) return code;
      first = false;
    }
  }
  net::Query query = list_query(request);
  query.add("resourceVersion", version);
  query.add("watch", "true");
  if (!target.name.empty()) query.add("fieldSelector", "metadata.name=" + target.name);
  auto stream = request.session.open_stream(Session::path_of(target.resource, request.namespace_), query,
                                            accept_of(request));
  if (!stream) return print_error(stream.error());
  std::string buffer;
  while (true) {
    auto chunk = (*stream)->read();
    if (!chunk) return print_error(chunk.error());
    if (chunk->empty()) return 0;
    buffer += *chunk;
    for (size_t end; (end = buffer.find('\n')) != std::string::npos; buffer.erase(0, end + 1)) {
      auto event = base::parse_json(std::string_view(buffer).substr(0, end));
      if (!event) return print_error(event.error());
      if ((*event)["type"].as_string() == "BOOKMARK") continue;
      if ((*event)["type"].as_string() == "ERROR")
        return print_error(base::Error{base::Reason::unknown,
                                       std::string(event->at({"object", "message"}).as_string()), nullptr});
      if (int code = print_event(request, target.resource, (*event)["object"], widths, first)) return code;
      first = false;
    }
  }
}

int get_raw(Session& session, const std::string& path) {
  size_t question = path.find('?');
  net::Query query = question == std::string::npos
                         ? net::Query{}
                         : net::Query::parse(std::string_view(path).substr(question + 1));
  auto text = session.call_text(path.substr(0, question), query, "application/json, */*");
  if (!text) return print_error(text.error());
  std::fwrite(text->data(), 1, text->size(), stdout);
  return 0;
}

int run_get(Context& context) {
  auto session = context.session();
  if (!session) return print_error(session.error());
  const Args& args = context.args;
  if (args.given("raw")) return get_raw(**session, args.get("raw"));
  auto format = parse_output(args.get("output"));
  if (!format) return print_error(format.error());
  format->managed_fields = args.on("show-managed-fields");
  if (args.on("show-labels") && format->needs_objects())
    return print_error(base::Error{
        base::Reason::unknown,
        fmt::format("--show-labels option cannot be used with {} printer", args.get("output")), nullptr});
  if (args.operands.empty() && !args.given("filename")) {
    fmt::print(stderr,
               "You must specify the type of resource to get. Use \"kubectl api-resources\" for a complete "
               "list of supported resources.\n\n");
    return usage_error("get",
                       "Required resource not specified.\nUse \"kubectl explain <resource>\" for a detailed "
                       "description of that resource (e.g. kubectl explain pods).");
  }
  Request request{args, **session, *format, {}, args.on("all-namespaces") ? "" : (*session)->namespace_()};
  if (args.given("filename")) {
    auto manifests = read_manifests(args.all("filename"), args.on("recursive"));
    if (!manifests) return print_error(manifests.error());
    for (auto& manifest : *manifests) {
      auto resource = (*session)->find_kind(manifest.object["apiVersion"].as_string(),
                                            manifest.object["kind"].as_string());
      if (!resource) return print_error(resource.error());
      request.targets.push_back(
          {*resource, std::string(manifest.object.at({"metadata", "name"}).as_string())});
      if (auto ns = manifest.object.at({"metadata", "namespace"}).as_string(); !ns.empty())
        request.namespace_ = ns;
    }
  } else {
    auto targets = parse_targets(**session, args.operands);
    if (!targets) return print_error(targets.error());
    request.targets = std::move(*targets);
  }
  bool by_name =
      std::any_of(request.targets.begin(), request.targets.end(), [](auto& t) { return !t.name.empty(); });
  if (by_name && args.on("all-namespaces"))
    return print_error(base::Error{base::Reason::unknown,
                                   "a resource cannot be retrieved by name across all namespaces", nullptr});
  if ((args.given("selector") || args.given("field-selector")) && args.operands.size() > 0 &&
      args.operands[0].find('/') != std::string::npos)
    return print_error(base::Error{
        base::Reason::unknown,
        "selectors and the all flag cannot be used when passing resource/name arguments", nullptr});
  if (by_name && (args.given("selector") || args.given("field-selector")))
    return print_error(
        base::Error{base::Reason::unknown, "name cannot be provided when a selector is specified", nullptr});
  if (args.on("watch") || args.on("watch-only")) return watch(request);
  return request.as_table() ? print_tables(request) : print_objects(request);
}

}  // namespace

Command get_command() {
  using Type = Flag::Type;
  return {.name = "get",
          .aliases = {},
          .usage =
              "get (TYPE[.VERSION][.GROUP] [NAME | -l label] | TYPE/NAME ...) [-o "
              "yaml|json|wide|name|jsonpath=...] [-w] [-A]",
          .summary = "Display one or many resources",
          .flags = {{"output", Type::string, "json, yaml, name, wide, jsonpath=..., custom-columns=...", 'o'},
                    {"selector", Type::string, "Only objects with these labels", 'l'},
                    {"field-selector", Type::string, "Only objects with these field values"},
                    {"all-namespaces", Type::boolean, "The objects of all namespaces", 'A'},
                    {"watch", Type::boolean, "After the listing, every change", 'w'},
                    {"watch-only", Type::boolean, "Only changes, no listing first"},
                    {"no-headers", Type::boolean, "No header line"},
                    {"show-labels", Type::boolean, "All labels as the last column"},
                    {"show-managed-fields", Type::boolean, "Who owns which fields, in yaml and json"},
                    {"show-kind", Type::boolean, "The type in front of each name"},
                    {"label-columns", Type::list, "These labels as columns", 'L'},
                    {"sort-by", Type::string, "Sort by this field: .metadata.name"},
                    {"ignore-not-found", Type::boolean, "A missing object is no error"},
                    {"filename", Type::list, "The objects that these files name", 'f'},
                    {"recursive", Type::boolean, "Folders of -f with all below them", 'R'},
                    {"subresource", Type::string, "status or scale"},
                    {"chunk-size", Type::integer, "Ignored: lists are fetched in pages of 500"},
                    {"raw", Type::string, "Print the answer to a GET of this path"}},
          .run = run_get};
}

}  // namespace cli
