#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/must.h"

/* 0001-01-01 to 9999-12-31 in UTC seconds */
#define YEAR_1_SEC    -62135596800LL
#define YEAR_9999_SEC 253402300799LL

static void assert_same_as_libc(int64_t sec, int zone)
{
	time_t shifted = (time_t)(sec + zone * 60);
	struct clock_civil c;
	struct tm tm;

	clock_to_civil(sec, zone, &c);
	assert_non_null(gmtime_r(&shifted, &tm));
	assert_int_equal(c.year, tm.tm_year + 1900);
	assert_int_equal(c.month, tm.tm_mon + 1);
	assert_int_equal(c.day, tm.tm_mday);
	assert_int_equal(c.hour, tm.tm_hour);
	assert_int_equal(c.minute, tm.tm_min);
	assert_int_equal(c.second, tm.tm_sec);
	assert_int_equal(c.weekday, tm.tm_wday);
	assert_true(clock_from_civil(&c) == sec);
	assert_true(timegm(&tm) == sec + zone * 60);
}

static void civil_agrees_with_libc_over_ten_thousand_years(void **state)
{
	/* a step that is prime to days, so that every hour, weekday and month turns up */
	for (int64_t sec = YEAR_1_SEC + 86400; sec < YEAR_9999_SEC - 86400;
		sec += 86400 * 37 + 7919)
		assert_same_as_libc(sec, (int)(sec % 840));
}

static void civil_agrees_with_libc_at_turns(void **state)
{
	static const int64_t turns[] = {0, -1, 1, 86399, 86400, -86400, -86401, 951782399,
		951782400, 951868800, 1709164800, 1709251199, 4107542399, 4107542400, 2147483647,
		2147483648, -2147483649, -62135596800, 253402300799};

	for (size_t i = 0; i < ARRAY_LEN(turns); i++)
		assert_same_as_libc(turns[i], 0);
}

static void assert_put(struct buf *b, const char *want)
{
	assert_string_equal(buf_cstr(b), want);
	buf_clear(b);
}

static void rfc5322_dates(void **state)
{
	static const struct {
		int64_t sec;
		int zone;
		const char *want;
	} cases[] = {
		{0, 0, "Thu, 1 Jan 1970 00:00:00 +0000"},
		{0, -1, "Wed, 31 Dec 1969 23:59:00 -0001"},
		{1795415400, 0, "Mon, 23 Nov 2026 06:30:00 +0000"},
		{1795415400, 330, "Mon, 23 Nov 2026 12:00:00 +0530"},
		{1795415400, -210, "Mon, 23 Nov 2026 03:00:00 -0330"},
		{1795415400, 840, "Mon, 23 Nov 2026 20:30:00 +1400"},
		{1709164800, 0, "Thu, 29 Feb 2024 00:00:00 +0000"},
		{YEAR_1_SEC, 0, "Mon, 1 Jan 0001 00:00:00 +0000"},
		{YEAR_9999_SEC, 0, "Fri, 31 Dec 9999 23:59:59 +0000"},
	};
	struct buf b;

	buf_init(&b, 100);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		clock_put_rfc5322(&b, cases[i].sec, cases[i].zone);
		assert_put(&b, cases[i].want);
	}
	buf_fini(&b);
}

static void rfc5322_agrees_with_strftime(void **state)
{
	struct buf b;

	buf_init(&b, 100);
	for (int64_t sec = 0; sec < 8000000000; sec += 86400 * 11 + 3607) {
		time_t t = (time_t)sec;
		char day[40], rest[40];
		struct tm tm;

		gmtime_r(&t, &tm);
		strftime(day, sizeof(day), "%a, ", &tm);
		strftime(rest, sizeof(rest), " %b %Y %H:%M:%S +0000", &tm);
		clock_put_rfc5322(&b, sec, 0);
		assert_memory_equal(buf_cstr(&b), day, 5);
		assert_non_null(strstr(buf_cstr(&b), rest));
		buf_clear(&b);
	}
	buf_fini(&b);
}

static void rfc3339_dates(void **state)
{
	struct buf b;

	buf_init(&b, 100);
	clock_put_rfc3339(&b, 1795415400);
	assert_put(&b, "2026-11-23T06:30:00Z");
	clock_put_rfc3339_ms(&b, 1795415400 * CLOCK_SEC + 123 * CLOCK_MS + 999999);
	assert_put(&b, "2026-11-23T06:30:00.123Z");
	clock_put_rfc3339_ms(&b, 0);
	assert_put(&b, "1970-01-01T00:00:00.000Z");
	clock_put_rfc3339_ms(&b, -1);
	assert_put(&b, "1969-12-31T23:59:59.999Z");
	buf_fini(&b);
}

static void durations_for_people(void **state)
{
	static const struct {
		int64_t ns;
		const char *want;
	} cases[] = {
		{0, "0us"},
		{999, "0us"},
		{CLOCK_US, "1us"},
		{20 * CLOCK_MS, "20ms"},
		{999 * CLOCK_MS, "999ms"},
		{CLOCK_SEC, "1.0s"},
		{1500 * CLOCK_MS, "1.5s"},
		{10 * CLOCK_SEC, "10s"},
		{59 * CLOCK_SEC, "59s"},
		{CLOCK_MIN, "1m"},
		{3 * CLOCK_MIN + 5 * CLOCK_SEC, "3m5s"},
		{CLOCK_HOUR, "1h"},
		{CLOCK_HOUR + 5 * CLOCK_SEC, "1h"},
		{2 * CLOCK_DAY + 4 * CLOCK_HOUR, "2d4h"},
		{2 * CLOCK_DAY + 30 * CLOCK_MIN, "2d"},
		{-90 * CLOCK_SEC, "-1m30s"},
		{INT64_MAX, "106751d23h"},
		{INT64_MIN, "-106751d23h"},
	};
	struct buf b;

	buf_init(&b, 100);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		clock_put_duration(&b, cases[i].ns);
		assert_put(&b, cases[i].want);
	}
	buf_fini(&b);
}

static void durations_that_parse(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} cases[] = {
		{"0", 0},
		{"90", 90 * CLOCK_SEC},
		{"90s", 90 * CLOCK_SEC},
		{"5m", 5 * CLOCK_MIN},
		{"5ms", 5 * CLOCK_MS},
		{"1h30m", 90 * CLOCK_MIN},
		{"1h30", CLOCK_HOUR + 30 * CLOCK_SEC},
		{"5d", 5 * CLOCK_DAY},
		{"1w2d3h4m5s6ms",
			9 * CLOCK_DAY + 3 * CLOCK_HOUR + 4 * CLOCK_MIN + 5 * CLOCK_SEC +
				6 * CLOCK_MS},
		{"106751d", 106751 * CLOCK_DAY},
		{"9223372036s", 9223372036 * CLOCK_SEC},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t ns = -1;

		assert_true(clock_parse_duration(span_str(cases[i].text), &ns));
		assert_true(ns == cases[i].ns);
	}
}

static void durations_that_do_not(void **state)
{
	static const char *const cases[] = {"", "s", "m5", "-5", "+5", " 5", "5 ", "5 m", "5x",
		"5mm", "5M", "1.5s", "1h-30m", "106752d", "9223372037s", "18446744073709551616",
		"99999999999w", "1d106751d23h48m"};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t ns = 77;

		assert_false(clock_parse_duration(span_str(cases[i]), &ns));
		assert_true(ns == 77);
	}
}

static void rfc3339_dates_are_read(void **state)
{
	static const struct {
		const char *text;
		int64_t sec; /* -1: it is none */
	} t[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"2026-11-23T06:30:00Z", 1795415400},
		{"2026-11-23t14:30:00.999+08:00", 1795415400},
		{"2026-11-23T02:00:00-04:30", 1795415400},
		{"2028-02-29T00:00:00z", 1835395200},
		{"2027-02-29T00:00:00Z", -1},
		{"2100-02-29T00:00:00Z", -1},
		{"2026-11-31T00:00:00Z", -1},
		{"2026-00-01T00:00:00Z", -1},
		{"2026-11-23T24:00:00Z", -1},
		{"2026-11-23T06:60:00Z", -1},
		{"2026-11-23T06:30:00", -1},
		{"2026-11-23T06:30:00.Z", -1},
		{"2026-11-23T06:30:00+24:00", -1},
		{"2026-11-23T06:30:00+0800", -1},
		{"2026-11-23T06:30:00Z ", -1},
		{"2026-11-23 06:30:00Z", -1},
		{"26-11-23T06:30:00Z", -1},
		{"", -1},
	};
	struct buf b;

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		int64_t sec = 7;
		bool is_read = clock_parse_rfc3339(span_str(t[i].text), &sec);

		if (is_read != (t[i].sec >= 0) || (is_read && sec != t[i].sec))
			fail_msg("%s: %lld", t[i].text, (long long)sec);
	}
	/* what is written is read */
	buf_init(&b, 100);
	for (int64_t sec = 0; sec < 8000000000; sec += 86400 * 11 + 3607) {
		int64_t back = -1;

		buf_clear(&b);
		clock_put_rfc3339(&b, sec);
		assert_true(clock_parse_rfc3339(buf_span(&b), &back) && back == sec);
	}
	buf_fini(&b);
}

static void zone_is_utc_here(void **state)
{
	/* TZ=UTC is set for unit tests (tests/unit/meson.build) */
	assert_int_equal(clock_zone_minutes(1795415400), 0);
}

static void clocks_move_forward(void **state)
{
	int64_t mono = clock_mono_ns(), wall = clock_wall_ns();

	assert_true(clock_mono_ns() >= mono);
	assert_true(wall > 1600000000 * CLOCK_SEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(civil_agrees_with_libc_over_ten_thousand_years),
		cmocka_unit_test(civil_agrees_with_libc_at_turns),
		cmocka_unit_test(rfc5322_dates),
		cmocka_unit_test(rfc5322_agrees_with_strftime),
		cmocka_unit_test(rfc3339_dates),
		cmocka_unit_test(durations_for_people),
		cmocka_unit_test(durations_that_parse),
		cmocka_unit_test(durations_that_do_not),
		cmocka_unit_test(rfc3339_dates_are_read),
		cmocka_unit_test(zone_is_utc_here),
		cmocka_unit_test(clocks_move_forward),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
