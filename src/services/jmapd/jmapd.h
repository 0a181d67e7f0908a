#pragma once
/* JMAP (RFC 8620, 8621), a reader: the session, the API endpoint, uploads, downloads, push. Its routes are
 * web routes; who asks is told by web_login (services/web/web_login.h): a cookie of the page, Basic or
 * Bearer. One struct jmapd a process, shared by all loops. docs/jmap.md. */

#include "base/log.h"
#include "services/auth/auth.h"
#include "services/trail/trail.h"
#include "services/watch/watch.h"
#include "services/web/web_login.h"

struct fetch_public;
struct jmapd;

/* Each is told in the session object (RFC 8620 section 2) or in docs/jmap.md, and has a test. */
#define JMAP_REQUEST_MAX (10 * 1000 * 1000) /* maxSizeRequest */
#define JMAP_PLAIN_MAX   (1024 * 1024) /* of it, beside texts of new Emails, blobs and echoes */
#define JMAP_UPLOAD_MAX                                                                            \
	(64ull << 20)             /* maxSizeUpload; the configuration's message size if larger */
#define JMAP_CALLS_MAX        32  /* maxCallsInRequest */
#define JMAP_GET_MAX          500 /* maxObjectsInGet */
#define JMAP_SET_MAX          500 /* maxObjectsInSet */
#define JMAP_REQUESTS_AT_ONCE 8   /* maxConcurrentRequests, of one account */
#define JMAP_UPLOADS_AT_ONCE  4   /* maxConcurrentUpload */
#define JMAP_MAILBOXES_MAX    256 /* maxMailboxesPerEmail: they are one transaction */
#define JMAP_DEPTH_MAX        32  /* of a request */
#define JMAP_VALUES_MAX                                                                            \
	(128 * 1024)            /* JSON values of a request, each some hundred octets of memory */
#define JMAP_PROPERTIES_MAX 256 /* that are asked for in a /get: requestTooLarge */
#define JMAP_ANSWER_MAX     (32u << 20) /* octets of one method's answer: requestTooLarge */
#define JMAP_STREAMS_MAX    16          /* event streams of one account */
#define JMAP_UPLOAD_KEEP_NS CLOCK_DAY   /* how long an upload waits to be used (store/upload.h) */

/* A letter handed to our own submission (host wires it): SMTP in memory, so with all the rules of a client
 * that has logged in. All borrowed. */
struct jmap_letter {
	uint64_t account_id; /* who sends */
	struct span mail_from;
	const struct jmap_letter_rcpt {
		struct span address;
		struct span params; /* " NOTIFY=SUCCESS ORCPT=…" ready to be said, or "" */
	} * rcpts;
	size_t rcpt_count;
	struct span params;        /* of MAIL, ready to be said */
	struct http_source source; /* its octets, Bcc already taken out */
	/** All recipients are good, `replies` is there, the letter follows: make `outbox` whole, which is stored in
	 * the very transaction that accepts the letter. Does not yield. */
	void (*is_coming)(struct jmap_letter *l, void *arg);
	void *arg;
	struct outbox_row *outbox;
	/* results, in `a` */
	struct span *replies; /* one a recipient: "250 2.1.5 …" */
	struct span reply;    /* the last one of the whole message, or the one that refused it */
	unsigned code;
};

struct jmapd_opts {
	struct store *store; /* borrowed, like all here */
	struct auth *auth;
	struct watch_hub *hub;
	struct web *web; /* routes are added */
	struct web_login *login;
	const struct fetch_public *fetch; /* for lists that are left; NULL: they are not */
	const char *hostname;
	const struct log *log;
	struct work_lane *lane, *fetch_lane;
	uint64_t message_max; /* octets of a letter */
	int64_t delay_max_ns; /* FUTURERELEASE's bound: maxDelayedSend */
	int64_t keep_expunged_ns;
	char separator;
	FIBER int (*submit)(void *arg, struct arena *a, struct jmap_letter *letter, struct err *e);
	void *arg;
};
struct jmapd *jmapd_new(const struct jmapd_opts *opts);
void jmapd_free(struct jmapd **d);
/** A fiber of loop 0: due snoozes and submissions, uploads that nobody used, push to subscriptions. Until
 * jmapd_stop. */
FIBER int jmapd_run(struct jmapd *d, struct err *e);
void jmapd_stop(struct jmapd *d);
/** Another fiber of loop 0, until it is cancelled: tells subscriptions that something has changed. */
FIBER int jmapd_push_run(struct jmapd *d, struct err *e);
