#pragma once
/* POP3 as it is written (RFC 1939, 2449, 2595, 5034, 6856): one command line, one unique-id, one message
 * on its way out. Pure: bytes in, structs out, in any cut of the bytes; no I/O, nothing yields.
 *
 *	if (pop3_command_parse(line, &c) < 0) … c.verb is POP3_UNKNOWN, or its arguments are wrong …
 */

#include "base/buf.h"
#include "base/err.h"

#define POP3_LINE_MAX 512 /* RFC 2449 section 4 lets clients use 255, with CRLF */
/* AUTH with an initial response: base64 as in SASL_TALK_LINE_MAX, and what stands before it. */
#define POP3_AUTH_LINE_MAX (12288 + 64)
#define POP3_NUMBER_MAX    UINT32_MAX
#define POP3_UIDL_MAX      70 /* octets of a unique-id (RFC 1939 section 7) */
#define POP3_MECH_MAX      20 /* RFC 4422 section 3.1 */
#define POP3_LANG_MAX      35 /* RFC 5646 section 4.4.1 */

/* What may stand behind a verb. */
enum pop3_args {
	POP3_ARGS_NONE,
	POP3_ARGS_TEXT,         /* all of the rest, blanks in it too */
	POP3_ARGS_NUMBER,       /* a message */
	POP3_ARGS_MAYBE_NUMBER, /* or none */
	POP3_ARGS_NUMBER_LINES, /* a message, and how many lines */
	POP3_ARGS_MAYBE_WORDS   /* none, or one or two words */
};

/* id, name, arguments */
#define POP3_VERBS(X)                                                                              \
	X(UNKNOWN, "", POP3_ARGS_NONE)                                                             \
	X(USER, "USER", POP3_ARGS_TEXT)                                                            \
	X(PASS, "PASS", POP3_ARGS_TEXT)                                                            \
	X(APOP, "APOP", POP3_ARGS_TEXT)                                                            \
	X(AUTH, "AUTH", POP3_ARGS_MAYBE_WORDS)                                                     \
	X(CAPA, "CAPA", POP3_ARGS_NONE)                                                            \
	X(STLS, "STLS", POP3_ARGS_NONE)                                                            \
	X(UTF8, "UTF8", POP3_ARGS_NONE)                                                            \
	X(LANG, "LANG", POP3_ARGS_MAYBE_WORDS)                                                     \
	X(STAT, "STAT", POP3_ARGS_NONE)                                                            \
	X(LIST, "LIST", POP3_ARGS_MAYBE_NUMBER)                                                    \
	X(UIDL, "UIDL", POP3_ARGS_MAYBE_NUMBER)                                                    \
	X(RETR, "RETR", POP3_ARGS_NUMBER)                                                          \
	X(TOP, "TOP", POP3_ARGS_NUMBER_LINES)                                                      \
	X(DELE, "DELE", POP3_ARGS_NUMBER)                                                          \
	X(NOOP, "NOOP", POP3_ARGS_NONE)                                                            \
	X(RSET, "RSET", POP3_ARGS_NONE)                                                            \
	X(QUIT, "QUIT", POP3_ARGS_NONE)
enum pop3_verb {
#define X(id, name, args) POP3_##id,
	POP3_VERBS(X)
#undef X
		POP3_VERB_COUNT
};
const char *pop3_verb_str(enum pop3_verb v);

/* Spans borrow from the line. */
struct pop3_command {
	enum pop3_verb verb;
	struct span text;   /* USER, PASS, APOP: the rest of the line; AUTH, LANG: the first word */
	struct span second; /* AUTH: the initial response; SPAN_NONE: none was sent */
	bool has_number;
	uint32_t number; /* of a message; 0 is none that can be there */
	uint32_t lines;  /* TOP */
};
/** A line without its CRLF. ERR_SYNTAX with what is wrong, in words for the client; the verb is set where it
 * was recognised. */
int pop3_command_parse(struct span line, struct pop3_command *c_r, struct err *e);

/* Extended response codes (RFC 2449 section 8, RFC 3206, RFC 6856 section 6). id, text */
#define POP3_CODES(X)                                                                              \
	X(NONE, "")                                                                                \
	X(IN_USE, "IN-USE")           /* the mailbox: somebody else is in it */                    \
	X(LOGIN_DELAY, "LOGIN-DELAY") /* too soon after the last login */                          \
	X(SYS_TEMP, "SYS/TEMP")       /* our trouble: try again */                                 \
	X(SYS_PERM, "SYS/PERM")       /* our trouble: call somebody */                             \
	X(AUTH, "AUTH")               /* the credentials */                                        \
	X(UTF8, "UTF8")               /* needs UTF8 mode */
enum pop3_code {
#define X(id, text) POP3_CODE_##id,
	POP3_CODES(X)
#undef X
		POP3_CODE_COUNT
};
const char *pop3_code_str(enum pop3_code c);

/* ---- a message on its way out ---- */

/* Byte-stuffing (RFC 1939 section 3). A dot behind a bare LF is stuffed too, for there are clients that end
 * lines there, and what one of them takes for the end must not be the sender's. */
struct pop3_stuff {
	bool is_within;  /* a line has begun */
	bool has_cr;     /* the last octet was CR */
	bool is_stuffed; /* the dot that is due has been given */
};
/** The next piece to send of *octets, which it is taken from: a part of them, or a dot. False: they are used
 * up. Zeroed at the beginning of a message. */
bool pop3_stuff_next(struct pop3_stuff *f, struct span *octets, struct span *piece_r);
/** What ends the message: its last line too, where that has no end. */
struct span pop3_stuff_end(const struct pop3_stuff *f);

/* TOP: the header, the line that parts, and so many lines. Zeroed, then `lines` set. */
struct pop3_top {
	uint32_t lines;
	bool is_body, is_done;
	bool is_begun, has_cr; /* of the current line: it has octets; just one, a CR */
};
/** How many of these octets belong to it; once is_done, none do. */
size_t pop3_top_take(struct pop3_top *t, struct span octets);
