/* Mailboxes against a model in memory: deliveries, flags, keywords, copies, moves and expunges in any order;
 * at every moment rows, counters and what sessions fold together are the model's. */

#include "mailbox_box.h"

#include "base/clock.h"

#define BOXES    4
#define UIDS     4000
#define WORDS    4
#define SESSIONS 3

static const char *const words[WORDS] = {"$Forwarded", "Important", "junk", "Later"};

struct model_msg {
	bool is_there;
	unsigned flags, words;
	uint64_t email;
};

struct model_box {
	struct box box;
	struct model_msg msgs[UIDS];
	uint32_t uidnext;
};

/* What a client knows that was told of all changes up to a MODSEQ. */
struct session {
	size_t at;
	uint64_t modseq;
	struct model_msg msgs[UIDS];
};

struct model {
	struct store_fixture *f;
	uint64_t seed;
	struct model_box boxes[BOXES];
	struct session sessions[SESSIONS];
};

static uint32_t roll(struct model *m, uint32_t sides)
{
	m->seed = m->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(m->seed >> 33) % sides;
}

/* ---- random choices ---- */

struct choice {
	struct uid_range ranges[6];
	size_t count;
};

static bool is_chosen(const struct choice *c, uint32_t uid)
{
	for (size_t i = 0; i < c->count; i++)
		if (uid >= c->ranges[i].first && uid <= c->ranges[i].last)
			return true;
	return false;
}

static void choose(struct model *m, const struct model_box *b, struct choice *c)
{
	uint32_t at = 1;

	c->count = 0;
	while (c->count < 6 && at < b->uidnext + 5 && (!c->count || roll(m, 4))) {
		at += roll(m, b->uidnext / 3 + 2);
		c->ranges[c->count].first = at;
		at += roll(m, 3) ? roll(m, 3) : roll(m, 40);
		c->ranges[c->count++].last = at;
		at++;
	}
}

static unsigned words_of(struct span text)
{
	unsigned bits = 0;
	struct span one;

	while (text.len) {
		size_t i = 0;

		span_cut(text, ' ', &one, &text);
		while (i < WORDS && !span_eq(one, span_str(words[i])))
			i++;
		assert_true(i < WORDS);
		assert_false(bits & 1U << i);
		bits |= 1U << i;
	}
	return bits;
}

/* ---- what may happen ---- */

static void do_deliver(struct model *m)
{
	struct model_box *b = &m->boxes[roll(m, 2) * 3]; /* the INBOX of each account */
	struct mailbox_msg msg;
	struct err e = {0};

	for (uint32_t n = 1 + roll(m, 3); n; n--) {
		deliver(m->f, b->box, roll(m, 2) ? "Subject: x\r\n\r\ntext\r\n" : "y\r\n");
		assert_ok(mailbox_message(m->f->s, m->f->a, b->box.id, b->uidnext, &msg, &e), &e);
		b->msgs[b->uidnext++] = (struct model_msg){.is_there = true, .email = msg.email_id};
	}
}

static void do_store(struct model *m)
{
	struct model_box *b = &m->boxes[roll(m, BOXES)];
	static const char *const shouted[WORDS] = {"$FORWARDED", "important", "JUNK", "later"};
	struct span list[2];
	struct choice c;
	struct mailbox_store op = {.mailbox_id = b->box.id,
		.arena = m->f->a,
		.how = (enum mailbox_flag_how)roll(m, 3),
		.flags = roll(m, 32),
		.flags_mask = roll(m, 2) ? 0 : roll(m, 31) + 1,
		.keywords = list,
		.wants_all = roll(m, 2)};
	unsigned bits = 0, mask = op.flags_mask ? op.flags_mask : MAILBOX_FLAGS_ALL;
	struct err e = {0};
	size_t told = 0;

	for (op.keyword_count = 0; op.keyword_count < roll(m, 3); op.keyword_count++) {
		uint32_t i = roll(m, WORDS);

		/* spelt first as it stands above */
		list[op.keyword_count] = span_str(
			b->msgs[0].words & 1U << i ? shouted[i] : words[i]);
		bits |= 1U << i;
	}
	if (op.how != MAILBOX_FLAGS_REMOVE && (mask & MAILBOX_FLAGGED))
		b->msgs[0].words |= bits;
	choose(m, b, &c);
	op.ranges = c.ranges;
	op.range_count = c.count;
	op.has_unchanged_since = roll(m, 4) == 0;
	op.unchanged_since = info_by_id(m->f, b->box.id).highest_modseq - roll(m, 3);
	assert_ok(mailbox_store_flags(m->f->s, &op, &e), &e);
	for (size_t i = 0; i < op.modified_count; i++)
		assert_true(op.has_unchanged_since);
	for (uint32_t uid = 1; uid < b->uidnext; uid++) {
		struct model_msg *x = &b->msgs[uid];
		bool is_modified = false;
		unsigned flags = x->flags, was = x->words;

		for (size_t i = 0; i < op.modified_count; i++)
			is_modified = is_modified ||
				(uid >= op.modified[i].first && uid <= op.modified[i].last);
		if (is_modified)
			assert_true(x->is_there && is_chosen(&c, uid));
		if (!x->is_there || !is_chosen(&c, uid) || is_modified)
			continue;
		if (op.how != MAILBOX_FLAGS_ADD)
			x->flags &= ~(op.how == MAILBOX_FLAGS_REMOVE ? op.flags & mask : mask);
		if (op.how != MAILBOX_FLAGS_REMOVE)
			x->flags |= op.flags & mask;
		if (mask & MAILBOX_FLAGGED)
			x->words = op.how == MAILBOX_FLAGS_ADD   ? x->words | bits
				: op.how == MAILBOX_FLAGS_REMOVE ? x->words & ~bits
								 : bits;
		if (!op.wants_all && flags == x->flags && was == x->words)
			continue;
		while (told < op.changed_count && op.changed[told].uid < uid)
			told++; /* keywords in another order */
		assert_true(told < op.changed_count);
		assert_int_equal(op.changed[told].uid, uid);
		assert_int_equal(op.changed[told].flags, x->flags);
		assert_int_equal(words_of(op.changed[told].keywords), x->words);
		told++;
	}
}

static void do_expunge(struct model *m)
{
	struct model_box *b = &m->boxes[roll(m, BOXES)];
	uint64_t gone = 0;
	struct choice c;
	struct mailbox_expunge_op op = {.mailbox_id = b->box.id,
		.is_deleted_only = roll(m, 4) != 0,
		.keep_until_ns = roll(m, 2) ? UINT64_MAX : 0};
	bool is_all = op.is_deleted_only && roll(m, 2);
	struct err e = {0};

	choose(m, b, &c);
	op.ranges = is_all ? NULL : c.ranges;
	op.range_count = c.count;
	assert_ok(mailbox_expunge_ranges(m->f->s, &op, &e), &e);
	for (uint32_t uid = 1; uid < b->uidnext; uid++) {
		struct model_msg *x = &b->msgs[uid];

		if (!x->is_there || (!is_all && !is_chosen(&c, uid)) ||
			(op.is_deleted_only && !(x->flags & MAILBOX_DELETED)))
			continue;
		x->is_there = false;
		gone++;
	}
	assert_int_equal(op.expunged, gone);
}

static void do_copy(struct model *m)
{
	struct model_box *from = &m->boxes[roll(m, BOXES)], *to = &m->boxes[roll(m, BOXES)];
	struct mailbox_copy op = {.from_id = from->box.id,
		.to_id = to->box.id,
		.is_move = roll(m, 2),
		.arena = m->f->a};
	uint32_t last = from->uidnext;
	struct choice c;
	struct err e = {0};
	size_t at = 0;

	choose(m, from, &c);
	op.ranges = c.ranges;
	op.range_count = c.count;
	assert_ok(mailbox_copy(m->f->s, &op, &e), &e);
	for (uint32_t uid = 1; uid < last; uid++) {
		struct model_msg was = from->msgs[uid];

		if (!was.is_there || !is_chosen(&c, uid))
			continue;
		assert_true(at < op.count);
		assert_int_equal(op.from_uids[at], uid);
		assert_int_equal(op.to_uids[at], to->uidnext);
		at++;
		if (op.is_move)
			from->msgs[uid].is_there = false;
		if (from->box.account_id != to->box.account_id)
			was.email = 0; /* another one */
		to->msgs[to->uidnext++] = was;
		to->msgs[0].words |= was.words;
	}
	assert_int_equal(at, op.count);
}

/* ---- what must hold ---- */

static void check_box(struct model *m, struct model_box *b)
{
	struct mailbox_info info = info_by_id(m->f, b->box.id);
	uint64_t messages = 0, unseen = 0, deleted = 0, octets = 0;
	struct mailbox_msg *list;
	struct err e = {0};
	uint32_t after = 0;
	size_t count;

	do {
		assert_ok(
			mailbox_list(m->f->s, m->f->a, b->box.id, after, 0, &list, &count, &e), &e);
		for (size_t i = 0; i < count; i++) {
			const struct model_msg *x = &b->msgs[list[i].uid];

			while (++after < list[i].uid)
				assert_false(b->msgs[after].is_there);
			assert_true(x->is_there);
			assert_int_equal(list[i].flags, x->flags);
			assert_int_equal(words_of(list[i].keywords), x->words);
			if (x->email)
				assert_int_equal(list[i].email_id, x->email);
			messages++;
			octets += list[i].size;
			unseen += !(x->flags & MAILBOX_SEEN);
			deleted += !!(x->flags & MAILBOX_DELETED);
		}
	} while (count);
	while (++after < b->uidnext)
		assert_false(b->msgs[after].is_there);
	assert_int_equal(info.messages, messages);
	assert_int_equal(info.unseen, unseen);
	assert_int_equal(info.deleted, deleted);
	assert_int_equal(info.octets, octets);
	assert_int_equal(info.uidnext, b->uidnext);
}

static void check_summary(struct model *m, struct model_box *b)
{
	uint32_t unseen, first = 0;
	struct span *list;
	struct err e = {0};
	unsigned bits = 0;
	size_t count;

	assert_ok(mailbox_summary(m->f->s, m->f->a, b->box.id, &list, &count, &unseen, &e), &e);
	for (uint32_t uid = b->uidnext; --uid > 0;)
		if (b->msgs[uid].is_there && !(b->msgs[uid].flags & MAILBOX_SEEN))
			first = uid;
	assert_int_equal(unseen, first);
	for (size_t i = 0; i < count; i++)
		bits |= words_of(list[i]);
	assert_int_equal(bits, b->msgs[0].words);
}

static void session_begin(struct model *m, struct session *s)
{
	s->at = roll(m, BOXES);
	s->modseq = info_by_id(m->f, m->boxes[s->at].box.id).highest_modseq;
	memcpy(s->msgs, m->boxes[s->at].msgs, sizeof(s->msgs));
}

static void session_fold(struct model *m, struct session *s)
{
	struct model_box *b = &m->boxes[s->at];
	struct mailbox_since since = {.modseq = s->modseq};
	struct mailbox_info info;
	bool is_more = true;
	struct err e = {0};

	while (is_more) {
		struct mailbox_change *list;
		size_t count;

		assert_ok(mailbox_changes(m->f->s, m->f->a, b->box.id, &since, 1 + roll(m, 9),
				  &info, &list, &count, &is_more, &e),
			&e);
		for (size_t i = 0; i < count; i++) {
			struct model_msg *x = &s->msgs[list[i].uid];

			x->is_there = !list[i].is_gone;
			x->flags = list[i].flags;
			x->words = list[i].is_gone ? 0 : words_of(list[i].keywords);
		}
	}
	for (uint32_t uid = 1; uid < b->uidnext; uid++) {
		assert_int_equal(s->msgs[uid].is_there, b->msgs[uid].is_there);
		if (!b->msgs[uid].is_there)
			continue;
		assert_int_equal(s->msgs[uid].flags, b->msgs[uid].flags);
		assert_int_equal(s->msgs[uid].words, b->msgs[uid].words);
	}
	s->modseq = info.highest_modseq;
}

static void check_open(struct model *m, struct model_box *b)
{
	struct mailbox_info info;
	struct uidset *u;
	struct err e = {0};

	assert_ok(mailbox_open(m->f->s, m->f->a, b->box.id, &info, &u, &e), &e);
	for (uint32_t uid = 1; uid < b->uidnext; uid++)
		assert_int_equal(uidset_seq(u, uid) != 0, b->msgs[uid].is_there);
	uidset_unref(&u);
}

static uint64_t add_box(struct model *m, uint64_t account_id, const char *name)
{
	uint64_t id = 0;
	struct err e = {0};

	assert_ok(mailbox_create(m->f->s, account_id, span_str(name), SPAN(""), &id, &e), &e);
	return id;
}

static void play_model(struct store_fixture *f)
{
	static void (*const deeds[])(struct model * m) = {
		do_deliver, do_deliver, do_store, do_store, do_expunge, do_copy};
	struct model *m = ARENA_NEW(f->a, struct model);
	struct arena *keep = f->a;

	m->f = f;
	m->seed = 20;
	m->boxes[0].box = make_box(f, "alice");
	m->boxes[3].box = make_box(f, "bob");
	for (size_t i = 1; i < 3; i++) {
		uint64_t account = m->boxes[0].box.account_id;

		m->boxes[i].box = (struct box){
			account, add_box(m, account, i == 1 ? "Notes" : "Notes/Old")};
	}
	for (size_t i = 0; i < BOXES; i++)
		m->boxes[i].uidnext = 1;
	for (size_t i = 0; i < SESSIONS; i++)
		session_begin(m, &m->sessions[i]);
	for (int step = 0; step < 250; step++) {
		size_t at = roll(m, BOXES);

		f->a = arena_new();
		deeds[roll(m, ARRAY_LEN(deeds))](m);
		check_box(m, &m->boxes[at]);
		if (step % 5 == 0) {
			check_summary(m, &m->boxes[at]);
			check_open(m, &m->boxes[at]);
			session_fold(m, &m->sessions[roll(m, SESSIONS)]);
		}
		if (step % 40 == 0)
			session_begin(m, &m->sessions[roll(m, SESSIONS)]);
		for (size_t i = 0; i < BOXES; i++)
			assert_true(m->boxes[i].uidnext < UIDS / 2);
		arena_free(&f->a);
	}
	f->a = keep;
	for (size_t i = 0; i < SESSIONS; i++)
		session_fold(m, &m->sessions[i]);
	assert_int_equal(findings(f), 0);
}

static void mailboxes_are_as_the_model_has_them(void **state)
{
	store_play(state, play_model);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, store_set_up, store_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(mailboxes_are_as_the_model_has_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
