#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/must.h"
#include "services/host/host.h"
#include "services/host/nearest.h"
#include "cli/cli.h"

struct serving {
	struct cli_call *c;
	const char *config_file;
	const char *data; /* from ready() on */
};

/* gcc's form, which editors understand */
static void complain(void *arg, unsigned line, const char *text)
{
	struct serving *s = arg;

	if (line)
		fprintf(stderr, "%s:%u: %s\n", s->config_file, line, text);
	else if (s->config_file && strncmp(text, "tls: ", 5) == 0)
		fprintf(stderr, "%s: %s\n", s->config_file, text);
	else
		cli_fail(0, "%s", text);
}

static void put_places(const struct host *h)
{
	static const char *const tls[] = {"", " (STARTTLS)", " (TLS)"};
	struct host_place place;
	struct buf b;

	buf_init(&b, 512);
	for (size_t i = 0; host_place(h, i, &place); i++) {
		buf_clear(&b);
		addr_put(&b, place.addr);
		printf("  %-11s %s%s\n", place.listener, buf_cstr(&b), tls[place.tls]);
	}
	buf_fini(&b);
}

/* The first address where SMTP is spoken over TCP, for the commands to try. */
static bool smtp_place(const struct host *h, struct host_place *place_r)
{
	for (size_t i = 0; host_place(h, i, place_r); i++) {
		if (place_r->protocol == CONFIG_SMTP && addr_is_ip(place_r->addr))
			return true;
	}
	return false;
}

/* A word for the shell, as it is typed. */
static const char *shell_word(struct arena *a, const char *text)
{
	struct buf b;
	bool is_plain = *text;

	for (const char *p = text; *p; p++)
		is_plain = is_plain && (isalnum((unsigned char)*p) || strchr("./_-+@:,=%", *p));
	if (is_plain)
		return text;
	buf_init(&b, 4 * strlen(text) + 2);
	buf_char(&b, '\'');
	for (const char *p = text; *p; p++) {
		if (*p == '\'')
			buf_str(&b, "'\\'");
		buf_char(&b, *p);
	}
	buf_char(&b, '\'');
	text = arena_str(a, buf_span(&b));
	buf_fini(&b);
	return text;
}

/* Send as one of our own people: it asks for the password. */
static void put_submission(const struct serving *s, const struct host *h, const char *address)
{
	struct arena *a = s->c->arena;
	struct host_place place;

	for (size_t i = 0; host_place(h, i, &place); i++) {
		if (place.protocol != CONFIG_SUBMISSION || !addr_is_ip(place.addr) ||
			place.tls != CONFIG_TLS_STARTTLS)
			continue;
		printf("\nAs one of the accounts, with its password:\n"
		       "  %s send --url submission://localhost:%u --auth-user %s --from %s --to %s "
		       "--tls-ca-path %s\n",
			shell_word(a, s->c->program), addr_port(place.addr), address, address,
			address,
			shell_word(a, arena_printf(a, "%s/certificate.pem", host_data(h))));
		return;
	}
}

/* The mail page. */
static void put_page(const struct host *h)
{
	struct host_place place;
	struct buf b;

	for (size_t i = 0; host_place(h, i, &place); i++) {
		if (place.protocol != CONFIG_HTTP || !addr_is_ip(place.addr))
			continue;
		buf_init(&b, 128);
		addr_put(&b, place.addr);
		printf("\nIn a browser, as one of the accounts:\n  %s://%s/mail/\n",
			place.tls == CONFIG_TLS_IMPLICIT ? "https" : "http", buf_cstr(&b));
		buf_fini(&b);
		return;
	}
}

/* Send one, list, read. Only what the build itself needs is used (meson is a Python program), so
 * that they work on a machine where nothing else was installed. */
static void put_commands(const struct serving *s, const struct host *h, const char *to)
{
	const char *program = shell_word(s->c->arena, s->c->program);
	const char *data = shell_word(s->c->arena, host_data(h));
	struct host_place place;
	struct buf b;

	if (!smtp_place(h, &place))
		return;
	buf_init(&b, 512);
	addr_put_ip(&b, place.addr);
	printf("\nTry in another terminal:\n"
	       "  python3 -c \"import smtplib; smtplib.SMTP('%s', %u).sendmail("
	       "'me@example.org', '%s', 'From: me@example.org\\nSubject: Hello\\n\\nThe first letter.')\"\n",
		buf_cstr(&b), addr_port(place.addr), to);
	printf("  %s --data %s mailbox list %s\n", program, data, to);
	printf("  %s --data %s mailbox export %s --uid 1\n", program, data, to);
	put_page(h);
	put_submission(s, h, to);
	buf_fini(&b);
}

static void ready(void *arg, const struct host *h)
{
	struct serving *s = arg;
	const char *address, *password, *first = NULL;

	s->data = arena_str(s->c->arena, span_str(host_data(h)));
	printf("Yizhan %s serves %s\n\nListening on\n", YIZHAN_VERSION, host_data(h));
	put_places(h);
	for (size_t i = 0; host_demo_account(h, i, &address, &password); i++) {
		if (!first)
			printf("\nAccounts\n");
		printf("  %s  password %s\n", address, password);
		first = first ? first : address;
	}
	if (first)
		put_commands(s, h, first);
	printf("\nCtrl-C stops it.\n");
	fflush(stdout);
}

static int word_of(const char *option, const char *text, const char *words, int *n_r)
{
	struct span rest = span_str(words), word;
	struct nearest n;
	struct arena *a = arena_new();

	*n_r = -1;
	nearest_init(&n, span_str(text));
	for (int i = 0; *n_r < 0 && (word = span_word(&rest)).len; i++) {
		if (span_eq(word, span_str(text)))
			*n_r = i;
		nearest_offer(&n, arena_str(a, word));
	}
	int code = *n_r >= 0
		? 0
		: cli_fail(EX_USAGE, "--%s: \"%s\" is none of: %s%s%s", option, text, words,
			  n.best ? "; did you mean " : "", n.best ? n.best : "");
	arena_free(&a);
	return code;
}

static int run_check_config(struct serving *s)
{
	struct config_errors errs = {0};

	if (!s->config_file)
		return cli_fail(EX_USAGE, "--check needs --config FILE");
	struct config *conf = config_read(s->config_file, &errs);

	for (size_t i = 0; i < errs.count; i++) {
		if (errs.items[i].line)
			fprintf(stderr, "%s:%u: %s\n", s->config_file, errs.items[i].line,
				errs.items[i].text);
		else
			fprintf(stderr, "%s: %s\n", s->config_file, errs.items[i].text);
	}
	config_errors_fini(&errs);
	if (!conf)
		return EX_CONFIG;
	config_unref(&conf);
	printf(s->c->is_json ? "{\"config\":\"ok\"}\n" : "The configuration is in order.\n");
	return 0;
}

/* Every directory on the way. */
static int make_dirs(struct cli_call *c, const char *path)
{
	char *copy = arena_str(c->arena, span_str(path));

	for (char *p = copy + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = 0;
		if (mkdir(copy, 0700) < 0 && errno != EEXIST)
			return cli_fail(EX_CANTCREAT, "%s: %s", copy, strerror(errno));
		*p = '/';
	}
	return 0;
}

static int run_serve(struct cli_call *c)
{
	struct serving s = {.c = c, .config_file = cli_config_file(c)};
	struct host_opts opts = {
		.log_format = -1, .log_level = -1, .complain = complain, .arg = &s};
	const char *offset = cli_value(c, "port-offset");
	uint64_t n = 0;
	int code = 0;

	if (cli_value(c, "check"))
		return run_check_config(&s);
	if (offset && !span_u64_max(span_str(offset), 60000, &n))
		return cli_fail(EX_USAGE, "--port-offset: \"%s\" is no number up to 60000", offset);
	if (cli_value(c, "log-format"))
		code = word_of(
			"log-format", cli_value(c, "log-format"), "logfmt json", &opts.log_format);
	if (!code && cli_value(c, "log-level"))
		code = word_of("log-level", cli_value(c, "log-level"), "error warn info debug",
			&opts.log_level);
	if (code)
		return code;
	opts.config_file = s.config_file;
	opts.port_offset = (int64_t)n;
	opts.web_dir = cli_value(c, "web-dir");
	if (c->data || !s.config_file) {
		opts.data = cli_data(c);
		code = opts.data ? make_dirs(c, opts.data) : EX_USAGE;
	}
	if (!cli_value(c, "quiet"))
		opts.ready = ready;
	if (code)
		return code;
	code = host_run(&opts);
	if (code == 0 && s.data)
		printf("\nYizhan has stopped. The mail stays in %s.\n", s.data);
	return code;
}

const struct cli_command cli_serve = {
	.name = "serve",
	.group = "Server",
	.line = "run the mail server",
	.text = "Without a configuration file it is a demo: the domain yizhan.test with the accounts "
		"alice and bob, on ports of 127.0.0.1 that need no rights. SIGHUP reads the "
		"configuration again, SIGTERM lets connections end, a second one ends at once.",
	.options = {{"check", NULL, "look at the configuration file and do not serve"},
		{"port-offset", "N", "add N to every port"},
		{"web-dir", "DIR",
			"serve the mail page from DIR (web/dist), for those who work on it"},
		{"log-format", "FORMAT", "logfmt or json", NULL, false, "logfmt json"},
		{"log-level", "LEVEL", "error, warn, info, debug", NULL, false,
			"error warn info debug"},
		{"quiet", NULL, "say nothing on standard output"}},
	.run = run_serve,
};
