#include <string.h>

#include "cli/import.h"

/* account import: accounts with password hashes, one a line, sent in pages: a Dovecot passwd-file,
 * /etc/shadow, or CSV. */

#define LINE_OCTETS   4096
#define PAGE_ACCOUNTS 100
#define FIELDS        8

struct import {
	struct import_file f;
	struct buf text; /* the line at hand */
};

/* What a line says. */
struct entry {
	struct span address, hash, name, quota;
};

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

	if (!cut_csv(x->f.c->arena, line, fields, &count) || count > 4)
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

static void put_args(struct cli_call *c, struct json_out *j)
{
	json_kv_bool(j, "dry_run", cli_value(c, "dry-run") != NULL);
	json_kv_bool(j, "existing", cli_value(c, "existing") != NULL);
	json_kv_bool(j, "force_reserved", cli_value(c, "force-reserved") != NULL);
}

static int add_entry(struct import *x, const struct entry *r)
{
	const char *domain = cli_value(x->f.c, "domain");
	struct span address = r->address;
	struct json_out j;
	struct buf one;
	uint64_t quota = 0;
	int code;

	if (span_find(address, '@') < 0 && !domain) {
		import_bad(&x->f, x->f.line, SPAN("the name has no domain: say --domain DOMAIN"));
		return 0;
	}
	if (span_find(address, '@') < 0)
		address = span_str(
			arena_printf(x->f.c->arena, SPAN_FMT "@%s", SPAN_ARG(address), domain));
	if (r->quota.len &&
		cli_read_size("quota", arena_str(x->f.c->arena, r->quota), &quota) != 0) {
		import_bad(&x->f, x->f.line, SPAN("the fourth field is no size"));
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
	code = import_row(&x->f, buf_span(&one));
	buf_fini(&one);
	return code;
}

/* A line whose first colon stands behind a comma is CSV: no address has a comma before its hash. */
static bool is_csv_line(struct span line)
{
	ptrdiff_t comma = span_find(line, ','), colon = span_find(line, ':');

	return comma >= 0 && (colon < 0 || comma < colon);
}

static int take_text(struct import *x)
{
	struct span line;
	struct entry r;

	if (!import_text(&x->f, &x->text, LINE_OCTETS, &line))
		return 0;
	if (is_csv_line(line) ? !csv_entry(x, line, &r) : !passwd_entry(line, &r))
		import_bad(&x->f, x->f.line, SPAN("neither user:hash nor address,hash,name,quota"));
	else if (x->f.line == 1 && span_eq_nocase(r.address, SPAN("address")))
		return 0; /* the heads of CSV's columns */
	else
		return add_entry(x, &r);
	return 0;
}

static void tell_end(const struct import *x)
{
	unsigned long long added = x->f.added, changed = x->f.changed, bad = x->f.bad;

	if (x->f.c->is_json)
		printf("{\"added\":%llu,\"changed\":%llu,\"bad\":%llu}\n", added, changed, bad);
	else
		printf("added: %llu\nchanged: %llu\nbad: %llu\n", added, changed, bad);
}

int cli_account_import(struct cli_call *c)
{
	struct import *x = ARENA_NEW(c->arena, struct import);
	int code;

	x->f = (struct import_file){.c = c,
		.op = "account.import",
		.rows = "accounts",
		.page_max = PAGE_ACCOUNTS,
		.put_args = put_args};
	code = import_open(&x->f, c->operands[0]);
	if (code)
		return code;
	buf_init(&x->text, LINE_OCTETS + 2);
	while (!code && import_line(&x->f, &x->text, LINE_OCTETS))
		code = take_text(x);
	code = import_end(&x->f, code);
	if (code && x->f.added + x->f.changed)
		cli_fail(code, "%llu accounts were taken before that",
			(unsigned long long)(x->f.added + x->f.changed));
	if (!code)
		tell_end(x);
	buf_fini(&x->text);
	import_close(&x->f);
	return code ? code : x->f.bad ? EX_DATAERR : 0;
}
