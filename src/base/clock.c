#include "base/clock.h"

#include <time.h>

#include "base/must.h"

static const char clock_months[12][4] = {
	"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char clock_days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

static int64_t clock_get(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * CLOCK_SEC + ts.tv_nsec;
}

int64_t clock_mono_ns(void)
{
	return clock_get(CLOCK_MONOTONIC);
}

int64_t clock_wall_ns(void)
{
	return clock_get(CLOCK_REALTIME);
}

/* Days since 1970-01-01 of a proleptic Gregorian date, and back: years start in March, so that the
 * leap day is the last of the year; 400 years are one era of 146097 days. */
static int64_t clock_days_of(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t yoe = y - era * 400;
	int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

	return era * 146097 + doe - 719468;
}

void clock_to_civil(int64_t unix_sec, int zone_minutes, struct clock_civil *c)
{
	int64_t t = unix_sec + (int64_t)zone_minutes * 60;
	int64_t days = t / 86400, rest = t % 86400;

	if (rest < 0) {
		rest += 86400;
		days--;
	}
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;

	c->day = (int)(doy - (153 * mp + 2) / 5 + 1);
	c->month = (int)(mp < 10 ? mp + 3 : mp - 9);
	c->year = (int)(yoe + era * 400 + (c->month <= 2));
	c->hour = (int)(rest / 3600);
	c->minute = (int)(rest / 60 % 60);
	c->second = (int)(rest % 60);
	c->weekday = (int)(((days % 7) + 11) % 7); /* 1970-01-01 was a Thursday */
	c->zone_minutes = zone_minutes;
}

int64_t clock_from_civil(const struct clock_civil *c)
{
	return clock_days_of(c->year, c->month, c->day) * 86400 + c->hour * 3600 + c->minute * 60 +
		c->second - (int64_t)c->zone_minutes * 60;
}

void clock_put_rfc5322(struct buf *b, int64_t unix_sec, int zone_minutes)
{
	struct clock_civil c;
	int zone = zone_minutes < 0 ? -zone_minutes : zone_minutes;

	clock_to_civil(unix_sec, zone_minutes, &c);
	buf_printf(b, "%s, %d %s %04d %02d:%02d:%02d %c%02d%02d", clock_days[c.weekday], c.day,
		clock_months[c.month - 1], c.year, c.hour, c.minute, c.second,
		zone_minutes < 0 ? '-' : '+', zone / 60, zone % 60);
}

void clock_put_rfc3339(struct buf *b, int64_t unix_sec)
{
	struct clock_civil c;

	clock_to_civil(unix_sec, 0, &c);
	buf_printf(b, "%04d-%02d-%02dT%02d:%02d:%02dZ", c.year, c.month, c.day, c.hour, c.minute,
		c.second);
}

void clock_put_rfc3339_ms(struct buf *b, int64_t unix_ns)
{
	struct clock_civil c;
	int64_t sec = unix_ns / CLOCK_SEC, ns = unix_ns % CLOCK_SEC;

	if (ns < 0) {
		ns += CLOCK_SEC;
		sec--;
	}
	clock_to_civil(sec, 0, &c);
	buf_printf(b, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", c.year, c.month, c.day, c.hour,
		c.minute, c.second, (int)(ns / CLOCK_MS));
}

int clock_zone_minutes(int64_t unix_sec)
{
	time_t t = (time_t)unix_sec;
	struct tm tm;

	if (!localtime_r(&t, &tm))
		return 0;
	return (int)(tm.tm_gmtoff / 60);
}

void clock_put_duration(struct buf *b, int64_t ns)
{
	static const struct {
		int64_t unit;
		const char *name;
	} units[] = {{CLOCK_DAY, "d"}, {CLOCK_HOUR, "h"}, {CLOCK_MIN, "m"}, {CLOCK_SEC, "s"}};

	if (ns < 0) {
		buf_char(b, '-');
		ns = ns == INT64_MIN ? INT64_MAX : -ns;
	}
	if (ns < CLOCK_SEC) {
		if (ns < CLOCK_MS)
			buf_printf(b, "%lldus", (long long)(ns / CLOCK_US));
		else
			buf_printf(b, "%lldms", (long long)(ns / CLOCK_MS));
		return;
	}
	if (ns < 10 * CLOCK_SEC) {
		buf_printf(b, "%.1fs", (double)ns / CLOCK_SEC);
		return;
	}
	for (size_t i = 0, shown = 0; i < ARRAY_LEN(units) && shown < 2; i++) {
		int64_t n = ns / units[i].unit;

		if (n == 0 && shown == 0)
			continue;
		ns %= units[i].unit;
		shown++;
		if (n)
			buf_printf(b, "%lld%s", (long long)n, units[i].name);
	}
}

static int64_t clock_unit(char c)
{
	switch (c) {
	case 's': return CLOCK_SEC;
	case 'm': return CLOCK_MIN;
	case 'h': return CLOCK_HOUR;
	case 'd': return CLOCK_DAY;
	case 'w': return 7 * CLOCK_DAY;
	default: return 0;
	}
}

bool clock_parse_duration(struct span s, int64_t *ns_r)
{
	int64_t total = 0, part;

	if (s.len == 0)
		return false;
	while (s.len) {
		size_t n = 0;
		uint64_t v;
		int64_t unit = CLOCK_SEC;
		size_t suffix = 0;

		while (n < s.len && s.ptr[n] >= '0' && s.ptr[n] <= '9')
			n++;
		if (!span_u64_max(span_sub(s, 0, n), INT64_MAX, &v))
			return false;
		if (n + 1 < s.len && s.ptr[n] == 'm' && s.ptr[n + 1] == 's') {
			unit = CLOCK_MS;
			suffix = 2;
		} else if (n < s.len) {
			unit = clock_unit(s.ptr[n]);
			suffix = 1;
		}
		if (unit == 0 || __builtin_mul_overflow((int64_t)v, unit, &part) ||
			__builtin_add_overflow(total, part, &total))
			return false;
		s = span_skip(s, n + suffix);
	}
	*ns_r = total;
	return true;
}
