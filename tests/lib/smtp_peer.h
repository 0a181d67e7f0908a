#pragma once
/* A scripted next hop on the simulated loop: an SMTP server that does what it should, but for the
 * rules of a small table. A rule says at which point of which connection it holds, and then waits,
 * says something else, says it oddly, or closes. What the peer took is told to its log.
 *
 *	static const struct peer_rule greylists[] = {
 *		{.at = "RCPT", .until_ns = 5 * CLOCK_MIN, .say = "450 4.7.1 greylisted"}, {0}};
 *
 * Everything is borrowed and belongs to one loop. */

#include "base/buf.h"
#include "net/net.h"
#include "net/tls.h"

#define PEER_LINE_MAX    4096
#define PEER_CONTENT_MAX (1024 * 1024)
#define PEER_RCPTS_MAX   200
#define PEER_TIMES_MAX   4096

struct peer;
struct peer_talk;

struct peer_rule {
	/* Where: "connect", a verb in capitals, "body" (closes behind the first line of content), "dot" (the
	 * whole content is here), "tls" (behind the 220 of STARTTLS), "*" anywhere. NULL ends a table. */
	const char *at;
	const char *has;            /* the command line holds this */
	unsigned from, to;          /* which connections, counted from 1; 0: open */
	unsigned nth, nth_to;       /* which of their kind in the connection, from 1; 0: open */
	int64_t since_ns, until_ns; /* time since the peer was made; 0: open */
	/* What then. */
	int64_t wait_ns; /* before anything is said */
	const char *say; /* instead of the usual reply, without CRLF; 0x01 in it becomes NUL */
	unsigned lines;  /* as one reply of so many lines */
	const char *end; /* between and behind lines, instead of CRLF */
	bool is_held;    /* what was said before waits too */
	bool is_silent;  /* nothing is said */
	bool is_twice;   /* say it, then the usual reply too */
	bool is_final;   /* the command has no effect, whatever was said */
	bool closes;     /* behind what is said */
	bool is_odd;     /* from here on nobody can tell what the other side makes of it */
};

enum peer_fate {
	PEER_TOOK,    /* 2yz was said to it, in time to be heard */
	PEER_REFUSED, /* 4yz or 5yz was */
	PEER_UNHEARD, /* nothing was, or too late */
};

/* A content whose end was seen, for one recipient. */
struct peer_taken {
	struct peer *peer;
	struct span
		content;  /* as the sender meant it: without dots and end; lives during the call */
	unsigned index;   /* of the recipient */
	const char *rcpt; /* "a@there.test" */
	const char *sender;
	enum peer_fate fate;
	bool is_smtputf8, is_8bit, is_tls;
};

struct peer_opts {
	const char *address; /* "198.51.100.1:25" */
	const char *ehlo;    /* "PIPELINING CHUNKING"; NULL: those, 8BITMIME, DSN, SMTPUTF8 */
	const struct peer_rule *rules; /* or NULL */
	/* A reply that depends on more than the rules know; NULL: the usual one. */
	const char *(*decide)(struct peer_talk *t, const char *at, struct span line);
	void *ctx;
	bool is_lmtp;
	int64_t idle_ns;        /* who is silent for so long is hung up on; 0: nobody */
	struct tls_server *tls; /* STARTTLS works with it; it is offered when ehlo says so */
	void (*taken)(void *arg, const struct peer_taken *taken);
	void *arg;
};

struct peer {
	struct peer_opts opts;
	struct net_listener *listener;
	struct fiber_group g;
	int64_t began_ns;
	/* seen */
	unsigned sessions, messages, rcpts, quits, open, open_most;
	int64_t *session_ns; /* mono: when each began; goes with peer_down */
};

/* One connection. */
struct peer_talk {
	struct peer *peer;
	struct stream *s;
	unsigned number; /* from 1 */
	unsigned seen[16];
	unsigned messages; /* taken in this connection */
	bool is_closed;
	bool is_broken; /* what we say is not heard any more */
	bool is_dumb;   /* the last command got no reply */
	bool is_odd;    /* an odd reply was given */
	bool has_mail, is_smtputf8, is_8bit;
	char *sender, *rcpts[PEER_RCPTS_MAX]; /* owned */
	unsigned rcpt_count;
	struct buf content;
};

void peer_up(struct peer *p, const struct peer_opts *opts);
FIBER void peer_down(struct peer *p);
