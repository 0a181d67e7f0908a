#include "services/jmapd/jmapd_priv.h"

const struct jmap_method jmap_trace_methods[] = {
	{0},
};
