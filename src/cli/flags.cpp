#include "cli/flags.hpp"

#include <fmt/format.h>

#include "base/strings.hpp"
#include "base/time.hpp"

namespace cli {
namespace {

const Flag* find_long(std::span<const Flag> flags, std::string_view name) {
  for (const Flag& flag : flags) {
    if (flag.name == name) return &flag;
  }
  return nullptr;
}

const Flag* find_short(std::span<const Flag> flags, char shorthand) {
  for (const Flag& flag : flags) {
    if (flag.shorthand == shorthand) return &flag;
  }
  return nullptr;
}

std::string display_name(const Flag& flag) {
  return flag.shorthand ? fmt::format("-{}, --{}", flag.shorthand, flag.name)
                        : fmt::format("--{}", flag.name);
}

base::Result<void> check_value(const Flag& flag, const std::string& value) {
  if (flag.type == Flag::Type::integer && !base::parse_int(value))
    return usage(
        fmt::format("invalid argument {} for \"{}\" flag: strconv.ParseInt: parsing {}: invalid syntax",
                    base::quote(value), display_name(flag), base::quote(value)));
  if (flag.type == Flag::Type::duration && value != "0" && !base::parse_duration(value))
    return usage(fmt::format("invalid argument {} for \"{}\" flag: time: invalid duration {}",
                             base::quote(value), display_name(flag), base::quote(value)));
  if (flag.type == Flag::Type::boolean && value != "true" && value != "false")
    return usage(
        fmt::format("invalid argument {} for \"{}\" flag: strconv.ParseBool: parsing {}: invalid syntax",
                    base::quote(value), display_name(flag), base::quote(value)));
  return {};
}

}  // namespace

std::string Args::get(std::string_view name) const {
  if (auto it = values_.find(name); it != values_.end()) return it->second.back();
  auto it = defaults_.find(name);
  return it == defaults_.end() ? "" : it->second;
}

std::vector<std::string> Args::all(std::string_view name) const {
  auto it = values_.find(name);
  return it == values_.end() ? std::vector<std::string>{} : it->second;
}

std::optional<int64_t> Args::number(std::string_view name) const { return base::parse_int(get(name)); }

base::Result<Args> parse_args(std::span<const std::string> words, std::span<const Flag> flags) {
  Args args;
  for (const Flag& flag : flags) {
    if (!flag.default_value.empty()) args.defaults_[std::string(flag.name)] = flag.default_value;
  }
  auto put = [&](const Flag& flag, std::string value) -> base::Result<void> {
    CHECK_OK(check_value(flag, value));
    auto& values = args.values_[std::string(flag.name)];
    if (flag.type == Flag::Type::list) {
      for (auto& piece : base::split(value, ',')) values.push_back(piece);
    } else {
      values.push_back(std::move(value));
    }
    return {};
  };
  auto bare = [](const Flag& flag) -> std::optional<std::string> {
    if (!flag.bare_value.empty()) return std::string(flag.bare_value);
    if (flag.type == Flag::Type::boolean) return "true";
    return std::nullopt;
  };
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--") {
      args.dashes = true;
      args.after_dashes.assign(words.begin() + static_cast<std::ptrdiff_t>(i) + 1, words.end());
      break;
    }
    if (word.size() < 2 || word[0] != '-') {
      args.operands.push_back(word);
      continue;
    }
    if (word[1] == '-') {
      size_t equals = word.find('=');
      std::string name = word.substr(2, equals == std::string::npos ? std::string::npos : equals - 2);
      const Flag* flag = find_long(flags, name);
      if (!flag) return usage("unknown flag: --" + name);
      if (equals != std::string::npos) {
        CHECK_OK(put(*flag, word.substr(equals + 1)));
      } else if (auto value = bare(*flag)) {
        CHECK_OK(put(*flag, *value));
      } else if (i + 1 < words.size()) {
        CHECK_OK(put(*flag, words[++i]));
      } else {
        return usage("flag needs an argument: --" + name);
      }
      continue;
    }
    for (size_t at = 1; at < word.size(); ++at) {
      const Flag* flag = find_short(flags, word[at]);
      if (!flag) return usage(fmt::format("unknown shorthand flag: '{}' in {}", word[at], word));
      std::string rest = word.substr(at + 1);
      if (rest.starts_with('=')) {
        CHECK_OK(put(*flag, rest.substr(1)));
        break;
      }
      if (auto value = bare(*flag)) {
        CHECK_OK(put(*flag, *value));
        continue;
      }
      if (!rest.empty()) {
        CHECK_OK(put(*flag, rest));
      } else if (i + 1 < words.size()) {
        CHECK_OK(put(*flag, words[++i]));
      } else {
        return usage(fmt::format("flag needs an argument: '{}' in {}", word[at], word));
      }
      break;
    }
  }
  return args;
}

}  // namespace cli
