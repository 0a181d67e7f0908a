#include "services/jmapd/jmapd_priv.h"

const struct jmap_method jmap_page_methods[] = {
	{0},
};
