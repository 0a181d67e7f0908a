#include "base/clock.h"
#include "base/enc.h"
#include "base/must.h"
#include "proto/mail/mail_dsn_priv.h"
#include "proto/mail/mail_field.h"
#include "proto/mail/mail_word.h"
#include "proto/mail/mime_codec.h"

#define TYPE_MAX 64
#define TEXT_MAX (2 * 1024 * 1024) /* a recipient takes at most 7 KiB */

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

enum mail_dsn_action dsn_worst(const struct mail_dsn *d)
{
	enum mail_dsn_action a = MAIL_DSN_EXPANDED;

	for (size_t i = 0; i < d->rcpt_count; i++)
		if (d->rcpts[i].action < a)
			a = d->rcpts[i].action;
	return a;
}

bool mail_dsn_is_full(const struct mail_dsn *d)
{
	return dsn_worst(d) == MAIL_DSN_FAILED && !d->is_headers_only && !d->is_binary &&
		d->original_len <= MAIL_DSN_ORIGINAL_MAX;
}

static void put_boundary(struct buf *b, const struct mail_dsn *d)
{
	/* '=' and '_' cannot stand together in base64 or quoted-printable (RFC 2046 section 5.1.1) */
	buf_str(b, "=_");
	enc_put_id(b, d->id);
	enc_put_id(b, d->random);
}

struct span dsn_cut(struct span text, size_t max)
{
	size_t n = text.len < max ? text.len : max;

	while (n && n < text.len && ((unsigned char)text.ptr[n] & 0xc0) == 0x80)
		n--;
	return span_sub(text, 0, n);
}

/* Foreign words, cut to what is shown and made safe. */
static void put_words(struct buf *b, const struct mail_dsn *d, struct span text)
{
	mail_text_put(b, dsn_cut(text, MAIL_DSN_TEXT_MAX), d->is_smtputf8);
}

/* RFC 6533 section 4: in a report of the old kind an internationalised address is told in ASCII. An
 * octet may take eight then: as much of it as a line holds. */
static void put_typed(
	struct buf *b, const struct mail_dsn *d, struct span type, struct span address)
{
	struct buf ascii;

	mail_text_put(b, type, false);
	buf_str(b, "; ");
	if (span_is_ascii(address) || d->is_smtputf8) {
		put_words(b, d, address);
		return;
	}
	buf_init(&ascii, MAIL_DSN_TEXT_MAX);
	mail_utf8_addr_put(&ascii, dsn_cut(address, MAIL_DSN_TEXT_MAX));
	buf_span_put(b, buf_span(&ascii));
	buf_fini(&ascii);
}

/* What comes back, where it is not 7-bit: message/global may be coded, message/rfc822 may not
 * (RFC 6532 section 3.7, RFC 2046 section 5.2.1), a header section as any text. */
static enum mime_encoding original_encoding(const struct mail_dsn *d)
{
	if (d->is_smtputf8)
		return MIME_CTE_8BIT;
	if (d->is_global)
		return MIME_CTE_BASE64;
	if (!d->is_8bit)
		return MIME_CTE_7BIT;
	return mail_dsn_is_full(d) ? MIME_CTE_8BIT : MIME_CTE_QP;
}

static void put_encoded(struct buf *b, enum mime_encoding encoding, struct span text)
{
	struct mime_encoder c;

	mime_encoder_init(&c, encoding, true);
	mime_encoder_feed(&c, text, b);
	mime_encoder_end(&c, b);
}

/* "Undelivered Mail Returned to Sender", behind it the same in Chinese for who reads that. */
static void put_subject(struct buf *b, const struct mail_dsn *d)
{
	enum mail_dsn_action a = dsn_worst(d);

	buf_printf(b, "Subject: %s\r\n", dsn_subjects[a]);
	if (d->words == MAIL_DSN_ZH || d->words == MAIL_DSN_BOTH) {
		buf_truncate(b, buf_len(b) - 2);
		buf_str(b, "\r\n ");
		mail_word_put(b, span_str(dsn_words[MAIL_LANG_ZH].subject[a]), 1);
		buf_str(b, "\r\n");
	}
}

static void put_header(struct buf *b, const struct mail_dsn *d)
{
	mail_date_put(b, d->now_sec, d->zone_minutes);
	buf_str(b, "From: Mail Delivery System <MAILER-DAEMON@");
	mail_text_put(b, d->host, false);
	buf_str(b, ">\r\nTo: <");
	put_words(b, d, d->to);
	buf_str(b, ">\r\n");
	put_subject(b, d);
	buf_str(b, "Message-ID: ");
	mail_message_id_put(b, d->id, d->random, d->host);
	/* RFC 3834 section 5.2 */
	buf_str(b,
		"\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
		"Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"");
	put_boundary(b, d);
	/* an 8-bit part makes the whole 8-bit (RFC 2045 section 6.4) */
	buf_printf(b, "\"\r\nContent-Transfer-Encoding: %s\r\n\r\n",
		original_encoding(d) == MIME_CTE_8BIT ? "8bit" : "7bit");
	buf_str(b, "This is a MIME-encapsulated message.\r\n");
}

static void open_part(
	struct buf *b, const struct mail_dsn *d, const char *description, const char *type)
{
	buf_str(b, "\r\n--");
	put_boundary(b, d);
	buf_printf(b, "\r\nContent-Description: %s\r\nContent-Type: %s\r\n", description, type);
}

/* As the next hop gave it, when it is a code of the action's class (RFC 3463 section 2); a failure
 * may be one for good, or one that did not pass in time. */
static bool is_status(struct span s, enum mail_dsn_action action)
{
	struct span cls, rest, subject, detail;
	uint64_t n;

	if (!span_cut(s, '.', &cls, &rest) || !span_cut(rest, '.', &subject, &detail) ||
		subject.len > 3 || detail.len > 3 || !span_u64_max(subject, 999, &n) ||
		!span_u64_max(detail, 999, &n) || cls.len != 1)
		return false;
	switch (action) {
	case MAIL_DSN_FAILED: return cls.ptr[0] == '5' || cls.ptr[0] == '4';
	case MAIL_DSN_DELAYED: return cls.ptr[0] == '4';
	default: return cls.ptr[0] == '2';
	}
}

static void put_status(struct buf *b, const struct mail_dsn_rcpt *r)
{
	static const char *const by_action[MAIL_DSN_ACTION_COUNT] = {
		"5.0.0", "4.0.0", "2.0.0", "2.0.0", "2.0.0"};

	buf_str(b, "Status: ");
	if (is_status(r->enhanced, r->action))
		buf_span_put(b, r->enhanced);
	else
		buf_str(b, by_action[r->action]);
	buf_str(b, "\r\n");
}

static void put_time(struct buf *b, const struct mail_dsn *d, const char *name, int64_t sec)
{
	if (sec == 0)
		return;
	buf_printf(b, "%s: ", name);
	clock_put_rfc5322(b, sec, d->zone_minutes);
	buf_str(b, "\r\n");
}

static void put_languages(struct buf *b, const struct mail_dsn *d)
{
	buf_str(b, "Content-Language: "); /* RFC 3282 */
	if (d->words != MAIL_DSN_ZH)
		buf_str(b, mail_lang_tag(MAIL_LANG_EN));
	if (d->words == MAIL_DSN_BOTH || d->words == MAIL_DSN_HINT)
		buf_str(b, ", ");
	if (d->words != MAIL_DSN_EN)
		buf_str(b, mail_lang_tag(MAIL_LANG_ZH));
	buf_str(b, "\r\n");
}

/* Quoted-printable stays readable where few octets need it. */
static enum mime_encoding text_encoding(struct span text)
{
	size_t high = 0;

	for (size_t i = 0; i < text.len; i++)
		high += (unsigned char)text.ptr[i] >= 0x80;
	return high == 0 ? MIME_CTE_7BIT : high < text.len / 6 ? MIME_CTE_QP : MIME_CTE_BASE64;
}

static void put_text_part(struct buf *b, const struct mail_dsn *d)
{
	enum mime_encoding encoding;
	struct buf text;

	buf_init(&text, TEXT_MAX);
	dsn_put_story(&text, d);
	MUST(buf_ok(&text));
	encoding = text_encoding(buf_span(&text));
	open_part(b, d, "Notification",
		encoding == MIME_CTE_7BIT ? "text/plain; charset=us-ascii"
					  : "text/plain; charset=utf-8");
	put_languages(b, d);
	buf_printf(b, "Content-Transfer-Encoding: %s\r\n\r\n", mime_encoding_str(encoding));
	put_encoded(b, encoding, buf_span(&text));
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
	struct span host = dsn_cut(r->remote_host, DSN_HOST_MAX);

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
	if (r->code) {
		buf_printf(b, "Diagnostic-Code: smtp; %u", r->code);
		if (r->enhanced.len) {
			buf_char(b, ' ');
			put_words(b, d, dsn_cut(r->enhanced, DSN_CODE_MAX));
		}
		if (r->text.len) {
			buf_char(b, ' ');
			put_words(b, d, r->text);
		}
		buf_str(b, "\r\n");
	} else if (r->text.len) {
		buf_str(b, "Diagnostic-Code: x-yizhan; ");
		put_words(b, d, r->text);
		buf_str(b, "\r\n");
	}
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
	if (d->deliver_by_sec)
		put_time(b, d, "Deliver-By-Date", d->deliver_by_sec);
	for (size_t i = 0; i < d->rcpt_count; i++) {
		const struct mail_dsn_rcpt *r = &d->rcpts[i];

		buf_str(b, "\r\n");
		if (r->orcpt.len) {
			struct span type, address;

			span_cut(r->orcpt, ';', &type, &address);
			buf_str(b, "Original-Recipient: ");
			put_typed(b, d, dsn_cut(type, TYPE_MAX), address);
			buf_str(b, "\r\n");
		}
		put_address(b, d, "Final-Recipient", r->address);
		buf_printf(b, "Action: %s\r\n", mail_dsn_action_str(r->action));
		put_status(b, r);
		put_diagnostic(b, d, r);
		put_time(b, d, "Last-Attempt-Date", r->last_attempt_sec);
		if (r->action == MAIL_DSN_DELAYED)
			put_time(b, d, "Will-Retry-Until", r->retry_until_sec);
	}
}

void mail_dsn_put_head(struct buf *b, const struct mail_dsn *d)
{
	bool is_full = mail_dsn_is_full(d), is_global = d->is_smtputf8 || d->is_global;

	MUST(d->rcpt_count > 0 && d->rcpt_count <= MAIL_DSN_RCPTS_MAX);
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
		mime_encoding_str(original_encoding(d)));
}

void mail_dsn_put_original(struct buf *b, const struct mail_dsn *d, struct span original)
{
	put_encoded(b, original_encoding(d), original);
}

void mail_dsn_put_tail(struct buf *b, const struct mail_dsn *d)
{
	buf_str(b, "\r\n--");
	put_boundary(b, d);
	buf_str(b, "--\r\n");
}
