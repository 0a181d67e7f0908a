/* A resolver that answers from a table in memory. */

#include <stdlib.h>
#include <string.h>

#include "base/enc.h"
#include "base/mem.h"
#include "base/must.h"
#include "net/dns_priv.h"

#define TABLE_RDATA_MAX 65535
#define TABLE_TXT_MAX   255
#define TABLE_TTL       300

struct dns_table {
	struct dns dns;
	const struct dns_row *rows;
	size_t count;
};

static void table_put_name(struct buf *b, struct span name)
{
	struct span label;

	while (name.len) {
		span_cut(name, '.', &label, &name);
		if (label.len) {
			buf_char(b, (char)label.len);
			buf_span_put(b, label);
		}
	}
	buf_char(b, 0);
}

/* `n` numbers of 16 bits in front, then a name. */
static void table_put_numbers_name(struct buf *b, struct span text, unsigned n)
{
	uint64_t v = 0;

	while (n--) {
		struct span word = span_word(&text);

		MUST(span_u64_max(word, UINT16_MAX, &v));
		buf_char(b, (char)(v >> 8));
		buf_char(b, (char)v);
	}
	table_put_name(b, span_trim(text));
}

static void table_put_txt(struct buf *b, struct span text)
{
	do {
		struct span part = span_sub(text, 0, TABLE_TXT_MAX);

		buf_char(b, (char)part.len);
		buf_span_put(b, part);
		text = span_skip(text, part.len);
	} while (text.len);
}

static void table_put_addr(struct buf *b, struct span text)
{
	struct addr a;

	MUST(addr_parse_ip(text, 0, &a));
	if (a.sa.sa_family == AF_INET)
		buf_put(b, &a.in4.sin_addr, 4);
	else
		buf_put(b, &a.in6.sin6_addr, 16);
}

static void table_put_rdata(struct buf *b, const struct dns_row *row)
{
	struct span text = span_str(row->value);

	switch (row->type) {
	case DNS_A:
	case DNS_AAAA: table_put_addr(b, text); break;
	case DNS_CNAME:
	case DNS_PTR: table_put_name(b, text); break;
	case DNS_MX: table_put_numbers_name(b, text, 1); break;
	case DNS_SRV: table_put_numbers_name(b, text, 3); break;
	case DNS_TXT: table_put_txt(b, text); break;
	case DNS_TLSA: MUST(enc_get_hex(b, text)); break;
	}
}

static bool table_verdict(const struct dns_row *row, struct dns_answer *answer)
{
	static const struct {
		const char *text;
		enum dns_status status;
	} verdicts[] = {{"!fail", DNS_FAIL}, {"!bogus", DNS_BOGUS}, {"!nodata", DNS_NODATA},
		{"!nxdomain", DNS_NXDOMAIN}};

	for (size_t i = 0; i < ARRAY_LEN(verdicts); i++)
		if (strcmp(row->value, verdicts[i].text) == 0) {
			answer->status = verdicts[i].status;
			return true;
		}
	return false;
}

/* Go through the rows of `name`: fills the answer; the target when there is only a CNAME. */
static struct span table_look(struct dns_table *t, struct arena *a, struct span name,
	enum dns_type type, struct dns_answer *answer, bool *is_silent)
{
	struct span target = SPAN_NONE;
	size_t came = 0;

	answer->status = DNS_NXDOMAIN;
	for (size_t i = 0; i < t->count; i++) {
		const struct dns_row *row = &t->rows[i];
		struct buf rdata;

		if (!span_eq_nocase(span_str(row->name), name))
			continue;
		if (answer->status == DNS_NXDOMAIN)
			answer->status = DNS_NODATA;
		if (row->type == DNS_CNAME && type != DNS_CNAME)
			target = span_str(row->value);
		if (row->type != type)
			continue;
		answer->is_secure = row->is_secure;
		*is_silent |= strcmp(row->value, "!silent") == 0;
		if (*is_silent || table_verdict(row, answer))
			return SPAN_NONE;
		buf_init(&rdata, TABLE_RDATA_MAX);
		table_put_rdata(&rdata, row);
		answer->status = DNS_OK;
		dns_answer_add(a, type, buf_span(&rdata), answer);
		came++;
		buf_fini(&rdata);
	}
	if (came)
		target = SPAN_NONE;
	dns_answer_end(answer, came);
	return target;
}

static FIBER int table_query(struct dns *base, struct arena *a, const char *name,
	enum dns_type type, int64_t deadline_ns, struct dns_answer *answer_r, struct err *e)
{
	struct dns_table *t = (struct dns_table *)base;
	struct span at = span_str(name);
	bool is_silent = false;
	int64_t wait_ns = DNS_TABLE_NS, left_ns = deadline_ns - loop_now_ns();

	answer_r->ttl = TABLE_TTL;
	for (unsigned hops = 0; at.len && !is_silent; hops++) {
		struct span target = table_look(t, a, at, type, answer_r, &is_silent);

		if (target.len == 0)
			break;
		if (hops == DNS_CNAMES_MAX) {
			answer_r->status = DNS_FAIL;
			break;
		}
		answer_r->canonical = arena_span(a, target);
		at = target;
	}
	if (is_silent || wait_ns > left_ns) {
		*answer_r = (struct dns_answer){.status = DNS_FAIL};
		wait_ns = left_ns;
	}
	return fiber_sleep(wait_ns > 0 ? wait_ns : 0, e);
}

static void table_free(struct dns *base)
{
	free(base);
}

static const struct dns_ops table_ops = {.query = table_query, .free = table_free};

struct dns *dns_new_table(const struct dns_row *rows, size_t count)
{
	struct dns_table *t = NEW(struct dns_table);

	t->dns.ops = &table_ops;
	t->rows = rows;
	t->count = count;
	return &t->dns;
}
