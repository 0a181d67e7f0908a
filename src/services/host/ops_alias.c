#include "services/router/router.h"
#include "services/host/ops_priv.h"

/* alias.import: what stood in /etc/aliases, a page of it at a time. */

#define ALIAS_PAGE 200

struct import {
	struct ops_call *c;
	struct span domain; /* of names without one */
	bool is_replacing;
	uint64_t added, changed, present;
};

static FIBER int home_domain(struct import *x, struct err *e)
{
	struct directory_domain *list = NULL;
	size_t count = 0, local = 0;

	x->domain = json_in_text(x->c->args, "domain");
	if (x->domain.len)
		return 0;
	if (directory_domain_list(x->c->ctx->store, x->c->arena, &list, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (list[i].kind != DIRECTORY_DOMAIN_LOCAL)
			continue;
		x->domain = list[i].name;
		local++;
	}
	if (local == 1)
		return 0;
	return err_set(e, ERR_SYNTAX,
		local ? "there is more than one local domain: say --domain DOMAIN"
		      : "there is no local domain yet: yizhan domain add DOMAIN");
}

static struct span qualify(struct import *x, struct span name)
{
	return span_find(name, '@') >= 0 ? name
					 : span_str(arena_printf(x->c->arena, SPAN_FMT "@" SPAN_FMT,
						   SPAN_ARG(name), SPAN_ARG(x->domain)));
}

static bool is_same(const struct directory_answer *was, const struct directory_alias *is)
{
	if (was->target_count != is->target_count)
		return false;
	for (size_t i = 0; i < is->target_count; i++) {
		if (!span_eq_nocase(was->targets[i], is->targets[i]))
			return false;
	}
	return true;
}

/* What stands there for this very address, if it is an alias. */
static FIBER int look(struct import *x, const struct directory_alias *alias,
	struct directory_answer *was_r, bool *is_alias_r, struct err *e)
{
	struct arena *a = x->c->arena;
	ptrdiff_t at = span_rfind(alias->address, '@');
	struct directory_question q = {
		.local = directory_local_part(a, span_sub(alias->address, 0, (size_t)at)),
		.domain = router_domain_key(a, span_skip(alias->address, (size_t)at + 1)),
		.no_catch_all = true};

	*is_alias_r = false;
	if (!q.domain.len)
		return 0;
	if (directory_find(x->c->ctx->store, a, &q, was_r, e) < 0)
		return -1;
	*is_alias_r = was_r->found == DIRECTORY_ALIAS;
	return 0;
}

static FIBER int take_one(struct import *x, const struct json_in *one, struct err *e)
{
	const struct json_in *targets = json_in_get(one, "targets");
	struct directory_alias alias = {.address = qualify(x, json_in_text(one, "name")),
		.target_count = json_in_count(targets)};
	struct directory_answer was;
	bool is_alias;

	if (!alias.target_count || alias.target_count > ROUTER_TARGETS_MAX)
		return err_set(e, ERR_SYNTAX, "an alias has 1 to %d targets", ROUTER_TARGETS_MAX);
	alias.targets = ARENA_ARRAY(x->c->arena, struct span, alias.target_count);
	for (size_t i = 0; i < alias.target_count; i++) {
		alias.targets[i] = qualify(x, json_in_span(json_in_at(targets, i)));
		if (span_eq_nocase(alias.targets[i], alias.address))
			return err_set(e, ERR_SYNTAX, "it leads to itself");
	}
	if (look(x, &alias, &was, &is_alias, e) < 0)
		return -1;
	if (is_alias && is_same(&was, &alias)) {
		x->present++;
		return 0;
	}
	if (is_alias && !x->is_replacing)
		return err_set(e, ERR_EXISTS,
			SPAN_FMT " is an alias already, with other targets (--replace)",
			SPAN_ARG(alias.address));
	if (directory_alias_set(x->c->ctx->store, &alias, !is_alias, e) < 0)
		return -1;
	*(is_alias ? &x->changed : &x->added) += 1;
	return 0;
}

FIBER int op_alias_import(struct ops_call *c, struct err *e)
{
	const struct json_in *aliases = json_in_get(c->args, "aliases");
	struct import x = {.c = c, .is_replacing = json_in_bool(c->args, "replace")};
	size_t count = json_in_count(aliases);
	struct json_out *j;

	if (count > ALIAS_PAGE)
		return err_set(e, ERR_SYNTAX, "more than %d aliases at once", ALIAS_PAGE);
	if (home_domain(&x, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct err why = {0};

		if (take_one(&x, json_in_at(aliases, i), &why) == 0)
			continue;
		j = ops_row(c);
		json_kv_u64(j, "bad", i);
		json_kv_str(j, "reason", why.text);
		if (ops_row_end(c, e) < 0)
			return -1;
	}
	j = ops_row(c);
	json_kv_u64(j, "added", x.added);
	json_kv_u64(j, "changed", x.changed);
	json_kv_u64(j, "present", x.present);
	return ops_row_end(c, e);
}
