/* Commands as they come in: lines, literals (RFC 7888), and what they may cost. */

#include <string.h>

#include "base/secret.h"
#include "proto/imap/imap_server_priv.h"

static size_t budget(const struct imap_server *sv)
{
	const struct imap_server_limits *l = &sv->s.opts->limits;
	size_t max = sv->s.state == IMAP_STATE_CLEAR ? l->command_early : l->command;

	return max > sv->spent ? max - sv->spent : 0;
}

/* The tag of a line that was never read to its end. */
static void tag_of_piece(struct imap_server *sv, struct span piece)
{
	struct imap_head head = {0};

	if (buf_len(&sv->tag))
		return;
	imap_head_parse(span_sub(piece, 0, IMAP_TAG_MAX + IMAP_WORD_MAX), &head, NULL);
	buf_span_put(&sv->tag, head.tag);
	sv->s.tag = buf_span(&sv->tag);
}

/* What comes is more than is read of one command. */
static void too_long(struct imap_server *sv)
{
	struct imap_session *s = &sv->s;

	if (buf_len(&sv->tag))
		imap_printf(s, SPAN_FMT " BAD [LIMIT] The command is too long\r\n",
			SPAN_ARG(buf_span(&sv->tag)));
	else
		imap_printf(s, "* BAD [LIMIT] The command is too long\r\n");
	imap_server_bye(sv, "too long", "LIMIT", "The command is too long");
	sv->is_flooded = true;
}

FIBER int imap_server_line(
	struct imap_server *sv, struct span *line_r, bool *is_read_r, struct err *e)
{
	struct stream *st = sv->s.stream;
	size_t max = budget(sv);
	struct err why = {0};
	struct span line;

	*is_read_r = false;
	if (max > 0 && stream_read_line(st, max, &line, NULL, &why) == 0) {
		*is_read_r = true;
		sv->spent += line.len + 2;
		imap_server_cmd(sv);
		*line_r = arena_span(sv->s.cmd, line);
		/* What may be a password stays in as few places as can be. */
		if (sv->s.state == IMAP_STATE_CLEAR && line.len)
			secret_wipe((char *)(uintptr_t)line.ptr, line.len);
		return 0;
	}
	if (max > 0 && (why.code != ERR_LIMIT || buf_len(&st->in) < max))
		return err_copy(e, &why);
	tag_of_piece(sv, stream_peek(st));
	too_long(sv);
	return 0;
}

bool imap_server_admit_unasked(const struct imap_server *sv, const struct imap_literal *lit)
{
	if (imap_has(&sv->s, IMAP_BIT(LITERAL_PLUS)))
		return true;
	/* RFC 9051 section 4.3: rev2 has LITERAL- in it */
	return (sv->s.caps & (IMAP_BIT(LITERAL_MINUS) | IMAP_BIT(IMAP4REV2))) &&
		lit->size <= IMAP_LITERAL_MINUS_MAX;
}

bool imap_server_admit(struct imap_server *sv, const struct imap_literal *lit)
{
	const struct imap_server_limits *l = &sv->s.opts->limits;
	bool is_early = sv->s.state == IMAP_STATE_CLEAR;

	if (!lit->is_sync && !imap_server_admit_unasked(sv, lit))
		imap_result_bad(&sv->reply, "TOOBIG", "Such literals have to wait for an answer");
	else if (lit->size > IMAP_STRING_MAX || lit->size >= budget(sv))
		imap_result_bad(&sv->reply, "TOOBIG", "The literal is too big");
	else if (++sv->literals > (is_early ? l->literals_early : l->literals))
		imap_result_bad(&sv->reply, "LIMIT", "Too many literals");
	else
		return true;
	/* Whoever is not even logged in has no claim to patience. */
	sv->is_too_much = is_early;
	return false;
}

FIBER int imap_server_go_on(struct imap_server *sv, const struct imap_literal *lit, struct err *e)
{
	if (lit->is_sync) {
		imap_put(&sv->s, SPAN("+ Go on\r\n"));
		if (imap_flush(&sv->s, e) < 0)
			return -1;
	}
	imap_server_patience(sv);
	return 0;
}

/* Octets of a literal out of the input, of which before a login nothing is left there. */
static FIBER int read_octets(struct imap_server *sv, char *to, size_t n, struct err *e)
{
	struct stream *st = sv->s.stream;

	while (n) {
		struct span in = span_sub(stream_peek(st), 0, n);

		if (in.len)
			memcpy(to, in.ptr, in.len);
		if (in.len && sv->s.state == IMAP_STATE_CLEAR)
			secret_wipe((char *)(uintptr_t)in.ptr, in.len);
		stream_consume(st, in.len);
		to += in.len;
		n -= in.len;
		if (n && stream_fill(st, e) < 0)
			return -1;
	}
	return 0;
}

FIBER int imap_server_collect(struct imap_server *sv, const struct imap_literal *lit,
	struct buf *text, struct span *line_r, bool *is_read_r, struct err *e)
{
	size_t size = (size_t)lit->size;
	char *to;

	*is_read_r = false;
	if (imap_server_go_on(sv, lit, e) < 0)
		return -1;
	buf_str(text, "\r\n");
	to = size < budget(sv) ? buf_reserve(text, size) : NULL;
	if (!to) {
		too_long(sv);
		return 0;
	}
	sv->spent += size;
	if (read_octets(sv, to, size, e) < 0)
		return -1;
	buf_added(text, size);
	if (imap_server_line(sv, line_r, is_read_r, e) < 0)
		return -1;
	if (*is_read_r)
		buf_span_put(text, *line_r);
	return 0;
}

FIBER int imap_server_drop(struct imap_server *sv, uint64_t octets, struct err *e)
{
	struct stream *st = sv->s.stream;

	while (octets) {
		size_t n = stream_peek(st).len;

		imap_server_patience(sv);
		n = n < octets ? n : (size_t)octets;
		stream_consume(st, n);
		octets -= n;
		if (octets && stream_fill(st, e) < 0)
			return -1;
	}
	return 0;
}

FIBER int imap_server_skip(struct imap_server *sv, struct span line, struct err *e)
{
	uint64_t room = sv->s.state == IMAP_STATE_CLEAR ? IMAP_SERVER_DROP_EARLY
							: IMAP_SERVER_DROP_MAX;
	struct imap_literal lit;
	bool is_read = !sv->is_too_much;

	/* RFC 7888 section 4: what is under way is read, or the connection ends */
	while (is_read && imap_literal_at_end(line, &lit) && !lit.is_sync) {
		if (lit.size > room) {
			imap_printf(&sv->s, SPAN_FMT " BAD [TOOBIG] The literal is too big\r\n",
				SPAN_ARG(sv->s.tag));
			imap_server_bye(sv, "too big", "TOOBIG", "The literal is too big");
			sv->is_flooded = true;
			return 0;
		}
		room -= lit.size;
		if (imap_server_drop(sv, lit.size, e) < 0 ||
			imap_server_line(sv, &line, &is_read, e) < 0)
			return -1;
	}
	return 0;
}
