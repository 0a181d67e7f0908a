/* Values of the MAIL parameters about time and rank. */

#include "base/clock.h"
#include "proto/smtp/smtp_syntax_priv.h"

/* Up to nine digits. */
static bool take_seconds(struct span v, int64_t *seconds_r)
{
	uint64_t n;

	if (!span_u64_max(v, SMTP_SECONDS_MAX, &n) || v.len > 9)
		return false;
	*seconds_r = (int64_t)n;
	return true;
}

/* RFC 2852 section 4: by-value = by-time ";" by-mode [by-trace]; by-time = ["-" / "+"] 1*9digit */
bool smtp_take_by(struct span v, struct smtp_mail *m)
{
	struct span time, mode;
	bool is_minus;

	if (!span_cut(v, ';', &time, &mode))
		return false;
	if (span_eq_nocase(mode, SPAN("RT")) || span_eq_nocase(mode, SPAN("NT")))
		m->by_trace = true;
	else if (!span_eq_nocase(mode, SPAN("R")) && !span_eq_nocase(mode, SPAN("N")))
		return false;
	m->by_mode = (char)(span_lower((unsigned char)mode.ptr[0]) == 'r' ? 'R' : 'N');
	is_minus = span_starts(time, SPAN("-"));
	if (!take_seconds(
		    span_skip(time, is_minus || span_starts(time, SPAN("+"))), &m->by_seconds))
		return false;
	if (is_minus)
		m->by_seconds = -m->by_seconds;
	return m->by_mode == 'N' || m->by_seconds > 0; /* what is over cannot be kept */
}

/* RFC 4865 section 3: future-release-integer = 1*9DIGIT; only one of the two parameters */
bool smtp_take_hold_for(struct span v, struct smtp_mail *m)
{
	m->has_hold_for = true;
	return !m->has_hold_until && take_seconds(v, &m->hold_for);
}

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

static int days_of(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && is_leap);
}

/* RFC 3339 section 5.6: date-time (what RFC 4865 means by its dangling rule: erratum 2040). Parts of
 * a second are dropped. */
bool smtp_take_hold_until(struct span v, struct smtp_mail *m)
{
	struct clock_civil c = {0};

	m->has_hold_until = true;
	if (m->has_hold_for || !take_digits(&v, 4, "-", &c.year) ||
		!take_digits(&v, 2, "-", &c.month) || !take_digits(&v, 2, "t", &c.day) ||
		!take_digits(&v, 2, ":", &c.hour) || !take_digits(&v, 2, ":", &c.minute) ||
		!take_digits(&v, 2, "", &c.second))
		return false;
	if (c.month < 1 || c.month > 12 || c.day < 1 || c.day > days_of(c.year, c.month) ||
		c.hour > 23 || c.minute > 59 || c.second > 60)
		return false;
	if (span_starts(v, SPAN("."))) {
		size_t n = 1;

		while (n < v.len && v.ptr[n] >= '0' && v.ptr[n] <= '9')
			n++;
		if (n == 1)
			return false;
		v = span_skip(v, n);
	}
	if (!take_offset(v, &c.zone_minutes))
		return false;
	m->hold_until = clock_from_civil(&c);
	return true;
}

/* RFC 6710 section 4.1: priority-value = (["-"] NZDIGIT) / "0" */
bool smtp_take_priority(struct span v, struct smtp_mail *m)
{
	bool is_minus = span_starts(v, SPAN("-"));

	v = span_skip(v, is_minus);
	if (v.len != 1 || v.ptr[0] < '0' || v.ptr[0] > '9' || (is_minus && v.ptr[0] == '0'))
		return false;
	m->has_priority = true;
	m->priority = (v.ptr[0] - '0') * (is_minus ? -1 : 1);
	return true;
}
