#pragma once
/* People as vCards, in and out; and those whom a letter went to. */

#include "services/jmapd/jmapd_send.h"

jmap_method_fn jmap_contact_import, jmap_contact_export;

/** Those whom a letter went to become contacts (store/contact.h). */
FIBER void jmap_contacts_sent(
	struct jmap_call *c, uint64_t account_id, const struct jmap_sent *sent);
