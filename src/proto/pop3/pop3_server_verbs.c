#include "base/must.h"
#include "proto/pop3/pop3_server_priv.h"
#include "proto/sasl/sasl_talk.h"

typedef FIBER int act_fn(struct pop3_server *sv, const struct pop3_command *c, struct err *e);

#define ALWAYS POP3_FEATURE_COUNT /* no capability: what everybody can */

/* ---- what is there ---- */

static void put_capability(struct pop3_server *sv, enum pop3_feature f, const char *args)
{
	if (pop3_server_has(sv, f))
		stream_printf(
			sv->s.stream, "%s%s%s\r\n", pop3_feature_str(f), args[0] ? " " : "", args);
}

/* RFC 2449 section 5: of what is there in one state only, both states tell, but for what a login has done
 * away with (section 6.9 keeps IMPLEMENTATION for those who have logged in). */
static FIBER int act_capa(struct pop3_server *sv, const struct pop3_command *c, struct err *e)
{
	const struct pop3_server_opts *o = sv->s.opts;
	bool is_clear = pop3_server_is_clear_good(sv);
	struct buf text;

	buf_init(&text, SASL_TALK_LIST_MAX);
	pop3_server_ok(sv, "Capability list follows");
	put_capability(sv, POP3_FEATURE_TOP, "");
	put_capability(sv, POP3_FEATURE_UIDL, "");
	if (is_clear)
		put_capability(sv, POP3_FEATURE_USER, "");
	sv->decider->prepare(sv->ctx);
	pop3_server_offer(sv, &text);
	if (buf_len(&text))
		put_capability(sv, POP3_FEATURE_SASL, buf_cstr(&text));
	put_capability(sv, POP3_FEATURE_RESP_CODES, "");
	if (pop3_server_has(sv, POP3_FEATURE_RESP_CODES))
		put_capability(sv, POP3_FEATURE_AUTH_RESP_CODE, "");
	put_capability(sv, POP3_FEATURE_PIPELINING, "");
	buf_clear(&text);
	buf_printf(&text, "%lld", (long long)o->login_delay_sec);
	if (o->login_delay_sec)
		put_capability(sv, POP3_FEATURE_LOGIN_DELAY, buf_cstr(&text));
	buf_clear(&text);
	buf_u64(&text, o->expire_days);
	put_capability(sv, POP3_FEATURE_EXPIRE,
		o->expire_days == POP3_EXPIRE_NEVER ? "NEVER" : buf_cstr(&text));
	if (o->tls && !sv->s.stream->tls)
		put_capability(sv, POP3_FEATURE_STLS, "");
	/* RFC 6856 section 2.2: USER and PASS take UTF-8 */
	put_capability(sv, POP3_FEATURE_UTF8, "USER");
	put_capability(sv, POP3_FEATURE_LANG, "");
	if (o->software && sv->phase == POP3_PHASE_MAIL)
		put_capability(sv, POP3_FEATURE_IMPLEMENTATION, o->software);
	stream_put(sv->s.stream, SPAN(".\r\n"));
	buf_fini(&text);
	return 0;
}

/* RFC 6856 section 2.1 */
static FIBER int act_utf8(struct pop3_server *sv, const struct pop3_command *c, struct err *e)
{
	sv->s.is_utf8 = true;
	pop3_server_ok(sv, "UTF8 enabled");
	return 0;
}

/* RFC 6856 section 3. What is said to people is English, which is the default as well. */
static FIBER int act_lang(struct pop3_server *sv, const struct pop3_command *c, struct err *e)
{
	struct span tag = c->text;

	if (c->second.len) {
		pop3_server_err(sv, POP3_CODE_NONE, "One language at a time");
	} else if (!tag.len) {
		pop3_server_ok(sv, "Language listing follows");
		stream_put(sv->s.stream, SPAN("en English\r\ni-default The same\r\n.\r\n"));
	} else if (span_eq(tag, SPAN("*")) || span_eq_nocase(tag, SPAN("en")) ||
		span_starts_nocase(tag, SPAN("en-"))) {
		pop3_server_ok(sv, "en Language changed");
	} else if (span_eq_nocase(tag, SPAN("i-default"))) {
		pop3_server_ok(sv, "i-default Language changed");
	} else {
		pop3_server_err(sv, POP3_CODE_NONE, "There is no such language here");
	}
	return 0;
}

static FIBER int act_apop(struct pop3_server *sv, const struct pop3_command *c, struct err *e)
{
	pop3_server_err(sv, POP3_CODE_NONE, "APOP is not offered: no password is kept in clear");
	return 0;
}

static FIBER int act_noop(struct pop3_server *sv, const struct pop3_command *c, struct err *e)
{
	pop3_server_ok(sv, "Nothing done");
	return 0;
}

static FIBER int act_quit(struct pop3_server *sv, const struct pop3_command *c, struct err *e)
{
	if (sv->phase == POP3_PHASE_MAIL && pop3_server_update(sv, e) < 0)
		return -1;
	if (sv->phase != POP3_PHASE_UPDATE)
		pop3_server_ok(sv, "Goodbye");
	sv->why = "quit";
	pop3_server_phase(sv, POP3_PHASE_CLOSED);
	return 0;
}

/* ---- the table ---- */

static const struct {
	unsigned phases;
	unsigned feature; /* the capability that it belongs to */
	act_fn *act;
} rules[POP3_VERB_COUNT] = {
	[POP3_USER] = {PH_CLEAR, POP3_FEATURE_USER, pop3_server_user},
	[POP3_PASS] = {PH(USER), POP3_FEATURE_USER, pop3_server_pass},
	[POP3_APOP] = {PH_CLEAR, ALWAYS, act_apop},
	[POP3_AUTH] = {PH_CLEAR, POP3_FEATURE_SASL, pop3_server_auth},
	[POP3_CAPA] = {PH_ANY, ALWAYS, act_capa},
	[POP3_STLS] = {PH_CLEAR, POP3_FEATURE_STLS, pop3_server_stls},
	[POP3_UTF8] = {PH_CLEAR, POP3_FEATURE_UTF8, act_utf8},
	[POP3_LANG] = {PH_ANY, POP3_FEATURE_LANG, act_lang},
	[POP3_STAT] = {PH(MAIL), ALWAYS, pop3_server_stat},
	[POP3_LIST] = {PH(MAIL), ALWAYS, pop3_server_list},
	[POP3_UIDL] = {PH(MAIL), POP3_FEATURE_UIDL, pop3_server_list},
	[POP3_RETR] = {PH(MAIL), ALWAYS, pop3_server_retr},
	[POP3_TOP] = {PH(MAIL), POP3_FEATURE_TOP, pop3_server_retr},
	[POP3_DELE] = {PH(MAIL), ALWAYS, pop3_server_dele},
	[POP3_NOOP] = {PH(MAIL), ALWAYS, act_noop},
	[POP3_RSET] = {PH(MAIL), ALWAYS, pop3_server_rset},
	[POP3_QUIT] = {PH_ANY, ALWAYS, act_quit},
};

static void wrong_state(struct pop3_server *sv, enum pop3_verb v)
{
	if (v == POP3_PASS && sv->phase == POP3_PHASE_CLEAR)
		pop3_server_err(sv, POP3_CODE_NONE, "USER comes first");
	else if (sv->phase == POP3_PHASE_MAIL)
		pop3_server_err(sv, POP3_CODE_NONE, "%s is for before the login", pop3_verb_str(v));
	else
		pop3_server_err(sv, POP3_CODE_NONE, "Log in first");
}

FIBER int pop3_server_obey(struct pop3_server *sv, struct span line, struct err *e)
{
	struct pop3_command c;
	struct err why = {0};
	bool is_good = pop3_command_parse(line, &c, &why) == 0;
	unsigned feature = c.verb == POP3_UNKNOWN ? ALWAYS : rules[c.verb].feature;
	/* PASS may follow a good USER at once and nothing else (RFC 1939 section 7) */
	bool keeps_name = c.verb == POP3_PASS || c.verb == POP3_CAPA || c.verb == POP3_LANG;

	if (c.verb == POP3_UNKNOWN)
		pop3_server_err(sv, POP3_CODE_NONE, "Unknown command");
	else if (feature != ALWAYS && !pop3_server_has(sv, (enum pop3_feature)feature))
		pop3_server_err(sv, POP3_CODE_NONE, "%s is not offered", pop3_verb_str(c.verb));
	else if (!(rules[c.verb].phases & (1u << sv->phase)))
		wrong_state(sv, c.verb);
	else if (!is_good)
		pop3_server_err(sv, POP3_CODE_NONE, "%s: %s", pop3_verb_str(c.verb), why.text);
	else if (sv->phase == POP3_PHASE_USER && !keeps_name)
		return pop3_server_phase(sv, POP3_PHASE_CLEAR), rules[c.verb].act(sv, &c, e);
	else
		return rules[c.verb].act(sv, &c, e);
	if (++sv->errors >= sv->s.opts->limits.errors)
		pop3_server_close(sv, POP3_CODE_NONE, "errors", "Too many errors");
	return 0;
}
