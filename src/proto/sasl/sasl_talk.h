#pragma once
/* One exchange of a server on a connection, whatever the protocol around it (AUTH of SMTP and POP3,
 * AUTHENTICATE of IMAP): its buffers, which secrets pass through and which are wiped at the end, and what
 * the connection's TLS can be bound to. Nothing here yields.
 *
 *	sasl_talk_init(&t);
 *	if (… the service fills t.opts …) {
 *		sasl_talk_bind(&t, stream);
 *		sasl_server_offer(&t.opts, list), or
 *		t.sasl = sasl_server_new(mech, &t.opts, decider, ctx, &e);
 *	}
 *	sasl_talk_fini(&t);
 */

#include "net/stream.h"
#include "proto/sasl/sasl_server.h"

#define SASL_TALK_BINDINGS_MAX 512
/* RFC 4954 section 4, RFC 5034 section 4: 12288 octets of base64, and CRLF. */
#define SASL_TALK_LINE_MAX (12288 + 2)
#define SASL_TALK_LIST_MAX 512 /* octets of a list of mechanisms */

struct sasl_talk {
	struct sasl_server_opts opts;
	struct sasl_server *sasl; /* owned */
	struct buf bindings, response, challenge;
};
void sasl_talk_init(struct sasl_talk *t);
/** Once opts.mechs says what could be had: has_tls, and the bindings where a -PLUS is among them. */
void sasl_talk_bind(struct sasl_talk *t, struct stream *stream);
void sasl_talk_fini(struct sasl_talk *t);
/** Base64, into t->response; "=" is an initial response that is empty. What was read is wiped where it
 * stands, for it may be a password. False: it is no base64. */
bool sasl_talk_decode(struct sasl_talk *t, struct span text, bool is_initial);
/** t->response for sasl_server_step: an empty one is not none, it has a pointer. */
struct span sasl_talk_response(struct sasl_talk *t);
