/* Accepting a letter: one transaction makes it durable for all its recipients. */

#include "base/mem.h"
#include "base/must.h"
#include "run/fault.h"
#include "store/maildrop_priv.h"
#include "store/mute.h"
#include "store/outbox.h"
#include "store/spool_priv.h"
#include "store/stage_priv.h"
#include "store/vacation.h"

DB_SQL(sql_insert_msg,
	"INSERT INTO queue_msg (id, blob_id, blob_octets, rcpt_first, rcpt_count, "
	"rcpt_left, arrived_ns, expires_ns, flags, reverse_path, envid, origin, "
	"peer, prefix, class, by_ns, release_ns) "
	"VALUES ($1, $2, $3, $4, $5, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)");
DB_SQL(sql_insert_rcpt,
	"INSERT INTO queue_rcpt (id, msg_id, state, next_ns, lease_ns, attempts, flags, wish, "
	"account_id, address, orcpt, destination, last_ns, last_code, last_enhanced, last_text, "
	"last_host, prefix, sender, priority, held_ns) "
	"VALUES ($1, $2, $3, $4, $5, 0, $6, 0, $7, $8, $9, $10, 0, 0, '', '', '', $11, $12, $13, "
	"$14)");

static int64_t pack_flags(const struct spool_envelope *env)
{
	return (int64_t)env->is_smtputf8 | (int64_t)env->ret << 4 | (int64_t)env->body_type << 8 |
		(int64_t)env->is_requiretls << 12 | (int64_t)env->is_tls_optional << 13 |
		(int64_t)env->by_mode << 14 | (int64_t)env->by_trace << 16;
}

/* ---- before the closure ---- */

static int decode_head(void *arg, struct err *e)
{
	struct spool_ready *r = arg;

	(void)e;
	deliver_decode_head(r->a, &r->head);
	return 0;
}

static FIBER int scan_head(struct store *s, struct spool_ready *r, struct err *e)
{
	struct stage *body = r->letter->body;
	struct span bytes;
	char *head;
	size_t got;

	if (!stage_mem(body, &bytes)) {
		head = arena_alloc(r->a, DELIVER_HEAD_MAX);
		if (stage_read(body, 0, head, DELIVER_HEAD_MAX, &got, e) < 0)
			return -1;
		bytes = span_of(head, got);
	}
	deliver_scan_head(r->a, bytes, &r->head);
	return r->head.has_words ? work_run(s->stage_lane, decode_head, r, e) : 0;
}

static void make_ids(struct store *s, struct spool_ready *r)
{
	struct spool_new *l = r->letter;
	uint64_t rcpt, delivery;

	for (size_t i = 0; i < l->rcpt_count; i++)
		*(l->rcpts[i].is_local ? &r->local_count : &r->remote_count) += 1;
	r->is_local_now = r->local_count <= SPOOL_LOCAL_NOW && !spool_is_scheduled(l);
	r->row_count = r->remote_count + (r->is_local_now ? 0 : r->local_count);
	if (!r->blob_id)
		r->blob_id = blob_new_id(s, r->octets);
	r->first_rcpt = rcpt = store_new_ids(s, r->row_count + 1);
	delivery = store_new_ids(s, r->local_count + 2);
	r->first_delivery = delivery;
	r->copy_id = delivery + r->local_count;
	for (size_t i = 0; i < l->rcpt_count; i++)
		l->rcpts[i].rcpt_id = l->rcpts[i].is_local && r->is_local_now ? delivery++ : rcpt++;
}

FIBER int spool_prepare(struct store *s, struct arena *a, struct spool_new *letter, bool is_lease,
	struct spool_ready *r, struct err *e)
{
	*r = (struct spool_ready){.letter = letter, .a = a, .is_lease = is_lease};
	MUST(letter->id && letter->rcpt_count && letter->body);
	letter->stored = NULL;
	r->octets = stage_len(letter->body);
	if (stage_store(letter->body, e) < 0)
		return -1;
	r->blob_id = stage_blob_id(letter->body);
	if (r->blob_id)
		FAULT(ACCEPT_STAGED);
	make_ids(s, r);
	return r->local_count || letter->copy_account_id ? scan_head(s, r, e) : 0;
}

/* ---- the closure ---- */

static int put_body(struct db *db, struct spool_ready *r, struct err *e)
{
	int64_t refs = (r->row_count ? 1 : 0) + (r->is_local_now ? (int64_t)r->local_count : 0) +
		(r->letter->copy_account_id ? 1 : 0);
	struct span bytes;

	if (stage_blob_id(r->letter->body))
		return blob_ref_tx(db, r->blob_id, refs, e);
	stage_mem(r->letter->body, &bytes);
	if (blob_insert_tx(db, r->blob_id, refs, r->octets, e) < 0)
		return -1;
	return bytes.len ? blob_chunk_tx(db, r->blob_id, 0, bytes, e) : 0;
}

static int put_msg(struct db *db, struct spool_ready *r, struct err *e)
{
	struct db_stmt *st = db_prepare(db, &sql_insert_msg, e);
	struct spool_new *l = r->letter;

	if (!st)
		return -1;
	db_bind_i64(st, 1, (int64_t)l->id);
	db_bind_i64(st, 2, (int64_t)r->blob_id);
	db_bind_i64(st, 3, (int64_t)r->octets);
	db_bind_i64(st, 4, (int64_t)r->first_rcpt);
	db_bind_i64(st, 5, (int64_t)r->row_count);
	db_bind_i64(st, 6, l->arrived_ns);
	db_bind_i64(st, 7, l->expires_ns);
	db_bind_i64(st, 8, pack_flags(&l->env));
	db_bind_text(st, 9, l->env.reverse_path);
	db_bind_text(st, 10, l->env.envid);
	db_bind_text(st, 11, l->env.origin);
	db_bind_text(st, 12, l->env.peer);
	db_bind_bytes(st, 13, l->prefix);
	db_bind_i64(st, 14, l->env.class);
	db_bind_i64(st, 15, l->env.by_ns);
	db_bind_i64(st, 16, l->env.release_ns);
	return db_finish(st, e);
}

bool spool_is_scheduled(const struct spool_new *letter)
{
	return letter->env.release_ns > letter->arrived_ns;
}

static enum spool_state first_state(const struct spool_ready *r, const struct spool_rcpt_new *rcpt)
{
	if (rcpt->is_local)
		return SPOOL_LOCAL;
	if (r->letter->is_held)
		return SPOOL_HELD;
	if (spool_is_scheduled(r->letter))
		return SPOOL_WAITING;
	return r->is_lease ? SPOOL_ACTIVE : SPOOL_WAITING;
}

/* FUTURERELEASE (RFC 4865): not before its time. */
static int64_t first_due(const struct spool_new *l, enum spool_state state)
{
	return (state == SPOOL_WAITING || state == SPOOL_LOCAL) && spool_is_scheduled(l)
		? l->env.release_ns
		: l->arrived_ns;
}

static int put_rcpt(
	struct db *db, struct spool_ready *r, const struct spool_rcpt_new *rcpt, struct err *e)
{
	struct db_stmt *st = db_prepare(db, &sql_insert_rcpt, e);
	enum spool_state state = first_state(r, rcpt);

	if (!st)
		return -1;
	db_bind_i64(st, 1, (int64_t)rcpt->rcpt_id);
	db_bind_i64(st, 2, (int64_t)r->letter->id);
	db_bind_i64(st, 3, state);
	db_bind_i64(st, 4, first_due(r->letter, state));
	db_bind_i64(st, 5, state == SPOOL_ACTIVE ? SPOOL_ACCEPT_LEASE_NS : 0);
	db_bind_i64(st, 6, rcpt->notify);
	db_bind_i64(st, 7, (int64_t)rcpt->account_id);
	db_bind_text(st, 8, rcpt->address);
	db_bind_text(st, 9, rcpt->orcpt);
	db_bind_text(st, 10, rcpt->is_local ? rcpt->folder : rcpt->destination);
	db_bind_bytes(st, 11, rcpt->prefix);
	db_bind_text(st, 12, rcpt->is_local ? SPAN_NONE : rcpt->sender);
	db_bind_i64(st, 13, r->letter->env.priority);
	db_bind_i64(st, 14, state == SPOOL_HELD ? r->letter->arrived_ns : 0);
	return db_finish(st, e);
}

static int put_local(
	struct db *db, struct spool_ready *r, struct spool_rcpt_new *rcpt, struct err *e)
{
	struct delivery d = {
		.id = rcpt->rcpt_id,
		.account_id = rcpt->account_id,
		.folder = rcpt->folder,
		.prefix = rcpt->prefix,
		.blob_id = r->blob_id,
		.blob_octets = r->octets,
		.received_ns = r->letter->arrived_ns,
		.head = &r->head,
	};

	if (mute_place_tx(db, r->a, &d, e) < 0 || deliver_tx(db, &d, e) < 0)
		return -1;
	rcpt->uid = d.uid;
	return vacation_note_tx(db, d.account_id, d.id, e);
}

/* What its author keeps. */
static int put_copy(struct db *db, struct spool_ready *r, struct err *e)
{
	const struct spool_new *l = r->letter;
	struct delivery d = {
		.id = r->copy_id,
		.account_id = l->copy_account_id,
		.folder = l->copy_folder,
		.is_folder_made = true,
		.flags = l->copy_flags,
		.blob_id = r->blob_id,
		.blob_octets = r->octets,
		.received_ns = l->arrived_ns,
		.head = &r->head,
	};

	return l->copy_account_id ? deliver_tx(db, &d, e) : 0;
}

int spool_accept_tx(struct db *db, struct spool_ready *r, struct err *e)
{
	struct spool_new *l = r->letter;

	if (l->once.len && maildrop_once_tx(db, l->once, l->arrived_ns, &l->was_there, e) < 0)
		return -1;
	if (put_body(db, r, e) < 0 || (r->row_count && put_msg(db, r, e) < 0))
		return -1;
	for (size_t i = 0; i < l->rcpt_count; i++) {
		struct spool_rcpt_new *rcpt = &l->rcpts[i];

		if ((rcpt->is_local && r->is_local_now ? put_local(db, r, rcpt, e)
						       : put_rcpt(db, r, rcpt, e)) < 0)
			return -1;
	}
	if (put_copy(db, r, e) < 0 || (l->outbox && outbox_add_tx(db, l->outbox, l->id, e) < 0))
		return -1;
	if (r->row_count) {
		store_count(db, STORE_COUNT_QUEUE_MESSAGES, 1);
		store_count(db, STORE_COUNT_QUEUE_RCPTS, (int64_t)r->row_count);
		if (!r->is_lease || !r->is_local_now)
			store_changed(db, STORE_QUEUE);
	}
	return 0;
}

/* ---- after the commit ---- */

void spool_accepted(struct store *s, struct spool_ready *r)
{
	struct stage *body = r->letter->body;
	struct body_mem *m = stage_body_mem(body);

	if (stage_blob_id(body))
		stage_gave_blob(body);
	if (!r->remote_count)
		return;
	r->letter->stored = body_new(s, r->blob_id, r->octets, m);
	/* a letter that is tried at once has the handle; one that waits its turn has the cache */
	if (m && !r->is_lease && !r->letter->is_held)
		body_cache_put(s->bodies, r->blob_id, m);
}

static int accept_closure(struct db *db, void *arg, struct err *e)
{
	return spool_accept_tx(db, arg, e);
}

FIBER int spool_accept(struct store *s, struct spool_new *letter, bool is_lease, struct err *e)
{
	uint64_t octets = stage_len(letter->body);
	struct arena *a;
	struct spool_ready r;
	int rc;

	if (store_room_begin(s, octets, e) < 0)
		return -1;
	a = arena_new();
	/* THE POINT OF NO RETURN: when store_write returns 0 the letter is ours for good */
	rc = spool_prepare(s, a, letter, is_lease, &r, e);
	if (rc == 0)
		rc = store_write(s, "accept", accept_closure, &r, e);
	if (rc == 0)
		spool_accepted(s, &r);
	arena_free(&a);
	store_room_end(s, octets);
	return rc;
}
