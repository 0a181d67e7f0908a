#include "services/host/ops_move.h"

/* OpenSSL's type of that name meets our error code. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/evp.h>
#undef ERR_STATE

#include <stdlib.h>

#include "base/mem.h"
#include "proto/mail/mail_header.h"
#include "store/body.h"

struct move_twin {
	struct mail_header head;
	EVP_MD_CTX *all, *body;
	struct buf id; /* Message-ID */
	unsigned char digest[EVP_MAX_MD_SIZE];
};

static void note_field(void *arg, const struct mail_field *f)
{
	struct move_twin *t = arg;

	if (f->id == MAIL_MESSAGE_ID && !buf_len(&t->id))
		buf_span_put(&t->id, span_trim(f->value));
}

struct move_twin *move_twin_new(void)
{
	struct move_twin *t = NEW(struct move_twin);

	t->all = EVP_MD_CTX_new();
	t->body = EVP_MD_CTX_new();
	MUST(t->all && t->body);
	buf_init(&t->id, MAIL_FIELD_KEEP);
	mail_header_init(&t->head, note_field, t);
	return t;
}

void move_twin_free(struct move_twin **t)
{
	if (!*t)
		return;
	EVP_MD_CTX_free((*t)->all);
	EVP_MD_CTX_free((*t)->body);
	mail_header_fini(&(*t)->head);
	buf_fini(&(*t)->id);
	free(*t);
	*t = NULL;
}

void move_twin_begin(struct move_twin *t)
{
	mail_header_fini(&t->head);
	mail_header_init(&t->head, note_field, t);
	buf_clear(&t->id);
	MUST(EVP_DigestInit_ex(t->all, EVP_sha256(), NULL) == 1 &&
		EVP_DigestInit_ex(t->body, EVP_sha256(), NULL) == 1);
}

void move_twin_feed(struct move_twin *t, struct span octets)
{
	size_t n = t->head.is_done ? 0 : mail_header_feed(&t->head, octets);

	MUST(EVP_DigestUpdate(t->all, octets.ptr, octets.len) == 1);
	octets = span_skip(octets, n);
	MUST(EVP_DigestUpdate(t->body, octets.ptr, octets.len) == 1);
}

struct span move_twin_end(struct move_twin *t)
{
	struct span id = buf_span(&t->id);
	EVP_MD_CTX *md = id.len ? t->body : t->all;

	mail_header_finish(&t->head);
	id = buf_span(&t->id);
	md = id.len ? t->body : t->all;
	MUST(EVP_DigestUpdate(md, id.ptr, id.len) == 1 &&
		EVP_DigestFinal_ex(md, t->digest, NULL) == 1);
	return span_of(t->digest, MOVE_TWIN_BYTES);
}

static FIBER int feed_body(
	struct ops_call *c, struct move_twin *t, const struct mailbox_msg *m, struct err *e)
{
	struct body *body = body_open(c->ctx->store, m->blob_id, m->blob_len);
	uint64_t chunks = (m->blob_len + BODY_CHUNK - 1) / BODY_CHUNK;
	int rc = 0;

	for (uint64_t i = 0; rc == 0 && i < chunks; i++) {
		struct arena *a = arena_new();
		struct span octets = SPAN_NONE;

		rc = body_chunk(body, i, a, &octets, e);
		if (rc == 0)
			move_twin_feed(t, octets);
		arena_free(&a);
	}
	body_unref(&body);
	return rc;
}

static FIBER int page_twins(struct ops_call *c, struct move_twin *t, uint64_t mailbox_id,
	struct hash_map *all, uint32_t *after, size_t *count_r, struct err *e)
{
	struct arena *a = arena_new();
	struct mailbox_msg *list = NULL;
	int rc = mailbox_list(c->ctx->store, a, mailbox_id, *after, 0, &list, count_r, e);

	for (size_t i = 0; rc == 0 && i < *count_r; i++) {
		move_twin_begin(t);
		move_twin_feed(t, list[i].prefix);
		rc = feed_body(c, t, &list[i], e);
		if (rc == 0)
			hash_map_set(all, move_twin_end(t), t);
		*after = list[i].uid;
	}
	arena_free(&a);
	return rc;
}

FIBER int move_twin_all(
	struct ops_call *c, uint64_t mailbox_id, struct hash_map *all, struct err *e)
{
	struct move_twin *t = move_twin_new();
	uint32_t after = 0;
	size_t count = 1;
	int rc = 0;

	while (rc == 0 && count)
		rc = page_twins(c, t, mailbox_id, all, &after, &count, e);
	move_twin_free(&t);
	return rc;
}
