/* The switch of stacks.
 *
 * A stack is entered for the first time through makecontext; every later switch is
 * sigsetjmp(…, 0) and siglongjmp, which make no system call. This file is built without
 * _FORTIFY_SOURCE, whose longjmp check takes a jump to another stack for an attack. Switches are
 * always between a stack and its home, never between two others. */

#include "run/switch.h"

#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

#include "base/must.h"
#include "run/sanitize.h"

void switch_ctx_init(struct fiber_ctx *c)
{
	sanitize_fiber_new(c);
}

void switch_ctx_fini(struct fiber_ctx *c)
{
	sanitize_fiber_free(c);
}

/* Leave `from` for `to`; returns when somebody switches back. */
static SANITIZE_NO_TSAN __attribute__((noinline)) void switch_jump(
	struct fiber_ctx *from, struct fiber_ctx *to, bool is_ending)
{
	from->sp = __builtin_frame_address(0);
	if (sigsetjmp(from->regs, 0) == 0) {
		sanitize_switch(from, to, is_ending);
		siglongjmp(to->regs, 1);
	}
}

/* Lives in switch_enter's frame, which waits while it is read. */
struct switch_start {
	struct fiber_ctx *home, *to;
	void (*body)(void *arg);
	void *arg;
};

static SANITIZE_NO_TSAN void switch_bottom(unsigned high, unsigned low)
{
	struct switch_start *at = (struct switch_start *)((uintptr_t)high << 32 | low);
	void (*body)(void *arg) = at->body;
	void *arg = at->arg;

	sanitize_switched(at->to, at->home);
	body(arg);
	MUST(!"a stack's body must end with switch_end");
}

SANITIZE_NO_TSAN __attribute__((noinline)) void switch_enter(
	struct fiber_ctx *home, struct fiber_ctx *to, void (*body)(void *arg), void *arg)
{
	struct switch_start start = {.home = home, .to = to, .body = body, .arg = arg};
	ucontext_t first;

	MUST(getcontext(&first) == 0);
	first.uc_stack.ss_sp = (void *)(uintptr_t)to->bottom;
	first.uc_stack.ss_size = to->size;
	first.uc_link = NULL;
	makecontext(&first, (void (*)(void))switch_bottom, 2, (unsigned)((uintptr_t)&start >> 32),
		(unsigned)(uintptr_t)&start);
	if (sigsetjmp(home->regs, 0) == 0) {
		sanitize_switch(home, to, false);
		setcontext(&first);
	}
	sanitize_switched(home, NULL);
}

SANITIZE_NO_TSAN void switch_in(struct fiber_ctx *home, struct fiber_ctx *to)
{
	switch_jump(home, to, false);
	sanitize_switched(home, NULL);
}

SANITIZE_NO_TSAN void switch_out(struct fiber_ctx *from, struct fiber_ctx *home)
{
	switch_jump(from, home, false);
	sanitize_switched(from, home);
}

SANITIZE_NO_TSAN void switch_end(struct fiber_ctx *from, struct fiber_ctx *home)
{
	switch_jump(from, home, true);
	sanitize_switched(from, home);
}
