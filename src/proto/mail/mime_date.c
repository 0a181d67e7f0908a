#include "proto/mail/mime_date.h"

#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "proto/mail/mime_lex.h"

#define WORDS_MAX 16 /* of a date; more is not one */

static int find_name(struct span word, const char *names, int count)
{
	for (int i = 0; i < count; i++)
		if (word.len >= 3 &&
			span_eq_nocase(span_sub(word, 0, 3), span_of(names + 3 * i, 3)))
			return i;
	return -1;
}

static int month_of(struct span word)
{
	int i = find_name(word, "janfebmaraprmayjunjulaugsepoctnovdec", 12);

	if (i < 0 || word.len == 3)
		return i;
	/* written out: a word that merely begins like one ("Martin") is none */
	static const char *const whole[12] = {"january", "february", "march", "april", "may",
		"june", "july", "august", "september", "october", "november", "december"};

	return span_eq_nocase(word, span_str(whole[i])) ||
			(i == 8 && span_eq_nocase(word, SPAN("sept")))
		? i
		: -1;
}

/* RFC 5322 section 4.3; the letters of the military zones say nothing for sure */
static const struct zone {
	const char *name;
	int minutes;
} zones[] = {{"ut", 0}, {"utc", 0}, {"gmt", 0}, {"z", 0}, {"est", -300}, {"edt", -240},
	{"cst", -360}, {"cdt", -300}, {"mst", -420}, {"mdt", -360}, {"pst", -480}, {"pdt", -420}};

static bool is_digits(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
	return s.len > 0;
}

static bool number(struct span s, unsigned max, int *out)
{
	uint64_t v;

	if (s.len > 5 || !span_u64_max(s, max, &v))
		return false;
	*out = (int)v;
	return true;
}

struct date_words {
	struct span at[WORDS_MAX];
	size_t count, next;
};

/* Words without comments; commas are blanks. */
static bool split(struct span value, struct date_words *w)
{
	struct mime_lex l = {.rest = value};

	memset(w, 0, sizeof(*w));
	for (;;) {
		size_t n = 0;

		mime_skip_cfws(&l);
		if (l.rest.len && l.rest.ptr[0] == ',') {
			l.rest = span_skip(l.rest, 1);
			continue;
		}
		if (!l.rest.len)
			return w->count > 0;
		while (n < l.rest.len && !mime_is_blank(l.rest.ptr[n]) && l.rest.ptr[n] != '(' &&
			l.rest.ptr[n] != ',')
			n++;
		if (w->count == WORDS_MAX)
			return false;
		w->at[w->count++] = span_sub(l.rest, 0, n);
		l.rest = span_skip(l.rest, n);
	}
}

static struct span next(struct date_words *w)
{
	return w->next < w->count ? w->at[w->next++] : SPAN_NONE;
}

static bool set_year(struct clock_civil *c, struct span s, struct mime_date *d)
{
	if (!number(s, 9999, &c->year))
		return false;
	if (s.len > 3)
		return true;
	/* RFC 5322 section 4.3: two digits, and three */
	d->is_obsolete = true;
	if (s.len < 2)
		return false;
	c->year += s.len == 3 || c->year >= 50 ? 1900 : 2000;
	return true;
}

static bool set_time(struct clock_civil *c, struct span s)
{
	struct span hour, minute, second;

	if (!span_cut(s, ':', &hour, &s))
		return false;
	if (!span_cut(s, ':', &minute, &second))
		second = SPAN("0");
	second = span_sub(second, 0,
		span_find(second, '.') >= 0 ? (size_t)span_find(second, '.') : second.len);
	return number(hour, 23, &c->hour) && number(minute, 59, &c->minute) &&
		number(second, 60, &c->second);
}

static bool set_zone(struct span s, struct mime_date *d)
{
	int v;

	if (!s.len) {
		d->is_obsolete = true;
		return true;
	}
	if ((s.ptr[0] == '+' || s.ptr[0] == '-') && s.len == 6 && s.ptr[3] == ':') {
		int hours, minutes;

		d->is_obsolete = true; /* "+02:00", which RFC 3339 has */
		if (!number(span_sub(s, 1, 2), 99, &hours) ||
			!number(span_skip(s, 4), 59, &minutes))
			return false;
		v = hours * 60 + minutes;
	} else if (s.ptr[0] == '+' || s.ptr[0] == '-') {
		if (s.len != 5 || !number(span_skip(s, 1), 9959, &v) || v % 100 > 59)
			return false;
		v = v / 100 * 60 + v % 100;
		d->has_zone = v != 0 || s.ptr[0] == '+';
		d->zone_minutes = s.ptr[0] == '-' ? -v : v;
		return true;
	} else {
		d->is_obsolete = true;
		for (size_t i = 0; i < ARRAY_LEN(zones); i++)
			if (span_eq_nocase(s, span_str(zones[i].name))) {
				d->zone_minutes = zones[i].minutes;
				d->has_zone = true;
				return true;
			}
		return (s.len == 1 || s.len <= 5) && !is_digits(s); /* unknown: as -0000 */
	}
	d->has_zone = true;
	d->zone_minutes = s.ptr[0] == '-' ? -v : v;
	return true;
}

/* "06-Nov-94" of RFC 850 */
static bool set_dashed(struct clock_civil *c, struct span s, struct mime_date *d)
{
	struct span day, month, year;

	d->is_obsolete = true;
	if (!span_cut(s, '-', &day, &s) || !span_cut(s, '-', &month, &year))
		return false;
	c->month = month_of(month) + 1;
	return number(day, 31, &c->day) && c->month > 0 && set_year(c, year, d);
}

/* "Nov 6 08:49:37 1994" of asctime(); the month was taken. */
static bool set_asctime(struct clock_civil *c, struct date_words *w, struct mime_date *d)
{
	struct span year, zone = SPAN_NONE;

	d->is_obsolete = true;
	if (!number(next(w), 31, &c->day) || !set_time(c, next(w)))
		return false;
	year = next(w);
	if (!is_digits(year)) { /* "… EST 1994" of date(1) */
		zone = year;
		year = next(w);
	}
	if (!set_year(c, year, d))
		return false;
	return set_zone(zone.len ? zone : next(w), d);
}

static int days_in(int year, int month)
{
	static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return days[month - 1] +
		(month == 2 && ((year % 4 == 0 && year % 100 != 0) || year % 400 == 0));
}

bool mime_date_parse(struct span value, struct mime_date *date_r)
{
	struct date_words w;
	struct clock_civil c = {0};
	struct span word;
	bool ok;

	memset(date_r, 0, sizeof(*date_r));
	if (!split(value, &w))
		return false;
	word = next(&w);
	if (find_name(word, "sunmontuewedthufrisat", 7) >= 0 && month_of(word) < 0)
		word = next(&w);
	c.month = month_of(word) + 1;
	if (c.month) {
		ok = set_asctime(&c, &w, date_r);
	} else if (span_find(word, '-') > 0) {
		ok = set_dashed(&c, word, date_r) && set_time(&c, next(&w)) &&
			set_zone(next(&w), date_r);
	} else {
		ok = number(word, 31, &c.day);
		c.month = month_of(next(&w)) + 1;
		ok = ok && c.month && set_year(&c, next(&w), date_r) && set_time(&c, next(&w)) &&
			set_zone(next(&w), date_r);
	}
	if (!ok || c.day < 1 || c.day > days_in(c.year, c.month))
		return false;
	if (w.next < w.count)
		date_r->is_obsolete = true; /* words behind the zone */
	c.zone_minutes = date_r->zone_minutes;
	date_r->unix_sec = clock_from_civil(&c);
	return true;
}

/* "<…>" at the front: blanks inside are folding or noise, and dropped. */
static struct span take_id(struct arena *a, struct mime_lex *l, struct mime_ids *ids)
{
	struct span s = l->rest;
	ptrdiff_t again = span_find(span_skip(s, 1), '<');
	size_t head = again < 0 ? s.len : (size_t)again + 1;
	ptrdiff_t end = span_find(span_sub(s, 0, head), '>');
	char *out;
	size_t n = 0;

	if (end < 0) { /* the next one may be whole */
		ids->has_defects = true;
		l->rest = span_skip(s, head);
		return SPAN_NONE;
	}
	out = arena_alloc(a, (size_t)end + 2);
	for (size_t i = 0; i <= (size_t)end; i++)
		if (!mime_is_blank(s.ptr[i]))
			out[n++] = s.ptr[i];
	l->rest = span_skip(s, (size_t)end + 1);
	if (span_find(span_of(out, n), '@') < 0)
		ids->has_defects = true;
	return span_of(out, n);
}

void mime_ids_parse(struct arena *a, struct span value, struct mime_ids *ids_r)
{
	struct mime_lex l = {.rest = value};
	size_t room = 0;

	memset(ids_r, 0, sizeof(*ids_r));
	for (mime_skip_cfws(&l); l.rest.len; mime_skip_cfws(&l)) {
		struct span id;

		if (l.rest.ptr[0] != '<') { /* words (RFC 5322 section 4.5.4) and commas */
			ids_r->has_defects = true;
			l.rest = span_skip(
				l.rest, l.rest.ptr[0] == '"' ? mime_quoted_length(l.rest) : 1);
			continue;
		}
		if (ids_r->count == MIME_IDS_MAX) {
			ids_r->has_defects = true;
			return;
		}
		id = take_id(a, &l, ids_r);
		if (!id.len)
			continue;
		if (ids_r->count == room) {
			struct span *more;

			room = room ? room * 2 : 4;
			more = ARENA_ARRAY(a, struct span, room);
			if (ids_r->count)
				memcpy(more, ids_r->items, ids_r->count * sizeof(*more));
			ids_r->items = more;
		}
		ids_r->items[ids_r->count++] = id;
	}
}
