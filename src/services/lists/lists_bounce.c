/* Bounces of copies: each member's reverse-path has a tag that only we can make (VERP), so that a report
 * is about exactly one of them, whatever it says, and strangers suspend nobody. */

#include "base/clock.h"
#include "base/enc.h"
#include "proto/mail/mail_report.h"
#include "services/lists/lists_priv.h"

#define REPORT_LOOK (256 * 1024) /* so far into a report its machine part is looked for */

static struct span tag_of(struct lists_post *p, struct span member)
{
	struct span text = span_str(arena_printf(
		p->a, "%llu " SPAN_FMT, (unsigned long long)p->list.id, SPAN_ARG(member)));
	struct span tag;
	struct buf b;

	buf_init(&b, 64);
	enc_put_id(&b, hash_bytes(&p->lists->key, text) & INT64_MAX);
	tag = directory_local_part(p->a, buf_span(&b));
	buf_fini(&b);
	return tag;
}

struct span lists_bounce_path(struct lists_post *p, struct span member)
{
	return lists_address(p, "bounces", tag_of(p, member));
}

static FIBER int find_member(struct lists_post *p, struct span tag, struct mlist_member *m_r,
	bool *is_found_r, struct err *e)
{
	struct mlist_member *page;
	struct span after = SPAN_NONE;
	size_t count = MLIST_PAGE;

	*is_found_r = false;
	while (count == MLIST_PAGE) {
		if (mlist_members(p->lists->opts.store, p->a, p->list.id, after, &page, &count, e) <
			0)
			return -1;
		for (size_t i = 0; i < count; i++) {
			after = page[i].address;
			if (!span_eq(tag_of(p, page[i].address), tag))
				continue;
			*m_r = page[i];
			*is_found_r = true;
			return 0;
		}
	}
	return 0;
}

/* The groups of fields behind "Content-Type: message/delivery-status" (RFC 3464 section 2.1), as far as
 * the first chunk of the body has them. */
static FIBER int read_report(struct lists_post *p, struct mail_report_dsn *dsn_r, struct err *e)
{
	static const char *const mark = "message/delivery-status";
	struct span bytes, text;
	struct mail_report report;
	ptrdiff_t at = -1;

	*dsn_r = (struct mail_report_dsn){0};
	if (body_chunk(p->parcel->body, 0, p->a, &bytes, e) < 0)
		return -1;
	text = span_sub(bytes, 0, REPORT_LOOK);
	for (size_t i = (size_t)p->body_at; i < text.len && at < 0; i++) {
		if (span_starts_nocase(span_skip(text, i), span_str(mark)))
			at = (ptrdiff_t)i;
	}
	if (at < 0)
		return 0;
	text = span_skip(text, (size_t)at);
	at = span_find_span(text, SPAN("\r\n\r\n"));
	if (at < 0)
		return 0;
	text = span_skip(text, (size_t)at + 4);
	at = span_find_span(text, SPAN("\r\n--"));
	if (at >= 0)
		text = span_sub(text, 0, (size_t)at);
	mail_report_parse(p->a, text, &report);
	mail_report_dsn(p->a, &report, dsn_r);
	return 0;
}

/* Hundredths that a report counts; 0: it is no failure. */
static uint32_t points(const struct mail_report_dsn *dsn)
{
	uint32_t most = 0;

	if (!dsn->rcpt_count) /* some server's own words */
		return LISTS_BOUNCE_SOFT;
	for (size_t i = 0; i < dsn->rcpt_count; i++) {
		const struct mail_report_rcpt *r = &dsn->rcpts[i];
		uint32_t n = r->cls == 5 ? LISTS_BOUNCE_HARD : LISTS_BOUNCE_SOFT;

		/* a loop (5.4.6) is the list's trouble, not the member's */
		if (r->cls == 5 && r->subject == 4 && r->detail == 6)
			continue;
		if (span_eq(r->action, SPAN("failed")) && n > most)
			most = n;
	}
	return most;
}

/* The member's mail is stopped: the owners are told, and he is asked for a sign of life. */
static FIBER int tell_suspended(struct lists_post *p, const struct mlist_member *m, struct err *e)
{
	int64_t now = loop_wall_ns();
	struct mlist_pending w = {.list_id = p->list.id,
		.kind = MLIST_PENDING_PROOF,
		.address = m->address,
		.subject = m->name,
		.made_ns = now,
		.expires_ns = now + 4 * LISTS_TOKEN_NS};

	w.token = lists_token(p);
	if (mlist_pending_add(p->lists->opts.store, &w, 0, e) < 0 && e->code != ERR_LIMIT)
		return -1;
	err_clear(e);
	if (lists_say_from(p, lists_address(p, "confirm", w.token), m->address,
		    SPAN("Your mailing list mail was stopped"),
		    span_str(arena_printf(p->a,
			    "Messages of the mailing list " SPAN_FMT " to " SPAN_FMT
			    "\ncame back again and again, so no more are sent.\n\n"
			    "If you read this, just reply: you will get them again.\n",
			    SPAN_ARG(p->address), SPAN_ARG(m->address))),
		    e) < 0)
		return -1;
	return lists_say(p, "bounces", lists_address(p, "owner", SPAN_NONE),
		span_str(arena_printf(p->a, "Member suspended: " SPAN_FMT, SPAN_ARG(m->address))),
		span_str(arena_printf(p->a,
			"Mail of " SPAN_FMT " to " SPAN_FMT " came back too often; it gets no more "
			"until it\nanswers, or until you say: yizhan list member set " SPAN_FMT
			" " SPAN_FMT " --state active\n",
			SPAN_ARG(p->address), SPAN_ARG(m->address), SPAN_ARG(p->address),
			SPAN_ARG(m->address))),
		e);
}

FIBER int lists_bounce(struct lists_post *p, struct err *e)
{
	struct mlist_bounce b = {.limit = LISTS_BOUNCE_LIMIT,
		.gap_ns = LISTS_BOUNCE_GAP_NS,
		.half_ns = LISTS_BOUNCE_HALF_NS};
	struct mail_report_dsn dsn;
	struct mlist_member m;
	bool is_found;

	/* RFC 5321 section 6.1: a report has the null sender; what has another is none. */
	if (p->parcel->env.reverse_path.len || !p->tag.len) {
		lists_done(p, "dropped: no report about a copy");
		return 0;
	}
	if (find_member(p, directory_local_part(p->a, p->tag), &m, &is_found, e) < 0 ||
		read_report(p, &dsn, e) < 0)
		return -1;
	b.points = points(&dsn);
	if (!is_found || !b.points) {
		lists_done(p, is_found ? "dropped: it failed nobody" : "dropped: no member's tag");
		return 0;
	}
	if (mlist_member_bounced(p->lists->opts.store, p->list.id, m.address, &b, e) < 0)
		return -1;
	lists_done(p,
		b.is_suspended ? "counted a bounce: the member is suspended" : "counted a bounce");
	return b.is_suspended ? tell_suspended(p, &m, e) : 0;
}
