#pragma once
/* One message of FETCH. */

#include "services/imapd/imapd_fetch_priv.h"

/** "* 12 FETCH (…)CRLF". is_seen_now: this command has set \Seen, which is told with it. A message that is
 * not in the view is passed over. */
FIBER int fetch_put_message(
	struct fetch *f, const struct mailbox_msg *m, bool is_seen_now, struct err *e);
