/* EmailSubmission/get: what has become of each recipient is told by the queue and the station log. */
#include "services/jmapd/jmapd_submission.h"

#include "base/enc.h"
#include "run/loop.h"
#include "store/spool.h"
#include "store/trail.h"

#define LOG_BEHIND_NS (10 * CLOCK_SEC)

/* What is known of one letter. */
struct fate {
	struct arena *a;
	struct spool_item *rows;
	size_t row_count;
	struct trail_event *events;
	size_t event_count;
	struct json_in **facts; /* beside events; NULL: not read */
};

static void free_facts(void *arg)
{
	struct fate *f = arg;

	for (size_t i = 0; i < f->event_count; i++)
		if (f->facts[i])
			json_in_free(&f->facts[i]);
}

static FIBER int read_fate(
	struct store *s, struct arena *a, uint64_t msg_id, struct fate **fate_r, struct err *e)
{
	const struct spool_filter filter = {.msg_id = msg_id, .state = -1, .max = 1000};
	struct fate *f = ARENA_NEW(a, struct fate);

	f->a = a;
	*fate_r = f;
	if (!msg_id)
		return 0;
	if (spool_list(s, a, &filter, &f->rows, &f->row_count, e) < 0 ||
		trail_events(s, a, msg_id, 0, &f->events, &f->event_count, e) < 0)
		return -1;
	f->facts = ARENA_ARRAY(a, struct json_in *, f->event_count + 1);
	for (size_t i = 0; i < f->event_count; i++)
		f->facts[i] = json_in_parse(f->events[i].facts, NULL);
	arena_defer(a, free_facts, f);
	return 0;
}

/* ---- one recipient ---- */

/* Is `address` the recipient, or what he became on the way (aliases, forwards)? */
static bool is_his(const struct fate *f, struct span rcpt, struct span address, bool *is_here_r)
{
	bool is_his = span_eq_nocase(rcpt, address);

	for (size_t i = 0; i < f->event_count; i++) {
		const struct json_in *list = json_in_get(f->facts[i], "recipients");

		for (size_t n = 0; n < json_in_count(list); n++) {
			const struct json_in *one = json_in_at(list, n);
			const struct json_in *became = json_in_get(one, "became");

			if (!span_eq_nocase(json_in_text(one, "to"), rcpt))
				continue;
			for (size_t k = 0; k < json_in_count(became); k++) {
				const struct json_in *t = json_in_at(became, k);

				*is_here_r |= json_in_text(t, "mailbox").len > 0;
				is_his |= span_eq_nocase(json_in_text(t, "address"), address);
			}
		}
	}
	return is_his;
}

/* "550 5.1.1 No such user", one line. */
static struct span reply_of(struct arena *a, unsigned code, struct span enhanced, struct span text)
{
	struct buf *b = arena_buf(a, 4096);

	if (code)
		buf_printf(b, "%03u ", code);
	if (enhanced.len && !span_starts(text, enhanced))
		buf_printf(b, SPAN_FMT " ", SPAN_ARG(enhanced));
	for (size_t i = 0; i < text.len; i++)
		buf_char(b, text.ptr[i] == '\r' || text.ptr[i] == '\n' ? ' ' : text.ptr[i]);
	return buf_span(b);
}

static struct span reply_of_event(const struct fate *f, size_t i)
{
	uint64_t code = 0;

	json_in_u64(f->facts[i], "code", &code);
	return reply_of(f->a, (unsigned)code, json_in_text(f->facts[i], "enhanced"),
		json_in_text(f->facts[i], "reply"));
}

struct standing {
	const char *delivered;
	struct span reply;
};

static void stand(
	const struct fate *f, const struct outbox_row *row, struct span rcpt, struct standing *st)
{
	bool is_here = false, is_waiting = false;

	is_his(f, rcpt, SPAN(""), &is_here);
	for (size_t i = 0; i < f->event_count; i++) {
		const struct trail_event *ev = &f->events[i];
		bool ignored = false;

		if (!ev->rcpt.len || !is_his(f, rcpt, ev->rcpt, &ignored))
			continue;
		if (ev->kind == TRAIL_FAILED || ev->kind == TRAIL_DELIVERED ||
			ev->kind == TRAIL_STORED)
			st->delivered = ev->kind == TRAIL_FAILED ? "no"
				: ev->kind == TRAIL_STORED       ? "yes"
								 : "unknown";
		if (ev->kind == TRAIL_FAILED || ev->kind == TRAIL_DELIVERED ||
			ev->kind == TRAIL_DEFERRED)
			st->reply = reply_of_event(f, i);
	}
	for (size_t i = 0; i < f->row_count; i++) {
		const struct spool_item *it = &f->rows[i];
		bool ignored = false;

		if (!is_his(f, rcpt, it->address, &ignored))
			continue;
		is_waiting = true;
		if (it->last_code)
			st->reply = reply_of(f->a, it->last_code, it->last_enhanced, it->last_text);
	}
	if (row->undo == OUTBOX_CANCELED)
		st->delivered = "no";
	else if (is_waiting)
		st->delivered = "queued";
	else if (is_here && !st->delivered)
		st->delivered = "yes";
	else if (!st->delivered && loop_wall_ns() - row->send_at_ns < LOG_BEHIND_NS)
		st->delivered = "queued"; /* the log is written a moment later */
}

static FIBER int put_delivery(struct jmap_call *c, const struct outbox_row *row, struct err *e)
{
	struct json_in *envelope = json_in_parse(row->envelope, NULL);
	struct buf *b = arena_buf(c->a, row->replies.len + 32);
	const struct json_in *list = json_in_get(envelope, "rcptTo"), *replies;
	struct json_in *doc;
	struct fate *f;
	int rc = read_fate(jmapd_opts_of(c->d)->store, c->a, row->msg_id, &f, e);

	buf_printf(b, "{\"r\":" SPAN_FMT "}", SPAN_ARG(row->replies));
	doc = json_in_parse(buf_span(b), NULL);
	replies = json_in_get(doc, "r");
	json_key(c->out, "deliveryStatus");
	json_open_object(c->out);
	for (size_t i = 0; rc == 0 && i < json_in_count(list); i++) {
		struct span rcpt = json_in_text(json_in_at(list, i), "email");
		struct standing st = {.reply = json_in_span(json_in_at(replies, i))};
		bool is_again = false;

		for (size_t n = 0; n < i; n++)
			is_again |= span_eq(json_in_text(json_in_at(list, n), "email"), rcpt);
		if (is_again)
			continue;
		stand(f, row, rcpt, &st);
		json_key_span(c->out, rcpt);
		json_open_object(c->out);
		json_kv_span(c->out, "smtpReply", st.reply);
		json_kv_str(c->out, "delivered", st.delivered ? st.delivered : "unknown");
		json_kv_str(c->out, "displayed", "unknown");
		json_close(c->out);
	}
	json_close(c->out);
	if (doc)
		json_in_free(&doc);
	if (envelope)
		json_in_free(&envelope);
	return rc;
}

/* ---- reports that came back ---- */

static bool is_report(const struct email *m, const char *type)
{
	struct span structure = m->msg.facts ? m->msg.facts->structure : SPAN_NONE;

	return span_find_span(structure, span_str(type)) >= 0;
}

static FIBER int put_those(struct jmap_call *c, const struct jmap_account *account,
	const uint64_t *ids, size_t count, const char *type, struct span message_id, struct err *e)
{
	struct email *list = ARENA_ARRAY(c->a, struct email, count + 1);
	uint64_t state;

	if (!count)
		return 0;
	if (email_get(jmapd_opts_of(c->d)->store, c->a, &account->eyes, ids, count,
		    MAILBOX_WANT_FACTS | MAILBOX_WANT_PARTS, list, &state, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (list[i].row_count && is_report(&list[i], type) &&
			span_starts(list[i].msg.facts->message_id, message_id))
			jmap_put_blob_of_email(c->out, list[i].id);
	return 0;
}

/* The station log knows its own reports: each came in a moment after it was made, with its queue id in its
 * Message-ID. */
static FIBER int put_dsns(struct jmap_call *c, const struct jmap_account *account,
	const struct outbox_row *row, struct err *e)
{
	struct store *s = jmapd_opts_of(c->d)->store;
	struct trail_letter *kids = NULL;
	size_t kid_count = 0, count;
	uint64_t *ids;
	int rc = 0;

	if (row->msg_id && trail_children(s, c->a, row->msg_id, &kids, &kid_count, e) < 0)
		return -1;
	json_key(c->out, "dsnBlobIds");
	json_open_array(c->out);
	for (size_t i = 0; rc == 0 && i < kid_count; i++) {
		struct buf *id = arena_buf(c->a, 64);

		enc_put_id(id, kids[i].msg_id);
		rc = outbox_near(s, c->a, account->id, kids[i].msg_id, &ids, &count, e);
		if (rc == 0)
			rc = put_those(
				c, account, ids, count, "\"delivery-status\"", buf_span(id), e);
	}
	json_close(c->out);
	return rc;
}

/* Receipts are in its thread, for they name it (RFC 8098 section 3.1). */
static FIBER int put_mdns(struct jmap_call *c, const struct jmap_account *account,
	const struct outbox_row *row, struct err *e)
{
	struct email_thread thread = {0};
	uint64_t state;
	int rc;

	if (email_threads(jmapd_opts_of(c->d)->store, c->a, &account->eyes, &row->thread_id, 1,
		    &thread, &state, e) < 0)
		return -1;
	json_key(c->out, "mdnBlobIds");
	json_open_array(c->out);
	rc = put_those(c, account, thread.emails,
		thread.count <= EMAIL_GET_MAX ? thread.count : EMAIL_GET_MAX,
		"\"disposition-notification\"", SPAN(""), e);
	json_close(c->out);
	return rc;
}

/* ---- the object ---- */

static FIBER int put(
	struct jmap_call *c, const struct jmap_get *g, const struct outbox_row *r, struct err *e)
{
	static const char *const words[] = {"pending", "final", "canceled"};
	struct json_out *j = c->out;

	json_open_object(j);
	json_key(j, "id");
	jmap_put_id(j, 'S', r->id);
	if (jmap_get_wants(g, "identityId")) {
		json_key(j, "identityId");
		jmap_put_id(j, 'I', r->identity_id);
	}
	if (jmap_get_wants(g, "emailId")) {
		json_key(j, "emailId");
		jmap_put_id(j, 'M', r->email_id);
	}
	if (jmap_get_wants(g, "threadId")) {
		json_key(j, "threadId");
		jmap_put_id(j, 'T', r->thread_id);
	}
	if (jmap_get_wants(g, "envelope")) {
		json_key(j, "envelope");
		json_raw(j, r->envelope);
	}
	if (jmap_get_wants(g, "sendAt")) {
		json_key(j, "sendAt");
		jmap_put_date(j, r->send_at_ns);
	}
	if (jmap_get_wants(g, "undoStatus"))
		json_kv_str(j, "undoStatus", words[r->undo]);
	if (jmap_get_wants(g, "deliveryStatus") && put_delivery(c, r, e) < 0)
		return -1;
	if (jmap_get_wants(g, "dsnBlobIds") && put_dsns(c, g->account, r, e) < 0)
		return -1;
	if (jmap_get_wants(g, "mdnBlobIds") && put_mdns(c, g->account, r, e) < 0)
		return -1;
	if (jmap_get_wants(g, "traceId") && (c->using & 1u << JMAP_CAP_PLACE_TRACE)) {
		json_key(j, "traceId");
		if (r->msg_id)
			jmap_put_id(j, 'Q', r->msg_id);
		else
			json_null(j);
	}
	json_close(j);
	return 0;
}

FIBER int jmap_submission_tell(struct jmap_call *c, struct jmap_account *account,
	const struct outbox_row *row, struct span *properties, size_t count, struct span *object_r,
	struct err *e)
{
	const struct jmap_get g = {
		.account = account, .properties = properties, .property_count = count};
	struct buf *b = arena_buf(c->a, JMAP_ANSWER_MAX);
	struct jmap_call inner = *c;
	struct json_out j;

	json_out_init(&j, b);
	inner.out = &j;
	if (put(&inner, &g, row, e) < 0)
		return -1;
	*object_r = buf_span(b);
	return 0;
}

static FIBER int all_ids(
	struct jmap_call *c, uint64_t account_id, uint64_t **ids_r, size_t *count_r, struct err *e)
{
	struct outbox_row *list;

	if (outbox_list(jmapd_opts_of(c->d)->store, c->a, account_id, &list, count_r, e) < 0)
		return -1;
	if (*count_r > OUTBOX_GET_MAX)
		return jmap_fail(c, "requestTooLarge", e, "there are more than %d submissions",
			OUTBOX_GET_MAX);
	*ids_r = ARENA_ARRAY(c->a, uint64_t, *count_r + 1);
	for (size_t i = 0; i < *count_r; i++)
		(*ids_r)[i] = list[i].id;
	return 0;
}

FIBER int jmap_submission_get(struct jmap_call *c, struct err *e)
{
	struct store *s = jmapd_opts_of(c->d)->store;
	struct outbox_row *list;
	struct jmap_get g;
	uint64_t state, *ids;
	size_t count;

	if (jmap_get_begin(c, &g, &jmap_submission_type, e) < 0 ||
		object_state(s, g.account->id, OBJECT_SUBMISSION, &state, e) < 0)
		return -1;
	ids = g.numbers;
	count = g.count;
	if (g.is_all && all_ids(c, g.account->id, &ids, &count, e) < 0)
		return -1;
	list = ARENA_ARRAY(c->a, struct outbox_row, count + 1);
	if (outbox_get(s, c->a, g.account->id, ids, count, list, e) < 0)
		return -1;
	json_key(c->out, "list");
	json_open_array(c->out);
	for (size_t i = 0; i < count; i++) {
		if (list[i].id && put(c, &g, &list[i], e) < 0)
			return -1;
		if (!list[i].id && !g.is_all)
			jmap_get_missing(c, &g, g.ids[i]);
	}
	json_close(c->out);
	jmap_get_end(c, &g, state);
	return 0;
}

FIBER int jmap_submission_changes(struct jmap_call *c, struct err *e)
{
	return jmap_changes_of_objects(c, &jmap_submission_type, e);
}
