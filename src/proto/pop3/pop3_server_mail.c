/* The TRANSACTION state (RFC 1939 section 5): what is there, what is fetched, what is marked. */

#include <stdlib.h>

#include "base/mem.h"
#include "base/must.h"
#include "proto/pop3/pop3_server_priv.h"

static bool is_marked(const struct pop3_server *sv, uint32_t i)
{
	return sv->marks[i / 8] & (1u << i % 8);
}

void pop3_server_open(struct pop3_server *sv, const struct pop3_drop *drop)
{
	sv->drop = *drop;
	sv->marks = mem_alloc(drop->count / 8 + 1);
}

void pop3_server_drop_fini(struct pop3_server *sv)
{
	free(sv->marks);
	sv->marks = NULL;
}

/* The message that is meant, or the client hears that there is none. */
static bool find(struct pop3_server *sv, const struct pop3_command *c, uint32_t *i_r)
{
	if (c->number == 0 || c->number > sv->drop.count)
		pop3_server_err(
			sv, POP3_CODE_NONE, "There is no such message, only %u", sv->drop.count);
	else if (is_marked(sv, c->number - 1))
		pop3_server_err(sv, POP3_CODE_NONE, "Message %u is marked as deleted", c->number);
	else
		return *i_r = c->number - 1, true;
	return false;
}

FIBER int pop3_server_stat(struct pop3_server *sv, const struct pop3_command *c, struct err *e)
{
	pop3_server_ok(sv, "%u %llu", sv->drop.count - sv->marked,
		(unsigned long long)(sv->drop.octets - sv->marked_octets));
	return 0;
}

static FIBER int put_entry(struct pop3_server *sv, uint32_t i, bool is_uidl, struct err *e)
{
	struct buf *out = &sv->s.stream->out;
	uint64_t octets = 0;

	if (!is_uidl && sv->decider->size(sv->ctx, i, &octets, e) < 0)
		return -1;
	buf_u64(out, i + 1);
	buf_char(out, ' ');
	if (is_uidl)
		sv->decider->uidl(sv->ctx, i, out);
	else
		buf_u64(out, octets);
	buf_str(out, "\r\n");
	return 0;
}

/* Nothing has been said yet: the session goes on. */
static int not_now(struct pop3_server *sv, const struct err *why, struct err *e)
{
	if (why->code == ERR_CANCELLED)
		return err_copy(e, why);
	pop3_server_err(sv, POP3_CODE_SYS_TEMP, "The mailbox cannot be read now");
	return 0;
}

static FIBER int list_one(struct pop3_server *sv, const struct pop3_command *c, struct err *e)
{
	uint64_t octets = 0;
	struct err why = {0};
	uint32_t i;

	if (!find(sv, c, &i))
		return 0;
	if (sv->decider->size(sv->ctx, i, &octets, &why) < 0)
		return not_now(sv, &why, e);
	stream_put(sv->s.stream, SPAN("+OK "));
	return put_entry(sv, i, c->verb == POP3_UIDL, e);
}

/* LIST and UIDL: all that are not marked, or one. */
FIBER int pop3_server_list(struct pop3_server *sv, const struct pop3_command *c, struct err *e)
{
	if (c->has_number)
		return list_one(sv, c, e);
	pop3_server_ok(sv, "%u messages follow", sv->drop.count - sv->marked);
	for (uint32_t i = 0; i < sv->drop.count; i++) {
		if (is_marked(sv, i))
			continue;
		if (put_entry(sv, i, c->verb == POP3_UIDL, e) < 0 || pop3_server_relieve(sv, e) < 0)
			return -1;
	}
	stream_put(sv->s.stream, SPAN(".\r\n"));
	return 0;
}

FIBER int pop3_server_dele(struct pop3_server *sv, const struct pop3_command *c, struct err *e)
{
	struct err why = {0};
	uint64_t octets;
	uint32_t i;

	if (!find(sv, c, &i))
		return 0;
	if (sv->decider->size(sv->ctx, i, &octets, &why) < 0)
		return not_now(sv, &why, e);
	sv->marks[i / 8] |= (uint8_t)(1u << i % 8);
	sv->marked++;
	sv->marked_octets += octets;
	pop3_server_ok(sv, "Message %u goes at QUIT", i + 1);
	return 0;
}

FIBER int pop3_server_rset(struct pop3_server *sv, const struct pop3_command *c, struct err *e)
{
	for (uint32_t i = 0; i < sv->drop.count / 8 + 1; i++)
		sv->marks[i] = 0;
	sv->marked = 0;
	sv->marked_octets = 0;
	pop3_server_ok(sv, "%u messages (%llu octets)", sv->drop.count,
		(unsigned long long)sv->drop.octets);
	return 0;
}

/* ---- content ---- */

/* One message on its way out. */
struct sending {
	struct pop3_server *sv;
	uint32_t index;
	uint64_t octets;
	bool is_top, is_begun;
	struct pop3_stuff stuff;
	struct pop3_top top;
};

/* Behind what is buffered; large pieces are not copied. */
static FIBER int send_piece(struct pop3_server *sv, struct span piece, struct err *e)
{
	if (piece.len < POP3_SERVER_COPY) {
		stream_put(sv->s.stream, piece);
		return pop3_server_relieve(sv, e);
	}
	pop3_server_deadline(sv, sv->s.opts->limits.write_ns);
	return stream_write(sv->s.stream, &piece, 1, e);
}

/* RFC 6856 section 5: without UTF8 mode a header is ASCII. Told before "+OK", so the header must lie within
 * the first octets that come, as almost all do. */
static bool needs_utf8(const struct pop3_server *sv, struct span octets)
{
	struct pop3_top top = {0};

	if (sv->s.is_utf8 || !sv->s.opts->is_utf8_needed)
		return false;
	return !span_is_ascii(span_sub(octets, 0, pop3_top_take(&top, octets)));
}

/* "+OK …" once the first octets are there; false: they may not be sent, and the client knows. */
static bool send_head(struct sending *s, struct span octets)
{
	struct pop3_server *sv = s->sv;

	s->is_begun = true;
	if (needs_utf8(sv, octets)) {
		pop3_server_err(sv, POP3_CODE_UTF8, "The header of message %u needs UTF8 mode",
			s->index + 1);
		return false;
	}
	if (s->is_top)
		pop3_server_ok(sv, "Message %u, the first lines", s->index + 1);
	else
		pop3_server_ok(sv, "%llu octets", (unsigned long long)s->octets);
	return true;
}

static FIBER int send_octets(struct sending *s, struct span octets, struct err *e)
{
	struct span piece;

	if (s->is_top)
		octets.len = pop3_top_take(&s->top, octets);
	while (pop3_stuff_next(&s->stuff, &octets, &piece)) {
		if (send_piece(s->sv, piece, e) < 0)
			return -1;
	}
	return 0;
}

/* A body that cannot be read to its end must not look like one that was: the connection goes. */
static int broken(struct sending *s, const struct err *why, struct err *e)
{
	struct pop3_server *sv = s->sv;

	if (why->code == ERR_CANCELLED || s->is_begun)
		return err_copy(e, why);
	if (why->code == ERR_NOT_FOUND)
		pop3_server_err(
			sv, POP3_CODE_NONE, "Message %u is gone: removed elsewhere", s->index + 1);
	else
		pop3_server_err(sv,
			why->code == ERR_CORRUPT ? POP3_CODE_SYS_PERM : POP3_CODE_SYS_TEMP,
			"Message %u cannot be read now", s->index + 1);
	return 0;
}

static FIBER int send_body(struct sending *s, bool *is_whole_r, struct err *e)
{
	struct pop3_server *sv = s->sv;

	for (;;) {
		struct span octets = SPAN_NONE;
		struct err why = {0};

		if (sv->decider->body_next(sv->ctx, &octets, &why) < 0)
			return broken(s, &why, e);
		if (!s->is_begun && !send_head(s, octets))
			return 0;
		if (send_octets(s, octets, e) < 0)
			return -1;
		if (!octets.len || s->top.is_done)
			break;
	}
	stream_put(sv->s.stream, pop3_stuff_end(&s->stuff));
	*is_whole_r = !s->is_top;
	sv->retrieved += *is_whole_r;
	return pop3_server_relieve(sv, e);
}

FIBER int pop3_server_retr(struct pop3_server *sv, const struct pop3_command *c, struct err *e)
{
	struct sending s = {.sv = sv, .is_top = c->verb == POP3_TOP, .top.lines = c->lines};
	struct err why = {0};
	bool is_whole = false;
	int rc;

	if (!find(sv, c, &s.index))
		return 0;
	if (sv->decider->body_open(sv->ctx, s.index, &s.octets, &why) < 0)
		return broken(&s, &why, e);
	rc = send_body(&s, &is_whole, e);
	sv->decider->body_close(sv->ctx, s.index, is_whole);
	return rc;
}

/* ---- the end ---- */

FIBER int pop3_server_update(struct pop3_server *sv, struct err *e)
{
	uint32_t *gone = mem_alloc(((size_t)sv->marked + 1) * sizeof(*gone)), count = 0;
	struct err why = {0};
	int rc;

	for (uint32_t i = 0; i < sv->drop.count; i++) {
		if (is_marked(sv, i))
			gone[count++] = i;
	}
	MUST(count == sv->marked);
	pop3_server_phase(sv, POP3_PHASE_UPDATE);
	rc = sv->decider->update(sv->ctx, gone, count, &why);
	free(gone);
	if (rc < 0 && why.code == ERR_CANCELLED)
		return err_copy(e, &why);
	if (rc == 0) {
		sv->removed = count;
		pop3_server_ok(sv, "Goodbye, %u removed", count);
	} else { /* RFC 1939 section 6 */
		pop3_server_err(sv, POP3_CODE_SYS_TEMP, "Some deleted messages were not removed");
	}
	return 0;
}
