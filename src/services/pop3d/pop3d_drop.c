/* A mailbox as a session of POP3 sees it: the UIDs of the moment when it logged in. Sizes and contents are read
 * when they are asked for, some at a time, so that 100,000 messages cost a login nothing. */

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "run/loop.h"
#include "services/pop3d/pop3d_priv.h"

#define SIZE_GONE UINT64_MAX

enum body_stage { STAGE_PREFIX, STAGE_BODY, STAGE_END };

static uint32_t uid_of(const struct pop3d_conn *c, uint32_t i)
{
	return uidset_uid(c->uids, i + 1);
}

FIBER int pop3d_drop_open(struct pop3d_conn *c, struct pop3_drop *drop_r, struct err *e)
{
	struct arena *a = arena_new();
	struct mailbox_info info;
	int rc = mailbox_open(c->d->opts.store, a, c->mailbox_id, &info, &c->uids, e);

	if (rc == 0) {
		drop_r->count = uidset_count(c->uids);
		drop_r->octets = info.octets;
		c->uidvalidity = info.uidvalidity;
		c->retrieved = mem_alloc(drop_r->count / 8 + 1);
		c->retrieved_count = c->next = 0;
		pop3d_count(&c->d->counters.open, 1);
	}
	arena_free(&a);
	return rc;
}

static void drop_page(struct pop3d_conn *c)
{
	MUST(!c->msg);
	arena_free(&c->page);
	c->list = NULL;
	c->list_count = 0;
}

void pop3d_drop_rest(void *ctx)
{
	struct pop3d_conn *c = ctx;

	drop_page(c);
	free(c->sizes);
	c->sizes = NULL;
}

void pop3d_drop_close(struct pop3d_conn *c)
{
	pop3d_drop_rest(c);
	if (c->uids)
		__atomic_sub_fetch(&c->d->counters.open, 1, __ATOMIC_RELAXED);
	uidset_unref(&c->uids);
	free(c->retrieved);
	c->retrieved = NULL;
}

void pop3d_drop_uidl(void *ctx, uint32_t i, struct buf *b)
{
	struct pop3d_conn *c = ctx;

	/* The same for ever: neither is given to another message (RFC 9051 section 2.3.1.1). */
	buf_u64(b, c->uidvalidity);
	buf_char(b, '.');
	buf_u64(b, uid_of(c, i));
}

/* ---- sizes ------------------------------------------------------------------------------------------- */

/* Those from i on. */
static FIBER int read_sizes(struct pop3d_conn *c, uint32_t i, struct err *e)
{
	struct arena *a = arena_new();
	struct uid_range range = {uid_of(c, i), uidset_last(c->uids)};
	struct mailbox_cursor at = {.mailbox_id = c->mailbox_id, .ranges = &range, .count = 1};
	uint32_t left = uidset_count(c->uids) - i;
	struct mailbox_msg *list;
	size_t count;
	int rc = mailbox_page(c->d->opts.store, a, &at, MAILBOX_WANT_ROW, &list, &count, e);

	if (rc == 0) {
		if (!c->sizes)
			c->sizes = NEW(struct pop3d_sizes);
		c->sizes->first = i;
		c->sizes->count = left < POP3D_SIZES ? left : POP3D_SIZES;
		memset(c->sizes->octets, 0xff, sizeof(c->sizes->octets));
		for (size_t k = 0; k < count; k++) {
			uint32_t seq = uidset_seq(c->uids, list[k].uid);

			if (seq > i && seq - 1 - i < c->sizes->count)
				c->sizes->octets[seq - 1 - i] = list[k].size;
		}
	}
	arena_free(&a);
	return rc;
}

static FIBER int size_of_gone(struct pop3d_conn *c, uint32_t i, uint64_t *octets_r, struct err *e)
{
	struct arena *a = arena_new();
	struct mailbox_msg msg;
	struct err why = {0};
	int rc = mailbox_message_gone(c->d->opts.store, a, c->mailbox_id, uid_of(c, i), &msg, &why);

	*octets_r = rc == 0 ? msg.size : 0;
	arena_free(&a);
	/* gone for good: nothing is what can be had of it */
	return rc == 0 || why.code == ERR_NOT_FOUND ? 0 : err_copy(e, &why);
}

static const struct mailbox_msg *in_page(const struct pop3d_conn *c, uint32_t uid)
{
	size_t low = 0, high = c->list_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (c->list[middle].uid == uid)
			return &c->list[middle];
		if (c->list[middle].uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

FIBER int pop3d_drop_size(void *ctx, uint32_t i, uint64_t *octets_r, struct err *e)
{
	struct pop3d_conn *c = ctx;
	const struct mailbox_msg *msg = in_page(c, uid_of(c, i));

	if (msg) {
		*octets_r = msg->size;
		return 0;
	}
	if ((!c->sizes || i < c->sizes->first || i - c->sizes->first >= c->sizes->count) &&
		read_sizes(c, i, e) < 0)
		return -1;
	*octets_r = c->sizes->octets[i - c->sizes->first];
	if (*octets_r != SIZE_GONE)
		return 0;
	if (size_of_gone(c, i, octets_r, e) < 0)
		return -1;
	c->sizes->octets[i - c->sizes->first] = *octets_r;
	return 0;
}

/* ---- contents ---------------------------------------------------------------------------------------- */

/* A client that takes one after the other gets as many as a page holds with one question to the store. */
static FIBER int read_page(struct pop3d_conn *c, uint32_t i, struct err *e)
{
	uint32_t uid = uid_of(c, i);
	struct uid_range range = {uid, i == c->next ? uidset_last(c->uids) : uid};
	struct mailbox_cursor at = {.mailbox_id = c->mailbox_id, .ranges = &range, .count = 1};

	drop_page(c);
	c->page = arena_new();
	return mailbox_page(c->d->opts.store, c->page, &at, MAILBOX_WANT_HEAD | MAILBOX_WANT_BODY,
		&c->list, &c->list_count, e);
}

/* Somebody else has removed it: while it can be brought back it can be read too. */
static FIBER int read_gone(struct pop3d_conn *c, uint32_t i, struct err *e)
{
	drop_page(c);
	c->page = arena_new();
	c->list = ARENA_NEW(c->page, struct mailbox_msg);
	if (mailbox_message_gone(
		    c->d->opts.store, c->page, c->mailbox_id, uid_of(c, i), c->list, e) < 0)
		return -1;
	c->list->uid = uid_of(c, i);
	c->list->body = SPAN_NONE;
	c->list_count = 1;
	return 0;
}

FIBER int pop3d_body_open(void *ctx, uint32_t i, uint64_t *octets_r, struct err *e)
{
	struct pop3d_conn *c = ctx;
	const struct mailbox_msg *msg = in_page(c, uid_of(c, i));

	if (!msg) {
		if (read_page(c, i, e) < 0)
			return -1;
		msg = in_page(c, uid_of(c, i));
	}
	if (!msg) {
		if (read_gone(c, i, e) < 0)
			return -1;
		msg = c->list;
	}
	c->next = i + 1;
	c->msg = msg;
	c->stage = STAGE_PREFIX;
	c->chunk_index = 0;
	*octets_r = msg->size;
	return 0;
}

static FIBER int next_chunk(struct pop3d_conn *c, struct span *octets_r, struct err *e)
{
	if (!c->body)
		c->body = body_open(c->d->opts.store, c->msg->blob_id, c->msg->blob_len);
	if (!c->chunk)
		c->chunk = arena_new();
	arena_reset(c->chunk);
	if (body_chunk(c->body, c->chunk_index++, c->chunk, octets_r, e) < 0)
		return -1;
	if (!octets_r->len)
		c->stage = STAGE_END;
	return 0;
}

/* The prefix and the body's beginning in one, so that the whole header can be looked at. */
static FIBER int first_together(struct pop3d_conn *c, struct span *octets_r, struct err *e)
{
	struct span prefix = c->msg->prefix, first = c->msg->body;
	char *both;

	c->stage = STAGE_BODY;
	if (!first.ptr && next_chunk(c, &first, e) < 0)
		return -1;
	if (c->msg->body.ptr)
		c->stage = STAGE_END;
	both = arena_alloc(c->page, prefix.len + first.len + 1);
	if (prefix.len)
		memcpy(both, prefix.ptr, prefix.len);
	if (first.len)
		memcpy(both + prefix.len, first.ptr, first.len);
	*octets_r = span_of(both, prefix.len + first.len);
	return 0;
}

FIBER int pop3d_body_next(void *ctx, struct span *octets_r, struct err *e)
{
	struct pop3d_conn *c = ctx;

	*octets_r = SPAN_NONE;
	if (c->stage == STAGE_PREFIX && c->is_header_whole)
		return first_together(c, octets_r, e);
	if (c->stage == STAGE_PREFIX) {
		c->stage = STAGE_BODY;
		*octets_r = c->msg->prefix;
		if (octets_r->len)
			return 0;
	}
	if (c->stage == STAGE_END)
		return 0;
	if (!c->msg->body.ptr)
		return next_chunk(c, octets_r, e);
	c->stage = STAGE_END;
	*octets_r = c->msg->body;
	return 0;
}

void pop3d_body_close(void *ctx, uint32_t i, bool is_whole)
{
	struct pop3d_conn *c = ctx;

	if (is_whole) {
		pop3d_count(&c->d->counters.retrieved, 1);
		pop3d_count(&c->d->counters.octets, c->msg->size);
		c->retrieved_count += !(c->retrieved[i / 8] & (1u << i % 8));
		c->retrieved[i / 8] |= (uint8_t)(1u << i % 8);
	}
	c->msg = NULL;
	body_unref(&c->body);
	arena_free(&c->chunk);
}

/* ---- the end ----------------------------------------------------------------------------------------- */

/* Neighbours of the session's view are one range: what lies between two of them was gone when it began. */
static void add_range(const struct pop3d_conn *c, struct uid_range *list, size_t *count,
	uint32_t *last, uint32_t i)
{
	uint32_t uid = uid_of(c, i);

	if (*count && *last + 1 == i)
		list[*count - 1].last = uid;
	else
		list[(*count)++] = (struct uid_range){uid, uid};
	*last = i;
}

static struct uid_range *retrieved_ranges(
	const struct pop3d_conn *c, struct arena *a, size_t *count_r)
{
	struct uid_range *list = ARENA_ARRAY(a, struct uid_range, c->retrieved_count);
	uint32_t last = 0, all = uidset_count(c->uids);

	*count_r = 0;
	for (uint32_t i = 0; i < all; i++) {
		if (c->retrieved[i / 8] & (1u << i % 8))
			add_range(c, list, count_r, &last, i);
	}
	return list;
}

FIBER void pop3d_drop_seen(struct pop3d_conn *c)
{
	struct arena *a;
	struct mailbox_store op = {.mailbox_id = c->mailbox_id,
		.how = MAILBOX_FLAGS_ADD,
		.flags = MAILBOX_SEEN,
		.wants_none = true};
	struct err e = {0};

	if (!c->uids || !c->retrieved_count || !c->policy->is_seen_set ||
		!(c->rights & MAILBOX_RIGHT_SEEN))
		return;
	a = arena_new();
	op.arena = a;
	op.ranges = retrieved_ranges(c, a, &op.range_count);
	c->retrieved_count = 0;
	if (mailbox_store_flags(c->d->opts.store, &op, &e) < 0 && e.code != ERR_CANCELLED)
		log_event(c->d->opts.log, LOG_WARN, "pop3.seen.failed",
			LF("user", c->auth.who.address), LF_STR("error", e.text));
	arena_free(&a);
}

static FIBER int remove_ranges(
	struct pop3d_conn *c, const struct uid_range *ranges, size_t count, struct err *e)
{
	const unsigned needed = MAILBOX_RIGHT_DELETE_MSG | MAILBOX_RIGHT_EXPUNGE;
	struct mailbox_expunge_op op = {
		.mailbox_id = c->mailbox_id, .ranges = ranges, .range_count = count};

	if (!count)
		return 0;
	if ((c->rights & needed) != needed)
		return err_set(e, ERR_DENIED, "no right to remove mail from that mailbox");
	if (c->policy->keep_expunged_ns)
		op.keep_until_ns = (uint64_t)(loop_wall_ns() + c->policy->keep_expunged_ns);
	if (mailbox_expunge_ranges(c->d->opts.store, &op, e) < 0)
		return -1;
	pop3d_count(&c->d->counters.removed, op.expunged);
	return 0;
}

FIBER int pop3d_drop_update(void *ctx, const uint32_t *gone, uint32_t count, struct err *e)
{
	struct pop3d_conn *c = ctx;
	struct arena *a = arena_new();
	struct uid_range *list = ARENA_ARRAY(a, struct uid_range, (size_t)count + 1), *taken = NULL;
	size_t ranges = 0, taken_count = 0;
	uint32_t last = 0;
	struct err why = {0};

	for (uint32_t i = 0; i < count; i++) {
		add_range(c, list, &ranges, &last, gone[i]);
		c->retrieved_count -= (c->retrieved[gone[i] / 8] & (1u << gone[i] % 8)) != 0;
		c->retrieved[gone[i] / 8] &= (uint8_t) ~(1u << gone[i] % 8);
	}
	if (c->policy->is_retrieved_removed && c->retrieved_count)
		taken = retrieved_ranges(c, a, &taken_count);
	/* what goes need not be marked; what stays is, even where the rest fails */
	if (!taken_count)
		pop3d_drop_seen(c);
	int rc = remove_ranges(c, list, ranges, &why);
	if (rc == 0)
		rc = remove_ranges(c, taken, taken_count, &why);
	if (rc == 0 && taken_count)
		c->retrieved_count = 0;
	arena_free(&a);
	if (rc < 0 && why.code != ERR_CANCELLED)
		log_event(c->d->opts.log, LOG_WARN, "pop3.update.failed",
			LF("user", c->auth.who.address), LF_STR("error", why.text));
	return rc < 0 ? err_copy(e, &why) : 0;
}
