/* The index of Emails against a naive model: deliveries, flags, copies, moves, expunges, undeletes, mailboxes that
 * come, go and are renamed, in any order. After each step the index is what a recount of all rows says, and what
 * clients fold together from changes is what a fresh look gives. */

#include "mailbox_box.h"

#include "store/email.h"
#include "store/object.h"

#define BOXES   5
#define EMAILS  1500
#define CLIENTS 3
#define DAYS    40

struct naive_email {
	uint64_t id, thread;
	int64_t received_ns;
	unsigned flags, all; /* any; all of them */
	unsigned boxes;      /* bits of model.boxes */
	unsigned words;
	size_t rows;
};

struct naive {
	struct naive_email list[EMAILS];
	size_t count;
};

struct known { /* what a client knows of one Email */
	uint64_t id, thread;
	unsigned flags, boxes, words;
};

struct client {
	uint64_t email_state, thread_state, mailbox_state;
	struct known list[EMAILS];
	size_t count;
	uint64_t threads[EMAILS];
	size_t thread_count;
	uint64_t mailboxes[BOXES * 8];
	struct email_counts counts[BOXES * 8];
	size_t mailbox_count;
};

struct model {
	struct store_fixture *f;
	struct arena *a; /* of one step */
	uint64_t seed, account;
	uint64_t boxes[BOXES]; /* [0] is INBOX; 0: not there */
	unsigned names, letters;
	struct naive n;
	struct client clients[CLIENTS];
	/* room for work */
	const struct naive_email *sorted[EMAILS];
	uint64_t ids[EMAILS], threads[EMAILS];
};

static uint32_t roll(struct model *m, uint32_t sides)
{
	m->seed = m->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(m->seed >> 33) % sides;
}

static const char *const words[] = {"$forwarded", "later", "work"};

static unsigned words_of(struct span text)
{
	unsigned bits = 0;
	struct span one;

	while (text.len) {
		span_cut(text, ' ', &one, &text);
		for (size_t i = 0; i < ARRAY_LEN(words); i++)
			if (span_eq_nocase(one, span_str(words[i])))
				bits |= 1U << i;
	}
	return bits;
}

/* ---- what may happen ---- */

static size_t any_box(struct model *m)
{
	size_t i;

	do {
		i = roll(m, BOXES);
	} while (!m->boxes[i]);
	return i;
}

static void put_letter(struct model *m)
{
	unsigned n = ++m->letters, to = n > 3 ? n - roll(m, 3) - 1 : 0;
	struct mailbox_append_item item = {.stage = stage_new(m->f->s),
		.flags = roll(m, 3) ? 0 : roll(m, 32) & ~8U,
		.received_ns = (int64_t)roll(m, DAYS) * CLOCK_DAY - 3 * CLOCK_DAY +
			(int64_t)roll(m, 4) * 1000};
	struct mailbox_append op = {.mailbox_id = m->boxes[any_box(m)], .items = &item, .count = 1};
	const char *about = roll(m, 6) == 0
		? ""
		: arena_printf(m->a, "Message-ID: <%u@x>\r\n%s", n,
			  to && roll(m, 2) ? arena_printf(m->a, "References: <%u@x>\r\n", to) : "");
	struct err e = {0};

	assert_ok(stage_put(item.stage,
			  span_str(arena_printf(m->a, "Subject: s\r\n%s\r\ntext %u\r\n", about, n)),
			  &e),
		&e);
	assert_ok(mailbox_append(m->f->s, &op, &e), &e);
}

static void choose(struct model *m, struct uid_range *r)
{
	uint32_t at = 1 + roll(m, 30);

	for (size_t i = 0; i < 3; i++) {
		r[i].first = at + roll(m, 20);
		r[i].last = r[i].first + roll(m, 4);
		at = r[i].last + 1;
	}
}

static void do_flags(struct model *m)
{
	struct span list[2] = {span_str(words[roll(m, 3)]), span_str(words[roll(m, 3)])};
	struct uid_range ranges[3];
	struct mailbox_store op = {.mailbox_id = m->boxes[any_box(m)],
		.ranges = ranges,
		.range_count = 3,
		.how = (enum mailbox_flag_how)roll(m, 3),
		.flags = roll(m, 4) ? roll(m, 32) & ~8U : roll(m, 32),
		.keywords = list,
		.keyword_count = roll(m, 3),
		.arena = m->a};
	struct err e = {0};

	choose(m, ranges);
	assert_ok(mailbox_store_flags(m->f->s, &op, &e), &e);
}

static void do_copy(struct model *m)
{
	struct uid_range ranges[3];
	struct mailbox_copy op = {.from_id = m->boxes[any_box(m)],
		.to_id = m->boxes[any_box(m)],
		.ranges = ranges,
		.range_count = 3,
		.is_move = roll(m, 3) != 0,
		.arena = m->a};
	struct err e = {0};

	choose(m, ranges);
	assert_ok(mailbox_copy(m->f->s, &op, &e), &e);
}

static void do_expunge(struct model *m)
{
	struct uid_range ranges[3];
	struct mailbox_expunge_op op = {.mailbox_id = m->boxes[any_box(m)],
		.ranges = ranges,
		.range_count = 3,
		.is_deleted_only = roll(m, 2),
		.keep_until_ns = roll(m, 2) ? UINT64_MAX : 0};
	struct err e = {0};

	choose(m, ranges);
	assert_ok(mailbox_expunge_ranges(m->f->s, &op, &e), &e);
}

static void do_undelete(struct model *m)
{
	struct mailbox_gone_cursor cursor = {0};
	struct mailbox_gone *list;
	struct err e = {0};
	size_t count;

	assert_ok(mailbox_gone_list(
			  m->f->s, m->a, m->account, SPAN(""), 0, &cursor, &list, &count, &e),
		&e);
	if (count)
		assert_ok(mailbox_undelete(m->f->s, m->account,
				  list[roll(m, (uint32_t)count)].msg.id, SPAN("INBOX"), &e),
			&e);
}

static void do_boxes(struct model *m)
{
	size_t i = 1 + roll(m, BOXES - 1);
	struct err e = {0};

	if (!m->boxes[i]) {
		assert_ok(mailbox_create(m->f->s, m->account,
				  span_str(arena_printf(m->a, "box%u", ++m->names)), SPAN(""),
				  &m->boxes[i], &e),
			&e);
	} else if (roll(m, 2)) {
		assert_ok(mailbox_rename(m->f->s, m->boxes[i],
				  span_str(arena_printf(m->a, "box%u", ++m->names)), &e),
			&e);
	} else {
		assert_ok(mailbox_delete(m->f->s, m->boxes[i], &e), &e);
		m->boxes[i] = 0;
	}
}

APART static void step(struct model *m)
{
	uint32_t what = roll(m, 100);

	if (what < 30)
		put_letter(m);
	else if (what < 55)
		do_flags(m);
	else if (what < 75)
		do_copy(m);
	else if (what < 87)
		do_expunge(m);
	else if (what < 93)
		do_undelete(m);
	else
		do_boxes(m);
}

/* ---- the naive recount ---- */

static struct naive_email *naive_find(struct naive *n, uint64_t id)
{
	for (size_t i = 0; i < n->count; i++)
		if (n->list[i].id == id)
			return &n->list[i];
	return NULL;
}

static void recount_box(struct model *m, size_t box)
{
	uint32_t after = 0;
	size_t count;

	do {
		struct mailbox_msg *list;
		struct err e = {0};

		assert_ok(mailbox_list(m->f->s, m->a, m->boxes[box], after, 0, &list, &count, &e),
			&e);
		for (size_t i = 0; i < count; i++) {
			const struct mailbox_msg *x = &list[i];
			struct naive_email *y = naive_find(&m->n, x->email_id);

			after = x->uid;
			if (x->flags & MAILBOX_DELETED)
				continue;
			if (!y) {
				assert_true(m->n.count < EMAILS);
				y = &m->n.list[m->n.count++];
				*y = (struct naive_email){.id = x->email_id,
					.thread = x->thread_id,
					.received_ns = x->received_ns,
					.all = MAILBOX_FLAGS_ALL};
			}
			assert_int_equal(y->thread, x->thread_id);
			assert_int_equal(y->received_ns, x->received_ns);
			y->flags |= x->flags;
			y->all &= x->flags;
			y->words |= words_of(x->keywords);
			y->boxes |= 1U << box;
			y->rows++;
		}
	} while (count);
}

static int by_id(const void *a, const void *b)
{
	const struct naive_email *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

APART static void recount(struct model *m)
{
	struct err e = {0};

	assert_ok(email_catch_up(m->f->s, m->account, &e), &e); /* threads are assigned */
	m->n.count = 0;
	for (size_t i = 0; i < BOXES; i++)
		if (m->boxes[i])
			recount_box(m, i);
	for (size_t i = 0; i < m->n.count; i++)
		m->n.list[i].flags = (m->n.list[i].flags & ~(unsigned)MAILBOX_SEEN) |
			(m->n.list[i].all & MAILBOX_SEEN);
	if (m->n.count)
		qsort(m->n.list, m->n.count, sizeof(*m->n.list), by_id);
}

/* ---- lists ---- */

static bool is_before(const struct naive_email *a, const struct naive_email *b, bool is_ascending)
{
	bool is_less = a->received_ns < b->received_ns ||
		(a->received_ns == b->received_ns && a->id < b->id);

	return is_ascending ? is_less : !is_less && a != b;
}

/* The list of a mailbox, slowly. */
static size_t naive_list(
	struct model *m, size_t box, bool is_ascending, bool collapses, uint64_t *ids)
{
	const struct naive_email **sorted = m->sorted;
	size_t count = 0, n = 0;

	for (size_t i = 0; i < m->n.count; i++) {
		const struct naive_email *x = &m->n.list[i];
		size_t at = count;

		if (!(x->boxes & 1U << box))
			continue;
		for (; at && is_before(x, sorted[at - 1], is_ascending); at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = x;
		count++;
	}
	for (size_t i = 0; i < count; i++) {
		bool is_known = false;

		for (size_t k = 0; k < n && collapses; k++)
			is_known = is_known || m->threads[k] == sorted[i]->thread;
		if (is_known)
			continue;
		m->threads[n] = sorted[i]->thread;
		ids[n++] = sorted[i]->id;
	}
	return n;
}

APART static void check_list(struct model *m, const struct email_eyes *eyes, size_t box)
{
	bool is_ascending = roll(m, 2), collapses = roll(m, 2);
	struct email_filter filter = {.op = EMAIL_IN_MAILBOX, .id = m->boxes[box]};
	struct email_sort sort = {.key = EMAIL_SORT_RECEIVED, .is_descending = !is_ascending};
	struct email_query q = {.filter = &filter,
		.sort = &sort,
		.sort_count = is_ascending || roll(m, 2),
		.collapses = collapses,
		.limit = 1 + roll(m, 20),
		.wants_total = true};
	uint64_t *ids = m->ids, at;
	size_t count = naive_list(m, box, is_ascending, collapses, ids);
	struct err e = {0};

	q.position = (int64_t)roll(m, (uint32_t)count + 2) - (roll(m, 3) ? 0 : (int64_t)count / 2);
	at = q.position >= 0                    ? (uint64_t)q.position
		: (uint64_t)-q.position > count ? 0
						: count - (uint64_t)-q.position;
	if (count && roll(m, 3) == 0) {
		at = roll(m, (uint32_t)count);
		q.anchor = ids[at];
		q.anchor_offset = (int64_t)roll(m, 5) - 2;
		at = q.anchor_offset < 0 && (uint64_t)-q.anchor_offset > at
			? 0
			: at + (uint64_t)q.anchor_offset;
	}
	assert_ok(email_query(m->f->s, m->a, eyes, &q, &e), &e);
	assert_false(q.is_anchor_missing);
	assert_int_equal(q.total, count);
	assert_int_equal(q.at, at);
	assert_int_equal(q.count, at >= count ? 0 : count - at < q.limit ? count - at : q.limit);
	for (size_t i = 0; i < q.count; i++)
		assert_int_equal(q.ids[i], ids[at + i]);
}

/* ---- counters ---- */

static struct email_counts naive_counts(struct model *m, size_t box)
{
	struct email_counts c = {.mailbox_id = m->boxes[box]};
	uint64_t *ids = m->ids;

	c.threads = naive_list(m, box, false, true, ids);
	for (size_t i = 0; i < c.threads; i++) {
		uint64_t thread = naive_find(&m->n, ids[i])->thread;
		bool is_unread = false;

		for (size_t k = 0; k < m->n.count; k++)
			is_unread = is_unread ||
				(m->n.list[k].thread == thread &&
					!(m->n.list[k].flags & (MAILBOX_SEEN | MAILBOX_DRAFT)));
		c.unread_threads += is_unread;
	}
	for (size_t i = 0; i < m->n.count; i++) {
		if (!(m->n.list[i].boxes & 1U << box))
			continue;
		c.emails++;
		c.unread += !(m->n.list[i].flags & (MAILBOX_SEEN | MAILBOX_DRAFT));
	}
	return c;
}

static void assert_counts(struct model *m, size_t box, const struct email_counts *got)
{
	struct email_counts want = naive_counts(m, box);

	assert_int_equal(got->emails, want.emails);
	assert_int_equal(got->unread, want.unread);
	assert_int_equal(got->threads, want.threads);
	assert_int_equal(got->unread_threads, want.unread_threads);
}

/* ---- clients ---- */

static unsigned boxes_of(struct model *m, const struct email *x)
{
	unsigned bits = 0;

	for (size_t i = 0; i < x->row_count; i++)
		for (size_t k = 0; k < BOXES; k++)
			if (m->boxes[k] == x->rows[i].mailbox_id)
				bits |= 1U << k;
	return bits;
}

static size_t known_at(const struct client *c, uint64_t id)
{
	size_t i = 0;

	while (i < c->count && c->list[i].id != id)
		i++;
	return i;
}

static void client_drop(struct client *c, uint64_t id)
{
	size_t i = known_at(c, id);

	if (i < c->count)
		c->list[i] = c->list[--c->count];
}

static void client_fetch(
	struct model *m, const struct email_eyes *eyes, struct client *c, uint64_t id)
{
	size_t i = known_at(c, id);
	struct email x;
	struct err e = {0};

	assert_ok(email_get(m->f->s, m->a, eyes, &id, 1, MAILBOX_WANT_ROW, &x, NULL, &e), &e);
	if (!x.row_count) {
		client_drop(c, id);
		return;
	}
	assert_true(i < EMAILS);
	c->list[i] = (struct known){
		id, x.thread_id, x.flags, boxes_of(m, &x), words_of(x.keywords)};
	c->count += i == c->count;
}

static void fold_emails(struct model *m, const struct email_eyes *eyes, struct client *c)
{
	struct email_changes x = {.since = c->email_state, .max = roll(m, 3) ? 0 : 40};
	struct email_states states;
	struct err e = {0};

	do {
		x.since = c->email_state;
		if (email_changes(m->f->s, m->a, eyes, &x, &e) < 0 && x.max) {
			assert_string_equal(err_code_str(e.code), err_code_str(ERR_STATE));
			x.max = 0; /* more of one MODSEQ than that */
			x.is_more = true;
			continue;
		}
		for (size_t i = 0; i < x.count; i++) {
			if (x.list[i].how == EMAIL_DESTROYED)
				client_drop(c, x.list[i].id);
			else if (x.list[i].how == EMAIL_CREATED ||
				known_at(c, x.list[i].id) < c->count)
				client_fetch(m, eyes, c, x.list[i].id);
		}
		c->email_state = x.upto;
	} while (x.is_more);
	assert_ok(email_states(m->f->s, eyes->account_id, &states, &e), &e);
	assert_int_equal(c->email_state, states.email);
}

static void fold_threads(struct model *m, const struct email_eyes *eyes, struct client *c)
{
	struct email_changes x = {.since = c->thread_state};
	struct err e = {0};

	do {
		x.since = c->thread_state;
		assert_ok(email_thread_changes(m->f->s, m->a, eyes, &x, &e), &e);
		for (size_t i = 0; i < x.count; i++) {
			size_t k = 0;

			while (k < c->thread_count && c->threads[k] != x.list[i].id)
				k++;
			if (x.list[i].how == EMAIL_DESTROYED && k < c->thread_count)
				c->threads[k] = c->threads[--c->thread_count];
			if (x.list[i].how == EMAIL_CREATED && k == c->thread_count)
				c->threads[c->thread_count++] = x.list[i].id;
		}
		c->thread_state = x.upto;
	} while (x.is_more);
}

static void fold_mailboxes(struct model *m, const struct email_eyes *eyes, struct client *c)
{
	struct email_changes x = {.since = c->mailbox_state};
	struct err e = {0};

	assert_ok(email_mailbox_changes(m->f->s, m->a, eyes, &x, &e), &e);
	for (size_t i = 0; i < x.count; i++) {
		size_t k = 0;

		while (k < c->mailbox_count && c->mailboxes[k] != x.list[i].id)
			k++;
		if (x.list[i].how == EMAIL_DESTROYED) {
			assert_true(k < c->mailbox_count);
			c->mailbox_count--;
			c->mailboxes[k] = c->mailboxes[c->mailbox_count];
			c->counts[k] = c->counts[c->mailbox_count];
			continue;
		}
		assert_true(k < c->mailbox_count || x.list[i].how == EMAIL_CREATED);
		c->mailboxes[k] = x.list[i].id;
		assert_ok(email_counts(
				  m->f->s, m->a, eyes, &x.list[i].id, 1, &c->counts[k], NULL, &e),
			&e);
		c->mailbox_count += k == c->mailbox_count;
	}
	c->mailbox_state = x.upto;
}

APART static void client_begin(struct model *m, const struct email_eyes *eyes, struct client *c)
{
	struct email_states states;
	struct mailbox_info *list;
	struct err e = {0};

	memset(c, 0, sizeof(*c));
	assert_ok(email_states(m->f->s, eyes->account_id, &states, &e), &e);
	c->email_state = states.email;
	c->thread_state = states.thread;
	c->mailbox_state = states.mailbox;
	for (size_t i = 0; i < m->n.count; i++)
		client_fetch(m, eyes, c, m->n.list[i].id);
	for (size_t i = 0; i < m->n.count; i++) {
		size_t k = 0;

		while (k < c->thread_count && c->threads[k] != m->n.list[i].thread)
			k++;
		c->threads[k] = m->n.list[i].thread;
		c->thread_count += k == c->thread_count;
	}
	assert_ok(mailbox_folders(m->f->s, m->a, m->account, &list, &c->mailbox_count, &e), &e);
	for (size_t i = 0; i < c->mailbox_count; i++) {
		c->mailboxes[i] = list[i].id;
		assert_ok(
			email_counts(m->f->s, m->a, eyes, &list[i].id, 1, &c->counts[i], NULL, &e),
			&e);
	}
}

APART static void check_client(struct model *m, const struct client *c)
{
	size_t threads = 0;

	assert_int_equal(c->count, m->n.count);
	for (size_t i = 0; i < m->n.count; i++) {
		const struct naive_email *x = &m->n.list[i];
		const struct known *k = &c->list[known_at(c, x->id)];
		size_t t = 0;

		assert_true(known_at(c, x->id) < c->count);
		assert_int_equal(k->flags, x->flags);
		assert_int_equal(k->boxes, x->boxes);
		assert_int_equal(k->words, x->words);
		assert_int_equal(k->thread, x->thread);
		while (t < c->thread_count && c->threads[t] != x->thread)
			t++;
		assert_true(t < c->thread_count);
		for (t = 0; m->n.list[t].thread != x->thread; t++)
			;
		threads += t == i;
	}
	assert_int_equal(c->thread_count, threads);
	for (size_t i = 0; i < BOXES; i++) {
		size_t k = 0;

		if (!m->boxes[i])
			continue;
		while (k < c->mailbox_count && c->mailboxes[k] != m->boxes[i])
			k++;
		assert_true(k < c->mailbox_count);
		assert_counts(m, i, &c->counts[k]);
	}
}

/* ---- the play ---- */

APART static void check_index(struct model *m)
{
	struct buf b;
	uint64_t wrong;
	struct err e = {0};

	buf_init(&b, 64 * 1024);
	assert_ok(email_check_blocking(m->f->s, &b, &wrong, &e), &e);
	if (wrong)
		fail_msg("%s", buf_cstr(&b));
	buf_fini(&b);
}

APART static void meet_client(struct model *m, const struct email_eyes *eyes, struct client *c)
{
	struct email_changes x = {.since = c->email_state}, y = {.since = c->thread_state},
			     z = {.since = c->mailbox_state};
	struct err e = {0};

	if (!c->mailbox_count || roll(m, 40) == 0 ||
		email_changes(m->f->s, m->a, eyes, &x, &e) < 0 ||
		email_thread_changes(m->f->s, m->a, eyes, &y, &e) < 0 ||
		email_mailbox_changes(m->f->s, m->a, eyes, &z, &e) < 0) {
		client_begin(m, eyes, c); /* a new one, or the index was made anew */
		return;
	}
	fold_emails(m, eyes, c);
	fold_threads(m, eyes, c);
	fold_mailboxes(m, eyes, c);
}

static void play_model(struct store_fixture *f)
{
	struct box box = make_box(f, "alice");
	struct model *m = calloc(1, sizeof(*m));
	struct email_eyes eyes = {.account_id = box.account_id, .is_all = true};
	const char *seed = getenv("EMAIL_SEED");

	m->f = f;
	m->seed = seed ? strtoull(seed, NULL, 10) : 11;
	m->account = box.account_id;
	m->boxes[0] = box.id;
	for (int i = 0; i < 250; i++) {
		size_t who = roll(m, CLIENTS);

		m->a = arena_new();
		for (uint32_t n = roll(m, 6); n; n--)
			step(m);
		if (roll(m, 60) == 0)
			assert_ok(email_rebuild(f->s, m->account, NULL), &(struct err){0});
		recount(m);
		check_index(m);
		for (size_t k = 0; k < BOXES; k++)
			if (m->boxes[k])
				check_list(m, &eyes, k);
		meet_client(m, &eyes, &m->clients[who]);
		check_client(m, &m->clients[who]);
		arena_free(&m->a);
	}
	assert_int_equal(findings(f), 0);
	free(m);
}

static void index_is_what_a_recount_says(void **state)
{
	store_play(state, play_model);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, store_set_up, store_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {CASE(index_is_what_a_recount_says)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
