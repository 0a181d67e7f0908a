#include "services/host/local.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "services/host/host_priv.h"

struct local {
	const struct local_opts *opts;
	struct ops_ctx ctx;
	struct span request;
};

static FIBER int give_line(void *arg, struct span line, struct err *e)
{
	struct local *l = arg;

	return l->opts->line(l->opts->arg, line) < 0 ? err_set(e, ERR_CANCELLED, "enough") : 0;
}

static FIBER int run(void *arg)
{
	struct local *l = arg;

	ops_answer(&l->ctx, l->request, give_line, l, NULL);
	return 0;
}

/* Lines of the store (recovery, migrations) are told to whoever types the command. */
static void sink_write(struct log_sink *sink, enum log_level level, struct span line)
{
	(void)sink;
	(void)level;
	fprintf(stderr, SPAN_FMT "\n", SPAN_ARG(line));
}

static int with_store(struct local *l, const struct log *log, struct err *e)
{
	struct store_opts store = {.dir = l->opts->data, .log = log};
	struct loop_opts loop_opts = {.log = log, .name = "local"};
	struct loop *loop = loop_new_uv(&loop_opts, e);
	struct buf by;
	int rc = -1;

	if (!loop)
		return -1;
	buf_init(&by, 32);
	ops_put_who(&by, (unsigned)getuid());
	l->ctx.by = buf_span(&by);
	l->ctx.store = store_open(&store, e);
	if (l->ctx.store) {
		l->ctx.lane = work_lane_new("local", 1, 16);
		rc = loop_run(loop, run, l, e);
		work_lane_free(&l->ctx.lane);
		store_close(&l->ctx.store);
	}
	loop_free(&loop);
	buf_fini(&by);
	return rc;
}

bool local_is_reader(struct span cmd)
{
	for (size_t i = 0; i < ops_count; i++) {
		if (span_eq(cmd, span_str(ops_table[i].name)))
			return ops_table[i].flags & OPS_READ;
	}
	return false;
}

int local_run(const struct local_opts *opts, struct span request, struct err *e)
{
	struct local l = {.opts = opts,
		.request = request,
		.ctx.data = opts->data,
		.ctx.config = opts->config};
	struct log_sink sink = {.write = sink_write, .level = LOG_WARN};
	struct arena *a = arena_new();
	struct log log;
	int rc;

	log_root(&log, &sink);
	if (!opts->is_made && access(arena_printf(a, "%s/yizhan.db", opts->data), F_OK) < 0)
		rc = err_set(e, ERR_NOT_FOUND, "there is no store in %s", opts->data);
	else
		rc = with_store(&l, &log, e);
	arena_free(&a);
	return rc;
}

int local_restore(const char *data, const char *file, struct err *e)
{
	if (mkdir(data, 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "%s", data);
	return store_restore(data, file, e);
}
