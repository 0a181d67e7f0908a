#include "services/router/destination.h"

#include <string.h>

#include "base/must.h"
#include "net/addr.h"

static const struct {
	const char *scheme;
	enum destination_kind kind;
} schemes[] = {
	{"unix:", DESTINATION_UNIX},
	{"pool:", DESTINATION_POOL},
	{"list:", DESTINATION_LIST},
	{"loop:", DESTINATION_LOOP},
	{"refused:", DESTINATION_REFUSED},
};

static int wrong(struct span key, struct err *e)
{
	return err_set(e, ERR_SYNTAX, "\"" SPAN_FMT "\" is no destination",
		SPAN_ARG(span_sub(key, 0, 100)));
}

/* "[host]:port" */
static bool cut_host(struct span base, struct destination *d)
{
	ptrdiff_t close = span_rfind(base, ']');
	uint64_t port;

	if (close < 2 || (size_t)close + 2 >= base.len || base.ptr[close + 1] != ':' ||
		!span_u64_max(span_skip(base, (size_t)close + 2), 65535, &port) || !port)
		return false;
	d->kind = DESTINATION_HOST;
	d->name = span_sub(base, 1, (size_t)close - 1);
	d->port = (uint16_t)port;
	return true;
}

/* "[192.0.2.1]", "[ipv6:2001:db8::1]": an address as a domain (RFC 5321 section 4.1.3) */
static bool is_literal(struct span base)
{
	struct addr ip;

	if (base.len < 3 || base.ptr[base.len - 1] != ']')
		return false;
	base = span_sub(base, 1, base.len - 2);
	if (span_starts_nocase(base, SPAN("ipv6:")))
		base = span_skip(base, 5);
	return addr_parse_ip(base, 0, &ip);
}

static bool cut_base(struct span base, struct destination *d)
{
	if (span_starts(base, SPAN("lmtp:"))) {
		d->is_lmtp = true;
		base = span_skip(base, 5);
	}
	if (span_starts(base, SPAN("[")) && !is_literal(base))
		return cut_host(base, d);
	d->kind = DESTINATION_DOMAIN;
	d->name = base;
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		if (!span_starts(base, span_str(schemes[i].scheme)))
			continue;
		d->kind = schemes[i].kind;
		d->name = span_skip(base, strlen(schemes[i].scheme));
	}
	return d->name.len > 0 && (!d->is_lmtp || d->kind == DESTINATION_UNIX);
}

int destination_cut(struct span key, struct destination *d_r, struct err *e)
{
	struct span rest = SPAN_NONE, word;

	*d_r = (struct destination){.base = key};
	span_cut(key, '|', &d_r->base, &rest);
	if (!cut_base(d_r->base, d_r))
		return wrong(key, e);
	while (rest.len) {
		struct span all = rest;

		span_cut(all, '|', &word, &rest);
		if (span_starts(word, SPAN("egress=")))
			d_r->egress = span_skip(word, 7);
		else if (span_starts(word, SPAN("as=")))
			d_r->as = span_skip(word, 3);
		else if (span_eq(word, SPAN("tls=required")) || span_eq(word, SPAN("tls=optional")))
			d_r->tls = span_skip(word, 4);
		else
			return wrong(key, e);
	}
	return 0;
}

struct span destination_join(struct arena *a, const struct destination *d)
{
	const char *front = d->is_lmtp ? "lmtp:" : "", *scheme = "";
	struct span base;

	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		if (schemes[i].kind == d->kind)
			scheme = schemes[i].scheme;
	}
	if (d->kind == DESTINATION_HOST)
		base = span_str(arena_printf(
			a, "%s[" SPAN_FMT "]:%u", front, SPAN_ARG(d->name), (unsigned)d->port));
	else
		base = span_str(arena_printf(a, "%s%s" SPAN_FMT, front, scheme, SPAN_ARG(d->name)));
	return span_str(arena_printf(a, SPAN_FMT "%s" SPAN_FMT "%s" SPAN_FMT "%s" SPAN_FMT,
		SPAN_ARG(base), d->egress.len ? "|egress=" : "", SPAN_ARG(d->egress),
		d->as.len ? "|as=" : "", SPAN_ARG(d->as), d->tls.len ? "|tls=" : "",
		SPAN_ARG(d->tls)));
}

struct span destination_with_tls(
	struct arena *a, struct span key, bool is_requiretls, bool is_tls_optional)
{
	struct destination d;

	if ((!is_requiretls && !is_tls_optional) || destination_cut(key, &d, NULL) < 0 ||
		d.kind == DESTINATION_LIST || d.kind == DESTINATION_UNIX ||
		d.kind == DESTINATION_REFUSED)
		return key;
	d.tls = is_requiretls ? SPAN("required") : SPAN("optional");
	return destination_join(a, &d);
}
