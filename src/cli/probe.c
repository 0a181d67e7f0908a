/* The command itself: words, tools, one fiber a port. */

#include "cli/probe.h"

#include <string.h>
#include <unistd.h>

#include "base/must.h"
#include "services/router/router.h"

#define PROBE_TIMEOUT_NS (10 * CLOCK_SEC)
#define PROBE_LANE       4

static bool is_port(struct span text, uint16_t *port_r)
{
	uint64_t n;

	if (!span_u64_max(text, UINT16_MAX, &n) || n == 0)
		return false;
	*port_r = (uint16_t)n;
	return true;
}

static int add_port(struct probe *p, struct span text)
{
	uint16_t port;

	if (!is_port(text, &port))
		return cli_fail(EX_USAGE, "\"" SPAN_FMT "\" is no port", SPAN_ARG(text));
	if (p->port_count == PROBE_PORTS_MAX)
		return cli_fail(EX_USAGE, "more than %d ports", PROBE_PORTS_MAX);
	p->ports[p->port_count++] = port;
	return 0;
}

/* What DNS is asked for is the A-label (RFC 5890). */
static int spell_target(struct probe *p)
{
	struct span ascii;

	if (span_is_ascii(span_str(p->target)))
		return 0;
	ascii = router_domain_key(p->arena, span_str(p->target));
	if (!ascii.len)
		return cli_fail(
			EX_USAGE, "%s is no domain name", probe_clean(p->arena, p->target, false));
	p->target = arena_str(p->arena, ascii);
	return 0;
}

/* "host", "host:25", "[::1]", "[::1]:25", "::1" */
static int take_target(struct probe *p, const char *text)
{
	struct span s = span_str(text), head, tail;
	struct addr addr;
	int code = 0;

	if (!addr_parse_ip(s, 0, &addr)) {
		if (span_starts(s, SPAN("["))) {
			if (!span_cut(span_skip(s, 1), ']', &head, &tail))
				return cli_fail(EX_USAGE, "%s: the bracket is not closed", text);
			s = head;
			if (span_starts(tail, SPAN(":")))
				code = add_port(p, span_skip(tail, 1));
			if (!addr_parse_ip(s, 0, &addr))
				return cli_fail(EX_USAGE, "%s: no address", text);
		} else if (span_cut(s, ':', &head, &tail)) {
			s = head;
			code = add_port(p, tail);
		}
	}
	if (s.len > 1 && s.ptr[s.len - 1] == '.')
		s.len--;
	p->target = arena_str(p->arena, s);
	if (!code && s.len == 0)
		code = cli_fail(EX_USAGE, "which host?");
	return code ? code : spell_target(p);
}

static int take_maps(struct probe *p, const char *text)
{
	struct span rest = span_str(text), one, from, to;
	bool is_more = text != NULL;

	while (is_more) {
		struct probe_map *m = &p->maps[p->map_count];

		is_more = span_cut(rest, ',', &one, &rest);
		if (p->map_count == PROBE_PORTS_MAX ||
			!(span_cut(one, '=', &from, &to)
					? is_port(from, &m->from) && is_port(to, &m->to)
					: is_port(one, &m->to)))
			return cli_fail(EX_USAGE, "--connect-port: PORT or FROM=TO[,FROM=TO...]");
		p->map_count++;
	}
	return 0;
}

static int take_kind(struct probe *p, const char *name)
{
	for (size_t i = 0; name && i < PROBE_KIND_COUNT; i++)
		if (strcmp(probe_kinds[i].name, name) == 0)
			p->kind = &probe_kinds[i];
	if (name && !p->kind)
		return cli_fail(EX_USAGE,
			"--protocol: one of smtp, submissions, submission, imap, imaps, pop3, pop3s");
	return 0;
}

static int take_words(struct probe *p)
{
	struct cli_call *c = p->call;
	const char *timeout = cli_value(c, "timeout"), *ports = cli_value(c, "port");
	struct span rest = span_str(ports), one;
	int code = take_target(p, c->operands[0]);
	bool is_more = ports != NULL;

	for (size_t i = 1; !code && i < c->operand_count; i++)
		code = add_port(p, span_str(c->operands[i]));
	while (!code && is_more) {
		is_more = span_cut(rest, ',', &one, &rest);
		code = add_port(p, one);
	}
	p->timeout_ns = PROBE_TIMEOUT_NS;
	if (!code && timeout &&
		(!clock_parse_duration(span_str(timeout), &p->timeout_ns) ||
			p->timeout_ns < CLOCK_MS || p->timeout_ns > CLOCK_HOUR))
		code = cli_fail(EX_USAGE, "--timeout: \"%s\" is no time such as 5s", timeout);
	p->hello = cli_value(c, "hello");
	if (!code && p->hello && !smtp_domain_is_valid(span_str(p->hello), false))
		code = cli_fail(EX_USAGE, "--hello: \"%s\" is no host name", p->hello);
	p->verify_name = cli_value(c, "name");
	p->ca_file = cli_value(c, "ca-file");
	p->is_host_forced = cli_value(c, "host") != NULL;
	p->is_relay_checked = cli_value(c, "relay-check") != NULL;
	p->is_detailed = cli_value(c, "details") != NULL;
	if (!code)
		code = take_kind(p, cli_value(c, "protocol"));
	return code ? code : take_maps(p, cli_value(c, "connect-port"));
}

/* ---- tools ---- */

static int make_resolver(struct probe *p)
{
	const char *resolver = cli_value(p->call, "resolver");
	const char *table = cli_value(p->call, "dns-table");
	struct dns_opts opts = {.forwarders = &resolver,
		.forwarder_count = resolver ? 1 : 0,
		.hosts_file = access("/etc/hosts", R_OK) == 0 ? "/etc/hosts" : NULL};
	struct err e = {0};

	if (table) {
		p->dns = probe_dns_table(p, table);
		return p->dns ? 0 : EX_DATAERR;
	}
	p->dns = dns_new(&opts, &e);
	return p->dns ? 0 : cli_fail_err(&e);
}

static int make_clients(struct probe *p)
{
	struct tls_client_opts opts = {.ca_file = p->ca_file};
	struct err e = {0};

	p->tls = tls_client_new(&opts, &e);
	if (!p->tls)
		return cli_fail(EX_NOINPUT, "%s", e.text);
	for (int i = 0; i < PROBE_VERSIONS; i++) {
		opts = (struct tls_client_opts){
			.is_without_ca = true, .min_version = 10 + i, .max_version = 10 + i};
		p->versions[i] = tls_client_new(&opts, &e);
	}
	return 0;
}

/* ---- the plan ---- */

static const struct probe_kind *kind_of_port(const struct probe *p, uint16_t port)
{
	if (p->kind)
		return p->kind;
	for (size_t i = 0; i < PROBE_KIND_COUNT; i++)
		if (probe_kinds[i].port == port)
			return &probe_kinds[i];
	return NULL;
}

static void plan_port(
	struct probe *p, struct probe_host *h, struct probe_addr *a, uint16_t port, bool is_asked)
{
	a->ports[a->port_count++] = (struct probe_port){.host = h,
		.addr = a,
		.port = port,
		.kind = kind_of_port(p, port),
		.is_asked_for = is_asked};
}

static void plan_addr(struct probe *p, struct probe_host *h, struct probe_addr *a)
{
	for (size_t i = 0; i < p->port_count; i++)
		plan_port(p, h, a, p->ports[i], true);
	if (p->port_count)
		return;
	if (p->kind)
		plan_port(p, h, a, p->kind->port, true);
	else if (h->is_mx)
		plan_port(p, h, a, probe_kinds[PROBE_SMTP].port, false);
	for (size_t i = 0; !p->kind && !h->is_mx && i < PROBE_KIND_COUNT; i++)
		plan_port(p, h, a, probe_kinds[i].port, false);
}

static FIBER int run_port(void *arg)
{
	struct probe_port_job *j = arg;

	probe_port_run(j);
	cli_progress(++j->p->ports_done, j->p->ports_planned);
	return 0;
}

static FIBER void run_ports(struct probe *p)
{
	struct fiber_group g;

	fiber_group_init(&g);
	for (size_t i = 0; i < p->host_count; i++)
		for (size_t k = 0; k < p->hosts[i].addr_count; k++) {
			struct probe_addr *a = &p->hosts[i].addrs[k];

			plan_addr(p, &p->hosts[i], a);
			p->ports_planned += a->port_count;
			for (size_t n = 0; n < a->port_count; n++) {
				struct probe_port_job *j = ARENA_NEW(
					p->arena, struct probe_port_job);

				*j = (struct probe_port_job){p, &a->ports[n]};
				if (fiber_start(&g, "port", run_port, j, NULL) < 0)
					run_port(j);
			}
		}
	if (p->ports_planned)
		cli_progress(0, p->ports_planned);
	fiber_group_join(&g);
}

static FIBER int fetch_policy(void *arg)
{
	probe_sts(arg);
	return 0;
}

static FIBER int probe_main(void *arg)
{
	struct probe *p = arg;
	struct fiber_group g;

	p->now_sec = loop_wall_ns() / CLOCK_SEC;
	p->code = probe_dns(p);
	if (p->code)
		return 0;
	fiber_group_init(&g);
	if (p->is_domain && fiber_start(&g, "policy", fetch_policy, p, NULL) < 0)
		probe_sts(p);
	run_ports(p);
	fiber_group_join(&g);
	return 0;
}

static int run_loop(struct probe *p)
{
	struct loop_opts opts = {.name = "probe", .slice_warn_ns = CLOCK_MIN};
	struct err e = {0};
	struct loop *l = loop_new_uv(&opts, &e);
	int rc = -1;

	if (l) {
		rc = loop_run(l, probe_main, p, &e);
		loop_free(&l);
	}
	return rc < 0 ? cli_fail_err(&e) : 0;
}

static int report(struct probe *p)
{
	if (p->code)
		return cli_fail(p->code, "%s: %s", probe_clean(p->arena, p->target, false), p->why);
	probe_judge(p);
	if (p->call->is_json)
		probe_json(p);
	else
		probe_show(p);
	return probe_judge_code(p);
}

static int run_probe(struct cli_call *c)
{
	struct probe *p = ARENA_NEW(c->arena, struct probe);
	int code;

	p->call = c;
	p->arena = c->arena;
	code = take_words(p);
	if (!code)
		code = make_resolver(p);
	if (!code)
		code = make_clients(p);
	if (!code) {
		p->lane = work_lane_new("fetch", 1, PROBE_LANE);
		code = run_loop(p);
		work_lane_free(&p->lane);
	}
	if (!code)
		code = report(p);
	dns_free(&p->dns);
	tls_client_free(&p->tls);
	for (int i = 0; i < PROBE_VERSIONS; i++)
		tls_client_free(&p->versions[i]);
	return code;
}

const struct cli_command cli_probe = {
	.name = "probe",
	.group = "Looking at servers",
	.line = "look at a mail server, or at all MX hosts of a domain",
	.text = "Connects as a client would, asks what is offered with and without TLS, tries the "
		"versions of TLS, looks at certificates, DANE, MTA-STS and TLSRPT, and tells what is "
		"wrong. Of a domain with MX records its MX hosts are compared at port 25; of a host "
		"the ports 25, 465, 587, 143, 993, 110 and 995 are looked at. No message is ever sent. "
		"Whether strangers may relay is tried on other machines with --relay-check only: "
		"RCPT for a foreign address is something that a server may count against you. Exit "
		"status: 0 nothing to complain about, 1 warnings or problems, 68 no such host, "
		"69 nothing answers, 75 DNS does not answer.",
	.operands = {{"HOST|DOMAIN", NULL, false, false}, {"PORT", NULL, true, true}},
	.options = {{"port", "PORTS", "ports to look at, with commas"},
		{"protocol", "NAME", "what is spoken there", NULL, false,
			"smtp submissions submission imap imaps pop3 pop3s"},
		{"host", NULL, "a host, even where it has MX records"},
		{"name", "NAME", "the name that certificates must be for"},
		{"hello", "NAME", "how we call ourselves"},
		{"details", NULL, "all about each server, not side by side"},
		{"relay-check", NULL, "try whether strangers may relay"},
		{"ca-file", "FILE", "authorities to believe (PEM) instead of the system's"},
		{"timeout", "TIME", "how long each step may take (10s)"},
		{"resolver", "ADDR", "name server to ask, \"192.0.2.1@53\""},
		{"dns-table", "FILE", "no DNS: answers from lines \"NAME TYPE [secure] VALUE\""},
		{"connect-port", "PORTS", "connect there instead: \"25=2525,443=8443\""}},
	.run = run_probe,
};
