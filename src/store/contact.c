#include "store/contact.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/must.h"
#include "proto/mail/mail_word.h"
#include "store/facts.h"
#include "store/mailbox_priv.h"
#include "store/object.h"
#include "store/store_priv.h"

#define CONTACT_COLUMNS   "id, name, org, note, phones, is_kept, sent, used_ns"
#define FOLDED_MAX        16384
#define CONTACT_FRESH_SEC (30 * 86400) /* a letter counts half after so long */
#define PURGE_ROWS        256

DB_SQL(sql_contact_get,
	"SELECT " CONTACT_COLUMNS " FROM contact WHERE id = $1 AND account_id = $2");
DB_SQL(sql_contact_addresses,
	"SELECT shown, label FROM contact_address WHERE contact_id = $1 ORDER BY place");
DB_SQL(sql_contact_put,
	"INSERT INTO contact (id, account_id, name, folded, org, note, phones, is_kept, sent, used_ns) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0) ON CONFLICT (id) DO UPDATE SET name = $3, "
	"folded = $4, org = $5, note = $6, phones = $7, is_kept = $8");
DB_SQL(sql_contact_whose,
	"SELECT contact_id FROM contact_address WHERE account_id = $1 AND address = $2");
DB_SQL(sql_contact_own, "SELECT id FROM contact WHERE id = $1 AND account_id = $2");
DB_SQL(sql_contact_kept, "SELECT is_kept FROM contact WHERE id = $1");
DB_SQL(sql_contact_address_add,
	"INSERT INTO contact_address (account_id, address, contact_id, shown, label, place) "
	"VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (account_id, address) DO UPDATE SET "
	"contact_id = $3, shown = $4, label = $5, place = $6");
DB_SQL(sql_contact_addresses_go, "DELETE FROM contact_address WHERE contact_id = $1");
DB_SQL(sql_contact_address_any, "SELECT COUNT(*) FROM contact_address WHERE contact_id = $1");
DB_SQL(sql_contact_go, "DELETE FROM contact WHERE id = $1 AND account_id = $2");
DB_SQL(sql_contact_count, "SELECT COUNT(*) FROM contact WHERE account_id = $1");
DB_SQL(sql_contact_oldest,
	"SELECT id FROM contact WHERE account_id = $1 AND is_kept = 0 ORDER BY used_ns LIMIT 1");
DB_SQL(sql_contact_sent, "UPDATE contact SET sent = sent + 1, used_ns = $2 WHERE id = $1");
DB_SQL(sql_contact_name_new,
	"UPDATE contact SET name = $2, folded = $3 WHERE id = $1 AND is_kept = 0 AND name = ''");
#define CONTACT_FITS "account_id = $1 AND folded LIKE $2 ESCAPE '!' AND ($3 < 0 OR is_kept = $3)"
DB_SQL(sql_contact_by_name,
	"SELECT id FROM contact WHERE " CONTACT_FITS " ORDER BY folded, id LIMIT $4 OFFSET $5");
DB_SQL(sql_contact_by_use,
	"SELECT id FROM contact WHERE " CONTACT_FITS
	" ORDER BY used_ns DESC, id DESC LIMIT $4 OFFSET $5");
DB_SQL(sql_contact_total, "SELECT COUNT(*) FROM contact WHERE " CONTACT_FITS);
/* Those of lately; which of them is the best is worked out here. */
DB_SQL(sql_contact_suggest,
	"SELECT c.id, c.name, c.sent, c.used_ns, d.shown FROM contact c JOIN contact_address d ON "
	"d.contact_id = c.id WHERE c.account_id = $1 AND (c.folded LIKE '% ' || $2 || '%' ESCAPE '!' "
	"OR c.folded LIKE '%@' || $2 || '%' ESCAPE '!' OR ($4 <> 0 AND "
	"c.folded LIKE '%' || $2 || '%' ESCAPE '!')) ORDER BY c.used_ns DESC, c.id DESC LIMIT $3");
DB_SQL(sql_contact_purge_addresses,
	"DELETE FROM contact_address WHERE (account_id, address) IN (SELECT account_id, address FROM "
	"contact_address WHERE account_id = $1 LIMIT $2)");
DB_SQL(sql_contact_purge,
	"DELETE FROM contact WHERE id IN (SELECT id FROM contact WHERE account_id = $1 LIMIT $2)");

/* ---- addresses ---- */

/* Two spellings of an address are one. False: it is none. */
static bool fold_address(struct arena *a, struct span text, struct span *folded_r)
{
	struct span address = span_trim(text);
	ptrdiff_t at = span_rfind(address, '@');

	if (at < 1 || (size_t)at + 1 >= address.len || address.len > CONTACT_TEXT_MAX ||
		span_has_line_break(address) || span_find(address, ' ') >= 0)
		return false;
	*folded_r = facts_fold(a, address);
	return true;
}

/* For LIKE … ESCAPE '!': what stands in people's text is text. */
static struct span like_text(struct arena *a, struct span folded)
{
	struct buf *b = arena_buf(a, 2 * folded.len + 1);

	for (size_t i = 0; i < folded.len; i++) {
		if (folded.ptr[i] == '%' || folded.ptr[i] == '_' || folded.ptr[i] == '!')
			buf_char(b, '!');
		buf_char(b, folded.ptr[i]);
	}
	return buf_span(b);
}

/* " name of her ana@example.org org": each word is found by the blank before it. */
static struct span folded_of(struct arena *a, const struct contact *c)
{
	struct buf *b = arena_buf(a, FOLDED_MAX);

	buf_char(b, ' ');
	buf_span_put(b, c->name);
	for (size_t i = 0; i < c->address_count; i++) {
		buf_char(b, ' ');
		buf_span_put(b, c->addresses[i].address);
	}
	buf_char(b, ' ');
	buf_span_put(b, c->org);
	return facts_fold(a, buf_ok(b) ? buf_span(b) : c->name);
}

/* ---- looking ---- */

struct contact_look {
	struct arena *a;
	uint64_t account_id;
	const uint64_t *ids;
	size_t count;
	struct contact *list;
};

static int look_addresses(struct db *db, struct arena *a, struct contact *c, struct err *e)
{
	struct contact_address *list = ARENA_ARRAY(
		a, struct contact_address, CONTACT_ADDRESSES_MAX);
	struct db_stmt *st = db_query(db, e, &sql_contact_addresses, "i", (int64_t)c->id);
	bool is_row = false;
	int rc = st ? 0 : -1;

	c->addresses = list;
	while (st && c->address_count < CONTACT_ADDRESSES_MAX &&
		(rc = db_step(st, &is_row, e)) == 0 && is_row) {
		struct contact_address *one = &list[c->address_count++];

		db_cols(st, "tt", &one->address, &one->label);
		one->address = arena_span(a, one->address);
		one->label = arena_span(a, one->label);
	}
	db_done(st);
	return rc;
}

static int look_one(
	struct db *db, struct contact_look *l, uint64_t id, struct contact *c, struct err *e)
{
	int64_t number, is_kept, sent;
	bool is_found;

	*c = (struct contact){0};
	if (db_get(db, e, l->a, &sql_contact_get, &is_found, "ii:ittttiii", (int64_t)id,
		    (int64_t)l->account_id, &number, &c->name, &c->org, &c->note, &c->phones,
		    &is_kept, &sent, &c->used_ns) < 0)
		return -1;
	if (!is_found)
		return 0;
	c->id = (uint64_t)number;
	c->is_kept = is_kept != 0;
	c->sent = (uint64_t)sent;
	return look_addresses(db, l->a, c, e);
}

static int look_list(struct db *db, void *arg, struct err *e)
{
	struct contact_look *l = arg;

	for (size_t i = 0; i < l->count; i++) {
		if (look_one(db, l, l->ids[i], &l->list[i], e) < 0)
			return -1;
	}
	return 0;
}

FIBER int contact_get(struct store *s, struct arena *a, uint64_t account_id, const uint64_t *ids,
	size_t count, struct contact *list_r, struct err *e)
{
	struct contact_look l = {a, account_id, ids, count, list_r};

	MUST(count <= CONTACT_PAGE);
	return store_read(s, "contact.get", look_list, &l, e);
}

struct contact_find {
	struct arena *a;
	uint64_t account_id;
	struct contact_query *q;
	struct span text;
};

static int look_query(struct db *db, void *arg, struct err *e)
{
	struct contact_find *f = arg;
	struct contact_query *q = f->q;
	int64_t total = 0, account = (int64_t)f->account_id, kept = q->kept;
	struct db_stmt *st;
	bool is_row = false;
	int rc;

	q->count = 0;
	if (db_get(db, e, NULL, &sql_contact_total, &is_row, "iti:i", account, f->text, kept,
		    &total) < 0)
		return -1;
	q->total = (uint64_t)total;
	st = db_query(db, e,
		q->order == CONTACT_BY_NAME ? &sql_contact_by_name : &sql_contact_by_use, "itiii",
		account, f->text, kept, (int64_t)q->limit, (int64_t)q->position);
	rc = st ? 0 : -1;
	while (st && q->count < q->limit && (rc = db_step(st, &is_row, e)) == 0 && is_row)
		q->ids[q->count++] = (uint64_t)db_col_i64(st, 0);
	db_done(st);
	return rc;
}

FIBER int contact_query(struct store *s, struct arena *a, uint64_t account_id,
	struct contact_query *q, struct err *e)
{
	struct span text = like_text(a, facts_fold(a, q->text));
	struct contact_find f = {
		a, account_id, q, mailbox_spanf(a, "%%" SPAN_FMT "%%", SPAN_ARG(text))};

	MUST(q->limit <= CONTACT_PAGE);
	q->ids = ARENA_ARRAY(a, uint64_t, q->limit + 1);
	return store_read(s, "contact.query", look_query, &f, e);
}

#define PROPOSE_LOOKED_AT 500

struct proposal {
	struct contact_suggestion it;
	double score;
	size_t place; /* as it was found: the one used last first */
};
struct contact_propose {
	struct arena *a;
	uint64_t account_id;
	struct span text;
	size_t count;
	int64_t now_ns;
	struct proposal *list;
};

/* Who is written to much and lately: a letter counts half after CONTACT_FRESH_SEC. */
static double score_of(int64_t sent, int64_t used_ns, int64_t now_ns)
{
	double age = used_ns < now_ns ? (double)(now_ns - used_ns) / CLOCK_SEC : 0;

	return (double)sent * CONTACT_FRESH_SEC / (CONTACT_FRESH_SEC + age);
}

/* Names in Chinese, Japanese, Korean have no blanks: a part of one stands anywhere. */
static bool is_without_blanks(struct span text)
{
	return text.len > 0 && (unsigned char)text.ptr[0] >= 0xe1;
}

static int look_suggest(struct db *db, void *arg, struct err *e)
{
	struct contact_propose *p = arg;
	struct db_stmt *st = db_query(db, e, &sql_contact_suggest, "itii", (int64_t)p->account_id,
		p->text, (int64_t)PROPOSE_LOOKED_AT, (int64_t)is_without_blanks(p->text));
	bool is_row = false;
	int rc = st ? 0 : -1;

	p->count = 0;
	while (st && p->count < PROPOSE_LOOKED_AT && (rc = db_step(st, &is_row, e)) == 0 &&
		is_row) {
		struct proposal *one = &p->list[p->count];
		int64_t id, sent, used_ns;

		db_cols(st, "itiit", &id, &one->it.name, &sent, &used_ns, &one->it.address);
		one->it.id = (uint64_t)id;
		one->it.name = arena_span(p->a, one->it.name);
		one->it.address = arena_span(p->a, one->it.address);
		one->score = score_of(sent, used_ns, p->now_ns);
		one->place = p->count++;
	}
	db_done(st);
	return rc;
}

static int by_score(const void *a, const void *b)
{
	const struct proposal *x = a, *y = b;

	if (x->score != y->score)
		return x->score < y->score ? 1 : -1;
	return (x->place > y->place) - (x->place < y->place);
}

FIBER int contact_suggest(struct store *s, struct arena *a, uint64_t account_id, struct span text,
	size_t max, int64_t now_ns, struct contact_suggestion **list_r, size_t *count_r,
	struct err *e)
{
	struct contact_propose p = {.a = a,
		.account_id = account_id,
		.text = like_text(a, facts_fold(a, span_trim(text))),
		.now_ns = now_ns,
		.list = ARENA_ARRAY(a, struct proposal, PROPOSE_LOOKED_AT)};

	if (store_read(s, "contact.suggest", look_suggest, &p, e) < 0)
		return -1;
	qsort(p.list, p.count, sizeof(*p.list), by_score);
	*count_r = p.count < max ? p.count : max;
	*list_r = ARENA_ARRAY(a, struct contact_suggestion, *count_r + 1);
	for (size_t i = 0; i < *count_r; i++)
		(*list_r)[i] = p.list[i].it;
	return 0;
}

struct contact_known {
	uint64_t account_id;
	struct span address;
	bool is_known;
};

static int look_known(struct db *db, void *arg, struct err *e)
{
	struct contact_known *k = arg;
	int64_t id;

	return db_get(db, e, NULL, &sql_contact_whose, &k->is_known, "it:i", (int64_t)k->account_id,
		k->address, &id);
}

FIBER int contact_is_known(
	struct store *s, uint64_t account_id, struct span address, bool *known_r, struct err *e)
{
	struct arena *a = arena_new();
	struct contact_known k = {.account_id = account_id};
	int rc = 0;

	if (fold_address(a, address, &k.address))
		rc = store_read(s, "contact.known", look_known, &k, e);
	*known_r = rc == 0 && k.is_known;
	arena_free(&a);
	return rc;
}

/* ---- changing ---- */

struct contact_change {
	struct arena *a;
	uint64_t account_id, other, new_id;
	struct contact *c;
	struct span *folded; /* of the addresses */
	struct span all;
};

static int remove_row(struct db *db, uint64_t account_id, uint64_t id, struct err *e)
{
	if (db_run(db, e, &sql_contact_addresses_go, "i", (int64_t)id) < 0 ||
		db_run(db, e, &sql_contact_go, "ii", (int64_t)id, (int64_t)account_id) < 0)
		return -1;
	return object_changed_tx(db, account_id, OBJECT_CONTACT, id, OBJECT_DESTROYED, NULL, e);
}

/* Whose address it is now; one that is not kept gives it away. */
static int take_address(struct db *db, struct contact_change *x, size_t i, struct err *e)
{
	const struct contact_address *one = &x->c->addresses[i];
	int64_t whose = 0, is_kept = 0, left = 0;
	bool is_found;

	if (db_get(db, e, NULL, &sql_contact_whose, &is_found, "it:i", (int64_t)x->account_id,
		    x->folded[i], &whose) < 0)
		return -1;
	if (is_found && (uint64_t)whose != x->c->id) {
		if (db_get(db, e, NULL, &sql_contact_kept, &is_found, "i:i", whose, &is_kept) < 0)
			return -1;
		if (is_kept) {
			x->other = (uint64_t)whose;
			return err_set(e, ERR_EXISTS, "another contact has that address");
		}
	} else {
		whose = 0;
	}
	if (db_run(db, e, &sql_contact_address_add, "ititti", (int64_t)x->account_id, x->folded[i],
		    (int64_t)x->c->id, one->address, one->label, (int64_t)i) < 0)
		return -1;
	if (!whose)
		return 0;
	if (db_get(db, e, NULL, &sql_contact_address_any, &is_found, "i:i", whose, &left) < 0)
		return -1;
	return left ? 0 : remove_row(db, x->account_id, (uint64_t)whose, e);
}

static int make_room(struct db *db, uint64_t account_id, struct err *e)
{
	int64_t count = 0, oldest = 0;
	bool is_found;

	if (db_get(db, e, NULL, &sql_contact_count, &is_found, "i:i", (int64_t)account_id, &count) <
		0)
		return -1;
	if (count < CONTACT_MAX)
		return 0;
	if (db_get(db, e, NULL, &sql_contact_oldest, &is_found, "i:i", (int64_t)account_id,
		    &oldest) < 0)
		return -1;
	if (!is_found)
		return err_set(e, ERR_LIMIT, "there are %d contacts", CONTACT_MAX);
	return remove_row(db, account_id, (uint64_t)oldest, e);
}

static int put_row(struct db *db, struct contact_change *x, struct err *e)
{
	const struct contact *c = x->c;

	return db_run(db, e, &sql_contact_put, "iittttti", (int64_t)c->id, (int64_t)x->account_id,
		c->name, x->all, c->org, c->note, c->phones, (int64_t)c->is_kept);
}

static int put_contact(struct db *db, void *arg, struct err *e)
{
	struct contact_change *x = arg;
	bool is_new = x->c->id == 0, is_found = true;
	int64_t kept;

	if (is_new) {
		if (make_room(db, x->account_id, e) < 0)
			return -1;
		x->c->id = x->new_id;
	} else if (db_get(db, e, NULL, &sql_contact_own, &is_found, "ii:i", (int64_t)x->c->id,
			   (int64_t)x->account_id, &kept) < 0) {
		return -1;
	}
	if (!is_found)
		return err_set(e, ERR_NOT_FOUND, "there is no such contact");
	if (put_row(db, x, e) < 0 ||
		db_run(db, e, &sql_contact_addresses_go, "i", (int64_t)x->c->id) < 0)
		goto broken;
	for (size_t i = 0; i < x->c->address_count; i++) {
		if (take_address(db, x, i, e) < 0)
			goto broken;
	}
	if (object_changed_tx(db, x->account_id, OBJECT_CONTACT, x->c->id,
		    is_new ? OBJECT_CREATED : OBJECT_UPDATED, NULL, e) == 0)
		return 0;
broken:
	if (is_new)
		x->c->id = 0; /* the closure may run again */
	return -1;
}

static bool is_text(struct span s, size_t max)
{
	return s.len <= max && span_find(s, '\0') < 0;
}

static int look_over(struct contact_change *x, struct err *e)
{
	struct contact *c = x->c;

	if (!c->name.len && !c->address_count && !c->org.len && !c->phones.len)
		return err_set(e, ERR_SYNTAX, "a contact needs a name or an address");
	if (!is_text(c->name, CONTACT_TEXT_MAX) || !is_text(c->org, CONTACT_TEXT_MAX) ||
		!is_text(c->note, CONTACT_NOTE_MAX) || !is_text(c->phones, CONTACT_PHONES_MAX) ||
		c->address_count > CONTACT_ADDRESSES_MAX)
		return err_set(e, ERR_LIMIT, "the contact is too large");
	x->folded = ARENA_ARRAY(x->a, struct span, c->address_count + 1);
	for (size_t i = 0; i < c->address_count; i++) {
		if (!fold_address(x->a, c->addresses[i].address, &x->folded[i]))
			return err_set(e, ERR_SYNTAX, "an address is none");
	}
	x->all = folded_of(x->a, c);
	return 0;
}

FIBER int contact_put(
	struct store *s, uint64_t account_id, struct contact *c, uint64_t *other_r, struct err *e)
{
	struct contact_change x = {
		.a = arena_new(), .account_id = account_id, .c = c, .new_id = store_new_id(s)};
	uint64_t was = c->id;
	int rc = look_over(&x, e);

	if (rc == 0)
		rc = store_write(s, "contact.put", put_contact, &x, e);
	if (rc < 0)
		c->id = was;
	*other_r = x.other;
	arena_free(&x.a);
	return rc;
}

struct contact_end {
	uint64_t account_id, id;
};

static int end_contact(struct db *db, void *arg, struct err *e)
{
	const struct contact_end *x = arg;
	int64_t id;
	bool is_found;

	if (db_get(db, e, NULL, &sql_contact_own, &is_found, "ii:i", (int64_t)x->id,
		    (int64_t)x->account_id, &id) < 0)
		return -1;
	if (!is_found)
		return err_set(e, ERR_NOT_FOUND, "there is no such contact");
	return remove_row(db, x->account_id, x->id, e);
}

FIBER int contact_remove(struct store *s, uint64_t account_id, uint64_t id, struct err *e)
{
	struct contact_end x = {account_id, id};

	return store_write(s, "contact.remove", end_contact, &x, e);
}

/* ---- who was written to ---- */

struct contact_letter {
	struct arena *a;
	uint64_t account_id, first_id;
	int64_t now_ns;
	struct contact_person *people;
	struct span *folded;
	size_t count;
};

/* On the writer, where iconv may read its tables. */
static struct span plain_name(struct arena *a, struct span name)
{
	if (span_find_span(name, SPAN("=?")) >= 0)
		name = mail_word_decode(a, name);
	return is_text(name, CONTACT_TEXT_MAX) ? name : SPAN("");
}

static int meet(struct db *db, struct contact_letter *l, size_t i, struct err *e)
{
	const struct contact_person *p = &l->people[i];
	struct contact_address address = {p->address, SPAN("")};
	struct contact c = {.id = l->first_id + i,
		.name = plain_name(l->a, p->name),
		.org = SPAN(""),
		.note = SPAN(""),
		.phones = SPAN(""),
		.addresses = &address,
		.address_count = 1};
	struct contact_change x = {
		.a = l->a, .account_id = l->account_id, .c = &c, .all = folded_of(l->a, &c)};
	int64_t id = 0;
	bool is_found;

	if (db_get(db, e, NULL, &sql_contact_whose, &is_found, "it:i", (int64_t)l->account_id,
		    l->folded[i], &id) < 0)
		return -1;
	if (!is_found) {
		id = (int64_t)c.id;
		if (make_room(db, l->account_id, e) < 0 || put_row(db, &x, e) < 0 ||
			db_run(db, e, &sql_contact_address_add, "ititti", (int64_t)l->account_id,
				l->folded[i], id, p->address, SPAN(""), (int64_t)0) < 0)
			return -1;
	} else if (c.name.len &&
		db_run(db, e, &sql_contact_name_new, "itt", id, c.name, x.all) < 0) {
		return -1;
	}
	if (db_run(db, e, &sql_contact_sent, "ii", id, l->now_ns) < 0)
		return -1;
	return object_changed_tx(db, l->account_id, OBJECT_CONTACT, (uint64_t)id,
		is_found ? OBJECT_UPDATED : OBJECT_CREATED, NULL, e);
}

static int meet_all(struct db *db, void *arg, struct err *e)
{
	struct contact_letter *l = arg;

	for (size_t i = 0; i < l->count; i++) {
		if (meet(db, l, i, e) < 0)
			return -1;
	}
	return 0;
}

/* All of it in an arena of its own. */
static struct contact_letter *take_letter(struct store *s, uint64_t account_id,
	const struct contact_person *people, size_t count, int64_t now_ns)
{
	struct arena *a = arena_new();
	struct contact_letter *l = ARENA_NEW(a, struct contact_letter);

	*l = (struct contact_letter){.a = a, .account_id = account_id, .now_ns = now_ns};
	l->people = ARENA_ARRAY(a, struct contact_person, CONTACT_SENT_MAX);
	l->folded = ARENA_ARRAY(a, struct span, CONTACT_SENT_MAX);
	for (size_t i = 0; i < count && l->count < CONTACT_SENT_MAX; i++) {
		if (!fold_address(a, people[i].address, &l->folded[l->count]))
			continue;
		l->people[l->count].name = arena_span(a, people[i].name);
		l->people[l->count++].address = arena_span(a, span_trim(people[i].address));
	}
	l->first_id = store_new_ids(s, l->count ? l->count : 1);
	return l;
}

static void free_letter(void *arg)
{
	struct contact_letter *l = arg;
	struct arena *a = l->a;

	arena_free(&a);
}

FIBER int contact_sent(struct store *s, uint64_t account_id, const struct contact_person *people,
	size_t count, int64_t now_ns, struct err *e)
{
	struct contact_letter *l = take_letter(s, account_id, people, count, now_ns);
	int rc = l->count ? store_write(s, "contact.sent", meet_all, l, e) : 0;

	free_letter(l);
	return rc;
}

void contact_sent_later(struct store *s, uint64_t account_id, const struct contact_person *people,
	size_t count, int64_t now_ns)
{
	if (writer_waiting(s->writer) < CONTACT_LATER_MAX)
		store_write_later(s, "contact.sent", meet_all,
			take_letter(s, account_id, people, count, now_ns), free_letter);
}

int contact_purge_tx(struct db *db, uint64_t account_id, bool *left_r, struct err *e)
{
	if (db_run(db, e, &sql_contact_purge_addresses, "ii", (int64_t)account_id,
		    (int64_t)PURGE_ROWS) < 0)
		return -1;
	*left_r = db_changes(db) == PURGE_ROWS;
	if (db_run(db, e, &sql_contact_purge, "ii", (int64_t)account_id, (int64_t)PURGE_ROWS) < 0)
		return -1;
	*left_r = *left_r || db_changes(db) == PURGE_ROWS;
	return 0;
}
