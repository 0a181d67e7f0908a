#include <string.h>

#include "base/enc.h"
#include "base/must.h"
#include "proto/mail/mail_field.h"
#include "services/inbound/inbound_priv.h"

struct span received_field(const struct smtp_session *s, struct span hostname, uint64_t id,
	struct span for_address, const struct received_time *time)
{
	struct mail_received r = {.helo = span_sub(s->helo, 0, SMTP_DOMAIN_MAX),
		.by = hostname,
		.is_lmtp = s->is_lmtp,
		.is_esmtp = s->is_esmtp,
		.is_tls = s->tls != NULL,
		.is_auth = s->auth_user.len > 0,
		.is_smtputf8 = s->mail.is_smtputf8,
		.for_address = for_address,
		.priority = s->mail.priority,
		.wall_sec = time->sec,
		.zone_minutes = time->zone_minutes};
	struct buf b, peer, text;

	buf_init(&b, INBOUND_RECEIVED_MAX);
	buf_init(&peer, 64);
	buf_init(&text, 32);
	if (addr_is_ip(s->peer))
		addr_put_literal(&peer, s->peer);
	r.peer = buf_span(&peer);
	enc_put_id(&text, id);
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

struct span local_prefix(
	struct arena *a, struct span reverse_path, struct span delivered_to, struct span received)
{
	struct span prefix;
	struct buf b;

	buf_init(&b, INBOUND_PREFIX_MAX);
	mail_return_path_put(&b, reverse_path);
	mail_delivered_to_put(&b, delivered_to);
	buf_span_put(&b, received);
	MUST(buf_ok(&b));
	prefix = arena_span(a, buf_span(&b));
	buf_fini(&b);
	return prefix;
}
