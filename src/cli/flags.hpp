// The command line by pflag's rules, as kubectl users type it: --name=value, --name value, -o yaml, -oyaml,
// -it, and everything after "--" untouched. Pure; any thread.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace cli {

// An error of the user's command or files, as opposed to one that the server reported: printed as `error: message`.
inline std::unexpected<base::Error> usage(std::string message) {
  return base::fail(base::Reason::unknown, std::move(message));
}

struct Flag {
  // list takes commas apart, array does not.
  enum class Type { boolean, string, integer, duration, list, array };
  std::string_view name;
  Type type = Type::string;
  std::string_view help;
  char shorthand = 0;
  std::string_view default_value = "";
  // Not empty: `--name` alone means this, and a value needs '=' (as --dry-run and --cascade do).
  std::string_view bare_value = "";
};

class Args {
 public:
  // The operands before "--", and all of what follows it.
  std::vector<std::string> operands;
  std::vector<std::string> after_dashes;
  bool dashes = false;

  bool given(std::string_view name) const { return values_.contains(name); }
  std::string get(std::string_view name) const;  // the last value, or the default
  std::vector<std::string> all(std::string_view name) const;
  bool on(std::string_view name) const { return get(name) == "true"; }
  std::optional<int64_t> number(std::string_view name) const;  // empty when neither given nor defaulted

 private:
  friend base::Result<Args> parse_args(std::span<const std::string>, std::span<const Flag>);
  std::map<std::string, std::vector<std::string>, std::less<>> values_;
  std::map<std::string, std::string, std::less<>> defaults_;
};

// Errors are kubectl's: `unknown flag: --x`, `flag needs an argument: --x`, ...
base::Result<Args> parse_args(std::span<const std::string> words, std::span<const Flag> flags);

}  // namespace cli
