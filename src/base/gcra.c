#include "base/gcra.h"

#include "base/clock.h"
#include "base/must.h"

bool gcra_parse(struct span text, struct gcra_rate *rate_r)
{
	ptrdiff_t slash = span_find(text, '/'), burst = span_find_span(text, SPAN(" burst "));
	struct span period;
	struct gcra_rate r = {0};

	if (slash < 1 || !span_u64_max(span_sub(text, 0, (size_t)slash), GCRA_COUNT_MAX, &r.count))
		return false;
	if (burst > 0) {
		if (!span_u64_max(span_skip(text, (size_t)burst + 7), GCRA_COUNT_MAX, &r.burst) ||
			r.burst == 0)
			return false;
		text = span_sub(text, 0, (size_t)burst);
	}
	period = span_skip(text, (size_t)slash + 1);
	if (period.len == 1 && (period.ptr[0] < '0' || period.ptr[0] > '9'))
		r.period_ns = period.ptr[0] == 's' ? CLOCK_SEC
			: period.ptr[0] == 'm'     ? CLOCK_MIN
			: period.ptr[0] == 'h'     ? CLOCK_HOUR
			: period.ptr[0] == 'd'     ? CLOCK_DAY
						   : 0;
	else if (!clock_parse_duration(period, &r.period_ns))
		return false;
	if (r.count == 0 || r.period_ns <= 0 || r.period_ns > 366 * CLOCK_DAY)
		return false;
	if (r.burst == 0)
		r.burst = r.count / GCRA_BURST > 0 ? r.count / GCRA_BURST : 1;
	*rate_r = r;
	return true;
}

void gcra_put(struct buf *b, const struct gcra_rate *r)
{
	static const struct {
		int64_t ns;
		char letter;
	} units[] = {{CLOCK_DAY, 'd'}, {CLOCK_HOUR, 'h'}, {CLOCK_MIN, 'm'}, {CLOCK_SEC, 's'}};
	size_t unit = 0;
	uint64_t usual = r->count / GCRA_BURST > 0 ? r->count / GCRA_BURST : 1;

	if (r->count == 0) {
		buf_str(b, "none");
		return;
	}
	while (unit < ARRAY_LEN(units) - 1 && r->period_ns % units[unit].ns != 0)
		unit++;
	buf_printf(b, "%llu/%lld%c", (unsigned long long)r->count,
		(long long)(r->period_ns / units[unit].ns), units[unit].letter);
	if (r->burst != usual)
		buf_printf(b, " burst %llu", (unsigned long long)r->burst);
}

/* Between two, evenly. More than a billion a second are no limit. */
static int64_t step_of(const struct gcra_rate *r)
{
	return r->period_ns / (int64_t)r->count;
}

int64_t gcra_wait(const struct gcra *g, const struct gcra_rate *r, int64_t now_ns)
{
	int64_t early;

	if (r->count == 0)
		return 0;
	early = g->next_ns - now_ns - step_of(r) * (int64_t)(r->burst - 1);
	return early > 0 ? early : 0;
}

int64_t gcra_take(struct gcra *g, const struct gcra_rate *r, int64_t now_ns)
{
	int64_t wait = gcra_wait(g, r, now_ns);

	if (wait > 0 || r->count == 0)
		return wait;
	g->next_ns = (g->next_ns > now_ns ? g->next_ns : now_ns) + step_of(r);
	return 0;
}

void gcra_give(struct gcra *g, const struct gcra_rate *r, uint64_t count)
{
	int64_t back;

	if (r->count == 0 || __builtin_mul_overflow(step_of(r), (int64_t)count, &back))
		return;
	g->next_ns = g->next_ns > back ? g->next_ns - back : 0;
}
