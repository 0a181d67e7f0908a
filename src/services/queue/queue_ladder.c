#include "services/queue/queue.h"

/* Minutes to the next attempt. RFC 5321 section 4.5.4.1 asks for 30 minutes between attempts in
 * general and two in the first hour; the early steps are for greylisting and short outages. */
static const unsigned ladder_min[] = {1, 5, 15, 30, 60, 120, 180, 240};

int64_t queue_ladder_ns(uint32_t attempts, uint64_t random)
{
	size_t step = attempts > 0 ? attempts - 1 : 0;
	int64_t ns;

	if (step >= ARRAY_LEN(ladder_min))
		step = ARRAY_LEN(ladder_min) - 1;
	ns = (int64_t)ladder_min[step] * CLOCK_MIN;
	return ns / 10 * 8 + (int64_t)(random % (uint64_t)(ns / 10 * 4 + 1));
}
