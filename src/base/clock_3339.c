/* Reading dates of RFC 3339. */

#include "base/clock.h"

/* So many digits at the front and the octet behind them. */
static bool take_digits(struct span *s, size_t count, const char *behind, int *value_r)
{
	int value = 0;

	if (s->len < count + (*behind != '\0'))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (s->ptr[i] < '0' || s->ptr[i] > '9')
			return false;
		value = value * 10 + (s->ptr[i] - '0');
	}
	if (*behind && span_lower((unsigned char)s->ptr[count]) != (unsigned char)*behind)
		return false;
	*s = span_skip(*s, count + (*behind != '\0'));
	*value_r = value;
	return true;
}

/* time-offset = "Z" / ("+" / "-") time-hour ":" time-minute, the whole rest */
static bool take_offset(struct span s, int *minutes_r)
{
	bool is_minus = span_starts(s, SPAN("-"));
	int hours, minutes;

	*minutes_r = 0;
	if (span_eq_nocase(s, SPAN("Z")))
		return true;
	if (!is_minus && !span_starts(s, SPAN("+")))
		return false;
	s = span_skip(s, 1);
	if (!take_digits(&s, 2, ":", &hours) || !take_digits(&s, 2, "", &minutes) || s.len ||
		hours > 23 || minutes > 59)
		return false;
	*minutes_r = (hours * 60 + minutes) * (is_minus ? -1 : 1);
	return true;
}

static bool skip_fraction(struct span *s)
{
	size_t n = 1;

	if (!span_starts(*s, SPAN(".")))
		return true;
	while (n < s->len && s->ptr[n] >= '0' && s->ptr[n] <= '9')
		n++;
	*s = span_skip(*s, n);
	return n > 1;
}

static int days_of(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && is_leap);
}

bool clock_parse_rfc3339(struct span s, int64_t *unix_sec_r)
{
	struct clock_civil c = {0};

	if (!take_digits(&s, 4, "-", &c.year) || !take_digits(&s, 2, "-", &c.month) ||
		!take_digits(&s, 2, "t", &c.day) || !take_digits(&s, 2, ":", &c.hour) ||
		!take_digits(&s, 2, ":", &c.minute) || !take_digits(&s, 2, "", &c.second))
		return false;
	if (c.month < 1 || c.month > 12 || c.day < 1 || c.day > days_of(c.year, c.month) ||
		c.hour > 23 || c.minute > 59 || c.second > 60)
		return false;
	if (!skip_fraction(&s) || !take_offset(s, &c.zone_minutes))
		return false;
	*unix_sec_r = clock_from_civil(&c);
	return true;
}
