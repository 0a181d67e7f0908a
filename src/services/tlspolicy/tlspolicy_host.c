/* What holds for one host, and what its certificate was worth. */

#include <string.h>

#include "run/fiber.h"
#include "services/tlspolicy/tlspolicy_priv.h"

/* This host is not to be used; what was counted says why. */
static int skip(struct tlspolicy *t, const struct tls_policy *p, const struct tls_host *h,
	enum tlsrpt_result kind, struct err *e)
{
	tlspolicy_note(t, p, h, kind, SPAN_NONE, span_str(e->text));
	if (p->is_requiretls && kind != TLSRPT_DNSSEC_INVALID) {
		err_smtp(e, 0, 5, 7, 30); /* RFC 8689 section 8 */
		return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_NEVER);
	}
	err_smtp(e, 0, 4, 7, 5);
	return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
}

static void raise_to(struct tls_host *h, enum tls_level level)
{
	if (h->level < level)
		h->level = level;
}

static void take_tlsa(struct tls_host *h, const struct tlspolicy_tlsa *tlsa)
{
	h->report = TLSRPT_POLICY_TLSA;
	h->policy_text = tlsa->text;
	if (tlsa->state == TLSPOLICY_DANE_UNUSABLE) {
		/* RFC 7672 section 2.2: TLS, but nobody to believe. */
		raise_to(h, TLS_LEVEL_ENCRYPT);
		h->expected = TLSRPT_TLSA_INVALID;
		h->why = "its TLSA records cannot be used: TLS, whoever it is";
		return;
	}
	h->level = TLS_LEVEL_DANE;
	h->opts.tlsa = tlsa->records;
	h->opts.tlsa_count = tlsa->count;
	h->opts.name = tlsa->base;
	if (!span_eq_nocase(tlsa->base, h->name))
		h->opts.also = h->name; /* section 3.2.2 */
	h->why = "its TLSA records decide (DANE)";
}

static FIBER int weigh_dane(struct tlspolicy *t, struct arena *a, const struct tls_policy *p,
	uint16_t port, struct tls_host *h, struct err *e)
{
	struct tlspolicy_tlsa tlsa = {.state = TLSPOLICY_DANE_NONE};

	if (p->is_dane && tlspolicy_dane_find(t, a, h->name, port, &tlsa, e) < 0)
		return -1;
	if (tlsa.state == TLSPOLICY_DANE_BROKEN) {
		h->report = TLSRPT_POLICY_TLSA;
		err_set(e, ERR_DNS, "the TLSA records of " SPAN_FMT " cannot be had: %s",
			SPAN_ARG(h->name), dns_status_str(tlsa.status));
		return skip(t, p, h, TLSRPT_DNSSEC_INVALID, e);
	}
	if (tlsa.state != TLSPOLICY_DANE_NONE)
		take_tlsa(h, &tlsa);
	if (p->level != TLS_LEVEL_DANE_ONLY || h->level == TLS_LEVEL_DANE)
		return 0;
	h->report = TLSRPT_POLICY_TLSA;
	err_set(e, ERR_TLS, "DANE is demanded, and " SPAN_FMT " has no TLSA records that count",
		SPAN_ARG(h->name));
	return skip(t, p, h, TLSRPT_DANE_REQUIRED, e);
}

/* RFC 8461 section 4.1; never where DANE decides (section 2). */
static int weigh_sts(
	struct tlspolicy *t, const struct tls_policy *p, struct tls_host *h, struct err *e)
{
	bool is_allowed, is_enforced;

	if (!p->sts || h->level == TLS_LEVEL_DANE)
		return 0;
	is_allowed = mta_sts_allows(p->sts, h->name);
	is_enforced = p->sts->mode == MTA_STS_ENFORCE;
	h->report = TLSRPT_POLICY_STS;
	h->policy_text = p->sts_text;
	h->is_checked = true;
	h->expected = is_allowed ? TLSRPT_SUCCESS : TLSRPT_VALIDATION_FAILURE;
	h->why = is_enforced ? "MTA-STS: a certificate that is its, from a known authority"
			     : "MTA-STS only tests: what would fail is reported";
	if (is_allowed || !is_enforced)
		return 0;
	err_set(e, ERR_TLS, "the MTA-STS policy of " SPAN_FMT " does not name " SPAN_FMT,
		SPAN_ARG(p->domain), SPAN_ARG(h->name));
	return skip(t, p, h, TLSRPT_VALIDATION_FAILURE, e);
}

/* RFC 8689 section 4.2.1: the host must be known to be the right one, by DNSSEC or MTA-STS. */
static int weigh_letter(
	struct tlspolicy *t, const struct tls_policy *p, struct tls_host *h, struct err *e)
{
	if (!p->is_requiretls || p->is_fixed || p->is_mx_secure ||
		(p->sts && mta_sts_allows(p->sts, h->name)))
		return 0;
	err_set(e, ERR_TLS,
		"REQUIRETLS: neither DNSSEC nor MTA-STS says that " SPAN_FMT
		" is the host of " SPAN_FMT,
		SPAN_ARG(h->name), SPAN_ARG(p->domain));
	return skip(t, p, h, TLSRPT_VALIDATION_FAILURE, e);
}

FIBER int tlspolicy_host(struct tlspolicy *t, struct arena *a, const struct tls_policy *p,
	struct span host, uint16_t port, struct tls_host *h, struct err *e)
{
	struct err why = {0};

	*h = (struct tls_host){.level = p->level,
		.name = arena_span(a, host),
		.report = TLSRPT_POLICY_NO_POLICY,
		.why = p->why};
	h->opts.name = h->name;
	if (weigh_dane(t, a, p, port, h, &why) < 0 || weigh_sts(t, p, h, &why) < 0 ||
		weigh_letter(t, p, h, &why) < 0)
		return err_copy(e, &why);
	h->is_must = h->level >= TLS_LEVEL_ENCRYPT;
	h->opts.is_verify = h->level >= TLS_LEVEL_VERIFY;
	h->is_authenticated = h->opts.is_verify;
	h->is_checked |= h->opts.is_verify;
	return 0;
}

enum tlsrpt_result tlspolicy_kind(const struct tls_host *h, const struct tls_verdict *v)
{
	if (h->expected != TLSRPT_SUCCESS)
		return h->expected;
	if (!h->is_checked)
		return TLSRPT_SUCCESS;
	switch (v->trust) {
	case TLS_TRUST_GOOD: return TLSRPT_SUCCESS;
	case TLS_TRUST_EXPIRED:
	case TLS_TRUST_NOT_YET: return TLSRPT_CERTIFICATE_EXPIRED;
	case TLS_TRUST_WRONG_NAME: return TLSRPT_CERTIFICATE_HOST_MISMATCH;
	case TLS_TRUST_SELF_SIGNED:
	case TLS_TRUST_UNKNOWN_ISSUER:
	case TLS_TRUST_WEAK:
	case TLS_TRUST_REVOKED: return TLSRPT_CERTIFICATE_NOT_TRUSTED;
	case TLS_TRUST_DANE_MISMATCH:
	case TLS_TRUST_PIN_MISMATCH:
	case TLS_TRUST_OTHER:
	case TLS_TRUST_COUNT: break;
	}
	return TLSRPT_VALIDATION_FAILURE;
}
