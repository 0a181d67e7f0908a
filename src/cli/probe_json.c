/* All of it for machines. */

#include <string.h>

#include "cli/probe.h"

#define PROBE_JSON_MAX (64 * 1024 * 1024)

static void put_time(struct json_out *j, const char *key, int64_t sec)
{
	struct buf b;

	buf_init(&b, 64);
	clock_put_rfc3339(&b, sec);
	json_kv_span(j, key, buf_span(&b));
	buf_fini(&b);
}

static void put_words(struct json_out *j, const char *key, const char *words)
{
	struct span rest = span_str(words), word;

	json_key(j, key);
	json_open_array(j);
	while ((word = span_word(&rest)).len)
		json_span(j, word);
	json_close(j);
}

static void put_texts(struct json_out *j, const char *key, const char *const *texts, size_t count)
{
	json_key(j, key);
	json_open_array(j);
	for (size_t i = 0; i < count; i++)
		json_str(j, texts[i]);
	json_close(j);
}

static void put_answer(struct json_out *j, const char *key, enum probe_answer a)
{
	json_key(j, key);
	if (a == PROBE_YES || a == PROBE_NO)
		json_bool(j, a == PROBE_YES);
	else
		json_null(j);
}

static void put_caps(struct probe *p, struct json_out *j, const char *key, enum probe_family family,
	const struct probe_caps *c)
{
	json_key(j, key);
	json_open_object(j);
	json_key(j, "offers");
	json_open_array(j);
	for (size_t i = 0; i < c->count; i++) {
		struct span rest = span_str(c->lines[i]), name = span_word(&rest);

		json_open_object(j);
		json_kv_span(j, "keyword", name);
		json_kv_span(j, "parameters", span_trim(rest));
		json_kv_str(j, "meaning", probe_words_cap(p->arena, family, c->lines[i]));
		json_close(j);
	}
	json_close(j);
	put_words(j, "auth", c->auth);
	json_kv_bool(j, "starttls", c->has_starttls);
	json_close(j);
}

static void put_cert(struct probe *p, struct json_out *j, const struct tls_cert *c)
{
	json_open_object(j);
	json_kv_str(j, "subject", c->subject);
	json_kv_str(j, "issuer", c->issuer);
	put_words(j, "names", c->names);
	put_time(j, "not_before", c->not_before);
	put_time(j, "not_after", c->not_after);
	json_kv_i64(
		j, "days_left", (c->not_after - p->now_sec) / 86400 - (c->not_after < p->now_sec));
	json_kv_str(j, "serial", c->serial);
	json_kv_str(j, "key", c->key);
	json_kv_u64(j, "key_bits", c->key_bits);
	json_kv_str(j, "signature", c->signature);
	json_kv_str(j, "sha256", c->sha256);
	json_kv_str(j, "spki_sha256", c->spki_sha256);
	json_kv_bool(j, "self_issued", c->is_self_issued);
	json_kv_str(j, "pem", c->pem);
	json_close(j);
}

static void put_verdict(struct json_out *j, const char *key, const struct tls_verdict *v)
{
	json_key(j, key);
	json_open_object(j);
	json_kv_bool(j, "good", v->trust == TLS_TRUST_GOOD);
	json_kv_str(j, "verdict", tls_trust_str(v->trust));
	json_kv_i64(j, "error", v->error);
	json_kv_str(j, "text", v->text);
	json_close(j);
}

static void put_tls(struct probe *p, struct json_out *j, const struct probe_tls *x)
{
	static const char *const names[PROBE_VERSIONS] = {"1.0", "1.1", "1.2", "1.3"};

	json_open_object(j);
	json_kv_bool(j, "up", x->is_up);
	json_kv_str(j, "why", x->why);
	json_kv_str(j, "version", x->version);
	json_kv_str(j, "cipher", x->cipher);
	json_kv_u64(j, "bits", x->bits);
	json_kv_str(j, "group", x->group);
	json_kv_str(j, "name", x->name);
	if (x->is_up)
		put_verdict(j, "verification", &x->verdict);
	if (x->is_dane_tried)
		put_verdict(j, "dane", &x->dane);
	json_key(j, "versions");
	json_open_object(j);
	for (int i = 0; i < PROBE_VERSIONS; i++)
		put_answer(j, names[i], x->versions[i].is_spoken);
	json_close(j);
	json_key(j, "certificates");
	json_open_array(j);
	for (size_t i = 0; i < x->cert_count; i++)
		put_cert(p, j, &x->certs[i]);
	json_close(j);
	json_close(j);
}

static void put_port(struct probe *p, struct json_out *j, const struct probe_port *port)
{
	json_open_object(j);
	json_kv_u64(j, "port", port->port);
	json_kv_str(j, "protocol", port->kind ? port->kind->name : NULL);
	json_kv_bool(j, "open", port->is_open);
	json_kv_str(j, "why", port->why);
	json_kv_str(j, "greeting", port->greeting);
	json_key(j, "steps");
	json_open_array(j);
	for (size_t i = 0; i < port->step_count; i++) {
		json_open_object(j);
		json_kv_str(j, "step", port->steps[i].name);
		json_key(j, "ms");
		json_double(j, (double)(port->steps[i].ns / CLOCK_US) / 1000);
		json_close(j);
	}
	json_close(j);
	if (port->has_hello)
		put_caps(p, j, "before_tls", port->kind->family, &port->before);
	if (port->has_hello_after)
		put_caps(p, j, "under_tls", port->kind->family, &port->after);
	if (port->has_size)
		json_kv_u64(j, "size_max", port->size_max);
	if (port->tls.is_tried) {
		json_key(j, "tls");
		put_tls(p, j, &port->tls);
	}
	put_answer(j, "starttls_injection", port->injection);
	json_kv_str(j, "starttls_injection_text", port->injection_why);
	put_answer(j, "open_relay", port->relay);
	json_kv_str(j, "open_relay_text", port->relay_why);
	json_close(j);
}

static void put_addr(struct probe *p, struct json_out *j, const struct probe_addr *a)
{
	json_open_object(j);
	json_kv_str(j, "address", a->text);
	put_texts(j, "ptr", a->ptr, a->ptr_count);
	json_kv_bool(j, "ptr_confirmed", a->is_confirmed);
	json_key(j, "ports");
	json_open_array(j);
	for (size_t i = 0; i < a->port_count; i++)
		put_port(p, j, &a->ports[i]);
	json_close(j);
	json_close(j);
}

static void put_tlsa(struct json_out *j, const struct probe_host *h)
{
	json_key(j, "tlsa");
	json_open_array(j);
	for (size_t i = 0; i < h->tlsa_count; i++) {
		const struct tls_tlsa *r = &h->tlsa[i];
		struct buf hex;

		buf_init(&hex, 2 * UINT16_MAX);
		for (size_t k = 0; k < r->data.len; k++)
			buf_printf(&hex, "%02x", (unsigned char)r->data.ptr[k]);
		json_open_object(j);
		json_kv_u64(j, "usage", r->usage);
		json_kv_u64(j, "selector", r->selector);
		json_kv_u64(j, "matching", r->matching);
		json_kv_span(j, "data", buf_span(&hex));
		json_kv_bool(j, "usable", tls_tlsa_is_usable(r));
		json_close(j);
		buf_fini(&hex);
	}
	json_close(j);
	json_kv_bool(j, "tlsa_secure", h->is_tlsa_secure && h->tlsa_count);
}

static void put_host(struct probe *p, struct json_out *j, const struct probe_host *h)
{
	json_open_object(j);
	json_kv_str(j, "name", h->name);
	if (h->is_mx)
		json_kv_u64(j, "preference", h->pref);
	json_kv_str(j, "alias_of", h->alias_of);
	json_kv_str(j, "status", dns_status_str(h->status));
	json_kv_bool(j, "secure", h->is_secure);
	put_answer(j, "in_mta_sts_policy", h->is_in_policy);
	put_tlsa(j, h);
	json_key(j, "addresses");
	json_open_array(j);
	for (size_t i = 0; i < h->addr_count; i++)
		put_addr(p, j, &h->addrs[i]);
	json_close(j);
	json_close(j);
}

static void put_domain(struct json_out *j, const struct probe_domain *d)
{
	json_open_object(j);
	json_kv_str(j, "name", d->name);
	json_kv_bool(j, "mx_secure", d->is_mx_secure);
	json_kv_bool(j, "null_mx", d->is_null_mx);
	json_key(j, "mta_sts");
	json_open_object(j);
	json_kv_str(j, "record", d->sts_txt);
	json_kv_str(j, "id", d->sts_id);
	json_kv_str(j, "policy", d->policy);
	json_kv_str(j, "why", d->policy_why);
	json_kv_str(j, "mode", d->policy_mode);
	put_texts(j, "mx", d->patterns, d->pattern_count);
	if (d->policy_mode && !d->policy_why)
		json_kv_u64(j, "max_age", d->max_age);
	json_close(j);
	json_key(j, "tlsrpt");
	json_open_object(j);
	json_kv_str(j, "record", d->rpt_txt);
	json_kv_str(j, "rua", d->rua);
	json_close(j);
	json_close(j);
}

void probe_json(struct probe *p)
{
	struct json_out j;
	struct buf b;

	buf_init(&b, PROBE_JSON_MAX);
	json_out_init(&j, &b);
	json_open_object(&j);
	json_kv_str(&j, "target", p->target);
	put_time(&j, "time", p->now_sec);
	if (p->is_domain) {
		json_key(&j, "domain");
		put_domain(&j, &p->domain);
	}
	json_key(&j, "hosts");
	json_open_array(&j);
	for (size_t i = 0; i < p->host_count; i++)
		put_host(p, &j, &p->hosts[i]);
	json_close(&j);
	json_key(&j, "findings");
	json_open_array(&j);
	for (size_t i = 0; i < p->finding_count; i++) {
		static const char *const levels[] = {
#define X(id, name) name,
			PROBE_LEVELS(X)
#undef X
		};
		const struct probe_finding *f = &p->findings[i];

		json_open_object(&j);
		json_kv_str(&j, "level", levels[f->level]);
		json_kv_str(&j, "where", f->where);
		json_kv_str(&j, "what", f->what);
		json_kv_str(&j, "text", f->text);
		json_close(&j);
	}
	json_close(&j);
	json_close(&j);
	fwrite(buf_span(&b).ptr, 1, buf_len(&b), stdout);
	putchar('\n');
	buf_fini(&b);
}
