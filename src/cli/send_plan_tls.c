#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/send_plan_priv.h"

/* TLS and login out of the words. */

static const char *const versions[] = {"tlsv1", "tlsv1_1", "tlsv1_2", "tlsv1_3"};

/* "tlsv1_2,tlsv1_3" are those; "no_tlsv1,no_tlsv1_1" all others. */
static int read_versions(const char *text, bool *is_on)
{
	struct span rest = span_str(text), one;
	bool is_no = strncasecmp(text, "no_", 3) == 0;

	for (size_t i = 0; i < ARRAY_LEN(versions); i++)
		is_on[i] = is_no;
	while (rest.len) {
		bool is_known = false;

		span_cut(rest, ',', &one, &rest);
		one = span_trim(one);
		if (span_starts_nocase(one, SPAN("no_")) != is_no)
			return cli_fail(SEND_EXIT_WORDS,
				"--tls-protocol: names and no_names cannot be mixed");
		one = is_no ? span_skip(one, 3) : one;
		for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
			if (span_eq_nocase(span_str(versions[i]), one)) {
				is_on[i] = !is_no;
				is_known = true;
			}
		}
		if (!is_known && !(is_no && span_starts_nocase(one, SPAN("sslv"))))
			return cli_fail(SEND_EXIT_WORDS,
				"--tls-protocol: \"" SPAN_FMT
				"\" is none of tlsv1, tlsv1_1, tlsv1_2, tlsv1_3",
				SPAN_ARG(one));
	}
	return 0;
}

static int set_versions(struct send_plan *p, const char *text)
{
	bool is_on[ARRAY_LEN(versions)];
	int first = -1, last = -1;

	if (read_versions(text, is_on) != 0)
		return SEND_EXIT_WORDS;
	for (int i = 0; i < (int)ARRAY_LEN(versions); i++) {
		if (!is_on[i])
			continue;
		if (first >= 0 && last != i - 1)
			return cli_fail(SEND_EXIT_WORDS,
				"--tls-protocol: versions in between cannot be left out");
		first = first < 0 ? i : first;
		last = i;
	}
	if (first < 0)
		return cli_fail(SEND_EXIT_WORDS, "--tls-protocol leaves no version");
	p->tls_options.min_version = 10 + first;
	p->tls_options.max_version = 10 + last;
	return 0;
}

/* Our certificate with those between it and its root, as one file. */
static int set_chain(struct send_plan *p, const char *chain)
{
	struct span cert, between;
	int fd;

	if (!p->tls_options.cert_file)
		return cli_fail(SEND_EXIT_WORDS, "--tls-chain goes with --tls-cert");
	if (send_read_file(p->a, p->tls_options.cert_file, SEND_OPTIONS_FILE, &cert) != 0 ||
		send_read_file(p->a, chain, SEND_OPTIONS_FILE, &between) != 0)
		return SEND_EXIT_WORDS;
	fd = memfd_create("yizhan-chain", MFD_CLOEXEC);
	if (fd < 0 || write(fd, cert.ptr, cert.len) != (ssize_t)cert.len ||
		write(fd, "\n", 1) != 1 ||
		write(fd, between.ptr, between.len) != (ssize_t)between.len)
		return cli_fail(SEND_EXIT_NEEDS, "--tls-chain: %s", strerror(errno));
	p->tls_options.cert_file = arena_printf(p->a, "/proc/self/fd/%d", fd);
	return 0;
}

static int set_files(struct send_plan *p)
{
	const struct send_words *w = p->words;
	struct yz_tls_options *o = &p->tls_options;
	const char *ca = send_arg(w, SEND_O_TLS_CA), *chain = send_arg(w, SEND_O_TLS_CHAIN);
	struct stat st;

	if (!ca && p->account)
		ca = p->account->ca;
	if (ca && stat(ca, &st) != 0)
		return cli_fail(SEND_EXIT_WORDS, "%s: %s", ca, strerror(errno));
	if (ca && S_ISDIR(st.st_mode))
		o->ca_dir = ca;
	else
		o->ca_file = ca;
	o->cert_file = send_arg(w, SEND_O_TLS_CERT);
	o->key_file = send_arg(w, SEND_O_TLS_KEY);
	if (!o->cert_file && !o->key_file && p->account) {
		o->cert_file = p->account->cert;
		o->key_file = p->account->key;
	}
	if (!o->cert_file != !o->key_file)
		return cli_fail(SEND_EXIT_WORDS, "--tls-cert and --tls-key go together");
	return chain ? set_chain(p, chain) : 0;
}

int send_plan_set_tls(struct send_plan *p)
{
	const struct send_words *w = p->words;
	const char *protocol = send_arg(w, SEND_O_TLS_PROTOCOL);

	if (w->values[SEND_O_TLS].is_negated)
		p->tls = SEND_NEVER;
	if (send_has(w, SEND_O_TLS_OPTIONAL))
		p->tls = SEND_OPTIONAL;
	if (send_has(w, SEND_O_TLS_STRICT))
		p->tls = SEND_STRICT;
	if (send_has(w, SEND_O_TLS))
		p->tls = SEND_REQUIRED;
	if (send_has(w, SEND_O_TLS_CONNECT))
		p->is_tls_at_once = true;
	if (p->is_tls_at_once)
		p->tls = SEND_NEVER;
	p->tls_options.ciphers = send_arg(w, SEND_O_TLS_CIPHER);
	p->tls_options.ciphersuites = send_arg(w, SEND_O_TLS_SUITES);
	p->tls_options.pins = send_arg(w, SEND_O_TLS_PIN);
	if (!p->tls_options.pins && p->account)
		p->tls_options.pins = p->account->pin;
	if (protocol && set_versions(p, protocol) != 0)
		return SEND_EXIT_WORDS;
	return set_files(p);
}

/* of OpenSSL's X509_V_ERR_…, whose header does not go together with base/err.h */
enum verify_error { VERIFY_OK = 0, VERIFY_HOST_MISMATCH = 62, VERIFY_IP_MISMATCH = 64 };

static bool is_about_name(long error)
{
	return error == VERIFY_HOST_MISMATCH || error == VERIFY_IP_MISMATCH;
}

/* The library's last word on a certificate; the name, where it is checked alone, is looked at when
 * the handshake is over (send_talk.c). */
static int judge(void *arg, const struct yz_session *s, long error)
{
	const struct send_plan *p = arg;

	(void)s;
	if (error == VERIFY_OK)
		return 0;
	if (p->checks_ca_only && is_about_name(error))
		return 0;
	if (p->checks_host_only && !is_about_name(error))
		return 0;
	return -1;
}

int send_plan_set_verify(struct send_plan *p)
{
	const struct send_words *w = p->words;
	const char *sni = send_arg(w, SEND_O_TLS_SNI), *target = send_arg(w, SEND_O_TLS_TARGET);
	bool is_asked = send_has(w, SEND_O_TLS_VERIFY) || send_has(w, SEND_O_TLS_VERIFY_CA) ||
		send_has(w, SEND_O_TLS_VERIFY_HOST) || target || p->tls_options.pins;
	bool is_off = w->values[SEND_O_TLS_VERIFY].is_negated ||
		(!is_asked && p->account && p->account->is_unverified);

	if (send_arg(w, SEND_O_URL) && !is_asked && !is_off)
		p->options.verify = YZ_VERIFY_DEFAULT;
	else
		p->options.verify = !is_off &&
				(is_asked || p->tls == SEND_REQUIRED || p->is_tls_at_once ||
					p->auth != SEND_NEVER)
			? YZ_VERIFY_YES
			: YZ_VERIFY_NO;
	p->checks_ca_only = send_has(w, SEND_O_TLS_VERIFY_CA) &&
		!send_has(w, SEND_O_TLS_VERIFY_HOST);
	p->checks_host_only = send_has(w, SEND_O_TLS_VERIFY_HOST) &&
		!send_has(w, SEND_O_TLS_VERIFY_CA);
	p->options.no_sni = sni && !sni[0];
	p->options.tls_name = sni && sni[0] ? sni : target;
	if (p->checks_host_only)
		p->host_name_checked = target ? target : sni && sni[0] ? sni : p->host;
	if (sni && sni[0] && target && strcmp(sni, target) != 0) {
		/* one name is asked for, another one must stand in the certificate */
		p->host_name_checked = target;
		p->checks_ca_only = !p->checks_host_only;
	}
	if (p->checks_ca_only || p->checks_host_only) {
		p->tls_options.verify = judge;
		p->tls_options.verify_arg = p;
	}
	return 0;
}

/* ---- login ---- */

static const char *empty_if_brackets(const char *text)
{
	return text && strcmp(text, "<>") == 0 ? "" : text;
}

static const char *mechanisms_of(struct arena *a, const char *list)
{
	char *m;

	if (!list || !list[0] || strcasecmp(list, "ANY") == 0)
		return NULL;
	m = arena_str(a, span_str(list));
	for (char *c = m; *c; c++)
		*c = *c == ',' ? ' ' : *c >= 'a' && *c <= 'z' ? (char)(*c - 32) : *c;
	return m;
}

static int set_extra(struct send_plan *p, const char *text)
{
	struct span rest = span_str(text), one, key, value;

	while (rest.len) {
		span_cut(rest, ',', &one, &rest);
		if (!span_cut(one, '=', &key, &value) || !span_eq_nocase(key, SPAN("authzid")))
			return cli_fail(SEND_EXIT_WORDS,
				"--auth-extra: \"" SPAN_FMT "\": only authzid=NAME is known",
				SPAN_ARG(one));
		p->options.authzid = arena_str(p->a, value);
	}
	return 0;
}

static int set_map(struct send_plan *p, const char *text)
{
	struct span alias, base;

	if (!span_cut(span_str(text), '=', &alias, &base) || !alias.len ||
		(!span_eq_nocase(base, SPAN("PLAIN")) && !span_eq_nocase(base, SPAN("LOGIN"))))
		return cli_fail(SEND_EXIT_WORDS, "--auth-map: ALIAS=PLAIN or ALIAS=LOGIN");
	p->auth_alias = arena_str(p->a, alias);
	p->auth_base = span_eq_nocase(base, SPAN("PLAIN")) ? "PLAIN" : "LOGIN";
	return 0;
}

static enum send_need auth_need(const struct send_plan *p)
{
	const struct send_words *w = p->words;

	if (send_has(w, SEND_O_AUTH))
		return SEND_REQUIRED;
	if (send_has(w, SEND_O_AUTH_STRICT))
		return SEND_STRICT;
	if (send_has(w, SEND_O_AUTH_OPTIONAL))
		return SEND_OPTIONAL;
	if (w->values[SEND_O_AUTH].is_negated)
		return SEND_NEVER;
	if (send_has(w, SEND_O_USER) || send_has(w, SEND_O_PASSWORD) ||
		send_has(w, SEND_O_PASSWORD_COMMAND) || send_has(w, SEND_O_PASSWORD_FILE) ||
		send_has(w, SEND_O_KEYRING) || send_has(w, SEND_O_NETRC) ||
		send_has(w, SEND_O_TOKEN) || send_has(w, SEND_O_TOKEN_COMMAND))
		return SEND_REQUIRED;
	if (p->has_url_login)
		return SEND_REQUIRED;
	if (p->account && p->account->user &&
		!(p->account->auth && strcmp(p->account->auth, "off") == 0))
		return SEND_REQUIRED;
	return p->auth;
}

static void set_secrets(struct send_plan *p)
{
	struct send_secrets *s = &p->secrets;
	const struct send_words *w = p->words;
	const struct send_account *a = p->account;

	s->a = p->a;
	s->host = p->host;
	s->password = empty_if_brackets(send_arg(w, SEND_O_PASSWORD));
	s->password_command = send_arg(w, SEND_O_PASSWORD_COMMAND);
	s->password_file = send_arg(w, SEND_O_PASSWORD_FILE);
	s->uses_keyring = send_has(w, SEND_O_KEYRING);
	s->token = send_arg(w, SEND_O_TOKEN);
	s->token_command = send_arg(w, SEND_O_TOKEN_COMMAND);
	if (!a || s->password || s->password_command || s->password_file || s->uses_keyring)
		return;
	s->password = a->password;
	s->password_command = a->password_command;
	s->uses_keyring = a->uses_keyring;
	if (!s->token && !s->token_command)
		s->token_command = a->token_command;
}

static bool has_secret(const struct send_secrets *s)
{
	return s->password || s->password_command || s->password_file || s->uses_keyring ||
		s->token || s->token_command;
}

/* EXTERNAL takes no password: the certificate of the connection is the login. */
static bool is_external(const char *mechanisms)
{
	return mechanisms && strcmp(mechanisms, "EXTERNAL") == 0;
}

/* User and password that nobody has said: .netrc, then the terminal. */
static int find_login(struct send_plan *p)
{
	const char *user = NULL, *password = NULL;
	struct send_secrets *s = &p->secrets;

	if (is_external(p->mechanisms) || p->has_url_login || (p->options.user && has_secret(s)))
		return 0;
	if (p->host && send_netrc(p->a, p->host, &user, &password) &&
		(!p->options.user || (user && strcmp(user, p->options.user) == 0))) {
		if (!p->options.user)
			p->options.user = user;
		if (!has_secret(s))
			s->password = password;
	}
	if (!p->options.user)
		p->options.user = send_ask(p->a, "User", false);
	if (!p->options.user)
		return p->auth == SEND_OPTIONAL
			? 0
			: cli_fail(SEND_EXIT_WORDS, "a login needs --auth-user");
	s->asks = !has_secret(s);
	return 0;
}

int send_plan_set_auth(struct send_plan *p)
{
	const struct send_words *w = p->words;
	const char *list = send_arg(w, SEND_O_AUTH), *extra = send_arg(w, SEND_O_AUTH_EXTRA);
	const char *map = send_arg(w, SEND_O_AUTH_MAP);
	int code;

	p->auth = auth_need(p);
	if (send_has(w, SEND_O_CLEAR_AUTH))
		p->options.flags |= YZ_ALLOW_CLEAR_AUTH;
	if (p->auth == SEND_NEVER) {
		p->options.flags |= YZ_NO_AUTH;
		return 0;
	}
	if (p->is_helo_only)
		return cli_fail(SEND_EXIT_WORDS, "there is no login in plain SMTP: use ESMTP");
	list = list ? list : send_arg(w, SEND_O_AUTH_STRICT);
	list = list ? list : send_arg(w, SEND_O_AUTH_OPTIONAL);
	if (!list && p->account)
		list = p->account->auth;
	p->mechanisms = p->options.mechanisms = mechanisms_of(p->a, list);
	p->options.user = empty_if_brackets(send_arg(w, SEND_O_USER));
	if (!p->options.user && p->account)
		p->options.user = p->account->user;
	set_secrets(p);
	if ((extra && (code = set_extra(p, extra))) || (map && (code = set_map(p, map))) ||
		(code = find_login(p)))
		return code;
	p->options.token = p->secrets.token;
	p->options.password = p->secrets.password;
	if (!p->options.password && !p->options.token && !p->has_url_login) {
		p->options.secret = send_secret;
		p->options.secret_arg = &p->secrets;
	}
	return 0;
}
