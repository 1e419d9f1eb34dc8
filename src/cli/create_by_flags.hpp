// `kubectl create TYPE NAME`: objects that flags describe, without a file. One thread.
#pragma once

#include "cli/command.hpp"

namespace cli {

int create_by_flags(Context& context, Session& session);

}  // namespace cli
