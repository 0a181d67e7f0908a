#include "net_test.h"

/* A filter that hands out at most `cut` bytes a read (0: random 1 to 7) and counts. */
struct cutter {
	struct filter filter;
	size_t cut;
	uint32_t random;
	size_t reads;
	bool fails_to_write;
};

static FIBER ssize_t cutter_read(
	struct filter *f, void *p, size_t n, int64_t deadline_ns, struct err *e)
{
	struct cutter *c = (struct cutter *)f;
	size_t cut = c->cut ? c->cut : 1 + test_random(&c->random) % 7;

	c->reads++;
	return f->below->ops->read(f->below, p, cut < n ? cut : n, deadline_ns, e);
}

static FIBER int cutter_write(struct filter *f, const struct span *parts, size_t count,
	int64_t deadline_ns, struct err *e)
{
	if (((struct cutter *)f)->fails_to_write)
		return err_set(e, ERR_IO, "made to fail");
	return f->below->ops->write(f->below, parts, count, deadline_ns, e);
}

static void cutter_free(struct filter *f)
{
	free(f);
}

static const struct filter_ops cutter_ops = {
	.name = "cutter", .read = cutter_read, .write = cutter_write, .free = cutter_free};

static struct cutter *cutter_push(struct stream *s, size_t cut)
{
	struct cutter *c = NEW(struct cutter);

	c->filter.ops = &cutter_ops;
	c->cut = cut;
	c->random = 7;
	stream_push(s, &c->filter);
	return c;
}

static FIBER int read_lines_cut(size_t cut)
{
	static const struct {
		const char *line;
		bool is_crlf;
	} want[] = {{"EHLO a", true}, {"", true}, {"bare", false}, {"\rmiddle\rcr", true},
		{"", false}, {"long line of some length that goes over many cuts", true}};
	struct stream *a, *b;
	struct span line;
	bool is_crlf;
	struct err e = {0};

	stream_pair(&a, &b, CLOCK_MS);
	cutter_push(b, cut);
	stream_put(a, SPAN("EHLO a\r\n\r\nbare\n\rmiddle\rcr\r\n\n"));
	stream_put(a, SPAN("long line of some length that goes over many cuts\r\nrest"));
	assert_int_equal(stream_shutdown(a, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		assert_int_equal(stream_read_line(b, 512, &line, &is_crlf, &e), 0);
		assert_span_equal(line, want[i].line);
		assert_int_equal(is_crlf, want[i].is_crlf);
	}
	assert_int_equal(stream_read_line(b, 512, &line, NULL, &e), -1);
	assert_int_equal(e.code, ERR_EOF);
	assert_int_equal(e.scope, ERR_SCOPE_PEER);
	assert_span_equal(stream_peek(b), "rest");
	stream_free(&a);
	stream_free(&b);
	return 0;
}

static FIBER int lines_main(void *arg)
{
	read_lines_cut(100000);
	read_lines_cut(1);
	read_lines_cut(0);
	return 0;
}

static void lines_come_whole_from_any_cut(void **state)
{
	test_run_sim(lines_main, NULL);
}

static FIBER int limit_main(void *arg)
{
	struct stream *a, *b;
	struct span line;
	struct err e = {0};

	stream_pair(&a, &b, 0);
	cutter_push(b, 3);
	stream_put(a, SPAN("12345678\r\n123456789\r\n"));
	assert_int_equal(stream_flush(a, &e), 0);
	/* The limit counts the line end. */
	assert_int_equal(stream_read_line(b, 10, &line, NULL, &e), 0);
	assert_span_equal(line, "12345678");
	assert_int_equal(stream_read_line(b, 10, &line, NULL, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	/* Nothing was consumed: with a wider limit it is a line. */
	assert_int_equal(stream_read_line(b, 11, &line, NULL, &e), 0);
	assert_span_equal(line, "123456789");
	stream_free(&a);
	stream_free(&b);
	return 0;
}

static void a_long_line_is_refused_and_kept(void **state)
{
	test_run_sim(limit_main, NULL);
}

static FIBER int full_main(void *arg)
{
	struct stream *a, *b;
	char got[26];
	struct span line;
	struct err e = {0};

	stream_pair(&a, &b, 0);
	cutter_push(b, 0);
	stream_put(a, SPAN("head\r\nabcdefghijklmnopqrstuvwxyzXY"));
	assert_int_equal(stream_shutdown(a, &e), 0);
	assert_int_equal(stream_read_line(b, 100, &line, NULL, &e), 0);
	assert_int_equal(stream_read_full(b, got, 0, &e), 0);
	assert_int_equal(stream_read_full(b, got, sizeof(got), &e), 0);
	assert_memory_equal(got, "abcdefghijklmnopqrstuvwxyz", 26);
	assert_int_equal(stream_read_full(b, got, 3, &e), -1);
	assert_int_equal(e.code, ERR_EOF);
	assert_int_equal(b->bytes_in, 34);
	assert_int_equal(a->bytes_out, 34);
	stream_free(&a);
	stream_free(&b);
	return 0;
}

static void exact_counts_are_read(void **state)
{
	test_run_sim(full_main, NULL);
}

static FIBER int echo_fiber(void *arg)
{
	struct stream *s = arg;
	struct span line;

	while (stream_read_line(s, 512, &line, NULL, NULL) == 0)
		stream_printf(s, "250 " SPAN_FMT "\r\n", SPAN_ARG(line));
	return 0;
}

static FIBER int pipelined_main(void *arg)
{
	struct stream *a, *b;
	struct fiber_group g;
	struct span line;
	struct err e = {0};
	int64_t began;

	stream_pair(&a, &b, 10 * CLOCK_MS);
	fiber_group_init(&g);
	assert_int_equal(fiber_start(&g, "echo", echo_fiber, b, &e), 0);
	began = loop_now_ns();
	for (int i = 0; i < 100; i++)
		stream_printf(a, "cmd %d\r\n", i);
	for (int i = 0; i < 100; i++) {
		char want[32];

		snprintf(want, sizeof(want), "250 cmd %d", i);
		/* No flush anywhere: each side sends before it waits. */
		assert_int_equal(stream_read_line(a, 512, &line, NULL, &e), 0);
		assert_span_equal(line, want);
	}
	/* One round trip for all hundred. */
	assert_int_equal(loop_now_ns() - began, 20 * CLOCK_MS);
	stream_free(&a);
	fiber_group_join(&g);
	stream_free(&b);
	return 0;
}

static void what_is_said_leaves_before_a_wait_in_one_round_trip(void **state)
{
	test_run_sim(pipelined_main, NULL);
}

static FIBER int idle_main(void *arg)
{
	struct stream *a, *b;
	struct err e = {0};
	struct span line;

	stream_pair(&a, &b, 0);
	stream_put(b, SPAN("220 ready\r\n"));
	stream_set_timeout(b, CLOCK_SEC / 2);
	assert_int_equal(stream_fill(b, &e), -1);
	assert_int_equal(e.code, ERR_TIMEOUT);
	assert_int_equal(loop_now_ns(), b->deadline_ns);
	assert_null(b->in.mem);
	assert_null(b->out.mem);
	/* A timeout breaks nothing: the stream can say goodbye and even go on. */
	stream_put(b, SPAN("421 bye\r\n"));
	stream_set_timeout(b, CLOCK_SEC);
	assert_int_equal(stream_flush(b, &e), 0);
	stream_put(a, SPAN("more\r\n"));
	assert_int_equal(stream_flush(a, &e), 0);
	assert_int_equal(stream_read_line(b, 100, &line, NULL, &e), 0);
	assert_span_equal(line, "more");
	assert_int_equal(stream_read_line(a, 100, &line, NULL, &e), 0);
	assert_span_equal(line, "220 ready");
	assert_int_equal(stream_read_line(a, 100, &line, NULL, &e), 0);
	assert_span_equal(line, "421 bye");
	stream_free(&a);
	stream_free(&b);
	return 0;
}

static void an_idle_stream_holds_no_buffers(void **state)
{
	test_run_sim(idle_main, NULL);
}

static FIBER int write_fiber(void *arg)
{
	struct stream *s = arg;
	size_t big = 3 * STREAM_PAIR_BYTES + 17;
	char *bytes = mem_alloc(big);
	struct span parts[20];
	struct err e = {0};

	memset(bytes, 'x', big);
	stream_put(s, SPAN("first "));
	parts[0] = span_of(bytes, big);
	parts[1] = SPAN(" second ");
	assert_int_equal(stream_write(s, parts, 2, &e), 0);
	stream_put(s, SPAN("third "));
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		parts[i] = SPAN(".");
	assert_int_equal(stream_write(s, parts, ARRAY_LEN(parts), &e), 0);
	assert_int_equal(stream_shutdown(s, &e), 0);
	free(bytes);
	return 0;
}

static FIBER int big_main(void *arg)
{
	struct stream *a, *b;
	struct fiber_group g;
	struct err e = {0};
	size_t total = 0, most = 0;
	struct buf tail;

	stream_pair(&a, &b, CLOCK_MS);
	buf_init(&tail, 1000);
	fiber_group_init(&g);
	assert_int_equal(fiber_start(&g, "write", write_fiber, a, &e), 0);
	while (stream_fill(b, &e) == 0) {
		struct span in = stream_peek(b);

		total += in.len;
		most = b->want > most ? b->want : most;
		for (size_t i = 0; i < in.len; i++)
			if (in.ptr[i] != 'x')
				buf_char(&tail, in.ptr[i]);
		stream_consume(b, in.len);
	}
	assert_int_equal(e.code, ERR_EOF);
	assert_int_equal(total, 6 + 3 * STREAM_PAIR_BYTES + 17 + 8 + 6 + 20);
	assert_string_equal(buf_cstr(&tail), "first  second third ....................");
	/* In bulk more is asked for at once, and less again when it is over. */
	assert_int_equal(most, STREAM_IN_BULK);
	assert_int_equal(b->want, STREAM_IN_BYTES);
	fiber_group_join(&g);
	buf_fini(&tail);
	stream_free(&a);
	stream_free(&b);
	return 0;
}

static void big_writes_wait_for_the_reader_and_keep_their_order(void **state)
{
	test_run_sim(big_main, NULL);
}

static FIBER int sticky_main(void *arg)
{
	struct stream *a, *b;
	struct err e = {0};

	stream_pair(&a, &b, 0);
	cutter_push(a, 1)->fails_to_write = true;
	stream_put(a, SPAN("never seen"));
	for (int i = 0; i < 2; i++) {
		assert_int_equal(stream_flush(a, &e), -1);
		assert_string_equal(e.text, "made to fail");
		assert_int_equal(stream_fill(a, &e), -1);
		assert_string_equal(e.text, "made to fail");
		stream_put(a, SPAN("more"));
		stream_printf(a, "%d", 7);
	}
	assert_true(a->is_broken);
	assert_int_equal(buf_len(&a->out), 0);
	stream_free(&a);
	/* Its peer is gone: the other end reads the end and cannot write. */
	assert_int_equal(stream_fill(b, &e), -1);
	assert_int_equal(e.code, ERR_EOF);
	stream_put(b, SPAN("x"));
	assert_int_equal(stream_flush(b, &e), -1);
	assert_int_equal(e.code, ERR_IO);
	assert_int_equal(e.scope, ERR_SCOPE_PEER);
	stream_free(&b);
	return 0;
}

static void a_failure_sticks(void **state)
{
	test_run_sim(sticky_main, NULL);
}

static FIBER int overflow_main(void *arg)
{
	struct stream *a, *b;
	struct err e = {0};
	char kilo[1024];

	memset(kilo, 'k', sizeof(kilo));
	stream_pair(&a, &b, 0);
	for (int i = 0; i <= STREAM_OUT_MAX / 1024; i++)
		stream_put(a, span_of(kilo, sizeof(kilo)));
	assert_int_equal(stream_flush(a, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	stream_free(&a);
	stream_free(&b);
	/* And a reader who never consumes meets the cap of the input. */
	stream_pair(&a, &b, 0);
	while (buf_len(&b->in) < STREAM_IN_MAX) {
		struct span part = span_of(kilo, sizeof(kilo));

		assert_int_equal(stream_write(a, &part, 1, &e), 0);
		assert_int_equal(stream_fill(b, &e), 0);
	}
	assert_int_equal(stream_fill(b, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	stream_free(&a);
	stream_free(&b);
	return 0;
}

static void both_buffers_have_caps(void **state)
{
	test_run_sim(overflow_main, NULL);
}

static FIBER int linear_main(void *arg)
{
	struct stream *a, *b;
	struct err e = {0};
	struct span line;
	size_t n = 200000;
	char *bytes = mem_alloc(n);
	struct span part = span_of(bytes, n);
	struct cutter *c;

	memset(bytes, 'y', n);
	bytes[n - 1] = '\n';
	stream_pair(&a, &b, 0);
	c = cutter_push(b, 1);
	assert_int_equal(stream_write(a, &part, 1, &e), 0);
	/* 200,000 one-byte reads: with a scan from the start each time, 20 billion steps. */
	assert_int_equal(stream_read_line(b, n, &line, NULL, &e), 0);
	assert_int_equal(line.len, n - 1);
	assert_int_equal(c->reads, n);
	free(bytes);
	stream_free(&a);
	stream_free(&b);
	return 0;
}

static void a_line_in_one_byte_pieces_is_read_in_linear_time(void **state)
{
	test_run_sim(linear_main, NULL);
}

static FIBER int drop_main(void *arg)
{
	struct stream *a, *b;
	struct err e = {0};
	struct span line;

	stream_pair(&a, &b, 0);
	stream_put(a, SPAN("STARTTLS\r\nNOOP\r\nhalf"));
	assert_int_equal(stream_flush(a, &e), 0);
	assert_int_equal(stream_read_line(b, 100, &line, NULL, &e), 0);
	assert_int_equal(stream_drop_input(b), 10);
	stream_put(a, SPAN("new\r\n"));
	assert_int_equal(stream_flush(a, &e), 0);
	assert_int_equal(stream_read_line(b, 100, &line, NULL, &e), 0);
	assert_span_equal(line, "new");
	stream_free(&a);
	stream_free(&b);
	return 0;
}

static void dropped_input_is_forgotten(void **state)
{
	test_run_sim(drop_main, NULL);
}

static FIBER int wait_fiber(void *arg)
{
	struct stream *s = arg;
	struct err e = {0};

	assert_int_equal(stream_fill(s, &e), -1);
	assert_int_equal(e.code, ERR_CANCELLED);
	return 0;
}

static FIBER int cancel_main(void *arg)
{
	struct stream *a, *b;
	struct fiber_group g;
	struct err e = {0};

	stream_pair(&a, &b, 0);
	fiber_group_init(&g);
	assert_int_equal(fiber_start(&g, "wait", wait_fiber, a, &e), 0);
	assert_int_equal(fiber_sleep(10 * CLOCK_SEC, &e), 0);
	fiber_group_cancel(&g);
	fiber_group_join(&g);
	assert_false(a->is_broken);
	stream_free(&a);
	stream_free(&b);
	return 0;
}

static void a_wait_can_be_cancelled(void **state)
{
	test_run_sim(cancel_main, NULL);
}

struct bell_wait {
	struct stream *s, *peer;
	struct stream_bell bell;
	size_t rung, heard;
};

static FIBER int bell_fiber(void *arg)
{
	struct bell_wait *w = arg;
	struct span line;
	struct err e = {0};

	for (;;) {
		bool is_rung;

		stream_set_timeout(w->s, CLOCK_MIN);
		assert_int_equal(stream_wait(w->s, &w->bell, &is_rung, &e), 0);
		if (is_rung) {
			w->heard++;
			assert_null(w->s->in.mem);
			continue;
		}
		if (stream_read_line(w->s, 100, &line, NULL, &e) < 0)
			break;
		assert_span_equal(line, "DONE");
		w->rung = w->heard;
	}
	assert_int_equal(e.code, ERR_EOF);
	return 0;
}

/* Three rings, a line, two rings in a row, the end; a bell is never taken for input. */
static FIBER int bell_play(struct bell_wait *w)
{
	struct fiber_group g;
	struct err e = {0};

	fiber_group_init(&g);
	assert_int_equal(fiber_start(&g, "bell", bell_fiber, w, &e), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(fiber_sleep(5 * CLOCK_MS, &e), 0);
		stream_bell_ring(&w->bell);
	}
	assert_int_equal(fiber_sleep(5 * CLOCK_MS, &e), 0);
	assert_int_equal(w->heard, 3);
	stream_put(w->peer, SPAN("DONE\r\n"));
	assert_int_equal(stream_flush(w->peer, &e), 0);
	assert_int_equal(fiber_sleep(20 * CLOCK_MS, &e), 0);
	assert_int_equal(w->rung, 3);
	stream_bell_ring(&w->bell);
	stream_bell_ring(&w->bell);
	assert_int_equal(fiber_sleep(5 * CLOCK_MS, &e), 0);
	assert_int_equal(w->heard, 4);
	stream_free(&w->peer);
	fiber_group_join(&g);
	stream_free(&w->s);
	return 0;
}

static FIBER int bell_pair_main(void *arg)
{
	struct bell_wait w = {0};

	stream_pair(&w.s, &w.peer, CLOCK_MS);
	return bell_play(&w);
}

static FIBER int bell_socket_main(void *arg)
{
	struct net_listen_opts o = {.fd = -1};
	struct net_listener *l;
	struct bell_wait w = {0};
	struct err e = {0};

	assert_int_equal(addr_parse(SPAN("127.0.0.1"), 0, &o.addr, &e), 0);
	l = net_listen(&o, &e);
	assert_non_null(l);
	w.peer = net_connect(net_listener_addr(l), NULL, loop_now_ns() + CLOCK_SEC, &e);
	assert_non_null(w.peer);
	assert_int_equal(net_accept(l, NULL, &w.s, &e), 0);
	net_listener_free(&l);
	return bell_play(&w);
}

static void a_wait_is_ended_by_input_or_by_a_bell(void **state)
{
	test_run_sim(bell_pair_main, NULL);
	test_run_real(bell_socket_main, NULL);
}

static FIBER int bell_times_main(void *arg)
{
	struct stream *a, *b;
	struct stream_bell bell = {0};
	bool is_rung = true;
	struct err e = {0};

	stream_pair(&a, &b, 0);
	stream_set_timeout(a, CLOCK_SEC);
	assert_int_equal(stream_wait(a, &bell, &is_rung, &e), -1);
	assert_int_equal(e.code, ERR_TIMEOUT);
	assert_false(a->is_broken);
	/* rung before the wait, with input beside it: both are told, one after the other */
	stream_put(b, SPAN("x"));
	assert_int_equal(stream_flush(b, &e), 0);
	stream_bell_ring(&bell);
	assert_int_equal(stream_wait(a, &bell, &is_rung, &e), 0);
	assert_true(is_rung);
	assert_int_equal(stream_wait(a, &bell, &is_rung, &e), 0);
	assert_false(is_rung);
	stream_free(&a);
	stream_free(&b);
	return 0;
}

static void a_bell_is_remembered_and_a_deadline_kept(void **state)
{
	test_run_sim(bell_times_main, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_come_whole_from_any_cut),
		cmocka_unit_test(a_long_line_is_refused_and_kept),
		cmocka_unit_test(exact_counts_are_read),
		cmocka_unit_test(what_is_said_leaves_before_a_wait_in_one_round_trip),
		cmocka_unit_test(an_idle_stream_holds_no_buffers),
		cmocka_unit_test(big_writes_wait_for_the_reader_and_keep_their_order),
		cmocka_unit_test(a_failure_sticks),
		cmocka_unit_test(both_buffers_have_caps),
		cmocka_unit_test(a_line_in_one_byte_pieces_is_read_in_linear_time),
		cmocka_unit_test(dropped_input_is_forgotten),
		cmocka_unit_test(a_wait_can_be_cancelled),
		cmocka_unit_test(a_wait_is_ended_by_input_or_by_a_bell),
		cmocka_unit_test(a_bell_is_remembered_and_a_deadline_kept),
	};

	return cmocka_run_group_tests_name("net/stream", tests, NULL, NULL);
}
