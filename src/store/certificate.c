#include "store/certificate.h"

#include "base/secret.h"
#include "store/db/db.h"
#include "store/store_priv.h"

#define CERTIFICATE_PAGE 16 /* rows of one read: at most 1 MiB or so */

DB_SQL(sql_certificate_find,
	"SELECT names, chain_pem, key_pem, not_before_ns, not_after_ns, next_ns, tries, order_url, "
	"order_key_pem, error FROM certificate WHERE name = $1");
DB_SQL(sql_certificate_put,
	"INSERT INTO certificate (name, names, chain_pem, key_pem, not_before_ns, not_after_ns, "
	"next_ns, tries, order_url, order_key_pem, error) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (name) DO UPDATE SET "
	"names = excluded.names, chain_pem = excluded.chain_pem, key_pem = excluded.key_pem, "
	"not_before_ns = excluded.not_before_ns, not_after_ns = excluded.not_after_ns, "
	"next_ns = excluded.next_ns, tries = excluded.tries, order_url = excluded.order_url, "
	"order_key_pem = excluded.order_key_pem, error = excluded.error");
DB_SQL(sql_certificate_remove, "DELETE FROM certificate WHERE name = $1");
DB_SQL(sql_certificate_page,
	"SELECT name, names, chain_pem, key_pem, not_before_ns, not_after_ns, next_ns, tries, "
	"order_url, order_key_pem, error FROM certificate WHERE name > $1 ORDER BY name LIMIT 16");

struct certificate_look {
	struct arena *a;
	struct certificate *row;
	bool *is_found;
};

static int certificate_look(struct db *db, void *arg, struct err *e)
{
	struct certificate_look *l = arg;
	struct certificate *c = l->row;

	if (db_get(db, e, l->a, &sql_certificate_find, l->is_found, "t:tttiiiittt", c->name,
		    &c->names, &c->chain_pem, &c->key_pem, &c->not_before_ns, &c->not_after_ns,
		    &c->next_ns, &c->tries, &c->order_url, &c->order_key_pem, &c->error) < 0)
		return -1;
	secret_guard(l->a, c->key_pem);
	secret_guard(l->a, c->order_key_pem);
	return 0;
}

FIBER int certificate_find(struct store *s, struct arena *a, struct span name,
	struct certificate *row_r, bool *is_found_r, struct err *e)
{
	struct certificate_look l = {.a = a, .row = row_r, .is_found = is_found_r};

	*row_r = (struct certificate){.name = arena_span(a, name)};
	*is_found_r = false;
	return store_read(s, "certificate", certificate_look, &l, e);
}

static int certificate_write(struct db *db, void *arg, struct err *e)
{
	const struct certificate *c = arg;

	return db_run(db, e, &sql_certificate_put, "ttttiiiittt", c->name, c->names, c->chain_pem,
		c->key_pem, c->not_before_ns, c->not_after_ns, c->next_ns, c->tries, c->order_url,
		c->order_key_pem, c->error);
}

FIBER int certificate_put(struct store *s, const struct certificate *row, struct err *e)
{
	struct certificate copy = *row;

	if (!row->name.len || row->name.len > CERTIFICATE_NAME_MAX ||
		row->names.len > CERTIFICATE_TEXT_MAX || row->chain_pem.len > CERTIFICATE_TEXT_MAX)
		return err_set(e, ERR_LIMIT, "a certificate's row is too long");
	return store_write(s, "certificate", certificate_write, &copy, e);
}

static int certificate_delete(struct db *db, void *arg, struct err *e)
{
	struct span *name = arg;

	if (db_run(db, e, &sql_certificate_remove, "t", *name) < 0)
		return -1;
	if (db_changes(db))
		return 0;
	return err_set(e, ERR_NOT_FOUND, "there is no certificate '" SPAN_FMT "'", SPAN_ARG(*name));
}

FIBER int certificate_remove(struct store *s, struct span name, struct err *e)
{
	return store_write(s, "certificate", certificate_delete, &name, e);
}

struct certificate_page {
	struct arena *a;
	struct certificate *rows;
	size_t count, cap, page_count;
};

static struct certificate *certificate_row(struct certificate_page *p)
{
	if (p->count == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : CERTIFICATE_PAGE;
		struct certificate *grown = ARENA_ARRAY(p->a, struct certificate, cap);

		for (size_t i = 0; i < p->count; i++)
			grown[i] = p->rows[i];
		p->rows = grown;
		p->cap = cap;
	}
	p->page_count++;
	return &p->rows[p->count++];
}

static void certificate_keep(struct arena *a, struct certificate *c)
{
	struct span *const texts[] = {&c->name, &c->names, &c->chain_pem, &c->key_pem,
		&c->order_url, &c->order_key_pem, &c->error};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		*texts[i] = arena_span(a, *texts[i]);
	secret_guard(a, c->key_pem);
	secret_guard(a, c->order_key_pem);
}

static int certificate_page(struct db *db, void *arg, struct err *e)
{
	struct certificate_page *p = arg;
	struct span after = p->count ? p->rows[p->count - 1].name : SPAN_NONE;
	struct db_stmt *st = db_query(db, e, &sql_certificate_page, "t", after);
	bool is_row = false;
	int rc = -1;

	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		struct certificate *c = certificate_row(p);

		db_cols(st, "ttttiiiittt", &c->name, &c->names, &c->chain_pem, &c->key_pem,
			&c->not_before_ns, &c->not_after_ns, &c->next_ns, &c->tries, &c->order_url,
			&c->order_key_pem, &c->error);
		certificate_keep(p->a, c);
	}
	db_done(st);
	return rc;
}

FIBER int certificate_list(struct store *s, struct arena *a, struct certificate **list_r,
	size_t *count_r, struct err *e)
{
	struct certificate_page p = {.a = a};

	do {
		p.page_count = 0;
		if (store_read(s, "certificates", certificate_page, &p, e) < 0)
			return -1;
	} while (p.page_count == CERTIFICATE_PAGE && p.count < CERTIFICATES_MAX);
	*list_r = p.rows;
	*count_r = p.count;
	return 0;
}

int certificate_list_blocking(struct store *s, struct arena *a, struct certificate **list_r,
	size_t *count_r, struct err *e)
{
	struct certificate_page p = {.a = a};

	do {
		p.page_count = 0;
		if (store_read_blocking(s, "certificates", certificate_page, &p, e) < 0)
			return -1;
	} while (p.page_count == CERTIFICATE_PAGE && p.count < CERTIFICATES_MAX);
	*list_r = p.rows;
	*count_r = p.count;
	return 0;
}
