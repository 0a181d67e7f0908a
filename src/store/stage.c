/* Bodies on their way in. The memory holds the whole body up to STAGE_MEM_MAX; then it becomes the
 * buffer in front of an unlinked file, which grows by whole chunks of BODY_CHUNK. */

#include "store/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/must.h"
#include "store/blob.h"
#include "store/stage_priv.h"
#include "store/store_priv.h"

#define STAGE_MEM_FIRST 4096

_Static_assert(STAGE_MEM_MAX == BODY_CHUNK, "the memory is the buffer of one chunk");

struct stage {
	struct store *s;
	struct body_mem *mem; /* all, or what lies behind `flushed`; NULL until the first byte */
	uint64_t len;
	uint64_t flushed; /* octets in the file, whole chunks until stage_store */
	uint64_t disk;    /* of the budget */
	uint64_t blob_id;
	int fd;
	bool is_stored; /* all chunks are rows */
};

struct stage *stage_new(struct store *s)
{
	struct stage *st = NEW(struct stage);

	st->s = s;
	st->fd = -1;
	return st;
}

/* ---- budgets ---- */

static int charge(
	_Atomic uint64_t *spent, uint64_t max, uint64_t octets, const char *what, struct err *e)
{
	if (atomic_fetch_add(spent, octets) + octets <= max)
		return 0;
	atomic_fetch_sub(spent, octets);
	err_set(e, ERR_FULL, "the %s for bodies on their way in is spent", what);
	err_smtp(e, 452, 4, 3, 1);
	return -1;
}

static void give_back(_Atomic uint64_t *spent, uint64_t octets)
{
	MUST(atomic_fetch_sub(spent, octets) >= octets);
}

static int charge_mem(struct stage *st, uint64_t octets, struct err *e)
{
	return charge(&st->s->stage_mem, st->s->stage_mem_max, octets, "memory", e);
}

static void drop_mem(struct stage *st)
{
	if (st->mem)
		give_back(&st->s->stage_mem, st->mem->cap);
	body_mem_unref(&st->mem);
}

static void unlink_blob(struct stage *st);

void stage_free(struct stage **st)
{
	struct stage *x = *st;

	if (!x)
		return;
	*st = NULL;
	drop_mem(x);
	if (x->fd >= 0)
		store_close_later(x->s, x->fd);
	give_back(&x->s->stage_disk, x->disk);
	if (x->blob_id)
		unlink_blob(x);
	free(x);
}

/* ---- memory ---- */

/* The block is alone ours while it grows: handles are made from it only when it is complete. */
static int grow(struct stage *st, size_t need, struct err *e)
{
	size_t cap = st->mem ? st->mem->cap : STAGE_MEM_FIRST;
	struct body_mem *m;

	while (cap < need)
		cap *= 2;
	if (st->mem && cap == st->mem->cap)
		return 0;
	if (charge_mem(st, cap, e) < 0)
		return -1;
	m = body_mem_new(cap);
	if (!m) {
		give_back(&st->s->stage_mem, cap);
		err_set(e, ERR_FULL, "out of memory for a body");
		return err_smtp(e, 452, 4, 3, 1);
	}
	if (st->mem) {
		memcpy(m->bytes, st->mem->bytes, st->mem->len);
		m->len = st->mem->len;
	}
	drop_mem(st);
	st->mem = m;
	return 0;
}

static size_t buffered(const struct stage *st)
{
	return st->mem ? st->mem->len : 0;
}

static int append(struct stage *st, struct span bytes, struct err *e)
{
	if (!bytes.len)
		return 0;
	if (grow(st, buffered(st) + bytes.len, e) < 0)
		return -1;
	memcpy(st->mem->bytes + st->mem->len, bytes.ptr, bytes.len);
	st->mem->len += bytes.len;
	st->len += bytes.len;
	return 0;
}

/* ---- file ---- */

static int open_file(struct stage *st, struct err *e)
{
	st->fd = open(st->s->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	return st->fd < 0 ? err_sys(e, errno, "opening a file for a body") : 0;
}

static int write_out(void *arg, struct err *e)
{
	struct stage *st = arg;
	size_t done = 0;

	if (st->fd < 0 && open_file(st, e) < 0)
		return -1;
	while (done < st->mem->len) {
		ssize_t n = pwrite(st->fd, st->mem->bytes + done, st->mem->len - done,
			(off_t)(st->flushed + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int sys = errno;

			err_sys(e, sys, "writing a body to its file");
			if (e && (sys == ENOSPC || sys == EDQUOT || sys == EFBIG)) {
				e->code = ERR_FULL;
				err_smtp(e, 452, 4, 3, 1);
			}
			return -1;
		}
		done += (size_t)n;
	}
	return 0;
}

static FIBER int flush(struct stage *st, struct err *e)
{
	uint64_t octets = buffered(st);
	int rc;

	if (!octets)
		return 0;
	if (charge(&st->s->stage_disk, st->s->stage_disk_max, octets, "disk space", e) < 0)
		return -1;
	st->disk += octets;
	if (store_room_begin(st->s, octets, e) < 0)
		return -1;
	rc = work_run(st->s->stage_lane, write_out, st, e);
	store_room_end(st->s, octets);
	if (rc < 0)
		return -1;
	st->flushed += octets;
	st->mem->len = 0;
	return 0;
}

FIBER int stage_put(struct stage *st, struct span bytes, struct err *e)
{
	MUST(!st->blob_id);
	while (bytes.len) {
		size_t room = STAGE_MEM_MAX - buffered(st);

		if (!room) {
			if (flush(st, e) < 0)
				return -1;
			room = STAGE_MEM_MAX;
		}
		if (append(st, span_sub(bytes, 0, room), e) < 0)
			return -1;
		bytes = span_skip(bytes, room);
	}
	return 0;
}

uint64_t stage_len(const struct stage *st)
{
	return st->len;
}

bool stage_mem(const struct stage *st, struct span *bytes_r)
{
	bool is_all = !st->flushed;

	*bytes_r = is_all && st->mem ? span_of(st->mem->bytes, st->mem->len) : SPAN_NONE;
	return is_all;
}

struct file_read {
	int fd;
	char *p;
	size_t n;
	uint64_t offset;
};

static int read_in(void *arg, struct err *e)
{
	struct file_read *r = arg;
	size_t done = 0;

	while (done < r->n) {
		ssize_t n = pread(r->fd, r->p + done, r->n - done, (off_t)(r->offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "reading a body from its file");
		if (n == 0)
			return err_set(e, ERR_CORRUPT, "a body's file is shorter than it was");
		done += (size_t)n;
	}
	return 0;
}

FIBER int stage_read(
	struct stage *st, uint64_t offset, void *p, size_t n, size_t *got_r, struct err *e)
{
	size_t from_file = 0;

	*got_r = 0;
	if (offset >= st->len)
		return 0;
	if (n > st->len - offset)
		n = (size_t)(st->len - offset);
	if (offset < st->flushed) {
		struct file_read r = {st->fd, p, n, offset};

		if (r.n > st->flushed - offset)
			r.n = (size_t)(st->flushed - offset);
		if (work_run(st->s->stage_lane, read_in, &r, e) < 0)
			return -1;
		from_file = r.n;
	}
	if (n > from_file)
		memcpy((char *)p + from_file, st->mem->bytes + (offset + from_file - st->flushed),
			n - from_file);
	*got_r = n;
	return 0;
}

/* ---- into the store ---- */

struct chunk_write {
	uint64_t blob_id, octets, index;
	struct span bytes;
};

static int insert_chunk(struct db *db, void *arg, struct err *e)
{
	struct chunk_write *w = arg;

	if (w->index == 0 && blob_insert_tx(db, w->blob_id, 0, w->octets, e) < 0)
		return -1;
	return blob_chunk_tx(db, w->blob_id, w->index, w->bytes, e);
}

FIBER int stage_store(struct stage *st, struct err *e)
{
	struct chunk_write w = {.octets = st->len};

	if (!st->flushed || st->is_stored)
		return 0;
	if (st->blob_id)
		return err_set(e, ERR_STATE, "a body that could not be stored is not tried again");
	/* all to the file: the memory then carries chunk by chunk */
	if (flush(st, e) < 0)
		return -1;
	w.blob_id = blob_new_id(st->s, st->len);
	for (w.index = 0; w.index < blob_chunks(st->len); w.index++) {
		struct file_read r = {st->fd, st->mem->bytes, BODY_CHUNK, w.index * BODY_CHUNK};

		if (r.n > st->len - r.offset)
			r.n = (size_t)(st->len - r.offset);
		if (work_run(st->s->stage_lane, read_in, &r, e) < 0)
			return -1;
		w.bytes = span_of(r.p, r.n);
		if (store_write(st->s, "body chunk", insert_chunk, &w, e) < 0)
			return -1;
		st->blob_id = w.blob_id;
	}
	st->is_stored = true;
	return 0;
}

struct body_mem *stage_body_mem(struct stage *st)
{
	return st->flushed ? NULL : st->mem;
}

uint64_t stage_blob_id(const struct stage *st)
{
	return st->blob_id;
}

void stage_gave_blob(struct stage *st)
{
	st->blob_id = 0;
}

struct orphan {
	uint64_t blob_id;
};

static int doom_blob(struct db *db, void *arg, struct err *e)
{
	const struct orphan *o = arg;

	return blob_doom_tx(db, o->blob_id, e);
}

/* The letter was refused after its body was stored. */
static void unlink_blob(struct stage *st)
{
	struct orphan *o = NEW(struct orphan);

	o->blob_id = st->blob_id;
	store_write_later(st->s, "drop an unaccepted body", doom_blob, o, free);
}
