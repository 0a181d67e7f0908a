#pragma once
/* Mailboxes as JMAP has them (RFC 8621 section 2): made of the names, rights and uses of the store's. */

#include "services/jmapd/jmapd_priv.h"

#define JMAP_MAILBOX_NAME_MAX 255 /* octets of one level: maxSizeMailboxName */

struct jmap_box {
	uint64_t id, parent_id; /* 0: none, or none that he sees */
	struct span full;       /* as its owner calls it, "/" between levels */
	struct span seen;       /* as the user sees it: subscriptions go by that */
	struct span name;       /* the last level; INBOX is "Inbox" (section 2) */
	struct span role;       /* "" none */
	unsigned rights;        /* enum mailbox_right */
	uint32_t order;
	bool is_inbox, is_subscribed, has_child;
	struct email_counts counts; /* with has_counts */
	size_t depth;               /* 0: without a parent */
};
struct jmap_boxes {
	struct jmap_account *account;
	struct jmap_box *list; /* in the order of full names */
	size_t count;
	uint64_t state; /* of before they were read */
};
/** All that the user may look up, in c->a. */
FIBER int jmap_boxes_load(struct jmap_call *c, struct jmap_account *account, bool has_counts,
	struct jmap_boxes *boxes_r, struct err *e);
/** NULL: he does not see it. */
struct jmap_box *jmap_box_of(const struct jmap_boxes *boxes, uint64_t id);
struct jmap_box *jmap_box_named(const struct jmap_boxes *boxes, struct span full);
/** The state of all that a Mailbox has. */
FIBER int jmap_boxes_state(
	struct jmap_call *c, uint64_t account_id, uint64_t *state_r, struct err *e);

/** "\\Sent" → "sent", and back; "" none, or not one that there is (RFC 6154, 8457, 8621). */
struct span jmap_role_of_use(struct span special_use);
struct span jmap_use_of_role(struct span role);
/** The value of a property. */
void jmap_put_box_property(struct json_out *j, const struct jmap_box *b, const char *property);

FIBER int jmap_mailbox_query(struct jmap_call *c, struct err *e);
FIBER int jmap_mailbox_query_changes(struct jmap_call *c, struct err *e);
FIBER int jmap_mailbox_set(struct jmap_call *c, struct err *e);
