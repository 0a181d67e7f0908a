#include "lib/smtp_script.h"

/* Transactions: what is said, and what becomes of each recipient. */

static const enum smtp_fate ACC = SMTP_FATE_ACCEPTED, REF = SMTP_FATE_REFUSED,
			    UNK = SMTP_FATE_UNKNOWN, NON = SMTP_FATE_NONE;

enum { ALL = 1, NORSET = 2, ONCE = 4, UNSIZED = 8, AGAIN = 16, FAILS = 32, LMTP = 64, IDLE = 128 };

static const struct txn_case {
	const char *name, *text, *body;
	unsigned how;
	int result;
	enum smtp_fate fates[2];
	unsigned codes[2];
	bool is_over;
} txns[] = {
	{"behaviour 17: 421 to MAIL", SCRIPT_HELLO("") "C~ MAIL\nS: 421 4.3.2 closing\n", "x\r\n",
		0, -1, {REF, REF}, {421, 421}, true},
	{"behaviour 17: 421 to RCPT, the next is not tried",
		SCRIPT_HELLO("") "C~ MAIL\nS: 250 ok\nC~ RCPT\nS: 421 closing\n", "x\r\n", 0, -1,
		{REF, NON}, {421, 0}, true},
	{"behaviour 17: 421 to DATA",
		SCRIPT_HELLO(
			"") "C~ MAIL\nS: 250 ok\nC~ RCPT\nS: 250 ok\nC~ RCPT\nS: 250 ok\nC: DATA\n"
			    "S: 421 closing\n",
		"x\r\n", 0, 0, {REF, REF}, {421, 421}, true},
	{"behaviour 18: 251 and unknown 2yz are success",
		SCRIPT_HELLO(
			"") "C~ MAIL\nS: 299 ok\nC~ RCPT\nS: 251 ok\nC~ RCPT\nS: 222 ok\nC: DATA\n"
			    "S: 354 go\nC: x\nC: .\nS: 277 ok\n" SCRIPT_BYE,
		"x\r\n", 0, 0, {ACC, ACC}, {277, 277}, false},
	{"behaviour 19: a reply with no command outstanding", SCRIPT_HELLO("") "S: 250 ok\nW: 1\n",
		"x\r\n", IDLE, -1, {NON, NON}, {0, 0}, true},
	{"behaviour 50: some refused, DATA goes on",
		SCRIPT_HELLO(
			"") "C~ MAIL\nS: 250 ok\nC~ RCPT\nS: 550 5.1.1 no\nC~ RCPT\nS: 250 ok\nC: DATA\n"
			    "S: 354 go\nC: x\nC: .\nS: 250 ok\n" SCRIPT_BYE,
		"x\r\n", 0, 0, {REF, ACC}, {550, 250}, false},
	{"behaviour 51: all refused, no DATA, RSET",
		SCRIPT_HELLO(
			"") "C~ MAIL\nS: 250 ok\nC~ RCPT\nS: 550 no\nC~ RCPT\nS: 450 no\nC: RSET\n"
			    "S: 250 ok\n" SCRIPT_BYE,
		"x\r\n", 0, 0, {REF, REF}, {550, 450}, false},
	{"behaviour 52: all or nothing, the first refusal ends it",
		SCRIPT_HELLO(
			"") "C~ MAIL\nS: 250 ok\nC~ RCPT\nS: 550 no\nC: RSET\nS: 250 ok\n" SCRIPT_BYE,
		"x\r\n", ALL, 0, {REF, NON}, {550, 0}, false},
	{"behaviour 53: 452, the rest is not sent",
		SCRIPT_HELLO(
			"") "C~ MAIL\nS: 250 ok\nC~ RCPT\nS: 250 ok\nC~ RCPT\nS: 452 4.5.3 many\nC: DATA\n"
			    "S: 354 go\nC: x\nC: .\nS: 250 ok\n" SCRIPT_BYE,
		"x\r\n", 0, 0, {ACC, REF}, {250, 452}, false},
	{"behaviour 54: MAIL refused",
		SCRIPT_HELLO("") "C~ MAIL\nS: 553 no\nC: RSET\nS: 250 ok\n" SCRIPT_BYE, "x\r\n", 0,
		0, {REF, REF}, {553, 553}, false},
	{"behaviour 54: a connection lost at RSET is no failure",
		SCRIPT_HELLO("") "C~ MAIL\nS: 553 no\nC: RSET\nX\n", "x\r\n", 0, 0, {REF, REF},
		{553, 553}, true},
	{"behaviour 56: every reply of a group in its order",
		SCRIPT_PIPE
		"C~ MAIL\nC: RCPT TO:<b@d>\nC: RCPT TO:<c@d>\nC: DATA\nS: 250-ok\nS: 250 ok\n"
		"S: 550-no\nS: 550-no\nS: 550 no\nS: 250 ok\nS: 354 go\nC: x\nC: .\nS: 250 2.0.0 ok\n" SCRIPT_BYE,
		"x\r\n", 0, 0, {REF, ACC}, {550, 250}, false},
	{"behaviour 57: all refused, yet 354: a lone dot",
		SCRIPT_PIPE
		"C~ MAIL\nC~ RCPT\nC~ RCPT\nC: DATA\nS: 250 ok\nS: 550 no\nS: 551 no\nS: 354 go\n"
		"C: .\nS: 250 empty\nC: RSET\nS: 250 ok\n" SCRIPT_BYE,
		"x\r\n", 0, 0, {REF, REF}, {550, 551}, false},
	{"behaviour 57: MAIL refused, yet 354",
		SCRIPT_PIPE
		"C~ MAIL\nC~ RCPT\nC~ RCPT\nC: DATA\nS: 550 no\nS: 250 ok\nS: 250 ok\nS: 354 go\n"
		"C: .\nS: 250 empty\nC: RSET\nS: 250 ok\n" SCRIPT_BYE,
		"x\r\n", 0, 0, {REF, REF}, {550, 550}, false},
	{"behaviour 58: all or nothing holds DATA back",
		SCRIPT_PIPE
		"C~ MAIL\nC~ RCPT\nC~ RCPT\nS: 250 ok\nS: 250 ok\nS: 550 no\nC: RSET\nS: 250 ok\n" SCRIPT_BYE,
		"x\r\n", ALL, 0, {NON, REF}, {0, 550}, false},
	{"behaviour 58: all or nothing, all accepted",
		SCRIPT_PIPE
		"C~ MAIL\nC~ RCPT\nC~ RCPT\nS: 250 ok\nS: 250 ok\nS: 250 ok\nC: DATA\nS: 354 go\n"
		"C: x\nC: .\nS: 250 ok\n" SCRIPT_BYE,
		"x\r\n", ALL, 0, {ACC, ACC}, {250, 250}, false},
	{"behaviour 58: all or nothing with CHUNKING",
		SCRIPT_CHUNK
		"C~ MAIL\nC~ RCPT\nC~ RCPT\nS: 250 ok\nS: 250 ok\nS: 550 no\nC: RSET\nS: 250 ok\n" SCRIPT_BYE,
		"x\r\n", ALL, 0, {NON, REF}, {0, 550}, false},
	{"behaviour 60: dots",
		SCRIPT_PIPE
		"C~ MAIL\nC~ RCPT\nC~ RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n"
		"C: ..\nC: ...\nC: a.\nC: ..b\nC: .\nS: 250 ok\n" SCRIPT_BYE,
		".\r\n..\r\na.\r\n.b", 0, 0, {ACC, ACC}, {250, 250}, false},
	{"behaviour 62: an empty body is the dot alone",
		SCRIPT_PIPE
		"C~ MAIL\nC~ RCPT\nC~ RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n"
		"C: .\nS: 250 ok\n" SCRIPT_BYE,
		"", 0, 0, {ACC, ACC}, {250, 250}, false},
	{"behaviour 64: the source fails, no terminator",
		SCRIPT_PIPE
		"C~ MAIL\nC~ RCPT\nC~ RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\nX\n",
		"abcdef", FAILS, -1, {NON, NON}, {0, 0}, true},
	{"behaviour 64: the source fails before anything was said", SCRIPT_CHUNK SCRIPT_BYE,
		"abcdef", FAILS, -1, {NON, NON}, {0, 0}, false},
	{"behaviour 65: DATA refused, no body",
		SCRIPT_HELLO(
			"") "C~ MAIL\nS: 250 ok\nC~ RCPT\nS: 250 ok\nC~ RCPT\nS: 250 ok\nC: DATA\n"
			    "S: 554 no\nC: RSET\nS: 250 ok\n" SCRIPT_BYE,
		"x\r\n", 0, 0, {REF, REF}, {554, 554}, false},
	{"behaviour 65: 350 to DATA, no body",
		SCRIPT_HELLO(
			"") "C~ MAIL\nS: 250 ok\nC~ RCPT\nS: 250 ok\nC~ RCPT\nS: 250 ok\nC: DATA\n"
			    "S: 350 what\n",
		"x\r\n", 0, -1, {NON, NON}, {0, 0}, true},
	{"behaviour 67: lost behind the dot",
		SCRIPT_HELLO(
			"") "C~ MAIL\nS: 250 ok\nC~ RCPT\nS: 550 no\nC~ RCPT\nS: 250 ok\nC: DATA\n"
			    "S: 354 go\nC: x\nC: .\nX\n",
		"x\r\n", 0, -1, {REF, UNK}, {550, 0}, true},
	{"behaviour 67: no sense behind the dot",
		SCRIPT_HELLO(
			"") "C~ MAIL\nS: 250 ok\nC~ RCPT\nS: 550 no\nC~ RCPT\nS: 250 ok\nC: DATA\n"
			    "S: 354 go\nC: x\nC: .\nS: what\n",
		"x\r\n", 0, -1, {REF, UNK}, {550, 0}, true},
	{"behaviour 68: exact sizes",
		SCRIPT_HELLO(
			"S: 250-CHUNKING\n") "C~ MAIL\nS: 250 ok\nC~ RCPT\nS: 250 ok\nC~ RCPT\nS: 250 ok\n"
					     "C: BDAT 5 LAST\nB: 5 .\nS: 250 ok\n" SCRIPT_BYE,
		"\r\n.\r\n", 0, 0, {ACC, ACC}, {250, 250}, false},
	{"behaviour 68: an empty body",
		SCRIPT_CHUNK
		"C~ MAIL\nC~ RCPT\nC~ RCPT\nC: BDAT 0 LAST\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 250 ok\n" SCRIPT_BYE,
		"", 0, 0, {ACC, ACC}, {250, 250}, false},
	{"behaviour 68: a failed chunk, then RSET",
		SCRIPT_CHUNK
		"C~ MAIL\nC~ RCPT\nC~ RCPT\nC: BDAT 3 LAST\nB: 3 x\nS: 250 ok\nS: 250 ok\nS: 250 ok\n"
		"S: 552 5.3.4 too big\nC: RSET\nS: 250 ok\n" SCRIPT_BYE,
		"x\r\n", 0, 0, {REF, REF}, {552, 552}, false},
	{"behaviour 68: unknown size, one short chunk",
		SCRIPT_CHUNK
		"C: MAIL FROM:<a@d>\nC~ RCPT\nC~ RCPT\nS: 250 ok\nS: 250 ok\nS: 250 ok\nC: BDAT 3 LAST\n"
		"B: 3 x\nS: 250 ok\n" SCRIPT_BYE,
		"x\r\n", UNSIZED | ONCE, 0, {ACC, ACC}, {250, 250}, false},
	{"behaviour 70: LMTP, one reply for each accepted",
		"S: 220 hi\nC: LHLO me.example\nS: 250-p\nS: 250 PIPELINING\nC~ MAIL\nC~ RCPT\nC~ RCPT\nC: DATA\n"
		"S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\nC: x\nC: .\nS: 250 ok\nS: 452 4.2.2 full\n" SCRIPT_BYE,
		"x\r\n", LMTP, 0, {ACC, REF}, {250, 452}, false},
	{"behaviour 70: LMTP, lost between two replies",
		"S: 220 hi\nC: LHLO me.example\nS: 250-p\nS: 250 PIPELINING\nC~ MAIL\nC~ RCPT\nC~ RCPT\nC: DATA\n"
		"S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\nC: x\nC: .\nS: 250 ok\nX\n",
		"x\r\n", LMTP, -1, {ACC, UNK}, {250, 0}, true},
	{"behaviour 71: the next one works after a refused one",
		SCRIPT_HELLO(
			"") "C~ MAIL\nS: 553 no\nC: RSET\nS: 200 ok\nC~ MAIL\nS: 250 ok\nC~ RCPT\nS: 250 ok\n"
			    "C~ RCPT\nS: 250 ok\nC: DATA\nS: 354 go\nC: x\nC: .\nS: 250 ok\n" SCRIPT_BYE,
		"x\r\n", AGAIN, 0, {ACC, ACC}, {250, 250}, false},
	{"behaviour 71: no RSET between accepted ones",
		SCRIPT_HELLO(
			"") "C~ MAIL\nS: 250 ok\nC~ RCPT\nS: 250 ok\nC~ RCPT\nS: 250 ok\nC: DATA\nS: 354 go\n"
			    "C: x\nC: .\nS: 250 ok\nC~ MAIL\nS: 250 ok\nC~ RCPT\nS: 250 ok\nC~ RCPT\n"
			    "S: 250 ok\nC: DATA\nS: 354 go\nC: x\nC: .\nS: 251 ok\n" SCRIPT_BYE,
		"x\r\n", AGAIN, 0, {ACC, ACC}, {251, 251}, false},
	{"behaviour 71: RSET can be off",
		SCRIPT_HELLO("") "C~ MAIL\nS: 553 no\nC~ MAIL\nS: 552 no\n" SCRIPT_BYE, "x\r\n",
		AGAIN | NORSET, 0, {REF, REF}, {552, 552}, false},
	{"behaviour 72: closed while idle", SCRIPT_HELLO("") "X\n", "x\r\n", IDLE, -1, {NON, NON},
		{0, 0}, true},
	{"behaviour 72: 421 while idle", SCRIPT_HELLO("") "S: 421 4.4.2 bye\n", "x\r\n", IDLE, -1,
		{NON, NON}, {0, 0}, true},
	{"behaviour 73: QUIT failing changes nothing",
		SCRIPT_CHUNK
		"C~ MAIL\nC~ RCPT\nC~ RCPT\nC: BDAT 0 LAST\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 250 ok\n"
		"C: QUIT\nX\n",
		"", 0, 0, {ACC, ACC}, {250, 250}, false},
};

static int send_txn(struct script *p, struct smtp_client *c)
{
	const struct txn_case *k = p->arg;
	struct script_source source = script_source_of(span_str(k->body));
	struct smtp_txn_rcpt to[2] = {{.address = SPAN("b@d")}, {.address = SPAN("c@d")}};
	struct smtp_txn t = {.reverse_path = SPAN("a@d"),
		.size = k->how & UNSIZED ? 0 : strlen(k->body),
		.is_size_unknown = k->how & UNSIZED,
		.is_all_or_nothing = k->how & ALL,
		.keeps_rcpt_replies = true,
		.source = &source.source,
		.rcpts = to,
		.rcpt_count = 2};
	int rc = smtp_client_greet(c, &p->err);

	assert_int_equal(rc, 0);
	if (k->how & ONCE)
		source.source.rewind = NULL;
	if (k->how & FAILS)
		source.cut = source.fails_at = 2;
	if (k->how & IDLE)
		fiber_sleep(CLOCK_SEC, &p->err);
	for (int i = 0; i < (k->how & AGAIN ? 2 : 1); i++) {
		if (i)
			smtp_txn_fini(&t);
		rc = smtp_client_send(c, &t, &p->err);
	}
	for (size_t i = 0; i < 2; i++)
		if (to[i].fate != k->fates[i] || to[i].reply.code != k->codes[i])
			fail_msg("%s: recipient %zu has fate %d, code %u", k->name, i, to[i].fate,
				to[i].reply.code);
	assert_int_equal(c->is_over, k->is_over);
	assert_int_equal(t.err.code != ERR_NONE, rc < 0);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(to[i].is_taken, to[i].rcpt_reply && to[i].rcpt_reply->code < 300);
	smtp_client_quit(c, NULL);
	smtp_txn_fini(&t);
	return rc;
}

static void transactions_behaviours_17_to_73(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(txns); i++)
		for (size_t cut = 0; cut < 3; cut++) {
			struct script p = {.text = txns[i].text,
				.opts = {.no_rset = txns[i].how & NORSET,
					.is_lmtp = txns[i].how & LMTP},
				.talk = send_txn,
				.arg = (void *)&txns[i],
				.cut = cut};

			script_run(&p);
			if (p.result != txns[i].result)
				fail_msg("%s: %d (%s)", txns[i].name, p.result, p.err.text);
		}
}

/* --- parameters ------------------------------------------------------------------------------- */

#define EVERY                                                                                      \
	SCRIPT_HELLO("S: 250-DSN\nS: 250-DELIVERBY\nS: 250-FUTURERELEASE\nS: 250-MT-PRIORITY\n"    \
		     "S: 250-AUTH PLAIN\nS: 250-REQUIRETLS\nS: 250-SIZE 0\nS: 250-8BITMIME\n"      \
		     "S: 250-SMTPUTF8\n")
#define TAKEN(mail, rcpt)                                                                          \
	"C: MAIL FROM:" mail "\nS: 250 ok\nC: RCPT TO:" rcpt                                       \
	"\nS: 250 ok\nC: DATA\nS: 354 go\nC~ \nC: .\nS: 250 ok\n" SCRIPT_BYE

static const struct param_case {
	const char *name, *text;
	struct smtp_txn t;
	const char *body, *to;
	struct smtp_txn_rcpt r;
	enum smtp_fate fate;
	bool is_tls;
} params[] = {
	{"48: DSN, xtext, NEVER alone",
		EVERY TAKEN("<a@d> SIZE=3 RET=FULL ENVID=x+2By", "<b@d> NOTIFY=NEVER"),
		{.ret = SMTP_RET_FULL, .envid = {"x+y", 3}}, "x\r\n", "b@d",
		{.notify = SMTP_NOTIFY_NEVER | SMTP_NOTIFY_DELAY}, SMTP_FATE_ACCEPTED},
	{"48: DSN not offered, dropped", SCRIPT_HELLO("") TAKEN("<a@d>", "<b@d>"),
		{.ret = SMTP_RET_FULL}, "x\r\n", "b@d", {.notify = SMTP_NOTIFY_NEVER},
		SMTP_FATE_ACCEPTED},
	{"48: DSN not offered, refused as asked", SCRIPT_HELLO("") SCRIPT_BYE,
		{.is_dsn_required = true}, "x\r\n", "b@d", {.notify = SMTP_NOTIFY_NEVER},
		SMTP_FATE_REFUSED},
	{"49: REQUIRETLS in clear", EVERY SCRIPT_BYE, {.is_requiretls = true}, "x\r\n", "b@d",
		{{0}}, SMTP_FATE_REFUSED},
	{"49: REQUIRETLS under TLS", EVERY TAKEN("<a@d> SIZE=3 REQUIRETLS", "<b@d>"),
		{.is_requiretls = true}, "x\r\n", "b@d", {{0}}, SMTP_FATE_ACCEPTED, true},
	{"49: REQUIRETLS under TLS, not offered", SCRIPT_HELLO("") SCRIPT_BYE,
		{.is_requiretls = true}, "x\r\n", "b@d", {{0}}, SMTP_FATE_REFUSED, true},
	{"DELIVERBY, HOLDFOR, MT-PRIORITY, AUTH, extra",
		EVERY TAKEN("<a@d> SIZE=3 AUTH=e+3Df@g BY=120;RT HOLDFOR=60 MT-PRIORITY=-3 X=1",
			"<b@d> Y"),
		{.by_seconds = 120,
			.by_mode = 'R',
			.by_trace = true,
			.hold_for = 60,
			.has_priority = true,
			.priority = -3,
			.auth = {"e=f@g", 5},
			.extra = {"X=1", 3}},
		"x\r\n", "b@d", {.extra = {"Y", 1}}, SMTP_FATE_ACCEPTED},
	{"HOLDUNTIL, AUTH=<>",
		EVERY TAKEN("<a@d> SIZE=3 AUTH=<> HOLDUNTIL=2026-11-23T10:00:00Z", "<b@d>"),
		{.hold_until = 1795428000, .auth = {"<>", 2}}, "x\r\n", "b@d", {{0}},
		SMTP_FATE_ACCEPTED},
	{"DELIVERBY R not offered", SCRIPT_HELLO("") SCRIPT_BYE, {.by_mode = 'R'}, "x\r\n", "b@d",
		{{0}}, SMTP_FATE_REFUSED},
	{"DELIVERBY N and MT-PRIORITY not offered", SCRIPT_HELLO("") TAKEN("<a@d>", "<b@d>"),
		{.by_mode = 'N', .has_priority = true}, "x\r\n", "b@d", {{0}}, SMTP_FATE_ACCEPTED},
	{"HOLDFOR not offered", SCRIPT_HELLO("") SCRIPT_BYE, {.hold_for = 3}, "x\r\n", "b@d", {{0}},
		SMTP_FATE_REFUSED},
	{"41: a line break in a parameter", EVERY SCRIPT_BYE, {.extra = {"X\r\nRSET", 7}}, "x\r\n",
		"b@d", {{0}}, SMTP_FATE_REFUSED},
	{"41: and in a recipient's", EVERY SCRIPT_BYE, {.size = 0}, "x\r\n", "b@d",
		{.extra = {"X\nY", 3}}, SMTP_FATE_REFUSED},
	{"43: SIZE counts CRLF, not stuffed dots", EVERY TAKEN("<a@d> SIZE=4", "<b@d>"),
		{.size = 0}, ".x\r\n", "b@d", {{0}}, SMTP_FATE_ACCEPTED},
	{"44: over the limit", SCRIPT_HELLO("S: 250-SIZE 2\n") SCRIPT_BYE, {.size = 0}, "x\r\n",
		"b@d", {{0}}, SMTP_FATE_REFUSED},
	{"45: 8BITMIME exactly when 8-bit", EVERY TAKEN("<a@d> SIZE=3 BODY=8BITMIME", "<b@d>"),
		{.is_body_auto = true}, "\xe9\r\n", "b@d", {{0}}, SMTP_FATE_ACCEPTED},
	{"45: and not when 7-bit", EVERY TAKEN("<a@d> SIZE=3", "<b@d>"), {.is_body_auto = true},
		"x\r\n", "b@d", {{0}}, SMTP_FATE_ACCEPTED},
	{"45: not offered", SCRIPT_HELLO("") SCRIPT_BYE, {.is_body_auto = true}, "\xe9\r\n", "b@d",
		{{0}}, SMTP_FATE_REFUSED},
	{"45: not offered, anyway", SCRIPT_HELLO("") TAKEN("<a@d>", "<b@d>"),
		{.is_body_auto = true, .is_8bit_anyway = true}, "\xe9\r\n", "b@d", {{0}},
		SMTP_FATE_ACCEPTED},
	{"46: SMTPUTF8 when an address needs it",
		EVERY TAKEN("<a@d> SIZE=3 SMTPUTF8", "<\xc3\xbc@d>"), {.size = 0}, "x\r\n",
		"\xc3\xbc@d", {{0}}, SMTP_FATE_ACCEPTED},
	{"47: a domain as A-label", SCRIPT_HELLO("") TAKEN("<a@d>", "<b@xn--bcher-kva.example>"),
		{.size = 0}, "x\r\n",
		"b@b\xc3\xbc"
		"cher.example",
		{{0}}, SMTP_FATE_ACCEPTED},
	{"47: a local part is not converted", SCRIPT_HELLO("") SCRIPT_BYE, {.size = 0}, "x\r\n",
		"\xc3\xbc@b.example", {{0}}, SMTP_FATE_REFUSED},
	{"nothing is declared by ourselves", EVERY TAKEN("<a@d> BODY=8BITMIME", "<b@d>"),
		{.no_declare = true, .extra = {"BODY=8BITMIME", 13}}, "\xe9\r\n", "b@d", {{0}},
		SMTP_FATE_ACCEPTED},
	{"24: an unknown size is not declared", EVERY TAKEN("<a@d>", "<b@d>"),
		{.is_size_unknown = true}, "x\r\n", "b@d", {{0}}, SMTP_FATE_ACCEPTED},
};

static int send_param(struct script *p, struct smtp_client *c)
{
	static const struct stream_tls tls = {.version = "TLSv1.3"};
	const struct param_case *k = p->arg;
	struct script_source source = script_source_of(span_str(k->body));
	struct smtp_txn_rcpt r = k->r;
	struct smtp_txn t = k->t;
	int rc;

	assert_int_equal(smtp_client_greet(c, &p->err), 0);
	r.address = span_str(k->to);
	t.reverse_path = SPAN("a@d");
	t.source = &source.source;
	t.rcpts = &r;
	t.rcpt_count = 1;
	if (!t.is_size_unknown)
		t.size = strlen(k->body);
	c->stream->tls = k->is_tls ? &tls : NULL;
	rc = smtp_client_send(c, &t, &p->err);
	c->stream->tls = NULL;
	if (r.fate != k->fate)
		fail_msg("%s: fate %d %u", k->name, r.fate, r.reply.code);
	assert_int_equal(r.is_ours, r.fate == SMTP_FATE_REFUSED);
	smtp_client_quit(c, NULL);
	smtp_txn_fini(&t);
	return rc;
}

static void parameters_behaviours_24_and_41_to_49(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(params); i++) {
		struct script p = {
			.text = params[i].text, .talk = send_param, .arg = (void *)&params[i]};

		script_run(&p);
		if (p.result != 0)
			fail_msg("%s: %s", params[i].name, p.err.text);
	}
}

/* --- long bodies and many recipients ---------------------------------------------------------- */

struct bulk {
	struct buf body;
	size_t cut;
	int64_t pause_ns;
	bool is_unsized;
	enum smtp_fate fate;
	unsigned code;
	bool is_over;
};

static int send_bulk(struct script *p, struct smtp_client *c)
{
	struct bulk *b = p->arg;
	struct script_source source = script_source_of(buf_span(&b->body));
	struct smtp_txn_rcpt r = {.address = SPAN("b@d")};
	struct smtp_txn t = {.reverse_path = SPAN("a@d"),
		.size = buf_len(&b->body),
		.source = &source.source,
		.rcpts = &r,
		.rcpt_count = 1};
	int rc;

	assert_int_equal(smtp_client_greet(c, &p->err), 0);
	source.cut = b->cut;
	source.pause_ns = b->pause_ns;
	if (b->is_unsized) {
		t.is_size_unknown = true;
		t.size = 0;
	}
	rc = smtp_client_send(c, &t, &p->err);
	if (r.fate != b->fate || r.reply.code != b->code || c->is_over != b->is_over)
		fail_msg("fate %d, code %u: %s", r.fate, r.reply.code, p->err.text);
	smtp_client_quit(c, NULL);
	smtp_txn_fini(&t);
	return rc;
}

static void bulk_run(struct bulk *b, const char *text, size_t lines, const char *line)
{
	struct script p = {.text = text, .talk = send_bulk, .arg = b};

	buf_init(&b->body, 16 << 20);
	for (size_t i = 0; i < lines; i++)
		buf_str(&b->body, line);
	script_run(&p);
	assert_int_equal(p.result, 0);
	buf_fini(&b->body);
}

/* The peer reads on after its early reply: the client has closed without a terminator. */
static void early_replies_stop_the_body_behaviour_66(void **state)
{
	static const unsigned codes[] = {452, 552, 421};

	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		for (int bdat = 0; bdat < 2; bdat++) {
			struct bulk b = {.cut = 20000,
				.pause_ns = 10 * CLOCK_MS,
				.fate = SMTP_FATE_REFUSED,
				.code = codes[i],
				.is_over = true};
			struct buf text;

			buf_init(&text, 4096);
			buf_str(&text, bdat ? SCRIPT_HELLO("S: 250-CHUNKING\n") : SCRIPT_HELLO(""));
			buf_str(&text, "C~ MAIL\nS: 250 ok\nC~ RCPT\nS: 250 ok\n");
			buf_str(&text, bdat ? "C: BDAT 2000000 LAST\n" : "C: DATA\nS: 354 go\n");
			buf_printf(&text, "B: 30000 x\nS: %u enough\nW: 200000\nX\n", codes[i]);
			bulk_run(&b, buf_cstr(&text), 200000, "xxxxxxxx\r\n");
			buf_fini(&text);
		}
}

static void chunks_of_unknown_size_behaviour_68(void **state)
{
	/* 150,000 octets: two chunks, the rest with LAST */
	struct bulk ok = {
		.cut = 10000, .is_unsized = true, .fate = SMTP_FATE_ACCEPTED, .code = 250};
	struct bulk bad = {
		.cut = 10000, .is_unsized = true, .fate = SMTP_FATE_REFUSED, .code = 552};
	struct bulk turn = {
		.cut = 10000, .is_unsized = true, .fate = SMTP_FATE_REFUSED, .code = 552};

	bulk_run(&ok,
		SCRIPT_CHUNK
		"C: MAIL FROM:<a@d>\nC~ RCPT\nS: 250 ok\nS: 250 ok\nC: BDAT 60000\nB: 60000 x\n"
		"S: 250 ok\nC: BDAT 60000\nB: 60000 x\nS: 250 ok\nC: BDAT 30000 LAST\n"
		"B: 30000 x\nS: 250 ok\n" SCRIPT_BYE,
		15000, "xxxxxxxx\r\n");
	bulk_run(&bad,
		SCRIPT_CHUNK
		"C: MAIL FROM:<a@d>\nC~ RCPT\nS: 250 ok\nS: 250 ok\nC: BDAT 60000\nB: 60000 x\n"
		"C: BDAT 60000\nB: 60000 x\nS: 552 no\nS: 503 no\nC: RSET\nS: 250 ok\n" SCRIPT_BYE,
		15000, "xxxxxxxx\r\n");
	bulk_run(&turn,
		SCRIPT_HELLO(
			"S: 250-CHUNKING\n") "C~ MAIL\nS: 250 ok\nC~ RCPT\nS: 250 ok\nC: BDAT 60000\n"
					     "B: 60000 x\nS: 552 no\nC: RSET\nS: 250 ok\n" SCRIPT_BYE,
		15000, "xxxxxxxx\r\n");
}

/* Many short runs are sent on their way: they do not pile up. */
static void short_runs_do_not_pile_up(void **state)
{
	struct bulk b = {.fate = SMTP_FATE_ACCEPTED, .code = 250};

	bulk_run(&b,
		SCRIPT_HELLO("") "C~ MAIL\nS: 250 ok\nC~ RCPT\nS: 250 ok\nC: DATA\nS: 354 go\n"
				 "B: 7200000 ..dots\nC: .\nS: 250 ok\n" SCRIPT_BYE,
		900000, ".dots\r\n");
}

#define MANY 1000

static int send_to_many(struct script *p, struct smtp_client *c)
{
	struct script_source source = script_source_of(SPAN("x\r\n"));
	struct smtp_txn_rcpt *to = calloc(MANY, sizeof(*to));
	struct smtp_txn t = {.reverse_path = SPAN("a@d"),
		.size = 3,
		.source = &source.source,
		.rcpts = to,
		.rcpt_count = MANY};
	char *address = malloc(601);
	int rc;

	memset(address, 'l', 600);
	address[300] = '@';
	for (size_t i = 0; i < MANY; i++)
		to[i].address = span_of(address, 600);
	assert_int_equal(smtp_client_greet(c, &p->err), 0);
	rc = smtp_client_send(c, &t, &p->err);
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(to[i].fate, i % 10 == 3 ? SMTP_FATE_REFUSED : SMTP_FATE_ACCEPTED);
	smtp_client_quit(c, NULL);
	smtp_txn_fini(&t);
	free(address);
	free(to);
	return rc;
}

/* Each command and each reply are so long that the pipe holds neither all of the one nor of the other:
 * who only writes waits for ever. */
static void a_thousand_recipients_and_no_deadlock_behaviour_59(void **state)
{
	static const char *const ends[] = {
		"C: DATA\nS: 354 go\nC: x\nC: .\n", "C: BDAT 3 LAST\nB: 3 x\n"};
	static const char *const hellos[] = {SCRIPT_PIPE, SCRIPT_CHUNK};

	for (int bdat = 0; bdat < 2; bdat++) {
		struct script p = {.talk = send_to_many};
		struct buf b;

		buf_init(&b, 4 << 20);
		buf_str(&b, hellos[bdat]);
		buf_str(&b, "C~ MAIL\nS: 250 ok\n");
		for (int i = 0; i < MANY; i++) {
			buf_printf(&b, "C~ RCPT\nS: %s ", i % 10 == 3 ? "550" : "250");
			for (int k = 0; k < 500; k++)
				buf_char(&b, 'r');
			buf_str(&b, "\n");
		}
		buf_str(&b, ends[bdat]);
		buf_str(&b, "S: 250 ok\n" SCRIPT_BYE);
		p.text = buf_cstr(&b);
		script_run(&p);
		assert_int_equal(p.result, 0);
		buf_fini(&b);
	}
}

/* Minutes for the whole, seconds for each part of it: that is no stall. A peer that takes
 * nothing is one. */
static void the_body_s_timer_restarts_on_progress_behaviour_74(void **state)
{
	struct bulk slow = {.cut = 30000, .fate = SMTP_FATE_ACCEPTED, .code = 250};
	struct bulk stall = {.fate = SMTP_FATE_NONE, .is_over = true};
	struct script p = {.talk = send_bulk,
		.arg = &slow,
		.opts = {.timeouts = {.block_ns = 10 * CLOCK_SEC}}};
	struct buf text;

	buf_init(&text, 1 << 16);
	buf_str(&text,
		SCRIPT_HELLO("") "C~ MAIL\nS: 250 ok\nC~ RCPT\nS: 250 ok\nC: DATA\nS: 354 go\n");
	for (int i = 0; i < 100; i++)
		buf_str(&text, "W: 2000\nB: 20000 x\n");
	buf_str(&text, "C: .\nS: 250 ok\n" SCRIPT_BYE);
	buf_init(&slow.body, 16 << 20);
	for (size_t i = 0; i < 200000; i++)
		buf_str(&slow.body, "xxxxxxxx\r\n");
	p.text = buf_cstr(&text);
	script_run(&p);
	assert_int_equal(p.result, 0);
	assert_true(p.took_ns > 3 * CLOCK_MIN);
	stall.body = slow.body;
	p.arg = &stall;
	p.text = SCRIPT_HELLO(
		"") "C~ MAIL\nS: 250 ok\nC~ RCPT\nS: 250 ok\nC: DATA\nS: 354 go\nW: 60000\nX\n";
	script_run(&p);
	assert_int_equal(p.result, -1);
	assert_int_equal(p.err.code, ERR_TIMEOUT);
	assert_true(p.took_ns < 15 * CLOCK_SEC);
	buf_fini(&slow.body);
	buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transactions_behaviours_17_to_73),
		cmocka_unit_test(parameters_behaviours_24_and_41_to_49),
		cmocka_unit_test(early_replies_stop_the_body_behaviour_66),
		cmocka_unit_test(chunks_of_unknown_size_behaviour_68),
		cmocka_unit_test(short_runs_do_not_pile_up),
		cmocka_unit_test(a_thousand_recipients_and_no_deadlock_behaviour_59),
		cmocka_unit_test(the_body_s_timer_restarts_on_progress_behaviour_74),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
