#include "proto/mail/mail_dsn.h"

#include "base/clock.h"
#include "base/enc.h"
#include "base/must.h"
#include "base/utf8.h"
#include "proto/mail/mail_field.h"

#define TEXT_COLUMNS 72
#define HOST_MAX     320 /* a name of 255 and an address */
#define TYPE_MAX     64
#define TEXT_MAX     (1024 * 1024) /* a recipient takes about 3 KiB */

static const char *const action_words[MAIL_DSN_ACTION_COUNT] = {
#define X(id, word) [MAIL_DSN_##id] = word,
	MAIL_DSN_ACTIONS(X)
#undef X
};

const char *mail_dsn_action_str(enum mail_dsn_action a)
{
	MUST((unsigned)a < MAIL_DSN_ACTION_COUNT);
	return action_words[a];
}

static enum mail_dsn_action worst(const struct mail_dsn *d)
{
	enum mail_dsn_action a = MAIL_DSN_EXPANDED;

	for (size_t i = 0; i < d->rcpt_count; i++)
		if (d->rcpts[i].action < a)
			a = d->rcpts[i].action;
	return a;
}

bool mail_dsn_is_full(const struct mail_dsn *d)
{
	return worst(d) == MAIL_DSN_FAILED && !d->is_headers_only && !d->is_binary &&
		d->original_len <= MAIL_DSN_ORIGINAL_MAX;
}

static void put_boundary(struct buf *b, const struct mail_dsn *d)
{
	/* '=' and '_' cannot stand together in base64 or quoted-printable (RFC 2046 section 5.1.1) */
	buf_str(b, "=_");
	enc_put_id(b, d->id);
	enc_put_id(b, d->random);
}

/* At most `max` octets of it, no UTF-8 character cut. */
static struct span cut(struct span text, size_t max)
{
	size_t n = text.len < max ? text.len : max;

	while (n && n < text.len && ((unsigned char)text.ptr[n] & 0xc0) == 0x80)
		n--;
	return span_sub(text, 0, n);
}

/* Foreign words, cut to what is shown and made safe. */
static void put_words(struct buf *b, const struct mail_dsn *d, struct span text)
{
	mail_text_put(b, cut(text, MAIL_DSN_TEXT_MAX), d->is_smtputf8);
}

/* RFC 6533 section 4: in a report of the old kind an internationalised address is told in ASCII. */
static void put_typed(
	struct buf *b, const struct mail_dsn *d, struct span type, struct span address)
{
	mail_text_put(b, type, false);
	buf_str(b, "; ");
	if (span_is_ascii(address) || d->is_smtputf8)
		put_words(b, d, address);
	else
		mail_utf8_addr_put(b, cut(address, MAIL_DSN_TEXT_MAX / 6));
}

/* Paragraph text: wrapped at blanks, each line behind `indent`. */
static void put_wrapped(struct buf *b, const char *indent, struct span text)
{
	struct span word;
	size_t column = 0;

	while ((word = span_word(&text)).len) {
		if (column && column + 1 + word.len > TEXT_COLUMNS) {
			buf_str(b, "\r\n");
			column = 0;
		}
		buf_str(b, column ? " " : indent);
		column += column ? 1 : span_str(indent).len;
		buf_span_put(b, word);
		column += word.len;
	}
	buf_str(b, "\r\n");
}

static const struct {
	const char *subject, *opening;
} stories[MAIL_DSN_ACTION_COUNT] = {
	[MAIL_DSN_FAILED] = {"Undelivered Mail Returned to Sender",
		"I'm sorry to have to inform you that your message could not be delivered to one "
		"or more recipients. It's attached below."},
	[MAIL_DSN_DELAYED] = {"Delayed Mail (still being retried)",
		"THIS IS A WARNING ONLY. YOU DO NOT NEED TO RESEND YOUR MESSAGE. It could not be "
		"delivered yet to one or more recipients, and is being retried."},
	[MAIL_DSN_DELIVERED] = {"Successful Mail Delivery Report",
		"Your message was successfully delivered to the destination(s) listed below. If it "
		"was delivered to a mailbox you will receive no further notifications."},
	[MAIL_DSN_RELAYED] = {"Successful Mail Delivery Report",
		"Your message was handed on to the mail system of the destination(s) listed below, "
		"which sends no reports of success. You will hear of it again only if it fails."},
	[MAIL_DSN_EXPANDED] = {"Successful Mail Delivery Report",
		"Your message was sent on to the members of the address(es) listed below."},
};

static bool is_original_coded(const struct mail_dsn *d)
{
	return d->is_global && !d->is_smtputf8;
}

/* How the original goes back; an 8-bit part makes the whole 8-bit (RFC 2045 section 6.4). */
static bool is_8bit(const struct mail_dsn *d)
{
	return d->is_smtputf8 || (d->is_8bit && !is_original_coded(d));
}

static void put_base64(struct buf *b, struct span octets)
{
	while (octets.len) { /* RFC 2045 section 6.8: lines of 76 */
		enc_put_base64(b, span_sub(octets, 0, 57));
		buf_str(b, "\r\n");
		octets = span_skip(octets, octets.len < 57 ? octets.len : 57);
	}
}

static void put_header(struct buf *b, const struct mail_dsn *d)
{
	mail_date_put(b, d->now_sec, d->zone_minutes);
	buf_str(b, "From: Mail Delivery System <MAILER-DAEMON@");
	mail_text_put(b, d->host, false);
	buf_str(b, ">\r\nTo: <");
	mail_text_put(b, d->to, d->is_smtputf8);
	buf_printf(b, ">\r\nSubject: %s\r\nMessage-ID: ", stories[worst(d)].subject);
	mail_message_id_put(b, d->id, d->random, d->host);
	/* RFC 3834 section 5.2 */
	buf_str(b,
		"\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
		"Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"");
	put_boundary(b, d);
	buf_printf(b, "\"\r\nContent-Transfer-Encoding: %s\r\n\r\n", is_8bit(d) ? "8bit" : "7bit");
	buf_str(b, "This is a MIME-encapsulated message.\r\n");
}

static void open_part(
	struct buf *b, const struct mail_dsn *d, const char *description, const char *type)
{
	buf_str(b, "\r\n--");
	put_boundary(b, d);
	buf_printf(b, "\r\nContent-Description: %s\r\nContent-Type: %s\r\n", description, type);
}

static void put_status(struct buf *b, const struct mail_dsn_rcpt *r)
{
	static const unsigned cls[MAIL_DSN_ACTION_COUNT] = {5, 4, 2, 2, 2};

	if (r->cls)
		buf_printf(b, "%u.%u.%u", r->cls, r->subject, r->detail);
	else
		buf_printf(b, "%u.0.0", cls[r->action]);
}

static void put_time(struct buf *b, const struct mail_dsn *d, const char *name, int64_t sec)
{
	if (sec == 0)
		return;
	buf_printf(b, "%s: ", name);
	clock_put_rfc5322(b, sec, d->zone_minutes);
	buf_str(b, "\r\n");
}

/* What happened to one recipient, for people. */
static void tell_rcpt(struct buf *b, const struct mail_dsn *d, const struct mail_dsn_rcpt *r)
{
	unsigned cls = r->cls ? r->cls : r->action == MAIL_DSN_DELAYED ? 4 : 5;
	struct buf line;

	buf_init(&line, 16 * 1024);
	buf_char(&line, '<');
	put_words(&line, d, r->address);
	buf_str(&line, ">: ");
	if (r->remote_host.len) {
		buf_str(&line, "host ");
		put_words(&line, d, cut(r->remote_host, HOST_MAX));
		buf_str(&line, r->reply.len ? " said: " : ": ");
	}
	if (r->reply.len || r->reason.len)
		put_words(&line, d, r->reply.len ? r->reply : r->reason);
	else
		buf_str(&line, mail_dsn_action_str(r->action));
	buf_str(b, "\r\n");
	put_wrapped(b, "", buf_span(&line));
	if (r->action <= MAIL_DSN_DELAYED) {
		put_wrapped(b, "    ", span_str(mail_dsn_cause(cls, r->subject, r->detail)));
		buf_clear(&line);
		buf_printf(
			&line, "What you can do: %s", mail_dsn_remedy(cls, r->subject, r->detail));
		put_wrapped(b, "    ", buf_span(&line));
	}
	if (r->action == MAIL_DSN_DELAYED && r->retry_until_sec) {
		buf_clear(&line);
		buf_str(&line, "Retried until ");
		clock_put_rfc5322(&line, r->retry_until_sec, d->zone_minutes);
		put_wrapped(b, "    ", buf_span(&line));
	}
	buf_fini(&line);
}

static void put_story(struct buf *b, const struct mail_dsn *d)
{
	enum mail_dsn_action a = worst(d);

	buf_str(b, "This is the mail system at host ");
	mail_text_put(b, d->host, false);
	buf_str(b, ".\r\n\r\n");
	put_wrapped(b, "", span_str(stories[a].opening));
	if (a == MAIL_DSN_FAILED) {
		buf_str(b, "\r\n");
		put_wrapped(b, "", SPAN("For further assistance, please send mail to postmaster."));
		buf_str(b, "\r\n");
		put_wrapped(b, "",
			SPAN("If you do so, please include this problem report. You can delete your "
			     "own text from the attached returned message."));
	}
	buf_str(b, "\r\n                   The mail system\r\n");
	for (size_t i = 0; i < d->rcpt_count; i++)
		tell_rcpt(b, d, &d->rcpts[i]);
}

static bool is_address_utf8(const struct mail_dsn *d)
{
	for (size_t i = 0; i < d->rcpt_count; i++)
		if (!span_is_ascii(d->rcpts[i].address))
			return true;
	return false;
}

static void put_text_part(struct buf *b, const struct mail_dsn *d)
{
	bool is_utf8 = d->is_smtputf8 || is_address_utf8(d);
	struct mail_dsn told = *d;
	struct buf text;

	open_part(b, d, "Notification",
		is_utf8 ? "text/plain; charset=utf-8" : "text/plain; charset=us-ascii");
	if (!is_utf8 || d->is_smtputf8) {
		buf_str(b, is_utf8 ? "Content-Transfer-Encoding: 8bit\r\n\r\n" : "\r\n");
		put_story(b, d);
		return;
	}
	told.is_smtputf8 = true;
	buf_init(&text, TEXT_MAX);
	put_story(&text, &told);
	buf_str(b, "Content-Transfer-Encoding: base64\r\n\r\n");
	put_base64(b, buf_span(&text));
	buf_fini(&text);
}

/* "type; address": RFC 3464 section 2.3.1, RFC 6533 section 3 for addresses above ASCII */
static void put_address(
	struct buf *b, const struct mail_dsn *d, const char *name, struct span address)
{
	buf_printf(b, "%s: ", name);
	put_typed(b, d, span_is_ascii(address) ? SPAN("rfc822") : SPAN("utf-8"), address);
	buf_str(b, "\r\n");
}

static void put_diagnostic(struct buf *b, const struct mail_dsn *d, const struct mail_dsn_rcpt *r)
{
	struct span host = cut(r->remote_host, HOST_MAX);

	if (host.len) { /* RFC 3464 section 2.3.5: a name; the address goes into a comment */
		struct span name = span_word(&host);

		buf_str(b, "Remote-MTA: dns; ");
		put_words(b, d, name);
		if (span_trim(host).len) {
			buf_str(b, " (");
			mail_comment_put(b, span_trim(host), d->is_smtputf8);
			buf_char(b, ')');
		}
		buf_str(b, "\r\n");
	}
	if (r->reply.len == 0 && r->reason.len == 0)
		return;
	buf_str(b, r->reply.len ? "Diagnostic-Code: smtp; " : "Diagnostic-Code: x-yizhan; ");
	put_words(b, d, r->reply.len ? r->reply : r->reason);
	buf_str(b, "\r\n");
}

static void put_machine_part(struct buf *b, const struct mail_dsn *d)
{
	open_part(b, d, "Delivery report",
		d->is_smtputf8 ? "message/global-delivery-status" : "message/delivery-status");
	if (d->is_smtputf8)
		buf_str(b, "Content-Transfer-Encoding: 8bit\r\n");
	buf_str(b, "\r\n");
	if (d->envid.len) {
		buf_str(b, "Original-Envelope-Id: ");
		put_words(b, d, d->envid);
		buf_str(b, "\r\n");
	}
	buf_str(b, "Reporting-MTA: dns; ");
	mail_text_put(b, d->host, false);
	buf_str(b, "\r\nX-Yizhan-Queue-ID: ");
	mail_text_put(b, d->queue_id, false);
	buf_str(b, "\r\n");
	put_time(b, d, "Arrival-Date", d->arrived_sec);
	for (size_t i = 0; i < d->rcpt_count; i++) {
		const struct mail_dsn_rcpt *r = &d->rcpts[i];

		buf_str(b, "\r\n");
		if (r->orcpt.len) {
			struct span type, address;

			span_cut(r->orcpt, ';', &type, &address);
			buf_str(b, "Original-Recipient: ");
			put_typed(b, d, cut(type, TYPE_MAX), address);
			buf_str(b, "\r\n");
		}
		put_address(b, d, "Final-Recipient", r->address);
		buf_printf(b, "Action: %s\r\nStatus: ", mail_dsn_action_str(r->action));
		put_status(b, r);
		buf_str(b, "\r\n");
		put_diagnostic(b, d, r);
		put_time(b, d, "Last-Attempt-Date", r->last_attempt_sec);
		if (r->action == MAIL_DSN_DELAYED)
			put_time(b, d, "Will-Retry-Until", r->retry_until_sec);
	}
}

void mail_dsn_put_head(struct buf *b, const struct mail_dsn *d)
{
	bool is_full = mail_dsn_is_full(d), is_global = d->is_smtputf8 || d->is_global;

	MUST(d->rcpt_count > 0);
	put_header(b, d);
	put_text_part(b, d);
	put_machine_part(b, d);
	if (is_full)
		open_part(b, d, "Undelivered Message",
			is_global ? "message/global" : "message/rfc822");
	else
		open_part(b, d, "Message Headers",
			is_global ? "message/global-headers" : "text/rfc822-headers");
	buf_printf(b, "Content-Transfer-Encoding: %s\r\n\r\n",
		is_original_coded(d) ? "base64"
			: is_8bit(d) ? "8bit"
				     : "7bit");
}

void mail_dsn_put_original(struct buf *b, const struct mail_dsn *d, struct span original)
{
	if (is_original_coded(d))
		put_base64(b, original);
	else
		buf_span_put(b, original);
}

void mail_dsn_put_tail(struct buf *b, const struct mail_dsn *d)
{
	buf_str(b, "\r\n--");
	put_boundary(b, d);
	buf_str(b, "--\r\n");
}
