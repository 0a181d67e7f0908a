#include "services/pool/egress.h"

#include <stdlib.h>

#include "base/mem.h"
#include "services/pool/pool_priv.h"

static int wrong(struct err *e, const char *what, struct span text)
{
	return err_set(
		e, ERR_SYNTAX, "'" SPAN_FMT "' is not %s", SPAN_ARG(span_sub(text, 0, 80)), what);
}

int egress_proxy_read(struct span text, struct egress_proxy *proxy_r, struct err *e)
{
	static const char *const form = "a proxy (socks5://[user:password@]host[:port])";
	struct span rest = text, login = SPAN_NONE;
	struct addr to;
	ptrdiff_t at;

	*proxy_r = (struct egress_proxy){.port = EGRESS_SOCKS_PORT};
	if (!text.len)
		return 0;
	if (!span_starts_nocase(text, SPAN("socks5://")))
		return wrong(e, form, text);
	rest = span_skip(rest, 9);
	at = span_rfind(rest, '@');
	if (at >= 0) {
		login = span_sub(rest, 0, (size_t)at);
		rest = span_skip(rest, (size_t)at + 1);
		span_cut(login, ':', &proxy_r->user, &proxy_r->password);
		if (!proxy_r->user.len)
			return wrong(e, form, text);
	}
	if (addr_parse_ip(rest, 0, &to)) { /* IPv6 without brackets */
		proxy_r->host = rest;
		return 0;
	}
	at = span_rfind(rest, ':');
	if (at >= 0 && span_find(rest, ']') < at) {
		uint64_t port;

		if (!span_u64_max(span_skip(rest, (size_t)at + 1), UINT16_MAX, &port) || !port)
			return wrong(e, form, text);
		proxy_r->port = (uint16_t)port;
		rest = span_sub(rest, 0, (size_t)at);
	}
	if (rest.len > 2 && rest.ptr[0] == '[' && rest.ptr[rest.len - 1] == ']')
		rest = span_sub(rest, 1, rest.len - 2);
	proxy_r->host = rest;
	return rest.len && span_find(rest, '/') < 0 ? 0 : wrong(e, form, text);
}

int egress_read(const struct road_egress *row, struct egress *egress_r, struct err *e)
{
	*egress_r = (struct egress){
		.name = row->name, .hostname = row->hostname, .is_ptr_needed = row->is_ptr_needed};
	if (row->address4.len &&
		(!addr_parse_ip(row->address4, 0, &egress_r->in4) ||
			egress_r->in4.sa.sa_family != AF_INET))
		return wrong(e, "an IPv4 address", row->address4);
	if (row->address6.len &&
		(!addr_parse_ip(row->address6, 0, &egress_r->in6) ||
			egress_r->in6.sa.sa_family != AF_INET6))
		return wrong(e, "an IPv6 address", row->address6);
	if (egress_proxy_read(row->proxy, &egress_r->proxy, e) < 0)
		return -1;
	if (egress_r->proxy.host.len && (egress_r->in4.len || egress_r->in6.len))
		return err_set(e, ERR_SYNTAX,
			"behind a proxy the source address is the proxy's: give one or the other");
	if (row->is_ptr_needed && !egress_r->in6.len)
		return err_set(e, ERR_SYNTAX,
			"a name that leads back is asked of an IPv6 source address: give one");
	return 0;
}

/* Under the lock: one of the rows of that name, by weight. */
static const struct road_egress *choose(const struct pools *p, struct span name)
{
	const struct pool_tables *t = p->tables;
	uint64_t sum = 0, at;

	for (size_t i = 0; t && i < t->egress_count; i++)
		sum += span_eq(t->egresses[i].name, name) ? t->egresses[i].weight : 0;
	if (sum == 0)
		return NULL;
	at = loop_random() % sum;
	for (size_t i = 0; i < t->egress_count; i++) {
		if (!span_eq(t->egresses[i].name, name))
			continue;
		if (at < t->egresses[i].weight)
			return &t->egresses[i];
		at -= t->egresses[i].weight;
	}
	return NULL;
}

int egress_pick(
	struct pools *p, struct arena *a, struct span name, struct egress *egress_r, struct err *e)
{
	const struct road_egress *chosen;
	struct road_egress row = {0};

	*egress_r = (struct egress){0};
	pthread_mutex_lock(&p->lock);
	chosen = choose(p, name.len ? name : SPAN(EGRESS_DEFAULT));
	if (chosen) {
		row = *chosen;
		row.name = arena_span(a, row.name);
		row.address4 = arena_span(a, row.address4);
		row.address6 = arena_span(a, row.address6);
		row.hostname = arena_span(a, row.hostname);
		row.proxy = arena_span(a, row.proxy);
	}
	pthread_mutex_unlock(&p->lock);
	if (!chosen && name.len)
		return err_set(e, ERR_NOT_FOUND, "there is no egress " SPAN_FMT, SPAN_ARG(name));
	if (chosen && egress_read(&row, egress_r, e) < 0) {
		err_wrap(e, "egress " SPAN_FMT, SPAN_ARG(row.name));
		if (e)
			e->code = ERR_CONFIG;
		return -1;
	}
	return 0;
}

/* ---- names that lead back --------------------------------------------------------------------- */

struct pool_ptr {
	bool is_good;
	int64_t until_ns; /* mono */
};

static struct span ptr_key(const struct addr *address)
{
	return span_of((const char *)&address->in6.sin6_addr, sizeof(address->in6.sin6_addr));
}

enum egress_ptr egress_ptr(struct pools *p, const struct addr *address)
{
	enum egress_ptr found = EGRESS_PTR_UNKNOWN;
	const struct pool_ptr *r;

	pthread_mutex_lock(&p->lock);
	r = hash_map_get(&p->ptrs, ptr_key(address));
	if (r && r->until_ns > loop_now_ns())
		found = r->is_good ? EGRESS_PTR_GOOD : EGRESS_PTR_BAD;
	pthread_mutex_unlock(&p->lock);
	return found;
}

void egress_ptr_found(struct pools *p, const struct addr *address, bool is_good)
{
	struct pool_ptr *r = NEW(struct pool_ptr);

	r->is_good = is_good;
	r->until_ns = loop_now_ns() + (is_good ? EGRESS_PTR_GOOD_NS : EGRESS_PTR_BAD_NS);
	pthread_mutex_lock(&p->lock);
	/* Only source addresses of rows come here; many of them come and go in a long life. */
	if (hash_map_count(&p->ptrs) >= EGRESS_PTRS_MAX)
		pool_ptrs_clear(p);
	free(hash_map_set(&p->ptrs, ptr_key(address), r));
	pthread_mutex_unlock(&p->lock);
}
