/* Emails as JSON, on a lane (RFC 8621 section 4.1). */
#include "services/jmapd/jmapd_email.h"

#include "base/must.h"
#include "base/utf8.h"
#include "proto/mail/mail_header.h"
#include "proto/mail/mime_imap_put.h"
#include "proto/mail/mime_text.h"

struct putting {
	struct json_out *j;
	struct arena *a;
	const struct jmap_email_want *w;
	struct jmap_email_item *item;
	bool is_from_header;
	bool has_envelope;
	struct mime_envelope envelope;
	struct mime_bodies bodies;
	void *const *extras;
	size_t at;
};

/* ---- of the row ---- */

static const struct {
	unsigned flag;
	const char *keyword;
} flag_words[] = {{MAILBOX_SEEN, "$seen"}, {MAILBOX_ANSWERED, "$answered"},
	{MAILBOX_FLAGGED, "$flagged"}, {MAILBOX_DRAFT, "$draft"}};

static void put_keywords(struct json_out *j, const struct email *m)
{
	struct span rest = m->keywords, word;

	json_open_object(j);
	for (size_t i = 0; i < ARRAY_LEN(flag_words); i++)
		if (m->flags & flag_words[i].flag)
			json_kv_bool(j, flag_words[i].keyword, true);
	while ((word = span_word(&rest)).len) {
		json_key_span(j, word);
		json_bool(j, true);
	}
	json_close(j);
}

static void put_mailboxes(struct json_out *j, struct arena *a, const struct email *m)
{
	struct buf *b = arena_buf(a, 64);

	json_open_object(j);
	for (size_t i = 0; i < m->row_count; i++) {
		bool is_told = false;

		for (size_t k = 0; k < i && !is_told; k++)
			is_told = m->rows[k].mailbox_id == m->rows[i].mailbox_id;
		if (is_told)
			continue;
		buf_clear(b);
		enc_put_object(b, 'F', m->rows[i].mailbox_id);
		json_key_span(j, buf_span(b));
		json_bool(j, true);
	}
	json_close(j);
}

static void put_row(const struct putting *p, enum jmap_email_property_id id)
{
	const struct email *m = p->item->email;
	struct json_out *j = p->j;

	if (id == JMAP_EMAIL_SIZE) {
		json_u64(j, p->item->size);
		return;
	}
	if (!m) { /* section 4.9: what only a mailbox gives is null */
		if (id == JMAP_EMAIL_BLOB_ID)
			json_span(j, p->item->mail.blob_id);
		else
			json_null(j);
		return;
	}
	switch (id) {
	case JMAP_EMAIL_ID: jmap_put_id(j, 'M', m->id); break;
	case JMAP_EMAIL_BLOB_ID: jmap_put_blob_of_email(j, m->id); break;
	case JMAP_EMAIL_THREAD_ID: jmap_put_id(j, 'T', m->thread_id); break;
	case JMAP_EMAIL_MAILBOX_IDS: put_mailboxes(j, p->a, m); break;
	case JMAP_EMAIL_KEYWORDS: put_keywords(j, m); break;
	default: jmap_put_date(j, m->msg.received_ns); break;
	}
}

/* ---- of the header ---- */

/* Convenience properties (section 4.1.3): which field, in which form; what of the envelope says the same. */
static const struct convenience {
	enum jmap_email_property_id id;
	const char *field;
	enum jmap_form form;
	bool is_in_envelope;
	size_t offset; /* in struct mime_envelope: a list of addresses, or a text */
} conveniences[] = {
#define LIST(member) true, offsetof(struct mime_envelope, member)
	{JMAP_EMAIL_MESSAGE_ID, "Message-ID", JMAP_FORM_IDS, LIST(message_id)},
	{JMAP_EMAIL_IN_REPLY_TO, "In-Reply-To", JMAP_FORM_IDS, LIST(in_reply_to)},
	{JMAP_EMAIL_REFERENCES, "References", JMAP_FORM_IDS, false, 0},
	{JMAP_EMAIL_SENDER, "Sender", JMAP_FORM_ADDRESSES, false, 0},
	{JMAP_EMAIL_FROM, "From", JMAP_FORM_ADDRESSES, LIST(from)},
	{JMAP_EMAIL_TO, "To", JMAP_FORM_ADDRESSES, LIST(to)},
	{JMAP_EMAIL_CC, "Cc", JMAP_FORM_ADDRESSES, LIST(cc)},
	{JMAP_EMAIL_BCC, "Bcc", JMAP_FORM_ADDRESSES, LIST(bcc)},
	{JMAP_EMAIL_REPLY_TO, "Reply-To", JMAP_FORM_ADDRESSES, false, 0},
	{JMAP_EMAIL_SUBJECT, "Subject", JMAP_FORM_TEXT, LIST(subject)},
	{JMAP_EMAIL_SENT_AT, "Date", JMAP_FORM_DATE, LIST(date)},
#undef LIST
};

static const struct convenience *convenience_of(enum jmap_email_property_id id)
{
	for (size_t i = 0; i < ARRAY_LEN(conveniences); i++)
		if (conveniences[i].id == id)
			return &conveniences[i];
	return NULL;
}

static void put_of_envelope(const struct putting *p, const struct convenience *what)
{
	const char *at = (const char *)&p->envelope + what->offset;
	const struct mime_address_list *list = (const struct mime_address_list *)(const void *)at;
	const struct span *text = (const struct span *)(const void *)at;

	if (what->form == JMAP_FORM_ADDRESSES && list->count)
		jmap_put_addresses(p->j, p->a, list);
	else if (what->form != JMAP_FORM_ADDRESSES && text->ptr)
		jmap_put_form(p->j, p->a, *text, what->form);
	else
		json_null(p->j);
}

static void put_convenience(const struct putting *p, const struct convenience *what)
{
	struct jmap_header_want want = {span_str(what->field), what->form, false};

	if (what->is_in_envelope && p->has_envelope)
		put_of_envelope(p, what);
	else
		jmap_put_header(p->j, p->a, &p->item->mail.headers, &want);
}

/* ---- all ---- */

static void put_preview(const struct putting *p)
{
	struct span s = p->item->facts ? p->item->facts->preview : p->item->preview, rest = s;
	uint32_t code;

	/* RFC 8621 section 4.1.4: at most 256 characters; a list of many has them in every row */
	for (size_t n = 0; n < JMAP_PREVIEW_CHARACTERS && utf8_take(&rest, &code); n++)
		;
	json_span(p->j, span_sub(s, 0, s.len - rest.len));
}

static void put_body_property(const struct putting *p, enum jmap_email_property_id id)
{
	const struct jmap_mail *m = &p->item->mail;
	const struct jmap_part_want *parts = &p->w->parts;

	switch (id) {
	case JMAP_EMAIL_TEXT_BODY: jmap_put_parts(p->j, p->a, m, &p->bodies.text, parts); break;
	case JMAP_EMAIL_HTML_BODY: jmap_put_parts(p->j, p->a, m, &p->bodies.html, parts); break;
	case JMAP_EMAIL_ATTACHMENTS:
		jmap_put_parts(p->j, p->a, m, &p->bodies.attachments, parts);
		break;
	case JMAP_EMAIL_BODY_STRUCTURE: jmap_put_structure(p->j, p->a, m, parts); break;
	default:
		if (p->w->needs & JMAP_NEED_VALUES) {
			jmap_put_values(p->j, p->a, m, &p->bodies, &p->w->values);
		} else {
			json_open_object(p->j);
			json_close(p->j);
		}
		break;
	}
}

static void put_property(const struct putting *p, const struct jmap_email_property *what)
{
	const struct convenience *c = convenience_of(what->id);
	void *state = p->extras ? p->extras[what->extra] : NULL;

	json_key_span(p->j, what->said);
	if (c) {
		put_convenience(p, c);
		return;
	}
	switch (what->id) {
	case JMAP_EMAIL_HAS_ATTACHMENT:
		json_bool(p->j,
			p->item->facts ? (p->item->facts->flags & FACT_ATTACHMENT)
				       : p->item->has_attachment);
		break;
	case JMAP_EMAIL_PREVIEW: put_preview(p); break;
	case JMAP_EMAIL_HEADERS: jmap_put_headers(p->j, &p->item->mail.headers); break;
	case JMAP_EMAIL_HEADER:
		jmap_put_header(p->j, p->a, &p->item->mail.headers, &what->header);
		break;
	case JMAP_EMAIL_EXTRA: jmap_email_extras[what->extra].put(p->j, p->a, state, p->at); break;
	case JMAP_EMAIL_BODY_VALUES:
	case JMAP_EMAIL_TEXT_BODY:
	case JMAP_EMAIL_HTML_BODY:
	case JMAP_EMAIL_ATTACHMENTS:
	case JMAP_EMAIL_BODY_STRUCTURE: put_body_property(p, what->id); break;
	default: put_row(p, what->id); break;
	}
}

/* Octets of the message from its first one on, as far as they are at hand. */
static struct span beginning(const struct jmap_mail *m)
{
	return m->piece_count && m->pieces[0].offset == 0 ? m->pieces[0].octets : SPAN_NONE;
}

/* What the properties are made of. */
static void prepare(struct putting *p)
{
	struct jmap_email_item *item = p->item;
	struct jmap_mail *m = &item->mail;
	struct span octets = beginning(m);
	unsigned needs = p->w->needs;

	if (!m->tree && (needs & JMAP_NEED_PARTS))
		m->tree = jmap_mail_parse(p->a, octets);
	if (jmap_email_needs_header(p->w, item)) {
		if (item->email)
			jmap_headers_add(p->a, &m->headers, item->email->msg.prefix);
		jmap_headers_add(p->a, &m->headers, jmap_mail_head(m, octets));
	}
	if ((needs & JMAP_NEED_ENVELOPE) && jmap_email_has_envelope(item))
		p->has_envelope = mime_imap_read_envelope(
			p->a, item->facts->envelope, &p->envelope);
	if (needs & JMAP_NEED_PARTS)
		mime_bodies(p->a, m->tree, &p->bodies);
}

void jmap_put_email(struct json_out *j, struct arena *a, const struct jmap_email_want *w,
	struct jmap_email_item *item, void *const *extras, size_t at)
{
	struct putting p = {.j = j, .a = a, .w = w, .item = item, .extras = extras, .at = at};

	prepare(&p);
	json_open_object(j);
	for (size_t i = 0; i < w->count; i++)
		put_property(&p, &w->list[i]);
	json_close(j);
}

/* ---- on the lane ---- */

struct job {
	struct json_out *j;
	struct arena *a;
	const struct jmap_email_want *w;
	struct jmap_email_item *items;
	size_t count;
	void *const *extras;
};

static int run(void *arg, struct err *e)
{
	struct job *job = arg;

	for (size_t i = 0; i < job->count; i++) {
		if (!job->items[i].email && !job->items[i].mail.blob_id.ptr)
			continue;
		if (!job->items[i].email)
			json_key_span(job->j, job->items[i].mail.blob_id);
		jmap_put_email(job->j, job->a, job->w, &job->items[i], job->extras, i);
	}
	(void)e;
	return 0;
}

FIBER int jmap_put_emails(struct jmap_call *c, struct arena *a, const struct jmap_email_want *w,
	struct jmap_email_item *items, size_t count, void *const *extras, struct err *e)
{
	struct job job = {c->out, a, w, items, count, extras};

	if (work_run(jmapd_opts_of(c->d)->lane, run, &job, e) < 0)
		return err_wrap(e, "writing Emails");
	return 0;
}
