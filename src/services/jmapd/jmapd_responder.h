#pragma once
/* Answers while somebody is away, by the rules of RFC 3834. */

#include "services/jmapd/jmapd_priv.h"

/* What a letter says of itself. */
struct jmap_away {
	struct arena *a;
	struct span sender; /* the reverse-path */
	struct span delivered_to;
	struct span auto_submitted, precedence, suppress; /* X-Auto-Response-Suppress */
	struct span to, cc, resent_to, resent_cc, message_id, references;
	bool has_list; /* a field of a mailing list */
};
/** Reads `prefix` (what delivery has put in front) and the header. Pure; lives in `a`. */
void jmap_away_read(struct arena *a, struct span prefix, struct span header, struct jmap_away *w);
/** May such a letter be answered at all (RFC 3834 section 2)? NULL: it may; else why not. Pure. */
const char *jmap_away_forbids(const struct jmap_away *w);
/** Answer what has come in; false when there is nothing more to do. */
FIBER int jmap_away_run(struct jmapd *d, bool *is_more_r, struct err *e);
