/* POST /jmap/unsubscribe {"accountId", "emailId"}: leaving a list with one request (RFC 8058), made by this server, so
 * that the list sees neither the person's address nor his browser. Where it goes is read from the letter itself, never
 * from the request. The page has asked the person before. */

#include "base/enc.h"
#include "proto/mail/mail_header.h"
#include "store/body.h"
#include "services/fetch/fetch_public.h"
#include "services/jmapd/jmapd_core_priv.h"

#define UNSUBSCRIBE_REQUEST_MAX 4096
#define UNSUBSCRIBE_ANSWER_MAX  (256 * 1024)
#define UNSUBSCRIBE_NS          (20 * CLOCK_SEC)

/* The https address among the list of RFC 2369: <a>, <b>, comments between. */
static struct span https_of(struct arena *a, struct span field)
{
	struct span rest = field, url;
	ptrdiff_t at;

	while ((at = span_find(rest, '<')) >= 0) {
		struct buf *b;

		rest = span_skip(rest, (size_t)at + 1);
		if (!span_cut(rest, '>', &url, &rest))
			break;
		/* folded lines leave blanks within, which do not count (RFC 2369 section 2) */
		b = arena_buf(a, url.len + 1);
		for (size_t i = 0; i < url.len; i++)
			if ((unsigned char)url.ptr[i] > ' ')
				buf_char(b, url.ptr[i]);
		if (span_starts_nocase(buf_span(b), SPAN("https://")))
			return buf_span(b);
	}
	return SPAN_NONE;
}

/* Where the letter says; empty: nowhere by one request. */
static FIBER int find_place(struct jmapd *d, struct arena *a, const struct jmap_account *account,
	uint64_t email_id, bool *is_there_r, struct span *url_r, struct err *e)
{
	struct email *email = ARENA_NEW(a, struct email);
	struct span head = SPAN_NONE, field, post;
	struct body *body;
	uint64_t state;
	int rc;

	*url_r = SPAN_NONE;
	if (email_get(d->opts.store, a, &account->eyes, &email_id, 1, MAILBOX_WANT_HEAD, email,
		    &state, e) < 0)
		return -1;
	*is_there_r = email->row_count > 0;
	if (!*is_there_r)
		return 0;
	body = body_open(d->opts.store, email->msg.blob_id, email->msg.blob_len);
	rc = email->msg.blob_len ? body_chunk(body, 0, a, &head, e) : 0;
	body_unref(&body);
	if (rc < 0)
		return -1;
	/* RFC 8058 section 3.1 */
	if (mail_header_find(head, SPAN("List-Unsubscribe-Post"), &post) &&
		span_eq_nocase(span_trim(post), SPAN("List-Unsubscribe=One-Click")) &&
		mail_header_find(head, SPAN("List-Unsubscribe"), &field))
		*url_r = https_of(a, field);
	return 0;
}

/* RFC 8058 section 3.2: POST, no cookies, no other credentials, no redirects. */
static FIBER int leave(struct jmapd *d, struct web_call *c, struct span url, struct err *e)
{
	static const char *const fields[] = {"Content-Type: application/x-www-form-urlencoded"};
	struct fetch_public_request r = {.url = url,
		.is_https_only = true,
		.body = SPAN("List-Unsubscribe=One-Click"),
		.fields = fields,
		.field_count = ARRAY_LEN(fields),
		.body_max = UNSUBSCRIBE_ANSWER_MAX,
		.timeout_ns = UNSUBSCRIBE_NS};
	struct fetch_answer answer = {0};
	struct err why = {0};

	if (fetch_public(d->opts.fetch, &r, c->r->arena, &answer, &why) < 0) {
		if (why.code == ERR_CANCELLED || why.code == ERR_BUSY)
			return err_copy(e, &why);
		log_event(
			&c->r->log, LOG_INFO, "jmap.unsubscribe.failed", LF_STR("error", why.text));
		return http_reply_error(c->x, 502, "The list's server does not answer.", e);
	}
	log_event(&c->r->log, LOG_INFO, "jmap.unsubscribe", LF_INT("status", answer.status));
	if (answer.status < 200 || answer.status > 299)
		return http_reply_error(c->x, 502, "The list's server refused it.", e);
	return http_reply(c->x, 204, NULL, SPAN_NONE, e);
}

static FIBER int find_account(struct jmapd *d, struct web_call *c, const struct jmap_user *user,
	struct span id, struct jmap_account **account_r, struct err *e)
{
	struct jmap_account *list;
	uint64_t number = 0;
	size_t count;

	*account_r = NULL;
	if (jmap_accounts(d, c->r->arena, user, &list, &count, e) < 0)
		return -1;
	if (!enc_get_object(id, 'A', &number))
		return 0;
	for (size_t i = 0; i < count; i++)
		if (list[i].id == number)
			*account_r = &list[i];
	return 0;
}

static FIBER int act(struct jmapd *d, struct web_call *c, const struct jmap_user *user,
	const struct json_in *doc, struct err *e)
{
	struct jmap_account *account;
	bool is_there = false;
	uint64_t email_id;
	struct span url;

	if (find_account(d, c, user, json_in_text(doc, "accountId"), &account, e) < 0)
		return -1;
	if (!account || !enc_get_object(json_in_text(doc, "emailId"), 'M', &email_id))
		return http_reply_error(c->x, 404, NULL, e);
	if (find_place(d, c->r->arena, account, email_id, &is_there, &url, e) < 0)
		return -1;
	if (!is_there)
		return http_reply_error(c->x, 404, NULL, e);
	if (!url.len)
		return http_reply_error(
			c->x, 409, "The letter does not say how to leave with one request.", e);
	return leave(d, c, url, e);
}

static FIBER int unsubscribe(void *arg, struct web_call *c, struct err *e)
{
	struct jmapd *d = arg;
	struct jmap_user user;
	struct web_who who;
	struct json_in *doc;
	struct span body;
	int rc = jmap_user_of(d, c, WEB_LOGIN_COOKIE_ONLY, &user, &who, e);

	if (rc <= 0)
		return rc;
	if (http_body_read_all(c->x, UNSUBSCRIBE_REQUEST_MAX, &body, e) < 0)
		return -1;
	doc = json_in_parse(body, NULL);
	if (!doc)
		return http_reply_error(c->x, 400, "A JSON object is expected.", e);
	if (!jmap_slot_take(d, user.account_id, JMAP_SLOT_REQUEST)) {
		json_in_free(&doc);
		http_set(c->x, "Retry-After", SPAN("1"));
		return http_reply_error(c->x, 429, NULL, e);
	}
	rc = act(d, c, &user, doc, e);
	jmap_slot_give(d, user.account_id, JMAP_SLOT_REQUEST);
	json_in_free(&doc);
	return rc;
}

void jmap_unsubscribe_add(struct jmapd *d)
{
	web_add(d->opts.web,
		&(struct web_route){.path = "/jmap/unsubscribe",
			.methods = WEB_POST,
			.body_octets = UNSUBSCRIBE_REQUEST_MAX,
			.handle = unsubscribe,
			.arg = d});
}
