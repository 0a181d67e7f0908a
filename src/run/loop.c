/* The loop whatever it runs on: run queue, deadlines, messages, the watchdog of slices, and the
 * sweep that gives back the stacks of fibers that sleep. */

#include "run/loop.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "run/loop_priv.h"

/* Which loop a thread runs: the one thing that cannot be passed as context. */
static _Thread_local struct loop *loop_here;

void loop_init(struct loop *l, const struct loop_ops *ops, const struct loop_opts *opts)
{
	l->ops = ops;
	list_init(&l->runq);
	list_init(&l->parked);
	list_init(&l->fibers);
	list_init(&l->pool);
	heap_init(&l->deadlines);
	l->log = opts->log;
	l->slice_warn_ns = opts->slice_warn_ns ? opts->slice_warn_ns : FIBER_SLICE_WARN_NS;
	l->is_slice_fatal = opts->is_slice_fatal;
	l->wait_fatal_ns = opts->wait_fatal_ns ? opts->wait_fatal_ns : l->slice_warn_ns;
	l->sched_fd = -1;
	snprintf(l->name, sizeof(l->name), "%s", opts->name ? opts->name : "loop");
}

void loop_fini(struct loop *l)
{
	MUST(l->fiber_count == 0);
	fiber_pool_drain(l);
	heap_fini(&l->deadlines);
}

void loop_free(struct loop **lp)
{
	struct loop *l = *lp;

	if (!l)
		return;
	MUST(loop_here != l);
	*lp = NULL;
	/* Who posted the last message may still be about to wake us. */
	while (atomic_load(&l->posting))
		sched_yield();
	loop_fini(l);
	l->ops->free(l);
}

struct loop *loop_current(void)
{
	return loop_here;
}

bool loop_is_virtual(const struct loop *l)
{
	return l->ops->is_virtual;
}

int64_t loop_now_ns(void)
{
	return loop_here ? loop_now(loop_here) : clock_mono_ns();
}

int64_t loop_wall_ns(void)
{
	return loop_here ? loop_here->ops->wall_ns(loop_here) : clock_wall_ns();
}

/* Processor time, voluntary waits and the time that others had our core tell a slice that hogged or
 * blocked from one whose thread was merely not scheduled. Only looked at when an over-long slice is
 * fatal. */
struct loop_usage {
	int64_t cpu_ns, queued_ns;
	long waits;
};

/* "time on the core, time runnable without one, turns", in ns; a kernel without it counts 0. */
static void loop_sched_open(struct loop *l)
{
	struct buf path;

	buf_init(&path, 64);
	buf_printf(&path, "/proc/self/task/%d/schedstat", (int)gettid());
	l->sched_fd = open(buf_cstr(&path), O_RDONLY | O_CLOEXEC);
	buf_fini(&path);
}

static int64_t loop_queued_ns(const struct loop *l)
{
	char text[LOOP_SCHED_TEXT], *end;
	ssize_t n = l->sched_fd < 0 ? -1 : pread(l->sched_fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = 0;
	strtoll(text, &end, 10);
	return strtoll(end, NULL, 10);
}

static struct loop_usage loop_usage(const struct loop *l)
{
	struct timespec core; /* getrusage's times lag by a tick */
	struct rusage u;

	MUST(getrusage(RUSAGE_THREAD, &u) == 0 &&
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &core) == 0);
	return (struct loop_usage){.cpu_ns = core.tv_sec * CLOCK_SEC + core.tv_nsec,
		.queued_ns = loop_queued_ns(l),
		.waits = u.ru_nvcsw};
}

void loop_die(const char *fmt, ...)
{
	struct buf why;
	va_list ap;

	buf_init(&why, LOOP_DIE_MAX);
	va_start(ap, fmt);
	buf_vprintf(&why, fmt, ap);
	va_end(ap);
	must_fail(buf_cstr(&why), __FILE__, __LINE__, __func__);
}

void loop_die_of(struct loop *l, const char *what)
{
	struct buf who;

	buf_init(&who, LOOP_DIE_MAX);
	LIST_EACH (n, &l->fibers) {
		const struct fiber *f = LIST_ITEM(n, struct fiber, all_node);

		/* Those that do not fit are not named. */
		if (buf_room(&who) > FIBER_NAME_MAX + 40)
			buf_printf(&who, "%s'%s' parked for %lld ms", buf_len(&who) ? ", " : "",
				f->name, (long long)((loop_now(l) - f->parked_at_ns) / CLOCK_MS));
	}
	loop_die("%s: %s: fibers %s", l->name, what, buf_cstr(&who));
}

static __attribute__((cold, noinline)) void loop_slice_over(
	struct loop *l, const struct fiber *f, int64_t slice_ns, const struct loop_usage *before)
{
	const char *name = fiber_name(f);

	if (l->is_slice_fatal && before) {
		struct loop_usage now = loop_usage(l);
		int64_t cpu_ns = now.cpu_ns - before->cpu_ns;
		int64_t queued_ns = now.queued_ns - before->queued_ns;
		long waits = now.waits - before->waits;

		if (cpu_ns > l->slice_warn_ns ||
			(waits && slice_ns - cpu_ns - queued_ns > l->wait_fatal_ns))
			loop_die("fiber '%s' held %s for %lld us (core %lld us, queued %lld us, "
				 "%ld waits)",
				name, l->name, (long long)(slice_ns / CLOCK_US),
				(long long)(cpu_ns / CLOCK_US), (long long)(queued_ns / CLOCK_US),
				waits);
	}
	if (l->log)
		log_event(l->log, LOG_WARN, "loop.slice", LF_STR("loop", l->name),
			LF_STR("fiber", name), LF_INT("us", slice_ns / CLOCK_US));
}

/* A slice has ended now: measure it. */
static inline int64_t loop_slice_end(
	struct loop *l, const struct fiber *f, const struct loop_usage *before)
{
	int64_t now_ns = loop_now(l);
	int64_t slice_ns = now_ns - l->tick_ns;

	l->tick_ns = now_ns;
	if (slice_ns > l->slice_warn_ns)
		loop_slice_over(l, f, slice_ns, before);
	return slice_ns;
}

void loop_resume(struct loop *l, struct fiber *f)
{
	struct loop_usage before = {0};
	int64_t slice_ns;

	MUST(!l->running && (f->state == FIBER_PARKED || f->state == FIBER_RUNNABLE));
	if (l->is_slice_fatal && !l->ops->is_virtual)
		before = loop_usage(l);
	list_remove(&f->queue_node);
	f->state = FIBER_RUNNING;
	f->switches++;
	l->running = f;
	fiber_switch_in(l, f);
	l->running = NULL;
	slice_ns = loop_slice_end(l, f, &before);
	if (slice_ns > f->longest_slice_ns)
		f->longest_slice_ns = slice_ns;
	if (f->state == FIBER_PARKED) {
		f->parked_at_ns = l->tick_ns;
		loop_sweep_arm(l);
	} else if (f->state == FIBER_DONE) {
		heap_remove(&l->deadlines, &f->deadline);
		fiber_leave_group(f);
		fiber_unmake(l, f);
	}
}

/* ---- deadlines -------------------------------------------------------------------------------
 * A wait that ends leaves its heap node where it is; the node only moves when a wait needs it
 * earlier, or when its time comes and the fiber then waits for a later one. A request-reply
 * conversation whose deadlines always move on therefore hardly touches the heap. */

void loop_deadline_set(struct loop *l, struct fiber *f, int64_t deadline_ns)
{
	if (!heap_linked(&f->deadline) || f->deadline.key > deadline_ns)
		heap_move(&l->deadlines, &f->deadline, deadline_ns);
}

/* The earliest deadline that somebody waits for, CLOCK_NEVER when nobody does. */
static int64_t loop_deadline_settle(struct loop *l)
{
	struct heap_node *n;

	while ((n = heap_first(&l->deadlines)) && n != &l->sweep) {
		struct fiber *f = FIBER_OF_DEADLINE(n);
		int64_t real_ns = f->state == FIBER_PARKED ? f->deadline_ns : CLOCK_NEVER;

		if (real_ns == n->key)
			break;
		if (real_ns == CLOCK_NEVER)
			heap_remove(&l->deadlines, n);
		else
			heap_move(&l->deadlines, n, real_ns);
	}
	return n ? n->key : CLOCK_NEVER;
}

void loop_sweep_arm(struct loop *l)
{
	if (!heap_linked(&l->sweep) && !l->ops->is_virtual)
		heap_insert(&l->deadlines, &l->sweep, l->tick_ns + LOOP_TRIM_NS);
}

static void loop_sweep(struct loop *l)
{
	int64_t until_ns = l->tick_ns - LOOP_TRIM_NS;
	int64_t next_ns = l->tick_ns + LOOP_TRIM_NS / 4;

	for (int n = 0; !list_empty(&l->parked); n++) {
		struct fiber *f = LIST_ITEM(l->parked.next, struct fiber, queue_node);

		if (f->parked_at_ns > until_ns) {
			if (f->parked_at_ns + LOOP_TRIM_NS > next_ns)
				next_ns = f->parked_at_ns + LOOP_TRIM_NS;
			break;
		}
		if (n == LOOP_TRIM_MAX) {
			next_ns = l->tick_ns + LOOP_TRIM_GAP_NS;
			break;
		}
		list_remove(&f->queue_node);
		fiber_trim(f);
	}
	if (list_empty(&l->parked))
		heap_remove(&l->deadlines, &l->sweep);
	else
		heap_move(&l->deadlines, &l->sweep, next_ns);
}

static void loop_fire(struct loop *l)
{
	struct heap_node *n;

	while ((n = heap_first(&l->deadlines)) && n->key <= l->tick_ns) {
		struct fiber *f = FIBER_OF_DEADLINE(n);

		if (n == &l->sweep) {
			loop_sweep(l);
		} else if (f->state != FIBER_PARKED || f->deadline_ns == CLOCK_NEVER) {
			heap_remove(&l->deadlines, n);
		} else if (f->deadline_ns > l->tick_ns) {
			heap_move(&l->deadlines, n, f->deadline_ns);
		} else {
			heap_remove(&l->deadlines, n);
			fiber_end_wait(f, FIBER_TIMED_OUT);
		}
	}
}

/* ---- messages ---------------------------------------------------------------------------- */

void loop_post(struct loop *l, struct loop_msg *msg)
{
	struct loop_msg *first = atomic_load_explicit(&l->inbox, memory_order_relaxed);

	/* loop_sim plays on one thread; work_run keeps its work there. */
	MUST(!l->ops->is_virtual || loop_here == l);
	if (loop_here != l)
		atomic_fetch_add(&l->posting, 1);
	do
		msg->next = first;
	while (!atomic_compare_exchange_weak(&l->inbox, &first, msg));
	/* The loop says that it sleeps before it looks into the inbox for the last time; whoever
	 * takes that word back wakes it, nobody else has to. */
	if (loop_here == l)
		return;
	if (atomic_load(&l->is_sleeping) && atomic_exchange(&l->is_sleeping, false))
		l->ops->wake(l);
	atomic_fetch_sub(&l->posting, 1); /* the last touch: see loop_free */
}

static void loop_take_mail(struct loop *l)
{
	struct loop_msg *last = loop_has_mail(l) ? atomic_exchange(&l->inbox, NULL) : NULL;
	struct loop_msg *first = NULL;

	if (!last)
		return;
	while (last) {
		struct loop_msg *next = last->next;

		last->next = first;
		first = last;
		last = next;
	}
	while (first) {
		struct loop_msg *msg = first;

		/* fn may free the message. */
		first = msg->next;
		msg->fn(msg);
	}
	loop_slice_end(l, NULL, NULL);
}

/* ---- running ----------------------------------------------------------------------------- */

/* All that can be done without waiting, in bounded rounds. */
static void loop_work(struct loop *l)
{
	struct list_node round;

	list_init(&round);
	loop_fire(l);
	for (int i = 0; i < LOOP_ROUNDS_MAX; i++) {
		loop_take_mail(l);
		if (list_empty(&l->runq))
			break;
		list_append(&round, &l->runq);
		while (!list_empty(&round))
			loop_resume(l, LIST_ITEM(round.next, struct fiber, queue_node));
	}
}

static void loop_sleep(struct loop *l)
{
	const struct heap_node *first;
	int64_t deadline_ns = 0;

	if (list_empty(&l->runq) && !loop_has_mail(l)) {
		if (l->ops->is_virtual) {
			deadline_ns = loop_deadline_settle(l);
		} else {
			first = heap_first(&l->deadlines);
			deadline_ns = first ? first->key : CLOCK_NEVER;
		}
	}
	l->ops->poll(l, deadline_ns);
}

struct loop_main {
	int (*fn)(void *arg);
	void *arg;
	int result;
	bool is_done;
};

static FIBER int loop_main_fiber(void *arg)
{
	struct loop_main *m = arg;

	m->result = m->fn(m->arg);
	m->is_done = true;
	return 0;
}

int loop_run(struct loop *l, int (*main_fn)(void *arg), void *arg, struct err *e)
{
	struct loop_main m = {.fn = main_fn, .arg = arg};
	struct fiber *f;

	MUST(!loop_here);
	f = fiber_make(l, e);
	if (!f)
		return -1;
	loop_here = l;
	if (l->is_slice_fatal)
		loop_sched_open(l);
	l->ops->enter(l);
	l->tick_ns = loop_now(l);
	fiber_launch(f, NULL, "main", loop_main_fiber, &m);
	for (;;) {
		loop_work(l);
		if (m.is_done)
			break;
		loop_sleep(l);
	}
	loop_take_mail(l);
	if (l->fiber_count)
		loop_die_of(l, "main has returned and leaves fibers behind");
	l->ops->leave(l);
	if (l->sched_fd >= 0)
		close(l->sched_fd);
	l->sched_fd = -1;
	loop_here = NULL;
	return m.result;
}

uint64_t loop_random(void)
{
	uint64_t state[4];

	if (loop_here)
		return random_next(loop_here->random);
	random_seed_kernel(state);
	return random_next(state);
}

struct loop_io *loop_io_new(int fd, struct err *e)
{
	MUST(loop_here);
	return loop_here->ops->io_new(loop_here, fd, e);
}

int loop_signal(
	struct loop *l, int signo, void (*fn)(int signo, void *arg), void *arg, struct err *e)
{
	return l->ops->signal(l, signo, fn, arg, e);
}
