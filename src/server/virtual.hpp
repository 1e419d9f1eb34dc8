// What is answered without being stored. Threads: as core.hpp says of the verbs.
#pragma once

#include "server/core.hpp"

namespace server {

// POST of a review: answered 201 with its status filled in (reviews.cpp).
void serve_review(Core& core, const ExchangePtr& exchange, const Resource& resource);

}  // namespace server
