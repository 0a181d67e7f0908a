/* An account's logins: second factor, sessions of the page, who tried. */

#include "store/account.h"
#include "store/web_login.h"
#include "services/host/ops_priv.h"

#define LOGINS_SHOWN 100

FIBER int op_totp_status(struct ops_call *c, struct err *e)
{
	struct directory_account acc;
	struct span address;
	struct json_out *j;
	struct totp totp;

	if (ops_account(c, &acc, &address, e) < 0 ||
		totp_get(c->ctx->store, c->arena, acc.id, &totp, e) < 0)
		return -1;
	j = ops_row(c);
	json_kv_span(j, "address", address);
	json_kv_str(j, "second_factor", totp.is_on ? "on" : "off");
	ops_put_time(j, "since", totp.is_on ? totp.created_ns : 0);
	json_kv_u64(j, "recovery_codes", totp.is_on ? totp.codes_left : 0);
	return ops_row_end(c, e);
}

FIBER int op_totp_reset(struct ops_call *c, struct err *e)
{
	struct directory_account acc;
	struct span address;

	if (ops_account(c, &acc, &address, e) < 0 || totp_remove(c->ctx->store, acc.id, e) < 0 ||
		web_session_end_all(c->ctx->store, acc.id, 0, e) < 0)
		return -1;
	return ops_tell(c, "address", address, e);
}

FIBER int op_sessions(struct ops_call *c, struct err *e)
{
	struct directory_account acc;
	struct web_session *list;
	struct span address;
	size_t count;

	if (ops_account(c, &acc, &address, e) < 0 ||
		web_session_list(
			c->ctx->store, c->arena, acc.id, loop_wall_ns(), &list, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct json_out *j = ops_row(c);

		ops_put_time(j, "created_at", list[i].created_ns);
		ops_put_time(j, "used_at", list[i].used_ns);
		ops_put_time(j, "expires_at", list[i].expires_ns);
		json_kv_span(j, "from", list[i].peer);
		json_kv_span(j, "agent", list[i].agent);
		if (ops_row_end(c, e) < 0)
			return -1;
	}
	return 0;
}

FIBER int op_sign_out(struct ops_call *c, struct err *e)
{
	struct directory_account acc;
	struct span address;

	if (ops_account(c, &acc, &address, e) < 0 ||
		web_session_end_all(c->ctx->store, acc.id, 0, e) < 0)
		return -1;
	return ops_tell(c, "address", address, e);
}

FIBER int op_logins(struct ops_call *c, struct err *e)
{
	struct directory_account acc;
	struct login_event *list;
	struct span address;
	size_t count;

	if (ops_account(c, &acc, &address, e) < 0 ||
		login_event_list(
			c->ctx->store, c->arena, acc.id, 0, LOGINS_SHOWN, &list, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct json_out *j = ops_row(c);

		ops_put_time(j, "at", store_id_time(list[i].id));
		json_kv_str(j, "result", list[i].is_good ? "in" : "refused");
		json_kv_span(j, "for", list[i].protocol);
		json_kv_span(j, "by", list[i].mechanism);
		json_kv_span(j, "from", list[i].peer);
		json_kv_span(j, "agent", list[i].agent);
		json_kv_span(j, "reason", list[i].reason);
		if (ops_row_end(c, e) < 0)
			return -1;
	}
	return 0;
}
