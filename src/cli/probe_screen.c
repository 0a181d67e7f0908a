#include "cli/probe_screen.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "base/utf8.h"

const char *probe_clean(struct arena *a, const char *text, bool keeps_lf)
{
	struct span rest = span_str(text);
	struct buf b;

	buf_init(&b, SHOW_TEXT_MAX);
	while (rest.len && buf_ok(&b)) {
		struct span before = rest;
		uint32_t code;
		bool is_text = utf8_take(&rest, &code);

		if (!is_text)
			rest = span_skip(rest, 1);
		/* C0, DEL, C1, and what turns the direction of text */
		if (is_text && code >= ' ' && !(code >= 0x7f && code < 0xa0) &&
			!(code >= 0x202a && code <= 0x202e) && !(code >= 0x2066 && code <= 0x2069))
			buf_put(&b, before.ptr, before.len - rest.len);
		else if (code == '\n' && is_text && keeps_lf)
			buf_char(&b, '\n');
		else
			for (size_t i = 0; i < before.len - rest.len; i++)
				buf_printf(&b, "\\x%02x", (unsigned char)before.ptr[i]);
	}
	text = arena_str(a, buf_span(&b));
	buf_fini(&b);
	return text;
}

unsigned screen_columns(struct span s)
{
	unsigned width = 0;
	uint32_t code;

	while (s.len && utf8_take(&s, &code)) {
		int w = wcwidth((wchar_t)code);

		width += w > 0 ? (unsigned)w : 0;
	}
	return width;
}

struct span screen_take_line(struct span *s, unsigned width)
{
	struct span rest = *s, line;
	size_t at = 0, blank = 0;
	unsigned used = 0;
	uint32_t code;

	while (at < s->len && s->ptr[at] != '\n') {
		struct span before = rest;
		int w;

		if (!utf8_take(&rest, &code))
			break;
		w = wcwidth((wchar_t)code);
		used += w > 0 ? (unsigned)w : 0;
		if (used > width)
			break;
		if (code == ' ')
			blank = at;
		at += before.len - rest.len;
	}
	if (at < s->len && s->ptr[at] == '\n') {
		line = span_sub(*s, 0, at);
		*s = span_skip(*s, at + 1);
		return line;
	}
	if (at < s->len && s->ptr[at] != ' ' && blank)
		at = blank;
	if (at == 0 && s->len) /* nothing fits: one character all the same */
		at = utf8_length_at(*s) ? utf8_length_at(*s) : 1;
	line = span_sub(*s, 0, at);
	*s = span_skip(*s, at);
	if (s->len && s->ptr[0] == ' ')
		*s = span_skip(*s, 1);
	return line;
}

const char *const screen_marks[] = {"", "✓ ", "· ", "! ", "✗ ", ""};
const char *const screen_colors[] = {"", "\033[32m", "\033[36m", "\033[33m", "\033[31m", "\033[2m"};

void screen_color(const struct screen *s, const char *code)
{
	if (s->is_color)
		fputs(code, stdout);
}

void screen_blanks(unsigned n)
{
	printf("%*s", (int)n, "");
}

void screen_wrapped(
	const struct screen *s, unsigned at, enum mark mark, const char *text, unsigned hang)
{
	unsigned mark_width = screen_columns(span_str(screen_marks[mark]));
	struct span rest = span_str(probe_clean(s->arena, text ? text : "", true));
	bool is_first = true;

	if (hang + SHOW_LABEL > s->width - at - mark_width)
		hang = 2;
	do {
		unsigned in = is_first ? 0 : hang;
		struct span line = screen_take_line(&rest, s->width - at - mark_width - in);

		if (!is_first)
			screen_blanks(at + mark_width + in);
		screen_color(s, screen_colors[mark]);
		if (is_first)
			fputs(screen_marks[mark], stdout);
		if (mark != MARK_DIM)
			screen_color(s, "\033[0m");
		printf(SPAN_FMT, SPAN_ARG(line));
		if (mark == MARK_DIM)
			screen_color(s, "\033[0m");
		putchar('\n');
		is_first = false;
	} while (rest.len);
}

void screen_label(const struct screen *s, unsigned indent, const char *label)
{
	unsigned width = screen_columns(span_str(label));

	screen_blanks(indent);
	if (*label)
		screen_color(s, "\033[2m");
	fputs(label, stdout);
	if (*label)
		screen_color(s, "\033[0m");
	screen_blanks(width < SHOW_LABEL ? SHOW_LABEL - width : 1);
}

void screen_row(const struct screen *s, unsigned indent, const char *label, enum mark mark,
	const char *text)
{
	screen_label(s, indent, label);
	screen_wrapped(s, indent + SHOW_LABEL, mark, text, 0);
}

void screen_heading(const struct screen *s, const char *text, const char *more)
{
	screen_color(s, "\033[1m");
	fputs(probe_clean(s->arena, text, false), stdout);
	screen_color(s, "\033[0m");
	if (more && *more)
		printf("  %s", probe_clean(s->arena, more, false));
	putchar('\n');
}

unsigned screen_width(void)
{
	struct winsize w = {0};

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0 || !w.ws_col)
		return SHOW_WIDTH;
	return w.ws_col < SHOW_WIDTH_MIN    ? SHOW_WIDTH_MIN
		: w.ws_col > SHOW_WIDTH_MAX ? SHOW_WIDTH_MAX
					    : w.ws_col;
}

void screen_init(struct screen *s, struct probe *p)
{
	*s = (struct screen){p, p->arena, screen_width(), cli_is_color(stdout)};
}
