#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/net.h"
#include "services/host/config.h"
#include "services/host/host.h"
#include "services/host/local.h"
#include "services/host/ops.h"
#include "cli/cli.h"

/* One way to ask: the control socket while a server runs, else the same operations on the store
 * itself. Both give the same lines. */

struct answer {
	cli_line_fn *row;
	void *arg;
	int code;
	bool is_over; /* "end" or "error" has come */
	bool is_bar;
};

#define CONFIG_FILE "/etc/yizhan/yizhan.conf"

const char *cli_config_file(const struct cli_call *c)
{
	if (c->config)
		return c->config;
	return !c->data && !getenv("YIZHAN_DATA") && access(CONFIG_FILE, R_OK) == 0 ? CONFIG_FILE
										    : NULL;
}

/* --data, $YIZHAN_DATA, the configuration's, else where the demo lives. */
const char *cli_data(struct cli_call *c)
{
	const char *file = cli_config_file(c), *home = getenv("XDG_DATA_HOME");
	struct config_errors errs = {0};

	if (c->data)
		return c->data;
	if (getenv("YIZHAN_DATA"))
		return arena_str(c->arena, span_str(getenv("YIZHAN_DATA")));
	if (file) {
		struct config *conf = config_read(file, &errs);

		if (!conf) {
			cli_fail(EX_CONFIG, "%s:%u: %s", file, errs.items[0].line,
				errs.items[0].text);
			config_errors_fini(&errs);
			return NULL;
		}
		const char *data = arena_str(c->arena, span_str(conf->data));
		config_unref(&conf);
		return data;
	}
	if (home && home[0] == '/')
		return arena_printf(c->arena, "%s/yizhan", home);
	home = getenv("HOME");
	if (home && home[0] == '/')
		return arena_printf(c->arena, "%s/.local/share/yizhan", home);
	cli_fail(EX_USAGE, "which server? say --data DIR");
	return NULL;
}

static void end_bar(struct answer *a)
{
	if (a->is_bar)
		cli_progress(1, 1);
	a->is_bar = false;
}

static int take_line(struct answer *a, struct span line)
{
	struct err e = {0};
	struct json_in *doc = json_in_parse(line, &e);
	const struct json_in *v;

	if (!doc) {
		a->code = cli_fail(
			EX_SOFTWARE, "the server's answer is not understood: %s", e.text);
		return -1;
	}
	if ((v = json_in_get(doc, "row"))) {
		end_bar(a);
		a->code = a->row(a->arg, v);
	} else if ((v = json_in_get(doc, "progress"))) {
		uint64_t done = 0, total = 0;

		json_in_u64(v, "done", &done);
		json_in_u64(v, "total", &total);
		a->is_bar = true;
		cli_progress(done, total);
	} else {
		end_bar(a);
		a->is_over = true;
		v = json_in_get(doc, "error");
		if (v) {
			struct span code = json_in_text(v, "code");
			struct arena *arena = arena_new();

			a->code = cli_fail(cli_exit_code(arena_str(arena, code)), SPAN_FMT,
				SPAN_ARG(json_in_text(v, "text")));
			arena_free(&arena);
		}
	}
	json_in_free(&doc);
	return a->code ? -1 : 0;
}

static int take_local_line(void *arg, struct span line)
{
	return take_line(arg, line);
}

/* Connected, or -1 when nobody serves there. */
static int connect_control(const char *path, int *code_r)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd;

	*code_r = 0;
	if (strlen(path) >= sizeof(un.sun_path)) {
		*code_r = cli_fail(EX_USAGE, "%s: too long for a socket", path);
		return -1;
	}
	memcpy(un.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&un, sizeof(un)) == 0)
		return fd;
	int why = errno;
	if (fd >= 0)
		close(fd);
	if (why != ENOENT && why != ECONNREFUSED && why != ENOTDIR)
		*code_r = cli_fail(why == EACCES || why == EPERM ? EX_NOPERM : EX_UNAVAILABLE,
			"%s: %s", path, strerror(why));
	return -1;
}

static bool send_all(int fd, struct span s)
{
	while (s.len) {
		ssize_t n = send(fd, s.ptr, s.len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		s = span_skip(s, (size_t)n);
	}
	return true;
}

/* Lines out of `in`, as many as are whole. */
static int take_lines(struct answer *a, struct buf *in)
{
	for (;;) {
		ptrdiff_t end = span_find(buf_span(in), '\n');

		if (end < 0 || a->is_over)
			return 0;
		if (take_line(a, span_sub(buf_span(in), 0, (size_t)end)) < 0)
			return -1;
		buf_consume(in, (size_t)end + 1);
	}
}

static int ask_server(int fd, struct span request, struct answer *a)
{
	struct buf in;
	char *p;

	if (!send_all(fd, request) || !send_all(fd, SPAN("\n")))
		return cli_fail(EX_UNAVAILABLE, "the server does not listen: %s", strerror(errno));
	buf_init(&in, OPS_LINE_MAX + 65536);
	while (!a->is_over && !a->code && (p = buf_reserve(&in, 65536))) {
		ssize_t n = read(fd, p, 65536);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		buf_added(&in, (size_t)n);
		take_lines(a, &in);
	}
	end_bar(a);
	if (!a->is_over && !a->code)
		a->code = cli_fail(EX_UNAVAILABLE, "the server went away");
	buf_fini(&in);
	return a->code;
}

static int ask_store(struct cli_call *c, const char *data, const char *cmd, struct span request,
	struct answer *a)
{
	const char *file = cli_config_file(c);
	struct config_errors errs = {0};
	struct config *conf = file ? config_read(file, &errs) : NULL;
	struct local_opts opts = {.data = data,
		.config = conf,
		.is_made = !local_is_reader(span_str(cmd)),
		.line = take_local_line,
		.arg = a};
	struct err e = {0};

	int rc = local_run(&opts, request, &e);
	config_errors_fini(&errs);
	config_unref(&conf);
	if (rc < 0 && !a->code) {
		end_bar(a);
		if (e.code == ERR_NOT_FOUND)
			return cli_fail(EX_NOINPUT, "no server runs, and %s", e.text);
		return cli_fail_err(&e);
	}
	end_bar(a);
	return a->code;
}

int cli_ask(struct cli_call *c, const char *cmd, struct span args, cli_line_fn *row, void *arg)
{
	const char *data = cli_data(c);
	struct answer a = {.row = row, .arg = arg};
	struct json_out j;
	struct buf request;
	int code;

	if (!data)
		return EX_USAGE;
	int fd = connect_control(host_control_path(c->arena, data), &code);
	if (fd < 0 && code)
		return code;
	buf_init(&request, OPS_REQUEST_MAX);
	json_out_init(&j, &request);
	json_open_object(&j);
	json_kv_str(&j, "cmd", cmd);
	json_key(&j, "args");
	json_raw(&j, args);
	json_close(&j);
	if (!buf_ok(&request))
		code = cli_fail(EX_USAGE, "that is too much for one command");
	else if (fd >= 0)
		code = ask_server(fd, buf_span(&request), &a);
	else
		code = ask_store(c, data, cmd, buf_span(&request), &a);
	if (fd >= 0)
		close(fd);
	buf_fini(&request);
	return code;
}

/* ---- many requests on one connection ---- */

struct talk {
	struct cli_call *c;
	cli_talk_fn *fn;
	void *arg;
	const char *path;
	int code;
};

static FIBER int talk_local(void *arg, struct stream *s)
{
	struct talk *t = arg;

	t->code = t->fn(t->arg, s);
	return 0;
}

static FIBER int talk_server(void *arg)
{
	struct talk *t = arg;
	struct stream *s;
	struct addr to;
	struct err e = {0};
	const char *text = arena_printf(t->c->arena, "unix:%s", t->path);

	if (addr_parse(span_str(text), 0, &to, &e) < 0 ||
		!(s = net_connect(&to, NULL, loop_now_ns() + 10 * CLOCK_SEC, &e))) {
		t->code = cli_fail_err(&e);
		return 0;
	}
	t->code = t->fn(t->arg, s);
	stream_free(&s);
	return 0;
}

static int run_server(struct talk *t)
{
	struct loop_opts opts = {.name = "command", .slice_warn_ns = CLOCK_MIN};
	struct err e = {0};
	struct loop *l = loop_new_uv(&opts, &e);

	if (!l || loop_run(l, talk_server, t, &e) < 0)
		t->code = cli_fail_err(&e);
	if (l)
		loop_free(&l);
	return t->code;
}

static int run_local(struct talk *t, const char *data)
{
	const char *file = cli_config_file(t->c);
	struct config_errors errs = {0};
	struct config *conf = file ? config_read(file, &errs) : NULL;
	struct local_opts opts = {.data = data, .config = conf};
	struct err e = {0};
	int rc = local_talk(&opts, talk_local, t, &e);

	config_errors_fini(&errs);
	config_unref(&conf);
	if (rc < 0 && e.code == ERR_NOT_FOUND)
		return cli_fail(EX_NOINPUT, "no server runs, and %s", e.text);
	return rc < 0 && !t->code ? cli_fail_err(&e) : t->code;
}

int cli_talk(struct cli_call *c, cli_talk_fn *fn, void *arg)
{
	struct talk t = {.c = c, .fn = fn, .arg = arg};
	const char *data = cli_data(c);
	int code, fd;

	if (!data)
		return EX_USAGE;
	t.path = host_control_path(c->arena, data);
	fd = connect_control(t.path, &code);
	if (fd < 0)
		return code ? code : run_local(&t, data);
	close(fd);
	return run_server(&t);
}
