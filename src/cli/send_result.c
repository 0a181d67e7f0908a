#include <string.h>

#include "base/clock.h"
#include "proto/mail/mail_cause.h"
#include "cli/send_priv.h"

#define ENHANCED_MAX 32

/* What became of it: exit status, advice, JSON. */

static int of_phase(enum yz_phase phase)
{
	switch (phase) {
	case YZ_PHASE_RESOLVE:
	case YZ_PHASE_CONNECT: return SEND_EXIT_CONNECT;
	case YZ_PHASE_PROXY: return SEND_EXIT_PROXY;
	case YZ_PHASE_TLS: return SEND_EXIT_TLS;
	case YZ_PHASE_GREETING: return SEND_EXIT_BANNER;
	case YZ_PHASE_HELLO: return SEND_EXIT_HELO;
	case YZ_PHASE_AUTH: return SEND_EXIT_AUTH;
	case YZ_PHASE_MAIL: return SEND_EXIT_MAIL;
	case YZ_PHASE_RCPT: return SEND_EXIT_RCPT;
	case YZ_PHASE_DATA: return SEND_EXIT_DATA;
	case YZ_PHASE_BODY:
	case YZ_PHASE_FINAL: return SEND_EXIT_BODY;
	case YZ_PHASE_QUIT: return SEND_EXIT_QUIT;
	case YZ_PHASE_NONE:
	case YZ_PHASE_RSET:
	case YZ_PHASE_COMMAND: break;
	}
	return SEND_EXIT_CLOSED;
}

int send_exit_of(const struct yz_error *e)
{
	switch ((enum yz_err)e->code) {
	case YZ_OK: return SEND_EXIT_OK;
	case YZ_E_INVAL:
	case YZ_E_STATE:
	case YZ_E_LIMIT: return SEND_EXIT_WORDS;
	case YZ_E_RESOLVE:
	case YZ_E_CONNECT: return SEND_EXIT_CONNECT;
	case YZ_E_TLS:
	case YZ_E_TLS_VERIFY: return SEND_EXIT_TLS;
	case YZ_E_GREETING: return SEND_EXIT_BANNER;
	case YZ_E_HELO: return SEND_EXIT_HELO;
	case YZ_E_AUTH: return SEND_EXIT_AUTH;
	case YZ_E_SENDER: return SEND_EXIT_MAIL;
	case YZ_E_RCPTS: return SEND_EXIT_RCPT;
	case YZ_E_DATA: return e->phase == YZ_PHASE_DATA ? SEND_EXIT_DATA : SEND_EXIT_BODY;
	case YZ_E_SIZE: return SEND_EXIT_LACKS;
	case YZ_E_NOTSUPP:
		return e->phase == YZ_PHASE_AUTH   ? SEND_EXIT_AUTH
			: e->phase == YZ_PHASE_TLS ? SEND_EXIT_TLS
						   : SEND_EXIT_LACKS;
	case YZ_E_SOURCE: return SEND_EXIT_SOURCE;
	case YZ_E_UNKNOWN: return SEND_EXIT_UNKNOWN;
	case YZ_E_REPLY: return of_phase(e->phase);
	case YZ_E_TIMEOUT:
	case YZ_E_CLOSED:
	case YZ_E_PROTO:
		return e->phase == YZ_PHASE_GREETING ? SEND_EXIT_BANNER
			: e->phase == YZ_PHASE_CONNECT || e->phase == YZ_PHASE_RESOLVE
			? SEND_EXIT_CONNECT
			: SEND_EXIT_CLOSED;
	case YZ_E_SYSTEM:
	case YZ_E_CANCELLED:
	case YZ_E_AGAIN: break;
	}
	return SEND_EXIT_CLOSED;
}

/* What a client may do about it that a sender of mail to others may not; else the table of causes. */
static const char *by_code(const struct yz_reply *r)
{
	struct buf enhanced;
	const struct mail_cause *c;

	if (!r || r->code < 400)
		return NULL;
	if (r->cls && r->subject == 7 && r->detail == 8)
		return "user name or password are wrong";
	if (r->cls && r->subject == 7 && r->detail == 1)
		return "the server does not take this from you: log in, or ask its own MX hosts";
	if (r->cls && r->subject == 1 && r->detail == 8)
		return "the server does not like the sender's address: say --from";
	if (r->code == 530)
		return "the server wants a login or TLS first";
	buf_init(&enhanced, ENHANCED_MAX);
	if (r->cls)
		buf_printf(&enhanced, "%u.%u.%u", r->cls, r->subject, r->detail);
	c = mail_cause_find((unsigned)r->code, buf_span(&enhanced), span_str(r->text));
	buf_fini(&enhanced);
	return c->is_general ? NULL : c->text[MAIL_LANG_EN];
}

const char *send_advice(int err, const struct yz_reply *reply, enum yz_outcome outcome)
{
	const char *text = by_code(reply);

	if (text)
		return text;
	if (outcome == YZ_UNKNOWN)
		return "it may have arrived: look before you send it again";
	if (outcome == YZ_REFUSED_TEMP)
		return "temporary: try again later";
	if (outcome == YZ_REFUSED_PERM)
		return "permanent: sending it again will not help";
	switch (err) {
	case YZ_E_TLS_VERIFY:
		return "--tls-ca-path FILE trusts another authority, --no-tls-verify anybody";
	case YZ_E_CONNECT: return "is the server running, and the port right? (--port)";
	case YZ_E_RESOLVE: return "look for a slip in the name";
	case YZ_E_NOTSUPP: return "yizhan probe HOST shows what a server offers";
	default: return NULL;
	}
}

void send_put_reply(struct json_out *j, const char *key, const struct yz_reply *r)
{
	json_key(j, key);
	if (!r || !r->code) {
		json_null(j);
		return;
	}
	json_open_object(j);
	json_kv_u64(j, "code", (uint64_t)r->code);
	if (r->cls) {
		json_key(j, "enhanced");
		struct buf b;
		buf_init(&b, 64);
		buf_printf(&b, "%u.%u.%u", r->cls, r->subject, r->detail);
		json_span(j, buf_span(&b));
		buf_fini(&b);
	}
	json_kv_str(j, "text", r->text);
	json_key(j, "lines");
	json_open_array(j);
	for (size_t i = 0; i < r->line_count; i++)
		json_str(j, r->lines[i]);
	json_close(j);
	json_close(j);
}

static void put_ms(struct json_out *j, const char *key, int64_t ns)
{
	json_key(j, key);
	json_double(j, (double)(ns / CLOCK_US) / 1000.0);
}

void send_put_txn(
	struct json_out *j, const struct send_letter *l, const struct yz_txn *t, int64_t took_ns)
{
	json_open_object(j);
	if (l->label)
		json_kv_str(j, "message", l->label);
	json_kv_str(j, "from", l->from);
	json_kv_str(j, "outcome", yz_outcome_str(yz_txn_outcome(t)));
	json_kv_u64(j, "accepted", yz_txn_accepted(t));
	json_kv_u64(j, "octets", yz_txn_octets(t));
	put_ms(j, "ms", took_ns);
	send_put_reply(j, "reply", yz_txn_reply(t));
	json_key(j, "recipients");
	json_open_array(j);
	for (size_t i = 0; i < yz_txn_count(t); i++) {
		const struct yz_result *r = yz_txn_result(t, i);

		json_open_object(j);
		json_kv_str(j, "address", r->path);
		json_kv_str(j, "outcome", yz_outcome_str(r->outcome));
		json_kv_str(j, "stage", yz_phase_name(r->phase));
		send_put_reply(j, "reply", r->reply);
		send_put_reply(j, "rcpt_reply", r->rcpt);
		json_kv_bool(j, "is_ours", r->is_ours);
		json_kv_str(j, "text", r->text);
		json_close(j);
	}
	json_close(j);
	send_put_error(j, yz_txn_error(t));
	json_close(j);
}

void send_put_error(struct json_out *j, const struct yz_error *e)
{
	json_key(j, "error");
	if (!e || e->code == YZ_OK) {
		json_null(j);
		return;
	}
	json_open_object(j);
	json_kv_str(j, "code", yz_err_name(e->code));
	json_kv_str(j, "stage", yz_phase_name(e->phase));
	json_kv_str(j, "text", e->text);
	json_kv_bool(j, "is_temporary", e->is_temporary);
	send_put_reply(j, "reply", e->reply);
	json_close(j);
}

static void put_tls(struct json_out *j, const struct yz_tls_info *t)
{
	json_key(j, "tls");
	if (!t) {
		json_null(j);
		return;
	}
	json_open_object(j);
	json_kv_str(j, "version", t->version);
	json_kv_str(j, "cipher", t->cipher);
	json_kv_u64(j, "bits", t->bits);
	json_kv_str(j, "group", t->group);
	json_kv_bool(j, "is_verified", t->is_verified);
	json_kv_str(j, "verify", t->verify_text);
	json_kv_str(j, "name", t->name);
	json_key(j, "certificates");
	json_open_array(j);
	for (size_t i = 0; i < t->cert_count; i++) {
		const struct yz_cert *c = &t->certs[i];

		json_open_object(j);
		json_kv_str(j, "subject", c->subject);
		json_kv_str(j, "issuer", c->issuer);
		json_kv_str(j, "names", c->names);
		json_kv_i64(j, "not_before", c->not_before);
		json_kv_i64(j, "not_after", c->not_after);
		json_kv_str(j, "key", c->key);
		json_kv_str(j, "sha256", c->sha256);
		json_close(j);
	}
	json_close(j);
	json_close(j);
}

void send_put_session(struct json_out *j, const struct yz_session *s)
{
	const struct yz_attempt *attempts;
	size_t count = yz_attempts(s, &attempts);
	const char *keyword, *params;

	json_kv_str(j, "host", yz_host(s));
	json_kv_str(j, "peer", yz_peer(s));
	json_kv_str(j, "local", yz_local(s));
	json_key(j, "attempts");
	json_open_array(j);
	for (size_t i = 0; i < count; i++) {
		json_open_object(j);
		json_kv_str(j, "host", attempts[i].host);
		json_kv_str(j, "address", attempts[i].address);
		json_kv_str(j, "error", yz_err_name(attempts[i].err));
		json_kv_str(j, "text", attempts[i].text);
		json_close(j);
	}
	json_close(j);
	send_put_reply(j, "greeting", yz_greeting_reply(s));
	send_put_reply(j, "hello", yz_hello_reply(s));
	json_kv_str(j, "hello_name", yz_hello_name(s));
	json_key(j, "capabilities");
	json_open_object(j);
	for (size_t i = 0; (keyword = yz_cap_at(s, i, &params)); i++)
		json_kv_str(j, keyword, params);
	json_close(j);
	put_tls(j, yz_tls(s));
	json_kv_str(j, "auth_mechanism", yz_auth_mechanism(s));
	send_put_reply(j, "auth", yz_auth_reply(s));
}
