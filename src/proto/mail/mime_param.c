#include "proto/mail/mime_param.h"

#include <string.h>

#include "proto/mail/mail_word.h"
#include "proto/mail/mime_charset.h"
#include "proto/mail/mime_lex.h"

#define SECTION_MAX 999 /* of a continuation */

/* A parameter's name taken apart: base*section* (RFC 2231 sections 3 and 4). */
struct piece {
	struct span base;
	int section; /* -1: none */
	bool is_extended, is_used;
	struct span value;
};

static struct span copy_flat(struct arena *a, struct span s)
{
	char *out = arena_alloc(a, s.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] != '\r' && s.ptr[i] != '\n')
			out[n++] = s.ptr[i];
	return span_of(out, n);
}

static struct span take_until(struct mime_lex *l, const char *stops)
{
	struct span s = l->rest;
	size_t n = 0;

	while (n < s.len && !mime_is_blank(s.ptr[n]) && (!s.ptr[n] || !strchr(stops, s.ptr[n])))
		n++;
	l->rest = span_skip(s, n);
	return span_sub(s, 0, n);
}

static void skip_to_semicolon(struct mime_lex *l)
{
	ptrdiff_t at = span_find(l->rest, ';');

	l->rest = at < 0 ? SPAN_NONE : span_skip(l->rest, (size_t)at);
}

/* A value without quotes. Blanks within it are against the grammar, but file names have them. */
static struct span take_bare(struct arena *a, struct mime_lex *l)
{
	struct span from = l->rest, word = take_until(l, ";");

	for (size_t i = 0; i < word.len; i++)
		if (!mime_is_token(word.ptr[i])) {
			l->defects |= mime_bit(MIME_PARAM_UNQUOTED);
			break;
		}
	mime_skip_cfws(l);
	if (l->rest.len && l->rest.ptr[0] != ';') {
		l->defects |= mime_bit(MIME_PARAM_BAD);
		skip_to_semicolon(l);
		word = span_trim(span_sub(from, 0, from.len - l->rest.len));
	}
	return copy_flat(a, word);
}

static bool take_param(struct arena *a, struct mime_lex *l, struct mime_raw_param *p)
{
	mime_skip_cfws(l);
	p->name = take_until(l, "=;(");
	mime_skip_cfws(l);
	if (!l->rest.len || l->rest.ptr[0] != '=' || !p->name.len) {
		if (p->name.len || (l->rest.len && l->rest.ptr[0] != ';'))
			l->defects |= mime_bit(MIME_PARAM_BAD);
		skip_to_semicolon(l);
		return false;
	}
	l->rest = span_skip(l->rest, 1);
	p->name = arena_span(a, p->name);
	mime_skip_cfws(l);
	if (!l->rest.len || l->rest.ptr[0] != '"') {
		p->value = take_bare(a, l);
		return true;
	}
	p->value = mime_take_quoted(a, l);
	mime_skip_cfws(l);
	if (l->rest.len && l->rest.ptr[0] != ';') {
		l->defects |= mime_bit(MIME_PARAM_BAD);
		skip_to_semicolon(l);
	}
	return true;
}

static void take_apart(struct arena *a, const struct mime_raw_param *raw, struct piece *p)
{
	struct span name = mime_lower(a, raw->name), number;
	ptrdiff_t star;
	uint64_t section;

	p->section = -1;
	p->value = raw->value;
	p->base = name;
	if (name.len > 1 && name.ptr[name.len - 1] == '*') {
		p->is_extended = true;
		p->base = name = span_sub(name, 0, name.len - 1);
	}
	star = span_find(name, '*');
	if (star <= 0)
		return;
	number = span_skip(name, (size_t)star + 1);
	if (!span_u64_max(number, SECTION_MAX, &section) ||
		(number.len > 1 && number.ptr[0] == '0')) {
		p->base = mime_lower(a, raw->name);
		p->is_extended = false;
		return;
	}
	p->section = (int)section;
	p->base = span_sub(name, 0, (size_t)star);
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)span_lower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static size_t put_percent(char *out, struct span s, uint64_t *defects)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];

		if (c == '%') {
			int high = i + 2 < s.len ? hex(s.ptr[i + 1]) : -1;
			int low = i + 2 < s.len ? hex(s.ptr[i + 2]) : -1;

			if (high >= 0 && low >= 0) {
				c = (char)(high * 16 + low);
				i += 2;
			} else {
				*defects |= mime_bit(MIME_PARAM_BAD);
			}
		}
		out[n++] = c;
	}
	return n;
}

/* RFC 2231 section 4: charset'language'text at the front of the first extended piece. */
static struct span take_charset(struct span s, struct mime_param *p, uint64_t *defects)
{
	struct span charset, language, text;

	if (!span_cut(s, '\'', &charset, &text) || !span_cut(text, '\'', &language, &text)) {
		*defects |= mime_bit(MIME_PARAM_BAD);
		return s;
	}
	p->charset = charset;
	p->language = language;
	return text;
}

static struct piece *find_section(struct piece *pieces, size_t count, struct span base, int section)
{
	for (size_t i = 0; i < count; i++)
		if (pieces[i].section == section && span_eq(pieces[i].base, base))
			return &pieces[i];
	return NULL;
}

/* The pieces name*0, name*1 … put together. */
static void join_sections(struct arena *a, struct piece *pieces, size_t count, struct mime_param *p,
	uint64_t *defects)
{
	size_t room = 0, n = 0;
	char *out;
	int section;

	for (size_t i = 0; i < count; i++)
		if (pieces[i].section >= 0 && span_eq(pieces[i].base, p->name))
			room += pieces[i].value.len;
	out = arena_alloc(a, room + 1);
	for (section = 0;; section++) {
		struct piece *at = find_section(pieces, count, p->name, section);
		struct span text;

		if (!at)
			break;
		at->is_used = true;
		text = at->value;
		if (section == 0 && at->is_extended)
			text = take_charset(text, p, defects);
		if (at->is_extended) {
			n += put_percent(out + n, text, defects);
		} else if (text.len) {
			memcpy(out + n, text.ptr, text.len);
			n += text.len;
		}
	}
	for (size_t i = 0; i < count; i++)
		if (pieces[i].section >= 0 && span_eq(pieces[i].base, p->name) &&
			!pieces[i].is_used) {
			pieces[i].is_used = true;
			*defects |= mime_bit(pieces[i].section < section ? MIME_PARAM_DUPLICATE
									 : MIME_PARAM_GAP);
		}
	p->value = span_of(out, n);
}

static bool has_word(struct span s)
{
	ptrdiff_t at = span_find_span(s, SPAN("=?"));

	return at >= 0 && span_find_span(span_skip(s, (size_t)at), SPAN("?=")) > 0;
}

/* All pieces of one name become one parameter: the extended form wins over the plain one, which is
 * there for old readers (RFC 6266 section 4.3); of equals the first. */
static void join(struct arena *a, struct piece *pieces, size_t count, struct mime_param *p,
	uint64_t *defects)
{
	struct piece *plain = NULL, *extended = NULL, *sections = NULL;

	for (size_t i = 0; i < count; i++) {
		struct piece **slot;

		if (pieces[i].is_used || !span_eq(pieces[i].base, p->name))
			continue;
		slot = pieces[i].section >= 0   ? &sections
			: pieces[i].is_extended ? &extended
						: &plain;
		if (pieces[i].section < 0)
			pieces[i].is_used = true;
		if (*slot && pieces[i].section < 0)
			*defects |= mime_bit(MIME_PARAM_DUPLICATE);
		else if (!*slot)
			*slot = &pieces[i];
	}
	if ((plain != NULL) + (extended != NULL) + (sections != NULL) > 1)
		*defects |= mime_bit(MIME_PARAM_TWO_FORMS);
	if (sections)
		join_sections(a, pieces, count, p, defects);
	if (extended) {
		char *out = arena_alloc(a, extended->value.len + 1);
		struct span text = take_charset(extended->value, p, defects);

		p->value = span_of(out, put_percent(out, text, defects));
	} else if (!sections && plain) {
		p->value = plain->value;
		if (has_word(p->value))
			*defects |= mime_bit(MIME_PARAM_WORD);
	}
}

static void collapse(struct arena *a, struct mime_value *v)
{
	struct piece *pieces = ARENA_ARRAY(a, struct piece, v->raw_count + 1);

	v->params = ARENA_ARRAY(a, struct mime_param, v->raw_count + 1);
	for (size_t i = 0; i < v->raw_count; i++)
		take_apart(a, &v->raw[i], &pieces[i]);
	for (size_t i = 0; i < v->raw_count; i++) {
		if (pieces[i].is_used)
			continue;
		v->params[v->param_count].name = pieces[i].base;
		join(a, pieces, v->raw_count, &v->params[v->param_count], &v->defects);
		v->param_count++;
	}
}

static void take_params(struct arena *a, struct mime_lex *l, size_t max, struct mime_value *v)
{
	struct mime_raw_param p;
	size_t room = 0;

	if (max > MIME_FIELD_PARAMS_MAX)
		max = MIME_FIELD_PARAMS_MAX;
	while (l->rest.len) {
		if (l->rest.ptr[0] == ';')
			l->rest = span_skip(l->rest, 1);
		if (v->raw_count >= max && span_trim(l->rest).len) {
			l->defects |= mime_bit(MIME_PARAM_TOO_MANY);
			break;
		}
		if (!take_param(a, l, &p))
			continue;
		if (v->raw_count == room) {
			struct mime_raw_param *more;

			room = room ? room * 2 : 4;
			more = ARENA_ARRAY(a, struct mime_raw_param, room);
			if (v->raw_count)
				memcpy(more, v->raw, v->raw_count * sizeof(*more));
			v->raw = more;
		}
		v->raw[v->raw_count++] = p;
	}
	v->defects |= l->defects;
	if (v->raw_count)
		collapse(a, v);
}

static bool is_all_token(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!mime_is_token(s.ptr[i]))
			return false;
	return s.len > 0;
}

void mime_type_parse(struct arena *a, struct span value, size_t params_max, struct mime_value *v_r)
{
	struct mime_lex l = {.rest = value};
	struct span type, subtype = SPAN_NONE;

	memset(v_r, 0, sizeof(*v_r));
	mime_skip_cfws(&l);
	type = take_until(&l, "/;(=");
	mime_skip_cfws(&l);
	if (l.rest.len && l.rest.ptr[0] == '/') {
		l.rest = span_skip(l.rest, 1);
		mime_skip_cfws(&l);
		subtype = take_until(&l, ";(");
		mime_skip_cfws(&l);
	}
	if (is_all_token(type) && is_all_token(subtype)) {
		v_r->type = mime_lower(a, type);
		v_r->subtype = mime_lower(a, subtype);
	} else {
		v_r->defects |= mime_bit(MIME_TYPE_BAD);
		skip_to_semicolon(&l);
	}
	if (l.rest.len && l.rest.ptr[0] != ';')
		v_r->defects |= mime_bit(MIME_TYPE_BAD);
	take_params(a, &l, params_max, v_r);
}

void mime_disposition_parse(
	struct arena *a, struct span value, size_t params_max, struct mime_value *v_r)
{
	struct mime_lex l = {.rest = value};
	struct span type;

	memset(v_r, 0, sizeof(*v_r));
	mime_skip_cfws(&l);
	type = take_until(&l, ";(=");
	mime_skip_cfws(&l);
	if (is_all_token(type) && !(l.rest.len && l.rest.ptr[0] == '=')) {
		v_r->type = mime_lower(a, type);
	} else { /* `filename=x` alone is seen: read it all the same */
		v_r->defects |= mime_bit(MIME_DISPOSITION_BAD);
		if (type.len && l.rest.len && l.rest.ptr[0] == '=')
			l.rest = value;
		else
			skip_to_semicolon(&l);
	}
	if (v_r->type.len && l.rest.len && l.rest.ptr[0] != ';')
		v_r->defects |= mime_bit(MIME_DISPOSITION_BAD);
	take_params(a, &l, params_max, v_r);
}

struct span mime_token_parse(struct arena *a, struct span value, bool *is_clean_r)
{
	struct mime_lex l = {.rest = value};
	struct span token;

	mime_skip_cfws(&l);
	token = take_until(&l, ";(");
	mime_skip_cfws(&l);
	*is_clean_r = is_all_token(token) && l.rest.len == 0 && !l.defects;
	return mime_lower(a, token);
}

const struct mime_param *mime_value_param(const struct mime_value *v, struct span name)
{
	for (size_t i = 0; i < v->param_count; i++)
		if (span_eq(v->params[i].name, name))
			return &v->params[i];
	return NULL;
}

struct span mime_param_text(struct arena *a, const struct mime_param *p, uint64_t *defects)
{
	if (p->charset.len == 0 && has_word(p->value)) {
		*defects |= mime_bit(MIME_PARAM_WORD);
		return mail_word_decode(a, p->value);
	}
	return mime_charset_text(a, p->charset.len ? p->charset : SPAN("utf-8"), p->value, defects);
}
