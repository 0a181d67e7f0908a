/* Mailbox/set (RFC 8621 section 2.5). */
#include "services/jmapd/jmapd_mailbox.h"

#include "base/enc.h"
#include "base/must.h"
#include "base/utf8.h"
#include "services/jmapd/jmapd_email.h"

static const char *const properties[] = {"id", "name", "parentId", "role", "sortOrder",
	"totalEmails", "unreadEmails", "totalThreads", "unreadThreads", "myRights", "isSubscribed",
	NULL};
static const struct jmap_type mailbox_type = {"Mailbox", 'F', properties, OBJECT_MAILBOX};
/* What a client wants of one; ptr NULL and has_… false: it said nothing. */
struct wish {
	struct span name, role;
	uint64_t parent_id;
	int64_t order;
	bool is_subscribed, is_name_other; /* it is kept in another form than the client's (NFC) */
	bool has_name, has_parent, has_role, has_order, has_subscribed;
};

/* ---- saying no ---- */

/* One property is at fault. */
static int bad(struct jmap_set_error *why, const char *property, const char *text)
{
	static const char *const one[][2] = {{"id"}, {"name"}, {"parentId"}, {"role"},
		{"sortOrder"}, {"totalEmails"}, {"unreadEmails"}, {"totalThreads"},
		{"unreadThreads"}, {"myRights"}, {"isSubscribed"}};

	why->type = "invalidProperties";
	why->description = text;
	for (size_t i = 0; i < ARRAY_LEN(one); i++)
		if (span_eq(span_str(one[i][0]), span_str(property)))
			why->properties = one[i];
	return -1;
}

/* One that there is not: its name is the client's. */
static int unknown(struct jmap_set *s, struct jmap_set_error *why, const char *name)
{
	const char **list = ARENA_ARRAY(s->call->a, const char *, 2);

	list[0] = name;
	why->type = "invalidProperties";
	why->description = "There is no such property.";
	why->properties = list;
	return -1;
}

static int forbidden(struct jmap_set_error *why, const char *text)
{
	why->type = "forbidden";
	why->description = text;
	return -1;
}

/* What the store says of a change, as the client hears it: 0 when it can be told of, -1 when the method fails. */
static int told(struct jmap_set_error *why, struct err *e)
{
	switch (e->code) {
	case ERR_EXISTS: bad(why, "name", "There is a Mailbox of that name."); break;
	case ERR_SYNTAX: bad(why, "name", "A Mailbox cannot be called so."); break;
	case ERR_LIMIT: why->type = "overQuota"; break;
	case ERR_NOT_FOUND: why->type = "notFound"; break;
	case ERR_DENIED: forbidden(why, "That cannot be done with this Mailbox."); break;
	default: return err_wrap(e, "changing a mailbox");
	}
	err_clear(e);
	return 0;
}

/* ---- reading what is wanted ---- */

/* Section 2: Net-Unicode, 1 to 255 octets; '/' parts levels here, '*' and '%' mean much in IMAP. */
static int take_name(
	struct jmap_set *s, const struct json_in *v, struct wish *w, struct jmap_set_error *why)
{
	struct span name = facts_nfc(s->call->a, json_in_span(v));

	if (!json_in_is_text(v) || !name.len || name.len > JMAP_MAILBOX_NAME_MAX)
		return bad(why, "name", "A name has 1 to 255 octets.");
	if (span_find(name, '/') >= 0 || mailbox_name_check(name, NULL) < 0 ||
		span_trim(name).len != name.len)
		return bad(why, "name",
			"A name has no controls, no '/', '*', '%', and no blanks at its ends.");
	w->name = name;
	w->has_name = true;
	w->is_name_other = !span_eq(name, json_in_span(v));
	return 0;
}

static int take_parent(
	struct jmap_set *s, const struct json_in *v, struct wish *w, struct jmap_set_error *why)
{
	w->has_parent = true;
	if (json_in_is_null(v))
		return 0;
	if (!json_in_is_text(v) || !jmap_id_of(s->call, json_in_span(v), 'F', &w->parent_id))
		return bad(why, "parentId", "There is no such Mailbox.");
	return 0;
}

static int take_role(const struct json_in *v, struct wish *w, struct jmap_set_error *why)
{
	w->has_role = true;
	if (json_in_is_null(v))
		return 0;
	w->role = json_in_span(v);
	if (!span_eq(w->role, SPAN("inbox")) && !jmap_use_of_role(w->role).len)
		return bad(why, "role", "There is no such role here.");
	return 0;
}

static int take_member(struct jmap_set *s, const char *name, const struct json_in *v,
	struct wish *w, struct jmap_set_error *why)
{
	struct span n = span_str(name);

	if (span_eq(n, SPAN("name")))
		return take_name(s, v, w, why);
	if (span_eq(n, SPAN("parentId")))
		return take_parent(s, v, w, why);
	if (span_eq(n, SPAN("role")))
		return take_role(v, w, why);
	if (span_eq(n, SPAN("sortOrder"))) {
		w->order = json_in_is_null(v) ? 0 : json_in_int(v);
		w->has_order = true;
		if ((!json_in_is_int(v) && !json_in_is_null(v)) || w->order < 0 ||
			w->order > INT32_MAX)
			return bad(why, "sortOrder", "A number from 0 to 2147483647.");
		return 0;
	}
	if (span_eq(n, SPAN("isSubscribed"))) {
		w->is_subscribed = json_in_truth(v);
		w->has_subscribed = true;
		if (!json_in_is_bool(v))
			return bad(why, "isSubscribed", "true or false.");
		return 0;
	}
	for (size_t i = 0; properties[i]; i++)
		if (span_eq(n, span_str(properties[i])))
			return bad(why, name, "The server sets it.");
	return unknown(s, why, name);
}

/* All that are at fault are told. */
static void join(struct jmap_set *s, struct jmap_set_error *why, const struct jmap_set_error *one)
{
	if (!why->type || !one->properties)
		*why = *one;
	else
		jmap_bad_property_too(s->call->a, why, one->properties[0], one->description);
}

/* ---- what all changes look at ---- */

static struct span full_name(struct jmap_set *s, const struct jmap_box *parent, struct span name)
{
	struct arena *a = s->call->a;

	if (!parent)
		return name;
	return span_str(
		arena_printf(a, SPAN_FMT "/" SPAN_FMT, SPAN_ARG(parent->full), SPAN_ARG(name)));
}

static bool may(const struct jmap_box *b, unsigned right)
{
	return (b->rights & right) == right;
}

/* INBOX is one whatever its case; at the top nobody else is called so. */
static bool is_inbox_name(struct span full)
{
	return span_eq_nocase(full, SPAN("INBOX"));
}

/* A parent that the user sees and may make children in; *parent_r NULL: the top. */
static int find_parent(struct jmap_set *s, const struct jmap_boxes *boxes, uint64_t id,
	struct jmap_box **parent_r, struct jmap_set_error *why)
{
	*parent_r = id ? jmap_box_of(boxes, id) : NULL;
	if (id && !*parent_r)
		return bad(why, "parentId", "There is no such Mailbox.");
	if (id ? !may(*parent_r, MAILBOX_RIGHT_CREATE) : !s->account->is_own)
		return forbidden(why, "You may not make a Mailbox there.");
	return 0;
}

/* Siblings have different names (section 2), whatever a client does with case elsewhere. */
static int check_free(const struct jmap_boxes *boxes, const struct jmap_box *self, struct span full,
	struct jmap_set_error *why)
{
	const struct jmap_box *other = jmap_box_named(boxes, full);

	if (is_inbox_name(full) || (other && other != self))
		return bad(why, "name", "There is a Mailbox of that name.");
	return 0;
}

/* Another one of that name has been made already: which one. */
static void exists(struct jmap_set *s, const struct jmap_box *other, struct jmap_set_error *why)
{
	struct buf *id = arena_buf(s->call->a, 32);

	if (!other)
		return;
	enc_put_object(id, 'F', other->id);
	why->type = "alreadyExists";
	why->existing_id = buf_span(id);
}

static FIBER int set_role(struct jmap_set *s, uint64_t id, struct span role,
	struct jmap_set_error *why, struct err *e)
{
	struct store *store = jmapd_opts_of(s->call->d)->store;

	if (mailbox_use_set(store, id, jmap_use_of_role(role), e) == 0)
		return 0;
	if (e->code != ERR_EXISTS)
		return told(why, e);
	err_clear(e);
	bad(why, "role", "Another Mailbox has this role.");
	return 0;
}

static FIBER int set_subscribed(
	struct jmap_set *s, uint64_t id, struct span seen, bool is_on, struct err *e)
{
	struct store *store = jmapd_opts_of(s->call->d)->store;

	if (mailbox_subscribe(store, s->call->user.account_id, seen, is_on, e) < 0)
		return err_wrap(e, "subscribing");
	/* the change of a shared one is told where the mailbox is */
	return s->account->is_own ? 0 : mailbox_touch(store, id, e);
}

/* The name of what is below or is `b`, as the user sees it, under a full name of its owner's. */
static struct span seen_name(struct jmap_set *s, const struct jmap_box *b, struct span full)
{
	size_t prefix = b->seen.len >= b->full.len ? b->seen.len - b->full.len : 0;

	return span_str(arena_printf(s->call->a, SPAN_FMT SPAN_FMT,
		SPAN_ARG(span_sub(b->seen, 0, prefix)), SPAN_ARG(full)));
}

/* ---- create ---- */

static void put_made(struct jmap_set *s, const struct wish *w, const struct jmap_box *b,
	struct span *server_set_r)
{
	struct buf *out = arena_buf(s->call->a, 4096);
	struct json_out j;

	json_out_init(&j, out);
	json_open_object(&j);
	for (size_t i = 1; properties[i]; i++) {
		struct span p = span_str(properties[i]);

		/* RFC 8620 section 5.3: what the client left out, or what became something else */
		if ((w->has_name && !w->is_name_other && span_eq(p, SPAN("name")) &&
			    span_eq(w->name, b->name)) ||
			(w->has_parent && span_eq(p, SPAN("parentId"))) ||
			(w->has_role && span_eq(p, SPAN("role"))) ||
			(w->has_order && span_eq(p, SPAN("sortOrder"))) ||
			(w->has_subscribed && span_eq(p, SPAN("isSubscribed"))))
			continue;
		json_key(&j, properties[i]);
		jmap_put_box_property(&j, b, properties[i]);
	}
	json_close(&j);
	*server_set_r = buf_span(out);
}

static FIBER int finish_creation(struct jmap_set *s, const struct wish *w, uint64_t id,
	struct span full, struct span *server_set_r, struct err *e)
{
	struct store *store = jmapd_opts_of(s->call->d)->store;
	struct jmap_boxes boxes;
	struct jmap_box *b;

	if (w->has_order && mailbox_order_set(store, id, (uint32_t)w->order, e) < 0)
		return err_wrap(e, "the order of a mailbox");
	if (jmap_boxes_load(s->call, s->account, false, &boxes, e) < 0)
		return -1;
	b = jmap_box_named(&boxes, full);
	if (!b)
		return 0; /* gone again already */
	if (w->has_subscribed && w->is_subscribed &&
		set_subscribed(s, id, seen_name(s, b, full), true, e) < 0)
		return -1;
	b->is_subscribed = w->has_subscribed && w->is_subscribed;
	put_made(s, w, b, server_set_r);
	return 0;
}

/* What the server sets may be told as it will be: nothing in it, and all rights. */
static bool is_as_made(struct jmap_set *s, const char *name, const struct json_in *v)
{
	const struct json_in *right;
	const char *one;
	void *at = NULL;

	if (span_starts(span_str(name), SPAN("total")) ||
		span_starts(span_str(name), SPAN("unread")))
		return json_in_is_int(v) && json_in_int(v) == 0;
	if (!s->account->is_own || !span_eq(span_str(name), SPAN("myRights")) || !json_in_size(v))
		return false;
	while (json_in_next(v, &at, &one, &right))
		if (!span_starts(span_str(one), SPAN("may")) || !json_in_truth(right))
			return false;
	return true;
}

static int read_wish(struct jmap_set *s, const struct json_in *object, struct wish *w,
	struct jmap_set_error *why)
{
	const struct json_in *value;
	const char *name;
	void *at = NULL;

	while (json_in_next(object, &at, &name, &value)) {
		struct jmap_set_error one = {0};

		if (!is_as_made(s, name, value) && take_member(s, name, value, w, &one) < 0)
			join(s, why, &one);
	}
	return why->type ? -1 : 0;
}

/* A shared account's list was read when the request began: what was made since has to be in it. */
static FIBER int look(struct jmap_set *s, struct jmap_boxes *boxes, struct err *e)
{
	struct jmap_account *fresh;
	struct buf *id = arena_buf(s->call->a, 32);

	if (!s->account->is_own) {
		enc_put_object(id, 'A', s->account->id);
		jmap_accounts_forget(s->call);
		if (jmap_account_of(s->call, buf_span(id), &fresh, e) < 0)
			return -1;
		if (fresh)
			s->account = fresh;
	}
	return jmap_boxes_load(s->call, s->account, true, boxes, e);
}

static FIBER int create(struct jmap_set *s, const struct json_in *object, struct span *id_r,
	struct span *server_set_r, struct jmap_set_error *why, struct err *e)
{
	struct store *store = jmapd_opts_of(s->call->d)->store;
	struct wish w = {0};
	struct jmap_boxes boxes;
	struct jmap_box *parent;
	struct buf *id_text = arena_buf(s->call->a, 32);
	struct span full;
	uint64_t id;

	if (read_wish(s, object, &w, why) < 0)
		return 0;
	if (!w.has_name)
		return bad(why, "name", "A Mailbox needs a name."), 0;
	if (look(s, &boxes, e) < 0)
		return -1;
	if (find_parent(s, &boxes, w.parent_id, &parent, why) < 0)
		return 0;
	full = full_name(s, parent, w.name);
	if (check_free(&boxes, NULL, full, why) < 0) {
		exists(s, jmap_box_named(&boxes, is_inbox_name(full) ? SPAN("INBOX") : full), why);
		return 0;
	}
	for (size_t i = 0; w.role.len && i < boxes.count; i++)
		if (span_eq(boxes.list[i].role, w.role))
			return bad(why, "role", "Another Mailbox has this role."), 0;
	if (mailbox_create(store, s->account->id, full, jmap_use_of_role(w.role), &id, e) < 0)
		return told(why, e);
	enc_put_object(id_text, 'F', id);
	*id_r = buf_span(id_text);
	if (!s->account->is_own && look(s, &boxes, e) < 0)
		return -1;
	return finish_creation(s, &w, id, full, server_set_r, e);
}

/* ---- update ---- */

/* Subscriptions go by names: they move along. */
static FIBER int move_subscriptions(struct jmap_set *s, const struct jmap_boxes *boxes,
	const struct jmap_box *b, struct span full, struct err *e)
{
	for (size_t i = 0; i < boxes->count; i++) {
		const struct jmap_box *x = &boxes->list[i];
		bool is_below = x->full.len > b->full.len && span_starts(x->full, b->full) &&
			x->full.ptr[b->full.len] == '/';
		struct span now = span_str(arena_printf(s->call->a, SPAN_FMT SPAN_FMT,
			SPAN_ARG(full), SPAN_ARG(span_skip(x->full, b->full.len))));

		if ((x != b && !is_below) || !x->is_subscribed)
			continue;
		if (set_subscribed(s, x->id, seen_name(s, x, now), true, e) < 0 ||
			set_subscribed(s, x->id, x->seen, false, e) < 0)
			return -1;
	}
	return 0;
}

static bool is_at_or_below(const struct jmap_boxes *boxes, const struct jmap_box *x, uint64_t id)
{
	for (; x; x = x->parent_id ? jmap_box_of(boxes, x->parent_id) : NULL)
		if (x->id == id)
			return true;
	return false;
}

/* What it shall be called; ptr NULL: as it is. */
static int plan_rename(struct jmap_set *s, const struct jmap_boxes *boxes, struct jmap_box *b,
	const struct wish *w, struct span *full_r, struct jmap_set_error *why)
{
	uint64_t parent_id = w->has_parent ? w->parent_id : b->parent_id;
	struct span name = w->has_name ? w->name : b->name;
	struct jmap_box *parent = NULL;

	*full_r = SPAN_NONE;
	if (parent_id == b->parent_id && span_eq(name, b->name))
		return 0;
	if (b->is_inbox || !may(b, MAILBOX_RIGHT_DELETE))
		return forbidden(why, "This Mailbox keeps its name and place.");
	if (parent_id == b->parent_id)
		parent = jmap_box_of(boxes, parent_id);
	else if (find_parent(s, boxes, parent_id, &parent, why) < 0)
		return -1;
	if (is_at_or_below(boxes, parent, b->id))
		return bad(why, "parentId", "A Mailbox cannot be below itself.");
	*full_r = full_name(s, parent, name);
	if (mailbox_name_check(*full_r, NULL) < 0)
		return bad(why, "parentId", "It would be too far down, or its name too long.");
	return check_free(boxes, b, *full_r, why);
}

static FIBER int rename_box(struct jmap_set *s, const struct jmap_boxes *boxes,
	const struct jmap_box *b, struct span full, struct jmap_set_error *why, struct err *e)
{
	if (mailbox_rename(jmapd_opts_of(s->call->d)->store, b->id, full, e) < 0)
		return told(why, e);
	return move_subscriptions(s, boxes, b, full, e);
}

/* Server-set properties may be there when they say what is (RFC 8620 section 5.3). */
static bool is_as_it_is(
	struct jmap_set *s, const struct jmap_box *b, const char *name, const struct json_in *v)
{
	struct buf *is = arena_buf(s->call->a, 4096);
	struct json_in *kept;
	struct json_out j;
	bool is_same;

	json_out_init(&j, is);
	json_open_object(&j);
	json_key(&j, "v");
	jmap_put_box_property(&j, b, name);
	json_close(&j);
	kept = json_in_parse(buf_span(is), NULL);
	is_same = json_in_is_same(json_in_get(kept, "v"), v);
	json_in_free(&kept);
	return is_same;
}

static bool is_server_set(const char *name)
{
	static const char *const names[] = {
		"id", "totalEmails", "unreadEmails", "totalThreads", "unreadThreads", "myRights"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (span_eq(span_str(name), span_str(names[i])))
			return true;
	return false;
}

static int read_patch(struct jmap_set *s, const struct jmap_box *b, const struct json_in *patch,
	struct wish *w, struct jmap_set_error *why)
{
	const struct json_in *value;
	const char *name;
	void *at = NULL;

	while (json_in_next(patch, &at, &name, &value)) {
		if (span_find(span_str(name), '/') >= 0) {
			why->type = "invalidPatch";
			why->description = "A Mailbox has nothing to be patched in.";
			return -1;
		}
		/* its own name, whatever may not be in one that is new */
		if (span_eq(span_str(name), SPAN("name")) && json_in_is_text(value) &&
			span_eq(json_in_span(value), b->name))
			continue;
		if (is_server_set(name) && is_as_it_is(s, b, name, value))
			continue;
		struct jmap_set_error one = {0};

		if (take_member(s, name, value, w, &one) < 0)
			join(s, why, &one);
	}
	return why->type ? -1 : 0;
}

static FIBER int update_rest(struct jmap_set *s, const struct jmap_box *b, const struct wish *w,
	struct jmap_set_error *why, struct err *e)
{
	struct store *store = jmapd_opts_of(s->call->d)->store;

	if (w->has_order && mailbox_order_set(store, b->id, (uint32_t)w->order, e) < 0)
		return told(why, e);
	if (w->has_role && !span_eq(w->role, b->role))
		return set_role(s, b->id, w->role, why, e);
	return 0;
}

/* Roles, order and names are its owner's, or of who may administer it. */
static bool is_allowed(const struct jmap_boxes *boxes, const struct jmap_box *b,
	const struct wish *w, struct jmap_set_error *why)
{
	bool is_role = w->has_role && !span_eq(w->role, b->role);

	for (size_t i = 0; is_role && w->role.len && i < boxes->count; i++)
		if (span_eq(boxes->list[i].role, w->role)) {
			bad(why, "role", "Another Mailbox has this role.");
			return false;
		}

	if (is_role && (b->is_inbox || span_eq(w->role, SPAN("inbox")))) {
		bad(why, "role", "There is one inbox, and it stays.");
		return false;
	}
	if ((is_role || (w->has_order && w->order != b->order)) && !may(b, MAILBOX_RIGHT_ADMIN)) {
		forbidden(why, "You may not change that of this Mailbox.");
		return false;
	}
	return true;
}

/* ---- names and roles that go round in a ring ---- */

/* What this call wants of another one of its Mailboxes. */
static bool read_other(
	struct jmap_set *s, struct jmap_box *b, struct wish *w, struct jmap_set_error *why)
{
	struct buf *id = arena_buf(s->call->a, 64);
	const struct json_in *patch;

	enc_put_object(id, 'F', b->id);
	patch = json_in_get(json_in_get(s->call->args, "update"), buf_cstr(id));
	return patch && read_patch(s, b, patch, w, why) == 0;
}

/* It shall be called as another one is, and nothing else is in its way. */
static bool wants_name_of(struct jmap_set *s, const struct jmap_boxes *boxes, struct jmap_box *b,
	struct jmap_box **other_r)
{
	struct jmap_set_error why = {0};
	struct wish w = {0};
	struct span full;

	if (!read_other(s, b, &w, &why) || !is_allowed(boxes, b, &w, &why) ||
		plan_rename(s, boxes, b, &w, &full, &why) == 0 || !full.ptr)
		return false;
	*other_r = jmap_box_named(boxes, full);
	return *other_r && !(*other_r)->is_inbox;
}

/* RFC 8620 section 5.3: A may become B while B becomes A. The one whose name is wanted steps aside. */
static FIBER int untie(struct jmap_set *s, const struct jmap_boxes *boxes, struct jmap_box *b,
	bool *is_untied_r, struct err *e)
{
	struct buf *aside = arena_buf(s->call->a, 2 * MAILBOX_NAME_MAX);
	struct jmap_box *first = NULL, *x = b;
	struct jmap_set_error why = {0};

	*is_untied_r = false;
	for (size_t n = 0; n < JMAP_SET_MAX; n++) {
		if (!wants_name_of(s, boxes, x, &x))
			return 0;
		first = first ? first : x;
		if (x == b)
			break;
	}
	if (x != b || first == b)
		return 0;
	buf_printf(aside, SPAN_FMT "~", SPAN_ARG(first->full));
	enc_put_object(aside, 'F', first->id);
	*is_untied_r = mailbox_name_check(buf_span(aside), NULL) == 0 &&
		rename_box(s, boxes, first, buf_span(aside), &why, e) == 0 && !why.type;
	return *is_untied_r || why.type || !e || !e->code ? 0 : -1;
}

/* It shall have the role of another one, and nothing else is in its way. */
static bool wants_role_of(struct jmap_set *s, const struct jmap_boxes *boxes, struct jmap_box *b,
	struct jmap_box **other_r)
{
	struct jmap_set_error why = {0};
	struct wish w = {0};
	struct span full;

	if (!read_other(s, b, &w, &why) || !w.role.len || b->is_inbox || span_eq(w.role, b->role) ||
		!may(b, MAILBOX_RIGHT_ADMIN) || plan_rename(s, boxes, b, &w, &full, &why) < 0)
		return false;
	for (size_t i = 0; i < boxes->count; i++)
		if (span_eq(boxes->list[i].role, w.role)) {
			*other_r = &boxes->list[i];
			return !(*other_r)->is_inbox;
		}
	return false;
}

/* The same of roles: the one whose role is wanted gives it away until it gets its own. */
static FIBER int untie_role(struct jmap_set *s, const struct jmap_boxes *boxes, struct jmap_box *b,
	bool *is_untied_r, struct err *e)
{
	struct jmap_box *first = NULL, *x = b;

	*is_untied_r = false;
	for (size_t n = 0; n < JMAP_SET_MAX; n++) {
		if (!wants_role_of(s, boxes, x, &x))
			return 0;
		first = first ? first : x;
		if (x == b)
			break;
	}
	if (x != b || first == b)
		return 0;
	*is_untied_r = true;
	return mailbox_use_set(jmapd_opts_of(s->call->d)->store, first->id, SPAN(""), e);
}

/* RFC 8620 section 5.3: what became something else than the client said. */
static void tell_name(struct jmap_set *s, const struct wish *w, struct span *server_set_r)
{
	struct buf *b = arena_buf(s->call->a, 4096);
	struct json_out j;

	json_out_init(&j, b);
	json_open_object(&j);
	json_kv_span(&j, "name", w->name);
	json_close(&j);
	*server_set_r = buf_span(b);
}

static FIBER int update(struct jmap_set *s, uint64_t id, struct span id_text,
	const struct json_in *patch, struct span *server_set_r, struct jmap_set_error *why,
	struct err *e)
{
	struct jmap_boxes boxes;
	struct jmap_box *b;
	struct wish w = {0};
	struct span full = SPAN_NONE;
	bool is_untied = false;

	if (look(s, &boxes, e) < 0)
		return -1;
	b = jmap_box_of(&boxes, id);
	if (!b) {
		why->type = "notFound";
		return 0;
	}
	/* whatever can be refused is refused before something has changed */
	if (read_patch(s, b, patch, &w, why) < 0)
		return 0;
	if (!is_allowed(&boxes, b, &w, why)) {
		if (untie_role(s, &boxes, b, &is_untied, e) < 0)
			return -1;
	} else if (plan_rename(s, &boxes, b, &w, &full, why) < 0) {
		if (full.ptr && untie(s, &boxes, b, &is_untied, e) < 0)
			return -1;
	}
	if (is_untied) {
		*why = (struct jmap_set_error){0};
		return update(s, id, id_text, patch, server_set_r, why, e);
	}
	if (why->type)
		return 0;
	if (full.ptr && rename_box(s, &boxes, b, full, why, e) < 0)
		return -1;
	if (why->type || update_rest(s, b, &w, why, e) < 0)
		return why->type ? 0 : -1;
	if (w.is_name_other)
		tell_name(s, &w, server_set_r);
	if (!w.has_subscribed || w.is_subscribed == b->is_subscribed)
		return 0;
	return set_subscribed(
		s, b->id, full.ptr ? seen_name(s, b, full) : b->seen, w.is_subscribed, e);
}

/* ---- destroy ---- */

static FIBER int destroy(struct jmap_set *s, uint64_t id, struct span id_text,
	struct jmap_set_error *why, struct err *e)
{
	struct store *store = jmapd_opts_of(s->call->d)->store;
	const bool *removes_emails = s->arg;
	struct jmap_boxes boxes;
	struct jmap_box *b;

	(void)id_text;
	if (look(s, &boxes, e) < 0)
		return -1;
	b = jmap_box_of(&boxes, id);
	if (!b)
		why->type = "notFound";
	else if (b->is_inbox || !may(b, MAILBOX_RIGHT_DELETE))
		forbidden(why, "This Mailbox stays.");
	else if (b->has_child)
		why->type = "mailboxHasChild";
	else if (!*removes_emails && b->counts.emails)
		why->type = "mailboxHasEmail";
	if (why->type)
		return 0;
	if (mailbox_delete(store, id, e) < 0)
		return told(why, e);
	return b->is_subscribed
		? mailbox_subscribe(store, s->call->user.account_id, b->seen, false, e)
		: 0;
}

static FIBER int state(struct jmap_set *s, uint64_t *modseq_r, struct err *e)
{
	return jmap_boxes_state(s->call, s->account->id, modseq_r, e);
}

static FIBER int changes(struct jmap_set *s, struct email_changes *c, struct err *e)
{
	return email_mailbox_changes(
		jmapd_opts_of(s->call->d)->store, s->call->a, &s->account->eyes, c, e);
}

FIBER int jmap_mailbox_set(struct jmap_call *c, struct err *e)
{
	static const struct jmap_set_type type = {
		&mailbox_type, create, update, destroy, state, changes, true};
	bool removes_emails = false;

	if (jmap_arg_bool(c, "onDestroyRemoveEmails", &removes_emails, e) < 0)
		return -1;
	return jmap_set_run(c, &type, &removes_emails, e);
}
