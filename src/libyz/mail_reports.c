/* Messages that are read: delivery status notifications and read receipts. */
#include <string.h>

#include "proto/mail/mail_header.h"
#include "proto/mail/mail_report.h"
#include "libyz/msg_priv.h"

static const struct yz_entity *find(const struct yz_mail *m, const char *type, const char *global)
{
	for (const struct yz_entity *e = yz_mail_root(m); e; e = yz_entity_next(e)) {
		if (yz_entity_is(e, type) || yz_entity_is(e, global))
			return e;
		/* what a report returns may be a report itself: that is not this one */
		if (e->part->kind == MIME_MESSAGE && e->parent)
			return NULL;
	}
	return NULL;
}

/* The report's fields; false: there is none that can be read. */
static bool read_report(const struct yz_entity *e, struct mail_report *report)
{
	struct buf b;
	bool ok;

	buf_init(&b, YZ_REPORT_MAX);
	ok = mail_body_buf(e, YZ_OCTETS, &b, NULL) == 0;
	if (ok)
		mail_report_parse(e->mail->a, arena_span(e->mail->a, buf_span(&b)), report);
	buf_fini(&b);
	return ok && report->count;
}

static const char *text_of(struct arena *a, struct span s)
{
	return s.len ? arena_str(a, s) : NULL;
}

static const struct yz_report_field *fields_of(
	struct arena *a, const struct mail_report_group *g, size_t *count_r)
{
	struct yz_report_field *f = ARENA_ARRAY(a, struct yz_report_field, g->count + 1);

	for (size_t i = 0; i < g->count; i++) {
		f[i].name = arena_str(a, g->fields[i].name);
		f[i].value = arena_str(a, g->fields[i].value);
	}
	*count_r = g->count;
	return f;
}

/* The parts before and behind the machine's (RFC 6522 section 3). */
static void around(const struct yz_entity *machine, const struct yz_entity **text_r,
	const struct yz_entity **original_r)
{
	const struct yz_entity *parent = machine->parent;
	bool is_behind = false;

	*text_r = *original_r = NULL;
	for (size_t i = 0; parent && i < yz_entity_children(parent); i++) {
		const struct yz_entity *e = yz_entity_child(parent, i);

		if (e == machine)
			is_behind = true;
		else if (!is_behind && !*text_r)
			*text_r = e;
		else if (is_behind && !*original_r &&
			(yz_entity_is(e, "message/") || yz_entity_is(e, "text/rfc822-headers")))
			*original_r = e;
	}
}

/* Of the message that came back, or of its header alone. */
static const char *original_id(const struct yz_entity *original)
{
	struct arena *a;
	const char *id = NULL;
	struct span value;
	size_t count = 0;
	struct buf b;

	if (!original)
		return NULL;
	a = original->mail->a;
	if (original->part->child_count) {
		const char *const *ids = yz_entity_ids(original + 1, "Message-ID", &count);

		return count ? ids[0] : NULL;
	}
	buf_init(&b, YZ_REPORT_MAX);
	if (mail_body_buf(original, YZ_OCTETS, &b, NULL) == 0 &&
		mail_header_find(buf_span(&b), SPAN("Message-ID"), &value)) {
		struct mime_ids ids;

		mime_ids_parse(a, arena_span(a, value), &ids);
		id = ids.count ? arena_str(a, ids.items[0]) : NULL;
	}
	buf_fini(&b);
	return id;
}

static void fill_rcpt(struct arena *a, const struct mail_report_rcpt *r, struct yz_dsn_rcpt *to)
{
	to->action = text_of(a, r->action);
	to->status = text_of(a, r->status);
	to->cls = r->cls;
	to->subject = r->subject;
	to->detail = r->detail;
	to->final_recipient = text_of(a, r->final_recipient);
	to->original_recipient = text_of(a, r->original_recipient);
	to->remote_mta = text_of(a, r->remote_mta);
	to->diagnostic = text_of(a, r->diagnostic);
	to->diagnostic_type = text_of(a, r->diagnostic_type);
	to->final_log_id = text_of(a, r->final_log_id);
	msg_date_fill(&r->last_attempt, &to->last_attempt);
	msg_date_fill(&r->will_retry_until, &to->will_retry_until);
	to->fields = fields_of(a, r->group, &to->field_count);
}

static struct yz_dsn *make_dsn(struct yz_mail *m)
{
	const struct yz_entity *machine = find(
		m, "message/delivery-status", "message/global-delivery-status");
	struct mail_report report;
	struct mail_report_dsn d;
	struct yz_dsn_rcpt *rcpts;
	struct yz_dsn *to;

	if (!machine || !read_report(machine, &report))
		return NULL;
	mail_report_dsn(m->a, &report, &d);
	to = ARENA_NEW(m->a, struct yz_dsn);
	rcpts = ARENA_ARRAY(m->a, struct yz_dsn_rcpt, d.rcpt_count + 1);
	to->reporting_mta = text_of(m->a, d.reporting_mta);
	to->received_from_mta = text_of(m->a, d.received_from_mta);
	to->dsn_gateway = text_of(m->a, d.dsn_gateway);
	to->envid = text_of(m->a, d.envid);
	msg_date_fill(&d.arrival, &to->arrival);
	for (size_t i = 0; i < d.rcpt_count; i++)
		fill_rcpt(m->a, &d.rcpts[i], &rcpts[i]);
	to->rcpts = rcpts;
	to->rcpt_count = d.rcpt_count;
	to->fields = fields_of(m->a, d.group, &to->field_count);
	around(machine, &to->text, &to->original);
	to->original_message_id = original_id(to->original);
	return to;
}

const struct yz_dsn *yz_mail_dsn(const struct yz_mail *mail)
{
	struct yz_mail *m = (struct yz_mail *)mail; /* what is found is kept there */

	if (m->tree && !m->has_looked_for_dsn) {
		m->has_looked_for_dsn = true;
		m->dsn = make_dsn(m);
	}
	return m->dsn;
}

static struct yz_mdn *make_mdn(struct yz_mail *m)
{
	const struct yz_entity *machine = find(
		m, "message/disposition-notification", "message/global-disposition-notification");
	struct mail_report report;
	struct mail_report_mdn d;
	struct yz_mdn *to;

	if (!machine || !read_report(machine, &report))
		return NULL;
	mail_report_mdn(m->a, &report, &d);
	to = ARENA_NEW(m->a, struct yz_mdn);
	to->reporting_ua = text_of(m->a, d.reporting_ua);
	to->mdn_gateway = text_of(m->a, d.mdn_gateway);
	to->final_recipient = text_of(m->a, d.final_recipient);
	to->original_recipient = text_of(m->a, d.original_recipient);
	to->original_message_id = text_of(m->a, d.original_message_id);
	to->disposition = text_of(m->a, d.disposition);
	to->is_automatic = d.is_automatic;
	to->was_sent_automatically = d.was_sent_automatically;
	to->modifiers = arena_str(m->a, d.modifiers);
	to->error = text_of(m->a, d.error);
	to->fields = fields_of(m->a, d.group, &to->field_count);
	around(machine, &to->text, &to->original);
	return to;
}

const struct yz_mdn *yz_mail_mdn(const struct yz_mail *mail)
{
	struct yz_mail *m = (struct yz_mail *)mail; /* what is found is kept there */

	if (m->tree && !m->has_looked_for_mdn) {
		m->has_looked_for_mdn = true;
		m->mdn = make_mdn(m);
	}
	return m->mdn;
}
