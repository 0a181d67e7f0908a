#include "net/dns.h"

#include <string.h>

#include "base/mem.h"
#include "net/dns_priv.h"

#define DNS_LABEL_MAX 63

void dns_free(struct dns **d_p)
{
	struct dns *d = *d_p;

	if (!d)
		return;
	*d_p = NULL;
	d->ops->free(d);
}

const char *dns_status_str(enum dns_status s)
{
	switch (s) {
	case DNS_OK: return "ok";
	case DNS_NODATA: return "nodata";
	case DNS_NXDOMAIN: return "nxdomain";
	case DNS_FAIL: return "fail";
	case DNS_BOGUS: return "bogus";
	}
	return "?";
}

/* What may stand in a label, ours or theirs: all that prints, but not what text gives a meaning. */
static bool dns_is_label_char(unsigned char c)
{
	return c > ' ' && c < 0x7f && c != '.' && c != '\\' && c != '"';
}

/* "a.b.c" with labels of 1 to 63 octets; "." is the root. The last dot is dropped. */
static bool dns_name_check(struct span *name)
{
	struct span rest = *name, label;
	bool is_more = true;

	if (span_eq(*name, SPAN(".")))
		return true;
	if (rest.len && rest.ptr[rest.len - 1] == '.')
		rest.len--;
	*name = rest;
	if (rest.len == 0 || rest.len > DNS_NAME_MAX)
		return false;
	while (is_more) {
		is_more = span_cut(rest, '.', &label, &rest);
		if (label.len == 0 || label.len > DNS_LABEL_MAX)
			return false;
		for (size_t i = 0; i < label.len; i++)
			if (!dns_is_label_char((unsigned char)label.ptr[i]))
				return false;
	}
	return true;
}

FIBER int dns_query(struct dns *d, struct arena *a, struct span name, enum dns_type type,
	int64_t deadline_ns, struct dns_answer *answer_r, struct err *e)
{
	struct span shown = span_sub(name, 0, DNS_NAME_MAX);

	memset(answer_r, 0, sizeof(*answer_r));
	answer_r->status = DNS_FAIL;
	if (!dns_name_check(&name)) {
		err_set(e, ERR_SYNTAX, "'" SPAN_FMT "' is no domain name", SPAN_ARG(shown));
		return err_scope_set(e, ERR_SCOPE_RCPT, ERR_AGAIN_NEVER);
	}
	return d->ops->query(d, a, arena_str(a, name), type, deadline_ns, answer_r, e);
}

/* ---- records ---- */

/* Network order at the front of `s`. */
static uint16_t dns_u16(struct span s, size_t at)
{
	return (uint16_t)((unsigned char)s.ptr[at] << 8 | (unsigned char)s.ptr[at + 1]);
}

/* A name in wire form without compression (libunbound has unpacked it) that fills `wire`. */
static bool dns_name_decode(struct arena *a, struct span wire, struct span *name_r)
{
	struct buf text;
	bool is_good = false;

	/* RFC 1035 section 3.1: 255 octets with all length octets. */
	if (wire.len == 0 || wire.len > DNS_NAME_MAX + 2)
		return false;
	buf_init(&text, DNS_NAME_MAX);
	while (wire.len) {
		size_t n = (unsigned char)wire.ptr[0];

		if (n == 0) {
			is_good = wire.len == 1 && buf_ok(&text);
			break;
		}
		if (n > DNS_LABEL_MAX || n >= wire.len)
			break;
		if (buf_len(&text))
			buf_char(&text, '.');
		for (size_t i = 1; i <= n; i++)
			if (!dns_is_label_char((unsigned char)wire.ptr[i]))
				goto out;
		buf_put(&text, wire.ptr + 1, n);
		wire = span_skip(wire, n + 1);
	}
out:
	if (is_good) {
		*name_r = arena_span(a, buf_span(&text));
		if (!name_r->ptr)
			*name_r = SPAN("");
	}
	buf_fini(&text);
	return is_good;
}

/* RFC 1035 section 3.3.14: one or more strings, each behind its length; joined without a seam. */
static bool dns_txt_decode(struct arena *a, struct span rdata, struct span *text_r)
{
	char *text = arena_alloc(a, rdata.len + 1);
	size_t len = 0;

	if (rdata.len == 0)
		return false;
	while (rdata.len) {
		size_t n = (unsigned char)rdata.ptr[0];

		if (n >= rdata.len)
			return false;
		memcpy(text + len, rdata.ptr + 1, n);
		len += n;
		rdata = span_skip(rdata, n + 1);
	}
	*text_r = span_of(text, len);
	return true;
}

/* RFC 6698 section 2.1: three octets and the data, whose length follows from the matching type. */
static bool dns_tlsa_is_good(struct span rdata)
{
	unsigned char matching;

	if (rdata.len < 4)
		return false;
	matching = (unsigned char)rdata.ptr[2];
	return !(matching == 1 && rdata.len != 3 + 32) && !(matching == 2 && rdata.len != 3 + 64);
}

static bool dns_addr_decode(int family, struct span rdata, struct addr *addr_r)
{
	memset(addr_r, 0, sizeof(*addr_r));
	if (family == AF_INET && rdata.len == 4) {
		memcpy(&addr_r->in4.sin_addr, rdata.ptr, 4);
		addr_r->len = sizeof(addr_r->in4);
	} else if (family == AF_INET6 && rdata.len == 16) {
		memcpy(&addr_r->in6.sin6_addr, rdata.ptr, 16);
		addr_r->len = sizeof(addr_r->in6);
	} else {
		return false;
	}
	addr_r->sa.sa_family = (sa_family_t)family;
	return true;
}

bool dns_rr_decode(struct arena *a, enum dns_type type, struct span rdata, struct dns_rr *rr_r)
{
	memset(rr_r, 0, sizeof(*rr_r));
	if (rdata.len > UINT16_MAX)
		return false;
	rr_r->data = arena_span(a, rdata);
	switch (type) {
	case DNS_A: return dns_addr_decode(AF_INET, rdata, &rr_r->addr);
	case DNS_AAAA: return dns_addr_decode(AF_INET6, rdata, &rr_r->addr);
	case DNS_CNAME:
	case DNS_PTR: return dns_name_decode(a, rdata, &rr_r->name);
	case DNS_TXT: return dns_txt_decode(a, rdata, &rr_r->text);
	case DNS_TLSA: return dns_tlsa_is_good(rdata);
	case DNS_MX:
		if (rdata.len < 3)
			return false;
		rr_r->pref = dns_u16(rdata, 0);
		return dns_name_decode(a, span_skip(rdata, 2), &rr_r->name);
	case DNS_SRV:
		if (rdata.len < 7)
			return false;
		rr_r->pref = dns_u16(rdata, 0);
		rr_r->weight = dns_u16(rdata, 2);
		rr_r->port = dns_u16(rdata, 4);
		return dns_name_decode(a, span_skip(rdata, 6), &rr_r->name);
	}
	return true;
}

void dns_answer_add(
	struct arena *a, enum dns_type type, struct span rdata, struct dns_answer *answer)
{
	if (answer->count == DNS_RR_MAX)
		return;
	if (!answer->rr)
		answer->rr = ARENA_ARRAY(a, struct dns_rr, DNS_RR_MAX);
	if (dns_rr_decode(a, type, rdata, &answer->rr[answer->count]))
		answer->count++;
}

void dns_answer_end(struct dns_answer *answer, size_t came)
{
	if (answer->status != DNS_OK)
		return;
	if (answer->count == 0)
		answer->status = came ? DNS_FAIL : DNS_NODATA;
}
