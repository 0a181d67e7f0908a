#pragma once
/* Inside the room: what a context, a session and a transaction are made of, and what its files say
 * to each other. Who reads along begins with call.c (how a call of the caller's becomes one of the
 * functions marked FIBER here) and session.c (the straight line from connect to login).
 *
 * Functions marked FIBER wait through step_wait(): it blocks in poll(), or switches back to the
 * caller of a session that must not block. They return an enum yz_err (YZ_OK is 0) and have filled
 * s->error, where nothing else is said. */

#include <pthread.h>
#include <stdatomic.h>

#include "yizhan.h"

#include "base/arena.h"
#include "base/err.h"
#include "net/stream.h"
#include "net/tls.h"
#include "proto/smtp/smtp_client.h"
#include "libyz/libyz_limits.h"

/* --- context (ctx.c) --------------------------------------------------------------------------- */

struct helper_job;
struct url;

/* Owners: the caller's handle, each session, each helper thread. */
struct yz_ctx {
	atomic_int refs;
	struct arena *arena; /* options; constant once there is a session, as are these: */
	struct yz_resolver resolver;
	int (*verify)(void *arg, const struct yz_session *s, long verify_error);
	void *verify_arg;
	pthread_mutex_t tls_lock;         /* who holds it makes `tls`; taken before `lock` */
	pthread_mutex_t lock;             /* guards what follows */
	struct tls_client *tls;           /* made when the first session needs it */
	struct helper_job *first, **last; /* wait for a thread */
	unsigned threads;
};

struct yz_ctx *ctx_ref(struct yz_ctx *c);
void ctx_unref(struct yz_ctx **c);

/* --- calls and steps (call.c, step.c) ----------------------------------------------------------- */

struct call;
typedef int call_fn(struct yz_session *s, struct call *c);

/* What a call of the caller's was given. Strings are copied when it does not block. */
struct call {
	call_fn *run;
	const char *a, *b;
	const void *octets;
	size_t n;
	int flag;
	void *arg;
	yz_sasl_fn *sasl;
	struct yz_txn *const *txns;
	const struct yz_reply **reply_r;
};

/** Run it, or begin to: an enum yz_err. The session's error is that of this call from here on. */
int call_start(struct yz_session *s, call_fn *run, const struct call *c);
/** In front of a call that does not wait: forgets the last error; YZ_E_STATE while another is under
 * way. */
int call_plain(struct yz_session *s);

struct step; /* the stack of a session that must not block; step.c */

/** Wait until `fd` (-1: none) can do one of `events` or the deadline is over (ERR_TIMEOUT);
 * ERR_CANCELLED. */
FIBER int step_wait(struct step *st, int fd, int events, int64_t deadline_ns, struct err *e);
/** `octets` have been moved: gives the thread back when this step has had its share. */
FIBER int step_breathe(struct step *st, size_t octets, struct err *e);
struct step *step_new(void);
void step_free(struct step **st);
void step_set_nonblocking(struct step *st, bool is_nonblocking);
bool step_is_nonblocking(const struct step *st);
bool step_is_active(const struct step *st);
/** Begin (or, blocking, do) run(s, c). YZ_E_AGAIN: it waits. */
int step_begin(struct step *st, struct yz_session *s, struct call *c);
/** Go on; the same. */
int step_resume(struct step *st);
void step_wants(const struct step *st, struct yz_want *want_r);
void step_cancel(struct step *st);

/* --- session ------------------------------------------------------------------------------------ */

/* A reply that outlives the command: its own memory. */
struct reply_box {
	struct arena *arena; /* NULL: never filled */
	const struct yz_reply *reply;
};

struct yz_session {
	struct yz_ctx *ctx;
	struct arena *arena;     /* the session's options */
	struct yz_options opts;  /* strings are copies */
	const char *bad_options; /* what is wrong with them; NULL: nothing */
	struct step *step;
	struct call call; /* under way */
	struct arena *call_arena;
	struct yz_error error;
	enum yz_phase phase;                    /* where the conversation stands, for the error */
	struct reply_box last;                  /* reply of the last command, and the error's */
	struct reply_box greeting, hello, auth; /* as the client keeps them */

	/* One connection. What `conn` holds lives until the next one is made. */
	struct arena *conn;
	struct stream *stream;     /* NULL: not connected */
	struct smtp_client client; /* also behind the end of a connection, until the next */
	bool has_client;
	const struct url *url;  /* NULL: a transport of the caller's */
	const char *host;       /* what TLS verifies, and what is shown */
	const char *hello_name; /* said, or to be said */
	const char *peer, *local;
	int fd; /* -1 */
	bool is_unix;
	bool has_own_tls; /* the caller's transport has begun TLS by itself */
	struct yz_attempt *attempts;
	size_t attempt_count;
	const char *auth_mechanism;
	struct yz_tls_info *tls_info;
	int (*starttls)(void *arg, const char *server_name); /* the caller's own; NULL */
	void *starttls_arg;

	yz_trace_fn *trace;
	void *trace_arg;
	unsigned trace_flags;
	bool is_traced; /* the filter is there */
};

/** Milliseconds of the options, or the default, as nanoseconds. */
int64_t session_ns(int64_t ms, int64_t default_ns);
/** The connection is over: the stream is freed; what was said stays known until the next one. */
void session_close(struct yz_session *s);
/** Forget the last connection: a new one begins. */
void session_renew(struct yz_session *s);
/** A filter over the connection is there; from here on the session can talk. */
void session_take(struct yz_session *s, struct stream *st, bool is_lmtp);
bool session_has_tls(const struct yz_session *s);
/** What is wrong with the options: YZ_E_INVAL. */
int session_check_options(struct yz_session *s);

/* --- errors (error.c) --------------------------------------------------------------------------- */

/** Fill the session's error; returns `code`. What ends a connection closes it. */
int fail(struct yz_session *s, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), cold));
/** Of a lower floor's error. */
int fail_err(struct yz_session *s, const struct err *e) __attribute__((cold));
/** The last reply refuses; `code` says what that means here. */
int fail_reply(struct yz_session *s, int code) __attribute__((cold));
/** enum yz_err of a lower floor's error. */
int error_code(const struct err *e);
/** The same in an error of its own (a transaction's, a context's). */
void error_fill(struct yz_error *to, int code, enum yz_phase phase, const char *text);

/* --- replies (reply.c) --------------------------------------------------------------------------- */

/** A copy in the arena; NULL when there is none (code 0). */
const struct yz_reply *reply_make(struct arena *a, const struct smtp_reply *r);
void reply_keep(struct reply_box *box, const struct smtp_reply *r);
void reply_forget(struct reply_box *box);
void reply_box_fini(struct reply_box *box);

/* --- the talk (talk.c) --------------------------------------------------------------------------- */

/** Is there a connection? YZ_E_STATE. */
int talk_check_open(struct yz_session *s);
/** Behind each exchange: keeps the last reply in s->last, closes what is over. `rc` is the
 * client's; a reply that refuses becomes `refused`. Returns an enum yz_err. */
int talk_result(struct yz_session *s, int rc, int refused, const struct err *e);
/** VERB [ARGS], its reply in s->last; YZ_OK whatever it says. */
FIBER int talk_command(struct yz_session *s, const char *verb, const char *args);
FIBER int talk_greeting(struct yz_session *s);
FIBER int talk_hello(struct yz_session *s, enum smtp_hello verb, const char *name);
/** From the greeting (where it was not read yet) to the login. */
FIBER int talk_all(struct yz_session *s);
FIBER int talk_quit(struct yz_session *s);
/** Is `text` fit for a command line? YZ_E_INVAL. */
int talk_check_text(struct yz_session *s, const char *what, const char *text);

/* --- TLS and login (tls.c, login.c) --------------------------------------------------------------- */

/** The handshake. */
FIBER int tls_begin_session(struct yz_session *s);
/** STARTTLS, the handshake, and EHLO again when one was said. */
FIBER int tls_starttls(struct yz_session *s);
/** The same without EHLO before and behind. */
FIBER int tls_starttls_alone(struct yz_session *s);
/** The policy of the options, with the defaults of the URL. */
enum yz_tls_policy tls_policy(const struct yz_session *s);
FIBER int login(struct yz_session *s, const char *user, const char *password);
FIBER int login_own(struct yz_session *s, const char *mech, yz_sasl_fn *step, void *arg);

/* --- connecting (url.c, connect.c, lookup.c, socket.c, transport.c) ------------------------------ */

struct url {
	const char *host, *user, *password; /* "" host: Unix; NULL: not given */
	const char *path;                   /* of a Unix socket */
	uint16_t port;                      /* never 0, but for Unix sockets */
	bool is_lmtp, is_mx, is_tls_at_once, is_submission, is_proxy;
};
/** Pure. ERR_SYNTAX. Results live in `a`. */
int url_parse(struct arena *a, const char *text, struct url *url_r, struct err *e);

/** Look up, connect, TLS at once where the URL says so. */
FIBER int connect_url(struct yz_session *s, const char *text);

/* A piece of blocking work on a thread of the context's. Lives until both sides have let it go. */
struct helper_job {
	struct helper_job *next;
	atomic_int refs;
	atomic_bool is_done;
	int done_fd;                         /* eventfd, readable when it is done */
	void (*run)(struct helper_job *job); /* on the thread */
	void (*free)(struct helper_job *job);
	struct yz_ctx *ctx; /* borrowed: the thread holds a reference while it runs */
};
/** Hand `job` (zeroed but for run and free) to a thread and wait for it. 0: it has run and is the
 * caller's to read, then helper_unref it. -1: it may run still, and is let go already. */
FIBER int helper_run(
	struct yz_session *s, struct helper_job *job, int64_t deadline_ns, struct err *e);
void helper_unref(struct helper_job *job);

/** The addresses of a host with that port, at most YZ_ADDRESSES_MAX, in s->conn. ERR_DNS, ERR_TIMEOUT. */
FIBER int lookup_addresses(struct yz_session *s, const char *host, uint16_t port,
	int64_t deadline_ns, struct addr **addrs_r, size_t *count_r, struct err *e);
/** The MX hosts of a domain in the order to try, in s->conn; the domain itself where there is none
 * (RFC 5321 section 5.1); ERR_NOT_FOUND for a null MX (RFC 7505) and no such domain. */
FIBER int lookup_mx(struct yz_session *s, const char *domain, int64_t deadline_ns,
	const char ***hosts_r, size_t *count_r, struct err *e);

/** A connected socket to that address: a stream over it. NULL with the reason. */
FIBER struct stream *connect_socket(
	struct yz_session *s, const struct addr *to, int64_t deadline_ns, int *fd_r, struct err *e);
/** A stream over the caller's transport (copied). */
struct stream *transport_open(struct yz_session *s, const struct yz_transport *t);

/* --- transactions (txn.c, source.c, result.c) ------------------------------------------------------ */

struct body;

struct txn_rcpt {
	const char *path;
	struct yz_rcpt_params params; /* strings are copies */
	struct yz_result result;
};

struct yz_txn {
	struct yz_txn *self; /* for a list of one */
	struct yz_session *session;
	struct arena *arena; /* what the caller gave */
	struct arena *out;   /* results: of the last attempt to send */
	const char *reverse_path;
	struct yz_mail_params params;
	const char *bad; /* what is wrong with it; NULL */
	struct txn_rcpt *rcpts;
	size_t count, room;
	struct body *body;
	void (*progress)(void *arg, uint64_t sent, int64_t of);
	void *progress_arg;
	const struct yz_reply *reply;
	struct yz_error error;
	uint64_t octets;
	bool is_sent;
};

/* Where a body comes from, made fit for the wire: a struct smtp_source over the caller's. */
struct body *source_body_new(struct yz_session *s);
void source_body_free(struct body **b);
/** One of these says what it is. */
void body_set_octets(struct body *b, const void *octets, size_t n, enum yz_eol eol);
void body_set_source(struct body *b, const struct yz_source *src, enum yz_eol eol);
void body_set_fd(struct body *b, int fd, bool is_owned, enum yz_eol eol);
bool body_is_set(const struct body *b);
bool body_is_begun(const struct body *b); /* was it asked for by 354 */
bool body_is_binary(const struct body *b);
struct smtp_source *body_source(struct body *b);
/** Octets on the wire before stuffing, exactly, and whether one is above 127: read through where it
 * can be read again; *is_known_r false where it cannot. A failure is scope msg. */
FIBER int body_measure(
	struct body *b, uint64_t *size_r, bool *is_known_r, bool *is_8bit_r, struct err *e);
/** What the source says about its size; -1: nothing. */
int64_t body_size_hint(const struct body *b);
/** Called as octets go out. */
void body_watch(
	struct body *b, void (*fn)(void *arg, uint64_t sent, int64_t of), void *arg, int64_t of);
uint64_t body_octets(const struct body *b); /* handed out so far */
bool body_has_failed(const struct body *b);

/** One or several, on the session's connection. */
FIBER int txn_send(struct yz_session *s, struct yz_txn *const *txns, size_t count);
/** What the client has decided, as results; `count` of the recipients were handed to it. */
void result_take(struct yz_txn *t, const struct smtp_txn *done, const struct err *why);
/** Nobody was asked: all not sent, for this reason. Returns `code`. */
int result_none(struct yz_txn *t, int code, enum yz_phase phase, const char *text);
/** Before it is sent. */
void result_clear(struct yz_txn *t);

/* --- watching (trace.c) --------------------------------------------------------------------------- */

void trace_event(struct yz_session *s, enum yz_trace_kind kind, enum yz_dir dir, const char *fmt,
	...) __attribute__((format(printf, 4, 5)));
/** Put the filter on the connection when somebody watches. */
void trace_attach(struct yz_session *s);
