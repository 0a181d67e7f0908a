#include "services/jmapd/jmapd_email_body.h"

#include <string.h>

#include "base/must.h"
#include "base/utf8.h"
#include "proto/mail/mail_header.h"
#include "proto/mail/mime_codec.h"
#include "proto/mail/mime_lex.h"
#include "proto/mail/mime_text.h"

#define SLICE (16u << 10) /* octets that are decoded at a time */

static const struct {
	const char *name;
	bool is_default;
} properties[] = {
#define X(id, name, is_default) {name, is_default},
	JMAP_PART_PROPERTIES(X)
#undef X
};

/* ---- what is wanted ---- */

static bool property_of(struct span said, struct jmap_part_property *p_r)
{
	p_r->said = said;
	if (span_starts(said, SPAN("header:"))) {
		p_r->id = JMAP_PART_HEADER;
		return jmap_header_want_of(said, &p_r->header);
	}
	for (unsigned i = 0; i < JMAP_PART_HEADER; i++)
		if (span_eq(said, span_str(properties[i].name))) {
			p_r->id = (enum jmap_part_property_id)i;
			return true;
		}
	return false;
}

static bool add_property(struct jmap_part_want *w, struct span said)
{
	struct jmap_part_property p;

	for (size_t i = 0; i < w->count; i++)
		if (span_eq(w->list[i].said, said))
			return true;
	if (!property_of(said, &p))
		return false;
	w->has_headers |= p.id == JMAP_PART_HEADERS || p.id == JMAP_PART_HEADER;
	w->has_sizes |= p.id == JMAP_PART_SIZE;
	w->has_sub_parts |= p.id == JMAP_PART_SUB_PARTS;
	w->list[w->count++] = p;
	return true;
}

bool jmap_part_want_of(struct arena *a, const struct span *names, size_t count,
	struct jmap_part_want *w_r, struct span *bad_r)
{
	*w_r = (struct jmap_part_want){0};
	w_r->list = ARENA_ARRAY(
		a, struct jmap_part_property, names ? count + 1 : JMAP_PART_PROPERTY_COUNT);
	for (size_t i = 0; names && i < count; i++)
		if (!add_property(w_r, names[i])) {
			*bad_r = names[i];
			return false;
		}
	for (unsigned i = 0; !names && i < JMAP_PART_HEADER; i++)
		if (properties[i].is_default)
			add_property(w_r, span_str(properties[i].name));
	return true;
}

/* ---- octets ---- */

void jmap_mail_tidy(struct mime_tree *t)
{
	for (struct mime_part *p = t->root; p; p = mime_part_next(p))
		if (span_eq(p->type.type, SPAN("multipart")) && !p->child_count) {
			p->type.type = SPAN("text");
			p->type.subtype = SPAN("plain");
		}
}

struct mime_tree *jmap_mail_parse(struct arena *a, struct span octets)
{
	struct mime_parser *p = mime_parser_new(a, NULL);
	struct mime_tree *t;

	mime_parser_allow_from_line(p);
	mime_parser_feed(p, octets);
	t = mime_parser_end(&p);
	jmap_mail_tidy(t);
	return t;
}

struct span jmap_mail_head(const struct jmap_mail *m, struct span octets)
{
	const struct mime_part *root = m->tree ? m->tree->root : NULL;
	ptrdiff_t end;

	if (root)
		return span_sub(octets, (size_t)root->header_offset,
			(size_t)(root->body_offset - root->header_offset));
	end = span_starts(octets, SPAN("From ")) ? span_find(octets, '\n') : -1;
	return span_skip(octets, (size_t)(end + 1));
}

struct span jmap_mail_octets(const struct jmap_mail *m, uint64_t from, uint64_t to)
{
	for (size_t i = 0; i < m->piece_count; i++) {
		const struct jmap_piece *p = &m->pieces[i];

		if (from >= p->offset && to >= from && to - p->offset <= p->octets.len)
			return span_sub(p->octets, (size_t)(from - p->offset), (size_t)(to - from));
	}
	return SPAN_NONE;
}

uint64_t jmap_decoded_size(enum mime_encoding encoding, struct span octets)
{
	struct mime_decoder d;
	struct buf out;
	uint64_t n = 0;

	if (encoding != MIME_CTE_BASE64 && encoding != MIME_CTE_QP)
		return octets.len;
	mime_decoder_init(&d, encoding);
	buf_init(&out, 2 * SLICE);
	while (octets.len) {
		mime_decoder_feed(&d, span_sub(octets, 0, SLICE), &out);
		octets = span_skip(octets, SLICE);
		n += buf_len(&out);
		buf_clear(&out);
	}
	mime_decoder_end(&d, &out);
	n += buf_len(&out);
	buf_fini(&out);
	return n;
}

/* ---- one part ---- */

static bool is_multipart(const struct mime_part *p)
{
	return span_eq(p->type.type, SPAN("multipart"));
}

static bool is_text(const struct mime_part *p)
{
	return span_eq(p->type.type, SPAN("text"));
}

const struct mime_part *jmap_part_next(const struct mime_part *p)
{
	if (p->first && is_multipart(p))
		return p->first;
	while (p && !p->next)
		p = p->parent;
	return p ? p->next : NULL;
}

/* Its place among its siblings, and theirs: "1", "2.1". The body of a message without parts is 1. */
static struct span part_id(struct arena *a, const struct mime_part *p)
{
	struct buf *b = arena_buf(a, 16 * (MIME_DEPTH_MAX + 2));
	const struct mime_part *path[MIME_DEPTH_MAX + 2];
	size_t n = 0;

	for (; p->parent && n < ARRAY_LEN(path); p = p->parent)
		path[n++] = p;
	if (!n)
		return SPAN("1");
	while (n--) {
		buf_u64(b, path[n]->number);
		if (n)
			buf_char(b, '.');
	}
	return buf_span(b);
}

static void put_text_or_null(struct json_out *j, struct span s)
{
	if (s.len)
		json_span(j, s);
	else
		json_null(j);
}

static uint64_t size_of(const struct jmap_mail *m, const struct mime_part *p)
{
	uint64_t octets = p->end_offset - p->body_offset;

	if (is_multipart(p) || (p->encoding != MIME_CTE_BASE64 && p->encoding != MIME_CTE_QP))
		return octets;
	if (m->sizes)
		return m->sizes[p - m->tree->root];
	return jmap_decoded_size(p->encoding, jmap_mail_octets(m, p->body_offset, p->end_offset));
}

static struct jmap_headers headers_of(
	struct arena *a, const struct jmap_mail *m, const struct mime_part *p)
{
	struct jmap_headers h = {0};

	if (!p->parent)
		return m->headers;
	jmap_headers_add(a, &h, jmap_mail_octets(m, p->header_offset, p->body_offset));
	return h;
}

/* Section 4.1.4: what is told, else us-ascii of text and of what has no Content-Type. */
static void put_charset(struct json_out *j, const struct mime_part *p)
{
	bool is_told = mime_value_param(&p->type, SPAN("charset")) != NULL;

	if (is_told || is_text(p) || !p->raw[MIME_FIELD_CONTENT_TYPE].ptr)
		json_span(j, mime_part_charset(p));
	else
		json_null(j);
}

/* Section 4.1.4: comments, blanks and the brackets are gone. What has none is told as it stands. */
static struct span bare_cid(struct arena *a, struct span raw)
{
	struct span s = mail_unfold(a, raw);
	struct mime_lex l = {.rest = s};
	ptrdiff_t end;

	mime_skip_cfws(&l);
	end = span_starts(l.rest, SPAN("<")) ? span_find(l.rest, '>') : -1;
	return end < 0 ? s : span_trim(span_sub(l.rest, 1, (size_t)end - 1));
}

/* RFC 2557 section 4.4.2: blanks are of the folding, no URI has any. */
static struct span whole_uri(struct arena *a, struct span raw)
{
	char *out = arena_alloc(a, raw.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < raw.len; i++)
		if (!mime_is_blank(raw.ptr[i]))
			out[n++] = raw.ptr[i];
	return span_of(out, n);
}

static void put_languages(struct json_out *j, struct arena *a, struct span raw)
{
	struct span rest = mail_unfold(a, raw), item;

	if (!rest.len) {
		json_null(j);
		return;
	}
	json_open_array(j);
	for (bool has_more = true; has_more;) {
		struct mime_lex l;

		has_more = span_cut(rest, ',', &item, &rest);
		l = (struct mime_lex){.rest = item};
		mime_skip_cfws(&l);
		span_cut(l.rest, '(', &item, &l.rest);
		item = span_trim(item);
		if (item.len)
			json_span(j, item);
	}
	json_close(j);
}

static void put_part(struct json_out *j, struct arena *a, const struct jmap_mail *m,
	const struct mime_part *p, const struct jmap_part_want *w, bool is_structure);

static void put_sub_parts(struct json_out *j, struct arena *a, const struct jmap_mail *m,
	const struct mime_part *p, const struct jmap_part_want *w, bool is_structure)
{
	if (!is_multipart(p)) {
		json_null(j);
		return;
	}
	json_open_array(j);
	for (const struct mime_part *x = p->first; x; x = x->next)
		put_part(j, a, m, x, w, is_structure);
	json_close(j);
}

static void put_property(struct json_out *j, struct arena *a, const struct jmap_mail *m,
	const struct mime_part *p, const struct jmap_part_property *what,
	const struct jmap_headers *headers)
{
	switch (what->id) {
	case JMAP_PART_PART_ID:
		put_text_or_null(j, is_multipart(p) ? SPAN_NONE : part_id(a, p));
		break;
	case JMAP_PART_BLOB_ID:
		if (is_multipart(p))
			json_null(j);
		else
			m->put_blob(j, m, p);
		break;
	case JMAP_PART_SIZE: json_u64(j, size_of(m, p)); break;
	case JMAP_PART_HEADERS: jmap_put_headers(j, headers); break;
	case JMAP_PART_HEADER: jmap_put_header(j, a, headers, &what->header); break;
	case JMAP_PART_NAME: put_text_or_null(j, mime_part_filename(a, p)); break;
	case JMAP_PART_TYPE:
		json_str(j,
			arena_printf(a, SPAN_FMT "/" SPAN_FMT, SPAN_ARG(p->type.type),
				SPAN_ARG(p->type.subtype)));
		break;
	case JMAP_PART_CHARSET: put_charset(j, p); break;
	case JMAP_PART_DISPOSITION: put_text_or_null(j, p->disposition.type); break;
	case JMAP_PART_CID: put_text_or_null(j, bare_cid(a, p->raw[MIME_FIELD_CONTENT_ID])); break;
	case JMAP_PART_LANGUAGE: put_languages(j, a, p->raw[MIME_FIELD_CONTENT_LANGUAGE]); break;
	case JMAP_PART_LOCATION:
		put_text_or_null(j, whole_uri(a, p->raw[MIME_FIELD_CONTENT_LOCATION]));
		break;
	default: json_null(j); break;
	}
}

/* As deep as the parser's limit (MIME_DEPTH_MAX). */
static void put_part(struct json_out *j, struct arena *a, const struct jmap_mail *m,
	const struct mime_part *p, const struct jmap_part_want *w, bool is_structure)
{
	struct jmap_headers headers = {0};

	if (w->has_headers)
		headers = headers_of(a, m, p);
	json_open_object(j);
	for (size_t i = 0; i < w->count; i++) {
		if (w->list[i].id == JMAP_PART_SUB_PARTS)
			continue;
		json_key_span(j, w->list[i].said);
		put_property(j, a, m, p, &w->list[i], &headers);
	}
	if (w->has_sub_parts || (is_structure && is_multipart(p))) {
		json_key(j, "subParts");
		put_sub_parts(j, a, m, p, w, is_structure);
	}
	json_close(j);
}

void jmap_put_structure(struct json_out *j, struct arena *a, const struct jmap_mail *m,
	const struct jmap_part_want *w)
{
	put_part(j, a, m, m->tree->root, w, true);
}

void jmap_put_parts(struct json_out *j, struct arena *a, const struct jmap_mail *m,
	const struct mime_part_list *parts, const struct jmap_part_want *w)
{
	json_open_array(j);
	for (size_t i = 0; i < parts->count; i++)
		put_part(j, a, m, parts->items[i], w, false);
	json_close(j);
}

/* ---- text ---- */

/* Is the place within a tag that began before it? */
static size_t before_open_tag(struct span s)
{
	for (size_t i = s.len; i--;) {
		unsigned char next = i + 1 < s.len ? (unsigned char)s.ptr[i + 1] : '!';

		if (s.ptr[i] == '>')
			break;
		if (s.ptr[i] == '<' &&
			(strchr("/!?", next) ||
				(span_lower(next) >= 'a' && span_lower(next) <= 'z')))
			return i;
	}
	return s.len;
}

size_t jmap_cut_text(struct span utf8, size_t max, bool is_html)
{
	size_t n = max;

	if (utf8.len <= max)
		return utf8.len;
	while (n && ((unsigned char)utf8.ptr[n] & 0xc0) == 0x80)
		n--;
	return is_html ? before_open_tag(span_sub(utf8, 0, n)) : n;
}

/* CRLF becomes LF from `from` on; a CR at the very end waits for what follows it. */
static void join_line_ends(struct buf *b, size_t from)
{
	char *s = b->mem + b->from;
	size_t n = from, len = buf_len(b);

	for (size_t i = from; i < len; i++)
		if (s[i] != '\r' || i + 1 >= len || s[i + 1] != '\n')
			s[n++] = s[i];
	buf_truncate(b, n);
}

/* Decodes until the octets or the room are at an end; true: there was more. */
static bool decode(const struct mime_part *p, struct span octets, size_t max, struct buf *out,
	bool *is_problem_r)
{
	uint64_t problems = mime_bit(MIME_CHARSET_UNKNOWN) | mime_bit(MIME_CHARSET_BAD), defects;
	struct mime_text *t = mime_text_new(p, false);

	while (octets.len && buf_len(out) <= max) {
		size_t before = buf_len(out);

		mime_text_feed(t, span_sub(octets, 0, SLICE), out);
		octets = span_skip(octets, SLICE);
		if (buf_len(out))
			join_line_ends(out, before ? before - 1 : 0);
	}
	defects = octets.len ? mime_text_defects(t) : mime_text_end(t, out);
	*is_problem_r = (defects & problems) || p->encoding == MIME_CTE_UNKNOWN;
	mime_text_free(&t);
	return octets.len > 0;
}

/* Octets of text: what the client wants, or can be told. */
static size_t value_max(const struct jmap_values_want *w)
{
	return w->max_octets && w->max_octets < JMAP_BODY_VALUE_MAX ? (size_t)w->max_octets
								    : JMAP_BODY_VALUE_MAX;
}

/* An octet of text takes at most four as they stand: a Latin letter in UTF-16 as base64 is less, what
 * quoted-printable and escape sequences waste is bounded by the slack. */
uint64_t jmap_value_read_max(const struct jmap_values_want *w)
{
	uint64_t max = JMAP_BODY_READ_MIN + 4 * (uint64_t)value_max(w);

	return max < JMAP_BODY_READ_MAX ? max : JMAP_BODY_READ_MAX;
}

static void put_value(struct json_out *j, const struct jmap_mail *m, const struct mime_part *p,
	const struct jmap_values_want *w)
{
	size_t max = value_max(w);
	uint64_t end = p->end_offset, read_max = jmap_value_read_max(w);
	bool is_problem = false, is_cut;
	struct buf out;
	size_t n;

	if (end - p->body_offset > read_max)
		end = p->body_offset + read_max;
	buf_init(&out, max + 8 * SLICE);
	is_cut = decode(p, jmap_mail_octets(m, p->body_offset, end), max, &out, &is_problem) ||
		end < p->end_offset;
	n = jmap_cut_text(buf_span(&out), max, span_eq(p->type.subtype, SPAN("html")));
	json_open_object(j);
	json_kv_span(j, "value", span_sub(buf_span(&out), 0, n));
	json_kv_bool(j, "isEncodingProblem", is_problem);
	json_kv_bool(j, "isTruncated", is_cut || n < buf_len(&out));
	json_close(j);
	buf_fini(&out);
}

static bool has(const struct mime_part_list *l, const struct mime_part *p)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->items[i] == p)
			return true;
	return false;
}

bool jmap_wants_value(const struct jmap_values_want *w, const struct mime_bodies *bodies,
	const struct mime_part *p)
{
	if (!is_text(p))
		return false;
	return w->is_all || (w->is_text && has(&bodies->text, p)) ||
		(w->is_html && has(&bodies->html, p));
}

void jmap_put_values(struct json_out *j, struct arena *a, const struct jmap_mail *m,
	const struct mime_bodies *bodies, const struct jmap_values_want *w)
{
	json_open_object(j);
	for (const struct mime_part *p = m->tree->root; p; p = jmap_part_next(p))
		if (jmap_wants_value(w, bodies, p)) {
			json_key_span(j, part_id(a, p));
			put_value(j, m, p, w);
		}
	json_close(j);
}
