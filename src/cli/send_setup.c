#include <arpa/nameser.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <resolv.h>
#include <string.h>

#include "base/mem.h"
#include "cli/send_plan_priv.h"

/* --setup: the servers of a domain for those who send from it, by SRV records (RFC 6186, RFC 8314), and
 * an account made of what was found. */

#define ANSWER_MAX 65536

struct found {
	char host[NS_MAXDNAME];
	unsigned priority, weight, port;
	bool is_there;
};

/* "ADDRESS[:PORT]" in place of the system's resolver. */
static int set_server(struct send_words *w, res_state r, const char *server)
{
	struct span host, port_text;
	int port = NS_DEFAULTPORT;
	struct in_addr address;

	if (span_cut(span_str(server), ':', &host, &port_text) &&
		send_plan_port(arena_str(w->a, port_text), &port) != 0)
		return SEND_EXIT_WORDS;
	if (inet_pton(AF_INET, arena_str(w->a, host), &address) != 1)
		return cli_fail(SEND_EXIT_WORDS, "--dns-server \"%s\": an IPv4 address, and a port",
			server);
	r->nscount = 1;
	r->nsaddr_list[0] = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = address};
	return 0;
}

/* RFC 2782: the lowest priority, of equals the heaviest. */
static void take(struct found *f, ns_msg *m, const ns_rr *rr)
{
	const unsigned char *d = ns_rr_rdata(*rr);
	struct found one = {.is_there = true};

	if (ns_rr_type(*rr) != ns_t_srv || ns_rr_rdlen(*rr) < 7)
		return;
	one.priority = ns_get16(d);
	one.weight = ns_get16(d + 2);
	one.port = ns_get16(d + 4);
	if (ns_name_uncompress(ns_msg_base(*m), ns_msg_end(*m), d + 6, one.host, sizeof(one.host)) <
		0)
		return;
	/* "." says that there is no such service (RFC 2782) */
	if (!one.host[0] || strcmp(one.host, ".") == 0 || !one.port)
		return;
	if (!f->is_there || one.priority < f->priority ||
		(one.priority == f->priority && one.weight > f->weight))
		*f = one;
}

static void look(
	res_state r, struct send_words *w, const char *service, const char *domain, struct found *f)
{
	unsigned char *answer = arena_alloc(w->a, ANSWER_MAX);
	const char *name = arena_printf(w->a, "%s.%s", service, domain);
	int n = res_nquery(r, name, ns_c_in, ns_t_srv, answer, ANSWER_MAX);
	ns_msg m;
	ns_rr rr;

	if (n <= 0 || ns_initparse(answer, n, &m) < 0)
		return;
	for (int i = 0; i < ns_msg_count(m, ns_s_an); i++) {
		if (ns_parserr(&m, ns_s_an, i, &rr) == 0)
			take(f, &m, &rr);
	}
}

static int add(struct send_words *w, const char *address, const char *domain, const struct found *f,
	bool is_tls)
{
	struct send_account a = {
		.name = send_arg(w, SEND_O_ACCOUNT) ? send_arg(w, SEND_O_ACCOUNT) : domain,
		.host = f->host,
		.port = (int)f->port,
		.tls = is_tls ? "tls" : "starttls",
		.user = send_arg(w, SEND_O_USER) ? send_arg(w, SEND_O_USER) : address,
		.from = address,
		.password_command = send_arg(w, SEND_O_PASSWORD_COMMAND),
	};
	const char *file = send_arg(w, SEND_O_ACCOUNTS);
	int code = send_account_add(w->a, file, &a);

	if (code)
		return code;
	printf("%s sends through %s, port %u, %s.\n", domain, f->host, f->port,
		is_tls ? "TLS at once" : "STARTTLS");
	printf("Account \"%s\" stands in %s now.\n", a.name,
		file ? file : send_config_path(w->a, "accounts.conf"));
	if (!a.password_command)
		printf("It asks for the password; a line \"password_command = ...\" saves the typing.\n");
	printf("Try it: yizhan send --account %s --to %s\n", a.name, address);
	return 0;
}

int send_setup(struct send_words *w, const char *address)
{
	const char *domain = strrchr(address, '@'), *server = send_arg(w, SEND_O_DNS_SERVER);
	struct __res_state *r = ARENA_NEW(w->a, struct __res_state);
	struct found *tls = ARENA_NEW(w->a, struct found), *start = ARENA_NEW(w->a, struct found);
	int code = 0;

	if (!domain || !domain[1])
		return cli_fail(SEND_EXIT_WORDS, "--setup \"%s\" is no address", address);
	domain++;
	if (res_ninit(r) != 0)
		return cli_fail(SEND_EXIT_NEEDS, "the resolver cannot be had");
	if (server)
		code = set_server(w, r, server);
	if (!code) {
		look(r, w, "_submissions._tcp", domain, tls);
		look(r, w, "_submission._tcp", domain, start);
	}
	res_nclose(r);
	if (code)
		return code;
	/* RFC 8314 section 5.1: of equals, TLS at once */
	bool is_tls = tls->is_there && (!start->is_there || tls->priority <= start->priority);
	if (!tls->is_there && !start->is_there)
		return cli_fail(SEND_EXIT_CONNECT,
			"%s publishes no server for sending (no SRV record _submissions._tcp or "
			"_submission._tcp): ask who runs it, and write the account by hand",
			domain);
	return add(w, address, domain, is_tls ? tls : start, is_tls);
}
