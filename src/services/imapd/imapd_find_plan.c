/* Search programs made ready, and judged. Pure. */

#include <string.h>

#include "base/enc.h"
#include "base/must.h"
#include "proto/mail/mime_date.h"
#include "store/facts.h"
#include "services/imapd/imapd_fetch.h"
#include "services/imapd/imapd_find_priv.h"

/* ---- ranges ---- */

static void put_range(struct find_ranges *r, uint32_t first, uint32_t last)
{
	if (r->count && r->list[r->count - 1].last != UINT32_MAX &&
		r->list[r->count - 1].last + 1 >= first)
		r->list[r->count - 1].last = last;
	else
		r->list[r->count++] = (struct uid_range){first, last};
}

struct find_ranges find_ranges_and(struct arena *a, struct find_ranges x, struct find_ranges y)
{
	struct find_ranges r = {ARENA_ARRAY(a, struct uid_range, x.count + y.count + 1), 0};
	size_t i = 0, k = 0;

	while (i < x.count && k < y.count) {
		uint32_t first = x.list[i].first > y.list[k].first ? x.list[i].first
								   : y.list[k].first;
		uint32_t last = x.list[i].last < y.list[k].last ? x.list[i].last : y.list[k].last;

		if (first <= last)
			put_range(&r, first, last);
		if (x.list[i].last < y.list[k].last)
			i++;
		else
			k++;
	}
	return r;
}

uint64_t find_ranges_total(struct find_ranges x)
{
	uint64_t n = 0;

	for (size_t i = 0; i < x.count; i++)
		n += (uint64_t)x.list[i].last - x.list[i].first + 1;
	return n;
}

struct find_ranges find_ranges_highest(struct arena *a, struct find_ranges x, uint64_t count)
{
	struct find_ranges r = {ARENA_ARRAY(a, struct uid_range, x.count + 1), 0};
	uint64_t skip = find_ranges_total(x);

	skip = skip > count ? skip - count : 0;
	for (size_t i = 0; i < x.count; i++) {
		uint64_t n = (uint64_t)x.list[i].last - x.list[i].first + 1;

		if (n > skip)
			put_range(&r, x.list[i].first + (uint32_t)skip, x.list[i].last);
		skip = n > skip ? 0 : skip - n;
	}
	return r;
}

static bool is_within(const struct find_node *n, uint32_t uid)
{
	size_t from = 0, to = n->range_count;

	while (from < to) {
		size_t mid = (from + to) / 2;

		if (n->ranges[mid].last < uid)
			from = mid + 1;
		else
			to = mid;
	}
	return from < n->range_count && n->ranges[from].first <= uid;
}

/* ---- making a program ready ---- */

struct maker {
	struct arena *a;
	const struct find_scope *scope;
	int64_t now_ns;
	struct find_plan *plan;
	struct err *e;
};

#define DAY_NS (86400 * CLOCK_SEC)

/* Sequence numbers that are in the set, as UIDs of the view; those beyond it are nobody's. */
static void take_numbers(struct maker *k, const struct imap_set *set, struct find_node *n)
{
	uint32_t count = uidset_count(k->scope->uids);
	struct find_ranges r = {0};
	struct imap_set resolved;

	imap_set_resolve(k->a, set, count, &resolved);
	r.list = ARENA_ARRAY(k->a, struct uid_range, resolved.count + 1);
	for (size_t i = 0; i < resolved.count; i++) {
		uint32_t first = resolved.ranges[i].first, last = resolved.ranges[i].last;

		if (!first || first > count)
			continue;
		put_range(&r, uidset_uid(k->scope->uids, first),
			uidset_uid(k->scope->uids, last < count ? last : count));
	}
	n->ranges = r.list;
	n->range_count = r.count;
}

static void take_uids(struct maker *k, const struct imap_set *set, struct find_node *n)
{
	struct imap_set resolved;
	struct find_ranges r = {0};

	imap_set_resolve(k->a, set, uidset_last(k->scope->uids), &resolved);
	r.list = ARENA_ARRAY(k->a, struct uid_range, resolved.count + 1);
	for (size_t i = 0; i < resolved.count; i++)
		put_range(&r, resolved.ranges[i].first, resolved.ranges[i].last);
	n->ranges = r.list;
	n->range_count = r.count;
}

static void take_saved(struct maker *k, struct find_node *n)
{
	const struct uid_range *runs;
	size_t count = k->scope->saved ? uidset_runs(k->scope->saved, &runs) : 0;

	n->ranges = ARENA_ARRAY(k->a, struct uid_range, count + 1);
	if (count)
		memcpy(n->ranges, runs, count * sizeof(*runs));
	n->range_count = count;
}

static void take_set(struct maker *k, const struct imap_key *key, struct find_node *n)
{
	if (key->set.is_saved)
		take_saved(k, n);
	else if (key->op == IMAP_OP_SET)
		take_numbers(k, &key->set, n);
	else
		take_uids(k, &key->set, n);
	n->op = IMAP_OP_UID;
}

static enum search_field field_of(const struct imap_key *key)
{
	static const struct {
		struct span name;
		enum search_field field;
	} known[] = {
		{{"subject", 7}, SEARCH_SUBJECT},
		{{"from", 4}, SEARCH_FROM},
		{{"to", 2}, SEARCH_TO},
		{{"cc", 2}, SEARCH_CC},
		{{"bcc", 3}, SEARCH_BCC},
	};

	if (key->op == IMAP_OP_TEXT)
		return SEARCH_TEXT;
	if (key->op == IMAP_OP_BODY)
		return SEARCH_BODY;
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (span_eq_nocase(key->field, known[i].name))
			return known[i].field;
	return SEARCH_HEADER;
}

static bool is_same(const struct search_needle *x, const struct search_needle *y)
{
	return x->field == y->field && x->how == y->how && span_eq(x->text, y->text) &&
		(x->field != SEARCH_HEADER || span_eq_nocase(x->name, y->name));
}

static int take_text(struct maker *k, const struct imap_key *key, struct find_node *n)
{
	struct find_plan *p = k->plan;
	struct search_needle needle = {.field = field_of(key),
		.how = key->is_fuzzy ? SEARCH_WORDS : SEARCH_SUBSTRING,
		.name = key->field,
		.text = key->text};

	if (key->text.len > SEARCH_NEEDLE_MAX)
		return err_set(k->e, ERR_LIMIT, "a text to search for is too long");
	n->op = IMAP_OP_TEXT;
	for (n->needle = 0; n->needle < p->needle_count; n->needle++)
		if (is_same(&p->needles[n->needle].as_asked, &needle))
			return 0;
	if (p->needle_count == FIND_NEEDLES_MAX)
		return err_set(k->e, ERR_LIMIT, "too many different texts to search for");
	p->needles[p->needle_count++].as_asked = needle;
	return 0;
}

static void take_days(const struct imap_key *key, enum imap_op before, enum imap_op on,
	int64_t unit, struct find_node *n)
{
	n->op = before;
	n->from = key->op == before ? INT64_MIN : key->day * unit;
	if (key->op == before)
		n->to = key->day * unit;
	else
		n->to = key->op == on ? (key->day + 1) * unit : INT64_MAX;
}

static void take_interval(struct maker *k, const struct imap_key *key, struct find_node *n)
{
	uint64_t max = (uint64_t)(k->now_ns / CLOCK_SEC);
	int64_t at = k->now_ns - (int64_t)(key->number < max ? key->number : max) * CLOCK_SEC;

	n->op = IMAP_OP_BEFORE;
	n->from = key->op == IMAP_OP_YOUNGER ? at : INT64_MIN;
	n->to = key->op == IMAP_OP_YOUNGER ? INT64_MAX : at;
}

static unsigned flag_of(unsigned flag)
{
	switch (flag) {
	case IMAP_FLAG_ANSWERED: return MAILBOX_ANSWERED;
	case IMAP_FLAG_FLAGGED: return MAILBOX_FLAGGED;
	case IMAP_FLAG_DELETED: return MAILBOX_DELETED;
	case IMAP_FLAG_SEEN: return MAILBOX_SEEN;
	case IMAP_FLAG_DRAFT: return MAILBOX_DRAFT;
	default: return 0; /* \Recent: nobody has it (RFC 9051 section 2.3.2) */
	}
}

static void take_object(const struct imap_key *key, struct find_node *n)
{
	enum imapd_object kind = key->op == IMAP_OP_EMAILID ? IMAPD_EMAIL : IMAPD_THREAD;

	if (!enc_get_object(key->text, kind, &n->number))
		n->number = 0; /* no message has it */
}

static int take_leaf(struct maker *k, const struct imap_key *key, struct find_node *n)
{
	n->number = key->number;
	n->text = key->text;
	n->flag = flag_of(key->flag);
	switch (key->op) {
	case IMAP_OP_SET:
	case IMAP_OP_UID: take_set(k, key, n); break;
	case IMAP_OP_HEADER:
	case IMAP_OP_BODY:
	case IMAP_OP_TEXT: return take_text(k, key, n);
	case IMAP_OP_BEFORE:
	case IMAP_OP_ON:
	case IMAP_OP_SINCE: take_days(key, IMAP_OP_BEFORE, IMAP_OP_ON, DAY_NS, n); break;
	case IMAP_OP_SENT_BEFORE:
	case IMAP_OP_SENT_ON:
	case IMAP_OP_SENT_SINCE:
		take_days(key, IMAP_OP_SENT_BEFORE, IMAP_OP_SENT_ON, 1, n);
		k->plan->wants_facts = true;
		break;
	case IMAP_OP_SAVED_BEFORE:
	case IMAP_OP_SAVED_ON:
	case IMAP_OP_SAVED_SINCE:
		take_days(key, IMAP_OP_SAVED_BEFORE, IMAP_OP_SAVED_ON, DAY_NS, n);
		break;
	case IMAP_OP_OLDER:
	case IMAP_OP_YOUNGER: take_interval(k, key, n); break;
	case IMAP_OP_EMAILID:
	case IMAP_OP_THREADID:
		take_object(key, n);
		k->plan->wants_thread = k->plan->wants_thread || key->op == IMAP_OP_THREADID;
		break;
	case IMAP_OP_SAVEDATE_SUPPORTED: n->op = IMAP_OP_ALL; break; /* RFC 8514 section 4.3 */
	default: break;
	}
	return 0;
}

/* Do rows not matter to it? */
static bool is_of_numbers(const struct find_node *n)
{
	for (const struct find_node *x = n->child; x; x = x->next)
		if (!is_of_numbers(x))
			return false;
	return n->op == IMAP_OP_ALL || n->op == IMAP_OP_AND || n->op == IMAP_OP_OR ||
		n->op == IMAP_OP_NOT || n->op == IMAP_OP_UID;
}

/* The grammar has bounded the depth (IMAP_DEPTH_MAX). */
static struct find_node *make(struct maker *k, const struct imap_key *key)
{
	struct find_node *n = ARENA_NEW(k->a, struct find_node);
	struct find_node **last = &n->child;

	n->op = key->op;
	for (const struct imap_key *x = key->child; x; x = x->next) {
		*last = make(k, x);
		if (!*last)
			return NULL;
		last = &(*last)->next;
	}
	return take_leaf(k, key, n) < 0 ? NULL : n;
}

int find_plan_make(struct arena *a, const struct imap_search *program,
	const struct find_scope *scope, int64_t now_ns, struct find_plan *plan_r, struct err *e)
{
	struct maker k = {a, scope, now_ns, plan_r, e};

	*plan_r = (struct find_plan){.wants_scores = scope->wants_scores};
	plan_r->needles = ARENA_ARRAY(a, struct find_needle, FIND_NEEDLES_MAX);
	plan_r->root = make(&k, program->root);
	if (!plan_r->root)
		return -1;
	plan_r->is_numbers = is_of_numbers(plan_r->root);
	return 0;
}

/* ---- judging ---- */

static bool has_keyword(struct span keywords, struct span wanted)
{
	struct span rest = keywords, word;

	while (rest.len) {
		span_cut(rest, ' ', &word, &rest);
		if (span_eq_nocase(word, wanted))
			return true;
	}
	return false;
}

/* RFC 9051 section 6.4.4: the day that the Date field says, whatever its zone. ENVELOPE begins with it. */
static bool sent_day(const struct mailbox_msg *m, int64_t *day_r)
{
	struct span env = m->facts ? m->facts->envelope : SPAN_NONE, date, rest;
	struct mime_date d;
	ptrdiff_t end;

	if (!m->facts || !(m->facts->flags & FACT_DATE))
		return false;
	env = span_skip(env, 1);
	if (span_starts(env, SPAN("{"))) {
		if (!span_cut(env, '\n', &date, &rest))
			return false;
		date = rest;
	} else {
		env = span_skip(env, 1);
		end = span_find(env, '"');
		date = span_sub(env, 0, end < 0 ? 0 : (size_t)end);
	}
	if (!mime_date_parse(date, &d)) {
		*day_r = m->facts->sent_ns / DAY_NS;
		return true;
	}
	d.unix_sec += (int64_t)d.zone_minutes * 60;
	*day_r = d.unix_sec >= 0 ? d.unix_sec / 86400 : (d.unix_sec - 86399) / 86400;
	return true;
}

static bool is_sent_within(const struct find_node *n, const struct mailbox_msg *m)
{
	int64_t day;

	return sent_day(m, &day) && day >= n->from && day < n->to;
}

static enum find_answer judge_text(
	const struct find_plan *p, const struct find_node *n, struct find_message *m)
{
	const struct find_needle *x = &p->needles[n->needle];
	size_t group = n->needle / SEARCH_NEEDLES_MAX;
	uint32_t bit = 1U << n->needle % SEARCH_NEEDLES_MAX;

	if (m->told[group] & bit)
		return m->found[group] & bit ? FIND_YES : FIND_NO;
	/* who asks how often has to look, also where it is sure that */
	if (x->is_found && search_set_has(&x->hits.sure, m->m->n) &&
		!(p->wants_scores && x->as_asked.how == SEARCH_WORDS))
		return FIND_YES;
	if (x->is_found && m->m->n <= x->hits.upto && !search_set_has(&x->hits.maybe, m->m->n) &&
		!search_set_has(&x->hits.sure, m->m->n))
		return FIND_NO;
	m->asked[group] |= bit;
	return FIND_OPEN;
}

static bool judge_row(const struct find_node *n, const struct mailbox_msg *m)
{
	switch (n->op) {
	case IMAP_OP_ALL: return true;
	case IMAP_OP_FLAG: return n->flag && (m->flags & n->flag) == n->flag;
	case IMAP_OP_KEYWORD: return has_keyword(m->keywords, n->text);
	case IMAP_OP_UID: return is_within(n, m->uid);
	case IMAP_OP_LARGER: return m->size > n->number;
	case IMAP_OP_SMALLER: return m->size < n->number;
	case IMAP_OP_BEFORE: return m->received_ns >= n->from && m->received_ns < n->to;
	case IMAP_OP_SENT_BEFORE: return is_sent_within(n, m);
	case IMAP_OP_SAVED_BEFORE: return m->saved_ns >= n->from && m->saved_ns < n->to;
	case IMAP_OP_MODSEQ: return m->modseq >= n->number;
	case IMAP_OP_EMAILID: return n->number && m->email_id == n->number;
	case IMAP_OP_THREADID: return n->number && m->thread_id == n->number;
	default: MUST(!"a key that nobody judges"); return false;
	}
}

static enum find_answer judge_all(
	const struct find_plan *p, const struct find_node *n, struct find_message *m)
{
	/* AND ends with the first no, OR with the first yes */
	enum find_answer end = n->op == IMAP_OP_AND ? FIND_NO : FIND_YES;
	enum find_answer answer = n->op == IMAP_OP_AND ? FIND_YES : FIND_NO;

	for (const struct find_node *x = n->child; x; x = x->next) {
		enum find_answer one = find_judge(p, x, m);

		if (one == end)
			return end;
		if (one == FIND_OPEN)
			answer = FIND_OPEN;
	}
	return answer;
}

enum find_answer find_judge(
	const struct find_plan *p, const struct find_node *n, struct find_message *m)
{
	enum find_answer one;

	switch (n->op) {
	case IMAP_OP_AND:
	case IMAP_OP_OR: return judge_all(p, n, m);
	case IMAP_OP_NOT:
		one = find_judge(p, n->child, m);
		if (one == FIND_OPEN)
			return FIND_OPEN;
		return one == FIND_YES ? FIND_NO : FIND_YES;
	case IMAP_OP_TEXT: return judge_text(p, n, m);
	default: return judge_row(n, m->m) ? FIND_YES : FIND_NO;
	}
}

/* ---- narrowing ---- */

struct find_ranges find_bounds(struct arena *a, const struct find_node *n, struct find_ranges all)
{
	if (n->op == IMAP_OP_UID)
		return find_ranges_and(a, all, (struct find_ranges){n->ranges, n->range_count});
	if (n->op == IMAP_OP_AND)
		for (const struct find_node *x = n->child; x; x = x->next)
			all = find_bounds(a, x, all);
	return all;
}

static bool and_candidates(
	const struct find_plan *p, const struct find_node *n, struct search_set *set_r)
{
	bool is_bounded = false;

	for (const struct find_node *x = n->child; x; x = x->next) {
		struct search_set one = {0};

		if (find_candidates(p, x, &one)) {
			if (is_bounded)
				search_set_and(set_r, &one);
			else
				search_set_copy(set_r, &one);
			is_bounded = true;
		}
		search_set_fini(&one);
	}
	return is_bounded;
}

static bool or_candidates(
	const struct find_plan *p, const struct find_node *n, struct search_set *set_r)
{
	for (const struct find_node *x = n->child; x; x = x->next) {
		struct search_set one = {0};
		bool is_bounded = find_candidates(p, x, &one);

		if (is_bounded)
			search_set_or(set_r, &one);
		search_set_fini(&one);
		if (!is_bounded)
			return false;
	}
	return true;
}

bool find_candidates(const struct find_plan *p, const struct find_node *n, struct search_set *set_r)
{
	const struct find_needle *x = &p->needles[n->needle];

	if (n->op == IMAP_OP_AND)
		return and_candidates(p, n, set_r);
	if (n->op == IMAP_OP_OR)
		return or_candidates(p, n, set_r);
	if (n->op != IMAP_OP_TEXT || !x->is_found)
		return false;
	search_set_copy(set_r, &x->hits.sure);
	search_set_or(set_r, &x->hits.maybe);
	return true;
}
