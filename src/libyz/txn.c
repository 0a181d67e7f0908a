/* Transactions: the envelope as the caller gave it, checked; and its way through the client. */

#include "libyz/libyz_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/must.h"

/* ---- what the caller gives ---- */

static void txn_bad(struct yz_txn *t, const char *why)
{
	if (!t->bad)
		t->bad = why;
}

/* A path goes between angle brackets as it is: what would end it there, or begin something else, is
 * refused; and so is a display name. NULL: fine. */
static const char *path_trouble(struct span path)
{
	bool is_quoted = false;

	if (span_has_line_break(path))
		return "an address has CR, LF or NUL";
	for (size_t i = 0; i < path.len; i++) {
		unsigned char c = (unsigned char)path.ptr[i];

		if (c < ' ' || c == 0x7f)
			return "an address has a control character";
		if (is_quoted && c == '\\')
			i++;
		else if (c == '"')
			is_quoted = !is_quoted;
		else if (!is_quoted && (c == ' ' || c == '<' || c == '>'))
			return "an address has a blank or angle brackets (no display name here)";
	}
	return is_quoted ? "an address has a quote that does not end" : NULL;
}

/* "<a@b>" is a@b. */
static const char *txn_path(struct yz_txn *t, const char *path)
{
	struct span p = span_str(path);
	const char *trouble;

	if (p.len >= 2 && p.ptr[0] == '<' && p.ptr[p.len - 1] == '>')
		p = span_sub(p, 1, p.len - 2);
	trouble = path_trouble(p);
	if (trouble)
		txn_bad(t, trouble);
	return arena_str(t->arena, p);
}

static const char *txn_text(struct yz_txn *t, const char *text)
{
	if (!text)
		return NULL;
	if (span_has_line_break(span_str(text)))
		txn_bad(t, "a parameter has CR or LF");
	return arena_str(t->arena, span_str(text));
}

static void check_params(struct yz_txn *t)
{
	const struct yz_mail_params *p = &t->params;

	if ((unsigned)p->body > YZ_BODY_BINARYMIME || (unsigned)p->ret > YZ_RET_HDRS)
		txn_bad(t, "body or ret is none of its values");
	if (p->by_mode && p->by_mode != 'R' && p->by_mode != 'N')
		txn_bad(t, "by_mode is R or N");
	if (p->by_mode == 'R' && p->by_seconds <= 0)
		txn_bad(t, "a time to deliver by (R) is positive"); /* RFC 2852 section 4 */
	if (p->hold_for < 0 || p->hold_until < 0 || (p->hold_for && p->hold_until))
		txn_bad(t, "hold_for and hold_until are positive, and not both given");
	if (p->has_priority && (p->priority < -9 || p->priority > 9))
		txn_bad(t, "a priority is -9 to 9");
}

struct yz_txn *yz_txn_new(
	struct yz_session *s, const char *reverse_path, const struct yz_mail_params *params)
{
	struct yz_txn *t = NEW(struct yz_txn);

	t->session = s;
	t->arena = arena_new();
	t->out = arena_new();
	t->body = source_body_new(s);
	t->reverse_path = txn_path(t, reverse_path ? reverse_path : "");
	if (params && params->size < sizeof(params->size))
		txn_bad(t, "the parameters' size is not set");
	else if (params)
		memcpy(&t->params, params,
			params->size < sizeof(t->params) ? params->size : sizeof(t->params));
	t->params.envid = txn_text(t, t->params.envid);
	t->params.auth = txn_text(t, t->params.auth);
	t->params.extra = txn_text(t, t->params.extra);
	check_params(t);
	return t;
}

void yz_txn_free(struct yz_txn **t_p)
{
	struct yz_txn *t = t_p ? *t_p : NULL;

	if (!t)
		return;
	*t_p = NULL;
	source_body_free(&t->body);
	free(t->rcpts);
	arena_free(&t->out);
	arena_free(&t->arena);
	free(t);
}

/* Of a call that does not wait: the transaction's own trouble, told at once and again by yz_send. */
static int txn_trouble(struct yz_txn *t)
{
	if (call_plain(t->session) != YZ_OK)
		return YZ_E_STATE;
	return t->bad ? fail(t->session, YZ_E_INVAL, "%s", t->bad) : YZ_OK;
}

static void copy_rcpt_params(
	struct yz_txn *t, struct txn_rcpt *r, const struct yz_rcpt_params *params)
{
	struct yz_rcpt_params *p = &r->params;
	const unsigned all = YZ_NOTIFY_NEVER | YZ_NOTIFY_SUCCESS | YZ_NOTIFY_FAILURE |
		YZ_NOTIFY_DELAY;

	if (!params)
		return;
	if (params->size < sizeof(params->size)) {
		txn_bad(t, "the parameters' size is not set");
		return;
	}
	memcpy(p, params, params->size < sizeof(*p) ? params->size : sizeof(*p));
	p->orcpt = txn_text(t, p->orcpt);
	p->extra = txn_text(t, p->extra);
	if (p->notify & ~all)
		txn_bad(t, "notify has bits that are none of its values");
	if ((p->notify & YZ_NOTIFY_NEVER) && p->notify != YZ_NOTIFY_NEVER)
		txn_bad(t, "NOTIFY=NEVER stands alone"); /* RFC 3461 section 4.1 */
	if (p->orcpt && span_find(span_str(p->orcpt), ';') <= 0)
		txn_bad(t, "orcpt is a type, a semicolon and an address");
}

int yz_txn_rcpt(struct yz_txn *t, const char *forward_path, const struct yz_rcpt_params *params)
{
	struct txn_rcpt *r;

	if (step_is_active(t->session->step))
		return YZ_E_STATE;
	if (t->count == YZ_RCPTS_MAX) {
		txn_bad(t, "too many recipients");
		return txn_trouble(t);
	}
	if (t->count == t->room) {
		t->room = t->room ? 2 * t->room : 4;
		t->rcpts = mem_realloc(t->rcpts, t->room * sizeof(t->rcpts[0]));
	}
	r = &t->rcpts[t->count++];
	memset(r, 0, sizeof(*r));
	r->path = txn_path(t, forward_path ? forward_path : "");
	if (!*r->path)
		txn_bad(t, "a recipient is empty");
	copy_rcpt_params(t, r, params);
	r->result.path = r->path;
	r->result.user = r->params.user;
	r->result.text = "not sent yet";
	return txn_trouble(t);
}

int yz_txn_body(struct yz_txn *t, const void *octets, size_t n, enum yz_eol eol)
{
	if (!octets && n)
		txn_bad(t, "no octets");
	if ((unsigned)eol > YZ_EOL_BINARY)
		txn_bad(t, "eol is none of its values");
	body_set_octets(t->body, octets, n, eol);
	return txn_trouble(t);
}

int yz_txn_source(struct yz_txn *t, const struct yz_source *source, enum yz_eol eol)
{
	struct yz_source s = {.size = -1};

	if (!source || source->size_of < offsetof(struct yz_source, rewind) || !source->read) {
		txn_bad(t, "a source reads, and its size_of is set");
		return txn_trouble(t);
	}
	memcpy(&s, source, source->size_of < sizeof(s) ? source->size_of : sizeof(s));
	if ((unsigned)eol > YZ_EOL_BINARY)
		txn_bad(t, "eol is none of its values");
	body_set_source(t->body, &s, eol);
	return txn_trouble(t);
}

int yz_txn_fd(struct yz_txn *t, int fd, enum yz_eol eol)
{
	if (fd < 0)
		txn_bad(t, "no descriptor");
	if ((unsigned)eol > YZ_EOL_BINARY)
		txn_bad(t, "eol is none of its values");
	body_set_fd(t->body, fd, false, eol);
	return txn_trouble(t);
}

int yz_txn_file(struct yz_txn *t, const char *path, enum yz_eol eol)
{
	int rc = txn_trouble(t), fd, why;

	if (rc != YZ_OK)
		return rc;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		why = errno;
		error_fill(&t->session->error, YZ_E_SYSTEM, YZ_PHASE_NONE, strerror(why));
		t->session->error.os_errno = why;
		return YZ_E_SYSTEM;
	}
	if ((unsigned)eol > YZ_EOL_BINARY)
		txn_bad(t, "eol is none of its values");
	body_set_fd(t->body, fd, true, eol);
	return txn_trouble(t);
}

void yz_txn_progress(struct yz_txn *t, void (*fn)(void *arg, uint64_t sent, int64_t of), void *arg)
{
	t->progress = fn;
	t->progress_arg = arg;
}

/* ---- sending ---- */

static enum smtp_ret map_ret(enum yz_ret ret)
{
	return ret == YZ_RET_FULL    ? SMTP_RET_FULL
		: ret == YZ_RET_HDRS ? SMTP_RET_HDRS
				     : SMTP_RET_NONE;
}

static void make_rcpts(struct yz_txn *t, struct smtp_txn *w)
{
	uint64_t max = t->session->client.caps.rcpt_max; /* RFC 9422 */

	w->rcpt_count = max && t->count > max ? (size_t)max : t->count;
	w->rcpts = ARENA_ARRAY(t->out, struct smtp_txn_rcpt, w->rcpt_count);
	for (size_t i = 0; i < w->rcpt_count; i++) {
		const struct txn_rcpt *r = &t->rcpts[i];

		w->rcpts[i].address = span_str(r->path);
		w->rcpts[i].notify = r->params.notify; /* the same bits: asserted below */
		w->rcpts[i].orcpt = span_str(r->params.orcpt);
		w->rcpts[i].extra = span_str(r->params.extra);
	}
}

_Static_assert((int)YZ_NOTIFY_NEVER == (int)SMTP_NOTIFY_NEVER &&
		(int)YZ_NOTIFY_SUCCESS == (int)SMTP_NOTIFY_SUCCESS &&
		(int)YZ_NOTIFY_FAILURE == (int)SMTP_NOTIFY_FAILURE &&
		(int)YZ_NOTIFY_DELAY == (int)SMTP_NOTIFY_DELAY,
	"NOTIFY bits are handed down as they are");

static void make_body(const struct yz_txn *t, struct smtp_txn *w, bool is_known, bool is_8bit)
{
	switch (t->params.body) {
	case YZ_BODY_7BIT: w->body = SMTP_BODY_7BIT; break;
	case YZ_BODY_8BITMIME: w->body = SMTP_BODY_8BITMIME; break;
	case YZ_BODY_BINARYMIME: w->body = SMTP_BODY_BINARYMIME; break;
	case YZ_BODY_AUTO:
		w->body = is_8bit ? SMTP_BODY_8BITMIME : SMTP_BODY_7BIT;
		w->is_body_auto = !is_known;
		break;
	}
	if (body_is_binary(t->body)) {
		w->body = SMTP_BODY_BINARYMIME;
		w->is_body_auto = false;
	}
}

static void make_txn(struct yz_txn *t, struct smtp_txn *w)
{
	const struct yz_mail_params *p = &t->params;

	w->reverse_path = span_str(t->reverse_path);
	w->is_smtputf8 = p->flags & YZ_SMTPUTF8;
	w->is_8bit_anyway = p->flags & YZ_8BIT_ANYWAY;
	w->no_declare = p->flags & YZ_NO_DECLARE;
	w->is_all_or_nothing = p->flags & YZ_ALL_OR_NOTHING;
	w->is_dsn_required = p->flags & YZ_DSN_OR_FAIL;
	w->is_requiretls = p->flags & YZ_REQUIRETLS;
	w->keeps_rcpt_replies = true;
	w->ret = map_ret(p->ret);
	w->envid = span_str(p->envid);
	w->auth = span_str(p->auth);
	w->by_seconds = p->by_seconds;
	w->by_mode = p->by_mode;
	w->by_trace = p->by_trace;
	w->hold_for = p->hold_for;
	w->hold_until = p->hold_until;
	w->has_priority = p->has_priority;
	w->priority = p->priority;
	w->extra = span_str(p->extra);
	w->source = body_source(t->body);
	make_rcpts(t, w);
}

/* What is wrong before a word is said; YZ_OK: it can go, *w is ready. */
static FIBER int txn_prepare(struct yz_txn *t, struct smtp_txn *w)
{
	struct yz_session *s = t->session;
	uint64_t max = s->client.caps.size_max;
	bool is_known, is_8bit;
	struct err e = {0};

	result_clear(t);
	if (t->bad)
		return result_none(t, YZ_E_INVAL, YZ_PHASE_NONE, t->bad);
	if (t->count == 0)
		return result_none(t, YZ_E_INVAL, YZ_PHASE_NONE, "there is no recipient");
	if (!body_is_set(t->body))
		return result_none(t, YZ_E_INVAL, YZ_PHASE_NONE, "there is no message");
	if (body_measure(t->body, &w->size, &is_known, &is_8bit, &e) < 0)
		return result_none(t, e.code == ERR_CANCELLED ? YZ_E_CANCELLED : YZ_E_SOURCE,
			YZ_PHASE_BODY, e.text);
	w->is_size_unknown = !is_known;
	if (!is_known)
		w->size = t->params.declared_size     ? t->params.declared_size
			: body_size_hint(t->body) > 0 ? (uint64_t)body_size_hint(t->body)
						      : 0;
	/* RFC 1870 section 6: what is too large by itself is not even begun. */
	if (max && w->size > max && smtp_client_has(&s->client, SMTP_SIZE)) {
		const char *text = arena_printf(t->out,
			"the message has %llu octets, the server takes at most %llu",
			(unsigned long long)w->size, (unsigned long long)max);

		return result_none(t, YZ_E_SIZE, YZ_PHASE_MAIL, text);
	}
	make_txn(t, w);
	make_body(t, w, is_known, is_8bit);
	body_watch(t->body, t->progress, t->progress_arg, is_known ? (int64_t)w->size : -1);
	return YZ_OK;
}

static int all_none(struct yz_txn *const *txns, size_t count, int code, const char *text)
{
	for (size_t i = 0; i < count; i++) {
		result_clear(txns[i]);
		result_none(txns[i], code, YZ_PHASE_NONE, text);
	}
	return code;
}

/* The session's word on a failed connection. A source that failed says so whatever broke behind it. */
static int lost(struct yz_session *s, struct yz_txn *const *txns, size_t count, const struct err *e)
{
	bool is_source = false, is_unknown = false;

	for (size_t i = 0; i < count; i++) {
		is_source = is_source || body_has_failed(txns[i]->body);
		is_unknown = is_unknown || yz_txn_outcome(txns[i]) == YZ_UNKNOWN;
	}
	s->phase = txns[0]->error.phase;
	if (s->client.parser.reply.code)
		reply_keep(&s->last, &s->client.parser.reply);
	session_close(s);
	if (e->code == ERR_CANCELLED)
		return fail_err(s, e);
	if (is_source)
		return fail(s, YZ_E_SOURCE, "%s", e->text);
	if (is_unknown)
		return fail(s, YZ_E_UNKNOWN, "%s", e->text);
	fail_err(s, e);
	if (e->code == ERR_REPLY)
		s->error.reply = s->last.reply;
	return s->error.code;
}

/* Hand those that are ready to the client, and take what it has decided. */
static FIBER int txn_hand_over(struct yz_session *s, struct yz_txn *const *txns,
	struct smtp_txn *const *work, size_t count)
{
	struct err e = {0};
	int rc;

	if (count == 1)
		rc = smtp_client_send(&s->client, work[0], &e);
	else
		rc = smtp_client_send_many(&s->client, work, count, &e);
	for (size_t i = 0; i < count; i++) {
		result_take(txns[i], work[i], rc < 0 ? &e : NULL);
		smtp_txn_fini(work[i]);
	}
	if (rc < 0)
		return lost(s, txns, count, &e);
	if (s->client.is_over)
		session_close(s);
	return YZ_OK;
}

FIBER int txn_send(struct yz_session *s, struct yz_txn *const *txns, size_t count)
{
	struct smtp_txn *work = ARENA_ARRAY(s->call_arena, struct smtp_txn, count);
	struct smtp_txn **ready = ARENA_ARRAY(s->call_arena, struct smtp_txn *, count);
	struct yz_txn **of = ARENA_ARRAY(s->call_arena, struct yz_txn *, count);
	size_t n = 0;
	int rc;

	if (!s->stream) {
		all_none(txns, count, YZ_E_STATE, "not connected");
		return fail(s, YZ_E_STATE, "not connected");
	}
	for (size_t i = 0; i < count; i++) {
		rc = txn_prepare(txns[i], &work[n]);
		if (rc == YZ_E_CANCELLED) {
			all_none(txns + i, count - i, rc, "cancelled");
			return fail(s, rc, "cancelled");
		}
		if (rc != YZ_OK)
			continue;
		of[n] = txns[i];
		ready[n] = &work[n];
		n++;
	}
	s->phase = YZ_PHASE_MAIL;
	return n ? txn_hand_over(s, of, ready, n) : YZ_OK;
}

static FIBER int run_send(struct yz_session *s, struct call *c)
{
	struct yz_txn *t = c->txns[0];
	int rc = txn_send(s, c->txns, 1);

	if (rc == YZ_OK && t->error.code != YZ_OK) {
		rc = t->error.code;
		s->error = t->error;
		if (rc == YZ_E_SOURCE)
			session_close(s);
	} else if (rc != YZ_OK) {
		t->error = s->error;
	}
	return rc;
}

int yz_send(struct yz_txn *t)
{
	struct yz_session *s = t->session;

	if (call_plain(s) != YZ_OK)
		return YZ_E_STATE;
	t->self = t;
	return call_start(s, run_send, &(struct call){.txns = &t->self, .n = 1});
}

static FIBER int run_send_many(struct yz_session *s, struct call *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (!c->txns[i] || c->txns[i]->session != s)
			return fail(s, YZ_E_INVAL, "a transaction is not of this session");
	return c->n ? txn_send(s, c->txns, c->n) : YZ_OK;
}

int yz_send_many(struct yz_session *s, struct yz_txn *const *txns, size_t count)
{
	return call_start(s, run_send_many, &(struct call){.txns = txns, .n = count});
}
