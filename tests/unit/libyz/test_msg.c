/* Messages that are made, by the public header alone. */
#include <errno.h>
#include <stdio.h>
#include <fcntl.h>
#include <unistd.h>

#include "yz_test.h"

static struct yz_msg *letter(void)
{
	struct yz_msg *m = yz_msg_new();

	assert_ok(yz_msg_from(m, "Alice <alice@example.org>"));
	assert_ok(yz_msg_to(m, "bob@example.net"));
	assert_ok(yz_msg_subject(m, "Hello"));
	assert_ok(yz_msg_date(m, "Date", 1795415400, 60));
	assert_ok(yz_msg_text(m, "Hi\n"));
	return m;
}

static void a_small_letter_as_a_whole(void **state)
{
	struct yz_msg *m = letter();
	char *text;

	assert_ok(yz_msg_id(m, "1@example.org"));
	text = written(m);
	assert_string_equal(text,
		"From: Alice <alice@example.org>\r\nTo: bob@example.net\r\nSubject: Hello\r\n"
		"Date: Mon, 23 Nov 2026 07:30:00 +0100\r\nMessage-ID: <1@example.org>\r\n"
		"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\nHi\r\n");
	yz_free(text);
	yz_msg_free(&m);
	assert_null(m);
	yz_msg_free(&m);
}

static void behaviour_80_what_is_missing_is_made_and_bcc_stays_at_home(void **state)
{
	struct yz_msg *m = yz_msg_new();
	struct yz_msg_options keep = YZ_INIT(keep);
	char *first, *second, *own;
	size_t n;

	assert_ok(yz_msg_from(m,
		"a@b\xc3\xbc"
		"cher.example"));
	assert_ok(yz_msg_bcc(m, "secret@example.net"));
	assert_ok(yz_msg_add(m, "Resent-Bcc", "hidden@example.net"));
	keep.is_ascii_domains = true;
	first = written_as(m, &keep, &n);
	second = written_as(m, &keep, &n);
	keep.keeps_bcc = true;
	own = written_as(m, &keep, &n);
	assert_has_not(first, "secret");
	assert_has_not(first, "hidden");
	assert_has(own, "\r\nBcc: secret@example.net\r\n");
	assert_has(first, "\r\nDate: ");
	assert_has(first, " +0000\r\n");
	assert_has(first, "@xn--bcher-kva.example>\r\n");
	assert_has(first, "From: a@xn--bcher-kva.example\r\n");
	/* the same id each time, and the message is as it was */
	assert_has(second, yz_msg_message_id(m));
	assert_has(first, yz_msg_message_id(m));
	assert_null(yz_msg_get(m, "Message-ID"));
	assert_null(yz_msg_get(m, "Date"));
	assert_string_equal(yz_msg_get(m, "bcc"), "secret@example.net");
	yz_free(first);
	yz_free(second);
	yz_free(own);
	yz_msg_free(&m);
}

struct envelope_case {
	const char *fields[8][2];
	const char *from, *rcpts;
	int code;
	bool is_resent;
};

static const struct envelope_case envelopes[] = {
	{{{"From", "a@x"}, {"To", "b@x, T: c@x;"}, {"Cc", "d@x"}, {"Bcc", "e@x, b@x"}}, "a@x",
		"b@x c@x e@x d@x"},
	{{{"From", "a@x, z@x"}, {"Sender", "s@x"}, {"To", "b@x"}}, "s@x", "b@x"},
	{{{"From", "a@x"}, {"To", "b@x"}, {"Resent-Date", "Mon, 23 Nov 2026 06:30:00 +0000"},
		 {"Resent-From", "r@x"}, {"Resent-To", "n@x"}, {"Resent-Bcc", "h@x"}},
		"r@x", "n@x h@x", YZ_OK, true},
	{{{"From", "a@x"}, {"Resent-Date", "Mon, 23 Nov 2026 06:30:00 +0000"},
		 {"Resent-Date", "Mon, 23 Nov 2026 06:31:00 +0000"}, {"Resent-To", "n@x"}},
		"", "", YZ_E_INVAL},
	{{{"Subject", "x"}}, "", ""},
};

static void check_envelope(const struct envelope_case *c, int code, const struct yz_envelope *env)
{
	char all[200] = "";
	size_t len = 0;

	assert_int_equal(code, c->code);
	if (code != YZ_OK)
		return;
	for (size_t i = 0; i < env->rcpt_count; i++)
		len += (size_t)snprintf(
			all + len, sizeof(all) - len, "%s%s", i ? " " : "", env->rcpts[i]);
	assert_string_equal(env->from, c->from);
	assert_string_equal(all, c->rcpts);
	assert_int_equal(env->is_resent, c->is_resent);
}

static void behaviour_80_who_it_is_from_and_to(void **state)
{
	struct yz_msg_options keep = YZ_INIT(keep);

	keep.keeps_bcc = true;
	for (size_t i = 0; i < COUNT(envelopes); i++) {
		struct yz_msg *m = yz_msg_new();
		struct yz_envelope env;
		struct yz_mail *read;
		size_t n;
		char *text;

		for (size_t k = 0; envelopes[i].fields[k][0]; k++)
			assert_ok(yz_msg_add(
				m, envelopes[i].fields[k][0], envelopes[i].fields[k][1]));
		check_envelope(&envelopes[i], yz_msg_envelope(m, &env), &env);
		/* and the same of the octets */
		text = written_as(m, &keep, &n);
		read = yz_mail_parse(text, n, NULL);
		check_envelope(&envelopes[i], yz_mail_envelope(read, &env), &env);
		yz_mail_free(&read);
		yz_free(text);
		yz_msg_free(&m);
	}
}

static void behaviour_81_line_breaks_are_refused_everywhere(void **state)
{
	static const char *const bad[] = {"a\r\nX: y", "a\nX: y", "a\rX: y", "a\n", "\r\n x"};

	for (size_t i = 0; i < COUNT(bad); i++) {
		const char *b = bad[i];
		struct yz_msg *m = letter();
		struct yz_attachment a = YZ_INIT(a);
		struct yz_address item = {.name = b, .address = "x@y"};
		struct yz_part *p = yz_part_text(m, "plain", "x");
		char *before = written(m), *after;

		assert_int_equal(yz_msg_add(m, "X-Test", b), YZ_E_INVAL);
		assert_int_equal(yz_msg_add(m, b, "x"), YZ_E_INVAL);
		assert_int_equal(yz_msg_set(m, "Subject", b), YZ_E_INVAL);
		assert_int_equal(yz_msg_add_ready(m, "X-Test", b), YZ_E_INVAL);
		assert_int_equal(yz_msg_to(m, b), YZ_E_INVAL);
		assert_int_equal(yz_msg_sender(m, b), YZ_E_INVAL);
		assert_int_equal(yz_msg_mailbox(m, "To", b, "a@b"), YZ_E_INVAL);
		assert_int_equal(yz_msg_mailbox(m, "To", "n", b), YZ_E_INVAL);
		assert_int_equal(yz_msg_group(m, "To", b, NULL, 0), YZ_E_INVAL);
		assert_int_equal(yz_msg_group(m, "To", "g", &item, 1), YZ_E_INVAL);
		assert_int_equal(yz_msg_id(m, b), YZ_E_INVAL);
		assert_int_equal(yz_msg_host(m, b), YZ_E_INVAL);
		assert_int_equal(yz_msg_list_unsubscribe(m, b, NULL, false), YZ_E_INVAL);
		assert_int_equal(yz_msg_calendar(m, b, "x"), YZ_E_INVAL);
		a.filename = b;
		assert_int_equal(yz_msg_attach(m, "x", 1, &a), YZ_E_INVAL);
		a = (struct yz_attachment){.size = sizeof(a), .type = b};
		assert_int_equal(yz_msg_attach(m, "x", 1, &a), YZ_E_INVAL);
		a = (struct yz_attachment){.size = sizeof(a), .id = b};
		assert_int_equal(yz_msg_attach(m, "x", 1, &a), YZ_E_INVAL);
		a = (struct yz_attachment){.size = sizeof(a), .description = b};
		assert_int_equal(yz_msg_attach(m, "x", 1, &a), YZ_E_INVAL);
		assert_int_equal(yz_part_param(p, "x", b), YZ_E_INVAL);
		assert_int_equal(yz_part_param(p, b, "x"), YZ_E_INVAL);
		assert_int_equal(yz_part_disposition(p, b, NULL), YZ_E_INVAL);
		assert_null(yz_part_multi(m, b));
		assert_null(yz_part_octets(m, b, "x", 1));
		after = written(m);
		assert_string_equal(before, after);
		yz_free(before);
		yz_free(after);
		yz_msg_free(&m);
	}
}

/* The longest line, and the longest line of the header with an encoded word, and the longest word. */
static void behaviour_81_folds_and_words_have_their_limits(void **state)
{
	struct yz_msg *m = letter();
	char *subject = calloc(1, 4000), *text;
	size_t line = 0, word = 0, len = 0;

	for (size_t i = 0; i < 300; i++)
		len += (size_t)snprintf(
			subject + len, 4000 - len, "%s", i % 7 ? "\xe9\xa9\xbf" : " word ");
	assert_ok(yz_msg_subject(m, subject));
	for (size_t i = 0; i < 40; i++)
		assert_ok(yz_msg_mailbox(
			m, "Cc", i % 2 ? "Zo\xc3\xab" : "A, B", "some.name@example.org"));
	memset(subject, 'x', 3000);
	assert_ok(yz_msg_add(m, "X-Long", subject));
	text = written(m);
	for (char *c = text; *c; c++) {
		line = c[0] == '\r' || c[0] == '\n' ? 0 : line + 1;
		word = c[0] == ' ' || c[0] == '\r' || c[0] == '\n' ? 0 : word + 1;
		assert_true(line <= 78 && word <= 75);
	}
	yz_free(text);
	free(subject);
	yz_msg_free(&m);
}

static void behaviour_82_file_names_travel_by_rfc_2231(void **state)
{
	static const char *const names[] = {"a.txt", "two words.pdf", "caf\xc3\xa9.png",
		"quote\"back\\slash.c",
		"\xe9\xa9\xbf\xe7\xab\x99\xe7\x9a\x84\xe4\xbf\xa1\xe5\xb7\xae"
		"\xe9\xa9\xbf\xe7\xab\x99\xe7\x9a\x84\xe4\xbf\xa1\xe5\xb7\xae.ics",
		"a_very_long_name_that_fits_into_no_line_of_a_header_and_must_be_cut_into_several_"
		"pieces_as_rfc_2231_has_it_in_its_section_three.tar.gz",
		"=?utf-8?q?x?=", "%41'*"};

	for (size_t i = 0; i < COUNT(names); i++) {
		struct yz_msg *m = letter();
		struct yz_attachment a = YZ_INIT(a);
		const struct yz_entity *const *found;
		struct yz_mail *read;
		size_t n, count;
		char *text, *body;

		a.filename = names[i];
		assert_ok(yz_msg_attach(m, "\0\1\2", 3, &a));
		text = written_as(m, NULL, &n);
		read = yz_mail_parse(text, n, NULL);
		assert_ok(yz_mail_check(read));
		found = yz_mail_attachments(read, &count);
		assert_int_equal(count, 1);
		assert_string_equal(yz_entity_filename(found[0]), names[i]);
		assert_true(yz_entity_is_attachment(found[0]));
		assert_ok(yz_entity_read_mem(found[0], YZ_OCTETS, 100, &body, &n));
		assert_int_equal(n, 3);
		assert_memory_equal(body, "\0\1\2", 3);
		yz_free(body);
		yz_mail_free(&read);
		yz_free(text);
		yz_msg_free(&m);
	}
}

static void behaviour_82_no_boundary_is_in_what_it_bounds(void **state)
{
	/* a message that holds a message holds its boundaries */
	struct yz_msg *m = letter();
	struct yz_mail *read;
	char *text = NULL;
	size_t n = 0;

	assert_ok(yz_msg_html(m, "<p>Hi"));
	for (int i = 0; i < 8; i++) {
		char *inner = text;
		size_t inner_len = n;

		if (inner)
			assert_ok(yz_msg_attach_message(m, inner, inner_len));
		text = written_as(m, NULL, &n);
		yz_free(inner);
	}
	read = yz_mail_parse(text, n, NULL);
	assert_ok(yz_mail_check(read));
	for (const struct yz_entity *e = yz_mail_root(read); e; e = yz_entity_next(e)) {
		const char *boundary = yz_entity_param(e, "boundary");
		struct yz_place place;
		size_t count = 0;

		if (!boundary)
			continue;
		yz_entity_place(e, &place);
		for (char *c = text + place.body; (c = strstr(c, boundary)) && c < text + place.end;
			c++)
			count++;
		assert_int_equal(count, yz_entity_children(e) + 1);
	}
	yz_mail_free(&read);
	yz_free(text);
	yz_msg_free(&m);
}

static void behaviour_82_lines_of_encoded_bodies_have_76_octets(void **state)
{
	struct yz_msg *m = letter();
	char *long_text = calloc(1, 5001), *text;
	size_t line = 0;

	memset(long_text, '=', 5000);
	assert_ok(yz_msg_text(m, long_text));
	assert_ok(yz_msg_attach(m, long_text, 5000, NULL));
	memset(long_text, 'x', 5000);
	assert_ok(yz_msg_html(m, long_text));
	text = written(m);
	for (char *c = text; *c; c++) {
		line = c[0] == '\r' || c[0] == '\n' ? 0 : line + 1;
		assert_true(line <= 78);
	}
	assert_has(text, "quoted-printable");
	assert_has(text, "base64");
	free(long_text);
	yz_free(text);
	yz_msg_free(&m);
}

static void behaviour_82_nesting_has_a_limit(void **state)
{
	struct yz_msg *m = letter();
	struct yz_part *root = yz_part_multi(m, "mixed"), *at = root;
	int code = YZ_OK, depth = 1;

	while (code == YZ_OK && depth < 1000) {
		struct yz_part *next = yz_part_multi(m, "mixed");

		code = yz_part_add(at, next);
		at = next;
		depth++;
	}
	assert_int_equal(code, YZ_E_LIMIT);
	assert_int_equal(depth, 51);
	assert_int_equal(yz_part_add(root, root), YZ_E_STATE);
	yz_msg_free(&m);
}

static void fields_are_set_got_and_removed(void **state)
{
	struct yz_msg *m = letter();
	const char *value;

	assert_int_equal(yz_msg_add(m, "Subject", "again"), YZ_E_STATE);
	assert_ok(yz_msg_set(m, "subject", "Zwei"));
	assert_string_equal(yz_msg_get(m, "SUBJECT"), "Zwei");
	assert_string_equal(yz_msg_field(m, 2, &value), "subject");
	assert_string_equal(value, "Zwei");
	assert_null(yz_msg_field(m, 4, &value));
	assert_ok(yz_msg_add(m, "X-A", "1"));
	assert_ok(yz_msg_add(m, "x-a", "2"));
	assert_int_equal(yz_msg_remove(m, "X-A"), 2);
	assert_null(yz_msg_get(m, "X-A"));
	assert_int_equal(yz_msg_add(m, "Content-Type", "text/html"), YZ_E_INVAL);
	assert_ok(yz_msg_to(m, "Team: \"C, D\" <c@example.org>, Zo\xc3\xab <z@example.org>;"));
	assert_string_equal(yz_msg_get(m, "To"),
		"bob@example.net, Team: \"C, D\" <c@example.org>, Zo\xc3\xab <z@example.org>;");
	assert_int_equal(yz_msg_to(m, "not an address"), YZ_E_INVAL);
	assert_int_equal(yz_msg_error(m)->code, YZ_E_INVAL);
	assert_true(strlen(yz_msg_error(m)->text) > 0);
	assert_int_equal(yz_msg_sender(m, "a@b, c@d"), YZ_E_INVAL);
	assert_ok(yz_msg_sender(m, "a@b"));
	assert_ok(yz_msg_sender(m, "c@d"));
	assert_string_equal(yz_msg_get(m, "Sender"), "c@d");
	assert_int_equal(yz_msg_date(m, "Date", INT64_MAX, 0), YZ_E_INVAL);
	assert_int_equal(yz_msg_date(m, "Date", 0, 5000), YZ_E_INVAL);
	yz_msg_free(&m);
}

static void list_unsubscribe(void **state)
{
	struct yz_msg *m = letter();

	assert_int_equal(yz_msg_list_unsubscribe(m, NULL, NULL, false), YZ_E_INVAL);
	assert_int_equal(yz_msg_list_unsubscribe(m, NULL, "mailto:u@x", true), YZ_E_INVAL);
	assert_int_equal(yz_msg_list_unsubscribe(m, "http://x/", NULL, false), YZ_E_INVAL);
	assert_int_equal(yz_msg_list_unsubscribe(m, "https://x/>,<", NULL, false), YZ_E_INVAL);
	assert_ok(yz_msg_list_unsubscribe(m, "https://x/u?1", "mailto:u@x", true));
	assert_string_equal(yz_msg_get(m, "List-Unsubscribe"), "<https://x/u?1>, <mailto:u@x>");
	assert_string_equal(yz_msg_get(m, "List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
	assert_ok(yz_msg_list_unsubscribe(m, NULL, "mailto:u@x", false));
	assert_string_equal(yz_msg_get(m, "List-Unsubscribe"), "<mailto:u@x>");
	assert_null(yz_msg_get(m, "List-Unsubscribe-Post"));
	yz_msg_free(&m);
}

struct feed {
	size_t at, size;
	int rewinds;
	bool fails;
};

static long feed_read(void *arg, void *to, size_t n)
{
	struct feed *f = arg;

	if (f->fails && f->at > 100)
		return -1;
	n = n < f->size - f->at ? n : f->size - f->at;
	memset(to, 'z', n);
	f->at += n;
	return (long)n;
}

static int feed_rewind(void *arg)
{
	struct feed *f = arg;

	f->at = 0;
	f->rewinds++;
	return 0;
}

static void attachments_from_files_pipes_and_callbacks(void **state)
{
	struct yz_msg *m = letter();
	struct feed f = {.size = 200000}, bad = {.size = 500, .fails = true};
	struct yz_source source = {sizeof(source), feed_read, feed_rewind, 200000, &f};
	struct yz_source failing = {sizeof(failing), feed_read, NULL, -1, &bad};
	char path[] = "/tmp/yz_test_msg_XXXXXX";
	int fd = mkstemp(path), ends[2];
	const struct yz_entity *const *found;
	struct yz_mail *read;
	char *text, *body;
	size_t n, count;

	assert_int_equal(write(fd, "0123456789", 10), 10);
	lseek(fd, 4, SEEK_SET);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "piped", 5), 5);
	close(ends[1]);
	assert_ok(yz_msg_attach_file(m, path, NULL));
	assert_ok(yz_msg_attach_fd(m, fd, NULL));
	assert_ok(yz_msg_attach_source(m, &source, NULL));
	assert_int_equal(yz_msg_attach_file(m, "/no/such/file", NULL), YZ_E_SYSTEM);
	assert_true(yz_msg_error(m)->os_errno != 0);
	text = written_as(m, NULL, &n);
	yz_free(text);
	text = written_as(m, NULL, &n); /* again: all of these can be read twice */
	assert_int_equal(f.rewinds, 1);
	read = yz_mail_parse(text, n, NULL);
	found = yz_mail_attachments(read, &count);
	assert_int_equal(count, 3);
	assert_string_equal(yz_entity_filename(found[0]), strrchr(path, '/') + 1);
	assert_ok(yz_entity_read_mem(found[0], YZ_OCTETS, 1000, &body, &n));
	assert_string_equal(body, "0123456789");
	yz_free(body);
	assert_ok(yz_entity_read_mem(found[1], YZ_OCTETS, 1000, &body, &n));
	assert_string_equal(body, "456789");
	yz_free(body);
	assert_int_equal(yz_entity_read_mem(found[2], YZ_OCTETS, 1000, &body, &n), YZ_E_LIMIT);
	assert_null(body);
	assert_ok(yz_entity_read_mem(found[2], YZ_OCTETS, 200000, &body, &n));
	assert_int_equal(n, 200000);
	yz_free(body);
	yz_mail_free(&read);
	yz_free(text);
	assert_ok(yz_msg_attach_fd(m, ends[0], NULL));
	text = written_as(m, NULL, &n);
	yz_free(text);
	assert_int_equal(yz_msg_write_mem(m, NULL, OUT_MAX, &text, &n), YZ_E_STATE);
	yz_msg_clear_body(m);
	assert_ok(yz_msg_attach_source(m, &failing, NULL));
	assert_int_equal(yz_msg_write_mem(m, NULL, OUT_MAX, &text, &n), YZ_E_SOURCE);
	yz_msg_free(&m);
	close(fd);
	close(ends[0]);
	unlink(path);
}

static int stop_after_ten(void *arg, const void *octets, size_t n)
{
	size_t *left = arg;

	if (n > *left)
		return -1;
	*left -= n;
	return 0;
}

static void writing_to_places(void **state)
{
	struct yz_msg *m = letter();
	struct yz_msg_options o = YZ_INIT(o);
	char path[] = "/tmp/yz_test_msg_XXXXXX", *text, *lf;
	int fd = mkstemp(path);
	struct yz_mail *read;
	size_t n, lf_len, ten = 10;

	text = written_as(m, NULL, &n);
	assert_int_equal(yz_msg_write_mem(m, NULL, n - 1, &lf, &lf_len), YZ_E_LIMIT);
	assert_int_equal(yz_msg_write(m, NULL, stop_after_ten, &ten), YZ_E_SOURCE);
	assert_ok(yz_msg_write_file(m, NULL, path));
	assert_ok(yz_mail_parse_file(path, NULL, &read));
	assert_int_equal(yz_mail_size(read), n);
	yz_mail_free(&read);
	assert_int_equal(yz_msg_write_file(m, NULL, "/no/such/place"), YZ_E_SYSTEM);
	o.is_lf = true;
	lf = written_as(m, &o, &lf_len);
	assert_null(strchr(lf, '\r'));
	o.fold = 2000;
	assert_int_equal(yz_msg_write_fd(m, &o, fd), YZ_E_INVAL);
	close(fd);
	unlink(path);
	yz_free(lf);
	yz_free(text);
	yz_msg_free(&m);
}

static void a_pipe_that_nobody_reads_is_an_error_and_no_signal(void **state)
{
	struct yz_msg *m = letter();
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	close(ends[0]);
	assert_int_equal(yz_msg_write_fd(m, NULL, ends[1]), YZ_E_SYSTEM);
	assert_int_equal(yz_msg_error(m)->os_errno, EPIPE);
	close(ends[1]);
	yz_msg_free(&m);
}

static void shapes(void **state)
{
	struct yz_msg *m = letter();
	struct yz_attachment image = YZ_INIT(image);
	const struct yz_entity *e;
	struct yz_mail *read;
	char *text, *body;
	size_t n, count;

	image.type = "image/png";
	image.is_inline = true;
	assert_int_equal(yz_msg_attach(m, "png", 3, &image), YZ_E_INVAL);
	image.id = "logo@x";
	image.filename = "logo.png";
	assert_ok(yz_msg_attach(m, "png", 3, &image));
	assert_int_equal(yz_msg_write_mem(m, NULL, OUT_MAX, &text, &n), YZ_E_STATE);
	assert_ok(yz_msg_html(m, "<img src=cid:logo@x>"));
	assert_ok(yz_msg_text(m,
		"A paragraph that is very long because it goes on and on, so that a "
		"flowed text must be cut into lines.\n"));
	yz_msg_flowed(m, true);
	assert_ok(yz_msg_calendar(m, "REQUEST", "BEGIN:VCALENDAR\nEND:VCALENDAR\n"));
	assert_ok(yz_msg_attach(m, "pdf", 3, NULL));
	text = written_as(m, NULL, &n);
	read = yz_mail_parse(text, n, NULL);
	assert_int_equal(yz_mail_defects(read), 0);
	assert_string_equal(yz_entity_type(yz_mail_root(read)), "multipart/mixed");
	e = yz_mail_body(read, NULL);
	assert_true(yz_entity_is(e, "multipart/related"));
	assert_string_equal(yz_entity_id(yz_entity_child(e, 1)), "logo@x");
	e = yz_mail_body(read, "calendar");
	assert_string_equal(yz_entity_param(e, "method"), "REQUEST");
	e = yz_mail_body(read, "plain");
	assert_string_equal(yz_entity_param(e, "format"), "flowed");
	assert_ok(yz_entity_read_mem(e, YZ_UNFLOWED, 1000, &body, &n));
	assert_has(body, "must be cut into lines.\n");
	assert_null(strstr(body, " \r\n"));
	yz_free(body);
	yz_mail_attachments(read, &count);
	assert_int_equal(count, 3); /* the calendar, the image and the octets (RFC 8621) */
	yz_mail_free(&read);
	yz_free(text);
	yz_msg_free(&m);
}

static void parts_by_hand(void **state)
{
	struct yz_msg *m = letter();
	struct yz_part *root = yz_part_multi(m, "report"), *p;
	struct yz_mail *read;
	char *text;
	size_t n;

	assert_ok(yz_part_param(root, "report-type", "delivery-status"));
	assert_ok(yz_part_add(root, yz_part_text(m, "plain", "It failed.\n")));
	p = yz_part_octets(m, "message/delivery-status", "Reporting-MTA: dns; x\n", 22);
	assert_ok(yz_part_description(p, "Bericht f\xc3\xbcr Sie"));
	assert_ok(yz_part_add(root, p));
	assert_int_equal(yz_part_add(root, p), YZ_E_STATE);
	assert_int_equal(yz_part_add(p, root), YZ_E_STATE);
	assert_null(yz_part_octets(m, "multipart/mixed", "", 0));
	assert_null(yz_part_text(m, "plain", "\xff"));
	assert_ok(yz_msg_body(m, root));
	assert_int_equal(yz_msg_body(m, p), YZ_E_STATE);
	text = written_as(m, NULL, &n);
	read = yz_mail_parse(text, n, NULL);
	assert_string_equal(yz_entity_param(yz_mail_root(read), "report-type"), "delivery-status");
	assert_string_equal(yz_mail_dsn(read)->reporting_mta, "x");
	yz_mail_free(&read);
	yz_free(text);
	assert_ok(yz_msg_body(m, NULL));
	text = written(m);
	assert_has(text, "\r\n\r\nHi\r\n");
	yz_free(text);
	yz_msg_free(&m);
}

static void ways(void **state)
{
	struct yz_msg *m = letter();
	struct yz_msg_options o = YZ_INIT(o);
	char *text;
	size_t n;

	assert_ok(yz_msg_text(m,
		"Gr\xc3\xbc\xc3\x9f"
		"e aus dem hohen Norden\n"));
	assert_ok(yz_msg_to(m, "Zo\xc3\xab <z@example.org>"));
	assert_false(yz_msg_needs_utf8(m, true));
	text = written_as(m, &o, &n);
	for (char *c = text; *c; c++)
		assert_true((unsigned char)*c < 0x80);
	yz_free(text);
	o.charset = "iso-8859-1";
	text = written_as(m, &o, &n);
	assert_has(text, "=?iso-8859-1?q?Zo=EB?=");
	yz_free(text);
	o.way = YZ_WAY_8BIT;
	o.charset = NULL;
	o.is_utf8 = true;
	text = written_as(m, &o, &n);
	assert_has(text,
		"Gr\xc3\xbc\xc3\x9f"
		"e");
	assert_has(text, "Zo\xc3\xab <z@example.org>");
	yz_free(text);
	assert_ok(yz_msg_to(m, "j\xc3\xbcrg@example.org"));
	assert_true(yz_msg_needs_utf8(m, false));
	o.is_utf8 = false;
	assert_int_equal(yz_msg_write_mem(m, &o, OUT_MAX, &text, &n), YZ_E_NOTSUPP);
	yz_msg_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_small_letter_as_a_whole),
		cmocka_unit_test(behaviour_80_what_is_missing_is_made_and_bcc_stays_at_home),
		cmocka_unit_test(behaviour_80_who_it_is_from_and_to),
		cmocka_unit_test(behaviour_81_line_breaks_are_refused_everywhere),
		cmocka_unit_test(behaviour_81_folds_and_words_have_their_limits),
		cmocka_unit_test(behaviour_82_file_names_travel_by_rfc_2231),
		cmocka_unit_test(behaviour_82_no_boundary_is_in_what_it_bounds),
		cmocka_unit_test(behaviour_82_lines_of_encoded_bodies_have_76_octets),
		cmocka_unit_test(behaviour_82_nesting_has_a_limit),
		cmocka_unit_test(fields_are_set_got_and_removed),
		cmocka_unit_test(list_unsubscribe),
		cmocka_unit_test(attachments_from_files_pipes_and_callbacks),
		cmocka_unit_test(writing_to_places),
		cmocka_unit_test(a_pipe_that_nobody_reads_is_an_error_and_no_signal),
		cmocka_unit_test(shapes),
		cmocka_unit_test(parts_by_hand),
		cmocka_unit_test(ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
