/* Reports of any shape: no crash, and what is typed stands in the fields it was read from. */
#include "base/must.h"
#include "proto/mail/mail_report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct mail_report report;
	struct mail_report_dsn dsn;
	struct mail_report_mdn mdn;
	size_t fields = 0;

	mail_report_parse(a, span_of(data, size), &report);
	MUST(report.count <= MAIL_REPORT_GROUPS_MAX);
	for (size_t i = 0; i < report.count; i++)
		for (size_t k = 0; k < report.groups[i].count; k++) {
			const struct mail_report_field *f = &report.groups[i].fields[k];

			MUST(span_find(f->name, '\n') < 0 && span_find(f->value, '\n') < 0);
			fields++;
		}
	MUST(fields <= MAIL_REPORT_FIELDS_MAX);
	mail_report_dsn(a, &report, &dsn);
	MUST(dsn.rcpt_count <= report.count && !dsn.group == !report.count);
	for (size_t i = 0; i < dsn.rcpt_count; i++)
		MUST(dsn.rcpts[i].cls <= 9 && dsn.rcpts[i].detail <= 999);
	mail_report_mdn(a, &report, &mdn);
	MUST(span_find(mdn.disposition, '/') < 0);
	arena_free(&a);
	return 0;
}
