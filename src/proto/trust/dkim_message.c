#include "proto/trust/dkim_message.h"

/* OpenSSL's type of that name meets our error code. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/evp.h>
#undef ERR_STATE
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "proto/trust/dkim_tags.h"

/* ---- digests ---- */

static void hash_body(void *arg, struct span octets)
{
	struct dkim_digest *d = arg;

	if (octets.len > d->left)
		octets.len = (size_t)d->left;
	d->left -= octets.len;
	MUST(EVP_DigestUpdate(d->md, octets.ptr, octets.len) == 1);
}

static EVP_MD_CTX *sha256(void)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();

	MUST(md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1);
	return md;
}

int dkim_message_want(struct dkim_message *m, enum dkim_canon canon, uint64_t limit)
{
	struct dkim_digest *d;

	for (size_t i = 0; i < m->digest_count; i++) {
		if (m->digests[i].canon == canon && m->digests[i].limit == limit)
			return (int)i;
	}
	if (m->digest_count == DKIM_BODIES_MAX)
		return -1;
	d = &m->digests[m->digest_count];
	*d = (struct dkim_digest){.canon = canon, .limit = limit, .left = limit, .md = sha256()};
	dkim_body_init(&d->body, canon, (struct dkim_sink){hash_body, d});
	return (int)m->digest_count++;
}

/* ---- header ---- */

uint64_t dkim_name_hash(struct span name)
{
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < name.len; i++)
		h = (h ^ span_lower((unsigned char)name.ptr[i])) * 0x100000001b3;
	return h;
}

/* Its octets may still be on their way to `kept`: places now, spans when the header is done. */
static void note_field(void *arg, const struct mail_field *f)
{
	struct dkim_message *m = arg;

	if (m->field_count == m->field_cap) {
		m->field_cap = m->field_cap ? 2 * m->field_cap : 32;
		m->fields = mem_realloc(m->fields, m->field_cap * sizeof(*m->fields));
	}
	m->fields[m->field_count++] = (struct dkim_field){
		.name = span_of(NULL, f->name.len),
		.whole = span_of(NULL, (size_t)f->len),
		.hash = dkim_name_hash(f->name),
		.at = (size_t)f->offset,
	};
}

static void end_header(struct dkim_message *m)
{
	struct span kept = buf_span(&m->kept);

	m->is_done = true;
	m->troubles = m->header.troubles;
	for (size_t i = 0; i < m->field_count; i++) {
		struct dkim_field *f = &m->fields[i];

		f->whole = span_sub(kept, f->at, f->whole.len);
		f->name = span_sub(f->whole, 0, f->name.len);
	}
	if (m->header_done)
		m->header_done(m->arg, m);
}

void dkim_message_init(
	struct dkim_message *m, void (*header_done)(void *arg, struct dkim_message *m), void *arg)
{
	memset(m, 0, sizeof(*m));
	m->header_done = header_done;
	m->arg = arg;
	mail_header_init(&m->header, note_field, m);
	buf_init(&m->kept, MAIL_HEADER_MAX + MAIL_FIELD_NAME_MAX);
}

void dkim_message_fini(struct dkim_message *m)
{
	for (size_t i = 0; i < m->digest_count; i++)
		EVP_MD_CTX_free(m->digests[i].md);
	mail_header_fini(&m->header);
	buf_fini(&m->kept);
	free(m->fields);
	memset(m, 0, sizeof(*m));
}

static void feed_body(struct dkim_message *m, struct span octets)
{
	for (size_t i = 0; i < m->digest_count; i++)
		dkim_body_feed(&m->digests[i].body, octets);
}

/* The beginning of a line that turned out to be no field was kept as header before. */
static void begin_body(struct dkim_message *m)
{
	size_t at = (size_t)m->header.body_offset;

	end_header(m);
	feed_body(m, span_skip(buf_span(&m->kept), at));
}

void dkim_message_feed(struct dkim_message *m, struct span octets)
{
	uint64_t before = m->header.fed;
	size_t n;

	if (m->is_done) {
		feed_body(m, octets);
		return;
	}
	n = mail_header_feed(&m->header, octets);
	MUST(n == octets.len || m->header.is_done);
	buf_span_put(&m->kept, span_sub(octets, 0, n));
	MUST(buf_ok(&m->kept) && (m->header.is_done || m->header.fed == before + n));
	if (m->header.is_done) {
		begin_body(m);
		feed_body(m, span_skip(octets, n));
	}
}

void dkim_message_end(struct dkim_message *m)
{
	if (!m->is_done) {
		mail_header_finish(&m->header);
		begin_body(m);
	}
	for (size_t i = 0; i < m->digest_count; i++) {
		struct dkim_digest *d = &m->digests[i];

		dkim_body_end(&d->body);
		d->len = d->body.put;
		MUST(EVP_DigestFinal_ex(d->md, d->value, NULL) == 1);
	}
}

struct fronting {
	struct span front;
	struct dkim_field *fields;
	size_t count, max;
};

static void note_front(void *arg, const struct mail_field *f)
{
	struct fronting *x = arg;
	struct span whole = span_sub(x->front, (size_t)f->offset, (size_t)f->len);

	if (x->fields && x->count < x->max)
		x->fields[x->count] = (struct dkim_field){.name = span_sub(whole, 0, f->name.len),
			.whole = whole,
			.hash = dkim_name_hash(f->name)};
	x->count++;
}

static void walk_front(struct fronting *x)
{
	struct mail_header h;

	x->count = 0;
	mail_header_init(&h, note_front, x);
	mail_header_feed(&h, x->front);
	mail_header_finish(&h);
	mail_header_fini(&h);
}

void dkim_message_with_front(const struct dkim_message *m, struct arena *a, struct span front,
	struct dkim_message *with_r)
{
	struct fronting x = {.front = front};

	walk_front(&x);
	x.max = x.count;
	x.fields = ARENA_ARRAY(a, struct dkim_field, x.count + m->field_count);
	walk_front(&x);
	if (m->field_count)
		memcpy(x.fields + x.max, m->fields, m->field_count * sizeof(*m->fields));
	*with_r = *m;
	with_r->fields = x.fields;
	with_r->field_count = x.max + m->field_count;
}

/* ---- the digest that is signed ---- */

static void hash_field(void *arg, struct span octets)
{
	MUST(EVP_DigestUpdate(arg, octets.ptr, octets.len) == 1);
}

/* Which instance of a name is next: from the last one up. */
struct cursor {
	uint64_t hash;
	struct span name;
	size_t next; /* fields [0, next) are left */
};

static const struct dkim_field *take_field(
	const struct dkim_message *m, struct cursor *seen, size_t *seen_count, struct span name)
{
	uint64_t hash = dkim_name_hash(name);
	struct cursor *c = seen;

	while (c < seen + *seen_count && (c->hash != hash || !span_eq_nocase(c->name, name)))
		c++;
	if (c == seen + *seen_count) {
		*c = (struct cursor){hash, name, m->field_count};
		++*seen_count;
	}
	while (c->next) {
		const struct dkim_field *f = &m->fields[--c->next];

		if (f->hash == hash && span_eq_nocase(f->name, name))
			return f;
	}
	return NULL;
}

bool dkim_message_hash(const struct dkim_message *m, enum dkim_canon canon, struct span names,
	const struct dkim_own *own, unsigned char digest[DKIM_DIGEST_LEN])
{
	struct cursor *seen = mem_alloc(DKIM_NAMES_MAX * sizeof(*seen));
	EVP_MD_CTX *md = sha256();
	struct dkim_sink sink = {hash_field, md};
	size_t seen_count = 0, n = 0;
	struct span name;

	while (n < DKIM_NAMES_MAX && dkim_tags_word(&names, &name)) {
		const struct dkim_field *f = take_field(m, seen, &seen_count, name);

		/* What is not there is nothing, and nothing may come there (section 5.4). */
		if (f)
			dkim_canon_field(sink, canon, f->whole);
		n++;
	}
	dkim_canon_own(sink, canon, own);
	MUST(EVP_DigestFinal_ex(md, digest, NULL) == 1);
	EVP_MD_CTX_free(md);
	free(seen);
	return names.ptr == NULL;
}
