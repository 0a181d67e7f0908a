#pragma once
/* Header fields that a station writes. All foreign text that enters is made safe here: what is no
 * printable character becomes '?', comments are escaped, and nothing can end a line. Pure. */

#include "base/arena.h"
#include "base/buf.h"

struct mail_received {    /* RFC 5321 section 4.4 */
	struct span helo; /* as the peer said it, "" when it said none */
	struct span ptr;  /* its verified name, or "" */
	struct span peer; /* "[192.0.2.1]"; "" for a Unix socket */
	struct span by;   /* our host name */
	bool is_lmtp, is_esmtp, is_tls, is_auth, is_smtputf8;
	bool is_client_hidden; /* helo, ptr and peer are not shown: a client who has logged in */
	struct span tls_version, tls_cipher;
	unsigned tls_bits;
	struct span id;
	struct span for_address; /* "local@domain"; "" unless there is exactly one recipient */
	int priority;            /* RFC 6710: its clause; 0: none */
	int64_t wall_sec;
	int zone_minutes;
};
/** "Received: from … CRLF". Three or four folded lines. */
void mail_received_put(struct buf *b, const struct mail_received *r);
/** "ESMTPS" and so on (RFC 3848, RFC 6531 section 4.3). */
void mail_received_protocol_put(struct buf *b, const struct mail_received *r);

/** "Return-Path: <address> CRLF" (RFC 5321 section 4.4); "" gives "<>". */
void mail_return_path_put(struct buf *b, struct span address);
void mail_delivered_to_put(struct buf *b, struct span address);
/** What stands before a message in a mailbox here, in `a`: Return-Path, Delivered-To, then `front`, the
 * fields that it has got on its way (RFC 5321 section 4.4). */
struct span mail_local_prefix(
	struct arena *a, struct span reverse_path, struct span delivered_to, struct span front);
/** "<ID.RANDOM@host>" (RFC 5322 section 3.6.4), without field name and line end. */
void mail_message_id_put(struct buf *b, uint64_t id, uint64_t random, struct span host);
/** "Date: … CRLF" */
void mail_date_put(struct buf *b, int64_t wall_sec, int zone_minutes);

/** Text on one line: controls become '?', and what is above ASCII too unless is_utf8 and well
 * formed. */
void mail_text_put(struct buf *b, struct span text, bool is_utf8);
/** The same inside "(…)": brackets and backslashes are quoted (RFC 5322 section 3.2.2). */
void mail_comment_put(struct buf *b, struct span text, bool is_utf8);
/** An internationalised address in ASCII: "\x{9A7F}" for what is not printable ASCII, and for blank,
 * "+", "=", "\" (RFC 6533 section 3, utf-8-addr-xtext). What is no UTF-8 becomes U+FFFD. */
void mail_utf8_addr_put(struct buf *b, struct span address);
