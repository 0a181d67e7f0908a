/* Email/query (RFC 8621 section 4.4). */
#include "services/jmapd/jmapd_email.h"

#define QUERY_MAX 10000 /* ids of one answer; docs/jmap.md */

FIBER int jmap_email_take_query(
	struct jmap_call *c, struct jmap_account **account_r, struct email_query *q, struct err *e)
{
	if (jmap_account(c, account_r, e) < 0 || jmap_email_filter(c, &q->filter, e) < 0 ||
		jmap_email_sort(c, &q->sort, &q->sort_count, e) < 0 ||
		jmap_arg_bool(c, "calculateTotal", &q->wants_total, e) < 0 ||
		jmap_arg_bool(c, "collapseThreads", &q->collapses, e) < 0)
		return -1;
	return 0;
}

void jmap_put_email_ids(struct json_out *j, const char *name, const uint64_t *ids, size_t count)
{
	json_key(j, name);
	json_open_array(j);
	for (size_t i = 0; i < count; i++)
		jmap_put_id(j, 'M', ids[i]);
	json_close(j);
}

/* Errors of the store as the client hears them: what it cannot do is a filter that asks too much. */
int jmap_filter_failed(struct jmap_call *c, struct err *e)
{
	if (e->code == ERR_UNSUPPORTED || e->code == ERR_LIMIT)
		return jmap_fail(c, "unsupportedFilter", e, "the filter asks for too much");
	return err_wrap(e, "a query");
}

static int take_window(struct jmap_call *c, struct email_query *q, int64_t *limit, struct err *e)
{
	struct span anchor = SPAN_NONE;

	*limit = -1;
	if (jmap_arg_int(c, "position", -JSON_IN_INT, JSON_IN_INT, &q->position, e) < 0 ||
		jmap_arg_text(c, "anchor", &anchor, e) < 0 ||
		jmap_arg_int(c, "anchorOffset", -JSON_IN_INT, JSON_IN_INT, &q->anchor_offset, e) <
			0 ||
		jmap_arg_int(c, "limit", 0, JSON_IN_INT, limit, e) < 0)
		return -1;
	if (anchor.ptr && !jmap_id_of(c, anchor, 'M', &q->anchor))
		return jmap_fail(c, "anchorNotFound", e, "the anchor is not in the results");
	q->limit = *limit >= 0 && *limit < QUERY_MAX ? (size_t)*limit : QUERY_MAX;
	return 0;
}

FIBER int jmap_email_query(struct jmap_call *c, struct err *e)
{
	struct email_query q = {0};
	struct jmap_account *account;
	int64_t limit;

	if (jmap_email_take_query(c, &account, &q, e) < 0 || take_window(c, &q, &limit, e) < 0)
		return -1;
	if (email_query(jmapd_opts_of(c->d)->store, c->a, &account->eyes, &q, e) < 0)
		return jmap_filter_failed(c, e);
	if (q.is_anchor_missing)
		return jmap_fail(c, "anchorNotFound", e, "the anchor is not in the results");
	json_key(c->out, "accountId");
	jmap_put_id(c->out, 'A', account->id);
	json_key(c->out, "queryState");
	jmap_put_state(c->out, q.state);
	json_kv_bool(c->out, "canCalculateChanges", q.can_calculate);
	json_kv_u64(c->out, "position", q.at);
	jmap_put_email_ids(c->out, "ids", q.ids, q.count);
	if (q.wants_total)
		json_kv_u64(c->out, "total", q.total);
	/* RFC 8620 section 5.5: told when it is not what was asked for */
	if (limit < 0 || limit > QUERY_MAX)
		json_kv_u64(c->out, "limit", QUERY_MAX);
	json_kv_bool(c->out, "collapseThreads", q.collapses);
	return 0;
}
