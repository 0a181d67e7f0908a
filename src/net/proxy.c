#include "net/proxy.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define PROXY_V2_HEAD   16
#define PROXY_V2_ADDRS4 12
#define PROXY_V2_ADDRS6 36
#define PROXY_TLV_HEAD  3
#define PROXY_TLV_CRC   0x03 /* PP2_TYPE_CRC32C */

static const struct span proxy_v1_sign = SPAN("PROXY ");
static const struct span proxy_v2_sign = SPAN("\r\n\r\n\0\r\nQUIT\n");

static int proxy_bad(struct err *e, const char *what)
{
	err_set(e, ERR_SYNTAX, "PROXY header: %s", what);
	return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
}

static int proxy_long(struct err *e, int max)
{
	err_set(e, ERR_LIMIT, "PROXY header: longer than %d octets", max);
	return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
}

/* ---- v1: a line ---- */

/* Section 2.1: exactly one space between words, ports in decimal without leading zeros. */
static bool proxy_v1_port(struct span text, uint16_t *port_r)
{
	uint64_t v;

	if (!span_u64_max(text, UINT16_MAX, &v) || (text.len > 1 && text.ptr[0] == '0'))
		return false;
	*port_r = (uint16_t)v;
	return true;
}

static bool proxy_v1_addrs(struct span rest, int family, struct proxy_header *h)
{
	struct span words[4];
	uint16_t src_port, dst_port;

	for (int i = 0; i < 3; i++)
		if (!span_cut(rest, ' ', &words[i], &rest))
			return false;
	words[3] = rest;
	return proxy_v1_port(words[2], &src_port) && proxy_v1_port(words[3], &dst_port) &&
		addr_parse_ip(words[0], src_port, &h->src) &&
		addr_parse_ip(words[1], dst_port, &h->dst) && h->src.sa.sa_family == family &&
		h->dst.sa.sa_family == family;
}

static int proxy_v1_parse(struct span bytes, struct proxy_header *h, size_t *used_r, struct err *e)
{
	struct span line = span_sub(bytes, 0, PROXY_V1_MAX), rest;
	ptrdiff_t lf = span_find(line, '\n');

	if (lf < 0)
		return bytes.len < PROXY_V1_MAX ? 0 : proxy_long(e, PROXY_V1_MAX);
	line.len = (size_t)lf;
	if (line.len == 0 || line.ptr[line.len - 1] != '\r')
		return proxy_bad(e, "a line that does not end in CRLF");
	line.len--;
	rest = span_skip(line, proxy_v1_sign.len);
	if (span_has_line_break(rest))
		return proxy_bad(e, "a control character");
	if (span_eq(rest, SPAN("UNKNOWN")) || span_starts(rest, SPAN("UNKNOWN "))) {
		/* Section 2.1: what follows UNKNOWN is ignored. */
		h->is_local = true;
	} else if (span_starts(rest, SPAN("TCP4 "))) {
		if (!proxy_v1_addrs(span_skip(rest, 5), AF_INET, h))
			return proxy_bad(e, "wrong IPv4 addresses");
	} else if (span_starts(rest, SPAN("TCP6 "))) {
		if (!proxy_v1_addrs(span_skip(rest, 5), AF_INET6, h))
			return proxy_bad(e, "wrong IPv6 addresses");
	} else {
		return proxy_bad(e, "an unknown family");
	}
	*used_r = (size_t)lf + 1;
	return 0;
}

/* ---- v2: binary ---- */

static unsigned proxy_byte(struct span s, size_t at)
{
	return (unsigned char)s.ptr[at];
}

static unsigned proxy_u16(struct span s, size_t at)
{
	return proxy_byte(s, at) << 8 | proxy_byte(s, at + 1);
}

static void proxy_v2_addr(int family, struct span ip, unsigned port, struct addr *addr_r)
{
	memset(addr_r, 0, sizeof(*addr_r));
	addr_r->sa.sa_family = (sa_family_t)family;
	if (family == AF_INET) {
		memcpy(&addr_r->in4.sin_addr, ip.ptr, 4);
		addr_r->len = sizeof(addr_r->in4);
	} else {
		memcpy(&addr_r->in6.sin6_addr, ip.ptr, 16);
		addr_r->len = sizeof(addr_r->in6);
	}
	addr_set_port(addr_r, (uint16_t)port);
}

static uint32_t proxy_crc_add(uint32_t crc, unsigned char byte)
{
	crc ^= byte;
	for (int bit = 0; bit < 8; bit++)
		crc = crc & 1 ? crc >> 1 ^ 0x82f63b78U : crc >> 1;
	return crc;
}

/* Section 2.2.3: CRC-32C of the whole header, the checksum's own place counted as zero. */
static bool proxy_crc_fits(struct span header, size_t value_at)
{
	uint32_t crc = 0xffffffffU, want = 0;

	for (size_t i = 0; i < header.len; i++)
		crc = proxy_crc_add(
			crc, i >= value_at && i < value_at + 4 ? 0 : (unsigned char)header.ptr[i]);
	for (size_t i = 0; i < 4; i++)
		want = want << 8 | proxy_byte(header, value_at + i);
	return (crc ^ 0xffffffffU) == want;
}

/* Section 2.2: each a type, a length and a value; together they fill what is left. */
static int proxy_v2_tlvs(struct span header, size_t at, struct err *e)
{
	while (at < header.len) {
		size_t len;

		if (header.len - at < PROXY_TLV_HEAD)
			return proxy_bad(e, "a TLV that is cut");
		len = proxy_u16(header, at + 1);
		if (len > header.len - at - PROXY_TLV_HEAD)
			return proxy_bad(e, "a TLV longer than the header");
		if (proxy_byte(header, at) == PROXY_TLV_CRC &&
			(len != 4 || !proxy_crc_fits(header, at + PROXY_TLV_HEAD)))
			return proxy_bad(e, "a wrong checksum");
		at += PROXY_TLV_HEAD + len;
	}
	return 0;
}

static int proxy_v2_addrs(struct span header, struct proxy_header *h, struct err *e)
{
	unsigned family = proxy_byte(header, 13) >> 4, transport = proxy_byte(header, 13) & 15;
	struct span body = span_skip(header, PROXY_V2_HEAD);

	if (family > 3 || transport > 2)
		return proxy_bad(e, "an unknown family");
	if (family == 1 && transport == 1) {
		if (body.len < PROXY_V2_ADDRS4)
			return proxy_bad(e, "no room for IPv4 addresses");
		proxy_v2_addr(AF_INET, body, proxy_u16(body, 8), &h->src);
		proxy_v2_addr(AF_INET, span_skip(body, 4), proxy_u16(body, 10), &h->dst);
		return proxy_v2_tlvs(header, PROXY_V2_HEAD + PROXY_V2_ADDRS4, e);
	}
	if (family == 2 && transport == 1) {
		if (body.len < PROXY_V2_ADDRS6)
			return proxy_bad(e, "no room for IPv6 addresses");
		proxy_v2_addr(AF_INET6, body, proxy_u16(body, 32), &h->src);
		proxy_v2_addr(AF_INET6, span_skip(body, 16), proxy_u16(body, 34), &h->dst);
		return proxy_v2_tlvs(header, PROXY_V2_HEAD + PROXY_V2_ADDRS6, e);
	}
	/* Unspecified, datagrams, Unix sockets: valid, and nothing for us. */
	h->is_local = true;
	return 0;
}

static int proxy_v2_parse(struct span bytes, struct proxy_header *h, size_t *used_r, struct err *e)
{
	struct span header;
	unsigned command;
	size_t len;
	int rc = 0;

	if (bytes.len > 12 && proxy_byte(bytes, 12) >> 4 != 2)
		return proxy_bad(e, "an unknown version");
	if (bytes.len < PROXY_V2_HEAD)
		return 0;
	command = proxy_byte(bytes, 12) & 15;
	if (command > 1)
		return proxy_bad(e, "an unknown command");
	len = PROXY_V2_HEAD + proxy_u16(bytes, 14);
	if (len > PROXY_V2_MAX)
		return proxy_long(e, PROXY_V2_MAX);
	if (bytes.len < len)
		return 0;
	header = span_sub(bytes, 0, len);
	/* LOCAL: the proxy speaks for itself (a health check); the rest is skipped. */
	if (command == 0)
		h->is_local = true;
	else
		rc = proxy_v2_addrs(header, h, e);
	if (rc == 0)
		*used_r = len;
	return rc;
}

int proxy_parse(struct span bytes, struct proxy_header *h_r, size_t *used_r, struct err *e)
{
	size_t n1 = bytes.len < proxy_v1_sign.len ? bytes.len : proxy_v1_sign.len;
	size_t n2 = bytes.len < proxy_v2_sign.len ? bytes.len : proxy_v2_sign.len;
	int rc;

	memset(h_r, 0, sizeof(*h_r));
	*used_r = 0;
	if (bytes.len == 0)
		return 0;
	if (span_eq(span_sub(bytes, 0, n1), span_sub(proxy_v1_sign, 0, n1)))
		rc = n1 < proxy_v1_sign.len ? 0 : proxy_v1_parse(bytes, h_r, used_r, e);
	else if (span_eq(span_sub(bytes, 0, n2), span_sub(proxy_v2_sign, 0, n2)))
		rc = n2 < proxy_v2_sign.len ? 0 : proxy_v2_parse(bytes, h_r, used_r, e);
	else
		return proxy_bad(e, "there is none");
	if (rc < 0 || *used_r == 0 || h_r->is_local)
		h_r->src.len = h_r->dst.len = 0;
	return rc;
}

/* ---- on a stream ---- */

/* What was read behind the header, for the filter that comes next: TLS begins where the header
 * ends, and takes nothing that the stream has buffered. */
struct proxy_rest {
	struct filter filter;
	struct buf bytes;
};

static FIBER ssize_t proxy_rest_read(
	struct filter *f, void *p, size_t n, int64_t deadline_ns, struct err *e)
{
	struct proxy_rest *r = (struct proxy_rest *)f;
	struct span rest = span_sub(buf_span(&r->bytes), 0, n);

	if (rest.len == 0)
		return f->below->ops->read(f->below, p, n, deadline_ns, e);
	memcpy(p, rest.ptr, rest.len);
	buf_consume(&r->bytes, rest.len);
	if (buf_len(&r->bytes) == 0)
		buf_fini(&r->bytes);
	return (ssize_t)rest.len;
}

static FIBER int proxy_rest_write(struct filter *f, const struct span *parts, size_t count,
	int64_t deadline_ns, struct err *e)
{
	return f->below->ops->write(f->below, parts, count, deadline_ns, e);
}

static FIBER int proxy_rest_wait(struct filter *f, int64_t deadline_ns, struct err *e)
{
	return buf_len(&((struct proxy_rest *)f)->bytes) ? 0
							 : filter_wait(f->below, deadline_ns, e);
}

static bool proxy_rest_has_input(struct filter *f)
{
	return buf_len(&((struct proxy_rest *)f)->bytes) || filter_has_input(f->below);
}

static bool proxy_rest_poll(struct filter *f)
{
	return buf_len(&((struct proxy_rest *)f)->bytes) || filter_poll(f->below);
}

static void proxy_rest_free(struct filter *f)
{
	buf_fini(&((struct proxy_rest *)f)->bytes);
	free(f);
}

static const struct filter_ops proxy_rest_ops = {
	.name = "proxy",
	.read = proxy_rest_read,
	.write = proxy_rest_write,
	.free = proxy_rest_free,
	.wait = proxy_rest_wait,
	.has_input = proxy_rest_has_input,
	.poll = proxy_rest_poll,
};

static void proxy_push_rest(struct stream *s)
{
	struct proxy_rest *r;

	if (buf_len(&s->in) == 0)
		return;
	r = NEW(struct proxy_rest);
	r->filter.ops = &proxy_rest_ops;
	buf_init(&r->bytes, STREAM_IN_MAX);
	buf_span_put(&r->bytes, buf_span(&s->in));
	/* It will be received once more. */
	s->bytes_in -= stream_drop_input(s);
	stream_push(s, &r->filter);
}

FIBER int proxy_read(struct stream *s, struct err *e)
{
	struct proxy_header h;
	struct err why = {0};
	size_t used;

	for (;;) {
		if (proxy_parse(stream_peek(s), &h, &used, &why) < 0)
			return stream_fail(s, &why, e);
		if (used)
			break;
		if (stream_fill(s, &why) < 0) {
			err_wrap(&why, "PROXY header");
			return stream_fail(s, &why, e);
		}
	}
	stream_consume(s, used);
	proxy_push_rest(s);
	if (!h.is_local) {
		addr_unmap(&h.src);
		addr_unmap(&h.dst);
		s->peer = h.src;
		s->local = h.dst;
	}
	return 0;
}

/* ---- the sending side ---- */

static bool proxy_is_pair(const struct addr *src, const struct addr *dst)
{
	return addr_is_ip(src) && addr_is_ip(dst) && src->sa.sa_family == dst->sa.sa_family;
}

void proxy_put_v1(struct buf *b, const struct addr *src, const struct addr *dst)
{
	if (!proxy_is_pair(src, dst)) {
		buf_str(b, "PROXY UNKNOWN\r\n");
		return;
	}
	buf_str(b, src->sa.sa_family == AF_INET ? "PROXY TCP4 " : "PROXY TCP6 ");
	addr_put_ip(b, src);
	buf_char(b, ' ');
	addr_put_ip(b, dst);
	buf_printf(b, " %u %u\r\n", addr_port(src), addr_port(dst));
}

void proxy_put_v2(struct buf *b, const struct addr *src, const struct addr *dst)
{
	bool is_pair = proxy_is_pair(src, dst), is_v4 = is_pair && src->sa.sa_family == AF_INET;
	const struct addr *both[] = {src, dst};

	buf_span_put(b, proxy_v2_sign);
	buf_char(b, is_pair ? 0x21 : 0x20);
	buf_char(b, !is_pair ? 0 : is_v4 ? 0x11 : 0x21);
	buf_char(b, 0);
	buf_char(b, !is_pair ? 0 : is_v4 ? PROXY_V2_ADDRS4 : PROXY_V2_ADDRS6);
	for (size_t i = 0; is_pair && i < 2; i++) {
		if (is_v4)
			buf_put(b, &both[i]->in4.sin_addr, 4);
		else
			buf_put(b, &both[i]->in6.sin6_addr, 16);
	}
	for (size_t i = 0; is_pair && i < 2; i++) {
		buf_char(b, (char)(addr_port(both[i]) >> 8));
		buf_char(b, (char)addr_port(both[i]));
	}
}
