/* Mail of our own people: who they are, what they may, and what is made of what they send. The answers
 * are services/submission's; this asks in the order of the talk. */

#include "base/must.h"
#include "store/mailbox.h"
#include "services/inbound/inbound_priv.h"

/* ---- login ------------------------------------------------------------------------------------------- */

bool inbound_on_admits(void *ctx, const struct smtp_session *s, struct smtp_reply *r)
{
	const struct inbound_conn *c = ctx;
	struct err e = {0};

	if (!c->submission || submission_admits(c->submission, s->tls || !s->opts->tls, &e))
		return true;
	smtp_reply_from_err(r, &e);
	return false;
}

bool inbound_on_auth_offer(void *ctx, const struct smtp_session *s, struct sasl_server_opts *o)
{
	const struct inbound_conn *c = ctx;

	if (!c->submission || !submission_offer(c->submission, o))
		return false;
	/* RFC 8314 section 3.3: where TLS can be had, nothing is said of a login before it. */
	if (s->opts->tls && !s->tls)
		o->mechs = "";
	return true;
}

void *inbound_on_sasl_ctx(void *ctx)
{
	struct inbound_conn *c = ctx;

	return &c->submission->auth;
}

FIBER void inbound_on_auth(
	void *ctx, struct smtp_session *s, bool is_accepted, struct smtp_reply *r)
{
	struct inbound_conn *c = ctx;
	struct err e = {0};

	if (submission_login(c->submission, s->auth_user, s->auth_identity, s->auth_mech,
		    is_accepted, &e) < 0)
		smtp_reply_from_err(r, &e);
}

const char *inbound_on_ended(void *ctx, const struct smtp_session *s)
{
	const struct inbound_conn *c = ctx;

	(void)s;
	return c->submission && c->submission->mark.is_ended
		? "This login counts no more: log in again"
		: NULL;
}

/* ---- the envelope ------------------------------------------------------------------------------------ */

bool inbound_may_relay(const struct inbound_conn *c)
{
	return c->submission ? c->submission->is_known : c->is_relay;
}

static void log_refused(
	const struct inbound_conn *c, const struct smtp_session *s, const struct err *why)
{
	log_event(&s->log, LOG_INFO, "submission.refused", LF("user", c->submission->user.address),
		LF("from", s->mail.from.whole), LF_INT("code", why->smtp),
		LF_STR("reason", why->text));
}

/* A user of this machine who has an account is known to the world by its address. */
static void name_sender(struct inbound_conn *c, struct smtp_session *s)
{
	const struct submission_user *u = &c->submission->user;
	struct smtp_address *from = &s->mail.from;

	if (!u->login.len || !u->account_id || !span_eq(from->local, u->login) ||
		!span_eq_nocase(from->domain, u->qualify))
		return;
	/* the account's own address was an address when it was made */
	smtp_address_parse(arena_span(s->txn, u->address), true, from, NULL);
}

struct span inbound_local_user(const struct inbound_conn *c, struct arena *a)
{
	const struct submission_user *u = c->submission ? &c->submission->user : NULL;

	if (c->submission && c->submission->is_given)
		return SPAN("JMAP"); /* the talk with ourselves has no peer */
	if (!u || !u->login.len)
		return SPAN_NONE;
	return span_str(arena_printf(a, "unix, uid %llu, " SPAN_FMT, (unsigned long long)u->uid,
		SPAN_ARG(span_sub(u->login, 0, 64))));
}

FIBER void inbound_submission_mail(
	struct inbound_conn *c, struct smtp_session *s, struct smtp_reply *r)
{
	struct err e = {0};

	if (submission_mail(c->submission, s->mail.from.whole, &e) == 0) {
		name_sender(c, s);
		return;
	}
	log_refused(c, s, &e);
	smtp_reply_from_err(r, &e);
}

void inbound_put_user(const struct inbound_conn *c, struct buf *b)
{
	if (!c->submission || !c->submission->is_known)
		return;
	buf_str(b, buf_len(b) ? " as " : "");
	if (c->submission->user.login.len)
		buf_span_put(b, c->submission->user.login);
	else
		buf_span_put(b, c->submission->user.address);
}

/* ---- the message ------------------------------------------------------------------------------------- */

static FIBER int may_write(void *arg, struct span address, struct err *e)
{
	struct submission_conn *sub = arg;

	return submission_may(sub->sub, sub->policy, &sub->user, address, e);
}

void inbound_submission_begin(struct inbound_conn *c, struct smtp_session *s)
{
	struct submission_gate_opts opts = {
		.is_smtputf8 = s->mail.is_smtputf8, .may = may_write, .arg = c->submission};

	submission_gate_wire(c->submission, &opts);
	c->txn->gate = submission_gate_new(s->txn, &opts);
}

/* The header is whole: the new one takes its place. */
static FIBER int pass_header(struct inbound_conn *c, struct err *e)
{
	struct span header, rest;

	c->txn->is_gate_passed = true;
	if (submission_gate_end(c->txn->gate, &header, &rest, e) < 0 ||
		inbound_keep(c, header, e) < 0)
		return -1;
	return rest.len ? inbound_keep(c, rest, e) : 0;
}

FIBER int inbound_submission_data(
	struct inbound_conn *c, struct smtp_session *s, struct span octets, struct err *e)
{
	struct inbound_txn *t = c->txn;
	size_t taken = 0;
	int rc = 0;

	if (!t->is_gate_passed) {
		rc = submission_gate_feed(t->gate, octets, &taken, e);
		if (rc == 0 && submission_gate_is_done(t->gate))
			rc = pass_header(c, e);
		if (rc < 0)
			log_refused(c, s, e);
	}
	octets = span_skip(octets, taken);
	return rc == 0 && octets.len ? inbound_keep(c, octets, e) : rc;
}

FIBER int inbound_submission_end(struct inbound_conn *c, struct smtp_session *s, struct err *e)
{
	if (c->txn->is_gate_passed || pass_header(c, e) == 0)
		return 0;
	log_refused(c, s, e);
	return -1;
}

void inbound_submission_letter(struct inbound_conn *c, struct spool_new *letter)
{
	const struct submission_user *u = &c->submission->user;

	if (!u->is_sent_copied || !u->account_id)
		return;
	letter->copy_account_id = u->account_id;
	letter->copy_folder = SPAN(INBOUND_SENT_FOLDER);
	letter->copy_flags = MAILBOX_SEEN;
}

/* ---- signing ----------------------------------------------------------------------------------------- */

FIBER void inbound_sign_begin(struct inbound_conn *c, struct smtp_session *s)
{
	struct signer *signer = c->in->opts.signer;
	bool is_needed = false;

	/* What comes back from the filter tells at its end whether it was ours. Without an answer of the
	 * store it is tried: then sign_end has the error. */
	if (!signer || !(inbound_may_relay(c) || c->is_filtered))
		return;
	if (signer_is_needed(signer, &is_needed, NULL) < 0 || is_needed)
		c->txn->sign = sign_job_new(signer, s->txn);
}

/* Whose signature it would bear: the first author's domain. */
static struct span sign_domain(const struct inbound_txn *t)
{
	return sign_from_domain(t->arena,
		span_str(arena_printf(t->arena, "From:" SPAN_FMT "\r\n\r\n", SPAN_ARG(t->from))));
}

FIBER void inbound_sign_look(struct inbound_conn *c)
{
	struct inbound_txn *t = c->txn;
	struct span domain;
	bool has_keys = false;

	if (!t->sign || t->is_sign_sure || !t->header.is_done)
		return;
	t->is_sign_sure = true;
	domain = sign_domain(t);
	if (!domain.len ||
		(signer_has(c->in->opts.signer, domain, &has_keys, NULL) == 0 && !has_keys))
		t->sign = NULL; /* it lives in the arena */
}

FIBER int inbound_sign_end(
	struct inbound_conn *c, struct smtp_session *s, struct spool_new *letter, struct err *e)
{
	struct inbound_txn *t = c->txn;
	struct span domain;
	struct buf *fields;

	if (!t->sign || (c->is_filtered && !(t->back && t->back->is_signed)))
		return 0;
	domain = sign_domain(t);
	if (!domain.len)
		return 0;
	fields = arena_buf(s->txn, SIGN_FIELDS_MAX);
	if (sign_end(t->sign, domain, fields, e) < 0)
		return -1;
	letter->prefix = span_str(arena_printf(
		s->txn, SPAN_FMT SPAN_FMT, SPAN_ARG(letter->prefix), SPAN_ARG(buf_span(fields))));
	return 0;
}
