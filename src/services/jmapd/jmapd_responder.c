#include "services/jmapd/jmapd_responder.h"

#include "run/loop.h"
#include "proto/mail/mail_header.h"
#include "proto/mail/mime_address.h"
#include "proto/mail/mime_date.h"
#include "proto/mail/msg_build.h"
#include "store/account.h"
#include "store/facts.h"
#include "store/vacation.h"

#define ANSWER_MAX     (512 * 1024)
#define ADDRESSED_MAX  200 /* addresses of To and Cc that are looked at */
#define REFERENCES_MAX 20

/* ---- what the letter says (pure) ---- */

static void take_field(void *arg, const struct mail_field *f)
{
	struct jmap_away *w = arg;
	struct span value = arena_span(w->a, span_trim(f->value));

	switch (f->id) {
	case MAIL_RETURN_PATH:
		if (!w->sender.ptr)
			w->sender = value;
		return;
	case MAIL_DELIVERED_TO:
		if (!w->delivered_to.ptr)
			w->delivered_to = value;
		return;
	case MAIL_AUTO_SUBMITTED: w->auto_submitted = value; return;
	case MAIL_PRECEDENCE: w->precedence = value; return;
	case MAIL_TO: w->to = value; return;
	case MAIL_CC: w->cc = value; return;
	case MAIL_MESSAGE_ID: w->message_id = value; return;
	case MAIL_REFERENCES: w->references = value; return;
	default: break;
	}
	/* RFC 2369, RFC 2919 */
	if (span_starts_nocase(f->name, SPAN("List-")))
		w->has_list = true;
	else if (span_eq_nocase(f->name, SPAN("X-Auto-Response-Suppress")))
		w->suppress = value;
	else if (span_eq_nocase(f->name, SPAN("Resent-To")))
		w->resent_to = value;
	else if (span_eq_nocase(f->name, SPAN("Resent-Cc")))
		w->resent_cc = value;
}

static void scan(struct jmap_away *w, struct span octets)
{
	struct mail_header h;

	mail_header_init(&h, take_field, w);
	mail_header_feed(&h, octets);
	mail_header_finish(&h);
	mail_header_fini(&h);
}

void jmap_away_read(struct arena *a, struct span prefix, struct span header, struct jmap_away *w)
{
	struct span sender;

	*w = (struct jmap_away){.a = a};
	scan(w, prefix);
	sender = w->sender;
	/* of what stood in it before nothing counts: somebody else wrote it */
	scan(w, header);
	w->sender = sender.ptr ? sender : SPAN("");
	if (w->sender.len > 1 && w->sender.ptr[0] == '<')
		w->sender = span_sub(w->sender, 1, w->sender.len - 2);
}

/* Whoever does not read what he gets (RFC 3834 section 2, RFC 5230 section 4.6). */
static bool is_machine(struct span address)
{
	static const char *const whole[] = {"mailer-daemon", "listserv", "majordomo", "noreply",
		"no-reply", "donotreply", "do-not-reply", "postmaster", "root", "bounce",
		"bounces"};
	static const char *const ends[] = {"-request", "-owner", "-bounces", "-bounce", "-confirm",
		"-errors", "-noreply", "-no-reply"};
	struct span local, domain;

	span_cut(address, '@', &local, &domain);
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
		if (span_eq_nocase(local, span_str(whole[i])))
			return true;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (span_ends_nocase(local, span_str(ends[i])))
			return true;
	return span_starts_nocase(local, SPAN("owner-")) ||
		span_starts_nocase(local, SPAN("bounce-")) ||
		span_starts_nocase(local, SPAN("bounces+")) ||
		span_starts_nocase(local, SPAN("prvs=0"));
}

static bool has_word(struct span list, const char *word)
{
	struct span one;

	while (list.len) {
		span_cut(list, ',', &one, &list);
		if (span_eq_nocase(span_trim(one), span_str(word)))
			return true;
	}
	return false;
}

const char *jmap_away_forbids(const struct jmap_away *w)
{
	struct span first, rest;

	if (!w->sender.len)
		return "it has no sender";
	span_cut(w->auto_submitted, ';', &first, &rest);
	if (first.len && !span_eq_nocase(span_trim(first), SPAN("no")))
		return "a program wrote it";
	if (w->has_list)
		return "it came by a list";
	if (has_word(w->precedence, "bulk") || has_word(w->precedence, "list") ||
		has_word(w->precedence, "junk"))
		return "it is bulk mail";
	if (has_word(w->suppress, "All") || has_word(w->suppress, "OOF") ||
		has_word(w->suppress, "AutoReply"))
		return "it asks for no answer";
	return is_machine(w->sender) ? "nobody reads what is sent there" : NULL;
}

/* ---- whom it was for ---- */

static FIBER int is_own(
	struct jmapd *d, uint64_t account_id, struct span address, bool *is_r, struct err *e)
{
	const struct jmapd_opts *o = jmapd_opts_of(d);
	enum account_way way;

	if (account_may_send(o->store, account_id, address, o->separator, &way, e) < 0)
		return -1;
	*is_r = way == ACCOUNT_OWN || way == ACCOUNT_ALIAS;
	return 0;
}

/* RFC 3834 section 2: his address stands in To, Cc or their Resent forms; the one that does. */
static FIBER int addressed(struct jmapd *d, const struct jmap_away *w, uint64_t account_id,
	struct span *address_r, struct err *e)
{
	const struct span fields[] = {w->to, w->cc, w->resent_to, w->resent_cc};
	size_t seen = 0;

	*address_r = SPAN_NONE;
	for (size_t i = 0; i < 4 && !address_r->ptr; i++) {
		struct mime_address_list list;

		mime_address_parse(w->a, fields[i], ADDRESSED_MAX, &list);
		for (size_t n = 0; n < list.count && seen < ADDRESSED_MAX; n++) {
			struct span spec;
			bool is = false;

			if (list.items[n].kind != MIME_MAILBOX)
				continue;
			seen++;
			spec = mime_address_spec(w->a, &list.items[n]);
			if (is_own(d, account_id, spec, &is, e) < 0)
				return -1;
			if (is) {
				*address_r = spec;
				break;
			}
		}
	}
	return 0;
}

/* ---- the answer ---- */

static int put_references(struct msg *m, const struct jmap_away *w, struct err *e)
{
	struct buf *b = arena_buf(w->a, 64 * 1024);
	struct mime_ids own, refs;
	size_t from;

	mime_ids_parse(w->a, w->message_id, &own);
	mime_ids_parse(w->a, w->references, &refs);
	if (!own.count || !span_is_ascii(own.items[0]))
		return 0;
	from = refs.count > REFERENCES_MAX ? refs.count - REFERENCES_MAX : 0;
	for (size_t i = from; i < refs.count; i++)
		if (span_is_ascii(refs.items[i]))
			buf_printf(b, SPAN_FMT " ", SPAN_ARG(refs.items[i]));
	buf_span_put(b, own.items[0]);
	/* what does not fit into lines is left out: the answer matters more */
	if (msg_add_value(m, SPAN("In-Reply-To"), own.items[0], NULL) < 0 ||
		msg_add_value(m, SPAN("References"), buf_span(b), NULL) < 0)
		msg_remove(m, SPAN("References"));
	return buf_ok(b) ? 0 : err_set(e, ERR_LIMIT, "references that are too long");
}

static int compose(struct msg *m, const struct vacation_due *due, const struct jmap_away *w,
	struct span from, struct span name, struct err *e)
{
	const struct vacation *v = &due->vacation;
	struct span subject = v->subject;

	if (!subject.len)
		subject = span_str(arena_printf(w->a, "Auto: " SPAN_FMT, SPAN_ARG(due->subject)));
	if (msg_add_mailbox(m, SPAN("From"), name, from, e) < 0 ||
		msg_add_mailbox(m, SPAN("To"), SPAN(""), w->sender, e) < 0 ||
		msg_add_text(m, SPAN("Subject"), subject, e) < 0 ||
		/* RFC 3834 section 3.1.7 */
		msg_add_value(m, SPAN("Auto-Submitted"), SPAN("auto-replied"), e) < 0 ||
		put_references(m, w, e) < 0)
		return -1;
	if (v->html_body.len && msg_set_html(m, v->html_body, e) < 0)
		return -1;
	if (v->text_body.len || !v->html_body.len)
		return msg_set_text(m,
			v->text_body.len ? v->text_body : SPAN("I am away at the moment.\r\n"), e);
	return 0;
}

struct held {
	struct span octets;
};

static FIBER int read_held(
	void *arg, uint64_t offset, void *p, size_t n, size_t *got_r, struct err *e)
{
	const struct held *h = arg;
	struct span piece = span_sub(h->octets, (size_t)offset, n);

	(void)e;
	for (size_t i = 0; i < piece.len; i++)
		((char *)p)[i] = piece.ptr[i];
	*got_r = piece.len;
	return 0;
}

/* RFC 3834 section 3.3: to the reverse-path, from nobody. */
static FIBER int answer(struct jmapd *d, const struct vacation_due *due, const struct jmap_away *w,
	struct span from, struct err *e)
{
	const struct jmapd_opts *o = jmapd_opts_of(d);
	const struct msg_settings s = {.now_sec = loop_wall_ns() / CLOCK_SEC,
		.random = loop_random(),
		.id = store_new_id(o->store),
		.host = span_str(o->hostname)};
	const struct jmap_letter_rcpt rcpt = {
		.address = w->sender, .params = SPAN(" NOTIFY=NEVER")};
	struct buf *b = arena_buf(w->a, ANSWER_MAX);
	struct account_sending who;
	struct held held;
	struct jmap_letter letter = {.account_id = due->account_id,
		.mail_from = SPAN(""),
		.params = SPAN(""),
		.rcpts = &rcpt,
		.rcpt_count = 1};
	struct msg *m;
	int rc;

	if (account_sending(o->store, w->a, due->account_id, &who, e) < 0)
		return -1;
	m = msg_new();
	rc = compose(m, due, w, from, who.name, e);
	if (rc == 0)
		rc = msg_write_buf(m, &s, b, e);
	msg_free(&m);
	if (rc < 0)
		return -1;
	held.octets = buf_span(b);
	letter.source = (struct http_source){
		.read = read_held, .arg = &held, .size = held.octets.len};
	if (o->submit(o->arg, w->a, &letter, e) < 0)
		return -1;
	log_event(o->log, LOG_INFO, "vacation.answered", LF_INT("account", due->account_id),
		LF_INT("code", letter.code));
	return 0;
}

/* ---- one letter ---- */

static bool is_in_time(const struct vacation_due *due)
{
	const struct vacation *v = &due->vacation;

	return v->is_enabled && (!v->from_ns || due->received_ns >= v->from_ns) &&
		(!v->to_ns || due->received_ns < v->to_ns);
}

static FIBER int look_at(struct jmapd *d, struct arena *a, const struct vacation_due *due,
	struct jmap_away *w, struct span *from_r, struct err *e)
{
	struct body *body;
	struct span head = SPAN_NONE;
	bool is_his = false;
	int rc;

	*from_r = SPAN_NONE;
	if (!due->is_there || !is_in_time(due))
		return 0;
	body = body_open(jmapd_opts_of(d)->store, due->blob_id, due->blob_len);
	rc = body_chunk(body, 0, a, &head, e);
	body_unref(&body);
	if (rc < 0)
		return -1;
	jmap_away_read(a, due->prefix, head, w);
	if (jmap_away_forbids(w))
		return 0;
	/* what he wrote to himself */
	if (is_own(d, due->account_id, w->sender, &is_his, e) < 0)
		return -1;
	return is_his ? 0 : addressed(d, w, due->account_id, from_r, e);
}

static FIBER int run_one(struct jmapd *d, const struct vacation_due *due, struct err *e)
{
	struct store *s = jmapd_opts_of(d)->store;
	struct arena *a = arena_new();
	struct span from = SPAN_NONE, whom = SPAN("");
	struct jmap_away w;
	struct err why = {0};
	bool may = false;
	int rc = look_at(d, a, due, &w, &from, e);

	if (rc == 0 && from.ptr)
		whom = facts_fold(a, w.sender);
	if (rc == 0)
		rc = vacation_settle(s, due, whom, loop_wall_ns(), &may, e);
	/* that it was told is written before it is: one answer too few is better than two */
	if (rc == 0 && may && answer(d, due, &w, from, &why) < 0)
		log_event(jmapd_opts_of(d)->log, LOG_WARN, "vacation.failed",
			LF_INT("account", due->account_id), LF_STR("error", why.text));
	arena_free(&a);
	return rc;
}

FIBER int jmap_away_run(struct jmapd *d, bool *is_more_r, struct err *e)
{
	struct arena *a = arena_new();
	struct vacation_due *list;
	size_t count = 0;
	int rc = vacation_due(jmapd_opts_of(d)->store, a, &list, &count, e);

	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = run_one(d, &list[i], e);
	*is_more_r = rc == 0 && count > 0;
	arena_free(&a);
	return rc;
}
