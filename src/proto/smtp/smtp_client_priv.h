#pragma once
/* Between smtp_client.c (the session), smtp_auth.c and the files of a transaction. */

#include "proto/smtp/smtp_client.h"

/** Read one whole reply into c->parser; the wait is `timeout_ns`. */
FIBER int smtp_client_reply(
	struct smtp_client *c, enum smtp_stage stage, int64_t timeout_ns, struct err *e);
/** The connection is of no more use: scope peer, the stage in front of the text. Returns -1. */
int smtp_client_lost(struct smtp_client *c, enum smtp_stage stage, struct err *e);
/** The last reply as an error: its code, what it said as far as a log line has room. Returns -1. */
int smtp_client_refused(struct smtp_client *c, enum smtp_stage stage, struct err *e);
/** Before a command: nothing is outstanding, so nothing may be there to read. What is there is the
 * end of the connection (421, the end of the stream) or a breach of the protocol: -1. */
FIBER int smtp_client_quiet(struct smtp_client *c, enum smtp_stage stage, struct err *e);
