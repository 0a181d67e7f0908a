#include "services/jmapd/jmapd_priv.h"

const struct jmap_method jmap_push_methods[] = {
	{0},
};
