#include "store/email.h"

#include "store/email_list.h"
#include "store/email_priv.h"

FIBER int email_query(struct store *s, struct arena *a, const struct email_eyes *eyes,
	struct email_query *q, struct err *e)
{
	struct email_list l;

	q->ids = NULL;
	q->count = 0;
	q->at = q->total = 0;
	q->is_anchor_missing = false;
	if (email_list_of(q, eyes->account_id, &l))
		return email_list_query(s, a, eyes, &l, q, e);
	return err_set(e, ERR_STATE, "not answered yet");
}
