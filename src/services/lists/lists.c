#include "services/lists/lists_priv.h"

#include <stdlib.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/enc.h"
#include "base/mem.h"
#include "base/must.h"
#include "store/directory.h"

#define KEY_SETTING "lists.key"

struct lists *lists_new(const struct lists_opts *opts)
{
	struct lists *l = NEW(struct lists);

	l->opts = *opts;
	return l;
}

void lists_free(struct lists **l)
{
	free(*l);
	*l = NULL;
}

/* The key is made once and stays: tags of letters that are under way must hold. Two loops that make it
 * at the same time both read what the store has in the end. */
static FIBER int key_load(struct lists *l, struct err *e)
{
	struct arena *a = arena_new();
	struct err none = {0};
	struct span text;
	struct buf b;
	int rc = 0;

	buf_init(&b, 256);
	if (directory_setting(l->opts.store, a, SPAN(KEY_SETTING), &text, &none) < 0) {
		struct hash_key fresh;

		MUST(getrandom(&fresh, sizeof(fresh), 0) == sizeof(fresh));
		enc_put_hex(&b, span_of(&fresh, sizeof(fresh)));
		rc = none.code == ERR_NOT_FOUND
			? directory_setting_set(l->opts.store, SPAN(KEY_SETTING), buf_span(&b), e)
			: err_copy(e, &none);
		if (rc == 0)
			rc = directory_setting(l->opts.store, a, SPAN(KEY_SETTING), &text, e);
		buf_clear(&b);
	}
	if (rc == 0 && (!enc_get_hex(&b, text) || buf_len(&b) != sizeof(l->key)))
		rc = err_set(e, ERR_CORRUPT, "the setting " KEY_SETTING " is no key");
	if (rc == 0) {
		l->key = *(const struct hash_key *)buf_cstr(&b);
		l->has_key = 1;
	}
	buf_fini(&b);
	arena_free(&a);
	return rc;
}

FIBER int lists_need_key(struct lists *l, struct err *e)
{
	return l->has_key ? 0 : key_load(l, e);
}

/* ---- verdicts ---- */

static void verdict(
	struct lists_post *p, enum outbound_verdict v, struct span enhanced, struct span text)
{
	p->rcpt->verdict = v;
	p->rcpt->code = 0;
	p->rcpt->enhanced = enhanced;
	p->rcpt->text = text;
}

void lists_done(struct lists_post *p, const char *what)
{
	verdict(p, OUTBOUND_DELIVERED, SPAN("2.0.0"), span_str(what));
	/* What the list does with it is its own business: nobody gets a report of success. */
	p->rcpt->is_dsn_passed = true;
	log_event(p->lists->opts.log, LOG_INFO, "list.letter", LF_ID("id", p->parcel->msg_id),
		LF("list", p->address), LF("to", p->rcpt->address), LF("author", p->author),
		LF_STR("result", what));
}

void lists_refuse(struct lists_post *p, const char *enhanced, const char *why)
{
	verdict(p, OUTBOUND_PERMANENT, span_str(enhanced), span_str(why));
	log_event(p->lists->opts.log, LOG_INFO, "list.refused", LF_ID("id", p->parcel->msg_id),
		LF("list", p->address), LF("author", p->author), LF_STR("reason", why));
}

void lists_later(struct lists_post *p, const char *why)
{
	verdict(p, OUTBOUND_TEMPORARY, SPAN("4.7.1"), span_str(why));
}

/* ---- one address ---- */

static FIBER int act(struct lists_post *p, enum directory_list_part part, struct err *e)
{
	switch (part) {
	case DIRECTORY_LIST_POST: return lists_take_post(p, e);
	case DIRECTORY_LIST_JOIN: return lists_join(p, e);
	case DIRECTORY_LIST_LEAVE: return lists_leave(p, e);
	case DIRECTORY_LIST_CONFIRM: return lists_confirm(p, e);
	case DIRECTORY_LIST_REQUEST: return lists_request(p, e);
	case DIRECTORY_LIST_BOUNCES: return lists_bounce(p, e);
	case DIRECTORY_LIST_OWNER: return lists_to_roles(p, MLIST_OWNER, e);
	case DIRECTORY_LIST_MODERATE: return lists_to_roles(p, MLIST_OWNER | MLIST_MODERATOR, e);
	case DIRECTORY_LIST_PART_COUNT: break;
	}
	MUST(!"a part of a list that is none");
	return -1;
}

static FIBER int handle(struct lists_post *p, struct err *e)
{
	ptrdiff_t at = span_rfind(p->rcpt->address, '@'), plus;
	struct span local = span_sub(p->rcpt->address, 0, at < 0 ? 0 : (size_t)at), name;
	enum directory_list_part part = DIRECTORY_LIST_POST;

	/* A list that is called "x-join" is asked for under its own name. */
	if (!span_eq_nocase(local, p->list.local))
		directory_list_cut(directory_local_part(p->a, local), &name, &part);
	plus = span_find(local, '+');
	p->tag = plus < 0 ? SPAN_NONE : span_skip(local, (size_t)plus + 1);
	return act(p, part, e);
}

static FIBER int work(struct lists *l, struct outbound_parcel *parcel, struct err *e)
{
	struct lists_post p = {.lists = l,
		.router = l->opts.router(l->opts.arg),
		.parcel = parcel,
		.a = parcel->arena};
	struct destination d;
	uint64_t id;

	if (lists_need_key(l, e) < 0)
		return -1;
	if (destination_cut(parcel->destination, &d, e) < 0 || !span_u64(d.name, &id))
		return err_set(e, ERR_STATE, "no list: " SPAN_FMT, SPAN_ARG(parcel->destination));
	if (mlist_get(l->opts.store, p.a, id, &p.list, e) < 0) {
		if (e->code == ERR_NOT_FOUND)
			err_smtp(e, 550, 5, 1, 1);
		return -1;
	}
	p.address = lists_address(&p, "", SPAN_NONE);
	if (lists_read(&p, e) < 0)
		return -1;
	for (size_t i = 0; i < parcel->rcpt_count; i++) {
		p.rcpt = &parcel->rcpts[i];
		if (handle(&p, e) < 0)
			return -1;
	}
	return 0;
}

/* A letter for which something went wrong is put off as a whole, without what had come of it. */
static void give_up(struct outbound_parcel *p, const struct err *e)
{
	bool is_gone = e->code == ERR_NOT_FOUND && e->enh_class == 5;

	for (size_t i = 0; i < p->rcpt_count; i++)
		p->rcpts[i].verdict = OUTBOUND_PENDING;
	p->offspring_count = 0;
	if (e->code == ERR_CANCELLED) {
		p->is_untried = true;
		p->next_ns = loop_wall_ns();
	}
	outbound_parcel_settle(p, is_gone ? OUTBOUND_PERMANENT : OUTBOUND_TEMPORARY, e);
}

FIBER int lists_carry(void *lists, struct outbound_carrier *c, struct err *e)
{
	struct lists *l = lists;
	struct outbound_parcel *p;

	(void)e;
	c->feed->up(c->ctx);
	while ((p = c->feed->next(c->ctx))) {
		struct err why = {0};

		if (work(l, p, &why) < 0) {
			log_event(l->opts.log, LOG_WARN, "list.failed", LF_ID("id", p->msg_id),
				LF("destination", p->destination), LF_STR("reason", why.text));
			give_up(p, &why);
		}
		c->delivered++;
		c->feed->done(c->ctx, p);
	}
	return 0;
}
