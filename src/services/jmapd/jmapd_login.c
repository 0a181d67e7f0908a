/* The owner's logins, of the page's own capability: sessions, app passwords, the second factor, the password, who
 * tried. Only a session of the page may look and change: an app password must not make others. */

#include "base/enc.h"
#include "base/must.h"
#include "base/secret.h"
#include "net/addr.h"
#include "store/web_login.h"
#include "services/auth/totp.h"
#include "services/jmapd/jmapd_priv.h"

#define LOGIN_EVENTS_PAGE  256
#define LOGIN_APP_TEXT_MAX 1024
#define LOGIN_TOTP_URL_MAX 2048

static const char *const session_properties[] = {
	"id", "createdAt", "usedAt", "expiresAt", "peer", "agent", "isCurrent", NULL};
static const char *const app_properties[] = {
	"id", "name", "scopes", "networks", "createdAt", "expiresAt", "usedAt", "usedFrom", NULL};
static const char *const second_properties[] = {
	"id", "isOn", "isBegun", "since", "recoveryCodesLeft", NULL};
static const char *const event_properties[] = {
	"id", "at", "isGood", "protocol", "mechanism", "peer", "agent", "reason", NULL};

static const struct jmap_type session_type = {"Session", 'W', session_properties, OBJECT_SESSION};
static const struct jmap_type app_type = {"AppPassword", 'K', app_properties, OBJECT_SESSION};
static const struct jmap_type second_type = {"TwoFactor", 0, second_properties, OBJECT_SESSION};
static const struct jmap_type event_type = {"LoginEvent", 'L', event_properties, OBJECT_SESSION};

static const struct {
	const char *word;
	unsigned bit;
} scopes[] = {
#define X(id, bit, word) {word, bit},
	ACCOUNT_SCOPES(X)
#undef X
};

/* The page's session that asks. */
static FIBER int must_be_page(struct jmap_call *c, struct web_who *who, struct err *e)
{
	const struct jmapd_opts *o = jmapd_opts_of(c->d);

	if (web_login_cookie(o->login, c->web, who, e) < 0)
		return -1;
	if (!who->session_id || who->who.account_id != c->user.account_id ||
		http_field(c->web->x, "Authorization").ptr)
		return jmap_fail(c, "forbidden", e, "only the page itself may do this");
	return 0;
}

static struct store *store_of_call(const struct jmap_call *c)
{
	return jmapd_opts_of(c->d)->store;
}

static void put_date(struct jmap_call *c, const char *name, int64_t ns)
{
	json_key(c->out, name);
	if (ns)
		jmap_put_date(c->out, ns);
	else
		json_null(c->out);
}

static FIBER int end_get(struct jmap_call *c, struct jmap_get *g, struct err *e)
{
	uint64_t state;

	if (object_state(store_of_call(c), g->account->id, OBJECT_SESSION, &state, e) < 0)
		return -1;
	jmap_get_end(c, g, state);
	return 0;
}

/* ids that the list did not have: `has` tells of each */
static void missing(struct jmap_call *c, struct jmap_get *g, const bool *is_found)
{
	for (size_t i = 0; i < g->count; i++)
		if (!is_found[i])
			jmap_get_missing(c, g, g->ids[i]);
}

/* Is the object wanted? */
static bool is_asked(const struct jmap_get *g, uint64_t id, bool *is_found)
{
	for (size_t i = 0; i < g->count; i++) {
		if (g->numbers[i] == id) {
			is_found[i] = true;
			return true;
		}
	}
	return g->is_all;
}

/* ---- sessions ---- */

static void put_session(struct jmap_call *c, const struct jmap_get *g, const struct web_session *s,
	uint64_t current)
{
	struct json_out *j = c->out;

	json_open_object(j);
	json_key(j, "id");
	jmap_put_id(j, 'W', s->id);
	if (jmap_get_wants(g, "createdAt"))
		put_date(c, "createdAt", s->created_ns);
	if (jmap_get_wants(g, "usedAt"))
		put_date(c, "usedAt", s->used_ns);
	if (jmap_get_wants(g, "expiresAt"))
		put_date(c, "expiresAt", s->expires_ns);
	if (jmap_get_wants(g, "peer"))
		json_kv_span(j, "peer", s->peer);
	if (jmap_get_wants(g, "agent"))
		json_kv_span(j, "agent", s->agent);
	if (jmap_get_wants(g, "isCurrent"))
		json_kv_bool(j, "isCurrent", s->id == current);
	json_close(j);
}

static FIBER int session_get(struct jmap_call *c, struct err *e)
{
	struct web_session *list;
	struct jmap_get g;
	struct web_who who;
	size_t count;
	bool *is_found;

	if (must_be_page(c, &who, e) < 0 || jmap_get_begin(c, &g, &session_type, e) < 0 ||
		web_session_list(store_of_call(c), c->a, g.account->id, loop_wall_ns(), &list,
			&count, e) < 0)
		return -1;
	is_found = ARENA_ARRAY(c->a, bool, g.count + 1);
	json_key(c->out, "list");
	json_open_array(c->out);
	for (size_t i = 0; i < count; i++)
		if (is_asked(&g, list[i].id, is_found))
			put_session(c, &g, &list[i], who.session_id);
	json_close(c->out);
	missing(c, &g, is_found);
	return end_get(c, &g, e);
}

static FIBER int session_destroy(struct jmap_set *s, uint64_t id, struct span id_text,
	struct jmap_set_error *why_r, struct err *e)
{
	struct err why = {0};

	if (web_session_end(store_of_call(s->call), s->account->id, id, &why) == 0)
		return 0;
	if (why.code != ERR_NOT_FOUND)
		return err_copy(e, &why);
	why_r->type = "notFound";
	return 0;
}

static FIBER int session_set(struct jmap_call *c, struct err *e)
{
	static const struct jmap_set_type type = {
		.type = &session_type, .destroy = session_destroy};
	struct web_who who;

	return must_be_page(c, &who, e) < 0 ? -1 : jmap_set_run(c, &type, NULL, e);
}

/* ---- app passwords ---- */

static void put_scopes(struct json_out *j, unsigned given)
{
	json_key(j, "scopes");
	json_open_array(j);
	for (size_t i = 0; i < ARRAY_LEN(scopes); i++)
		if (given & scopes[i].bit)
			json_str(j, scopes[i].word);
	json_close(j);
}

static void put_networks(struct json_out *j, struct span networks)
{
	struct span word;

	json_key(j, "networks");
	json_open_array(j);
	while ((word = span_word(&networks)).len)
		json_span(j, word);
	json_close(j);
}

static void put_app(
	struct jmap_call *c, const struct jmap_get *g, const struct account_app_password *app)
{
	struct json_out *j = c->out;

	json_open_object(j);
	json_key(j, "id");
	jmap_put_id(j, 'K', app->id);
	if (jmap_get_wants(g, "name"))
		json_kv_span(j, "name", app->name);
	if (jmap_get_wants(g, "scopes"))
		put_scopes(j, app->scopes);
	if (jmap_get_wants(g, "networks"))
		put_networks(j, app->networks);
	if (jmap_get_wants(g, "createdAt"))
		put_date(c, "createdAt", app->created_ns);
	if (jmap_get_wants(g, "expiresAt"))
		put_date(c, "expiresAt", app->expires_ns);
	if (jmap_get_wants(g, "usedAt"))
		put_date(c, "usedAt", app->used_ns);
	if (jmap_get_wants(g, "usedFrom"))
		json_kv_span(j, "usedFrom", app->used_from);
	json_close(j);
}

static FIBER int app_get(struct jmap_call *c, struct err *e)
{
	struct account_app_password *list;
	struct jmap_get g;
	struct web_who who;
	size_t count;
	bool *is_found;

	if (must_be_page(c, &who, e) < 0 || jmap_get_begin(c, &g, &app_type, e) < 0 ||
		account_app_list(store_of_call(c), c->a, g.account->id, &list, &count, e) < 0)
		return -1;
	is_found = ARENA_ARRAY(c->a, bool, g.count + 1);
	json_key(c->out, "list");
	json_open_array(c->out);
	for (size_t i = 0; i < count; i++)
		if (is_asked(&g, list[i].id, is_found))
			put_app(c, &g, &list[i]);
	json_close(c->out);
	missing(c, &g, is_found);
	return end_get(c, &g, e);
}

static void invalid(
	struct jmap_set_error *why, const char *const *property, const char *description)
{
	*why = (struct jmap_set_error){.type = "invalidProperties",
		.properties = property,
		.property_count = 1,
		.description = description};
}

static bool read_scopes(const struct json_in *list, unsigned *scopes_r)
{
	*scopes_r = 0;
	for (size_t i = 0; i < json_in_count(list); i++) {
		struct span word = json_in_span(json_in_at(list, i));
		unsigned bit = 0;

		for (size_t k = 0; k < ARRAY_LEN(scopes); k++)
			if (span_eq(word, span_str(scopes[k].word)))
				bit = scopes[k].bit;
		if (!bit)
			return false;
		*scopes_r |= bit;
	}
	return *scopes_r != 0;
}

static bool read_networks(struct arena *a, const struct json_in *list, struct span *networks_r)
{
	struct buf *b = arena_buf(a, LOGIN_APP_TEXT_MAX);
	struct addr_net net;

	for (size_t i = 0; i < json_in_count(list); i++) {
		struct span word = json_in_span(json_in_at(list, i));

		if (addr_net_parse(word, &net, NULL) < 0)
			return false;
		if (buf_len(b))
			buf_char(b, ' ');
		buf_span_put(b, word);
	}
	*networks_r = buf_span(b);
	return buf_ok(b);
}

/* False: *why_r. */
static bool read_app(struct arena *a, const struct json_in *o, struct account_app_password *app,
	struct jmap_set_error *why_r)
{
	static const char *const names[] = {"name", "scopes", "networks", "expiresAt", NULL};
	const struct json_in *expires = json_in_get(o, "expiresAt"), *value;
	const char *name;
	void *at = NULL;

	while (json_in_next(o, &at, &name, &value)) {
		bool is_known = false;

		for (size_t i = 0; names[i]; i++)
			is_known |= span_eq(span_str(name), span_str(names[i]));
		if (!is_known) {
			*why_r = (struct jmap_set_error){.type = "invalidProperties",
				.description = "There are name, scopes, networks, expiresAt."};
			return false;
		}
	}
	app->name = json_in_text(o, "name");
	if (!app->name.len || app->name.len > 64 || span_has_line_break(app->name))
		invalid(why_r, &names[0], "A name has 1 to 64 octets.");
	else if (!read_scopes(json_in_get(o, "scopes"), &app->scopes))
		invalid(why_r, &names[1], "There are submit, imap, pop3, sieve, web.");
	else if (!read_networks(a, json_in_get(o, "networks"), &app->networks))
		invalid(why_r, &names[2], "Networks look like 192.0.2.0/24 and 2001:db8::/32.");
	else if (json_in_is_text(expires) &&
		(!jmap_date(json_in_span(expires), &app->expires_ns) ||
			app->expires_ns <= loop_wall_ns()))
		invalid(why_r, &names[3], "A date to come is expected, or null.");
	return !why_r->type;
}

static FIBER int app_create(struct jmap_set *s, const struct json_in *object, struct span *id_r,
	struct span *server_set_r, struct jmap_set_error *why_r, struct err *e)
{
	static const char *const name[] = {"name", NULL};
	struct arena *a = s->call->a;
	struct account_app_password app = {.account_id = s->account->id};
	struct buf *b = arena_buf(a, LOGIN_APP_TEXT_MAX), *id = arena_buf(a, 32);
	struct span password;
	struct err why = {0};
	struct json_out j;

	if (!read_app(a, object, &app, why_r))
		return 0;
	if (auth_app_make(store_of_call(s->call), a, &app, &password, e) < 0)
		return -1;
	secret_guard(a, password);
	if (account_app_add(store_of_call(s->call), &app, &why) < 0) {
		if (why.code == ERR_EXISTS)
			invalid(why_r, name, "There is one of that name.");
		else if (why.code == ERR_LIMIT)
			why_r->type = "overQuota";
		return why_r->type ? 0 : err_copy(e, &why);
	}
	enc_put_object(id, 'K', app.id);
	*id_r = buf_span(id);
	json_out_init(&j, b);
	json_open_object(&j);
	json_kv_span(&j, "password", password); /* now and never again */
	json_key(&j, "createdAt");
	jmap_put_date(&j, app.created_ns);
	json_close(&j);
	*server_set_r = buf_span(b);
	return 0;
}

static FIBER int app_destroy(struct jmap_set *s, uint64_t id, struct span id_text,
	struct jmap_set_error *why_r, struct err *e)
{
	struct account_app_password *list;
	struct err why = {0};
	size_t count;

	if (account_app_list(store_of_call(s->call), s->call->a, s->account->id, &list, &count, e) <
		0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (list[i].id != id)
			continue;
		if (account_app_remove(
			    store_of_call(s->call), s->account->id, list[i].name, &why) == 0)
			return 0;
		if (why.code != ERR_NOT_FOUND)
			return err_copy(e, &why);
	}
	why_r->type = "notFound";
	return 0;
}

static FIBER int app_set(struct jmap_call *c, struct err *e)
{
	static const struct jmap_set_type type = {
		.type = &app_type, .create = app_create, .destroy = app_destroy};
	struct web_who who;

	return must_be_page(c, &who, e) < 0 ? -1 : jmap_set_run(c, &type, NULL, e);
}

/* ---- the password, once more ---- */

enum proof { PROOF_GOOD, PROOF_WRONG, PROOF_WAIT };

/* Is it the account's own password? Counted as any login is. */
static FIBER int prove(
	struct jmap_call *c, struct span password, enum proof *proof_r, struct err *e)
{
	const struct jmapd_opts *o = jmapd_opts_of(c->d);
	struct auth_conn conn;
	struct err why = {0};

	*proof_r = PROOF_WRONG;
	auth_conn_init_peer(&conn, o->auth, ACCOUNT_SCOPE_WEB, &c->web->r->client);
	conn.agent = http_field(c->web->x, "User-Agent");
	conn.is_second_asked = true;
	if (auth_password(&conn, c->user.address, password, &why) == 0)
		*proof_r = conn.who.account_id == c->user.account_id && !conn.who.app_id
			? PROOF_GOOD
			: PROOF_WRONG;
	else if (why.smtp == 454)
		*proof_r = PROOF_WAIT;
	auth_conn_fini(&conn);
	return why.code && !why.smtp ? err_copy(e, &why) : 0;
}

/* ---- the second factor ---- */

static FIBER int second_get(struct jmap_call *c, struct err *e)
{
	struct json_out *j = c->out;
	struct totp totp;
	struct jmap_get g;
	struct web_who who;
	bool is_asked_for;

	if (must_be_page(c, &who, e) < 0 || jmap_get_begin(c, &g, &second_type, e) < 0 ||
		totp_get(store_of_call(c), c->a, g.account->id, &totp, e) < 0)
		return -1;
	secret_guard(c->a, totp.secret);
	is_asked_for = g.is_all;
	for (size_t i = 0; i < g.count; i++) {
		if (span_eq(g.ids[i], SPAN("singleton")))
			is_asked_for = true;
		else
			jmap_get_missing(c, &g, g.ids[i]);
	}
	json_key(j, "list");
	json_open_array(j);
	if (is_asked_for) {
		json_open_object(j);
		json_kv_str(j, "id", "singleton");
		if (jmap_get_wants(&g, "isOn"))
			json_kv_bool(j, "isOn", totp.is_on);
		if (jmap_get_wants(&g, "isBegun"))
			json_kv_bool(j, "isBegun", totp.secret.len && !totp.is_on);
		if (jmap_get_wants(&g, "since"))
			put_date(c, "since", totp.is_on ? totp.created_ns : 0);
		if (jmap_get_wants(&g, "recoveryCodesLeft"))
			json_kv_u64(j, "recoveryCodesLeft", totp.is_on ? totp.codes_left : 0);
		json_close(j);
	}
	json_close(j);
	return end_get(c, &g, e);
}

static const char *const action_property[] = {"action", NULL},
			 *const code_property[] = {"code", NULL},
			 *const password_property[] = {"password", NULL};

static FIBER int second_begin(
	struct jmap_set *s, struct span *server_set_r, struct jmap_set_error *why_r, struct err *e)
{
	struct arena *a = s->call->a;
	struct buf *b = arena_buf(a, 2 * LOGIN_TOTP_URL_MAX), *secret = arena_buf(a, 128);
	struct buf *url = arena_buf(a, LOGIN_TOTP_URL_MAX);
	struct span octets;
	struct err why = {0};
	struct json_out j;

	if (totp_secret_make(a, &octets, e) < 0)
		return -1;
	if (totp_begin(store_of_call(s->call), s->account->id, octets, loop_wall_ns(), &why) < 0) {
		if (why.code != ERR_STATE)
			return err_copy(e, &why);
		invalid(why_r, action_property, "It is on already.");
		return 0;
	}
	totp_put_base32(secret, octets);
	totp_put_url(
		url, octets, span_str(jmapd_opts_of(s->call->d)->hostname), s->call->user.address);
	json_out_init(&j, b);
	json_open_object(&j);
	json_kv_span(&j, "secret", buf_span(secret));
	json_kv_span(&j, "url", buf_span(url));
	json_kv_bool(&j, "isBegun", true);
	json_close(&j);
	*server_set_r = buf_span(b);
	return 0;
}

static struct span codes_json(struct arena *a, const struct span *codes)
{
	struct buf *b = arena_buf(a, LOGIN_APP_TEXT_MAX);
	struct json_out j;

	json_out_init(&j, b);
	json_open_object(&j);
	json_kv_bool(&j, "isOn", true);
	json_kv_bool(&j, "isBegun", false);
	json_kv_u64(&j, "recoveryCodesLeft", RECOVERY_CODES);
	json_key(&j, "recoveryCodes");
	json_open_array(&j);
	for (size_t i = 0; i < RECOVERY_CODES; i++)
		json_span(&j, codes[i]);
	json_close(&j);
	json_close(&j);
	return buf_span(b);
}

static FIBER int second_confirm(struct jmap_set *s, const struct json_in *patch,
	struct span *server_set_r, struct jmap_set_error *why_r, struct err *e)
{
	struct store *store = store_of_call(s->call);
	const struct web_who *who = s->arg;
	struct arena *a = s->call->a;
	struct span *codes, *hashes;
	struct err why = {0};
	struct totp totp;
	int64_t step;

	if (totp_get(store, a, s->account->id, &totp, e) < 0)
		return -1;
	secret_guard(a, totp.secret);
	if (!totp.secret.len || totp.is_on) {
		invalid(why_r, action_property, "Nothing was begun.");
		return 0;
	}
	step = totp_step_of(totp.secret, json_in_text(patch, "code"), loop_wall_ns() / CLOCK_SEC);
	if (!step) {
		invalid(why_r, code_property, "That is not the code that the app shows now.");
		return 0;
	}
	if (recovery_make(a, &codes, &hashes, e) < 0)
		return -1;
	if (totp_confirm(store, s->account->id, step, hashes, RECOVERY_CODES, who->session_id,
		    &why) < 0) {
		if (why.code != ERR_STATE)
			return err_copy(e, &why);
		invalid(why_r, action_property, "Nothing was begun.");
		return 0;
	}
	*server_set_r = codes_json(a, codes);
	return 0;
}

static FIBER int second_off(
	struct jmap_set *s, struct jmap_set_error *why_r, struct span *server_set_r, struct err *e)
{
	struct err why = {0};

	*server_set_r = SPAN("{\"isOn\":false,\"isBegun\":false,\"recoveryCodesLeft\":0}");
	if (totp_remove(store_of_call(s->call), s->account->id, &why) == 0)
		return 0;
	if (why.code != ERR_NOT_FOUND)
		return err_copy(e, &why);
	invalid(why_r, action_property, "It is not on.");
	return 0;
}

static FIBER int second_renew(
	struct jmap_set *s, struct jmap_set_error *why_r, struct span *server_set_r, struct err *e)
{
	struct store *store = store_of_call(s->call);
	struct span *codes, *hashes;
	struct totp totp;

	if (totp_get(store, s->call->a, s->account->id, &totp, e) < 0)
		return -1;
	secret_guard(s->call->a, totp.secret);
	if (!totp.is_on) {
		invalid(why_r, action_property, "It is not on.");
		return 0;
	}
	if (recovery_make(s->call->a, &codes, &hashes, e) < 0 ||
		recovery_renew(store, s->account->id, hashes, RECOVERY_CODES, e) < 0)
		return -1;
	*server_set_r = codes_json(s->call->a, codes);
	return 0;
}

/* {"action": "begin"}, {"action": "confirm", "code"}, {"action": "off", "password"}, {"action": "renew", "password"} */
static FIBER int second_update(struct jmap_set *s, uint64_t id, struct span id_text,
	const struct json_in *patch, struct span *server_set_r, struct jmap_set_error *why_r,
	struct err *e)
{
	struct span action = json_in_text(patch, "action");
	bool is_off = span_eq(action, SPAN("off"));
	enum proof proof = PROOF_GOOD;

	if (span_eq(action, SPAN("begin")))
		return second_begin(s, server_set_r, why_r, e);
	if (span_eq(action, SPAN("confirm")))
		return second_confirm(s, patch, server_set_r, why_r, e);
	if (!is_off && !span_eq(action, SPAN("renew"))) {
		invalid(why_r, action_property, "begin, confirm, off or renew?");
		return 0;
	}
	if (prove(s->call, json_in_text(patch, "password"), &proof, e) < 0)
		return -1;
	if (proof == PROOF_WAIT)
		why_r->type = "rateLimit";
	else if (proof == PROOF_WRONG)
		invalid(why_r, password_property, "That is not the password.");
	if (proof != PROOF_GOOD)
		return 0;
	return is_off ? second_off(s, why_r, server_set_r, e)
		      : second_renew(s, why_r, server_set_r, e);
}

static FIBER int second_set(struct jmap_call *c, struct err *e)
{
	static const struct jmap_set_type type = {.type = &second_type, .update = second_update};
	struct web_who who;

	return must_be_page(c, &who, e) < 0 ? -1 : jmap_set_run(c, &type, &who, e);
}

/* ---- who tried ---- */

static void put_event(struct jmap_call *c, const struct jmap_get *g, const struct login_event *ev)
{
	struct json_out *j = c->out;

	json_open_object(j);
	json_key(j, "id");
	jmap_put_id(j, 'L', ev->id);
	if (jmap_get_wants(g, "at"))
		put_date(c, "at", store_id_time(ev->id));
	if (jmap_get_wants(g, "isGood"))
		json_kv_bool(j, "isGood", ev->is_good);
	if (jmap_get_wants(g, "protocol"))
		json_kv_span(j, "protocol", ev->protocol);
	if (jmap_get_wants(g, "mechanism"))
		json_kv_span(j, "mechanism", ev->mechanism);
	if (jmap_get_wants(g, "peer"))
		json_kv_span(j, "peer", ev->peer);
	if (jmap_get_wants(g, "agent"))
		json_kv_span(j, "agent", ev->agent);
	if (jmap_get_wants(g, "reason"))
		json_kv_span(j, "reason", ev->reason);
	json_close(j);
}

/* The newest LOGIN_EVENTS_MAX at most, a page at a time. */
static FIBER int event_get(struct jmap_call *c, struct err *e)
{
	struct login_event *list;
	size_t count = 0, total = 0;
	uint64_t before = 0;
	struct jmap_get g;
	struct web_who who;
	bool *is_found;

	if (must_be_page(c, &who, e) < 0 || jmap_get_begin(c, &g, &event_type, e) < 0)
		return -1;
	is_found = ARENA_ARRAY(c->a, bool, g.count + 1);
	json_key(c->out, "list");
	json_open_array(c->out);
	do {
		if (login_event_list(store_of_call(c), c->a, g.account->id, before,
			    LOGIN_EVENTS_PAGE, &list, &count, e) < 0)
			return -1;
		for (size_t i = 0; i < count; i++)
			if (is_asked(&g, list[i].id, is_found))
				put_event(c, &g, &list[i]);
		before = count ? list[count - 1].id : 0;
		total += count;
	} while (count == LOGIN_EVENTS_PAGE && total < LOGIN_EVENTS_MAX);
	json_close(c->out);
	missing(c, &g, is_found);
	return end_get(c, &g, e);
}

/* Newest first; there is no filter and no other order. */
static FIBER int event_query(struct jmap_call *c, struct err *e)
{
	static const char *const names[] = {
		"accountId", "position", "limit", "calculateTotal", "filter", "sort", NULL};
	int64_t position = 0, limit = LOGIN_EVENTS_PAGE;
	struct jmap_account *account;
	struct login_event *list;
	struct web_who who;
	size_t count = 0, at = 0;
	uint64_t before = 0;

	if (must_be_page(c, &who, e) < 0 || jmap_account(c, &account, e) < 0 ||
		jmap_args_only(c, e, names) < 0 ||
		jmap_arg_int(c, "position", 0, LOGIN_EVENTS_MAX, &position, e) < 0 ||
		jmap_arg_int(c, "limit", 0, LOGIN_EVENTS_MAX, &limit, e) < 0)
		return -1;
	json_key(c->out, "accountId");
	jmap_put_id(c->out, 'A', account->id);
	json_kv_bool(c->out, "canCalculateChanges", false);
	json_kv_i64(c->out, "position", position);
	json_key(c->out, "ids");
	json_open_array(c->out);
	do {
		if (login_event_list(store_of_call(c), c->a, account->id, before, LOGIN_EVENTS_PAGE,
			    &list, &count, e) < 0)
			return -1;
		for (size_t i = 0; i < count; i++, at++)
			if (at >= (size_t)position && at < (size_t)(position + limit))
				jmap_put_id(c->out, 'L', list[i].id);
		before = count ? list[count - 1].id : 0;
	} while (count == LOGIN_EVENTS_PAGE && at < LOGIN_EVENTS_MAX);
	json_close(c->out);
	json_kv_u64(c->out, "total", at);
	json_key(c->out, "queryState");
	jmap_put_state(c->out, at);
	return 0;
}

/* ---- the password ---- */

static FIBER int password_change(struct jmap_call *c, struct err *e)
{
	static const char *const names[] = {"accountId", "old", "new", NULL};
	struct span old = SPAN_NONE, new = SPAN_NONE, prepared;
	const struct jmapd_opts *o = jmapd_opts_of(c->d);
	struct jmap_account *account;
	struct web_who who;
	enum proof proof;

	if (must_be_page(c, &who, e) < 0 || jmap_account(c, &account, e) < 0 ||
		jmap_args_only(c, e, names) < 0 || jmap_arg_text(c, "old", &old, e) < 0 ||
		jmap_arg_text(c, "new", &new, e) < 0)
		return -1;
	if (new.len < 8 || auth_password_prep(c->a, new, &prepared, NULL) < 0)
		return jmap_fail_argument(c, e, "new", "a password has at least 8 octets");
	secret_guard(c->a, prepared);
	if (prove(c, old, &proof, e) < 0)
		return -1;
	if (proof == PROOF_WAIT)
		return jmap_fail(c, "rateLimit", e, "too many wrong passwords, try again later");
	if (proof == PROOF_WRONG)
		return jmap_fail_argument(c, e, "old", "that is not the password");
	if (account_password_set(
		    o->store, c->user.account_id, prepared, auth_keeps_sha1(o->auth), e) < 0 ||
		web_session_keep(o->store, c->user.account_id, who.session_id, e) < 0)
		return -1;
	json_key(c->out, "accountId");
	jmap_put_id(c->out, 'A', account->id);
	json_kv_bool(c->out, "isChanged", true);
	return 0;
}

const struct jmap_method jmap_login_methods[] = {
	{"Session/get", JMAP_CAP_PLACE_PAGE, 0, session_get},
	{"Session/set", JMAP_CAP_PLACE_PAGE, JMAP_CHANGES_STATE, session_set},
	{"AppPassword/get", JMAP_CAP_PLACE_PAGE, 0, app_get},
	{"AppPassword/set", JMAP_CAP_PLACE_PAGE, JMAP_CHANGES_STATE, app_set},
	{"TwoFactor/get", JMAP_CAP_PLACE_PAGE, 0, second_get},
	{"TwoFactor/set", JMAP_CAP_PLACE_PAGE, JMAP_CHANGES_STATE, second_set},
	{"LoginEvent/get", JMAP_CAP_PLACE_PAGE, 0, event_get},
	{"LoginEvent/query", JMAP_CAP_PLACE_PAGE, 0, event_query},
	{"Password/change", JMAP_CAP_PLACE_PAGE, JMAP_CHANGES_STATE, password_change},
	{0},
};
