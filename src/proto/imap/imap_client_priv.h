#pragma once
/* Between the files of the client. */

#include "proto/imap/imap_client.h"

/* An argument of a command. */
struct imap_say {
	struct span text;
	bool is_string; /* else it goes as it stands */
};
#define IMAP_RAW(s) ((struct imap_say){span_str(s), false})
#define IMAP_STR(s) ((struct imap_say){(s), true})

/** Send "TAG words" and a line end; where a string needs a literal, wait for leave. */
FIBER int imap_client_say(
	struct imap_client *c, const struct imap_say *words, size_t count, struct err *e);
/** Read one response; what every command must know of it is noted. */
FIBER int imap_client_read(struct imap_client *c, struct imap_response *r, struct err *e);
/** Read until the command's own reply; 0 for OK. Each other response goes to `fn` first (may be NULL). */
typedef FIBER int imap_client_fn(struct imap_client *c, struct imap_response *r, struct err *e);
FIBER int imap_client_end(struct imap_client *c, imap_client_fn *fn, struct err *e);
/** Both. */
FIBER int imap_client_do(struct imap_client *c, const struct imap_say *words, size_t count,
	imap_client_fn *fn, struct err *e);
/** Is it this command's reply? Then *rc_r is what it says. */
bool imap_client_is_reply(
	struct imap_client *c, const struct imap_response *r, int *rc_r, struct err *e);
/** Forget capabilities, ask for them. */
FIBER int imap_client_capability(struct imap_client *c, struct err *e);
/** The session is over; the error stays. */
int imap_client_lost(struct imap_client *c, struct err *e);
