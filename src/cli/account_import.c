#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/utf8.h"
#include "services/host/ops.h"
#include "cli/cli.h"

/* account import: accounts with password hashes, one a line, sent in pages: a Dovecot passwd-file,
 * /etc/shadow, or CSV. */

#define LINE_OCTETS   4096
#define PAGE_ACCOUNTS 100
#define FIELDS        8

struct import {
	struct cli_call *c;
	FILE *in;
	const char *name; /* of the file, for people */
	uint64_t line, read, total;
	struct buf text;     /* the line at hand */
	struct buf accounts; /* the page so far: JSON objects with commas between them */
	uint64_t lines[PAGE_ACCOUNTS];
	size_t count;
	uint64_t added, changed, bad;
};

/* What a line says. */
struct entry {
	struct span address, hash, name, quota;
};

static void tell_bad(struct import *x, uint64_t line, struct span why)
{
	cli_progress(1, 1);
	cli_fail(
		EX_DATAERR, "%s:%llu: " SPAN_FMT, x->name, (unsigned long long)line, SPAN_ARG(why));
	x->bad++;
}

/* False at the end. A line that is too long is cut behind its limit; its rest is passed over. */
static bool read_line(struct import *x)
{
	int ch;

	buf_clear(&x->text);
	while ((ch = getc(x->in)) != EOF && ch != '\n') {
		x->read++;
		if (buf_len(&x->text) <= LINE_OCTETS)
			buf_char(&x->text, (char)ch);
	}
	x->read += ch == '\n';
	x->line++;
	return ch != EOF || buf_len(&x->text) > 0;
}

/* ---- one line ---- */

/* RFC 4180: fields between commas, quoted where they hold one; "" within is a quote. */
static bool cut_csv(struct arena *a, struct span line, struct span *fields, size_t *count_r)
{
	size_t n = 0;

	for (;; n++) {
		if (n == FIELDS)
			return false;
		if (span_starts(line, SPAN("\""))) {
			char *to = arena_alloc(a, line.len);
			size_t len = 0, i = 1;

			for (; i < line.len &&
				(line.ptr[i] != '"' ||
					(i + 1 < line.len && line.ptr[i + 1] == '"'));
				i++) {
				i += line.ptr[i] == '"';
				to[len++] = line.ptr[i];
			}
			if (i >= line.len)
				return false;
			fields[n] = span_of(to, len);
			line = span_skip(line, i + 1);
			if (line.len && line.ptr[0] != ',')
				return false;
			if (!line.len)
				break;
			line = span_skip(line, 1);
		} else if (!span_cut(line, ',', &fields[n], &line)) {
			fields[n] = span_trim(fields[n]);
			break;
		}
	}
	*count_r = n + 1;
	return true;
}

static bool csv_entry(struct import *x, struct span line, struct entry *r)
{
	struct span fields[FIELDS] = {SPAN_NONE};
	size_t count;

	if (!cut_csv(x->c->arena, line, fields, &count) || count > 4)
		return false;
	*r = (struct entry){fields[0], fields[1], fields[2], fields[3]};
	return true;
}

/* "user:hash" and what passwd-files and shadow have behind it, which is not ours. */
static bool passwd_entry(struct span line, struct entry *r)
{
	struct span rest;

	*r = (struct entry){SPAN_NONE};
	if (!span_cut(line, ':', &r->address, &rest))
		return false;
	span_cut(rest, ':', &r->hash, &rest);
	return true;
}

/* ---- pages ---- */

static int take_row(void *arg, const struct json_in *row)
{
	struct import *x = arg;
	uint64_t n;

	if (json_in_u64(row, "bad", &n) && n < x->count)
		tell_bad(x, x->lines[n], json_in_text(row, "reason"));
	if (json_in_u64(row, "added", &n))
		x->added += n;
	if (json_in_u64(row, "changed", &n))
		x->changed += n;
	return 0;
}

static int send_page(struct import *x)
{
	struct json_out j;
	struct buf args;
	int code;

	buf_init(&args, OPS_REQUEST_MAX);
	json_out_init(&j, &args);
	json_open_object(&j);
	json_kv_bool(&j, "dry_run", cli_value(x->c, "dry-run") != NULL);
	json_kv_bool(&j, "existing", cli_value(x->c, "existing") != NULL);
	json_kv_bool(&j, "force_reserved", cli_value(x->c, "force-reserved") != NULL);
	json_key(&j, "accounts");
	buf_char(&x->accounts, ']');
	json_raw(&j, buf_span(&x->accounts));
	json_close(&j);
	code = cli_ask(x->c, "account.import", buf_span(&args), take_row, x);
	buf_fini(&args);
	buf_clear(&x->accounts);
	buf_char(&x->accounts, '[');
	x->count = 0;
	if (!code)
		cli_progress(x->read < x->total ? x->read : 1, x->read < x->total ? x->total : 1);
	return code;
}

static int add_entry(struct import *x, const struct entry *r)
{
	const char *domain = cli_value(x->c, "domain");
	struct span address = r->address;
	struct json_out j;
	struct buf one;
	uint64_t quota = 0;

	if (span_find(address, '@') < 0 && !domain) {
		tell_bad(x, x->line, SPAN("the name has no domain: say --domain DOMAIN"));
		return 0;
	}
	if (span_find(address, '@') < 0)
		address = span_str(
			arena_printf(x->c->arena, SPAN_FMT "@%s", SPAN_ARG(address), domain));
	if (r->quota.len && cli_read_size("quota", arena_str(x->c->arena, r->quota), &quota) != 0) {
		tell_bad(x, x->line, SPAN("the fourth field is no size"));
		return 0;
	}
	buf_init(&one, 8 * LINE_OCTETS);
	json_out_init(&j, &one);
	json_open_object(&j);
	json_kv_span(&j, "address", address);
	json_kv_span(&j, "hash", r->hash);
	json_kv_span(&j, "name", r->name);
	if (r->quota.len)
		json_kv_u64(&j, "quota", quota);
	json_close(&j);
	if (x->count)
		buf_char(&x->accounts, ',');
	buf_span_put(&x->accounts, buf_span(&one));
	buf_fini(&one);
	x->lines[x->count++] = x->line;
	/* a page also ends before its request could be too long */
	return x->count == PAGE_ACCOUNTS || buf_len(&x->accounts) > OPS_REQUEST_MAX / 2
		? send_page(x)
		: 0;
}

/* A line whose first colon stands behind a comma is CSV: no address has a comma before its hash. */
static bool is_csv_line(struct span line)
{
	ptrdiff_t comma = span_find(line, ','), colon = span_find(line, ':');

	return comma >= 0 && (colon < 0 || comma < colon);
}

static int take_text(struct import *x)
{
	struct span line = buf_span(&x->text);
	struct entry r;

	if (x->line == 1 && span_starts(line, SPAN("\xef\xbb\xbf")))
		line = span_skip(line, 3);
	line = span_trim(line);
	if (!line.len || line.ptr[0] == '#')
		return 0;
	if (buf_len(&x->text) > LINE_OCTETS)
		tell_bad(x, x->line, SPAN("the line is too long"));
	else if (!utf8_is_valid(line) || span_find(line, '\0') >= 0)
		tell_bad(x, x->line, SPAN("the line is not UTF-8"));
	else if (is_csv_line(line) ? !csv_entry(x, line, &r) : !passwd_entry(line, &r))
		tell_bad(x, x->line, SPAN("neither user:hash nor address,hash,name,quota"));
	else if (x->line == 1 && span_eq_nocase(r.address, SPAN("address")))
		return 0; /* the heads of CSV's columns */
	else
		return add_entry(x, &r);
	return 0;
}

static int import_all(struct import *x)
{
	int code = 0;

	while (!code && read_line(x))
		code = take_text(x);
	if (!code && ferror(x->in))
		code = cli_fail(EX_IOERR, "%s: %s", x->name, strerror(errno));
	if (!code && x->count)
		code = send_page(x);
	cli_progress(1, 1);
	return code;
}

static void tell_end(const struct import *x)
{
	unsigned long long added = x->added, changed = x->changed, bad = x->bad;

	if (x->c->is_json)
		printf("{\"added\":%llu,\"changed\":%llu,\"bad\":%llu}\n", added, changed, bad);
	else
		printf("added: %llu\nchanged: %llu\nbad: %llu\n", added, changed, bad);
}

int cli_account_import(struct cli_call *c)
{
	const char *file = c->operands[0];
	bool is_stdin = strcmp(file, "-") == 0;
	struct import *x = ARENA_NEW(c->arena, struct import);
	struct stat st;
	int code;

	x->c = c;
	x->name = is_stdin ? "standard input" : file;
	x->in = is_stdin ? stdin : fopen(file, "re");
	if (!x->in)
		return cli_fail(EX_NOINPUT, "%s: %s", file, strerror(errno));
	if (fstat(fileno(x->in), &st) == 0 && S_ISREG(st.st_mode))
		x->total = (uint64_t)st.st_size;
	buf_init(&x->text, LINE_OCTETS + 2);
	buf_init(&x->accounts, OPS_REQUEST_MAX);
	buf_char(&x->accounts, '[');
	code = import_all(x);
	if (code && x->added + x->changed)
		cli_fail(code, "%llu accounts were taken before that",
			(unsigned long long)(x->added + x->changed));
	if (!code)
		tell_end(x);
	buf_fini(&x->text);
	buf_fini(&x->accounts);
	if (!is_stdin)
		fclose(x->in);
	return code ? code : x->bad ? EX_DATAERR : 0;
}
