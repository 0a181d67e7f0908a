/* One transaction of the client: envelope, content, and what became of each recipient. */

#include <string.h>

#include "base/must.h"
#include "run/fault.h"
#include "proto/mail/mail_field.h"
#include "proto/smtp/smtp_client_priv.h"

void smtp_txn_fini(struct smtp_txn *t)
{
	for (size_t i = 0; i < t->rcpt_count; i++)
		smtp_reply_fini(&t->rcpts[i].reply);
}

/* --- fates ----------------------------------------------------------------------------------- */

static void decide(struct smtp_txn_rcpt *r, enum smtp_fate fate, enum smtp_stage stage,
	const struct smtp_reply *reply)
{
	r->fate = fate;
	r->stage = stage;
	smtp_reply_copy(&r->reply, reply);
}

/* All that are still undecided share one reply. */
static void decide_rest(struct smtp_txn *t, enum smtp_fate fate, enum smtp_stage stage,
	const struct smtp_reply *reply)
{
	for (size_t i = 0; i < t->rcpt_count; i++)
		if (t->rcpts[i].fate == SMTP_FATE_NONE)
			decide(&t->rcpts[i], fate, stage, reply);
}

static size_t undecided(const struct smtp_txn *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->rcpt_count; i++)
		n += t->rcpts[i].fate == SMTP_FATE_NONE;
	return n;
}

/* The message needs what the peer lacks: our own verdict, in the words of RFC 3463. */
static int lacking(struct smtp_txn *t, unsigned subject, unsigned detail, const char *what)
{
	struct smtp_reply r;

	smtp_reply_init(&r);
	smtp_reply_set(&r, 554, 5, subject, detail, "%s", what);
	decide_rest(t, SMTP_FATE_REFUSED, SMTP_STAGE_MAIL, &r);
	smtp_reply_fini(&r);
	for (size_t i = 0; i < t->rcpt_count; i++)
		t->rcpts[i].is_ours = true;
	return 0;
}

/* --- does the message fit the peer? ---------------------------------------------------------- */

static FIBER int is_content_7bit(struct smtp_txn *t, bool *is_7bit_r, struct err *e)
{
	struct span octets;

	*is_7bit_r = true;
	t->source->rewind(t->source);
	do {
		if (t->source->next(t->source, &octets, e) < 0)
			return err_scope_set(e, ERR_SCOPE_MSG, ERR_AGAIN_LATER);
		*is_7bit_r = *is_7bit_r && span_is_ascii(octets);
	} while (octets.len && *is_7bit_r);
	t->source->rewind(t->source);
	return 0;
}

static bool is_envelope_ascii(const struct smtp_txn *t)
{
	bool is_ascii = span_is_ascii(t->reverse_path);

	for (size_t i = 0; i < t->rcpt_count; i++)
		is_ascii = is_ascii && span_is_ascii(t->rcpts[i].address);
	return is_ascii;
}

/* What MAIL will declare. */
struct plan {
	enum smtp_body_type body;
	bool is_smtputf8, is_bdat, is_together; /* content travels in one write with the envelope */
};

/* 0 with *fits_r false: the recipients have been told why. */
static FIBER int make_plan(
	struct smtp_client *c, struct smtp_txn *t, struct plan *plan, bool *fits_r, struct err *e)
{
	/* An alias here may have led from an ASCII address to one that is not. */
	bool is_7bit = true, is_ascii = is_envelope_ascii(t), is_utf8 = t->is_smtputf8 || !is_ascii;

	*fits_r = false;
	memset(plan, 0, sizeof(*plan));
	if (c->caps.size_max && t->size > c->caps.size_max && smtp_client_has(c, SMTP_SIZE))
		return lacking(t, 3, 4, "the message is larger than the next host takes");
	/* RFC 3030 section 3: BINARYMIME travels with BDAT only, and is never converted here. */
	if (t->body == SMTP_BODY_BINARYMIME &&
		(!smtp_client_has(c, SMTP_BINARYMIME) || !smtp_client_has(c, SMTP_CHUNKING)))
		return lacking(t, 6, 3, "the next host does not take binary messages (BINARYMIME)");
	if ((is_utf8 && !smtp_client_has(c, SMTP_SMTPUTF8)) ||
		(t->body == SMTP_BODY_8BITMIME && !smtp_client_has(c, SMTP_8BITMIME) &&
			!t->is_8bit_anyway))
		if (is_content_7bit(t, &is_7bit, e) < 0)
			return -1;
	/* RFC 6531 section 3.2: without SMTPUTF8 such a message is not sent; one that merely was
	 * allowed to have UTF-8, and has none, may go. */
	if (is_utf8 && !smtp_client_has(c, SMTP_SMTPUTF8) && (!is_7bit || !is_ascii))
		return lacking(t, 6, 7,
			"the next host does not take internationalised addresses or headers (SMTPUTF8)");
	/* RFC 6152 section 3: convert or return; what may be signed is not converted. */
	if (!is_7bit)
		return lacking(t, 6, 3, "the next host does not take 8-bit messages (8BITMIME)");
	plan->is_smtputf8 = is_utf8 && smtp_client_has(c, SMTP_SMTPUTF8);
	plan->body = smtp_client_has(c, SMTP_8BITMIME) || t->body == SMTP_BODY_BINARYMIME
		? t->body
		: SMTP_BODY_7BIT;
	plan->is_bdat = smtp_client_has(c, SMTP_CHUNKING);
	plan->is_together = plan->is_bdat && smtp_client_has(c, SMTP_PIPELINING) &&
		t->size <= SMTP_CLIENT_SMALL;
	*fits_r = true;
	return 0;
}

/* --- the envelope ---------------------------------------------------------------------------- */

static void put_xtext(struct stream *s, struct span bytes)
{
	struct buf b;

	buf_init(&b, 4096);
	smtp_xtext_encode(&b, bytes);
	stream_put(s, buf_span(&b));
	buf_fini(&b);
}

/* RFC 3461 section 4.2: the type stands, the address is xtext, or what RFC 6533 section 3 has for
 * the utf-8 type: in ASCII, so that it may go to servers without SMTPUTF8 too. */
static void put_orcpt(struct stream *s, struct span type, struct span address)
{
	struct buf b;

	stream_put(s, SPAN(" ORCPT="));
	stream_put(s, type);
	stream_put(s, SPAN(";"));
	if (!span_eq_nocase(type, SPAN("utf-8"))) {
		put_xtext(s, address);
		return;
	}
	buf_init(&b, 4096);
	mail_utf8_addr_put(&b, address);
	stream_put(s, buf_span(&b));
	buf_fini(&b);
}

static void put_mail(struct smtp_client *c, const struct smtp_txn *t, const struct plan *plan)
{
	struct stream *s = c->stream;

	stream_put(s, SPAN("MAIL FROM:<"));
	stream_put(s, t->reverse_path);
	stream_put(s, SPAN(">"));
	if (smtp_client_has(c, SMTP_SIZE)) /* RFC 1870 section 6 */
		stream_printf(s, " SIZE=%llu", (unsigned long long)t->size);
	if (plan->body == SMTP_BODY_8BITMIME) /* RFC 6152 section 2 */
		stream_put(s, SPAN(" BODY=8BITMIME"));
	else if (plan->body == SMTP_BODY_BINARYMIME)
		stream_put(s, SPAN(" BODY=BINARYMIME"));
	if (plan->is_smtputf8)
		stream_put(s, SPAN(" SMTPUTF8"));
	if (smtp_client_has(c, SMTP_DSN)) { /* RFC 3461 sections 4.3, 4.4 */
		if (t->ret != SMTP_RET_NONE)
			stream_put(
				s, t->ret == SMTP_RET_FULL ? SPAN(" RET=FULL") : SPAN(" RET=HDRS"));
		if (t->envid.len) {
			stream_put(s, SPAN(" ENVID="));
			put_xtext(s, t->envid);
		}
	}
	stream_put(s, SPAN("\r\n"));
}

/* RFC 3461 section 4.1. */
static void put_notify(struct stream *s, unsigned notify)
{
	static const struct {
		unsigned bit;
		const char *word;
	} words[] = {{SMTP_NOTIFY_SUCCESS, "SUCCESS"}, {SMTP_NOTIFY_FAILURE, "FAILURE"},
		{SMTP_NOTIFY_DELAY, "DELAY"}};
	const char *comma = "";

	if (notify == 0)
		return;
	stream_put(s, SPAN(" NOTIFY="));
	if (notify & SMTP_NOTIFY_NEVER) {
		stream_put(s, SPAN("NEVER"));
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (notify & words[i].bit) {
			stream_printf(s, "%s%s", comma, words[i].word);
			comma = ",";
		}
}

static void put_rcpt(struct smtp_client *c, struct smtp_txn_rcpt *r)
{
	struct stream *s = c->stream;
	ptrdiff_t semicolon = span_find(r->orcpt, ';');

	stream_put(s, SPAN("RCPT TO:<"));
	stream_put(s, r->address);
	stream_put(s, SPAN(">"));
	r->is_dsn_passed = smtp_client_has(c, SMTP_DSN);
	if (r->is_dsn_passed) {
		put_notify(s, r->notify);
		if (semicolon > 0)
			put_orcpt(s, span_sub(r->orcpt, 0, (size_t)semicolon),
				span_skip(r->orcpt, (size_t)semicolon + 1));
	}
	stream_put(s, SPAN("\r\n"));
}

/* Would the path end before its '>'? One within a quoted string does not count; a quoted string that
 * never ends does. */
static bool ends_early(struct span path)
{
	bool is_quoted = false;

	for (size_t i = 0; i < path.len; i++) {
		if (is_quoted && path.ptr[i] == '\\')
			i++;
		else if (path.ptr[i] == '"')
			is_quoted = !is_quoted;
		else if (path.ptr[i] == '>' && !is_quoted)
			return true;
	}
	return is_quoted;
}

/* CR, LF and NUL are refused where foreign text enters a command, and what would become a parameter
 * of its own. */
static bool is_safe(const struct smtp_txn *t)
{
	bool is_ok = !span_has_line_break(t->reverse_path) && !ends_early(t->reverse_path);

	for (size_t i = 0; i < t->rcpt_count; i++) {
		struct span a = t->rcpts[i].address, o = t->rcpts[i].orcpt;
		ptrdiff_t semicolon = span_find(o, ';');

		is_ok = is_ok && !span_has_line_break(a) && a.len > 0 && !ends_early(a) &&
			span_find(span_sub(o, 0, semicolon > 0 ? (size_t)semicolon : 0), ' ') < 0 &&
			!span_has_line_break(span_sub(o, 0, semicolon > 0 ? (size_t)semicolon : 0));
	}
	return is_ok;
}

/* --- replies to the envelope ----------------------------------------------------------------- */

static FIBER int read_mail(struct smtp_client *c, struct smtp_txn *t, struct err *e)
{
	if (smtp_client_reply(c, SMTP_STAGE_MAIL, c->opts.timeouts.mail_ns, e) < 0)
		return -1;
	if (c->parser.reply.code / 100 != 2)
		decide_rest(t, SMTP_FATE_REFUSED, SMTP_STAGE_MAIL, &c->parser.reply);
	return 0;
}

/* A recipient that MAIL's refusal has decided keeps that: the reply here is only its echo. */
static FIBER int read_rcpt(struct smtp_client *c, struct smtp_txn_rcpt *r, struct err *e)
{
	if (smtp_client_reply(c, SMTP_STAGE_RCPT, c->opts.timeouts.mail_ns, e) < 0)
		return -1;
	if (r->fate == SMTP_FATE_NONE && c->parser.reply.code / 100 != 2)
		decide(r, SMTP_FATE_REFUSED, SMTP_STAGE_RCPT, &c->parser.reply);
	return 0;
}

/* 421 in the middle: what follows will not be answered. */
static int gone(struct smtp_client *c, enum smtp_stage stage, struct err *e)
{
	const struct smtp_reply *r = &c->parser.reply;

	err_set(e, ERR_REPLY, "%s: %u " SPAN_FMT, smtp_stage_str(stage), r->code,
		SPAN_ARG(buf_span(&r->text)));
	err_smtp(e, r->code, r->cls, r->subject, r->detail);
	return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
}

static FIBER int envelope_pipelined(
	struct smtp_client *c, struct smtp_txn *t, const struct plan *plan, struct err *e)
{
	put_mail(c, t, plan);
	for (size_t i = 0; i < t->rcpt_count; i++)
		put_rcpt(c, &t->rcpts[i]);
	if (!plan->is_bdat)
		stream_put(c->stream, SPAN("DATA\r\n"));
	if (read_mail(c, t, e) < 0)
		return -1;
	for (size_t i = 0; i < t->rcpt_count && !c->is_over; i++)
		if (read_rcpt(c, &t->rcpts[i], e) < 0)
			return -1;
	return c->is_over ? gone(c, SMTP_STAGE_RCPT, e) : 0;
}

static FIBER int envelope_in_turn(
	struct smtp_client *c, struct smtp_txn *t, const struct plan *plan, struct err *e)
{
	put_mail(c, t, plan);
	if (read_mail(c, t, e) < 0)
		return -1;
	for (size_t i = 0; i < t->rcpt_count && undecided(t) && !c->is_over; i++) {
		stream_set_timeout(c->stream, c->opts.timeouts.mail_ns);
		put_rcpt(c, &t->rcpts[i]);
		if (read_rcpt(c, &t->rcpts[i], e) < 0)
			return -1;
	}
	if (c->is_over)
		return gone(c, SMTP_STAGE_RCPT, e);
	if (undecided(t) && !plan->is_bdat)
		stream_put(c->stream, SPAN("DATA\r\n"));
	return 0;
}

/* --- content --------------------------------------------------------------------------------- */

static int source_failed(struct smtp_client *c, struct err *e)
{
	c->is_over = true;
	err_wrap(e, "reading the message");
	return err_scope_set(e, ERR_SCOPE_MSG, ERR_AGAIN_LATER);
}

static FIBER int write_octets(struct smtp_client *c, struct span octets, struct err *e)
{
	stream_set_timeout(c->stream, c->opts.timeouts.block_ns);
	if (octets.len <= STREAM_IN_BYTES) {
		stream_put(c->stream, octets);
		return 0;
	}
	return stream_write(c->stream, &octets, 1, e);
}

/* Bare CR and bare LF are content where BINARYMIME was agreed, and nowhere else (RFC 3030
 * section 3): a peer that takes them for a line end would see another message. */
static int check_bare(struct smtp_dot_writer *w, struct span octets, struct err *e)
{
	while (octets.len && !w->has_bare)
		octets = span_skip(octets, smtp_dot_next(w, octets));
	return w->has_bare ? err_set(e, ERR_SYNTAX, "the content has a bare CR or LF") : 0;
}

/* RFC 3030 section 2: one chunk, whose size is known beforehand. */
static FIBER int write_chunk(struct smtp_client *c, struct smtp_txn *t, struct err *e)
{
	struct smtp_dot_writer w = {0};
	uint64_t left = t->size;
	struct span octets;

	stream_printf(c->stream, "BDAT %llu LAST\r\n", (unsigned long long)t->size);
	for (;;) {
		if (t->source->next(t->source, &octets, e) < 0)
			return source_failed(c, e);
		if (octets.len == 0 && left == 0 && !w.has_cr)
			return 0;
		if (octets.len == 0 || octets.len > left) {
			err_set(e, left ? ERR_STATE : ERR_SYNTAX,
				left ? "the content is not as long as was said"
				     : "the content ends with a bare CR");
			return source_failed(c, e);
		}
		left -= octets.len;
		if (t->body != SMTP_BODY_BINARYMIME && check_bare(&w, octets, e) < 0)
			return source_failed(c, e);
		if (write_octets(c, octets, e) < 0)
			return smtp_client_lost(c, SMTP_STAGE_BODY, e);
	}
}

/* RFC 5321 section 4.5.2: a line that begins with a dot gets one more. */
static FIBER int write_dotted(struct smtp_client *c, struct smtp_txn *t, struct err *e)
{
	struct smtp_dot_writer w = {0};
	char last[2] = {'\r', '\n'};
	struct span octets;

	for (;;) {
		if (t->source->next(t->source, &octets, e) < 0)
			return source_failed(c, e);
		if (octets.len == 0 && w.has_cr) {
			err_set(e, ERR_SYNTAX, "the content ends with a bare CR");
			return source_failed(c, e);
		}
		if (octets.len == 0)
			break;
		last[0] = octets.len > 1 ? octets.ptr[octets.len - 2] : last[1];
		last[1] = octets.ptr[octets.len - 1];
		while (octets.len) {
			size_t n = smtp_dot_next(&w, octets);

			if (w.has_bare) {
				err_set(e, ERR_SYNTAX, "the content has a bare CR or LF");
				return source_failed(c, e);
			}
			if (n && write_octets(c, span_sub(octets, 0, n), e) < 0)
				return smtp_client_lost(c, SMTP_STAGE_BODY, e);
			octets = span_skip(octets, n);
			if (octets.len)
				stream_put(c->stream, SPAN("."));
		}
	}
	stream_put(
		c->stream, last[0] == '\r' && last[1] == '\n' ? SPAN(".\r\n") : SPAN("\r\n.\r\n"));
	return 0;
}

/* --- the end --------------------------------------------------------------------------------- */

/* From here on a lost connection leaves the fate of what was sent unknown. */
static int lost_after_dot(struct smtp_txn *t)
{
	for (size_t i = 0; i < t->rcpt_count; i++)
		if (t->rcpts[i].fate == SMTP_FATE_NONE) {
			t->rcpts[i].fate = SMTP_FATE_UNKNOWN;
			t->rcpts[i].stage = SMTP_STAGE_DOT;
		}
	return -1;
}

/* RFC 2033 section 4.2: LMTP answers once for each recipient that was accepted, in their order. */
static FIBER int read_end(struct smtp_client *c, struct smtp_txn *t, struct err *e)
{
	stream_set_timeout(c->stream, c->opts.timeouts.dot_ns);
	if (stream_flush(c->stream, e) < 0) {
		smtp_client_lost(c, SMTP_STAGE_DOT, e);
		return lost_after_dot(t);
	}
	FAULT(DELIVER_DOT);
	for (size_t i = 0; i < t->rcpt_count; i++) {
		const struct smtp_reply *r = &c->parser.reply;
		enum smtp_fate fate;

		if (t->rcpts[i].fate != SMTP_FATE_NONE)
			continue;
		if (smtp_client_reply(c, SMTP_STAGE_DOT, c->opts.timeouts.dot_ns, e) < 0)
			return lost_after_dot(t);
		fate = r->code / 100 == 2 ? SMTP_FATE_ACCEPTED : SMTP_FATE_REFUSED;
		if (!c->opts.is_lmtp) {
			decide_rest(t, fate, SMTP_STAGE_DOT, r);
			break;
		}
		decide(&t->rcpts[i], fate, SMTP_STAGE_DOT, r);
		if (c->is_over && undecided(t)) {
			gone(c, SMTP_STAGE_DOT, e);
			return lost_after_dot(t);
		}
	}
	return 0;
}

static FIBER int reset(struct smtp_client *c, struct err *e)
{
	if (c->is_over)
		return 0;
	stream_set_timeout(c->stream, c->opts.timeouts.mail_ns);
	stream_put(c->stream, SPAN("RSET\r\n"));
	return smtp_client_reply(c, SMTP_STAGE_OTHER, c->opts.timeouts.mail_ns, e);
}

/* DATA's own reply. A server may say 354 although no recipient is left: it gets an empty body
 * (RFC 2920 section 3.1). */
static FIBER int data_or_not(struct smtp_client *c, struct smtp_txn *t, bool *go_r, struct err *e)
{
	stream_set_timeout(c->stream, c->opts.timeouts.data_ns);
	if (smtp_client_reply(c, SMTP_STAGE_DATA, c->opts.timeouts.data_ns, e) < 0)
		return -1;
	*go_r = c->parser.reply.code == 354;
	if (!*go_r) {
		if (c->parser.reply.code / 100 == 2) { /* neither yes nor no */
			err_set(e, ERR_PROTO, "DATA was answered with %u", c->parser.reply.code);
			return smtp_client_lost(c, SMTP_STAGE_DATA, e);
		}
		decide_rest(t, SMTP_FATE_REFUSED, SMTP_STAGE_DATA, &c->parser.reply);
		return 0;
	}
	if (undecided(t))
		return 0;
	*go_r = false;
	stream_put(c->stream, SPAN(".\r\n"));
	return smtp_client_reply(c, SMTP_STAGE_DOT, c->opts.timeouts.dot_ns, e);
}

/* Everything in one write, then all replies: one round trip a message. */
static FIBER int send_together(
	struct smtp_client *c, struct smtp_txn *t, const struct plan *plan, struct err *e)
{
	size_t count = t->rcpt_count;

	put_mail(c, t, plan);
	for (size_t i = 0; i < count; i++)
		put_rcpt(c, &t->rcpts[i]);
	if (write_chunk(c, t, e) < 0)
		return -1;
	if (stream_flush(c->stream, e) < 0) {
		smtp_client_lost(c, SMTP_STAGE_BODY, e);
		return lost_after_dot(t);
	}
	FAULT(DELIVER_DOT);
	stream_set_timeout(c->stream, c->opts.timeouts.mail_ns);
	if (read_mail(c, t, e) < 0) {
		t->is_unanswered = true;
		return lost_after_dot(t);
	}
	for (size_t i = 0; i < count && !c->is_over; i++)
		if (read_rcpt(c, &t->rcpts[i], e) < 0)
			return lost_after_dot(t);
	if (c->is_over) {
		gone(c, SMTP_STAGE_RCPT, e);
		return -1; /* 421 before the end of data was judged: nothing was taken */
	}
	if (undecided(t))
		return read_end(c, t, e);
	/* Nobody was accepted: BDAT is answered all the same, once (in LMTP too). */
	stream_set_timeout(c->stream, c->opts.timeouts.data_ns);
	if (smtp_client_reply(c, SMTP_STAGE_DOT, c->opts.timeouts.dot_ns, e) < 0)
		return -1;
	return reset(c, e);
}

static FIBER int send_in_steps(
	struct smtp_client *c, struct smtp_txn *t, const struct plan *plan, struct err *e)
{
	bool is_pipelined = smtp_client_has(c, SMTP_PIPELINING), go = true;

	if ((is_pipelined ? envelope_pipelined(c, t, plan, e) : envelope_in_turn(c, t, plan, e)) <
		0)
		return -1;
	if (!plan->is_bdat && (is_pipelined || undecided(t)) && data_or_not(c, t, &go, e) < 0)
		return -1;
	if (!go || !undecided(t))
		return reset(c, e);
	if ((plan->is_bdat ? write_chunk(c, t, e) : write_dotted(c, t, e)) < 0)
		return -1;
	return read_end(c, t, e);
}

FIBER int smtp_client_send(struct smtp_client *c, struct smtp_txn *t, struct err *e)
{
	struct plan plan;
	bool fits;

	MUST(t->rcpt_count > 0 && !c->is_over);
	for (size_t i = 0; i < t->rcpt_count; i++) {
		smtp_reply_init(&t->rcpts[i].reply);
		t->rcpts[i].fate = SMTP_FATE_NONE;
		t->rcpts[i].is_ours = t->rcpts[i].is_dsn_passed = false;
	}
	t->is_unanswered = false;
	c->transactions++;
	if (!is_safe(t))
		return lacking(t, 1, 3, "an address has characters that cannot be sent");
	if (make_plan(c, t, &plan, &fits, e) < 0)
		return -1;
	if (!fits)
		return 0;
	stream_set_timeout(c->stream, c->opts.timeouts.mail_ns);
	t->source->rewind(t->source);
	return plan.is_together ? send_together(c, t, &plan, e) : send_in_steps(c, t, &plan, e);
}

FIBER int smtp_client_send_many(
	struct smtp_client *c, struct smtp_txn *const *txns, size_t count, struct err *e)
{
	for (size_t i = 0; i < count; i++)
		if (smtp_client_send(c, txns[i], e) < 0)
			return -1;
	return 0;
}

FIBER int smtp_client_data(struct smtp_client *c, struct smtp_source *source, struct err *e)
{
	struct smtp_txn t = {.source = source};

	stream_put(c->stream, SPAN("DATA\r\n"));
	if (smtp_client_reply(c, SMTP_STAGE_DATA, c->opts.timeouts.data_ns, e) < 0)
		return -1;
	if (c->parser.reply.code != 354)
		return 0;
	if (write_dotted(c, &t, e) < 0)
		return -1;
	return smtp_client_reply(c, SMTP_STAGE_DOT, c->opts.timeouts.dot_ns, e);
}
