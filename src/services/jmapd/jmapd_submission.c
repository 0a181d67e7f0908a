#include "services/jmapd/jmapd_priv.h"

const struct jmap_method jmap_submission_methods[] = {
	{0},
};
