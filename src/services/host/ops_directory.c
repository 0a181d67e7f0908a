#include <sys/random.h>

#include "base/enc.h"
#include "store/directory.h"
#include "services/host/ops_priv.h"
#include "services/router/router.h"

static FIBER int done(struct ops_call *c, const char *key, struct span value, struct err *e)
{
	json_kv_span(ops_row(c), key, value);
	return ops_row_end(c, e);
}

/* How the recipients of a relay domain are checked: what is not said stays. */
static FIBER int domain_check(struct ops_call *c, struct directory_domain *d, struct err *e)
{
	struct span word = json_in_text(c->args, "check"), key;
	struct directory_domain *list = NULL;
	size_t count = 0;

	for (int i = 0; i < DIRECTORY_CHECKS; i++) {
		d->check = (enum directory_check)i;
		if (span_eq(word, span_str(directory_check_str(d->check))))
			return 0;
	}
	d->check = DIRECTORY_CHECK_NONE;
	if (word.len)
		return err_set(e, ERR_SYNTAX, "check is none, table, ask or ask-or-take");
	if (d->kind != DIRECTORY_DOMAIN_RELAY)
		return 0;
	if (directory_domain_list(c->ctx->store, c->arena, &list, &count, e) < 0)
		return -1;
	key = router_domain_key(c->arena, d->name);
	for (size_t i = 0; i < count; i++) {
		if (span_eq(list[i].name, key))
			d->check = list[i].check;
	}
	return 0;
}

static FIBER int domain_set(struct ops_call *c, bool is_add, struct err *e)
{
	struct directory_domain d = {.kind = DIRECTORY_DOMAIN_LOCAL};
	struct span kind = json_in_text(c->args, "kind");

	if (ops_need(c, "domain", &d.name, e) < 0)
		return -1;
	if (span_eq(kind, SPAN("relay")))
		d.kind = DIRECTORY_DOMAIN_RELAY;
	else if (kind.len && !span_eq(kind, SPAN("local")))
		return err_set(e, ERR_SYNTAX, "kind is local or relay");
	if (domain_check(c, &d, e) < 0 || directory_domain_put(c->ctx->store, &d, is_add, e) < 0)
		return -1;
	return done(c, "domain", d.name, e);
}

FIBER int op_domain_add(struct ops_call *c, struct err *e)
{
	return domain_set(c, true, e);
}

FIBER int op_domain_set(struct ops_call *c, struct err *e)
{
	return domain_set(c, false, e);
}

FIBER int op_domain_remove(struct ops_call *c, struct err *e)
{
	struct span name;

	if (ops_need(c, "domain", &name, e) < 0 ||
		directory_domain_remove(c->ctx->store, name, e) < 0)
		return -1;
	return done(c, "domain", name, e);
}

FIBER int op_domain_list(struct ops_call *c, struct err *e)
{
	struct directory_domain *list = NULL;
	size_t count = 0;

	if (directory_domain_list(c->ctx->store, c->arena, &list, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct json_out *j = ops_row(c);

		json_kv_span(j, "domain", list[i].name);
		json_kv_str(j, "kind", list[i].kind == DIRECTORY_DOMAIN_RELAY ? "relay" : "local");
		json_kv_u64(j, "accounts", list[i].accounts);
		json_kv_u64(j, "aliases", list[i].aliases);
		json_kv_str(j, "check", directory_check_str(list[i].check));
		json_kv_span(j, "unicode", directory_unicode(c->arena, list[i].name));
		if (ops_row_end(c, e) < 0)
			return -1;
	}
	return 0;
}

/* An account as the arguments change it: what is not said stays. */
static int account_args(struct ops_call *c, struct directory_account *acc, struct err *e)
{
	const struct json_in *name = json_in_get(c->args, "name");
	const struct json_in *suspended = json_in_get(c->args, "suspended");
	uint64_t quota;

	if (name)
		acc->name = json_in_span(name);
	if (suspended)
		acc->is_suspended = json_in_bool(c->args, "suspended");
	if (json_in_u64(c->args, "quota", &quota))
		acc->quota_octets = quota;
	else if (json_in_get(c->args, "quota"))
		return err_set(e, ERR_SYNTAX, "quota is a number of octets");
	return 0;
}

static FIBER int account_set(struct ops_call *c, bool is_add, struct err *e)
{
	struct directory_account acc = {0};
	struct span address, password = json_in_text(c->args, "password");
	bool is_made = json_in_bool(c->args, "make_password");

	if (ops_need(c, "address", &address, e) < 0)
		return -1;
	if (!is_add && directory_account_find(c->ctx->store, c->arena, address, &acc, e) < 0)
		return -1;
	acc.address = address;
	if (account_args(c, &acc, e) < 0)
		return -1;
	if (is_made) {
		unsigned char bytes[10];
		struct buf b;

		buf_init(&b, 64);
		if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
			return err_set(e, ERR_IO, "no random numbers");
		enc_put_hex(&b, span_of(bytes, sizeof(bytes)));
		password = arena_span(c->arena, buf_span(&b));
		buf_fini(&b);
	}
	if (directory_account_set(c->ctx->store, &acc, password, is_add, e) < 0)
		return -1;
	struct json_out *j = ops_row(c);
	json_kv_span(j, "address", address);
	if (is_made)
		json_kv_span(j, "password", password);
	return ops_row_end(c, e);
}

FIBER int op_account_add(struct ops_call *c, struct err *e)
{
	return account_set(c, true, e);
}

FIBER int op_account_set(struct ops_call *c, struct err *e)
{
	return account_set(c, false, e);
}

FIBER int op_account_remove(struct ops_call *c, struct err *e)
{
	struct span address;

	if (ops_need(c, "address", &address, e) < 0 ||
		directory_account_remove(c->ctx->store, address, e) < 0)
		return -1;
	return done(c, "address", address, e);
}

FIBER int op_account_list(struct ops_call *c, struct err *e)
{
	struct directory_account *list = NULL;
	size_t count = 0;

	if (directory_account_list(
		    c->ctx->store, c->arena, json_in_text(c->args, "domain"), &list, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct json_out *j = ops_row(c);

		json_kv_span(j, "address", list[i].address);
		json_kv_span(j, "name", list[i].name);
		json_kv_bool(j, "suspended", list[i].is_suspended);
		json_kv_u64(j, "quota", list[i].quota_octets);
		json_kv_u64(j, "messages", list[i].messages);
		json_kv_u64(j, "size", list[i].octets);
		json_kv_u64(j, "forwards", list[i].forwards);
		json_kv_bool(j, "keep", !list[i].is_forward_only);
		json_kv_span(j, "unicode", directory_unicode(c->arena, list[i].address));
		ops_put_time(j, "created_at", list[i].created_ns);
		if (ops_row_end(c, e) < 0)
			return -1;
	}
	return 0;
}

static FIBER int alias_set(struct ops_call *c, bool is_add, struct err *e)
{
	const struct json_in *targets = json_in_get(c->args, "targets");
	struct directory_alias alias = {.target_count = json_in_count(targets)};

	if (ops_need(c, "address", &alias.address, e) < 0)
		return -1;
	if (!alias.target_count || alias.target_count > ROUTER_TARGETS_MAX)
		return err_set(e, ERR_SYNTAX, "an alias has 1 to %d targets", ROUTER_TARGETS_MAX);
	alias.targets = ARENA_ARRAY(c->arena, struct span, alias.target_count);
	for (size_t i = 0; i < alias.target_count; i++)
		alias.targets[i] = json_in_span(json_in_at(targets, i));
	if (directory_alias_set(c->ctx->store, &alias, is_add, e) < 0)
		return -1;
	return done(c, "address", alias.address, e);
}

FIBER int op_alias_add(struct ops_call *c, struct err *e)
{
	return alias_set(c, true, e);
}

FIBER int op_alias_set(struct ops_call *c, struct err *e)
{
	return alias_set(c, false, e);
}

FIBER int op_alias_remove(struct ops_call *c, struct err *e)
{
	struct span address;

	if (ops_need(c, "address", &address, e) < 0 ||
		directory_alias_remove(c->ctx->store, address, e) < 0)
		return -1;
	return done(c, "address", address, e);
}

FIBER int op_alias_list(struct ops_call *c, struct err *e)
{
	struct directory_alias *list = NULL;
	size_t count = 0;

	if (directory_alias_list(
		    c->ctx->store, c->arena, json_in_text(c->args, "domain"), &list, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct json_out *j = ops_row(c);

		/* a catch-all as it is typed */
		json_kv_span(j, "address",
			span_skip(list[i].address, span_starts(list[i].address, SPAN("*@"))));
		json_key(j, "targets");
		json_open_array(j);
		for (size_t k = 0; k < list[i].target_count; k++)
			json_span(j, list[i].targets[k]);
		json_close(j);
		json_kv_span(j, "unicode", directory_unicode(c->arena, list[i].address));
		if (ops_row_end(c, e) < 0)
			return -1;
	}
	return 0;
}
