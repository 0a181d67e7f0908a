/* How fast the auth room answers, and what mail that moves has to say about it.
 *
 *	auth_bench [--dir D] [--fibers N] [--seconds S] [--rate N] MODE...
 *
 * MODE: warm (a password that was found right lately), cold (a derivation each), beside (letters into a
 * mailbox, one after the other, without and with `rate` cold checks a second: how long each takes). One
 * line each. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "lib/scratch.h"
#include "net/net.h"
#include "run/fiber.h"
#include "store/spool.h"
#include "services/auth/auth_priv.h"

#define WAITS_MAX   (1024 * 1024)
#define LETTER_SIZE 4096
#define PACE_NS     (2 * CLOCK_MS) /* between two letters */
#define USER        SPAN("alice@our.example")
#define PASSWORD    SPAN("a password of some length")

struct bench {
	const char *dir;
	size_t fibers, rate;
	int64_t seconds, until_ns;
	struct store *store;
	struct auth *auth;
	struct log log;
	struct stream *near, *far;
	uint64_t account_id;
	bool is_cold;
	uint64_t checks, busy;
	uint32_t *waits_us;
	size_t letters;
};

static int64_t cpu_ns(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * CLOCK_SEC +
		(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * CLOCK_US;
}

static void die(const char *what, const struct err *e)
{
	fprintf(stderr, "%s: %s\n", what, e->text);
	exit(1);
}

/* ---- checks ---- */

/* As a protocol's server does it, from the question to the last word. */
static FIBER void check(struct bench *b)
{
	struct auth_conn c;
	struct err e = {0};
	bool yes = false;

	auth_conn_init(&c, b->auth, ACCOUNT_SCOPE_SUBMIT, b->near);
	if (auth_decider.password(&c, USER, b->is_cold ? SPAN("wrong") : PASSWORD, &yes, &e) < 0)
		b->busy++;
	else if ((auth_settle(&c, USER, USER, "PLAIN", yes, &e) == 0) == b->is_cold)
		die("check", &e);
	b->checks++;
	auth_conn_fini(&c);
}

static FIBER int checks_main(void *arg)
{
	struct bench *b = arg;

	while (loop_now_ns() < b->until_ns) {
		check(b);
		fiber_breathe(NULL);
	}
	return 0;
}

static FIBER void checks(struct bench *b, const char *mode)
{
	int64_t start = clock_mono_ns(), cpu = cpu_ns(), wall;
	struct fiber_group g;
	struct err e = {0};

	b->is_cold = mode[0] == 'c';
	b->checks = b->busy = 0;
	check(b);
	b->until_ns = loop_now_ns() + b->seconds * CLOCK_SEC;
	fiber_group_init(&g);
	for (size_t i = 0; i < b->fibers; i++)
		if (fiber_start(&g, "check", checks_main, b, &e) < 0)
			die("fiber", &e);
	fiber_group_join(&g);
	wall = clock_mono_ns() - start;
	cpu = cpu_ns() - cpu;
	printf("%-6s %zu fibers: %.0f checks/s, %.1f us of processor each\n", mode, b->fibers,
		(double)b->checks * CLOCK_SEC / (double)wall,
		(double)cpu / (double)b->checks / 1000);
}

/* ---- beside letters ---- */

static FIBER int one_check(void *arg)
{
	check(arg);
	return 0;
}

/* `rate` a second begin, whatever became of those before. */
static FIBER int steady_main(void *arg)
{
	struct bench *b = arg;
	int64_t step = CLOCK_SEC / (int64_t)b->rate, next = loop_now_ns();
	struct fiber_group g;

	fiber_group_init(&g);
	while (loop_now_ns() < b->until_ns) {
		for (; next <= loop_now_ns(); next += step)
			fiber_start(&g, "check", one_check, b, NULL);
		fiber_sleep(CLOCK_MS, NULL);
	}
	fiber_group_join(&g);
	return 0;
}

static FIBER void letter(struct bench *b)
{
	static char body[LETTER_SIZE];
	struct spool_rcpt_new rcpt = {.address = USER,
		.is_local = true,
		.account_id = b->account_id,
		.folder = SPAN("INBOX")};
	struct spool_new l = {.id = store_new_id(b->store),
		.env = {.reverse_path = SPAN("sender@somewhere.test"), .origin = SPAN("smtp")},
		.arrived_ns = clock_wall_ns(),
		.expires_ns = clock_wall_ns() + 5 * CLOCK_DAY,
		.prefix = SPAN("Received: from client.test (127.0.0.1) by mx.test with ESMTP\r\n"),
		.body = stage_new(b->store),
		.rcpts = &rcpt,
		.rcpt_count = 1};
	struct err e = {0};

	if (!body[0]) {
		memset(body, 'x', sizeof(body));
		memcpy(body, "Subject: bench\r\n\r\n", 18);
	}
	if (stage_put(l.body, span_of(body, sizeof(body)), &e) < 0 ||
		spool_accept(b->store, &l, false, &e) < 0)
		die("letter", &e);
	stage_free(&l.body);
	body_unref(&l.stored);
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static FIBER void letters(struct bench *b, const char *what, bool has_checks)
{
	struct fiber_group g;
	struct err e = {0};

	b->is_cold = true;
	b->letters = b->checks = b->busy = 0;
	b->until_ns = loop_now_ns() + b->seconds * CLOCK_SEC;
	fiber_group_init(&g);
	if (has_checks && fiber_start(&g, "steady", steady_main, b, &e) < 0)
		die("fiber", &e);
	while (loop_now_ns() < b->until_ns && b->letters < WAITS_MAX) {
		int64_t start = clock_mono_ns();

		letter(b);
		b->waits_us[b->letters++] = (uint32_t)((clock_mono_ns() - start) / CLOCK_US);
		fiber_sleep(PACE_NS, NULL);
	}
	fiber_group_join(&g);
	qsort(b->waits_us, b->letters, sizeof(*b->waits_us), by_value);
	printf("beside %s: %zu letters, p50 %u us, p99 %u us, longest %u us; %llu checks, %llu told to come "
	       "again\n",
		what, b->letters, b->waits_us[b->letters / 2], b->waits_us[b->letters * 99 / 100],
		b->waits_us[b->letters - 1], (unsigned long long)b->checks,
		(unsigned long long)b->busy);
}

/* ---- the stage ---- */

static FIBER void people(struct bench *b)
{
	struct directory_account acc = {.address = USER};
	struct arena *a = arena_new();
	struct err e = {0};

	if (auth_begin(b->auth, &e) < 0 ||
		directory_domain_set(
			b->store, SPAN("our.example"), DIRECTORY_DOMAIN_LOCAL, true, &e) < 0 ||
		directory_account_set(b->store, &acc, SPAN_NONE, true, &e) < 0 ||
		directory_account_find(b->store, a, USER, &acc, &e) < 0 ||
		account_password_set(b->store, acc.id, PASSWORD, false, &e) < 0)
		die("people", &e);
	b->account_id = acc.id;
	arena_free(&a);
	stream_pair(&b->near, &b->far, 0);
	addr_parse_ip(SPAN("192.0.2.7"), 1234, &b->near->peer);
}

struct modes {
	struct bench *b;
	char **names;
	int count;
};

static FIBER int bench_main(void *arg)
{
	struct modes *m = arg;
	struct bench *b = m->b;

	people(b);
	for (int i = 0; i < m->count; i++) {
		if (strcmp(m->names[i], "beside") != 0) {
			checks(b, m->names[i]);
			continue;
		}
		letters(b, "nothing", false);
		letters(b, "cold checks", true);
		letters(b, "nothing", false);
	}
	stream_free(&b->near);
	stream_free(&b->far);
	return 0;
}

static int usage(void)
{
	fprintf(stderr,
		"usage: auth_bench [--dir D] [--fibers N] [--seconds S] [--rate N] "
		"warm|cold|beside...\n");
	return 64;
}

int main(int argc, char **argv)
{
	struct bench b = {.fibers = 16, .rate = 700, .seconds = 3};
	struct loop_opts lo = {.name = "bench"};
	struct store_opts so = {0};
	struct auth_opts ao = {.log = &b.log};
	struct err e = {0};
	char dir[SCRATCH_MAX];
	int i = 1;

	for (; i + 1 < argc && argv[i][0] == '-'; i += 2) {
		uint64_t n = 0;

		if (strcmp(argv[i], "--dir") == 0)
			b.dir = argv[i + 1];
		else if (!span_u64_max(span_str(argv[i + 1]), 100000, &n) || !n)
			return usage();
		else if (strcmp(argv[i], "--fibers") == 0)
			b.fibers = n;
		else if (strcmp(argv[i], "--seconds") == 0)
			b.seconds = (int64_t)n;
		else if (strcmp(argv[i], "--rate") == 0)
			b.rate = n;
		else
			return usage();
	}
	if (i == argc)
		return usage();
	if (!b.dir && !scratch_new(dir))
		die("directory", &e);
	so.dir = b.dir ? b.dir : dir;
	so.log = &b.log;
	struct loop *loop = loop_new_uv(&lo, &e);

	b.store = loop ? store_open(&so, &e) : NULL;
	if (!b.store)
		die("store", &e);
	ao.store = b.store;
	b.auth = auth_new(&ao);
	b.waits_us = mem_alloc(WAITS_MAX * sizeof(*b.waits_us));
	struct modes m = {&b, argv + i, argc - i};

	if (loop_run(loop, bench_main, &m, &e) < 0)
		die("bench", &e);
	store_close(&b.store);
	auth_free(&b.auth);
	loop_free(&loop);
	free(b.waits_us);
	if (!b.dir)
		scratch_remove(dir);
	return 0;
}
