#include "net/sock.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/uio.h>

ssize_t sock_recv(struct sock *s, void *p, size_t n)
{
	ssize_t got;

	do
		got = recv(s->fd, p, n, 0);
	while (got < 0 && errno == EINTR);
	if (got >= 0) {
		s->is_drained = (size_t)got < n;
		s->is_owing = true;
	} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
		errno = EAGAIN;
		s->is_drained = true;
	}
	return got;
}

/* A peer with Nagle's algorithm on that says what it has to say in several writes (Postfix its replies,
 * msmtp the final dot) sends the second when the first has been acknowledged; and we, who wait for
 * it, write nothing that would carry the ACK. So it is sent before we wait for more, not 40 ms later. */
void sock_ack(struct sock *s)
{
	int one = 1;

	if (s->is_tcp && s->is_owing)
		setsockopt(s->fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof(one));
	s->is_owing = false;
}

bool sock_poll(struct sock *s)
{
	char octet;
	ssize_t got = recv(s->fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT);

	if (got < 0 && errno == EINTR)
		return false;
	s->is_drained = got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
	return !s->is_drained;
}

static size_t gather(const struct sock_rest *r, size_t room, struct iovec *vec)
{
	size_t n = 0, skip = r->from;

	for (size_t i = 0; i < r->count && n < SOCK_PARTS && room; i++) {
		size_t len = r->parts[i].len - skip;

		if (len) {
			len = len < room ? len : room;
			vec[n].iov_base = (void *)(uintptr_t)(r->parts[i].ptr + skip);
			vec[n++].iov_len = len;
			room -= len;
		}
		skip = 0;
	}
	return n;
}

static void advance(struct sock_rest *r, size_t sent)
{
	while (r->count && sent >= r->parts[0].len - r->from) {
		sent -= r->parts[0].len - r->from;
		r->parts++;
		r->count--;
		r->from = 0;
	}
	r->from += sent;
}

int sock_send(struct sock *s, struct sock_rest *rest, size_t room, size_t *sent_r)
{
	struct iovec vec[SOCK_PARTS];
	struct msghdr msg = {.msg_iov = vec};
	ssize_t sent;

	*sent_r = 0;
	msg.msg_iovlen = gather(rest, room, vec);
	if (msg.msg_iovlen == 0)
		return 1;
	do
		sent = sendmsg(s->fd, &msg, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0) {
		if (errno == EWOULDBLOCK)
			errno = EAGAIN;
		return -1;
	}
	s->is_owing = false;
	advance(rest, (size_t)sent);
	*sent_r = (size_t)sent;
	return 0;
}

int sock_shutdown(struct sock *s, struct err *e)
{
	if (shutdown(s->fd, SHUT_WR) < 0 && errno != ENOTCONN)
		return sock_error(e, errno, "closing");
	return 0;
}

int sock_error(struct err *e, int sys_errno, const char *what)
{
	err_sys(e, sys_errno, "%s", what);
	return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
}

void sock_addresses(struct stream *st, int fd)
{
	st->peer.len = st->local.len = sizeof(st->peer) - sizeof(st->peer.len);
	if (getpeername(fd, &st->peer.sa, &st->peer.len) < 0)
		st->peer.len = 0;
	if (getsockname(fd, &st->local.sa, &st->local.len) < 0)
		st->local.len = 0;
	addr_unmap(&st->peer);
	addr_unmap(&st->local);
}
