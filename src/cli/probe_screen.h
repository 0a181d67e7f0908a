#pragma once
/* Lines on a terminal or in a file: marks, colours, text wrapped under itself. What a peer said goes
 * through probe_clean on the way. */

#include "cli/probe.h"

#define SHOW_WIDTH     80 /* of what is no terminal */
#define SHOW_WIDTH_MIN 40
#define SHOW_WIDTH_MAX 250
#define SHOW_LABEL     14 /* columns of what stands in front */
#define SHOW_TEXT_MAX  (256 * 1024)

enum mark { MARK_NONE, MARK_GOOD, MARK_NOTE, MARK_WARN, MARK_BAD, MARK_DIM };

struct screen {
	struct probe *p;
	struct arena *arena;
	unsigned width;
	bool is_color;
};

struct cell {
	enum mark mark;
	const char *text;
};

extern const char *const screen_marks[];
extern const char *const screen_colors[];

/** Columns of the terminal; SHOW_WIDTH where there is none. */
unsigned screen_width(void);
void screen_init(struct screen *s, struct probe *p);
unsigned screen_columns(struct span text);
/** The longest run from the front of `s` that fits: whole words where there is a blank to break at. */
struct span screen_take_line(struct span *s, unsigned width);
void screen_color(const struct screen *s, const char *code);
void screen_blanks(unsigned n);
void screen_heading(const struct screen *s, const char *text, const char *more);
void screen_label(const struct screen *s, unsigned indent, const char *label);
/** The text from column `at` on, its further lines `hang` columns deeper. */
void screen_wrapped(
	const struct screen *s, unsigned at, enum mark mark, const char *text, unsigned hang);
/** "  label         text", the text wrapped under itself. */
void screen_row(const struct screen *s, unsigned indent, const char *label, enum mark mark,
	const char *text);
