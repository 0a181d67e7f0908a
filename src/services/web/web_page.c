#include "services/web/web_page.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "services/web/web_asset_priv.h"
#include "services/web/web_priv.h"

/* What the page may do: its own scripts and styles, nothing inline, no HTML made of text but by the sanitizer. */
#define PAGE_POLICY                                                                                \
	"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "            \
	"img-src 'self' data: blob:; media-src 'self' blob:; frame-src 'self' blob:; "             \
	"worker-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; "         \
	"require-trusted-types-for 'script'; trusted-types dompurify app"
/* The worker fetches what it keeps. */
#define WORKER_POLICY "default-src 'none'; connect-src 'self'; frame-ancestors 'none'"

struct page {
	struct web_login *login;
	struct work_lane *lane;
	const char *dir;
};

static const struct web_asset *asset_of_page(struct span path)
{
	for (size_t i = 0; i < web_page_asset_count; i++)
		if (span_eq(span_str(web_page_assets[i].path), path))
			return &web_page_assets[i];
	return NULL;
}

/* ---- from a directory, while somebody works on the page ---- */

struct from_disk {
	struct arena *a;
	const char *file;
	struct span octets;
	bool is_there;
};

static int read_all(struct from_disk *d, int fd, struct err *e)
{
	struct stat st;
	char *mem;
	size_t n = 0;

	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "fstat %s", d->file);
	if (!S_ISREG(st.st_mode) || st.st_size > WEB_PAGE_FILE_MAX)
		return 0;
	mem = arena_alloc(d->a, (size_t)st.st_size + 1);
	while (n < (size_t)st.st_size) {
		ssize_t got = read(fd, mem + n, (size_t)st.st_size - n);

		if (got < 0)
			return err_sys(e, errno, "read %s", d->file);
		if (got == 0)
			break;
		n += (size_t)got;
	}
	d->octets = span_of(mem, n);
	d->is_there = true;
	return 0;
}

static int read_file(void *arg, struct err *e)
{
	struct from_disk *d = arg;
	int fd = open(d->file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), rc;

	if (fd < 0)
		return errno == ENOENT || errno == ELOOP ? 0
							 : err_sys(e, errno, "open %s", d->file);
	rc = read_all(d, fd, e);
	close(fd);
	return rc;
}

static const char *type_of(struct span path)
{
	static const struct {
		const char *end, *type;
	} types[] = {{".js", "text/javascript; charset=utf-8"}, {".css", "text/css; charset=utf-8"},
		{".html", "text/html; charset=utf-8"}, {".svg", "image/svg+xml"},
		{".txt", "text/plain; charset=utf-8"}};

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (span_ends_nocase(path, span_str(types[i].end)))
			return types[i].type;
	return "application/octet-stream";
}

static FIBER int reply_from_disk(
	const struct page *p, struct web_call *c, struct span path, struct err *e)
{
	static const struct hash_key key = {0x79697a68616e, 0x6f6e206469736b};
	struct from_disk d = {.a = c->r->arena};

	d.file = arena_printf(d.a, "%s/" SPAN_FMT, p->dir, SPAN_ARG(path));
	if (work_run(p->lane, read_file, &d, e) < 0)
		return -1;
	if (!d.is_there)
		return http_reply_error(c->x, 404, NULL, e);
	http_set_etag(c->x,
		span_str(arena_printf(
			d.a, "%016llx", (unsigned long long)hash_bytes(&key, d.octets))),
		false);
	return http_reply(c->x, 200, type_of(path), d.octets, e);
}

static FIBER int reply_with(
	const struct page *p, struct web_call *c, struct span path, struct err *e)
{
	const struct web_asset *a;

	if (p->dir)
		return reply_from_disk(p, c, path, e);
	a = asset_of_page(path);
	return a ? web_asset_reply(c, a, e) : http_reply_error(c->x, 404, NULL, e);
}

/* ---- routes ---- */

/* One page for all of them: what is shown is told by the address, to the script. */
static FIBER int app(void *arg, struct web_call *c, struct err *e)
{
	const struct page *p = arg;

	if (p->login) {
		int rc = web_login_page(p->login, c, e);

		if (rc <= 0)
			return rc;
	}
	http_set(c->x, "Content-Security-Policy", SPAN(PAGE_POLICY));
	http_set(c->x, "Cache-Control", SPAN("no-cache"));
	return reply_with(p, c, SPAN("index.html"), e);
}

/* Names tell the content: what is here today is here for ever. */
static FIBER int assets(void *arg, struct web_call *c, struct err *e)
{
	const struct page *p = arg;
	struct span name = c->captures[0];

	if (span_find(name, '/') >= 0 || span_starts(name, SPAN(".")))
		return http_reply_error(c->x, 404, NULL, e);
	http_set(c->x, "Cache-Control", SPAN("public, max-age=31536000, immutable"));
	return reply_with(
		p, c, span_str(arena_printf(c->r->arena, "assets/" SPAN_FMT, SPAN_ARG(name))), e);
}

static FIBER int worker(void *arg, struct web_call *c, struct err *e)
{
	http_set(c->x, "Content-Security-Policy", SPAN(WORKER_POLICY));
	http_set(c->x, "Cache-Control", SPAN("no-cache"));
	return reply_with(arg, c, SPAN("sw.js"), e);
}

void web_add_page(struct web *w, const struct web_page_opts *opts)
{
	static const char *const paths[] = {
		"/mail", "/mail/*", "/settings", "/settings/*", "/trace", "/trace/*"};
	struct page *p = ARENA_NEW(web_arena(w), struct page);

	*p = (struct page){.login = opts->login, .lane = opts->lane};
	if (opts->dir)
		p->dir = arena_str(web_arena(w), span_str(opts->dir));
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		web_add(w,
			&(struct web_route){
				.path = paths[i], .methods = WEB_GET, .handle = app, .arg = p});
	web_add(w,
		&(struct web_route){
			.path = "/assets/{file}", .methods = WEB_GET, .handle = assets, .arg = p});
	web_add(w,
		&(struct web_route){
			.path = "/sw.js", .methods = WEB_GET, .handle = worker, .arg = p});
}
