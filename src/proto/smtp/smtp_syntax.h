#pragma once
/* The grammar of SMTP: commands, paths, ESMTP parameters, replies, EHLO keywords, the end of DATA.
 * Pure: bytes in any cut become structs; no I/O, no logging. Also the fuzzers' target. */

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* RFC 5321 section 4.5.3.1 */
#define SMTP_LOCAL_PART_MAX 64
#define SMTP_DOMAIN_MAX	    255
#define SMTP_PATH_MAX	    256
#define SMTP_REPLY_LINE_MAX 2048 /* we read longer lines than the 512 we may write */
#define SMTP_REPLY_LINES_MAX 128
#define SMTP_PARAMS_MAX	    16

/* verb, text */
#define SMTP_VERBS(X)                                                                              \
	X(HELO, "HELO") X(EHLO, "EHLO") X(LHLO, "LHLO") X(MAIL, "MAIL") X(RCPT, "RCPT")            \
	X(DATA, "DATA") X(BDAT, "BDAT") X(RSET, "RSET") X(NOOP, "NOOP") X(QUIT, "QUIT")            \
	X(VRFY, "VRFY") X(EXPN, "EXPN") X(HELP, "HELP") X(STARTTLS, "STARTTLS") X(AUTH, "AUTH")    \
	X(ETRN, "ETRN") X(TURN, "TURN")
enum smtp_verb {
#define X(id, text) SMTP_##id,
	SMTP_VERBS(X)
#undef X
		SMTP_VERB_UNKNOWN,
	SMTP_VERB_COUNT = SMTP_VERB_UNKNOWN
};
const char *smtp_verb_str(enum smtp_verb v);

enum smtp_feature { /* bits */
	SMTP_PIPELINING = 1, SMTP_SIZE = 2, SMTP_8BITMIME = 4, SMTP_BINARYMIME = 8,
	SMTP_CHUNKING = 16, SMTP_SMTPUTF8 = 32, SMTP_DSN = 64, SMTP_ENHANCED = 128,
	SMTP_FEATURE_STARTTLS = 256, SMTP_LIMITS = 512, SMTP_FEATURE_HELP = 1024,
	SMTP_FEATURE_VRFY = 2048, SMTP_FEATURE_AUTH = 4096, SMTP_REQUIRETLS = 8192,
};

struct smtp_address { /* spans of one text "local@domain" */
	struct span whole;   /* "" for <>; "postmaster" alone has no domain */
	struct span local;   /* as written, quoted-string kept */
	struct span domain;  /* as written: name or [literal] */
	bool is_utf8;	     /* has octets above 127 */
};
/** "local@domain" or bare "postmaster" (RFC 5321 section 4.1.2: Mailbox; with is_utf8 RFC 6531
 * section 3.3). Lengths of 4.5.3.1 are enforced. */
int smtp_address_parse(struct span text, bool is_utf8_allowed, struct smtp_address *a_r,
	struct err *e);
/** The local part without quoting ("\"a b\"" is a b), into `a`. */
struct span smtp_local_unquote(struct arena *a, struct span local);

struct smtp_param {
	struct span name, value; /* value "" with has_value false: keyword alone */
	bool has_value;
};

enum smtp_body_type { SMTP_BODY_7BIT, SMTP_BODY_8BITMIME, SMTP_BODY_BINARYMIME };
enum smtp_ret { SMTP_RET_NONE, SMTP_RET_FULL, SMTP_RET_HDRS };
enum smtp_notify { SMTP_NOTIFY_NEVER = 1, SMTP_NOTIFY_SUCCESS = 2, SMTP_NOTIFY_FAILURE = 4,
	SMTP_NOTIFY_DELAY = 8 };

struct smtp_mail {
	struct smtp_address from;
	bool has_size;
	uint64_t size;
	enum smtp_body_type body;
	bool is_smtputf8;
	enum smtp_ret ret;
	struct span envid; /* decoded xtext */
};
struct smtp_rcpt {
	struct smtp_address to;
	unsigned notify; /* 0: not given */
	struct span orcpt; /* "type;decoded" or "" */
	void *user;	   /* for the decider */
};

struct smtp_command {
	enum smtp_verb verb;
	struct span word; /* as sent */
	struct span args; /* trimmed of the one blank behind the verb */
	/* by verb: */
	struct smtp_mail mail;
	struct smtp_rcpt rcpt;
	struct span domain;   /* HELO EHLO LHLO */
	uint64_t chunk_size;  /* BDAT */
	bool is_last_chunk;
};
/** Parse a command line (without its line end). `features` says which ESMTP parameters are known.
 * On -1 the err carries the SMTP triple that the peer is owed (500 5.5.2, 501 5.5.4, 555 5.5.4,
 * 553 5.1.7 …) and a text fit for a reply. Results live in `a` or borrow `line`. */
int smtp_command_parse(struct arena *a, struct span line, unsigned features, bool is_utf8_allowed,
	struct smtp_command *cmd_r, struct err *e);

/** xtext of RFC 3461 section 4. */
bool smtp_xtext_decode(struct buf *b, struct span text);
void smtp_xtext_encode(struct buf *b, struct span bytes);

struct smtp_reply {
	unsigned code;
	unsigned cls, subject, detail; /* enhanced code; 0 0 0: none */
	struct buf text;	       /* lines separated by LF; max SMTP_REPLY_TEXT_MAX */
};
#define SMTP_REPLY_TEXT_MAX 8192
void smtp_reply_init(struct smtp_reply *r);
void smtp_reply_fini(struct smtp_reply *r);
/** Replace the whole reply. CR, LF(other than the separator), NUL in the text become '?'. */
void smtp_reply_set(struct smtp_reply *r, unsigned code, unsigned cls, unsigned subject,
	unsigned detail, const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/** The wire form: "250-… CRLF 250 … CRLF", each line at most 512 octets (RFC 5321 4.5.3.1.5). */
void smtp_reply_put(const struct smtp_reply *r, bool is_enhanced, struct buf *out);

/** Reading replies (client): feed lines until is_complete. */
struct smtp_reply_parser {
	struct smtp_reply reply;
	size_t lines;
	bool is_complete;
};
void smtp_reply_parser_init(struct smtp_reply_parser *p);
void smtp_reply_parser_fini(struct smtp_reply_parser *p);
int smtp_reply_parser_line(struct smtp_reply_parser *p, struct span line, struct err *e);

/** Reading DATA: finds the end, removes the dots, checks line ends. Feed any cut. */
enum smtp_data_trouble { SMTP_DATA_BARE_CR = 1, SMTP_DATA_BARE_LF = 2, SMTP_DATA_NUL = 4,
	SMTP_DATA_LONG_LINE = 8 };
struct smtp_data_parser {
	unsigned state;		/* private */
	bool is_normalise;	/* bare CR, bare LF become CRLF (never an end of data) */
	unsigned troubles;	/* bits seen so far */
	size_t line_len, line_max;
	bool is_done;
};
void smtp_data_parser_init(struct smtp_data_parser *p, bool is_normalise, size_t line_max);
/** Consume from `in` (returns how many octets; all, unless the end came) and append content to
 * `out`. Only CRLF.CRLF ends (RFC 5321 section 4.1.1.4). */
size_t smtp_data_parse(struct smtp_data_parser *p, struct span in, struct buf *out);

/** Writing DATA: append `in` with dots stuffed; `*at_line_start` carries over cuts (start true). */
void smtp_dot_stuff(struct buf *out, struct span in, bool *at_line_start);
