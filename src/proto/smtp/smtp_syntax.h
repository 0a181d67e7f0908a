#pragma once
/* The grammar of SMTP: commands, paths, ESMTP parameters, replies, EHLO keywords, the end of DATA.
 * Pure: bytes in any cut become structs; no I/O, no logging. Also the fuzzers' target. */

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* RFC 5321 section 4.5.3.1 */
#define SMTP_LOCAL_PART_MAX 128 /* the floor is 64; VERP and SRS senders pass it every day */
#define SMTP_DOMAIN_MAX     255
#define SMTP_LABEL_MAX      63  /* RFC 1035 section 2.3.4 */
#define SMTP_PATH_MAX       256 /* with its angle brackets */
#define SMTP_ENVID_MAX      100 /* RFC 3461 section 4.4, as encoded */
#define SMTP_ORCPT_MAX      500 /* RFC 3461 section 4.2, as encoded */
/* We read longer lines than the 512 we may write: RFC 4954 section 4.2 has challenges of 12288. */
#define SMTP_REPLY_LINE_MAX  (12288 + 6)
#define SMTP_REPLY_LINES_MAX 512
#define SMTP_REPLY_LINE_OUT  512 /* with CRLF, RFC 5321 section 4.5.3.1.5 */
#define SMTP_PARAMS_MAX      16
#define SMTP_SECONDS_MAX     999999999 /* nine digits: RFC 2852 section 4, RFC 4865 section 3 */
#define SMTP_PRIORITY_MIN    (-9)      /* RFC 6710 section 4.1 */
#define SMTP_PRIORITY_MAX    9

/* verb, text */
#define SMTP_VERBS(X)                                                                              \
	X(HELO, "HELO")                                                                            \
	X(EHLO, "EHLO")                                                                            \
	X(LHLO, "LHLO")                                                                            \
	X(MAIL, "MAIL")                                                                            \
	X(RCPT, "RCPT")                                                                            \
	X(DATA, "DATA")                                                                            \
	X(BDAT, "BDAT")                                                                            \
	X(RSET, "RSET")                                                                            \
	X(NOOP, "NOOP")                                                                            \
	X(QUIT, "QUIT")                                                                            \
	X(VRFY, "VRFY")                                                                            \
	X(EXPN, "EXPN")                                                                            \
	X(HELP, "HELP")                                                                            \
	X(STARTTLS, "STARTTLS")                                                                    \
	X(AUTH, "AUTH")                                                                            \
	X(ETRN, "ETRN")                                                                            \
	X(TURN, "TURN")
enum smtp_verb {
#define X(id, text) SMTP_##id,
	SMTP_VERBS(X)
#undef X
		SMTP_VERB_UNKNOWN,
	SMTP_VERB_COUNT = SMTP_VERB_UNKNOWN
};
const char *smtp_verb_str(enum smtp_verb v);

enum smtp_feature { /* bits */
	SMTP_PIPELINING = 1,
	SMTP_SIZE = 2,
	SMTP_8BITMIME = 4,
	SMTP_BINARYMIME = 8,
	SMTP_CHUNKING = 16,
	SMTP_SMTPUTF8 = 32,
	SMTP_DSN = 64,
	SMTP_ENHANCED = 128,
	SMTP_FEATURE_STARTTLS = 256,
	SMTP_LIMITS = 512,
	SMTP_FEATURE_HELP = 1024,
	SMTP_FEATURE_VRFY = 2048,
	SMTP_FEATURE_AUTH = 4096,
	SMTP_REQUIRETLS = 8192,
	SMTP_DELIVERBY = 16384,
	SMTP_FUTURERELEASE = 32768,
	SMTP_MT_PRIORITY = 65536,
};

struct smtp_address {       /* spans of one text "local@domain" */
	struct span whole;  /* "" for <>; "postmaster" alone has no domain */
	struct span local;  /* as written, quoted-string kept */
	struct span domain; /* as written: name or [literal] */
	bool is_utf8;       /* has octets above 127 */
};
/** "local@domain" or bare "postmaster" (RFC 5321 section 4.1.2: Mailbox; with is_utf8 RFC 6531
 * section 3.3). Lengths of 4.5.3.1 are enforced. ERR_SYNTAX, 501 5.1.3; UTF-8 where it is not
 * allowed: 553 5.6.7. */
int smtp_address_parse(
	struct span text, bool is_utf8_allowed, struct smtp_address *a_r, struct err *e);
/** Is `text` a Domain (name or [literal]) of RFC 5321 section 4.1.2? */
bool smtp_domain_is_valid(struct span text, bool is_utf8_allowed);
/** The local part without quoting ("\"a b\"" is a b), into `a`. */
struct span smtp_local_unquote(struct arena *a, struct span local);

struct smtp_param {
	struct span name, value; /* value "" with has_value false: keyword alone */
	bool has_value;
};

enum smtp_body_type { SMTP_BODY_7BIT, SMTP_BODY_8BITMIME, SMTP_BODY_BINARYMIME };
enum smtp_ret { SMTP_RET_NONE, SMTP_RET_FULL, SMTP_RET_HDRS };
enum smtp_notify {
	SMTP_NOTIFY_NEVER = 1,
	SMTP_NOTIFY_SUCCESS = 2,
	SMTP_NOTIFY_FAILURE = 4,
	SMTP_NOTIFY_DELAY = 8
};

struct smtp_mail {
	struct smtp_address from;
	bool has_size;
	uint64_t size;
	enum smtp_body_type body;
	bool is_smtputf8;
	enum smtp_ret ret;
	struct span envid; /* decoded xtext */
	/* DELIVERBY (RFC 2852): 'R' returns the message after so many seconds, 'N' tells of the
	 * delay; 0: not asked. Zero and less only in mode N: that time is over. */
	char by_mode;
	bool by_trace;
	int64_t by_seconds;
	/* FUTURERELEASE (RFC 4865): seconds to hold it, or until when (seconds since 1970). */
	bool has_hold_for, has_hold_until;
	int64_t hold_for, hold_until;
	bool has_priority; /* MT-PRIORITY (RFC 6710) */
	int priority;
	bool is_requiretls; /* RFC 8689 */
};
struct smtp_rcpt {
	struct smtp_address to;
	unsigned notify;   /* 0: not given */
	struct span orcpt; /* "type;decoded" or "" */
	void *user;        /* for the decider */
};

struct smtp_command {
	enum smtp_verb verb;
	struct span word; /* as sent */
	struct span args; /* trimmed of the one blank behind the verb */
	/* by verb: */
	struct smtp_mail mail;
	struct smtp_rcpt rcpt;
	struct span domain;  /* HELO EHLO LHLO */
	uint64_t chunk_size; /* BDAT */
	bool is_last_chunk;
};
/** Parse a command line (without its line end). `features` says which ESMTP parameters are known;
 * is_utf8_allowed: this transaction has SMTPUTF8 (MAIL looks at its own parameter).
 * On -1 the err carries the SMTP triple that the peer is owed (500 5.5.2, 501 5.5.4, 555 5.5.4,
 * 501 5.1.7 …) and a text fit for a reply; cmd_r->verb is filled all the same. An unknown verb is
 * SMTP_VERB_UNKNOWN, not an error. Results live in `a` or borrow `line`. */
int smtp_command_parse(struct arena *a, struct span line, unsigned features, bool is_utf8_allowed,
	struct smtp_command *cmd_r, struct err *e);

/** Copies into `a`, so that they outlive the command line. */
void smtp_mail_copy(struct arena *a, const struct smtp_mail *from, struct smtp_mail *to_r);
void smtp_rcpt_copy(struct arena *a, const struct smtp_rcpt *from, struct smtp_rcpt *to_r);

/** xtext of RFC 3461 section 4. */
bool smtp_xtext_decode(struct buf *b, struct span text);
void smtp_xtext_encode(struct buf *b, struct span bytes);

struct smtp_reply {
	unsigned code;
	unsigned cls, subject, detail; /* enhanced code; 0 0 0: none */
	struct buf text;               /* lines separated by LF; max SMTP_REPLY_TEXT_MAX */
	struct buf
		lines; /* a peer's, where the parser keeps them: as sent, LF between them, only the
	                   * code and the octet behind it taken off; max SMTP_REPLY_LINES_TEXT_MAX */
};
#define SMTP_REPLY_TEXT_MAX       8192
#define SMTP_REPLY_LINES_TEXT_MAX (64 * 1024)
void smtp_reply_init(struct smtp_reply *r);
void smtp_reply_fini(struct smtp_reply *r);
/** No reply; the memory is kept. */
void smtp_reply_clear(struct smtp_reply *r);
/** `to` becomes the same (it keeps its memory). */
void smtp_reply_copy(struct smtp_reply *to, const struct smtp_reply *from);
/** Replace the whole reply. CR, LF(other than the separator), NUL in the text become '?'. */
void smtp_reply_set(struct smtp_reply *r, unsigned code, unsigned cls, unsigned subject,
	unsigned detail, const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/** The wire form: "250-… CRLF 250 … CRLF", each line at most 512 octets (RFC 5321 4.5.3.1.5). */
void smtp_reply_put(const struct smtp_reply *r, bool is_enhanced, struct buf *out);

/** Take the enhanced code (RFC 3463 section 2; its class is that of `code`: RFC 2034 section 4) and
 * the blank behind it off the front of a reply's text. */
bool smtp_enhanced_take(struct span *text, unsigned code, unsigned n_r[3]);

/** Reading replies (client): feed lines (without their ends) until is_complete. ERR_PROTO, scope
 * peer, for what is no reply: no code, codes that differ, a line or a reply beyond the limits, NUL.
 * Text beyond SMTP_REPLY_TEXT_MAX is dropped. The enhanced code is taken out of the text. */
struct smtp_reply_parser {
	struct smtp_reply reply;
	size_t lines;
	bool is_complete;
	bool keeps_lines; /* reply.lines is wanted too; set after init */
	bool is_plain;    /* has no enhanced codes: greeting, HELO, EHLO (RFC 2034 section 4) */
};
void smtp_reply_parser_init(struct smtp_reply_parser *p);
/** Ready for the next reply; memory is kept. */
void smtp_reply_parser_reset(struct smtp_reply_parser *p);
void smtp_reply_parser_fini(struct smtp_reply_parser *p);
int smtp_reply_parser_line(struct smtp_reply_parser *p, struct span line, struct err *e);

/* One keyword of an EHLO reply. */
struct smtp_cap {
	struct span name, params; /* as sent, NUL-ended; params "" when there are none */
};
/** What an EHLO (LHLO) reply offers. */
struct smtp_caps {
	unsigned features; /* enum smtp_feature bits */
	uint64_t size_max; /* SIZE n; 0: no fixed limit */
	uint64_t rcpt_max; /* LIMITS RCPTMAX, MAILMAX (RFC 9422); 0: not told */
	uint64_t mail_max;
	struct span auth;      /* "PLAIN LOGIN …" of AUTH and AUTH=, each once */
	struct smtp_cap *list; /* every keyword, in the server's order; AUTH= counts as AUTH */
	size_t count;
};
/** `text` is a reply's lines: the first is the greeting, each other one a keyword line. What is found
 * lives in `a`. */
void smtp_caps_parse(struct arena *a, struct span text, struct smtp_caps *caps_r);
/** In any case of letters; NULL: not offered. */
const struct smtp_cap *smtp_caps_find(const struct smtp_caps *caps, struct span name);

/** Reading DATA: finds the end, removes the dots, checks line ends. Feed any cut. The content of
 * BDAT chunks goes through the same checks, without dots and without an end of its own. */
enum smtp_data_trouble {
	SMTP_DATA_BARE_CR = 1,
	SMTP_DATA_BARE_LF = 2,
	SMTP_DATA_NUL = 4,
	SMTP_DATA_LONG_LINE = 8
};
struct smtp_data_parser {
	unsigned state;            /* private */
	bool is_normalise;         /* bare CR, bare LF become CRLF (never an end of data) */
	bool is_chunked;           /* set after init for BDAT */
	unsigned troubles;         /* bits seen so far */
	size_t line_len, line_max; /* line_max: octets of a line with its CRLF; 0: any */
	bool is_done;
};
void smtp_data_parser_init(struct smtp_data_parser *p, bool is_normalise, size_t line_max);
/** Take one run of content: returns how many octets of `in` it used (all of them over several
 * calls, unless the end came; none when something held back comes out first) and sets `*content_r`,
 * which borrows `in` or is static, and may be empty. Only CRLF.CRLF ends (RFC 5321 section 4.1.1.4). */
size_t smtp_data_take(struct smtp_data_parser *p, struct span in, struct span *content_r);
/** The last chunk has come: what was held back, and the CRLF of a last line that has none. */
struct span smtp_data_finish(struct smtp_data_parser *p);
/** The same with copying: consume from `in` (returns how many octets; all, unless the end came)
 * and append content to `out`, which must have room for twice as much and two octets. */
size_t smtp_data_parse(struct smtp_data_parser *p, struct span in, struct buf *out);

/** Line ends made fit for the wire (RFC 5321 section 2.3.8): CR, LF and CRLF all become CRLF, or are
 * told apart from it; for any cut of the input. Zero at the start. */
struct smtp_eol {
	bool is_strict; /* set at the start: a bare CR or LF is not mended */
	/* results */
	bool is_bad;       /* strict: one was met */
	uint64_t bad_at;   /* its offset in the input */
	uint64_t in, out;  /* octets so far */
	bool is_8bit;      /* an octet above 127 was among them */
	uint64_t line_max; /* the longest line so far, without its end */
	/* private */
	bool has_cr, is_mid_line;
	uint64_t line;
};
/** Take one run: returns how many octets of `in` it used (none when what was held back comes out first;
 * none too when is_bad) and sets *out_r, which borrows `in` or is static, and may be empty. */
size_t smtp_eol_take(struct smtp_eol *f, struct span in, struct span *out_r);
/** The input has ended: what was held back, and the CRLF of a last line that has none. Strict: a CR
 * at the very end is_bad. */
struct span smtp_eol_finish(struct smtp_eol *f);

/** Writing DATA. Content has CRLF line ends. `smtp_dot_next` says how many octets of `in` go out
 * as they are; when that is less than all, a dot goes out before the rest. */
struct smtp_dot_writer {
	bool is_mid_line, has_cr; /* private; zero at the start */
	bool has_bare;            /* a bare CR or LF was met: this content must not be sent */
};
size_t smtp_dot_next(struct smtp_dot_writer *w, struct span in);
/** Append `in` with dots stuffed; `*at_line_start` carries over cuts (start true). */
void smtp_dot_stuff(struct buf *out, struct span in, bool *at_line_start);
