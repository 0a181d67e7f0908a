#pragma once
/* A whole station on the simulated loop: inbound, router, queue, outbound, bounce and a real store
 * in a scratch directory, with names, next hops and clock in memory. Letters come in by SMTP; what
 * became of each recipient is found where the world would find it: at the next hops, in the
 * sender's mailbox, in the log.
 *
 *	struct world *w = world_new(&opts);
 *	world_play(w, story, arg);	// story is a fiber; days of virtual time
 *	... look at world_rcpt(w, "a@there.test"), world_faults(w)
 *	world_free(&w);
 *
 * A recipient's address stands for the letter too: each is used once in a world. */

#include "net/dns.h"
#include "lib/smtp_peer.h"
#include "services/queue/queue.h"

#define WORLD_WALL     (1795000000 * CLOCK_SEC)
#define WORLD_RCPTS    2048
#define WORLD_ATTEMPTS 128
#define WORLD_PEERS    64
#define WORLD_NAMES    256
#define WORLD_NOTICES  4
#define WORLD_NAME     300
#define WORLD_EXPIRE   (5 * CLOCK_DAY)
#define WORLD_SENDER   "alice@here.test" /* has her mailbox here */

struct world_attempt {
	int64_t at_ns; /* mono */
	bool is_deferred;
};

/* What became of one recipient. Times are mono, 0: never. */
struct world_rcpt {
	char address[WORLD_NAME];
	int64_t sent_ns;  /* the station said 250 */
	unsigned taken;   /* contents that a next hop answered with 2yz */
	unsigned unheard; /* contents that came whole, and their sender heard nothing */
	int64_t taken_ns; /* the last one */
	int64_t noted_ns; /* a script's own */
	bool is_tls;      /* it was */
	unsigned attempts;
	unsigned ends;     /* attempts that were the last: delivered, or given up */
	bool is_delivered; /* says the log */
	struct world_attempt attempt[WORLD_ATTEMPTS];
	/* reports to the sender */
	unsigned failed, delayed, relayed;
	int64_t failed_ns, delayed_ns[WORLD_NOTICES];
	bool is_damaged; /* a content was not what was sent */
	struct buf told; /* texts of the reports */
	struct span original;
};

struct world_opts {
	const struct dns_row *rows; /* borrowed */
	size_t row_count;
	bool is_tls;     /* STARTTLS is tried */
	unsigned shards; /* 0: 1; all on the one loop */
	unsigned connections;
};

struct world;

struct world *world_new(const struct world_opts *opts);
void world_free(struct world **w);
/** Run the story; the queue runs meanwhile and has ended when this returns. */
void world_play(struct world *w, FIBER void (*story)(struct world *w, void *arg), void *arg);

/** A next hop that lives as long as the play. */
struct peer *world_peer(struct world *w, const struct peer_opts *opts);

struct world_mail {
	const char *from;   /* NULL: WORLD_SENDER */
	const char *to;     /* addresses, a blank between them */
	const char *params; /* of MAIL: "BODY=8BITMIME SMTPUTF8" */
	const char *rcpt_params;
	const char *text; /* header and body with CRLF; NULL: a short one */
};
/** Hand a letter in; false, and a fault, when the station does not take it. */
FIBER bool world_send(struct world *w, const struct world_mail *mail);

/** Until nothing waits any more, at most so long; false when something still does. */
FIBER bool world_wait_empty(struct world *w, int64_t at_most_ns);
/** Read the sender's mailbox. Done at the end of the play anyway. */
FIBER void world_read_reports(struct world *w);
/** The names from now on; they are borrowed. */
void world_names_set(struct world *w, const struct dns_row *rows, size_t count);
struct queue *world_queue(struct world *w);
/** Recipients that still have a row. */
uint64_t world_left(struct world *w);

/** Never NULL: a recipient that nobody wrote to has zeros. */
struct world_rcpt *world_rcpt(struct world *w, const char *address);
size_t world_rcpt_count(const struct world *w);
struct world_rcpt *world_rcpt_at(struct world *w, size_t i);

/** What went wrong, a line each; "" is well. */
void world_fault(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *world_faults(struct world *w);
/** Heap that is in use, without SQLite's and what is noted down here. */
size_t world_heap(const struct world *w);
