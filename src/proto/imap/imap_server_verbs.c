/* From a line to what is done about it: what may be given now, and the dialogue's own commands. */

#include <string.h>

#include "base/must.h"
#include "base/secret.h"
#include "net/deflate.h"
#include "proto/imap/imap_server_priv.h"

static void refuse(struct imap_server *sv, const struct err *why)
{
	sv->reply.status = why->code == ERR_UNSUPPORTED ? IMAP_NO : IMAP_BAD;
	sv->is_said = true;
	if (!sv->s.stream->is_broken)
		imap_refusal_put(imap_out(&sv->s), sv->s.tag, why);
}

static unsigned phase_of(const struct imap_server *sv)
{
	switch (sv->s.state) {
	case IMAP_STATE_CLEAR: return IMAP_NOT_AUTHENTICATED;
	case IMAP_STATE_AUTH: return IMAP_AUTHENTICATED;
	case IMAP_STATE_SELECTED: return IMAP_SELECTED;
	case IMAP_STATE_LOGOUT: break;
	}
	return 0;
}

/* A verb of a capability that is off is unknown here. */
static bool is_known(const struct imap_server *sv, const struct imap_verb_row *row)
{
	int cap = row && row->capability[0] ? imap_cap_find(span_str(row->capability)) : -1;

	return row && (!row->capability[0] || (cap >= 0 && (sv->s.caps >> cap & 1)));
}

static bool is_streamed(enum imap_verb v)
{
	return v == IMAP_APPEND || v == IMAP_REPLACE;
}

static bool admits(struct imap_server *sv, const struct imap_head *h)
{
	const struct imap_verb_row *row = imap_verb_row(h->verb);
	struct imap_result *r = &sv->reply;

	if (h->verb == IMAP_COMPRESS && sv->is_compressed)
		imap_result_no(r, "COMPRESSIONACTIVE", "Compression is on already");
	else if (h->verb == IMAP_STARTTLS && sv->s.tls)
		imap_result_bad(r, NULL, "TLS is on already");
	else if (!is_known(sv, row) || (is_streamed(h->verb) && !sv->decider->append_event))
		imap_result_bad(r, NULL, "There is no such command");
	else if (row->phases & phase_of(sv))
		return true;
	else if (sv->s.state == IMAP_STATE_CLEAR)
		imap_result_bad(r, NULL, "Log in first");
	else if (row->phases & IMAP_NOT_AUTHENTICATED)
		imap_result_bad(r, NULL, "Logged in already");
	else
		imap_result_bad(r, NULL, "Select a mailbox first");
	return false;
}

/* What the grammar cannot know. */
static bool is_whole(struct imap_server *sv, const struct imap_command *c)
{
	uint64_t wanted = imap_server_needs(c);

	if (!imap_has(&sv->s, wanted))
		imap_result_bad(&sv->reply, NULL, "That is not offered here");
	/* RFC 7162 section 3.2.5 */
	else if ((wanted & IMAP_BIT(QRESYNC)) && !imap_is_enabled(&sv->s, IMAP_BIT(QRESYNC)))
		imap_result_bad(&sv->reply, NULL, "ENABLE QRESYNC first");
	/* RFC 9586 section 3 */
	else if (imap_is_enabled(&sv->s, IMAP_BIT(UIDONLY)) && imap_server_counts(c))
		imap_result_bad(&sv->reply, "UIDREQUIRED", "Messages have UIDs only here");
	else
		return true;
	return false;
}

/* ---- the dialogue's own ---- */

static void do_capability(struct imap_server *sv)
{
	struct buf *b = imap_out(&sv->s);

	if (sv->s.stream->is_broken)
		return;
	buf_str(b, "* CAPABILITY");
	imap_server_put_caps(sv, b);
	buf_str(b, "\r\n");
}

static void do_logout(struct imap_server *sv)
{
	imap_printf(&sv->s, "* BYE Good bye\r\n" SPAN_FMT " OK LOGOUT completed\r\n",
		SPAN_ARG(sv->s.tag));
	sv->why = "logout";
	imap_server_state(sv, IMAP_STATE_LOGOUT);
}

static FIBER int do_starttls(struct imap_server *sv, struct err *e)
{
	struct imap_session *s = &sv->s;

	/* Whatever stands behind it was put there by somebody who cannot speak TLS. */
	if (stream_peek(s->stream).len) {
		imap_server_bye(sv, "starttls", NULL, "Nothing may follow STARTTLS");
		return 0;
	}
	imap_printf(s, SPAN_FMT " OK Begin TLS now\r\n", SPAN_ARG(s->tag));
	sv->is_said = true;
	imap_server_patience(sv);
	if (tls_accept(s->stream, s->opts->tls, e) < 0)
		return -1;
	s->tls = s->stream->tls;
	/* RFC 9051 section 6.2.1: what was known before does not count */
	buf_clear(&sv->client);
	s->client_name = s->client_version = SPAN_NONE;
	if (sv->decider->secured)
		sv->decider->secured(sv->ctx, s);
	imap_server_refresh(sv);
	return 0;
}

static FIBER int do_compress(struct imap_server *sv, const struct imap_command *c, struct err *e)
{
	struct imap_session *s = &sv->s;

	if (!span_eq_nocase(c->word1, SPAN("DEFLATE")))
		return imap_result_bad(&sv->reply, NULL, "There is DEFLATE only");
	/* RFC 4978 section 3: the client waits for the OK */
	if (stream_peek(s->stream).len) {
		imap_server_bye(sv, "compress", NULL, "Nothing may follow COMPRESS");
		return 0;
	}
	imap_printf(s, SPAN_FMT " OK Compressed from here on\r\n", SPAN_ARG(s->tag));
	sv->is_said = true;
	if (imap_flush(s, e) < 0)
		return -1;
	deflate_push(s->stream);
	sv->is_compressed = true;
	imap_server_refresh(sv);
	return 0;
}

static void do_enable(struct imap_server *sv, const struct imap_command *c)
{
	struct imap_session *s = &sv->s;

	imap_printf(s, "* ENABLED");
	for (size_t i = 0; i < c->word_count; i++) {
		int cap = imap_cap_find(c->words[i]);

		if (cap < 0 || !(s->caps >> cap & 1) ||
			!imap_cap_row((enum imap_cap)cap)->is_enable)
			continue;
		s->enabled |= UINT64_C(1) << cap;
		imap_printf(s, " %s", imap_cap_row((enum imap_cap)cap)->name);
	}
	imap_printf(s, "\r\n");
	/* RFC 7162 section 3.2.3 */
	if (s->enabled & IMAP_BIT(QRESYNC))
		s->enabled |= IMAP_BIT(CONDSTORE);
}

static struct span keep_client(struct imap_server *sv, struct span value)
{
	size_t from = buf_len(&sv->client);

	buf_span_put(&sv->client, span_sub(value, 0, IMAP_ID_VALUE_MAX));
	return span_skip(buf_span(&sv->client), from);
}

/* RFC 2971. What a client says of itself counts for nothing but which capabilities it is shown. */
static void do_id(struct imap_server *sv, const struct imap_command *c)
{
	struct imap_session *s = &sv->s;
	struct span name = SPAN_NONE, version = SPAN_NONE;
	uint64_t before = s->caps;

	for (size_t i = 0; i < c->pair_count; i++) {
		if (span_eq_nocase(c->pairs[i].field, SPAN("name")))
			name = c->pairs[i].value;
		else if (span_eq_nocase(c->pairs[i].field, SPAN("version")))
			version = c->pairs[i].value;
	}
	buf_clear(&sv->client);
	/* Room for both at once, so that the first does not move. */
	buf_reserve(&sv->client, 2 * IMAP_ID_VALUE_MAX);
	s->client_name = keep_client(sv, name);
	s->client_version = keep_client(sv, version);
	log_event(&s->log, LOG_INFO, "imap.id", LF("name", s->client_name),
		LF("version", s->client_version));
	if (!s->opts->software)
		imap_printf(s, "* ID NIL\r\n");
	else if (s->opts->version && s->state != IMAP_STATE_CLEAR)
		imap_printf(s, "* ID (\"name\" \"%s\" \"version\" \"%s\")\r\n", s->opts->software,
			s->opts->version);
	else
		imap_printf(s, "* ID (\"name\" \"%s\")\r\n", s->opts->software);
	imap_server_refresh(sv);
	if (s->caps != before) {
		buf_str(&sv->reply.code, "CAPABILITY");
		imap_server_put_caps(sv, &sv->reply.code);
	}
}

static FIBER void do_unauthenticate(struct imap_server *sv)
{
	struct imap_session *s = &sv->s;

	sv->decider->unauthenticate(sv->ctx, s);
	imap_server_auth_forget(sv);
	s->enabled = 0;
	s->is_listening = false;
	imap_server_state(sv, IMAP_STATE_CLEAR);
	imap_server_refresh(sv);
	buf_str(&sv->reply.code, "CAPABILITY");
	imap_server_put_caps(sv, &sv->reply.code);
}

static FIBER int run(struct imap_server *sv, const struct imap_command *c, struct err *e)
{
	struct err why = {0};

	if (!sv->decider->run || sv->decider->run(sv->ctx, &sv->s, c, &sv->reply, &why) == 0)
		return 0;
	return imap_server_trouble(sv, &why, e);
}

static FIBER int act(struct imap_server *sv, const struct imap_command *c, struct err *e)
{
	switch (c->verb) {
	case IMAP_CAPABILITY: do_capability(sv); return 0;
	case IMAP_NOOP:
	case IMAP_CHECK: return 0;
	case IMAP_LOGOUT: do_logout(sv); return 0;
	case IMAP_STARTTLS: return do_starttls(sv, e);
	case IMAP_COMPRESS: return do_compress(sv, c, e);
	case IMAP_AUTHENTICATE: return imap_server_authenticate(sv, c, e);
	case IMAP_LOGIN: return imap_server_login(sv, c, e);
	case IMAP_IDLE: return imap_server_idle(sv, e);
	case IMAP_UNAUTHENTICATE: do_unauthenticate(sv); return 0;
	case IMAP_ENABLE: do_enable(sv, c); return run(sv, c, e);
	case IMAP_ID: do_id(sv, c); return run(sv, c, e);
	default: return run(sv, c, e);
	}
}

/* RFC 9051 section 7.5.1: sequence numbers that the client has sent mean what they meant then. */
static bool may_expunge(const struct imap_command *c)
{
	if (!c)
		return true;
	switch (c->verb) {
	case IMAP_FETCH:
	case IMAP_STORE:
	case IMAP_SEARCH:
	case IMAP_SORT:
	case IMAP_THREAD: return c->is_uid;
	default: return true;
	}
}

FIBER int imap_server_updates(struct imap_server *sv, const struct imap_command *c, struct err *e)
{
	struct imap_session *s = &sv->s;
	struct err why = {0};

	if (!sv->decider->updates || (s->state != IMAP_STATE_SELECTED && !s->is_listening) ||
		imap_server_is_over(sv))
		return 0;
	if (sv->decider->updates(sv->ctx, s, c, may_expunge(c), &why) == 0)
		return 0;
	if (why.code == ERR_CANCELLED || s->stream->is_broken)
		return err_copy(e, &why);
	/* What cannot be told now is told later: nothing of it was. */
	log_event(&s->log, LOG_WARN, "imap.trouble", LF_STR("code", err_code_str(why.code)),
		LF_STR("error", why.text));
	return 0;
}

/* ---- a command ---- */

static void preset(struct imap_server *sv, const struct imap_command *c)
{
	imap_result_ok(&sv->reply, NULL, "%s%s completed", c->is_uid ? "UID " : "",
		imap_verb_str(c->verb));
}

static FIBER int parse_and_act(struct imap_server *sv, struct span text, struct err *e)
{
	struct imap_dialect d = {.is_utf8 = imap_is_utf8(&sv->s),
		.is_utf8_accepted = imap_is_enabled(&sv->s, IMAP_BIT(UTF8_ACCEPT))};
	struct imap_command *c = ARENA_NEW(sv->s.cmd, struct imap_command);
	struct err why = {0};
	bool is_idle;

	if (imap_command_parse(sv->s.cmd, text, &d, c, &why) < 0) {
		refuse(sv, &why);
		return 0;
	}
	if (!is_whole(sv, c))
		return 0;
	preset(sv, c);
	is_idle = c->verb == IMAP_IDLE;
	if (act(sv, c, e) < 0)
		return -1;
	if (sv->is_said || sv->reply.status == IMAP_BAD)
		return 0;
	/* IDLE leaves nothing of its command. */
	return imap_server_updates(sv, is_idle ? NULL : c, e);
}

/* The line and the literals that stand in it become one text; *text_r without pointer: refused. */
static FIBER int gather(
	struct imap_server *sv, struct span line, struct span *text_r, struct err *e)
{
	const struct imap_server_limits *l = &sv->s.opts->limits;
	struct imap_literal lit;
	struct buf *text = NULL;
	bool is_read = true;

	*text_r = SPAN_NONE;
	while (is_read && imap_literal_at_end(line, &lit)) {
		if (!imap_server_admit(sv, &lit))
			return imap_server_skip(sv, line, e);
		if (!text) {
			text = arena_buf(sv->s.cmd, l->command + IMAP_SERVER_SLACK);
			buf_span_put(text, line);
		}
		if (imap_server_collect(sv, &lit, text, &line, &is_read, e) < 0)
			return -1;
	}
	if (is_read)
		*text_r = text ? buf_span(text) : line;
	return 0;
}

static bool is_secret(enum imap_verb v)
{
	return v == IMAP_LOGIN || v == IMAP_AUTHENTICATE;
}

FIBER int imap_server_obey(struct imap_server *sv, struct span line, struct err *e)
{
	struct imap_head head = {0};
	struct err why = {0};
	struct span text;
	int rc = imap_head_parse(line, &head, &why);

	buf_clear(&sv->tag);
	buf_span_put(&sv->tag, span_sub(head.tag, 0, IMAP_TAG_MAX));
	sv->s.tag = buf_span(&sv->tag);
	if (rc < 0) {
		refuse(sv, &why);
		return imap_server_skip(sv, line, e);
	}
	if (!admits(sv, &head))
		return imap_server_skip(sv, line, e);
	if (is_streamed(head.verb))
		return imap_server_append(sv, line, e);
	if (gather(sv, line, &text, e) < 0)
		return -1;
	if (!text.ptr)
		return 0;
	rc = parse_and_act(sv, text, e);
	if (is_secret(head.verb) && text.len)
		secret_wipe((char *)(uintptr_t)text.ptr, text.len);
	return rc;
}
