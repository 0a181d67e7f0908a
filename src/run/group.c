/* Groups: the children of one parent. */

#include "base/must.h"
#include "run/loop_priv.h"

void fiber_group_init(struct fiber_group *g)
{
	*g = (struct fiber_group){0};
	list_init(&g->fibers);
}

int fiber_start(struct fiber_group *g, const char *name, fiber_fn *fn, void *arg, struct err *e)
{
	struct loop *l = loop_current();
	struct fiber *f;

	MUST(l && g);
	f = fiber_make(l, e);
	if (!f)
		return -1;
	fiber_launch(f, g, name, fn, arg);
	return 0;
}

void fiber_leave_group(struct fiber *f)
{
	struct fiber_group *g = f->group;

	f->group = NULL;
	if (!g)
		return;
	list_remove(&f->group_node);
	g->count--;
	if (g->count == 0 && g->joiner)
		fiber_wake(g->joiner);
}

void fiber_group_cancel(struct fiber_group *g)
{
	g->is_cancelled = true;
	/* Cancelling only marks and queues: no child leaves the list meanwhile. */
	LIST_EACH (n, &g->fibers)
		fiber_cancel(LIST_ITEM(n, struct fiber, group_node));
}

static FIBER int group_wait(struct fiber_group *g, int64_t deadline_ns, bool is_deaf, struct err *e)
{
	struct fiber *f = fiber_self();
	enum fiber_cause cause = FIBER_WOKEN;

	MUST(f && f->group != g);
	while (g->count > 0 && cause == FIBER_WOKEN) {
		MUST(!g->joiner);
		g->joiner = f;
		cause = fiber_wait(f, deadline_ns, is_deaf);
		g->joiner = NULL;
	}
	/* The last child may have gone between the deadline and this slice. */
	return g->count == 0 ? 0 : fiber_wait_result(cause, e);
}

void fiber_group_join(struct fiber_group *g)
{
	group_wait(g, CLOCK_NEVER, true, NULL);
}

int fiber_group_wait(struct fiber_group *g, int64_t deadline_ns, struct err *e)
{
	return group_wait(g, deadline_ns, false, e);
}
