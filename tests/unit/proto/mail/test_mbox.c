#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "proto/mail/mbox.h"

/* What a file says, as text: "[date flags keywords]octets" for each message, '!' for junk. */
static void read_all(
	struct buf *out, enum mbox_kind kind, struct span file, size_t step, bool is_pipe)
{
	struct mbox m;
	struct mbox_event ev;
	struct span in = SPAN_NONE;
	size_t at = 0;

	mbox_init(&m, kind);
	for (;;) {
		mbox_next(&m, &in, &ev);
		if (ev.kind == MBOX_OVER)
			break;
		switch (ev.kind) {
		case MBOX_MORE:
			assert_int_equal(in.len, 0);
			in = span_sub(file, at, step);
			at += in.len;
			if (!in.len)
				mbox_finish(&m);
			break;
		case MBOX_PROBE:
			if (!is_pipe && ev.offset <= file.len)
				mbox_probed(&m, span_sub(file, ev.offset, MBOX_PROBE_BYTES),
					file.len - ev.offset <= MBOX_PROBE_BYTES);
			else
				mbox_probed(&m, SPAN_NONE, false);
			break;
		case MBOX_BEGIN:
			buf_printf(out, "[%lld %x" SPAN_FMT, (long long)m.letter.date_sec,
				m.letter.flags, SPAN_ARG(m.letter.sender));
			if (m.letter.keywords.len)
				buf_printf(out, " " SPAN_FMT, SPAN_ARG(m.letter.keywords));
			if (m.letter.labels.len)
				buf_printf(out, " <" SPAN_FMT ">", SPAN_ARG(m.letter.labels));
			buf_printf(out, "%s%s]", m.letter.is_internal ? " internal" : "",
				m.letter.is_removed ? " removed" : "");
			break;
		case MBOX_OCTETS: buf_span_put(out, ev.octets); break;
		case MBOX_END: buf_str(out, "$"); break;
		default: buf_printf(out, "!%d", (int)ev.offset); break;
		}
	}
	assert_int_equal(m.offset, file.len);
	mbox_fini(&m);
}

#define F "From a@b Mon Nov 23 06:30:00 2026\n"
#define D "1795415400"

static const struct {
	const char *name, *file, *want;
	enum mbox_kind kind;
	bool is_pipe;
} cases[] = {
	{"nothing", "", ""},
	{"one message", F "Subject: x\n\ntext\n", "[" D " 0a@b]Subject: x\r\n\r\ntext\r\n$"},
	{"the empty line in front of the next one is the file's",
		F "S: x\n\ntext\n\n\n" F "S: y\n\nb\n\n",
		"[" D " 0a@b]S: x\r\n\r\ntext\r\n\r\n$[" D " 0a@b]S: y\r\n\r\nb\r\n$"},
	{"no empty line between", F "S: x\n\ntext\n" F "S: y\n\n",
		"[" D " 0a@b]S: x\r\n\r\ntext\r\n$[" D " 0a@b]S: y\r\n\r\n$"},
	{"no line end at the end", F "S: x\n\ntext", "[" D " 0a@b]S: x\r\n\r\ntext$"},
	{"header sections alone", F "S: x\n" F "S: y\n",
		"[" D " 0a@b]S: x\r\n$[" D " 0a@b]S: y\r\n$"},
	{"no header section", F "no field\nFrom here\n", "[" D " 0a@b]no field\r\nFrom here\r\n$"},
	{"nothing but From lines", F F, "[" D " 0a@b]$[" D " 0a@b]$"},
	{"text From without a date", F "S: x\n\na\n\nFrom here on it rains\nFrom 10:30 on\n",
		"[" D " 0a@b]S: x\r\n\r\na\r\n\r\nFrom here on it rains\r\nFrom 10:30 on\r\n$"},
	{"an odd date behind an empty line",
		F "S: x\n\na\n\nFrom MAILER 23-Nov-2026 at 06:30\nS: y\n\nb\n",
		"[" D " 0a@b]S: x\r\n\r\na\r\n$[0 0MAILER 23-Nov-2026 at 06:30]S: y\r\n\r\nb\r\n$"},
	{"quotes of mboxrd", F "S: x\n\n>From a\n>>From b\n> From\n>From\n",
		"[" D " 0a@b]S: x\r\n\r\nFrom a\r\n>From b\r\n> From\r\n>From\r\n$"},
	{"quotes of mboxo", F "S: x\n\n>From a\n>>From b\n",
		"[" D " 0a@b]S: x\r\n\r\nFrom a\r\n>>From b\r\n$", MBOX_O},
	{"flags", F "Status: RO\nS: x\nX-Status: AFTD\nX-Keywords: $Forwarded  work\n more  \n\n",
		"[" D " 1fa@b $Forwarded work more]S: x\r\n\r\n$"},
	{"the last field of a name counts, the others are the message's",
		F "Status: O\nS: x\nStatus: RO\n\nStatus: D\n",
		"[" D " 1a@b]Status: O\r\nS: x\r\n\r\nStatus: D\r\n$"},
	{"fields of c-client and Thunderbird",
		F
		"X-UID: 7\nX-IMAPbase: 1 7 a\nX-Mozilla-Status: 0005\nX-Mozilla-Status2: 00000000\n"
		"X-Mozilla-Keys: $label1 todo   \n\nt\n",
		"[" D " 5a@b $label1 todo]\r\nt\r\n$"},
	{"what Thunderbird has removed", F "X-Mozilla-Status: 0009\n\nt\n",
		"[" D " 1a@b removed]\r\nt\r\n$"},
	{"labels of Gmail stay", F "X-Gmail-Labels: Inbox,\n Work\nS: x\n\n",
		"[" D " 0a@b <Inbox,\n Work>]X-Gmail-Labels: Inbox,\r\n Work\r\nS: x\r\n\r\n$"},
	{"internal data",
		F "From: Mail System Internal Data <MAILER-DAEMON@x>\n"
		  "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1 2\n\nt\n",
		"[" D " 0a@b internal]From: Mail System Internal Data <MAILER-DAEMON@x>\r\n"
		"Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\r\n\r\nt\r\n$"},
	{"Content-Length that fits", F "Content-Length: 41\nS: x\n\na\n\n" F "end\n\n" F "\nb\n",
		"[" D " 0a@b]S: x\r\n\r\na\r\n\r\nFrom a@b Mon Nov 23 06:30:00 2026\r\nend\r\n$[" D
		" 0a@b]\r\nb\r\n$"},
	{"Content-Length up to the end", F "Content-Length: 4\n\nabc\n",
		"[" D " 0a@b]\r\nabc\r\n$"},
	{"Lines goes with Content-Length", F "Lines: 7\nContent-Length: 4\nLines: 1\n\nabc\n",
		"[" D " 0a@b]Lines: 7\r\n\r\nabc\r\n$"},
	{"Lines alone stays", F "Lines: 1\n\nabc\n", "[" D " 0a@b]Lines: 1\r\n\r\nabc\r\n$"},
	{"Content-Length of nothing", F "Content-Length: 0\n\n\n" F "\nb\n",
		"[" D " 0a@b]\r\n$[" D " 0a@b]\r\nb\r\n$"},
	{"Content-Length that does not fit stays", F "Content-Length: 3\n\nabcdef\n" F "\n",
		"[" D " 0a@b]Content-Length: 3\r\n\r\nabcdef\r\n$[" D " 0a@b]\r\n$"},
	{"Content-Length beyond the end", F "Content-Length: 99\n\nabc\n",
		"[" D " 0a@b]Content-Length: 99\r\n\r\nabc\r\n$"},
	{"Content-Length of a pipe", F "Content-Length: 4\n\nabc\n",
		"[" D " 0a@b]Content-Length: 4\r\n\r\nabc\r\n$", MBOX_AUTO, true},
	{"Content-Length in mboxrd is a field", F "Content-Length: 4\n\nabc\n",
		"[" D " 0a@b]Content-Length: 4\r\n\r\nabc\r\n$", MBOX_RD},
	{"mboxcl2 has no quotes", F "Content-Length: 8\n\n>From a\n",
		"[" D " 0a@b]\r\n>From a\r\n$", MBOX_CL2},
	{"CRLF in the text of an LF file", F "S: x\r\n\r\na\r\nb\n",
		"[" D " 0a@b]S: x\r\n\r\na\r\nb\r\n$"},
	{"a file with CRLF is taken as it is",
		"From a@b Mon Nov 23 06:30:00 2026\r\nS: x\r\n\r\na\nb\r\r\nc\n\r\n"
		"From a@b Mon Nov 23 06:30:00 2026\r\nS: x\r\n\r\na\r\n\r\n",
		"[" D " 0a@b]S: x\r\n\r\na\nb\r\r\nc\n$[" D " 0a@b]S: x\r\n\r\na\r\n$"},
	{"and one without a line end", "From a@b Mon Nov 23 06:30:00 2026\r\nS: x\r\n\r\nab\r\n\n",
		"[" D " 0a@b]S: x\r\n\r\nab\r$"},
	{"junk in front", "hello\nthere\n\n" F "\nx\n", "!0[" D " 0a@b]\r\nx\r\n$"},
	{"empty lines in front", "\n\r\n" F "\nx\n", "[" D " 0a@b]\r\nx\r\n$"},
	{"a zone behind the year", "From a Mon Nov 23 06:30:00 2026 +0800\n\n",
		"[1795386600 0a]\r\n$"},
	{"a zone in front of the year", "From a Mon Nov 23 06:30:00 -0130 2026\n\n",
		"[1795420800 0a]\r\n$"},
	{"a name of a zone, no seconds", "From a Mon Nov 23 06:30 PST 2026\n\n", "[" D " 0a]\r\n$"},
	{"a sender with blanks", "From \"a b\"@c Mon Nov 23 06:30:00 2026\n\n",
		"[" D " 0\"a b\"@c]\r\n$"},
	{"no sender", "From Mon Nov 23 06:30:00 2026\n\n", "[" D " 0]\r\n$"},
	{"uucp left a line", F ">From x Mon Nov 23 06:30:00 2026\nS: x\n\n",
		"[" D " 0a@b]>From x Mon Nov 23 06:30:00 2026\r\nS: x\r\n\r\n$"},
};

static void forms(void **state)
{
	struct buf out;

	buf_init(&out, 65536);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t len = strlen(cases[i].file);

		for (size_t step = 1; step <= len + 1; step += step > 80 ? len : 1) {
			buf_clear(&out);
			read_all(&out, cases[i].kind, span_of(cases[i].file, len), step,
				cases[i].is_pipe);
			if (strcmp(buf_cstr(&out), cases[i].want) != 0)
				print_error("%s, step %zu\n", cases[i].name, step);
			assert_string_equal(buf_cstr(&out), cases[i].want);
		}
	}
	buf_fini(&out);
}

static void long_lines_and_headers(void **state)
{
	struct buf file, out;
	size_t n = 3 * MBOX_HEAD_MAX;

	buf_init(&file, 16 * MBOX_HEAD_MAX);
	buf_init(&out, 16 * MBOX_HEAD_MAX);
	buf_str(&file, F "S: x\n\n");
	for (size_t i = 0; i < n; i++)
		buf_char(&file, 'a');
	buf_str(&file, "\n\n" F "Status: R\nLong: ");
	for (size_t i = 0; i < n; i++)
		buf_char(&file, 'b');
	buf_str(&file, "\n\ntext\n\n" F "\n");
	read_all(&out, MBOX_AUTO, buf_span(&file), 4096, false);
	struct span text = buf_span(&out);
	assert_int_equal(text.len,
		2 * n +
			strlen("[" D " 0a@b]S: x\r\n\r\n\r\n$[" D
			       " 0a@b]Status: R\r\nLong: \r\n\r\n"
			       "text\r\n$[" D " 0a@b]\r\n$"));
	assert_true(span_find_span(text, SPAN("$[" D " 0a@b]Status: R\r\nLong: bbb")) > 0);
	buf_fini(&file);
	buf_fini(&out);
}

static const struct {
	const char *name, *message;
	unsigned flags;
	const char *keywords, *file; /* NULL: what comes back is looked at alone */
} letters[] = {
	{"plain", "S: x\r\n\r\ntext\r\n", 0, "", F "S: x\nStatus: O\n\ntext\n\n"},
	{"flags", "S: x\r\n\r\ntext\r\n", 31, "a $b",
		F "S: x\nStatus: RO\nX-Status: AFTD\nX-Keywords: a $b\n\ntext\n\n"},
	{"From lines are quoted", "S: x\r\n\r\nFrom a\r\n>From b\r\n From c\r\nFrom: d\r\n", 0, "",
		F "S: x\nStatus: O\n\n>From a\n>>From b\n From c\nFrom: d\n\n"},
	{"no body", "S: x\r\n\r\n", 1, ""},
	{"nothing at all behind the header", "S: x\r\n", 1, "", NULL},
	{"empty lines at the end", "S: x\r\n\r\na\r\n\r\n\r\n", 0, ""},
	{"fields of its own",
		"Status: R\r\nX-Keywords: q\r\nX-UID: 5\r\nX-Status: F\r\n"
		"X-Mozilla-Status: 0009\r\nContent-Length: 4\r\n\r\nabc\r\n",
		0, ""},
	{"bare LF", "S: x\r\n\r\na\nFrom b\nc\r\n", 2, "k"},
	{"bare LF at the end", "S: x\r\n\r\na\n", 2, "k"},
	{"bare CR", "S: x\r\n\r\na\rb\r\r\n", 2, "k"},
	{"no line end", "S: x\r\n\r\nabc", 4, ""},
	{"no line end behind an empty line", "S: x\r\n\r\nabc\r\n\r\nq", 4, ""},
	{"no line end but CR", "S: x\r\n\r\nabc\r", 4, ""},
	{"no line end, From", "S: x\r\n\r\nFrom ", 4, ""},
	{"no line end, the beginning of From", "S: x\r\n\r\n>>Fr", 4, ""},
	{"no header", "a b\r\nc\r\n", 0, ""},
	{"octets above ASCII, NUL", "S: \xc3\xa4\r\n\r\n\x01\xff\r\n", 0, ""},
};

static void put_letter(struct buf *file, size_t i, size_t step)
{
	struct span message = span_str(letters[i].message);
	struct mbox_writer w;
	char last = 0;
	bool is_bare = false;

	for (size_t at = 0; at < message.len && !is_bare; at += step)
		is_bare = mbox_is_bare(span_sub(message, at, step), &last);
	is_bare = is_bare || last == '\r';
	struct mbox_letter letter = {.sender = SPAN("a@b"),
		.date_sec = 1795415400,
		.flags = letters[i].flags,
		.keywords = span_str(letters[i].keywords)};
	mbox_write_begin(&w, file, &letter, is_bare, message.ptr[message.len - 1] != '\n');
	for (size_t at = 0; at < message.len; at += step)
		mbox_write(&w, span_sub(message, at, step));
	mbox_write_end(&w);
}

static void put_want(struct buf *want, size_t i)
{
	bool is_alone = strcmp(letters[i].message, "S: x\r\n") == 0;

	buf_printf(want, "[" D " %xa@b%s%s]%s%s$", letters[i].flags,
		letters[i].keywords[0] ? " " : "", letters[i].keywords, letters[i].message,
		is_alone ? "\r\n" : "");
}

static void round_trip(void **state)
{
	struct buf file, out, want;

	buf_init(&file, 65536);
	buf_init(&out, 65536);
	buf_init(&want, 65536);
	for (size_t step = 1; step < 12; step++) {
		buf_clear(&file), buf_clear(&out), buf_clear(&want);
		for (size_t i = 0; i < ARRAY_LEN(letters); i++) {
			size_t from = buf_len(&file);

			put_letter(&file, i, step);
			put_want(&want, i);
			if (letters[i].file)
				assert_string_equal(buf_cstr(&file) + from, letters[i].file);
		}
		read_all(&out, MBOX_AUTO, buf_span(&file), step, false);
		assert_string_equal(buf_cstr(&out), buf_cstr(&want));
	}
	buf_fini(&file);
	buf_fini(&out);
	buf_fini(&want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms),
		cmocka_unit_test(long_lines_and_headers),
		cmocka_unit_test(round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
