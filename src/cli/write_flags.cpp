#include "cli/write_flags.hpp"

#include <fmt/format.h>

#include <cstdio>

#include "base/strings.hpp"
#include "cli/output.hpp"

namespace cli {
base::Result<DryRun> parse_dry_run(const Args& args) {
  std::string text = args.get("dry-run");
  if (text.empty() || text == "none" || text == "false") return DryRun::none;
  if (text == "client" || text == "true" || text == "unchanged") return DryRun::client;
  if (text == "server") return DryRun::server;
  return usage(fmt::format("Invalid dry-run value ({}). Must be \"none\", \"server\", or \"client\".", text));
}

base::Result<net::Query> write_query(const Args& args, std::string_view field_manager, bool with_validation) {
  net::Query query;
  TRY(DryRun dry_run, parse_dry_run(args));
  if (dry_run == DryRun::server) query.add("dryRun", "All");
  query.add("fieldManager", std::string(field_manager));
  if (!with_validation) return query;
  std::string validate = args.get("validate");
  if (validate == "strict" || validate == "true" || validate.empty())
    query.add("fieldValidation", "Strict");
  else if (validate == "warn")
    query.add("fieldValidation", "Warn");
  else if (validate == "ignore" || validate == "false")
    query.add("fieldValidation", "Ignore");
  else
    return usage(fmt::format(
        "invalid - validate option \"{}\"; must be one of: strict (or true), warn, ignore (or false)",
        validate));
  return query;
}

std::string dry_run_suffix(DryRun dry_run) {
  return dry_run == DryRun::client ? " (dry run)" : dry_run == DryRun::server ? " (server dry run)" : "";
}

base::Result<std::string> namespace_for(const Session& session, const ApiResource& resource,
                                        const base::Value& object) {
  if (!resource.namespaced) return std::string();
  std::string own(object.at({"metadata", "namespace"}).as_string());
  if (own.empty()) return session.namespace_();
  if (session.connection().namespace_given && own != session.namespace_())
    return usage(fmt::format(
        "the namespace from the provided object \"{}\" does not match the namespace \"{}\". You must pass "
        "'--namespace={}' to perform this operation.",
        own, session.namespace_(), own));
  return own;
}

int check_typed(const Manifest& manifest) {
  bool version = !manifest.object["apiVersion"].as_string().empty(),
       kind = !manifest.object["kind"].as_string().empty();
  if (version && kind) return 0;
  std::string_view missing = version ? "kind not set"
                             : kind  ? "apiVersion not set"
                                     : "[apiVersion not set, kind not set]";
  fmt::print(stderr,
             "error: error validating \"{}\": error validating data: {}; if you choose to ignore these "
             "errors, turn validation off "
             "with --validate=false\n",
             manifest.source, missing);
  return 1;
}

base::Value make_object(std::string_view api_version, std::string_view kind, std::string_view name) {
  return base::Object{
      {"apiVersion", api_version}, {"kind", kind}, {"metadata", base::Object{{"name", name}}}};
}

base::Value with_sorted_members(const base::Value& value) {
  base::Value copy = value;
  if (auto* object = copy.if_object()) {
    object->sort();
    for (auto& member : *object) member.value = with_sorted_members(member.value);
  } else if (auto* array = copy.if_array()) {
    for (auto& item : *array) item = with_sorted_members(item);
  }
  return copy;
}

int print_result(Session& session, const Args& args, const ApiResource& resource, const base::Value& object,
                 std::string_view verb, DryRun dry_run) {
  auto text = format_result(args.get("output"), resource, object, verb, dry_run_suffix(dry_run));
  if (!text) return print_error(text.error());
  if (args.get("output") == "yaml" && !session.is_first_document()) fmt::print("---\n");
  std::fwrite(text->data(), 1, text->size(), stdout);
  return 0;
}

base::Result<base::Value> create_object(Session& session, const Args& args, const ApiResource& resource,
                                        const base::Value& object, std::string_view field_manager,
                                        bool with_validation) {
  TRY(DryRun dry_run, parse_dry_run(args));
  TRY(net::Query query, write_query(args, field_manager, with_validation));
  TRY(std::string ns, namespace_for(session, resource, object));
  // With the namespace in it where kubectl puts it: in objects of files, not in those that it makes of flags.
  base::Value sent = with_sorted_members(object);
  if (resource.namespaced && (with_validation && args.given("filename"))) {
    sent.make({"metadata", "namespace"}) = ns;
    sent = with_sorted_members(sent);
  }
  if (dry_run == DryRun::client) return sent;
  return session.call("POST", Session::path_of(resource, ns), query, std::move(sent));
}

int create_and_print(Session& session, const Args& args, const base::Value& object, std::string_view verb,
                     std::string_view field_manager, bool with_validation, std::string_view error_context) {
  auto dry_run = parse_dry_run(args);
  if (!dry_run) return print_error(dry_run.error());
  auto resource = session.find_kind(object["apiVersion"].as_string(), object["kind"].as_string());
  if (!resource) return print_error(resource.error());
  auto created = create_object(session, args, *resource, object, field_manager, with_validation);
  if (!created) return print_error(created.error(), created.error().details ? error_context : "");
  return print_result(session, args, *resource, *created, verb, *dry_run);
}

namespace {

base::Result<void> add_list(Session& session, const Args& args, const ApiResource& resource, bool whole_types,
                            FoundObjects& out) {
  if (!whole_types && !args.on("all") && !args.given("selector"))
    return usage("resource(s) were provided, but no name was specified");
  net::Query query;
  if (args.given("selector")) query.add("labelSelector", args.get("selector"));
  auto list = session.call("GET", Session::path_of(resource, session.namespace_()), query);
  if (!list)
    return std::unexpected(explain_list_error(std::move(list).error(), resource, args.get("selector"), ""));
  for (auto& item : (*list)["items"].as_array()) {
    base::Value object = item;
    object.object().set("apiVersion", resource.api_version());
    object.object().set("kind", resource.kind);
    out.objects.push_back({{resource, std::string(item.at({"metadata", "name"}).as_string())},
                           std::string(item.at({"metadata", "namespace"}).as_string()),
                           std::move(object)});
  }
  return {};
}

void add_one(Session& session, const Target& target, const std::string& ns, FoundObjects& out) {
  auto object = session.call("GET", Session::path_of(target.resource, ns, target.name));
  if (object)
    out.objects.push_back(
        {target, std::string(object->at({"metadata", "namespace"}).as_string()), std::move(*object)});
  else
    out.errors.push_back(std::move(object).error());
}

}  // namespace

base::Result<FoundObjects> find_objects(Session& session, const Args& args, std::span<const std::string> operands,
                                        bool whole_types) {
  FoundObjects out;
  if (args.given("filename")) {
    TRY(auto manifests, read_manifests(args.all("filename"), args.on("recursive")));
    for (auto& manifest : manifests) {
      TRY(auto resource,
          session.find_kind(manifest.object["apiVersion"].as_string(), manifest.object["kind"].as_string()));
      TRY(std::string ns, namespace_for(session, resource, manifest.object));
      add_one(session, {resource, std::string(manifest.object.at({"metadata", "name"}).as_string())}, ns,
              out);
    }
    return out;
  }
  TRY(auto targets, parse_targets(session, operands));
  for (auto& target : targets) {
    if (target.name.empty())
      CHECK_OK(add_list(session, args, target.resource, whole_types, out));
    else
      add_one(session, target, session.namespace_(), out);
  }
  return out;
}

base::Result<base::Object> parse_pairs(std::span<const std::string> pairs) {
  base::Object out;
  for (auto& pair : pairs) {
    size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0)
      return usage(fmt::format("unexpected label spec: {}", pair));
    out.set(pair.substr(0, equals), pair.substr(equals + 1));
  }
  return out;
}

}  // namespace cli
