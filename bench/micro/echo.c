/* What a wait costs: an echo server on one loop, its clients on another, over TCP on loopback.
 *
 *	build/release/bench/micro/echo [CONNECTIONS [MILLISECONDS [BYTES]]]
 *
 * One line: rounds a second, and processor time of each side's thread per round. A round is a request
 * and its reply: on each side a recv, a send and the loop's wait (strace -f -c shows that nothing
 * else is called). */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "base/span.h"
#include "run/fiber.h"
#include "run/loop.h"

#define ECHO_CONNS_MAX 4096
#define ECHO_BYTES_MAX 1024

struct bench {
	size_t conns, bytes;
	int64_t run_ns;
	int listener;
	struct sockaddr_in addr;
	int64_t until_ns;
	uint64_t rounds;
	int64_t server_cpu_ns, client_cpu_ns, wall_ns;
};

struct conn {
	struct bench *bench;
	int fd;
	struct loop_io *io;
};

static int64_t thread_cpu_ns(void)
{
	struct rusage u;

	MUST(getrusage(RUSAGE_THREAD, &u) == 0);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * CLOCK_SEC +
		(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * CLOCK_US;
}

static void conn_open(struct conn *c, struct bench *b, int fd)
{
	int one = 1;

	MUST(fd >= 0);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->bench = b;
	c->fd = fd;
	c->io = loop_io_new(fd, NULL);
}

static void conn_close(struct conn *c)
{
	loop_io_free(&c->io);
	close(c->fd);
}

/* Like a stream: after a short read the socket is empty, so wait before the next one. */
static FIBER ssize_t conn_recv(struct conn *c, char *p, size_t n)
{
	ssize_t got;

	do {
		MUST(loop_io_wait(c->io, LOOP_READ, loop_now_ns() + CLOCK_MIN, NULL) == 0);
		got = recv(c->fd, p, n, 0);
	} while (got < 0 && errno == EAGAIN);
	return got;
}

static FIBER int serve_one(void *arg)
{
	struct conn *c = arg;
	char block[ECHO_BYTES_MAX];
	ssize_t n;

	while ((n = conn_recv(c, block, sizeof(block))) > 0)
		MUST(send(c->fd, block, (size_t)n, MSG_NOSIGNAL) == n);
	conn_close(c);
	return 0;
}

static FIBER int server_main(void *arg)
{
	struct bench *b = arg;
	struct conn *conns = mem_alloc(b->conns * sizeof(*conns));
	struct loop_io *io = loop_io_new(b->listener, NULL);
	struct fiber_group g;
	int64_t from_ns;

	fiber_group_init(&g);
	for (size_t i = 0; i < b->conns;) {
		int fd = accept4(b->listener, NULL, NULL, SOCK_NONBLOCK);

		if (fd < 0) {
			MUST(loop_io_wait(io, LOOP_READ, loop_now_ns() + CLOCK_MIN, NULL) == 0);
			continue;
		}
		conn_open(&conns[i], b, fd);
		MUST(fiber_start(&g, "serve", serve_one, &conns[i++], NULL) == 0);
	}
	from_ns = thread_cpu_ns();
	fiber_group_join(&g);
	b->server_cpu_ns = thread_cpu_ns() - from_ns;
	loop_io_free(&io);
	free(conns);
	return 0;
}

static FIBER int ask_one(void *arg)
{
	struct conn *c = arg;
	char block[ECHO_BYTES_MAX] = {0};
	size_t n = c->bench->bytes;

	while (loop_now_ns() < c->bench->until_ns) {
		MUST(send(c->fd, block, n, MSG_NOSIGNAL) == (ssize_t)n);
		for (size_t got = 0; got < n;) {
			ssize_t more = conn_recv(c, block, n - got);

			MUST(more > 0);
			got += (size_t)more;
		}
		c->bench->rounds++;
	}
	conn_close(c);
	return 0;
}

static FIBER int client_main(void *arg)
{
	struct bench *b = arg;
	struct conn *conns = mem_alloc(b->conns * sizeof(*conns));
	struct fiber_group g;
	int64_t from_ns, cpu_ns;

	fiber_group_init(&g);
	for (size_t i = 0; i < b->conns; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		int rc = connect(fd, (struct sockaddr *)&b->addr, sizeof(b->addr));

		conn_open(&conns[i], b, fd);
		if (rc < 0)
			MUST(loop_io_wait(conns[i].io, LOOP_WRITE, CLOCK_NEVER, NULL) == 0);
	}
	MUST(fiber_sleep(50 * CLOCK_MS, NULL) == 0);
	from_ns = loop_now_ns();
	b->until_ns = from_ns + b->run_ns;
	cpu_ns = thread_cpu_ns();
	for (size_t i = 0; i < b->conns; i++)
		MUST(fiber_start(&g, "ask", ask_one, &conns[i], NULL) == 0);
	fiber_group_join(&g);
	b->client_cpu_ns = thread_cpu_ns() - cpu_ns;
	b->wall_ns = loop_now_ns() - from_ns;
	free(conns);
	return 0;
}

static void run_loop(struct bench *b, const char *name, FIBER int (*fn)(void *arg))
{
	struct err e = {0};
	struct loop *l = loop_new_uv(&(struct loop_opts){.name = name}, &e);

	MUST(l && loop_run(l, fn, b, &e) == 0);
	loop_free(&l);
}

static void *server_thread(void *arg)
{
	run_loop(arg, "loop0", server_main);
	return NULL;
}

static uint64_t number(int argc, char **argv, int at, uint64_t otherwise, uint64_t max)
{
	uint64_t n = otherwise;

	if (argc > at && (!span_u64_max(span_str(argv[at]), max, &n) || n == 0)) {
		fprintf(stderr, "echo: '%s' is not a number up to %llu\n", argv[at],
			(unsigned long long)max);
		exit(64);
	}
	return n;
}

int main(int argc, char **argv)
{
	struct bench b = {.addr = {.sin_family = AF_INET}};
	socklen_t len = sizeof(b.addr);
	pthread_t server;
	double rounds;

	b.conns = number(argc, argv, 1, 1, ECHO_CONNS_MAX);
	b.run_ns = (int64_t)number(argc, argv, 2, 1000, 60000) * CLOCK_MS;
	b.bytes = number(argc, argv, 3, 64, ECHO_BYTES_MAX);
	b.addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	b.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	MUST(bind(b.listener, (struct sockaddr *)&b.addr, sizeof(b.addr)) == 0);
	MUST(listen(b.listener, ECHO_CONNS_MAX) == 0);
	MUST(getsockname(b.listener, (struct sockaddr *)&b.addr, &len) == 0);
	MUST(pthread_create(&server, NULL, server_thread, &b) == 0);
	run_loop(&b, "loop1", client_main);
	MUST(pthread_join(server, NULL) == 0);
	close(b.listener);
	rounds = b.rounds ? (double)b.rounds : 1;
	printf("echo: %zu connections, %zu bytes: %.0f rounds/s, server %.0f ns, client %.0f ns of "
	       "processor a round\n",
		b.conns, b.bytes, rounds * 1e9 / (double)b.wall_ns,
		(double)b.server_cpu_ns / rounds, (double)b.client_cpu_ns / rounds);
	return 0;
}
