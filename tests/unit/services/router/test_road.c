/* Catch-alls, forwards, lists, relay domains and their checks, routes by sender, logins, SRS, loops, and
 * what is told of all that. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "lib/scratch.h"
#include "run/loop.h"
#include "store/db/db.h"
#include "services/router/router.h"

struct fixture {
	struct arena *a;
	char dir[SCRATCH_MAX];
	struct store *s;
	struct loop *loop;
	struct router *r;
	void (*play)(struct fixture *f);
	/* what the next hop says when it is asked */
	enum router_asked says;
	unsigned asked;
	bool is_broken;
};

static int set_up(void **state)
{
	struct arena *a = arena_new();
	struct fixture *f = ARENA_NEW(a, struct fixture);
	struct err e = {0};

	f->a = a;
	assert_true(scratch_new(f->dir));
	f->s = store_open(&(struct store_opts){.dir = f->dir, .is_fsync_off = true}, &e);
	assert_non_null(f->s);
	f->loop = loop_new_uv(&(struct loop_opts){.name = "test"}, &e);
	assert_non_null(f->loop);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	loop_free(&f->loop);
	store_close(&f->s);
	assert_true(scratch_remove(f->dir));
	arena_free(&f->a);
	return 0;
}

static FIBER int ask(void *arg, struct arena *a, struct span destination, struct span address,
	enum router_asked *asked_r, struct span *said_r, struct err *e)
{
	struct fixture *f = arg;

	(void)destination;
	(void)address;
	f->asked++;
	*asked_r = f->says;
	*said_r = span_str(arena_printf(a, "answer %u", f->asked));
	return f->is_broken ? err_set(e, ERR_IO, "it hung up") : 0;
}

static int run_main(void *arg)
{
	struct fixture *f = arg;
	struct router_opts opts = {.store = f->s,
		.hostname = "mx.our.example",
		.separator = '+',
		.ask = ask,
		.ask_arg = f};
	struct err e = {0};

	assert_int_equal(router_srs_turn(f->s, false, &e), 0);
	f->r = router_new(&opts);
	f->play(f);
	router_free(&f->r);
	return 0;
}

static void run(void **state, void (*play)(struct fixture *f))
{
	struct fixture *f = *state;
	struct err e = {0};

	f->play = play;
	assert_int_equal(loop_run(f->loop, run_main, f, &e), 0);
}

/* ---- the directory of these tests ------------------------------------------------------------- */

static int exec_sql(struct db *db, void *arg, struct err *e)
{
	return db_exec(db, arg, e);
}

static void sql(struct fixture *f, const char *text)
{
	struct err e = {0};

	assert_int_equal(store_write(f->s, "test.sql", exec_sql, (void *)(uintptr_t)text, &e), 0);
}

static void domain(struct fixture *f, const char *name, enum directory_check check)
{
	struct directory_domain d = {.name = span_str(name),
		.kind = check == DIRECTORY_CHECKS ? DIRECTORY_DOMAIN_LOCAL : DIRECTORY_DOMAIN_RELAY,
		.check = check == DIRECTORY_CHECKS ? DIRECTORY_CHECK_NONE : check};

	assert_int_equal(directory_domain_put(f->s, &d, false, NULL), 0);
}

static size_t words(struct fixture *f, const char *text, struct span **words_r)
{
	struct span rest = span_str(text), word;
	size_t n = 0;

	*words_r = ARENA_ARRAY(f->a, struct span, 1100);
	while ((word = span_word(&rest)).len)
		(*words_r)[n++] = word;
	return n;
}

static void alias(struct fixture *f, const char *address, const char *targets)
{
	struct directory_alias al = {.address = span_str(address)};
	struct err e = {0};

	al.target_count = words(f, targets, &al.targets);
	assert_int_equal(directory_alias_set(f->s, &al, false, &e), 0);
}

static void account(struct fixture *f, const char *address)
{
	struct directory_account acc = {.address = span_str(address)};

	assert_int_equal(directory_account_set(f->s, &acc, SPAN_NONE, true, NULL), 0);
}

static void forward(struct fixture *f, const char *address, const char *targets, bool is_only)
{
	struct span *list;
	size_t count = words(f, targets, &list);
	struct err e = {0};

	assert_int_equal(
		directory_forward_set(f->s, span_str(address), list, count, is_only, &e), 0);
}

static void route(struct fixture *f, const char *domain, const char *sender, const char *hop,
	const char *egress)
{
	struct directory_route r = {.domain = span_str(domain),
		.sender = span_str(sender),
		.next_hop = span_str(hop),
		.egress = span_str(egress)};
	struct err e = {0};

	if (directory_route_set(f->s, &r, false, &e) < 0)
		fail_msg("%s", e.text);
}

static void people(struct fixture *f)
{
	domain(f, "our.example", DIRECTORY_CHECKS);
	domain(f, "two.example", DIRECTORY_CHECKS);
	account(f, "alice@our.example");
	account(f, "bob@our.example");
	alias(f, "out@our.example", "far@far.example");
	alias(f, "@two.example", "bob@our.example else@far.example");
}

/* ---- questions -------------------------------------------------------------------------------- */

/* A star is local; "~" a rewritten sender; "<via" who passed it on. */
static const char *shown(struct fixture *f, const struct router_answer *ans)
{
	struct buf b;
	const char *text;

	buf_init(&b, 65536);
	for (size_t i = 0; i < ans->target_count; i++) {
		const struct router_target *t = &ans->targets[i];

		buf_printf(&b, "%s" SPAN_FMT, i ? " " : "", SPAN_ARG(t->address));
		if (t->is_local)
			buf_char(&b, '*');
		else
			buf_printf(&b, ">" SPAN_FMT, SPAN_ARG(t->destination));
		if (t->via.len && !t->is_local)
			buf_printf(&b, "<" SPAN_FMT, SPAN_ARG(t->via));
		if (t->sender.len)
			buf_char(&b, '~');
	}
	text = arena_str(f->a, buf_span(&b));
	buf_fini(&b);
	return text;
}

static struct router_answer question(struct fixture *f, const char *from, const char *to,
	bool may_relay, struct router_record *rec)
{
	struct span address = span_str(to);
	size_t at = (size_t)span_rfind(address, '@');
	struct router_question q = {.local = span_sub(address, 0, at),
		.domain = span_skip(address, at + 1),
		.sender = span_str(from),
		.may_relay = may_relay,
		.record = rec};
	struct router_answer ans;
	struct err e = {0};

	if (router_resolve(f->r, f->a, &q, &ans, &e) < 0)
		fail_msg("%s: %s", to, e.text);
	return ans;
}

static void expect(struct fixture *f, const char *from, const char *to, enum router_verdict verdict,
	const char *targets)
{
	/* from the store, from the cache, and explained */
	for (int turn = 0; turn < 3; turn++) {
		struct router_record rec = {.a = f->a};
		struct router_answer ans = question(f, from, to, false, turn == 2 ? &rec : NULL);

		if (ans.verdict != verdict)
			fail_msg("%s, turn %d: %s", to, turn, router_verdict_str(ans.verdict));
		assert_string_equal(shown(f, &ans), targets);
	}
}

#define FAR "x@sender.example"

static void play_ways(struct fixture *f)
{
	people(f);
	expect(f, FAR, "out@our.example", ROUTER_OK,
		"far@far.example>far.example<out@our.example~");
	/* a catch-all, sub-address or not; its mail is rewritten at the domain it came to */
	expect(f, FAR, "any+one@two.example", ROUTER_OK,
		"bob@our.example* else@far.example>far.example<any+one@two.example~");
	/* the sender's domain is ours, or there is no sender: nothing to hide */
	expect(f, "alice@our.example", "out@our.example", ROUTER_OK,
		"far@far.example>far.example<out@our.example");
	expect(f, "", "out@our.example", ROUTER_OK, "far@far.example>far.example<out@our.example");
	forward(f, "alice@our.example", "a2@far.example bob@our.example", false);
	expect(f, FAR, "alice@our.example", ROUTER_OK,
		"alice@our.example* a2@far.example>far.example<alice@our.example~ "
		"bob@our.example*");
	expect(f, FAR, "Alice+x@our.example", ROUTER_OK,
		"Alice+x@our.example* a2@far.example>far.example<alice@our.example~ "
		"bob@our.example*");
	forward(f, "alice@our.example", "a2@far.example", true);
	expect(f, FAR, "alice@our.example", ROUTER_OK,
		"a2@far.example>far.example<alice@our.example~");
	forward(f, "alice@our.example", "", false);
	expect(f, FAR, "alice@our.example", ROUTER_OK, "alice@our.example*");
}

static void play_circles(struct fixture *f)
{
	people(f);
	/* two accounts that pass everything to each other: each has its copy, nobody gets two */
	forward(f, "alice@our.example", "bob@our.example", false);
	forward(f, "bob@our.example", "alice@our.example", false);
	expect(f, FAR, "alice@our.example", ROUTER_OK, "alice@our.example* bob@our.example*");
	/* and keep nothing: told clearly */
	forward(f, "alice@our.example", "bob@our.example", true);
	forward(f, "bob@our.example", "alice@our.example", true);
	expect(f, FAR, "alice@our.example", ROUTER_ALIAS_LOOP, "");
	alias(f, "self@our.example", "self@our.example");
	expect(f, FAR, "self@our.example", ROUTER_ALIAS_LOOP, "");
	/* a catch-all that leads into its own domain */
	alias(f, "@two.example", "nobody@two.example");
	expect(f, FAR, "any@two.example", ROUTER_ALIAS_LOOP, "");
}

static void play_lists(struct fixture *f)
{
	people(f);
	sql(f,
		"INSERT INTO list (id, domain, local, title, post, join_kind, rewrite, "
		"subject_prefix, footer, octets_max, is_reply_to_list, members, "
		"created_ns) VALUES (7, 'our.example', 'news', '', 0, 0, 0, '', '', 0, 0, 1, 0)");
	alias(f, "board@our.example", "news@our.example alice@our.example");
	expect(f, FAR, "news@our.example", ROUTER_OK, "news@our.example>list:7");
	expect(f, FAR, "News-Join@our.example", ROUTER_OK, "News-Join@our.example>list:7");
	expect(f, FAR, "news-confirm+aB3@our.example", ROUTER_OK,
		"news-confirm+aB3@our.example>list:7");
	expect(f, FAR, "news-bounces+1=x@our.example", ROUTER_OK,
		"news-bounces+1=x@our.example>list:7");
	expect(f, FAR, "board@our.example", ROUTER_OK,
		"news@our.example>list:7<board@our.example alice@our.example*");
	/* nobody owns it yet: the postmaster hears */
	expect(f, FAR, "news-owner@our.example", ROUTER_OK, "alice@our.example*");
	sql(f, "INSERT INTO list_member VALUES (7, 'o@far.example', '', 9, 0, 0, 0, 0)");
	/* written behind the directory's back: the cache does not know */
	assert_int_equal(directory_setting_set(f->s, SPAN("x"), SPAN("y"), NULL), 0);
	expect(f, FAR, "news-owner@our.example", ROUTER_OK,
		"o@far.example>far.example<news-owner@our.example~");
}

static void play_relay(struct fixture *f)
{
	struct span bob = SPAN("bob");
	uint64_t changed;

	people(f);
	domain(f, "all.example", DIRECTORY_CHECK_NONE);
	domain(f, "table.example", DIRECTORY_CHECK_TABLE);
	assert_int_equal(directory_recipients_change(
				 f->s, SPAN("table.example"), &bob, 1, false, &changed, NULL),
		0);
	expect(f, FAR, "x@all.example", ROUTER_OK, "x@all.example>all.example");
	expect(f, FAR, "y@all.example", ROUTER_OK, "y@all.example>all.example");
	expect(f, FAR, "bob+x@table.example", ROUTER_OK, "bob+x@table.example>table.example");
	expect(f, FAR, "postmaster@table.example", ROUTER_OK,
		"postmaster@table.example>table.example");
	expect(f, FAR, "eve@table.example", ROUTER_UNKNOWN_USER, "");
	expect(f, FAR, "x@far.example", ROUTER_NO_RELAY, "");
	/* what is passed on to a relay domain is looked at as well */
	alias(f, "to@our.example", "bob@table.example eve@table.example");
	expect(f, FAR, "to@our.example", ROUTER_OK,
		"bob@table.example>table.example<to@our.example~");
}

static void play_ask_next_hop(struct fixture *f)
{
	people(f);
	domain(f, "ask.example", DIRECTORY_CHECK_ASK);
	domain(f, "take.example", DIRECTORY_CHECK_ASK_OR_TAKE);
	f->says = ROUTER_ASKED_YES;
	expect(f, FAR, "Yes@ask.example", ROUTER_OK, "Yes@ask.example>ask.example");
	expect(f, FAR, "yes@ask.example", ROUTER_OK, "yes@ask.example>ask.example");
	assert_int_equal(f->asked, 1);
	f->says = ROUTER_ASKED_NO;
	expect(f, FAR, "no@ask.example", ROUTER_UNKNOWN_USER, "");
	expect(f, FAR, "no@take.example", ROUTER_UNKNOWN_USER, "");
	assert_int_equal(f->asked, 3);
	f->says = ROUTER_ASKED_UNKNOWN;
	expect(f, FAR, "who@ask.example", ROUTER_UNVERIFIED, "");
	expect(f, FAR, "who@take.example", ROUTER_OK, "who@take.example>take.example");
	f->says = ROUTER_ASKED_NO;
	f->is_broken = true; /* what it says then counts nothing */
	expect(f, FAR, "hung@ask.example", ROUTER_UNVERIFIED, "");
	assert_int_equal(f->asked, 6);
	/* a change of the directory forgets routes, not what was said */
	account(f, "new@our.example");
	expect(f, FAR, "no@ask.example", ROUTER_UNKNOWN_USER, "");
	assert_int_equal(f->asked, 6);
	/* but another next hop has not been asked */
	route(f, "ask.example", NULL, "[192.0.2.5]:25", NULL);
	f->is_broken = false;
	f->says = ROUTER_ASKED_YES;
	expect(f, FAR, "no@ask.example", ROUTER_OK, "no@ask.example>[192.0.2.5]:25");
	assert_int_equal(f->asked, 7);
}

static const char *road(struct fixture *f, const char *from, const char *to)
{
	struct router_answer ans = question(f, from, to, true, NULL);
	struct router_answer again = question(f, from, to, true, NULL);

	assert_int_equal(ans.verdict, ROUTER_OK);
	assert_true(span_eq(ans.targets[0].destination, again.targets[0].destination));
	return arena_str(f->a, ans.targets[0].destination);
}

static void play_roads(struct fixture *f)
{
	people(f);
	domain(f, "all.example", DIRECTORY_CHECK_NONE);
	sql(f,
		"INSERT INTO pool (name, policy) VALUES ('hubs', 0); "
		"INSERT INTO egress (name, n, address4, address6, hostname, proxy, weight, need_ptr) "
		"VALUES ('second', 0, '', '', '', '', 1, 0)");
	route(f, "fixed.example", NULL, "hop.example:26", "second");
	route(f, ".sub.example", NULL, "pool:hubs", NULL);
	route(f, "*", NULL, "smart.example:587", NULL);
	route(f, "direct.example", NULL, "mx", NULL);
	route(f, "hosted.example", NULL, "mx:Big.example", "second");
	route(f, NULL, "@our.example", "ours.example:587", NULL);
	route(f, NULL, "alice@our.example", "pool:hubs", "second");
	assert_string_equal(road(f, FAR, "x@far.example"), "[smart.example]:587");
	assert_string_equal(road(f, FAR, "x@fixed.example"), "[hop.example]:26|egress=second");
	assert_string_equal(road(f, FAR, "x@a.b.sub.example"), "pool:hubs");
	assert_string_equal(road(f, FAR, "x@sub.example"), "[smart.example]:587");
	assert_string_equal(road(f, FAR, "x@direct.example"), "direct.example");
	assert_string_equal(road(f, FAR, "x@hosted.example"), "big.example|egress=second");
	/* by sender, where no route of the recipient's domain says otherwise */
	assert_string_equal(road(f, "Bob@our.example", "x@far.example"), "[ours.example]:587");
	assert_string_equal(
		road(f, "alice@our.example", "x@far.example"), "pool:hubs|egress=second");
	assert_string_equal(road(f, "bob@our.example", "x@direct.example"), "direct.example");
	assert_string_equal(
		road(f, "bob@our.example", "x@fixed.example"), "[hop.example]:26|egress=second");
	assert_string_equal(road(f, "", "x@far.example"), "[smart.example]:587");
	/* a relay domain's mail is its own hosts' business */
	assert_string_equal(road(f, "bob@our.example", "x@all.example"), "[smart.example]:587");
	/* logins keep connections apart */
	sql(f,
		"INSERT INTO credential (next_hop, sender, username, secret, mechs, is_clear) VALUES "
		"('[ours.example]:587', '', 'all', '', '', 0), "
		"('pool:hubs', 'alice@our.example', 'a', '', '', 0), "
		"('[smart.example]:587', '@sender.example', 's', '', '', 0)");
	assert_int_equal(directory_setting_set(f->s, SPAN("x"), SPAN("y"), NULL), 0);
	assert_string_equal(road(f, "bob@our.example", "x@far.example"), "[ours.example]:587");
	assert_string_equal(road(f, "alice@our.example", "x@far.example"),
		"pool:hubs|egress=second|as=alice@our.example");
	assert_string_equal(
		road(f, FAR, "x@far.example"), "[smart.example]:587|as=@sender.example");
	assert_string_equal(road(f, "", "x@far.example"), "[smart.example]:587");
	/* an address that looks like a name in the cache */
	assert_string_equal(
		road(f, FAR, "\"<bob\"@our2.example"), "[smart.example]:587|as=@sender.example");
}

static struct span rewritten(struct fixture *f, const char *from)
{
	struct router_answer ans = question(f, from, "out@our.example", false, NULL);

	assert_int_equal(ans.verdict, ROUTER_OK);
	assert_true(span_starts(ans.targets[0].sender, SPAN("SRS")));
	assert_true(span_ends_nocase(ans.targets[0].sender, SPAN("@our.example")));
	return ans.targets[0].sender;
}

static void play_srs(struct fixture *f)
{
	const char *srs, *lower, *srs1;
	struct err e = {0};

	people(f);
	srs = arena_str(f->a, rewritten(f, "Xavier@sender.example"));
	lower = arena_str(f->a, directory_local_part(f->a, span_str(srs)));
	/* its bounce goes home, whoever brings it, in any case of letters */
	expect(f, "", srs, ROUTER_OK, "Xavier@sender.example>sender.example");
	expect(f, "", lower, ROUTER_OK, "xavier@sender.example>sender.example");
	/* nothing else passes: not mail that is no bounce, not an address that we did not make */
	expect(f, FAR, srs, ROUTER_SRS_NO_BOUNCE, "");
	expect(f, "", "SRS0=AAAAAAAA=RA=sender.example=xavier@our.example", ROUTER_SRS_FORGED, "");
	expect(f, "", "srs1=AAAAAAAA=a==b=c=d=e@our.example", ROUTER_SRS_FORGED, "");
	expect(f, FAR, "SRS0=AAAAAAAA=RA=sender.example=xavier@our.example", ROUTER_SRS_FORGED, "");
	/* nor does a catch-all swallow it */
	expect(f, "", "SRS0=AAAAAAAA=RA=sender.example=xavier@two.example", ROUTER_SRS_FORGED, "");
	/* behind another forwarder */
	srs1 = arena_str(f->a, rewritten(f, "SRS0=HHHH=TT=sender.example=xavier@fwd.example"));
	expect(f, "", srs1, ROUTER_OK,
		"SRS0=HHHH=TT=sender.example=xavier@fwd.example>fwd.example");
	/* the sender has become ours meanwhile */
	domain(f, "sender.example", DIRECTORY_CHECKS);
	account(f, "xavier@sender.example");
	expect(f, "", srs, ROUTER_OK, "xavier@sender.example*");
	/* keys turn; those before stay good, three at most */
	assert_int_equal(router_srs_turn(f->s, false, &e), 0);
	for (int i = 0; i < 3; i++) {
		expect(f, "", srs1, ROUTER_OK,
			"SRS0=HHHH=TT=sender.example=xavier@fwd.example>fwd.example");
		assert_int_equal(router_srs_turn(f->s, true, &e), 0);
	}
	expect(f, "", srs1, ROUTER_OK,
		"SRS0=HHHH=TT=sender.example=xavier@fwd.example>fwd.example");
	assert_int_equal(router_srs_turn(f->s, true, &e), 0);
	expect(f, "", srs1, ROUTER_SRS_FORGED, "");
	/* somebody who bears such a name bears it */
	account(f, "srs0=me@our.example");
	expect(f, FAR, "srs0=me@our.example", ROUTER_OK, "srs0=me@our.example*");
}

static void play_long_sender(struct fixture *f)
{
	char *from = arena_printf(f->a, "%0110d@sender.example", 7);
	struct router_answer ans;

	people(f);
	ans = question(f, from, "out@our.example", false, NULL);
	assert_int_equal(ans.target_count, 1);
	assert_int_equal(ans.targets[0].sender.len, 0); /* as it came, rather than not at all */
}

static struct span loop_of(struct fixture *f, struct router_delivered *d, const char *to, size_t n)
{
	struct router_answer ans = question(f, FAR, to, false, NULL);

	assert_true(ans.target_count > n);
	return router_loop(d, &ans.targets[n]);
}

static void play_delivered(struct fixture *f)
{
	struct router_delivered d = {.a = f->a};
	struct router_answer ans;

	people(f);
	alias(f, "chain@our.example", "out@our.example alice@our.example");
	forward(f, "bob@our.example", "b2@far.example", false);
	ans = question(f, FAR, "chain@our.example", false, NULL);
	/* in the order they are found: the mailbox is a level above */
	assert_string_equal(
		shown(f, &ans), "alice@our.example* far@far.example>far.example<out@our.example~");
	assert_true(span_eq(ans.targets[1].prefix, SPAN("Delivered-To: out@our.example\r\n")));

	router_delivered_add(&d, SPAN(" other@our.example "));
	router_delivered_add(&d, SPAN("no address"));
	assert_int_equal(d.count, 1);
	assert_int_equal(loop_of(f, &d, "chain@our.example", 1).len, 0);
	router_delivered_add(&d, SPAN("\"Out\"@OUR.example"));
	assert_true(span_eq(loop_of(f, &d, "chain@our.example", 1), SPAN("out@our.example")));
	assert_true(span_eq(loop_of(f, &d, "out@our.example", 0), SPAN("out@our.example")));
	assert_int_equal(loop_of(f, &d, "chain@our.example", 0).len, 0);
	/* the account, by whatever name it is reached */
	router_delivered_add(&d, SPAN("bob@our.example"));
	assert_true(loop_of(f, &d, "bob+x@our.example", 0).len > 0);
	assert_true(loop_of(f, &d, "bob+x@our.example", 1).len > 0);
	assert_true(loop_of(f, &d, "who@two.example", 0).len > 0);
	assert_int_equal(loop_of(f, &d, "who@two.example", 1).len, 0);
}

/* ---- why -------------------------------------------------------------------------------------- */

static const char *told(struct fixture *f, const char *from, const char *to, bool may_relay)
{
	struct router_record rec = {.a = f->a};
	struct buf b;
	const char *text;

	question(f, from, to, may_relay, &rec);
	buf_init(&b, 65536);
	for (size_t i = 0; i < rec.count; i++) {
		const struct router_step *s = &rec.steps[i];

		buf_printf(&b, "%u %s [" SPAN_FMT "] " SPAN_FMT "\n", s->depth,
			router_step_str(s->kind), SPAN_ARG(s->row), SPAN_ARG(s->text));
	}
	text = arena_str(f->a, buf_span(&b));
	buf_fini(&b);
	return text;
}

static void play_why(struct fixture *f)
{
	people(f);
	route(f, ".example", NULL, "hop.example:25", NULL);
	alias(f, "mix@our.example", "alice+x@our.example nobody@our.example far@far.example");
	assert_string_equal(told(f, "alice@our.example", "mix@our.example", false),
		"0 address [] mix@our.example\n"
		"0 domain [] our.example is a domain of ours\n"
		"0 alias [mix@our.example] leads to 3 addresses\n"
		"1 address [] alice+x@our.example\n"
		"1 domain [] our.example is a domain of ours, found without its sub-address\n"
		"1 account [alice@our.example] the mailbox of alice@our.example\n"
		"1 address [] nobody@our.example\n"
		"1 domain [] our.example is a domain of ours\n"
		"1 dead [] nobody@our.example: nobody has this address\n"
		"1 address [] far@far.example\n"
		"1 domain [] far.example is not ours\n"
		"1 route [.example] next hop hop.example:25\n"
		"0 target [] alice@our.example into its mailbox\n"
		"0 target [] far@far.example to [hop.example]:25\n");
	assert_string_equal(told(f, "", "x@far.example", false),
		"0 address [] x@far.example\n"
		"0 domain [] far.example is not ours\n"
		"0 route [.example] next hop hop.example:25\n"
		"0 refused [] Relaying denied\n");
	assert_string_equal(told(f, "", "x@else.test", true),
		"0 address [] x@else.test\n"
		"0 domain [] else.test is not ours\n"
		"0 mx [] the MX of else.test\n"
		"0 target [] x@else.test to else.test\n");
}

static void play_unicode(struct fixture *f)
{
	domain(f, "例子.test", DIRECTORY_CHECKS);
	account(f, "用户@例子.test");
	alias(f, "jos\xc3\xa9@例子.test", "用户@xn--fsqu00a.test r@far.example");
	expect(f, FAR, "用户@例子.test", ROUTER_OK, "用户@例子.test*");
	expect(f, FAR, "用户@xn--fsqu00a.TEST", ROUTER_OK, "用户@xn--fsqu00a.TEST*");
	/* composed or not, it is one letter */
	expect(f, FAR, "jose\xcc\x81@例子.test", ROUTER_OK,
		"用户@xn--fsqu00a.test* r@far.example>far.example<jose\xcc\x81@例子.test~");
	route(f, "bücher.example", NULL, "hop.example:25", NULL);
	assert_string_equal(road(f, FAR, "x@xn--bcher-kva.example"), "[hop.example]:25");
	assert_string_equal(road(f, FAR, "x@BÜCHER.example"), "[hop.example]:25");
}

#define STORY(name)                                                                                \
	static void name(void **state)                                                             \
	{                                                                                          \
		run(state, play_##name);                                                           \
	}
STORY(ways)
STORY(circles)
STORY(lists)
STORY(relay)
STORY(ask_next_hop)
STORY(roads)
STORY(srs)
STORY(long_sender)
STORY(delivered)
STORY(why)
STORY(unicode)

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {CASE(ways), CASE(circles), CASE(lists), CASE(relay),
		CASE(roads), CASE(srs), CASE(long_sender), CASE(delivered), CASE(why),
		CASE(unicode), CASE(ask_next_hop)};

	return cmocka_run_group_tests_name("road", tests, NULL, NULL);
}
