#include "services/jmapd/jmapd_priv.h"

const struct jmap_method jmap_contact_methods[] = {
	{0},
};
