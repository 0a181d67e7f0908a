#pragma once
/* Shared between the files of the SMTP grammar; nobody else includes it. */

#include "proto/smtp/smtp_syntax.h"

/** Take a Mailbox (or bare "postmaster") off the front of `text`; 0 when there is none. */
size_t smtp_mailbox_take(struct span text, bool is_utf8, struct smtp_address *a_r);
/** Take a Domain or address-literal off the front; its length, 0 when there is none. */
size_t smtp_domain_take(struct span text, bool is_utf8);
/** Why smtp_mailbox_take took nothing, with the triple for a sender or a recipient. */
int smtp_address_trouble(struct span text, bool is_utf8, bool is_sender, struct err *e);

/** MAIL's and RCPT's ESMTP parameters (`text` begins behind the path). */
int smtp_mail_params(
	struct arena *a, struct span text, unsigned features, struct smtp_mail *m, struct err *e);
/** The values of BY, HOLDFOR, HOLDUNTIL, MT-PRIORITY; false: malformed. */
bool smtp_take_by(struct span v, struct smtp_mail *m);
bool smtp_take_hold_for(struct span v, struct smtp_mail *m);
bool smtp_take_hold_until(struct span v, struct smtp_mail *m);
bool smtp_take_priority(struct span v, struct smtp_mail *m);
int smtp_rcpt_params(struct arena *a, struct span text, unsigned features, bool is_utf8,
	struct smtp_rcpt *r, struct err *e);
