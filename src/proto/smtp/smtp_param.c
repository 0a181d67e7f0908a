#include "proto/smtp/smtp_syntax.h"

#include <string.h>

#include "base/must.h"
#include "base/utf8.h"
#include "proto/smtp/smtp_syntax_priv.h"

static int hex_upper(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* RFC 3461 section 4: xchar = %x21-2A / %x2C-3C / %x3E-7E; hexchar = "+" 2(%x30-39 / %x41-46) */
bool smtp_xtext_decode(struct buf *b, struct span text)
{
	size_t before = buf_len(b);

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c == '+') {
			int hi = i + 2 < text.len ? hex_upper(text.ptr[i + 1]) : -1;
			int lo = i + 2 < text.len ? hex_upper(text.ptr[i + 2]) : -1;

			if (i + 2 >= text.len || hi < 0 || lo < 0)
				goto bad;
			buf_char(b, (char)(hi * 16 + lo));
			i += 2;
		} else if (c < '!' || c == '=' || c == 0x7f) {
			goto bad;
		} else {
			buf_char(b, (char)c);
		}
	}
	if (buf_ok(b))
		return true;
bad:
	buf_truncate(b, before);
	return false;
}

void smtp_xtext_encode(struct buf *b, struct span bytes)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < bytes.len; i++) {
		unsigned char c = (unsigned char)bytes.ptr[i];

		if (c < '!' || c > '~' || c == '+' || c == '=') {
			const char esc[3] = {'+', hex[c >> 4], hex[c & 15]};

			buf_put(b, esc, sizeof(esc));
		} else {
			buf_char(b, (char)c);
		}
	}
}

/* Decoded into `a`; false when it is no xtext or holds what may not stand in a report. Characters
 * above ASCII pass where is_utf8 (RFC 6533 section 3), never controls. */
static bool decode_printable(struct arena *a, struct span text, bool is_utf8, struct span *out_r)
{
	struct buf b;
	bool ok;

	buf_init(&b, SMTP_ORCPT_MAX);
	ok = smtp_xtext_decode(&b, text);
	*out_r = arena_span(a, buf_span(&b));
	buf_fini(&b);
	for (size_t i = 0; ok && i < out_r->len; i++) {
		unsigned char c = (unsigned char)out_r->ptr[i];

		ok = c >= ' ' && c != 0x7f && (c < 0x80 || is_utf8);
	}
	return ok && utf8_is_valid(*out_r);
}

static int bad_value(struct span name, struct err *e)
{
	err_set(e, ERR_SYNTAX, "Bad value of parameter " SPAN_FMT, SPAN_ARG(name));
	return err_smtp(e, 501, 5, 5, 4);
}

/* RFC 5321 section 4.1.2:
 *   esmtp-param   = esmtp-keyword ["=" esmtp-value]
 *   esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")
 *   esmtp-value   = 1*(%d33-60 / %d62-126), and UTF8-non-ascii by RFC 6531 section 3.3 */
static bool param_is_valid(const struct smtp_param *p)
{
	if (p->name.len == 0 || p->name.ptr[0] == '-')
		return false;
	for (size_t i = 0; i < p->name.len; i++) {
		unsigned char c = span_lower((unsigned char)p->name.ptr[i]);

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
			return false;
	}
	if (!p->has_value)
		return true;
	for (size_t i = 0; i < p->value.len; i++) {
		unsigned char c = (unsigned char)p->value.ptr[i];

		if (c < '!' || c == '=' || c == 0x7f)
			return false;
	}
	return p->value.len > 0 && utf8_is_valid(p->value);
}

/* Take the next parameter: 1 there is one, 0 none left, -1 malformed. */
static int next_param(struct span *text, size_t *count, struct smtp_param *p, struct err *e)
{
	struct span word = span_word(text);

	if (word.len == 0)
		return 0;
	memset(p, 0, sizeof(*p));
	p->has_value = span_cut(word, '=', &p->name, &p->value);
	if (++*count > SMTP_PARAMS_MAX) {
		err_set(e, ERR_LIMIT, "Too many parameters");
		return err_smtp(e, 501, 5, 5, 4);
	}
	if (!param_is_valid(p)) {
		err_set(e, ERR_SYNTAX, "Bad parameter syntax");
		return err_smtp(e, 501, 5, 5, 4);
	}
	return 1;
}

/* RFC 1870 section 4: size-value = 1*20DIGIT; what passes 64 bits is simply too much */
static bool parse_size(struct span v, uint64_t *size_r)
{
	if (v.len == 0 || v.len > 20)
		return false;
	for (size_t i = 0; i < v.len; i++)
		if (v.ptr[i] < '0' || v.ptr[i] > '9')
			return false;
	if (!span_u64(v, size_r))
		*size_r = UINT64_MAX;
	return true;
}

static bool take_size(struct arena *a, const struct smtp_param *p, void *out)
{
	struct smtp_mail *m = out;

	m->has_size = true;
	return parse_size(p->value, &m->size);
}

static bool take_body(struct arena *a, const struct smtp_param *p, void *out)
{
	struct smtp_mail *m = out;

	if (span_eq_nocase(p->value, SPAN("7BIT"))) /* RFC 6152 section 2 */
		m->body = SMTP_BODY_7BIT;
	else if (span_eq_nocase(p->value, SPAN("8BITMIME")))
		m->body = SMTP_BODY_8BITMIME;
	else if (span_eq_nocase(p->value, SPAN("BINARYMIME"))) /* RFC 3030 section 3 */
		m->body = SMTP_BODY_BINARYMIME;
	else
		return false;
	return true;
}

static bool take_smtputf8(struct arena *a, const struct smtp_param *p, void *out)
{
	((struct smtp_mail *)out)->is_smtputf8 = true; /* RFC 6531 section 3.4 */
	return true;
}

static bool take_ret(struct arena *a, const struct smtp_param *p, void *out)
{
	struct smtp_mail *m = out;

	if (span_eq_nocase(p->value, SPAN("FULL"))) /* RFC 3461 section 4.3 */
		m->ret = SMTP_RET_FULL;
	else if (span_eq_nocase(p->value, SPAN("HDRS")))
		m->ret = SMTP_RET_HDRS;
	else
		return false;
	return true;
}

static bool take_envid(struct arena *a, const struct smtp_param *p, void *out)
{
	struct smtp_mail *m = out;

	/* RFC 3461 section 4.4: printable US-ASCII before encoding */
	return p->value.len <= SMTP_ENVID_MAX && decode_printable(a, p->value, false, &m->envid);
}

static bool take_auth(struct arena *a, const struct smtp_param *p, void *out)
{
	struct span who;

	/* RFC 4954 section 5: checked and not believed */
	return span_eq(p->value, SPAN("<>")) || decode_printable(a, p->value, true, &who);
}

/* RFC 3461 section 4.1: "NEVER" alone, or a list of the other three */
static bool take_notify(struct arena *a, const struct smtp_param *p, void *out)
{
	struct smtp_rcpt *r = out;
	struct span word, rest = p->value;
	bool has_more;

	if (span_eq_nocase(rest, SPAN("NEVER"))) {
		r->notify = SMTP_NOTIFY_NEVER;
		return true;
	}
	do {
		has_more = span_cut(rest, ',', &word, &rest);
		if (span_eq_nocase(word, SPAN("SUCCESS")))
			r->notify |= SMTP_NOTIFY_SUCCESS;
		else if (span_eq_nocase(word, SPAN("FAILURE")))
			r->notify |= SMTP_NOTIFY_FAILURE;
		else if (span_eq_nocase(word, SPAN("DELAY")))
			r->notify |= SMTP_NOTIFY_DELAY;
		else
			return false;
	} while (has_more);
	return true;
}

/* "\x{9A7F}" of RFC 6533 section 3 at the front of `s`: what it means appended, its length; 0 when
 * there is none. No controls: the address goes into reports. */
static size_t take_embedded(struct span s, struct buf *b)
{
	uint32_t code = 0;
	size_t i = 3;
	char out[4];

	if (!span_starts(s, SPAN("\\x{")))
		return 0;
	for (; i < s.len && i < 9 && hex_upper(s.ptr[i]) >= 0; i++)
		code = code * 16 + (uint32_t)hex_upper(s.ptr[i]);
	if (i < 5 || i >= s.len || s.ptr[i] != '}' || code < ' ' || code == 0x7f ||
		code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	buf_put(b, out, utf8_put(out, code));
	return i + 1;
}

/* RFC 6533 section 3: utf-8-addr-xtext or -unitext. */
static bool decode_utf8_addr(struct buf *b, struct span text)
{
	while (text.len) {
		size_t n = 1;

		if (text.ptr[0] == '\\')
			n = take_embedded(text, b);
		else
			buf_char(b, text.ptr[0]);
		if (n == 0)
			return false;
		text = span_skip(text, n);
	}
	return buf_ok(b);
}

/* The address of ORCPT, decoded; *type may become "utf-8". */
static bool decode_orcpt(struct arena *a, struct span coded, struct span *type, struct span *out_r)
{
	bool is_utf8 = span_eq_nocase(*type, SPAN("utf-8")), ok;
	struct buf b;

	/* Some write the utf-8 type in xtext; it knows no "+" of its own. */
	if (is_utf8 && span_find(coded, '+') < 0) {
		buf_init(&b, SMTP_ORCPT_MAX);
		ok = decode_utf8_addr(&b, coded) && utf8_is_valid(buf_span(&b));
		*out_r = arena_span(a, buf_span(&b));
		buf_fini(&b);
		return ok;
	}
	/* Postfix names the type rfc822 whatever the address is (3.7): it means this. */
	if (!decode_printable(a, coded, true, out_r))
		return false;
	if (span_is_ascii(*out_r) || is_utf8)
		return true;
	if (!span_eq_nocase(*type, SPAN("rfc822")))
		return false;
	*type = SPAN("utf-8");
	return true;
}

/* RFC 3461 section 4.2: ORCPT=addr-type ";" xtext; the type is an atom */
static bool take_orcpt(struct arena *a, const struct smtp_param *p, void *out)
{
	struct smtp_rcpt *r = out;
	struct span type, coded, decoded;
	char *whole;

	if (p->value.len > SMTP_ORCPT_MAX || !span_cut(p->value, ';', &type, &coded))
		return false;
	if (type.len == 0 || coded.len == 0)
		return false;
	for (size_t i = 0; i < type.len; i++) {
		unsigned char c = span_lower((unsigned char)type.ptr[i]);

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
			return false;
	}
	if (!decode_orcpt(a, coded, &type, &decoded))
		return false;
	whole = arena_alloc(a, type.len + 1 + decoded.len + 1);
	memcpy(whole, type.ptr, type.len);
	whole[type.len] = ';';
	if (decoded.len)
		memcpy(whole + type.len + 1, decoded.ptr, decoded.len);
	r->orcpt = span_of(whole, type.len + 1 + decoded.len);
	return true;
}

struct param_rules {
	const struct param_rule *rules;
	size_t count;
};

struct param_rule {
	const char *name;
	unsigned feature;
	bool has_value;
	bool (*take)(struct arena *a, const struct smtp_param *p, void *out);
};

static bool take_requiretls(struct arena *a, const struct smtp_param *p, void *out)
{
	((struct smtp_mail *)out)->is_requiretls = true; /* RFC 8689 section 2 */
	return true;
}

static bool take_by(struct arena *a, const struct smtp_param *p, void *out)
{
	return smtp_take_by(p->value, out);
}

static bool take_hold_for(struct arena *a, const struct smtp_param *p, void *out)
{
	return smtp_take_hold_for(p->value, out);
}

static bool take_hold_until(struct arena *a, const struct smtp_param *p, void *out)
{
	return smtp_take_hold_until(p->value, out);
}

static bool take_priority(struct arena *a, const struct smtp_param *p, void *out)
{
	return smtp_take_priority(p->value, out);
}

static const struct param_rule mail_rules[] = {
	{"SIZE", SMTP_SIZE, true, take_size},
	{"BODY", SMTP_8BITMIME | SMTP_BINARYMIME, true, take_body},
	{"SMTPUTF8", SMTP_SMTPUTF8, false, take_smtputf8},
	{"RET", SMTP_DSN, true, take_ret},
	{"ENVID", SMTP_DSN, true, take_envid},
	{"AUTH", SMTP_FEATURE_AUTH, true, take_auth},
	{"BY", SMTP_DELIVERBY, true, take_by},
	{"HOLDFOR", SMTP_FUTURERELEASE, true, take_hold_for},
	{"HOLDUNTIL", SMTP_FUTURERELEASE, true, take_hold_until},
	{"MT-PRIORITY", SMTP_MT_PRIORITY, true, take_priority},
	{"REQUIRETLS", SMTP_REQUIRETLS, false, take_requiretls},
};

static const struct param_rule rcpt_rules[] = {
	{"NOTIFY", SMTP_DSN, true, take_notify},
	{"ORCPT", SMTP_DSN, true, take_orcpt},
};

static int take_params(struct arena *a, struct span text, unsigned features,
	const struct param_rules *known, void *out, struct err *e)
{
	const struct param_rule *rules = known->rules;
	struct smtp_param p;
	unsigned seen = 0;
	size_t count = 0, i;
	int got;

	while ((got = next_param(&text, &count, &p, e)) > 0) {
		for (i = 0; i < known->count; i++)
			if ((rules[i].feature & features) &&
				span_eq_nocase(p.name, span_str(rules[i].name)))
				break;
		if (i == known->count) {
			/* RFC 5321 section 4.1.1.11 */
			err_set(e, ERR_UNSUPPORTED, "Parameter " SPAN_FMT " is not known here",
				SPAN_ARG(p.name));
			return err_smtp(e, 555, 5, 5, 4);
		}
		/* RFC 5321 section 4.1.1.11: each keyword at most once */
		if ((seen & (1u << i)) || p.has_value != rules[i].has_value ||
			!rules[i].take(a, &p, out))
			return bad_value(p.name, e);
		seen |= 1u << i;
	}
	return got;
}

int smtp_mail_params(
	struct arena *a, struct span text, unsigned features, struct smtp_mail *m, struct err *e)
{
	static const struct param_rules known = {mail_rules, ARRAY_LEN(mail_rules)};

	if (take_params(a, text, features, &known, m, e) < 0)
		return -1;
	if ((m->body == SMTP_BODY_BINARYMIME && !(features & SMTP_BINARYMIME)) ||
		(m->body == SMTP_BODY_8BITMIME && !(features & SMTP_8BITMIME)))
		return bad_value(SPAN("BODY"), e);
	return 0;
}

int smtp_rcpt_params(struct arena *a, struct span text, unsigned features, bool is_utf8,
	struct smtp_rcpt *r, struct err *e)
{
	static const struct param_rules known = {rcpt_rules, ARRAY_LEN(rcpt_rules)};

	if (!is_utf8 && !span_is_ascii(text)) {
		err_set(e, ERR_SYNTAX, "Bad parameter syntax");
		return err_smtp(e, 501, 5, 5, 4);
	}
	return take_params(a, text, features, &known, r, e);
}
