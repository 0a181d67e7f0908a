#pragma once
/* Names of mailboxes and who may do what with them: what the commands about names, rights, quota and
 * annotations share. */

#include "proto/imap/imap_out.h"
#include "services/imapd/imapd_fetch.h"
#include "services/imapd/imapd_priv.h"

static inline struct imap_out_mode names_mode(const struct imapd_conn *c)
{
	return (struct imap_out_mode){.is_utf8 = imap_is_utf8(c->s)};
}

/** What is asked of a name: it is there, may be looked up, and `rights` (all of them) are the account's.
 * ERR_NOT_FOUND, in the same words after the same work for what is not there and what may not be seen;
 * ERR_DENIED. A name whose ptr is NULL is nobody's. */
FIBER int names_find(struct imapd_conn *c, struct span name, unsigned rights,
	struct mailbox_ref *ref_r, struct err *e);
/** An error that is an answer becomes the reply (0), any other is returned (-1). */
int names_refuse(struct imap_result *r, struct err *e);

/** "lrswipkxtecda" of bits: with the virtual rights c and d (RFC 4314 section 2.1.1). "" for none: a string
 * is written. */
void names_put_rights(struct buf *b, unsigned rights);
/** false: a letter that there is not. */
bool names_rights_of(struct span letters, unsigned *rights_r);

/** "* STATUS name (…)CRLF" for bits of enum imap_status_item. */
void names_put_status(struct imapd_conn *c, const struct mailbox_ref *ref, unsigned items);
/** Items whose capability this client has not. */
unsigned names_status_unserved(const struct imapd_conn *c, unsigned items);
/** "* MYRIGHTS name lrsCRLF" */
void names_put_my_rights(struct imapd_conn *c, const struct mailbox_ref *ref);
/** "* METADATA name (entry value …)CRLF" of those entries themselves (LIST-METADATA, RFC 9590); nothing when
 * none has a value. */
FIBER int names_put_metadata(struct imapd_conn *c, const struct mailbox_ref *ref,
	const struct span *entries, size_t count, struct err *e);
