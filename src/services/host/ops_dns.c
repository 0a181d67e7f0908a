#include "services/host/ops_dns_priv.h"

#include <string.h>

#include "base/enc.h"
#include "store/directory.h"
#include "services/host/ops_key.h"

/* What DNS should say of the domains that have their mail here, and what it does say. */

#define ADVICE_NS (10 * CLOCK_SEC) /* for one look-up */

const char *dns_advice_str(enum dns_advice_state s)
{
	static const char *const names[] = {
#define X(id, text) text,
		DNS_ADVICE_STATES(X)
#undef X
	};

	return names[s];
}

/* ---- one row ---- */

static void put_found(struct json_out *j, const struct advice *a)
{
	struct buf b;

	buf_init(&b, 4096);
	json_key(j, "found");
	json_open_array(j);
	for (size_t i = 0; i < a->found.count; i++) {
		const struct dns_rr *rr = &a->found.rr[i];

		buf_clear(&b);
		if (strcmp(a->type, "MX") == 0)
			buf_printf(&b, "%u " SPAN_FMT, rr->pref, SPAN_ARG(rr->name));
		else if (strcmp(a->type, "SRV") == 0)
			buf_printf(&b, "%u %u %u " SPAN_FMT, rr->pref, rr->weight, rr->port,
				SPAN_ARG(rr->name));
		else if (strcmp(a->type, "TXT") == 0)
			buf_span_put(&b, rr->text);
		else if (strcmp(a->type, "PTR") == 0)
			buf_span_put(&b, rr->name);
		else if (strcmp(a->type, "TLSA") == 0)
			enc_put_hex(&b, rr->data);
		else
			addr_put_ip(&b, &rr->addr);
		json_span(j, buf_span(&b));
	}
	json_close(j);
	buf_fini(&b);
}

FIBER int dns_advice_put(struct advisor *v, const struct advice *a, struct err *e)
{
	struct json_out *j = ops_row(v->c);

	json_kv_span(j, "domain", a->domain);
	json_kv_str(j, "state", dns_advice_str(a->state));
	json_kv_str(j, "type", a->type);
	json_kv_span(j, "name", a->name);
	put_found(j, a);
	json_kv_bool(j, "secure", a->found.is_secure);
	json_kv_span(j, "publish", a->publish);
	json_kv_str(j, "why", a->why);
	return ops_row_end(v->c, e);
}

FIBER int dns_advice_look(struct advisor *v, struct advice *a, enum dns_type type, struct err *e)
{
	a->found = (struct dns_answer){.status = DNS_NXDOMAIN};
	if (!v->dns)
		return 0;
	if (dns_query(v->dns, v->c->arena, a->name, type, loop_now_ns() + ADVICE_NS, &a->found, e) <
		0)
		return -1;
	if (a->found.status == DNS_FAIL || a->found.status == DNS_BOGUS) {
		a->state = DNS_ADVICE_UNKNOWN;
		a->why = a->found.status == DNS_BOGUS
			? "its DNSSEC signatures are not valid: nobody who validates can look it up"
			: "the look-up failed; try again later";
	}
	return 0;
}

bool dns_advice_is_unknown(const struct advice *a)
{
	return a->found.status == DNS_FAIL || a->found.status == DNS_BOGUS;
}

/* ---- this host ---- */

static FIBER int host_addrs(struct advisor *v, enum dns_type type, struct err *e)
{
	struct advice a = {.name = v->host, .type = type == DNS_A ? "A" : "AAAA"};

	if (dns_advice_look(v, &a, type, e) < 0)
		return -1;
	for (size_t i = 0; i < a.found.count && v->addr_count < ADVICE_ADDRS_MAX; i++)
		v->addrs[v->addr_count++] = a.found.rr[i].addr;
	v->is_host_secure = a.found.is_secure;
	if (dns_advice_is_unknown(&a))
		return dns_advice_put(v, &a, e);
	if (a.found.count) {
		a.state = DNS_ADVICE_OK;
		a.why = "other servers find this one by it";
	} else if (type == DNS_AAAA) {
		a.state = DNS_ADVICE_OPTIONAL;
		a.why = "only where this machine has IPv6 with a PTR record: without one the large "
			"providers refuse mail that comes by IPv6";
	} else {
		a.state = DNS_ADVICE_MISSING;
		a.publish = SPAN("ADDRESS-OF-THIS-MACHINE");
		a.why = "the name that this server greets with must lead to it (hostname in "
			"yizhan.conf)";
	}
	return dns_advice_put(v, &a, e);
}

/* "4.3.2.1.in-addr.arpa" (RFC 1035 section 3.5), "…ip6.arpa" (RFC 3596 section 2.5) */
static struct span reverse_name(struct arena *arena, const struct addr *a)
{
	const unsigned char *p;
	struct span name;
	struct buf b;

	buf_init(&b, 128);
	if (a->sa.sa_family == AF_INET) {
		p = (const unsigned char *)&a->in4.sin_addr;
		buf_printf(&b, "%u.%u.%u.%u.in-addr.arpa", p[3], p[2], p[1], p[0]);
	} else {
		p = (const unsigned char *)&a->in6.sin6_addr;
		for (int i = 15; i >= 0; i--)
			buf_printf(&b, "%x.%x.", p[i] & 15, p[i] >> 4);
		buf_str(&b, "ip6.arpa");
	}
	name = arena_span(arena, buf_span(&b));
	buf_fini(&b);
	return name;
}

static FIBER int host_ptr(struct advisor *v, const struct addr *addr, struct err *e)
{
	struct advice a = {.name = reverse_name(v->c->arena, addr), .type = "PTR"};
	bool is_there = false;

	if (dns_advice_look(v, &a, DNS_PTR, e) < 0)
		return -1;
	if (dns_advice_is_unknown(&a))
		return dns_advice_put(v, &a, e);
	for (size_t i = 0; i < a.found.count; i++)
		is_there = is_there || span_eq_nocase(a.found.rr[i].name, v->host);
	a.state = is_there ? DNS_ADVICE_OK : a.found.count ? DNS_ADVICE_WRONG : DNS_ADVICE_MISSING;
	a.publish = is_there ? SPAN_NONE
			     : span_str(arena_printf(v->c->arena, SPAN_FMT ".", SPAN_ARG(v->host)));
	a.why = is_there
		? "address and name lead to one another"
		: "many servers refuse mail from an address whose name is not the one that "
		  "it greets with; who gave you the address can set it";
	return dns_advice_put(v, &a, e);
}

/* ---- a domain ---- */

static FIBER int domain_mx(struct advisor *v, struct span domain, struct err *e)
{
	struct advice a = {.domain = domain, .name = domain, .type = "MX"};
	bool is_there = false;

	if (dns_advice_look(v, &a, DNS_MX, e) < 0)
		return -1;
	if (dns_advice_is_unknown(&a))
		return dns_advice_put(v, &a, e);
	for (size_t i = 0; i < a.found.count; i++)
		is_there = is_there || span_eq_nocase(a.found.rr[i].name, v->host);
	a.state = is_there ? DNS_ADVICE_OK : a.found.count ? DNS_ADVICE_WRONG : DNS_ADVICE_MISSING;
	if (!is_there)
		a.publish = span_str(
			arena_printf(v->c->arena, "10 " SPAN_FMT ".", SPAN_ARG(v->host)));
	a.why = is_there        ? "mail for the domain comes here"
		: a.found.count ? "mail for the domain goes elsewhere, as far as DNS says"
				: "without it mail goes to the domain's own address, if it has one";
	return dns_advice_put(v, &a, e);
}

/* Records of a name that begin with a tag ("v=spf1"). */
static size_t records(const struct dns_answer *ans, struct span tag, struct span *one_r)
{
	size_t n = 0;

	for (size_t i = 0; i < ans->count; i++) {
		struct span t = ans->rr[i].text;

		if (!span_starts_nocase(t, tag) ||
			(t.len > tag.len && t.ptr[tag.len] != ' ' && t.ptr[tag.len] != ';'))
			continue;
		if (!n++)
			*one_r = t;
	}
	return n;
}

/* Does a record of SPF (RFC 7208 section 5) seem to name this server? `include` and `redirect` are not
 * followed: they count as "perhaps". */
static bool spf_names_us(struct advisor *v, struct span record, bool *is_perhaps_r)
{
	struct span word, rest = record;

	*is_perhaps_r = false;
	while (rest.len) {
		struct addr_net net;

		span_cut(rest, ' ', &word, &rest);
		if (word.len && word.ptr[0] == '+')
			word = span_skip(word, 1);
		if (span_eq_nocase(word, SPAN("mx")) || span_starts_nocase(word, SPAN("mx:")) ||
			(span_starts_nocase(word, SPAN("a:")) &&
				span_eq_nocase(span_skip(word, 2), v->host)))
			return true;
		if (span_starts_nocase(word, SPAN("include:")) ||
			span_starts_nocase(word, SPAN("redirect=")) ||
			span_eq_nocase(word, SPAN("a")))
			*is_perhaps_r = true;
		if ((!span_starts_nocase(word, SPAN("ip4:")) &&
			    !span_starts_nocase(word, SPAN("ip6:"))) ||
			addr_net_parse(span_skip(word, 4), &net, NULL) < 0)
			continue;
		for (size_t i = 0; i < v->addr_count; i++) {
			if (addr_net_has(&net, &v->addrs[i]))
				return true;
		}
	}
	return false;
}

static FIBER int domain_spf(struct advisor *v, struct span domain, struct err *e)
{
	struct advice a = {.domain = domain, .name = domain, .type = "TXT"};
	struct span record = SPAN_NONE;
	bool is_perhaps = false;
	size_t n;

	if (dns_advice_look(v, &a, DNS_TXT, e) < 0)
		return -1;
	if (dns_advice_is_unknown(&a))
		return dns_advice_put(v, &a, e);
	n = records(&a.found, SPAN("v=spf1"), &record);
	a.publish = SPAN("v=spf1 mx -all");
	if (n == 0) {
		a.state = DNS_ADVICE_MISSING;
		a.why = "SPF: which servers send mail of this domain; without it others may, and ours "
			"is trusted less";
	} else if (n > 1) {
		a.state = DNS_ADVICE_WRONG;
		a.why = "SPF: more than one record is as bad as none (RFC 7208 section 4.5); keep one";
	} else if (span_find_span(record, SPAN("+all")) >= 0) {
		a.state = DNS_ADVICE_WRONG;
		a.why = "SPF: +all lets everybody send as this domain";
	} else if (spf_names_us(v, record, &is_perhaps)) {
		a.state = DNS_ADVICE_OK;
		a.publish = SPAN_NONE;
		a.why = "SPF: this server may send mail of the domain";
	} else {
		a.state = is_perhaps ? DNS_ADVICE_OPTIONAL : DNS_ADVICE_WRONG;
		a.publish = is_perhaps ? SPAN_NONE : a.publish;
		a.why = is_perhaps ? "SPF: whether this server is meant depends on other records"
				   : "SPF: this server is not among those that may send";
	}
	return dns_advice_put(v, &a, e);
}

/* The records that are one tagged text below a name of their own. */
static const struct {
	const char *front, *tag, *publish, *good, *missing;
	bool is_optional;
} texts[] = {
	{"_dmarc.", "v=DMARC1", "v=DMARC1; p=quarantine; rua=mailto:postmaster@%s",
		"DMARC: says what to do with forgeries of this domain",
		"DMARC: without it receivers cannot tell forgeries from this domain's mail; large "
		"providers want it",
		false},
	{"_smtp._tls.", "v=TLSRPTv1", "v=TLSRPTv1; rua=mailto:postmaster@%s",
		"TLSRPT: others report when TLS to this server fails",
		"TLSRPT: nobody tells when TLS to this server fails", false},
	{"_mta-sts.", "v=STSv1", "",
		"MTA-STS: senders are told to insist on TLS; its policy stands behind https",
		"MTA-STS: makes senders insist on TLS; needs a policy at "
		"https://mta-sts.DOMAIN/.well-known/mta-sts.txt",
		true},
};

static FIBER int domain_text(struct advisor *v, struct span domain, size_t i, struct err *e)
{
	struct arena *arena = v->c->arena;
	struct advice a = {.domain = domain, .type = "TXT"};
	struct span record = SPAN_NONE;
	size_t n;

	a.name = span_str(arena_printf(arena, "%s" SPAN_FMT, texts[i].front, SPAN_ARG(domain)));
	if (dns_advice_look(v, &a, DNS_TXT, e) < 0)
		return -1;
	if (dns_advice_is_unknown(&a))
		return dns_advice_put(v, &a, e);
	n = records(&a.found, span_str(texts[i].tag), &record);
	if (n != 1 && texts[i].publish[0]) {
		struct span head, tail;

		span_cut(span_str(texts[i].publish), '%', &head, &tail);
		a.publish = span_str(
			arena_printf(arena, SPAN_FMT SPAN_FMT, SPAN_ARG(head), SPAN_ARG(domain)));
	}
	a.state = n == 1               ? DNS_ADVICE_OK
		: n > 1                ? DNS_ADVICE_WRONG
		: texts[i].is_optional ? DNS_ADVICE_OPTIONAL
				       : DNS_ADVICE_MISSING;
	a.why = n == 1  ? texts[i].good
		: n > 1 ? "more than one record is as bad as none; keep one"
			: texts[i].missing;
	return dns_advice_put(v, &a, e);
}

/* DANE (RFC 7672): worth it where the host's name is signed. */
static FIBER int host_tlsa(struct advisor *v, struct err *e)
{
	struct arena *arena = v->c->arena;
	struct advice a = {.type = "TLSA"};
	struct host *h = v->c->ctx->host;
	struct span hash = h ? host_spki(h, arena) : SPAN_NONE;
	bool is_there = false;

	a.name = span_str(arena_printf(arena, "_25._tcp." SPAN_FMT, SPAN_ARG(v->host)));
	if (dns_advice_look(v, &a, DNS_TLSA, e) < 0)
		return -1;
	if (dns_advice_is_unknown(&a))
		return dns_advice_put(v, &a, e);
	for (size_t i = 0; i < a.found.count && hash.len; i++) {
		struct span data = a.found.rr[i].data;
		struct buf b;

		buf_init(&b, 4096);
		enc_put_hex(&b, span_skip(data, 3));
		is_there = is_there ||
			(data.len > 3 && data.ptr[0] == 3 && data.ptr[1] == 1 && data.ptr[2] == 1 &&
				span_eq(buf_span(&b), hash));
		buf_fini(&b);
	}
	if (!is_there && hash.len)
		a.publish = span_str(arena_printf(arena, "3 1 1 " SPAN_FMT, SPAN_ARG(hash)));
	if (is_there) {
		a.state = DNS_ADVICE_OK;
		a.why = "DANE: the record fits this server's certificate";
	} else if (a.found.count) {
		a.state = DNS_ADVICE_WRONG;
		a.why = "DANE: no record fits this server's certificate: senders that validate will "
			"not deliver";
	} else {
		a.state = DNS_ADVICE_OPTIONAL;
		a.why = v->is_host_secure
			? "DANE: the name is signed, so senders could be made to insist on this "
			  "certificate"
			: "DANE: needs DNSSEC for the host's name first";
		if (!v->is_host_secure)
			a.publish = SPAN_NONE;
	}
	return dns_advice_put(v, &a, e);
}

/* The keys that sign for the domain (RFC 6376): each has a record. */
static FIBER int domain_keys(struct advisor *v, struct span domain, struct err *e)
{
	struct advice none = {.domain = domain, .type = "TXT", .state = DNS_ADVICE_MISSING};
	struct dkim_keys_row *rows;
	size_t count;

	if (dkim_keys_list(v->c->ctx->store, v->c->arena, domain, &rows, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct advice a = {.domain = domain, .type = "TXT"};
		struct ops_key_found f;

		if (ops_key_look(v->dns, v->c->arena, &rows[i], &f, e) < 0)
			return -1;
		a.name = f.key.name;
		a.state = f.state;
		a.found = f.found;
		a.publish = f.state == DNS_ADVICE_OK || rows[i].state == DKIM_KEYS_RETIRING
			? SPAN_NONE
			: f.key.record;
		a.why = arena_printf(
			v->c->arena, "DKIM (%s): %s", dkim_keys_state_str(rows[i].state), f.why);
		if (dns_advice_put(v, &a, e) < 0)
			return -1;
	}
	if (count)
		return 0;
	none.name = span_str(
		arena_printf(v->c->arena, "SELECTOR._domainkey." SPAN_FMT, SPAN_ARG(domain)));
	none.why = "DKIM: the domain's mail is not signed, and large providers refuse such mail: "
		   "yizhan key add DOMAIN";
	return dns_advice_put(v, &none, e);
}

static FIBER int domain_all(struct advisor *v, struct span domain, struct err *e)
{
	if (domain_mx(v, domain, e) < 0 || domain_spf(v, domain, e) < 0 ||
		domain_keys(v, domain, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (domain_text(v, domain, i, e) < 0)
			return -1;
	}
	return ops_dns_clients(v, domain, e);
}

static FIBER int domains(struct advisor *v, struct err *e)
{
	const struct json_in *named = json_in_get(v->c->args, "domains");
	struct directory_domain *list;
	size_t count = 0;

	for (size_t i = 0; i < json_in_count(named); i++) {
		struct span key = router_domain_key(
			v->c->arena, json_in_span(json_in_at(named, i)));

		if (!key.len)
			return err_set(e, ERR_SYNTAX, "\"" SPAN_FMT "\" is no domain name",
				SPAN_ARG(span_sub(json_in_span(json_in_at(named, i)), 0, 100)));
		if (domain_all(v, key, e) < 0)
			return -1;
	}
	if (json_in_count(named))
		return 0;
	if (directory_domain_list(v->c->ctx->store, v->c->arena, &list, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (list[i].kind == DIRECTORY_DOMAIN_LOCAL && domain_all(v, list[i].name, e) < 0)
			return -1;
	}
	return 0;
}

/* A resolver for this call, where no server runs. */
static struct dns *own_dns(const struct config *c, struct err *e)
{
	struct dns_opts opts = {0};

	if (c)
		opts = (struct dns_opts){.forwarders = c->resolver.forwarders.items,
			.forwarder_count = c->resolver.forwarders.count,
			.trust_anchor_file = c->resolver.trust_anchor[0] ? c->resolver.trust_anchor
									 : NULL,
			.hosts_file = c->resolver.hosts[0] ? c->resolver.hosts : NULL,
			.is_dnssec_off = !c->resolver.is_dnssec};
	return dns_new(&opts, e);
}

static FIBER int advise(struct advisor *v, struct err *e)
{
	if (host_addrs(v, DNS_A, e) < 0 || host_addrs(v, DNS_AAAA, e) < 0)
		return -1;
	for (size_t i = 0; i < v->addr_count; i++) {
		if (host_ptr(v, &v->addrs[i], e) < 0)
			return -1;
	}
	return host_tlsa(v, e) < 0 ? -1 : domains(v, e);
}

/* {"domains": [...], "hostname": "mx.our.example" instead of the configuration's, "offline": true to be told
 * what to publish without looking anything up} */
FIBER int op_dns(struct ops_call *c, struct err *e)
{
	struct host *h = c->ctx->host;
	const struct config *config = h ? h->config : c->ctx->config;
	struct span name = json_in_text(c->args, "hostname");
	bool is_offline = json_in_bool(c->args, "offline");
	struct advisor v = {.c = c, .dns = h && !is_offline ? h->dns : NULL};
	struct dns *own = NULL;
	int rc;

	if (h && !h->dns && !is_offline)
		return err_set(e, ERR_BUSY, "the resolver is not ready yet; try again");
	if (!name.len && config)
		name = span_str(config->hostname);
	v.host = router_domain_key(c->arena, name);
	if (!v.host.len || span_find(v.host, '.') < 0)
		return err_set(e, ERR_CONFIG,
			"this server's name is \"" SPAN_FMT
			"\": set hostname in yizhan.conf to a name "
			"that DNS can know (mx.example.org)",
			SPAN_ARG(name));
	if (!h && !is_offline) {
		v.dns = own = own_dns(config, e);
		if (!own)
			return -1;
	}
	rc = advise(&v, e);
	dns_free(&own);
	return rc;
}
