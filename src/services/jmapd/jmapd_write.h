#pragma once
/* Changing Emails: what a client asks of many is gathered into few operations on mailboxes, each of which is
 * few closures of the writer, however many Emails it is for. */

#include "services/jmapd/jmapd_priv.h"

#define JMAP_KEYWORDS_MAX MAILBOX_KEYWORDS_MAX

/** A member of a SetError's own; `json` is ready. */
void jmap_why_more(struct arena *a, struct jmap_set_error *why, const char *name, struct span json);

/* ---- mailboxes of an account, with the asker's rights ---- */

struct jmap_box {
	uint64_t id;
	unsigned rights; /* enum mailbox_right */
	struct span special_use;
};
struct jmap_boxes {
	struct jmap_box *list;
	size_t count;
};
FIBER int jmap_boxes_read(struct jmap_call *c, const struct jmap_account *account,
	struct jmap_boxes *b, struct err *e);
/** NULL: it is not there for him. */
const struct jmap_box *jmap_box(const struct jmap_boxes *b, uint64_t id);

/* ---- values of Email/set, Email/import, Email/copy ---- */

struct jmap_keywords {
	unsigned flags;     /* enum mailbox_flag, of $seen, $answered, $flagged, $draft */
	struct span *words; /* the others, in lower case; room for JMAP_KEYWORDS_MAX */
	size_t count;
};
enum jmap_keyword_trouble { JMAP_KEYWORD_GOOD, JMAP_KEYWORD_BAD, JMAP_KEYWORD_MANY };
/** RFC 8621 section 4.1.1. `keywords` NULL or JSON null: none. */
enum jmap_keyword_trouble jmap_keywords_read(
	struct arena *a, const struct json_in *keywords, struct jmap_keywords *k);
enum jmap_keyword_trouble jmap_keyword_add(
	struct arena *a, struct jmap_keywords *k, struct span word);
/** What somebody needs to set these in a new message of a mailbox: rights that are missing, 0 none. */
unsigned jmap_keywords_lack(const struct jmap_keywords *k, unsigned rights);

/* {id: true}: each once, and at most one more than JMAP_MAILBOXES_MAX; false: it is something else. */
bool jmap_mailbox_ids_read(
	struct jmap_call *c, const struct json_in *ids, uint64_t **list_r, size_t *count_r);
/** Where a new Email goes, and with which keywords; *why_r says what is wrong. */
struct jmap_place {
	uint64_t *mailboxes; /* at least one */
	size_t count;
	struct jmap_keywords keywords;
};
void jmap_place_read(struct jmap_call *c, const struct jmap_boxes *boxes,
	const struct json_in *mailbox_ids, const struct json_in *keywords, struct jmap_place *place,
	struct jmap_set_error *why_r);

/** The stage becomes an Email in all of its mailboxes. `server_set_r`: blobId, threadId, size (RFC 8621
 * section 4.6), and id, as a JSON object. *why_r: overQuota and the like; then the stage is still the
 * caller's. */
FIBER int jmap_email_put(struct jmap_call *c, const struct jmap_account *account,
	const struct jmap_place *place, struct stage **stage, int64_t received_ns,
	uint64_t *email_id_r, struct span *server_set_r, struct jmap_set_error *why_r,
	struct err *e);

/* ---- many at once ---- */

enum jmap_deed_kind { JMAP_DEED_FLAGS, JMAP_DEED_COPY, JMAP_DEED_MOVE, JMAP_DEED_EXPUNGE };
struct jmap_deed { /* one operation on messages of a mailbox */
	enum jmap_deed_kind kind;
	uint64_t from, to;
	enum mailbox_flag_how how;
	struct jmap_keywords keywords;
	uint32_t *uids;
	size_t *whose; /* beside uids: the caller's number of the Email */
	size_t count, room;
};
struct jmap_deeds {
	struct arena *a;
	struct jmap_deed *list;
	size_t count, room;
	/* beside them: what sleeps until when, and what does no longer; room for one of each Email, or NULL */
	uint64_t account_id;
	struct snooze *snoozes;
	size_t *snooze_whose;
	size_t snooze_count;
};
/** `like` without its uids: the message joins those for whom the same is done. */
void jmap_deeds_add(struct jmap_deeds *d, const struct jmap_deed *like, uint32_t uid, size_t whose);
/** In the order of their kinds, all or nothing for each Email (RFC 8620 section 5.3). What cannot be done for lack of
 * room and the like goes to `failed` for each Email; -1: trouble of the store. */
FIBER int jmap_deeds_do(struct jmap_call *c, struct jmap_deeds *d,
	void (*failed)(void *arg, size_t whose, const char *type, const char *why), void *arg,
	struct err *e);

/** RFC 8620 section 5.3, for an Email: a pointer leads to a property, or to a member of keywords or mailboxIds. */
bool jmap_patch_is_path(const char *key);
/** A member "/" of a PatchObject: the part behind "name/", its escapes undone; false: it is another one. In `a`. */
bool jmap_patch_below(struct arena *a, const char *key, const char *name, struct span *rest_r);

/** struct jmap_set_type's `changes`, for Emails. */
FIBER int jmap_email_set_changes(struct jmap_set *set, struct email_changes *c, struct err *e);

/* jmapd_email_import.c, jmapd_email_copy.c */
jmap_method_fn jmap_email_import, jmap_email_copy;

/* jmapd_email_same.c: what a client knows already and sends again (RFC 8620 section 5.3). */
/** *same_r: the first member of the patch that is not as it is in the Email, NULL: all are. `names`: those to look at. */
FIBER int jmap_email_differs(struct jmap_call *c, const struct jmap_account *account,
	uint64_t email_id, const struct json_in *patch, const struct span *names, size_t count,
	const char **differs_r, struct err *e);

/* jmapd_snooze.c: "snoozed" of an Email. */
struct jmap_snooze {
	bool is_told, is_on; /* told and not on: null */
	int64_t until_ns;
	uint64_t mailbox_id; /* where it comes back; 0: where it is */
};
/** False: it is no such object. */
bool jmap_snooze_read(struct jmap_call *c, const struct json_in *v, struct jmap_snooze *s);
/** The mailbox Snoozed, made when there is none. */
FIBER int jmap_snooze_mailbox(struct jmap_call *c, const struct jmap_account *account,
	uint64_t *mailbox_id_r, struct err *e);
/** What is due comes back: unread, on top. *next_ns_r: when the next one is (CLOCK_NEVER: none). */
FIBER int jmap_snooze_run(struct jmapd *d, int64_t *next_ns_r, struct err *e);
