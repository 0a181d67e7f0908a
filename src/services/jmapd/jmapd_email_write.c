/* What the methods that change Emails share: mailboxes and rights, keywords, new Emails, many at once. */
#include "services/jmapd/jmapd_write.h"

#include <stdlib.h>

#include "base/enc.h"
#include "run/loop.h"
#include "store/snooze.h"
#include "store/stage.h"

void jmap_bad_property(struct arena *a, struct jmap_set_error *why_r, const char *property,
	const char *description)
{
	const char **list = (const char **)ARENA_ARRAY(a, char *, 2);

	list[0] = arena_str(a, span_str(property));
	*why_r = (struct jmap_set_error){
		.type = "invalidProperties", .description = description, .properties = list};
}

void jmap_bad_property_too(struct arena *a, struct jmap_set_error *why_r, const char *property,
	const char *description)
{
	const char *const *was = why_r->properties;
	const char **list;
	size_t count = 0;

	if (!why_r->type) {
		jmap_bad_property(a, why_r, property, description);
		return;
	}
	if (!was || !span_eq(span_str(why_r->type), SPAN("invalidProperties")))
		return;
	while (was[count])
		count++;
	list = (const char **)ARENA_ARRAY(a, char *, count + 2);
	for (size_t i = 0; i < count; i++)
		list[i] = was[i];
	list[count] = arena_str(a, span_str(property));
	why_r->properties = list;
}

void jmap_why_more(struct arena *a, struct jmap_set_error *why, const char *name, struct span json)
{
	struct buf *b = arena_buf(a, json.len + why->more.len + 256);

	buf_span_put(b, why->more);
	if (buf_len(b))
		buf_char(b, ',');
	json_quote(b, span_str(name));
	buf_char(b, ':');
	buf_span_put(b, json);
	why->more = buf_span(b);
}

/* ---- mailboxes ---- */

FIBER int jmap_boxes_read(struct jmap_call *c, const struct jmap_account *account,
	struct jmap_boxes *b, struct err *e)
{
	struct store *s = jmapd_opts_of(c->d)->store;
	struct mailbox_info *list;

	if (!account->is_own) {
		b->list = ARENA_ARRAY(c->a, struct jmap_box, account->mailbox_count + 1);
		b->count = account->mailbox_count;
		for (size_t i = 0; i < b->count; i++)
			b->list[i] = (struct jmap_box){account->mailboxes[i].info.id,
				account->mailboxes[i].rights,
				account->mailboxes[i].info.special_use};
		return 0;
	}
	if (mailbox_folders(s, c->a, account->id, &list, &b->count, e) < 0)
		return -1;
	b->list = ARENA_ARRAY(c->a, struct jmap_box, b->count + 1);
	for (size_t i = 0; i < b->count; i++)
		b->list[i] = (struct jmap_box){list[i].id, MAILBOX_RIGHT_ALL, list[i].special_use};
	return 0;
}

const struct jmap_box *jmap_box(const struct jmap_boxes *b, uint64_t id)
{
	for (size_t i = 0; i < b->count; i++)
		if (b->list[i].id == id && (b->list[i].rights & MAILBOX_RIGHT_READ))
			return &b->list[i];
	return NULL;
}

/* ---- keywords ---- */

static const struct {
	const char *word;
	enum mailbox_flag flag;
} system_words[] = {
	{"$seen", MAILBOX_SEEN},
	{"$answered", MAILBOX_ANSWERED},
	{"$flagged", MAILBOX_FLAGGED},
	{"$draft", MAILBOX_DRAFT},
};

/* RFC 8621 section 4.1.1: 1 to 255 printable characters without ( ) { ] % * " \. Those that IMAP's own flags
 * would become stay IMAP's. */
static bool is_keyword(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] <= ' ' || s.ptr[i] >= 0x7f ||
			span_find(SPAN("(){]%*\"\\"), s.ptr[i]) >= 0)
			return false;
	return s.len > 0 && s.len <= 255 && !span_eq_nocase(s, SPAN("$recent")) &&
		!span_eq_nocase(s, SPAN("$deleted"));
}

enum jmap_keyword_trouble jmap_keyword_add(
	struct arena *a, struct jmap_keywords *k, struct span word)
{
	char *low;

	if (!is_keyword(word))
		return JMAP_KEYWORD_BAD;
	for (size_t i = 0; i < sizeof(system_words) / sizeof(system_words[0]); i++)
		if (span_eq_nocase(word, span_str(system_words[i].word))) {
			k->flags |= system_words[i].flag;
			return JMAP_KEYWORD_GOOD;
		}
	if (k->count == JMAP_KEYWORDS_MAX || word.len > MAILBOX_KEYWORD_MAX)
		return JMAP_KEYWORD_MANY;
	if (!k->words)
		k->words = ARENA_ARRAY(a, struct span, JMAP_KEYWORDS_MAX);
	low = arena_str(a, word);
	for (size_t i = 0; i < word.len; i++)
		low[i] = (char)span_lower((unsigned char)low[i]);
	for (size_t i = 0; i < k->count; i++)
		if (span_eq(k->words[i], span_of(low, word.len)))
			return JMAP_KEYWORD_GOOD;
	k->words[k->count++] = span_of(low, word.len);
	return JMAP_KEYWORD_GOOD;
}

enum jmap_keyword_trouble jmap_keywords_read(
	struct arena *a, const struct json_in *keywords, struct jmap_keywords *k)
{
	enum jmap_keyword_trouble trouble = JMAP_KEYWORD_GOOD;
	const struct json_in *v;
	const char *name;
	void *at = NULL;

	*k = (struct jmap_keywords){0};
	if (!keywords || json_in_is_null(keywords))
		return JMAP_KEYWORD_GOOD;
	if (!json_in_is_object(keywords))
		return JMAP_KEYWORD_BAD;
	while (trouble == JMAP_KEYWORD_GOOD && json_in_next(keywords, &at, &name, &v))
		trouble = json_in_truth(v) ? jmap_keyword_add(a, k, span_str(name))
					   : JMAP_KEYWORD_BAD;
	return trouble;
}

unsigned jmap_keywords_lack(const struct jmap_keywords *k, unsigned rights)
{
	unsigned needed = (k->flags & MAILBOX_SEEN) ? MAILBOX_RIGHT_SEEN : 0;

	if ((k->flags & ~(unsigned)MAILBOX_SEEN) || k->count)
		needed |= MAILBOX_RIGHT_WRITE;
	return needed & ~rights;
}

/* ---- where to ---- */

static bool is_among(const uint64_t *list, size_t count, uint64_t id)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] == id)
			return true;
	return false;
}

bool jmap_mailbox_ids_read(
	struct jmap_call *c, const struct json_in *ids, uint64_t **list_r, size_t *count_r)
{
	const struct json_in *v;
	const char *name;
	void *at = NULL;

	*count_r = 0;
	if (!json_in_is_object(ids))
		return false;
	*list_r = ARENA_ARRAY(c->a, uint64_t, JMAP_MAILBOXES_MAX + 1);
	while (*count_r <= JMAP_MAILBOXES_MAX && json_in_next(ids, &at, &name, &v)) {
		uint64_t id;

		if (!json_in_truth(v) || !jmap_id_of(c, span_str(name), 'F', &id))
			return false;
		if (!is_among(*list_r, *count_r, id)) /* "#new" may be one that is named, too */
			(*list_r)[(*count_r)++] = id;
	}
	return true;
}

void jmap_place_read(struct jmap_call *c, const struct jmap_boxes *boxes,
	const struct json_in *mailbox_ids, const struct json_in *keywords, struct jmap_place *place,
	struct jmap_set_error *why_r)
{
	switch (jmap_keywords_read(c->a, keywords, &place->keywords)) {
	case JMAP_KEYWORD_GOOD: break;
	case JMAP_KEYWORD_MANY: *why_r = (struct jmap_set_error){.type = "tooManyKeywords"}; return;
	case JMAP_KEYWORD_BAD: jmap_bad_property(c->a, why_r, "keywords", "not keywords"); return;
	}
	if (!jmap_mailbox_ids_read(c, mailbox_ids, &place->mailboxes, &place->count) ||
		!place->count) {
		jmap_bad_property(c->a, why_r, "mailboxIds", "an Email is in one mailbox at least");
		return;
	}
	if (place->count > JMAP_MAILBOXES_MAX) {
		*why_r = (struct jmap_set_error){.type = "tooManyMailboxes"};
		return;
	}
	for (size_t i = 0; i < place->count; i++) {
		const struct jmap_box *box = jmap_box(boxes, place->mailboxes[i]);

		if (!box) {
			jmap_bad_property(c->a, why_r, "mailboxIds", "there is no such mailbox");
			return;
		}
		if (!(box->rights & MAILBOX_RIGHT_INSERT) ||
			jmap_keywords_lack(&place->keywords, box->rights)) {
			*why_r = (struct jmap_set_error){.type = "forbidden",
				.description = "you have not the right to put it there so"};
			return;
		}
	}
}

/* ---- a new Email ---- */

/* What went wrong, as a SetError; false: it is none. */
static bool refuse(const struct err *e, struct jmap_set_error *why_r)
{
	const char *type = e->code == ERR_FULL && e->scope == ERR_SCOPE_RCPT ? "overQuota"
		: e->code == ERR_NOT_FOUND                                   ? "notFound"
		: e->code == ERR_LIMIT                                       ? "tooManyKeywords"
									     : NULL;

	if (type)
		*why_r = (struct jmap_set_error){.type = type};
	return type != NULL;
}

static FIBER int tell_put(struct jmap_call *c, const struct jmap_account *account,
	uint64_t email_id, struct span *server_set_r, struct err *e)
{
	struct buf *b = arena_buf(c->a, 1000);
	struct email email;
	struct json_out j;
	uint64_t state;

	if (email_get(jmapd_opts_of(c->d)->store, c->a, &account->eyes, &email_id, 1,
		    MAILBOX_WANT_HEAD, &email, &state, e) < 0)
		return -1;
	json_out_init(&j, b);
	json_open_object(&j);
	json_key(&j, "id");
	jmap_put_id(&j, 'M', email_id);
	json_key(&j, "blobId");
	jmap_put_blob_of_email(&j, email_id);
	json_key(&j, "threadId");
	jmap_put_id(&j, 'T', email.row_count ? email.thread_id : email_id);
	json_kv_u64(&j, "size", email.msg.size);
	json_close(&j);
	*server_set_r = buf_span(b);
	return 0;
}

FIBER int jmap_email_put(struct jmap_call *c, const struct jmap_account *account,
	const struct jmap_place *place, struct stage **stage, int64_t received_ns,
	uint64_t *email_id_r, struct span *server_set_r, struct jmap_set_error *why_r,
	struct err *e)
{
	struct store *s = jmapd_opts_of(c->d)->store;
	struct mailbox_append_item item = {.stage = *stage,
		.flags = place->keywords.flags,
		.keywords = place->keywords.words,
		.keyword_count = place->keywords.count,
		.received_ns = received_ns ? received_ns : loop_wall_ns()};
	struct mailbox_append op = {.mailbox_id = place->mailboxes[0],
		.items = &item,
		.count = 1,
		.also_in = place->mailboxes + 1,
		.also_in_count = place->count - 1};
	struct err why = {0};

	if (mailbox_append(s, &op, &why) < 0)
		return refuse(&why, why_r) ? 0 : err_copy(e, &why);
	*stage = NULL;
	*email_id_r = item.id;
	return tell_put(c, account, *email_id_r, server_set_r, e);
}

/* ---- many at once ---- */

static bool is_same(const struct jmap_deed *x, const struct jmap_deed *y)
{
	if (x->kind != y->kind || x->from != y->from || x->to != y->to || x->how != y->how ||
		x->keywords.flags != y->keywords.flags || x->keywords.count != y->keywords.count)
		return false;
	for (size_t i = 0; i < x->keywords.count; i++)
		if (!span_eq(x->keywords.words[i], y->keywords.words[i]))
			return false;
	return true;
}

static struct jmap_deed *deed_like(struct jmap_deeds *d, const struct jmap_deed *like)
{
	/* the newest first: a client's list is mostly of one kind */
	for (size_t i = d->count; i-- > 0;)
		if (is_same(&d->list[i], like))
			return &d->list[i];
	if (d->count == d->room) {
		struct jmap_deed *was = d->list;

		d->room = d->room ? d->room * 2 : 8;
		d->list = ARENA_ARRAY(d->a, struct jmap_deed, d->room);
		for (size_t i = 0; i < d->count; i++)
			d->list[i] = was[i];
	}
	d->list[d->count] = *like;
	d->list[d->count].count = d->list[d->count].room = 0;
	return &d->list[d->count++];
}

void jmap_deeds_add(struct jmap_deeds *d, const struct jmap_deed *like, uint32_t uid, size_t whose)
{
	struct jmap_deed *x = deed_like(d, like);

	if (x->count == x->room) {
		uint32_t *uids = x->uids;
		size_t *of = x->whose;

		x->room = x->room ? x->room * 2 : 16;
		x->uids = ARENA_ARRAY(d->a, uint32_t, x->room);
		x->whose = ARENA_ARRAY(d->a, size_t, x->room);
		for (size_t i = 0; i < x->count; i++) {
			x->uids[i] = uids[i];
			x->whose[i] = of[i];
		}
	}
	x->uids[x->count] = uid;
	x->whose[x->count++] = whose;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static struct uid_range *ranges_of(struct arena *a, const struct jmap_deed *d, size_t *count_r)
{
	struct uid_range *list = ARENA_ARRAY(a, struct uid_range, d->count + 1);
	uint32_t *uids = ARENA_ARRAY(a, uint32_t, d->count + 1);

	for (size_t i = 0; i < d->count; i++)
		uids[i] = d->uids[i];
	qsort(uids, d->count, sizeof(*uids), by_number);
	*count_r = 0;
	for (size_t i = 0; i < d->count; i++) {
		struct uid_range *last = *count_r ? &list[*count_r - 1] : NULL;

		if (last && uids[i] <= last->last + 1)
			last->last = uids[i];
		else
			list[(*count_r)++] = (struct uid_range){uids[i], uids[i]};
	}
	return list;
}

static struct mailbox_step flags_step(struct arena *a, const struct jmap_deed *d)
{
	struct mailbox_store *op = ARENA_NEW(a, struct mailbox_store);

	*op = (struct mailbox_store){.mailbox_id = d->from,
		.how = d->how,
		.flags = d->keywords.flags,
		.keywords = d->keywords.words,
		.keyword_count = d->keywords.count,
		/* \Deleted is none of JMAP's */
		.flags_mask = MAILBOX_FLAGS_ALL & ~(unsigned)MAILBOX_DELETED,
		.arena = a,
		.wants_none = true};
	op->ranges = ranges_of(a, d, &op->range_count);
	return (struct mailbox_step){.flags = op};
}

static struct mailbox_step copy_step(struct arena *a, const struct jmap_deed *d)
{
	struct mailbox_copy *op = ARENA_NEW(a, struct mailbox_copy);

	*op = (struct mailbox_copy){.from_id = d->from,
		.to_id = d->to,
		.is_move = d->kind == JMAP_DEED_MOVE,
		.arena = a};
	op->ranges = ranges_of(a, d, &op->range_count);
	return (struct mailbox_step){.copy = op};
}

static struct mailbox_step expunge_step(
	struct arena *a, const struct jmap_deed *d, int64_t keep_expunged_ns)
{
	struct mailbox_expunge_op *op = ARENA_NEW(a, struct mailbox_expunge_op);

	*op = (struct mailbox_expunge_op){.mailbox_id = d->from,
		.keep_until_ns = keep_expunged_ns > 0
			? (uint64_t)(loop_wall_ns() + keep_expunged_ns)
			: 0};
	op->ranges = ranges_of(a, d, &op->range_count);
	return (struct mailbox_step){.expunge = op};
}

/* Those messages of a deed that are the Email's. */
static struct jmap_deed part_of(struct arena *a, const struct jmap_deed *d, size_t whose)
{
	struct jmap_deed x = *d;

	x.uids = ARENA_ARRAY(a, uint32_t, d->count + 1);
	x.count = 0;
	for (size_t i = 0; i < d->count; i++)
		if (d->whose[i] == whose)
			x.uids[x.count++] = d->uids[i];
	return x;
}

#define EVERYBODY SIZE_MAX

static struct mailbox_step step_of(
	struct arena *a, const struct jmap_deed *d, int64_t keep_expunged_ns)
{
	if (d->kind == JMAP_DEED_FLAGS)
		return flags_step(a, d);
	return d->kind == JMAP_DEED_EXPUNGE ? expunge_step(a, d, keep_expunged_ns)
					    : copy_step(a, d);
}

/* What is to be done for one Email, or for all, together or not at all. */
static FIBER int do_deeds(
	struct jmap_call *c, const struct jmap_deeds *d, size_t whose, struct err *e)
{
	const struct jmapd_opts *o = jmapd_opts_of(c->d);
	struct arena *a = arena_new();
	struct mailbox_step *steps = ARENA_ARRAY(a, struct mailbox_step, d->count + 1);
	struct snooze *rows = ARENA_ARRAY(a, struct snooze, d->snooze_count + 1);
	struct snooze_list sleepers = {.account_id = d->account_id, .rows = rows};
	size_t n = 0;
	int rc = 0;

	for (int kind = JMAP_DEED_FLAGS; kind <= JMAP_DEED_EXPUNGE; kind++)
		for (size_t i = 0; i < d->count; i++) {
			struct jmap_deed x = whose == EVERYBODY ? d->list[i]
								: part_of(a, &d->list[i], whose);

			if (x.kind == (enum jmap_deed_kind)kind && x.count)
				steps[n++] = step_of(a, &x, o->keep_expunged_ns);
		}
	for (size_t i = 0; i < d->snooze_count; i++)
		if (whose == EVERYBODY || d->snooze_whose[i] == whose)
			rows[sleepers.count++] = d->snoozes[i];
	if (n || sleepers.count)
		rc = mailbox_steps(
			o->store, steps, n, sleepers.count ? snooze_set_tx : NULL, &sleepers, e);
	arena_free(&a);
	return rc;
}

static size_t last_of(const struct jmap_deeds *d)
{
	size_t last = 0;

	for (size_t i = 0; i < d->count; i++)
		for (size_t n = 0; n < d->list[i].count; n++)
			last = d->list[i].whose[n] > last ? d->list[i].whose[n] : last;
	for (size_t i = 0; i < d->snooze_count; i++)
		last = d->snooze_whose[i] > last ? d->snooze_whose[i] : last;
	return last;
}

FIBER int jmap_deeds_do(struct jmap_call *c, struct jmap_deeds *d,
	void (*failed)(void *arg, size_t whose, const char *type, const char *why), void *arg,
	struct err *e)
{
	struct jmap_set_error why_not;
	struct err why = {0};

	if (do_deeds(c, d, EVERYBODY, &why) == 0)
		return 0;
	if (!refuse(&why, &why_not))
		return err_copy(e, &why);
	/* one of them is refused, and nothing has happened: each by itself */
	for (size_t whose = 0, last = last_of(d); whose <= last; whose++) {
		struct err not_done = {0};

		if (do_deeds(c, d, whose, &not_done) == 0)
			continue;
		if (!refuse(&not_done, &why_not))
			return err_copy(e, &not_done);
		failed(arg, whose, why_not.type, why_not.description);
	}
	return 0;
}

bool jmap_patch_is_path(const char *key)
{
	struct span k = span_str(key), token;
	unsigned depth = 0;
	bool is_more = true;

	while (is_more) {
		is_more = span_cut(k, '/', &token, &k);
		if (!token.len || ++depth > 2)
			return false;
		for (size_t i = 0; i < token.len; i++) /* RFC 6901 section 3 */
			if (token.ptr[i] == '~' &&
				(i + 1 == token.len ||
					(token.ptr[i + 1] != '0' && token.ptr[i + 1] != '1')))
				return false;
	}
	return true;
}

bool jmap_patch_below(struct arena *a, const char *key, const char *name, struct span *rest_r)
{
	struct span k = span_str(key), n = span_str(name);
	struct buf *b;

	if (!span_starts(k, n) || k.len <= n.len || k.ptr[n.len] != '/')
		return false;
	k = span_skip(k, n.len + 1);
	b = arena_buf(a, k.len + 1);
	for (size_t i = 0; i < k.len; i++) { /* RFC 6901 section 4 */
		if (k.ptr[i] == '~' && i + 1 < k.len &&
			(k.ptr[i + 1] == '0' || k.ptr[i + 1] == '1'))
			buf_char(b, k.ptr[++i] == '1' ? '/' : '~');
		else
			buf_char(b, k.ptr[i]);
	}
	*rest_r = buf_span(b);
	return true;
}
