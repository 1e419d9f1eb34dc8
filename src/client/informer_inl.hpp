// The templates of client/informer.hpp, which includes it; include that. Threading: as said there.
#pragma once

#include <utility>

#include "base/log.hpp"
#include "client/informer.hpp"

namespace client {

template <class T>
Informer<T>::Informer(Client client, std::string namespace_, ListOptions options)
    : reflector_(std::move(client), resource_of<T>(namespace_), std::move(options),
                 {.replace = [this](const base::Value& list) { replace(list); },
                  .event = [this](const std::string& type, base::Value object) { apply(type, object); }}) {}

template <class T>
void Informer<T>::start() {
  reflector_.start();
}

template <class T>
void Informer<T>::stop() {
  reflector_.stop();
  {
    std::lock_guard lock(sync_mutex_);
    stopped_ = true;
  }
  sync_changed_.notify_all();
}

template <class T>
bool Informer<T>::synced() const {
  std::lock_guard lock(sync_mutex_);
  return synced_;
}

template <class T>
void Informer<T>::wait_synced() const {
  std::unique_lock lock(sync_mutex_);
  sync_changed_.wait(lock, [&] { return synced_ || stopped_; });
}

template <class T>
typename Informer<T>::Ptr Informer<T>::get(std::string_view key) const {
  auto objects = objects_.lock();
  auto it = objects->find(key);
  return it == objects->end() ? nullptr : it->second;
}

template <class T>
std::vector<typename Informer<T>::Ptr> Informer<T>::list() const {
  auto objects = objects_.lock();
  std::vector<Ptr> out;
  out.reserve(objects->size());
  for (const auto& [key, object] : *objects) out.push_back(object);
  return out;
}

template <class T>
std::vector<typename Informer<T>::Ptr> Informer<T>::list(std::string_view namespace_) const {
  if (namespace_.empty()) return list();
  std::string prefix(namespace_);
  prefix += '/';
  auto objects = objects_.lock();
  std::vector<Ptr> out;
  for (auto it = objects->lower_bound(prefix); it != objects->end() && it->first.starts_with(prefix); ++it) {
    out.push_back(it->second);
  }
  return out;
}

// What is kept. managedFields often outweigh the rest of an object, and no reader of an informer needs them: an update
// without them leaves them as they are.
template <class T>
typename Informer<T>::Ptr Informer<T>::decode(const base::Value& object) const {
  auto typed = api::from_value<T>(object);
  if (!typed) {
    base::log_error("client", "a {} that cannot be read is ignored: {}", api::KindOf<T>::kind,
                    typed.error().message);
    return nullptr;
  }
  typed->metadata.managed_fields.clear();
  if (trim_) trim_(*typed);
  return std::make_shared<const T>(std::move(*typed));
}

template <class T>
void Informer<T>::replace(const base::Value& list) {
  Map fresh;
  for (const auto& item : list["items"].as_array()) {
    if (auto object = decode(item)) {
      fresh[object_key(object->metadata.namespace_, object->metadata.name)] = std::move(object);
    }
  }
  Map before;
  {
    auto objects = objects_.lock();
    before = std::exchange(*objects, fresh);
  }
  // What went away while nobody watched was deleted, too.
  for (const auto& [key, old] : before) {
    if (fresh.contains(key)) continue;
    for (const auto& handler : handlers_) handler(key, old, nullptr);
  }
  for (const auto& [key, object] : fresh) {
    auto it = before.find(key);
    Ptr old = it == before.end() ? nullptr : it->second;
    if (old && old->metadata.uid != object->metadata.uid) {  // deleted, and made anew under its name
      for (const auto& handler : handlers_) handler(key, old, nullptr);
      old = nullptr;
    }
    if (old && old->metadata.resource_version == object->metadata.resource_version) continue;
    for (const auto& handler : handlers_) handler(key, old, object);
  }
  {
    std::lock_guard lock(sync_mutex_);
    synced_ = true;
  }
  sync_changed_.notify_all();
}

template <class T>
void Informer<T>::apply(const std::string& type, const base::Value& value) {
  auto object = decode(value);
  if (!object) return;
  std::string key = object_key(object->metadata.namespace_, object->metadata.name);
  Ptr before;
  Ptr after = type == "DELETED" ? nullptr : object;
  {
    auto objects = objects_.lock();
    auto it = objects->find(key);
    if (it != objects->end()) before = it->second;
    if (after) (*objects)[key] = after;
    else if (it != objects->end()) objects->erase(it);
  }
  if (!after) before = object;  // its last state, which the event carries
  for (const auto& handler : handlers_) handler(key, before, after);
}

}  // namespace client
