/* A transport of the caller's whose every read and write fails in turn; and many threads on one
 * context. */

#include "yz_test.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer.h"

/* A server in memory: what is written is answered at once. */
struct mock {
	char in[8192]; /* said by the client, not answered */
	size_t in_len;
	char out[8192]; /* said by the server, not read */
	size_t out_len;
	bool is_body, is_taken; /* is_taken: the body's end has come */
	int calls, fails_at;
	bool is_short; /* octet by octet */
	int closed;
};

static void answer(struct mock *m, const char *text)
{
	size_t n = strlen(text);

	memcpy(m->out + m->out_len, text, n);
	m->out_len += n;
}

static void serve(struct mock *m)
{
	char *lf;

	while ((lf = memchr(m->in, '\n', m->in_len))) {
		size_t n = (size_t)(lf + 1 - m->in);

		if (m->is_body) {
			if (n == 3 && m->in[0] == '.') {
				m->is_body = false;
				m->is_taken = true;
				answer(m, "250 2.0.0 queued\r\n");
			}
		} else if (!strncmp(m->in, "EHLO", 4)) {
			answer(m, "250-mx\r\n250 SIZE 1000\r\n");
		} else if (!strncmp(m->in, "DATA", 4)) {
			m->is_body = true;
			answer(m, "354 go\r\n");
		} else {
			answer(m, !strncmp(m->in, "QUIT", 4) ? "221 bye\r\n" : "250 2.1.0 ok\r\n");
		}
		m->in_len -= n;
		memmove(m->in, m->in + n, m->in_len);
	}
}

static long mock_read(void *arg, void *to, size_t n, int64_t timeout_ms, int *os_errno)
{
	struct mock *m = arg;

	if (m->calls++ == m->fails_at || m->out_len == 0) {
		*os_errno = ECONNRESET;
		return -1;
	}
	n = m->is_short ? 1 : n < m->out_len ? n : m->out_len;
	memcpy(to, m->out, n);
	m->out_len -= n;
	memmove(m->out, m->out + n, m->out_len);
	return (long)n;
}

static long mock_write(void *arg, const void *from, size_t n, int64_t timeout_ms, int *os_errno)
{
	struct mock *m = arg;

	if (m->calls++ == m->fails_at) {
		*os_errno = EPIPE;
		return -1;
	}
	n = m->is_short ? 1 : n;
	memcpy(m->in + m->in_len, from, n);
	m->in_len += n;
	serve(m);
	return (long)n;
}

static void mock_close(void *arg)
{
	((struct mock *)arg)->closed++;
}

static int drive(struct yz_session *s, int rc)
{
	struct yz_want w;

	while (rc == YZ_E_AGAIN) {
		rc = yz_step(s, &w);
		if (rc == YZ_E_AGAIN)
			usleep(500);
	}
	return rc;
}

/* false: the failure came too late to matter. */
static bool run(struct mock *m, bool is_nonblocking)
{
	struct yz_transport tr = YZ_INIT(tr);
	struct yz_options o = YZ_INIT(o);
	struct yz_session *s;
	struct yz_txn *t;
	int rc;

	o.hello_name = "me.example";
	s = yz_session_new(NULL, &o);
	if (is_nonblocking)
		assert_ok(yz_set_nonblocking(s, true));
	answer(m, "220 mx\r\n");
	tr.read = mock_read;
	tr.write = mock_write;
	tr.close = mock_close;
	tr.fd = -1;
	tr.arg = m;
	t = yz_txn_new(s, "a@x", NULL);
	assert_ok(yz_txn_rcpt(t, "b@y", NULL));
	assert_ok(yz_txn_body(t, "Subject: x\n\nhello\n", 18, YZ_EOL_FIX));
	assert_ok(yz_attach(s, &tr, "mx.example", false));
	rc = drive(s, yz_talk(s));
	if (rc == YZ_OK)
		rc = drive(s, yz_send(t));
	if (rc == YZ_OK) {
		assert_int_equal(yz_txn_outcome(t), YZ_ACCEPTED);
		assert_true(m->is_taken);
		rc = drive(s, yz_quit(s)); /* behaviour 73: the result stands */
		assert_int_equal(yz_txn_outcome(t), YZ_ACCEPTED);
	} else {
		assert_int_equal(yz_error(s)->code, rc);
		assert_true(yz_error(s)->text[0] != '\0');
		/* Nothing that the server has taken is called not sent. */
		assert_true(!m->is_taken || yz_txn_outcome(t) == YZ_UNKNOWN);
		assert_true(yz_txn_outcome(t) != YZ_ACCEPTED);
	}
	yz_txn_free(&t);
	yz_session_free(&s);
	assert_int_equal(m->closed, 1);
	return m->calls > m->fails_at;
}

static void behaviour_76_all_fail_in_turn(void **state)
{
	for (int mode = 0; mode < 4; mode++) {
		int failures = 0;

		for (;; failures++) {
			struct mock *m = calloc(1, sizeof(*m));
			bool has_failed;

			m->fails_at = failures;
			m->is_short = mode & 1;
			has_failed = run(m, mode & 2);
			free(m);
			if (!has_failed)
				break;
		}
		assert_true(failures > 8);
	}
}

/* ---- threads ---- */

#define THREADS 64

struct server {
	int listener;
	unsigned short port;
};

static void *serve_one(void *arg)
{
	int fd = (int)(intptr_t)arg;
	struct mock *m = calloc(1, sizeof(*m));
	ssize_t got;

	answer(m, "220 mx\r\n");
	do {
		if (m->out_len && send(fd, m->out, m->out_len, MSG_NOSIGNAL) < 0)
			break;
		m->out_len = 0;
		got = recv(fd, m->in + m->in_len, sizeof(m->in) - m->in_len, 0);
		if (got > 0) {
			m->in_len += (size_t)got;
			serve(m);
		}
	} while (got > 0);
	close(fd);
	free(m);
	return NULL;
}

static void *serve_all(void *arg)
{
	struct server *sv = arg;
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++) {
		int fd = accept(sv->listener, NULL, NULL);

		pthread_create(&threads[i], NULL, serve_one, (void *)(intptr_t)fd);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return NULL;
}

static int look_up(void *arg, const char *host, int family,
	void (*add)(void *to, const char *address), void *to)
{
	add(to, "127.0.0.1");
	return 0;
}

struct sender {
	pthread_t thread;
	struct yz_ctx *ctx;
	unsigned short port;
	bool is_nonblocking;
	int rc;
};

static void *send_one(void *arg)
{
	struct sender *me = arg;
	struct yz_session *s = yz_session_new(me->ctx, NULL);
	struct yz_txn *t = yz_txn_new(s, "a@x", NULL);
	char url[64];

	snprintf(url, sizeof(url), "smtp://mx.example:%u", me->port);
	yz_set_nonblocking(s, me->is_nonblocking);
	yz_txn_rcpt(t, "b@y", NULL);
	yz_txn_body(t, "x\n", 2, YZ_EOL_FIX);
	me->rc = drive(s, yz_connect(s, url));
	if (me->rc == YZ_OK)
		me->rc = drive(s, yz_send(t));
	if (me->rc == YZ_OK)
		me->rc = drive(s, yz_quit(s));
	yz_txn_free(&t);
	yz_session_free(&s);
	return NULL;
}

static void behaviour_77_threads(void **state)
{
	struct yz_resolver r = YZ_INIT(r);
	struct yz_ctx *ctx = yz_ctx_new();
	struct sender *senders = calloc(THREADS, sizeof(senders[0]));
	struct server sv;
	pthread_t server;

	r.addresses = look_up;
	assert_ok(yz_ctx_set_resolver(ctx, &r));
	sv.listener = peer_listen(&sv.port);
	pthread_create(&server, NULL, serve_all, &sv);
	for (int i = 0; i < THREADS; i++) {
		senders[i].ctx = ctx;
		senders[i].port = sv.port;
		senders[i].is_nonblocking = i & 1;
		pthread_create(&senders[i].thread, NULL, send_one, &senders[i]);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(senders[i].thread, NULL);
		assert_ok(senders[i].rc);
	}
	pthread_join(server, NULL);
	close(sv.listener);
	yz_ctx_free(&ctx);
	free(senders);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(behaviour_76_all_fail_in_turn),
		cmocka_unit_test(behaviour_77_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
