#include "services/jmapd/jmapd_priv.h"

const struct jmap_method jmap_mailbox_methods[] = {
	{0},
};
