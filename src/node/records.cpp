#include "node/records.hpp"

#include <algorithm>

#include "base/json.hpp"
#include "base/log.hpp"
#include "sys/fs.hpp"

namespace node {

base::Result<void> Records::load() {
  CHECK_OK(sys::make_dirs(dir_, 0700));
  TRY(auto names, sys::list_dir(dir_));
  auto records = records_.lock();
  for (const auto& name : names) {
    const std::string path = dir_ + "/" + name + "/pod.json";
    auto text = sys::read_file(path);
    if (!text) continue;
    auto value = base::parse_json(*text);
    auto record = value ? pod_record_from(*value) : std::unexpected(value.error());
    if (!record || record->uid != name) {
      base::log_warning("node", "{} cannot be read and is left out: {}", path,
                        record ? "it is of another pod" : record.error().message);
      continue;
    }
    (*records)[name] = std::move(*record);
  }
  return {};
}

std::vector<PodRecord> Records::of_pod(std::string_view key) const {
  std::vector<PodRecord> found;
  auto records = records_.lock();
  for (const auto& [uid, record] : *records) {
    if (record.key() == key) found.push_back(record);
  }
  return found;
}

std::optional<PodRecord> Records::find(const std::string& uid) const {
  auto records = records_.lock();
  const auto found = records->find(uid);
  return found == records->end() ? std::nullopt : std::optional(found->second);
}

std::vector<std::string> Records::keys() const {
  std::vector<std::string> keys;
  auto records = records_.lock();
  for (const auto& [uid, record] : *records) keys.push_back(record.key());
  return keys;
}

std::string Records::key_of_container(const std::string& id) const {
  auto records = records_.lock();
  for (const auto& [uid, record] : *records) {
    for (const auto& container : record.containers) {
      if (container.id == id) return record.key();
    }
  }
  return "";
}

base::Result<void> Records::put(const PodRecord& record) {
  std::string text = base::write_json(to_value(record));
  {
    auto records = records_.lock();
    (*records)[record.uid] = record;
  }
  {
    auto written = written_.lock();
    std::string& last = (*written)[record.uid];
    if (last == text) return {};
    last = text;
  }
  CHECK_OK(sys::make_dirs(pod_dir(record.uid), 0700));
  auto done = sys::write_file_atomically(pod_dir(record.uid) + "/pod.json", text, 0600);
  if (!done) written_.lock()->erase(record.uid);
  return done;
}

base::Result<void> Records::erase(const std::string& uid) {
  {
    auto records = records_.lock();
    records->erase(uid);
  }
  written_.lock()->erase(uid);
  return sys::remove_tree(pod_dir(uid));
}

std::vector<std::string> Records::waiting_for_image() const {
  std::vector<std::string> keys;
  auto records = records_.lock();
  for (const auto& [uid, record] : *records) {
    const bool waits = std::any_of(record.waiting.begin(), record.waiting.end(), [](const auto& item) {
      return item.second.reason == "ErrImagePull" || item.second.reason == "ImagePullBackOff" ||
             item.second.reason == "ErrImageNeverPull";
    });
    if (waits) keys.push_back(record.key());
  }
  return keys;
}

}  // namespace node
