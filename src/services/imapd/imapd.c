#include "services/imapd/imapd.h"

#include <stdlib.h>

#include "base/mem.h"
#include "services/imapd/imapd_append.h"
#include "services/imapd/imapd_session_priv.h"

struct imapd *imapd_new(const struct imapd_opts *opts)
{
	struct imapd *d = NEW(struct imapd);

	d->opts = *opts;
	d->views = imapd_views_new();
	return d;
}

void imapd_free(struct imapd **dp)
{
	struct imapd *d = *dp;

	*dp = NULL;
	if (!d)
		return;
	imapd_views_free(&d->views);
	free(d);
}

const struct imapd_opts *imapd_opts_of(const struct imapd *d)
{
	return &d->opts;
}

uint64_t imapd_caps(void)
{
	return imap_caps_close(IMAPD_SESSION_CAPS | IMAPD_LIST_CAPS | IMAPD_MESSAGE_CAPS |
		IMAPD_FETCH_CAPS | IMAPD_SEARCH_CAPS);
}

/* ---- commands ---- */

static imapd_command_fn *function_of(enum imap_verb verb)
{
	switch (verb) {
#define X(id, fn)                                                                                  \
	case IMAP_##id: return fn;
		IMAPD_COMMANDS(X)
#undef X
	default: return NULL;
	}
}

/* What a command of the session's own has changed is told with its reply, whether the notice has come
 * already or not; NOOP and CHECK ask for the truth. */
static bool is_looked_after(enum imap_verb verb)
{
	switch (verb) {
	case IMAP_NOOP:
	case IMAP_CHECK:
	case IMAP_STORE:
	case IMAP_COPY:
	case IMAP_MOVE:
	case IMAP_EXPUNGE: return true;
	default: return false;
	}
}

/* RFC 9738 section 3.1 */
static void say_limited(const struct imapd_conn *c, struct imap_result *r)
{
	if (r->status == IMAP_OK && !buf_len(&r->code))
		imap_result_code(r, "MESSAGELIMIT %llu %u",
			(unsigned long long)c->s->opts->limits.message_limit, c->limited_uid);
}

static FIBER int imapd_run(void *ctx, struct imap_session *s, const struct imap_command *cmd,
	struct imap_result *r, struct err *e)
{
	struct imapd_conn *c = ctx;
	imapd_command_fn *fn = function_of(cmd->verb);

	c->verb = cmd->verb;
	c->limited_uid = 0;
	if (imap_verb_row(cmd->verb)->phases == IMAP_SELECTED && imapd_rights_again(c, r, e) < 0)
		return -1;
	if (r->status != IMAP_OK)
		return 0;
	if (fn && fn(c, cmd, r, e) < 0)
		return -1;
	if (fn && c->limited_uid)
		say_limited(c, r);
	if (fn)
		return 0;
	return cmd->verb == IMAP_ID ? 0 : imap_result_bad(r, NULL, "There is no such command");
}

static FIBER int imapd_tell(void *ctx, struct imap_session *s, const struct imap_command *cmd,
	bool may_expunge, struct err *e)
{
	struct imapd_conn *c = ctx;

	if (cmd && is_looked_after(cmd->verb))
		c->wants_look = true;
	/* Without a tag nothing is under way. */
	if (!cmd && !c->is_idling && !s->tag.len)
		return imapd_push(c, e);
	return imapd_updates(c, may_expunge, e);
}

static FIBER void imapd_idle(void *ctx, struct imap_session *s, bool is_begun)
{
	struct imapd_conn *c = ctx;

	c->is_idling = is_begun;
	c->wants_look = true;
}

static const struct imap_decider imapd_decider = {
	.connect = imapd_connect,
	.secured = imapd_secured,
	.caps_off = imapd_caps_off,
	.auth_offer = imapd_auth_offer,
	.sasl = &auth_decider,
	.sasl_ctx = imapd_sasl_ctx,
	.auth = imapd_auth,
	.ended = imapd_ended,
	.unauthenticate = imapd_unauthenticate,
	.run = imapd_run,
	.updates = imapd_tell,
	.idle = imapd_idle,
	.append_event = imapd_append_event,
	.append_data = imapd_append_data,
	.append_done = imapd_append_done,
	.append_abort = imapd_append_abort,
};

/* ---- a connection ---- */

FIBER int imapd_serve(struct imapd *d, struct stream *stream, const struct imap_server_opts *opts,
	const struct imapd_policy *policy, const char *refuse, struct imapd_conn **conn,
	struct err *e)
{
	struct imapd_conn *c = NEW(struct imapd_conn);
	int rc;

	c->d = d;
	c->refuse = refuse;
	c->policy = policy;
	auth_conn_init(&c->auth, d->opts.auth, ACCOUNT_SCOPE_IMAP, stream);
	*conn = c;
	rc = imap_server_run(stream, opts, &imapd_decider, c, e);
	*conn = NULL;
	imapd_forget(c);
	auth_conn_fini(&c->auth);
	free(c);
	return rc;
}

bool imapd_is_busy(const struct imapd_conn *c)
{
	return c && c->s && !c->s->is_idle;
}
