#include "run_test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

static void make_pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
}

static void close_pair(int fds[2])
{
	close(fds[0]);
	close(fds[1]);
}

/* ---- descriptors ------------------------------------------------------------------------- */

struct echo {
	int fd;
	int rounds;
	bool is_first;
};

static FIBER int echo_fiber(void *arg)
{
	struct echo *x = arg;
	struct loop_io *io = loop_io_new(x->fd, NULL);
	char c = 'a';
	int left = x->rounds;

	if (x->is_first)
		assert_int_equal(write(x->fd, &c, 1), 1);
	while (left-- > 0) {
		ssize_t n;

		while ((n = read(x->fd, &c, 1)) < 0) {
			assert_int_equal(errno, EAGAIN);
			assert_int_equal(
				loop_io_wait(io, LOOP_READ, loop_now_ns() + 10 * CLOCK_SEC, NULL),
				0);
		}
		assert_int_equal(n, 1);
		if (left || !x->is_first)
			assert_int_equal(write(x->fd, &c, 1), 1);
	}
	loop_io_free(&io);
	return 0;
}

static FIBER int ping_pong_main(void *arg)
{
	enum { PAIRS = 20 };
	int fds[PAIRS][2];
	struct echo x[PAIRS][2];
	struct fiber_group g;

	fiber_group_init(&g);
	for (int i = 0; i < PAIRS; i++) {
		make_pair(fds[i]);
		for (int k = 0; k < 2; k++) {
			x[i][k] = (struct echo){fds[i][k], 200, k == 0};
			assert_int_equal(fiber_start(&g, "echo", echo_fiber, &x[i][k], NULL), 0);
		}
	}
	fiber_group_join(&g);
	for (int i = 0; i < PAIRS; i++)
		close_pair(fds[i]);
	return 0;
}

static void conversations_run_side_by_side(void **state)
{
	run_uv(ping_pong_main, NULL);
}

static FIBER int io_timeout_main(void *arg)
{
	struct loop_io *io;
	struct err e = {0};
	int fds[2];
	char c;

	make_pair(fds);
	io = loop_io_new(fds[0], NULL);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(loop_io_wait(io, LOOP_READ, loop_now_ns() + 5 * CLOCK_MS, &e), -1);
		assert_int_equal(e.code, ERR_TIMEOUT);
	}
	/* What comes while nobody waits is there at the next wait, once and again: a level. */
	assert_int_equal(write(fds[1], "xy", 2), 2);
	assert_int_equal(fiber_sleep(3 * CLOCK_MS, NULL), 0);
	for (int i = 0; i < 2; i++) {
		for (int k = 0; k < 2; k++)
			assert_int_equal(loop_io_wait(io, LOOP_READ, CLOCK_NEVER, &e), 0);
		assert_int_equal(read(fds[0], &c, 1), 1);
		assert_int_equal(fiber_sleep(CLOCK_MS, NULL), 0);
	}
	assert_int_equal(loop_io_wait(io, LOOP_READ, loop_now_ns() + CLOCK_MS, &e), -1);
	assert_int_equal(e.code, ERR_TIMEOUT);
	/* Always writable. */
	for (int i = 0; i < 3; i++) {
		assert_int_equal(loop_io_wait(io, LOOP_WRITE, CLOCK_NEVER, &e), 0);
		assert_int_equal(fiber_sleep(CLOCK_MS, NULL), 0);
	}
	/* The end is ready too, and stays so. */
	close(fds[1]);
	assert_int_equal(fiber_sleep(CLOCK_MS, NULL), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(loop_io_wait(io, LOOP_READ, CLOCK_NEVER, &e), 0);
	assert_int_equal(loop_io_wait(io, LOOP_WRITE, CLOCK_NEVER, &e), 0);
	assert_int_equal(read(fds[0], &c, 1), 0);
	loop_io_free(&io);
	loop_io_free(&io);
	close(fds[0]);
	return 0;
}

static void readiness_is_a_level(void **state)
{
	run_uv(io_timeout_main, NULL);
}

static int64_t thread_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * CLOCK_SEC + t.tv_nsec;
}

static FIBER int unheard_peer_main(void *arg)
{
	struct loop_io *io;
	int fds[2];
	int64_t before_ns;

	make_pair(fds);
	io = loop_io_new(fds[0], NULL);
	assert_int_equal(loop_io_wait(io, LOOP_READ, loop_now_ns() + CLOCK_MS, NULL), -1);
	assert_int_equal(write(fds[1], "x", 1), 1);
	close(fds[1]);
	before_ns = thread_cpu_ns();
	assert_int_equal(fiber_sleep(100 * CLOCK_MS, NULL), 0);
	/* Data and a hang-up that nobody waits for must not turn the loop. */
	assert_true(thread_cpu_ns() - before_ns < 50 * CLOCK_MS);
	assert_int_equal(loop_io_wait(io, LOOP_READ, CLOCK_NEVER, NULL), 0);
	loop_io_free(&io);
	close(fds[0]);
	return 0;
}

static void what_nobody_waits_for_does_not_spin(void **state)
{
	run_uv(unheard_peer_main, NULL);
}

struct duplex {
	int fds[2];
	struct loop_io *io;
	size_t sent, received;
	bool is_closed;
};

enum { DUPLEX_BYTES = 3 * 1024 * 1024 };

static FIBER int duplex_writer(void *arg)
{
	struct duplex *d = arg;
	static const char block[32768];

	while (d->sent < DUPLEX_BYTES) {
		ssize_t n = send(d->fds[0], block, sizeof(block), MSG_NOSIGNAL);

		if (n > 0)
			d->sent += (size_t)n;
		else
			assert_int_equal(
				loop_io_wait(d->io, LOOP_WRITE, loop_now_ns() + CLOCK_MIN, NULL),
				0);
	}
	return 0;
}

static FIBER int duplex_reader(void *arg)
{
	struct duplex *d = arg;
	char c;

	while (read(d->fds[0], &c, 1) != 1)
		assert_int_equal(
			loop_io_wait(d->io, LOOP_READ, loop_now_ns() + CLOCK_MIN, NULL), 0);
	assert_int_equal(c, 'r');
	return 0;
}

static FIBER int duplex_main(void *arg)
{
	struct duplex d = {.sent = 0};
	struct loop_io *far;
	struct fiber_group g;
	char *sink = malloc(65536);
	ssize_t n;

	make_pair(d.fds);
	d.io = loop_io_new(d.fds[0], NULL);
	far = loop_io_new(d.fds[1], NULL);
	fiber_group_init(&g);
	assert_int_equal(fiber_start(&g, "reader", duplex_reader, &d, NULL), 0);
	assert_int_equal(fiber_start(&g, "writer", duplex_writer, &d, NULL), 0);
	while (d.received < DUPLEX_BYTES) {
		n = read(d.fds[1], sink, 65536);
		if (n > 0)
			d.received += (size_t)n;
		else
			assert_int_equal(loop_io_wait(far, LOOP_READ, CLOCK_NEVER, NULL), 0);
	}
	assert_int_equal(write(d.fds[1], "r", 1), 1);
	fiber_group_join(&g);
	loop_io_free(&d.io);
	loop_io_free(&far);
	close_pair(d.fds);
	free(sink);
	return 0;
}

static void one_reads_while_another_writes(void **state)
{
	run_uv(duplex_main, NULL);
}

static FIBER int hangup_waiter(void *arg)
{
	struct duplex *d = arg;

	assert_int_equal(loop_io_wait(d->io, LOOP_READ, CLOCK_NEVER, NULL), 0);
	if (!d->is_closed) {
		d->is_closed = true;
		d->received++;
	}
	return 0;
}

static FIBER int hangup_writer(void *arg)
{
	struct duplex *d = arg;
	char block[2048] = {0};

	while (send(d->fds[0], block, sizeof(block), MSG_NOSIGNAL) > 0)
		;
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(loop_io_wait(d->io, LOOP_WRITE, CLOCK_NEVER, NULL), 0);
	assert_int_equal(send(d->fds[0], block, 1, MSG_NOSIGNAL), -1);
	d->received++;
	return 0;
}

static FIBER int hangup_main(void *arg)
{
	struct duplex d = {.sent = 0};
	struct fiber_group g;

	make_pair(d.fds);
	d.io = loop_io_new(d.fds[0], NULL);
	fiber_group_init(&g);
	assert_int_equal(fiber_start(&g, "reader", hangup_waiter, &d, NULL), 0);
	assert_int_equal(fiber_start(&g, "writer", hangup_writer, &d, NULL), 0);
	assert_int_equal(fiber_sleep(CLOCK_MS, NULL), 0);
	close(d.fds[1]);
	fiber_group_join(&g);
	assert_int_equal(d.received, 2);
	loop_io_free(&d.io);
	close(d.fds[0]);
	return 0;
}

static void a_hangup_wakes_reader_and_writer(void **state)
{
	run_uv(hangup_main, NULL);
}

struct batch {
	int fds[8][2];
	struct loop_io *io[8];
	struct fiber_group rest;
	int left;
};

struct batch_one {
	struct batch *all;
	int nr;
};

/* The first that is woken closes all the others, whose events are in the same batch. */
static FIBER int batch_fiber(void *arg)
{
	struct batch_one *o = arg;
	struct batch *b = o->all;
	char c;

	if (loop_io_wait(b->io[o->nr], LOOP_READ, CLOCK_NEVER, NULL) == 0) {
		assert_int_equal(read(b->fds[o->nr][0], &c, 1), 1);
		fiber_group_cancel(&b->rest);
	}
	loop_io_free(&b->io[o->nr]);
	close(b->fds[o->nr][0]);
	b->left--;
	return 0;
}

static FIBER int batch_main(void *arg)
{
	struct batch b = {.left = 8};
	struct batch_one ones[8];

	for (int round = 0; round < 20; round++) {
		fiber_group_init(&b.rest);
		b.left = 8;
		for (int i = 0; i < 8; i++) {
			ones[i] = (struct batch_one){&b, i};
			make_pair(b.fds[i]);
			b.io[i] = loop_io_new(b.fds[i][0], NULL);
			assert_int_equal(fiber_start(&b.rest, "b", batch_fiber, &ones[i], NULL), 0);
		}
		assert_int_equal(fiber_yield(NULL), 0);
		for (int i = 0; i < 8; i++)
			assert_int_equal(write(b.fds[i][1], "x", 1), 1);
		fiber_group_join(&b.rest);
		assert_int_equal(b.left, 0);
		for (int i = 0; i < 8; i++)
			close(b.fds[i][1]);
	}
	return 0;
}

static void descriptors_may_go_while_their_events_wait(void **state)
{
	run_uv(batch_main, NULL);
}

static FIBER int bad_fd_main(void *arg)
{
	struct loop_io *io = loop_io_new(-1, NULL);
	struct err e = {0};

	assert_int_equal(loop_io_wait(io, LOOP_READ, CLOCK_NEVER, &e), -1);
	assert_int_equal(e.code, ERR_IO);
	assert_int_equal(e.sys_errno, EBADF);
	loop_io_free(&io);
	return 0;
}

static void a_bad_descriptor_is_told(void **state)
{
	run_uv(bad_fd_main, NULL);
}

static FIBER int sim_refuses_main(void *arg)
{
	struct err e = {0};

	assert_null(loop_io_new(0, &e));
	assert_int_equal(e.code, ERR_UNSUPPORTED);
	assert_int_equal(loop_signal(loop_current(), SIGUSR1, NULL, NULL, &e), -1);
	assert_int_equal(e.code, ERR_UNSUPPORTED);
	return 0;
}

static void the_simulation_has_no_descriptors(void **state)
{
	run_sim(sim_refuses_main, NULL);
}

/* ---- signals ----------------------------------------------------------------------------- */

struct signalled {
	struct fiber *waiter;
	int count, signo;
	bool is_rearmed;
};

static void note_signal(int signo, void *arg)
{
	struct signalled *s = arg;

	assert_null(fiber_self());
	s->count++;
	s->signo = signo;
	fiber_wake(s->waiter);
}

static void note_and_set_again(int signo, void *arg)
{
	struct signalled *s = arg;

	s->is_rearmed = true;
	assert_int_equal(loop_signal(loop_current(), signo, note_signal, s, NULL), 0);
	note_signal(signo, arg);
}

static FIBER int signal_main(void *arg)
{
	struct signalled s = {.waiter = fiber_self()};
	struct loop *l = loop_current();
	struct err e = {0};

	assert_int_equal(loop_signal(l, SIGUSR1, note_and_set_again, &s, &e), 0);
	assert_int_equal(loop_signal(l, SIGUSR2, note_signal, &s, &e), 0);
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(kill(getpid(), SIGUSR1), 0);
		assert_int_equal(fiber_park(loop_now_ns() + 5 * CLOCK_SEC, &e), 0);
		assert_int_equal(s.count, i);
		assert_int_equal(s.signo, SIGUSR1);
	}
	assert_true(s.is_rearmed);
	assert_int_equal(kill(getpid(), SIGUSR2), 0);
	assert_int_equal(fiber_park(loop_now_ns() + 5 * CLOCK_SEC, &e), 0);
	assert_int_equal(s.signo, SIGUSR2);
	assert_int_equal(loop_signal(l, SIGUSR1, NULL, NULL, &e), 0);
	assert_int_equal(loop_signal(l, SIGKILL, note_signal, &s, &e), -1);
	assert_int_equal(e.code, ERR_IO);
	/* SIGUSR2 is left to loop_free. */
	return 0;
}

static void signals_arrive_on_the_loop(void **state)
{
	run_uv(signal_main, NULL);
}

/* ---- time -------------------------------------------------------------------------------- */

static FIBER int virtual_days_main(void *arg)
{
	int64_t wall_ns = loop_wall_ns(), from_ns = loop_now_ns();

	assert_int_equal(from_ns, CLOCK_SEC);
	assert_int_equal(wall_ns, SIM_WALL);
	for (int day = 0; day < 365; day++)
		for (int part = 0; part < 4; part++)
			assert_int_equal(fiber_sleep(CLOCK_DAY / 4, NULL), 0);
	assert_int_equal(loop_now_ns() - from_ns, 365 * CLOCK_DAY);
	assert_int_equal(loop_wall_ns() - wall_ns, 365 * CLOCK_DAY);
	return 0;
}

static void a_virtual_year_passes_in_milliseconds(void **state)
{
	int64_t from_ns = clock_mono_ns();

	run_sim(virtual_days_main, NULL);
	assert_true(clock_mono_ns() - from_ns < CLOCK_SEC);
}

static FIBER int real_time_main(void *arg)
{
	int64_t a_ns = clock_mono_ns(), b_ns = loop_now_ns(), c_ns = clock_mono_ns();

	assert_true(a_ns <= b_ns && b_ns <= c_ns);
	assert_true(loop_wall_ns() > 1700000000 * CLOCK_SEC);
	return 0;
}

static void time_is_real_on_a_real_loop_and_outside(void **state)
{
	run_uv(real_time_main, NULL);
	real_time_main(NULL);
}

static FIBER int random_main(void *arg)
{
	uint64_t *r = arg;

	for (int i = 0; i < 4; i++)
		r[i] = loop_random();
	return 0;
}

static void simulated_chance_is_the_same_every_time(void **state)
{
	uint64_t r[6][4];

	run_sim(random_main, r[0]);
	run_sim(random_main, r[1]);
	assert_memory_equal(r[0], r[1], sizeof(r[0]));
	run_uv(random_main, r[2]);
	run_uv(random_main, r[3]);
	random_main(r[4]);
	random_main(r[5]);
	for (int i = 0; i < 6; i++)
		for (int k = i + 1; k < 6; k++)
			assert_true(k == 1 || memcmp(r[i], r[k], sizeof(r[i])) != 0);
}

/* ---- watchdog ---------------------------------------------------------------------------- */

struct lines {
	struct log_sink sink;
	char text[512];
	int count;
};

static void keep_line(struct log_sink *sink, enum log_level level, struct span line)
{
	struct lines *l = (struct lines *)sink;

	assert_int_equal(level, LOG_WARN);
	snprintf(l->text, sizeof(l->text), SPAN_FMT, SPAN_ARG(line));
	l->count++;
}

static FIBER int hog_main(void *arg)
{
	int64_t until_ns = thread_cpu_ns() + 8 * CLOCK_MS;

	fiber_set_name(fiber_self(), "hog");
	while (thread_cpu_ns() < until_ns)
		;
	return 0;
}

static void a_long_slice_is_logged_with_its_fiber(void **state)
{
	struct lines lines = {{.write = keep_line, .level = LOG_DEBUG}, {0}, 0};
	struct log log;

	log_root(&log, &lines.sink);
	run_in(loop_new_uv(&(struct loop_opts){.log = &log, .name = "loop7"}, NULL), hog_main,
		NULL);
	assert_int_equal(lines.count, 1);
	print_message("# %s\n", lines.text);
	assert_non_null(strstr(lines.text, "loop.slice"));
	assert_non_null(strstr(lines.text, "loop=loop7"));
	assert_non_null(strstr(lines.text, "fiber=hog"));
}

static void die_fatally(void *arg)
{
	run_in(loop_new_uv(&(struct loop_opts){.is_slice_fatal = true, .name = "loop0"}, NULL),
		(int (*)(void *))arg, NULL);
}

static FIBER int block_main(void *arg)
{
	fiber_set_name(fiber_self(), "blocker");
	usleep(10000);
	return 0;
}

static void a_long_slice_is_fatal_where_asked(void **state)
{
	const struct {
		void *main;
		const char *says;
	} cases[] = {{(void *)hog_main, "fiber 'hog' held loop0 for"},
		{(void *)block_main, "fiber 'blocker' held loop0 for"}};
	char said[1024];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int status = run_child(die_fatally, cases[i].main, said, sizeof(said));

		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGABRT);
		assert_non_null(strstr(said, cases[i].says));
	}
}

static void wait_allowed(void *arg)
{
	struct loop_opts opts = {
		.is_slice_fatal = true, .wait_fatal_ns = 10 * CLOCK_SEC, .name = "loop0"};

	run_in(loop_new_uv(&opts, NULL), block_main, NULL);
}

static void what_a_slice_waits_has_a_bound_of_its_own(void **state)
{
	char said[1024];

	assert_int_equal(run_child(wait_allowed, NULL, said, sizeof(said)), 0);
}

struct count_switches {
	uint64_t switches;
};

static void take_switches(const struct fiber_info *info, void *arg)
{
	((struct count_switches *)arg)->switches += info->switches;
}

static FIBER int breathe_counts_main(void *arg)
{
	struct count_switches s = {0};
	int64_t until_ns = clock_mono_ns() + 20 * CLOCK_MS;
	size_t breaths = 0;

	for (; clock_mono_ns() < until_ns; breaths++)
		assert_int_equal(fiber_breathe(NULL), 0);
	assert_true(breaths > 22);
	fiber_each(take_switches, &s);
	/* About one in a millisecond, however often it was asked for. */
	assert_true(s.switches >= 4 && s.switches <= 22);
	return 0;
}

static void breathing_yields_once_a_millisecond(void **state)
{
	run_uv(breathe_counts_main, NULL);
}

/* ---- many loops -------------------------------------------------------------------------- */

static void *loop_thread(void *arg)
{
	run_uv(ping_pong_main, NULL);
	return NULL;
}

static void loops_run_side_by_side_on_threads(void **state)
{
	pthread_t threads[3];

	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, loop_thread, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static FIBER int name_main(void *arg)
{
	char name[16];

	assert_int_equal(pthread_getname_np(pthread_self(), name, sizeof(name)), 0);
	assert_string_equal(name, "loop0");
	return 5;
}

static void a_loop_names_its_thread_and_can_run_again(void **state)
{
	struct loop *l = loop_new_uv(&(struct loop_opts){.name = "loop0"}, NULL);
	char before[16], after[16];

	assert_int_equal(pthread_getname_np(pthread_self(), before, sizeof(before)), 0);
	assert_int_equal(loop_run(l, name_main, NULL, NULL), 5);
	assert_int_equal(loop_run(l, name_main, NULL, NULL), 5);
	assert_int_equal(pthread_getname_np(pthread_self(), after, sizeof(after)), 0);
	assert_string_equal(before, after);
	loop_free(&l);
	loop_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conversations_run_side_by_side),
		cmocka_unit_test(readiness_is_a_level),
		cmocka_unit_test(what_nobody_waits_for_does_not_spin),
		cmocka_unit_test(one_reads_while_another_writes),
		cmocka_unit_test(a_hangup_wakes_reader_and_writer),
		cmocka_unit_test(descriptors_may_go_while_their_events_wait),
		cmocka_unit_test(a_bad_descriptor_is_told),
		cmocka_unit_test(the_simulation_has_no_descriptors),
		cmocka_unit_test(signals_arrive_on_the_loop),
		cmocka_unit_test(a_virtual_year_passes_in_milliseconds),
		cmocka_unit_test(time_is_real_on_a_real_loop_and_outside),
		cmocka_unit_test(simulated_chance_is_the_same_every_time),
		cmocka_unit_test(a_long_slice_is_logged_with_its_fiber),
		cmocka_unit_test(a_long_slice_is_fatal_where_asked),
		cmocka_unit_test(what_a_slice_waits_has_a_bound_of_its_own),
		cmocka_unit_test(breathing_yields_once_a_millisecond),
		cmocka_unit_test(loops_run_side_by_side_on_threads),
		cmocka_unit_test(a_loop_names_its_thread_and_can_run_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
