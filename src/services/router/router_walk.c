/* Whom an address becomes: aliases of aliases, forwards, lists, breadth first, each address once. */

#include <string.h>

#include "base/must.h"
#include "run/loop.h"
#include "proto/mail/mail_field.h"
#include "store/account.h"
#include "services/router/router_priv.h"

#define PREFIX_MAX 1024

static struct router_target *target_add(struct router_walk *w)
{
	struct router_answer *ans = w->ans;

	if (ans->target_count >= ROUTER_TARGETS_MAX) {
		w->is_too_many = true;
		return NULL;
	}
	if (ans->target_count == w->target_cap) {
		size_t cap = w->target_cap ? w->target_cap * 4 : 1;
		struct router_target *grown = ARENA_ARRAY(w->a, struct router_target, cap);

		if (ans->target_count)
			memcpy(grown, ans->targets, ans->target_count * sizeof(*grown));
		ans->targets = grown;
		w->target_cap = cap;
	}
	return &ans->targets[ans->target_count++];
}

static bool seen_before(struct router_walk *w, struct span name)
{
	return hash_map_set(&w->seen, name, w) != NULL;
}

static struct span hop_key(struct router_walk *w, const struct router_hop *h)
{
	return router_address_join(w->a, h->local, h->domain);
}

static void way_add(struct router_walk *w, struct router_target *t, struct span address)
{
	struct span key = address.len ? router_address_key(w->a, address) : SPAN_NONE;

	for (size_t i = 0; i < t->way_count && key.len; i++) {
		if (span_eq(key, t->way[i]))
			return;
	}
	if (key.len)
		t->way[t->way_count++] = key;
}

/* The addresses from the first to this one, and the own names of accounts that were reached by another. */
static void fill_way(struct router_walk *w, const struct router_hop *last, struct span account,
	struct router_target *t)
{
	t->way = ARENA_ARRAY(w->a, struct span, 2 * last->depth + 3);
	way_add(w, t, account);
	for (const struct router_hop *h = last; h; h = h->up) {
		way_add(w, t, h->written);
		way_add(w, t, h->via);
	}
}

static void fill_via(struct router_walk *w, const struct router_hop *h, struct router_target *t)
{
	struct buf b;

	t->via = h->via;
	if (!h->via.len)
		return;
	fill_way(w, h, SPAN_NONE, t);
	buf_init(&b, PREFIX_MAX);
	mail_delivered_to_put(&b, h->via);
	MUST(buf_ok(&b));
	t->prefix = arena_span(w->a, buf_span(&b));
	buf_fini(&b);
}

/* ---- ends ------------------------------------------------------------------------------------- */

static FIBER int remote_add(
	struct router_walk *w, const struct router_hop *h, bool is_relay, struct err *e)
{
	struct router_target *t = target_add(w);

	if (!t)
		return 0;
	t->address = h->written;
	fill_via(w, h, t);
	return router_road(w, h, is_relay, t, e);
}

static void account_add(
	struct router_walk *w, const struct router_hop *h, const struct directory_answer *dir)
{
	struct router_target *t;

	/* An account may be reached on many ways; it gets one copy. */
	if (seen_before(w, arena_span(w->a, span_of(&dir->account_id, sizeof(dir->account_id)))))
		return;
	t = target_add(w);
	if (!t)
		return;
	t->address = h->depth && dir->account.len ? dir->account : h->written;
	t->is_local = true;
	t->has_quota = dir->has_quota;
	t->account_id = dir->account_id;
	t->via = h->via;
	fill_way(w, h, dir->account, t);
}

static void list_add(
	struct router_walk *w, const struct router_hop *h, const struct directory_answer *dir)
{
	struct router_target *t = target_add(w);

	if (!t)
		return;
	t->address = h->written;
	t->is_list = true;
	t->destination = span_str(
		arena_printf(w->a, "list:%llu", (unsigned long long)dir->list_id));
	fill_via(w, h, t);
}

static void dead(struct router_walk *w, const struct router_hop *h, const char *why)
{
	w->ans->dead_count++;
	router_note(w->q->record, ROUTER_STEP_DEAD, h->depth, SPAN_NONE, SPAN_FMT ": %s",
		SPAN_ARG(h->written), why);
}

/* ---- one address becomes others --------------------------------------------------------------- */

static void hop_add(
	struct router_walk *w, struct router_hop *up, struct span address, struct span via)
{
	ptrdiff_t at = span_rfind(address, '@');
	struct router_hop *h = ARENA_NEW(w->a, struct router_hop);

	h->written = address;
	h->up = up;
	h->via = via;
	h->depth = up->depth + 1;
	if (h->depth > ROUTER_ALIAS_DEPTH_MAX) {
		w->is_too_many = true;
		return;
	}
	if (at > 0) {
		h->local = router_local_key(w->a, span_sub(address, 0, (size_t)at));
		h->domain = router_domain_key(w->a, span_skip(address, (size_t)at + 1));
	}
	if (!h->local.len || !h->domain.len) {
		dead(w, h, "is no address");
		return;
	}
	if (seen_before(w, hop_key(w, h))) {
		w->is_loop = true;
		router_note(w->q->record, ROUTER_STEP_LOOP, h->depth, SPAN_NONE,
			SPAN_FMT " was met before", SPAN_ARG(address));
		return;
	}
	*w->last = h;
	w->last = &h->next;
}

static void pass_on(struct router_walk *w, struct router_hop *h, const struct directory_answer *dir,
	struct span via)
{
	w->ans->is_alias = true;
	for (size_t i = 0; i < dir->target_count && !w->is_too_many; i++)
		hop_add(w, h, dir->targets[i], via);
}

/* An account or a group that takes no mail: one that is removed is nobody. */
static bool is_closed(
	struct router_walk *w, const struct router_hop *h, const struct directory_answer *dir)
{
	if (!dir->is_suspended && !dir->is_removed)
		return false;
	router_note(w->q->record, ROUTER_STEP_ACCOUNT, h->depth, dir->row,
		dir->is_removed ? "is removed" : "is suspended");
	w->ans->dead_count++;
	if (!h->up && !dir->is_removed)
		w->ans->verdict = ROUTER_SUSPENDED;
	return true;
}

static void take_group(
	struct router_walk *w, struct router_hop *h, const struct directory_answer *dir)
{
	if (is_closed(w, h, dir))
		return;
	router_note(w->q->record, ROUTER_STEP_GROUP, h->depth, dir->row, "has %zu member%s",
		dir->target_count, dir->target_count == 1 ? "" : "s");
	pass_on(w, h, dir, h->written);
}

static void take_account(
	struct router_walk *w, struct router_hop *h, const struct directory_answer *dir)
{
	struct router_record *rec = w->q->record;

	if (is_closed(w, h, dir))
		return;
	router_note(rec, ROUTER_STEP_ACCOUNT, h->depth, dir->row, "the mailbox of " SPAN_FMT,
		SPAN_ARG(dir->account));
	if (!dir->is_forward_only)
		account_add(w, h, dir);
	if (!dir->target_count)
		return;
	router_note(rec, ROUTER_STEP_FORWARD, h->depth, dir->account,
		"passes on to %zu address%s, %s", dir->target_count,
		dir->target_count == 1 ? "" : "es",
		dir->is_forward_only ? "without a copy in the mailbox" : "and keeps a copy");
	pass_on(w, h, dir, dir->account);
}

static void take_list(
	struct router_walk *w, struct router_hop *h, const struct directory_answer *dir)
{
	const char *part = directory_list_part_str(dir->list_part);

	router_note(w->q->record, ROUTER_STEP_LIST, h->depth, dir->row, "mailing list %llu: %s",
		(unsigned long long)dir->list_id, *part ? part : "post");
	if (dir->list_part != DIRECTORY_LIST_OWNER) {
		list_add(w, h, dir);
		return;
	}
	pass_on(w, h, dir, h->written);
	if (!dir->target_count)
		hop_add(w, h, router_address_join(w->a, SPAN("postmaster"), h->domain), h->written);
}

/* A bounce to an address that SRS made goes back to whom the mail came from; nothing else does. */
static bool take_srs(struct router_walk *w, struct router_hop *h)
{
	ptrdiff_t at = span_rfind(h->written, '@');
	struct span local = span_sub(h->written, 0, at > 0 ? (size_t)at : 0), home = SPAN_NONE;
	struct router_record *rec = w->q->record;

	if (!srs_is(local))
		return false;
	w->is_uncached = true; /* another sender, another day, another answer */
	switch (srs_reverse(w->a, &w->r->srs, local, loop_wall_ns() / CLOCK_SEC, &home)) {
	case SRS_NONE: return false;
	case SRS_OK: w->srs = w->q->sender.len ? ROUTER_SRS_NO_BOUNCE : ROUTER_OK; break;
	case SRS_FORGED: w->srs = ROUTER_SRS_FORGED; break;
	case SRS_OLD: w->srs = ROUTER_SRS_OLD; break;
	}
	if (w->srs != ROUTER_OK) {
		dead(w, h, router_verdict_str(w->srs));
		return true;
	}
	router_note(rec, ROUTER_STEP_SRS, h->depth, SPAN_NONE, "a bounce, back to " SPAN_FMT,
		SPAN_ARG(home));
	hop_add(w, h, home, SPAN_NONE);
	return true;
}

static void note_domain(
	struct router_walk *w, const struct router_hop *h, const struct directory_answer *dir)
{
	static const char *const texts[] = {[DIRECTORY_UNKNOWN_DOMAIN] = "is not ours",
		[DIRECTORY_RELAY_DOMAIN] = "is relayed for"};
	bool is_local = dir->found > DIRECTORY_RELAY_DOMAIN;
	static const char *const ways[] = {[DIRECTORY_EXACT] = "",
		[DIRECTORY_SUBADDRESS] = ", found without its sub-address",
		[DIRECTORY_CATCH_ALL] = ", found by the catch-all",
		[DIRECTORY_POSTMASTER] = ", which is the store's"};
	bool is_found = dir->found > DIRECTORY_UNKNOWN_USER;

	router_note(w->q->record, ROUTER_STEP_DOMAIN, h->depth, SPAN_NONE, SPAN_FMT " %s%s",
		SPAN_ARG(h->domain), is_local ? "is a domain of ours" : texts[dir->found],
		is_found ? ways[dir->way] : "");
}

/* ---- our own host name ------------------------------------------------------------------------ */

static bool is_host_name(const struct router_walk *w, const struct router_hop *h)
{
	return w->r->opts.hostname &&
		span_eq(h->domain, router_domain_key(w->a, span_str(w->r->opts.hostname)));
}

/* The domain whose people the machine's users are: the one that its name lies in, else the only one. */
static FIBER int home_domain(struct router_walk *w, struct span *domain_r, struct err *e)
{
	struct span host = span_str(w->r->opts.hostname);
	struct directory_domain *list = NULL;
	size_t count = 0, local = 0;

	*domain_r = SPAN_NONE;
	if (directory_domain_list(w->r->opts.store, w->a, &list, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct span name = list[i].name;

		if (list[i].kind != DIRECTORY_DOMAIN_LOCAL)
			continue;
		if (host.len > name.len && host.ptr[host.len - name.len - 1] == '.' &&
			span_ends_nocase(host, name)) {
			*domain_r = name;
			return 0;
		}
		*domain_r = local++ ? SPAN_NONE : name;
	}
	return 0;
}

static FIBER int is_at_home(
	struct router_walk *w, struct span local, struct span home, bool *is_there_r, struct err *e)
{
	struct directory_question q = {.local = local,
		.domain = home,
		.separator = w->r->opts.separator,
		.no_catch_all = true};
	struct directory_answer dir = {0};

	if (directory_find(w->r->opts.store, w->a, &q, &dir, e) < 0)
		return -1;
	*is_there_r = dir.found > DIRECTORY_UNKNOWN_USER;
	return 0;
}

static void note_home(struct router_walk *w, const struct router_hop *h, const char *why)
{
	router_note(w->q->record, ROUTER_STEP_DOMAIN, h->depth, SPAN_NONE,
		SPAN_FMT " is the name of this machine: %s", SPAN_ARG(h->domain), why);
}

/* A user of this machine is the account that is bound to him; a name is the one of the home domain; root,
 * and for our own people and reports every other user of the machine, is its postmaster. */
static FIBER int take_host(struct router_walk *w, struct router_hop *h, struct err *e)
{
	struct account_sending account;
	struct err why = {0};
	struct span home;
	bool is_there = false;

	w->is_uncached = true; /* the machine's users are not the directory's */
	if (account_of_system_user(w->r->opts.store, w->a, h->local, &account, &why) == 0) {
		note_home(w, h, "an account is bound to this user");
		hop_add(w, h, account.address, SPAN_NONE);
		return 0;
	}
	if (why.code != ERR_NOT_FOUND)
		return err_copy(e, &why);
	if (home_domain(w, &home, e) < 0)
		return -1;
	if (!home.len)
		return remote_add(w, h, false, e);
	if (is_at_home(w, h->local, home, &is_there, e) < 0)
		return -1;
	if (is_there) {
		note_home(w, h, "the same name of its domain");
		hop_add(w, h, router_address_join(w->a, h->local, home), SPAN_NONE);
	} else if (span_eq(h->local, SPAN("root")) ||
		(w->q->may_relay && w->r->opts.is_user &&
			w->r->opts.is_user(w->r->opts.ask_arg, h->local))) {
		note_home(w, h, "a user without an account, so the postmaster");
		hop_add(w, h, router_address_join(w->a, SPAN("postmaster"), home), SPAN_NONE);
	} else {
		note_home(w, h, "it has no such user");
		dead(w, h, "nobody has this address");
	}
	return 0;
}

static FIBER int take_relay(struct router_walk *w, struct router_hop *h,
	const struct directory_answer *dir, struct err *e)
{
	if (!h->up)
		w->ans->check = dir->check;
	if (dir->check == DIRECTORY_CHECK_TABLE) {
		router_note(w->q->record, ROUTER_STEP_CHECK, h->depth,
			dir->is_known ? dir->row : SPAN_NONE, "%s the table of recipients",
			dir->is_known ? "is in" : "is not in");
		if (!dir->is_known) {
			dead(w, h, "the relay domain does not know it");
			return 0;
		}
	}
	return remote_add(w, h, true, e);
}

/* What the directory says of one address. */
static FIBER int take(struct router_walk *w, struct router_hop *h,
	const struct directory_answer *dir, struct err *e)
{
	note_domain(w, h, dir);
	switch (dir->found) {
	case DIRECTORY_UNKNOWN_DOMAIN:
		return is_host_name(w, h) ? take_host(w, h, e) : remote_add(w, h, false, e);
	case DIRECTORY_RELAY_DOMAIN: return take_relay(w, h, dir, e);
	case DIRECTORY_UNKNOWN_USER:
		if (!take_srs(w, h))
			dead(w, h, "nobody has this address");
		return 0;
	case DIRECTORY_ACCOUNT: take_account(w, h, dir); return 0;
	case DIRECTORY_ALIAS:
		router_note(w->q->record, ROUTER_STEP_ALIAS, h->depth, dir->row,
			"leads to %zu address%s", dir->target_count,
			dir->target_count == 1 ? "" : "es");
		pass_on(w, h, dir, h->written);
		return 0;
	case DIRECTORY_LIST: take_list(w, h, dir); return 0;
	case DIRECTORY_GROUP: take_group(w, h, dir); return 0;
	}
	MUST(!"a kind of answer that is none");
	return 0;
}

static void judge(struct router_walk *w, const struct router_hop *first)
{
	struct router_answer *ans = w->ans;

	if (w->is_too_many)
		ans->verdict = ROUTER_ALIAS_TOO_MANY;
	else if (!ans->target_count && ans->verdict == ROUTER_OK)
		ans->verdict = w->is_loop ? ROUTER_ALIAS_LOOP
			: w->srs          ? w->srs
					  : ROUTER_UNKNOWN_USER;
	if (ans->verdict != ROUTER_OK)
		ans->target_count = 0;
	if (ans->is_alias && ans->dead_count && w->r->opts.log)
		log_event(w->r->opts.log, LOG_WARN, "router.alias.dead",
			LF("alias", first->written), LF_INT("dead", ans->dead_count),
			LF_INT("alive", ans->target_count));
}

FIBER int router_walk(struct router_walk *w, struct router_hop *first, struct err *e)
{
	struct directory_question q = {.separator = w->r->opts.separator};
	int rc = 0;

	hash_map_init(&w->seen, w->r->cache.key);
	w->first = first;
	w->last = &first->next;
	seen_before(w, hop_key(w, first));
	for (struct router_hop *h = first; !rc && h && !w->is_too_many; h = h->next) {
		struct directory_answer dir = {0};

		q.local = h->local;
		q.domain = h->domain;
		q.no_catch_all = srs_is(h->local);
		router_note(w->q->record, ROUTER_STEP_ADDRESS, h->depth, SPAN_NONE, SPAN_FMT,
			SPAN_ARG(h->written));
		rc = directory_find(w->r->opts.store, w->a, &q, &dir, e);
		if (!rc)
			rc = take(w, h, &dir, e);
	}
	hash_map_fini(&w->seen);
	if (rc == 0)
		judge(w, first);
	return rc;
}
