/* The bottom of a connection without a loop: a non-blocking socket whose waits are the step's. */

#include "libyz/libyz_priv.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/mem.h"

#define SOCKET_PARTS 16 /* to one sendmsg */

struct socket_filter {
	struct filter filter;
	struct step *step;
	int fd;
	bool is_drained; /* the last read found less than it asked for */
	bool is_tcp;
	bool is_owing; /* octets came since the last write: their ACK may wait for our next one */
};

/* A peer that pipelines its replies in several writes, and has Nagle's algorithm on, sends the second
 * one when the first has been acknowledged; and we, who wait for it, write nothing that would carry
 * the ACK: 40 ms a message against Postfix. So it is sent before we wait for more. */
static void ack_now(struct socket_filter *s)
{
	int one = 1;

	if (s->is_tcp && s->is_owing)
		setsockopt(s->fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof(one));
	s->is_owing = false;
}

static int peer_error(struct err *e, int sys_errno, const char *what)
{
	err_sys(e, sys_errno, "%s", what);
	return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
}

static FIBER ssize_t socket_read(
	struct filter *f, void *p, size_t n, int64_t deadline_ns, struct err *e)
{
	struct socket_filter *s = (struct socket_filter *)f;

	for (;;) {
		ssize_t got = recv(s->fd, p, n, 0);

		if (got >= 0) {
			s->is_drained = (size_t)got < n;
			s->is_owing = true;
			return step_breathe(s->step, (size_t)got, e) < 0 ? -1 : got;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN && errno != EWOULDBLOCK)
			return peer_error(e, errno, "receiving");
		ack_now(s);
		if (step_wait(s->step, s->fd, YZ_READ, deadline_ns, e) < 0)
			return -1;
	}
}

/* Skip `sent` octets of the parts: what is left begins at *first with `*from` octets gone. */
static void advance(
	const struct span *parts, size_t count, size_t *first, size_t *from, size_t sent)
{
	while (*first < count && sent >= parts[*first].len - *from) {
		sent -= parts[*first].len - *from;
		*from = 0;
		++*first;
	}
	*from += sent;
}

static FIBER int socket_write(struct filter *f, const struct span *parts, size_t count,
	int64_t deadline_ns, struct err *e)
{
	struct socket_filter *s = (struct socket_filter *)f;
	struct iovec vec[SOCKET_PARTS];
	size_t first = 0, from = 0;

	advance(parts, count, &first, &from, 0);
	while (first < count) {
		/* The kernel copies, and over loopback delivers, within the call. */
		size_t room = step_is_nonblocking(s->step) ? YZ_STEP_WRITE : SIZE_MAX;
		struct msghdr msg = {.msg_iov = vec};
		ssize_t sent;

		for (size_t i = first; i < count && room && msg.msg_iovlen < SOCKET_PARTS; i++) {
			size_t skip = i == first ? from : 0, n = parts[i].len - skip;

			n = n < room ? n : room;
			vec[msg.msg_iovlen].iov_base = (void *)(uintptr_t)(parts[i].ptr + skip);
			vec[msg.msg_iovlen++].iov_len = n;
			room -= n;
		}
		sent = sendmsg(s->fd, &msg, MSG_NOSIGNAL);
		if (sent >= 0) {
			s->is_owing = false;
			advance(parts, count, &first, &from, (size_t)sent);
			if (step_breathe(s->step, (size_t)sent, e) < 0)
				return -1;
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			if (step_wait(s->step, s->fd, YZ_WRITE, deadline_ns, e) < 0)
				return -1;
		} else if (errno != EINTR) {
			return peer_error(e, errno, "sending");
		}
	}
	return 0;
}

static FIBER int socket_shutdown(struct filter *f, int64_t deadline_ns, struct err *e)
{
	struct socket_filter *s = (struct socket_filter *)f;

	if (shutdown(s->fd, SHUT_WR) < 0 && errno != ENOTCONN)
		return peer_error(e, errno, "closing");
	return 0;
}

static FIBER int socket_wait(struct filter *f, int64_t deadline_ns, struct err *e)
{
	struct socket_filter *s = (struct socket_filter *)f;

	ack_now(s);
	if (step_wait(s->step, s->fd, YZ_READ, deadline_ns, e) < 0)
		return -1;
	s->is_drained = false;
	return 0;
}

static bool socket_has_input(struct filter *f)
{
	return !((struct socket_filter *)f)->is_drained;
}

static bool socket_poll(struct filter *f)
{
	struct socket_filter *s = (struct socket_filter *)f;
	char octet;
	ssize_t got = recv(s->fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return false;
	s->is_drained = false;
	return true;
}

static void socket_free(struct filter *f)
{
	struct socket_filter *s = (struct socket_filter *)f;

	close(s->fd);
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
	return failed ? peer_error(e, failed, "connecting") : 0;
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

static void set_addresses(struct stream *st, int fd)
{
	st->peer.len = st->local.len = sizeof(st->peer) - sizeof(st->peer.len);
	if (getpeername(fd, &st->peer.sa, &st->peer.len) < 0)
		st->peer.len = 0;
	if (getsockname(fd, &st->local.sa, &st->local.len) < 0)
		st->local.len = 0;
	addr_unmap(&st->peer);
	addr_unmap(&st->local);
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
			return peer_error(e, errno, "connecting");
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
	f->fd = fd;
	f->is_drained = true;
	f->is_tcp = addr_is_ip(to);
	st = stream_new(&f->filter);
	set_addresses(st, fd);
	*fd_r = fd;
	return st;
}
