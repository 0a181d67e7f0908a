#pragma once
/* The drop directory: where a program of this machine leaves a letter while no server takes it. An
 * adviser's room: the command line writes, the host reads and takes each letter once. Everything here
 * blocks and never yields: on a loop it belongs into work_run(). Not thread-safe per struct.
 *
 * One file a letter, under a name that nobody can guess (DROP_NAME_PREFIX and 32 hexadecimal digits,
 * from the kernel's random numbers); the name is the delivery's id. It is written under another name,
 * synced, renamed, and the directory is synced: what drop_commit() has answered with 0 survives a power
 * cut. The owner of the file, as the kernel tells it, is who sent it: nothing in the file says so.
 *
 *	yizhan-drop 1
 *	from 17:alice@example.org,
 *	rcpt 15:bob@example.net,
 *	body 00000000000000001234
 *	…1234 octets, lines ending with CRLF
 *
 * Values are netstrings, so none can end early or begin a line of its own; CR, LF and NUL are refused
 * in them when they are written and again when they are read. */

#include <sys/types.h>

#include "base/arena.h"
#include "base/err.h"

#define DROP_RCPTS_MAX   1000
#define DROP_VALUE_MAX   2048                 /* octets of an address or another value */
#define DROP_HEAD_MAX    (3 * 1024 * 1024)    /* of everything in front of the body */
#define DROP_BODY_MAX    (1024 * 1024 * 1024) /* of a letter; the server's own limit may be lower */
#define DROP_SCAN_MAX    1000                 /* letters taken in one look at the directory */
#define DROP_NAME_PREFIX "drop-"
#define DROP_STALE_NS    (24 * 3600 * 1000000000LL) /* what is half written for so long is nobody's */

/* The envelope, as its sender said it. */
struct drop_envelope {
	struct span from;   /* "" the null sender; may lack its domain */
	struct span *rcpts; /* may lack theirs */
	size_t rcpt_count;
	struct span notify, ret, envid; /* DSN, as on the command line; "" not said */
	bool is_8bit, is_utf8;          /* what the content and the addresses need */
};

/* ---- writing ---- */

struct drop_writer {
	struct arena *a;
	int dir, fd;
	const char *unfinished; /* its name until it is whole; NULL: none */
	off_t body_at;          /* where the length stands */
	uint64_t octets;
	bool is_8bit;
};

/** Begin a letter in the directory `path` (which must be one, not a link to one). ERR_NOT_FOUND: there
 * is none; ERR_DENIED: we may not write there; ERR_SYNTAX: a value with CR, LF, NUL, or too long;
 * ERR_FULL: the disk. Whatever it returns, drop_abort() may follow. */
int drop_begin(struct drop_writer *w, struct arena *a, const char *path,
	const struct drop_envelope *env, struct err *e);
int drop_put(struct drop_writer *w, struct span octets, struct err *e);
/** Durable when it returns 0. The id is its name without the prefix, in the writer's arena. */
int drop_commit(struct drop_writer *w, struct span *id_r, struct err *e);
/** Give up what is not committed, and everything it holds. Nothing after a commit. */
void drop_abort(struct drop_writer *w);

/* ---- reading ---- */

/* A letter that lies there, opened. */
struct drop {
	const char *name; /* of the file */
	int fd;
	uid_t uid;          /* whose it is */
	int64_t written_ns; /* wall clock, as its owner has it */
	struct drop_envelope env;
	off_t body_at;
	uint64_t octets;
};

/** A directory's letters by name, at most DROP_SCAN_MAX, without the first `skip`; files of a writer that died long ago
 * are removed (`now_ns`: wall clock). A name says nothing yet of what it is. */
int drop_list(struct arena *a, const char *path, int64_t now_ns, size_t skip, const char ***names_r,
	size_t *count_r, struct err *e);
/** Open one. Links, pipes, devices, files with a second name and files that others may write are
 * refused with ERR_DENIED, what is no letter with ERR_CORRUPT; ERR_NOT_FOUND: it has gone. */
int drop_open(struct arena *a, const char *path, const char *name, struct drop *d_r, struct err *e);
void drop_close(struct drop *d);
/** Octets of the body at an offset: their count, 0 at the end, -1 on an error (also when the file became
 * shorter meanwhile). */
ssize_t drop_read(const struct drop *d, uint64_t offset, void *p, size_t n, struct err *e);
/** Forget it, durably. */
int drop_remove(const char *path, const char *name, struct err *e);
/** Put it aside under "refused-…" for a person to look at, durably. */
int drop_refuse(const char *path, const char *name, struct err *e);
/** Is it a letter's name? Pure. */
bool drop_is_name(const char *name);

/** Make the directory when it is not there, with the modes that the design needs: everybody may put
 * letters into it, nobody sees what lies there, and the group (the server's) reads what is in it. `mode`
 * 03733, or 0700 for one user alone. */
int drop_make_dir(const char *path, mode_t mode, struct err *e);
