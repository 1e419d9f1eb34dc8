// Hears of files that appear in folders (inotify): containers that have ended, images that were imported. One
// thread of its own between start() and stop(), on which the callbacks run.
#pragma once

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/result.hpp"
#include "sys/fd.hpp"

namespace node {

class FolderWatcher {
 public:
  using OnFile = std::function<void(const std::string& name)>;
  ~FolderWatcher() { stop(); }
  // Before start(). `lost` is called when the kernel dropped events: look at everything.
  base::Result<void> add(const std::string& folder, OnFile on_file);
  base::Result<void> start(std::function<void()> lost);
  void stop();

 private:
  void run_loop();
  base::Result<void> open();

  struct Watch {
    int id;
    OnFile on_file;
  };
  sys::Fd inotify_;
  sys::Fd wake_;
  std::vector<Watch> watches_;
  std::function<void()> lost_;
  std::thread thread_;
};

}  // namespace node
