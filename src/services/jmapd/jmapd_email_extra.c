/* Properties of our own on Email: one row each (jmapd_email.h). */
#include "base/must.h"
#include "store/snooze.h"
#include "store/trail.h"
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

/* "standing": {"traceId", "waiting", "tried", "failed"}, how a letter of one's own stands that was handed in by
 * whatever program; null when the station log has none of its Message-ID. */
static FIBER int load_standings(struct jmap_call *c, const struct jmap_account *account,
	struct arena *a, const struct email *list, size_t count, void **state_r, struct err *e)
{
	struct trail_standing *rows = ARENA_ARRAY(a, struct trail_standing, count + 1);

	MUST(count <= TRAIL_STANDING_MAX);
	*state_r = rows;
	for (size_t i = 0; i < count; i++)
		if (list[i].row_count && list[i].msg.facts)
			rows[i].message_id = list[i].msg.facts->message_id;
	return count && account->is_own
		? trail_standings(jmapd_opts_of(c->d)->store, account->id, rows, count, e)
		: 0;
}

static void put_standing(struct json_out *j, struct arena *a, void *state, size_t i)
{
	const struct trail_standing *rows = state;

	(void)a;
	if (!rows || !rows[i].msg_id) {
		json_null(j);
		return;
	}
	json_open_object(j);
	json_key(j, "traceId");
	jmap_put_id(j, 'Q', rows[i].msg_id);
	json_kv_u64(j, "waiting", rows[i].waiting);
	json_kv_u64(j, "tried", rows[i].tried);
	json_kv_u64(j, "failed", rows[i].failed);
	json_close(j);
}

const struct jmap_email_extra jmap_email_extras[] = {
	{"snoozed", load_snoozes, put_snooze},
	{"standing", load_standings, put_standing},
	{0},
};
