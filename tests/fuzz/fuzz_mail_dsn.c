/* Reports about any words in any language: three parts that are ours, the recipients that were
 * told, and no line, field or part from the words themselves. */
#include "base/must.h"
#include "base/utf8.h"
#include "proto/mail/mail_dsn.h"
#include "proto/mail/mail_report.h"
#include "proto/mail/mime_parse.h"

#define RCPTS_MAX 5

static struct span take(struct span *rest)
{
	struct span piece;

	span_cut(*rest, '|', &piece, rest);
	return piece;
}

static void fill(struct span *rest, struct mail_dsn_rcpt *r, unsigned what)
{
	*r = (struct mail_dsn_rcpt){.action = (enum mail_dsn_action)(what % MAIL_DSN_ACTION_COUNT),
		.address = take(rest),
		.code = what & 8 ? 400 + what : 0,
		.enhanced = take(rest),
		.text = take(rest),
		.remote_host = take(rest),
		.orcpt = take(rest),
		.last_attempt_sec = 1795415460,
		.retry_until_sec = what & 16 ? 1795847400 : 0,
		.next_sec = {what & 32 ? 1795415460 + (int64_t)what : 0}};
}

static void check_lines(struct span text)
{
	struct span line;

	while (text.len) {
		MUST(span_cut(text, '\n', &line, &text));
		MUST(line.len <= 999); /* RFC 5322 section 2.1.1 */
		MUST(span_find(line, '\0') < 0);
		MUST(line.len && span_find(line, '\r') == (ptrdiff_t)line.len - 1);
	}
}

static void read_back(struct arena *a, struct buf *b, const struct mail_dsn *d)
{
	struct mime_parser *p = mime_parser_new(a, NULL);
	struct mail_report report;
	struct mail_report_dsn dsn;
	struct mime_tree *tree;
	struct mime_part *machine;

	mime_parser_feed(p, buf_span(b));
	tree = mime_parser_end(&p);
	MUST(tree->root->child_count == 3);
	machine = tree->root->first->next;
	MUST(mime_part_is(machine, SPAN("message"),
		d->is_smtputf8 ? SPAN("global-delivery-status") : SPAN("delivery-status")));
	mail_report_parse(a,
		span_sub(buf_span(b), (size_t)machine->body_offset,
			(size_t)(machine->end_offset - machine->body_offset)),
		&report);
	mail_report_dsn(a, &report, &dsn);
	MUST(dsn.rcpt_count == d->rcpt_count && report.count == d->rcpt_count + 1);
	MUST(span_eq(dsn.reporting_mta, d->host));
	for (size_t i = 0; i < d->rcpt_count; i++)
		MUST(span_eq(
			dsn.rcpts[i].action, span_str(mail_dsn_action_str(d->rcpts[i].action))));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_of(data, size);
	struct mail_dsn_rcpt rcpts[RCPTS_MAX];
	struct mail_dsn_original original;
	struct arena *a;
	struct buf b;

	if (size < 2 + RCPTS_MAX)
		return 0;
	a = arena_new();
	rest = span_skip(rest, 2 + RCPTS_MAX);
	mail_dsn_read_original(a, take(&rest), 1795415470, &original);
	MUST(original.hop_count <= MAIL_DSN_HOPS_MAX);
	struct mail_dsn d = {.host = SPAN("mx.example"),
		.to = take(&rest),
		.queue_id = SPAN("0123456789ABC"),
		.envid = take(&rest),
		.id = 1,
		.random = 2,
		.arrived_sec = 1795415400,
		.now_sec = 1795415470,
		.words = data[0] & 4 ? original.words : (enum mail_dsn_words)(data[0] & 3),
		.rcpts = rcpts,
		.rcpt_count = 1 + data[1] % RCPTS_MAX,
		.hops = original.hops,
		.hop_count = original.hop_count,
		.hops_left_out = original.hops_left_out,
		.is_headers_only = data[0] & 8,
		.is_smtputf8 = data[0] & 16,
		.is_global = data[0] & 32};
	for (size_t i = 0; i < d.rcpt_count; i++)
		fill(&rest, &rcpts[i], data[2 + i]);
	buf_init(&b, 1 << 20);
	mail_dsn_put_head(&b, &d);
	mail_dsn_put_original(&b, &d, SPAN("Subject: x\r\n\r\n"));
	mail_dsn_put_tail(&b, &d);
	MUST(buf_ok(&b) &&
		(d.is_smtputf8 ? utf8_is_valid(buf_span(&b)) : span_is_ascii(buf_span(&b))));
	check_lines(buf_span(&b));
	read_back(a, &b, &d);
	buf_fini(&b);
	arena_free(&a);
	return 0;
}
