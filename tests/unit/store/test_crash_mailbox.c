/* What people do to their mailboxes, and a power cut in the midst of it: what was answered is there, what was
 * not is there wholly or not at all, and all counts are right. */

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
#include "powercut_vfs.h"
#include "run/fiber.h"
#include "store/mailbox.h"
#include "store/stage.h"
#include "store_fixture.h"

#define DEEDS     26
#define SMALL_WAL (256 << 10)

struct story {
	struct fixture *f;
	uint64_t seed, account, boxes[2];
	size_t done;             /* deeds that were answered */
	char *states[DEEDS + 1]; /* after each, of a run without a cut */
	bool is_rehearsal;
	struct err strange;
};

static uint32_t roll(struct story *st, uint32_t sides)
{
	st->seed = st->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(st->seed >> 33) % sides;
}

/* Everything that a reader sees, without ids and times. */
static char *state(struct fixture *f)
{
	return fixture_text(f,
		"SELECT (SELECT COALESCE(group_concat(t, ' '), '') FROM (SELECT b.name || ':' || "
		"m.uid || ':' || m.flags || ':' || m.keywords || ':' || m.size AS t FROM message m "
		"JOIN mailbox b ON b.id = m.mailbox_id ORDER BY b.name, m.uid)) || ' | ' || "
		"(SELECT COALESCE(group_concat(t, ' '), '') FROM (SELECT b.name || ':' || x.uid AS t "
		"FROM tombstone x JOIN mailbox b ON b.id = x.mailbox_id ORDER BY b.name, x.uid)) || "
		"' | ' || (SELECT COALESCE(group_concat(t, ' '), '') FROM (SELECT folder || ':' || "
		"uid || ':' || flags AS t FROM expunged ORDER BY folder, uid))");
}

/* ---- deeds ---- */

enum putting { PUT_TWO, PUT_REPLACING, PUT_IN_BOTH };

static int put(struct story *st, size_t box, size_t octets, enum putting how, struct err *e)
{
	static const struct span word = SPAN("Later");
	struct mailbox_append_item items[2] = {{0}};
	struct mailbox_append op = {.mailbox_id = st->boxes[box],
		.items = items,
		.count = how == PUT_TWO ? 2 : 1,
		.also_in = &st->boxes[!box],
		.also_in_count = how == PUT_IN_BOTH,
		.keep_until_ns = UINT64_MAX};
	char *text = calloc(1, octets + 1);
	int rc = 0;

	memset(text, 'x', octets);
	for (size_t i = 0; rc == 0 && i < op.count; i++) {
		items[i].stage = stage_new(st->f->s);
		items[i].flags = i ? MAILBOX_DELETED : MAILBOX_SEEN;
		items[i].keywords = &word;
		items[i].keyword_count = i;
		rc = stage_put(items[i].stage, span_of(text, i ? 100 : octets), e);
	}
	if (how == PUT_REPLACING) {
		op.replace_mailbox_id = st->boxes[box];
		op.replace_uid = 1;
	}
	if (rc == 0)
		rc = mailbox_append(st->f->s, &op, e);
	for (size_t i = 0; i < op.count; i++)
		stage_free(&items[i].stage);
	free(text);
	return rc;
}

static int store_flags(struct story *st, struct uid_range *r, size_t box, struct err *e)
{
	static const struct span words[] = {SPAN("Later"), SPAN("$Junk")};
	struct mailbox_store op = {.mailbox_id = st->boxes[box],
		.ranges = r,
		.range_count = 1,
		.how = (enum mailbox_flag_how)roll(st, 3),
		.flags = roll(st, 32),
		.keywords = words,
		.keyword_count = roll(st, 3),
		.arena = st->f->a,
		.wants_none = true};

	return mailbox_store_flags(st->f->s, &op, e);
}

static int expunge(struct story *st, struct uid_range *r, size_t box, struct err *e)
{
	struct mailbox_expunge_op op = {.mailbox_id = st->boxes[box],
		.ranges = r,
		.range_count = 1,
		.keep_until_ns = roll(st, 3) ? UINT64_MAX : 0};

	return mailbox_expunge_ranges(st->f->s, &op, e);
}

static int copy(struct story *st, struct uid_range *r, size_t box, struct err *e)
{
	struct mailbox_copy op = {.from_id = st->boxes[box],
		.to_id = st->boxes[roll(st, 4) ? !box : box],
		.ranges = r,
		.range_count = 1,
		.is_move = roll(st, 2),
		.arena = st->f->a};

	return mailbox_copy(st->f->s, &op, e);
}

static int bring_back(struct story *st, struct err *e)
{
	struct mailbox_gone *list;
	struct mailbox_gone_cursor cursor = {0};
	size_t count, oldest = 0;

	if (mailbox_gone_list(
		    st->f->s, st->f->a, st->account, SPAN(""), 0, &cursor, &list, &count, e) < 0)
		return -1;
	/* by place, which is the same in every run */
	for (size_t i = 0; i < count; i++)
		if (list[i].msg.uid <= list[oldest].msg.uid)
			oldest = i;
	return count ? mailbox_undelete(st->f->s, st->account, list[oldest].msg.id, SPAN("A"), e)
		     : 0;
}

static int one_deed(struct story *st, size_t number, struct err *e)
{
	uint32_t first = 1 + roll(st, 12);
	struct uid_range r = {first, first + roll(st, 5)};
	size_t box = roll(st, 2);

	if (number < 4)
		return put(st, number % 2, number == 2 ? 300000 : 700,
			number == 3 ? PUT_IN_BOTH : PUT_TWO, e);
	switch (roll(st, 8)) {
	case 0: return put(st, box, 500 + roll(st, 4000), PUT_TWO, e);
	case 1: return store_flags(st, &r, box, e);
	case 2: return expunge(st, &r, box, e);
	case 3:
	case 4: return copy(st, &r, box, e);
	case 5: return bring_back(st, e);
	case 6: return put(st, box, 600, PUT_IN_BOTH, e);
	default: break;
	}
	/* what is to be replaced may be gone */
	if (put(st, box, 900, PUT_REPLACING, e) == 0 || e->code == ERR_NOT_FOUND) {
		err_clear(e);
		return 0;
	}
	return -1;
}

static int story_main(void *arg)
{
	struct story *st = arg;

	for (st->done = 0; st->done < DEEDS; st->done++) {
		struct err e = {0};

		if (st->is_rehearsal)
			st->states[st->done] = strdup(state(st->f));
		if (one_deed(st, st->done, &e) < 0) {
			if (!powercut_is_dead())
				err_copy(&st->strange, &e);
			return 0;
		}
	}
	if (st->is_rehearsal)
		st->states[DEEDS] = strdup(state(st->f));
	return 0;
}

/* ---- the store under test ---- */

static bool open_store(struct story *st, struct err *e)
{
	struct store_opts opts = {.dir = st->f->dir, .vfs = POWERCUT_VFS, .wal_max = SMALL_WAL};

	st->f->s = store_open(&opts, e);
	return st->f->s != NULL;
}

static int make_boxes(void *arg)
{
	struct story *st = arg;
	struct err e = {0};

	for (size_t i = 0; i < 2; i++)
		if (mailbox_create(st->f->s, st->account, i ? SPAN("B") : SPAN("A"), SPAN(""),
			    &st->boxes[i], &e) < 0)
			fail_msg("%s", e.text);
	return 0;
}

static void begin(struct story *st, uint64_t seed)
{
	static const char *const files[] = {"yizhan.db", "yizhan.db-wal", "yizhan.db-shm"};
	struct err e = {0};

	store_close(&st->f->s);
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		unlink(arena_printf(st->f->a, "%s/%s", st->f->dir, files[i]));
	powercut_reset();
	if (!open_store(st, &e))
		fail_msg("%s", e.text);
	st->account = fixture_account(st->f, "alice");
	fixture_run(st->f, make_boxes, st);
	st->seed = seed;
}

static void on_finding(void *arg, const char *text)
{
	print_error("cut %llu: %s\n", (unsigned long long)*(uint64_t *)arg, text);
}

static void check(struct story *st, uint64_t cut)
{
	const char *now = state(st->f);
	uint64_t findings = 0;
	struct err e = {0};

	if (strcmp(now, st->states[st->done]) &&
		(st->done == DEEDS || strcmp(now, st->states[st->done + 1])))
		fail_msg(
			"cut %llu, %zu deeds answered: %s", (unsigned long long)cut, st->done, now);
	if (store_check(st->f->s, on_finding, &cut, NULL, &findings, &e) < 0)
		fail_msg("cut %llu: %s", (unsigned long long)cut, e.text);
	assert_int_equal(findings, 0);
}

static bool play_until_cut(struct story *st, uint64_t cut, enum powercut_mode mode, uint64_t seed)
{
	struct err e = {0};
	bool is_cut;

	begin(st, seed);
	powercut_at_sync(cut, mode, cut);
	fixture_run(st->f, story_main, st);
	store_close(&st->f->s);
	is_cut = powercut_is_dead();
	powercut_reboot();
	if (st->strange.code)
		fail_msg("cut %llu: %s", (unsigned long long)cut, st->strange.text);
	if (!open_store(st, &e))
		fail_msg("cut %llu: %s", (unsigned long long)cut, e.text);
	check(st, cut);
	return is_cut;
}

static void each_sync(struct fixture *f, enum powercut_mode mode, uint64_t seed)
{
	struct story *st = ARENA_NEW(f->a, struct story);
	uint64_t cut = 1;

	st->f = f;
	begin(st, seed);
	st->is_rehearsal = true;
	fixture_run(f, story_main, st);
	assert_int_equal(st->done, DEEDS);
	st->is_rehearsal = false;
	while (play_until_cut(st, cut, mode, seed))
		cut += getenv("YIZHAN_CRASH_ROUNDS") ? 1 : 3;
	/* fewer would mean that the story does not reach what it is about */
	assert_true(cut > 10);
	for (size_t i = 0; i <= DEEDS; i++)
		free(st->states[i]);
}

static void a_power_cut_leaves_each_deed_whole_or_undone(void **state_)
{
	each_sync(*state_, POWERCUT_DROP, 3);
}

static void so_does_one_that_leaves_torn_pages(void **state_)
{
	each_sync(*state_, POWERCUT_TEAR, 8);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, fixture_set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_power_cut_leaves_each_deed_whole_or_undone),
		CASE(so_does_one_that_leaves_torn_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
