#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "api/matchers.hpp"
#include "api/meta.hpp"
#include "cli/command.hpp"
#include "cli/describe_kinds.hpp"
#include "cli/targets.hpp"
#include "cli/write_flags.hpp"

namespace cli {
namespace {

using base::Array;
using base::Result;
using base::Value;

struct Subject {
  ApiResource resource;
  Value object;
};

// All pages; items of a list carry no type of their own, so they get it.
Result<Array> list_all(Session& session, const ApiResource& resource, std::string_view namespace_,
                       const net::Query& selection = {}) {
  Array items;
  std::string next;
  do {
    net::Query query = selection;
    query.add("limit", "500");
    if (!next.empty()) query.add("continue", next);
    TRY(Value page, session.call("GET", Session::path_of(resource, namespace_), query));
    next = page.at({"metadata", "continue"}).as_string();
    for (Value& item : page.object()["items"].array()) {
      Value typed = base::Object{{"apiVersion", resource.api_version()}, {"kind", resource.kind}};
      for (auto& member : item.object()) typed.object().set(member.key, std::move(member.value));
      items.push_back(std::move(typed));
    }
  } while (!next.empty());
  return items;
}

ApiResource known(std::string group, std::string version, std::string plural, std::string kind,
                  bool namespaced = true) {
  ApiResource resource;
  resource.group = std::move(group);
  resource.version = std::move(version);
  resource.plural = std::move(plural);
  resource.kind = std::move(kind);
  resource.namespaced = namespaced;
  return resource;
}

ApiResource core(std::string plural, std::string kind) {
  return known("", "v1", std::move(plural), std::move(kind));
}

net::Query select(const char* which, std::string selector) {
  net::Query query;
  query.add(which, std::move(selector));
  return query;
}

// One subject's text, with what else it takes from the server.
class Describer {
 public:
  Describer(Session& session, bool with_events)
      : session_(session), with_events_(with_events), now_(std::chrono::system_clock::now()) {}

  Result<std::string> describe(const Subject& subject) {
    const Value& object = subject.object;
    const std::string& kind = subject.resource.kind;
    if (subject.resource.group == "discovery.k8s.io" && kind == "EndpointSlice")
      return describe_endpoint_slice(object, events_of(object), now_);
    if (subject.resource.group == "apps" && kind == "Deployment") return deployment(object);
    if (subject.resource.group == "apps" && kind == "ReplicaSet") return replica_set(object);
    if (!subject.resource.group.empty()) return describe_any(object, events_of(object), now_);
    if (kind == "Service") return service(object);
    if (kind == "Pod") return pod(object);
    if (kind == "ReplicationController") return replication_controller(object);
    if (kind == "Node") return node(object);
    if (kind == "Namespace") return namespace_of(object);
    if (kind == "Endpoints") return describe_endpoints(object, events_of(object), now_);
    if (kind == "ConfigMap") return describe_config_map(object, events_of(object), now_);
    if (kind == "Secret") return describe_secret(object);
    if (kind == "ServiceAccount") return service_account(object);
    if (kind == "LimitRange") return describe_limit_range(object);
    if (kind == "ResourceQuota") return describe_resource_quota(object);
    return describe_any(object, events_of(object), now_);
  }

 private:
  struct Reference {
    std::string namespace_;
    std::string name;
    std::string kind;  // "": any
    std::string uid;   // "": any
  };

  static Reference reference_to(const Value& object) {
    return {std::string(api::namespace_of(object)), std::string(api::name_of(object)),
            std::string(api::kind_of(object)), std::string(api::uid_of(object))};
  }

  Array find_events(const Reference& about) {
    std::string selector =
        fmt::format("involvedObject.name={},involvedObject.namespace={}", about.name, about.namespace_);
    if (!about.kind.empty()) selector += ",involvedObject.kind=" + about.kind;
    if (!about.uid.empty()) selector += ",involvedObject.uid=" + about.uid;
    auto events =
        list_all(session_, core("events", "Event"), about.namespace_, select("fieldSelector", selector));
    return events ? std::move(*events) : Array();  // as kubectl: who may not see events still sees the object
  }

  const Array* events_of(const Value& object) {
    return keep_events([&] { return find_events(reference_to(object)); });
  }

  template <class Find>
  const Array* keep_events(Find find) {
    if (!with_events_) return nullptr;
    events_ = find();
    return &events_;
  }

  Result<std::string> service(const Value& object) {
    auto slices =
        list_all(session_, known("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice"),
                 api::namespace_of(object),
                 select("labelSelector", fmt::format("kubernetes.io/service-name={}", api::name_of(object))));
    return describe_service(object, slices.value_or(Array()), events_of(object), now_);
  }

  Result<std::string> pod(const Value& object) {
    Reference reference = reference_to(object);
    reference.kind.clear();
    // A mirror pod's events are about the file that it mirrors.
    if (auto mirrored = api::annotation_of(object, "kubernetes.io/config.mirror"); !mirrored.empty())
      reference.uid = mirrored;
    return describe_pod(object, keep_events([&] { return find_events(reference); }), now_);
  }

  Result<std::string> replication_controller(const Value& object) {
    std::string selector = api::LabelMatcher::from_map(object["spec"]["selector"]).text();
    TRY(Array pods, list_all(session_, core("pods", "Pod"), api::namespace_of(object),
                             select("labelSelector", selector)));
    return describe_replication_controller(object, pods, events_of(object), now_);
  }

  Result<Array> list_selected(const Value& object, const ApiResource& resource) {
    TRY(auto selector, api::LabelMatcher::from_object(object["spec"]["selector"]));
    return list_all(session_, resource, api::namespace_of(object), select("labelSelector", selector.text()));
  }

  Result<std::string> replica_set(const Value& object) {
    TRY(Array pods, list_selected(object, core("pods", "Pod")));
    return describe_replica_set(object, pods, events_of(object), now_);
  }

  Result<std::string> deployment(const Value& object) {
    TRY(Array sets, list_selected(object, known("apps", "v1", "replicasets", "ReplicaSet")));
    return describe_deployment(object, sets, events_of(object), now_);
  }

  Result<std::string> node(const Value& object) {
    std::string name(api::name_of(object));
    std::string selector = fmt::format("spec.nodeName={},status.phase!=Succeeded,status.phase!=Failed", name);
    auto pods = list_all(session_, core("pods", "Pod"), "", select("fieldSelector", selector));
    if (!pods && pods.error().reason != base::Reason::forbidden)
      return std::unexpected(std::move(pods).error());
    NodeParts parts{
        session_.call("GET", Session::path_of(known("coordination.k8s.io", "v1", "leases", "Lease"),
                                              "kube-node-lease", name)),
        pods ? &*pods : nullptr, nullptr};
    // Controllers name a node by its uid, kubelets by its name in the uid's place.
    parts.events = keep_events([&] {
      Reference reference = reference_to(object);
      Array all = find_events(reference);
      reference.uid = name;
      for (Value& event : find_events(reference)) all.push_back(std::move(event));
      return all;
    });
    return describe_node(object, parts, now_);
  }

  Result<std::string> namespace_of(const Value& object) {
    auto absent_is_null = [](const Result<Array>& list) { return list ? &*list : nullptr; };
    auto quotas = list_all(session_, core("resourcequotas", "ResourceQuota"), api::name_of(object));
    if (!quotas && quotas.error().reason != base::Reason::not_found)
      return std::unexpected(std::move(quotas).error());
    auto limits = list_all(session_, core("limitranges", "LimitRange"), api::name_of(object));
    if (!limits && limits.error().reason != base::Reason::not_found)
      return std::unexpected(std::move(limits).error());
    return describe_namespace(object, absent_is_null(quotas), absent_is_null(limits));
  }

  Result<std::string> service_account(const Value& object) {
    auto secrets = list_all(session_, core("secrets", "Secret"), api::namespace_of(object));
    return describe_service_account(object, secrets ? &*secrets : nullptr, events_of(object), now_);
  }

  Session& session_;
  bool with_events_;
  base::Time now_;
  Array events_;
};

struct Found {
  std::vector<Subject> subjects;
  std::vector<base::Error> errors;
};

void add_one(Session& session, const ApiResource& resource, std::string_view namespace_,
             std::string_view name, Found& found) {
  auto object = session.call("GET", Session::path_of(resource, namespace_, name));
  if (object) {
    found.subjects.push_back({resource, std::move(*object)});
  } else {
    found.errors.push_back(std::move(object).error());
  }
}

void add_list(Session& session, const ApiResource& resource, std::string_view namespace_,
              const net::Query& selection, Found& found) {
  auto items = list_all(session, resource, namespace_, selection);
  if (!items) return found.errors.push_back(std::move(items).error());
  for (Value& item : *items) found.subjects.push_back({resource, std::move(item)});
}

Result<Found> find_subjects(Session& session, const Args& args, const std::vector<Target>& targets) {
  Found found;
  if (args.given("filename")) {
    TRY(auto manifests, read_manifests(args.all("filename"), args.on("recursive")));
    for (auto& manifest : manifests) {
      TRY(auto resource,
          session.find_kind(manifest.object["apiVersion"].as_string(), manifest.object["kind"].as_string()));
      auto ns = namespace_for(session, resource, manifest.object);
      if (ns) {
        add_one(session, resource, *ns, api::name_of(manifest.object), found);
      } else {
        found.errors.push_back(std::move(ns).error());
      }
    }
    return found;
  }
  bool everywhere = args.on("all-namespaces");
  net::Query selection;
  if (args.given("selector")) selection.add("labelSelector", args.get("selector"));
  for (auto& target : targets) {
    if (!target.name.empty() && everywhere)
      return usage("a resource cannot be retrieved by name across all namespaces");
    if (!target.name.empty() && args.given("selector"))
      return usage("name cannot be provided when a selector is specified");
  }
  for (auto& target : targets) {
    std::string_view ns = everywhere ? std::string_view() : session.namespace_();
    if (target.name.empty()) {
      add_list(session, target.resource, ns, selection, found);
    } else {
      add_one(session, target.resource, ns, target.name, found);
    }
  }
  return found;
}

// Several at once stand without "error: " in front.
int print_errors(const std::vector<base::Error>& errors) {
  for (const auto& error : errors) {
    if (errors.size() > 1 && !error.details)
      fmt::print(stderr, "{}\n", error.message);
    else
      print_error(error);
  }
  return errors.empty() ? 0 : 1;
}

void print_text(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

// `describe pods kubia`: no pod of that name, then all whose names begin so.
int describe_matching(Session& session, Describer& describer, const Target& target,
                      const base::Error& not_found) {
  auto items = list_all(session, target.resource, session.namespace_());
  if (!items) return print_error(items.error());
  bool any = false;
  for (Value& item : *items) {
    if (!api::name_of(item).starts_with(target.name)) continue;
    any = true;
    auto text = describer.describe({target.resource, std::move(item)});
    if (!text) return print_error(text.error());
    print_text(*text + "\n");
  }
  return any ? 0 : print_error(not_found);
}

int run_describe(Context& context) {
  const Args& args = context.args;
  if (args.operands.empty() && !args.given("filename"))
    return print_error(
        base::Error{base::Reason::unknown,
                    "You must specify the type of resource to describe. Use \"kubectl api-resources\" "
                    "for a complete list of supported resources.",
                    nullptr});
  auto opened = context.session();
  if (!opened) return print_error(opened.error());
  Session& session = **opened;
  std::vector<Target> targets;
  if (!args.given("filename")) {
    auto parsed = parse_targets(session, args.operands);
    if (!parsed) return print_error(parsed.error());
    targets = std::move(*parsed);
  }
  auto found = find_subjects(session, args, targets);
  if (!found) return print_error(found.error());
  Describer describer(session, args.get("show-events") != "false");
  if (args.operands.size() == 2 && found->errors.size() == 1 &&
      found->errors[0].reason == base::Reason::not_found) {
    if (targets.size() > 1)
      return print_error(
          base::Error{base::Reason::unknown, "you may only specify a single resource type", nullptr});
    return describe_matching(session, describer, targets[0], found->errors[0]);
  }
  bool first = true;
  for (const Subject& subject : found->subjects) {
    auto text = describer.describe(subject);
    if (!text) {
      found->errors.push_back(std::move(text).error());
      continue;
    }
    if (!first) print_text("\n\n");
    print_text(*text);
    first = false;
  }
  std::fflush(stdout);
  if (found->subjects.empty() && found->errors.empty()) {
    if (args.on("all-namespaces"))
      fmt::print(stderr, "No resources found\n");
    else
      fmt::print(stderr, "No resources found in {} namespace.\n", session.namespace_());
  }
  return print_errors(found->errors);
}

}  // namespace

Command describe_command() {
  using Type = Flag::Type;
  return {
      .name = "describe",
      .aliases = {},
      .usage = "describe (-f FILENAME | TYPE [NAME_PREFIX | -l label] | TYPE/NAME)",
      .summary = "Show details of a specific resource or group of resources",
      .flags = {kFilenameFlag,
                kRecursiveFlag,
                kSelectorFlag,
                {"all-namespaces", Type::boolean, "The objects of all namespaces", 'A'},
                {"show-events", Type::boolean, "Show the events about each object (default true)", 0, "true"},
                {"chunk-size", Type::integer, "Ignored: lists are fetched in pages of 500"}},
      .run = run_describe};
}

}  // namespace cli
