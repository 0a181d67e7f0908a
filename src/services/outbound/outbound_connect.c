/* From a host's addresses to a stream: where the connection goes out from, which families may be tried,
 * through which proxy. */

#include <stdatomic.h>

#include "base/must.h"
#include "run/fiber.h"
#include "net/socks.h"
#include "services/outbound/outbound_priv.h"
#include "services/router/destination.h"

/* ---- names that lead back (FCrDNS) -------------------------------------------------------------- */

#define PTR_NAME_MAX 80 /* 32 nibbles with their dots, and "ip6.arpa" */

/* RFC 3596 section 2.5, RFC 1035 section 3.5. */
static struct span ptr_name(struct arena *a, const struct addr *address)
{
	static const char hex[] = "0123456789abcdef";
	struct span name;
	struct buf b;

	buf_init(&b, PTR_NAME_MAX);
	if (address->sa.sa_family == AF_INET) {
		const unsigned char *p = (const unsigned char *)&address->in4.sin_addr;

		buf_printf(&b, "%u.%u.%u.%u.in-addr.arpa", p[3], p[2], p[1], p[0]);
	} else {
		for (size_t i = 16; i-- > 0;) {
			unsigned char c = address->in6.sin6_addr.s6_addr[i];

			buf_char(&b, hex[c & 15]);
			buf_char(&b, '.');
			buf_char(&b, hex[c >> 4]);
			buf_char(&b, '.');
		}
		buf_str(&b, "ip6.arpa");
	}
	name = arena_span(a, buf_span(&b));
	buf_fini(&b);
	return name;
}

FIBER int outbound_leads_back(struct dns *dns, struct arena *a, const struct addr *address,
	struct span *name_r, bool *is_back_r, struct err *e)
{
	enum dns_type type = address->sa.sa_family == AF_INET ? DNS_A : DNS_AAAA;
	int64_t until = loop_now_ns() + OUTBOUND_DNS_NS;
	struct dns_answer names, addrs;

	*name_r = SPAN_NONE;
	*is_back_r = false;
	if (dns_query(dns, a, ptr_name(a, address), DNS_PTR, until, &names, e) < 0)
		return -1;
	for (size_t i = 0; names.status == DNS_OK && i < names.count && !*is_back_r; i++) {
		*name_r = names.rr[i].name;
		if (dns_query(dns, a, *name_r, type, until, &addrs, e) < 0) {
			if (!e || e->code != ERR_SYNTAX)
				return -1;
			continue;
		}
		for (size_t k = 0; addrs.status == DNS_OK && k < addrs.count; k++)
			*is_back_r = *is_back_r || addr_same_ip(&addrs.rr[k].addr, address);
	}
	return 0;
}

/* ---- the source --------------------------------------------------------------------------------- */

/* An IPv6 source that must have its name: without it large providers refuse what they would take
 * over IPv4. */
static FIBER bool is_ip6_fit(struct outbound_link *l)
{
	const struct outbound_opts *o = l->carrier->opts;
	const struct egress *g = &l->egress;
	enum egress_ptr known;
	struct err e = {0};
	struct span name;
	bool is_back;

	if (!g->is_ptr_needed || !o->dns)
		return true;
	known = egress_ptr(o->pools, &g->in6);
	if (known != EGRESS_PTR_UNKNOWN)
		return known == EGRESS_PTR_GOOD;
	if (outbound_leads_back(o->dns, l->arena, &g->in6, &name, &is_back, &e) < 0)
		return false;
	egress_ptr_found(o->pools, &g->in6, is_back);
	if (!is_back)
		log_event(o->log, LOG_WARN, "outbound.egress.ptr", LF("egress", g->name),
			LF("name", name),
			LF_STR("reason", "the IPv6 address has no name that leads back to it"));
	return is_back;
}

FIBER int outbound_egress(struct outbound_link *l, struct err *e)
{
	const struct outbound_opts *o = l->carrier->opts;
	struct destination d;

	if (!o->pools || destination_cut(l->carrier->destination, &d, NULL) < 0)
		return 0;
	if (egress_pick(o->pools, l->arena, d.egress, &l->egress, e) < 0) {
		err_smtp(e, 0, 4, 3, 5);
		return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
	}
	l->is_ip6_off = l->egress.in4.len > 0 && l->egress.in6.len == 0;
	l->is_ip4_off = l->egress.in6.len > 0 && l->egress.in4.len == 0;
	if (l->egress.in6.len > 0 && !is_ip6_fit(l)) {
		l->is_ip6_off = true;
		l->is_ip4_off = false;
	}
	return 0;
}

/* Without a route to IPv6, which is found out once for all hosts, only IPv4 is tried for a while. */
static bool is_ip6_lost(const struct outbound_link *l)
{
	const struct outbound_net *net = l->carrier->opts->net;

	return net && l->egress.in6.len == 0 &&
		atomic_load_explicit(&net->no_ip6_ns, memory_order_relaxed) > loop_now_ns();
}

/* The addresses that this egress can reach, in their order. */
static size_t choose_addrs(
	const struct outbound_link *l, const struct outbound_host *host, struct addr *to)
{
	bool has_ip4 = false;
	size_t count = 0;

	for (size_t i = 0; i < host->addr_count; i++)
		has_ip4 = has_ip4 || host->addrs[i].sa.sa_family == AF_INET;
	for (size_t i = 0; i < host->addr_count; i++) {
		sa_family_t family = host->addrs[i].sa.sa_family;

		if ((family == AF_INET && l->is_ip4_off) || (family == AF_INET6 && l->is_ip6_off))
			continue;
		if (family == AF_INET6 && has_ip4 && !l->is_ip4_off && is_ip6_lost(l))
			continue;
		to[count++] = host->addrs[i];
	}
	return count;
}

/* ---- connecting --------------------------------------------------------------------------------- */

static FIBER struct stream *connect_direct(struct outbound_link *l, const struct addr *to,
	size_t count, int64_t until_ns, size_t *which_r, struct err *e)
{
	const struct outbound_opts *o = l->carrier->opts;
	struct net_source source = {.in4 = l->egress.in4.len ? &l->egress.in4 : NULL,
		.in6 = l->egress.in6.len ? &l->egress.in6 : NULL};
	struct stream *s = net_connect_any(to, count, &source, until_ns, which_r, e);

	if (source.has_no_ip6 && !source.in6 && o->net)
		atomic_store_explicit(&o->net->no_ip6_ns, loop_now_ns() + OUTBOUND_IP6_FORGET,
			memory_order_relaxed);
	return s;
}

static FIBER struct stream *connect_proxy(
	struct outbound_link *l, const struct addr *to, int64_t until_ns, struct err *e)
{
	const struct egress_proxy *proxy = &l->egress.proxy;
	struct outbound_hops *fixed = ARENA_NEW(l->txn, struct outbound_hops);
	struct outbound_host *host = ARENA_NEW(l->txn, struct outbound_host);
	struct stream *s = NULL;
	struct span text;
	struct buf b;
	size_t which;

	fixed->is_fixed = true;
	fixed->port = proxy->port;
	host->name = proxy->host;
	if (addr_parse_ip(proxy->host, proxy->port, &host->addrs[0]))
		host->addr_count = 1;
	if (outbound_addrs(l->carrier->opts, fixed, host, e) == 0)
		s = net_connect_any(host->addrs, host->addr_count, NULL, until_ns, &which, e);
	if (!s) {
		err_wrap(e, "SOCKS5 proxy");
		return NULL;
	}
	s->deadline_ns = until_ns;
	buf_init(&b, ADDR_TEXT_MAX);
	addr_put_ip(&b, to);
	text = buf_span(&b);
	if (socks_connect(s, proxy->user, proxy->password, text, addr_port(to), e) < 0)
		stream_free(&s);
	buf_fini(&b);
	return s;
}

/* A proxy tells only at the end of its own patience: one address after the other. */
static FIBER struct stream *connect_by_proxy(struct outbound_link *l, const struct addr *to,
	size_t count, size_t *which_r, struct err *e)
{
	struct stream *s = NULL;

	for (size_t i = 0; i < count && !s; i++) {
		err_clear(e);
		s = connect_proxy(l, &to[i], loop_now_ns() + OUTBOUND_CONNECT_NS, e);
		*which_r = i;
		if (!s && e->code == ERR_CANCELLED)
			break;
	}
	return s;
}

FIBER struct stream *outbound_connect(struct outbound_link *l, const struct outbound_host *host,
	struct addr *peer_r, struct err *e)
{
	struct addr *to = ARENA_ARRAY(l->arena, struct addr, OUTBOUND_ADDRS_MAX);
	size_t count = choose_addrs(l, host, to), which = 0;
	struct stream *s;

	if (count == 0) {
		err_set(e, ERR_CONFIG, "egress " SPAN_FMT " has no source address for " SPAN_FMT,
			SPAN_ARG(l->egress.name), SPAN_ARG(host->name));
		err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
		return NULL;
	}
	if (l->egress.proxy.host.len && addr_is_ip(&to[0]))
		s = connect_by_proxy(l, to, count, &which, e);
	else
		s = connect_direct(l, to, count, loop_now_ns() + OUTBOUND_CONNECT_NS, &which, e);
	*peer_r = to[which];
	return s;
}
