/* A transport of the caller's own as the bottom of a connection. */

#include "libyz/libyz_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct transport_filter {
	struct filter filter;
	struct step *step;
	struct yz_transport transport;
};

static int64_t left_ms(int64_t deadline_ns)
{
	int64_t left_ns;

	if (deadline_ns == CLOCK_NEVER)
		return -1;
	left_ns = deadline_ns - clock_mono_ns();
	return left_ns <= 0 ? 0 : (left_ns + CLOCK_MS - 1) / CLOCK_MS;
}

/* What a callback that failed has said: 0 wait and call again, -1 it is over. */
static FIBER int transport_failed(
	struct transport_filter *t, int os_errno, int events, int64_t deadline_ns, struct err *e)
{
	if (os_errno == EINTR)
		return 0;
	if (os_errno == EAGAIN || os_errno == EWOULDBLOCK) {
		if (step_is_nonblocking(t->step) && t->transport.fd >= 0)
			return step_wait(t->step, t->transport.fd, events, deadline_ns, e);
		os_errno = ETIMEDOUT;
	}
	if (os_errno == ETIMEDOUT) {
		err_set(e, ERR_TIMEOUT, "no answer in time");
		return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
	}
	err_sys(e, os_errno ? os_errno : EIO, events == YZ_READ ? "receiving" : "sending");
	return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
}

/* In a session that must not block the callback is not given time to wait. */
static int64_t transport_ms(const struct transport_filter *t, int64_t deadline_ns)
{
	return step_is_nonblocking(t->step) && t->transport.fd >= 0 ? 0 : left_ms(deadline_ns);
}

static FIBER ssize_t transport_read(
	struct filter *f, void *p, size_t n, int64_t deadline_ns, struct err *e)
{
	struct transport_filter *t = (struct transport_filter *)f;

	for (;;) {
		int why = 0;
		long got = t->transport.read(
			t->transport.arg, p, n, transport_ms(t, deadline_ns), &why);

		if (got >= 0)
			return (size_t)got <= n ? got
						: err_set(e, ERR_IO, "the transport read too much");
		if (transport_failed(t, why, YZ_READ, deadline_ns, e) < 0)
			return -1;
	}
}

static FIBER int transport_write(struct filter *f, const struct span *parts, size_t count,
	int64_t deadline_ns, struct err *e)
{
	struct transport_filter *t = (struct transport_filter *)f;

	for (size_t i = 0; i < count; i++) {
		struct span s = parts[i];

		while (s.len) {
			int why = 0;
			long put = t->transport.write(
				t->transport.arg, s.ptr, s.len, transport_ms(t, deadline_ns), &why);

			if (put > 0)
				s = span_skip(s, (size_t)put);
			else if (transport_failed(
					 t, put == 0 ? EIO : why, YZ_WRITE, deadline_ns, e) < 0)
				return -1;
		}
	}
	return 0;
}

/* It has no such notion: closing is the end. */
static FIBER int transport_shutdown(struct filter *f, int64_t deadline_ns, struct err *e)
{
	return 0;
}

/* Whether something can be read is only known by reading: with no descriptor nobody is asked. */
static FIBER int transport_wait(struct filter *f, int64_t deadline_ns, struct err *e)
{
	return 0;
}

static bool transport_has_input(struct filter *f)
{
	return true;
}

static bool transport_poll(struct filter *f)
{
	return false;
}

static void transport_free(struct filter *f)
{
	struct transport_filter *t = (struct transport_filter *)f;

	if (t->transport.close)
		t->transport.close(t->transport.arg);
	free(t);
}

static const struct filter_ops transport_ops = {
	.name = "transport",
	.read = transport_read,
	.write = transport_write,
	.shutdown = transport_shutdown,
	.free = transport_free,
	.wait = transport_wait,
	.has_input = transport_has_input,
	.poll = transport_poll,
};

struct stream *transport_open(struct yz_session *s, const struct yz_transport *transport)
{
	struct transport_filter *t = NEW(struct transport_filter);

	t->filter.ops = &transport_ops;
	t->step = s->step;
	t->transport = *transport;
	return stream_new(&t->filter);
}
