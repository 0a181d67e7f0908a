#include "store/directory.h"
#include "services/host/ops_priv.h"
#include "services/router/router.h"

static FIBER int done(struct ops_call *c, const char *key, struct span value, struct err *e)
{
	json_kv_span(ops_row(c), key, value);
	return ops_row_end(c, e);
}

/* How the recipients of a relay domain are checked: what is not said stays. */
static int domain_check(struct ops_call *c, struct directory_domain *d, struct err *e)
{
	struct span word = json_in_text(c->args, "check");
	enum directory_check was = d->check;

	for (int i = 0; i < DIRECTORY_CHECKS; i++) {
		d->check = (enum directory_check)i;
		if (span_eq(word, span_str(directory_check_str(d->check))))
			return 0;
	}
	d->check = d->kind == DIRECTORY_DOMAIN_RELAY ? was : DIRECTORY_CHECK_NONE;
	if (word.len)
		return err_set(e, ERR_SYNTAX, "check is none, table, ask or ask-or-take");
	return 0;
}

/* The domain as it is: what is not said stays. */
static FIBER int domain_find(struct ops_call *c, struct directory_domain *d, struct err *e)
{
	struct span key = router_domain_key(c->arena, d->name);
	struct directory_domain *list = NULL;
	size_t count = 0;

	if (directory_domain_list(c->ctx->store, c->arena, &list, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct span name = d->name;

		if (!span_eq(list[i].name, key))
			continue;
		*d = list[i];
		d->name = name;
	}
	return 0;
}

static int domain_room(struct ops_call *c, struct directory_domain *d, struct err *e)
{
	const struct {
		const char *name;
		uint64_t *to;
	} numbers[] = {{"quota", &d->quota_octets}, {"accounts_max", &d->accounts_max}};

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		if (!json_in_get(c->args, numbers[i].name))
			continue;
		if (!json_in_u64(c->args, numbers[i].name, numbers[i].to) ||
			*numbers[i].to > INT64_MAX)
			return err_set(e, ERR_SYNTAX, "%s is a number", numbers[i].name);
	}
	if (d->kind != DIRECTORY_DOMAIN_LOCAL && (d->quota_octets || d->accounts_max))
		return err_set(e, ERR_SYNTAX, "only a local domain has accounts");
	return 0;
}

static FIBER int domain_set(struct ops_call *c, bool is_add, struct err *e)
{
	struct directory_domain d = {.kind = DIRECTORY_DOMAIN_LOCAL};
	struct span kind = json_in_text(c->args, "kind");

	if (ops_need(c, "domain", &d.name, e) < 0 || (!is_add && domain_find(c, &d, e) < 0))
		return -1;
	if (span_eq(kind, SPAN("relay")))
		d.kind = DIRECTORY_DOMAIN_RELAY;
	else if (span_eq(kind, SPAN("local")))
		d.kind = DIRECTORY_DOMAIN_LOCAL;
	else if (kind.len)
		return err_set(e, ERR_SYNTAX, "kind is local or relay");
	if (domain_check(c, &d, e) < 0 || domain_room(c, &d, e) < 0 ||
		directory_domain_put(c->ctx->store, &d, is_add, e) < 0)
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
		json_kv_u64(j, "quota", list[i].quota_octets);
		json_kv_u64(j, "accounts_max", list[i].accounts_max);
		json_kv_str(j, "check", directory_check_str(list[i].check));
		json_kv_span(j, "unicode", directory_unicode(c->arena, list[i].name));
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
