/* How the parts of a new message travel, and the message itself, octet by octet into a stage. */
#include "services/jmapd/jmapd_make.h"

#include "base/utf8.h"
#include "proto/mail/mail_field.h"
#include "proto/mail/msg_build.h"
#include "services/jmapd/jmapd_write.h"

#define PIECE_OCTETS (48 * 1024)
#define LANE_OCTETS  (16 * 1024) /* texts of more are looked through on the lane */

/* ---- how it travels ---- */

struct survey {
	bool has_8bit, has_long, has_controls; /* NUL, bare CR or LF */
	bool has_nul;
	size_t escapes, line;
	bool was_cr;
};

static void survey(struct survey *r, struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c == '\n') {
			r->has_controls |= !r->was_cr;
			r->was_cr = false;
			r->line = 0;
			continue;
		}
		r->has_controls |= r->was_cr || c == '\0';
		r->has_nul |= c == '\0';
		r->was_cr = c == '\r';
		r->has_8bit |= c >= 0x80;
		r->escapes += c >= 0x80 || c == '=' || (c < ' ' && c != '\t' && c != '\r');
		if (++r->line > MSG_LINE_MUST)
			r->has_long = true;
	}
}

/* RFC 2045 section 6: what every way carries, and people can read where they could before. */
static enum mime_encoding choose(const struct survey *r, uint64_t octets)
{
	if (!r->has_8bit && !r->has_long && !r->has_controls && !r->was_cr)
		return MIME_CTE_7BIT;
	if (r->has_controls || r->was_cr)
		return MIME_CTE_BASE64;
	return r->escapes * 2 <= octets / 3 ? MIME_CTE_QP : MIME_CTE_BASE64;
}

/* A text's lines end by LF, CR or CRLF, and will end by CRLF. */
static void survey_text(struct survey *r, struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c == '\n' || c == '\r') {
			r->line = 0;
			continue;
		}
		r->has_controls |= c == '\0';
		r->has_8bit |= c >= 0x80;
		r->escapes += c >= 0x80 || c == '=' || (c < ' ' && c != '\t');
		if (++r->line > MSG_LINE_MUST)
			r->has_long = true;
	}
}

static void look_at_text(struct jmap_make_part *p)
{
	struct survey r = {0};

	survey_text(&r, p->text);
	p->encoding = choose(&r, p->text.len);
	if (span_starts(p->type, SPAN("text/")))
		p->charset = r.has_8bit ? SPAN("utf-8") : SPAN("us-ascii");
}

static FIBER int survey_blob(
	struct jmap_make_part *p, struct survey *r, bool *is_utf8_r, struct err *e)
{
	struct arena *a = arena_new();
	char *piece = arena_alloc(a, PIECE_OCTETS);
	struct buf *whole = arena_buf(a, JMAP_MAKE_SURVEY);
	uint64_t at = 0;
	size_t got;
	int rc = 0;

	while (rc == 0 && at < p->blob.size) {
		rc = p->blob.source.read(p->blob.source.arg, at, piece, PIECE_OCTETS, &got, e);
		if (rc < 0 || !got)
			break;
		survey(r, span_of(piece, got));
		buf_put(whole, piece, got);
		at += got;
		rc = fiber_breathe(e);
	}
	*is_utf8_r = buf_ok(whole) && utf8_is_valid(buf_span(whole));
	arena_free(&a);
	return rc;
}

/* Octets go as base64, for nobody knows who reads them; a text as text, where it is not too long to look
 * at; a message as it is (RFC 2046 section 5.2.1). */
static FIBER int look_at_blob(struct jmap_make_part *p, struct jmap_set_error *why_r, struct err *e)
{
	bool is_message = span_eq(p->type, SPAN("message/rfc822")) ||
		span_eq(p->type, SPAN("message/global"));
	bool is_text = span_starts(p->type, SPAN("text/")), is_utf8 = false;
	struct survey r = {0};

	p->encoding = MIME_CTE_BASE64;
	if (!is_message && !(is_text && p->blob.size <= JMAP_MAKE_SURVEY))
		return 0;
	if (survey_blob(p, &r, &is_utf8, e) < 0)
		return -1;
	if (is_text && !p->charset.len && r.has_8bit && is_utf8)
		p->charset = SPAN("utf-8");
	if (!is_message)
		p->encoding = choose(&r, p->blob.size);
	else
		p->encoding = r.has_8bit ? MIME_CTE_8BIT : MIME_CTE_7BIT;
	if (is_message && (r.has_nul || r.has_long))
		*why_r = (struct jmap_set_error){.type = "invalidProperties",
			.description = "a message with such lines cannot be within another one"};
	return 0;
}

/* One id more of a list in JSON, each once. */
static void tell_missing(struct buf *list, struct span id)
{
	size_t at = buf_len(list);
	struct span told;

	buf_char(list, at ? ',' : '[');
	json_quote(list, id);
	told = span_skip(buf_span(list), at + 1);
	if (span_find_span(span_sub(buf_span(list), 0, at), told) >= 0)
		buf_truncate(list, at);
}

/* However it travels, it is no shorter then. What is too large is so before anything is read or written: a thousand
 * parts may name the same text or blob. */
static bool takes(struct jmap_make *m, uint64_t octets)
{
	m->octets += octets;
	return m->octets <= m->max;
}

void jmap_make_too_large(
	struct jmap_call *c, const struct jmap_make *m, struct jmap_set_error *why_r)
{
	*why_r = (struct jmap_set_error){
		.type = "tooLarge", .description = "the message would be larger than one may be"};
	jmap_why_more(c->a, why_r, "maxSize",
		span_str(arena_printf(c->a, "%llu", (unsigned long long)m->max)));
}

static FIBER int look_at(struct jmap_call *c, const struct jmap_account *account,
	struct jmap_make *m, struct jmap_make_part *p, struct buf *missing,
	struct jmap_set_error *why_r, struct err *e)
{
	bool is_found = false;

	if (p->kind == JMAP_PART_TEXT && !takes(m, p->text.len)) {
		jmap_make_too_large(c, m, why_r);
		return 0;
	}
	if (p->kind != JMAP_PART_BLOB)
		return 0;
	if (jmap_blob_find(c->d, m->a, account, p->blob_id, &p->blob, &is_found, e) < 0)
		return -1;
	if (!is_found) {
		tell_missing(missing, p->blob_id);
		return 0;
	}
	if (!takes(m, p->blob.size)) {
		jmap_make_too_large(c, m, why_r);
		return 0;
	}
	if (!p->type.len)
		p->type = p->blob.type.len && span_find(p->blob.type, ';') < 0 &&
				!span_starts_nocase(p->blob.type, SPAN("multipart/")) &&
				!span_has_line_break(p->blob.type)
			? p->blob.type
			: SPAN("application/octet-stream");
	return look_at_blob(p, why_r, e);
}

/* The next one in the order of the message. Parts know no parents: a stack does. */
struct walk {
	struct jmap_make_part *stack[JMAP_DEPTH_MAX + 2];
	unsigned depth;
};

static struct jmap_make_part *walk_next(struct walk *w)
{
	struct jmap_make_part *p = w->stack[w->depth];

	if (p->first) {
		w->stack[++w->depth] = p->first;
		return p->first;
	}
	while (!p->next) {
		if (w->depth == 0)
			return NULL;
		p = w->stack[--w->depth];
		if (w->depth == 0)
			return NULL;
	}
	w->stack[w->depth] = p->next;
	return p->next;
}

/* RFC 2045 section 6.4: a multipart is told as its parts need. As deep as a request. */
static enum mime_encoding settle_multi(struct jmap_make_part *p)
{
	if (p->kind != JMAP_PART_MULTI)
		return p->encoding;
	p->encoding = MIME_CTE_7BIT;
	for (struct jmap_make_part *kid = p->first; kid; kid = kid->next)
		if (settle_multi(kid) == MIME_CTE_8BIT)
			p->encoding = MIME_CTE_8BIT;
	return p->encoding;
}

/* On the lane. */
static int look_at_texts(void *arg, struct err *e)
{
	struct jmap_make *m = arg;
	struct walk w = {.stack = {m->root}};

	(void)e;
	for (struct jmap_make_part *p = m->root; p; p = walk_next(&w))
		if (p->kind == JMAP_PART_TEXT)
			look_at_text(p);
	return 0;
}

FIBER int jmap_make_look(struct jmap_call *c, const struct jmap_account *account,
	struct jmap_make *m, struct jmap_set_error *why_r, struct err *e)
{
	struct buf *missing = arena_buf(m->a, JMAP_PLAIN_MAX);
	struct walk w = {.stack = {m->root}};

	for (struct jmap_make_part *p = m->root; p && !why_r->type; p = walk_next(&w))
		if (look_at(c, account, m, p, missing, why_r, e) < 0 || fiber_breathe(e) < 0)
			return -1;
	if (why_r->type)
		return 0;
	if (buf_len(missing)) {
		/* RFC 8621 section 4.6 */
		*why_r = (struct jmap_set_error){
			.type = "blobNotFound", .description = "some blobs are not there"};
		buf_char(missing, ']');
		jmap_why_more(c->a, why_r, "notFound", buf_span(missing));
		return 0;
	}
	if ((m->octets > LANE_OCTETS ? work_run(jmapd_opts_of(c->d)->lane, look_at_texts, m, e)
				     : look_at_texts(m, e)) < 0)
		return -1;
	if (m->root)
		settle_multi(m->root);
	return 0;
}

/* ---- writing ---- */

struct writing {
	struct stage *stage;
	struct buf *out;   /* gathered before it goes to the stage */
	struct buf *lines; /* a piece of a text */
	uint64_t max;
	const struct jmap_make_settings *settings;
	unsigned boundaries;
	struct arena *a;
};

static FIBER int flush(struct writing *w, struct err *e)
{
	if (!buf_ok(w->out))
		return err_set(e, ERR_LIMIT, "a header that is too large");
	if (stage_len(w->stage) + buf_len(w->out) > w->max)
		return err_set(e, ERR_LIMIT, "the message is too large");
	if (stage_put(w->stage, buf_span(w->out), e) < 0)
		return -1;
	buf_clear(w->out);
	return 0;
}

static void put_param(struct buf *b, const char *name, struct span value)
{
	if (!value.len)
		return;
	buf_str(b, ";\r\n ");
	msg_put_param(b, span_str(name), value, 1, NULL);
}

static void put_type(struct writing *w, struct jmap_make_part *p)
{
	struct buf *b = w->out;

	buf_printf(b, "Content-Type: " SPAN_FMT, SPAN_ARG(p->type));
	if (p->charset.len && p->kind != JMAP_PART_MULTI)
		buf_printf(b, "; charset=" SPAN_FMT, SPAN_ARG(p->charset));
	if (p->kind == JMAP_PART_MULTI) {
		p->boundary = span_str(arena_printf(w->a, "=_%016llx.%u",
			(unsigned long long)w->settings->random, w->boundaries++));
		if (span_eq(p->type, SPAN("multipart/related")) && p->first)
			put_param(b, "type", p->first->type); /* RFC 2387 section 3.1 */
		put_param(b, "boundary", p->boundary);
	}
	put_param(b, "name", p->name);
	buf_str(b, "\r\n");
}

static void put_content(struct writing *w, struct jmap_make_part *p)
{
	struct buf *b = w->out;

	put_type(w, p);
	if (p->encoding != MIME_CTE_7BIT)
		buf_printf(b, "Content-Transfer-Encoding: %s\r\n", mime_encoding_str(p->encoding));
	if (p->disposition.len) {
		buf_printf(b, "Content-Disposition: " SPAN_FMT, SPAN_ARG(p->disposition));
		put_param(b, "filename", p->name);
		buf_str(b, "\r\n");
	}
	if (p->cid.len)
		buf_printf(b, "Content-ID: <" SPAN_FMT ">\r\n", SPAN_ARG(p->cid));
	if (p->language.len)
		buf_printf(b, "Content-Language: " SPAN_FMT "\r\n", SPAN_ARG(p->language));
	if (p->location.len)
		buf_printf(b, "Content-Location: " SPAN_FMT "\r\n", SPAN_ARG(p->location));
	buf_span_put(b, buf_span(p->fields.text));
}

static FIBER int write_octets(
	struct writing *w, struct mime_encoder *coder, struct span s, struct err *e)
{
	while (s.len) {
		struct span piece = span_sub(s, 0, PIECE_OCTETS);

		mime_encoder_feed(coder, piece, w->out);
		if (flush(w, e) < 0 || fiber_breathe(e) < 0)
			return -1;
		s = span_skip(s, piece.len);
	}
	return 0;
}

static void put_lines(struct buf *b, struct span s, bool *was_cr)
{
	size_t from = 0;

	for (size_t i = 0; i < s.len; i++) {
		bool is_cr = s.ptr[i] == '\r', is_lf = s.ptr[i] == '\n';

		if (is_cr || is_lf) {
			buf_span_put(b, span_sub(s, from, i - from));
			if (is_cr || !*was_cr)
				buf_str(b, "\r\n");
			from = i + 1;
		}
		*was_cr = is_cr;
	}
	buf_span_put(b, span_skip(s, from));
}

/* Piece by piece: a text may be named by many parts. */
static FIBER int write_text(
	struct writing *w, struct jmap_make_part *p, struct mime_encoder *coder, struct err *e)
{
	struct span rest = p->text;
	bool was_cr = false;

	while (rest.len) {
		struct span piece = span_sub(rest, 0, PIECE_OCTETS);

		buf_clear(w->lines);
		put_lines(w->lines, piece, &was_cr);
		if (write_octets(w, coder, buf_span(w->lines), e) < 0)
			return -1;
		rest = span_skip(rest, piece.len);
	}
	return 0;
}

/* A message within another one has lines as all of it. */
static struct span mend_lines(struct writing *w, struct arena *a, struct span s, bool *was_cr)
{
	struct buf *b = arena_buf(a, s.len * 2);

	(void)w;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '\n' && !*was_cr)
			buf_char(b, '\r');
		buf_char(b, s.ptr[i]);
		*was_cr = s.ptr[i] == '\r';
	}
	return buf_span(b);
}

static FIBER int write_blob(
	struct writing *w, struct jmap_make_part *p, struct mime_encoder *coder, struct err *e)
{
	struct arena *a = arena_new();
	bool was_cr = false,
	     is_plain = p->encoding == MIME_CTE_7BIT || p->encoding == MIME_CTE_8BIT;
	char *piece = arena_alloc(a, PIECE_OCTETS);
	uint64_t at = 0;
	size_t got = 1;
	int rc = 0;

	while (rc == 0 && at < p->blob.size && got) {
		struct arena *one = arena_new();
		struct span s;

		rc = p->blob.source.read(p->blob.source.arg, at, piece, PIECE_OCTETS, &got, e);
		s = span_of(piece, got);
		if (rc == 0 && is_plain)
			s = mend_lines(w, one, s, &was_cr);
		if (rc == 0)
			rc = write_octets(w, coder, s, e);
		at += got;
		arena_free(&one);
	}
	arena_free(&a);
	return rc;
}

static FIBER int write_leaf(struct writing *w, struct jmap_make_part *p, struct err *e)
{
	struct mime_encoder coder;

	mime_encoder_init(&coder, p->encoding, p->encoding == MIME_CTE_QP);
	if ((p->kind == JMAP_PART_TEXT ? write_text(w, p, &coder, e)
				       : write_blob(w, p, &coder, e)) < 0)
		return -1;
	mime_encoder_end(&coder, w->out);
	return flush(w, e);
}

/* As deep as a request. */
static FIBER int write_part(struct writing *w, struct jmap_make_part *p, struct err *e)
{
	put_content(w, p);
	buf_str(w->out, "\r\n");
	if (flush(w, e) < 0)
		return -1;
	if (p->kind != JMAP_PART_MULTI)
		return write_leaf(w, p, e);
	for (struct jmap_make_part *kid = p->first; kid; kid = kid->next) {
		buf_printf(w->out, "%s--" SPAN_FMT "\r\n", kid == p->first ? "" : "\r\n",
			SPAN_ARG(p->boundary));
		if (write_part(w, kid, e) < 0)
			return -1;
	}
	buf_printf(w->out, "\r\n--" SPAN_FMT "--\r\n", SPAN_ARG(p->boundary));
	return flush(w, e);
}

/* RFC 8621 section 4.6: Message-ID and Date are made where the client has told none. */
static void put_header(struct writing *w, struct jmap_make *m)
{
	const struct jmap_make_settings *s = w->settings;
	struct buf *b = w->out;

	buf_span_put(b, buf_span(m->fields.text));
	if (!jmap_make_fields_have(&m->fields, SPAN("Date")) &&
		!(m->root && jmap_make_fields_have(&m->root->fields, SPAN("Date"))))
		mail_date_put(b, s->wall_ns / CLOCK_SEC, 0);
	if (!jmap_make_fields_have(&m->fields, SPAN("Message-ID")) &&
		!(m->root && jmap_make_fields_have(&m->root->fields, SPAN("Message-ID")))) {
		buf_str(b, "Message-ID: ");
		mail_message_id_put(b, s->id, s->random, s->host);
		buf_str(b, "\r\n");
	}
	if (m->root && !jmap_make_fields_have(&m->fields, SPAN("MIME-Version")))
		buf_str(b, "MIME-Version: 1.0\r\n");
}

FIBER int jmap_make_write(
	struct jmap_make *m, const struct jmap_make_settings *s, struct stage *stage, struct err *e)
{
	struct writing w = {.stage = stage,
		.out = arena_buf(m->a, 2 * JMAP_MAKE_HEADER + 4 * PIECE_OCTETS),
		.lines = arena_buf(m->a, 2 * PIECE_OCTETS),
		.max = m->max,
		.settings = s,
		.a = m->a};

	put_header(&w, m);
	if (m->root)
		return write_part(&w, m->root, e);
	buf_str(w.out, "\r\n");
	return flush(&w, e);
}
