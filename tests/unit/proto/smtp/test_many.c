#include "lib/smtp_script.h"
#include "lib/smtp_play.h"

/* Several transactions under way on one connection. */

#define COUNT 3

static const enum smtp_fate ACC = SMTP_FATE_ACCEPTED, REF = SMTP_FATE_REFUSED,
			    UNK = SMTP_FATE_UNKNOWN, NON = SMTP_FATE_NONE;

/* What the client says at once: three letters to one recipient each. */
#define ONE   "C~ MAIL\nC~ RCPT\nC: BDAT 3 LAST\nB: 3 x\n"
#define THREE ONE "C: RSET\n" ONE "C: RSET\n" ONE
#define OK    "S: 250 ok\nS: 250 ok\nS: 250 taken\n"
#define RST   "S: 250 reset\n"

#define ENV  "C~ MAIL\nC~ RCPT\nC: DATA\n"
#define GO   "S: 250 ok\nS: 250 ok\nS: 354 go\n"
#define TEXT "C: x\nC: .\n"

enum { NORSET = 1, LMTP = 2, FAILS = 4, LARGE = 8 };

static const struct many_case {
	const char *name, *text;
	unsigned how;
	int result;
	enum smtp_fate fates[COUNT];
	unsigned codes[COUNT];
	enum err_code errs[COUNT];
	bool is_over;
} cases[] = {
	{"all accepted", SCRIPT_CHUNK THREE OK RST OK RST OK SCRIPT_BYE, 0, 0, {ACC, ACC, ACC},
		{250, 250, 250}, {0}, false},
	{"RSET is off: one at a time", SCRIPT_CHUNK ONE OK ONE OK ONE OK SCRIPT_BYE, NORSET, 0,
		{ACC, ACC, ACC}, {250, 250, 250}, {0}, false},
	{"not offered: in turn",
		SCRIPT_HELLO(
			"") "C~ MAIL\nS: 250 ok\nC~ RCPT\nS: 250 ok\nC: DATA\nS: 354 go\nC: x\nC: .\nS: 250 ok\n"
			    "C~ MAIL\nS: 250 ok\nC~ RCPT\nS: 550 no\nC: RSET\nS: 250 ok\n"
			    "C~ MAIL\nS: 250 ok\nC~ RCPT\nS: 250 ok\nC: DATA\nS: 354 go\nC: x\nC: .\nS: 554 ok\n" SCRIPT_BYE,
		0, 0, {ACC, REF, REF}, {250, 550, 554}, {0}, false},
	{"71: a refused one in the middle",
		SCRIPT_CHUNK THREE OK RST "S: 250 ok\nS: 550 no\nS: 503 no\n" RST OK SCRIPT_BYE, 0,
		0, {ACC, REF, ACC}, {250, 550, 250}, {0}, false},
	{"68: the last one refused, then RSET",
		SCRIPT_CHUNK THREE OK RST OK RST
		"S: 250 ok\nS: 250 ok\nS: 552 big\nC: RSET\n" RST SCRIPT_BYE,
		0, 0, {ACC, ACC, REF}, {250, 250, 552}, {0}, false},
	{"67: lost before the first reply", SCRIPT_CHUNK THREE "X\n", 0, -1, {UNK, UNK, UNK},
		{0, 0, 0}, {ERR_EOF, ERR_EOF, ERR_EOF}, true},
	{"67: lost behind the first one", SCRIPT_CHUNK THREE OK "X\n", 0, -1, {ACC, UNK, UNK},
		{250, 0, 0}, {0, ERR_EOF, ERR_EOF}, true},
	{"67: a refusal that was read stays", SCRIPT_CHUNK THREE OK RST "S: 250 ok\nS: 550 no\nX\n",
		0, -1, {ACC, REF, UNK}, {250, 550, 0}, {0, ERR_EOF, ERR_EOF}, true},
	{"67: no sense", SCRIPT_CHUNK THREE OK RST "S: what\n", 0, -1, {ACC, UNK, UNK}, {250, 0, 0},
		{0, ERR_PROTO, ERR_PROTO}, true},
	{"17: 421 to MAIL: those behind were not read",
		SCRIPT_CHUNK THREE OK RST "S: 421 closing\n", 0, -1, {ACC, REF, NON}, {250, 421, 0},
		{0, ERR_REPLY, ERR_REPLY}, true},
	{"17: 421 to the content",
		SCRIPT_CHUNK THREE OK RST "S: 250 ok\nS: 250 ok\nS: 421 closing\n", 0, -1,
		{ACC, REF, NON}, {250, 421, 0}, {0, 0, ERR_REPLY}, true},
	{"17: 421 to RSET", SCRIPT_CHUNK THREE OK "S: 421 closing\n", 0, -1, {ACC, NON, NON},
		{250, 0, 0}, {0, ERR_REPLY, ERR_REPLY}, true},
	{"64: one whose source fails says nothing",
		SCRIPT_CHUNK ONE "C: RSET\n" ONE OK RST OK SCRIPT_BYE, FAILS, 0, {ACC, NON, ACC},
		{250, 0, 250}, {0, ERR_IO, 0}, false},
	{"a large one goes by itself",
		SCRIPT_CHUNK ONE OK
		"C~ MAIL\nC~ RCPT\nS: 250 ok\nS: 550 no\nC: RSET\n" RST ONE OK SCRIPT_BYE,
		LARGE, 0, {ACC, REF, ACC}, {250, 550, 250}, {0}, false},
	{"DATA: the next envelope follows the content",
		SCRIPT_PIPE ENV GO TEXT ENV "S: 250 taken\n" GO TEXT ENV "S: 554 no\n" GO TEXT
					    "S: 250 taken\n" SCRIPT_BYE,
		0, 0, {ACC, REF, ACC}, {250, 554, 250}, {0}, false},
	{"DATA: one refused by its envelope",
		SCRIPT_PIPE ENV GO TEXT ENV
		"S: 250 taken\nS: 250 ok\nS: 550 no\nS: 503 no\nC: RSET\n" RST ENV GO TEXT
		"S: 250 taken\n" SCRIPT_BYE,
		0, 0, {ACC, REF, ACC}, {250, 550, 250}, {0}, false},
	{"67: DATA: lost behind the content", SCRIPT_PIPE ENV GO TEXT ENV "X\n", 0, -1,
		{UNK, NON, NON}, {0, 0, 0}, {ERR_EOF, ERR_EOF, ERR_EOF}, true},
	{"67: DATA: lost behind the next envelope",
		SCRIPT_PIPE ENV GO TEXT ENV "S: 250 taken\nS: 250 ok\nX\n", 0, -1, {ACC, NON, NON},
		{250, 0, 0}, {0, ERR_EOF, ERR_EOF}, true},
	{"17: DATA: 421 to the content", SCRIPT_PIPE ENV GO TEXT ENV "S: 421 closing\n", 0, -1,
		{REF, NON, NON}, {421, 0, 0}, {0, ERR_REPLY, ERR_REPLY}, true},
	{"67: DATA: lost behind the last content",
		SCRIPT_PIPE ENV GO TEXT ENV "S: 250 taken\n" GO TEXT ENV "S: 250 taken\n" GO TEXT
					    "X\n",
		0, -1, {ACC, ACC, UNK}, {250, 250, 0}, {0, 0, ERR_EOF}, true},
	{"LMTP",
		"S: 220 hi\nC: LHLO me.example\nS: 250-p\nS: 250-CHUNKING\nS: 250 PIPELINING\n" THREE
			OK RST "S: 250 ok\nS: 250 ok\nS: 452 full\n" RST OK SCRIPT_BYE,
		LMTP, 0, {ACC, REF, ACC}, {250, 452, 250}, {0}, false},
};

static int send_three(struct script *p, struct smtp_client *c)
{
	const struct many_case *k = p->arg;
	struct script_source sources[COUNT];
	struct smtp_txn_rcpt to[COUNT] = {
		{.address = SPAN("b@d")}, {.address = SPAN("c@d")}, {.address = SPAN("e@d")}};
	struct smtp_txn t[COUNT], *all[COUNT];
	char *large = calloc(1, SMTP_CLIENT_SMALL + 1);
	int rc;

	for (size_t i = 0; i < COUNT; i++) {
		bool is_large = i == 1 && k->how & LARGE;

		sources[i] = script_source_of(
			is_large ? span_of(large, SMTP_CLIENT_SMALL + 1) : SPAN("x\r\n"));
		if (i == 1 && k->how & FAILS)
			sources[i].cut = sources[i].fails_at = 2;
		t[i] = (struct smtp_txn){.reverse_path = SPAN("a@d"),
			.size = is_large ? SMTP_CLIENT_SMALL + 1 : 3,
			.source = &sources[i].source,
			.rcpts = &to[i],
			.rcpt_count = 1};
		all[i] = &t[i];
	}
	assert_int_equal(smtp_client_greet(c, &p->err), 0);
	rc = smtp_client_send_many(c, all, COUNT, &p->err);
	for (size_t i = 0; i < COUNT; i++) {
		if (to[i].fate != k->fates[i] || to[i].reply.code != k->codes[i] ||
			t[i].err.code != k->errs[i])
			fail_msg("%s: %zu has fate %d, code %u, %s", k->name, i, to[i].fate,
				to[i].reply.code, t[i].err.text);
		smtp_txn_fini(&t[i]);
	}
	assert_int_equal(c->is_over, k->is_over);
	smtp_client_quit(c, NULL);
	free(large);
	return rc;
}

static void each_fate_is_exact_behaviours_17_64_67_68_71(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		for (size_t cut = 0; cut < 3; cut++) {
			struct script p = {.text = cases[i].text,
				.opts = {.no_rset = cases[i].how & NORSET,
					.is_lmtp = cases[i].how & LMTP},
				.talk = send_three,
				.arg = (void *)&cases[i],
				.cut = cut};

			script_run(&p);
			if (p.result != cases[i].result)
				fail_msg("%s: %d (%s)", cases[i].name, p.result, p.err.text);
		}
}

/* --- with our own server ---------------------------------------------------------------------- */

#define LETTERS 300

struct flood {
	struct play play;
	unsigned off;
	size_t accepted;
};

static int flood_main(void *arg)
{
	struct flood *f = arg;
	struct smtp_client_opts opts = {.hostname = "me.test", .features_off = f->off};
	struct smtp_txn *t = calloc(LETTERS, sizeof(*t)), **all = calloc(LETTERS, sizeof(*all));
	struct smtp_txn_rcpt *to = calloc(LETTERS * 2, sizeof(*to));
	struct script_source *sources = calloc(LETTERS, sizeof(*sources));
	struct buf body;
	struct smtp_client c;
	struct fiber_group g;
	struct err e = {0};

	buf_init(&body, 1 << 20);
	while (buf_len(&body) < 70000)
		buf_str(&body, ".text and more of it\r\n");
	for (size_t i = 0; i < LETTERS; i++) {
		sources[i] = script_source_of(span_sub(buf_span(&body), 0, 22 * (i % 7) * 400));
		to[2 * i].address = i % 5 == 2 ? SPAN("refuse@d") : SPAN("b@d");
		to[2 * i + 1].address = i % 3 == 1 ? SPAN("later@d") : SPAN("c@d");
		t[i] = (struct smtp_txn){
			.reverse_path = i % 11 == 4 ? SPAN("refuse@d") : SPAN("a@d"),
			.size = sources[i].all.len,
			.source = &sources[i].source,
			.rcpts = &to[2 * i],
			.rcpt_count = 2};
		all[i] = &t[i];
	}
	stream_pair(&f->play.client, &f->play.server, CLOCK_MS);
	fiber_group_init(&g);
	fiber_start(&g, "server", play_serve, &f->play, &e);
	smtp_client_init(&c, f->play.client, &opts);
	assert_int_equal(smtp_client_greet(&c, &e), 0);
	if (smtp_client_send_many(&c, all, LETTERS, &e) < 0)
		fail_msg("%s", e.text);
	for (size_t i = 0; i < 2 * LETTERS; i++) {
		size_t n = i / 2;
		bool is_ok = n % 11 != 4 && (i % 2 ? n % 3 != 1 : n % 5 != 2);

		assert_int_equal(to[i].fate, is_ok ? ACC : REF);
	}
	for (size_t i = 0; i < LETTERS; i++) {
		f->accepted += to[2 * i].fate == ACC || to[2 * i + 1].fate == ACC;
		smtp_txn_fini(&t[i]);
	}
	smtp_client_quit(&c, NULL);
	smtp_client_fini(&c);
	fiber_group_join(&g);
	stream_free(&f->play.client);
	buf_fini(&body);
	free(sources);
	free(to);
	free(all);
	free(t);
	return 0;
}

static void three_hundred_letters_and_our_own_server(void **state)
{
	static const unsigned offs[] = {0, SMTP_CHUNKING, SMTP_PIPELINING};

	for (size_t i = 0; i < ARRAY_LEN(offs); i++) {
		struct loop_opts opts = {.name = "flood", .slice_warn_ns = 60 * CLOCK_SEC};
		struct loop *l = loop_new_sim(&opts, SCRIPT_WALL);
		struct flood f = {.off = offs[i]};
		struct err e = {0};

		play_init(&f.play, SPAN_NONE);
		f.play.opts.limits.errors_hard = f.play.opts.limits.errors_soft = 0;
		assert_int_equal(loop_run(l, flood_main, &f, &e), 0);
		loop_free(&l);
		assert_int_equal(f.play.accepted, f.accepted);
		assert_int_equal(f.play.begun, f.play.reset);
		assert_true(f.accepted > LETTERS / 2);
		play_fini(&f.play);
	}
}

/* --- each read and write fails in turn -------------------------------------------------------- */

#define FEW 12

/* The n-th operation fails, and all behind it. */
struct breaking {
	struct filter filter;
	size_t *left;
};

static int break_now(struct breaking *b, struct err *e)
{
	if (*b->left > 0) {
		(*b->left)--;
		return 0;
	}
	err_set(e, ERR_IO, "broken on purpose");
	return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
}

static ssize_t breaking_read(
	struct filter *f, void *p, size_t n, int64_t deadline_ns, struct err *e)
{
	if (break_now((struct breaking *)f, e) < 0)
		return -1;
	/* short reads, so that replies come in pieces */
	return f->below->ops->read(f->below, p, n < 40 ? n : 40, deadline_ns, e);
}

static int breaking_write(struct filter *f, const struct span *parts, size_t count,
	int64_t deadline_ns, struct err *e)
{
	if (break_now((struct breaking *)f, e) < 0)
		return -1;
	return f->below->ops->write(f->below, parts, count, deadline_ns, e);
}

static void breaking_free(struct filter *f)
{
	free(f);
}

static const struct filter_ops breaking_ops = {
	.name = "breaking",
	.read = breaking_read,
	.write = breaking_write,
	.free = breaking_free,
};

struct broken {
	struct play play;
	unsigned off;
	size_t left; /* operations that work */
	unsigned accepted, unknown;
	int rc;
};

static void send_few(struct broken *b, struct smtp_client *c)
{
	struct smtp_txn *t = calloc(FEW, sizeof(*t)), *all[FEW];
	struct smtp_txn_rcpt *to = calloc(FEW, sizeof(*to));
	struct script_source *sources = calloc(FEW, sizeof(*sources));
	char *body = malloc(70000);
	struct err e = {0};

	memset(body, 'x', 70000);
	for (size_t i = 0; i < FEW; i++) {
		sources[i] = script_source_of(span_of(body, i == 5 ? 70000 : 500));
		to[i] = (struct smtp_txn_rcpt){
			.address = i % 4 == 2 ? SPAN("refuse@d") : SPAN("b@d")};
		t[i] = (struct smtp_txn){.reverse_path = SPAN("a@d"),
			.size = sources[i].all.len,
			.source = &sources[i].source,
			.rcpts = &to[i],
			.rcpt_count = 1};
		all[i] = &t[i];
	}
	b->rc = smtp_client_greet(c, &e);
	if (b->rc == 0) {
		b->rc = smtp_client_send_many(c, all, FEW, &e);
		for (size_t i = 0; i < FEW; i++) {
			b->accepted += to[i].fate == ACC;
			b->unknown += to[i].fate == UNK;
			assert_true(b->rc < 0 || to[i].fate == ACC || to[i].fate == REF);
			assert_true(to[i].fate == ACC || to[i].fate == REF || t[i].err.code);
			smtp_txn_fini(&t[i]);
		}
	}
	assert_int_equal(b->rc < 0, e.code != ERR_NONE);
	smtp_client_quit(c, NULL);
	free(body);
	free(sources);
	free(to);
	free(t);
}

static int broken_main(void *arg)
{
	struct broken *b = arg;
	struct smtp_client_opts opts = {.hostname = "me.test", .features_off = b->off};
	struct breaking *f = calloc(1, sizeof(*f));
	struct smtp_client c;
	struct fiber_group g;
	struct err e = {0};

	stream_pair(&b->play.client, &b->play.server, CLOCK_MS);
	f->filter.ops = &breaking_ops;
	f->left = &b->left;
	stream_push(b->play.client, &f->filter);
	fiber_group_init(&g);
	fiber_start(&g, "server", play_serve, &b->play, &e);
	smtp_client_init(&c, b->play.client, &opts);
	send_few(b, &c);
	smtp_client_fini(&c);
	stream_free(&b->play.client);
	fiber_group_join(&g);
	return 0;
}

/* What is told as accepted has been accepted; what has been accepted is told as accepted or unknown. */
static void every_read_and_write_fails_in_turn_behaviour_76(void **state)
{
	static const unsigned offs[] = {0, SMTP_CHUNKING, SMTP_PIPELINING};

	for (size_t i = 0; i < ARRAY_LEN(offs); i++) {
		size_t n = 0;
		bool is_done = false, was_unknown = false;

		for (; !is_done; n++) {
			struct loop_opts opts = {.name = "broken", .slice_warn_ns = 60 * CLOCK_SEC};
			struct loop *l = loop_new_sim(&opts, SCRIPT_WALL);
			struct broken b = {.off = offs[i], .left = n};
			struct err e = {0};

			play_init(&b.play, SPAN_NONE);
			b.play.opts.limits.errors_hard = b.play.opts.limits.errors_soft = 0;
			assert_int_equal(loop_run(l, broken_main, &b, &e), 0);
			loop_free(&l);
			assert_true(b.accepted <= b.play.accepted);
			assert_true(b.play.accepted <= b.accepted + b.unknown);
			was_unknown = was_unknown || b.unknown > 0;
			is_done = b.rc == 0;
			play_fini(&b.play);
			assert_true(n < 2000);
		}
		assert_true(n > 10 && was_unknown);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_fate_is_exact_behaviours_17_64_67_68_71),
		cmocka_unit_test(every_read_and_write_fails_in_turn_behaviour_76),
		cmocka_unit_test(three_hundred_letters_and_our_own_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
