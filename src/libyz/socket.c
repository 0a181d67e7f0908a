/* The bottom of a connection without a loop: a non-blocking socket whose waits are the step's. */

#include "libyz/libyz_priv.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/sock.h"

struct socket_filter {
	struct filter filter;
	struct sock sock;
	struct step *step;
};

static FIBER int socket_wait(struct filter *f, int64_t deadline_ns, struct err *e)
{
	struct socket_filter *s = (struct socket_filter *)f;

	sock_ack(&s->sock);
	if (step_wait(s->step, s->sock.fd, YZ_READ, deadline_ns, e) < 0)
		return -1;
	s->sock.is_drained = false;
	return 0;
}

static bool socket_has_input(struct filter *f)
{
	return !((struct socket_filter *)f)->sock.is_drained;
}

static bool socket_poll(struct filter *f)
{
	return sock_poll(&((struct socket_filter *)f)->sock);
}

static FIBER ssize_t socket_read(
	struct filter *f, void *p, size_t n, int64_t deadline_ns, struct err *e)
{
	struct socket_filter *s = (struct socket_filter *)f;

	for (;;) {
		ssize_t got = sock_recv(&s->sock, p, n);

		if (got >= 0)
			return step_breathe(s->step, (size_t)got, e) < 0 ? -1 : got;
		if (errno != EAGAIN)
			return sock_error(e, errno, "receiving");
		if (socket_wait(f, deadline_ns, e) < 0)
			return -1;
	}
}

static FIBER int socket_write(struct filter *f, const struct span *parts, size_t count,
	int64_t deadline_ns, struct err *e)
{
	struct socket_filter *s = (struct socket_filter *)f;
	struct sock_rest rest = {parts, count, 0};
	/* The kernel copies, and over loopback delivers, within the call. */
	size_t room = step_is_nonblocking(s->step) ? YZ_STEP_WRITE : SIZE_MAX, sent;

	for (;;) {
		int rc = sock_send(&s->sock, &rest, room, &sent);

		if (rc > 0)
			return 0;
		if (rc == 0 && step_breathe(s->step, sent, e) < 0)
			return -1;
		if (rc == 0)
			continue;
		if (errno != EAGAIN)
			return sock_error(e, errno, "sending");
		if (step_wait(s->step, s->sock.fd, YZ_WRITE, deadline_ns, e) < 0)
			return -1;
	}
}

static FIBER int socket_shutdown(struct filter *f, int64_t deadline_ns, struct err *e)
{
	return sock_shutdown(&((struct socket_filter *)f)->sock, e);
}

static void socket_free(struct filter *f)
{
	struct socket_filter *s = (struct socket_filter *)f;

	close(s->sock.fd);
	free(s);
}

static const struct filter_ops socket_ops = {
	.name = "socket",
	.read = socket_read,
	.write = socket_write,
	.shutdown = socket_shutdown,
	.free = socket_free,
	.wait = socket_wait,
	.has_input = socket_has_input,
	.poll = socket_poll,
};

/* ---- connecting ---- */

static FIBER int finish_connect(struct yz_session *s, int fd, int64_t deadline_ns, struct err *e)
{
	socklen_t len = sizeof(int);
	int failed = 0;

	if (step_wait(s->step, fd, YZ_WRITE, deadline_ns, e) < 0)
		return -1;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &len) < 0)
		failed = errno;
	return failed ? sock_error(e, failed, "connecting") : 0;
}

static int set_source(struct yz_session *s, int fd, const struct addr *to, struct err *e)
{
	const char *name = s->opts.interface;
	struct addr from;
	int one = 1;

	if (name && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name)) < 0)
		return err_sys(e, errno, "binding to the interface %s", name);
	if (!s->opts.source_address)
		return 0;
	if (addr_parse(span_str(s->opts.source_address), 0, &from, e) < 0)
		return -1;
	if (from.sa.sa_family != to->sa.sa_family)
		return err_set(e, ERR_IO, "the source address is of another family");
	/* Only the address is chosen now; the port at connect, where it can be shared. */
	if (addr_port(&from) == 0)
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	if (bind(fd, &from.sa, from.len) < 0)
		return err_sys(e, errno, "binding the source address %s", s->opts.source_address);
	return 0;
}

static FIBER int connect_fd(
	struct yz_session *s, int fd, const struct addr *to, int64_t deadline_ns, struct err *e)
{
	int one = 1;

	if (addr_is_ip(to)) {
		/* Whole commands are written at once: nothing is gained by waiting for an ACK. */
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (set_source(s, fd, to, e) < 0)
			return -1;
	}
	while (connect(fd, &to->sa, to->len) < 0) {
		if (errno == EINPROGRESS || errno == EINTR)
			return finish_connect(s, fd, deadline_ns, e);
		/* unix(7): a full backlog of a Unix socket cannot be waited for. */
		if (errno != EAGAIN || !addr_is_unix(to))
			return sock_error(e, errno, "connecting");
		if (clock_mono_ns() >= deadline_ns) {
			err_set(e, ERR_TIMEOUT, "connecting: the backlog stays full");
			return -1;
		}
		if (step_wait(s->step, -1, 0, clock_mono_ns() + YZ_UNIX_RETRY_NS, e) < 0 &&
			(!e || e->code != ERR_TIMEOUT))
			return -1;
	}
	return 0;
}

FIBER struct stream *connect_socket(
	struct yz_session *s, const struct addr *to, int64_t deadline_ns, int *fd_r, struct err *e)
{
	int fd = socket(to->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct socket_filter *f;
	struct stream *st;

	if (fd < 0) {
		err_sys(e, errno, "making a socket");
		return NULL;
	}
	if (connect_fd(s, fd, to, deadline_ns, e) < 0) {
		close(fd);
		return NULL;
	}
	f = NEW(struct socket_filter);
	f->filter.ops = &socket_ops;
	f->step = s->step;
	f->sock.fd = fd;
	f->sock.is_drained = true;
	f->sock.is_tcp = addr_is_ip(to);
	st = stream_new(&f->filter);
	sock_addresses(st, fd);
	*fd_r = fd;
	return st;
}
