#include "services/jmapd/jmapd_priv.h"

const struct jmap_method jmap_thread_methods[] = {
	{0},
};
