#include <string.h>

#include "base/must.h"
#include "proto/mail/journey_priv.h"

static void remark(struct journey_hop *h, enum journey_remark r)
{
	h->remarks |= 1ULL << r;
}

/* ---- names ---- */

static struct span bare(struct span name)
{
	name = span_trim(name);
	if (name.len && name.ptr[name.len - 1] == '.')
		name.len--;
	return name;
}

bool journey_is_inner(struct span name)
{
	static const char *const ends[] = {".local", ".localdomain", ".localhost", ".internal",
		".lan", ".home", ".home.arpa", ".corp", ".intranet", ".private"};

	name = bare(name);
	if (span_find(name, '.') < 0)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		if (span_ends_nocase(name, span_str(ends[i])))
			return true;
	return false;
}

static size_t label_before(struct span s, size_t end)
{
	while (end && s.ptr[end - 1] != '.')
		end--;
	return end;
}

/* The registered domain as far as it can be told without a list: two labels, three below "co.uk" and
 * its like. */
static struct span site_of(struct span name)
{
	static const char *const seconds[] = {
		"co", "com", "ac", "gov", "gob", "net", "org", "edu", "or", "ne", "go", "nom"};
	size_t last, second;

	name = bare(name);
	last = label_before(name, name.len);
	if (last < 2)
		return name;
	second = label_before(name, last - 1);
	for (size_t i = 0; i < ARRAY_LEN(seconds) && name.len - last == 2 && second > 1; i++)
		if (span_eq_nocase(span_sub(name, second, last - 1 - second), span_str(seconds[i])))
			return span_skip(name, label_before(name, second - 1));
	return span_skip(name, second);
}

bool journey_same_site(struct span a, struct span b)
{
	/* one provider, two names */
	static const char *const twins[][2] = {{"gmail.com", "google.com"},
		{"googlemail.com", "google.com"}, {"amazonses.com", "amazonaws.com"},
		{"outlook.com", "office365.com"}, {"yahoo.com", "yahoo.net"},
		{"fastmail.com", "messagingengine.com"}};
	struct span x = site_of(a), y = site_of(b);

	if (!x.len || !y.len || span_find(x, '.') < 0)
		return false;
	if (span_eq_nocase(x, y))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(twins); i++)
		for (size_t k = 0; k < 2; k++)
			if (span_eq_nocase(x, span_str(twins[i][k])) &&
				span_eq_nocase(y, span_str(twins[i][!k])))
				return true;
	return false;
}

static bool is_same_name(struct span a, struct span b)
{
	return bare(a).len && span_eq_nocase(bare(a), bare(b));
}

static bool is_literal(struct span name)
{
	return name.len &&
		(name.ptr[0] == '[' ||
			(name.ptr[0] >= '0' && name.ptr[0] <= '9' &&
				name.ptr[name.len - 1] >= '0' && name.ptr[name.len - 1] <= '9'));
}

/* ---- within one host ---- */

static bool is_local(const struct received *r)
{
	if (r->kind == RECEIVED_LOCAL || r->is_unix || received_ip_is_loopback(&r->from_ip))
		return true;
	if (r->from_ip.bits)
		return false;
	return !r->helo.len || is_same_name(r->helo, r->by) ||
		is_same_name(r->helo, SPAN("localhost"));
}

static void count_tls(struct journey *j)
{
	for (size_t i = 0; i < j->hop_count; i++) {
		struct journey_hop *h = &j->hops[i];

		h->is_local = is_local(&h->r);
		if (!h->is_local)
			j->network++;
		if (!h->is_local && h->r.tls == RECEIVED_TLS_YES)
			j->with_tls++;
		if (!h->is_local && h->r.tls == RECEIVED_TLS_NO)
			j->without_tls++;
		if (!h->is_local && h->r.is_auth && h->r.tls == RECEIVED_TLS_NO &&
			h->r.kind == RECEIVED_SMTP)
			remark(h, JOURNEY_CLEAR_LOGIN);
	}
}

/* ---- clocks ---- */

/* The clocks that fit: the longest run of hops whose times do not go back (but for noise). Of several
 * the one that takes the least time, then the one that ends latest, for those stations are nearest to
 * us. `back` leads from the last hop to the first. O(n^2) of JOURNEY_HOPS_MAX. */
struct chain {
	size_t length, back;
	int64_t begin_sec;
};

static size_t find_chain(const struct journey *j, struct chain *chains)
{
	size_t n = j->hop_count, end = n;

	for (size_t i = 0; i < n; i++) {
		int64_t t = j->hops[i].r.date.unix_sec;
		struct chain *c = &chains[i];

		if (!j->hops[i].r.has_date)
			continue;
		*c = (struct chain){1, n, t};
		for (size_t k = 0; k < i; k++) {
			const struct chain *p = &chains[k];

			if (!p->length || j->hops[k].r.date.unix_sec > t + JOURNEY_NOISE_SEC)
				continue;
			if (p->length + 1 > c->length ||
				(p->length + 1 == c->length && p->begin_sec >= c->begin_sec))
				*c = (struct chain){p->length + 1, k, p->begin_sec};
		}
		if (end == n || c->length > chains[end].length ||
			(c->length == chains[end].length &&
				t - c->begin_sec <=
					j->hops[end].r.date.unix_sec - chains[end].begin_sec))
			end = i;
	}
	return end;
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a - b : 0;
}

static void set_delays(struct journey *j, const bool *fits)
{
	const struct journey_hop *last = NULL, *first = NULL;

	for (size_t i = 0; i < j->hop_count; i++) {
		struct journey_hop *h = &j->hops[i];

		if (!fits[i])
			continue;
		if (last) {
			h->has_delay = true;
			h->delay_sec = later(h->r.date.unix_sec, last->r.date.unix_sec);
			if (h->delay_sec > 0 &&
				(j->slowest == j->hop_count ||
					h->delay_sec > j->hops[j->slowest].delay_sec))
				j->slowest = i;
		} else {
			first = h;
			h->has_delay = h->is_since_written = j->has_date &&
				j->date.unix_sec <= h->r.date.unix_sec;
			h->delay_sec = h->has_delay ? h->r.date.unix_sec - j->date.unix_sec : 0;
		}
		last = h;
	}
	j->has_total = last && last != first;
	if (j->has_total)
		j->total_sec = later(last->r.date.unix_sec, first->r.date.unix_sec);
}

/* How far a clock that does not fit is off at least: measured at the nearest that do. */
static void set_skew(struct journey *j, const bool *fits, size_t at)
{
	struct journey_hop *h = &j->hops[at];
	int64_t t = h->r.date.unix_sec;

	for (size_t i = at + 1; i < j->hop_count; i++) {
		if (!fits[i])
			continue;
		if (t > j->hops[i].r.date.unix_sec)
			h->skew_sec = t - j->hops[i].r.date.unix_sec;
		break;
	}
	for (size_t i = at; i-- > 0 && !h->skew_sec;) {
		if (!fits[i])
			continue;
		h->skew_sec = t - j->hops[i].r.date.unix_sec;
		break;
	}
	remark(h, JOURNEY_CLOCK);
}

static void judge_clocks(struct journey *j, const struct journey_options *o)
{
	struct arena *a = arena_new();
	struct chain *chains = ARENA_ARRAY(a, struct chain, j->hop_count + 1);
	bool *fits = ARENA_ARRAY(a, bool, j->hop_count + 1);
	const struct journey_hop *dated = NULL;

	for (size_t i = find_chain(j, chains); i < j->hop_count; i = chains[i].back)
		fits[i] = true;
	set_delays(j, fits);
	for (size_t i = 0; i < j->hop_count; i++) {
		struct journey_hop *h = &j->hops[i];

		if (!h->r.has_date) {
			remark(h, JOURNEY_UNDATED);
			continue;
		}
		if (dated)
			h->raw_sec = h->r.date.unix_sec - dated->r.date.unix_sec;
		else if (j->has_date)
			h->raw_sec = h->r.date.unix_sec - j->date.unix_sec;
		if (h->raw_sec < 0)
			remark(h, JOURNEY_NEGATIVE);
		if (!fits[i])
			set_skew(j, fits, i);
		if (o->now_sec && h->r.date.unix_sec > o->now_sec + JOURNEY_NOISE_SEC)
			remark(h, JOURNEY_FUTURE);
		dated = h;
	}
	arena_free(&a);
}

/* ---- loops ---- */

/* The same station for the same recipient again, and not from within (a filter gives mail back to
 * the station it came from). Where no recipient is told, only the third time is remarkable. */
static void judge_loops(struct journey *j)
{
	for (size_t i = 1; i < j->hop_count; i++) {
		struct journey_hop *h = &j->hops[i];
		size_t times = 0;

		if (h->is_local || !h->r.by.len || received_ip_is_private(&h->r.from_ip))
			continue;
		for (size_t k = 0; k < i; k++) {
			const struct journey_hop *was = &j->hops[k];

			if (was->is_local || !is_same_name(was->r.by, h->r.by) ||
				!span_eq_nocase(was->r.for_address, h->r.for_address))
				continue;
			if (is_same_name(h->r.helo, h->r.by) || is_same_name(h->r.reverse, h->r.by))
				continue;
			times++;
			h->loop_with = k;
		}
		if (times > (h->r.for_address.len ? 0U : 1U))
			remark(h, JOURNEY_LOOP);
		j->is_loop |= journey_has(h, JOURNEY_LOOP);
	}
	j->is_loop |= j->delivered_twice.len > 0 ||
		j->hop_count + j->hops_left_out > JOURNEY_HOPS_MANY;
}

/* ---- who says to be whom ---- */

enum link { LINK_SAME, LINK_UNKNOWN, LINK_BREAK };

/* Is the peer of `next` the station that wrote `was`? */
static enum link link_of(const struct received *was, const struct received *next)
{
	if (is_same_name(was->by, next->helo) || is_same_name(was->by, next->reverse) ||
		received_ip_eq(&was->by_ip, &next->from_ip) ||
		journey_same_site(was->by, next->reverse) || journey_same_site(was->by, next->helo))
		return LINK_SAME;
	if (journey_is_inner(was->by) || is_literal(was->by) ||
		received_ip_is_private(&next->from_ip))
		return LINK_UNKNOWN;
	if ((journey_is_inner(next->helo) || is_literal(next->helo)) &&
		(!next->reverse.len || journey_is_inner(next->reverse)))
		return LINK_UNKNOWN;
	return LINK_BREAK;
}

static void judge_names(struct journey_hop *h)
{
	const struct received *r = &h->r;
	bool claims_name = !journey_is_inner(r->helo) && !is_literal(r->helo);

	if (r->is_reverse_doubtful)
		remark(h, JOURNEY_DOUBTFUL);
	/* who logged in may call himself as he likes */
	if (h->is_local || r->is_auth || received_ip_is_private(&r->from_ip))
		return;
	if (r->reverse.len && claims_name && !is_literal(r->reverse) &&
		!is_same_name(r->helo, r->reverse) && !journey_same_site(r->helo, r->reverse))
		remark(h, JOURNEY_NAME);
	if (r->is_reverse_unknown && r->from_ip.bits)
		remark(h, JOURNEY_NO_NAME);
}

static void judge_chain(struct journey *j)
{
	const struct received *was = NULL;

	for (size_t i = 0; i < j->hop_count; i++) {
		struct journey_hop *h = &j->hops[i];

		judge_names(h);
		if (was && !h->is_local && link_of(was, &h->r) == LINK_BREAK)
			remark(h, JOURNEY_BREAK);
		/* a private address cannot reach another site */
		if (was && !h->is_local && received_ip_is_private(&h->r.from_ip) &&
			!journey_is_inner(was->by) && !journey_is_inner(h->r.by) &&
			!is_literal(was->by) && !is_literal(h->r.by) &&
			!journey_same_site(was->by, h->r.by))
			remark(h, JOURNEY_PRIVATE);
		if (h->r.by.len)
			was = &h->r;
	}
}

void journey_judge(struct journey *j, const struct journey_options *options)
{
	count_tls(j);
	judge_clocks(j, options);
	judge_loops(j);
	judge_chain(j);
}

/* ---- trust ---- */

static bool is_in_domain(struct span name, struct span domain)
{
	name = bare(name);
	domain = bare(domain);
	if (domain.len && domain.ptr[0] == '.')
		domain = span_skip(domain, 1);
	return domain.len &&
		(span_eq_nocase(name, domain) ||
			(span_ends_nocase(name, domain) &&
				name.ptr[name.len - domain.len - 1] == '.'));
}

static bool is_trusted(const struct journey_options *o, struct span name,
	const struct received_ip *ip, const struct received *ours)
{
	if (is_same_name(name, ours->by) || received_ip_eq(ip, &ours->by_ip))
		return true;
	for (size_t i = 0; i < o->trust_count; i++)
		if (is_in_domain(name, o->trust[i]) ||
			(ip->bits && received_ip_in(ip, o->trust[i])))
			return true;
	return false;
}

/* Newest first: a field is trusted when it says to be of a trusted station, and the trusted one above
 * it had its mail from there: by the address or the name it looked up, not by what the peer said. */
void journey_trust(struct journey *j, const struct journey_options *o)
{
	const struct received *ours, *above;
	size_t i = j->hop_count;

	if (!i)
		return;
	ours = above = &j->hops[--i].r;
	j->hops[i].is_trusted = true;
	while (i > 0) {
		const struct received *r = &j->hops[i - 1].r;
		/* LMTP is spoken within a site, and its stations look no names up */
		bool is_by_name = !above->from_ip.bits || above->kind == RECEIVED_LMTP;
		bool is_from_us = j->hops[i].is_local ||
			is_trusted(o, above->reverse, &above->from_ip, ours) ||
			(is_by_name && is_trusted(o, above->helo, &above->from_ip, ours));

		/* Within one host programs have names of their own, and qmail's fields none. */
		bool is_ours = is_trusted(o, r->by, &r->by_ip, ours) ||
			(j->hops[i].is_local &&
				(journey_is_inner(r->by) || journey_same_site(r->by, ours->by)));

		if (!is_from_us || !is_ours)
			break;
		j->hops[--i].is_trusted = true;
		above = r;
	}
	j->claims = i;
}
