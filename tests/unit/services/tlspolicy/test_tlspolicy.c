/* What TLS a hop needs: names from a table, policies from memory, a virtual clock. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "services/fake_tls_facts.h"

#include "run/fiber.h"
#include "services/tlspolicy/tlspolicy.h"

#define WALL (1795000000 * CLOCK_SEC)
#define EE   "030101e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" /* 3 1 1 */
#define PKIX "000101e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" /* 0 1 1 */

static const struct dns_row names[] = {
	/* hosts: signed, not signed, with an alias of either kind, broken in each way */
	{"good.test", DNS_A, "192.0.2.1", true},
	{"_25._tcp.good.test", DNS_TLSA, EE, true},
	{"_587._tcp.good.test", DNS_TLSA, "!nodata", true},
	{"six.test", DNS_AAAA, "2001:db8::1", true},
	{"_25._tcp.six.test", DNS_TLSA, EE, true},
	{"none.test", DNS_A, "192.0.2.1", true},
	{"unusable.test", DNS_A, "192.0.2.1", true},
	{"_25._tcp.unusable.test", DNS_TLSA, PKIX, true},
	{"mixed.test", DNS_A, "192.0.2.1", true},
	{"_25._tcp.mixed.test", DNS_TLSA, PKIX, true},
	{"_25._tcp.mixed.test", DNS_TLSA, EE, true},
	{"bogus.test", DNS_A, "192.0.2.1", true},
	{"_25._tcp.bogus.test", DNS_TLSA, "!bogus", false},
	{"fail.test", DNS_A, "192.0.2.1", true},
	{"_25._tcp.fail.test", DNS_TLSA, "!fail", false},
	{"silent.test", DNS_A, "192.0.2.1", true},
	{"_25._tcp.silent.test", DNS_TLSA, "!silent", false},
	{"lost-a.test", DNS_A, "!fail", false},
	{"lost-a.test", DNS_AAAA, "!bogus", false},
	{"half.test", DNS_A, "!fail", false},
	{"half.test", DNS_AAAA, "2001:db8::1", true},
	{"_25._tcp.half.test", DNS_TLSA, EE, true},
	{"plain.test", DNS_A, "192.0.2.1", false},
	{"_25._tcp.plain.test", DNS_TLSA, EE, false},
	{"lame.test", DNS_A, "192.0.2.1", false}, /* unsigned: nobody asks its servers for TLSA */
	{"_25._tcp.lame.test", DNS_TLSA, "!fail", false},
	{"unsigned-below.test", DNS_A, "192.0.2.1", true},
	{"_25._tcp.unsigned-below.test", DNS_TLSA, EE, false},
	{"alias.test", DNS_CNAME, "good.test", true},
	{"_25._tcp.alias.test", DNS_TLSA, PKIX, true},
	{"alias-of-none.test", DNS_CNAME, "none.test", true},
	{"_25._tcp.alias-of-none.test", DNS_TLSA, EE, true},
	{"alias-of-plain.test", DNS_CNAME, "plain.test", true},
	{"_25._tcp.alias-of-plain.test", DNS_TLSA, EE, true},
	{"loose-alias.test", DNS_CNAME, "plain.test", false},
	{"_25._tcp.loose-alias.test", DNS_TLSA, EE, true},
	/* domains */
	{"_mta-sts.sts.test", DNS_TXT, "v=STSv1; id=1;", false},
	{"_mta-sts.two.test", DNS_TXT, "v=STSv1; id=1;", false},
	{"_mta-sts.two.test", DNS_TXT, "v=STSv1; id=2;", false},
	{"_mta-sts.beside.test", DNS_TXT, "v=spf1 -all", false},
	{"_mta-sts.beside.test", DNS_TXT, "v=STSv1; id=1;", false},
	{"_mta-sts.wrong.test", DNS_TXT, "v=STSv1; id=-;", false},
	{"_mta-sts.lost.test", DNS_TXT, "!fail", false},
};

/* ---- the stage ---- */

static struct {
	const char *policy; /* what the web server says; NULL: it does not */
	enum tlsrpt_result kind;
	unsigned fetches;
} web;

static FIBER int fetch(void *arg, struct arena *a, struct span domain, struct span *text_r,
	enum tlsrpt_result *kind_r, struct err *e)
{
	web.fetches++;
	if (fiber_sleep(CLOCK_SEC, e) < 0)
		return -1;
	*kind_r = web.kind;
	if (!web.policy)
		return err_set(e, ERR_IO, "nobody answers");
	*text_r = span_str(web.policy);
	return 0;
}

static struct arena *arena;
static struct tlspolicy *policy;
static struct tlspolicy_opts opts;

static int main_of(void *arg)
{
	void (*story)(void) = *(void (**)(void))arg;

	policy = tlspolicy_new(&opts);
	story();
	tlspolicy_free(&policy);
	return 0;
}

static void play(void (*story)(void))
{
	struct loop *l = loop_new_sim(&(struct loop_opts){.name = "sim"}, WALL);
	struct dns *dns = dns_new_table(names, ARRAY_LEN(names));

	memset(&web, 0, sizeof(web));
	web.kind = TLSRPT_STS_POLICY_FETCH_ERROR;
	memset(&the_tls_facts, 0, sizeof(the_tls_facts));
	arena = arena_new();
	opts = (struct tlspolicy_opts){
		.store = (struct store *)&the_tls_facts, .dns = dns, .fetch_fn = fetch};
	assert_int_equal(loop_run(l, main_of, &story, NULL), 0);
	arena_free(&arena);
	loop_free(&l);
	dns_free(&dns);
}

static FIBER struct tls_policy *ask_with(const struct tlspolicy_ask *ask)
{
	struct tls_policy *p = NULL;
	struct err e = {0};

	if (tlspolicy_domain(policy, arena, ask, &p, &e) < 0)
		fail_msg("%s", e.text);
	return p;
}

static FIBER struct tls_policy *ask(const char *domain, bool is_mx_secure)
{
	struct tlspolicy_ask a = {.destination = span_str(domain), .is_mx_secure = is_mx_secure};

	return ask_with(&a);
}

static void override(const char *match, enum tls_level level)
{
	the_tls_facts.generation++;
	the_tls_facts.row = (struct tls_override){.match = span_str(match), .level = level};
}

static void assert_why(const char *why, const char *part)
{
	if (!strstr(why, part))
		fail_msg("'%s' does not say '%s'", why, part);
}

static void assert_noted(const char *text)
{
	for (size_t i = 0; i < the_tls_facts.count; i++)
		if (strcmp(the_tls_facts.results[i].text, text) == 0)
			return;
	for (size_t i = 0; i < the_tls_facts.count; i++)
		print_message("# %s\n", the_tls_facts.results[i].text);
	fail_msg("'%s' was not noted", text);
}

/* ---- DANE ---- */

static const struct {
	const char *host;
	enum tls_level level; /* of the host, under a signed MX */
	const char *name;     /* that the certificate must be for; NULL: the host */
	const char *also;
	const char *noted; /* the host must not be used */
} dane[] = {
	{"good.test", TLS_LEVEL_DANE},
	{"six.test", TLS_LEVEL_DANE},
	{"mixed.test", TLS_LEVEL_DANE},
	{"none.test", TLS_LEVEL_MAY},
	{"unusable.test", TLS_LEVEL_ENCRYPT},
	{"plain.test", TLS_LEVEL_MAY},
	{"lame.test", TLS_LEVEL_MAY},
	{"unsigned-below.test", TLS_LEVEL_MAY},
	{"alias.test", TLS_LEVEL_DANE, "good.test", "alias.test"},
	{"alias-of-none.test", TLS_LEVEL_DANE},
	{"alias-of-plain.test", TLS_LEVEL_DANE},
	{"loose-alias.test", TLS_LEVEL_MAY},
	{"not-there.test", TLS_LEVEL_MAY},
	{"192.0.2.1", TLS_LEVEL_MAY},
	{"half.test", TLS_LEVEL_DANE},
	{"lost-a.test", .noted = "tlsa lost-a.test dnssec-invalid 1"},
	{"bogus.test", .noted = "tlsa bogus.test dnssec-invalid 1"},
	{"fail.test", .noted = "tlsa fail.test dnssec-invalid 1"},
	{"silent.test", .noted = "tlsa silent.test dnssec-invalid 1"},
};

static FIBER void story_dane(void)
{
	struct tls_policy *p = ask("none.test", true);

	assert_int_equal(p->level, TLS_LEVEL_MAY);
	assert_true(p->is_dane);
	assert_true(span_eq(p->key, SPAN("+dane")));
	assert_why(p->why, "DNSSEC protects its MX records");
	for (size_t i = 0; i < ARRAY_LEN(dane); i++) {
		struct span name = span_str(dane[i].name ? dane[i].name : dane[i].host);
		struct tls_host h;
		struct err e = {0};
		int rc = tlspolicy_host(policy, arena, p, span_str(dane[i].host), 25, &h, &e);

		if (dane[i].noted) {
			assert_int_equal(rc, -1);
			assert_int_equal(e.again, ERR_AGAIN_LATER);
			assert_int_equal(e.enh_class, 4);
			assert_int_equal(e.enh_subject, 7);
			continue;
		}
		if (rc < 0 || h.level != dane[i].level)
			fail_msg("%s: %d %s %s", dane[i].host, rc, tls_level_str(h.level), e.text);
		assert_true(span_eq(h.opts.name, name));
		assert_true(span_eq(h.opts.also, span_str(dane[i].also)));
		assert_int_equal(h.opts.is_verify, h.level == TLS_LEVEL_DANE);
		assert_int_equal(h.opts.tlsa_count > 0, h.level == TLS_LEVEL_DANE);
		assert_int_equal(h.is_must, h.level >= TLS_LEVEL_ENCRYPT);
	}
	assert_int_equal(tlspolicy_flush(policy, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(dane); i++)
		if (dane[i].noted)
			assert_noted(dane[i].noted);
}

static void tlsa_records_decide_under_a_signed_mx(void **state)
{
	play(story_dane);
}

static FIBER void story_dane_not(void)
{
	struct tls_policy *p = ask("none.test", false);
	struct tls_host h;
	struct err e = {0};

	/* RFC 7672 section 2.2.1: who may change the MX may name a host of his own. */
	assert_false(p->is_dane);
	assert_true(span_eq(p->key, SPAN("")));
	assert_why(p->why, "no policy");
	assert_int_equal(tlspolicy_host(policy, arena, p, SPAN("bogus.test"), 25, &h, &e), 0);
	assert_int_equal(h.level, TLS_LEVEL_MAY);

	/* a port without records of its own */
	p = ask("none.test", true);
	assert_int_equal(tlspolicy_host(policy, arena, p, SPAN("good.test"), 587, &h, &e), 0);
	assert_int_equal(h.level, TLS_LEVEL_MAY);
}

static void without_a_signed_mx_there_is_no_dane(void **state)
{
	play(story_dane_not);
}

/* ---- MTA-STS ---- */

#define ENFORCE "version: STSv1\nmode: enforce\nmx: *.sts.test\nmx: good.test\nmax_age: 604800\n"
#define TESTING "version: STSv1\nmode: testing\nmx: *.sts.test\nmax_age: 604800\n"
#define NONE    "version: STSv1\nmode: none\nmax_age: 604800\n"

static FIBER int host(const struct tls_policy *p, const char *name, struct tls_host *h)
{
	struct err e = {0};
	int rc = tlspolicy_host(policy, arena, p, span_str(name), 25, h, &e);

	if (rc < 0) {
		assert_int_equal(e.code, ERR_TLS);
		assert_int_equal(e.enh_subject, 7);
	}
	return rc;
}

static FIBER void story_both(void)
{
	struct tls_policy *p;
	struct tls_host h;
	struct err e = {0};

	web.policy = ENFORCE;
	p = ask("sts.test", true);
	assert_int_equal(host(p, "good.test", &h), 0);
	assert_int_equal(h.level, TLS_LEVEL_DANE);
	assert_int_equal(tlspolicy_host(policy, arena, p, SPAN("bogus.test"), 25, &h, &e), -1);
	assert_int_equal(e.code, ERR_DNS);
	assert_int_equal(host(p, "unusable.test", &h), -1);
}

static FIBER void story_enforced(void)
{
	struct tls_policy *p;
	struct tls_host h;

	web.policy = ENFORCE;
	p = ask("sts.test", false);
	assert_int_equal(p->level, TLS_LEVEL_VERIFY);
	assert_int_equal(p->sts->mode, MTA_STS_ENFORCE);
	assert_true(span_eq(p->key, SPAN("verify+sts:*.sts.test,good.test")));
	assert_why(p->why, "MTA-STS policy (id 1) says enforce of *.sts.test, good.test");
	assert_int_equal(the_tls_facts.puts, 1);
	assert_int_equal(host(p, "MX.sts.test", &h), 0);
	assert_int_equal(h.level, TLS_LEVEL_VERIFY);
	assert_true(h.is_must && h.opts.is_verify && h.is_authenticated);
	assert_int_equal(h.report, TLSRPT_POLICY_STS);
	assert_int_equal(host(p, "mx.other.test", &h), -1);
	assert_int_equal(host(p, "a.b.sts.test", &h), -1);
	assert_int_equal(tlspolicy_flush(policy, NULL), 0);
	assert_noted("sts mx.other.test validation-failure 1");
}

static void an_enforced_policy_demands_a_verified_host_it_names(void **state)
{
	play(story_enforced);
}

static void tlsa_records_win_over_mta_sts(void **state)
{
	play(story_both);
}

static FIBER void story_testing(void)
{
	struct tls_verdict wrong = {.trust = TLS_TRUST_WRONG_NAME, .error = 62};
	struct tls_verdict good = {.trust = TLS_TRUST_GOOD};
	struct tls_policy *p;
	struct tls_host h;

	web.policy = TESTING;
	p = ask("sts.test", false);
	assert_int_equal(p->level, TLS_LEVEL_MAY);
	assert_true(span_eq(p->key, SPAN("")));
	assert_int_equal(host(p, "mx.sts.test", &h), 0);
	assert_int_equal(h.level, TLS_LEVEL_MAY);
	assert_false(h.is_must || h.opts.is_verify);
	assert_int_equal(tlspolicy_kind(&h, &good), TLSRPT_SUCCESS);
	assert_int_equal(tlspolicy_kind(&h, &wrong), TLSRPT_CERTIFICATE_HOST_MISMATCH);
	assert_int_equal(host(p, "mx.other.test", &h), 0);
	assert_int_equal(tlspolicy_kind(&h, &good), TLSRPT_VALIDATION_FAILURE);
}

static void a_policy_that_tests_stops_nothing_and_tells_all(void **state)
{
	play(story_testing);
}

static FIBER void story_none(void)
{
	struct tls_policy *p;

	web.policy = NONE;
	p = ask("sts.test", false);
	assert_int_equal(p->level, TLS_LEVEL_MAY);
	assert_null(p->sts);
	assert_why(p->why, "says none");
	assert_int_equal(the_tls_facts.puts, 1);
}

static void mode_none_is_as_if_there_were_no_policy(void **state)
{
	play(story_none);
}

static FIBER void story_records(void)
{
	web.policy = ENFORCE;
	assert_null(ask("none.test", false)->sts);
	assert_null(ask("two.test", false)->sts);
	assert_why(ask("two.test", false)->why, "2 records");
	assert_null(ask("wrong.test", false)->sts);
	assert_null(ask("lost.test", false)->sts);
	assert_int_equal(web.fetches, 0);
	assert_non_null(ask("beside.test", false)->sts);
	assert_int_equal(web.fetches, 1);
}

static void exactly_one_record_announces_a_policy(void **state)
{
	play(story_records);
}

static FIBER void story_unreachable(void)
{
	struct tls_policy *p = ask("sts.test", false);

	/* not there: nothing is known, so mail goes on, and it is told */
	assert_int_equal(p->level, TLS_LEVEL_MAY);
	assert_why(p->why, "cannot be had: nobody answers");
	assert_int_equal(web.fetches, 1);
	/* nor is the server asked again at once */
	ask("sts.test", false);
	assert_int_equal(web.fetches, 1);
	fiber_sleep(TLSPOLICY_FETCH_AGAIN_NS, NULL);
	web.policy = "version: STSv1\n";
	assert_why(ask("sts.test", false)->why, "no mode");
	assert_int_equal(web.fetches, 2);
	fiber_sleep(TLSPOLICY_FETCH_AGAIN_NS, NULL);
	web.policy = NULL;
	web.kind = TLSRPT_STS_WEBPKI_INVALID;
	ask("sts.test", false);
	assert_int_equal(tlspolicy_flush(policy, NULL), 0);
	assert_int_equal(the_tls_facts.count, 3);
	assert_noted("sts  sts-policy-fetch-error 1");
	assert_noted("sts  sts-policy-invalid 1");
	assert_noted("sts  sts-webpki-invalid 1");
	assert_int_equal(the_tls_facts.puts, 0);
}

static void a_policy_that_cannot_be_fetched_is_none_and_noted(void **state)
{
	play(story_unreachable);
}

static void kept(const char *id, int64_t age_ns, int64_t left_ns)
{
	the_tls_facts.sts = (struct sts_fact){.domain = SPAN("sts.test"),
		.id = span_str(id),
		.body = SPAN(ENFORCE),
		.fetched_ns = loop_wall_ns() - age_ns,
		.refreshed_ns = loop_wall_ns() - age_ns,
		.expires_ns = loop_wall_ns() + left_ns};
}

static FIBER void story_kept(void)
{
	struct tls_policy *p;

	kept("1", CLOCK_HOUR, CLOCK_DAY);
	p = ask("sts.test", false);
	assert_int_equal(p->level, TLS_LEVEL_VERIFY);
	assert_int_equal(web.fetches, 0);

	/* a day old: another look, and what is kept holds although nobody answers */
	kept("1", CLOCK_DAY + CLOCK_SEC, CLOCK_DAY);
	p = ask("sts.test", false);
	assert_int_equal(p->level, TLS_LEVEL_VERIFY);
	assert_why(p->why, "(the kept one: nobody answers)");
	assert_int_equal(web.fetches, 1);
	fiber_sleep(TLSPOLICY_FETCH_AGAIN_NS, NULL);
	web.policy = ENFORCE;
	ask("sts.test", false);
	assert_int_equal(web.fetches, 2);
	assert_int_equal(the_tls_facts.puts, 1);

	/* another id: fetched at once, and the new one holds */
	kept("0", CLOCK_SEC, CLOCK_DAY);
	web.policy = TESTING;
	p = ask("sts.test", false);
	assert_int_equal(web.fetches, 3);
	assert_int_equal(p->sts->mode, MTA_STS_TESTING);

	/* stale: it does not hold any more */
	web.policy = NULL;
	kept("1", CLOCK_DAY, -CLOCK_SEC);
	p = ask("sts.test", false);
	assert_null(p->sts);
	assert_int_equal(p->level, TLS_LEVEL_MAY);
	assert_int_equal(web.fetches, 4);
}

static void a_kept_policy_holds_until_it_expires(void **state)
{
	play(story_kept);
}

static FIBER void story_gone(void)
{
	kept("1", CLOCK_HOUR, CLOCK_DAY);
	the_tls_facts.sts.domain = SPAN("none.test");
	assert_int_equal(ask("none.test", false)->level, TLS_LEVEL_VERIFY);
	assert_why(ask("none.test", false)->why, "the record is gone");
	the_tls_facts.sts.domain = SPAN("lost.test");
	assert_int_equal(ask("lost.test", false)->level, TLS_LEVEL_VERIFY);
	assert_int_equal(web.fetches, 0);
}

static void who_takes_the_record_away_does_not_end_the_policy(void **state)
{
	play(story_gone);
}

/* ---- overrides ---- */

static const struct {
	const char *name;
	enum tls_level row;
	const char *domain;
	bool is_mx_secure;
	const char *host;
	enum tls_level level; /* of the host */
	bool is_skipped;
} overrides[] = {
	{"none: not even an offer is taken", TLS_LEVEL_NONE, "sts.test", true, "good.test",
		TLS_LEVEL_NONE},
	{"may: what is published does not count", TLS_LEVEL_MAY, "sts.test", true, "good.test",
		TLS_LEVEL_MAY},
	{"may: broken DANE does not count", TLS_LEVEL_MAY, "none.test", true, "bogus.test",
		TLS_LEVEL_MAY},
	{"encrypt where nothing is published", TLS_LEVEL_ENCRYPT, "none.test", false, "plain.test",
		TLS_LEVEL_ENCRYPT},
	{"encrypt, and MTA-STS is stronger", TLS_LEVEL_ENCRYPT, "sts.test", false, "mx.sts.test",
		TLS_LEVEL_VERIFY},
	{"encrypt, and DANE is stronger", TLS_LEVEL_ENCRYPT, "none.test", true, "good.test",
		TLS_LEVEL_DANE},
	{"verify where nothing is published", TLS_LEVEL_VERIFY, "none.test", false, "plain.test",
		TLS_LEVEL_VERIFY},
	{"verify, and TLSA records that cannot be used", TLS_LEVEL_VERIFY, "none.test", true,
		"unusable.test", TLS_LEVEL_VERIFY},
	{"verify, and broken DANE", TLS_LEVEL_VERIFY, "none.test", true, "bogus.test", 0, true},
	{"dane where there are records", TLS_LEVEL_DANE, "none.test", true, "good.test",
		TLS_LEVEL_DANE},
	{"dane where there are none", TLS_LEVEL_DANE, "none.test", true, "none.test",
		TLS_LEVEL_MAY},
	{"dane-only where there are records", TLS_LEVEL_DANE_ONLY, "none.test", true, "good.test",
		TLS_LEVEL_DANE},
	{"dane-only where there are none", TLS_LEVEL_DANE_ONLY, "none.test", true, "none.test", 0,
		true},
	{"dane-only with records of no use", TLS_LEVEL_DANE_ONLY, "none.test", true,
		"unusable.test", 0, true},
	{"dane-only without a signed MX", TLS_LEVEL_DANE_ONLY, "none.test", false, "good.test", 0,
		true},
};

static FIBER void story_overrides(void)
{
	web.policy = ENFORCE;
	for (size_t i = 0; i < ARRAY_LEN(overrides); i++) {
		struct tls_policy *p;
		struct tls_host h;
		struct err e = {0};
		int rc;

		override(overrides[i].domain, overrides[i].row);
		p = ask(overrides[i].domain, overrides[i].is_mx_secure);
		assert_why(p->why, "the override for");
		rc = tlspolicy_host(policy, arena, p, span_str(overrides[i].host), 25, &h, &e);
		if (rc != (overrides[i].is_skipped ? -1 : 0) ||
			(rc == 0 && h.level != overrides[i].level))
			fail_msg("%s: %d %s (%s)", overrides[i].name, rc, tls_level_str(h.level),
				e.text);
	}
}

static void overrides_raise_and_two_of_them_lower(void **state)
{
	play(story_overrides);
}

static FIBER void story_switches(void)
{
	web.policy = ENFORCE;
	opts.is_dane_off = opts.is_sts_off = true;
	tlspolicy_free(&policy);
	policy = tlspolicy_new(&opts);
	assert_false(ask("none.test", true)->is_dane);
	assert_null(ask("sts.test", false)->sts);
	override("none.test", TLS_LEVEL_DANE);
	assert_true(ask("none.test", true)->is_dane);
}

static void switched_off_dane_comes_back_where_a_row_asks(void **state)
{
	play(story_switches);
}

static FIBER void story_fixed(void)
{
	struct tlspolicy_ask a = {.destination = SPAN("[good.test]:25"), .is_fixed = true};
	struct tls_policy *p = ask_with(&a);
	struct tls_host h;

	/* RFC 7672 section 2.2.2: a host that we chose needs no MX to be believed. */
	assert_int_equal(host(p, "good.test", &h), 0);
	assert_int_equal(h.level, TLS_LEVEL_DANE);
	assert_null(p->sts);
	assert_true(tlspolicy_is_current(policy, p));
	override("[good.test]:25", TLS_LEVEL_NONE);
	assert_false(tlspolicy_is_current(policy, p));
	p = ask_with(&a);
	assert_int_equal(host(p, "good.test", &h), 0);
	assert_int_equal(h.level, TLS_LEVEL_NONE);
}

static void a_chosen_next_hop_has_dane_and_rows_of_its_own(void **state)
{
	play(story_fixed);
}

/* ---- what the letter says ---- */

static FIBER void story_requiretls(void)
{
	struct tlspolicy_ask a = {.destination = SPAN("none.test"), .is_requiretls = true};
	struct tls_policy *p = ask_with(&a);
	struct tls_host h;
	struct err e = {0};

	/* nobody says that this host is the domain's */
	assert_int_equal(tlspolicy_host(policy, arena, p, SPAN("plain.test"), 25, &h, &e), -1);
	assert_int_equal(e.again, ERR_AGAIN_NEVER);
	assert_int_equal(e.enh_class * 10000 + e.enh_subject * 100 + e.enh_detail, 50730);
	/* DNSSEC does: a known authority's word for the certificate is enough */
	a.is_mx_secure = true;
	p = ask_with(&a);
	assert_true(span_eq(p->key, SPAN("verify+dane+requiretls")));
	assert_int_equal(host(p, "plain.test", &h), 0);
	assert_int_equal(h.level, TLS_LEVEL_VERIFY);
	assert_int_equal(host(p, "good.test", &h), 0);
	assert_int_equal(h.level, TLS_LEVEL_DANE);
	/* broken DANE may be well again tomorrow */
	assert_int_equal(tlspolicy_host(policy, arena, p, SPAN("bogus.test"), 25, &h, &e), -1);
	assert_int_equal(e.again, ERR_AGAIN_LATER);
	/* MTA-STS does, even one that only tests */
	web.policy = TESTING;
	a = (struct tlspolicy_ask){.destination = SPAN("sts.test"), .is_requiretls = true};
	p = ask_with(&a);
	assert_int_equal(host(p, "mx.sts.test", &h), 0);
	assert_int_equal(h.level, TLS_LEVEL_VERIFY);
	assert_int_equal(host(p, "mx.other.test", &h), -1);
	/* no row lowers it */
	override("sts.test", TLS_LEVEL_NONE);
	p = ask_with(&a);
	assert_int_equal(p->level, TLS_LEVEL_VERIFY);
}

static void requiretls_wants_a_host_that_is_known(void **state)
{
	play(story_requiretls);
}

static FIBER void story_optional(void)
{
	struct tlspolicy_ask a = {
		.destination = SPAN("sts.test"), .is_mx_secure = true, .is_tls_optional = true};
	struct tls_policy *p;
	struct tls_host h;
	struct err e = {0};

	web.policy = ENFORCE;
	p = ask_with(&a);
	assert_true(span_eq(p->key, SPAN("+optional")));
	assert_int_equal(tlspolicy_host(policy, arena, p, SPAN("bogus.test"), 25, &h, &e), 0);
	assert_int_equal(h.level, TLS_LEVEL_MAY);
	assert_int_equal(tlspolicy_host(policy, arena, p, SPAN("mx.other.test"), 25, &h, &e), 0);
	/* what this machine's administrator says is not published */
	override("sts.test", TLS_LEVEL_ENCRYPT);
	assert_int_equal(ask_with(&a)->level, TLS_LEVEL_ENCRYPT);
	/* and REQUIRETLS wins */
	a.is_requiretls = true;
	assert_true(ask_with(&a)->is_requiretls);
	assert_false(ask_with(&a)->is_tls_optional);
}

static void tls_required_no_passes_over_what_is_published(void **state)
{
	play(story_optional);
}

/* ---- results ---- */

static FIBER void story_notes(void)
{
	struct tls_policy *p = ask("none.test", false);
	struct tls_host h;

	assert_int_equal(host(p, "plain.test", &h), 0);
	for (int i = 0; i < 1000; i++)
		tlspolicy_note(policy, p, &h, TLSRPT_SUCCESS, SPAN("192.0.2.1"), SPAN_NONE);
	tlspolicy_note(policy, p, &h, TLSRPT_STARTTLS_NOT_SUPPORTED, SPAN("192.0.2.1"),
		SPAN("not offered"));
	assert_int_equal(the_tls_facts.adds, 0);
	assert_int_equal(tlspolicy_flush(policy, NULL), 0);
	assert_int_equal(the_tls_facts.adds, 1);
	assert_noted("no-policy-found plain.test success 1000");
	assert_noted("no-policy-found plain.test starttls-not-supported 1");
	assert_int_equal(tlspolicy_flush(policy, NULL), 0);
	assert_int_equal(the_tls_facts.adds, 1);
}

static void a_thousand_sessions_are_one_row(void **state)
{
	play(story_notes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tlsa_records_decide_under_a_signed_mx),
		cmocka_unit_test(without_a_signed_mx_there_is_no_dane),
		cmocka_unit_test(an_enforced_policy_demands_a_verified_host_it_names),
		cmocka_unit_test(tlsa_records_win_over_mta_sts),
		cmocka_unit_test(a_policy_that_tests_stops_nothing_and_tells_all),
		cmocka_unit_test(mode_none_is_as_if_there_were_no_policy),
		cmocka_unit_test(exactly_one_record_announces_a_policy),
		cmocka_unit_test(a_policy_that_cannot_be_fetched_is_none_and_noted),
		cmocka_unit_test(a_kept_policy_holds_until_it_expires),
		cmocka_unit_test(who_takes_the_record_away_does_not_end_the_policy),
		cmocka_unit_test(overrides_raise_and_two_of_them_lower),
		cmocka_unit_test(switched_off_dane_comes_back_where_a_row_asks),
		cmocka_unit_test(a_chosen_next_hop_has_dane_and_rows_of_its_own),
		cmocka_unit_test(requiretls_wants_a_host_that_is_known),
		cmocka_unit_test(tls_required_no_passes_over_what_is_published),
		cmocka_unit_test(a_thousand_sessions_are_one_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
