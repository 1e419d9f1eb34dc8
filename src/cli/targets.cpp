#include "cli/targets.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "base/json.hpp"
#include "base/strings.hpp"
#include "base/yaml.hpp"

namespace cli {
namespace {

namespace fs = std::filesystem;
using base::Value;

constexpr std::string_view kNoOperands =
    "You must provide one or more resources by argument or filename.\nExample resource specifications "
    "include:\n   '-f rsrc.yaml'\n"
    "   '--filename=rsrc.json'\n   '<resource> <name>'\n   '<resource>'";

void add_type(ApiResource resource, std::vector<ApiResource>& out) {
  bool there = std::any_of(out.begin(), out.end(),
                           [&](auto& r) { return r.group == resource.group && r.plural == resource.plural; });
  if (!there) out.push_back(std::move(resource));
}

base::Result<void> add_types(Session& session, const std::string& types, std::vector<ApiResource>& out) {
  for (auto& type : base::split(types, ',')) {
    if (type.empty())
      return usage(fmt::format("arguments must consist of a resource or a resource and name"));
    TRY(auto category, session.find_category(type));
    if (!category.empty()) {
      for (auto& resource : category) add_type(std::move(resource), out);
      continue;
    }
    TRY(auto resource, session.find_resource(type));
    add_type(std::move(resource), out);
  }
  return {};
}

base::Result<std::string> read_input(const std::string& file) {
  if (file == "-") return std::string(std::istreambuf_iterator<char>(std::cin), {});
  if (file.starts_with("http://") || file.starts_with("https://"))
    return usage(fmt::format(
        "unable to read URL \"{}\": this kubectl reads files and standard input only; fetch it first", file));
  std::error_code error;
  auto status = fs::status(file, error);
  if (!fs::exists(status)) return usage(fmt::format("the path \"{}\" does not exist", file));
  std::ifstream in(file, std::ios::binary);
  if (!in) return usage(fmt::format("the path \"{}\" cannot be accessed", file));
  // One byte more than the YAML reader takes: it says what is too large.
  std::string text((16u << 20) + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(in.gcount()));
  return text;
}

std::string without_prefix(std::string text, std::string_view prefix) {
  if (text.starts_with(prefix)) text.erase(0, prefix.size());
  return text;
}

base::Result<void> add_documents(const std::string& file, std::vector<Manifest>& out) {
  TRY(std::string text, read_input(file));
  base::Result<std::vector<Value>> documents;
  if (base::trim(text).starts_with('{')) {
    // JSON is not quite YAML: libyaml refuses surrogate pairs.
    auto one = base::parse_json(text);
    if (one)
      documents = std::vector<Value>{std::move(*one)};
    else
      documents = base::parse_yaml_stream(text);  // {a: b,} is YAML
  } else {
    documents = base::parse_yaml_stream(text);
  }
  if (!documents)
    return usage(fmt::format("error parsing {}: error converting YAML to JSON: yaml: {}",
                             file == "-" ? "STDIN" : file,
                             without_prefix(documents.error().message, "yaml: ")));
  for (Value& document : *documents) {
    std::string source = file == "-" ? "STDIN" : file;
    if (!document.is_object())
      return usage(fmt::format(
          "error validating \"{}\": error validating data: invalid object to validate; if you choose to "
          "ignore these errors, turn validation off with --validate=false",
          source));
    if (document["kind"].as_string().ends_with("List") && document["items"].is_array()) {
      for (const Value& item : document["items"].as_array()) out.push_back({item, source});
    } else {
      out.push_back({std::move(document), source});
    }
  }
  return {};
}

bool is_manifest_name(const fs::path& path) {
  auto extension = path.extension();
  return extension == ".yaml" || extension == ".yml" || extension == ".json";
}

}  // namespace

base::Result<std::vector<Target>> parse_targets(Session& session, std::span<const std::string> operands) {
  if (operands.empty()) return usage(std::string(kNoOperands));
  std::vector<Target> targets;
  if (operands[0].find('/') != std::string::npos) {
    for (auto& operand : operands) {
      auto pieces = base::split(operand, '/');
      if (pieces.size() > 2) return usage("arguments in resource/name form may not have more than one slash");
      if (pieces.size() < 2)
        return usage(
            "there is no need to specify a resource type as a separate argument when passing arguments in "
            "resource/name form (e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get "
            "resource resource/<resource_name>'");
      if (pieces[0].empty() || pieces[1].empty() || pieces[0].find(',') != std::string::npos)
        return usage("arguments in resource/name form must have a single resource and name");
      TRY(auto resource, session.find_resource(pieces[0]));
      targets.push_back({std::move(resource), pieces[1]});
    }
    return targets;
  }
  std::vector<ApiResource> types;
  CHECK_OK(add_types(session, operands[0], types));
  if (operands.size() > 1 && operands[0].find(',') == std::string::npos && types.size() > 1)
    return usage("you must specify only one resource");
  if (operands.size() == 1) {
    for (auto& type : types) targets.push_back({type, ""});
    return targets;
  }
  for (auto& name : operands.subspan(1)) {
    if (name.find('/') != std::string::npos)
      return usage(
          "there is no need to specify a resource type as a separate argument when passing arguments in "
          "resource/name form (e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get resource "
          "resource/<resource_name>'");
  }
  // Each name in each type, as kubectl does for `rc,svc NAME`.
  for (auto& type : types) {
    for (auto& name : operands.subspan(1)) targets.push_back({type, name});
  }
  return targets;
}

base::Error explain_list_error(base::Error error, const ApiResource& resource, std::string_view labels,
                               std::string_view fields) {
  if (error.reason != base::Reason::bad_request && error.reason != base::Reason::not_found) return error;
  std::string name =
      fmt::format("{}{}{}, Resource={}", resource.group, "/", resource.version, resource.plural);
  if (labels.empty() && fields.empty())
    error.message = fmt::format("Unable to list \"{}\": {}", name, error.message);
  else
    error.message = fmt::format("Unable to find \"{}\" that match label selector {}, field selector {}: {}",
                                name, base::quote(labels), base::quote(fields), error.message);
  return error;
}

base::Result<Target> parse_one_target(Session& session, std::span<const std::string> operands,
                                      std::string_view default_type) {
  if (operands.size() == 1 && operands[0].find('/') == std::string::npos && !default_type.empty()) {
    TRY(auto resource, session.find_resource(default_type));
    return Target{std::move(resource), operands[0]};
  }
  TRY(auto targets, parse_targets(session, operands));
  if (targets.size() != 1 || targets[0].name.empty())
    return usage("exactly one resource and name is required");
  return std::move(targets[0]);
}

base::Result<std::vector<Manifest>> read_manifests(std::span<const std::string> files, bool recursive,
                                                   std::string_view verb) {
  std::vector<Manifest> out;
  for (auto& file : files) {
    std::error_code error;
    if (file == "-" || !fs::is_directory(file, error)) {
      CHECK_OK(add_documents(file, out));
      continue;
    }
    std::vector<std::string> found;
    if (recursive) {
      for (auto& entry : fs::recursive_directory_iterator(file, error)) {
        if (entry.is_regular_file() && is_manifest_name(entry.path())) found.push_back(entry.path().string());
      }
    } else {
      for (auto& entry : fs::directory_iterator(file, error)) {
        if (entry.is_regular_file() && is_manifest_name(entry.path())) found.push_back(entry.path().string());
      }
    }
    std::sort(found.begin(), found.end());
    if (found.empty())
      return usage(
          fmt::format("error reading [{}]: recognized file extensions are [.json .yaml .yml]", file));
    for (auto& path : found) CHECK_OK(add_documents(path, out));
  }
  if (out.empty())
    return usage(files.empty() ? "must specify one of -f and -k"
                               : fmt::format("no objects passed to {}", verb));
  return out;
}

std::string display_name(const ApiResource& resource, std::string_view name) {
  return fmt::format("{}/{}", resource.qualified_singular(), name);
}

}  // namespace cli
