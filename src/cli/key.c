#include <errno.h>
#include <string.h>

#include "base/secret.h"
#include "cli/cli.h"

/* key: the keys that sign what leaves. docs/signing.md has the rules. */

#define KEY_FILE_MAX (16 * 1024)
#define KEY_ARGS_MAX (64 * 1024)

/* ---- import: the file is read here, by whoever may ---- */

static int read_key(const char *file, struct buf *text)
{
	bool is_stdin = strcmp(file, "-") == 0;
	FILE *in = is_stdin ? stdin : fopen(file, "re");
	char *p;
	size_t n;

	if (!in)
		return cli_fail(EX_NOINPUT, "%s: %s", file, strerror(errno));
	p = buf_reserve(text, KEY_FILE_MAX);
	n = fread(p, 1, KEY_FILE_MAX, in);
	buf_added(text, n);
	if (ferror(in))
		n = 0;
	if (!is_stdin)
		fclose(in);
	return n && n < KEY_FILE_MAX ? 0 : cli_fail(EX_DATAERR, "%s: no key", file);
}

static int prepare_import(struct cli_call *c, struct json_out *args)
{
	struct buf text;
	int code;

	buf_init(&text, KEY_FILE_MAX);
	code = read_key(c->operands[1], &text);
	if (!code)
		json_kv_span(args, "pem", buf_span(&text));
	if (text.mem)
		secret_wipe(text.mem, text.cap);
	buf_fini(&text);
	return code;
}

/* ---- export, check ---- */

static int show_pem(void *arg, const struct json_in *row)
{
	const struct cli_call *c = arg;
	struct span pem = json_in_text(row, "pem");

	if (c->is_json) {
		struct buf b;

		buf_init(&b, JSON_IN_MAX);
		json_in_put(&b, row);
		puts(buf_cstr(&b));
		secret_wipe(b.mem, b.cap);
		buf_fini(&b);
	} else {
		fwrite(pem.ptr, 1, pem.len, stdout);
	}
	return ferror(stdout) ? EX_IOERR : 0;
}

static int ask(struct cli_call *c, const char *op, cli_line_fn *row, void *arg)
{
	struct json_out j;
	struct buf args;
	int code;

	buf_init(&args, KEY_ARGS_MAX);
	json_out_init(&j, &args);
	json_open_object(&j);
	if (c->operand_count)
		json_kv_str(&j, "domain", c->operands[0]);
	if (c->operand_count > 1)
		json_kv_str(&j, "selector", c->operands[1]);
	json_close(&j);
	code = buf_ok(&args) ? cli_ask(c, op, buf_span(&args), row, arg)
			     : cli_fail(EX_USAGE, "that is too much for one command");
	buf_fini(&args);
	return code;
}

static int run_export(struct cli_call *c)
{
	return ask(c, "key.export", show_pem, c);
}

struct checking {
	struct cli_table *table;
	bool is_bad, is_unknown;
};

static int check_row(void *arg, const struct json_in *row)
{
	struct checking *k = arg;
	struct span state = json_in_text(row, "state");

	k->is_bad = k->is_bad || span_eq(state, SPAN("missing")) || span_eq(state, SPAN("wrong"));
	k->is_unknown = k->is_unknown || span_eq(state, SPAN("unknown"));
	return cli_table_row(k->table, row);
}

static int run_check(struct cli_call *c)
{
	struct checking k = {.table = cli_table_new(c->command->columns, false, c->is_json)};
	int code = ask(c, "key.check", check_row, &k);

	cli_table_free(&k.table, code ? NULL : c->command->nothing);
	return code ? code : k.is_bad ? 1 : k.is_unknown ? EX_TEMPFAIL : 0;
}

/* ---- rows ---- */

#define DOMAIN                                                                                     \
	{                                                                                          \
		"DOMAIN", "domain"                                                                 \
	}
#define SELECTOR                                                                                   \
	{                                                                                          \
		"SELECTOR", "selector"                                                             \
	}
#define NEW_KEY                                                                                    \
	{"selector", "NAME", "the first label of the record's name; made of the date otherwise",   \
		"selector"},                                                                       \
		{"algorithm", "KIND", "rsa, ed25519, or both (the default)", "algorithm", false,   \
			"rsa ed25519 both"},                                                       \
	{                                                                                          \
		"bits", "N", "of an RSA key: 2048 (the default) to 4096", "bits", true             \
	}
#define WIDE                                                                                       \
	{                                                                                          \
		"subdomains", NULL, "it signs for subdomains without a key of their own, too",     \
			"subdomains"                                                               \
	}
#define ACTIVATE                                                                                   \
	{                                                                                          \
		"activate", NULL, "it signs at once, as a domain's first key does", "activate"     \
	}
#define MOVED                                                                                      \
	{                                                                                          \
		{"domain", "DOMAIN"}, {"selector", "SELECTOR"},                                    \
		{                                                                                  \
			"state", "STATE"                                                           \
		}                                                                                  \
	}

const struct cli_command cli_key[] = {
	{
		.name = "key add",
		.group = "Signing",
		.line = "make keys that sign the mail of a domain (DKIM)",
		.text = "Makes a pair, RSA (which everybody can verify) and Ed25519 (short and "
			"quick), and shows the records to publish. A domain's first keys sign at "
			"once; later ones are pending until `key activate`, so that their records "
			"are in DNS before they are used.",
		.operands = {DOMAIN},
		.options = {NEW_KEY, WIDE, ACTIVATE},
		.op = "key.add",
	},
	{
		.name = "key list",
		.group = "Signing",
		.line = "list the keys that sign",
		.operands = {{"DOMAIN", "domain", true}},
		.op = "key.list",
		.columns = {{"domain", "DOMAIN"}, {"selector", "SELECTOR"},
			{"algorithm", "ALGORITHM"}, {"bits", "BITS", CLI_NUMBER},
			{"state", "STATE"}, {"subdomains", "SUBDOMAINS"},
			{"created", "CREATED", CLI_TIME}, {"changed", "CHANGED", CLI_TIME}},
		.nothing = "No keys, nothing is signed: yizhan key add DOMAIN",
	},
	{
		.name = "key show",
		.group = "Signing",
		.line = "show the DNS records of a domain's keys",
		.text = "\"record\" is the text of the TXT record on one line, as web forms of DNS "
			"providers take it; \"zone\" the line of a zone file, cut into strings of "
			"at most 255 octets.",
		.operands = {DOMAIN, {"SELECTOR", "selector", true}},
		.op = "key.list",
		.nothing = "No keys: yizhan key add DOMAIN",
	},
	{
		.name = "key check",
		.group = "Signing",
		.line = "look whether the records of keys are in DNS as they must be",
		.text = "Ends with 0 when all are, 1 when something is to be done, 75 when look-ups "
			"failed.",
		.operands = {{"DOMAIN", "domain", true}, {"SELECTOR", "selector", true}},
		.columns = {{"state", "RECORD"}, {"name", "NAME"}, {"key", "KEY"}, {"why", "WHY"}},
		.nothing = "No keys: yizhan key add DOMAIN",
		.run = run_check,
	},
	{
		.name = "key activate",
		.group = "Signing",
		.line = "sign with a key from now on",
		.text = "Of several active keys of one algorithm the newest signs.",
		.operands = {DOMAIN, SELECTOR},
		.op = "key.activate",
		.columns = MOVED,
	},
	{
		.name = "key retire",
		.group = "Signing",
		.line = "sign no more with a key; its record stays for what is under way",
		.operands = {DOMAIN, SELECTOR},
		.op = "key.retire",
		.columns = MOVED,
	},
	{
		.name = "key rotate",
		.group = "Signing",
		.line = "replace the keys of a domain in two steps",
		.text = "First makes new keys of the same algorithms, pending, and shows their "
			"records. Once these are published, --finish looks them up, has the new "
			"keys sign and retires the old ones, whose records stay in DNS for a week "
			"until `key remove`.",
		.operands = {DOMAIN},
		.options = {NEW_KEY, {"finish", NULL, "the second step", "finish"},
			{"no-check", NULL, "do not ask DNS first", "no_check"}},
		.op = "key.rotate",
	},
	{
		.name = "key remove",
		.group = "Signing",
		.line = "forget a key that signs no more",
		.text = "An active key is retired first; a retired one stays for a week, while "
			"letters that it signed may be under way.",
		.operands = {DOMAIN, SELECTOR},
		.options = {{"force", NULL, "whatever its state", "force"}},
		.op = "key.remove",
		.columns = MOVED,
	},
	{
		.name = "key import",
		.group = "Signing",
		.line = "take over a private key from another server",
		.text = "FILE (\"-\" is standard input) holds PEM without a pass phrase, or the 32 "
			"octets of an Ed25519 key as base64.",
		.operands = {DOMAIN, {"FILE", NULL}},
		.options = {{"selector", "NAME", "the first label of the record's name (needed)",
				    "selector"},
			WIDE, ACTIVATE},
		.op = "key.import",
		.prepare = prepare_import,
	},
	{
		.name = "key export",
		.group = "Signing",
		.line = "write a private key to standard output, as PEM",
		.text = "Who has it can sign in the domain's name: umask 077 before it goes to a "
			"file.",
		.operands = {DOMAIN, SELECTOR},
		.run = run_export,
	},
};
