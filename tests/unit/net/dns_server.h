#pragma once
/* A name server for tests: UDP and TCP on one loopback port, on a thread of its own, with answers
 * written by a function of the test. */

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net_test.h"

#define DNS_SERVER_MAX 65535
#define DNS_SERVER_UDP 1200 /* longer answers are cut: the client comes again by TCP */

/* One reply under construction. */
struct dns_reply {
	struct buf out;
	uint8_t rcode;
	uint16_t answers, authorities;
	bool is_silent;
};

struct dns_server {
	int udp, tcp, stop[2];
	uint16_t port;
	pthread_t thread;
	void (*answer)(struct dns_server *s, const char *name, uint16_t type, struct dns_reply *r);
	void *arg;
	atomic_int queries, over_tcp;
};

static inline void dns_put16(struct buf *b, unsigned v)
{
	buf_char(b, (char)(v >> 8));
	buf_char(b, (char)v);
}

static inline void dns_put32(struct buf *b, uint32_t v)
{
	dns_put16(b, v >> 16);
	dns_put16(b, v & 0xffff);
}

/* "a.b.c" in wire form. */
static inline void dns_put_name(struct buf *b, const char *text)
{
	struct span rest = span_str(text), label;

	while (rest.len) {
		span_cut(rest, '.', &label, &rest);
		buf_char(b, (char)label.len);
		buf_span_put(b, label);
	}
	buf_char(b, 0);
}

/* A record of the answer section, or (before any other) of the authority section. */
static inline void dns_put_rr(
	struct dns_reply *r, const char *owner, uint16_t type, uint32_t ttl, struct span rdata)
{
	dns_put_name(&r->out, owner);
	dns_put16(&r->out, type);
	dns_put16(&r->out, 1);
	dns_put32(&r->out, ttl);
	dns_put16(&r->out, (unsigned)rdata.len);
	buf_span_put(&r->out, rdata);
	r->answers++;
}

static inline void dns_put_soa(struct dns_reply *r, const char *zone)
{
	struct buf b;

	buf_init(&b, 1000);
	dns_put_name(&b, zone);
	dns_put_name(&b, "hostmaster.test");
	for (int i = 0; i < 5; i++)
		dns_put32(&b, 60);
	dns_put_rr(r, zone, 6, 60, buf_span(&b));
	r->answers--;
	r->authorities++;
	buf_fini(&b);
}

/* The question's name as text; its length in wire form, or 0. */
static inline size_t dns_question(const unsigned char *q, size_t n, char name_r[256])
{
	size_t at = 12, len = 0;

	while (at < n && q[at] && q[at] < 64 && at + q[at] < n && len + q[at] < 250) {
		for (size_t i = 1; i <= q[at]; i++)
			name_r[len++] = (char)span_lower(q[at + i]);
		name_r[len++] = '.';
		at += q[at] + 1u;
	}
	name_r[len ? len - 1 : 0] = '\0';
	return at + 5 <= n && q[at] == 0 ? at + 1 - 12 : 0;
}

/* false: say nothing. */
static inline bool dns_server_reply(
	struct dns_server *s, const unsigned char *q, size_t n, bool is_tcp, struct buf *out)
{
	struct dns_reply r = {0};
	char name[256];
	size_t name_len = n >= 17 ? dns_question(q, n, name) : 0, end;
	unsigned type;

	if (!name_len || 12 + name_len + 4 > n)
		return false;
	type = (unsigned)q[12 + name_len] << 8 | q[13 + name_len];
	atomic_fetch_add(&s->queries, 1);
	if (is_tcp)
		atomic_fetch_add(&s->over_tcp, 1);
	buf_init(&r.out, DNS_SERVER_MAX);
	s->answer(s, name, (uint16_t)type, &r);
	if (!r.is_silent) {
		bool is_cut = !is_tcp && buf_len(&r.out) > DNS_SERVER_UDP;

		buf_put(out, q, 2);
		dns_put16(out, 0x8180u | (is_cut ? 0x0200u : 0) | r.rcode);
		dns_put16(out, 1);
		dns_put16(out, is_cut ? 0 : r.answers);
		dns_put16(out, is_cut ? 0 : r.authorities);
		dns_put16(out, 1);
		buf_put(out, q + 12, name_len + 4);
		if (!is_cut)
			buf_span_put(out, buf_span(&r.out));
		/* EDNS, signatures wanted (RFC 6891 section 6.1.2) */
		end = buf_len(out);
		buf_char(out, 0);
		dns_put16(out, 41);
		dns_put16(out, DNS_SERVER_UDP);
		dns_put32(out, 0x8000);
		dns_put16(out, 0);
		assert_int_equal(buf_len(out), end + 11);
	}
	buf_fini(&r.out);
	return !r.is_silent;
}

static inline void dns_server_udp(struct dns_server *s)
{
	unsigned char q[2048];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(s->udp, q, sizeof(q), 0, (struct sockaddr *)&from, &len);
	struct buf out;

	if (n <= 0)
		return;
	buf_init(&out, DNS_SERVER_MAX);
	if (dns_server_reply(s, q, (size_t)n, false, &out))
		sendto(s->udp, buf_span(&out).ptr, buf_len(&out), 0, (struct sockaddr *)&from, len);
	buf_fini(&out);
}

static inline bool dns_server_recv(int fd, void *p, size_t n)
{
	return recv(fd, p, n, MSG_WAITALL) == (ssize_t)n;
}

static inline void dns_server_tcp(struct dns_server *s)
{
	int fd = accept(s->tcp, NULL, NULL);
	unsigned char head[2], q[2048];
	struct buf out, framed;
	size_t n;

	if (fd < 0)
		return;
	buf_init(&out, DNS_SERVER_MAX);
	buf_init(&framed, DNS_SERVER_MAX + 2);
	if (dns_server_recv(fd, head, 2) && (n = (size_t)head[0] << 8 | head[1]) <= sizeof(q) &&
		dns_server_recv(fd, q, n) && dns_server_reply(s, q, n, true, &out)) {
		dns_put16(&framed, (unsigned)buf_len(&out));
		buf_span_put(&framed, buf_span(&out));
		send(fd, buf_span(&framed).ptr, buf_len(&framed), MSG_NOSIGNAL);
	}
	buf_fini(&out);
	buf_fini(&framed);
	close(fd);
}

static inline void *dns_server_main(void *arg)
{
	struct dns_server *s = arg;

	for (;;) {
		struct pollfd fds[3] = {{.fd = s->udp, .events = POLLIN},
			{.fd = s->tcp, .events = POLLIN}, {.fd = s->stop[0], .events = POLLIN}};

		if (poll(fds, 3, -1) < 0)
			continue;
		if (fds[2].revents)
			return NULL;
		if (fds[0].revents)
			dns_server_udp(s);
		if (fds[1].revents)
			dns_server_tcp(s);
	}
}

/* Both sockets on one free port. */
static inline void dns_server_start(struct dns_server *s)
{
	for (int tries = 0; tries < 50; tries++) {
		struct sockaddr_in a = {
			.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		socklen_t len = sizeof(a);

		s->udp = socket(AF_INET, SOCK_DGRAM, 0);
		s->tcp = socket(AF_INET, SOCK_STREAM, 0);
		assert_int_equal(bind(s->udp, (struct sockaddr *)&a, sizeof(a)), 0);
		assert_int_equal(getsockname(s->udp, (struct sockaddr *)&a, &len), 0);
		s->port = ntohs(a.sin_port);
		if (bind(s->tcp, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(s->tcp, 16) == 0)
			break;
		close(s->udp);
		close(s->tcp);
		s->port = 0;
	}
	assert_true(s->port > 0);
	assert_int_equal(pipe(s->stop), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, dns_server_main, s), 0);
}

static inline void dns_server_stop(struct dns_server *s)
{
	assert_int_equal(write(s->stop[1], "x", 1), 1);
	pthread_join(s->thread, NULL);
	close(s->stop[0]);
	close(s->stop[1]);
	close(s->udp);
	close(s->tcp);
}
