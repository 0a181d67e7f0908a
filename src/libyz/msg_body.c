/* Messages that are made: bodies, attachments, parts. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/utf8.h"
#include "libyz/msg_priv.h"

static struct span copied(struct yz_msg *m, const void *octets, size_t n)
{
	return arena_span(m->a, span_of(octets, n));
}

int yz_msg_text(struct yz_msg *m, const char *text)
{
	struct err e = {0};

	return msg_result(&m->error, msg_set_text(m->m, copied(m, text, strlen(text)), &e), &e);
}

int yz_msg_html(struct yz_msg *m, const char *html)
{
	struct err e = {0};

	return msg_result(&m->error, msg_set_html(m->m, copied(m, html, strlen(html)), &e), &e);
}

void yz_msg_flowed(struct yz_msg *m, bool is_flowed)
{
	msg_set_flowed(m->m, is_flowed);
}

int yz_msg_calendar(struct yz_msg *m, const char *method, const char *ics)
{
	struct err e = {0};

	return msg_result(&m->error,
		msg_add_calendar(m->m, span_str(method), copied(m, ics, strlen(ics)), &e), &e);
}

/* --- sources ----------------------------------------------------------------------------------- */

struct file_source {
	int fd;
	bool is_seekable;
	off_t start, at;
	uint64_t size; /* that is read, when is_seekable */
};

static int file_read(void *arg, struct buf *out, size_t want, struct err *e)
{
	struct file_source *f = arg;
	uint64_t left = f->size - (uint64_t)(f->at - f->start);
	ssize_t n;
	char *to;

	if (f->is_seekable && want > left)
		want = (size_t)left; /* the file may grow meanwhile */
	to = want ? buf_reserve(out, want) : NULL;
	if (!to)
		return 0;
	do
		n = f->is_seekable ? pread(f->fd, to, want, f->at) : read(f->fd, to, want);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, errno, "reading an attachment");
	buf_added(out, (size_t)n);
	f->at += n;
	return 0;
}

static int file_rewind(void *arg, struct err *e)
{
	struct file_source *f = arg;

	f->at = f->start;
	return 0;
}

static void file_close(void *arg)
{
	struct file_source *f = arg;

	close(f->fd);
}

/* Source of a descriptor; `f` lives in the message. */
static void file_source_of(struct file_source *f, struct msg_source *s)
{
	struct stat st;

	memset(s, 0, sizeof(*s));
	f->start = lseek(f->fd, 0, SEEK_CUR);
	f->is_seekable = f->start >= 0 && fstat(f->fd, &st) == 0 && S_ISREG(st.st_mode);
	if (f->is_seekable) {
		f->size = st.st_size > f->start ? (uint64_t)(st.st_size - f->start) : 0;
		f->at = f->start;
		s->rewind = file_rewind;
	}
	s->read = file_read;
	s->arg = f;
	s->has_size = f->is_seekable;
	s->size = f->size;
}

static int caller_read(void *arg, struct buf *out, size_t want, struct err *e)
{
	const struct yz_source *s = arg;
	char *to = buf_reserve(out, want);
	long n = to ? s->read(s->arg, to, want) : 0;

	if (n < 0 || (size_t)n > want)
		return err_set(e, ERR_IO, "the source of an attachment failed");
	buf_added(out, (size_t)n);
	return 0;
}

static int caller_rewind(void *arg, struct err *e)
{
	const struct yz_source *s = arg;

	if (s->rewind(s->arg) != 0)
		return err_set(e, ERR_IO, "the source of an attachment cannot begin anew");
	return 0;
}

static int caller_source_of(struct yz_msg *m, const struct yz_source *source, struct msg_source *s)
{
	struct yz_source *own = ARENA_NEW(m->a, struct yz_source);
	size_t n = source->size_of < sizeof(*own) ? source->size_of : sizeof(*own);

	memcpy(own, source, n);
	if (!own->read)
		return msg_error_set(&m->error, YZ_E_INVAL, "a source without a read function");
	memset(s, 0, sizeof(*s));
	s->read = caller_read;
	s->rewind = own->rewind ? caller_rewind : NULL;
	s->arg = own;
	s->has_size = own->size >= 0;
	s->size = own->size >= 0 ? (uint64_t)own->size : 0;
	return YZ_OK;
}

/* --- attachments ------------------------------------------------------------------------------- */

static struct yz_attachment options_of(const struct yz_attachment *a)
{
	struct yz_attachment own = {0};

	if (a)
		memcpy(&own, a, a->size < sizeof(own) ? a->size : sizeof(own));
	if (!own.type)
		own.type = own.filename ? yz_type_of_name(own.filename)
					: "application/octet-stream";
	return own;
}

static int attach(
	struct yz_msg *m, struct msg_part *p, const struct yz_attachment *o, struct err *e)
{
	if (!p)
		return msg_error(&m->error, e);
	if (o->is_inline && !o->id)
		return msg_error_set(&m->error, YZ_E_INVAL, "an inline part needs an id");
	if (msg_part_disposition(p, o->is_inline ? SPAN("inline") : SPAN("attachment"),
		    span_str(o->filename), e) < 0 ||
		(o->id && msg_part_id(p, span_str(o->id), e) < 0) ||
		(o->description && msg_part_description(p, span_str(o->description), e) < 0))
		return msg_error(&m->error, e);
	msg_append_part(m->m, p, o->is_inline);
	return msg_fine(&m->error);
}

int yz_msg_attach(struct yz_msg *m, const void *octets, size_t n, const struct yz_attachment *a)
{
	struct yz_attachment o = options_of(a);
	struct span body = o.is_borrowed ? span_of(octets, n) : copied(m, octets, n);
	struct err e = {0};

	return attach(m, msg_part_octets(m->m, span_str(o.type), body, &e), &o, &e);
}

int yz_msg_attach_fd(struct yz_msg *m, int fd, const struct yz_attachment *a)
{
	struct yz_attachment o = options_of(a);
	struct file_source *f = ARENA_NEW(m->a, struct file_source);
	struct msg_source s;
	struct err e = {0};

	f->fd = fd;
	file_source_of(f, &s);
	return attach(m, msg_part_source(m->m, span_str(o.type), &s, &e), &o, &e);
}

int yz_msg_attach_file(struct yz_msg *m, const char *path, const struct yz_attachment *a)
{
	struct yz_attachment o = {.size = sizeof(o)};
	struct file_source *f;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct err e = {0};

	if (fd < 0) {
		err_sys(&e, errno, "opening %s", path);
		return msg_error(&m->error, &e);
	}
	f = ARENA_NEW(m->a, struct file_source);
	f->fd = fd;
	arena_defer(m->a, file_close, f);
	if (a)
		memcpy(&o, a, a->size < sizeof(o) ? a->size : sizeof(o));
	if (!o.filename)
		o.filename = msg_base_name(path);
	return yz_msg_attach_fd(m, fd, &o);
}

int yz_msg_attach_source(
	struct yz_msg *m, const struct yz_source *source, const struct yz_attachment *a)
{
	struct yz_attachment o = options_of(a);
	struct msg_source s;
	struct err e = {0};

	if (caller_source_of(m, source, &s) != YZ_OK)
		return YZ_E_INVAL;
	return attach(m, msg_part_source(m->m, span_str(o.type), &s, &e), &o, &e);
}

int yz_msg_attach_message(struct yz_msg *m, const void *octets, size_t n)
{
	struct err e = {0};

	return msg_result(&m->error, msg_attach_message(m->m, copied(m, octets, n), &e), &e);
}

/* --- parts by hand ----------------------------------------------------------------------------- */

static struct yz_part *part_of(struct yz_msg *m, struct msg_part *p, const struct err *e)
{
	struct yz_part *part;

	if (!p) {
		msg_error(&m->error, e);
		return NULL;
	}
	msg_fine(&m->error);
	part = ARENA_NEW(m->a, struct yz_part);
	part->p = p;
	part->owner = m;
	return part;
}

/* What may stand behind the slash (RFC 2045 section 5.1)? */
static bool is_subtype(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n <= 127 &&
		strspn(s,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			"0123456789!#$&^_.+-") == n;
}

struct yz_part *yz_part_text(struct yz_msg *m, const char *subtype, const char *text)
{
	struct span body = span_str(text);

	if (!is_subtype(subtype) || !utf8_is_valid(body)) {
		msg_error_set(&m->error, YZ_E_INVAL, "%s",
			is_subtype(subtype) ? "text that is not UTF-8" : "not a subtype");
		return NULL;
	}
	return part_of(
		m, msg_part_text(m->m, span_str(subtype), copied(m, body.ptr, body.len)), NULL);
}

struct yz_part *yz_part_octets(struct yz_msg *m, const char *type, const void *octets, size_t n)
{
	struct err e = {0};

	return part_of(m, msg_part_octets(m->m, span_str(type), copied(m, octets, n), &e), &e);
}

struct yz_part *yz_part_source(struct yz_msg *m, const char *type, const struct yz_source *source)
{
	struct msg_source s;
	struct err e = {0};

	if (caller_source_of(m, source, &s) != YZ_OK)
		return NULL;
	return part_of(m, msg_part_source(m->m, span_str(type), &s, &e), &e);
}

struct yz_part *yz_part_message(struct yz_msg *m, const void *octets, size_t n)
{
	return part_of(m, msg_part_message(m->m, copied(m, octets, n)), NULL);
}

struct yz_part *yz_part_multi(struct yz_msg *m, const char *subtype)
{
	if (!is_subtype(subtype)) {
		msg_error_set(&m->error, YZ_E_INVAL, "not a subtype");
		return NULL;
	}
	return part_of(m, msg_part_multi(m->m, span_str(subtype)), NULL);
}

int yz_part_add(struct yz_part *parent, struct yz_part *child)
{
	struct err e = {0};

	return msg_result(&parent->owner->error, msg_part_add(parent->p, child->p, &e), &e);
}

int yz_part_param(struct yz_part *p, const char *name, const char *value)
{
	struct err e = {0};

	return msg_result(
		&p->owner->error, msg_part_param(p->p, span_str(name), span_str(value), &e), &e);
}

int yz_part_disposition(struct yz_part *p, const char *disposition, const char *filename)
{
	struct err e = {0};

	return msg_result(&p->owner->error,
		msg_part_disposition(p->p, span_str(disposition), span_str(filename), &e), &e);
}

int yz_part_id(struct yz_part *p, const char *id)
{
	struct err e = {0};

	return msg_result(&p->owner->error, msg_part_id(p->p, span_str(id), &e), &e);
}

int yz_part_description(struct yz_part *p, const char *text)
{
	struct err e = {0};

	return msg_result(&p->owner->error, msg_part_description(p->p, span_str(text), &e), &e);
}

int yz_msg_body(struct yz_msg *m, struct yz_part *root)
{
	struct err e = {0};

	return msg_result(&m->error, msg_set_root(m->m, root ? root->p : NULL, &e), &e);
}

void yz_msg_clear_body(struct yz_msg *m)
{
	msg_clear_parts(m->m);
}
