/* Messages that are read, by the public header alone. */
#include <stdio.h>
#include <unistd.h>

#include "yz_test.h"

#define LETTER                                                                                     \
	"Received: from a by b;\r\n\tMon, 23 Nov 2026 06:29:00 +0000\r\n"                          \
	"From: =?utf-8?q?Zo=C3=AB?= <zoe@example.org>\r\n"                                         \
	"To: Team: bob@example.net, \"C, D\" <c@example.net>;,\r\n alice@example.org\r\n"          \
	"Cc: empty:;, dan@example.net\r\n"                                                         \
	"Subject:  folded\r\n subject  \r\n"                                                       \
	"Date: Mon, 23 Nov 2026 06:30:00 +0100\r\n"                                                \
	"Message-ID: <3@x>\r\nReferences: <1@x>\r\n <2@x>\r\n"                                     \
	"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\n\r\n"               \
	"preamble\r\n--b\r\nContent-Type: text/plain; charset=koi8-r\r\n"                          \
	"Content-Transfer-Encoding: base64\r\n\r\n8NLJ18XUCj4gyg==\r\n"                            \
	"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner text\r\n"          \
	"--b\r\nContent-Type: application/pdf; name*=utf-8''caf%C3%A9.pdf\r\n"                     \
	"Content-Disposition: attachment\r\nContent-ID: <id@x>\r\n\r\nPDF\r\n--b--\r\nepilogue\r\n"

static struct yz_mail *read_text(const char *text)
{
	return yz_mail_parse(text, strlen(text), NULL);
}

static void parts_and_places(void **state)
{
	struct yz_mail *m = read_text(LETTER);
	const struct yz_entity *root = yz_mail_root(m), *e;
	const struct yz_entity *const *files;
	struct yz_place p;
	size_t count;

	assert_int_equal(yz_mail_size(m), strlen(LETTER));
	assert_ok(yz_mail_check(m));
	assert_true(yz_entity_is_multipart(root));
	assert_string_equal(yz_entity_type(root), "multipart/mixed");
	assert_int_equal(yz_entity_children(root), 3);
	assert_null(yz_entity_parent(root));
	assert_null(yz_entity_child(root, 3));
	yz_entity_place(root, &p);
	assert_memory_equal(LETTER + p.body, "preamble\r\n", 10);
	assert_int_equal(p.preamble_end - p.body, 8);
	assert_memory_equal(LETTER + p.epilogue, "epilogue", 8);
	assert_int_equal(p.end, strlen(LETTER));
	e = yz_entity_child(root, 1);
	assert_true(yz_entity_is(e, "message/"));
	assert_int_equal(yz_entity_children(e), 1);
	assert_ptr_equal(yz_entity_child(e, 0), yz_entity_next(e));
	assert_ptr_equal(yz_entity_parent(yz_entity_next(e)), e);
	assert_string_equal(yz_entity_get(yz_entity_next(e), "subject", 0), "inner");
	assert_int_equal(yz_entity_depth(yz_entity_next(e)), 2);
	e = yz_entity_child(root, 2);
	assert_ptr_equal(yz_entity_next(yz_entity_next(yz_entity_child(root, 1))), e);
	assert_null(yz_entity_next(e));
	assert_string_equal(yz_entity_filename(e), "caf\xc3\xa9.pdf");
	assert_string_equal(yz_entity_id(e), "id@x");
	assert_string_equal(yz_entity_disposition(e), "attachment");
	assert_string_equal(yz_entity_param(e, "NAME"), "caf\xc3\xa9.pdf");
	assert_string_equal(yz_entity_param_at(e, 0, NULL), "name");
	assert_null(yz_entity_param_at(e, 1, NULL));
	assert_string_equal(yz_entity_charset(e), "us-ascii");
	assert_string_equal(yz_entity_encoding(e), "7bit");
	files = yz_mail_attachments(m, &count);
	assert_int_equal(count, 2);
	assert_ptr_equal(files[1], e);
	yz_mail_free(&m);
	assert_null(m);
}

static void fields_addresses_dates_and_ids(void **state)
{
	struct yz_mail *m = read_text(LETTER);
	const struct yz_entity *root = yz_mail_root(m);
	const struct yz_addresses *to = yz_entity_addresses(root, "to");
	const char *const *ids;
	struct yz_field f;
	struct yz_date d;
	size_t count;

	assert_string_equal(yz_mail_get(m, "subject"), "folded subject");
	assert_string_equal(yz_mail_get(m, "from"), "Zo\xc3\xab <zoe@example.org>");
	assert_ptr_equal(yz_mail_get(m, "From"), yz_mail_get(m, "FROM")); /* made once */
	assert_string_equal(
		yz_entity_raw(root, "From", 0), "=?utf-8?q?Zo=C3=AB?= <zoe@example.org>");
	assert_null(yz_entity_get(root, "Subject", 1));
	assert_null(yz_mail_get(m, "X-None"));
	assert_ok(yz_entity_field(root, 4, &f));
	assert_string_equal(f.name, "Subject");
	assert_string_equal(f.raw, "  folded\r\n subject  ");
	assert_memory_equal(LETTER + f.offset, "Subject:", 8);
	assert_int_equal(f.value_offset - f.offset, 8);
	assert_int_equal(yz_entity_field(root, 99, &f), YZ_E_INVAL);
	assert_int_equal(to->count, 3);
	assert_string_equal(to->items[0].group, "Team");
	assert_string_equal(to->items[1].name, "C, D");
	assert_string_equal(to->items[1].address, "c@example.net");
	assert_null(to->items[2].group);
	assert_string_equal(to->items[2].domain, "example.org");
	to = yz_entity_addresses(root, "Cc");
	assert_int_equal(to->count, 1);
	assert_int_equal(to->group_count, 1);
	assert_string_equal(to->groups[0], "empty");
	assert_int_equal(yz_entity_addresses(root, "X")->count, 0);
	assert_ok(yz_entity_date(root, "Date", &d));
	assert_int_equal(d.unix_sec, 1795411800);
	assert_int_equal(d.zone_minutes, 60);
	assert_int_equal(yz_entity_date(root, "Subject", &d), YZ_E_INVAL);
	ids = yz_entity_ids(root, "References", &count);
	assert_int_equal(count, 2);
	assert_string_equal(ids[1], "<2@x>");
	assert_null(ids[2]);
	yz_mail_free(&m);
}

static void bodies_in_each_form(void **state)
{
	static const struct {
		enum yz_form form;
		const char *text;
	} forms[] = {
		{YZ_RAW, "8NLJ18XUCj4gyg=="},
		{YZ_OCTETS, "\xf0\xd2\xc9\xd7\xc5\xd4\n> \xca"},
		{YZ_TEXT, "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82\n> \xd0\xb9"},
	};
	struct yz_mail *m = read_text(LETTER);
	const struct yz_entity *e = yz_mail_body(m, "html plain");
	size_t n;
	char *text;

	assert_ptr_equal(e, yz_entity_child(yz_mail_root(m), 0));
	assert_null(yz_mail_body(m, "html related calendar"));
	for (size_t i = 0; i < COUNT(forms); i++) {
		assert_ok(yz_entity_read_mem(e, forms[i].form, 100, &text, &n));
		assert_string_equal(text, forms[i].text);
		assert_int_equal(n, strlen(text));
		yz_free(text);
	}
	assert_int_equal(yz_entity_read_mem(e, YZ_TEXT, 3, &text, &n), YZ_E_LIMIT);
	yz_mail_free(&m);
}

/* What is read back is what was written, whatever way it was read. */
static void check_same(struct yz_mail *m, const char *text, size_t len)
{
	char *out;
	size_t n;

	assert_ok(yz_mail_write_mem(m, OUT_MAX, &out, &n));
	assert_int_equal(n, len);
	assert_memory_equal(out, text, len);
	yz_free(out);
}

static const char *const odd[] = {LETTER, "", "\r\n", "\n", "no header at all", "A: b", "A: b\n",
	"A: b\r\n\r\n", "A: b\n\nbody\n", "Subject: x\nfolded wrongly\n", ": x\n\n", "A\x00: b\n",
	"From: a@b\r\nFrom: c@d\r\n\r\n", " first\r\nA: b\r\n\r\nx", "A: \xff\xfe\r\n\r\n\xff\x00",
	"Content-Type: multipart/mixed; boundary=x\n\n--x\n\n--x\n"};

static void behaviour_83_what_is_not_changed_is_written_octet_for_octet(void **state)
{
	for (size_t i = 0; i < COUNT(odd); i++) {
		struct yz_mail *m = read_text(odd[i]);
		size_t len = strlen(odd[i]);
		struct yz_mail *pushed = yz_mail_new(NULL), *file;
		FILE *f = tmpfile();

		check_same(m, odd[i], len);
		for (size_t k = 0; k < len; k++)
			assert_ok(yz_mail_feed(pushed, odd[i] + k, 1));
		assert_ok(yz_mail_end(pushed));
		assert_int_equal(yz_mail_feed(pushed, "x", 1), YZ_E_STATE);
		check_same(pushed, odd[i], len);
		fwrite("skipped", 1, 7, f);
		fwrite(odd[i], 1, len, f);
		fflush(f);
		lseek(fileno(f), 7, SEEK_SET);
		assert_ok(yz_mail_parse_fd(fileno(f), NULL, &file));
		check_same(file, odd[i], len);
		/* added and taken away again elsewhere: only that changes */
		assert_ok(yz_mail_prepend(m, "X-New", "\xc3\xa9"));
		yz_mail_free(&m);
		yz_mail_free(&pushed);
		yz_mail_free(&file);
		fclose(f);
	}
}

static void behaviour_83_a_pipe_is_kept_within_its_limit(void **state)
{
	struct yz_mail_options o = YZ_INIT(o);
	struct yz_mail *m;
	int ends[2];

	for (o.memory = strlen(LETTER) - 1; o.memory <= strlen(LETTER); o.memory++) {
		assert_int_equal(pipe(ends), 0);
		assert_int_equal(write(ends[1], LETTER, strlen(LETTER)), strlen(LETTER));
		close(ends[1]);
		if (o.memory < strlen(LETTER)) {
			assert_int_equal(yz_mail_parse_fd(ends[0], &o, &m), YZ_E_LIMIT);
			assert_null(m);
		} else {
			assert_ok(yz_mail_parse_fd(ends[0], &o, &m));
			check_same(m, LETTER, strlen(LETTER));
			yz_mail_free(&m);
		}
		close(ends[0]);
	}
}

static void behaviour_83_changes_leave_all_else(void **state)
{
	static const char text[] = "A: 1\nb:  x \n y\nA: 2\njunk\n", no_end[] = "A: 1\r\nB: 2";
	struct yz_mail *m = read_text(text);
	char *out;
	size_t n;

	assert_int_equal(yz_mail_replace(m, "C", "x"), YZ_E_INVAL);
	assert_int_equal(yz_mail_replace(m, "A", "x\n"), YZ_E_INVAL);
	assert_int_equal(yz_mail_append(m, "A b", "x"), YZ_E_INVAL);
	assert_ok(yz_mail_replace(m, "B", "new"));
	assert_int_equal(yz_mail_remove(m, "a"), 2);
	assert_int_equal(yz_mail_remove(m, "a"), 0);
	assert_ok(yz_mail_prepend(m, "P", "1"));
	assert_ok(yz_mail_prepend(m, "P", "2"));
	assert_ok(yz_mail_append(m, "Q", "3"));
	assert_ok(yz_mail_append(m, "Q", "4"));
	assert_ok(yz_mail_append(m, "R", "5"));
	assert_ok(yz_mail_write_mem(m, OUT_MAX, &out, &n));
	assert_string_equal(out, "P: 2\nP: 1\nB: new\nQ: 3\nQ: 4\nR: 5\njunk\n");
	assert_string_equal(yz_mail_get(m, "b"), "x  y"); /* reading shows it as it came */
	yz_free(out);
	yz_mail_free(&m);
	m = read_text(no_end);
	assert_ok(yz_mail_append(m, "C", "3"));
	assert_ok(yz_mail_write_mem(m, OUT_MAX, &out, &n));
	assert_string_equal(out, "A: 1\r\nB: 2\r\nC: 3\r\n");
	yz_free(out);
	yz_mail_free(&m);
	m = read_text(" no field\r\nA: b\r\n\r\nx"); /* what comes must not join the new one */
	assert_ok(yz_mail_prepend(m, "C", "3"));
	assert_ok(yz_mail_write_mem(m, OUT_MAX, &out, &n));
	assert_string_equal(out, "C: 3\r\n\r\n no field\r\nA: b\r\n\r\nx");
	yz_free(out);
	yz_mail_free(&m);
}

static void behaviour_83_defects_are_listed(void **state)
{
	static const char text[] = "From: a@b\r\nFrom: c@d\r\nContent-Type: text/plain\r\n"
				   "Content-Transfer-Encoding: base64\r\n\r\nAAA!A\r\n";
	struct yz_mail *m = read_text(text);
	struct yz_defect d;
	bool is_seen = false;
	size_t before = yz_mail_defects(m), n;
	char *out;

	assert_true(yz_mail_is_ambiguous(m));
	assert_int_equal(yz_mail_check(m), YZ_E_INVAL);
	assert_has(yz_mail_error(m)->text, "two-from-fields");
	for (size_t i = 0; i < before; i++) {
		assert_ok(yz_mail_defect(m, i, &d));
		if (strcmp(d.name, "two-from-fields") == 0) {
			is_seen = d.is_ambiguous;
			assert_int_equal(d.offset, 11);
			assert_ptr_equal(d.entity, yz_mail_root(m));
		}
	}
	assert_true(is_seen);
	/* what decoding finds joins them, once */
	for (int i = 0; i < 2; i++) {
		assert_ok(yz_entity_read_mem(yz_mail_root(m), YZ_OCTETS, 100, &out, &n));
		yz_free(out);
		assert_int_equal(yz_mail_defects(m), before + 1);
	}
	assert_ok(yz_mail_defect(m, before, &d));
	assert_string_equal(d.name, "base64-foreign-character");
	assert_int_equal(yz_mail_defect(m, before + 1, &d), YZ_E_INVAL);
	assert_non_null(yz_defect_name(0));
	assert_null(yz_defect_name(1000));
	yz_mail_free(&m);
	m = read_text(LETTER);
	assert_false(yz_mail_is_ambiguous(m));
	assert_ok(yz_mail_check(m));
	yz_mail_free(&m);
}

static void structure_alone(void **state)
{
	struct yz_mail_options o = YZ_INIT(o);
	struct yz_mail *m;
	size_t n;
	char *out;

	o.is_structure_only = true;
	m = yz_mail_new(&o);
	assert_null(yz_mail_root(m));
	assert_null(yz_mail_get(m, "From"));
	assert_null(yz_mail_body(m, NULL));
	assert_int_equal(yz_mail_write_mem(m, OUT_MAX, &out, &n), YZ_E_STATE);
	assert_ok(yz_mail_feed(m, LETTER, strlen(LETTER)));
	assert_ok(yz_mail_end(m));
	assert_int_equal(yz_entity_children(yz_mail_root(m)), 3);
	assert_string_equal(yz_mail_get(m, "Subject"), "folded subject");
	assert_int_equal(yz_mail_write_mem(m, OUT_MAX, &out, &n), YZ_E_STATE);
	assert_int_equal(
		yz_entity_read_mem(yz_mail_body(m, "plain"), YZ_TEXT, 99, &out, &n), YZ_E_STATE);
	yz_mail_free(&m);
	m = yz_mail_new(&o); /* never ended */
	assert_ok(yz_mail_feed(m, "A: b", 4));
	yz_mail_free(&m);
}

static void an_answer(void **state)
{
	struct yz_mail *m = read_text(LETTER);
	struct yz_msg *r = yz_mail_reply(m, "Bob <bob@example.net>", YZ_REPLY_ALL | YZ_REPLY_QUOTE);
	char *text;

	assert_string_equal(yz_msg_get(r, "From"), "Bob <bob@example.net>");
	assert_string_equal(yz_msg_get(r, "To"), "Zo\xc3\xab <zoe@example.org>");
	assert_string_equal(yz_msg_get(r, "Cc"),
		"\"C, D\" <c@example.net>, alice@example.org, dan@example.net");
	assert_string_equal(yz_msg_get(r, "Subject"), "Re: folded subject");
	assert_string_equal(yz_msg_get(r, "In-Reply-To"), "<3@x>");
	assert_string_equal(yz_msg_get(r, "References"), "<1@x> <2@x> <3@x>");
	struct yz_msg_options o = YZ_INIT(o);
	size_t n;
	o.way = YZ_WAY_8BIT;
	text = written_as(r, &o, &n);
	assert_has(text,
		"Zo\xc3\xab wrote:\r\n> \xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82\r\n>> "
		"\xd0\xb9\r\n");
	yz_free(text);
	yz_msg_free(&r);
	r = yz_mail_reply(m, NULL, 0);
	assert_null(yz_msg_get(r, "Cc"));
	assert_null(yz_msg_get(r, "From"));
	yz_msg_free(&r);
	yz_mail_free(&m);
	m = read_text("From: me@x\nReply-To: a@x\nTo: you@x\nSubject: re: y\nIn-Reply-To: <1@x>\n"
		      "Message-ID: <2@x>\n\n");
	r = yz_mail_reply(m, "a@x", 0); /* to oneself: to whom it went */
	assert_string_equal(yz_msg_get(r, "To"), "you@x");
	assert_string_equal(yz_msg_get(r, "Subject"), "re: y");
	assert_string_equal(yz_msg_get(r, "References"), "<1@x> <2@x>");
	yz_msg_free(&r);
	yz_mail_free(&m);
}

static void a_forward(void **state)
{
	struct yz_mail *m = read_text(LETTER), *read;
	struct yz_msg *r = yz_mail_forward(m, 0);
	char *text, *inner;
	size_t n;

	assert_ok(yz_msg_from(r, "a@b"));
	assert_string_equal(yz_msg_get(r, "Subject"), "Fwd: folded subject");
	text = written_as(r, NULL, &n);
	read = yz_mail_parse(text, n, NULL);
	assert_true(yz_entity_is(yz_entity_child(yz_mail_root(read), 0), "message/rfc822"));
	assert_ok(yz_entity_read_mem(
		yz_entity_child(yz_mail_root(read), 0), YZ_RAW, OUT_MAX, &inner, &n));
	assert_memory_equal(inner, LETTER, n);
	yz_free(inner);
	yz_mail_free(&read);
	yz_free(text);
	yz_msg_free(&r);
	r = yz_mail_forward(m, YZ_FORWARD_INLINE);
	text = written(r);
	assert_has(text, "Forwarded message");
	yz_free(text);
	yz_msg_free(&r);
	yz_mail_free(&m);
}

#define REPORT(type, body, original)                                                               \
	"Content-Type: multipart/report; boundary=b\n\n--b\n\nText for people.\n--b\n"             \
	"Content-Type: " type "\n\n" body "\n--b\n" original "\n--b--\n"

static void reports(void **state)
{
	struct yz_mail *m = read_text(REPORT("message/delivery-status",
		"Reporting-MTA: dns; mx.example\nX-Extra: 1\n\nFinal-Recipient: rfc822; a@b\n"
		"Action: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 no\n",
		"Content-Type: text/rfc822-headers\n\nMessage-ID: <9@x>\n"));
	const struct yz_dsn *d = yz_mail_dsn(m);
	const struct yz_mdn *n;

	assert_non_null(d);
	assert_ptr_equal(d, yz_mail_dsn(m));
	assert_null(yz_mail_mdn(m));
	assert_string_equal(d->reporting_mta, "mx.example");
	assert_null(d->envid);
	assert_int_equal(d->rcpt_count, 1);
	assert_string_equal(d->rcpts[0].final_recipient, "a@b");
	assert_string_equal(d->rcpts[0].diagnostic, "550 no");
	assert_int_equal(d->rcpts[0].cls, 5);
	assert_null(d->rcpts[0].remote_mta);
	assert_string_equal(d->fields[1].name, "X-Extra");
	assert_ptr_equal(d->text, yz_entity_child(yz_mail_root(m), 0));
	assert_ptr_equal(d->original, yz_entity_child(yz_mail_root(m), 2));
	assert_string_equal(d->original_message_id, "<9@x>");
	yz_mail_free(&m);
	m = read_text(REPORT("message/disposition-notification",
		"Reporting-UA: x; y\nFinal-Recipient: rfc822;a@b\nOriginal-Message-ID: <9@x>\n"
		"Disposition: manual-action/MDN-sent-manually; displayed\n",
		"Content-Type: message/rfc822\n\nMessage-ID: <9@x>\n\nHi"));
	n = yz_mail_mdn(m);
	assert_null(yz_mail_dsn(m));
	assert_string_equal(n->disposition, "displayed");
	assert_string_equal(n->final_recipient, "a@b");
	assert_string_equal(n->original_message_id, "<9@x>");
	assert_true(yz_entity_is(n->original, "message/rfc822"));
	yz_mail_free(&m);
	m = read_text(LETTER);
	assert_null(yz_mail_dsn(m));
	yz_mail_free(&m);
	/* the report that a report returns is not this one */
	m = read_text(
		"Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: message/rfc822\n\n" REPORT(
			"message/delivery-status", "Action: failed\n", "") "--o--\n");
	assert_null(yz_mail_dsn(m));
	yz_mail_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_and_places),
		cmocka_unit_test(fields_addresses_dates_and_ids),
		cmocka_unit_test(bodies_in_each_form),
		cmocka_unit_test(behaviour_83_what_is_not_changed_is_written_octet_for_octet),
		cmocka_unit_test(behaviour_83_a_pipe_is_kept_within_its_limit),
		cmocka_unit_test(behaviour_83_changes_leave_all_else),
		cmocka_unit_test(behaviour_83_defects_are_listed),
		cmocka_unit_test(structure_alone),
		cmocka_unit_test(an_answer),
		cmocka_unit_test(a_forward),
		cmocka_unit_test(reports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
