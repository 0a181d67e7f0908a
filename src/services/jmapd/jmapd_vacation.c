#include "services/jmapd/jmapd_priv.h"

const struct jmap_method jmap_vacation_methods[] = {
	{0},
};
