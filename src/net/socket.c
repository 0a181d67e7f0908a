/* TCP and Unix sockets: the filter at the bottom of a stream, listening, accepting, connecting.
 *
 * System calls are counted: a read that came back short has emptied the socket, so the next one
 * waits first; accept4 gives a non-blocking descriptor; replies are written without asking whether
 * the socket takes them. One request and its reply cost one recv, one sendmsg and the loop's wait. */

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/net_priv.h"
#include "net/sock.h"

struct socket_filter {
	struct filter filter;
	struct sock sock;
	struct loop_io *io;
};

static FIBER int socket_wait(struct filter *f, int64_t deadline_ns, struct err *e)
{
	struct socket_filter *s = (struct socket_filter *)f;

	if (!s->sock.is_drained)
		return 0;
	sock_ack(&s->sock);
	if (loop_io_wait(s->io, LOOP_READ, deadline_ns, e) < 0)
		return net_err_peer(e);
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
		ssize_t got;

		if (socket_wait(f, deadline_ns, e) < 0)
			return -1;
		got = sock_recv(&s->sock, p, n);
		if (got >= 0)
			return got;
		if (errno != EAGAIN)
			return sock_error(e, errno, "receiving");
	}
}

static FIBER int socket_write(struct filter *f, const struct span *parts, size_t count,
	int64_t deadline_ns, struct err *e)
{
	struct socket_filter *s = (struct socket_filter *)f;
	struct sock_rest rest = {parts, count, 0};
	size_t sent;

	for (;;) {
		int rc = sock_send(&s->sock, &rest, SIZE_MAX, &sent);

		if (rc > 0)
			return 0;
		if (rc == 0)
			continue;
		if (errno != EAGAIN)
			return sock_error(e, errno, "sending");
		if (loop_io_wait(s->io, LOOP_WRITE, deadline_ns, e) < 0)
			return net_err_peer(e);
	}
}

static FIBER int socket_shutdown(struct filter *f, int64_t deadline_ns, struct err *e)
{
	return sock_shutdown(&((struct socket_filter *)f)->sock, e);
}

static void socket_free(struct filter *f)
{
	struct socket_filter *s = (struct socket_filter *)f;

	loop_io_free(&s->io);
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

int socket_filter_fd(const struct filter *f)
{
	return f->ops == &socket_ops ? ((const struct socket_filter *)f)->sock.fd : -1;
}

static void socket_tune(int fd, int family, bool is_accepted)
{
	int one = 1;

	if (family != AF_INET && family != AF_INET6)
		return;
	/* Whole replies are written at once, so nothing is gained by waiting for the peer's ACK. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (is_accepted)
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
}

/* Takes over fd, on failure too. */
static struct stream *socket_stream(int fd, bool is_accepted, struct err *e)
{
	struct socket_filter *s;
	struct stream *st;
	struct loop_io *io = loop_io_new(fd, e);

	if (!io) {
		close(fd);
		return NULL;
	}
	s = NEW(struct socket_filter);
	s->filter.ops = &socket_ops;
	s->sock.fd = fd;
	s->io = io;
	/* Nothing has come yet in most protocols here, and where it has the loop tells at once. */
	s->sock.is_drained = true;
	st = stream_new(&s->filter);
	sock_addresses(st, fd);
	s->sock.is_tcp = st->local.len && addr_is_ip(&st->local);
	socket_tune(fd, st->local.len ? st->local.sa.sa_family : AF_UNSPEC, is_accepted);
	return st;
}

/* ---- connecting ---- */

static FIBER int socket_connect_wait(int fd, int64_t deadline_ns, struct err *e)
{
	struct loop_io *io = loop_io_new(fd, e);
	socklen_t len = sizeof(int);
	int failed = 0, rc;

	if (!io)
		return -1;
	rc = loop_io_wait(io, LOOP_WRITE, deadline_ns, e);
	loop_io_free(&io);
	if (rc < 0)
		return net_err_peer(e);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &len) < 0)
		failed = errno;
	return failed ? sock_error(e, failed, "connecting") : 0;
}

static FIBER int socket_connect_fd(
	int fd, const struct addr *to, int64_t deadline_ns, struct err *e)
{
	while (connect(fd, &to->sa, to->len) < 0) {
		if (errno == EINPROGRESS || errno == EINTR)
			return socket_connect_wait(fd, deadline_ns, e);
		/* unix(7): a full backlog of a Unix socket is not waited for. */
		if (errno != EAGAIN || !addr_is_unix(to))
			return sock_error(e, errno, "connecting");
		if (loop_now_ns() >= deadline_ns) {
			err_set(e, ERR_TIMEOUT, "connecting: the backlog stays full");
			return net_err_peer(e);
		}
		if (fiber_sleep(NET_UNIX_RETRY, e) < 0)
			return -1;
	}
	return 0;
}

static int socket_bind_source(int fd, const struct addr *from, struct err *e)
{
	int one = 1;

	/* Only the address is chosen now; the port at connect, where it can be shared. */
	if (addr_port(from) == 0)
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	if (bind(fd, &from->sa, from->len) < 0)
		return err_sys(e, errno, "binding the source address");
	return 0;
}

FIBER struct stream *socket_connect(
	const struct addr *to, const struct addr *from, int64_t deadline_ns, struct err *e)
{
	int fd = socket(to->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		err_sys(e, errno, "making a socket");
		return NULL;
	}
	if ((from && from->len && socket_bind_source(fd, from, e) < 0) ||
		socket_connect_fd(fd, to, deadline_ns, e) < 0) {
		close(fd);
		return NULL;
	}
	return socket_stream(fd, false, e);
}

/* ---- listening ---- */

struct socket_listener {
	struct net_listener listener;
	int fd;
	struct loop_io *io; /* made at the first accept, on the loop that accepts */
	bool is_drained;    /* the last accept found nobody */
	bool is_reuseport;
	bool is_shared; /* clones accept from the same socket (Unix, inherited) */
	bool owns_file; /* unlink the Unix socket's file in the end */
	unsigned burst;
};

static const struct net_listener_ops socket_listener_ops;

static struct socket_listener *socket_listener_new(int fd)
{
	struct socket_listener *l = NEW(struct socket_listener);

	l->listener.ops = &socket_listener_ops;
	l->listener.addr.len = sizeof(l->listener.addr) - sizeof(l->listener.addr.len);
	if (getsockname(fd, &l->listener.addr.sa, &l->listener.addr.len) < 0)
		l->listener.addr.len = 0;
	l->fd = fd;
	return l;
}

static int socket_bind_error(struct err *e, int sys_errno, const struct addr *a)
{
	struct buf text;

	buf_init(&text, ADDR_TEXT_MAX);
	addr_put(&text, a);
	if (sys_errno == EADDRINUSE)
		err_set(e, ERR_EXISTS, "somebody else listens on %s", buf_cstr(&text));
	else
		err_sys(e, sys_errno, "listening on %s", buf_cstr(&text));
	if (e)
		e->sys_errno = sys_errno;
	buf_fini(&text);
	return -1;
}

/* Is the file of this address a socket that nobody listens on any more? */
static bool socket_file_is_dead(const struct addr *a)
{
	struct stat st;
	bool is_dead;
	int fd;

	if (lstat(a->un.sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	is_dead = connect(fd, &a->sa, a->len) < 0 && errno == ECONNREFUSED;
	close(fd);
	return is_dead;
}

static int socket_bind_unix(int fd, const struct net_listen_opts *o, struct err *e)
{
	mode_t mode = o->unix_mode ? o->unix_mode : 0600;
	int rc;

	/* The kernel makes the file with this mode (less the umask): never wider for a moment. */
	fchmod(fd, mode);
	rc = bind(fd, &o->addr.sa, o->addr.len);
	if (rc < 0 && errno == EADDRINUSE && socket_file_is_dead(&o->addr)) {
		unlink(o->addr.un.sun_path);
		rc = bind(fd, &o->addr.sa, o->addr.len);
	}
	if (rc < 0)
		return socket_bind_error(e, errno, &o->addr);
	if (chmod(o->addr.un.sun_path, mode) < 0)
		return err_sys(e, errno, "setting the mode of %s", o->addr.un.sun_path);
	return 0;
}

/* The first bind is without SO_REUSEPORT, so that somebody who holds the address is noticed; the
 * option is set between bind and listen, and the clones bind beside it. The kernel looks at the
 * option of the sockets that are there when a further one binds, so the address need not be let
 * go in between; and it checks again at listen, so that two who start together cannot both win. */
static int socket_bind_ip(int fd, const struct net_listen_opts *o, bool is_clone, struct err *e)
{
	int one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (o->addr.sa.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (is_clone && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0)
		return err_sys(e, errno, "sharing the port");
	if (bind(fd, &o->addr.sa, o->addr.len) < 0)
		return socket_bind_error(e, errno, &o->addr);
	if (!is_clone && o->is_reuseport &&
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0)
		return err_sys(e, errno, "sharing the port");
	return 0;
}

static struct socket_listener *socket_open(
	const struct net_listen_opts *o, bool is_clone, struct err *e)
{
	bool is_unix = addr_is_unix(&o->addr);
	struct socket_listener *l;
	int fd;

	if (!is_unix && !addr_is_ip(&o->addr)) {
		err_set(e, ERR_CONFIG, "no address to listen on");
		return NULL;
	}
	fd = socket(o->addr.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		err_sys(e, errno, "making a socket");
		return NULL;
	}
	if ((is_unix ? socket_bind_unix(fd, o, e) : socket_bind_ip(fd, o, is_clone, e)) < 0) {
		close(fd);
		return NULL;
	}
	if (listen(fd, o->backlog ? o->backlog : NET_BACKLOG) < 0) {
		socket_bind_error(e, errno, &o->addr);
		close(fd);
		return NULL;
	}
	l = socket_listener_new(fd);
	l->owns_file = l->is_shared = is_unix;
	l->is_reuseport = o->is_reuseport && !is_unix;
	return l;
}

/* Socket activation: the socket is bound and listens already. */
static struct socket_listener *socket_inherit(int fd, struct err *e)
{
	struct socket_listener *l;
	int is_listening = 0, flags;
	socklen_t len = sizeof(is_listening);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &len) < 0 || !is_listening) {
		err_set(e, ERR_CONFIG, "descriptor %d is no listening socket", fd);
		return NULL;
	}
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
		fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
		err_sys(e, errno, "descriptor %d", fd);
		return NULL;
	}
	l = socket_listener_new(fd);
	l->is_shared = true;
	return l;
}

struct net_listener *socket_listen(const struct net_listen_opts *opts, struct err *e)
{
	struct socket_listener *l = opts->fd >= 0 ? socket_inherit(opts->fd, e)
						  : socket_open(opts, false, e);

	return l ? &l->listener : NULL;
}

static struct net_listener *socket_listener_clone(struct net_listener *base, struct err *e)
{
	struct socket_listener *l = (struct socket_listener *)base, *copy;
	struct net_listen_opts o = {.addr = base->addr, .fd = -1, .is_reuseport = true};
	int fd;

	if (!l->is_shared && l->is_reuseport) {
		copy = socket_open(&o, true, e);
		return copy ? &copy->listener : NULL;
	}
	fd = fcntl(l->fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0) {
		err_sys(e, errno, "sharing a listening socket");
		return NULL;
	}
	copy = socket_listener_new(fd);
	copy->is_shared = true;
	return &copy->listener;
}

static void socket_listener_free(struct net_listener *base)
{
	struct socket_listener *l = (struct socket_listener *)base;

	if (l->io)
		loop_io_free(&l->io);
	if (l->owns_file)
		unlink(base->addr.un.sun_path);
	close(l->fd);
	free(l);
}

/* ---- accepting ---- */

/* accept(2): "pending network errors on the new socket" are the peer's trouble. */
static bool socket_accept_is_peers(int sys_errno)
{
	switch (sys_errno) {
	case EINTR:
	case ECONNABORTED:
	case ENETDOWN:
	case EPROTO:
	case ENOPROTOOPT:
	case EHOSTDOWN:
	case ENONET:
	case EHOSTUNREACH:
	case EOPNOTSUPP:
	case ENETUNREACH:
	case EPERM: return true;
	default: return false;
	}
}

static bool socket_accept_is_short(int sys_errno)
{
	return sys_errno == EMFILE || sys_errno == ENFILE || sys_errno == ENOBUFS ||
		sys_errno == ENOMEM;
}

/* Descriptors or memory are short. The client waits in the kernel's backlog: it loses nothing but
 * time, where accepting only to close would cost it the connection. */
static FIBER int socket_accept_pause(
	struct net_listener *base, const struct log *log, int64_t *pause_ns, struct err *e)
{
	if (*pause_ns == 0) {
		*pause_ns = NET_ACCEPT_BACKOFF_MIN;
		if (log)
			log_event(log, LOG_WARN, "net.accept.short",
				LF_STR("why", e && e->text[0] ? e->text : "no descriptor"),
				LF_INT("port", addr_port(&base->addr)));
	} else if (*pause_ns < NET_ACCEPT_BACKOFF_MAX) {
		*pause_ns *= 2;
		if (*pause_ns > NET_ACCEPT_BACKOFF_MAX)
			*pause_ns = NET_ACCEPT_BACKOFF_MAX;
	}
	return fiber_sleep(*pause_ns, e);
}

/* A descriptor; -1 with e->code 0: try again after a pause, -1 with an error otherwise. */
static FIBER int socket_accept_fd(struct socket_listener *l, struct err *e)
{
	for (;;) {
		int fd;

		if (l->is_drained) {
			if (loop_io_wait(l->io, LOOP_READ, CLOCK_NEVER, e) < 0)
				return -1;
			l->is_drained = false;
			l->burst = 0;
		} else if (++l->burst > NET_ACCEPT_BURST) {
			/* Those who were let in get their turn. */
			l->burst = 0;
			if (fiber_yield(e) < 0)
				return -1;
		}
		fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0)
			return fd;
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			l->is_drained = true;
		else if (!socket_accept_is_peers(errno))
			return err_sys(e, errno, "accepting");
	}
}

static FIBER int socket_accept(
	struct net_listener *base, const struct log *log, struct stream **stream_r, struct err *e)
{
	struct socket_listener *l = (struct socket_listener *)base;
	int64_t pause_ns = 0, since_ns = loop_now_ns();

	if (!l->io && !(l->io = loop_io_new(l->fd, e)))
		return -1;
	for (;;) {
		struct err why = {0};
		int fd = socket_accept_fd(l, &why);

		if (fd >= 0) {
			*stream_r = socket_stream(fd, true, &why);
			if (*stream_r)
				break;
		} else if (!socket_accept_is_short(why.sys_errno)) {
			return err_copy(e, &why);
		}
		if (socket_accept_pause(base, log, &pause_ns, &why) < 0)
			return err_copy(e, &why);
	}
	if (pause_ns && log)
		log_event(log, LOG_INFO, "net.accept.resumed",
			LF_INT("port", addr_port(&base->addr)),
			LF_INT("paused_ms", (loop_now_ns() - since_ns) / CLOCK_MS));
	return 0;
}

static const struct net_listener_ops socket_listener_ops = {
	.clone = socket_listener_clone,
	.accept = socket_accept,
	.free = socket_listener_free,
};
