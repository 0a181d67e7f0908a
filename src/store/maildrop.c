#include "store/maildrop.h"

#include "base/must.h"
#include "store/maildrop_priv.h"

DB_SQL(sql_maildrop_add,
	"INSERT INTO maildrop (name, at_ns) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING");
DB_SQL(sql_maildrop_page, "SELECT name FROM maildrop WHERE name > $1 ORDER BY name LIMIT 256");
DB_SQL(sql_maildrop_remove, "DELETE FROM maildrop WHERE name = $1");

int maildrop_once_tx(
	struct db *db, struct span name, int64_t now_ns, bool *was_there_r, struct err *e)
{
	if (db_run(db, e, &sql_maildrop_add, "ti", name, now_ns) < 0)
		return -1;
	*was_there_r = db_changes(db) == 0;
	return *was_there_r ? err_set(e, ERR_EXISTS, "it was accepted before") : 0;
}

struct names {
	struct arena *a;
	struct span after;
	struct span *names; /* list: room for MAILDROP_PAGE */
	const struct span *gone;
	size_t count;
};

static int read_names(struct db *db, void *arg, struct err *e)
{
	struct names *n = arg;
	struct db_stmt *st = db_query(db, e, &sql_maildrop_page, "t", n->after);
	bool is_row = false;
	int rc = -1;

	n->count = 0;
	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		MUST(n->count < MAILDROP_PAGE);
		n->names[n->count++] = arena_span(n->a, db_col_span(st, 0));
	}
	db_done(st);
	return rc;
}

FIBER int maildrop_list(struct store *s, struct arena *a, struct span after, struct span **names_r,
	size_t *count_r, struct err *e)
{
	struct names n = {
		.a = a, .after = after, .names = ARENA_ARRAY(a, struct span, MAILDROP_PAGE)};
	int rc = store_read(s, "maildrop.list", read_names, &n, e);

	*names_r = n.names;
	*count_r = n.count;
	return rc;
}

static int remove_names(struct db *db, void *arg, struct err *e)
{
	const struct names *n = arg;

	for (size_t i = 0; i < n->count; i++) {
		if (db_run(db, e, &sql_maildrop_remove, "t", n->gone[i]) < 0)
			return -1;
	}
	return 0;
}

FIBER int maildrop_forget(struct store *s, const struct span *names, size_t count, struct err *e)
{
	struct names n = {.gone = names, .count = count};

	MUST(count <= MAILDROP_PAGE);
	return count ? store_write(s, "maildrop.forget", remove_names, &n, e) : 0;
}
