#pragma once
/* Text codings of bytes: base64 (RFC 4648 section 4), hex, and the base32 without vowels that ids
 * are written in. Pure. */

#include "base/arena.h"
#include "base/buf.h"

/** Append the base64 of `s`, padded, without line breaks. */
void enc_put_base64(struct buf *b, struct span s);
/** Append the bytes of strict base64 (alphabet, padding and zero rest bits checked; no white
 * space). false and nothing appended when it is not. */
bool enc_get_base64(struct buf *b, struct span text);

/** The same of base64url without padding (RFC 7515 section 2). */
bool enc_get_base64url(struct buf *b, struct span text);

void enc_put_hex(struct buf *b, struct span s);
bool enc_get_hex(struct buf *b, struct span text);

/** 0 to 15, or -1. */
int enc_hex_value(char c);
/** Percent-encoding undone (RFC 3986 section 2.1), in `a`, with a NUL behind it; false for a `%` without two hex
 * digits. */
bool enc_get_percent(struct arena *a, struct span text, struct span *octets_r);

/** 13 characters of [0-9A-Z without I L O U]: an id that people can read to each other
 * (Crockford's base32). Ids of equal length sort as their numbers do. */
void enc_put_id(struct buf *b, uint64_t id);
bool enc_get_id(struct span text, uint64_t *id_r);
/** An id behind a letter that tells what it is of: 'M' an email, 'T' a thread, 'F' a mailbox … the same in
 * IMAP (RFC 8474) and JMAP (RFC 8620 section 1.2). */
void enc_put_object(struct buf *b, char kind, uint64_t id);
/** False: it is none of this kind. */
bool enc_get_object(struct span text, char kind, uint64_t *id_r);
