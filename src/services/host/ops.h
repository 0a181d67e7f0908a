#pragma once
/* What an administrator can ask for: one table of operations, used in two ways. The server answers
 * them on its control socket; a command opens the store itself and runs them when no server is up.
 *
 * A request is a JSON object on one line: {"cmd":"queue.list","args":{…}}. The answer is lines,
 * each an object with exactly one of these names:
 *
 *	{"row":{…}}				one of any number of results
 *	{"progress":{"done":1,"total":10}}	of long work
 *	{"end":{…}}				the last line when all went well
 *	{"error":{"code":"not-found","text":"…"}}	the last line when it did not
 */

#include "store/store.h"
#include "services/host/config.h"
#include "services/json/json_in.h"

struct host;
struct stream;

#define OPS_REQUEST_MAX (256 * 1024)  /* octets of a request line */
#define OPS_LINE_MAX    (1024 * 1024) /* and of an answer line */

struct ops_ctx {
	struct store *store;
	struct host *host;           /* NULL: no server runs, the store was opened for this alone */
	struct work_lane *lane;      /* for blocking work: backup, check */
	const struct config *config; /* may be NULL offline */
	const char *data;
	struct span by; /* who asks: "root", "uid 1000" */
	/* What follows the request on its connection, for operations that read on (ops_move.h); NULL: nothing
	 * can. is_input_open: it was not read to its end, so no other request can follow. */
	struct stream *input;
	bool is_input_open;
};

/** Where answer lines go (with LF). -1 ends the operation. */
typedef FIBER int ops_line_fn(void *arg, struct span line, struct err *e);

/** Parse the request, run it, send every line of the answer (the last one too). -1 only when a line
 * could not be sent. */
FIBER int ops_answer(
	struct ops_ctx *ctx, struct span request, ops_line_fn *line, void *arg, struct err *e);

/** Serve requests on a stream until it ends. It stays the caller's. */
FIBER void ops_serve(struct ops_ctx *ctx, struct stream *s);

/** Who asks, by user number: "root", "uid 1000". */
void ops_put_who(struct buf *b, unsigned uid);

enum ops_flags {
	OPS_ONLINE = 1, /* only a running server can do it */
	OPS_READ = 2,   /* changes nothing */
};
struct ops_info {
	const char *name;
	unsigned flags;
	const char *help;
};
extern const struct ops_info ops_table[];
extern const size_t ops_count;
