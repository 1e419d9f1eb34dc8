/* Services at the socket: connect() and sendto() to a Service's address go to one of its endpoints instead, so that
 * nothing is left to do per packet. Attached at the root of the cgroups; a socket outside of the cluster's network
 * namespaces is let through untouched.
 *
 * Source: the kernel's cgroup socket hooks (Documentation/bpf, include/uapi/linux/bpf.h: struct bpf_sock_addr). */
#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"

/* Of other headers of the kernel, which want more of the C library than this target has. */
#define AF_INET6 10
#define SOCK_DGRAM 2
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define ECONNREFUSED 111

#define MAPPED_PREFIX bpf_htonl(0xffff)
#define SECOND 1000000000ull

/* Sizes are the loader's choice. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 1024);
  __type(key, struct service_key);
  __type(value, struct service_entry);
} services SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1024);
  __type(key, __u32);
  __type(value, __u64);
} choices SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1024);
  __type(key, __u32);
  __type(value, struct endpoint_entry);
} endpoints SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1024);
  __type(key, __u32);
  __type(value, struct endpoint_flow);
} flows SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1024);
  __type(key, __u32);
  __type(value, struct pool_entry);
} pools SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_SK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, struct socket_state);
} sockets SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 1024);
  __type(key, struct udp_key);
  __type(value, struct udp_flow);
} udp_flows SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 1024);
  __type(key, struct affinity_key);
  __type(value, struct affinity_entry);
} affinity SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 1024);
  __type(key, __u64);
  __type(value, __u32);
} namespaces SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 256);
  __type(key, struct ip_address);
  __type(value, __u32);
} node_addresses SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct settings_entry);
} settings SEC(".maps");

/* Where somebody wants to go. */
struct target {
  struct service_key key;
  __u64 client; /* cookie of the network namespace */
  __u64 socket; /* cookie */
  __u32 place;  /* NAMESPACE_... */
};

/* What became of it. */
enum verdict { UNTOUCHED, CHOSEN, REFUSED };
struct chosen {
  struct ip_address address;
  __u16 port;
  __u32 endpoint, serial;
};

static __always_inline struct ip_address mapped(__u32 ip4) {
  return (struct ip_address){.high = 0, .low = (__u64)ip4 << 32 | MAPPED_PREFIX};
}

static __always_inline bool is_mapped(const struct ip_address *a) {
  return a->high == 0 && (__u32)a->low == MAPPED_PREFIX;
}

static __always_inline bool same(const struct ip_address *a, const struct ip_address *b) {
  return a->high == b->high && a->low == b->low;
}

/* Whether this socket belongs to the cluster; then who asks. */
static __always_inline bool admit(struct bpf_sock_addr *ctx, struct target *to) {
  to->client = bpf_get_netns_cookie(ctx);
  __u32 *place = bpf_map_lookup_elem(&namespaces, &to->client);
  if (!place) return false;
  to->place = *place;
  to->socket = bpf_get_socket_cookie(ctx);
  return true;
}

static __always_inline bool is_tcp_or_udp(struct bpf_sock_addr *ctx) {
  return ctx->protocol == IPPROTO_TCP || ctx->protocol == IPPROTO_UDP;
}

static __always_inline void target_v4(struct bpf_sock_addr *ctx, struct target *to) {
  to->key.address = mapped(ctx->user_ip4);
  to->key.port = ctx->user_port;
  to->key.protocol = ctx->protocol;
}

static __always_inline void target_v6(struct bpf_sock_addr *ctx, struct target *to) {
  to->key.address.high = (__u64)ctx->user_ip6[1] << 32 | ctx->user_ip6[0];
  to->key.address.low = (__u64)ctx->user_ip6[3] << 32 | ctx->user_ip6[2];
  to->key.port = ctx->user_port;
  to->key.protocol = ctx->protocol;
}

static __always_inline void write_v4(struct bpf_sock_addr *ctx, const struct ip_address *a, __u16 port) {
  ctx->user_ip4 = a->low >> 32;
  ctx->user_port = port;
}

static __always_inline void write_v6(struct bpf_sock_addr *ctx, const struct ip_address *a, __u16 port) {
  ctx->user_ip6[0] = (__u32)a->high;
  ctx->user_ip6[1] = a->high >> 32;
  ctx->user_ip6[2] = (__u32)a->low;
  ctx->user_ip6[3] = a->low >> 32;
  ctx->user_port = port;
}

/* 127.0.0.0/8, ::1, and "this host" (0.0.0.0, ::), which connect() takes for the loopback. */
static __always_inline bool is_loopback(const struct ip_address *a) {
  if (is_mapped(a)) {
    __u32 ip4 = a->low >> 32;
    return ip4 == 0 || (ip4 & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000);
  }
  return a->high == 0 && (a->low == 0 || a->low == bpf_cpu_to_be64(1));
}

static __always_inline struct service_entry *find_service(struct target *to) {
  struct service_entry *found = bpf_map_lookup_elem(&services, &to->key);
  if (found) return found;
  bool local = is_loopback(&to->key.address) ? to->place == NAMESPACE_NODE
                                             : bpf_map_lookup_elem(&node_addresses, &to->key.address) != 0;
  if (!local) return 0;
  struct service_key node_port = to->key;
  node_port.kind = KEY_NODE_PORT;
  node_port.address = is_mapped(&to->key.address) ? mapped(0) : (struct ip_address){0, 0};
  return bpf_map_lookup_elem(&services, &node_port);
}

static __always_inline bool is_unused_service_address(const struct ip_address *a) {
  __u32 zero = 0;
  struct settings_entry *s = bpf_map_lookup_elem(&settings, &zero);
  if (!s) return false;
  for (__u32 i = 0; i < SAMPAN_BPF_NETWORKS; ++i) {
    if (i >= s->networks) break;
    if ((a->high & s->refused[i].mask.high) == s->refused[i].address.high &&
        (a->low & s->refused[i].mask.low) == s->refused[i].address.low)
      return true;
  }
  return false;
}

static __always_inline struct endpoint_entry *usable_endpoint(__u32 index) {
  struct endpoint_entry *e = bpf_map_lookup_elem(&endpoints, &index);
  return e && e->usable ? e : 0;
}

static __always_inline __u32 choice_at(const struct service_entry *service, __u32 offset) {
  __u32 index = service->first + offset;
  __u64 *choice = bpf_map_lookup_elem(&choices, &index);
  return choice ? (__u32)*choice : ~0u;
}

static __always_inline __u64 load_of(__u32 endpoint) {
  struct endpoint_flow *f = bpf_map_lookup_elem(&flows, &endpoint);
  return f ? *(volatile __u64 *)&f->in_flight : 0;
}

static __always_inline __u32 mix(__u64 x) {
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccdull;
  x ^= x >> 33;
  x *= 0xc4ceb9fe1a85ec53ull;
  return x >> 32;
}

/* The less loaded of two that chance names, by sockets per weight. */
static __always_inline __u32 less_loaded(const struct service_entry *service) {
  __u32 count = service->count;
  __u32 i = bpf_get_prandom_u32() % count;
  __u32 a = choice_at(service, i);
  if (count < 2) return a;
  __u32 j = i + 1 + bpf_get_prandom_u32() % (count - 1);
  if (j >= count) j -= count;
  __u32 b = choice_at(service, j);
  struct endpoint_entry *first = usable_endpoint(a), *second = usable_endpoint(b);
  if (!first) return b;
  if (!second) return a;
  return load_of(a) * second->weight <= load_of(b) * first->weight ? a : b;
}

static __always_inline __u32 pick(const struct service_entry *service, const struct target *to,
                                  struct pool_entry *pool) {
  switch (service->balance) {
    case BALANCE_ROUND_ROBIN:
      return choice_at(service, (__u32)__sync_fetch_and_add(&pool->cursor, 1) % service->count);
    case BALANCE_LEAST_CONNECTIONS:
      return less_loaded(service);
    case BALANCE_HASH:
      return choice_at(service, mix(to->socket) % service->count);
    default:
      return choice_at(service, bpf_get_prandom_u32() % service->count);
  }
}

static __always_inline struct endpoint_entry *remembered(const struct service_entry *service,
                                                         const struct affinity_key *key, __u32 *index) {
  struct affinity_entry *a = bpf_map_lookup_elem(&affinity, key);
  __u64 now = bpf_ktime_get_ns();
  if (!a || now - a->seen_ns > service->affinity_seconds * SECOND) return 0;
  struct endpoint_entry *e = usable_endpoint(a->endpoint);
  if (!e || e->serial != a->serial) return 0;
  a->seen_ns = now;
  *index = a->endpoint;
  return e;
}

static __always_inline struct endpoint_entry *choose(const struct service_entry *service, const struct target *to,
                                                     struct pool_entry *pool, __u32 *index) {
  struct affinity_key key = {.owner = pool->owner, .client = to->client};
  struct endpoint_entry *e = 0;
  if (service->affinity_seconds && (e = remembered(service, &key, index))) return e;
  /* A place may have been taken back since the entry was read; another look then finds the new ones. */
  for (int attempt = 0; attempt < 4 && !e; ++attempt) {
    *index = pick(service, to, pool);
    e = usable_endpoint(*index);
  }
  if (!e) return 0;
  if (service->affinity_seconds) {
    struct affinity_entry a = {.seen_ns = bpf_ktime_get_ns(), .endpoint = *index, .serial = e->serial};
    bpf_map_update_elem(&affinity, &key, &a, BPF_ANY);
  }
  return e;
}

static __always_inline enum verdict resolve(struct target *to, struct service_entry *service, struct chosen *out) {
  if (!service) return is_unused_service_address(&to->key.address) ? REFUSED : UNTOUCHED;
  if (service->flags & SERVICE_PASS) return UNTOUCHED;
  struct pool_entry *pool = bpf_map_lookup_elem(&pools, &service->pool);
  if (!pool) return UNTOUCHED;
  struct endpoint_entry *e = 0;
  if (service->count) e = choose(service, to, pool, &out->endpoint);
  if (!e && service->count) {
    service = find_service(to);
    if (service && service->count) e = choose(service, to, pool, &out->endpoint);
  }
  if (!e) {
    __sync_fetch_and_add(&pool->refusals, 1);
    return REFUSED;
  }
  __sync_fetch_and_add(&pool->connections, 1);
  out->address = e->address;
  out->port = e->port;
  out->serial = e->serial;
  return CHOSEN;
}

static __always_inline int refuse(void) {
  bpf_set_retval(-ECONNREFUSED);
  return 0;
}

static __always_inline void give_back(struct socket_state *s) {
  if (!s->counted) return;
  s->counted = 0;
  __u32 index = s->endpoint;
  struct endpoint_entry *e = bpf_map_lookup_elem(&endpoints, &index);
  struct endpoint_flow *f = bpf_map_lookup_elem(&flows, &index);
  if (e && f && e->serial == s->serial) __sync_fetch_and_add(&f->in_flight, -1);
}

static __always_inline void count(struct socket_state *s) {
  __u32 index = s->endpoint;
  struct endpoint_flow *f = bpf_map_lookup_elem(&flows, &index);
  if (!f) return;
  __sync_fetch_and_add(&f->in_flight, 1);
  __sync_fetch_and_add(&f->connections, 1);
  s->counted = 1;
}

/* Also a socket that goes elsewhere now may have been connected to a Service before. */
static __always_inline void forget(struct bpf_sock_addr *ctx) {
  struct socket_state *s = bpf_sk_storage_get(&sockets, ctx->sk, 0, 0);
  if (!s) return;
  give_back(s);
  bpf_sk_storage_delete(&sockets, ctx->sk);
}

static __always_inline void write_back(const struct udp_key *back, const struct target *to, const struct chosen *c) {
  struct udp_flow home = {.service = to->key.address,
                          .service_port = to->key.port,
                          .endpoint = c->endpoint,
                          .serial = c->serial};
  bpf_map_update_elem(&udp_flows, back, &home, BPF_ANY);
}

static __always_inline void remember(struct bpf_sock_addr *ctx, const struct target *to, const struct chosen *c) {
  struct socket_state *s = bpf_sk_storage_get(&sockets, ctx->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
  if (!s) return; /* no memory: the connection works, getpeername() tells the endpoint */
  give_back(s);
  s->service = to->key.address;
  s->service_port = to->key.port;
  s->backend = c->address;
  s->backend_port = c->port;
  s->endpoint = c->endpoint;
  s->serial = c->serial;
  count(s);
  if (to->key.protocol == IPPROTO_UDP) {
    /* Nobody but this program can read what is kept with a datagram socket; who ends stale ones reads this. */
    struct udp_key back = {.socket = to->socket,
                           .address = c->address,
                           .port = c->port,
                           .direction = UDP_BACK};
    write_back(&back, to, c);
  }
}

static __always_inline enum verdict on_connect(struct bpf_sock_addr *ctx, struct target *to, struct chosen *c) {
  enum verdict v = resolve(to, find_service(to), c);
  if (v == CHOSEN) remember(ctx, to, c);
  else forget(ctx);
  return v;
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx) {
  struct target to = {};
  struct chosen c = {};
  if (!is_tcp_or_udp(ctx) || !admit(ctx, &to)) return 1;
  target_v4(ctx, &to);
  enum verdict v = on_connect(ctx, &to, &c);
  if (v == CHOSEN) write_v4(ctx, &c.address, c.port);
  return v == REFUSED ? refuse() : 1;
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx) {
  struct target to = {};
  struct chosen c = {};
  if (!is_tcp_or_udp(ctx) || !admit(ctx, &to)) return 1;
  target_v6(ctx, &to);
  enum verdict v = on_connect(ctx, &to, &c);
  if (v == CHOSEN) write_v6(ctx, &c.address, c.port);
  return v == REFUSED ? refuse() : 1;
}

/* Who sends to an endpoint itself wants to hear it under its own address again. */
static __always_inline void forget_back(const struct target *to) {
  struct udp_key back = {.socket = to->socket,
                         .address = to->key.address,
                         .port = to->key.port,
                         .direction = UDP_BACK};
  if (bpf_map_lookup_elem(&udp_flows, &back)) bpf_map_delete_elem(&udp_flows, &back);
}

/* The endpoint that this socket's datagrams to the Service went to, if it still serves. */
static __always_inline bool known_flow(const struct service_entry *service, const struct udp_key *forward,
                                       struct chosen *c) {
  if (!service->count || service->flags & SERVICE_PASS) return false;
  struct udp_flow *known = bpf_map_lookup_elem(&udp_flows, forward);
  if (!known) return false;
  struct endpoint_entry *e = usable_endpoint(known->endpoint);
  if (!e || e->serial != known->serial) return false;
  c->address = e->address;
  c->port = e->port;
  return true;
}

static __always_inline void write_forward(const struct udp_key *forward, const struct chosen *c) {
  struct udp_flow there = {.endpoint = c->endpoint, .serial = c->serial};
  bpf_map_update_elem(&udp_flows, forward, &there, BPF_ANY);
  __u32 index = c->endpoint;
  struct endpoint_flow *f = bpf_map_lookup_elem(&flows, &index);
  if (f) __sync_fetch_and_add(&f->connections, 1);
}

/* A socket that sends to many keeps one endpoint per Service address while that endpoint serves. */
static __always_inline enum verdict on_send(struct target *to, struct chosen *c) {
  struct service_entry *service = find_service(to);
  if (!service) {
    if (is_unused_service_address(&to->key.address)) return REFUSED;
    forget_back(to);
    return UNTOUCHED;
  }
  struct udp_key forward = {.socket = to->socket,
                            .address = to->key.address,
                            .port = to->key.port,
                            .direction = UDP_FORWARD};
  if (!known_flow(service, &forward, c)) {
    enum verdict v = resolve(to, service, c);
    if (v != CHOSEN) return v;
    write_forward(&forward, c);
  }
  struct udp_key back = {.socket = forward.socket, .address = c->address, .port = c->port, .direction = UDP_BACK};
  struct udp_flow *home = bpf_map_lookup_elem(&udp_flows, &back);
  if (home && same(&home->service, &to->key.address) && home->service_port == to->key.port) return CHOSEN;
  write_back(&back, to, c);
  return CHOSEN;
}

SEC("cgroup/sendmsg4")
int sendmsg4(struct bpf_sock_addr *ctx) {
  struct target to = {};
  struct chosen c = {};
  if (ctx->protocol != IPPROTO_UDP || !admit(ctx, &to)) return 1;
  target_v4(ctx, &to);
  enum verdict v = on_send(&to, &c);
  if (v == CHOSEN) write_v4(ctx, &c.address, c.port);
  return v == REFUSED ? refuse() : 1;
}

SEC("cgroup/sendmsg6")
int sendmsg6(struct bpf_sock_addr *ctx) {
  struct target to = {};
  struct chosen c = {};
  if (ctx->protocol != IPPROTO_UDP || !admit(ctx, &to)) return 1;
  target_v6(ctx, &to);
  enum verdict v = on_send(&to, &c);
  if (v == CHOSEN) write_v6(ctx, &c.address, c.port);
  return v == REFUSED ? refuse() : 1;
}

/* The address that the program knows, in place of the endpoint's. True when `out` has it. */
static __always_inline bool address_known(struct bpf_sock_addr *ctx, const struct target *from, bool datagrams,
                                          struct chosen *out) {
  struct socket_state *s = bpf_sk_storage_get(&sockets, ctx->sk, 0, 0);
  if (s && s->backend_port == from->key.port && same(&s->backend, &from->key.address)) {
    out->address = s->service;
    out->port = s->service_port;
    return true;
  }
  if (!datagrams) return false;
  struct udp_key back = {.socket = bpf_get_socket_cookie(ctx),
                         .address = from->key.address,
                         .port = from->key.port,
                         .direction = UDP_BACK};
  struct udp_flow *flow = bpf_map_lookup_elem(&udp_flows, &back);
  if (!flow) return false;
  out->address = flow->service;
  out->port = flow->service_port;
  return true;
}

SEC("cgroup/recvmsg4")
int recvmsg4(struct bpf_sock_addr *ctx) {
  struct target from = {};
  struct chosen c = {};
  target_v4(ctx, &from);
  if (address_known(ctx, &from, true, &c)) write_v4(ctx, &c.address, c.port);
  return 1;
}

SEC("cgroup/recvmsg6")
int recvmsg6(struct bpf_sock_addr *ctx) {
  struct target from = {};
  struct chosen c = {};
  target_v6(ctx, &from);
  if (address_known(ctx, &from, true, &c)) write_v6(ctx, &c.address, c.port);
  return 1;
}

SEC("cgroup/getpeername4")
int getpeername4(struct bpf_sock_addr *ctx) {
  struct target from = {};
  struct chosen c = {};
  target_v4(ctx, &from);
  if (address_known(ctx, &from, false, &c)) write_v4(ctx, &c.address, c.port);
  return 1;
}

SEC("cgroup/getpeername6")
int getpeername6(struct bpf_sock_addr *ctx) {
  struct target from = {};
  struct chosen c = {};
  target_v6(ctx, &from);
  if (address_known(ctx, &from, false, &c)) write_v6(ctx, &c.address, c.port);
  return 1;
}

SEC("cgroup/sock_release")
int sock_release(struct bpf_sock *ctx) {
  struct socket_state *s = bpf_sk_storage_get(&sockets, ctx, 0, 0);
  if (s) give_back(s);
  return 1;
}

char license_of_programs[] SEC("license") = "Apache-2.0";
