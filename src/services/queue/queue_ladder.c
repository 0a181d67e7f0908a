/* Ladders of retries, lifetimes, notices: what the time of a letter is. */

#include "services/queue/queue.h"

/* Minutes to the next attempt. RFC 5321 section 4.5.4.1 asks for 30 minutes between attempts in
 * general and two in the first hour; the early steps are for greylisting and short outages. */
static const unsigned ladder_min[] = {1, 5, 15, 30, 60, 120, 180, 240};

static int64_t spread(int64_t ns, uint64_t random)
{
	return ns / 10 * 8 + (int64_t)(random % (uint64_t)(ns / 10 * 4 + 1));
}

int64_t queue_ladder_ns(uint32_t attempts, uint64_t random)
{
	size_t step = attempts > 0 ? attempts - 1 : 0;

	if (step >= ARRAY_LEN(ladder_min))
		step = ARRAY_LEN(ladder_min) - 1;
	return spread((int64_t)ladder_min[step] * CLOCK_MIN, random);
}

void queue_rules_default(struct queue_rules *r)
{
	/* Who wrote himself is told after four hours and two days; nobody waits for a report or a
	 * circular. */
	static const struct queue_rule rest[SPOOL_CLASSES] = {
		[SPOOL_CLASS_NORMAL] = {.expire_ns = 5 * CLOCK_DAY,
			.notice_count = 2,
			.notices_ns = {4 * CLOCK_HOUR, 2 * CLOCK_DAY}},
		[SPOOL_CLASS_REPORT] = {.expire_ns = 2 * CLOCK_DAY},
		[SPOOL_CLASS_BULK] = {.expire_ns = 5 * CLOCK_DAY},
	};

	for (size_t i = 0; i < SPOOL_CLASSES; i++) {
		r->classes[i] = rest[i];
		r->classes[i].step_count = ARRAY_LEN(ladder_min);
		for (size_t k = 0; k < ARRAY_LEN(ladder_min); k++)
			r->classes[i].steps_ns[k] = (int64_t)ladder_min[k] * CLOCK_MIN;
	}
}

int64_t queue_rule_next_ns(const struct queue_rule *r, uint32_t attempts, uint64_t random)
{
	size_t step = attempts > 0 ? attempts - 1 : 0;

	return spread(r->steps_ns[step < r->step_count ? step : r->step_count - 1], random);
}

int64_t queue_rule_expires_ns(const struct queue_rule *r, int64_t arrived_ns, int64_t release_ns)
{
	return (release_ns > arrived_ns ? release_ns : arrived_ns) + r->expire_ns;
}
