// Random identifiers: UIDs and generated name suffixes. Any thread; the bytes come from the kernel (getrandom).
#pragma once

#include <cstdint>
#include <string>

namespace base {

std::string make_uid();                       // RFC 4122 version 4, lower case
std::string make_name_suffix(int length = 5); // from bcdfghjklmnpqrstvwxz2456789, as generateName appends
uint64_t random_u64();

}  // namespace base
