#include "services/jmapd/jmapd_core_priv.h"

#include <string.h>

#include "base/enc.h"
#include "proto/mail/mime_codec.h"
#include "store/upload.h"

/* Blobs (RFC 8620 section 6): what their ids say, and their octets, decoded while they are read.
 *
 *	G05BCR3…		the whole message of an Email
 *	G05BCR3…-1f0-2c1-3	of its body as stored: offset and length in hex, Content-Transfer-Encoding
 *	GU05BCR3…		an upload ('U' begins no number)
 *	…-40-99-0		of what an upload or a part is, decoded: what Email/parse has found in it
 *
 * Who may see the Email may see all of it, so the numbers in the id of a part give nothing away. */

#define PIECE      (64 * 1024)   /* raw octets decoded at a time */
#define NESTED_MAX 4             /* parts within parts: each is read through those around it */
#define SMALL_PART (1024 * 1024) /* raw octets; smaller parts are decoded into memory at once */

/* ---- ids ---- */

void jmap_put_blob_of_email(struct json_out *j, uint64_t email_id)
{
	jmap_put_id(j, 'G', email_id);
}

void jmap_put_blob_of_part(
	struct json_out *j, uint64_t email_id, uint64_t offset, uint64_t octets, unsigned encoding)
{
	json_raw(j, SPAN("\""));
	enc_put_object(j->buf, 'G', email_id);
	buf_printf(j->buf, "-%llx-%llx-%u\"", (unsigned long long)offset,
		(unsigned long long)octets, encoding);
}

void jmap_put_blob_of_upload(struct json_out *j, uint64_t upload_id)
{
	json_raw(j, SPAN("\"G"));
	enc_put_object(j->buf, 'U', upload_id);
	buf_char(j->buf, '"');
}

void jmap_put_blob_within(
	struct json_out *j, struct span outer, uint64_t offset, uint64_t octets, unsigned encoding)
{
	json_raw(j, SPAN("\""));
	buf_span_put(j->buf, outer);
	buf_printf(j->buf, "-%llx-%llx-%u\"", (unsigned long long)offset,
		(unsigned long long)octets, encoding);
}

static bool get_hex(struct span text, uint64_t *n_r)
{
	*n_r = 0;
	if (!text.len || text.len > 12 || (text.len > 1 && text.ptr[0] == '0'))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (c >= '0' && c <= '9')
			*n_r = *n_r << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			*n_r = *n_r << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	return true;
}

/* What stands behind the last '-', which is taken off with it. */
static bool take_last(struct span *text, struct span *last_r)
{
	ptrdiff_t dash = span_rfind(*text, '-');

	if (dash < 0)
		return false;
	*last_r = span_skip(*text, (size_t)dash + 1);
	*text = span_sub(*text, 0, (size_t)dash);
	return true;
}

static size_t dashes(struct span s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += s.ptr[i] == '-';
	return n;
}

bool jmap_blob_id(struct span text, struct jmap_blob_name *name_r)
{
	struct span encoding, octets, offset;
	struct jmap_blob_name outer;
	uint64_t n;

	*name_r = (struct jmap_blob_name){0};
	name_r->is_upload = text.len > 1 && text.ptr[0] == 'G' && text.ptr[1] == 'U';
	if (span_find(text, '-') < 0)
		return name_r->is_upload ? enc_get_object(span_skip(text, 1), 'U', &name_r->id)
					 : enc_get_object(text, 'G', &name_r->id) && name_r->id;
	if (dashes(text) > 3 * NESTED_MAX || !take_last(&text, &encoding) ||
		!take_last(&text, &octets) || !take_last(&text, &offset) ||
		!get_hex(offset, &name_r->offset) || !get_hex(octets, &name_r->octets) ||
		encoding.len != 1 || !span_u64_max(encoding, MIME_CTE_COUNT, &n))
		return false;
	name_r->is_part = true;
	name_r->encoding = (unsigned)n;
	name_r->is_inner = name_r->is_upload || span_find(text, '-') >= 0;
	if (!name_r->is_inner)
		return enc_get_object(text, 'G', &name_r->id);
	name_r->outer = text;
	name_r->is_upload = false;
	return jmap_blob_id(text, &outer);
}

/* ---- octets as they are stored ---- */

/* Prefix and body of a message, an upload, or a range of one. */
struct raw {
	struct body *body;
	struct http_source source; /* instead of it, when read is set */
	struct span prefix;
	uint64_t from, size; /* within prefix and body */
	/* the chunk at hand */
	struct arena *a;
	struct span chunk;
	uint64_t index;
};

static void raw_end(void *arg)
{
	struct raw *r = arg;

	body_unref(&r->body);
	arena_free(&r->a);
}

static FIBER int source_piece(
	struct raw *r, uint64_t at, uint64_t left, struct span *piece_r, struct err *e)
{
	size_t n = left < PIECE ? (size_t)left : PIECE, got;
	char *window;

	arena_reset(r->a);
	window = arena_alloc(r->a, n);
	if (r->source.read(r->source.arg, at, window, n, &got, e) < 0)
		return -1;
	if (!got)
		return err_set(e, ERR_CORRUPT, "a blob is shorter than its size");
	*piece_r = span_of(window, got);
	return 0;
}

/* What stands at `at`, as far as it is at hand; "" at the end. */
static FIBER int raw_piece(struct raw *r, uint64_t at, struct span *piece_r, struct err *e)
{
	uint64_t left = at < r->size ? r->size - at : 0, index;
	struct span piece;

	at += r->from;
	if (!left) {
		*piece_r = SPAN_NONE;
		return 0;
	}
	if (r->source.read)
		return source_piece(r, at, left, piece_r, e);
	if (at < r->prefix.len) {
		piece = span_skip(r->prefix, (size_t)at);
	} else {
		at -= r->prefix.len;
		index = at / BODY_CHUNK;
		if (!r->chunk.ptr || r->index != index) {
			arena_reset(r->a);
			if (body_chunk(r->body, index, r->a, &r->chunk, e) < 0)
				return -1;
			r->index = index;
		}
		piece = span_skip(r->chunk, (size_t)(at % BODY_CHUNK));
		if (!piece.len)
			return err_set(e, ERR_CORRUPT, "a body is shorter than its size");
	}
	*piece_r = piece.len > left ? span_sub(piece, 0, (size_t)left) : piece;
	return 0;
}

static FIBER int read_raw(
	void *arg, uint64_t offset, void *p, size_t n, size_t *got_r, struct err *e)
{
	struct span piece;

	if (raw_piece(arg, offset, &piece, e) < 0)
		return -1;
	*got_r = piece.len < n ? piece.len : n;
	memcpy(p, piece.ptr ? piece.ptr : "", *got_r);
	return 0;
}

/* ---- decoded ---- */

struct decoded {
	struct raw *raw;
	enum mime_encoding encoding;
	struct mime_decoder decoder;
	struct buf *out; /* decoded, not read yet */
	uint64_t out_at; /* where it begins, in decoded octets */
	uint64_t raw_at;
	bool is_ended;
};

static void rewind_to_begin(struct decoded *d)
{
	mime_decoder_init(&d->decoder, d->encoding);
	buf_clear(d->out);
	d->out_at = d->raw_at = 0;
	d->is_ended = false;
}

static FIBER int decode_more(struct decoded *d, struct err *e)
{
	struct span piece;

	if (fiber_breathe(e) < 0 || raw_piece(d->raw, d->raw_at, &piece, e) < 0)
		return -1;
	piece = span_sub(piece, 0, PIECE);
	d->raw_at += piece.len;
	if (piece.len) {
		mime_decoder_feed(&d->decoder, piece, d->out);
	} else {
		mime_decoder_end(&d->decoder, d->out);
		d->is_ended = true;
	}
	return buf_ok(d->out) ? 0 : err_set(e, ERR_LIMIT, "a part grew when it was decoded");
}

/* Forget what lies before `offset`; false: there is nothing at it yet. */
static bool has_come_to(struct decoded *d, uint64_t offset)
{
	uint64_t past = offset - d->out_at, at_hand = buf_len(d->out);
	size_t n = (size_t)(past < at_hand ? past : at_hand);

	buf_consume(d->out, n);
	d->out_at += n;
	return d->out_at == offset && buf_len(d->out);
}

static FIBER int read_decoded(
	void *arg, uint64_t offset, void *p, size_t n, size_t *got_r, struct err *e)
{
	struct decoded *d = arg;

	if (offset < d->out_at)
		rewind_to_begin(d);
	while (!has_come_to(d, offset) && !d->is_ended)
		if (decode_more(d, e) < 0)
			return -1;
	*got_r = buf_len(d->out) < n ? buf_len(d->out) : n;
	memcpy(p, buf_span(d->out).ptr ? buf_span(d->out).ptr : "", *got_r);
	return 0;
}

/* How many octets it has decoded is known when it has been. */
static FIBER int measure(struct decoded *d, uint64_t *size_r, struct err *e)
{
	while (!d->is_ended) {
		has_come_to(d, d->out_at + buf_len(d->out));
		if (decode_more(d, e) < 0)
			return -1;
	}
	*size_r = d->out_at + buf_len(d->out);
	return 0;
}

static FIBER int read_memory(
	void *arg, uint64_t offset, void *p, size_t n, size_t *got_r, struct err *e)
{
	const struct span *octets = arg;
	struct span piece = span_sub(*octets, (size_t)offset, n);

	memcpy(p, piece.ptr ? piece.ptr : "", piece.len);
	*got_r = piece.len;
	return 0;
}

static FIBER int decode_small(
	struct arena *a, struct raw *raw, unsigned encoding, struct jmap_blob *b, struct err *e)
{
	struct span *octets = ARENA_NEW(a, struct span);
	struct decoded d = {.raw = raw,
		.encoding = (enum mime_encoding)encoding,
		.out = arena_buf(a, SMALL_PART + PIECE)};

	mime_decoder_init(&d.decoder, d.encoding);
	while (!d.is_ended)
		if (decode_more(&d, e) < 0)
			return -1;
	*octets = buf_span(d.out);
	b->size = octets->len;
	b->source = (struct http_source){.read = read_memory, .arg = octets, .size = octets->len};
	return 0;
}

static FIBER int decode_large(
	struct arena *a, struct raw *raw, unsigned encoding, struct jmap_blob *b, struct err *e)
{
	struct decoded *d = ARENA_NEW(a, struct decoded);

	d->raw = raw;
	d->encoding = (enum mime_encoding)encoding;
	d->out = arena_buf(a, 4 * PIECE);
	rewind_to_begin(d);
	if (measure(d, &b->size, e) < 0)
		return -1;
	rewind_to_begin(d);
	b->source = (struct http_source){.read = read_decoded, .arg = d, .size = b->size};
	return 0;
}

/* ---- which ---- */

static struct raw *raw_new(
	struct jmapd *d, struct arena *a, uint64_t blob_id, uint64_t octets, struct span prefix)
{
	struct raw *r = ARENA_NEW(a, struct raw);

	r->body = body_open(d->opts.store, blob_id, octets);
	r->prefix = prefix;
	r->size = prefix.len + octets;
	r->a = arena_new();
	arena_defer(a, raw_end, r);
	return r;
}

static void as_it_is(struct jmap_blob *b, struct raw *r)
{
	b->size = r->size;
	b->source = (struct http_source){.read = read_raw, .arg = r, .size = r->size};
}

static FIBER int find_upload(struct jmapd *d, struct arena *a, const struct jmap_account *account,
	uint64_t id, struct jmap_blob *b, bool *is_found_r, struct err *e)
{
	struct upload u;

	if (upload_get(d->opts.store, a, account->id, id, &u, is_found_r, e) < 0)
		return -1;
	/* RFC 8620 section 6.1: until it is used, who uploaded it alone may read it */
	*is_found_r = *is_found_r && u.user_id == account->user_id;
	if (!*is_found_r)
		return 0;
	b->type = u.type;
	b->blob_id = u.blob_id;
	as_it_is(b, raw_new(d, a, u.blob_id, u.octets, SPAN_NONE));
	return 0;
}

/* A range of it, decoded. */
static FIBER int take_part(struct arena *a, struct raw *r, const struct jmap_blob_name *name,
	struct jmap_blob *b, struct err *e)
{
	r->from = name->offset;
	r->size = name->octets;
	b->encoding = name->encoding;
	if (name->encoding != MIME_CTE_BASE64 && name->encoding != MIME_CTE_QP) {
		as_it_is(b, r);
		return 0;
	}
	return r->size <= SMALL_PART ? decode_small(a, r, name->encoding, b, e)
				     : decode_large(a, r, name->encoding, b, e);
}

static FIBER int find_email(struct jmapd *d, struct arena *a, const struct jmap_account *account,
	const struct jmap_blob_name *name, struct jmap_blob *b, bool *is_found_r, struct err *e)
{
	struct email *email = ARENA_NEW(a, struct email);
	struct raw *r;
	uint64_t state;

	if (email_get(d->opts.store, a, &account->eyes, &name->id, 1, MAILBOX_WANT_HEAD, email,
		    &state, e) < 0)
		return -1;
	*is_found_r = email->row_count > 0 &&
		(!name->is_part ||
			(name->offset <= email->msg.blob_len &&
				name->octets <= email->msg.blob_len - name->offset));
	if (!*is_found_r)
		return 0;
	b->email_id = name->id;
	b->blob_id = email->msg.blob_id;
	r = raw_new(d, a, email->msg.blob_id, email->msg.blob_len,
		name->is_part ? SPAN_NONE : email->msg.prefix);
	if (!name->is_part) {
		b->type = SPAN("message/rfc822");
		b->prefix = email->msg.prefix;
		as_it_is(b, r);
		return 0;
	}
	b->offset = name->offset;
	return take_part(a, r, name, b, e);
}

/* Of what another blob is, decoded. Each is read through those around it. */
static FIBER int find_inner(struct jmapd *d, struct arena *a, const struct jmap_account *account,
	const struct jmap_blob_name *name, struct jmap_blob *b, bool *is_found_r, struct err *e)
{
	struct jmap_blob outer;
	struct raw *r;

	if (jmap_blob_find(d, a, account, name->outer, &outer, is_found_r, e) < 0)
		return -1;
	*is_found_r = *is_found_r && name->offset <= outer.size &&
		name->octets <= outer.size - name->offset;
	if (!*is_found_r)
		return 0;
	r = ARENA_NEW(a, struct raw);
	r->source = outer.source;
	r->a = arena_new();
	arena_defer(a, raw_end, r);
	return take_part(a, r, name, b, e);
}

FIBER int jmap_blob_find(struct jmapd *d, struct arena *a, const struct jmap_account *account,
	struct span id, struct jmap_blob *blob_r, bool *is_found_r, struct err *e)
{
	struct jmap_blob_name name;

	*blob_r = (struct jmap_blob){0};
	*is_found_r = false;
	if (!jmap_blob_id(id, &name))
		return 0;
	if (name.is_inner)
		return find_inner(d, a, account, &name, blob_r, is_found_r, e);
	return name.is_upload ? find_upload(d, a, account, name.id, blob_r, is_found_r, e)
			      : find_email(d, a, account, &name, blob_r, is_found_r, e);
}

FIBER int jmap_blob_read(
	struct jmap_blob *b, struct arena *a, size_t max, struct span *octets_r, struct err *e)
{
	char *all;
	size_t at = 0, got;

	if (b->size > max)
		return err_set(e, ERR_LIMIT, "a blob of more than %zu octets", max);
	all = arena_alloc(a, (size_t)b->size + 1);
	while (at < b->size) {
		if (b->source.read(b->source.arg, at, all + at, (size_t)b->size - at, &got, e) < 0)
			return -1;
		if (!got)
			return err_set(e, ERR_CORRUPT, "a blob is shorter than its size");
		at += got;
	}
	*octets_r = span_of(all, at);
	return 0;
}
