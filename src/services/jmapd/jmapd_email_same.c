/* RFC 8620 section 5.3: what cannot be changed may stand in an update as it is, for clients that send whole
 * objects back. The Email is written as Email/get would, and compared. */
#include "services/jmapd/jmapd_email.h"
#include "services/jmapd/jmapd_write.h"

/* The texts of bodies: as many of them as the client has. */
static bool has_all_of(const struct json_in *now, const struct json_in *told)
{
	const struct json_in *value;
	const char *name;
	void *at = NULL;

	if (!json_in_is_object(told))
		return false;
	while (json_in_next(told, &at, &name, &value))
		if (!json_in_is_same(json_in_get(now, name), value))
			return false;
	return true;
}

static bool is_same(const struct json_in *now, const char *name, const struct json_in *told)
{
	if (span_eq(span_str(name), SPAN("bodyValues")))
		return has_all_of(json_in_get(now, name), told);
	return json_in_is_same(json_in_get(now, name), told);
}

/* What Email/get would tell of these properties; *now_r NULL: the Email is gone. */
static FIBER int tell(struct jmap_call *c, const struct jmap_account *account, uint64_t email_id,
	const struct span *names, size_t count, struct json_in **now_r, struct err *e)
{
	struct json_in *args = json_in_parse(SPAN("{\"fetchAllBodyValues\":true}"), NULL);
	struct buf *b = arena_buf(c->a, JMAP_ANSWER_MAX);
	struct jmap_call inner = *c;
	struct jmap_email_want want;
	struct jmap_email_item *item = ARENA_NEW(c->a, struct jmap_email_item);
	struct json_out out;
	struct email *email = ARENA_NEW(c->a, struct email);
	uint64_t state;
	int rc;

	*now_r = NULL;
	json_out_init(&out, b);
	inner.args = args;
	inner.out = &out;
	rc = jmap_email_want(&inner, names, count, false, &want, e);
	if (rc == 0)
		rc = email_get(jmapd_opts_of(c->d)->store, c->a, &account->eyes, &email_id, 1,
			jmap_email_columns(&want), email, &state, e);
	if (rc == 0 && email->row_count) {
		rc = jmap_email_read(&inner, c->a, &want, email, 1, item, e);
		if (rc == 0)
			rc = jmap_put_emails(&inner, c->a, &want, item, 1, NULL, e);
		if (rc == 0)
			*now_r = json_in_parse_any(buf_span(b), JMAP_ANSWER_MAX, JSON_OUT_DEPTH, e);
		if (rc == 0 && !*now_r)
			rc = -1;
	}
	json_in_free(&args);
	return rc;
}

FIBER int jmap_email_differs(struct jmap_call *c, const struct jmap_account *account,
	uint64_t email_id, const struct json_in *patch, const struct span *names, size_t count,
	const char **differs_r, struct err *e)
{
	struct json_in *now;

	*differs_r = NULL;
	for (size_t i = 0; i < count && !*differs_r; i++)
		if (!jmap_email_is_property(names[i]))
			*differs_r = arena_str(c->a, names[i]);
	if (!count || *differs_r)
		return 0;
	if (tell(c, account, email_id, names, count, &now, e) < 0)
		return -1;
	for (size_t i = 0; i < count && !*differs_r; i++) {
		const char *name = arena_str(c->a, names[i]);

		if (!is_same(now, name, json_in_get(patch, name)))
			*differs_r = name;
	}
	json_in_free(&now);
	return 0;
}
