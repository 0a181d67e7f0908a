/* How fast the index of Emails is made and asked, in a mailbox of 100,000.
 *
 *	email_bench [--dir D] [--emails N] [--rounds N]
 *
 * One line each: filling, facts and index behind it, the index alone made anew, a letter that comes in, a flag
 * that changes, and questions with their p50 and p95. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "lib/scratch.h"
#include "run/loop.h"
#include "store/directory.h"
#include "store/email.h"
#include "store/mailbox.h"
#include "store/stage.h"

#define BATCH 500

struct bench {
	const char *dir;
	size_t emails, rounds;
	struct store *s;
	struct arena *a;
	uint64_t seed, account, box, made;
	struct email_eyes eyes;
};

static void die(const char *what, const struct err *e)
{
	fprintf(stderr, "%s: %s\n", what, e->text);
	exit(1);
}

static uint32_t roll(struct bench *b, uint32_t sides)
{
	b->seed = b->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(b->seed >> 33) % sides;
}

static double ms(int64_t ns)
{
	return (double)ns / CLOCK_MS;
}

/* ---- filling ---- */

static void stage_letter(struct bench *b, struct mailbox_append_item *item)
{
	uint64_t n = ++b->made, to = n > 10 && roll(b, 3) ? n - 1 - roll(b, 9) : 0;
	struct arena *a = arena_new();
	struct err e = {0};

	item->stage = stage_new(b->s);
	item->flags = roll(b, 10) ? MAILBOX_SEEN : 0;
	item->received_ns = 1500000000 * CLOCK_SEC + (int64_t)n * 2500 * CLOCK_SEC;
	if (stage_put(item->stage,
		    span_str(arena_printf(a,
			    "From: Sender %u <s%u@example.net>\r\nTo: Alice <alice@example.org>\r\n"
			    "Subject: Subject %u\r\nMessage-ID: <%llu@bench>\r\n%s"
			    "Date: Tue, 1 Jul 2003 10:52:37 +0200\r\n\r\n"
			    "Some text of letter %llu, and a little more of it.\r\n",
			    roll(b, 500), roll(b, 500), to ? 1 : roll(b, 5000),
			    (unsigned long long)n,
			    to ? arena_printf(
					 a, "References: <%llu@bench>\r\n", (unsigned long long)to)
			       : "",
			    (unsigned long long)n)),
		    &e) < 0)
		die("stage", &e);
	arena_free(&a);
}

static FIBER void put_letters(struct bench *b, size_t count)
{
	struct mailbox_append_item *items = mem_alloc(count * sizeof(*items));
	struct mailbox_append op = {.mailbox_id = b->box, .items = items, .count = count};
	struct err e = {0};

	for (size_t i = 0; i < count; i++)
		stage_letter(b, &items[i]);
	if (mailbox_append(b->s, &op, &e) < 0)
		die("append", &e);
	free(items);
}

static FIBER int64_t catch_up(struct bench *b)
{
	int64_t start = clock_mono_ns();
	struct err e = {0};

	if (email_catch_up(b->s, b->account, &e) < 0)
		die("catch up", &e);
	return clock_mono_ns() - start;
}

static FIBER void fill(struct bench *b)
{
	struct directory_account acc = {.address = SPAN("alice@example.org")};
	struct mailbox_info info;
	struct err e = {0};
	int64_t start;

	if (directory_domain_set(b->s, SPAN("example.org"), DIRECTORY_DOMAIN_LOCAL, false, &e) <
			0 ||
		directory_account_set(b->s, &acc, SPAN_NONE, true, &e) < 0 ||
		directory_account_find(b->s, b->a, acc.address, &acc, &e) < 0 ||
		mailbox_find(b->s, b->a, acc.id, SPAN("INBOX"), &info, &e) < 0)
		die("account", &e);
	b->account = acc.id;
	b->box = info.id;
	b->eyes = (struct email_eyes){.account_id = acc.id, .is_all = true};
	start = clock_mono_ns();
	for (size_t n = 0; n < b->emails; n += BATCH)
		put_letters(b, b->emails - n < BATCH ? b->emails - n : BATCH);
	printf("filled         %zu letters in %.0f ms\n", b->emails, ms(clock_mono_ns() - start));
	printf("facts + index  %.0f ms\n", ms(catch_up(b)));
	if (email_rebuild(b->s, b->account, &e) < 0)
		die("rebuild", &e);
	start = catch_up(b);
	printf("index anew     %.0f ms, %.1f us a letter\n", ms(start),
		(double)start / 1000 / (double)b->emails);
}

/* ---- asking ---- */

static int by_time(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void report(const char *what, int64_t *times, size_t count)
{
	qsort(times, count, sizeof(*times), by_time);
	printf("%-38s p50 %8.3f ms  p95 %8.3f ms\n", what, ms(times[count / 2]),
		ms(times[count * 95 / 100]));
}

/* Email/query and Email/get of 50 rows. */
static FIBER void ask(struct bench *b, const char *what, struct email_query *q, bool is_anew)
{
	int64_t *times = mem_alloc(b->rounds * sizeof(*times));
	struct email *list = mem_alloc(EMAIL_GET_MAX * sizeof(*list));
	struct err e = {0};
	uint64_t total = 0;

	for (size_t i = 0; i < b->rounds; i++) {
		struct arena *a = arena_new();
		int64_t start;

		if (is_anew) { /* a letter comes in between: nothing that was kept is of use */
			put_letters(b, 1);
			catch_up(b);
		}
		start = clock_mono_ns();
		q->limit = 50;
		if (email_query(b->s, a, &b->eyes, q, &e) < 0 ||
			email_get(b->s, a, &b->eyes, q->ids, q->count,
				MAILBOX_WANT_HEAD | MAILBOX_WANT_FACTS, list, NULL, &e) < 0)
			die(what, &e);
		times[i] = clock_mono_ns() - start;
		total = q->total;
		arena_free(&a);
	}
	report(what, times, b->rounds);
	printf("%-38s total %llu\n", "", (unsigned long long)total);
	free(times);
	free(list);
}

static FIBER void ask_changes(struct bench *b, const char *what, struct email_query *q)
{
	int64_t *times = mem_alloc(b->rounds * sizeof(*times));
	struct err e = {0};

	for (size_t i = 0; i < b->rounds; i++) {
		struct arena *a = arena_new();
		struct email_query_changes c = {.query = q};
		struct email_states states;
		int64_t start;

		if (email_states(b->s, b->account, &states, &e) < 0)
			die(what, &e);
		c.since = states.email;
		put_letters(b, 1);
		catch_up(b);
		start = clock_mono_ns();
		if (email_query_changes(b->s, a, &b->eyes, &c, &e) < 0)
			die(what, &e);
		times[i] = clock_mono_ns() - start;
		arena_free(&a);
	}
	report(what, times, b->rounds);
	free(times);
}

static FIBER void ask_all(struct bench *b)
{
	struct email_filter in = {.op = EMAIL_IN_MAILBOX, .id = b->box};
	struct email_filter kids[2] = {
		in, {.op = EMAIL_NOT_KEYWORD, .text = SPAN("$seen"), .has_text = true}};
	struct email_filter unread = {.op = EMAIL_AND, .kids = kids, .kid_count = 2};
	struct email_sort up = {.key = EMAIL_SORT_RECEIVED};
	struct email_sort subject = {.key = EMAIL_SORT_SUBJECT};
	struct email_query q = {.filter = &in, .collapses = true, .wants_total = true};

	ask(b, "collapsed, newest first, at 0", &q, false);
	q.position = 30000;
	ask(b, "collapsed, at 30000", &q, false);
	q.position = 50000;
	q.collapses = false;
	ask(b, "single, at 50000", &q, false);
	q.sort = &up;
	q.sort_count = 1;
	ask(b, "single, oldest first, at 50000", &q, false);
	q = (struct email_query){.filter = &in, .collapses = true};
	ask_changes(b, "queryChanges of the list, a letter", &q);
	q.filter = &unread;
	ask(b, "unread, collapsed, kept", &q, false);
	b->rounds /= 10;
	ask(b, "unread, collapsed, anew", &q, true);
	ask_changes(b, "queryChanges of unread, a letter", &q);
	q.filter = &in;
	q.sort = &subject;
	q.sort_count = 1;
	ask(b, "by subject, anew", &q, true);
	b->rounds *= 10;
}

static FIBER void change(struct bench *b)
{
	int64_t *times = mem_alloc(b->rounds * sizeof(*times));
	struct uid_range many = {1, 10000};
	struct mailbox_store op = {.mailbox_id = b->box,
		.ranges = &many,
		.range_count = 1,
		.how = MAILBOX_FLAGS_ADD,
		.flags = MAILBOX_FLAGGED,
		.wants_none = true};
	struct err e = {0};

	for (size_t i = 0; i < b->rounds; i++) {
		put_letters(b, 1);
		if (i % 2) { /* its facts are there already, as the indexer has made them */
			struct uid_range one = {(uint32_t)(1 + roll(b, (uint32_t)b->emails)), 0};

			one.last = one.first;
			op.ranges = &one;
			op.how = roll(b, 2) ? MAILBOX_FLAGS_ADD : MAILBOX_FLAGS_REMOVE;
			catch_up(b);
			if (mailbox_store_flags(b->s, &op, &e) < 0)
				die("flag", &e);
		}
		times[i] = catch_up(b);
	}
	report("a letter (with facts), or a flag", times, b->rounds);
	op.ranges = &many;
	op.how = MAILBOX_FLAGS_ADD;
	op.flags = MAILBOX_ANSWERED;
	op.arena = b->a;
	if (mailbox_store_flags(b->s, &op, &e) < 0)
		die("flags", &e);
	printf("10,000 flags worked in                 %.1f ms\n", ms(catch_up(b)));
	free(times);
}

static int bench_main(void *arg)
{
	struct bench *b = arg;

	fill(b);
	ask_all(b);
	change(b);
	return 0;
}

int main(int argc, char **argv)
{
	struct bench b = {.emails = 100000, .rounds = 200, .seed = 1, .a = arena_new()};
	struct store_opts opts = {0};
	struct err e = {0};
	struct loop *l;
	char *made = arena_printf(b.a, "/tmp/yizhan-email-bench-XXXXXX");

	for (int i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--dir"))
			b.dir = argv[i + 1];
		else if (!strcmp(argv[i], "--emails"))
			b.emails = strtoul(argv[i + 1], NULL, 10);
		else if (!strcmp(argv[i], "--rounds"))
			b.rounds = strtoul(argv[i + 1], NULL, 10);
	}
	if (!b.dir && !mkdtemp(made))
		return 1;
	opts.dir = b.dir ? b.dir : made;
	b.s = store_open(&opts, &e);
	l = b.s ? loop_new_uv(&(struct loop_opts){.name = "bench"}, &e) : NULL;
	if (!l || loop_run(l, bench_main, &b, &e) < 0)
		die("bench", &e);
	loop_free(&l);
	store_close(&b.s);
	if (!b.dir)
		scratch_remove(made);
	arena_free(&b.a);
	return 0;
}
