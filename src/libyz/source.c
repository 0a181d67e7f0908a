/* Where a body comes from: memory, the caller's functions, a descriptor; made fit for the wire on
 * the way (RFC 5321 section 2.3.8), in pieces of bounded size. */

#include "libyz/libyz_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/must.h"

/* More than all of a piece can become: each CR or LF of it a CRLF. */
#define GATHER_MAX (2 * YZ_SOURCE_BYTES + 2)

struct body {
	struct smtp_source source; /* first */
	struct yz_session *session;
	enum yz_eol eol;
	bool is_set;
	/* one of three */
	const char *octets;
	size_t n;
	struct yz_source src; /* read is NULL for the others */
	int fd;               /* -1 */
	bool is_owned;
	off_t start;
	/* where it stands */
	size_t at;         /* in octets */
	char *mem;         /* what was read; NULL until then */
	struct span piece; /* read, not looked at */
	struct buf gather;
	struct smtp_eol filter;
	bool is_end, is_finished, is_begun;
	bool has_failed;
	char tail[2]; /* YZ_EOL_KEEP: the last two octets */
	uint64_t out;
	void (*watch)(void *arg, uint64_t sent, int64_t of);
	void *watch_arg;
	int64_t watch_of;
};

/* ---- raw octets ---- */

static int body_fails(struct body *b, struct err *e, const char *what, int sys_errno)
{
	b->has_failed = true;
	if (sys_errno)
		err_sys(e, sys_errno, "%s", what);
	else
		err_set(e, ERR_IO, "%s", what);
	return err_scope_set(e, ERR_SCOPE_MSG, ERR_AGAIN_LATER);
}

/* Whoever writes into a pipe is given as much time as the server. */
static FIBER int body_read_fd(struct body *b, size_t *got_r, struct err *e)
{
	struct yz_session *s = b->session;
	int64_t patience_ns = session_ns(s->opts.timeouts.block, YZ_BLOCK_NS);

	for (;;) {
		ssize_t got;

		if (step_wait(s->step, b->fd, YZ_READ, clock_mono_ns() + patience_ns, e) < 0) {
			if (e && e->code == ERR_CANCELLED)
				return -1;
			return body_fails(b, e, "reading the message: nothing comes", 0);
		}
		got = read(b->fd, b->mem, YZ_SOURCE_BYTES);
		if (got >= 0) {
			*got_r = (size_t)got;
			return 0;
		}
		if (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK)
			return body_fails(b, e, "reading the message", errno);
	}
}

/* The next piece of at most YZ_SOURCE_BYTES; empty at the end. */
static FIBER int body_pull(struct body *b, struct err *e)
{
	size_t got = 0;

	if (b->octets) {
		b->piece = span_sub(span_of(b->octets, b->n), b->at, YZ_SOURCE_BYTES);
		b->at += b->piece.len;
		b->is_end = b->piece.len == 0;
		return 0;
	}
	if (!b->mem)
		b->mem = mem_alloc(YZ_SOURCE_BYTES);
	if (b->src.read) {
		long n = b->src.read(b->src.arg, b->mem, YZ_SOURCE_BYTES);

		if (n < 0 || n > YZ_SOURCE_BYTES)
			return body_fails(b, e, "the source of the message failed", 0);
		got = (size_t)n;
	} else if (b->fd >= 0 && body_read_fd(b, &got, e) < 0) {
		return -1;
	}
	b->piece = span_of(b->mem, got);
	b->is_end = got == 0;
	return 0;
}

/* ---- made fit ---- */

/* What of the piece can go as it is, or a copy of it with its line ends mended. */
static int body_filter(struct body *b, struct span *out_r, struct err *e)
{
	struct span out;

	buf_clear(&b->gather);
	while (b->piece.len) {
		size_t used = smtp_eol_take(&b->filter, b->piece, &out);

		if (b->filter.is_bad) {
			b->has_failed = true;
			err_set(e, ERR_SYNTAX, "a bare CR or LF at octet %llu of the message",
				(unsigned long long)b->filter.bad_at);
			return err_scope_set(e, ERR_SCOPE_MSG, ERR_AGAIN_NEVER);
		}
		b->piece = span_skip(b->piece, used);
		if (b->piece.len == 0 && buf_len(&b->gather) == 0) {
			*out_r = out;
			return 0;
		}
		buf_span_put(&b->gather, out);
	}
	MUST(buf_ok(&b->gather));
	*out_r = buf_span(&b->gather);
	return 0;
}

static bool is_untouched(const struct body *b)
{
	return b->eol == YZ_EOL_BINARY || b->eol == YZ_EOL_KEEP;
}

static int body_finish(struct body *b, struct span *out_r, struct err *e)
{
	b->is_finished = true;
	if (b->eol == YZ_EOL_KEEP && !(b->tail[0] == '\r' && b->tail[1] == '\n'))
		*out_r = SPAN("\r\n");
	else
		*out_r = is_untouched(b) ? SPAN_NONE : smtp_eol_finish(&b->filter);
	if (!b->filter.is_bad)
		return 0;
	b->has_failed = true;
	err_set(e, ERR_SYNTAX, "a bare CR at the end of the message");
	return err_scope_set(e, ERR_SCOPE_MSG, ERR_AGAIN_NEVER);
}

static FIBER int body_some(struct body *b, struct span *out_r, struct err *e)
{
	*out_r = SPAN_NONE;
	b->is_begun = true;
	while (!b->is_finished && out_r->len == 0) {
		if (!b->piece.len && !b->is_end && body_pull(b, e) < 0)
			return -1;
		if (b->is_end) {
			if (body_finish(b, out_r, e) < 0)
				return -1;
		} else if (is_untouched(b)) {
			*out_r = b->piece;
			b->tail[0] = out_r->len > 1 ? out_r->ptr[out_r->len - 2] : b->tail[1];
			b->tail[1] = out_r->ptr[out_r->len - 1];
			b->piece = SPAN_NONE;
		} else if (body_filter(b, out_r, e) < 0) {
			return -1;
		}
	}
	return 0;
}

static FIBER int body_next(struct smtp_source *src, struct span *octets_r, struct err *e)
{
	struct body *b = (struct body *)src;

	if (b->has_failed) {
		err_set(e, ERR_IO, "the message cannot be read again from its beginning");
		return err_scope_set(e, ERR_SCOPE_MSG, ERR_AGAIN_LATER);
	}
	if (body_some(b, octets_r, e) < 0)
		return -1;
	b->out += octets_r->len;
	if (b->watch && octets_r->len)
		b->watch(b->watch_arg, b->out, b->watch_of);
	return 0;
}

static void body_rewind(struct smtp_source *src)
{
	struct body *b = (struct body *)src;

	if (!b->is_begun)
		return;
	if (b->src.read && b->src.rewind(b->src.arg) < 0)
		b->has_failed = true;
	if (b->fd >= 0 && lseek(b->fd, b->start, SEEK_SET) < 0)
		b->has_failed = true;
	b->at = 0;
	b->out = 0;
	b->piece = SPAN_NONE;
	b->filter = (struct smtp_eol){.is_strict = b->eol == YZ_EOL_STRICT};
	b->is_end = b->is_finished = b->is_begun = false;
}

/* ---- making ---- */

struct body *source_body_new(struct yz_session *s)
{
	struct body *b = NEW(struct body);

	b->source.next = body_next;
	b->source.rewind = body_rewind;
	b->session = s;
	b->fd = -1;
	buf_init(&b->gather, GATHER_MAX);
	return b;
}

void source_body_free(struct body **b_p)
{
	struct body *b = *b_p;

	*b_p = NULL;
	if (b->is_owned && b->fd >= 0)
		close(b->fd);
	buf_fini(&b->gather);
	free(b->mem);
	free(b);
}

static void body_set(struct body *b, enum yz_eol eol)
{
	if (b->is_owned && b->fd >= 0)
		close(b->fd);
	b->fd = -1;
	b->is_owned = b->is_begun = b->is_end = b->is_finished = b->has_failed = false;
	b->octets = NULL;
	b->src = (struct yz_source){0};
	b->at = 0;
	b->out = 0;
	b->piece = SPAN_NONE;
	b->source.rewind = body_rewind;
	b->eol = eol;
	b->filter = (struct smtp_eol){.is_strict = eol == YZ_EOL_STRICT};
	b->source.keeps_bare = eol == YZ_EOL_KEEP;
	b->is_set = true;
}

void body_set_octets(struct body *b, const void *octets, size_t n, enum yz_eol eol)
{
	body_set(b, eol);
	b->octets = octets ? octets : "";
	b->n = octets ? n : 0;
}

void body_set_source(struct body *b, const struct yz_source *src, enum yz_eol eol)
{
	body_set(b, eol);
	b->src = *src;
	if (!src->rewind)
		b->source.rewind = NULL;
}

void body_set_fd(struct body *b, int fd, bool is_owned, enum yz_eol eol)
{
	body_set(b, eol);
	b->fd = fd;
	b->is_owned = is_owned;
	b->start = lseek(fd, 0, SEEK_CUR);
	if (b->start < 0)
		b->source.rewind = NULL; /* a pipe, a socket, a terminal */
}

struct smtp_source *body_source(struct body *b)
{
	return &b->source;
}

bool body_is_set(const struct body *b)
{
	return b->is_set;
}

bool body_is_begun(const struct body *b)
{
	return b->is_begun;
}

bool body_is_binary(const struct body *b)
{
	return b->eol == YZ_EOL_BINARY;
}

void body_watch(
	struct body *b, void (*fn)(void *arg, uint64_t sent, int64_t of), void *arg, int64_t of)
{
	b->watch = fn;
	b->watch_arg = arg;
	b->watch_of = of;
}

uint64_t body_octets(const struct body *b)
{
	return b->out;
}

bool body_has_failed(const struct body *b)
{
	return b->has_failed;
}

int64_t body_size_hint(const struct body *b)
{
	return b->src.read ? b->src.size : -1;
}

FIBER int body_measure(
	struct body *b, uint64_t *size_r, bool *is_known_r, bool *is_8bit_r, struct err *e)
{
	struct span some;

	*size_r = 0;
	*is_8bit_r = false;
	*is_known_r = b->source.rewind != NULL;
	if (!*is_known_r)
		return 0;
	body_rewind(&b->source);
	if (b->has_failed)
		return body_fails(b, e, "the message cannot be read from its beginning", 0);
	/* Binary octets in memory are as many as they are. */
	if (b->octets && b->eol == YZ_EOL_BINARY) {
		*size_r = b->n;
		*is_8bit_r = true;
		return 0;
	}
	do {
		if (body_some(b, &some, e) < 0 || step_breathe(b->session->step, some.len, e) < 0)
			return -1;
		*size_r += some.len;
	} while (some.len);
	*is_8bit_r = b->filter.is_8bit || b->eol == YZ_EOL_BINARY;
	body_rewind(&b->source);
	return 0;
}
