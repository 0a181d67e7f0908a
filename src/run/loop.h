#pragma once
/* struct loop: one thread's event loop. loop_uv.c runs it on libuv; loop_sim.c plays it on a
 * virtual clock for tests (time jumps to the next deadline as soon as nothing is runnable).
 * All functions belong to the loop's own thread unless they say otherwise. */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "base/log.h"

struct loop;
struct fiber;

#define FIBER /* may yield: called from fibers only (run/fiber.h) */

struct loop_opts {
	const struct log *log; /* borrowed; slice watchdog and accept trouble go here */
	int64_t slice_warn_ns; /* 0: FIBER_SLICE_WARN_NS */
	bool is_slice_fatal;   /* tests: abort on a slice over the limit */
	const char *name;      /* copied: "loop0" */
	int64_t wait_fatal_ns; /* of such a slice, what it may have waited; 0: slice_warn_ns */
};

struct loop *loop_new_uv(const struct loop_opts *opts, struct err *e);
/** Virtual time starts at mono 1 s and the given wall time (ns since 1970). */
struct loop *loop_new_sim(const struct loop_opts *opts, int64_t wall_ns);
void loop_free(struct loop **l);

/** Run main_fn(arg) as the first fiber; return its result once it has returned (it joins what it
 * started). One thread may run one loop at a time. */
int loop_run(struct loop *l, int (*main_fn)(void *arg), void *arg, struct err *e);

/** Set the simulated wall clock (somebody has set the machine's); monotonic time goes on. */
void loop_sim_set_wall(int64_t wall_ns);

/** The loop of this thread, or NULL. */
struct loop *loop_current(void);
/** Is it a simulated one? There no other thread may answer a fiber: blocking work runs inline. */
bool loop_is_virtual(const struct loop *l);
/** Monotonic and wall time of this thread's loop (virtual in loop_sim); real time without one. */
int64_t loop_now_ns(void);
int64_t loop_wall_ns(void);

/** A message to a loop: fn(msg) runs on the loop's thread, outside fibers, must not yield. */
struct loop_msg {
	struct loop_msg *next;
	void (*fn)(struct loop_msg *msg);
};
/** From any thread. The loop must outlive the message. */
void loop_post(struct loop *l, struct loop_msg *msg);

/* Readiness of a file descriptor (not in loop_sim, where streams are pipes in memory). */
enum loop_io_dir { LOOP_READ = 1, LOOP_WRITE = 2 };
struct loop_io;
struct loop_io *loop_io_new(int fd, struct err *e); /* fd is borrowed, non-blocking */
void loop_io_free(struct loop_io **io);             /* before fd is closed */
/** Park until fd is ready in that direction. One waiter a direction. Registration stays armed
 * between waits, so that a request-reply conversation costs no epoll_ctl. Readiness is a level: what was not read is
 * ready at the next wait. Spurious returns happen. ERR_TIMEOUT, ERR_CANCELLED, ERR_IO. */
FIBER int loop_io_wait(
	struct loop_io *io, enum loop_io_dir dir, int64_t deadline_ns, struct err *e);

/* Signals: fn(signo, arg) on the loop's thread. NULL fn removes. */
int loop_signal(
	struct loop *l, int signo, void (*fn)(int signo, void *arg), void *arg, struct err *e);

/** The one door to blocking work: run fn(arg) on a thread of the lane while the fiber waits.
 * Result and error are fn's. ERR_BUSY at once when the lane's queue is full. Not cancellable
 * once handed over. In loop_sim it runs at the loop's next turn on the loop's own thread. */
struct work_lane;
typedef int work_fn(void *arg, struct err *e);
struct work_lane *work_lane_new(const char *name, unsigned threads, size_t queue_max);
/** The same with threads that give way to others by so much (nice(2); Linux has it by thread). */
struct work_lane *work_lane_new_nice(
	const char *name, unsigned threads, size_t queue_max, int niceness);
/** Joins its threads; no work may be under way. */
void work_lane_free(struct work_lane **lane);
FIBER int work_run(struct work_lane *lane, work_fn *fn, void *arg, struct err *e);
/** How many wait in the lane now, and its cap (for status). */
void work_lane_depth(struct work_lane *lane, size_t *waiting_r, size_t *max_r);

/** Random numbers for jitter and choices (not for keys): xoshiro per loop, seeded from the kernel;
 * loop_sim's are the same in every run. */
uint64_t loop_random(void);

/** One pointer that belongs to the current loop_sim, NULL at first: net_sim hangs its listening
 * names there. Returns NULL when this thread's loop is no simulation, or there is none. */
void **loop_sim_slot(void);
