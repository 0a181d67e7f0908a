/* What a FETCH response says of one message. */
#include "services/imapd/imapd_fetch_item.h"

#include "base/enc.h"
#include "base/must.h"
#include "proto/imap/imap_out.h"
#include "proto/mail/mime_imap_put.h"

/* ---- small values ---- */

void imapd_put_flags(struct buf *b, unsigned flags, struct span keywords)
{
	static const struct {
		unsigned bit;
		struct span name;
	} names[] = {
		{MAILBOX_ANSWERED, {"\\Answered", 9}},
		{MAILBOX_FLAGGED, {"\\Flagged", 8}},
		{MAILBOX_DELETED, {"\\Deleted", 8}},
		{MAILBOX_SEEN, {"\\Seen", 5}},
		{MAILBOX_DRAFT, {"\\Draft", 6}},
	};
	char before = '(';

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (flags & names[i].bit) {
			buf_char(b, before);
			buf_span_put(b, names[i].name);
			before = ' ';
		}
	if (keywords.len || before == '(')
		buf_char(b, before);
	buf_span_put(b, keywords);
	buf_char(b, ')');
}

static void put_time(struct buf *b, int64_t wall_ns)
{
	imap_put_date_time(b, wall_ns / CLOCK_SEC, 0);
}

/* ---- from facts ---- */

/* Nobody has ever to see this: a body whose facts could not be made. */
static const struct body_facts no_facts = {
	.envelope = {"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)", 41},
	.structure = {"(\"application\" \"octet-stream\" NIL NIL NIL \"binary\" 0 NIL NIL NIL NIL)",
		69},
	.preview = {"", 0}};

static void put_from_facts(struct buf *b, const struct mailbox_msg *m, enum imap_fetch_kind kind)
{
	const struct body_facts *x = m->facts ? m->facts : &no_facts;

	switch (kind) {
	case IMAP_FETCH_ENVELOPE: buf_span_put(b, x->envelope); break;
	case IMAP_FETCH_BODYSTRUCTURE: buf_span_put(b, x->structure); break;
	case IMAP_FETCH_BODY: mime_imap_put_body_of(b, x->structure); break;
	default: mime_imap_put_string(b, x->preview); break;
	}
}

/* ---- items ---- */

static struct span name_of(enum imap_fetch_kind kind)
{
	switch (kind) {
	case IMAP_FETCH_FLAGS: return SPAN("FLAGS ");
	case IMAP_FETCH_INTERNALDATE: return SPAN("INTERNALDATE ");
	case IMAP_FETCH_RFC822_SIZE: return SPAN("RFC822.SIZE ");
	case IMAP_FETCH_ENVELOPE: return SPAN("ENVELOPE ");
	case IMAP_FETCH_BODY: return SPAN("BODY ");
	case IMAP_FETCH_BODYSTRUCTURE: return SPAN("BODYSTRUCTURE ");
	case IMAP_FETCH_UID: return SPAN("UID ");
	case IMAP_FETCH_MODSEQ: return SPAN("MODSEQ ");
	case IMAP_FETCH_PREVIEW: return SPAN("PREVIEW ");
	case IMAP_FETCH_SAVEDATE: return SPAN("SAVEDATE ");
	case IMAP_FETCH_EMAILID: return SPAN("EMAILID ");
	case IMAP_FETCH_THREADID: return SPAN("THREADID ");
	default: return SPAN("");
	}
}

static void put_modseq(struct buf *b, const struct mailbox_msg *m)
{
	buf_char(b, '(');
	buf_u64(b, m->modseq);
	buf_char(b, ')');
}

static void put_thread(struct buf *b, const struct mailbox_msg *m)
{
	if (!m->thread_id) {
		buf_str(b, "NIL"); /* RFC 8474 section 5.2 */
		return;
	}
	buf_char(b, '(');
	enc_put_object(b, IMAPD_THREAD, m->thread_id);
	buf_char(b, ')');
}

static void put_value(struct buf *b, const struct mailbox_msg *m, enum imap_fetch_kind kind)
{
	switch (kind) {
	case IMAP_FETCH_FLAGS: imapd_put_flags(b, m->flags, m->keywords); break;
	case IMAP_FETCH_INTERNALDATE: put_time(b, m->received_ns); break;
	case IMAP_FETCH_RFC822_SIZE: buf_u64(b, m->size); break;
	case IMAP_FETCH_UID: buf_u64(b, m->uid); break;
	case IMAP_FETCH_MODSEQ: put_modseq(b, m); break;
	case IMAP_FETCH_SAVEDATE: put_time(b, m->saved_ns); break;
	case IMAP_FETCH_EMAILID:
		buf_char(b, '(');
		enc_put_object(b, IMAPD_EMAIL, m->email_id);
		buf_char(b, ')');
		break;
	case IMAP_FETCH_THREADID: put_thread(b, m); break;
	default: put_from_facts(b, m, kind); break;
	}
}

/* RFC822, RFC822.HEADER and RFC822.TEXT are sections under another name (RFC 3501 section 6.4.5). */
static bool old_section(enum imap_fetch_kind kind, struct imap_fetch_item *item_r)
{
	*item_r = (struct imap_fetch_item){.kind = kind};
	switch (kind) {
	case IMAP_FETCH_RFC822: item_r->section.kind = IMAP_SECTION_ALL; return true;
	case IMAP_FETCH_RFC822_HEADER: item_r->section.kind = IMAP_SECTION_HEADER; return true;
	case IMAP_FETCH_RFC822_TEXT: item_r->section.kind = IMAP_SECTION_TEXT; return true;
	default: return false;
	}
}

static FIBER int put_item(struct fetch *f, struct fetch_source *src, const struct mailbox_msg *m,
	const struct imap_fetch_item *item, struct err *e)
{
	struct imap_fetch_item old;
	struct buf *b;

	if (item->kind == IMAP_FETCH_SECTION)
		return fetch_put_section(f, src, m, item, e);
	if (item->kind == IMAP_FETCH_BINARY || item->kind == IMAP_FETCH_BINARY_SIZE)
		return fetch_put_binary(f, src, m, item, e);
	if (old_section(item->kind, &old))
		return fetch_put_section(f, src, m, &old, e);
	b = imap_out(f->s);
	buf_span_put(b, name_of(item->kind));
	put_value(b, m, item->kind);
	return 0;
}

/* ---- a message ---- */

/* "* 12 FETCH (", or by its UID where there are no numbers (RFC 9586 section 3.3). */
static void put_head(struct fetch *f, struct buf *b, uint32_t seq, const struct mailbox_msg *m)
{
	buf_put(b, "* ", 2);
	buf_u64(b, f->is_uidonly ? m->uid : seq);
	if (f->is_uidonly)
		buf_span_put(b, SPAN(" UIDFETCH ("));
	else
		buf_span_put(b, SPAN(" FETCH ("));
}

/* What the command did not ask for and the client must hear. */
static void put_unasked(struct fetch *f, struct buf *b, const struct mailbox_msg *m,
	bool is_seen_now, bool is_first)
{
	static const enum imap_fetch_kind kinds[] = {
		IMAP_FETCH_UID, IMAP_FETCH_FLAGS, IMAP_FETCH_MODSEQ};
	bool is_condstore = imap_is_enabled(f->s, IMAP_BIT(CONDSTORE));
	bool is_wanted[] = {f->is_uid_told, is_seen_now && !f->has_flags,
		!f->has_modseq && is_condstore && (is_seen_now || f->changed_since)};

	for (size_t i = 0; i < 3; i++) {
		if (!is_wanted[i])
			continue;
		if (!is_first)
			buf_char(b, ' ');
		is_first = false;
		buf_span_put(b, name_of(kinds[i]));
		put_value(b, m, kinds[i]);
	}
}

FIBER int fetch_put_message(
	struct fetch *f, const struct mailbox_msg *m, bool is_seen_now, struct err *e)
{
	uint32_t seq = uidset_seq(f->c->view->uids, m->uid);
	struct fetch_source src = {0};
	bool is_first = true, has_source = (f->want & MAILBOX_WANT_BODY) != 0;
	int rc = 0;

	if (!seq)
		return 0; /* it came meanwhile, and has not been told yet */
	if (has_source)
		fetch_source_init(&src, f->store, m);
	put_head(f, imap_out(f->s), seq, m);
	for (size_t i = 0; rc == 0 && i < f->count; i++) {
		if (f->is_uidonly && f->items[i].kind == IMAP_FETCH_UID)
			continue;
		if (!is_first)
			buf_char(imap_out(f->s), ' ');
		is_first = false;
		rc = put_item(f, &src, m, &f->items[i], e);
	}
	if (has_source)
		fetch_source_fini(&src);
	if (rc < 0)
		return -1;
	put_unasked(f, imap_out(f->s), m, is_seen_now, is_first);
	buf_put(imap_out(f->s), ")\r\n", 3);
	return imap_relieve(f->s, e);
}
