/* Where to: URLs of the library. Strict, so that a slip of the pen is told before anything is sent
 * anywhere. */

#include "libyz/libyz_priv.h"

#include <string.h>
#include <sys/un.h>

#include "base/enc.h"
#include "base/must.h"

static const struct scheme {
	const char *name;
	uint16_t port;
	bool is_lmtp, is_unix, is_mx, is_tls_at_once, is_submission, is_proxy;
} schemes[] = {
	{"smtp", 25, .is_lmtp = false}, {"submission", 587, .is_submission = true},
	{"submissions", 465, .is_tls_at_once = true,
		.is_submission = true}, /* RFC 8314 section 3.3 */
	{"smtps", 465, .is_tls_at_once = true, .is_submission = true},
	{"lmtp", 24, .is_lmtp = true}, {"unix", 0, .is_unix = true},
	{"lmtp+unix", 0, .is_unix = true, .is_lmtp = true}, {"mx", 25, .is_mx = true},
	{"socks5", 1080, .is_proxy = true}, /* RFC 1928 section 3 */
};

static int url_bad(struct err *e, const char *why)
{
	return err_set(e, ERR_SYNTAX, "bad URL: %s", why);
}

/* NULL for bad percent-encoding, and for CR, LF, NUL. */
static const char *url_decode(struct arena *a, struct span s)
{
	struct span text;

	return enc_get_percent(a, s, &text) && !span_has_line_break(text) ? text.ptr : NULL;
}

static bool is_digits(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
	return s.len > 0;
}

/* "smtp:25" is port 25 of a host that is called smtp. */
static const struct scheme *url_scheme(struct span *rest)
{
	struct span name, behind;

	if (span_cut(*rest, ':', &name, &behind) && !is_digits(behind))
		for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
			if (span_eq_nocase(name, span_str(schemes[i].name))) {
				*rest = behind;
				return &schemes[i];
			}
	return NULL;
}

static int url_unix(struct arena *a, struct span rest, struct url *u, struct err *e)
{
	if (span_starts(rest, SPAN("//")))
		rest = span_skip(rest, 2);
	u->path = url_decode(a, rest);
	if (!u->path || u->path[0] != '/')
		return url_bad(e, "the path of a socket begins with /");
	if (strlen(u->path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return url_bad(e, "the path of a socket is too long");
	u->host = "";
	return 0;
}

static int url_userinfo(struct arena *a, struct span info, struct url *u, struct err *e)
{
	struct span user, password;

	if (span_cut(info, ':', &user, &password)) {
		u->password = url_decode(a, password);
		if (!u->password)
			return url_bad(e, "the password is not well encoded");
	}
	u->user = url_decode(a, user);
	return u->user ? 0 : url_bad(e, "the user is not well encoded");
}

static bool is_host(const char *host)
{
	size_t len = strlen(host);

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)host[i] <= ' ' || host[i] == 0x7f ||
			strchr("/@:[]<>\"\\?#", host[i]))
			return false;
	return len > 0 && len <= YZ_HOST_MAX;
}

/* host, "[v6]", each with ":port". */
static int url_host(struct arena *a, struct span rest, struct url *u, struct err *e)
{
	struct span host, port = SPAN_NONE;
	bool has_port;
	uint64_t n;
	struct addr ip;

	if (rest.len && rest.ptr[0] == '[') {
		if (!span_cut(span_skip(rest, 1), ']', &host, &port))
			return url_bad(e, "no ] behind an IPv6 address");
		if (span_starts_nocase(host, SPAN("IPv6:")))
			host = span_skip(host, 5);
		has_port = port.len > 0;
		if (!addr_parse_ip(host, 0, &ip) || ip.sa.sa_family != AF_INET6)
			return url_bad(e, "no IPv6 address between [ and ]");
		if (has_port && port.ptr[0] != ':')
			return url_bad(e, "only a port can stand behind ]");
		port = span_skip(port, 1);
		u->host = arena_str(a, host);
	} else {
		has_port = span_cut(rest, ':', &host, &port);
		if (span_find(port, ':') >= 0)
			return url_bad(
				e, "more than one colon (an IPv6 address stands in brackets)");
		u->host = url_decode(a, host);
		if (!u->host || !is_host(u->host))
			return url_bad(e, "no host name");
	}
	if (!has_port)
		return 0;
	if (!is_digits(port) || !span_u64_max(port, 65535, &n) || n == 0)
		return url_bad(e, "the port is a number from 1 to 65535");
	u->port = (uint16_t)n;
	return 0;
}

int url_parse(struct arena *a, const char *text, struct url *u, struct err *e)
{
	struct span rest = span_str(text);
	const struct scheme *s;
	ptrdiff_t at;

	memset(u, 0, sizeof(*u));
	if (rest.len == 0 || rest.len > YZ_URL_MAX)
		return url_bad(e, rest.len ? "too long" : "empty");
	for (size_t i = 0; i < rest.len; i++)
		if ((unsigned char)rest.ptr[i] < ' ' || rest.ptr[i] == 0x7f)
			return url_bad(e, "control characters");
	s = url_scheme(&rest);
	if (!s && span_find_span(rest, SPAN("://")) >= 0)
		return url_bad(e, "unknown scheme");
	if (!s)
		s = &schemes[0];
	u->port = s->port;
	u->is_lmtp = s->is_lmtp;
	u->is_mx = s->is_mx;
	u->is_tls_at_once = s->is_tls_at_once;
	u->is_submission = s->is_submission;
	u->is_proxy = s->is_proxy;
	if (s->is_unix)
		return url_unix(a, rest, u, e);
	if (span_starts(rest, SPAN("//")))
		rest = span_skip(rest, 2);
	if (rest.len && rest.ptr[rest.len - 1] == '/')
		rest.len--;
	at = span_rfind(rest, '@');
	if (at >= 0 && url_userinfo(a, span_sub(rest, 0, (size_t)at), u, e) < 0)
		return -1;
	return url_host(a, span_skip(rest, (size_t)(at + 1)), u, e);
}
