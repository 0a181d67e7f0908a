/* Next hops that follow rules made by chance. Whatever they do, over the whole life of each letter:
 *
 *	- each recipient ends exactly once, delivered or given up;
 *	- what counts as delivered is at a next hop, octet for octet;
 *	- what was given up is reported once, and was not taken by anybody;
 *	- a content is answered with 2yz at most once;
 *	- a healthy destination is reached within a second all the time.
 *
 * Twenty destinations play in one world, each with a seed of its own. A fault names its seed; `FROM TO`
 * as arguments play the worlds of those seeds alone, the same way again. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/must.h"
#include "play/world.h"

#define SEEDS         200
#define SEEDS_LONG    2000 /* YIZHAN_LONG */
#define WORLD_SEEDS   20   /* destinations of one world */
#define RULES_MAX     6
#define LETTERS_MAX   3
#define ATTEMPTS_MOST 80
#define NOTICES_MOST  2
#define WELL_EVERY_NS (3 * CLOCK_HOUR)
#define WELL_NS       CLOCK_SEC
#define LIFE_NS       (8 * CLOCK_DAY)

/* ---- chance ----------------------------------------------------------------------------------- */

struct dice {
	uint64_t state;
};

/* splitmix64: a seed that is one more gives numbers that have nothing in common. */
static uint64_t roll(struct dice *d)
{
	uint64_t z = d->state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static unsigned below(struct dice *d, unsigned n)
{
	return (unsigned)(roll(d) % n);
}

static bool one_in(struct dice *d, unsigned n)
{
	return below(d, n) == 0;
}

#define PICK(d, list) ((list)[below(d, ARRAY_LEN(list))])

/* ---- what a next hop does --------------------------------------------------------------------- */

static const char *const points[] = {"connect", "EHLO", "STARTTLS", "tls", "MAIL", "RCPT", "RCPT",
	"DATA", "body", "BDAT", "dot", "dot", "RSET", "QUIT"};
static const char *const laters[] = {"421 4.3.2 closing", "450 4.2.1 busy", "451 4.7.1 slow down",
	"452 4.5.3 too many", "454 4.7.0 sick", "432 4.3.2 what"};
static const char *const nevers[] = {"500 5.5.1 what?", "502 5.5.1 what?", "550 5.1.1 nobody",
	"552 5.2.2 full", "554 5.7.1 never", "553 5.1.3 odd"};
static const char *const odds[] = {
	"250 o\001k", "very well", "2500 ok", "25", "", "250\001", "299 \xff\xfe"};
static const char *const dialects[] = {"", "PIPELINING", "PIPELINING 8BITMIME DSN",
	"PIPELINING CHUNKING 8BITMIME DSN", "CHUNKING 8BITMIME", "PIPELINING STARTTLS",
	"STARTTLS CHUNKING PIPELINING", "SIZE=1000000 PIPELINING LIMITS RCPTMAX=2"};

static void make_harm(struct dice *d, struct peer_rule *r)
{
	switch (below(d, 10)) {
	case 0:
	case 1:
	case 2: r->say = PICK(d, laters); break;
	case 3: r->say = PICK(d, nevers); break;
	case 4:
	case 5: r->is_silent = r->closes = true; break;
	case 6: /* hangs */
		r->is_silent = r->closes = true;
		r->wait_ns = CLOCK_DAY;
		break;
	case 7: /* slow, and sometimes too slow */
		r->wait_ns = (int64_t)below(d, 700) * CLOCK_SEC + CLOCK_MS / 2;
		r->is_held = one_in(d, 2);
		break;
	case 8:
		r->say = PICK(d, odds);
		r->is_odd = true;
		break;
	case 9: r->closes = true; break;
	}
	if (r->say && one_in(d, 20)) {
		r->lines = 1000;
		r->is_odd = true;
	}
}

static void make_rule(struct dice *d, struct peer_rule *r)
{
	static const int64_t ends[] = {
		CLOCK_MIN, 10 * CLOCK_MIN, CLOCK_HOUR, 5 * CLOCK_HOUR, CLOCK_DAY, 2 * CLOCK_DAY};

	*r = (struct peer_rule){.at = PICK(d, points)};
	if (one_in(d, 2)) {
		r->from = 1 + below(d, 4);
		r->to = r->from + below(d, 4);
	} else if (!one_in(d, 8)) {
		r->until_ns = PICK(d, ends);
	}
	if (one_in(d, 3))
		r->nth = r->nth_to = 1 + below(d, 3);
	if (one_in(d, 3))
		r->has = one_in(d, 2) ? "<a" : "<b";
	make_harm(d, r);
}

/* ---- destinations ----------------------------------------------------------------------------- */

struct destination {
	unsigned seed;
	struct world *w;
	struct dice dice;
	struct peer_rule rules[2][RULES_MAX + 1];
	unsigned letters;
};

struct random_play {
	unsigned first, count; /* seeds */
	struct arena *a;
	struct dns_row *names;
	size_t name_count;
	struct destination *all;
	struct fiber_group g;
	bool is_over;
};

static void add_name(struct random_play *p, const char *name, enum dns_type type, const char *value)
{
	MUST(p->name_count < WORLD_NAMES);
	p->names[p->name_count++] = (struct dns_row){name, type, value, false};
}

/* One or two hosts; at times one of them is not there. */
static void make_hosts(struct random_play *p, struct destination *x, unsigned index)
{
	char *domain = arena_printf(p->a, "d%u.test", x->seed);
	unsigned count = one_in(&x->dice, 3) ? 2 : 1;

	for (unsigned i = 0; i < count; i++) {
		char *host = arena_printf(p->a, "mx%u.%s", i, domain);
		char *addr = arena_printf(p->a, "198.51.%u.%u", 100 + i, 1 + index);
		unsigned rules = below(&x->dice, RULES_MAX);

		add_name(p, domain, DNS_MX, arena_printf(p->a, "%u %s", 10 * i, host));
		add_name(p, host, DNS_A, addr);
		for (unsigned k = 0; k < rules; k++)
			make_rule(&x->dice, &x->rules[i][k]);
		if (one_in(&x->dice, 10))
			continue;
		world_peer(x->w,
			&(struct peer_opts){.address = arena_printf(p->a, "%s:25", addr),
				.ehlo = PICK(&x->dice, dialects),
				.rules = x->rules[i]});
	}
}

static FIBER int send_letters(void *arg)
{
	struct destination *x = arg;
	struct buf to;

	buf_init(&to, 4096);
	x->letters = 1 + below(&x->dice, LETTERS_MAX);
	for (unsigned i = 0; i < x->letters; i++) {
		unsigned rcpts = 1 + below(&x->dice, 5);

		buf_clear(&to);
		for (unsigned k = 0; k < rcpts; k++)
			buf_printf(&to, "%c%u@d%u.test ", 'a' + k, i, x->seed);
		if (fiber_sleep((int64_t)below(&x->dice, 1800) * CLOCK_SEC, NULL) < 0)
			break;
		world_send(x->w, &(struct world_mail){.to = buf_cstr(&to)});
	}
	buf_fini(&to);
	return 0;
}

static FIBER int keep_sending_well(void *arg)
{
	struct random_play *p = arg;
	char to[64];

	for (unsigned i = 0; !p->is_over; i++) {
		snprintf(to, sizeof(to), "h%u@well.test", i);
		world_send(p->all[0].w, &(struct world_mail){.to = to});
		if (fiber_sleep(WELL_EVERY_NS, NULL) < 0)
			break;
	}
	return 0;
}

static FIBER void story(struct world *w, void *arg)
{
	struct random_play *p = arg;
	struct fiber_group senders;

	add_name(p, "well.test", DNS_MX, "10 mx.well.test");
	add_name(p, "mx.well.test", DNS_A, "198.51.102.1");
	world_peer(w, &(struct peer_opts){.address = "198.51.102.1:25"});
	fiber_group_init(&p->g);
	fiber_group_init(&senders);
	for (unsigned i = 0; i < p->count; i++) {
		p->all[i] = (struct destination){
			.seed = p->first + i, .w = w, .dice = {p->first + i}};
		make_hosts(p, &p->all[i], i);
	}
	world_names_set(w, p->names, p->name_count);
	MUST(fiber_start(&p->g, "well", keep_sending_well, p, NULL) == 0);
	for (unsigned i = 0; i < p->count; i++)
		MUST(fiber_start(&senders, "send", send_letters, &p->all[i], NULL) == 0);
	fiber_group_join(&senders);
	if (!world_wait_empty(w, LIFE_NS))
		world_fault(w, "%d recipients still wait", (int)world_left(w));
	p->is_over = true;
	fiber_group_cancel(&p->g);
	fiber_group_join(&p->g);
}

/* ---- what must hold --------------------------------------------------------------------------- */

static void check_well(struct world *w, const struct world_rcpt *r)
{
	if (r->taken != 1 || r->taken_ns - r->sent_ns > WELL_NS)
		world_fault(w, "%s: taken %u times, after %d ms", r->address, r->taken,
			(int)((r->taken_ns - r->sent_ns) / CLOCK_MS));
}

static void check(struct world *w, const struct world_rcpt *r)
{
	if (r->ends != 1)
		world_fault(w, "%s: ended %u times", r->address, r->ends);
	if (r->is_delivered && r->taken + r->unheard == 0)
		world_fault(w, "%s: lost: it counts as delivered, and nobody has it", r->address);
	if (r->is_delivered && r->failed)
		world_fault(w, "%s: delivered, and reported as failed", r->address);
	if (!r->is_delivered && r->failed != 1)
		world_fault(w, "%s: given up, with %u reports", r->address, r->failed);
	if (r->taken > 1)
		world_fault(w, "%s: taken %u times", r->address, r->taken);
	if (r->taken && !r->is_delivered)
		world_fault(w, "%s: taken, and given up", r->address);
	if (r->delayed > NOTICES_MOST)
		world_fault(w, "%s: %u notices of delay", r->address, r->delayed);
	if (r->is_damaged)
		world_fault(w, "%s: its content is damaged", r->address);
	if (r->attempts > ATTEMPTS_MOST)
		world_fault(w, "%s: %u attempts", r->address, r->attempts);
}

/* What can be said about all of them: were the dice any good? */
struct tally {
	unsigned letters, delivered, failed, delayed, unheard, attempts;
};

static void check_all(struct world *w, struct tally *t)
{
	for (size_t i = 0; i < world_rcpt_count(w); i++) {
		struct world_rcpt *r = world_rcpt_at(w, i);

		if (r->sent_ns == 0) {
			world_fault(w, "%s: nobody wrote to it", r->address);
		} else if (span_ends_nocase(span_str(r->address), SPAN("@well.test"))) {
			check_well(w, r);
		} else {
			check(w, r);
			t->letters++;
			t->delivered += r->is_delivered;
			t->failed += r->failed;
			t->delayed += r->delayed;
			t->unheard += r->unheard;
			t->attempts += r->attempts;
		}
	}
}

static struct tally play(unsigned first, unsigned count)
{
	struct random_play p = {.first = first, .count = count, .a = arena_new()};
	struct tally t = {0};
	struct world *w = world_new(
		&(struct world_opts){.is_tls = true, .shards = 1 + first / WORLD_SEEDS % 3});
	bool is_well;

	p.names = ARENA_ARRAY(p.a, struct dns_row, WORLD_NAMES);
	p.all = ARENA_ARRAY(p.a, struct destination, count);
	world_play(w, story, &p);
	check_all(w, &t);
	is_well = !world_faults(w)[0];
	if (!is_well)
		print_error("seeds %u to %u (dN.test has seed N):\n%s", first, first + count - 1,
			world_faults(w));
	world_free(&w);
	arena_free(&p.a);
	assert_true(is_well);
	return t;
}

static unsigned from_seed = 1, to_seed = SEEDS;

static void random_peers_lose_nothing_and_double_nothing(void **state)
{
	struct tally all = {0};

	for (unsigned seed = from_seed; seed <= to_seed; seed += WORLD_SEEDS) {
		unsigned count = to_seed - seed + 1 < WORLD_SEEDS ? to_seed - seed + 1
								  : WORLD_SEEDS;
		struct tally t = play(seed, count);

		all.letters += t.letters;
		all.delivered += t.delivered;
		all.failed += t.failed;
		all.delayed += t.delayed;
		all.unheard += t.unheard;
		all.attempts += t.attempts;
	}
	print_message("# seeds %u to %u: %u recipients, %u attempts, %u delivered, %u failed, %u "
		      "delays told, %u contents without a reply\n",
		from_seed, to_seed, all.letters, all.attempts, all.delivered, all.failed,
		all.delayed, all.unheard);
	/* Rules that harm nobody, or everybody, would show nothing. */
	if (to_seed - from_seed + 1 >= SEEDS) {
		assert_true(all.delivered > all.letters / 4);
		assert_true(all.failed > all.letters / 20);
		assert_true(all.delayed > 0 && all.unheard > 0);
		assert_true(all.attempts > all.letters * 3 / 2);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_peers_lose_nothing_and_double_nothing),
	};

	if (getenv("YIZHAN_LONG") && *getenv("YIZHAN_LONG"))
		to_seed = SEEDS_LONG;
	if (argc > 1)
		from_seed = to_seed = (unsigned)strtoul(argv[1], NULL, 10);
	if (argc > 2)
		to_seed = (unsigned)strtoul(argv[2], NULL, 10);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
