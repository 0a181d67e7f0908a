#include "net_test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct addr loopback(uint16_t port)
{
	struct addr a;

	assert_true(addr_parse_ip(SPAN("127.0.0.1"), port, &a));
	return a;
}

static struct net_listener *listen_on(struct addr a, bool is_reuseport, struct err *e)
{
	struct net_listen_opts o = {.addr = a, .fd = -1, .is_reuseport = is_reuseport};

	return net_listen(&o, e);
}

static FIBER int serve_one(void *arg)
{
	struct net_listener *l = arg;
	struct stream *s;
	struct span line;
	struct err e = {0};

	if (net_accept(l, NULL, &s, &e) < 0)
		return -1;
	stream_set_timeout(s, 5 * CLOCK_SEC);
	stream_put(s, SPAN("220 hello\r\n"));
	while (stream_read_line(s, 100000, &line, NULL, &e) == 0)
		stream_printf(s, "%zu\r\n", line.len);
	assert_int_equal(e.code, ERR_EOF);
	assert_int_equal(stream_flush(s, NULL), 0);
	stream_free(&s);
	return 0;
}

static FIBER void talk_to(const struct addr *to)
{
	struct err e = {0};
	struct span line;
	struct stream *s = net_connect(to, NULL, loop_now_ns() + 5 * CLOCK_SEC, &e);

	assert_non_null(s);
	stream_set_timeout(s, 5 * CLOCK_SEC);
	assert_true(addr_eq(&s->peer, to));
	assert_int_equal(stream_read_line(s, 100, &line, NULL, &e), 0);
	assert_span_equal(line, "220 hello");
	stream_put(s, SPAN("a\r\nbb\r\n"));
	assert_int_equal(stream_read_line(s, 100, &line, NULL, &e), 0);
	assert_span_equal(line, "1");
	assert_int_equal(stream_shutdown(s, &e), 0);
	assert_int_equal(stream_read_line(s, 100, &line, NULL, &e), 0);
	assert_span_equal(line, "2");
	assert_int_equal(stream_fill(s, &e), -1);
	assert_int_equal(e.code, ERR_EOF);
	stream_free(&s);
}

static FIBER int conversation_main(void *arg)
{
	struct net_listener *l, *copy;
	struct fiber_group g;
	struct err e = {0};

	l = listen_on(loopback(0), true, &e);
	assert_non_null(l);
	assert_true(addr_port(net_listener_addr(l)) > 0);
	fiber_group_init(&g);
	assert_int_equal(fiber_start(&g, "serve", serve_one, l, &e), 0);
	talk_to(net_listener_addr(l));
	fiber_group_join(&g);
	/* The clone serves the same address, after the first one is gone too. */
	copy = net_listener_clone(l, &e);
	assert_non_null(copy);
	net_listener_free(&l);
	assert_int_equal(fiber_start(&g, "serve", serve_one, copy, &e), 0);
	talk_to(net_listener_addr(copy));
	fiber_group_join(&g);
	net_listener_free(&copy);
	return 0;
}

static void a_conversation_over_tcp(void **state)
{
	test_run_real(conversation_main, NULL);
}

static void the_same_conversation_in_memory(void **state)
{
	test_run_sim(conversation_main, NULL);
}

static FIBER int held_main(void *arg)
{
	static const bool both[] = {false, true};

	for (size_t i = 0; i < 4; i++) {
		struct err e = {0};
		struct net_listener *l = listen_on(loopback(0), both[i & 1], &e);
		struct net_listener *second;

		assert_non_null(l);
		second = listen_on(*net_listener_addr(l), both[i >> 1], &e);
		assert_null(second);
		assert_int_equal(e.code, ERR_EXISTS);
		net_listener_free(&l);
	}
	return 0;
}

static void a_held_address_is_told(void **state)
{
	test_run_real(held_main, NULL);
	test_run_sim(held_main, NULL);
}

static struct addr unix_addr(const char *dir)
{
	struct addr a;
	char text[200];

	snprintf(text, sizeof(text), "unix:%s/s", dir);
	assert_int_equal(addr_parse(span_str(text), 0, &a, NULL), 0);
	return a;
}

static FIBER int unix_main(void *arg)
{
	struct addr a = unix_addr(arg);
	struct net_listen_opts o = {.addr = a, .fd = -1, .unix_mode = 0666};
	struct net_listener *l, *copy, *second;
	struct stream *s, *in;
	struct stat st;
	struct err e = {0};
	int fd;

	/* A file that is no socket is never removed. */
	fd = open(a.un.sun_path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_null(net_listen(&o, &e));
	assert_int_equal(e.code, ERR_EXISTS);
	assert_int_equal(unlink(a.un.sun_path), 0);
	/* A socket that died without cleaning up is replaced. */
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, &a.sa, a.len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_null(net_listen(&o, &e));
	assert_int_equal(e.code, ERR_EXISTS);
	close(fd);
	l = net_listen(&o, &e);
	assert_non_null(l);
	assert_int_equal(stat(a.un.sun_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0666);
	second = net_listen(&o, &e);
	assert_null(second);
	assert_int_equal(e.code, ERR_EXISTS);
	copy = net_listener_clone(l, &e);
	assert_non_null(copy);
	s = net_connect(&a, NULL, loop_now_ns() + CLOCK_SEC, &e);
	assert_non_null(s);
	assert_int_equal(net_accept(copy, NULL, &in, &e), 0);
	assert_int_equal(net_peer_uid(in), getuid());
	assert_true(addr_is_unix(&in->peer));
	assert_true(net_fd(in) >= 0);
	stream_free(&s);
	stream_free(&in);
	net_listener_free(&copy);
	assert_int_equal(stat(a.un.sun_path, &st), 0);
	net_listener_free(&l);
	assert_int_equal(stat(a.un.sun_path, &st), -1);
	return 0;
}

static void a_unix_socket_replaces_a_dead_file_and_no_other(void **state)
{
	char dir[] = "/tmp/yizhan-net-XXXXXX";

	assert_non_null(mkdtemp(dir));
	test_run_real(unix_main, dir);
	assert_int_equal(rmdir(dir), 0);
}

/* ---- descriptors run out ---- */

#define FEW_FDS 64

struct sparse {
	struct net_listener *l;
	struct stream *held[FEW_FDS];
	size_t count;
	size_t lines;
	struct log log;
	struct log_sink sink;
};

static void sparse_line(struct log_sink *sink, enum log_level level, struct span line)
{
	struct sparse *s = CONTAINER_OF(sink, struct sparse, sink);

	if (span_find_span(line, SPAN("net.accept.short")) >= 0)
		s->lines++;
}

static FIBER int sparse_accept(void *arg)
{
	struct sparse *s = arg;
	struct err e = {0};

	while (s->count < FEW_FDS && net_accept(s->l, &s->log, &s->held[s->count], &e) == 0)
		s->count++;
	return 0;
}

static int64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * CLOCK_SEC + ts.tv_nsec;
}

static FIBER int sparse_main(void *arg)
{
	struct sparse *s = arg;
	struct fiber_group g;
	struct err e = {0};
	int clients[8], fillers[FEW_FDS];
	size_t filled = 0, before;
	int64_t cpu;

	s->sink = (struct log_sink){.write = sparse_line, .level = LOG_DEBUG};
	log_root(&s->log, &s->sink);
	s->l = listen_on(loopback(0), false, &e);
	assert_non_null(s->l);
	fiber_group_init(&g);
	assert_int_equal(fiber_start(&g, "accept", sparse_accept, s, &e), 0);
	assert_int_equal(fiber_yield(&e), 0);
	for (size_t i = 0; i < ARRAY_LEN(clients); i++)
		clients[i] = socket(AF_INET, SOCK_STREAM, 0);
	while (filled < FEW_FDS && (fillers[filled] = open("/dev/null", O_RDONLY)) >= 0)
		filled++;
	assert_int_equal(errno, EMFILE);
	for (size_t i = 0; i < ARRAY_LEN(clients); i++)
		assert_int_equal(connect(clients[i], &net_listener_addr(s->l)->sa,
					 net_listener_addr(s->l)->len),
			0);
	before = s->count;
	cpu = cpu_ns();
	assert_int_equal(fiber_sleep(500 * CLOCK_MS, &e), 0);
	/* Nobody is let in, one line is logged, and the thread has slept. */
	assert_int_equal(s->count, before);
	assert_int_equal(s->lines, 1);
	assert_true(cpu_ns() - cpu < 100 * CLOCK_MS);
	while (filled)
		close(fillers[--filled]);
	for (int i = 0; i < 200 && s->count < ARRAY_LEN(clients); i++)
		assert_int_equal(fiber_sleep(10 * CLOCK_MS, &e), 0);
	/* All who waited in the backlog are served. */
	assert_int_equal(s->count, ARRAY_LEN(clients));
	fiber_group_cancel(&g);
	fiber_group_join(&g);
	for (size_t i = 0; i < s->count; i++)
		stream_free(&s->held[i]);
	for (size_t i = 0; i < ARRAY_LEN(clients); i++)
		close(clients[i]);
	net_listener_free(&s->l);
	return 0;
}

static void without_descriptors_accept_backs_off_and_loses_nobody(void **state)
{
	struct sparse s = {0};
	struct rlimit was, few;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	few = was;
	few.rlim_cur = FEW_FDS;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	test_run_real(sparse_main, &s);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
}

/* ---- connecting ---- */

static FIBER int refused_main(void *arg)
{
	struct err e = {0};
	struct net_listener *l = listen_on(loopback(0), false, &e);
	struct addr a = *net_listener_addr(l);

	net_listener_free(&l);
	assert_null(net_connect(&a, NULL, loop_now_ns() + CLOCK_SEC, &e));
	assert_int_equal(e.code, ERR_IO);
	assert_int_equal(e.sys_errno, ECONNREFUSED);
	assert_int_equal(e.scope, ERR_SCOPE_PEER);
	assert_non_null(strstr(e.text, "127.0.0.1:"));
	return 0;
}

static void a_refused_connection_says_who_refused(void **state)
{
	test_run_real(refused_main, NULL);
	test_run_sim(refused_main, NULL);
}

static struct addr ip(const char *text, uint16_t port)
{
	struct addr a;

	assert_true(addr_parse_ip(span_str(text), port, &a));
	return a;
}

static FIBER int eyeballs_main(void *arg)
{
	/* silent: nothing comes back; refused: an answer after a round trip of 2 ms */
	enum { OPEN, SILENT, REFUSED };
	static const struct {
		const char *what;
		int kinds[4];
		size_t count, which;
		int64_t takes_ms;
	} rows[] = {
		{"the first answers", {OPEN, OPEN}, 2, 0, 2},
		{"the first is silent: the second after 250 ms", {SILENT, OPEN}, 2, 1, 252},
		{"two are silent", {SILENT, SILENT, OPEN}, 3, 2, 502},
		{"the first refuses: the second at once", {REFUSED, OPEN}, 2, 1, 4},
		{"silent, refused, open", {SILENT, REFUSED, OPEN}, 3, 2, 254},
	};
	struct err e = {0};
	struct net_listener *l = listen_on(ip("127.0.0.1", 25), false, &e);

	assert_non_null(l);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr to[4];
		struct stream *s, *in;
		size_t which = 99;
		int64_t began = loop_now_ns();

		print_message("# %s\n", rows[i].what);
		for (size_t k = 0; k < rows[i].count; k++)
			to[k] = rows[i].kinds[k] == OPEN     ? ip("127.0.0.1", 25)
				: rows[i].kinds[k] == SILENT ? ip("192.0.2.1", 25)
							     : ip("127.0.0.2", 25);
		s = net_connect_any(
			to, rows[i].count, NULL, loop_now_ns() + 30 * CLOCK_SEC, &which, &e);
		assert_non_null(s);
		assert_int_equal(which, rows[i].which);
		assert_int_equal(loop_now_ns() - began, rows[i].takes_ms * CLOCK_MS);
		assert_int_equal(net_accept(l, NULL, &in, &e), 0);
		stream_free(&s);
		stream_free(&in);
	}
	net_listener_free(&l);
	return 0;
}

static void happy_eyeballs_keep_their_times(void **state)
{
	test_run_sim(eyeballs_main, NULL);
}

static FIBER int families_main(void *arg)
{
	/* 4: IPv4 that is silent, 6: IPv6 that is silent, x: IPv6 without a route; the last one in the
	 * order of the attempts is open, so its time tells the order */
	static const struct {
		const char *what, *kinds;
		size_t open;
		int64_t takes_ms;
		bool has_no_ip6;
	} rows[] = {
		{"the other family is second", "6664", 3, 250 + 2, false},
		{"and the next of the first is third", "6644", 1, 500 + 2, false},
		{"what is preferred begins", "4466", 2, 250 + 2, false},
		{"one family is left over", "6466", 3, 750 + 2, false},
		{"without a route the other family is tried at once", "xx4", 2, 2, true},
	};
	struct err e = {0};
	struct net_listener *l4 = listen_on(ip("127.0.0.1", 25), false, &e);
	struct net_listener *l6 = listen_on(ip("::1", 25), false, &e);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct net_source source = {0};
		size_t which = 99, count = strlen(rows[i].kinds);
		int64_t began = loop_now_ns();
		struct stream *s, *in;
		struct addr to[4];

		print_message("# %s\n", rows[i].what);
		for (size_t k = 0; k < count; k++)
			to[k] = rows[i].kinds[k] == '4'
				? ip(k == rows[i].open ? "127.0.0.1" : "192.0.2.1", 25)
				: rows[i].kinds[k] == 'x'
				? ip("2001:2::1", 25)
				: ip(k == rows[i].open ? "::1" : "100::1", 25);
		s = net_connect_any(to, count, &source, loop_now_ns() + 30 * CLOCK_SEC, &which, &e);
		assert_non_null(s);
		assert_int_equal(which, rows[i].open);
		assert_int_equal(loop_now_ns() - began, rows[i].takes_ms * CLOCK_MS);
		assert_int_equal(source.has_no_ip6, rows[i].has_no_ip6);
		assert_int_equal(
			net_accept(rows[i].kinds[which] == '4' ? l4 : l6, NULL, &in, &e), 0);
		stream_free(&s);
		stream_free(&in);
	}
	net_listener_free(&l4);
	net_listener_free(&l6);
	return 0;
}

static void families_of_addresses_take_turns(void **state)
{
	test_run_sim(families_main, NULL);
}

static FIBER int source_main(void *arg)
{
	struct addr from = ip("127.0.0.9", 0), to[2] = {ip("127.0.0.1", 0), ip("127.0.0.1", 0)};
	struct net_source source = {.in4 = &from};
	struct err e = {0};
	struct net_listener *l = listen_on(to[0], false, &e);
	struct stream *s, *in;
	size_t which;

	to[0] = to[1] = *net_listener_addr(l);
	s = net_connect_any(to, 2, &source, loop_now_ns() + CLOCK_SEC, &which, &e);
	assert_non_null(s);
	assert_int_equal(net_accept(l, NULL, &in, &e), 0);
	assert_true(addr_same_ip(&in->peer, &from));
	stream_free(&s);
	stream_free(&in);
	net_listener_free(&l);
	return 0;
}

static void a_connection_comes_from_the_chosen_source(void **state)
{
	test_run_real(source_main, NULL);
	test_run_sim(source_main, NULL);
}

static FIBER int nobody_main(void *arg)
{
	struct addr to[12];
	size_t which;
	struct err e = {0};
	int64_t began = loop_now_ns();

	for (size_t i = 0; i < ARRAY_LEN(to); i++)
		to[i] = ip("192.0.2.1", 25);
	assert_null(net_connect_any(
		to, ARRAY_LEN(to), NULL, loop_now_ns() + 30 * CLOCK_SEC, &which, &e));
	assert_int_equal(e.code, ERR_TIMEOUT);
	assert_int_equal(loop_now_ns() - began, 30 * CLOCK_SEC);
	for (size_t i = 0; i < ARRAY_LEN(to); i++)
		to[i] = ip("127.0.0.2", (uint16_t)(25 + i));
	assert_null(net_connect_any(
		to, ARRAY_LEN(to), NULL, loop_now_ns() + 30 * CLOCK_SEC, &which, &e));
	assert_int_equal(e.code, ERR_IO);
	/* The most preferred address is the one that is told. */
	assert_non_null(strstr(e.text, "127.0.0.2:25:"));
	assert_null(net_connect_any(to, 0, NULL, loop_now_ns() + CLOCK_SEC, &which, &e));
	assert_int_equal(e.code, ERR_NOT_FOUND);
	return 0;
}

static void when_nobody_answers_the_deadline_ends_it(void **state)
{
	test_run_sim(nobody_main, NULL);
}

struct racing {
	struct addr to[2];
	enum err_code code;
};

static FIBER int race_fiber(void *arg)
{
	struct racing *r = arg;
	struct err e = {0};
	size_t which;

	assert_null(net_connect_any(r->to, 2, NULL, CLOCK_NEVER, &which, &e));
	r->code = e.code;
	return 0;
}

static FIBER int cancel_main(void *arg)
{
	struct racing r = {.to = {ip("192.0.2.1", 25), ip("192.0.2.2", 25)}};
	struct fiber_group g;
	struct err e = {0};

	fiber_group_init(&g);
	assert_int_equal(fiber_start(&g, "race", race_fiber, &r, &e), 0);
	assert_int_equal(fiber_sleep(CLOCK_MIN, &e), 0);
	fiber_group_cancel(&g);
	fiber_group_join(&g);
	assert_int_equal(r.code, ERR_CANCELLED);
	return 0;
}

static void connecting_can_be_cancelled(void **state)
{
	test_run_sim(cancel_main, NULL);
}

static FIBER int bulk_write(void *arg)
{
	struct stream *s = arg;
	size_t n = 4 * 1024 * 1024;
	char *bytes = mem_alloc(n);
	struct span parts[100];
	struct err e = {0};

	for (size_t i = 0; i < n; i++)
		bytes[i] = (char)(i * 7 + i / 251);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		parts[i] = span_of(bytes + i * (n / 100), i == 99 ? n - 99 * (n / 100) : n / 100);
	assert_int_equal(stream_write(s, parts, ARRAY_LEN(parts), &e), 0);
	assert_int_equal(stream_shutdown(s, &e), 0);
	free(bytes);
	return 0;
}

static FIBER int bulk_main(void *arg)
{
	struct err e = {0};
	struct net_listener *l = listen_on(loopback(0), false, &e);
	struct stream *s, *in;
	struct fiber_group g;
	size_t at = 0;

	s = net_connect(net_listener_addr(l), NULL, loop_now_ns() + CLOCK_SEC, &e);
	assert_non_null(s);
	assert_int_equal(net_accept(l, NULL, &in, &e), 0);
	fiber_group_init(&g);
	assert_int_equal(fiber_start(&g, "bulk", bulk_write, s, &e), 0);
	/* The writer meets a full socket first. */
	assert_int_equal(fiber_sleep(20 * CLOCK_MS, &e), 0);
	while (stream_fill(in, &e) == 0) {
		struct span got = stream_peek(in);

		for (size_t i = 0; i < got.len; i++, at++)
			if (got.ptr[i] != (char)(at * 7 + at / 251))
				fail_msg("byte %zu is wrong", at);
		stream_consume(in, got.len);
	}
	assert_int_equal(at, 4 * 1024 * 1024);
	fiber_group_join(&g);
	stream_free(&s);
	stream_free(&in);
	net_listener_free(&l);
	return 0;
}

static void partial_writes_go_on_where_they_stopped(void **state)
{
	test_run_real(bulk_main, NULL);
}

/* ---- several loops on one address ---- */

#define CROWD 64

struct crowd {
	pthread_t threads[2];
	struct net_listener *from; /* each thread clones it on its own loop */
	atomic_int ready, served[2];
	atomic_bool is_over;
};

struct crowd_member {
	struct crowd *crowd;
	int index;
};

static FIBER int crowd_accept(void *arg)
{
	struct crowd_member *m = arg;
	struct err e = {0};
	struct net_listener *l = net_listener_clone(m->crowd->from, &e);
	struct stream *s;

	assert_non_null(l);
	atomic_fetch_add(&m->crowd->ready, 1);
	while (net_accept(l, NULL, &s, &e) == 0) {
		stream_put(s, SPAN("hi\r\n"));
		stream_flush(s, &e);
		stream_free(&s);
		atomic_fetch_add(&m->crowd->served[m->index], 1);
	}
	net_listener_free(&l);
	return 0;
}

static FIBER int crowd_member_main(void *arg)
{
	struct crowd_member *m = arg;
	struct fiber_group g;
	struct err e = {0};

	fiber_group_init(&g);
	assert_int_equal(fiber_start(&g, "accept", crowd_accept, m, &e), 0);
	while (!atomic_load(&m->crowd->is_over))
		fiber_sleep(5 * CLOCK_MS, &e);
	fiber_group_cancel(&g);
	fiber_group_join(&g);
	return 0;
}

static void *crowd_thread(void *arg)
{
	test_run_real(crowd_member_main, arg);
	return NULL;
}

static FIBER int crowd_main(void *arg)
{
	struct crowd *c = arg;
	struct addr to = *net_listener_addr(c->from);
	struct err e = {0};
	struct span line;

	while (atomic_load(&c->ready) < 2)
		fiber_sleep(CLOCK_MS, &e);
	/* Nobody accepts from the first one: only the clones listen. */
	net_listener_free(&c->from);
	for (int i = 0; i < CROWD; i++) {
		struct stream *s = net_connect(&to, NULL, loop_now_ns() + 5 * CLOCK_SEC, &e);

		assert_non_null(s);
		stream_set_timeout(s, 5 * CLOCK_SEC);
		assert_int_equal(stream_read_line(s, 100, &line, NULL, &e), 0);
		stream_free(&s);
	}
	return 0;
}

static void two_threads_share_an_address(void **state)
{
	struct crowd c = {0};
	struct crowd_member members[2] = {{&c, 0}, {&c, 1}};
	struct err e = {0};

	c.from = listen_on(loopback(0), true, &e);
	assert_non_null(c.from);
	for (int i = 0; i < 2; i++)
		pthread_create(&c.threads[i], NULL, crowd_thread, &members[i]);
	test_run_real(crowd_main, &c);
	atomic_store(&c.is_over, true);
	for (int i = 0; i < 2; i++)
		pthread_join(c.threads[i], NULL);
	/* The kernel spreads them; one thread alone would be a chance of 2 in 2^64. */
	assert_true(atomic_load(&c.served[0]) > 0);
	assert_true(atomic_load(&c.served[1]) > 0);
	assert_int_equal(atomic_load(&c.served[0]) + atomic_load(&c.served[1]), CROWD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_conversation_over_tcp),
		cmocka_unit_test(the_same_conversation_in_memory),
		cmocka_unit_test(a_held_address_is_told),
		cmocka_unit_test(a_unix_socket_replaces_a_dead_file_and_no_other),
		cmocka_unit_test(without_descriptors_accept_backs_off_and_loses_nobody),
		cmocka_unit_test(a_refused_connection_says_who_refused),
		cmocka_unit_test(happy_eyeballs_keep_their_times),
		cmocka_unit_test(families_of_addresses_take_turns),
		cmocka_unit_test(a_connection_comes_from_the_chosen_source),
		cmocka_unit_test(when_nobody_answers_the_deadline_ends_it),
		cmocka_unit_test(connecting_can_be_cancelled),
		cmocka_unit_test(partial_writes_go_on_where_they_stopped),
		cmocka_unit_test(two_threads_share_an_address),
	};

	return cmocka_run_group_tests_name("net/net", tests, NULL, NULL);
}
