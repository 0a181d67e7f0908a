/* Filters and sorts of Email/query (RFC 8621 sections 4.4.1 and 4.4.2). */
#include "services/jmapd/jmapd_email.h"

#include "base/must.h"

struct reading {
	struct jmap_call *c;
	size_t nodes;
};

/* ---- conditions ---- */

enum value_kind {
	VALUE_MAILBOX,
	VALUE_MAILBOXES,
	VALUE_DATE,
	VALUE_NUMBER,
	VALUE_KEYWORD,
	VALUE_BOOL,
	VALUE_TEXT,
	VALUE_HEADER
};

static const struct condition {
	const char *name;
	enum email_filter_op op;
	enum value_kind kind;
} conditions[] = {
	{"inMailbox", EMAIL_IN_MAILBOX, VALUE_MAILBOX},
	{"inMailboxOtherThan", EMAIL_IN_OTHER_THAN, VALUE_MAILBOXES},
	{"before", EMAIL_BEFORE, VALUE_DATE},
	{"after", EMAIL_AFTER, VALUE_DATE},
	{"minSize", EMAIL_MIN_SIZE, VALUE_NUMBER},
	{"maxSize", EMAIL_MAX_SIZE, VALUE_NUMBER},
	{"allInThreadHaveKeyword", EMAIL_ALL_IN_THREAD, VALUE_KEYWORD},
	{"someInThreadHaveKeyword", EMAIL_SOME_IN_THREAD, VALUE_KEYWORD},
	{"noneInThreadHaveKeyword", EMAIL_NONE_IN_THREAD, VALUE_KEYWORD},
	{"hasKeyword", EMAIL_HAS_KEYWORD, VALUE_KEYWORD},
	{"notKeyword", EMAIL_NOT_KEYWORD, VALUE_KEYWORD},
	{"hasAttachment", EMAIL_HAS_ATTACHMENT, VALUE_BOOL},
	{"text", EMAIL_TEXT, VALUE_TEXT},
	{"from", EMAIL_FROM, VALUE_TEXT},
	{"to", EMAIL_TO, VALUE_TEXT},
	{"cc", EMAIL_CC, VALUE_TEXT},
	{"bcc", EMAIL_BCC, VALUE_TEXT},
	{"subject", EMAIL_SUBJECT, VALUE_TEXT},
	{"body", EMAIL_BODY, VALUE_TEXT},
	{"header", EMAIL_HEADER, VALUE_HEADER},
	/* ours: docs/jmap.md */
	{"attachmentName", EMAIL_ATTACHMENT_NAME, VALUE_TEXT},
	{"attachmentType", EMAIL_ATTACHMENT_TYPE, VALUE_TEXT},
	{"listId", EMAIL_LIST_ID, VALUE_TEXT},
	{"messageId", EMAIL_MESSAGE_ID, VALUE_TEXT},
};

static int wrong(struct reading *r, const char *name, const char *what, struct err *e)
{
	return jmap_fail_argument(r->c, e, "filter", arena_printf(r->c->a, "%s: %s", name, what));
}

static struct span lower(struct arena *a, struct span s)
{
	char *out = arena_str(a, s);

	for (size_t i = 0; i < s.len; i++)
		out[i] = (char)span_lower((unsigned char)out[i]);
	return span_of(out, s.len);
}

static int take_mailboxes(struct reading *r, const struct json_in *v, const char *name,
	struct email_filter *f, struct err *e)
{
	size_t count = json_in_count(v), kept = 0;
	uint64_t *ids;

	if (!json_in_is_array(v))
		return wrong(r, name, "a list of Ids is expected", e);
	ids = ARENA_ARRAY(r->c->a, uint64_t, count + 1);
	for (size_t i = 0; i < count; i++) {
		const struct json_in *id = json_in_at(v, i);

		if (!json_in_is_text(id))
			return wrong(r, name, "a list of Ids is expected", e);
		/* nothing is in a mailbox that cannot be */
		kept += jmap_id_of(r->c, json_in_span(id), 'F', &ids[kept]);
	}
	f->ids = ids;
	f->id_count = kept;
	return 0;
}

static int take_header(struct reading *r, const struct json_in *v, const char *name,
	struct email_filter *f, struct err *e)
{
	size_t count = json_in_count(v);

	if (!json_in_is_array(v) || count < 1 || count > 2)
		return wrong(r, name, "one or two strings are expected", e);
	for (size_t i = 0; i < count; i++)
		if (!json_in_is_text(json_in_at(v, i)))
			return wrong(r, name, "one or two strings are expected", e);
	f->name = json_in_span(json_in_at(v, 0));
	f->has_text = count == 2;
	if (f->has_text)
		f->text = json_in_span(json_in_at(v, 1));
	return 0;
}

static int take_text(struct reading *r, const struct condition *what, const struct json_in *v,
	struct email_filter *f, struct err *e)
{
	struct span s = json_in_span(v);

	if (!json_in_is_text(v))
		return wrong(r, what->name, "a string is expected", e);
	switch (what->kind) {
	case VALUE_MAILBOX:
		if (!jmap_id_of(r->c, s, 'F', &f->id))
			f->id = 0; /* in which nothing is */
		return 0;
	case VALUE_DATE:
		return jmap_date(s, &f->number) ? 0 : wrong(r, what->name, "no UTCDate", e);
	case VALUE_KEYWORD: f->text = lower(r->c->a, s); return 0;
	default:
		f->text = s;
		f->has_text = true;
		return 0;
	}
}

static int take_condition(struct reading *r, const struct condition *what, const struct json_in *v,
	struct email_filter *f, struct err *e)
{
	f->op = what->op;
	switch (what->kind) {
	case VALUE_MAILBOXES: return take_mailboxes(r, v, what->name, f, e);
	case VALUE_HEADER: return take_header(r, v, what->name, f, e);
	case VALUE_BOOL:
		f->number = json_in_truth(v);
		return json_in_is_bool(v) ? 0 : wrong(r, what->name, "true or false", e);
	case VALUE_NUMBER:
		f->number = json_in_int(v);
		if (!json_in_is_int(v) || f->number < 0 || f->number > JSON_IN_INT)
			return wrong(r, what->name, "a number from 0 on is expected", e);
		return 0;
	default: return take_text(r, what, v, f, e);
	}
}

static const struct condition *condition_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(conditions); i++)
		if (span_eq(span_str(conditions[i].name), span_str(name)))
			return &conditions[i];
	return NULL;
}

/* All that stand in one object hold. */
static int take_conditions(
	struct reading *r, const struct json_in *object, struct email_filter *f, struct err *e)
{
	const struct json_in *value;
	const char *name;
	void *at = NULL;

	f->op = EMAIL_AND;
	f->kids = ARENA_ARRAY(r->c->a, struct email_filter, json_in_size(object) + 1);
	while (json_in_next(object, &at, &name, &value)) {
		const struct condition *what = condition_of(name);

		if (!what)
			return jmap_fail(
				r->c, "unsupportedFilter", e, "there is no condition of that name");
		if (json_in_is_null(value))
			continue; /* as if it were not there */
		if (++r->nodes > EMAIL_FILTER_NODES)
			return jmap_fail(r->c, "unsupportedFilter", e, "too many conditions");
		if (take_condition(r, what, value, &f->kids[f->kid_count++], e) < 0)
			return -1;
	}
	if (f->kid_count == 1) {
		struct email_filter only = f->kids[0];

		*f = only;
	}
	return 0;
}

/* ---- operators ---- */

static bool operator_of(struct span word, enum email_filter_op *op_r)
{
	static const char *const words[] = {"AND", "OR", "NOT"};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (span_eq(word, span_str(words[i]))) {
			*op_r = (enum email_filter_op)(EMAIL_AND + i);
			return true;
		}
	return false;
}

/* As deep as EMAIL_FILTER_DEPTH. */
static int take_filter(struct reading *r, const struct json_in *v, unsigned depth,
	struct email_filter *f, struct err *e)
{
	const struct json_in *kids;

	if (!json_in_is_object(v))
		return jmap_fail_argument(r->c, e, "filter", "an object is expected");
	if (++r->nodes > EMAIL_FILTER_NODES || depth > EMAIL_FILTER_DEPTH)
		return jmap_fail(r->c, "unsupportedFilter", e, "the filter is too large");
	if (!json_in_get(v, "operator"))
		return take_conditions(r, v, f, e);
	kids = json_in_get(v, "conditions");
	if (!operator_of(json_in_text(v, "operator"), &f->op) || !json_in_is_array(kids) ||
		json_in_size(v) != 2)
		return jmap_fail_argument(
			r->c, e, "filter", "an operator is AND, OR or NOT, with conditions");
	f->kid_count = json_in_count(kids);
	f->kids = ARENA_ARRAY(r->c->a, struct email_filter, f->kid_count + 1);
	for (size_t i = 0; i < f->kid_count; i++)
		if (take_filter(r, json_in_at(kids, i), depth + 1, &f->kids[i], e) < 0)
			return -1;
	return 0;
}

int jmap_email_filter(struct jmap_call *c, const struct email_filter **f_r, struct err *e)
{
	const struct json_in *v = json_in_get(c->args, "filter");
	struct reading r = {c, 0};
	struct email_filter *f;

	*f_r = NULL;
	if (!v || json_in_is_null(v))
		return 0;
	f = ARENA_NEW(c->a, struct email_filter);
	if (take_filter(&r, v, 1, f, e) < 0)
		return -1;
	*f_r = f;
	return 0;
}

/* ---- sorts ---- */

static const struct {
	const char *name;
	enum email_sort_key key;
	bool has_keyword;
} sorts[] = {
	{"receivedAt", EMAIL_SORT_RECEIVED, false},
	{"sentAt", EMAIL_SORT_SENT, false},
	{"size", EMAIL_SORT_SIZE, false},
	{"from", EMAIL_SORT_FROM, false},
	{"to", EMAIL_SORT_TO, false},
	{"subject", EMAIL_SORT_SUBJECT, false},
	{"hasKeyword", EMAIL_SORT_KEYWORD, true},
	{"allInThreadHaveKeyword", EMAIL_SORT_ALL_IN_THREAD, true},
	{"someInThreadHaveKeyword", EMAIL_SORT_SOME_IN_THREAD, true},
};

static int take_sort(
	struct jmap_call *c, const struct json_in *v, struct email_sort *s, struct err *e)
{
	struct jmap_comparator by;
	const struct json_in *keyword = json_in_get(v, "keyword");

	if (jmap_comparator_of(c, v, &by, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(sorts); i++) {
		if (!span_eq(by.property, span_str(sorts[i].name)))
			continue;
		s->key = sorts[i].key;
		s->is_descending = by.is_descending;
		if (!sorts[i].has_keyword)
			return 0;
		if (!json_in_is_text(keyword))
			return jmap_fail_argument(c, e, "sort", "a keyword is needed");
		s->keyword = lower(c->a, json_in_span(keyword));
		return 0;
	}
	return jmap_fail(c, "unsupportedSort", e, "nothing can be sorted by that property");
}

int jmap_email_sort(
	struct jmap_call *c, const struct email_sort **sort_r, size_t *count_r, struct err *e)
{
	const struct json_in *v = json_in_get(c->args, "sort");
	struct email_sort *list;

	*sort_r = NULL;
	*count_r = 0;
	if (!v || json_in_is_null(v))
		return 0;
	if (!json_in_is_array(v))
		return jmap_fail_argument(c, e, "sort", "a list is expected");
	if (json_in_count(v) > EMAIL_SORT_MAX)
		return jmap_fail(c, "unsupportedSort", e, "at most %d", EMAIL_SORT_MAX);
	list = ARENA_ARRAY(c->a, struct email_sort, json_in_count(v) + 1);
	for (size_t i = 0; i < json_in_count(v); i++)
		if (take_sort(c, json_in_at(v, i), &list[i], e) < 0)
			return -1;
	*sort_r = list;
	*count_r = json_in_count(v);
	return 0;
}

/* RFC 8620 section 5.5; strings are compared by i;unicode-casemap, whichever of these is named */
int jmap_comparator_of(
	struct jmap_call *c, const struct json_in *v, struct jmap_comparator *by_r, struct err *e)
{
	const struct json_in *ascending = json_in_get(v, "isAscending");
	const struct json_in *collation = json_in_get(v, "collation");
	struct span name = json_in_span(collation);

	*by_r = (struct jmap_comparator){.property = json_in_text(v, "property")};
	if (!json_in_is_object(v) || !by_r->property.len)
		return jmap_fail_argument(c, e, "sort", "a property is needed");
	if (ascending && !json_in_is_null(ascending)) {
		if (!json_in_is_bool(ascending))
			return jmap_fail_argument(c, e, "sort", "isAscending: true or false");
		by_r->is_descending = !json_in_truth(ascending);
	}
	if (!collation || json_in_is_null(collation) || span_eq(name, SPAN("i;unicode-casemap")) ||
		span_eq(name, SPAN("i;ascii-casemap")))
		return 0;
	return jmap_fail(c, "unsupportedSort", e, "there is no such collation here");
}
