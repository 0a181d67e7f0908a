#include <stdlib.h>
#include <sys/random.h>

#include "base/mem.h"
#include "store/bans.h"
#include "services/guard/guard_priv.h"

_Static_assert((int)GUARD_BAN == (int)BAN_REFUSE && (int)GUARD_ALLOW == (int)BAN_ALLOW,
	"the store keeps these numbers");

void guard_limits_default(struct guard_limits *l)
{
	*l = (struct guard_limits){.network_failures = 10,
		.network_ns = 10 * CLOCK_MIN,
		.account_failures = 20,
		.account_ns = CLOCK_HOUR,
		.ban_ns = 15 * CLOCK_MIN,
		.ban_max_ns = CLOCK_DAY,
		.known_ns = 14 * CLOCK_DAY,
		.entries_max = 65536};
}

struct guard *guard_new(const struct guard_opts *opts)
{
	struct guard *g = NEW(struct guard);
	struct guard_table *tables[] = {&g->networks, &g->accounts, &g->pairs, &g->wrongs};

	g->opts = *opts;
	g->limits = opts->limits;
	pthread_rwlock_init(&g->limits_lock, NULL);
	MUST(getrandom(&g->hash, sizeof(g->hash), 0) == sizeof(g->hash));
	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		guard_table_init(tables[i], &g->hash, opts->limits.entries_max);
	guard_rules_init(&g->rules, &g->hash);
	guard_rules_trust(&g->rules, opts->trusted, opts->trusted_count);
	return g;
}

void guard_free(struct guard **g)
{
	struct guard *was = *g;

	*g = NULL;
	if (!was)
		return;
	guard_table_fini(&was->networks);
	guard_table_fini(&was->accounts);
	guard_table_fini(&was->pairs);
	guard_table_fini(&was->wrongs);
	guard_rules_fini(&was->rules);
	pthread_rwlock_destroy(&was->limits_lock);
	free(was);
}

/* How often it was banned in a row before: what the length of its last ban tells. */
static void remember_ban(struct guard *g, const struct addr_net *net, const struct ban_row *row)
{
	struct guard_key key = guard_net_key(net);
	struct guard_slot *slot = guard_table_take(&g->networks, &key, true);
	int64_t now = loop_now_ns(), wall = loop_wall_ns();

	slot->ban_end_ns = now + (row->until_ns - wall);
	for (int64_t ns = g->limits.ban_ns;
		slot->bans < GUARD_STEPS_MAX && ns <= row->until_ns - row->made_ns; ns *= 2)
		slot->bans++;
	guard_table_done(&g->networks, &key);
}

FIBER int guard_begin(struct guard *g, struct err *e)
{
	struct arena *a = arena_new();
	struct ban_row *rows = NULL;
	struct addr_net net;
	size_t count = 0;
	int rc = bans_load(g->opts.store, a, loop_wall_ns(), &rows, &count, e);

	for (size_t i = 0; rc == 0 && i < count; i++) {
		struct guard_row row = {rows[i].network, (enum guard_kind)rows[i].kind,
			rows[i].reason, rows[i].made_by, rows[i].made_ns, rows[i].until_ns, 0};

		if (addr_net_parse(row.network, &net, NULL) < 0)
			continue;
		guard_rules_put(&g->rules, &net, &row, loop_now_ns(), loop_wall_ns());
		if (span_eq(row.made_by, SPAN(GUARD_OWN)) && row.until_ns)
			remember_ban(g, &net, &rows[i]);
	}
	arena_free(&a);
	return rc;
}

void guard_limits_set(struct guard *g, const struct guard_limits *l, const struct addr_net *trusted,
	size_t trusted_count)
{
	pthread_rwlock_wrlock(&g->limits_lock);
	g->limits = *l;
	pthread_rwlock_unlock(&g->limits_lock);
	guard_rules_trust(&g->rules, trusted, trusted_count);
}

static void limits_get(struct guard *g, struct guard_limits *l)
{
	pthread_rwlock_rdlock(&g->limits_lock);
	*l = g->limits;
	pthread_rwlock_unlock(&g->limits_lock);
}

static void count_one(uint64_t *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

bool guard_admits(struct guard *g, const struct addr *peer, bool is_login, struct buf *why)
{
	struct guard_verdict v;

	guard_rules_look(&g->rules, peer, loop_now_ns(), is_login, true, &v);
	if (!v.is_banned)
		return true;
	count_one(&g->counters.refused);
	if (!why)
		return false;
	buf_str(why,
		v.is_own ? "Too many failed logins from your network"
			 : "Your network is not admitted here");
	if (v.until_ns) {
		buf_str(why, v.is_own ? ", try again after " : " until ");
		clock_put_rfc3339(why, v.until_ns / CLOCK_SEC);
	}
	return false;
}

/* ---- failures ---- */

/* Who tries to log in, as which keys. */
struct attempt {
	struct guard_limits limits;
	struct gcra_rate network_rate, account_rate;
	int64_t now_ns;
	bool has_net;
	struct addr_net net;
	struct guard_key net_key, account_key, pair_key;
};

static struct guard_key key_hash(const struct guard *g, uint64_t mark, struct span bytes)
{
	struct hash_key other = {g->hash.k1 ^ mark, ~g->hash.k0};
	struct guard_key key = {{hash_bytes(&g->hash, bytes) ^ mark, hash_bytes(&other, bytes)}};

	return key;
}

/* All names of one account's credentials are one: what stands behind '#' is of an app password. */
static struct guard_key account_key(const struct guard *g, struct span user)
{
	ptrdiff_t app = span_rfind(user, '#');
	struct guard_key key;
	struct buf b;

	if (app >= 0)
		user = span_sub(user, 0, (size_t)app);
	user = span_sub(user, 0, GUARD_USER_MAX);
	buf_init(&b, GUARD_USER_MAX);
	for (size_t i = 0; i < user.len; i++)
		buf_char(&b, (char)span_lower((unsigned char)user.ptr[i]));
	key = key_hash(g, 1, buf_span(&b));
	buf_fini(&b);
	return key;
}

static struct guard_key pair_key(
	const struct guard *g, const struct guard_key *a, const struct guard_key *b, uint64_t mark)
{
	uint64_t words[5] = {a->word[0], a->word[1], b->word[0], b->word[1], mark};

	return key_hash(g, 2, span_of(words, sizeof(words)));
}

static struct gcra_rate rate_of(unsigned failures, int64_t period_ns)
{
	return (struct gcra_rate){failures, period_ns, failures};
}

static void attempt_init(
	struct attempt *t, struct guard *g, const struct addr *peer, struct span user)
{
	*t = (struct attempt){.now_ns = loop_now_ns()};
	limits_get(g, &t->limits);
	t->network_rate = rate_of(t->limits.network_failures, t->limits.network_ns);
	t->account_rate = rate_of(t->limits.account_failures, t->limits.account_ns);
	t->has_net = guard_net_of(peer, &t->net);
	if (t->has_net)
		t->net_key = guard_net_key(&t->net);
	t->account_key = account_key(g, user);
	t->pair_key = pair_key(g, &t->account_key, &t->net_key, 0);
}

static bool is_since(int64_t seen_ns, int64_t period_ns, int64_t now_ns)
{
	return seen_ns && now_ns - seen_ns < period_ns;
}

static int64_t wait_of(struct guard_table *table, const struct guard_key *key,
	const struct gcra_rate *rate, int64_t now_ns)
{
	struct guard_slot *slot = guard_table_take(table, key, false);
	int64_t wait = slot ? gcra_wait(&slot->failures, rate, now_ns) : 0;

	guard_table_done(table, key);
	return wait;
}

/* Has the account logged in from there lately? Then its failures from there are all that counts. */
static bool is_known(struct guard *g, const struct attempt *t)
{
	struct guard_slot *slot = guard_table_take(&g->pairs, &t->pair_key, false);
	bool is = slot && is_since(slot->seen_ns, t->limits.known_ns, t->now_ns);

	guard_table_done(&g->pairs, &t->pair_key);
	return is;
}

static int64_t stranger_wait(struct guard *g, const struct attempt *t, const struct addr *peer)
{
	int64_t account = wait_of(&g->accounts, &t->account_key, &t->account_rate, t->now_ns);
	int64_t network = 0;
	struct guard_verdict v;

	guard_rules_look(&g->rules, peer, t->now_ns, true, false, &v);
	if (v.is_banned)
		network = v.end_ns == CLOCK_NEVER ? t->limits.ban_max_ns : v.end_ns - t->now_ns;
	else if (!v.is_exempt)
		network = wait_of(&g->networks, &t->net_key, &t->network_rate, t->now_ns);
	return network > account ? network : account;
}

bool guard_login_may(struct guard *g, const struct addr *peer, struct span user, int64_t *wait_ns_r)
{
	struct attempt t;

	attempt_init(&t, g, peer, user);
	*wait_ns_r = is_known(g, &t) ? wait_of(&g->pairs, &t.pair_key, &t.account_rate, t.now_ns)
				     : stranger_wait(g, &t, peer);
	if (*wait_ns_r > 0)
		count_one(&g->counters.waits);
	return *wait_ns_r <= 0;
}

/* Count it; true: that was the last one that was free. */
static bool count_failure(struct guard_table *table, const struct guard_key *key,
	const struct gcra_rate *rate, int64_t now_ns)
{
	struct guard_slot *slot = guard_table_take(table, key, true);
	bool is_last = gcra_take(&slot->failures, rate, now_ns) == 0 &&
		gcra_wait(&slot->failures, rate, now_ns) > 0;

	guard_table_done(table, key);
	return is_last;
}

/* Was this very password refused there for this account before? */
static bool is_repeated(struct guard *g, const struct attempt *t, uint64_t password_mark)
{
	struct guard_key key = pair_key(g, &t->account_key, &t->net_key, password_mark | 1);
	struct guard_slot *slot = guard_table_take(&g->wrongs, &key, true);
	bool is = is_since(slot->seen_ns, t->limits.account_ns, t->now_ns);

	slot->seen_ns = t->now_ns;
	guard_table_done(&g->wrongs, &key);
	return is;
}

/* For how long this time; 0: somebody has logged in from there, so it is only slowed. */
static int64_t ban_length(struct guard *g, const struct attempt *t)
{
	struct guard_slot *slot = guard_table_take(&g->networks, &t->net_key, true);
	int64_t ns = t->limits.ban_ns;

	if (is_since(slot->seen_ns, GUARD_GOOD_NS, t->now_ns)) {
		ns = 0;
	} else {
		if (slot->bans && t->now_ns - slot->ban_end_ns > t->limits.ban_max_ns)
			slot->bans = 0;
		for (unsigned i = 0; i < slot->bans && ns < t->limits.ban_max_ns; i++)
			ns *= 2;
		if (ns > t->limits.ban_max_ns)
			ns = t->limits.ban_max_ns;
		if (slot->bans < GUARD_STEPS_MAX)
			slot->bans++;
		slot->ban_end_ns = t->now_ns + ns;
		slot->failures = (struct gcra){0};
	}
	guard_table_done(&g->networks, &t->net_key);
	return ns;
}

static void log_ban(struct guard *g, struct span network, struct span reason, int64_t ns)
{
	struct buf b;

	if (!g->opts.log)
		return;
	buf_init(&b, 64);
	clock_put_duration(&b, ns);
	log_event(g->opts.log, LOG_WARN, "guard.banned", LF("network", network),
		LF("for", buf_span(&b)), LF("reason", reason));
	buf_fini(&b);
}

static void ban(struct guard *g, const struct attempt *t)
{
	int64_t ns = ban_length(g, t), wall = loop_wall_ns();
	struct buf network, reason;

	buf_init(&network, ADDR_TEXT_MAX);
	buf_init(&reason, BAN_TEXT_MAX);
	guard_net_put(&network, &t->net);
	buf_printf(&reason, "%u failed logins within ", t->limits.network_failures);
	clock_put_duration(&reason, t->limits.network_ns);
	struct guard_row row = {.network = buf_span(&network),
		.kind = GUARD_BAN,
		.reason = buf_span(&reason),
		.made_by = SPAN(GUARD_OWN),
		.made_ns = wall,
		.until_ns = wall + ns};
	/* without room it is slowed all the same */
	if (ns > 0 && guard_rules_put(&g->rules, &t->net, &row, t->now_ns, wall)) {
		struct ban_row kept = {row.network, BAN_REFUSE, row.reason, row.made_by,
			row.made_ns, row.until_ns};

		count_one(&g->counters.bans);
		log_ban(g, row.network, row.reason, ns);
		if (g->opts.store)
			ban_set_later(g->opts.store, &kept);
	} else if (g->opts.log) {
		log_event(g->opts.log, LOG_WARN, "guard.slowed", LF("network", row.network),
			LF("reason", row.reason));
	}
	buf_fini(&reason);
	buf_fini(&network);
}

static void tell_good(struct guard *g, const struct attempt *t)
{
	struct guard_slot *slot = guard_table_take(&g->pairs, &t->pair_key, true);

	slot->seen_ns = t->now_ns;
	slot->failures = (struct gcra){0};
	guard_table_done(&g->pairs, &t->pair_key);
	if (!t->has_net)
		return;
	slot = guard_table_take(&g->networks, &t->net_key, true);
	slot->seen_ns = t->now_ns;
	guard_table_done(&g->networks, &t->net_key);
}

void guard_login_tell(struct guard *g, const struct addr *peer, struct span user,
	uint64_t account_id, bool is_good, uint64_t password_mark)
{
	struct guard_verdict v;
	struct attempt t;

	(void)account_id; /* those who do not exist are counted as those who do */
	attempt_init(&t, g, peer, user);
	if (is_good) {
		tell_good(g, &t);
		return;
	}
	if (password_mark && is_repeated(g, &t, password_mark)) {
		count_one(&g->counters.repeated);
		return;
	}
	count_one(&g->counters.failures);
	if (is_known(g, &t)) {
		count_failure(&g->pairs, &t.pair_key, &t.account_rate, t.now_ns);
		return;
	}
	count_failure(&g->accounts, &t.account_key, &t.account_rate, t.now_ns);
	guard_rules_look(&g->rules, peer, t.now_ns, true, false, &v);
	if (!v.is_exempt && !v.is_banned &&
		count_failure(&g->networks, &t.net_key, &t.network_rate, t.now_ns))
		ban(g, &t);
}

/* ---- for administrators ---- */

static int check_row(
	struct guard *g, const struct guard_row *row, struct addr_net *net, struct err *e)
{
	if (addr_net_parse(row->network, net, e) < 0)
		return -1;
	if (row->reason.len > BAN_TEXT_MAX || row->made_by.len > BAN_TEXT_MAX ||
		span_has_line_break(row->reason))
		return err_set(
			e, ERR_SYNTAX, "a reason is one line of at most %d octets", BAN_TEXT_MAX);
	if (row->kind == GUARD_BAN && addr_is_loopback(&net->base) && net->bits >= 8)
		return err_set(e, ERR_DENIED, "loopback is never banned");
	if (row->kind == GUARD_BAN && guard_rules_trusts(&g->rules, net))
		return err_set(e, ERR_DENIED,
			"this network is in relay_networks or proxy_networks: it is never banned");
	return 0;
}

FIBER int guard_set(struct guard *g, const struct guard_row *row, struct err *e)
{
	struct addr_net net;
	struct buf network;
	int rc = -1;

	if (check_row(g, row, &net, e) < 0)
		return -1;
	buf_init(&network, ADDR_TEXT_MAX);
	guard_net_put(&network, &net);
	struct ban_row kept = {buf_span(&network), (enum ban_kind)row->kind, row->reason,
		row->made_by, row->made_ns, row->until_ns};

	if (guard_rules_count(&g->rules) >= GUARD_RULES_MAX)
		err_set(e, ERR_LIMIT, "there are %d bans and allowances", GUARD_RULES_MAX);
	else
		rc = g->opts.store ? ban_set(g->opts.store, &kept, e) : 0;
	if (rc == 0)
		guard_rules_put(&g->rules, &net, row, loop_now_ns(), loop_wall_ns());
	buf_fini(&network);
	return rc;
}

static bool holds(void *arg, const struct guard_key *key)
{
	return guard_net_holds(arg, key);
}

static int not_there(
	struct guard *g, const struct addr_net *net, struct span network, struct err *e)
{
	struct arena *a = arena_new();
	struct span above = guard_rules_above(&g->rules, a, net);

	if (above.len)
		err_set(e, ERR_NOT_FOUND, SPAN_FMT " itself is not listed; it lies in " SPAN_FMT,
			SPAN_ARG(span_sub(network, 0, ADDR_TEXT_MAX)), SPAN_ARG(above));
	else
		err_set(e, ERR_NOT_FOUND, SPAN_FMT " is not listed (see: yizhan ban list)",
			SPAN_ARG(span_sub(network, 0, ADDR_TEXT_MAX)));
	arena_free(&a);
	return -1;
}

FIBER int guard_remove(struct guard *g, struct span network, struct err *e)
{
	struct addr_net net;
	struct err kept = {.code = ERR_NOT_FOUND};
	struct buf b;
	int rc = -1;

	if (addr_net_parse(network, &net, e) < 0)
		return -1;
	buf_init(&b, ADDR_TEXT_MAX);
	guard_net_put(&b, &net);
	/* one of its own may not be written yet: then its place in the queue of the writer is before
	 * ours */
	if (g->opts.store)
		rc = ban_remove(g->opts.store, buf_span(&b), &kept);
	if (guard_rules_drop(&g->rules, &net) && rc < 0 && kept.code == ERR_NOT_FOUND)
		rc = 0;
	guard_table_forget(&g->networks, holds, &net);
	if (rc < 0 && kept.code == ERR_NOT_FOUND)
		not_there(g, &net, network, e);
	else if (rc < 0)
		err_copy(e, &kept);
	buf_fini(&b);
	return rc;
}

FIBER int guard_list(
	struct guard *g, struct arena *a, struct guard_row **rows_r, size_t *count_r, struct err *e)
{
	(void)e;
	*count_r = guard_rules_list(&g->rules, a, loop_now_ns(), rows_r);
	return 0;
}

void guard_counters(struct guard *g, struct guard_counters *c_r)
{
	const struct guard_counters *c = &g->counters;

	*c_r = (struct guard_counters){.failures = __atomic_load_n(&c->failures, __ATOMIC_RELAXED),
		.repeated = __atomic_load_n(&c->repeated, __ATOMIC_RELAXED),
		.waits = __atomic_load_n(&c->waits, __ATOMIC_RELAXED),
		.bans = __atomic_load_n(&c->bans, __ATOMIC_RELAXED),
		.refused = __atomic_load_n(&c->refused, __ATOMIC_RELAXED),
		.rules = guard_rules_count(&g->rules),
		.networks = guard_table_count(&g->networks),
		.accounts = guard_table_count(&g->accounts)};
}
