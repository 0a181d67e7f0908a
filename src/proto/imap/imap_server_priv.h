#pragma once
/* Shared between the files of the IMAP server; nobody else includes it. */

#include "proto/imap/imap_out.h"
#include "proto/imap/imap_server.h"

#define IMAP_SERVER_CAPS_MAX      4096
#define IMAP_SERVER_IDLE_LINE_MAX 1024
/* What is refused already is read to its end, up to so much; beyond: BYE. */
#define IMAP_SERVER_DROP_EARLY (64 * 1024)
#define IMAP_SERVER_DROP_MAX   (256 * 1024 * 1024)
/* After so many commands without a wait the other fibers get a turn. */
#define IMAP_SERVER_TURN_COMMANDS 64
#define IMAP_SERVER_BYE_NS        (5 * CLOCK_SEC) /* for the last words */
#define IMAP_SERVER_SLACK         (8 * 1024)      /* line ends of literals */
/* A client that floods us hears why only when its octets are read: closing before would make the system
 * throw away what we have said. So long, so much. */
#define IMAP_SERVER_LINGER_NS     (2 * CLOCK_SEC)
#define IMAP_SERVER_LINGER_OCTETS (16 * 1024 * 1024)
#define IMAP_SERVER_PIECE         (64 * 1024) /* of a literal, handed on at once */
#define IMAP_SERVER_COPY_MAX      4096        /* shorter pieces of an answer are gathered */

struct imap_server {
	struct imap_session s; /* first: a session is its server */
	const struct imap_decider *decider;
	void *ctx;
	struct stream_bell bell;
	struct imap_result reply; /* the one being made */
	struct buf tag, client;   /* of the command; name and version of ID */
	size_t spent;             /* octets of the command so far, against its budget */
	unsigned literals;        /* of the command so far */
	unsigned turn, auth_failures, early;
	bool is_auth_spent; /* one failed login too many */
	bool is_too_much;   /* over a limit before a login: BAD, then BYE */
	bool is_flooded;    /* it ends while more comes in */
	bool is_compressed;
	bool is_said;           /* the reply of this command */
	bool is_ending;         /* imap_end: BYE behind the reply */
	int64_t start_ns;       /* of the connection */
	int64_t login_until_ns; /* a login is waited for so long */
	int64_t progress_ns;    /* INPROGRESS is due */
	const char *why;        /* the session ended */
	struct buf last_words;  /* of imap_end */
};

static inline struct imap_server *imap_server_of(struct imap_session *s)
{
	return (struct imap_server *)s;
}

static inline bool imap_server_is_over(const struct imap_server *sv)
{
	return sv->s.state == IMAP_STATE_LOGOUT;
}

/* ---- imap_server.c */

/** The one place that changes the state. */
void imap_server_state(struct imap_server *sv, enum imap_state to);
/** "* BYE text" and the end; `why` is for the log. `code` may be NULL. */
void imap_server_bye(struct imap_server *sv, const char *why, const char *code, const char *text);
bool imap_server_is_draining(const struct imap_server *sv);
void imap_server_refresh(struct imap_server *sv);
/** Append " IMAP4rev2 …": what the session is offered now. */
void imap_server_put_caps(struct imap_server *sv, struct buf *b);
/** What the client is told of a command that has failed for our reasons, and the log why. -1: the
 * session is over instead. */
int imap_server_trouble(struct imap_server *sv, const struct err *why, struct err *e);
/** Before something is waited for from the client within a command, and before it is sent something. */
void imap_server_patience(struct imap_server *sv);
/** s->cmd is there. */
void imap_server_cmd(struct imap_server *sv);

/* ---- imap_server_read.c */

/** A line of the command within its budget, in s->cmd. *is_read_r false: there was none (too long: the
 * session is over, with BAD and BYE). */
FIBER int imap_server_line(
	struct imap_server *sv, struct span *line_r, bool *is_read_r, struct err *e);
/** May the literal of an argument come (its size, how many there were, its kind)? false: the reply says
 * why not. */
bool imap_server_admit(struct imap_server *sv, const struct imap_literal *lit);
bool imap_server_admit_unasked(const struct imap_server *sv, const struct imap_literal *lit);
/** Ask for a literal that waits for it. */
FIBER int imap_server_go_on(struct imap_server *sv, const struct imap_literal *lit, struct err *e);
/** The octets of an admitted literal and the line behind them, put behind a CRLF to `text`. */
FIBER int imap_server_collect(struct imap_server *sv, const struct imap_literal *lit,
	struct buf *text, struct span *line_r, bool *is_read_r, struct err *e);
/** The rest of a command that is refused: what its literals bring without waiting. `line` is the last
 * line read. Ends the session where that is too much. */
FIBER int imap_server_skip(struct imap_server *sv, struct span line, struct err *e);
/** One literal's octets, dropped. */
FIBER int imap_server_drop(struct imap_server *sv, uint64_t octets, struct err *e);

/* ---- imap_server_verbs.c */

/** Obey the command that begins with this line; the reply is made but not said. -1: the connection is
 * gone. */
FIBER int imap_server_obey(struct imap_server *sv, struct span line, struct err *e);
/** `updates`, where it is due. */
FIBER int imap_server_updates(struct imap_server *sv, const struct imap_command *c, struct err *e);

/* ---- imap_server_needs.c */

/** The capabilities without which a command as it stands is none. Pure. */
uint64_t imap_server_needs(const struct imap_command *c);
/** Does it speak of messages by their sequence numbers (RFC 9586)? Pure. */
bool imap_server_counts(const struct imap_command *c);

/* ---- imap_server_idle.c */

FIBER int imap_server_idle(struct imap_server *sv, struct err *e);
/** Between two commands: wait for input, obey the bell. 0: there is input. */
FIBER int imap_server_rest(struct imap_server *sv, int64_t until_ns, struct err *e);

/* ---- imap_server_append.c */

FIBER int imap_server_append(struct imap_server *sv, struct span line, struct err *e);

/* ---- imap_server_auth.c */

/** Append the mechanisms offered, blanks between; nothing: none. */
void imap_server_auth_offer(const struct imap_server *sv, struct buf *list);
/** Is LOGIN there? */
bool imap_server_has_login(const struct imap_server *sv);
FIBER int imap_server_authenticate(
	struct imap_server *sv, const struct imap_command *c, struct err *e);
FIBER int imap_server_login(struct imap_server *sv, const struct imap_command *c, struct err *e);
void imap_server_auth_forget(struct imap_server *sv);
