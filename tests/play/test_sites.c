/* Many destinations at once. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/must.h"
#include "play/world.h"

#define MANY           200
#define DEAD           50
#define WELL_LETTERS   200
#define WELL_NS        CLOCK_SEC
#define SITE_BYTES_MAX (12 * 1024) /* 10,000 destinations fit into 120 MB */

struct many {
	struct arena *a;
	struct dns_row names[WORLD_NAMES];
	size_t name_count;
	size_t heap_before, heap_after;
};

static void add_name(struct many *m, const char *name, enum dns_type type, const char *value)
{
	MUST(m->name_count < WORLD_NAMES);
	m->names[m->name_count++] = (struct dns_row){name, type, value, false};
}

static FIBER void send_to(
	struct world *w, struct many *m, char local, unsigned n, const char *domain)
{
	world_send(w, &(struct world_mail){.to = arena_printf(m->a, "%c%u@%s", local, n, domain)});
}

static void play(FIBER void (*story)(struct world *w, void *arg), struct many *m)
{
	struct world *w = world_new(&(struct world_opts){0});
	bool is_well;

	m->a = arena_new();
	world_play(w, story, m);
	for (size_t i = 0; i < world_rcpt_count(w); i++) {
		const struct world_rcpt *r = world_rcpt_at(w, i);
		bool is_dead = span_find_span(span_str(r->address), SPAN("@dead")) >= 0;

		if (r->taken != (is_dead ? 0 : 1) || r->failed != (is_dead ? 1 : 0))
			world_fault(w, "%s: taken %u times, %u reports", r->address, r->taken,
				r->failed);
		if (!is_dead && r->taken_ns - r->sent_ns > WELL_NS)
			world_fault(w, "%s: taken after %d ms", r->address,
				(int)((r->taken_ns - r->sent_ns) / CLOCK_MS));
	}
	is_well = !world_faults(w)[0];
	if (!is_well)
		print_error("%s", world_faults(w));
	world_free(&w);
	arena_free(&m->a);
	assert_true(is_well);
}

/* ---- what a destination costs ----------------------------------------------------------------- */

static FIBER void send_one_each(struct world *w, struct many *m, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		send_to(w, m, 'a', i, arena_printf(m->a, "d%u.test", i));
	if (!world_wait_empty(w, CLOCK_HOUR))
		world_fault(w, "letters are left");
	fiber_sleep(CLOCK_MIN, NULL);
}

static FIBER void story_cost(struct world *w, void *arg)
{
	struct many *m = arg;

	add_name(m, "mx.test", DNS_A, "198.51.100.1");
	for (unsigned i = 0; i < MANY; i++)
		add_name(m, arena_printf(m->a, "d%u.test", i), DNS_MX, "10 mx.test");
	world_names_set(w, m->names, m->name_count);
	world_peer(w, &(struct peer_opts){.address = "198.51.100.1:25"});
	send_one_each(w, m, 0, MANY / 2);
	m->heap_before = world_heap(w);
	send_one_each(w, m, MANY / 2, MANY);
	m->heap_after = world_heap(w);
}

static void a_destination_that_was_reached_costs_less_than_12_kib(void **state)
{
	struct many *m = NEW(struct many);

	play(story_cost, m);
	print_message("# %zu octets a destination\n", (m->heap_after - m->heap_before) * 2 / MANY);
	assert_true(m->heap_after - m->heap_before < MANY / 2 * SITE_BYTES_MAX);
	free(m);
}

/* ---- dead ones among the living --------------------------------------------------------------- */

static FIBER void story_dead(struct world *w, void *arg)
{
	struct many *m = arg;

	for (unsigned i = 0; i < DEAD; i++) {
		char *name = arena_printf(m->a, "dead%u.test", i);

		add_name(m, name, DNS_MX, arena_printf(m->a, "10 mx.%s", name));
		/* half of them swallow packets, half refuse */
		add_name(m, arena_printf(m->a, "mx.%s", name), DNS_A,
			arena_printf(m->a, i % 2 ? "192.0.2.%u" : "198.51.101.%u", 1 + i));
	}
	add_name(m, "well.test", DNS_MX, "10 mx.well.test");
	add_name(m, "mx.well.test", DNS_A, "198.51.100.1");
	world_names_set(w, m->names, m->name_count);
	world_peer(w, &(struct peer_opts){.address = "198.51.100.1:25"});
	for (unsigned i = 0; i < WELL_LETTERS; i++) {
		for (unsigned k = 0; i < 3 && k < DEAD; k++)
			send_to(w, m, 'a', i, arena_printf(m->a, "dead%u.test", k));
		send_to(w, m, 'h', i, "well.test");
		fiber_sleep(i < WELL_LETTERS / 2 ? CLOCK_SEC : 30 * CLOCK_MIN, NULL);
	}
	if (!world_wait_empty(w, 6 * CLOCK_DAY))
		world_fault(w, "letters are left");
}

static void fifty_dead_destinations_delay_nobody_else(void **state)
{
	struct many *m = NEW(struct many);

	play(story_dead, m);
	free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_destination_that_was_reached_costs_less_than_12_kib),
		cmocka_unit_test(fifty_dead_destinations_delay_nobody_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
