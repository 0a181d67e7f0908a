#include "store/account_admin.h"
#include "services/host/ops_priv.h"

/* Further addresses, members of teams and groups, send-as, identities. */

FIBER int op_address_add(struct ops_call *c, struct err *e)
{
	struct directory_account acc;
	struct span address, further;

	if (ops_account(c, &acc, &address, e) < 0 || ops_need(c, "further", &further, e) < 0 ||
		ops_reserved(c, acc.kind, further, e) < 0 ||
		account_address_add(c->ctx->store, address, further, e) < 0)
		return -1;
	return ops_tell(c, "address", further, e);
}

FIBER int op_address_remove(struct ops_call *c, struct err *e)
{
	struct span address, further;

	if (ops_need(c, "address", &address, e) < 0 || ops_need(c, "further", &further, e) < 0 ||
		account_address_remove(c->ctx->store, address, further, e) < 0)
		return -1;
	return ops_tell(c, "address", further, e);
}

/* ---- members ---- */

static const struct {
	const char *word;
	unsigned bit;
} rights[] = {
#define X(id, bit, word) {word, bit},
	ACCOUNT_RIGHTS(X)
#undef X
};

/* "read,write,send-as"; without: what a team's or a group's members are for. */
static int rights_arg(struct ops_call *c, unsigned kind, unsigned *rights_r, struct err *e)
{
	struct span text = json_in_text(c->args, "rights"), word;

	*rights_r = 0;
	if (!text.len)
		*rights_r = kind == ACCOUNT_GROUP
			? ACCOUNT_RIGHT_RECEIVE
			: ACCOUNT_RIGHT_READ | ACCOUNT_RIGHT_WRITE | ACCOUNT_RIGHT_SEND;
	while (text.len) {
		unsigned bit = 0;

		span_cut(text, ',', &word, &text);
		word = span_trim(word);
		for (size_t i = 0; i < ARRAY_LEN(rights); i++) {
			if (span_eq(word, span_str(rights[i].word)))
				bit = rights[i].bit;
		}
		if (span_eq(word, SPAN("all")))
			bit = ACCOUNT_RIGHT_ALL;
		if (!bit)
			return err_set(e, ERR_SYNTAX,
				"'" SPAN_FMT "' is no right: read, write, send-as, receive, "
				"manage, all",
				SPAN_ARG(span_sub(word, 0, 40)));
		*rights_r |= bit;
	}
	return 0;
}

static FIBER int member_set(struct ops_call *c, bool is_add, struct err *e)
{
	struct directory_account acc;
	struct span address, member;
	unsigned given;

	if (ops_account(c, &acc, &address, e) < 0 || ops_need(c, "member", &member, e) < 0 ||
		rights_arg(c, acc.kind, &given, e) < 0 ||
		account_member_set(c->ctx->store, address, member, given, is_add, e) < 0)
		return -1;
	return ops_tell(c, "member", member, e);
}

FIBER int op_member_add(struct ops_call *c, struct err *e)
{
	return member_set(c, true, e);
}

FIBER int op_member_set(struct ops_call *c, struct err *e)
{
	return member_set(c, false, e);
}

FIBER int op_member_remove(struct ops_call *c, struct err *e)
{
	struct span address, member;

	if (ops_need(c, "address", &address, e) < 0 || ops_need(c, "member", &member, e) < 0 ||
		account_member_remove(c->ctx->store, address, member, e) < 0)
		return -1;
	return ops_tell(c, "member", member, e);
}

FIBER int op_member_list(struct ops_call *c, struct err *e)
{
	struct directory_account acc;
	struct account_member *list;
	struct span address;
	size_t count;

	if (ops_account(c, &acc, &address, e) < 0 ||
		account_member_list(c->ctx->store, c->arena, acc.id, &list, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct json_out *j = ops_row(c);

		json_kv_span(j, "member", list[i].address);
		json_kv_span(j, "name", list[i].name);
		json_key(j, "rights");
		json_open_array(j);
		for (size_t k = 0; k < ARRAY_LEN(rights); k++) {
			if (list[i].rights & rights[k].bit)
				json_span(j, span_str(rights[k].word));
		}
		json_close(j);
		if (ops_row_end(c, e) < 0)
			return -1;
	}
	return 0;
}

/* ---- send-as ---- */

FIBER int op_send_as_add(struct ops_call *c, struct err *e)
{
	struct span address, pattern;

	if (ops_need(c, "address", &address, e) < 0 || ops_need(c, "pattern", &pattern, e) < 0 ||
		account_send_as_add(c->ctx->store, address, pattern, e) < 0)
		return -1;
	return ops_tell(c, "pattern", pattern, e);
}

FIBER int op_send_as_remove(struct ops_call *c, struct err *e)
{
	struct span address, pattern;

	if (ops_need(c, "address", &address, e) < 0 || ops_need(c, "pattern", &pattern, e) < 0 ||
		account_send_as_remove(c->ctx->store, address, pattern, e) < 0)
		return -1;
	return ops_tell(c, "pattern", pattern, e);
}

FIBER int op_send_as_list(struct ops_call *c, struct err *e)
{
	struct directory_account acc;
	struct span address, *list;
	size_t count;

	if (ops_account(c, &acc, &address, e) < 0 ||
		account_send_as_list(c->ctx->store, c->arena, acc.id, &list, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (ops_tell(c, "pattern", list[i], e) < 0)
			return -1;
	}
	return 0;
}

FIBER int op_identities(struct ops_call *c, struct err *e)
{
	static const char *const ways[] = {[ACCOUNT_NOT_ITS] = "",
		[ACCOUNT_OWN] = "own",
		[ACCOUNT_ALIAS] = "alias",
		[ACCOUNT_MEMBER] = "member",
		[ACCOUNT_LISTED] = "send-as"};
	struct account_identity *list;
	struct directory_account acc;
	struct span address;
	size_t count;

	if (ops_account(c, &acc, &address, e) < 0 ||
		account_identities(c->ctx->store, c->arena, acc.id, &list, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct json_out *j = ops_row(c);

		json_kv_span(j, "address", list[i].address);
		json_kv_span(j, "name", list[i].name);
		json_kv_str(j, "by", ways[list[i].way]);
		if (ops_row_end(c, e) < 0)
			return -1;
	}
	return 0;
}
