/* Email/set (RFC 8621 section 4.6). All updates of a call are looked at together when the first one's turn
 * comes, and so are all that are to be destroyed: a client that files five hundred messages costs a few
 * closures of the writer, not five hundred. */
#include <stdlib.h>

#include "base/enc.h"
#include "run/loop.h"
#include "store/snooze.h"
#include "services/jmapd/jmapd_make.h"
#include "services/jmapd/jmapd_write.h"

/* What is to become of one Email. */
struct change {
	uint64_t id;
	const struct json_in *patch; /* NULL: it goes */
	const struct email *email;
	struct jmap_set_error why;
	/* read from the patch */
	bool has_keywords, is_replaced; /* keywords: all of them, or some */
	struct jmap_keywords add, remove;
	bool has_boxes;
	uint64_t *boxes; /* where it will be */
	size_t box_count, box_room;
	struct jmap_snooze snooze;
	struct span *fixed; /* properties that cannot change: told as they are? */
	size_t fixed_count;
};

struct email_set {
	struct jmap_call *c;
	struct jmap_account *account;
	struct jmap_boxes boxes;
	bool has_boxes;
	struct change *updates, *destroys; /* ascending by id, once planned */
	size_t update_count, destroy_count;
	bool is_updated, is_destroyed;
	struct change *list; /* of the batch that is being done */
	uint64_t snoozed_box;
};

static struct store *store_of_call(const struct jmap_call *c)
{
	return jmapd_opts_of(c->d)->store;
}

static FIBER int need_boxes(struct email_set *s, struct err *e)
{
	if (s->has_boxes)
		return 0;
	if (jmap_boxes_read(s->c, s->account, &s->boxes, e) < 0)
		return -1;
	s->has_boxes = true;
	return 0;
}

/* ---- creating ---- */

/* The message, checked and written; *why_r->type: it is not to be. */
static FIBER int make_letter(struct jmap_set *set, const struct json_in *object,
	struct jmap_make *m, struct jmap_place *place, struct stage *stage,
	struct jmap_set_error *why_r, struct err *e)
{
	struct email_set *s = set->arg;
	const struct jmapd_opts *o = jmapd_opts_of(set->call->d);
	struct jmap_make_settings settings = {.wall_ns = loop_wall_ns(),
		.id = store_new_id(o->store),
		.random = loop_random(),
		.host = span_str(o->hostname)};
	struct err why = {0};

	if (!jmap_make_read(m, object, why_r))
		return 0;
	jmap_place_read(set->call, &s->boxes, m->mailbox_ids, m->keywords, place, why_r);
	if (why_r->type || jmap_make_look(set->call, set->account, m, why_r, e) < 0)
		return why_r->type ? 0 : -1;
	if (why_r->type || jmap_make_write(m, &settings, stage, &why) == 0)
		return 0;
	if (why.code != ERR_LIMIT)
		return err_copy(e, &why);
	jmap_make_too_large(set->call, m, why_r);
	return 0;
}

static FIBER int create(struct jmap_set *set, const struct json_in *object, struct span *id_r,
	struct span *server_set_r, struct jmap_set_error *why_r, struct err *e)
{
	struct email_set *s = set->arg;
	struct stage *stage = stage_new(store_of_call(set->call));
	struct jmap_make m = {.a = arena_new(), .max = jmapd_opts_of(set->call->d)->message_max};
	struct jmap_place place = {0};
	uint64_t id = 0;
	struct buf *b;
	int rc;

	s->account = set->account;
	rc = need_boxes(s, e);
	if (rc == 0)
		rc = make_letter(set, object, &m, &place, stage, why_r, e);
	if (rc == 0 && !why_r->type)
		rc = jmap_email_put(set->call, set->account, &place, &stage, m.received_ns, &id,
			server_set_r, why_r, e);
	if (rc == 0 && !why_r->type) {
		b = arena_buf(set->call->a, 64);
		enc_put_object(b, 'M', id);
		*id_r = buf_span(b);
	}
	/* what is told of the SetError may stand in the message's own memory */
	if (why_r->properties)
		jmap_bad_property(set->call->a, why_r, why_r->properties[0], why_r->description);
	stage_free(&stage);
	arena_free(&m.a);
	return rc;
}

/* ---- reading updates ---- */

static void bad(struct email_set *s, struct change *x, const char *type, const char *property,
	const char *why)
{
	bool is_property = span_eq(span_str(type), SPAN("invalidProperties"));

	if (is_property)
		jmap_bad_property_too(s->c->a, &x->why, property, why);
	else
		x->why = (struct jmap_set_error){.type = type, .description = why};
}

static void read_keyword(struct email_set *s, struct change *x, const char *key, struct span word,
	const struct json_in *v)
{
	enum jmap_keyword_trouble trouble;

	if (x->is_replaced) {
		bad(s, x, "invalidPatch", key, "keywords are told twice");
		return;
	}
	x->has_keywords = true;
	if (!json_in_is_null(v) && !json_in_truth(v)) {
		bad(s, x, "invalidProperties", key, "true or null is expected");
		return;
	}
	trouble = jmap_keyword_add(s->c->a, json_in_is_null(v) ? &x->remove : &x->add, word);
	if (trouble == JMAP_KEYWORD_BAD)
		bad(s, x, "invalidProperties", key, "not a keyword");
	if (trouble == JMAP_KEYWORD_MANY)
		bad(s, x, "tooManyKeywords", key, "a keyword more than there is room for");
}

static void read_keywords(struct email_set *s, struct change *x, const struct json_in *v)
{
	if (x->has_keywords) {
		bad(s, x, "invalidPatch", "keywords", "keywords are told twice");
		return;
	}
	x->has_keywords = x->is_replaced = true;
	switch (jmap_keywords_read(s->c->a, v, &x->add)) {
	case JMAP_KEYWORD_GOOD: break;
	case JMAP_KEYWORD_MANY: bad(s, x, "tooManyKeywords", "keywords", NULL); break;
	case JMAP_KEYWORD_BAD: bad(s, x, "invalidProperties", "keywords", "not keywords"); break;
	}
}

/* Where it is now, as what patches change. */
static void begin_boxes(struct email_set *s, struct change *x)
{
	if (x->boxes)
		return;
	x->box_room = x->email->row_count + JMAP_MAILBOXES_MAX + 1;
	x->boxes = ARENA_ARRAY(s->c->a, uint64_t, x->box_room);
	for (size_t i = 0; i < x->email->row_count; i++) {
		bool is_there = false;

		for (size_t n = 0; n < x->box_count; n++)
			is_there |= x->boxes[n] == x->email->rows[i].mailbox_id;
		if (!is_there)
			x->boxes[x->box_count++] = x->email->rows[i].mailbox_id;
	}
}

static void read_box(struct email_set *s, struct change *x, const char *key, struct span text,
	const struct json_in *v)
{
	uint64_t id = 0;
	size_t at = 0;

	x->has_boxes = true;
	begin_boxes(s, x);
	if (!jmap_id_of(s->c, text, 'F', &id) || (!json_in_is_null(v) && !json_in_truth(v))) {
		bad(s, x, "invalidProperties", key, "not a mailbox, or not true or null");
		return;
	}
	while (at < x->box_count && x->boxes[at] != id)
		at++;
	if (json_in_is_null(v) && at < x->box_count)
		x->boxes[at] = x->boxes[--x->box_count];
	else if (json_in_truth(v) && at == x->box_count && x->box_count < x->box_room)
		x->boxes[x->box_count++] = id;
}

static void read_boxes(struct email_set *s, struct change *x, const struct json_in *v)
{
	if (x->has_boxes) {
		bad(s, x, "invalidPatch", "mailboxIds", "mailboxes are told twice");
		return;
	}
	x->has_boxes = true;
	if (!jmap_mailbox_ids_read(s->c, v, &x->boxes, &x->box_count) || !x->boxes)
		bad(s, x, "invalidProperties", "mailboxIds", "mailboxes with true are expected");
}

static void read_member(
	struct email_set *s, struct change *x, const char *key, const struct json_in *v)
{
	struct span rest, name = span_str(key);

	if (!jmap_patch_is_path(key))
		bad(s, x, "invalidPatch", key, "it leads nowhere");
	else if (span_eq(name, SPAN("keywords")))
		read_keywords(s, x, v);
	else if (span_eq(name, SPAN("mailboxIds")))
		read_boxes(s, x, v);
	else if (jmap_patch_below(s->c->a, key, "keywords", &rest))
		read_keyword(s, x, key, rest, v);
	else if (jmap_patch_below(s->c->a, key, "mailboxIds", &rest))
		read_box(s, x, key, rest, v);
	else if (span_eq(name, SPAN("snoozed")) && (s->c->using & 1u << JMAP_CAP_PLACE_PAGE)) {
		if (!jmap_snooze_read(s->c, v, &x->snooze))
			bad(s, x, "invalidProperties", key, "until and a mailbox are expected");
	} else if (span_find(name, '/') >= 0)
		bad(s, x, "invalidPatch", key, "nothing of it can be changed");
	else
		x->fixed[x->fixed_count++] = name;
}

/* ---- may he, and what is to be done ---- */

static const struct jmap_box *box_of_row(const struct email_set *s, const struct email_row *r)
{
	return jmap_box(&s->boxes, r->mailbox_id);
}

/* RFC 8621 section 2, myRights: in all of its mailboxes he needs the right. */
static bool may_all(const struct email_set *s, const struct change *x, unsigned rights)
{
	for (size_t i = 0; i < x->email->row_count; i++) {
		const struct jmap_box *box = box_of_row(s, &x->email->rows[i]);

		if (!box || (box->rights & rights) != rights)
			return false;
	}
	return true;
}

static bool has_word(struct span text, struct span word)
{
	struct span one;

	while (text.len) {
		span_cut(text, ' ', &one, &text);
		if (span_eq_nocase(one, word))
			return true;
	}
	return false;
}

/* What is replaced by the same needs no right. */
static unsigned rights_for_keywords(const struct change *x)
{
	unsigned now = x->email->flags, to = (now & ~x->remove.flags) | x->add.flags, rights = 0;
	size_t words = 0;
	struct span rest = x->email->keywords, one;

	if (x->is_replaced)
		to = x->add.flags;
	to &= ~(unsigned)MAILBOX_DELETED;
	now &= ~(unsigned)MAILBOX_DELETED;
	if ((now ^ to) & MAILBOX_SEEN)
		rights |= MAILBOX_RIGHT_SEEN;
	if ((now ^ to) & ~(unsigned)MAILBOX_SEEN)
		rights |= MAILBOX_RIGHT_WRITE;
	for (size_t i = 0; i < x->add.count; i++)
		if (!has_word(x->email->keywords, x->add.words[i]))
			rights |= MAILBOX_RIGHT_WRITE;
	for (; rest.len; words++)
		span_cut(rest, ' ', &one, &rest);
	if (x->remove.count || (x->is_replaced && words != x->add.count))
		rights |= MAILBOX_RIGHT_WRITE;
	return rights;
}

static void check_boxes(struct email_set *s, struct change *x)
{
	if (!x->box_count)
		bad(s, x, "invalidProperties", "mailboxIds", "an Email is in one mailbox at least");
	if (x->box_count > JMAP_MAILBOXES_MAX && x->box_count > x->email->row_count)
		bad(s, x, "tooManyMailboxes", "mailboxIds", NULL);
	for (size_t i = 0; i < x->box_count && !x->why.type; i++) {
		const struct jmap_box *box = jmap_box(&s->boxes, x->boxes[i]);
		bool is_in = false;

		for (size_t n = 0; n < x->email->row_count; n++)
			is_in |= x->email->rows[n].mailbox_id == x->boxes[i];
		if (!box)
			bad(s, x, "invalidProperties", "mailboxIds", "there is no such mailbox");
		else if (!is_in && !(box->rights & MAILBOX_RIGHT_INSERT))
			bad(s, x, "forbidden", "mailboxIds", "you have not the right to add it");
	}
	for (size_t n = 0; n < x->email->row_count && !x->why.type; n++) {
		const struct jmap_box *box = box_of_row(s, &x->email->rows[n]);
		const unsigned needed = MAILBOX_RIGHT_DELETE_MSG | MAILBOX_RIGHT_EXPUNGE;
		bool stays = false;

		for (size_t i = 0; i < x->box_count; i++)
			stays |= x->email->rows[n].mailbox_id == x->boxes[i];
		if (!stays && (!box || (box->rights & needed) != needed))
			bad(s, x, "forbidden", "mailboxIds",
				"you have not the right to take it out");
	}
}

static FIBER int read_change(struct email_set *s, struct change *x, struct err *e)
{
	const struct json_in *v;
	const char *key;
	void *at = NULL;

	x->fixed = ARENA_ARRAY(s->c->a, struct span, json_in_size(x->patch) + 1);
	while (json_in_next(x->patch, &at, &key, &v))
		read_member(s, x, key, v);
	if (!x->why.type) {
		if (jmap_email_differs(s->c, s->account, x->id, x->patch, x->fixed, x->fixed_count,
			    &key, e) < 0)
			return -1;
		if (key)
			bad(s, x, "invalidProperties", key, "it cannot be changed");
	}
	if (!x->why.type && x->has_boxes)
		check_boxes(s, x);
	if (!x->why.type && x->has_keywords && !may_all(s, x, rights_for_keywords(x)))
		x->why = (struct jmap_set_error){.type = "forbidden",
			.description = "you have not the right to change keywords there"};
	if (!x->why.type && x->snooze.is_told && !s->account->is_own)
		x->why = (struct jmap_set_error){
			.type = "forbidden", .description = "only what is your own can be put off"};
	return 0;
}

static void plan_keywords(const struct change *x, size_t whose, struct jmap_deeds *d)
{
	for (size_t i = 0; i < x->email->row_count; i++) {
		const struct email_row *r = &x->email->rows[i];
		struct jmap_deed deed = {.kind = JMAP_DEED_FLAGS,
			.from = r->mailbox_id,
			.how = x->is_replaced ? MAILBOX_FLAGS_REPLACE : MAILBOX_FLAGS_ADD,
			.keywords = x->add};

		if (x->is_replaced || x->add.flags || x->add.count)
			jmap_deeds_add(d, &deed, r->uid, whose);
		deed.how = MAILBOX_FLAGS_REMOVE;
		deed.keywords = x->remove;
		if (x->remove.flags || x->remove.count)
			jmap_deeds_add(d, &deed, r->uid, whose);
	}
}

static bool will_be_in(const struct change *x, uint64_t box)
{
	for (size_t i = 0; i < x->box_count; i++)
		if (x->boxes[i] == box)
			return true;
	return false;
}

static bool is_in(const struct change *x, uint64_t box)
{
	for (size_t i = 0; i < x->email->row_count; i++)
		if (x->email->rows[i].mailbox_id == box)
			return true;
	return false;
}

/* Rows that go out are moved where it comes in, as long as there are both: so it stays what it was. */
static void plan_boxes(const struct change *x, size_t whose, struct jmap_deeds *d)
{
	size_t to = 0;

	for (size_t i = 0; i < x->email->row_count; i++) {
		const struct email_row *r = &x->email->rows[i];
		struct jmap_deed deed = {.kind = JMAP_DEED_EXPUNGE, .from = r->mailbox_id};

		if (will_be_in(x, r->mailbox_id))
			continue;
		while (to < x->box_count && is_in(x, x->boxes[to]))
			to++;
		if (to < x->box_count) {
			deed.kind = JMAP_DEED_MOVE;
			deed.to = x->boxes[to++];
		}
		jmap_deeds_add(d, &deed, r->uid, whose);
	}
	for (; to < x->box_count; to++) {
		struct jmap_deed deed = {.kind = JMAP_DEED_COPY,
			.from = x->email->rows[0].mailbox_id,
			.to = x->boxes[to]};

		if (!is_in(x, x->boxes[to]))
			jmap_deeds_add(d, &deed, x->email->rows[0].uid, whose);
	}
}

/* ---- a batch ---- */

static int by_id(const void *a, const void *b)
{
	uint64_t x = ((const struct change *)a)->id, y = ((const struct change *)b)->id;

	return (x > y) - (x < y);
}

static struct change *change_of(struct change *list, size_t count, uint64_t id)
{
	struct change key = {.id = id};

	return count ? bsearch(&key, list, count, sizeof(*list), by_id) : NULL;
}

static void failed(void *arg, size_t whose, const char *type, const char *why)
{
	struct email_set *s = arg;

	s->list[whose].why = (struct jmap_set_error){.type = type, .description = why};
}

/* What they are now, in one read. */
static FIBER int look_up(struct email_set *s, struct change *list, size_t count, struct err *e)
{
	uint64_t *ids = ARENA_ARRAY(s->c->a, uint64_t, count + 1), state;
	struct email *emails = ARENA_ARRAY(s->c->a, struct email, count + 1);

	for (size_t i = 0; i < count; i++)
		ids[i] = list[i].id;
	if (count &&
		email_get(store_of_call(s->c), s->c->a, &s->account->eyes, ids, count,
			MAILBOX_WANT_ROW, emails, &state, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		list[i].email = &emails[i];
		if (!emails[i].row_count)
			list[i].why = (struct jmap_set_error){.type = "notFound"};
	}
	return 0;
}

static FIBER int snooze_all(struct email_set *s, struct change *list, size_t count, struct err *e)
{
	bool has_some = false;

	for (size_t i = 0; i < count; i++)
		has_some |= !list[i].why.type && list[i].snooze.is_told && list[i].snooze.is_on;
	if (!has_some)
		return 0;
	if (jmap_snooze_mailbox(s->c, s->account, &s->snoozed_box, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct change *x = &list[i];

		if (x->why.type || !x->snooze.is_told || !x->snooze.is_on)
			continue;
		if (!x->snooze.mailbox_id)
			x->snooze.mailbox_id = x->email->rows[0].mailbox_id;
		if (!jmap_box(&s->boxes, x->snooze.mailbox_id)) {
			bad(s, x, "invalidProperties", "snoozed", "there is no such mailbox");
			continue;
		}
		x->has_boxes = true;
		x->boxes = &s->snoozed_box;
		x->box_count = 1;
	}
	return 0;
}

/* What sleeps until when, and what does no longer. */
static void plan_snooze(const struct change *x, size_t whose, struct jmap_deeds *d)
{
	if (!x->snooze.is_told && !x->has_boxes)
		return;
	d->snooze_whose[d->snooze_count] = whose;
	d->snoozes[d->snooze_count++] = (struct snooze){.email_id = x->id,
		.until_ns = x->snooze.is_on ? x->snooze.until_ns : 0,
		.mailbox_id = x->snooze.mailbox_id};
}

static FIBER int do_batch(struct email_set *s, struct change *list, size_t count, struct err *e)
{
	struct jmap_deeds deeds = {.a = s->c->a,
		.account_id = s->account->id,
		.snoozes = ARENA_ARRAY(s->c->a, struct snooze, count + 1),
		.snooze_whose = ARENA_ARRAY(s->c->a, size_t, count + 1)};

	if (need_boxes(s, e) < 0 || look_up(s, list, count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (!list[i].why.type && list[i].patch) {
			if (read_change(s, &list[i], e) < 0)
				return -1;
		} else if (!list[i].why.type &&
			!may_all(s, &list[i], MAILBOX_RIGHT_DELETE_MSG | MAILBOX_RIGHT_EXPUNGE))
			list[i].why = (struct jmap_set_error){.type = "forbidden"};
		else if (!list[i].why.type)
			list[i].has_boxes = true; /* none */
	}
	if (snooze_all(s, list, count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (!list[i].why.type && list[i].has_keywords)
			plan_keywords(&list[i], i, &deeds);
		if (!list[i].why.type && list[i].has_boxes)
			plan_boxes(&list[i], i, &deeds);
		if (!list[i].why.type && s->account->is_own)
			plan_snooze(&list[i], i, &deeds);
	}
	s->list = list;
	return jmap_deeds_do(s->c, &deeds, failed, s, e);
}

/* ---- updating ---- */

static bool is_destroyed_too(struct email_set *s, uint64_t id)
{
	const struct json_in *list = json_in_get(s->c->args, "destroy");
	uint64_t other;

	for (size_t i = 0; i < json_in_count(list); i++)
		if (jmap_id_of(s->c, json_in_span(json_in_at(list, i)), 'M', &other) && other == id)
			return true;
	return false;
}

static FIBER int update_all(struct email_set *s, struct err *e)
{
	const struct json_in *all = json_in_get(s->c->args, "update"), *v;
	const char *key;
	void *at = NULL;
	size_t room = 0;

	s->is_updated = true;
	while (json_in_next(all, &at, &key, &v))
		room++;
	s->updates = ARENA_ARRAY(s->c->a, struct change, room + 1);
	at = NULL;
	while (json_in_next(all, &at, &key, &v)) {
		struct change *x = &s->updates[s->update_count];

		/* RFC 8620 section 5.3: what is destroyed as well is not updated */
		if (jmap_id_of(s->c, span_str(key), 'M', &x->id) && !is_destroyed_too(s, x->id)) {
			x->patch = v;
			s->update_count++;
		}
	}
	qsort(s->updates, s->update_count, sizeof(*s->updates), by_id);
	return do_batch(s, s->updates, s->update_count, e);
}

static FIBER int update(struct jmap_set *set, uint64_t id, struct span id_text,
	const struct json_in *patch, struct span *server_set_r, struct jmap_set_error *why_r,
	struct err *e)
{
	struct email_set *s = set->arg;
	struct change *x;

	s->account = set->account;
	if (!s->is_updated && update_all(s, e) < 0)
		return -1;
	x = change_of(s->updates, s->update_count, id);
	*why_r = x ? x->why : (struct jmap_set_error){.type = "notFound"};
	return 0;
}

/* ---- destroying ---- */

static FIBER int destroy_all(struct email_set *s, struct err *e)
{
	const struct json_in *all = json_in_get(s->c->args, "destroy");

	s->is_destroyed = true;
	s->destroys = ARENA_ARRAY(s->c->a, struct change, json_in_count(all) + 1);
	for (size_t i = 0; i < json_in_count(all); i++)
		if (jmap_id_of(s->c, json_in_span(json_in_at(all, i)), 'M',
			    &s->destroys[s->destroy_count].id))
			s->destroy_count++;
	qsort(s->destroys, s->destroy_count, sizeof(*s->destroys), by_id);
	return do_batch(s, s->destroys, s->destroy_count, e);
}

static FIBER int destroy(struct jmap_set *set, uint64_t id, struct span id_text,
	struct jmap_set_error *why_r, struct err *e)
{
	struct email_set *s = set->arg;
	struct change *x;

	s->account = set->account;
	if (!s->is_destroyed && destroy_all(s, e) < 0)
		return -1;
	x = change_of(s->destroys, s->destroy_count, id);
	*why_r = x ? x->why : (struct jmap_set_error){.type = "notFound"};
	return 0;
}

/* ---- the method ---- */

static FIBER int state(struct jmap_set *set, uint64_t *modseq_r, struct err *e)
{
	struct email_states states;

	if (email_states(store_of_call(set->call), set->account->id, &states, e) < 0)
		return -1;
	*modseq_r = states.email;
	return 0;
}

FIBER int jmap_email_set_changes(struct jmap_set *set, struct email_changes *c, struct err *e)
{
	return email_changes(store_of_call(set->call), set->call->a, &set->account->eyes, c, e);
}

static const char *const email_properties[] = {"id", NULL};
static const struct jmap_type email_type = {"Email", 'M', email_properties, OBJECT_KIND_COUNT};
static const struct jmap_set_type email_set_type = {
	.type = &email_type,
	.create = create,
	.update = update,
	.destroy = destroy,
	.state = state,
	.changes = jmap_email_set_changes,
};

static FIBER int email_set(struct jmap_call *c, struct err *e)
{
	struct email_set s = {.c = c};

	return jmap_set_run(c, &email_set_type, &s, e);
}

const struct jmap_method jmap_email_set_methods[] = {
	{"Email/set", JMAP_CAP_PLACE_MAIL, JMAP_CHANGES_STATE, email_set},
	{"Email/import", JMAP_CAP_PLACE_MAIL, JMAP_CHANGES_STATE, jmap_email_import},
	{"Email/copy", JMAP_CAP_PLACE_MAIL, JMAP_CHANGES_STATE, jmap_email_copy},
	{NULL, 0, 0, NULL},
};
