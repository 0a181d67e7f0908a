/* Messages that are read: where their octets are, and the walk from octets to parts. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/must.h"
#include "proto/mail/mime_text.h"
#include "libyz/msg_priv.h"

static size_t or_default(size_t given, size_t fallback, size_t most)
{
	if (!given)
		return fallback;
	return given < most ? given : most;
}

struct yz_mail *yz_mail_new(const struct yz_mail_options *o)
{
	struct yz_mail *m = NEW(struct yz_mail);
	struct mime_limits limits;

	m->a = arena_new();
	m->fd = -1;
	if (o)
		memcpy(&m->o, o, o->size < sizeof(m->o) ? o->size : sizeof(m->o));
	limits = (struct mime_limits){
		.parts = or_default(m->o.parts, MIME_PARTS_MAX, SIZE_MAX),
		/* what walks the tree is as deep as it */
		.depth = or_default(m->o.depth, MIME_DEPTH_MAX, MIME_DEPTH_MAX),
		.params = or_default(m->o.params, MIME_PARAMS_MAX, SIZE_MAX),
		.header_octets = or_default(m->o.header_octets, MIME_HEADERS_MAX, SIZE_MAX),
		.fields = or_default(m->o.fields, MIME_FIELDS_MAX, SIZE_MAX),
		.defects = MIME_DEFECTS_MAX,
	};
	buf_init(&m->kept, or_default(m->o.memory, YZ_MAIL_MEMORY, SIZE_MAX / 2));
	m->parser = mime_parser_new(m->a, &limits);
	if (m->o.allows_from_line)
		mime_parser_allow_from_line(m->parser);
	hash_map_init(&m->views, (struct hash_key){msg_random(), msg_random()});
	return m;
}

void yz_mail_free(struct yz_mail **mp)
{
	struct yz_mail *m = *mp;

	if (!m)
		return;
	*mp = NULL;
	if (m->parser)
		mime_parser_end(&m->parser);
	hash_map_fini(&m->views);
	buf_fini(&m->kept);
	if (m->owns_fd)
		close(m->fd);
	arena_free(&m->envelope);
	arena_free(&m->a);
	free(m);
}

const struct yz_error *yz_mail_error(const struct yz_mail *m)
{
	return &m->error;
}

int yz_mail_feed(struct yz_mail *m, const void *octets, size_t n)
{
	if (!m->parser)
		return msg_error_set(&m->error, YZ_E_STATE, "the message has ended");
	if (!m->o.is_structure_only) {
		buf_put(&m->kept, octets, n);
		if (!buf_ok(&m->kept))
			return msg_error_set(&m->error, YZ_E_LIMIT,
				"a message of more than %zu octets", m->kept.max);
	}
	mime_parser_feed(m->parser, span_of(octets, n));
	return msg_fine(&m->error);
}

/* Entities beside the parts, in the same order. */
static void index_parts(struct yz_mail *m)
{
	struct yz_entity *e;
	size_t i = 0;

	m->entities = ARENA_ARRAY(m->a, struct yz_entity, m->tree->part_count);
	for (struct mime_part *p = m->tree->root; p; p = mime_part_next(p), i++) {
		MUST(i < m->tree->part_count);
		e = &m->entities[i];
		e->mail = m;
		e->part = p;
		e->after = i + 1;
		if (!i)
			continue;
		/* the one before it, or one that holds that */
		e->parent = e - 1;
		while (e->parent->part != p->parent)
			e->parent = e->parent->parent;
	}
	/* from behind: what ends with a part ends with the last one in it */
	while (i-- > 1)
		if (m->entities[i].parent->after < m->entities[i].after)
			m->entities[i].parent->after = m->entities[i].after;
}

int yz_mail_end(struct yz_mail *m)
{
	if (!m->parser)
		return msg_error_set(&m->error, YZ_E_STATE, "the message has ended");
	m->tree = mime_parser_end(&m->parser);
	m->store = m->o.is_structure_only ? MAIL_GONE : MAIL_MEMORY;
	m->octets = buf_span(&m->kept);
	index_parts(m);
	return msg_fine(&m->error);
}

struct yz_mail *yz_mail_parse(const void *octets, size_t n, const struct yz_mail_options *o)
{
	struct yz_mail *m = yz_mail_new(o);

	mime_parser_feed(m->parser, span_of(octets, n));
	yz_mail_end(m);
	m->store = MAIL_MEMORY;
	m->octets = span_of(octets, n);
	return m;
}

/* All that the descriptor has. */
static int feed_fd(struct yz_mail *m, bool is_file)
{
	char *piece = mem_alloc(YZ_READ_OCTETS);
	int64_t at = m->base;
	struct err e = {0};
	ssize_t n;
	int rc = YZ_OK;

	do {
		n = is_file ? pread(m->fd, piece, YZ_READ_OCTETS, at)
			    : read(m->fd, piece, YZ_READ_OCTETS);
		if (n > 0 && is_file)
			mime_parser_feed(m->parser, span_of(piece, n));
		else if (n > 0)
			rc = yz_mail_feed(m, piece, (size_t)n);
		at += n > 0 ? n : 0;
	} while (rc == YZ_OK && (n > 0 || (n < 0 && errno == EINTR)));
	if (n < 0 && rc == YZ_OK) {
		err_sys(&e, errno, "reading a message");
		rc = msg_error(&m->error, &e);
	}
	free(piece);
	return rc;
}

static int parse_fd(int fd, bool owns_fd, const struct yz_mail_options *o, struct yz_mail **mail_r)
{
	struct yz_mail *m = yz_mail_new(o);
	struct stat st;
	bool is_file;
	int rc;

	*mail_r = NULL;
	m->fd = fd;
	m->owns_fd = owns_fd;
	m->base = lseek(fd, 0, SEEK_CUR);
	is_file = m->base >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	rc = feed_fd(m, is_file);
	if (rc != YZ_OK) {
		yz_mail_free(&m);
		return rc;
	}
	yz_mail_end(m);
	if (is_file)
		m->store = MAIL_FILE;
	*mail_r = m;
	return YZ_OK;
}

int yz_mail_parse_fd(int fd, const struct yz_mail_options *o, struct yz_mail **mail_r)
{
	return parse_fd(fd, false, o, mail_r);
}

int yz_mail_parse_file(const char *path, const struct yz_mail_options *o, struct yz_mail **mail_r)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	*mail_r = NULL;
	return fd < 0 ? YZ_E_SYSTEM : parse_fd(fd, true, o, mail_r);
}

static int octets_of_file(
	struct yz_mail *m, uint64_t from, uint64_t to, const struct msg_sink *sink, struct err *e)
{
	char *piece = mem_alloc(YZ_READ_OCTETS);
	int rc = 0;

	while (from < to && rc == 0) {
		size_t want = to - from < YZ_READ_OCTETS ? (size_t)(to - from) : YZ_READ_OCTETS;
		ssize_t n = pread(m->fd, piece, want, m->base + (int64_t)from);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			rc = err_sys(e, errno, "reading a message again");
		else if (n == 0)
			rc = err_set(e, ERR_IO, "the message's file is shorter than it was");
		else
			rc = sink->write(sink->arg, span_of(piece, n), e);
		from += n > 0 ? (uint64_t)n : 0;
	}
	free(piece);
	return rc;
}

int mail_octets(
	struct yz_mail *m, uint64_t from, uint64_t to, const struct msg_sink *sink, struct err *e)
{
	if (from >= to)
		return 0;
	switch (m->store) {
	case MAIL_MEMORY:
		return sink->write(
			sink->arg, span_sub(m->octets, (size_t)from, (size_t)(to - from)), e);
	case MAIL_FILE: return octets_of_file(m, from, to, sink, e);
	case MAIL_GONE: break;
	}
	return err_set(e, ERR_STATE, "the message's octets were not kept");
}

/* --- bodies -------------------------------------------------------------------------------------- */

struct body {
	enum yz_form form;
	struct mime_decoder decoder;
	struct mime_text *text;
	struct buf out;
	yz_write_fn *write;
	void *arg;
};

static int body_flush(struct body *b, struct err *e)
{
	struct span s = buf_span(&b->out);
	int rc = s.len ? b->write(b->arg, s.ptr, s.len) : 0;

	buf_clear(&b->out);
	return rc ? err_set(e, ERR_IO, "the caller takes no more") : 0;
}

static int body_put(void *arg, struct span octets, struct err *e)
{
	struct body *b = arg;

	while (octets.len) {
		struct span slice = span_sub(octets, 0, YZ_READ_OCTETS);

		if (b->form == YZ_RAW)
			buf_span_put(&b->out, slice);
		else if (b->form == YZ_OCTETS)
			mime_decoder_feed(&b->decoder, slice, &b->out);
		else
			mime_text_feed(b->text, slice, &b->out);
		if (body_flush(b, e) < 0)
			return -1;
		octets = span_skip(octets, slice.len);
	}
	return 0;
}

static void note(const struct yz_entity *e, uint64_t defects)
{
	for (unsigned d = 0; d < MIME_DEFECT_COUNT; d++)
		if (defects & ~e->part->defects & mime_bit((enum mime_defect)d))
			mime_tree_note(e->mail->a, e->mail->tree, e->part, (enum mime_defect)d,
				e->part->body_offset);
}

int yz_entity_read(const struct yz_entity *entity, enum yz_form form, yz_write_fn *write, void *arg)
{
	const struct mime_part *p = entity->part;
	struct body b = {.form = form, .write = write, .arg = arg};
	const struct msg_sink sink = {body_put, &b};
	uint64_t defects = 0;
	struct err e = {0};
	int rc;

	buf_init(&b.out, 8 * YZ_READ_OCTETS);
	mime_decoder_init(&b.decoder, p->encoding);
	if (form >= YZ_TEXT)
		b.text = mime_text_new(p, form == YZ_UNFLOWED);
	rc = mail_octets(entity->mail, p->body_offset, p->end_offset, &sink, &e);
	if (rc == 0 && form == YZ_OCTETS) {
		mime_decoder_end(&b.decoder, &b.out);
		defects = mime_decoder_defects(&b.decoder);
	} else if (rc == 0 && b.text) {
		defects = mime_text_end(b.text, &b.out);
	}
	if (rc == 0)
		rc = body_flush(&b, &e);
	if (rc == 0)
		note(entity, defects);
	mime_text_free(&b.text);
	buf_fini(&b.out);
	return msg_result(&entity->mail->error, rc, &e);
}

int mail_body_buf(const struct yz_entity *entity, enum yz_form form, struct buf *b, struct err *e)
{
	if (yz_entity_read(entity, form, msg_to_buf, b) == YZ_OK)
		return 0;
	return buf_ok(b) ? err_set(e, ERR_IO, "%s", entity->mail->error.text)
			 : err_set(e, ERR_LIMIT, "a body of more than %zu octets", b->max);
}

int yz_entity_read_mem(
	const struct yz_entity *entity, enum yz_form form, size_t max, char **octets_r, size_t *n_r)
{
	struct yz_error *error = &entity->mail->error;
	struct buf b;
	int rc;

	*octets_r = NULL;
	buf_init(&b, max);
	rc = yz_entity_read(entity, form, msg_to_buf, &b);
	if (!buf_ok(&b))
		rc = msg_error_set(error, YZ_E_LIMIT, "a body of more than %zu octets", max);
	if (rc == YZ_OK)
		*octets_r = msg_give(&b, n_r);
	buf_fini(&b);
	return rc;
}
