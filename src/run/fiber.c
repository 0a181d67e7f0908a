/* Fibers: running and waiting. Switches are always between a fiber and its loop's own stack, never
 * from fiber to fiber (run/switch.h). */

#include "run/fiber.h"

#include <string.h>

#include "base/must.h"
#include "run/loop_priv.h"

/* The bottom of every fiber's stack. A stack that comes out of the pool goes on here. */
static void fiber_body(void *arg)
{
	struct fiber *f = arg;

	for (;;) {
		f->fn(f->arg);
		MUST(f->quiet == 0);
		f->state = FIBER_DONE;
		switch_end(&f->ctx, &f->loop->home);
	}
}

void fiber_switch_in(struct loop *l, struct fiber *f)
{
	if (f->is_started) {
		switch_in(&l->home, &f->ctx);
	} else {
		f->is_started = true;
		switch_enter(&l->home, &f->ctx, fiber_body, f);
	}
}

struct fiber *fiber_self(void)
{
	struct loop *l = loop_current();

	return l ? l->running : NULL;
}

static struct fiber *fiber_must_self(void)
{
	struct fiber *f = fiber_self();

	MUST(f && "only a fiber can wait");
	return f;
}

const char *fiber_name(const struct fiber *f)
{
	return f ? f->name : "loop";
}

void fiber_set_name(struct fiber *f, const char *name)
{
	size_t len = strnlen(name, sizeof(f->name) - 1);

	memcpy(f->name, name, len);
	f->name[len] = '\0';
}

void fiber_launch(struct fiber *f, struct fiber_group *g, const char *name, fiber_fn *fn, void *arg)
{
	MUST(f->state == FIBER_FREE);
	f->fn = fn;
	f->arg = arg;
	f->group = g;
	f->is_cancelled = g && g->is_cancelled;
	f->is_deaf = false;
	f->quiet = 0;
	f->switches = 0;
	f->longest_slice_ns = 0;
	f->stack_peak = 0;
	f->deadline_ns = CLOCK_NEVER;
	f->cause = FIBER_WOKEN;
	fiber_set_name(f, name);
	if (g) {
		list_push_back(&g->fibers, &f->group_node);
		g->count++;
	}
	f->state = FIBER_RUNNABLE;
	loop_ready(f->loop, f);
}

enum fiber_cause fiber_wait(struct fiber *f, int64_t deadline_ns, bool is_deaf)
{
	struct loop *l = f->loop;

	MUST(l->running == f && f->quiet == 0);
	if (f->is_cancelled && !is_deaf)
		return FIBER_CANCELLED;
	f->is_deaf = is_deaf;
	f->state = FIBER_PARKED;
	f->deadline_ns = deadline_ns;
	if (deadline_ns != CLOCK_NEVER)
		loop_deadline_set(l, f, deadline_ns);
	list_push_back(&l->parked, &f->queue_node);
	switch_out(&f->ctx, &l->home);
	return f->cause;
}

int fiber_wait_result(enum fiber_cause cause, struct err *e)
{
	switch (cause) {
	case FIBER_WOKEN: return 0;
	case FIBER_TIMED_OUT: return err_set(e, ERR_TIMEOUT, "deadline passed");
	case FIBER_CANCELLED: break;
	}
	return err_set(e, ERR_CANCELLED, "cancelled");
}

bool fiber_end_wait(struct fiber *f, enum fiber_cause cause)
{
	MUST(f->loop == loop_current());
	if (f->state != FIBER_PARKED)
		return false;
	f->cause = cause;
	f->state = FIBER_RUNNABLE;
	list_remove(&f->queue_node);
	loop_ready(f->loop, f);
	return true;
}

void fiber_wake(struct fiber *f)
{
	fiber_end_wait(f, FIBER_WOKEN);
}

void fiber_cancel(struct fiber *f)
{
	MUST(f->loop == loop_current());
	f->is_cancelled = true;
	if (f->state == FIBER_PARKED && !f->is_deaf)
		fiber_end_wait(f, FIBER_CANCELLED);
}

bool fiber_is_cancelled(const struct fiber *f)
{
	return f->is_cancelled;
}

int fiber_park(int64_t deadline_ns, struct err *e)
{
	return fiber_wait_result(fiber_wait(fiber_must_self(), deadline_ns, false), e);
}

int fiber_yield(struct err *e)
{
	struct fiber *f = fiber_must_self();
	struct loop *l = f->loop;

	MUST(f->quiet == 0);
	if (f->is_cancelled)
		return fiber_wait_result(FIBER_CANCELLED, e);
	f->state = FIBER_RUNNABLE;
	f->cause = FIBER_WOKEN;
	loop_ready(l, f);
	switch_out(&f->ctx, &l->home);
	return 0;
}

int fiber_breathe(struct err *e)
{
	struct fiber *f = fiber_self();

	if (!f || loop_now(f->loop) - f->loop->tick_ns < FIBER_BREATHE_NS)
		return 0;
	return fiber_yield(e);
}

int fiber_sleep(int64_t ns, struct err *e)
{
	struct fiber *f = fiber_must_self();
	int64_t until_ns = loop_now(f->loop) + (ns > 0 ? ns : 0);

	/* A wake ends other waits, not this one. */
	do {
		if (fiber_wait(f, until_ns, false) == FIBER_CANCELLED)
			return fiber_wait_result(FIBER_CANCELLED, e);
	} while (loop_now(f->loop) < until_ns);
	return 0;
}

void fiber_quiet_begin(void)
{
	struct fiber *f = fiber_self();

	if (f)
		f->quiet++;
}

void fiber_quiet_end(void)
{
	struct fiber *f = fiber_self();

	if (f) {
		MUST(f->quiet > 0);
		f->quiet--;
	}
}

void fiber_each(void (*visit)(const struct fiber_info *info, void *arg), void *arg)
{
	struct loop *l = loop_current();
	int64_t now_ns;

	MUST(l);
	now_ns = loop_now(l);
	LIST_EACH (n, &l->fibers) {
		const struct fiber *f = LIST_ITEM(n, struct fiber, all_node);
		size_t resident = fiber_stack_resident(f);
		struct fiber_info info = {
			.name = f->name,
			.parked_ns = f->state == FIBER_PARKED ? now_ns - f->parked_at_ns : 0,
			.longest_slice_ns = f->longest_slice_ns,
			.switches = f->switches,
			.stack_used = resident > f->stack_peak ? resident : f->stack_peak,
		};

		visit(&info, arg);
	}
}
