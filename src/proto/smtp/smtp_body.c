/* Content on its way to the peer. While it goes, an answer that comes too early is noticed: half a
 * body cannot be taken back, so the connection ends there. */

#include <string.h>

#include "net/trace.h"
#include "proto/smtp/smtp_client_priv.h"

/* The timer of a write restarts with each piece (RFC 5321 section 4.5.3.2.5). */
#define BODY_PIECE  (32 * 1024)
#define BODY_COPY   (16 * 1024) /* shorter runs are copied together */
#define BODY_CHUNK  (64 * 1024) /* of a content whose size is not known */
#define BODY_CHUNKS 16          /* under way at most */

struct body {
	struct smtp_client *c;
	struct smtp_txn *t;
	const struct smtp_plan *plan;
	struct smtp_dot_writer w;
	bool is_refused;
	bool is_ending; /* what is written now is the chunk's end: an answer may follow at once */
};

static int source_failed(struct smtp_client *c, struct err *e)
{
	c->is_over = true;
	err_wrap(e, "reading the message");
	return err_scope_set(e, ERR_SCOPE_MSG, ERR_AGAIN_LATER);
}

/* Bare CR and bare LF are content where BINARYMIME was agreed, and nowhere else (RFC 3030
 * section 3): a peer that takes them for a line end would see another message. */
static int check_run(struct body *b, struct span octets, bool is_dotted, struct err *e)
{
	if (b->plan && b->plan->must_be_7bit && !span_is_ascii(octets)) {
		err_set(e, ERR_UNSUPPORTED, "8-bit content, which the next host does not take");
		return -1;
	}
	if (is_dotted || b->t->body == SMTP_BODY_BINARYMIME)
		return 0;
	while (octets.len && !b->w.has_bare)
		octets = span_skip(octets, smtp_dot_next(&b->w, octets));
	return b->w.has_bare ? err_set(e, ERR_SYNTAX, "the content has a bare CR or LF") : 0;
}

static int check_end(struct body *b, struct err *e)
{
	return b->w.has_cr ? err_set(e, ERR_SYNTAX, "the content ends with a bare CR") : 0;
}

/* Something has come although nothing was to be answered yet. */
static FIBER int answered_early(struct body *b, struct err *e)
{
	struct smtp_client *c = b->c;
	unsigned code;

	if (smtp_client_reply(c, SMTP_STAGE_BODY, c->opts.timeouts.data_ns, e) < 0)
		return -1;
	code = c->parser.reply.code;
	if (code < 400) {
		err_set(e, ERR_PROTO, "answered with %u before its end", code);
		return smtp_client_lost(c, SMTP_STAGE_BODY, e);
	}
	smtp_decide_rest(b->t, true, SMTP_FATE_REFUSED, SMTP_STAGE_BODY, &c->parser.reply);
	c->is_over = b->is_refused = true;
	return 0;
}

static FIBER int sent(struct body *b, int rc, struct err *e)
{
	struct stream *s = b->c->stream;

	if (rc < 0) {
		trace_pause(s, false);
		return smtp_client_lost(b->c, SMTP_STAGE_BODY, e);
	}
	if (b->is_ending || !stream_has_input(s))
		return 0;
	/* A reply is seen in a trace, though the body is not. */
	trace_pause(s, false);
	if (smtp_client_has_input(b->c))
		return answered_early(b, e);
	trace_pause(s, true);
	return 0;
}

static FIBER int flush(struct body *b, struct err *e)
{
	struct stream *s = b->c->stream;

	stream_set_timeout(s, b->c->opts.timeouts.block_ns);
	return sent(b, stream_flush(s, e), e);
}

/* `is_last`: a chunk's end is among them. */
static FIBER int write_octets(struct body *b, struct span octets, bool is_last, struct err *e)
{
	struct stream *s = b->c->stream;

	b->t->octets += octets.len;
	if (octets.len < BODY_COPY) {
		b->is_ending = is_last;
		stream_put(s, octets);
		return buf_len(&s->out) < BODY_PIECE ? 0 : flush(b, e);
	}
	while (octets.len && !b->is_refused) {
		struct span piece = span_sub(octets, 0, BODY_PIECE);

		b->is_ending = is_last && piece.len == octets.len;
		stream_set_timeout(s, b->c->opts.timeouts.block_ns);
		if (sent(b, stream_write(s, &piece, 1, e), e) < 0)
			return -1;
		octets = span_skip(octets, piece.len);
	}
	return 0;
}

/* RFC 3030 section 2: one chunk, whose size is known beforehand. */
static FIBER int chunk(struct body *b, struct err *e)
{
	uint64_t left = b->t->size;
	struct span octets;

	while (!b->is_refused) {
		if (b->t->source->next(b->t->source, &octets, e) < 0)
			return source_failed(b->c, e);
		if (octets.len == 0 && left == 0)
			return check_end(b, e) < 0 ? source_failed(b->c, e) : 0;
		if (octets.len == 0 || octets.len > left) {
			err_set(e, ERR_STATE, "the content is not as long as was said");
			return source_failed(b->c, e);
		}
		left -= octets.len;
		if (check_run(b, octets, false, e) < 0)
			return source_failed(b->c, e);
		if (write_octets(b, octets, left == 0, e) < 0)
			return -1;
	}
	return 0;
}

FIBER int smtp_body_chunk(struct smtp_client *c, struct smtp_txn *t, const struct smtp_plan *plan,
	bool *is_refused_r, struct err *e)
{
	struct body b = {.c = c, .t = t, .plan = plan};
	int rc;

	stream_printf(c->stream, "BDAT %llu LAST\r\n", (unsigned long long)t->size);
	c->outstanding++;
	trace_pause(c->stream, true);
	rc = chunk(&b, e);
	trace_pause(c->stream, false);
	*is_refused_r = b.is_refused;
	return rc;
}

/* RFC 5321 section 4.5.2: a line that begins with a dot gets one more. */
static FIBER int write_lines(struct body *b, struct span octets, struct err *e)
{
	while (octets.len && !b->is_refused) {
		size_t n = smtp_dot_next(&b->w, octets);

		if (b->w.has_bare && !b->t->source->keeps_bare) {
			err_set(e, ERR_SYNTAX, "the content has a bare CR or LF");
			return source_failed(b->c, e);
		}
		if (n && write_octets(b, span_sub(octets, 0, n), false, e) < 0)
			return -1;
		octets = span_skip(octets, n);
		if (octets.len)
			stream_put(b->c->stream, SPAN("."));
	}
	return 0;
}

static FIBER int dotted(struct body *b, struct err *e)
{
	struct span octets;

	while (!b->is_refused) {
		if (b->t->source->next(b->t->source, &octets, e) < 0)
			return source_failed(b->c, e);
		if (octets.len == 0)
			return check_end(b, e) < 0 ? source_failed(b->c, e) : 0;
		if (check_run(b, octets, true, e) < 0)
			return source_failed(b->c, e);
		if (write_lines(b, octets, e) < 0)
			return -1;
	}
	return 0;
}

FIBER int smtp_body_dotted(struct smtp_client *c, struct smtp_txn *t, const struct smtp_plan *plan,
	bool *is_refused_r, struct err *e)
{
	struct body b = {.c = c, .t = t, .plan = plan};
	int rc;

	trace_pause(c->stream, true);
	rc = dotted(&b, e);
	if (rc == 0 && !b.is_refused && b.w.is_mid_line)
		stream_put(c->stream, SPAN("\r\n"));
	trace_pause(c->stream, false);
	*is_refused_r = b.is_refused;
	if (rc == 0 && !b.is_refused) {
		stream_put(c->stream, SPAN(".\r\n"));
		c->outstanding++;
	}
	return rc;
}

/* --- chunks of a content of unknown size ------------------------------------------------------ */

struct chunks {
	struct body body;
	struct buf held; /* gathered for the next one */
	size_t out;      /* whose replies have not been read */
};

/* The reply to one chunk. A refused one ends it: what is under way is refused alike. */
static FIBER int read_chunk(struct chunks *ch, struct err *e)
{
	struct body *b = &ch->body;
	struct smtp_client *c = b->c;

	if (smtp_client_reply(c, SMTP_STAGE_BODY, c->opts.timeouts.data_ns, e) < 0)
		return -1;
	ch->out--;
	if (c->parser.reply.code / 100 == 2)
		return 0;
	smtp_decide_rest(b->t, true, SMTP_FATE_REFUSED, SMTP_STAGE_BODY, &c->parser.reply);
	b->is_refused = true;
	return 0;
}

static FIBER int read_chunks(struct chunks *ch, size_t leave, struct err *e)
{
	while (ch->out > 0 && !ch->body.c->is_over &&
		(ch->out > leave || smtp_client_has_input(ch->body.c)))
		if (read_chunk(ch, e) < 0)
			return -1;
	return 0;
}

static FIBER int put_chunk(struct chunks *ch, struct span octets, bool is_last, struct err *e)
{
	struct smtp_client *c = ch->body.c;
	struct stream *s = c->stream;
	bool is_pipelined = smtp_client_has(c, SMTP_PIPELINING);

	stream_printf(s, is_last ? "BDAT %zu LAST\r\n" : "BDAT %zu\r\n", octets.len);
	c->outstanding++;
	trace_pause(s, true);
	ch->body.t->octets += octets.len;
	while (octets.len) {
		struct span piece = span_sub(octets, 0, BODY_PIECE);

		stream_set_timeout(s, c->opts.timeouts.block_ns);
		if (stream_write(s, &piece, 1, e) < 0) {
			trace_pause(s, false);
			return smtp_client_lost(c, SMTP_STAGE_BODY, e);
		}
		octets = span_skip(octets, piece.len);
	}
	trace_pause(s, false);
	if (is_last)
		return 0;
	ch->out++;
	return read_chunks(ch, is_pipelined ? BODY_CHUNKS - 1 : 0, e);
}

static FIBER int put_held(struct chunks *ch, bool is_last, struct err *e)
{
	int rc = put_chunk(ch, buf_span(&ch->held), is_last, e);

	buf_clear(&ch->held);
	return rc;
}

static FIBER int all_chunks(struct chunks *ch, struct err *e)
{
	struct body *b = &ch->body;
	struct span octets;

	while (!b->is_refused) {
		if (b->t->source->next(b->t->source, &octets, e) < 0)
			return source_failed(b->c, e);
		if (octets.len == 0) {
			if (check_end(b, e) < 0)
				return source_failed(b->c, e);
			/* Before the last one, so that nothing refused is ended as if it were whole. */
			if (read_chunks(ch, 0, e) < 0)
				return -1;
			return b->is_refused ? 0 : put_held(ch, true, e);
		}
		if (check_run(b, octets, false, e) < 0)
			return source_failed(b->c, e);
		if (buf_len(&ch->held) + octets.len > BODY_CHUNK && buf_len(&ch->held) &&
			put_held(ch, false, e) < 0)
			return -1;
		if (b->is_refused)
			return 0;
		if (octets.len < BODY_CHUNK)
			buf_span_put(&ch->held, octets);
		else if (put_chunk(ch, octets, false, e) < 0)
			return -1;
	}
	return 0;
}

FIBER int smtp_body_chunks(struct smtp_client *c, struct smtp_txn *t, const struct smtp_plan *plan,
	bool *is_refused_r, struct err *e)
{
	struct chunks ch = {.body = {.c = c, .t = t, .plan = plan}};
	int rc;

	buf_init(&ch.held, BODY_CHUNK);
	rc = all_chunks(&ch, e);
	buf_fini(&ch.held);
	/* RFC 3030 section 2: each chunk that has left is answered. */
	while (rc == 0 && ch.body.is_refused && ch.out > 0 && !c->is_over) {
		rc = smtp_client_reply(c, SMTP_STAGE_BODY, c->opts.timeouts.data_ns, e);
		ch.out--;
	}
	*is_refused_r = ch.body.is_refused;
	return ch.body.is_refused ? 0 : rc;
}

FIBER int smtp_body_gather(
	struct smtp_txn *t, const struct smtp_plan *plan, struct buf *to, struct err *e)
{
	struct body b = {.t = t, .plan = plan};
	struct span octets = SPAN_NONE;
	int rc = 0;

	buf_clear(to);
	do {
		rc = t->source->next(t->source, &octets, e);
		if (rc == 0)
			rc = check_run(&b, octets, false, e);
		if (rc == 0 && buf_len(to) + octets.len > t->size)
			rc = err_set(e, ERR_STATE, "the content is not as long as was said");
		buf_span_put(to, rc == 0 ? octets : SPAN_NONE);
	} while (rc == 0 && octets.len);
	if (rc == 0)
		rc = check_end(&b, e);
	if (rc == 0 && buf_len(to) != t->size)
		rc = err_set(e, ERR_STATE, "the content is not as long as was said");
	if (rc == 0)
		return 0;
	err_wrap(e, "reading the message");
	return err_scope_set(e, ERR_SCOPE_MSG, ERR_AGAIN_LATER);
}
