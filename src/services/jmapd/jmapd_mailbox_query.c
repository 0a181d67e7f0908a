/* Mailbox/query and Mailbox/queryChanges (RFC 8621 sections 2.3 and 2.4). Mailboxes are few: they are all looked
 * at each time. */
#include "services/jmapd/jmapd_mailbox.h"

#include <stdlib.h>

#include "base/must.h"
#include "services/jmapd/jmapd_email.h"

enum sort_by { SORT_NAME, SORT_ORDER, SORT_PARENT };
static const char *const sort_names[] = {"name", "sortOrder", "parentId"};

struct sort {
	enum sort_by by;
	bool is_descending;
};
#define SORTS_MAX 8

struct asking {
	struct jmap_call *c;
	struct jmap_account *account;
	struct jmap_boxes boxes;
	const struct json_in *filter; /* NULL: all */
	struct sort sorts[SORTS_MAX];
	size_t sort_count, nodes;
	bool is_sorted_as_tree, is_filtered_as_tree, wants_total;
	/* results */
	const struct jmap_box **list;
	size_t count;
};

/* ---- filter (section 2.3) ---- */

static const struct json_in *given(const struct json_in *v)
{
	return v && !json_in_is_null(v) ? v : NULL;
}

static int wrong(struct asking *q, const char *what, struct err *e)
{
	return jmap_fail_argument(q->c, e, "filter", what);
}

/* A text, or null for none. */
static int match_text(
	struct asking *q, const struct json_in *v, struct span text, bool *is_r, struct err *e)
{
	if (!json_in_is_text(v) && !json_in_is_null(v))
		return wrong(q, "a string or null is expected", e);
	*is_r = json_in_is_null(v) ? !text.len : span_eq(json_in_span(v), text);
	return 0;
}

static int match_parent(struct asking *q, const struct json_in *v, const struct jmap_box *b,
	bool *is_r, struct err *e)
{
	uint64_t id = 0;

	if (!json_in_is_text(v) && !json_in_is_null(v))
		return wrong(q, "parentId: an Id or null is expected", e);
	if (json_in_is_text(v) && !jmap_id_of(q->c, json_in_span(v), 'F', &id))
		*is_r = false;
	else
		*is_r = b->parent_id == id;
	return 0;
}

/* "Contains the given string", without case (section 2.3). */
static bool is_in(struct arena *a, struct span needle, struct span text)
{
	return span_find_span(facts_fold(a, text), facts_fold(a, needle)) >= 0;
}

static int match_member(struct asking *q, struct span name, const struct json_in *v,
	const struct jmap_box *b, bool *is_r, struct err *e)
{
	if (span_eq(name, SPAN("parentId")))
		return match_parent(q, v, b, is_r, e);
	if (span_eq(name, SPAN("role")))
		return match_text(q, v, b->role, is_r, e);
	if (span_eq(name, SPAN("name"))) {
		*is_r = is_in(q->c->a, json_in_span(v), b->name);
		return json_in_is_text(v) ? 0 : wrong(q, "name: a string is expected", e);
	}
	if (span_eq(name, SPAN("hasAnyRole"))) {
		*is_r = json_in_truth(v) == (b->role.len > 0);
		return json_in_is_bool(v) ? 0 : wrong(q, "hasAnyRole: true or false", e);
	}
	if (span_eq(name, SPAN("isSubscribed"))) {
		*is_r = json_in_truth(v) == b->is_subscribed;
		return json_in_is_bool(v) ? 0 : wrong(q, "isSubscribed: true or false", e);
	}
	return jmap_fail(
		q->c, "unsupportedFilter", e, "there is no condition of that name for mailboxes");
}

/* As deep as EMAIL_FILTER_DEPTH. All is looked at, so that what is wrong is found whatever matches. */
static int match(struct asking *q, const struct json_in *filter, const struct jmap_box *b,
	unsigned depth, bool *is_r, struct err *e);

static int match_operator(struct asking *q, const struct json_in *filter, const struct jmap_box *b,
	unsigned depth, bool *is_r, struct err *e)
{
	struct span op = json_in_text(filter, "operator");
	const struct json_in *kids = json_in_get(filter, "conditions");
	bool is_and = span_eq(op, SPAN("AND")), is_or = span_eq(op, SPAN("OR"));
	size_t yes = 0, count = json_in_count(kids);

	if ((!is_and && !is_or && !span_eq(op, SPAN("NOT"))) || !json_in_is_array(kids))
		return wrong(q, "an operator is AND, OR or NOT, with conditions", e);
	for (size_t i = 0; i < count; i++) {
		bool is_one = false;

		if (match(q, json_in_at(kids, i), b, depth + 1, &is_one, e) < 0)
			return -1;
		yes += is_one;
	}
	*is_r = is_and ? yes == count : is_or ? yes > 0 : yes == 0;
	return 0;
}

static int match(struct asking *q, const struct json_in *filter, const struct jmap_box *b,
	unsigned depth, bool *is_r, struct err *e)
{
	const struct json_in *value;
	const char *name;
	void *at = NULL;

	if (!json_in_is_object(filter))
		return wrong(q, "an object is expected", e);
	if (depth > EMAIL_FILTER_DEPTH || ++q->nodes > EMAIL_FILTER_NODES)
		return jmap_fail(q->c, "unsupportedFilter", e, "the filter is too large");
	if (json_in_get(filter, "operator"))
		return match_operator(q, filter, b, depth, is_r, e);
	*is_r = true;
	while (json_in_next(filter, &at, &name, &value)) {
		bool is_one = false;

		if (match_member(q, span_str(name), value, b, &is_one, e) < 0)
			return -1;
		*is_r = *is_r && is_one;
	}
	return 0;
}

/* ---- sort ---- */

static int take_sorts(struct asking *q, struct err *e)
{
	const struct json_in *v = given(json_in_get(q->c->args, "sort"));

	if (v && !json_in_is_array(v))
		return jmap_fail_argument(q->c, e, "sort", "a list is expected");
	if (json_in_count(v) > SORTS_MAX)
		return jmap_fail(q->c, "unsupportedSort", e, "at most %d", SORTS_MAX);
	for (size_t i = 0; i < json_in_count(v); i++) {
		struct jmap_comparator by;
		size_t k = 0;

		if (jmap_comparator_of(q->c, json_in_at(v, i), &by, e) < 0)
			return -1;
		while (k < ARRAY_LEN(sort_names) && !span_eq(by.property, span_str(sort_names[k])))
			k++;
		if (k == ARRAY_LEN(sort_names))
			return jmap_fail(q->c, "unsupportedSort", e,
				"mailboxes are not sorted by that property");
		q->sorts[q->sort_count++] = (struct sort){(enum sort_by)k, by.is_descending};
	}
	return 0;
}

struct entry { /* what is compared */
	const struct jmap_box *b;
	struct span key; /* the name, folded */
	const struct asking *q;
};

static int compare(const void *x, const void *y)
{
	const struct entry *l = x, *r = y;
	const struct asking *q = l->q;

	for (size_t i = 0; i < q->sort_count; i++) {
		int rc = 0;

		switch (q->sorts[i].by) {
		case SORT_NAME: rc = span_cmp(l->key, r->key); break;
		case SORT_ORDER:
			rc = (l->b->order > r->b->order) - (l->b->order < r->b->order);
			break;
		case SORT_PARENT:
			rc = (l->b->parent_id > r->b->parent_id) -
				(l->b->parent_id < r->b->parent_id);
			break;
		}
		if (rc)
			return q->sorts[i].is_descending ? -rc : rc;
	}
	return (l->b > r->b) - (l->b < r->b); /* as Mailbox/get tells them: by their full names */
}

/* sortAsTree: each right in front of its children; as deep as names are (MAILBOX_DEPTH_MAX). */
static void put_tree(const struct entry *all, size_t count, uint64_t parent,
	const struct jmap_box **list, size_t *n)
{
	for (size_t i = 0; i < count; i++)
		if (all[i].b->parent_id == parent) {
			list[(*n)++] = all[i].b;
			if (all[i].b->has_child)
				put_tree(all, count, all[i].b->id, list, n);
		}
}

static const struct jmap_box **in_order(struct asking *q)
{
	size_t count = q->boxes.count, n = 0;
	struct entry *all = ARENA_ARRAY(q->c->a, struct entry, count + 1);
	const struct jmap_box **list = ARENA_ARRAY(q->c->a, const struct jmap_box *, count + 1);

	for (size_t i = 0; i < count; i++)
		all[i] = (struct entry){
			&q->boxes.list[i], facts_fold(q->c->a, q->boxes.list[i].name), q};
	if (count)
		qsort(all, count, sizeof(*all), compare);
	if (q->is_sorted_as_tree)
		put_tree(all, count, 0, list, &n);
	for (size_t i = 0; !q->is_sorted_as_tree && i < count; i++)
		list[i] = all[i].b;
	return list;
}

/* ---- what is asked ---- */

static FIBER int begin(struct asking *q, struct err *e)
{
	struct jmap_call *c = q->c;

	q->filter = given(json_in_get(c->args, "filter"));
	if (jmap_account(c, &q->account, e) < 0 || take_sorts(q, e) < 0 ||
		jmap_arg_bool(c, "sortAsTree", &q->is_sorted_as_tree, e) < 0 ||
		jmap_arg_bool(c, "filterAsTree", &q->is_filtered_as_tree, e) < 0 ||
		jmap_arg_bool(c, "calculateTotal", &q->wants_total, e) < 0)
		return -1;
	return jmap_boxes_load(c, q->account, false, &q->boxes, e);
}

/* filterAsTree: in the results only when all above it are. */
static int answer(struct asking *q, struct err *e)
{
	static const struct jmap_box nobody = {0};
	const struct jmap_box **all = in_order(q);
	bool *is_out = ARENA_ARRAY(q->c->a, bool, q->boxes.count + 1);
	bool is_one = true;

	/* what is wrong with a filter is told also where there is no mailbox */
	if (q->filter && match(q, q->filter, &nobody, 1, &is_one, e) < 0)
		return -1;
	for (size_t i = 0; i < q->boxes.count; i++) { /* in the order of names: parents first */
		const struct jmap_box *b = &q->boxes.list[i],
				      *up = jmap_box_of(&q->boxes, b->parent_id);

		q->nodes = 0;
		is_one = true;
		if (q->filter && match(q, q->filter, b, 1, &is_one, e) < 0)
			return -1;
		is_out[i] = !is_one || (q->is_filtered_as_tree && up && is_out[up - q->boxes.list]);
	}
	q->list = ARENA_ARRAY(q->c->a, const struct jmap_box *, q->boxes.count + 1);
	for (size_t i = 0; i < q->boxes.count; i++)
		if (!is_out[all[i] - q->boxes.list])
			q->list[q->count++] = all[i];
	return 0;
}

/* ---- Mailbox/query ---- */

static int64_t place_of(const struct asking *q, uint64_t id)
{
	for (size_t i = 0; i < q->count; i++)
		if (q->list[i]->id == id)
			return (int64_t)i;
	return -1;
}

static int take_window(struct asking *q, size_t *from_r, size_t *count_r, struct err *e)
{
	int64_t position = 0, offset = 0, limit = INT64_MAX, count = (int64_t)q->count;
	struct span anchor = SPAN_NONE;
	uint64_t id;

	if (jmap_arg_int(q->c, "position", -JSON_IN_INT, JSON_IN_INT, &position, e) < 0 ||
		jmap_arg_text(q->c, "anchor", &anchor, e) < 0 ||
		jmap_arg_int(q->c, "anchorOffset", -JSON_IN_INT, JSON_IN_INT, &offset, e) < 0 ||
		jmap_arg_int(q->c, "limit", 0, JSON_IN_INT, &limit, e) < 0)
		return -1;
	if (anchor.ptr) {
		position = jmap_id_of(q->c, anchor, 'F', &id) ? place_of(q, id) : -1;
		if (position < 0)
			return jmap_fail(
				q->c, "anchorNotFound", e, "the anchor is not in the results");
		position += offset;
		if (position < 0)
			position = 0;
	} else if (position < 0) {
		position = position + count < 0 ? 0 : position + count;
	}
	if (position > count)
		position = count;
	*from_r = (size_t)position;
	*count_r = (size_t)(limit < count - position ? limit : count - position);
	return 0;
}

FIBER int jmap_mailbox_query(struct jmap_call *c, struct err *e)
{
	struct asking *q = ARENA_NEW(c->a, struct asking);
	size_t from, count;

	q->c = c;
	if (begin(q, e) < 0 || answer(q, e) < 0 || take_window(q, &from, &count, e) < 0)
		return -1;
	json_key(c->out, "accountId");
	jmap_put_id(c->out, 'A', q->account->id);
	json_key(c->out, "queryState");
	jmap_put_state(c->out, q->boxes.state);
	json_kv_bool(c->out, "canCalculateChanges", true);
	json_kv_u64(c->out, "position", from);
	json_key(c->out, "ids");
	json_open_array(c->out);
	for (size_t i = from; i < from + count; i++)
		jmap_put_id(c->out, 'F', q->list[i]->id);
	json_close(c->out);
	if (q->wants_total)
		json_kv_u64(c->out, "total", q->count);
	return 0;
}

/* ---- Mailbox/queryChanges ---- */

static void put_id_list(
	struct json_out *j, const struct email_changes *ch, const struct asking *q, bool is_moved)
{
	json_key(j, "removed");
	json_open_array(j);
	for (size_t i = 0; i < ch->count; i++)
		if (ch->list[i].how == EMAIL_DESTROYED ||
			(is_moved && !jmap_box_of(&q->boxes, ch->list[i].id)))
			jmap_put_id(j, 'F', ch->list[i].id);
	for (size_t i = 0; is_moved && i < q->boxes.count; i++)
		jmap_put_id(j, 'F', q->boxes.list[i].id);
	json_close(j);
}

/* Names, parents and roles of one can move any other one in a tree: then all leave the list and come again at
 * their place (RFC 8620 section 5.6 allows removed ids that were not in it). Counters move nothing. */
static int put_changes(struct asking *q, const struct email_changes *ch, size_t max, struct err *e)
{
	struct json_out *j = q->c->out;
	bool is_moved = ch->count && !ch->is_counts_only;

	if (max && is_moved && ch->count + q->boxes.count + q->count > max)
		return jmap_fail(q->c, "tooManyChanges", e, "more changed than maxChanges allows");
	json_key(j, "accountId");
	jmap_put_id(j, 'A', q->account->id);
	json_key(j, "oldQueryState");
	jmap_put_state(j, ch->since);
	json_key(j, "newQueryState");
	jmap_put_state(j, q->boxes.state);
	if (q->wants_total)
		json_kv_u64(j, "total", q->count);
	put_id_list(j, ch, q, is_moved);
	json_key(j, "added");
	json_open_array(j);
	for (size_t i = 0; is_moved && i < q->count; i++) {
		json_open_object(j);
		json_key(j, "id");
		jmap_put_id(j, 'F', q->list[i]->id);
		json_kv_u64(j, "index", i);
		json_close(j);
	}
	json_close(j);
	return 0;
}

FIBER int jmap_mailbox_query_changes(struct jmap_call *c, struct err *e)
{
	struct asking *q = ARENA_NEW(c->a, struct asking);
	struct email_changes ch = {.max = MAILBOX_PER_ACCOUNT};
	struct span since = SPAN_NONE, up_to = SPAN_NONE;
	int64_t max = 0;

	q->c = c;
	if (begin(q, e) < 0 || answer(q, e) < 0 ||
		jmap_arg_text(c, "sinceQueryState", &since, e) < 0 ||
		jmap_arg_int(c, "maxChanges", 1, JSON_IN_INT, &max, e) < 0 ||
		jmap_arg_text(c, "upToId", &up_to, e) < 0)
		return -1;
	if (!since.ptr)
		return jmap_fail_argument(c, e, "sinceQueryState", "a string is needed");
	if (!jmap_state_of(since, &ch.since))
		return jmap_fail(
			c, "cannotCalculateChanges", e, "the state is none of this server's");
	if (email_mailbox_changes(jmapd_opts_of(c->d)->store, c->a, &q->account->eyes, &ch, e) < 0)
		return jmap_changes_failed(c, e);
	if (ch.is_more)
		return jmap_fail(c, "cannotCalculateChanges", e, "too much has changed");
	/* RFC 8620 section 5.6: upToId counts for nothing where what is sorted by can change */
	return put_changes(q, &ch, (size_t)max, e);
}
