#include "proto/trust/dkim_sign.h"

#include <string.h>

#include "base/enc.h"
#include "proto/trust/dkim_tags.h"

#define SIGNATURE_MAX (DKIM_RSA_BITS_MAX / 8)
#define NAMES_TEXT    (64 * 1024)

void dkim_sign_wants(void *arg, struct dkim_message *m)
{
	const struct dkim_sign_settings *s = arg;

	dkim_message_want(m, s->body, UINT64_MAX);
}

/* ---- what is covered ---- */

static size_t count_of(const struct dkim_message *m, const char *name)
{
	struct span s = span_str(name);
	uint64_t hash = dkim_name_hash(s);
	size_t n = 0;

	for (size_t i = 0; i < m->field_count; i++)
		n += m->fields[i].hash == hash && span_eq_nocase(m->fields[i].name, s);
	return n;
}

/* h= by the rules. Empty: too many. */
static struct span names_of(
	const struct dkim_message *m, const struct dkim_dialect *d, struct buf *out)
{
	size_t total = 0;

	for (size_t i = 0; i < d->rule_count; i++) {
		const struct dkim_rule *r = &d->rules[i];
		size_t n = count_of(m, r->name);

		if (r->cover == DKIM_COVER_ALWAYS || (r->cover == DKIM_COVER_SEALED && n))
			n++;
		total += n;
		for (; n && total <= DKIM_NAMES_MAX; n--) {
			buf_str(out, buf_len(out) ? ":" : "");
			buf_str(out, r->name);
		}
	}
	return total <= DKIM_NAMES_MAX ? buf_span(out) : SPAN_NONE;
}

/* ---- the field, folded ---- */

struct writer {
	struct buf *out;
	size_t column;
};

static void put(struct writer *w, struct span s)
{
	buf_span_put(w->out, s);
	w->column += s.len;
}

static void fold(struct writer *w)
{
	buf_str(w->out, "\r\n\t");
	w->column = 8; /* as it is shown */
}

/* A tag that is not cut: on this line if it fits. */
static void put_tag(struct writer *w, const char *name, struct span value)
{
	if (w->column + 1 + strlen(name) + 1 + value.len + 1 > DKIM_LINE_MAX)
		fold(w);
	else
		put(w, SPAN(" "));
	put(w, span_str(name));
	put(w, SPAN("="));
	put(w, value);
	put(w, SPAN(";"));
}

static void put_number(struct writer *w, const char *name, int64_t value)
{
	struct buf b;

	buf_init(&b, 32);
	buf_i64(&b, value);
	put_tag(w, name, buf_span(&b));
	buf_fini(&b);
}

/* h=: cut behind colons. */
static void put_names(struct writer *w, struct span names)
{
	struct span name;
	bool is_first = true;

	fold(w);
	put(w, SPAN("h="));
	while (dkim_tags_word(&names, &name)) {
		if (!is_first && w->column + name.len + 1 > DKIM_LINE_MAX)
			fold(w);
		put(w, name);
		put(w, names.ptr ? SPAN(":") : SPAN(";"));
		is_first = false;
	}
}

/* base64: cut anywhere. */
static void put_base64(struct writer *w, const char *name, struct span octets)
{
	struct buf text;
	struct span rest;

	buf_init(&text, 4 * SIGNATURE_MAX);
	enc_put_base64(&text, octets);
	fold(w);
	put(w, span_str(name));
	put(w, SPAN("="));
	rest = buf_span(&text);
	while (rest.len) {
		/* one column for a ";" */
		struct span line = span_sub(rest, 0, DKIM_LINE_MAX - 1 - w->column);

		put(w, line);
		rest = span_skip(rest, line.len);
		if (rest.len)
			fold(w);
	}
	buf_fini(&text);
}

/* All but the value of b=. */
static void put_unsigned(struct buf *out, const struct dkim_message *m,
	const struct dkim_sign_settings *s, const struct dkim_sign_key *k, struct span names)
{
	const struct dkim_digest *bh = &m->digests[0];
	struct writer w = {.out = out};
	struct buf c;

	for (size_t i = 0; i < m->digest_count; i++) {
		if (m->digests[i].canon == s->body && m->digests[i].limit == UINT64_MAX)
			bh = &m->digests[i];
	}
	buf_init(&c, 64);
	buf_printf(&c, "%s/%s", dkim_canon_str(s->header), dkim_canon_str(s->body));
	put(&w, span_str(s->dialect->field));
	put(&w, SPAN(":"));
	put_tag(&w, "v", span_str(s->dialect->version));
	put_tag(&w, "a", span_str(dkim_algorithm_str(dkim_pkey_algorithm(k->key))));
	put_tag(&w, "c", buf_span(&c));
	put_tag(&w, "d", k->domain);
	put_tag(&w, "s", k->selector);
	put_number(&w, "t", s->now_sec);
	if (s->lifetime_sec)
		put_number(&w, "x", s->now_sec + s->lifetime_sec);
	put_names(&w, names);
	put_base64(&w, "bh", span_of(bh->value, DKIM_DIGEST_LEN));
	put(&w, SPAN(";"));
	buf_fini(&c);
}

static int sign_one(const struct dkim_message *m, const struct dkim_sign_settings *s,
	const struct dkim_sign_key *k, struct span names, struct buf *fields, struct err *e)
{
	unsigned char digest[DKIM_DIGEST_LEN];
	struct buf field, sig;
	struct writer w = {.out = &field};
	struct dkim_own own;
	int rc;

	buf_init(&field, DKIM_FIELD_MAX);
	buf_init(&sig, SIGNATURE_MAX);
	put_unsigned(&field, m, s, k, names);
	/* What is signed is the field as it will stand, folds and all, with nothing behind "b=". */
	buf_str(&field, "\r\n\tb=");
	own = (struct dkim_own){buf_span(&field), buf_len(&field), buf_len(&field)};
	dkim_message_hash(m, s->header, names, &own, digest);
	rc = buf_ok(&field) ? dkim_pkey_sign(k->key, digest, &sig, e)
			    : err_set(e, ERR_LIMIT, "the signature's field is too long");
	if (rc == 0) {
		buf_truncate(&field, buf_len(&field) - 5);
		put_base64(&w, "b", buf_span(&sig));
		buf_str(&field, "\r\n");
		buf_span_put(fields, buf_span(&field));
		if (!buf_ok(&field) || !buf_ok(fields))
			rc = err_set(e, ERR_LIMIT, "the signature's field is too long");
	}
	buf_fini(&field);
	buf_fini(&sig);
	return rc;
}

int dkim_sign(const struct dkim_message *m, const struct dkim_sign_settings *s,
	const struct dkim_sign_key *keys, size_t count, struct buf *fields, struct err *e)
{
	struct span names = s->names;
	struct buf text;
	int rc = 0;

	buf_init(&text, NAMES_TEXT);
	if (!names.len)
		names = names_of(m, s->dialect, &text);
	if ((m->troubles & MAIL_HEADER_TOO_LONG) || !names.len) {
		err_set(e, ERR_LIMIT, "the header is too long to be signed");
		rc = err_smtp(e, 552, 5, 3, 4);
	} else if (!count_of(m, "From")) {
		err_set(e, ERR_SYNTAX, "a message without From cannot be signed");
		rc = err_smtp(e, 550, 5, 6, 0);
	}
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = sign_one(m, s, &keys[i], names, fields, e);
	buf_fini(&text);
	return rc;
}
