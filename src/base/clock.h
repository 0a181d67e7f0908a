#pragma once
/* Times. int64_t nanoseconds everywhere inside (`…_ns`); wall clock seconds or milliseconds only
 * at the borders, with the unit in the name. Code that runs on a loop asks loop_now_ns() and
 * loop_wall_ns() instead of these two, so that tests can play it on a virtual clock. */

#include <stdint.h>

#include "base/buf.h"

#define CLOCK_US    1000LL
#define CLOCK_MS    1000000LL
#define CLOCK_SEC   1000000000LL
#define CLOCK_MIN   (60 * CLOCK_SEC)
#define CLOCK_HOUR  (60 * CLOCK_MIN)
#define CLOCK_DAY   (24 * CLOCK_HOUR)
#define CLOCK_NEVER INT64_MAX

/** Monotonic time. */
int64_t clock_mono_ns(void);
/** Wall clock since 1970 in UTC. */
int64_t clock_wall_ns(void);

struct clock_civil {
	int year, month, day;     /* month 1..12, day 1..31 */
	int hour, minute, second; /* second 0..60 */
	int weekday;              /* 0 = Sunday */
	int zone_minutes;         /* east of UTC */
};

/** UTC seconds to civil time in the given zone, and back. Any year 0..9999. */
void clock_to_civil(int64_t unix_sec, int zone_minutes, struct clock_civil *civil_r);
int64_t clock_from_civil(const struct clock_civil *civil);

/** "Mon, 23 Nov 2026 06:30:00 +0000" (RFC 5322 section 3.3). */
void clock_put_rfc5322(struct buf *b, int64_t unix_sec, int zone_minutes);
/** "2026-11-23T06:30:00Z" and with milliseconds "….123Z" (RFC 3339). */
void clock_put_rfc3339(struct buf *b, int64_t unix_sec);
void clock_put_rfc3339_ms(struct buf *b, int64_t unix_ns);
/** A date-time of RFC 3339 section 5.6, with any offset; parts of a second are dropped. */
bool clock_parse_rfc3339(struct span s, int64_t *unix_sec_r);
/** Minutes east of UTC that the machine's zone has at that time. */
int clock_zone_minutes(int64_t unix_sec);

/** "1.5s", "20ms", "3m", "2d4h": for people. */
void clock_put_duration(struct buf *b, int64_t ns);
/** "90", "90s", "5m", "1h30m", "5d" to nanoseconds; a bare number counts seconds. */
bool clock_parse_duration(struct span s, int64_t *ns_r);
