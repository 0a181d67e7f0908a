#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "services/host/nearest.h"
#include "cli/send_priv.h"

/* accounts.conf: "[NAME]" and "key = value" lines. Values may stand in double quotes; "#" begins a
 * comment at the start of a line or behind a blank. */

enum key {
	KEY_HOST,
	KEY_PORT,
	KEY_SOCKET,
	KEY_PROTOCOL,
	KEY_TLS,
	KEY_VERIFY,
	KEY_CA,
	KEY_CERT,
	KEY_KEY,
	KEY_PIN,
	KEY_AUTH,
	KEY_USER,
	KEY_PASSWORD,
	KEY_PASSWORD_COMMAND,
	KEY_KEYRING,
	KEY_TOKEN_COMMAND,
	KEY_FROM,
	KEY_NAME,
	KEY_DOMAIN,
	KEY_HELO,
	KEY_LOCAL,
	KEY_SOCKS,
	KEY_NOTIFY,
	KEY_RETURN,
	KEY_TIMEOUT
};

const struct cli_flag send_account_keys[] = {
	{"host", "= HOST", "the server", NULL, KEY_HOST, 0},
	{"port", "= PORT", "by default 587 with starttls, 465 with tls, else 25", NULL, KEY_PORT,
		0},
	{"socket", "= PATH", "a Unix socket in place of host and port", NULL, KEY_SOCKET, 0},
	{"protocol", "= smtp|lmtp", "smtp by default", "smtp lmtp", KEY_PROTOCOL, 0},
	{"tls", "= starttls|tls|optional|off",
		"by default tls on port 465, optional on port 25, else starttls",
		"starttls tls optional off", KEY_TLS, 0},
	{"verify", "= yes|no", "check the certificate; yes by default", "yes no", KEY_VERIFY, 0},
	{"ca", "= PATH", "file or directory of trusted certificates", NULL, KEY_CA, 0},
	{"cert", "= FILE", "our certificate, PEM", NULL, KEY_CERT, 0},
	{"key", "= FILE", "its key", NULL, KEY_KEY, 0},
	{"pin", "= sha256:HEX[,...]", "the server's certificate or key", NULL, KEY_PIN, 0},
	{"auth", "= MECHANISM ...|off", "mechanisms in that order; the strongest by default", NULL,
		KEY_AUTH, 0},
	{"user", "= USER", "log in as", NULL, KEY_USER, 0},
	{"password", "= PASSWORD", "better one of the next three", NULL, KEY_PASSWORD, 0},
	{"password_command", "= COMMAND", "the first line that it prints", NULL,
		KEY_PASSWORD_COMMAND, 0},
	{"password_keyring", "= yes|no", "from the desktop's keyring", "yes no", KEY_KEYRING, 0},
	{"token_command", "= COMMAND", "prints an OAuth access token", NULL, KEY_TOKEN_COMMAND, 0},
	{"from", "= ADDRESS", "the sender", NULL, KEY_FROM, 0},
	{"name", "= NAME", "shown beside it", NULL, KEY_NAME, 0},
	{"domain", "= DOMAIN", "of addresses without one (sendmail)", NULL, KEY_DOMAIN, 0},
	{"helo", "= NAME", "this machine's name in EHLO", NULL, KEY_HELO, 0},
	{"local_address", "= ADDRESS", "connect from it", NULL, KEY_LOCAL, 0},
	{"socks", "= HOST[:PORT]", "through a SOCKS5 proxy", NULL, KEY_SOCKS, 0},
	{"dsn_notify", "= WHEN[,...]", "success, failure, delay, never", NULL, KEY_NOTIFY, 0},
	{"dsn_return", "= full|hdrs", "what a report brings back", "full hdrs", KEY_RETURN, 0},
	{"timeout", "= TIME", "for each step", NULL, KEY_TIMEOUT, 0},
	{0},
};

struct reading {
	struct arena *a;
	const char *file;
	unsigned line;
	const char *default_name;
	unsigned default_line;
	struct send_account **accounts;
	size_t count, room;
	bool has_password;
};

#define ACCOUNTS_MAX 1000

static int wrong(const struct reading *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static int wrong(const struct reading *r, const char *fmt, ...)
{
	struct buf b;
	va_list ap;

	buf_init(&b, 8192);
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	cli_fail(SEND_EXIT_WORDS, "%s:%u: %s", r->file, r->line, buf_cstr(&b));
	buf_fini(&b);
	return SEND_EXIT_WORDS;
}

static const struct cli_flag *find_key(struct span name)
{
	for (const struct cli_flag *f = send_account_keys; f->names; f++) {
		if (span_eq(span_str(f->names), name))
			return f;
	}
	return NULL;
}

static int unknown_key(const struct reading *r, struct span name)
{
	struct nearest n;

	nearest_init(&n, name);
	for (const struct cli_flag *f = send_account_keys; f->names; f++)
		nearest_offer(&n, f->names);
	if (n.best)
		return wrong(r, "unknown key \"" SPAN_FMT "\": did you mean \"%s\"?",
			SPAN_ARG(name), n.best);
	return wrong(r, "unknown key \"" SPAN_FMT "\"", SPAN_ARG(name));
}

static bool is_word_of(const char *words, struct span value)
{
	struct span rest = span_str(words), one;

	while ((one = span_word(&rest)).len) {
		if (span_eq(one, value))
			return true;
	}
	return false;
}

/* Keys whose values are text alone: where they go. */
static const char **text_of(struct send_account *to, enum key key)
{
	switch (key) {
	case KEY_HOST: return &to->host;
	case KEY_SOCKET: return &to->socket;
	case KEY_PROTOCOL: return &to->protocol;
	case KEY_TLS: return &to->tls;
	case KEY_CA: return &to->ca;
	case KEY_CERT: return &to->cert;
	case KEY_KEY: return &to->key;
	case KEY_PIN: return &to->pin;
	case KEY_AUTH: return &to->auth;
	case KEY_USER: return &to->user;
	case KEY_PASSWORD: return &to->password;
	case KEY_PASSWORD_COMMAND: return &to->password_command;
	case KEY_TOKEN_COMMAND: return &to->token_command;
	case KEY_FROM: return &to->from;
	case KEY_NAME: return &to->name_shown;
	case KEY_DOMAIN: return &to->domain;
	case KEY_HELO: return &to->helo;
	case KEY_LOCAL: return &to->local;
	case KEY_SOCKS: return &to->socks;
	case KEY_NOTIFY: return &to->notify;
	case KEY_RETURN: return &to->ret;
	case KEY_PORT:
	case KEY_VERIFY:
	case KEY_KEYRING:
	case KEY_TIMEOUT: break;
	}
	return NULL;
}

static int set_key(
	struct reading *r, struct send_account *to, const struct cli_flag *f, struct span value)
{
	const char **text = text_of(to, (enum key)f->id);
	uint64_t n;

	if (!value.len)
		return wrong(r, "%s: a value is missing", f->names);
	if (f->words && !is_word_of(f->words, value))
		return wrong(r, "%s is one of: %s", f->names, f->words);
	if (text)
		*text = arena_str(r->a, value);
	r->has_password |= f->id == KEY_PASSWORD;
	if (f->id == KEY_VERIFY)
		to->is_unverified = span_eq(value, SPAN("no"));
	else if (f->id == KEY_KEYRING)
		to->uses_keyring = span_eq(value, SPAN("yes"));
	else if (f->id == KEY_TIMEOUT && !clock_parse_duration(value, &to->timeout_ms))
		return wrong(r, "timeout: \"" SPAN_FMT "\" is no time", SPAN_ARG(value));
	else if (f->id == KEY_TIMEOUT)
		to->timeout_ms /= CLOCK_MS;
	if (f->id != KEY_PORT)
		return 0;
	if (!span_u64_max(value, 65535, &n) || n == 0)
		return wrong(r, "port: \"" SPAN_FMT "\" is none", SPAN_ARG(value));
	to->port = (int)n;
	return 0;
}

static int begin_section(struct reading *r, struct span name)
{
	name = span_trim(name);
	if (!name.len)
		return wrong(r, "an account needs a name: [NAME]");
	for (size_t i = 0; i < r->count; i++) {
		if (span_eq(span_str(r->accounts[i]->name), name))
			return wrong(r, "account \"" SPAN_FMT "\" stands on line %u already",
				SPAN_ARG(name), r->accounts[i]->line);
	}
	if (r->count == ACCOUNTS_MAX)
		return wrong(r, "more than %d accounts", ACCOUNTS_MAX);
	if (r->count == r->room) {
		struct send_account **more = ARENA_ARRAY(
			r->a, struct send_account *, r->room * 2 + 8);

		if (r->count)
			memcpy(more, r->accounts, r->count * sizeof(*more));
		r->accounts = more;
		r->room = r->room * 2 + 8;
	}
	struct send_account *account = ARENA_NEW(r->a, struct send_account);
	account->name = arena_str(r->a, name);
	account->file = r->file;
	account->line = r->line;
	r->accounts[r->count++] = account;
	return 0;
}

/* Without quotes or the comment behind it; false: a quote is not closed. */
static bool value_of(struct span *v)
{
	*v = span_trim(*v);
	if (v->len && v->ptr[0] == '"') {
		ptrdiff_t end = span_find(span_skip(*v, 1), '"');

		if (end < 0)
			return false;
		struct span rest = span_trim(span_skip(*v, (size_t)end + 2));
		*v = span_sub(*v, 1, (size_t)end);
		return !rest.len || rest.ptr[0] == '#';
	}
	for (size_t i = 1; i < v->len; i++) {
		if (v->ptr[i] == '#' && (v->ptr[i - 1] == ' ' || v->ptr[i - 1] == '\t')) {
			*v = span_trim(span_sub(*v, 0, i));
			break;
		}
	}
	return true;
}

static int read_line(struct reading *r, struct span line)
{
	struct span key, value;

	line = span_trim(line);
	if (!line.len || line.ptr[0] == '#')
		return 0;
	if (line.ptr[0] == '[') {
		if (line.ptr[line.len - 1] != ']')
			return wrong(r, "\"]\" is missing");
		return begin_section(r, span_sub(line, 1, line.len - 2));
	}
	if (!span_cut(line, '=', &key, &value))
		return wrong(r, "this is neither \"[NAME]\" nor \"key = value\"");
	key = span_trim(key);
	if (!value_of(&value))
		return wrong(r, "a quote is not closed");
	if (!r->count && span_eq(key, SPAN("default"))) {
		r->default_name = arena_str(r->a, value);
		r->default_line = r->line;
		return 0;
	}
	const struct cli_flag *f = find_key(key);
	if (!f)
		return unknown_key(r, key);
	if (!r->count)
		return wrong(r, "\"%s\" stands before the first [NAME]", f->names);
	return set_key(r, r->accounts[r->count - 1], f, value);
}

static int check_accounts(struct reading *r)
{
	for (size_t i = 0; i < r->count; i++) {
		const struct send_account *one = r->accounts[i];

		r->line = one->line;
		if (!one->host == !one->socket)
			return wrong(r, "account \"%s\" needs a host, or a socket", one->name);
		if (!one->cert != !one->key)
			return wrong(r, "account \"%s\": cert and key go together", one->name);
	}
	return 0;
}

/* A password that others can read is told, as ssh does; it is used all the same. */
static void look_at_mode(const struct reading *r)
{
	struct stat st;

	if (r->has_password && stat(r->file, &st) == 0 && (st.st_mode & 077))
		fprintf(stderr,
			"yizhan: %s holds a password and others may read it: chmod 600 %s\n",
			r->file, r->file);
}

static int read_file(struct reading *r)
{
	struct span text, line;
	int code = send_read_file(r->a, r->file, SEND_OPTIONS_FILE, &text);

	while (!code && text.len) {
		span_cut(text, '\n', &line, &text);
		r->line++;
		code = read_line(r, line);
	}
	if (!code)
		code = check_accounts(r);
	if (!code)
		look_at_mode(r);
	return code;
}

/* 0 and no accounts: there is no file. */
static int open_accounts(struct reading *r, struct arena *a, const char *file)
{
	*r = (struct reading){.a = a, .file = file};
	if (!r->file)
		r->file = send_config_path(a, "accounts.conf");
	if (!r->file || (!file && access(r->file, F_OK) != 0))
		return 0;
	return read_file(r);
}

int send_account_find(
	struct arena *a, const char *file, const char *name, const struct send_account **account_r)
{
	struct reading r;
	int code = open_accounts(&r, a, file);
	const char *wanted = name ? name : r.default_name;
	struct nearest n;

	*account_r = NULL;
	if (code || (!name && !r.count))
		return code;
	if (!wanted) {
		*account_r = r.accounts[0];
		return 0;
	}
	nearest_init(&n, span_str(wanted));
	for (size_t i = 0; i < r.count; i++) {
		if (strcmp(r.accounts[i]->name, wanted) == 0) {
			*account_r = r.accounts[i];
			return 0;
		}
		nearest_offer(&n, r.accounts[i]->name);
	}
	r.line = r.default_line;
	if (!name)
		return wrong(&r, "there is no account \"%s\"", wanted);
	return cli_fail(SEND_EXIT_WORDS, "%s: there is no account \"%s\"%s%s%s",
		r.file ? r.file : "accounts.conf", wanted, n.best ? "; did you mean \"" : "",
		n.best ? n.best : "", n.best ? "\"?" : "");
}

int send_account_for(
	struct arena *a, const char *file, const char *from, const struct send_account **account_r)
{
	struct reading r;
	int code = open_accounts(&r, a, file);

	*account_r = NULL;
	for (size_t i = 0; !code && i < r.count && !*account_r; i++) {
		if (r.accounts[i]->from &&
			span_eq_nocase(span_str(r.accounts[i]->from), span_str(from)))
			*account_r = r.accounts[i];
	}
	return code;
}

static void put_line(struct buf *b, const char *key, const char *value)
{
	if (value)
		buf_printf(b, "%s = %s\n", key, value);
}

/* The folders of the path, as mkdir -p makes them. */
static void make_folders(struct arena *a, const char *file)
{
	char *path = arena_str(a, span_str(file));

	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = 0;
		mkdir(path, 0700);
		*p = '/';
	}
}

static int append(const char *file, struct span text)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	bool is_written;

	if (fd < 0)
		return cli_fail(SEND_EXIT_WORDS, "%s: %s", file, strerror(errno));
	is_written = write(fd, text.ptr, text.len) == (ssize_t)text.len;
	if (close(fd) != 0 || !is_written)
		return cli_fail(SEND_EXIT_WORDS, "%s: cannot be written", file);
	return 0;
}

int send_account_add(struct arena *a, const char *file, const struct send_account *account)
{
	struct reading r;
	struct buf b;
	int code = open_accounts(&r, a, file && access(file, F_OK) == 0 ? file : NULL);

	if (code)
		return code;
	for (size_t i = 0; i < r.count; i++) {
		if (strcmp(r.accounts[i]->name, account->name) == 0)
			return cli_fail(SEND_EXIT_WORDS,
				"%s:%u: there is an account \"%s\" already", r.file,
				r.accounts[i]->line, account->name);
	}
	if (!file)
		file = r.file;
	if (!file)
		return cli_fail(SEND_EXIT_WORDS, "where is home? say --accounts FILE");
	make_folders(a, file);
	buf_init(&b, 65536);
	buf_printf(&b, "%s[%s]\n", r.count ? "\n" : "", account->name);
	put_line(&b, "host", account->host);
	buf_printf(&b, "port = %d\n", account->port);
	put_line(&b, "tls", account->tls);
	put_line(&b, "user", account->user);
	put_line(&b, "password_command", account->password_command);
	put_line(&b, "from", account->from);
	code = append(file, buf_span(&b));
	buf_fini(&b);
	return code;
}
