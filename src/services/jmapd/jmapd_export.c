/* A mailbox as one file: an mbox (mboxrd, with flags), or a zip of letters as they are. It is written while it is
 * read, a message at a time; the fields X-Yizhan-Messages and X-Yizhan-Octets tell the page how far it is. */

#include "base/enc.h"
#include "net/unpack.h"
#include "proto/mail/mail_header.h"
#include "proto/mail/mbox.h"
#include "store/body.h"
#include "services/jmapd/jmapd_move_priv.h"

#define EXPORT_NAME_MAX  200
#define EXPORT_OUT_MAX   (1024 * 1024)
#define EXPORT_ZIP_FILES 65535
#define EXPORT_ZIP_MAX   (4000ull << 20)

FIBER int jmap_move_begin(struct jmapd *d, struct web_call *c, enum web_login_how how,
	struct web_who *who_r, struct mailbox_info *info_r, struct err *e)
{
	struct mailbox_info *list;
	uint64_t account = 0, mailbox = 0;
	struct jmap_user user;
	size_t count = 0;
	int rc = jmap_user_of(d, c, how, &user, who_r, e);

	if (rc <= 0)
		return rc;
	if (!enc_get_object(c->captures[0], 'A', &account) ||
		!enc_get_object(c->captures[1], 'F', &mailbox) || account != user.account_id)
		return http_reply_error(c->x, 404, NULL, e);
	if (mailbox_folders(d->opts.store, c->r->arena, account, &list, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (list[i].id == mailbox) {
			*info_r = list[i];
			return 1;
		}
	}
	return http_reply_error(c->x, 404, NULL, e);
}

/* ---- a message in pieces ---- */

typedef FIBER int piece_fn(void *arg, struct span octets, struct err *e);

static FIBER int each_piece(
	struct jmapd *d, const struct mailbox_msg *m, piece_fn *take, void *arg, struct err *e)
{
	struct arena *a;
	struct body *body;
	struct span chunk;
	int rc = 0;

	if (m->prefix.len && take(arg, m->prefix, e) < 0)
		return -1;
	if (m->body.ptr || !m->blob_len)
		return m->body.len ? take(arg, m->body, e) : 0;
	a = arena_new();
	body = body_open(d->opts.store, m->blob_id, m->blob_len);
	for (uint64_t i = 0; rc == 0; i++) {
		arena_reset(a);
		rc = body_chunk(body, i, a, &chunk, e);
		if (rc < 0 || !chunk.len)
			break;
		rc = take(arg, chunk, e);
	}
	body_unref(&body);
	arena_free(&a);
	return rc;
}

struct export
{
	struct jmapd *d;
	struct web_call *c;
	struct buf *out;
	/* of the message */
	struct mbox_writer writer;
	bool is_bare;
	char last;
	uint32_t crc;
	/* zip */
	uint64_t written, files;
	struct buf *directory;
};

static FIBER int flush(struct export *x, struct err *e)
{
	int rc;

	if (!buf_ok(x->out))
		return err_set(e, ERR_LIMIT, "a line that is too long to be written");
	rc = http_reply_write(x->c->x, buf_span(x->out), e);
	x->written += buf_len(x->out);
	buf_clear(x->out);
	return rc;
}

static FIBER int look_piece(void *arg, struct span octets, struct err *e)
{
	struct export *x = arg;

	(void)e;
	x->is_bare |= mbox_is_bare(octets, &x->last);
	x->crc = unpack_crc(x->crc, octets);
	return 0;
}

/* ---- mbox ---- */

static FIBER int mbox_piece(void *arg, struct span octets, struct err *e)
{
	struct export *x = arg;

	mbox_write(&x->writer, octets);
	return flush(x, e);
}

/* The reverse-path, as delivery has put it in front. */
static struct span sender_of(const struct mailbox_msg *m)
{
	struct span value;

	if (!mail_header_find(m->prefix, SPAN("Return-Path"), &value))
		return SPAN_NONE;
	value = span_trim(value);
	if (value.len > 1 && value.ptr[0] == '<' && value.ptr[value.len - 1] == '>')
		value = span_sub(value, 1, value.len - 2);
	return value;
}

static FIBER int put_mbox(struct export *x, const struct mailbox_msg *m, struct err *e)
{
	struct mbox_letter letter = {.sender = sender_of(m),
		.has_date = true,
		.date_sec = m->received_ns / CLOCK_SEC,
		.flags = (m->flags & MAILBOX_SEEN ? MBOX_SEEN : 0) |
			(m->flags & MAILBOX_ANSWERED ? MBOX_ANSWERED : 0) |
			(m->flags & MAILBOX_FLAGGED ? MBOX_FLAGGED : 0) |
			(m->flags & MAILBOX_DELETED ? MBOX_DELETED : 0) |
			(m->flags & MAILBOX_DRAFT ? MBOX_DRAFT : 0),
		.keywords = m->keywords};
	int rc;

	mbox_write_begin(
		&x->writer, x->out, &letter, x->is_bare || x->last == '\r', x->last != '\n');
	rc = each_piece(x->d, m, mbox_piece, x, e);
	mbox_write_end(&x->writer);
	return rc < 0 ? -1 : flush(x, e);
}

/* ---- zip: entries are stored as they are ---- */

static void put_le(struct buf *b, uint64_t v, unsigned n)
{
	while (n--) {
		buf_char(b, (char)(v & 0xff));
		v >>= 8;
	}
}

/* What the local header and the directory's row have in common (APPNOTE 4.3.7, 4.3.12). */
static void put_entry(struct buf *b, const struct export *x, uint64_t size, size_t name_len)
{
	put_le(b, 20, 2);         /* version 2.0 */
	put_le(b, 0x0800, 2);     /* names in UTF-8 */
	put_le(b, 0, 2);          /* stored */
	put_le(b, 0x00210000, 4); /* 1980-01-01: the letter has its own dates */
	put_le(b, x->crc, 4);
	put_le(b, size, 4);
	put_le(b, size, 4);
	put_le(b, name_len, 2);
	put_le(b, 0, 2);
}

static FIBER int zip_piece(void *arg, struct span octets, struct err *e)
{
	struct export *x = arg;

	x->written += octets.len;
	return http_reply_write(x->c->x, octets, e);
}

static FIBER int put_zip(struct export *x, const struct mailbox_msg *m, struct err *e)
{
	uint64_t at = x->written;
	struct buf name;
	int rc;

	buf_init(&name, 64);
	buf_printf(&name, "%06llu-%u.eml", (unsigned long long)++x->files, m->uid);
	put_le(x->out, 0x04034b50, 4);
	put_entry(x->out, x, m->size, buf_len(&name));
	buf_span_put(x->out, buf_span(&name));
	put_le(x->directory, 0x02014b50, 4);
	put_le(x->directory, 20, 2);
	put_entry(x->directory, x, m->size, buf_len(&name));
	put_le(x->directory, 0, 2 + 2 + 2 + 4);
	put_le(x->directory, at, 4);
	buf_span_put(x->directory, buf_span(&name));
	buf_fini(&name);
	rc = flush(x, e);
	return rc < 0 ? -1 : each_piece(x->d, m, zip_piece, x, e);
}

static FIBER int end_zip(struct export *x, struct err *e)
{
	uint64_t at = x->written, size = buf_len(x->directory);

	if (!buf_ok(x->directory))
		return err_set(e, ERR_LIMIT, "the zip's directory is too long");
	if (http_reply_write(x->c->x, buf_span(x->directory), e) < 0)
		return -1;
	put_le(x->out, 0x06054b50, 4);
	put_le(x->out, 0, 4);
	put_le(x->out, x->files, 2);
	put_le(x->out, x->files, 2);
	put_le(x->out, size, 4);
	put_le(x->out, at, 4);
	put_le(x->out, 0, 2);
	return flush(x, e);
}

/* ---- the whole ---- */

static FIBER int each_message(struct export *x, const struct web_who *who, uint64_t mailbox_id,
	bool is_zip, struct err *e)
{
	static const struct uid_range all = {1, UINT32_MAX};
	struct mailbox_cursor cursor = {.mailbox_id = mailbox_id, .ranges = &all, .count = 1};
	struct arena *a = arena_new();
	struct mailbox_msg *list;
	size_t count;
	int rc;

	do {
		arena_reset(a);
		/* it may last: signing out ends it */
		if (!web_login_still(x->d->opts.login, who)) {
			rc = err_set(e, ERR_DENIED, "the login counts no more");
			break;
		}
		rc = mailbox_page(x->d->opts.store, a, &cursor,
			MAILBOX_WANT_HEAD | MAILBOX_WANT_BODY, &list, &count, e);
		for (size_t i = 0; rc == 0 && i < count; i++) {
			x->is_bare = false;
			x->last = 0;
			x->crc = 0;
			rc = each_piece(x->d, &list[i], look_piece, x, e);
			if (rc == 0)
				rc = is_zip ? put_zip(x, &list[i], e) : put_mbox(x, &list[i], e);
			if (rc == 0)
				rc = fiber_breathe(e);
		}
	} while (rc == 0 && count);
	arena_free(&a);
	return rc;
}

static void put_name(struct web_call *c, bool is_zip)
{
	struct buf *name = arena_buf(c->r->arena, 4 * EXPORT_NAME_MAX);
	struct span wanted = span_sub(c->captures[2], 0, EXPORT_NAME_MAX);

	http_percent_put(name, wanted.len ? wanted : SPAN("mailbox"));
	http_setf(c->x, "Content-Disposition",
		"attachment; filename=\"mailbox.%s\"; filename*=UTF-8''" SPAN_FMT,
		is_zip ? "zip" : "mbox", SPAN_ARG(buf_span(name)));
}

static FIBER int export_mailbox(void *arg, struct web_call *c, struct err *e)
{
	struct export x = {.d = arg, .c = c};
	struct mailbox_info info;
	struct span as = SPAN_NONE;
	struct web_who who;
	bool is_zip;
	int rc = jmap_move_begin(x.d, c, WEB_LOGIN_READ, &who, &info, e);

	if (rc <= 0)
		return rc;
	http_form_get(c->r->arena, c->r->head.query, SPAN("as"), &as);
	is_zip = span_eq(as, SPAN("zip"));
	if (is_zip && (info.messages > EXPORT_ZIP_FILES || info.octets > EXPORT_ZIP_MAX))
		return http_reply_error(c->x, 409, "That is too much for a zip: take an mbox.", e);
	x.out = arena_buf(c->r->arena, EXPORT_OUT_MAX * 4);
	x.directory = arena_buf(c->r->arena, (size_t)EXPORT_ZIP_FILES * 80);
	put_name(c, is_zip);
	http_set(c->x, "Content-Security-Policy", SPAN(WEB_BLOB_POLICY));
	http_setf(c->x, "X-Yizhan-Messages", "%llu", (unsigned long long)info.messages);
	http_setf(c->x, "X-Yizhan-Octets", "%llu", (unsigned long long)info.octets);
	if (http_reply_begin(c->x, 200, is_zip ? "application/zip" : "application/mbox",
		    HTTP_LENGTH_UNKNOWN, e) < 0 ||
		each_message(&x, &who, info.id, is_zip, e) < 0 || (is_zip && end_zip(&x, e) < 0))
		return -1;
	return http_reply_end(c->x, e);
}

void jmap_export_add(struct jmapd *d)
{
	web_add(d->opts.web,
		&(struct web_route){.path = "/jmap/export/{account}/{mailbox}/{name}",
			.methods = HTTP_BIT(HTTP_GET),
			.handle = export_mailbox,
			.arg = d});
}
