/* TLSA records of a host (RFC 7672 sections 2.1 and 2.2). */

#include "base/enc.h"
#include "run/fiber.h"
#include "services/tlspolicy/tlspolicy_priv.h"

#define DANE_BASES 2 /* the name that CNAMEs lead to, the name itself */

static FIBER int ask(struct tlspolicy *t, struct arena *a, struct span name, enum dns_type type,
	struct dns_answer *ans, struct err *e)
{
	struct err why = {0};

	if (dns_query(t->opts.dns, a, name, type, loop_now_ns() + TLSPOLICY_DNS_NS, ans, &why) == 0)
		return 0;
	if (why.code == ERR_CANCELLED)
		return err_copy(e, &why);
	*ans = (struct dns_answer){.status = why.code == ERR_SYNTAX ? DNS_NXDOMAIN : DNS_FAIL};
	return 0;
}

/* Whose records are asked for: only names whose addresses are validated, for a zone that is not signed
 * has no TLSA records that count, and some of its servers break when asked. */
static FIBER int find_bases(struct tlspolicy *t, struct arena *a, struct span host,
	struct span bases[DANE_BASES], size_t *count_r, struct tlspolicy_tlsa *tlsa, struct err *e)
{
	static const enum dns_type types[] = {DNS_A, DNS_AAAA};
	struct span canonical = SPAN_NONE;
	bool is_secure = false, is_known = false;
	struct dns_answer ans;

	*count_r = 0;
	for (size_t i = 0; i < 2; i++) {
		if (ask(t, a, host, types[i], &ans, e) < 0)
			return -1;
		if (ans.status == DNS_FAIL || ans.status == DNS_BOGUS)
			tlsa->status = ans.status;
		if (ans.status != DNS_OK)
			continue;
		is_known = true;
		is_secure |= ans.is_secure;
		canonical = ans.canonical;
	}
	/* Who can keep answers away must not switch DANE off with that. */
	if (!is_known && tlsa->status != DNS_OK)
		tlsa->state = TLSPOLICY_DANE_BROKEN;
	if (!is_secure && canonical.len) {
		/* A signed alias of a name that is not: the alias itself may have records. */
		if (ask(t, a, host, DNS_CNAME, &ans, e) < 0)
			return -1;
		is_secure = ans.status == DNS_OK && ans.is_secure;
		canonical = SPAN_NONE;
	}
	if (!is_secure)
		return 0;
	if (canonical.len && !span_eq_nocase(canonical, host))
		bases[(*count_r)++] = canonical;
	bases[(*count_r)++] = host;
	return 0;
}

static void take_records(struct arena *a, const struct dns_answer *ans, struct tlspolicy_tlsa *tlsa)
{
	struct buf text;

	buf_init(&text, 64 * 1024);
	tlsa->records = ARENA_ARRAY(a, struct tls_tlsa, TLSPOLICY_TLSA_MAX);
	tlsa->state = TLSPOLICY_DANE_UNUSABLE;
	for (size_t i = 0; i < ans->count && tlsa->count < TLSPOLICY_TLSA_MAX; i++) {
		struct span raw = ans->rr[i].data;
		struct tls_tlsa *r = &tlsa->records[tlsa->count++];

		/* net/dns drops those that are shorter than their three numbers. */
		r->usage = (uint8_t)raw.ptr[0];
		r->selector = (uint8_t)raw.ptr[1];
		r->matching = (uint8_t)raw.ptr[2];
		r->data = arena_span(a, span_skip(raw, 3));
		if (tls_tlsa_is_usable(r))
			tlsa->state = TLSPOLICY_DANE_USABLE;
		buf_printf(&text, "%s%u %u %u ", i ? "\n" : "", r->usage, r->selector, r->matching);
		enc_put_hex(&text, span_sub(r->data, 0, 64));
	}
	tlsa->text = arena_str(a, buf_span(&text));
	buf_fini(&text);
}

FIBER int tlspolicy_dane_find(struct tlspolicy *t, struct arena *a, struct span host, uint16_t port,
	struct tlspolicy_tlsa *tlsa_r, struct err *e)
{
	struct span bases[DANE_BASES];
	struct dns_answer ans;
	struct addr ip;
	size_t count;

	*tlsa_r = (struct tlspolicy_tlsa){.state = TLSPOLICY_DANE_NONE, .base = host};
	if (host.len == 0 || addr_parse_ip(host, 0, &ip))
		return 0;
	if (find_bases(t, a, host, bases, &count, tlsa_r, e) < 0)
		return -1;
	if (tlsa_r->state == TLSPOLICY_DANE_BROKEN)
		return 0;
	tlsa_r->status = DNS_OK;
	for (size_t i = 0; i < count; i++) {
		const char *name = arena_printf(
			a, "_%u._tcp." SPAN_FMT, (unsigned)port, SPAN_ARG(bases[i]));

		if (ask(t, a, span_str(name), DNS_TLSA, &ans, e) < 0)
			return -1;
		if (ans.status == DNS_FAIL || ans.status == DNS_BOGUS) {
			tlsa_r->state = TLSPOLICY_DANE_BROKEN;
			tlsa_r->status = ans.status;
			return 0;
		}
		if (ans.status != DNS_OK || !ans.is_secure)
			continue;
		tlsa_r->base = arena_span(a, bases[i]);
		take_records(a, &ans, tlsa_r);
		return 0;
	}
	return 0;
}
