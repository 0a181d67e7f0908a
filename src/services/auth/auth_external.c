/* Client certificates (EXTERNAL, RFC 4422 appendix A): whose the certificate is that the connection's TLS
 * has seen. An account's own by the pin of its key, whoever signed it; or one that the authority of the
 * configuration signed for an address of the account. */

#include "services/auth/auth_priv.h"

/* What a certificate is found to be. */
struct external_owner {
	uint64_t account_id; /* 0: nobody's */
	int64_t expires_ns;
	const char *why;                       /* it is nobody's */
	const struct account_certificate *pin; /* by which it is; NULL: by its authority */
};

static bool is_over(const struct tls_peer *p, int64_t now_ns, const char **why_r)
{
	int64_t now_sec = now_ns / CLOCK_SEC;

	*why_r = now_sec >= p->not_after  ? "the certificate has expired"
		: now_sec < p->not_before ? "the certificate is not valid yet"
					  : NULL;
	return *why_r != NULL;
}

static FIBER int by_pin(const struct auth_conn *c, struct arena *a, const struct tls_peer *p,
	struct external_owner *o, bool *is_found_r, struct err *e)
{
	struct account_certificate *cert = ARENA_NEW(a, struct account_certificate);

	if (account_certificate_find(
		    c->auth->opts.store, a, span_str(p->spki_sha256), cert, is_found_r, e) < 0)
		return -1;
	if (!*is_found_r)
		return 0;
	if (cert->expires_ns && cert->expires_ns <= auth_wall_ns(c->auth)) {
		o->why = "the certificate's time here is over";
		return 0;
	}
	o->account_id = cert->account_id;
	o->pin = cert;
	if (cert->expires_ns && cert->expires_ns < o->expires_ns)
		o->expires_ns = cert->expires_ns;
	return 0;
}

/* The first address in it that is somebody's here. '#' would name an app password. */
static FIBER int by_authority(const struct auth_conn *c, struct arena *a, const struct tls_peer *p,
	struct external_owner *o, struct err *e)
{
	const struct auth_opts *opts = &c->auth->opts;

	o->why = "the certificate is nobody's";
	if (!opts->client_authority ||
		!tls_authority_vouches(opts->client_authority, c->stream,
			auth_wall_ns(c->auth) / CLOCK_SEC, &o->why))
		return 0;
	o->why = "the certificate names nobody here";
	for (size_t i = 0; i < p->mailbox_count && !o->account_id; i++) {
		struct span name = span_str(p->mailboxes[i]);
		struct account_login login;
		bool is_found = false;

		if (span_find(name, AUTH_APP_MARK) >= 0)
			continue;
		if (account_login_find(opts->store, a, name, &login, &is_found, e) < 0)
			return -1;
		if (is_found)
			o->account_id = login.id;
	}
	return 0;
}

static FIBER int find_owner(const struct auth_conn *c, struct arena *a, const struct tls_peer *p,
	struct external_owner *o, struct err *e)
{
	bool is_pinned = false;

	*o = (struct external_owner){.expires_ns = auth_end_ns(p->not_after)};
	if (is_over(p, auth_wall_ns(c->auth), &o->why))
		return 0;
	if (by_pin(c, a, p, o, &is_pinned, e) < 0)
		return -1;
	return is_pinned ? 0 : by_authority(c, a, p, o, e);
}

FIBER void auth_look(struct auth_conn *c)
{
	struct external_owner o;
	struct tls_peer peer;
	struct err e = {0};
	struct arena *a;

	c->is_external = false;
	if (!c->auth || !tls_peer_has(c->stream))
		return;
	a = arena_new();
	if (tls_peer(c->stream, a, &peer) && find_owner(c, a, &peer, &o, &e) == 0)
		c->is_external = o.account_id != 0;
	arena_free(&a);
}

FIBER int auth_external(struct auth_conn *c, struct buf *user_r, bool *yes_r, struct err *e)
{
	struct arena *a = arena_new();
	struct external_owner o;
	struct tls_peer peer;
	int rc = 0;

	/* auth_settle refuses what was never begun. */
	if (tls_peer(c->stream, a, &peer)) {
		rc = auth_try_begin(c, span_str(peer.spki_sha256), e);
		/* the pin it finds lives as long as the attempt */
		if (rc == 0)
			rc = find_owner(c, c->try->arena, &peer, &o, e);
		if (rc == 0 && o.account_id)
			rc = auth_try_get(c, o.account_id, e);
		else if (rc == 0)
			c->try->why = o.why;
		if (rc == 0 && c->try->is_found && !c->try->why) {
			buf_span_put(user_r, c->try->login.address);
			c->try->expires_ns = o.expires_ns;
			c->try->pin = o.pin;
			*yes_r = true;
		}
	}
	arena_free(&a);
	return rc;
}
