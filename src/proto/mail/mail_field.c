#include "proto/mail/mail_field.h"

#include <string.h>

#include "base/clock.h"
#include "base/enc.h"
#include "base/must.h"
#include "base/utf8.h"

#define LOCAL_PREFIX_MAX 256 /* octets of field names and brackets */

static void put_safe(struct buf *b, struct span text, bool is_utf8, bool is_comment)
{
	bool keeps_high = is_utf8 && utf8_is_valid(text);
	size_t safe = 0;

	while (safe < text.len && text.ptr[safe] >= ' ' && text.ptr[safe] <= '~' &&
		!(is_comment && strchr("()\\", text.ptr[safe])))
		safe++;
	buf_put(b, text.ptr, safe);
	text = span_skip(text, safe);
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c < ' ' || c == 0x7f || (c >= 0x80 && !keeps_high)) {
			buf_char(b, '?');
			continue;
		}
		if (is_comment && (c == '(' || c == ')' || c == '\\'))
			buf_char(b, '\\');
		buf_char(b, (char)c);
	}
}

void mail_text_put(struct buf *b, struct span text, bool is_utf8)
{
	put_safe(b, text, is_utf8, false);
}

void mail_comment_put(struct buf *b, struct span text, bool is_utf8)
{
	put_safe(b, text, is_utf8, true);
}

/* May it stand where RFC 5321 section 4.4 wants a Domain or an address-literal? Underscores pass:
 * hosts are named like that, and every reader copes. */
static bool is_host_like(struct span s, bool is_utf8)
{
	if (s.len == 0 || !utf8_is_valid(s))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c >= 0x80 ? !is_utf8
			      : !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
					(c >= '0' && c <= '9') || (c && strchr(".-_:[]", c))))
			return false;
	}
	return true;
}

void mail_received_protocol_put(struct buf *b, const struct mail_received *r)
{
	/* RFC 6531 section 4.3: UTF8SMTP and UTF8LMTP stand for ESMTP and LMTP */
	if (r->is_smtputf8)
		buf_str(b, "UTF8");
	if (!r->is_lmtp && !r->is_smtputf8 && r->is_esmtp)
		buf_char(b, 'E');
	buf_str(b, r->is_lmtp ? "LMTP" : "SMTP");
	if (!r->is_lmtp && !r->is_esmtp)
		return; /* RFC 3848 has no letters for plain SMTP */
	if (r->is_tls)
		buf_char(b, 'S');
	if (r->is_auth)
		buf_char(b, 'A');
}

/* "from helo (ptr [ip])" */
static void put_from(struct buf *b, const struct mail_received *r)
{
	bool is_good = is_host_like(r->helo, r->is_smtputf8);

	if (r->is_client_hidden) {
		buf_str(b, "localhost (hidden)");
		return;
	}
	if (is_good)
		buf_span_put(b, r->helo);
	else if (r->peer.len)
		mail_text_put(b, r->peer, false);
	else
		buf_str(b, "localhost");
	buf_str(b, " (");
	if (!is_good && r->helo.len) {
		buf_str(b, "helo=");
		mail_comment_put(b, r->helo, r->is_smtputf8);
		buf_char(b, ' ');
	}
	if (r->ptr.len) {
		mail_comment_put(b, r->ptr, r->is_smtputf8);
		buf_char(b, ' ');
	}
	mail_comment_put(b, r->peer.len ? r->peer : SPAN("unix"), false);
	buf_char(b, ')');
}

void mail_received_put(struct buf *b, const struct mail_received *r)
{
	buf_str(b, "Received: from ");
	put_from(b, r);
	if (r->is_tls) {
		buf_str(b, "\r\n\t(using ");
		mail_comment_put(b, r->tls_version, false);
		buf_str(b, " with cipher ");
		mail_comment_put(b, r->tls_cipher, false);
		buf_printf(b, " (%u bits))", r->tls_bits);
	}
	buf_str(b, "\r\n\tby ");
	mail_text_put(b, r->by, r->is_smtputf8);
	buf_str(b, " (Yizhan) with ");
	mail_received_protocol_put(b, r);
	buf_str(b, " id ");
	mail_text_put(b, r->id, false);
	if (r->for_address.len) {
		buf_str(b, "\r\n\tfor <");
		mail_text_put(b, r->for_address, r->is_smtputf8);
		buf_char(b, '>');
	}
	if (r->priority)
		buf_printf(b, "\r\n\tPRIORITY %d", r->priority);
	buf_str(b, ";\r\n\t");
	clock_put_rfc5322(b, r->wall_sec, r->zone_minutes);
	buf_str(b, "\r\n");
}

static void put_path(struct buf *b, const char *name, struct span address)
{
	buf_str(b, name);
	mail_text_put(b, address, true);
}

void mail_return_path_put(struct buf *b, struct span address)
{
	put_path(b, "Return-Path: <", address);
	buf_str(b, ">\r\n");
}

void mail_delivered_to_put(struct buf *b, struct span address)
{
	put_path(b, "Delivered-To: ", address);
	buf_str(b, "\r\n");
}

struct span mail_local_prefix(
	struct arena *a, struct span reverse_path, struct span delivered_to, struct span front)
{
	struct buf *b = arena_buf(
		a, LOCAL_PREFIX_MAX + reverse_path.len + delivered_to.len + front.len);

	mail_return_path_put(b, reverse_path);
	mail_delivered_to_put(b, delivered_to);
	buf_span_put(b, front);
	MUST(buf_ok(b));
	return buf_span(b);
}

void mail_message_id_put(struct buf *b, uint64_t id, uint64_t random, struct span host)
{
	buf_char(b, '<');
	enc_put_id(b, id);
	buf_char(b, '.');
	enc_put_id(b, random);
	buf_char(b, '@');
	mail_text_put(b, host, false);
	buf_char(b, '>');
}

void mail_date_put(struct buf *b, int64_t wall_sec, int zone_minutes)
{
	buf_str(b, "Date: ");
	clock_put_rfc5322(b, wall_sec, zone_minutes);
	buf_str(b, "\r\n");
}

void mail_utf8_addr_put(struct buf *b, struct span address)
{
	while (address.len) {
		unsigned char c = (unsigned char)address.ptr[0];
		uint32_t code = 0xfffd;

		if (c > ' ' && c < 0x7f && c != '+' && c != '=' && c != '\\') {
			buf_char(b, (char)c);
			address = span_skip(address, 1);
			continue;
		}
		if (!utf8_take(&address, &code))
			address = span_skip(address, 1);
		buf_printf(b, "\\x{%02X}", (unsigned)code);
	}
}
