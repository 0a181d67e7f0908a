/* Where a destination's mail goes: MX hosts in their order (RFC 5321 section 5.1), a fixed next hop,
 * or a socket. */

#include <string.h>

#include "base/must.h"
#include "run/fiber.h"
#include "services/outbound/outbound_priv.h"
#include "services/router/destination.h"

#define SMTP_PORT 25

/* ---- fixed next hops: "[host]:port", "unix:/path" --------------------------------------------- */

static int hops_fixed(struct arena *a, struct span key, struct outbound_hops *h, struct err *e)
{
	struct outbound_host *host = &h->hosts[0];
	ptrdiff_t close = span_rfind(key, ']');
	uint64_t port;

	h->is_fixed = true;
	h->count = 1;
	if (span_starts(key, SPAN("unix:"))) {
		host->addr_count = 1;
		return addr_parse(key, 0, &host->addrs[0], e);
	}
	if (close < 1 || (size_t)close + 2 >= key.len || key.ptr[close + 1] != ':' ||
		!span_u64_max(span_skip(key, (size_t)close + 2), 65535, &port))
		return err_set(e, ERR_CONFIG, "'" SPAN_FMT "' is no next hop", SPAN_ARG(key));
	h->port = (uint16_t)port;
	host->name = arena_span(a, span_sub(key, 1, (size_t)close - 1));
	if (addr_parse_ip(host->name, h->port, &host->addrs[0])) {
		host->name = SPAN_NONE;
		host->addr_count = 1;
	}
	return 0;
}

/* ---- MX --------------------------------------------------------------------------------------- */

static int no_answer(struct err *e, struct span name, const struct dns_answer *ans)
{
	err_set(e, ERR_DNS, "looking up " SPAN_FMT ": %s", SPAN_ARG(name),
		dns_status_str(ans->status));
	err_smtp(e, 0, 4, 4, 3);
	return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
}

static int never(struct err *e, unsigned subject, unsigned detail)
{
	err_smtp(e, 0, 5, subject, detail);
	return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_NEVER);
}

/* Best preference first, at random among equals: a key of preference and chance. */
static void sort_mx(struct dns_rr *rr, size_t count)
{
	uint64_t keys[DNS_RR_MAX];

	for (size_t i = 0; i < count; i++)
		keys[i] = (uint64_t)rr[i].pref << 32 | (loop_random() & 0xffffffff);
	for (size_t i = 1; i < count; i++) {
		for (size_t j = i; j > 0 && keys[j - 1] > keys[j]; j--) {
			struct dns_rr r = rr[j];
			uint64_t k = keys[j];

			rr[j] = rr[j - 1];
			rr[j - 1] = r;
			keys[j] = keys[j - 1];
			keys[j - 1] = k;
		}
	}
}

/* We are in the list ourselves: only better hosts may be tried, or mail would go in circles
 * (RFC 5321 section 5.1). */
static size_t cut_at_self(const struct outbound_opts *o, const struct dns_rr *rr, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!span_eq_nocase(rr[i].name, span_str(o->hostname)))
			continue;
		while (i > 0 && rr[i - 1].pref == rr[i].pref)
			i--;
		return i;
	}
	return count;
}

static int is_self(struct err *e, struct span domain)
{
	err_set(e, ERR_DENIED, "mail for " SPAN_FMT " comes back to this host", SPAN_ARG(domain));
	return never(e, 4, 6);
}

static int hops_mx(const struct outbound_opts *o, struct arena *a, struct span domain,
	const struct dns_answer *ans, struct outbound_hops *h, struct err *e)
{
	size_t count;

	if (ans->count == 1 && ans->rr[0].name.len == 0) { /* RFC 7505: null MX */
		err_set(e, ERR_DENIED, SPAN_FMT " takes no mail (null MX)", SPAN_ARG(domain));
		return never(e, 1, 10);
	}
	h->ttl = ans->ttl;
	h->is_secure = ans->is_secure;
	sort_mx(ans->rr, ans->count);
	count = cut_at_self(o, ans->rr, ans->count);
	if (count == 0)
		return is_self(e, domain);
	h->hosts = ARENA_ARRAY(a, struct outbound_host, count);
	for (size_t i = 0; i < count && h->count < OUTBOUND_MX_MAX; i++) {
		if (ans->rr[i].name.len == 0)
			continue;
		h->hosts[h->count].name = arena_span(a, ans->rr[i].name);
		h->hosts[h->count++].pref = ans->rr[i].pref;
	}
	return 0;
}

static FIBER int hops_ask(const struct outbound_opts *o, struct arena *a, struct arena *scratch,
	struct span domain, struct outbound_hops *h, struct err *e)
{
	struct dns_answer ans;

	if (dns_query(o->dns, scratch, domain, DNS_MX, loop_now_ns() + OUTBOUND_DNS_NS, &ans, e) <
		0) {
		if (e->code != ERR_SYNTAX)
			return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
		return never(e, 1, 2);
	}
	switch (ans.status) {
	case DNS_OK: return hops_mx(o, a, domain, &ans, h, e);
	case DNS_NODATA: /* no MX: the domain itself is the host */
		h->is_implicit = true;
		h->ttl = ans.ttl;
		h->is_secure = ans.is_secure;
		h->count = 1;
		h->hosts[0].name = arena_span(a, domain);
		return 0;
	case DNS_NXDOMAIN:
		err_set(e, ERR_NOT_FOUND, "there is no domain " SPAN_FMT, SPAN_ARG(domain));
		return never(e, 1, 2);
	case DNS_FAIL:
	case DNS_BOGUS: break;
	}
	return no_answer(e, domain, &ans);
}

/* What is kept of a destination lives in `a`, for an hour; an answer has room for a hundred records. */
static FIBER int hops_domain(const struct outbound_opts *o, struct arena *a, struct span domain,
	struct outbound_hops *h, struct err *e)
{
	struct arena *scratch;
	int rc;

	if (!o->dns)
		return err_set(e, ERR_CONFIG, "no resolver for " SPAN_FMT, SPAN_ARG(domain));
	scratch = arena_new();
	rc = hops_ask(o, a, scratch, domain, h, e);
	arena_free(&scratch);
	return rc;
}

/* ---- which addresses are good for mail --------------------------------------------------------- */

enum use { USE_GOOD, USE_OWN, USE_NONE };

/* Loopback, no address at all, or where we listen ourselves: mail would never leave. */
static bool is_own(const struct outbound_opts *o, const struct addr *addr)
{
	/* RFC 1122 section 3.2.1.3: 0.0.0.0/8 is this host on this network. */
	if (addr->sa.sa_family == AF_INET && ntohl(addr->in4.sin_addr.s_addr) >> 24 == 0)
		return true;
	if (addr->sa.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&addr->in6.sin6_addr))
		return true;
	if (addr_is_loopback(addr) && !o->is_loopback_allowed)
		return true;
	for (size_t i = 0; i < o->self_count; i++) {
		if (addr_same_ip(addr, &o->self[i]) && addr_port(addr) == addr_port(&o->self[i]))
			return true;
	}
	return false;
}

/* `addr` with its port; IPv4 in the clothes of IPv6 is undressed first. */
static enum use use_of(const struct outbound_opts *o, struct addr *addr)
{
	uint32_t ip4;

	addr_unmap(addr);
	if (is_own(o, addr))
		return USE_OWN;
	if (addr->sa.sa_family == AF_INET6)
		return IN6_IS_ADDR_LINKLOCAL(&addr->in6.sin6_addr) ||
				IN6_IS_ADDR_MULTICAST(&addr->in6.sin6_addr)
			? USE_NONE
			: USE_GOOD;
	/* Link-local (RFC 3927), multicast and what lies above it (RFC 1112). */
	ip4 = ntohl(addr->in4.sin_addr.s_addr);
	return ip4 >> 16 == 0xa9fe || ip4 >= 0xe0000000 ? USE_NONE : USE_GOOD;
}

static int is_useless(struct err *e, struct span name)
{
	err_set(e, ERR_NOT_FOUND, SPAN_FMT " has no address that a mail server could have",
		SPAN_ARG(name));
	return never(e, 4, 4);
}

/* RFC 5321 section 4.1.3: the domain is an address, which a sender chose: unlike a route's, it is
 * looked at like that of an MX. */
static int hops_literal(
	const struct outbound_opts *o, struct span domain, struct outbound_hops *h, struct err *e)
{
	struct span text = span_sub(domain, 1, domain.len - 2);
	struct addr *addr = &h->hosts[0].addrs[0];

	if (span_starts_nocase(text, SPAN("ipv6:")))
		text = span_skip(text, 5);
	if (!addr_parse_ip(text, h->port, addr)) {
		err_set(e, ERR_SYNTAX, SPAN_FMT " is no address", SPAN_ARG(domain));
		return never(e, 1, 2);
	}
	switch (use_of(o, addr)) {
	case USE_OWN: return is_self(e, domain);
	case USE_NONE: return is_useless(e, domain);
	case USE_GOOD: break;
	}
	h->is_implicit = true;
	h->count = h->hosts[0].addr_count = 1;
	return 0;
}

static bool is_literal(const struct destination *d)
{
	return d->kind == DESTINATION_DOMAIN && d->name.len > 2 && d->name.ptr[0] == '[';
}

/* "5.1.1 No such mailbox here" */
static int refused(struct span name, struct err *e)
{
	struct span code, text, part;
	uint64_t n[3] = {5, 1, 0};

	span_cut(name, ' ', &code, &text);
	for (size_t i = 0; i < ARRAY_LEN(n) && code.len; i++) {
		span_cut(code, '.', &part, &code);
		span_u64_max(part, 999, &n[i]);
	}
	err_set(e, ERR_DENIED, SPAN_FMT, SPAN_ARG(text));
	return never(e, (unsigned)n[1], (unsigned)n[2]);
}

FIBER int outbound_hops(const struct outbound_opts *o, struct arena *a, struct span destination,
	struct outbound_hops **hops_r, struct err *e)
{
	struct outbound_hops *h = ARENA_NEW(a, struct outbound_hops);
	struct destination d;
	struct span key;
	int rc;

	if (destination_cut(destination, &d, e) < 0)
		return -1;
	if (d.kind == DESTINATION_LOOP) {
		err_set(e, ERR_DENIED,
			"mail loop: the message has been delivered to this address before "
			"(Delivered-To)");
		return never(e, 4, 6);
	}
	if (d.kind == DESTINATION_REFUSED)
		return refused(d.name, e);
	key = d.base;

	h->hosts = ARENA_NEW(a, struct outbound_host); /* all but MX have one */
	h->port = o->port ? o->port : SMTP_PORT;
	if (span_starts(key, SPAN("lmtp:"))) {
		h->is_lmtp = true;
		key = span_skip(key, 5);
	}
	if (is_literal(&d))
		rc = hops_literal(o, key, h, e);
	else if (span_starts(key, SPAN("unix:")) || span_starts(key, SPAN("[")))
		rc = hops_fixed(a, key, h, e);
	else
		rc = hops_domain(o, a, key, h, e);
	*hops_r = h;
	return rc;
}

struct outbound_hops *outbound_hops_deal(struct arena *a, const struct outbound_hops *hops)
{
	struct outbound_hops *h = ARENA_NEW(a, struct outbound_hops);
	size_t first = 0; /* of those that are equal */

	*h = *hops;
	h->hosts = ARENA_ARRAY(a, struct outbound_host, hops->count);
	for (size_t i = 0; i < hops->count; i++) {
		size_t j;

		if (hops->hosts[i].pref != hops->hosts[first].pref)
			first = i;
		j = first + loop_random() % (i - first + 1);
		h->hosts[i] = h->hosts[j];
		h->hosts[j] = hops->hosts[i];
	}
	return h;
}

/* "mx:a.example,b.example": the names in order, whatever their preferences are. */
static struct span hosts_key(struct arena *a, const struct outbound_hops *h)
{
	struct span names[OUTBOUND_MX_MAX];
	const char *key = "mx:";

	for (size_t i = 0; i < h->count; i++) {
		size_t j = i;

		for (; j > 0 && span_cmp(names[j - 1], h->hosts[i].name) > 0; j--)
			names[j] = names[j - 1];
		names[j] = h->hosts[i].name;
	}
	for (size_t i = 0; i < h->count; i++)
		key = arena_printf(a, "%s%s" SPAN_FMT, key, i ? "," : "", SPAN_ARG(names[i]));
	return span_str(key);
}

/* "10 mx1.example, 20 mx2.example (DNSSEC)" */
static struct span hosts_text(struct arena *a, const struct outbound_hops *h)
{
	const char *text = "";

	for (size_t i = 0; i < h->count && i < OUTBOUND_HOSTS_MAX; i++)
		text = arena_printf(a, "%s%s%u " SPAN_FMT, text, i ? ", " : "", h->hosts[i].pref,
			SPAN_ARG(h->hosts[i].name));
	if (h->is_implicit)
		text = arena_printf(a, SPAN_FMT " (no MX)", SPAN_ARG(h->hosts[0].name));
	return span_str(arena_printf(a, "%s%s", text, h->is_secure ? " (DNSSEC)" : ""));
}

FIBER int outbound_way_fill(const struct outbound_opts *o, struct arena *a, struct span destination,
	struct outbound_way *w, struct outbound_steps *steps, struct err *e)
{
	struct outbound_step mx = {.kind = OUTBOUND_STEP_MX, .began_ns = loop_now_ns()};
	struct outbound_step policy = {.kind = OUTBOUND_STEP_POLICY};
	struct destination d;
	bool is_asked; /* by MX */
	int rc;

	if (destination_cut(destination, &d, e) < 0)
		return -1;
	is_asked = steps && d.kind == DESTINATION_DOMAIN && !is_literal(&d);
	rc = outbound_hops(o, a, destination, &w->hops, e);
	if (is_asked && rc == 0)
		mx.text = hosts_text(a, w->hops);
	if (is_asked)
		outbound_step_add(steps, &mx, rc < 0 ? e : NULL);
	if (rc < 0)
		return -1;
	policy.began_ns = loop_now_ns();
	rc = outbound_tls_find(o, a, destination, w->hops, &w->tls, e);
	if (rc == 0 && w->tls)
		policy.text = span_str(w->tls->why);
	if (rc < 0 || w->tls)
		outbound_step_add(steps, &policy, rc < 0 ? e : NULL);
	return rc;
}

FIBER int outbound_way_find(const struct outbound_opts *o, struct arena *a, struct span destination,
	struct outbound_way **way_r, struct err *e)
{
	struct outbound_way *w = ARENA_NEW(a, struct outbound_way);
	struct destination d;
	int64_t good_ns;
	struct span base;

	*way_r = w;
	w->steps.arena = a;
	if (destination_cut(destination, &d, e) < 0 ||
		outbound_way_fill(o, a, destination, w, &w->steps, e) < 0)
		return -1;
	base = d.kind == DESTINATION_DOMAIN && !is_literal(&d) ? hosts_key(a, w->hops)
							       : arena_span(a, d.base);
	w->key = span_str(arena_printf(a, SPAN_FMT "%s" SPAN_FMT SPAN_FMT, SPAN_ARG(base),
		w->tls && w->tls->key.len ? "|policy=" : "",
		SPAN_ARG(w->tls ? w->tls->key : SPAN_NONE),
		SPAN_ARG(span_skip(destination, d.base.len))));
	good_ns = (int64_t)w->hops->ttl * CLOCK_SEC;
	good_ns = good_ns < OUTBOUND_WAY_MIN_NS ? OUTBOUND_WAY_MIN_NS : good_ns;
	good_ns = good_ns > OUTBOUND_WAY_MAX_NS ? OUTBOUND_WAY_MAX_NS : good_ns;
	w->until_ns = loop_now_ns() + good_ns;
	return 0;
}

/* ---- addresses of a host ---------------------------------------------------------------------- */

/* What a look-up of both families found besides addresses that are good. */
struct found {
	size_t own, useless;
};

static void tell_alias(
	const struct outbound_opts *o, const struct outbound_host *host, struct span canonical)
{
	/* RFC 5321 section 5.1 and RFC 2181 section 10.3 forbid it; mail gets there all the same. */
	log_event(o->log, LOG_INFO, "outbound.mx.cname", LF("host", host->name),
		LF("canonical", canonical));
}

static FIBER int add_addrs(const struct outbound_opts *o, const struct outbound_hops *h,
	struct arena *a, enum dns_type type, struct outbound_host *host, struct found *found,
	struct err *e)
{
	/* Half of the room is kept for IPv4: it must be there to fall back to. */
	size_t max = type == DNS_AAAA ? OUTBOUND_ADDRS_MAX / 2 : OUTBOUND_ADDRS_MAX;
	struct dns_answer ans;

	if (dns_query(o->dns, a, host->name, type, loop_now_ns() + OUTBOUND_DNS_NS, &ans, e) < 0)
		return -1;
	if (ans.status == DNS_FAIL || ans.status == DNS_BOGUS)
		return no_answer(e, host->name, &ans);
	if (ans.canonical.len && !h->is_fixed && !h->is_implicit && ans.count > 0)
		tell_alias(o, host, ans.canonical);
	for (size_t i = 0; i < ans.count && host->addr_count < max; i++) {
		struct addr addr = ans.rr[i].addr;
		enum use use;

		addr_set_port(&addr, h->port);
		use = h->is_fixed ? USE_GOOD : use_of(o, &addr);
		found->own += use == USE_OWN;
		found->useless += use == USE_NONE;
		if (use == USE_GOOD)
			host->addrs[host->addr_count++] = addr;
	}
	return 0;
}

static void add_localhost(const struct outbound_hops *h, struct outbound_host *host)
{
	MUST(addr_parse_ip(SPAN("127.0.0.1"), h->port, &host->addrs[0]));
	MUST(addr_parse_ip(SPAN("::1"), h->port, &host->addrs[1]));
	host->addr_count = 2;
}

FIBER int outbound_addrs(const struct outbound_opts *o, const struct outbound_hops *h,
	struct outbound_host *host, struct err *e)
{
	struct err trouble = {0};
	struct found found = {0};
	struct arena *a;
	int rc;

	if (host->addr_count > 0)
		return 0;
	if (h->is_fixed && span_eq_nocase(host->name, SPAN("localhost"))) {
		add_localhost(h, host);
		return 0;
	}
	if (!o->dns)
		return err_set(e, ERR_CONFIG, "no resolver for " SPAN_FMT, SPAN_ARG(host->name));
	a = arena_new();
	rc = add_addrs(o, h, a, DNS_AAAA, host, &found, &trouble);
	if (rc == 0 || trouble.code != ERR_CANCELLED)
		rc = add_addrs(o, h, a, DNS_A, host, &found, &trouble) < 0 || rc < 0 ? -1 : 0;
	arena_free(&a);
	if (host->addr_count > 0)
		return 0;
	if (found.own > 0)
		return is_self(e, host->name);
	if (rc < 0)
		return err_copy(e, &trouble);
	if (found.useless > 0)
		return is_useless(e, host->name);
	err_set(e, ERR_NOT_FOUND, SPAN_FMT " has no address", SPAN_ARG(host->name));
	return never(e, 4, 4);
}
