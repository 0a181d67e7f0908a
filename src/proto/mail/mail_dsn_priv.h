#pragma once
#include "proto/mail/mail_dsn.h"

#define DSN_COLUMNS  72
#define DSN_CODE_MAX 16  /* of an enhanced code */
#define DSN_HOST_MAX 320 /* a name of 255 and an address */

/* mail_dsn_wrap.c */

/** Columns that a text takes on a terminal: Chinese, Japanese and Korean letters take two. */
size_t dsn_columns(struct span text);
/** At most `columns` of it, no character cut. */
struct span dsn_cut_columns(struct span text, size_t columns);
/** A paragraph in lines of at most DSN_COLUMNS, each behind `indent`; broken at blanks and between
 * wide letters. Words longer than a line stay whole. What would change the direction or the place of
 * writing becomes '?'. */
void dsn_put_wrapped(struct buf *b, const char *indent, struct span text);

/* mail_dsn_words.c */

struct dsn_words {
	const char *subject[MAIL_DSN_ACTION_COUNT]; /* behind the English one; "": none */
	const char *host, *host_end;                /* before and behind our name */
	const char *hint[MAIL_DSN_ACTION_COUNT];    /* the whole news in one sentence */
	const char *opening[MAIL_DSN_ACTION_COUNT];
	const char *full, *header;     /* what of the message is attached */
	const char *help, *help_again; /* whom to ask */
	const char *sign;              /* who writes this, in its place */
	const char *colon, *said;
	const char *peer; /* before the name of the next hop */
	const char *done[MAIL_DSN_ACTION_COUNT];
	const char *why, *remedy, *admin;
	const char *next, *between, *last, *next_end, *until, *until_end;
	const char *way, *way_end, *station, *at, *took, *left_out, *left_out_end, *clock;
	const char *fate[MAIL_DSN_ACTION_COUNT]; /* in a cell of the table */
	const char *queue_id;
	const char *sec, *min, *hour, *day;
};
extern const struct dsn_words dsn_words[MAIL_LANG_COUNT];
extern const char *const dsn_subjects[MAIL_DSN_ACTION_COUNT];

/* mail_dsn_text.c */

/** The text for people, in UTF-8. */
void dsn_put_story(struct buf *b, const struct mail_dsn *d);

/* mail_dsn.c */

enum mail_dsn_action dsn_worst(const struct mail_dsn *d);
/** At most `max` octets of it, no UTF-8 character cut. */
struct span dsn_cut(struct span text, size_t max);
