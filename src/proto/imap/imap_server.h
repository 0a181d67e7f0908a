#pragma once
/* The IMAP server dialogue (RFC 9051, RFC 3501): what is said, never what is decided. One call serves
 * one connection until it ends. This file knows how commands are read and in which state they may be
 * given, the literals and the budgets, and by itself answers CAPABILITY, ID, NOOP, CHECK, STARTTLS,
 * LOGIN, AUTHENTICATE, UNAUTHENTICATE, ENABLE, IDLE, COMPRESS and LOGOUT. All else goes to the one
 * decider:
 *
 *	static FIBER int run(void *ctx, struct imap_session *s, const struct imap_command *c,
 *		struct imap_result *r, struct err *e)
 *	{
 *		if (...)
 *			return imap_result_no(r, "TRYCREATE", "No such mailbox");
 *		imap_printf(s, "* SEARCH 1 2\r\n");
 *		return 0; // "tag OK SEARCH completed"
 *	}
 *
 * Order on the wire: what `run` writes, then what `updates` writes, then the tagged reply. Pipelined
 * commands are obeyed one after the other, each with its updates: that answers RFC 9051 section 5.5.
 *
 * A connection that waits holds no buffers and no command arena. While it waits in IDLE, or anywhere
 * once the decider has set s->is_listening (NOTIFY), imap_ring wakes it to call `updates`.
 *
 * Each session is one log event, "imap.session". Not thread-safe: a session belongs to its fiber. */

#include "base/log.h"
#include "net/stream.h"
#include "net/tls.h"
#include "proto/imap/imap_capability.h"
#include "proto/sasl/sasl_server.h"

/* proto/imap/imap_syntax.h */
struct imap_command;
struct imap_append;
struct imap_append_event;

struct imap_server_limits {
	/* One command, its line and the literals of its arguments together. Messages that APPEND and
	 * REPLACE stream are not counted: append_octets. */
	size_t command_early;    /* 16384 before a login */
	size_t command;          /* 262144 behind it */
	unsigned literals_early; /* 10 a command before a login */
	unsigned literals;       /* 1000 a command */
	uint64_t append_octets;  /* 52428800 a message; in APPENDLIMIT */
	uint64_t message_limit;  /* 0: none; in MESSAGELIMIT (RFC 9738) */
	unsigned errors_soft;    /* 5: from here each BAD waits errors_delay_ns */
	unsigned errors_hard;    /* 20 BAD without a good command between them: BYE */
	unsigned commands_early; /* 50 commands before a login, then BYE */
	unsigned auth_failures;  /* 6 failed logins, then BYE */
	int64_t errors_delay_ns; /* 1 s */
	int64_t auth_delay_ns;   /* 1 s before each NO */
	int64_t login_ns;        /* 3 min for a command before a login (RFC 9051 section 5.4) */
	int64_t autologout_ns;   /* 30 min for a command behind it; not in IDLE */
	int64_t still_ns;        /* 29 min: in IDLE something is said at least so often */
	int64_t literal_ns;      /* 5 min between pieces of a command that has begun */
	int64_t write_ns;        /* 5 min for a piece of an answer to be taken */
	int64_t progress_ns;     /* 10 s between two INPROGRESS (RFC 9585) */
};
void imap_server_limits_default(struct imap_server_limits *l);

struct imap_server_opts {
	const char *hostname; /* in greeting and BYE */
	const char *software; /* in the greeting and in ID, or NULL */
	const char *version;  /* in ID behind a login, or NULL */
	struct imap_server_limits limits;
	uint64_t
		caps; /* offered at this listener: IMAP_BITS_ALL less what is switched off. STARTTLS
				 * and LOGINDISABLED are worked out */
	bool is_tls_implicit;   /* handshake before the greeting */
	struct tls_server *tls; /* NULL: no STARTTLS */
	const struct log *log;
	const bool *is_draining; /* when true: BYE at the next command boundary, and out of IDLE */
};

enum imap_state { IMAP_STATE_CLEAR, IMAP_STATE_AUTH, IMAP_STATE_SELECTED, IMAP_STATE_LOGOUT };

/* What the decider sees of the session. */
struct imap_session {
	struct stream *stream;
	const struct imap_server_opts *opts;
	const struct addr *peer, *local;
	const struct stream_tls *tls; /* NULL: clear */
	struct log log;               /* child log: session id, peer */
	uint64_t id;                  /* random */
	struct arena *arena;          /* session */
	struct arena *cmd;            /* the command; NULL between two commands and in IDLE */
	enum imap_state state; /* changed by imap_session_select alone where deciders do it */
	uint64_t caps;         /* honoured for this client now */
	uint64_t enabled;      /* what ENABLE has turned on, and what comes with it: QRESYNC brings
				       * CONDSTORE. The decider may add CONDSTORE (RFC 7162 section 3.1) */
	struct span tag;       /* of the command under way */
	/* "" when not logged in: who it is, for whom he acts (mostly himself), and how. */
	struct span auth_user, auth_identity;
	const char *auth_mech;
	struct span client_name, client_version; /* of ID; "" before */
	bool is_idle;      /* nothing is under way: the fiber may be cancelled */
	bool is_listening; /* set by the decider: wake it between commands too (NOTIFY) */
	uint64_t commands;
	unsigned errors;
};

static inline bool imap_has(const struct imap_session *s, uint64_t bits)
{
	return (s->caps & bits) == bits;
}
static inline bool imap_is_enabled(const struct imap_session *s, uint64_t bits)
{
	return (s->enabled & bits) == bits;
}
/** Are mailbox names and quoted strings UTF-8 on this connection (RFC 9755, RFC 9051 section 5.1)? */
static inline bool imap_is_utf8(const struct imap_session *s)
{
	return (s->enabled & (IMAP_BIT(UTF8_ACCEPT) | IMAP_BIT(IMAP4REV2))) != 0;
}

/* ---- what a command comes to ---- */

/* id, word */
#define IMAP_REPLIES(X) X(OK, "OK") X(NO, "NO") X(BAD, "BAD") X(BYE, "BYE")
enum imap_reply {
#define X(id, word) IMAP_##id,
	IMAP_REPLIES(X)
#undef X
};

#define IMAP_RESULT_CODE_MAX (1024 * 1024) /* APPENDUID and COPYUID hold sets */
#define IMAP_RESULT_TEXT_MAX 512

/* Preset with OK, no code and "<command> completed". */
struct imap_result {
	enum imap_reply status;
	struct buf code; /* without the brackets; "": none */
	struct buf text; /* one line, for people */
};
void imap_result_init(struct imap_result *r);
void imap_result_fini(struct imap_result *r);
/** Always 0, so that they can end a `run`. `code` may be NULL: none. A line break in code or text
 * becomes '?'. */
int imap_result_ok(struct imap_result *r, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int imap_result_no(struct imap_result *r, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int imap_result_bad(struct imap_result *r, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/** Set the code only; what is written to r->code by hand does as well. */
void imap_result_code(struct imap_result *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/** The one translator of this border: an error of ours as the client hears it. It is not logged here. */
void imap_result_from_err(struct imap_result *r, const struct err *why);

/* ---- writing answers ---- */

/** Untagged data; buffered, does not yield. Whoever writes more than a page calls imap_relieve. */
void imap_put(struct imap_session *s, struct span octets);
void imap_printf(struct imap_session *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/** The buffer to write into with the writers of imap_syntax: what imap_put appends to. */
struct buf *imap_out(struct imap_session *s);
/** Send what has gathered once it is much (STREAM_OUT_FLUSH). -1: the connection is gone. */
FIBER int imap_relieve(struct imap_session *s, struct err *e);
/** Send all of it now. */
FIBER int imap_flush(struct imap_session *s, struct err *e);
/** Octets of a body behind what is buffered, not copied where they are many. */
FIBER int imap_write(struct imap_session *s, struct span octets, struct err *e);
/** From within a long command, as often as you like: says INPROGRESS (RFC 9585) every progress_ns and
 * sends it, lets other fibers in. `total` 0: not known. */
FIBER int imap_progress(struct imap_session *s, uint64_t done, uint64_t total, struct err *e);

/* ---- the session's course ---- */

/** SELECTED, or AUTH. */
void imap_session_select(struct imap_session *s, bool is_selected);
/** Something has changed: the waiting session calls `updates` as soon as it may. From the session's
 * loop, any number of times. Does not yield. */
void imap_ring(struct imap_session *s);
/** "* BYE text" and the end, behind the reply that is being made. `why` is for the log. */
void imap_end(struct imap_session *s, const char *why, const char *text);
/** Ask `caps_off` again; for a decider that changes its mind. */
void imap_caps_refresh(struct imap_session *s);

/* ---- the decider ---- */

/* All may yield unless it says otherwise. -1 with ERR_CANCELLED, or on a broken stream, ends the
 * session; any other -1 is translated into the reply (imap_result_from_err) and logged. NULL where
 * allowed. `ctx` is the connection's. */
struct imap_decider {
	/** Once, before the greeting; IMAP_BYE in `r` refuses with its text. NULL: as it is. */
	FIBER void (*connect)(void *ctx, struct imap_session *s, struct imap_result *r);
	/** STARTTLS has come: look up what `auth_offer`, which cannot wait, needs of it. NULL: nothing. */
	FIBER void (*secured)(void *ctx, struct imap_session *s);
	/** Which capabilities this client is not given, whatever the listener: asked before the greeting,
	 * behind TLS, ID, a login and UNAUTHENTICATE. NULL: none is off. Does not yield. */
	uint64_t (*caps_off)(void *ctx, const struct imap_session *s);

	/* AUTHENTICATE, and LOGIN by way of PLAIN. NULL auth_offer or sasl: there is no login. */
	/** What this session may log in with: fill `o`, but for has_tls and the channel bindings, which the
	 * dialogue knows; false: with nothing. LOGIN is there where PLAIN is. Does not yield. */
	bool (*auth_offer)(void *ctx, const struct imap_session *s, struct sasl_server_opts *o);
	const struct sasl_decider *sasl;
	/** The ctx that its questions get. NULL: that of this table. */
	void *(*sasl_ctx)(void *ctx);
	/** Behind an exchange; `r` is preset with OK or NO [AUTHENTICATIONFAILED]. May refuse a login that
	 * was right. s->auth_user is whom it is about when is_accepted. NULL: as it is. */
	FIBER void (*auth)(
		void *ctx, struct imap_session *s, bool is_accepted, struct imap_result *r);
	/** The session's fiber was cancelled. NULL: because the server stops. Otherwise the login counts no
	 * more and these words go with BYE. Does not yield. */
	const char *(*ended)(void *ctx, const struct imap_session *s);
	/** UNAUTHENTICATE (RFC 8437): forget who it was; the mailbox is closed without expunging. */
	FIBER void (*unauthenticate)(void *ctx, struct imap_session *s);

	/** A command that is not the dialogue's own, well-formed, allowed in this state and with these
	 * capabilities. Also LOGIN's sisters ENABLE and ID come by, behind what the dialogue has done
	 * about them (s->enabled, s->client_name), for effects of the decider's own. */
	FIBER int (*run)(void *ctx, struct imap_session *s, const struct imap_command *c,
		struct imap_result *r, struct err *e);
	/** Tell what has changed in the selected mailbox since the last time. Before each tagged OK or NO
	 * while a mailbox is selected or s->is_listening, and when rung. may_expunge: EXPUNGE and VANISHED
	 * are allowed here (RFC 9051 section 7.5.1). `c` NULL: nothing is under way. */
	FIBER int (*updates)(void *ctx, struct imap_session *s, const struct imap_command *c,
		bool may_expunge, struct err *e);
	/** IDLE begins and ends: watch more, watch less. NULL: nothing to do. */
	FIBER void (*idle)(void *ctx, struct imap_session *s, bool is_begun);

	/* APPEND and REPLACE, event by event while they come in (imap_append_feed); s->cmd lives until the
	 * command is over. A NO in `r` refuses at any of them: it is the reply, and what still comes is
	 * read and dropped. */
	/** Before the client is told to send the literal of an IMAP_APPEND_DATA. The first call of a
	 * command is the place to look whether ap->name is there (TRYCREATE). */
	FIBER int (*append_event)(void *ctx, struct imap_session *s, const struct imap_append *ap,
		const struct imap_append_event *event, struct imap_result *r, struct err *e);
	/** The literal's octets, in any cut; behind the last ones is_last, with an empty piece too. */
	FIBER int (*append_data)(void *ctx, struct imap_session *s, struct span octets,
		bool is_last, struct imap_result *r, struct err *e);
	/** The command is whole: the point of no return is inside. `r` is preset with OK. */
	FIBER int (*append_done)(void *ctx, struct imap_session *s, const struct imap_append *ap,
		struct imap_result *r, struct err *e);
	/** Behind an append_event, when append_done is not to come: refused, malformed, or the connection
	 * is gone. Does not yield. */
	void (*append_abort)(void *ctx, struct imap_session *s);
};

/** Serve until LOGOUT, error, drain or cancellation. The stream stays the caller's. 0 for an orderly
 * end; -1 tells the log why it ended. */
FIBER int imap_server_run(struct stream *stream, const struct imap_server_opts *opts,
	const struct imap_decider *decider, void *ctx, struct err *e);
