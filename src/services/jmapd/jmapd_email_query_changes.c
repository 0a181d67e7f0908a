/* Email/queryChanges (RFC 8621 section 4.5). */
#include "services/jmapd/jmapd_email.h"

static int take_since(struct jmap_call *c, struct email_query_changes *ch, struct err *e)
{
	struct span since = SPAN_NONE, up_to = SPAN_NONE;
	int64_t max = 0;

	if (jmap_arg_text(c, "sinceQueryState", &since, e) < 0 ||
		jmap_arg_int(c, "maxChanges", 1, JSON_IN_INT, &max, e) < 0 ||
		jmap_arg_text(c, "upToId", &up_to, e) < 0)
		return -1;
	if (!since.ptr)
		return jmap_fail_argument(c, e, "sinceQueryState", "a string is needed");
	if (!jmap_state_of(since, &ch->since))
		return jmap_fail(
			c, "cannotCalculateChanges", e, "the state is none of this server's");
	ch->max = (size_t)max;
	/* an Id that is not in the results bounds nothing */
	if (!up_to.ptr || !jmap_id_of(c, up_to, 'M', &ch->up_to))
		ch->up_to = 0;
	return 0;
}

static void put_query_changes(struct jmap_call *c, const struct jmap_account *account,
	const struct email_query_changes *ch)
{
	json_key(c->out, "accountId");
	jmap_put_id(c->out, 'A', account->id);
	json_key(c->out, "oldQueryState");
	jmap_put_state(c->out, ch->since);
	json_key(c->out, "newQueryState");
	jmap_put_state(c->out, ch->state);
	if (ch->query->wants_total)
		json_kv_u64(c->out, "total", ch->total);
	jmap_put_email_ids(c->out, "removed", ch->removed, ch->removed_count);
	json_key(c->out, "added");
	json_open_array(c->out);
	for (size_t i = 0; i < ch->added_count; i++) {
		json_open_object(c->out);
		json_key(c->out, "id");
		jmap_put_id(c->out, 'M', ch->added[i].id);
		json_kv_u64(c->out, "index", ch->added[i].index);
		json_close(c->out);
	}
	json_close(c->out);
}

FIBER int jmap_email_query_changes(struct jmap_call *c, struct err *e)
{
	struct email_query q = {0};
	struct email_query_changes ch = {.query = &q};
	struct jmap_account *account;

	if (jmap_email_take_query(c, &account, &q, e) < 0 || take_since(c, &ch, e) < 0)
		return -1;
	if (email_query_changes(jmapd_opts_of(c->d)->store, c->a, &account->eyes, &ch, e) < 0)
		return e->code == ERR_STATE ? jmap_changes_failed(c, e) : jmap_filter_failed(c, e);
	if (ch.is_too_many)
		return jmap_fail(c, "tooManyChanges", e, "more changed than maxChanges allows");
	put_query_changes(c, account, &ch);
	return 0;
}
