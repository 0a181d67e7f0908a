#include "services/submission/submission.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "run/loop.h"
#include "services/submission/submission_priv.h"

#define SAID_MAX   100          /* octets of an address in a reply */
#define LOCAL_MARK (1ULL << 63) /* keys of users of this machine; no account has so high a number */

struct submission *submission_new(const struct submission_opts *opts)
{
	struct submission *s = NEW(struct submission);

	s->opts = *opts;
	s->rates = submission_rates_new();
	return s;
}

void submission_free(struct submission **s)
{
	if (!*s)
		return;
	submission_rates_free(&(*s)->rates);
	free(*s);
	*s = NULL;
}

static void count(uint64_t *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

static uint64_t counted(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

void submission_counters(struct submission *s, struct submission_counters *c_r)
{
	*c_r = (struct submission_counters){.accepted = counted(&s->accepted),
		.refused_senders = counted(&s->refused_senders),
		.limited_messages = counted(&s->limited_messages),
		.limited_recipients = counted(&s->limited_recipients),
		.accounts = submission_rates_busy(s->rates, loop_now_ns())};
}

void submission_put_status(struct submission *s, struct json_out *j)
{
	struct submission_counters c;

	submission_counters(s, &c);
	json_open_object(j);
	json_kv_u64(j, "accepted", c.accepted);
	json_kv_u64(j, "refused_senders", c.refused_senders);
	json_kv_u64(j, "limited_messages", c.limited_messages);
	json_kv_u64(j, "limited_recipients", c.limited_recipients);
	json_kv_u64(j, "accounts_counted", c.accounts);
	json_close(j);
}

/* ---- a connection ---------------------------------------------------------------------------------- */

void submission_conn_init(struct submission_conn *c, struct submission *s,
	const struct submission_policy *p, const struct stream *stream, struct auth_book *book)
{
	*c = (struct submission_conn){.sub = s, .policy = p, .book = book};
	if (s->opts.auth)
		auth_conn_init(&c->auth, s->opts.auth, ACCOUNT_SCOPE_SUBMIT, stream);
}

/* Only who waits for a command is told that his login counts no more; at MAIL it is looked at anyway. */
static void mark(struct submission_conn *c, bool is_idle)
{
	if (!c->book || c->is_marked == is_idle || (is_idle && !c->auth.who.account_id))
		return;
	if (is_idle) {
		c->mark = (struct auth_mark){.fiber = fiber_self()};
		auth_book_add(c->book, &c->mark, &c->auth);
	} else {
		auth_book_remove(c->book, &c->mark);
	}
	c->is_marked = is_idle;
}

void submission_forget(struct submission_conn *c)
{
	const struct stream *stream = c->auth.stream;

	if (!c->is_known || c->is_given || c->user.login.len)
		return;
	mark(c, false);
	auth_conn_fini(&c->auth);
	auth_conn_init(&c->auth, c->sub->opts.auth, ACCOUNT_SCOPE_SUBMIT, stream);
	c->is_known = false;
	c->user = (struct submission_user){0};
}

void submission_conn_fini(struct submission_conn *c)
{
	mark(c, false);
	if (c->sub->opts.auth)
		auth_conn_fini(&c->auth);
	arena_free(&c->arena);
	c->is_known = false;
}

/* ---- who it is --------------------------------------------------------------------------------------- */

bool submission_offer(const struct submission_conn *c, struct sasl_server_opts *o)
{
	return c->sub->opts.auth && !c->user.login.len && auth_offer(&c->auth, o);
}

static void set_rate(struct span text, const struct gcra_rate *usual, struct gcra_rate *rate)
{
	if (span_eq(text, SPAN("none")))
		*rate = (struct gcra_rate){0};
	else if (!text.len || !gcra_parse(text, rate))
		*rate = *usual;
}

static void from_sending(const struct submission_policy *p, const struct account_sending *from,
	struct submission_user *u)
{
	u->account_id = from->id;
	u->address = from->address;
	u->name = from->name;
	u->is_sent_copied = from->is_sent_copied;
	set_rate(from->message_rate, &p->messages, &u->messages);
	set_rate(from->recipient_rate, &p->recipients, &u->recipients);
}

static int not_now(struct err *e)
{
	err_wrap(e, "submission");
	return err_smtp(e, 454, 4, 7, 0);
}

FIBER int submission_login(struct submission_conn *c, struct span user, struct span identity,
	const char *mech, bool is_accepted, struct err *e)
{
	struct account_sending sending;
	struct err why = {0};

	if (auth_settle(&c->auth, user, identity, mech, is_accepted, e) < 0)
		return -1;
	if (!c->arena)
		c->arena = arena_new();
	if (account_sending(c->sub->opts.store, c->arena, c->auth.who.account_id, &sending, &why) <
		0) {
		log_event(c->sub->opts.log, LOG_WARN, "submission.login.failed",
			LF_STR("error", why.text));
		err_set(e, why.code, "Temporary authentication failure");
		return not_now(e);
	}
	c->user = (struct submission_user){0};
	from_sending(c->policy, &sending, &c->user);
	c->is_known = true;
	mark(c, true);
	return 0;
}

FIBER int submission_local_user(struct submission *s, struct arena *a,
	const struct submission_policy *p, const struct submission_local *who,
	struct submission_user *user_r, struct err *e)
{
	struct account_sending sending = {0};
	struct submission_user *u = user_r;
	struct err why = {0};

	*u = (struct submission_user){.login = arena_span(a, who->login),
		.uid = who->uid,
		.name = arena_span(a, who->gecos),
		.qualify = arena_span(a, span_str(p->hostname)),
		.is_trusted = who->is_trusted,
		.messages = p->messages,
		.recipients = p->recipients};
	u->address = span_str(
		arena_printf(a, SPAN_FMT "@" SPAN_FMT, SPAN_ARG(u->login), SPAN_ARG(u->qualify)));
	if (account_of_system_user(s->opts.store, a, who->login, &sending, &why) == 0)
		from_sending(p, &sending, u);
	else if (why.code != ERR_NOT_FOUND)
		return err_copy(e, &why);
	if (sending.is_suspended) {
		err_set(e, ERR_DENIED, "The account is suspended");
		return err_smtp(e, 550, 5, 7, 1);
	}
	if (u->is_trusted) /* who may write as anybody is not counted either */
		u->messages = u->recipients = (struct gcra_rate){0};
	return 0;
}

FIBER int submission_local(
	struct submission_conn *c, const struct submission_local *who, struct err *e)
{
	if (!c->arena)
		c->arena = arena_new();
	if (submission_local_user(c->sub, c->arena, c->policy, who, &c->user, e) < 0)
		return -1;
	c->is_known = true;
	return 0;
}

FIBER int submission_account(struct submission_conn *c, uint64_t account_id, struct err *e)
{
	struct account_sending sending = {0};

	if (!c->arena)
		c->arena = arena_new();
	if (account_sending(c->sub->opts.store, c->arena, account_id, &sending, e) < 0)
		return -1;
	if (sending.is_suspended) {
		err_set(e, ERR_DENIED, "The account is suspended");
		return err_smtp(e, 550, 5, 7, 1);
	}
	from_sending(c->policy, &sending, &c->user);
	c->is_known = c->is_given = true;
	return 0;
}

/* ---- what he may ------------------------------------------------------------------------------------- */

bool submission_admits(const struct submission_conn *c, bool has_tls, struct err *e)
{
	if (c->is_known)
		return true;
	/* RFC 4954 section 6, RFC 3207 section 4 */
	err_set(e, ERR_DENIED, "%s",
		has_tls ? "Log in first (AUTH): mail is taken here from our own people"
			: "Issue STARTTLS, then log in: mail is taken here from our own people");
	err_smtp(e, 530, 5, 7, 0);
	return false;
}

/* An address as it may stand in a reply. */
static struct span said(struct span address)
{
	return span_is_ascii(address) && !span_has_line_break(address)
		? span_sub(address, 0, SAID_MAX)
		: SPAN("that address");
}

FIBER int submission_may(struct submission *s, const struct submission_policy *p,
	const struct submission_user *u, struct span address, struct err *e)
{
	enum account_way way = ACCOUNT_NOT_ITS;
	struct err why = {0};

	if (u->is_trusted || span_eq_nocase(address, u->address))
		return 0;
	/* the name that this machine knows him by stays his when he has an account */
	if (u->login.len && u->qualify.len && address.len == u->login.len + 1 + u->qualify.len &&
		span_starts(address, u->login) && address.ptr[u->login.len] == '@' &&
		span_eq_nocase(span_skip(address, u->login.len + 1), u->qualify))
		return 0;
	if (u->account_id &&
		account_may_send(s->opts.store, u->account_id, address, p->separator, &way, &why) <
			0) {
		log_event(
			s->opts.log, LOG_WARN, "submission.ask.failed", LF_STR("error", why.text));
		err_set(e, why.code, "Cannot look up whose address that is, try again later");
		return err_smtp(e, 451, 4, 3, 0);
	}
	if (way != ACCOUNT_NOT_ITS)
		return 0;
	count(&s->refused_senders);
	err_set(e, ERR_DENIED,
		SPAN_FMT " is not yours to write as: you are " SPAN_FMT
			 ". Log in as its owner, or be given the right to send as it",
		SPAN_ARG(said(address)), SPAN_ARG(said(u->address)));
	return err_smtp(e, 550, 5, 7, 1);
}

/* What is counted against him. */
static uint64_t key_of(const struct submission_user *u)
{
	return u->account_id ? u->account_id : LOCAL_MARK | u->uid;
}

static int too_fast(const char *what, const struct gcra_rate *rate, int64_t wait_ns, struct err *e)
{
	/* to the next whole second or minute: never sooner than it would be refused again */
	int64_t unit = wait_ns < 2 * CLOCK_MIN ? CLOCK_SEC : CLOCK_MIN;
	struct buf b;

	buf_init(&b, 256);
	buf_printf(&b, "Too many %s (", what);
	gcra_put(&b, rate);
	buf_str(&b, " for each account), try again in ");
	clock_put_duration(&b, (wait_ns + unit - 1) / unit * unit);
	err_set(e, ERR_LIMIT, "%s", buf_cstr(&b));
	buf_fini(&b);
	return err_smtp(e, 450, 4, 7, 1);
}

static int take_message(struct submission_conn *c, struct err *e)
{
	const struct submission_user *u = &c->user;
	int64_t wait = submission_rates_take(
		c->sub->rates, key_of(u), SUBMISSION_MESSAGES, &u->messages, loop_now_ns());

	if (wait) {
		count(&c->sub->limited_messages);
		return too_fast("messages", &u->messages, wait, e);
	}
	c->taken_messages++;
	return 0;
}

FIBER int submission_mail(struct submission_conn *c, struct span reverse_path, struct err *e)
{
	mark(c, false);
	if (c->auth.who.account_id && !auth_still(&c->auth)) {
		err_set(e, ERR_DENIED, "This login counts no more: log in again");
		return err_smtp(e, 421, 4, 7, 0);
	}
	if ((reverse_path.len &&
		    submission_may(c->sub, c->policy, &c->user, reverse_path, e) < 0) ||
		take_message(c, e) < 0) {
		mark(c, true);
		return -1;
	}
	return 0;
}

int submission_rcpt(struct submission_conn *c, struct err *e)
{
	const struct submission_user *u = &c->user;
	int64_t wait = submission_rates_take(
		c->sub->rates, key_of(u), SUBMISSION_RECIPIENTS, &u->recipients, loop_now_ns());

	if (wait) {
		count(&c->sub->limited_recipients);
		return too_fast("recipients", &u->recipients, wait, e);
	}
	c->taken_recipients++;
	return 0;
}

void submission_done(struct submission_conn *c, bool is_accepted)
{
	const struct submission_user *u = &c->user;

	if (is_accepted) {
		count(&c->sub->accepted);
	} else if (c->taken_messages || c->taken_recipients) {
		submission_rates_give(c->sub->rates, key_of(u), SUBMISSION_MESSAGES, &u->messages,
			c->taken_messages);
		submission_rates_give(c->sub->rates, key_of(u), SUBMISSION_RECIPIENTS,
			&u->recipients, c->taken_recipients);
	}
	c->taken_messages = c->taken_recipients = 0;
	mark(c, true);
}

/* Nobody shall guess from one Message-ID the next one. */
static uint64_t random_number(void)
{
	uint64_t n;

	MUST(getrandom(&n, sizeof(n), 0) == sizeof(n));
	return n;
}

void submission_gate_wire(const struct submission_conn *c, struct submission_gate_opts *opts)
{
	opts->policy = c->policy;
	opts->user = &c->user;
	opts->lane = c->sub->opts.lane;
	opts->wall_sec = loop_wall_ns() / CLOCK_SEC;
	opts->zone_minutes = clock_zone_minutes(opts->wall_sec);
	opts->random[0] = random_number();
	opts->random[1] = random_number();
}
