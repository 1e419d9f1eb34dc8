// The IPAddress objects of Services: one per cluster address, written and erased in the transaction that gives the
// address to the Service or takes it back. Writer thread.
//
// Source: KEP-1880; upstream's ipallocator (labels, parentRef).
#pragma once

#include <string_view>

#include "base/value.hpp"
#include "server/strategy/strategy.hpp"

namespace server {

// Nothing happens when there is one already.
void put_ip_address(WriteContext& context, const base::Value& service, std::string_view address);
// Only one that belongs to this Service.
void erase_ip_address(WriteContext& context, const base::Value& service, std::string_view address);

}  // namespace server
