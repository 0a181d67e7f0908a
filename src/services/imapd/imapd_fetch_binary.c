/* BINARY[…] and BINARY.SIZE[…] (RFC 3516): parts with their transfer encoding undone. */
#include <string.h>

#include "proto/imap/imap_out.h"
#include "services/imapd/imapd_fetch_priv.h"

/* A part that is being decoded, piece by piece. */
struct decoding {
	struct fetch *f;
	struct fetch_source *src;
	struct fetch_place at;
	enum mime_encoding encoding;
	uint64_t count;    /* octets made so far */
	uint64_t from, to; /* which of them are told */
	bool is_told;      /* else they are only counted */
};

/* What was made: the octets that are wanted go out. */
static FIBER int take_made(struct decoding *d, struct buf *made, struct err *e)
{
	struct span s = buf_span(made);
	uint64_t begin = d->count, end = begin + s.len;
	int rc = 0;

	d->count = end;
	if (d->is_told && end > d->from && begin < d->to) {
		uint64_t from = begin > d->from ? begin : d->from, to = end < d->to ? end : d->to;

		rc = imap_write(
			d->f->s, span_sub(s, (size_t)(from - begin), (size_t)(to - from)), e);
	}
	buf_clear(made);
	return rc;
}

static FIBER int run(struct decoding *d, struct err *e)
{
	struct mime_decoder decoder;
	uint64_t at = d->at.from;
	struct span piece;
	struct buf made;
	int rc = 0;

	d->count = 0;
	buf_init(&made, BODY_CHUNK + MIME_QP_BLANKS + 64);
	mime_decoder_init(&decoder, d->encoding);
	while (rc == 0 && at < d->at.to) {
		rc = fetch_source_piece(d->src, at, d->at.to, &piece, e);
		if (rc < 0)
			break;
		piece = span_sub(piece, 0, BODY_CHUNK);
		at += piece.len;
		mime_decoder_feed(&decoder, piece, &made);
		rc = take_made(d, &made, e);
	}
	if (rc == 0) {
		mime_decoder_end(&decoder, &made);
		rc = take_made(d, &made, e);
	}
	buf_fini(&made);
	return rc;
}

static void not_there(struct fetch *f)
{
	f->is_expunge_issued = true;
	imap_put(f->s, SPAN("NIL"));
}

static FIBER int put_decoded(struct decoding *d, const struct imap_fetch_item *item, struct err *e)
{
	struct fetch *f = d->f;

	if (run(d, e) < 0) {
		not_there(f);
		return 0;
	}
	d->from = 0;
	d->to = d->count;
	fetch_cut(item, &d->from, &d->to);
	/* literal8: there may be NUL in it (RFC 3516 section 4.2) */
	imap_put_literal_head(imap_out(f->s), d->to - d->from, true);
	d->is_told = true;
	if (d->from == d->to || run(d, e) == 0)
		return 0;
	imap_end(f->s, "a body could not be read to its end", "Message could not be read");
	return -1;
}

/* Where the part's octets are; false: there is no such part. */
static bool find(
	const struct mailbox_msg *m, const struct imap_fetch_item *item, struct decoding *d)
{
	struct mime_layout_part p;
	struct mime_layout l;

	d->encoding = MIME_CTE_BINARY;
	d->at = (struct fetch_place){.to = m->prefix.len + m->blob_len};
	if (!item->section.depth)
		return true;
	if (!fetch_part(m, &item->section, &l, &p))
		return false;
	d->at.from = m->prefix.len + p.body_offset;
	d->at.to = m->prefix.len + p.end_offset;
	/* multipart and message are never encoded (RFC 2045 section 6.4) */
	if (p.kind == MIME_LEAF)
		d->encoding = p.encoding;
	return d->at.to <= m->prefix.len + m->blob_len;
}

FIBER int fetch_put_binary(struct fetch *f, struct fetch_source *src, const struct mailbox_msg *m,
	const struct imap_fetch_item *item, struct err *e)
{
	struct decoding d = {.f = f, .src = src};
	bool is_there = find(m, item, &d);
	bool is_size = item->kind == IMAP_FETCH_BINARY_SIZE;

	imap_put_fetch_name(imap_out(f->s), item);
	imap_put(f->s, SPAN(" "));
	if (is_there && d.encoding == MIME_CTE_UNKNOWN) {
		f->is_unknown_cte = true; /* RFC 3516 section 4.3: the command fails */
		is_there = false;
	}
	if (!is_there) {
		imap_put(f->s, is_size ? SPAN("0") : SPAN("NIL"));
		return 0;
	}
	if (!is_size)
		return put_decoded(&d, item, e);
	if (run(&d, e) < 0) {
		f->is_expunge_issued = true;
		d.count = 0;
	}
	imap_printf(f->s, "%llu", (unsigned long long)d.count);
	return 0;
}
