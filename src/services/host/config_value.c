#include "services/host/config_priv.h"

#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "services/host/nearest.h"

/* One setting's text to its value. Each parser tells what is wrong in one error. */
struct value {
	struct arena *a;
	void *at; /* where the value goes */
	const struct config_setting *s;
	const char *const *texts;
	size_t count;
	struct config_errors *errs;
	unsigned line;
};

static bool wrong(struct value *v, const char *text, const char *what)
{
	config_error(v->errs, v->line, "%s: \"%s\" is %s", v->s->name, text, what);
	return false;
}

static bool is_in_range(struct value *v, const char *text, int64_t n)
{
	if (n >= v->s->min && n <= v->s->max)
		return true;

	struct buf b;
	buf_init(&b, 256);
	if (v->s->kind == CONFIG_TIME || v->s->kind == CONFIG_TIMES) {
		clock_put_duration(&b, v->s->min);
		buf_str(&b, " to ");
		clock_put_duration(&b, v->s->max);
	} else {
		buf_printf(&b, "%lld to %lld", (long long)v->s->min, (long long)v->s->max);
	}
	config_error(
		v->errs, v->line, "%s: \"%s\" is not within %s", v->s->name, text, buf_cstr(&b));
	buf_fini(&b);
	return false;
}

static bool set_text(struct value *v)
{
	struct span text = span_str(v->texts[0]);

	if (!text.len && v->s->min && !v->s->max)
		return wrong(v, "", "empty");
	if (v->s->max && text.len > (size_t)v->s->max)
		return wrong(v, v->texts[0], "too long");
	if (span_has_line_break(text))
		return wrong(v, "…", "more than one line");
	*(const char **)v->at = arena_str(v->a, text);
	return true;
}

static bool set_texts(struct value *v)
{
	struct config_texts *list = v->at;

	list->count = v->count;
	list->items = ARENA_ARRAY(v->a, const char *, v->count);
	for (size_t i = 0; i < v->count; i++)
		list->items[i] = arena_str(v->a, span_str(v->texts[i]));
	return true;
}

static bool parse_size(struct span text, int64_t *n_r)
{
	char unit = text.len ? text.ptr[text.len - 1] : '0';
	int shift = unit == 'K' || unit == 'k' ? 10 : unit == 'M' || unit == 'm' ? 20 : 0;
	uint64_t n;

	if (unit == 'G' || unit == 'g')
		shift = 30;
	if (shift)
		text.len--;
	if (!span_u64_max(text, (uint64_t)INT64_MAX >> shift, &n))
		return false;
	*n_r = (int64_t)(n << shift);
	return true;
}

static bool set_number(struct value *v)
{
	uint64_t n;

	if (!span_u64_max(span_str(v->texts[0]), INT64_MAX, &n))
		return wrong(v, v->texts[0], "no number");
	*(int64_t *)v->at = (int64_t)n;
	return is_in_range(v, v->texts[0], (int64_t)n);
}

static bool set_size(struct value *v)
{
	if (!parse_size(span_str(v->texts[0]), v->at))
		return wrong(v, v->texts[0], "no size (512, 64K, 50M, 4G)");
	return is_in_range(v, v->texts[0], *(int64_t *)v->at);
}

static bool set_time(struct value *v)
{
	if (!clock_parse_duration(span_str(v->texts[0]), v->at))
		return wrong(v, v->texts[0], "no time (90, 5m, 1h30m, 5d)");
	return is_in_range(v, v->texts[0], *(int64_t *)v->at);
}

static bool set_times(struct value *v)
{
	struct config_times *list = v->at;
	uint64_t most = CONFIG_TIMES_MAX;

	if (v->s->words && !span_u64(span_str(v->s->words), &most))
		return wrong(v, v->s->words, "no number");
	if (v->count > most)
		return wrong(v, v->texts[most], "one time too many");
	list->count = v->count;
	list->items = ARENA_ARRAY(v->a, int64_t, v->count);
	for (size_t i = 0; i < v->count; i++) {
		if (!clock_parse_duration(span_str(v->texts[i]), &list->items[i]))
			return wrong(v, v->texts[i], "no time (90, 5m, 1h30m, 5d)");
		if (!is_in_range(v, v->texts[i], list->items[i]))
			return false;
	}
	return true;
}

static bool set_bool(struct value *v)
{
	static const char *const words[] = {"no", "yes", "false", "true", "off", "on"};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(v->texts[0], words[i]) == 0) {
			*(bool *)v->at = i & 1;
			return true;
		}
	}
	return wrong(v, v->texts[0], "neither yes nor no");
}

static bool set_word(struct value *v)
{
	struct span words = span_str(v->s->words), word;
	struct nearest n;
	int i = 0;

	nearest_init(&n, span_str(v->texts[0]));
	for (; (word = span_word(&words)).len; i++) {
		if (span_eq(word, n.word)) {
			*(int *)v->at = i;
			return true;
		}
		nearest_offer(&n, arena_str(v->a, word));
	}
	if (n.best)
		config_error(v->errs, v->line, "%s: \"%s\" is none of: %s (did you mean \"%s\"?)",
			v->s->name, v->texts[0], v->s->words, n.best);
	else
		config_error(v->errs, v->line, "%s: \"%s\" is none of: %s", v->s->name, v->texts[0],
			v->s->words);
	return false;
}

static bool set_nets(struct value *v)
{
	struct config_nets *list = v->at;
	bool is_right = true;

	list->count = v->count;
	list->items = ARENA_ARRAY(v->a, struct addr_net, v->count);
	for (size_t i = 0; i < v->count; i++) {
		struct err e = {0};

		if (addr_net_parse(span_str(v->texts[i]), &list->items[i], &e) < 0) {
			config_error(v->errs, v->line, "%s: %s", v->s->name, e.text);
			is_right = false;
		}
	}
	return is_right;
}

static bool set_addrs(struct value *v)
{
	bool is_right = true;

	for (size_t i = 0; i < v->count; i++) {
		struct err e = {0};
		struct addr addr;

		if (addr_parse(span_str(v->texts[i]), 25, &addr, &e) < 0) {
			config_error(v->errs, v->line, "%s: %s", v->s->name, e.text);
			is_right = false;
		}
	}
	return is_right && set_texts(v);
}

bool config_value_set(struct arena *a, void *base, const struct config_setting *s,
	const char *const *values, size_t count, struct config_errors *errs, unsigned line)
{
	static bool (*const setters[CONFIG_KINDS])(struct value *) = {
		[CONFIG_TEXT] = set_text,
		[CONFIG_TEXTS] = set_texts,
		[CONFIG_NUMBER] = set_number,
		[CONFIG_SIZE] = set_size,
		[CONFIG_TIME] = set_time,
		[CONFIG_TIMES] = set_times,
		[CONFIG_BOOL] = set_bool,
		[CONFIG_WORD] = set_word,
		[CONFIG_NETS] = set_nets,
		[CONFIG_ADDRS] = set_addrs,
	};
	struct value v = {a, (char *)base + s->offset, s, values, count, errs, line};

	return setters[s->kind](&v);
}

void config_value_preset(struct arena *a, void *base, const struct config_setting *s)
{
	const char *items[16] = {s->preset};
	size_t count = 1;
	struct config_errors errs = {0};

	if (s->kind == CONFIG_TEXTS || s->kind == CONFIG_TIMES || s->kind == CONFIG_NETS ||
		s->kind == CONFIG_ADDRS) {
		struct span rest = span_str(s->preset), word;

		for (count = 0; (word = span_word(&rest)).len && count < ARRAY_LEN(items); count++)
			items[count] = arena_str(a, word);
	}
	/* the row's own text may be shorter than what people may write */
	if (s->kind == CONFIG_TEXT)
		*(const char **)((char *)base + s->offset) = s->preset;
	else
		MUST(config_value_set(a, base, s, items, count, &errs, 0));
}

void config_setting_copy(
	struct config *to, const struct config *from, const struct config_setting *s)
{
	static const size_t sizes[CONFIG_KINDS] = {
		[CONFIG_TEXT] = sizeof(const char *),
		[CONFIG_TEXTS] = sizeof(struct config_texts),
		[CONFIG_NUMBER] = sizeof(int64_t),
		[CONFIG_SIZE] = sizeof(int64_t),
		[CONFIG_TIME] = sizeof(int64_t),
		[CONFIG_TIMES] = sizeof(struct config_times),
		[CONFIG_BOOL] = sizeof(bool),
		[CONFIG_WORD] = sizeof(int),
		[CONFIG_NETS] = sizeof(struct config_nets),
		[CONFIG_ADDRS] = sizeof(struct config_texts),
	};

	memcpy((char *)to + s->offset, (const char *)from + s->offset, sizes[s->kind]);
}
