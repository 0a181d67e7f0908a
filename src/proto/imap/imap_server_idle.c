/* Waiting: in IDLE (RFC 2177), and between commands while the decider listens (NOTIFY). */

#include "proto/imap/imap_server_priv.h"

/* What has changed goes to the client at once; nothing of it stays in memory. */
static FIBER int tell(struct imap_server *sv, struct err *e)
{
	int rc;

	imap_server_cmd(sv);
	rc = imap_server_updates(sv, NULL, e);
	arena_free(&sv->s.cmd);
	if (rc < 0)
		return -1;
	if (sv->is_ending)
		imap_server_bye(sv, sv->why, NULL, buf_cstr(&sv->last_words));
	return imap_flush(&sv->s, e);
}

/* One wait. *is_input_r false: the bell or the deadline. */
static FIBER int wait_once(
	struct imap_server *sv, int64_t until_ns, bool *is_input_r, struct err *e)
{
	bool is_rung = false;
	int rc;

	sv->s.stream->deadline_ns = until_ns;
	sv->s.is_idle = true;
	rc = stream_wait(sv->s.stream, &sv->bell, &is_rung, e);
	sv->s.is_idle = false;
	*is_input_r = rc == 0 && !is_rung;
	return rc;
}

FIBER int imap_server_rest(struct imap_server *sv, int64_t until_ns, struct err *e)
{
	for (;;) {
		bool is_input;

		if (wait_once(sv, until_ns, &is_input, e) < 0)
			return -1;
		if (is_input)
			return 0;
		/* RFC 9051 section 7.5.1: nothing is told between commands, unless NOTIFY says so. */
		if ((sv->s.is_listening || sv->is_ending) && tell(sv, e) < 0)
			return -1;
		if (imap_server_is_over(sv))
			return 0;
	}
}

/* The client lives as long as its machine takes what is said now and then. */
static FIBER int idle_wait(struct imap_server *sv, bool *is_input_r, struct err *e)
{
	int64_t until_ns = loop_now_ns() + sv->s.opts->limits.still_ns;
	struct err why = {0};

	if (wait_once(sv, until_ns, is_input_r, &why) == 0)
		return 0;
	if (why.code != ERR_TIMEOUT)
		return err_copy(e, &why);
	imap_printf(&sv->s, "* OK Still here\r\n");
	return 0;
}

static FIBER int idle_end(struct imap_server *sv, struct err *e)
{
	struct span line;

	imap_server_patience(sv);
	if (stream_read_line(sv->s.stream, IMAP_SERVER_IDLE_LINE_MAX, &line, NULL, e) < 0) {
		if (!e || e->code != ERR_LIMIT)
			return -1;
		err_clear(e);
		imap_server_bye(sv, "too long", "LIMIT", "DONE would have been enough");
		return 0;
	}
	if (!span_eq_nocase(line, SPAN("DONE")))
		imap_result_bad(&sv->reply, NULL, "DONE ends IDLE");
	return 0;
}

static FIBER int idle_talk(struct imap_server *sv, struct err *e)
{
	for (;;) {
		bool is_input;

		if (tell(sv, e) < 0)
			return -1;
		if (imap_server_is_draining(sv))
			imap_server_bye(sv, "drain", "UNAVAILABLE", "Going down, come again");
		if (imap_server_is_over(sv))
			return 0;
		if (idle_wait(sv, &is_input, e) < 0)
			return -1;
		if (is_input)
			return idle_end(sv, e);
	}
}

FIBER int imap_server_idle(struct imap_server *sv, struct err *e)
{
	int rc;

	arena_free(&sv->s.cmd);
	imap_put(&sv->s, SPAN("+ idling\r\n"));
	if (sv->decider->idle)
		sv->decider->idle(sv->ctx, &sv->s, true);
	rc = idle_talk(sv, e);
	if (sv->decider->idle)
		sv->decider->idle(sv->ctx, &sv->s, false);
	imap_server_cmd(sv);
	return rc;
}
