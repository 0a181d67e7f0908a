/* Without blocking: a thousand sessions in one loop, cancelling, time. */

#include "yz_test.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "peer.h"

#define SESSIONS     1000
#define BODY         (4 << 20)
#define PEER_WAIT_NS 100000000
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STEP_MAX_NS 20000000
#else
#define STEP_MAX_NS 2000000 /* a millisecond, and what interrupts are charged to us */
#endif

/* Drive one session to the end of its call. */
static int finish(struct yz_session *s, int rc)
{
	struct yz_want w;

	yz_wants(s, &w);
	while (rc == YZ_E_AGAIN) {
		struct pollfd p = {.fd = w.fd, .events = (short)(w.events & YZ_READ ? POLLIN : 0)};

		p.events |= w.events & YZ_WRITE ? POLLOUT : 0;
		poll(&p, w.fd >= 0, (int)w.timeout_ms);
		rc = yz_step(s, &w);
	}
	return rc;
}

static struct yz_session *session(int64_t ms)
{
	struct yz_options o = YZ_INIT(o);
	struct yz_session *s;

	o.hello_name = "me.example";
	s = yz_session_new(NULL, &o);
	if (ms)
		assert_ok(yz_set_timeout(s, ms));
	assert_ok(yz_set_nonblocking(s, true));
	return s;
}

static void a_whole_conversation(void **state)
{
	struct peer *p = peer_start(
		"S:220 x\nC:EHLO me.example\nW:20\nS:250 x\nC:MAIL FROM:<a@x>\nS:250 ok\n"
		"C:RCPT TO:<c@y>\nS:250 ok\nC:DATA\nS:354 go\nD:\nS:250 2.0.0 kept\n"
		"C:VRFY me\nS:252 x\nC:QUIT\nS:221 bye",
		true);
	struct yz_session *s = session(0);
	const struct yz_reply *r = NULL;
	struct yz_txn *t;
	char verb[] = "VRFY", what[] = "me";
	int rc;

	rc = yz_connect(s, peer_url(p, "smtp"));
	assert_int_equal(rc, YZ_E_AGAIN);
	assert_int_equal(yz_noop(s, NULL), YZ_E_STATE); /* one call at a time */
	assert_ok(finish(s, rc));
	t = yz_txn_new(s, "a@x", NULL);
	assert_ok(yz_txn_rcpt(t, "c@y", NULL));
	assert_ok(yz_txn_body(t, "hi\n", 3, YZ_EOL_FIX));
	assert_ok(finish(s, yz_send(t)));
	assert_int_equal(yz_txn_accepted(t), 1);
	rc = yz_cmd(s, verb, what, &r);
	verb[0] = what[0] = '!'; /* strings were copied */
	assert_ok(finish(s, rc));
	assert_int_equal(r->code, 252);
	assert_ok(finish(s, yz_quit(s)));
	yz_txn_free(&t);
	yz_session_free(&s);
	peer_end(&p);
}

static void cancelled_and_late(void **state)
{
	struct peer *p = peer_start("W:200\nE:\nA:\nW:200\nE:\nA:\nE:", false);
	struct yz_session *s = session(60);

	assert_int_equal(finish(s, yz_connect(s, peer_url(p, "smtp"))), YZ_E_TIMEOUT);
	assert_int_equal(yz_connect(s, peer_url(p, "smtp")), YZ_E_AGAIN);
	while (yz_error(s)->code == YZ_OK && !yz_is_connected(s))
		yz_step(s, NULL);
	yz_cancel(s);
	assert_int_equal(yz_error(s)->code, YZ_E_CANCELLED);
	assert_false(yz_is_connected(s));
	assert_int_equal(yz_step(s, NULL), YZ_E_STATE);
	/* Freed in the middle of a call. */
	assert_int_equal(yz_connect(s, peer_url(p, "smtp")), YZ_E_AGAIN);
	yz_session_free(&s);
	peer_end(&p);
}

/* Says nothing, greets and stalls, or takes the envelope and does not read the body. */
static bool talk(int fd, const char *say, const char *until)
{
	char in[1024];
	size_t n = 0;
	ssize_t got;

	if (send(fd, say, strlen(say), MSG_NOSIGNAL) < 0)
		return false;
	while (until) {
		got = recv(fd, in + n, sizeof(in) - 1 - n, 0);
		if (got <= 0)
			return false;
		n += (size_t)got;
		in[n] = '\0';
		if (strstr(in, until))
			break;
	}
	return true;
}

struct staller {
	int listener;
	int fds[SESSIONS];
};

static void *stall(void *arg)
{
	struct staller *st = arg;

	for (int i = 0; i < SESSIONS; i++) {
		int fd = st->fds[i] = accept(st->listener, NULL, NULL);

		if (i % 3 == 1)
			talk(fd, "220 x\r\n", NULL);
		if (i % 3 == 2 && talk(fd, "220 x\r\n", "EHLO") && talk(fd, "250 x\r\n", "MAIL") &&
			talk(fd, "250 x\r\n", "RCPT") && talk(fd, "250 x\r\n", "DATA"))
			talk(fd, "354 x\r\n", NULL);
	}
	return NULL;
}

struct measured {
	int64_t longest_ns;
	long waits;
};

static int64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static long waits(void)
{
	struct rusage u;

	getrusage(RUSAGE_THREAD, &u);
	return u.ru_nvcsw;
}

static int measured_step(struct measured *m, struct yz_session *s, struct yz_txn **t,
	struct yz_want *w, const char *url, int stage)
{
	long before = waits();
	int64_t from_ns = cpu_ns(), wall_ns = now_ns(), took_ns;
	int rc;

	if (stage == 0)
		rc = yz_connect(s, url);
	else if (stage == 1)
		rc = yz_send(*t);
	else
		rc = yz_step(s, w);
	took_ns = cpu_ns() - from_ns;
	if (took_ns > m->longest_ns)
		m->longest_ns = took_ns;
	/* On a busy machine a lock of the kernel (a new stack's mapping) may be waited for; a peer
	 * would be waited for until its time is over. */
	if (waits() > before && now_ns() - wall_ns > PEER_WAIT_NS)
		m->waits++;
	yz_wants(s, w);
	return rc;
}

static void make_room(void)
{
	struct rlimit r;

	getrlimit(RLIMIT_NOFILE, &r);
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
}

static struct yz_txn *make_txn(struct yz_session *s, const char *body)
{
	struct yz_txn *t = yz_txn_new(s, "a@x", NULL);

	assert_ok(yz_txn_rcpt(t, "c@y", NULL));
	assert_ok(yz_txn_body(t, body, BODY, YZ_EOL_FIX));
	return t;
}

/* No step of any of them waits, and none takes long, while the servers stall. */
static void behaviour_75_a_thousand_stalled(void **state)
{
	struct staller *st = calloc(1, sizeof(*st));
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t len = sizeof(at);
	struct yz_session **s = calloc(SESSIONS, sizeof(s[0]));
	struct yz_txn **t = calloc(SESSIONS, sizeof(t[0]));
	struct yz_want *w = calloc(SESSIONS, sizeof(w[0]));
	struct pollfd *p = calloc(SESSIONS, sizeof(p[0]));
	char *body = malloc(BODY), url[64];
	struct measured m = {0};
	bool *is_idle = calloc(SESSIONS, sizeof(is_idle[0]));
	size_t left = SESSIONS;
	pthread_t thread;
	int rc;

	make_room();
	memset(body, 'x', BODY);
	for (size_t i = 70; i < BODY; i += 71)
		body[i] = '\n';
	st->listener = socket(AF_INET, SOCK_STREAM, 0);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(st->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(st->listener, SESSIONS), 0);
	getsockname(st->listener, (struct sockaddr *)&at, &len);
	snprintf(url, sizeof(url), "smtp://127.0.0.1:%u", ntohs(at.sin_port));
	pthread_create(&thread, NULL, stall, st);
	for (size_t i = 0; i < SESSIONS; i++) {
		s[i] = session(4000);
		rc = measured_step(&m, s[i], NULL, &w[i], url, 0);
		is_idle[i] = rc == YZ_OK; /* that server was quick */
		if (rc != YZ_E_AGAIN && rc != YZ_OK)
			fail_msg("%s", yz_error(s[i])->text);
	}
	while (left) {
		for (size_t i = 0; i < SESSIONS; i++) {
			p[i].fd = s[i] ? w[i].fd : -1;
			p[i].events = (short)((w[i].events & YZ_READ ? POLLIN : 0) |
				(w[i].events & YZ_WRITE ? POLLOUT : 0));
			p[i].revents = 0;
		}
		poll(p, SESSIONS, 20);
		for (size_t i = 0; i < SESSIONS; i++) {
			if (!s[i])
				continue;
			rc = yz_is_connected(s[i]) && is_idle[i]
				? YZ_OK
				: measured_step(&m, s[i], NULL, &w[i], NULL, 2);
			is_idle[i] = false;
			if (rc == YZ_OK && !t[i]) {
				t[i] = make_txn(s[i], body);
				rc = measured_step(&m, s[i], &t[i], &w[i], NULL, 1);
			}
			if (rc == YZ_E_AGAIN)
				continue;
			/* a body that went into the kernel's buffers as a whole may have arrived */
			if (rc != YZ_E_TIMEOUT && rc != YZ_E_UNKNOWN)
				fail_msg("session %zu: %s: %s", i, yz_err_name(rc),
					yz_error(s[i])->text);
			yz_txn_free(&t[i]);
			yz_session_free(&s[i]);
			left--;
		}
	}
	print_message("# longest step: %lld us of processor time; %ld waits\n",
		(long long)(m.longest_ns / 1000), m.waits);
	pthread_join(thread, NULL);
	for (int i = 0; i < SESSIONS; i++)
		close(st->fds[i]);
	close(st->listener);
	free(s);
	free(t);
	free(w);
	free(p);
	free(body);
	free(is_idle);
	free(st);
	assert_int_equal(m.waits, 0);
	assert_true(m.longest_ns < STEP_MAX_NS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_conversation),
		cmocka_unit_test(cancelled_and_late),
		cmocka_unit_test(behaviour_75_a_thousand_stalled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
