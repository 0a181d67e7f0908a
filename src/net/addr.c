#include "net/addr.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>

#define ADDR_IP_TEXT_MAX INET6_ADDRSTRLEN /* 46 with its NUL */

bool addr_parse_ip(struct span text, uint16_t port, struct addr *addr_r)
{
	char ip[ADDR_IP_TEXT_MAX];

	if (text.len == 0 || text.len >= sizeof(ip) || span_has_line_break(text))
		return false;
	memcpy(ip, text.ptr, text.len);
	ip[text.len] = '\0';
	memset(addr_r, 0, sizeof(*addr_r));
	if (inet_pton(AF_INET, ip, &addr_r->in4.sin_addr) == 1) {
		addr_r->in4.sin_family = AF_INET;
		addr_r->in4.sin_port = htons(port);
		addr_r->len = sizeof(addr_r->in4);
		return true;
	}
	if (inet_pton(AF_INET6, ip, &addr_r->in6.sin6_addr) == 1) {
		addr_r->in6.sin6_family = AF_INET6;
		addr_r->in6.sin6_port = htons(port);
		addr_r->len = sizeof(addr_r->in6);
		return true;
	}
	memset(addr_r, 0, sizeof(*addr_r));
	return false;
}

static int addr_parse_unix(struct span path, struct addr *addr_r, struct err *e)
{
	memset(addr_r, 0, sizeof(*addr_r));
	if (path.len == 0)
		return err_set(e, ERR_SYNTAX, "a Unix socket needs a path");
	if (span_has_line_break(path))
		return err_set(e, ERR_SYNTAX, "a Unix socket's path holds a control character");
	if (path.len >= sizeof(addr_r->un.sun_path))
		return err_set(e, ERR_LIMIT, "a Unix socket's path is longer than %zu octets",
			sizeof(addr_r->un.sun_path) - 1);
	addr_r->un.sun_family = AF_UNIX;
	memcpy(addr_r->un.sun_path, path.ptr, path.len);
	addr_r->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len + 1);
	return 0;
}

/* "[ip]" or "[ip]:port"; `text` begins with the bracket. */
static bool addr_split_bracket(struct span text, struct span *ip_r, struct span *port_r)
{
	ptrdiff_t close = span_find(text, ']');

	*port_r = SPAN_NONE;
	if (close < 0)
		return false;
	*ip_r = span_sub(text, 1, (size_t)close - 1);
	text = span_skip(text, (size_t)close + 1);
	if (text.len == 0)
		return span_find(*ip_r, ':') >= 0;
	if (text.ptr[0] != ':' || text.len == 1)
		return false;
	*port_r = span_skip(text, 1);
	return span_find(*ip_r, ':') >= 0;
}

int addr_parse(struct span text, uint16_t default_port, struct addr *addr_r, struct err *e)
{
	struct span ip = text, port = SPAN_NONE;
	uint64_t number = default_port;
	ptrdiff_t colon;

	if (span_starts(text, SPAN("unix:")))
		return addr_parse_unix(span_skip(text, 5), addr_r, e);
	memset(addr_r, 0, sizeof(*addr_r));
	colon = span_find(text, ':');
	if (text.len && text.ptr[0] == '[') {
		if (!addr_split_bracket(text, &ip, &port))
			goto bad;
	} else if (colon >= 0 && span_rfind(text, ':') == colon) {
		/* One colon parts IPv4 and port; several are an IPv6 address without port. */
		span_cut(text, ':', &ip, &port);
		if (port.len == 0)
			goto bad;
	}
	if (port.len && !span_u64_max(port, UINT16_MAX, &number))
		goto bad;
	if (!addr_parse_ip(ip, (uint16_t)number, addr_r))
		goto bad;
	return 0;
bad:
	return err_set(e, ERR_SYNTAX,
		"'" SPAN_FMT "' is no address (192.0.2.1:25, [2001:db8::1]:25 or unix:/path)",
		SPAN_ARG(span_sub(text, 0, ADDR_TEXT_MAX)));
}

bool addr_is_ip(const struct addr *a)
{
	return a->len && (a->sa.sa_family == AF_INET || a->sa.sa_family == AF_INET6);
}

bool addr_is_unix(const struct addr *a)
{
	return a->len && a->sa.sa_family == AF_UNIX;
}

uint16_t addr_port(const struct addr *a)
{
	if (!addr_is_ip(a))
		return 0;
	return ntohs(a->sa.sa_family == AF_INET ? a->in4.sin_port : a->in6.sin6_port);
}

void addr_set_port(struct addr *a, uint16_t port)
{
	if (!addr_is_ip(a))
		return;
	if (a->sa.sa_family == AF_INET)
		a->in4.sin_port = htons(port);
	else
		a->in6.sin6_port = htons(port);
}

void addr_put_ip(struct buf *b, const struct addr *a)
{
	char ip[ADDR_IP_TEXT_MAX];

	if (addr_is_unix(a)) {
		buf_str(b, "unix");
		return;
	}
	if (!addr_is_ip(a)) {
		buf_str(b, "none");
		return;
	}
	if (a->sa.sa_family == AF_INET)
		inet_ntop(AF_INET, &a->in4.sin_addr, ip, sizeof(ip));
	else
		inet_ntop(AF_INET6, &a->in6.sin6_addr, ip, sizeof(ip));
	buf_str(b, ip);
}

static struct span addr_path(const struct addr *a)
{
	size_t head = offsetof(struct sockaddr_un, sun_path);
	size_t len = a->len > head ? a->len - head : 0;

	if (len > sizeof(a->un.sun_path))
		len = sizeof(a->un.sun_path);
	/* A name in a file system ends at its NUL, an abstract one begins with it. */
	if (len && a->un.sun_path[0])
		len = strnlen(a->un.sun_path, len);
	return span_of(a->un.sun_path, len);
}

void addr_put(struct buf *b, const struct addr *a)
{
	if (addr_is_unix(a)) {
		struct span path = addr_path(a);

		buf_str(b, "unix:");
		if (path.len && path.ptr[0] == '\0') {
			buf_char(b, '@');
			path = span_skip(path, 1);
		}
		buf_span_put(b, path);
		return;
	}
	if (!addr_is_ip(a)) {
		buf_str(b, "none");
		return;
	}
	if (a->sa.sa_family == AF_INET6)
		buf_char(b, '[');
	addr_put_ip(b, a);
	if (a->sa.sa_family == AF_INET6)
		buf_char(b, ']');
	buf_char(b, ':');
	buf_u64(b, addr_port(a));
}

void addr_put_literal(struct buf *b, const struct addr *a)
{
	/* RFC 5321 section 4.1.3: the tag "IPv6:" is part of the literal. */
	buf_str(b, addr_is_ip(a) && a->sa.sa_family == AF_INET6 ? "[IPv6:" : "[");
	addr_put_ip(b, a);
	buf_char(b, ']');
}

void addr_unmap(struct addr *a)
{
	struct in_addr ip;
	in_port_t port;

	if (!addr_is_ip(a) || a->sa.sa_family != AF_INET6 ||
		!IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr))
		return;
	memcpy(&ip, a->in6.sin6_addr.s6_addr + 12, 4);
	port = a->in6.sin6_port;
	memset(a, 0, sizeof(*a));
	a->in4.sin_family = AF_INET;
	a->in4.sin_addr = ip;
	a->in4.sin_port = port;
	a->len = sizeof(a->in4);
}

/* The bytes of the IP, network order. */
static struct span addr_ip_bytes(const struct addr *a)
{
	if (a->sa.sa_family == AF_INET)
		return span_of(&a->in4.sin_addr, 4);
	return span_of(&a->in6.sin6_addr, 16);
}

bool addr_is_loopback(const struct addr *a)
{
	struct addr plain = *a;

	addr_unmap(&plain);
	if (!addr_is_ip(&plain))
		return false;
	if (plain.sa.sa_family == AF_INET)
		return ntohl(plain.in4.sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&plain.in6.sin6_addr);
}

bool addr_same_ip(const struct addr *a, const struct addr *b)
{
	struct addr x = *a, y = *b;

	addr_unmap(&x);
	addr_unmap(&y);
	if (!addr_is_ip(&x) || !addr_is_ip(&y) || x.sa.sa_family != y.sa.sa_family)
		return false;
	return span_eq(addr_ip_bytes(&x), addr_ip_bytes(&y));
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
	if (addr_is_unix(a) && addr_is_unix(b))
		return span_eq(addr_path(a), addr_path(b));
	return addr_same_ip(a, b) && addr_port(a) == addr_port(b);
}

/* Do the first `bits` bits agree? */
static bool addr_bits_agree(const unsigned char *a, const unsigned char *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (whole && memcmp(a, b, whole) != 0)
		return false;
	return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

static bool addr_host_bits_are_zero(const struct addr *a, unsigned bits)
{
	static const unsigned char zero[16];
	struct span ip = addr_ip_bytes(a);
	unsigned char host[16];

	memcpy(host, ip.ptr, ip.len);
	for (unsigned i = 0; i < bits; i++)
		host[i / 8] &= (unsigned char)~(0x80U >> (i % 8));
	return memcmp(host, zero, ip.len) == 0;
}

int addr_net_parse(struct span text, struct addr_net *net_r, struct err *e)
{
	struct span ip, bits_text;
	bool has_bits = span_cut(text, '/', &ip, &bits_text);
	uint64_t bits = 0;
	unsigned width;

	memset(net_r, 0, sizeof(*net_r));
	if (!addr_parse_ip(ip, 0, &net_r->base))
		goto bad;
	width = net_r->base.sa.sa_family == AF_INET ? 32 : 128;
	if (has_bits && !span_u64_max(bits_text, width, &bits))
		goto bad;
	net_r->bits = has_bits ? (unsigned)bits : width;
	if (!addr_host_bits_are_zero(&net_r->base, net_r->bits)) {
		err_set(e, ERR_SYNTAX, "'" SPAN_FMT "' has bits set behind its /%u",
			SPAN_ARG(span_sub(text, 0, ADDR_TEXT_MAX)), net_r->bits);
		memset(net_r, 0, sizeof(*net_r));
		return -1;
	}
	if (width == 128 && net_r->bits >= 96 && IN6_IS_ADDR_V4MAPPED(&net_r->base.in6.sin6_addr)) {
		addr_unmap(&net_r->base);
		net_r->bits -= 96;
	}
	return 0;
bad:
	memset(net_r, 0, sizeof(*net_r));
	return err_set(e, ERR_SYNTAX, "'" SPAN_FMT "' is no network (10.0.0.0/8, 2001:db8::/32)",
		SPAN_ARG(span_sub(text, 0, ADDR_TEXT_MAX)));
}

bool addr_net_has(const struct addr_net *net, const struct addr *a)
{
	struct addr plain = *a;

	addr_unmap(&plain);
	if (!addr_is_ip(&plain) || !addr_is_ip(&net->base) ||
		plain.sa.sa_family != net->base.sa.sa_family)
		return false;
	return addr_bits_agree((const unsigned char *)addr_ip_bytes(&net->base).ptr,
		(const unsigned char *)addr_ip_bytes(&plain).ptr, net->bits);
}
