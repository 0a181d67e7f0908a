#include "store_test.h"

#include "lib/imap_text.h"
#include "proto/mail/mime_layout.h"
#include "store/db/db.h"
#include "store/directory.h"
#include "store/facts_priv.h"
#include "store/mailbox.h"
#include "store/spool.h"

struct box {
	uint64_t account_id, id;
};

static struct box make_box(struct store_fixture *f, const char *name)
{
	struct directory_account acc = {
		.address = span_str(arena_printf(f->a, "%s@example.org", name))};
	struct mailbox_info info;
	struct err e = {0};

	assert_ok(
		directory_domain_set(f->s, SPAN("example.org"), DIRECTORY_DOMAIN_LOCAL, false, &e),
		&e);
	assert_ok(directory_account_set(f->s, &acc, SPAN_NONE, true, &e), &e);
	assert_ok(directory_account_find(f->s, f->a, acc.address, &acc, &e), &e);
	assert_ok(mailbox_find(f->s, f->a, acc.id, SPAN("INBOX"), &info, &e), &e);
	return (struct box){acc.id, info.id};
}

static uint32_t deliver(struct store_fixture *f, struct box box, struct span body)
{
	struct spool_rcpt_new rcpt = {.address = SPAN("alice@example.org"),
		.is_local = true,
		.account_id = box.account_id,
		.folder = SPAN("INBOX"),
		.prefix = SPAN("Return-Path: <>\r\n")};
	struct spool_new letter = {.id = store_new_id(f->s), .rcpts = &rcpt, .rcpt_count = 1};
	struct err e = {0};

	letter.arrived_ns = loop_wall_ns();
	letter.expires_ns = letter.arrived_ns + CLOCK_DAY;
	letter.env.origin = SPAN("smtp");
	letter.body = stage_new(f->s);
	assert_ok(stage_put(letter.body, body, &e), &e);
	assert_ok(spool_accept(f->s, &letter, false, &e), &e);
	stage_free(&letter.body);
	body_unref(&letter.stored);
	return rcpt.uid;
}

static struct mailbox_msg message(struct store_fixture *f, struct box box, uint32_t uid)
{
	struct mailbox_msg m;
	struct err e = {0};

	assert_ok(mailbox_message(f->s, f->a, box.id, uid, &m, &e), &e);
	return m;
}

static void need(struct store_fixture *f, const struct mailbox_msg *m)
{
	struct facts_want want = {m->id, m->blob_id, m->blob_len};
	struct err e = {0};

	assert_ok(facts_need(f->s, &want, 1, &e), &e);
}

static struct body_facts *facts(struct store_fixture *f, uint64_t blob_id)
{
	struct body_facts *facts;
	struct err e = {0};

	assert_ok(facts_get(f->s, f->a, blob_id, &facts, &e), &e);
	return facts;
}

DB_SQL(test_thread, "SELECT thread_id FROM message WHERE mailbox_id = $1 AND uid = $2");

struct thread_of {
	struct box box;
	uint32_t uid;
	int64_t thread;
};

static int read_thread(struct db *db, void *arg, struct err *e)
{
	struct thread_of *t = arg;
	bool is_found;

	return db_get(db, e, NULL, &test_thread, &is_found, "ii:i", (int64_t)t->box.id,
		(int64_t)t->uid, &t->thread);
}

static int64_t thread(struct store_fixture *f, struct box box, uint32_t uid)
{
	struct thread_of t = {box, uid, 0};
	struct err e = {0};

	assert_ok(store_read(f->s, "thread", read_thread, &t, &e), &e);
	return t.thread;
}

static void tell(void *arg, const char *text)
{
	(void)arg;
	print_message("# %s\n", text);
}

static uint64_t findings(struct store_fixture *f)
{
	struct err e = {0};
	uint64_t n;

	assert_ok(store_check(f->s, tell, NULL, NULL, &n, &e), &e);
	return n;
}

static const char letter[] =
	"From: =?utf-8?q?B=C3=B6b?= <Bob@example.net>\r\nTo: a@b.c, d@e.f\r\n"
	"Date: Mon, 23 Nov 2026 10:00:00 +0100\r\nSubject: Re: [list] h\xc3\xa4llo\r\n"
	"Message-ID: <1@x>\r\nReferences: <a@x> (c)\r\n <b@x>\r\nIn-Reply-To: <c@x>\r\n"
	"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
	"--b\r\n\r\nShort text.\r\n--b\r\nContent-Type: application/pdf; name=x.pdf\r\n"
	"Content-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b--\r\n";

static void play_made(struct store_fixture *f)
{
	struct box box = make_box(f, "alice");
	struct mailbox_msg m = message(f, box, deliver(f, box, span_str(letter)));
	struct body_facts *x;
	struct mime_layout l;
	struct mime_layout_part p;

	assert_null(facts(f, m.blob_id));
	need(f, &m);
	x = facts(f, m.blob_id);
	assert_non_null(x);
	assert_true(imap_text_is_envelope(x->envelope));
	assert_true(imap_text_is_body(x->structure, true));
	assert_true(span_find_span(x->envelope, SPAN("\"<1@x>\")")) > 0);
	assert_span(x->preview, "Short text.");
	assert_span(x->subject, "HA\xcc\x88LLO");
	assert_span(x->from_key, "BOB");
	assert_span(x->from_name,
		"BO\xcc\x88"
		"B");
	assert_span(x->to_key, "A");
	assert_span(x->to_name, "A@B.C");
	assert_span(x->cc_key, "");
	assert_span(x->message_id, "1@x");
	assert_span(x->refs, "a@x\nb@x");
	assert_true(x->sent_ns == 1795424400 * CLOCK_SEC);
	assert_int_equal(x->flags & (FACT_ATTACHMENT | FACT_REPLY | FACT_DATE),
		FACT_ATTACHMENT | FACT_REPLY | FACT_DATE);
	assert_true(mime_layout_open(x->layout, &l));
	assert_true(mime_layout_at(&l, (const unsigned[]){2}, 1, &p));
	assert_span(p.strings[MIME_LAYOUT_NAME], "x.pdf");
	assert_true(thread(f, box, 1) == (int64_t)m.id);
	need(f, &m); /* what is there is left alone */
	assert_int_equal(findings(f), 0);
}

static void facts_tell_what_the_body_says(void **state)
{
	store_play(state, play_made);
}

static void play_from_line(struct store_fixture *f)
{
	struct box box = make_box(f, "alice");
	struct mailbox_msg m = message(f, box,
		deliver(f, box,
			SPAN("From nobody Mon Nov 23 20:40:14 2026\r\nSubject: x\r\n\r\nText.\r\n")));
	struct body_facts *x;

	need(f, &m);
	x = facts(f, m.blob_id);
	assert_span(x->subject, "X");
	assert_span(x->preview, "Text.");
}

static void a_line_of_an_mbox_in_front_is_passed_over(void **state)
{
	store_play(state, play_from_line);
}

static void play_go(struct store_fixture *f)
{
	struct box box = make_box(f, "alice");
	struct mailbox_msg m = message(f, box, deliver(f, box, span_str(letter)));
	struct facts_want want = {m.id, m.blob_id, m.blob_len};
	struct err e = {0};

	need(f, &m);
	assert_ok(mailbox_expunge(f->s, box.id, NULL, 0, NULL, &e), &e);
	assert_null(facts(f, m.blob_id));
	assert_ok(facts_need(f->s, &want, 1, &e), &e); /* nobody minds */
	assert_null(facts(f, m.blob_id));
	assert_int_equal(findings(f), 0);
}

static void facts_go_with_their_body(void **state)
{
	store_play(state, play_go);
}

static void play_large(struct store_fixture *f)
{
	struct box box = make_box(f, "alice");
	struct buf *b = arena_buf(f->a, 4 << 20);
	struct mailbox_msg m;
	struct mime_layout l;
	struct mime_layout_part p;
	struct body_facts *x;

	buf_str(b,
		"Subject: large\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
		"Content-Type: application/octet-stream\r\n\r\n");
	while (buf_len(b) < 3 * BODY_CHUNK - 30)
		buf_str(b, "0123456789012345678901234567890123456789\r\n");
	buf_str(b,
		"\r\n--b\r\nContent-Type: text/plain\r\n\r\nThe text stands at the end.\r\n--b--\r\n");
	m = message(f, box, deliver(f, box, buf_span(b)));
	need(f, &m);
	x = facts(f, m.blob_id);
	assert_span(x->preview, "The text stands at the end.");
	assert_true(mime_layout_open(x->layout, &l));
	assert_true(mime_layout_at(&l, (const unsigned[]){2}, 1, &p));
	assert_span(span_sub(buf_span(b), p.body_offset, p.end_offset - p.body_offset),
		"The text stands at the end.");
}

static void large_bodies_are_read_in_pieces(void **state)
{
	store_play(state, play_large);
}

struct post {
	const char *id, *refs, *subject;
	uint32_t thread; /* the UID of its first message */
};
static const struct post posts[] = {
	{"<1@x>", NULL, "Plan", 1},
	{"<2@x>", NULL, "Plan", 2},        /* the subject alone joins nothing */
	{"<3@x>", "<1@x>", "Re: Plan", 1}, /* an answer */
	{"<4@x>", "<1@x>", "New plan", 4}, /* another subject is another thread */
	{"<5@x>", "<lost@x>", "Plan", 5},  /* to a letter that never came */
	{"<6@x>", "<lost@x>", "RE: PLAN", 5},
	{"<lost@x>", NULL, "Plan", 5},       /* and now it comes */
	{"<8@x>", "<2@x> <5@x>", "plan", 2}, /* of two the older one */
	{NULL, NULL, "Plan", 9},
	{NULL, "<3@x>", "Plan", 1},
};

static void play_threads(struct store_fixture *f)
{
	struct box box = make_box(f, "alice"), other = make_box(f, "bob");

	for (size_t i = 0; i < ARRAY_LEN(posts); i++) {
		const struct post *p = &posts[i];
		const char *text = arena_printf(f->a, "Subject: %s\r\n%s%s%s%s%s%s\r\nx\r\n",
			p->subject, p->id ? "Message-ID: " : "", p->id ? p->id : "",
			p->id ? "\r\n" : "", p->refs ? "References: " : "", p->refs ? p->refs : "",
			p->refs ? "\r\n" : "");
		struct mailbox_msg m = message(f, box, deliver(f, box, span_str(text)));

		need(f, &m);
		print_message("# %zu\n", i + 1);
		assert_true(thread(f, box, m.uid) == thread(f, box, p->thread));
		if (p->thread == m.uid)
			assert_true(thread(f, box, m.uid) == (int64_t)m.id);
		m = message(f, other, deliver(f, other, span_str(text)));
		need(f, &m);
		assert_true(thread(f, other, m.uid) != thread(f, box, m.uid));
	}
	assert_int_equal(findings(f), 0);
}

static void messages_are_in_one_thread_for_ever(void **state)
{
	store_play(state, play_threads);
}

static void play_sweep(struct store_fixture *f)
{
	struct box box = make_box(f, "alice");
	struct facts_sweep *w = ARENA_NEW(f->a, struct facts_sweep);
	struct mailbox_msg m;
	uint32_t first = 1;
	struct err e = {0};

	for (int i = 0; i < 2; i++) {
		m = message(f, box,
			deliver(f, box,
				span_str(arena_printf(f->a,
					"Subject: %d\r\nMessage-ID: <%d@x>\r\nReferences: <a@x> <b@x>\r\n\r\nx",
					i, i))));
		need(f, &m);
	}
	assert_ok(store_read(f->s, "look", facts_sweep_look, w, &e), &e);
	assert_int_equal(w->count, 0);
	assert_ok(mailbox_expunge(f->s, box.id, &first, 1, NULL, &e), &e);
	assert_ok(store_read(f->s, "look", facts_sweep_look, w, &e), &e);
	assert_int_equal(w->count, 3);
	assert_ok(store_write(f->s, "drop", facts_sweep_drop, w, &e), &e);
	assert_ok(store_read(f->s, "look", facts_sweep_look, w, &e), &e);
	assert_int_equal(w->count, 0);
	assert_true(w->next.account_id == 0);
}

static void threads_without_messages_are_forgotten(void **state)
{
	store_play(state, play_sweep);
}

struct fold_case {
	const char *a, *b;
};
static const struct fold_case folds[] = {
	{"abc", "ABC"}, {"\xc3\xa4", "A\xcc\x88"}, /* decomposed */
	{"\xef\xbd\x81", "a"},                     /* full width */
	{"\xd0\xb6", "\xd0\x96"},                  /* Cyrillic */
	{"\xff", "\xef\xbf\xbd"},                  /* no UTF-8 */
	{"\xc7\x86", "\xc7\x84"},                  /* dz with caron, DZ with caron */
};

static void keys_are_folded_as_rfc_5051_says(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(folds); i++) {
		struct arena *a = arena_new();

		assert_true(span_eq(
			facts_fold(a, span_str(folds[i].a)), facts_fold(a, span_str(folds[i].b))));
		arena_free(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			facts_tell_what_the_body_says, store_set_up, store_tear_down),
		cmocka_unit_test_setup_teardown(
			a_line_of_an_mbox_in_front_is_passed_over, store_set_up, store_tear_down),
		cmocka_unit_test_setup_teardown(
			facts_go_with_their_body, store_set_up, store_tear_down),
		cmocka_unit_test_setup_teardown(
			large_bodies_are_read_in_pieces, store_set_up, store_tear_down),
		cmocka_unit_test_setup_teardown(
			messages_are_in_one_thread_for_ever, store_set_up, store_tear_down),
		cmocka_unit_test_setup_teardown(
			threads_without_messages_are_forgotten, store_set_up, store_tear_down),
		cmocka_unit_test(keys_are_folded_as_rfc_5051_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
