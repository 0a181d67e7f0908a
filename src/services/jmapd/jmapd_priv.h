#pragma once
/* Inside jmapd: what a method is given and how it answers. jmapd_core.c calls methods, one after another in a
 * request; a method writes its answer's arguments straight into call->out:
 *
 *	FIBER int jmap_mailbox_get(struct jmap_call *c, struct err *e)
 *	{
 *		struct jmap_get g;
 *
 *		if (jmap_get_begin(c, &g, &mailbox_type, e) < 0)
 *			return -1;
 *		…
 *		return jmap_get_end(c, &g, e);
 *	}
 *
 * A method fails with jmap_fail (a method-level error of RFC 8620 section 3.6.2) or with any struct err: then
 * the client hears serverFail, serverUnavailable or requestTooLarge (never the error's own words, which go to
 * the log). What it had written is taken back. */

#include "base/json_out.h"
#include "store/email.h"
#include "store/object.h"
#include "services/json/json_in.h"
#include "services/jmapd/jmapd.h"

struct jmap_request;

struct jmap_user { /* who has logged in */
	uint64_t account_id;
	struct span address, name;
	struct span by; /* what with: push_by */
};

/* An account that the user sees: his own, or somebody's of whose mailboxes he sees some. */
struct jmap_account {
	uint64_t id;
	uint64_t user_id; /* who sees it */
	struct span address;
	bool is_own;
	bool is_read_only; /* no right to change anything in it */
	struct email_eyes eyes;
	/* of a shared one: the mailboxes he sees, with his rights */
	const struct mailbox_ref *mailboxes;
	size_t mailbox_count;
};

struct jmap_call {
	struct jmapd *d;
	struct jmap_request *req;
	struct jmap_user user;
	struct web_call *web;
	const struct jmap_method *method;
	const char *name;           /* "Email/get" */
	struct span id;             /* the client's */
	const struct json_in *args; /* references resolved; an object */
	struct json_out *out;       /* within the answer's arguments object: write members */
	struct arena *a;            /* of this call */
	unsigned using;             /* capabilities named: bits of enum jmap_capability */
	bool is_led;                /* a reference was resolved */
	bool is_plain; /* set by a method with JMAP_MAY_PACK whose answer may not, this time */
};
const struct jmapd_opts *jmapd_opts_of(const struct jmapd *d);

/* ---- methods ---- */

typedef FIBER int jmap_method_fn(struct jmap_call *c, struct err *e);
enum jmap_method_flag {
	JMAP_CHANGES_STATE = 1, /* refused in read-only accounts (accountReadOnly) */
	/* the answer holds nothing that is worth guessing at by the length of what is packed */
	JMAP_MAY_PACK = 2,
};
/* id, URI; what of it stands in the session is in jmapd_session.c */
#define JMAP_CAPABILITIES(X)                                                                       \
	X(CORE, "urn:ietf:params:jmap:core")                                                       \
	X(MAIL, "urn:ietf:params:jmap:mail")                                                       \
	X(SUBMISSION, "urn:ietf:params:jmap:submission")                                           \
	X(VACATION, "urn:ietf:params:jmap:vacationresponse")                                       \
	X(QUOTA, "urn:ietf:params:jmap:quota")                                                     \
	X(BLOB, "urn:ietf:params:jmap:blob")                                                       \
	X(TRACE, "https://yizhan.dev/jmap/trace")                                                  \
	X(PAGE, "https://yizhan.dev/jmap/page") /* Contact, WebSettings, Session, AppPassword, Snooze … */
enum jmap_capability {
#define X(id, uri) JMAP_CAP_PLACE_##id,
	JMAP_CAPABILITIES(X)
#undef X
		JMAP_CAP_COUNT
};
struct jmap_method {
	const char *name; /* "Email/get" */
	enum jmap_capability capability;
	unsigned flags;
	jmap_method_fn *run;
};
/* One table a file of methods; jmapd_core.c joins them: jmap_core_methods, jmap_mailbox_methods … end with a row
 * without a name. */
extern const struct jmap_method jmap_core_methods[], jmap_mailbox_methods[], jmap_thread_methods[],
	jmap_email_methods[], jmap_email_set_methods[], jmap_submission_methods[],
	jmap_identity_methods[], jmap_vacation_methods[], jmap_quota_methods[], jmap_blob_methods[],
	jmap_push_methods[], jmap_trace_methods[], jmap_contact_methods[], jmap_page_methods[],
	jmap_login_methods[];
const char *jmap_capability_uri(enum jmap_capability capability);
/** NULL: there is none. */
const struct jmap_method *jmap_method_named(struct span name);
/** Bits of the capabilities that have a method: no other is told of. */
unsigned jmap_methods_capabilities(void);

/* ---- failing ---- */

/** -1, always: the method-level error `type` ("invalidArguments", "stateMismatch" …), with a description for
 * people that tells nothing that the user may not know. */
int jmap_fail(struct jmap_call *c, const char *type, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/** invalidArguments with the names of the arguments at fault (RFC 8620 section 3.6.2). */
int jmap_fail_argument(struct jmap_call *c, struct err *e, const char *name, const char *why);

/* ---- arguments ---- */

/** args.accountId: *account_r in c->a. accountNotFound in the same words for what is not there and what he may not
 * see; accountReadOnly for a method with JMAP_CHANGES_STATE. */
FIBER int jmap_account(struct jmap_call *c, struct jmap_account **account_r, struct err *e);
/** What the request knows of accounts is read again: a method has changed mailboxes or rights. */
void jmap_accounts_forget(struct jmap_call *c);
/** An account's by its id ('A' and the number), for copies and references; NULL account: not found. */
FIBER int jmap_account_of(
	struct jmap_call *c, struct span id, struct jmap_account **account_r, struct err *e);
/** Members of args or of any object; missing or null: the value stays as it was. -1: invalidArguments. */
int jmap_arg_bool(struct jmap_call *c, const char *name, bool *v, struct err *e);
int jmap_arg_int(
	struct jmap_call *c, const char *name, int64_t min, int64_t max, int64_t *v, struct err *e);
int jmap_arg_text(struct jmap_call *c, const char *name, struct span *v, struct err *e);
/** A list of strings; *list_r NULL: null or missing. */
int jmap_arg_texts(struct jmap_call *c, const char *name, struct span **list_r, size_t *count_r,
	struct err *e);
/** A list of Ids, at most JMAP_GET_MAX (requestTooLarge): "#foo" is what was created as foo, and the same one twice is
 * once (RFC 8620 section 5.1). */
int jmap_arg_ids(
	struct jmap_call *c, const char *name, struct span **ids_r, size_t *count_r, struct err *e);
/** No other members than these (NULL at the end): else invalidArguments (RFC 8620 section 3.6.2). */
int jmap_args_only(struct jmap_call *c, struct err *e, const char *const *names);
/** An Id (RFC 8620 section 1.2) of an object: kind letter and number; with "#foo" what was created as foo in this
 * request. False: it is none that can be there. */
bool jmap_id_of(const struct jmap_call *c, struct span text, char kind, uint64_t *id_r);
/** The Id itself: "#foo" becomes what was created as foo; if nothing was, it stays. */
struct span jmap_id_text(const struct jmap_call *c, struct span text);
/** Is it an Id at all? 1 to 255 of A-Z a-z 0-9 - _ */
bool jmap_is_id(struct span text);
/** What is created is known by its creation id for the rest of the request. */
void jmap_created(struct jmap_call *c, struct span creation_id, struct span id);

/** "2014-10-30T06:12:00Z" both ways (base/clock.h has RFC 3339). */
bool jmap_date(struct span text, int64_t *ns_r);
void jmap_put_date(struct json_out *j, int64_t ns);
void jmap_put_id(struct json_out *j, char kind, uint64_t id);
void jmap_put_state(struct json_out *j, uint64_t modseq);
bool jmap_state_of(struct span text, uint64_t *modseq_r);

/** What the path of a result reference leads to: a JSON Pointer in which "*" stands for each element of an array
 * (RFC 8620 section 3.7). NULL: nothing, or that would take more than `*steps` (what it took is taken from them); else
 * json_in_free it. Pure. */
struct json_in *jmap_pointer(
	struct arena *a, const struct json_in *at, struct span path, size_t *steps);

/* ---- the standard methods (RFC 8620 section 5) ---- */

struct jmap_type {
	const char *name;
	char kind;                     /* of its ids; 0: they are words (singleton) */
	const char *const *properties; /* NULL at the end; "id" first */
	enum object_kind object;       /* whose changes are told by object_changes */
	bool is_without_account;       /* the user's own, no account is named: PushSubscription */
};

/* /get */
struct jmap_get {
	struct jmap_account *account;
	bool is_all;       /* ids was null */
	struct span *ids;  /* as the client wrote them */
	uint64_t *numbers; /* 0: cannot be one */
	size_t count;
	struct span *properties; /* NULL: the default ones */
	size_t property_count;
	struct span *not_found;
	size_t not_found_count;
};
/** accountId, ids (at most JMAP_GET_MAX: requestTooLarge), properties (unknown ones: invalidArguments when the type
 * has a table). Writes "accountId". Methods with further arguments read them themselves. */
FIBER int jmap_get_begin(
	struct jmap_call *c, struct jmap_get *g, const struct jmap_type *type, struct err *e);
bool jmap_get_wants(const struct jmap_get *g, const char *property);
void jmap_get_missing(struct jmap_call *c, struct jmap_get *g, struct span id);
/** Writes "state" and "notFound"; the method itself has written "list". */
void jmap_get_end(struct jmap_call *c, struct jmap_get *g, uint64_t state);
/** The same for a state that is no number. */
void jmap_get_end_text(struct jmap_call *c, struct jmap_get *g, struct span state);
/* Where there is neither account nor state (PushSubscription): the ids alone, "notFound" alone. */
int jmap_get_ids(
	struct jmap_call *c, struct jmap_get *g, const struct jmap_type *type, struct err *e);
void jmap_get_end_missing(struct jmap_call *c, const struct jmap_get *g);

/* /changes */
/** The whole answer for a type of store/object.h. */
FIBER int jmap_changes_of_objects(struct jmap_call *c, const struct jmap_type *type, struct err *e);
struct jmap_changes {
	struct jmap_account *account;
	uint64_t since;
	size_t max; /* 0: none given */
};
FIBER int jmap_changes_begin(struct jmap_call *c, struct jmap_changes *ch, struct err *e);
/** oldState, newState, hasMoreChanges, created, updated, destroyed. */
void jmap_changes_end(struct jmap_call *c, const struct jmap_changes *ch,
	const struct email_changes *result, char kind);

/* /set */
struct jmap_set_error {   /* RFC 8620 section 5.3; zero: none */
	const char *type; /* "invalidProperties", "notFound", "forbidden" … */
	const char *description;
	const char *const *properties; /* NULL at the end; for invalidProperties */
	size_t property_count;         /* 0: up to the NULL */
	struct span existing_id;       /* alreadyExists */
	struct span more; /* members of its own, as JSON: "\"maxRecipients\":100"; "" none */
};
/** The SetError object, for answers that jmap_set_run does not write (Email/import, /copy). */
void jmap_put_set_error(struct json_out *j, const struct jmap_set_error *why);
/** invalidProperties with the one at fault. */
void jmap_bad_property(struct arena *a, struct jmap_set_error *why_r, const char *property,
	const char *description);
/** One more (RFC 8620 section 5.3: all of them are told); what was refused for another reason stays so. */
void jmap_bad_property_too(struct arena *a, struct jmap_set_error *why_r, const char *property,
	const char *description);
struct jmap_set;
struct jmap_set_type {
	const struct jmap_type *type;
	/* NULL: creating is forbidden ("forbidden" for each). Make one: 0 and *id_r; or fill *why_r and return 0; -1:
	 * the whole method fails. Members that the server sets are written by `put` into created's object: a closed
	 * JSON object in call->a. */
	FIBER int (*create)(struct jmap_set *s, const struct json_in *object, struct span *id_r,
		struct span *server_set_r, struct jmap_set_error *why_r, struct err *e);
	/* patch: the PatchObject as the client wrote it (jmap_patch_* read it). */
	FIBER int (*update)(struct jmap_set *s, uint64_t id, struct span id_text,
		const struct json_in *patch, struct span *server_set_r,
		struct jmap_set_error *why_r, struct err *e);
	FIBER int (*destroy)(struct jmap_set *s, uint64_t id, struct span id_text,
		struct jmap_set_error *why_r, struct err *e);
	/** The state before and after; object_state for types of store/object.h when NULL. */
	FIBER int (*state)(struct jmap_set *s, uint64_t *modseq_r, struct err *e);
	/** What changed since a state; object_changes when NULL. ERR_STATE: it cannot be told. */
	FIBER int (*changes)(struct jmap_set *s, struct email_changes *c, struct err *e);
	/* Objects stand in each other's way (names, roles, parents): what is refused is tried again once others
	 * have changed (RFC 8620 section 5.3: what counts is whether the end is valid). */
	bool is_entangled;
};
struct jmap_set {
	struct jmap_call *call;
	const struct jmap_set_type *type;
	struct jmap_account *account;
	void *arg; /* the method's own */
};
/** The whole method: accountId, ifInState (stateMismatch), limits (requestTooLarge), create, update, destroy in this
 * order, creation ids that refer to each other within one create in their order of need, what was created and
 * destroyed, oldState (null when somebody else has changed something meanwhile) and newState. Further arguments (onDestroyRemoveEmails …) are the method's to read before. */
FIBER int jmap_set_run(
	struct jmap_call *c, const struct jmap_set_type *type, void *arg, struct err *e);

/* ---- PatchObject (RFC 8620 section 5.3) ---- */

/* One line of a patch: "keywords/$seen": true. */
struct jmap_patch {
	struct span property; /* "keywords", unescaped */
	struct span *rest;    /* what stands behind it: {"$seen"}, unescaped */
	size_t rest_count;
	const struct json_in *value; /* null: removed, or back to its default */
};
/** All lines, in c->a. False: invalidPatch, and *why_r says so (a pointer that is none, or one that is the
 * beginning of another one). Pure. */
bool jmap_patch_read(struct arena *a, const struct json_in *patch, struct jmap_patch **list_r,
	size_t *count_r, struct jmap_set_error *why_r);
/** The object with the patch done: a new one, json_in_free it. NULL: a line leads into what is not there, or into an
 * array (invalidPatch). Only what a line goes through is copied. Pure. */
struct json_in *jmap_patch_apply(struct arena *a, const struct json_in *object,
	const struct jmap_patch *list, size_t count, struct jmap_set_error *why_r);

/* ---- how it talks to itself ---- */

/** Run another method after this one, with the answer under the same id (onSuccessUpdateEmail: an implicit
 * Email/set). `args`: a JSON object. */
void jmap_also(struct jmap_call *c, const char *method, struct span args);

/* ---- blobs ---- */

/* Ids of blobs: 'G' and the Email's number for a whole message (not its row's: an Email keeps its blobId while
 * its copies come and go) … all ways in jmapd_blob.c. A blob can be read by whoever can see what it belongs to;
 * else it is not there. */
struct jmap_blob {
	uint64_t size;
	struct span type; /* that was told at upload; "" */
	struct http_source source;
	/* the room's own */
	uint64_t email_id, blob_id, offset;
	unsigned encoding;
	struct span prefix;
};
/** In `a`; *is_found_r false: it is not there for him. */
FIBER int jmap_blob_find(struct jmapd *d, struct arena *a, const struct jmap_account *account,
	struct span id, struct jmap_blob *blob_r, bool *is_found_r, struct err *e);
/** Its octets, at most max (ERR_LIMIT). */
FIBER int jmap_blob_read(
	struct jmap_blob *b, struct arena *a, size_t max, struct span *octets_r, struct err *e);
void jmap_put_blob_of_upload(struct json_out *j, uint64_t upload_id);
/** Id of the whole message, of a part of it (offset and length within the body as stored, its
 * content-transfer-encoding), of an upload; each a JSON string. */
void jmap_put_blob_of_email(struct json_out *j, uint64_t email_id);
/** Of what is in another blob (its Id) once that is decoded. */
void jmap_put_blob_within(
	struct json_out *j, struct span outer, uint64_t offset, uint64_t octets, unsigned encoding);
void jmap_put_blob_of_part(
	struct json_out *j, uint64_t email_id, uint64_t offset, uint64_t octets, unsigned encoding);
