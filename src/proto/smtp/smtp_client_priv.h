#pragma once
/* Between smtp_client.c (the session) and smtp_txn.c (a transaction). */

#include "proto/smtp/smtp_client.h"

/** Read one whole reply into c->parser. */
FIBER int smtp_client_reply(struct smtp_client *c, enum smtp_stage stage, struct err *e);
/** The connection is of no more use: scope peer, the stage in front of the text. Returns -1. */
int smtp_client_lost(struct smtp_client *c, enum smtp_stage stage, struct err *e);
