/* Queries about Emails: any filter and sort against a naive one, changes of queries folded into what a client
 * has, conditions about texts, snippets. */

#include "mailbox_box.h"

#include "store/account_admin.h"
#include "store/db/db.h"
#include "store/email.h"

#define BOXES   3
#define EMAILS  600
#define QUERIES 8

struct known {
	uint64_t id, thread, size;
	int64_t received_ns;
	unsigned flags, boxes;
	bool is_work;
};

struct view { /* what a client has of a query */
	bool is_begun;
	uint64_t state;
	uint64_t ids[EMAILS];
	size_t count;
};

struct play {
	struct store_fixture *f;
	struct arena *a;
	uint64_t seed, account, boxes[BOXES];
	unsigned letters;
	struct email_eyes eyes;
	struct known list[EMAILS];
	size_t count;
	uint64_t naive[EMAILS];
	size_t naive_count;
	struct view views[QUERIES];
};

static uint32_t roll(struct play *p, uint32_t sides)
{
	p->seed = p->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(p->seed >> 33) % sides;
}

/* ---- what happens ---- */

APART static void put_letter(struct play *p)
{
	unsigned n = ++p->letters, to = n > 2 ? n - 1 - roll(p, 2) : 0;
	struct mailbox_append_item item = {.stage = stage_new(p->f->s),
		.flags = roll(p, 2) ? 0 : roll(p, 32) & ~8U,
		.received_ns = (int64_t)roll(p, 20) * CLOCK_DAY + roll(p, 3)};
	struct mailbox_append op = {
		.mailbox_id = p->boxes[roll(p, BOXES)], .items = &item, .count = 1};
	struct err e = {0};

	assert_ok(
		stage_put(item.stage,
			span_str(arena_printf(p->a,
				"Subject: s\r\nMessage-ID: <%u@x>\r\n%s\r\n%.*s\r\n", n,
				to && roll(p, 2) ? arena_printf(p->a, "References: <%u@x>\r\n", to)
						 : "",
				(int)roll(p, 30), "text text text text text text text")),
			&e),
		&e);
	assert_ok(mailbox_append(p->f->s, &op, &e), &e);
}

static void choose(struct play *p, struct uid_range *r)
{
	r->first = 1 + roll(p, 40);
	r->last = r->first + roll(p, 5);
}

APART static void step(struct play *p)
{
	struct uid_range r;
	struct span word = SPAN("Work");
	struct mailbox_store flags = {.mailbox_id = p->boxes[roll(p, BOXES)],
		.ranges = &r,
		.range_count = 1,
		.how = (enum mailbox_flag_how)roll(p, 3),
		.flags = roll(p, 5) ? roll(p, 32) & ~8U : 8,
		.keywords = &word,
		.keyword_count = roll(p, 2),
		.arena = p->a};
	struct mailbox_copy copy = {.from_id = p->boxes[roll(p, BOXES)],
		.to_id = p->boxes[roll(p, BOXES)],
		.ranges = &r,
		.range_count = 1,
		.is_move = roll(p, 2),
		.arena = p->a};
	struct mailbox_expunge_op expunge = {
		.mailbox_id = p->boxes[roll(p, BOXES)], .ranges = &r, .range_count = 1};
	struct err e = {0};
	uint32_t what = roll(p, 10);

	choose(p, &r);
	if (what < 4)
		put_letter(p);
	else if (what < 7)
		assert_ok(mailbox_store_flags(p->f->s, &flags, &e), &e);
	else if (what < 9)
		assert_ok(mailbox_copy(p->f->s, &copy, &e), &e);
	else
		assert_ok(mailbox_expunge_ranges(p->f->s, &expunge, &e), &e);
}

/* ---- all that there is ---- */

static void know_all(struct play *p)
{
	struct email_query q = {.limit = EMAILS};
	struct email *list = ARENA_ARRAY(p->a, struct email, EMAILS);
	struct err e = {0};

	assert_ok(email_query(p->f->s, p->a, &p->eyes, &q, &e), &e);
	for (size_t done = 0; done < q.count; done += EMAIL_GET_MAX)
		assert_ok(email_get(p->f->s, p->a, &p->eyes, q.ids + done, q.count - done,
				  MAILBOX_WANT_ROW, list + done, NULL, &e),
			&e);
	p->count = q.count;
	for (size_t i = 0; i < q.count; i++) {
		const struct email *x = &list[i];
		struct known *k = &p->list[i];

		assert_true(x->row_count > 0);
		*k = (struct known){x->id, x->thread_id, x->msg.size, x->msg.received_ns, x->flags,
			0, span_eq(x->keywords, SPAN("work"))};
		for (size_t r = 0; r < x->row_count; r++)
			for (size_t b = 0; b < BOXES; b++)
				if (p->boxes[b] == x->rows[r].mailbox_id)
					k->boxes |= 1U << b;
	}
}

/* ---- the queries ---- */

static bool some_flagged(const struct play *p, uint64_t thread)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->list[i].thread == thread && (p->list[i].flags & MAILBOX_FLAGGED))
			return true;
	return false;
}

static bool naive_meets(const struct play *p, size_t which, const struct known *k)
{
	switch (which) {
	case 0:
	case 1:
	case 2: return k->boxes & 1;
	case 3: return (k->boxes & 1) && !(k->flags & MAILBOX_SEEN);
	case 4: return true;
	case 5: return k->is_work || some_flagged(p, k->thread);
	case 6: return (k->boxes & ~1U) && !k->is_work;
	default:
		return k->received_ns >= 5 * CLOCK_DAY && k->received_ns < 15 * CLOCK_DAY &&
			!((k->boxes & 1) && (k->boxes & 2));
	}
}

struct asked {
	struct email_filter filters[4];
	uint64_t ids[1];
	struct email_sort sort[2];
	struct email_query q;
};

static void ask(const struct play *p, size_t which, struct asked *x)
{
	struct email_filter *f = x->filters;

	memset(x, 0, sizeof(*x));
	x->ids[0] = p->boxes[0];
	x->q = (struct email_query){.filter = f, .sort = x->sort, .limit = EMAILS};
	x->q.collapses = which == 1 || which == 2 || which == 4 || which == 6;
	f[0] = (struct email_filter){.op = EMAIL_AND, .kids = f + 1, .kid_count = 2};
	f[1] = (struct email_filter){.op = EMAIL_IN_MAILBOX, .id = p->boxes[0]};
	f[2] = (struct email_filter){.op = EMAIL_NOT_KEYWORD, .text = SPAN("$seen")};
	x->sort[0] = (struct email_sort){.key = EMAIL_SORT_RECEIVED, .is_descending = which != 2};
	x->q.sort_count = 1;
	if (which < 3) {
		f[0] = f[1];
	} else if (which == 4) {
		x->q.filter = NULL;
		x->sort[0] = (struct email_sort){.key = EMAIL_SORT_SIZE, .is_descending = true};
		x->sort[1] = (struct email_sort){.key = EMAIL_SORT_RECEIVED};
		x->q.sort_count = 2;
	} else if (which == 5) {
		f[0].op = EMAIL_OR;
		f[1] = (struct email_filter){.op = EMAIL_HAS_KEYWORD, .text = SPAN("WORK")};
		f[2] = (struct email_filter){.op = EMAIL_SOME_IN_THREAD, .text = SPAN("$flagged")};
	} else if (which == 6) {
		f[1] = (struct email_filter){
			.op = EMAIL_IN_OTHER_THAN, .ids = x->ids, .id_count = 1};
		f[2] = (struct email_filter){.op = EMAIL_NOT, .kids = f + 3, .kid_count = 1};
		f[3] = (struct email_filter){.op = EMAIL_HAS_KEYWORD, .text = SPAN("work")};
	}
}

/* The last one needs more room. */
static void ask_last(const struct play *p, struct asked *x, struct email_filter *more)
{
	ask(p, 3, x);
	x->filters[0] = (struct email_filter){
		.op = EMAIL_AND, .kids = x->filters + 1, .kid_count = 3};
	x->filters[1] = (struct email_filter){.op = EMAIL_AFTER, .number = 5 * CLOCK_DAY};
	x->filters[2] = (struct email_filter){.op = EMAIL_BEFORE, .number = 15 * CLOCK_DAY};
	x->filters[3] = (struct email_filter){.op = EMAIL_NOT, .kids = more, .kid_count = 1};
	more[0] = (struct email_filter){.op = EMAIL_AND, .kids = more + 1, .kid_count = 2};
	more[1] = (struct email_filter){.op = EMAIL_IN_MAILBOX, .id = p->boxes[0]};
	more[2] = (struct email_filter){.op = EMAIL_IN_MAILBOX, .id = p->boxes[1]};
}

static bool goes_before(size_t which, const struct known *a, const struct known *b)
{
	if (which == 4) {
		if (a->size != b->size)
			return a->size > b->size;
		if (a->received_ns != b->received_ns)
			return a->received_ns < b->received_ns;
		return a->id > b->id;
	}
	if (a->received_ns != b->received_ns)
		return (a->received_ns > b->received_ns) == (which != 2);
	return (a->id > b->id) == (which != 2);
}

static bool is_thread_shown(const struct play *p, uint64_t thread)
{
	for (size_t i = 0; i < p->naive_count; i++)
		for (size_t k = 0; k < p->count; k++)
			if (p->list[k].id == p->naive[i] && p->list[k].thread == thread)
				return true;
	return false;
}

static void naive_query(struct play *p, size_t which, bool collapses)
{
	const struct known **sorted = ARENA_ARRAY(p->a, const struct known *, p->count + 1);
	size_t n = 0;

	for (size_t i = 0; i < p->count; i++) {
		size_t at = n;

		if (!naive_meets(p, which, &p->list[i]))
			continue;
		for (; at && goes_before(which, &p->list[i], sorted[at - 1]); at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = &p->list[i];
		n++;
	}
	p->naive_count = 0;
	for (size_t i = 0; i < n; i++)
		if (!collapses || !is_thread_shown(p, sorted[i]->thread))
			p->naive[p->naive_count++] = sorted[i]->id;
}

/* ---- a client ---- */

static void view_remove(struct view *v, uint64_t id)
{
	for (size_t i = 0; i < v->count; i++) {
		if (v->ids[i] != id)
			continue;
		memmove(v->ids + i, v->ids + i + 1, (v->count - i - 1) * sizeof(id));
		v->count--;
		return;
	}
}

static void view_fold(struct play *p, struct view *v, struct email_query *q)
{
	struct email_query_changes c = {.query = q, .since = v->state};
	struct err e = {0};

	assert_ok(email_query_changes(p->f->s, p->a, &p->eyes, &c, &e), &e);
	assert_false(c.is_too_many);
	for (size_t i = 0; i < c.removed_count; i++)
		view_remove(v, c.removed[i]);
	for (size_t i = 0; i < c.added_count; i++) {
		const struct email_added *x = &c.added[i];

		assert_true(x->index <= v->count);
		memmove(v->ids + x->index + 1, v->ids + x->index,
			(v->count - x->index) * sizeof(x->id));
		v->ids[x->index] = x->id;
		v->count++;
	}
	assert_int_equal(c.total, v->count);
	v->state = c.state;
}

static void assert_view(const struct play *p, const uint64_t *ids, size_t count)
{
	assert_int_equal(count, p->naive_count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(ids[i], p->naive[i]);
}

APART static void check_query(struct play *p, size_t which)
{
	struct asked *x = ARENA_NEW(p->a, struct asked);
	struct email_filter *more = ARENA_ARRAY(p->a, struct email_filter, 3);
	struct view *v = &p->views[which];
	struct err e = {0};

	if (which == 7)
		ask_last(p, x, more);
	else
		ask(p, which, x);
	naive_query(p, which, x->q.collapses);
	assert_ok(email_query(p->f->s, p->a, &p->eyes, &x->q, &e), &e);
	assert_view(p, x->q.ids, x->q.count);
	if (v->is_begun && roll(p, 3)) {
		view_fold(p, v, &x->q);
		assert_view(p, v->ids, v->count);
	} else if (!v->is_begun) {
		v->is_begun = true;
		v->state = x->q.state;
		v->count = x->q.count;
		if (v->count)
			memcpy(v->ids, x->q.ids, v->count * sizeof(*v->ids));
	}
}

static void begin(struct play *p, struct store_fixture *f)
{
	static const char *const names[BOXES] = {NULL, "one", "two"};
	struct box box = make_box(f, "alice");
	struct err e = {0};

	p->f = f;
	p->account = box.account_id;
	p->boxes[0] = box.id;
	p->eyes = (struct email_eyes){.account_id = box.account_id, .is_all = true};
	for (size_t i = 1; i < BOXES; i++)
		assert_ok(mailbox_create(f->s, box.account_id, span_str(names[i]), SPAN(""),
				  &p->boxes[i], &e),
			&e);
}

static void play_queries(struct store_fixture *f)
{
	struct play *p = calloc(1, sizeof(*p));
	const char *seed = getenv("EMAIL_SEED");

	p->seed = seed ? strtoull(seed, NULL, 10) : 5;
	begin(p, f);
	for (int i = 0; i < 120; i++) {
		p->a = arena_new();
		for (uint32_t n = 1 + roll(p, 5); n; n--)
			step(p);
		know_all(p);
		for (size_t q = 0; q < QUERIES; q++)
			check_query(p, q);
		arena_free(&p->a);
	}
	free(p);
}

static void any_query_is_the_naive_one(void **state)
{
	store_play(state, play_queries);
}

/* ---- who does not see all ---- */

static void play_eyes(struct store_fixture *f)
{
	struct play *p = calloc(1, sizeof(*p));
	struct email_filter in = {.op = EMAIL_IN_MAILBOX};
	struct email_query q = {.limit = EMAILS}, one = {.filter = &in, .limit = EMAILS};
	struct email_eyes *eyes;
	struct err e = {0};

	p->seed = 9;
	begin(p, f);
	p->a = arena_new();
	for (int i = 0; i < 300; i++)
		step(p);
	know_all(p);
	eyes = &p->eyes;
	eyes->is_all = false;
	eyes->mailboxes = &p->boxes[1];
	eyes->mailbox_count = 1;
	assert_ok(email_query(f->s, p->a, eyes, &q, &e), &e);
	p->naive_count = 0;
	for (size_t i = 0; i < p->count; i++)
		if (p->list[i].boxes & 2)
			p->naive[p->naive_count++] = p->list[i].id;
	assert_view(p, q.ids, q.count);
	for (size_t i = 0; i < p->count; i++) {
		struct email x;

		assert_ok(email_get(f->s, p->a, eyes, &p->list[i].id, 1, MAILBOX_WANT_ROW, &x, NULL,
				  &e),
			&e);
		assert_int_equal(x.row_count > 0, (p->list[i].boxes & 2) != 0);
		for (size_t r = 0; r < x.row_count; r++)
			assert_int_equal(x.rows[r].mailbox_id, p->boxes[1]);
	}
	in.id = p->boxes[0]; /* not his */
	assert_ok(email_query(f->s, p->a, eyes, &one, &e), &e);
	assert_int_equal(one.count, 0);
	assert_int_equal(one.total, 0);
	eyes->account_id++; /* another account's mailbox */
	in.id = p->boxes[1];
	ASSERT_ERR(email_query(f->s, p->a, eyes, &one, &e), ERR_NOT_FOUND);
	arena_free(&p->a);
	free(p);
}

static void others_see_their_mailboxes_only(void **state)
{
	store_play(state, play_eyes);
}

static void fold_seen(struct play *p, struct view *v)
{
	struct email_changes c = {.since = v->state};
	struct err e = {0};

	assert_ok(email_changes(p->f->s, p->a, &p->eyes, &c, &e), &e);
	assert_false(c.is_more);
	for (size_t i = 0; i < c.count; i++) {
		view_remove(v, c.list[i].id);
		if (c.list[i].how != EMAIL_DESTROYED)
			v->ids[v->count++] = c.list[i].id;
	}
	v->state = c.upto;
}

static size_t seen_in_one(const struct play *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->count; i++)
		n += (p->list[i].boxes & 2) != 0;
	return n;
}

/* Emails that come into the sight of somebody and leave it, as he hears of them. */
static void play_sight(struct store_fixture *f)
{
	struct play *p = calloc(1, sizeof(*p));
	struct email_query all = {.limit = EMAILS};
	struct email_states states;
	struct err e = {0};

	p->seed = 4;
	begin(p, f);
	p->a = arena_new();
	p->eyes.mailboxes = &p->boxes[1];
	p->eyes.mailbox_count = 1;
	assert_ok(email_states(f->s, p->account, &states, &e), &e);
	p->views[0].state = states.email;
	for (int i = 0; i < 60; i++) {
		struct view *v = &p->views[0], *q = &p->views[1];

		for (uint32_t n = 1 + roll(p, 5); n; n--)
			step(p);
		p->eyes.is_all = true;
		know_all(p);
		p->eyes.is_all = false;
		fold_seen(p, v);
		assert_int_equal(v->count, seen_in_one(p));
		for (size_t k = 0; k < v->count; k++)
			for (size_t n = 0; n < p->count; n++)
				if (p->list[n].id == v->ids[k])
					assert_true(p->list[n].boxes & 2);
		assert_ok(email_query(f->s, p->a, &p->eyes, &all, &e), &e);
		if (q->is_begun) {
			view_fold(p, q, &all);
			assert_int_equal(q->count, all.count);
			assert_memory_equal(q->ids, all.ids, all.count * sizeof(*all.ids));
		}
		q->is_begun = true;
		q->state = all.state;
		q->count = all.count;
		if (q->count)
			memcpy(q->ids, all.ids, q->count * sizeof(*q->ids));
	}
	/* rights change: nobody knows what he saw */
	assert_ok(mailbox_acl_set(f->s, p->boxes[2], SPAN("anyone"), MAILBOX_RIGHT_LOOKUP, &e), &e);
	ASSERT_ERR(email_changes(f->s, p->a, &p->eyes,
			   &(struct email_changes){.since = p->views[0].state}, &e),
		ERR_STATE);
	arena_free(&p->a);
	free(p);
}

static void others_hear_of_what_they_see(void **state)
{
	store_play(state, play_sight);
}

static int years_pass(struct db *db, void *arg, struct err *e)
{
	(void)arg;
	return db_exec(db, "UPDATE account SET modseq = modseq + 2000000", e);
}

/* What lies very far back is forgotten, and so said. */
static void play_history(struct store_fixture *f)
{
	struct play *p = calloc(1, sizeof(*p));
	struct mailbox_expunge_op op = {0};
	struct email_states states;
	struct email_changes c = {0};
	struct err e = {0};

	begin(p, f);
	p->a = arena_new();
	for (int i = 0; i < 20; i++)
		put_letter(p);
	op.mailbox_id = p->boxes[1];
	assert_ok(email_states(f->s, p->account, &states, &e), &e);
	assert_ok(mailbox_expunge_ranges(f->s, &op, &e), &e);
	assert_true(op.expunged > 0);
	c.since = states.email;
	assert_ok(email_changes(f->s, p->a, &p->eyes, &c, &e), &e);
	assert_int_equal(c.count, op.expunged);
	assert_ok(store_write(f->s, "test", years_pass, NULL, &e), &e);
	put_letter(p);
	ASSERT_ERR(email_changes(f->s, p->a, &p->eyes, &c, &e), ERR_STATE);
	assert_ok(email_states(f->s, p->account, &states, &e), &e);
	c.since = states.email;
	assert_ok(email_changes(f->s, p->a, &p->eyes, &c, &e), &e);
	assert_int_equal(c.count, 0);
	know_all(p);
	assert_int_equal(p->count, 21 - op.expunged);
	arena_free(&p->a);
	free(p);
}

static void old_changes_are_forgotten(void **state)
{
	store_play(state, play_history);
}

static void play_end(struct store_fixture *f)
{
	struct play *p = calloc(1, sizeof(*p));
	struct buf b;
	uint64_t wrong;
	struct err e = {0};

	p->seed = 3;
	begin(p, f);
	p->a = arena_new();
	for (int i = 0; i < 200; i++)
		step(p);
	know_all(p);
	assert_true(p->count > 0);
	assert_ok(account_purge(f->s, p->account, &e), &e);
	buf_init(&b, 4096);
	assert_ok(email_check_blocking(f->s, &b, &wrong, &e), &e);
	assert_int_equal(wrong, 0);
	assert_int_equal(findings(f), 0);
	buf_fini(&b);
	arena_free(&p->a);
	free(p);
}

static void nothing_is_left_of_an_account(void **state)
{
	store_play(state, play_end);
}

/* ---- texts ---- */

static const char *const letters[] = {
	"From: Ana Lopez <ana@example.net>\r\nTo: Bob <bob@example.org>\r\n"
	"Subject: The budget of June\r\nMessage-ID: <a1@x>\r\nList-Id: <money.example.net>\r\n\r\n"
	"Please find the numbers for the summer plan.\r\n",
	"From: Carl <carl@example.com>\r\nSubject: Re: plans\r\nMessage-ID: <a2@x>\r\n"
	"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nThe plan of the summer house.\r\n"
	"--b\r\nContent-Type: application/pdf; name=\"house.pdf\"\r\n"
	"Content-Disposition: attachment; filename=\"house.pdf\"\r\n\r\nxxxx\r\n--b\r\n"
	"Content-Type: text/csv; charset=utf-8\r\n"
	"Content-Disposition: attachment; filename*=utf-8''%E6%8A%A5%E5%91%8A.csv\r\n\r\n1;2\r\n--b--\r\n",
	"From: Dora <dora@example.net>\r\nSubject: =?utf-8?B?6aKE566X?=\r\nMessage-ID: <a3@x>\r\n"
	"Content-Type: text/html; charset=utf-8\r\n\r\n"
	"<p>\xe4\xbb\x8a\xe5\xb9\xb4\xe7\x9a\x84\xe9\xa2\x84\xe7\xae\x97 &lt;b&gt; Budget</p>\r\n",
};

static const struct {
	enum email_filter_op op;
	const char *text, *name;
	unsigned want; /* bits of letters */
} texts[] = {
	{EMAIL_TEXT, "budget", NULL, 1 | 4},
	{EMAIL_TEXT, "summer plan", NULL, 1 | 2},
	{EMAIL_TEXT, "\"summer plan\"", NULL, 1},
	{EMAIL_TEXT, "'summer house' plan", NULL, 2},
	{EMAIL_SUBJECT, "budget", NULL, 1},
	{EMAIL_SUBJECT, "plan", NULL, 2},
	{EMAIL_SUBJECT, "\xe9\xa2\x84\xe7\xae\x97", NULL, 4},
	{EMAIL_BODY, "\xe9\xa2\x84\xe7\xae\x97", NULL, 4},
	{EMAIL_FROM, "ana", NULL, 1},
	{EMAIL_FROM, "example.net", NULL, 1 | 4},
	{EMAIL_TO, "bob", NULL, 1},
	{EMAIL_BODY, "budget", NULL, 4},
	{EMAIL_TEXT, "", NULL, 7},
	{EMAIL_TEXT, "nothing-has-this", NULL, 0},
	{EMAIL_HEADER, "money", "List-Id", 1},
	{EMAIL_HEADER, NULL, "List-Id", 1},
	{EMAIL_HEADER, "other", "List-Id", 0},
	{EMAIL_ATTACHMENT_NAME, "house.pdf", NULL, 2},
	{EMAIL_ATTACHMENT_NAME, "plan", NULL, 0},
	{EMAIL_ATTACHMENT_NAME, "\xe6\x8a\xa5\xe5\x91\x8a", NULL, 2}, /* decoded */
	{EMAIL_ATTACHMENT_NAME, ".PDF", NULL, 2},
	/* what stands around a name is none */
	{EMAIL_ATTACHMENT_NAME, "filename", NULL, 0},
	{EMAIL_ATTACHMENT_NAME, "utf-8", NULL, 0},
	{EMAIL_ATTACHMENT_NAME, "attachment", NULL, 0},
	{EMAIL_ATTACHMENT_TYPE, "pdf", NULL, 2},
	{EMAIL_ATTACHMENT_TYPE, "text/csv", NULL, 2},
	/* a text is no attachment, nor is a name a type */
	{EMAIL_ATTACHMENT_TYPE, "text/html", NULL, 0},
	{EMAIL_ATTACHMENT_TYPE, "house", NULL, 0},
	{EMAIL_ATTACHMENT_TYPE, "multipart", NULL, 0},
	{EMAIL_LIST_ID, "money.example.net", NULL, 1},
	{EMAIL_MESSAGE_ID, "a2@x", NULL, 2},
};

static void play_texts(struct store_fixture *f)
{
	struct box box = make_box(f, "alice");
	struct email_eyes eyes = {.account_id = box.account_id, .is_all = true};
	uint64_t ids[ARRAY_LEN(letters)];
	struct err e = {0};

	for (size_t i = 0; i < ARRAY_LEN(letters); i++) {
		struct mailbox_msg msg;

		deliver(f, box, letters[i]);
		assert_ok(mailbox_message(f->s, f->a, box.id, (uint32_t)i + 1, &msg, &e), &e);
		ids[i] = msg.email_id;
	}
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct email_filter filter = {.op = texts[i].op,
			.text = texts[i].text ? span_str(texts[i].text) : SPAN_NONE,
			.name = texts[i].name ? span_str(texts[i].name) : SPAN_NONE,
			.has_text = texts[i].text != NULL};
		struct email_query q = {.filter = &filter, .limit = 10};
		unsigned got = 0;

		assert_ok(email_query(f->s, f->a, &eyes, &q, &e), &e);
		for (size_t k = 0; k < q.count; k++)
			for (size_t n = 0; n < ARRAY_LEN(letters); n++)
				if (ids[n] == q.ids[k])
					got |= 1U << n;
		if (got != texts[i].want)
			fail_msg("'%s': found %u, not %u", texts[i].text, got, texts[i].want);
	}
}

static void texts_are_asked_of_search(void **state)
{
	store_play(state, play_texts);
}

static void play_snippets(struct store_fixture *f)
{
	struct box box = make_box(f, "alice");
	struct email_eyes eyes = {.account_id = box.account_id, .is_all = true};
	struct email_filter filter = {
		.op = EMAIL_TEXT, .text = SPAN("budget summer"), .has_text = true};
	struct email_snippet list[4];
	struct mailbox_msg msg;
	uint64_t ids[4] = {0, 0, 0, 12345};
	struct err e = {0};

	for (size_t i = 0; i < ARRAY_LEN(letters); i++) {
		deliver(f, box, letters[i]);
		assert_ok(mailbox_message(f->s, f->a, box.id, (uint32_t)i + 1, &msg, &e), &e);
		ids[i] = msg.email_id;
	}
	assert_ok(email_snippets(f->s, f->a, &eyes, &filter, ids, 4, list, &e), &e);
	assert_true(list[0].is_there && list[1].is_there && list[2].is_there);
	assert_false(list[3].is_there);
	assert_span(list[0].subject, "The <mark>budget</mark> of June");
	assert_span(list[0].preview, "Please find the numbers for the <mark>summer</mark> plan. ");
	assert_null(list[1].subject.ptr);
	assert_span(list[1].preview, "The plan of the <mark>summer</mark> house. 1;2");
	assert_true(span_find_span(list[2].preview, SPAN("&lt;b&gt; <mark>Budget</mark>")) >= 0);
	assert_true(list[2].preview.len <= 255);
}

static void snippets_mark_what_was_looked_for(void **state)
{
	store_play(state, play_snippets);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, store_set_up, store_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {CASE(any_query_is_the_naive_one),
		CASE(others_see_their_mailboxes_only), CASE(others_hear_of_what_they_see),
		CASE(old_changes_are_forgotten), CASE(nothing_is_left_of_an_account),
		CASE(texts_are_asked_of_search), CASE(snippets_mark_what_was_looked_for)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
