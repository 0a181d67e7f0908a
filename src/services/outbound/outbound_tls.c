/* TLS to the next hop: what services/tlspolicy says is done here. */

#include "base/must.h"
#include "run/fiber.h"
#include "services/outbound/outbound_priv.h"
#include "services/router/destination.h"

FIBER int outbound_tls_find(const struct outbound_opts *o, struct arena *a, struct span destination,
	const struct outbound_hops *hops, const struct tls_policy **policy_r, struct err *e)
{
	struct tlspolicy_ask ask = {.is_fixed = hops->is_fixed, .is_mx_secure = hops->is_secure};
	struct tls_policy *policy;
	struct destination d;

	*policy_r = NULL;
	if (!o->policy || destination_cut(destination, &d, NULL) < 0 || d.kind == DESTINATION_UNIX)
		return 0;
	ask.destination = d.base;
	ask.is_requiretls = span_eq(d.tls, SPAN("required"));
	ask.is_tls_optional = span_eq(d.tls, SPAN("optional"));
	if (tlspolicy_domain(o->policy, a, &ask, &policy, e) < 0)
		return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
	*policy_r = policy;
	return 0;
}

bool outbound_way_is_good(const struct outbound_opts *o, const struct outbound_way *way)
{
	return way->until_ns > loop_now_ns() &&
		(!o->policy || !way->tls || tlspolicy_is_current(o->policy, way->tls));
}

/* The look-up of TLSA records is what takes time in it. `e`: the host may not be used. */
static void time_host(
	const struct outbound_link *l, int64_t began_ns, struct span name, const struct err *e)
{
	struct outbound_step step = {.began_ns = began_ns, .host = name};
	bool is_dane = l->policy->is_dane && name.len, is_by_tlsa;

	is_by_tlsa = is_dane && l->tls.report == TLSRPT_POLICY_TLSA;
	if (is_dane) {
		step.kind = OUTBOUND_STEP_TLSA;
		step.text = is_by_tlsa ? span_str(l->tls.why) : SPAN("it has none that count");
		outbound_step_add(l->carrier->steps, &step, is_by_tlsa ? e : NULL);
	}
	if (e && !is_by_tlsa) {
		step.kind = OUTBOUND_STEP_POLICY;
		outbound_step_add(l->carrier->steps, &step, e);
	}
}

FIBER int outbound_tls_host(struct outbound_link *l, const struct outbound_hops *hops,
	const struct outbound_host *host, struct err *e)
{
	const struct outbound_opts *o = l->carrier->opts;
	int64_t began_ns = loop_now_ns();
	struct span name = host->name;
	struct buf ip;
	int rc;

	if (!l->policy)
		return 0;
	if (name.len == 0 && host->addr_count && addr_is_ip(&host->addrs[0])) {
		buf_init(&ip, ADDR_TEXT_MAX);
		addr_put_ip(&ip, &host->addrs[0]);
		name = arena_span(l->arena, buf_span(&ip));
		buf_fini(&ip);
	}
	rc = tlspolicy_host(o->policy, l->arena, l->policy, name, hops->port, &l->tls, e);
	time_host(l, began_ns, host->name, rc < 0 ? e : NULL);
	if (rc < 0 && e->code != ERR_CANCELLED)
		log_event(o->log, LOG_WARN, "outbound.tls.skip", LF("host", name),
			LF_STR("reason", e->text));
	return rc;
}

static void note(struct outbound_link *l, enum tlsrpt_result kind, const char *detail)
{
	struct buf ip;

	if (!l->policy)
		return;
	buf_init(&ip, ADDR_TEXT_MAX);
	addr_put_ip(&ip, &l->stream->peer);
	tlspolicy_note(l->carrier->opts->policy, l->policy, &l->tls, kind, buf_span(&ip),
		span_str(detail));
	buf_fini(&ip);
}

/* The policy is not kept: nothing of the letter may be said here. 4.7.10 and 4.7.5: RFC 3463, RFC 5248;
 * 5.7.30: RFC 8689 section 8. */
static int forbid(const struct outbound_link *l, unsigned detail, struct err *e)
{
	if (l->policy && l->policy->is_requiretls) {
		err_smtp(e, e->smtp, 5, 7, 30);
		return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_NEVER);
	}
	err_smtp(e, e->smtp, 4, 7, detail);
	return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
}

/* There is no TLS to be had. */
static int without(struct outbound_link *l, const char *why, struct err *e)
{
	struct outbound_step step = {
		.kind = OUTBOUND_STEP_TLS, .began_ns = loop_now_ns(), .host = l->host};

	note(l, TLSRPT_STARTTLS_NOT_SUPPORTED, why);
	if (!l->policy || !l->tls.is_must)
		return 0;
	err_set(e, ERR_TLS, "TLS is demanded (%s), and %s", l->tls.why, why);
	outbound_step_add(l->carrier->steps, &step, e);
	return forbid(l, 10, e);
}

/* A handshake that failed. */
static int broken(struct outbound_link *l, const struct tls_verdict *verdict, struct err *e)
{
	const struct outbound_opts *o = l->carrier->opts;
	enum tlsrpt_result kind = TLSRPT_VALIDATION_FAILURE;

	if (l->policy && verdict->error)
		kind = tlspolicy_kind(&l->tls, verdict);
	note(l, kind == TLSRPT_SUCCESS ? TLSRPT_VALIDATION_FAILURE : kind, e->text);
	log_event(o->log, LOG_WARN, "outbound.tls.broken", LF("host", l->host),
		LF_STR("policy", tls_level_str(l->policy ? l->tls.level : TLS_LEVEL_MAY)),
		LF_STR("reason", e->text));
	if (l->policy && l->tls.is_must) {
		forbid(l, 5, e);
		return err_wrap(e, "%s", l->tls.why);
	}
	l->carrier->memory->tls_broken_ns = loop_now_ns() + OUTBOUND_TLS_FORGET;
	return -1;
}

/* RFC 8689 section 4.2.1: the host must promise to go on as it was begun. */
static int check_promise(struct outbound_link *l, struct err *e)
{
	if (!l->policy || !l->policy->is_requiretls || smtp_client_has(&l->client, SMTP_REQUIRETLS))
		return 0;
	err_set(e, ERR_TLS, "REQUIRETLS is asked for, and the host does not offer it");
	return forbid(l, 5, e);
}

static void time_handshake(const struct outbound_link *l, int64_t asked_ns,
	const struct tls_verdict *verdict, const struct err *e)
{
	struct outbound_step step = {.kind = OUTBOUND_STEP_TLS,
		.began_ns = verdict->began_ns,
		.ended_ns = verdict->ended_ns,
		.host = l->host};

	if (!step.began_ns) { /* it failed before */
		step.began_ns = asked_ns;
		step.ended_ns = loop_now_ns();
	}
	if (l->stream->tls) /* then what failed is of the conversation */
		e = NULL;
	if (!e)
		step.text = span_str(l->stream->tls->version);
	outbound_step_add(l->carrier->steps, &step, e);
}

FIBER int outbound_tls_upgrade(struct outbound_link *l, struct err *e)
{
	const struct outbound_opts *o = l->carrier->opts;
	struct tls_connect_opts plain = {.name = l->name};
	struct tls_verdict verdict = {.trust = TLS_TRUST_OTHER};
	bool is_must = l->policy && l->tls.is_must;
	int64_t asked_ns = loop_now_ns();
	int rc;

	if (addr_is_unix(&l->stream->peer) || (l->policy && l->tls.level == TLS_LEVEL_NONE))
		return 0;
	if (!o->tls)
		return is_must ? without(l, "it is switched off here", e) : 0;
	if (!is_must && l->carrier->memory->tls_broken_ns > loop_now_ns())
		return 0;
	if (!smtp_client_has(&l->client, SMTP_FEATURE_STARTTLS))
		return without(l, "the host does not offer it", e);
	rc = smtp_client_starttls_with(
		&l->client, o->tls, l->policy ? &l->tls.opts : &plain, &verdict, e);
	if (rc < 0) {
		if (e->code == ERR_CANCELLED)
			return -1;
		if (!l->client.is_over && e->code == ERR_REPLY && !l->stream->tls) /* refused */
			return without(l, "the host refuses STARTTLS", e);
		time_handshake(l, asked_ns, &verdict, e);
		return broken(l, &verdict, e);
	}
	time_handshake(l, asked_ns, &verdict, NULL);
	if (l->policy)
		note(l, tlspolicy_kind(&l->tls, &verdict), verdict.error ? verdict.text : "");
	return check_promise(l, e);
}
