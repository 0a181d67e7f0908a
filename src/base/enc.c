#include "base/enc.h"

static const char enc_b64[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void enc_put_base64(struct buf *b, struct span s)
{
	const unsigned char *p = (const unsigned char *)s.ptr;
	size_t n = s.len, out = (n + 2) / 3 * 4;
	char *at = buf_reserve(b, out);

	if (!at)
		return;
	for (; n >= 3; n -= 3, p += 3) {
		*at++ = enc_b64[p[0] >> 2];
		*at++ = enc_b64[(p[0] & 3) << 4 | p[1] >> 4];
		*at++ = enc_b64[(p[1] & 15) << 2 | p[2] >> 6];
		*at++ = enc_b64[p[2] & 63];
	}
	if (n) {
		unsigned second = n == 2 ? p[1] : 0;

		*at++ = enc_b64[p[0] >> 2];
		*at++ = enc_b64[(p[0] & 3) << 4 | second >> 4];
		*at++ = n == 2 ? enc_b64[(second & 15) << 2] : '=';
		*at++ = '=';
	}
	buf_added(b, out);
}

static int enc_b64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool enc_get_base64(struct buf *b, struct span text)
{
	size_t before = buf_len(b), pad = 0;

	if (text.len % 4)
		return false;
	if (text.len && text.ptr[text.len - 1] == '=')
		pad = text.ptr[text.len - 2] == '=' ? 2 : 1;
	for (size_t i = 0; i < text.len; i += 4) {
		bool is_last = i + 4 == text.len;
		size_t chars = is_last ? 4 - pad : 4;
		uint32_t v = 0;

		for (size_t k = 0; k < 4; k++) {
			int d = k < chars ? enc_b64_value(text.ptr[i + k]) : 0;

			if (d < 0)
				goto bad;
			v = v << 6 | (uint32_t)d;
		}
		if ((chars == 2 && (v & 0xffff)) || (chars == 3 && (v & 0xff)))
			goto bad;
		char out[3] = {(char)(v >> 16), (char)(v >> 8), (char)v};
		buf_put(b, out, chars - 1);
	}
	if (buf_ok(b))
		return true;
bad:
	buf_truncate(b, before);
	return false;
}

bool enc_get_base64url(struct buf *b, struct span text)
{
	struct buf plain;
	bool is_good = true;

	buf_init(&plain, text.len + 3);
	for (size_t i = 0; i < text.len && is_good; i++) {
		char c = text.ptr[i];

		is_good = c != '+' && c != '/' && c != '=';
		buf_char(&plain, c == '-' ? '+' : c == '_' ? '/' : c);
	}
	while (buf_len(&plain) % 4)
		buf_char(&plain, '=');
	/* one character alone is none: three of padding are no base64 */
	is_good = is_good && enc_get_base64(b, buf_span(&plain));
	buf_fini(&plain);
	return is_good;
}

void enc_put_hex(struct buf *b, struct span s)
{
	static const char digits[] = "0123456789abcdef";
	char *at = buf_reserve(b, s.len * 2);

	if (!at)
		return;
	for (size_t i = 0; i < s.len; i++) {
		*at++ = digits[(unsigned char)s.ptr[i] >> 4];
		*at++ = digits[(unsigned char)s.ptr[i] & 15];
	}
	buf_added(b, s.len * 2);
}

int enc_hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)span_lower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool enc_get_hex(struct buf *b, struct span text)
{
	size_t before = buf_len(b);

	if (text.len % 2)
		return false;
	for (size_t i = 0; i < text.len; i += 2) {
		int hi = enc_hex_value(text.ptr[i]), lo = enc_hex_value(text.ptr[i + 1]);

		if (hi < 0 || lo < 0) {
			buf_truncate(b, before);
			return false;
		}
		buf_char(b, (char)(hi << 4 | lo));
	}
	if (!buf_ok(b)) {
		buf_truncate(b, before);
		return false;
	}
	return true;
}

static const char enc_id_digits[32] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void enc_put_id(struct buf *b, uint64_t id)
{
	char text[13];

	for (size_t i = sizeof(text); i-- > 0; id >>= 5)
		text[i] = enc_id_digits[id & 31];
	buf_put(b, text, sizeof(text));
}

bool enc_get_id(struct span text, uint64_t *id_r)
{
	uint64_t id = 0;

	if (text.len != 13)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		unsigned d = 0;

		if (c >= 'a' && c <= 'z')
			c = (char)(c - 32);
		while (d < 32 && enc_id_digits[d] != c)
			d++;
		if (d == 32 || (i == 0 && d > 15))
			return false;
		id = id << 5 | d;
	}
	*id_r = id;
	return true;
}

void enc_put_object(struct buf *b, char kind, uint64_t id)
{
	buf_char(b, kind);
	enc_put_id(b, id);
}

bool enc_get_object(struct span text, char kind, uint64_t *id_r)
{
	return text.len > 1 && text.ptr[0] == kind && enc_get_id(span_skip(text, 1), id_r);
}

bool enc_get_percent(struct arena *a, struct span text, struct span *octets_r)
{
	char *to = arena_alloc(a, text.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		int high, low;

		if (text.ptr[i] != '%') {
			to[n++] = text.ptr[i];
			continue;
		}
		if (text.len - i < 3)
			return false;
		high = enc_hex_value(text.ptr[i + 1]);
		low = enc_hex_value(text.ptr[i + 2]);
		if (high < 0 || low < 0)
			return false;
		to[n++] = (char)(high * 16 + low);
		i += 2;
	}
	to[n] = '\0';
	*octets_r = span_of(to, n);
	return true;
}
