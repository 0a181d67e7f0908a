#include "proto/http/http_syntax_priv.h"

#include "base/clock.h"
#include "base/enc.h"
#include "base/must.h"
#include "base/utf8.h"

/* ---- statuses (RFC 9110 section 15, and who else) ---- */

static const struct {
	unsigned status;
	const char *text;
} statuses[] = {
	{100, "Continue"},
	{200, "OK"},
	{201, "Created"},
	{202, "Accepted"},
	{204, "No Content"},
	{206, "Partial Content"},
	{301, "Moved Permanently"},
	{302, "Found"},
	{303, "See Other"},
	{304, "Not Modified"},
	{307, "Temporary Redirect"},
	{308, "Permanent Redirect"},
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{406, "Not Acceptable"},
	{408, "Request Timeout"},
	{409, "Conflict"},
	{410, "Gone"},
	{411, "Length Required"},
	{412, "Precondition Failed"},
	{413, "Content Too Large"},
	{414, "URI Too Long"},
	{415, "Unsupported Media Type"},
	{416, "Range Not Satisfiable"},
	{417, "Expectation Failed"},
	{421, "Misdirected Request"},
	{422, "Unprocessable Content"},
	{428, "Precondition Required"},
	{429, "Too Many Requests"},
	{431, "Request Header Fields Too Large"},
	{500, "Internal Server Error"},
	{501, "Not Implemented"},
	{502, "Bad Gateway"},
	{503, "Service Unavailable"},
	{504, "Gateway Timeout"},
	{505, "HTTP Version Not Supported"},
	{507, "Insufficient Storage"},
};

const char *http_status_str(unsigned status)
{
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
		if (statuses[i].status == status)
			return statuses[i].text;
	return "";
}

/* ---- dates (RFC 9110 section 5.6.7) ---- */

static const char days[] = "SunMonTueWedThuFriSat";
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

void http_date_put(struct buf *b, int64_t unix_sec)
{
	struct clock_civil c;

	clock_to_civil(unix_sec, 0, &c);
	buf_printf(b, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + 3 * c.weekday, c.day,
		months + 3 * (c.month - 1), c.year, c.hour, c.minute, c.second);
}

static bool take_month(struct span s, int *month_r)
{
	for (int i = 0; i < 12; i++)
		if (span_eq(s, span_of(months + 3 * i, 3))) {
			*month_r = i + 1;
			return true;
		}
	return false;
}

static bool take_int(struct span s, int max, int *value_r)
{
	uint64_t n;

	if (!span_u64_max(s, (uint64_t)max, &n))
		return false;
	*value_r = (int)n;
	return true;
}

/* "06:30:00" */
static bool take_time(struct span s, struct clock_civil *c)
{
	return s.len == 8 && s.ptr[2] == ':' && s.ptr[5] == ':' &&
		take_int(span_sub(s, 0, 2), 23, &c->hour) &&
		take_int(span_sub(s, 3, 2), 59, &c->minute) &&
		take_int(span_sub(s, 6, 2), 60, &c->second);
}

/* "23 Nov 2026 06:30:00 GMT" with `sep` between day, month and year; the year has `digits`. */
static bool take_fixed(struct span s, char sep, size_t digits, struct clock_civil *c)
{
	return s.len == 7 + digits + 13 && s.ptr[2] == sep && s.ptr[6] == sep &&
		take_int(span_sub(s, 0, 2), 31, &c->day) &&
		take_month(span_sub(s, 3, 3), &c->month) &&
		take_int(span_sub(s, 7, digits), 9999, &c->year) && s.ptr[7 + digits] == ' ' &&
		take_time(span_sub(s, 8 + digits, 8), c) &&
		span_eq(span_skip(s, 16 + digits), SPAN(" GMT"));
}

/* "Sun Nov  6 08:49:37 1994" */
static bool take_asctime(struct span s, struct clock_civil *c)
{
	struct span day = span_sub(s, 8, 2);

	if (s.len != 24 || s.ptr[3] != ' ' || s.ptr[7] != ' ' || s.ptr[10] != ' ' ||
		s.ptr[19] != ' ')
		return false;
	if (day.ptr[0] == ' ')
		day = span_skip(day, 1);
	return take_month(span_sub(s, 4, 3), &c->month) && take_int(day, 31, &c->day) &&
		take_time(span_sub(s, 11, 8), c) && take_int(span_skip(s, 20), 9999, &c->year);
}

bool http_date_parse(struct span s, int64_t now_sec, int64_t *unix_sec_r)
{
	struct clock_civil c = {0}, now;
	struct span head, tail;

	if (!span_cut(s, ',', &head, &tail)) {
		if (!take_asctime(s, &c))
			return false;
	} else if (!tail.len || tail.ptr[0] != ' ') {
		return false;
	} else if (head.len == 3) {
		if (!take_fixed(span_skip(tail, 1), ' ', 4, &c))
			return false;
	} else {
		if (!take_fixed(span_skip(tail, 1), '-', 2, &c))
			return false;
		/* more than 50 years ahead means the past one with those digits */
		clock_to_civil(now_sec, 0, &now);
		c.year += now.year - now.year % 100;
		if (c.year > now.year + 50)
			c.year -= 100;
	}
	if (c.day == 0)
		return false;
	*unix_sec_r = clock_from_civil(&c);
	return true;
}

/* ---- Basic (RFC 7617) ---- */

bool http_auth_basic(
	struct arena *a, struct span field, struct span *user_r, struct secret *password_r)
{
	struct span scheme, text, user, password;
	struct buf b;
	bool is_good;

	if (!span_cut(field, ' ', &scheme, &text) || !span_eq_nocase(scheme, SPAN("Basic")))
		return false;
	text = http_trim(text);
	if (!text.len || text.len > HTTP_BASIC_MAX)
		return false;
	buf_init(&b, HTTP_BASIC_MAX);
	buf_reserve(&b, text.len); /* never moved: what holds the password is wiped below */
	is_good = enc_get_base64(&b, text) && span_cut(buf_span(&b), ':', &user, &password) &&
		utf8_is_valid(user) && http_is_value(user);
	if (is_good) {
		*user_r = arena_span(a, user);
		secret_init(password_r, password);
	}
	if (b.mem)
		secret_wipe(b.mem, b.cap);
	buf_fini(&b);
	return is_good;
}
