#pragma once
/* Shared between the files of the SMTP server; nobody else includes it. */

#include "proto/smtp/smtp_server.h"

/* Where the talk is. id, name */
#define SMTP_PHASES(X)                                                                             \
	X(START, "start")     /* nothing said yet */                                               \
	X(REFUSED, "refused") /* greeted with 554: only QUIT (RFC 5321 section 3.1) */             \
	X(GREETED, "greeted") /* no HELO yet, or forgotten by STARTTLS */                          \
	X(READY, "ready")                                                                          \
	X(MAIL, "mail") /* a sender, no recipient */                                               \
	X(RCPT, "rcpt")                                                                            \
	X(DATA, "data")                                                                            \
	X(BDAT, "bdat") /* between two chunks */                                                   \
	X(CLOSED, "closed")
enum smtp_phase {
#define X(id, name) SMTP_PHASE_##id,
	SMTP_PHASES(X)
#undef X
		SMTP_PHASE_COUNT
};
#define PH(id) (1u << SMTP_PHASE_##id)
/* wherever commands are taken from a client that was let in */
#define PH_ANY (PH(GREETED) | PH(READY) | PH(MAIL) | PH(RCPT) | PH(BDAT))

/* Postfix's overshoot: so many recipients beyond the limit are no errors yet, for a client may send
 * the rest in its next transaction (RFC 5321 section 4.5.3.1.10). */
#define SMTP_SERVER_RCPT_OVERSHOOT 1000
/* A body that is refused already is read to its end, up to so much beyond the size limit. */
#define SMTP_SERVER_DROP_MAX (64 * 1024 * 1024)
/* After so many commands or octets without a wait the other fibers get a turn. */
#define SMTP_SERVER_TURN_COMMANDS 256
#define SMTP_SERVER_TURN_OCTETS   (1024 * 1024)
/* RFC 5321 has no floor; ours: octets a second on average, once the grace time is over. */
#define SMTP_SERVER_RATE       500
#define SMTP_SERVER_RATE_GRACE (30 * CLOCK_SEC)
#define SMTP_SERVER_BYE_NS     (5 * CLOCK_SEC) /* for the last words */

/* A body under way; lives in the transaction. */
struct smtp_body {
	struct smtp_data_parser parser;
	struct smtp_reply verdict; /* of body_begin and body_data; 400 and above: refused */
	uint64_t octets;           /* of content */
	uint64_t wire;             /* as they came */
	uint64_t since_turn;
	size_t chunks;
	bool is_too_big;
	int64_t rate_ns; /* when the data, or this chunk, began, and how much of it came */
	uint64_t rate_octets;
};

struct smtp_server {
	struct smtp_session s;
	const struct smtp_decider *decider;
	void *ctx;
	enum smtp_phase phase;
	unsigned features;       /* offered now */
	struct smtp_reply reply; /* the one being made */
	struct arena *cmd;       /* one command; none while waiting */
	struct smtp_body *body;
	size_t rcpt_cap, rcpt_refused, rcpt_over;
	size_t transactions;
	unsigned junk, turn, auth_failures;
	bool is_auth_spent; /* one failed login too many */
	bool is_forgiven;   /* the next refusal is no error of the peer */
	size_t helo_cap;
	int64_t start_ns, end_ns;
	const char *why;   /* the session ended */
	const char *early; /* who talked out of turn first, for the log */
};

/** The one place that changes the phase. */
void smtp_server_phase(struct smtp_server *sv, enum smtp_phase to);
/** The one place that ends a transaction, on every path. */
void smtp_server_reset(struct smtp_server *sv);
/** Say sv->reply, whatever it is, and no more than that. */
void smtp_server_put(struct smtp_server *sv);
/** Say sv->reply; count and delay errors; too many end the session. -1: cancelled in a delay. */
FIBER int smtp_server_say(struct smtp_server *sv, struct err *e);
/** Say 421 and end the session; `why` is for the log. */
void smtp_server_close(struct smtp_server *sv, const char *why, unsigned subject, unsigned detail,
	const char *text);
/** deadline = now + ns, or the end of the session's time */
void smtp_server_deadline(struct smtp_server *sv, int64_t ns);
bool smtp_server_is_draining(const struct smtp_server *sv);

/** Skip what is left of a line that is too long, in bounded memory. */
FIBER int smtp_server_skip_line(struct smtp_server *sv, struct err *e);

/** Append the mechanisms of EHLO's AUTH; nothing: it is not offered. */
void smtp_server_auth_offer(const struct smtp_server *sv, struct buf *list);
bool smtp_server_auth_check(struct smtp_server *sv, const struct smtp_command *c);
FIBER int smtp_server_auth(struct smtp_server *sv, struct smtp_command *c, struct err *e);
void smtp_server_auth_forget(struct smtp_server *sv);

/** Obey one line. -1: the connection is gone. */
FIBER int smtp_server_obey(struct smtp_server *sv, struct span line, bool is_crlf, struct err *e);

/** DATA, the decisions before it made by the caller. Ends with the replies and a reset. */
FIBER int smtp_server_data(struct smtp_server *sv, struct err *e);
/** A BDAT command whose `why_not` (0: none) was found out by the caller in sv->reply. Its octets
 * are read in any case. */
FIBER int smtp_server_bdat(
	struct smtp_server *sv, const struct smtp_command *c, bool is_refused, struct err *e);
