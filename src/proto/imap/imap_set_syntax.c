#include "proto/imap/imap_set_syntax.h"

#include <stdlib.h>

#include "base/must.h"
#include "proto/imap/imap_limits.h"

/* seq-number = nz-number / "*" */
static bool take_number(struct span *s, bool is_star_allowed, uint32_t *n_r)
{
	uint64_t n = 0;
	size_t i = 0;

	if (s->len && s->ptr[0] == '*' && is_star_allowed) {
		*n_r = IMAP_STAR;
		*s = span_skip(*s, 1);
		return true;
	}
	if (s->len == 0 || s->ptr[0] < '1' || s->ptr[0] > '9') /* digit-nz */
		return false;
	for (; i < s->len && s->ptr[i] >= '0' && s->ptr[i] <= '9'; i++) {
		n = n * 10 + (uint64_t)(s->ptr[i] - '0');
		if (n > UINT32_MAX)
			return false;
	}
	*n_r = (uint32_t)n;
	*s = span_skip(*s, i);
	return true;
}

static int trouble(struct span whole, struct span rest, struct err *e)
{
	return err_set(e, ERR_SYNTAX, "Bad number or range at octet %zu of a sequence set",
		whole.len - rest.len + 1);
}

static int parse(struct arena *a, struct span text, bool is_star_allowed, struct imap_set *set_r,
	struct err *e)
{
	struct span rest = text;
	size_t commas = 0;

	*set_r = (struct imap_set){0};
	for (size_t i = 0; i < text.len; i++)
		commas += text.ptr[i] == ',';
	if (commas >= IMAP_SET_RANGES_MAX)
		return err_set(
			e, ERR_LIMIT, "A sequence set of more than %d ranges", IMAP_SET_RANGES_MAX);
	set_r->ranges = ARENA_ARRAY(a, struct imap_range, commas + 1);
	for (;;) {
		struct imap_range *r = &set_r->ranges[set_r->count];

		if (!take_number(&rest, is_star_allowed, &r->first))
			return trouble(text, rest, e);
		r->last = r->first;
		if (rest.len && rest.ptr[0] == ':') {
			rest = span_skip(rest, 1);
			if (!take_number(&rest, is_star_allowed, &r->last))
				return trouble(text, rest, e);
		}
		set_r->count++;
		if (rest.len == 0)
			return 0;
		if (rest.ptr[0] != ',')
			return trouble(text, rest, e);
		rest = span_skip(rest, 1);
	}
}

int imap_set_parse(struct arena *a, struct span text, bool is_saved_allowed, struct imap_set *set_r,
	struct err *e)
{
	if (is_saved_allowed && span_eq(text, SPAN("$"))) {
		*set_r = (struct imap_set){.is_saved = true};
		return 0;
	}
	return parse(a, text, true, set_r, e);
}

int imap_set_parse_known(struct arena *a, struct span text, struct imap_set *set_r, struct err *e)
{
	return parse(a, text, false, set_r, e);
}

static int range_cmp(const void *pa, const void *pb)
{
	const struct imap_range *a = pa, *b = pb;

	return a->first < b->first ? -1 : a->first > b->first;
}

/* "*" and ranges with it are what they come to now; false: the range stands for nothing. */
static bool range_resolve(struct imap_range *r, uint32_t star)
{
	if (star == 0 && (r->first == IMAP_STAR || r->last == IMAP_STAR))
		return false;
	if (r->first == IMAP_STAR)
		r->first = star;
	if (r->last == IMAP_STAR)
		r->last = star;
	if (r->first >
		r->last) { /* RFC 9051 section 9: 4:2 is 2:4, and *:n may be either way round */
		uint32_t n = r->first;

		r->first = r->last;
		r->last = n;
	}
	return true;
}

void imap_set_resolve(
	struct arena *a, const struct imap_set *set, uint32_t star, struct imap_set *set_r)
{
	struct imap_range *out;
	size_t n = 0, kept = 0;
	bool is_sorted = true;

	if (set->is_saved || set->count == 0) {
		*set_r = *set;
		return;
	}
	out = ARENA_ARRAY(a, struct imap_range, set->count);
	for (size_t i = 0; i < set->count; i++) {
		out[n] = set->ranges[i];
		if (!range_resolve(&out[n], star))
			continue;
		is_sorted = is_sorted && (n == 0 || out[n - 1].first <= out[n].first);
		n++;
	}
	if (!is_sorted)
		qsort(out, n, sizeof(*out), range_cmp);
	for (size_t i = 0; i < n; i++) {
		struct imap_range *last = kept ? &out[kept - 1] : NULL;

		if (last && (last->last == UINT32_MAX || out[i].first <= last->last + 1)) {
			if (out[i].last > last->last)
				last->last = out[i].last;
		} else {
			out[kept++] = out[i];
		}
	}
	*set_r = (struct imap_set){.ranges = out, .count = kept};
}

bool imap_set_has(const struct imap_set *resolved, uint32_t n)
{
	size_t low = 0, high = resolved->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (resolved->ranges[mid].last < n)
			low = mid + 1;
		else
			high = mid;
	}
	return low < resolved->count && resolved->ranges[low].first <= n;
}

uint64_t imap_set_count(const struct imap_set *resolved)
{
	uint64_t n = 0;

	for (size_t i = 0; i < resolved->count; i++)
		n += (uint64_t)resolved->ranges[i].last - resolved->ranges[i].first + 1;
	return n;
}

bool imap_set_has_star(const struct imap_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		if (set->ranges[i].first == IMAP_STAR || set->ranges[i].last == IMAP_STAR)
			return true;
	return false;
}

static void number_put(struct buf *b, uint32_t n)
{
	if (n == IMAP_STAR)
		buf_char(b, '*');
	else
		buf_u64(b, n);
}

static void range_put(struct buf *b, struct imap_range r, bool has_more_before)
{
	if (has_more_before)
		buf_char(b, ',');
	number_put(b, r.first);
	if (r.last == r.first)
		return;
	buf_char(b, ':');
	number_put(b, r.last);
}

void imap_set_put(struct buf *b, const struct imap_set *set)
{
	if (set->is_saved)
		buf_char(b, '$');
	for (size_t i = 0; i < set->count; i++)
		range_put(b, set->ranges[i], i > 0);
}

void imap_set_writer_init(struct imap_set_writer *w, struct buf *out)
{
	*w = (struct imap_set_writer){.out = out};
}

void imap_set_writer_end(struct imap_set_writer *w)
{
	if (w->first == 0)
		return;
	range_put(w->out, (struct imap_range){w->first, w->last}, w->has_written);
	w->has_written = true;
	w->first = w->last = 0;
}

void imap_set_writer_add_range(struct imap_set_writer *w, uint32_t first, uint32_t last)
{
	MUST(first > 0 && first <= last);
	if (w->first && w->last != UINT32_MAX && first == w->last + 1) {
		w->last = last;
		return;
	}
	imap_set_writer_end(w);
	w->first = first;
	w->last = last;
}

void imap_set_writer_add(struct imap_set_writer *w, uint32_t n)
{
	imap_set_writer_add_range(w, n, n);
}
