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

/* RFC 3339 section 5.6: date-time (what RFC 4865 means by its dangling rule: erratum 2040) */
bool smtp_take_hold_until(struct span v, struct smtp_mail *m)
{
	m->has_hold_until = true;
	return !m->has_hold_for && clock_parse_rfc3339(v, &m->hold_until);
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
