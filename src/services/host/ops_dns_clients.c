#include "services/host/ops_dns_priv.h"

/* How mail programs find the servers of a domain (RFC 6186, RFC 8314 section 5, and what Thunderbird and
 * Outlook look for). All of it is a convenience: who has none types the names in. */

static bool srv_fits(const struct dns_rr *rr, const struct setup_srv *s)
{
	return rr->port == s->port && span_eq_nocase(rr->name, s->target);
}

static FIBER int client_srv(
	struct advisor *v, struct span domain, const struct setup_srv *s, struct err *e)
{
	bool is_offered = s->port != 0, is_there = false, is_here = false;
	struct advice a = {.domain = domain, .name = s->name, .type = "SRV"};

	if (dns_advice_look(v, &a, DNS_SRV, e) < 0)
		return -1;
	if (dns_advice_is_unknown(&a))
		return is_offered ? dns_advice_put(v, &a, e) : 0;
	for (size_t i = 0; i < a.found.count; i++) {
		is_there = is_there || srv_fits(&a.found.rr[i], s);
		is_here = is_here || span_eq_nocase(a.found.rr[i].name, v->host);
	}
	if (!is_offered) {
		if (!is_here)
			return 0;
		a.state = DNS_ADVICE_WRONG;
		a.publish = SPAN("0 0 0 .");
		a.why = "mail programs are sent here for what this server does not offer";
		return dns_advice_put(v, &a, e);
	}
	a.state = is_there ? DNS_ADVICE_OK : a.found.count ? DNS_ADVICE_WRONG : DNS_ADVICE_OPTIONAL;
	if (!is_there)
		a.publish = span_str(arena_printf(v->c->arena, "%u %u %u " SPAN_FMT ".",
			s->priority, s->weight, s->port, SPAN_ARG(s->target)));
	a.why = is_there        ? "mail programs find this server by it"
		: a.found.count ? "mail programs are sent elsewhere"
				: "mail programs that look for it need no settings typed in";
	return dns_advice_put(v, &a, e);
}

/* A name below the domain that leads to our HTTP listener. */
static FIBER int client_name(struct advisor *v, struct span domain, const char *front,
	const char *missing, struct err *e)
{
	struct arena *arena = v->c->arena;
	struct advice a = {.domain = domain, .type = "CNAME"};
	bool is_here = false;

	a.name = span_str(arena_printf(arena, "%s." SPAN_FMT, front, SPAN_ARG(domain)));
	/* whatever stands there, its addresses count */
	if (dns_advice_look(v, &a, DNS_A, e) < 0)
		return -1;
	if (dns_advice_is_unknown(&a))
		return dns_advice_put(v, &a, e);
	is_here = span_eq_nocase(a.found.canonical, v->host);
	for (size_t i = 0; i < a.found.count; i++) {
		for (size_t k = 0; k < v->addr_count; k++)
			is_here = is_here || addr_same_ip(&a.found.rr[i].addr, &v->addrs[k]);
	}
	a.state = is_here ? DNS_ADVICE_OK : a.found.count ? DNS_ADVICE_WRONG : DNS_ADVICE_OPTIONAL;
	if (!is_here)
		a.publish = span_str(arena_printf(arena, SPAN_FMT ".", SPAN_ARG(v->host)));
	a.why = is_here         ? "mail programs get their settings here"
		: a.found.count ? "the name leads to another machine"
				: missing;
	a.found.count = 0; /* addresses, not names */
	return dns_advice_put(v, &a, e);
}

FIBER int ops_dns_clients(struct advisor *v, struct span domain, struct err *e)
{
	struct setup_facts f = {.domain = domain};
	struct setup_srv *srvs;
	size_t count;

	host_setup_facts(v->c->ctx->host, v->c->ctx->config, v->c->arena, &f);
	if (!f.count)
		return 0;
	f.host = f.host.len ? f.host : v->host;
	count = setup_srvs(v->c->arena, &f, &srvs);
	for (size_t i = 0; i < count; i++) {
		if (client_srv(v, domain, &srvs[i], e) < 0)
			return -1;
	}
	if (!host_setup_is_served(v->c->ctx->host, v->c->ctx->config))
		return 0;
	if (client_name(v, domain, "autoconfig",
		    "Thunderbird looks here for the settings of new accounts", e) < 0)
		return -1;
	return client_name(v, domain, "autodiscover",
		"Outlook looks here for the settings of new accounts", e);
}
