#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/must.h"
#include "cli/bench_priv.h"

/* What one recv asks for: big enough to take several messages, small enough for the second-level
 * cache, where the search for the dot finds the bytes again. */
#define SINK_READ       (256 * 1024)
#define SINK_LINE_MAX   2048 /* longest command; also what is carried from one read to the next */
#define SINK_OUT_MAX    (1024 * 1024) /* replies not sent yet */
#define SINK_LOOKBACK   4             /* octets of content carried over: CR LF . CR */
#define SINK_REPORT_MAX 4096

enum sink_state { SINK_COMMAND, SINK_DATA, SINK_BDAT, SINK_GONE };

struct sink_session {
	struct list_node all;
	int fd;
	enum sink_state state;
	bool is_tcp, is_lmtp, is_last_chunk, is_closing;
	unsigned rcpts;
	uint64_t chunk_left;
	int64_t content; /* octets of this message so far; may dip below zero by the lookback */
	size_t carried;  /* octets in carry */
	struct buf out;
	char carry[SINK_LINE_MAX];
};

struct sink {
	int epoll, listener, signals;
	struct list_node sessions;
	struct bench_addr addr;
	bool is_pipelining, is_chunking, is_json, is_tcp;
	uint64_t count, max_seconds;
	/* what was seen */
	uint64_t connections, messages, octets, rcpts, bad_commands;
	int64_t first_ns, last_ns;
	bool is_done;
	char *mem; /* SINK_LINE_MAX octets of room for what is carried, then SINK_READ */
};

static void session_free(struct sink *k, struct sink_session *s)
{
	(void)k;
	close(s->fd);
	list_remove(&s->all);
	buf_fini(&s->out);
	free(s);
}

static void say(struct sink_session *s, const char *text)
{
	buf_str(&s->out, text);
}

/* Send what was said; what does not fit waits for EPOLLOUT. -1: the connection is gone. */
static int session_send(struct sink_session *s)
{
	while (buf_len(&s->out) > 0) {
		struct span rest = buf_span(&s->out);
		ssize_t n = send(s->fd, rest.ptr, rest.len, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		buf_consume(&s->out, (size_t)n);
	}
	return s->is_closing ? -1 : 0;
}

static void say_ehlo(const struct sink *k, struct sink_session *s)
{
	say(s, "250-sink.yizhan.test\r\n");
	if (k->is_pipelining)
		say(s, "250-PIPELINING\r\n");
	if (k->is_chunking)
		say(s, "250-CHUNKING\r\n");
	say(s, "250-8BITMIME\r\n250 SIZE 1073741824\r\n");
}

static void message_done(struct sink *k, struct sink_session *s)
{
	unsigned replies = s->is_lmtp ? s->rcpts : 1;

	for (unsigned i = 0; i < replies; i++)
		say(s, "250 2.0.0 taken\r\n");
	k->last_ns = clock_mono_ns();
	if (k->messages == 0)
		k->first_ns = k->last_ns;
	k->messages++;
	k->rcpts += s->rcpts;
	k->octets += s->content > 0 ? (uint64_t)s->content : 0;
	s->state = SINK_COMMAND;
	s->rcpts = 0;
	s->content = 0;
	if (k->count && k->messages >= k->count)
		k->is_done = true;
}

static void command_bdat(struct sink *k, struct sink_session *s, struct span args)
{
	struct span size = span_word(&args), last = span_word(&args);

	if (!k->is_chunking || !span_u64_max(size, BENCH_SIZE_MAX, &s->chunk_left)) {
		k->bad_commands++;
		s->is_closing = true; /* its octets cannot be told from commands */
		say(s, "421 4.5.0 BDAT without a size I take\r\n");
		return;
	}
	s->is_last_chunk = span_eq_nocase(last, SPAN("LAST"));
	s->state = SINK_BDAT;
}

static void command(struct sink *k, struct sink_session *s, struct span line)
{
	struct span verb = span_word(&line);

	if (span_eq_nocase(verb, SPAN("MAIL"))) {
		s->rcpts = 0;
		say(s, "250 2.1.0 sender taken\r\n");
	} else if (span_eq_nocase(verb, SPAN("RCPT"))) {
		s->rcpts++;
		say(s, "250 2.1.5 recipient taken\r\n");
	} else if (span_eq_nocase(verb, SPAN("DATA")) && s->rcpts > 0) {
		s->state = SINK_DATA;
		say(s, "354 go on\r\n");
	} else if (span_eq_nocase(verb, SPAN("BDAT"))) {
		command_bdat(k, s, line);
	} else if (span_eq_nocase(verb, SPAN("EHLO")) || span_eq_nocase(verb, SPAN("LHLO"))) {
		s->is_lmtp = verb.ptr[0] == 'L' || verb.ptr[0] == 'l';
		say_ehlo(k, s);
	} else if (span_eq_nocase(verb, SPAN("HELO"))) {
		say(s, "250 sink.yizhan.test\r\n");
	} else if (span_eq_nocase(verb, SPAN("RSET"))) {
		s->rcpts = 0;
		say(s, "250 2.0.0 forgotten\r\n");
	} else if (span_eq_nocase(verb, SPAN("NOOP"))) {
		say(s, "250 2.0.0 nothing done\r\n");
	} else if (span_eq_nocase(verb, SPAN("QUIT"))) {
		s->is_closing = true;
		say(s, "221 2.0.0 farewell\r\n");
	} else {
		k->bad_commands++;
		say(s, "502 5.5.1 a sink does not know that\r\n");
	}
}

/* Find CR LF . CR LF at or behind `from`, where the first CR LF may lie up to two octets before
 * it. Dots are rare in mail, so the search runs at memchr's speed. */
static const char *find_end(const char *from, const char *end, const char *floor)
{
	const char *p = from;

	while (p < end && (p = memchr(p, '.', (size_t)(end - p))) != NULL) {
		if (p - floor >= 2 && p[-1] == '\n' && p[-2] == '\r' && end - p >= 3 &&
			p[1] == '\r' && p[2] == '\n')
			return p;
		p++;
	}
	return NULL;
}

/* Take what [at, end) holds in the present state; returns behind the last octet used. Octets from
 * `fresh` on were not seen before; those between floor and at are the lookback. */
static const char *consume(struct sink *k, struct sink_session *s, const char *floor,
	const char *at, const char *fresh, const char *end)
{
	const char *stop;
	size_t n;

	switch (s->state) {
	case SINK_COMMAND:
		stop = memchr(at, '\n', (size_t)(end - at));
		if (stop == NULL)
			return NULL;
		n = (size_t)(stop - at);
		command(k, s, span_of(at, n && at[n - 1] == '\r' ? n - 1 : n));
		return stop + 1;
	case SINK_DATA:
		stop = find_end(at, end, floor);
		s->content += (stop ? stop : end) - (at > fresh ? at : fresh);
		if (stop == NULL)
			return NULL;
		message_done(k, s);
		return stop + 3;
	case SINK_BDAT:
		n = (size_t)(end - at);
		if (n > s->chunk_left)
			n = (size_t)s->chunk_left;
		s->chunk_left -= n;
		s->content += (int64_t)n;
		if (s->chunk_left > 0)
			return NULL;
		if (s->is_last_chunk) {
			message_done(k, s);
		} else {
			s->state = SINK_COMMAND;
			say(s, "250 2.0.0 chunk taken\r\n");
		}
		return at + n;
	case SINK_GONE: break;
	}
	return NULL;
}

/* `n` new octets lie at k->mem + SINK_LINE_MAX; what was carried is put before them. -1: end the
 * session. */
static int session_take(struct sink *k, struct sink_session *s, size_t n)
{
	const char *fresh = k->mem + SINK_LINE_MAX, *end = fresh + n;
	const char *floor = fresh - s->carried, *at = floor, *next;
	size_t keep;

	memcpy(k->mem + SINK_LINE_MAX - s->carried, s->carry, s->carried);
	while ((at < end || (s->state == SINK_BDAT && s->chunk_left == 0)) && !s->is_closing) {
		next = consume(k, s, floor, at, fresh, end);
		if (next == NULL)
			break;
		at = next;
		if (s->state == SINK_DATA && at == end)
			break;
	}
	keep = (size_t)(end - at);
	if (s->state == SINK_DATA) {
		keep = (size_t)(end - floor) < SINK_LOOKBACK ? (size_t)(end - floor)
							     : SINK_LOOKBACK;
	} else if (s->state == SINK_BDAT) {
		keep = 0;
	} else if (keep > SINK_LINE_MAX) {
		say(s, "500 5.5.6 line too long\r\n");
		s->is_closing = true;
		keep = 0;
	}
	memcpy(s->carry, end - keep, keep);
	s->carried = keep;
	return session_send(s);
}

/* The rest of a content may wait for the acknowledgement of this part (Nagle's algorithm): no source is
 * to be measured by the 40 ms that the kernel takes for it. */
static void ack_now(const struct sink_session *s)
{
	int one = 1;

	if (s->is_tcp && s->state == SINK_DATA)
		setsockopt(s->fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof(one));
}

/* Read until the socket is empty. -1: end the session. */
static int session_read(struct sink *k, struct sink_session *s, bool is_hangup)
{
	for (;;) {
		/* A chunk larger than one read is dropped by the kernel, uncopied. */
		bool is_skip = s->state == SINK_BDAT && s->is_tcp && s->chunk_left > SINK_READ;
		size_t want = is_skip ? (size_t)s->chunk_left - 1 : SINK_READ;
		ssize_t n = is_skip ? recv(s->fd, NULL, want, MSG_TRUNC)
				    : recv(s->fd, k->mem + SINK_LINE_MAX, want, 0);

		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		if (n == 0)
			return -1;
		if (is_skip) {
			s->chunk_left -= (uint64_t)n;
			s->content += n;
		} else if (session_take(k, s, (size_t)n) < 0) {
			return -1;
		}
		if (k->is_done || (!is_skip && (size_t)n < want && !is_hangup)) {
			ack_now(s);
			return 0;
		}
	}
}

static void sink_accept(struct sink *k)
{
	for (;;) {
		struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
		struct sink_session *s;
		int one = 1;
		int fd = accept4(k->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		if (k->is_tcp)
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		s = NEW(struct sink_session);
		s->fd = fd;
		s->is_tcp = k->is_tcp;
		buf_init(&s->out, SINK_OUT_MAX);
		list_push_back(&k->sessions, &s->all);
		k->connections++;
		say(s, "220 sink.yizhan.test ESMTP\r\n");
		ev.data.ptr = s;
		if (epoll_ctl(k->epoll, EPOLL_CTL_ADD, fd, &ev) < 0 || session_send(s) < 0)
			session_free(k, s);
	}
}

static int sink_open(struct sink *k, struct err *e)
{
	struct epoll_event ev = {.events = EPOLLIN};
	sigset_t set;
	int one = 1;

	k->is_tcp = k->addr.ss.ss_family != AF_UNIX;
	if (!k->is_tcp)
		unlink(((struct sockaddr_un *)&k->addr.ss)->sun_path);
	k->listener = socket(k->addr.ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (k->listener < 0)
		return err_sys(e, errno, "socket");
	setsockopt(k->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(k->listener, (struct sockaddr *)&k->addr.ss, k->addr.len) < 0)
		return err_sys(e, errno, "bind");
	if (listen(k->listener, 4096) < 0)
		return err_sys(e, errno, "listen");
	getsockname(k->listener, (struct sockaddr *)&k->addr.ss, &k->addr.len);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	k->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	k->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (k->signals < 0 || k->epoll < 0)
		return err_sys(e, errno, "epoll");
	ev.data.ptr = &k->listener;
	MUST(epoll_ctl(k->epoll, EPOLL_CTL_ADD, k->listener, &ev) == 0);
	ev.data.ptr = &k->signals;
	MUST(epoll_ctl(k->epoll, EPOLL_CTL_ADD, k->signals, &ev) == 0);
	return 0;
}

static void sink_event(struct sink *k, const struct epoll_event *ev)
{
	struct sink_session *s = ev->data.ptr;
	bool is_hangup = ev->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);

	if (ev->data.ptr == &k->listener) {
		sink_accept(k);
		return;
	}
	if (ev->data.ptr == &k->signals) {
		k->is_done = true;
		return;
	}
	if (ev->events & EPOLLOUT && buf_len(&s->out) > 0 && session_send(s) < 0) {
		session_free(k, s);
		return;
	}
	if (ev->events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR) &&
		session_read(k, s, is_hangup) < 0)
		session_free(k, s);
}

static void sink_loop(struct sink *k)
{
	struct epoll_event *events = mem_alloc(sizeof(*events) * BENCH_EVENTS);
	int64_t end_ns = k->max_seconds ? clock_mono_ns() + (int64_t)k->max_seconds * CLOCK_SEC
					: CLOCK_NEVER;

	while (!k->is_done) {
		int wait_ms = -1, n;

		if (end_ns != CLOCK_NEVER) {
			int64_t left = end_ns - clock_mono_ns();

			if (left <= 0)
				break;
			wait_ms = (int)(left / CLOCK_MS + 1);
		}
		n = epoll_wait(k->epoll, events, BENCH_EVENTS, wait_ms);
		for (int i = 0; i < n && !k->is_done; i++)
			sink_event(k, &events[i]);
	}
	free(events);
}

static void sink_report(const struct sink *k)
{
	double seconds = (double)(k->last_ns - k->first_ns) / 1e9;
	double rate = seconds > 0 ? (double)(k->messages - 1) / seconds : 0;
	struct json_out j;
	struct buf b;

	if (!k->is_json) {
		printf("%llu messages, %llu octets, %llu recipients on %llu connections in %.2f s: "
		       "%.0f msg/s; cpu %.2f s\n",
			(unsigned long long)k->messages, (unsigned long long)k->octets,
			(unsigned long long)k->rcpts, (unsigned long long)k->connections, seconds,
			rate, bench_cpu_seconds());
		return;
	}
	buf_init(&b, SINK_REPORT_MAX);
	json_out_init(&j, &b);
	json_open_object(&j);
	json_kv_u64(&j, "messages", k->messages);
	json_kv_u64(&j, "octets", k->octets);
	json_kv_u64(&j, "recipients", k->rcpts);
	json_kv_u64(&j, "connections", k->connections);
	json_kv_u64(&j, "bad_commands", k->bad_commands);
	json_key(&j, "seconds");
	json_double(&j, seconds);
	json_key(&j, "messages_per_s");
	json_double(&j, rate);
	json_key(&j, "cpu_s");
	json_double(&j, bench_cpu_seconds());
	json_close(&j);
	printf("%s\n", buf_cstr(&b));
	buf_fini(&b);
}

static int sink_usage(int code)
{
	fprintf(code ? stderr : stdout,
		"usage: yizhan bench sink --listen HOST:PORT|unix:/path [options]\n"
		"Accept every message, discard it, count. Port 0 takes a free one; the address is\n"
		"printed on standard error.\n"
		"  --pipelining on|off  offer PIPELINING (on)\n"
		"  --chunking on|off    offer CHUNKING (on)\n"
		"  --count N            end after N messages; exit 1 when there were fewer\n"
		"  --max-seconds N      end after N seconds\n"
		"  --json               print the totals as JSON\n");
	return code;
}

static int sink_options(struct sink *k, int argc, char **argv)
{
	static const struct option options[] = {{"listen", required_argument, NULL, 'l'},
		{"pipelining", required_argument, NULL, 'p'},
		{"chunking", required_argument, NULL, 'c'}, {"count", required_argument, NULL, 'n'},
		{"max-seconds", required_argument, NULL, 's'}, {"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	struct err e = {0};
	int c, rc = 0;

	optind = 1;
	while (rc == 0 && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'l':
			rc = bench_addr_parse(optarg, &k->addr, &e);
			if (rc < 0)
				fprintf(stderr, "yizhan bench: %s\n", e.text);
			break;
		case 'p': k->is_pipelining = strcmp(optarg, "off") != 0; break;
		case 'c': k->is_chunking = strcmp(optarg, "off") != 0; break;
		case 'n': rc = bench_number("count", optarg, 1, UINT64_MAX, &k->count); break;
		case 's':
			rc = bench_number("max-seconds", optarg, 1, 86400, &k->max_seconds);
			break;
		case 'j': k->is_json = true; break;
		case 'h': return sink_usage(0), 1;
		default: rc = -1; break;
		}
	}
	if (rc < 0 || optind != argc || k->addr.len == 0)
		return sink_usage(EX_USAGE), -1;
	return 0;
}

static void print_address(const struct sink *k)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&k->addr.ss;

	if (k->is_tcp) /* the port lies at the same place in both families */
		fprintf(stderr, "listening on port %u\n", ntohs(in6->sin6_port));
	else
		fprintf(stderr, "listening on unix:%s\n",
			((const struct sockaddr_un *)&k->addr.ss)->sun_path);
}

int bench_sink(int argc, char **argv)
{
	struct sink k = {.epoll = -1,
		.listener = -1,
		.signals = -1,
		.is_pipelining = true,
		.is_chunking = true};
	struct err e = {0};
	int rc = sink_options(&k, argc, argv);

	if (rc != 0)
		return rc > 0 ? 0 : EX_USAGE;
	list_init(&k.sessions);
	if (sink_open(&k, &e) < 0) {
		fprintf(stderr, "yizhan bench: %s\n", e.text);
		rc = EX_UNAVAILABLE;
		goto out;
	}
	print_address(&k);
	k.mem = mem_alloc(SINK_LINE_MAX + SINK_READ);
	sink_loop(&k);
	sink_report(&k);
	rc = k.count && k.messages < k.count ? 1 : 0;
out:
	LIST_EACH_SAFE (n, &k.sessions)
		session_free(&k, LIST_ITEM(n, struct sink_session, all));
	if (k.listener >= 0)
		close(k.listener);
	if (k.signals >= 0)
		close(k.signals);
	if (k.epoll >= 0)
		close(k.epoll);
	free(k.mem);
	return rc;
}
