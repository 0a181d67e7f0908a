#include "proto/mail/msg_build.h"

#include <stdlib.h>
#include <string.h>

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

static struct msg_field *find_field(const struct msg *m, struct span name)
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

static struct msg_field *add_field(
	struct msg *m, enum msg_field_kind kind, struct span name, struct span value, struct err *e)
{
	struct msg_field *f;

	if (check_name(name, e) < 0 || msg_check_value(value, e) < 0)
		return NULL;
	if (is_content(name)) {
		msg_refuse(e, "fields of the content are told by its parts");
		return NULL;
	}
	if (is_single(name) && find_field(m, name)) {
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
	default: return add_field(m, MSG_FIELD_TEXT, name, text, e) ? 0 : -1;
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
	return add_field(m, MSG_FIELD_VALUE, name, value, e) ? 0 : -1;
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

/* local@domain, as it may stand in a header: what cannot be quoted is refused. */
static int check_address(const struct mime_address *m, struct err *e)
{
	if (m->kind != MIME_MAILBOX)
		return 0;
	if (m->local.len + m->domain.len > MSG_ADDRESS_MAX)
		return err_set(e, ERR_LIMIT, "an address of more than %d octets", MSG_ADDRESS_MAX);
	for (size_t i = 0; i < m->local.len; i++)
		if ((unsigned char)m->local.ptr[i] < ' ' || m->local.ptr[i] == 0x7f)
			return msg_refuse(e, "an address with control characters");
	for (size_t i = 0; m->domain.len && m->domain.ptr[0] == '[' && i < m->domain.len; i++)
		if (m->domain.ptr[i] <= ' ' || m->domain.ptr[i] >= 0x7f)
			return msg_refuse(e, "an address literal with forbidden characters");
	return 0;
}

int msg_add_mailboxes(struct msg *m, struct span name, struct span list, struct err *e)
{
	struct mime_address_list parsed;
	struct msg_field *f;

	if (msg_check_value(list, e) < 0)
		return -1;
	list = arena_span(m->a, list);
	mime_address_parse(m->a, list, MIME_ADDRESSES_MAX, &parsed);
	if (mime_defects_ambiguous(parsed.defects))
		return msg_refuse(e, "a malformed address list");
	for (size_t i = 0; i < parsed.count; i++) {
		if (check_address(&parsed.items[i], e) < 0)
			return -1;
		parsed.items[i].name = mime_address_name(m->a, &parsed.items[i]);
	}
	f = add_field(m, MSG_FIELD_MAILBOXES, name, list, e);
	if (!f)
		return -1;
	f->list = parsed;
	return 0;
}

static void append_address(
	struct arena *a, struct mime_address_list *l, const struct mime_address *m)
{
	struct mime_address *more = ARENA_ARRAY(a, struct mime_address, l->count + 1);

	/* lists made one by one are short; a long one comes through msg_add_mailboxes() */
	if (l->count)
		memcpy(more, l->items, l->count * sizeof(*more));
	more[l->count] = *m;
	l->items = more;
	l->count++;
	l->mailboxes++;
}

int msg_add_mailbox(
	struct msg *m, struct span name, struct span display, struct span address, struct err *e)
{
	struct mime_address_list parsed;
	struct msg_field *f = find_field(m, name);

	if (msg_check_value(display, e) < 0 || msg_check_value(address, e) < 0)
		return -1;
	mime_address_parse(m->a, arena_span(m->a, address), 2, &parsed);
	if (parsed.count != 1 || parsed.mailboxes != 1 || parsed.items[0].name.len ||
		mime_defects_ambiguous(parsed.defects))
		return msg_refuse(e, "not an address");
	if (check_address(&parsed.items[0], e) < 0)
		return -1;
	parsed.items[0].name = arena_span(m->a, display);
	if (!f || f->kind != MSG_FIELD_MAILBOXES)
		f = add_field(m, MSG_FIELD_MAILBOXES, name, address, e);
	if (!f)
		return -1;
	append_address(m->a, &f->list, &parsed.items[0]);
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
	const struct msg_field *f = find_field(m, name);

	return f ? f->value : SPAN_NONE;
}

bool msg_needs_utf8(const struct msg *m)
{
	for (const struct msg_field *f = m->fields; f; f = f->next)
		for (size_t i = 0; i < f->list.count; i++)
			if (f->list.items[i].kind == MIME_MAILBOX &&
				!(span_is_ascii(f->list.items[i].local) &&
					span_is_ascii(f->list.items[i].domain)))
				return true;
	return false;
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

static int put_header(struct msg *m, const struct msg_part *root, const struct msg_settings *s,
	struct buf *b, struct err *e)
{
	for (const struct msg_field *f = m->fields; f; f = f->next)
		if ((s->keeps_bcc || !is_hidden(f->name)) && put_field(b, f, s, e) < 0)
			return -1;
	if (!find_field(m, SPAN("Date")))
		mail_date_put(b, s->now_sec, s->zone_minutes);
	if (!find_field(m, SPAN("Message-ID")) && s->host.len) {
		buf_str(b, "Message-ID: ");
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

int msg_write(
	struct msg *m, const struct msg_settings *s, const struct msg_sink *sink, struct err *e)
{
	struct msg_settings own = *s;
	struct msg_part *root;
	struct buf header;
	unsigned counter = 0;
	struct err first = {0};
	int rc = -1;

	if (!own.line_max || own.line_max > MSG_LINE_MUST)
		own.line_max = MSG_LINE_SHOULD;
	if (!is_charset(own.charset))
		own.charset = SPAN_NONE;
	root = m->root ? m->root : msg_compose(m, &first);
	if (!root && first.code != ERR_NONE)
		return err_copy(e, &first);
	buf_init(&header, 16 * MSG_FIELD_MAX);
	if ((!root || msg_plan(root, &own, &counter, e) == 0) &&
		put_header(m, root, &own, &header, e) == 0 &&
		sink->write(sink->arg, buf_span(&header), e) == 0)
		rc = root ? msg_write_body(root, &own, sink, e) : 0;
	if (root)
		msg_unplan(root);
	buf_fini(&header);
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
