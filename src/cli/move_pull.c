#include "cli/move_pull.h"

#include <string.h>
#include <unistd.h>

#include "base/must.h"

/* mailbox pull: all mailboxes of somebody at another server, as often as it is said; each time what is new. */

static const char *use_of(unsigned use)
{
	static const struct {
		unsigned bit;
		const char *use;
	} uses[] = {{IMAP_USE_SENT, "\\Sent"}, {IMAP_USE_DRAFTS, "\\Drafts"},
		{IMAP_USE_TRASH, "\\Trash"}, {IMAP_USE_JUNK, "\\Junk"},
		{IMAP_USE_ARCHIVE, "\\Archive"}};

	for (size_t i = 0; i < ARRAY_LEN(uses); i++)
		if (use & uses[i].bit)
			return uses[i].use;
	return NULL;
}

/* Is `name` one of the lines, or below one? With an "=" only what stands before it counts. */
static bool is_listed(const char *lines, struct span name)
{
	struct span rest = span_str(lines), line, after;
	bool is_more = rest.len > 0;

	while (is_more) {
		is_more = span_cut(rest, '\n', &line, &rest);
		span_cut(line, '=', &line, &after);
		if (line.len && span_starts(name, line) &&
			(name.len == line.len || name.ptr[line.len] == '/'))
			return true;
	}
	return false;
}

static bool is_wanted(struct pull *p, const struct imap_client_name *n, bool *is_rest_r)
{
	const char *folders = cli_value(p->c, "folder");
	bool is_named = is_listed(folders, n->name);
	bool is_view = n->use & (IMAP_USE_ALL | IMAP_USE_FLAGGED | IMAP_USE_IMPORTANT);

	*is_rest_r = false;
	if (n->is_noselect || is_listed(cli_value(p->c, "exclude"), n->name))
		return false;
	if (p->server.folder.len && !is_listed(arena_str(p->a, p->server.folder), n->name))
		return false;
	if (!is_view || is_named)
		return true;
	/* what is in it is in other mailboxes too, but for Gmail's archived messages */
	*is_rest_r = (n->use & IMAP_USE_ALL) && imap_client_has(&p->imap, "X-GM-EXT-1");
	if (!*is_rest_r && isatty(STDERR_FILENO))
		fprintf(stderr, SPAN_FMT ": a view of other mailboxes, passed over\n",
			SPAN_ARG(n->name));
	return *is_rest_r;
}

static bool is_use_taken(const struct pull *p, const char *use)
{
	for (size_t i = 0; i < p->box_count; i++)
		if (p->boxes[i].use && strcmp(p->boxes[i].use, use) == 0)
			return true;
	return false;
}

static void plan_box(struct pull *p, const struct imap_client_name *n, bool is_rest)
{
	const char *pairs = cli_value(p->c, "folder");
	struct pull_box *b = &p->boxes[p->box_count];
	const char *use;

	*b = (struct pull_box){.from = *n, .is_rest = is_rest};
	if (is_rest) {
		b->to = SPAN("Archive");
		b->use = "\\Archive";
		p->box_count++;
		return;
	}
	b->to = move_folder_map(p->a, pairs, n->name);
	if (span_eq(b->to, n->name)) { /* nobody has said where it goes: where such mail is here */
		use = use_of(n->use);
		if (!use)
			use = move_folder_use(n->name);
		if (use && !is_use_taken(p, use))
			b->use = use;
	}
	b->to = move_folder_clean(p->a, b->to);
	p->box_count++;
}

static FIBER int plan(struct pull *p, struct err *e)
{
	struct imap_client_name *list = NULL;
	size_t count = 0;
	bool is_rest;

	if (imap_client_list(&p->imap, p->a, &list, &count, e) < 0)
		return -1;
	p->boxes = ARENA_ARRAY(p->a, struct pull_box, count + 1);
	/* those that say what they are for choose first */
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < count; i++)
			if ((use_of(list[i].use) != NULL) == (pass == 0) &&
				is_wanted(p, &list[i], &is_rest))
				plan_box(p, &list[i], is_rest);
	if (!p->box_count)
		return err_set(e, ERR_NOT_FOUND, "no mailbox there is meant");
	return 0;
}

/* Is it worth another connection? */
static bool is_passing(const struct err *e)
{
	return e->again != ERR_AGAIN_NEVER &&
		(e->code == ERR_EOF || e->code == ERR_TIMEOUT || e->code == ERR_IO ||
			e->code == ERR_TLS);
}

static FIBER int go_on(struct pull *p, struct err *e)
{
	if (!p->is_connected && pull_connect(p, e) < 0)
		return -1;
	if (!p->boxes && plan(p, e) < 0)
		return -1;
	for (; p->at < p->box_count; p->at++) {
		struct pull_box *b = &p->boxes[p->at];
		struct err why = {0};

		if (isatty(STDERR_FILENO))
			fprintf(stderr, SPAN_FMT "\n", SPAN_ARG(b->from.name));
		if (pull_box(p, b, &why) == 0)
			continue;
		if (why.code != ERR_REPLY)
			return err_copy(e, &why);
		/* this one mailbox cannot be had */
		cli_fail(0, SPAN_FMT ": %s", SPAN_ARG(b->from.name), why.text);
		p->sums.bad++;
	}
	return 0;
}

static int code_of(const struct err *e)
{
	uint64_t code;

	/* told already, with an exit code for a text */
	if (e->code == ERR_CANCELLED)
		return span_u64_max(span_str(e->text), 127, &code) && code ? (int)code
									   : EX_TEMPFAIL;
	if (e->code == ERR_DENIED)
		return cli_fail(EX_NOPERM, "%s", e->text);
	if (e->code == ERR_TLS)
		return cli_fail(
			EX_UNAVAILABLE, "%s (--ca-file FILE has authorities to believe)", e->text);
	return cli_fail_err(e);
}

/* A connection that breaks is made again, and it goes on where it was: what has come is noted with each
 * message. */
static FIBER int pull_main(void *arg, struct stream *s)
{
	struct pull *p = arg;
	struct err e = {0};
	unsigned tries = 0;
	uint64_t before;
	int code = 0;

	p->to = s;
	for (;;) {
		before = p->sums.added;
		e = (struct err){0};
		if (go_on(p, &e) == 0)
			break;
		pull_disconnect(p);
		tries = p->sums.added > before ? 1 : tries + 1;
		if (!is_passing(&e) || tries > PULL_TRIES ||
			fiber_sleep(CLOCK_SEC << (tries < 7 ? tries - 1 : 6), NULL) < 0) {
			code = code_of(&e);
			break;
		}
		if (isatty(STDERR_FILENO))
			fprintf(stderr, "%s; going on\n", e.text);
	}
	pull_disconnect(p);
	return code;
}

int cli_mailbox_pull(struct cli_call *c)
{
	struct pull *p = ARENA_NEW(c->arena, struct pull);
	int code;

	p->c = c;
	p->a = c->arena;
	p->address = c->operands[0];
	p->is_dry = cli_value(c, "dry-run") != NULL;
	p->is_skip = cli_value(c, "skip-duplicates") != NULL;
	code = pull_server_read(p, c->operands[1]);
	if (!code)
		code = cli_talk(c, pull_main, p);
	tls_client_free(&p->server.tls);
	if (code && p->sums.added)
		cli_fail(0, "%llu messages are in; do it again to go on",
			(unsigned long long)p->sums.added);
	return code ? code : move_tell(c, &p->sums, p->is_dry);
}
