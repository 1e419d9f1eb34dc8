#include "node/image_name.hpp"

#include <algorithm>

#include "base/strings.hpp"

namespace node {
namespace {

bool is_lower_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_alnum(char c) { return is_lower_alnum(c) || (c >= 'A' && c <= 'Z'); }

// Lower-case letters and digits, joined by single '.', one or two '_', or any number of '-'.
bool is_path_component(std::string_view text) {
  if (text.empty() || !is_lower_alnum(text.front()) || !is_lower_alnum(text.back())) return false;
  for (size_t i = 0; i < text.size();) {
    if (is_lower_alnum(text[i])) {
      ++i;
      continue;
    }
    size_t end = i;
    while (end < text.size() && !is_lower_alnum(text[end])) ++end;
    const auto run = text.substr(i, end - i);
    const bool dashes = run.find_first_not_of('-') == std::string_view::npos;
    if (!dashes && run != "." && run != "_" && run != "__") return false;
    i = end;
  }
  return true;
}

bool is_host(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon != std::string_view::npos && text.find(']') == std::string_view::npos) {
    if (!base::parse_int(text.substr(colon + 1))) return false;
    text = text.substr(0, colon);
  }
  if (text.starts_with('[') && text.ends_with(']')) {
    return text.find_first_not_of("0123456789abcdefABCDEF:", 1) == text.size() - 1;
  }
  for (const auto& label : base::split(text, '.')) {
    if (label.empty() || label.front() == '-' || label.back() == '-') return false;
    if (!std::all_of(label.begin(), label.end(), [](char c) { return is_alnum(c) || c == '-'; }))
      return false;
  }
  return true;
}

bool is_tag(std::string_view text) {
  if (text.empty() || text.size() > 128 || text[0] == '.' || text[0] == '-') return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; });
}

bool is_digest(std::string_view text) {
  return text.starts_with("sha256:") && text.size() == 71 &&
         text.find_first_not_of("0123456789abcdef", 7) == std::string_view::npos;
}

std::unexpected<base::Error> no_name(std::string_view name, std::string_view why) {
  return base::fail(base::Reason::invalid, base::quote(name) + " is no image name: " + std::string(why));
}

}  // namespace

base::Result<std::string> normalise_image_name(std::string_view name) {
  if (name.empty() || name.size() > 512) return no_name(name.substr(0, 80), "it is empty or too long");
  std::string_view rest = name;
  std::string suffix;
  if (const auto at = rest.find('@'); at != std::string_view::npos) {
    if (!is_digest(rest.substr(at + 1)))
      return no_name(name, "a digest is sha256: and 64 hexadecimal digits");
    suffix = rest.substr(at);
    rest = rest.substr(0, at);
  }
  const auto slash = rest.rfind('/');
  const auto colon = rest.rfind(':');
  if (colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
    if (!is_tag(rest.substr(colon + 1))) return no_name(name, "the tag behind \":\" is not valid");
    // With a digest the tag says nothing.
    if (suffix.empty()) suffix = rest.substr(colon);
    rest = rest.substr(0, colon);
  }
  if (suffix.empty()) suffix = ":latest";

  std::string host = "docker.io";
  if (const auto first = rest.find('/'); first != std::string_view::npos) {
    const auto head = rest.substr(0, first);
    if (head.find_first_of(".:") != std::string_view::npos || head == "localhost") {
      if (!is_host(head)) return no_name(name, "the registry before the first \"/\" is not valid");
      host = head == "index.docker.io" ? "docker.io" : std::string(head);
      rest = rest.substr(first + 1);
    }
  }
  for (const auto& component : base::split(rest, '/')) {
    if (!is_path_component(component)) {
      return no_name(name, "a repository has lower-case letters, digits and single separators");
    }
  }
  std::string repository(rest);
  if (host == "docker.io" && repository.find('/') == std::string::npos) repository = "library/" + repository;
  return host + "/" + repository + suffix;
}

}  // namespace node
