/* Ways to a server: a proxy, a header for one, a Unix socket, the MX hosts of a domain. */

#include "yz_test.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "peer.h"

#define TALK "S:220 mx\nC:EHLO me.example\nS:250 mx"

static void init(struct yz_options *o)
{
	*o = (struct yz_options)YZ_INIT(*o);
	o->hello_name = "me.example";
}

static void socks5(void **state)
{
	static const struct {
		const char *name, *auth, *url, *script, *err;
		size_t n;
		const char *said; /* all octets but those of SMTP */
	} cases[] = {
		{"a name goes to the proxy", "", "smtp://far.example:2525",
			"B:3\nR:\\x05\\x00\nB:18\nR:\\x05\\x00\\x00\\x01\\x01\\x02\\x03\\x04\\x00\\x19\n" TALK,
			"ok", 21, "\5\1\0\5\1\0\3\13far.example\x9\xdd"},
		{"user and password", "u%40x:pw@", "smtp://192.0.2.1",
			"B:4\nR:\\x05\\x02\nB:8\nR:\\x01\\x00\nB:10\n"
			"R:\\x05\\x00\\x00\\x03\\x04name\\x00\\x19\n" TALK,
			"ok", 22, "\5\2\0\2\1\3u@x\2pw\5\1\0\1\300\0\2\1\0\31"},
		{"refused by the target", "", "smtp://far.example:2525",
			"B:3\nR:\\x05\\x00\nB:18\nR:\\x05\\x05\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00\nE:",
			"connect", 21, NULL},
		{"no way to log in", "", "smtp://far.example:2525",
			"B:3\nR:\\x05\\xff\nE:", "connect", 3, NULL},
		{"not a proxy", "", "smtp://far.example:2525", "B:3\nS:220 hello\nE:", "proto", 3,
			NULL},
		{"hangs up", "", "smtp://far.example:2525", "B:3\nX:", "connect", 3, NULL},
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		for (int trickle = 0; trickle < 2; trickle++) {
			struct peer *p = peer_start(cases[i].script, trickle);
			struct yz_options o;
			struct yz_session *s;
			const struct yz_attempt *a;
			char proxy[64];
			int rc;

			init(&o);
			snprintf(proxy, sizeof(proxy), "socks5://%s127.0.0.1:%u", cases[i].auth,
				p->port);
			o.proxy = proxy;
			s = yz_session_new(NULL, &o);
			rc = yz_connect(s, cases[i].url);
			assert_int_equal(yz_attempts(s, &a), 1);
			if (strcmp(yz_err_name(a[0].err), cases[i].err) != 0)
				fail_msg("%s: %s: %s", cases[i].name, yz_err_name(a[0].err),
					a[0].text);
			assert_int_equal(rc == YZ_OK, a[0].err == YZ_OK);
			if (cases[i].said)
				assert_memory_equal(p->body, cases[i].said, cases[i].n);
			yz_session_free(&s);
			peer_end(&p);
		}
}

static void a_proxy_header_comes_first(void **state)
{
	struct peer *p = peer_start("C:PROXY TCP4 192.0.2.7 198.51.100.1 4711 25\n" TALK, false);
	struct yz_options o;
	struct yz_session *s;

	init(&o);
	o.proxy_header = (struct yz_proxy_header){.version = 1,
		.source = "192.0.2.7",
		.destination = "198.51.100.1",
		.source_port = 4711,
		.destination_port = 25};
	s = yz_session_new(NULL, &o);
	assert_ok(yz_connect(s, peer_url(p, "smtp")));
	yz_session_free(&s);
	peer_end(&p);
}

static void a_unix_socket(void **state)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct yz_session *s = yz_session_new(NULL, NULL);
	char url[160];
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), fd;

	snprintf(at.sun_path, sizeof(at.sun_path), "/tmp/yz-ways-%d.sock", (int)getpid());
	snprintf(url, sizeof(url), "lmtp+unix:%s", at.sun_path);
	assert_int_equal(yz_open(s, url), YZ_E_CONNECT);
	assert_int_equal(yz_error(s)->os_errno, ENOENT);
	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listener, 1), 0);
	/* Its words wait in the kernel before it is connected to. */
	yz_set_nonblocking(s, true);
	assert_int_equal(yz_open(s, url), YZ_E_AGAIN);
	fd = accept(listener, NULL, NULL);
	assert_int_equal(write(fd, "220 mx\r\n", 8), 8);
	while (yz_step(s, NULL) == YZ_E_AGAIN)
		;
	assert_int_equal(yz_error(s)->code, YZ_OK);
	assert_string_equal(yz_peer(s) + strlen("unix:"), at.sun_path);
	yz_session_free(&s);
	close(fd);
	close(listener);
	unlink(at.sun_path);
}

static int mx(void *arg, const char *domain,
	void (*add)(void *to, unsigned preference, const char *host), void *to)
{
	if (!strcmp(domain, "null.example"))
		add(to, 0, ".");
	if (!strcmp(domain, "broken.example"))
		return EIO;
	if (!strcmp(domain, "two.example")) {
		add(to, 20, "alive.example.");
		add(to, 10, "dead.example");
	}
	return 0;
}

static int addresses(void *arg, const char *host, int family,
	void (*add)(void *to, const char *address), void *to)
{
	if (!strcmp(host, "dead.example"))
		return ENOENT;
	add(to, "127.0.0.1");
	return 0;
}

static void mx_hosts_in_turn(void **state)
{
	static const struct {
		const char *domain, *err, *host;
		size_t attempts;
		bool is_temporary;
	} cases[] = {
		{"two.example", "ok", "alive.example", 2, false},
		{"implicit.example", "ok", "implicit.example", 1, false},
		{"null.example", "resolve", "null.example", 0, false},
		{"broken.example", "resolve", "broken.example", 0, true},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		bool is_ok = !strcmp(cases[i].err, "ok");
		struct peer *p = is_ok ? peer_start(TALK, false) : NULL;
		struct yz_resolver r = YZ_INIT(r);
		struct yz_ctx *ctx = yz_ctx_new();
		const struct yz_attempt *a;
		struct yz_options o;
		struct yz_session *s;
		char url[96];
		int rc;

		r.addresses = addresses;
		r.mx = mx;
		assert_ok(yz_ctx_set_resolver(ctx, &r));
		init(&o);
		s = yz_session_new(ctx, &o);
		snprintf(url, sizeof(url), "mx://%s:%u", cases[i].domain, p ? p->port : 25);
		rc = yz_connect(s, url);
		if (strcmp(yz_err_name(rc), cases[i].err) != 0)
			fail_msg("%s: %s", cases[i].domain, yz_error(s)->text);
		assert_int_equal(yz_error(s)->code, rc);
		assert_string_equal(yz_host(s), cases[i].host);
		assert_int_equal(yz_attempts(s, &a), cases[i].attempts);
		assert_int_equal(yz_error(s)->is_temporary, cases[i].is_temporary);
		yz_session_free(&s);
		yz_ctx_free(&ctx);
		if (p)
			peer_end(&p);
	}
}

static int slow(void *arg, const char *host, int family, void (*add)(void *to, const char *address),
	void *to)
{
	atomic_int *done = arg;

	nanosleep(&(struct timespec){.tv_nsec = 150 * 1000000}, NULL);
	add(to, "127.0.0.1");
	atomic_fetch_add(done, 1);
	return 0;
}

/* The thread that looks a name up outlives who asked: it is waited for no longer than was said, and
 * touches nothing that is gone. */
static void behaviour_7_a_slow_look_up(void **state)
{
	static atomic_int done;
	struct yz_resolver r = YZ_INIT(r);
	struct yz_ctx *ctx = yz_ctx_new();
	struct yz_session *late, *freed, *cancelled;

	r.addresses = slow;
	r.arg = &done;
	assert_ok(yz_ctx_set_resolver(ctx, &r));
	late = yz_session_new(ctx, NULL);
	freed = yz_session_new(ctx, NULL);
	cancelled = yz_session_new(ctx, NULL);
	assert_ok(yz_set_nonblocking(freed, true));
	assert_ok(yz_set_nonblocking(cancelled, true));
	assert_int_equal(yz_connect(freed, "smtp://a.example"), YZ_E_AGAIN);
	assert_int_equal(yz_connect(cancelled, "smtp://b.example"), YZ_E_AGAIN);
	assert_ok(yz_set_timeout(late, 20));
	assert_int_equal(yz_connect(late, "smtp://c.example"), YZ_E_TIMEOUT);
	assert_int_equal(yz_error(late)->phase, YZ_PHASE_RESOLVE);
	assert_int_equal(atomic_load(&done), 0);
	yz_cancel(cancelled);
	assert_int_equal(yz_error(cancelled)->code, YZ_E_CANCELLED);
	yz_session_free(&late);
	yz_session_free(&freed);
	yz_session_free(&cancelled);
	yz_ctx_free(&ctx);
	for (int i = 0; i < 200 && atomic_load(&done) < 3; i++)
		nanosleep(&(struct timespec){.tv_nsec = 10 * 1000000}, NULL);
	assert_int_equal(atomic_load(&done), 3);
	nanosleep(&(struct timespec){.tv_nsec = 20 * 1000000}, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(socks5),
		cmocka_unit_test(a_proxy_header_comes_first),
		cmocka_unit_test(a_unix_socket),
		cmocka_unit_test(mx_hosts_in_turn),
		cmocka_unit_test(behaviour_7_a_slow_look_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
