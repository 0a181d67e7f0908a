#include "services/host/ops_move.h"

#include <stdlib.h>

#include "base/enc.h"
#include "base/mem.h"
#include "net/stream.h"
#include "store/directory.h"
#include "store/stage.h"

/* mailbox.import: the stream of services/host/ops_move.h becomes messages, many a commit. */

struct folder {
	uint64_t id;            /* 0: a dry run, it would be made */
	struct hash_map *twins; /* --skip-duplicates */
};

/* One message of the group that is being gathered. */
struct one {
	struct stage *stage;
	unsigned flags;
	const struct span *keywords;
	size_t keyword_count;
	int64_t received_ns;
	struct moved_item item;
	struct span where;
};

struct move {
	struct ops_call *c;
	struct stream *in;
	uint64_t account_id;
	struct moved_source source;
	bool is_dry, is_skip;
	bool is_pull; /* what was brought once does not come again, also when it is gone from here */
	struct hash_map folders;
	struct arena *a; /* of the group */
	struct one *group;
	size_t count;
	uint64_t octets;       /* of the group */
	struct folder *folder; /* of the group */
	/* the message under way */
	struct stage *stage;
	struct move_twin *twin;
	bool is_over;
	/* sums */
	uint64_t done, added, present, twins, changed, bad, made, bytes;
};

/* ---- rows ---- */

static FIBER int tell(
	struct move *m, const char *kind, struct span where, const char *text, struct err *e)
{
	struct json_out *j = ops_row(m->c);

	json_kv_str(j, kind, text);
	json_kv_span(j, "where", where);
	return ops_row_end(m->c, e);
}

static FIBER int tell_done(struct move *m, struct err *e)
{
	json_kv_u64(ops_row(m->c), "done", m->done);
	return ops_row_end(m->c, e);
}

static FIBER int tell_sums(struct move *m, struct err *e)
{
	struct json_out *j = ops_row(m->c);

	json_kv_u64(j, "added", m->added);
	json_kv_u64(j, "present", m->present);
	json_kv_u64(j, "duplicates", m->twins);
	json_kv_u64(j, "changed", m->changed);
	json_kv_u64(j, "bad", m->bad);
	json_kv_u64(j, "folders", m->made);
	json_kv_u64(j, "octets", m->bytes);
	return ops_row_end(m->c, e);
}

/* ---- flags ---- */

static unsigned flag_of(struct span word)
{
	static const struct {
		const char *name;
		unsigned bit;
	} flags[] = {{"\\Seen", MAILBOX_SEEN}, {"\\Answered", MAILBOX_ANSWERED},
		{"\\Flagged", MAILBOX_FLAGGED}, {"\\Deleted", MAILBOX_DELETED},
		{"\\Draft", MAILBOX_DRAFT}};

	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (span_eq_nocase(word, span_str(flags[i].name)))
			return flags[i].bit;
	return 0;
}

/* An atom that can be a keyword (RFC 9051 section 9, flag-keyword). */
static bool is_keyword(struct span word)
{
	if (!word.len || word.len > MAILBOX_KEYWORD_MAX)
		return false;
	for (size_t i = 0; i < word.len; i++) {
		unsigned char c = (unsigned char)word.ptr[i];

		if (c <= ' ' || c >= 0x7f || span_find(SPAN("(){%*\"\\]"), (char)c) >= 0)
			return false;
	}
	return true;
}

static void take_flags(struct move *m, const struct json_in *list, struct one *x)
{
	size_t count = json_in_count(list);
	struct span *words = ARENA_ARRAY(m->a, struct span, count + 1);
	struct buf *all = arena_buf(m->a, MOVED_FLAGS_MAX);

	for (size_t i = 0; i < count; i++) {
		struct span word = json_in_span(json_in_at(list, i));

		if (buf_room(all) > word.len + 1) {
			if (buf_len(all))
				buf_char(all, ' ');
			buf_span_put(all, word);
		}
		if (flag_of(word))
			x->flags |= flag_of(word);
		else if (is_keyword(word) && x->keyword_count < MAILBOX_KEYWORDS_MAX)
			words[x->keyword_count++] = arena_span(m->a, word);
	}
	x->keywords = words;
	x->item.flags = buf_span(all);
}

/* ---- folders ---- */

static FIBER int find_by_use(struct move *m, struct span use, uint64_t *id_r, struct err *e)
{
	struct mailbox_info *list = NULL;
	size_t count = 0;

	*id_r = 0;
	if (!use.len)
		return 0;
	if (mailbox_folders(m->c->ctx->store, m->a, m->account_id, &list, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (span_eq_nocase(list[i].special_use, use))
			*id_r = list[i].id;
	return 0;
}

static FIBER int find_or_make(
	struct move *m, struct span name, struct span use, uint64_t *id_r, struct err *e)
{
	struct mailbox_info info;
	struct err why = {0};

	if (find_by_use(m, use, id_r, e) < 0)
		return -1;
	if (*id_r)
		return 0;
	if (mailbox_find(m->c->ctx->store, m->a, m->account_id, name, &info, &why) == 0) {
		*id_r = info.id;
		return 0;
	}
	if (why.code != ERR_NOT_FOUND)
		return err_copy(e, &why);
	m->made++;
	if (m->is_dry)
		return 0;
	return mailbox_create(m->c->ctx->store, m->account_id, name, use, id_r, e);
}

static FIBER struct folder *get_folder(
	struct move *m, struct span name, struct span use, struct err *e)
{
	struct folder *f;
	uint64_t id = 0;

	if (!name.len)
		name = SPAN("INBOX");
	f = hash_map_get(&m->folders, name);
	if (f)
		return f;
	if (hash_map_count(&m->folders) >= MOVE_FOLDERS) {
		err_set(e, ERR_LIMIT, "more than %d folders", MOVE_FOLDERS);
		return NULL;
	}
	if (find_or_make(m, name, use, &id, e) < 0) {
		err_wrap(e, "folder '" SPAN_FMT "'", SPAN_ARG(span_sub(name, 0, 80)));
		return NULL;
	}
	f = NEW(struct folder);
	f->id = id;
	hash_map_set(&m->folders, name, f);
	if (!m->is_skip)
		return f;
	f->twins = NEW(struct hash_map);
	hash_map_init(f->twins, (struct hash_key){loop_random(), loop_random()});
	if (id && move_twin_all(m->c, id, f->twins, e) < 0)
		return NULL;
	return f;
}

static void free_folders(struct move *m)
{
	struct span name;
	void *value;
	size_t at = 0;

	while (hash_map_next(&m->folders, &at, &name, &value)) {
		struct folder *f = value;

		if (f->twins)
			hash_map_fini(f->twins);
		free(f->twins);
		free(f);
	}
	hash_map_fini(&m->folders);
}

/* ---- a group becomes durable ---- */

struct group_append {
	struct move *m;
	struct one *items;
	struct mailbox_append op;
};

/* In the transaction that appends them. */
static int note_items(struct db *db, void *arg, struct err *e)
{
	struct group_append *g = arg;

	for (size_t i = 0; i < g->op.count; i++) {
		struct moved_item *item = &g->items[i].item;

		item->message_id = g->op.items[i].id;
		if (item->item.len && moved_put_tx(db, g->m->source.id, item, e) < 0)
			return -1;
	}
	return 0;
}

static FIBER int append_some(struct move *m, struct one *items, size_t count, struct err *e)
{
	struct group_append g = {.m = m, .items = items};
	int rc;

	g.op = (struct mailbox_append){.mailbox_id = m->folder->id,
		.items = ARENA_ARRAY(m->a, struct mailbox_append_item, count),
		.count = count,
		.also = note_items,
		.also_arg = &g};
	for (size_t i = 0; i < count; i++)
		g.op.items[i] = (struct mailbox_append_item){.stage = items[i].stage,
			.flags = items[i].flags,
			.keywords = items[i].keywords,
			.keyword_count = items[i].keyword_count,
			.received_ns = items[i].received_ns};
	for (size_t i = 0; i < count; i++)
		m->bytes += stage_len(items[i].stage);
	rc = mailbox_append(m->c->ctx->store, &g.op, e);
	for (size_t i = 0; i < count; i++) {
		if (rc == 0)
			items[i].stage = NULL; /* taken over */
		else
			m->bytes -= stage_len(items[i].stage);
	}
	m->added += rc == 0 ? count : 0;
	return rc;
}

/* What is wrong with one message is told with its place, and the others go on; what is wrong with the store or
 * the account's room is wrong with all of them. */
static FIBER int append_one(struct move *m, struct one *x, struct err *e)
{
	struct err why = {0};

	if (append_some(m, x, 1, &why) == 0)
		return 0;
	if (why.code == ERR_LIMIT && x->keyword_count) {
		x->keyword_count = 0;
		if (tell(m, "note", x->where,
			    "it has more keywords than a mailbox can hold: they stay behind",
			    e) < 0)
			return -1;
		why = (struct err){0};
		if (append_some(m, x, 1, &why) == 0)
			return 0;
	}
	if (why.code != ERR_LIMIT && why.code != ERR_SYNTAX && why.code != ERR_UNSUPPORTED)
		return err_copy(e, &why);
	m->bad++;
	return tell(m, "bad", x->where, why.text, e);
}

static FIBER int append_group(struct move *m, struct err *e)
{
	struct err why = {0};

	if (!m->count || append_some(m, m->group, m->count, &why) == 0)
		return 0;
	if (why.code == ERR_CANCELLED || why.code == ERR_IO)
		return err_copy(e, &why);
	for (size_t i = 0; i < m->count; i++)
		if (append_one(m, &m->group[i], e) < 0)
			return -1;
	return 0;
}

/* Those that were brought before leave the group. */
static FIBER int drop_known(struct move *m, struct err *e)
{
	struct moved_item *look = ARENA_ARRAY(m->a, struct moved_item, MOVE_GROUP);
	size_t kept = 0;

	for (size_t i = 0; i < m->count; i++)
		look[i].item = m->group[i].item.item;
	if (m->source.id && moved_look(m->c->ctx->store, m->a, m->source.id, look, m->count, e) < 0)
		return -1;
	for (size_t i = 0; i < m->count; i++) {
		if (look[i].message_id && (m->is_pull || look[i].mailbox_id)) {
			m->present++;
			stage_free(&m->group[i].stage);
		} else {
			m->group[kept++] = m->group[i];
		}
	}
	m->count = kept;
	return 0;
}

static void new_group(struct move *m)
{
	arena_reset(m->a);
	m->group = ARENA_ARRAY(m->a, struct one, MOVE_GROUP);
}

static FIBER int flush(struct move *m, struct err *e)
{
	size_t all = m->count;
	int rc = 0;

	if (!all)
		return 0;
	if (drop_known(m, e) < 0)
		return -1;
	if (m->is_dry) {
		m->added += m->count;
		for (size_t i = 0; i < m->count; i++)
			m->bytes += stage_len(m->group[i].stage);
	} else {
		rc = append_group(m, e);
	}
	for (size_t i = 0; i < m->count; i++)
		stage_free(&m->group[i].stage);
	m->count = 0;
	m->octets = 0;
	m->done += all;
	new_group(m);
	return rc < 0 ? -1 : tell_done(m, e);
}

/* ---- what the lines say ---- */

static FIBER int take_octets(struct move *m, uint64_t left, struct err *e)
{
	if (left > MOVE_PIECE_MAX)
		return err_set(e, ERR_LIMIT, "a piece over %d octets", MOVE_PIECE_MAX);
	if (!m->stage)
		m->stage = stage_new(m->c->ctx->store);
	while (left) {
		struct span in = stream_peek(m->in);

		if (!in.len) {
			stream_set_timeout(m->in, MOVE_IDLE_NS);
			if (stream_fill(m->in, e) < 0)
				return -1;
			continue;
		}
		in = span_sub(in, 0, (size_t)left);
		if (stage_put(m->stage, in, e) < 0)
			return -1;
		if (m->is_skip)
			move_twin_feed(m->twin, in);
		stream_consume(m->in, in.len);
		left -= in.len;
	}
	return 0;
}

static void forget_message(struct move *m)
{
	stage_free(&m->stage);
	if (m->is_skip)
		move_twin_begin(m->twin);
}

static bool get_item(struct move *m, const struct json_in *v, struct span *item_r)
{
	struct buf *b = arena_buf(m->a, MOVED_ITEM_MAX);

	if (!enc_get_hex(b, json_in_text(v, "item")) || !buf_ok(b))
		return false;
	*item_r = buf_span(b);
	return true;
}

/* Is it in the folder already, wherever it came from? Then it is not taken. */
static bool is_twin(struct move *m, struct folder *f)
{
	struct span key = m->is_skip ? move_twin_end(m->twin) : SPAN_NONE;

	if (!m->is_skip || !f->twins)
		return false;
	if (hash_map_get(f->twins, key))
		return true;
	hash_map_set(f->twins, key, m);
	return false;
}

static FIBER int take_message(struct move *m, const struct json_in *v, struct err *e)
{
	struct span name = json_in_text(v, "folder");
	struct folder *f = get_folder(m, name, json_in_text(v, "use"), e);
	struct one *x;
	uint64_t ms = 0;

	if (!f)
		return -1;
	if (!m->stage)
		m->stage = stage_new(m->c->ctx->store);
	if (m->count && (f != m->folder || m->octets + stage_len(m->stage) > MOVE_GROUP_BYTE) &&
		flush(m, e) < 0)
		return -1;
	m->folder = f;
	x = &m->group[m->count];
	*x = (struct one){.where = arena_span(m->a, json_in_text(v, "where"))};
	if (!get_item(m, v, &x->item.item))
		return err_set(e, ERR_SYNTAX, "\"item\" is not understood");
	take_flags(m, json_in_get(v, "flags"), x);
	json_in_u64(v, "received_at", &ms);
	x->received_ns = ms ? (int64_t)ms * CLOCK_MS : loop_wall_ns();
	if (is_twin(m, f)) {
		m->twins++;
		m->done++;
		forget_message(m);
		if (!m->count)
			new_group(m);
		return 0;
	}
	x->stage = m->stage;
	m->stage = NULL;
	m->octets += stage_len(x->stage);
	forget_message(m);
	return ++m->count == MOVE_GROUP || m->octets > MOVE_GROUP_BYTE ? flush(m, e) : 0;
}

static FIBER int take_new_flags(struct move *m, const struct json_in *v, struct err *e)
{
	struct one x = {0};
	struct moved_item at;

	if (flush(m, e) < 0)
		return -1;
	take_flags(m, json_in_get(v, "flags"), &x);
	if (!get_item(m, v, &x.item.item))
		return err_set(e, ERR_SYNTAX, "\"item\" is not understood");
	at = (struct moved_item){.item = x.item.item};
	if (moved_look(m->c->ctx->store, m->a, m->source.id, &at, 1, e) < 0)
		return -1;
	m->done++;
	if (!at.message_id || m->is_dry)
		return 0;
	struct uid_range range = {at.uid, at.uid};
	struct mailbox_store op = {.mailbox_id = at.mailbox_id,
		.ranges = &range,
		.range_count = 1,
		.how = MAILBOX_FLAGS_REPLACE,
		.flags = x.flags,
		.keywords = x.keywords,
		.keyword_count = x.keyword_count,
		.arena = m->a,
		.wants_none = true};
	if (at.mailbox_id && mailbox_store_flags(m->c->ctx->store, &op, e) < 0)
		return -1;
	m->changed += at.mailbox_id != 0;
	x.item.message_id = at.message_id;
	return moved_put(m->c->ctx->store, m->source.id, &x.item, 1, e);
}

static FIBER int take_line(struct move *m, const struct json_in *doc, struct err *e)
{
	const struct json_in *v;
	uint64_t n = 0;

	if (json_in_u64(doc, "octets", &n))
		return take_octets(m, n, e);
	if ((v = json_in_get(doc, "message")))
		return take_message(m, v, e);
	if (json_in_get(doc, "drop")) {
		forget_message(m);
		return 0;
	}
	if ((v = json_in_get(doc, "folder")))
		return get_folder(m, json_in_text(v, "name"), json_in_text(v, "use"), e) ? 0 : -1;
	if ((v = json_in_get(doc, "flags")))
		return take_new_flags(m, v, e);
	if (flush(m, e) < 0)
		return -1;
	if ((v = json_in_get(doc, "seen"))) {
		json_in_u64(v, "modseq", &n);
		return m->is_dry ? 0 : moved_seen(m->c->ctx->store, m->source.id, n, e);
	}
	m->is_over = json_in_get(doc, "end") != NULL;
	return m->is_over ? 0 : err_set(e, ERR_SYNTAX, "a line that says nothing");
}

static FIBER int take_all(struct move *m, struct err *e)
{
	struct span line;

	while (!m->is_over) {
		struct json_in *doc;
		int rc;

		stream_set_timeout(m->in, MOVE_IDLE_NS);
		if (stream_read_line(m->in, MOVE_LINE_MAX, &line, NULL, e) < 0)
			return -1;
		doc = json_in_parse(line, e);
		if (!doc)
			return -1;
		rc = take_line(m, doc, e);
		json_in_free(&doc);
		if (rc < 0)
			return -1;
	}
	return tell_sums(m, e);
}

/* ---- the operation ---- */

static FIBER int open_source(struct move *m, struct err *e)
{
	struct span name = json_in_text(m->c->args, "source");
	uint64_t uidvalidity = 0;

	m->is_pull = name.len > 0;
	if (m->is_pull &&
		(!json_in_u64(m->c->args, "uidvalidity", &uidvalidity) || uidvalidity > UINT32_MAX))
		return err_set(e, ERR_SYNTAX, "\"uidvalidity\" is missing");
	return moved_source(
		m->c->ctx->store, m->account_id, name, (uint32_t)uidvalidity, &m->source, e);
}

FIBER int op_mailbox_import(struct ops_call *c, struct err *e)
{
	struct directory_account acc = {0};
	struct span address;
	struct move m = {.c = c,
		.in = c->ctx->input,
		.is_dry = json_in_bool(c->args, "dry_run"),
		.is_skip = json_in_bool(c->args, "skip_duplicates")};
	int rc;

	if (!m.in)
		return err_set(e, ERR_STATE, "nothing can follow this request");
	c->ctx->is_input_open = true;
	if (ops_account(c, &acc, &address, e) < 0)
		return -1;
	m.account_id = acc.id;
	m.a = arena_new();
	new_group(&m);
	m.twin = move_twin_new();
	move_twin_begin(m.twin);
	hash_map_init(&m.folders, (struct hash_key){loop_random(), loop_random()});
	rc = open_source(&m, e);
	if (rc == 0)
		rc = take_all(&m, e);
	if (rc == 0)
		c->ctx->is_input_open = false;
	else if (m.added)
		err_wrap(e, "%llu messages are in (do it again to go on), and then",
			(unsigned long long)m.added);
	for (size_t i = 0; i < m.count; i++)
		stage_free(&m.group[i].stage);
	stage_free(&m.stage);
	move_twin_free(&m.twin);
	free_folders(&m);
	arena_free(&m.a);
	return rc;
}

/* What is known of a source, for those who ask before they bring: rows {"items":[["hex","flags"],…]}, and
 * {"modseq":N}. */
FIBER int op_mailbox_moved(struct ops_call *c, struct err *e)
{
	struct directory_account acc = {0};
	struct moved_source source;
	struct span address, after = SPAN_NONE, name;
	uint64_t uidvalidity = 0;
	size_t count = 1;
	int rc;

	json_in_u64(c->args, "uidvalidity", &uidvalidity);
	if (ops_account(c, &acc, &address, e) < 0 || ops_need(c, "source", &name, e) < 0 ||
		moved_source(c->ctx->store, acc.id, name, (uint32_t)uidvalidity, &source, e) < 0)
		return -1;
	json_kv_u64(ops_row(c), "modseq", source.modseq);
	rc = ops_row_end(c, e);
	while (rc == 0 && count) {
		struct moved_item *list = NULL;

		rc = moved_list(c->ctx->store, c->arena, source.id, after, &list, &count, e);
		if (rc < 0 || !count)
			break;
		struct json_out *j = ops_row(c);
		json_key(j, "items");
		json_open_array(j);
		for (size_t i = 0; i < count; i++) {
			struct buf *hex = arena_buf(c->arena, 4 * MOVED_ITEM_MAX);

			enc_put_hex(hex, list[i].item);
			json_open_array(j);
			json_span(j, buf_span(hex));
			json_span(j, list[i].flags);
			json_close(j);
		}
		json_close(j);
		after = list[count - 1].item;
		rc = ops_row_end(c, e);
	}
	return rc;
}
