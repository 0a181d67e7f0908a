#pragma once
/* Shared between the files of the POP3 server; nobody else includes it. */

#include "proto/pop3/pop3_server.h"

/* Where the talk is (RFC 1939 section 3). id, name */
#define POP3_PHASES(X)                                                                             \
	X(START, "start")                                                                          \
	X(CLEAR, "authorization")                                                                  \
	X(USER, "authorization, named") /* USER was good: PASS may follow */                       \
	X(MAIL, "transaction")                                                                     \
	X(UPDATE, "update")                                                                        \
	X(CLOSED, "closed")
enum pop3_phase {
#define X(id, name) POP3_PHASE_##id,
	POP3_PHASES(X)
#undef X
		POP3_PHASE_COUNT
};
#define PH(id)   (1u << POP3_PHASE_##id)
#define PH_CLEAR (PH(CLEAR) | PH(USER))
#define PH_ANY   (PH_CLEAR | PH(MAIL))

#define POP3_SERVER_TURN   256             /* commands without a wait, then others get a turn */
#define POP3_SERVER_BYE_NS (5 * CLOCK_SEC) /* for the last words */
#define POP3_SERVER_COPY   (16 * 1024) /* smaller pieces are gathered, larger ones sent as they are */
#define POP3_SERVER_TEXT   512         /* octets of a reply's text */

struct pop3_server {
	struct pop3_session s;
	const struct pop3_decider *decider;
	void *ctx;
	enum pop3_phase phase;
	struct span name; /* of USER; in s.arena */
	struct pop3_drop drop;
	uint8_t *marks; /* owned: a bit a message, set: deleted */
	uint32_t marked;
	uint64_t marked_octets;
	unsigned commands, errors, turn, auth_failures;
	int64_t start_ns;
	uint32_t retrieved, removed;
	const char *why; /* the session ended */
};

/** The one place that changes the phase. */
void pop3_server_phase(struct pop3_server *sv, enum pop3_phase to);
/** "+OK text", "-ERR [CODE] text": one line, buffered. Do not yield. */
void pop3_server_ok(struct pop3_server *sv, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void pop3_server_err(struct pop3_server *sv, enum pop3_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/** The same, and the session is over. */
void pop3_server_close(
	struct pop3_server *sv, enum pop3_code code, const char *why, const char *text);
/** A deadline for the next wait. */
void pop3_server_deadline(struct pop3_server *sv, int64_t ns);
/** Send what has gathered once it is much. */
FIBER int pop3_server_relieve(struct pop3_server *sv, struct err *e);
/** Read to the end of a line that is too long. */
FIBER int pop3_server_skip_line(struct pop3_server *sv, struct err *e);
bool pop3_server_has(const struct pop3_server *sv, enum pop3_feature f);
/** One command. -1: the connection is gone. */
FIBER int pop3_server_obey(struct pop3_server *sv, struct span line, struct err *e);

/* pop3_server_auth.c */
/** The mechanisms that are offered now, blanks between. */
void pop3_server_offer(struct pop3_server *sv, struct buf *list);
/** May a password be said on this connection? */
bool pop3_server_is_clear_good(const struct pop3_server *sv);
FIBER int pop3_server_user(struct pop3_server *sv, const struct pop3_command *c, struct err *e);
FIBER int pop3_server_pass(struct pop3_server *sv, const struct pop3_command *c, struct err *e);
FIBER int pop3_server_auth(struct pop3_server *sv, const struct pop3_command *c, struct err *e);
FIBER int pop3_server_stls(struct pop3_server *sv, const struct pop3_command *c, struct err *e);

/* pop3_server_mail.c */
/** Begin with a mailbox that has been opened. */
void pop3_server_open(struct pop3_server *sv, const struct pop3_drop *drop);
void pop3_server_drop_fini(struct pop3_server *sv);
FIBER int pop3_server_stat(struct pop3_server *sv, const struct pop3_command *c, struct err *e);
FIBER int pop3_server_list(struct pop3_server *sv, const struct pop3_command *c, struct err *e);
FIBER int pop3_server_retr(struct pop3_server *sv, const struct pop3_command *c, struct err *e);
FIBER int pop3_server_dele(struct pop3_server *sv, const struct pop3_command *c, struct err *e);
FIBER int pop3_server_rset(struct pop3_server *sv, const struct pop3_command *c, struct err *e);
/** QUIT in the TRANSACTION state: removes what is marked. */
FIBER int pop3_server_update(struct pop3_server *sv, struct err *e);
