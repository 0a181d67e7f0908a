#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "base/secret.h"
#include "net/net.h"
#include "cli/move_pull.h"
#include "cli/send_priv.h"

/* The other server: which it is, and the way in. */

bool move_is_url(const char *text)
{
	return span_starts_nocase(span_str(text), SPAN("imap://")) ||
		span_starts_nocase(span_str(text), SPAN("imaps://"));
}

static int bad_url(const char *url)
{
	return cli_fail(EX_USAGE,
		"%s: say imaps://USER@HOST[:PORT]/, a \"%%\" or \"/\" in USER as %%25 and %%2F",
		url);
}

/* imap[s]://user@host[:port]/[folder]: the user may have an "@", the last one parts him from the host
 * (RFC 5092 wants it as %40, nobody types that). */
static int read_url(struct pull *p, const char *url)
{
	struct pull_server *s = &p->server;
	struct span rest = span_str(url), where, host, port;
	uint64_t n;
	ptrdiff_t at;

	s->is_tls = span_starts_nocase(rest, SPAN("imaps:"));
	rest = span_skip(rest, s->is_tls ? 8 : 7);
	span_cut(rest, '/', &where, &rest);
	s->folder = move_folder_unfile(p->a, rest);
	at = span_rfind(where, '@');
	if (at <= 0)
		return bad_url(url);
	s->user = move_folder_unfile(p->a, span_sub(where, 0, (size_t)at));
	host = span_skip(where, (size_t)at + 1);
	port = SPAN_NONE;
	if (span_starts(host, SPAN("["))) {
		ptrdiff_t end = span_find(host, ']');

		if (end < 0)
			return bad_url(url);
		port = span_skip(host, (size_t)end + 1);
		host = span_sub(host, 1, (size_t)end - 1);
		if (span_starts(port, SPAN(":")))
			port = span_skip(port, 1);
	} else if (span_find(host, ':') >= 0) {
		span_cut(host, ':', &host, &port);
	}
	s->host = host;
	s->host_text = arena_str(p->a, host);
	s->port = s->is_tls ? 993 : 143;
	if (port.len && (!span_u64_max(port, 65535, &n) || !n))
		return bad_url(url);
	if (port.len)
		s->port = (uint16_t)n;
	return host.len && s->user.len && !span_has_line_break(s->user) ? 0 : bad_url(url);
}

static int look_up(struct pull *p)
{
	struct pull_server *s = &p->server;
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *found;
	int rc = getaddrinfo(s->host_text, arena_printf(p->a, "%u", s->port), &hints, &found);

	if (rc != 0)
		return cli_fail(EX_NOHOST, "%s: %s", s->host_text, gai_strerror(rc));
	for (struct addrinfo *x = found; x; x = x->ai_next)
		s->addr_count++;
	s->addrs = ARENA_ARRAY(p->a, struct addr, s->addr_count);
	s->addr_count = 0;
	for (struct addrinfo *x = found; x; x = x->ai_next) {
		struct addr *a = &s->addrs[s->addr_count++];

		memcpy(&a->sa, x->ai_addr, x->ai_addrlen);
		a->len = x->ai_addrlen;
	}
	freeaddrinfo(found);
	return 0;
}

/* The first line of a file that holds a secret. */
static int read_secret(struct pull *p, const char *name, struct span *text_r)
{
	FILE *f = fopen(name, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t n = f ? getline(&line, &size, f) : -1;

	if (!f)
		return cli_fail(EX_NOINPUT, "%s: %s", name, strerror(errno));
	fclose(f);
	while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
		n--;
	*text_r = arena_span(p->a, span_of(line ? line : "", n > 0 ? (size_t)n : 0));
	secret_guard(p->a, *text_r);
	if (line)
		secret_wipe(line, size);
	free(line);
	return text_r->len ? 0 : cli_fail(EX_DATAERR, "%s: nothing is in it", name);
}

static int read_secrets(struct pull *p)
{
	const char *password = cli_value(p->c, "password-file");
	const char *token = cli_value(p->c, "oauth-token-file");
	char *typed;

	if (password && token)
		return cli_fail(EX_USAGE, "--password-file or --oauth-token-file, not both");
	if (token)
		return read_secret(p, token, &p->server.token);
	if (password)
		return read_secret(p, password, &p->server.password);
	typed = send_ask(p->a,
		arena_printf(p->a, "Password of " SPAN_FMT " at %s", SPAN_ARG(p->server.user),
			p->server.host_text),
		true);
	if (!typed || !typed[0])
		return cli_fail(EX_USAGE,
			"no password: say --password-file FILE or --oauth-token-file FILE");
	p->server.password = span_str(typed);
	secret_guard(p->a, p->server.password);
	return 0;
}

int pull_server_read(struct pull *p, const char *url)
{
	struct tls_client_opts opts = {.ca_file = cli_value(p->c, "ca-file")};
	struct err e = {0};
	int code;

	if (!move_is_url(url))
		return bad_url(url);
	code = read_url(p, url);
	if (!code)
		code = look_up(p);
	if (!code)
		code = read_secrets(p);
	if (code)
		return code;
	p->server.is_plaintext = cli_value(p->c, "plaintext") != NULL;
	p->server.tls = tls_client_new(&opts, &e);
	return p->server.tls ? 0 : cli_fail(EX_NOINPUT, "%s", e.text);
}

/* ---- the way in ---- */

FIBER void pull_disconnect(struct pull *p)
{
	if (!p->is_connected)
		return;
	imap_client_logout(&p->imap);
	imap_client_fini(&p->imap);
	stream_free(&p->stream);
	p->is_connected = false;
}

static FIBER int enter(struct pull *p, struct err *e)
{
	struct pull_server *s = &p->server;
	struct imap_client_login login = {.user = s->user,
		.password = s->password,
		.token = s->token,
		.host = s->host,
		.port = s->port,
		.is_clear_allowed = s->is_plaintext};

	stream_set_timeout(p->stream, PULL_STEP_NS);
	if (s->is_tls && tls_connect(p->stream, s->tls, s->host, true, e) < 0)
		return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_NEVER);
	if (imap_client_greet(&p->imap, e) < 0)
		return -1;
	if (!s->is_tls && !s->is_plaintext) {
		struct err why = {0};

		if (imap_client_starttls(&p->imap, s->tls, s->host, true, &why) < 0) {
			if (why.code == ERR_UNSUPPORTED)
				err_set(&why, ERR_UNSUPPORTED,
					"the server offers no STARTTLS: use imaps://, or --plaintext where nobody "
					"can read along");
			err_copy(e, &why);
			return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_NEVER);
		}
	}
	return imap_client_login(&p->imap, &login, e);
}

FIBER int pull_connect(struct pull *p, struct err *e)
{
	struct pull_server *s = &p->server;
	size_t which;

	p->stream = net_connect_any(
		s->addrs, s->addr_count, NULL, loop_now_ns() + PULL_STEP_NS, &which, e);
	if (!p->stream)
		return err_wrap(e, "%s:%u", s->host_text, s->port);
	imap_client_init(&p->imap, p->stream, &(struct imap_client_opts){0});
	p->is_connected = true;
	if (enter(p, e) == 0)
		return 0;
	p->imap.is_over = true; /* no LOGOUT where the way in failed */
	pull_disconnect(p);
	return err_wrap(e, "%s:%u", s->host_text, s->port);
}
