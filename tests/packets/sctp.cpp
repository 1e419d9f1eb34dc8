#include "sctp.hpp"

namespace packets {

namespace {

constexpr size_t kHeader = 12, kInit = 20;  // of the packet; of an INIT or INIT ACK chunk without parameters
constexpr char kInitChunk = 1, kInitAckChunk = 2;
constexpr uint32_t kTag = 0x5a3b1c77;
constexpr uint16_t kCookie = 7;

uint32_t crc32c(const std::string& bytes) {
  uint32_t crc = ~0u;
  for (unsigned char byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0);
  }
  return ~crc;
}

void put16(std::string& out, uint32_t n) {
  out += static_cast<char>(n >> 8);
  out += static_cast<char>(n);
}
void put32(std::string& out, uint32_t n) {
  put16(out, n >> 16);
  put16(out, n & 0xffff);
}
uint32_t get16(const std::string& in, size_t at) {
  return static_cast<uint32_t>(static_cast<unsigned char>(in[at]) << 8 | static_cast<unsigned char>(in[at + 1]));
}

std::string packet(uint16_t from, uint16_t to, uint32_t tag, char chunk, const std::string& parameter) {
  std::string out;
  put16(out, from);
  put16(out, to);
  put32(out, tag);
  put32(out, 0);
  out += chunk;
  out += '\0';
  put16(out, static_cast<uint32_t>(kInit + parameter.size()));
  put32(out, kTag);
  put32(out, 65'536);  // window
  put16(out, 1);
  put16(out, 1);  // streams
  put32(out, 1);  // first sequence number
  out += parameter;
  out.resize((out.size() + 3) / 4 * 4);
  uint32_t sum = crc32c(out);
  for (size_t i = 0; i < 4; ++i) out[8 + i] = static_cast<char>(sum >> (8 * i));  // little endian, as the RFC has it
  return out;
}

}  // namespace

std::string sctp_init(uint16_t source_port, uint16_t destination_port) {
  return packet(source_port, destination_port, 0, kInitChunk, "");
}

std::string sctp_reply(const std::string& in, uint16_t port, const std::string& text) {
  if (in.size() < kHeader + kInit || get16(in, 2) != port || in[kHeader] != kInitChunk) return "";
  std::string parameter;
  put16(parameter, kCookie);
  put16(parameter, static_cast<uint32_t>(4 + text.size()));
  return packet(port, static_cast<uint16_t>(get16(in, 0)), kTag, kInitAckChunk, parameter + text);
}

std::string sctp_answer(const std::string& in, uint16_t port) {
  size_t parameter = kHeader + kInit;
  if (in.size() < parameter + 4 || get16(in, 0) != port || in[kHeader] != kInitAckChunk) return "";
  size_t length = get16(in, parameter + 2);
  if (get16(in, parameter) != kCookie || length < 4 || parameter + length > in.size()) return "";
  return in.substr(parameter + 4, length - 4);
}

}  // namespace packets
