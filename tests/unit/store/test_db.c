#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/must.h"
#include "lib/scratch.h"
#include "store/db/db.h"
#include "store/db/db_priv.h"
#include "store/schema/schema.h"
#include "lib/scratch.h"

struct fixture {
	struct arena *a;
	char dir[SCRATCH_MAX], *file;
	struct db *db;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct db_opts opts = {0};
	struct err e = {0};

	f->a = arena_new();
	assert_true(scratch_new(f->dir));
	f->file = arena_printf(f->a, "%s/t.db", f->dir);
	opts.path = f->file;
	assert_int_equal(db_open(&opts, &f->db, &e), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	db_close(&f->db);
	assert_true(scratch_remove(f->dir));
	arena_free(&f->a);
	free(f);
	return 0;
}

static const struct {
	const char *name, *from, *to;
} rewrites[] = {
	{"in order", "SELECT $1, $2", "SELECT ?1, ?2"},
	{"reordered and repeated", "SELECT $2, $1, $2", "SELECT ?2, ?1, ?2"},
	{"two digits", "x = $12", "x = ?12"},
	{"in a literal", "SELECT '$1', $1", "SELECT '$1', ?1"},
	{"behind a doubled quote", "SELECT 'it''s $1' || $1", "SELECT 'it''s $1' || ?1"},
	{"in a quoted name", "SELECT \"a$1\" , $1", "SELECT \"a$1\" , ?1"},
	{"in a line comment", "SELECT $1 -- $2\n, $3", "SELECT ?1 -- $2\n, ?3"},
	{"in a block comment", "SELECT /* $1 ' */ $1", "SELECT /* $1 ' */ ?1"},
	{"comment signs in a literal", "SELECT '-- /*', $1", "SELECT '-- /*', ?1"},
	{"an open literal", "SELECT '$1", "SELECT '$1"},
	{"an open comment", "SELECT /* $1", "SELECT /* $1"},
	{"inside a name", "SELECT a$1 + $1", "SELECT a$1 + ?1"},
	{"not a number", "SELECT $x, $0, $", "SELECT $x, $0, $"},
	{"at the end", "$9", "?9"},
	{"empty", "", ""},
};

static void parameters_are_rewritten_outside_literals_and_comments(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rewrites); i++) {
		struct buf b;

		buf_init(&b, 1000);
		db_sqlite_rewrite(&b, span_str(rewrites[i].from));
		if (strcmp(buf_cstr(&b), rewrites[i].to) != 0)
			fail_msg("%s: %s", rewrites[i].name, buf_cstr(&b));
		buf_fini(&b);
	}
}

DB_SQL(sql_order, "SELECT $3, $1, $1, '$2'");
DB_SQL(sql_put, "INSERT INTO t (id, name, data) VALUES ($1, $2, $3)");
DB_SQL(sql_all, "SELECT id, name, data FROM t ORDER BY id");
DB_SQL(sql_one, "SELECT name, data FROM t WHERE id = $1");
DB_SQL(sql_bump, "UPDATE t SET name = name || $2 WHERE id >= $1 RETURNING id, name");
DB_SQL(sql_none, "SELECT id FROM no_such_table");

static void make_table(struct fixture *f)
{
	assert_int_equal(
		db_exec(f->db, "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, data BLOB)",
			NULL),
		0);
}

static void numbers_name_parameters_in_any_order(void **state)
{
	struct fixture *f = *state;
	struct span third, first, again, literal;
	bool is_found;

	assert_int_equal(db_get(f->db, NULL, f->a, &sql_order, &is_found, "tnt:tttt", SPAN("one"),
				 SPAN("three"), &third, &first, &again, &literal),
		0);
	assert_true(is_found);
	assert_true(span_eq(third, SPAN("three")));
	assert_true(span_eq(first, SPAN("one")));
	assert_true(span_eq(again, SPAN("one")));
	assert_true(span_eq(literal, SPAN("$2")));
}

static void values_come_back_as_they_went_in(void **state)
{
	struct fixture *f = *state;
	struct span name, data;
	struct db_stmt *st;
	bool is_found, is_row;
	int64_t id, count = 0;

	make_table(f);
	assert_int_equal(
		db_run(f->db, NULL, &sql_put, "itb", (int64_t)1, SPAN("a"), SPAN("\0\xff\n")), 0);
	assert_int_equal(db_run(f->db, NULL, &sql_put, "itb", INT64_MAX, SPAN_NONE, SPAN_NONE), 0);
	assert_int_equal(db_run(f->db, NULL, &sql_put, "inn", (int64_t)-5), 0);

	assert_int_equal(
		db_get(f->db, NULL, f->a, &sql_one, &is_found, "i:tb", (int64_t)1, &name, &data),
		0);
	assert_true(is_found && span_eq(name, SPAN("a")) && span_eq(data, SPAN("\0\xff\n")));
	assert_int_equal(
		db_get(f->db, NULL, f->a, &sql_one, &is_found, "i:tb", (int64_t)2, &name, &data),
		0);
	assert_false(is_found);

	st = db_query(f->db, NULL, &sql_all, "");
	while (db_step(st, &is_row, NULL) == 0 && is_row) {
		db_cols(st, "itb", &id, &name, &data);
		count++;
		assert_int_equal(db_col_is_null(st, 1), id == -5);
		assert_int_equal(name.len, id == 1);
	}
	db_done(st);
	assert_int_equal(count, 3);
	assert_int_equal(id, INT64_MAX);
}

static void returning_runs_to_its_end(void **state)
{
	struct fixture *f = *state;
	struct span name;
	int64_t id;
	bool is_found;

	make_table(f);
	for (int64_t i = 1; i <= 3; i++)
		assert_int_equal(db_run(f->db, NULL, &sql_put, "itb", i, SPAN("n"), SPAN_NONE), 0);
	assert_int_equal(db_get(f->db, NULL, f->a, &sql_bump, &is_found, "it:it", (int64_t)2,
				 SPAN("+"), &id, &name),
		0);
	assert_int_equal(db_changes(f->db), 2);
	assert_int_equal(
		db_get(f->db, NULL, f->a, &sql_one, &is_found, "i:t", (int64_t)3, &name), 0);
	assert_true(span_eq(name, SPAN("n+")));
}

static void errors_have_their_codes(void **state)
{
	struct fixture *f = *state;
	struct err e = {0};

	make_table(f);
	assert_int_equal(db_run(f->db, &e, &sql_put, "itb", (int64_t)1, SPAN("a"), SPAN("")), 0);
	assert_int_equal(db_run(f->db, &e, &sql_put, "itb", (int64_t)1, SPAN("b"), SPAN("")), -1);
	assert_int_equal(e.code, ERR_EXISTS);
	assert_int_equal(db_run(f->db, &e, &sql_none, ""), -1);
	assert_int_equal(e.code, ERR_STATE);
	assert_non_null(strstr(e.text, "no_such_table"));
	/* the statement can be used again after its error */
	assert_int_equal(db_run(f->db, &e, &sql_put, "itb", (int64_t)2, SPAN("b"), SPAN("")), 0);
}

static void a_savepoint_rolls_back_alone(void **state)
{
	struct fixture *f = *state;
	struct span name;
	bool is_found;

	make_table(f);
	assert_int_equal(db_begin(f->db, NULL), 0);
	assert_true(db_in_transaction(f->db));
	db_run(f->db, NULL, &sql_put, "itb", (int64_t)1, SPAN("kept"), SPAN(""));
	assert_int_equal(db_savepoint(f->db, NULL), 0);
	db_run(f->db, NULL, &sql_put, "itb", (int64_t)2, SPAN("dropped"), SPAN(""));
	assert_int_equal(db_rollback_to(f->db, NULL), 0);
	assert_int_equal(db_savepoint(f->db, NULL), 0);
	db_run(f->db, NULL, &sql_put, "itb", (int64_t)3, SPAN("kept"), SPAN(""));
	assert_int_equal(db_release(f->db, NULL), 0);
	assert_int_equal(db_commit(f->db, NULL), 0);
	assert_false(db_in_transaction(f->db));
	for (int64_t i = 1; i <= 3; i++) {
		db_get(f->db, NULL, f->a, &sql_one, &is_found, "i:t", i, &name);
		assert_int_equal(is_found, i != 2);
	}
	assert_true(db_log_frames(f->db) > 0);
}

static const struct schema_step steps[] = {
	{1, "one", "CREATE TABLE a (id @id, n @int NOT NULL, t @text, b @bytes);"},
	{2, "two", "ALTER TABLE a ADD COLUMN m @int; INSERT INTO a (id, n) VALUES (1, 2);"},
	{3, "broken", "CREATE TABLE c (id @id); INSERT INTO nowhere VALUES (1);"},
	{3, "word", "CREATE TABLE c (id @strange);"},
};

DB_SQL(sql_a_m, "SELECT n FROM a WHERE id = 1");
DB_SQL(sql_c, "SELECT id FROM c WHERE id = 1");

static void migrations_run_once_after_a_snapshot(void **state)
{
	struct fixture *f = *state;
	struct err e = {0};
	unsigned from = 9;
	int64_t n = 0;
	bool is_found;
	char *copy = arena_printf(f->a, "%s.before-002", f->file);

	assert_int_equal(schema_migrate_to(f->db, f->file, steps, 1, &from, &e), 0);
	assert_int_equal(from, 0);
	assert_int_not_equal(access(copy, F_OK), 0);
	assert_int_equal(schema_migrate_to(f->db, f->file, steps, 2, &from, &e), 0);
	assert_int_equal(from, 1);
	assert_int_equal(access(copy, F_OK), 0);
	assert_int_equal(schema_migrate_to(f->db, f->file, steps, 2, &from, &e), 0);
	assert_int_equal(from, 2);
	assert_int_equal(db_get(f->db, &e, NULL, &sql_a_m, &is_found, ":i", &n), 0);
	assert_int_equal(n, 2);
	/* an older program refuses it */
	assert_int_equal(schema_migrate_to(f->db, f->file, steps, 1, &from, &e), -1);
	assert_int_equal(e.code, ERR_VERSION);
}

static void a_broken_migration_leaves_no_trace(void **state)
{
	struct fixture *f = *state;
	struct schema_step three[3] = {steps[0], steps[1], steps[2]};
	struct err e = {0};
	unsigned from;

	assert_int_equal(schema_migrate_to(f->db, f->file, steps, 2, &from, &e), 0);
	assert_int_equal(schema_migrate_to(f->db, f->file, three, 3, &from, &e), -1);
	assert_non_null(strstr(e.text, "003_broken"));
	assert_int_equal(db_run(f->db, &e, &sql_c, ""), -1);
	three[2] = steps[3];
	assert_int_equal(schema_migrate_to(f->db, f->file, three, 3, &from, &e), -1);
	assert_non_null(strstr(e.text, "@strange"));
	assert_int_equal(schema_migrate_to(f->db, f->file, steps, 2, &from, &e), 0);
	assert_int_equal(from, 2);
}

static void every_statement_of_the_store_prepares(void **state)
{
	struct fixture *f = *state;
	struct err e = {0};
	unsigned from;
	size_t count;
	const struct db_sql *sql = db_sql_all(&count);

	assert_int_equal(schema_migrate(f->db, f->file, &from, &e), 0);
	make_table(f);
	db_exec(f->db, "CREATE TABLE a (id, n); CREATE TABLE c (id)", NULL);
	assert_true(count > 8);
	for (size_t i = 0; i < count; i++) {
		struct db_stmt *st;

		/* search has a file of its own */
		if (&sql[i] == &sql_none || !strncmp(sql[i].name, "search_sql_", 11))
			continue;
		st = db_prepare(f->db, &sql[i], &e);
		if (!st)
			fail_msg("%s: %s", sql[i].name, e.text);
		db_done(st);
	}
}

DB_SQL(sql_page_count, "SELECT page_count FROM pragma_page_count");
DB_SQL(sql_delete_all, "DELETE FROM t");

static int64_t page_count(struct fixture *f)
{
	int64_t pages = 0;
	bool is_found;

	assert_int_equal(db_get(f->db, NULL, NULL, &sql_page_count, &is_found, ":i", &pages), 0);
	return pages;
}

static void free_pages_beyond_what_is_kept_are_given_back(void **state)
{
	struct fixture *f = *state;
	int64_t full, pages;
	char *bytes = arena_alloc(f->a, 100000);

	make_table(f);
	for (int64_t i = 0; i < 40; i++)
		db_run(f->db, NULL, &sql_put, "itb", i, SPAN("n"), span_of(bytes, 100000));
	full = page_count(f);
	db_run(f->db, NULL, &sql_delete_all, "");
	assert_int_equal(page_count(f), full);
	/* a slice, then what is left above the kept part, then nothing */
	assert_int_equal(db_begin(f->db, NULL), 0);
	assert_int_equal(db_shrink(f->db, 1 << 20, 1 << 20, NULL), 0);
	pages = full - (1 << 20) / DB_PAGE_SIZE;
	assert_in_range(page_count(f), pages - 2, pages); /* SQLite's own pages go too */
	for (int i = 0; i < 5; i++)
		assert_int_equal(db_shrink(f->db, 1 << 20, 1 << 20, NULL), 0);
	pages = page_count(f);
	assert_true(pages >= (1 << 20) / DB_PAGE_SIZE);
	assert_true(pages < (1 << 20) / DB_PAGE_SIZE + 20);
	assert_int_equal(db_commit(f->db, NULL), 0);
}

static void a_newer_file_and_a_foreign_file_are_refused(void **state)
{
	struct fixture *f = *state;
	struct db_opts opts = {.path = arena_printf(f->a, "%s/foreign", f->dir)};
	struct db *db = NULL;
	struct err e = {0};
	FILE *file = fopen(opts.path, "w");

	for (int i = 0; i < 1000; i++)
		fputs("this is no database ", file);
	fclose(file);
	assert_int_equal(db_open(&opts, &db, &e), -1);
	assert_int_equal(e.code, ERR_CORRUPT);
	assert_null(db);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parameters_are_rewritten_outside_literals_and_comments),
		CASE(numbers_name_parameters_in_any_order),
		CASE(values_come_back_as_they_went_in),
		CASE(returning_runs_to_its_end),
		CASE(errors_have_their_codes),
		CASE(a_savepoint_rolls_back_alone),
		CASE(migrations_run_once_after_a_snapshot),
		CASE(a_broken_migration_leaves_no_trace),
		CASE(every_statement_of_the_store_prepares),
		CASE(free_pages_beyond_what_is_kept_are_given_back),
		CASE(a_newer_file_and_a_foreign_file_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
