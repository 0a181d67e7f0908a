/* Which recipients of a parcel are reported to its sender. */

#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "services/bounce/bounce.h"
#include "services/queue/queue_priv.h"

#define REPORTS_FIRST 16

static bool is_told(enum bounce_kind kind, const struct outbound_parcel *p,
	const struct outbound_rcpt *r, const struct spool_result *res)
{
	switch (kind) {
	case BOUNCE_FAILED: return res->outcome == SPOOL_FAILED;
	case BOUNCE_DELAYED: return res->is_delay_told;
	case BOUNCE_RELAYED:
		return res->outcome == SPOOL_DELIVERED && !p->is_lmtp && !r->is_dsn_passed;
	case BOUNCE_DELIVERED: return res->outcome == SPOOL_DELIVERED && p->is_lmtp;
	}
	return false;
}

/* When it will be tried again, as far as the ladder tells: its steps without their spread. */
static void tell_next(const struct outbound_parcel *p, const struct outbound_rcpt *r,
	const struct spool_result *res, struct bounce_rcpt *to)
{
	uint32_t attempts = r->attempts + (res->is_attempt ? 1 : 0);
	int64_t at_ns = res->next_ns;

	for (uint32_t i = 0; i < ARRAY_LEN(to->next_ns) && at_ns <= p->expires_ns; i++) {
		to->next_ns[i] = at_ns;
		at_ns += queue_ladder_ns(attempts + i + 1, 0) / 8 * 10;
	}
}

/* The recipients that a report of this kind is about. */
static size_t collect(enum bounce_kind kind, const struct outbound_parcel *p,
	const struct spool_result *results, struct bounce_rcpt *rcpts)
{
	size_t count = 0;

	for (size_t i = 0; i < p->rcpt_count; i++) {
		const struct outbound_rcpt *r = &p->rcpts[i];
		const struct spool_result *res = &results[i];

		if (!is_told(kind, p, r, res) || !bounce_is_wanted(kind, r->notify))
			continue;
		rcpts[count] = (struct bounce_rcpt){.address = r->address,
			.orcpt = r->orcpt,
			.enhanced = res->enhanced,
			.code = res->code,
			.text = res->text,
			.host = res->host,
			.at_ns = res->at_ns};
		if (kind == BOUNCE_DELAYED)
			tell_next(p, r, res, &rcpts[count]);
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
		.log = o->log};
	struct bounce_rcpt *rcpts = ARENA_ARRAY(a, struct bounce_rcpt, p->rcpt_count);
	struct bounce_letter about = {.msg_id = p->msg_id,
		.env = &p->env,
		.prefix = p->prefix,
		.body = p->body,
		.arrived_ns = p->arrived_ns,
		.expires_ns = p->expires_ns,
		.rcpt_count = collect(kind, p, results, rcpts),
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
		if (results[i].outcome == SPOOL_FAILED || results[i].is_delay_told ||
			(results[i].outcome == SPOOL_DELIVERED &&
				p->rcpts[i].notify & SPOOL_NOTIFY_SUCCESS))
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
