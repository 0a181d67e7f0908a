#pragma once
/* Reading reports: delivery status notifications (RFC 3464, RFC 6533) and read receipts (RFC 8098),
 * as servers and clients in the field write them. The caller finds the part and undoes its transfer
 * encoding; mail_dsn.h writes them. Pure, linear, lenient: what is missing or malformed is "" or 0. */

#include "base/arena.h"
#include "proto/mail/mime_date.h"

#define MAIL_REPORT_GROUPS_MAX 10000 /* recipients, and what stands before them */
#define MAIL_REPORT_FIELDS_MAX 50000 /* of all groups */

struct mail_report_field {
	struct span name, value; /* the value unfolded */
};
struct mail_report_group {
	struct mail_report_field *fields;
	size_t count;
};
/* Groups of fields between empty lines. */
struct mail_report {
	struct mail_report_group *groups;
	size_t count;
	bool is_cut; /* a limit was reached */
};
/** Lives in `a`. */
void mail_report_parse(struct arena *a, struct span body, struct mail_report *report_r);
/** The first field of that name in a group; ptr NULL: none. */
struct span mail_report_get(const struct mail_report_group *g, struct span name);

/** "rfc822; a@b (comment)": type and the rest, trimmed, comments at its end gone; an address of type
 * utf-8 has its \x{…} undone. Without a ';' all is the rest. */
void mail_report_typed(
	struct arena *a, struct span value, struct span *type_r, struct span *rest_r);

struct mail_report_rcpt {
	const struct mail_report_group *group;
	struct span action, status; /* lower case; "5.1.1" */
	unsigned cls, subject, detail;
	struct span final_recipient, original_recipient;
	struct span remote_mta, diagnostic, diagnostic_type, final_log_id;
	struct mime_date last_attempt, will_retry_until; /* unix_sec 0: not told */
};
struct mail_report_dsn {
	const struct mail_report_group *group; /* NULL: the report is empty */
	struct span reporting_mta, received_from_mta, dsn_gateway, envid;
	struct mime_date arrival;
	struct mail_report_rcpt *rcpts;
	size_t rcpt_count;
};
void mail_report_dsn(
	struct arena *a, const struct mail_report *report, struct mail_report_dsn *dsn_r);

struct mail_report_mdn {
	const struct mail_report_group *group; /* NULL: the report is empty */
	struct span reporting_ua, mdn_gateway, final_recipient, original_recipient;
	struct span original_message_id, error;
	struct span disposition, modifiers; /* lower case */
	bool is_automatic, was_sent_automatically;
};
void mail_report_mdn(
	struct arena *a, const struct mail_report *report, struct mail_report_mdn *mdn_r);
