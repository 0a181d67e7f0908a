/* The filter hop: a letter goes through a content filter by SMTP and comes back on a listener of its own
 * (docs/journey.md). What goes out bears one field that says which letter it is, who its recipients
 * were and what the sender asked for them, under a key of this store; what comes back loses it again.
 *
 *	X-Yizhan-Filter: ID:FRONT;f=T;p=0;b=R1:17950…;e=HEX;r=1;t=TAG:NOTIFY:HEX;…;m=MAC
 *
 * White space counts nowhere, so a filter may fold it anew. FRONT proves the id alone: with it an
 * ordinary listener sees that a filter sends its mail to the wrong place. */

#include "services/inbound/inbound_priv.h"

#include <string.h>

#include "base/enc.h"
#include "base/must.h"
#include "base/secret.h"
#include "proto/sasl/sasl_scram.h"

#define FIELD_NAME "X-Yizhan-Filter:"
#define TAG_OCTETS 8
#define MAC_OCTETS 16
#define FOLD_AT    72

/* ---- proofs ------------------------------------------------------------------------------------- */

/* The first `octets` of HMAC-SHA256 over "what|text", as hex. */
static struct span prove(struct arena *a, const struct inbound_policy *policy, const char *what,
	struct span text, size_t octets)
{
	unsigned char *full = arena_alloc(a, SCRAM_HASH_MAX);
	const char *all = arena_printf(a, "%s|" SPAN_FMT, what, SPAN_ARG(text));
	struct span hex;
	struct buf b;

	MUST(scram_sign(
		SCRAM_SHA256, (const unsigned char *)policy->filter_key.ptr, span_str(all), full));
	buf_init(&b, 2 * SCRAM_HASH_MAX);
	enc_put_hex(&b, span_of((const char *)full, octets));
	hex = arena_span(a, buf_span(&b));
	buf_fini(&b);
	return hex;
}

/* Of a recipient: what it is for a relay must not be read by who sees the field. */
static struct span tag_of(
	struct arena *a, const struct inbound_policy *policy, struct span id, struct span address)
{
	char *lower = arena_str(a, address);

	for (size_t i = 0; i < address.len; i++)
		lower[i] = (char)span_lower((unsigned char)lower[i]);
	return prove(a, policy, "rcpt",
		span_str(arena_printf(a, SPAN_FMT "|%s", SPAN_ARG(id), lower)), TAG_OCTETS);
}

static struct span id_text(struct arena *a, uint64_t id)
{
	struct span text;
	struct buf b;

	buf_init(&b, 64);
	enc_put_id(&b, id);
	text = arena_span(a, buf_span(&b));
	buf_fini(&b);
	return text;
}

/* ---- going out ---------------------------------------------------------------------------------- */

static void put_rcpts(struct buf *b, struct arena *a, const struct inbound_policy *policy,
	const struct smtp_session *s, struct span id)
{
	for (size_t i = 0; i < s->rcpt_count; i++) {
		const struct smtp_rcpt *r = &s->rcpts[i];

		buf_str(b, "t=");
		buf_span_put(b, tag_of(a, policy, id, r->to.whole));
		buf_printf(b, ":%u:", r->notify);
		enc_put_hex(b, r->orcpt);
		buf_char(b, ';');
	}
}

static int make_field(const struct inbound_conn *c, const struct smtp_session *s,
	const struct spool_new *letter, struct span *field_r, struct err *e)
{
	const struct inbound_policy *policy = c->policy;
	struct arena *a = s->txn;
	const struct spool_envelope *env = &letter->env;
	struct span id = id_text(a, letter->id), all;
	struct buf b, folded;

	buf_init(&b, INBOUND_FILTER_FIELD_MAX);
	buf_span_put(&b, id);
	buf_char(&b, ':');
	buf_span_put(&b, prove(a, policy, "front", id, TAG_OCTETS));
	buf_printf(&b, ";f=%s%s;p=%d;", env->is_requiretls ? "T" : "",
		inbound_may_relay(c) ? "S" : "", env->priority);
	if (env->by_mode)
		buf_printf(&b, "b=%u:%u:%lld;", (unsigned)env->by_mode, (unsigned)env->by_trace,
			(long long)env->by_ns);
	if (env->envid.len) {
		buf_str(&b, "e=");
		enc_put_hex(&b, env->envid);
		buf_char(&b, ';');
	}
	buf_printf(&b, "r=%u;", (unsigned)s->mail.ret);
	put_rcpts(&b, a, policy, s, id);
	buf_str(&b, "m=");
	all = arena_span(a, buf_span(&b));
	buf_span_put(&b, prove(a, policy, "all", all, MAC_OCTETS));
	if (!buf_ok(&b)) {
		buf_fini(&b);
		err_set(e, ERR_LIMIT, "Too many recipients for the way through the filter");
		return err_smtp(e, 452, 4, 5, 3);
	}
	all = buf_span(&b);
	buf_init(&folded, 2 * INBOUND_FILTER_FIELD_MAX);
	buf_str(&folded, FIELD_NAME);
	for (size_t at = 0; at < all.len; at += FOLD_AT) {
		buf_str(&folded, at ? "\r\n " : " ");
		buf_span_put(&folded, span_sub(all, at, FOLD_AT));
	}
	buf_str(&folded, "\r\n");
	MUST(buf_ok(&folded)); /* three octets more for every 72 */
	*field_r = arena_span(a, buf_span(&folded));
	buf_fini(&folded);
	buf_fini(&b);
	return 0;
}

/* ---- coming in ---------------------------------------------------------------------------------- */

void inbound_strip_init(struct inbound_strip *st)
{
	*st = (struct inbound_strip){.state = STRIP_LINE_BEGINS};
	buf_init(&st->held, sizeof(FIELD_NAME));
	buf_init(&st->field, INBOUND_FILTER_FIELD_MAX * 2);
	buf_init(&st->out, INBOUND_STRIP_OUT_MAX);
}

void inbound_strip_fini(struct inbound_strip *st)
{
	buf_fini(&st->held);
	buf_fini(&st->field);
	buf_fini(&st->out);
}

/* What follows the name, without white space. */
static struct span canonical(struct arena *a, struct span field)
{
	char *p = arena_alloc(a, field.len + 1);
	size_t n = 0;

	field = span_skip(field, strlen(FIELD_NAME));
	for (size_t i = 0; i < field.len; i++) {
		char c = field.ptr[i];

		if (c != ' ' && c != '\t' && c != '\r' && c != '\n')
			p[n++] = c;
	}
	return span_of(p, n);
}

/* A field is whole: is its id one that we gave? */
static void field_ends(
	struct inbound_strip *st, struct arena *a, const struct inbound_policy *policy)
{
	struct span text, front, rest, id, proof;
	uint64_t number;

	if (buf_len(&st->field) == 0)
		return;
	text = buf_ok(&st->field) ? canonical(a, buf_span(&st->field)) : SPAN_NONE;
	buf_clear(&st->field);
	span_cut(text, ';', &front, &rest);
	if (!span_cut(front, ':', &id, &proof) || !enc_get_id(id, &number) ||
		!secret_eq(proof, prove(a, policy, "front", id, TAG_OCTETS)))
		return;
	st->proofs++;
	st->text = text;
}

/* The beginning of a line: is it the field, its next line, the end of the header, or nothing to us? */
static void line_begins(
	struct inbound_strip *st, struct arena *a, const struct inbound_policy *policy, char c)
{
	static const struct span name = {FIELD_NAME, sizeof(FIELD_NAME) - 1};
	struct span held;

	buf_char(&st->held, c);
	held = buf_span(&st->held);
	if (held.len == 1 && (c == ' ' || c == '\t') && st->is_within) {
		buf_span_put(&st->field, held);
		st->state = STRIP_LINE_OF_FIELD;
	} else if (held.len <= name.len && span_starts_nocase(name, held)) {
		if (held.len < name.len)
			return;
		field_ends(st, a, policy);
		buf_span_put(&st->field, held);
		st->is_within = true;
		st->state = STRIP_LINE_OF_FIELD;
	} else if (held.len == 1 && c == '\r') {
		return;
	} else {
		field_ends(st, a, policy);
		st->is_within = false;
		buf_span_put(&st->out, held);
		st->state = span_eq(held, SPAN("\r\n")) || (c == '\n' && held.len == 1) ? STRIP_BODY
			: c == '\n' ? STRIP_LINE_BEGINS
				    : STRIP_LINE;
	}
	buf_clear(&st->held);
}

size_t inbound_strip_feed(struct inbound_strip *st, struct arena *a,
	const struct inbound_policy *policy, struct span octets)
{
	size_t i = 0;

	buf_clear(&st->out);
	for (; i < octets.len && st->state != STRIP_BODY; i++) {
		char c = octets.ptr[i];

		if (buf_len(&st->out) + sizeof(FIELD_NAME) >= INBOUND_STRIP_OUT_MAX)
			break;
		switch (st->state) {
		case STRIP_LINE_BEGINS: line_begins(st, a, policy, c); break;
		case STRIP_LINE: buf_char(&st->out, c); break;
		case STRIP_LINE_OF_FIELD: buf_char(&st->field, c); break;
		case STRIP_BODY: break;
		}
		if (c == '\n' && st->state != STRIP_BODY && buf_len(&st->held) == 0)
			st->state = STRIP_LINE_BEGINS;
	}
	return i;
}

struct span inbound_strip_end(
	struct inbound_strip *st, struct arena *a, const struct inbound_policy *policy)
{
	buf_clear(&st->out);
	buf_span_put(&st->out, buf_span(&st->held));
	buf_clear(&st->held);
	field_ends(st, a, policy);
	st->state = STRIP_BODY;
	return buf_span(&st->out);
}

/* ---- what the field says ------------------------------------------------------------------------- */

static struct span hex_text(struct arena *a, struct span hex)
{
	struct span text = SPAN_NONE;
	struct buf b;

	buf_init(&b, SMTP_ORCPT_MAX);
	if (enc_get_hex(&b, hex) && !span_has_line_break(buf_span(&b)))
		text = arena_span(a, buf_span(&b));
	buf_fini(&b);
	return text;
}

static void take_by(struct span value, struct inbound_return *r)
{
	struct span mode, trace, ns;
	uint64_t m, t, at;

	if (!span_cut(value, ':', &mode, &trace) || !span_cut(trace, ':', &trace, &ns) ||
		!span_u64_max(mode, SPOOL_BY_NOTIFY, &m) || !span_u64_max(trace, 1, &t) ||
		!span_u64_max(ns, INT64_MAX, &at))
		return;
	r->by_mode = (enum spool_by)m;
	r->by_trace = t != 0;
	r->by_ns = (int64_t)at;
}

static void take_word(struct arena *a, char key, struct span value, struct inbound_return *r)
{
	uint64_t n;

	switch (key) {
	case 'f':
		r->is_requiretls = span_find(value, 'T') >= 0;
		r->is_signed = span_find(value, 'S') >= 0;
		break;
	case 'p':
		if (span_starts(value, SPAN("-")) && span_u64_max(span_skip(value, 1), 9, &n))
			r->priority = -(int)n;
		else if (span_u64_max(value, 9, &n))
			r->priority = (int)n;
		break;
	case 'b': take_by(value, r); break;
	case 'e': r->envid = hex_text(a, value); break;
	case 'r':
		if (span_u64_max(value, SMTP_RET_HDRS, &n))
			r->ret = (unsigned)n;
		break;
	default: break;
	}
}

/* The recipients of this session, as the field has them; they mostly come back in the order in which
 * they went. */
struct tags {
	const struct span *tags;
	size_t at;
};

static void take_rcpt(struct arena *a, struct span value, struct smtp_session *s, struct tags *t,
	struct inbound_return *r)
{
	struct span tag, notify, orcpt;
	uint64_t bits;

	if (!span_cut(value, ':', &tag, &notify) || !span_cut(notify, ':', &notify, &orcpt) ||
		!span_u64_max(notify, 15, &bits))
		return;
	for (size_t n = 0; n < s->rcpt_count; n++) {
		size_t i = (t->at + n) % s->rcpt_count;

		if (!span_eq(t->tags[i], tag))
			continue;
		t->at = i + 1;
		r->proven[i] = true;
		s->rcpts[i].notify = (unsigned)bits;
		s->rcpts[i].orcpt = hex_text(a, orcpt);
		return;
	}
}

static void take_words(struct arena *a, const struct inbound_policy *policy, struct span id,
	struct span rest, struct smtp_session *s, struct inbound_return *r)
{
	struct span *tags = ARENA_ARRAY(a, struct span, s->rcpt_count + 1), word;
	struct tags t = {.tags = tags};

	for (size_t i = 0; i < s->rcpt_count; i++)
		tags[i] = tag_of(a, policy, id, s->rcpts[i].to.whole);
	while (rest.len) {
		struct span all = rest;

		span_cut(all, ';', &word, &rest);
		if (word.len < 2 || word.ptr[1] != '=')
			continue;
		if (word.ptr[0] == 't')
			take_rcpt(a, span_skip(word, 2), s, &t, r);
		else
			take_word(a, word.ptr[0], span_skip(word, 2), r);
	}
}

/* false: it is not as we made it. */
static bool read_field(struct arena *a, const struct inbound_policy *policy, struct span text,
	struct smtp_session *s, struct inbound_return *r)
{
	ptrdiff_t at = -1;
	struct span rest, word, id, front;

	for (size_t i = 0; i + 3 <= text.len; i++) {
		if (memcmp(text.ptr + i, ";m=", 3) == 0)
			at = (ptrdiff_t)i;
	}
	if (at < 0 ||
		!secret_eq(span_skip(text, (size_t)at + 3),
			prove(a, policy, "all", span_sub(text, 0, (size_t)at + 3), MAC_OCTETS)))
		return false;
	span_cut(span_sub(text, 0, (size_t)at), ';', &front, &rest);
	span_cut(front, ':', &id, &word);
	if (!enc_get_id(id, &r->id))
		return false;
	take_words(a, policy, id, rest, s, r);
	return true;
}

/* ---- on the way out and back --------------------------------------------------------------------- */

bool inbound_filter_takes(const struct inbound_conn *c)
{
	const struct inbound_policy *p = c->policy;

	if (p->filter.len == 0 || c->is_filtered)
		return false;
	if (!p->bypass || pool_is_up(p->bypass, p->filter))
		return true;
	log_event(c->in->opts.log, LOG_WARN, "smtp.in.unfiltered", LF("filter", p->filter));
	return false;
}

/* On its way to the filter a letter has the recipients of its envelope, as they were given: what they
 * become is decided when it comes back. So are reports of success. */
static void filter_rcpts(
	const struct inbound_conn *c, const struct smtp_session *s, struct spool_new *letter)
{
	letter->rcpts = ARENA_ARRAY(s->txn, struct spool_rcpt_new, s->rcpt_count);
	for (size_t i = 0; i < s->rcpt_count; i++) {
		const struct smtp_rcpt *rcpt = &s->rcpts[i];
		unsigned notify = rcpt->notify & ~(unsigned)SMTP_NOTIFY_SUCCESS;

		/* In LMTP that one hears 554; elsewhere its loop is found again when it comes back. */
		if (inbound_is_late(s, i, NULL))
			continue;
		if (rcpt->notify && !notify)
			notify = SMTP_NOTIFY_NEVER;
		letter->rcpts[letter->rcpt_count++] = (struct spool_rcpt_new){
			.address = rcpt->to.whole,
			.destination = c->policy->filter,
			.orcpt = rcpt->orcpt,
			.notify = notify};
	}
}

/* The filter is a part of this station: what the sender demands of the way counts behind it. */
int inbound_filter_send(struct inbound_conn *c, struct smtp_session *s, struct spool_new *letter,
	struct inbound_counts *counts_r, struct err *e)
{
	struct span field;

	if (make_field(c, s, letter, &field, e) < 0)
		return -1;
	letter->prefix = span_str(
		arena_printf(s->txn, SPAN_FMT SPAN_FMT, SPAN_ARG(letter->prefix), SPAN_ARG(field)));
	letter->env.is_requiretls = letter->env.is_tls_optional = false;
	letter->env.by_mode = SPOOL_BY_NONE;
	letter->env.by_ns = 0;
	filter_rcpts(c, s, letter);
	*counts_r = (struct inbound_counts){.remote = letter->rcpt_count};
	return 0;
}

void inbound_filter_restore(const struct inbound_conn *c, struct spool_new *letter)
{
	const struct inbound_return *back = c->txn->back;

	if (!back)
		return;
	letter->parent_id = back->id;
	letter->env.envid = back->envid;
	letter->env.ret = (enum spool_ret)back->ret;
	letter->env.priority = back->priority;
	letter->env.is_requiretls = back->is_requiretls;
	if (back->is_requiretls) {
		letter->env.is_tls_optional = false;
		letter->env.ret = SPOOL_RET_HDRS;
	}
	letter->env.by_mode = back->by_mode;
	letter->env.by_trace = back->by_trace;
	letter->env.by_ns = back->by_ns;
}

static int loops(const char *why, struct err *e)
{
	err_set(e, ERR_LIMIT, "%s", why);
	return err_smtp(e, 554, 5, 4, 6);
}

FIBER int inbound_filter_return(struct inbound_conn *c, struct smtp_session *s, struct err *e)
{
	struct inbound_txn *t = c->txn;
	struct inbound_return *back = ARENA_NEW(s->txn, struct inbound_return);

	if (!t->is_stripped)
		return 0;
	back->proven = ARENA_ARRAY(s->txn, bool, s->rcpt_count + 1);
	if (t->stage && t->strip.state != STRIP_BODY &&
		inbound_put(t, inbound_strip_end(&t->strip, s->txn, c->policy), e) < 0)
		return -1;
	if (!c->is_filtered)
		return t->strip.proofs == 0
			? 0
			: loops("The content filter sends its mail to the wrong listener", e);
	if (t->strip.proofs > 1)
		return loops("The message went through the content filter twice", e);
	if (t->strip.proofs && read_field(s->txn, c->policy, t->strip.text, s, back))
		t->back = back;
	for (size_t i = 0; i < s->rcpt_count; i++) {
		const struct inbound_rcpt *known = s->rcpts[i].user;

		if (known->is_unproven && !back->proven[i]) {
			err_set(e, ERR_DENIED,
				"Relaying denied: this message did not go to the content filter "
				"for this recipient");
			return err_smtp(e, 550, 5, 7, 1);
		}
	}
	return 0;
}
