/* Names to addresses, domains to MX hosts. The C library's resolver blocks, so it is asked on a
 * helper thread, in sessions that block too: only so a look-up has a deadline. */

#include "libyz/libyz_priv.h"

#include <arpa/nameser.h>
#include <errno.h>
#include <netdb.h>
#include <resolv.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"
#include "base/must.h"

#define MX_NAME_MAX 1025 /* NS_MAXDNAME: what dn_expand writes */

struct mx {
	uint16_t preference;
	uint32_t draw; /* random: order among equals */
	char *host;    /* owned */
};

/* One look-up. What it needs is copied, what it finds is its own. */
struct lookup {
	struct helper_job job;
	char *name;
	int family; /* AF_… */
	uint16_t port;
	struct yz_resolver
		resolver; /* strings live as long as the context, which the thread holds */
	struct addr *addrs;
	struct mx *mx;
	size_t count;
	bool is_absent; /* no such name */
	struct err err; /* code NONE: it worked */
};

static void lookup_free(struct helper_job *job)
{
	struct lookup *l = (struct lookup *)job;

	for (size_t i = 0; l->mx && i < l->count; i++)
		free(l->mx[i].host);
	free(l->mx);
	free(l->addrs);
	free(l->name);
	free(l);
}

static struct lookup *lookup_new(struct yz_session *s, const char *name)
{
	struct lookup *l = NEW(struct lookup);

	l->job.free = lookup_free;
	l->name = mem_dup(name, strlen(name));
	l->resolver = s->ctx->resolver;
	return l;
}

/* ---- addresses ---- */

static void lookup_add(struct lookup *l, const struct sockaddr *sa, socklen_t len)
{
	struct addr *a;

	if (l->count == YZ_ADDRESSES_MAX || len > sizeof(*a) - offsetof(struct addr, sa))
		return;
	a = &l->addrs[l->count];
	memcpy(&a->sa, sa, len);
	a->len = len;
	addr_set_port(a, l->port);
	/* The same one twice (several socket types, files and DNS) is tried once. */
	for (size_t i = 0; i < l->count; i++)
		if (addr_eq(&l->addrs[i], a))
			return;
	l->count++;
}

static void lookup_run_system(struct lookup *l)
{
	struct addrinfo want = {.ai_family = l->family,
				.ai_socktype = SOCK_STREAM,
				.ai_flags = AI_ADDRCONFIG},
			*found = NULL;
	int rc = getaddrinfo(l->name, NULL, &want, &found);

	/* Loopback alone is no address that AI_ADDRCONFIG counts. */
	if (rc == EAI_NONAME || rc == EAI_ADDRFAMILY) {
		want.ai_flags = 0;
		rc = getaddrinfo(l->name, NULL, &want, &found);
	}
	if (rc != 0) {
		l->is_absent = rc == EAI_NONAME || rc == EAI_NODATA;
		err_set(&l->err, l->is_absent ? ERR_NOT_FOUND : ERR_DNS, "looking up %s: %s",
			l->name, rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
		return;
	}
	for (struct addrinfo *i = found; i; i = i->ai_next)
		lookup_add(l, i->ai_addr, i->ai_addrlen);
	freeaddrinfo(found);
}

static void lookup_hook_add(void *to, const char *address)
{
	struct lookup *l = to;
	struct addr a;

	if (address && addr_parse_ip(span_str(address), l->port, &a) &&
		(l->family == AF_UNSPEC || a.sa.sa_family == l->family))
		lookup_add(l, &a.sa, a.len);
}

static int lookup_family(int af)
{
	return af == AF_INET ? 4 : af == AF_INET6 ? 6 : 0;
}

static void lookup_run_hook(struct lookup *l)
{
	int rc = l->resolver.addresses(
		l->resolver.arg, l->name, lookup_family(l->family), lookup_hook_add, l);

	if (rc != 0)
		err_set(&l->err, ERR_DNS, "looking up %s: %s", l->name,
			strerror(rc < 0 ? -rc : rc));
}

static void lookup_run(struct helper_job *job)
{
	struct lookup *l = (struct lookup *)job;

	l->addrs = mem_alloc(YZ_ADDRESSES_MAX * sizeof(l->addrs[0]));
	if (l->resolver.addresses)
		lookup_run_hook(l);
	else
		lookup_run_system(l);
	if (l->err.code == ERR_NONE && l->count == 0)
		err_set(&l->err, ERR_DNS, "looking up %s: it has no address", l->name);
}

static void lookup_trace(struct yz_session *s, const char *name, const struct addr *addrs, size_t n)
{
	struct buf b;

	buf_init(&b, YZ_ADDRESSES_MAX * ADDR_TEXT_MAX);
	for (size_t i = 0; i < n; i++) {
		buf_char(&b, ' ');
		addr_put_ip(&b, &addrs[i]);
	}
	trace_event(s, YZ_TRACE_RESOLVE, YZ_DIR_NONE, "%s:%s", name, buf_cstr(&b));
	buf_fini(&b);
}

static int session_family(const struct yz_session *s)
{
	return s->opts.family == 4 ? AF_INET : s->opts.family == 6 ? AF_INET6 : AF_UNSPEC;
}

/* The reasons that our own limits and threads have are not the name server's. */
static int lookup_failed(struct yz_session *s, const char *name, struct err *e)
{
	if (e && e->code == ERR_TIMEOUT)
		err_set(e, ERR_TIMEOUT, "looking up %s: no answer in time", name);
	trace_event(s, YZ_TRACE_RESOLVE, YZ_DIR_NONE, "%s", e ? e->text : name);
	return -1;
}

FIBER int lookup_addresses(struct yz_session *s, const char *host, uint16_t port,
	int64_t deadline_ns, struct addr **addrs_r, size_t *count_r, struct err *e)
{
	int family = session_family(s);
	struct lookup *l;
	struct addr ip;
	int rc = 0;

	if (addr_parse_ip(span_str(host), port, &ip)) {
		if (family != AF_UNSPEC && family != ip.sa.sa_family)
			return err_set(e, ERR_DNS, "%s is no IPv%d address", host, s->opts.family);
		*addrs_r = ARENA_NEW(s->conn, struct addr);
		**addrs_r = ip;
		*count_r = 1;
		return 0;
	}
	l = lookup_new(s, host);
	l->job.run = lookup_run;
	l->family = family;
	l->port = port;
	if (helper_run(s, &l->job, deadline_ns, e) < 0)
		return lookup_failed(s, host, e);
	if (l->err.code != ERR_NONE) {
		err_copy(e, &l->err);
		rc = lookup_failed(s, host, e);
	} else {
		*addrs_r = ARENA_ARRAY(s->conn, struct addr, l->count);
		memcpy(*addrs_r, l->addrs, l->count * sizeof(l->addrs[0]));
		*count_r = l->count;
		lookup_trace(s, host, l->addrs, l->count);
	}
	helper_unref(&l->job);
	return rc;
}

/* ---- MX ---- */

static void mx_add(struct lookup *l, unsigned preference, const char *host)
{
	size_t len = strlen(host);

	if (l->count == YZ_MX_MAX || len > MX_NAME_MAX)
		return;
	while (len > 0 && host[len - 1] == '.')
		len--;
	l->mx[l->count].preference = (uint16_t)(preference > 65535 ? 65535 : preference);
	l->mx[l->count].host = mem_dup(host, len);
	if (getrandom(&l->mx[l->count].draw, sizeof(l->mx[0].draw), GRND_NONBLOCK) < 0)
		l->mx[l->count].draw = 0;
	l->count++;
}

static void mx_hook_add(void *to, unsigned preference, const char *host)
{
	if (host)
		mx_add(to, preference, host);
}

/* RFC 1035 sections 3.3.9 and 4.1. */
static int mx_parse(struct lookup *l, const unsigned char *answer, int len)
{
	char host[MX_NAME_MAX];
	ns_msg msg;
	ns_rr rr;

	if (ns_initparse(answer, len, &msg) < 0)
		return -1;
	for (int i = 0; i < ns_msg_count(msg, ns_s_an); i++) {
		if (ns_parserr(&msg, ns_s_an, i, &rr) < 0)
			return -1;
		if (ns_rr_type(rr) != ns_t_mx || ns_rr_rdlen(rr) < 3)
			continue;
		if (dn_expand(answer, answer + len, ns_rr_rdata(rr) + 2, host, sizeof(host)) < 0)
			return -1;
		mx_add(l, ns_get16(ns_rr_rdata(rr)), host);
	}
	return 0;
}

/* The state of the resolver is this look-up's own. */
static int mx_state(struct lookup *l, struct __res_state *state)
{
	struct addr at;

	if (res_ninit(state) < 0)
		return err_set(&l->err, ERR_DNS, "the resolver cannot be set up");
	if (!l->resolver.nameserver)
		return 0;
	if (addr_parse(span_str(l->resolver.nameserver), 53, &at, &l->err) < 0)
		return -1;
	if (at.sa.sa_family == AF_INET) {
		state->nscount = 1;
		state->nsaddr_list[0] = at.in4;
		return 0;
	}
	/* glibc takes IPv6 servers by an extension: a pointer it frees in res_nclose. */
	state->_u._ext.nsaddrs[0] = malloc(sizeof(struct sockaddr_in6));
	if (!state->_u._ext.nsaddrs[0])
		return err_set(&l->err, ERR_DNS, "no memory");
	*state->_u._ext.nsaddrs[0] = at.in6;
	state->_u._ext.nscount = 1;
	state->nscount = 1;
	state->nsaddr_list[0].sin_family = 0;
	return 0;
}

static void mx_run_system(struct lookup *l)
{
	struct __res_state *state = NEW(struct __res_state);
	unsigned char *answer = mem_alloc(YZ_DNS_MESSAGE);
	int len, why;

	if (mx_state(l, state) == 0) {
		len = res_nquery(state, l->name, ns_c_in, ns_t_mx, answer, YZ_DNS_MESSAGE);
		why = state->res_h_errno;
		if (len >= 0 &&
			mx_parse(l, answer, len < YZ_DNS_MESSAGE ? len : YZ_DNS_MESSAGE) < 0)
			err_set(&l->err, ERR_DNS, "MX of %s: the answer cannot be read", l->name);
		else if (len < 0 && why == HOST_NOT_FOUND)
			l->is_absent = true;
		else if (len < 0 && why != NO_DATA)
			err_set(&l->err, ERR_DNS, "MX of %s: %s", l->name,
				why == TRY_AGAIN ? "the name servers do not answer"
						 : "the look-up failed");
	}
	res_nclose(state);
	free(answer);
	free(state);
}

static void mx_run(struct helper_job *job)
{
	struct lookup *l = (struct lookup *)job;
	int rc = 0;

	l->mx = mem_alloc(YZ_MX_MAX * sizeof(l->mx[0]));
	if (l->resolver.mx)
		rc = l->resolver.mx(l->resolver.arg, l->name, mx_hook_add, l);
	else
		mx_run_system(l);
	if (rc != 0)
		err_set(&l->err, ERR_DNS, "MX of %s: %s", l->name, strerror(rc < 0 ? -rc : rc));
}

/* RFC 5321 section 5.1: lowest preference first, equals at random. */
static int mx_order(const void *a, const void *b)
{
	const struct mx *x = a, *y = b;

	if (x->preference != y->preference)
		return x->preference < y->preference ? -1 : 1;
	return x->draw < y->draw ? -1 : x->draw > y->draw;
}

static int mx_take(struct yz_session *s, struct lookup *l, const char ***hosts_r, size_t *count_r,
	struct err *e)
{
	if (l->err.code != ERR_NONE)
		return err_copy(e, &l->err);
	if (l->is_absent)
		return err_set(e, ERR_NOT_FOUND, "there is no domain %s", l->name);
	qsort(l->mx, l->count, sizeof(l->mx[0]), mx_order);
	*count_r = l->count ? l->count : 1;
	*hosts_r = ARENA_ARRAY(s->conn, const char *, *count_r);
	/* RFC 5321 section 5.1: without MX the domain itself is the host. */
	if (l->count == 0)
		(*hosts_r)[0] = arena_str(s->conn, span_str(l->name));
	/* RFC 7505 section 3. */
	if (l->count == 1 && l->mx[0].host[0] == '\0')
		return err_set(e, ERR_NOT_FOUND, "%s takes no mail (null MX)", l->name);
	for (size_t i = 0; i < l->count; i++) {
		(*hosts_r)[i] = arena_str(s->conn, span_str(l->mx[i].host));
		trace_event(s, YZ_TRACE_RESOLVE, YZ_DIR_NONE, "%s MX %u %s", l->name,
			l->mx[i].preference, l->mx[i].host);
	}
	return 0;
}

FIBER int lookup_mx(struct yz_session *s, const char *domain, int64_t deadline_ns,
	const char ***hosts_r, size_t *count_r, struct err *e)
{
	struct lookup *l = lookup_new(s, domain);
	int rc;

	l->job.run = mx_run;
	if (helper_run(s, &l->job, deadline_ns, e) < 0)
		return lookup_failed(s, domain, e);
	rc = mx_take(s, l, hosts_r, count_r, e);
	helper_unref(&l->job);
	return rc < 0 ? lookup_failed(s, domain, e) : 0;
}
