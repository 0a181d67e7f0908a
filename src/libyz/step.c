/* How a session waits. Blocking: in poll(). Without blocking: the call runs on a stack of its own and
 * a wait switches back to the caller, having written down what it waits for. */

#include "libyz/libyz_priv.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/mem.h"
#include "base/must.h"
#include "run/switch.h"

#define STEP_PAGE 4096
/* What is further away is no limit (YZ_FOREVER); poll() counts milliseconds in an int. */
#define STEP_FOREVER_NS (INT32_MAX * CLOCK_MS)
#define STEP_MAP        (STEP_PAGE + YZ_STACK_BYTES)

struct step {
	bool is_nonblocking, is_active, is_cancelled;
	char *map; /* guard page and stack; NULL until the first call that does not block */
	struct fiber_ctx home, ctx;
	struct yz_session *session;
	struct call *call;
	int result;
	int fd, events;      /* waited for */
	int64_t deadline_ns; /* of the wait */
	int64_t until_ns;    /* this step gives the thread back then */
	size_t octets;       /* moved in this step */
};

struct step *step_new(void)
{
	struct step *st = NEW(struct step);

	st->fd = -1;
	return st;
}

static void step_stack_free(struct step *st)
{
	if (!st->map)
		return;
	switch_ctx_fini(&st->ctx);
	munmap(st->map, STEP_MAP);
	st->map = NULL;
}

void step_free(struct step **st_p)
{
	struct step *st = *st_p;

	*st_p = NULL;
	MUST(!st->is_active);
	step_stack_free(st);
	free(st);
}

void step_set_nonblocking(struct step *st, bool is_nonblocking)
{
	st->is_nonblocking = is_nonblocking;
	if (!is_nonblocking)
		step_stack_free(st);
}

bool step_is_nonblocking(const struct step *st)
{
	return st->is_nonblocking;
}

bool step_is_active(const struct step *st)
{
	return st->is_active;
}

/* ---- waiting ---- */

static int step_timed_out(struct err *e)
{
	err_set(e, ERR_TIMEOUT, "no answer in time");
	return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
}

static short step_poll_events(int events)
{
	return (short)((events & YZ_READ ? POLLIN : 0) | (events & YZ_WRITE ? POLLOUT : 0));
}

/* Round up: a wait must not end just before its deadline. */
static int64_t step_ms(int64_t deadline_ns)
{
	int64_t left_ns;

	if (deadline_ns == CLOCK_NEVER)
		return -1;
	left_ns = deadline_ns - clock_mono_ns();
	if (left_ns > STEP_FOREVER_NS)
		return -1;
	return left_ns <= 0 ? 0 : (left_ns + CLOCK_MS - 1) / CLOCK_MS;
}

static int step_poll(int fd, int events, int64_t deadline_ns, struct err *e)
{
	struct pollfd p = {.fd = fd, .events = step_poll_events(events)};

	for (;;) {
		int64_t ms = step_ms(deadline_ns);
		int n = poll(&p, fd < 0 ? 0 : 1, (int)ms);

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return err_sys(e, errno, "poll");
		if (deadline_ns != CLOCK_NEVER && clock_mono_ns() >= deadline_ns)
			return step_timed_out(e);
	}
}

static int step_cancelled(struct err *e)
{
	return err_set(e, ERR_CANCELLED, "cancelled");
}

/* Away to the caller of yz_step. */
static FIBER int step_switch_out(struct step *st, struct err *e)
{
	switch_out(&st->ctx, &st->home);
	return st->is_cancelled ? step_cancelled(e) : 0;
}

FIBER int step_wait(struct step *st, int fd, int events, int64_t deadline_ns, struct err *e)
{
	struct pollfd p = {.fd = fd, .events = step_poll_events(events)};

	if (!st->is_nonblocking)
		return step_poll(fd, events, deadline_ns, e);
	for (;;) {
		if (st->is_cancelled)
			return step_cancelled(e);
		if (fd >= 0 && poll(&p, 1, 0) > 0)
			return 0;
		if (deadline_ns != CLOCK_NEVER && clock_mono_ns() >= deadline_ns)
			return step_timed_out(e);
		st->fd = fd;
		st->events = events;
		st->deadline_ns = deadline_ns;
		if (step_switch_out(st, e) < 0)
			return -1;
	}
}

FIBER int step_breathe(struct step *st, size_t octets, struct err *e)
{
	if (!st->is_nonblocking)
		return 0;
	st->octets += octets;
	if (st->octets < YZ_STEP_OCTETS && clock_mono_ns() < st->until_ns)
		return 0;
	/* Go on at once, but let others have a turn: an expired deadline and no descriptor. */
	st->fd = -1;
	st->events = 0;
	st->deadline_ns = 0;
	return step_switch_out(st, e);
}

/* ---- running ---- */

static int step_run(struct yz_session *s, struct call *c)
{
	call_fn *run = c->run;
	int rc = run(s, c);

	/* What failed on the way and was made good is no error of the call. */
	if (rc == YZ_OK)
		s->error = (struct yz_error){0};
	return rc;
}

static void step_body(void *arg)
{
	struct step *st = arg;

	for (;;) {
		st->result = step_run(st->session, st->call);
		st->is_active = false;
		switch_end(&st->ctx, &st->home);
	}
}

static int step_stack_new(struct step *st)
{
	char *map = mmap(NULL, STEP_MAP, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);

	if (map == MAP_FAILED)
		return -1;
	if (mprotect(map, STEP_PAGE, PROT_NONE) < 0) {
		munmap(map, STEP_MAP);
		return -1;
	}
	st->map = map;
	st->ctx = (struct fiber_ctx){.bottom = map + STEP_PAGE, .size = YZ_STACK_BYTES};
	switch_ctx_init(&st->ctx);
	return 0;
}

static int step_enter(struct step *st, bool is_first)
{
	st->until_ns = clock_mono_ns() + YZ_STEP_NS;
	st->octets = 0;
	/* Each step may come from another stack of the same thread; a call, from another thread. */
	st->home = (struct fiber_ctx){0};
	if (is_first)
		switch_enter(&st->home, &st->ctx, step_body, st);
	else
		switch_in(&st->home, &st->ctx);
	return st->is_active ? YZ_E_AGAIN : st->result;
}

int step_begin(struct step *st, struct yz_session *s, struct call *c)
{
	bool is_first = !st->map;

	st->session = s;
	st->call = c;
	st->is_cancelled = false;
	if (!st->is_nonblocking)
		return step_run(s, c);
	if (is_first && step_stack_new(st) < 0) {
		fail(s, YZ_E_SYSTEM, "no memory for a stack");
		s->error.os_errno = errno;
		return YZ_E_SYSTEM;
	}
	st->is_active = true;
	return step_enter(st, is_first);
}

int step_resume(struct step *st)
{
	return step_enter(st, false);
}

void step_wants(const struct step *st, struct yz_want *want_r)
{
	want_r->fd = st->is_active ? st->fd : -1;
	want_r->events = st->is_active ? st->events : 0;
	want_r->timeout_ms = st->is_active ? step_ms(st->deadline_ns) : -1;
}

void step_cancel(struct step *st)
{
	st->is_cancelled = true;
	/* It unwinds without waiting again. */
	while (st->is_active)
		step_enter(st, false);
}
