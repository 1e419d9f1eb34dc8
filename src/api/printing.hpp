// What the columns_*.cpp files share: the columns that many kinds have, the texts of cells, and the lists of printers.
// Internal to src/api; pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/kinds.hpp"
#include "base/time.hpp"
#include "base/value.hpp"

namespace api::printing {

inline constexpr std::string_view kNone = "<none>";

using Cells = std::vector<base::Value>;

struct Printer {
  std::string_view group;
  std::string_view kind;
  std::vector<Column> columns;
  Cells (*cells)(const base::Value&, base::Time);
};

Column column(std::string name, std::string type, std::string description, int priority = 0);
Column text(std::string name, std::string description);
Column wide(std::string name, std::string description);  // shown by -o wide alone
Column number(std::string name, std::string description);
Column name_column();
Column age_column();

// "5m", or "<unknown>".
std::string age(const base::Value& object, base::Time now);
// "a=b,c=d", sorted; <none>.
std::string map_text(const base::Value& map);
std::string strings_text(const base::Value& list);

// The first three and how many more there are.
class ShortList {
 public:
  void add(std::string text);
  bool empty() const { return count_ == 0; }
  std::string text() const;

 private:
  std::vector<std::string> shown_;
  size_t count_ = 0;
};

// The kinds of apps, batch, autoscaling, policy, scheduling and the core's volumes and quotas
// (columns_workloads.cpp).
void add_workload_printers(std::vector<Printer>& out);
// Networking, storage, nodes' runtime classes, resource (columns_platform.cpp).
void add_platform_printers(std::vector<Printer>& out);
// Who may do what: rbac, certificates, flow control, admission, custom resource definitions (columns_access.cpp).
void add_access_printers(std::vector<Printer>& out);

}  // namespace api::printing
