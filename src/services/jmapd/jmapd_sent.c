/* A message of the store as it leaves: Bcc is nobody's business (RFC 8621 section 7.5, RFC 5322 section 3.6.3). */
#include <string.h>

#include "proto/mail/mail_header.h"
#include "services/jmapd/jmapd_send.h"

struct taking {
	struct jmap_sent *m;
	struct buf *header;
	struct span octets;
	size_t at; /* behind the field that was seen last */
};

static void take_field(void *arg, const struct mail_field *f)
{
	struct taking *t = arg;
	struct jmap_sent *m = t->m;
	struct span value = arena_span(m->a, f->value);

	switch (f->id) {
	case MAIL_FROM:
		m->from = value;
		m->from_count++;
		break;
	case MAIL_SENDER:
		m->sender = value;
		m->sender_count++;
		break;
	case MAIL_TO: m->to = value; break;
	case MAIL_CC: m->cc = value; break;
	case MAIL_REPLY_TO: m->reply_to = value; break;
	case MAIL_MESSAGE_ID: m->message_id = value; break;
	case MAIL_BCC: m->bcc = value; break;
	default: break;
	}
	if (f->id != MAIL_BCC && f->id != MAIL_RESENT_BCC)
		buf_span_put(t->header, span_sub(t->octets, (size_t)f->offset, (size_t)f->len));
}

static void close_sent(void *arg)
{
	struct jmap_sent *m = arg;

	body_unref(&m->body);
	arena_free(&m->chunk_arena);
}

FIBER int jmap_sent_open(struct jmap_sent *m, struct arena *a, struct store *s,
	const struct mailbox_msg *msg, struct err *e)
{
	struct taking t = {.m = m, .header = arena_buf(a, JMAP_SEND_HEADER)};
	struct mail_header h;

	*m = (struct jmap_sent){.store = s,
		.blob_id = msg->blob_id,
		.blob_len = msg->blob_len,
		.a = a,
		.body = body_open(s, msg->blob_id, msg->blob_len),
		.chunk_arena = arena_new()};
	arena_defer(a, close_sent, m);
	if (body_chunk(m->body, 0, a, &t.octets, e) < 0)
		return -1;
	mail_header_init(&h, take_field, &t);
	mail_header_feed(&h, t.octets);
	if (!h.is_done && t.octets.len == msg->blob_len)
		mail_header_finish(&h);
	m->body_at = h.body_offset;
	mail_header_fini(&h);
	if (!h.is_done || !buf_ok(t.header) || (h.troubles & MAIL_HEADER_FIELD_CUT))
		return err_set(e, ERR_LIMIT, "its header is too large");
	buf_str(t.header, "\r\n");
	m->header = buf_span(t.header);
	return 0;
}

static FIBER int read_sent(
	void *arg, uint64_t offset, void *p, size_t n, size_t *got_r, struct err *e)
{
	struct jmap_sent *m = arg;
	struct span piece;
	uint64_t at;

	if (offset < m->header.len) {
		piece = span_sub(m->header, (size_t)offset, n);
	} else {
		at = offset - m->header.len + m->body_at;
		if (!m->has_chunk || m->chunk_index != at / BODY_CHUNK) {
			arena_reset(m->chunk_arena);
			m->has_chunk = false;
			m->chunk_index = at / BODY_CHUNK;
			if (body_chunk(m->body, m->chunk_index, m->chunk_arena, &m->chunk, e) < 0)
				return -1;
			m->has_chunk = true;
		}
		piece = span_sub(m->chunk, (size_t)(at % BODY_CHUNK), n);
	}
	if (piece.len)
		memcpy(p, piece.ptr, piece.len);
	*got_r = piece.len;
	return 0;
}

struct http_source jmap_sent_source(struct jmap_sent *m)
{
	return (struct http_source){
		.read = read_sent, .arg = m, .size = m->header.len + m->blob_len - m->body_at};
}
