#pragma once
/* Facts of a body: what readers ask of a message again and again, made once from its octets and kept
 * beside them (table body_fact, one row a blob: a letter to a thousand people is read once). What
 * differs per recipient (the prefix: Return-Path, Delivered-To, Received) never changes any of it;
 * offsets and sizes are the body's, readers add the prefix.
 *
 * Delivery does not wait for them: a row of `message` is there before its facts. The indexer
 * (indexer_new) makes what is missing behind the mail, the newest first; a reader that finds them
 * missing calls facts_need(), which makes them at once by the same code. So nobody sees a message
 * without them. Facts go with their body.
 *
 *	mailbox_page(… MAILBOX_WANT_FACTS …);
 *	if (some msg.facts == NULL || msg.thread_id == 0)
 *		facts_need(s, wants, count, &e), and that page again
 */

#include "store/db/db.h"
#include "store/store.h"

#define FACTS_VERSION      1   /* rows of an older one are made again */
#define FACTS_KEY_MAX      512 /* octets of a key to sort by, or of a name */
#define FACTS_ID_MAX       500 /* octets of a Message-ID that is kept; longer ones are none */
#define FACTS_REFERENCES   100 /* Message-IDs of a References field that count, the last ones */
#define FACTS_TEXT_MAX     (4 << 20) /* octets of ENVELOPE or BODYSTRUCTURE: more is told as one part */
#define FACTS_NEED_MAX     256       /* messages of one facts_need */
#define FACTS_LANE_THREADS 1         /* of the lane where readers' needs are met */
#define FACTS_LANE_QUEUE   4096

enum fact_flag {
	FACT_ATTACHMENT = 1, /* JMAP's hasAttachment */
	FACT_AMBIGUOUS = 2,  /* readers may disagree about its structure (mime_defect.h) */
	FACT_REPLY =
		4, /* its subject says that it is one, or was forwarded (RFC 5256 section 2.1) */
	FACT_DATE = 8, /* sent_ns is its Date field's */
	FACT_UNTOLD =
		16 /* From, To, Cc or Bcc is there without any address, or has a name in quotes that looks
		 * encoded: the envelope cannot tell it */
};

struct body_facts {
	unsigned flags;  /* enum fact_flag */
	int64_t sent_ns; /* of FACT_DATE; else 0, and INTERNALDATE counts (RFC 5256 section 2.2) */
	struct span
		envelope; /* IMAP text, right in every mode (mime_imap_put.h), with its brackets */
	struct span preview; /* RFC 8970, UTF-8, one line; "" none */
	struct span subject; /* base subject (RFC 5256 section 2.1) */
	/* the first address (RFC 5256 section 3): mailbox, without its domain; what is shown (RFC 5957) */
	struct span from_key, to_key, cc_key, from_name, to_name;
	struct span message_id; /* normalised (facts_id), without brackets; "" none */
	struct span refs;       /* of References, else In-Reply-To, in order, LF between */
	/* MAILBOX_WANT_PARTS */
	struct span structure; /* BODYSTRUCTURE; mime_imap_put_body_of() makes BODY of it */
	struct span layout;    /* mime_layout.h; offsets count from the body's first octet */
};
/* subject, the keys and the names are folded for comparing (i;unicode-casemap, RFC 5051): in the order
 * of their octets. */

/** Text as it is compared by i;unicode-casemap (RFC 5051 section 2), in `a`. */
struct span facts_fold(struct arena *a, struct span utf8);
/** In form NFC, in `a`; what is no UTF-8 stays. */
struct span facts_nfc(struct arena *a, struct span utf8);

/* Columns of body_fact AS f (LEFT JOIN body_fact f ON f.blob_id = message.blob_id), for who reads them with
 * his own rows. */
#define FACTS_COLUMNS                                                                              \
	"f.version, f.flags, f.sent_ns, f.envelope, f.preview, f.subject, f.from_key, f.to_key, "  \
	"f.cc_key, f.from_name, f.to_name, f.message_id, f.refs"
#define FACTS_COLUMNS_PARTS "f.structure, f.layout" /* right behind them */
/** Of the row, whose column `first` is the first of FACTS_COLUMNS, in `a`; NULL when they are not there. */
struct body_facts *facts_of_row(
	struct arena *a, struct db_stmt *st, unsigned first, bool has_parts);

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
/** Of one body. *facts_r NULL: there are none yet. */
FIBER int facts_get(struct store *s, struct arena *a, uint64_t blob_id, struct body_facts **facts_r,
	struct err *e);

/** With the last reference of a body, in the same closure. */
int facts_drop_tx(struct db *db, uint64_t blob_id, struct err *e);

/** A message is gone for good (not only into `expunged`), in the same closure: search forgets it. n 0: the
 * whole account. */
int facts_gone_tx(struct db *db, uint64_t account_id, uint64_t n, struct err *e);
