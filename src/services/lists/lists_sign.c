/* What a list sends is signed with its own domain: the author's signature may not have outlived what the
 * list changed. The author's stays where it is, broken or not (RFC 6376 section 4.2: a signer should not
 * remove one): a verifier looks at each for itself. */

#include "services/lists/lists_priv.h"

#define SIGN_PIECE (64 * 1024)

struct span lists_join_spans(struct arena *a, struct span one, struct span two)
{
	struct buf *b;

	if (!one.len)
		return two;
	b = arena_buf(a, one.len + two.len);
	buf_span_put(b, one);
	buf_span_put(b, two);
	return buf_span(b);
}

static FIBER int feed(struct sign_job *job, const struct spool_new *letter, struct err *e)
{
	struct arena *a = arena_new();
	char *piece = arena_alloc(a, SIGN_PIECE);
	uint64_t at = 0;
	size_t got = 0;
	int rc = 0;

	sign_feed(job, letter->prefix);
	do {
		rc = stage_read(letter->body, at, piece, SIGN_PIECE, &got, e);
		if (rc == 0)
			sign_feed(job, span_of(piece, got));
		at += got;
		if (rc == 0)
			rc = fiber_breathe(e);
	} while (rc == 0 && got);
	arena_free(&a);
	return rc;
}

static FIBER int sign(struct lists_post *p, struct arena *a, const struct spool_new *letter,
	struct buf *fields, struct err *e)
{
	struct sign_job *job = sign_job_new(p->lists->opts.signer, a);

	return feed(job, letter, e) < 0 ? -1 : sign_end(job, p->list.domain, fields, e);
}

FIBER int lists_sign(
	struct lists_post *p, struct spool_new *letter, struct span *fields_r, struct err *e)
{
	struct signer *signer = p->lists->opts.signer;
	struct buf *fields = arena_buf(p->a, SIGN_FIELDS_MAX);
	struct err why = {0};
	struct arena *a;
	bool has = false;
	int rc;

	*fields_r = SPAN_NONE;
	if (!signer)
		return 0;
	if (signer_has(signer, p->list.domain, &has, e) < 0)
		return -1;
	if (!has)
		return 0;
	a = arena_new();
	rc = sign(p, a, letter, fields, &why);
	arena_free(&a);
	if (rc < 0 && why.enh_class != 5) /* later may work */
		return err_copy(e, &why);
	*fields_r = buf_span(fields);
	letter->prefix = lists_join_spans(p->a, *fields_r, letter->prefix);
	return 0;
}
