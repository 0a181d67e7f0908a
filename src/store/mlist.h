#pragma once
/* Mailing lists: who is in them, how they work, and what waits for somebody's word. services/lists
 * decides. Addresses are compared as the directory does: domain as A-label, ASCII letters lower-case. */

#include "store/store.h"

#define MLIST_PAGE         256   /* rows of one read */
#define MLIST_MEMBERS_MAX  10000 /* of one list: more are refused */
#define MLIST_SETTINGS_MAX 4096
#define MLIST_PENDING_MAX  1000 /* of one list and kind: more are refused */

enum mlist_post { MLIST_POST_MEMBERS, MLIST_POST_ANYONE, MLIST_POST_MODERATED, MLIST_POST_OWNERS };
enum mlist_join { MLIST_JOIN_OPEN, MLIST_JOIN_OWNERS };
enum mlist_rewrite { MLIST_REWRITE_NEEDED, MLIST_REWRITE_ALWAYS, MLIST_REWRITE_NEVER };
/** "members", "anyone" …; NULL for a number that is none. */
const char *mlist_post_str(int p);
const char *mlist_join_str(int j);
const char *mlist_rewrite_str(int r);

struct mlist_info {
	uint64_t id;
	struct span domain, local;
	struct span title; /* "" none */
	enum mlist_post post;
	enum mlist_join join;
	enum mlist_rewrite rewrite; /* of From, where the author's DMARC policy needs it */
	struct span subject_prefix; /* "[team]"; "" none */
	struct span footer;         /* text behind plain messages; "" none */
	uint64_t octets_max;        /* of a post; 0: the server's limit */
	bool is_reply_to_list;
	uint64_t members; /* kept */
	int64_t created_ns;
};

enum mlist_role { MLIST_RECEIVES = 1, MLIST_TRUSTED = 2, MLIST_MODERATOR = 4, MLIST_OWNER = 8 };
enum mlist_state { MLIST_ACTIVE, MLIST_PAUSED, MLIST_BOUNCING };

struct mlist_member {
	struct span address;
	struct span name; /* "" not known */
	unsigned role;    /* enum mlist_role bits */
	enum mlist_state state;
	uint32_t bounce_score; /* hundredths */
	int64_t bounce_ns;     /* wall: when it was last counted; 0 never */
	int64_t joined_ns;
};

enum mlist_pending_kind {
	MLIST_PENDING_JOIN,
	MLIST_PENDING_LEAVE,
	MLIST_PENDING_PROOF,
	MLIST_PENDING_POST,
	MLIST_PENDING_TOLD /* a refusal, not to be told again for a while */
};
enum mlist_verdict { MLIST_UNDECIDED, MLIST_YES, MLIST_NO };
struct mlist_pending {
	struct span token;
	uint64_t list_id;
	enum mlist_pending_kind kind;
	struct span address, subject;
	uint64_t msg_id; /* a post's letter in the queue */
	enum mlist_verdict verdict;
	int64_t made_ns, expires_ns;
};

/** An address in the form that is stored, cut in two. ERR_SYNTAX. */
int mlist_address(struct arena *a, struct span text, struct span *local_r, struct span *domain_r,
	struct err *e);

/* ---- lists; spans live in `a` ---- */

/** ERR_EXISTS when an account, address, alias or list bears the name, ERR_NOT_FOUND when the domain is
 * not a local one, ERR_SYNTAX. */
FIBER int mlist_add(struct store *s, const struct mlist_info *list, uint64_t *id_r, struct err *e);
/** All but id, address, members and created. */
FIBER int mlist_set(struct store *s, const struct mlist_info *list, struct err *e);
/** With its members and what waits. */
FIBER int mlist_remove(struct store *s, uint64_t id, struct err *e);
FIBER int mlist_get(
	struct store *s, struct arena *a, uint64_t id, struct mlist_info *list_r, struct err *e);
FIBER int mlist_find(struct store *s, struct arena *a, struct span address,
	struct mlist_info *list_r, struct err *e); /* ERR_NOT_FOUND */
/** Of a domain ("" all). */
FIBER int mlist_all(struct store *s, struct arena *a, struct span domain,
	struct mlist_info **list_r, size_t *count_r, struct err *e);

/* ---- members ---- */

/** Add, or change name, role and state of who is there. *is_new_r may be NULL. ERR_LIMIT: the list is
 * full (MLIST_MEMBERS_MAX). */
FIBER int mlist_member_put(struct store *s, uint64_t list_id, const struct mlist_member *m,
	bool *is_new_r, struct err *e);
/** Many in one transaction (at most MLIST_PAGE); those that are there stay as they are. */
FIBER int mlist_member_add_many(struct store *s, uint64_t list_id, const struct mlist_member *m,
	size_t count, uint64_t *added_r, struct err *e);
FIBER int mlist_member_remove(
	struct store *s, uint64_t list_id, struct span address, struct err *e);
FIBER int mlist_member_get(struct store *s, struct arena *a, uint64_t list_id, struct span address,
	struct mlist_member *m_r, struct err *e); /* ERR_NOT_FOUND */
/** Behind `after` in the order of addresses, at most MLIST_PAGE. */
FIBER int mlist_members(struct store *s, struct arena *a, uint64_t list_id, struct span after,
	struct mlist_member **list_r, size_t *count_r, struct err *e);
struct mlist_bounce {
	uint32_t points, limit; /* hundredths */
	int64_t gap_ns;         /* counted at most once in this time */
	int64_t half_ns;        /* in which the score halves */
	bool is_suspended;      /* result: the member has just become MLIST_BOUNCING */
};
/** Count a bounce of a member; nothing when there is none, or it is not active. */
FIBER int mlist_member_bounced(struct store *s, uint64_t list_id, struct span address,
	struct mlist_bounce *b, struct err *e);

/* ---- what waits ---- */

/** The caller draws the token. ERR_BUSY when one of that kind
 * and address was made less than `gap_ns` ago, ERR_LIMIT when too many of the kind wait; what has
 * expired is forgotten here. */
FIBER int mlist_pending_add(
	struct store *s, const struct mlist_pending *p, int64_t gap_ns, struct err *e);
FIBER int mlist_pending_get(struct store *s, struct arena *a, struct span token,
	struct mlist_pending *p_r, struct err *e); /* ERR_NOT_FOUND, also when it has expired */
/** The one of a letter that waits for moderation; ERR_NOT_FOUND. */
FIBER int mlist_pending_of(struct store *s, struct arena *a, uint64_t msg_id,
	struct mlist_pending *p_r, struct err *e);
FIBER int mlist_pending_all(struct store *s, struct arena *a, uint64_t list_id,
	enum mlist_pending_kind kind, struct mlist_pending **list_r, size_t *count_r,
	struct err *e);
FIBER int mlist_pending_decide(
	struct store *s, struct span token, enum mlist_verdict verdict, struct err *e);
FIBER int mlist_pending_remove(struct store *s, struct span token, struct err *e);
/** Forget what has expired. */
FIBER int mlist_pending_sweep(struct store *s, struct err *e);
