/* "snoozed" of an Email (docs/jmap.md): it lies in the mailbox Snoozed until its time. */
#include "run/loop.h"
#include "store/snooze.h"
#include "services/jmapd/jmapd_write.h"

bool jmap_snooze_read(struct jmap_call *c, const struct json_in *v, struct jmap_snooze *s)
{
	const struct json_in *box = json_in_get(v, "mailboxId"), *member;
	const char *name;
	void *at = NULL;

	*s = (struct jmap_snooze){.is_told = true};
	if (json_in_is_null(v))
		return true;
	while (json_in_next(v, &at, &name, &member))
		if (!span_eq(span_str(name), SPAN("until")) &&
			!span_eq(span_str(name), SPAN("mailboxId")))
			return false;
	s->is_on = true;
	if (!json_in_is_object(v) || !jmap_date(json_in_text(v, "until"), &s->until_ns) ||
		s->until_ns <= 0)
		return false;
	return !box || json_in_is_null(box) ||
		jmap_id_of(c, json_in_span(box), 'F', &s->mailbox_id);
}

FIBER int jmap_snooze_mailbox(struct jmap_call *c, const struct jmap_account *account,
	uint64_t *mailbox_id_r, struct err *e)
{
	struct store *s = jmapd_opts_of(c->d)->store;
	struct mailbox_info info;
	struct err why = {0};

	if (mailbox_find(s, c->a, account->id, SPAN(SNOOZE_NAME), &info, &why) == 0) {
		*mailbox_id_r = info.id;
		return 0;
	}
	if (why.code != ERR_NOT_FOUND)
		return err_copy(e, &why);
	if (mailbox_create(
		    s, account->id, SPAN(SNOOZE_NAME), SPAN("\\Snoozed"), mailbox_id_r, &why) == 0)
		return 0;
	if (why.code != ERR_EXISTS)
		return err_copy(e, &why);
	/* another request was faster */
	if (mailbox_find(s, c->a, account->id, SPAN(SNOOZE_NAME), &info, e) < 0)
		return -1;
	*mailbox_id_r = info.id;
	return 0;
}

FIBER int jmap_snooze_run(struct jmapd *d, int64_t *next_ns_r, struct err *e)
{
	struct store *s = jmapd_opts_of(d)->store;
	struct arena *a = arena_new();
	int64_t now = loop_wall_ns();
	struct snooze *list;
	size_t count = 0;
	int rc = snooze_due(s, a, now, &list, &count, next_ns_r, e);

	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = snooze_wake(s, &list[i], now, e);
	if (rc == 0 && count)
		*next_ns_r = now; /* maybe there are more */
	arena_free(&a);
	return rc;
}
