#pragma once
/* `yizhan sendmail`: the interface that programs expect of /usr/sbin/sendmail, over libyizhan to a
 * smarthost. sendmail.c reads the words and decides; sendmail_read.c takes a message from standard
 * input; sendmail_bs.c speaks SMTP on it. */

#include "cli/send_priv.h"

#define SENDMAIL_CONF  "/etc/yizhan/sendmail.conf"
#define SENDMAIL_HELD  ((size_t)1 << 20) /* octets of a message in memory; the rest goes to a file */
#define SENDMAIL_WORDS 1000              /* recipients among the words */

struct sendmail {
	struct arena *a;
	const char *from; /* -f; NULL: not said */
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
