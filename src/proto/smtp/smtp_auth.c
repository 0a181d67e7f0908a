/* AUTH: the exchange of RFC 4954, whatever the mechanism. */

#include "base/enc.h"
#include "base/secret.h"
#include "net/trace.h"
#include "proto/smtp/smtp_client_priv.h"

/* One exchange. */
struct talk {
	struct smtp_client *c;
	struct span mech;
	smtp_auth_fn *step;
	void *arg;
	struct buf held; /* an initial response that waits for the first challenge */
	bool is_held;
	struct buf raw, wire;
};

static void wipe(struct buf *b)
{
	if (b->mem)
		secret_wipe(b->mem, b->cap);
	buf_clear(b);
}

static void wipe_fini(struct buf *b)
{
	wipe(b);
	buf_fini(b);
}

static int bad(const char *why, struct err *e)
{
	err_set(e, ERR_PROTO, "AUTH: %s", why);
	return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
}

/* Say a line that has a secret in it, and read the reply. */
static FIBER int say(struct talk *t, struct span line, const char *note, struct err *e)
{
	struct smtp_client *c = t->c;

	trace_mask(c->stream, note);
	stream_put(c->stream, line);
	stream_put(c->stream, SPAN("\r\n"));
	trace_mask(c->stream, NULL);
	c->outstanding++;
	return smtp_client_reply(c, SMTP_STAGE_AUTH, c->opts.timeouts.hello_ns, e);
}

/* "AUTH" SP mechanism [SP initial-response] (RFC 4954 section 4): an empty response is "=", one that
 * would make the line too long waits for an empty challenge. */
static FIBER int begin(struct talk *t, struct err *e)
{
	struct smtp_auth_step step = {
		.is_first = true, .challenge = SPAN_NONE, .response = &t->raw};
	struct smtp_client *c = t->c;
	const char *note;

	if (t->step(t->arg, &step, e) < 0)
		return -1;
	if (smtp_client_quiet(c, SMTP_STAGE_AUTH, e) < 0)
		return -1;
	buf_printf(&t->wire, "AUTH " SPAN_FMT, SPAN_ARG(t->mech));
	if (!step.has_response)
		return say(t, buf_span(&t->wire), NULL, e);
	enc_put_base64(&t->held, buf_span(&t->raw));
	if (buf_len(&t->held) == 0)
		buf_char(&t->held, '=');
	if (buf_len(&t->wire) + 1 + buf_len(&t->held) + 2 > SMTP_AUTH_LINE_MAX) {
		t->is_held = true;
		return say(t, buf_span(&t->wire), NULL, e);
	}
	note = arena_printf(c->arena, SPAN_FMT " [secret]", SPAN_ARG(buf_span(&t->wire)));
	buf_char(&t->wire, ' ');
	buf_span_put(&t->wire, buf_span(&t->held));
	return say(t, buf_span(&t->wire), note, e);
}

/* "*" (RFC 4954 section 4), which only ever answers a challenge. What is returned is the reason. */
static FIBER int give_up(struct talk *t, struct err *e)
{
	struct err why = {0};

	if (say(t, SPAN("*"), NULL, &why) < 0)
		return err_copy(e, &why);
	if (t->c->parser.reply.code != 334)
		return -1;
	bad("the server goes on after it was ended", e);
	return smtp_client_lost(t->c, SMTP_STAGE_AUTH, e);
}

static FIBER int answer(struct talk *t, struct err *e)
{
	struct smtp_auth_step step = {.response = &t->raw};
	struct span text = buf_span(&t->c->parser.reply.lines);
	struct buf challenge;
	int rc;

	wipe(&t->wire);
	if (t->is_held) {
		/* RFC 4954 section 4: the challenge that asks for it is empty. */
		t->is_held = false;
		if (buf_len(&t->held) == 1 && buf_span(&t->held).ptr[0] == '=')
			buf_clear(&t->held);
		return say(t, buf_span(&t->held), "[secret]", e);
	}
	buf_init(&challenge, SMTP_REPLY_LINE_MAX);
	wipe(&t->raw);
	if (!enc_get_base64(&challenge, span_trim(text))) {
		rc = bad("a challenge is no base64", e);
	} else {
		step.challenge = buf_len(&challenge) ? buf_span(&challenge) : SPAN("");
		rc = t->step(t->arg, &step, e);
	}
	wipe_fini(&challenge);
	if (rc < 0 || !buf_ok(&t->raw)) {
		if (rc == 0)
			err_set(e, ERR_LIMIT, "AUTH: the response is too long");
		return give_up(t, e);
	}
	enc_put_base64(&t->wire, buf_span(&t->raw));
	return say(t, buf_span(&t->wire), "[secret]", e);
}

static FIBER int exchange(struct talk *t, struct err *e)
{
	struct smtp_client *c = t->c;

	if (begin(t, e) < 0)
		return -1;
	for (int i = 0; c->parser.reply.code == 334; i++) {
		if (i == SMTP_AUTH_CHALLENGES_MAX) {
			bad("the challenges do not end", e);
			return give_up(t, e);
		}
		if (answer(t, e) < 0)
			return -1;
	}
	/* RFC 4954 section 4: 235; 503 says that this session is logged in already. */
	if (c->parser.reply.code == 235 || c->parser.reply.code == 503)
		return 0;
	if (c->parser.reply.code / 100 == 2 || c->parser.reply.code / 100 == 3) {
		bad("neither yes nor no", e);
		return smtp_client_lost(c, SMTP_STAGE_AUTH, e);
	}
	return smtp_client_refused(c, SMTP_STAGE_AUTH, e);
}

static bool is_mech(struct span mech)
{
	bool is_ok = mech.len > 0 && mech.len <= SMTP_AUTH_MECH_MAX;

	for (size_t i = 0; i < mech.len; i++) {
		unsigned char ch = span_lower((unsigned char)mech.ptr[i]);

		is_ok = is_ok &&
			((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '-' ||
				ch == '_');
	}
	return is_ok;
}

FIBER int smtp_client_auth(
	struct smtp_client *c, struct span mech, smtp_auth_fn *step, void *arg, struct err *e)
{
	struct talk t = {.c = c, .mech = mech, .step = step, .arg = arg};
	int rc;

	smtp_reply_clear(&c->auth);
	smtp_reply_parser_reset(&c->parser);
	if (!is_mech(mech)) { /* RFC 4422 section 3.1 */
		err_set(e, ERR_SYNTAX, "AUTH: not the name of a mechanism");
		return err_scope_set(e, ERR_SCOPE_MSG, ERR_AGAIN_NEVER);
	}
	buf_init(&t.held, 2 * SMTP_AUTH_RESPONSE_MAX);
	buf_init(&t.raw, SMTP_AUTH_RESPONSE_MAX);
	buf_init(&t.wire, 2 * SMTP_AUTH_RESPONSE_MAX);
	rc = exchange(&t, e);
	smtp_reply_copy(&c->auth, &c->parser.reply);
	wipe_fini(&t.held);
	wipe_fini(&t.raw);
	wipe_fini(&t.wire);
	return rc;
}
