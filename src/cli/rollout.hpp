// The verbs of `kubectl rollout`: each is given the objects that the command line names. One thread.
#pragma once

#include <string>

#include "base/result.hpp"
#include "base/value.hpp"
#include "cli/flags.hpp"
#include "cli/session.hpp"
#include "cli/write_flags.hpp"

namespace cli {

// Is one rollout through? `text` is what kubectl says about it.
struct RolloutState {
  std::string text;
  bool done = false;
};
// Of a Deployment, DaemonSet or StatefulSet; `revision` 0: whichever runs.
base::Result<RolloutState> rollout_state(const base::Value& object, int64_t revision);

int show_history(Session& session, const Args& args, const Found& found);
int undo_rollout(Session& session, const Args& args, const Found& found);

}  // namespace cli
