#include <string.h>
#include <sys/random.h>

#include "base/enc.h"
#include "store/directory.h"
#include "services/host/host_priv.h"

/* The filter hop's wiring: where mail goes to be looked at, and that it cannot go round in circles. */

#define FILTER_KEY "filter.key"

int host_filter_hop(struct arena *a, const struct config *c, struct span *key_r, struct err *e)
{
	*key_r = SPAN_NONE;
	if (!c->filter.next_hop[0])
		return 0;
	if (router_hop_key(a, span_str(c->filter.next_hop), false, key_r, e) < 0)
		return err_wrap(e, "filter");
	return 0;
}

static bool is_filtered_listener(const struct host *h)
{
	for (size_t i = 0; i < h->config->listener_count; i++) {
		if (h->config->listeners[i].is_filtered)
			return true;
	}
	return false;
}

static bool is_self(const struct host *h, const struct addr *to)
{
	for (size_t i = 0; i < h->outbound.self_count; i++) {
		if (addr_same_ip(to, &h->outbound.self[i]) &&
			addr_port(to) == addr_port(&h->outbound.self[i]))
			return true;
	}
	return false;
}

/* "[host]:port" as the addresses that need no look-up. */
static bool leads_home(const struct host *h, struct span key)
{
	ptrdiff_t close = span_rfind(key, ']');
	struct span host = close > 0 ? span_sub(key, 1, (size_t)close - 1) : SPAN_NONE;
	struct addr to;
	uint64_t port;

	if (!host.len || !span_u64_max(span_skip(key, (size_t)close + 2), UINT16_MAX, &port))
		return false;
	if (span_eq_nocase(host, SPAN("localhost")))
		return (addr_parse_ip(SPAN("127.0.0.1"), (uint16_t)port, &to) && is_self(h, &to)) ||
			(addr_parse_ip(SPAN("::1"), (uint16_t)port, &to) && is_self(h, &to));
	if (span_eq_nocase(host, span_str(h->config->hostname))) {
		for (size_t i = 0; i < h->outbound.self_count; i++) {
			if (addr_port(&h->outbound.self[i]) == port)
				return true;
		}
	}
	return addr_parse_ip(host, (uint16_t)port, &to) && is_self(h, &to);
}

static bool is_own_socket(const struct host *h, struct span key)
{
	struct addr to;

	if (!span_starts(key, SPAN("unix:")) || addr_parse(key, 0, &to, NULL) < 0)
		return false;
	for (size_t i = 0; i < h->bound_count; i++) {
		if (addr_eq(&h->bounds[i].addr, &to))
			return true;
	}
	return false;
}

int host_filter_check(struct host *h, const struct config *c, struct err *e)
{
	struct arena *a = arena_new();
	struct span key;
	int rc = host_filter_hop(a, c, &key, e);

	if (rc == 0 && key.len && (leads_home(h, key) || is_own_socket(h, key)))
		rc = err_set(e, ERR_CONFIG,
			"filter: next_hop \"%s\" is a listener of this station: mail would go round in "
			"circles",
			c->filter.next_hop);
	else if (rc == 0 && key.len && !is_filtered_listener(h))
		rc = err_set(e, ERR_CONFIG,
			"filter: there is no listener with filtered = yes where mail could come back");
	arena_free(&a);
	return rc;
}

FIBER int host_filter_begin(struct host *h, struct err *e)
{
	struct arena *a = arena_new();
	struct span hex = SPAN_NONE;
	struct err why = {0};
	struct buf b;
	int rc = directory_setting(h->store, a, SPAN(FILTER_KEY), &hex, &why);

	buf_init(&b, 2 * sizeof(h->filter_secret) + 1);
	if (rc < 0 && why.code != ERR_NOT_FOUND) {
		rc = err_copy(e, &why);
	} else if (rc == 0 && enc_get_hex(&b, hex) && buf_len(&b) == sizeof(h->filter_secret)) {
		memcpy(h->filter_secret, buf_span(&b).ptr, sizeof(h->filter_secret));
	} else if (getrandom(h->filter_secret, sizeof(h->filter_secret), 0) !=
		sizeof(h->filter_secret)) {
		rc = err_set(e, ERR_IO, "no random numbers");
	} else {
		buf_clear(&b);
		enc_put_hex(&b, span_of(h->filter_secret, sizeof(h->filter_secret)));
		rc = directory_setting_set(h->store, SPAN(FILTER_KEY), buf_span(&b), e);
	}
	buf_fini(&b);
	arena_free(&a);
	return rc;
}
