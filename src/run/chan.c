/* Channels: a ring of pointers and two conditions. */

#include <stdlib.h>

#include "base/mem.h"
#include "base/must.h"
#include "run/fiber.h"

void fiber_chan_init(struct fiber_chan *c, size_t cap)
{
	MUST(cap > 0 && cap <= SIZE_MAX / sizeof(*c->slots));
	*c = (struct fiber_chan){.cap = cap};
	c->slots = mem_alloc(cap * sizeof(*c->slots));
	fiber_cond_init(&c->can_put);
	fiber_cond_init(&c->can_get);
}

void fiber_chan_fini(struct fiber_chan *c)
{
	MUST(list_empty(&c->can_put.waiters) && list_empty(&c->can_get.waiters));
	free(c->slots);
	*c = (struct fiber_chan){.is_closed = true};
	fiber_cond_init(&c->can_put);
	fiber_cond_init(&c->can_get);
}

bool fiber_chan_try_put(struct fiber_chan *c, void *item)
{
	if (c->is_closed || c->count == c->cap)
		return false;
	c->slots[(c->from + c->count) % c->cap] = item;
	c->count++;
	fiber_cond_signal(&c->can_get);
	return true;
}

int fiber_chan_put(struct fiber_chan *c, void *item, int64_t deadline_ns, struct err *e)
{
	while (!fiber_chan_try_put(c, item)) {
		if (c->is_closed)
			return err_set(e, ERR_EOF, "channel closed");
		if (fiber_cond_wait(&c->can_put, deadline_ns, e) < 0)
			return -1;
	}
	return 0;
}

int fiber_chan_get(struct fiber_chan *c, void **item_r, int64_t deadline_ns, struct err *e)
{
	*item_r = NULL;
	while (c->count == 0) {
		if (c->is_closed)
			return err_set(e, ERR_EOF, "channel closed");
		if (fiber_cond_wait(&c->can_get, deadline_ns, e) < 0)
			return -1;
	}
	*item_r = c->slots[c->from];
	c->from = (c->from + 1) % c->cap;
	c->count--;
	fiber_cond_signal(&c->can_put);
	return 0;
}

void fiber_chan_close(struct fiber_chan *c)
{
	c->is_closed = true;
	fiber_cond_broadcast(&c->can_put);
	fiber_cond_broadcast(&c->can_get);
}
