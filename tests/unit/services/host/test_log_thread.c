#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/must.h"
#include "lib/scratch.h"
#include "services/host/log_thread.h"

struct place {
	char dir[SCRATCH_MAX], file[SCRATCH_MAX + 8];
};

static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_true(scratch_new(p->dir));
	snprintf(p->file, sizeof(p->file), "%s/log", p->dir);
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;

	assert_true(scratch_remove(p->dir));
	free(p);
	return 0;
}

static void read_file(const char *path, struct buf *b)
{
	FILE *f = fopen(path, "r");
	char *at;

	buf_init(b, 16 * 1024 * 1024);
	assert_non_null(f);
	while ((at = buf_reserve(b, 65536))) {
		size_t n = fread(at, 1, 65536, f);
		buf_added(b, n);
		if (!n)
			break;
	}
	fclose(f);
}

static size_t count_of(struct span text, struct span word)
{
	size_t n = 0;
	ptrdiff_t at;

	for (; (at = span_find_span(text, word)) >= 0; n++)
		text = span_skip(text, (size_t)at + word.len);
	return n;
}

static void every_line_is_written_in_order(void **state)
{
	struct place *p = *state;
	struct log_thread_opts opts = {.destination = p->file, .level = LOG_INFO};
	struct err e = {0};
	struct log_thread *t = log_thread_new(&opts, &e);
	struct log log;
	struct buf b;

	assert_non_null(t);
	log_root(&log, log_thread_sink(t));
	for (int i = 0; i < 1000; i++)
		log_event(&log, LOG_INFO, "x", LF_INT("n", i));
	log_event(&log, LOG_DEBUG, "unseen", LF_NONE);
	log_thread_free(&t);
	assert_null(t);
	read_file(p->file, &b);
	struct span rest = buf_span(&b), line;
	for (int i = 0; i < 1000; i++) {
		struct buf want;

		assert_true(span_cut(rest, '\n', &line, &rest));
		buf_init(&want, 64);
		buf_printf(&want, " level=info event=x n=%d", i);
		assert_true(span_ends_nocase(line, buf_span(&want)));
		assert_true(span_starts(line, SPAN("time=2")));
		buf_fini(&want);
	}
	assert_int_equal(rest.len, 0);
	buf_fini(&b);
}

static void a_reopen_goes_to_a_new_file_and_level(void **state)
{
	struct place *p = *state;
	struct log_thread_opts opts = {.destination = p->file, .level = LOG_INFO};
	struct err e = {0};
	struct log_thread *t = log_thread_new(&opts, &e);
	char moved[sizeof(p->file) + 2];
	struct log log;
	struct buf b;

	log_root(&log, log_thread_sink(t));
	log_event(&log, LOG_INFO, "one", LF_NONE);
	while (read_file(p->file, &b), !buf_len(&b)) {
		buf_fini(&b);
		usleep(1000);
	}
	buf_fini(&b);
	snprintf(moved, sizeof(moved), "%s.1", p->file);
	assert_int_equal(rename(p->file, moved), 0);
	opts.level = LOG_DEBUG;
	opts.format = LOG_JSON;
	assert_int_equal(log_thread_reopen(t, &opts, &e), 0);
	assert_int_equal(log_thread_reopen(t, &opts, &e), 0); /* twice in a row */
	log_event(&log, LOG_DEBUG, "two", LF_NONE);

	/* what cannot be opened changes nothing */
	opts.destination = "/nowhere/at/all";
	assert_int_equal(log_thread_reopen(t, &opts, &e), -1);
	log_event(&log, LOG_DEBUG, "three", LF_NONE);
	log_thread_free(&t);
	read_file(moved, &b);
	assert_int_equal(count_of(buf_span(&b), SPAN("event=one")), 1);
	buf_fini(&b);
	read_file(p->file, &b);
	assert_int_equal(count_of(buf_span(&b), SPAN("\"event\":\"two\"")), 1);
	assert_int_equal(count_of(buf_span(&b), SPAN("\"event\":\"three\"")), 1);
	buf_fini(&b);
}

struct drain {
	int fd;
	struct buf text;
};

/* Reads a pipe to its end. */
static void *drain(void *arg)
{
	struct drain *d = arg;
	char *at;

	while ((at = buf_reserve(&d->text, 65536))) {
		ssize_t n = read(d->fd, at, 65536);

		if (n <= 0)
			break;
		buf_added(&d->text, (size_t)n);
	}
	return NULL;
}

/* A pipe that nobody reads: the thread is stuck, the producers are not. */
static void what_does_not_fit_is_counted_and_told(void **state)
{
	struct place *p = *state;
	struct log_thread_opts opts = {.destination = p->file, .level = LOG_INFO};
	struct drain d = {0};
	struct buf value;
	struct log log;
	pthread_t reader;
	uint64_t told = 0, sent = 0;

	assert_int_equal(mkfifo(p->file, 0600), 0);
	d.fd = open(p->file, O_RDONLY | O_NONBLOCK);
	struct log_thread *t = log_thread_new(&opts, NULL);
	assert_int_equal(fcntl(d.fd, F_SETFL, 0), 0);
	log_root(&log, log_thread_sink(t));
	buf_init(&value, LOG_VALUE_MAX);
	memset(buf_reserve(&value, LOG_VALUE_MAX), 'v', LOG_VALUE_MAX);
	buf_added(&value, LOG_VALUE_MAX);
	while (!log_thread_dropped(t)) {
		log_event(&log, LOG_INFO, "big", LF("v", buf_span(&value)));
		sent++;
	}
	buf_fini(&value);
	uint64_t dropped = log_thread_dropped(t);

	buf_init(&d.text, 32 * 1024 * 1024);
	assert_int_equal(pthread_create(&reader, NULL, drain, &d), 0);
	log_thread_free(&t);
	pthread_join(reader, NULL);
	struct span all = buf_span(&d.text), number, rest;
	assert_int_equal(count_of(all, SPAN("event=big")), sent - dropped);
	ptrdiff_t at = span_find_span(all, SPAN("event=log.dropped lines="));
	assert_true(at >= 0);
	span_cut(span_skip(all, (size_t)at + 24), '\n', &number, &rest);
	assert_true(span_u64(number, &told));
	assert_int_equal(told, dropped);
	buf_fini(&d.text);
	close(d.fd);
}

static void journald_gets_its_own_protocol(void **state)
{
	struct place *p = *state;
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct log_thread_opts opts = {
		.destination = "journald", .level = LOG_INFO, .journal_socket = un.sun_path};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char got[2048];
	struct err e = {0};
	struct log log;

	snprintf(un.sun_path, sizeof(un.sun_path), "%s/journal", p->dir);
	assert_null(log_thread_new(&opts, &e)); /* nobody listens */
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	struct log_thread *t = log_thread_new(&opts, &e);
	assert_non_null(t);
	log_root(&log, log_thread_sink(t));
	log_event(&log, LOG_ERROR, "bad", LF_STR("what", "a\nPRIORITY=0"));
	log_thread_free(&t);
	ssize_t n = recv(fd, got, sizeof(got), MSG_DONTWAIT);
	assert_true(n > 0);
	struct span text = span_of(got, n);
	assert_true(span_starts(text, SPAN("SYSLOG_IDENTIFIER=yizhan\nPRIORITY=3\nMESSAGE=time=")));
	/* what a peer says cannot make a field of its own */
	assert_int_equal(count_of(text, SPAN("\n")), 3);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_line_is_written_in_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_reopen_goes_to_a_new_file_and_level, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_does_not_fit_is_counted_and_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(journald_gets_its_own_protocol, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("log_thread", tests, NULL, NULL);
}
