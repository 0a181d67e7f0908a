#pragma once
/* What an IMAP server says, as a client reads it (RFC 9051 section 7, RFC 3501): one whole response, its
 * literals in their places, becomes words and structs. Lenient where servers are known to be odd, strict
 * where leniency would mix up messages. Pure; spans point into the response or the arena. */

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "proto/imap/imap_syntax.h"

#define IMAP_RESPONSE_LINE_MAX  (512 * 1024)      /* one line of a response */
#define IMAP_RESPONSE_MAX       (2 * 1024 * 1024) /* a response with all literals that are gathered */
#define IMAP_RESPONSE_DEPTH_MAX 32                /* parentheses within each other */

/* ---- words ---- */

enum imap_word_kind {
	IMAP_WORD_END, /* of the response */
	IMAP_WORD_ATOM,
	IMAP_WORD_STRING, /* quoted or literal */
	IMAP_WORD_OPEN,
	IMAP_WORD_CLOSE,
	IMAP_WORD_BAD /* not a word of the grammar; nothing more is read */
};
struct imap_word {
	enum imap_word_kind kind;
	struct span text; /* of an atom, with "[…]" and "<…>" behind it; of a string its value */
	bool has_blank;   /* a blank stood in front */
};
struct imap_words {
	struct arena *a; /* strings that needed unquoting */
	struct span rest;
	unsigned depth;
};
struct imap_word imap_word_next(struct imap_words *w);
/** Pass over a list that was just opened, to behind its end, or over nothing else. False: it does not end. */
bool imap_words_skip_list(struct imap_words *w);

/** Ends the line in a literal's header "{n}" or "~{n}"? *size_r of it; *at_r: where it begins. */
bool imap_response_literal(struct span line, uint64_t *size_r, size_t *at_r);

/* ---- one response ---- */

enum imap_said {
	IMAP_SAID_NONE,
	IMAP_SAID_OK,
	IMAP_SAID_NO,
	IMAP_SAID_BAD,
	IMAP_SAID_PREAUTH,
	IMAP_SAID_BYE
};

struct imap_response {
	struct span tag; /* "*", "+", or a command's */
	enum imap_said said;
	struct span code; /* "UIDVALIDITY", of a status response; "" */
	struct span args; /* behind it, within the brackets */
	struct span text; /* for people; of "+" all */
	struct span name; /* "FETCH", "LIST" of the others */
	bool has_number;
	uint32_t number;         /* "12 FETCH" */
	struct imap_words words; /* behind the name */
};
/** ERR_SYNTAX: it is none. */
int imap_response_parse(struct arena *a, struct span text, struct imap_response *r, struct err *e);

/* What a FETCH response may tell. */
struct imap_fetched {
	uint32_t uid; /* 0: not told */
	bool has_flags, has_date, has_body;
	struct span flags; /* parted by blanks, as sent, without \Recent */
	int64_t date_sec;  /* INTERNALDATE */
	uint64_t modseq;   /* 0: not told */
	uint64_t size;     /* RFC822.SIZE */
	struct span body;  /* BODY[] when it was not streamed: a short one, "" for NIL */
	bool has_labels;   /* X-GM-LABELS (Gmail's X-GM-EXT-1) */
	unsigned labels;   /* how many of them are places: not \Important, \Starred, \Muted */
};
int imap_fetched_parse(struct imap_words *w, struct imap_fetched *f, struct err *e);

struct imap_listed {
	unsigned use; /* enum imap_special_use (RFC 6154) */
	bool is_noselect;
	char separator;   /* 0: none, the name has one level */
	struct span wire; /* the name as it was sent */
	struct span name; /* UTF-8; levels parted by `separator` */
};
/** LIST and LSUB. A name that is no modified UTF-7 is taken as it stands, if it is UTF-8. */
int imap_listed_parse(struct imap_words *w, bool is_utf8, struct imap_listed *l, struct err *e);

#define IMAP_FOREIGN_MAX 32                    /* prefixes of other namespaces that are looked at */
struct imap_namespaces {                       /* RFC 2342, RFC 9051 section 7.3.5 */
	struct span personal;                  /* its prefix ("INBOX."); "" for none */
	struct span foreign[IMAP_FOREIGN_MAX]; /* of other users' and shared ones, "" left out */
	size_t foreign_count;
};
/** False: it is none. */
bool imap_namespaces_parse(struct imap_words *w, struct imap_namespaces *n);
