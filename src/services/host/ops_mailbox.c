#include "base/enc.h"
#include "proto/mail/mail_header.h"
#include "proto/mail/mbox.h"
#include "store/body.h"
#include "store/directory.h"
#include "store/mailbox.h"
#include "services/host/ops_priv.h"

static FIBER int find_mailbox(struct ops_call *c, struct mailbox_info *info_r, struct err *e)
{
	struct span address, folder = json_in_text(c->args, "folder");
	struct directory_account acc = {0};

	if (ops_need(c, "address", &address, e) < 0 ||
		directory_account_find(c->ctx->store, c->arena, address, &acc, e) < 0)
		return -1;
	return mailbox_find(
		c->ctx->store, c->arena, acc.id, folder.len ? folder : SPAN("INBOX"), info_r, e);
}

static void put_flags(struct json_out *j, const struct mailbox_msg *m)
{
	static const struct {
		unsigned bit;
		const char *name;
	} flags[] = {
		{MAILBOX_SEEN, "\\Seen"},
		{MAILBOX_ANSWERED, "\\Answered"},
		{MAILBOX_FLAGGED, "\\Flagged"},
		{MAILBOX_DELETED, "\\Deleted"},
		{MAILBOX_DRAFT, "\\Draft"},
	};
	struct span rest = m->keywords, word;

	json_key(j, "flags");
	json_open_array(j);
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		if (m->flags & flags[i].bit)
			json_str(j, flags[i].name);
	}
	while ((word = span_word(&rest)).len)
		json_span(j, word);
	json_close(j);
}

static void put_msg(struct json_out *j, const struct mailbox_msg *m)
{
	json_kv_u64(j, "uid", m->uid);
	json_kv_u64(j, "size", m->size);
	put_flags(j, m);
	json_kv_u64(j, "modseq", m->modseq);
	ops_put_time(j, "received_at", m->received_ns);
	json_kv_span(j, "from", m->from);
	json_kv_span(j, "subject", m->subject);
}

/* Visit messages of a mailbox, page by page; `uid` 0: all. */
typedef FIBER int msg_fn(struct ops_call *c, const struct mailbox_msg *m, struct err *e);

static FIBER int page_each(struct ops_call *c, const struct mailbox_info *info, msg_fn *fn,
	struct arena *page, uint32_t *after, size_t *count_r, struct err *e)
{
	struct mailbox_msg *list = NULL;

	if (mailbox_list(c->ctx->store, page, info->id, *after, 0, &list, count_r, e) < 0)
		return -1;
	for (size_t i = 0; i < *count_r; i++) {
		if (fn(c, &list[i], e) < 0)
			return -1;
		*after = list[i].uid;
	}
	return 0;
}

static FIBER int each(struct ops_call *c, msg_fn *fn, struct err *e)
{
	struct mailbox_info info = {0};
	uint64_t uid = 0;

	if (find_mailbox(c, &info, e) < 0)
		return -1;
	if (json_in_u64(c->args, "uid", &uid)) {
		struct mailbox_msg m = {0};

		if (!uid || uid > UINT32_MAX)
			return err_set(e, ERR_SYNTAX, "a UID is a number from 1 on");
		if (mailbox_message(c->ctx->store, c->arena, info.id, (uint32_t)uid, &m, e) < 0)
			return -1;
		return fn(c, &m, e);
	}
	uint32_t after = 0;
	size_t count = 1;
	int rc = 0;

	while (rc == 0 && count) {
		struct arena *page = arena_new();

		rc = page_each(c, &info, fn, page, &after, &count, e);
		arena_free(&page);
	}
	return rc;
}

static FIBER int list_one(struct ops_call *c, const struct mailbox_msg *m, struct err *e)
{
	put_msg(ops_row(c), m);
	return ops_row_end(c, e);
}

FIBER int op_mailbox_list(struct ops_call *c, struct err *e)
{
	return each(c, list_one, e);
}

static FIBER int show_one(struct ops_call *c, const struct mailbox_msg *m, struct err *e)
{
	struct json_out *j = ops_row(c);

	put_msg(j, m);
	ops_put_id(j, "id", m->id);
	json_kv_u64(j, "body", m->blob_id);
	json_kv_u64(j, "body_size", m->blob_len);
	json_kv_span(j, "prefix", m->prefix);
	return ops_row_end(c, e);
}

FIBER int op_mailbox_show(struct ops_call *c, struct err *e)
{
	uint64_t uid;

	if (!json_in_u64(c->args, "uid", &uid))
		return err_set(e, ERR_SYNTAX, "\"uid\" is missing");
	return each(c, show_one, e);
}

/* What whoever writes a message into a file must know before it begins. */
struct export_facts {
	bool has_bare;  /* a CR or LF alone is in it */
	bool lacks_end; /* no line end at its end */
};

static FIBER int export_look(
	struct body *body, const struct mailbox_msg *m, struct export_facts *facts_r, struct err *e)
{
	uint64_t chunks = (m->blob_len + BODY_CHUNK - 1) / BODY_CHUNK;
	char last = 0;
	int rc = 0;

	facts_r->has_bare = mbox_is_bare(m->prefix, &last);
	for (uint64_t i = 0; rc == 0 && i < chunks; i++) {
		struct arena *a = arena_new();
		struct span octets = SPAN_NONE;

		rc = body_chunk(body, i, a, &octets, e);
		if (rc == 0 && !facts_r->has_bare)
			facts_r->has_bare = mbox_is_bare(octets, &last);
		if (octets.len)
			last = octets.ptr[octets.len - 1];
		arena_free(&a);
	}
	facts_r->has_bare = facts_r->has_bare || last == '\r';
	facts_r->lacks_end = last != '\n';
	return rc;
}

/* The reverse-path, which an mbox has in its "From " line. */
static struct span export_sender(const struct mailbox_msg *m)
{
	struct span value;

	if (!mail_header_find(m->prefix, SPAN("Return-Path"), &value))
		return SPAN_NONE;
	value = span_trim(value);
	return value.len > 2 && value.ptr[0] == '<' ? span_sub(value, 1, value.len - 2) : SPAN_NONE;
}

static FIBER int export_piece(struct ops_call *c, const struct mailbox_msg *m, struct span octets,
	const struct export_facts *first, bool is_last, struct err *e)
{
	struct json_out *j = ops_row(c);
	struct buf text;

	json_kv_u64(j, "uid", m->uid);
	if (first) {
		json_kv_span(j, "sender", export_sender(m));
		json_kv_bool(j, "has_bare", first->has_bare);
		json_kv_bool(j, "lacks_end", first->lacks_end);
		json_kv_u64(j, "size", m->size);
		put_flags(j, m);
		ops_put_time(j, "received_at", m->received_ns);
	}
	buf_init(&text, OPS_LINE_MAX);
	enc_put_base64(&text, octets);
	json_key(j, "octets");
	json_span(j, buf_span(&text));
	buf_fini(&text);
	json_kv_bool(j, "last", is_last);
	return ops_row_end(c, e);
}

static FIBER int export_one(struct ops_call *c, const struct mailbox_msg *m, struct err *e)
{
	struct body *body = body_open(c->ctx->store, m->blob_id, m->blob_len);
	uint64_t chunks = (m->blob_len + BODY_CHUNK - 1) / BODY_CHUNK;
	struct export_facts facts;
	uint64_t since_ms = 0;
	int rc;

	if (json_in_u64(c->args, "since", &since_ms) &&
		m->received_ns / CLOCK_MS < (int64_t)since_ms) {
		body_unref(&body);
		return 0;
	}
	rc = export_look(body, m, &facts, e);
	if (rc == 0)
		rc = export_piece(c, m, m->prefix, &facts, chunks == 0, e);

	for (uint64_t i = 0; rc == 0 && i < chunks; i++) {
		struct arena *a = arena_new();
		struct span octets = SPAN_NONE;

		rc = body_chunk(body, i, a, &octets, e);
		if (rc == 0)
			rc = export_piece(c, m, octets, NULL, i + 1 == chunks, e);
		arena_free(&a);
	}
	body_unref(&body);
	return rc;
}

FIBER int op_mailbox_export(struct ops_call *c, struct err *e)
{
	return each(c, export_one, e);
}

FIBER int op_mailbox_folders(struct ops_call *c, struct err *e)
{
	struct directory_account acc = {0};
	struct mailbox_info *list = NULL;
	struct span address;
	size_t count = 0;

	if (ops_need(c, "address", &address, e) < 0 ||
		directory_account_find(c->ctx->store, c->arena, address, &acc, e) < 0 ||
		mailbox_folders(c->ctx->store, c->arena, acc.id, &list, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct json_out *j = ops_row(c);

		json_kv_span(j, "name", list[i].name);
		json_kv_u64(j, "messages", list[i].messages);
		json_kv_u64(j, "unseen", list[i].unseen);
		json_kv_u64(j, "size", list[i].octets);
		json_kv_u64(j, "uidvalidity", list[i].uidvalidity);
		json_kv_u64(j, "uidnext", list[i].uidnext);
		json_kv_u64(j, "highest_modseq", list[i].highest_modseq);
		if (ops_row_end(c, e) < 0)
			return -1;
	}
	return 0;
}
