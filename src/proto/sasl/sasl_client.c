#include "proto/sasl/sasl_client.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "base/secret.h"
#include "proto/sasl/sasl_priv.h"

/* ---- mechanisms that are one message or two ---- */

static void sasl_put(struct buf *out, const struct span *parts, size_t count)
{
	size_t len = 0;

	/* All at once: a buffer that grows leaves secrets behind. */
	for (size_t i = 0; i < count; i++)
		len += parts[i].len;
	if (!buf_reserve(out, len))
		return;
	for (size_t i = 0; i < count; i++)
		buf_span_put(out, parts[i]);
}

static int sasl_once(struct sasl_client *c, struct span challenge, struct err *e)
{
	/* Some servers ask before the first word; they have nothing to say there. */
	if (challenge.len)
		return sasl_fault(e, "%s: a challenge where none belongs", c->mech->name);
	c->is_over = true;
	return 0;
}

/* RFC 4616 section 2 */
static int sasl_plain(struct sasl_client *c, struct span challenge, struct buf *out, struct err *e)
{
	struct span parts[] = {
		c->opts.authzid, span_of("", 1), c->opts.user, span_of("", 1), c->opts.password};

	if (sasl_once(c, challenge, e) < 0)
		return -1;
	sasl_put(out, parts, ARRAY_LEN(parts));
	return 0;
}

/* draft-murchison-sasl-login: two questions in this order, whatever their text. */
static int sasl_login(struct sasl_client *c, struct span challenge, struct buf *out, struct err *e)
{
	c->is_over = c->steps == 1;
	sasl_put(out, c->steps == 0 ? &c->opts.user : &c->opts.password, 1);
	return 0;
}

/* RFC 4422 appendix A */
static int sasl_external(
	struct sasl_client *c, struct span challenge, struct buf *out, struct err *e)
{
	if (sasl_once(c, challenge, e) < 0)
		return -1;
	buf_span_put(out, c->opts.authzid);
	return 0;
}

/* RFC 4505: trace information, a mail address or a word */
static int sasl_anonymous(
	struct sasl_client *c, struct span challenge, struct buf *out, struct err *e)
{
	if (sasl_once(c, challenge, e) < 0)
		return -1;
	buf_span_put(out, c->opts.user);
	return 0;
}

/* What the server says about a token it does not take; its refusal follows our dummy answer. */
static void sasl_token_refused(struct sasl_client *c, struct span challenge)
{
	buf_span_put(&c->detail, span_sub(challenge, 0, SASL_DETAIL_MAX));
	c->is_over = true;
}

/* RFC 7628 section 3.1 */
static int sasl_oauthbearer(
	struct sasl_client *c, struct span challenge, struct buf *out, struct err *e)
{
	struct span user = c->opts.authzid.len ? c->opts.authzid : c->opts.user;

	if (c->steps > 0) {
		/* RFC 7628 section 3.2.3: the dummy answer is one kvsep */
		sasl_token_refused(c, challenge);
		buf_char(out, '\x01');
		return 0;
	}
	if (challenge.len)
		return sasl_fault(e, "OAUTHBEARER: a challenge where none belongs");
	if (!buf_reserve(out, user.len * 3 + c->opts.host.len + c->opts.token.len + 64))
		return 0;
	buf_str(out, "n,");
	if (user.len) {
		buf_str(out, "a=");
		scram_put_name(out, user);
	}
	buf_str(out, ",\x01");
	if (c->opts.host.len) {
		buf_str(out, "host=");
		buf_span_put(out, c->opts.host);
		buf_char(out, '\x01');
	}
	if (c->opts.port) {
		buf_str(out, "port=");
		buf_u64(out, c->opts.port);
		buf_char(out, '\x01');
	}
	buf_str(out, "auth=Bearer ");
	buf_span_put(out, c->opts.token);
	buf_str(out, "\x01\x01");
	return 0;
}

/* https://developers.google.com/gmail/imap/xoauth2-protocol */
static int sasl_xoauth2(
	struct sasl_client *c, struct span challenge, struct buf *out, struct err *e)
{
	struct span parts[] = {SPAN("user="), c->opts.user,
		SPAN("\x01"
		     "auth=Bearer "),
		c->opts.token, SPAN("\x01\x01")};

	if (c->steps > 0) {
		sasl_token_refused(c, challenge); /* the dummy answer is empty */
		return 0;
	}
	if (challenge.len)
		return sasl_fault(e, "XOAUTH2: a challenge where none belongs");
	sasl_put(out, parts, ARRAY_LEN(parts));
	return 0;
}

/* ---- the table ---- */

/* is_first, is_clear, needs_binding, needs_token, needs_password */
static const struct sasl_mech sasl_table[] = {
	{"SCRAM-SHA-256-PLUS", 100, true, false, true, false, true},
	{"SCRAM-SHA-1-PLUS", 95, true, false, true, false, true},
	{"SCRAM-SHA-256", 90, true, false, false, false, true},
	{"SCRAM-SHA-1", 85, true, false, false, false, true},
	{"OAUTHBEARER", 80, true, true, false, true, false},
	{"XOAUTH2", 75, true, true, false, true, false},
	{"EXTERNAL", 70, true, false, false, false, false},
	{"PLAIN", 60, true, true, false, false, true},
	{"DIGEST-MD5", 50, false, false, false, false, true},
	{"CRAM-MD5", 45, false, false, false, false, true},
	{"LOGIN", 40, false, true, false, false, true},
	{"NTLM", 30, true, false, false, false, true},
	{"GS2-KRB5", 20, true, false, false, false, false},
	{"GSSAPI", 15, true, false, false, false, false},
	{"ANONYMOUS", 10, true, false, false, false, false},
};

static const struct sasl_client_kind sasl_kinds[] = {
	{.step = sasl_client_scram, .scram = SCRAM_SHA256, .is_mutual = true},
	{.step = sasl_client_scram, .scram = SCRAM_SHA1, .is_mutual = true},
	{.step = sasl_client_scram, .scram = SCRAM_SHA256, .is_mutual = true},
	{.step = sasl_client_scram, .scram = SCRAM_SHA1, .is_mutual = true},
	{.step = sasl_oauthbearer},
	{.step = sasl_xoauth2, .needs_user = true},
	{.step = sasl_external, .is_spare = true},
	{.step = sasl_plain},
	{.step = sasl_client_gnu, .is_gnu = true, .needs_host = true, .is_mutual = true},
	{.step = sasl_client_gnu, .is_gnu = true},
	{.step = sasl_login},
	{.step = sasl_client_gnu, .is_gnu = true},
	{.step = sasl_client_gnu,
		.is_gnu = true,
		.needs_host = true,
		.is_mutual = true,
		.is_asked = true},
	{.step = sasl_client_gnu,
		.is_gnu = true,
		.needs_host = true,
		.is_mutual = true,
		.is_asked = true},
	{.step = sasl_anonymous, .is_asked = true},
};
_Static_assert(ARRAY_LEN(sasl_table) == ARRAY_LEN(sasl_kinds), "one row each");

const struct sasl_mech *sasl_mechs(size_t *count_r)
{
	*count_r = ARRAY_LEN(sasl_table);
	return sasl_table;
}

const struct sasl_mech *sasl_mech_find(struct span name)
{
	for (size_t i = 0; i < ARRAY_LEN(sasl_table); i++)
		if (span_eq_nocase(span_str(sasl_table[i].name), name))
			return &sasl_table[i];
	return NULL;
}

static const struct sasl_client_kind *sasl_kind(const struct sasl_mech *m)
{
	return &sasl_kinds[m - sasl_table];
}

/* What a mechanism needs and the caller did not give; NULL: nothing. */
static const char *sasl_missing(const struct sasl_mech *m, const struct sasl_client_opts *o)
{
	const struct sasl_client_kind *k = sasl_kind(m);

	if (m->needs_password && o->user.len == 0)
		return "a user name";
	if (m->needs_password && o->password.len == 0)
		return "a password";
	if (m->needs_token && o->token.len == 0)
		return "a token";
	if (m->needs_binding && o->tls_exporter.len == 0 && o->tls_unique.len == 0)
		return "a channel binding of TLS";
	if (k->needs_user && o->user.len == 0)
		return "a user name";
	if (k->needs_host && (o->service.len == 0 || o->host.len == 0))
		return "the names of service and host";
	return NULL;
}

/* ---- which to try ---- */

bool sasl_lists(struct span list, struct span name)
{
	struct span word;

	while ((word = span_word(&list)).len)
		if (span_eq_nocase(word, name))
			return true;
	return false;
}

/* SCRAM refuses what SASLprep does (octets that are no UTF-8, too); PLAIN may still do. */
static bool sasl_can_prepare(const struct sasl_client_opts *o)
{
	const struct span texts[] = {o->user, o->password};
	bool can = true;

	for (size_t i = 0; i < ARRAY_LEN(texts) && can; i++) {
		struct buf out;

		buf_init(&out, SASL_RESPONSE_MAX);
		can = sasl_prep(texts[i], &out, NULL) == 0;
		if (out.mem)
			secret_wipe(out.mem, out.cap);
		buf_fini(&out);
	}
	return can;
}

static bool sasl_may(const struct sasl_mech *m, struct span offered, bool is_named, bool may_clear,
	const struct sasl_client_opts *o)
{
	const struct sasl_client_kind *k = sasl_kind(m);

	if (!sasl_lists(offered, span_str(m->name)) || (m->is_clear && !may_clear) ||
		sasl_missing(m, o) || (k->is_gnu && !sasl_gnu_has(m->name)))
		return false;
	if (k->step == sasl_client_scram && !sasl_can_prepare(o))
		return false;
	if (is_named)
		return true;
	/* Of the rest, one that shows who we are without being asked for it. */
	return !k->is_asked &&
		(!k->is_spare || (o->has_tls && o->password.len == 0 && o->token.len == 0));
}

size_t sasl_client_choose(struct span offered, struct span wanted, bool may_clear,
	const struct sasl_client_opts *opts, const struct sasl_mech **mechs_r, size_t max)
{
	size_t count = 0;
	struct span name;

	if (wanted.len == 0) {
		for (size_t i = 0; i < ARRAY_LEN(sasl_table) && count < max; i++)
			if (sasl_may(&sasl_table[i], offered, false, may_clear, opts))
				mechs_r[count++] = &sasl_table[i];
		return count;
	}
	while ((name = span_word(&wanted)).len && count < max) {
		const struct sasl_mech *m = sasl_mech_find(name);
		bool is_there = false;

		for (size_t i = 0; i < count; i++)
			is_there = is_there || mechs_r[i] == m;
		if (m && !is_there && sasl_may(m, offered, true, may_clear, opts))
			mechs_r[count++] = m;
	}
	return count;
}

/* ---- an exchange ---- */

int sasl_fault(struct err *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	err_vset(e, ERR_PROTO, fmt, ap);
	va_end(ap);
	return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
}

/* Everything the caller gave, in one piece of memory that is wiped. */
static int sasl_copy(struct sasl_client *c, const struct sasl_client_opts *opts, struct err *e)
{
	struct span *all[] = {&c->opts.user, &c->opts.password, &c->opts.authzid, &c->opts.realm,
		&c->opts.token, &c->opts.service, &c->opts.host, &c->opts.tls_exporter,
		&c->opts.tls_unique, &c->opts.offered};
	size_t total = 0;
	char *to;

	c->opts = *opts;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		if (all[i]->len > SASL_TEXT_MAX)
			return err_set(e, ERR_LIMIT, "a login has more than %d octets of something",
				SASL_TEXT_MAX);
		total += all[i]->len;
	}
	c->text.len = total;
	c->text.bytes = to = mem_alloc(total + 1);
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		if (all[i]->len)
			memcpy(to, all[i]->ptr, all[i]->len);
		all[i]->ptr = to;
		to += all[i]->len;
	}
	return 0;
}

/* NUL ends a field of PLAIN, \x01 one of the OAuth mechanisms. */
static int sasl_check(const struct sasl_client *c, struct err *e)
{
	const struct sasl_client_opts *o = &c->opts;
	const struct span names[] = {
		o->user, o->password, o->authzid, o->realm, o->token, o->service, o->host};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (span_find(names[i], 0) >= 0 ||
			(c->mech->needs_token && span_find(names[i], '\x01') >= 0))
			return err_set(e, ERR_SYNTAX, "%s: a control character in the login",
				c->mech->name);
	for (size_t i = 0; c->mech->needs_token && i < o->token.len; i++)
		if (o->token.ptr[i] <= ' ' || o->token.ptr[i] > '~')
			return err_set(e, ERR_SYNTAX, "%s: this is not a token", c->mech->name);
	return 0;
}

struct sasl_client *sasl_client_new(
	struct span mech, const struct sasl_client_opts *opts, struct err *e)
{
	const struct sasl_mech *m = sasl_mech_find(mech);
	const char *missing = m ? sasl_missing(m, opts) : NULL;
	struct sasl_client *c;

	if (!m || (sasl_kind(m)->is_gnu && !sasl_gnu_has(m->name))) {
		err_set(e, ERR_UNSUPPORTED, "no SASL mechanism \"" SPAN_FMT "\" here",
			SPAN_ARG(span_sub(mech, 0, SASL_MECH_MAX)));
		return NULL;
	}
	if (missing) {
		err_set(e, ERR_STATE, "%s needs %s", m->name, missing);
		return NULL;
	}
	c = NEW(struct sasl_client);
	c->mech = m;
	c->kind = sasl_kind(m);
	c->is_verified = !c->kind->is_mutual;
	buf_init(&c->detail, SASL_DETAIL_MAX);
	sasl_client_scram_init(&c->scram, c->kind->scram);
	if (sasl_copy(c, opts, e) < 0 || sasl_check(c, e) < 0)
		sasl_client_free(&c);
	return c;
}

void sasl_client_free(struct sasl_client **c)
{
	if (!*c)
		return;
	sasl_gnu_free(&(*c)->gnu);
	sasl_client_scram_fini(&(*c)->scram);
	buf_fini(&(*c)->detail);
	secret_fini(&(*c)->text);
	free(*c);
	*c = NULL;
}

int sasl_client_step(struct sasl_client *c, struct span challenge, struct buf *out, struct err *e)
{
	if (challenge.len > SASL_RESPONSE_MAX)
		return sasl_fault(e, "%s: a challenge of %zu octets", c->mech->name, challenge.len);
	if (c->is_over || c->steps >= SASL_CHALLENGES_MAX)
		return sasl_fault(e, "%s: the server asks on and on", c->mech->name);
	if (c->kind->step(c, challenge, out, e) < 0) {
		c->is_over = true;
		c->is_verified = false;
		return -1;
	}
	c->steps++;
	if (!buf_ok(out))
		return err_set(e, ERR_LIMIT, "%s: the answer is too long", c->mech->name);
	return 0;
}

int sasl_client_verify(struct sasl_client *c, struct err *e)
{
	if (!c->is_verified)
		return sasl_fault(e, "%s: the server says success but has not shown the secret",
			c->mech->name);
	return 0;
}

struct span sasl_client_detail(const struct sasl_client *c)
{
	return buf_span(&c->detail);
}
