#pragma once
/* Listening and connecting. On loop_uv these are sockets; on loop_sim, names in memory. */

#include "net/stream.h"

struct net_listener;

struct net_listen_opts {
	struct addr addr;
	int fd; /* >= 0: socket activation, addr is read from it; -1: bind addr */
	bool is_reuseport;
	int backlog;      /* 0: 4096 (the kernel clips) */
	mode_t unix_mode; /* permission bits of a Unix socket; an old socket file is replaced */
};

/** Bind and listen. ERR_EXISTS when somebody holds the address. Does not yield. */
struct net_listener *net_listen(const struct net_listen_opts *opts, struct err *e);
void net_listener_free(struct net_listener **l);
const struct addr *net_listener_addr(const struct net_listener *l);
/** A listener on the same address for another loop (SO_REUSEPORT; a Unix socket's or an inherited
 * socket's descriptor is shared). Call on the loop that will accept. */
struct net_listener *net_listener_clone(struct net_listener *l, struct err *e);
/** Next connection. On EMFILE, ENFILE and the like it logs once, backs off (10 ms doubling to 1 s)
 * and tries again: it never spins. ERR_CANCELLED ends it. */
FIBER int net_accept(
	struct net_listener *l, const struct log *log, struct stream **stream_r, struct err *e);

/** Connect to one address. `from` (may be NULL) is the source address. */
FIBER struct stream *net_connect(
	const struct addr *to, const struct addr *from, int64_t deadline_ns, struct err *e);
/* Where connections come from. */
struct net_source {
	const struct addr *in4, *in6; /* source addresses; NULL: the system chooses */
	/* result: an IPv6 address could not be tried, because there is no route from here */
	bool has_no_ip6;
};
/** Happy eyeballs (RFC 8305): the addresses are in the order of preference; families take turns,
 * beginning with that of the first (section 4). The next one is tried 250 ms after the one before,
 * or at once when that failed; the first that connects wins, `*which_r` is its index. `source` may be
 * NULL. */
FIBER struct stream *net_connect_any(const struct addr *to, size_t count, struct net_source *source,
	int64_t deadline_ns, size_t *which_r, struct err *e);

/** Peer's process credentials of a Unix socket: uid, or -1. */
int net_peer_uid(const struct stream *s);
/** The socket's descriptor at the bottom, or -1. */
int net_fd(const struct stream *s);
