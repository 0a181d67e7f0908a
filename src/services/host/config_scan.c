#include "services/host/config_priv.h"

#include <string.h>

#include "base/must.h"
#include "services/host/nearest.h"

/* The grammar of libconfuse, as far as we allow it:
 *
 *	file	  = { statement }
 *	statement = NAME "=" value | SECTION [ TITLE ] "{" { statement } "}"
 *	value	  = WORD | STRING | "{" [ item { "," item } [","] ] "}"
 *
 * Comments: # and // to the end of the line, and between slash-star and star-slash. */

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_STRING, TOKEN_SIGN, TOKEN_BAD };

struct token {
	enum token_kind kind;
	struct span text; /* without quotes, escapes as they are */
	char sign;        /* { } = , */
	unsigned line;
};

void config_error(struct config_errors *errs, unsigned line, const char *fmt, ...)
{
	if (!errs->arena)
		errs->arena = arena_new();
	if (errs->count >= CONFIG_ERRORS_MAX)
		return;

	struct buf text;
	va_list ap;

	buf_init(&text, 1024);
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	errs->items[errs->count].line = line;
	errs->items[errs->count++].text = arena_str(errs->arena, buf_span(&text));
	buf_fini(&text);
}

void config_errors_fini(struct config_errors *errs)
{
	arena_free(&errs->arena);
	errs->count = 0;
}

static bool is_word_char(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		c == '_' || c == '-' || c == '.' || c == ':';
}

static int peek(const struct config_scan *sc, size_t ahead)
{
	return sc->at + ahead < sc->text.len ? (unsigned char)sc->text.ptr[sc->at + ahead] : -1;
}

static int step(struct config_scan *sc)
{
	int c = peek(sc, 0);

	if (c == '\n')
		sc->line++;
	if (c >= 0)
		sc->at++;
	return c;
}

/* Blanks and comments. */
static void skip_blank(struct config_scan *sc)
{
	for (;;) {
		int c = peek(sc, 0);

		if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
			step(sc);
		} else if (c == '#' || (c == '/' && peek(sc, 1) == '/')) {
			while (peek(sc, 0) >= 0 && peek(sc, 0) != '\n')
				step(sc);
		} else if (c == '/' && peek(sc, 1) == '*') {
			unsigned line = sc->line;

			step(sc);
			step(sc);
			while (peek(sc, 0) >= 0 && !(peek(sc, 0) == '*' && peek(sc, 1) == '/'))
				step(sc);
			if (peek(sc, 0) < 0)
				config_error(sc->errs, line, "this comment has no end");
			step(sc);
			step(sc);
		} else {
			return;
		}
	}
}

static struct token take_string(struct config_scan *sc)
{
	struct token t = {.kind = TOKEN_STRING, .line = sc->line};
	int quote = step(sc);
	size_t from = sc->at;
	bool has_dollar = false;

	for (;;) {
		int c = peek(sc, 0);

		if (c < 0 || c == '\n') {
			config_error(sc->errs, t.line, "this text has no closing quote");
			t.kind = TOKEN_BAD;
			break;
		}
		if (c == quote)
			break;
		has_dollar |= c == '$';
		step(sc);
		if (c == '\\' && quote == '"' && peek(sc, 0) >= 0)
			step(sc);
	}
	t.text = span_sub(sc->text, from, sc->at - from);
	if (t.kind == TOKEN_STRING)
		step(sc);
	if (has_dollar)
		config_error(sc->errs, t.line,
			"\"$\" is not allowed: nothing is taken from the environment");
	return t;
}

static struct token take(struct config_scan *sc)
{
	skip_blank(sc);

	struct token t = {.kind = TOKEN_END, .line = sc->line};
	int c = peek(sc, 0);

	if (c < 0)
		return t;
	if (c == '"' || c == '\'')
		return take_string(sc);
	if (c == '{' || c == '}' || c == '=' || c == ',') {
		t.kind = TOKEN_SIGN;
		t.sign = (char)step(sc);
		return t;
	}
	size_t from = sc->at;

	if (is_word_char((unsigned char)c)) {
		t.kind = TOKEN_WORD;
		while (peek(sc, 0) >= 0 && is_word_char((unsigned char)peek(sc, 0)))
			step(sc);
		c = peek(sc, 0);
	}
	/* A sign that no word may have: take the whole run, and tell it once. */
	if (c >= 0 && !strchr(" \t\r\n{}=,#\"'", c) && !(c == '/' && strchr("/*", peek(sc, 1)))) {
		t.kind = TOKEN_BAD;
		while (peek(sc, 0) >= 0 && !strchr(" \t\r\n}=,\"'", peek(sc, 0)) &&
			(peek(sc, 0) != '{' || c == '$'))
			step(sc);
		if (c == '$' && peek(sc, 0) == '}')
			step(sc);
		if (c == '$')
			config_error(sc->errs, t.line,
				"\"$\" is not allowed: nothing is taken from the environment");
		else
			config_error(sc->errs, t.line, "put quotes round \"" SPAN_FMT "\"",
				SPAN_ARG(span_sub(sc->text, from, sc->at - from)));
	}
	t.text = span_sub(sc->text, from, sc->at - from);
	return t;
}

static const struct config_section *section_find(struct span name)
{
	for (size_t i = 1; i < config_section_count; i++) {
		if (span_eq(name, span_str(config_sections[i].name)))
			return &config_sections[i];
	}
	return NULL;
}

static const struct config_setting *setting_find(const char *section, struct span name)
{
	for (size_t i = 0; i < config_setting_count; i++) {
		if (strcmp(config_settings[i].section, section) == 0 &&
			span_eq(name, span_str(config_settings[i].name)))
			return &config_settings[i];
	}
	return NULL;
}

static void unknown_name(struct config_scan *sc, const struct config_section *in, struct token *t)
{
	struct nearest n;
	const char *home = NULL; /* the right name in another section */

	nearest_init(&n, t->text);
	for (size_t i = 0; i < config_setting_count; i++) {
		const struct config_setting *s = &config_settings[i];

		if (strcmp(s->section, in->name) == 0)
			nearest_offer(&n, s->name);
		else if (span_eq(t->text, span_str(s->name)))
			home = s->section;
	}
	for (size_t i = 1; i < config_section_count && !in->name[0]; i++)
		nearest_offer(&n, config_sections[i].name);
	if (home)
		config_error(sc->errs, t->line, "\"" SPAN_FMT "\" belongs into %s%s%s",
			SPAN_ARG(t->text), home[0] ? "the section \"" : "the top level", home,
			home[0] ? "\"" : "");
	else if (n.best)
		config_error(sc->errs, t->line,
			"unknown name \"" SPAN_FMT "\": did you mean \"%s\"?", SPAN_ARG(t->text),
			n.best);
	else
		config_error(sc->errs, t->line, "unknown name \"" SPAN_FMT "\"", SPAN_ARG(t->text));
}

static void place_add(struct config_scan *sc, struct config_place place)
{
	if (sc->place_count == sc->place_cap) {
		size_t cap = sc->place_cap ? sc->place_cap * 2 : 32;
		struct config_place *grown = ARENA_ARRAY(sc->arena, struct config_place, cap);

		if (sc->place_count)
			memcpy(grown, sc->places, sc->place_count * sizeof(*grown));
		sc->places = grown;
		sc->place_cap = cap;
	}
	sc->places[sc->place_count++] = place;
}

unsigned config_scan_line(
	const struct config_scan *sc, const struct config_setting *s, size_t instance)
{
	for (size_t i = 0; i < sc->place_count; i++) {
		if (sc->places[i].setting == s && sc->places[i].instance == instance)
			return sc->places[i].line;
	}
	return 0;
}

/* How often the section has begun before; refuses a second one of its name. */
static size_t instance_of(struct config_scan *sc, const struct config_section *section,
	struct span title, unsigned line)
{
	size_t count = 0;

	for (size_t i = 0; i < sc->place_count; i++) {
		const struct config_place *p = &sc->places[i];

		if (p->setting || p->section != section)
			continue;
		count++;
		if (!config_is_listed(section))
			config_error(sc->errs, line,
				"a second section \"%s\": the first is in line %u", section->name,
				p->line);
		else if (span_eq(p->title, title))
			config_error(sc->errs, line,
				"a second %s with the name \"" SPAN_FMT
				"\": the first is in line %u",
				section->name, SPAN_ARG(title), p->line);
	}
	return count;
}

static bool is_list_kind(enum config_kind k)
{
	return k == CONFIG_TEXTS || k == CONFIG_TIMES || k == CONFIG_NETS || k == CONFIG_ADDRS;
}

static void scan_list(struct config_scan *sc, unsigned open_line)
{
	bool is_item_next = true;

	for (;;) {
		struct token t = take(sc);

		if (t.kind == TOKEN_END) {
			config_error(sc->errs, open_line, "this \"{\" has no \"}\"");
			return;
		}
		if (t.kind == TOKEN_SIGN && t.sign == '}')
			return;
		if (t.kind == TOKEN_SIGN && t.sign == ',' && !is_item_next) {
			is_item_next = true;
		} else if (t.kind != TOKEN_SIGN && is_item_next) {
			is_item_next = false;
		} else if (t.kind != TOKEN_SIGN) {
			config_error(sc->errs, t.line, "a comma is missing before \"" SPAN_FMT "\"",
				SPAN_ARG(t.text));
		} else {
			config_error(sc->errs, t.line, "\"%c\" is not expected in a list%s", t.sign,
				t.sign == '{' || t.sign == '=' ? ": is a \"}\" missing above?"
							       : "");
			return;
		}
	}
}

/* Behind NAME "=". */
static void scan_value(struct config_scan *sc, const struct config_setting *s, struct token *name)
{
	struct token t = take(sc);

	if (t.kind == TOKEN_SIGN && t.sign == '{') {
		if (s && !is_list_kind(s->kind))
			config_error(
				sc->errs, t.line, "\"%s\" takes one value, not a list", s->name);
		scan_list(sc, t.line);
	} else if (t.kind == TOKEN_SIGN || t.kind == TOKEN_END) {
		config_error(sc->errs, name->line, "\"" SPAN_FMT "\" has no value",
			SPAN_ARG(name->text));
		if (t.kind == TOKEN_SIGN)
			sc->at--;
	} else if (s && is_list_kind(s->kind)) {
		config_error(sc->errs, t.line, "\"%s\" takes a list: %s = { \"" SPAN_FMT "\" }",
			s->name, s->name, SPAN_ARG(t.text));
	}
}

static void scan_setting(struct config_scan *sc, const struct config_section *in, size_t instance,
	struct token *name)
{
	const struct config_setting *s = setting_find(in->name, name->text);

	if (!s) {
		unknown_name(sc, in, name);
	} else {
		unsigned before = config_scan_line(sc, s, instance);

		if (before)
			config_error(sc->errs, name->line, "\"%s\" stands twice: first in line %u",
				s->name, before);
		else
			place_add(sc,
				(struct config_place){.setting = s,
					.section = in,
					.instance = instance,
					.line = name->line});
	}
	scan_value(sc, s, name);
}

static void scan_statements(struct config_scan *sc, const struct config_section *in,
	size_t instance, unsigned open_line);

/* Behind a word that no "=" follows: a section, or a mistake. */
static void scan_section(struct config_scan *sc, const struct config_section *in,
	struct token *name, struct token *next)
{
	static const struct config_section unknown = {"?", 1, 0, 0, ""};
	const struct config_section *section = section_find(name->text);
	struct span title = SPAN_NONE;
	struct token open = *next;

	if (next->kind == TOKEN_WORD || next->kind == TOKEN_STRING) {
		title = next->text;
		open = take(sc);
	}
	if (open.kind != TOKEN_SIGN || open.sign != '{') {
		if (!section && !setting_find(in->name, name->text))
			unknown_name(sc, in, name);
		else
			config_error(sc->errs, name->line, "behind \"" SPAN_FMT "\" %s is missing",
				SPAN_ARG(name->text), section ? "\"{\"" : "\"=\"");
		if (open.kind == TOKEN_SIGN && open.sign == '=')
			scan_value(sc, NULL, name);
		else if (open.kind == TOKEN_SIGN && open.sign == '}')
			sc->at--;
		return;
	}
	if (!section) {
		unknown_name(sc, in, name);
		section = &unknown;
	} else if (in->name[0]) {
		config_error(sc->errs, name->line,
			"the section \"%s\" stands within \"%s\": is a \"}\" missing above?",
			section->name, in->name);
	} else if (config_is_listed(section) && !title.len) {
		config_error(sc->errs, name->line, "a %s needs a name: %s NAME { … }",
			section->name, section->name);
	} else if (!config_is_listed(section) && title.len) {
		config_error(
			sc->errs, name->line, "the section \"%s\" takes no name", section->name);
	}
	size_t instance = section == &unknown ? 0 : instance_of(sc, section, title, name->line);

	if (instance >= CONFIG_LISTED_MAX)
		config_error(sc->errs, name->line, "more than %d of them", CONFIG_LISTED_MAX);
	place_add(sc,
		(struct config_place){.section = section,
			.instance = instance,
			.title = title,
			.line = name->line});
	scan_statements(sc, section, instance, open.line);
}

/* The names of an unknown section are not looked at: its own name is wrong, that is enough. */
static void scan_unknown(struct config_scan *sc, unsigned open_line)
{
	for (unsigned depth = 1; depth;) {
		struct token t = take(sc);

		if (t.kind == TOKEN_END) {
			config_error(sc->errs, open_line, "this \"{\" has no \"}\"");
			return;
		}
		if (t.kind == TOKEN_SIGN && t.sign == '{')
			depth++;
		else if (t.kind == TOKEN_SIGN && t.sign == '}')
			depth--;
	}
}

static void scan_statements(struct config_scan *sc, const struct config_section *in,
	size_t instance, unsigned open_line)
{
	if (in->name[0] == '?') {
		scan_unknown(sc, open_line);
		return;
	}
	for (;;) {
		struct token t = take(sc), next;

		if (t.kind == TOKEN_END) {
			if (open_line)
				config_error(sc->errs, open_line, "this \"{\" has no \"}\"");
			return;
		}
		if (t.kind == TOKEN_SIGN && t.sign == '}') {
			if (open_line)
				return;
			config_error(sc->errs, t.line, "this \"}\" has no \"{\"");
			continue;
		}
		if (t.kind != TOKEN_WORD) {
			if (t.kind != TOKEN_BAD)
				config_error(sc->errs, t.line, "a name is expected here");
			if (t.kind == TOKEN_SIGN && t.sign == '{')
				scan_unknown(sc, t.line);
			continue;
		}
		next = take(sc);
		if (next.kind == TOKEN_SIGN && next.sign == '=')
			scan_setting(sc, in, instance, &t);
		else if (next.kind != TOKEN_BAD)
			scan_section(sc, in, &t, &next);
	}
}

void config_scan_run(struct config_scan *sc)
{
	sc->at = 0;
	sc->line = 1;
	if (memchr(sc->text.ptr ? sc->text.ptr : "", 0, sc->text.len))
		config_error(sc->errs, 0, "the file has NUL octets: it is no text");
	else
		scan_statements(sc, &config_sections[0], 0, 0);
}
