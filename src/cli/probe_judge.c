/* What is to be said about it. A warning or a problem makes the exit status 1; a note does not. */

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/probe.h"

#define DAY           86400
#define EXPIRY_SOON   (14 * DAY)
#define EXPIRY_NOTE   (30 * DAY)
#define RSA_BITS_MIN  2048
#define STS_AGE_SHORT DAY

static void find(struct probe *p, enum probe_level level, const char *where, const char *what,
	const char *fmt, ...) __attribute__((format(printf, 5, 6)));

static void find(struct probe *p, enum probe_level level, const char *where, const char *what,
	const char *fmt, ...)
{
	struct probe_finding *f;
	struct buf b;
	va_list ap;

	if (p->finding_count == p->finding_cap) {
		struct probe_finding *more = ARENA_ARRAY(
			p->arena, struct probe_finding, 2 * p->finding_cap + 32);

		if (p->finding_count)
			memcpy(more, p->findings, p->finding_count * sizeof(*more));
		p->findings = more;
		p->finding_cap = 2 * p->finding_cap + 32;
	}
	buf_init(&b, 2 * PROBE_LINE_MAX);
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	f = &p->findings[p->finding_count++];
	*f = (struct probe_finding){level, where, what, arena_str(p->arena, buf_span(&b))};
	buf_fini(&b);
}

static const char *where_of(struct probe *p, const struct probe_port *port)
{
	const char *open = strchr(port->addr->text, ':') ? "[" : "", *close = *open ? "]" : "";

	return arena_printf(p->arena, "%s%s%s%s%s:%u", port->host->name,
		port->host->name[0] ? " " : "", open, port->addr->text, close, port->port);
}

bool probe_is_trusted(const struct probe_port *port)
{
	const struct probe_tls *x = &port->tls;

	if (x->is_dane_tried && port->host->is_tlsa_secure)
		return x->dane.trust == TLS_TRUST_GOOD;
	return x->verdict.trust == TLS_TRUST_GOOD;
}

const char *probe_days(const struct probe *p, struct arena *a, int64_t not_after)
{
	int64_t days = (not_after - p->now_sec) / DAY;

	if (not_after < p->now_sec)
		days = (p->now_sec - not_after) / DAY;
	return arena_printf(a, "%s %lld day%s%s", not_after < p->now_sec ? "ended" : "ends in",
		(long long)days, days == 1 ? "" : "s", not_after < p->now_sec ? " ago" : "");
}

/* ---- one port ---- */

static void judge_auth(struct probe *p, const struct probe_port *port, const char *where)
{
	struct span rest = span_str(port->before.auth), word;
	bool is_readable, has_disabled = false, has_login;

	/* RFC 3501 section 6.2.3: LOGIN is there unless LOGINDISABLED is. */
	for (size_t i = 0; i < port->before.count; i++)
		has_disabled |= span_eq_nocase(
			span_str(port->before.lines[i]), SPAN("LOGINDISABLED"));
	has_login = port->has_hello && port->kind->family == PROBE_FAMILY_IMAP && !has_disabled;
	if (has_login)
		find(p, PROBE_WARNING, where, "clear-login",
			"passwords are taken without TLS (LOGINDISABLED is missing)");
	while (port->has_hello && (word = span_word(&rest)).len) {
		probe_words_auth(arena_str(p->arena, word), &is_readable);
		if (is_readable && !has_login) {
			find(p, PROBE_WARNING, where, "clear-auth",
				SPAN_FMT
				" is offered without TLS: whoever listens reads the secret",
				SPAN_ARG(word));
			break;
		}
	}
	if (port->kind->family == PROBE_FAMILY_SMTP && port->kind != &probe_kinds[PROBE_SMTP] &&
		port->has_hello_after && !port->after.auth[0])
		find(p, PROBE_WARNING, where, "no-auth", "nobody can log in here: AUTH is missing");
}

static void judge_certificate(struct probe *p, const struct probe_port *port, const char *where)
{
	const struct probe_tls *x = &port->tls;
	const struct tls_cert *c = x->cert_count ? &x->certs[0] : NULL;

	if (x->is_dane_tried && port->host->is_tlsa_secure) {
		if (x->dane.trust != TLS_TRUST_GOOD)
			find(p, PROBE_PROBLEM, where, "dane-mismatch",
				"by DANE the certificate is not the right one (%s): senders that use "
				"DANE will not deliver",
				tls_trust_str(x->dane.trust));
	} else if (x->verdict.trust != TLS_TRUST_GOOD) {
		const char *trust = tls_trust_str(x->verdict.trust);

		if (x->verdict.trust == TLS_TRUST_WRONG_NAME)
			trust = arena_printf(p->arena, "it is not for %s", x->name);
		else if (x->verdict.trust == TLS_TRUST_OTHER)
			trust = x->verdict.text;
		find(p, PROBE_WARNING, where, "certificate", "the certificate is not trusted: %s",
			trust);
	}
	/* OpenSSL names one trouble, DANE-EE none of this kind. */
	if (c && c->not_after < p->now_sec && x->verdict.trust != TLS_TRUST_EXPIRED &&
		!probe_is_trusted(port))
		find(p, PROBE_WARNING, where, "expired", "the certificate %s",
			probe_days(p, p->arena, c->not_after));
	if (!c || c->not_after < p->now_sec)
		return;
	if (c->not_after - p->now_sec < EXPIRY_NOTE)
		find(p, c->not_after - p->now_sec < EXPIRY_SOON ? PROBE_WARNING : PROBE_NOTE, where,
			"expires-soon", "the certificate %s",
			probe_days(p, p->arena, c->not_after));
	if (strncmp(c->key, "RSA", 3) == 0 && c->key_bits < RSA_BITS_MIN)
		find(p, PROBE_WARNING, where, "weak-key", "the key is weak: %s", c->key);
}

static void judge_versions(struct probe *p, const struct probe_port *port, const char *where)
{
	const struct probe_version *v = port->tls.versions;
	bool is_relay = port->kind == &probe_kinds[PROBE_SMTP];

	if (v[2].is_spoken == PROBE_NO && v[3].is_spoken == PROBE_NO)
		find(p, PROBE_PROBLEM, where, "old-tls", "neither TLS 1.2 nor TLS 1.3 is spoken");
	/* Between servers old TLS is better than none; where passwords go it is not. */
	if (v[0].is_spoken == PROBE_YES || v[1].is_spoken == PROBE_YES)
		find(p, is_relay ? PROBE_NOTE : PROBE_WARNING, where, "old-tls",
			"TLS %s is still spoken (RFC 8996 ends it)",
			v[0].is_spoken == PROBE_YES ? "1.0" : "1.1");
	if (v[2].is_spoken == PROBE_YES && v[3].is_spoken == PROBE_NO)
		find(p, PROBE_NOTE, where, "no-tls13", "TLS 1.3 is not spoken");
}

static void judge_port(struct probe *p, const struct probe_port *port)
{
	const char *where = where_of(p, port);

	if (!port->is_open) {
		if (port->is_asked_for || port->host->is_mx)
			find(p, PROBE_PROBLEM, where, "unreachable", "%s", port->why);
		return;
	}
	if (!port->kind) {
		find(p, PROBE_PROBLEM, where, "unknown-protocol", "%s", port->why);
		return;
	}
	if (port->why)
		find(p, PROBE_PROBLEM, where, "conversation", "the conversation ended early: %s",
			port->why);
	if (port->tls.is_tried && !port->tls.is_up && port->tls.why)
		find(p, PROBE_PROBLEM, where, "tls-failed", "TLS is promised and fails: %s",
			port->tls.why);
	if (!port->tls.is_tried && port->has_hello)
		find(p, PROBE_WARNING, where, "no-tls",
			"no TLS: everything crosses the network in clear");
	if (port->tls.is_up) {
		judge_certificate(p, port, where);
		judge_versions(p, port, where);
	}
	if (port->injection == PROBE_YES)
		find(p, PROBE_PROBLEM, where, "starttls-injection",
			"a command sent in clear before the handshake is obeyed after it: an attacker "
			"can put words into sessions");
	/* Servers commonly trust their own machine: seen from there it proves little. */
	if (port->relay == PROBE_YES && !p->is_relay_checked)
		find(p, PROBE_NOTE, where, "relays-here",
			"it relays for this machine; whether for strangers too must be tried from "
			"elsewhere");
	else if (port->relay == PROBE_YES)
		find(p, PROBE_PROBLEM, where, "open-relay",
			"it relays for strangers: a foreign recipient was accepted (%s)",
			port->relay_why);
	judge_auth(p, port, where);
}

/* ---- hosts and domain ---- */

static void judge_dane(struct probe *p, const struct probe_host *h)
{
	size_t usable = 0;

	for (size_t i = 0; i < h->tlsa_count; i++)
		usable += tls_tlsa_is_usable(&h->tlsa[i]);
	if (h->tlsa_status == DNS_BOGUS)
		find(p, PROBE_PROBLEM, h->name, "dane-bogus",
			"the TLSA records have wrong signatures: senders that use DANE will wait");
	if (!h->tlsa_count)
		return;
	if (!h->is_tlsa_secure || !h->is_secure)
		find(p, PROBE_WARNING, h->name, "dane-insecure",
			"TLSA records without DNSSEC: nobody may believe them");
	if (!usable)
		find(p, PROBE_WARNING, h->name, "dane-unusable",
			"no TLSA record is usable for SMTP (RFC 7672 takes usage 2 and 3)");
}

static void judge_host(struct probe *p, const struct probe_host *h)
{
	if (!h->addr_count)
		find(p, PROBE_PROBLEM, h->name, "no-address", "it has no address (%s)",
			dns_status_str(h->status));
	if (h->is_mx && h->alias_of)
		find(p, PROBE_WARNING, h->name, "mx-alias",
			"the MX is an alias of %s (RFC 5321 section 5.1 wants the name itself)",
			h->alias_of);
	judge_dane(p, h);
	for (size_t i = 0; i < h->addr_count; i++) {
		const struct probe_addr *a = &h->addrs[i];

		if (!a->is_confirmed && !addr_is_loopback(&a->addr))
			find(p, PROBE_NOTE, h->name[0] ? h->name : a->text, "ptr",
				a->ptr_count ? "%s: the PTR name %s does not lead back"
					     : "%s: no PTR record%s",
				a->text, a->ptr_count ? a->ptr[0] : "");
		for (size_t k = 0; k < a->port_count; k++)
			judge_port(p, &a->ports[k]);
	}
}

/* RFC 8461 section 5: under "enforce" a host that fails either way gets no mail. */
static void judge_policy_hosts(struct probe *p, bool is_enforced)
{
	enum probe_level level = is_enforced ? PROBE_PROBLEM : PROBE_WARNING;

	for (size_t i = 0; i < p->host_count; i++) {
		const struct probe_host *h = &p->hosts[i];

		if (h->is_in_policy == PROBE_NO)
			find(p, level, h->name, "mta-sts-mx",
				"no mx of the MTA-STS policy fits it");
		for (size_t k = 0; k < h->addr_count; k++) {
			const struct probe_port *port = &h->addrs[k].ports[0];

			if (!h->addrs[k].port_count || !port->is_open)
				continue;
			if (!port->tls.is_up || port->tls.verdict.trust != TLS_TRUST_GOOD)
				find(p, level, where_of(p, port), "mta-sts-tls",
					"the MTA-STS policy asks for a certificate that authorities "
					"vouch for: %s",
					port->tls.is_up ? tls_trust_str(port->tls.verdict.trust)
							: "there is no TLS");
		}
	}
}

static void judge_domain(struct probe *p)
{
	const struct probe_domain *d = &p->domain;
	bool has_dane = false;

	for (size_t i = 0; i < p->host_count; i++)
		has_dane |= p->hosts[i].tlsa_count && p->hosts[i].is_tlsa_secure;
	if (d->is_null_mx)
		find(p, PROBE_NOTE, d->name, "null-mx",
			"the domain takes no mail (null MX, RFC 7505)");
	if (d->is_null_mx && p->host_count)
		find(p, PROBE_WARNING, d->name, "null-mx-mixed",
			"a null MX stands beside others (RFC 7505 section 3)");
	if (has_dane && !d->is_mx_secure)
		find(p, PROBE_WARNING, d->name, "dane-mx",
			"the MX records are not validated: DANE of the hosts protects nobody");
	if (d->sts_count > 1)
		find(p, PROBE_PROBLEM, d->name, "mta-sts-txt",
			"several MTA-STS records: senders ignore all of them");
	else if (d->sts_txt && !d->sts_id)
		find(p, PROBE_PROBLEM, d->name, "mta-sts-txt", "the MTA-STS record has no id");
	if (d->policy_why)
		find(p, PROBE_PROBLEM, d->name, "mta-sts-policy",
			"the MTA-STS policy cannot be used: %s", d->policy_why);
	else if (d->policy_mode && strcmp(d->policy_mode, "none") != 0) {
		judge_policy_hosts(p, strcmp(d->policy_mode, "enforce") == 0);
		if (d->max_age < STS_AGE_SHORT)
			find(p, PROBE_WARNING, d->name, "mta-sts-age",
				"the MTA-STS policy is kept for less than a day");
	}
	if (!d->is_null_mx && !d->sts_txt && !has_dane)
		find(p, PROBE_NOTE, d->name, "no-policy",
			"neither MTA-STS nor DANE: TLS can be stripped on the way");
	if (d->rpt_count > 1 || (d->rpt_txt && !d->rua))
		find(p, PROBE_WARNING, d->name, "tlsrpt",
			d->rua ? "several TLSRPT records" : "the TLSRPT record has no rua");
	else if (!d->is_null_mx && !d->rpt_txt)
		find(p, PROBE_NOTE, d->name, "no-tlsrpt",
			"no TLSRPT: failures of TLS are not reported");
}

static int by_level(const void *a, const void *b)
{
	const struct probe_finding *x = a, *y = b;

	if (x->level != y->level)
		return x->level > y->level ? -1 : 1;
	return x < y ? -1 : 1;
}

void probe_judge(struct probe *p)
{
	if (p->is_domain)
		judge_domain(p);
	for (size_t i = 0; i < p->host_count; i++)
		judge_host(p, &p->hosts[i]);
	if (p->finding_count)
		qsort(p->findings, p->finding_count, sizeof(p->findings[0]), by_level);
}

int probe_judge_code(const struct probe *p)
{
	bool is_any_open = p->domain.is_null_mx && !p->host_count;

	for (size_t i = 0; i < p->host_count; i++)
		for (size_t k = 0; k < p->hosts[i].addr_count; k++)
			for (size_t n = 0; n < p->hosts[i].addrs[k].port_count; n++)
				is_any_open |= p->hosts[i].addrs[k].ports[n].is_open;
	if (!is_any_open)
		return EX_UNAVAILABLE;
	for (size_t i = 0; i < p->finding_count; i++)
		if (p->findings[i].level != PROBE_NOTE)
			return 1;
	return 0;
}
