#include "services/jmapd/jmapd_core_priv.h"

#include "base/enc.h"
#include "store/account.h"

/* Quotas (RFC 9425): the room of the user's own account, one object for octets and one for messages where there is a
 * limit. Their state is what they say, so that every change can be told from it alone. */

enum quota_kind { OCTETS, MESSAGES, QUOTAS };
static const char *const ids[QUOTAS] = {"octets", "messages"};
static const char *const resource_types[QUOTAS] = {"octets", "count"};
static const char *const names[QUOTAS] = {"Storage", "Messages"};

struct quota {
	uint64_t used, limit; /* limit 0: there is no such object */
};
struct quotas {
	struct quota list[QUOTAS];
};

static FIBER int read_quotas(struct jmapd *d, uint64_t account_id, struct quotas *q, struct err *e)
{
	struct account_room room;

	if (account_room(d->opts.store, account_id, &room, e) < 0)
		return -1;
	*q = (struct quotas){0};
	/* where there is no limit there is no object, and no state that moves */
	if (room.has_quota && room.quota_octets)
		q->list[OCTETS] = (struct quota){room.octets, room.quota_octets};
	if (room.has_quota && room.quota_messages)
		q->list[MESSAGES] = (struct quota){room.messages, room.quota_messages};
	return 0;
}

static struct span state_of(struct arena *a, const struct quotas *q)
{
	struct buf *b = arena_buf(a, 128);

	buf_printf(b, "%llu-%llu-%llu-%llu", (unsigned long long)q->list[OCTETS].used,
		(unsigned long long)q->list[OCTETS].limit,
		(unsigned long long)q->list[MESSAGES].used,
		(unsigned long long)q->list[MESSAGES].limit);
	return buf_span(b);
}

FIBER int jmap_quota_state(
	struct jmapd *d, struct arena *a, uint64_t account_id, struct span *state_r, struct err *e)
{
	struct quotas q;

	if (read_quotas(d, account_id, &q, e) < 0)
		return -1;
	*state_r = state_of(a, &q);
	return 0;
}

static bool read_state(struct span text, struct quotas *q)
{
	uint64_t *numbers[] = {&q->list[OCTETS].used, &q->list[OCTETS].limit,
		&q->list[MESSAGES].used, &q->list[MESSAGES].limit};
	struct span piece;

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (span_cut(text, '-', &piece, &text) == (i + 1 == ARRAY_LEN(numbers)) ||
			!span_u64(piece, numbers[i]))
			return false;
	return true;
}

/* ---- /get ---- */

static const char *const properties[] = {"id", "resourceType", "used", "hardLimit", "warnLimit",
	"softLimit", "scope", "name", "description", "types", NULL};
static const struct jmap_type quota_type = {
	.name = "Quota", .properties = properties, .object = OBJECT_QUOTA};

static void put_quota(
	struct json_out *j, const struct jmap_get *g, enum quota_kind k, const struct quota *q)
{
	json_open_object(j);
	json_kv_str(j, "id", ids[k]);
	if (jmap_get_wants(g, "resourceType"))
		json_kv_str(j, "resourceType", resource_types[k]);
	if (jmap_get_wants(g, "used"))
		json_kv_u64(j, "used", q->used);
	if (jmap_get_wants(g, "hardLimit"))
		json_kv_u64(j, "hardLimit", q->limit);
	if (jmap_get_wants(g, "warnLimit"))
		json_kv_str(j, "warnLimit", NULL);
	if (jmap_get_wants(g, "softLimit"))
		json_kv_str(j, "softLimit", NULL);
	if (jmap_get_wants(g, "scope"))
		json_kv_str(j, "scope", "account");
	if (jmap_get_wants(g, "name"))
		json_kv_str(j, "name", names[k]);
	if (jmap_get_wants(g, "description"))
		json_kv_str(j, "description", NULL);
	if (jmap_get_wants(g, "types")) {
		json_key(j, "types");
		json_open_array(j);
		json_str(j, "Email");
		json_close(j);
	}
	json_close(j);
}

static bool is_asked(const struct jmap_get *g, const char *id)
{
	for (size_t i = 0; i < g->count; i++)
		if (span_eq(g->ids[i], span_str(id)))
			return true;
	return g->is_all;
}

static FIBER int quota_get(struct jmap_call *c, struct err *e)
{
	struct jmap_get g;
	struct quotas q;

	if (jmap_get_begin(c, &g, &quota_type, e) < 0 ||
		read_quotas(c->d, g.account->id, &q, e) < 0)
		return -1;
	json_key(c->out, "list");
	json_open_array(c->out);
	for (size_t k = 0; k < QUOTAS; k++)
		if (q.list[k].limit && is_asked(&g, ids[k]))
			put_quota(c->out, &g, (enum quota_kind)k, &q.list[k]);
	json_close(c->out);
	for (size_t i = 0; i < g.count; i++) {
		bool is_there = false;

		for (size_t k = 0; k < QUOTAS; k++)
			is_there = is_there ||
				(q.list[k].limit && span_eq(g.ids[i], span_str(ids[k])));
		if (!is_there)
			jmap_get_missing(c, &g, g.ids[i]);
	}
	jmap_get_end_text(c, &g, state_of(c->a, &q));
	return 0;
}

/* ---- /changes ---- */

enum change { SAME, CREATED, UPDATED, DESTROYED };

static enum change change_of(const struct quota *was, const struct quota *now)
{
	if (!was->limit != !now->limit)
		return was->limit ? DESTROYED : CREATED;
	return now->limit && (was->limit != now->limit || was->used != now->used) ? UPDATED : SAME;
}

static void put_changes(struct json_out *j, const struct quotas *was, const struct quotas *now)
{
	static const char *const lists[] = {NULL, "created", "updated", "destroyed"};
	bool is_used_only = true;

	for (size_t what = CREATED; what <= DESTROYED; what++) {
		json_key(j, lists[what]);
		json_open_array(j);
		for (size_t k = 0; k < QUOTAS; k++) {
			if (change_of(&was->list[k], &now->list[k]) != what)
				continue;
			json_str(j, ids[k]);
			is_used_only = is_used_only && what == UPDATED &&
				was->list[k].limit == now->list[k].limit;
		}
		json_close(j);
	}
	/* RFC 9425 section 4.3: what moves with every message */
	json_key(j, "updatedProperties");
	if (is_used_only) {
		json_open_array(j);
		json_str(j, "used");
		json_close(j);
	} else {
		json_null(j);
	}
}

static FIBER int quota_changes(struct jmap_call *c, struct err *e)
{
	struct jmap_account *account;
	struct span since = SPAN_NONE;
	struct quotas was, now;
	int64_t max = 0;

	if (jmap_account(c, &account, e) < 0 || jmap_arg_text(c, "sinceState", &since, e) < 0 ||
		jmap_arg_int(c, "maxChanges", 1, JSON_IN_INT, &max, e) < 0)
		return -1;
	if (!since.ptr)
		return jmap_fail_argument(c, e, "sinceState", "a string is needed");
	/* two at most; who wants one at a time gets them anew */
	if (!read_state(since, &was) || max == 1)
		return jmap_fail(c, "cannotCalculateChanges", e, "the state is not known");
	if (read_quotas(c->d, account->id, &now, e) < 0)
		return -1;
	json_key(c->out, "accountId");
	jmap_put_id(c->out, 'A', account->id);
	json_kv_span(c->out, "oldState", since);
	json_kv_span(c->out, "newState", state_of(c->a, &now));
	json_kv_bool(c->out, "hasMoreChanges", false);
	put_changes(c->out, &was, &now);
	return 0;
}

/* ---- /query ---- */

static const struct json_in *given(const struct jmap_call *c, const char *name)
{
	const struct json_in *v = json_in_get(c->args, name);

	return v && !json_in_is_null(v) ? v : NULL;
}

/* Of one condition (RFC 9425 section 4.4.1): all that it names fit. */
static int condition_fits(struct jmap_call *c, const struct json_in *filter, enum quota_kind k,
	bool *fits_r, struct err *e)
{
	const struct json_in *value;
	const char *name;
	void *at = NULL;

	*fits_r = true;
	while (json_in_next(filter, &at, &name, &value)) {
		struct span n = span_str(name), text = json_in_span(value);
		bool fits;

		if (!json_in_is_text(value))
			return jmap_fail_argument(c, e, "filter", "strings are expected");
		if (span_eq(n, SPAN("name")))
			fits = span_find_span(span_str(names[k]), text) >= 0;
		else if (span_eq(n, SPAN("scope")))
			fits = span_eq(text, SPAN("account"));
		else if (span_eq(n, SPAN("resourceType")))
			fits = span_eq(text, span_str(resource_types[k]));
		else if (span_eq(n, SPAN("type")))
			fits = span_eq(text, SPAN("Email"));
		else
			return jmap_fail(c, "unsupportedFilter", e, "there is no such condition");
		*fits_r = *fits_r && fits;
	}
	return 0;
}

static int filter_fits(struct jmap_call *c, const struct json_in *filter, enum quota_kind k,
	bool *fits_r, struct err *e)
{
	const struct json_in *op = json_in_get(filter, "operator");
	const struct json_in *kids = json_in_get(filter, "conditions");
	bool is_and, is_or;

	if (!json_in_is_object(filter))
		return jmap_fail_argument(c, e, "filter", "an object is expected");
	if (!op)
		return condition_fits(c, filter, k, fits_r, e);
	is_and = span_eq(json_in_span(op), SPAN("AND"));
	is_or = span_eq(json_in_span(op), SPAN("OR"));
	if ((!is_and && !is_or && !span_eq(json_in_span(op), SPAN("NOT"))) ||
		!json_in_is_array(kids))
		return jmap_fail_argument(c, e, "filter", "there is no such operator");
	*fits_r = !is_or;
	for (size_t i = 0; i < json_in_count(kids); i++) {
		bool fits;

		if (filter_fits(c, json_in_at(kids, i), k, &fits, e) < 0)
			return -1;
		if (is_and)
			*fits_r = *fits_r && fits;
		else if (is_or)
			*fits_r = *fits_r || fits;
		else
			*fits_r = *fits_r && !fits;
	}
	return 0;
}

struct found {
	size_t list[QUOTAS];
	size_t count;
};

/* The first sort key that parts them; two objects need no more. */
static int sort_found(struct jmap_call *c, const struct quotas *q, struct found *f, struct err *e)
{
	const struct json_in *sort = given(c, "sort");
	bool is_placed = false;

	if (sort && !json_in_is_array(sort))
		return jmap_fail_argument(c, e, "sort", "a list is expected");
	for (size_t i = 0; i < json_in_count(sort); i++) {
		const struct json_in *by = json_in_at(sort, i);
		struct span key = json_in_text(by, "property");
		const struct json_in *up = json_in_get(by, "isAscending");
		bool is_up = !up || json_in_is_null(up) || json_in_truth(up), is_less, is_more;

		if (span_eq(key, SPAN("name"))) {
			/* "Messages", "Storage" */
			is_less = false;
			is_more = true;
		} else if (span_eq(key, SPAN("used"))) {
			is_less = q->list[OCTETS].used < q->list[MESSAGES].used;
			is_more = q->list[OCTETS].used > q->list[MESSAGES].used;
		} else {
			return jmap_fail(c, "unsupportedSort", e, "there is no such property");
		}
		if (f->count == QUOTAS && !is_placed && (is_less || is_more)) {
			f->list[0] = is_less == is_up ? OCTETS : MESSAGES;
			f->list[1] = is_less == is_up ? MESSAGES : OCTETS;
			is_placed = true;
		}
	}
	return 0;
}

static FIBER int find(struct jmap_call *c, struct jmap_account **account_r, struct quotas *q,
	struct found *f, struct err *e)
{
	const struct json_in *filter = given(c, "filter");

	if (jmap_account(c, account_r, e) < 0 || read_quotas(c->d, (*account_r)->id, q, e) < 0)
		return -1;
	f->count = 0;
	for (size_t k = 0; k < QUOTAS; k++) {
		bool fits = true;

		if (filter && filter_fits(c, filter, (enum quota_kind)k, &fits, e) < 0)
			return -1;
		if (fits && q->list[k].limit)
			f->list[f->count++] = k;
	}
	return sort_found(c, q, f, e);
}

/* Where the answer begins (RFC 8620 section 5.5). */
static int begin_of(struct jmap_call *c, const struct found *f, int64_t *at_r, struct err *e)
{
	struct span anchor = SPAN_NONE;
	int64_t offset = 0, at = 0;

	if (jmap_arg_int(c, "position", -JSON_IN_INT, JSON_IN_INT, &at, e) < 0 ||
		jmap_arg_text(c, "anchor", &anchor, e) < 0 ||
		jmap_arg_int(c, "anchorOffset", -JSON_IN_INT, JSON_IN_INT, &offset, e) < 0)
		return -1;
	if (anchor.ptr) {
		for (at = 0; at < (int64_t)f->count; at++)
			if (span_eq(anchor, span_str(ids[f->list[at]])))
				break;
		if (at == (int64_t)f->count)
			return jmap_fail(c, "anchorNotFound", e, "the anchor is not in the list");
		at += offset;
	} else if (at < 0) {
		at += (int64_t)f->count;
	}
	*at_r = at < 0 ? 0 : at;
	return 0;
}

static FIBER int quota_query(struct jmap_call *c, struct err *e)
{
	struct jmap_account *account;
	struct quotas q;
	struct found f;
	int64_t at, limit = JMAP_GET_MAX;
	bool wants_total = false;

	if (find(c, &account, &q, &f, e) < 0 || begin_of(c, &f, &at, e) < 0 ||
		jmap_arg_int(c, "limit", 0, JSON_IN_INT, &limit, e) < 0 ||
		jmap_arg_bool(c, "calculateTotal", &wants_total, e) < 0)
		return -1;
	json_key(c->out, "accountId");
	jmap_put_id(c->out, 'A', account->id);
	json_kv_span(c->out, "queryState", state_of(c->a, &q));
	json_kv_bool(c->out, "canCalculateChanges", false);
	json_kv_i64(c->out, "position", at < (int64_t)f.count ? at : (int64_t)f.count);
	json_key(c->out, "ids");
	json_open_array(c->out);
	for (int64_t i = at; i < (int64_t)f.count && i - at < limit; i++)
		json_str(c->out, ids[f.list[i]]);
	json_close(c->out);
	if (wants_total)
		json_kv_u64(c->out, "total", f.count);
	return 0;
}

static FIBER int quota_query_changes(struct jmap_call *c, struct err *e)
{
	struct jmap_account *account;
	struct span since = SPAN_NONE;
	struct quotas q;
	struct found f;
	bool wants_total = false;

	if (find(c, &account, &q, &f, e) < 0 ||
		jmap_arg_text(c, "sinceQueryState", &since, e) < 0 ||
		jmap_arg_bool(c, "calculateTotal", &wants_total, e) < 0)
		return -1;
	if (!since.ptr)
		return jmap_fail_argument(c, e, "sinceQueryState", "a string is needed");
	if (!span_eq(since, state_of(c->a, &q)))
		return jmap_fail(c, "cannotCalculateChanges", e, "two objects are asked for anew");
	json_key(c->out, "accountId");
	jmap_put_id(c->out, 'A', account->id);
	json_kv_span(c->out, "oldQueryState", since);
	json_kv_span(c->out, "newQueryState", since);
	if (wants_total)
		json_kv_u64(c->out, "total", f.count);
	json_key(c->out, "removed");
	json_open_array(c->out);
	json_close(c->out);
	json_key(c->out, "added");
	json_open_array(c->out);
	json_close(c->out);
	return 0;
}

const struct jmap_method jmap_quota_methods[] = {
	{"Quota/get", JMAP_CAP_PLACE_QUOTA, JMAP_MAY_PACK, quota_get},
	{"Quota/changes", JMAP_CAP_PLACE_QUOTA, JMAP_MAY_PACK, quota_changes},
	{"Quota/query", JMAP_CAP_PLACE_QUOTA, 0, quota_query},
	{"Quota/queryChanges", JMAP_CAP_PLACE_QUOTA, 0, quota_query_changes},
	{0},
};
