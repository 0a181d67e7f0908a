/* Properties of our own on Email: one row each (jmapd_email.h). */
#include "store/snooze.h"
#include "services/jmapd/jmapd_email.h"

/* "snoozed": {"until": …, "mailboxId": …} while it sleeps, else null. */
static FIBER int load_snoozes(struct jmap_call *c, const struct jmap_account *account,
	struct arena *a, const struct email *list, size_t count, void **state_r, struct err *e)
{
	struct snooze *rows = ARENA_ARRAY(a, struct snooze, count + 1);
	uint64_t *ids = ARENA_ARRAY(a, uint64_t, count + 1);

	*state_r = rows;
	for (size_t i = 0; i < count; i++)
		ids[i] = list[i].id;
	return count && account->is_own
		? snooze_get(jmapd_opts_of(c->d)->store, account->id, ids, count, rows, e)
		: 0;
}

static void put_snooze(struct json_out *j, struct arena *a, void *state, size_t i)
{
	const struct snooze *rows = state;

	(void)a;
	if (!rows || !rows[i].until_ns) {
		json_null(j);
		return;
	}
	json_open_object(j);
	json_key(j, "until");
	jmap_put_date(j, rows[i].until_ns);
	json_key(j, "mailboxId");
	jmap_put_id(j, 'F', rows[i].mailbox_id);
	json_close(j);
}

const struct jmap_email_extra jmap_email_extras[] = {
	{"snoozed", load_snoozes, put_snooze},
	{0},
};
