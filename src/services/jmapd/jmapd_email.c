#include "services/jmapd/jmapd_priv.h"

const struct jmap_method jmap_email_methods[] = {
	{0},
};
