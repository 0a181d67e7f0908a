#include <string.h>
#include <unistd.h>

#include "services/host/host_priv.h"

/* TLS of all listeners: one server for each protocol, so that what was agreed on for one (its session
 * tickets, its name in ALPN) is worth nothing at another; and one ring of certificates for all. */

#define TLS_LOOK_NS  CLOCK_HOUR
#define TLS_WARN_SEC (14 * 86400)

static const struct {
	const char *service, *alpn;
} protocols[CONFIG_PROTOCOLS] = {
	[CONFIG_SMTP] = {"smtp", "smtp"},
	[CONFIG_LMTP] = {"lmtp", "smtp"},
	[CONFIG_SUBMISSION] = {"submission", "smtp"},
	[CONFIG_HTTP] = {"http", "http/1.1"},
	[CONFIG_IMAP] = {"imap", "imap"},
	[CONFIG_POP3] = {"pop3", "pop3"},
};

int host_tls_new(struct host *h, const struct config *c, struct err *e)
{
	h->tls_ring = tls_ring_new();
	if (host_tls_load(h, c, e) < 0)
		return -1;
	for (size_t i = 0; i < CONFIG_PROTOCOLS; i++) {
		struct tls_server_opts opts = {.service = protocols[i].service,
			.alpn = protocols[i].alpn,
			.ring = h->tls_ring,
			.is_tls12_allowed = c->tls.is_tls12,
			.is_cert_asked = host_conn_logs_in((int)i) &&
				(c->auth.is_cert_asked || c->auth.client_ca[0])};

		h->tls[i] = tls_server_new(&opts, e);
		if (!h->tls[i])
			return err_wrap(e, "TLS");
	}
	return 0;
}

void host_tls_free(struct host *h)
{
	for (size_t i = 0; i < CONFIG_PROTOCOLS; i++)
		tls_server_free(&h->tls[i]);
	tls_ring_free(&h->tls_ring);
}

/* ---- which certificates ---- */

/* The one that we sign ourselves: there from the first start, anew before it ends and when this machine
 * gets another name. Whoever puts another in its place keeps it. */
static int load_own(struct host *h, struct arena *a, struct tls_ring_pair *pair, struct err *e)
{
	/* Who tries the demo calls it localhost: with this file as its authority a client can check
	 * whom it talks to. */
	const char *names = !h->config->is_demo
		? h->config->hostname
		: arena_printf(a, "%s,localhost,127.0.0.1,::1", h->config->hostname);

	pair->label = "self-signed";
	pair->cert = arena_printf(a, "%s/certificate.pem", h->data);
	pair->key = arena_printf(a, "%s/key.pem", h->data);
	if (access(pair->cert, R_OK) == 0 && access(pair->key, R_OK) == 0 &&
		!tls_self_signed_is_due(names, pair->cert, clock_wall_ns() / CLOCK_SEC))
		return 0;
	if (tls_make_self_signed(names, pair->cert, pair->key, e) < 0)
		return err_wrap(e, "making a certificate");
	log_event(&h->log, LOG_INFO, "host.tls.made", LF_STR("names", names),
		LF_STR("file", pair->cert));
	return 0;
}

/* Those of an authority. One that is broken is told and left out: what is in the store is no reason not
 * to serve. */
static int load_acme(struct host *h, struct arena *a, const struct config *c,
	struct tls_ring_pair **pairs_r, size_t *count_r, struct err *e)
{
	struct certificate *rows;
	size_t count;

	*count_r = 0;
	if (certificate_list_blocking(h->store, a, &rows, &count, e) < 0)
		return -1;
	*pairs_r = ARENA_ARRAY(a, struct tls_ring_pair, count);
	for (size_t i = 0; i < count; i++) {
		struct tls_ring_pair *p = &(*pairs_r)[*count_r];
		struct span names = rows[i].names, name;
		struct err why = {0};

		*p = (struct tls_ring_pair){
			.label = arena_printf(a, "acme " SPAN_FMT, SPAN_ARG(rows[i].name)),
			.cert_pem = rows[i].chain_pem,
			.key_pem = rows[i].key_pem};
		/* before the one we sign ourselves, where no other default is set */
		while (!c->tls.certificate[0] && (name = span_word(&names)).len)
			p->is_fallback |= span_eq_nocase(name, span_str(h->config->hostname));
		if (!rows[i].chain_pem.len)
			continue;
		if (tls_ring_check(p, &why) == 0)
			++*count_r;
		else
			log_event(&h->log, LOG_ERROR, "host.tls.broken", LF_STR("error", why.text));
	}
	return 0;
}

int host_tls_load(struct host *h, const struct config *c, struct err *e)
{
	struct arena *a = arena_new();
	struct tls_ring_pair *given = NULL;
	size_t given_count;
	int rc = load_acme(h, a, c, &given, &given_count, e);
	struct tls_ring_pair *pairs = ARENA_ARRAY(
		a, struct tls_ring_pair, c->certificate_count + given_count + 1);
	size_t count = 0;

	for (size_t i = 0; i < c->certificate_count; i++) {
		const struct config_certificate *x = &c->certificates[i];

		pairs[count++] = (struct tls_ring_pair){
			.label = arena_printf(a, "certificate %s", x->name),
			.cert = x->certificate,
			.key = x->key,
			.names = x->names.items,
			.name_count = x->names.count};
	}
	for (size_t i = 0; i < given_count && !c->tls.certificate[0]; i++)
		pairs[count++] = given[i];
	pairs[count++] = (struct tls_ring_pair){
		.label = "tls", .cert = c->tls.certificate, .key = c->tls.key, .is_fallback = true};
	for (size_t i = 0; i < given_count && c->tls.certificate[0]; i++)
		pairs[count++] = given[i];
	if (rc == 0 && !c->tls.certificate[0])
		rc = load_own(h, a, &pairs[count - 1], e);
	if (rc == 0)
		rc = tls_ring_load(h->tls_ring, pairs, count, e);
	arena_free(&a);
	return rc < 0 ? err_wrap(e, "TLS") : 0;
}

/* ---- what goes wrong with time ---- */

static const char *cert_title(struct arena *a, const struct tls_ring_cert *c)
{
	return c->file[0] ? arena_printf(a, "%s (%s)", c->label, c->file) : c->label;
}

static void put_trouble(struct arena *a, const struct tls_ring_cert *c, int64_t now_sec,
	const char **texts, size_t *n)
{
	int64_t left = c->cert.not_after - now_sec;

	if (left <= 0)
		texts[(*n)++] = arena_printf(a, "%s has expired", cert_title(a, c));
	else if (left < TLS_WARN_SEC)
		texts[(*n)++] = arena_printf(
			a, "%s expires in %lld days", cert_title(a, c), (long long)(left / 86400));
	if (c->cert.not_before > now_sec)
		texts[(*n)++] = arena_printf(a, "%s is not valid yet", cert_title(a, c));
	if (c->is_key_open)
		texts[(*n)++] = arena_printf(a,
			"everybody on this machine may read the key %s: chmod o-rwx", c->key_file);
}

size_t host_tls_troubles(struct host *h, struct arena *a, const char ***texts_r)
{
	struct tls_ring_cert *list;
	size_t count = tls_ring_certs(h->tls_ring, a, &list), n = 0;

	*texts_r = ARENA_ARRAY(a, const char *, count * 3 + 1);
	for (size_t i = 0; i < count; i++)
		put_trouble(a, &list[i], clock_wall_ns() / CLOCK_SEC, *texts_r, &n);
	return n;
}

void host_tls_warn(struct host *h)
{
	struct arena *a = arena_new();
	const char **texts;
	size_t n = host_tls_troubles(h, a, &texts);

	for (size_t i = 0; i < n; i++)
		log_event(&h->log, LOG_WARN, "host.tls.trouble", LF_STR("text", texts[i]));
	arena_free(&a);
}

void host_tls_put_status(struct host *h, struct json_out *j)
{
	struct arena *a = arena_new();
	struct tls_ring_cert *list;
	const char **texts;
	size_t n = host_tls_troubles(h, a, &texts);

	json_kv_u64(j, "certificates", tls_ring_certs(h->tls_ring, a, &list));
	json_key(j, "certificate_troubles");
	json_open_array(j);
	for (size_t i = 0; i < n; i++)
		json_str(j, texts[i]);
	json_close(j);
	arena_free(&a);
}

/* ---- the keeper ---- */

struct loading {
	struct host *host;
	struct config *config;
};

static int load_again(void *arg, struct err *e)
{
	struct loading *l = arg;

	return host_tls_load(l->host, l->config, e);
}

FIBER void host_tls_refresh(struct host *h)
{
	struct loading l = {h, config_ref(h->settings->config)};
	struct err e = {0};
	int rc = work_run(h->lane, load_again, &l, &e);

	config_unref(&l.config);
	if (rc < 0 && e.code != ERR_CANCELLED)
		log_event(&h->log, LOG_ERROR, "host.tls.failed", LF_STR("error", e.text));
	host_tls_warn(h);
}

FIBER int host_tls_keep(void *arg)
{
	struct host *h = arg;

	host_tls_warn(h);
	for (unsigned hours = 1; fiber_sleep(TLS_LOOK_NS, NULL) == 0; hours++) {
		for (size_t i = 0; i < CONFIG_PROTOCOLS; i++)
			tls_server_turn(h->tls[i]);
		/* the certificate of our own may be due */
		if (hours % 24 == 0)
			host_tls_refresh(h);
	}
	return 0;
}
