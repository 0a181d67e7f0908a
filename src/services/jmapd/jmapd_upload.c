#include "services/jmapd/jmapd_core_priv.h"

#include <string.h>

#include "base/enc.h"
#include "store/upload.h"

/* Uploads and downloads (RFC 8620 sections 6.1 and 6.2). What people send each other is never shown by the page's
 * own origin: it is saved, or read by the page's program, which knows what it does. */

#define TYPE_MAX   255
#define ANSWER_MAX 4096

static FIBER int not_found(struct web_call *c, struct err *e)
{
	return jmap_problem(c, 404, NULL, NULL, "There is no such account or blob.", e);
}

/* 1: *account_r; 0: answered. In the same words for what is not there and what he may not see. */
static FIBER int account_of(struct jmapd *d, struct web_call *c, const struct jmap_user *user,
	struct span id, struct jmap_account **account_r, struct err *e)
{
	struct jmap_account *list;
	size_t count;
	uint64_t number;

	if (!enc_get_object(id, 'A', &number))
		return not_found(c, e) < 0 ? -1 : 0;
	if (number == user->account_id) {
		*account_r = ARENA_NEW(c->r->arena, struct jmap_account);
		jmap_own_account(user, *account_r);
		return 1;
	}
	if (jmap_accounts(d, c->r->arena, user, &list, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (list[i].id == number) {
			*account_r = &list[i];
			return 1;
		}
	}
	return not_found(c, e) < 0 ? -1 : 0;
}

/* ---- uploads ---- */

static struct span type_told(struct web_call *c)
{
	struct span type = http_field(c->x, "Content-Type");

	return type.len && type.len <= TYPE_MAX && http_is_value(type) && span_find(type, '/') > 0
		? type
		: SPAN("application/octet-stream");
}

static FIBER int keep(struct jmapd *d, struct web_call *c, const struct jmap_user *user,
	const struct jmap_account *account, struct err *e)
{
	struct upload u = {.account_id = account->id,
		.user_id = user->account_id,
		.type = type_told(c),
		.expires_ns = loop_wall_ns() + JMAP_UPLOAD_KEEP_NS};
	struct buf *b = arena_buf(c->r->arena, ANSWER_MAX);
	struct stage *stage = NULL;
	struct err why = {0};
	struct json_out j;

	if (web_upload(c, d->opts.store, jmap_upload_max(d), &stage, &why) < 0) {
		if (why.code == ERR_LIMIT)
			return jmap_problem(c, 413, "limit", "maxSizeUpload",
				"The upload is larger than the server takes.", e);
		return err_copy(e, &why);
	}
	if (upload_add(d->opts.store, &stage, &u, e) < 0) {
		stage_free(&stage);
		return -1;
	}
	json_out_init(&j, b);
	json_open_object(&j);
	json_key(&j, "accountId");
	jmap_put_id(&j, 'A', account->id);
	json_key(&j, "blobId");
	jmap_put_blob_of_upload(&j, u.id);
	json_kv_span(&j, "type", u.type);
	json_kv_u64(&j, "size", u.octets);
	json_close(&j);
	http_set(c->x, "Cache-Control", SPAN("no-store"));
	return http_reply(c->x, 201, "application/json", buf_span(b), e);
}

static FIBER int upload(void *arg, struct web_call *c, struct err *e)
{
	struct jmapd *d = arg;
	struct jmap_account *account;
	struct jmap_user user;
	struct web_who who;
	int rc = jmap_user_of(d, c, WEB_LOGIN_ANY, &user, &who, e);

	if (rc > 0)
		rc = account_of(d, c, &user, c->captures[0], &account, e);
	if (rc <= 0)
		return rc;
	if (account->is_read_only)
		return jmap_problem(
			c, 403, NULL, NULL, "Nothing can be changed in this account.", e);
	if (http_field(c->x, "Content-Encoding").len)
		return jmap_problem(c, 415, NULL, NULL, "An upload is not to be compressed.", e);
	if (!jmap_slot_take(d, user.account_id, JMAP_SLOT_UPLOAD))
		return jmap_problem(c, 400, "limit", "maxConcurrentUpload",
			"There are too many uploads at once.", e);
	rc = keep(d, c, &user, account, e);
	jmap_slot_give(d, user.account_id, JMAP_SLOT_UPLOAD);
	return rc;
}

/* ---- downloads ---- */

/* What a browser would run, or read as a page, whatever stands in it. */
static bool is_active(struct span type)
{
	static const struct span parts[] = {SPAN("html"), SPAN("xml"), SPAN("svg"), SPAN("script"),
		SPAN("css"), SPAN("wasm"), SPAN("manifest"), SPAN("multipart"), SPAN("x-shockwave"),
		SPAN("java")};

	for (size_t i = 0; i < type.len; i++)
		for (size_t k = 0; k < ARRAY_LEN(parts); k++)
			if (span_starts_nocase(span_skip(type, i), parts[k]))
				return true;
	return false;
}

static bool is_media_type(struct span type)
{
	struct span main, sub, rest;

	span_cut(type, ';', &type, &rest);
	if (!span_cut(span_trim(type), '/', &main, &sub))
		return false;
	return http_is_token(main) && http_is_token(sub);
}

/* As asked (RFC 8620 section 6.2), unless a browser could take it for a program or a page. */
static const char *type_asked(struct web_call *c)
{
	struct span type = SPAN_NONE;

	http_form_get(c->r->arena, c->r->head.query, SPAN("type"), &type);
	if (!type.len || type.len > TYPE_MAX || !http_is_value(type) || !is_media_type(type) ||
		is_active(type))
		return "application/octet-stream";
	return arena_str(c->r->arena, type);
}

/* RFC 6266: the name as it is where every reader understands it, and in UTF-8. */
static void set_disposition(struct web_call *c, struct span name)
{
	struct buf *b = arena_buf(c->r->arena, 16 * 1024);

	buf_str(b, "attachment; filename=\"");
	for (size_t i = 0; i < name.len; i++) {
		unsigned char ch = (unsigned char)name.ptr[i];

		buf_char(b, ch < ' ' || ch > '~' || strchr("\"\\/:%", ch) ? '_' : (char)ch);
	}
	buf_str(b, "\"; filename*=UTF-8''");
	http_percent_put(b, name);
	http_set(c->x, "Content-Disposition", buf_span(b));
}

/* A part of a letter is no script, style or frame of any page (services/web has the page's own policy). */
static bool is_wanted_as_code(struct web_call *c)
{
	static const struct span places[] = {SPAN("script"), SPAN("style"), SPAN("worker"),
		SPAN("sharedworker"), SPAN("serviceworker"), SPAN("object"), SPAN("embed"),
		SPAN("iframe"), SPAN("frame"), SPAN("audioworklet"), SPAN("paintworklet"),
		SPAN("xslt"), SPAN("manifest"), SPAN("report")};
	struct span place = http_field(c->x, "Sec-Fetch-Dest");

	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (span_eq_nocase(place, places[i]))
			return true;
	return false;
}

static FIBER int download(void *arg, struct web_call *c, struct err *e)
{
	struct jmapd *d = arg;
	struct jmap_account *account;
	struct jmap_blob blob;
	struct jmap_user user;
	struct web_who who;
	bool is_found;
	int rc = jmap_user_of(d, c, WEB_LOGIN_READ, &user, &who, e);

	if (rc > 0)
		rc = account_of(d, c, &user, c->captures[0], &account, e);
	if (rc <= 0)
		return rc;
	if (is_wanted_as_code(c))
		return http_reply_error(c->x, 403, NULL, e);
	if (jmap_blob_find(d, c->r->arena, account, c->captures[1], &blob, &is_found, e) < 0)
		return -1;
	if (!is_found)
		return not_found(c, e);
	set_disposition(c, c->captures[2]);
	http_set(c->x, "Content-Security-Policy",
		SPAN("sandbox; default-src 'none'; frame-ancestors 'none'"));
	/* RFC 8620 section 6.2: what an id stands for never changes */
	http_set(c->x, "Cache-Control", SPAN("private, immutable, max-age=31536000"));
	http_set(c->x, "Vary", SPAN("Authorization, Cookie"));
	http_set_etag(c->x, c->captures[1], false);
	return http_reply_source(c->x, type_asked(c), &blob.source, e);
}

void jmap_upload_add(struct jmapd *d)
{
	web_add(d->opts.web,
		&(struct web_route){.path = "/jmap/upload/{account}/",
			.methods = WEB_POST,
			.body_octets = jmap_upload_max(d),
			.handle = upload,
			.arg = d,
			.is_program = true});
	web_add(d->opts.web,
		&(struct web_route){.path = "/jmap/download/{account}/{blob}/{name}",
			.methods = WEB_GET,
			.handle = download,
			.arg = d,
			.is_program = true});
}
