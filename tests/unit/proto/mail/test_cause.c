/* Causes: what the servers of the field say, and our own reasons, lead to the sentence that fits. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "base/utf8.h"
#include "proto/mail/mail_cause_priv.h"

struct reply {
	unsigned code;
	const char *enhanced, *text, *name;
};

static void finds(const struct reply *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct reply *r = &cases[i];
		const struct mail_cause *c = mail_cause_find(
			r->code, span_str(r->enhanced), span_str(r->text));

		if (strcmp(c->name, r->name) != 0)
			fail_msg("%u %s %s: %s, not %s", r->code, r->enhanced, r->text, c->name,
				r->name);
	}
}

/* clang-format off */
static void what_large_providers_say(void **state)
{
	static const struct reply cases[] = {
		{550, "5.7.26", "This mail has been blocked because the sender is unauthenticated. Gmail requires all "
			"senders to authenticate with either SPF or DKIM.", "unauthenticated"},
		{550, "5.7.26", "Unauthenticated email from example.com is not accepted due to domain's DMARC policy. "
			"Please contact the administrator", "dmarc"},
		{550, "5.7.1", "[192.0.2.1 19] Gmail has detected that this message is likely suspicious due to the very "
			"low reputation of the sending IP address.", "reputation-gmail"},
		{421, "4.7.28", "Gmail has detected an unusual rate of unsolicited mail originating from your IP address",
			"reputation-gmail"},
		{550, "5.7.1", "[2001:db8::1] Our system has detected that this message does not meet IPv6 sending "
			"guidelines regarding PTR records and authentication.", "no-ptr-ipv6"},
		{550, "5.7.25", "The IP address sending this message does not have a PTR record setup", "no-ptr"},
		{452, "4.2.2", "The recipient's inbox is out of storage space and inactive.", "mailbox-full"},
		{552, "5.2.2", "The email account that you tried to reach is over quota.", "mailbox-full"},
		{550, "5.1.1", "The email account that you tried to reach does not exist. Please try double-checking the "
			"recipient's email address for typos", "no-such-user"},
		{550, "5.2.1", "The email account that you tried to reach is disabled.", "mailbox-disabled"},
		{450, "4.2.1", "The user you are trying to contact is receiving mail at a rate that prevents additional "
			"messages from being delivered.", "recipient-rate"},
		{552, "5.7.0", "This message was blocked because its content presents a potential security issue.",
			"attachment"},
		{552, "5.3.4", "Your message exceeded Google's message size limits.", "too-large"},
		{421, "4.7.29", "Your email has been rate limited because this message was not sent over a TLS connection",
			"tls-wanted"},
		{550, "5.7.606", "Access denied, banned sending IP [192.0.2.1]. To request removal from this list please "
			"visit https://sender.office.com/", "banned-by-microsoft"},
		{550, "5.7.649", "Access denied, banned sending IP", "banned-by-microsoft"},
		{550, "5.7.1", "Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet "
			"service provider since part of their network is on our block list (S3140).", "banned-by-microsoft"},
		{451, "4.7.650", "The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation.",
			"throttled-microsoft"},
		{451, "4.7.500", "Server busy. Please try again later from [192.0.2.1].", "throttled-microsoft"},
		{550, "5.7.515", "Access denied, sending domain example.com does not meet the required authentication level.",
			"unauthenticated"},
		{550, "5.7.509", "Access denied, sending domain example.com does not pass DMARC verification", "dmarc"},
		{550, "5.7.511", "Access denied, banned sender[192.0.2.1]", "sender-banned"},
		{550, "5.4.1", "Recipient address rejected: Access denied. [x.prod.protection.outlook.com]", "no-such-user"},
		{550, "5.1.10", "RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup", "no-such-user"},
		{550, "5.7.133", "RESOLVER.RST.SenderNotAuthenticatedForGroup", "group-closed"},
		{554, "5.2.2", "mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException", "mailbox-full"},
		{421, "4.7.0", "[TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user "
			"complaints - 4.16.55.1; see https://postmaster.yahooinc.com/error-codes", "throttled-yahoo"},
		{554, "5.7.9", "Message not accepted for policy reasons.", "policy"},
		{552, "", "1 Requested mail action aborted, mailbox not found", "no-such-user"},
		{554, "", "delivery error: dd This user doesn't have a yahoo.com account (x@yahoo.com) [0]", "no-such-user"},
		{550, "", "Ip frequency limited [8d1]", "throttled"},
		{550, "", "Mail content denied. http://service.mail.qq.com/cgi-bin/help?id=20022", "spam"},
		{550, "", "Mailbox unavailable or access denied [id]", "no-such-user"},
		{554, "", "DT:SPM 163 smtp10,sVmowAB3", "spam"},
		{550, "", "MI:SPF 163 mx9", "spf"},
		{421, "", "HL:REP 163 mx7", "throttled"},
	};

	(void)state;
	finds(cases, ARRAY_LEN(cases));
}

static void what_common_programs_say(void **state)
{
	static const struct reply cases[] = {
		{550, "5.1.1", "<x@example.org>: Recipient address rejected: User unknown in virtual mailbox table",
			"no-such-user"},
		{554, "5.7.1", "<x@example.org>: Relay access denied", "relay-denied"},
		{550, "5.7.1", "Relaying denied", "relay-denied"},
		{450, "4.2.0", "<x@example.org>: Recipient address rejected: Greylisted, see http://postgrey.example/", "greylisted"},
		{554, "5.7.1", "Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", "blocklist"},
		{550, "", "rejected, see https://www.spamhaus.org/query/ip/192.0.2.1", "blocklist"},
		{450, "4.7.25", "Client host rejected: cannot find your hostname, [192.0.2.1]", "no-ptr"},
		{450, "4.1.8", "<a@b.example>: Sender address rejected: Domain not found", "sender-not-verified"},
		{530, "5.7.0", "Must issue a STARTTLS command first", "tls-wanted"},
		{554, "5.6.0", "virus found: Eicar", "virus"},
		{452, "4.5.3", "Error: too many recipients", "too-many-recipients"},
		{550, "", "Unrouteable address", "refused"},
		{552, "5.3.4", "Message size exceeds fixed limit", "too-large"},
		{550, "5.7.23", "SPF validation failed", "spf"},
		{550, "5.7.30", "REQUIRETLS support required", "requiretls"},
		{550, "5.7.27", "sender address has null MX", "bad-sender-address"},
		{550, "5.6.7", "SMTPUTF8 is needed", "utf8-address"},
		{556, "5.1.10", "Recipient address has null MX", "takes-no-mail"},
		{550, "5.1.1", "", "no-such-user"},
		{452, "4.2.2", "", "mailbox-full"},
		{550, "5.2.99", "", "mailbox"},
		{550, "5.0.0", "no", "refused"},
		{451, "4.0.0", "no", "temporary"},
		{451, "", "no", "temporary"},
		{421, "", "closing", "busy"},
		{552, "", "", "mailbox-full"},
		{250, "2.1.5", "user unknown", "done"},
	};

	(void)state;
	finds(cases, ARRAY_LEN(cases));
}

static void what_was_found_out_here(void **state)
{
	static const struct reply cases[] = {
		{0, "", "", "not-tried"},
		{0, "", "reading the message: input/output error", "own-trouble"},
		{0, "5.1.10", "null.example takes no mail (null MX)", "takes-no-mail"},
		{0, "5.1.2", "there is no domain nowhere.example", "no-such-domain"},
		{0, "5.4.4", "spam3.oit.gatech.edu has no address", "no-route"},
		{0, "5.4.6", "mail for dane.example comes back to this host", "loop"},
		{0, "4.4.3", "looking up dkim.example: no answer", "dns"},
		{0, "4.4.1", "connecting to mx.example [192.0.2.7]:25: Connection timed out", "no-answer"},
		{0, "4.4.1", "connecting to mx.example [192.0.2.7]:25: Connection refused", "not-listening"},
		{0, "4.4.2", "greeting: the connection was closed", "connection-broken"},
		{0, "4.7.5", "the certificate of mx.example does not fit", "tls-policy"},
		{0, "4.4.7", "delivery time expired; last reason: connecting: Connection timed out", "no-answer"},
		{451, "4.4.7", "delivery time expired; last reason: Greylisted", "greylisted"},
		{451, "4.4.7", "delivery time expired; last reason: come back later", "expired"},
	};

	(void)state;
	finds(cases, ARRAY_LEN(cases));
	assert_true(mail_cause_is_expired(SPAN("4.4.7")));
	assert_false(mail_cause_is_expired(SPAN("4.4.1")));
}

/* Names of hosts and addresses are no words, whatever stands in them. */
static void names_say_nothing(void **state)
{
	static const struct reply cases[] = {
		{550, "5.7.1", "<virus@spam.example>: not today", "not-allowed"},
		{550, "5.7.1", "ask postmaster@greylist.example", "not-allowed"},
		{550, "", "see http://dmarc.example/why", "refused"},
		{550, "", "antispam", "refused"},
		{550, "", "is spam.", "spam"},
		{550, "5.7.1", "line one\nsender is\nunauthenticated", "unauthenticated"},
	};

	(void)state;
	finds(cases, ARRAY_LEN(cases));
}
/* clang-format on */

static void hostile_text_is_only_read(void **state)
{
	static char text[1 << 16];
	const struct mail_cause *c;

	(void)state;
	memset(text, 'r', sizeof(text)); /* "rbl", "rate limit", "relay denied": never whole */
	c = mail_cause_find(550, SPAN("5.1.1"), span_of(text, sizeof(text)));
	assert_string_equal(c->name, "no-such-user");
	memset(text, '\0', sizeof(text));
	c = mail_cause_find(550, SPAN(""), span_of(text, sizeof(text)));
	assert_string_equal(c->name, "refused");
	memcpy(text + sizeof(text) - 4, "spam", 4); /* behind what is looked at */
	c = mail_cause_find(550, SPAN("9.9.9"), span_of(text, sizeof(text)));
	assert_string_equal(c->name, "refused");
	c = mail_cause_find(0, SPAN("5.99999999999999999999.1"), SPAN_NONE);
	assert_string_equal(c->name, "refused");
	c = mail_cause_find(999, SPAN("..."), SPAN("\xff\xfe"));
	assert_string_equal(c->name, "refused");
}

/* Whole sentences in both languages, English in ASCII, Chinese in UTF-8, every name once. */
static void every_cause_speaks_both_languages(void **state)
{
	(void)state;
	for (unsigned i = 0; i < MAIL_CAUSE_COUNT; i++) {
		const struct mail_cause *c = mail_cause_get((enum mail_cause_id)i);
		const char *const *all[] = {c->text, c->remedy, c->admin};

		assert_non_null(c->name);
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(
				c->name, mail_cause_get((enum mail_cause_id)k)->name);
		for (unsigned k = 0; k < ARRAY_LEN(all); k++) {
			struct span en = span_str(all[k][MAIL_LANG_EN]);
			struct span zh = span_str(all[k][MAIL_LANG_ZH]);

			assert_int_equal(en.len > 0, zh.len > 0);
			assert_true(en.len > 0 || all[k] == c->admin);
			assert_true(span_is_ascii(en) && utf8_is_valid(zh));
			assert_true(zh.len == 0 || !span_is_ascii(zh));
		}
		assert_true(span_ends_nocase(span_str(c->text[MAIL_LANG_EN]), SPAN(".")));
		assert_true(span_ends_nocase(span_str(c->text[MAIL_LANG_ZH]), SPAN("。")));
	}
	for (unsigned cls = 2; cls <= 5; cls++)
		for (unsigned subject = 0; subject < 12; subject++)
			for (unsigned detail = 0; detail < 40; detail++) {
				char code[16];
				struct span s = span_of(code,
					(size_t)snprintf(code, sizeof(code), "%u.%u.%u", cls,
						subject, detail));

				assert_non_null(mail_cause_find(cls * 100, s, SPAN_NONE));
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_large_providers_say),
		cmocka_unit_test(what_common_programs_say),
		cmocka_unit_test(what_was_found_out_here),
		cmocka_unit_test(names_say_nothing),
		cmocka_unit_test(hostile_text_is_only_read),
		cmocka_unit_test(every_cause_speaks_both_languages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
