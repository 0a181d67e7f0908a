/* What the methods that change Emails share: mailboxes and rights, keywords, new Emails, many at once. */
#include "services/jmapd/jmapd_write.h"

#include <stdlib.h>

#include "base/enc.h"
#include "run/loop.h"
#include "store/stage.h"

void jmap_bad_property(struct arena *a, struct jmap_set_error *why_r, const char *property,
	const char *description)
{
	const char **list = (const char **)ARENA_ARRAY(a, char *, 2);

	list[0] = arena_str(a, span_str(property));
	*why_r = (struct jmap_set_error){
		.type = "invalidProperties", .description = description, .properties = list};
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

bool jmap_mailbox_ids_read(
	struct jmap_call *c, const struct json_in *ids, uint64_t **list_r, size_t *count_r)
{
	const struct json_in *v;
	const char *name;
	void *at = NULL;
	size_t room = 0;

	*count_r = 0;
	if (!json_in_is_object(ids))
		return false;
	while (json_in_next(ids, &at, &name, &v))
		room++;
	*list_r = ARENA_ARRAY(c->a, uint64_t, room + 1);
	at = NULL;
	while (json_in_next(ids, &at, &name, &v)) {
		uint64_t id;

		if (!json_in_truth(v) || !jmap_id_of(c, span_str(name), 'F', &id))
			return false;
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

static FIBER int copy_on(struct store *s, struct arena *a, const struct jmap_place *place,
	uint32_t uid, struct err *e)
{
	const struct uid_range range = {uid, uid};

	for (size_t i = 1; i < place->count; i++) {
		struct mailbox_copy copy = {.from_id = place->mailboxes[0],
			.to_id = place->mailboxes[i],
			.ranges = &range,
			.range_count = 1,
			.arena = a};

		if (mailbox_copy(s, &copy, e) < 0)
			return -1;
	}
	return 0;
}

/* All or nothing: what is there already goes again. */
static FIBER void take_back(
	struct jmap_call *c, const struct jmap_account *account, uint64_t email_id)
{
	struct store *s = jmapd_opts_of(c->d)->store;
	struct email email;
	uint64_t state;

	if (email_get(s, c->a, &account->eyes, &email_id, 1, MAILBOX_WANT_ROW, &email, &state,
		    NULL) < 0)
		return;
	for (size_t i = 0; i < email.row_count; i++)
		mailbox_expunge(s, email.rows[i].mailbox_id, &email.rows[i].uid, 1, NULL, NULL);
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
	struct mailbox_append op = {.mailbox_id = place->mailboxes[0], .items = &item, .count = 1};
	struct facts_want want = {.octets = stage_len(*stage)};
	struct email email;
	struct err why = {0};
	uint64_t state;

	if (mailbox_append(s, &op, &why) < 0)
		return refuse(&why, why_r) ? 0 : err_copy(e, &why);
	*stage = NULL;
	*email_id_r = want.message_id = item.id;
	/* its thread is known before it has copies, which take it over */
	if (email_get(s, c->a, &account->eyes, email_id_r, 1, MAILBOX_WANT_FACTS, &email, &state,
		    e) < 0)
		return -1;
	if (copy_on(s, c->a, place, item.uid, &why) < 0) {
		take_back(c, account, *email_id_r);
		return refuse(&why, why_r) ? 0 : err_copy(e, &why);
	}
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

static FIBER int do_flags(struct store *s, struct arena *a, const struct jmap_deed *d,
	const struct uid_range *ranges, size_t count, struct err *e)
{
	struct mailbox_store op = {.mailbox_id = d->from,
		.ranges = ranges,
		.range_count = count,
		.how = d->how,
		.flags = d->keywords.flags,
		.keywords = d->keywords.words,
		.keyword_count = d->keywords.count,
		/* \Deleted is none of JMAP's */
		.flags_mask = MAILBOX_FLAGS_ALL & ~(unsigned)MAILBOX_DELETED,
		.arena = a,
		.wants_none = true};

	return mailbox_store_flags(s, &op, e);
}

static FIBER int do_deed(
	struct jmap_call *c, struct arena *a, const struct jmap_deed *d, struct err *e)
{
	const struct jmapd_opts *o = jmapd_opts_of(c->d);
	size_t count;
	struct uid_range *ranges = ranges_of(a, d, &count);
	struct mailbox_copy copy = {.from_id = d->from,
		.to_id = d->to,
		.ranges = ranges,
		.range_count = count,
		.is_move = d->kind == JMAP_DEED_MOVE,
		.arena = a};
	struct mailbox_expunge_op gone = {.mailbox_id = d->from,
		.ranges = ranges,
		.range_count = count,
		.keep_until_ns = o->keep_expunged_ns > 0
			? (uint64_t)(loop_wall_ns() + o->keep_expunged_ns)
			: 0};

	switch (d->kind) {
	case JMAP_DEED_FLAGS: return do_flags(o->store, a, d, ranges, count, e);
	case JMAP_DEED_COPY:
	case JMAP_DEED_MOVE: return mailbox_copy(o->store, &copy, e);
	case JMAP_DEED_EXPUNGE: return mailbox_expunge_ranges(o->store, &gone, e);
	}
	return 0;
}

FIBER int jmap_deeds_do(struct jmap_call *c, struct jmap_deeds *d,
	void (*failed)(void *arg, size_t whose, const char *type, const char *why), void *arg,
	struct err *e)
{
	for (int kind = JMAP_DEED_FLAGS; kind <= JMAP_DEED_EXPUNGE; kind++)
		for (size_t i = 0; i < d->count; i++) {
			const struct jmap_deed *x = &d->list[i];
			struct jmap_set_error why_not;
			struct err why = {0};

			if (x->kind != (enum jmap_deed_kind)kind || do_deed(c, d->a, x, &why) == 0)
				continue;
			if (!refuse(&why, &why_not))
				return err_copy(e, &why);
			for (size_t n = 0; n < x->count; n++)
				failed(arg, x->whose[n], why_not.type, why_not.description);
		}
	return 0;
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
