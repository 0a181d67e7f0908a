/* MAIL and RCPT with their parameters. */

#include <idn2.h>
#include <string.h>
#include <time.h>

#include "proto/mail/mail_field.h"
#include "proto/smtp/smtp_client_priv.h"

bool smtp_put_ascii_address(struct buf *b, struct span address)
{
	ptrdiff_t at = span_rfind(address, '@');
	struct arena *a;
	uint8_t *ascii = NULL;
	bool is_ok;

	if (at < 0 || !span_is_ascii(span_sub(address, 0, (size_t)at)))
		return false;
	a = arena_new();
	/* RFC 5891 section 5: NFC and case are mapped (RFC 5895), then the look-up form */
	is_ok = idn2_lookup_u8((const uint8_t *)arena_str(a, span_skip(address, (size_t)at + 1)),
			&ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) == IDN2_OK;
	if (is_ok) {
		buf_span_put(b, span_sub(address, 0, (size_t)at + 1));
		buf_str(b, (const char *)ascii);
	}
	idn2_free(ascii);
	arena_free(&a);
	return is_ok && buf_ok(b);
}

static void put_path(struct stream *s, struct span address, const struct smtp_plan *plan)
{
	struct buf b;

	if (plan->is_smtputf8 || span_is_ascii(address)) {
		stream_put(s, address);
		return;
	}
	buf_init(&b, SMTP_CLIENT_PATH_MAX);
	smtp_put_ascii_address(&b, address);
	stream_put(s, buf_span(&b));
	buf_fini(&b);
}

static void put_xtext(struct stream *s, struct span bytes)
{
	struct buf b;

	buf_init(&b, 4096);
	smtp_xtext_encode(&b, bytes);
	stream_put(s, buf_span(&b));
	buf_fini(&b);
}

/* RFC 3461 section 4.2: the type stands, the address is xtext, or what RFC 6533 section 3 has for
 * the utf-8 type: in ASCII, so that it may go to servers without SMTPUTF8 too. */
static void put_orcpt(struct stream *s, struct span type, struct span address)
{
	struct buf b;

	stream_put(s, SPAN(" ORCPT="));
	stream_put(s, type);
	stream_put(s, SPAN(";"));
	if (!span_eq_nocase(type, SPAN("utf-8"))) {
		put_xtext(s, address);
		return;
	}
	buf_init(&b, 4096);
	mail_utf8_addr_put(&b, address);
	stream_put(s, buf_span(&b));
	buf_fini(&b);
}

static void put_extra(struct stream *s, struct span extra)
{
	if (extra.len) {
		stream_put(s, SPAN(" "));
		stream_put(s, extra);
	}
}

/* What the content and the addresses need. */
static void put_declared(
	struct smtp_client *c, const struct smtp_txn *t, const struct smtp_plan *plan)
{
	struct stream *s = c->stream;

	if (smtp_client_has(c, SMTP_SIZE) &&
		(!t->is_size_unknown || t->size)) /* RFC 1870 section 6 */
		stream_printf(s, " SIZE=%llu", (unsigned long long)t->size);
	if (plan->body == SMTP_BODY_8BITMIME) /* RFC 6152 section 2 */
		stream_put(s, SPAN(" BODY=8BITMIME"));
	else if (plan->body == SMTP_BODY_BINARYMIME)
		stream_put(s, SPAN(" BODY=BINARYMIME"));
	if (plan->is_smtputf8)
		stream_put(s, SPAN(" SMTPUTF8"));
}

/* RFC 4865 section 5: seconds, or a moment in UTC as RFC 3339 writes it */
static void put_hold(struct stream *s, const struct smtp_txn *t)
{
	time_t when = (time_t)t->hold_until;
	struct tm tm;

	if (t->hold_for)
		stream_printf(s, " HOLDFOR=%lld", (long long)t->hold_for);
	else if (t->hold_until && gmtime_r(&when, &tm))
		stream_printf(s, " HOLDUNTIL=%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900,
			tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static void put_asked(struct smtp_client *c, const struct smtp_txn *t)
{
	struct stream *s = c->stream;

	if (smtp_client_has(c, SMTP_DSN)) { /* RFC 3461 sections 4.3, 4.4 */
		if (t->ret != SMTP_RET_NONE)
			stream_put(
				s, t->ret == SMTP_RET_FULL ? SPAN(" RET=FULL") : SPAN(" RET=HDRS"));
		if (t->envid.len) {
			stream_put(s, SPAN(" ENVID="));
			put_xtext(s, t->envid);
		}
	}
	if (t->auth.len && smtp_client_has(c, SMTP_FEATURE_AUTH)) { /* RFC 4954 section 5 */
		stream_put(s, SPAN(" AUTH="));
		if (span_eq(t->auth, SPAN("<>")))
			stream_put(s, t->auth);
		else
			put_xtext(s, t->auth);
	}
	if (t->is_requiretls)
		stream_put(s, SPAN(" REQUIRETLS"));
	if (t->by_mode && smtp_client_has(c, SMTP_DELIVERBY)) /* RFC 2852 section 4 */
		stream_printf(s, " BY=%lld;%c%s", (long long)t->by_seconds, t->by_mode,
			t->by_trace ? "T" : "");
	put_hold(s, t);
	if (t->has_priority && smtp_client_has(c, SMTP_MT_PRIORITY)) /* RFC 6710 section 4.1 */
		stream_printf(s, " MT-PRIORITY=%d", t->priority);
}

void smtp_put_mail(struct smtp_client *c, const struct smtp_txn *t, const struct smtp_plan *plan)
{
	struct stream *s = c->stream;

	stream_put(s, SPAN("MAIL FROM:<"));
	put_path(s, t->reverse_path, plan);
	stream_put(s, SPAN(">"));
	if (!t->no_declare)
		put_declared(c, t, plan);
	put_asked(c, t);
	put_extra(s, t->extra);
	stream_put(s, SPAN("\r\n"));
	c->outstanding++;
}

/* RFC 3461 section 4.1. */
static void put_notify(struct stream *s, unsigned notify)
{
	static const struct {
		unsigned bit;
		const char *word;
	} words[] = {{SMTP_NOTIFY_SUCCESS, "SUCCESS"}, {SMTP_NOTIFY_FAILURE, "FAILURE"},
		{SMTP_NOTIFY_DELAY, "DELAY"}};
	const char *comma = "";

	if (notify == 0)
		return;
	stream_put(s, SPAN(" NOTIFY="));
	if (notify & SMTP_NOTIFY_NEVER) {
		stream_put(s, SPAN("NEVER"));
		return;
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (notify & words[i].bit) {
			stream_printf(s, "%s%s", comma, words[i].word);
			comma = ",";
		}
}

void smtp_put_rcpt(struct smtp_client *c, struct smtp_txn_rcpt *r, const struct smtp_plan *plan)
{
	struct stream *s = c->stream;
	ptrdiff_t semicolon = span_find(r->orcpt, ';');

	stream_put(s, SPAN("RCPT TO:<"));
	put_path(s, r->address, plan);
	stream_put(s, SPAN(">"));
	r->is_dsn_passed = smtp_client_has(c, SMTP_DSN);
	if (r->is_dsn_passed) {
		put_notify(s, r->notify);
		if (semicolon > 0)
			put_orcpt(s, span_sub(r->orcpt, 0, (size_t)semicolon),
				span_skip(r->orcpt, (size_t)semicolon + 1));
	}
	put_extra(s, r->extra);
	stream_put(s, SPAN("\r\n"));
	c->outstanding++;
}
