// All pods' records: in memory for readers, one file each for the next start of the agent. Any thread; a
// record itself is changed only by the worker that holds its pod's key, which takes a copy and puts it back.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/guarded.hpp"
#include "base/result.hpp"
#include "node/record.hpp"

namespace node {

class Records {
 public:
  explicit Records(std::string dir) : dir_(std::move(dir)) {}
  // Reads what an earlier agent left. A file that cannot be read is reported and left out.
  base::Result<void> load();
  std::vector<PodRecord> of_pod(std::string_view key) const;
  std::optional<PodRecord> find(const std::string& uid) const;
  std::vector<std::string> keys() const;
  // The pod that holds that container, by the container's id; "" when there is none.
  std::string key_of_container(const std::string& id) const;
  base::Result<void> put(const PodRecord& record);
  base::Result<void> erase(const std::string& uid);
  // Keys of pods that wait for an image.
  std::vector<std::string> waiting_for_image() const;
  std::string pod_dir(const std::string& uid) const { return dir_ + "/" + uid; }
  // A container's bundle.
  std::string container_dir(const std::string& uid, const std::string& id) const {
    return pod_dir(uid) + "/containers/" + id.substr(0, 16);
  }

 private:
  std::string dir_;
  base::Guarded<std::map<std::string, PodRecord>> records_;
  base::Guarded<std::map<std::string, std::string>>
      written_;  // the files' texts: what is there is not written again
};

}  // namespace node
