/* Letters that come of one: copies, confirmations, words to owners. */

#include <string.h>

#include "base/clock.h"
#include "proto/mail/mail_field.h"
#include "proto/mail/msg_build.h"
#include "services/lists/lists_priv.h"

#define MAIL_TEXT_MAX (64 * 1024)
#define MAIL_LIFE_NS  (2 * CLOCK_DAY)

static void close_stage(void *arg)
{
	stage_free(arg);
}

struct span lists_address(struct lists_post *p, const char *part, struct span tag)
{
	return span_str(arena_printf(p->a, SPAN_FMT "%s%s%s" SPAN_FMT "@" SPAN_FMT,
		SPAN_ARG(p->list.local), *part ? "-" : "", part, tag.len ? "+" : "", SPAN_ARG(tag),
		SPAN_ARG(p->list.domain)));
}

struct spool_new *lists_offspring(struct lists_post *p, size_t rcpt_count, struct err *e)
{
	struct outbound_parcel *parcel = p->parcel;
	struct spool_new *all, *l;
	struct stage **stage = ARENA_NEW(p->a, struct stage *);
	int64_t now = loop_wall_ns();

	(void)e;
	all = ARENA_ARRAY(p->a, struct spool_new, parcel->offspring_count + 1);
	if (parcel->offspring_count)
		memcpy(all, parcel->offspring, parcel->offspring_count * sizeof(*all));
	parcel->offspring = all;
	l = &all[parcel->offspring_count++];
	*stage = stage_new(p->lists->opts.store);
	arena_defer(p->a, close_stage, stage);
	*l = (struct spool_new){.id = store_new_id(p->lists->opts.store),
		.parent_id = parcel->msg_id,
		.env = {.origin = SPAN("list")},
		.arrived_ns = now,
		.expires_ns = now + MAIL_LIFE_NS,
		.body = *stage,
		.rcpts = ARENA_ARRAY(p->a, struct spool_rcpt_new, rcpt_count)};
	return l;
}

FIBER int lists_add_rcpt(struct lists_post *p, struct spool_new *letter, size_t cap,
	const struct lists_to *to, struct err *e)
{
	struct router_answer ans;
	enum router_room room = ROUTER_ROOM;

	if (router_resolve_address(p->router, p->a, to->address, true, &ans, e) < 0 ||
		(ans.verdict == ROUTER_OK &&
			router_room(p->router, p->a, &ans, body_len(p->parcel->body), &room, e) <
				0))
		return -1;
	/* Who has no room gets no copy: the report goes to the list, which counts it. */
	for (size_t i = 0; room != ROUTER_ROOM && i < ans.target_count; i++)
		router_target_full(&ans.targets[i]);
	for (size_t i = 0; ans.verdict == ROUTER_OK && i < ans.target_count; i++) {
		struct spool_rcpt_new *r = &letter->rcpts[letter->rcpt_count];

		if (letter->rcpt_count == cap)
			break;
		letter->rcpt_count++;
		router_spool_rcpt(&ans.targets[i], r);
		r->notify = SPOOL_NOTIFY_FAILURE;
		r->orcpt = span_str(arena_printf(p->a, "rfc822;" SPAN_FMT, SPAN_ARG(to->address)));
		if (r->is_local)
			r->prefix = mail_local_prefix(p->a, to->sender, r->address,
				lists_join_spans(p->a, to->front, letter->prefix));
		else
			r->sender = to->sender.len ? to->sender : SPAN("<>");
		if (!r->is_local)
			r->prefix = to->front;
	}
	return 0;
}

/* Our own words as a message: what is not ASCII is encoded, so it is 7-bit clean. */
static int build(struct lists_post *p, struct span from, struct span to, struct span subject,
	struct span text, struct buf *out, struct err *e)
{
	int64_t now = loop_wall_ns() / CLOCK_SEC;
	struct msg_settings s = {.way = MSG_WAY_7BIT,
		.now_sec = now,
		.zone_minutes = clock_zone_minutes(now),
		.random = loop_random(),
		.id = loop_random(),
		.host = span_str(p->lists->opts.hostname)};
	struct msg *m = msg_new();
	struct span title = p->list.title.len ? p->list.title : p->list.local;
	int rc;

	rc = msg_add_mailbox(m, SPAN("From"), title, from, e);
	if (rc == 0)
		rc = msg_add_mailbox(m, SPAN("To"), SPAN_NONE, to, e);
	if (rc == 0)
		rc = msg_add_text(m, SPAN("Subject"), subject, e);
	/* RFC 3834 section 5: nobody answers this by itself */
	if (rc == 0)
		rc = msg_add_value(m, SPAN("Auto-Submitted"), SPAN("auto-replied"), e);
	if (rc == 0)
		rc = msg_set_text(m, text, e);
	if (rc == 0)
		rc = msg_write_buf(m, &s, out, e);
	msg_free(&m);
	return rc;
}

FIBER int lists_say(struct lists_post *p, const char *from, struct span to, struct span subject,
	struct span text, struct err *e)
{
	return lists_say_from(p, lists_address(p, from, SPAN_NONE), to, subject, text, e);
}

FIBER int lists_say_from(struct lists_post *p, struct span from, struct span to,
	struct span subject, struct span text, struct err *e)
{
	struct buf *out = arena_buf(p->a, MAIL_TEXT_MAX + 4 * text.len);
	struct spool_new *l;
	struct lists_to rcpt = {.address = to};
	struct sign_job *job;

	if (build(p, from, to, subject, text, out, e) < 0)
		return -1;
	l = lists_offspring(p, ROUTER_TARGETS_MAX, e);
	if (stage_put(l->body, buf_span(out), e) < 0 || lists_sign_begin(p, l, &job, e) < 0 ||
		lists_sign_end(p, job, SPAN_NONE, &l->prefix, e) < 0 ||
		lists_add_rcpt(p, l, ROUTER_TARGETS_MAX, &rcpt, e) < 0)
		return -1;
	if (!l->rcpt_count) /* it leads nowhere: nobody to be told */
		p->parcel->offspring_count--;
	return 0;
}
