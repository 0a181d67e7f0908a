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

static FIBER int domain_set(struct ops_call *c, bool is_add, struct err *e)
{
	struct span name, kind = json_in_text(c->args, "kind");
	enum directory_domain_kind k = DIRECTORY_DOMAIN_LOCAL;

	if (ops_need(c, "domain", &name, e) < 0)
		return -1;
	if (span_eq(kind, SPAN("relay")))
		k = DIRECTORY_DOMAIN_RELAY;
	else if (kind.len && !span_eq(kind, SPAN("local")))
		return err_set(e, ERR_SYNTAX, "kind is local or relay");
	if (directory_domain_set(c->ctx->store, name, k, is_add, e) < 0)
		return -1;
	return done(c, "domain", name, e);
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

		json_kv_span(j, "address", list[i].address);
		json_key(j, "targets");
		json_open_array(j);
		for (size_t k = 0; k < list[i].target_count; k++)
			json_span(j, list[i].targets[k]);
		json_close(j);
		if (ops_row_end(c, e) < 0)
			return -1;
	}
	return 0;
}

static FIBER int route_set(struct ops_call *c, bool is_add, struct err *e)
{
	struct directory_route route = {.is_lmtp = json_in_bool(c->args, "lmtp")};
	struct span key;

	/* A route that the router could not follow is refused here, not at the first letter. */
	if (ops_need(c, "domain", &route.domain, e) < 0 ||
		ops_need(c, "next_hop", &route.next_hop, e) < 0 ||
		router_hop_key(c->arena, route.next_hop, route.is_lmtp, &key, e) < 0 ||
		directory_route_set(c->ctx->store, &route, is_add, e) < 0)
		return -1;
	return done(c, "domain", route.domain, e);
}

FIBER int op_route_add(struct ops_call *c, struct err *e)
{
	return route_set(c, true, e);
}

FIBER int op_route_set(struct ops_call *c, struct err *e)
{
	return route_set(c, false, e);
}

FIBER int op_route_remove(struct ops_call *c, struct err *e)
{
	struct span domain;

	if (ops_need(c, "domain", &domain, e) < 0 ||
		directory_route_remove(c->ctx->store, domain, e) < 0)
		return -1;
	return done(c, "domain", domain, e);
}

FIBER int op_route_list(struct ops_call *c, struct err *e)
{
	struct directory_route *list = NULL;
	size_t count = 0;

	if (directory_route_list(c->ctx->store, c->arena, &list, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct json_out *j = ops_row(c);

		json_kv_span(j, "domain", list[i].domain);
		json_kv_span(j, "next_hop", list[i].next_hop);
		json_kv_bool(j, "lmtp", list[i].is_lmtp);
		if (ops_row_end(c, e) < 0)
			return -1;
	}
	return 0;
}
