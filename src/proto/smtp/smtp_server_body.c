#include "proto/smtp/smtp_server_priv.h"

#include "base/must.h"
#include "run/loop.h"

/* DATA and BDAT. Content is handed on as it comes, without a copy: what waits is the stream's
 * buffer. Once a body is refused (by a decider, its size or its line ends), the rest of it is read
 * and dropped, and the refusal is said at its end. */

static FIBER void body_begin(struct smtp_server *sv, bool is_chunked)
{
	const struct smtp_server_opts *o = sv->s.opts;
	struct smtp_body *b = ARENA_NEW(sv->s.txn, struct smtp_body);

	smtp_data_parser_init(
		&b->parser, o->newlines == SMTP_NEWLINES_NORMALISE, o->limits.text_line);
	b->parser.is_chunked = is_chunked;
	smtp_reply_init(&b->verdict);
	sv->body = b;
	if (is_chunked)
		smtp_reply_set(&b->verdict, 250, 2, 0, 0, "Ok");
	else
		smtp_reply_set(&b->verdict, 354, 0, 0, 0, "End data with <CR><LF>.<CR><LF>");
	sv->decider->body_begin(sv->ctx, &sv->s, &b->verdict);
}

/* What stands against the content itself; false: nothing. Fills sv->reply. */
static bool body_trouble(struct smtp_server *sv)
{
	const struct smtp_body *b = sv->body;
	unsigned t = b->parser.troubles;

	if (sv->s.opts->newlines == SMTP_NEWLINES_NORMALISE)
		t &= ~(unsigned)(SMTP_DATA_BARE_CR | SMTP_DATA_BARE_LF);
	if (b->verdict.code >= 400)
		smtp_reply_set(&sv->reply, b->verdict.code, b->verdict.cls, b->verdict.subject,
			b->verdict.detail, SPAN_FMT, SPAN_ARG(buf_span(&b->verdict.text)));
	else if (b->is_too_big)
		smtp_reply_set(&sv->reply, 552, 5, 3, 4, "Message size exceeds %llu octets",
			(unsigned long long)sv->s.opts->limits.message_octets);
	else if (t & (SMTP_DATA_BARE_CR | SMTP_DATA_BARE_LF))
		/* RFC 5321 section 2.3.8: CR and LF stand together or not at all */
		smtp_reply_set(&sv->reply, 550, 5, 6, 11,
			"Bare %s in the message, lines must end with CR LF",
			t & SMTP_DATA_BARE_LF ? "LF" : "CR");
	else if (t & SMTP_DATA_NUL)
		smtp_reply_set(&sv->reply, 550, 5, 6, 0, "NUL in the message");
	else if (t & SMTP_DATA_LONG_LINE)
		smtp_reply_set(&sv->reply, 550, 5, 6, 0, "A line is longer than %zu octets",
			sv->s.opts->limits.text_line);
	else
		return false;
	return true;
}

static bool body_is_refused(const struct smtp_server *sv)
{
	const struct smtp_body *b = sv->body;
	unsigned t = b->parser.troubles;

	if (sv->s.opts->newlines == SMTP_NEWLINES_NORMALISE)
		t &= ~(unsigned)(SMTP_DATA_BARE_CR | SMTP_DATA_BARE_LF);
	return b->verdict.code >= 400 || b->is_too_big || t;
}

static FIBER void body_take(struct smtp_server *sv, struct span content)
{
	struct smtp_body *b = sv->body;
	uint64_t max = sv->s.opts->limits.message_octets;

	if (content.len == 0)
		return;
	b->octets += content.len;
	if (max && b->octets > max)
		b->is_too_big = true;
	if (!body_is_refused(sv))
		sv->decider->body_data(sv->ctx, &sv->s, content, &b->verdict);
}

/* More octets: within data_ns, and not below the floor of octets a second since the data (or the
 * chunk) began. */
static FIBER int body_fill(struct smtp_server *sv, const struct smtp_body *b, struct err *e)
{
	struct stream *st = sv->s.stream;
	int64_t floor = b->rate_ns + SMTP_SERVER_RATE_GRACE;

	if (b->rate_octets < INT64_MAX / CLOCK_SEC)
		floor += (int64_t)(b->rate_octets * (CLOCK_SEC / SMTP_SERVER_RATE));
	smtp_server_deadline(sv, sv->s.opts->limits.data_ns);
	if (floor < st->deadline_ns)
		st->deadline_ns = floor;
	return stream_fill(st, e);
}

/* Octets came; the other fibers get their turn, and dropping has an end. */
static FIBER int body_count(struct smtp_server *sv, struct smtp_body *b, size_t n, struct err *e)
{
	uint64_t max = sv->s.opts->limits.message_octets;

	b->wire += n;
	b->rate_octets += n;
	b->since_turn += n;
	if (max && b->wire > 2 * max + SMTP_SERVER_DROP_MAX) {
		err_set(e, ERR_LIMIT, "a body without end");
		return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
	}
	if (b->since_turn < SMTP_SERVER_TURN_OCTETS)
		return 0;
	b->since_turn = 0;
	return fiber_yield(e);
}

/* The content itself was refused here; what the decider refuses it logs. */
static void log_refused(struct smtp_server *sv)
{
	struct span line, rest;

	if (sv->body->verdict.code >= 400)
		return;
	span_cut(buf_span(&sv->reply.text), '\n', &line, &rest);
	log_event(&sv->s.log, LOG_INFO, "smtp.in.content.refused",
		LF("from", sv->s.mail.from.whole), LF_INT("rcpts", sv->s.rcpt_count),
		LF_INT("octets", sv->body->octets), LF_INT("code", sv->reply.code),
		LF("reason", line));
}

static void count_message(struct smtp_server *sv)
{
	sv->s.messages++;
	sv->s.errors = sv->junk = 0; /* it delivers mail: old errors are forgiven */
}

/* LMTP: one reply for each recipient (RFC 2033 section 4.2). However many say no, that is one error
 * of the peer. */
static FIBER int say_each(
	struct smtp_server *sv, struct smtp_reply *replies, size_t count, struct err *e)
{
	struct smtp_reply kept = sv->reply;
	bool is_counted = false;
	int rc = 0;

	for (size_t i = 0; i < count && rc == 0 && sv->phase != SMTP_PHASE_CLOSED; i++) {
		sv->reply = replies[i];
		if (sv->reply.code >= 400 && !is_counted) {
			is_counted = true;
			rc = smtp_server_say(sv, e);
		} else {
			smtp_server_put(sv);
		}
		replies[i] = sv->reply; /* its memory may have moved */
	}
	sv->reply = kept;
	return rc;
}

/* The same reply for each recipient. */
static FIBER int say_all(struct smtp_server *sv, size_t count, struct err *e)
{
	int rc = smtp_server_say(sv, e);

	for (size_t i = 1; i < count && rc == 0 && sv->phase != SMTP_PHASE_CLOSED; i++)
		smtp_server_put(sv);
	return rc;
}

/* The body is complete and nothing stands against it: the decider has the last word. */
static FIBER int finish_lmtp(struct smtp_server *sv, struct err *e)
{
	struct smtp_session *s = &sv->s;
	size_t count = s->rcpt_count, good = 0;
	struct smtp_reply *replies = ARENA_ARRAY(s->txn, struct smtp_reply, count);
	int rc;

	for (size_t i = 0; i < count; i++) {
		smtp_reply_init(&replies[i]);
		smtp_reply_set(&replies[i], 250, 2, 0, 0, "Ok");
	}
	sv->decider->body_end(sv->ctx, s, replies, count);
	for (size_t i = 0; i < count; i++)
		good += replies[i].code < 400;
	if (good)
		count_message(sv);
	rc = say_each(sv, replies, count, e);
	for (size_t i = 0; i < count; i++)
		smtp_reply_fini(&replies[i]);
	smtp_server_reset(sv);
	return rc;
}

static FIBER int finish_smtp(struct smtp_server *sv, struct err *e)
{
	smtp_reply_set(&sv->reply, 250, 2, 0, 0, "Ok");
	sv->decider->body_end(sv->ctx, &sv->s, &sv->reply, 1);
	if (sv->reply.code < 400)
		count_message(sv);
	smtp_server_reset(sv);
	return smtp_server_say(sv, e);
}

/* The end of a body, good or refused: replies, and no envelope remains. */
static FIBER int finish(struct smtp_server *sv, struct err *e)
{
	size_t count = sv->s.is_lmtp ? sv->s.rcpt_count : 1;

	if (!body_trouble(sv))
		return sv->s.is_lmtp ? finish_lmtp(sv, e) : finish_smtp(sv, e);
	log_refused(sv);
	smtp_server_reset(sv);
	return say_all(sv, count, e);
}

FIBER int smtp_server_data(struct smtp_server *sv, struct err *e)
{
	struct stream *st = sv->s.stream;
	struct smtp_body *b;

	body_begin(sv, false);
	b = sv->body;
	smtp_reply_set(&sv->reply, b->verdict.code, b->verdict.cls, b->verdict.subject,
		b->verdict.detail, SPAN_FMT, SPAN_ARG(buf_span(&b->verdict.text)));
	if (b->verdict.code >= 400) {
		smtp_server_reset(sv);
		return smtp_server_say(sv, e);
	}
	smtp_server_phase(sv, SMTP_PHASE_DATA);
	b->rate_ns = loop_now_ns();
	if (smtp_server_say(sv, e) < 0)
		return -1;
	while (!b->parser.is_done) {
		struct span in = stream_peek(st), content;
		size_t used;

		if (in.len == 0) {
			if (body_fill(sv, b, e) < 0)
				return -1;
			continue;
		}
		used = smtp_data_take(&b->parser, in, &content);
		body_take(sv, content);
		stream_consume(st, used);
		if (body_count(sv, b, used, e) < 0)
			return -1;
	}
	return finish(sv, e);
}

/* Octets of a chunk: `b` of no transaction (octets of a BDAT out of turn) only counts. */
static FIBER int read_chunk(
	struct smtp_server *sv, struct smtp_body *b, uint64_t left, struct err *e)
{
	struct stream *st = sv->s.stream;

	b->rate_ns = loop_now_ns();
	b->rate_octets = 0;
	while (left) {
		struct span in = span_sub(
			stream_peek(st), 0, left < SIZE_MAX ? (size_t)left : SIZE_MAX);
		struct span content = in;
		size_t used = in.len;

		if (in.len == 0) {
			if (body_fill(sv, b, e) < 0)
				return -1;
			continue;
		}
		if (b == sv->body) {
			if (!sv->s.is_binary_body)
				used = smtp_data_take(&b->parser, in, &content);
			body_take(sv, content);
		}
		stream_consume(st, used);
		left -= used;
		if (body_count(sv, b, used, e) < 0)
			return -1;
	}
	return 0;
}

/* BDAT that cannot be obeyed: its octets are read and dropped, then it is refused (RFC 3030
 * section 2). sv->reply holds the refusal. */
static FIBER int drop_chunk(struct smtp_server *sv, const struct smtp_command *c, struct err *e)
{
	struct smtp_body nobody = {0};

	smtp_server_reset(sv);
	if (read_chunk(sv, &nobody, c->chunk_size, e) < 0)
		return -1;
	return smtp_server_say(sv, e);
}

/* So much that reading it to its end is out of the question: refuse and hang up. */
static FIBER int refuse_huge(struct smtp_server *sv, struct err *e)
{
	smtp_server_reset(sv);
	smtp_reply_set(&sv->reply, 552, 5, 3, 4, "Message size exceeds %llu octets",
		(unsigned long long)sv->s.opts->limits.message_octets);
	if (smtp_server_say(sv, e) < 0)
		return -1;
	if (sv->phase != SMTP_PHASE_CLOSED)
		smtp_server_close(sv, "bdat", 3, 4, "That chunk is too much to be thrown away");
	return 0;
}

FIBER int smtp_server_bdat(
	struct smtp_server *sv, const struct smtp_command *c, bool is_refused, struct err *e)
{
	const struct smtp_server_limits *l = &sv->s.opts->limits;
	struct smtp_body *b;

	if (l->message_octets && c->chunk_size > l->message_octets + SMTP_SERVER_DROP_MAX)
		return refuse_huge(sv, e);
	if (is_refused)
		return drop_chunk(sv, c, e);
	if (!sv->body)
		body_begin(sv, true);
	b = sv->body;
	if (b->verdict.code < 400)
		smtp_server_phase(sv, SMTP_PHASE_BDAT);
	if (l->bdat_commands && ++b->chunks > l->bdat_commands)
		smtp_reply_set(&b->verdict, 552, 5, 3, 4, "Too many chunks");
	if (l->message_octets &&
		c->chunk_size > l->message_octets - (b->is_too_big ? 0 : b->octets))
		b->is_too_big = true;
	if (read_chunk(sv, b, c->chunk_size, e) < 0)
		return -1;
	if (c->is_last_chunk) {
		if (!sv->s.is_binary_body)
			body_take(sv, smtp_data_finish(&b->parser));
		return finish(sv, e);
	}
	if (body_trouble(sv)) {
		log_refused(sv);
		smtp_server_reset(sv);
		return smtp_server_say(sv, e);
	}
	smtp_reply_set(&sv->reply, 250, 2, 0, 0, "%llu octets received",
		(unsigned long long)c->chunk_size);
	return smtp_server_say(sv, e);
}
