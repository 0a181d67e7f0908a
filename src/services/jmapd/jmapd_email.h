#pragma once
/* What Email/get and Email/parse share: which properties are wanted, what has to be read for them, and how an
 * Email is written. Reading is done on the fiber (jmapd_email_read.c), writing on the lane
 * (jmapd_email_put.c): charsets may need iconv's tables. */

#include "base/enc.h"
#include "services/jmapd/jmapd_email_body.h"
#include "services/jmapd/jmapd_priv.h"

#define JMAP_PREVIEW_CHARACTERS 128 /* what a wide row shows */
#define JMAP_EMAIL_PAGE         64  /* Emails that are read and written at a time */
#define JMAP_EMAIL_READ_MAX                                                                        \
	(48u << 20) /* octets of bodies that one page may need: requestTooLarge */
#define JMAP_PARSE_BLOB_MAX (64u << 20) /* octets of a blob that Email/parse opens */

/* What a property is made of. */
enum jmap_email_need {
	JMAP_NEED_ENVELOPE = 1, /* of the facts; of the header where the facts are in doubt */
	JMAP_NEED_FACTS = 2,
	JMAP_NEED_HEADER = 4,
	JMAP_NEED_PARTS = 8,
	JMAP_NEED_PART_HEADERS = 16,
	JMAP_NEED_SIZES = 32,
	JMAP_NEED_VALUES = 64,
};

/* id, name, needs, is it told unless said otherwise (RFC 8621 section 4.2)? */
#define JMAP_EMAIL_PROPERTIES(X)                                                                   \
	X(ID, "id", 0, true)                                                                       \
	X(BLOB_ID, "blobId", 0, true)                                                              \
	X(THREAD_ID, "threadId", 0, true)                                                          \
	X(MAILBOX_IDS, "mailboxIds", 0, true)                                                      \
	X(KEYWORDS, "keywords", 0, true)                                                           \
	X(SIZE, "size", 0, true)                                                                   \
	X(RECEIVED_AT, "receivedAt", 0, true)                                                      \
	X(MESSAGE_ID, "messageId", JMAP_NEED_ENVELOPE, true)                                       \
	X(IN_REPLY_TO, "inReplyTo", JMAP_NEED_ENVELOPE, true)                                      \
	X(REFERENCES, "references", JMAP_NEED_HEADER, true)                                        \
	X(SENDER, "sender", JMAP_NEED_HEADER, true)                                                \
	X(FROM, "from", JMAP_NEED_ENVELOPE, true)                                                  \
	X(TO, "to", JMAP_NEED_ENVELOPE, true)                                                      \
	X(CC, "cc", JMAP_NEED_ENVELOPE, true)                                                      \
	X(BCC, "bcc", JMAP_NEED_ENVELOPE, true)                                                    \
	X(REPLY_TO, "replyTo", JMAP_NEED_HEADER, true)                                             \
	X(SUBJECT, "subject", JMAP_NEED_ENVELOPE, true)                                            \
	X(SENT_AT, "sentAt", JMAP_NEED_ENVELOPE, true)                                             \
	X(HAS_ATTACHMENT, "hasAttachment", JMAP_NEED_FACTS, true)                                  \
	X(PREVIEW, "preview", JMAP_NEED_FACTS, true)                                               \
	X(BODY_VALUES, "bodyValues", JMAP_NEED_VALUES, true)                                       \
	X(TEXT_BODY, "textBody", JMAP_NEED_PARTS, true)                                            \
	X(HTML_BODY, "htmlBody", JMAP_NEED_PARTS, true)                                            \
	X(ATTACHMENTS, "attachments", JMAP_NEED_PARTS, true)                                       \
	X(BODY_STRUCTURE, "bodyStructure", JMAP_NEED_PARTS, false)                                 \
	X(HEADERS, "headers", JMAP_NEED_HEADER, false)                                             \
	X(HEADER, "header:", JMAP_NEED_HEADER, false)                                              \
	X(EXTRA, "", JMAP_NEED_FACTS, false)
enum jmap_email_property_id {
#define X(id, name, needs, is_default) JMAP_EMAIL_##id,
	JMAP_EMAIL_PROPERTIES(X)
#undef X
		JMAP_EMAIL_PROPERTY_COUNT
};

/* Properties of our own on Email (docs/jmap.md). Their owners add a row in jmapd_email_extra.c. */
struct jmap_email_extra {
	const char *name;
	/** Read what is told of these Emails (row_count 0: not there), before they are written; *state_r,
	 * in `a`, is handed to put. */
	FIBER int (*load)(struct jmap_call *c, const struct jmap_account *account, struct arena *a,
		const struct email *list, size_t count, void **state_r, struct err *e);
	/** The value of list[i]; state NULL: of Email/parse. On a lane: the store is not asked. */
	void (*put)(struct json_out *j, struct arena *a, void *state, size_t i);
};
extern const struct jmap_email_extra jmap_email_extras[]; /* ends with a row without a name */
#define JMAP_EMAIL_EXTRAS_MAX 8

struct jmap_email_property {
	enum jmap_email_property_id id;
	struct span said;
	struct jmap_header_want header;
	size_t extra; /* index in jmap_email_extras */
};
struct jmap_email_want {
	struct jmap_email_property *list;
	size_t count;
	struct jmap_part_want parts;
	struct jmap_values_want values;
	unsigned needs;
};
/** The arguments that Email/get and Email/parse share: `properties` (NULL: the default ones, of which Email/parse
 * has fewer), bodyProperties, fetch…BodyValues, maxBodyValueBytes. -1: invalidArguments. */
int jmap_email_want(struct jmap_call *c, const struct span *properties, size_t count, bool is_parse,
	struct jmap_email_want *w_r, struct err *e);

/** Is it one of RFC 8621's, header:… included (none of our own)? */
bool jmap_email_is_property(struct span name);

/* One Email on its way. */
struct jmap_email_item {
	const struct email *email; /* NULL: Email/parse */
	const struct body_facts *facts;
	uint64_t size;
	struct jmap_mail mail;
	/* of Email/parse */
	struct span preview;
	bool has_attachment;
};
/** MAILBOX_WANT_… of email_get. */
unsigned jmap_email_columns(const struct jmap_email_want *w);
/** Do the facts tell what JMAP would? */
bool jmap_email_has_envelope(const struct jmap_email_item *item);
bool jmap_email_needs_header(const struct jmap_email_want *w, const struct jmap_email_item *item);
/** Read what is wanted of the Emails: items_r has `count` places, in `a`. */
FIBER int jmap_email_read(struct jmap_call *c, struct arena *a, const struct jmap_email_want *w,
	const struct email *list, size_t count, struct jmap_email_item *items_r, struct err *e);
/** The object. On a lane. extras[i]: the state of jmap_email_extras[i]; at: the Email's place in it. */
void jmap_put_email(struct json_out *j, struct arena *a, const struct jmap_email_want *w,
	struct jmap_email_item *item, void *const *extras, size_t at);
/** Write items (those that are there) on the lane, each behind the other or, with keys, as members. */
FIBER int jmap_put_emails(struct jmap_call *c, struct arena *a, const struct jmap_email_want *w,
	struct jmap_email_item *items, size_t count, void *const *extras, struct err *e);

/* ---- methods ---- */

FIBER int jmap_email_query(struct jmap_call *c, struct err *e);
FIBER int jmap_email_query_changes(struct jmap_call *c, struct err *e);
FIBER int jmap_email_parse(struct jmap_call *c, struct err *e);
FIBER int jmap_snippet_get(struct jmap_call *c, struct err *e);

/** -1: what a store's changes have failed with, as the client hears it. */
int jmap_changes_failed(struct jmap_call *c, struct err *e);
/** What Email/query and Email/queryChanges have both: account, filter, sort, calculateTotal, collapseThreads. */
FIBER int jmap_email_take_query(
	struct jmap_call *c, struct jmap_account **account_r, struct email_query *q, struct err *e);
void jmap_put_email_ids(struct json_out *j, const char *name, const uint64_t *ids, size_t count);
/** A filter of Email/query, in c->a; *f_r NULL: none was given. */
int jmap_email_filter(struct jmap_call *c, const struct email_filter **f_r, struct err *e);
/** Its sort, in c->a; *sort_r NULL: none was given. */
int jmap_email_sort(
	struct jmap_call *c, const struct email_sort **sort_r, size_t *count_r, struct err *e);
/** -1: what a query has failed with, as the client hears it. */
int jmap_filter_failed(struct jmap_call *c, struct err *e);

/* A Comparator (RFC 8620 section 5.5), without what types add to it. */
struct jmap_comparator {
	struct span property;
	bool is_descending;
};
int jmap_comparator_of(
	struct jmap_call *c, const struct json_in *v, struct jmap_comparator *by_r, struct err *e);
