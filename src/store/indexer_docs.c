/* Search documents, behind facts: account by account, in the order of `n`, so that a marker tells how far
 * it is. What has happened to an account is told by the change feed. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/email.h"
#include "store/indexer_priv.h"
#include "store/mailbox.h"
#include "store/search_text.h"

DB_SQL(sql_accounts, "SELECT id FROM account WHERE id > $1 ORDER BY id LIMIT $2");
DB_SQL(sql_new,
	"SELECT n, blob_id, blob_octets, prefix FROM message WHERE account_id = $1 AND n > $2 "
	"ORDER BY n LIMIT $3");
DB_SQL(sql_new_count, "SELECT COUNT(*) FROM message WHERE account_id = $1 AND n > $2");
DB_SQL(sql_gone, "SELECT account_id, n FROM search_gone LIMIT $1");
DB_SQL(sql_forgotten, "DELETE FROM search_gone WHERE account_id = $1 AND n = $2");

/* ---- which accounts ---- */

/* With the lock held. */
static void note(struct indexer *x, uint64_t account_id)
{
	if (!account_id)
		x->is_all_asked = true;
	for (size_t i = 0; i < x->asked_count; i++)
		if (x->asked[i] == account_id)
			return;
	if (x->is_all_asked || x->asked_count == INDEXER_ACCOUNTS_MAX) {
		x->is_all_asked = true;
		return;
	}
	x->asked[x->asked_count++] = account_id;
}

void indexer_note_account(struct indexer *x, uint64_t account_id)
{
	pthread_mutex_lock(&x->lock);
	note(x, account_id);
	pthread_mutex_unlock(&x->lock);
}

struct account_page {
	uint64_t after;
	uint64_t ids[INDEXER_BATCH];
	size_t count;
};

static int read_accounts(struct db *db, void *arg, struct err *e)
{
	struct account_page *p = arg;
	struct db_stmt *st = db_query(
		db, e, &sql_accounts, "ii", (int64_t)p->after, (int64_t)INDEXER_BATCH);
	bool is_row = false;
	int rc = -1;

	p->count = 0;
	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row)
		p->ids[p->count++] = (uint64_t)db_col_i64(st, 0);
	db_done(st);
	return rc;
}

/* The next account to look at, 0 when there is none: one that was told of, else the walk over all. */
static int next_account(struct indexer *x, uint64_t *id_r, struct err *e)
{
	struct account_page p = {0};

	*id_r = 0;
	pthread_mutex_lock(&x->lock);
	if (x->is_all_asked) {
		x->is_all_asked = false;
		x->asked_count = 0;
		x->walk = 0;
		x->is_walking = true;
	}
	if (x->asked_count)
		*id_r = x->asked[--x->asked_count];
	p.after = x->walk;
	pthread_mutex_unlock(&x->lock);
	if (*id_r || !x->is_walking)
		return 0;
	if (store_read_blocking(x->s, "indexer.accounts", read_accounts, &p, e) < 0)
		return -1;
	if (!p.count) {
		x->is_walking = false;
		return 0;
	}
	*id_r = x->walk = p.ids[0];
	return 0;
}

/* ---- documents of one ---- */

struct document {
	uint64_t n, blob_id, octets;
	struct span prefix;
};

struct document_page {
	struct arena *a;
	uint64_t account_id, after;
	struct document list[INDEXER_BATCH];
	size_t count;
	int64_t missing;
};

static int read_new(struct db *db, void *arg, struct err *e)
{
	struct document_page *p = arg;
	struct db_stmt *st = db_query(db, e, &sql_new, "iii", (int64_t)p->account_id,
		(int64_t)p->after, (int64_t)INDEXER_BATCH);
	bool is_row = false, is_found;
	int rc = -1;

	p->count = 0;
	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		struct document *d = &p->list[p->count++];
		int64_t n, blob, octets;

		db_cols(st, "iiib", &n, &blob, &octets, &d->prefix);
		d->n = (uint64_t)n;
		d->blob_id = (uint64_t)blob;
		d->octets = (uint64_t)octets;
		d->prefix = arena_span(p->a, d->prefix);
	}
	db_done(st);
	p->missing = (int64_t)p->count;
	if (rc < 0 || p->count < INDEXER_BATCH)
		return rc;
	return db_get(db, e, NULL, &sql_new_count, &is_found, "ii:i", (int64_t)p->account_id,
		(int64_t)p->after, &p->missing);
}

/* A body that cannot be read is an empty document: nobody asks for it again. */
static int make_one(
	struct indexer *x, struct document_page *p, size_t i, struct search_doc *doc, struct err *e)
{
	const struct document *d = &p->list[i];
	struct err why = {0};

	*doc = (struct search_doc){.n = d->n};
	if (search_text_make(x->s, p->a, d->prefix, d->blob_id, d->octets, doc, &why) == 0)
		return 0;
	if (why.code != ERR_NOT_FOUND && why.code != ERR_CORRUPT)
		return err_copy(e, &why);
	*doc = (struct search_doc){.n = d->n};
	return 0;
}

/* A batch of the account's messages; it ends early when its texts are large. */
static int make_page(struct indexer *x, struct document_page *p, bool *is_more_r, struct err *e)
{
	struct search_doc docs[INDEXER_BATCH];
	size_t made = 0, octets = 0;
	struct err why = {0};

	while (made < p->count && octets < INDEXER_TEXT_MAX) {
		struct search_doc *doc = &docs[made];

		if (make_one(x, p, made, doc, e) < 0)
			return -1;
		octets += doc->header.len + doc->parts.len + doc->body.len;
		made++;
	}
	*is_more_r = made < p->count || p->count == INDEXER_BATCH;
	if (search_put(x->s, p->account_id, docs, made, p->after, p->list[made - 1].n, &why) < 0) {
		*is_more_r = why.code == ERR_STATE; /* begun anew meanwhile: so are we */
		return *is_more_r ? 0 : err_copy(e, &why);
	}
	pthread_mutex_lock(&x->lock);
	x->stats.documents += made;
	x->stats.missing_documents = (uint64_t)p->missing - made;
	pthread_mutex_unlock(&x->lock);
	return 0;
}

/* The index of Emails before the texts: it is there when its owner logs in. */
static int make_emails(struct indexer *x, uint64_t account_id, bool *is_more_r, struct err *e)
{
	*is_more_r = false;
	if (email_is_behind_blocking(x->s, account_id, is_more_r, e) < 0)
		return -1;
	if (!*is_more_r || !indexer_give_way(x))
		return 0;
	x->writes++;
	return email_catch_up_blocking(x->s, account_id, is_more_r, e);
}

static int make_account(struct indexer *x, uint64_t account_id, bool *is_more_r, struct err *e)
{
	struct arena *a;
	struct document_page *p;
	int rc;

	if (make_emails(x, account_id, is_more_r, e) < 0 || *is_more_r)
		return *is_more_r ? 0 : -1;
	a = arena_new();
	p = ARENA_NEW(a, struct document_page);
	p->a = a;
	p->account_id = account_id;
	rc = search_marker(x->s, account_id, &p->after, e);
	if (rc == 0)
		rc = store_read_blocking(x->s, "indexer.new", read_new, p, e);
	if (rc == 0 && p->count)
		rc = make_page(x, p, is_more_r, e);
	arena_free(&a);
	return rc;
}

/* ---- what is gone ---- */

struct gone_page {
	struct {
		uint64_t account_id, n;
	} list[INDEXER_BATCH];
	size_t count;
};

static int read_gone(struct db *db, void *arg, struct err *e)
{
	struct gone_page *p = arg;
	struct db_stmt *st = db_query(db, e, &sql_gone, "i", (int64_t)INDEXER_BATCH);
	bool is_row = false;
	int rc = -1;

	p->count = 0;
	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		p->list[p->count].account_id = (uint64_t)db_col_i64(st, 0);
		p->list[p->count++].n = (uint64_t)db_col_i64(st, 1);
	}
	db_done(st);
	return rc;
}

static int forget_gone(struct db *db, void *arg, struct err *e)
{
	struct gone_page *p = arg;

	for (size_t i = 0; i < p->count; i++)
		if (db_run(db, e, &sql_forgotten, "ii", (int64_t)p->list[i].account_id,
			    (int64_t)p->list[i].n) < 0)
			return -1;
	return 0;
}

/* Search forgets first, then the note that it has to: a crash between them does no harm. */
static int forget(struct indexer *x, bool *is_more_r, struct err *e)
{
	struct gone_page p = {0};

	*is_more_r = false;
	if (store_read_blocking(x->s, "indexer.gone", read_gone, &p, e) < 0)
		return -1;
	for (size_t i = 0; i < p.count; i++) {
		uint64_t account = p.list[i].account_id, n = p.list[i].n;

		if ((n ? search_remove(x->s, account, &n, 1, e)
		       : search_drop_account(x->s, account, e)) < 0)
			return -1;
	}
	*is_more_r = p.count > 0;
	if (!p.count || !indexer_give_way(x))
		return 0;
	x->writes++;
	return store_write_blocking(x->s, "indexer.forget", forget_gone, &p, e);
}

int indexer_make_documents(struct indexer *x, bool *is_more_r, struct err *e)
{
	uint64_t account;

	if (forget(x, is_more_r, e) < 0 || *is_more_r)
		return *is_more_r ? 0 : -1;
	if (next_account(x, &account, e) < 0)
		return -1;
	if (!account)
		return 0;
	if (make_account(x, account, is_more_r, e) < 0) {
		indexer_note_account(x, account);
		return -1;
	}
	if (*is_more_r)
		indexer_note_account(x, account);
	*is_more_r = true;
	return 0;
}
