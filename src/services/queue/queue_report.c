/* Which recipients of a parcel are reported to its sender. */

#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "services/bounce/bounce.h"
#include "services/queue/queue_priv.h"

#define REPORTS_FIRST 16

/* RFC 2852 section 4.1.4: whoever asked for a trace is told of each relay; and of the last one that
 * keeps the deadline in mind, when the next hop does not. */
static bool is_relay_traced(const struct outbound_parcel *p, const struct spool_result *res)
{
	if (p->env.by_mode == SPOOL_BY_NONE || p->is_lmtp)
		return false;
	return p->env.by_trace ||
		(p->env.by_mode == SPOOL_BY_NOTIFY && !p->is_by_passed &&
			res->at_ns < p->env.by_ns);
}

static bool is_delay_new(const struct outbound_rcpt *r, const struct spool_result *res)
{
	return res->delays_told > r->delays_told || (res->is_by_told && !r->is_by_told);
}

/* Does its sender want to hear that? A relay on the way to a deadline is told to all who have not
 * said NEVER. */
static bool is_wanted(enum bounce_kind kind, const struct outbound_parcel *p,
	const struct outbound_rcpt *r, const struct spool_result *res)
{
	if (kind == BOUNCE_RELAYED && is_relay_traced(p, res))
		return !(r->notify & SPOOL_NOTIFY_NEVER);
	return bounce_is_wanted(kind, r->notify);
}

static bool is_told(enum bounce_kind kind, const struct outbound_parcel *p,
	const struct outbound_rcpt *r, const struct spool_result *res)
{
	switch (kind) {
	case BOUNCE_FAILED: return res->outcome == SPOOL_FAILED;
	case BOUNCE_DELAYED: return is_delay_new(r, res);
	case BOUNCE_RELAYED:
		return res->outcome == SPOOL_DELIVERED && !p->is_lmtp &&
			(!r->is_dsn_passed || is_relay_traced(p, res));
	case BOUNCE_DELIVERED: return res->outcome == SPOOL_DELIVERED && p->is_lmtp;
	case BOUNCE_EXPANDED: break; /* told where the letter came in */
	}
	return false;
}

/* When it will be tried again, as far as the ladder tells: its steps without their spread. */
static void tell_next(const struct queue_shard *sh, const struct outbound_parcel *p,
	const struct outbound_rcpt *r, const struct spool_result *res, struct bounce_rcpt *to)
{
	uint32_t attempts = r->attempts + (res->is_attempt ? 1 : 0);
	int64_t at_ns = res->next_ns;

	for (uint32_t i = 0; i < ARRAY_LEN(to->next_ns) && at_ns <= queue_expires_ns(sh, p); i++) {
		to->next_ns[i] = at_ns;
		at_ns += queue_rule_next_ns(queue_rule_of(sh, p), attempts + i + 1, 0) / 8 * 10;
	}
}

/* RFC 2852 section 4.1.3: status 4.4.7, whatever the last attempt's was. */
static void tell_deadline(struct arena *a, struct bounce_rcpt *b)
{
	b->code = 0;
	b->enhanced = SPAN("4.4.7");
	b->text = span_str(arena_printf(a,
		"not delivered within the time that its sender wanted; last reason: " SPAN_FMT,
		SPAN_ARG(b->text)));
}

/* RFC 3461 section 4.1, RFC 2852 section 4.1.4.2: somebody counts on hearing of it. */
static bool is_delay_asked(const struct outbound_parcel *p)
{
	if (p->env.by_mode == SPOOL_BY_NOTIFY)
		return true;
	for (size_t i = 0; i < p->rcpt_count; i++)
		if (p->rcpts[i].notify & SPOOL_NOTIFY_DELAY)
			return true;
	return false;
}

/* The recipients that a report of this kind is about. */
static size_t collect(const struct queue_shard *sh, struct arena *a, enum bounce_kind kind,
	const struct outbound_parcel *p, const struct spool_result *results,
	struct bounce_rcpt *rcpts)
{
	size_t count = 0;

	for (size_t i = 0; i < p->rcpt_count; i++) {
		const struct outbound_rcpt *r = &p->rcpts[i];
		const struct spool_result *res = &results[i];

		if (!is_told(kind, p, r, res) || !is_wanted(kind, p, r, res))
			continue;
		rcpts[count] = (struct bounce_rcpt){.address = r->address,
			.orcpt = r->orcpt,
			.enhanced = res->enhanced,
			.code = res->code,
			.text = res->text,
			.host = res->host,
			.at_ns = res->at_ns};
		if (kind == BOUNCE_DELAYED)
			tell_next(sh, p, r, res, &rcpts[count]);
		if (kind == BOUNCE_DELAYED && res->is_by_told && !r->is_by_told)
			tell_deadline(a, &rcpts[count]);
		count++;
	}
	return count;
}

static struct spool_new *reports_add(struct arena *a, struct queue_reports *r)
{
	if (r->count == r->cap) {
		size_t cap = r->cap ? r->cap * 2 : REPORTS_FIRST;
		struct spool_new *more = ARENA_ARRAY(a, struct spool_new, cap);

		if (r->count > 0)
			memcpy(more, r->letters, r->count * sizeof(*more));
		r->letters = more;
		r->cap = cap;
	}
	return &r->letters[r->count];
}

static FIBER int report(struct queue_shard *sh, struct arena *a, enum bounce_kind kind,
	const struct outbound_parcel *p, const struct spool_result *results,
	struct queue_reports *r, struct err *e)
{
	const struct queue_opts *o = &sh->q->opts;
	struct bounce_opts bo = {.store = o->store,
		.hostname = o->hostname,
		.double_bounces = o->double_bounces,
		.language = (enum bounce_language)o->bounce_language,
		.signer = o->signer,
		.log = o->log};
	struct bounce_rcpt *rcpts = ARENA_ARRAY(a, struct bounce_rcpt, p->rcpt_count);
	struct bounce_letter about = {.msg_id = p->msg_id,
		.env = &p->env,
		.prefix = p->prefix,
		.body = p->body,
		.arrived_ns = p->arrived_ns,
		.expires_ns = queue_expires_ns(sh, p),
		.is_delay_asked = is_delay_asked(p),
		.rcpt_count = collect(sh, a, kind, p, results, rcpts),
		.rcpts = rcpts};
	bool is_owed = false;

	if (about.rcpt_count == 0)
		return 0;
	if (bounce_write(&bo, sh->router, a, kind, &about, reports_add(a, r), &is_owed, e) < 0)
		return -1;
	if (is_owed)
		r->count++;
	return 0;
}

/* A letter that simply arrived owes nothing: the common case costs one look at each recipient. */
static bool is_quiet(const struct outbound_parcel *p, const struct spool_result *results)
{
	for (size_t i = 0; i < p->rcpt_count; i++) {
		if (results[i].outcome == SPOOL_FAILED || is_delay_new(&p->rcpts[i], &results[i]) ||
			(results[i].outcome == SPOOL_DELIVERED &&
				(p->rcpts[i].notify & SPOOL_NOTIFY_SUCCESS || p->env.by_mode)))
			return false;
	}
	return true;
}

void queue_offspring(struct arena *a, const struct outbound_parcel *p, struct queue_reports *r)
{
	for (size_t i = 0; i < p->offspring_count; i++) {
		*reports_add(a, r) = p->offspring[i];
		r->count++;
	}
}

FIBER int queue_report(struct queue_shard *sh, struct arena *a, const struct outbound_parcel *p,
	const struct spool_result *results, struct queue_reports *r, struct err *e)
{
	size_t before = r->count;

	if (is_quiet(p, results))
		return 0;
	for (enum bounce_kind kind = BOUNCE_FAILED; kind <= BOUNCE_DELIVERED; kind++) {
		if (report(sh, a, kind, p, results, r, e) < 0) {
			r->count = before;
			return -1;
		}
	}
	return 0;
}

/* ---- delivered here, later than accepted ------------------------------------------------------- */

static FIBER int report_local(
	struct queue_shard *sh, struct arena *a, const struct spool_item *it, struct err *e)
{
	const struct queue_opts *o = &sh->q->opts;
	struct bounce_opts bo = {.store = o->store,
		.hostname = o->hostname,
		.double_bounces = o->double_bounces,
		.language = (enum bounce_language)o->bounce_language,
		.signer = o->signer,
		.log = o->log};
	struct bounce_rcpt rcpt = {.address = it->address,
		.orcpt = it->orcpt,
		.enhanced = SPAN("2.1.5"),
		.text = SPAN("delivered to the mailbox"),
		.at_ns = loop_wall_ns()};
	struct body *body = body_open(o->store, it->blob_id, it->blob_len);
	struct bounce_letter about = {.msg_id = it->msg_id,
		.env = &it->env,
		.prefix = it->prefix,
		.body = body,
		.arrived_ns = it->arrived_ns,
		.expires_ns = it->expires_ns,
		.rcpt_count = 1,
		.rcpts = &rcpt};
	struct spool_new letter;
	bool is_owed = false;
	int rc = bounce_write(&bo, sh->router, a, BOUNCE_DELIVERED, &about, &letter, &is_owed, e);

	if (rc == 0 && is_owed)
		rc = spool_accept(o->store, &letter, false, e);
	if (rc == 0 && is_owed && letter.stored)
		body_unref(&letter.stored);
	body_unref(&body);
	return rc;
}

FIBER void queue_report_local(struct queue_shard *sh, const struct spool_item *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct arena *a = arena_new();
		struct err e = {0};

		if (report_local(sh, a, &items[i], &e) < 0)
			log_event(sh->q->opts.log, LOG_ERROR, "bounce.lost",
				LF_ID("about", items[i].msg_id), LF_STR("reason", e.text));
		arena_free(&a);
	}
}
