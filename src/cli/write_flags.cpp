#include "cli/write_flags.hpp"

#include <fmt/format.h>

#include <cstdio>

#include "base/strings.hpp"
#include "cli/output.hpp"

namespace cli {
namespace {

std::unexpected<base::Error> usage(std::string message) { return base::fail(base::Reason::unknown, std::move(message)); }

}  // namespace

base::Result<DryRun> parse_dry_run(const Args& args) {
  std::string text = args.get("dry-run");
  if (text.empty() || text == "none" || text == "false") return DryRun::none;
  if (text == "client" || text == "true") return DryRun::client;
  if (text == "server") return DryRun::server;
  if (text == "unchanged") {
    fmt::print(stderr, "W: --dry-run is deprecated and can be replaced with --dry-run=client.\n");
    return DryRun::client;
  }
  return usage(fmt::format("Invalid dry-run value ({}). Must be \"none\", \"server\", or \"client\".", text));
}

base::Result<net::Query> write_query(const Args& args, std::string_view field_manager, bool with_validation) {
  net::Query query;
  TRY(DryRun dry_run, parse_dry_run(args));
  if (dry_run == DryRun::server) query.add("dryRun", "All");
  query.add("fieldManager", std::string(field_manager));
  if (!with_validation) return query;
  std::string validate = args.get("validate");
  if (validate == "strict" || validate == "true" || validate.empty()) query.add("fieldValidation", "Strict");
  else if (validate == "warn") query.add("fieldValidation", "Warn");
  else if (validate == "ignore" || validate == "false") query.add("fieldValidation", "Ignore");
  else return usage(fmt::format("invalid - validate option \"{}\"; must be one of: strict (or true), warn, ignore (or false)", validate));
  return query;
}

std::string dry_run_suffix(DryRun dry_run) {
  return dry_run == DryRun::client ? " (dry run)" : dry_run == DryRun::server ? " (server dry run)" : "";
}

base::Result<std::string> namespace_for(const Session& session, const ApiResource& resource, const base::Value& object) {
  if (!resource.namespaced) return std::string();
  std::string own(object.at({"metadata", "namespace"}).as_string());
  if (own.empty()) return session.namespace_();
  if (session.connection().namespace_given && own != session.namespace_())
    return usage(fmt::format("the namespace from the provided object \"{}\" does not match the namespace \"{}\". You must pass "
                             "'--namespace={}' to perform this operation.", own, session.namespace_(), own));
  return own;
}

base::Value make_object(std::string_view api_version, std::string_view kind, std::string_view name) {
  return base::Object{{"apiVersion", api_version}, {"kind", kind}, {"metadata", base::Object{{"name", name}}}};
}

int print_result(const Args& args, const ApiResource& resource, const base::Value& object, std::string_view verb, DryRun dry_run) {
  auto text = format_result(args.get("output"), resource, object, verb, dry_run_suffix(dry_run));
  if (!text) return print_error(text.error());
  std::fwrite(text->data(), 1, text->size(), stdout);
  return 0;
}

int create_and_print(Session& session, const Args& args, const base::Value& object, std::string_view verb,
                     std::string_view field_manager, bool with_validation, std::string_view error_context) {
  auto dry_run = parse_dry_run(args);
  if (!dry_run) return print_error(dry_run.error());
  auto query = write_query(args, field_manager, with_validation);
  if (!query) return print_error(query.error());
  auto resource = session.find_kind(object["apiVersion"].as_string(), object["kind"].as_string());
  if (!resource) return print_error(resource.error());
  auto ns = namespace_for(session, *resource, object);
  if (!ns) return print_error(ns.error());
  if (*dry_run == DryRun::client) return print_result(args, *resource, object, verb, *dry_run);
  auto created = session.call("POST", Session::path_of(*resource, *ns), *query, object);
  if (!created) return print_error(created.error(), error_context);
  return print_result(args, *resource, *created, verb, *dry_run);
}

base::Result<base::Object> parse_pairs(std::span<const std::string> pairs) {
  base::Object out;
  for (auto& pair : pairs) {
    size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0) return usage(fmt::format("unexpected label spec: {}", pair));
    out.set(pair.substr(0, equals), pair.substr(equals + 1));
  }
  return out;
}

}  // namespace cli
