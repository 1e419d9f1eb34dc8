// Follows the CustomResourceDefinitions in the store and keeps the server's catalog in step: a definition that is
// committed is served before its writer hears of it.
//
// Threading: changes arrive on the store's writer thread; make() and the destructor on the owner's.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>

#include "base/result.hpp"
#include "server/core.hpp"

namespace server {

class Definitions {
 public:
  // Reads what is stored and publishes it.
  static base::Result<std::unique_ptr<Definitions>> make(Core& core);

 private:
  explicit Definitions(Core& core);
  void follow(std::span<const store::Event> events);
  // False when nothing that is served changed.
  bool put(const store::Entry& entry);
  void publish();

  Core& core_;
  const CatalogPtr builtin_;
  std::map<std::string, CustomResources> by_key_;
  uint64_t generation_ = 0;
  std::unique_ptr<store::Watch> watch_;  // last: ends before what its callback uses
};

}  // namespace server
