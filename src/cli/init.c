#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <netdb.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "services/host/host.h"
#include "services/host/ops.h"
#include "services/local/drop.h"
#include "services/local/place.h"
#include "cli/init_priv.h"
#include "cli/send_priv.h"

#define CONFIG_TEXT_MAX 16384
#define SYSTEM_CONFIG   "/etc/yizhan/yizhan.conf"
#define SYSTEM_DATA     "/var/lib/yizhan"
#define SYSTEM_USER     "yizhan"

/* ---- what is wanted ---- */

static const char *home(struct init *i)
{
	const char *dir = getenv("HOME");

	return dir && dir[0] == '/' ? dir : "";
}

static void set_places(struct init *i)
{
	const char *data = i->c->data ? i->c->data : getenv("YIZHAN_DATA");

	i->file = i->c->config ? i->c->config
		: i->is_root   ? SYSTEM_CONFIG
			       : arena_printf(i->a, "%s/.config/yizhan/yizhan.conf", home(i));
	i->data = data       ? data
		: i->is_root ? SYSTEM_DATA
			     : arena_printf(i->a, "%s/.local/share/yizhan-%s", home(i), i->domain);
	/* as the server will see it, wherever it is started */
	if (i->data[0] != '/') {
		char *here = getcwd(NULL, 0);

		i->data = arena_printf(i->a, "%s/%s", here ? here : "", i->data);
		free(here);
	}
}

/* One answer; an empty one is what stands in brackets. */
static const char *ask(struct init *i, const char *what, const char *preset)
{
	const char *said = send_ask(
		i->a, preset[0] ? arena_printf(i->a, "%s [%s]", what, preset) : what, false);
	struct span s = span_trim(span_str(said));

	return s.len ? arena_str(i->a, s) : preset;
}

static const char *value(
	struct init *i, const char *option, const char *question, const char *preset)
{
	const char *said = cli_value(i->c, option);

	if (said)
		return said;
	return i->is_asking ? ask(i, question, preset) : preset;
}

static int ask_password(struct init *i)
{
	const char *once, *twice;

	for (int tries = 0; tries < 3; tries++) {
		once = send_ask(i->a,
			arena_printf(i->a, "Password of %s (empty: one is made)", i->account),
			true);
		if (!once || !once[0])
			return 0;
		twice = send_ask(i->a, "The same again", true);
		if (twice && strcmp(once, twice) == 0) {
			i->password = once;
			return 0;
		}
		fputs("These are not the same.\n", stderr);
	}
	return cli_fail(EX_USAGE, "no password");
}

static int read_password(struct init *i)
{
	const char *file = cli_value(i->c, "password-file");
	FILE *was = stdin, *in;
	int code;

	if (cli_value(i->c, "password-stdin"))
		return cli_read_password(i->c, &i->password);
	if (!file)
		return i->is_asking ? ask_password(i) : 0;
	in = fopen(file, "re");
	if (!in)
		return cli_fail(EX_NOINPUT, "%s: %s", file, strerror(errno));
	stdin = in;
	code = cli_read_password(i->c, &i->password);
	stdin = was;
	fclose(in);
	return code;
}

static int ask_all(struct init *i)
{
	const char *name = send_host_name(i->a), *dot, *login;

	i->hostname = value(i, "hostname", "Name of this machine in DNS",
		name && strchr(name, '.') ? name : "");
	dot = strchr(i->hostname, '.');
	i->domain = value(i, "domain", "Domain whose mail is here",
		dot && strchr(dot + 1, '.') ? dot + 1 : i->hostname);
	login = getenv("SUDO_USER") ? getenv("SUDO_USER") : getenv("LOGNAME");
	login = login && strcmp(login, "root") != 0 ? login : "";
	i->account = value(i, "account", "Address of the first account",
		login[0] ? arena_printf(i->a, "%s@%s", login, i->domain) : "");
	if (i->account[0] && !strchr(i->account, '@'))
		i->account = arena_printf(i->a, "%s@%s", i->account, i->domain);
	i->name = value(i, "name", "Name of its owner", "");
	return init_check_words(i);
}

/* ---- the configuration file ---- */

static bool is_system(const struct init *i)
{
	return i->is_root && strcmp(i->data, SYSTEM_DATA) == 0;
}

static void put_listener(
	struct init *i, struct buf *b, const char *name, const char *what, int protocol, int tls)
{
	static const char *const words[CONFIG_PROTOCOLS] = {[CONFIG_SMTP] = "smtp",
		[CONFIG_SUBMISSION] = "submission",
		[CONFIG_IMAP] = "imap",
		[CONFIG_POP3] = "pop3"};

	unsigned port = config_port(&(struct config_listener){.protocol = protocol, .tls = tls});

	if (!host_conn_serves(protocol))
		return;

	buf_printf(b, "\n# %s\nlistener %s {\n\tprotocol = %s\n\taddress = { \"0.0.0.0:%u\"%s",
		what, name, words[protocol], port, i->has_ip6 ? ", " : "");
	if (i->has_ip6)
		buf_printf(b, "\"[::]:%u\"", port);
	buf_printf(b, " }\n%s}\n", tls == CONFIG_TLS_IMPLICIT ? "\ttls = implicit\n" : "");
}

static void put_config(struct init *i, struct buf *b)
{
	struct clock_civil now;

	clock_to_civil(clock_wall_ns() / CLOCK_SEC, 0, &now);
	buf_printf(b,
		"# Yizhan on %s, written by yizhan init on %d-%02d-%02d.\n"
		"# What belongs to this machine. All settings and their defaults: yizhan help config.\n"
		"# Domains, accounts and aliases are in the store: yizhan account add, and so on.\n\n"
		"hostname = \"%s\"\ndata = \"%s\"\n",
		i->hostname, now.year, now.month, now.day, i->hostname, i->data);
	if (i->is_root && getpwnam(SYSTEM_USER))
		buf_str(b, "user = \"" SYSTEM_USER "\"\n");
	put_listener(i, b, "mx", "Mail from other servers.", CONFIG_SMTP, CONFIG_TLS_STARTTLS);
	put_listener(i, b, "submission", "Mail of our own people, who log in (STARTTLS).",
		CONFIG_SUBMISSION, CONFIG_TLS_STARTTLS);
	put_listener(i, b, "submissions", "The same with TLS from the first octet.",
		CONFIG_SUBMISSION, CONFIG_TLS_IMPLICIT);
	put_listener(i, b, "imaps", "Their mailboxes.", CONFIG_IMAP, CONFIG_TLS_IMPLICIT);
	put_listener(i, b, "imap", "The same with STARTTLS.", CONFIG_IMAP, CONFIG_TLS_STARTTLS);
	put_listener(i, b, "pop3s", "Their INBOX, for programs that fetch mail.", CONFIG_POP3,
		CONFIG_TLS_IMPLICIT);
	put_listener(i, b, "pop3", "The same with STARTTLS.", CONFIG_POP3, CONFIG_TLS_STARTTLS);
	if (is_system(i))
		buf_str(b,
			"\n# Mail of the users of this machine: sendmail, cron, PHP.\n"
			"local {\n\tsocket = \"" LOCAL_SOCKET "\"\n\tmaildrop = \"" LOCAL_MAILDROP
			"\"\n}\n");
	buf_str(b,
		"\n# The certificate; without it one signed by itself is made.\n"
		"# tls {\n#\tcertificate = \"/etc/ssl/yizhan/fullchain.pem\"\n"
		"#\tkey = \"/etc/ssl/yizhan/privkey.pem\"\n# }\n");
	buf_printf(b,
		"\n# Or one from an authority, which proves the name over port 80 or 443. The same\n"
		"# listeners tell mail programs their settings. yizhan cert list says how it goes.\n"
		"# listener web {\n#\tprotocol = http\n#\taddress = { \"0.0.0.0:80\"%s }\n"
		"#\ttls = none\n# }\n"
		"# listener webs {\n#\tprotocol = http\n#\taddress = { \"0.0.0.0:443\"%s }\n"
		"#\ttls = implicit\n# }\n"
		"# acme {\n#\tdirectory = \"https://acme-v02.api.letsencrypt.org/directory\"\n"
		"#\temail = \"postmaster@%s\"\n#\tnames = { \"%s\" }\n"
		"#\tagree = yes\n# }\n",
		i->has_ip6 ? ", \"[::]:80\"" : "", i->has_ip6 ? ", \"[::]:443\"" : "", i->domain,
		i->hostname);
}

static int make_dirs(struct init *i, const char *path, mode_t mode)
{
	char *p = arena_str(i->a, span_str(path));

	for (char *slash = strchr(p + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(p, mode) < 0 && errno != EEXIST)
			return cli_fail(EX_CANTCREAT, "%s: %s", p, strerror(errno));
		*slash = '/';
	}
	return 0;
}

/* Whole or not at all; what was there stays, under another name. */
static int write_config(struct init *i)
{
	const char *fresh = arena_printf(i->a, "%s.new", i->file);
	bool is_there = access(i->file, F_OK) == 0;
	struct buf b;
	int fd, code = make_dirs(i, i->file, 0755);

	if (code)
		return code;
	buf_init(&b, CONFIG_TEXT_MAX);
	put_config(i, &b);
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	/* everybody may read it: sendmail looks there where the server's socket is */
	bool is_good = fd >= 0 && fchmod(fd, 0644) == 0 &&
		write(fd, buf_span(&b).ptr, buf_len(&b)) == (ssize_t)buf_len(&b) && fsync(fd) == 0;
	int why = errno;
	if (fd >= 0)
		close(fd);
	buf_fini(&b);
	if (!is_good)
		return cli_fail(EX_CANTCREAT, "%s: %s", fresh, strerror(why));
	if (is_there) {
		i->kept = arena_printf(i->a, "%s.before-init", i->file);
		if (rename(i->file, i->kept) < 0)
			return cli_fail(EX_CANTCREAT, "%s: %s", i->kept, strerror(errno));
	}
	if (rename(fresh, i->file) < 0)
		return cli_fail(EX_CANTCREAT, "%s: %s", i->file, strerror(errno));
	return 0;
}

/* ---- the store ---- */

static int take_row(void *arg, const struct json_in *row)
{
	struct init *i = arg;
	struct span made = json_in_text(row, "password");

	if (made.len)
		i->made_password = arena_str(i->a, made);
	return 0;
}

static int say(struct init *i, const char *op, const char *const *pairs, const char *list)
{
	struct json_out j;
	struct buf args;
	int code;

	buf_init(&args, OPS_REQUEST_MAX);
	json_out_init(&j, &args);
	json_open_object(&j);
	for (; pairs[0]; pairs += 2) {
		if (pairs[1])
			json_kv_str(&j, pairs[0], pairs[1]);
		else
			json_kv_bool(&j, pairs[0], true);
	}
	if (list) {
		json_key(&j, "targets");
		json_open_array(&j);
		json_str(&j, list);
		json_close(&j);
	}
	json_close(&j);
	code = cli_ask(i->c, op, buf_span(&args), take_row, i);
	if (args.mem)
		explicit_bzero(args.mem, args.cap);
	buf_fini(&args);
	return code;
}

static bool knows(const char *op)
{
	for (size_t n = 0; n < ops_count; n++) {
		if (strcmp(ops_table[n].name, op) == 0)
			return true;
	}
	return false;
}

/* RFC 2142: whom the world writes to when something is wrong. */
static int make_roles(struct init *i)
{
	static const char *const roles[] = {
		"postmaster", "abuse", "hostmaster", "security", "root"};
	const char *at = strchr(i->account, '@');
	int code = 0;

	for (size_t n = 0; !code && n < sizeof(roles) / sizeof(roles[0]); n++) {
		const char *address = arena_printf(i->a, "%s@%s", roles[n], i->domain);
		const char *const words[] = {"address", address, NULL};

		if ((size_t)(at - i->account) != strlen(roles[n]) ||
			strncmp(i->account, roles[n], strlen(roles[n])) != 0)
			code = say(i, "alias.add", words, i->account);
	}
	return code;
}

static int make_store(struct init *i)
{
	const char *const domain[] = {"domain", i->domain, NULL};
	const char *const account[] = {"address", i->account, "name", i->name,
		i->password ? "password" : "make_password", i->password, NULL};
	int code = make_dirs(i, i->data, 0755);

	if (!code && mkdir(i->data, 0700) < 0 && errno != EEXIST)
		code = cli_fail(EX_CANTCREAT, "%s: %s", i->data, strerror(errno));
	i->c->data = i->data;
	i->c->config = i->file;
	if (!code)
		code = say(i, "domain.add", domain, NULL);
	if (!code)
		code = say(i, "account.add", account, NULL);
	if (!code)
		code = make_roles(i);
	if (!code && knows("key.add")) {
		code = say(i, "key.add", domain, NULL);
		i->has_key = !code;
	}
	return code;
}

/* Where sendmail leaves mail until the server runs for the first time. */
static int make_maildrop(struct init *i)
{
	const struct passwd *pw = is_system(i) ? getpwnam(SYSTEM_USER) : NULL;
	const char *dir = is_system(i) ? LOCAL_MAILDROP
				       : arena_printf(i->a, "%s/maildrop", i->data);
	struct err e = {0};
	int code = make_dirs(i, dir, 0755);

	if (code)
		return code;
	if (drop_make_dir(dir, 03733, &e) < 0)
		return cli_fail_err(&e);
	if (pw && lchown(dir, pw->pw_uid, pw->pw_gid) < 0)
		return cli_fail(EX_NOPERM, "%s: %s", dir, strerror(errno));
	return 0;
}

/* Made as root, used as the server's user. */
static int give_away(struct init *i)
{
	const struct passwd *pw = i->is_root ? getpwnam(SYSTEM_USER) : NULL;
	DIR *d = pw ? opendir(i->data) : NULL;
	struct dirent *entry;
	int rc = 0;

	if (!pw)
		return 0;
	while (d && (entry = readdir(d))) {
		if (strcmp(entry->d_name, "..") != 0)
			rc |= fchownat(dirfd(d), entry->d_name, pw->pw_uid, pw->pw_gid,
				AT_SYMLINK_NOFOLLOW);
	}
	if (d)
		closedir(d);
	return d && rc == 0
		? 0
		: cli_fail(EX_NOPERM, "giving %s to " SYSTEM_USER ": %s", i->data, strerror(errno));
}

/* ---- DNS: the operation of yizhan dns ---- */

static const char *text_of(struct init *i, const struct json_in *row, const char *key)
{
	return arena_str(i->a, json_in_text(row, key));
}

static int take_record(void *arg, const struct json_in *row)
{
	struct init *i = arg;

	if (i->record_count < INIT_RECORDS_MAX)
		i->records[i->record_count++] = (struct init_record){text_of(i, row, "state"),
			text_of(i, row, "name"), text_of(i, row, "type"),
			text_of(i, row, "publish"), text_of(i, row, "why"),
			text_of(i, row, "domain")};
	return 0;
}

static int read_records(struct init *i)
{
	struct json_out j;
	struct buf args;
	int code;

	buf_init(&args, 4096);
	json_out_init(&j, &args);
	json_open_object(&j);
	json_kv_str(&j, "hostname", i->hostname);
	json_kv_bool(&j, "offline", i->is_offline);
	json_close(&j);
	code = cli_ask(i->c, "dns", buf_span(&args), take_record, i);
	buf_fini(&args);
	return code;
}

/* ---- all of it ---- */

static int run_init(struct cli_call *c)
{
	struct init *i = ARENA_NEW(c->arena, struct init);
	int code;

	i->c = c;
	i->a = c->arena;
	i->screen = (struct screen){
		.arena = c->arena, .width = screen_width(), .is_color = cli_is_color(stdout)};
	i->is_root = geteuid() == 0;
	i->is_offline = cli_value(c, "offline") != NULL;
	i->is_asking = !cli_value(c, "yes") && isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
	i->has_ip6 = access("/proc/net/if_inet6", F_OK) == 0;
	i->outbound = cli_value(c, "outbound");
	code = ask_all(i);
	if (code)
		return code;
	set_places(i);
	if (access(i->file, F_OK) == 0 && !cli_value(c, "force"))
		return cli_fail(EX_CANTCREAT,
			"%s is there already; --force writes a new one and keeps it as "
			"%s.before-init",
			i->file, i->file);
	code = read_password(i);
	if (!code)
		code = write_config(i);
	if (!code)
		code = make_store(i);
	if (!code)
		code = make_maildrop(i);
	if (!code)
		code = give_away(i);
	if (code)
		return code;
	init_check_machine(i);
	code = read_records(i);
	if (!code)
		init_show(i);
	return code;
}

const struct cli_command cli_init = {
	.name = "init",
	.group = "Server",
	.line = "make a server ready for its first start",
	.text = "Asks for the name of this machine, the domain and the first account, or takes them from the "
		"words; writes the configuration file (--config FILE; by default " SYSTEM_CONFIG
		", without root's rights ~/.config/yizhan/yizhan.conf), makes the data directory with "
		"domain, account and the addresses that everybody must have (postmaster, abuse, "
		"hostmaster, security, root), and tells which DNS records to publish. It looks whether "
		"the ports are free, port 25 is open outwards, the name and the address of this machine "
		"lead to one another, the clock is right and there is room on the disk; what it finds "
		"changes nothing.",
	.options =
		{
			{"hostname", "NAME", "of this machine in DNS, as mx.example.org"},
			{"domain", "DOMAIN", "whose mail is here, as example.org"},
			{"account", "ADDRESS",
				"of the first account; a name alone is in the domain"},
			{"name", "TEXT", "its owner's name"},
			{"password-stdin", NULL, "its password is a line of standard input"},
			{"password-file", "FILE",
				"its password is the first line of a file; without either one is "
				"made and shown"},
			{"yes", NULL, "ask nothing"},
			{"force", NULL, "write the configuration file anew"},
			{"offline", NULL, "look nothing up, connect to nobody"},
			{"outbound", "HOST[:PORT]",
				"where it is tried whether port 25 is open outwards (Google's mail "
				"server)"},
		},
	.run = run_init,
};
