#include "proto/mail/mail_cause.h"

#include "base/must.h"
#include "proto/mail/mail_cause_priv.h"

/* The rules, the first that fits wins. */

#define ANY 0xffff

struct rule {
	uint16_t reply;   /* 0: any; OWN: no server has spoken */
	uint8_t cls;      /* of the enhanced code; 0: any */
	uint16_t subject; /* ANY: with or without an enhanced code */
	uint16_t from, to;
	/* all of them, in this order, '*' between, each at the begin of a word; "": none is needed;
	 * one with a dot is found in names of hosts too */
	const char *words;
	enum mail_cause_id id;
};

#define OWN 1

#define WORDS(words, id)                                                                           \
	{                                                                                          \
		0, 0, ANY, ANY, ANY, words, MAIL_CAUSE_##id                                        \
	}
#define OWN_WORDS(words, id)                                                                       \
	{                                                                                          \
		OWN, 0, ANY, ANY, ANY, words, MAIL_CAUSE_##id                                      \
	}
#define CODE(s, d, id)                                                                             \
	{                                                                                          \
		0, 0, s, d, d, "", MAIL_CAUSE_##id                                                 \
	}
#define CODES(c, s, a, b, id)                                                                      \
	{                                                                                          \
		0, c, s, a, b, "", MAIL_CAUSE_##id                                                 \
	}
#define BOTH(c, s, d, w, id)                                                                       \
	{                                                                                          \
		0, c, s, d, d, w, MAIL_CAUSE_##id                                                  \
	}
#define SUBJECT(s, id)                                                                             \
	{                                                                                          \
		0, 0, s, 0, ANY, "", MAIL_CAUSE_##id                                               \
	}
#define REPLY(code, id)                                                                            \
	{                                                                                          \
		code, 0, ANY, ANY, ANY, "", MAIL_CAUSE_##id                                        \
	}

/* clang-format off */
static const struct rule rules[] = {
	/* Gmail: support.google.com/a/answer/3726730 */
	WORDS("ipv6 sending guidelines*ptr", PTR_IPV6),
	WORDS("does not have a ptr record", PTR),
	WORDS("due to domain*dmarc policy", DMARC),
	WORDS("dmarc policy of reject", DMARC),
	WORDS("sender is unauthenticated", UNAUTHENTICATED),
	WORDS("low reputation of the sending", REPUTATION_GMAIL),
	WORDS("unusual rate of unsolicited mail", REPUTATION_GMAIL),
	WORDS("our system has detected*likely unsolicited mail", REPUTATION_GMAIL),
	WORDS("rate that prevents additional messages", RCPT_RATE),
	WORDS("presents a potential security issue", ATTACHMENT),
	CODES(4, 7, 28, 28, REPUTATION_GMAIL),
	CODES(5, 7, 28, 28, REPUTATION_GMAIL),
	BOTH(0, 7, 29, "tls", TLS_WANTED),
	BOTH(0, 7, 27, "spf", SPF),
	BOTH(0, 7, 30, "dkim", DKIM),
	WORDS("multiple addresses in from", HEADERS),
	WORDS("not rfc 5322 compliant", HEADERS),
	WORDS("not compliant with rfc 5322", HEADERS),
	WORDS("rfc 5322 specifications", HEADERS),

	/* Exchange Online and Outlook.com */
	CODES(5, 7, 606, 649, BANNED_OUTLOOK),
	CODES(5, 7, 708, 708, BANNED_OUTLOOK),
	WORDS("banned sending ip", BANNED_OUTLOOK),
	WORDS("part of their network is on our block list", BANNED_OUTLOOK),
	WORDS("(s3140)", BANNED_OUTLOOK),
	WORDS("(s3150)", BANNED_OUTLOOK),
	CODES(4, 7, 500, 699, THROTTLED_OUTLOOK),
	CODES(5, 7, 511, 511, SENDER_BANNED),
	WORDS("banned sender", SENDER_BANNED),
	CODES(5, 7, 501, 508, SPAM),
	CODES(5, 7, 509, 509, DMARC),
	CODES(5, 7, 515, 515, UNAUTHENTICATED),
	WORDS("required authentication level", UNAUTHENTICATED),
	BOTH(0, 4, 1, "recipient address rejected: access denied", NO_USER),
	WORDS("recipientnotfound", NO_USER),
	WORDS("recipnotfound", NO_USER),
	WORDS("resolver.rst", GROUP_CLOSED),
	CODES(5, 7, 124, 124, GROUP_CLOSED),
	CODES(5, 7, 133, 133, GROUP_CLOSED),
	WORDS("tenantattribution", RELAY),

	/* Yahoo and AOL: senders.yahooinc.com/smtp-error-codes */
	WORDS("[tss", THROTTLED_YAHOO),
	WORDS("[ts0", THROTTLED_YAHOO),
	WORDS("unexpected volume or user complaints", THROTTLED_YAHOO),
	WORDS("doesn't have a*account", NO_USER),
	BOTH(0, 7, 9, "policy reasons", POLICY),

	/* QQ, and NetEase (163, 126) */
	WORDS("frequency limited", THROTTLED),
	WORDS("mail content denied", SPAM),
	WORDS("mailbox unavailable or access denied", NO_USER),
	WORDS("mi:spf", SPF),
	WORDS("dt:spm", SPAM),
	WORDS("hl:ihu", BLOCKLIST),
	WORDS("hl:ipb", BLOCKLIST),
	WORDS("hl:ihe", HELO),
	WORDS("dt:rbl", BLOCKLIST),
	WORDS("hl:rep", THROTTLED),
	WORDS("hl:icc", THROTTLED),
	WORDS("hl:ifc", THROTTLED),
	WORDS("hl:mep", THROTTLED),
	WORDS("mi:sfq", THROTTLED),
	WORDS("mi:stc", THROTTLED),
	WORDS("mi:cel", THROTTLED),
	WORDS("mi:dmc", THROTTLED),
	WORDS("rp:cel", THROTTLED),
	WORDS("rp:qrc", THROTTLED),

	/* what we found out ourselves; also as the last reason of what expired */
	OWN_WORDS("timed out", NO_ANSWER),
	OWN_WORDS("timeout", NO_ANSWER),
	OWN_WORDS("connection refused", NOT_LISTENING),
	OWN_WORDS("unreachable", NO_ANSWER),
	OWN_WORDS("no route to host", NO_ANSWER),
	OWN_WORDS("requiretls", REQUIRETLS),
	OWN_WORDS("mta-sts", TLS_POLICY),
	OWN_WORDS("dane", TLS_POLICY),
	OWN_WORDS("tlsa", TLS_POLICY),
	OWN_WORDS("certificate", TLS_POLICY),
	OWN_WORDS("looking up", DNS),
	OWN_WORDS("the connection was closed", BROKEN),
	OWN_WORDS("connection reset", BROKEN),

	/* words that mean the same in most programs */
	WORDS("greylist", GREYLIST),
	WORDS("graylist", GREYLIST),
	WORDS("grey listed", GREYLIST),
	WORDS("postgrey", GREYLIST),
	WORDS("spamhaus", BLOCKLIST),
	WORDS("spamhaus.", BLOCKLIST),
	WORDS("spamcop.", BLOCKLIST),
	WORDS("barracudacentral.", BLOCKLIST),
	WORDS("blocked using", BLOCKLIST),
	WORDS("dnsbl", BLOCKLIST),
	WORDS("rbl", BLOCKLIST),
	WORDS("blocklist", BLOCKLIST),
	WORDS("block list", BLOCKLIST),
	WORDS("blacklist", BLOCKLIST),
	WORDS("relay access denied", RELAY),
	WORDS("relaying denied", RELAY),
	WORDS("relay denied", RELAY),
	WORDS("relay not permitted", RELAY),
	WORDS("relaying not allowed", RELAY),
	WORDS("not permitted to relay", RELAY),
	WORDS("unable to relay", RELAY),
	WORDS("do not relay", RELAY),
	WORDS("sender address rejected", SENDER_UNVERIFIED),
	WORDS("sender verify failed", SENDER_UNVERIFIED),
	WORDS("recipient address rejected: domain not found", NO_DOMAIN),
	WORDS("domain does not exist", NO_DOMAIN),
	WORDS("user unknown", NO_USER),
	WORDS("unknown user", NO_USER),
	WORDS("no such user", NO_USER),
	WORDS("no such mailbox", NO_USER),
	WORDS("no such recipient", NO_USER),
	WORDS("recipient unknown", NO_USER),
	WORDS("unknown recipient", NO_USER),
	WORDS("recipient not found", NO_USER),
	WORDS("invalid recipient", NO_USER),
	WORDS("invalid mailbox", NO_USER),
	WORDS("mailbox not found", NO_USER),
	WORDS("user not found", NO_USER),
	WORDS("user doesn't exist", NO_USER),
	WORDS("user does not exist", NO_USER),
	WORDS("mailbox does not exist", NO_USER),
	WORDS("account*does not exist", NO_USER),
	WORDS("no mailbox here by that name", NO_USER),
	WORDS("no mailbox by that name", NO_USER),
	WORDS("unknown local part", NO_USER),
	WORDS("account*disabled", DISABLED),
	WORDS("account*inactive", DISABLED),
	WORDS("mailbox*disabled", DISABLED),
	WORDS("mailbox*inactive", DISABLED),
	WORDS("user suspended", DISABLED),
	WORDS("over quota", MAILBOX_FULL),
	WORDS("overquota", MAILBOX_FULL),
	WORDS("quotaexceeded", MAILBOX_FULL),
	WORDS("quota exceeded", MAILBOX_FULL),
	WORDS("exceed*quota", MAILBOX_FULL),
	WORDS("mailbox is full", MAILBOX_FULL),
	WORDS("mailbox full", MAILBOX_FULL),
	WORDS("inbox is full", MAILBOX_FULL),
	WORDS("out of storage space", MAILBOX_FULL),
	WORDS("exceed*storage", MAILBOX_FULL),
	WORDS("message size", TOO_LARGE),
	WORDS("message too large", TOO_LARGE),
	WORDS("message is too large", TOO_LARGE),
	WORDS("message too big", TOO_LARGE),
	WORDS("message is too big", TOO_LARGE),
	WORDS("mailsize limit", TOO_LARGE),
	WORDS("size limit", TOO_LARGE),
	WORDS("issue a starttls command first", TLS_WANTED),
	WORDS("tls*required", TLS_WANTED),
	WORDS("requires tls", TLS_WANTED),
	WORDS("encryption*required", TLS_WANTED),
	WORDS("cannot find your hostname", PTR),
	WORDS("cannot find your reverse", PTR),
	WORDS("reverse dns", PTR),
	WORDS("rdns", PTR),
	WORDS("ptr record", PTR),
	WORDS("no ptr", PTR),
	WORDS("helo command rejected", HELO),
	WORDS("invalid helo", HELO),
	WORDS("too many recipients", TOO_MANY_RCPTS),
	WORDS("too many connections", THROTTLED),
	WORDS("too many concurrent", THROTTLED),
	WORDS("too many messages", THROTTLED),
	WORDS("too much mail", THROTTLED),
	WORDS("rate limit", THROTTLED),
	WORDS("throttl", THROTTLED),
	WORDS("temporarily deferred", THROTTLED),
	WORDS("server busy", BUSY),
	WORDS("dmarc", DMARC),
	WORDS("spf", SPF),
	WORDS("dkim", DKIM),
	WORDS("poor reputation", REPUTATION),
	WORDS("bad reputation", REPUTATION),
	WORDS("low reputation", REPUTATION),
	WORDS("ip reputation", REPUTATION),
	WORDS("virus", VIRUS),
	WORDS("malware", VIRUS),
	WORDS("illegal attachment", ATTACHMENT),
	WORDS("spam", SPAM),

	/* RFC 3463 and the registry of enhanced codes */
	CODE(1, 1, NO_USER),
	CODE(1, 2, NO_DOMAIN),
	CODE(1, 3, BAD_ADDRESS),
	CODE(1, 4, AMBIGUOUS),
	CODE(1, 6, MOVED),
	CODE(1, 7, SENDER_ADDRESS),
	CODE(1, 8, SENDER_UNVERIFIED),
	CODE(1, 10, NULL_MX), /* RFC 7505 */
	SUBJECT(1, ADDRESS),
	CODE(2, 1, DISABLED),
	CODE(2, 2, MAILBOX_FULL),
	CODE(2, 3, MAILBOX_SIZE),
	CODE(2, 4, EXPANSION),
	SUBJECT(2, MAILBOX),
	CODE(3, 1, SYSTEM_FULL),
	CODE(3, 4, TOO_LARGE),
	SUBJECT(3, SYSTEM),
	CODE(4, 1, NO_ANSWER),
	CODE(4, 2, BROKEN),
	CODE(4, 3, DNS),
	CODE(4, 4, NO_ROUTE),
	CODE(4, 5, BUSY),
	CODE(4, 6, LOOP),
	CODE(4, 7, EXPIRED),
	SUBJECT(4, NETWORK),
	CODE(5, 3, TOO_MANY_RCPTS),
	SUBJECT(5, PROTOCOL),
	CODE(6, 3, CONVERSION),
	CODE(6, 5, CONVERSION),
	CODE(6, 7, UTF8_ADDRESS), /* RFC 6531 */
	CODE(6, 8, UTF8_ADDRESS),
	CODE(6, 9, UTF8_ADDRESS),
	CODE(6, 11, LINE_ENDS),
	SUBJECT(6, CONTENT),
	CODE(7, 1, DENIED),
	CODE(7, 2, LIST_CLOSED),
	CODE(7, 8, LOGIN),
	CODE(7, 9, LOGIN),
	CODE(7, 10, TLS_WANTED),
	CODE(7, 11, TLS_WANTED),
	CODE(7, 13, DISABLED),
	CODE(7, 17, OWNER_CHANGED), /* RFC 7293 */
	CODE(7, 18, OWNER_CHANGED),
	CODE(7, 20, DKIM), /* RFC 7372 */
	CODE(7, 21, DKIM),
	CODE(7, 22, DKIM),
	CODE(7, 23, SPF),
	CODE(7, 24, SPF),
	CODE(7, 25, PTR),
	CODE(7, 26, UNAUTHENTICATED),
	CODE(7, 27, SENDER_ADDRESS), /* RFC 7505: its domain takes no mail */
	CODE(7, 30, REQUIRETLS),     /* RFC 8689 */
	SUBJECT(7, POLICY),

	/* without an enhanced code: RFC 5321 section 4.2.2, RFC 7504 */
	REPLY(421, BUSY),
	REPLY(452, SYSTEM_FULL),
	REPLY(500, PROTOCOL),
	REPLY(501, PROTOCOL),
	REPLY(502, PROTOCOL),
	REPLY(503, PROTOCOL),
	REPLY(504, PROTOCOL),
	REPLY(521, NULL_MX),
	REPLY(530, LOGIN),
	REPLY(535, LOGIN),
	REPLY(551, NO_USER),
	REPLY(552, MAILBOX_FULL),
	REPLY(553, BAD_ADDRESS),
	REPLY(556, NULL_MX),
};
/* clang-format on */

const char *mail_lang_tag(enum mail_lang lang)
{
	static const char *const tags[MAIL_LANG_COUNT] = {
#define X(id, tag) [MAIL_LANG_##id] = tag,
		MAIL_LANGS(X)
#undef X
	};

	MUST((unsigned)lang < MAIL_LANG_COUNT);
	return tags[lang];
}

static bool is_blank(char c)
{
	return (unsigned char)c <= ' ';
}

static bool is_word_octet(unsigned char c)
{
	c = span_lower(c);
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Does what stands around `at`, up to the blanks, look like a host or an address? Their names say
 * nothing: mail for spam3.example need not be spam. */
static bool is_in_name(struct span text, size_t at)
{
	size_t i = at;

	while (i > 0 && !is_blank(text.ptr[i - 1]))
		i--;
	for (; i < text.len && !is_blank(text.ptr[i]); i++) {
		if (text.ptr[i] == '@')
			return true;
		if (text.ptr[i] == '.' && i > 0 && is_word_octet((unsigned char)text.ptr[i - 1]) &&
			i + 1 < text.len && is_word_octet((unsigned char)text.ptr[i + 1]))
			return true;
	}
	return false;
}

static bool begins_at(struct span text, size_t at, struct span piece)
{
	for (size_t n = 0; n < piece.len; n++)
		if (piece.ptr[n] == ' ' ? !is_blank(text.ptr[at + n])
					: span_lower((unsigned char)text.ptr[at + n]) !=
					(unsigned char)piece.ptr[n])
			return false;
	if (at > 0 && is_word_octet((unsigned char)piece.ptr[0]) &&
		is_word_octet((unsigned char)text.ptr[at - 1]))
		return false;
	return span_find(piece, '.') >= 0 || !is_in_name(text, at);
}

/* Behind the first place where `piece` (lower case) begins a word of the text; 0: nowhere. */
static size_t find_piece(struct span text, size_t from, struct span piece)
{
	for (size_t i = from; i + piece.len <= text.len; i++)
		if (begins_at(text, i, piece))
			return i + piece.len;
	return 0;
}

static bool has_words(struct span text, const char *words)
{
	struct span rest = span_str(words), piece;
	size_t at = 0;

	while (rest.len) {
		span_cut(rest, '*', &piece, &rest);
		at = find_piece(text, at, piece);
		if (!at)
			return false;
	}
	return true;
}

struct told {
	unsigned code, cls, subject, detail;
	struct span text;
};

static bool fits(const struct rule *r, const struct told *t)
{
	if (r->reply == OWN ? t->code != 0 : r->reply && (r->reply != t->code || t->cls))
		return false;
	if (r->cls && r->cls != t->cls)
		return false;
	if (r->subject != ANY &&
		(!t->cls || r->subject != t->subject || t->detail < r->from || t->detail > r->to))
		return false;
	return has_words(t->text, r->words);
}

/* "5.1.1"; left at zero when it is none, or tells no more than the reply code (x.0.0). */
static void read_enhanced(struct span enhanced, struct told *t)
{
	struct span cls, rest, subject, detail;
	uint64_t c, s, d;

	if (!span_cut(enhanced, '.', &cls, &rest) || !span_cut(rest, '.', &subject, &detail) ||
		!span_u64_max(cls, 5, &c) || !span_u64_max(subject, 999, &s) ||
		!span_u64_max(detail, 999, &d) || c < 2 || (s == 0 && d == 0))
		return;
	t->cls = (unsigned)c;
	t->subject = (unsigned)s;
	t->detail = (unsigned)d;
}

const struct mail_cause *mail_cause_find(unsigned code, struct span enhanced, struct span text)
{
	struct told t = {.code = code, .text = span_sub(text, 0, MAIL_CAUSE_TEXT_MAX)};
	unsigned cls = enhanced.len && enhanced.ptr[0] >= '2' && enhanced.ptr[0] <= '5'
		? (unsigned)(enhanced.ptr[0] - '0')
		: code / 100;

	read_enhanced(enhanced, &t);
	if (cls == 2)
		return mail_cause_get(MAIL_CAUSE_DONE);
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if (fits(&rules[i], &t))
			return mail_cause_get(rules[i].id);
	if (cls == 0)
		return mail_cause_get(text.len ? MAIL_CAUSE_OWN : MAIL_CAUSE_UNTRIED);
	return mail_cause_get(cls == 4 ? MAIL_CAUSE_TEMPORARY : MAIL_CAUSE_REFUSED);
}

bool mail_cause_is_expired(struct span enhanced)
{
	return span_eq(enhanced, SPAN("4.4.7")) || span_eq(enhanced, SPAN("5.4.7"));
}

const struct mail_cause *mail_cause_expired(void)
{
	return mail_cause_get(MAIL_CAUSE_EXPIRED);
}
