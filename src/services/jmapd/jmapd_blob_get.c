/* OpenSSL has a type of this name */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/evp.h>
#undef ERR_STATE

#include "base/enc.h"
#include "base/utf8.h"
#include "services/jmapd/jmapd_core_priv.h"

/* Blob/get and Blob/lookup (RFC 9404 sections 4.2 and 4.3). */

#define READ_MAX     (8u << 20) /* octets of one blob in an answer */
#define DIGEST_PIECE (64 * 1024)

static const struct {
	const char *name, *engine;
} digests[] = {
	{"digest:sha", "SHA1"},
	{"digest:sha-256", "SHA256"},
	{"digest:sha-512", "SHA512"},
};

struct wanted {
	bool data, as_text, as_base64, size;
	bool digests[ARRAY_LEN(digests)];
	int64_t offset, length; /* -1: to the end */
};

static bool want_property(struct wanted *w, struct span name)
{
	for (size_t i = 0; i < ARRAY_LEN(digests); i++) {
		if (span_eq(name, span_str(digests[i].name))) {
			w->digests[i] = true;
			return true;
		}
	}
	if (span_eq(name, SPAN("data")))
		w->data = true;
	else if (span_eq(name, SPAN("data:asText")))
		w->as_text = true;
	else if (span_eq(name, SPAN("data:asBase64")))
		w->as_base64 = true;
	else if (span_eq(name, SPAN("size")))
		w->size = true;
	else
		return span_eq(name, SPAN("id"));
	return true;
}

static int take_wanted(struct jmap_call *c, struct wanted *w, struct err *e)
{
	struct span *names;
	size_t count;

	*w = (struct wanted){.length = -1};
	if (jmap_arg_texts(c, "properties", &names, &count, e) < 0 ||
		jmap_arg_int(c, "offset", 0, JSON_IN_INT, &w->offset, e) < 0 ||
		jmap_arg_int(c, "length", 0, JSON_IN_INT, &w->length, e) < 0)
		return -1;
	w->data = w->size = !names;
	for (size_t i = 0; i < count; i++)
		if (!want_property(w, names[i]))
			return jmap_fail_argument(
				c, e, "properties", "one of them is no property of a blob");
	return 0;
}

static void put_base64(struct jmap_call *c, struct arena *a, const char *name, struct span octets)
{
	struct buf *b = arena_buf(a, octets.len / 3 * 4 + 8);

	enc_put_base64(b, octets);
	json_kv_span(c->out, name, buf_span(b));
}

static void end_context(void *arg)
{
	EVP_MD_CTX_free(arg);
}

static FIBER int put_digest(
	struct jmap_call *c, struct arena *a, size_t which, struct span octets, struct err *e)
{
	unsigned char *value = arena_alloc(a, EVP_MAX_MD_SIZE);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned len = 0;
	bool is_good;

	arena_defer(a, end_context, ctx);
	is_good = EVP_DigestInit_ex(ctx, EVP_get_digestbyname(digests[which].engine), NULL);
	for (size_t at = 0; is_good && at < octets.len; at += DIGEST_PIECE) {
		struct span piece = span_sub(octets, at, DIGEST_PIECE);

		is_good = EVP_DigestUpdate(ctx, piece.ptr, piece.len);
		if (fiber_breathe(e) < 0)
			return -1;
	}
	if (!is_good || !EVP_DigestFinal_ex(ctx, value, &len))
		return err_set(e, ERR_UNSUPPORTED, "no %s", digests[which].engine);
	put_base64(c, a, digests[which].name, span_of(value, len));
	return 0;
}

/* Text if it is one, else what is text for every reader. */
static void put_data(
	struct jmap_call *c, struct arena *a, const struct wanted *w, struct span octets)
{
	bool is_text = utf8_is_valid(octets);

	if (w->as_text || (w->data && is_text)) {
		if (is_text)
			json_kv_span(c->out, "data:asText", octets);
		else
			json_kv_str(c->out, "data:asText", NULL);
	}
	if (w->as_base64 || (w->data && !is_text))
		put_base64(c, a, "data:asBase64", octets);
	if ((w->as_text || w->data) && !is_text)
		json_kv_bool(c->out, "isEncodingProblem", true);
}

static bool wants_octets(const struct wanted *w)
{
	bool is_any = w->data || w->as_text || w->as_base64;

	for (size_t i = 0; i < ARRAY_LEN(digests); i++)
		is_any = is_any || w->digests[i];
	return is_any;
}

/* The range that was asked for, as far as it is there. */
static FIBER int read_range(struct jmap_call *c, struct arena *a, const struct wanted *w,
	struct jmap_blob *b, struct span *octets_r, bool *is_cut_r, struct err *e)
{
	uint64_t from = (uint64_t)w->offset < b->size ? (uint64_t)w->offset : b->size;
	uint64_t left = b->size - from;
	uint64_t want = w->length < 0 ? left : (uint64_t)w->length;
	uint64_t n = want < left ? want : left;
	char *all;
	size_t at = 0, got;

	*is_cut_r = (uint64_t)w->offset > b->size || want > left;
	if (n > READ_MAX)
		return jmap_fail(
			c, "requestTooLarge", e, "more than %u octets of a blob at once", READ_MAX);
	all = arena_alloc(a, (size_t)n + 1);
	while (at < n) {
		if (b->source.read(b->source.arg, from + at, all + at, (size_t)n - at, &got, e) < 0)
			return -1;
		if (!got)
			return err_set(e, ERR_CORRUPT, "a blob is shorter than its size");
		at += got;
	}
	*octets_r = span_of(all, at);
	return 0;
}

static FIBER int put_blob(struct jmap_call *c, struct arena *a, const struct wanted *w,
	struct span id, struct jmap_blob *b, struct err *e)
{
	struct span octets;
	bool is_cut = false;

	json_open_object(c->out);
	json_kv_span(c->out, "id", id);
	if (wants_octets(w)) {
		if (read_range(c, a, w, b, &octets, &is_cut, e) < 0)
			return -1;
		put_data(c, a, w, octets);
		for (size_t i = 0; i < ARRAY_LEN(digests); i++)
			if (w->digests[i] && put_digest(c, a, i, octets, e) < 0)
				return -1;
		if (is_cut)
			json_kv_bool(c->out, "isTruncated", true);
	}
	if (w->size)
		json_kv_u64(c->out, "size", b->size);
	json_close(c->out);
	return 0;
}

static int take_ids(struct jmap_call *c, struct span **ids_r, size_t *count_r, struct err *e)
{
	if (jmap_arg_ids(c, "ids", ids_r, count_r, e) < 0)
		return -1;
	return *ids_r ? 0 : jmap_fail_argument(c, e, "ids", "a list of Ids is needed");
}

static void put_missing(struct json_out *j, const struct span *missing, size_t count)
{
	json_key(j, "notFound");
	json_open_array(j);
	for (size_t i = 0; i < count; i++)
		json_span(j, missing[i]);
	json_close(j);
}

/* In an arena of its own: of all the blobs of a call only one is held at a time. */
static FIBER int get_one(struct jmap_call *c, const struct jmap_account *account,
	const struct wanted *w, struct span id, bool *is_found_r, struct err *e)
{
	struct arena *a = arena_new();
	struct jmap_blob blob;
	int rc = jmap_blob_find(c->d, a, account, id, &blob, is_found_r, e);

	if (rc == 0 && *is_found_r)
		rc = put_blob(c, a, w, id, &blob, e);
	/* what is cut off is read for nothing */
	if (rc == 0 && !buf_ok(c->out->buf))
		rc = err_set(e, ERR_LIMIT, "the answer is too large");
	arena_free(&a);
	return rc;
}

FIBER int jmap_blob_get(struct jmap_call *c, struct err *e)
{
	struct jmap_account *account;
	struct wanted w;
	struct span *ids, *missing;
	size_t count, missing_count = 0;

	if (jmap_account(c, &account, e) < 0 || take_wanted(c, &w, e) < 0 ||
		take_ids(c, &ids, &count, e) < 0)
		return -1;
	missing = ARENA_ARRAY(c->a, struct span, count + 1);
	json_key(c->out, "accountId");
	jmap_put_id(c->out, 'A', account->id);
	json_key(c->out, "list");
	json_open_array(c->out);
	for (size_t i = 0; i < count; i++) {
		bool is_found = false;

		if (get_one(c, account, &w, ids[i], &is_found, e) < 0)
			return -1;
		if (!is_found)
			missing[missing_count++] = ids[i];
	}
	json_close(c->out);
	put_missing(c->out, missing, missing_count);
	return 0;
}

/* ---- /lookup ---- */

enum lookup_type { LOOKUP_EMAIL, LOOKUP_THREAD, LOOKUP_MAILBOX, LOOKUP_TYPES };
static const char *const lookup_names[LOOKUP_TYPES] = {"Email", "Thread", "Mailbox"};

static int take_types(struct jmap_call *c, bool *types, struct err *e)
{
	struct span *names;
	size_t count;

	if (jmap_arg_texts(c, "typeNames", &names, &count, e) < 0)
		return -1;
	if (!names)
		return jmap_fail_argument(c, e, "typeNames", "a list of types is needed");
	for (size_t i = 0; i < count; i++) {
		bool is_known = false;

		for (size_t t = 0; t < LOOKUP_TYPES; t++) {
			if (!span_eq(names[i], span_str(lookup_names[t])))
				continue;
			types[t] = is_known = true;
		}
		if (!is_known)
			return jmap_fail(
				c, "unknownDataType", e, "one of the types has no blobs here");
	}
	return 0;
}

static void put_matches(struct jmap_call *c, const bool *types, const struct email *email)
{
	json_key(c->out, "matchedIds");
	json_open_object(c->out);
	for (size_t t = 0; t < LOOKUP_TYPES; t++) {
		if (!types[t])
			continue;
		json_key(c->out, lookup_names[t]);
		json_open_array(c->out);
		if (email && t == LOOKUP_EMAIL)
			jmap_put_id(c->out, 'M', email->id);
		else if (email && t == LOOKUP_THREAD)
			jmap_put_id(c->out, 'T', email->thread_id);
		for (size_t i = 0; email && t == LOOKUP_MAILBOX && i < email->row_count; i++) {
			bool is_twin = false;

			for (size_t k = 0; k < i; k++)
				is_twin = is_twin ||
					email->rows[k].mailbox_id == email->rows[i].mailbox_id;
			if (!is_twin)
				jmap_put_id(c->out, 'F', email->rows[i].mailbox_id);
		}
		json_close(c->out);
	}
	json_close(c->out);
}

/* In an arena of its own, as above. */
static FIBER int look_up_one(struct jmap_call *c, const struct jmap_account *account,
	const bool *types, struct span id, bool *is_found_r, struct err *e)
{
	struct arena *a = arena_new();
	struct email *email = ARENA_NEW(a, struct email);
	struct jmap_blob blob;
	uint64_t state;
	int rc = jmap_blob_find(c->d, a, account, id, &blob, is_found_r, e);

	if (rc == 0 && *is_found_r && blob.email_id)
		rc = email_get(c->d->opts.store, a, &account->eyes, &blob.email_id, 1,
			MAILBOX_WANT_ROW, email, &state, e);
	if (rc == 0 && *is_found_r) {
		json_open_object(c->out);
		json_kv_span(c->out, "id", id);
		put_matches(c, types, blob.email_id && email->row_count ? email : NULL);
		json_close(c->out);
	}
	arena_free(&a);
	return rc;
}

FIBER int jmap_blob_lookup(struct jmap_call *c, struct err *e)
{
	struct jmap_account *account;
	bool types[LOOKUP_TYPES] = {false};
	struct span *ids, *missing;
	size_t count, missing_count = 0;

	if (jmap_account(c, &account, e) < 0 || take_types(c, types, e) < 0 ||
		take_ids(c, &ids, &count, e) < 0)
		return -1;
	missing = ARENA_ARRAY(c->a, struct span, count + 1);
	json_key(c->out, "accountId");
	jmap_put_id(c->out, 'A', account->id);
	json_key(c->out, "list");
	json_open_array(c->out);
	for (size_t i = 0; i < count; i++) {
		bool is_found = false;

		if (look_up_one(c, account, types, ids[i], &is_found, e) < 0)
			return -1;
		if (!is_found)
			missing[missing_count++] = ids[i];
	}
	json_close(c->out);
	put_missing(c->out, missing, missing_count);
	return 0;
}
