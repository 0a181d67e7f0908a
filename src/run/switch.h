#pragma once
/* The raw switch of stacks, under fibers and under the library's steps. It knows nothing of loops: two
 * stacks, a home (a thread's own) and another, and control that goes back and forth between them,
 * always on one thread. The sanitizers are told.
 *
 *	switch_enter(&home, &ctx, body, arg);	// returns when body calls switch_out or switch_end
 *	switch_in(&home, &ctx);			// body goes on behind its switch_out
 */

#include <setjmp.h>
#include <stddef.h>

/* A stack that can be switched away from and back to. The maker sets bottom and size, and calls
 * switch_ctx_init; a home needs zeros only. */
struct fiber_ctx {
	sigjmp_buf regs;
	char *sp;           /* no byte below is needed while it is switched away */
	const void *bottom; /* lowest usable byte; the sanitizers want to know */
	size_t size;
	void *asan_fake;
	void *tsan;
};

void switch_ctx_init(struct fiber_ctx *c);
/** Before its memory is given back. */
void switch_ctx_fini(struct fiber_ctx *c);

/** Run body(arg) on the fresh stack of `to`. body must not return: it ends with switch_end. */
void switch_enter(struct fiber_ctx *home, struct fiber_ctx *to, void (*body)(void *arg), void *arg);
/** Go on where `to` left with switch_out (or, used again, behind its switch_end). */
void switch_in(struct fiber_ctx *home, struct fiber_ctx *to);
/** From the other stack: back home, until somebody switches in again. */
void switch_out(struct fiber_ctx *from, struct fiber_ctx *home);
/** The same, with no frame that is needed again but the caller's own. */
void switch_end(struct fiber_ctx *from, struct fiber_ctx *home);
