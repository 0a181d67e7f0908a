/* Conditions. A signal is never lost on a waiter that has just timed out or been cancelled. */

#include "base/must.h"
#include "run/fiber_priv.h"

struct cond_waiter {
	struct list_node node;
	struct fiber *fiber;
};

void fiber_cond_init(struct fiber_cond *c)
{
	list_init(&c->waiters);
}

int fiber_cond_wait(struct fiber_cond *c, int64_t deadline_ns, struct err *e)
{
	struct cond_waiter w = {.fiber = fiber_self()};
	enum fiber_cause cause;

	MUST(w.fiber);
	list_push_back(&c->waiters, &w.node);
	cause = fiber_wait(w.fiber, deadline_ns, false);
	list_remove(&w.node);
	return fiber_wait_result(cause, e);
}

void fiber_cond_signal(struct fiber_cond *c)
{
	struct list_node *n;

	while ((n = list_pop_front(&c->waiters)))
		if (fiber_end_wait(LIST_ITEM(n, struct cond_waiter, node)->fiber, FIBER_WOKEN))
			return;
}

void fiber_cond_broadcast(struct fiber_cond *c)
{
	struct list_node *n;

	while ((n = list_pop_front(&c->waiters)))
		fiber_end_wait(LIST_ITEM(n, struct cond_waiter, node)->fiber, FIBER_WOKEN);
}
