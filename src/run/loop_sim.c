/* The loop of tests: one thread, a virtual clock that jumps to the next deadline as soon as
 * nothing can run, the same random numbers every time. When nothing can ever run again, the test
 * has found a deadlock and dies with the list of those who wait. */

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "run/loop_priv.h"

struct loop_sim {
	struct loop base;
	int64_t now_ns;
	int64_t wall_offset_ns; /* wall clock minus monotonic clock */
	void *slot;             /* net_sim's */
};

#define SIM_START_NS CLOCK_SEC
#define SIM_SEED     0x79697a68616eULL

static struct loop_sim *sim_of(struct loop *l)
{
	return (struct loop_sim *)l;
}

static int64_t sim_now_ns(struct loop *l)
{
	return sim_of(l)->now_ns;
}

static int64_t sim_wall_ns(struct loop *l)
{
	return sim_of(l)->now_ns + sim_of(l)->wall_offset_ns;
}

void loop_sim_set_wall(int64_t wall_ns)
{
	struct loop *l = loop_current();

	MUST(l && l->ops->is_virtual);
	sim_of(l)->wall_offset_ns = wall_ns - sim_now_ns(l);
}

static void sim_poll(struct loop *l, int64_t deadline_ns)
{
	struct loop_sim *s = sim_of(l);

	if (deadline_ns == CLOCK_NEVER)
		loop_die_of(l, "deadlock, nothing will ever wake");
	if (deadline_ns > s->now_ns)
		s->now_ns = deadline_ns;
	l->tick_ns = s->now_ns;
}

static void sim_nothing(struct loop *l)
{
}

static struct loop_io *sim_io_new(struct loop *l, int fd, struct err *e)
{
	err_set(e, ERR_UNSUPPORTED, "no descriptors in a simulated loop");
	return NULL;
}

static int sim_signal(
	struct loop *l, int signo, void (*fn)(int signo, void *arg), void *arg, struct err *e)
{
	return err_set(e, ERR_UNSUPPORTED, "no signals in a simulated loop");
}

static void sim_free(struct loop *l)
{
	free(l);
}

static const struct loop_ops sim_ops = {
	.is_virtual = true,
	.now_ns = sim_now_ns,
	.wall_ns = sim_wall_ns,
	.poll = sim_poll,
	.wake = sim_nothing, /* it never sleeps */
	.enter = sim_nothing,
	.leave = sim_nothing,
	.io_new = sim_io_new,
	.signal = sim_signal,
	.free = sim_free,
};

struct loop *loop_new_sim(const struct loop_opts *opts, int64_t wall_ns)
{
	struct loop_sim *s = aligned_alloc(64, (sizeof(*s) + 63) & ~(size_t)63);

	MUST(s);
	memset(s, 0, sizeof(*s));
	loop_init(&s->base, &sim_ops, opts);
	s->now_ns = SIM_START_NS;
	s->wall_offset_ns = wall_ns - SIM_START_NS;
	random_seed(s->base.random, SIM_SEED);
	return &s->base;
}

void **loop_sim_slot(void)
{
	struct loop *l = loop_current();

	return l && l->ops->is_virtual ? &sim_of(l)->slot : NULL;
}
