/* Messages of a mailbox, a page at a time. */

#include "store/mailbox.h"

#include <string.h>

#include "store/blob.h"
#include "store/facts.h"
#include "store/mailbox_priv.h"

#define PAGE_OCTETS (1024 * 1024)
#define PAGE_SEEKS  2000 /* ranges without messages that one read passes over */

#define MESSAGE_OF_RANGE                                                                           \
	" WHERE m.mailbox_id = $1 AND m.uid >= $2 AND m.uid <= $3 AND m.modseq > $4 "              \
	"ORDER BY m.uid LIMIT $5"

DB_SQL(sql_page, "SELECT " MESSAGE_ROW " FROM message m" MESSAGE_OF_RANGE);
DB_SQL(sql_page_head, "SELECT " MESSAGE_ROW MESSAGE_HEAD " FROM message m" MESSAGE_OF_RANGE);
DB_SQL(sql_page_facts,
	"SELECT " MESSAGE_ROW MESSAGE_FACTS " FROM message m" MESSAGE_FACTS_TABLE MESSAGE_OF_RANGE);
DB_SQL(sql_page_head_facts,
	"SELECT " MESSAGE_ROW MESSAGE_HEAD MESSAGE_FACTS
	" FROM message m" MESSAGE_FACTS_TABLE MESSAGE_OF_RANGE);
DB_SQL(sql_page_parts,
	"SELECT " MESSAGE_ROW MESSAGE_FACTS MESSAGE_PARTS
	" FROM message m" MESSAGE_FACTS_TABLE MESSAGE_OF_RANGE);
DB_SQL(sql_page_head_parts,
	"SELECT " MESSAGE_ROW MESSAGE_HEAD MESSAGE_FACTS MESSAGE_PARTS
	" FROM message m" MESSAGE_FACTS_TABLE MESSAGE_OF_RANGE);
DB_SQL(sql_body_chunk, "SELECT data FROM blob_chunk WHERE id = $1");
DB_SQL(sql_gone_one,
	"SELECT m.id, m.blob_id, m.blob_octets, m.uid, 0, m.size, m.flags, m.received_ns, m.n, "
	"m.email_id, m.thread_id, m.saved_ns, m.keywords" MESSAGE_HEAD
	" FROM expunged m WHERE m.mailbox_id = $1 AND m.uid = $2");

/* ---- a row ---- */

void mailbox_msg_cols(struct arena *a, struct db_stmt *st, unsigned want, struct mailbox_msg *m)
{
	int64_t id, blob, octets, uid, modseq, size, flags, n, email, thread;
	unsigned at = MESSAGE_ROW_COUNT;

	db_cols(st, MESSAGE_ROW_TYPES, &id, &blob, &octets, &uid, &modseq, &size, &flags,
		&m->received_ns, &n, &email, &thread, &m->saved_ns, &m->keywords);
	m->id = (uint64_t)id;
	m->blob_id = (uint64_t)blob;
	m->blob_len = (uint64_t)octets;
	m->uid = (uint32_t)uid;
	m->modseq = (uint64_t)modseq;
	m->size = (uint64_t)size;
	m->flags = (unsigned)flags;
	m->n = (uint64_t)n;
	m->email_id = (uint64_t)email;
	m->thread_id = (uint64_t)thread;
	m->keywords = m->keywords.len ? arena_span(a, m->keywords) : SPAN("");
	if (want & MAILBOX_WANT_HEAD) {
		m->subject = arena_span(a, db_col_span(st, at));
		m->from = arena_span(a, db_col_span(st, at + 1));
		m->prefix = arena_span(a, db_col_span(st, at + 2));
		at += MESSAGE_HEAD_COUNT;
	}
	if (want & (MAILBOX_WANT_FACTS | MAILBOX_WANT_PARTS))
		m->facts = facts_of_row(a, st, at, want & MAILBOX_WANT_PARTS);
}

static const struct db_sql *page_sql(unsigned want)
{
	bool has_head = want & MAILBOX_WANT_HEAD;

	if (want & MAILBOX_WANT_PARTS)
		return has_head ? &sql_page_head_parts : &sql_page_parts;
	if (want & MAILBOX_WANT_FACTS)
		return has_head ? &sql_page_head_facts : &sql_page_facts;
	return has_head ? &sql_page_head : &sql_page;
}

/* ---- a page ---- */

struct page {
	struct arena *a;
	struct mailbox_cursor c;
	unsigned want;
	size_t max, count, octets, seeks;
	struct mailbox_msg *list;
	bool is_full;
};

int mailbox_body_tx(struct db *db, struct arena *a, struct mailbox_msg *m, struct err *e)
{
	char *bytes = arena_alloc(a, m->blob_len + 1);
	uint64_t chunks = blob_chunks(m->blob_len);
	size_t at = 0;

	for (uint64_t i = 0; i < chunks; i++) {
		struct db_stmt *st = db_query(
			db, e, &sql_body_chunk, "i", (int64_t)(m->blob_id + i));
		struct span chunk = SPAN_NONE;
		bool is_row = false;
		int rc = st ? db_step(st, &is_row, e) : -1;

		if (rc == 0 && is_row)
			chunk = db_col_span(st, 0);
		if (rc == 0 && (!is_row || chunk.len > m->blob_len - at))
			rc = err_set(e, ERR_CORRUPT, "chunk %llu of body %llu is damaged",
				(unsigned long long)i, (unsigned long long)m->blob_id);
		if (rc == 0 && chunk.len)
			memcpy(bytes + at, chunk.ptr, chunk.len);
		at += chunk.len;
		db_done(st);
		if (rc < 0)
			return -1;
	}
	m->body = span_of(bytes, at);
	return 0;
}

size_t mailbox_msg_weight(const struct mailbox_msg *m)
{
	size_t n = sizeof(*m) + m->keywords.len + m->prefix.len + m->subject.len + m->from.len;

	if (m->facts)
		n += sizeof(*m->facts) + m->facts->envelope.len + m->facts->preview.len +
			m->facts->structure.len + m->facts->layout.len + m->facts->refs.len;
	return n;
}

/* Takes the row that the statement stands on; false: it is for the next page. */
static bool take_row(struct db *db, struct page *p, struct db_stmt *st, int *rc, struct err *e)
{
	struct mailbox_msg *m = &p->list[p->count];

	mailbox_msg_cols(p->a, st, p->want, m);
	p->octets += mailbox_msg_weight(m);
	if (p->want & MAILBOX_WANT_BODY) {
		if (p->octets + m->blob_len <= PAGE_OCTETS) {
			*rc = mailbox_body_tx(db, p->a, m, e);
			p->octets += m->blob_len;
		} else if (p->count) {
			p->is_full = true;
			return false;
		}
	}
	p->count++;
	p->c.after = m->uid;
	p->is_full = p->count == p->max || p->octets >= PAGE_OCTETS;
	return true;
}

static int page_range(struct db *db, struct page *p, struct err *e)
{
	const struct uid_range *r = &p->c.ranges[p->c.at];
	int64_t first = p->c.after >= r->first ? (int64_t)p->c.after + 1 : r->first;
	bool is_row = false;
	struct db_stmt *st;
	int rc = -1;

	if (first <= r->last) {
		st = db_query(db, e, page_sql(p->want), "iiiii", (int64_t)p->c.mailbox_id, first,
			(int64_t)r->last, (int64_t)p->c.changed_since,
			(int64_t)(p->max - p->count));
		while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row)
			if (!take_row(db, p, st, &rc, e) || rc < 0 || p->is_full)
				break;
		db_done(st);
		if (rc < 0)
			return -1;
	}
	if (!p->is_full)
		p->c.at++;
	return 0;
}

static int page_read(struct db *db, void *arg, struct err *e)
{
	struct page *p = arg;

	for (p->seeks = 0; p->seeks < PAGE_SEEKS && !p->is_full && p->c.at < p->c.count; p->seeks++)
		if (page_range(db, p, e) < 0)
			return -1;
	return 0;
}

FIBER int mailbox_page(struct store *s, struct arena *a, struct mailbox_cursor *c, unsigned want,
	struct mailbox_msg **list_r, size_t *count_r, struct err *e)
{
	struct page p = {.a = a, .c = *c, .want = want, .max = STORE_PAGE_ROWS};

	p.list = ARENA_ARRAY(a, struct mailbox_msg, p.max);
	do {
		if (store_read(s, "mailbox.page", page_read, &p, e) < 0)
			return -1;
	} while (!p.count && p.c.at < p.c.count);
	*c = p.c;
	*list_r = p.list;
	*count_r = p.count;
	return 0;
}

FIBER int mailbox_list(struct store *s, struct arena *a, uint64_t mailbox_id, uint32_t after_uid,
	size_t max, struct mailbox_msg **list_r, size_t *count_r, struct err *e)
{
	const struct uid_range rest = {after_uid + 1, UINT32_MAX};
	struct page p = {.a = a, .want = MAILBOX_WANT_HEAD};

	*count_r = 0;
	*list_r = NULL;
	if (after_uid == UINT32_MAX)
		return 0;
	p.c = (struct mailbox_cursor){.mailbox_id = mailbox_id, .ranges = &rest, .count = 1};
	p.max = max == 0 || max > STORE_PAGE_ROWS ? STORE_PAGE_ROWS : max;
	p.list = ARENA_ARRAY(a, struct mailbox_msg, p.max);
	if (store_read(s, "mailbox.list", page_read, &p, e) < 0)
		return -1;
	*list_r = p.list;
	*count_r = p.count;
	return 0;
}

/* ---- one ---- */

static int no_message(struct err *e, uint32_t uid)
{
	return err_set(e, ERR_NOT_FOUND, "there is no message with UID %u", uid);
}

FIBER int mailbox_message(struct store *s, struct arena *a, uint64_t mailbox_id, uint32_t uid,
	struct mailbox_msg *msg_r, struct err *e)
{
	const struct uid_range one = {uid, uid};
	struct page p = {.a = a, .want = MAILBOX_WANT_HEAD, .max = 1, .list = msg_r};

	*msg_r = (struct mailbox_msg){0};
	p.c = (struct mailbox_cursor){.mailbox_id = mailbox_id, .ranges = &one, .count = 1};
	if (store_read(s, "mailbox.message", page_read, &p, e) < 0)
		return -1;
	return p.count ? 0 : no_message(e, uid);
}

static int gone_read(struct db *db, void *arg, struct err *e)
{
	struct page *p = arg;
	struct db_stmt *st = db_query(db, e, &sql_gone_one, "ii", (int64_t)p->c.mailbox_id,
		(int64_t)p->c.ranges[0].first);
	bool is_row = false;
	int rc = st ? db_step(st, &is_row, e) : -1;

	if (rc == 0 && is_row) {
		mailbox_msg_cols(p->a, st, p->want, p->list);
		p->count = 1;
	}
	db_done(st);
	return rc;
}

FIBER int mailbox_message_gone(struct store *s, struct arena *a, uint64_t mailbox_id, uint32_t uid,
	struct mailbox_msg *msg_r, struct err *e)
{
	const struct uid_range one = {uid, uid};
	struct page p = {.a = a, .want = MAILBOX_WANT_HEAD, .max = 1, .list = msg_r};

	*msg_r = (struct mailbox_msg){0};
	p.c = (struct mailbox_cursor){.mailbox_id = mailbox_id, .ranges = &one, .count = 1};
	if (store_read(s, "mailbox.gone", gone_read, &p, e) < 0)
		return -1;
	return p.count ? 0 : no_message(e, uid);
}
