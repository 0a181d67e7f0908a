#pragma once
/* Sending by JMAP: what Identity, EmailSubmission and the responder share. */

#include "proto/mail/mime_address.h"
#include "store/outbox.h"
#include "services/jmapd/jmapd_priv.h"
#include "services/jmapd/jmapd_write.h"

#define JMAP_RECIPIENTS_MAX 1000
#define JMAP_SEND_HEADER    (512 * 1024) /* octets of a header that is sent */

/** Made from the directory when there are none yet. In c->a. */
FIBER int jmap_identities(struct jmap_call *c, const struct jmap_account *account,
	struct outbox_identity **list_r, size_t *count_r, struct err *e);

/* A message of the store, as it is sent: without what stands in front of it, and without Bcc. */
struct jmap_sent {
	struct store *store;
	struct span header; /* as it is sent, with its empty line */
	uint64_t blob_id, blob_len, body_at;
	struct body *body; /* closed with the arena */
	struct arena *a, *chunk_arena;
	struct span chunk;
	uint64_t chunk_index;
	bool has_chunk;
	/* what its header says; raw values, in `a` */
	struct span from, sender, to, cc, bcc, reply_to, message_id;
	unsigned from_count, sender_count;
};
/** ERR_LIMIT: its header is too large. */
FIBER int jmap_sent_open(struct jmap_sent *m, struct arena *a, struct store *s,
	const struct mailbox_msg *msg, struct err *e);
/** For struct jmap_letter. */
struct http_source jmap_sent_source(struct jmap_sent *m);

/* ---- the envelope (pure) ---- */

struct jmap_envelope {
	struct span mail_from, params; /* " HOLDFOR=60", ready to be said */
	struct jmap_letter_rcpt *rcpts;
	size_t rcpt_count;
	int64_t hold_until_ns; /* 0: at once */
	struct span *bad;      /* recipients that are no addresses */
	size_t bad_count;
};
/** As the client has told it; false: why_r. */
bool jmap_envelope_read(struct arena *a, const struct json_in *v, int64_t now_ns,
	int64_t delay_max_ns, struct jmap_envelope *env, struct jmap_set_error *why_r);
/** From the header (RFC 8621 section 7): mail_from "" when it tells none; false: why_r (invalidEmail). */
bool jmap_envelope_of(struct arena *a, const struct jmap_sent *m, struct jmap_envelope *env,
	struct jmap_set_error *why_r);
/** As JSON, for the store and for answers. */
struct span jmap_envelope_json(
	struct arena *a, const struct jmap_envelope *env, const struct json_in *told);
