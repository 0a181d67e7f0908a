#include "services/jmapd/jmapd_priv.h"

const struct jmap_method jmap_identity_methods[] = {
	{0},
};
