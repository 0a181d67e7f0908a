/* How fast letters become durable: fibers on one loop accept, settle or deliver as fast as the store
 * answers, beside the floor of the disk (a bare append log with one fdatasync a group).
 *
 *	store_bench [--dir D] [--octets N] [--fibers N] [--seconds S] [--page N] MODE...
 *
 * MODE: floor, accept (held in the queue), settle (accepted and settled: the relay's share), local
 * (into a mailbox), expunge (the waits of a single session while 100,000 messages are expunged),
 * open (a new store, and one that is there). One line each: letters a second, closures a commit, log bytes and processor time
 * a letter. */

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "lib/scratch.h"
#include "run/fiber.h"
#include "run/loop.h"
#include "store/mailbox.h"
#include "store/spool.h"
#include "store/store_priv.h"

#define WAITS_MAX (4 * 1024 * 1024)

struct bench {
	const char *dir;
	size_t octets, fibers, page;
	int64_t seconds;
	struct span body;
	struct store *s;
	bool is_settled, is_local;
	uint64_t account_id;
	int64_t until_ns;
	uint64_t letters;
	uint32_t *waits_us; /* of each letter, up to WAITS_MAX */
};

static int64_t cpu_ns(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * CLOCK_SEC +
		(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * CLOCK_US;
}

/* Octets this process has handed to the kernel to write. */
static uint64_t written(void)
{
	FILE *f = fopen("/proc/self/io", "re");
	unsigned long long n = 0;

	MUST(f && fscanf(f, "rchar: %*u wchar: %llu", &n) == 1);
	fclose(f);
	return n;
}

static void die(const char *what, const struct err *e)
{
	fprintf(stderr, "%s: %s\n", what, e->text);
	exit(1);
}

/* ---- the floor ---- */

static void bench_floor(const struct bench *b)
{
	char path[SCRATCH_MAX + 16];
	uint64_t letters = 0, syncs = 0;
	int64_t start = clock_mono_ns();
	int64_t end = start + b->seconds * CLOCK_SEC;
	off_t at = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/floor", b->dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	MUST(fd >= 0);
	while (clock_mono_ns() < end) {
		for (size_t i = 0; i < b->fibers; i++) {
			MUST(pwrite(fd, b->body.ptr, b->body.len, at) == (ssize_t)b->body.len);
			at += (off_t)b->body.len;
		}
		MUST(fdatasync(fd) == 0);
		letters += b->fibers;
		syncs++;
		if (at > 64 << 20)
			at = 0; /* as the store's log: written over and over */
	}
	printf("floor   %6zu octets %4zu a sync: %8.0f/s  %5.0f syncs/s\n", b->octets, b->fibers,
		(double)letters * 1e9 / (double)(clock_mono_ns() - start),
		(double)syncs * 1e9 / (double)(clock_mono_ns() - start));
	close(fd);
}

/* ---- letters ---- */

static int one_letter(struct bench *b, struct err *e)
{
	struct spool_rcpt_new rcpt = {.address = SPAN("brandon.rhodes@oit.gatech.test"),
		.destination = SPAN("oit.gatech.test"),
		.is_local = b->is_local,
		.account_id = b->account_id,
		.folder = SPAN("INBOX")};
	struct spool_new letter = {.id = store_new_id(b->s),
		.env = {.reverse_path = SPAN("sender@somewhere.test"),
			.origin = SPAN("smtp"),
			.peer = SPAN("127.0.0.1 (client.test)")},
		.arrived_ns = clock_wall_ns(),
		.expires_ns = clock_wall_ns() + 5 * CLOCK_DAY,
		.prefix = SPAN("Received: from client.test (127.0.0.1) by mx.test with ESMTP\r\n"
			       "\tid 0123456789ABC; Mon, 23 Nov 2026 06:30:00 +0000\r\n"),
		.body = stage_new(b->s),
		.rcpts = &rcpt,
		.rcpt_count = 1,
		.is_held = !b->is_settled};
	int rc = stage_put(letter.body, b->body, e);

	rcpt.prefix = letter.prefix;
	if (rc == 0)
		rc = spool_accept(b->s, &letter, b->is_settled, e);
	stage_free(&letter.body);
	body_unref(&letter.stored);
	if (rc == 0 && b->is_settled) {
		struct spool_result result = {.msg_id = letter.id,
			.rcpt_id = rcpt.rcpt_id,
			.outcome = SPOOL_DELIVERED,
			.is_attempt = true,
			.code = 250};

		rc = spool_settle(b->s, &result, 1, NULL, 0, e);
	}
	return rc;
}

#define FILL_FIBERS 64

static int fill_main(void *arg)
{
	struct bench *b = arg;
	struct err e = {0};

	for (int i = 0; i < 100; i++, b->letters++)
		if (one_letter(b, &e) < 0)
			die("letter", &e);
	return 0;
}

static int fill(struct bench *b, struct err *e)
{
	struct fiber_group g;

	fiber_group_init(&g);
	for (size_t i = 0; i < FILL_FIBERS; i++)
		if (fiber_start(&g, "fill", fill_main, b, e) < 0)
			return -1;
	fiber_group_join(&g);
	return 0;
}

static int letters_main(void *arg)
{
	struct bench *b = arg;
	struct err e = {0};

	while (loop_now_ns() < b->until_ns) {
		int64_t start = clock_mono_ns();

		if (one_letter(b, &e) < 0)
			die("letter", &e);
		if (b->letters < WAITS_MAX)
			b->waits_us[b->letters] = (uint32_t)((clock_mono_ns() - start) / CLOCK_US);
		b->letters++;
	}
	return 0;
}

static int fibers_main(void *arg)
{
	struct bench *b = arg;
	struct fiber_group g;
	struct err e = {0};

	fiber_group_init(&g);
	for (size_t i = 0; i < b->fibers; i++)
		if (fiber_start(&g, "letters", letters_main, b, &e) < 0)
			die("fiber", &e);
	fiber_group_join(&g);
	return 0;
}

DB_SQL(sql_bench_account,
	"INSERT INTO account (id, domain, local, name, is_suspended, scram_sha256, quota_octets, "
	"messages, octets, modseq, created_ns) VALUES ($1, 'test', 'bench', '', 0, '', 0, 0, 0, 1, 0)");

static int add_account(struct db *db, void *arg, struct err *e)
{
	const struct bench *b = arg;

	return db_run(db, e, &sql_bench_account, "i", (int64_t)b->account_id);
}

/* A file with another page size than the store's own, which then keeps it. */
static void make_file(const char *dir, size_t page)
{
	char text[SCRATCH_MAX + 64];
	sqlite3 *db;

	MUST(mkdir(dir, 0700) == 0);
	snprintf(text, sizeof(text), "%s/yizhan.db", dir);
	MUST(sqlite3_open(text, &db) == SQLITE_OK);
	snprintf(text, sizeof(text),
		"PRAGMA page_size=%zu; PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL; "
		"CREATE TABLE x (a); DROP TABLE x",
		page);
	MUST(sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK);
	MUST(sqlite3_close(db) == SQLITE_OK);
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void put_waits(struct bench *b)
{
	size_t n = b->letters < WAITS_MAX ? b->letters : WAITS_MAX;

	qsort(b->waits_us, n, sizeof(*b->waits_us), by_value);
	printf("        waits: p50 %u us, p99 %u us, p99.9 %u us, longest %u us\n",
		b->waits_us[n / 2], b->waits_us[n * 99 / 100], b->waits_us[n * 999 / 1000],
		b->waits_us[n - 1]);
}

/* ---- a large expunge beside a session ---- */

#define EXPUNGE_MESSAGES 100000

struct expunge {
	struct bench *b;
	uint64_t mailbox_id, expunged;
	bool is_done;
};

static int expunge_main(void *arg)
{
	struct expunge *x = arg;
	struct err e = {0};

	if (mailbox_expunge(x->b->s, x->mailbox_id, NULL, 0, &x->expunged, &e) < 0)
		die("expunge", &e);
	x->is_done = true;
	return 0;
}

static void probe(struct bench *b, const bool *is_done, int64_t until_ns)
{
	struct err e = {0};

	b->letters = 0;
	b->is_local = false;
	while (is_done ? !*is_done : loop_now_ns() < until_ns) {
		int64_t start = clock_mono_ns();

		if (one_letter(b, &e) < 0)
			die("letter", &e);
		b->waits_us[b->letters++ % WAITS_MAX] = (uint32_t)((clock_mono_ns() - start) /
			CLOCK_US);
	}
}

static int expunge_story(void *arg)
{
	struct bench *b = arg;
	struct expunge x = {.b = b};
	struct mailbox_info info;
	struct fiber_group g;
	struct err e = {0};
	struct arena *a = arena_new();
	int64_t start;

	b->is_local = true;
	b->until_ns = CLOCK_NEVER;
	while (b->letters < EXPUNGE_MESSAGES)
		if (fill(b, &e) < 0)
			die("fill", &e);
	if (mailbox_find(b->s, a, b->account_id, SPAN("INBOX"), &info, &e) < 0)
		die("INBOX", &e);
	x.mailbox_id = info.id;
	probe(b, NULL, loop_now_ns() + b->seconds * CLOCK_SEC);
	printf("idle    %6zu octets:\n", b->octets);
	put_waits(b);
	fiber_group_init(&g);
	start = clock_mono_ns();
	if (fiber_start(&g, "expunge", expunge_main, &x, &e) < 0)
		die("fiber", &e);
	probe(b, &x.is_done, 0);
	fiber_group_join(&g);
	printf("expunge of %llu messages took %lld ms:\n", (unsigned long long)x.expunged,
		(long long)((clock_mono_ns() - start) / CLOCK_MS));
	put_waits(b);
	arena_free(&a);
	return 0;
}

static void bench_letters(struct bench *b, const char *mode)
{
	struct store_opts so = {0};
	struct loop_opts lo = {.name = "bench"};
	struct err e = {0};
	char dir[SCRATCH_MAX + 16];
	int64_t start, cpu, wall;
	uint64_t commits, octets;
	struct loop *loop;
	bool is_expunge;

	snprintf(dir, sizeof(dir), "%s/%s", b->dir, mode);
	so.dir = dir;
	if (b->page)
		make_file(dir, b->page);
	b->s = store_open(&so, &e);
	if (!b->s)
		die(dir, &e);
	b->is_settled = !strcmp(mode, "settle");
	b->is_local = !strcmp(mode, "local");
	is_expunge = !strcmp(mode, "expunge");
	b->account_id = store_new_id(b->s);
	if (store_write_blocking(b->s, "account", add_account, b, &e) < 0)
		die("account", &e);
	loop = loop_new_uv(&lo, &e);
	b->letters = 0;
	cpu = cpu_ns();
	octets = written();
	commits = atomic_load(&b->s->commits);
	start = clock_mono_ns();
	b->until_ns = start + b->seconds * CLOCK_SEC;
	if (!loop || loop_run(loop, is_expunge ? expunge_story : fibers_main, b, &e) < 0)
		die("loop", &e);
	if (is_expunge)
		goto out;
	wall = clock_mono_ns() - start;
	cpu = cpu_ns() - cpu;
	octets = written() - octets;
	commits = atomic_load(&b->s->commits) - commits;
	printf("%-7s %6zu octets %4zu fibers: %8.0f/s  %5.0f commits/s  %5.1f letters/commit  "
	       "%5.1f us cpu/letter  %6.0f octets written/letter\n",
		mode, b->octets, b->fibers, (double)b->letters * 1e9 / (double)wall,
		(double)commits * 1e9 / (double)wall, (double)b->letters / (double)commits,
		(double)cpu / 1e3 / (double)b->letters, (double)octets / (double)b->letters);
	put_waits(b);
out:
	loop_free(&loop);
	store_close(&b->s);
	scratch_remove(dir);
}

static void bench_open(struct bench *b)
{
	char dir[SCRATCH_MAX + 16];
	struct store_opts so = {.dir = dir};
	struct err e = {0};

	snprintf(dir, sizeof(dir), "%s/open", b->dir);
	for (int i = 0; i < 2; i++) {
		int64_t start = clock_mono_ns();

		b->s = store_open(&so, &e);
		if (!b->s)
			die(dir, &e);
		printf("open    %s store: %lld us\n", i ? "existing" : "new",
			(long long)((clock_mono_ns() - start) / CLOCK_US));
		store_close(&b->s);
	}
	scratch_remove(dir);
}

int main(int argc, char **argv)
{
	struct bench b = {.octets = 4096, .fibers = 16, .seconds = 2};
	char dir[SCRATCH_MAX];
	char *bytes;
	int i;

	for (i = 1; i + 1 < argc && !strncmp(argv[i], "--", 2); i += 2) {
		if (!strcmp(argv[i], "--octets"))
			b.octets = strtoul(argv[i + 1], NULL, 10);
		else if (!strcmp(argv[i], "--fibers"))
			b.fibers = strtoul(argv[i + 1], NULL, 10);
		else if (!strcmp(argv[i], "--page"))
			b.page = strtoul(argv[i + 1], NULL, 10);
		else if (!strcmp(argv[i], "--seconds"))
			b.seconds = strtol(argv[i + 1], NULL, 10);
		else
			return 64;
	}
	MUST(scratch_new(dir));
	b.dir = dir;
	bytes = mem_alloc(b.octets);
	memset(bytes, 'x', b.octets);
	b.body = span_of(bytes, b.octets);
	b.waits_us = mem_alloc(WAITS_MAX * sizeof(*b.waits_us));
	for (; i < argc; i++) {
		if (!strcmp(argv[i], "floor"))
			bench_floor(&b);
		else if (!strcmp(argv[i], "open"))
			bench_open(&b);
		else
			bench_letters(&b, argv[i]);
		fflush(stdout);
	}
	free(bytes);
	free(b.waits_us);
	return scratch_remove(dir) ? 0 : 1;
}
