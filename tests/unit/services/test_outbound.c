/* The carrier: letters on a connection, and which host they go to. */

#include "services/outbound_stage.h"

/* ---- stories ---------------------------------------------------------------------------------- */

static FIBER void story_reuse(void)
{
	struct peer peer;
	struct feed f = {0};
	struct err e = {0};

	up(&peer, (struct peer_opts){.address = "198.51.100.1:25"});
	for (int i = 0; i < 20; i++)
		add_letter(&f, "a");
	assert_int_equal(carry("there.test", &f, &e), 0);
	assert_int_equal(f.done, 20);
	assert_int_equal(peer.sessions, 1);
	assert_int_equal(peer.messages, 20);
	assert_int_equal(peer.quits, 1);
	assert_int_equal(f.ups, 1);
	assert_reply(&f.parcels[7]->rcpts[0], OUTBOUND_DELIVERED, 250, "2.0.0", "taken");
	assert_true(span_eq(f.parcels[7]->host, SPAN("mx1.there.test [198.51.100.1]:25")));
	assert_true(span_starts(buf_span(&content),
		SPAN("Received: by here.test; now\r\nSubject: hello\r\n\r\nWorld\r\nReceived:")));
	feed_fini(&f);
	peer_down(&peer);
}

static void letters_travel_one_after_another_on_one_connection(void **state)
{
	PLAY(names, story_reuse);
}

static FIBER void story_each(void)
{
	struct peer peer;
	struct feed f = {0};
	struct err e = {0};
	struct outbound_parcel *p;

	up(&peer, (struct peer_opts){.address = "198.51.100.1:25", .ehlo = "PIPELINING"});
	fake_text = SPAN("Subject: dots\r\n\r\n.\r\n..two\r\n");
	p = add_letter(&f, "a no b later c");
	assert_int_equal(carry("there.test", &f, &e), 0);
	assert_reply(&p->rcpts[0], OUTBOUND_DELIVERED, 250, "2.0.0", "taken");
	assert_reply(&p->rcpts[1], OUTBOUND_PERMANENT, 550, "5.1.1", "nobody");
	assert_reply(&p->rcpts[2], OUTBOUND_DELIVERED, 250, "2.0.0", "taken");
	assert_reply(&p->rcpts[3], OUTBOUND_TEMPORARY, 450, "4.2.1", "later");
	assert_int_equal(peer.messages, 1);
	assert_int_equal(peer.rcpts, 3);
	assert_true(
		span_ends_nocase(buf_span(&content), SPAN("Subject: dots\r\n\r\n.\r\n..two\r\n")));
	feed_fini(&f);
	peer_down(&peer);
}

static void each_recipient_has_its_own_verdict(void **state)
{
	PLAY(names, story_each);
}

static FIBER void story_many(void)
{
	struct peer peer;
	struct feed f = {0};
	struct err e = {0};
	struct outbound_parcel *p;

	up(&peer, (struct peer_opts){.address = "198.51.100.1:25"});
	p = add_letter(&f, "full1 full2 full3 full4 full5");
	assert_int_equal(carry("there.test", &f, &e), 0);
	for (size_t i = 0; i < 5; i++)
		assert_reply(&p->rcpts[i], OUTBOUND_DELIVERED, 250, "2.0.0", "taken");
	assert_int_equal(peer.messages, 3);
	assert_int_equal(peer.sessions, 1);
	feed_fini(&f);
	peer_down(&peer);
}

static void too_many_recipients_go_in_further_transactions(void **state)
{
	PLAY(names, story_many);
}

static const struct peer_rule drops_after_dot[] = {
	{.at = "dot", .is_silent = true, .closes = true}, {0}};

static FIBER void story_lost(void)
{
	struct peer peer;
	struct feed f = {0};
	struct err e = {0};
	struct outbound_parcel *p;

	up(&peer, (struct peer_opts){.address = "198.51.100.1:25", .rules = drops_after_dot});
	p = add_letter(&f, "a b");
	add_letter(&f, "c");
	assert_int_equal(carry("there.test", &f, &e), -1);
	assert_int_equal(e.scope, ERR_SCOPE_PEER);
	assert_reply(&p->rcpts[0], OUTBOUND_TEMPORARY, 0, "4.4.2", "may have arrived");
	assert_reply(&p->rcpts[1], OUTBOUND_TEMPORARY, 0, "4.4.2", "may have arrived");
	assert_int_equal(f.next, 1);
	feed_fini(&f);
	peer_down(&peer);
}

static void a_connection_lost_after_the_dot_is_temporary(void **state)
{
	PLAY(names, story_lost);
}

static FIBER void story_421(void)
{
	struct peer peer;
	struct feed f = {0};
	struct err e = {0};

	up(&peer, (struct peer_opts){.address = "198.51.100.1:25"});
	add_letter(&f, "a");
	add_letter(&f, "bye");
	assert_int_equal(carry("there.test", &f, &e), -1);
	assert_int_equal(f.parcels[0]->rcpts[0].verdict, OUTBOUND_DELIVERED);
	assert_int_equal(f.parcels[1]->rcpts[0].verdict, OUTBOUND_TEMPORARY);
	assert_int_equal(f.parcels[1]->rcpts[0].code, 421);
	feed_fini(&f);
	peer_down(&peer);
}

static void a_421_ends_the_connection_and_defers_the_letter(void **state)
{
	PLAY(names, story_421);
}

static FIBER void story_idle(void)
{
	/* In steps: a close is seen before anything of the letter was given away. */
	struct peer peer;
	struct feed f = {.pause_ns = 2 * CLOCK_SEC};
	struct err e = {0};

	up(&peer,
		(struct peer_opts){
			.address = "198.51.100.1:25", .ehlo = "8BITMIME", .idle_ns = CLOCK_SEC});
	add_letter(&f, "a");
	add_letter(&f, "b");
	assert_int_equal(carry("there.test", &f, &e), 0);
	assert_int_equal(f.parcels[1]->rcpts[0].verdict, OUTBOUND_DELIVERED);
	assert_int_equal(peer.sessions, 2);
	assert_int_equal(peer.messages, 2);
	feed_fini(&f);
	peer_down(&peer);
}

static void a_peer_that_closed_an_idle_connection_gets_a_new_one(void **state)
{
	PLAY(names, story_idle);
}

static const struct peer_rule greets_451[] = {{.at = "connect", .say = "451 4.3.2 not now"}, {0}};

static FIBER void story_second_mx(void)
{
	struct peer one;
	struct peer two;
	struct feed f = {0};
	struct err e = {0};

	up(&one, (struct peer_opts){.address = "198.51.100.1:25", .rules = greets_451});
	up(&two, (struct peer_opts){.address = "198.51.100.2:25"});
	add_letter(&f, "a");
	assert_int_equal(carry("there.test", &f, &e), 0);
	assert_int_equal(one.sessions, 1);
	assert_int_equal(two.messages, 1);
	assert_true(span_starts(f.parcels[0]->host, SPAN("mx2.there.test")));
	peer_down(&one);
	feed_fini(&f);
	f = (struct feed){0};
	add_letter(&f, "a"); /* now the first refuses to connect */
	assert_int_equal(carry("there.test", &f, &e), 0);
	assert_int_equal(two.messages, 2);
	peer_down(&two);
	feed_fini(&f);
	f = (struct feed){0};
	assert_int_equal(carry("there.test", &f, &e), -1);
	assert_int_equal(e.again, ERR_AGAIN_LATER);
	assert_int_equal(e.enh_class * 100 + e.enh_subject * 10 + e.enh_detail, 441);
}

static void the_next_mx_is_tried_when_the_better_one_will_not_talk(void **state)
{
	PLAY(names, story_second_mx);
}

static FIBER void story_errors(void)
{
	static const struct {
		const char *destination;
		enum err_again again;
		unsigned enhanced;
	} cases[] = {
		{"null.test", ERR_AGAIN_NEVER, 5110},
		{"nxdomain.test", ERR_AGAIN_NEVER, 512},
		{"fail.test", ERR_AGAIN_LATER, 443},
		{"bogus.test", ERR_AGAIN_LATER, 443},
		{"noaddr.test", ERR_AGAIN_NEVER, 544},
		{"loop.test", ERR_AGAIN_NEVER, 546},
		{"best.test", ERR_AGAIN_NEVER, 546},
		{"self.test", ERR_AGAIN_LATER, 441}, /* only the better host was tried */
		{"[203.0.113.9]:25", ERR_AGAIN_LATER, 441},
		{"[nxdomain.test]:25", ERR_AGAIN_NEVER, 544},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct feed f = {0};
		struct err e = {0};
		unsigned enh;

		assert_int_equal(carry(cases[i].destination, &f, &e), -1);
		enh = e.enh_class * (e.enh_detail > 9 ? 1000 : 100) +
			e.enh_subject * (e.enh_detail > 9 ? 100 : 10) + e.enh_detail;
		if (enh != cases[i].enhanced || e.again != cases[i].again)
			fail_msg(
				"%s: %u, again %d: %s", cases[i].destination, enh, e.again, e.text);
		assert_int_equal(e.scope, ERR_SCOPE_PEER);
		assert_int_equal(f.next, 0);
	}
}

static void each_way_of_not_being_found_has_its_code(void **state)
{
	PLAY(names, story_errors);
}

static FIBER void story_fixed(void)
{
	struct peer smtp;
	struct peer lmtp;
	struct feed f = {0};
	struct err e = {0};

	up(&smtp, (struct peer_opts){.address = "127.0.0.1:2525"});
	up(&lmtp,
		(struct peer_opts){
			.address = "unix:/run/lmtp", .is_lmtp = true, .ehlo = "PIPELINING"});
	add_letter(&f, "a");
	assert_int_equal(carry("[127.0.0.1]:2525", &f, &e), 0);
	assert_true(span_eq(f.parcels[0]->host, SPAN("[127.0.0.1]:2525")));
	feed_fini(&f);
	f = (struct feed){0};
	add_letter(&f, "a");
	assert_int_equal(carry("[localhost]:2525", &f, &e), 0);
	feed_fini(&f);
	f = (struct feed){0};
	add_letter(&f, "a no b");
	assert_int_equal(carry("lmtp:unix:/run/lmtp", &f, &e), 0);
	assert_int_equal(f.parcels[0]->rcpts[0].verdict, OUTBOUND_DELIVERED);
	assert_int_equal(f.parcels[0]->rcpts[1].verdict, OUTBOUND_PERMANENT);
	assert_int_equal(f.parcels[0]->rcpts[2].verdict, OUTBOUND_DELIVERED);
	assert_true(f.parcels[0]->is_lmtp);
	assert_int_equal(smtp.messages, 2);
	assert_int_equal(lmtp.messages, 1);
	feed_fini(&f);
	peer_down(&smtp);
	peer_down(&lmtp);
}

static void routes_lead_to_addresses_names_sockets_and_lmtp(void **state)
{
	PLAY(names, story_fixed);
}

static FIBER void story_bare(void)
{
	struct peer peer;
	struct feed f = {0};
	struct err e = {0};

	up(&peer, (struct peer_opts){.address = "198.51.100.1:25"});
	add_letter(&f, "a");
	assert_int_equal(carry("bare.test", &f, &e), 0);
	assert_int_equal(peer.messages, 1);
	feed_fini(&f);
	peer_down(&peer);
}

static void a_domain_without_mx_is_its_own_host(void **state)
{
	PLAY(names, story_bare);
}

static const struct dns_row equals[] = {
	{"eq.test", DNS_MX, "10 a.eq.test", false},
	{"eq.test", DNS_MX, "10 b.eq.test", false},
	{"eq.test", DNS_MX, "10 c.eq.test", false},
	{"eq.test", DNS_MX, "5 best.eq.test", false},
};

static const struct dns_row eights[] = {
	{"eight.test", DNS_MX, "10 a.eight.test", false},
	{"eight.test", DNS_MX, "10 b.eight.test", false},
	{"eight.test", DNS_MX, "10 c.eight.test", false},
	{"eight.test", DNS_MX, "10 d.eight.test", false},
	{"eight.test", DNS_MX, "10 e.eight.test", false},
	{"eight.test", DNS_MX, "10 f.eight.test", false},
	{"eight.test", DNS_MX, "10 g.eight.test", false},
	{"eight.test", DNS_MX, "10 h.eight.test", false},
	{"eight.test", DNS_MX, "5 best.eight.test", false},
};

static FIBER void story_equals(void)
{
	struct arena *a = arena_new();
	unsigned first[3] = {0};

	for (int i = 0; i < 300; i++) {
		struct outbound_hops *h;
		struct err e = {0};

		assert_int_equal(outbound_hops(&opts, a, SPAN("eq.test"), &h, &e), 0);
		assert_int_equal(h->count, 4);
		assert_true(span_eq(h->hosts[0].name, SPAN("best.eq.test")));
		first[h->hosts[1].name.ptr[0] - 'a']++;
	}
	for (size_t i = 0; i < 3; i++)
		assert_in_range(first[i], 60, 140);
	arena_free(&a);
}

/* One look-up, many connections: each has its own order, and a domain may have more equals than one
 * connection tries. */
static FIBER void story_deals(void)
{
	struct arena *a = arena_new();
	unsigned first[8] = {0};
	struct outbound_way *way;
	struct err e = {0};

	assert_int_equal(outbound_way_find(&opts, a, SPAN("eight.test"), &way, &e), 0);
	assert_int_equal(way->hops->count, 9);
	assert_true(span_eq(way->key,
		SPAN("mx:a.eight.test,b.eight.test,best.eight.test,c.eight.test,d.eight.test,"
		     "e.eight.test,f.eight.test,g.eight.test,h.eight.test")));
	for (int i = 0; i < 800; i++) {
		struct outbound_hops *h = outbound_hops_deal(a, way->hops);
		unsigned seen = 0;

		assert_int_equal(h->count, 9);
		assert_true(span_eq(h->hosts[0].name, SPAN("best.eight.test")));
		for (size_t j = 1; j < 9; j++)
			seen |= 1u << (h->hosts[j].name.ptr[0] - 'a');
		assert_int_equal(seen, 0xff);
		first[h->hosts[1].name.ptr[0] - 'a']++;
	}
	for (size_t i = 0; i < 8; i++)
		assert_in_range(first[i], 50, 150);
	arena_free(&a);
}

static void one_look_up_gives_each_connection_its_own_order(void **state)
{
	PLAY(eights, story_deals);
}

static void equal_preferences_take_turns_at_random(void **state)
{
	PLAY(equals, story_equals);
}

static FIBER void story_cancel_run(struct fiber_group *g)
{
	fiber_sleep(CLOCK_SEC, NULL);
	fiber_group_cancel(g);
	fiber_group_join(g);
}

struct cancel {
	struct feed *f;
	int rc;
};

static FIBER int carry_cancelled(void *arg)
{
	struct cancel *c = arg;
	struct err e = {0};

	c->rc = carry("[192.0.2.1]:25", c->f, &e); /* packets vanish there */
	assert_int_equal(e.code, ERR_CANCELLED);
	return 0;
}

static FIBER void story_cancel(void)
{
	struct feed f = {0};
	struct cancel c = {&f, 0};
	struct fiber_group g;
	int64_t began = loop_now_ns();

	fiber_group_init(&g);
	assert_int_equal(fiber_start(&g, "carry", carry_cancelled, &c, NULL), 0);
	story_cancel_run(&g);
	assert_int_equal(c.rc, -1);
	assert_in_range(loop_now_ns() - began, CLOCK_SEC, 2 * CLOCK_SEC);
}

static void a_cancelled_carrier_ends_at_once(void **state)
{
	PLAY(names, story_cancel);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(letters_travel_one_after_another_on_one_connection),
		cmocka_unit_test(each_recipient_has_its_own_verdict),
		cmocka_unit_test(too_many_recipients_go_in_further_transactions),
		cmocka_unit_test(a_connection_lost_after_the_dot_is_temporary),
		cmocka_unit_test(a_421_ends_the_connection_and_defers_the_letter),
		cmocka_unit_test(a_peer_that_closed_an_idle_connection_gets_a_new_one),
		cmocka_unit_test(the_next_mx_is_tried_when_the_better_one_will_not_talk),
		cmocka_unit_test(each_way_of_not_being_found_has_its_code),
		cmocka_unit_test(routes_lead_to_addresses_names_sockets_and_lmtp),
		cmocka_unit_test(a_domain_without_mx_is_its_own_host),
		cmocka_unit_test(equal_preferences_take_turns_at_random),
		cmocka_unit_test(one_look_up_gives_each_connection_its_own_order),
		cmocka_unit_test(a_cancelled_carrier_ends_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
