/* What lies in a zip (APPNOTE.TXT of PKWARE, 4.3): its directory at the end, entries that are stored or deflated.
 * Sizes are those of the directory, and what comes out is bounded by them and by what went in. */

#include <stdlib.h>

#include "base/mem.h"
#include "net/unpack.h"
#include "services/jmapd/jmapd_move_priv.h"

#define EOCD_OCTETS     22
#define EOCD_BEHIND     (64 * 1024) /* a comment behind it */
#define ENTRY_OCTETS    46
#define LOCAL_OCTETS    30
#define PIECE           (64 * 1024)
#define METHOD_DEFLATED 8

static uint32_t le(const char *p, unsigned n)
{
	uint32_t v = 0;

	while (n--)
		v = v << 8 | (unsigned char)p[n];
	return v;
}

static FIBER int read_all(
	const struct http_source *file, uint64_t at, char *p, size_t n, struct err *e)
{
	size_t got;

	while (n) {
		if (file->read(file->arg, at, p, n, &got, e) < 0)
			return -1;
		if (!got)
			return err_set(e, ERR_SYNTAX, "the zip is cut");
		at += got;
		p += got;
		n -= got;
	}
	return 0;
}

FIBER int zip_begin(struct zip *z, struct arena *a, const struct http_source *file, struct err *e)
{
	uint64_t len = file->size;
	size_t n = len < EOCD_BEHIND + EOCD_OCTETS ? (size_t)len : EOCD_BEHIND + EOCD_OCTETS;
	char *tail = arena_alloc(a, n + 1);
	size_t at = n < EOCD_OCTETS ? 0 : n - EOCD_OCTETS + 1;

	*z = (struct zip){.file = *file, .name = arena_alloc(a, ZIP_NAME_MAX)};
	if (n < EOCD_OCTETS || read_all(file, len - n, tail, n, e) < 0)
		return err_set(e, ERR_SYNTAX, "this is no zip");
	while (at > 0 && le(tail + at - 1, 4) != 0x06054b50)
		at--;
	if (at == 0)
		return err_set(e, ERR_SYNTAX, "the zip has no directory");
	const char *p = tail + at - 1;

	z->left = le(p + 10, 2);
	z->at = le(p + 16, 4);
	z->end = z->at + le(p + 12, 4);
	if (le(p + 4, 2) || le(p + 8, 2) != z->left || z->left == 0xffff || z->at == 0xffffffff)
		return err_set(e, ERR_UNSUPPORTED, "a zip in parts, or of more than 4 GiB");
	if (z->end > len || z->left > ZIP_ENTRIES_MAX)
		return err_set(e, ERR_SYNTAX, "the zip's directory is broken");
	return 0;
}

FIBER int zip_next(struct zip *z, struct zip_entry *entry_r, bool *is_r, struct err *e)
{
	char head[ENTRY_OCTETS];
	size_t name;

	*is_r = false;
	while (z->left) {
		z->left--;
		if (z->at + ENTRY_OCTETS > z->end)
			return err_set(e, ERR_SYNTAX, "the zip's directory is broken");
		if (read_all(&z->file, z->at, head, sizeof(head), e) < 0)
			return -1;
		name = le(head + 28, 2);
		if (le(head, 4) != 0x02014b50 || z->at + ENTRY_OCTETS + name > z->end)
			return err_set(e, ERR_SYNTAX, "the zip's directory is broken");
		*entry_r = (struct zip_entry){.at = le(head + 42, 4),
			.packed = le(head + 20, 4),
			.size = le(head + 24, 4),
			.method = le(head + 10, 2),
			.crc = le(head + 16, 4)};
		if (name < ZIP_NAME_MAX &&
			read_all(&z->file, z->at + ENTRY_OCTETS, z->name, name, e) < 0)
			return -1;
		entry_r->name = span_of(z->name, name < ZIP_NAME_MAX ? name : 0);
		z->at += ENTRY_OCTETS + name + le(head + 30, 2) + le(head + 32, 2);
		/* directories, names that are too long, encrypted ones */
		if (!entry_r->name.len || z->name[name - 1] == '/' || (le(head + 8, 2) & 1))
			continue;
		*is_r = true;
		return 0;
	}
	return 0;
}

struct inflating {
	struct unpack *unpack;
	char *in, *out;
	uint64_t at, left, size;
	uint32_t crc;
	FIBER int (*take)(void *arg, struct span octets, struct err *e);
	void *arg;
};

static FIBER int give(struct inflating *x, struct span octets, struct err *e)
{
	if (octets.len > x->size)
		return err_set(e, ERR_LIMIT, "an entry of the zip is larger than it says");
	x->size -= octets.len;
	x->crc = unpack_crc(x->crc, octets);
	return octets.len ? x->take(x->arg, octets, e) : 0;
}

static FIBER int stored(struct inflating *x, const struct http_source *file, struct err *e)
{
	while (x->left) {
		size_t n = x->left < PIECE ? (size_t)x->left : PIECE;

		if (read_all(file, x->at, x->in, n, e) < 0 || give(x, span_of(x->in, n), e) < 0 ||
			fiber_breathe(e) < 0)
			return -1;
		x->at += n;
		x->left -= n;
	}
	return 0;
}

static FIBER int deflated(struct inflating *x, const struct http_source *file, struct err *e)
{
	struct span in = SPAN_NONE;
	bool is_end = false;
	size_t got;

	while (!is_end) {
		if (!in.len && x->left) {
			size_t n = x->left < PIECE ? (size_t)x->left : PIECE;

			if (read_all(file, x->at, x->in, n, e) < 0)
				return -1;
			x->at += n;
			x->left -= n;
			in = span_of(x->in, n);
		}
		if (unpack_some(x->unpack, &in, x->out, PIECE, &got, &is_end, e) < 0 ||
			give(x, span_of(x->out, got), e) < 0 || fiber_breathe(e) < 0)
			return -1;
	}
	return 0;
}

FIBER int zip_read(struct zip *z, const struct zip_entry *entry,
	FIBER int (*take)(void *arg, struct span octets, struct err *e), void *arg, struct err *e)
{
	struct inflating x = {.size = entry->size, .take = take, .arg = arg, .left = entry->packed};
	char head[LOCAL_OCTETS];
	int rc;

	if (entry->size > 64 * 1024 && entry->size / ZIP_TIMES_MAX > entry->packed)
		return err_set(e, ERR_LIMIT, "an entry of the zip that is too much larger inside");
	if (read_all(&z->file, entry->at, head, sizeof(head), e) < 0)
		return -1;
	x.at = entry->at + LOCAL_OCTETS + le(head + 26, 2) + le(head + 28, 2);
	if (le(head, 4) != 0x04034b50 || x.at > z->file.size || x.left > z->file.size - x.at)
		return err_set(e, ERR_SYNTAX, "an entry of the zip is broken");
	/* each octet of the file is unpacked once, or a small file is a large one many times */
	z->unpacked += entry->packed;
	if (z->unpacked > z->file.size)
		return err_set(e, ERR_LIMIT, "entries of the zip that lie upon each other");
	if (entry->method != 0 && entry->method != METHOD_DEFLATED)
		return err_set(e, ERR_UNSUPPORTED, "an entry is packed in another way");
	if (entry->method)
		x.unpack = unpack_new();
	x.in = mem_alloc(PIECE);
	x.out = mem_alloc(PIECE);
	rc = entry->method ? deflated(&x, &z->file, e) : stored(&x, &z->file, e);
	if (rc == 0 && x.crc != entry->crc)
		rc = err_set(e, ERR_SYNTAX, "an entry of the zip is not what it was");
	unpack_free(&x.unpack);
	free(x.in);
	free(x.out);
	return rc;
}
