#include "store_fixture.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/scratch.h"
#include "store/db/db.h"
#include "store/store_priv.h"

static void open_store(struct fixture *f)
{
	struct store_opts opts = {.dir = f->dir, .is_fsync_off = true};
	struct err e = {0};

	f->s = store_open(&opts, &e);
	if (!f->s)
		fail_msg("%s", e.text);
}

int fixture_set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct loop_opts opts = {.name = "test"};

	f->a = arena_new();
	assert_true(scratch_new(f->dir));
	f->loop = loop_new_uv(&opts, NULL);
	assert_non_null(f->loop);
	open_store(f);
	*state = f;
	return 0;
}

void fixture_reopen(struct fixture *f)
{
	store_close(&f->s);
	open_store(f);
}

int fixture_tear_down(void **state)
{
	struct fixture *f = *state;
	store_close(&f->s);
	loop_free(&f->loop);
	assert_true(scratch_remove(f->dir));
	arena_free(&f->a);
	free(f);
	return 0;
}

void fixture_run(struct fixture *f, int (*fn)(void *arg), void *arg)
{
	struct err e = {0};

	if (loop_run(f->loop, fn, arg, &e) != 0)
		fail_msg("the fiber failed: %s", e.text);
}

DB_SQL(fixture_add_account,
	"INSERT INTO account (id, domain, local, name, is_suspended, scram_sha256, quota_octets, "
	"messages, octets, modseq, created_ns, number) SELECT $1, 'yizhan.test', $2, '', 0, '', 0, "
	"0, 0, 1, 0, COALESCE(MAX(number), 0) + 1 FROM account");

struct new_account {
	uint64_t id;
	const char *local;
};

static int add_account(struct db *db, void *arg, struct err *e)
{
	struct new_account *n = arg;

	return db_run(db, e, &fixture_add_account, "it", (int64_t)n->id, span_str(n->local));
}

uint64_t fixture_account(struct fixture *f, const char *local)
{
	struct new_account n = {store_new_id(f->s), local};

	assert_int_equal(store_write_blocking(f->s, "account", add_account, &n, NULL), 0);
	return n.id;
}

char *fixture_text(struct fixture *f, const char *sql)
{
	char *path = arena_printf(f->a, "%s/yizhan.db", f->dir),
	     *text = arena_printf(f->a, "%s", "");
	sqlite3 *db;
	sqlite3_stmt *st;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(db));
	if (sqlite3_step(st) == SQLITE_ROW)
		text = arena_printf(f->a, "%s", (const char *)sqlite3_column_text(st, 0));
	sqlite3_finalize(st);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return text;
}

int64_t fixture_number(struct fixture *f, const char *sql)
{
	return strtoll(fixture_text(f, sql), NULL, 10);
}

void letter_init(struct fixture *f, struct letter *x, size_t octets)
{
	const struct span head = SPAN(
		"From: Alice <alice@a.test>\r\nSubject: a\r\n letter\r\n\r\n");
	char *bytes = malloc(octets + 1);
	struct err e = {0};

	*x = (struct letter){0};
	for (size_t i = 0; i < octets; i++)
		bytes[i] = i < head.len ? head.ptr[i] : (char)('a' + i % 26);
	x->l.id = store_new_id(f->s);
	x->l.env.reverse_path = SPAN("alice@a.test");
	x->l.env.origin = SPAN("smtp");
	x->l.arrived_ns = FIXTURE_NOW;
	x->l.expires_ns = FIXTURE_NOW + 5 * CLOCK_DAY;
	x->l.prefix = SPAN("Received: by us\r\n");
	x->l.rcpts = x->rcpts;
	x->l.body = stage_new(f->s);
	/* in pieces that match nothing */
	for (size_t at = 0; at < octets; at += 100007)
		if (stage_put(x->l.body, span_sub(span_of(bytes, octets), at, 100007), &e) < 0)
			fail_msg("%s", e.text);
	free(bytes);
}

void letter_remote(struct letter *x, const char *address, const char *destination)
{
	x->rcpts[x->l.rcpt_count++] = (struct spool_rcpt_new){
		.address = span_str(address), .destination = span_str(destination)};
}

void letter_local(struct letter *x, uint64_t account_id)
{
	x->rcpts[x->l.rcpt_count++] = (struct spool_rcpt_new){.address = SPAN("bob@yizhan.test"),
		.is_local = true,
		.account_id = account_id,
		.folder = SPAN("INBOX"),
		.prefix = SPAN("Return-Path: <alice@a.test>\r\n")};
}

void letter_fini(struct letter *x)
{
	body_unref(&x->l.stored);
	stage_free(&x->l.body);
}
