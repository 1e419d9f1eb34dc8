/* What the programs in the kernel and their loader agree on: keys and values of the maps, byte for byte. Plain data;
 * who may write what stands at each struct.
 *
 * Addresses are 16 bytes in network order, IPv4 as ::ffff:a.b.c.d; ports are in network order. */
#pragma once

#include <linux/types.h>

/* Raise it with every change of a struct below: maps of another number are not taken over, but made anew. */
#define SAMPAN_BPF_ABI 1

#ifdef __cplusplus
namespace proxy::bpf {
#endif

struct ip_address {
  __u64 high, low;
};

/* service_key.kind */
enum { KEY_ADDRESS = 0, KEY_NODE_PORT = 1 };

/* The key of `services`. A node port has the address :: or ::ffff:0.0.0.0, by its family. */
struct service_key {
  struct ip_address address;
  __u16 port;
  __u8 protocol;
  __u8 kind;
  __u32 zero;
};

/* service_entry.balance */
enum { BALANCE_RANDOM = 0, BALANCE_ROUND_ROBIN = 1, BALANCE_LEAST_CONNECTIONS = 2, BALANCE_HASH = 3 };

/* service_entry.flags. PASS: the entry changes nothing, the packet rules decide (they may drop). */
enum { SERVICE_PASS = 1 };

/* Where connections to a key go: one of `choices`[first .. first+count). count 0: they are refused. */
struct service_entry {
  __u32 first;
  __u32 count;
  __u32 pool; /* index into `pools` */
  __u32 affinity_seconds;
  __u16 flags;
  __u16 balance;
  __u32 zero;
};

/* An element of `endpoints`. Written by the loader only; a serial is never given twice, also after a restart;
 * 0 is a free place. */
struct endpoint_entry {
  struct ip_address address;
  __u64 owner; /* the pool's owner */
  __u32 serial;
  __u16 port;
  __u8 protocol;
  __u8 usable; /* 0: no new connection goes there */
  __u32 weight;
  __u32 last_serial; /* of a free place: who had it */
};

/* An element of `flows`, at the same index: counted by the programs. */
struct endpoint_flow {
  __u64 in_flight;   /* sockets that are connected, or trying to, and not closed */
  __u64 connections; /* since the endpoint is there */
};

/* An element of `pools`: one port of a Service. */
struct pool_entry {
  __u64 owner; /* hash of its name; 0 is a free place */
  __u64 connections;
  __u64 refusals;
  __u64 cursor; /* of round-robin */
};

/* The value of `sockets`, kept with the socket as long as it lives. */
struct socket_state {
  struct ip_address service, backend;
  __u16 service_port, backend_port;
  __u32 endpoint, serial;
  __u32 counted; /* one in_flight of the endpoint is ours */
};

/* The key and value of `udp_flows`. forward: from a Service's address to the endpoint; back: from the endpoint's. */
enum { UDP_FORWARD = 0, UDP_BACK = 1 };
struct udp_key {
  __u64 socket;
  struct ip_address address;
  __u16 port;
  __u16 direction;
  __u32 zero;
};
struct udp_flow {
  struct ip_address service; /* back only, as its port */
  __u32 endpoint, serial;
  __u16 service_port;
  __u16 zero0;
  __u32 zero1;
};

/* The key and value of `affinity`. */
struct affinity_key {
  __u64 owner;
  __u64 client; /* cookie of the client's network namespace */
};
struct affinity_entry {
  __u64 seen_ns;
  __u32 endpoint, serial;
};

/* The value of `namespaces`, by cookie. */
enum { NAMESPACE_NODE = 1, NAMESPACE_POD = 2 };

/* The one element of `settings`. Addresses in these networks that no Service has are refused. */
#define SAMPAN_BPF_NETWORKS 4
struct settings_entry {
  __u32 abi;
  __u32 networks;
  __u64 zero;
  struct {
    struct ip_address address, mask;
  } refused[SAMPAN_BPF_NETWORKS];
};

#ifdef __cplusplus
static_assert(sizeof(service_key) == 24 && sizeof(service_entry) == 24 && sizeof(endpoint_entry) == 40);
static_assert(sizeof(endpoint_flow) == 16 && sizeof(pool_entry) == 32 && sizeof(socket_state) == 48);
static_assert(sizeof(udp_key) == 32 && sizeof(udp_flow) == 32 && sizeof(affinity_entry) == 16);
}  // namespace proxy::bpf
#endif
