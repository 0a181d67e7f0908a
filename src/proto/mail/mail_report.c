#include "proto/mail/mail_report.h"

#include <string.h>

#include "base/buf.h"
#include "base/must.h"
#include "base/utf8.h"
#include "proto/mail/mail_header.h"
#include "proto/mail/mime_lex.h"

struct reading {
	struct arena *a;
	struct mail_report *report;
	size_t room, field_room, fields;
};

static struct mail_report_group *open_group(struct reading *r)
{
	struct mail_report *t = r->report;

	if (t->count == MAIL_REPORT_GROUPS_MAX) {
		t->is_cut = true;
		return NULL;
	}
	if (t->count == r->room) {
		struct mail_report_group *more;

		r->room = r->room ? r->room * 2 : 4;
		more = ARENA_ARRAY(r->a, struct mail_report_group, r->room);
		if (t->count)
			memcpy(more, t->groups, t->count * sizeof(*more));
		t->groups = more;
	}
	r->field_room = 0;
	return &t->groups[t->count++];
}

static void add_field(struct reading *r, struct mail_report_group *g, struct span text)
{
	struct span name, value;

	if (!span_cut(text, ':', &name, &value) || span_find(span_trim(name), '\n') >= 0)
		return; /* no field: passed over */
	if (r->fields++ == MAIL_REPORT_FIELDS_MAX) {
		r->report->is_cut = true;
		return;
	}
	if (g->count == r->field_room) {
		struct mail_report_field *more;

		r->field_room = r->field_room ? r->field_room * 2 : 8;
		more = ARENA_ARRAY(r->a, struct mail_report_field, r->field_room);
		if (g->count)
			memcpy(more, g->fields, g->count * sizeof(*more));
		g->fields = more;
	}
	g->fields[g->count].name = arena_span(r->a, span_trim(name));
	g->fields[g->count++].value = mail_unfold(r->a, value);
}

/* A line with its continuations. */
static struct span take_logical(struct span *rest)
{
	size_t n = 0;

	do {
		ptrdiff_t end = span_find(span_skip(*rest, n), '\n');

		n = end < 0 ? rest->len : n + (size_t)end + 1;
	} while (n < rest->len && (rest->ptr[n] == ' ' || rest->ptr[n] == '\t') &&
		span_trim(span_sub(*rest, 0, n)).len);
	*rest = span_skip(*rest, n);
	return span_of(rest->ptr - n, n);
}

void mail_report_parse(struct arena *a, struct span body, struct mail_report *report_r)
{
	struct reading r = {.a = a, .report = report_r};
	struct mail_report_group *g = NULL;

	memset(report_r, 0, sizeof(*report_r));
	while (body.len && !report_r->is_cut) {
		struct span line = take_logical(&body);

		if (!span_trim(line).len) {
			g = NULL; /* the next field begins a group */
			continue;
		}
		if (!g)
			g = open_group(&r);
		if (g)
			add_field(&r, g, line);
	}
}

struct span mail_report_get(const struct mail_report_group *g, struct span name)
{
	for (size_t i = 0; i < g->count; i++)
		if (span_eq_nocase(g->fields[i].name, name))
			return g->fields[i].value;
	return SPAN_NONE;
}

/* \x{9A7F} of RFC 6533 section 3 */
static size_t take_escape(struct span s, uint32_t *code_r)
{
	size_t n = 3;

	*code_r = 0;
	if (!span_starts(s, SPAN("\\x{")))
		return 0;
	for (; n < s.len && n < 9 && s.ptr[n] != '}'; n++) {
		char c = (char)span_lower((unsigned char)s.ptr[n]);

		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
			return 0;
		*code_r = *code_r * 16 + (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	if (n == 3 || n >= s.len || s.ptr[n] != '}' || *code_r > 0x10ffff || *code_r < ' ' ||
		(*code_r >= 0xd800 && *code_r < 0xe000))
		return 0;
	return n + 1;
}

static struct span unescape(struct arena *a, struct span s)
{
	char *out = arena_alloc(a, s.len + 4);
	size_t n = 0;

	while (s.len) {
		uint32_t code;
		size_t len = take_escape(s, &code);

		if (len)
			n += utf8_put(out + n, code);
		else
			out[n++] = s.ptr[0];
		s = span_skip(s, len ? len : 1);
	}
	out[n] = '\0';
	return span_of(out, n);
}

/* "a@b (his words)": servers put comments behind. */
static struct span without_comment(struct span s)
{
	ptrdiff_t open;

	s = span_trim(s);
	if (!s.len || s.ptr[s.len - 1] != ')')
		return s;
	open = span_find_span(s, SPAN(" ("));
	return open > 0 ? span_trim(span_sub(s, 0, (size_t)open)) : s;
}

void mail_report_typed(struct arena *a, struct span value, struct span *type_r, struct span *rest_r)
{
	struct span type, rest;

	if (!span_cut(value, ';', &type, &rest)) {
		rest = value;
		type = SPAN("");
	}
	*type_r = mime_lower(a, span_trim(type));
	*rest_r = arena_span(a, without_comment(rest));
	if (span_eq(*type_r, SPAN("utf-8")))
		*rest_r = unescape(a, *rest_r);
}

static struct span name_of(struct arena *a, const struct mail_report_group *g, const char *field)
{
	struct span type, rest;

	mail_report_typed(a, mail_report_get(g, span_str(field)), &type, &rest);
	return rest;
}

/* An address: angle brackets, which some put, are not part of it. */
static struct span address_of(struct arena *a, const struct mail_report_group *g, const char *field)
{
	struct span s = name_of(a, g, field);

	if (s.len > 1 && s.ptr[0] == '<' && s.ptr[s.len - 1] == '>')
		s = arena_span(a, span_sub(s, 1, s.len - 2));
	return s;
}

static void date_of(const struct mail_report_group *g, const char *field, struct mime_date *date_r)
{
	if (!mime_date_parse(mail_report_get(g, span_str(field)), date_r))
		memset(date_r, 0, sizeof(*date_r));
}

/* RFC 3463 section 2; at most three digits each but for the class */
static void status_of(struct arena *a, struct mail_report_rcpt *r)
{
	struct span rest = span_trim(mail_report_get(r->group, SPAN("Status"))), word, part[3],
		    tail;
	uint64_t v[3];

	word = span_word(&rest);
	r->status = arena_span(a, word);
	if (!span_cut(word, '.', &part[0], &tail) || !span_cut(tail, '.', &part[1], &part[2]))
		return;
	for (int i = 0; i < 3; i++)
		if (!span_u64_max(part[i], i ? 999 : 9, &v[i]))
			return;
	r->cls = (unsigned)v[0];
	r->subject = (unsigned)v[1];
	r->detail = (unsigned)v[2];
}

static void read_rcpt(
	struct arena *a, const struct mail_report_group *g, struct mail_report_rcpt *r)
{
	struct span action = mail_report_get(g, SPAN("Action")), diagnostic;

	r->group = g;
	action = span_trim(action);
	r->action = mime_lower(a, span_word(&action));
	status_of(a, r);
	r->final_recipient = address_of(a, g, "Final-Recipient");
	r->original_recipient = address_of(a, g, "Original-Recipient");
	r->remote_mta = name_of(a, g, "Remote-MTA");
	/* what stands in it may well end with a comment of the server's own: it stays */
	diagnostic = mail_report_get(g, SPAN("Diagnostic-Code"));
	if (span_cut(diagnostic, ';', &r->diagnostic_type, &r->diagnostic)) {
		r->diagnostic_type = mime_lower(a, span_trim(r->diagnostic_type));
		r->diagnostic = arena_span(a, span_trim(r->diagnostic));
	} else {
		r->diagnostic_type = SPAN("");
		r->diagnostic = arena_span(a, span_trim(diagnostic));
	}
	r->final_log_id = arena_span(a, span_trim(mail_report_get(g, SPAN("Final-Log-ID"))));
	date_of(g, "Last-Attempt-Date", &r->last_attempt);
	date_of(g, "Will-Retry-Until", &r->will_retry_until);
}

/* Does a group tell of a recipient? Some write no group for the message at all. */
static bool is_rcpt(const struct mail_report_group *g)
{
	return mail_report_get(g, SPAN("Final-Recipient")).ptr ||
		mail_report_get(g, SPAN("Original-Recipient")).ptr ||
		mail_report_get(g, SPAN("Action")).ptr;
}

void mail_report_dsn(
	struct arena *a, const struct mail_report *report, struct mail_report_dsn *dsn_r)
{
	memset(dsn_r, 0, sizeof(*dsn_r));
	if (!report->count)
		return;
	dsn_r->group = &report->groups[0];
	dsn_r->reporting_mta = name_of(a, dsn_r->group, "Reporting-MTA");
	dsn_r->received_from_mta = name_of(a, dsn_r->group, "Received-From-MTA");
	dsn_r->dsn_gateway = name_of(a, dsn_r->group, "DSN-Gateway");
	dsn_r->envid = arena_span(
		a, span_trim(mail_report_get(dsn_r->group, SPAN("Original-Envelope-Id"))));
	date_of(dsn_r->group, "Arrival-Date", &dsn_r->arrival);
	dsn_r->rcpts = ARENA_ARRAY(a, struct mail_report_rcpt, report->count);
	for (size_t i = 0; i < report->count; i++)
		if (is_rcpt(&report->groups[i]))
			read_rcpt(a, &report->groups[i], &dsn_r->rcpts[dsn_r->rcpt_count++]);
}

/* disposition-mode ";" disposition-type ["/" modifier *("," modifier)] (RFC 8098 section 3.2.6) */
static void read_disposition(struct arena *a, struct span value, struct mail_report_mdn *m)
{
	struct span mode, type, action, sending;

	value = mime_lower(a, without_comment(value));
	if (!span_cut(value, ';', &mode, &type)) {
		type = value;
		mode = SPAN("");
	}
	span_cut(mode, '/', &action, &sending);
	m->is_automatic = span_eq(span_trim(action), SPAN("automatic-action"));
	m->was_sent_automatically = span_eq(span_trim(sending), SPAN("mdn-sent-automatically"));
	span_cut(type, '/', &m->disposition, &m->modifiers);
	m->disposition = arena_span(a, span_trim(m->disposition));
	m->modifiers = arena_span(a, span_trim(m->modifiers));
}

void mail_report_mdn(
	struct arena *a, const struct mail_report *report, struct mail_report_mdn *mdn_r)
{
	const struct mail_report_group *g = report->groups;

	memset(mdn_r, 0, sizeof(*mdn_r));
	if (!report->count)
		return;
	mdn_r->group = g;
	mdn_r->reporting_ua = arena_span(a, span_trim(mail_report_get(g, SPAN("Reporting-UA"))));
	mdn_r->mdn_gateway = name_of(a, g, "MDN-Gateway");
	mdn_r->final_recipient = address_of(a, g, "Final-Recipient");
	mdn_r->original_recipient = address_of(a, g, "Original-Recipient");
	mdn_r->original_message_id = arena_span(
		a, span_trim(mail_report_get(g, SPAN("Original-Message-ID"))));
	mdn_r->error = arena_span(a, span_trim(mail_report_get(g, SPAN("Error"))));
	read_disposition(a, mail_report_get(g, SPAN("Disposition")), mdn_r);
}
