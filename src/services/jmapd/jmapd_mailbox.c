/* Mailbox/get and Mailbox/changes (RFC 8621 sections 2.1 and 2.2). */
#include "services/jmapd/jmapd_mailbox.h"

#include <stdlib.h>

#include "base/must.h"
#include "services/jmapd/jmapd_email.h"

static const char *const properties[] = {"id", "name", "parentId", "role", "sortOrder",
	"totalEmails", "unreadEmails", "totalThreads", "unreadThreads", "myRights", "isSubscribed",
	NULL};
static const struct jmap_type mailbox_type = {"Mailbox", 'F', properties, OBJECT_MAILBOX};
/* ---- roles ---- */

/* Attribute (RFC 6154, RFC 8457, their registry), role (the registry of RFC 8621 section 10.5), where it stands when nobody has
 * said otherwise. */
static const struct {
	const char *use, *role;
	uint32_t order;
} roles[] = {
	{"\\Drafts", "drafts", 2},
	{"\\Scheduled", "scheduled", 2},
	{"\\Snoozed", "snoozed", 2},
	{"\\Sent", "sent", 3},
	{"\\Archive", "archive", 4},
	{"\\Junk", "junk", 5},
	{"\\Trash", "trash", 6},
	{"\\All", "all", 7},
	{"\\Flagged", "flagged", 7},
	{"\\Important", "important", 7},
};
#define ORDER_INBOX 1
#define ORDER_OTHER 10

struct span jmap_role_of_use(struct span use)
{
	for (size_t i = 0; i < ARRAY_LEN(roles); i++)
		if (span_eq_nocase(use, span_str(roles[i].use)))
			return span_str(roles[i].role);
	return SPAN("");
}

struct span jmap_use_of_role(struct span role)
{
	for (size_t i = 0; i < ARRAY_LEN(roles); i++)
		if (span_eq(role, span_str(roles[i].role)))
			return span_str(roles[i].use);
	return SPAN("");
}

static uint32_t order_of(const struct jmap_box *b)
{
	for (size_t i = 0; i < ARRAY_LEN(roles); i++)
		if (span_eq(b->role, span_str(roles[i].role)))
			return roles[i].order;
	return b->is_inbox ? ORDER_INBOX : ORDER_OTHER;
}

/* ---- all of them ---- */

static int by_name(const void *x, const void *y)
{
	return span_cmp(((const struct jmap_box *)x)->full, ((const struct jmap_box *)y)->full);
}

static void take_box(
	struct jmap_box *b, const struct mailbox_info *info, struct span seen, unsigned rights)
{
	b->id = info->id;
	b->full = info->name;
	b->seen = seen;
	b->rights = rights;
	b->is_inbox = span_eq(info->name, SPAN("INBOX"));
	b->role = b->is_inbox ? SPAN("inbox") : jmap_role_of_use(info->special_use);
	b->order = order_of(b);
}

static FIBER int read_names(
	struct jmap_call *c, struct jmap_account *account, struct jmap_boxes *x, struct err *e)
{
	struct store *store = jmapd_opts_of(c->d)->store;
	struct mailbox_info *list;

	if (!account->is_own) {
		x->list = ARENA_ARRAY(c->a, struct jmap_box, account->mailbox_count + 1);
		for (size_t i = 0; i < account->mailbox_count; i++)
			take_box(&x->list[x->count++], &account->mailboxes[i].info,
				account->mailboxes[i].seen_name, account->mailboxes[i].rights);
		return 0;
	}
	if (mailbox_folders(store, c->a, account->id, &list, &x->count, e) < 0)
		return err_wrap(e, "the names of mailboxes");
	x->list = ARENA_ARRAY(c->a, struct jmap_box, x->count + 1);
	for (size_t i = 0; i < x->count; i++)
		take_box(&x->list[i], &list[i], list[i].name, MAILBOX_RIGHT_ALL);
	return 0;
}

/* The nearest level above that is there; what stands behind it is the name (a level in between can be missing). */
static void take_parent(const struct jmap_boxes *x, struct jmap_box *b)
{
	struct span up = b->full;
	ptrdiff_t slash;

	b->name = b->is_inbox ? SPAN("Inbox") : b->full;
	while ((slash = span_rfind(up, '/')) > 0) {
		struct jmap_box *parent;

		up = span_sub(up, 0, (size_t)slash);
		parent = jmap_box_named(x, up);
		if (!parent)
			continue;
		parent->has_child = true;
		b->parent_id = parent->id;
		b->depth = parent->depth + 1; /* parents come first */
		b->name = span_skip(b->full, (size_t)slash + 1);
		return;
	}
}

struct jmap_box *jmap_box_named(const struct jmap_boxes *boxes, struct span full)
{
	struct jmap_box wanted = {.full = full};

	return boxes->count ? bsearch(&wanted, boxes->list, boxes->count, sizeof(wanted), by_name)
			    : NULL;
}

struct jmap_box *jmap_box_of(const struct jmap_boxes *boxes, uint64_t id)
{
	for (size_t i = 0; i < boxes->count; i++)
		if (boxes->list[i].id == id)
			return &boxes->list[i];
	return NULL;
}

static int by_span(const void *x, const void *y)
{
	return span_cmp(*(const struct span *)x, *(const struct span *)y);
}

static FIBER int read_subscriptions(struct jmap_call *c, struct jmap_boxes *x, struct err *e)
{
	struct span *names;
	size_t count;

	if (mailbox_subscriptions(
		    jmapd_opts_of(c->d)->store, c->a, c->user.account_id, &names, &count, e) < 0)
		return err_wrap(e, "subscriptions");
	if (count)
		qsort(names, count, sizeof(*names), by_span);
	for (size_t i = 0; i < x->count; i++)
		x->list[i].is_subscribed = count &&
			bsearch(&x->list[i].seen, names, count, sizeof(*names), by_span) != NULL;
	return 0;
}

static FIBER int read_orders(struct jmap_call *c, struct jmap_boxes *x, struct err *e)
{
	struct mailbox_order *list;
	size_t count;

	if (mailbox_orders(jmapd_opts_of(c->d)->store, c->a, x->account->id, &list, &count, e) < 0)
		return err_wrap(e, "the order of mailboxes");
	for (size_t i = 0; i < count; i++) {
		struct jmap_box *b = jmap_box_of(x, list[i].mailbox_id);

		if (b)
			b->order = list[i].order;
	}
	return 0;
}

static FIBER int read_counts(struct jmap_call *c, struct jmap_boxes *x, struct err *e)
{
	uint64_t *ids = ARENA_ARRAY(c->a, uint64_t, x->count + 1), state;
	struct email_counts *counts = ARENA_ARRAY(c->a, struct email_counts, x->count + 1);

	for (size_t i = 0; i < x->count; i++)
		ids[i] = x->list[i].id;
	if (x->count &&
		email_counts(jmapd_opts_of(c->d)->store, c->a, &x->account->eyes, ids, x->count,
			counts, &state, e) < 0)
		return err_wrap(e, "counting Emails");
	for (size_t i = 0; i < x->count; i++)
		x->list[i].counts = counts[i];
	return 0;
}

FIBER int jmap_boxes_state(
	struct jmap_call *c, uint64_t account_id, uint64_t *state_r, struct err *e)
{
	struct store *store = jmapd_opts_of(c->d)->store;
	struct email_states states;
	uint64_t names;

	if (email_states(store, account_id, &states, e) < 0 ||
		object_state(store, account_id, OBJECT_MAILBOX, &names, e) < 0)
		return err_wrap(e, "the state of mailboxes");
	*state_r = states.mailbox > names ? states.mailbox : names;
	return 0;
}

FIBER int jmap_boxes_load(struct jmap_call *c, struct jmap_account *account, bool has_counts,
	struct jmap_boxes *boxes_r, struct err *e)
{
	*boxes_r = (struct jmap_boxes){.account = account};
	/* the state first: what changes meanwhile is told again, never missed */
	if (jmap_boxes_state(c, account->id, &boxes_r->state, e) < 0 ||
		read_names(c, account, boxes_r, e) < 0 || read_orders(c, boxes_r, e) < 0 ||
		read_subscriptions(c, boxes_r, e) < 0)
		return -1;
	if (boxes_r->count)
		qsort(boxes_r->list, boxes_r->count, sizeof(*boxes_r->list), by_name);
	for (size_t i = 0; i < boxes_r->count; i++)
		take_parent(boxes_r, &boxes_r->list[i]);
	return has_counts ? read_counts(c, boxes_r, e) : 0;
}

/* ---- one of them ---- */

/* Section 2, with the rights of RFC 4314 that it names. */
static void put_rights(struct json_out *j, const struct jmap_box *b)
{
	static const struct {
		const char *name;
		unsigned rights;
		bool is_of_inbox; /* INBOX itself stays where it is */
	} rights[] = {
		{"mayReadItems", MAILBOX_RIGHT_LOOKUP | MAILBOX_RIGHT_READ, true},
		{"mayAddItems", MAILBOX_RIGHT_INSERT, true},
		{"mayRemoveItems", MAILBOX_RIGHT_DELETE_MSG | MAILBOX_RIGHT_EXPUNGE, true},
		{"maySetSeen", MAILBOX_RIGHT_SEEN, true},
		{"maySetKeywords", MAILBOX_RIGHT_WRITE, true},
		{"mayCreateChild", MAILBOX_RIGHT_CREATE, true},
		{"mayRename", MAILBOX_RIGHT_DELETE, false},
		{"mayDelete", MAILBOX_RIGHT_DELETE, false},
		{"maySubmit", MAILBOX_RIGHT_POST, true},
	};

	json_open_object(j);
	for (size_t i = 0; i < ARRAY_LEN(rights); i++)
		json_kv_bool(j, rights[i].name,
			(b->rights & rights[i].rights) == rights[i].rights &&
				(rights[i].is_of_inbox || !b->is_inbox));
	json_close(j);
}

static void put_text_or_null(struct json_out *j, struct span s)
{
	if (s.len)
		json_span(j, s);
	else
		json_null(j);
}

static void put_parent(struct json_out *j, const struct jmap_box *b)
{
	if (b->parent_id)
		jmap_put_id(j, 'F', b->parent_id);
	else
		json_null(j);
}

void jmap_put_box_property(struct json_out *j, const struct jmap_box *b, const char *property)
{
	const struct {
		const char *name;
		uint64_t value;
	} numbers[] = {
		{"sortOrder", b->order},
		{"totalEmails", b->counts.emails},
		{"unreadEmails", b->counts.unread},
		{"totalThreads", b->counts.threads},
		{"unreadThreads", b->counts.unread_threads},
	};
	struct span p = span_str(property);

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (span_eq(p, span_str(numbers[i].name))) {
			json_u64(j, numbers[i].value);
			return;
		}
	if (span_eq(p, SPAN("id")))
		jmap_put_id(j, 'F', b->id);
	else if (span_eq(p, SPAN("name")))
		json_span(j, b->name);
	else if (span_eq(p, SPAN("parentId")))
		put_parent(j, b);
	else if (span_eq(p, SPAN("role")))
		put_text_or_null(j, b->role);
	else if (span_eq(p, SPAN("isSubscribed")))
		json_bool(j, b->is_subscribed);
	else
		put_rights(j, b);
}

static void put_box(struct jmap_call *c, const struct jmap_get *g, const struct jmap_box *b)
{
	json_open_object(c->out);
	for (size_t i = 0; properties[i]; i++)
		if (jmap_get_wants(g, properties[i])) {
			json_key(c->out, properties[i]);
			jmap_put_box_property(c->out, b, properties[i]);
		}
	json_close(c->out);
}

/* ---- methods ---- */

static bool wants_counts(const struct jmap_get *g)
{
	return jmap_get_wants(g, "totalEmails") || jmap_get_wants(g, "unreadEmails") ||
		jmap_get_wants(g, "totalThreads") || jmap_get_wants(g, "unreadThreads");
}

static FIBER int get(struct jmap_call *c, struct err *e)
{
	struct jmap_boxes boxes;
	struct jmap_get g;

	if (jmap_get_begin(c, &g, &mailbox_type, e) < 0 ||
		jmap_boxes_load(c, g.account, wants_counts(&g), &boxes, e) < 0)
		return -1;
	json_key(c->out, "list");
	json_open_array(c->out);
	for (size_t i = 0; g.is_all && i < boxes.count; i++)
		put_box(c, &g, &boxes.list[i]);
	for (size_t i = 0; i < g.count; i++) {
		const struct jmap_box *b = jmap_box_of(&boxes, g.numbers[i]);

		if (b)
			put_box(c, &g, b);
		else
			jmap_get_missing(c, &g, g.ids[i]);
	}
	json_close(c->out);
	jmap_get_end(c, &g, boxes.state);
	return 0;
}

/* Section 2.2: updatedProperties, when nothing but counters has changed. */
static FIBER int changes(struct jmap_call *c, struct err *e)
{
	static const char *const counters[] = {
		"totalEmails", "unreadEmails", "totalThreads", "unreadThreads"};
	struct jmap_changes ch;
	struct email_changes result = {0};

	if (jmap_changes_begin(c, &ch, e) < 0)
		return -1;
	result.since = ch.since;
	result.max = ch.max;
	if (email_mailbox_changes(jmapd_opts_of(c->d)->store, c->a, &ch.account->eyes, &result, e) <
		0)
		return jmap_changes_failed(c, e);
	jmap_changes_end(c, &ch, &result, 'F');
	json_key(c->out, "updatedProperties");
	if (!result.is_counts_only || !result.count) {
		json_null(c->out);
		return 0;
	}
	json_open_array(c->out);
	for (size_t i = 0; i < ARRAY_LEN(counters); i++)
		json_str(c->out, counters[i]);
	json_close(c->out);
	return 0;
}

const struct jmap_method jmap_mailbox_methods[] = {
	{"Mailbox/get", JMAP_CAP_PLACE_MAIL, JMAP_MAY_PACK, get},
	{"Mailbox/changes", JMAP_CAP_PLACE_MAIL, JMAP_MAY_PACK, changes},
	{"Mailbox/query", JMAP_CAP_PLACE_MAIL, JMAP_MAY_PACK, jmap_mailbox_query},
	{"Mailbox/queryChanges", JMAP_CAP_PLACE_MAIL, JMAP_MAY_PACK, jmap_mailbox_query_changes},
	{"Mailbox/set", JMAP_CAP_PLACE_MAIL, JMAP_CHANGES_STATE, jmap_mailbox_set},
	{0},
};
