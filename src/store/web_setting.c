#include "store/web_setting.h"

#include "store/object.h"
#include "store/store_priv.h"

DB_SQL(sql_web_setting, "SELECT value FROM web_setting WHERE account_id = $1");
DB_SQL(sql_web_setting_put,
	"INSERT INTO web_setting (account_id, value) VALUES ($1, $2) "
	"ON CONFLICT (account_id) DO UPDATE SET value = $2");

struct web_setting {
	struct arena *a;
	uint64_t account_id;
	struct span was, now;
	bool is_done;
};

static int look(struct db *db, void *arg, struct err *e)
{
	struct web_setting *w = arg;
	bool is_found;

	w->was = SPAN("");
	if (db_get(db, e, w->a, &sql_web_setting, &is_found, "i:t", (int64_t)w->account_id,
		    &w->was) < 0)
		return -1;
	return 0;
}

FIBER int web_setting_get(
	struct store *s, struct arena *a, uint64_t account_id, struct span *json_r, struct err *e)
{
	struct web_setting w = {.a = a, .account_id = account_id};

	if (store_read(s, "web.setting", look, &w, e) < 0)
		return -1;
	*json_r = w.was;
	return 0;
}

static int replace(struct db *db, void *arg, struct err *e)
{
	struct web_setting *w = arg;
	struct web_setting is = {.a = arena_new(), .account_id = w->account_id};
	int rc = look(db, &is, e);

	w->is_done = rc == 0 && span_eq(is.was, w->was);
	arena_free(&is.a);
	if (rc < 0 || !w->is_done)
		return rc;
	if (db_run(db, e, &sql_web_setting_put, "it", (int64_t)w->account_id, w->now) < 0)
		return -1;
	return object_changed_tx(db, w->account_id, OBJECT_SETTINGS, 1, OBJECT_UPDATED, NULL, e);
}

FIBER int web_setting_replace(struct store *s, uint64_t account_id, struct span was,
	struct span now, bool *done_r, struct err *e)
{
	struct web_setting w = {.account_id = account_id, .was = was, .now = now};

	*done_r = false;
	if (now.len > WEB_SETTING_MAX)
		return err_set(e, ERR_LIMIT, "settings may have %d octets", WEB_SETTING_MAX);
	if (store_write(s, "web.setting", replace, &w, e) < 0)
		return -1;
	*done_r = w.is_done;
	return 0;
}
