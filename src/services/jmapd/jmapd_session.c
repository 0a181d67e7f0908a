#include "services/jmapd/jmapd_core_priv.h"

#include "base/enc.h"
#include "store/mailbox.h"

/* The session object (RFC 8620 section 2): what the server can do, for whom, and where. Nothing in it is the
 * same for all: URLs are told as the host was asked for. */

#define SESSION_MAX    (1024 * 1024)
#define SECONDS_OF(ns) ((uint64_t)((ns) / CLOCK_SEC))
#define MAILBOX_NAME_JMAP_MAX                                                                      \
	490 /* octets of one name (RFC 8621 section 1.3.1 wants 100 at least) */

static uint64_t upload_max(const struct jmapd *d)
{
	return d->opts.message_max > JMAP_UPLOAD_MAX ? d->opts.message_max : JMAP_UPLOAD_MAX;
}

uint64_t jmap_upload_max(const struct jmapd *d)
{
	return upload_max(d);
}

/* Of accounts of others: what belongs to their mailboxes, and nothing of their owners. */
static const unsigned shared_capabilities = 1u << JMAP_CAP_PLACE_CORE | 1u << JMAP_CAP_PLACE_MAIL |
	1u << JMAP_CAP_PLACE_BLOB;

bool jmap_account_has(
	const struct jmapd *d, const struct jmap_account *account, enum jmap_capability capability)
{
	unsigned has = account->is_own ? d->capabilities : d->capabilities & shared_capabilities;

	return has & (1u << capability);
}

static void put_texts(struct json_out *j, const char *name, const char *const *list, size_t count)
{
	json_key(j, name);
	json_open_array(j);
	for (size_t i = 0; i < count; i++)
		json_str(j, list[i]);
	json_close(j);
}

/* ---- capabilities ---- */

static void put_core(const struct jmapd *d, struct json_out *j)
{
	static const char *const collations[] = {"i;ascii-casemap", "i;unicode-casemap"};

	json_kv_u64(j, "maxSizeUpload", upload_max(d));
	json_kv_u64(j, "maxConcurrentUpload", JMAP_UPLOADS_AT_ONCE);
	json_kv_u64(j, "maxSizeRequest", JMAP_REQUEST_MAX);
	json_kv_u64(j, "maxConcurrentRequests", JMAP_REQUESTS_AT_ONCE);
	json_kv_u64(j, "maxCallsInRequest", JMAP_CALLS_MAX);
	json_kv_u64(j, "maxObjectsInGet", JMAP_GET_MAX);
	json_kv_u64(j, "maxObjectsInSet", JMAP_SET_MAX);
	put_texts(j, "collationAlgorithms", collations, ARRAY_LEN(collations));
}

static void put_capabilities(const struct jmapd *d, struct json_out *j)
{
	json_key(j, "capabilities");
	json_open_object(j);
	for (size_t i = 0; i < JMAP_CAP_COUNT; i++) {
		if (!(d->capabilities & (1u << i)))
			continue;
		json_key(j, jmap_capability_uri((enum jmap_capability)i));
		json_open_object(j);
		if (i == JMAP_CAP_PLACE_CORE)
			put_core(d, j);
		else if (i == JMAP_CAP_PLACE_PAGE) /* our name in Authentication-Results */
			json_kv_str(j, "authservId", d->opts.hostname);
		json_close(j);
	}
	json_close(j);
}

/* RFC 8621 section 1.3.1 */
static void put_mail(const struct jmapd *d, const struct jmap_account *account, struct json_out *j)
{
	static const char *const sorts[] = {"receivedAt", "sentAt", "size", "from", "to", "subject",
		"hasKeyword", "allInThreadHaveKeyword", "someInThreadHaveKeyword"};

	json_kv_u64(j, "maxMailboxesPerEmail", JMAP_MAILBOXES_MAX);
	json_kv_u64(j, "maxMailboxDepth", MAILBOX_DEPTH_MAX);
	json_kv_u64(j, "maxSizeMailboxName", MAILBOX_NAME_JMAP_MAX);
	json_kv_u64(j, "maxSizeAttachmentsPerEmail",
		d->opts.message_max ? d->opts.message_max : upload_max(d));
	put_texts(j, "emailQuerySortOptions", sorts, ARRAY_LEN(sorts));
	json_kv_bool(j, "mayCreateTopLevelMailbox", account->is_own);
}

/* RFC 8621 section 1.3.2 */
static void put_submission(const struct jmapd *d, struct json_out *j)
{
	json_kv_u64(j, "maxDelayedSend", SECONDS_OF(d->opts.delay_max_ns));
	json_key(j, "submissionExtensions");
	json_open_object(j);
	put_texts(j, "DSN", NULL, 0);
	put_texts(j, "SIZE", NULL, 0);
	if (d->opts.delay_max_ns)
		put_texts(j, "FUTURERELEASE", NULL, 0);
	json_close(j);
}

/* RFC 9404 section 3.1 */
static void put_blob(const struct jmapd *d, struct json_out *j)
{
	static const char *const types[] = {"Email", "Mailbox", "Thread"};
	static const char *const digests[] = {"sha", "sha-256", "sha-512"};

	json_kv_u64(j, "maxSizeBlobSet", JMAP_REQUEST_MAX);
	json_kv_u64(j, "maxDataSources", JMAP_BLOB_SOURCES);
	put_texts(j, "supportedTypeNames", types, ARRAY_LEN(types));
	put_texts(j, "supportedDigestAlgorithms", digests, ARRAY_LEN(digests));
}

static void put_account_capabilities(
	const struct jmapd *d, const struct jmap_account *account, struct json_out *j)
{
	json_key(j, "accountCapabilities");
	json_open_object(j);
	for (size_t i = 0; i < JMAP_CAP_COUNT; i++) {
		if (i == JMAP_CAP_PLACE_CORE ||
			!jmap_account_has(d, account, (enum jmap_capability)i))
			continue;
		json_key(j, jmap_capability_uri((enum jmap_capability)i));
		json_open_object(j);
		if (i == JMAP_CAP_PLACE_MAIL)
			put_mail(d, account, j);
		else if (i == JMAP_CAP_PLACE_SUBMISSION)
			put_submission(d, j);
		else if (i == JMAP_CAP_PLACE_BLOB)
			put_blob(d, j);
		json_close(j);
	}
	json_close(j);
}

/* ---- accounts ---- */

static void put_accounts(
	const struct jmapd *d, const struct jmap_account *list, size_t count, struct json_out *j)
{
	json_key(j, "accounts");
	json_open_object(j);
	for (size_t i = 0; i < count; i++) {
		struct buf id;

		buf_init(&id, 64);
		enc_put_object(&id, 'A', list[i].id);
		json_key_span(j, buf_span(&id));
		buf_fini(&id);
		json_open_object(j);
		json_kv_span(j, "name", list[i].address);
		json_kv_bool(j, "isPersonal", list[i].is_own);
		json_kv_bool(j, "isReadOnly", list[i].is_read_only);
		put_account_capabilities(d, &list[i], j);
		json_close(j);
	}
	json_close(j);
	json_key(j, "primaryAccounts");
	json_open_object(j);
	for (size_t i = 0; i < JMAP_CAP_COUNT; i++) {
		/* what every account has is no account's own (RFC 8620 section 2) */
		if (i == JMAP_CAP_PLACE_CORE ||
			!jmap_account_has(d, &list[0], (enum jmap_capability)i))
			continue;
		json_key(j, jmap_capability_uri((enum jmap_capability)i));
		jmap_put_id(j, 'A', list[0].id);
	}
	json_close(j);
}

/* Everything but the URLs and the state, which is made of it. */
static FIBER int put_facts(struct jmapd *d, struct arena *a, const struct jmap_user *user,
	struct json_out *j, struct err *e)
{
	struct jmap_account *list;
	size_t count;

	if (jmap_accounts(d, a, user, &list, &count, e) < 0)
		return -1;
	put_capabilities(d, j);
	put_accounts(d, list, count, j);
	json_kv_span(j, "username", user->address);
	return 0;
}

static const struct hash_key state_key = {0x6a6d61702d736573, 0x73696f6e2d737461};

/* The same accounts and rights give the same state, in every process (RFC 8620 section 2). */
static struct span state_of(struct arena *a, struct span facts)
{
	struct buf *b = arena_buf(a, 32);

	enc_put_id(b, hash_bytes(&state_key, facts) & INT64_MAX);
	return buf_span(b);
}

FIBER int jmap_session_state(struct jmapd *d, struct arena *a, const struct jmap_user *user,
	struct span *state_r, struct err *e)
{
	struct buf *b = arena_buf(a, SESSION_MAX);
	struct json_out j;

	json_out_init(&j, b);
	json_open_object(&j);
	if (put_facts(d, a, user, &j, e) < 0)
		return -1;
	json_close(&j);
	*state_r = state_of(a, buf_span(b));
	return buf_ok(b) ? 0 : err_set(e, ERR_LIMIT, "the session is too large");
}

/* ---- the object ---- */

static void put_url(
	struct json_out *j, const struct web_call *c, const char *name, const char *path)
{
	const struct http_head *h = &c->r->head;
	bool is_v6 = span_find(h->host, ':') >= 0;
	struct buf *b = arena_buf(c->r->arena, 4096);

	buf_str(b, c->r->is_https ? "https://" : "http://");
	buf_printf(b, is_v6 ? "[" SPAN_FMT "]" : SPAN_FMT, SPAN_ARG(h->host));
	if (h->port && h->port != (c->r->is_https ? 443 : 80))
		buf_printf(b, ":%u", h->port);
	buf_str(b, path);
	json_kv_span(j, name, buf_span(b));
}

/* A member of our own: so the page asks for its first list together with everything else. */
static FIBER int put_inbox(struct jmapd *d, struct web_call *c, const struct jmap_user *user,
	struct json_out *j, struct err *e)
{
	struct mailbox_info info;

	if (mailbox_find(d->opts.store, c->r->arena, user->account_id, SPAN("INBOX"), &info, e) < 0)
		return -1;
	json_key(j, jmap_capability_uri(JMAP_CAP_PLACE_PAGE));
	json_open_object(j);
	json_key(j, "inboxId");
	jmap_put_id(j, 'F', info.id);
	json_close(j);
	return 0;
}

static FIBER int session(void *arg, struct web_call *c, struct err *e)
{
	struct jmapd *d = arg;
	struct buf *b = arena_buf(c->r->arena, SESSION_MAX);
	struct jmap_user user;
	struct web_who who;
	struct json_out j;
	struct span state;
	int rc = jmap_user_of(d, c, WEB_LOGIN_READ, &user, &who, e);

	if (rc <= 0)
		return rc;
	json_out_init(&j, b);
	json_open_object(&j);
	if (put_facts(d, c->r->arena, &user, &j, e) < 0)
		return -1;
	/* as jmap_session_state has it: with the brace that is still to come */
	buf_char(b, '}');
	state = state_of(c->r->arena, buf_span(b));
	buf_truncate(b, buf_len(b) - 1);
	put_url(&j, c, "apiUrl", "/jmap/api");
	put_url(&j, c, "downloadUrl", "/jmap/download/{accountId}/{blobId}/{name}?type={type}");
	put_url(&j, c, "uploadUrl", "/jmap/upload/{accountId}/");
	put_url(&j, c, "eventSourceUrl",
		"/jmap/events?types={types}&closeafter={closeafter}&ping={ping}");
	json_kv_span(&j, "state", state);
	if ((d->capabilities & (1u << JMAP_CAP_PLACE_PAGE)) && put_inbox(d, c, &user, &j, e) < 0)
		return -1;
	json_close(&j);
	/* RFC 8620 section 2.2: it is nobody else's, and not kept */
	http_set(c->x, "Cache-Control", SPAN("no-cache, no-store, must-revalidate"));
	http_set(c->x, "Vary", SPAN("Authorization, Cookie, Host"));
	http_set_etag(c->x, state, true);
	return buf_ok(b) ? http_reply(c->x, 200, "application/json", buf_span(b), e)
			 : err_set(e, ERR_LIMIT, "the session is too large");
}

void jmap_session_add(struct jmapd *d)
{
	static const char *const paths[] = {"/.well-known/jmap", "/jmap/session"};

	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		web_add(d->opts.web,
			&(struct web_route){.path = paths[i],
				.methods = WEB_GET,
				.handle = session,
				.arg = d,
				.is_program = true});
}
