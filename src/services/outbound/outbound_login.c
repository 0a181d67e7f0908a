/* Logging in at a next hop (RFC 4954), with what the store keeps for it. Whatever goes wrong here is
 * the station's trouble, not a letter's: it is temporary, and told loudly. */

#include "base/secret.h"
#include "run/fiber.h"
#include "proto/sasl/sasl_client.h"
#include "services/outbound/outbound_priv.h"
#include "services/pool/credential.h"

#define LOGIN_MECHS_MAX   8
#define LOGIN_BINDING_MAX 256

static int failed(const struct outbound_link *l, const struct road_credential *c, struct err *e)
{
	if (e->code == ERR_CANCELLED)
		return -1;
	err_wrap(e, "login as " SPAN_FMT, SPAN_ARG(c->username));
	/* RFC 4954 section 6 has 5yz for wrong passwords: those are ours to mend. */
	err_smtp(e, e->smtp >= 500 ? 0 : e->smtp, 4, 7, 8);
	log_event(l->carrier->opts->log, LOG_ERROR, "outbound.login.failed", LF("host", l->host),
		LF("user", c->username), LF_STR("reason", e->text));
	return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
}

static int impossible(const struct outbound_link *l, const struct road_credential *c,
	const struct sasl_client_opts *opts, bool may_clear, struct err *e)
{
	const struct sasl_mech *clear[1];

	if (opts->offered.len == 0)
		return err_set(e, ERR_UNSUPPORTED, "the host does not offer AUTH%s",
			l->stream->tls ? "" : " without TLS");
	if (!may_clear && sasl_client_choose(opts->offered, c->mechs, true, opts, clear, 1) > 0)
		return err_set(e, ERR_DENIED,
			"without TLS the host takes the password in clear only; allow that with "
			"\"login add … --allow-clear\", or not at all");
	return err_set(e, ERR_UNSUPPORTED, "none of its mechanisms can be used: " SPAN_FMT,
		SPAN_ARG(span_sub(opts->offered, 0, 100)));
}

static FIBER int try_all(struct outbound_link *l, const struct road_credential *c,
	const struct sasl_client_opts *opts, struct err *e)
{
	const struct sasl_mech *mechs[LOGIN_MECHS_MAX];
	bool may_clear = l->stream->tls || c->is_clear_allowed || addr_is_unix(&l->stream->peer);
	size_t count = sasl_client_choose(
		opts->offered, c->mechs, may_clear, opts, mechs, LOGIN_MECHS_MAX);
	int rc = -1;

	if (count == 0)
		return impossible(l, c, opts, may_clear, e);
	for (size_t i = 0; i < count && rc < 0; i++) {
		struct sasl_client *sasl;

		err_clear(e);
		sasl = sasl_client_new(span_str(mechs[i]->name), opts, e);
		if (!sasl)
			continue;
		rc = smtp_client_auth_sasl(&l->client, span_str(mechs[i]->name), sasl, e);
		sasl_client_free(&sasl);
		/* 4yz, and anything but a refusal, is no word about the mechanism. */
		if (rc < 0 && (e->code != ERR_REPLY || e->smtp < 500 || l->client.is_over))
			break;
	}
	return rc;
}

FIBER int outbound_login(struct outbound_link *l, struct err *e)
{
	struct pools *pools = l->carrier->opts->pools;
	struct road_credential c;
	struct buf exporter, unique;
	int rc;

	if (!pools || !credential_find(pools, l->arena, l->carrier->destination, &c))
		return 0;
	buf_init(&exporter, LOGIN_BINDING_MAX);
	buf_init(&unique, LOGIN_BINDING_MAX);
	if (l->stream->tls) {
		tls_channel_binding(l->stream, TLS_BINDING_EXPORTER, &exporter, NULL);
		tls_channel_binding(l->stream, TLS_BINDING_UNIQUE, &unique, NULL);
	}
	struct sasl_client_opts opts = {.user = c.username,
		.password = c.secret,
		.token = c.secret,
		.service = SPAN("smtp"),
		.host = l->name,
		.tls_exporter = buf_span(&exporter),
		.tls_unique = buf_span(&unique),
		.offered = l->client.caps.auth,
		.has_tls = l->stream->tls != NULL};

	rc = try_all(l, &c, &opts, e) < 0 ? failed(l, &c, e) : 0;
	secret_wipe((char *)c.secret.ptr, c.secret.len);
	buf_fini(&exporter);
	buf_fini(&unique);
	return rc;
}
