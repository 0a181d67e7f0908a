#include "proto/trust/dkim_verify.h"

#include <idn2.h>
#include <stdlib.h>

#include "base/must.h"
#include "proto/trust/dkim_tags.h"
#include "proto/trust/trust_record.h"

#define TIME_DIGITS 12 /* RFC 6376 section 3.5, t= */

static const char *const verdict_names[] = {
#define X(id, name) [DKIM_##id] = name,
	DKIM_VERDICTS(X)
#undef X
};

const char *dkim_verdict_str(enum dkim_verdict v)
{
	return v < DKIM_VERDICT_COUNT ? verdict_names[v] : "?";
}

/* A signature beside its result. */
struct sig {
	struct dkim_own own; /* without its line end */
	enum dkim_canon header, body;
	uint64_t limit; /* l=, or UINT64_MAX */
	struct span body_hash;
	int digest; /* its place in message.digests */
};

struct dkim_verifier {
	struct arena *a;
	const struct dkim_dialect *dialect;
	int64_t now_sec;
	struct dkim_message message;
	size_t count;
	struct sig *sigs;
	struct dkim_result *results;
};

static bool settle(struct dkim_result *r, enum dkim_verdict v, const char *reason)
{
	r->verdict = v;
	r->reason = reason;
	r->key_name = SPAN_NONE;
	return false;
}

static bool none(struct dkim_result *r, const char *reason)
{
	return settle(r, DKIM_PERMERROR, reason);
}

/* ---- the field's tags (section 6.1.1) ---- */

static struct span lower_ascii(struct arena *a, struct span s)
{
	struct span out = arena_span(a, s);

	for (size_t i = 0; i < out.len; i++)
		((char *)out.ptr)[i] = (char)span_lower((unsigned char)out.ptr[i]);
	return out;
}

/* A name as the DNS has it (RFC 8616 section 5: U-labels may stand in d= and s=). "": it is none. */
static struct span dns_name(struct arena *a, struct span s)
{
	char *ascii = NULL;

	if (!span_is_ascii(s)) {
		if (s.len > 1000 ||
			idn2_to_ascii_8z(arena_str(a, s), &ascii,
				IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
			return SPAN_NONE;
		s = span_str(arena_str(a, span_str(ascii)));
		idn2_free(ascii);
	}
	return dkim_is_selector(s) ? lower_ascii(a, s) : SPAN_NONE;
}

static bool read_canon(struct dkim_result *r, struct sig *s, const struct dkim_tags *tags)
{
	const struct dkim_tag *c = dkim_tags_get(tags, "c");
	struct span header, body;

	s->header = s->body = DKIM_SIMPLE;
	if (!c)
		return true;
	if (!span_cut(c->value, '/', &header, &body))
		body = SPAN("simple");
	if (!dkim_canon_parse(header, &s->header) || !dkim_canon_parse(body, &s->body))
		return none(r, "c= names no form that is known");
	return true;
}

static bool read_number(const struct dkim_tags *tags, const char *name, size_t digits, uint64_t *n)
{
	const struct dkim_tag *t = dkim_tags_get(tags, name);

	return !t || (t->value.len <= digits && span_u64_max(t->value, INT64_MAX, n));
}

static bool read_times(struct dkim_verifier *v, struct dkim_result *r, const struct dkim_tags *tags)
{
	uint64_t t = 0, x = 0;

	if (!read_number(tags, "t", TIME_DIGITS, &t) || !read_number(tags, "x", TIME_DIGITS, &x))
		return none(r, "t= or x= is no time");
	r->signed_sec = (int64_t)t;
	r->expires_sec = (int64_t)x;
	if (dkim_tags_get(tags, "x") && t >= x && dkim_tags_get(tags, "t"))
		return none(r, "x= is not after t=");
	if (dkim_tags_get(tags, "x") && r->expires_sec < v->now_sec)
		return settle(r, DKIM_FAIL, "the signature has expired");
	if (r->signed_sec > v->now_sec + DKIM_CLOCK_SEC)
		return settle(r, DKIM_NEUTRAL, "the signature is from the future");
	return true;
}

static bool read_names(struct dkim_result *r, const struct dkim_tags *tags)
{
	struct span rest = dkim_tags_value(tags, "h"), name;
	bool has_from = false;
	size_t n = 0;

	r->names = rest;
	while (dkim_tags_word(&rest, &name)) {
		if (!name.len)
			return none(r, "h= has an empty name");
		if (++n > DKIM_NAMES_MAX)
			return settle(r, DKIM_NEUTRAL, "h= has more names than are looked at");
		has_from = has_from || span_eq_nocase(name, SPAN("From"));
	}
	return has_from || none(r, "From is not signed");
}

static bool read_identity(struct dkim_verifier *v, struct dkim_result *r, struct span i)
{
	ptrdiff_t at = span_rfind(i, '@');
	struct span domain;

	if (!i.ptr) {
		r->identity = span_str(arena_printf(v->a, "@" SPAN_FMT, SPAN_ARG(r->domain)));
		return true;
	}
	r->identity = i;
	domain = at < 0 ? SPAN_NONE : dns_name(v->a, span_skip(i, (size_t)at + 1));
	return dkim_is_within(domain, r->domain) || none(r, "i= is not of the domain in d=");
}

static bool read_octets(struct dkim_verifier *v, struct span value, struct span *octets_r)
{
	struct buf *b = arena_buf(v->a, value.len);

	if (!dkim_tags_base64(value, b))
		return false;
	*octets_r = buf_span(b);
	return true;
}

static bool has_all(struct dkim_result *r, const struct dkim_tags *tags)
{
	static const char *const needed[] = {"v", "a", "b", "bh", "d", "h", "s"};

	for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
		const struct dkim_tag *t = dkim_tags_get(tags, needed[i]);

		if (!t || !t->value.len)
			return none(r, "v=, a=, b=, bh=, d=, h= or s= is missing");
	}
	return true;
}

static bool read_tags(
	struct dkim_verifier *v, struct dkim_result *r, struct sig *s, const struct dkim_tags *tags)
{
	struct span q = dkim_tags_value(tags, "q");

	if (!has_all(r, tags))
		return false;
	if (!span_eq(dkim_tags_value(tags, "v"), span_str(v->dialect->version)))
		return none(r, "v= is no version that is known");
	r->domain = dns_name(v->a, dkim_tags_value(tags, "d"));
	r->selector = dns_name(v->a, dkim_tags_value(tags, "s"));
	if (!r->domain.len || !r->selector.len)
		return none(r, "d= or s= is no name");
	/* RFC 8301 section 3.1: rsa-sha1 is as good as no signature */
	if (!dkim_algorithm_parse(dkim_tags_value(tags, "a"), &r->algorithm))
		return none(r, "a= names no algorithm that counts");
	if (!read_octets(v, dkim_tags_value(tags, "b"), &r->signature) ||
		!read_octets(v, dkim_tags_value(tags, "bh"), &s->body_hash))
		return none(r, "b= or bh= is no base64");
	if (q.ptr && !dkim_tags_has(q, SPAN("dns/txt")))
		return none(r, "q= names no way to the key that is known");
	s->limit = UINT64_MAX;
	if (!read_number(tags, "l", 76, &s->limit))
		return none(r, "l= is no length");
	return read_canon(r, s, tags) && read_names(r, tags) &&
		read_identity(v, r, dkim_tags_value(tags, "i")) && read_times(v, r, tags);
}

/* One signature field. What can be decided without its key is. */
static void read_field(struct dkim_verifier *v, const struct dkim_field *f)
{
	struct dkim_result *r = &v->results[v->count];
	struct sig *s = &v->sigs[v->count++];
	struct dkim_tags *tags = ARENA_NEW(v->a, struct dkim_tags);
	struct span value;
	const struct dkim_tag *b;

	*r = (struct dkim_result){.reason = ""};
	s->digest = -1;
	s->own.field = f->whole;
	if (span_ends_nocase(s->own.field, SPAN("\r\n")))
		s->own.field.len -= 2;
	value = span_skip(s->own.field, (size_t)span_find(s->own.field, ':') + 1);
	if (s->own.field.len > DKIM_FIELD_MAX) {
		none(r, "the field is too long");
		return;
	}
	if (dkim_tags_parse(value, tags, NULL) < 0) {
		none(r, "the field is no list of tags");
		return;
	}
	if (!read_tags(v, r, s, tags))
		return;
	b = dkim_tags_get(tags, "b");
	/* Section 3.7: with all blanks around the value, whatever stands there. */
	s->own.from = (size_t)(b->raw.ptr - s->own.field.ptr);
	s->own.to = s->own.from + b->raw.len;
	s->digest = dkim_message_want(&v->message, s->body, s->limit);
	if (s->digest < 0)
		settle(r, DKIM_NEUTRAL, "more different signatures than are looked at");
	else
		r->key_name = dkim_key_name(v->a, v->dialect, r->selector, r->domain);
}

static void read_header(void *arg, struct dkim_message *m)
{
	struct dkim_verifier *v = arg;
	struct span name = span_str(v->dialect->field);
	uint64_t hash = dkim_name_hash(name);
	size_t n = 0;

	for (size_t i = 0; i < m->field_count; i++)
		n += m->fields[i].hash == hash && span_eq_nocase(m->fields[i].name, name);
	if (n > DKIM_SIGNATURES_MAX)
		n = DKIM_SIGNATURES_MAX;
	v->sigs = ARENA_ARRAY(v->a, struct sig, n);
	v->results = ARENA_ARRAY(v->a, struct dkim_result, n);
	for (size_t i = 0; v->count < n; i++) {
		if (m->fields[i].hash == hash && span_eq_nocase(m->fields[i].name, name))
			read_field(v, &m->fields[i]);
	}
}

static void close_verifier(void *arg)
{
	struct dkim_verifier *v = arg;

	dkim_message_fini(&v->message);
}

struct dkim_verifier *dkim_verifier_new(
	struct arena *a, const struct dkim_dialect *d, int64_t now_sec)
{
	struct dkim_verifier *v = ARENA_NEW(a, struct dkim_verifier);

	v->a = a;
	v->dialect = d;
	v->now_sec = now_sec;
	dkim_message_init(&v->message, read_header, v);
	arena_defer(a, close_verifier, v);
	return v;
}

void dkim_verifier_feed(struct dkim_verifier *v, struct span octets)
{
	dkim_message_feed(&v->message, octets);
}

/* ---- body and key (sections 6.1.2, 6.1.3) ---- */

static void check_body(struct dkim_verifier *v, struct dkim_result *r, const struct sig *s)
{
	const struct dkim_digest *d = &v->message.digests[s->digest];

	if (s->limit != UINT64_MAX && s->limit > d->len)
		none(r, "l= is longer than the body");
	else if (!span_eq(s->body_hash, span_of(d->value, DKIM_DIGEST_LEN)))
		settle(r, DKIM_FAIL, "the body is not the one that was signed");
	r->is_partial = s->limit < d->len;
}

size_t dkim_verifier_end(struct dkim_verifier *v, struct dkim_result **results_r)
{
	dkim_message_end(&v->message);
	for (size_t i = 0; i < v->count; i++) {
		struct dkim_result *r = &v->results[i];

		if (!r->key_name.len)
			continue;
		if (v->message.troubles & MAIL_HEADER_TOO_LONG)
			settle(r, DKIM_NEUTRAL, "the header is longer than is looked at");
		else
			check_body(v, r, &v->sigs[i]);
	}
	*results_r = v->results;
	return v->count;
}

static bool is_usable(struct dkim_result *r, const struct dkim_record *key)
{
	struct span of = span_skip(r->identity, (size_t)span_rfind(r->identity, '@') + 1);

	r->is_testing = key->is_testing;
	if (!key->has_service)
		return none(r, "the key is not for mail");
	if (!key->has_sha256)
		return none(r, "the key is not for SHA-256");
	if (!key->is_known || key->algorithm != r->algorithm)
		return none(r, "the key is of another kind than a= says");
	if (key->is_revoked)
		return none(r, "the key was revoked");
	if (key->is_exact && !span_eq_nocase(of, r->domain))
		return none(r, "the key is not for subdomains");
	r->key_bits = dkim_record_bits(key);
	if (!r->key_bits)
		return none(r, "the key is none");
	/* RFC 8301 section 3.2 */
	if (r->algorithm == DKIM_RSA_SHA256 &&
		(r->key_bits < DKIM_RSA_BITS_MIN || r->key_bits > DKIM_RSA_BITS_MAX))
		return none(r, "the key is too short, or too long");
	return true;
}

static void check_signature(struct dkim_verifier *v, struct dkim_result *r, const struct sig *s,
	const struct dkim_record *key)
{
	unsigned char digest[DKIM_DIGEST_LEN];

	dkim_message_hash(&v->message, s->header, r->names, &s->own, digest);
	if (!dkim_record_verify(key, digest, r->signature))
		settle(r, DKIM_FAIL, "the header is not the one that was signed");
	else if (r->is_partial)
		settle(r, DKIM_NEUTRAL, "l= leaves some of the body unsigned");
	else
		settle(r, DKIM_PASS, "");
}

void dkim_verifier_key(struct dkim_verifier *v, size_t i, enum dkim_key_answer answer,
	const struct span *texts, size_t count)
{
	struct dkim_result *r = &v->results[i];
	struct dkim_record key;
	size_t n = 0;

	MUST(i < v->count);
	if (!r->key_name.len)
		return;
	if (answer == DKIM_KEY_ERROR) {
		settle(r, DKIM_TEMPERROR, "the key could not be looked up");
		return;
	}
	/* Section 6.1.2, 4: of several records the first that is one. */
	while (n < count && dkim_record_parse(v->a, v->dialect, texts[n], &key, NULL) < 0)
		n++;
	if (answer == DKIM_KEY_NONE || count == 0)
		none(r, "there is no key for it");
	else if (n == count)
		none(r, "the key's record is none");
	else if (is_usable(r, &key))
		check_signature(v, r, &v->sigs[i], &key);
}
