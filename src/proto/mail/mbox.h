#pragma once
/* mbox files (RFC 4155 and the forms before it): messages with a "From " line in front, in any cut of the
 * octets, and back. Pure; not thread-safe.
 *
 * The four forms that are met: mboxo (">From " for a line "From "), mboxrd (one ">" more for each
 * ">…>From "), mboxcl (mboxo with Content-Length), mboxcl2 (Content-Length alone). MBOX_AUTO takes a
 * Content-Length that fits and reads quotes as mboxrd has them.
 *
 * A message begins at a line "From " that has a date, or that stands behind an empty line and has a time
 * of day; other lines "From " are text. Lines end with LF: the message gets CRLF. Where the "From " line
 * ends with CRLF, the message is taken octet for octet (that is how we write those with bare CR or LF; the
 * empty line behind one without a line end at its end is a bare LF).
 *
 * Fields by which programs keep flags (Status, X-Status, X-Keywords and others: mbox_read.c) are read and
 * taken out: the last one of a name is the mailbox's, those before it are the message's own.
 *
 *	mbox_init(&m, MBOX_AUTO);
 *	for (;;) {
 *		mbox_next(&m, &in, &ev);
 *		switch (ev.kind) {
 *		case MBOX_MORE: … read more into `in`, or mbox_finish(&m) at the end of the file …
 *		case MBOX_PROBE: … mbox_probed(&m, the octets at ev.offset, …) …
 *		case MBOX_BEGIN: … m.letter …
 *		case MBOX_OCTETS: … ev.octets …
 *		case MBOX_END: …
 *		case MBOX_OVER: goto done;
 *		}
 *	}
 *	mbox_fini(&m); */

#include "base/buf.h"

#define MBOX_HEAD_MAX                                                                              \
	(1024 * 1024)         /* a longer header section is text: no field of it is looked at */
#define MBOX_FROM_MAX    1000 /* octets of a "From " line; a longer one is text */
#define MBOX_QUOTES_MAX  500  /* ">" before "From " that are quotes */
#define MBOX_OUT_BYTES   (64 * 1024) /* of one MBOX_OCTETS, about */
#define MBOX_PROBE_BYTES 1024        /* that an answer to MBOX_PROBE has */

enum mbox_kind { MBOX_AUTO, MBOX_O, MBOX_RD, MBOX_CL, MBOX_CL2 };

enum mbox_flag {
	MBOX_SEEN = 1,
	MBOX_ANSWERED = 2,
	MBOX_FLAGGED = 4,
	MBOX_DELETED = 8,
	MBOX_DRAFT = 16,
};

/* What is known of a message beside its octets. Spans live until its MBOX_END. */
struct mbox_letter {
	uint64_t offset;    /* of its "From " line in the file */
	struct span sender; /* as the "From " line has it */
	bool has_date;
	int64_t date_sec; /* of that line; UTC where it tells no zone (RFC 4155 appendix A) */
	unsigned flags;   /* enum mbox_flag */
	struct span keywords, labels; /* parted by blanks; X-Gmail-Labels as it stands, unfolded */
	bool is_internal; /* what c-client and Dovecot keep in front of a mailbox: no message */
	bool is_removed;  /* Thunderbird has removed it, the file was not compacted yet */
};

enum mbox_event_kind {
	MBOX_MORE,   /* the input is spent */
	MBOX_PROBE,  /* look at the file at `offset`: mbox_probed */
	MBOX_BEGIN,  /* a message: m->letter */
	MBOX_OCTETS, /* some of it, valid until the next call */
	MBOX_END,
	MBOX_JUNK, /* what begins at `offset` is before any "From " line: passed over; told once */
	MBOX_OVER, /* after mbox_finish: nothing is left */
};
struct mbox_event {
	enum mbox_event_kind kind;
	struct span octets;
	uint64_t offset;
};

struct mbox {
	enum mbox_kind kind;
	struct mbox_letter letter;
	uint64_t offset; /* consumed of the file */
	/* private */
	int state;
	struct buf line, head, out, text; /* `text`: what the letter's spans lie in */
	uint64_t line_at;                 /* where the line under way begins */
	uint64_t left;                    /* of the octets that Content-Length told */
	uint64_t length;                  /* Content-Length; UINT64_MAX none */
	unsigned blank;                   /* octets of an empty line held back */
	bool is_line_open;                /* the line under way was decided on: the rest follows */
	bool is_exact, is_cr;             /* line ends stay; the last octet put is CR */
	bool is_lf_held;                  /* is_exact: the LF of the last line was not put yet */
	bool is_blank_before, is_finished, is_junk_told, is_open, is_given;
	bool is_next, is_next_exact; /* a "From " line was read that MBOX_END goes before */
	uint64_t next_at;
	struct buf next;
};

void mbox_init(struct mbox *m, enum mbox_kind kind);
void mbox_fini(struct mbox *m);
/** One event; takes from `*in` what it needs. */
void mbox_next(struct mbox *m, struct span *in, struct mbox_event *ev_r);
/** No more input comes. */
void mbox_finish(struct mbox *m);
/** The answer to MBOX_PROBE: octets of the file from there on, at most MBOX_PROBE_BYTES; `is_end`: and the
 * file ends behind them. Not known, or beyond the end: nothing, and false. */
void mbox_probed(struct mbox *m, struct span octets, bool is_end);

/** Is it a "From " line, with (is_blank_before false) or even without a whole date? `line` without its end;
 * sender, date and has_date of `*letter_r` (may be NULL) are set. */
bool mbox_is_from(struct span line, bool is_blank_before, struct mbox_letter *letter_r);

/* ---- writing: mboxrd ---- */

struct mbox_writer {
	struct buf *out; /* the caller empties it between calls */
	/* private */
	struct buf head, text; /* the section so far; its line under way */
	unsigned flags;
	struct span keywords;
	bool is_exact, is_lacking_end, is_body, is_cr;
	struct buf line; /* the beginning of one, until it is known whether it is quoted */
	bool is_line_open;
};

/** Begin a message: its "From " line, from sender, date and flags of `letter`; its keywords are borrowed until
 * the header is over. `is_exact`: it has a CR or LF alone, so that line ends stay as they are;
 * `is_lacking_end`: it does not end with a line end. */
void mbox_write_begin(struct mbox_writer *w, struct buf *out, const struct mbox_letter *letter,
	bool is_exact, bool is_lacking_end);
void mbox_write(struct mbox_writer *w, struct span octets);
/** The end, with the empty line behind it; what the writer owns is freed. A message without an empty line behind
 * its header section gets one. */
void mbox_write_end(struct mbox_writer *w);
/** Has the message a CR or LF alone? In pieces: *last is the last octet before, 0 at first; at the end a last
 * octet of CR is one alone. */
bool mbox_is_bare(struct span octets, char *last);
