/* Properties of our own on Email: one row each (jmapd_email.h). */
#include "services/jmapd/jmapd_email.h"

const struct jmap_email_extra jmap_email_extras[] = {
	{0},
};
