#pragma once
/* The core's own matters: what a process and a request keep. Methods see jmapd_priv.h only. */

#include <pthread.h>
#include <stdatomic.h>

#include "base/gcra.h"
#include "base/hash.h"
#include "base/must.h"
#include "run/loop.h"

#include "services/jmapd/jmapd_priv.h"

#define JMAP_RESPONSE_MAX  (64u << 20) /* octets of all answers of one request together */
#define JMAP_REFERENCE_MAX (8u << 20)  /* octets of an answer that a reference can point into */
/* All references of a request together: the values of answers that they point into, and the steps that they take:
 * one for a value that they pass, more for a long name, JMAP_REFERENCE_COST to begin with. */
#define JMAP_REFERENCE_VALUES (256 * 1024)
#define JMAP_REFERENCE_STEPS  (256 * 1024)
#define JMAP_REFERENCE_COST   256
#define JMAP_ECHO_MAX         (3u << 20) /* octets of an echo with references, or that one points into */
#define JMAP_ANSWER_DEPTH     JSON_OUT_DEPTH
#define JMAP_ALSO_MAX         8           /* implicit calls of one request */
#define JMAP_PACK_OCTETS      1400        /* an answer smaller than this is a packet all the same */
#define JMAP_LANE_OCTETS      (16 * 1024) /* JSON larger than this is read on the lane */
#define JMAP_LARGE_OCTETS     (256 * 1024) /* a request larger than this waits in a file for its turn */
#define JMAP_LARGE_AT_ONCE    3            /* of the process; of a user one */
#define JMAP_HEARD_MAX        (2 * JMAP_REQUEST_MAX) /* of a request that is too large */
#define JMAP_LOOPS_MAX        64
#define JMAP_PUSH_NEW         40 /* push subscriptions that an account makes at once, and in an hour */
#define JMAP_PUSH_SLOTS       256 /* accounts share them by hash */

/* How much of something an account has under way; of all loops. */
enum jmap_slot_kind { JMAP_SLOT_REQUEST, JMAP_SLOT_UPLOAD, JMAP_SLOT_STREAM, JMAP_SLOT_KINDS };
struct jmap_slots {
	struct list_node node;
	uint64_t account_id;
	unsigned counts[JMAP_SLOT_KINDS];
};
/** False: there are as many as may be. */
bool jmap_slot_take(struct jmapd *d, uint64_t account_id, enum jmap_slot_kind kind);
void jmap_slot_give(struct jmapd *d, uint64_t account_id, enum jmap_slot_kind kind);

/* A loop on which somebody looks at an event stream. */
struct jmap_loop {
	struct loop *loop;
	struct watch *watch;
	unsigned users;
};

struct jmapd {
	struct jmapd_opts opts;
	unsigned capabilities; /* bits of those that have a method */
	pthread_mutex_t lock;  /* of what follows; never held across a yield */
	struct list_node slots;
	struct jmap_loop loops[JMAP_LOOPS_MAX];
	unsigned push_generation; /* atomic */
	struct gcra push_new[JMAP_PUSH_SLOTS];
	uint64_t large
		[JMAP_LARGE_AT_ONCE]; /* users whose large request is in memory; 0: a free place */
	struct list_node large_waiting;
	/* on loop 0 */
	struct fiber_cond changed;
	bool is_stopping, is_due;
	/* of the writer's thread, until the store is closed */
	struct loop *tasks_loop;
	struct loop_msg due;
	_Atomic bool is_posted;
};

/* What a method has answered. */
struct jmap_answer {
	const char *name; /* "error" for a method-level error */
	struct span id;
	struct span json;     /* the arguments */
	struct json_in *read; /* the same, once a reference has asked for it */
};
struct jmap_also {
	const char *method;
	struct span args;
};
struct jmap_creation {
	struct span creation_id, id;
};

struct jmap_request {
	struct jmapd *d;
	struct web_call *web;
	struct arena *a;
	struct jmap_user user;
	unsigned using;
	bool wants_created; /* createdIds was there */
	bool is_large;      /* texts in it may be long: on the lane with them */
	struct jmap_answer answers[JMAP_CALLS_MAX + JMAP_ALSO_MAX];
	size_t answer_count;
	size_t octets;                            /* of all answers */
	size_t reference_values, reference_steps; /* that are left */
	bool is_plain;                            /* an answer is not to be packed */
	struct jmap_also also[JMAP_ALSO_MAX];
	size_t also_count;
	struct hash_map created; /* creation id → struct jmap_creation */
	/* accounts that the user sees, once somebody has asked; forgotten by what changes something */
	struct jmap_account *accounts;
	size_t account_count;
	/* why the method at hand has failed, when it said so */
	const char *fail_type;
	const char *fail_text, *fail_argument;
};

/** All accounts that the user sees, his own first; in `a`. */
FIBER int jmap_accounts(struct jmapd *d, struct arena *a, const struct jmap_user *user,
	struct jmap_account **list_r, size_t *count_r, struct err *e);
/** The user of a request: 1; 0: answered already. */
FIBER int jmap_user_of(struct jmapd *d, struct web_call *c, enum web_login_how how,
	struct jmap_user *user_r, struct web_who *who_r, struct err *e);

/** The body of a request, read and parsed: 1; 0: it is none, which has been answered. Then it is ended by
 * jmap_intake_end, before the client is waited for. */
FIBER int jmap_intake(struct jmapd *d, struct web_call *c, uint64_t user_id, struct json_in **doc_r,
	bool *is_large_r, struct err *e);
FIBER void jmap_intake_end(struct jmapd *d, uint64_t user_id, struct json_in **doc, bool is_large);
/** Of names and texts, all but those that may be large. Pure. */
size_t jmap_plain_octets(const struct json_in *doc);
void jmap_turn_give(struct jmapd *d, uint64_t user_id);

/** JSON from a peer or of ours, on the lane when it is long. */
FIBER struct json_in *jmap_json(
	struct jmapd *d, struct span text, size_t max, unsigned depth, struct err *e);

/** What the session's capability and account objects tell; the session's state alone. */
FIBER int jmap_session_state(struct jmapd *d, struct arena *a, const struct jmap_user *user,
	struct span *state_r, struct err *e);
/** May a method of this capability be used in this account? */
bool jmap_account_has(
	const struct jmapd *d, const struct jmap_account *account, enum jmap_capability capability);

/** Are c->args such as the method takes? Else invalidArguments. */
int jmap_method_arguments(struct jmap_call *c, struct err *e);

/** RFC 8620 section 3.6.1, application/problem+json. `limit`: its name; NULL. */
FIBER int jmap_problem(struct web_call *c, unsigned status, const char *type, const char *limit,
	const char *detail, struct err *e);

/** maxSizeUpload. */
uint64_t jmap_upload_max(const struct jmapd *d);
/** His own. */
void jmap_own_account(const struct jmap_user *user, struct jmap_account *account_r);

/* What the id of a blob says; pure. */
struct jmap_blob_name {
	bool is_upload, is_part;
	bool is_inner;     /* a part of the blob `outer` */
	struct span outer; /* borrowed */
	uint64_t id;       /* of the upload, or the Email */
	uint64_t offset, octets;
	unsigned encoding;
};
bool jmap_blob_id(struct span text, struct jmap_blob_name *name_r);

/* ---- states (RFC 8620 section 7.1) ---- */

enum jmap_state_type {
	JMAP_STATE_EMAIL,
	JMAP_STATE_THREAD,
	JMAP_STATE_MAILBOX,
	JMAP_STATE_DELIVERY,
	JMAP_STATE_OBJECTS, /* and the kind of object */
	JMAP_STATE_COUNT = JMAP_STATE_OBJECTS + OBJECT_KIND_COUNT
};
struct jmap_states { /* of an account */
	uint64_t account_id;
	bool is_own;
	uint64_t states[JMAP_STATE_COUNT];
	struct span quota; /* the state of its quotas in words; their number is its hash */
};
FIBER int jmap_quota_state(
	struct jmapd *d, struct arena *a, uint64_t account_id, struct span *state_r, struct err *e);
struct jmap_wanted {
	bool is_all;
	struct span *types;
	size_t count;
};
/** Of all accounts that the user sees, in `a`. */
FIBER int jmap_states_read(struct jmapd *d, struct arena *a, const struct jmap_user *user,
	struct jmap_states **list_r, size_t *count_r, struct err *e);
/** NULL: nobody is told of it. */
const char *jmap_state_name(size_t type);
bool jmap_state_is_wanted(const struct jmap_wanted *w, size_t type);
/** A StateChange object with what is another state than before; false: there is nothing in it. */
bool jmap_put_state_change(struct json_out *j, const struct jmap_wanted *w,
	const struct jmap_states *was, size_t was_count, const struct jmap_states *now,
	size_t now_count);

#define JMAP_BLOB_SOURCES 64 /* maxDataSources of RFC 9404 */
jmap_method_fn jmap_blob_get, jmap_blob_lookup, jmap_blob_upload, jmap_blob_copy;

/** The watch of this loop, shared by those who look there; each that was taken is given back there. */
struct watch *jmap_watch_take(struct jmapd *d);
void jmap_watch_give(struct jmapd *d, struct watch *w);

/* ---- push to subscriptions (RFC 8620 section 7.2) ---- */

#define PUSH_KEY_OCTETS  65 /* a point of P-256, not compressed (RFC 8291 section 3.1) */
#define PUSH_AUTH_OCTETS 16
#define PUSH_PLAIN_MAX   3993 /* octets that fit one record of 4,096 */

/** Subscriptions have changed: look again. Any thread. */
void jmap_push_moved(struct jmapd *d);
/** Encrypted for who has these keys (RFC 8291, aes128gcm of RFC 8188), appended to `b`. `p256dh` and `auth` are
 * base64url. ERR_SYNTAX: they are no keys. Pure but for random numbers. */
int jmap_push_encrypt(struct arena *a, struct span p256dh, struct span auth, struct span plain,
	struct buf *b, struct err *e);
void jmap_push_random(void *p, size_t n);

void jmap_events_add(struct jmapd *d);
void jmap_upload_add(struct jmapd *d);
/** What keeps it from being a Request object (RFC 8620 section 3.3), for people; NULL: nothing. Pure. */
const char *jmap_request_fault(const struct json_in *doc);
void jmap_session_add(struct jmapd *d);
void jmap_api_add(struct jmapd *d);
void jmap_unsubscribe_add(struct jmapd *d);
void jmap_export_add(struct jmapd *d);
void jmap_import_add(struct jmapd *d);
