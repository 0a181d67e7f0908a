/* What became of each recipient, in codes and in words. */

#include "libyz/libyz_priv.h"

#include <string.h>

#include "base/must.h"

static const char *const outcomes[] = {
	[YZ_NOT_SENT] = "not sent",
	[YZ_ACCEPTED] = "accepted",
	[YZ_REFUSED_TEMP] = "refused for now",
	[YZ_REFUSED_PERM] = "refused",
	[YZ_UNKNOWN] = "unknown",
};

const char *yz_outcome_str(enum yz_outcome outcome)
{
	return (size_t)outcome < ARRAY_LEN(outcomes) ? outcomes[outcome] : "?";
}

static enum yz_phase phase_of(enum smtp_stage stage)
{
	switch (stage) {
	case SMTP_STAGE_GREETING: return YZ_PHASE_GREETING;
	case SMTP_STAGE_HELLO: return YZ_PHASE_HELLO;
	case SMTP_STAGE_STARTTLS: return YZ_PHASE_TLS;
	case SMTP_STAGE_AUTH: return YZ_PHASE_AUTH;
	case SMTP_STAGE_MAIL: return YZ_PHASE_MAIL;
	case SMTP_STAGE_RCPT: return YZ_PHASE_RCPT;
	case SMTP_STAGE_DATA: return YZ_PHASE_DATA;
	case SMTP_STAGE_BODY: return YZ_PHASE_BODY;
	case SMTP_STAGE_DOT: return YZ_PHASE_FINAL;
	default: return YZ_PHASE_COMMAND;
	}
}

void result_clear(struct yz_txn *t)
{
	arena_reset(t->out);
	t->reply = NULL;
	t->octets = 0;
	memset(&t->error, 0, sizeof(t->error));
	for (size_t i = 0; i < t->count; i++)
		t->rcpts[i].result = (struct yz_result){.path = t->rcpts[i].path,
			.user = t->rcpts[i].params.user,
			.text = "not sent"};
}

int result_none(struct yz_txn *t, int code, enum yz_phase phase, const char *text)
{
	const char *why = arena_printf(t->out, "not sent: %s", text);

	error_fill(&t->error, code, phase, text);
	for (size_t i = 0; i < t->count; i++) {
		t->rcpts[i].result.phase = phase;
		t->rcpts[i].result.is_ours = true;
		t->rcpts[i].result.text = why;
	}
	return code;
}

static const char *one_line(struct arena *a, const char *text)
{
	char *line = arena_str(a, span_str(text));

	for (char *p = line; *p; p++)
		if (*p == '\n')
			*p = ' ';
	return line;
}

/* "refused: 550 5.1.1 No such user" */
static const char *reply_text(struct arena *a, const char *what, const struct yz_reply *r)
{
	if (!r)
		return what;
	if (r->cls)
		return one_line(a,
			arena_printf(a, "%s: %d %u.%u.%u %s", what, r->code, r->cls, r->subject,
				r->detail, r->text));
	return one_line(a, arena_printf(a, "%s: %d %s", what, r->code, r->text));
}

static void take_one(struct yz_txn *t, struct yz_result *y, const struct smtp_txn_rcpt *r,
	const struct smtp_txn *done, const struct err *why)
{
	y->phase = phase_of(r->stage);
	y->is_ours = r->is_ours;
	if (r->fate != SMTP_FATE_NONE)
		y->reply = r->is_ours ? NULL : reply_make(t->out, &r->reply);
	y->rcpt = r->rcpt_reply ? reply_make(t->out, r->rcpt_reply) : NULL;
	switch (r->fate) {
	case SMTP_FATE_ACCEPTED:
		y->outcome = YZ_ACCEPTED;
		y->text = reply_text(t->out, "accepted", y->reply);
		break;
	case SMTP_FATE_REFUSED:
		y->outcome = smtp_rcpt_is_temporary(r) ? YZ_REFUSED_TEMP : YZ_REFUSED_PERM;
		if (r->is_ours) {
			y->outcome = YZ_NOT_SENT;
			y->text = arena_printf(
				t->out, "not sent: " SPAN_FMT, SPAN_ARG(buf_span(&r->reply.text)));
		} else {
			y->text = reply_text(t->out, outcomes[y->outcome], y->reply);
		}
		break;
	case SMTP_FATE_UNKNOWN:
		y->outcome = YZ_UNKNOWN;
		y->text = "the connection was lost after the message: it may have been accepted";
		break;
	case SMTP_FATE_NONE:
		y->outcome = YZ_NOT_SENT;
		if (why)
			y->text = arena_printf(t->out, "not sent: %s", why->text);
		else if (done->is_all_or_nothing)
			y->text = "not sent: another recipient was refused";
		else
			y->text = "not sent: the server takes no more recipients at once";
		break;
	}
}

/* The one reply of the whole: to the final dot, else the first that refused. */
static const struct yz_reply *main_reply(const struct yz_txn *t)
{
	const struct yz_reply *refused = NULL;

	for (size_t i = 0; i < t->count; i++) {
		const struct yz_result *y = &t->rcpts[i].result;

		if (y->phase == YZ_PHASE_FINAL && y->reply)
			return y->reply;
		if (!refused)
			refused = y->reply;
	}
	return refused;
}

/* Which error a refusal of our own is: said by the enhanced code that the client gave it. */
static int own_code(const struct smtp_txn *done)
{
	for (size_t i = 0; i < done->rcpt_count; i++) {
		const struct smtp_reply *r = &done->rcpts[i].reply;

		if (done->rcpts[i].is_ours && r->subject == 3 && r->detail == 4)
			return YZ_E_SIZE;
		if (done->rcpts[i].is_ours && r->subject == 1)
			return YZ_E_INVAL;
	}
	return YZ_E_NOTSUPP;
}

/* Nobody (or, all or nothing, not everybody) was accepted: whose refusal was it? */
static void decide_error(struct yz_txn *t, const struct smtp_txn *done)
{
	const struct yz_result *y = NULL;
	int code = YZ_E_RCPTS;

	for (size_t i = 0; i < t->count && !y; i++)
		if (t->rcpts[i].result.outcome != YZ_ACCEPTED &&
			(t->rcpts[i].result.reply || t->rcpts[i].result.is_ours))
			y = &t->rcpts[i].result;
	if (!y)
		y = &t->rcpts[0].result;
	if (y->is_ours)
		code = own_code(done);
	else if (y->phase == YZ_PHASE_MAIL)
		code = YZ_E_SENDER;
	else if (y->phase != YZ_PHASE_RCPT)
		code = YZ_E_DATA;
	error_fill(&t->error, code, y->phase, y->text);
	t->error.reply = y->reply;
	t->error.is_temporary = y->outcome == YZ_REFUSED_TEMP;
}

void result_take(struct yz_txn *t, const struct smtp_txn *done, const struct err *why)
{
	size_t accepted;

	if (!why && done->err.code != ERR_NONE)
		why = &done->err;
	for (size_t i = 0; i < t->count; i++)
		if (i < done->rcpt_count)
			take_one(t, &t->rcpts[i].result, &done->rcpts[i], done, why);
		else
			t->rcpts[i].result.text =
				"not sent: the server takes no more recipients at once";
	t->reply = main_reply(t);
	t->octets = done->octets;
	accepted = yz_txn_accepted(t);
	if (why) {
		bool is_unknown = yz_txn_outcome(t) == YZ_UNKNOWN;

		error_fill(&t->error,
			body_has_failed(t->body) ? YZ_E_SOURCE
				: is_unknown     ? YZ_E_UNKNOWN
						 : error_code(why),
			is_unknown ? YZ_PHASE_FINAL : YZ_PHASE_DATA, why->text);
	} else if (accepted == 0 || (done->is_all_or_nothing && accepted < t->count)) {
		decide_error(t, done);
	}
}

size_t yz_txn_count(const struct yz_txn *t)
{
	return t->count;
}

const struct yz_result *yz_txn_result(const struct yz_txn *t, size_t i)
{
	return i < t->count ? &t->rcpts[i].result : NULL;
}

size_t yz_txn_accepted(const struct yz_txn *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->count; i++)
		n += t->rcpts[i].result.outcome == YZ_ACCEPTED;
	return n;
}

enum yz_outcome yz_txn_outcome(const struct yz_txn *t)
{
	enum yz_outcome first = YZ_ACCEPTED;

	for (size_t i = 0; i < t->count; i++) {
		enum yz_outcome o = t->rcpts[i].result.outcome;

		if (o == YZ_UNKNOWN)
			return o;
		if (first == YZ_ACCEPTED)
			first = o;
	}
	return t->count ? first : YZ_NOT_SENT;
}

const struct yz_reply *yz_txn_reply(const struct yz_txn *t)
{
	return t->reply;
}

const struct yz_error *yz_txn_error(const struct yz_txn *t)
{
	return &t->error;
}

uint64_t yz_txn_octets(const struct yz_txn *t)
{
	return t->octets;
}
