#include <string.h>

#include "base/enc.h"
#include "base/must.h"
#include "proto/mail/mail_field.h"
#include "services/inbound/inbound_priv.h"
#include "services/router/router.h"

/* Where only the domain is not ASCII its A-label stands in the field (RFC 6531 section 3.7.3 leaves the choice): what
 * we add shall not be the reason that a host without SMTPUTF8 cannot take the message. */
static struct span ascii_where_it_can(struct arena *a, struct span address)
{
	ptrdiff_t at = span_rfind(address, '@');
	struct span local, label;

	if (at < 0 || span_is_ascii(address))
		return address;
	local = span_sub(address, 0, (size_t)at);
	label = router_domain_key(a, span_skip(address, (size_t)at + 1));
	if (!span_is_ascii(local) || !label.len)
		return address;
	return span_str(arena_printf(a, SPAN_FMT "@" SPAN_FMT, SPAN_ARG(local), SPAN_ARG(label)));
}

struct span received_field(const struct smtp_session *s, const struct received_opts *o)
{
	struct mail_received r = {.helo = span_sub(s->helo, 0, SMTP_DOMAIN_MAX),
		.by = o->hostname,
		.is_lmtp = s->is_lmtp,
		.is_esmtp = s->is_esmtp,
		.is_tls = s->tls != NULL,
		.is_auth = s->auth_user.len > 0,
		.is_smtputf8 = s->mail.is_smtputf8,
		.is_client_hidden = o->is_client_hidden,
		.for_address = ascii_where_it_can(s->txn, o->for_address),
		.priority = s->mail.priority,
		.wall_sec = o->time->sec,
		.zone_minutes = o->time->zone_minutes};
	struct buf b, peer, text;

	buf_init(&b, INBOUND_RECEIVED_MAX);
	buf_init(&peer, 256);
	buf_init(&text, 32);
	if (addr_is_ip(s->peer))
		addr_put_literal(&peer, s->peer);
	else
		buf_span_put(&peer, o->local);
	r.peer = buf_span(&peer);
	enc_put_id(&text, o->id);
	r.id = buf_span(&text);
	if (s->tls) {
		r.tls_version = span_str(s->tls->version);
		r.tls_cipher = span_str(s->tls->cipher);
		r.tls_bits = s->tls->bits;
	}
	mail_received_put(&b, &r);
	MUST(buf_ok(&b));

	struct span field = arena_span(s->txn, buf_span(&b));
	buf_fini(&text);
	buf_fini(&peer);
	buf_fini(&b);
	return field;
}
