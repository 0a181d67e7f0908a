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
	local_talk_fn *talk;
	void *talk_arg;
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

/* ---- many requests ---- */

struct local_server {
	struct local *l;
	struct stream *s;
};

static FIBER int serve(void *arg)
{
	struct local_server *x = arg;

	ops_serve(&x->l->ctx, x->s);
	stream_shutdown(x->s, NULL);
	stream_free(&x->s);
	return 0;
}

static FIBER int run_talk(void *arg)
{
	struct local *l = arg;
	struct local_server x = {.l = l};
	struct fiber_group g;
	struct stream *ours;
	int rc;

	fiber_group_init(&g);
	stream_pair(&ours, &x.s, 0);
	if (fiber_start(&g, "operations", serve, &x, NULL) < 0) {
		stream_free(&ours);
		stream_free(&x.s);
		return -1;
	}
	rc = l->talk(l->talk_arg, ours);
	stream_free(&ours);
	fiber_group_join(&g);
	return rc;
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
		rc = loop_run(loop, l->talk ? run_talk : run, l, e);
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

static int open_and_run(struct local *l, struct err *e)
{
	struct log_sink sink = {.write = sink_write, .level = LOG_WARN};
	struct arena *a = arena_new();
	struct log log;
	int rc;

	l->ctx.data = l->opts->data;
	l->ctx.config = l->opts->config;
	log_root(&log, &sink);
	if (!l->opts->is_made && access(arena_printf(a, "%s/yizhan.db", l->opts->data), F_OK) < 0)
		rc = err_set(e, ERR_NOT_FOUND, "there is no store in %s", l->opts->data);
	else
		rc = with_store(l, &log, e);
	arena_free(&a);
	return rc;
}

int local_run(const struct local_opts *opts, struct span request, struct err *e)
{
	struct local l = {.opts = opts, .request = request};

	return open_and_run(&l, e);
}

int local_talk(const struct local_opts *opts, local_talk_fn *talk, void *arg, struct err *e)
{
	struct local l = {.opts = opts, .talk = talk, .talk_arg = arg};

	return open_and_run(&l, e);
}

int local_restore(const char *data, const char *file, struct err *e)
{
	if (mkdir(data, 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "%s", data);
	return store_restore(data, file, e);
}
