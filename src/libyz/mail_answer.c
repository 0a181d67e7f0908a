/* Answers: a reply and a forward of a message that was read. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "libyz/msg_priv.h"

#define REFERENCES_MAX 50 /* ids kept of a long thread: the first and the last ones */

static const struct yz_entity *root_of(const struct yz_mail *m)
{
	return yz_mail_root(m);
}

static bool is_among(const struct yz_addresses *list, const char *address)
{
	for (size_t i = 0; list && i < list->count; i++)
		if (span_eq_nocase(span_str(list->items[i].address), span_str(address)))
			return true;
	return false;
}

/* What is malformed gets no answer; who is in `but`, or has it already, neither. */
static void add_all(struct yz_msg *to, const char *field, const struct yz_addresses *list,
	const struct yz_addresses *but, const struct yz_addresses *also_but)
{
	for (size_t i = 0; i < list->count; i++)
		if (!is_among(but, list->items[i].address) &&
			!is_among(also_but, list->items[i].address))
			yz_msg_mailbox(to, field, list->items[i].name, list->items[i].address);
}

static void put_recipients(
	struct yz_msg *r, const struct yz_mail *m, const struct yz_addresses *self, unsigned flags)
{
	const struct yz_entity *root = root_of(m);
	const struct yz_addresses *to = yz_entity_addresses(root, "Reply-To");

	if (!to->count)
		to = yz_entity_addresses(root, "From");
	/* an answer to what oneself wrote goes where that went */
	if (to->count && is_among(self, to->items[0].address))
		to = yz_entity_addresses(root, "To");
	add_all(r, "To", to, NULL, NULL);
	if (flags & YZ_REPLY_ALL) {
		add_all(r, "Cc", yz_entity_addresses(root, "To"), self, to);
		add_all(r, "Cc", yz_entity_addresses(root, "Cc"), self, to);
	}
}

/* RFC 5322 section 3.6.5: one "Re: " only. */
static void put_subject(struct yz_msg *r, const struct yz_mail *m, const char *prefix)
{
	const char *subject = yz_mail_get(m, "Subject");
	struct arena *a = arena_new();

	subject = subject ? subject : "";
	if (!span_starts_nocase(span_str(subject), span_trim(span_str(prefix))))
		subject = arena_printf(a, "%s%s", prefix, subject);
	yz_msg_subject(r, subject);
	arena_free(&a);
}

/* RFC 5322 section 3.6.4 */
static void put_thread(struct yz_msg *r, const struct yz_mail *m)
{
	size_t id_count, count;
	const char *const *id = yz_entity_ids(root_of(m), "Message-ID", &id_count);
	const char *const *list = yz_entity_ids(root_of(m), "References", &count);
	struct buf b;

	if (!id_count)
		return;
	if (!count) {
		list = yz_entity_ids(root_of(m), "In-Reply-To", &count);
		count = count == 1 ? 1 : 0;
	}
	yz_msg_add_ready(r, "In-Reply-To", id[0]);
	buf_init(&b, MSG_FIELD_MAX);
	for (size_t i = 0; i < count; i++)
		if (i == 0 || i + REFERENCES_MAX > count)
			buf_printf(&b, "%s ", list[i]);
	buf_str(&b, id[0]);
	if (buf_ok(&b))
		yz_msg_add_ready(r, "References", buf_cstr(&b));
	buf_fini(&b);
}

static void put_quoted(struct buf *b, struct span text)
{
	while (text.len) {
		struct span line;

		span_cut(text, '\n', &line, &text);
		if (line.len && line.ptr[line.len - 1] == '\r')
			line.len--;
		buf_str(b, line.len == 0 ? ">" : line.ptr[0] == '>' ? ">" : "> ");
		buf_span_put(b, line);
		buf_char(b, '\n');
	}
}

/* The plain text that is shown; "" when there is none, or too much. */
static void take_text(const struct yz_mail *m, struct buf *b)
{
	const struct yz_entity *e = yz_mail_body(m, "plain");

	if (e && mail_body_buf(e, YZ_TEXT, b, NULL) < 0)
		buf_clear(b);
}

static void quote(struct yz_msg *r, const struct yz_mail *m)
{
	const struct yz_addresses *from = yz_entity_addresses(root_of(m), "From");
	struct yz_date date;
	struct buf text, out;

	buf_init(&text, YZ_ANSWER_MAX);
	buf_init(&out, 3 * YZ_ANSWER_MAX);
	take_text(m, &text);
	if (yz_entity_date(root_of(m), "Date", &date) == YZ_OK) {
		buf_str(&out, "On ");
		clock_put_rfc5322(&out, date.unix_sec, date.zone_minutes);
		buf_str(&out, ", ");
	}
	if (from->count)
		buf_str(&out,
			from->items[0].name[0] ? from->items[0].name : from->items[0].address);
	else
		buf_str(&out, "somebody");
	buf_str(&out, " wrote:\n");
	put_quoted(&out, buf_span(&text));
	buf_char(&out, '\n');
	if (buf_ok(&out))
		yz_msg_text(r, buf_cstr(&out));
	buf_fini(&text);
	buf_fini(&out);
}

struct yz_msg *yz_mail_reply(const struct yz_mail *m, const char *self, unsigned flags)
{
	struct yz_msg *r = yz_msg_new();
	struct yz_addresses *own = self ? yz_addresses_parse(self, false) : NULL;

	if (root_of(m)) {
		if (own && own->count)
			yz_msg_mailbox(r, "From", own->items[0].name, own->items[0].address);
		put_recipients(r, m, own, flags);
		put_subject(r, m, "Re: ");
		put_thread(r, m);
		if (flags & YZ_REPLY_QUOTE)
			quote(r, m);
	}
	if (own)
		yz_addresses_free(&own);
	return r;
}

static void forward_inline(struct yz_msg *r, const struct yz_mail *m)
{
	static const char *const shown[] = {"From", "Date", "Subject", "To", "Cc"};
	struct buf text, out;

	buf_init(&text, YZ_ANSWER_MAX);
	buf_init(&out, 3 * YZ_ANSWER_MAX);
	buf_str(&out, "\n-------- Forwarded message --------\n");
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		const char *value = yz_mail_get(m, shown[i]);

		if (value)
			buf_printf(&out, "%s: %s\n", shown[i], value);
	}
	buf_char(&out, '\n');
	take_text(m, &text);
	buf_span_put(&out, buf_span(&text));
	if (buf_ok(&out))
		yz_msg_text(r, buf_cstr(&out));
	buf_fini(&text);
	buf_fini(&out);
}

static int sink_put(void *arg, struct span octets, struct err *e)
{
	struct buf *b = arg;

	buf_span_put(b, octets);
	return buf_ok(b) ? 0 : err_set(e, ERR_LIMIT, "a message that is too long");
}

struct yz_msg *yz_mail_forward(struct yz_mail *m, unsigned flags)
{
	struct yz_msg *r = yz_msg_new();
	struct buf all;
	const struct msg_sink sink = {sink_put, &all};
	struct err e = {0};

	if (!root_of(m)) {
		msg_error_set(&m->error, YZ_E_STATE, "the message has not ended");
		yz_msg_free(&r);
		return NULL;
	}
	put_subject(r, m, "Fwd: ");
	if (flags & YZ_FORWARD_INLINE) {
		forward_inline(r, m);
		return r;
	}
	buf_init(&all, m->o.memory ? m->o.memory : YZ_MAIL_MEMORY);
	if (mail_octets(m, m->tree->root->header_offset, m->tree->size, &sink, &e) < 0) {
		msg_error(&m->error, &e);
		yz_msg_free(&r);
	} else {
		yz_msg_attach_message(r, buf_span(&all).ptr, buf_len(&all));
	}
	buf_fini(&all);
	return r;
}
