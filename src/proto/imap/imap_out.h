#pragma once
/* Writing IMAP: strings in the form that fits, names, flags, dates, ESEARCH. All append to a struct
 * buf, whose cap the caller checks (buf_ok). Pure. */

#include "proto/imap/imap_syntax.h"

/* How this client reads what we write. */
struct imap_out_mode {
	bool is_utf8; /* UTF8=ACCEPT or IMAP4rev2 is enabled: UTF-8 in quoted strings and names */
};

/** Quoted string when it can be one (no CR, LF, NUL; 7-bit, or UTF-8 where the mode has it; at most
 * IMAP_QUOTED_MAX octets), otherwise a literal. */
#define IMAP_QUOTED_MAX 1000
void imap_put_string(struct buf *b, struct span s, const struct imap_out_mode *m);
/** NIL for a span without pointer, else a string. */
void imap_put_nstring(struct buf *b, struct span s, const struct imap_out_mode *m);
/** An atom when it can be one, else a string. */
void imap_put_astring(struct buf *b, struct span s, const struct imap_out_mode *m);
/** "{12}CRLF" or "~{12}CRLF": the octets follow. */
void imap_put_literal_head(struct buf *b, uint64_t size, bool is_binary);
void imap_put_literal(struct buf *b, struct span s);
/** Text behind OK, NO, BAD: line breaks and NUL become blanks; never empty. */
void imap_put_text(struct buf *b, struct span s);

/** A mailbox name in the client's form (modified UTF-7 or UTF-8), as astring. */
void imap_put_name(struct buf *b, struct span name, const struct imap_out_mode *m);

/** "(\Seen \Answered $Junk)" */
void imap_put_flags(struct buf *b, const struct imap_flags *flags);
/** The same without the parentheses: "" for none. */
void imap_put_flag_words(struct buf *b, const struct imap_flags *flags);
/** "\Sent \Trash": bits of enum imap_special_use. */
void imap_put_special_use(struct buf *b, unsigned bits);

/** "17-Jul-1996 02:44:25 -0700" in its quotes. */
void imap_put_date_time(struct buf *b, int64_t unix_sec, int zone_minutes);

/** What a FETCH response calls an item: "BODY[HEADER.FIELDS (DATE)]<0>", "BINARY.SIZE[1]", "FLAGS". */
void imap_put_fetch_name(struct buf *b, const struct imap_fetch_item *item);
/** "RFC822.SIZE": the word of a kind. */
const char *imap_fetch_kind_str(enum imap_fetch_kind k);

/* One ESEARCH answer (RFC 9051 section 7.3.4, RFC 4731, 7377, 9394). */
struct imap_esearch {
	struct span tag; /* of the command; "" in unsolicited ones */
	bool is_uid;
	unsigned what;       /* enum imap_return bits asked for; SAVE is not told */
	bool has_mailbox;    /* MULTISEARCH: MAILBOX and UIDVALIDITY are told */
	struct span mailbox; /* inside name */
	uint32_t uid_validity;
	uint64_t count;
	uint32_t min, max;          /* 0: nothing was found, left out */
	const struct imap_set *all; /* resolved; NULL or empty: ALL is left out */
	struct imap_partial partial;
	const struct imap_set *page; /* PARTIAL's; NULL or empty: NIL */
	bool has_modseq;
	uint64_t modseq;
	const uint8_t
		*scores; /* RELEVANCY (RFC 6203 section 4): of those that are told, 1 to 100 */
	size_t score_count;
};
/** "* ESEARCH (TAG …) UID COUNT 17 …" with CRLF. */
void imap_put_esearch(struct buf *b, const struct imap_esearch *r, const struct imap_out_mode *m);
/** "-1:-100" */
void imap_put_partial(struct buf *b, const struct imap_partial *p);
