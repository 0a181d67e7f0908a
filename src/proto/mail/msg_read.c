/* A message as it is written, a piece at a time. It is a row of segments: literal octets (headers,
 * boundaries), and bodies that go through an encoder. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "proto/mail/msg_build_priv.h"

#define PIECE_OCTETS (48 << 10) /* of a body that are encoded at a time; whole base64 groups */
#define HEADERS_MAX  (16 * MSG_FIELD_MAX) /* octets of all headers and boundaries */

struct segment {
	struct segment *next;
	size_t from, len;      /* literal: in `literals` */
	struct msg_part *part; /* NULL: literal */
};

struct msg_reader {
	struct arena *a;
	struct msg_settings s;
	struct msg_part *root;
	struct segment *segments, **segments_end;
	struct buf literals;
	bool has_size;
	uint64_t size;
	/* where it stands */
	struct segment *at;
	bool is_begun;     /* the body `at` has been */
	struct span rest;  /* of it, not yet read */
	uint64_t was_read; /* octets of a source */
	struct mime_encoder encoder;
	struct buf in, out;
};

static void add(struct msg_reader *r, size_t from, struct msg_part *part)
{
	struct segment *s = ARENA_NEW(r->a, struct segment);

	s->from = from;
	s->len = buf_len(&r->literals) - from;
	s->part = part;
	*r->segments_end = s;
	r->segments_end = &s->next;
}

/* Does what is written for the part end with a line end? */
static bool ends_line(const struct msg_part *p)
{
	struct span body = msg_body_of(p);

	if (p->body == MSG_BODY_MULTI || p->encoding == MIME_CTE_BASE64)
		return true;
	return body.len > 1 && memcmp(body.ptr + body.len - 2, "\r\n", 2) == 0;
}

/* As deep as MSG_DEPTH_MAX. */
static void add_multi(struct msg_reader *r, struct msg_part *p)
{
	size_t from;

	for (struct msg_part *c = p->first; c; c = c->next) {
		from = buf_len(&r->literals);
		/* the line end before a boundary belongs to it */
		buf_printf(&r->literals, "%s--" SPAN_FMT "\r\n", c == p->first ? "" : "\r\n",
			SPAN_ARG(p->boundary));
		msg_put_content(&r->literals, c, &r->s);
		buf_str(&r->literals, "\r\n");
		add(r, from, NULL);
		if (c->body == MSG_BODY_MULTI)
			add_multi(r, c);
		else
			add(r, buf_len(&r->literals), c);
	}
	from = buf_len(&r->literals);
	buf_printf(&r->literals, "\r\n--" SPAN_FMT "--\r\n", SPAN_ARG(p->boundary));
	add(r, from, NULL);
}

static void add_root(struct msg_reader *r, struct msg_part *p)
{
	size_t from = buf_len(&r->literals);

	if (p->body == MSG_BODY_MULTI) {
		add_multi(r, p);
		return;
	}
	add(r, from, p);
	/* a message ends with a line end (RFC 5321 section 4.1.1.4) */
	if (!ends_line(p) && p->encoding != MIME_CTE_BINARY &&
		(msg_body_of(p).len || p->body == MSG_BODY_SOURCE)) {
		buf_str(&r->literals, "\r\n");
		add(r, from, NULL);
	}
}

static uint64_t base64_size(uint64_t n)
{
	uint64_t text = (n + 2) / 3 * 4;

	return text + (text + MIME_LINE_MAX - 1) / MIME_LINE_MAX * 2;
}

static uint64_t qp_size(const struct msg_part *p)
{
	struct span rest = msg_body_of(p);
	struct mime_encoder c;
	struct buf out;
	uint64_t n = 0;

	buf_init(&out, 4 * PIECE_OCTETS);
	mime_encoder_init(&c, MIME_CTE_QP, p->body == MSG_BODY_TEXT);
	while (rest.len) {
		mime_encoder_feed(&c, span_sub(rest, 0, PIECE_OCTETS), &out);
		n += buf_len(&out);
		buf_clear(&out);
		rest = span_skip(rest, PIECE_OCTETS);
	}
	mime_encoder_end(&c, &out);
	n += buf_len(&out);
	buf_fini(&out);
	return n;
}

static void measure(struct msg_reader *r)
{
	r->has_size = true;
	for (const struct segment *s = r->segments; s; s = s->next) {
		const struct msg_part *p = s->part;
		uint64_t n;

		if (!p) {
			r->size += s->len;
			continue;
		}
		if (p->body == MSG_BODY_SOURCE && !p->source.has_size) {
			r->has_size = false;
			return;
		}
		n = p->body == MSG_BODY_SOURCE ? p->source.size : msg_body_of(p).len;
		r->size += p->encoding == MIME_CTE_BASE64 ? base64_size(n)
			: p->encoding == MIME_CTE_QP      ? qp_size(p)
							  : n;
	}
}

struct msg_reader *msg_reader_new(struct msg *m, const struct msg_settings *s, struct err *e)
{
	struct msg_reader *r = NEW(struct msg_reader);
	unsigned counter = 0;

	r->a = arena_new();
	r->s = *s;
	msg_settle(&r->s);
	r->segments_end = &r->segments;
	buf_init(&r->literals, HEADERS_MAX);
	buf_init(&r->in, MSG_SOURCE_OCTETS);
	buf_init(&r->out, 4 * MSG_SOURCE_OCTETS);
	if (msg_compose(r->a, m, &r->root, e) < 0 ||
		(r->root && msg_plan(r->a, r->root, &r->s, &counter, e) < 0) ||
		msg_put_header(m, r->root, &r->s, &r->literals, e) < 0) {
		msg_reader_free(&r);
		return NULL;
	}
	add(r, 0, NULL);
	if (r->root)
		add_root(r, r->root);
	if (!buf_ok(&r->literals)) {
		err_set(e, ERR_LIMIT, "headers of more than %d octets", HEADERS_MAX);
		msg_reader_free(&r);
		return NULL;
	}
	measure(r);
	r->at = r->segments;
	return r;
}

void msg_reader_free(struct msg_reader **rp)
{
	struct msg_reader *r = *rp;

	if (!r)
		return;
	*rp = NULL;
	if (r->root)
		msg_unplan(r->root);
	buf_fini(&r->literals);
	buf_fini(&r->in);
	buf_fini(&r->out);
	arena_free(&r->a);
	free(r);
}

static int begin(struct msg_reader *r, struct err *e)
{
	struct msg_part *p = r->at->part;

	r->is_begun = true;
	mime_encoder_init(&r->encoder, p->encoding, p->body == MSG_BODY_TEXT);
	r->was_read = 0;
	if (p->body != MSG_BODY_SOURCE) {
		r->rest = msg_body_of(p);
		return 0;
	}
	if (*p->was_read) {
		if (!p->source.rewind)
			return err_set(e, ERR_STATE, "a body that can be read once only");
		if (p->source.rewind(p->source.arg, e) < 0)
			return -1;
	}
	*p->was_read = true;
	return 0;
}

/* The next octets of the body, before they are encoded; empty at its end. */
static int take(struct msg_reader *r, struct span *in_r, struct err *e)
{
	const struct msg_part *p = r->at->part;

	if (p->body != MSG_BODY_SOURCE) {
		*in_r = span_sub(r->rest, 0, PIECE_OCTETS);
		r->rest = span_skip(r->rest, in_r->len);
		return 0;
	}
	buf_clear(&r->in);
	if (p->source.read(p->source.arg, &r->in, MSG_SOURCE_OCTETS, e) < 0)
		return -1;
	*in_r = buf_span(&r->in);
	r->was_read += in_r->len;
	if (p->source.has_size &&
		(in_r->len ? r->was_read > p->source.size : r->was_read != p->source.size))
		return err_set(e, ERR_IO, "a body that is not as long as was said");
	return 0;
}

static void next_segment(struct msg_reader *r)
{
	r->at = r->at->next;
	r->is_begun = false;
}

static int next_of_body(struct msg_reader *r, struct span *piece_r, struct err *e)
{
	struct span in = SPAN_NONE;

	buf_clear(&r->out);
	if (!r->is_begun && begin(r, e) < 0)
		return -1;
	if (take(r, &in, e) < 0)
		return -1;
	/* what goes as it is needs no copy */
	if (r->encoder.encoding != MIME_CTE_BASE64 && r->encoder.encoding != MIME_CTE_QP) {
		if (!in.len)
			next_segment(r);
		*piece_r = in;
		return 0;
	}
	mime_encoder_feed(&r->encoder, in, &r->out);
	if (!in.len) {
		mime_encoder_end(&r->encoder, &r->out);
		next_segment(r);
	}
	MUST(buf_ok(&r->out));
	*piece_r = buf_span(&r->out);
	return 0;
}

int msg_reader_next(struct msg_reader *r, struct span *piece_r, struct err *e)
{
	*piece_r = SPAN_NONE;
	while (r->at && !piece_r->len) {
		if (r->at->part) {
			if (next_of_body(r, piece_r, e) < 0)
				return -1;
			continue;
		}
		*piece_r = span_sub(buf_span(&r->literals), r->at->from, r->at->len);
		next_segment(r);
	}
	return 0;
}

int msg_reader_rewind(struct msg_reader *r, struct err *e)
{
	for (const struct segment *s = r->segments; s; s = s->next)
		if (s->part && s->part->body == MSG_BODY_SOURCE && *s->part->was_read &&
			!s->part->source.rewind)
			return err_set(e, ERR_STATE, "a body that can be read once only");
	r->at = r->segments;
	r->is_begun = false;
	return 0;
}

bool msg_reader_size(const struct msg_reader *r, uint64_t *size_r)
{
	*size_r = r->size;
	return r->has_size;
}

enum msg_way msg_reader_way(const struct msg_reader *r)
{
	enum msg_way way = MSG_WAY_7BIT;

	if (!span_is_ascii(buf_span(&r->literals)))
		way = MSG_WAY_8BIT;
	for (const struct segment *s = r->segments; s; s = s->next)
		if (s->part && s->part->encoding == MIME_CTE_BINARY)
			return MSG_WAY_BINARY;
		else if (s->part && s->part->encoding == MIME_CTE_8BIT)
			way = MSG_WAY_8BIT;
	return way;
}
