#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/send_priv.h"

/* A transport of our own for the library: a command that speaks SMTP, at the other end of a pair of
 * sockets; or a connection before which something was said. */

struct send_pipe {
	int fd;
	pid_t child; /* 0: none */
};

#define EXIT_NOT_FOUND 127
/* A command that does not end by itself when the conversation is over is told to. */
#define PIPE_GRACE_MS 2000

struct send_pipe *send_pipe_start(const char *command, struct err *e)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
		err_sys(e, errno, "--pipe");
		return NULL;
	}
	pid_t child = fork();
	if (child == 0) {
		dup2(ends[1], STDIN_FILENO);
		dup2(ends[1], STDOUT_FILENO);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(EXIT_NOT_FOUND);
	}
	close(ends[1]);
	if (child < 0) {
		err_sys(e, errno, "--pipe");
		close(ends[0]);
		return NULL;
	}
	struct send_pipe *p = NEW(struct send_pipe);
	p->fd = ends[0];
	p->child = child;
	return p;
}

static int connect_to(const char *host, const char *port, int family, struct err *e)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
				.ai_family = family == 4 ? AF_INET
					: family == 6    ? AF_INET6
							 : AF_UNSPEC},
			*all;
	int why = getaddrinfo(host, port, &hints, &all), fd = -1;

	if (why) {
		err_set(e, ERR_DNS, "%s: %s", host, gai_strerror(why));
		return -1;
	}
	for (struct addrinfo *one = all; one && fd < 0; one = one->ai_next) {
		fd = socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC, 0);
		if (fd >= 0 && connect(fd, one->ai_addr, one->ai_addrlen) < 0) {
			err_sys(e, errno, "%s", host);
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(all);
	return fd;
}

struct send_pipe *send_pipe_connect(const char *url, int family, struct span head, struct err *e)
{
	struct span rest = span_str(url), host;
	ptrdiff_t colon = span_rfind(rest, ':'), slash = span_find_span(rest, SPAN("//"));

	host = span_sub(rest, (size_t)slash + 2, (size_t)(colon - slash) - 2);
	if (host.len && host.ptr[0] == '[')
		host = span_sub(host, 1, host.len - 2);
	char *name = mem_dup(host.ptr, host.len);
	int fd = connect_to(name, url + colon + 1, family, e);
	free(name);
	if (fd < 0)
		return NULL;
	if (send(fd, head.ptr, head.len, MSG_NOSIGNAL) != (ssize_t)head.len) {
		err_sys(e, errno, "PROXY");
		close(fd);
		return NULL;
	}
	struct send_pipe *p = NEW(struct send_pipe);
	p->fd = fd;
	return p;
}

static bool wait_for(int fd, short events, int64_t timeout_ms)
{
	struct pollfd at = {.fd = fd, .events = events};
	int n;

	do {
		n = poll(&at, 1, timeout_ms < 0 || timeout_ms > INT32_MAX ? -1 : (int)timeout_ms);
	} while (n < 0 && errno == EINTR);
	return n > 0;
}

static long read_pipe(void *arg, void *to, size_t n, int64_t timeout_ms, int *os_errno)
{
	struct send_pipe *p = arg;

	for (;;) {
		if (!wait_for(p->fd, POLLIN, timeout_ms)) {
			*os_errno = ETIMEDOUT;
			return -1;
		}
		ssize_t got = recv(p->fd, to, n, MSG_DONTWAIT);
		if (got >= 0)
			return (long)got;
		if (errno == ECONNRESET)
			return 0;
		if (errno != EINTR && errno != EAGAIN) {
			*os_errno = errno;
			return -1;
		}
	}
}

static long write_pipe(void *arg, const void *from, size_t n, int64_t timeout_ms, int *os_errno)
{
	struct send_pipe *p = arg;

	for (;;) {
		if (!wait_for(p->fd, POLLOUT, timeout_ms)) {
			*os_errno = ETIMEDOUT;
			return -1;
		}
		ssize_t sent = send(p->fd, from, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent >= 0)
			return (long)sent;
		if (errno != EINTR && errno != EAGAIN) {
			*os_errno = errno;
			return -1;
		}
	}
}

static void close_pipe(void *arg)
{
	struct send_pipe *p = arg;

	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

void send_pipe_transport(struct send_pipe *p, struct yz_transport *t_r)
{
	*t_r = (struct yz_transport){.size = sizeof(*t_r),
		.read = read_pipe,
		.write = write_pipe,
		.close = close_pipe,
		.fd = p->fd,
		.arg = p};
}

bool send_pipe_end(struct send_pipe **pp)
{
	struct send_pipe *p = *pp;
	int status = 0;

	*pp = NULL;
	if (!p)
		return false;
	close_pipe(p);
	for (int waited = 0; p->child; waited += 10) {
		pid_t done = waitpid(p->child, &status, WNOHANG);

		if (done == p->child || (done < 0 && errno != EINTR))
			break;
		if (waited == PIPE_GRACE_MS)
			kill(p->child, SIGTERM);
		if (waited == 2 * PIPE_GRACE_MS)
			kill(p->child, SIGKILL);
		poll(NULL, 0, 10);
	}
	bool is_missing = p->child && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NOT_FOUND;
	free(p);
	return is_missing;
}
