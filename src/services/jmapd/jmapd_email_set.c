#include "services/jmapd/jmapd_priv.h"

const struct jmap_method jmap_email_set_methods[] = {
	{0},
};
