/* What the indexer gives, and takes back. */

#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/must.h"
#include "store/search_priv.h"

DB_SQL(search_sql_account, "SELECT number, upto FROM search_account WHERE account_id = $1");
DB_SQL(search_sql_new_account,
	"INSERT INTO search_account (account_id, upto, documents, text_octets, kept_octets) "
	"VALUES ($1, 0, 0, 0, 0) RETURNING number");
DB_SQL(search_sql_count,
	"UPDATE search_account SET documents = documents + $2, text_octets = text_octets + $3, "
	"kept_octets = kept_octets + $4, upto = max(upto, $5) WHERE number = $1");
DB_SQL(search_sql_drop_account, "DELETE FROM search_account WHERE number = $1");
DB_SQL(search_sql_text, "SELECT kept FROM search_text WHERE id = $1");
DB_SQL(search_sql_texts,
	"SELECT id FROM search_text WHERE id >= $1 AND id <= $2 ORDER BY id LIMIT $3");
DB_SQL(search_sql_put_text, "INSERT INTO search_text (id, kept) VALUES ($1, $2)");
DB_SQL(search_sql_drop_text, "DELETE FROM search_text WHERE id = $1");
DB_SQL(search_sql_put_tokens, "INSERT INTO search_index (rowid, tokens) VALUES ($1, $2)");
DB_SQL(search_sql_drop_tokens,
	"INSERT INTO search_index (search_index, rowid, tokens) VALUES ('delete', $1, $2)");
DB_SQL(search_sql_totals,
	"SELECT sum(documents), sum(text_octets), sum(kept_octets) FROM search_account");

/* What a change adds to an account's figures. */
struct figures {
	int64_t documents, text_octets, kept_octets;
};

int search_number(
	struct db *db, uint64_t account_id, uint64_t *number_r, uint64_t *upto_r, struct err *e)
{
	int64_t number = 0, upto = 0;
	bool is_found;

	if (db_get(db, e, NULL, &search_sql_account, &is_found, "i:ii", (int64_t)account_id,
		    &number, &upto) < 0)
		return -1;
	*number_r = (uint64_t)number;
	*upto_r = (uint64_t)upto;
	return 0;
}

static int make_number(struct db *db, uint64_t account_id, uint64_t *number_r, struct err *e)
{
	int64_t number = 0;
	bool is_found;

	if (db_get(db, e, NULL, &search_sql_new_account, &is_found, "i:i", (int64_t)account_id,
		    &number) < 0)
		return -1;
	*number_r = (uint64_t)number;
	return 0;
}

static int count_up(
	struct db *db, uint64_t number, const struct figures *f, uint64_t upto, struct err *e)
{
	return db_run(db, e, &search_sql_count, "iiiii", (int64_t)number, f->documents,
		f->text_octets, f->kept_octets, (int64_t)upto);
}

/* ---- one document ---- */

static int64_t text_octets(const struct search_doc *doc)
{
	return (int64_t)(doc->header.len + doc->parts.len + doc->body.len);
}

/* FTS5 without content is told what to forget: the very tokens that it was given. */
static int drop_document(
	struct search *x, struct db *db, int64_t id, struct figures *f, struct err *e)
{
	struct search_doc doc = {0};
	struct arena *a = arena_new();
	struct span kept;
	struct buf tokens;
	bool is_found;
	int rc = db_get(db, e, a, &search_sql_text, &is_found, "i:b", id, &kept);

	buf_init(&tokens, SEARCH_TOKENS_BYTES);
	if (rc == 0 && is_found) {
		rc = search_unpack(x->packer, kept, true, &doc, e);
		if (rc == 0) {
			search_tokens(&tokens, &doc);
			rc = db_run(db, e, &search_sql_drop_tokens, "it", id, buf_span(&tokens));
		}
		if (rc == 0)
			rc = db_run(db, e, &search_sql_drop_text, "i", id);
		f->documents--;
		f->text_octets -= text_octets(&doc);
		f->kept_octets -= (int64_t)kept.len;
	}
	buf_fini(&tokens);
	arena_free(&a);
	return rc;
}

/* At most `max` octets, not within a character. */
static struct span cut(struct span text, size_t max, bool *is_cut_r)
{
	if (text.len <= max)
		return text;
	*is_cut_r = true;
	while (max && ((unsigned char)text.ptr[max] & 0xc0) == 0x80)
		max--;
	return span_sub(text, 0, max);
}

static void cut_document(struct search_doc *doc)
{
	size_t room = SEARCH_TEXT_MAX;

	doc->header = cut(doc->header, room, &doc->is_cut);
	room -= doc->header.len;
	doc->parts = cut(doc->parts, room, &doc->is_cut);
	room -= doc->parts.len;
	doc->body = cut(doc->body, room, &doc->is_cut);
}

static int put_document(struct search *x, struct db *db, int64_t id, const struct search_doc *from,
	struct figures *f, struct err *e)
{
	struct search_doc doc = *from;
	struct buf tokens, kept;
	int rc;

	cut_document(&doc);
	buf_init(&tokens, SEARCH_TOKENS_BYTES);
	buf_init(&kept, SEARCH_TEXT_MAX * 2);
	if (!search_tokens(&tokens, &doc))
		doc.is_cut = true;
	search_pack(x->packer, &doc, &kept);
	rc = drop_document(x, db, id, f, e);
	if (rc == 0)
		rc = db_run(db, e, &search_sql_put_text, "ib", id, buf_span(&kept));
	if (rc == 0)
		rc = db_run(db, e, &search_sql_put_tokens, "it", id, buf_span(&tokens));
	f->documents++;
	f->text_octets += text_octets(&doc);
	f->kept_octets += (int64_t)buf_len(&kept);
	buf_fini(&tokens);
	buf_fini(&kept);
	return rc;
}

/* ---- batches ---- */

struct put {
	uint64_t account_id, after, upto;
	const struct search_doc **docs; /* by n: rows in order are put fastest */
	size_t count;
};

static int run_put(struct search *x, struct db *db, void *arg, struct err *e)
{
	const struct put *p = arg;
	uint64_t number, upto;
	struct figures f = {0};

	if (search_number(db, p->account_id, &number, &upto, e) < 0)
		return -1;
	if (upto < p->after)
		return err_set(e, ERR_STATE, "the search index has %llu, not %llu",
			(unsigned long long)upto, (unsigned long long)p->after);
	if (!number && make_number(db, p->account_id, &number, e) < 0)
		return -1;
	for (size_t i = 0; i < p->count; i++)
		if (put_document(x, db, search_id(number, p->docs[i]->n), p->docs[i], &f, e) < 0)
			return -1;
	return count_up(db, number, &f, p->upto, e);
}

static int by_n(const void *a, const void *b)
{
	uint64_t x = (*(const struct search_doc *const *)a)->n;
	uint64_t y = (*(const struct search_doc *const *)b)->n;

	return x < y ? -1 : x > y;
}

int search_put(struct store *s, uint64_t account_id, const struct search_doc *docs, size_t count,
	uint64_t after, uint64_t upto, struct err *e)
{
	struct put p = {account_id, after, upto, NULL, count};
	uint64_t room = 0;
	int rc;

	MUST(count <= SEARCH_BATCH_MAX);
	p.docs = mem_alloc((count + 1) * sizeof(*p.docs));
	for (size_t i = 0; i < count; i++) {
		MUST(docs[i].n && docs[i].n <= SEARCH_N_MAX);
		p.docs[i] = &docs[i];
		room += (uint64_t)text_octets(&docs[i]) * SEARCH_ROOM_PER_OCTET;
	}
	qsort(p.docs, count, sizeof(*p.docs), by_n);
	/* mail comes first where the disk is nearly full */
	rc = store_room_begin(s, room, e);
	if (rc == 0) {
		rc = search_write(s, run_put, &p, e);
		store_room_end(s, room);
	}
	free(p.docs);
	return rc;
}

struct removal {
	uint64_t account_id;
	const uint64_t *ns;
	size_t count;
};

static int run_remove(struct search *x, struct db *db, void *arg, struct err *e)
{
	const struct removal *r = arg;
	uint64_t number, upto;
	struct figures f = {0};

	if (search_number(db, r->account_id, &number, &upto, e) < 0)
		return -1;
	for (size_t i = 0; number && i < r->count; i++)
		if (drop_document(x, db, search_id(number, r->ns[i]), &f, e) < 0)
			return -1;
	return number ? count_up(db, number, &f, 0, e) : 0;
}

int search_remove(
	struct store *s, uint64_t account_id, const uint64_t *ns, size_t count, struct err *e)
{
	while (count) {
		size_t n = count < SEARCH_BATCH_MAX ? count : SEARCH_BATCH_MAX;
		struct removal r = {account_id, ns, n};

		if (search_write(s, run_remove, &r, e) < 0)
			return -1;
		ns += n;
		count -= n;
	}
	return 0;
}

struct drop {
	uint64_t account_id;
	bool is_done;
};

static int run_drop(struct search *x, struct db *db, void *arg, struct err *e)
{
	struct drop *d = arg;
	int64_t ids[SEARCH_DROP_SLICE];
	struct figures f = {0};
	uint64_t number, upto;
	struct db_stmt *st;
	bool is_row = false;
	size_t n = 0;
	int rc;

	if (search_number(db, d->account_id, &number, &upto, e) < 0)
		return -1;
	d->is_done = !number;
	if (!number)
		return 0;
	st = db_query(db, e, &search_sql_texts, "iii", search_id(number, 0),
		search_id(number, SEARCH_N_MAX), (int64_t)SEARCH_DROP_SLICE);
	rc = st ? 0 : -1;
	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row && n < SEARCH_DROP_SLICE)
		ids[n++] = db_col_i64(st, 0);
	db_done(st);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = drop_document(x, db, ids[i], &f, e);
	if (rc == 0 && n < SEARCH_DROP_SLICE) {
		d->is_done = true;
		return db_run(db, e, &search_sql_drop_account, "i", (int64_t)number);
	}
	return rc < 0 ? -1 : count_up(db, number, &f, 0, e);
}

int search_drop_account(struct store *s, uint64_t account_id, struct err *e)
{
	struct drop d = {account_id, false};

	while (!d.is_done)
		if (search_write(s, run_drop, &d, e) < 0)
			return -1;
	return 0;
}

/* ---- figures ---- */

struct marker {
	uint64_t account_id, upto;
};

static int read_marker(struct search_reader *r, void *arg, struct err *e)
{
	struct marker *m = arg;
	uint64_t number;

	return search_number(r->db, m->account_id, &number, &m->upto, e);
}

int search_marker(struct store *s, uint64_t account_id, uint64_t *upto_r, struct err *e)
{
	struct marker m = {account_id, 0};

	if (search_read(s, read_marker, &m, e) < 0)
		return -1;
	*upto_r = m.upto;
	return 0;
}

static int read_stats(struct search_reader *r, void *arg, struct err *e)
{
	struct search_stats *stats = arg;
	int64_t documents = 0, text = 0, kept = 0;
	bool is_found;

	if (db_get(r->db, e, NULL, &search_sql_totals, &is_found, ":iii", &documents, &text,
		    &kept) < 0)
		return -1;
	stats->documents = (uint64_t)documents;
	stats->text_octets = (uint64_t)text;
	stats->kept_octets = (uint64_t)kept;
	return 0;
}

int search_stats(struct store *s, struct search_stats *stats_r, struct err *e)
{
	struct stat st = {0};

	*stats_r = (struct search_stats){.is_open = true};
	if (search_read(s, read_stats, stats_r, e) < 0)
		return -1;
	stats_r->file_octets = stat(s->search->file, &st) == 0 ? (uint64_t)st.st_size : 0;
	return 0;
}
