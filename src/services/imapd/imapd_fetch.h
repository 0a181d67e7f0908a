#pragma once
/* FETCH and UID FETCH, and what other commands of the room tell in FETCH responses. */

#include "services/imapd/imapd_priv.h"

#define IMAPD_FETCH_HEADER_MAX (512 * 1024) /* octets of a header that fields are chosen from */

#define IMAPD_FETCH_PIECE (32 * 1024) /* octets that are copied rather than sent by themselves */

/* Object ids (RFC 8474 section 5.1) are a letter and the number in base 32 (base/enc.h). */
enum imapd_object { IMAPD_EMAIL = 'M', IMAPD_THREAD = 'T', IMAPD_MAILBOX = 'F' };
/* enc_put_object (base/enc.h) puts them. */

/** "(\Seen $Junk)" of a row. */
void imapd_put_flags(struct buf *b, unsigned flags, struct span keywords);
