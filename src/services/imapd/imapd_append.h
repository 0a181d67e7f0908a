#pragma once
/* APPEND and REPLACE with their extensions (MULTIAPPEND, CATENATE, BINARY, UTF8): hooks of struct
 * imap_decider. Messages go into stages as they come in; all of a command are stored in one transaction. */

#include "store/stage.h"
#include "services/imapd/imapd_priv.h"

FIBER int imapd_append_event(void *ctx, struct imap_session *s, const struct imap_append *ap,
	const struct imap_append_event *event, struct imap_result *r, struct err *e);
FIBER int imapd_append_data(void *ctx, struct imap_session *s, struct span octets, bool is_last,
	struct imap_result *r, struct err *e);
FIBER int imapd_append_done(void *ctx, struct imap_session *s, const struct imap_append *ap,
	struct imap_result *r, struct err *e);
void imapd_append_abort(void *ctx, struct imap_session *s);

/* imapd_append_url.c */
/** The octets that a URL of CATENATE names (RFC 4469, RFC 5092: an absolute path on this server) go behind
 * the stage. `*is_bad_r`: NO [BADURL …] is owed, for whatever reason: it is the same for what is not there
 * and what may not be read. */
FIBER int imapd_append_url(struct imapd_conn *c, struct span url, struct stage *st,
	uint64_t *octets, bool *is_bad_r, struct err *e);
