#include "store/schema/schema.h"

#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/must.h"

/* The version is read and written by db_exec and a probe of its own, because the statement cache
 * holds statements of the newest schema only. */
DB_SQL(sql_version, "SELECT version FROM schema_version WHERE id = 1");
DB_SQL(sql_set_version,
	"INSERT INTO schema_version (id, version) VALUES (1, $1) "
	"ON CONFLICT (id) DO UPDATE SET version = excluded.version");

#define SCHEMA_TEXT_MAX (256 * 1024)

static int run_step(struct db *db, const struct schema_step *step, struct err *e)
{
	struct span rest = span_str(step->text), head;
	struct buf b;
	int rc = 0;

	buf_init(&b, SCHEMA_TEXT_MAX);
	while (rc == 0 && span_cut(rest, '@', &head, &rest)) {
		size_t n = 0;
		const char *word;

		while (n < rest.len && rest.ptr[n] >= 'a' && rest.ptr[n] <= 'z')
			n++;
		word = db_word(db, span_sub(rest, 0, n));
		buf_span_put(&b, head);
		if (word)
			buf_str(&b, word);
		else
			rc = err_set(e, ERR_STATE, "unknown word @" SPAN_FMT,
				SPAN_ARG(span_sub(rest, 0, n)));
		rest = span_skip(rest, n);
	}
	if (rc == 0) {
		buf_span_put(&b, head);
		MUST(buf_ok(&b));
		rc = db_exec(db, buf_cstr(&b), e);
	}
	buf_fini(&b);
	return rc;
}

static int migrate_one(struct db *db, const struct schema_step *step, struct err *e)
{
	if (db_begin(db, e) < 0)
		return -1;
	if (run_step(db, step, e) < 0 ||
		db_run(db, e, &sql_set_version, "i", (int64_t)step->number) < 0 ||
		db_commit(db, e) < 0) {
		db_rollback(db);
		return err_wrap(e, "migration %03u_%s", step->number, step->name);
	}
	return 0;
}

static int snapshot_before(struct db *db, const char *file, unsigned first, struct err *e)
{
	struct arena *a = arena_new();
	char *copy = arena_printf(a, "%s.before-%03u", file, first);
	char *half = arena_printf(a, "%s.half", copy);
	int rc;

	unlink(half);
	rc = db_snapshot(db, half, NULL, NULL, e);
	if (rc == 0 && rename(half, copy) < 0)
		rc = -1;
	arena_free(&a);
	return rc;
}

static int too_new(const char *file, unsigned version, unsigned newest, struct err *e)
{
	return err_set(e, ERR_VERSION,
		"%s has schema %u, this version knows up to %u: run the newer version", file,
		version, newest);
}

int schema_look(struct db *db, const char *file, struct err *e)
{
	int64_t version = 0;
	bool is_found;

	if (db_get(db, e, NULL, &sql_version, &is_found, ":i", &version) < 0 || !is_found)
		return err_set(e, ERR_CORRUPT, "%s is not a store of Yizhan", file);
	if (version > schema_newest)
		return too_new(file, (unsigned)version, schema_newest, e);
	return 0;
}

int schema_migrate_to(struct db *db, const char *file, const struct schema_step *steps,
	unsigned newest, unsigned *from_r, struct err *e)
{
	int64_t version = 0;
	bool is_found;

	if (db_exec(db,
		    "CREATE TABLE IF NOT EXISTS schema_version "
		    "(id INTEGER PRIMARY KEY, version INTEGER NOT NULL)",
		    e) < 0 ||
		db_get(db, e, NULL, &sql_version, &is_found, ":i", &version) < 0)
		return -1;
	*from_r = (unsigned)version;
	if (version > newest)
		return too_new(file, (unsigned)version, newest, e);
	if (version > 0 && version < newest &&
		snapshot_before(db, file, (unsigned)version + 1, e) < 0)
		return err_wrap(e, "copying the store before its migration");
	for (unsigned i = (unsigned)version; i < newest; i++)
		if (migrate_one(db, &steps[i], e) < 0)
			return -1;
	return 0;
}

int schema_migrate(struct db *db, const char *file, unsigned *from_r, struct err *e)
{
	return schema_migrate_to(db, file, schema_steps, schema_newest, from_r, e);
}
