/* Messages that are pulled, and what belongs to it: sizes, fields that are replaced, groups. */
#include "mime_test.h"

#include "proto/mail/mime_address.h"
#include "proto/mail/msg_build.h"

#define OUT_MAX (8 << 20)

static const struct msg_settings plain = {
	.now_sec = 1795415400, .random = 0x1234, .id = 7, .host = SPAN("example.org")};

struct feed {
	const char *octets;
	size_t len, at;
	unsigned rewinds;
};

static int feed_read(void *arg, struct buf *out, size_t want, struct err *e)
{
	struct feed *f = arg;
	size_t n = f->len - f->at;

	n = n < want ? n : want;
	n = n < 1000 ? n : 1000; /* less than was asked for */
	buf_put(out, f->octets + f->at, n);
	f->at += n;
	return 0;
}

static int feed_rewind(void *arg, struct err *e)
{
	struct feed *f = arg;

	f->at = 0;
	f->rewinds++;
	return 0;
}

static struct span pulled(struct arena *a, struct msg_reader *r)
{
	struct span piece, all;
	struct buf b;

	buf_init(&b, OUT_MAX);
	do {
		assert_int_equal(msg_reader_next(r, &piece, NULL), 0);
		buf_span_put(&b, piece);
	} while (piece.len);
	assert_true(buf_ok(&b));
	all = arena_span(a, buf_span(&b));
	buf_fini(&b);
	return all;
}

static struct msg *letter(size_t text_len, struct feed *f, bool has_size)
{
	struct msg *m = msg_new();
	struct msg_source source = {feed_read, feed_rewind, f, has_size, f->len};
	static const char text[] = "Gr\xc3\xbc\xc3\x9f"
				   "e = aus\ntrailing \nlast line";

	assert_int_equal(msg_add_mailboxes(m, SPAN("From"), SPAN("a@b.c"), NULL), 0);
	assert_int_equal(msg_set_text(m, span_of(text, text_len), NULL), 0);
	assert_int_equal(msg_set_html(m, SPAN("<p>x"), NULL), 0);
	assert_int_equal(
		msg_attach(m, SPAN("x"), SPAN("a/b"), span_of(f->octets, f->len), NULL), 0);
	assert_int_equal(msg_attach_source(m, SPAN("y"), SPAN("a/b"), &source, NULL), 0);
	return m;
}

static void a_size_is_known_before_it_is_written(void **state)
{
	static const size_t lens[] = {0, 1, 2, 3, 56, 57, 58, 114, 5000, 70001};
	static const size_t texts[] = {0, 1, 4, 13, 30};
	char *octets = calloc(1, 80000);

	for (size_t i = 0; i < ARRAY_LEN(lens); i++)
		for (size_t k = 0; k < ARRAY_LEN(texts); k++)
			for (int way = MSG_WAY_7BIT; way <= MSG_WAY_BINARY; way++) {
				struct arena *a = arena_new();
				struct feed f = {octets, lens[i]};
				struct msg *m = letter(texts[k], &f, true);
				struct msg_settings s = plain;
				struct msg_reader *r;
				struct span first, second;
				uint64_t size;

				s.way = (enum msg_way)way;
				r = msg_reader_new(m, &s, NULL);
				assert_non_null(r);
				assert_true(msg_reader_size(r, &size));
				first = pulled(a, r);
				assert_int_equal(first.len, size);
				assert_int_equal(msg_reader_rewind(r, NULL), 0);
				second = pulled(a, r);
				assert_true(span_eq(first, second));
				assert_int_equal(f.rewinds, 1);
				assert_true(msg_reader_way(r) <= s.way);
				assert_int_equal(msg_reader_way(r) == MSG_WAY_7BIT,
					span_is_ascii(first) && !memchr(first.ptr, 0, first.len) &&
						way != MSG_WAY_BINARY);
				msg_reader_free(&r);
				msg_free(&m);
				arena_free(&a);
			}
	free(octets);
}

static void a_source_that_lied_is_an_error(void **state)
{
	static const size_t lies[] = {10, 5000, 4999};

	for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
		static const char octets[4998];
		struct feed f = {octets, sizeof(octets)};
		struct msg_source source = {feed_read, NULL, &f, true, lies[i]};
		struct msg *m = msg_new();
		struct err e = {0};
		struct buf b;

		buf_init(&b, OUT_MAX);
		assert_int_equal(msg_attach_source(m, SPAN("y"), SPAN("a/b"), &source, NULL), 0);
		assert_int_equal(msg_write_buf(m, &plain, &b, &e), -1);
		assert_int_equal(e.code, ERR_IO);
		buf_fini(&b);
		msg_free(&m);
	}
}

static void two_writings_at_a_time(void **state)
{
	struct arena *a = arena_new();
	struct msg *m = msg_new();
	struct msg_settings other = plain;
	struct msg_part *root = msg_part_multi(m, SPAN("mixed"));
	struct msg_reader *r[2];
	struct span got[2];

	assert_int_equal(msg_part_add(root,
				 msg_part_text(m, SPAN("plain"),
					 SPAN("a small house by the river, caf\xc3\xa9\n")),
				 NULL),
		0);
	assert_int_equal(msg_set_root(m, root, NULL), 0);
	other.way = MSG_WAY_8BIT;
	r[0] = msg_reader_new(m, &plain, NULL);
	r[1] = msg_reader_new(m, &other, NULL);
	for (int i = 1; i >= 0; i--) {
		got[i] = pulled(a, r[i]);
		msg_reader_free(&r[i]);
	}
	assert_true(span_find_span(got[0], SPAN("=C3=A9")) > 0);
	assert_true(span_find_span(got[1], SPAN("8bit")) > 0);
	msg_free(&m);
	arena_free(&a);
}

static struct span names(struct arena *a, const struct msg *m)
{
	struct span name, value, all;
	struct buf b;

	buf_init(&b, OUT_MAX);
	for (size_t i = 0; msg_field_at(m, i, a, &name, &value); i++)
		buf_printf(&b, SPAN_FMT "=" SPAN_FMT "|", SPAN_ARG(name), SPAN_ARG(value));
	all = arena_span(a, buf_span(&b));
	buf_fini(&b);
	return all;
}

static void a_field_is_replaced_where_it_stands(void **state)
{
	struct arena *a = arena_new();
	struct msg *m = msg_new();
	static const char *const names_given[] = {"A", "B", "C", "b", "D"};

	for (size_t i = 0; i < ARRAY_LEN(names_given); i++)
		assert_int_equal(msg_add_text(m, span_str(names_given[i]), SPAN("x"), NULL), 0);
	assert_int_equal(msg_replace(m, SPAN("B"), SPAN("y"), msg_add_text, NULL), 0);
	assert_span(names(a, m), "A=x|B=y|C=x|D=x|");
	assert_int_equal(msg_replace(m, SPAN("A"), SPAN("bad\n"), msg_add_text, NULL), -1);
	assert_span(names(a, m), "A=x|B=y|C=x|D=x|");
	assert_int_equal(msg_replace(m, SPAN("D"), SPAN("z"), msg_add_text, NULL), 0);
	assert_int_equal(msg_replace(m, SPAN("E"), SPAN("new"), msg_add_text, NULL), 0);
	assert_int_equal(msg_add_text(m, SPAN("F"), SPAN("end"), NULL), 0);
	assert_span(names(a, m), "A=x|B=y|C=x|D=z|E=new|F=end|");
	assert_int_equal(msg_replace(m, SPAN("A"), SPAN("1"), msg_add_text, NULL), 0);
	assert_span(names(a, m), "A=1|B=y|C=x|D=z|E=new|F=end|");
	msg_free(&m);
	arena_free(&a);
}

static void groups_and_lists_that_grow(void **state)
{
	const struct msg_mailbox team[] = {
		{SPAN("Zo\xc3\xab"), SPAN("z@b.c")}, {SPAN(""), SPAN("y@b.c")}};
	struct arena *a = arena_new();
	struct msg *m = msg_new();
	struct msg_envelope env;
	struct buf b;

	assert_int_equal(msg_add_mailbox(m, SPAN("To"), SPAN("A, B"), SPAN("a@b.c"), NULL), 0);
	assert_int_equal(msg_add_group(m, SPAN("to"), SPAN("Team"), team, 2, NULL), 0);
	assert_int_equal(msg_add_group(m, SPAN("To"), SPAN("Nobody"), NULL, 0, NULL), 0);
	assert_int_equal(msg_join_mailboxes(m, SPAN("To"), SPAN("x@b.c, a@b.c"), NULL), 0);
	assert_int_equal(msg_add_group(m, SPAN("To"), SPAN("bad\r\n"), NULL, 0, NULL), -1);
	assert_int_equal(msg_add_group(m, SPAN("To"), SPAN(" "), NULL, 0, NULL), -1);
	assert_span(names(a, m),
		"To=\"A, B\" <a@b.c>, Team: Zo\xc3\xab <z@b.c>, y@b.c;, Nobody:;, x@b.c, a@b.c|");
	assert_int_equal(msg_envelope(a, m, &env, NULL), 0);
	assert_int_equal(env.rcpt_count, 4);
	assert_span(env.rcpts[3], "x@b.c");
	buf_init(&b, OUT_MAX);
	assert_int_equal(msg_write_buf(m, &plain, &b, NULL), 0);
	assert_true(span_find_span(buf_span(&b), SPAN(" Nobody:;,")) > 0);
	buf_fini(&b);
	msg_free(&m);
	arena_free(&a);
}

static void ten_thousand_recipients_one_by_one(void **state)
{
	struct arena *a = arena_new();
	struct msg *m = msg_new();
	struct msg_envelope env;

	for (unsigned i = 0; i < MIME_ADDRESSES_MAX; i++) {
		char *address = arena_printf(a, "user%u@example.org", i);

		assert_int_equal(
			msg_add_mailbox(m, SPAN("Bcc"), SPAN(""), span_str(address), NULL), 0);
	}
	assert_int_equal(msg_add_mailbox(m, SPAN("Bcc"), SPAN(""), SPAN("one@over"), NULL), -1);
	assert_int_equal(msg_envelope(a, m, &env, NULL), 0);
	assert_int_equal(env.rcpt_count, MIME_ADDRESSES_MAX);
	msg_free(&m);
	arena_free(&a);
}

static bool label(struct buf *b, struct span domain)
{
	buf_str(b, "xn--bcher-kva.example");
	return span_eq(domain,
		SPAN("b\xc3\xbc"
		     "cher.example"));
}

static void domains_go_as_a_labels(void **state)
{
	struct msg *m = msg_new();
	struct msg_settings s = plain;
	struct buf b;

	buf_init(&b, OUT_MAX);
	assert_int_equal(msg_add_mailboxes(m, SPAN("To"),
				 SPAN("x@b\xc3\xbc"
				      "cher.example"),
				 NULL),
		0);
	assert_true(msg_needs_utf8(m) && !msg_needs_utf8_locals(m));
	assert_int_equal(msg_write_buf(m, &s, &b, NULL), -1);
	s.ascii_domain = label;
	assert_int_equal(msg_write_buf(m, &s, &b, NULL), 0);
	assert_true(span_find_span(buf_span(&b), SPAN("To: x@xn--bcher-kva.example\r\n")) >= 0);
	assert_int_equal(msg_join_mailboxes(m, SPAN("To"), SPAN("x@other\xc3\xbc"), NULL), 0);
	assert_int_equal(msg_write_buf(m, &s, &b, NULL), -1);
	buf_fini(&b);
	msg_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_size_is_known_before_it_is_written),
		cmocka_unit_test(a_source_that_lied_is_an_error),
		cmocka_unit_test(two_writings_at_a_time),
		cmocka_unit_test(a_field_is_replaced_where_it_stands),
		cmocka_unit_test(groups_and_lists_that_grow),
		cmocka_unit_test(ten_thousand_recipients_one_by_one),
		cmocka_unit_test(domains_go_as_a_labels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
