/* Messages that are made: fields. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "proto/mail/mime_date.h"
#include "libyz/msg_priv.h"

#define ZONE_MAX (14 * 60 + 59) /* minutes; none is farther from UTC */
#define YEAR_MAX 9999

struct yz_msg *yz_msg_new(void)
{
	struct yz_msg *m = NEW(struct yz_msg);

	m->m = msg_new();
	m->a = arena_new();
	m->view = arena_new();
	return m;
}

void yz_msg_free(struct yz_msg **mp)
{
	struct yz_msg *m = *mp;

	if (!m)
		return;
	*mp = NULL;
	msg_free(&m->m);
	arena_free(&m->view);
	arena_free(&m->a);
	free(m);
}

const struct yz_error *yz_msg_error(const struct yz_msg *m)
{
	return &m->error;
}

int yz_msg_add(struct yz_msg *m, const char *name, const char *text)
{
	struct err e = {0};

	return msg_result(&m->error, msg_add_text(m->m, span_str(name), span_str(text), &e), &e);
}

static int replace(struct yz_msg *m, const char *name, const char *value, msg_add_fn *add)
{
	struct err e = {0};

	return msg_result(
		&m->error, msg_replace(m->m, span_str(name), span_str(value), add, &e), &e);
}

int yz_msg_set(struct yz_msg *m, const char *name, const char *text)
{
	return replace(m, name, text, msg_add_text);
}

int yz_msg_add_ready(struct yz_msg *m, const char *name, const char *value)
{
	struct err e = {0};

	return msg_result(&m->error, msg_add_value(m->m, span_str(name), span_str(value), &e), &e);
}

size_t yz_msg_remove(struct yz_msg *m, const char *name)
{
	return msg_remove(m->m, span_str(name));
}

const char *yz_msg_get(const struct yz_msg *m, const char *name)
{
	const char *value, *found;

	for (size_t i = 0; (found = yz_msg_field(m, i, &value)); i++)
		if (span_eq_nocase(span_str(found), span_str(name)))
			return value;
	return NULL;
}

const char *yz_msg_field(const struct yz_msg *m, size_t i, const char **value_r)
{
	struct span name, value;

	arena_reset(m->view);
	if (!msg_field_at(m->m, i, m->view, &name, &value))
		return NULL;
	if (value_r)
		*value_r = arena_str(m->view, value);
	return arena_str(m->view, name);
}

int yz_msg_addresses(struct yz_msg *m, const char *name, const char *list)
{
	struct err e = {0};

	return msg_result(
		&m->error, msg_join_mailboxes(m->m, span_str(name), span_str(list), &e), &e);
}

int yz_msg_from(struct yz_msg *m, const char *list)
{
	return yz_msg_addresses(m, "From", list);
}

int yz_msg_sender(struct yz_msg *m, const char *mailbox)
{
	struct mime_address_list list;

	/* RFC 5322 section 3.6.2: one mailbox */
	arena_reset(m->view);
	mime_address_parse(m->view, span_str(mailbox), 2, &list);
	if (list.count != 1 || list.mailboxes != 1)
		return msg_error_set(&m->error, YZ_E_INVAL, "a sender is one mailbox");
	return replace(m, "Sender", mailbox, msg_add_mailboxes);
}

int yz_msg_reply_to(struct yz_msg *m, const char *list)
{
	return yz_msg_addresses(m, "Reply-To", list);
}

int yz_msg_to(struct yz_msg *m, const char *list)
{
	return yz_msg_addresses(m, "To", list);
}

int yz_msg_cc(struct yz_msg *m, const char *list)
{
	return yz_msg_addresses(m, "Cc", list);
}

int yz_msg_bcc(struct yz_msg *m, const char *list)
{
	return yz_msg_addresses(m, "Bcc", list);
}

int yz_msg_mailbox(struct yz_msg *m, const char *name, const char *display, const char *address)
{
	struct err e = {0};

	return msg_result(&m->error,
		msg_add_mailbox(m->m, span_str(name), span_str(display), span_str(address), &e),
		&e);
}

int yz_msg_group(struct yz_msg *m, const char *name, const char *group,
	const struct yz_address *items, size_t count)
{
	struct msg_mailbox *mailboxes;
	struct err e = {0};

	if (count > MIME_ADDRESSES_MAX)
		return msg_error_set(&m->error, YZ_E_LIMIT, "a group of more than %d addresses",
			MIME_ADDRESSES_MAX);
	arena_reset(m->view);
	mailboxes = ARENA_ARRAY(m->view, struct msg_mailbox, count + 1);
	for (size_t i = 0; i < count; i++) {
		mailboxes[i].display = span_str(items[i].name);
		mailboxes[i].address = span_str(items[i].address);
	}
	return msg_result(&m->error,
		msg_add_group(m->m, span_str(name), span_str(group), mailboxes, count, &e), &e);
}

int yz_msg_subject(struct yz_msg *m, const char *text)
{
	return yz_msg_set(m, "Subject", text);
}

static bool is_time(int64_t unix_sec, int zone_minutes)
{
	const struct clock_civil last = {.year = YEAR_MAX, .month = 12, .day = 30};

	return zone_minutes >= -ZONE_MAX && zone_minutes <= ZONE_MAX && unix_sec >= 0 &&
		unix_sec < clock_from_civil(&last);
}

int yz_msg_date(struct yz_msg *m, const char *name, int64_t unix_sec, int zone_minutes)
{
	struct buf b;
	int rc;

	if (!is_time(unix_sec, zone_minutes))
		return msg_error_set(&m->error, YZ_E_INVAL, "a time that no date can tell");
	buf_init(&b, MSG_LINE_SHOULD);
	clock_put_rfc5322(&b, unix_sec, zone_minutes);
	rc = replace(m, name, buf_cstr(&b), msg_add_value);
	buf_fini(&b);
	return rc;
}

int yz_msg_id(struct yz_msg *m, const char *id)
{
	struct mime_ids ids;
	const char *value;

	arena_reset(m->view);
	value = id[0] == '<' ? id : arena_printf(m->view, "<%s>", id);
	mime_ids_parse(m->view, span_str(value), &ids);
	if (ids.count != 1 || ids.has_defects || !span_is_ascii(span_str(value)) ||
		span_has_line_break(span_str(value)))
		return msg_error_set(&m->error, YZ_E_INVAL, "not a Message-ID");
	return replace(m, "Message-ID", value, msg_add_value);
}

/* The domain of From, as a header can have it. */
static const char *own_host(struct yz_msg *m)
{
	struct span from = SPAN_NONE, name, value, domain = SPAN_NONE;
	struct mime_address_list list;
	const char *host = "localhost";
	struct buf b;

	for (size_t i = 0; msg_field_at(m->m, i, m->view, &name, &value); i++)
		if (span_eq_nocase(name, SPAN("From")))
			from = value;
	mime_address_parse(m->view, from, MIME_ADDRESSES_MAX, &list);
	for (size_t i = 0; i < list.count && !domain.len; i++)
		domain = list.items[i].domain;
	buf_init(&b, MSG_ADDRESS_MAX);
	if (domain.len && domain.ptr[0] != '[' && msg_ascii_domain(&b, domain) && buf_ok(&b))
		host = arena_str(m->view, buf_span(&b));
	buf_fini(&b);
	return host;
}

int yz_msg_host(struct yz_msg *m, const char *host)
{
	for (const char *c = host; *c; c++)
		if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f ||
			strchr("<>@()\"\\,", *c))
			return msg_error_set(&m->error, YZ_E_INVAL, "not a host name");
	if (strlen(host) > MSG_ADDRESS_MAX)
		return msg_error_set(&m->error, YZ_E_LIMIT, "a host name that is too long");
	m->host = arena_str(m->a, span_str(host));
	m->made_id = NULL;
	return msg_fine(&m->error);
}

int yz_msg_zone(struct yz_msg *m, int zone_minutes)
{
	if (!is_time(0, zone_minutes))
		return msg_error_set(&m->error, YZ_E_INVAL, "no such zone");
	m->zone_minutes = zone_minutes;
	return msg_fine(&m->error);
}

const char *yz_msg_message_id(struct yz_msg *m)
{
	struct span given = msg_get(m->m, SPAN("Message-ID"));
	char *made;

	if (given.ptr)
		return arena_str(m->a, given);
	if (!m->made_id) {
		arena_reset(m->view);
		made = yz_make_message_id(NULL, m->host ? m->host : own_host(m));
		m->made_id = arena_str(m->a, span_str(made));
		yz_free(made);
	}
	return m->made_id;
}

void msg_settings_of(struct yz_msg *m, const struct yz_msg_options *o, struct msg_settings *s_r)
{
	memset(s_r, 0, sizeof(*s_r));
	s_r->now_sec = msg_now_sec();
	s_r->zone_minutes = m->zone_minutes;
	s_r->random = msg_random();
	/* "": the caller wants none */
	if (!m->host || m->host[0])
		s_r->message_id = span_str(yz_msg_message_id(m));
	if (!o)
		return;
	s_r->way = (enum msg_way)o->way;
	s_r->is_utf8 = o->is_utf8;
	s_r->charset = span_str(o->charset);
	s_r->line_max = o->fold;
	s_r->keeps_bcc = o->keeps_bcc;
	if (o->is_ascii_domains)
		s_r->ascii_domain = msg_ascii_domain;
}

static bool is_url(const char *url, const char *scheme)
{
	if (!span_starts_nocase(span_str(url), span_str(scheme)))
		return false;
	for (const char *c = url; *c; c++)
		if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f || strchr("<>,", *c))
			return false;
	return strlen(url) < MSG_LINE_MUST - MSG_NAME_MAX - 3;
}

int yz_msg_list_unsubscribe(struct yz_msg *m, const char *https, const char *mailto, bool one_click)
{
	const char *value;
	int rc;

	if ((!https && !mailto) || (https && !is_url(https, "https://")) ||
		(mailto && !is_url(mailto, "mailto:")) || (one_click && !https))
		return msg_error_set(&m->error, YZ_E_INVAL, "not what List-Unsubscribe can tell");
	arena_reset(m->view);
	/* RFC 8058 section 3.1: one https URI, others may stand beside it */
	value = !mailto ? arena_printf(m->view, "<%s>", https)
		: https ? arena_printf(m->view, "<%s>, <%s>", https, mailto)
			: arena_printf(m->view, "<%s>", mailto);
	rc = replace(m, "List-Unsubscribe", value, msg_add_value);
	if (rc != YZ_OK)
		return rc;
	if (one_click)
		return replace(
			m, "List-Unsubscribe-Post", "List-Unsubscribe=One-Click", msg_add_value);
	msg_remove(m->m, SPAN("List-Unsubscribe-Post"));
	return YZ_OK;
}
