#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/smtp_play.h"

#define HELLO "EHLO c\r\n"
#define GREETED                                                                                    \
	"220 mx.test ESMTP Yizhan\r\n250-mx.test\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n"       \
	"250-8BITMIME\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n"            \
	"250-ENHANCEDSTATUSCODES\r\n250-LIMITS MAILMAX=1000 RCPTMAX=1000\r\n250-VRFY\r\n"          \
	"250 HELP\r\n"
#define EXTENDED(lines)                                                                            \
	"220 mx.test ESMTP Yizhan\r\n250-mx.test\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n"       \
	"250-8BITMIME\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n"            \
	"250-ENHANCEDSTATUSCODES\r\n250-LIMITS MAILMAX=1000 RCPTMAX=1000\r\n" lines                \
	"250-VRFY\r\n250 HELP\r\n"
#define ENVELOPE   "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"
#define ENVELOPED  "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n"
#define GO_ON      "354 End data with <CR><LF>.<CR><LF>\r\n"
#define QUIT       "QUIT\r\n"
#define BYE        "221 2.0.0 Bye\r\n"
#define OK         "250 2.0.0 Ok\r\n"
#define BARE_LF_NO "550 5.6.11 Bare LF in the message, lines must end with CR LF\r\n"

struct server_case {
	const char *name;
	struct span in;
	const char *out;
	const char *body; /* NULL: not looked at */
	unsigned accepted;
	void (*tune)(struct smtp_server_opts *o);
	unsigned extensions;
};

static void lmtp(struct smtp_server_opts *o)
{
	o->is_lmtp = true;
}

static void normalise(struct smtp_server_opts *o)
{
	o->newlines = SMTP_NEWLINES_NORMALISE;
}

static void small(struct smtp_server_opts *o)
{
	o->limits.message_octets = 20;
	o->limits.recipients = 2;
	o->limits.transactions = 2;
	o->limits.text_line = 12;
	o->limits.bdat_commands = 3;
	o->limits.junk_commands = 3;
}

static void bare_features(struct smtp_server_opts *o)
{
	o->features_off = ~0u;
}

static void three_minutes(struct smtp_server_opts *o)
{
	o->limits.by_min_seconds = 180;
	o->limits.hold_max_ns = CLOCK_DAY;
}

static void three_errors(struct smtp_server_opts *o)
{
	o->limits.errors_hard = 3;
}

static bool draining = true;

static void drain(struct smtp_server_opts *o)
{
	o->is_draining = &draining;
}

static const struct server_case cases[] = {
	{"a message", SPAN(HELLO ENVELOPE "DATA\r\nS: x\r\n\r\nhi\r\n..dot\r\n.\r\n" QUIT),
		GREETED ENVELOPED GO_ON OK BYE, "S: x\r\n\r\nhi\r\n.dot\r\n", 1},
	{"HELO needs no extensions", SPAN("HELO c\r\n" ENVELOPE "DATA\r\n.\r\n" QUIT),
		"220 mx.test ESMTP Yizhan\r\n250 mx.test\r\n" ENVELOPED GO_ON OK BYE, "", 1},
	{"two messages",
		SPAN(HELLO ENVELOPE "DATA\r\n1\r\n.\r\n" ENVELOPE "DATA\r\n2\r\n.\r\n" QUIT),
		GREETED ENVELOPED GO_ON OK ENVELOPED GO_ON OK BYE, "1\r\n2\r\n", 2},
	{"nothing before HELO", SPAN(ENVELOPE "DATA\r\nSTARTTLS\r\n" QUIT),
		"220 mx.test ESMTP Yizhan\r\n503 5.5.1 Say EHLO or HELO first\r\n"
		"503 5.5.1 Say EHLO or HELO first\r\n503 5.5.1 Need MAIL first\r\n"
		"503 5.5.1 Say EHLO or HELO first\r\n" BYE,
		"", 0},
	{"order of the envelope",
		SPAN(HELLO "RCPT TO:<c@d>\r\nDATA\r\nMAIL FROM:<a@b>\r\nMAIL FROM:<a@b>\r\nDATA\r\n"
			   "RCPT TO:<c@d>\r\n" QUIT),
		GREETED "503 5.5.1 Need MAIL first\r\n503 5.5.1 Need MAIL first\r\n250 2.1.0 Ok\r\n"
			"503 5.5.1 Sender already given\r\n503 5.5.1 Need RCPT first\r\n"
			"503 5.5.1 Need MAIL first\r\n" BYE,
		"", 0},
	{"refused sender and recipients",
		SPAN(HELLO "MAIL FROM:<refuse@b>\r\nRCPT TO:<c@d>\r\nMAIL FROM:<a@b>\r\n"
			   "RCPT TO:<refuse@d>\r\nRCPT TO:<later@d>\r\nDATA\r\n" QUIT),
		GREETED
		"550 5.7.1 decided\r\n503 5.5.1 Need MAIL first\r\n250 2.1.0 Ok\r\n"
		"550 5.7.1 decided\r\n451 4.7.1 decided\r\n554 5.5.1 No valid recipients\r\n" BYE,
		"", 0},
	{"one of three is refused",
		SPAN(HELLO ENVELOPE
			"RCPT TO:<refuse@d>\r\nRCPT TO:<e@f>\r\nDATA\r\nx\r\n.\r\n" QUIT),
		GREETED ENVELOPED "550 5.7.1 decided\r\n250 2.1.5 Ok\r\n" GO_ON OK BYE, "x\r\n", 1},
	{"a decider may hang up", SPAN(HELLO "MAIL FROM:<close@b>\r\n" ENVELOPE),
		GREETED "421 4.7.1 decided\r\n", "", 0},
	{"no room before the data",
		SPAN(HELLO "MAIL FROM:<nobody@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n" QUIT),
		GREETED ENVELOPED "452 4.3.1 no room\r\n" BYE, "", 0},
	{"a body that is refused is read to its end",
		SPAN(HELLO ENVELOPE
			"DATA\r\nvirus\r\nMAIL FROM:<x@y>\r\n.\r\nRCPT TO:<c@d>\r\n" QUIT),
		GREETED ENVELOPED GO_ON "554 5.7.0 not that\r\n503 5.5.1 Need MAIL first\r\n" BYE,
		NULL, 0},
	{"RSET and EHLO forget the envelope",
		SPAN(HELLO ENVELOPE "RSET\r\nDATA\r\n" ENVELOPE "HELO c\r\nDATA\r\n" QUIT),
		GREETED ENVELOPED OK "503 5.5.1 Need MAIL first\r\n" ENVELOPED
				     "250 mx.test\r\n503 5.5.1 Need MAIL first\r\n" BYE,
		"", 0},
	{"small talk",
		SPAN(HELLO
			"NOOP x\r\nVRFY bob\r\nHELP\r\nEXPN l\r\nETRN x\r\nXYZZY\r\nAUTH PLAIN\r\n" QUIT),
		GREETED OK "252 2.5.0 Send some mail, I'll try my best\r\n"
			   "214-2.0.0 HELO EHLO MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY HELP\r\n"
			   "214 2.0.0 See RFC 5321\r\n502 5.5.1 EXPN is not offered\r\n"
			   "502 5.5.1 ETRN is not offered\r\n500 5.5.2 Command not recognized\r\n"
			   "502 5.5.1 AUTH is not offered\r\n" BYE,
		"", 0},
	{"bare LF in the data", SPAN(HELLO ENVELOPE "DATA\r\na\nb\r\n.\r\n" QUIT),
		GREETED ENVELOPED GO_ON BARE_LF_NO BYE, NULL, 0},
	{"bare CR in the data", SPAN(HELLO ENVELOPE "DATA\r\na\rb\r\n.\r\n" QUIT),
		GREETED ENVELOPED GO_ON
		"550 5.6.11 Bare CR in the message, lines must end with CR LF\r\n" BYE,
		NULL, 0},
	{"NUL in the data", SPAN(HELLO ENVELOPE "DATA\r\na\0b\r\n.\r\n" QUIT),
		GREETED ENVELOPED GO_ON "550 5.6.0 NUL in the message\r\n" BYE, NULL, 0},
	{"bare LF normalised", SPAN(HELLO ENVELOPE "DATA\r\na\nb\rc\r\n.\r\n" QUIT),
		GREETED ENVELOPED GO_ON OK BYE, "a\r\nb\r\nc\r\n", 1, normalise},
	{"a smuggled message stays content",
		SPAN(HELLO ENVELOPE "DATA\r\na\n.\r\nMAIL FROM:<evil@x>\r\n.\r\n" QUIT),
		GREETED ENVELOPED GO_ON BARE_LF_NO BYE, NULL, 0},
	{"and when normalised too",
		SPAN(HELLO ENVELOPE "DATA\r\na\n.\r\nMAIL FROM:<evil@x>\r\n.\r\n" QUIT),
		GREETED ENVELOPED GO_ON OK BYE, "a\r\n.\r\nMAIL FROM:<evil@x>\r\n", 1, normalise},
	{"commands end with CRLF", SPAN("EHLO c\nNOOP\r\n" QUIT),
		"220 mx.test ESMTP Yizhan\r\n500 5.5.2 Lines must end with CR LF\r\n" OK BYE, "",
		0},
	{"or with LF when normalising", SPAN("HELO c\n" QUIT),
		"220 mx.test ESMTP Yizhan\r\n250 mx.test\r\n" BYE, "", 0, normalise},
	{"NUL and bare CR in commands", SPAN(HELLO "NOOP\0\r\nNOOP \r x\r\n" QUIT),
		GREETED "500 5.5.2 Control characters in a command\r\n"
			"500 5.5.2 Control characters in a command\r\n" BYE,
		"", 0},
	{"a web browser", SPAN("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"220 mx.test ESMTP Yizhan\r\n421 4.7.0 mx.test This is no web server\r\n", "", 0},
	{"a browser's POST", SPAN("POST / HTTP/1.1\r\n\r\nEHLO c\r\n"),
		"220 mx.test ESMTP Yizhan\r\n421 4.7.0 mx.test This is no web server\r\n", "", 0},
	{"errors have an end", SPAN("A\r\nB\r\nC\r\nNOOP\r\n"),
		"220 mx.test ESMTP Yizhan\r\n500 5.5.2 Command not recognized\r\n"
		"500 5.5.2 Command not recognized\r\n500 5.5.2 Command not recognized\r\n"
		"421 4.7.0 mx.test Too many errors\r\n",
		"", 0, three_errors},
	{"draining", SPAN(HELLO), "421 4.3.2 mx.test Going down, come again\r\n", "", 0, drain},

	{"size told too large",
		SPAN("HELO c\r\nMAIL FROM:<a@b> SIZE=21\r\nMAIL FROM:<a@b> SIZE=20\r\n" QUIT),
		"220 mx.test ESMTP Yizhan\r\n250 mx.test\r\n552 5.3.4 Message size exceeds 20 octets\r\n"
		"250 2.1.0 Ok\r\n" BYE,
		"", 0, small},
	{"size found too large",
		SPAN("HELO c\r\n" ENVELOPE "DATA\r\n123456789\r\n123456789\r\n.\r\n" QUIT),
		"220 mx.test ESMTP Yizhan\r\n250 mx.test\r\n" ENVELOPED GO_ON
		"552 5.3.4 Message size exceeds 20 octets\r\n" BYE,
		NULL, 0, small},
	{"too many recipients",
		SPAN("HELO c\r\n" ENVELOPE "RCPT TO:<e@f>\r\nRCPT TO:<g@h>\r\n" QUIT),
		"220 mx.test ESMTP Yizhan\r\n250 mx.test\r\n" ENVELOPED
		"250 2.1.5 Ok\r\n452 4.5.3 Too many recipients, 2 at a time\r\n" BYE,
		"", 0, small},
	{"too many transactions",
		SPAN("HELO c\r\nMAIL FROM:<>\r\nRSET\r\nMAIL FROM:<>\r\nRSET\r\nMAIL FROM:<>\r\n"),
		"220 mx.test ESMTP Yizhan\r\n250 mx.test\r\n250 2.1.0 Ok\r\n" OK
		"250 2.1.0 Ok\r\n" OK "421 4.7.0 mx.test Too many messages in one session\r\n",
		"", 0, small},
	{"too much talk", SPAN("HELO c\r\nNOOP\r\nRSET\r\nNOOP\r\nNOOP\r\n"),
		"220 mx.test ESMTP Yizhan\r\n250 mx.test\r\n" OK OK
		"421 4.7.0 mx.test Too many commands without a message\r\n",
		"", 0, small},
	{"a line too long", SPAN("HELO c\r\n" ENVELOPE "DATA\r\n12345678901\r\n.\r\n" QUIT),
		"220 mx.test ESMTP Yizhan\r\n250 mx.test\r\n" ENVELOPED GO_ON
		"550 5.6.0 A line is longer than 12 octets\r\n" BYE,
		NULL, 0, small},
	{"features that are off are not told",
		SPAN(HELLO "MAIL FROM:<a@b> SIZE=1\r\nBDAT 3\r\nabc" QUIT),
		"220 mx.test ESMTP Yizhan\r\n250 mx.test\r\n"
		"555 Parameter SIZE is not known here\r\n502 BDAT is not offered\r\n221 Bye\r\n",
		"", 0, bare_features},

	{"chunks", SPAN(HELLO ENVELOPE "BDAT 6\r\nS: x\r\nBDAT 5 LAST\r\n\r\n.\r\n" QUIT),
		GREETED ENVELOPED "250 2.0.0 6 octets received\r\n" OK BYE, "S: x\r\n\r\n.\r\n", 1},
	{"an empty last chunk", SPAN(HELLO ENVELOPE "BDAT 3\r\na\r\nBDAT 0 LAST\r\n" QUIT),
		GREETED ENVELOPED "250 2.0.0 3 octets received\r\n" OK BYE, "a\r\n", 1},
	{"no chunk but the last", SPAN(HELLO ENVELOPE "BDAT 0 LAST\r\n" QUIT),
		GREETED ENVELOPED OK BYE, "", 1},
	{"a line end cut in two",
		SPAN(HELLO ENVELOPE "BDAT 2\r\na\rBDAT 1\r\n\nBDAT 0 LAST\r\n" QUIT),
		GREETED ENVELOPED
		"250 2.0.0 2 octets received\r\n250 2.0.0 1 octets received\r\n" OK BYE,
		"a\r\n", 1},
	{"a last line without end", SPAN(HELLO ENVELOPE "BDAT 1 LAST\r\na" QUIT),
		GREETED ENVELOPED OK BYE, "a\r\n", 1},
	{"bare LF in a chunk", SPAN(HELLO ENVELOPE "BDAT 2\r\n\nbBDAT 3 LAST\r\nc\r\n" QUIT),
		GREETED ENVELOPED BARE_LF_NO "503 5.5.1 Need MAIL first\r\n" BYE, NULL, 0},
	{"binary is content",
		SPAN(HELLO
			"MAIL FROM:<a@b> BODY=BINARYMIME\r\nRCPT TO:<c@d>\r\nBDAT 4 LAST\r\n\n\0\r." QUIT),
		GREETED ENVELOPED OK BYE, NULL, 1},
	{"binary is not for DATA",
		SPAN(HELLO
			"MAIL FROM:<a@b> BODY=BINARYMIME\r\nRCPT TO:<c@d>\r\nDATA\r\nRCPT TO:<c@d>\r\n" QUIT),
		GREETED ENVELOPED
		"503 5.5.1 BODY=BINARYMIME needs BDAT\r\n503 5.5.1 Need MAIL first\r\n" BYE,
		"", 0},
	{"DATA after BDAT", SPAN(HELLO ENVELOPE "BDAT 1\r\naDATA\r\nBDAT 1 LAST\r\nb" QUIT),
		GREETED ENVELOPED "250 2.0.0 1 octets received\r\n503 5.5.1 DATA after BDAT\r\n"
				  "503 5.5.1 Need MAIL first\r\n" BYE,
		NULL, 0},
	{"envelope between chunks",
		SPAN(HELLO ENVELOPE
			"BDAT 1\r\naRCPT TO:<e@f>\r\nMAIL FROM:<>\r\nBDAT 0 LAST\r\n" QUIT),
		GREETED ENVELOPED
		"250 2.0.0 1 octets received\r\n503 5.5.1 Bad sequence of commands\r\n"
		"503 5.5.1 Sender already given\r\n" OK BYE,
		"a\r\n", 1},
	{"RSET between chunks", SPAN(HELLO ENVELOPE "BDAT 1\r\naRSET\r\nBDAT 1 LAST\r\nb" QUIT),
		GREETED ENVELOPED "250 2.0.0 1 octets received\r\n" OK
				  "503 5.5.1 Need MAIL first\r\n" BYE,
		NULL, 0},
	{"octets of a chunk out of turn are dropped",
		SPAN(HELLO "BDAT 17 LAST\r\nMAIL FROM:<a@b>\r\nBDAT 6\r\nQUIT\r\n" QUIT),
		GREETED "503 5.5.1 Need MAIL first\r\n503 5.5.1 Need MAIL first\r\n" BYE, "", 0},
	{"and behind refused recipients",
		SPAN(HELLO "MAIL FROM:<a@b>\r\nRCPT TO:<refuse@d>\r\nBDAT 6 LAST\r\nRSET\r\n" QUIT),
		GREETED
		"250 2.1.0 Ok\r\n550 5.7.1 decided\r\n554 5.5.1 No valid recipients\r\n" BYE,
		"", 0},
	{"a chunk that is refused fails the rest",
		SPAN(HELLO ENVELOPE "BDAT 7\r\nvirus\r\nBDAT 6 LAST\r\nRSET\r\n" QUIT),
		GREETED ENVELOPED "554 5.7.0 not that\r\n503 5.5.1 Need MAIL first\r\n" BYE, NULL,
		0},
	{"no room before a chunk",
		SPAN(HELLO "MAIL FROM:<nobody@b>\r\nRCPT TO:<c@d>\r\nBDAT 6 LAST\r\nRSET\r\n" QUIT),
		GREETED ENVELOPED "452 4.3.1 no room\r\n" BYE, "", 0},
	{"a count that means nothing",
		SPAN(HELLO ENVELOPE "BDAT 99999999999999999999\r\nMAIL FROM:<x@y>\r\n"),
		GREETED ENVELOPED "501 5.5.4 Syntax: BDAT size [LAST]\r\n"
				  "421 4.5.2 mx.test Cannot tell how much would follow\r\n",
		"", 0},
	{"a count beyond reason",
		SPAN(HELLO ENVELOPE "BDAT 18446744073709551615\r\nMAIL FROM:<x@y>\r\n"),
		GREETED ENVELOPED "552 5.3.4 Message size exceeds 52428800 octets\r\n"
				  "421 4.3.4 mx.test That chunk is too much to be thrown away\r\n",
		"", 0},
	{"chunks too large together",
		SPAN("HELO c\r\n" ENVELOPE
		     "BDAT 12\r\n1234567890\r\nBDAT 12 LAST\r\n1234567890\r\n" QUIT),
		"220 mx.test ESMTP Yizhan\r\n250 mx.test\r\n" ENVELOPED
		"250 2.0.0 12 octets received\r\n"
		"552 5.3.4 Message size exceeds 20 octets\r\n" BYE,
		NULL, 0, small},
	{"too many chunks",
		SPAN("HELO c\r\n" ENVELOPE "BDAT 1\r\naBDAT 1\r\naBDAT 1\r\naBDAT 1\r\na" QUIT),
		"220 mx.test ESMTP Yizhan\r\n250 mx.test\r\n" ENVELOPED
		"250 2.0.0 1 octets received\r\n250 2.0.0 1 octets received\r\n"
		"250 2.0.0 1 octets received\r\n552 5.3.4 Too many chunks\r\n" BYE,
		NULL, 0, small},

	{"LMTP says LHLO", SPAN("EHLO c\r\nHELO c\r\nLHLO c\r\n" QUIT),
		"220 mx.test LMTP Yizhan\r\n500 5.5.1 This is LMTP, say LHLO\r\n"
		"500 5.5.1 This is LMTP, say LHLO\r\n250-mx.test\r\n250-PIPELINING\r\n"
		"250-SIZE 52428800\r\n250-8BITMIME\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250-SMTPUTF8\r\n"
		"250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n250-LIMITS MAILMAX=1000 RCPTMAX=1000\r\n"
		"250-VRFY\r\n250 HELP\r\n" BYE,
		"", 0, lmtp},
	{"SMTP does not", SPAN("LHLO c\r\n" QUIT),
		"220 mx.test ESMTP Yizhan\r\n500 5.5.1 This is SMTP, say EHLO\r\n" BYE, "", 0},
	{"extensions are offered where the deciders say so",
		SPAN("EHLO c\r\nMAIL FROM:<a@b> BY=5;R HOLDUNTIL=2026-11-23T06:30:00Z "
		     "MT-PRIORITY=-3\r\n" QUIT),
		EXTENDED(
			"250-DELIVERBY\r\n250-MT-PRIORITY\r\n"
			"250-FUTURERELEASE 5184000 2027-01-22T06:30:00Z\r\n") "250 2.1.0 Ok\r\n" BYE,
		"", 0, NULL, SMTP_SERVER_EXTENSIONS},
	{"REQUIRETLS is refused without TLS", SPAN("EHLO c\r\nMAIL FROM:<a@b> REQUIRETLS\r\n" QUIT),
		EXTENDED("") "555 5.5.4 Parameter REQUIRETLS is not known here\r\n" BYE, "", 0,
		NULL, SMTP_REQUIRETLS},
	{"what is not offered is not known",
		SPAN("EHLO c\r\nMAIL FROM:<a@b> BY=5;R\r\nMAIL FROM:<a@b> HOLDFOR=5\r\n" QUIT),
		EXTENDED(
			"250-MT-PRIORITY\r\n") "555 5.5.4 Parameter BY is not known here\r\n"
					       "555 5.5.4 Parameter HOLDFOR is not known here\r\n" BYE,
		"", 0, NULL, SMTP_MT_PRIORITY},
	{"times have limits",
		SPAN("EHLO c\r\nMAIL FROM:<a@b> BY=179;R\r\nMAIL FROM:<a@b> HOLDFOR=86401\r\n"
		     "MAIL FROM:<a@b> HOLDUNTIL=2026-11-24T06:30:01Z\r\n"
		     "MAIL FROM:<a@b> HOLDUNTIL=2026-11-23T06:29:59Z\r\n"
		     "MAIL FROM:<a@b> BY=1;N HOLDUNTIL=2026-11-24T07:30:00+01:00\r\nRSET\r\n"
		     "MAIL FROM:<a@b> BY=180;R HOLDFOR=86400\r\n" QUIT),
		EXTENDED(
			"250-DELIVERBY 180\r\n250-FUTURERELEASE 86400 2026-11-24T06:30:00Z\r\n") "555 5.5.4 No message is promised to be delivered within less than 180 seconds\r\n"
												 "501 5.5.4 A message is held for 86400 seconds at most\r\n"
												 "501 5.5.4 A message is held for 86400 seconds at most\r\n"
												 "501 5.5.4 HOLDUNTIL has passed\r\n250 2.1.0 Ok\r\n" OK
												 "250 2.1.0 Ok\r\n" BYE,
		"", 0, three_minutes, SMTP_DELIVERBY | SMTP_FUTURERELEASE},
	{"a priority may be lowered", SPAN("EHLO c\r\nMAIL FROM:<a@b> MT-PRIORITY=9\r\n" QUIT),
		EXTENDED("250-MT-PRIORITY\r\n") "250 2.3.6 5 is the highest priority here\r\n" BYE,
		"", 0, NULL, SMTP_MT_PRIORITY},
	{"LMTP answers for each recipient",
		SPAN("LHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<refuse@d>\r\nRCPT TO:<full@d>\r\n"
		     "RCPT TO:<e@f>\r\nDATA\r\nx\r\n.\r\n" QUIT),
		NULL, "x\r\n", 1, lmtp},
};

static void server_table(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct server_case *c = &cases[i];

		for (size_t step = 0; step < 4; step++) {
			struct play p;

			play_init(&p, c->in);
			p.step = step;
			p.extensions = c->extensions;
			if (c->tune)
				c->tune(&p.opts);
			play_run(&p);
			if (c->out && strcmp(buf_cstr(&p.out), c->out) != 0)
				fail_msg("%s (step %zu):\n%s", c->name, step, buf_cstr(&p.out));
			if (c->body && strcmp(buf_cstr(&p.body), c->body) != 0)
				fail_msg("%s: body %s", c->name, buf_cstr(&p.body));
			assert_int_equal(p.accepted, c->accepted);
			assert_int_equal(p.rc, 0);
			play_fini(&p);
		}
	}
}

static void has_tail(const struct play *p, const char *tail)
{
	struct span out = buf_span(&p->out), end = span_str(tail);

	if (out.len < end.len || !span_eq(span_skip(out, out.len - end.len), end))
		fail_msg("not at the end: %s\nof: " SPAN_FMT, tail, SPAN_ARG(out));
}

static void lmtp_replies_come_one_for_each_accepted_recipient(void **state)
{
	struct play p;

	play_init(&p, cases[ARRAY_LEN(cases) - 1].in);
	p.opts.is_lmtp = true;
	play_run(&p);
	has_tail(&p, GO_ON OK "452 4.2.2 mailbox full\r\n" OK BYE);
	play_fini(&p);
	play_init(&p,
		SPAN("LHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\n"
		     "BDAT 1\r\naBDAT 2 LAST\r\n\nx" QUIT));
	p.opts.is_lmtp = true;
	play_run(&p);
	has_tail(&p, "250 2.0.0 1 octets received\r\n" BARE_LF_NO BARE_LF_NO BYE);
	play_fini(&p);
}

static void errors_are_slowed_down_and_forgiven_after_a_message(void **state)
{
	struct play p;

	play_init(&p, SPAN(HELLO "A\r\nA\r\nA\r\nA\r\nA\r\nA\r\n" QUIT));
	play_run(&p);
	assert_in_range(p.took_ns, 2 * CLOCK_SEC, 2 * CLOCK_SEC + CLOCK_MS);
	play_fini(&p);
	play_init(&p,
		SPAN(HELLO "A\r\nA\r\nA\r\nA\r\n" ENVELOPE "DATA\r\n.\r\n"
			   "A\r\nA\r\nA\r\nA\r\n" QUIT));
	play_run(&p);
	assert_true(p.took_ns < CLOCK_MS);
	has_tail(&p, "500 5.5.2 Command not recognized\r\n" BYE);
	play_fini(&p);
}

static void silence_ends_the_session(void **state)
{
	static const struct {
		const char *name, *in;
		int64_t from_ns, to_ns;
	} t[] = {
		{"no command", "", 5 * CLOCK_MIN, 6 * CLOCK_MIN},
		{"half a command", HELLO "NO", 5 * CLOCK_MIN, 6 * CLOCK_MIN},
		{"no data", HELLO ENVELOPE "DATA\r\n", 30 * CLOCK_SEC, 31 * CLOCK_SEC},
		{"half a line of data", HELLO ENVELOPE "DATA\r\nxx", 30 * CLOCK_SEC,
			31 * CLOCK_SEC},
		{"half a chunk", HELLO ENVELOPE "BDAT 9\r\nxx", 30 * CLOCK_SEC, 31 * CLOCK_SEC},
		{"half a chunk out of turn", HELLO "BDAT 9\r\nxx", 30 * CLOCK_SEC, 31 * CLOCK_SEC},
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct play p;

		play_init(&p, span_str(t[i].in));
		p.stays = true;
		play_run(&p);
		has_tail(&p, "421 4.4.2 mx.test Timeout, closing connection\r\n");
		assert_int_equal(p.rc, -1);
		assert_int_equal(p.e.code, ERR_TIMEOUT);
		if (p.took_ns < t[i].from_ns || p.took_ns > t[i].to_ns)
			fail_msg("%s: %lld s", t[i].name, (long long)(p.took_ns / CLOCK_SEC));
		play_fini(&p);
	}
}

/* 500 octets a second keep a connection, less does not: 30 s are free. */
static void a_floor_under_the_speed_of_data(void **state)
{
	struct buf in;
	struct play p;

	buf_init(&in, 1 << 20);
	buf_str(&in, HELLO ENVELOPE "DATA\r\n");
	for (int i = 0; i < 2000; i++)
		buf_str(&in, "0123456789012345678901234567890123456789012345678\r\n");
	buf_str(&in, ".\r\n" QUIT);
	play_init(&p, buf_span(&in));
	p.step = 60;
	p.pause_ns = 100 * CLOCK_MS; /* 600 a second */
	play_run(&p);
	has_tail(&p, OK BYE);
	play_fini(&p);
	play_init(&p, buf_span(&in));
	p.step = 40;
	p.pause_ns = 100 * CLOCK_MS; /* 400 a second */
	play_run(&p);
	has_tail(&p, "421 4.4.2 mx.test Timeout, closing connection\r\n");
	assert_int_equal(p.accepted, 0);
	play_fini(&p);
	buf_fini(&in);
}

static void a_session_may_have_an_end(void **state)
{
	struct play p;

	play_init(&p, SPAN(HELLO));
	p.opts.limits.session_ns = CLOCK_MIN;
	p.stays = true;
	play_run(&p);
	assert_in_range(p.took_ns, CLOCK_MIN, CLOCK_MIN + CLOCK_SEC);
	play_fini(&p);
}

static void the_peer_may_vanish_anywhere(void **state)
{
	struct span all = SPAN(HELLO ENVELOPE "DATA\r\nx\r\n.\r\n" ENVELOPE "BDAT 3\r\nabcBDAT 2 "
					      "LAST\r\n\r\n" QUIT);

	for (size_t n = 0; n <= all.len; n++) {
		struct play p;

		play_init(&p, span_sub(all, 0, n));
		play_run(&p);
		assert_int_equal(p.rc, 0);
		play_fini(&p);
	}
}

static void a_line_too_long_is_skipped(void **state)
{
	struct buf in;
	struct play p;

	buf_init(&in, 4 << 20);
	buf_str(&in, HELLO);
	for (int i = 0; i < 300000; i++)
		buf_str(&in, "0123456789");
	buf_str(&in, "\r\nNOOP\r\n" QUIT);
	play_init(&p, buf_span(&in));
	play_run(&p);
	has_tail(&p, "500 5.5.2 Line too long\r\n" OK BYE);
	play_fini(&p);
	buf_fini(&in);
}

static void a_hundred_thousand_recipients(void **state)
{
	struct buf in;
	struct play p;
	size_t good = 0;
	struct span rest, line;

	buf_init(&in, 16 << 20);
	buf_str(&in, HELLO "MAIL FROM:<a@b>\r\n");
	for (int i = 0; i < 100000; i++)
		buf_printf(&in, "RCPT TO:<r%d@d>\r\n", i);
	play_init(&p, buf_span(&in));
	play_run(&p);
	for (rest = buf_span(&p.out); span_cut(rest, '\n', &line, &rest);)
		good += span_eq(line, SPAN("250 2.1.5 Ok\r"));
	assert_int_equal(good, 1000);
	/* a thousand more are told to come again, then patience ends */
	has_tail(&p,
		"452 4.5.3 Too many recipients, 1000 at a time\r\n"
		"421 4.7.0 mx.test Too many errors\r\n");
	play_fini(&p);
	buf_fini(&in);
}

static void a_million_chunks_of_one_octet(void **state)
{
	struct buf in;
	struct play p;

	buf_init(&in, 16 << 20);
	buf_str(&in, HELLO ENVELOPE);
	for (int i = 0; i < 999999; i++)
		buf_str(&in, "BDAT 1\r\na");
	buf_str(&in, "BDAT 1 LAST\r\na" QUIT);
	play_init(&p, buf_span(&in));
	play_run(&p);
	has_tail(&p, "250 2.0.0 1 octets received\r\n" OK BYE);
	assert_int_equal(buf_len(&p.body), 1000002);
	play_fini(&p);
	buf_fini(&in);
}

/* An idle connection keeps its name, its peer's name, and one small arena. */
static void a_session_keeps_little(void **state)
{
	struct buf in;
	struct play p;

	buf_init(&in, 1 << 20);
	for (int i = 0; i < 500; i++)
		buf_printf(&in, "EHLO client%d.example\r\n" ENVELOPE "DATA\r\nx\r\n.\r\n", i);
	play_init(&p, buf_span(&in));
	play_run(&p);
	assert_int_equal(p.accepted, 500);
	assert_true(p.session_bytes <= 256);
	play_fini(&p);
	buf_fini(&in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(server_table),
		cmocka_unit_test(lmtp_replies_come_one_for_each_accepted_recipient),
		cmocka_unit_test(errors_are_slowed_down_and_forgiven_after_a_message),
		cmocka_unit_test(silence_ends_the_session),
		cmocka_unit_test(a_floor_under_the_speed_of_data),
		cmocka_unit_test(a_session_may_have_an_end),
		cmocka_unit_test(the_peer_may_vanish_anywhere),
		cmocka_unit_test(a_line_too_long_is_skipped),
		cmocka_unit_test(a_hundred_thousand_recipients),
		cmocka_unit_test(a_session_keeps_little),
		cmocka_unit_test(a_million_chunks_of_one_octet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
