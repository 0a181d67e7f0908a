/* What sending asks of an account, and how much room it has. */

#include "store/account.h"
#include "store/account_priv.h"
#include "store/directory_priv.h"
#include "store/store_priv.h"

#define SENDING_COLUMNS                                                                            \
	"id, local, domain, name, message_rate, recipient_rate, is_sent_copied, is_suspended"
DB_SQL(sql_sending, "SELECT " SENDING_COLUMNS " FROM account WHERE id = $1 AND removed_ns = 0");
DB_SQL(sql_sending_user,
	"SELECT " SENDING_COLUMNS " FROM account WHERE system_user = $1 AND system_user <> '' "
	"AND removed_ns = 0");
DB_SQL(sql_room,
	"SELECT octets, messages, quota_octets, quota_messages FROM account WHERE id = $1");

struct account_sending_look {
	struct arena *a;
	uint64_t id;
	struct span user;
	struct account_sending *sending;
	bool is_found;
};

static int account_sending_row(struct db_stmt *st, struct account_sending_look *look, struct err *e)
{
	struct account_sending *r = look->sending;
	int64_t id, is_copied, is_suspended;
	struct span local, domain;
	int result = st ? db_step(st, &look->is_found, e) : -1;

	if (look->is_found) {
		db_cols(st, "itttttii", &id, &local, &domain, &r->name, &r->message_rate,
			&r->recipient_rate, &is_copied, &is_suspended);
		r->id = (uint64_t)id;
		r->address = directory_join(look->a, local, domain);
		r->name = arena_span(look->a, r->name);
		r->message_rate = arena_span(look->a, r->message_rate);
		r->recipient_rate = arena_span(look->a, r->recipient_rate);
		r->is_sent_copied = is_copied != 0;
		r->is_suspended = is_suspended != 0;
	}
	db_done(st);
	return result;
}

static int account_sending_read(struct db *db, void *arg, struct err *e)
{
	struct account_sending_look *look = arg;
	struct db_stmt *st;

	look->is_found = false;
	st = look->user.len ? db_query(db, e, &sql_sending_user, "t", look->user)
			    : db_query(db, e, &sql_sending, "i", (int64_t)look->id);
	return account_sending_row(st, look, e);
}

FIBER int account_sending(struct store *s, struct arena *a, uint64_t id,
	struct account_sending *sending_r, struct err *e)
{
	struct account_sending_look look = {.a = a, .id = id, .sending = sending_r};

	*sending_r = (struct account_sending){0};
	if (store_read(s, "account.sending", account_sending_read, &look, e) < 0)
		return -1;
	return look.is_found ? 0 : account_gone(e, id);
}

FIBER int account_of_system_user(struct store *s, struct arena *a, struct span login,
	struct account_sending *sending_r, struct err *e)
{
	struct account_sending_look look = {.a = a, .user = login, .sending = sending_r};

	*sending_r = (struct account_sending){0};
	if (login.len && store_read(s, "account.user", account_sending_read, &look, e) < 0)
		return -1;
	if (look.is_found)
		return 0;
	err_set(e, ERR_NOT_FOUND, "no account is the system user '" SPAN_FMT "'",
		SPAN_ARG(span_sub(login, 0, 80)));
	return err_scope_set(e, ERR_SCOPE_RCPT, ERR_AGAIN_NEVER);
}

struct account_room_look {
	uint64_t id;
	struct account_room *room;
};

static int account_room_read(struct db *db, void *arg, struct err *e)
{
	struct account_room_look *look = arg;
	int64_t octets = 0, messages = 0, quota = 0, quota_messages = 0;
	bool is_found;

	if (db_get(db, e, NULL, &sql_room, &is_found, "i:iiii", (int64_t)look->id, &octets,
		    &messages, &quota, &quota_messages) < 0)
		return -1;
	if (!is_found)
		return account_gone(e, look->id);
	*look->room = (struct account_room){
		.has_quota = quota > 0 || quota_messages > 0,
		.octets = (uint64_t)octets,
		.messages = (uint64_t)messages,
		.quota_octets = (uint64_t)quota,
		.quota_messages = (uint64_t)quota_messages,
	};
	return 0;
}

FIBER int account_room(struct store *s, uint64_t id, struct account_room *room_r, struct err *e)
{
	struct account_room_look look = {.id = id, .room = room_r};

	*room_r = (struct account_room){0};
	return store_read(s, "account.room", account_room_read, &look, e);
}
