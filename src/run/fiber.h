#pragma once
/* Fibers: straight-line code that waits without blocking its thread.
 *
 * A fiber is born in a fiber_group, on the loop of the thread that starts it, and never changes
 * threads. Every wait has an absolute deadline on the loop's monotonic clock (loop_now_ns) and is
 * a cancellation point: it returns -1 with ERR_TIMEOUT or ERR_CANCELLED, and the fiber unwinds
 * normally. errno never crosses a yield. What was borrowed before a yield is read again after it.
 *
 * FIBER marks what may yield; tools/check-fiber walks the compiler's call graph to prove that only
 * FIBER functions call FIBER functions.
 *
 *	static FIBER int answer(void *arg) { struct conn *c = arg; ... return 0; }
 *
 *	struct fiber_group g;
 *	fiber_group_init(&g);
 *	fiber_start(&g, "answer", answer, c, &e);
 *	...
 *	fiber_group_cancel(&g);
 *	fiber_group_join(&g);
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/list.h"
#include "run/loop.h"

struct fiber;

#define FIBER_STACK_BYTES   (64 * 1024) /* with a guard page below */
#define FIBER_NAME_MAX      32
#define FIBER_SLICE_WARN_NS (5 * CLOCK_MS)
#define FIBER_BREATHE_NS    (1 * CLOCK_MS)
/* Two mappings a stack under vm.max_map_count (65,530), and some left for everything else. */
#define FIBER_STACKS_MAX 30000

typedef int fiber_fn(void *arg);

/* A parent's children. The parent joins them before it returns; the group lives in its frame. */
struct fiber_group {
	struct list_node fibers;
	struct fiber *joiner;
	size_t count;
	bool is_cancelled;
};

void fiber_group_init(struct fiber_group *g);
/** Make a fiber that runs fn(arg) at the loop's next turn. `name` is copied. Fails (ERR_LIMIT)
 * when no stack can be had. In a cancelled group the fiber starts cancelled. */
int fiber_start(struct fiber_group *g, const char *name, fiber_fn *fn, void *arg, struct err *e);
/** Cancel all: each one's current or next wait returns ERR_CANCELLED. Does not yield. */
void fiber_group_cancel(struct fiber_group *g);
/** Wait until all have returned. Not cancellable: cancel the group to hurry it. */
FIBER void fiber_group_join(struct fiber_group *g);
/** Wait until all have returned or the deadline; 0 all gone, -1 ERR_TIMEOUT / ERR_CANCELLED. */
FIBER int fiber_group_wait(struct fiber_group *g, int64_t deadline_ns, struct err *e);

struct fiber *fiber_self(void); /* NULL outside any fiber */
const char *fiber_name(const struct fiber *f);
void fiber_set_name(struct fiber *f, const char *name);
void fiber_cancel(struct fiber *f);
bool fiber_is_cancelled(const struct fiber *f);

/** Park until fiber_wake(), the deadline (ERR_TIMEOUT) or cancellation (ERR_CANCELLED). A wake
 * that came before the park is not remembered: waits loop on a predicate. */
FIBER int fiber_park(int64_t deadline_ns, struct err *e);
/** Make a parked fiber of this loop runnable; nothing when it is not parked. */
void fiber_wake(struct fiber *f);
/** Let everything else that is runnable run once. */
FIBER int fiber_yield(struct err *e);
FIBER int fiber_sleep(int64_t ns, struct err *e);
/** Yield when this slice has lasted longer than FIBER_BREATHE_NS: for loops that work on input which
 * is always ready (a fast peer's message), so that they do not hog the loop. Outside any fiber it does
 * nothing and returns 0. */
FIBER int fiber_breathe(struct err *e);

/** Between these two a yield is our bug and aborts. They nest. */
void fiber_quiet_begin(void);
void fiber_quiet_end(void);

/** Condition: fibers of one loop wait, another signals. */
struct fiber_cond {
	struct list_node waiters;
};
void fiber_cond_init(struct fiber_cond *c);
FIBER int fiber_cond_wait(struct fiber_cond *c, int64_t deadline_ns, struct err *e);
void fiber_cond_signal(struct fiber_cond *c); /* the one that waits longest */
void fiber_cond_broadcast(struct fiber_cond *c);

/** Bounded channel of pointers between fibers of one loop. */
struct fiber_chan {
	void **slots;
	size_t cap, from, count;
	bool is_closed;
	struct fiber_cond can_put, can_get;
};
void fiber_chan_init(struct fiber_chan *c, size_t cap);
void fiber_chan_fini(struct fiber_chan *c);
/** ERR_EOF once closed. */
FIBER int fiber_chan_put(struct fiber_chan *c, void *item, int64_t deadline_ns, struct err *e);
bool fiber_chan_try_put(struct fiber_chan *c, void *item);
/** ERR_EOF once closed and empty. */
FIBER int fiber_chan_get(struct fiber_chan *c, void **item_r, int64_t deadline_ns, struct err *e);
void fiber_chan_close(struct fiber_chan *c);

/** A call into another thread that this fiber waits for. Lives in the caller's frame; therefore
 * fiber_call_wait can neither be cancelled nor time out, and the other side must always answer.
 *
 *	struct job j = {...};
 *	fiber_call_init(&j.call);
 *	hand_over(&j);			// the other thread ends with fiber_call_done(&j.call)
 *	fiber_call_wait(&j.call);
 */
struct fiber_call {
	struct loop_msg msg;
	struct loop *loop;
	struct fiber *fiber;
	bool is_done;
};
void fiber_call_init(struct fiber_call *c);
/** From any thread, exactly once. */
void fiber_call_done(struct fiber_call *c);
FIBER void fiber_call_wait(struct fiber_call *c);

/** For `yizhan status --fibers`: visit each fiber of the current loop (name, parked for how long,
 * longest slice). Does not yield. */
struct fiber_info {
	const char *name;
	int64_t parked_ns, longest_slice_ns;
	uint64_t switches;
	size_t stack_used; /* high-water mark in bytes, page-rounded */
};
void fiber_each(void (*visit)(const struct fiber_info *info, void *arg), void *arg);
