#pragma once
/* Facts of a body: what readers ask of a message again and again, made once from its octets and kept
 * beside them (table body_fact, one row a blob: a letter to a thousand people is read once). What
 * differs per recipient (the prefix: Return-Path, Delivered-To, Received) never changes any of it;
 * offsets and sizes are the body's, readers add the prefix.
 *
 * Delivery does not wait for them: a row of `message` is there before its facts. The indexer
 * (indexer_new) makes what is missing behind the mail, newest first; a reader that finds them
 * missing calls facts_need(), which makes them at once by the same code. So nobody sees a message
 * without them. Facts go with their body.
 *
 *	if (!is_there && facts_need(s, a, wants, count, &e) < 0) …
 *	store_read(… facts_get_tx(db, a, blob_id, FACTS_ENVELOPE, &f, &is_there, e) …)
 */

#include "store/db/db.h"
#include "store/store.h"

#define FACTS_VERSION     1   /* rows of an older one are made again */
#define FACTS_SUBJECT_MAX 512 /* octets of a base subject that are kept */
#define FACTS_NAME_MAX    256 /* of a name or mailbox to sort by */
#define FACTS_REFERENCES  100 /* Message-IDs of a References field that count, the last ones */
#define FACTS_TEXT_MAX                                                                             \
	(8 << 20)           /* octets of ENVELOPE, BODY or BODYSTRUCTURE; more is cut to a
				       * structure of one part */
#define FACTS_NEED_MAX  256 /* messages of one facts_need */
#define FACTS_THREADS   1   /* of the lane that parses */
#define FACTS_QUEUE_MAX 4096

/* Which columns a reader wants: what it does not ask for costs nothing. */
enum facts_part {
	FACTS_ENVELOPE = 1,
	FACTS_BODY = 2,
	FACTS_STRUCTURE = 4,
	FACTS_LAYOUT = 8,
	FACTS_PREVIEW = 16,
	FACTS_SORT = 32, /* sent, subject, from, to, cc, names, message_id, references */
	FACTS_ALL = 63
};

enum facts_flag {
	FACTS_HAS_DATE = 1,   /* a Date field that can be read */
	FACTS_ATTACHMENT = 2, /* JMAP's hasAttachment */
	FACTS_AMBIGUOUS = 4,  /* readers may disagree about its structure (mime_defect.h) */
	FACTS_REPLY = 8,      /* its subject says so (RFC 5256 section 2.1) */
	FACTS_UNREADABLE = 16 /* its octets are damaged: told as an empty message */
};

struct facts {
	uint64_t blob_id;
	unsigned flags; /* enum facts_flag; always there */
	/* IMAP text, ready to be sent in every mode (mime_imap_put.h): with their brackets */
	struct span envelope, body, structure;
	struct span layout;  /* mime_layout.h */
	struct span preview; /* RFC 8970, UTF-8, one line; "" none */
	/* To sort and thread by (RFC 5256, RFC 5957): decoded, UTF-8, case kept */
	int64_t sent_sec;         /* of FACTS_HAS_DATE; without it INTERNALDATE counts (2.2) */
	struct span subject;      /* base subject (section 2.1) */
	struct span from, to, cc; /* mailbox of the first address, without its domain */
	struct span from_name, to_name; /* display name of the first address, else its address */
	uint64_t message_id;            /* facts_hash() of it, 0 none */
	const uint64_t *references; /* of References, else of In-Reply-To, in order; aligned copy */
	size_t reference_count;
};

/** The number that a Message-ID ("<left@right>", RFC 5322 section 3.6.4) is known by: never 0. */
uint64_t facts_hash(struct span message_id);

/** In a closure: the facts of a body, spans in `a`. *is_found_r false: they are not there yet. */
int facts_get_tx(struct db *db, struct arena *a, uint64_t blob_id, unsigned parts,
	struct facts *f_r, bool *is_found_r, struct err *e);

struct facts_want {
	uint64_t message_id; /* its row in `message`, for its thread; 0: the body alone */
	uint64_t blob_id, octets;
};
/** Make what is missing of these (at most FACTS_NEED_MAX a call) and wait until it is stored; what is
 * there costs one read. A body that is gone in the meantime is passed over. */
FIBER int facts_need(struct store *s, const struct facts_want *wants, size_t count, struct err *e);
/** Without a fiber (tools, tests). */
int facts_need_blocking(
	struct store *s, const struct facts_want *wants, size_t count, struct err *e);
/** The same for one body, from its octets when they are not in the store yet (parse only). */
struct facts *facts_of(struct arena *a, struct span message);

/** With the last reference of a body, in the same closure. */
int facts_drop_tx(struct db *db, uint64_t blob_id, struct err *e);

/* ---- the indexer: one thread of a process ---- */

struct indexer;

struct indexer_stats {
	uint64_t facts, threads, documents; /* made since the start */
	uint64_t missing_facts;             /* messages whose facts or thread are owed */
	uint64_t missing_documents;         /* that search does not know yet */
	int64_t busy_ns;
	bool is_paused; /* mail is moving: it waits */
};

/** Starts its thread; it listens to the change feed and begins with what is owed. */
struct indexer *indexer_new(struct store *s, struct err *e);
/** Any thread. Ends it; what is under way is finished or left for the next start. */
void indexer_free(struct indexer **x);
void indexer_stats(struct indexer *x, struct indexer_stats *stats_r);
/** Forget and make again, behind the mail: search documents, or everything. Any thread. */
enum indexer_what { INDEXER_DOCUMENTS = 1, INDEXER_FACTS = 2 };
FIBER int indexer_rebuild(struct store *s, unsigned what, struct err *e);
