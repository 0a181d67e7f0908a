/* What a list sends is signed with its own domain: the author's signature may not have outlived what the
 * list changed. The author's stays where it is, broken or not (RFC 6376 section 4.2: a signer should not
 * remove one): a verifier looks at each for itself. */

#include "services/lists/lists_priv.h"

#define SIGN_PIECE (64 * 1024)

struct span lists_join_spans(struct arena *a, struct span one, struct span two)
{
	struct buf *b;

	if (!one.len || !two.len)
		return one.len ? one : two;
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

FIBER int lists_sign_begin(struct lists_post *p, const struct spool_new *letter,
	struct sign_job **job_r, struct err *e)
{
	struct signer *signer = p->lists->opts.signer;
	bool has = false;

	*job_r = NULL;
	if (!signer)
		return 0;
	if (signer_has(signer, p->list.domain, &has, e) < 0)
		return -1;
	if (!has)
		return 0;
	*job_r = sign_job_new(signer, p->a);
	return feed(*job_r, letter, e);
}

FIBER int lists_sign_end(struct lists_post *p, struct sign_job *job, struct span front,
	struct span *fields_r, struct err *e)
{
	struct err why = {0};
	struct buf fields;
	int rc;

	*fields_r = SPAN_NONE;
	if (!job)
		return 0;
	buf_init(&fields, SIGN_FIELDS_MAX);
	rc = sign_front(job, front, p->list.domain, &fields, &why);
	if (rc == 0)
		*fields_r = arena_span(p->a, buf_span(&fields));
	buf_fini(&fields);
	/* What cannot be signed at all goes out without; else later may work. */
	return rc == 0 || why.enh_class == 5 ? 0 : err_copy(e, &why);
}
