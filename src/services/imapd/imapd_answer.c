#include "services/imapd/imapd_answer.h"

#include <stdlib.h>

#include "base/mem.h"
#include "run/fiber.h"
#include "proto/imap/imap_out.h"

#define ANSWER_MAX (32 * 1024 * 1024) /* octets of one ESEARCH: 11 for a message */

/* What is told, by number. */
struct answer {
	struct imapd_conn *c;
	const struct find_answer_opts *o;
	const struct find_hit *hits;
	size_t count;
	size_t from, to; /* PARTIAL's window of them */
};

static uint32_t number_of(const struct answer *x, size_t i)
{
	uint32_t uid = x->hits[i].uid;

	return x->o->is_uid ? uid : uidset_seq(x->o->scope->uids, uid);
}

/* Runs of numbers in the order they come. NULL: the session is cancelled. */
static FIBER struct imap_set *set_of(const struct answer *x, size_t from, size_t to, struct err *e)
{
	struct arena *a = x->c->s->cmd;
	struct imap_set *set = ARENA_NEW(a, struct imap_set);

	set->ranges = ARENA_ARRAY(a, struct imap_range, to - from + 1);
	for (size_t i = from; i < to; i++) {
		uint32_t n = number_of(x, i);

		if (i % 1024 == 0 && fiber_breathe(e) < 0)
			return NULL;
		if (set->count && set->ranges[set->count - 1].last + 1 == n)
			set->ranges[set->count - 1].last = n;
		else
			set->ranges[set->count++] = (struct imap_range){n, n};
	}
	return set;
}

/* RFC 9394 section 3.1: positions in what was found, from either end. */
static void find_window(struct answer *x, const struct imap_partial *p)
{
	size_t low = p->low, high = p->high;

	if (p->is_from_end) {
		low = x->count >= p->high ? x->count - p->high + 1 : 1;
		high = x->count >= p->low ? x->count - p->low + 1 : 0;
	}
	if (high > x->count)
		high = x->count;
	x->from = low <= high ? low - 1 : 0;
	x->to = low <= high ? high : 0;
}

/* The lowest and the highest number; of what is sorted, the first and the last (RFC 5267 section 3). */
static size_t index_of_min(const struct answer *x)
{
	(void)x;
	return 0;
}

static size_t index_of_max(const struct answer *x)
{
	return x->count - 1;
}

/* RFC 4731 section 3.2: of the messages that are told; with ALL or COUNT of all. */
static uint64_t modseq_of(const struct answer *x, unsigned what)
{
	uint64_t modseq = 0;
	bool is_all = what & (IMAP_RETURN_ALL | IMAP_RETURN_COUNT);

	for (size_t i = 0; i < x->count; i++)
		if ((is_all || (what & IMAP_RETURN_MIN && i == index_of_min(x)) ||
			    (what & IMAP_RETURN_MAX && i == index_of_max(x)) ||
			    (what & IMAP_RETURN_PARTIAL && i >= x->from && i < x->to)) &&
			x->hits[i].modseq > modseq)
			modseq = x->hits[i].modseq;
	return modseq;
}

/* Of those that are told, in their order; without PARTIAL of all. */
static void put_scores(const struct answer *x, unsigned what, struct imap_esearch *r)
{
	bool is_page = what & IMAP_RETURN_PARTIAL;
	size_t from = is_page ? x->from : 0, to = is_page ? x->to : x->count;
	uint8_t *scores = ARENA_ARRAY(x->c->s->cmd, uint8_t, to - from + 1);

	for (size_t i = from; i < to; i++)
		scores[i - from] = find_score(&x->hits[i]);
	r->scores = scores;
	r->score_count = to - from;
}

static FIBER int tell_esearch(struct answer *x, unsigned what, struct err *e)
{
	const struct find_answer_opts *o = x->o;
	const struct imap_out_mode mode = {imap_is_utf8(x->c->s)};
	struct buf *b = arena_buf(x->c->s->cmd, ANSWER_MAX);
	struct imap_esearch r = {.tag = o->cmd->tag,
		.is_uid = o->is_uid,
		.what = what & ~(unsigned)IMAP_RETURN_SAVE,
		.has_mailbox = o->mailbox.ptr != NULL,
		.mailbox = o->mailbox,
		.uid_validity = o->uid_validity,
		.count = x->count,
		.partial = o->cmd->find.returns.partial};

	if (x->count) {
		r.min = number_of(x, index_of_min(x));
		r.max = number_of(x, index_of_max(x));
		r.modseq = o->has_modseq ? modseq_of(x, what) : 0;
		r.has_modseq = r.modseq > 0;
	}
	if (what & IMAP_RETURN_ALL && !(r.all = set_of(x, 0, x->count, e)))
		return -1;
	if (what & IMAP_RETURN_PARTIAL && !(r.page = set_of(x, x->from, x->to, e)))
		return -1;
	if (what & IMAP_RETURN_RELEVANCY)
		put_scores(x, what, &r);
	imap_put_esearch(b, &r, &mode);
	if (!buf_ok(b))
		return err_set(e, ERR_LIMIT, "the answer is too long");
	return imap_write(x->c->s, buf_span(b), e);
}

static FIBER int tell_list(const struct answer *x, struct err *e)
{
	struct imap_session *s = x->c->s;

	imap_printf(s, "* %s", x->o->word);
	for (size_t i = 0; i < x->count; i++) {
		imap_printf(s, " %u", number_of(x, i));
		if (i % 256 == 255 && imap_relieve(s, e) < 0)
			return -1;
	}
	if (x->o->has_modseq && x->count)
		imap_printf(s, " (MODSEQ %llu)", (unsigned long long)modseq_of(x, IMAP_RETURN_ALL));
	imap_put(s, SPAN("\r\n"));
	return 0;
}

static int by_uid(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* RFC 5182 section 2.1: with MIN or MAX alone only those; RFC 9394 section 3.2: with PARTIAL its page. */
static void save(const struct answer *x, unsigned what)
{
	bool is_some = what & (IMAP_RETURN_MIN | IMAP_RETURN_MAX | IMAP_RETURN_PARTIAL) &&
		!(what & (IMAP_RETURN_ALL | IMAP_RETURN_COUNT));
	uint32_t *uids = mem_alloc((x->count + 1) * sizeof(*uids));
	struct uid_range *runs = mem_alloc((x->count + 1) * sizeof(*runs));
	size_t n = 0, count = 0;

	for (size_t i = 0; i < x->count; i++)
		if (!is_some || (what & IMAP_RETURN_MIN && i == index_of_min(x)) ||
			(what & IMAP_RETURN_MAX && i == index_of_max(x)) ||
			(what & IMAP_RETURN_PARTIAL && i >= x->from && i < x->to))
			uids[n++] = x->hits[i].uid;
	qsort(uids, n, sizeof(*uids), by_uid);
	for (size_t i = 0; i < n; i++)
		if (count && runs[count - 1].last + 1 == uids[i])
			runs[count - 1].last = uids[i];
		else
			runs[count++] = (struct uid_range){uids[i], uids[i]};
	uidset_unref(&x->c->view->saved);
	x->c->view->saved = uidset_new(runs, count);
	free(runs);
	free(uids);
}

FIBER int find_tell(struct imapd_conn *c, const struct find_answer_opts *o,
	const struct find_hit *hits, size_t count, struct err *e)
{
	const struct imap_return_options *returns = &o->cmd->find.returns;
	struct answer x = {.c = c, .o = o, .hits = hits, .count = count};
	unsigned what = returns->is_given ? returns->what : IMAP_RETURN_ALL;

	if (what & IMAP_RETURN_PARTIAL)
		find_window(&x, &returns->partial);
	if (what & IMAP_RETURN_SAVE && c->view)
		save(&x, what);
	if (what == IMAP_RETURN_SAVE)
		return 0; /* RFC 5182 section 2.1: nothing else was asked for */
	return o->is_esearch ? tell_esearch(&x, what, e) : tell_list(&x, e);
}

bool find_refuse(struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r)
{
	/* RFC 9586 section 3 */
	if (imap_is_enabled(c->s, IMAP_BIT(UIDONLY)) &&
		(cmd->find.search.has_numbers || (!cmd->is_uid && cmd->verb != IMAP_ESEARCH))) {
		imap_result_bad(r, "UIDREQUIRED", "Message numbers are not in use");
		return true;
	}
	/* RFC 7162 section 3.1: whoever asks for mod-sequences hears of them from now on */
	if (cmd->find.search.has_modseq)
		c->s->enabled |= IMAP_BIT(CONDSTORE);
	return false;
}

int find_failed(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e)
{
	if (cmd->find.returns.what & IMAP_RETURN_SAVE && c->view)
		uidset_unref(&c->view->saved);
	if (e->code == ERR_UNSUPPORTED)
		return imap_result_no(
			r, "BADCHARSET (UTF-8 US-ASCII)", "That charset is not known");
	if (e->code == ERR_LIMIT)
		return imap_result_no(r, "LIMIT", "%s", e->text);
	return -1;
}

void find_note_limit(struct imapd_conn *c, const struct find_result *found, struct imap_result *r)
{
	if (found->lowest)
		imap_result_code(r, "MESSAGELIMIT %llu %u",
			(unsigned long long)c->s->opts->limits.message_limit, found->lowest);
}
