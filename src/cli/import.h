#pragma once
/* What the commands share that read a file and have it taken in pages: the file, its lines, what is wrong with
 * which, the page under way, progress and the sums. One fiberless thread; `op` answers rows {"bad": n of the page,
 * "reason": …} and {"added", "changed", "present"}. */

#include <stdio.h>

#include "base/buf.h"
#include "base/json_out.h"
#include "cli/cli.h"

#define IMPORT_PAGE_MAX 256

struct import_file {
	/* the command's */
	struct cli_call *c;
	const char *op, *rows; /* the operation, and its argument that has the rows */
	size_t page_max;       /* rows of a page, at most IMPORT_PAGE_MAX */
	/** The operation's other arguments. */
	void (*put_args)(struct cli_call *c, struct json_out *j);
	/* import_open's */
	FILE *in;
	const char *name; /* for people */
	uint64_t line;    /* the command's own where it reads by itself */
	uint64_t read, total;
	struct buf page;
	uint64_t lines[IMPORT_PAGE_MAX];
	size_t count;
	uint64_t added, changed, present, bad; /* sums */
};

/** `path` "-": standard input. 0 or the exit code, told already. */
int import_open(struct import_file *f, const char *path);
void import_close(struct import_file *f);
/** The next line without its LF; false at the end. One longer than `max` is cut behind it, its rest is passed
 * over. */
bool import_line(struct import_file *f, struct buf *text, size_t max);
/** What is in the line: trimmed, without a byte order mark. False: nothing, a comment, or it was told what is
 * wrong with it. */
bool import_text(struct import_file *f, const struct buf *text, size_t max, struct span *line_r);
/** Tell what is wrong with a line, and count it. */
void import_bad(struct import_file *f, uint64_t line, struct span why);
/** One row, a JSON object, of the line at hand; a page that is full is sent. 0 or the exit code. */
int import_row(struct import_file *f, struct span object);
/** Send what there is of a page, also nothing. */
int import_send(struct import_file *f);
/** After the last line, `code` being what came of them: the last page, and the end of the progress bar. */
int import_end(struct import_file *f, int code);
