#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "proto/imap/imap_syntax.h"

static const char *const op_names[IMAP_OP_COUNT] = {[IMAP_OP_ALL] = "all",
	[IMAP_OP_AND] = "and",
	[IMAP_OP_OR] = "or",
	[IMAP_OP_NOT] = "not",
	[IMAP_OP_FLAG] = "flag",
	[IMAP_OP_KEYWORD] = "keyword",
	[IMAP_OP_SET] = "set",
	[IMAP_OP_UID] = "uid",
	[IMAP_OP_HEADER] = "header",
	[IMAP_OP_BODY] = "body",
	[IMAP_OP_TEXT] = "text",
	[IMAP_OP_LARGER] = "larger",
	[IMAP_OP_SMALLER] = "smaller",
	[IMAP_OP_BEFORE] = "before",
	[IMAP_OP_ON] = "on",
	[IMAP_OP_SINCE] = "since",
	[IMAP_OP_SENT_BEFORE] = "sent-before",
	[IMAP_OP_SENT_ON] = "sent-on",
	[IMAP_OP_SENT_SINCE] = "sent-since",
	[IMAP_OP_SAVED_BEFORE] = "saved-before",
	[IMAP_OP_SAVED_ON] = "saved-on",
	[IMAP_OP_SAVED_SINCE] = "saved-since",
	[IMAP_OP_SAVEDATE_SUPPORTED] = "savedate",
	[IMAP_OP_OLDER] = "older",
	[IMAP_OP_YOUNGER] = "younger",
	[IMAP_OP_MODSEQ] = "modseq",
	[IMAP_OP_EMAILID] = "emailid",
	[IMAP_OP_THREADID] = "threadid"};

static void put_key(struct buf *b, const struct imap_key *k)
{
	buf_printf(b, "(%s%s", k->is_fuzzy ? "~" : "", op_names[k->op]);
	if (k->op == IMAP_OP_FLAG)
		buf_printf(b, " %u", k->flag);
	if (k->field.len)
		buf_printf(b, " " SPAN_FMT, SPAN_ARG(k->field));
	if (k->op == IMAP_OP_HEADER || k->text.len)
		buf_printf(b, " '" SPAN_FMT "'", SPAN_ARG(k->text));
	if (k->number)
		buf_printf(b, " %llu", (unsigned long long)k->number);
	if (k->day)
		buf_printf(b, " %lld", (long long)k->day);
	if (k->set.count || k->set.is_saved) {
		buf_char(b, ' ');
		imap_set_put(b, &k->set);
	}
	for (const struct imap_key *c = k->child; c; c = c->next) {
		buf_char(b, ' ');
		put_key(b, c);
	}
	buf_char(b, ')');
}

static void put_find(struct buf *b, const struct imap_find *f)
{
	if (f->returns.is_given)
		buf_printf(b, "return=%u ", f->returns.what);
	if (f->returns.what & IMAP_RETURN_PARTIAL)
		buf_printf(b, "partial=%s%u:%u ", f->returns.partial.is_from_end ? "-" : "",
			f->returns.partial.low, f->returns.partial.high);
	for (size_t i = 0; i < f->source_count; i++) {
		buf_printf(b, "in=%d", f->sources[i].kind);
		for (size_t k = 0; k < f->sources[i].count; k++)
			buf_printf(b, "," SPAN_FMT, SPAN_ARG(f->sources[i].names[k]));
		buf_char(b, ' ');
	}
	for (size_t i = 0; i < f->sort_count; i++)
		buf_printf(b, "by=%s%d ", f->sort[i].is_reverse ? "-" : "", f->sort[i].key);
	if (f->search.is_foreign)
		buf_str(b, "foreign ");
	put_key(b, f->search.root);
}

static const struct {
	const char *line, *said; /* "!" and the error's beginning: refused */
} cases[] = {
	{"a SEARCH ALL", "(all)"},
	/* RFC 9051 section 6.4.4 */
	{"A282 SEARCH RETURN (MIN COUNT) FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\"",
		"return=9 (and (flag 2) (since 8797) (not (header From 'Smith')))"},
	{"A283 SEARCH RETURN () FLAGGED", "return=4 (flag 2)"},
	{"A284 SEARCH TEXT \"string not in mailbox\"", "(text 'string not in mailbox')"},
	{"A285 SEARCH CHARSET UTF-8 TEXT {6}\r\nпри", "(text 'при')"},
	{"F283 SEARCH RETURN (SAVE) KEYWORD $Junk", "return=16 (keyword '$Junk')"},
	{"a SEARCH UID $ SMALLER 4096", "(and (uid $) (smaller 4096))"},
	{"a SEARCH $ 1:3,7 *", "(and (set $) (set 1:3,7) (set *))"},
	{"a SEARCH OR 1 (UNSEEN LARGER 10)", "(or (set 1) (and (not (flag 8)) (larger 10)))"},
	{"a SEARCH (DELETED)", "(flag 4)"},
	{"a SEARCH NOT (SEEN ANSWERED)", "(not (and (flag 8) (flag 1)))"},
	{"a SEARCH NEW OLD RECENT",
		"(and (and (flag 32) (not (flag 8))) (not (flag 32)) (flag 32))"},
	{"a SEARCH UNANSWERED UNDELETED UNDRAFT UNFLAGGED UNKEYWORD x UNSEEN",
		"(and (not (flag 1)) (not (flag 4)) (not (flag 16)) (not (flag 2)) (not (keyword 'x')) (not (flag 8)))"},
	{"a SEARCH BCC a CC b TO c SUBJECT d BODY e DRAFT",
		"(and (header Bcc 'a') (header Cc 'b') (header To 'c') (header Subject 'd') (body 'e') (flag 16))"},
	{"a search header message-id \"<a@b>\" HEADER X-Spam \"\"",
		"(and (header message-id '<a@b>') (header X-Spam ''))"},
	{"a SEARCH BEFORE \"2-Jan-1970\" ON 02-Jan-1970 SENTBEFORE 2-jan-1970 SENTON 2-Jan-1970 SENTSINCE 2-Jan-1970",
		"(and (before 1) (on 1) (sent-before 1) (sent-on 1) (sent-since 1))"},
	{"a SEARCH SAVEDBEFORE 2-Jan-1970 SAVEDON 2-Jan-1970 SAVEDSINCE 2-Jan-1970 SAVEDATESUPPORTED",
		"(and (saved-before 1) (saved-on 1) (saved-since 1) (savedate))"},
	{"a1 SEARCH UNSEEN YOUNGER 259200 OLDER 60",
		"(and (not (flag 8)) (younger 259200) (older 60))"},
	{"a SEARCH MODSEQ \"/flags/\\\\draft\" all 620162338", "(modseq 620162338)"}, /* RFC 7162 */
	{"t SEARCH OR NOT MODSEQ 720162338 LARGER 50000",
		"(or (not (modseq 720162338)) (larger 50000))"},
	{"a SEARCH EMAILID M6d99ac3275bb4e THREADID T64b478a75b7ea9",
		"(and (emailid 'M6d99ac3275bb4e') (threadid 'T64b478a75b7ea9'))"},
	/* RFC 6203 section 3 and 4 */
	{"A1 SEARCH FUZZY (SUBJECT \"balnaces\") FROM x",
		"(and (~header Subject 'balnaces') (header From 'x'))"},
	{"a SEARCH FUZZY OR (BODY a TO b) NOT TEXT c",
		"(~or (and (~body 'a') (~header To 'b')) (~not (~text 'c')))"},
	{"a SEARCH TEXT \"a\\\"b\\\\c\"", "(text 'a\"b\\c')"},
	{"a SEARCH TEXT {4+}\r\na\r\nb SEEN", "(and (text 'a\r\nb') (flag 8))"},
	{"a SEARCH TEXT naïve", "(text 'naïve')"}, /* 8-bit UTF-8 without quotes */
	{"a SEARCH RETURN (COUNT PARTIAL -1:-100) ALL", "return=40 partial=-1:100 (all)"},
	{"a SEARCH RETURN (PARTIAL 500:400) ALL", "return=32 partial=400:500 (all)"},
	{"a UID SORT RETURN (ALL COUNT) (REVERSE DATE SUBJECT) UTF-8 UNDELETED",
		"return=12 by=-2 by=5 (not (flag 4))"},
	{"a SORT (ARRIVAL CC FROM SIZE TO DISPLAYFROM REVERSE DISPLAYTO) US-ASCII ALL",
		"by=0 by=1 by=3 by=4 by=6 by=7 by=-8 (all)"},
	{"a THREAD REFERENCES UTF-8 ALL", "(all)"},
	{"a ESEARCH UNSEEN", "return=4 (not (flag 8))"},
	/* RFC 7377 section 2.3 */
	{"tag1 ESEARCH IN (mailboxes \"folder1\" subtree \"folder2\") unseen",
		"return=4 in=7,folder1 in=5,folder2 (not (flag 8))"},
	{"a ESEARCH IN (personal selected subtree-one (a b)) RETURN (COUNT) UID 4",
		"return=8 in=3 in=0 in=6,a,b (uid 4)"},
	{"a SEARCH CHARSET KOI8-R SUBJECT {1}\r\n\xc1", "foreign (header Subject '\xc1')"},
	{"a SEARCH  ALL ", "(all)"},
	{"a SEARCH ( ALL SEEN )", "(and (all) (flag 8))"},

	{"a SEARCH", "!Expected a blank"},
	{"a SEARCH ", "!Expected a search key at octet 10"},
	{"a SEARCH ()", "!Expected a search key"},
	{"a SEARCH FOO", "!Expected a search key at octet 10"},
	{"a SEARCH NOT", "!Expected a blank"},
	{"a SEARCH OR SEEN", "!Expected a blank"},
	{"a SEARCH (SEEN", "!Expected \")\""},
	{"a SEARCH SEEN)", "!Expected the end"},
	{"a SEARCH SINCE 30-Feb-1994", "!Expected a date"},
	{"a SEARCH SINCE 1994-02-01", "!Expected a date"},
	{"a SEARCH LARGER -1", "!Expected a number"},
	{"a SEARCH LARGER 99999999999999999999", "!Expected a number"},
	{"a SEARCH YOUNGER 0", "!Expected a number"},
	{"a SEARCH KEYWORD \\Seen", "!Expected a keyword"},
	{"a SEARCH UID 0", "!Bad number"},
	{"a SEARCH 1:", "!Bad number"},
	{"a SEARCH TEXT", "!Expected a blank"},
	{"a SEARCH TEXT (a)", "!Expected a text"},
	{"a SEARCH TEXT \"a", "!Expected the end of a quoted string"},
	{"a SEARCH TEXT \"a\\b\"", "!Expected a character"},
	{"a SEARCH TEXT \xff", "!Expected a text"},
	{"a SEARCH TEXT {1}\r\n\xff", "!Expected a text in UTF-8"},
	{"a SEARCH TEXT ~{1}\r\na", "!Expected the end"},
	{"a SEARCH TEXT {9}\r\nabc", "!Expected the octets"},
	{"a SEARCH MODSEQ 9223372036854775808", "!Expected a modification"},
	{"a SEARCH RETURN (FOO) ALL", "!Expected MIN"},
	{"a SEARCH RETURN (ALL PARTIAL 1:2) ALL", "!Only one of"},
	{"a SEARCH RETURN (PARTIAL 1:2 PARTIAL 3:4) ALL", "!Expected one PARTIAL"},
	{"a SEARCH RETURN (PARTIAL 1:-2) ALL", "!Expected a range"},
	{"a SEARCH RETURN (PARTIAL 0:2) ALL", "!Expected a range"},
	{"a SORT () UTF-8 ALL", "!Expected a sort key"},
	{"a SORT (DATE) ALL", "!Expected a blank"},
	{"a SORT (FOO) UTF-8 ALL", "!Expected a sort key"},
	{"a THREAD FOO UTF-8 ALL", "!Expected REFERENCES"},
	{"a ESEARCH IN (mailboxes a) 1:3", "!Sequence numbers"},
	{"a ESEARCH IN (selected-delayed) ALL", "!Expected which"},
	{"a ESEARCH IN () ALL", "!Expected which"},
	{"a UID ESEARCH ALL", "!Unknown command"},
};

static void programs_become_trees(void **state)
{
	static const struct imap_dialect d = {0};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena *a = arena_new();
		struct buf *b = arena_buf(a, 4096);
		struct imap_command c;
		struct err e = {0};
		size_t n = strlen(cases[i].said);
		const char *line = cases[i].line;

		print_message("# line %zu\n", i);
		if (imap_command_parse(a, span_str(line), &d, &c, &e) < 0)
			buf_printf(b, "!%s", e.text);
		else
			put_find(b, &c.find);
		if (cases[i].said[0] == '!' && buf_len(b) > n)
			buf_truncate(b, n);
		assert_string_equal(buf_cstr(b), cases[i].said);
		arena_free(&a);
	}
}

static void no_charset_beside_utf8_accept(void **state)
{
	static const struct imap_dialect d = {.is_utf8 = true, .is_utf8_accepted = true};
	struct arena *a = arena_new();
	struct imap_command c;
	struct err e = {0};

	assert_int_equal(imap_command_parse(a, SPAN("a SEARCH CHARSET UTF-8 ALL"), &d, &c, &e), -1);
	assert_int_equal(e.code, ERR_SYNTAX);
	assert_int_equal(imap_command_parse(a, SPAN("a SEARCH ALL"), &d, &c, &e), 0);
	assert_int_equal(imap_command_parse(a, SPAN("a SORT (DATE) UTF-8 ALL"), &d, &c, &e), 0);
	arena_free(&a);
}

static void charsets_become_utf8(void **state)
{
	static const struct imap_dialect d = {0};
	struct arena *a = arena_new();
	struct buf *b = arena_buf(a, 4096);
	struct imap_command c;
	struct err e = {0};

	assert_int_equal(imap_command_parse(a,
				 SPAN("a SEARCH CHARSET KOI8-R OR SUBJECT {1}\r\n\xc1 "
				      "NOT HEADER X {1}\r\n\xc2"),
				 &d, &c, &e),
		0);
	assert_true(c.find.search.is_foreign);
	assert_int_equal(imap_search_to_utf8(a, &c.find.search, &e), 0);
	put_find(b, &c.find);
	assert_string_equal(buf_cstr(b), "(or (header Subject 'а') (not (header X 'б')))");
	assert_int_equal(
		imap_command_parse(a, SPAN("a SEARCH CHARSET X-NONE TEXT a"), &d, &c, &e), 0);
	assert_int_equal(imap_search_to_utf8(a, &c.find.search, &e), -1);
	buf_clear(b);
	imap_refusal_put(b, SPAN("a"), &e);
	assert_string_equal(
		buf_cstr(b), "a NO [BADCHARSET (UTF-8)] The charset is not known here\r\n");
	arena_free(&a);
}

struct hostile {
	const char *open, *core, *close;
	size_t times;
	bool is_fine;
};

static void nesting_and_numbers_have_limits(void **state)
{
	static const struct hostile bombs[] = {
		{"(", "ALL", ")", 20, true},
		{"(", "ALL", ")", IMAP_DEPTH_MAX, false},
		{"(", "ALL", ")", 60000, false},
		{"(", "", "", 100000, false},
		{"NOT ", "ALL", "", IMAP_DEPTH_MAX - 1, true},
		{"NOT ", "ALL", "", IMAP_DEPTH_MAX, false},
		{"NOT ", "ALL", "", 60000, false},
		{"OR ALL ", "ALL", "", 60000, false},
		{"FUZZY ", "ALL", "", 60000, false},
		{"ALL ", "ALL", "", IMAP_SEARCH_KEYS_MAX - 2, true}, /* and the AND around them */
		{"ALL ", "ALL", "", IMAP_SEARCH_KEYS_MAX, false},
	};
	static const struct imap_dialect d = {0};

	for (size_t i = 0; i < ARRAY_LEN(bombs); i++) {
		struct arena *a = arena_new();
		struct buf *b = arena_buf(a, 4 << 20);
		struct imap_command c;
		struct err e = {0};
		int rc;

		print_message("# %s %zu\n", bombs[i].open, bombs[i].times);
		buf_str(b, "a SEARCH ");
		for (size_t k = 0; k < bombs[i].times; k++)
			buf_str(b, bombs[i].open);
		buf_str(b, bombs[i].core);
		for (size_t k = 0; k < bombs[i].times; k++)
			buf_str(b, bombs[i].close);
		rc = imap_command_parse(a, buf_span(b), &d, &c, &e);
		assert_int_equal(rc, bombs[i].is_fine ? 0 : -1);
		assert_int_equal(e.code, bombs[i].is_fine ? ERR_NONE : ERR_LIMIT);
		arena_free(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_become_trees),
		cmocka_unit_test(no_charset_beside_utf8_accept),
		cmocka_unit_test(charsets_become_utf8),
		cmocka_unit_test(nesting_and_numbers_have_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
