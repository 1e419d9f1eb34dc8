#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "api/meta.hpp"
#include "base/strings.hpp"
#include "cli/describe_kinds.hpp"
#include "cli/describe_parts.hpp"

namespace cli {
namespace {

using base::Array;
using base::Value;

size_t decoded_size(const Value& base64) {
  auto bytes = base::base64_decode(base64.as_string());
  return bytes ? bytes->size() : 0;
}

std::string amount_or_dash(const Value& resource_list, const std::string& name) {
  const Value& value = resource_list[name];
  return value.is_null() ? "-" : quantity_text(value);
}

void put_limits(Page& page, std::string_view prefix, const Value& limit_range) {
  for (const Value& item : limit_range["spec"]["limits"].as_array()) {
    std::set<std::string> names;
    for (const char* field : {"max", "min", "default", "defaultRequest", "maxLimitRequestRatio"}) {
      for (auto& member : item[field].as_object()) names.insert(member.key);
    }
    for (auto& name : names)
      page.line(
          0, fmt::format("{}{}\t{}\t{}\t{}\t{}\t{}\t{}", prefix, text_of(item["type"]), name,
                         amount_or_dash(item["min"], name), amount_or_dash(item["max"], name),
                         amount_or_dash(item["defaultRequest"], name), amount_or_dash(item["default"], name),
                         amount_or_dash(item["maxLimitRequestRatio"], name)));
  }
}

void put_limit_ranges(Page& page, const Array& all) {
  if (all.empty()) return page.line(0, "No LimitRange resource.");
  page.line(
      0,
      "Resource Limits\n Type\tResource\tMin\tMax\tDefault Request\tDefault Limit\tMax Limit/Request Ratio");
  page.line(0, " ----\t--------\t---\t---\t---------------\t-------------\t-----------------------");
  for (const Value& one : all) put_limits(page, " ", one);
}

void put_scopes(Page& page, int level, std::string_view mark, const Value& quota) {
  static constexpr std::pair<std::string_view, std::string_view> kMeanings[] = {
      {"Terminating",
       "Matches all pods that have an active deadline. These pods have a limited lifespan on a node before "
       "being "
       "actively terminated by the system."},
      {"NotTerminating",
       "Matches all pods that do not have an active deadline. These pods usually include long running pods "
       "whose "
       "container command is not expected to terminate."},
      {"BestEffort",
       "Matches all pods that do not have resource requirements set. These pods have a best effort quality "
       "of service."},
      {"NotBestEffort",
       "Matches all pods that have at least one resource requirement set. These pods have a burstable or "
       "guaranteed "
       "quality of service."}};
  std::vector<std::string> scopes = string_list(quota["spec"]["scopes"]);
  if (scopes.empty()) return;
  std::sort(scopes.begin(), scopes.end());
  page.field(level, "Scopes", base::join(scopes, ", "));
  for (auto& scope : scopes) {
    for (auto& [name, meaning] : kMeanings) {
      if (name == scope) page.line(level, fmt::format("{} {}", mark, meaning));
    }
  }
}

void put_quotas(Page& page, const Array& all) {
  if (all.empty()) return page.line(0, "No resource quota.");
  std::vector<const Value*> sorted;
  for (const Value& quota : all) sorted.push_back(&quota);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](auto* a, auto* b) { return api::name_of(*a) < api::name_of(*b); });
  page.line(0, "Resource Quotas");
  for (const Value* quota : sorted) {
    page.field(1, "Name", api::name_of(*quota));
    put_scopes(page, 1, "*", *quota);
    page.line(1, "Resource\tUsed\tHard");
    page.line(1, "--------\t---\t---");
    for (auto* hard : sorted_members((*quota)["status"]["hard"]))
      page.line(1, fmt::format("{}\t{}\t{}", hard->key, quantity_text((*quota)["status"]["used"][hard->key]),
                               quantity_text(hard->value)));
  }
}

std::vector<std::string> names_in(const Value& references) {
  std::vector<std::string> names;
  for (const Value& one : references.as_array()) names.push_back(text_of(one["name"]));
  return names;
}

void put_names(Page& page, std::string_view title, const std::vector<std::string>& names,
               const std::set<std::string>& missing) {
  std::string header = fmt::format("{:<19}", title);
  if (names.empty()) return page.line(0, header + "\t<none>");
  for (auto& name : names) {
    page.line(0, fmt::format("{}\t{}{}", header, name, missing.contains(name) ? " (not found)" : ""));
    header.assign(header.size(), ' ');
  }
}

}  // namespace

std::string describe_namespace(const Value& namespace_, const Array* quotas, const Array* limits) {
  Page page;
  page.field(0, "Name", api::name_of(namespace_));
  put_labels(page, "Labels", api::labels_of(namespace_));
  put_annotations(page, "Annotations", api::annotations_of(namespace_));
  page.field(0, "Status", text_of(namespace_["status"]["phase"]));
  const Array& conditions = namespace_["status"]["conditions"].as_array();
  if (!conditions.empty()) {
    page.line(0, "Conditions:");
    page.line(1, "Type\tStatus\tLastTransitionTime\tReason\tMessage");
    page.line(1, "----\t------\t------------------\t------\t-------");
  }
  for (const Value& one : conditions)
    page.line(1, fmt::format("{}\t{}\t{}\t{}\t{}", text_of(one["type"]), text_of(one["status"]),
                             local_time(one["lastTransitionTime"]), text_of(one["reason"]),
                             text_of(one["message"])));
  if (quotas) {
    page.line(0, "");
    put_quotas(page, *quotas);
  }
  if (limits) {
    page.line(0, "");
    put_limit_ranges(page, *limits);
  }
  return page.text();
}

std::string describe_config_map(const Value& map, const Array* events, base::Time now) {
  Page page;
  put_metadata(page, map);
  page.line(0, "\nData\n====");
  for (auto* item : sorted_members(map["data"]))
    page.line(0, fmt::format("{}:\n----\n{}\n", item->key, item->value.as_string()));
  page.line(0, "\nBinaryData\n====");
  for (auto* item : sorted_members(map["binaryData"]))
    page.line(0, fmt::format("{}: {} bytes", item->key, decoded_size(item->value)));
  page.line(0, "");
  put_events(page, events, now);
  return page.text();
}

std::string describe_secret(const Value& secret) {
  Page page;
  put_metadata(page, secret);
  page.line(0, fmt::format("\nType:\t{}", text_of(secret["type"])));
  page.line(0, "\nData\n====");
  bool is_token = secret["type"].as_string() == "kubernetes.io/service-account-token";
  for (auto* item : sorted_members(secret["data"])) {
    if (is_token && item->key == "token") {
      page.field(0, item->key, base::base64_decode(item->value.as_string()).value_or(""));
    } else {
      page.field(0, item->key, fmt::format("{} bytes", decoded_size(item->value)));
    }
  }
  return page.text();
}

std::string describe_service_account(const Value& account, const Array* secrets, const Array* events,
                                     base::Time now) {
  Page page;
  std::vector<std::string> pull = names_in(account["imagePullSecrets"]),
                           mountable = names_in(account["secrets"]), tokens;
  std::set<std::string> missing;
  if (secrets) {
    missing.insert(pull.begin(), pull.end());
    missing.insert(mountable.begin(), mountable.end());
    for (const Value& secret : *secrets) {
      missing.erase(std::string(api::name_of(secret)));
      if (secret["type"].as_string() == "kubernetes.io/service-account-token" &&
          api::annotation_of(secret, "kubernetes.io/service-account.name") == api::name_of(account) &&
          api::annotation_of(secret, "kubernetes.io/service-account.uid") == api::uid_of(account))
        tokens.emplace_back(api::name_of(secret));
    }
  }
  put_metadata(page, account);
  put_names(page, "Image pull secrets:", pull, missing);
  put_names(page, "Mountable secrets:", mountable, missing);
  put_names(page, "Tokens:", tokens, missing);
  put_events(page, events, now);
  return page.text();
}

std::string describe_limit_range(const Value& limits) {
  Page page;
  put_name(page, limits);
  page.line(0, "Type\tResource\tMin\tMax\tDefault Request\tDefault Limit\tMax Limit/Request Ratio");
  page.line(0, "----\t--------\t---\t---\t---------------\t-------------\t-----------------------");
  put_limits(page, "", limits);
  return page.text();
}

std::string describe_resource_quota(const Value& quota) {
  Page page;
  put_name(page, quota);
  put_scopes(page, 0, " *", quota);
  page.line(0, "Resource\tUsed\tHard");
  page.line(0, "--------\t----\t----");
  for (auto* hard : sorted_members(quota["status"]["hard"]))
    page.line(0, fmt::format("{}\t{}\t{}", hard->key, quantity_text(quota["status"]["used"][hard->key]),
                             quantity_text(hard->value)));
  return page.text();
}

}  // namespace cli
