// Objects as they are after our own writes, until the informer has caught up: who decides from an older
// picture asks twice for the same thing, or meets a conflict. Any thread.
//
// Resource versions of one collection grow as numbers (KEP-5504).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/guarded.hpp"
#include "base/strings.hpp"
#include "client/informer.hpp"

namespace controllers {

template <class T>
class Latest {
 public:
  using Ptr = std::shared_ptr<const T>;

  // The object as the server answered to our write.
  Ptr wrote(T object) {
    auto key = client::object_key(object.metadata.namespace_, object.metadata.name);
    auto ptr = std::make_shared<const T>(std::move(object));
    (*own_.lock())[key] = ptr;
    return ptr;
  }
  // What the informer says: from here on its picture is the newer one, also when the object is gone.
  void seen(const std::string& key, const Ptr& after) {
    auto own = own_.lock();
    auto it = own->find(key);
    if (it != own->end() && (!after || !is_newer(*it->second, *after))) own->erase(it);
  }
  // The newer of our write and of what the informer has (null: nothing).
  Ptr over(const std::string& key, Ptr known) const {
    auto own = own_.lock();
    auto it = own->find(key);
    return it != own->end() && (!known || is_newer(*it->second, *known)) ? it->second : known;
  }
  // The same for a whole namespace: also with what the informer does not have yet.
  std::vector<Ptr> over_all(const std::string& namespace_, const std::vector<Ptr>& known) const {
    std::map<std::string, Ptr> all;
    for (const auto& object : known) all[object->metadata.name] = object;
    auto own = own_.lock();
    for (const auto& [key, object] : *own) {
      if (object->metadata.namespace_ != namespace_) continue;
      auto& slot = all[object->metadata.name];
      if (!slot || is_newer(*object, *slot)) slot = object;
    }
    std::vector<Ptr> out;
    for (auto& [name, object] : all) out.push_back(std::move(object));
    return out;
  }

 private:
  static bool is_newer(const T& a, const T& b) {
    if (a.metadata.uid != b.metadata.uid) return false;
    auto version = [](const T& object) {
      return base::parse_int(object.metadata.resource_version).value_or(0);
    };
    return version(a) > version(b);
  }
  base::Guarded<std::map<std::string, Ptr>> own_;
};

}  // namespace controllers
