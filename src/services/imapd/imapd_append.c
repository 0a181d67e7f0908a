#include "services/imapd/imapd_append.h"

#include <stdlib.h>

#include "base/mem.h"
#include "run/loop.h"
#include "proto/imap/imap_out.h"
#include "services/imapd/imapd_names.h"

/* What is coming in. Lives from the first event of a command to its end. */
struct imapd_appending {
	struct mailbox_ref to;
	uint32_t replaced; /* REPLACE: the UID; 0 none */
	uint64_t replaced_in;
	struct mailbox_append_item *items; /* of `arena`; the last one is being filled */
	size_t count, cap;
	uint64_t octets; /* of the message being filled */
	uint64_t quota_left;
	bool has_quota, is_binary, after_cr;
	struct arena *arena;
};

static void append_end(struct imapd_conn *c)
{
	struct imapd_appending *x = c->appending;

	if (!x)
		return;
	c->appending = NULL;
	for (size_t i = 0; i < x->count; i++)
		stage_free(&x->items[i].stage);
	arena_free(&x->arena);
	free(x);
}

void imapd_append_abort(void *ctx, struct imap_session *s)
{
	append_end(ctx);
}

/* ---- where to ---- */

/* RFC 8508 section 3: one message of the selected mailbox, which goes as by \Deleted and EXPUNGE. */
static int find_replaced(struct imapd_conn *c, const struct imap_append *ap, struct imap_result *r)
{
	struct imapd_appending *x = c->appending;
	const unsigned rights = MAILBOX_RIGHT_DELETE_MSG | MAILBOX_RIGHT_EXPUNGE;
	struct uid_range *ranges;
	size_t count;

	if (!c->view)
		return imap_result_bad(r, NULL, "No mailbox is selected");
	if (!imapd_ranges(c, &ap->target, ap->is_uid, &ranges, &count, r))
		return 0;
	if (count != 1 || ranges[0].first != ranges[0].last ||
		!uidset_seq(c->view->uids, ranges[0].first))
		return imap_result_no(r, "NONEXISTENT", "There is no such message");
	if (c->view->is_read_only || (c->view->rights & rights) != rights)
		return imap_result_no(r, "NOPERM", "The message cannot be replaced");
	x->replaced = ranges[0].first;
	x->replaced_in = c->view->mailbox_id;
	return 0;
}

static FIBER int append_begin(
	struct imapd_conn *c, const struct imap_append *ap, struct imap_result *r, struct err *e)
{
	struct imapd_appending *x = NEW(struct imapd_appending);
	struct account_room room;

	c->appending = x;
	x->arena = arena_new();
	if (names_find(c, ap->name, MAILBOX_RIGHT_INSERT, &x->to, e) < 0) {
		bool is_unknown = e->code == ERR_NOT_FOUND;

		if (names_refuse(r, e) < 0)
			return -1;
		/* RFC 9051 section 6.3.12: the client may make it and try again. */
		if (is_unknown)
			imap_result_no(r, "TRYCREATE", "There is no such mailbox");
		return 0;
	}
	if (ap->is_replace && (find_replaced(c, ap, r) < 0 || r->status != IMAP_OK))
		return 0;
	if (account_room(imapd_store(c), x->to.info.account_id, &room, e) < 0)
		return -1;
	x->has_quota = room.quota_octets > 0;
	x->quota_left = room.quota_octets > room.octets ? room.quota_octets - room.octets : 0;
	return 0;
}

/* ---- a message ---- */

/* RFC 4314 section 4: flags that one has no right to set are passed over. */
static unsigned allowed_flags(unsigned system, unsigned rights)
{
	unsigned flags = 0;

	if (rights & MAILBOX_RIGHT_SEEN)
		flags |= system & IMAP_FLAG_SEEN ? MAILBOX_SEEN : 0;
	if (rights & MAILBOX_RIGHT_DELETE_MSG)
		flags |= system & IMAP_FLAG_DELETED ? MAILBOX_DELETED : 0;
	if (rights & MAILBOX_RIGHT_WRITE) {
		flags |= system & IMAP_FLAG_ANSWERED ? MAILBOX_ANSWERED : 0;
		flags |= system & IMAP_FLAG_FLAGGED ? MAILBOX_FLAGGED : 0;
		flags |= system & IMAP_FLAG_DRAFT ? MAILBOX_DRAFT : 0;
	}
	return flags;
}

static struct mailbox_append_item *append_item(struct imapd_appending *x)
{
	if (x->count == x->cap) {
		size_t cap = x->cap ? x->cap * 2 : 4;
		struct mailbox_append_item *grown = ARENA_ARRAY(
			x->arena, struct mailbox_append_item, cap);

		for (size_t i = 0; i < x->count; i++)
			grown[i] = x->items[i];
		x->items = grown;
		x->cap = cap;
	}
	return &x->items[x->count++];
}

static int message_begin(
	struct imapd_conn *c, const struct imap_append_event *event, struct imap_result *r)
{
	struct imapd_appending *x = c->appending;
	struct mailbox_append_item *it;
	struct span *keywords;

	if (x->count == MAILBOX_APPEND_MAX)
		return imap_result_no(
			r, "LIMIT", "At most %d messages at a time", MAILBOX_APPEND_MAX);
	it = append_item(x);
	*it = (struct mailbox_append_item){.stage = stage_new(imapd_store(c)),
		.flags = allowed_flags(event->flags.system, x->to.rights),
		.received_ns = event->has_date ? event->date.unix_sec * CLOCK_SEC : loop_wall_ns()};
	if (x->to.rights & MAILBOX_RIGHT_WRITE) {
		keywords = ARENA_ARRAY(x->arena, struct span, event->flags.count + 1);
		for (size_t i = 0; i < event->flags.count; i++)
			keywords[i] = arena_span(x->arena, event->flags.keywords[i]);
		it->keywords = keywords;
		it->keyword_count = event->flags.count;
	}
	x->octets = 0;
	x->after_cr = false;
	return 0;
}

/* Early words; mailbox_append has the last one. */
static int check_room(struct imapd_conn *c, uint64_t more, struct imap_result *r)
{
	struct imapd_appending *x = c->appending;

	if (x->octets + more > c->s->opts->limits.append_octets)
		return imap_result_no(r, "TOOBIG", "The message is too big");
	if (x->has_quota && x->octets + more > x->quota_left)
		return imap_result_no(r, "OVERQUOTA", "There is no room for it in the mailbox");
	return 0;
}

static FIBER int message_url(
	struct imapd_conn *c, struct span url, struct imap_result *r, struct err *e)
{
	struct imapd_appending *x = c->appending;
	bool is_bad = false;

	if (imapd_append_url(c, url, x->items[x->count - 1].stage, &x->octets, &is_bad, e) < 0)
		return -1;
	x->after_cr = false;
	if (!is_bad)
		return check_room(c, 0, r);
	imap_result_no(r, NULL, "The URL leads to nothing that could be read here");
	buf_str(&r->code, "BADURL "); /* RFC 4469 section 4 */
	imap_put_string(&r->code, url, &(struct imap_out_mode){0});
	return 0;
}

FIBER int imapd_append_event(void *ctx, struct imap_session *s, const struct imap_append *ap,
	const struct imap_append_event *event, struct imap_result *r, struct err *e)
{
	struct imapd_conn *c = ctx;

	if (!c->appending && ap->is_replace && imapd_rights_again(c, r, e) < 0)
		return -1;
	if (r->status != IMAP_OK)
		return 0;
	if (!c->appending && append_begin(c, ap, r, e) < 0)
		return -1;
	if (r->status != IMAP_OK)
		return 0;
	switch (event->kind) {
	case IMAP_APPEND_MESSAGE: return message_begin(c, event, r);
	case IMAP_APPEND_URL: return message_url(c, event->url, r, e);
	case IMAP_APPEND_DATA:
		c->appending->is_binary = event->literal.is_binary;
		return check_room(c, event->literal.size, r);
	case IMAP_APPEND_END:
		/* nothing was put together from nothing */
		if (!c->appending->octets)
			return imap_result_no(r, NULL, "A message has octets");
		return 0;
	}
	return 0;
}

/* Lines of a stored message end with CRLF: a client that sends a bare LF means a line end, and nothing that
 * is signed has one (docs/imap.md). */
static FIBER int put_lines(struct imapd_appending *x, struct span s, struct err *e)
{
	struct stage *st = x->items[x->count - 1].stage;

	while (s.len) {
		ptrdiff_t at = span_find(s, '\n');
		size_t n = at < 0 ? s.len : (size_t)at;
		bool is_after_cr = n ? s.ptr[n - 1] == '\r' : x->after_cr;

		if (n && stage_put(st, span_sub(s, 0, n), e) < 0)
			return -1;
		x->octets += n;
		x->after_cr = is_after_cr;
		s = span_skip(s, n);
		if (at < 0)
			break;
		if (stage_put(st, is_after_cr ? SPAN("\n") : SPAN("\r\n"), e) < 0)
			return -1;
		x->octets += is_after_cr ? 1 : 2;
		x->after_cr = false;
		s = span_skip(s, 1);
	}
	return 0;
}

FIBER int imapd_append_data(void *ctx, struct imap_session *s, struct span octets, bool is_last,
	struct imap_result *r, struct err *e)
{
	struct imapd_conn *c = ctx;

	/* RFC 3516 section 4.3: what is binary indeed is not kept as such. */
	if (octets.len && span_find(octets, '\0') >= 0)
		return imap_result_no(r, "UNKNOWN-CTE", "Messages with NUL are not kept");
	if (put_lines(c->appending, octets, e) == 0)
		return check_room(c, 0, r);
	if (e->code != ERR_FULL)
		return -1;
	err_clear(e);
	return imap_result_no(r, "UNAVAILABLE", "There is no room for messages at the moment");
}

/* ---- the end ---- */

/* RFC 4315 section 3: "APPENDUID 38505 3955:3956". */
static void put_append_uid(struct buf *b, const struct mailbox_append *op)
{
	buf_printf(b, "APPENDUID %u ", op->uidvalidity);
	for (size_t i = 0; i < op->count;) {
		size_t n = i + 1;

		while (n < op->count && op->items[n].uid == op->items[n - 1].uid + 1)
			n++;
		buf_printf(b, "%s%u", i ? "," : "", op->items[i].uid);
		if (n > i + 1)
			buf_printf(b, ":%u", op->items[n - 1].uid);
		i = n;
	}
}

static int append_failed(struct imapd_conn *c, struct imap_result *r, struct err *e)
{
	switch (e->code) {
	case ERR_NOT_FOUND: imap_result_no(r, "TRYCREATE", "The mailbox is gone"); break;
	case ERR_FULL:
		if (e->scope == ERR_SCOPE_RCPT)
			imap_result_no(r, "OVERQUOTA", "There is no room for it in the mailbox");
		else
			imap_result_no(
				r, "UNAVAILABLE", "There is no room for messages at the moment");
		break;
	case ERR_LIMIT: imap_result_no(r, "LIMIT", "%s", e->text); break;
	default: return -1;
	}
	err_clear(e);
	return 0;
}

/* RFC 8508 section 3.2: APPENDUID comes before the EXPUNGE, in an untagged OK. */
static FIBER int tell_replaced(struct imapd_conn *c, const struct mailbox_append *op, struct err *e)
{
	struct buf code;

	buf_init(&code, IMAP_RESULT_CODE_MAX);
	put_append_uid(&code, op);
	imap_printf(c->s, "* OK [" SPAN_FMT "] Replaced\r\n", SPAN_ARG(buf_span(&code)));
	buf_fini(&code);
	c->wants_look = true;
	return imapd_updates(c, true, e);
}

FIBER int imapd_append_done(void *ctx, struct imap_session *s, const struct imap_append *ap,
	struct imap_result *r, struct err *e)
{
	struct imapd_conn *c = ctx;
	struct imapd_appending *x = c->appending;
	struct mailbox_append op = {.mailbox_id = x->to.info.id,
		.items = x->items,
		.count = x->count,
		.replace_mailbox_id = x->replaced_in,
		.replace_uid = x->replaced,
		.keep_until_ns = imapd_keep_until(c)};
	const unsigned replacing = MAILBOX_RIGHT_DELETE_MSG | MAILBOX_RIGHT_EXPUNGE;
	unsigned rights = 0, there = replacing;
	int rc = mailbox_rights(imapd_store(c), op.mailbox_id, c->account_id, &rights, e);

	/* A message takes its time to come in: what counts are the rights now. */
	if (rc == 0 && x->replaced_in)
		rc = mailbox_rights(imapd_store(c), x->replaced_in, c->account_id, &there, e);
	if (rc == 0 && (!(rights & MAILBOX_RIGHT_INSERT) || (there & replacing) != replacing)) {
		imap_result_no(r, "NOPERM", "You have not the right to do that");
	} else if (rc == 0 && mailbox_append(imapd_store(c), &op, e) < 0) {
		rc = append_failed(c, r, e);
	} else if (rc == 0) {
		/* RFC 4315 section 2.1: not for those who could not select the mailbox. */
		if (ap->is_replace)
			rc = tell_replaced(c, &op, e);
		else if (rights & MAILBOX_RIGHT_READ)
			put_append_uid(&r->code, &op);
		c->wants_look = true;
	}
	append_end(c);
	return rc;
}
