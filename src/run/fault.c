#include "run/fault.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/must.h"
#include "base/span.h"

static const char *const fault_names[FAULT_POINT_COUNT] = {
#define X(id, name) [FAULT_##id] = name,
	FAULT_POINTS(X)
#undef X
};

const char *fault_name(enum fault_point p)
{
	MUST((unsigned)p < FAULT_POINT_COUNT);
	return fault_names[p];
}

#ifdef YIZHAN_FAULTS
/* One process dies once: where, and at which visit. Set once, before the first visit ends. */
static pthread_once_t fault_once = PTHREAD_ONCE_INIT;
static int fault_at = -1;
static atomic_long fault_visits_left;

static void fault_read(void)
{
	struct span name, count;
	uint64_t visits = 1;

	span_cut(span_str(getenv("YIZHAN_CRASH_AT")), ':', &name, &count);
	if (count.len)
		MUST(span_u64_max(count, 1000000000, &visits));
	for (int i = 0; i < FAULT_POINT_COUNT; i++)
		if (span_eq(name, span_str(fault_names[i])))
			fault_at = i;
	MUST(name.len == 0 || fault_at >= 0);
	atomic_store(&fault_visits_left, (long)visits);
}

void fault_reach(enum fault_point p)
{
	pthread_once(&fault_once, fault_read);
	if ((int)p == fault_at && atomic_fetch_sub(&fault_visits_left, 1) == 1) {
		kill(getpid(), SIGKILL);
		for (;;)
			pause();
	}
}
#endif
