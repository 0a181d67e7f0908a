/* Flags, copies, moves and expunges that happen together or not at all. */

#include "store/mailbox.h"

#include "run/loop.h"
#include "store/mailbox_priv.h"

struct stepping {
	const struct mailbox_step *steps;
	size_t count;
	int64_t now_ns;
	store_fn *also;
	void *also_arg;
	bool is_over_quota; /* result */
};

static int step(struct db *db, struct stepping *x, const struct mailbox_step *s, struct err *e)
{
	if (s->flags)
		return mailbox_store_flags_tx(db, s->flags, e);
	if (s->copy)
		return mailbox_copy_tx(db, s->copy, x->now_ns, &x->is_over_quota, e);
	return mailbox_expunge_tx(db, s->expunge, x->now_ns, e);
}

static int step_all(struct db *db, void *arg, struct err *e)
{
	struct stepping *x = arg;

	x->is_over_quota = false;
	for (size_t i = 0; i < x->count; i++)
		if (step(db, x, &x->steps[i], e) < 0)
			return -1;
	return x->also ? x->also(db, x->also_arg, e) : 0;
}

FIBER int mailbox_steps(struct store *s, const struct mailbox_step *steps, size_t count,
	store_fn *also, void *also_arg, struct err *e)
{
	struct stepping x = {.steps = steps,
		.count = count,
		.now_ns = loop_wall_ns(),
		.also = also,
		.also_arg = also_arg};

	if (store_write(s, "mailbox.steps", step_all, &x, e) == 0)
		return 0;
	return x.is_over_quota ? mailbox_over_quota(e) : -1;
}
