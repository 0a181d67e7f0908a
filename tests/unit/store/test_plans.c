/* The plan of every statement of the store is a golden file: none may walk a big table or sort in
 * a temporary tree. There are no statistics (nothing ever runs ANALYZE), so a plan is the same for
 * no rows and for a million.
 *
 * YIZHAN_UPDATE_GOLDEN=1 build/asan/tests/unit/store_test_plans writes the file anew. */

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/must.h"
#include "store/db/db_priv.h"
#include "store_fixture.h"

#define PLANS_MAX (1024 * 1024)

/* Tables that stay small, or are listed as a whole by an administrator. */
static const char *const small[] = {"counter", "credential", "domain", "egress", "pool", "route",
	"sender_route", "setting", "shape", "alias", "schema_version", "tls_override",
	"CONSTANT ROW",
	/* what is owed, and nothing else, is in these */
	"message USING INDEX message_new", "message USING COVERING INDEX message_new",
	"search_gone"};

/* store_check reads everything there is: its statements say so in their names. */
static bool is_slow(const struct db_sql *sql, const char *step)
{
	if (!strncmp(sql->name, "sql_check_", 10))
		return false;
	if (strstr(step, "TEMP B-TREE"))
		return true;
	if (strncmp(step, "SCAN ", 5))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(small); i++)
		if (!strncmp(step + 5, small[i], strlen(small[i])))
			return false;
	return true;
}

static void put_plan(struct buf *b, sqlite3 *db, const struct db_sql *sql, int *slow)
{
	struct buf text;
	sqlite3_stmt *st;

	buf_init(&text, PLANS_MAX);
	buf_str(&text, "EXPLAIN QUERY PLAN ");
	db_sqlite_rewrite(&text, span_str(sql->text));
	if (sqlite3_prepare_v2(db, buf_cstr(&text), -1, &st, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql->name, sqlite3_errmsg(db));
	buf_printf(b, "%s\n", sql->text);
	while (sqlite3_step(st) == SQLITE_ROW) {
		const char *step = (const char *)sqlite3_column_text(st, 3);

		buf_printf(b, "\t%s\n", step);
		if (is_slow(sql, step)) {
			fprintf(stderr, "%s: %s: %s\n", sql->name, sql->text, step);
			++*slow;
		}
	}
	sqlite3_finalize(st);
	buf_fini(&text);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(
		(*(const struct db_sql *const *)a)->text, (*(const struct db_sql *const *)b)->text);
}

/* All statements by their texts; those of the tests' own fixture are not the store's, and search has a
 * file of its own (test_search.c). */
static const struct db_sql **sorted(struct arena *a, size_t *count_r)
{
	const struct db_sql *all = db_sql_all(count_r);
	const struct db_sql **list = ARENA_ARRAY(a, const struct db_sql *, *count_r);
	size_t n = 0;

	for (size_t i = 0; i < *count_r; i++)
		if (strncmp(all[i].name, "fixture_", 8) && strncmp(all[i].name, "search_sql_", 11))
			list[n++] = &all[i];
	qsort(list, n, sizeof(*list), by_text);
	*count_r = n;
	return list;
}

static void compare(const char *path, const char *now)
{
	struct buf was;
	size_t n;
	FILE *file;

	if (getenv("YIZHAN_UPDATE_GOLDEN")) {
		file = fopen(path, "we");
		assert_non_null(file);
		fputs(now, file);
		assert_int_equal(fclose(file), 0);
		return;
	}
	buf_init(&was, PLANS_MAX);
	file = fopen(path, "re");
	assert_non_null(file);
	n = fread(buf_reserve(&was, PLANS_MAX - 1), 1, PLANS_MAX - 1, file);
	buf_added(&was, n);
	fclose(file);
	if (strcmp(buf_cstr(&was), now))
		fail_msg("the plans differ from %s; they are now:\n%s", path, now);
	buf_fini(&was);
}

static void plans_are_the_golden_ones(void **state)
{
	struct fixture *f = *state;
	const struct db_sql **list;
	size_t count;
	sqlite3 *db;
	struct buf b;
	int slow = 0;

	buf_init(&b, PLANS_MAX);
	list = sorted(f->a, &count);
	assert_true(count > 40);
	assert_int_equal(sqlite3_open(arena_printf(f->a, "%s/yizhan.db", f->dir), &db), SQLITE_OK);
	for (size_t i = 0; i < count; i++)
		if (!i || strcmp(list[i]->text, list[i - 1]->text))
			put_plan(&b, db, list[i], &slow);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_int_equal(slow, 0);
	compare(PLANS_GOLDEN, buf_cstr(&b));
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			plans_are_the_golden_ones, fixture_set_up, fixture_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
