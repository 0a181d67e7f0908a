/* Everything about one port: one long conversation, and short ones for what needs its own. */

#include <string.h>

#include "base/must.h"
#include "cli/probe.h"

static const char *verify_name(const struct probe *p, const struct probe_port *port)
{
	if (p->verify_name)
		return p->verify_name;
	return port->host->name[0] ? port->host->name : port->addr->text;
}

static struct tls_connect_opts connect_opts(const struct probe *p, const struct probe_port *port)
{
	return (struct tls_connect_opts){.name = span_str(verify_name(p, port))};
}

/* ---- which protocol? ---- */

static const struct probe_kind *kind_of_greeting(struct span line, bool is_tls)
{
	if (span_starts(line, SPAN("* ")))
		return &probe_kinds[is_tls ? PROBE_IMAPS : PROBE_IMAP];
	if (span_starts(line, SPAN("+OK")))
		return &probe_kinds[is_tls ? PROBE_POP3S : PROBE_POP3];
	return &probe_kinds[is_tls ? PROBE_SUBMISSIONS : PROBE_SMTP];
}

/* Who speaks first speaks in clear; who is silent may wait for a handshake. */
static FIBER const struct probe_kind *guess_in(struct probe_port_job *j, bool is_tls)
{
	struct tls_connect_opts opts = connect_opts(j->p, j->port);
	const struct probe_kind *kind = NULL;
	struct probe_talk t;
	struct span line;

	probe_talk_init(&t, j);
	if (probe_talk_connect(&t) == 0) {
		j->port->is_open = true;
		stream_set_timeout(t.s, is_tls ? j->p->timeout_ns : PROBE_GUESS_NS);
		if ((!is_tls || tls_connect_with(t.s, j->p->tls, &opts, NULL, &t.e) == 0) &&
			stream_read_line(t.s, PROBE_LINE_MAX, &line, NULL, &t.e) == 0) {
			kind = kind_of_greeting(line, is_tls);
			t.kind = kind;
			probe_talk_quit(&t);
		}
	}
	if (!kind)
		j->port->why = probe_talk_why(&t);
	probe_talk_fini(&t);
	return kind;
}

static FIBER const struct probe_kind *guess_kind(struct probe_port_job *j)
{
	const struct probe_kind *kind = guess_in(j, false);

	if (!kind && j->port->is_open)
		kind = guess_in(j, true);
	if (!kind && j->port->is_open)
		j->port->why = "it speaks none of SMTP, IMAP and POP3";
	if (kind)
		j->port->why = NULL; /* what the first try met is no news */
	return kind;
}

/* ---- the long conversation ---- */

static void learn_tls(struct probe_talk *t)
{
	struct probe_tls *x = &t->port->tls;
	const struct stream_tls *tls = t->s->tls;
	struct arena *a = t->p->arena;
	struct tls_facts facts;

	x->is_up = true;
	/* What the stream says lives as the connection does. */
	x->version = arena_str(a, span_str(tls->version));
	x->cipher = arena_str(a, span_str(tls->cipher));
	x->bits = tls->bits;
	x->alpn = tls->alpn ? arena_str(a, span_str(tls->alpn)) : NULL;
	if (tls_facts(t->s, &facts))
		x->group = facts.group;
	x->cert_count = tls_certs(t->s, a, &x->certs);
	for (size_t i = 0; i < t->port->host->tlsa_count; i++)
		x->dane_fits[i] = tls_tlsa_fits(t->s, &t->port->host->tlsa[i]);
}

static void learn_size(struct probe_port *port, const struct probe_caps *c)
{
	for (size_t i = 0; i < c->count; i++) {
		struct span line = span_str(c->lines[i]);

		if (!span_eq_nocase(span_word(&line), SPAN("SIZE")))
			continue;
		port->has_size = true;
		port->size_max = 0;
		span_u64(span_trim(line), &port->size_max);
	}
}

/* Never DATA: the question is answered at RCPT. Domains of RFC 2606 that are nobody's. */
static FIBER void check_relay(struct probe_talk *t)
{
	const char *home = t->p->is_domain ? t->p->domain.name : t->port->host->name;
	const char *senders[] = {"relay-check@example.com", "",
		home[0] ? arena_printf(t->p->arena, "postmaster@%s", home) : NULL};
	struct probe_port *port = t->port;

	for (size_t i = 0; i < ARRAY_LEN(senders) && port->relay != PROBE_YES; i++) {
		const char *from = senders[i];
		int code;

		if (!from)
			continue;
		code = probe_talk_command(t, arena_printf(t->p->arena, "MAIL FROM:<%s>", from));
		if (code >= 200 && code < 300)
			code = probe_talk_command(t, "RCPT TO:<relay-check@example.net>");
		if (code < 0) {
			if (port->relay == PROBE_UNTRIED)
				port->relay = PROBE_UNSURE;
			port->relay_why = probe_talk_why(t);
			return;
		}
		if (i == 0 || code < 300) {
			port->relay = code < 300 ? PROBE_YES : PROBE_NO;
			port->relay_why = arena_printf(t->p->arena, "%d " SPAN_FMT "%s%s%s", code,
				SPAN_ARG(probe_talk_text(t)), i ? " (from <" : "", i ? from : "",
				i ? ">)" : "");
		}
		if (probe_talk_command(t, "RSET") < 0)
			return;
	}
}

static FIBER int talk_long(struct probe_talk *t)
{
	struct probe_port *port = t->port;
	struct tls_connect_opts opts = connect_opts(t->p, port);
	struct probe_tls *x = &port->tls;

	t->is_timed = true;
	x->name = verify_name(t->p, port);
	x->is_tried = port->kind->is_tls;
	if (probe_talk_open(t, t->p->tls, &opts, &x->verdict) < 0) {
		port->is_open = t->s != NULL;
		port->greeting = t->greeting;
		if (t->s && x->is_tried && !t->s->tls)
			x->why = probe_talk_why(t);
		return -1;
	}
	port->is_open = true;
	port->greeting = t->greeting;
	if (x->is_tried)
		learn_tls(t);
	if (probe_talk_hello(t, x->is_tried ? &port->after : &port->before) < 0)
		return -1;
	port->has_hello = !x->is_tried;
	port->has_hello_after = x->is_tried;
	if (!x->is_tried && port->before.has_starttls) {
		x->is_tried = true;
		if (probe_talk_starttls(t, t->p->tls, &opts, &x->verdict) < 0) {
			x->why = probe_talk_why(t);
			return 0;
		}
		learn_tls(t);
		if (probe_talk_hello(t, &port->after) < 0)
			return -1;
		port->has_hello_after = true;
	}
	if (port->kind->family == PROBE_FAMILY_SMTP) {
		learn_size(port, port->has_hello_after ? &port->after : &port->before);
		if (t->p->is_relay_checked || addr_is_loopback(&port->addr->addr))
			check_relay(t);
	}
	probe_talk_quit(t);
	return 0;
}

/* ---- the short ones ---- */

/* To the handshake with this client: 1 it is up, 0 it failed, -1 it was not reached. */
static FIBER int reach_tls(struct probe_talk *t, struct tls_client *tls,
	const struct tls_connect_opts *opts, struct tls_verdict *verdict_r)
{
	struct probe_caps caps;

	if (t->kind->is_tls) {
		if (probe_talk_open(t, tls, opts, verdict_r) == 0)
			return 1;
		return t->s ? (t->s->tls ? 1 : 0) : -1;
	}
	if (probe_talk_open(t, tls, opts, verdict_r) < 0 || probe_talk_hello(t, &caps) < 0)
		return -1;
	if (probe_talk_starttls(t, tls, opts, verdict_r) == 0)
		return 1;
	return t->e.code == ERR_REPLY ? -1 : 0;
}

static FIBER void try_version(struct probe_port_job *j, int i)
{
	static const char *const names[PROBE_VERSIONS] = {"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"};
	struct probe_version *v = &j->port->tls.versions[i];
	struct tls_connect_opts opts = connect_opts(j->p, j->port);
	struct probe_talk t;

	if (j->port->tls.is_up && strcmp(j->port->tls.version, names[i]) == 0) {
		v->is_spoken = PROBE_YES;
		return;
	}
	if (!j->p->versions[i]) {
		v->is_spoken = PROBE_UNSURE;
		v->why = "this machine's OpenSSL does not speak it";
		return;
	}
	probe_talk_init(&t, j);
	switch (reach_tls(&t, j->p->versions[i], &opts, NULL)) {
	case 1:
		v->is_spoken = PROBE_YES;
		probe_talk_quit(&t);
		break;
	case 0: v->is_spoken = PROBE_NO; break;
	default: v->is_spoken = PROBE_UNSURE;
	}
	if (v->is_spoken != PROBE_YES)
		v->why = probe_talk_why(&t);
	probe_talk_fini(&t);
}

/* OpenSSL's own word, with the records alone to go by. */
static FIBER void try_dane(struct probe_port_job *j)
{
	struct probe_host *h = j->port->host;
	struct tls_connect_opts opts = connect_opts(j->p, j->port);
	struct probe_tls *x = &j->port->tls;
	struct probe_talk t;

	opts.tlsa = h->tlsa;
	opts.tlsa_count = h->tlsa_count;
	if (h->is_mx)
		opts.also = span_str(j->p->domain.name); /* RFC 7672 section 3.2.2 */
	x->is_dane_tried = true;
	probe_talk_init(&t, j);
	if (reach_tls(&t, j->p->tls, &opts, &x->dane) == 1)
		probe_talk_quit(&t);
	else
		x->dane_why = probe_talk_why(&t);
	probe_talk_fini(&t);
}

static FIBER void try_injection(struct probe_port_job *j)
{
	struct tls_connect_opts opts = connect_opts(j->p, j->port);
	struct probe_talk t;
	struct probe_caps caps;

	probe_talk_init(&t, j);
	if (probe_talk_open(&t, j->p->tls, &opts, NULL) < 0 || probe_talk_hello(&t, &caps) < 0) {
		j->port->injection = PROBE_UNSURE;
		j->port->injection_why = probe_talk_why(&t);
	} else {
		j->port->injection = probe_talk_inject(
			&t, j->p->tls, &opts, &j->port->injection_why);
	}
	probe_talk_fini(&t);
}

static bool has_usable_tlsa(const struct probe_host *h)
{
	for (size_t i = 0; i < h->tlsa_count; i++)
		if (tls_tlsa_is_usable(&h->tlsa[i]))
			return true;
	return false;
}

FIBER int probe_port_run(void *arg)
{
	struct probe_port_job *j = arg;
	struct probe_port *port = j->port;
	struct probe_talk t;

	if (!port->kind && !(port->kind = guess_kind(j)))
		return 0;
	probe_talk_init(&t, j);
	if (talk_long(&t) < 0)
		port->why = probe_talk_why(&t);
	probe_talk_fini(&t);
	if (!port->tls.is_tried || (!port->tls.is_up && !port->is_open))
		return 0;
	for (int i = 0; i < PROBE_VERSIONS; i++)
		try_version(j, i);
	if (!port->tls.is_up)
		return 0;
	/* RFC 7672: the records of port 25 say nothing about others. */
	if (has_usable_tlsa(port->host) && port->port == 25)
		try_dane(j);
	if (!port->kind->is_tls)
		try_injection(j);
	return 0;
}
