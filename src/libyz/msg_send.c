/* Sending messages: from their fields to a transaction, in the form that the server takes. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "libyz/libyz_priv.h"
#include "libyz/msg_priv.h"

/* --- a message that is made ---------------------------------------------------------------------- */

/* It is encoded when the first octet is asked for: then the server's EHLO is known. */
struct making {
	struct yz_txn *txn;
	struct yz_msg *msg;
	struct msg_reader *reader; /* NULL: not begun */
	enum msg_way way;          /* that it was made for */
	struct span rest;          /* of the piece under way */
};

static bool has(const struct yz_session *s, const char *keyword, unsigned never)
{
	return !(s->opts.flags & never) && yz_cap(s, keyword);
}

static enum msg_way way_for(const struct yz_txn *t)
{
	switch (t->params.body) {
	case YZ_BODY_BINARYMIME: return MSG_WAY_BINARY;
	case YZ_BODY_7BIT: return MSG_WAY_7BIT;
	default: return has(t->session, "8BITMIME", YZ_NO_8BITMIME) ? MSG_WAY_8BIT : MSG_WAY_7BIT;
	}
}

static void settings_for(const struct yz_txn *t, struct yz_msg *m, struct msg_settings *s_r)
{
	msg_settings_of(m, NULL, s_r);
	/* RFC 6531 section 3.4: only where an address needs it; a domain alone can go as A-label */
	s_r->is_utf8 = msg_needs_utf8_locals(m->m);
	s_r->ascii_domain = msg_ascii_domain;
	s_r->way = way_for(t);
}

static int making_begin(struct making *k, struct err *e)
{
	struct msg_settings s;

	settings_for(k->txn, k->msg, &s);
	k->way = s.way;
	k->reader = msg_reader_new(k->msg->m, &s, e);
	return k->reader ? 0 : -1;
}

static long making_read(void *arg, void *to, size_t n)
{
	struct making *k = arg;
	struct err e = {0};

	if ((!k->reader && making_begin(k, &e) < 0) ||
		(!k->rest.len && msg_reader_next(k->reader, &k->rest, &e) < 0)) {
		msg_error(&k->msg->error, &e);
		return -1;
	}
	n = n < k->rest.len ? n : k->rest.len;
	if (n)
		memcpy(to, k->rest.ptr, n);
	k->rest = span_skip(k->rest, n);
	return (long)n;
}

static int making_rewind(void *arg)
{
	struct making *k = arg;

	k->rest = SPAN_NONE;
	/* another server may be there now, which takes less */
	if (k->reader && k->way == way_for(k->txn))
		return msg_reader_rewind(k->reader, NULL);
	msg_reader_free(&k->reader);
	return 0;
}

static void making_free(void *arg)
{
	struct making *k = arg;

	msg_reader_free(&k->reader);
}

/* The session's error, without an end of its connection. */
static int refuse(struct yz_session *s, const struct yz_error *why)
{
	error_fill(&s->error, why->code, YZ_PHASE_NONE, why->text);
	s->error.os_errno = why->os_errno;
	return why->code;
}

int yz_txn_message(struct yz_txn *t, struct yz_msg *m)
{
	struct making *k = ARENA_NEW(t->arena, struct making);
	struct yz_source source = {.size_of = sizeof(source), .read = making_read, .size = -1};
	bool is_binary = t->params.body == YZ_BODY_BINARYMIME;
	struct err e = {0};

	if (step_is_active(t->session->step))
		return YZ_E_STATE;
	k->txn = t;
	k->msg = m;
	arena_defer(t->arena, making_free, k);
	/* what this server cannot be sent is told now, and as that */
	if (yz_is_connected(t->session) && making_begin(k, &e) < 0) {
		msg_error(&m->error, &e);
		return refuse(t->session, &m->error);
	}
	source.arg = k;
	if (msg_is_rewindable(m->m))
		source.rewind = making_rewind;
	if (msg_needs_utf8_locals(m->m))
		t->params.flags |= YZ_SMTPUTF8;
	return yz_txn_source(t, &source, is_binary ? YZ_EOL_BINARY : YZ_EOL_FIX);
}

/* --- the envelope --------------------------------------------------------------------------------- */

static int refuse_text(struct yz_session *s, int code, const char *text)
{
	error_fill(&s->error, code, YZ_PHASE_NONE, text);
	return code;
}

/* A path whose domain alone is not ASCII goes as A-label (RFC 6531 section 3.2): SMTPUTF8 is not needed
 * for it. */
static const char *path_of(struct arena *a, const char *address)
{
	ptrdiff_t at = span_rfind(span_str(address), '@');
	struct span local = span_sub(span_str(address), 0, (size_t)(at < 0 ? 0 : at));
	struct span domain = span_skip(span_str(address), (size_t)(at + 1));
	const char *path = address;
	struct buf b;

	if (at < 0 || span_is_ascii(domain) || !span_is_ascii(local))
		return address;
	buf_init(&b, MSG_ADDRESS_MAX * 2);
	if (msg_ascii_domain(&b, domain) && buf_ok(&b))
		path = arena_printf(
			a, SPAN_FMT "@" SPAN_FMT, SPAN_ARG(local), SPAN_ARG(buf_span(&b)));
	buf_fini(&b);
	return path;
}

/* A transaction with the message's envelope, without a body. */
static int txn_of(struct yz_session *s, const struct yz_envelope *env,
	const struct yz_mail_params *params, bool needs_utf8, struct yz_txn **txn_r)
{
	struct yz_mail_params own = YZ_INIT(own);
	struct arena *a;
	int rc = YZ_OK;

	if (params)
		memcpy(&own, params, params->size < sizeof(own) ? params->size : sizeof(own));
	own.size = sizeof(own);
	if (needs_utf8)
		own.flags |= YZ_SMTPUTF8;
	if (!env->from[0])
		return refuse_text(s, YZ_E_INVAL, "the message does not say who it is from");
	if (!env->rcpt_count)
		return refuse_text(s, YZ_E_INVAL, "the message does not say who it is to");
	a = arena_new();
	*txn_r = yz_txn_new(s, path_of(a, env->from), &own);
	for (size_t i = 0; i < env->rcpt_count && rc == YZ_OK; i++)
		rc = yz_txn_rcpt(*txn_r, path_of(a, env->rcpts[i]), NULL);
	arena_free(&a);
	if (rc != YZ_OK)
		yz_txn_free(txn_r);
	return rc;
}

/* May it be sent now, and can the transaction be handed back while it waits? */
static int check_start(struct yz_session *s, struct yz_txn **txn_r)
{
	int rc = call_plain(s);

	if (txn_r)
		*txn_r = NULL;
	if (rc != YZ_OK)
		return rc;
	if (!yz_is_connected(s))
		return refuse_text(s, YZ_E_STATE, "not connected");
	if (!txn_r && step_is_nonblocking(s->step))
		return refuse_text(
			s, YZ_E_INVAL, "without blocking, the transaction is the caller's");
	return YZ_OK;
}

static int send_it(struct yz_txn *t, struct yz_txn **txn_r)
{
	int rc = yz_send(t);

	if (txn_r)
		*txn_r = t;
	else
		yz_txn_free(&t);
	return rc;
}

int yz_send_message(struct yz_session *s, struct yz_msg *m, const struct yz_mail_params *params,
	struct yz_txn **txn_r)
{
	struct yz_envelope env;
	struct yz_txn *t = NULL;
	int rc = check_start(s, txn_r);

	if (rc != YZ_OK)
		return rc;
	yz_msg_message_id(m); /* makes one, which uses what the envelope lives in */
	if (yz_msg_envelope(m, &env) != YZ_OK)
		return refuse(s, &m->error);
	rc = txn_of(s, &env, params, msg_needs_utf8_locals(m->m), &t);
	if (rc != YZ_OK)
		return rc;
	rc = yz_txn_message(t, m);
	if (rc != YZ_OK) {
		yz_txn_free(&t);
		return rc;
	}
	return send_it(t, txn_r);
}

/* --- a message that is ready ---------------------------------------------------------------------- */

struct ready {
	struct yz_mail *mail;
	bool is_own; /* made here, of octets */
	struct span header;
	uint64_t at; /* of header and body together */
	struct yz_error error;
};

struct copy {
	char *to;
	size_t n;
};

static int copy_put(void *arg, struct span s, struct err *e)
{
	struct copy *c = arg;

	memcpy(c->to + c->n, s.ptr, s.len);
	c->n += s.len;
	return 0;
}

static long ready_read(void *arg, void *to, size_t n)
{
	struct ready *r = arg;
	uint64_t body = r->mail->tree->root->body_offset, from;
	struct span piece = span_skip(r->header, (size_t)r->at);
	struct copy c = {to, 0};
	const struct msg_sink sink = {copy_put, &c};

	if (r->at < r->header.len) {
		piece = span_sub(piece, 0, n);
		memcpy(to, piece.ptr, piece.len);
		r->at += piece.len;
		return (long)piece.len;
	}
	from = body + (r->at - r->header.len);
	if (n > r->mail->tree->size - from)
		n = (size_t)(r->mail->tree->size - from);
	if (mail_octets(r->mail, from, from + n, &sink, NULL) < 0)
		return -1;
	r->at += c.n;
	return (long)c.n;
}

static int ready_rewind(void *arg)
{
	struct ready *r = arg;

	r->at = 0;
	return 0;
}

static void ready_free(void *arg)
{
	struct ready *r = arg;

	if (r->is_own)
		yz_mail_free(&r->mail);
}

/* The header that goes out, in the transaction's memory. */
static int ready_header(struct yz_session *s, struct yz_mail *m, struct buf *b)
{
	struct err e = {0};

	if (mail_wire_header(m, b, &e) == 0)
		return YZ_OK;
	msg_error(&m->error, &e);
	return refuse(s, &m->error);
}

static int ready_txn(struct yz_session *s, struct yz_mail *m, bool is_own,
	const struct yz_mail_params *params, struct yz_txn **txn_r)
{
	struct yz_source source = {
		.size_of = sizeof(source), .read = ready_read, .rewind = ready_rewind};
	struct yz_envelope env;
	struct ready *r;
	struct buf b;
	int rc;

	buf_init(&b, 16 * MSG_FIELD_MAX);
	rc = yz_mail_envelope(m, &env) == YZ_OK ? ready_header(s, m, &b) : refuse(s, &m->error);
	/* RFC 6531 section 3.1 rule 6: a header in UTF-8 needs it; other octets are nobody's */
	if (rc == YZ_OK)
		rc = txn_of(s, &env, params,
			env.needs_utf8 ||
				(!span_is_ascii(buf_span(&b)) && utf8_is_valid(buf_span(&b))),
			txn_r);
	if (rc == YZ_OK) {
		r = ARENA_NEW((*txn_r)->arena, struct ready);
		r->mail = m;
		r->header = arena_span((*txn_r)->arena, buf_span(&b));
		source.arg = r;
		source.size = (long long)(r->header.len + m->tree->size -
			m->tree->root->body_offset);
		rc = yz_txn_source(*txn_r, &source,
			(*txn_r)->params.body == YZ_BODY_BINARYMIME ? YZ_EOL_BINARY : YZ_EOL_FIX);
		if (rc != YZ_OK) {
			yz_txn_free(txn_r);
		} else if (is_own) {
			r->is_own = true; /* from here on it goes with the transaction */
			arena_defer((*txn_r)->arena, ready_free, r);
		}
	}
	buf_fini(&b);
	return rc;
}

int yz_send_mail(struct yz_session *s, struct yz_mail *m, const struct yz_mail_params *params,
	struct yz_txn **txn_r)
{
	struct yz_txn *t = NULL;
	int rc = check_start(s, txn_r);

	if (rc == YZ_OK)
		rc = ready_txn(s, m, false, params, &t);
	return rc == YZ_OK ? send_it(t, txn_r) : rc;
}

int yz_send_message_bytes(struct yz_session *s, const void *octets, size_t n,
	const struct yz_mail_params *params, struct yz_txn **txn_r)
{
	struct yz_mail *m;
	struct yz_txn *t = NULL;
	int rc = check_start(s, txn_r);

	if (rc != YZ_OK)
		return rc;
	m = yz_mail_parse(octets, n, NULL);
	rc = ready_txn(s, m, true, params, &t);
	if (rc != YZ_OK) {
		yz_mail_free(&m);
		return rc;
	}
	return send_it(t, txn_r);
}
