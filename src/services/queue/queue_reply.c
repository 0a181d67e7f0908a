/* Replies that mean more than their code, by the table of shaping: what becomes of the letter is told by
 * the verdict, what becomes of the site is done here. */

#include <stdlib.h>

#include "base/mem.h"
#include "services/queue/queue_priv.h"

static void slow_for(struct queue_site *site, int64_t pause_ns)
{
	int64_t now = loop_now_ns();

	if (site->slow_until_ns <= now) { /* an old slowness is forgotten */
		site->slow_step_ns = 0;
		site->slow_window = 0;
	}
	if (site->slow_until_ns < now + pause_ns)
		site->slow_until_ns = now + pause_ns;
}

static void be_fewer(struct queue_site *site, int64_t pause_ns)
{
	unsigned window = queue_rate_window(site);

	slow_for(site, pause_ns);
	site->slow_window = window > 1 ? window / 2 : 1;
}

/* One connection, and half as many letters with each such reply. */
static void be_slower(struct queue_site *site, int64_t pause_ns)
{
	int64_t step;

	slow_for(site, pause_ns);
	step = site->slow_step_ns ? site->slow_step_ns * 2 : QUEUE_SLOW_FIRST_NS;
	site->slow_step_ns = step < QUEUE_SLOW_MAX_NS ? step : QUEUE_SLOW_MAX_NS;
	site->slow_window = 1;
	site->slow_rate.next_ns = loop_now_ns() + site->slow_step_ns;
}

static void avoid(struct queue_site *site, struct span host, int64_t pause_ns)
{
	ptrdiff_t end = span_find(host, ' ');

	if (end > 0)
		host = span_sub(host, 0, (size_t)end);
	free((char *)site->avoid.ptr);
	site->avoid = span_of(mem_dup(host.ptr ? host.ptr : "", host.len), host.len);
	site->avoid_until_ns = loop_now_ns() + pause_ns;
}

/* What the row asks of the site. */
static void obey(struct queue_site *site, const struct shape_reply *r, struct span host,
	struct span text, struct queue_heard *heard)
{
	int64_t now = loop_now_ns();

	if (r->action == SHAPE_NONE || r->action == SHAPE_LATER || r->action == SHAPE_SOON)
		return;
	log_event(site->shard->q->opts.log, LOG_WARN, "queue.site.asked", LF("site", site->name),
		LF_STR("action", shape_action_str(r->action)),
		LF_INT("pause_s", r->pause_ns / CLOCK_SEC), LF("pattern", r->pattern),
		LF("reply", text));
	if (r->action == SHAPE_NEXT) {
		avoid(site, host, r->pause_ns);
		heard->is_next_host = true;
		return;
	}
	heard->is_slow = true;
	if (r->action == SHAPE_FEWER) {
		be_fewer(site, r->pause_ns);
	} else if (r->action == SHAPE_SLOW) {
		be_slower(site, r->pause_ns);
	} else {
		err_set(&site->why, ERR_REPLY, SPAN_FMT, SPAN_ARG(span_sub(text, 0, 250)));
		queue_site_down_until(site, now + r->pause_ns);
	}
}

/* A refusal that only means "not now" is none. */
static void soften(struct outbound_rcpt *r, const struct shape_reply *row)
{
	if (r->verdict == OUTBOUND_PERMANENT &&
		(row->action == SHAPE_LATER || row->action == SHAPE_SUSPEND ||
			row->action == SHAPE_SLOW || row->action == SHAPE_FEWER))
		r->verdict = OUTBOUND_TEMPORARY;
}

/* Greylisting ends after minutes, where the ladder would soon wait for hours. */
static int64_t sooner(const struct queue_shard *sh, const struct outbound_parcel *p,
	uint32_t attempts, int64_t at_most_ns)
{
	unsigned class = p->env.class < SPOOL_CLASSES ? p->env.class : SPOOL_CLASS_NORMAL;
	int64_t step = queue_rule_next_ns(&sh->rules.classes[class], attempts + 1, loop_random());

	return step < at_most_ns ? step : at_most_ns;
}

/* When the letter comes again: not before its site, sooner when all that it was told is to come again. */
static int64_t next_of(const struct queue_site *site, const struct outbound_parcel *p,
	const struct shape_reply *soon)
{
	int64_t wait = 0;

	if (site->retry_ns > loop_now_ns())
		wait = site->retry_ns - loop_now_ns();
	else if (soon)
		wait = sooner(site->shard, p, p->rcpts[0].attempts, soon->pause_ns);
	return wait ? loop_wall_ns() + wait : p->next_ns;
}

struct queue_heard queue_reply_heard(struct queue_site *site, struct outbound_parcel *p)
{
	const struct shape_reply *obeyed = NULL, *soon = NULL;
	bool is_soon = true, is_put_off = false;
	struct queue_heard heard = {0};

	for (size_t i = 0; i < p->rcpt_count; i++) {
		struct outbound_rcpt *r = &p->rcpts[i];
		const struct shape_reply *row = NULL;

		if (r->verdict == OUTBOUND_DELIVERED)
			continue;
		heard.is_slow = heard.is_slow || r->code == 421;
		if (r->code)
			row = shape_reply_find(site->shard->shape, p->destination, site->name,
				r->code, r->enhanced, r->text);
		if (row)
			soften(r, row);
		if (r->verdict == OUTBOUND_PERMANENT)
			continue;
		is_put_off = true;
		if (row && row->action == SHAPE_SOON && r->attempts < QUEUE_SOON_ATTEMPTS)
			soon = row;
		else
			is_soon = false;
		if (row && row != obeyed) /* a letter has asked once, for all its recipients */
			obey(site, row, p->host, r->text, &heard);
		obeyed = row;
	}
	if (is_put_off && !p->next_ns)
		p->next_ns = next_of(site, p, is_soon ? soon : NULL);
	return heard;
}

struct queue_heard queue_reply_error(struct queue_site *site, const struct err *e)
{
	struct queue_heard heard = {.is_slow = e->smtp == 421};
	struct span enhanced = SPAN_NONE;
	const struct shape_reply *row;
	struct buf b;

	if (!e->smtp)
		return heard;
	buf_init(&b, 32);
	if (e->enh_class)
		buf_printf(&b, "%u.%u.%u", e->enh_class, e->enh_subject, e->enh_detail);
	enhanced = buf_span(&b);
	row = shape_reply_find(site->shard->shape, site->destination, site->name, e->smtp, enhanced,
		span_str(e->text));
	if (row)
		obey(site, row, SPAN_NONE, span_str(e->text), &heard);
	buf_fini(&b);
	return heard;
}
