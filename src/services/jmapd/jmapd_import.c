/* Mail from a file into a mailbox. The file comes as it is: an mbox, one letter, or a zip of letters, of mboxes, of a
 * Maildir (flags are those of the names). Folders within a zip become folders within the mailbox, but for those that all
 * of it lies in. It is taken whole first; then lines of JSON tell how
 * far it is:
 *
 *	{"done":50,"added":48,"present":2,"bad":0} …
 *	{"end":{"added":…,"present":…,"bad":…}}, or {"error":"overQuota", …}
 *
 * What was brought into this mailbox before and is still somewhere is passed over: a file that was interrupted is sent
 * again, and goes on where it was. */

#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/evp.h>
#undef ERR_STATE

#include "base/enc.h"
#include "proto/mail/mbox.h"
#include "store/moved.h"
#include "services/jmapd/jmapd_move_priv.h"

#define IMPORT_PIECE  (64 * 1024)
#define IMPORT_ITEM   16        /* octets of the SHA-256 that tells letters apart */
#define IMPORT_OCTETS (8 << 20) /* of one commit, about */
#define IMPORT_LINE   512
#define IMPORT_HEAD   256  /* in which a first field has its colon */
#define FOLDERS_MAX   1000 /* of a zip; what lies in further ones lies in the mailbox itself */

struct letter {
	struct stage *stage;
	unsigned flags;
	int64_t received_ns;
	struct span item;
};

/* A folder of the zip, and what it is here. */
struct folder {
	struct span path;
	uint64_t mailbox_id;
	struct moved_source source;
};

struct import {
	struct jmapd *d;
	struct web_call *c;
	struct moved_source source;
	uint64_t mailbox_id, account_id;
	struct span name;       /* of the mailbox that it goes into */
	struct folder *folders; /* of a zip; the first is that mailbox */
	size_t folder_count;
	struct arena *a; /* of the group */
	struct letter group[MOVE_WEB_GROUP];
	size_t count;
	uint64_t octets;
	/* the letter under way */
	struct letter now;
	EVP_MD_CTX *digest;
	char head[IMPORT_HEAD]; /* its beginning */
	bool is_over;           /* it is too long, or has no header */
	bool is_ends_known, is_unix,
		is_cr; /* of a file: its first line ends with LF alone; the last octet */
	/* an mbox within */
	struct mbox mbox;
	bool is_mbox;
	uint64_t done, added, present, bad;
};

/* ---- what is told ---- */

static FIBER int tell(struct import *m, const char *error, bool is_end, struct err *e)
{
	struct buf *b = arena_buf(m->c->r->arena, IMPORT_LINE);
	struct json_out j;

	json_out_init(&j, b);
	json_open_object(&j);
	if (is_end) {
		json_key(&j, "end");
		json_open_object(&j);
	} else if (error) {
		json_kv_str(&j, "error", error);
	}
	json_kv_u64(&j, "done", m->done);
	json_kv_u64(&j, "added", m->added);
	json_kv_u64(&j, "present", m->present);
	json_kv_u64(&j, "bad", m->bad);
	if (is_end)
		json_close(&j);
	json_close(&j);
	buf_char(b, '\n');
	if (http_reply_write(m->c->x, buf_span(b), e) < 0)
		return -1;
	return http_reply_flush(m->c->x, e);
}

/* ---- a group becomes durable ---- */

struct noting {
	struct import *m;
	struct mailbox_append op;
	struct letter *letters;
};

static int note(struct db *db, void *arg, struct err *e)
{
	struct noting *n = arg;

	for (size_t i = 0; i < n->op.count; i++) {
		struct moved_item item = {
			.item = n->letters[i].item, .message_id = n->op.items[i].id};

		if (moved_put_tx(db, n->m->source.id, &item, e) < 0)
			return -1;
	}
	return 0;
}

static FIBER int append(struct import *m, struct letter *letters, size_t count, struct err *e)
{
	struct noting n = {.m = m, .letters = letters};
	int rc;

	n.op = (struct mailbox_append){.mailbox_id = m->mailbox_id,
		.items = ARENA_ARRAY(m->a, struct mailbox_append_item, count),
		.count = count,
		.also = note,
		.also_arg = &n};
	for (size_t i = 0; i < count; i++)
		n.op.items[i] = (struct mailbox_append_item){.stage = letters[i].stage,
			.flags = letters[i].flags,
			.received_ns = letters[i].received_ns};
	rc = mailbox_append(m->d->opts.store, &n.op, e);
	for (size_t i = 0; rc == 0 && i < count; i++)
		letters[i].stage = NULL; /* taken over */
	m->added += rc == 0 ? count : 0;
	return rc;
}

/* What is wrong with one letter concerns that one. */
static FIBER int append_each(struct import *m, struct letter *letters, size_t count, struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		struct err why = {0};

		if (append(m, &letters[i], 1, &why) == 0)
			continue;
		if (why.code != ERR_LIMIT && why.code != ERR_SYNTAX && why.code != ERR_UNSUPPORTED)
			return err_copy(e, &why);
		m->bad++;
	}
	return 0;
}

static void drop_group(struct import *m)
{
	for (size_t i = 0; i < m->count; i++)
		stage_free(&m->group[i].stage);
	m->count = 0;
	m->octets = 0;
	arena_reset(m->a);
}

/* Those that are here leave the group. */
static FIBER int drop_known(struct import *m, struct err *e)
{
	struct moved_item *look = ARENA_ARRAY(m->a, struct moved_item, MOVE_WEB_GROUP);
	size_t kept = 0;

	for (size_t i = 0; i < m->count; i++)
		look[i].item = m->group[i].item;
	if (moved_look(m->d->opts.store, m->a, m->source.id, look, m->count, e) < 0)
		return -1;
	for (size_t i = 0; i < m->count; i++) {
		bool is_twin = look[i].mailbox_id != 0;

		for (size_t k = 0; k < kept && !is_twin; k++)
			is_twin = span_eq(m->group[k].item, m->group[i].item);
		if (is_twin) {
			m->present++;
			stage_free(&m->group[i].stage);
		} else {
			m->group[kept++] = m->group[i];
		}
	}
	m->count = kept;
	return 0;
}

static FIBER int flush(struct import *m, struct err *e)
{
	struct err why = {0};
	size_t all = m->count;
	int rc;

	if (!all)
		return 0;
	rc = drop_known(m, e);
	if (rc == 0 && m->count && append(m, m->group, m->count, &why) < 0)
		rc = why.code == ERR_CANCELLED || why.code == ERR_IO || why.code == ERR_FULL
			? err_copy(e, &why)
			: append_each(m, m->group, m->count, e);
	m->done += rc == 0 ? all : 0;
	drop_group(m);
	return rc < 0 ? -1 : tell(m, NULL, false, e);
}

/* ---- one letter ---- */

static int letter_begin(struct import *m, unsigned flags, int64_t received_ns, struct err *e)
{
	stage_free(&m->now.stage);
	m->now = (struct letter){.stage = stage_new(m->d->opts.store),
		.flags = flags,
		.received_ns = received_ns ? received_ns : loop_wall_ns()};
	m->is_over = m->is_ends_known = m->is_unix = m->is_cr = false;
	return EVP_DigestInit_ex(m->digest, EVP_sha256(), NULL) == 1
		? 0
		: err_set(e, ERR_FULL, "no digest");
}

static FIBER int letter_octets(void *arg, struct span octets, struct err *e)
{
	struct import *m = arg;
	uint64_t max = m->d->opts.message_max ? m->d->opts.message_max : JMAP_UPLOAD_MAX;

	if (m->is_over || stage_len(m->now.stage) + octets.len > max) {
		m->is_over = true;
		return 0;
	}
	EVP_DigestUpdate(m->digest, octets.ptr, octets.len);
	return stage_put(m->now.stage, octets, e);
}

/* A file whose first line ends with LF alone has the line ends of Unix (a Maildir's have): they become CR LF. Any
 * other is taken octet for octet. */
static FIBER int file_octets(void *arg, struct span octets, struct err *e)
{
	struct import *m = arg;
	struct span line;
	ptrdiff_t at;

	if (!m->is_ends_known && (at = span_find(octets, '\n')) >= 0) {
		m->is_ends_known = true;
		m->is_unix = at ? octets.ptr[at - 1] != '\r' : !m->is_cr;
	}
	while (m->is_unix && (at = span_find(octets, '\n')) >= 0) {
		bool is_whole = at ? octets.ptr[at - 1] == '\r' : m->is_cr;

		line = span_sub(octets, 0, (size_t)at);
		octets = span_skip(octets, (size_t)at + 1);
		m->is_cr = false;
		if (letter_octets(m, line, e) < 0 ||
			letter_octets(m, is_whole ? SPAN("\n") : SPAN("\r\n"), e) < 0)
			return -1;
	}
	if (octets.len)
		m->is_cr = octets.ptr[octets.len - 1] == '\r';
	return letter_octets(m, octets, e);
}

/* Does it begin with a field? A picture among the letters is none. */
static bool is_letter(struct span head)
{
	size_t i = 0;

	while (i < head.len && head.ptr[i] > ' ' && head.ptr[i] < 0x7f && head.ptr[i] != ':')
		i++;
	return i > 0 && i < head.len && head.ptr[i] == ':';
}

static FIBER int letter_end(struct import *m, struct err *e)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned len = sizeof(hash);
	size_t got = 0;

	if (stage_len(m->now.stage) &&
		stage_read(m->now.stage, 0, m->head, IMPORT_HEAD, &got, e) < 0)
		return -1;
	if (m->is_over || !is_letter(span_of(m->head, got)) ||
		EVP_DigestFinal_ex(m->digest, hash, &len) != 1) {
		m->bad++;
		m->done++;
		stage_free(&m->now.stage);
		return 0;
	}
	m->now.item = arena_span(m->a, span_of(hash, IMPORT_ITEM));
	m->octets += stage_len(m->now.stage);
	m->group[m->count++] = m->now;
	m->now.stage = NULL;
	return m->count == MOVE_WEB_GROUP || m->octets >= IMPORT_OCTETS ? flush(m, e) : 0;
}

/* ---- an mbox ---- */

static unsigned flags_of_mbox(unsigned flags)
{
	return (flags & MBOX_SEEN ? MAILBOX_SEEN : 0) |
		(flags & MBOX_ANSWERED ? MAILBOX_ANSWERED : 0) |
		(flags & MBOX_FLAGGED ? MAILBOX_FLAGGED : 0) |
		(flags & MBOX_DRAFT ? MAILBOX_DRAFT : 0);
}

/* All events until more is wanted. Lengths that an mbox tells of itself are not believed (mbox_probed with
 * nothing): it is read by its "From " lines. */
static FIBER int mbox_events(struct import *m, struct span in, struct err *e)
{
	struct mbox_event ev;
	int rc = 0;

	for (;;) {
		const struct mbox_letter *l = &m->mbox.letter;
		bool is_skipped = l->is_internal || l->is_removed;

		mbox_next(&m->mbox, &in, &ev);
		switch (ev.kind) {
		case MBOX_MORE:
		case MBOX_OVER: return 0;
		case MBOX_PROBE: mbox_probed(&m->mbox, SPAN_NONE, false); break;
		case MBOX_BEGIN:
			rc = letter_begin(m, flags_of_mbox(l->flags),
				l->has_date ? l->date_sec * CLOCK_SEC : 0, e);
			break;
		case MBOX_OCTETS: rc = is_skipped ? 0 : letter_octets(m, ev.octets, e); break;
		case MBOX_END:
			if (is_skipped)
				stage_free(&m->now.stage);
			else
				rc = letter_end(m, e);
			break;
		case MBOX_JUNK: m->bad++; break;
		}
		if (rc < 0 || fiber_breathe(e) < 0)
			return -1;
	}
}

static void mbox_open(struct import *m)
{
	mbox_init(&m->mbox, MBOX_RD);
	m->is_mbox = true;
}

static FIBER int mbox_octets(void *arg, struct span octets, struct err *e)
{
	return mbox_events(arg, octets, e);
}

static FIBER int mbox_close(struct import *m, int rc, struct err *e)
{
	if (rc == 0) {
		mbox_finish(&m->mbox);
		rc = mbox_events(m, SPAN_NONE, e);
	}
	mbox_fini(&m->mbox);
	m->is_mbox = false;
	return rc;
}

/* ---- the file ---- */

static FIBER int each_piece(struct stage *st, struct arena *a,
	FIBER int (*take)(void *arg, struct span octets, struct err *e), void *arg, struct err *e)
{
	char *p = arena_alloc(a, IMPORT_PIECE);
	uint64_t at = 0;
	size_t got;

	while (at < stage_len(st)) {
		if (stage_read(st, at, p, IMPORT_PIECE, &got, e) < 0)
			return -1;
		if (!got)
			return err_set(e, ERR_CORRUPT, "the file is shorter than it was");
		if (take(arg, span_of(p, got), e) < 0)
			return -1;
		at += got;
	}
	return 0;
}

/* "…:2,FS" of a Maildir; on some systems the colon is another sign. */
static unsigned flags_of_name(struct span name)
{
	ptrdiff_t at = span_rfind(name, ',');
	unsigned flags = 0;

	if (at < 2 || name.ptr[at - 1] != '2')
		return 0;
	for (size_t i = (size_t)at + 1; i < name.len; i++) {
		switch (name.ptr[i]) {
		case 'D': flags |= MAILBOX_DRAFT; break;
		case 'F': flags |= MAILBOX_FLAGGED; break;
		case 'R': flags |= MAILBOX_ANSWERED; break;
		case 'S': flags |= MAILBOX_SEEN; break;
		default: break;
		}
	}
	return flags;
}

static FIBER int read_stage(
	void *arg, uint64_t offset, void *p, size_t n, size_t *got_r, struct err *e)
{
	return stage_read(arg, offset, p, n, got_r, e);
}

static FIBER int source_of(
	struct import *m, uint64_t mailbox_id, struct moved_source *source_r, struct err *e)
{
	return moved_source(m->d->opts.store, m->account_id,
		span_str(arena_printf(m->c->r->arena, "page %llu", (unsigned long long)mailbox_id)),
		0, source_r, e);
}

/* Found or made; one that cannot be is the mailbox itself. */
static FIBER int make_folder(struct import *m, struct folder *f, struct err *e)
{
	struct store *s = m->d->opts.store;
	struct span full = span_str(arena_printf(
		m->c->r->arena, SPAN_FMT "/" SPAN_FMT, SPAN_ARG(m->name), SPAN_ARG(f->path)));
	struct mailbox_info info;
	struct err why = {0};

	f->mailbox_id = m->folders[0].mailbox_id;
	if (mailbox_find(s, m->c->r->arena, m->account_id, full, &info, &why) == 0) {
		f->mailbox_id = info.id;
	} else if (why.code == ERR_NOT_FOUND) {
		err_clear(&why);
		if (mailbox_create(s, m->account_id, full, SPAN(""), &f->mailbox_id, &why) == 0)
			mailbox_subscribe(s, m->account_id, full, true, NULL);
	}
	if (why.code && why.code != ERR_LIMIT && why.code != ERR_SYNTAX && why.code != ERR_EXISTS)
		return err_copy(e, &why);
	return source_of(m, f->mailbox_id, &f->source, e);
}

/* What follows goes there. */
static FIBER int enter(struct import *m, struct span path, struct err *e)
{
	struct folder *f = NULL;

	for (size_t i = m->folder_count; i > 0 && !f; i--)
		if (span_eq(m->folders[i - 1].path, path))
			f = &m->folders[i - 1];
	if (!f && m->folder_count < FOLDERS_MAX) {
		f = &m->folders[m->folder_count];
		f->path = arena_span(m->c->r->arena, path);
		if (make_folder(m, f, e) < 0)
			return -1;
		m->folder_count++;
	}
	f = f ? f : &m->folders[0];
	if (f->mailbox_id == m->mailbox_id)
		return 0;
	if (flush(m, e) < 0)
		return -1;
	m->mailbox_id = f->mailbox_id;
	m->source = f->source;
	return 0;
}

/* The levels in which all of it lies: "Mail" of somebody who has packed his folder Mail. */
static FIBER int find_common(
	struct import *m, const struct http_source *source, size_t *skip_r, struct err *e)
{
	struct arena *work = arena_new();
	struct span common = SPAN_NONE;
	struct zip_entry entry;
	struct zip z;
	bool is = false;
	int rc = zip_begin(&z, m->c->r->arena, source, e);

	while (rc == 0 && (rc = zip_next(&z, &entry, &is, e)) == 0 && is) {
		struct span path = jmap_import_folder(work, entry.name);

		if (jmap_import_kind(entry.name) != IMPORT_NOTHING)
			common = common.ptr ? jmap_import_common(common, path)
					    : arena_span(m->c->r->arena, path);
		arena_reset(work);
	}
	*skip_r = common.len;
	arena_free(&work);
	return rc;
}

static FIBER int enter_entry(struct import *m, struct span name, size_t skip, struct err *e)
{
	struct arena *work = arena_new();
	struct span path = span_skip(jmap_import_folder(work, name), skip);
	int rc = enter(m, span_starts(path, SPAN("/")) ? span_skip(path, 1) : path, e);

	arena_free(&work);
	return rc;
}

static FIBER int import_zip(struct import *m, struct stage *file, struct err *e)
{
	struct http_source source = {.read = read_stage, .arg = file, .size = stage_len(file)};
	struct zip_entry entry;
	struct zip z;
	size_t skip = 0;
	bool is = false;
	int rc = find_common(m, &source, &skip, e);

	m->folders = ARENA_ARRAY(m->c->r->arena, struct folder, FOLDERS_MAX);
	m->folders[m->folder_count++] = (struct folder){SPAN(""), m->mailbox_id, m->source};
	if (rc == 0)
		rc = zip_begin(&z, m->c->r->arena, &source, e);
	while (rc == 0 && (rc = zip_next(&z, &entry, &is, e)) == 0 && is) {
		enum import_kind kind = jmap_import_kind(entry.name);
		struct err why = {0};

		if (kind != IMPORT_NOTHING && enter_entry(m, entry.name, skip, e) < 0)
			return -1;
		if (kind == IMPORT_MBOX) {
			mbox_open(m);
			rc = mbox_close(m, zip_read(&z, &entry, mbox_octets, m, &why), &why);
		} else if (kind == IMPORT_LETTER) {
			rc = letter_begin(m, flags_of_name(entry.name), 0, e);
			if (rc == 0 && (rc = zip_read(&z, &entry, file_octets, m, &why)) == 0)
				rc = letter_end(m, &why);
		}
		/* a broken entry concerns itself alone */
		if (rc < 0 &&
			(why.code == ERR_SYNTAX || why.code == ERR_LIMIT ||
				why.code == ERR_UNSUPPORTED)) {
			m->bad++;
			rc = 0;
		} else if (rc < 0 && why.code) {
			err_copy(e, &why);
		}
	}
	return rc;
}

static FIBER int import_file(struct import *m, struct stage *file, struct err *e)
{
	struct arena *a = m->c->r->arena;
	char *head = arena_alloc(a, MBOX_FROM_MAX);
	struct span line, rest;
	size_t got = 0;
	int rc;

	if (stage_len(file) && stage_read(file, 0, head, MBOX_FROM_MAX, &got, e) < 0)
		return -1;
	if (span_starts(span_of(head, got), SPAN("PK\x03\x04")))
		return import_zip(m, file, e);
	span_cut(span_of(head, got), '\n', &line, &rest);
	if (span_starts(line, SPAN("From ")) && mbox_is_from(span_trim(line), false, NULL)) {
		mbox_open(m);
		return mbox_close(m, each_piece(file, a, mbox_octets, m, e), e);
	}
	rc = letter_begin(m, 0, 0, e);
	if (rc == 0)
		rc = each_piece(file, a, file_octets, m, e);
	return rc < 0 ? -1 : letter_end(m, e);
}

static const char *word_of(const struct err *e)
{
	switch (e->code) {
	case ERR_FULL: return "overQuota";
	case ERR_SYNTAX:
	case ERR_UNSUPPORTED: return "noMail";
	case ERR_NOT_FOUND: return "notFound";
	default: return "serverFail";
	}
}

static FIBER int run(struct import *m, struct stage *file, struct err *e)
{
	struct err why = {0};
	int rc = import_file(m, file, &why);

	if (rc == 0)
		rc = flush(m, &why);
	stage_free(&m->now.stage);
	drop_group(m);
	if (rc < 0 && (why.code == ERR_CANCELLED || why.code == ERR_EOF))
		return err_copy(e, &why);
	if (rc < 0)
		log_event(&m->c->r->log, LOG_INFO, "jmap.import.failed", LF_STR("error", why.text));
	if (tell(m, rc < 0 ? word_of(&why) : NULL, rc == 0, e) < 0)
		return -1;
	return http_reply_end(m->c->x, e);
}

static FIBER int import_into(struct import *m, uint64_t account_id, struct err *e)
{
	struct stage *file = NULL;
	int rc = -1;

	m->account_id = account_id;
	if (source_of(m, m->mailbox_id, &m->source, e) < 0 ||
		web_upload(m->c, m->d->opts.store, MOVE_WEB_MAX, &file, e) < 0)
		return -1;
	m->a = arena_new();
	m->digest = EVP_MD_CTX_new();
	if (!m->digest)
		err_set(e, ERR_FULL, "no digest");
	else
		rc = http_reply_begin(m->c->x, 200, "application/x-ndjson", HTTP_LENGTH_UNKNOWN, e);
	if (rc == 0)
		rc = run(m, file, e);
	EVP_MD_CTX_free(m->digest);
	stage_free(&file);
	arena_free(&m->a);
	return rc;
}

static FIBER int import_mailbox(void *arg, struct web_call *c, struct err *e)
{
	struct import *m = ARENA_NEW(c->r->arena, struct import);
	struct mailbox_info info;
	struct web_who who;
	int rc;

	m->d = arg;
	m->c = c;
	rc = jmap_move_begin(m->d, c, WEB_LOGIN_ANY, &who, &info, e);
	if (rc <= 0)
		return rc;
	m->mailbox_id = info.id;
	m->name = info.name;
	if (!jmap_slot_take(m->d, who.who.account_id, JMAP_SLOT_UPLOAD)) {
		http_set(c->x, "Retry-After", SPAN("1"));
		return http_reply_error(c->x, 429, NULL, e);
	}
	rc = import_into(m, who.who.account_id, e);
	jmap_slot_give(m->d, who.who.account_id, JMAP_SLOT_UPLOAD);
	return rc;
}

void jmap_import_add(struct jmapd *d)
{
	web_add(d->opts.web,
		&(struct web_route){.path = "/jmap/import/{account}/{mailbox}",
			.methods = WEB_POST,
			.body_octets = MOVE_WEB_MAX,
			.handle = import_mailbox,
			.arg = d});
}
