#pragma once
/* Inside the room: what a fiber is made of. The struct sits at the top of its own stack, so that
 * a parked fiber with shallow frames keeps a single page. */

#include "base/heap.h"
#include "run/fiber.h"
#include "run/switch.h"

enum fiber_state {
	FIBER_FREE,     /* a stack in the pool */
	FIBER_RUNNABLE, /* in the run queue */
	FIBER_RUNNING,
	FIBER_PARKED,
	FIBER_DONE, /* fn has returned; its last switch is under way */
};

enum fiber_cause { FIBER_WOKEN, FIBER_TIMED_OUT, FIBER_CANCELLED };

struct fiber {
	struct fiber_ctx ctx;
	struct loop *loop;
	struct list_node queue_node; /* run queue, or the loop's untrimmed parked ones */
	struct list_node all_node;   /* the loop's fibers, or its pool */
	struct list_node group_node;
	struct fiber_group *group;
	fiber_fn *fn;
	void *arg;
	int64_t deadline_ns;       /* of the wait; CLOCK_NEVER when it has none */
	struct heap_node deadline; /* may lie earlier than deadline_ns, never later */
	int64_t parked_at_ns, longest_slice_ns;
	uint64_t switches;
	uint32_t stack_peak; /* bytes seen resident before a trim */
	uint16_t quiet;
	uint8_t state, cause; /* enum fiber_state, fiber_cause */
	bool is_started;      /* its stack has been entered once */
	bool is_cancelled;
	bool is_deaf; /* this wait does not hear cancellation */
	char name[FIBER_NAME_MAX];
};

#define FIBER_OF_DEADLINE(n) CONTAINER_OF(n, struct fiber, deadline)

/** A new or pooled stack with its fiber, FIBER_FREE; NULL and ERR_LIMIT when none can be had. */
struct fiber *fiber_make(struct loop *l, struct err *e);
/** Back into the loop's pool, or unmapped when the pool is full. */
void fiber_unmake(struct loop *l, struct fiber *f);
void fiber_pool_drain(struct loop *l);
/** Runs fn(arg) in the group (or NULL) at the next turn. */
void fiber_launch(
	struct fiber *f, struct fiber_group *g, const char *name, fiber_fn *fn, void *arg);
/** Away from the loop's own stack into the fiber's, until it parks or ends. */
void fiber_switch_in(struct loop *l, struct fiber *f);
/** The fiber's fn has returned: leave the group, wake who joins. */
void fiber_leave_group(struct fiber *f);

/** The one way to wait: away until woken, timed out or cancelled. A deaf wait has no deadline and
 * hears no cancellation. */
FIBER enum fiber_cause fiber_wait(struct fiber *f, int64_t deadline_ns, bool is_deaf);
/** fiber_wait's cause as 0 / -1 and an error. */
int fiber_wait_result(enum fiber_cause cause, struct err *e);
/** End the wait of a parked fiber. false when it is not parked. */
bool fiber_end_wait(struct fiber *f, enum fiber_cause cause);

/** Give the pages below the saved stack pointer back to the kernel. */
void fiber_trim(struct fiber *f);
size_t fiber_stack_resident(const struct fiber *f);
