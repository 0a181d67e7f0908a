/* The IMAP client: what servers say, as words; and talks with servers that play a script. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/must.h"
#include "proto/imap/imap_client.h"

/* ---- words ---- */

static const struct {
	const char *name, *text, *want;
} words[] = {
	{"atoms and lists", "a (b c) d", "a ( b c ) d $"},
	{"quoted", "\"a b\" \"c\\\"d\\\\\" \"\"", "'a b' 'c\"d\\' '' $"},
	{"literals", "{3}\r\na\"b {0}\r\n ~{2}\r\n()", "'a\"b' '' '()' $"},
	{"a section is one atom", "BODY[HEADER.FIELDS (A B)]<0> {1}\r\nx",
		"BODY[HEADER.FIELDS (A B)]<0> 'x' $"},
	{"a literal that is cut", "a {5}\r\nabc", "a !"},
	{"a literal without its octets", "{5}", "!"},
	{"a quoted string that does not end", "a \"b", "a !"},
	{"an escape at the end", "\"b\\", "!"},
	{"a line break within quotes", "\"b\r\nc\"", "!"},
	{"a section that does not end", "BODY[1", "!"},
	{"more closed than opened", "a )", "a !"},
	{"too deep", "((((((((((((((((((((((((((((((((((((((((",
		"( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( ( !"},
	{"flags", "(\\Seen $a \\*)", "( \\Seen $a \\* ) $"},
};

static void words_are_read(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		struct arena *a = arena_new();
		struct imap_words w = {.a = a, .rest = span_str(words[i].text)};
		struct buf out;
		struct imap_word x;

		buf_init(&out, 4096);
		do {
			x = imap_word_next(&w);
			if (buf_len(&out))
				buf_char(&out, ' ');
			if (x.kind == IMAP_WORD_STRING)
				buf_printf(&out, "'" SPAN_FMT "'", SPAN_ARG(x.text));
			else if (x.kind == IMAP_WORD_ATOM)
				buf_span_put(&out, x.text);
			else
				buf_char(&out,
					"$ao()!"[x.kind == IMAP_WORD_END            ? 0
							: x.kind == IMAP_WORD_OPEN  ? 3
							: x.kind == IMAP_WORD_CLOSE ? 4
										    : 5]);
		} while (x.kind != IMAP_WORD_END && x.kind != IMAP_WORD_BAD);
		if (strcmp(buf_cstr(&out), words[i].want) != 0)
			print_error("%s\n", words[i].name);
		assert_string_equal(buf_cstr(&out), words[i].want);
		buf_fini(&out);
		arena_free(&a);
	}
}

static void literals_are_seen(void **state)
{
	static const struct {
		const char *line;
		bool is_one;
		uint64_t size;
		size_t at;
	} cases[] = {{"* 1 FETCH (BODY[] {12}", true, 12, 18}, {"a ~{3}", true, 3, 2},
		{"a {3} ", false}, {"a {x}", false}, {"{}", false},
		{"{99999999999999999999}", false}, {"}", false},
		{"{4294967296}", true, 4294967296, 0}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t size = 0;
		size_t at = 0;

		assert_int_equal(imap_response_literal(span_str(cases[i].line), &size, &at),
			cases[i].is_one);
		if (!cases[i].is_one)
			continue;
		assert_int_equal(size, cases[i].size);
		assert_int_equal(at, cases[i].at);
	}
}

static const struct {
	const char *text;
	int rc;
	uint32_t uid;
	const char *flags;
	int64_t date;
	const char *body;
	uint64_t modseq;
} fetches[] = {
	{"(UID 7 FLAGS (\\Seen \\Recent a) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" BODY[] \"x\")",
		0, 7, "\\Seen a", 837596665, "x"},
	{"(BODY[] {2}\r\nab UID 8 MODSEQ (12))", 0, 8, "", 0, "ab", 12},
	{"(UID 9 BODY[] NIL X-NEW (a (b) \"c\") FLAGS ())", 0, 9, "", 0, ""},
	{"(UID 0)", -1},
	{"(UID 4294967296)", -1},
	{"(UID)", -1},
	{"(FLAGS (a)", -1},
	{"UID 7", -1},
	{"(MODSEQ 12)", -1},
};

static void fetches_are_read(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(fetches); i++) {
		struct arena *a = arena_new();
		struct imap_words w = {.a = a, .rest = span_str(fetches[i].text)};
		struct imap_fetched f;
		struct err e = {0};

		assert_int_equal(imap_fetched_parse(&w, &f, &e), fetches[i].rc);
		if (fetches[i].rc == 0) {
			assert_int_equal(f.uid, fetches[i].uid);
			assert_true(span_eq(f.flags, span_str(fetches[i].flags)));
			assert_int_equal(f.date_sec, fetches[i].date);
			assert_true(span_eq(f.body, span_str(fetches[i].body)));
			assert_int_equal(f.modseq, fetches[i].modseq);
		}
		arena_free(&a);
	}
}

static void namespaces_are_read(void **state)
{
	static const struct {
		const char *text, *personal;
		bool is_good;
		size_t foreign;
	} cases[] = {{"((\"\" \"/\")) NIL NIL", "", true, 0},
		{"((\"INBOX.\" \".\")) ((\"user.\" \".\")) ((\"\" \".\")(\"#pub/\" \"/\" X (a)))",
			"INBOX.", true, 2},
		{"NIL NIL NIL", "", true, 0}, {"((\"\" \"/\") NIL", "", false, 0},
		{"x", "", false, 0}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena *a = arena_new();
		struct imap_words w = {.a = a, .rest = span_str(cases[i].text)};
		struct imap_namespaces n;

		assert_int_equal(imap_namespaces_parse(&w, &n), cases[i].is_good);
		if (cases[i].is_good) {
			assert_true(span_eq(n.personal, span_str(cases[i].personal)));
			assert_int_equal(n.foreign_count, cases[i].foreign);
		}
		arena_free(&a);
	}
}

/* ---- talks ---- */

/* A server that says `says[n]` when the n-th line of the client came, says[0] at once. */
struct server {
	struct stream *s;
	const char *const *says;
	size_t endless; /* octets of '(' after the last, without a line end */
	struct buf heard;
};

static FIBER int serve(void *arg)
{
	struct server *x = arg;
	struct span line;

	for (size_t i = 0; x->says[i]; i++) {
		stream_set_timeout(x->s, CLOCK_HOUR);
		stream_put(x->s, span_str(x->says[i]));
		if (!x->says[i + 1])
			break;
		if (stream_read_line(x->s, 65536, &line, NULL, NULL) < 0)
			break;
		buf_span_put(&x->heard, line);
		buf_char(&x->heard, '\n');
	}
	for (size_t i = 0; i < x->endless; i += 1024) {
		char *p = buf_reserve(&x->s->out, 1024);

		if (!p)
			break;
		memset(p, '(', 1024);
		buf_added(&x->s->out, 1024);
		if (stream_flush(x->s, NULL) < 0)
			break;
	}
	stream_shutdown(x->s, NULL);
	stream_free(&x->s);
	return 0;
}

struct talk {
	const char *const *says;
	FIBER int (*fn)(struct talk *t, struct imap_client *c);
	size_t endless;
	struct buf heard, out;
	struct err e;
	int rc;
	bool is_over;
};

static FIBER int talk_main(void *arg)
{
	struct talk *t = arg;
	struct server x = {.says = t->says, .endless = t->endless};
	struct imap_client c;
	struct fiber_group g;
	struct stream *s;

	fiber_group_init(&g);
	buf_init(&x.heard, 65536);
	stream_pair(&s, &x.s, 0);
	fiber_start(&g, "server", serve, &x, NULL);
	imap_client_init(&c, s, &(struct imap_client_opts){0});
	t->rc = imap_client_greet(&c, &t->e);
	if (t->rc == 0)
		t->rc = t->fn(t, &c);
	t->is_over = c.is_over;
	imap_client_fini(&c);
	stream_free(&s);
	fiber_group_join(&g);
	t->heard = x.heard;
	return 0;
}

static void play(struct talk *t)
{
	struct loop_opts opts = {.name = "test"};
	struct loop *l = loop_new_sim(&opts, 1795000000 * CLOCK_SEC);
	struct err e = {0};

	buf_init(&t->out, 1 << 20);
	assert_int_equal(loop_run(l, talk_main, t, &e), 0);
	loop_free(&l);
}

static void end(struct talk *t)
{
	buf_fini(&t->heard);
	buf_fini(&t->out);
}

static FIBER int take_octets(void *arg, struct span octets, struct err *e)
{
	struct talk *t = arg;

	buf_span_put(&t->out, octets);
	return 0;
}

static FIBER int take_fetched(void *arg, const struct imap_fetched *f, struct err *e)
{
	struct talk *t = arg;

	buf_printf(&t->out, "<%u " SPAN_FMT ">", f->uid, SPAN_ARG(f->flags));
	return 0;
}

static FIBER int fetch(struct talk *t, struct imap_client *c)
{
	struct imap_client_sink sink = {.octets = take_octets, .fetched = take_fetched, .arg = t};

	if (imap_client_examine(c, SPAN("a \"b\""), &t->e) < 0)
		return -1;
	buf_printf(
		&t->out, "%u/%llu ", c->box.uidvalidity, (unsigned long long)c->box.highest_modseq);
	return imap_client_fetch(c, SPAN("1:2"), SPAN("(UID BODY.PEEK[])"), &sink, &t->e);
}

static void messages_are_streamed(void **state)
{
	const char *const says[] = {"* OK [CAPABILITY IMAP4rev1 CONDSTORE] hi\r\n",
		"* 2 EXISTS\r\n* OK [UIDVALIDITY 77] x\r\n* OK [HIGHESTMODSEQ 5] y {3}\r\n"
		"y1 OK [READ-ONLY] done\r\n",
		"* 1 FETCH (FLAGS (\\Seen) BODY[] {5}\r\nab\r\nc UID 4)\r\n* 3 EXISTS\r\n"
		"* 2 FETCH (UID 9 BODY[] \"\" FLAGS ())\r\n* 3 FETCH (UID 10 BODY[] \"q\\\"\")\r\ny2 OK\r\n",
		NULL};
	struct talk t = {.says = says, .fn = fetch};

	play(&t);
	assert_int_equal(t.rc, 0);
	assert_string_equal(buf_cstr(&t.out), "77/5 ab\r\nc<4 \\Seen><9 >q\"<10 >");
	assert_string_equal(buf_cstr(&t.heard),
		"y1 EXAMINE \"a \\\"b\\\"\" (CONDSTORE)\ny2 UID FETCH 1:2 (UID BODY.PEEK[])\n");
	end(&t);
}

static FIBER int login(struct talk *t, struct imap_client *c)
{
	struct imap_client_login l = {
		.user = SPAN("al\"ice"), .password = SPAN("p\xc3\xa4"), .is_clear_allowed = true};

	return imap_client_login(c, &l, &t->e);
}

static FIBER int login_carefully(struct talk *t, struct imap_client *c)
{
	struct imap_client_login l = {.user = SPAN("alice"), .password = SPAN("secret")};

	return imap_client_login(c, &l, &t->e);
}

static FIBER int starttls(struct talk *t, struct imap_client *c)
{
	return imap_client_starttls(c, NULL, SPAN("x"), true, &t->e);
}

static FIBER int nothing(struct talk *t, struct imap_client *c)
{
	return imap_client_examine(c, SPAN("INBOX"), &t->e);
}

static const struct {
	const char *name;
	const char *says[6];
	FIBER int (*fn)(struct talk *t, struct imap_client *c);
	int rc;
	enum err_code code;
	const char *heard; /* NULL: not looked at */
	size_t endless;
} talks[] = {
	{"LOGIN with a literal",
		{"* OK [CAPABILITY IMAP4rev1] hi\r\n", "+ go\r\n", "y1 OK in\r\n",
			"* CAPABILITY IMAP4rev1 IDLE\r\ny2 OK\r\n"},
		login, 0, ERR_NONE, "y1 LOGIN \"al\\\"ice\" {3}\np\xc3\xa4\ny2 CAPABILITY\n"},
	{"PLAIN at once",
		{"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] hi\r\n", "y1 OK in\r\n",
			"* CAPABILITY IMAP4rev1\r\ny2 OK\r\n"},
		login, 0, ERR_NONE, "y1 AUTHENTICATE PLAIN AGFsImljZQBww6Q=\ny2 CAPABILITY\n"},
	{"PLAIN behind +",
		{"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\r\n", "+ \r\n", "y1 OK in\r\n",
			"* CAPABILITY IMAP4rev1\r\ny2 OK\r\n"},
		login, 0, ERR_NONE, "y1 AUTHENTICATE PLAIN\nAGFsImljZQBww6Q=\ny2 CAPABILITY\n"},
	{"a login that is refused",
		{"* OK [CAPABILITY IMAP4rev1] hi\r\n", "+ go\r\n",
			"y1 NO [AUTHENTICATIONFAILED] no\r\n"},
		login, -1, ERR_DENIED, NULL},
	{"no password is shown without TLS", {"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\r\n", "x"},
		login_carefully, -1, ERR_UNSUPPORTED, ""},
	{"LOGINDISABLED", {"* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] hi\r\n", "x"}, login, -1,
		ERR_UNSUPPORTED, ""},
	{"SCRAM from a server that does not know the secret",
		{"* OK [CAPABILITY IMAP4rev1 AUTH=SCRAM-SHA-256] hi\r\n", "+ \r\n",
			"+ cj1mYWtlLHM9QUFBQSxpPTQwOTY=\r\n", "y1 BAD given up\r\n"},
		login, -1, ERR_PROTO, NULL},
	{"PREAUTH", {"* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n", "x"}, login, 0, ERR_NONE, ""},
	{"PREAUTH and STARTTLS do not go together",
		{"* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] hi\r\n", "x"}, starttls, -1,
		ERR_UNSUPPORTED, ""},
	{"STARTTLS that is not offered", {"* OK [CAPABILITY IMAP4rev1] hi\r\n", "x"}, starttls, -1,
		ERR_UNSUPPORTED, ""},
	{"BYE for a greeting", {"* BYE go away\r\n"}, nothing, -1, ERR_EOF, NULL},
	{"no IMAP", {"220 smtp.example ESMTP\r\n"}, nothing, -1, ERR_SYNTAX, NULL},
	{"BYE in between", {"* OK [CAPABILITY IMAP4rev1] hi\r\n", "* BYE tired\r\n"}, nothing, -1,
		ERR_EOF, NULL},
	{"a refusal",
		{"* OK [CAPABILITY IMAP4rev1] hi\r\n", "y1 NO [NONEXISTENT] no such\r\n", "x"},
		nothing, -1, ERR_REPLY, NULL},
	{"no UIDVALIDITY", {"* OK [CAPABILITY IMAP4rev1] hi\r\n", "y1 OK\r\n", "x"}, nothing, -1,
		ERR_PROTO, NULL},
	{"another command's reply", {"* OK [CAPABILITY IMAP4rev1] hi\r\n", "y7 OK\r\n", "x"},
		nothing, -1, ERR_PROTO, NULL},
	{"a literal as large as a house",
		{"* OK [CAPABILITY IMAP4rev1] hi\r\n", "* LIST () \"/\" {1000000000}\r\n", "x"},
		nothing, -1, ERR_LIMIT, NULL},
	{"a body in a place where none was asked for",
		{"* OK [CAPABILITY IMAP4rev1] hi\r\n", "* 1 FETCH (BODY[] {1000000000}\r\n", "x"},
		nothing, -1, ERR_LIMIT, NULL},
	{"a line that does not end", {"* OK [CAPABILITY IMAP4rev1] hi\r\n", "* "}, nothing, -1,
		ERR_LIMIT, NULL, 1 << 20},
	{"a connection that breaks", {"* OK [CAPABILITY IMAP4rev1] hi\r\n", "* OK half"}, nothing,
		-1, ERR_EOF, NULL},
};

static void talks_end_as_they_should(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(talks); i++) {
		struct talk t = {
			.says = talks[i].says, .fn = talks[i].fn, .endless = talks[i].endless};

		play(&t);
		if (t.rc != talks[i].rc || t.e.code != talks[i].code)
			print_error("%s: %d %s %s\n", talks[i].name, t.rc, err_code_str(t.e.code),
				t.e.text);
		assert_int_equal(t.rc, talks[i].rc);
		assert_int_equal(t.e.code, talks[i].code);
		if (talks[i].heard)
			assert_string_equal(buf_cstr(&t.heard), talks[i].heard);
		end(&t);
	}
}

static FIBER int names(struct talk *t, struct imap_client *c)
{
	struct arena *a = arena_new();
	struct imap_client_name *list;
	size_t count = 0;
	int rc = imap_client_list(c, a, &list, &count, &t->e);

	for (size_t i = 0; rc == 0 && i < count; i++)
		buf_printf(&t->out, SPAN_FMT "%s%s;", SPAN_ARG(list[i].name),
			list[i].use & IMAP_USE_SENT ? " sent" : "",
			list[i].is_noselect ? " no" : "");
	arena_free(&a);
	return rc;
}

static void names_are_ours(void **state)
{
	const char *const says[] = {
		"* OK [CAPABILITY IMAP4rev1 NAMESPACE LIST-EXTENDED SPECIAL-USE] hi\r\n",
		"* NAMESPACE ((\"INBOX.\" \".\")) ((\"user.\" \".\")) NIL\r\ny1 OK\r\n",
		"* LIST () \".\" INBOX.Entw&APw-rfe.a/b\r\n* LIST (\\Sent \\X) \".\" \"INBOX.Sent\"\r\n"
		"* LIST (\\Noselect) \".\" {7}\r\nINBOX.x\r\n* LIST () \".\" user.bob\r\n"
		"* LIST () \".\" INBOX.not&utf7\r\ny2 OK\r\n",
		"* LIST () \".\" INBOX\r\ny3 OK\r\n", NULL};
	struct talk t = {.says = says, .fn = names};

	play(&t);
	assert_int_equal(t.rc, 0);
	assert_string_equal(buf_cstr(&t.out), "Entwürfe/a_b;Sent sent;x no;not&utf7;INBOX;");
	assert_string_equal(buf_cstr(&t.heard),
		"y1 NAMESPACE\ny2 LIST \"\" \"INBOX.*\" RETURN (SPECIAL-USE)\ny3 LIST \"\" \"INBOX\"\n");
	end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_read),
		cmocka_unit_test(literals_are_seen),
		cmocka_unit_test(fetches_are_read),
		cmocka_unit_test(namespaces_are_read),
		cmocka_unit_test(messages_are_streamed),
		cmocka_unit_test(talks_end_as_they_should),
		cmocka_unit_test(names_are_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
