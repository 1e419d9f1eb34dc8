#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "cli/cli.hpp"
#include "cli/command.hpp"

namespace cli {
namespace {

constexpr Flag kGlobalFlags[] = {
    {"namespace", Flag::Type::string, "The namespace of this request", 'n'},
    {"kubeconfig", Flag::Type::string, "Path of the kubeconfig file"},
    {"context", Flag::Type::string, "The kubeconfig context to use"},
    {"cluster", Flag::Type::string, "The kubeconfig cluster to use"},
    {"user", Flag::Type::string, "The kubeconfig user to use"},
    {"server", Flag::Type::string, "Address and port of the API server", 's'},
    {"token", Flag::Type::string, "Bearer token for the API server"},
    {"insecure-skip-tls-verify", Flag::Type::boolean, "Do not check the server's certificate"},
    {"request-timeout", Flag::Type::string, "Give up on a request after this time: 10s, 1m; 0: never"},
    {"v", Flag::Type::integer, "Ignored: there is no request log yet", 'v'},
    {"help", Flag::Type::boolean, "Help for this command", 'h'},
};

void print_flags(std::span<const Flag> flags) {
  for (const Flag& flag : flags) {
    std::string name = flag.shorthand ? fmt::format("-{}, --{}", flag.shorthand, flag.name)
                                      : fmt::format("    --{}", flag.name);
    fmt::print("    {:<30} {}\n", name, flag.help);
  }
}

int print_help(const Command& command) {
  fmt::print("{}.\n\nUsage:\n  kubectl {}\n\nFlags:\n", command.summary, command.usage);
  print_flags(command.flags);
  fmt::print("\nUse \"kubectl options\" for the flags of all commands.\n");
  return 0;
}

int print_overview() {
  fmt::print("kubectl controls a Kubernetes cluster.\n\nCommands:\n");
  for (auto& command : all_commands()) fmt::print("  {:<16} {}\n", command.name, command.summary);
  fmt::print(
      "\nUsage:\n  kubectl [flags] [options]\n\nUse \"kubectl <command> --help\" for more about a command "
      "and \"kubectl options\" for the "
      "flags of all commands.\n");
  return 0;
}

// Global flags may stand before the command. The index of the command's own word; words.size() when there is
// none.
size_t find_command_word(std::span<const std::string> words) {
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word.empty() || word[0] != '-') return i;
    if (word == "--") return words.size();
    if (word.find('=') != std::string::npos) continue;
    for (const Flag& flag : kGlobalFlags) {
      bool named = word == fmt::format("--{}", flag.name) ||
                   (flag.shorthand && word == fmt::format("-{}", flag.shorthand));
      if (named && flag.type != Flag::Type::boolean) ++i;
    }
  }
  return words.size();
}

int unknown_command(const std::string& word) {
  fmt::print(stderr, "error: unknown command \"{}\" for \"kubectl\"\n", word);
  for (auto& command : all_commands()) {
    if (command.name.starts_with(word) || word.starts_with(command.name)) {
      fmt::print(stderr, "\nDid you mean this?\n\t{}\n", command.name);
      break;
    }
  }
  return 1;
}

}  // namespace

int usage_error(std::string_view command, std::string_view message) {
  fmt::print(stderr, "error: {}\nSee 'kubectl {} -h' for help and examples\n", message, command);
  return 1;
}

std::span<const Flag> global_flags() { return kGlobalFlags; }

base::Result<Session*> Context::session() {
  if (!session_) {
    TRY(session_, Session::open(args));
  }
  return session_.get();
}

std::vector<Command> all_commands() {
  return {get_command(),      describe_command(), create_command(),  apply_command(),
          delete_command(),   expose_command(),   run_command(),     exec_command(),
          logs_command(),     scale_command(),    rollout_command(), set_command(),
          patch_command(),    wait_command(),     edit_command(),    label_command(),
          annotate_command(), config_command(),   version_command(), cluster_info_command(),
          api_resources_command(), explain_command()};
}

int run_kubectl(std::span<const std::string> words) {
  size_t at = find_command_word(words);
  if (at == words.size()) {
    if (auto parsed = parse_args(words, kGlobalFlags); !parsed) {
      fmt::print(stderr, "error: {}\nSee 'kubectl --help' for usage.\n", parsed.error().message);
      return 1;
    }
    return print_overview();
  }
  const std::string& word = words[at];
  if (word == "options") {
    fmt::print("The following options can be passed to any command:\n\n");
    print_flags(kGlobalFlags);
    return 0;
  }
  if (word == "help" && at + 1 == words.size()) return print_overview();
  const std::string& name = word == "help" ? words[at + 1] : word;
  auto commands = all_commands();
  auto found = std::find_if(commands.begin(), commands.end(), [&](const Command& command) {
    return command.name == name ||
           std::find(command.aliases.begin(), command.aliases.end(), name) != command.aliases.end();
  });
  if (found == commands.end()) return unknown_command(name);
  if (word == "help") return print_help(*found);

  std::vector<std::string> rest(words.begin(), words.end());
  rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(at));
  std::vector<Flag> flags(found->flags);
  flags.insert(flags.end(), std::begin(kGlobalFlags), std::end(kGlobalFlags));
  auto args = parse_args(rest, flags);
  if (!args) {
    fmt::print(stderr, "error: {}\nSee 'kubectl {} --help' for usage.\n", args.error().message, found->name);
    return 1;
  }
  if (args->on("help")) return print_help(*found);
  if (args->get("dry-run") == "unchanged")
    fmt::print(stderr, "W: --dry-run is deprecated and can be replaced with --dry-run=client.\n");
  Context context;
  context.args = std::move(*args);
  return found->run(context);
}

}  // namespace cli
