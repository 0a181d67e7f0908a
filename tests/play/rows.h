#pragma once
/* Scenarios as rows: what the next hop does, and what must come of it over the letter's whole life.
 * Each row is played in a world of its own, and these hold for all of them:
 *
 *	- nothing is lost: each recipient was taken by a next hop, or its sender was told once that it
 *	  failed, never both, never neither;
 *	- nothing is doubled: at most one content was answered with 2yz; further whole contents are
 *	  only those that were not answered, and no more of them than the row allows;
 *	- content arrives octet for octet, behind our Received line;
 *	- attempts keep to the ladder of docs/queue.md;
 *	- letters to a healthy destination, sent meanwhile, arrive within a second;
 *	- in the end no row, no parcel and no connection is left, and memory is what it was. */

#include "play/world.h"

#define ROW_RULES 8
#define ROW_ANY   0xffffU

enum row_mx { ROW_UP, ROW_ABSENT, ROW_BLACK_HOLE };

struct row {
	const char *name;
	/* The next hops of there.test: mx1 (preference 10) and, when asked for, mx2 (20). */
	enum row_mx mx;
	const struct dns_row *names; /* of there.test, ended by a NULL name; NULL: as above */
	struct peer_rule rules[ROW_RULES];
	const char *ehlo; /* of mx1; NULL: the usual */
	const char *(*decide)(struct peer_talk *t, const char *at, struct span line);
	bool has_second;
	struct peer_rule second[ROW_RULES]; /* rules of mx2 */
	bool is_tls;                        /* STARTTLS is tried, and works at mx1 */
	/* The letter. Recipients are local parts of there.test. */
	const char *to;   /* NULL: "a" */
	const char *from; /* NULL: alice; "": the null sender */
	const char *params, *rcpt_params, *text;
	unsigned letters; /* so many more to z1, z2 …, which all must arrive */
	int64_t every_ns; /* apart */
	/* What else happens. */
	FIBER void (*during)(struct world *w);
	/* What must come of it. */
	const char *failed;          /* of `to`: reported once; the others are taken once */
	int64_t after_ns, before_ns; /* when the last recipient's end came; 0: open, 1 minute */
	unsigned attempts;           /* of the first recipient; 0: one; ROW_ANY */
	unsigned attempts_most;      /* 0: `attempts` */
	unsigned unheard; /* whole contents that may stay without a reply, each recipient */
	unsigned doubled; /* contents taken once more, because the reply could not be understood */
	unsigned delayed; /* notices of delay for the first recipient; ROW_ANY */
	bool is_untold;   /* nobody is told of the failure here */
	bool is_off_ladder;     /* attempts have another reason than the ladder */
	int64_t attempt_ns;     /* an attempt may last so long; 0: 40 s */
	const char *says;       /* a report holds this */
	unsigned sessions_most; /* at mx1; 0: open */
	void (*check)(struct world *w, struct peer *mx1, struct peer *mx2);
};

/** New names, ended by a NULL name, while it plays. */
void row_names_set(struct world *w, const struct dns_row *rows);

/** Play all rows as a group of cmocka tests; what main() returns. Arguments choose rows by parts of
 * their names. */
int rows_main(const struct row *rows, size_t count, int argc, char **argv);
