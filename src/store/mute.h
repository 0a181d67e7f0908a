#pragma once
/* Conversations that somebody has muted: what answers them goes past the Inbox. The mark is the keyword
 * $muted at any message of the thread, whoever set it; threads are those of facts_thread.c, so an answer
 * under another subject begins a conversation of its own and comes in. For closures on the writer. */

#include "store/deliver.h"

/** d->folder becomes the account's archive when d is for the Inbox and answers a muted conversation;
 * flags stay, so that it is unread there. Nothing is looked up for letters that answer none, and one row
 * for accounts that have muted nothing. What the new name needs lives in `a`. */
int mute_place_tx(struct db *db, struct arena *a, struct delivery *d, struct err *e);
