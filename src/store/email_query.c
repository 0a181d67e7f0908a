/* Email/query: a mailbox's list by time is read where it stands, anything else is a result that is kept. */

#include "store/email.h"

#include <string.h>

#include "store/email_find.h"
#include "store/email_list.h"

/* A page of the whole. */
static void take_page(struct arena *a, struct email_query *q, const uint64_t *ids, size_t count)
{
	size_t at = 0, left;

	q->total = count;
	if (q->anchor) {
		while (at < count && ids[at] != q->anchor)
			at++;
		q->is_anchor_missing = at == count;
		if (q->is_anchor_missing)
			return;
		q->at = q->anchor_offset < 0 && (uint64_t)-q->anchor_offset > at
			? 0
			: at + (uint64_t)q->anchor_offset;
	} else {
		q->at = email_page_begin(q->position, count);
	}
	if (q->at >= count)
		return;
	left = count - q->at;
	q->count = left < q->limit ? left : q->limit;
	q->ids = ARENA_ARRAY(a, uint64_t, q->count + 1);
	memcpy(q->ids, ids + q->at, q->count * sizeof(*ids));
}

FIBER int email_query(struct store *s, struct arena *a, const struct email_eyes *eyes,
	struct email_query *q, struct err *e)
{
	struct email_list l;
	struct arena *work;
	uint64_t *ids;
	size_t count;
	int rc;

	q->ids = NULL;
	q->count = 0;
	q->at = q->total = 0;
	q->is_anchor_missing = false;
	q->can_calculate = true;
	if (email_list_of(q, eyes->account_id, &l))
		return email_list_query(s, a, eyes, &l, q, e);
	work = arena_new();
	rc = email_find(s, work, eyes, q, &ids, &count, &q->state, e);
	if (rc == 0)
		take_page(a, q, ids, count);
	arena_free(&work);
	return rc;
}
