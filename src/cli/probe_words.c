/* What capabilities and mechanisms mean, in words. */

#include <string.h>

#include "cli/probe.h"

struct word {
	const char *name; /* a last '*' stands for anything behind */
	const char *text;
};

static const struct word smtp_words[] = {
	{"PIPELINING", "commands may come without waiting for each reply"},
	{"8BITMIME", "8-bit text without re-encoding"},
	{"SMTPUTF8", "addresses in any script"},
	{"UTF8SMTP", "addresses in any script (old experiment)"},
	{"CHUNKING", "messages in counted chunks (BDAT)"},
	{"BINARYMIME", "binary content as it is"},
	{"DSN", "delivery reports as the sender asks for them"},
	{"ENHANCEDSTATUSCODES", "replies with codes like 5.1.1"},
	{"STARTTLS", "encryption on request"},
	{"VRFY", "tells whether a user exists"},
	{"EXPN", "tells who is on a list"},
	{"ETRN", "starts a queue on request"},
	{"ATRN", "delivers over this connection on request"},
	{"TURN", "changes roles on request: unsafe"},
	{"HELP", "explains its commands"},
	{"REQUIRETLS", "promises TLS on the whole way"},
	{"DELIVERBY", "delivers by a deadline"},
	{"FUTURERELEASE", "holds messages until a time"},
	{"MT-PRIORITY", "priorities"},
	{"PRDR", "an answer for each recipient"},
	{"BURL", "sends what lies on an IMAP server"},
	{"LIMITS", "its limits, told"},
	{"XCLIENT", "takes a proxy's word for who the client is"},
	{"XFORWARD", "takes a filter's word for who the client is"},
	{"CHECKPOINT", "goes on where a transfer broke"},
	{"NO-SOLICITING", "wants no advertisement"},
	{"MTRK", "tracks messages"},
	{"CONNEG", "content negotiation"},
	{"CONPERM", "conversion by permission"},
	{"AUTH=*", "mechanisms in the form of old clients"},
	{"X-*", "something of its own"},
	{NULL, NULL},
};

static const struct word imap_words[] = {
	{"IMAP4REV1", "IMAP of RFC 3501"},
	{"IMAP4REV2", "IMAP of RFC 9051"},
	{"STARTTLS", "encryption on request"},
	{"LOGINDISABLED", "no password before TLS"},
	{"LOGIN-REFERRALS", "sends users to another server"},
	{"AUTH=*", "a way to log in"},
	{"SASL-IR", "login in one step fewer"},
	{"IDLE", "tells of new mail at once"},
	{"NOTIFY", "tells of changes in all mailboxes"},
	{"NAMESPACE", "where own and shared mailboxes are"},
	{"QUOTA", "how full it is"},
	{"QUOTA=*", "what is counted"},
	{"QUOTASET", "quotas may be set"},
	{"ID", "names its program"},
	{"UIDPLUS", "new numbers of copied messages"},
	{"CONDSTORE", "what changed since"},
	{"QRESYNC", "what changed and what vanished since"},
	{"MOVE", "moves in one step"},
	{"ENABLE", "extensions are switched on"},
	{"CHILDREN", "which mailboxes have others within"},
	{"UNSELECT", "leaves a mailbox without expunging"},
	{"SPECIAL-USE", "which mailbox is Sent, Drafts, Trash"},
	{"CREATE-SPECIAL-USE", "the same, when it is made"},
	{"SORT", "sorts on the server"},
	{"SORT=*", "sorts on the server, by more"},
	{"THREAD=*", "threads on the server"},
	{"SEARCHRES", "uses the last search's result"},
	{"ESEARCH", "short answers of searches"},
	{"ESORT", "short answers of sorting"},
	{"SEARCH=*", "a better search"},
	{"WITHIN", "searches by age"},
	{"CONTEXT=*", "searches that stay up to date"},
	{"COMPRESS=DEFLATE", "compression"},
	{"ACL", "shared mailboxes with rights"},
	{"RIGHTS=*", "rights of shared mailboxes"},
	{"METADATA", "notes about mailboxes"},
	{"METADATA-SERVER", "notes about the server"},
	{"UTF8=*", "UTF-8 without disguise"},
	{"OBJECTID", "names that never change"},
	{"PREVIEW", "first words of messages"},
	{"PREVIEW=*", "first words of messages"},
	{"SAVEDATE", "when a message was filed"},
	{"STATUS=SIZE", "sizes of mailboxes"},
	{"LIST-EXTENDED", "a richer list of mailboxes"},
	{"LIST-STATUS", "list and counts in one step"},
	{"LIST-MYRIGHTS", "list and rights in one step"},
	{"LITERAL+", "data without asking first"},
	{"LITERAL-", "small data without asking first"},
	{"MULTIAPPEND", "files several messages at once"},
	{"APPENDLIMIT*", "largest message it files"},
	{"BINARY", "decodes parts for the client"},
	{"CATENATE", "builds messages on the server"},
	{"REPLACE", "replaces a draft in one step"},
	{"URLAUTH*", "links to parts of messages"},
	{"I18NLEVEL=*", "compares text of other languages"},
	{"SNIPPET=*", "first words of messages"},
	{"X*", "something of its own"},
	{NULL, NULL},
};

static const struct word pop3_words[] = {
	{"TOP", "the header alone"},
	{"UIDL", "names of messages that stay"},
	{"USER", "user name and password, readable"},
	{"STLS", "encryption on request"},
	{"RESP-CODES", "says why a login failed"},
	{"AUTH-RESP-CODE", "says whose fault a failed login was"},
	{"PIPELINING", "commands may come without waiting for each reply"},
	{"UTF8", "UTF-8 without disguise"},
	{"LANG", "messages in a chosen language"},
	{"X*", "something of its own"},
	{NULL, NULL},
};

const char *probe_words_size(struct arena *a, uint64_t octets)
{
	if (octets < 1024 * 1024)
		return arena_printf(a, "%.3g KiB", (double)octets / 1024);
	return arena_printf(a, "%.4g MiB", (double)octets / (1024 * 1024));
}

/* Capabilities whose words depend on what stands behind them. */
static const char *with_value(
	struct arena *a, enum probe_family family, struct span name, struct span value)
{
	uint64_t n;

	if (span_eq_nocase(name, SPAN("SIZE")) && family == PROBE_FAMILY_SMTP) {
		if (!span_u64(value, &n) || n == 0)
			return "no limit is told";
		return arena_printf(a, "messages of up to %s", probe_words_size(a, n));
	}
	if (span_eq_nocase(name, SPAN("AUTH")) && family == PROBE_FAMILY_SMTP)
		return "ways to log in";
	if (span_eq_nocase(name, SPAN("SASL")))
		return "ways to log in";
	if (span_eq_nocase(name, SPAN("LOGIN-DELAY")))
		return arena_printf(a, "seconds between logins: " SPAN_FMT, SPAN_ARG(value));
	if (span_eq_nocase(name, SPAN("EXPIRE")))
		return span_eq_nocase(value, SPAN("NEVER"))
			? "keeps messages for ever"
			: arena_printf(a, "keeps messages for days: " SPAN_FMT, SPAN_ARG(value));
	if (span_eq_nocase(name, SPAN("IMPLEMENTATION")))
		return arena_printf(a, "the program is " SPAN_FMT, SPAN_ARG(value));
	return NULL;
}

const char *probe_words_cap(struct arena *a, enum probe_family family, const char *line)
{
	static const struct word *const tables[PROBE_FAMILY_COUNT] = {
		smtp_words, imap_words, pop3_words};
	struct span rest = span_str(line), name = span_word(&rest);
	const char *text = with_value(a, family, name, span_trim(rest));

	for (const struct word *w = tables[family]; !text && w->name; w++) {
		struct span n = span_str(w->name);

		if (n.ptr[n.len - 1] == '*' && n.len > 1
				? span_starts_nocase(name, span_sub(n, 0, n.len - 1))
				: span_eq_nocase(name, n))
			text = w->text;
	}
	return text;
}

const char *probe_words_auth(const char *mechanism, bool *is_readable_r)
{
	static const struct {
		const char *name, *text;
		bool is_readable;
	} words[] = {
		{"SCRAM-*-PLUS", "the password stays at home, bound to this TLS connection", false},
		{"SCRAM-*", "the password stays at home", false},
		{"PLAIN", "the password itself: safe only under TLS", true},
		{"LOGIN", "the password itself: safe only under TLS", true},
		{"USER", "the password itself: safe only under TLS", true},
		{"XOAUTH2", "a token itself: safe only under TLS", true},
		{"OAUTHBEARER", "a token itself: safe only under TLS", true},
		{"CRAM-MD5", "old and weak: the server keeps the password", false},
		{"DIGEST-MD5", "old and weak", false},
		{"APOP", "old and broken (MD5)", false},
		{"NTLM", "old and weak", false},
		{"EXTERNAL", "by client certificate", false},
		{"GSSAPI", "Kerberos", false},
		{"GS2-*", "Kerberos, bound to this TLS connection", false},
		{"ANONYMOUS", "anybody", false},
	};
	struct span m = span_str(mechanism);

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		struct span head, tail;

		if (!span_cut(span_str(words[i].name), '*', &head, &tail)
				? span_eq(m, head)
				: span_starts(m, head) && span_ends_nocase(m, tail)) {
			*is_readable_r = words[i].is_readable;
			return words[i].text;
		}
	}
	*is_readable_r = false;
	return "not known here";
}
