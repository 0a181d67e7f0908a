#include "play/rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/must.h"
#include "lib/scratch.h"

#define ROW_LIFE       (7 * CLOCK_DAY)
#define ROW_BEFORE     CLOCK_MIN
#define ROW_WELL_NS    CLOCK_SEC        /* a healthy destination is reached within */
#define ROW_ATTEMPT_NS (40 * CLOCK_SEC) /* a look-up or a connection that gets no answer */
#define ROW_HEAP_MAX   (128 * 1024)     /* what tables that grew and caches may keep */
#define ROW_NAMES      16
#define ROW_QUIET_NS   (30 * CLOCK_SEC)

/* docs/queue.md: minutes from one attempt to the next */
static const unsigned ladder_min[] = {1, 5, 15, 30, 60, 120, 180, 240};

/* The ages at which a sender is told, at the first attempt behind them. */
static const int64_t notices_ns[] = {4 * CLOCK_HOUR, 2 * CLOCK_DAY};
#define ROW_STEP_NS (5 * CLOCK_HOUR) /* the ladder's widest, and an attempt */

static const struct dns_row well_names[] = {
	{"well.test", DNS_MX, "10 mx.well.test", false},
	{"mx.well.test", DNS_A, "198.51.100.50", false},
	{NULL, DNS_A, NULL, false},
};

static const struct dns_row two_names[] = {
	{"there.test", DNS_MX, "10 mx1.there.test", false},
	{"mx1.there.test", DNS_A, "198.51.100.1", false},
	{"there.test", DNS_MX, "20 mx2.there.test", false},
	{"mx2.there.test", DNS_A, "198.51.100.2", false},
	{NULL, DNS_A, NULL, false},
};

static const struct dns_row one_name[] = {
	{"there.test", DNS_MX, "10 mx1.there.test", false},
	{"mx1.there.test", DNS_A, "198.51.100.1", false},
	{NULL, DNS_A, NULL, false},
};

static const struct dns_row hole_names[] = {
	{"there.test", DNS_MX, "10 mx1.there.test", false},
	{"mx1.there.test", DNS_A, "192.0.2.1", false},
	{"there.test", DNS_MX, "20 mx2.there.test", false},
	{"mx2.there.test", DNS_A, "198.51.100.2", false},
	{NULL, DNS_A, NULL, false},
};

void row_names_set(struct world *w, const struct dns_row *rows)
{
	struct dns_row all[ROW_NAMES];
	size_t n = 0;

	for (size_t i = 0; well_names[i].name; i++)
		all[n++] = well_names[i];
	for (size_t i = 0; rows[i].name; i++) {
		MUST(n < ROW_NAMES);
		all[n++] = rows[i];
	}
	world_names_set(w, all, n);
}

static const struct dns_row *names_of(const struct row *row)
{
	if (row->names)
		return row->names;
	if (row->mx == ROW_BLACK_HOLE)
		return hole_names;
	return row->has_second ? two_names : one_name;
}

struct row_play {
	const struct row *row;
	struct peer *mx1, *mx2, *well;
	struct tls_server *tls;
	struct fiber_group g;
	bool is_over;
	size_t heap_before, heap_after;
};

/* ---- during the play -------------------------------------------------------------------------- */

struct well_arg {
	struct world *w;
	struct row_play *p;
	unsigned count;
};

static FIBER void send_well(struct world *w, unsigned n)
{
	char to[64];

	snprintf(to, sizeof(to), "h%u@well.test", n);
	world_send(w, &(struct world_mail){.to = to});
}

/* Letters to a healthy destination at growing distances. */
static FIBER int keep_sending_well(void *arg)
{
	static const int64_t gaps[] = {0, 10 * CLOCK_SEC, CLOCK_MIN, 5 * CLOCK_MIN, CLOCK_HOUR,
		5 * CLOCK_HOUR, 18 * CLOCK_HOUR, CLOCK_DAY, CLOCK_DAY, CLOCK_DAY};
	struct well_arg *x = arg;

	for (size_t i = 0; i < ARRAY_LEN(gaps) && !x->p->is_over; i++) {
		if (fiber_sleep(gaps[i], NULL) < 0)
			break;
		send_well(x->w, ++x->count);
	}
	return 0;
}

static FIBER void send_letters(struct world *w, const struct row *row)
{
	struct span words = span_str(row->to ? row->to : "a"), word;
	struct buf to;

	buf_init(&to, 64 * 1024);
	while ((word = span_word(&words)).len)
		buf_printf(&to, SPAN_FMT "@there.test ", SPAN_ARG(word));
	world_send(w,
		&(struct world_mail){.from = row->from,
			.to = buf_cstr(&to),
			.params = row->params,
			.rcpt_params = row->rcpt_params,
			.text = row->text});
	for (unsigned i = 1; i <= row->letters; i++) {
		buf_clear(&to);
		buf_printf(&to, "z%u@there.test", i);
		if (row->every_ns)
			fiber_sleep(row->every_ns, NULL);
		world_send(w, &(struct world_mail){.to = buf_cstr(&to)});
	}
	buf_fini(&to);
}

static void raise_peers(struct world *w, struct row_play *p)
{
	const struct row *row = p->row;
	struct peer_opts one = {.address = "198.51.100.1:25",
		.ehlo = row->ehlo,
		.rules = row->rules,
		.decide = row->decide,
		.ctx = w,
		.tls = p->tls};
	struct peer_opts two = {.address = "198.51.100.2:25", .rules = row->second, .ctx = w};

	if (row->mx == ROW_UP)
		p->mx1 = world_peer(w, &one);
	if (row->has_second)
		p->mx2 = world_peer(w, &two);
	p->well = world_peer(w, &(struct peer_opts){.address = "198.51.100.50:25"});
}

/* Everything is as it was: no parcel, no connection; and how much memory that takes. */
static FIBER void settle_down(struct world *w, size_t *heap_r)
{
	struct queue_stats st;

	fiber_sleep(ROW_QUIET_NS, NULL);
	queue_stats(world_queue(w), &st);
	if (st.ready || st.under_way || st.unsettled || st.connections)
		world_fault(w, "left: %d ready, %d under way, %d unsettled, %d connections",
			(int)st.ready, (int)st.under_way, (int)st.unsettled, (int)st.connections);
	*heap_r = world_heap(w);
}

/* What is made once for all, at the first failure and at the first success, is no growth. */
static FIBER void warm_up(struct world *w)
{
	static const struct peer_rule rules[] = {
		{.at = "connect", .to = 1, .say = "421 4.3.2 not yet"},
		{.at = "MAIL", .to = 2, .say = "451 4.3.2 not yet"}, {0}};

	world_peer(w, &(struct peer_opts){.address = "198.51.100.51:25", .rules = rules});
	world_send(w, &(struct world_mail){.to = "warm@[198.51.100.51]"});
	if (!world_wait_empty(w, CLOCK_HOUR))
		world_fault(w, "the warming up has not ended");
}

static FIBER void story(struct world *w, void *arg)
{
	struct row_play *p = arg;
	struct well_arg well = {.w = w, .p = p};

	raise_peers(w, p);
	warm_up(w);
	settle_down(w, &p->heap_before);
	fiber_group_init(&p->g);
	MUST(fiber_start(&p->g, "well", keep_sending_well, &well, NULL) == 0);
	send_letters(w, p->row);
	if (p->row->during)
		p->row->during(w);
	if (!world_wait_empty(w, ROW_LIFE))
		world_fault(w, "%d recipients still wait", (int)world_left(w));
	p->is_over = true;
	fiber_group_cancel(&p->g);
	fiber_group_join(&p->g);
	if (!world_wait_empty(w, CLOCK_MIN))
		world_fault(w, "a letter to the healthy destination is left");
	settle_down(w, &p->heap_after);
}

/* ---- what came of it -------------------------------------------------------------------------- */

static bool is_word_of(const char *words, struct span name)
{
	struct span rest = span_str(words), word;

	while ((word = span_word(&rest)).len)
		if (span_eq(word, name))
			return true;
	return false;
}

static struct span local_of(const struct world_rcpt *r)
{
	struct span local, rest;

	span_cut(span_str(r->address), '@', &local, &rest);
	return local;
}

static void fault_at(struct world *w, const struct world_rcpt *r, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void fault_at(struct world *w, const struct world_rcpt *r, const char *fmt, ...)
{
	struct buf text;
	va_list ap;

	buf_init(&text, 64 * 1024);
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	world_fault(w, "%s: %s", r->address, buf_cstr(&text));
	buf_fini(&text);
}

static void check_fate(struct world *w, const struct row *row, const struct world_rcpt *r)
{
	bool is_failed = is_word_of(row->failed, local_of(r));

	if (r->sent_ns == 0)
		fault_at(w, r, "nobody wrote to it");
	if (is_failed ? r->taken : r->taken < 1 || r->taken > 1 + row->doubled)
		fault_at(w, r, "taken %u times", r->taken);
	if (r->failed != (is_failed && !row->is_untold ? 1 : 0) && !row->check)
		fault_at(w, r, "%u reports of failure", r->failed);
	if (r->unheard > row->unheard)
		fault_at(w, r, "%u whole contents without a reply", r->unheard);
	if (r->is_damaged)
		fault_at(w, r, "the content is damaged");
}

static void check_ladder(struct world *w, const struct row *row, const struct world_rcpt *r)
{
	int64_t lasts = row->attempt_ns ? row->attempt_ns : ROW_ATTEMPT_NS;

	for (unsigned i = 1; i < r->attempts && i < WORLD_ATTEMPTS; i++) {
		size_t step = i - 1 < ARRAY_LEN(ladder_min) ? i - 1 : ARRAY_LEN(ladder_min) - 1;
		int64_t wait = (int64_t)ladder_min[step] * CLOCK_MIN;
		int64_t gap = r->attempt[i].at_ns - r->attempt[i - 1].at_ns;
		bool is_last = i + 1 == r->attempts && !r->attempt[i].is_deferred;

		/* What is noted is an attempt's end; the last of all may come early. */
		if ((gap < wait / 10 * 8 && !is_last) || gap > wait / 10 * 12 + lasts)
			fault_at(w, r, "attempt %u came %d s after the one before, not %d", i + 1,
				(int)(gap / CLOCK_SEC), (int)(wait / CLOCK_SEC));
	}
}

static void check_first(struct world *w, const struct row *row, const struct world_rcpt *r)
{
	unsigned want = row->attempts ? row->attempts : 1;
	unsigned most = row->attempts_most ? row->attempts_most : want;

	if (want != ROW_ANY && (r->attempts < want || r->attempts > most))
		fault_at(w, r, "%u attempts, not %u to %u", r->attempts, want, most);
	if (row->delayed != ROW_ANY && r->delayed != row->delayed)
		fault_at(w, r, "%u notices of delay", r->delayed);
	for (unsigned i = 0; row->delayed != ROW_ANY && i < r->delayed; i++) {
		int64_t age = r->delayed_ns[i] - r->sent_ns;

		if (i >= ARRAY_LEN(notices_ns) || age < notices_ns[i] ||
			age > notices_ns[i] + ROW_STEP_NS)
			fault_at(w, r, "notice %u of its delay came after %d minutes", i + 1,
				(int)(age / CLOCK_MIN));
	}
	if (!row->is_off_ladder)
		check_ladder(w, row, r);
}

static void check_time(struct world *w, const struct row *row, const struct world_rcpt *r)
{
	int64_t end = r->taken_ns > r->failed_ns ? r->taken_ns : r->failed_ns;
	int64_t took = end - r->sent_ns, most = row->before_ns ? row->before_ns : ROW_BEFORE;

	if (end && (took < row->after_ns || took > most))
		fault_at(w, r, "its end came after %d s, not %d to %d", (int)(took / CLOCK_SEC),
			(int)(row->after_ns / CLOCK_SEC), (int)(most / CLOCK_SEC));
}

static void check_well(struct world *w, const struct world_rcpt *r)
{
	if (r->taken != 1 || r->unheard || r->failed || r->delayed || r->is_damaged)
		fault_at(w, r, "taken %u times, %u unanswered, %u failed", r->taken, r->unheard,
			r->failed);
	if (r->taken_ns - r->sent_ns > ROW_WELL_NS)
		fault_at(w, r, "a healthy destination was reached after %d ms",
			(int)((r->taken_ns - r->sent_ns) / CLOCK_MS));
}

/* Reports lie in the sender's mailbox, and their bodies in the cache of the store. */
static void check_memory(struct world *w, const struct row_play *p)
{
	size_t may = p->heap_before + ROW_HEAP_MAX;

	for (size_t i = 0; i < world_rcpt_count(w); i++)
		may += 2 * buf_len(&world_rcpt_at(w, i)->told);
	if (p->heap_after > may)
		world_fault(
			w, "%zu octets of memory before, %zu after", p->heap_before, p->heap_after);
	if (getenv("PLAY_LOG"))
		print_message("memory: %zd of %zu more\n",
			(ssize_t)(p->heap_after - p->heap_before), may - p->heap_before);
}

static void check_all(struct world *w, const struct row_play *p)
{
	const struct row *row = p->row;
	char first[WORLD_NAME];
	struct span rest = span_str(row->to ? row->to : "a"), word = span_word(&rest);
	bool has_said = row->says == NULL;

	for (size_t i = 0; i < world_rcpt_count(w); i++) {
		struct world_rcpt *r = world_rcpt_at(w, i);

		if (span_ends_nocase(span_str(r->address), SPAN("@well.test"))) {
			check_well(w, r);
		} else if (span_ends_nocase(span_str(r->address), SPAN("@there.test"))) {
			check_fate(w, row, r);
			check_time(w, row, r);
			has_said |= row->says &&
				span_find_span(buf_span(&r->told), span_str(row->says)) >= 0;
		}
	}
	snprintf(first, sizeof(first), SPAN_FMT "@there.test", SPAN_ARG(word));
	check_first(w, row, world_rcpt(w, first));
	if (!has_said)
		world_fault(w, "no report says '%s', but:\n%s", row->says,
			buf_cstr(&world_rcpt(w, first)->told));
	if (row->sessions_most && p->mx1 && p->mx1->sessions > row->sessions_most)
		world_fault(w, "%u connections", p->mx1->sessions);
	check_memory(w, p);
	if (row->check)
		row->check(w, p->mx1, p->mx2);
}

/* ---- the group -------------------------------------------------------------------------------- */

static struct tls_server *tls_new(const char *dir)
{
	char cert[SCRATCH_MAX + 16], key[SCRATCH_MAX + 16];
	struct tls_cert_files files = {cert, key, NULL};
	struct tls_server_opts o = {
		.service = "smtp", .alpn = "smtp", .certs = &files, .cert_count = 1};
	struct tls_server *t;

	snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
	snprintf(key, sizeof(key), "%s/key.pem", dir);
	MUST(tls_make_self_signed("mx1.there.test", cert, key, NULL) == 0);
	t = tls_server_new(&o, NULL);
	MUST(t);
	return t;
}

static void play_row(void **state)
{
	const struct row *row = *state;
	struct world_opts opts = {.is_tls = row->is_tls};
	struct row_play p = {.row = row};
	struct world *w = world_new(&opts);
	char dir[SCRATCH_MAX], *faults;
	bool is_well;

	MUST(scratch_new(dir));
	row_names_set(w, names_of(row));
	if (row->is_tls)
		p.tls = tls_new(dir);
	world_play(w, story, &p);
	check_all(w, &p);
	faults = mem_dup(world_faults(w), strlen(world_faults(w)));
	world_free(&w);
	tls_server_free(&p.tls);
	MUST(scratch_remove(dir));
	if (faults[0])
		print_error("%s:\n%s", row->name, faults);
	is_well = !faults[0];
	free(faults);
	assert_true(is_well);
}

static bool is_chosen(const struct row *row, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strstr(row->name, argv[i]))
			return true;
	return argc < 2;
}

int rows_main(const struct row *rows, size_t count, int argc, char **argv)
{
	struct CMUnitTest *tests = mem_alloc((count + 1) * sizeof(*tests));
	size_t n = 0;
	int failed;

	for (size_t i = 0; i < count; i++)
		if (is_chosen(&rows[i], argc, argv))
			tests[n++] = (struct CMUnitTest){.name = rows[i].name,
				.test_func = play_row,
				.initial_state = (void *)&rows[i]};
	failed = _cmocka_run_group_tests("play", tests, n, NULL, NULL);
	free(tests);
	return failed;
}
