#include "services/host/host_priv.h"

/* The guard's wiring: its limits and whom it trusts come from the configuration. */

static void limits_of(const struct config *c, struct guard_limits *l)
{
	*l = (struct guard_limits){.network_failures = (unsigned)c->guard.network_failures,
		.network_ns = c->guard.network_time,
		.account_failures = (unsigned)c->guard.account_failures,
		.account_ns = c->guard.account_time,
		.ban_ns = c->guard.ban_time,
		.ban_max_ns = c->guard.ban_max,
		.known_ns = c->guard.known_time,
		.entries_max = (size_t)c->guard.entries};
}

static void add(struct addr_net *all, size_t *count, const struct config_nets *nets)
{
	for (size_t i = 0; i < nets->count; i++)
		all[(*count)++] = nets->items[i];
}

/* What is never banned: networks that may relay, proxies (they speak for others), and those that the
 * administrator names. In `a`. */
static struct addr_net *trusted_of(struct arena *a, const struct config *c, size_t *count_r)
{
	size_t max = c->relay_networks.count + c->guard.trusted.count;
	struct addr_net *all;

	for (size_t i = 0; i < c->listener_count; i++)
		max += c->listeners[i].proxy_networks.count;
	all = ARENA_ARRAY(a, struct addr_net, max + 1);
	*count_r = 0;
	add(all, count_r, &c->relay_networks);
	add(all, count_r, &c->guard.trusted);
	for (size_t i = 0; i < c->listener_count; i++)
		add(all, count_r, &c->listeners[i].proxy_networks);
	return all;
}

struct guard *host_guard_make(const struct config *c, struct store *store, const struct log *log)
{
	struct arena *a = arena_new();
	struct guard_opts opts = {.store = store, .log = log};
	struct guard *g;

	if (c) {
		limits_of(c, &opts.limits);
		opts.trusted = trusted_of(a, c, &opts.trusted_count);
	} else {
		guard_limits_default(&opts.limits);
	}
	g = guard_new(&opts);
	arena_free(&a);
	return g;
}

void host_guard_reload(struct host *h, const struct config *c)
{
	struct arena *a = arena_new();
	struct guard_limits limits;
	size_t count;
	const struct addr_net *trusted = trusted_of(a, c, &count);

	limits_of(c, &limits);
	guard_limits_set(h->guard, &limits, trusted, count);
	arena_free(&a);
}

void host_guard_put_status(struct host *h, struct json_out *j)
{
	struct guard_counters c;

	guard_counters(h->guard, &c);
	json_key(j, "guard");
	json_open_object(j);
	json_kv_u64(j, "failures", c.failures);
	json_kv_u64(j, "repeated", c.repeated);
	json_kv_u64(j, "waits", c.waits);
	json_kv_u64(j, "bans", c.bans);
	json_kv_u64(j, "refused", c.refused);
	json_kv_u64(j, "rules", c.rules);
	json_kv_u64(j, "networks", c.networks);
	json_kv_u64(j, "accounts", c.accounts);
	json_close(j);
}
