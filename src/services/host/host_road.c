#include <ifaddrs.h>
#include <string.h>

#include "services/host/host_priv.h"

/* The roads' wiring: pools of next hops, what is known of the way out, who we are ourselves. */

/* ---- our own addresses ------------------------------------------------------------------------- */

static struct addr *self_add(struct host *h, const struct addr *a)
{
	size_t n = h->outbound.self_count;
	struct addr *self = (struct addr *)h->outbound.self;

	if ((n & (n - 1)) == 0) { /* grows at powers of two */
		struct addr *grown = ARENA_ARRAY(h->arena, struct addr, n ? n * 2 : 1);

		if (n)
			memcpy(grown, self, n * sizeof(*grown));
		h->outbound.self = self = grown;
	}
	self[n] = *a;
	h->outbound.self_count = n + 1;
	return &self[n];
}

static bool is_any(const struct addr *a)
{
	return a->sa.sa_family == AF_INET ? a->in4.sin_addr.s_addr == INADDR_ANY
					  : IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr);
}

/* A listener on 0.0.0.0 is reached at every address of the machine. */
static void self_add_all(struct host *h, const struct ifaddrs *all, const struct addr *bound)
{
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		struct addr a = {0};

		if (!i->ifa_addr || i->ifa_addr->sa_family != bound->sa.sa_family)
			continue;
		a.len = i->ifa_addr->sa_family == AF_INET ? sizeof(a.in4) : sizeof(a.in6);
		memcpy(&a.sa, i->ifa_addr, a.len);
		addr_set_port(&a, addr_port(bound));
		self_add(h, &a);
	}
}

static void self_addrs(struct host *h)
{
	struct ifaddrs *all = NULL;

	if (getifaddrs(&all) < 0)
		all = NULL;
	for (size_t i = 0; i < h->bound_count; i++) {
		const struct addr *a = &h->bounds[i].addr;

		if (!addr_is_ip(a))
			continue;
		self_add(h, a);
		if (is_any(a))
			self_add_all(h, all, a);
	}
	if (all)
		freeifaddrs(all);
}

/* ---- pools -------------------------------------------------------------------------------------- */

static FIBER int probe(void *arg, struct span destination, int64_t until_ns, struct err *e)
{
	struct host *h = arg;

	return outbound_probe(&h->outbound, destination, until_ns, e);
}

void host_road_new(struct host *h)
{
	struct pool_opts opts = {.store = h->store, .log = &h->log, .probe = probe, .arg = h};

	h->pools = pools_new(&opts);
	h->outbound.pools = h->pools;
	h->outbound.net = &h->outbound_net;
	self_addrs(h);
}

FIBER int host_road_begin(struct host *h, struct err *e)
{
	if (pools_load(h->pools, e) < 0)
		return -1;
	fiber_group_init(&h->road);
	h->is_road_begun = true;
	return fiber_start(&h->road, "pool-keep", pools_keep, h->pools, e);
}

FIBER void host_road_end(struct host *h)
{
	if (!h->is_road_begun)
		return;
	fiber_group_cancel(&h->road);
	fiber_group_join(&h->road);
}

void host_road_free(struct host *h)
{
	pools_free(&h->pools);
}

FIBER int host_road_changed(struct host *h, struct err *e)
{
	if (pools_load(h->pools, e) < 0)
		return -1;
	/* What was down because of the old words is tried with the new ones. */
	host_queue_forgive(h);
	return 0;
}

void host_road_put_status(struct host *h, struct json_out *j)
{
	struct pool_counts counts;

	pool_counts(h->pools, &counts);
	json_key(j, "pools");
	json_open_object(j);
	json_kv_u64(j, "pools", counts.pools);
	json_kv_u64(j, "members", counts.members);
	json_kv_u64(j, "down", counts.down);
	json_close(j);
}
