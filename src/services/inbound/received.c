#include <string.h>

#include "base/enc.h"

#include "services/inbound/inbound_priv.h"

void hop_scan_init(struct hop_scan *h)
{
	*h = (struct hop_scan){.is_line_empty = true};
}

void hop_scan_put(struct hop_scan *h, struct span octets)
{
	static const struct span name = {"received:", 9};
	const char *p = octets.ptr, *end = p + octets.len;

	while (p < end && !h->is_body) {
		if (h->is_off) { /* to the end of this line */
			p = memchr(p, '\n', (size_t)(end - p));
			if (!p)
				return;
			p++;
			h->is_off = false;
			h->is_line_empty = true;
			h->matched = 0;
			continue;
		}
		unsigned char c = span_lower((unsigned char)*p);

		if (h->is_line_empty && (c == '\r' || c == '\n')) {
			h->is_body = c == '\n';
			p++;
			continue;
		}
		h->is_line_empty = false;
		if (c == (unsigned char)name.ptr[h->matched]) {
			p++;
			if (++h->matched == name.len) {
				h->count++;
				h->is_off = true;
			}
		} else {
			h->is_off = true;
		}
	}
}

/* A foreign name in a header field: nothing that could end the field, open a comment or begin a
 * quoted string. */
static void put_name(struct buf *b, struct span name, bool is_utf8, size_t max)
{
	if (name.len > max)
		name.len = max;
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.ptr[i];
		bool is_good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
			(c >= 'A' && c <= 'Z') || (c && strchr(".-_:[]", c)) ||
			(c > 127 && is_utf8);

		buf_char(b, is_good ? (char)c : '?');
	}
}

/* RFC 5321 section 4.4, RFC 3848, RFC 6531 section 4.3 */
static void put_with(struct buf *b, const struct smtp_session *s)
{
	if (s->mail.is_smtputf8)
		buf_str(b, s->is_lmtp ? "UTF8LMTP" : "UTF8SMTP");
	else if (s->is_lmtp)
		buf_str(b, "LMTP");
	else
		buf_str(b, s->is_esmtp ? "ESMTP" : "SMTP");
	/* plain SMTP has no extensions to tell of */
	if (s->tls && (s->is_esmtp || s->is_lmtp))
		buf_char(b, 'S');
	if (s->auth_user.len && (s->is_esmtp || s->is_lmtp))
		buf_char(b, 'A');
}

static void put_from(struct buf *b, const struct smtp_session *s)
{
	buf_str(b, "Received: from ");
	if (s->helo.len)
		put_name(b, s->helo, s->mail.is_smtputf8, SMTP_DOMAIN_MAX);
	else
		buf_str(b, "unknown");
	if (addr_is_ip(s->peer)) {
		buf_str(b, " (");
		addr_put_literal(b, s->peer);
		buf_char(b, ')');
	} else {
		buf_str(b, " (local socket)");
	}
	if (s->tls) {
		buf_str(b, "\r\n\t(using ");
		put_name(b, span_str(s->tls->version), false, 32);
		buf_str(b, " with cipher ");
		put_name(b, span_str(s->tls->cipher), false, 64);
		if (s->tls->bits)
			buf_printf(b, " (%u bits)", s->tls->bits);
		buf_char(b, ')');
	}
}

struct span received_field(const struct smtp_session *s, const char *hostname, uint64_t id,
	struct span for_address, struct span date)
{
	struct buf b;

	buf_init(&b, INBOUND_RECEIVED_MAX);
	put_from(&b, s);
	buf_str(&b, "\r\n\tby ");
	buf_str(&b, hostname);
	buf_str(&b, " with ");
	put_with(&b, s);
	buf_str(&b, " id ");
	enc_put_id(&b, id);
	/* A path's octets have passed the grammar of RCPT, so they cannot end the field. */
	if (for_address.len && for_address.len <= SMTP_PATH_MAX) {
		buf_str(&b, "\r\n\tfor <");
		buf_span_put(&b, for_address);
		buf_char(&b, '>');
	}
	buf_str(&b, ";\r\n\t");
	buf_span_put(&b, date);
	buf_str(&b, "\r\n");
	MUST(buf_ok(&b));

	struct span field = arena_span(s->txn, buf_span(&b));
	buf_fini(&b);
	return field;
}

struct span local_prefix(
	struct arena *a, struct span reverse_path, struct span delivered_to, struct span received)
{
	struct span parts[] = {SPAN("Return-Path: <"), reverse_path, SPAN(">\r\nDelivered-To: "),
		delivered_to, SPAN("\r\n"), received};
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		len += parts[i].len;

	char *p = arena_alloc(a, len + 1), *at = p;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (parts[i].len)
			memcpy(at, parts[i].ptr, parts[i].len);
		at += parts[i].len;
	}
	return span_of(p, len);
}
