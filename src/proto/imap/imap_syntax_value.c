#include "proto/imap/imap_syntax_priv.h"

#include <string.h>

#include "base/clock.h"
#include "base/must.h"

static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

static bool take_digits(struct span *s, size_t n, int *value_r)
{
	uint64_t v;

	if (s->len < n || !span_u64(span_sub(*s, 0, n), &v))
		return false;
	*value_r = (int)v;
	*s = span_skip(*s, n);
	return true;
}

static bool take_char(struct span *s, char c)
{
	if (s->len == 0 || s->ptr[0] != c)
		return false;
	*s = span_skip(*s, 1);
	return true;
}

static bool take_month(struct span *s, int *month_r)
{
	for (int i = 0; i < 12 && s->len >= 3; i++) {
		if (!span_eq_nocase(span_sub(*s, 0, 3), span_of(month_names + 3 * i, 3)))
			continue;
		*month_r = i + 1;
		*s = span_skip(*s, 3);
		return true;
	}
	return false;
}

/* "-Mon-yyyy" behind the day */
static bool take_month_year(struct span *s, struct clock_civil *t)
{
	return take_char(s, '-') && take_month(s, &t->month) && take_char(s, '-') &&
		take_digits(s, 4, &t->year);
}

/* Is there such a day? 31-Feb is none. */
static bool is_day(const struct clock_civil *t)
{
	struct clock_civil noon = {.year = t->year, .month = t->month, .day = t->day, .hour = 12};
	struct clock_civil back;

	if (t->day < 1 || t->day > 31)
		return false;
	clock_to_civil(clock_from_civil(&noon), 0, &back);
	return back.day == t->day && back.month == t->month;
}

/* zone = ("+" / "-") 4DIGIT */
static bool take_zone(struct span *s, int *minutes_r)
{
	bool is_west = s->len && s->ptr[0] == '-';
	int h, m;

	if (!take_char(s, is_west ? '-' : '+') || !take_digits(s, 2, &h) ||
		!take_digits(s, 2, &m) || m > 59)
		return false;
	*minutes_r = (is_west ? -1 : 1) * (h * 60 + m);
	return true;
}

bool imap_date_time_parse(struct span s, struct imap_date_time *t_r)
{
	struct clock_civil t = {0};
	bool is_padded = s.len && s.ptr[0] == ' '; /* date-day-fixed = (SP DIGIT) / 2DIGIT */

	if (is_padded)
		s = span_skip(s, 1);
	if (!take_digits(&s, is_padded ? 1 : 2, &t.day) || !take_month_year(&s, &t) ||
		!take_char(&s, ' ') || !take_digits(&s, 2, &t.hour) || !take_char(&s, ':') ||
		!take_digits(&s, 2, &t.minute) || !take_char(&s, ':') ||
		!take_digits(&s, 2, &t.second) || !take_char(&s, ' ') ||
		!take_zone(&s, &t.zone_minutes) || s.len)
		return false;
	if (!is_day(&t) || t.hour > 23 || t.minute > 59 || t.second > 60)
		return false;
	t_r->unix_sec = clock_from_civil(&t);
	t_r->zone_minutes = t.zone_minutes;
	return true;
}

bool imap_date_parse(struct span s, int64_t *day_r)
{
	struct clock_civil t = {0};
	int64_t sec;
	size_t digits = s.len > 1 && s.ptr[1] != '-' ? 2 : 1; /* date-day = 1*2DIGIT */

	if (!take_digits(&s, digits, &t.day) || !take_month_year(&s, &t) || s.len || !is_day(&t))
		return false;
	sec = clock_from_civil(&t);
	*day_r = sec / 86400 - (sec % 86400 < 0);
	return true;
}

/* id, name */
static const struct {
	unsigned bit;
	const char *name;
} system_flags[] = {
	{IMAP_FLAG_ANSWERED, "\\Answered"},
	{IMAP_FLAG_FLAGGED, "\\Flagged"},
	{IMAP_FLAG_DELETED, "\\Deleted"},
	{IMAP_FLAG_SEEN, "\\Seen"},
	{IMAP_FLAG_DRAFT, "\\Draft"},
};

static bool has_keyword(const struct imap_flags *f, struct span word)
{
	for (size_t i = 0; i < f->count; i++)
		if (span_eq_nocase(f->keywords[i], word))
			return true;
	return false;
}

static int system_flag(struct imap_lex *l, struct imap_flags *f)
{
	size_t from = l->at++;
	struct span word;

	if (imap_lex_atom(l, "a flag", &word) < 0)
		return -1;
	word = span_sub(l->in, from, word.len + 1);
	for (size_t i = 0; i < ARRAY_LEN(system_flags); i++)
		if (span_eq_nocase(word, span_str(system_flags[i].name))) {
			f->system |= system_flags[i].bit;
			return 0;
		}
	/* \Recent is no client's to set (RFC 9051 section 9, flag), nor are those that are to come */
	l->at = from;
	return imap_lex_expected(l, "a flag that there is");
}

static int one_flag(struct imap_lex *l, struct imap_flags *f)
{
	size_t from = l->at, n = 0;
	struct span word;

	if (imap_lex_peek(l) == '\\')
		return system_flag(l, f);
	while (from + n < l->in.len && imap_is_atom(span_sub(l->in, from + n, 1)))
		n++;
	word = span_sub(l->in, from, n);
	if (n == 0)
		return imap_lex_expected(l, "a flag");
	if (n > IMAP_KEYWORD_MAX)
		return err_set(
			l->e, ERR_LIMIT, "A keyword longer than %d octets", IMAP_KEYWORD_MAX);
	l->at += n;
	if (has_keyword(f, word))
		return 0;
	if (f->count >= IMAP_KEYWORDS_MAX)
		return imap_lex_too_many(l, "keywords", IMAP_KEYWORDS_MAX);
	LEX_ROOM(l, f->keywords, f->count);
	f->keywords[f->count++] = word;
	return 0;
}

int imap_lex_flag_list(struct imap_lex *l, struct imap_flags *flags_r)
{
	*flags_r = (struct imap_flags){0};
	if (imap_lex_open(l, "a list of flags") < 0)
		return -1;
	if (imap_lex_peek(l) != ')')
		do {
			if (one_flag(l, flags_r) < 0)
				return -1;
		} while (imap_lex_more(l));
	return imap_lex_close(l);
}

int imap_lex_flags_bare(struct imap_lex *l, struct imap_flags *flags_r)
{
	*flags_r = (struct imap_flags){0};
	do {
		if (one_flag(l, flags_r) < 0)
			return -1;
	} while (imap_lex_more(l));
	return 0;
}

static const char *const use_names[] = {"\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk",
	"\\Sent", "\\Trash", "\\Important"};

const char *imap_special_use_str(unsigned bit)
{
	for (size_t i = 0; i < ARRAY_LEN(use_names); i++)
		if (bit == 1u << i)
			return use_names[i];
	return "";
}

unsigned imap_special_use_of(struct span name)
{
	for (size_t i = 0; i < ARRAY_LEN(use_names); i++)
		if (span_eq_nocase(name, span_str(use_names[i])))
			return 1u << i;
	return 0;
}
