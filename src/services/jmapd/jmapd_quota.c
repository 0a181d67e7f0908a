#include "services/jmapd/jmapd_priv.h"

const struct jmap_method jmap_quota_methods[] = {
	{0},
};
