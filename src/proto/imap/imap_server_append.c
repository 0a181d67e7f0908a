/* APPEND and REPLACE: messages go to the decider as they come in. */

#include <string.h>

#include "proto/imap/imap_server_priv.h"

struct append {
	struct imap_append ap;
	struct imap_dialect dialect;
	struct buf *segment;         /* in s->cmd */
	struct span line;            /* the last one read */
	bool has_begun;              /* the decider knows of it */
	bool is_catenate;            /* the message under way */
	struct imap_literal literal; /* STREAM: what follows */
	enum imap_append_next next;
};

static bool is_refused(const struct imap_server *sv)
{
	return sv->reply.status != IMAP_OK || imap_server_is_over(sv);
}

/* A decider's -1 is a refusal too. */
static int settle(struct imap_server *sv, int rc, const struct err *why, struct err *e)
{
	return rc < 0 ? imap_server_trouble(sv, why, e) : 0;
}

static bool is_offered(
	struct imap_server *sv, const struct append *a, const struct imap_append_event *event)
{
	uint64_t needs = 0;

	if (event->kind == IMAP_APPEND_MESSAGE && a->ap.messages > 1)
		needs |= IMAP_BIT(MULTIAPPEND);
	if (event->is_catenate)
		needs |= IMAP_BIT(CATENATE);
	/* RFC 9755 section 4 has literal8 too, once UTF8=ACCEPT is enabled */
	if (event->kind == IMAP_APPEND_DATA && event->literal.is_binary &&
		!imap_is_enabled(&sv->s, IMAP_BIT(UTF8_ACCEPT)))
		needs |= IMAP_BIT(BINARY);
	if (imap_has(&sv->s, needs))
		return true;
	imap_result_bad(&sv->reply, NULL, "That is not offered here");
	return false;
}

/* May the message's octets come? */
static bool admits_data(
	struct imap_server *sv, const struct append *a, const struct imap_literal *lit)
{
	const struct imap_server_limits *l = &sv->s.opts->limits;

	if (!lit->is_sync && !imap_server_admit_unasked(sv, lit))
		imap_result_bad(&sv->reply, "TOOBIG", "Such literals have to wait for an answer");
	else if (lit->size > l->append_octets)
		imap_result_no(&sv->reply, "TOOBIG", "The message is too big");
	/* RFC 3502 section 6.3.11: so a client calls the whole command off */
	else if (lit->size == 0 && !a->is_catenate)
		imap_result_no(&sv->reply, NULL, "A message has octets");
	else
		return true;
	return false;
}

static FIBER int tell_event(struct imap_server *sv, struct append *a,
	const struct imap_append_event *event, struct err *e)
{
	const struct imap_decider *d = sv->decider;
	struct err why = {0};
	int rc;

	if (!is_offered(sv, a, event))
		return 0;
	if (event->kind == IMAP_APPEND_MESSAGE)
		a->is_catenate = event->is_catenate;
	if (event->kind == IMAP_APPEND_DATA) {
		a->literal = event->literal;
		if (!admits_data(sv, a, &event->literal))
			return 0;
	}
	a->has_begun = true;
	rc = d->append_event(sv->ctx, &sv->s, &a->ap, event, &sv->reply, &why);
	return settle(sv, rc, &why, e);
}

static FIBER int tell_events(struct imap_server *sv, struct append *a,
	const struct imap_append_event *events, size_t count, struct err *e)
{
	/* RFC 9586 section 3 */
	if (a->ap.is_replace && !a->ap.is_uid && imap_is_enabled(&sv->s, IMAP_BIT(UIDONLY)))
		return imap_result_bad(&sv->reply, "UIDREQUIRED", "Messages have UIDs only here");
	for (size_t i = 0; i < count && !is_refused(sv); i++)
		if (tell_event(sv, a, &events[i], e) < 0)
			return -1;
	return 0;
}

static bool has_nul(struct imap_server *sv, const struct append *a, struct span piece)
{
	if (a->literal.is_binary || !piece.len || !memchr(piece.ptr, 0, piece.len))
		return false;
	/* RFC 9051 section 9: CHAR8 is without NUL */
	imap_result_bad(&sv->reply, NULL, "NUL in a literal");
	return true;
}

/* The octets of a message, in pieces. When they are refused the rest is read and dropped. */
static FIBER int stream_literal(struct imap_server *sv, struct append *a, struct err *e)
{
	struct stream *st = sv->s.stream;
	uint64_t left = a->literal.size;

	do {
		struct span piece = span_sub(stream_peek(st), 0, IMAP_SERVER_PIECE);
		struct err why = {0};
		int rc;

		imap_server_patience(sv);
		if (left && !piece.len) {
			if (stream_fill(st, e) < 0)
				return -1;
			continue;
		}
		piece = left < piece.len ? span_sub(piece, 0, (size_t)left) : piece;
		left -= piece.len;
		if (has_nul(sv, a, piece)) {
			stream_consume(st, piece.len);
			return imap_server_drop(sv, left, e);
		}
		rc = sv->decider->append_data(sv->ctx, &sv->s, piece, left == 0, &sv->reply, &why);
		stream_consume(st, piece.len);
		if (settle(sv, rc, &why, e) < 0)
			return -1;
		if (is_refused(sv))
			return imap_server_drop(sv, left, e);
	} while (left);
	return 0;
}

/* What the segment says, and what it asks for next. */
static FIBER int feed(struct imap_server *sv, struct append *a, struct err *e)
{
	struct imap_append_event *events = NULL;
	struct err why = {0};
	size_t count = 0;

	if (imap_append_feed(sv->s.cmd, &a->ap, buf_span(a->segment), &a->dialect, &events, &count,
		    &a->next, &why) < 0) {
		sv->reply.status = why.code == ERR_UNSUPPORTED ? IMAP_NO : IMAP_BAD;
		sv->is_said = true;
		if (!sv->s.stream->is_broken)
			imap_refusal_put(imap_out(&sv->s), sv->s.tag, &why);
		return 0;
	}
	/* What is collected yet is told when it is whole. */
	return a->next == IMAP_APPEND_COLLECT ? 0 : tell_events(sv, a, events, count, e);
}

static void begin_segment(struct imap_server *sv, struct append *a)
{
	a->segment = arena_buf(sv->s.cmd, sv->s.opts->limits.command + IMAP_SERVER_SLACK);
	buf_span_put(a->segment, a->line);
}

/* A small literal within a segment: a name, a URL. */
static FIBER int collect(struct imap_server *sv, struct append *a, struct err *e)
{
	struct imap_literal lit;
	bool is_read;

	if (!imap_literal_at_end(a->line, &lit))
		return imap_result_bad(&sv->reply, NULL, "That makes no sense");
	if (!imap_server_admit(sv, &lit))
		return 0;
	if (imap_server_collect(sv, &lit, a->segment, &a->line, &is_read, e) < 0)
		return -1;
	return 0;
}

/* The octets that were announced, and the line behind them. */
static FIBER int stream_on(struct imap_server *sv, struct append *a, struct err *e)
{
	bool is_read;

	if (imap_server_go_on(sv, &a->literal, e) < 0 || stream_literal(sv, a, e) < 0 ||
		imap_server_line(sv, &a->line, &is_read, e) < 0)
		return -1;
	if (is_read && !is_refused(sv))
		begin_segment(sv, a);
	return 0;
}

static FIBER int talk(struct imap_server *sv, struct append *a, struct err *e)
{
	while (feed(sv, a, e) == 0) {
		int rc = 0;

		if (is_refused(sv) || a->next == IMAP_APPEND_DONE)
			return 0;
		if (a->next == IMAP_APPEND_COLLECT)
			rc = collect(sv, a, e);
		else
			rc = stream_on(sv, a, e);
		if (rc < 0)
			return -1;
		if (is_refused(sv))
			return 0;
	}
	return -1;
}

static FIBER int done(struct imap_server *sv, struct append *a, struct err *e)
{
	struct err why = {0};
	int rc;

	a->has_begun = false;
	rc = sv->decider->append_done(sv->ctx, &sv->s, &a->ap, &sv->reply, &why);
	if (settle(sv, rc, &why, e) < 0)
		return -1;
	return imap_server_updates(sv, NULL, e);
}

FIBER int imap_server_append(struct imap_server *sv, struct span line, struct err *e)
{
	struct append *a = ARENA_NEW(sv->s.cmd, struct append);
	int rc;

	a->dialect = (struct imap_dialect){.is_utf8 = imap_is_utf8(&sv->s)};
	a->line = line;
	begin_segment(sv, a);
	imap_result_ok(&sv->reply, NULL, "Completed");
	rc = talk(sv, a, e);
	if (rc == 0 && !is_refused(sv))
		rc = done(sv, a, e);
	else if (rc == 0 && !imap_server_is_over(sv))
		rc = imap_server_skip(sv, a->line, e);
	if (a->has_begun)
		sv->decider->append_abort(sv->ctx, &sv->s);
	return rc;
}
