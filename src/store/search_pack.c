/* How a text is kept: four numbers (flags, octets of header, parts and body),
 * then the three texts as one deflate stream, header first: who asks for a field inflates no more. */

#include <stdlib.h>
#include <zlib.h>

#include "base/mem.h"
#include "base/must.h"
#include "store/search_match.h"

#define PACK_LEVEL   6
#define PACK_MEM     8
#define PACK_IS_CUT  1
#define PACK_NUMBERS 4
#define VARINT_MAX   10

struct search_packer {
	z_stream deflate, inflate;
	bool is_deflating, is_inflating;
	struct buf text;
};

static voidpf zlib_alloc(voidpf opaque, uInt items, uInt size)
{
	(void)opaque;
	return mem_alloc((size_t)items * size);
}

static void zlib_free(voidpf opaque, voidpf p)
{
	(void)opaque;
	free(p);
}

struct search_packer *search_packer_new(void)
{
	struct search_packer *p = NEW(struct search_packer);

	p->deflate.zalloc = p->inflate.zalloc = zlib_alloc;
	p->deflate.zfree = p->inflate.zfree = zlib_free;
	buf_init(&p->text, SEARCH_TEXT_MAX);
	return p;
}

void search_packer_free(struct search_packer **p)
{
	struct search_packer *x = *p;

	if (!x)
		return;
	if (x->is_deflating)
		deflateEnd(&x->deflate);
	if (x->is_inflating)
		inflateEnd(&x->inflate);
	buf_fini(&x->text);
	free(x);
	*p = NULL;
}

static void put_number(struct buf *b, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		buf_char(b, (char)(v | 0x80));
	buf_char(b, (char)v);
}

static bool take_number(struct span *s, uint64_t *v_r)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < VARINT_MAX * 7 && s->len; shift += 7) {
		unsigned char c = (unsigned char)s->ptr[0];

		*s = span_skip(*s, 1);
		if (shift == 63 && c > 1)
			return false;
		v |= (uint64_t)(c & 0x7f) << shift;
		if (c < 0x80) {
			*v_r = v;
			return true;
		}
	}
	return false;
}

static void deflate_one(struct search_packer *p, struct span text, int flush)
{
	p->deflate.next_in = (z_const Bytef *)(uintptr_t)text.ptr;
	p->deflate.avail_in = (uInt)text.len;
	deflate(&p->deflate, flush);
	MUST(p->deflate.avail_in == 0);
}

static void deflate_all(struct search_packer *p, const struct search_doc *doc, struct buf *out)
{
	size_t bound = deflateBound(&p->deflate, doc->header.len + doc->parts.len + doc->body.len);
	char *room = buf_reserve(out, bound);

	MUST(room);
	p->deflate.next_out = (Bytef *)room;
	p->deflate.avail_out = (uInt)bound;
	deflate_one(p, doc->header, Z_NO_FLUSH);
	deflate_one(p, doc->parts, Z_NO_FLUSH);
	deflate_one(p, doc->body, Z_FINISH);
	buf_added(out, bound - p->deflate.avail_out);
}

void search_pack(struct search_packer *p, const struct search_doc *doc, struct buf *out)
{
	MUST(doc->header.len + doc->parts.len + doc->body.len <= SEARCH_TEXT_MAX);
	put_number(out, doc->is_cut ? PACK_IS_CUT : 0);
	put_number(out, doc->header.len);
	put_number(out, doc->parts.len);
	put_number(out, doc->body.len);
	if (!p->is_deflating) {
		p->is_deflating = true;
		MUST(deflateInit2(&p->deflate, PACK_LEVEL, Z_DEFLATED, -MAX_WBITS, PACK_MEM,
			     Z_DEFAULT_STRATEGY) == Z_OK);
	}
	MUST(deflateReset(&p->deflate) == Z_OK);
	deflate_all(p, doc, out);
}

static int inflate_some(struct search_packer *p, struct span kept, size_t octets, struct err *e)
{
	char *room;
	int rc;

	buf_clear(&p->text);
	if (!octets)
		return 0;
	room = buf_reserve(&p->text, octets);
	if (!room)
		return err_set(e, ERR_CORRUPT, "a kept text is too long");
	if (!p->is_inflating) {
		p->is_inflating = true;
		MUST(inflateInit2(&p->inflate, -MAX_WBITS) == Z_OK);
	}
	MUST(inflateReset(&p->inflate) == Z_OK);
	p->inflate.next_in = (z_const Bytef *)(uintptr_t)kept.ptr;
	p->inflate.avail_in = (uInt)kept.len;
	p->inflate.next_out = (Bytef *)room;
	p->inflate.avail_out = (uInt)octets;
	rc = inflate(&p->inflate, Z_SYNC_FLUSH);
	if ((rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR) || p->inflate.avail_out)
		return err_set(e, ERR_CORRUPT, "a kept text does not inflate");
	buf_added(&p->text, octets);
	return 0;
}

int search_unpack(struct search_packer *p, struct span kept, bool is_whole,
	struct search_doc *doc_r, struct err *e)
{
	uint64_t v[PACK_NUMBERS];
	struct span text;

	for (size_t i = 0; i < PACK_NUMBERS; i++)
		if (!take_number(&kept, &v[i]) || v[i] > SEARCH_TEXT_MAX)
			return err_set(e, ERR_CORRUPT, "a kept text has no head");
	if (inflate_some(p, kept, is_whole ? v[1] + v[2] + v[3] : v[1], e) < 0)
		return -1;
	text = buf_span(&p->text);
	doc_r->is_cut = v[0] & PACK_IS_CUT;
	doc_r->header = span_sub(text, 0, v[1]);
	doc_r->parts = span_sub(text, v[1], v[2]);
	doc_r->body = span_skip(text, v[1] + v[2]);
	return 0;
}
