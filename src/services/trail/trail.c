#include "services/trail/trail.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "run/fiber.h"

#define FLUSH_WAIT_NS CLOCK_SEC
#define FLUSH_STEP_NS (5 * CLOCK_MS)
#define RETRY_NS      CLOCK_SEC

/* What waits to be written: in arrays that grow, its octets in one arena. */
struct pile {
	struct arena *arena;
	struct trail_letter *letters;
	struct trail_event *events;
	size_t letter_count, letter_cap, event_count, event_cap, bytes;
};

struct trail_book {
	struct trail *trail;
	struct pile pile;
	struct fiber_cond more;
	_Atomic(struct loop *) loop; /* NULL: not running */
	struct loop_msg word;
	atomic_bool is_word_out;
	bool is_stopping;
	/* the event that is being told */
	struct buf facts;
	struct json_out json;
	struct trail_event event;
	_Alignas(64) _Atomic uint64_t told, written, lost; /* by this loop alone, read by all */
};

struct trail {
	struct trail_opts opts;
	atomic_bool is_hurried;
	struct trail_book books[];
};

struct trail *trail_new(const struct trail_opts *opts)
{
	size_t size = sizeof(struct trail) + opts->books * sizeof(struct trail_book);
	struct trail *t = aligned_alloc(64, (size + 63) & ~(size_t)63);

	MUST(t && opts->books);
	t->opts = *opts;
	atomic_init(&t->is_hurried, false);
	for (unsigned i = 0; i < opts->books; i++) {
		struct trail_book *b = &t->books[i];

		*b = (struct trail_book){.trail = t};
		b->pile.arena = arena_new();
		buf_init(&b->facts, TRAIL_FACTS_MAX);
		fiber_cond_init(&b->more);
	}
	return t;
}

static void pile_fini(struct pile *p)
{
	arena_free(&p->arena);
	free(p->letters);
	free(p->events);
}

void trail_free(struct trail **tp)
{
	struct trail *t = *tp;

	if (!t)
		return;
	*tp = NULL;
	for (unsigned i = 0; i < t->opts.books; i++) {
		pile_fini(&t->books[i].pile);
		buf_fini(&t->books[i].facts);
	}
	free(t);
}

struct trail_book *trail_book(struct trail *t, unsigned index)
{
	return t && t->opts.keep_ns > 0 ? &t->books[index] : NULL;
}

enum trail_talk trail_talk(const struct trail_book *b)
{
	return b ? b->trail->opts.talk : TRAIL_TALK_NONE;
}

void trail_stats(const struct trail *t, struct trail_stats *stats_r)
{
	*stats_r = (struct trail_stats){0};
	for (unsigned i = 0; t && i < t->opts.books; i++) {
		const struct trail_book *b = &t->books[i];
		uint64_t written = atomic_load_explicit(&b->written, memory_order_relaxed);

		stats_r->written += written;
		stats_r->lost += atomic_load_explicit(&b->lost, memory_order_relaxed);
		stats_r->pending += atomic_load_explicit(&b->told, memory_order_relaxed) - written;
	}
}

struct span trail_message_id(struct span value)
{
	ptrdiff_t open = span_find(value, '<'), close;

	if (open < 0)
		return SPAN_NONE;
	value = span_skip(value, (size_t)open + 1);
	close = span_find(value, '>');
	if (close < 0 || (size_t)close > TRAIL_MESSAGE_ID_MAX ||
		span_has_line_break(span_sub(value, 0, (size_t)close)))
		return SPAN_NONE;
	return span_sub(value, 0, (size_t)close);
}

/* ---- telling ---- */

static void add(_Atomic uint64_t *n, uint64_t change)
{
	atomic_store_explicit(
		n, atomic_load_explicit(n, memory_order_relaxed) + change, memory_order_relaxed);
}

/* Room for one more in an array of `size` octets each. */
static void *grown(void *array, size_t size, size_t count, size_t *cap)
{
	if (count < *cap)
		return array;
	*cap = *cap ? *cap * 2 : 32;
	return mem_realloc(array, *cap * size);
}

static bool has_room(struct trail_book *b)
{
	const struct pile *p = &b->pile;

	if (p->letter_count + p->event_count < TRAIL_PENDING_MAX && p->bytes < TRAIL_PENDING_BYTES)
		return true;
	add(&b->lost, 1);
	return false;
}

static void told(struct trail_book *b, size_t bytes)
{
	b->pile.bytes += bytes;
	add(&b->told, 1);
	if (b->pile.letter_count + b->pile.event_count == 1 || b->pile.event_count == TRAIL_SLICE)
		fiber_cond_signal(&b->more);
}

void trail_letter(struct trail_book *b, const struct trail_letter *letter)
{
	struct pile *p;

	if (!b || !has_room(b))
		return;
	p = &b->pile;
	p->letters = grown(p->letters, sizeof(*letter), p->letter_count, &p->letter_cap);
	p->letters[p->letter_count] = *letter;
	p->letters[p->letter_count++].message_id = arena_span(p->arena, letter->message_id);
	told(b, sizeof(*letter) + letter->message_id.len);
}

struct json_out *trail_begin(
	struct trail_book *b, uint64_t msg_id, enum trail_kind kind, struct span rcpt)
{
	if (!b || !has_room(b))
		return NULL;
	MUST(!b->event.msg_id && msg_id);
	b->event = (struct trail_event){.id = store_new_id(b->trail->opts.store),
		.msg_id = msg_id,
		.kind = kind,
		.rcpt = rcpt};
	buf_clear(&b->facts);
	json_out_init(&b->json, &b->facts);
	json_open_object(&b->json);
	return &b->json;
}

void trail_end(struct trail_book *b, struct span talk)
{
	struct trail_event *ev = &b->event;
	struct pile *p = &b->pile;

	MUST(ev->msg_id);
	json_close(&b->json);
	/* What a peer said may be long: better without than half of it. */
	ev->facts = arena_span(p->arena, buf_ok(&b->facts) ? buf_span(&b->facts) : SPAN("{}"));
	ev->rcpt = arena_span(p->arena, ev->rcpt);
	ev->talk = arena_span(p->arena, span_sub(talk, 0, TRAIL_TALK_MAX));
	p->events = grown(p->events, sizeof(*ev), p->event_count, &p->event_cap);
	p->events[p->event_count++] = *ev;
	told(b, sizeof(*ev) + ev->facts.len + ev->rcpt.len + ev->talk.len);
	buf_clear(&b->facts);
	ev->msg_id = 0;
}

/* ---- writing ---- */

static void word_arrived(struct loop_msg *msg)
{
	struct trail_book *b = CONTAINER_OF(msg, struct trail_book, word);

	atomic_store(&b->is_word_out, false);
	fiber_cond_broadcast(&b->more);
}

/* Its fiber is to look at is_hurried. */
static void hurry(struct trail_book *b)
{
	struct loop *loop = atomic_load(&b->loop);

	if (!loop || atomic_exchange(&b->is_word_out, true))
		return;
	b->word = (struct loop_msg){.fn = word_arrived};
	loop_post(loop, &b->word);
}

/* One pile goes to the store while the next one grows. */
static FIBER void write_pile(struct trail_book *b)
{
	struct pile p = b->pile;
	size_t count = p.letter_count + p.event_count;
	struct err e = {0};

	if (!count)
		return;
	b->pile = (struct pile){.arena = arena_new()};
	if (trail_write(b->trail->opts.store, p.letters, p.letter_count, p.events, p.event_count,
		    &e) < 0) {
		add(&b->lost, count);
		log_event(b->trail->opts.log, LOG_WARN, "trail.lost", LF_INT("events", count),
			LF_STR("reason", e.text));
	}
	add(&b->written, count);
	pile_fini(&p);
}

/* Wait for something to write, then a little longer for what else comes. */
static FIBER void gather(struct trail_book *b, int64_t until_ns)
{
	const struct pile *p = &b->pile;

	while (!p->letter_count && !p->event_count && !b->is_stopping) {
		if (fiber_cond_wait(&b->more, until_ns, NULL) < 0)
			return;
	}
	until_ns = loop_now_ns() + TRAIL_WRITE_NS;
	while (p->event_count < TRAIL_SLICE && !b->is_stopping &&
		!atomic_load_explicit(&b->trail->is_hurried, memory_order_relaxed)) {
		if (fiber_cond_wait(&b->more, until_ns, NULL) < 0)
			return;
	}
}

static FIBER void forget(struct trail_book *b)
{
	int64_t before = loop_wall_ns() - b->trail->opts.keep_ns;
	bool is_left = true;
	struct err e = {0};

	while (is_left && !b->is_stopping) {
		if (trail_sweep(b->trail->opts.store, before, &is_left, &e) < 0) {
			log_event(b->trail->opts.log, LOG_WARN, "trail.sweep",
				LF_STR("reason", e.text));
			return;
		}
	}
}

FIBER int trail_run(struct trail *t, unsigned index, struct err *e)
{
	struct trail_book *b = &t->books[index];
	int64_t sweep_ns = index == 0 ? loop_now_ns() + TRAIL_SWEEP_NS / 10 : CLOCK_NEVER;

	(void)e;
	if (t->opts.keep_ns <= 0)
		return 0;
	atomic_store(&b->loop, loop_current());
	while (!b->is_stopping) {
		gather(b, sweep_ns);
		write_pile(b);
		if (loop_now_ns() >= sweep_ns && !b->is_stopping) {
			forget(b);
			sweep_ns = loop_now_ns() + TRAIL_SWEEP_NS;
		}
	}
	write_pile(b); /* what was told while the last one was written */
	atomic_store(&b->loop, NULL);
	return 0;
}

void trail_stop(struct trail *t, unsigned index)
{
	t->books[index].is_stopping = true;
	fiber_cond_broadcast(&t->books[index].more);
}

FIBER void trail_flush(struct trail *t)
{
	int64_t until = loop_now_ns() + FLUSH_WAIT_NS;
	struct trail_stats st;

	if (!t || t->opts.keep_ns <= 0)
		return;
	atomic_store(&t->is_hurried, true);
	for (unsigned i = 0; i < t->opts.books; i++)
		hurry(&t->books[i]);
	do {
		trail_stats(t, &st);
	} while (st.pending && loop_now_ns() < until && fiber_sleep(FLUSH_STEP_NS, NULL) == 0);
	atomic_store(&t->is_hurried, false);
}
