#include "base/json_out.h"

#include <math.h>
#include <string.h>

#include "base/must.h"
#include "base/utf8.h"

void json_out_init(struct json_out *j, struct buf *b)
{
	memset(j, 0, sizeof(*j));
	j->buf = b;
}

/* In front of every item but the first. */
static void json_comma(struct json_out *j)
{
	unsigned at = j->depth - 1;
	uint64_t bit = UINT64_C(1) << at % 64;

	if (j->has_item[at / 64] & bit)
		buf_char(j->buf, ',');
	j->has_item[at / 64] |= bit;
}

static void json_before_value(struct json_out *j)
{
	if (j->is_after_key) {
		j->is_after_key = false;
		return;
	}
	if (j->depth == 0)
		return;
	MUST(j->closer[j->depth - 1] == ']');
	json_comma(j);
}

static void json_open(struct json_out *j, char opener, char closer)
{
	json_before_value(j);
	MUST(j->depth < JSON_OUT_DEPTH);
	buf_char(j->buf, opener);
	j->closer[j->depth] = closer;
	j->has_item[j->depth / 64] &= ~(UINT64_C(1) << j->depth % 64);
	j->depth++;
}

void json_open_object(struct json_out *j)
{
	json_open(j, '{', '}');
}

void json_open_array(struct json_out *j)
{
	json_open(j, '[', ']');
}

void json_close(struct json_out *j)
{
	MUST(j->depth > 0 && !j->is_after_key);
	buf_char(j->buf, j->closer[--j->depth]);
}

void json_key_span(struct json_out *j, struct span key)
{
	MUST(j->depth > 0 && j->closer[j->depth - 1] == '}' && !j->is_after_key);
	json_comma(j);
	json_quote(j->buf, key);
	buf_char(j->buf, ':');
	j->is_after_key = true;
}

void json_key(struct json_out *j, const char *key)
{
	json_key_span(j, span_str(key));
}

/* What JSON allows as it is, but a terminal or a line-splitting reader would act upon: the C1
 * controls and the Unicode line and paragraph separators. */
static bool json_is_unsafe(struct span s, uint32_t *code_r)
{
	return utf8_take(&s, code_r) &&
		((*code_r >= 0x7f && *code_r <= 0x9f) || *code_r == 0x2028 || *code_r == 0x2029);
}

void json_quote(struct buf *b, struct span s)
{
	uint32_t code;

	buf_char(b, '"');
	while (s.len) {
		unsigned char c = (unsigned char)s.ptr[0];
		size_t n = utf8_length_at(s);

		if (n == 0) {
			buf_str(b, "\xef\xbf\xbd");
			n = 1;
		} else if (c == '"' || c == '\\') {
			buf_char(b, '\\');
			buf_char(b, (char)c);
		} else if (c == '\n') {
			buf_str(b, "\\n");
		} else if (c == '\r') {
			buf_str(b, "\\r");
		} else if (c == '\t') {
			buf_str(b, "\\t");
		} else if (c < 0x20) {
			buf_printf(b, "\\u%04x", c);
		} else if (c >= 0x7f && json_is_unsafe(s, &code)) {
			buf_printf(b, "\\u%04x", (unsigned)code);
		} else {
			buf_put(b, s.ptr, n);
		}
		s = span_skip(s, n);
	}
	buf_char(b, '"');
}

void json_span(struct json_out *j, struct span s)
{
	json_before_value(j);
	json_quote(j->buf, s);
}

void json_str(struct json_out *j, const char *s)
{
	if (s)
		json_span(j, span_str(s));
	else
		json_null(j);
}

void json_raw(struct json_out *j, struct span s)
{
	json_before_value(j);
	buf_span_put(j->buf, s);
}

void json_u64(struct json_out *j, uint64_t v)
{
	json_before_value(j);
	buf_u64(j->buf, v);
}

void json_i64(struct json_out *j, int64_t v)
{
	json_before_value(j);
	buf_i64(j->buf, v);
}

void json_double(struct json_out *j, double v)
{
	json_before_value(j);
	if (isfinite(v))
		buf_printf(j->buf, "%.9g", v);
	else
		buf_str(j->buf, "null");
}

void json_bool(struct json_out *j, bool v)
{
	json_raw(j, v ? SPAN("true") : SPAN("false"));
}

void json_null(struct json_out *j)
{
	json_raw(j, SPAN("null"));
}

void json_kv_span(struct json_out *j, const char *key, struct span s)
{
	json_key(j, key);
	json_span(j, s);
}

void json_kv_str(struct json_out *j, const char *key, const char *s)
{
	json_key(j, key);
	json_str(j, s);
}

void json_kv_u64(struct json_out *j, const char *key, uint64_t v)
{
	json_key(j, key);
	json_u64(j, v);
}

void json_kv_i64(struct json_out *j, const char *key, int64_t v)
{
	json_key(j, key);
	json_i64(j, v);
}

void json_kv_bool(struct json_out *j, const char *key, bool v)
{
	json_key(j, key);
	json_bool(j, v);
}
