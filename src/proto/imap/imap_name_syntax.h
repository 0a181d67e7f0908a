#pragma once
/* Mailbox names on the wire: modified UTF-7 (RFC 3501 section 5.1.3) or UTF-8 (RFC 9051 section 5.1,
 * RFC 6855 section 3), INBOX in any case, LIST patterns. Inside the server a name is UTF-8 with '/'
 * between its levels and "INBOX" in capitals. Pure. */

#include "base/arena.h"
#include "base/buf.h"

#define IMAP_SEPARATOR '/'

/** Append the UTF-8 of a modified UTF-7 name: only the canonical form (no needless shift, no
 * superfluous bits, no ASCII inside a shift, no lone surrogate). false, nothing appended: it is not. */
bool imap_utf7_decode(struct buf *b, struct span name);
/** Append the modified UTF-7 of well-formed UTF-8. false, nothing appended: it is not. */
bool imap_utf7_encode(struct buf *b, struct span utf8);

/** The name inside the server of one on the wire. is_utf8: UTF8=ACCEPT or IMAP4rev2 is enabled;
 * otherwise modified UTF-7, and 8-bit UTF-8 from those who send it all the same. INBOX, also as first
 * level ("inbox/x"), gets capitals. NULL ptr: not a name (imap_name_is_text too). */
struct span imap_name_decode(struct arena *a, struct span wire, bool is_utf8);

/** A name or pattern whose first level is INBOX in any case: with capitals; otherwise itself. */
struct span imap_name_capital(struct arena *a, struct span name);

/** Net-Unicode without what could break a line or a screen: valid UTF-8, no C0, C1, DEL, U+2028,
 * U+2029 (RFC 9051 section 5.1, RFC 5198). */
bool imap_name_is_text(struct span name);
/** May a mailbox be made with that name? is_text, no empty level, no '*' or '%' (RFC 9051 section 5.1
 * item 3), within IMAP_NAME_MAX and IMAP_NAME_LEVELS_MAX. */
bool imap_name_is_creatable(struct span name);
bool imap_name_is_inbox(struct span name);

/** Does a LIST pattern match the whole name? '*' any characters, '%' any but '/'. Never more work than
 * pattern times name; a pattern beyond IMAP_NAME_MAX matches nothing. */
bool imap_pattern_matches(struct span pattern, struct span name);
/** Could a name below `parent` match? (for LIST's answers about parents) */
bool imap_pattern_matches_below(struct span pattern, struct span parent);
