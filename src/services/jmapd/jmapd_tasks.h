#pragma once
/* What time does, on the fiber of jmapd_run. */

#include "services/jmapd/jmapd_priv.h"

#define JMAP_TASKS_NS (1 * CLOCK_SEC) /* how often it is looked, at least */

/** Due snoozes come back, submissions whose time has come are final, who is away answers. What fails is told to the
 * log and tried again. */
FIBER void jmap_tasks(struct jmapd *d);
