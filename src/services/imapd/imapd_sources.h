#pragma once
/* The mailboxes that ESEARCH IN and NOTIFY name (RFC 7377 section 2.2, RFC 5465 section 6). */

#include "services/imapd/imapd_priv.h"

/** All that any of the sources names and that this account may look up, each once, in the order of names;
 * in the arena of the command. What is not there or may not be seen is passed over without a word. Not for
 * IMAP_SOURCE_SELECTED and SELECTED_DELAYED, which are the view's: they name nothing here. */
FIBER int imapd_sources(struct imapd_conn *c, const struct imap_source *sources, size_t count,
	struct mailbox_ref **list_r, size_t *count_r, struct err *e);
/** Is that mailbox one that the source names? `is_subscribed`: of ref->seen_name. */
bool imapd_source_names(
	const struct imap_source *source, const struct mailbox_ref *ref, bool is_subscribed);
