#include "proto/http/http_syntax_priv.h"

#include "base/must.h"

/* ---- lists and parameters (RFC 9110 section 5.6) ---- */

/* Up to the first `c` outside quoted strings; both halves, true when it is there. */
static bool cut_unquoted(struct span s, char c, struct span *head_r, struct span *tail_r)
{
	bool is_quoted = false;

	for (size_t i = 0; i < s.len; i++) {
		if (is_quoted && s.ptr[i] == '\\')
			i++;
		else if (s.ptr[i] == '"')
			is_quoted = !is_quoted;
		else if (s.ptr[i] == c && !is_quoted) {
			*head_r = span_sub(s, 0, i);
			*tail_r = span_skip(s, i + 1);
			return true;
		}
	}
	*head_r = s;
	*tail_r = SPAN_NONE;
	return false;
}

bool http_list_next(struct span *rest, struct span *item_r)
{
	while (rest->len) {
		cut_unquoted(*rest, ',', item_r, rest);
		*item_r = http_trim(*item_r);
		if (item_r->len)
			return true;
	}
	return false;
}

bool http_list_has(struct span list, struct span token)
{
	struct span item;

	for (int i = 0; i < HTTP_LIST_MAX && http_list_next(&list, &item); i++)
		if (span_eq_nocase(item, token))
			return true;
	return false;
}

static struct span unquote(struct arena *a, struct span s)
{
	char *p;
	size_t n = 0;

	if (s.len < 2 || s.ptr[0] != '"' || s.ptr[s.len - 1] != '"')
		return s;
	s = span_sub(s, 1, s.len - 2);
	p = arena_alloc(a, s.len + 1);
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '\\' && i + 1 < s.len)
			i++;
		p[n++] = s.ptr[i];
	}
	return span_of(p, n);
}

bool http_param_next(struct arena *a, struct span *rest, struct span *name_r, struct span *value_r)
{
	struct span part;

	while (rest->len) {
		cut_unquoted(*rest, ';', &part, rest);
		part = http_trim(part);
		if (!part.len)
			continue;
		cut_unquoted(part, '=', name_r, value_r);
		*name_r = http_trim(*name_r);
		*value_r = unquote(a, http_trim(*value_r));
		return true;
	}
	return false;
}

/* ---- negotiation (RFC 9110 section 12) ---- */

/* "0", "0.5", "1.000" (section 12.4.2) in thousandths; what is no weight counts as none at all. */
static unsigned weight(struct span s)
{
	unsigned q = 0, unit = 100;

	if (!s.len || s.len > 5 || s.ptr[0] < '0' || s.ptr[0] > '1' ||
		(s.len > 1 && s.ptr[1] != '.'))
		return 0;
	q = s.ptr[0] == '1' ? 1000 : 0;
	for (size_t i = 2; i < s.len; i++, unit /= 10) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return 0;
		q += (unsigned)(s.ptr[i] - '0') * unit;
	}
	return q > 1000 ? 1000 : q;
}

/* An element without its parameters, and its weight. */
static struct span weighed(struct span item, unsigned *q_r)
{
	struct span name, rest, part;

	*q_r = 1000;
	cut_unquoted(item, ';', &name, &rest);
	while (rest.len) {
		cut_unquoted(rest, ';', &part, &rest);
		part = http_trim(part);
		if (span_starts_nocase(part, SPAN("q=")))
			*q_r = weight(span_skip(part, 2));
	}
	return http_trim(name);
}

/* How closely a media range fits a type: 3 the same, 2 "text/" and a star, 1 the star for all, 0 not. */
static unsigned type_fit(struct span range, struct span type)
{
	ptrdiff_t slash = span_find(type, '/');

	if (span_eq_nocase(range, type))
		return 3;
	if (span_eq(range, SPAN("*/*")))
		return 1;
	if (slash < 0 || range.len != (size_t)slash + 2 || range.ptr[range.len - 1] != '*')
		return 0;
	return span_eq_nocase(
		       span_sub(range, 0, (size_t)slash + 1), span_sub(type, 0, (size_t)slash + 1))
		? 2
		: 0;
}

static unsigned coding_fit(struct span range, struct span coding)
{
	if (span_eq_nocase(range, coding))
		return 3;
	return span_eq(range, SPAN("*"));
}

/* RFC 4647 section 3.3.1: a range "zh" fits "zh-CN"; and people who ask for "zh-TW" alone get "zh-CN"
 * rather than English. */
static unsigned language_fit(struct span range, struct span tag)
{
	struct span have, rest;

	if (span_eq_nocase(range, tag))
		return 4;
	if (span_starts_nocase(tag, range) && tag.len > range.len && tag.ptr[range.len] == '-')
		return 3;
	span_cut(tag, '-', &have, &rest);
	if (have.len && span_starts_nocase(range, have) &&
		(range.len == have.len || range.ptr[have.len] == '-'))
		return 2;
	return span_eq(range, SPAN("*"));
}

/* The weight that the closest element gives; -1: none fits. */
static int best_weight(
	struct span field, struct span what, unsigned (*fit)(struct span, struct span))
{
	struct span item;
	unsigned best = 0, q;
	int found = -1;

	for (int i = 0; i < HTTP_LIST_MAX && http_list_next(&field, &item); i++) {
		struct span range = weighed(item, &q);
		unsigned close = fit(range, what);

		if (close > best) {
			best = close;
			found = (int)q;
		}
	}
	return found;
}

unsigned http_accept_type(struct span field, struct span type)
{
	int q;

	if (!field.len)
		return 1000;
	q = best_weight(field, type, type_fit);
	return q < 0 ? 0 : (unsigned)q;
}

unsigned http_accept_coding(struct span field, struct span coding)
{
	bool is_identity = span_eq_nocase(coding, SPAN("identity"));
	int q;

	if (!field.ptr)
		return is_identity ? 1000 : 0; /* he may not know any: the plain form is safe */
	q = best_weight(field, coding, coding_fit);
	if (q >= 0)
		return (unsigned)q;
	return is_identity ? 1 : 0; /* section 12.5.3: acceptable, unless it was ruled out */
}

size_t http_accept_language(struct span field, const struct span *languages, size_t count)
{
	size_t best = 0;
	int best_q = 0;

	for (size_t i = 0; i < count; i++) {
		int q = best_weight(field, languages[i], language_fit);

		if (q > best_q) {
			best_q = q;
			best = i;
		}
	}
	return best;
}

/* ---- validators and ranges ---- */

bool http_etag_in(struct span field, struct span etag, bool is_weak)
{
	struct span item, plain = span_starts(etag, SPAN("W/")) ? span_skip(etag, 2) : etag;

	if (span_eq(http_trim(field), SPAN("*")))
		return true;
	for (int i = 0; i < HTTP_LIST_MAX && http_list_next(&field, &item); i++) {
		bool has_weak = span_starts(item, SPAN("W/"));

		if (has_weak)
			item = span_skip(item, 2);
		if (item.len < 2 || item.ptr[0] != '"' || !span_eq(item, plain))
			continue;
		if (is_weak || (!has_weak && plain.len == etag.len))
			return true;
	}
	return false;
}

enum http_range http_range_parse(
	struct span field, uint64_t size, uint64_t *from_r, uint64_t *len_r)
{
	struct span unit, set, first, last;
	uint64_t from, to = size;

	if (!span_cut(field, '=', &unit, &set) || !span_eq_nocase(unit, SPAN("bytes")))
		return HTTP_RANGE_NONE;
	set = http_trim(set);
	if (span_find(set, ',') >= 0 || !span_cut(set, '-', &first, &last))
		return HTTP_RANGE_NONE;
	if (!first.len) { /* "-500": the last ones */
		if (!span_u64(last, &to))
			return HTTP_RANGE_NONE;
		if (to == 0 || size == 0)
			return HTTP_RANGE_UNSATISFIABLE;
		*len_r = to < size ? to : size;
		*from_r = size - *len_r;
		return HTTP_RANGE_ONE;
	}
	if (!span_u64(first, &from) || (last.len && (!span_u64(last, &to) || to < from)))
		return HTTP_RANGE_NONE;
	if (from >= size)
		return HTTP_RANGE_UNSATISFIABLE;
	*from_r = from;
	*len_r = (!last.len || to >= size ? size : to + 1) - from;
	return HTTP_RANGE_ONE;
}

/* ---- cookies (RFC 6265) ---- */

/* Section 4.1.1: no controls, blank, quote, comma, semicolon, backslash. */
static bool is_cookie_value(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c <= 0x20 || c >= 0x7f || c == '"' || c == ',' || c == ';' || c == '\\')
			return false;
	}
	return true;
}

bool http_cookie_get(struct span field, struct span name, struct span *value_r)
{
	bool is_found = false;

	for (int i = 0; field.len; i++) {
		struct span pair, have, value;

		if (i == HTTP_COOKIES_MAX)
			return false;
		span_cut(field, ';', &pair, &field);
		if (!span_cut(http_trim(pair), '=', &have, &value) ||
			!span_eq(http_trim(have), name))
			continue;
		if (is_found)
			return false;
		is_found = true;
		value = http_trim(value);
		if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
			value = span_sub(value, 1, value.len - 2);
		*value_r = value;
	}
	return is_found;
}

int http_cookie_put(struct buf *b, const struct http_cookie *c, struct err *e)
{
	struct span path = c->path.len ? c->path : SPAN("/");
	bool is_host = span_starts_nocase(c->name, SPAN("__Host-"));

	if (!http_is_token(c->name) || !is_cookie_value(c->value) || !is_cookie_value(path) ||
		path.ptr[0] != '/' || c->name.len + c->value.len + path.len > HTTP_COOKIE_MAX)
		return err_set(e, ERR_SYNTAX, "not a cookie");
	if ((is_host || span_starts_nocase(c->name, SPAN("__Secure-"))) &&
		(!c->is_secure || (is_host && path.len != 1)))
		return err_set(e, ERR_SYNTAX, "a cookie of that name is Secure, for the path /");
	buf_printf(b, SPAN_FMT "=" SPAN_FMT "; Path=" SPAN_FMT, SPAN_ARG(c->name),
		SPAN_ARG(c->value), SPAN_ARG(path));
	if (c->max_age_sec >= 0)
		buf_printf(b, "; Max-Age=%lld", (long long)c->max_age_sec);
	if (c->is_secure)
		buf_str(b, "; Secure");
	if (!c->is_script_visible)
		buf_str(b, "; HttpOnly");
	buf_printf(b, "; SameSite=%s", c->is_lax ? "Lax" : "Strict");
	return 0;
}

/* ---- Authorization ---- */

static bool cut_scheme(struct span field, struct span scheme, struct span *rest_r)
{
	struct span have;

	if (!span_cut(field, ' ', &have, rest_r) || !span_eq_nocase(have, scheme))
		return false;
	*rest_r = http_trim(*rest_r);
	return rest_r->len > 0;
}

bool http_auth_bearer(struct span field, struct span *token_r)
{
	if (!cut_scheme(field, SPAN("Bearer"), token_r))
		return false;
	for (size_t i = 0; i < token_r->len; i++)
		if ((unsigned char)token_r->ptr[i] <= 0x20 ||
			(unsigned char)token_r->ptr[i] >= 0x7f)
			return false;
	return true;
}

/* ---- who forwarded (RFC 7239) ---- */

struct span http_forwarded_node(struct span s)
{
	ptrdiff_t colon;

	s = http_trim(s);
	if (s.len && s.ptr[0] == '[') {
		ptrdiff_t end = span_find(s, ']');

		return end < 0 ? SPAN_NONE : span_sub(s, 1, (size_t)end - 1);
	}
	colon = span_find(s, ':');
	if (colon >= 0 && colon == span_rfind(s, ':'))
		return span_sub(s, 0, (size_t)colon);
	return s; /* a bare address of either family */
}

bool http_forwarded_next(struct arena *a, struct span *rest, struct http_forwarded *f_r)
{
	struct span item, name, value;

	*f_r = (struct http_forwarded){{0}};
	if (!http_list_next(rest, &item))
		return false;
	while (http_param_next(a, &item, &name, &value)) {
		if (span_eq_nocase(name, SPAN("for")))
			f_r->node = http_forwarded_node(value);
		else if (span_eq_nocase(name, SPAN("proto")))
			f_r->proto = value;
	}
	return true;
}
