#include "services/jmapd/jmapd_priv.h"

const struct jmap_method jmap_blob_methods[] = {
	{0},
};
