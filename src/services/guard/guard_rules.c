#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "services/guard/guard_priv.h"

/* ---- networks ---- */

static unsigned char *bytes_of(struct addr *a)
{
	return a->sa.sa_family == AF_INET ? (unsigned char *)&a->in4.sin_addr
					  : a->in6.sin6_addr.s6_addr;
}

static unsigned width_of(const struct addr *a)
{
	return a->sa.sa_family == AF_INET ? 32 : 128;
}

static void mask(struct addr_net *net, unsigned bits)
{
	unsigned char *p = bytes_of(&net->base);

	for (unsigned i = bits; i < width_of(&net->base); i++)
		p[i / 8] &= (unsigned char)~(0x80U >> (i % 8));
	net->bits = bits;
}

bool guard_net_of(const struct addr *peer, struct addr_net *net_r)
{
	*net_r = (struct addr_net){.base = *peer};
	addr_unmap(&net_r->base);
	if (!addr_is_ip(&net_r->base))
		return false;
	addr_set_port(&net_r->base, 0);
	mask(net_r, net_r->base.sa.sa_family == AF_INET ? 32 : GUARD_SHIELD_BIT);
	return true;
}

void guard_net_put(struct buf *b, const struct addr_net *net)
{
	addr_put_ip(b, &net->base);
	if (net->bits < width_of(&net->base))
		buf_printf(b, "/%u", net->bits);
}

/* IPv4 stands in the first word above what an IPv6 prefix leaves free in the second. */
struct guard_key guard_net_key(const struct addr_net *net)
{
	struct guard_key key = {0};

	if (net->base.sa.sa_family == AF_INET) {
		key.word[0] = ntohl(net->base.in4.sin_addr.s_addr);
		key.word[1] = 4;
	} else {
		memcpy(&key.word[0], net->base.in6.sin6_addr.s6_addr, 8);
		key.word[1] = 6;
	}
	return key;
}

bool guard_net_holds(const struct addr_net *net, const struct guard_key *key)
{
	struct addr a = {0};

	if (key->word[1] == 4) {
		a.len = sizeof(a.in4);
		a.in4.sin_family = AF_INET;
		a.in4.sin_addr.s_addr = htonl((uint32_t)key->word[0]);
	} else {
		a.len = sizeof(a.in6);
		a.in6.sin6_family = AF_INET6;
		memcpy(a.in6.sin6_addr.s6_addr, &key->word[0], 8);
	}
	/* of a rule for less than what is counted as one, the whole is meant */
	if (net->base.sa.sa_family == AF_INET6 && net->bits > GUARD_SHIELD_BIT) {
		struct addr_net wide = *net;

		mask(&wide, GUARD_SHIELD_BIT);
		return addr_net_has(&wide, &a);
	}
	return addr_net_has(net, &a);
}

/* ---- the rules ---- */

struct rule_key {
	unsigned char family, bits, prefix[16];
};

static struct rule_key key_of(const struct addr *base, unsigned bits)
{
	struct addr_net net = {.base = *base};
	struct rule_key k = {.bits = (unsigned char)bits};

	mask(&net, bits);
	k.family = net.base.sa.sa_family == AF_INET ? 4 : 6;
	memcpy(k.prefix, bytes_of(&net.base), width_of(&net.base) / 8);
	return k;
}

static unsigned *used_of(struct guard_rules *r, const struct addr *a)
{
	return a->sa.sa_family == AF_INET ? r->used4 : r->used6;
}

static struct guard_rule *rule_at(struct guard_rules *r, const struct addr *base, unsigned bits)
{
	struct rule_key k = key_of(base, bits);

	return hash_map_get(&r->map, span_of(&k, sizeof(k)));
}

static void rule_free(struct guard_rule *rule)
{
	free(rule->network);
	free(rule->reason);
	free(rule->made_by);
	free(rule);
}

static void rule_drop(struct guard_rules *r, struct guard_rule *rule)
{
	struct rule_key k = key_of(&rule->net.base, rule->net.bits);

	hash_map_remove(&r->map, span_of(&k, sizeof(k)));
	used_of(r, &rule->net.base)[rule->net.bits]--;
	rule_free(rule);
}

void guard_rules_init(struct guard_rules *r, const struct hash_key *hash)
{
	*r = (struct guard_rules){0};
	pthread_rwlock_init(&r->lock, NULL);
	hash_map_init(&r->map, *hash);
}

void guard_rules_fini(struct guard_rules *r)
{
	struct span name;
	void *rule;

	for (size_t at = 0; hash_map_next(&r->map, &at, &name, &rule);)
		rule_free(rule);
	hash_map_fini(&r->map);
	free(r->trusted);
	pthread_rwlock_destroy(&r->lock);
}

void guard_rules_trust(struct guard_rules *r, const struct addr_net *trusted, size_t count)
{
	struct addr_net *copy, *was;

	if (count > GUARD_TRUST_MAX)
		count = GUARD_TRUST_MAX;
	copy = mem_alloc((count + 1) * sizeof(*copy));
	for (size_t i = 0; i < count; i++)
		copy[i] = trusted[i];
	pthread_rwlock_wrlock(&r->lock);
	was = r->trusted;
	r->trusted = copy;
	r->trusted_count = count;
	pthread_rwlock_unlock(&r->lock);
	free(was);
}

static void sweep(struct guard_rules *r, int64_t now_ns)
{
	struct span name;
	void *value;

	if (r->swept_ns && now_ns - r->swept_ns < GUARD_SWEEP_NS)
		return;
	r->swept_ns = now_ns;
	for (size_t at = 0; hash_map_next(&r->map, &at, &name, &value);) {
		struct guard_rule *rule = value;

		if (rule->end_ns <= now_ns)
			rule_drop(r, rule);
	}
}

static struct guard_rule *rule_new(
	const struct addr_net *net, const struct guard_row *row, int64_t now_ns, int64_t wall_ns)
{
	struct guard_rule *rule = NEW(struct guard_rule);
	struct buf b;

	buf_init(&b, ADDR_TEXT_MAX);
	guard_net_put(&b, net);
	rule->network = buf_steal(&b, NULL);
	buf_fini(&b);
	rule->net = *net;
	rule->kind = row->kind;
	rule->reason = mem_dup(row->reason.ptr, row->reason.len);
	rule->made_by = mem_dup(row->made_by.ptr, row->made_by.len);
	rule->made_ns = row->made_ns;
	rule->until_ns = row->until_ns;
	rule->end_ns = row->until_ns ? now_ns + (row->until_ns - wall_ns) : CLOCK_NEVER;
	rule->refused = row->refused;
	rule->is_own = row->kind == GUARD_BAN && span_eq(row->made_by, SPAN(GUARD_OWN));
	return rule;
}

bool guard_rules_put(struct guard_rules *r, const struct addr_net *net, const struct guard_row *row,
	int64_t now_ns, int64_t wall_ns)
{
	struct guard_rule *rule = rule_new(net, row, now_ns, wall_ns), *was;
	struct rule_key k = key_of(&net->base, net->bits);
	bool is_room;

	pthread_rwlock_wrlock(&r->lock);
	sweep(r, now_ns);
	is_room = hash_map_count(&r->map) < GUARD_RULES_MAX;
	if (is_room) {
		was = rule_at(r, &net->base, net->bits);
		if (was)
			rule_drop(r, was);
		hash_map_set(&r->map, span_of(&k, sizeof(k)), rule);
		used_of(r, &net->base)[net->bits]++;
	}
	pthread_rwlock_unlock(&r->lock);
	if (!is_room)
		rule_free(rule);
	return is_room;
}

bool guard_rules_drop(struct guard_rules *r, const struct addr_net *net)
{
	struct guard_rule *rule;

	pthread_rwlock_wrlock(&r->lock);
	rule = rule_at(r, &net->base, net->bits);
	if (rule)
		rule_drop(r, rule);
	pthread_rwlock_unlock(&r->lock);
	return rule != NULL;
}

/* The narrowest network that has something to say now. */
static struct guard_rule *narrowest(struct guard_rules *r, const struct addr *a, int64_t now_ns)
{
	const unsigned *used = used_of(r, a);

	for (unsigned bits = width_of(a) + 1; bits-- > 0;) {
		struct guard_rule *rule = used[bits] ? rule_at(r, a, bits) : NULL;

		if (rule && rule->end_ns > now_ns)
			return rule;
	}
	return NULL;
}

static bool is_trusted(const struct guard_rules *r, const struct addr *a)
{
	for (size_t i = 0; i < r->trusted_count; i++) {
		if (addr_net_has(&r->trusted[i], a))
			return true;
	}
	return false;
}

void guard_rules_look(struct guard_rules *r, const struct addr *peer, int64_t now_ns, bool is_login,
	bool is_counted, struct guard_verdict *v_r)
{
	struct addr a = *peer;
	struct guard_rule *rule;

	*v_r = (struct guard_verdict){.is_exempt = true};
	addr_unmap(&a);
	if (!addr_is_ip(&a) || addr_is_loopback(&a))
		return;
	pthread_rwlock_rdlock(&r->lock);
	v_r->is_exempt = is_trusted(r, &a);
	rule = v_r->is_exempt ? NULL : narrowest(r, &a, now_ns);
	if (rule && rule->kind == GUARD_ALLOW) {
		v_r->is_exempt = true;
	} else if (rule && (is_login || !rule->is_own)) {
		v_r->is_banned = true;
		v_r->is_own = rule->is_own;
		v_r->end_ns = rule->end_ns;
		v_r->until_ns = rule->until_ns;
		if (is_counted)
			__atomic_add_fetch(&rule->refused, 1, __ATOMIC_RELAXED);
	}
	pthread_rwlock_unlock(&r->lock);
}

bool guard_rules_trusts(struct guard_rules *r, const struct addr_net *net)
{
	bool is_in = false;

	pthread_rwlock_rdlock(&r->lock);
	for (size_t i = 0; i < r->trusted_count && !is_in; i++)
		is_in = r->trusted[i].bits <= net->bits && addr_net_has(&r->trusted[i], &net->base);
	pthread_rwlock_unlock(&r->lock);
	return is_in;
}

struct span guard_rules_above(struct guard_rules *r, struct arena *a, const struct addr_net *net)
{
	struct span text = SPAN_NONE;

	pthread_rwlock_rdlock(&r->lock);
	for (unsigned bits = net->bits; bits-- > 0 && !text.len;) {
		struct guard_rule *rule = rule_at(r, &net->base, bits);

		if (rule)
			text = arena_span(a, span_str(rule->network));
	}
	pthread_rwlock_unlock(&r->lock);
	return text;
}

static int by_age(const void *x, const void *y)
{
	const struct guard_row *a = x, *b = y;

	return a->made_ns != b->made_ns ? (a->made_ns < b->made_ns ? -1 : 1)
					: span_cmp(a->network, b->network);
}

size_t guard_rules_list(
	struct guard_rules *r, struct arena *a, int64_t now_ns, struct guard_row **rows_r)
{
	struct guard_row *rows;
	struct span name;
	size_t count = 0;
	void *value;

	pthread_rwlock_rdlock(&r->lock);
	rows = ARENA_ARRAY(a, struct guard_row, hash_map_count(&r->map) + 1);
	for (size_t at = 0; hash_map_next(&r->map, &at, &name, &value);) {
		const struct guard_rule *rule = value;

		if (rule->end_ns <= now_ns)
			continue;
		rows[count++] = (struct guard_row){
			.network = arena_span(a, span_str(rule->network)),
			.kind = rule->kind,
			.reason = arena_span(a, span_str(rule->reason)),
			.made_by = arena_span(a, span_str(rule->made_by)),
			.made_ns = rule->made_ns,
			.until_ns = rule->until_ns,
			.refused = __atomic_load_n(&rule->refused, __ATOMIC_RELAXED)};
	}
	pthread_rwlock_unlock(&r->lock);
	qsort(rows, count, sizeof(*rows), by_age);
	*rows_r = rows;
	return count;
}

size_t guard_rules_count(struct guard_rules *r)
{
	size_t count;

	pthread_rwlock_rdlock(&r->lock);
	count = hash_map_count(&r->map);
	pthread_rwlock_unlock(&r->lock);
	return count;
}
