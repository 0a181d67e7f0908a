#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "base/must.h"
#include "cli/bench_priv.h"
#include "cli/bench_tls.h"

#define SOURCE_IN_MAX     4096 /* a reply line longer than this ends the session */
#define SOURCE_OUT_MAX    4096
#define SOURCE_NUMBER     12 /* digits of the message's number in its Message-ID */
#define SOURCE_STALL_NS   (60 * CLOCK_SEC)
#define SOURCE_FAILS_MAX  3 /* connections in a row that failed before anything was accepted */
#define SOURCE_REPORT_MAX 8192
#define SOURCE_TEXT_MAX   200

/* Where a session stands: the reply (or event) it waits for. */
enum source_phase {
	PHASE_GONE,
	PHASE_CONNECT,
	PHASE_BANNER,
	PHASE_EHLO,
	PHASE_STARTTLS,
	PHASE_HANDSHAKE,
	PHASE_IDLE,
	PHASE_MAIL,
	PHASE_RCPT,
	PHASE_DATA,
	PHASE_FINAL,
	PHASE_RSET,
	PHASE_QUIT,
};

struct source_session {
	int fd;
	struct bench_tls_conn *tls;
	enum source_phase phase;
	bool is_refused;  /* MAIL or RCPT of this message */
	bool has_body;    /* the body follows what is in `out` */
	bool is_again;    /* its message was not taken: the next connection sends it */
	unsigned sent;    /* messages that this connection has settled */
	unsigned fails;   /* connections in a row that came to nothing */
	uint64_t number;  /* of its message */
	uint64_t body_at; /* octets of the template sent */
	int64_t body_ns;  /* when its last octet left */
	struct buf out;
	size_t in_len;
	char in[SOURCE_IN_MAX];
};

struct source {
	int epoll;
	struct bench_addr to;
	struct source_session *sessions;
	const char **rcpts;
	size_t rcpt_count;
	const char *from;
	uint64_t session_count, messages, size, hold_s;
	bool is_pipelining, is_chunking, is_new, is_idle, is_tls, is_implicit_tls, is_json, is_tcp;
	struct bench_tls *tls;
	char *body; /* the message; with its dot line behind it unless --chunking */
	size_t body_len;
	size_t number_at;
	/* how it goes */
	uint64_t started, accepted, refused, failed, connections, open;
	int64_t begin_ns, end_ns, alive_ns;
	char trouble[SOURCE_TEXT_MAX]; /* the first refusal or failure */
	struct bench_hist *latency;
};

static void note_trouble(struct source *src, const char *what, struct span detail)
{
	if (src->trouble[0] == 0)
		snprintf(src->trouble, sizeof(src->trouble), "%s%s" SPAN_FMT, what,
			detail.len ? ": " : "", SPAN_ARG(detail));
}

static void session_open(struct source *src, struct source_session *s);

/* The one way a connection ends. A message that was under way is lost to the count. */
static void session_close(struct source *src, struct source_session *s, const char *why)
{
	bool is_midway = s->phase >= PHASE_MAIL && s->phase <= PHASE_FINAL && !s->is_again;
	bool is_early = s->phase >= PHASE_CONNECT && s->phase < PHASE_IDLE;

	if (s->phase == PHASE_GONE)
		return;
	if (s->phase == PHASE_IDLE || (s->phase >= PHASE_MAIL && s->phase <= PHASE_RSET))
		src->open--;
	if (is_midway)
		src->failed++;
	if (is_midway || is_early || s->phase == PHASE_IDLE)
		note_trouble(src, why, SPAN_NONE);
	s->fails = is_midway || is_early ? s->fails + 1 : 0;
	if (s->tls)
		bench_tls_close(&s->tls);
	close(s->fd);
	s->phase = PHASE_GONE;
	if (!src->is_idle && (src->started < src->messages || s->is_again) &&
		s->fails < SOURCE_FAILS_MAX)
		session_open(src, s);
}

static void session_open(struct source *src, struct source_session *s)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
	int type = SOCK_STREAM | SOCK_CLOEXEC, one = 1;

	/* A Unix socket with a full backlog answers EAGAIN instead of waiting: let it block. */
	s->fd = socket(src->to.ss.ss_family, type | (src->is_tcp ? SOCK_NONBLOCK : 0), 0);
	if (s->fd < 0) {
		note_trouble(src, "socket", span_str(strerror(errno)));
		return;
	}
	if (src->is_tcp)
		setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	s->phase = PHASE_CONNECT;
	s->in_len = 0;
	s->has_body = false;
	s->sent = 0;
	buf_clear(&s->out);
	src->connections++;
	if (connect(s->fd, (struct sockaddr *)&src->to.ss, src->to.len) < 0 &&
		errno != EINPROGRESS) {
		session_close(src, s, strerror(errno));
		return;
	}
	ev.data.ptr = s;
	MUST(epoll_ctl(src->epoll, EPOLL_CTL_ADD, s->fd, &ev) == 0);
}

/* ---- sending ---- */

/* Commands and body in one write. */
static ssize_t send_parts(struct source_session *s, struct span head, struct span body)
{
	struct iovec iov[2] = {{(char *)head.ptr, head.len}, {(char *)body.ptr, body.len}};
	struct msghdr msg = {.msg_iov = head.len ? iov : iov + 1,
		.msg_iovlen = (head.len ? 1 : 0) + (body.len ? 1 : 0)};
	struct span first = head.len ? head : body;

	if (s->tls == NULL)
		return sendmsg(s->fd, &msg, MSG_NOSIGNAL);
	return bench_tls_write(s->tls, first.ptr, first.len);
}

static void put_number(struct source *src, uint64_t number)
{
	for (size_t i = SOURCE_NUMBER; i-- > 0; number /= 10)
		src->body[src->number_at + i] = (char)('0' + number % 10);
}

/* Send as much as the socket takes. -1: it is broken. */
static int session_send(struct source *src, struct source_session *s)
{
	while (buf_len(&s->out) > 0 || s->has_body) {
		struct span head = buf_span(&s->out), body = SPAN_NONE;
		ssize_t n;

		if (s->has_body) {
			put_number(src, s->number);
			body = span_of(src->body + s->body_at, src->body_len - s->body_at);
		}
		n = send_parts(s, head, body);
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		if ((size_t)n < head.len) {
			buf_consume(&s->out, (size_t)n);
			continue;
		}
		buf_consume(&s->out, head.len);
		s->body_at += s->has_body ? (size_t)n - head.len : 0;
		if (s->has_body && s->body_at == src->body_len) {
			s->has_body = false;
			s->body_ns = clock_mono_ns();
		}
	}
	return 0;
}

static void say_body(struct source_session *s)
{
	s->has_body = true;
	s->body_at = 0;
}

/* ---- the conversation ---- */

static const char *say_rcpt(struct source *src, struct source_session *s)
{
	const char *rcpt = src->rcpts[s->number % src->rcpt_count];

	buf_printf(&s->out, "RCPT TO:<%s>\r\n", rcpt);
	return rcpt;
}

static void say_data(struct source *src, struct source_session *s)
{
	if (src->is_chunking) {
		buf_printf(&s->out, "BDAT %zu LAST\r\n", src->body_len);
		say_body(s);
	} else {
		buf_str(&s->out, "DATA\r\n");
	}
}

static void say_quit(struct source *src, struct source_session *s)
{
	if (s->phase == PHASE_IDLE || (s->phase >= PHASE_MAIL && s->phase <= PHASE_RSET))
		src->open--;
	buf_str(&s->out, "QUIT\r\n");
	s->phase = PHASE_QUIT;
}

static void begin_message(struct source *src, struct source_session *s)
{
	if (src->started == src->messages && !s->is_again) {
		say_quit(src, s);
		return;
	}
	if (!s->is_again)
		s->number = src->started++;
	s->is_again = false;
	s->is_refused = false;
	s->phase = PHASE_MAIL;
	buf_printf(&s->out, "MAIL FROM:<%s>\r\n", src->from);
	if (src->is_pipelining) {
		say_rcpt(src, s);
		say_data(src, s);
	}
}

/* The message is settled: the next one, or the end. */
static void end_message(struct source *src, struct source_session *s)
{
	s->fails = 0;
	s->sent++;
	if (src->is_new)
		say_quit(src, s);
	else
		begin_message(src, s);
}

static void refuse(struct source *src, struct source_session *s, struct span line)
{
	if (!s->is_refused) {
		src->refused++;
		note_trouble(src, "refused", line);
	}
	s->is_refused = true;
}

static void say_rset(struct source_session *s)
{
	buf_str(&s->out, "RSET\r\n");
	s->phase = PHASE_RSET;
}

static void on_ehlo(struct source *src, struct source_session *s)
{
	if (src->is_tls && s->tls == NULL) {
		buf_str(&s->out, "STARTTLS\r\n");
		s->phase = PHASE_STARTTLS;
		return;
	}
	src->open++;
	s->phase = PHASE_IDLE;
	if (!src->is_idle) {
		begin_message(src, s);
	} else if (src->open == src->session_count) {
		fprintf(stderr, "%llu sessions open\n", (unsigned long long)src->open);
	}
}

static void on_data(struct source *src, struct source_session *s, unsigned code, struct span line)
{
	if (code != 354) {
		refuse(src, s, line);
		say_rset(s);
		return;
	}
	s->phase = PHASE_FINAL;
	if (s->is_refused) /* a pipelined DATA that was taken although its recipient was not */
		buf_str(&s->out, ".\r\n");
	else
		say_body(s);
}

static void on_final(struct source *src, struct source_session *s, unsigned code, struct span line)
{
	int64_t now = clock_mono_ns();

	src->end_ns = src->alive_ns = now;
	if (code / 100 == 2 && !s->is_refused) {
		src->accepted++;
		bench_hist_add(src->latency, now - s->body_ns);
		end_message(src, s);
		return;
	}
	refuse(src, s, line);
	say_rset(s);
}

static void tls_start(struct source *src, struct source_session *s)
{
	s->tls = bench_tls_open(src->tls, s->fd);
	s->phase = PHASE_HANDSHAKE;
}

/* One complete reply. -1: the session is over; `*why_r` says what to note. */
static int on_reply(struct source *src, struct source_session *s, unsigned code, struct span line,
	const char **why_r)
{
	bool is_ok = code / 100 == 2;

	/* A server that takes so many messages a connection and no more: on with a new one. */
	if (code == 421 && s->sent > 0 && s->phase >= PHASE_MAIL && s->phase <= PHASE_FINAL) {
		s->is_again = true;
		*why_r = "enough for one connection";
		return -1;
	}
	switch (s->phase) {
	case PHASE_BANNER:
	case PHASE_EHLO:
	case PHASE_STARTTLS:
		if (!is_ok) {
			note_trouble(src, "refused", line);
			*why_r = "session refused";
			return -1;
		}
		if (s->phase == PHASE_EHLO)
			on_ehlo(src, s);
		else if (s->phase == PHASE_STARTTLS)
			tls_start(src, s);
		else
			buf_str(&s->out, "EHLO source.yizhan.test\r\n"), s->phase = PHASE_EHLO;
		break;
	case PHASE_MAIL:
		if (!is_ok)
			refuse(src, s, line);
		s->phase = PHASE_RCPT;
		if (!src->is_pipelining)
			is_ok ? (void)say_rcpt(src, s) : say_rset(s);
		break;
	case PHASE_RCPT:
		if (!is_ok)
			refuse(src, s, line);
		s->phase = src->is_chunking ? PHASE_FINAL : PHASE_DATA;
		if (!src->is_pipelining)
			is_ok ? say_data(src, s) : say_rset(s);
		break;
	case PHASE_DATA: on_data(src, s, code, line); break;
	case PHASE_FINAL: on_final(src, s, code, line); break;
	case PHASE_RSET: end_message(src, s); break;
	case PHASE_QUIT: *why_r = "quit"; return -1;
	case PHASE_IDLE:
	default:
		note_trouble(src, "unexpected reply", line);
		*why_r = "unexpected reply";
		return -1;
	}
	return 0;
}

/* Work through the complete lines of `in`. */
static int session_replies(struct source *src, struct source_session *s, const char **why_r)
{
	size_t at = 0;
	char *nl;

	while ((nl = memchr(s->in + at, '\n', s->in_len - at)) != NULL) {
		size_t n = (size_t)(nl - (s->in + at));
		struct span line = span_trim(span_of(s->in + at, n));
		uint64_t code;

		at += n + 1;
		if (line.len < 3 || !span_u64(span_sub(line, 0, 3), &code)) {
			*why_r = "a reply without a code";
			return -1;
		}
		if (line.len > 3 && line.ptr[3] == '-')
			continue;
		if (on_reply(src, s, (unsigned)code, line, why_r) < 0)
			return -1;
	}
	memmove(s->in, s->in + at, s->in_len - at);
	s->in_len -= at;
	if (s->in_len == sizeof(s->in)) {
		*why_r = "a reply line without end";
		return -1;
	}
	return 0;
}

static int session_handshake(struct source *src, struct source_session *s, const char **why_r)
{
	bool is_done;

	if (bench_tls_handshake(s->tls, &is_done) < 0) {
		*why_r = "TLS handshake failed";
		return -1;
	}
	if (!is_done)
		return 0;
	s->phase = src->is_implicit_tls ? PHASE_BANNER : PHASE_EHLO;
	if (!src->is_implicit_tls)
		buf_str(&s->out, "EHLO source.yizhan.test\r\n");
	return 0;
}

/* Read and answer until the socket is empty. -1: the session is over. */
static int session_read(
	struct source *src, struct source_session *s, bool is_hangup, const char **why_r)
{
	for (;;) {
		size_t want = sizeof(s->in) - s->in_len;
		ssize_t n;

		if (s->phase == PHASE_HANDSHAKE) {
			if (session_handshake(src, s, why_r) < 0 || session_send(src, s) < 0)
				return -1;
			if (s->phase == PHASE_HANDSHAKE)
				return 0;
		}
		n = s->tls ? bench_tls_read(s->tls, s->in + s->in_len, want)
			   : recv(s->fd, s->in + s->in_len, want, 0);
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n <= 0) {
			*why_r = n < 0 ? strerror(errno) : "closed by the server";
			return -1;
		}
		s->in_len += (size_t)n;
		if (session_replies(src, s, why_r) < 0)
			return -1;
		if (session_send(src, s) < 0) {
			*why_r = strerror(errno);
			return -1;
		}
		if (s->tls == NULL && (size_t)n < want && !is_hangup)
			return 0;
	}
}

static void session_event(struct source *src, struct source_session *s, uint32_t events)
{
	bool is_hangup = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
	const char *why = "closed by the server";

	if (s->phase == PHASE_CONNECT) {
		int failed = 0;
		socklen_t len = sizeof(failed);

		getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &failed, &len);
		if (failed) {
			session_close(src, s, strerror(failed));
			return;
		}
		s->phase = PHASE_BANNER;
		if (src->is_implicit_tls)
			tls_start(src, s);
	}
	if (events & EPOLLOUT && s->phase != PHASE_HANDSHAKE && session_send(src, s) < 0) {
		session_close(src, s, strerror(errno));
		return;
	}
	if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR) ||
		    s->phase == PHASE_HANDSHAKE) &&
		session_read(src, s, is_hangup, &why) < 0)
		session_close(src, s, why);
}

/* ---- the run ---- */

static bool is_over(const struct source *src, int64_t idle_end_ns)
{
	if (src->is_idle && clock_mono_ns() >= idle_end_ns)
		return true;
	for (uint64_t i = 0; i < src->session_count; i++) {
		if (src->sessions[i].phase != PHASE_GONE)
			return false;
	}
	return true;
}

static void source_loop(struct source *src)
{
	struct epoll_event *events = mem_alloc(sizeof(*events) * BENCH_EVENTS);
	int64_t idle_end_ns = clock_mono_ns() + (int64_t)src->hold_s * CLOCK_SEC;
	uint64_t settled;

	src->begin_ns = src->alive_ns = src->end_ns = clock_mono_ns();
	for (uint64_t i = 0; i < src->session_count; i++)
		session_open(src, &src->sessions[i]);
	for (;;) {
		int n = epoll_wait(src->epoll, events, BENCH_EVENTS, 200);

		for (int i = 0; i < n; i++)
			session_event(src, events[i].data.ptr, events[i].events);
		settled = src->accepted + src->refused + src->failed;
		if ((n == 0 || src->is_idle || settled >= src->messages) &&
			is_over(src, idle_end_ns))
			break;
		if (n == 0 && !src->is_idle && clock_mono_ns() - src->alive_ns > SOURCE_STALL_NS) {
			note_trouble(src, "nothing was answered for 60 s", SPAN_NONE);
			break;
		}
	}
	free(events);
}

/* A message of exactly `size` octets: header, then lines of 76 letters. No line begins with a dot,
 * so what is sent is the same with and without dot-stuffing (RFC 5321 section 4.5.2). */
static void make_body(struct source *src)
{
	static const char text[] = "the courier changes horses at the relay station and rides on. ";
	struct buf b;
	size_t at, end;

	buf_init(&b, src->size + 16);
	buf_printf(&b,
		"From: <%s>\r\nTo: <%s>\r\nSubject: a letter of %llu octets\r\n"
		"Date: Mon, 23 Nov 2026 06:30:00 +0000\r\nMessage-ID: <",
		src->from, src->rcpts[0], (unsigned long long)src->size);
	src->number_at = buf_len(&b);
	buf_printf(&b, "000000000000.%lld.%d@source.yizhan.test>\r\n\r\n",
		(long long)clock_wall_ns(), (int)getpid());
	at = 0;
	while (buf_len(&b) + 2 < src->size) {
		end = src->size - buf_len(&b) - 2;
		if (end > 76)
			end = src->size - buf_len(&b) - 78 < 3 ? 70 : 76;
		for (size_t i = 0; i < end; i++, at++) {
			char c = text[at % (sizeof(text) - 1)];

			buf_char(&b, (c == '.' || c == ' ') && i == 0 ? 'x' : c);
		}
		buf_str(&b, "\r\n");
	}
	MUST(buf_ok(&b) && buf_len(&b) == src->size);
	if (!src->is_chunking)
		buf_str(&b, ".\r\n");
	src->body = buf_steal(&b, &src->body_len);
}

static void report_json(const struct source *src, double seconds, double rate)
{
	struct json_out j;
	struct buf b;

	buf_init(&b, SOURCE_REPORT_MAX);
	json_out_init(&j, &b);
	json_open_object(&j);
	json_kv_u64(&j, "messages", src->messages);
	json_kv_u64(&j, "accepted", src->accepted);
	json_kv_u64(&j, "refused", src->refused);
	json_kv_u64(&j, "failed", src->failed);
	json_kv_u64(&j, "sessions", src->session_count);
	json_kv_u64(&j, "connections", src->connections);
	json_kv_u64(&j, "open", src->open);
	json_kv_u64(&j, "size", src->size);
	json_key(&j, "seconds");
	json_double(&j, seconds);
	json_key(&j, "messages_per_s");
	json_double(&j, rate);
	json_key(&j, "octets_per_s");
	json_double(&j, rate * (double)src->size);
	json_key(&j, "latency_us");
	json_open_object(&j);
	json_kv_i64(&j, "p50", bench_hist_at(src->latency, 500) / CLOCK_US);
	json_kv_i64(&j, "p99", bench_hist_at(src->latency, 990) / CLOCK_US);
	json_kv_i64(&j, "max", src->latency->max_ns / CLOCK_US);
	json_close(&j);
	json_key(&j, "cpu_s");
	json_double(&j, bench_cpu_seconds());
	json_kv_str(&j, "trouble", src->trouble[0] ? src->trouble : NULL);
	json_close(&j);
	printf("%s\n", buf_cstr(&b));
	buf_fini(&b);
}

static int source_report(const struct source *src)
{
	double seconds = (double)(src->end_ns - src->begin_ns) / 1e9;
	double rate = seconds > 0 ? (double)src->accepted / seconds : 0;

	if (src->is_json)
		report_json(src, seconds, rate);
	else if (src->is_idle)
		printf("%llu of %llu sessions were open\n", (unsigned long long)src->open,
			(unsigned long long)src->session_count);
	else
		printf("%llu of %llu accepted, %llu refused, %llu failed in %.2f s: %.0f msg/s, "
		       "%.1f MB/s; final reply p50 %lld p99 %lld max %lld us; cpu %.2f s\n",
			(unsigned long long)src->accepted, (unsigned long long)src->messages,
			(unsigned long long)src->refused, (unsigned long long)src->failed, seconds,
			rate, rate * (double)src->size / 1e6,
			(long long)(bench_hist_at(src->latency, 500) / CLOCK_US),
			(long long)(bench_hist_at(src->latency, 990) / CLOCK_US),
			(long long)(src->latency->max_ns / CLOCK_US), bench_cpu_seconds());
	if (src->trouble[0])
		fprintf(stderr, "yizhan bench: %s\n", src->trouble);
	if (src->is_idle)
		return src->open == src->session_count ? 0 : 1;
	return src->accepted == src->messages ? 0 : 1;
}

static int source_usage(int code)
{
	fprintf(code ? stderr : stdout,
		"usage: yizhan bench source --to HOST:PORT|unix:/path [options]\n"
		"Send messages, measure how fast they are accepted.\n"
		"  --sessions N      connections at the same time (1)\n"
		"  --messages M      in all (1000)\n"
		"  --size BYTES      of each message, header included (4096)\n"
		"  --pipelining      MAIL, RCPT and DATA in one write (else a round trip each)\n"
		"  --chunking        BDAT instead of DATA\n"
		"  --reuse | --new   keep connections (default), or one for each message\n"
		"  --from ADDR       sender (source@yizhan.test)\n"
		"  --rcpt ADDR       recipient; may be repeated, messages take turns\n"
		"  --tls             STARTTLS first; --implicit-tls: TLS from the first octet\n"
		"  --idle            only open the sessions, hold them for --hold SECONDS (10)\n"
		"  --json            print the result as JSON\n"
		"Exit 1 when a message was refused or lost, or a session did not open.\n");
	return code;
}

static int source_option(struct source *src, int c, struct err *e)
{
	switch (c) {
	case 't':
		if (bench_addr_parse(optarg, &src->to, e) == 0)
			return 0;
		fprintf(stderr, "yizhan bench: %s\n", e->text);
		return -1;
	case 's':
		return bench_number("sessions", optarg, 1, BENCH_SESSIONS_MAX, &src->session_count);
	case 'm': return bench_number("messages", optarg, 1, 999999999999, &src->messages);
	case 'z': return bench_number("size", optarg, BENCH_SIZE_MIN, BENCH_SIZE_MAX, &src->size);
	case 'H': return bench_number("hold", optarg, 0, 86400, &src->hold_s);
	case 'p': src->is_pipelining = true; return 0;
	case 'c': src->is_chunking = true; return 0;
	case 'n': src->is_new = true; return 0;
	case 'r': src->is_new = false; return 0;
	case 'i': src->is_idle = true; return 0;
	case 'T': src->is_tls = true; return 0;
	case 'I': src->is_implicit_tls = true; return 0;
	case 'j': src->is_json = true; return 0;
	case 'f': src->from = optarg; return 0;
	case 'R':
		src->rcpts = mem_realloc(src->rcpts, (src->rcpt_count + 1) * sizeof(char *));
		src->rcpts[src->rcpt_count++] = optarg;
		return 0;
	default: return -1;
	}
}

static int source_options(struct source *src, int argc, char **argv)
{
	static const struct option options[] = {{"to", required_argument, NULL, 't'},
		{"sessions", required_argument, NULL, 's'},
		{"messages", required_argument, NULL, 'm'}, {"size", required_argument, NULL, 'z'},
		{"pipelining", no_argument, NULL, 'p'}, {"chunking", no_argument, NULL, 'c'},
		{"reuse", no_argument, NULL, 'r'}, {"new", no_argument, NULL, 'n'},
		{"from", required_argument, NULL, 'f'}, {"rcpt", required_argument, NULL, 'R'},
		{"idle", no_argument, NULL, 'i'}, {"hold", required_argument, NULL, 'H'},
		{"tls", no_argument, NULL, 'T'}, {"implicit-tls", no_argument, NULL, 'I'},
		{"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0}};
	struct err e = {0};
	int c, rc = 0;

	optind = 1;
	while (rc == 0 && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'h')
			return source_usage(0), 1;
		rc = source_option(src, c, &e);
	}
	if (rc < 0 || optind != argc || src->to.len == 0)
		return source_usage(EX_USAGE), -1;
	if (src->rcpt_count == 0) {
		src->rcpts = mem_alloc(sizeof(char *));
		src->rcpts[src->rcpt_count++] = "sink@yizhan.test";
	}
	return 0;
}

static void source_init(struct source *src)
{
	src->is_tcp = src->to.ss.ss_family != AF_UNIX;
	src->epoll = epoll_create1(EPOLL_CLOEXEC);
	MUST(src->epoll >= 0);
	src->latency = NEW(struct bench_hist);
	if (src->session_count > src->messages && !src->is_idle)
		src->session_count = src->messages;
	src->sessions = mem_alloc(src->session_count * sizeof(*src->sessions));
	for (uint64_t i = 0; i < src->session_count; i++)
		buf_init(&src->sessions[i].out, SOURCE_OUT_MAX);
	make_body(src);
	if (src->is_tls || src->is_implicit_tls)
		src->tls = bench_tls_new();
	signal(SIGPIPE, SIG_IGN);
}

int bench_source(int argc, char **argv)
{
	struct source src = {.session_count = 1,
		.messages = 1000,
		.size = 4096,
		.hold_s = 10,
		.from = "source@yizhan.test"};
	int rc = source_options(&src, argc, argv);

	if (rc == 0) {
		source_init(&src);
		source_loop(&src);
		rc = source_report(&src);
	} else {
		rc = rc > 0 ? 0 : EX_USAGE;
	}
	for (uint64_t i = 0; src.sessions && i < src.session_count; i++) {
		if (src.sessions[i].tls)
			bench_tls_close(&src.sessions[i].tls);
		if (src.sessions[i].phase != PHASE_GONE)
			close(src.sessions[i].fd);
		buf_fini(&src.sessions[i].out);
	}
	if (src.tls)
		bench_tls_free(&src.tls);
	if (src.sessions)
		close(src.epoll);
	free(src.sessions);
	free(src.rcpts);
	free(src.body);
	free(src.latency);
	return rc;
}
