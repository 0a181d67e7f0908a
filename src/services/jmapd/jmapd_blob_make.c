#include "services/jmapd/jmapd_core_priv.h"

#include "base/enc.h"
#include "store/upload.h"

/* Blob/upload (RFC 9404 section 4.1) and Blob/copy (RFC 8620 section 6.3): blobs that are made of what is sent in a
 * request, or of others. Either is an upload. */

#define SOURCES_MAX JMAP_BLOB_SOURCES
#define PIECE       (64 * 1024)

struct making {
	struct jmap_call *c;
	struct jmap_account *account;
	struct stage *stage;
	struct jmap_set_error why;
	/* what was made, and what not */
	struct json_out made, refused;
	struct buf *made_buf, *refused_buf;
	size_t made_count, refused_count;
};

static void begin(struct making *m, struct jmap_call *c)
{
	m->c = c;
	m->made_buf = arena_buf(c->a, JMAP_ANSWER_MAX);
	m->refused_buf = arena_buf(c->a, JMAP_ANSWER_MAX);
	json_out_init(&m->made, m->made_buf);
	json_out_init(&m->refused, m->refused_buf);
	json_open_object(&m->made);
	json_open_object(&m->refused);
}

static void end(struct making *m, const char *made, const char *refused)
{
	json_close(&m->made);
	json_close(&m->refused);
	json_key(m->c->out, made);
	if (m->made_count)
		json_raw(m->c->out, buf_span(m->made_buf));
	else
		json_null(m->c->out);
	json_key(m->c->out, refused);
	if (m->refused_count)
		json_raw(m->c->out, buf_span(m->refused_buf));
	else
		json_null(m->c->out);
}

static void refuse(struct making *m, struct span id, const struct jmap_set_error *why)
{
	json_key_span(&m->refused, id);
	jmap_put_set_error(&m->refused, why);
	m->refused_count++;
}

static FIBER int copy_range(
	struct making *m, struct jmap_blob *b, uint64_t from, uint64_t n, struct err *e)
{
	char *piece = arena_alloc(m->c->a, PIECE);

	while (n) {
		size_t got;

		if (b->source.read(
			    b->source.arg, from, piece, n < PIECE ? (size_t)n : PIECE, &got, e) < 0)
			return -1;
		if (!got)
			return err_set(e, ERR_CORRUPT, "a blob is shorter than its size");
		if (stage_put(m->stage, span_of(piece, got), e) < 0)
			return -1;
		from += got;
		n -= got;
	}
	return 0;
}

static FIBER int keep(struct making *m, struct span type, struct upload *u, struct err *e)
{
	*u = (struct upload){.account_id = m->account->id,
		.user_id = m->c->user.account_id,
		.type = type,
		.expires_ns = loop_wall_ns() + JMAP_UPLOAD_KEEP_NS};
	return upload_add(m->c->d->opts.store, &m->stage, u, e);
}

/* ---- Blob/upload ---- */

static const char *const data_property[] = {"data", NULL};
static const char *const type_property[] = {"type", NULL};

static void bad_data(struct making *m, const char *why)
{
	m->why = (struct jmap_set_error){
		.type = "invalidProperties", .description = why, .properties = data_property};
}

static FIBER int put_blob(struct making *m, const struct json_in *source, struct err *e)
{
	struct span id = jmap_id_text(m->c, json_in_text(source, "blobId"));
	const struct json_in *length = json_in_get(source, "length");
	uint64_t from = 0, n = 0;
	struct jmap_blob b;
	bool is_found;

	if (jmap_blob_find(m->c->d, m->c->a, m->account, id, &b, &is_found, e) < 0)
		return -1;
	if (!is_found) {
		struct buf *more = arena_buf(m->c->a, 2048);

		buf_str(more, "\"notFound\":[");
		json_quote(more, id);
		buf_char(more, ']');
		m->why = (struct jmap_set_error){.type = "blobNotFound", .more = buf_span(more)};
		return 0;
	}
	json_in_u64(source, "offset", &from);
	n = from <= b.size ? b.size - from : 0;
	if (length && !json_in_is_null(length) && !json_in_u64(source, "length", &n)) {
		bad_data(m, "length: a number is expected");
		return 0;
	}
	if (from > b.size || n > b.size - from) {
		bad_data(m, "the range is not within the blob");
		return 0;
	}
	if (stage_len(m->stage) + n > jmap_upload_max(m->c->d)) {
		m->why = (struct jmap_set_error){.type = "tooLarge"};
		return 0;
	}
	return copy_range(m, &b, from, n, e);
}

struct decoding {
	struct span text;
	struct buf *octets;
	bool is_good;
};

static int decode_all(void *arg, struct err *e)
{
	struct decoding *x = arg;

	(void)e;
	x->is_good = enc_get_base64(x->octets, x->text);
	return 0;
}

static FIBER int decode(
	struct making *m, struct span text, struct buf *octets, bool *is_good_r, struct err *e)
{
	struct decoding x = {.text = text, .octets = octets};
	int rc = text.len > JMAP_LANE_OCTETS ? work_run(m->c->d->opts.lane, decode_all, &x, e)
					     : decode_all(&x, e);

	*is_good_r = x.is_good;
	return rc;
}

/* One DataSourceObject: exactly one of the three. */
static FIBER int put_source(struct making *m, const struct json_in *source, struct err *e)
{
	const struct json_in *text = json_in_get(source, "data:asText");
	const struct json_in *base64 = json_in_get(source, "data:asBase64");
	const struct json_in *blob = json_in_get(source, "blobId");
	struct buf *octets;
	bool is_good = false;

	if ((text != NULL) + (base64 != NULL) + (blob != NULL) != 1) {
		bad_data(m, "each source is a text, base64 or a blob");
		return 0;
	}
	if (json_in_is_text(text))
		return stage_put(m->stage, json_in_span(text), e);
	if (json_in_is_text(blob))
		return put_blob(m, source, e);
	octets = arena_buf(m->c->a, JMAP_REQUEST_MAX);
	if (json_in_is_text(base64) && decode(m, json_in_span(base64), octets, &is_good, e) < 0)
		return -1;
	if (!is_good) {
		bad_data(m, "the text or base64 is none");
		return 0;
	}
	return stage_put(m->stage, buf_span(octets), e);
}

static FIBER int put_sources(struct making *m, const struct json_in *data, struct err *e)
{
	if (!json_in_is_array(data) || json_in_count(data) > SOURCES_MAX) {
		bad_data(m, "a list of sources is needed");
		return 0;
	}
	for (size_t i = 0; !m->why.type && i < json_in_count(data); i++)
		if (put_source(m, json_in_at(data, i), e) < 0)
			return -1;
	return 0;
}

static struct span type_of(struct making *m, const struct json_in *object)
{
	const struct json_in *type = json_in_get(object, "type");
	struct span text = json_in_span(type);

	if (!type || json_in_is_null(type))
		return SPAN_NONE;
	if (!text.len || text.len > 255 || !http_is_value(text))
		m->why = (struct jmap_set_error){
			.type = "invalidProperties", .properties = type_property};
	return text;
}

static FIBER int make_one(
	struct making *m, struct span name, const struct json_in *object, struct err *e)
{
	struct span type;
	struct upload u;
	struct buf *id;
	int rc;

	m->why = (struct jmap_set_error){0};
	m->stage = stage_new(m->c->d->opts.store);
	type = type_of(m, object);
	rc = m->why.type ? 0 : put_sources(m, json_in_get(object, "data"), e);
	if (rc == 0 && !m->why.type)
		rc = keep(m, type, &u, e);
	stage_free(&m->stage);
	if (rc < 0)
		return -1;
	if (m->why.type) {
		refuse(m, name, &m->why);
		return 0;
	}
	id = arena_buf(m->c->a, 64);
	buf_char(id, 'G');
	enc_put_object(id, 'U', u.id);
	jmap_created(m->c, name, buf_span(id));
	json_key_span(&m->made, name);
	json_open_object(&m->made);
	json_kv_span(&m->made, "id", buf_span(id));
	if (type.len)
		json_kv_span(&m->made, "type", type);
	else
		json_kv_str(&m->made, "type", NULL);
	json_kv_u64(&m->made, "size", u.octets);
	json_close(&m->made);
	m->made_count++;
	return 0;
}

FIBER int jmap_blob_upload(struct jmap_call *c, struct err *e)
{
	const struct json_in *create = json_in_get(c->args, "create"), *object;
	struct making m = {0};
	const char *name;
	void *at = NULL;

	if (jmap_account(c, &m.account, e) < 0)
		return -1;
	if (!json_in_is_object(create))
		return jmap_fail_argument(c, e, "create", "an object is needed");
	if (json_in_size(create) > JMAP_SET_MAX)
		return jmap_fail(c, "requestTooLarge", e, "more than %d objects", JMAP_SET_MAX);
	begin(&m, c);
	while (json_in_next(create, &at, &name, &object)) {
		if (!jmap_is_id(span_str(name)) || !json_in_is_object(object))
			return jmap_fail_argument(c, e, "create", "an object of objects is needed");
		if (make_one(&m, span_str(name), object, e) < 0)
			return -1;
	}
	json_key(c->out, "accountId");
	jmap_put_id(c->out, 'A', m.account->id);
	end(&m, "created", "notCreated");
	return 0;
}

/* ---- Blob/copy ---- */

static FIBER int copy_one(
	struct making *m, const struct jmap_account *from, struct span id, struct err *e)
{
	static const struct jmap_set_error not_found = {.type = "notFound"};
	struct jmap_blob b;
	struct upload u;
	bool is_found;
	int rc;

	if (jmap_blob_find(m->c->d, m->c->a, from, id, &b, &is_found, e) < 0)
		return -1;
	if (!is_found) {
		refuse(m, id, &not_found);
		return 0;
	}
	m->stage = stage_new(m->c->d->opts.store);
	rc = copy_range(m, &b, 0, b.size, e);
	if (rc == 0)
		rc = keep(m, b.type, &u, e);
	stage_free(&m->stage);
	if (rc < 0)
		return -1;
	json_key_span(&m->made, id);
	jmap_put_blob_of_upload(&m->made, u.id);
	m->made_count++;
	return 0;
}

FIBER int jmap_blob_copy(struct jmap_call *c, struct err *e)
{
	struct span from_id = SPAN_NONE, *ids;
	struct jmap_account *from;
	struct making m = {0};
	size_t count;

	if (jmap_account(c, &m.account, e) < 0 ||
		jmap_arg_text(c, "fromAccountId", &from_id, e) < 0 ||
		jmap_account_of(c, from_id, &from, e) < 0 ||
		jmap_arg_ids(c, "blobIds", &ids, &count, e) < 0)
		return -1;
	if (!from)
		return jmap_fail(c, "fromAccountNotFound", e, "there is no such account");
	if (from->id == m.account->id)
		return jmap_fail_argument(c, e, "fromAccountId", "another account is needed");
	if (!ids)
		return jmap_fail_argument(c, e, "blobIds", "a list of Ids is needed");
	begin(&m, c);
	for (size_t i = 0; i < count; i++)
		if (copy_one(&m, from, ids[i], e) < 0)
			return -1;
	json_key(c->out, "fromAccountId");
	jmap_put_id(c->out, 'A', from->id);
	json_key(c->out, "accountId");
	jmap_put_id(c->out, 'A', m.account->id);
	end(&m, "copied", "notCopied");
	return 0;
}

const struct jmap_method jmap_blob_methods[] = {
	{"Blob/get", JMAP_CAP_PLACE_BLOB, 0, jmap_blob_get},
	{"Blob/upload", JMAP_CAP_PLACE_BLOB, JMAP_CHANGES_STATE, jmap_blob_upload},
	{"Blob/lookup", JMAP_CAP_PLACE_BLOB, 0, jmap_blob_lookup},
	/* RFC 8620 section 6.3: of the core */
	{"Blob/copy", JMAP_CAP_PLACE_CORE, JMAP_CHANGES_STATE, jmap_blob_copy},
	{0},
};
