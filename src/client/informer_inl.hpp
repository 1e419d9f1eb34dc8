// The templates of client/informer.hpp, which includes it; include that. Threading: as said there.
#pragma once

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "client/informer.hpp"

namespace client {

// One object on its way to all informers of its feed: decoded when the first of them wants it, copied only for those
// that trim it in their own way.
template <class T>
class Informer<T>::Decoded {
 public:
  Decoded(const base::Value& value, size_t readers) : value_(value), readers_(readers) {}

  std::string_view field(std::string_view name) const { return value_["metadata"][name].as_string(); }
  std::string key() const { return object_key(field("namespace"), field("name")); }

  // For each reader once at most; null when it cannot be read.
  Ptr get(const std::function<void(T&)>& trim) {
    const bool last = --readers_ == 0;
    if (!decode()) return nullptr;
    if (!trim) {
      whole_ = true;
      return object_;
    }
    // Two with the same trim function share what it leaves.
    using Function = void (*)(T&);
    const auto* function = trim.template target<Function>();
    if (function) {
      for (const auto& [known, object] : trimmed_)
        if (known == *function) return object;
    }
    auto copy = last && !whole_ ? std::move(object_) : std::make_shared<T>(*object_);
    trim(*copy);
    if (function) trimmed_.emplace_back(*function, copy);
    return copy;
  }
  // A reader needs none.
  void pass() { --readers_; }

 private:
  // managedFields often outweigh the rest of an object, and no reader of an informer needs them: an update without them
  // leaves them as they are.
  bool decode() {
    if (object_ || std::exchange(tried_, true)) return object_ != nullptr;
    auto typed = api::from_value<T>(value_);
    if (!typed) {
      base::log_error("client", "a {} that cannot be read is ignored: {}", api::KindOf<T>::kind,
                      typed.error().message);
      return false;
    }
    typed->metadata.managed_fields.clear();
    object_ = std::make_shared<T>(std::move(*typed));
    return true;
  }

  const base::Value& value_;
  size_t readers_;
  bool tried_ = false;
  bool whole_ = false;  // somebody has it as it is
  std::shared_ptr<T> object_;
  std::vector<std::pair<void (*)(T&), Ptr>> trimmed_;
};

// One collection for all informers that follow it.
template <class T>
class Feed {
 public:
  Feed(Client client, const Resource& resource, const ListOptions& options)
      : reflector_(std::move(client), resource, options,
                   {.replace = [this](const base::Value& list) { replace(list); },
                    .event = [this](const std::string& type, base::Value object) { apply(type, object); }}) {}

  void add(Informer<T>* informer) {
    std::lock_guard lock(mutex_);
    informer->listed_ = false;
    informers_.push_back(informer);
    if (!std::exchange(started_, true)) return reflector_.start();
    reflector_.relist();
  }

  // After it nothing is told to the informer any more. Stops with the last.
  bool remove(Informer<T>* informer) {
    {
      std::lock_guard lock(mutex_);
      std::erase(informers_, informer);
      if (!informers_.empty()) return false;
    }
    reflector_.stop();
    return true;
  }

 private:
  using Decoded = typename Informer<T>::Decoded;

  void replace(const base::Value& list) {
    std::lock_guard lock(mutex_);
    for (auto* informer : informers_) informer->begin_list();
    for (const auto& item : list["items"].as_array()) {
      Decoded object(item, informers_.size());
      for (auto* informer : informers_) informer->take_listed(object);
    }
    for (auto* informer : informers_) {
      informer->listed_ = true;
      informer->end_list();
    }
    reflector_.settle();
  }

  void apply(const std::string& type, const base::Value& value) {
    std::lock_guard lock(mutex_);
    Decoded object(value, informers_.size());
    for (auto* informer : informers_) {
      if (informer->listed_) informer->apply(type, object);
      else object.pass();
    }
  }

  std::mutex mutex_;
  std::vector<Informer<T>*> informers_;
  bool started_ = false;
  Reflector reflector_;  // last: ends before what its callbacks use
};

template <class T>
std::shared_ptr<Feed<T>> Sharing::join(Informer<T>* informer, const Resource& resource, const ListOptions& options) {
  std::string key = resource.group + '/' + resource.version + '/' + resource.plural + '/' + resource.namespace_ + '?' +
                    options.label_selector + '&' + options.field_selector + (options.metadata_only ? "&metadata" : "");
  std::lock_guard lock(mutex_);
  auto& place = feeds_[key];
  auto feed = std::static_pointer_cast<Feed<T>>(place.lock());
  if (!feed) place = feed = std::make_shared<Feed<T>>(client_, resource, options);
  feed->add(informer);
  return feed;
}

// Under the lock, so that nobody joins a feed that is about to stop.
template <class T>
void Sharing::leave(Informer<T>* informer, const std::shared_ptr<Feed<T>>& feed) {
  std::lock_guard lock(mutex_);
  if (!feed->remove(informer)) return;
  std::erase_if(feeds_, [&](const auto& row) { return row.second.lock() == feed; });
}

template <class T>
Informer<T>::Informer(Client client, std::string namespace_, ListOptions options)
    : client_(std::move(client)), resource_(resource_of<T>(namespace_)), options_(std::move(options)) {}

template <class T>
void Informer<T>::start() {
  if (auto sharing = client_.sharing()) {
    feed_ = sharing->template join<T>(this, resource_, options_);
  } else {
    feed_ = std::make_shared<Feed<T>>(client_, resource_, options_);
    feed_->add(this);
  }
}

template <class T>
void Informer<T>::stop() {
  if (auto feed = std::exchange(feed_, nullptr)) {
    if (auto sharing = client_.sharing()) sharing->leave(this, feed);
    else feed->remove(this);
  }
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

template <class T>
void Informer<T>::tell(const std::string& key, const Ptr& before, const Ptr& after) const {
  for (const auto& handler : handlers_) handler(key, before, after);
}

template <class T>
void Informer<T>::begin_list() {
  fresh_.clear();
}

// What is known in that version already is not decoded again.
template <class T>
void Informer<T>::take_listed(Decoded& object) {
  auto key = object.key();
  if (auto known = get(key); known && known->metadata.resource_version == object.field("resourceVersion") &&
                             known->metadata.uid == object.field("uid")) {
    object.pass();
    fresh_[std::move(key)] = std::move(known);
  } else if (auto decoded = object.get(trim_)) {
    fresh_[std::move(key)] = std::move(decoded);
  }
}

template <class T>
void Informer<T>::end_list() {
  Map before, fresh = std::exchange(fresh_, {});
  {
    auto objects = objects_.lock();
    before = std::exchange(*objects, fresh);
  }
  // What went away while nobody watched was deleted, too.
  for (const auto& [key, old] : before)
    if (!fresh.contains(key)) tell(key, old, nullptr);
  for (const auto& [key, object] : fresh) {
    auto it = before.find(key);
    Ptr old = it == before.end() ? nullptr : it->second;
    if (old && old->metadata.uid != object->metadata.uid) {  // deleted, and made anew under its name
      tell(key, old, nullptr);
      old = nullptr;
    }
    if (old && old->metadata.resource_version == object->metadata.resource_version) continue;
    tell(key, old, object);
  }
  {
    std::lock_guard lock(sync_mutex_);
    synced_ = true;
  }
  sync_changed_.notify_all();
}

template <class T>
void Informer<T>::apply(const std::string& type, Decoded& decoded) {
  auto object = decoded.get(trim_);
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
  tell(key, before, after);
}

}  // namespace client
