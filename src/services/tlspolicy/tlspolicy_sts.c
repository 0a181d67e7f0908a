/* MTA-STS (RFC 8461): is there a record, is the policy that we keep still its, and else what the web
 * server says. */

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "run/fiber.h"
#include "services/tlspolicy/tlspolicy_priv.h"

/* ---- failures are remembered for a while ---- */

static void failed_free(struct tlspolicy_failed *f)
{
	if (!f)
		return;
	free(f->why);
	free(f);
}

void tlspolicy_failed_clear(struct tlspolicy *t)
{
	struct span name;
	void *f;

	for (size_t at = 0; hash_map_next(&t->failed, &at, &name, &f);) {
		hash_map_remove(&t->failed, name);
		failed_free(f);
	}
}

static void failed_put(struct tlspolicy *t, struct span domain, struct span id, const char *why)
{
	struct tlspolicy_failed *f = NEW(struct tlspolicy_failed);

	f->until_ns = loop_wall_ns() + TLSPOLICY_FETCH_AGAIN_NS;
	memcpy(f->id, id.ptr, id.len);
	f->why = mem_dup(why, strlen(why));
	pthread_mutex_lock(&t->lock);
	if (hash_map_count(&t->failed) >= TLSPOLICY_FAILED_MAX)
		tlspolicy_failed_clear(t);
	failed_free(hash_map_set(&t->failed, domain, f));
	pthread_mutex_unlock(&t->lock);
}

/* Why it failed a moment ago; NULL: it did not, or the record has changed since. */
static const char *failed_get(
	struct tlspolicy *t, struct arena *a, struct span domain, struct span id)
{
	const struct tlspolicy_failed *f;
	const char *why = NULL;

	pthread_mutex_lock(&t->lock);
	f = hash_map_get(&t->failed, domain);
	if (f && f->until_ns > loop_wall_ns() && span_eq(span_str(f->id), id))
		why = arena_str(a, span_str(f->why));
	pthread_mutex_unlock(&t->lock);
	return why;
}

/* ---- one look ---- */

struct look {
	struct tlspolicy *t;
	struct arena *a;
	struct span domain;
	struct sts_fact fact;
	bool is_live; /* fact is kept, has not expired, and `kept` is what it says */
	struct mta_sts_policy *kept;
	struct span id; /* of the record; "" none */
	const char *txt_why;
};

static FIBER int read_kept(struct look *l, struct err *e)
{
	bool is_found = false;

	if (!l->t->opts.store)
		return 0;
	if (sts_fact_find(l->t->opts.store, l->a, l->domain, &l->fact, &is_found, e) < 0)
		return -1;
	l->kept = ARENA_NEW(l->a, struct mta_sts_policy);
	l->is_live = is_found && l->fact.expires_ns > loop_wall_ns() &&
		mta_sts_parse(l->a, l->fact.body, l->kept, NULL) == 0;
	return 0;
}

/* Section 3.1: exactly one record that claims to be one, and it can be read. */
static FIBER int ask_record(struct look *l, struct err *e)
{
	const char *name = arena_printf(l->a, "_mta-sts." SPAN_FMT, SPAN_ARG(l->domain));
	struct dns_answer ans;
	struct span record = SPAN_NONE;
	struct err why = {0};
	size_t count = 0;

	if (dns_query(l->t->opts.dns, l->a, span_str(name), DNS_TXT,
		    loop_now_ns() + TLSPOLICY_DNS_NS, &ans, &why) < 0) {
		if (why.code == ERR_CANCELLED)
			return err_copy(e, &why);
		l->txt_why = arena_str(l->a, span_str(why.text)); /* no name, no record */
		return 0;
	}
	if (ans.status == DNS_FAIL || ans.status == DNS_BOGUS)
		l->txt_why = arena_printf(l->a, "%s: %s", name, dns_status_str(ans.status));
	for (size_t i = 0; i < ans.count; i++) {
		if (!mta_sts_txt_claims(ans.rr[i].text))
			continue;
		record = ans.rr[i].text;
		count++;
	}
	if (count > 1)
		l->txt_why = arena_printf(l->a, "%s has %zu records, so none counts", name, count);
	else if (count == 1 && mta_sts_txt_parse(record, &l->id, &why) < 0)
		l->txt_why = arena_printf(
			l->a, "the record of %s cannot be read: %s", name, why.text);
	return 0;
}

static FIBER int fetch(
	struct look *l, struct span *text_r, enum tlsrpt_result *kind_r, struct err *e)
{
	const struct tlspolicy_opts *o = &l->t->opts;

	if (o->fetch_fn)
		return o->fetch_fn(o->fetch_arg, l->a, l->domain, text_r, kind_r, e);
	return sts_fetch(&o->fetch, l->a, l->domain, text_r, kind_r, e);
}

static FIBER int keep(
	struct look *l, struct span text, const struct mta_sts_policy *p, struct err *e)
{
	int64_t now = loop_wall_ns();
	struct sts_fact fact = {.domain = l->domain,
		.id = l->id,
		.body = text,
		.fetched_ns = l->is_live && span_eq(l->fact.body, text) ? l->fact.fetched_ns : now,
		.refreshed_ns = now,
		.expires_ns = now + (int64_t)p->max_age * CLOCK_SEC};

	return l->t->opts.store ? sts_fact_put(l->t->opts.store, &fact, e) : 0;
}

/* A new policy in `p`, or *why_r. -1: cancelled, or it cannot be kept. */
static FIBER int renew(struct look *l, struct mta_sts_policy **p_r, struct span *text_r,
	const char **why_r, struct err *e)
{
	enum tlsrpt_result kind = TLSRPT_STS_POLICY_FETCH_ERROR;
	struct mta_sts_policy *p = ARENA_NEW(l->a, struct mta_sts_policy);
	struct err why = {0};
	int rc;

	*why_r = failed_get(l->t, l->a, l->domain, l->id);
	if (*why_r || (!l->t->opts.fetch.lane && !l->t->opts.fetch_fn))
		return 0;
	rc = fetch(l, text_r, &kind, &why);
	if (rc < 0 && why.code == ERR_CANCELLED)
		return err_copy(e, &why);
	if (rc == 0) {
		kind = TLSRPT_STS_POLICY_INVALID;
		rc = mta_sts_parse(l->a, *text_r, p, &why);
	}
	if (rc == 0) {
		*p_r = p;
		return keep(l, *text_r, p, e);
	}
	*why_r = arena_str(l->a, span_str(why.text));
	failed_put(l->t, l->domain, l->id, *why_r);
	tlspolicy_note_domain(l->t, l->domain, TLSRPT_POLICY_STS, kind, span_str(why.text), NULL);
	if (l->t->opts.log)
		log_event(l->t->opts.log, LOG_WARN, "tls.sts.fetch", LF("domain", l->domain),
			LF_STR("reason", why.text));
	return 0;
}

static void tell(struct look *l, struct tlspolicy_sts *sts, struct mta_sts_policy *p,
	struct span text, struct span id, const char *trouble)
{
	const char *mx = "";

	for (size_t i = 0; i < p->mx_count && i < 8; i++)
		mx = arena_printf(l->a, "%s%s" SPAN_FMT, mx, i ? ", " : " of ", SPAN_ARG(p->mx[i]));
	sts->policy = p->mode == MTA_STS_NONE ? NULL : p;
	sts->text = arena_str(l->a, text);
	sts->id = arena_str(l->a, id);
	sts->why = arena_printf(l->a, "its MTA-STS policy (id " SPAN_FMT ") says %s%s%s%s%s",
		SPAN_ARG(id), mta_sts_mode_str(p->mode), mx, trouble ? " (the kept one: " : "",
		trouble ? trouble : "", trouble ? ")" : "");
}

FIBER int tlspolicy_sts_find(struct tlspolicy *t, struct arena *a, struct span domain,
	struct tlspolicy_sts *sts_r, struct err *e)
{
	struct look l = {.t = t, .a = a, .domain = domain};
	struct mta_sts_policy *fresh = NULL;
	const char *why = NULL;
	struct span text;

	*sts_r = (struct tlspolicy_sts){0};
	if (!t->opts.dns)
		return 0;
	if (read_kept(&l, e) < 0 || ask_record(&l, e) < 0)
		return -1;
	/* Section 10.2 and 5.1: a changed id, or a day, asks for another look. */
	if (l.id.len &&
		(!l.is_live || !span_eq(l.id, l.fact.id) ||
			l.fact.refreshed_ns + TLSPOLICY_REFRESH_NS < loop_wall_ns()) &&
		renew(&l, &fresh, &text, &why, e) < 0)
		return -1;
	if (fresh)
		tell(&l, sts_r, fresh, text, l.id, NULL);
	else if (l.is_live) /* section 3.3: until it expires */
		tell(&l, sts_r, l.kept, l.fact.body, l.fact.id,
			why                     ? why
				: l.txt_why     ? l.txt_why
				: l.id.len == 0 ? "the record is gone"
						: NULL);
	else if (why)
		sts_r->why = arena_printf(a, "its MTA-STS policy cannot be had: %s", why);
	else if (l.txt_why)
		sts_r->why = arena_printf(a, "no MTA-STS: %s", l.txt_why);
	return 0;
}
