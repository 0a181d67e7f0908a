#pragma once
/* What time does, on the fiber of jmapd_run. */

#include "services/jmapd/jmapd_priv.h"

#define JMAP_TASKS_NS CLOCK_MIN /* how often it is looked, at least: the clock may have been set */
#define JMAP_AGAIN_NS (5 * CLOCK_SEC) /* after something has failed */

/** Due snoozes come back, submissions whose time has come are final, who is away answers. What fails is told to the
 * log and tried again. *next_r: when there is something to do next (monotonic), unless the store says so before (STORE_DUE). */
FIBER void jmap_tasks(struct jmapd *d, int64_t *next_r);
