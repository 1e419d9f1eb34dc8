// The table of kubectl's commands and what each run of one gets. One thread.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "cli/flags.hpp"
#include "cli/session.hpp"

namespace cli {

struct Context {
  Args args;
  // Opened on first use: `kubectl config` needs no server.
  base::Result<Session*> session();

 private:
  std::unique_ptr<Session> session_;
};

struct Command {
  std::string_view name;  // "get", "create", "config current-context"
  std::vector<std::string_view> aliases;
  std::string_view usage;  // "get TYPE[.VERSION][.GROUP] [NAME | -l label] [flags]"
  std::string_view summary;
  std::vector<Flag> flags;  // besides the global ones
  // Returns the exit code; prints its own errors.
  int (*run)(Context&);
};

// kubectl's error about how a command was used: with the hint to its help. 1.
int usage_error(std::string_view command, std::string_view message);

// Flags that every command has.
std::span<const Flag> global_flags();

// One function per file of that name; commands.cpp lists them all.
Command get_command();
Command describe_command();
Command create_command();
Command apply_command();
Command delete_command();
Command expose_command();
Command run_command();
Command exec_command();
Command logs_command();
Command scale_command();
Command rollout_command();
Command set_command();
Command patch_command();
Command wait_command();
Command edit_command();
Command explain_command();
Command label_command();
Command annotate_command();
Command version_command();
Command cluster_info_command();
Command api_resources_command();
Command config_command();
std::vector<Command> all_commands();

}  // namespace cli
