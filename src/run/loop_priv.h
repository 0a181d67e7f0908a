#pragma once
/* Inside the room: the generic loop (loop.c) and the table by which loop_uv.c and loop_sim.c give
 * it a clock, a way to sleep and readiness of descriptors. */

#include <stdatomic.h>

#include "base/heap.h"
#include "run/fiber_priv.h"
#include "run/loop.h"

#define LOOP_NAME_MAX 16 /* what the kernel keeps of a thread's name */
/* The run queue is served at most this often between two looks at descriptors and clock. */
#define LOOP_ROUNDS_MAX 8
/* Stacks kept for the next fibers; parked ones are trimmed, so 256 hold 1 MiB. */
#define LOOP_POOL_MAX    256
#define LOOP_TRIM_NS     (1 * CLOCK_SEC) /* parked longer than this: memory goes back */
#define LOOP_TRIM_MAX    256             /* fibers trimmed in one go, a system call each */
#define LOOP_TRIM_GAP_NS (5 * CLOCK_MS)  /* between two goes */

#define LOOP_DIE_MAX    4096 /* of the text that a process dies with */
#define LOOP_SCHED_TEXT 80   /* of a line of three numbers in /proc */

struct loop_ops {
	bool is_virtual;
	int64_t (*now_ns)(struct loop *l);
	int64_t (*wall_ns)(struct loop *l);
	/* Sleep until the deadline (0: do not), a wake or an event, and serve the events. */
	void (*poll)(struct loop *l, int64_t deadline_ns);
	/* End the sleep; from any thread. */
	void (*wake)(struct loop *l);
	/* Around loop_run, on its thread. */
	void (*enter)(struct loop *l);
	void (*leave)(struct loop *l);
	struct loop_io *(*io_new)(struct loop *l, int fd, struct err *e);
	int (*signal)(struct loop *l, int signo, void (*fn)(int signo, void *arg), void *arg,
		struct err *e);
	void (*free)(struct loop *l);
};

/* Embedded first in struct loop_uv and struct loop_sim. */
struct loop {
	const struct loop_ops *ops;
	struct fiber *running;
	struct fiber_ctx home; /* the thread's own stack, while a fiber runs */
	int64_t tick_ns;       /* when the last slice or sleep ended */
	struct list_node runq;
	struct list_node parked; /* not trimmed yet, parked longest first; pooled stacks too */
	struct list_node fibers; /* all that live */
	struct list_node pool;   /* stacks without a fiber */
	size_t fiber_count, pool_count;
	struct heap deadlines; /* of fibers, and `sweep` */
	struct heap_node sweep;
	uint64_t random[4];
	const struct log *log;
	int64_t slice_warn_ns;
	bool is_slice_fatal;
	int64_t wait_fatal_ns;
	int sched_fd; /* what the scheduler tells of this thread, where slices are fatal; or -1 */
	char name[LOOP_NAME_MAX];
	/* Shared with other threads, on a cache line of their own. */
	_Alignas(64) _Atomic(struct loop_msg *) inbox; /* last posted first */
	atomic_bool is_sleeping;
	_Atomic unsigned posting; /* threads that are in loop_post now */
};

/** The loop of this thread in run/loop.c's keeping. */
void loop_init(struct loop *l, const struct loop_ops *ops, const struct loop_opts *opts);
void loop_fini(struct loop *l);

/** End the process for a bug of ours, telling why. */
void loop_die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn, cold));
/** The same, with the fibers of the loop and how long they have been parked. */
void loop_die_of(struct loop *l, const char *what) __attribute__((noreturn, cold));

/** Give a runnable or parked fiber its slice now. From the loop's own stack only. */
void loop_resume(struct loop *l, struct fiber *f);
/** Put a fiber that ended its wait into the run queue. */
static inline void loop_ready(struct loop *l, struct fiber *f)
{
	list_push_back(&l->runq, &f->queue_node);
}
/** A fiber or a pooled stack has just been parked: let the sweep know it. */
void loop_sweep_arm(struct loop *l);
/** The fiber waits until deadline_ns; whoever ends the wait need not take it back. */
void loop_deadline_set(struct loop *l, struct fiber *f, int64_t deadline_ns);

static inline bool loop_has_mail(struct loop *l)
{
	return atomic_load(&l->inbox) != NULL;
}

static inline int64_t loop_now(struct loop *l)
{
	return l->ops->now_ns(l);
}

void random_seed(uint64_t state[4], uint64_t seed);
void random_seed_kernel(uint64_t state[4]);
uint64_t random_next(uint64_t state[4]);
