/* EmailSubmission/query and /queryChanges (RFC 8621 sections 7.3 and 7.4). An account's submissions are few: they are
 * looked through. */
#include <stdlib.h>

#include "services/jmapd/jmapd_email.h"
#include "services/jmapd/jmapd_submission.h"

#define FILTER_DEPTH 16
#define SORTS_MAX    4

enum sort_key { SORT_EMAIL, SORT_THREAD, SORT_SENT };
struct sort {
	enum sort_key key;
	bool is_descending;
};
struct query {
	struct jmap_call *c;
	struct jmap_account *account;
	const struct json_in *filter;
	struct sort sorts[SORTS_MAX];
	size_t sort_count;
	struct outbox_row *rows;
	size_t count;
	uint64_t state;
};

/* ---- filter ---- */

static int fail_filter(struct jmap_call *c, struct err *e)
{
	return jmap_fail(c, "unsupportedFilter", e, "the filter has something that is not known");
}

static int check_filter(struct jmap_call *c, const struct json_in *f, unsigned depth, struct err *e)
{
	static const char *const names[] = {
		"identityIds", "emailIds", "threadIds", "undoStatus", "before", "after"};
	const struct json_in *v, *list = json_in_get(f, "conditions");
	const char *name;
	int64_t ns;
	void *at = NULL;

	if (!json_in_is_object(f))
		return jmap_fail_argument(c, e, "filter", "an object is expected");
	if (depth > FILTER_DEPTH)
		return fail_filter(c, e);
	if (json_in_get(f, "operator")) {
		struct span op = json_in_text(f, "operator");

		if ((!span_eq(op, SPAN("AND")) && !span_eq(op, SPAN("OR")) &&
			    !span_eq(op, SPAN("NOT"))) ||
			!json_in_is_array(list))
			return jmap_fail_argument(
				c, e, "filter", "an operator is AND, OR or NOT, with conditions");
		for (size_t i = 0; i < json_in_count(list); i++)
			if (check_filter(c, json_in_at(list, i), depth + 1, e) < 0)
				return -1;
		return 0;
	}
	while (json_in_next(f, &at, &name, &v)) {
		size_t i = 0;

		while (i < 6 && !span_eq(span_str(name), span_str(names[i])))
			i++;
		if (i == 6)
			return fail_filter(c, e);
		if ((i < 3 && !json_in_is_array(v)) || (i >= 3 && !json_in_is_text(v)) ||
			(i > 3 && !jmap_date(json_in_span(v), &ns)))
			return jmap_fail_argument(
				c, e, "filter", "a condition has a value of another kind");
	}
	return 0;
}

static bool has_id(struct jmap_call *c, const struct json_in *list, char kind, uint64_t id)
{
	for (size_t i = 0; i < json_in_count(list); i++) {
		uint64_t one;

		if (jmap_id_of(c, json_in_span(json_in_at(list, i)), kind, &one) && one == id)
			return true;
	}
	return false;
}

static bool meets(struct jmap_call *c, const struct json_in *f, const struct outbox_row *r)
{
	static const char *const words[] = {"pending", "final", "canceled"};
	const struct json_in *v;
	int64_t ns;

	if ((v = json_in_get(f, "identityIds")) && !has_id(c, v, 'I', r->identity_id))
		return false;
	if ((v = json_in_get(f, "emailIds")) && !has_id(c, v, 'M', r->email_id))
		return false;
	if ((v = json_in_get(f, "threadIds")) && !has_id(c, v, 'T', r->thread_id))
		return false;
	if ((v = json_in_get(f, "undoStatus")) &&
		!span_eq(json_in_span(v), span_str(words[r->undo])))
		return false;
	if ((v = json_in_get(f, "before")) && jmap_date(json_in_span(v), &ns) &&
		r->send_at_ns >= ns)
		return false;
	return !((v = json_in_get(f, "after")) && jmap_date(json_in_span(v), &ns) &&
		r->send_at_ns < ns);
}

/* As deep as FILTER_DEPTH: it was checked. */
static bool matches(struct jmap_call *c, const struct json_in *f, const struct outbox_row *r)
{
	struct span op = json_in_text(f, "operator");
	const struct json_in *list = json_in_get(f, "conditions");
	bool is_and = span_eq(op, SPAN("AND")), has_one = false;

	if (!op.ptr)
		return meets(c, f, r);
	for (size_t i = 0; i < json_in_count(list); i++) {
		bool is_met = matches(c, json_in_at(list, i), r);

		if (is_and && !is_met)
			return false;
		has_one |= is_met;
	}
	return is_and ? true : span_eq(op, SPAN("NOT")) ? !has_one : has_one;
}

/* ---- sort ---- */

static int read_sorts(struct query *q, struct err *e)
{
	static const char *const keys[] = {"emailId", "threadId", "sentAt"};
	const struct json_in *list = json_in_get(q->c->args, "sort");

	if (!list || json_in_is_null(list))
		return 0;
	if (!json_in_is_array(list))
		return jmap_fail_argument(q->c, e, "sort", "a list is expected");
	for (size_t i = 0; i < json_in_count(list); i++) {
		struct jmap_comparator by;
		size_t k = 0;

		if (jmap_comparator_of(q->c, json_in_at(list, i), &by, e) < 0)
			return -1;
		while (k < 3 && !span_eq(by.property, span_str(keys[k])))
			k++;
		if (k == 3 || q->sort_count == SORTS_MAX)
			return jmap_fail(q->c, "unsupportedSort", e, "it cannot be sorted so");
		q->sorts[q->sort_count++] = (struct sort){(enum sort_key)k, by.is_descending};
	}
	return 0;
}

static int compare(const void *a, const void *b, void *arg)
{
	const struct outbox_row *x = a, *y = b;
	const struct query *q = arg;

	for (size_t i = 0; i < q->sort_count; i++) {
		uint64_t l = 0, r = 0;

		switch (q->sorts[i].key) {
		case SORT_EMAIL: l = x->email_id, r = y->email_id; break;
		case SORT_THREAD: l = x->thread_id, r = y->thread_id; break;
		case SORT_SENT: l = (uint64_t)x->send_at_ns, r = (uint64_t)y->send_at_ns; break;
		}
		if (l != r)
			return ((l > r) - (l < r)) * (q->sorts[i].is_descending ? -1 : 1);
	}
	return (x->id < y->id) - (x->id > y->id); /* the newest first */
}

static FIBER int run(struct query *q, struct err *e)
{
	struct store *s = jmapd_opts_of(q->c->d)->store;
	size_t n = 0;

	if (jmap_account(q->c, &q->account, e) < 0)
		return -1;
	q->filter = json_in_get(q->c->args, "filter");
	if (q->filter && json_in_is_null(q->filter))
		q->filter = NULL;
	if ((q->filter && check_filter(q->c, q->filter, 0, e) < 0) || read_sorts(q, e) < 0 ||
		object_state(s, q->account->id, OBJECT_SUBMISSION, &q->state, e) < 0 ||
		outbox_list(s, q->c->a, q->account->id, &q->rows, &q->count, e) < 0)
		return -1;
	for (size_t i = 0; i < q->count; i++)
		if (!q->filter || matches(q->c, q->filter, &q->rows[i]))
			q->rows[n++] = q->rows[i];
	q->count = n;
	qsort_r(q->rows, n, sizeof(*q->rows), compare, q);
	return 0;
}

/* ---- the methods ---- */

static FIBER int window(struct query *q, int64_t *at_r, int64_t *limit_r, struct err *e)
{
	struct jmap_call *c = q->c;
	int64_t position = 0, offset = 0, limit = OUTBOX_GET_MAX, max = JSON_IN_INT;
	struct span anchor = SPAN_NONE;
	uint64_t id = 0;
	size_t i = 0;

	if (jmap_arg_int(c, "position", -max, max, &position, e) < 0 ||
		jmap_arg_int(c, "anchorOffset", -max, max, &offset, e) < 0 ||
		jmap_arg_int(c, "limit", 0, max, &limit, e) < 0 ||
		jmap_arg_text(c, "anchor", &anchor, e) < 0)
		return -1;
	if (anchor.ptr) {
		jmap_id_of(c, anchor, 'S', &id);
		while (i < q->count && q->rows[i].id != id)
			i++;
		if (i == q->count)
			return jmap_fail(c, "anchorNotFound", e, "it is not in the results");
		position = (int64_t)i + offset;
	} else if (position < 0) {
		position += (int64_t)q->count;
	}
	*at_r = position < 0 ? 0 : position;
	*limit_r = limit < OUTBOX_GET_MAX ? limit : OUTBOX_GET_MAX;
	return 0;
}

FIBER int jmap_submission_query(struct jmap_call *c, struct err *e)
{
	struct query q = {.c = c};
	int64_t at, limit, wanted = -1;
	bool wants_total = false;

	if (run(&q, e) < 0 || window(&q, &at, &limit, e) < 0 ||
		jmap_arg_bool(c, "calculateTotal", &wants_total, e) < 0 ||
		jmap_arg_int(c, "limit", 0, JSON_IN_INT, &wanted, e) < 0)
		return -1;
	json_key(c->out, "accountId");
	jmap_put_id(c->out, 'A', q.account->id);
	json_key(c->out, "queryState");
	jmap_put_state(c->out, q.state);
	json_kv_bool(c->out, "canCalculateChanges", true);
	json_kv_i64(c->out, "position", at);
	json_key(c->out, "ids");
	json_open_array(c->out);
	for (int64_t i = at; i < (int64_t)q.count && i < at + limit; i++)
		jmap_put_id(c->out, 'S', q.rows[i].id);
	json_close(c->out);
	if (wants_total)
		json_kv_u64(c->out, "total", q.count);
	if (limit != wanted)
		json_kv_i64(c->out, "limit", limit);
	return 0;
}

static bool is_changed(const struct object_change *list, size_t count, uint64_t id)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].id == id && list[i].how != OBJECT_DESTROYED)
			return true;
	return false;
}

/* What changed is told as gone and, where it belongs now, as come (RFC 8620 section 5.6). */
static void put_query_changes(struct query *q, const struct object_change *list, size_t count)
{
	struct json_out *j = q->c->out;

	json_key(j, "removed");
	json_open_array(j);
	for (size_t i = 0; i < count; i++)
		if (list[i].how != OBJECT_CREATED)
			jmap_put_id(j, 'S', list[i].id);
	json_close(j);
	json_key(j, "added");
	json_open_array(j);
	for (size_t i = 0; i < q->count; i++) {
		if (!is_changed(list, count, q->rows[i].id))
			continue;
		json_open_object(j);
		json_key(j, "id");
		jmap_put_id(j, 'S', q->rows[i].id);
		json_kv_u64(j, "index", i);
		json_close(j);
	}
	json_close(j);
}

FIBER int jmap_submission_query_changes(struct jmap_call *c, struct err *e)
{
	struct query q = {.c = c};
	struct span since_text = SPAN_NONE, up_to = SPAN_NONE;
	struct object_change *list;
	uint64_t since, upto;
	int64_t max = 0;
	bool wants_total = false, is_more = false;
	struct err why = {0};
	size_t count;

	if (jmap_arg_text(c, "sinceQueryState", &since_text, e) < 0 ||
		jmap_arg_text(c, "upToId", &up_to, e) < 0 ||
		jmap_arg_bool(c, "calculateTotal", &wants_total, e) < 0 ||
		jmap_arg_int(c, "maxChanges", 1, JSON_IN_INT, &max, e) < 0)
		return -1;
	if (!since_text.ptr)
		return jmap_fail_argument(c, e, "sinceQueryState", "it is missing");
	if (run(&q, e) < 0)
		return -1;
	if (!jmap_state_of(since_text, &since) ||
		object_changes(jmapd_opts_of(c->d)->store, c->a, q.account->id, OBJECT_SUBMISSION,
			since, 0, &list, &count, &upto, &is_more, &why) < 0)
		return why.code && why.code != ERR_STATE
			? err_copy(e, &why)
			: jmap_fail(c, "cannotCalculateChanges", e, "the state is not known");
	if (is_more)
		return jmap_fail(c, "cannotCalculateChanges", e, "too much has changed");
	if (max && (int64_t)count > max)
		return jmap_fail(c, "tooManyChanges", e, "there are more changes");
	json_key(c->out, "accountId");
	jmap_put_id(c->out, 'A', q.account->id);
	json_key(c->out, "oldQueryState");
	jmap_put_state(c->out, since);
	json_key(c->out, "newQueryState");
	jmap_put_state(c->out, q.state);
	if (wants_total)
		json_kv_u64(c->out, "total", q.count);
	put_query_changes(&q, list, count);
	return 0;
}
