// As much of SCTP as a first packet and its answer: INIT, and INIT ACK with a text in its cookie. Pure; any thread.
//
// Source: RFC 9260 sections 3.1, 3.3.2, 3.3.3 and appendix A (CRC32c).
#pragma once

#include <cstdint>
#include <string>

namespace packets {

std::string sctp_init(uint16_t source_port, uint16_t destination_port);
// The answer to such a packet, when it is to that port; "" for any other.
std::string sctp_reply(const std::string& packet, uint16_t port, const std::string& text);
// The text of an answer that comes from that port; "" for any other packet.
std::string sctp_answer(const std::string& packet, uint16_t port);

}  // namespace packets
