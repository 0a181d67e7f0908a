/* The real loop. Descriptors are registered once with an epoll of our own, level-triggered, and
 * stay armed for reading; libuv's loop (signals) hangs in it as one more descriptor. Why not
 * uv_poll: it takes a descriptor out of epoll and puts it back at every change
 * (docs/decisions/loop-epoll.md). A turn of a conversation costs epoll_wait, recv and send. */

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <uv.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "run/loop_priv.h"

#define UV_EVENTS_MAX 128 /* taken from the kernel at once */

struct uv_sig {
	struct list_node node;
	uv_signal_t handle;
	void (*fn)(int signo, void *arg);
	void *arg;
};

struct loop_uv {
	struct loop base;
	int epoll_fd;
	int wake_fd;
	uv_loop_t uv;
	bool is_in_uv; /* uv_run does not nest */
	struct list_node sigs;
	size_t io_count;
	/* The batch being served: what is freed meanwhile is struck out. */
	struct epoll_event events[UV_EVENTS_MAX];
	int event_at, event_count;
	char outer_name[LOOP_NAME_MAX]; /* of the thread, before loop_run */
};

struct loop_io {
	struct loop_uv *loop;
	int fd;
	unsigned armed;           /* LOOP_READ | LOOP_WRITE as the kernel has it; 0: not there */
	struct fiber *waiters[2]; /* reader, writer */
};

static struct loop_uv *uv_of(struct loop *l)
{
	return (struct loop_uv *)l;
}

static int64_t uv_now_ns(struct loop *l)
{
	return clock_mono_ns();
}

static int64_t uv_wall_ns(struct loop *l)
{
	return clock_wall_ns();
}

/* ---- descriptors ------------------------------------------------------------------------- */

static int io_arm(struct loop_io *io, unsigned dirs, struct err *e)
{
	struct epoll_event ev = {.data = {.ptr = io}};
	int op = !dirs ? EPOLL_CTL_DEL : io->armed ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (dirs == io->armed)
		return 0;
	ev.events = (dirs & LOOP_READ ? EPOLLIN : 0u) | (dirs & LOOP_WRITE ? EPOLLOUT : 0u);
	if (epoll_ctl(io->loop->epoll_fd, op, io->fd, &ev) < 0)
		return err_sys(e, errno, "watching a descriptor");
	io->armed = dirs;
	return 0;
}

static struct loop_io *uv_io_new(struct loop *l, int fd, struct err *e)
{
	struct loop_io *io = NEW(struct loop_io);

	io->loop = uv_of(l);
	io->fd = fd;
	io->loop->io_count++;
	return io;
}

void loop_io_free(struct loop_io **iop)
{
	struct loop_io *io = *iop;
	struct loop_uv *u;

	if (!io)
		return;
	*iop = NULL;
	u = io->loop;
	MUST(&u->base == loop_current());
	MUST(!io->waiters[0] && !io->waiters[1]);
	io_arm(io, 0, NULL);
	for (int i = u->event_at; i < u->event_count; i++)
		if (u->events[i].data.ptr == io)
			u->events[i].data.ptr = NULL;
	u->io_count--;
	free(io);
}

int loop_io_wait(struct loop_io *io, enum loop_io_dir dir, int64_t deadline_ns, struct err *e)
{
	struct fiber **slot = &io->waiters[dir == LOOP_WRITE];
	struct fiber *f = fiber_self();
	enum fiber_cause cause = FIBER_CANCELLED;

	MUST(f && !*slot && f->loop == &io->loop->base);
	if (!f->is_cancelled) {
		if (!(io->armed & dir) && io_arm(io, io->armed | dir, e) < 0)
			return -1;
		*slot = f;
		cause = fiber_wait(f, deadline_ns, false);
		*slot = NULL;
	}
	return fiber_wait_result(cause, e);
}

/* Readiness: straight into the fiber that waits. A direction that nobody waits for is disarmed now
 * and armed again by the next wait, for it would be reported at every turn. */
static void io_event(struct loop_uv *u, struct loop_io *io, unsigned events)
{
	/* Errors and hang-ups are reported whether asked for or not, to both sides. */
	bool is_over = events & (EPOLLERR | EPOLLHUP);
	unsigned ready = (is_over || events & EPOLLIN ? (unsigned)LOOP_READ : 0) |
		(is_over || events & EPOLLOUT ? (unsigned)LOOP_WRITE : 0);
	struct fiber *reader = ready & LOOP_READ ? io->waiters[0] : NULL;
	struct fiber *writer = ready & LOOP_WRITE ? io->waiters[1] : NULL;
	unsigned unwanted = ready &
		~((reader ? (unsigned)LOOP_READ : 0) | (writer ? (unsigned)LOOP_WRITE : 0));

	if (unwanted & io->armed)
		io_arm(io, io->armed & ~unwanted, NULL);
	/* One goes first, and may free what the other needs: that one takes the queue. */
	if (reader && writer) {
		fiber_wake(writer);
		writer = NULL;
	}
	if (!reader)
		reader = writer;
	/* One that has just timed out or been cancelled is in the queue already. */
	if (reader && reader->state == FIBER_PARKED) {
		reader->cause = FIBER_WOKEN;
		loop_resume(&u->base, reader);
	}
}

/* ---- signals ----------------------------------------------------------------------------- */

static void uv_turn(struct loop_uv *u)
{
	/* A signal's fn may set another: the turn under way sees to it. */
	if (u->is_in_uv)
		return;
	u->is_in_uv = true;
	uv_run(&u->uv, UV_RUN_NOWAIT);
	u->is_in_uv = false;
}

static void uv_sig_came(uv_signal_t *handle, int signo)
{
	struct uv_sig *s = CONTAINER_OF(handle, struct uv_sig, handle);

	s->fn(signo, s->arg);
}

static void uv_sig_closed(uv_handle_t *handle)
{
	free(CONTAINER_OF((uv_signal_t *)handle, struct uv_sig, handle));
}

static void uv_sig_drop(struct uv_sig *s)
{
	list_remove(&s->node);
	uv_close((uv_handle_t *)&s->handle, uv_sig_closed);
}

static int uv_signal_set(
	struct loop *l, int signo, void (*fn)(int signo, void *arg), void *arg, struct err *e)
{
	struct loop_uv *u = uv_of(l);
	struct uv_sig *s;
	int rc;

	LIST_EACH_SAFE (n, &u->sigs) {
		s = LIST_ITEM(n, struct uv_sig, node);
		if (s->handle.signum == signo)
			uv_sig_drop(s);
	}
	if (fn) {
		s = NEW(struct uv_sig);
		s->fn = fn;
		s->arg = arg;
		MUST(uv_signal_init(&u->uv, &s->handle) == 0);
		list_push_back(&u->sigs, &s->node);
		rc = uv_signal_start(&s->handle, uv_sig_came, signo);
		if (rc < 0) {
			uv_sig_drop(s);
			return err_sys(e, -rc, "watching for signal %d", signo);
		}
	}
	/* New watchers reach the kernel, closing ones end. */
	uv_turn(u);
	return 0;
}

/* ---- sleeping ------------------------------------------------------------------------- */

static void uv_poll_events(struct loop *l, int64_t deadline_ns)
{
	struct loop_uv *u = uv_of(l);
	int timeout_ms = 0;

	if (deadline_ns == CLOCK_NEVER) {
		timeout_ms = -1;
	} else if (deadline_ns > l->tick_ns) {
		/* Rounded up: never early, at most a millisecond late. */
		int64_t ms = (deadline_ns - l->tick_ns + CLOCK_MS - 1) / CLOCK_MS;

		timeout_ms = ms > INT_MAX ? INT_MAX : (int)ms;
	}
	if (timeout_ms) {
		atomic_store(&l->is_sleeping, true);
		if (loop_has_mail(l))
			timeout_ms = 0;
	}
	u->event_count = epoll_wait(u->epoll_fd, u->events, UV_EVENTS_MAX, timeout_ms);
	MUST(u->event_count >= 0 || errno == EINTR);
	atomic_store_explicit(&l->is_sleeping, false, memory_order_relaxed);
	l->tick_ns = uv_now_ns(l);
	for (u->event_at = 0; u->event_at < u->event_count;) {
		struct epoll_event *ev = &u->events[u->event_at++];

		if (ev->data.ptr == &u->uv)
			uv_turn(u);
		else if (ev->data.ptr)
			io_event(u, ev->data.ptr, ev->events);
	}
	u->event_count = 0;
}

/* The counter is edge-triggered and never read: each write is one more event. */
static void uv_wake(struct loop *l)
{
	uint64_t one = 1;
	ssize_t n;

	do
		n = write(uv_of(l)->wake_fd, &one, sizeof(one));
	while (n < 0 && errno == EINTR);
	MUST(n == sizeof(one));
}

/* ---- life -------------------------------------------------------------------------------- */

static void uv_enter(struct loop *l)
{
	struct loop_uv *u = uv_of(l);

	/* Tests know a loop's thread by this name. */
	if (pthread_getname_np(pthread_self(), u->outer_name, sizeof(u->outer_name)) != 0)
		u->outer_name[0] = '\0';
	pthread_setname_np(pthread_self(), l->name);
}

static void uv_leave(struct loop *l)
{
	struct loop_uv *u = uv_of(l);

	uv_turn(u);
	pthread_setname_np(pthread_self(), u->outer_name);
}

static void uv_free(struct loop *l)
{
	struct loop_uv *u = uv_of(l);

	MUST(u->io_count == 0);
	while (!list_empty(&u->sigs))
		uv_sig_drop(LIST_ITEM(u->sigs.next, struct uv_sig, node));
	uv_run(&u->uv, UV_RUN_DEFAULT);
	MUST(uv_loop_close(&u->uv) == 0);
	close(u->wake_fd);
	close(u->epoll_fd);
	free(u);
}

static const struct loop_ops uv_ops = {
	.now_ns = uv_now_ns,
	.wall_ns = uv_wall_ns,
	.poll = uv_poll_events,
	.wake = uv_wake,
	.enter = uv_enter,
	.leave = uv_leave,
	.io_new = uv_io_new,
	.signal = uv_signal_set,
	.free = uv_free,
};

static int uv_watch(struct loop_uv *u, int fd, unsigned events, void *tag, struct err *e)
{
	struct epoll_event ev = {.events = events, .data = {.ptr = tag}};

	if (epoll_ctl(u->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return err_sys(e, errno, "epoll_ctl");
	return 0;
}

struct loop *loop_new_uv(const struct loop_opts *opts, struct err *e)
{
	struct loop_uv *u = aligned_alloc(64, (sizeof(*u) + 63) & ~(size_t)63);
	int rc;

	MUST(u);
	memset(u, 0, sizeof(*u));
	loop_init(&u->base, &uv_ops, opts);
	random_seed_kernel(u->base.random);
	list_init(&u->sigs);
	rc = uv_loop_init(&u->uv);
	if (rc < 0) {
		err_sys(e, -rc, "libuv loop");
		free(u);
		return NULL;
	}
	u->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	u->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (u->epoll_fd < 0 || u->wake_fd < 0) {
		err_sys(e, errno, "epoll and eventfd");
	} else if (uv_watch(u, u->wake_fd, EPOLLIN | EPOLLET, NULL, e) == 0 &&
		uv_watch(u, uv_backend_fd(&u->uv), EPOLLIN, &u->uv, e) == 0) {
		return &u->base;
	}
	if (u->epoll_fd >= 0)
		close(u->epoll_fd);
	if (u->wake_fd >= 0)
		close(u->wake_fd);
	MUST(uv_loop_close(&u->uv) == 0);
	free(u);
	return NULL;
}
