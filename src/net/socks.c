#include "net/socks.h"

#include <string.h>

#include "base/must.h"
#include "base/secret.h"
#include "net/addr.h"

#define SOCKS_VERSION     5
#define SOCKS_NO_AUTH     0
#define SOCKS_PASSWORD    2
#define SOCKS_NONE_FITS   0xff
#define SOCKS_CONNECT     1
#define SOCKS_IPV4        1
#define SOCKS_NAME        3
#define SOCKS_IPV6        4
#define SOCKS_REQUEST_MAX 600

/* RFC 1928 section 6. */
static const char *const replies[] = {"succeeded", "general failure of the proxy",
	"the proxy's rules forbid it", "network unreachable", "host unreachable",
	"connection refused", "TTL expired", "the proxy does not know CONNECT",
	"the proxy does not take this kind of address"};

static int socks_bad(struct err *e, enum err_code code, const char *why)
{
	err_set(e, code, "SOCKS5 proxy: %s", why);
	return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
}

static FIBER int socks_lost(struct err *e)
{
	return err_wrap(e, "SOCKS5 proxy");
}

/* RFC 1929 section 2. */
static FIBER int socks_login(
	struct stream *st, struct span user, struct span password, struct err *e)
{
	struct buf b;
	unsigned char answer[2];

	if (user.len == 0 || user.len > SOCKS_FIELD_MAX || password.len > SOCKS_FIELD_MAX)
		return socks_bad(e, ERR_DENIED, "user or password are too long");
	buf_init(&b, SOCKS_REQUEST_MAX);
	buf_char(&b, 1);
	buf_char(&b, (char)user.len);
	buf_span_put(&b, user);
	buf_char(&b, (char)password.len);
	buf_span_put(&b, password);
	stream_put(st, buf_span(&b));
	secret_wipe(b.mem, b.cap);
	buf_fini(&b);
	if (stream_read_full(st, answer, sizeof(answer), e) < 0)
		return socks_lost(e);
	return answer[1] == 0 ? 0 : socks_bad(e, ERR_DENIED, "user and password were refused");
}

static FIBER int socks_greet(
	struct stream *st, struct span user, struct span password, struct err *e)
{
	bool has_user = user.ptr != NULL;
	const char offers[] = {SOCKS_VERSION, has_user ? 2 : 1, SOCKS_NO_AUTH, SOCKS_PASSWORD};
	unsigned char answer[2];

	stream_put(st, span_of(offers, has_user ? 4 : 3));
	if (stream_read_full(st, answer, sizeof(answer), e) < 0)
		return socks_lost(e);
	if (answer[0] != SOCKS_VERSION)
		return socks_bad(e, ERR_PROTO, "it does not speak SOCKS5");
	if (answer[1] == SOCKS_PASSWORD && has_user)
		return socks_login(st, user, password, e);
	if (answer[1] != SOCKS_NO_AUTH)
		return socks_bad(e, ERR_DENIED, "it wants another way to log in");
	return 0;
}

static void socks_put_address(struct stream *st, struct span host)
{
	struct addr ip;
	char head[2] = {SOCKS_NAME, (char)host.len};

	if (!addr_parse_ip(host, 0, &ip)) {
		stream_put(st, span_of(head, 2));
		stream_put(st, host);
		return;
	}
	head[0] = ip.sa.sa_family == AF_INET ? SOCKS_IPV4 : SOCKS_IPV6;
	stream_put(st, span_of(head, 1));
	if (ip.sa.sa_family == AF_INET)
		stream_put(st, span_of(&ip.in4.sin_addr, 4));
	else
		stream_put(st, span_of(&ip.in6.sin6_addr, 16));
}

/* RFC 1928 section 6: the address it has bound is of no use to us, but stands in the way. */
static FIBER int socks_answer(struct stream *st, struct err *e)
{
	unsigned char head[5], rest[SOCKS_FIELD_MAX + 2];
	size_t n;

	if (stream_read_full(st, head, sizeof(head), e) < 0)
		return socks_lost(e);
	if (head[0] != SOCKS_VERSION)
		return socks_bad(e, ERR_PROTO, "it does not speak SOCKS5");
	if (head[1] != 0)
		return socks_bad(e, ERR_IO,
			head[1] < ARRAY_LEN(replies) ? replies[head[1]] : "unknown reply");
	switch (head[3]) {
	case SOCKS_IPV4: n = 4 - 1 + 2; break;
	case SOCKS_IPV6: n = 16 - 1 + 2; break;
	case SOCKS_NAME: n = head[4] + 2u; break;
	default: return socks_bad(e, ERR_PROTO, "unknown kind of address");
	}
	return stream_read_full(st, rest, n, e) < 0 ? socks_lost(e) : 0;
}

FIBER int socks_connect(struct stream *st, struct span user, struct span password, struct span host,
	uint16_t port, struct err *e)
{
	const char request[] = {SOCKS_VERSION, SOCKS_CONNECT, 0};
	const char at[] = {(char)(port >> 8), (char)port};

	MUST(host.len <= SOCKS_FIELD_MAX);
	if (socks_greet(st, user, password, e) < 0)
		return -1;
	stream_put(st, span_of(request, sizeof(request)));
	socks_put_address(st, host);
	stream_put(st, span_of(at, sizeof(at)));
	return socks_answer(st, e);
}
