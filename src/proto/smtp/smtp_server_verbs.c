#include "proto/smtp/smtp_server_priv.h"

#include <string.h>

#include "base/must.h"
#include "run/loop.h"
#include "proto/sasl/sasl_talk.h"

enum verb_flag {
	VERB_LAST = 1, /* last in a group of pipelined commands (RFC 2920 section 3.1) */
	VERB_JUNK = 2, /* does no work: limited between messages */
	VERB_BODY = 4, /* no envelope remains when it fails */
};

struct verb_rule {
	unsigned phases;
	unsigned flags;
	/* May it be obeyed? No: sv->reply says why. Does not yield. */
	bool (*check)(struct smtp_server *sv, const struct smtp_command *c);
	FIBER int (*act)(struct smtp_server *sv, struct smtp_command *c, struct err *e);
};

/* ---- greeting ---- */

static void tell_extensions(struct smtp_server *sv, struct buf *text)
{
	const struct smtp_server_limits *l = &sv->s.opts->limits;
	unsigned f = sv->features;

	buf_str(text, f & SMTP_DELIVERBY ? "\nDELIVERBY" : "");
	if (f & SMTP_DELIVERBY && l->by_min_seconds) /* RFC 2852 section 3 */
		buf_printf(text, " %lld", (long long)l->by_min_seconds);
	buf_str(text, f & SMTP_MT_PRIORITY ? "\nMT-PRIORITY" : "");
	if (f & SMTP_FUTURERELEASE) { /* RFC 4865 section 3: the longest interval, the last moment */
		buf_printf(text, "\nFUTURERELEASE %lld ", (long long)(l->hold_max_ns / CLOCK_SEC));
		clock_put_rfc3339(text, (loop_wall_ns() + l->hold_max_ns) / CLOCK_SEC);
	}
	buf_str(text, f & SMTP_REQUIRETLS ? "\nREQUIRETLS" : "");
}

/* What EHLO and LHLO tell: exactly what every path honours. */
static void tell_features(struct smtp_server *sv, struct buf *text)
{
	const struct smtp_server_limits *l = &sv->s.opts->limits;
	unsigned f = sv->features;

	buf_str(text, f & SMTP_PIPELINING ? "\nPIPELINING" : "");
	if (f & SMTP_SIZE)
		buf_printf(text, "\nSIZE %llu", (unsigned long long)l->message_octets);
	buf_str(text, f & SMTP_8BITMIME ? "\n8BITMIME" : "");
	buf_str(text, f & SMTP_CHUNKING ? "\nCHUNKING" : "");
	buf_str(text, f & SMTP_BINARYMIME ? "\nBINARYMIME" : "");
	buf_str(text, f & SMTP_SMTPUTF8 ? "\nSMTPUTF8" : "");
	buf_str(text, f & SMTP_DSN ? "\nDSN" : "");
	buf_str(text, f & SMTP_ENHANCED ? "\nENHANCEDSTATUSCODES" : "");
	buf_str(text, f & SMTP_FEATURE_STARTTLS ? "\nSTARTTLS" : "");
	if (f & SMTP_LIMITS) /* RFC 9422 section 4 */
		buf_printf(
			text, "\nLIMITS MAILMAX=%zu RCPTMAX=%zu", l->transactions, l->recipients);
	if (f & SMTP_FEATURE_AUTH) {
		buf_str(text, "\nAUTH ");
		smtp_server_auth_offer(sv, text);
	}
	tell_extensions(sv, text);
	buf_str(text, f & SMTP_FEATURE_VRFY ? "\nVRFY" : "");
	buf_str(text, f & SMTP_FEATURE_HELP ? "\nHELP" : "");
}

static bool is_auth_offered(const struct smtp_server *sv)
{
	struct buf list;
	bool is_offered;

	buf_init(&list, SASL_TALK_LIST_MAX);
	smtp_server_auth_offer(sv, &list);
	is_offered = buf_len(&list) > 0;
	buf_fini(&list);
	return is_offered;
}

static unsigned features_now(const struct smtp_server *sv)
{
	const struct smtp_server_opts *o = sv->s.opts;
	unsigned f = SMTP_PIPELINING | SMTP_SIZE | SMTP_8BITMIME | SMTP_CHUNKING | SMTP_BINARYMIME |
		SMTP_SMTPUTF8 | SMTP_DSN | SMTP_ENHANCED | SMTP_LIMITS | SMTP_FEATURE_VRFY |
		SMTP_FEATURE_HELP;

	if (o->tls && !sv->s.tls)
		f |= SMTP_FEATURE_STARTTLS;
	if (sv->decider->extensions)
		f |= sv->decider->extensions(sv->ctx, &sv->s) & SMTP_SERVER_EXTENSIONS;
	if (!sv->s.tls) /* RFC 8689 section 2, item 8 */
		f &= ~(unsigned)SMTP_REQUIRETLS;
	f &= ~o->features_off;
	/* RFC 3030 section 3: BINARYMIME needs CHUNKING */
	if (!(f & SMTP_CHUNKING))
		f &= ~(unsigned)SMTP_BINARYMIME;
	if (!o->limits.transactions || !o->limits.recipients)
		f &= ~(unsigned)SMTP_LIMITS;
	return f;
}

/* Kept in one place that is used again: a session may greet a thousand times. */
static void keep_helo(struct smtp_server *sv, struct span name)
{
	struct smtp_session *s = &sv->s;

	if (name.len > sv->helo_cap || !s->helo.ptr) {
		sv->helo_cap = name.len < 64 ? 64 : SMTP_DOMAIN_MAX;
		s->helo.ptr = arena_alloc(s->arena, sv->helo_cap);
	}
	memcpy((char *)(uintptr_t)s->helo.ptr, name.ptr, name.len);
	s->helo.len = name.len;
}

static bool check_helo(struct smtp_server *sv, const struct smtp_command *c)
{
	/* RFC 2033 section 4.1: LMTP knows LHLO and neither of the others */
	if ((c->verb == SMTP_LHLO) == sv->s.is_lmtp)
		return true;
	smtp_reply_set(&sv->reply, 500, 5, 5, 1, "This is %s, say %s",
		sv->s.is_lmtp ? "LMTP" : "SMTP", sv->s.is_lmtp ? "LHLO" : "EHLO");
	return false;
}

static FIBER int act_helo(struct smtp_server *sv, struct smtp_command *c, struct err *e)
{
	struct smtp_session *s = &sv->s;

	smtp_server_reset(sv); /* RFC 5321 section 4.1.4: as if RSET had been said */
	keep_helo(sv, c->domain);
	s->is_esmtp = c->verb != SMTP_HELO;
	if (s->is_esmtp && sv->decider->prepare)
		sv->decider->prepare(sv->ctx, s);
	sv->features = features_now(sv);
	if (is_auth_offered(sv))
		sv->features |= SMTP_FEATURE_AUTH;
	smtp_reply_set(&sv->reply, 250, 0, 0, 0, "%s", s->opts->hostname);
	if (s->is_esmtp)
		tell_features(sv, &sv->reply.text);
	if (sv->decider->helo)
		sv->decider->helo(sv->ctx, s, &sv->reply);
	smtp_server_phase(sv, sv->reply.code < 400 ? SMTP_PHASE_READY : SMTP_PHASE_GREETED);
	return smtp_server_say(sv, e);
}

static FIBER int act_starttls(struct smtp_server *sv, struct smtp_command *c, struct err *e)
{
	struct smtp_session *s = &sv->s;

	smtp_reply_set(&sv->reply, 220, 2, 0, 0, "Ready to start TLS");
	if (smtp_server_say(sv, e) < 0 || stream_flush(s->stream, e) < 0)
		return -1;
	/* RFC 3207 section 4.2: what was pipelined behind the command is dropped (tls_accept), what
	 * was said before the handshake is forgotten. */
	if (tls_accept(s->stream, s->opts->tls, e) < 0)
		return -1;
	s->tls = s->stream->tls;
	s->helo.len = 0;
	s->is_esmtp = false;
	smtp_server_auth_forget(sv);
	sv->features = SMTP_ENHANCED & ~s->opts->features_off;
	smtp_server_phase(sv, SMTP_PHASE_GREETED);
	return 0;
}

static bool check_starttls(struct smtp_server *sv, const struct smtp_command *c)
{
	const struct smtp_server_opts *o = sv->s.opts;

	if (o->tls && !sv->s.tls && !(o->features_off & SMTP_FEATURE_STARTTLS))
		return true;
	smtp_reply_set(&sv->reply, sv->s.tls ? 503 : 502, 5, 5, 1,
		sv->s.tls ? "TLS is on already" : "TLS is not offered");
	return false;
}

/* ---- the envelope ---- */

/* What MAIL asks of the time to come. */
static bool check_times(struct smtp_server *sv, const struct smtp_mail *m)
{
	const struct smtp_server_limits *l = &sv->s.opts->limits;
	int64_t now = loop_wall_ns() / CLOCK_SEC, max = l->hold_max_ns / CLOCK_SEC;
	int64_t hold = m->has_hold_until ? m->hold_until - now : m->hold_for;

	if (m->by_mode == 'R' && m->by_seconds < l->by_min_seconds)
		/* RFC 2852 section 4.1: the fixed minimum was told */
		smtp_reply_set(&sv->reply, 555, 5, 5, 4,
			"No message is promised to be delivered within less than %lld seconds",
			(long long)l->by_min_seconds);
	else if (hold > max) /* RFC 4865 section 4 */
		smtp_reply_set(&sv->reply, 501, 5, 5, 4,
			"A message is held for %lld seconds at most", (long long)max);
	else if (m->has_hold_until && hold < 0)
		smtp_reply_set(&sv->reply, 501, 5, 5, 4, "HOLDUNTIL has passed");
	else
		return true;
	return false;
}

static bool check_admitted(struct smtp_server *sv, const struct smtp_command *c)
{
	(void)c;
	return !sv->decider->admits || sv->decider->admits(sv->ctx, &sv->s, &sv->reply);
}

static bool check_mail(struct smtp_server *sv, const struct smtp_command *c)
{
	const struct smtp_server_limits *l = &sv->s.opts->limits;

	if (!check_admitted(sv, c))
		return false;
	if (l->transactions && sv->transactions >= l->transactions) {
		smtp_reply_set(&sv->reply, 421, 4, 7, 0, "%s Too many messages in one session",
			sv->s.opts->hostname);
		sv->why = "transactions";
		return false;
	}
	/* RFC 1870 section 6.1 */
	if (c->mail.has_size && l->message_octets && c->mail.size > l->message_octets) {
		smtp_reply_set(&sv->reply, 552, 5, 3, 4, "Message size exceeds %llu octets",
			(unsigned long long)l->message_octets);
		return false;
	}
	return check_times(sv, &c->mail);
}

static FIBER int act_mail(struct smtp_server *sv, struct smtp_command *c, struct err *e)
{
	struct smtp_session *s = &sv->s;

	s->txn = arena_new();
	smtp_mail_copy(s->txn, &c->mail, &s->mail);
	s->is_binary_body = s->mail.body == SMTP_BODY_BINARYMIME;
	smtp_reply_set(&sv->reply, 250, 2, 1, 0, "Ok");
	sv->decider->mail(sv->ctx, s, &s->mail, &sv->reply);
	if (sv->reply.code < 400) {
		s->has_mail = true;
		sv->transactions++;
		smtp_server_phase(sv, SMTP_PHASE_MAIL);
	} else {
		smtp_server_reset(sv);
	}
	return smtp_server_say(sv, e);
}

static bool check_rcpt(struct smtp_server *sv, const struct smtp_command *c)
{
	size_t max = sv->s.opts->limits.recipients;

	if (!max || sv->s.rcpt_count < max)
		return true;
	smtp_reply_set(&sv->reply, 452, 4, 5, 3, "Too many recipients, %zu at a time", max);
	sv->is_forgiven = sv->rcpt_over++ < SMTP_SERVER_RCPT_OVERSHOOT;
	return false;
}

static void keep_rcpt(struct smtp_server *sv, const struct smtp_rcpt *r)
{
	struct smtp_session *s = &sv->s;

	if (s->rcpt_count == sv->rcpt_cap) {
		size_t cap = sv->rcpt_cap ? sv->rcpt_cap * 2 : 2;
		struct smtp_rcpt *more = ARENA_ARRAY(s->txn, struct smtp_rcpt, cap);

		if (s->rcpt_count)
			memcpy(more, s->rcpts, s->rcpt_count * sizeof(*more));
		s->rcpts = more;
		sv->rcpt_cap = cap;
	}
	s->rcpts[s->rcpt_count++] = *r;
}

static FIBER int act_rcpt(struct smtp_server *sv, struct smtp_command *c, struct err *e)
{
	struct smtp_session *s = &sv->s;
	struct smtp_rcpt r;

	smtp_rcpt_copy(s->txn, &c->rcpt, &r);
	smtp_reply_set(&sv->reply, 250, 2, 1, 5, "Ok");
	sv->decider->rcpt(sv->ctx, s, &r, &sv->reply);
	if (sv->reply.code < 400) {
		keep_rcpt(sv, &r);
		smtp_server_phase(sv, SMTP_PHASE_RCPT);
	} else {
		sv->rcpt_refused++;
	}
	return smtp_server_say(sv, e);
}

/* ---- the body ---- */

/* Why DATA or BDAT cannot begin here; sets the reply. */
static void say_no_recipients(struct smtp_server *sv)
{
	/* RFC 5321 section 3.3; RFC 2920 section 3.1 for pipelined groups whose RCPTs all failed */
	if (sv->phase == SMTP_PHASE_MAIL && sv->rcpt_refused && !sv->s.is_lmtp)
		smtp_reply_set(&sv->reply, 554, 5, 5, 1, "No valid recipients");
	else
		smtp_reply_set(&sv->reply, 503, 5, 5, 1, "Need %s first",
			sv->phase == SMTP_PHASE_MAIL ? "RCPT" : "MAIL");
}

static bool check_data(struct smtp_server *sv, const struct smtp_command *c)
{
	if (sv->phase == SMTP_PHASE_BDAT) /* RFC 3030 section 2 */
		smtp_reply_set(&sv->reply, 503, 5, 5, 1, "DATA after BDAT");
	else if (sv->phase != SMTP_PHASE_RCPT)
		say_no_recipients(sv);
	else if (sv->s.is_binary_body) /* RFC 3030 section 3 */
		smtp_reply_set(&sv->reply, 503, 5, 5, 1, "BODY=BINARYMIME needs BDAT");
	else
		return true;
	return false;
}

static FIBER int act_data(struct smtp_server *sv, struct smtp_command *c, struct err *e)
{
	return smtp_server_data(sv, e);
}

/* Refusals of BDAT come after its octets, so there is no check that would answer earlier. */
static FIBER int act_bdat(struct smtp_server *sv, struct smtp_command *c, struct err *e)
{
	bool is_refused = true;

	if (sv->s.opts->features_off & SMTP_CHUNKING)
		smtp_reply_set(&sv->reply, 502, 5, 5, 1, "BDAT is not offered");
	else if (sv->phase != SMTP_PHASE_RCPT && sv->phase != SMTP_PHASE_BDAT)
		say_no_recipients(sv);
	else
		is_refused = false;
	return smtp_server_bdat(sv, c, is_refused, e);
}

/* ---- the rest ---- */

static FIBER int act_rset(struct smtp_server *sv, struct smtp_command *c, struct err *e)
{
	smtp_server_reset(sv);
	smtp_reply_set(&sv->reply, 250, 2, 0, 0, "Ok");
	return smtp_server_say(sv, e);
}

static FIBER int act_noop(struct smtp_server *sv, struct smtp_command *c, struct err *e)
{
	smtp_reply_set(&sv->reply, 250, 2, 0, 0, "Ok");
	return smtp_server_say(sv, e);
}

static FIBER int act_vrfy(struct smtp_server *sv, struct smtp_command *c, struct err *e)
{
	/* RFC 5321 section 3.5.3: neither confirmed nor denied */
	smtp_reply_set(&sv->reply, 252, 2, 5, 0, "Send some mail, I'll try my best");
	return smtp_server_say(sv, e);
}

static FIBER int act_help(struct smtp_server *sv, struct smtp_command *c, struct err *e)
{
	smtp_reply_set(&sv->reply, 214, 2, 0, 0,
		"%s MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY HELP%s%s\nSee RFC %s",
		sv->s.is_lmtp ? "LHLO" : "HELO EHLO",
		sv->features & SMTP_FEATURE_STARTTLS ? " STARTTLS" : "",
		sv->features & SMTP_FEATURE_AUTH ? " AUTH" : "", sv->s.is_lmtp ? "2033" : "5321");
	return smtp_server_say(sv, e);
}

static FIBER int act_quit(struct smtp_server *sv, struct smtp_command *c, struct err *e)
{
	smtp_server_reset(sv);
	smtp_reply_set(&sv->reply, 221, 2, 0, 0, "Bye");
	sv->why = "quit";
	if (smtp_server_say(sv, e) < 0)
		return -1;
	smtp_server_phase(sv, SMTP_PHASE_CLOSED);
	return 0;
}

static const struct verb_rule rules[SMTP_VERB_COUNT] = {
	[SMTP_HELO] = {.phases = PH_ANY,
		.flags = VERB_LAST | VERB_JUNK,
		.check = check_helo,
		.act = act_helo},
	[SMTP_EHLO] = {.phases = PH_ANY,
		.flags = VERB_LAST | VERB_JUNK,
		.check = check_helo,
		.act = act_helo},
	[SMTP_LHLO] = {.phases = PH_ANY,
		.flags = VERB_LAST | VERB_JUNK,
		.check = check_helo,
		.act = act_helo},
	[SMTP_STARTTLS] = {.phases = PH(READY),
		.flags = VERB_LAST,
		.check = check_starttls,
		.act = act_starttls},
	[SMTP_AUTH] = {.phases = PH_ANY,
		.flags = VERB_LAST,
		.check = smtp_server_auth_check,
		.act = smtp_server_auth},
	[SMTP_MAIL] = {.phases = PH(READY), .flags = 0, .check = check_mail, .act = act_mail},
	[SMTP_RCPT] = {.phases = PH(MAIL) | PH(RCPT),
		.flags = 0,
		.check = check_rcpt,
		.act = act_rcpt},
	[SMTP_DATA] = {.phases = PH_ANY,
		.flags = VERB_LAST | VERB_BODY,
		.check = check_data,
		.act = act_data},
	[SMTP_BDAT] = {.phases = PH_ANY, .flags = VERB_BODY, .check = NULL, .act = act_bdat},
	[SMTP_RSET] = {.phases = PH_ANY, .flags = VERB_JUNK, .check = NULL, .act = act_rset},
	[SMTP_NOOP] = {.phases = PH_ANY,
		.flags = VERB_LAST | VERB_JUNK,
		.check = NULL,
		.act = act_noop},
	[SMTP_VRFY] = {.phases = PH_ANY,
		.flags = VERB_LAST | VERB_JUNK,
		.check = check_admitted,
		.act = act_vrfy},
	[SMTP_HELP] = {.phases = PH_ANY, .flags = VERB_JUNK, .check = NULL, .act = act_help},
	[SMTP_QUIT] = {.phases = PH_ANY | PH(REFUSED),
		.flags = VERB_LAST,
		.check = NULL,
		.act = act_quit},
};

/* Out of its phase: what is missing. */
static void say_sequence(struct smtp_server *sv, enum smtp_verb v)
{
	const char *hint = "Bad sequence of commands";

	if (sv->phase == SMTP_PHASE_REFUSED)
		hint = "No service here, say QUIT";
	else if (sv->phase == SMTP_PHASE_GREETED)
		hint = sv->s.is_lmtp ? "Say LHLO first" : "Say EHLO or HELO first";
	else if (v == SMTP_MAIL)
		hint = "Sender already given";
	else if (v == SMTP_RCPT && sv->phase == SMTP_PHASE_READY)
		hint = "Need MAIL first";
	else if (v == SMTP_STARTTLS)
		hint = "Not within a transaction";
	smtp_reply_set(&sv->reply, 503, 5, 5, 1, "%s", hint);
}

/* A browser, or somebody who makes one talk to us (ALPACA): no second chance. */
static bool is_http(const struct smtp_command *c)
{
	static const struct span words[] = {SPAN("GET"), SPAN("POST"), SPAN("PUT"), SPAN("HEAD"),
		SPAN("CONNECT"), SPAN("OPTIONS"), SPAN("DELETE"), SPAN("PATCH"), SPAN("TRACE"),
		SPAN("PRI")};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (span_eq_nocase(c->word, words[i]) && c->args.len)
			return true;
	return false;
}

/* The line as a whole: is it a command at all? Sets the reply when it is not. */
static bool check_line(struct smtp_server *sv, const struct smtp_command *c, bool is_crlf,
	bool is_parsed, const struct err *why)
{
	if (!is_crlf && sv->s.opts->newlines == SMTP_NEWLINES_REFUSE)
		/* RFC 5321 section 2.3.8 */
		smtp_reply_set(&sv->reply, 500, 5, 5, 2, "Lines must end with CR LF");
	else if (!is_parsed)
		smtp_reply_set(&sv->reply, why->smtp, why->enh_class, why->enh_subject,
			why->enh_detail, "%s", why->text);
	else if (c->verb == SMTP_VERB_UNKNOWN)
		smtp_reply_set(&sv->reply, 500, 5, 5, 2, "Command not recognized");
	else if (!rules[c->verb].act)
		smtp_reply_set(
			&sv->reply, 502, 5, 5, 1, "%s is not offered", smtp_verb_str(c->verb));
	else
		return true;
	return false;
}

static bool check_junk(struct smtp_server *sv, const struct verb_rule *rule)
{
	unsigned max = sv->s.opts->limits.junk_commands;

	if (!(rule->flags & VERB_JUNK) || !max || ++sv->junk <= max)
		return true;
	smtp_server_close(sv, "junk", 7, 0, "Too many commands without a message");
	return false;
}

/* Say a refusal that sv->reply holds. After DATA and BDAT no envelope remains (a client that goes
 * on as if there were one must not find another's). */
static FIBER int refuse(struct smtp_server *sv, enum smtp_verb v, struct err *e)
{
	if (v < SMTP_VERB_COUNT && (rules[v].flags & VERB_BODY))
		smtp_server_reset(sv);
	if (smtp_server_say(sv, e) < 0)
		return -1;
	/* How many octets follow a BDAT that was not understood is anybody's guess. */
	if (v == SMTP_BDAT && sv->phase != SMTP_PHASE_CLOSED)
		smtp_server_close(sv, "bdat", 5, 2, "Cannot tell how much would follow");
	return 0;
}

FIBER int smtp_server_obey(struct smtp_server *sv, struct span line, bool is_crlf, struct err *e)
{
	struct smtp_command c;
	struct err why = {0};
	const struct verb_rule *rule;
	bool is_parsed = smtp_command_parse(sv->cmd, line, sv->features, sv->s.mail.is_smtputf8, &c,
				 &why) == 0;

	if (c.verb == SMTP_VERB_UNKNOWN && is_http(&c)) {
		smtp_server_close(sv, "http", 7, 0, "This is no web server");
		return 0;
	}
	if (!check_line(sv, &c, is_crlf, is_parsed, &why))
		return refuse(sv, c.verb, e);
	rule = &rules[c.verb];
	if (!(rule->phases & (1u << sv->phase))) {
		say_sequence(sv, c.verb);
		return refuse(sv, c.verb, e);
	}
	if (!check_junk(sv, rule))
		return 0;
	if ((rule->flags & VERB_LAST) && stream_peek(sv->s.stream).len && !sv->early)
		sv->early = smtp_verb_str(c.verb); /* tolerated, and noted */
	if (rule->check && !rule->check(sv, &c))
		return refuse(sv, c.verb, e);
	return rule->act(sv, &c, e);
}
