#include <netdb.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/send_plan_priv.h"

/* Words and account become the way to the server, the envelope's parameters and the stops. */

static const struct protocol {
	const char *name;
	bool is_helo_only, is_lmtp, is_auth;
	enum send_need tls;
	bool is_at_once;
} protocols[] = {
	{"SMTP", true, false, false, SEND_NEVER, false},
	{"SSMTP", false, false, false, SEND_NEVER, true},
	{"SSMTPA", false, false, true, SEND_NEVER, true},
	{"SMTPS", true, false, false, SEND_NEVER, true},
	{"ESMTP", false, false, false, SEND_STRICT, false},
	{"ESMTPA", false, false, true, SEND_STRICT, false},
	{"ESMTPS", false, false, false, SEND_REQUIRED, false},
	{"ESMTPSA", false, false, true, SEND_REQUIRED, false},
	{"LMTP", false, true, false, SEND_STRICT, false},
	{"LMTPA", false, true, true, SEND_STRICT, false},
	{"LMTPS", false, true, false, SEND_REQUIRED, false},
	{"LMTPSA", false, true, true, SEND_REQUIRED, false},
};

static const struct stage {
	const char *name;
	enum send_stop stop;
} stages[] = {
	{"CONNECT", SEND_STOP_BANNER},
	{"BANNER", SEND_STOP_BANNER},
	{"FIRST-HELO", SEND_STOP_FIRST_HELO},
	{"FIRST-EHLO", SEND_STOP_FIRST_HELO},
	{"FIRST-LHLO", SEND_STOP_FIRST_HELO},
	{"XCLIENT", SEND_STOP_XCLIENT},
	{"STARTTLS", SEND_STOP_TLS},
	{"TLS", SEND_STOP_TLS},
	{"HELO", SEND_STOP_HELO},
	{"EHLO", SEND_STOP_HELO},
	{"LHLO", SEND_STOP_HELO},
	{"AUTH", SEND_STOP_AUTH},
	{"MAIL", SEND_STOP_MAIL},
	{"FROM", SEND_STOP_MAIL},
	{"RCPT", SEND_STOP_RCPT},
	{"TO", SEND_STOP_RCPT},
	{"DATA", SEND_STOP_DATA},
	{"DOT", SEND_STOP_DOT},
};

static int set_stop(struct send_plan *p, enum send_id id, enum send_stop last, enum send_stop *to)
{
	const char *arg = send_arg(p->words, id);

	if (!arg)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(stages); i++) {
		if (strcasecmp(stages[i].name, arg) == 0 && stages[i].stop <= last) {
			*to = stages[i].stop;
			return 0;
		}
	}
	return cli_fail(SEND_EXIT_WORDS, "\"%s\" is no stage to stop at: %s", arg,
		send_flag((int)id)->words);
}

static int set_protocol(struct send_plan *p)
{
	const char *arg = send_arg(p->words, SEND_O_PROTOCOL);

	if (send_has(p->words, SEND_O_LMTP))
		arg = arg ? arg : "LMTP";
	if (!arg && p->account && p->account->protocol)
		arg = strcmp(p->account->protocol, "lmtp") == 0 ? "LMTP" : "ESMTP";
	for (size_t i = 0; arg && i < ARRAY_LEN(protocols); i++) {
		const struct protocol *one = &protocols[i];

		if (strcasecmp(one->name, arg) != 0)
			continue;
		p->is_lmtp = one->is_lmtp;
		p->is_helo_only = one->is_helo_only;
		p->is_tls_at_once = one->is_at_once;
		p->tls = one->tls;
		p->auth = one->is_auth ? SEND_REQUIRED : SEND_NEVER;
		if (one->is_helo_only)
			p->options.flags |= YZ_NO_EHLO;
		return 0;
	}
	p->tls = SEND_STRICT;
	return arg ? cli_fail(SEND_EXIT_WORDS, "--protocol \"%s\" is none of: %s", arg,
			     send_flag(SEND_O_PROTOCOL)->words)
		   : 0;
}

int send_plan_port(const char *text, int *port_r)
{
	struct servent *s;
	uint64_t n;

	if (span_u64_max(span_str(text), 65535, &n) && n) {
		*port_r = (int)n;
		return 0;
	}
	s = getservbyname(text, "tcp");
	if (!s)
		return cli_fail(SEND_EXIT_WORDS, "\"%s\" is no port", text);
	*port_r = ntohs((uint16_t)s->s_port);
	return 0;
}

/* "HOST:PORT" with one colon, "[HOST]:PORT", "HOST/PORT". */
static int cut_server(struct send_plan *p, const char *text, const char **host_r, int *port_r)
{
	struct span s = span_str(text), host = s, port = SPAN_NONE;
	ptrdiff_t slash = span_find(s, '/');

	if (s.len && s.ptr[0] == '[' && span_find(s, ']') > 0) {
		size_t end = (size_t)span_find(s, ']');

		host = span_sub(s, 1, end - 1);
		if (end + 1 < s.len && s.ptr[end + 1] == ':')
			port = span_skip(s, end + 2);
	} else if (slash > 0) {
		host = span_sub(s, 0, (size_t)slash);
		port = span_skip(s, (size_t)slash + 1);
	} else if (span_find(s, ':') >= 0 && span_find(s, ':') == span_rfind(s, ':')) {
		span_cut(s, ':', &host, &port);
	}
	*host_r = arena_str(p->a, host);
	if (!host.len)
		return cli_fail(SEND_EXIT_WORDS, "--server \"%s\" names no host", text);
	return port.ptr ? send_plan_port(arena_str(p->a, port), port_r) : 0;
}

static const char *escaped(struct arena *a, const char *text)
{
	struct buf b;

	buf_init(&b, 65536);
	for (; *text; text++) {
		if (*text == '%' || *text == '?' || *text == '#' || *text == '@')
			buf_printf(&b, "%%%02X", (unsigned)(unsigned char)*text);
		else
			buf_char(&b, *text);
	}
	const char *made = arena_str(a, buf_span(&b));
	buf_fini(&b);
	return made;
}

static int default_port(const struct send_plan *p)
{
	if (p->is_tls_at_once)
		return 465;
	if (p->is_lmtp)
		return 24;
	return 25;
}

static int make_host_url(struct send_plan *p, const char *host, int port)
{
	bool is_v6 = strchr(host, ':') != NULL;
	const char *scheme = p->is_tls_at_once ? "smtps" : p->is_lmtp ? "lmtp" : "smtp";

	if (p->is_tls_at_once && p->is_lmtp)
		return cli_fail(SEND_EXIT_WORDS, "LMTP has STARTTLS only");
	p->host = host;
	p->url = arena_printf(p->a, "%s://%s%s%s:%d", scheme, is_v6 ? "[" : "", host,
		is_v6 ? "]" : "", port ? port : default_port(p));
	return 0;
}

static int account_way(struct send_plan *p, int port)
{
	const struct send_account *a = p->account;
	const char *tls = a->tls;

	if (!port)
		port = a->port;
	if (a->socket) {
		p->host = a->host ? a->host : "localhost";
		p->url = arena_printf(
			p->a, "%sunix:%s", p->is_lmtp ? "lmtp+" : "", escaped(p->a, a->socket));
		return 0;
	}
	if (!tls)
		tls = port == 465 ? "tls" : port == 25 || p->is_lmtp ? "optional" : "starttls";
	if (!port)
		port = strcmp(tls, "tls") == 0         ? 465
			: p->is_lmtp                   ? 24
			: strcmp(tls, "starttls") == 0 ? 587
						       : 25;
	p->is_tls_at_once = strcmp(tls, "tls") == 0;
	p->tls = strcmp(tls, "starttls") == 0 ? SEND_REQUIRED
		: strcmp(tls, "off") == 0     ? SEND_NEVER
					      : SEND_STRICT;
	return make_host_url(p, a->host, port);
}

static int mx_way(struct send_plan *p, const char *domain, int port)
{
	const char *scheme = p->is_lmtp || p->is_tls_at_once ? NULL : "mx";

	if (!scheme)
		return cli_fail(
			SEND_EXIT_WORDS, "MX hosts speak SMTP with STARTTLS: name a --server");
	p->host = domain;
	p->url = port ? arena_printf(p->a, "mx://%s:%d", domain, port)
		      : arena_printf(p->a, "mx:%s", domain);
	return 0;
}

/* The last recipient's domain, as swaks has it. */
static const char *rcpt_domain(struct send_plan *p)
{
	static const enum send_id from[] = {SEND_O_BCC, SEND_O_CC, SEND_O_TO};

	for (size_t i = 0; i < ARRAY_LEN(from); i++) {
		const char *list = send_arg(p->words, from[i]);
		size_t count = 0;
		const char **all = list ? send_addresses(p->a, list, &count) : NULL;
		const char *at = count ? strrchr(all[count - 1], '@') : NULL;

		if (at)
			return at + 1;
	}
	return NULL;
}

/* A whole URL says what protocol and TLS it wants, and may hold a login, which is shown nowhere. */
static int url_way(struct send_plan *p)
{
	static const struct {
		const char *scheme;
		bool is_lmtp, is_at_once;
		enum send_need tls;
	} schemes[] = {
		{"smtp", false, false, SEND_STRICT},
		{"mx", false, false, SEND_STRICT},
		{"unix", false, false, SEND_STRICT},
		{"submission", false, false, SEND_REQUIRED},
		{"submissions", false, true, SEND_NEVER},
		{"smtps", false, true, SEND_NEVER},
		{"lmtp", true, false, SEND_STRICT},
		{"lmtp+unix", true, false, SEND_STRICT},
	};
	const struct send_words *w = p->words;
	struct span scheme, rest, login, host, tail;
	bool is_said = w->values[SEND_O_TLS].is_negated || send_has(w, SEND_O_TLS) ||
		send_has(w, SEND_O_TLS_OPTIONAL) || send_has(w, SEND_O_TLS_STRICT);

	if (!span_cut(span_str(p->url), ':', &scheme, &rest))
		return cli_fail(SEND_EXIT_WORDS, "\"%s\" is no URL", p->url);
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		if (!span_eq_nocase(scheme, span_str(schemes[i].scheme)))
			continue;
		p->is_lmtp = schemes[i].is_lmtp;
		p->is_tls_at_once = schemes[i].is_at_once;
		p->tls = is_said && !p->is_tls_at_once ? p->tls : schemes[i].tls;
	}
	rest = span_starts(rest, SPAN("//")) ? span_skip(rest, 2) : rest;
	ptrdiff_t at = scheme.len == 4 && span_eq_nocase(scheme, SPAN("unix"))
		? -1
		: span_rfind(rest, '@');
	login = at < 0 ? SPAN_NONE : span_sub(rest, 0, (size_t)at);
	rest = span_skip(rest, (size_t)(at + 1));
	p->has_url_login = login.len > 0;
	p->shown_url = p->has_url_login
		? arena_printf(p->a, SPAN_FMT "://" SPAN_FMT, SPAN_ARG(scheme), SPAN_ARG(rest))
		: p->url;
	span_cut(rest, rest.len && rest.ptr[0] == '[' ? ']' : ':', &host, &tail);
	p->host = arena_str(p->a, host.len && host.ptr[0] == '[' ? span_skip(host, 1) : host);
	return 0;
}

static int set_way(struct send_plan *p)
{
	const struct send_words *w = p->words;
	const char *server = send_arg(w, SEND_O_SERVER), *port_text = send_arg(w, SEND_O_PORT);
	const char *mx = send_arg(w, SEND_O_MX), *socket = send_arg(w, SEND_O_SOCKET), *host;
	int port = 0, code;

	p->pipe = send_arg(w, SEND_O_PIPE);
	p->url = send_arg(w, SEND_O_URL);
	if (!!p->pipe + !!p->url + !!server + !!mx + !!socket > 1)
		return cli_fail(SEND_EXIT_WORDS,
			"only one of --server, --url, --mx, --socket and --pipe can be meant");
	if (port_text && (code = send_plan_port(port_text, &port)))
		return code;
	if (p->pipe)
		p->host = "localhost";
	if (p->url || p->pipe)
		return p->url ? url_way(p) : 0;
	if (socket) {
		p->host = "localhost";
		p->url = arena_printf(
			p->a, "%sunix:%s", p->is_lmtp ? "lmtp+" : "", escaped(p->a, socket));
		return 0;
	}
	if (server) {
		int own = 0;

		code = cut_server(p, server, &host, &own);
		return code ? code : make_host_url(p, host, port ? port : own);
	}
	if (mx)
		return mx_way(p, mx, port);
	if (p->account)
		return account_way(p, port);
	mx = rcpt_domain(p);
	if (!mx)
		return cli_fail(
			SEND_EXIT_WORDS, "which server? say --server HOST, or --to ADDRESS");
	return mx_way(p, mx, port);
}

/* The account that counts: named, or (when no server is) of the sender, or the default one. */
static int find_account(struct send_plan *p)
{
	const struct send_words *w = p->words;
	const char *file = send_arg(w, SEND_O_ACCOUNTS), *name = send_arg(w, SEND_O_ACCOUNT);
	const char *from = send_arg(w, SEND_O_FROM);
	bool has_way = send_has(w, SEND_O_SERVER) || send_has(w, SEND_O_URL) ||
		send_has(w, SEND_O_MX) || send_has(w, SEND_O_SOCKET) || send_has(w, SEND_O_PIPE);
	int code = 0;

	if (!name && (has_way || w->values[SEND_O_ACCOUNT].is_negated))
		return 0;
	if (!name && from)
		code = send_account_for(p->a, file, from, &p->account);
	if (!code && !p->account)
		code = send_account_find(p->a, file, name, &p->account);
	return code;
}

static const struct {
	const char *name;
	unsigned flag;
} withouts[] = {
	{"pipelining", YZ_NO_PIPELINING},
	{"chunking", YZ_NO_CHUNKING},
	{"8bitmime", YZ_NO_8BITMIME},
	{"smtputf8", YZ_NO_SMTPUTF8},
	{"dsn", YZ_NO_DSN},
	{"size", YZ_NO_SIZE},
	{"rset", YZ_NO_RSET},
};

static int set_withouts(struct send_plan *p)
{
	struct span rest = span_str(send_arg(p->words, SEND_O_WITHOUT)), one;

	if (p->words->values[SEND_O_PIPELINE].is_negated)
		p->options.flags |= YZ_NO_PIPELINING;
	while (rest.len) {
		unsigned flag = 0;

		span_cut(rest, ',', &one, &rest);
		one = span_trim(one);
		for (size_t i = 0; i < ARRAY_LEN(withouts); i++) {
			if (span_eq_nocase(span_str(withouts[i].name), one))
				flag = withouts[i].flag;
		}
		if (!flag)
			return cli_fail(SEND_EXIT_WORDS,
				"--without: \"" SPAN_FMT "\" is none of: %s", SPAN_ARG(one),
				send_flag(SEND_O_WITHOUT)->words);
		p->options.flags |= flag;
	}
	return 0;
}

int send_plan_notify(const char *text, unsigned *notify_r)
{
	struct span rest = span_str(text), one;

	*notify_r = 0;
	while (rest.len) {
		span_cut(rest, ',', &one, &rest);
		one = span_trim(one);
		if (span_eq_nocase(one, SPAN("never")))
			*notify_r |= YZ_NOTIFY_NEVER;
		else if (span_eq_nocase(one, SPAN("success")))
			*notify_r |= YZ_NOTIFY_SUCCESS;
		else if (span_eq_nocase(one, SPAN("failure")))
			*notify_r |= YZ_NOTIFY_FAILURE;
		else if (span_eq_nocase(one, SPAN("delay")))
			*notify_r |= YZ_NOTIFY_DELAY;
		else
			return -1;
	}
	/* NEVER stands alone (RFC 3461 section 4.1) */
	return (*notify_r & YZ_NOTIFY_NEVER) && *notify_r != YZ_NOTIFY_NEVER ? -1 : 0;
}

int send_plan_ret(const char *text, enum yz_ret *ret_r)
{
	*ret_r = strcasecmp(text, "full") == 0  ? YZ_RET_FULL
		: strcasecmp(text, "hdrs") == 0 ? YZ_RET_HDRS
						: YZ_RET_NONE;
	return *ret_r == YZ_RET_NONE ? -1 : 0;
}

static int set_dsn(struct send_plan *p)
{
	const char *notify = send_arg(p->words, SEND_O_NOTIFY);
	const char *ret = send_arg(p->words, SEND_O_RET);

	if (p->account) {
		notify = notify ? notify : p->account->notify;
		ret = ret ? ret : p->account->ret;
	}
	if (notify && send_plan_notify(notify, &p->rcpt.notify) < 0)
		return cli_fail(SEND_EXIT_WORDS,
			"--dsn-notify \"%s\": some of success, failure, delay; or never alone",
			notify);
	if (ret && send_plan_ret(ret, &p->mail.ret) < 0)
		return cli_fail(SEND_EXIT_WORDS, "--dsn-return \"%s\": full or hdrs", ret);
	p->mail.envid = send_arg(p->words, SEND_O_ENVID);
	return 0;
}

static int set_deliver_by(struct send_plan *p, const char *text)
{
	struct span time, mode;
	int64_t ns;

	span_cut(span_str(text), ',', &time, &mode);
	if (!clock_parse_duration(time, &ns) || ns <= 0 ||
		(mode.len && !span_eq_nocase(mode, SPAN("R")) && !span_eq_nocase(mode, SPAN("N"))))
		return cli_fail(SEND_EXIT_WORDS, "--deliver-by \"%s\": TIME,R or TIME,N", text);
	p->mail.by_seconds = ns / CLOCK_SEC;
	p->mail.by_mode = mode.len ? (char)(mode.ptr[0] & ~0x20) : 'N';
	return 0;
}

static int set_mail(struct send_plan *p)
{
	const struct send_words *w = p->words;
	const char *by = send_arg(w, SEND_O_DELIVER_BY), *hold = send_arg(w, SEND_O_HOLD_FOR);
	const char *priority = send_arg(w, SEND_O_PRIORITY), *ends = send_arg(w, SEND_O_LINE_ENDS);
	int64_t ns;
	int code = set_dsn(p);

	if (!code && by)
		code = set_deliver_by(p, by);
	if (code)
		return code;
	if (hold && (!clock_parse_duration(span_str(hold), &ns) || ns < CLOCK_SEC))
		return cli_fail(SEND_EXIT_WORDS, "--hold-for \"%s\" is no time", hold);
	if (hold)
		p->mail.hold_for = ns / CLOCK_SEC;
	if (priority) {
		char *end;
		long n = strtol(priority, &end, 10);

		if (*end || !*priority || n < -9 || n > 9)
			return cli_fail(SEND_EXIT_WORDS, "--priority: -9 to 9");
		p->mail.has_priority = true;
		p->mail.priority = (int)n;
	}
	if (ends && strcmp(ends, "fix") != 0 && strcmp(ends, "strict") != 0)
		return cli_fail(SEND_EXIT_WORDS, "--line-ends: fix or strict");
	p->eol = ends && strcmp(ends, "strict") == 0 ? YZ_EOL_STRICT : YZ_EOL_FIX;
	p->mail.flags |= send_has(w, SEND_O_ALL_OR_NOTHING) ? YZ_ALL_OR_NOTHING : 0;
	p->mail.flags |= send_has(w, SEND_O_REQUIRETLS) ? YZ_REQUIRETLS : 0;
	p->mail.flags |= send_has(w, SEND_O_SMTPUTF8) ? YZ_SMTPUTF8 : 0;
	p->mail.extra = send_arg(w, SEND_O_MAIL_PARAMS);
	p->rcpt.extra = send_arg(w, SEND_O_RCPT_PARAMS);
	return 0;
}

static int set_timeout(struct send_plan *p)
{
	const char *text = send_arg(p->words, SEND_O_TIMEOUT);
	struct yz_timeouts *t = &p->options.timeouts;
	int64_t ns = 0, ms;

	if (text && (!clock_parse_duration(span_str(text), &ns) || ns < 0))
		return cli_fail(SEND_EXIT_WORDS, "--timeout \"%s\" is no time", text);
	if (!text && !(p->account && p->account->timeout_ms))
		return 0;
	ms = text ? ns / CLOCK_MS : p->account->timeout_ms;
	ms = ms ? ms : YZ_FOREVER;
	*t = (struct yz_timeouts){ms, ms, ms, ms, ms, ms, ms};
	return 0;
}

static int set_local(struct send_plan *p)
{
	const struct send_words *w = p->words;
	const char *address = send_arg(w, SEND_O_LOCAL), *text = send_arg(w, SEND_O_LOCAL_PORT);
	int port = 0, code;

	if (!address && p->account)
		address = p->account->local;
	if (text && (code = send_plan_port(text, &port)))
		return code;
	if (port && !address)
		address = send_has(w, SEND_O_6) ? "[::]" : "0.0.0.0";
	else if (port && strchr(address, ':') && address[0] != '[')
		address = arena_printf(p->a, "[%s]", address);
	p->options.source_address = port ? arena_printf(p->a, "%s:%d", address, port) : address;
	p->options.interface = send_arg(w, SEND_O_DEVICE);
	p->options.family = send_has(w, SEND_O_4) ? 4 : send_has(w, SEND_O_6) ? 6 : 0;
	if (send_has(w, SEND_O_4) && send_has(w, SEND_O_6))
		return cli_fail(SEND_EXIT_WORDS, "-4 and -6 exclude each other");
	const char *socks = send_arg(w, SEND_O_SOCKS);
	if (!socks && p->account)
		socks = p->account->socks;
	if (socks)
		p->options.proxy = strncmp(socks, "socks5:", 7) == 0
			? socks
			: arena_printf(p->a, "socks5://%s", socks);
	return 0;
}

int send_plan_make(struct send_plan *p, struct send_words *w)
{
	int code;

	p->a = w->a;
	p->words = w;
	w->keep = w->a;
	p->options.size = sizeof(p->options);
	p->tls_options.size = sizeof(p->tls_options);
	p->resolver.size = sizeof(p->resolver);
	p->mail.size = sizeof(p->mail);
	p->rcpt.size = sizeof(p->rcpt);
	if (send_has(w, SEND_O_PRDR))
		return cli_fail(SEND_EXIT_PRDR,
			"PRDR is not spoken here: its draft was given up; LMTP tells each "
			"recipient's fate");
	if ((code = find_account(p)) || (code = set_protocol(p)) || (code = send_plan_set_tls(p)) ||
		(code = set_way(p)) || (code = send_plan_set_auth(p)) ||
		(code = send_plan_set_verify(p)) || (code = send_plan_set_xclient(p)) ||
		(code = send_plan_set_proxy(p)) || (code = set_withouts(p)) ||
		(code = set_mail(p)) || (code = set_timeout(p)) || (code = set_local(p)) ||
		(code = set_stop(p, SEND_O_QUIT_AFTER, SEND_STOP_RCPT, &p->quit_after)) ||
		(code = set_stop(p, SEND_O_DROP_AFTER, SEND_STOP_DOT, &p->drop_after)) ||
		(code = set_stop(p, SEND_O_DROP_SEND, SEND_STOP_DOT, &p->drop_after_send)))
		return code;
	p->options.hello_name = send_arg(w, SEND_O_HELO);
	if (!p->options.hello_name && p->account)
		p->options.hello_name = p->account->helo;
	p->resolver.nameserver = send_arg(w, SEND_O_DNS_SERVER);
	return 0;
}

const char *send_plan_shown(const struct send_plan *p)
{
	return p->pipe ? p->pipe : p->shown_url ? p->shown_url : p->url;
}

void send_plan_fini(struct send_plan *p)
{
	send_secrets_fini(&p->secrets);
}

const char *send_host_name(struct arena *a)
{
	struct addrinfo hints = {.ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM}, *found;
	char *name = arena_alloc(a, 256);

	if (gethostname(name, 255) != 0 || !name[0])
		return NULL;
	if (strchr(name, '.') || getaddrinfo(name, NULL, &hints, &found) != 0)
		return name;
	if (found->ai_canonname && strchr(found->ai_canonname, '.'))
		name = arena_str(a, span_str(found->ai_canonname));
	freeaddrinfo(found);
	return name;
}

const char *send_default_from(struct arena *a, bool is_getpwuid)
{
	const char *user = is_getpwuid ? NULL : getenv("LOGNAME"), *host = send_host_name(a);
	struct passwd *pw = user && user[0] ? NULL : getpwuid(getuid());

	if (!user || !user[0])
		user = pw ? pw->pw_name : "nobody";
	if (strchr(user, '@'))
		return user;
	return arena_printf(a, "%s@%s", user, host ? host : "localhost");
}
