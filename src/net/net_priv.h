#pragma once
/* Between net.c (which chooses), socket.c (the kernel's sockets) and net_sim.c (names in memory). */

#include "net/net.h"

/* Descriptors are short: first wait and longest wait before the next accept. */
#define NET_ACCEPT_BACKOFF_MIN (10 * CLOCK_MS)
#define NET_ACCEPT_BACKOFF_MAX CLOCK_SEC
/* So many connections are taken in a row before other fibers get a turn. */
#define NET_ACCEPT_BURST 16
#define NET_BACKLOG      4096
/* RFC 8305 section 5: the recommended Connection Attempt Delay. */
#define NET_ATTEMPT_DELAY (250 * CLOCK_MS)
/* Attempts under way at once; each holds a fiber and a descriptor. */
#define NET_ATTEMPTS_MAX 8
/* A Unix socket's full backlog: connect again after this. */
#define NET_UNIX_RETRY (10 * CLOCK_MS)

struct net_listener_ops {
	struct net_listener *(*clone)(struct net_listener *l, struct err *e);
	FIBER int (*accept)(struct net_listener *l, const struct log *log, struct stream **stream_r,
		struct err *e);
	void (*free)(struct net_listener *l);
};

/* Embedded first in each kind's own struct. */
struct net_listener {
	const struct net_listener_ops *ops;
	struct addr addr;
};

struct net_listener *socket_listen(const struct net_listen_opts *opts, struct err *e);
FIBER struct stream *socket_connect(
	const struct addr *to, const struct addr *from, int64_t deadline_ns, struct err *e);
/** The descriptor when `f` is a socket filter, else -1. */
int socket_filter_fd(const struct filter *f);

struct net_listener *net_sim_listen(const struct net_listen_opts *opts, void **slot, struct err *e);
FIBER struct stream *net_sim_connect(const struct addr *to, const struct addr *from, void **slot,
	int64_t deadline_ns, struct err *e);

/** Errors of the wire reach as far as the peer, later may work (a cancelled fiber is our own). */
static inline int net_err_peer(struct err *e)
{
	if (e && e->code != ERR_CANCELLED)
		err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
	return -1;
}
