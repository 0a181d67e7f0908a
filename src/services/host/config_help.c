#include "services/host/config_priv.h"

#include <string.h>

#include "base/clock.h"
#include "base/must.h"

/* Help, man page and the telling of changes: all from the one table. */

#define HELP_WIDTH 78

static void put_wrapped(struct buf *b, const char *text, const char *indent)
{
	struct span rest = span_str(text), word;
	size_t at = 0;

	while ((word = span_word(&rest)).len) {
		if (at && at + 1 + word.len > HELP_WIDTH) {
			buf_char(b, '\n');
			at = 0;
		}
		if (!at) {
			buf_str(b, indent);
			at = strlen(indent);
		} else {
			buf_char(b, ' ');
			at++;
		}
		buf_span_put(b, word);
		at += word.len;
	}
	buf_char(b, '\n');
}

static void put_limit(struct buf *b, const struct config_setting *s, int64_t n)
{
	if (s->kind == CONFIG_TIME || s->kind == CONFIG_TIMES)
		clock_put_duration(b, n);
	else
		buf_i64(b, n);
}

/* "number, 0 to 64, default 0" */
static void put_facts(struct buf *b, const struct config_setting *s)
{
	if (s->kind == CONFIG_WORD)
		buf_printf(b, "one of: %s", s->words);
	else
		buf_str(b, config_kind_str(s->kind));
	if (s->kind == CONFIG_NUMBER || s->kind == CONFIG_SIZE || s->kind == CONFIG_TIME ||
		s->kind == CONFIG_TIMES) {
		buf_str(b, "; ");
		put_limit(b, s, s->min);
		buf_str(b, " to ");
		put_limit(b, s, s->max);
	}
	if (s->preset[0])
		buf_printf(b, "; default %s", s->preset);
	if (!s->is_reloadable)
		buf_str(b, "; read at the start only");
}

void config_put_help(struct buf *b)
{
	buf_str(b,
		"yizhan.conf: name = value, lists as { \"a\", \"b\" }, sections as name { … }.\n"
		"Comments begin with # or //. SIGHUP reads the file again; settings marked\n"
		"\"read at the start only\" wait for the next start.\n");
	for (size_t i = 0; i < config_section_count; i++) {
		const struct config_section *section = &config_sections[i];

		buf_char(b, '\n');
		if (section->name[0])
			buf_printf(b, "%s%s { … }\n", section->name,
				config_is_listed(section) ? " NAME" : "");
		put_wrapped(b, section->help, section->name[0] ? "    " : "");
		for (size_t k = 0; k < config_setting_count; k++) {
			const struct config_setting *s = &config_settings[k];

			if (strcmp(s->section, section->name) != 0)
				continue;
			buf_printf(b, "\n  %s\n    ", s->name);
			put_facts(b, s);
			buf_char(b, '\n');
			put_wrapped(b, s->help, "    ");
		}
	}
}

/* A text in roff: backslashes doubled, no line begins with a dot or quote, minus signs plain. */
static void put_roff(struct buf *b, const char *text)
{
	if (*text == '.' || *text == '\'')
		buf_str(b, "\\&");
	for (; *text; text++) {
		if (*text == '\\')
			buf_str(b, "\\e");
		else if (*text == '-')
			buf_str(b, "\\-");
		else
			buf_char(b, *text);
	}
}

void config_put_man(struct buf *b)
{
	buf_str(b,
		".TH YIZHAN.CONF 5 \"\" \"yizhan " YIZHAN_VERSION "\" \"Yizhan\"\n"
		".SH NAME\nyizhan.conf \\- configuration of one Yizhan machine\n"
		".SH DESCRIPTION\n"
		"What belongs to a machine stands in this file; domains, accounts, aliases and "
		"routes live in the store and are changed by\n.BR yizhan (1)\ncommands.\n"
		"Settings are written as\n.IR \"name \" = \" value\" ,\nlists in braces, "
		"sections as\n.IR name \" { ... }\" .\n"
		"Comments begin with # or //. SIGHUP reads the file again.\n");
	for (size_t i = 0; i < config_section_count; i++) {
		const struct config_section *section = &config_sections[i];

		buf_printf(b, ".SH %s\n", section->name[0] ? section->name : "TOP LEVEL");
		put_roff(b, section->help);
		buf_char(b, '\n');
		for (size_t k = 0; k < config_setting_count; k++) {
			const struct config_setting *s = &config_settings[k];
			struct buf facts;

			if (strcmp(s->section, section->name) != 0)
				continue;
			buf_init(&facts, 1024);
			put_facts(&facts, s);
			buf_printf(b, ".TP\n.B %s\n(", s->name);
			put_roff(b, buf_cstr(&facts));
			buf_str(b, ")\n.br\n");
			put_roff(b, s->help);
			buf_char(b, '\n');
			buf_fini(&facts);
		}
	}
	buf_str(b, ".SH SEE ALSO\n.BR yizhan (1)\n");
}

static void put_value(struct buf *b, const void *base, const struct config_setting *s)
{
	const void *at = (const char *)base + s->offset;

	switch (s->kind) {
	case CONFIG_TEXT: buf_str(b, *(const char *const *)at); break;
	case CONFIG_NUMBER:
	case CONFIG_SIZE: buf_i64(b, *(const int64_t *)at); break;
	case CONFIG_TIME: clock_put_duration(b, *(const int64_t *)at); break;
	case CONFIG_BOOL: buf_str(b, *(const bool *)at ? "yes" : "no"); break;
	case CONFIG_WORD: {
		struct span words = span_str(s->words), word = span_word(&words);
		for (int i = *(const int *)at; i > 0; i--)
			word = span_word(&words);
		buf_span_put(b, word);
		break;
	}
	case CONFIG_TEXTS:
	case CONFIG_ADDRS: {
		const struct config_texts *list = at;
		for (size_t i = 0; i < list->count; i++)
			buf_printf(b, "%s%s", i ? " " : "", list->items[i]);
		break;
	}
	case CONFIG_TIMES: {
		const struct config_times *list = at;
		for (size_t i = 0; i < list->count; i++) {
			buf_str(b, i ? " " : "");
			clock_put_duration(b, list->items[i]);
		}
		break;
	}
	case CONFIG_NETS: {
		const struct config_nets *list = at;
		for (size_t i = 0; i < list->count; i++) {
			buf_str(b, i ? " " : "");
			addr_put_ip(b, &list->items[i].base);
			buf_printf(b, "/%u", list->items[i].bits);
		}
		break;
	}
	case CONFIG_KINDS: MUST(!"a kind"); break;
	}
}

static void diff_one(const void *was, const void *is, const struct config_setting *s,
	void (*fn)(void *arg, const struct config_setting *s, struct span was, struct span is),
	void *arg)
{
	struct buf x, y;

	buf_init(&x, 4096);
	buf_init(&y, 4096);
	put_value(&x, was, s);
	put_value(&y, is, s);
	if (!span_eq(buf_span(&x), buf_span(&y)))
		fn(arg, s, buf_span(&x), buf_span(&y));
	buf_fini(&x);
	buf_fini(&y);
}

void config_diff(const struct config *was, const struct config *is,
	void (*fn)(void *arg, const struct config_setting *s, struct span was, struct span is),
	void *arg)
{
	for (size_t i = 0; i < config_setting_count; i++) {
		const struct config_setting *s = &config_settings[i];

		const struct config_section *in = config_section_of(s);

		if (!config_is_listed(in)) {
			diff_one(was, is, s, fn, arg);
			continue;
		}
		/* of those that stand at one place under one name */
		for (size_t k = 0; k < config_count(was, in) && k < config_count(is, in); k++) {
			const void *x = config_item(was, in, k), *y = config_item(is, in, k);

			if (strcmp(*(const char *const *)x, *(const char *const *)y) == 0)
				diff_one(x, y, s, fn, arg);
		}
	}
}
