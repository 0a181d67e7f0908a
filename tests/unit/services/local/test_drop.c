/* The drop directory: what is put into it comes out once and whole, and nothing that somebody put there by
 * hand is taken for a letter of somebody else. */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/must.h"
#include "lib/scratch.h"
#include "services/local/drop.h"

#define assert_span_equal(s, text) assert_true(span_eq((s), SPAN(text)))

struct place {
	struct arena *a;
	const char *dir;
};

static int set_up(void **state)
{
	char made[SCRATCH_MAX];
	struct place *p = calloc(1, sizeof(*p));

	assert_true(scratch_new(made));
	p->a = arena_new();
	p->dir = arena_str(p->a, span_str(made));
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;

	assert_true(scratch_remove(p->dir));
	arena_free(&p->a);
	free(p);
	return 0;
}

static void put(struct place *p, const struct drop_envelope *env, struct span body)
{
	struct drop_writer w;
	struct err e = {0};
	struct span id;

	if (drop_begin(&w, p->a, p->dir, env, &e) < 0 || drop_put(&w, body, &e) < 0 ||
		drop_commit(&w, &id, &e) < 0)
		fail_msg("%s", e.text);
}

static size_t count(struct place *p, const char ***names_r)
{
	size_t n;
	struct err e = {0};

	if (drop_list(p->a, p->dir, clock_wall_ns(), 0, names_r, &n, &e) < 0)
		fail_msg("%s", e.text);
	return n;
}

static const char *path(struct place *p, const char *name)
{
	return arena_printf(p->a, "%s/%s", p->dir, name);
}

static const char *name_of(struct place *p, char digit)
{
	char *name = arena_printf(p->a, "drop-%032d", 0);

	name[5] = digit;
	return name;
}

static void write_file(const char *at, struct span text)
{
	FILE *f = fopen(at, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text.ptr, 1, text.len, f), text.len);
	fclose(f);
	assert_int_equal(chmod(at, 0600), 0);
}

static void what_is_put_comes_out(void **state)
{
	struct place *p = *state;
	struct span rcpts[] = {SPAN("bob@example.net"), SPAN("\"a b\"@example.net"), SPAN("root")};
	struct drop_envelope env = {.from = SPAN("alice@example.org"),
		.rcpts = rcpts,
		.rcpt_count = 3,
		.notify = SPAN("success,failure"),
		.ret = SPAN("hdrs"),
		.envid = SPAN("my id"),
		.is_8bit = true};
	struct span body = SPAN("Subject: x\r\n\r\nbody 0000000000000000000000\nrcpt 1:x,\n");
	const char **names;
	char text[128];
	struct drop d;
	struct err e = {0};
	struct stat st;

	put(p, &env, body);
	assert_int_equal(count(p, &names), 1);
	assert_int_equal(stat(path(p, names[0]), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(drop_open(p->a, p->dir, names[0], &d, &e), 0);
	assert_int_equal(d.uid, getuid());
	assert_span_equal(d.env.from, "alice@example.org");
	assert_int_equal(d.env.rcpt_count, 3);
	assert_span_equal(d.env.rcpts[1], "\"a b\"@example.net");
	assert_span_equal(d.env.notify, "success,failure");
	assert_span_equal(d.env.ret, "hdrs");
	assert_span_equal(d.env.envid, "my id");
	assert_true(d.env.is_8bit && !d.env.is_utf8);
	assert_int_equal(d.octets, body.len);
	assert_int_equal(drop_read(&d, 0, text, sizeof(text), &e), body.len);
	assert_memory_equal(text, body.ptr, body.len);
	assert_int_equal(drop_read(&d, body.len, text, sizeof(text), &e), 0);
	drop_close(&d);
	assert_int_equal(drop_remove(p->dir, names[0], &e), 0);
	assert_int_equal(count(p, &names), 0);
}

static void no_value_becomes_a_line(void **state)
{
	static const struct {
		const char *name;
		struct span from, rcpt;
		bool is_good;
	} cases[] = {
		{"plain", SPAN("a@x"), SPAN("b@x"), true},
		{"the null sender", SPAN(""), SPAN("b@x"), true},
		{"LF in the sender", SPAN("a@x,\nrcpt 3:e@x"), SPAN("b@x"), false},
		{"CR in the sender", SPAN("a@x\r"), SPAN("b@x"), false},
		{"LF in a recipient", SPAN("a@x"), SPAN("b@x,\nbody 0"), false},
		{"NUL in a recipient", SPAN("a@x"), SPAN("b@x\0evil"), false},
		{"a comma and a digit are octets like others", SPAN("a,1:b@x"), SPAN("3:b@x,"),
			true},
	};
	struct place *p = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct span rcpt = cases[i].rcpt;
		struct drop_envelope env = {.from = cases[i].from, .rcpts = &rcpt, .rcpt_count = 1};
		struct drop_writer w;
		struct err e = {0};
		int rc = drop_begin(&w, p->a, p->dir, &env, &e);

		drop_abort(&w);
		if ((rc == 0) != cases[i].is_good)
			fail_msg("%s: %s", cases[i].name, e.text);
		if (rc < 0)
			assert_int_equal(e.code, ERR_SYNTAX);
	}
	const char **names;
	assert_int_equal(count(p, &names), 0);
}

static void a_very_long_recipient_is_refused(void **state)
{
	struct place *p = *state;
	char *text = arena_alloc(p->a, DROP_VALUE_MAX + 1);
	struct span rcpt = span_of(memset(text, 'x', DROP_VALUE_MAX + 1), DROP_VALUE_MAX + 1);
	struct drop_envelope env = {.from = SPAN("a@x"), .rcpts = &rcpt, .rcpt_count = 1};
	struct drop_writer w;

	assert_int_equal(drop_begin(&w, p->a, p->dir, &env, NULL), -1);
	drop_abort(&w);
	rcpt.len--;
	assert_int_equal(drop_begin(&w, p->a, p->dir, &env, NULL), 0);
	drop_abort(&w);
}

#define HEAD  "yizhan-drop 1\nfrom 3:a@x,\nrcpt 3:b@x,\n"
#define ZEROS "0000000000000000000"

static void forged_heads_are_no_letters(void **state)
{
	static const struct {
		const char *name;
		struct span text;
		bool is_good;
	} cases[] = {
		{"as it should be", SPAN(HEAD "body " ZEROS "2\nhi"), true},
		{"empty", SPAN(""), false},
		{"another first line", SPAN("yizhan-drop 2\nfrom 0:,\n"), false},
		{"no recipient", SPAN("yizhan-drop 1\nfrom 3:a@x,\nbody " ZEROS "2\nhi"), false},
		{"no body", SPAN(HEAD), false},
		{"shorter than it says", SPAN(HEAD "body " ZEROS "3\nhi"), false},
		{"longer than it says", SPAN(HEAD "body " ZEROS "1\nhi"), false},
		{"a length over the limit", SPAN(HEAD "body 99999999999999999999\nhi"), false},
		{"a length that is none", SPAN(HEAD "body 000000000000000000-2\nhi"), false},
		{"a value that is cut", SPAN("yizhan-drop 1\nfrom 2000:a@x,\n"), false},
		{"a value of a huge length", SPAN("yizhan-drop 1\nfrom 9999999999999:a@x,\n"),
			false},
		{"a value without its comma", SPAN("yizhan-drop 1\nfrom 3:a@x\nrcpt 3:b@x,\n"),
			false},
		{"LF in a value",
			SPAN("yizhan-drop 1\nfrom 3:a\nx,\nrcpt 3:b@x,\nbody " ZEROS "2\nhi"),
			false},
		{"NUL in a value",
			SPAN("yizhan-drop 1\nfrom 3:a\0x,\nrcpt 3:b@x,\nbody " ZEROS "2\nhi"),
			false},
		{"a word that is not known", SPAN(HEAD "uid 1:0,\nbody " ZEROS "2\nhi"), false},
	};
	struct place *p = *state;
	const char *name = name_of(p, 'a');

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct drop d;
		struct err e = {0};

		write_file(path(p, name), cases[i].text);
		int rc = drop_open(p->a, p->dir, name, &d, &e);
		if ((rc == 0) != cases[i].is_good)
			fail_msg("%s: %s", cases[i].name, e.text);
		if (rc < 0)
			assert_int_equal(e.code, ERR_CORRUPT);
		drop_close(&d);
	}
}

/* The time of a file is its owner's to set; a sum of years must not overflow. */
static void a_letter_of_any_year_is_one(void **state)
{
	struct place *p = *state;
	const char *name = name_of(p, 'a'), *unfinished = path(p, "new-0"), **names;
	struct timespec far[2] = {{.tv_sec = 15000000000LL}, {.tv_sec = 15000000000LL}};
	struct timespec past[2] = {{.tv_sec = -2000000000LL}, {.tv_sec = -2000000000LL}};
	struct err e = {0};
	struct drop d;

	write_file(path(p, name), SPAN(HEAD "body " ZEROS "2\nhi"));
	write_file(unfinished, SPAN("x"));
	assert_int_equal(utimensat(AT_FDCWD, path(p, name), far, 0), 0);
	assert_int_equal(utimensat(AT_FDCWD, unfinished, far, 0), 0);
	assert_int_equal(count(p, &names), 1);
	assert_int_equal(access(unfinished, F_OK), 0);
	assert_int_equal(drop_open(p->a, p->dir, name, &d, &e), 0);
	assert_true(d.written_ns > clock_wall_ns());
	drop_close(&d);
	assert_int_equal(utimensat(AT_FDCWD, path(p, name), past, 0), 0);
	assert_int_equal(drop_open(p->a, p->dir, name, &d, &e), 0);
	assert_int_equal(d.written_ns, 0);
	drop_close(&d);
}

static void what_is_no_file_of_its_own_is_refused(void **state)
{
	struct place *p = *state;
	struct span good = SPAN(HEAD "body " ZEROS "2\nhi");
	const char *outside = path(p, "outside");
	struct err e = {0};
	struct drop d;

	write_file(outside, good);
	assert_int_equal(symlink(outside, path(p, name_of(p, 'a'))), 0);
	assert_int_equal(link(outside, path(p, name_of(p, 'b'))), 0);
	assert_int_equal(mkfifo(path(p, name_of(p, 'c')), 0600), 0);
	assert_int_equal(mkdir(path(p, name_of(p, 'd')), 0700), 0);
	write_file(path(p, name_of(p, 'e')), good);
	assert_int_equal(chmod(path(p, name_of(p, 'e')), 0620), 0);
	write_file(path(p, name_of(p, 'f')), good);
	assert_int_equal(chmod(path(p, name_of(p, 'f')), 0602), 0);
	for (char c = 'a'; c <= 'f'; c++) {
		int rc = drop_open(p->a, p->dir, name_of(p, c), &d, &e);

		if (rc == 0 || e.code != ERR_DENIED)
			fail_msg("%c: %d %s", c, rc, e.text);
		drop_close(&d);
	}
	assert_int_equal(drop_open(p->a, p->dir, name_of(p, '9'), &d, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	/* put aside, they are looked at no more */
	const char **names;
	assert_int_equal(count(p, &names), 6);
	for (char c = 'a'; c <= 'f'; c++)
		assert_int_equal(drop_refuse(p->dir, name_of(p, c), &e), 0);
	assert_int_equal(count(p, &names), 0);
	assert_int_equal(access(outside, R_OK), 0);
}

static void names_are_what_the_writer_makes(void **state)
{
	static const struct {
		const char *name;
		bool is_good;
	} cases[] = {
		{"drop-00112233445566778899aabbccddeeff", true},
		{"drop-00112233445566778899aabbccddeef", false},
		{"drop-00112233445566778899aabbccddeeff0", false},
		{"drop-00112233445566778899AABBCCDDEEFF", false},
		{"drop-../2233445566778899aabbccddeeff", false},
		{"new-00112233445566778899aabbccddeeff", false},
		{"refused-00112233445566778899aabbccddeeff", false},
		{"", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(drop_is_name(cases[i].name), cases[i].is_good);
}

static void what_a_dead_writer_left_goes_after_a_day(void **state)
{
	struct place *p = *state;
	const char **names;
	size_t n;

	write_file(path(p, "new-00112233445566778899aabbccddeeff"), SPAN("half"));
	assert_int_equal(count(p, &names), 0);
	assert_int_equal(access(path(p, "new-00112233445566778899aabbccddeeff"), F_OK), 0);
	assert_int_equal(
		drop_list(p->a, p->dir, clock_wall_ns() + 2 * CLOCK_DAY, 0, &names, &n, NULL), 0);
	assert_int_equal(access(path(p, "new-00112233445566778899aabbccddeeff"), F_OK), -1);
}

static void the_directory_must_be_one(void **state)
{
	struct place *p = *state;
	struct span rcpt = SPAN("b@x");
	struct drop_envelope env = {.from = SPAN("a@x"), .rcpts = &rcpt, .rcpt_count = 1};
	struct drop_writer w;
	struct err e = {0};
	struct stat st;

	assert_int_equal(drop_begin(&w, p->a, path(p, "none"), &env, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	drop_abort(&w);
	assert_int_equal(symlink(p->dir, path(p, "link")), 0);
	assert_int_equal(drop_begin(&w, p->a, path(p, "link"), &env, &e), -1);
	drop_abort(&w);
	assert_int_equal(drop_make_dir(path(p, "made"), 03733, &e), 0);
	assert_int_equal(stat(path(p, "made"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 03733);
	assert_int_equal(drop_make_dir(path(p, "made"), 0700, &e), 0);
	assert_int_equal(stat(path(p, "made"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 03733); /* as it was */
	/* the server's group reads, others do not */
	const char *was = p->dir, **names;
	p->dir = path(p, "made");
	put(p, &env, SPAN("x"));
	assert_int_equal(count(p, &names), 1);
	assert_int_equal(stat(path(p, names[0]), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	p->dir = was;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		CASE(what_is_put_comes_out),
		CASE(no_value_becomes_a_line),
		CASE(a_very_long_recipient_is_refused),
		CASE(forged_heads_are_no_letters),
		CASE(a_letter_of_any_year_is_one),
		CASE(what_is_no_file_of_its_own_is_refused),
		CASE(names_are_what_the_writer_makes),
		CASE(what_a_dead_writer_left_goes_after_a_day),
		CASE(the_directory_must_be_one),
	};
	return cmocka_run_group_tests_name("drop", tests, NULL, NULL);
}
