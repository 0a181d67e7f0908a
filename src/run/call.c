/* Calls into other threads. */

#include "base/must.h"
#include "run/fiber_priv.h"

static void call_arrived(struct loop_msg *msg)
{
	struct fiber_call *c = CONTAINER_OF(msg, struct fiber_call, msg);

	MUST(!c->is_done);
	c->is_done = true;
	/* The caller may not have begun to wait; c is gone once its fiber runs. */
	fiber_wake(c->fiber);
}

void fiber_call_init(struct fiber_call *c)
{
	*c = (struct fiber_call){
		.msg = {.fn = call_arrived}, .loop = loop_current(), .fiber = fiber_self()};
	MUST(c->fiber);
}

void fiber_call_done(struct fiber_call *c)
{
	loop_post(c->loop, &c->msg);
}

void fiber_call_wait(struct fiber_call *c)
{
	MUST(fiber_self() == c->fiber);
	while (!c->is_done)
		fiber_wait(c->fiber, CLOCK_NEVER, true);
}
