// How a command that runs until it is told to stop hears of it. Called once, before any thread is made.
#pragma once

#include <signal.h>
#include <sys/signalfd.h>

#include "sys/fd.hpp"

namespace sys {

// Blocks SIGTERM and SIGINT, here and in every thread to come, so that only the signalfd sees them; SIGPIPE is ignored.
inline Fd open_stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  return Fd(::signalfd(-1, &signals, SFD_CLOEXEC));
}

}  // namespace sys
