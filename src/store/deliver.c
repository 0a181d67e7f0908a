#include "store/deliver.h"

#include "base/utf8.h"
#include "run/loop.h"
#include "proto/mail/mail_word.h"
#include "store/mailbox_priv.h"
#include "store/store_priv.h"

DB_SQL(sql_account,
	"UPDATE account SET modseq = modseq + 1, messages = messages + 1, "
	"octets = octets + $2 WHERE id = $1 AND removed_ns = 0 RETURNING modseq");
DB_SQL(sql_mailbox,
	"UPDATE mailbox SET uidnext = uidnext + 1, highest_modseq = $3, "
	"messages = messages + 1, unseen = unseen + $5, octets = octets + $4, "
	"deleted = deleted + $6, deleted_octets = deleted_octets + $6 * $4 "
	"WHERE account_id = $1 AND name = $2 RETURNING id, uidnext - 1");
DB_SQL(sql_message,
	"INSERT INTO message (id, mailbox_id, uid, modseq, flags, received_ns, "
	"blob_id, blob_octets, size, keywords, subject, sender, prefix, account_id, n, email_id, "
	"thread_id, saved_ns) "
	"VALUES ($1, $2, $3, $4, $12, $5, $6, $7, $8, '', $9, $10, $11, $13, $4, $1, 0, $5)");
DB_SQL(sql_new_modseq,
	"UPDATE account SET modseq = modseq + 1, uidvalidity = CASE WHEN uidvalidity < $2 THEN $2 "
	"ELSE uidvalidity + 1 END WHERE id = $1 RETURNING modseq, uidvalidity");
DB_SQL(sql_create,
	"INSERT INTO mailbox (id, account_id, name, uidvalidity, uidnext, "
	"highest_modseq, messages, unseen, octets) "
	"VALUES ($1, $2, $3, $4, 1, $5, 0, 0, 0)");

#define UID_MAX 4294967295LL /* RFC 9051 section 2.3.1.1: non-zero, 32 bits */

int mailbox_create_tx(
	struct db *db, uint64_t account_id, struct span name, uint64_t *id_r, struct err *e)
{
	uint64_t id = store_new_id(store_of(db));
	int64_t modseq = 0, validity = 0;
	bool is_found;

	if (db_get(db, e, NULL, &sql_new_modseq, &is_found, "ii:ii", (int64_t)account_id,
		    loop_wall_ns() / CLOCK_SEC & UID_MAX, &modseq, &validity) < 0)
		return -1;
	if (!is_found)
		return err_set(
			e, ERR_NOT_FOUND, "account %llu is gone", (unsigned long long)account_id);
	/* The account's last one never goes back, so a folder that is made again under an old name gets
	 * a larger UIDVALIDITY (RFC 9051 section 2.3.1.1) whatever the clock does; seconds make it larger
	 * than those of an account of the same name that went. */
	if (db_run(db, e, &sql_create, "iitii", (int64_t)id, (int64_t)account_id, name, validity,
		    modseq) < 0)
		return -1;
	store_changed_mailbox(db, account_id, 0);
	if (mailbox_told_tx(db, account_id, id, OBJECT_CREATED, e) < 0)
		return -1;
	*id_r = id;
	return 0;
}

struct place {
	int64_t mailbox_id, uid, modseq;
};

static int count_in(struct db *db, const struct delivery *d, struct span folder, uint64_t size,
	struct place *p, bool *is_found_r, struct err *e)
{
	int64_t unseen = !(d->flags & MAILBOX_SEEN);

	return db_get(db, e, NULL, &sql_mailbox, is_found_r, "itiiii:ii", (int64_t)d->account_id,
		folder, p->modseq, (int64_t)size, unseen, (int64_t) !!(d->flags & MAILBOX_DELETED),
		&p->mailbox_id, &p->uid);
}

static int find_place(
	struct db *db, const struct delivery *d, uint64_t size, struct place *p, struct err *e)
{
	struct span made_name = d->is_folder_made ? d->folder : SPAN("INBOX");
	uint64_t made;
	bool is_found;

	if (db_get(db, e, NULL, &sql_account, &is_found, "ii:i", (int64_t)d->account_id,
		    (int64_t)size, &p->modseq) < 0)
		return -1;
	if (!is_found)
		return err_set(e, ERR_NOT_FOUND, "account %llu is gone",
			(unsigned long long)d->account_id);
	if (count_in(db, d, d->folder, size, p, &is_found, e) < 0)
		return -1;
	if (!is_found && !d->is_folder_made &&
		count_in(db, d, SPAN("INBOX"), size, p, &is_found, e) < 0)
		return -1;
	if (!is_found &&
		(mailbox_create_tx(db, d->account_id, made_name, &made, e) < 0 ||
			count_in(db, d, made_name, size, p, &is_found, e) < 0))
		return -1;
	if (p->uid > UID_MAX)
		return err_set(e, ERR_LIMIT, "mailbox %lld has used all its UIDs",
			(long long)p->mailbox_id);
	return 0;
}

int deliver_tx(struct db *db, struct delivery *d, struct err *e)
{
	uint64_t size = d->prefix.len + d->blob_octets;
	struct db_stmt *st;
	struct place p;

	if (find_place(db, d, size, &p, e) < 0)
		return -1;
	st = db_prepare(db, &sql_message, e);
	if (!st)
		return -1;
	db_bind_i64(st, 1, (int64_t)d->id);
	db_bind_i64(st, 2, p.mailbox_id);
	db_bind_i64(st, 3, p.uid);
	db_bind_i64(st, 4, p.modseq);
	db_bind_i64(st, 5, d->received_ns);
	db_bind_i64(st, 6, (int64_t)d->blob_id);
	db_bind_i64(st, 7, (int64_t)d->blob_octets);
	db_bind_i64(st, 8, (int64_t)size);
	db_bind_text(st, 9, d->head->subject);
	db_bind_text(st, 10, d->head->sender);
	db_bind_bytes(st, 11, d->prefix);
	db_bind_i64(st, 12, d->flags);
	db_bind_i64(st, 13, (int64_t)d->account_id);
	if (db_finish(st, e) < 0)
		return -1;
	d->uid = (uint32_t)p.uid;
	store_count(db, STORE_COUNT_MESSAGES, 1);
	store_changed_mailbox(db, d->account_id, (uint64_t)p.mailbox_id);
	return 0;
}

/* ---- subject and sender ---- */

/* Unfold (RFC 5322 section 2.2.3) and cut at whole characters; what is not UTF-8 or a control
 * becomes '?', so that a list never shows foreign bytes. */
static struct span clean_field(struct arena *a, struct span raw)
{
	char *out = arena_alloc(a, DELIVER_FIELD_MAX);
	size_t n = 0;

	raw = span_trim(raw);
	while (raw.len && n < DELIVER_FIELD_MAX) {
		size_t w = utf8_length_at(raw);
		unsigned char c = (unsigned char)raw.ptr[0];

		if (c == '\r' || c == '\n') {
			raw = span_skip(raw, 1);
			continue;
		}
		if (w > DELIVER_FIELD_MAX - n)
			break;
		if (w == 1 && c == '\t')
			out[n++] = ' ';
		else if (!w || c < 0x20 || c == 0x7f)
			out[n++] = '?';
		else
			for (size_t i = 0; i < w; i++)
				out[n++] = raw.ptr[i];
		raw = span_skip(raw, w ? w : 1);
	}
	return span_of(out, n);
}

/* A field with its folded lines off the front; false at the end of the header. */
static bool next_field(struct span *head, struct span *name_r, struct span *value_r)
{
	ptrdiff_t colon, end = 0;
	size_t n;

	do {
		ptrdiff_t more = span_find(span_skip(*head, (size_t)end), '\n');

		n = more < 0 ? head->len : (size_t)(end + more) + 1;
		end = (ptrdiff_t)n;
	} while (n < head->len && (head->ptr[n] == ' ' || head->ptr[n] == '\t'));
	colon = span_find(span_sub(*head, 0, n), ':');
	if (colon <= 0)
		return false;
	*name_r = span_trim(span_sub(*head, 0, (size_t)colon));
	*value_r = span_sub(*head, (size_t)colon + 1, n - (size_t)colon - 1);
	*head = span_skip(*head, n);
	return true;
}

/* The end of it: what was answered stands last (RFC 5322 section 3.6.4). */
static struct span kept_raw(struct arena *a, struct span raw)
{
	return arena_span(
		a, raw.len > DELIVER_RAW_MAX ? span_skip(raw, raw.len - DELIVER_RAW_MAX) : raw);
}

static void take_field(struct deliver_head *h, struct span name, struct span value)
{
	const struct {
		struct span name, *to;
	} fields[] = {{SPAN("Subject"), &h->subject}, {SPAN("From"), &h->sender},
		{SPAN("References"), &h->references}, {SPAN("In-Reply-To"), &h->in_reply_to}};

	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (!fields[i].to->ptr && span_eq_nocase(name, fields[i].name))
			*fields[i].to = value;
}

void deliver_scan_head(struct arena *a, struct span head, struct deliver_head *head_r)
{
	struct span name, value;

	*head_r = (struct deliver_head){0};
	head = span_sub(head, 0, DELIVER_HEAD_MAX);
	while (head.len && next_field(&head, &name, &value))
		take_field(head_r, name, value);
	if (head_r->references.ptr || head_r->in_reply_to.ptr) {
		head_r->references = kept_raw(a, head_r->references);
		head_r->in_reply_to = kept_raw(a, head_r->in_reply_to);
		head_r->raw_subject = kept_raw(a, head_r->subject);
	}
	head_r->has_words = span_find_span(head_r->subject, SPAN("=?")) >= 0 ||
		span_find_span(head_r->sender, SPAN("=?")) >= 0;
	if (head_r->has_words)
		return;
	head_r->subject = clean_field(a, head_r->subject);
	head_r->sender = clean_field(a, head_r->sender);
}

void deliver_decode_head(struct arena *a, struct deliver_head *head)
{
	if (!head->has_words)
		return;
	head->subject = clean_field(a, mail_word_decode(a, head->subject));
	head->sender = clean_field(a, mail_word_decode(a, head->sender));
	head->has_words = false;
}
