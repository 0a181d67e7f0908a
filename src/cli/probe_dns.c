/* Names: who the hosts are, and what DNS says about them. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/enc.h"
#include "cli/probe.h"

/* ---- a resolver out of a file ---- */

static const struct {
	const char *name;
	enum dns_type type;
} type_names[] = {{"A", DNS_A}, {"AAAA", DNS_AAAA}, {"MX", DNS_MX}, {"CNAME", DNS_CNAME},
	{"PTR", DNS_PTR}, {"TXT", DNS_TXT}, {"SRV", DNS_SRV}, {"TLSA", DNS_TLSA}};

/* dns_new_table insists on values that can be read: look first. */
static bool is_row_value(enum dns_type type, const char *value)
{
	struct span s = span_str(value);
	struct addr addr;
	struct buf hex;
	uint64_t n;
	bool is_good = true;

	if (value[0] == '!')
		return true;
	switch (type) {
	case DNS_A:
	case DNS_AAAA:
		return addr_parse_ip(s, 0, &addr) &&
			(addr.sa.sa_family == AF_INET) == (type == DNS_A);
	case DNS_MX:
	case DNS_SRV:
		for (int i = 0; i < (type == DNS_MX ? 1 : 3); i++)
			is_good = is_good && span_u64_max(span_word(&s), UINT16_MAX, &n);
		return is_good && span_trim(s).len;
	case DNS_TLSA:
		buf_init(&hex, PROBE_TABLE_MAX);
		is_good = enc_get_hex(&hex, s);
		buf_fini(&hex);
		return is_good;
	default: return s.len > 0;
	}
}

static bool take_row(struct probe *p, struct span line, struct dns_row *row)
{
	struct span name = span_word(&line), type = span_word(&line), rest = span_trim(line), word;

	*row = (struct dns_row){.name = arena_str(p->arena, name)};
	word = rest;
	if (span_eq_nocase(span_word(&word), SPAN("secure"))) {
		row->is_secure = true;
		rest = span_trim(word);
	}
	row->value = arena_str(p->arena, rest);
	for (size_t i = 0; i < ARRAY_LEN(type_names); i++)
		if (span_eq_nocase(type, span_str(type_names[i].name))) {
			row->type = type_names[i].type;
			return is_row_value(row->type, row->value);
		}
	return false;
}

static bool read_file(const char *file, struct buf *b)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : 1;

	while (n > 0) {
		char *to = buf_reserve(b, 4096);

		if (!to) {
			errno = EFBIG;
			n = -1;
			break;
		}
		n = read(fd, to, 4096);
		if (n > 0)
			buf_added(b, (size_t)n);
	}
	int why = errno;
	if (fd >= 0)
		close(fd);
	errno = why;
	return n == 0;
}

struct dns *probe_dns_table(struct probe *p, const char *file)
{
	struct span rest, line;
	struct dns_row *rows;
	size_t count = 0, number = 0;
	bool is_more = true;
	struct buf b;

	buf_init(&b, PROBE_TABLE_MAX + 4096);
	if (!read_file(file, &b)) {
		cli_fail(EX_NOINPUT, "%s: %s", file, strerror(errno));
		buf_fini(&b);
		return NULL;
	}
	rest = arena_span(p->arena, buf_span(&b));
	buf_fini(&b);
	rows = ARENA_ARRAY(p->arena, struct dns_row, rest.len / 4 + 1);
	while (is_more) {
		is_more = span_cut(rest, '\n', &line, &rest);
		line = span_trim(line);
		number++;
		if (line.len == 0 || line.ptr[0] == '#')
			continue;
		if (!take_row(p, line, &rows[count++])) {
			cli_fail(EX_DATAERR, "%s:%zu: not \"NAME TYPE [secure] VALUE\"", file,
				number);
			return NULL;
		}
	}
	return dns_new_table(rows, count);
}

/* ---- questions ---- */

static FIBER void ask(
	struct probe *p, const char *name, enum dns_type type, struct dns_answer *answer_r)
{
	struct err e = {0};

	if (dns_query(p->dns, p->arena, span_str(name), type, loop_now_ns() + p->timeout_ns,
		    answer_r, &e) < 0)
		*answer_r = (struct dns_answer){.status = DNS_FAIL};
}

/* RFC 1035 section 3.5, RFC 3596 section 2.5. */
static const char *reverse_name(struct arena *a, const struct addr *addr)
{
	const unsigned char *o = (const unsigned char *)&addr->in6.sin6_addr;
	const char *text;
	struct buf b;

	if (addr->sa.sa_family == AF_INET) {
		o = (const unsigned char *)&addr->in4.sin_addr;
		return arena_printf(a, "%u.%u.%u.%u.in-addr.arpa", o[3], o[2], o[1], o[0]);
	}
	buf_init(&b, 100);
	for (int i = 15; i >= 0; i--)
		buf_printf(&b, "%x.%x.", o[i] & 15, o[i] >> 4);
	buf_str(&b, "ip6.arpa");
	text = arena_str(a, buf_span(&b));
	buf_fini(&b);
	return text;
}

static FIBER void look_up_ptr(struct probe *p, struct probe_addr *a)
{
	enum dns_type type = a->addr.sa.sa_family == AF_INET ? DNS_A : DNS_AAAA;
	struct dns_answer answer, forward;

	ask(p, reverse_name(p->arena, &a->addr), DNS_PTR, &answer);
	a->ptr_status = answer.status;
	for (size_t i = 0; i < answer.count && a->ptr_count < PROBE_NAMES_MAX; i++) {
		a->ptr[a->ptr_count] = arena_str(p->arena, answer.rr[i].name);
		ask(p, a->ptr[a->ptr_count++], type, &forward);
		for (size_t k = 0; k < forward.count; k++)
			a->is_confirmed |= addr_same_ip(&forward.rr[k].addr, &a->addr);
	}
}

static void add_addr(struct probe *p, struct probe_host *h, const struct addr *addr)
{
	struct probe_addr *a;
	struct buf b;

	if (h->addr_count == PROBE_ADDRS_MAX)
		return;
	a = &h->addrs[h->addr_count++];
	a->addr = *addr;
	buf_init(&b, ADDR_TEXT_MAX);
	addr_put_ip(&b, addr);
	a->text = arena_str(p->arena, buf_span(&b));
	buf_fini(&b);
}

static FIBER void look_up_tlsa(struct probe *p, struct probe_host *h)
{
	struct dns_answer answer;

	/* RFC 7672 section 2.2: of the port that mail is sent to */
	ask(p, arena_printf(p->arena, "_25._tcp.%s", h->name), DNS_TLSA, &answer);
	h->tlsa_status = answer.status;
	h->is_tlsa_secure = answer.is_secure;
	for (size_t i = 0; i < answer.count && h->tlsa_count < PROBE_TLSA_MAX; i++) {
		const unsigned char *o = (const unsigned char *)answer.rr[i].data.ptr;

		h->tlsa[h->tlsa_count++] = (struct tls_tlsa){
			o[0], o[1], o[2], span_skip(answer.rr[i].data, 3)};
	}
}

struct host_job {
	struct probe *p;
	struct probe_host *h;
};

static FIBER int look_up_host(void *arg)
{
	struct host_job *j = arg;
	struct probe *p = j->p;
	struct probe_host *h = j->h;
	struct dns_answer v4, v6;

	h->addrs = ARENA_ARRAY(p->arena, struct probe_addr, PROBE_ADDRS_MAX);
	if (h->is_literal) {
		struct addr addr;

		addr_parse_ip(span_str(p->target), 0, &addr);
		add_addr(p, h, &addr);
		h->tlsa_status = DNS_NODATA;
	} else {
		ask(p, h->name, DNS_A, &v4);
		ask(p, h->name, DNS_AAAA, &v6);
		for (size_t i = 0; i < v6.count; i++)
			add_addr(p, h, &v6.rr[i].addr);
		for (size_t i = 0; i < v4.count; i++)
			add_addr(p, h, &v4.rr[i].addr);
		h->status = v4.status == DNS_OK || v6.status != DNS_OK ? v4.status : v6.status;
		if (v4.status == DNS_NODATA && v6.status != DNS_OK)
			h->status = v6.status;
		h->is_secure = (v4.count ? v4.is_secure : true) &&
			(v6.count ? v6.is_secure : true) && h->addr_count;
		if (v4.canonical.len || v6.canonical.len)
			h->alias_of = arena_str(
				p->arena, v4.canonical.len ? v4.canonical : v6.canonical);
		look_up_tlsa(p, h);
	}
	for (size_t i = 0; i < h->addr_count; i++)
		look_up_ptr(p, &h->addrs[i]);
	return 0;
}

/* ---- the domain ---- */

static FIBER const char *ask_policy_text(struct probe *p, const char *prefix, struct span version,
	enum dns_status *status_r, size_t *count_r)
{
	struct dns_answer answer;
	const char *text = NULL;

	ask(p, arena_printf(p->arena, "%s.%s", prefix, p->domain.name), DNS_TXT, &answer);
	*status_r = answer.status;
	for (size_t i = 0; i < answer.count; i++) {
		if (!span_starts(answer.rr[i].text, version))
			continue;
		if (!text)
			text = arena_str(p->arena, answer.rr[i].text);
		++*count_r;
	}
	return text;
}

/* The value of "name=" in a record of "a=b; c=d". */
static const char *field_of(struct arena *a, const char *text, const char *name)
{
	struct span rest = span_str(text), field, key, value;
	bool is_more = text != NULL;

	while (is_more) {
		is_more = span_cut(rest, ';', &field, &rest);
		if (span_cut(span_trim(field), '=', &key, &value) &&
			span_eq(span_trim(key), span_str(name)))
			return arena_str(a, span_trim(value));
	}
	return NULL;
}

static FIBER int look_up_domain(void *arg)
{
	struct probe *p = arg;
	struct probe_domain *d = &p->domain;

	d->sts_txt = ask_policy_text(p, "_mta-sts", SPAN("v=STSv1"), &d->sts_status, &d->sts_count);
	d->sts_id = field_of(p->arena, d->sts_txt, "id");
	d->rpt_txt = ask_policy_text(
		p, "_smtp._tls", SPAN("v=TLSRPTv1"), &d->rpt_status, &d->rpt_count);
	d->rua = field_of(p->arena, d->rpt_txt, "rua");
	return 0;
}

static int by_preference(const void *a, const void *b)
{
	const struct dns_rr *x = a, *y = b;

	if (x->pref != y->pref)
		return x->pref < y->pref ? -1 : 1;
	return span_cmp(x->name, y->name);
}

static void add_mx(struct probe *p, struct dns_answer *mx)
{
	qsort(mx->rr, mx->count, sizeof(mx->rr[0]), by_preference);
	for (size_t i = 0; i < mx->count && p->host_count < PROBE_HOSTS_MAX; i++) {
		/* RFC 7505: "0 ." says that there is no mail here. */
		if (mx->rr[i].name.len == 0) {
			p->domain.is_null_mx = true;
			continue;
		}
		p->hosts[p->host_count++] = (struct probe_host){
			.name = arena_str(p->arena, mx->rr[i].name),
			.pref = mx->rr[i].pref,
			.is_mx = true};
	}
}

static FIBER int find_hosts(struct probe *p)
{
	struct dns_answer mx = {.status = DNS_NODATA};
	struct addr addr;

	if (addr_parse_ip(span_str(p->target), 0, &addr)) {
		p->hosts[p->host_count++] = (struct probe_host){.name = "", .is_literal = true};
		return 0;
	}
	if (!p->is_host_forced) {
		struct err e = {0};

		if (dns_query(p->dns, p->arena, span_str(p->target), DNS_MX,
			    loop_now_ns() + p->timeout_ns, &mx, &e) < 0) {
			p->why = arena_str(p->arena, span_str(e.text));
			return e.code == ERR_SYNTAX ? EX_USAGE : EX_TEMPFAIL;
		}
	}
	/* RFC 5321 section 5.1: without an answer nobody knows where its mail goes. */
	if (mx.status == DNS_FAIL || mx.status == DNS_BOGUS) {
		p->why = mx.status == DNS_FAIL ? "no name server answers for its MX"
					       : "the DNSSEC signatures of its MX are wrong";
		return EX_TEMPFAIL;
	}
	p->domain.name = p->target;
	p->domain.mx_status = mx.status;
	p->domain.is_mx_secure = mx.is_secure;
	if (mx.status == DNS_OK) {
		p->is_domain = true;
		add_mx(p, &mx);
	} else {
		p->hosts[p->host_count++] = (struct probe_host){.name = p->target};
	}
	return 0;
}

/* Nothing to connect to: which code says why. */
static int no_address(struct probe *p)
{
	enum dns_status worst = DNS_NXDOMAIN;

	if (p->domain.is_null_mx && !p->host_count)
		return 0;
	for (size_t i = 0; i < p->host_count; i++) {
		if (p->hosts[i].addr_count)
			return 0;
		if (p->hosts[i].status == DNS_FAIL || p->hosts[i].status == DNS_BOGUS)
			worst = p->hosts[i].status;
		else if (p->hosts[i].status == DNS_NODATA && worst == DNS_NXDOMAIN)
			worst = DNS_NODATA;
	}
	switch (worst) {
	case DNS_FAIL: p->why = "no name server answers for it"; break;
	case DNS_BOGUS: p->why = "its DNSSEC signatures are wrong"; break;
	case DNS_NODATA: p->why = "it has no address"; break;
	default: p->why = p->is_domain ? "its MX hosts have no address" : "there is no such name";
	}
	return worst == DNS_FAIL || worst == DNS_BOGUS ? EX_TEMPFAIL : EX_NOHOST;
}

FIBER int probe_dns(struct probe *p)
{
	struct fiber_group g;
	struct host_job *jobs = ARENA_ARRAY(p->arena, struct host_job, PROBE_HOSTS_MAX);
	int code = find_hosts(p);

	if (code)
		return code;
	fiber_group_init(&g);
	if (p->is_domain && fiber_start(&g, "domain", look_up_domain, p, NULL) < 0)
		look_up_domain(p);
	for (size_t i = 0; i < p->host_count; i++) {
		jobs[i] = (struct host_job){p, &p->hosts[i]};
		if (fiber_start(&g, "host", look_up_host, &jobs[i], NULL) < 0)
			look_up_host(&jobs[i]);
	}
	fiber_group_join(&g);
	return no_address(p);
}
