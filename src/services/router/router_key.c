#include "services/router/router_priv.h"

#include <idn2.h>
#include <string.h>

#include "net/addr.h"
#include "proto/smtp/smtp_syntax.h"

static struct span lower(struct arena *a, struct span s)
{
	char *p = arena_alloc(a, s.len + 1);

	for (size_t i = 0; i < s.len; i++)
		p[i] = (char)span_lower((unsigned char)s.ptr[i]);
	return span_of(p, s.len);
}

struct span router_local_key(struct arena *a, struct span local)
{
	return directory_local_part(a, smtp_local_unquote(a, local));
}

struct span router_address_key(struct arena *a, struct span address)
{
	ptrdiff_t at = span_rfind(address, '@');
	struct span local, domain;

	if (at <= 0)
		return SPAN_NONE;
	local = router_local_key(a, span_sub(address, 0, (size_t)at));
	domain = router_domain_key(a, span_skip(address, (size_t)at + 1));
	if (!local.len || !domain.len)
		return SPAN_NONE;
	return router_address_join(a, local, domain);
}

/* RFC 1035 section 2.3.1 with digits in front (RFC 1123 section 2.1) and the underscore that is
 * found in real names. */
static bool is_domain_name(struct span s)
{
	size_t label = 0;

	if (!s.len || s.len > SMTP_DOMAIN_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = span_lower((unsigned char)s.ptr[i]);

		if (c == '.') {
			if (!label || s.ptr[i - 1] == '-')
				return false;
			label = 0;
			continue;
		}
		bool is_letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
		if (!is_letter && !(c == '-' && label))
			return false;
		if (++label > 63)
			return false;
	}
	return label && s.ptr[s.len - 1] != '-';
}

struct span router_domain_key(struct arena *a, struct span domain)
{
	if (domain.len && domain.ptr[domain.len - 1] == '.')
		domain.len--;
	if (domain.len > 2 && domain.ptr[0] == '[' && domain.ptr[domain.len - 1] == ']')
		return lower(a, domain);
	if (span_is_ascii(domain))
		return is_domain_name(domain) ? lower(a, domain) : SPAN_NONE;
	if (domain.len > SMTP_DOMAIN_MAX)
		return SPAN_NONE;

	uint8_t *label = NULL;
	int rc = idn2_lookup_u8((const uint8_t *)arena_str(a, domain), &label,
		IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	struct span key = SPAN_NONE;

	if (rc == IDN2_OK && is_domain_name(span_str((const char *)label)))
		key = lower(a, span_str((const char *)label));
	idn2_free(label);
	return key;
}

static int hop_wrong(struct span next_hop, struct err *e)
{
	return err_set(e, ERR_SYNTAX,
		"\"" SPAN_FMT "\" is no next hop: host:port, [address]:port, "
		"unix:/path or pool:NAME",
		SPAN_ARG(span_sub(next_hop, 0, 100)));
}

/* Cut "host:port" or "[host]:port" in two; a bare IPv6 address has no port. */
static bool hop_cut(struct span s, struct span *host_r, struct span *port_r)
{
	struct addr ip;

	*port_r = SPAN_NONE;
	if (addr_parse_ip(s, 0, &ip)) {
		*host_r = s;
		return true;
	}
	if (s.len && s.ptr[0] == '[') {
		ptrdiff_t end = span_find(s, ']');

		if (end < 0)
			return false;
		*host_r = span_sub(s, 1, (size_t)end - 1);
		s = span_skip(s, (size_t)end + 1);
		if (!s.len)
			return true;
		if (s.ptr[0] != ':')
			return false;
		*port_r = span_skip(s, 1);
		return port_r->len > 0;
	}
	if (span_cut(s, ':', host_r, port_r) && !port_r->len)
		return false;
	return true;
}

int router_hop_key(
	struct arena *a, struct span next_hop, bool is_lmtp, struct span *key_r, struct err *e)
{
	struct span s = span_trim(next_hop), host, port;
	const char *front = is_lmtp ? "lmtp:" : "";
	uint64_t number = is_lmtp ? 24 : 25;
	struct addr ip;

	if (s.len > ROUTER_DESTINATION_MAX - 16 || span_has_line_break(s))
		return hop_wrong(next_hop, e);
	if (span_starts(s, SPAN("unix:/"))) {
		*key_r = span_str(arena_printf(a, "%s" SPAN_FMT, front, SPAN_ARG(s)));
		return 0;
	}
	/* Each member of a pool says itself whether it speaks LMTP. */
	if (span_starts(s, SPAN("pool:")) && !is_lmtp) {
		*key_r = arena_span(a, s);
		return s.len > 5 && span_find(s, '|') < 0 ? 0 : hop_wrong(next_hop, e);
	}
	if (span_eq(s, SPAN("mx")) && !is_lmtp) {
		*key_r = SPAN_NONE;
		return 0;
	}
	if (span_starts(s, SPAN("mx:")) && !is_lmtp) {
		*key_r = router_domain_key(a, span_skip(s, 3));
		return key_r->len && key_r->ptr[0] != '[' ? 0 : hop_wrong(next_hop, e);
	}
	if (!hop_cut(s, &host, &port) || (port.len && !span_u64_max(port, 65535, &number)) ||
		!number)
		return hop_wrong(next_hop, e);
	/* RFC 5321 section 4.1.3: a literal of IPv6 bears its tag */
	if (span_starts_nocase(host, SPAN("ipv6:")))
		host = span_skip(host, 5);
	if (!addr_parse_ip(host, 0, &ip) && !is_domain_name(host))
		return hop_wrong(next_hop, e);
	*key_r = lower(a,
		span_str(arena_printf(
			a, "%s[" SPAN_FMT "]:%u", front, SPAN_ARG(host), (unsigned)number)));
	return 0;
}
