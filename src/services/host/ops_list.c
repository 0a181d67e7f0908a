/* Mailing lists: what they are like, who is in them, what waits for a moderator. */

#include "base/enc.h"
#include "base/must.h"
#include "store/mlist.h"
#include "store/spool.h"
#include "services/host/host_priv.h"
#include "services/host/ops_priv.h"

/* ---- words ---- */

typedef const char *word_fn(int n);

static const char *state_str(int n)
{
	static const char *const words[] = {[MLIST_ACTIVE] = "active",
		[MLIST_PAUSED] = "paused",
		[MLIST_BOUNCING] = "bouncing"};

	return n >= 0 && (size_t)n < ARRAY_LEN(words) ? words[n] : NULL;
}

static const char *role_str(int n)
{
	static const char *const words[] = {"receives", "trusted", "moderator", "owner"};

	return n >= 0 && (size_t)n < ARRAY_LEN(words) ? words[n] : NULL;
}

/* The number of a word; which are allowed stands in the error. */
static int word_of(const char *what, struct span text, word_fn *str, int *n_r, struct err *e)
{
	struct buf all;
	int rc;

	for (int i = 0; str(i); i++) {
		if (span_eq(text, span_str(str(i)))) {
			*n_r = i;
			return 0;
		}
	}
	buf_init(&all, 256);
	for (int i = 0; str(i); i++)
		buf_printf(&all, "%s%s", i ? ", " : "", str(i));
	rc = err_set(e, ERR_SYNTAX, "%s: \"" SPAN_FMT "\" is none of %s", what,
		SPAN_ARG(span_sub(text, 0, 64)), buf_cstr(&all));
	buf_fini(&all);
	return rc;
}

/* "receives,moderator" */
static int roles_of(struct span text, unsigned *role_r, struct err *e)
{
	struct span one;
	bool is_more = true;
	int n;

	*role_r = 0;
	while (is_more) {
		is_more = span_cut(text, ',', &one, &text);
		if (word_of("role", span_trim(one), role_str, &n, e) < 0)
			return -1;
		*role_r |= 1U << n;
	}
	return 0;
}

static void put_roles(struct json_out *j, unsigned role)
{
	json_key(j, "role");
	json_open_array(j);
	for (int i = 0; role_str(i); i++) {
		if (role & 1U << i)
			json_str(j, role_str(i));
	}
	json_close(j);
}

static const char *address_of(struct arena *a, const struct mlist_info *l)
{
	return arena_printf(a, SPAN_FMT "@" SPAN_FMT, SPAN_ARG(l->local), SPAN_ARG(l->domain));
}

/* ---- lists ---- */

static FIBER int find(struct ops_call *c, struct mlist_info *list_r, struct err *e)
{
	struct span address;

	if (ops_need(c, "list", &address, e) < 0)
		return -1;
	if (mlist_find(c->ctx->store, c->arena, address, list_r, e) < 0) {
		if (e->code == ERR_NOT_FOUND)
			err_set(e, ERR_NOT_FOUND,
				"there is no list '" SPAN_FMT "': see yizhan list list",
				SPAN_ARG(span_sub(address, 0, 320)));
		return -1;
	}
	return 0;
}

static void text_arg(struct ops_call *c, const char *name, struct span *text_r)
{
	const struct json_in *v = json_in_get(c->args, name);

	if (v)
		*text_r = json_in_span(v);
}

static int word_arg(struct ops_call *c, const char *name, word_fn *str, int *n_r, struct err *e)
{
	const struct json_in *v = json_in_get(c->args, name);

	return v ? word_of(name, json_in_span(v), str, n_r, e) : 0;
}

/* A list as the arguments change it: what is not said stays. */
static int list_args(struct ops_call *c, struct mlist_info *l, struct err *e)
{
	int post = (int)l->post, join = (int)l->join, rewrite = (int)l->rewrite;

	text_arg(c, "title", &l->title);
	text_arg(c, "subject_prefix", &l->subject_prefix);
	text_arg(c, "footer", &l->footer);
	if (word_arg(c, "post", mlist_post_str, &post, e) < 0 ||
		word_arg(c, "join", mlist_join_str, &join, e) < 0 ||
		word_arg(c, "from_rewrite", mlist_rewrite_str, &rewrite, e) < 0)
		return -1;
	l->post = (enum mlist_post)post;
	l->join = (enum mlist_join)join;
	l->rewrite = (enum mlist_rewrite)rewrite;
	if (json_in_get(c->args, "reply_to_list"))
		l->is_reply_to_list = json_in_bool(c->args, "reply_to_list");
	if (json_in_get(c->args, "max_size") && !json_in_u64(c->args, "max_size", &l->octets_max))
		return err_set(e, ERR_SYNTAX, "max_size is a number of octets");
	return 0;
}

static struct span owner_arg(struct ops_call *c)
{
	return json_in_text(c->args, "owner");
}

/* One more owner; who is a member keeps what they are. */
static FIBER int add_owner(struct ops_call *c, uint64_t list_id, struct err *e)
{
	struct mlist_member m = {0};
	struct span owner = owner_arg(c);
	struct err none = {0};

	if (!owner.len)
		return 0;
	if (mlist_member_get(c->ctx->store, c->arena, list_id, owner, &m, &none) < 0) {
		if (none.code != ERR_NOT_FOUND)
			return err_copy(e, &none);
		m = (struct mlist_member){.address = owner, .role = MLIST_RECEIVES};
	}
	m.role |= MLIST_OWNER;
	return mlist_member_put(c->ctx->store, list_id, &m, NULL, e);
}

static int check_address(struct ops_call *c, struct span text, struct err *e)
{
	struct span local, domain;

	return mlist_address(c->arena, text, &local, &domain, e);
}

static FIBER int done(
	struct ops_call *c, const struct mlist_info *l, const char *what, struct err *e)
{
	if (c->ctx->host)
		log_event(&c->ctx->host->log, LOG_INFO, "list.order", LF_STR("what", what),
			LF("by", c->ctx->by), LF_STR("list", address_of(c->arena, l)));
	json_kv_str(ops_row(c), "list", address_of(c->arena, l));
	return ops_row_end(c, e);
}

FIBER int op_list_add(struct ops_call *c, struct err *e)
{
	struct mlist_info l = {0};
	struct span address;
	uint64_t id;

	if (ops_need(c, "list", &address, e) < 0 ||
		mlist_address(c->arena, address, &l.local, &l.domain, e) < 0 ||
		list_args(c, &l, e) < 0 ||
		(owner_arg(c).len && check_address(c, owner_arg(c), e) < 0) ||
		mlist_add(c->ctx->store, &l, &id, e) < 0 || add_owner(c, id, e) < 0)
		return -1;
	return done(c, &l, "add", e);
}

FIBER int op_list_set(struct ops_call *c, struct err *e)
{
	struct mlist_info l;

	if (find(c, &l, e) < 0 || list_args(c, &l, e) < 0 ||
		(owner_arg(c).len && check_address(c, owner_arg(c), e) < 0) ||
		mlist_set(c->ctx->store, &l, e) < 0 || add_owner(c, l.id, e) < 0)
		return -1;
	return done(c, &l, "set", e);
}

/* Letters that wait in the queue for this list, or one of them, are looked at now. */
static FIBER int kick(struct ops_call *c, struct spool_filter *f, struct err *e)
{
	struct spool_order o = {.action = SPOOL_RETRY, .now_ns = loop_wall_ns(), .by = c->ctx->by};
	uint64_t changed;

	f->state = -1;
	if (c->ctx->host)
		host_queue_forgive(c->ctx->host);
	return spool_act(c->ctx->store, f, &o, &changed, e);
}

FIBER int op_list_remove(struct ops_call *c, struct err *e)
{
	struct mlist_info l;
	struct spool_filter f = {0};

	if (find(c, &l, e) < 0 || mlist_remove(c->ctx->store, l.id, e) < 0)
		return -1;
	/* What is held goes back to its author, now and not in some hours. */
	f.destination = span_str(arena_printf(c->arena, "list:%llu", (unsigned long long)l.id));
	if (kick(c, &f, e) < 0)
		return -1;
	return done(c, &l, "remove", e);
}

static void put_list(struct ops_call *c, struct json_out *j, const struct mlist_info *l)
{
	json_kv_str(j, "list", address_of(c->arena, l));
	json_kv_span(j, "title", l->title);
	json_kv_str(j, "post", mlist_post_str((int)l->post));
	json_kv_str(j, "join", mlist_join_str((int)l->join));
	json_kv_str(j, "from_rewrite", mlist_rewrite_str((int)l->rewrite));
	json_kv_span(j, "subject_prefix", l->subject_prefix);
	json_kv_span(j, "footer", l->footer);
	json_kv_bool(j, "reply_to_list", l->is_reply_to_list);
	json_kv_u64(j, "max_size", l->octets_max);
	json_kv_u64(j, "members", l->members);
	ops_put_time(j, "created_at", l->created_ns);
}

FIBER int op_list_list(struct ops_call *c, struct err *e)
{
	struct mlist_info *lists = NULL;
	size_t count = 0;

	if (mlist_all(c->ctx->store, c->arena, json_in_text(c->args, "domain"), &lists, &count, e) <
		0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		put_list(c, ops_row(c), &lists[i]);
		if (ops_row_end(c, e) < 0)
			return -1;
	}
	return 0;
}

/* ---- members ---- */

typedef FIBER int member_fn(void *arg, const struct mlist_member *m, struct err *e);

static FIBER int walk(
	struct ops_call *c, uint64_t list_id, member_fn *each, void *arg, struct err *e)
{
	struct arena *key = arena_new();
	struct span after = SPAN_NONE;
	size_t count;
	int rc;

	do {
		struct arena *page = arena_new();
		struct mlist_member *m = NULL;

		count = 0;
		rc = mlist_members(c->ctx->store, page, list_id, after, &m, &count, e);
		for (size_t i = 0; rc == 0 && i < count; i++)
			rc = each(arg, &m[i], e);
		arena_reset(key);
		if (rc == 0 && count)
			after = arena_span(key, m[count - 1].address);
		arena_free(&page);
	} while (rc == 0 && count == MLIST_PAGE);
	arena_free(&key);
	return rc;
}

/* Who does what in a list, for "show". */
struct summary {
	struct arena *a;
	uint64_t state[MLIST_BOUNCING + 1];
	struct summary_name {
		struct summary_name *next;
		struct span address;
		unsigned role;
	} * names, **last;
};

static FIBER int add_to_summary(void *arg, const struct mlist_member *m, struct err *e)
{
	struct summary *s = arg;

	(void)e;
	if (m->role & MLIST_RECEIVES)
		s->state[m->state]++;
	if (m->role & (MLIST_OWNER | MLIST_MODERATOR)) {
		struct summary_name *n = ARENA_NEW(s->a, struct summary_name);

		n->address = arena_span(s->a, m->address);
		n->role = m->role;
		*s->last = n;
		s->last = &n->next;
	}
	return 0;
}

static void put_names(struct json_out *j, const char *key, const struct summary *s, unsigned role)
{
	json_key(j, key);
	json_open_array(j);
	for (const struct summary_name *n = s->names; n; n = n->next) {
		if (n->role & role)
			json_span(j, n->address);
	}
	json_close(j);
}

FIBER int op_list_show(struct ops_call *c, struct err *e)
{
	struct summary s = {.a = c->arena, .last = &s.names};
	struct mlist_pending *held;
	struct mlist_info l;
	struct json_out *j;
	size_t count;

	if (find(c, &l, e) < 0 || walk(c, l.id, add_to_summary, &s, e) < 0 ||
		mlist_pending_all(
			c->ctx->store, c->arena, l.id, MLIST_PENDING_POST, &held, &count, e) < 0)
		return -1;
	j = ops_row(c);
	put_list(c, j, &l);
	for (int i = 0; state_str(i); i++)
		json_kv_u64(j, state_str(i), s.state[i]);
	put_names(j, "owners", &s, MLIST_OWNER);
	put_names(j, "moderators", &s, MLIST_MODERATOR);
	json_kv_u64(j, "held", count);
	return ops_row_end(c, e);
}

struct member_list {
	struct ops_call *call;
	int state; /* -1 any */
};

static FIBER int put_member(void *arg, const struct mlist_member *m, struct err *e)
{
	const struct member_list *l = arg;
	struct json_out *j;

	if (l->state >= 0 && (int)m->state != l->state)
		return 0;
	j = ops_row(l->call);
	json_kv_span(j, "address", m->address);
	json_kv_span(j, "name", m->name);
	put_roles(j, m->role);
	json_kv_str(j, "state", state_str((int)m->state));
	json_kv_u64(j, "bounce_score", m->bounce_score);
	ops_put_time(j, "bounced_at", m->bounce_ns);
	ops_put_time(j, "joined_at", m->joined_ns);
	return ops_row_end(l->call, e);
}

FIBER int op_list_members(struct ops_call *c, struct err *e)
{
	struct member_list l = {.call = c, .state = -1};
	struct mlist_info list;

	if (find(c, &list, e) < 0 || word_arg(c, "state", state_str, &l.state, e) < 0)
		return -1;
	return walk(c, list.id, put_member, &l, e);
}

/* What is asked of each of the addresses. */
struct change {
	const struct json_in *name;
	unsigned role; /* 0: not said */
	int state;     /* -1: not said */
};

static int change_args(struct ops_call *c, struct change *ch, struct err *e)
{
	const struct json_in *role = json_in_get(c->args, "role");

	*ch = (struct change){.name = json_in_get(c->args, "name"), .state = -1};
	if ((role && roles_of(json_in_span(role), &ch->role, e) < 0) ||
		word_arg(c, "state", state_str, &ch->state, e) < 0)
		return -1;
	if (ch->state == MLIST_BOUNCING)
		return err_set(
			e, ERR_SYNTAX, "state: active or paused; only bounces make it bouncing");
	return 0;
}

static FIBER int change_one(struct ops_call *c, uint64_t list_id, struct span address,
	const struct change *ch, bool is_add, struct err *e)
{
	struct mlist_member m = {.address = address, .role = MLIST_RECEIVES};
	struct json_out *j;
	uint64_t added = 0;

	if (!is_add && mlist_member_get(c->ctx->store, c->arena, list_id, address, &m, e) < 0)
		return -1;
	if (ch->name)
		m.name = json_in_span(ch->name);
	if (ch->role)
		m.role = ch->role;
	if (ch->state >= 0)
		m.state = (enum mlist_state)ch->state;
	if (is_add ? mlist_member_add_many(c->ctx->store, list_id, &m, 1, &added, e) < 0
		   : mlist_member_put(c->ctx->store, list_id, &m, NULL, e) < 0)
		return -1;
	j = ops_row(c);
	json_kv_span(j, "address", address);
	json_kv_str(j, "result", !is_add ? "changed" : added ? "added" : "is a member already");
	return ops_row_end(c, e);
}

/* All addresses are looked at before the first is changed. */
static FIBER int each_address(struct ops_call *c, bool is_add, struct err *e)
{
	const struct json_in *addresses = json_in_get(c->args, "addresses");
	struct mlist_info l;
	struct change ch;

	if (find(c, &l, e) < 0 || change_args(c, &ch, e) < 0)
		return -1;
	for (size_t i = 0; i < json_in_count(addresses); i++) {
		if (check_address(c, json_in_span(json_in_at(addresses, i)), e) < 0)
			return -1;
	}
	for (size_t i = 0; i < json_in_count(addresses); i++) {
		if (change_one(c, l.id, json_in_span(json_in_at(addresses, i)), &ch, is_add, e) < 0)
			return -1;
	}
	return 0;
}

FIBER int op_list_member_add(struct ops_call *c, struct err *e)
{
	return each_address(c, true, e);
}

FIBER int op_list_member_set(struct ops_call *c, struct err *e)
{
	return each_address(c, false, e);
}

FIBER int op_list_member_remove(struct ops_call *c, struct err *e)
{
	const struct json_in *addresses = json_in_get(c->args, "addresses");
	struct mlist_info l;

	if (find(c, &l, e) < 0)
		return -1;
	for (size_t i = 0; i < json_in_count(addresses); i++) {
		struct span address = json_in_span(json_in_at(addresses, i));
		struct json_out *j;

		if (mlist_member_remove(c->ctx->store, l.id, address, e) < 0)
			return -1;
		j = ops_row(c);
		json_kv_span(j, "address", address);
		json_kv_str(j, "result", "removed");
		if (ops_row_end(c, e) < 0)
			return -1;
	}
	return 0;
}

/* One page of an import: the addresses that are none come back with their place in it. */
FIBER int op_list_import(struct ops_call *c, struct err *e)
{
	const struct json_in *members = json_in_get(c->args, "members");
	size_t count = json_in_count(members), good = 0;
	struct mlist_member *m = ARENA_ARRAY(c->arena, struct mlist_member, count + 1);
	struct mlist_info l;
	struct json_out *j;
	uint64_t added = 0;

	if (find(c, &l, e) < 0)
		return -1;
	if (count > MLIST_PAGE)
		return err_set(e, ERR_SYNTAX, "more than %d members at once", MLIST_PAGE);
	for (size_t i = 0; i < count; i++) {
		const struct json_in *one = json_in_at(members, i);
		struct err why = {0};

		m[good] = (struct mlist_member){.address = json_in_text(one, "address"),
			.name = json_in_text(one, "name"),
			.role = MLIST_RECEIVES};
		if (check_address(c, m[good].address, &why) == 0) {
			good++;
			continue;
		}
		j = ops_row(c);
		json_kv_u64(j, "bad", i);
		json_kv_str(j, "reason", why.text);
		if (ops_row_end(c, e) < 0)
			return -1;
	}
	if (mlist_member_add_many(c->ctx->store, l.id, m, good, &added, e) < 0)
		return -1;
	j = ops_row(c);
	json_kv_u64(j, "added", added);
	json_kv_u64(j, "present", good - added);
	return ops_row_end(c, e);
}

/* ---- posts that wait for a moderator ---- */

FIBER int op_list_held(struct ops_call *c, struct err *e)
{
	static const char *const verdicts[] = {
		[MLIST_UNDECIDED] = "", [MLIST_YES] = "approved", [MLIST_NO] = "rejected"};
	struct mlist_pending *held = NULL;
	struct mlist_info l;
	size_t count = 0;

	if (find(c, &l, e) < 0 ||
		mlist_pending_all(
			c->ctx->store, c->arena, l.id, MLIST_PENDING_POST, &held, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct json_out *j = ops_row(c);

		json_kv_span(j, "token", held[i].token);
		json_kv_span(j, "address", held[i].address);
		json_kv_span(j, "subject", held[i].subject);
		ops_put_id(j, "id", held[i].msg_id);
		ops_put_time(j, "held_at", held[i].made_ns);
		ops_put_time(j, "expires_at", held[i].expires_ns);
		json_kv_str(j, "verdict",
			(size_t)held[i].verdict < ARRAY_LEN(verdicts) ? verdicts[held[i].verdict]
								      : "");
		if (ops_row_end(c, e) < 0)
			return -1;
	}
	return 0;
}

static FIBER int find_held(struct ops_call *c, const struct mlist_info *l, struct span token,
	struct mlist_pending *p_r, struct err *e)
{
	struct err why = {0};

	if (mlist_pending_get(c->ctx->store, c->arena, token, p_r, &why) == 0 &&
		p_r->list_id == l->id && p_r->kind == MLIST_PENDING_POST)
		return 0;
	if (why.code && why.code != ERR_NOT_FOUND)
		return err_copy(e, &why);
	return err_set(e, ERR_NOT_FOUND,
		"no post waits under '" SPAN_FMT "': see yizhan list held %s",
		SPAN_ARG(span_sub(token, 0, 64)), address_of(c->arena, l));
}

static FIBER int decide_one(struct ops_call *c, const struct mlist_info *l,
	const struct mlist_pending *p, enum mlist_verdict verdict, struct err *e)
{
	const char *what = verdict == MLIST_YES ? "approved" : "rejected";
	struct spool_filter f = {.msg_id = p->msg_id};
	struct json_out *j;

	if (mlist_pending_decide(c->ctx->store, p->token, verdict, e) < 0 || kick(c, &f, e) < 0)
		return -1;
	if (c->ctx->host)
		log_event(&c->ctx->host->log, LOG_INFO, "list.decided", LF_STR("what", what),
			LF("by", c->ctx->by), LF_ID("id", p->msg_id),
			LF_STR("list", address_of(c->arena, l)), LF("author", p->address));
	j = ops_row(c);
	json_kv_span(j, "token", p->token);
	ops_put_id(j, "id", p->msg_id);
	json_kv_str(j, "result", what);
	return ops_row_end(c, e);
}

static FIBER int decide(struct ops_call *c, enum mlist_verdict verdict, struct err *e)
{
	const struct json_in *tokens = json_in_get(c->args, "tokens");
	size_t count = json_in_count(tokens);
	struct mlist_pending *p = ARENA_ARRAY(c->arena, struct mlist_pending, count + 1);
	struct mlist_info l;

	if (find(c, &l, e) < 0)
		return -1;
	/* A mistyped token decides nothing. */
	for (size_t i = 0; i < count; i++) {
		if (find_held(c, &l, json_in_span(json_in_at(tokens, i)), &p[i], e) < 0)
			return -1;
	}
	for (size_t i = 0; i < count; i++) {
		if (decide_one(c, &l, &p[i], verdict, e) < 0)
			return -1;
	}
	return 0;
}

FIBER int op_list_approve(struct ops_call *c, struct err *e)
{
	return decide(c, MLIST_YES, e);
}

FIBER int op_list_reject(struct ops_call *c, struct err *e)
{
	return decide(c, MLIST_NO, e);
}
