#include "peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 10000

int peer_listen(unsigned short *port_r)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 128) < 0 ||
		getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		fail_msg("no listening socket");
	*port_r = ntohs(at.sin_port);
	return fd;
}

unsigned short peer_dead_port(void)
{
	unsigned short port;

	close(peer_listen(&port));
	return port;
}

static bool broke(struct peer *p, const char *what, const char *detail)
{
	if (!p->why[0])
		snprintf(p->why, sizeof(p->why), "%s: %.300s", what, detail);
	return false;
}

static bool fill(struct peer *p)
{
	struct pollfd pfd = {.fd = p->fd, .events = POLLIN};
	ssize_t n;

	if (poll(&pfd, 1, PATIENCE_MS) <= 0)
		return broke(p, "the client says nothing", "");
	n = recv(p->fd, p->in + p->in_len, sizeof(p->in) - p->in_len, 0);
	if (n <= 0)
		return false;
	p->in_len += (size_t)n;
	return true;
}

static void consume(struct peer *p, size_t n)
{
	p->in_len -= n;
	memmove(p->in, p->in + n, p->in_len);
}

static bool expect(struct peer *p, const char *want, size_t len, bool is_prefix)
{
	char *lf;
	size_t n;
	bool is_good;

	while (!(lf = memchr(p->in, '\n', p->in_len)))
		if (!fill(p))
			return broke(p, "the client hung up before", want);
	n = (size_t)(lf - p->in);
	is_good = n > 0 && p->in[n - 1] == '\r' && (is_prefix ? n - 1 >= len : n - 1 == len) &&
		memcmp(p->in, want, len) == 0;
	if (!is_good) {
		*lf = '\0';
		broke(p, "the client said", p->in);
		return broke(p, "", "");
	}
	consume(p, n + 1);
	return true;
}

static void say(struct peer *p, const char *text, size_t len)
{
	size_t step = p->is_trickling ? 1 : len;

	for (size_t at = 0; at < len; at += step)
		if (send(p->fd, text + at, step, MSG_NOSIGNAL) < 0)
			return;
}

static void say_raw(struct peer *p, const char *text, size_t len)
{
	char *out = malloc(len + 1);
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] != '\\' || i + 1 == len) {
			out[n++] = text[i];
			continue;
		}
		switch (text[++i]) {
		case 'r': out[n++] = '\r'; break;
		case 'n': out[n++] = '\n'; break;
		case 't': out[n++] = '\t'; break;
		default:
			out[n++] = (char)strtol((char[]){text[i + 1], text[i + 2], 0}, NULL, 16);
			i += 2;
		}
	}
	say(p, out, n);
	free(out);
}

static bool take(struct peer *p, size_t n)
{
	memcpy(p->body + p->body_len, p->in, n);
	p->body_len += n;
	p->body[p->body_len] = '\0';
	consume(p, n);
	return true;
}

static bool take_octets(struct peer *p, size_t n)
{
	while (n > 0) {
		size_t some = n < p->in_len ? n : p->in_len;

		if (some)
			take(p, some);
		n -= some;
		if (n && !p->in_len && !fill(p))
			return broke(p, "the client hung up in the body", "");
	}
	return true;
}

static bool take_dotted(struct peer *p)
{
	for (;;) {
		char *end = p->in_len >= 3 && memcmp(p->in, ".\r\n", 3) == 0 && p->body_len == 0
			? p->in - 2
			: memmem(p->in, p->in_len, "\r\n.\r\n", 5);

		if (end) {
			take(p, (size_t)(end + 2 - p->in));
			consume(p, 3);
			return true;
		}
		/* The end may be cut: keep its first octets here. */
		if (p->in_len > 4096)
			take(p, p->in_len - 4);
		if (!fill(p))
			return broke(p, "the client hung up in the body", "");
	}
}

static bool next_client(struct peer *p)
{
	struct pollfd pfd = {.fd = p->listener, .events = POLLIN};
	int one = 1;

	if (p->fd >= 0)
		close(p->fd);
	p->in_len = 0;
	if (poll(&pfd, 1, PATIENCE_MS) <= 0)
		return broke(p, "nobody connects", "");
	p->fd = accept(p->listener, NULL, NULL);
	setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return p->fd >= 0;
}

static bool expect_end(struct peer *p)
{
	while (fill(p))
		;
	return p->in_len == 0 ? true : broke(p, "the client said", p->in);
}

static bool play(struct peer *p, const char *line, size_t len)
{
	const char *text = line + 2;
	size_t n = len - 2;
	long number = strtol(text, NULL, 10);

	switch (line[0]) {
	case 'S':
		say(p, text, n);
		say(p, "\r\n", 2);
		return true;
	case 'R': say_raw(p, text, n); return true;
	case 'C': return expect(p, text, n, line[1] == '~');
	case 'D': return take_dotted(p);
	case 'B': return take_octets(p, (size_t)number);
	case 'W':
		nanosleep(&(struct timespec){.tv_sec = number / 1000,
				  .tv_nsec = number % 1000 * 1000000},
			NULL);
		return true;
	case 'E': return expect_end(p);
	case 'X':
		shutdown(p->fd, SHUT_RDWR);
		close(p->fd);
		p->fd = -1;
		return true;
	case 'A': return next_client(p);
	default: return broke(p, "no such step", line);
	}
}

static void *peer_main(void *arg)
{
	struct peer *p = arg;
	const char *line = p->script;
	bool is_fine = next_client(p);

	while (is_fine && *line) {
		size_t len = strcspn(line, "\n");

		is_fine = play(p, line, len);
		line += len + (line[len] == '\n');
	}
	if (is_fine && p->fd >= 0)
		expect_end(p);
	if (p->fd >= 0)
		close(p->fd);
	return NULL;
}

struct peer *peer_start(const char *script, bool is_trickling)
{
	struct peer *p = calloc(1, sizeof(*p));

	p->script = script;
	p->is_trickling = is_trickling;
	p->fd = -1;
	p->body = calloc(1, PEER_BODY_MAX);
	p->listener = peer_listen(&p->port);
	if (pthread_create(&p->thread, NULL, peer_main, p) != 0)
		fail_msg("no thread");
	return p;
}

const char *peer_url(struct peer *p, const char *scheme)
{
	snprintf(p->url, sizeof(p->url), "%s://127.0.0.1:%u", scheme, p->port);
	return p->url;
}

void peer_end(struct peer **p_p)
{
	struct peer *p = *p_p;
	char why[sizeof(p->why)];

	*p_p = NULL;
	pthread_join(p->thread, NULL);
	close(p->listener);
	memcpy(why, p->why, sizeof(why));
	free(p->body);
	free(p);
	if (why[0])
		fail_msg("the peer: %s", why);
}
