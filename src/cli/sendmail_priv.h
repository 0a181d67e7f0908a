#pragma once
/* `yizhan sendmail`: the interface that programs expect of /usr/sbin/sendmail, over libyizhan to the server
 * of this machine or a smarthost. sendmail.c reads the words and decides; sendmail_read.c takes a message
 * from standard input; sendmail_local.c knows the server of this machine and what is done while it is
 * down; sendmail_bs.c speaks SMTP on standard input; mailq.c shows the queue. */

#include "services/local/place.h"
#include "cli/send_priv.h"

#define SENDMAIL_CONF  "/etc/yizhan/sendmail.conf"
#define SENDMAIL_HELD  ((size_t)1 << 20) /* octets of a message in memory; the rest goes to a file */
#define SENDMAIL_WORDS 1000              /* recipients among the words */

/* The server of this machine. */
struct sendmail_station {
	struct local_place place;
	const char *name; /* as it calls itself; NULL: not asked yet */
};

struct sendmail {
	struct arena *a;
	struct sendmail_station *station; /* NULL: a smarthost takes the message */
	const char *from;                 /* -f; NULL: not said */
	const char *full_name;
	const char *notify, *ret, *envid;
	const char *conf;          /* -C */
	const char *url, *account; /* -O server=, -O account= */
	const char **rcpts;
	size_t rcpt_count;
	char mode; /* of -b */
	bool reads_rcpts, ignores_dots, is_verbose, says_utf8;
	struct send_words *words;
	struct send_plan *plan;
	struct send_talk *talk; /* NULL: not connected */
	struct send_screen *screen;
};

/** An error in words and its sysexits code: "sendmail: …" on standard error. */
int sendmail_fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** With the domain that an address without one gets. */
const char *sendmail_qualified(struct sendmail *m, const char *address);
/** The sender of the envelope. */
const char *sendmail_from(struct sendmail *m);
/** Connect and log in, once. An exit status of sysexits; *why_r (may be NULL) is set on failure. */
int sendmail_connect(struct sendmail *m, const struct yz_error **why_r);
void sendmail_hang_up(struct sendmail *m);
/** sysexits of what became of a transaction. */
int sendmail_exit_of(const struct yz_error *e);

/** What became of a letter, told; its exit status. */
int sendmail_tell(struct sendmail *m, const struct yz_txn *t);

/* ---- sendmail_local.c ---- */
/** Where the server of this machine takes mail. `is_asked`: only one that is configured, or named in the
 * environment; otherwise also one that is merely there. NULL: none. */
struct sendmail_station *sendmail_station(struct cli_call *c, struct sendmail *m, bool is_asked);
/** What the plan of a connection to it is. */
void sendmail_station_plan(struct sendmail *m);
/** Connected: how does it call itself? Addresses without a domain get that one. */
void sendmail_station_named(struct sendmail *m);
/** The login of whom we run for. */
const char *sendmail_login(struct sendmail *m);
/** Was nothing taken, and may all be taken later? */
bool sendmail_may_leave(const struct yz_txn *t);
/** Leave a letter in the drop directory; `why` the server did not take it. An exit status. */
int sendmail_leave(struct sendmail *m, struct send_letter *l, const char *why);
/** Hand it to the server, or leave it for it. */
int sendmail_hand_over(struct sendmail *m, struct send_letter *l);
/** The header as the server wants it: it adds the rest. */
void sendmail_station_header(struct sendmail *m, struct buf *head);

/* ---- mailq.c ---- */
int sendmail_queue(struct cli_call *c);

/* ---- sendmail_read.c ---- */
/** Standard input up to its end or a line with a dot alone, its header made whole. */
int sendmail_read(struct sendmail *m, struct send_letter *l);
/** Begin a letter, put octets to it, its header included; end it. */
void sendmail_letter_begin(struct send_letter *l);
int sendmail_letter_put(struct send_letter *l, struct span octets);
void sendmail_letter_end(struct send_letter *l);
void sendmail_letter_fini(struct send_letter *l);

/* ---- sendmail_bs.c ---- */
int sendmail_speak(struct sendmail *m);
