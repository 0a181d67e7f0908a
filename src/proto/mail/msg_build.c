#include "proto/mail/msg_build.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "base/utf8.h"
#include "proto/mail/mail_field.h"
#include "proto/mail/mime_charset.h"
#include "proto/mail/mime_lex.h"
#include "proto/mail/msg_build_priv.h"

struct msg *msg_new(void)
{
	struct msg *m = NEW(struct msg);

	m->a = arena_new();
	m->fields_end = &m->fields;
	m->inlines_end = &m->inlines;
	m->attachments_end = &m->attachments;
	return m;
}

void msg_free(struct msg **mp)
{
	struct msg *m = *mp;

	if (!m)
		return;
	*mp = NULL;
	arena_free(&m->a);
	free(m);
}

int msg_refuse(struct err *e, const char *what)
{
	err_set(e, ERR_SYNTAX, "%s", what);
	return err_scope_set(e, ERR_SCOPE_MSG, ERR_AGAIN_NEVER);
}

/* The one place where foreign text enters a header. */
int msg_check_value(struct span value, struct err *e)
{
	if (span_has_line_break(value))
		return msg_refuse(e, "CR, LF or NUL in a header value");
	if (value.len > MSG_FIELD_MAX)
		return err_set(
			e, ERR_LIMIT, "a header value of more than %d octets", MSG_FIELD_MAX);
	if (!utf8_is_valid(value))
		return msg_refuse(e, "a header value that is not UTF-8");
	return 0;
}

/* RFC 5322 section 3.6.8 */
static int check_name(struct span name, struct err *e)
{
	if (name.len == 0 || name.len > MSG_NAME_MAX)
		return msg_refuse(e, "a field name that is empty or too long");
	for (size_t i = 0; i < name.len; i++)
		if (name.ptr[i] <= ' ' || name.ptr[i] >= 0x7f || name.ptr[i] == ':')
			return msg_refuse(e, "a field name with forbidden characters");
	return 0;
}

struct msg_field *msg_find_field(const struct msg *m, struct span name)
{
	for (struct msg_field *f = m->fields; f; f = f->next)
		if (span_eq_nocase(f->name, name))
			return f;
	return NULL;
}

/* RFC 5322 section 3.6 */
static bool is_single(struct span name)
{
	switch (mime_field_id_of(name)) {
	case MIME_FIELD_DATE:
	case MIME_FIELD_SUBJECT:
	case MIME_FIELD_FROM:
	case MIME_FIELD_SENDER:
	case MIME_FIELD_REPLY_TO:
	case MIME_FIELD_TO:
	case MIME_FIELD_CC:
	case MIME_FIELD_BCC:
	case MIME_FIELD_MESSAGE_ID:
	case MIME_FIELD_IN_REPLY_TO:
	case MIME_FIELD_REFERENCES:
	case MIME_FIELD_MIME_VERSION: return true;
	default: return false;
	}
}

/* Content fields come from the parts. */
static bool is_content(struct span name)
{
	return span_starts_nocase(name, SPAN("Content-")) ||
		span_eq_nocase(name, SPAN("MIME-Version"));
}

struct msg_field *msg_add_field(
	struct msg *m, enum msg_field_kind kind, struct span name, struct span value, struct err *e)
{
	struct msg_field *f;

	if (check_name(name, e) < 0 || msg_check_value(value, e) < 0)
		return NULL;
	if (is_content(name)) {
		msg_refuse(e, "fields of the content are told by its parts");
		return NULL;
	}
	if (is_single(name) && msg_find_field(m, name)) {
		err_set(e, ERR_EXISTS, "a second field " SPAN_FMT, SPAN_ARG(name));
		err_scope_set(e, ERR_SCOPE_MSG, ERR_AGAIN_NEVER);
		return NULL;
	}
	if (m->field_count == MSG_FIELDS_MAX) {
		err_set(e, ERR_LIMIT, "more than %d fields", MSG_FIELDS_MAX);
		return NULL;
	}
	f = ARENA_NEW(m->a, struct msg_field);
	f->kind = kind;
	f->name = arena_span(m->a, name);
	f->value = arena_span(m->a, value);
	*m->fields_end = f;
	m->fields_end = &f->next;
	m->field_count++;
	return f;
}

int msg_add_text(struct msg *m, struct span name, struct span text, struct err *e)
{
	/* an encoded word must not stand in an address or an id (RFC 2047 section 5) */
	switch (mime_field_id_of(name)) {
	case MIME_FIELD_FROM:
	case MIME_FIELD_SENDER:
	case MIME_FIELD_REPLY_TO:
	case MIME_FIELD_TO:
	case MIME_FIELD_CC:
	case MIME_FIELD_BCC:
	case MIME_FIELD_RESENT_FROM:
	case MIME_FIELD_RESENT_SENDER:
	case MIME_FIELD_RESENT_TO:
	case MIME_FIELD_RESENT_CC:
	case MIME_FIELD_RESENT_BCC: return msg_add_mailboxes(m, name, text, e);
	case MIME_FIELD_DATE:
	case MIME_FIELD_RESENT_DATE:
	case MIME_FIELD_MESSAGE_ID:
	case MIME_FIELD_IN_REPLY_TO:
	case MIME_FIELD_REFERENCES: return msg_add_value(m, name, text, e);
	default: return msg_add_field(m, MSG_FIELD_TEXT, name, text, e) ? 0 : -1;
	}
}

int msg_add_value(struct msg *m, struct span name, struct span value, struct err *e)
{
	size_t word = 0;

	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.ptr[i];

		word = c == ' ' || c == '\t' ? 0 : word + 1;
		if ((c < ' ' && c != '\t') || c >= 0x7f)
			return msg_refuse(e, "a ready header value must be printable ASCII");
		if (word > MSG_LINE_MUST - MSG_NAME_MAX - 3)
			return msg_refuse(
				e, "a ready header value has a word that fits in no line");
	}
	return msg_add_field(m, MSG_FIELD_VALUE, name, value, e) ? 0 : -1;
}

int msg_add_date(struct msg *m, struct span name, int64_t unix_sec, int zone_minutes, struct err *e)
{
	struct buf b;
	int rc;

	buf_init(&b, MSG_LINE_SHOULD);
	clock_put_rfc5322(&b, unix_sec, zone_minutes);
	rc = msg_add_value(m, name, buf_span(&b), e);
	buf_fini(&b);
	return rc;
}

/* The last field goes where `at` others stand before it. */
static void move_last(struct msg *m, size_t at)
{
	struct msg_field **to = &m->fields, **from, *last;

	while (at-- > 0)
		to = &(*to)->next;
	for (from = to; (*from)->next;)
		from = &(*from)->next;
	if (from == to)
		return;
	last = *from;
	*from = NULL;
	m->fields_end = from;
	last->next = *to;
	*to = last;
}

int msg_replace(struct msg *m, struct span name, struct span value, msg_add_fn *add, struct err *e)
{
	struct msg_field **was = ARENA_ARRAY(m->a, struct msg_field *, m->field_count + 1), *f;
	size_t count = 0, first = m->field_count;

	for (f = m->fields; f; f = f->next) {
		if (first == m->field_count && span_eq_nocase(f->name, name))
			first = count;
		was[count++] = f;
	}
	msg_remove(m, name);
	if (add(m, name, value, e) < 0) {
		m->fields_end = &m->fields;
		for (size_t i = 0; i < count; i++) {
			*m->fields_end = was[i];
			m->fields_end = &was[i]->next;
		}
		*m->fields_end = NULL;
		m->field_count = count;
		return -1;
	}
	if (first < count)
		move_last(m, first);
	return 0;
}

size_t msg_remove(struct msg *m, struct span name)
{
	struct msg_field **at = &m->fields;
	size_t count = 0;

	while (*at) {
		if (span_eq_nocase((*at)->name, name)) {
			*at = (*at)->next;
			count++;
		} else {
			at = &(*at)->next;
		}
	}
	m->fields_end = at;
	m->field_count -= count;
	return count;
}

struct span msg_get(const struct msg *m, struct span name)
{
	const struct msg_field *f = msg_find_field(m, name);

	return f ? f->value : SPAN_NONE;
}

bool msg_field_at(
	const struct msg *m, size_t i, struct arena *a, struct span *name_r, struct span *value_r)
{
	const struct msg_field *f = m->fields;

	while (f && i-- > 0)
		f = f->next;
	if (!f)
		return false;
	*name_r = f->name;
	*value_r = msg_value(a, f);
	return true;
}

static bool needs_utf8(const struct msg *m, bool also_domains)
{
	for (const struct msg_field *f = m->fields; f; f = f->next)
		for (size_t i = 0; i < f->list.count; i++)
			if (f->list.items[i].kind == MIME_MAILBOX &&
				!(span_is_ascii(f->list.items[i].local) &&
					(!also_domains || span_is_ascii(f->list.items[i].domain))))
				return true;
	return false;
}

bool msg_needs_utf8(const struct msg *m)
{
	return needs_utf8(m, true);
}

bool msg_needs_utf8_locals(const struct msg *m)
{
	return needs_utf8(m, false);
}

/* Bcc stays at home (RFC 5322 section 3.6.3). */
static bool is_hidden(struct span name)
{
	return span_eq_nocase(name, SPAN("Bcc")) || span_eq_nocase(name, SPAN("Resent-Bcc"));
}

static int put_field(
	struct buf *b, const struct msg_field *field, const struct msg_settings *s, struct err *e)
{
	struct msg_fold f;
	int rc = 0;

	msg_fold_init(&f, b, s, field->name);
	switch (field->kind) {
	case MSG_FIELD_TEXT: msg_fold_text(&f, field->value); break;
	case MSG_FIELD_VALUE: msg_fold_value(&f, field->value); break;
	case MSG_FIELD_MAILBOXES: rc = msg_fold_mailboxes(&f, &field->list, e); break;
	}
	msg_fold_end(&f);
	return rc;
}

int msg_put_one(struct buf *b, struct span name, struct span text, const struct msg_settings *s,
	struct err *e)
{
	struct msg *m = msg_new();
	int rc = msg_add_text(m, name, text, e);

	if (rc == 0)
		rc = put_field(b, m->fields, s, e);
	if (rc == 0 && !buf_ok(b))
		rc = err_set(e, ERR_LIMIT, "a field of more than %zu octets", b->max);
	msg_free(&m);
	return rc;
}

int msg_put_header(struct msg *m, const struct msg_part *root, const struct msg_settings *s,
	struct buf *b, struct err *e)
{
	for (const struct msg_field *f = m->fields; f; f = f->next)
		if ((s->keeps_bcc || !is_hidden(f->name)) && put_field(b, f, s, e) < 0)
			return -1;
	if (!msg_find_field(m, SPAN("Date")))
		mail_date_put(b, s->now_sec, s->zone_minutes);
	if (!msg_find_field(m, SPAN("Message-ID")) && (s->message_id.len || s->host.len)) {
		buf_str(b, "Message-ID: ");
		if (s->message_id.len)
			buf_span_put(b, s->message_id);
		else
			mail_message_id_put(b, s->id, s->random, s->host);
		buf_str(b, "\r\n");
	}
	buf_str(b, "MIME-Version: 1.0\r\n");
	if (root)
		msg_put_content(b, root, s);
	buf_str(b, "\r\n");
	if (!buf_ok(b))
		return err_set(e, ERR_LIMIT, "a header section of more than %zu octets", b->max);
	return 0;
}

/* A name that may stand in an encoded word. */
static bool is_charset(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!mime_is_token(name.ptr[i]) || name.ptr[i] == '*' ||
			(unsigned char)name.ptr[i] >= 0x80)
			return false;
	return name.len <= MIME_CHARSET_NAME_MAX;
}

void msg_settle(struct msg_settings *s)
{
	if (!s->line_max || s->line_max > MSG_LINE_MUST)
		s->line_max = MSG_LINE_SHOULD;
	if (!is_charset(s->charset))
		s->charset = SPAN_NONE;
}

int msg_write(
	struct msg *m, const struct msg_settings *s, const struct msg_sink *sink, struct err *e)
{
	struct msg_reader *r = msg_reader_new(m, s, e);
	struct span piece = SPAN_NONE;
	int rc = r ? 0 : -1;

	while (rc == 0) {
		rc = msg_reader_next(r, &piece, e);
		if (rc < 0 || !piece.len)
			break;
		rc = sink->write(sink->arg, piece, e);
	}
	msg_reader_free(&r);
	return rc;
}

static int to_buf(void *arg, struct span octets, struct err *e)
{
	struct buf *b = arg;

	buf_span_put(b, octets);
	return buf_ok(b) ? 0 : err_set(e, ERR_LIMIT, "a message of more than %zu octets", b->max);
}

int msg_write_buf(struct msg *m, const struct msg_settings *s, struct buf *out, struct err *e)
{
	const struct msg_sink sink = {to_buf, out};

	return msg_write(m, s, &sink, e);
}
