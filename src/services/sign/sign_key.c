#include "services/sign/sign_key.h"

#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "base/secret.h"
#include "proto/trust/dkim_key.h"
#include "services/router/router.h"

_Static_assert(DKIM_PEM_MAX <= DKIM_KEYS_PEM_MAX, "what is made can be kept");

static void wipe(void *arg)
{
	struct buf *b = arg;

	if (b->mem)
		secret_wipe(b->mem, b->cap);
}

/* A buffer that never grows by copying, and is wiped with the arena. */
static struct buf *secret_buf(struct arena *a)
{
	struct buf *b = arena_buf(a, DKIM_PEM_MAX);

	buf_reserve(b, DKIM_PEM_MAX);
	arena_defer(a, wipe, b);
	return b;
}

struct making {
	enum dkim_algorithm algorithm;
	unsigned bits;
	struct buf *pem;
};

static int generate(void *arg, struct err *e)
{
	struct making *m = arg;
	struct dkim_pkey *key = dkim_pkey_generate(m->algorithm, m->bits, e);
	int rc = key ? dkim_pkey_write(key, m->pem, e) : -1;

	dkim_pkey_free(&key);
	return rc;
}

/* ---- names ---- */

static struct span today(struct arena *a)
{
	struct clock_civil c;

	clock_to_civil(loop_wall_ns() / CLOCK_SEC, 0, &c);
	return span_str(arena_printf(a, "%04d%02d%02d", c.year, c.month, c.day));
}

static bool is_taken(const struct dkim_keys_row *rows, size_t count, struct span selector)
{
	for (size_t i = 0; i < count; i++) {
		if (span_eq(rows[i].selector, selector))
			return true;
	}
	return false;
}

/* "20261123-rsa", and "20261123b-rsa" when there is such a one. */
static FIBER int free_name(
	struct store *s, struct arena *a, struct span domain, struct span *front_r, struct err *e)
{
	struct span day = today(a);
	struct dkim_keys_row *rows;
	size_t count;

	if (dkim_keys_list(s, a, domain, &rows, &count, e) < 0)
		return -1;
	*front_r = day;
	for (char c = 'b'; c <= 'z'; c++) {
		const char *front = arena_str(a, *front_r);

		if (!is_taken(rows, count, *front_r) &&
			!is_taken(rows, count, span_str(arena_printf(a, "%s-rsa", front))) &&
			!is_taken(rows, count, span_str(arena_printf(a, "%s-ed", front))))
			return 0;
		*front_r = span_str(arena_printf(a, SPAN_FMT "%c", SPAN_ARG(day), c));
	}
	return err_set(e, ERR_EXISTS, "give the key a selector of its own (--selector)");
}

static FIBER int name_of(struct store *s, struct arena *a, const struct sign_key_new *n,
	struct span *domain_r, struct span *front_r, struct err *e)
{
	*domain_r = router_domain_key(a, n->domain);
	if (!domain_r->len || domain_r->ptr[0] == '[')
		return err_set(e, ERR_SYNTAX, "'" SPAN_FMT "' is not a domain",
			SPAN_ARG(span_sub(n->domain, 0, 80)));
	*front_r = n->selector;
	if (n->selector.len && !dkim_is_selector(n->selector))
		return err_set(e, ERR_SYNTAX,
			"'" SPAN_FMT "' is not a selector: letters, digits and hyphens",
			SPAN_ARG(span_sub(n->selector, 0, 80)));
	return n->selector.len ? 0 : free_name(s, a, *domain_r, front_r, e);
}

/* ---- making ---- */

static FIBER int make_one(struct store *s, struct work_lane *lane, struct arena *a,
	const struct sign_key_new *n, struct dkim_keys_row *row, struct err *e)
{
	struct making m = {.bits = n->bits ? n->bits : SIGN_RSA_BITS, .pem = secret_buf(a)};

	MUST(dkim_algorithm_parse_key(row->algorithm, &m.algorithm));
	if (work_run(lane, generate, &m, e) < 0)
		return -1;
	row->pem = buf_span(m.pem);
	row->created_ns = row->changed_ns = loop_wall_ns();
	return dkim_keys_add(s, row, e);
}

FIBER int sign_key_make(struct store *s, struct work_lane *lane, struct arena *a,
	const struct sign_key_new *n, struct dkim_keys_row **rows_r, size_t *count_r, struct err *e)
{
	struct dkim_keys_row *rows = ARENA_ARRAY(a, struct dkim_keys_row, 2);
	bool is_both = n->has_rsa && n->has_ed25519;
	struct span domain, front;

	*count_r = 0;
	*rows_r = rows;
	if (name_of(s, a, n, &domain, &front, e) < 0)
		return -1;
	for (unsigned i = 0; i < 2; i++) {
		bool is_rsa = i == 0;
		struct dkim_keys_row *r = &rows[*count_r];

		if (!(is_rsa ? n->has_rsa : n->has_ed25519))
			continue;
		*r = (struct dkim_keys_row){.domain = domain,
			.selector = is_both || !n->selector.len
				? span_str(arena_printf(a, SPAN_FMT "%s", SPAN_ARG(front),
					  is_rsa ? "-rsa" : "-ed"))
				: front,
			.algorithm = is_rsa ? SPAN("rsa") : SPAN("ed25519"),
			.state = n->state,
			.is_wide = n->is_wide};
		if (make_one(s, lane, a, n, r, e) < 0)
			return -1;
		++*count_r;
	}
	return 0;
}

FIBER int sign_key_import(struct store *s, struct arena *a, const struct sign_key_new *n,
	struct span text, struct dkim_keys_row *row_r, struct err *e)
{
	struct dkim_pkey *key = dkim_pkey_read(text, e);
	struct buf *pem = secret_buf(a);
	int rc = -1;

	if (!key)
		return -1;
	*row_r = (struct dkim_keys_row){
		.state = n->state, .is_wide = n->is_wide, .created_ns = loop_wall_ns()};
	row_r->changed_ns = row_r->created_ns;
	row_r->algorithm = span_str(dkim_algorithm_key_str(dkim_pkey_algorithm(key)));
	if (name_of(s, a, n, &row_r->domain, &row_r->selector, e) == 0 &&
		dkim_pkey_write(key, pem, e) == 0) {
		row_r->pem = buf_span(pem);
		rc = dkim_keys_add(s, row_r, e);
	}
	dkim_pkey_free(&key);
	return rc;
}

/* ---- what is published ---- */

int sign_key_public(struct arena *a, const struct dkim_keys_row *row,
	struct sign_key_public *public_r, struct err *e)
{
	struct dkim_pkey *key = dkim_pkey_read(row->pem, e);
	struct buf *record = arena_buf(a, DKIM_RECORD_MAX),
		   *zone = arena_buf(a, 2 * DKIM_RECORD_MAX);
	struct buf *octets = arena_buf(a, DKIM_RECORD_MAX);
	int rc;

	if (!key)
		return err_wrap(e, "the key \"" SPAN_FMT "\" of " SPAN_FMT, SPAN_ARG(row->selector),
			SPAN_ARG(row->domain));
	*public_r = (struct sign_key_public){
		.name = dkim_key_name(a, &dkim_rfc6376, row->selector, row->domain),
		.bits = dkim_pkey_bits(key)};
	rc = dkim_pkey_record(key, &dkim_rfc6376, false, record, e);
	if (rc == 0)
		rc = dkim_pkey_public(key, octets, e);
	dkim_pkey_free(&key);
	public_r->record = buf_span(record);
	public_r->key = buf_span(octets);
	buf_printf(zone, SPAN_FMT ". IN TXT ", SPAN_ARG(public_r->name));
	dkim_record_put_strings(zone, public_r->record);
	public_r->zone = buf_span(zone);
	return rc;
}

const char *sign_key_judge(struct arena *a, const struct sign_key_public *key, struct span text)
{
	struct dkim_record r;
	struct err e = {0};

	if (dkim_record_parse(a, &dkim_rfc6376, text, &r, &e) < 0)
		return arena_printf(a, "what stands there is no key record: %s", e.text);
	if (r.is_revoked)
		return "p= is empty there: the key is revoked";
	if (!r.is_known || !span_eq(r.key, key->key))
		return "another key stands there";
	if (!r.has_service || !r.has_sha256)
		return "s= or h= there keeps the key from signing mail with SHA-256";
	if (r.is_testing)
		return "t=y stands there: signatures count for nothing while it is being tested";
	return NULL;
}
