/* Listening and connecting on loop_sim: addresses are names in memory, connections are stream
 * pairs, a round trip takes NET_SIM_RTT. The list of names hangs on the loop (loop_sim_slot) and is
 * empty again when all listeners are freed.
 *
 * An address where nobody listens refuses after a round trip, except those of the networks
 * 192.0.2.0/24 (RFC 5737) and 100::/64 (RFC 6666): there packets vanish, for tests of patience. To
 * 2001:2::/48 (RFC 5180) there is no route: that is known at once. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/net_priv.h"

#define NET_SIM_LATENCY   CLOCK_MS /* one way */
#define NET_SIM_RTT       (2 * NET_SIM_LATENCY)
#define NET_SIM_BACKLOG   128
#define NET_SIM_PORT_BASE 40000 /* what port 0 gives, counting up */

struct sim_name;

struct sim_listener {
	struct net_listener listener;
	struct sim_name *name;
};

/* One address; clones share it. */
struct sim_name {
	struct sim_name *next;
	void **slot;
	struct addr addr;
	struct fiber_chan waiting; /* struct stream: connected, not accepted */
	unsigned listeners;
};

static bool sim_is_any(const struct addr *a)
{
	static const struct in6_addr any6 = IN6ADDR_ANY_INIT;

	if (a->sa.sa_family == AF_INET)
		return a->in4.sin_addr.s_addr == INADDR_ANY;
	return a->sa.sa_family == AF_INET6 && memcmp(&a->in6.sin6_addr, &any6, 16) == 0;
}

static struct sim_name *sim_find(void **slot, const struct addr *to)
{
	for (struct sim_name *n = *slot; n; n = n->next) {
		if (addr_eq(&n->addr, to))
			return n;
		if (addr_is_ip(to) && addr_port(to) == addr_port(&n->addr) && sim_is_any(&n->addr))
			return n;
	}
	return NULL;
}

static void sim_pick_port(void **slot, struct addr *a)
{
	for (uint16_t port = NET_SIM_PORT_BASE; port; port++) {
		addr_set_port(a, port);
		if (!sim_find(slot, a))
			return;
	}
}

static struct net_listener *sim_clone(struct net_listener *base, struct err *e);
static FIBER int sim_accept(
	struct net_listener *base, const struct log *log, struct stream **stream_r, struct err *e);
static void sim_free(struct net_listener *base);

static const struct net_listener_ops sim_ops = {
	.clone = sim_clone,
	.accept = sim_accept,
	.free = sim_free,
};

static struct net_listener *sim_listener_new(struct sim_name *n)
{
	struct sim_listener *l = NEW(struct sim_listener);

	l->listener.ops = &sim_ops;
	l->listener.addr = n->addr;
	l->name = n;
	n->listeners++;
	return &l->listener;
}

struct net_listener *net_sim_listen(const struct net_listen_opts *opts, void **slot, struct err *e)
{
	struct addr addr = opts->addr;
	struct sim_name *n;

	if (opts->fd >= 0 || (!addr_is_ip(&addr) && !addr_is_unix(&addr))) {
		err_set(e, ERR_UNSUPPORTED, "no such listener in a simulation");
		return NULL;
	}
	if (addr_is_ip(&addr) && addr_port(&addr) == 0)
		sim_pick_port(slot, &addr);
	if (sim_find(slot, &addr)) {
		err_set(e, ERR_EXISTS, "somebody else listens there");
		return NULL;
	}
	n = NEW(struct sim_name);
	n->addr = addr;
	n->slot = slot;
	n->next = *slot;
	*slot = n;
	fiber_chan_init(&n->waiting, NET_SIM_BACKLOG);
	return sim_listener_new(n);
}

static struct net_listener *sim_clone(struct net_listener *base, struct err *e)
{
	return sim_listener_new(((struct sim_listener *)base)->name);
}

static FIBER int sim_accept(
	struct net_listener *base, const struct log *log, struct stream **stream_r, struct err *e)
{
	struct sim_name *n = ((struct sim_listener *)base)->name;
	void *item;

	if (fiber_chan_get(&n->waiting, &item, CLOCK_NEVER, e) < 0)
		return -1;
	*stream_r = item;
	return 0;
}

static void sim_free(struct net_listener *base)
{
	struct sim_name *n = ((struct sim_listener *)base)->name;
	struct sim_name **at = (struct sim_name **)n->slot;

	free(base);
	if (--n->listeners)
		return;
	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	/* Who was connected and never accepted sees the end. */
	while (n->waiting.count) {
		struct stream *s = n->waiting.slots[n->waiting.from];

		n->waiting.from = (n->waiting.from + 1) % n->waiting.cap;
		n->waiting.count--;
		stream_free(&s);
	}
	fiber_chan_fini(&n->waiting);
	free(n);
}

static bool sim_is_black_hole(const struct addr *to)
{
	struct addr_net hole;

	return (addr_net_parse(SPAN("192.0.2.0/24"), &hole, NULL) == 0 &&
		       addr_net_has(&hole, to)) ||
		(addr_net_parse(SPAN("100::/64"), &hole, NULL) == 0 && addr_net_has(&hole, to));
}

static bool sim_has_route(const struct addr *to)
{
	struct addr_net none;

	return addr_net_parse(SPAN("2001:2::/48"), &none, NULL) < 0 || !addr_net_has(&none, to);
}

static FIBER int sim_travel(
	const struct addr *to, bool is_heard, int64_t deadline_ns, struct err *e)
{
	int64_t now = loop_now_ns(), takes = NET_SIM_RTT;

	if (!is_heard && sim_is_black_hole(to))
		takes = CLOCK_NEVER - now;
	if (takes > deadline_ns - now) {
		if (deadline_ns > now && fiber_sleep(deadline_ns - now, e) < 0)
			return -1;
		return err_set(e, ERR_TIMEOUT, "connecting");
	}
	return fiber_sleep(takes, e);
}

static void sim_client_addr(const struct addr *to, const struct addr *from, struct addr *addr_r)
{
	*addr_r = from && from->len ? *from : *to;
	if (addr_is_ip(addr_r) && addr_port(addr_r) == (from ? 0 : addr_port(to)))
		addr_set_port(addr_r, (uint16_t)(49152 + loop_random() % 16384));
}

FIBER struct stream *net_sim_connect(const struct addr *to, const struct addr *from, void **slot,
	int64_t deadline_ns, struct err *e)
{
	struct stream *ours, *theirs;
	struct sim_name *n;

	if (!sim_has_route(to)) {
		err_sys(e, ENETUNREACH, "connecting");
		net_err_peer(e);
		return NULL;
	}
	if (sim_travel(to, sim_find(slot, to) != NULL, deadline_ns, e) < 0) {
		net_err_peer(e);
		return NULL;
	}
	/* Looked up again: the listener may have gone meanwhile. */
	n = sim_find(slot, to);
	if (!n || n->waiting.count == n->waiting.cap) {
		err_sys(e, ECONNREFUSED, "connecting");
		net_err_peer(e);
		return NULL;
	}
	stream_pair(&ours, &theirs, NET_SIM_LATENCY);
	ours->peer = *to;
	theirs->local = *to;
	sim_client_addr(to, from, &ours->local);
	theirs->peer = ours->local;
	if (addr_is_unix(to))
		theirs->peer.len = sizeof(sa_family_t); /* a client without a name */
	fiber_chan_try_put(&n->waiting, theirs);
	return ours;
}
