#pragma once
/* Moving mail in and out: what the commands share (docs/moving.md). Messages go to the server as
 * services/host/ops_move.h has it; whoever reads them (mbox, Maildir, another server) knows nothing of that. */

#include "run/fiber.h"
#include "proto/mail/mbox.h"
#include "store/mailbox.h"
#include "cli/cli.h"

/* ---- move_out.c: messages to the server ---- */

struct move_out;

/* What is told of a message when its octets have gone. */
struct move_letter {
	struct span folder; /* UTF-8, "/" between levels */
	const char *use;    /* "\\Sent"; NULL none */
	unsigned flags;     /* enum mbox_flag, which are those of the store */
	struct span keywords;
	bool has_date;
	int64_t date_sec;
	struct span item; /* what the source calls it; "": its digest is taken */
	struct span where;
};

struct move_sums {
	uint64_t added, present, duplicates, changed, bad, folders, octets;
	uint64_t passed_over; /* by us: what is no message, or was removed */
};

struct move_opts {
	const char *address;
	struct span source; /* "" for files */
	uint32_t uidvalidity;
	bool is_dry, is_skip;
};
/** Begin. The stream is borrowed. */
FIBER struct move_out *move_out_new(struct stream *s, const struct move_opts *opts);
void move_out_free(struct move_out **o);
/** Octets of a message; wire form. -1: it is over (move_out_end has the exit code). */
FIBER int move_out_octets(struct move_out *o, struct span octets);
FIBER int move_out_letter(struct move_out *o, const struct move_letter *l);
/** Forget the octets. */
FIBER int move_out_drop(struct move_out *o);
FIBER int move_out_folder(struct move_out *o, struct span name, const char *use);
FIBER int move_out_flags(struct move_out *o, struct span item, struct span flags);
FIBER int move_out_seen(struct move_out *o, uint64_t modseq);
/** Send what is gathered. */
FIBER int move_out_flush(struct move_out *o);
/** So many messages are durable, or settled otherwise. */
uint64_t move_out_done(const struct move_out *o);
/** The end; the sums are added to *sums. 0 or the exit code, told already. */
FIBER int move_out_end(struct move_out *o, struct move_sums *sums);
/** Something is wrong with one message of the source: told, counted. */
void move_out_bad(struct move_out *o, struct span where, const char *why);

/** Ask and take the rows, on a stream where nothing else is under way. An exit code. */
FIBER int move_ask(
	struct stream *s, const char *cmd, struct span args, cli_line_fn *row, void *arg);

/* ---- move_folder.c: names ---- */

/** The folder of a source's name, one that can be here; `use_r`: what it is for, by the names that programs
 * give such folders, or NULL. In `a`. */
struct span move_folder_clean(struct arena *a, struct span name);
const char *move_folder_use(struct span name);
/** "Old=New" pairs with LF between: what `name`, or a level above it, becomes. */
struct span move_folder_map(struct arena *a, const char *pairs, struct span name);
/** A level's name as a file's, and back ("%2F"). */
struct span move_folder_file(struct arena *a, struct span name);
struct span move_folder_unfile(struct arena *a, struct span file);
/** Maildir++: "Work/2024" and ".Work.2024". */
struct span move_folder_maildir(struct arena *a, struct span name);
struct span move_folder_unmaildir(struct arena *a, struct span dir);

/* ---- sources ---- */

struct move_in {
	struct cli_call *c;
	struct arena *a;
	const char *address, *path, *format, *folder; /* folder NULL: as the source has them */
	bool is_dry, is_skip;
	struct move_out *out;
	struct move_sums sums;
	uint64_t done, total; /* octets, for the bar */
	unsigned depth;
};

#define MOVE_DEPTH_MAX 32       /* directories within each other */
#define MOVE_FILES_MAX 10000000 /* in one directory */

/** A file or a tree of them. An exit code, told already. */
FIBER int move_tree(struct move_in *m, const char *path, struct span folder);
FIBER int move_mbox(struct move_in *m, const char *path, struct span folder, enum mbox_kind kind);
FIBER int move_maildir(struct move_in *m, const char *path, struct span folder);
FIBER int move_eml(struct move_in *m, const char *path, struct span folder);
bool move_is_maildir(struct arena *a, const char *path);
/** Sorted names of a directory but for "." and ".."; *count_r. NULL: told. */
char **move_names(struct arena *a, const char *path, size_t *count_r);
/** Octets of a file as a message's: LF becomes CRLF unless its first line ends with CRLF. */
FIBER int move_file(struct move_in *m, const char *path);
void move_progress(struct move_in *m, uint64_t octets);
int move_tell(struct cli_call *c, const struct move_sums *s, bool is_dry);

/* ---- move_gmail.c: labels of Gmail's export ---- */
struct span move_labels_decode(struct arena *a, struct span labels);
/** What one label means for folder, flags and keywords. */
void move_label_take(struct arena *a, struct span label, struct move_letter *l, bool *is_unread);

/* ---- move_pull.c ---- */
FIBER int move_pull(struct cli_call *c, const char *address, const char *url);
bool move_is_url(const char *text);
