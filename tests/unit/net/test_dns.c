/* OpenSSL's names first (net/tls_priv.h says why); it signs the answers here. */
#include "net/tls_priv.h"

#include "dns_server.h"

#include <time.h>

#include "base/enc.h"
#include "lib/scratch.h"
#include "net/dns.h"

/* ---- what the test's server says ---- */

static void say_mx(struct dns_reply *r, const char *owner, unsigned pref, struct span wire_name)
{
	struct buf b;

	buf_init(&b, 1000);
	dns_put16(&b, pref);
	buf_span_put(&b, wire_name);
	dns_put_rr(r, owner, DNS_MX, 77, buf_span(&b));
	buf_fini(&b);
}

static void say_hosts(const char *name, uint16_t type, struct dns_reply *r)
{
	static const unsigned char six[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 7};
	unsigned char four[4] = {192, 0, 2, 1};

	if (strcmp(name, "host.test") == 0 && type == DNS_A)
		dns_put_rr(r, name, type, 300, span_of(four, 4));
	else if (strcmp(name, "host.test") == 0 && type == DNS_AAAA)
		dns_put_rr(r, name, type, 300, span_of(six, 16));
	else if (strcmp(name, "alias.test") == 0) {
		struct buf b;

		buf_init(&b, 300);
		dns_put_name(&b, "host.test");
		dns_put_rr(r, name, DNS_CNAME, 60, buf_span(&b));
		dns_put_rr(r, "host.test", DNS_A, 300, span_of(four, 4));
		buf_fini(&b);
	} else if (strcmp(name, "many.test") == 0) {
		for (int i = 0; i < 200; i++) {
			four[2] = (unsigned char)(i + 1);
			dns_put_rr(r, name, DNS_A, 60, span_of(four, 4));
		}
	} else {
		dns_put_soa(r, "test");
	}
}

static void say_mail(const char *name, uint16_t type, struct dns_reply *r)
{
	if (type != DNS_MX) {
		dns_put_soa(r, "test");
	} else if (strcmp(name, "mail.test") == 0) {
		say_mx(r, name, 20, span_of("\4back\4test", 11));
		say_mx(r, name, 10, span_of("\4main\4test", 11));
	} else if (strcmp(name, "null.mail.test") == 0) {
		say_mx(r, name, 0, span_of("\0", 1));
	} else if (strcmp(name, "mixed.mail.test") == 0) {
		say_mx(r, name, 10, span_of("\5a\r\nb.\4test", 12));
		say_mx(r, name, 20, span_of("\4good\4test", 11));
	} else if (strcmp(name, "evil.mail.test") == 0) {
		say_mx(r, name, 10, span_of("\5a b.c\4test", 12));
		say_mx(r, name, 20, span_of("\4\0\0\0\0\4test", 11));
	}
}

static void say_test(struct dns_server *s, const char *name, uint16_t type, struct dns_reply *r)
{
	struct span n = span_str(name);

	if (strcmp(name, "drop.test") == 0) {
		r->is_silent = true;
	} else if (strcmp(name, "servfail.test") == 0) {
		r->rcode = 2;
	} else if (strcmp(name, "gone.test") == 0) {
		r->rcode = 3;
		dns_put_soa(r, "test");
	} else if (strcmp(name, "txt.test") == 0) {
		dns_put_rr(r, name, DNS_TXT, 60, span_of("\5v=spf\4 all\0\2-x", 15));
		dns_put_rr(r, name, DNS_TXT, 60, span_of("\1a", 2));
	} else if (strcmp(name, "evil.txt.test") == 0) {
		dns_put_rr(r, name, DNS_TXT, 60, span_of("\377short", 6));
	} else if (strcmp(name, "_25._tcp.host.test") == 0) {
		dns_put_rr(r, name, DNS_TLSA, 60,
			span_of("\3\1\1 0123456789abcdef0123456789abcde", 35));
		dns_put_rr(r, name, DNS_TLSA, 60, span_of("\3\1\1", 3));
	} else if (strcmp(name, "7.2.0.192.in-addr.arpa") == 0) {
		dns_put_rr(r, name, DNS_PTR, 60, span_of("\4host\4test", 11));
	} else if (strcmp(name, "1.0.0.10.in-addr.arpa") == 0) {
		dns_put_rr(r, name, DNS_PTR, 60, span_of("\3lan\4test", 10));
	} else if (strcmp(name, "_smtp._tcp.test") == 0) {
		dns_put_rr(r, name, DNS_SRV, 60, span_of("\0\1\0\2\0\31\4host\4test", 17));
	} else if (span_ends_nocase(n, SPAN("mail.test"))) {
		say_mail(name, type, r);
	} else {
		say_hosts(name, type, r);
	}
}

/* ---- fixture ---- */

struct dns_play {
	struct dns_server server;
	struct dns *dns;
	struct arena *a;
	struct dns_answer ans;
	char forwarder[32];
};

static struct dns *open_dns(struct dns_play *p, const char *anchor_file, bool is_dnssec_off)
{
	const char *forwarders[] = {p->forwarder};
	struct dns_opts o = {.forwarders = forwarders,
		.forwarder_count = 1,
		.trust_anchor_file = anchor_file,
		.is_dnssec_off = is_dnssec_off};
	struct err e = {0};
	struct dns *d;

	snprintf(p->forwarder, sizeof(p->forwarder), "127.0.0.1:%u", p->server.port);
	d = dns_new(&o, &e);
	if (!d)
		fail_msg("%s", e.text);
	return d;
}

static void play_run(int (*fn)(void *arg), struct dns_play *p)
{
	p->server.answer = say_test;
	p->server.arg = p;
	dns_server_start(&p->server);
	p->dns = open_dns(p, NULL, true);
	p->a = arena_new();
	test_run_real(fn, p);
	arena_free(&p->a);
	dns_free(&p->dns);
	dns_server_stop(&p->server);
}

static FIBER enum dns_status ask(struct dns_play *p, const char *name, enum dns_type type)
{
	struct err e = {0};

	assert_int_equal(dns_query(p->dns, p->a, span_str(name), type,
				 loop_now_ns() + 10 * CLOCK_SEC, &p->ans, &e),
		0);
	return p->ans.status;
}

static void shown_addr(const struct addr *a, const char *want)
{
	struct buf b;

	buf_init(&b, 100);
	addr_put_ip(&b, a);
	assert_string_equal(buf_cstr(&b), want);
	buf_fini(&b);
}

/* ---- answers ---- */

static FIBER int answers_main(void *arg)
{
	struct dns_play *p = arg;

	assert_int_equal(ask(p, "host.test", DNS_A), DNS_OK);
	assert_int_equal(p->ans.count, 1);
	assert_false(p->ans.is_secure);
	assert_in_range(p->ans.ttl, 295, 300);
	assert_int_equal(p->ans.canonical.len, 0);
	shown_addr(&p->ans.rr[0].addr, "192.0.2.1");
	assert_int_equal(ask(p, "HOST.Test.", DNS_AAAA), DNS_OK);
	shown_addr(&p->ans.rr[0].addr, "2001:db8::7");
	assert_int_equal(ask(p, "host.test", DNS_MX), DNS_NODATA);
	assert_int_equal(p->ans.count, 0);
	assert_int_equal(ask(p, "gone.test", DNS_A), DNS_NXDOMAIN);
	assert_int_equal(ask(p, "servfail.test", DNS_A), DNS_FAIL);
	assert_int_equal(ask(p, "alias.test", DNS_A), DNS_OK);
	assert_int_equal(p->ans.count, 1);
	assert_span_equal(p->ans.canonical, "host.test");
	assert_in_range(p->ans.ttl, 55, 60);
	assert_int_equal(ask(p, "alias.test", DNS_CNAME), DNS_OK);
	assert_span_equal(p->ans.rr[0].name, "host.test");

	assert_int_equal(ask(p, "mail.test", DNS_MX), DNS_OK);
	assert_int_equal(p->ans.count, 2);
	for (size_t i = 0; i < 2; i++)
		assert_span_equal(
			p->ans.rr[i].name, p->ans.rr[i].pref == 10 ? "main.test" : "back.test");
	assert_int_equal(p->ans.rr[0].pref + p->ans.rr[1].pref, 30);
	assert_in_range(p->ans.ttl, 70, 77);
	/* RFC 7505: the null MX names the root. */
	assert_int_equal(ask(p, "null.mail.test", DNS_MX), DNS_OK);
	assert_int_equal(p->ans.count, 1);
	assert_int_equal(p->ans.rr[0].pref, 0);
	assert_int_equal(p->ans.rr[0].name.len, 0);

	assert_int_equal(ask(p, "txt.test", DNS_TXT), DNS_OK);
	assert_int_equal(p->ans.count, 2);
	assert_span_equal(p->ans.rr[p->ans.rr[0].text.len == 1 ? 1 : 0].text, "v=spf all-x");
	assert_int_equal(ask(p, "_smtp._tcp.test", DNS_SRV), DNS_OK);
	assert_int_equal(p->ans.rr[0].pref, 1);
	assert_int_equal(p->ans.rr[0].weight, 2);
	assert_int_equal(p->ans.rr[0].port, 25);
	assert_span_equal(p->ans.rr[0].name, "host.test");
	assert_int_equal(ask(p, "7.2.0.192.in-addr.arpa", DNS_PTR), DNS_OK);
	assert_span_equal(p->ans.rr[0].name, "host.test");
	/* A private network's names come from the forwarder too. */
	assert_int_equal(ask(p, "1.0.0.10.in-addr.arpa", DNS_PTR), DNS_OK);
	assert_span_equal(p->ans.rr[0].name, "lan.test");
	return 0;
}

static void answers_are_told_apart(void **state)
{
	struct dns_play p = {0};

	play_run(answers_main, &p);
}

static FIBER int hostile_main(void *arg)
{
	struct dns_play *p = arg;

	/* 200 records come by TCP and are capped. */
	assert_int_equal(ask(p, "many.test", DNS_A), DNS_OK);
	assert_int_equal(p->ans.count, DNS_RR_MAX);
	assert_true(atomic_load(&p->server.over_tcp) > 0);
	/* A malformed record is dropped; when nothing is left the answer is none. */
	assert_int_equal(ask(p, "mixed.mail.test", DNS_MX), DNS_OK);
	assert_int_equal(p->ans.count, 1);
	assert_span_equal(p->ans.rr[0].name, "good.test");
	assert_int_equal(ask(p, "evil.mail.test", DNS_MX), DNS_FAIL);
	assert_int_equal(p->ans.count, 0);
	assert_int_equal(ask(p, "evil.txt.test", DNS_TXT), DNS_FAIL);
	assert_int_equal(ask(p, "_25._tcp.host.test", DNS_TLSA), DNS_OK);
	assert_int_equal(p->ans.count, 1);
	assert_int_equal(p->ans.rr[0].data.len, 35);
	return 0;
}

static void hostile_records_are_capped_and_dropped(void **state)
{
	struct dns_play p = {0};

	play_run(hostile_main, &p);
}

static FIBER int names_main(void *arg)
{
	static const char *const bad[] = {
		"", "..", ".a", "a..b", "a b", "a\nb", "a\\b", "\"a\"", "\xc3\xa4.test"};
	struct dns_play *p = arg;
	char text[300];
	struct err e = {0};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(dns_query(p->dns, p->a, span_str(bad[i]), DNS_A,
					 loop_now_ns() + CLOCK_SEC, &p->ans, &e),
			-1);
		assert_int_equal(e.code, ERR_SYNTAX);
	}
	assert_int_equal(dns_query(p->dns, p->a, span_of("a\0b", 3), DNS_A,
				 loop_now_ns() + CLOCK_SEC, &p->ans, &e),
		-1);
	memset(text, 'a', sizeof(text));
	assert_int_equal(dns_query(p->dns, p->a, span_of(text, 64), DNS_A,
				 loop_now_ns() + CLOCK_SEC, &p->ans, &e),
		-1);
	for (size_t i = 60; i < sizeof(text); i += 61)
		text[i] = '.';
	assert_int_equal(dns_query(p->dns, p->a, span_of(text, 254), DNS_A,
				 loop_now_ns() + CLOCK_SEC, &p->ans, &e),
		-1);
	assert_int_equal(atomic_load(&p->server.queries), 0);
	assert_int_equal(dns_query(p->dns, p->a, span_of(text, 253), DNS_A,
				 loop_now_ns() + CLOCK_SEC, &p->ans, &e),
		0);
	return 0;
}

static void what_is_no_name_is_not_asked(void **state)
{
	struct dns_play p = {0};

	play_run(names_main, &p);
}

/* ---- patience ---- */

static FIBER int deadline_main(void *arg)
{
	struct dns_play *p = arg;
	struct err e = {0};
	int64_t began = loop_now_ns(), took;

	assert_int_equal(dns_query(p->dns, p->a, SPAN("drop.test"), DNS_A, began + 300 * CLOCK_MS,
				 &p->ans, &e),
		0);
	took = loop_now_ns() - began;
	assert_int_equal(p->ans.status, DNS_FAIL);
	assert_in_range(took / CLOCK_MS, 299, 1500);
	/* A deadline that has passed already is no different. */
	assert_int_equal(dns_query(p->dns, p->a, SPAN("drop.test"), DNS_A, 1, &p->ans, &e), 0);
	assert_int_equal(p->ans.status, DNS_FAIL);
	/* And the resolver goes on working. */
	assert_int_equal(ask(p, "host.test", DNS_A), DNS_OK);
	return 0;
}

static void dropped_packets_end_at_the_deadline(void **state)
{
	struct dns_play p = {0};

	play_run(deadline_main, &p);
}

struct asker {
	struct dns_play *p;
	const char *name;
	int rc;
	enum err_code code;
	enum dns_status status;
};

static FIBER int ask_fiber(void *arg)
{
	struct asker *k = arg;
	struct arena *a = arena_new();
	struct dns_answer ans;
	struct err e = {0};

	k->rc = dns_query(
		k->p->dns, a, span_str(k->name), DNS_A, loop_now_ns() + 20 * CLOCK_SEC, &ans, &e);
	k->code = e.code;
	k->status = ans.status;
	arena_free(&a);
	return 0;
}

static FIBER int cancel_main(void *arg)
{
	struct dns_play *p = arg;
	struct asker askers[40];
	struct fiber_group g;
	struct err e = {0};
	int64_t began = loop_now_ns();

	fiber_group_init(&g);
	for (size_t i = 0; i < ARRAY_LEN(askers); i++) {
		askers[i] = (struct asker){.p = p, .name = "drop.test"};
		assert_int_equal(fiber_start(&g, "ask", ask_fiber, &askers[i], &e), 0);
	}
	assert_int_equal(fiber_sleep(50 * CLOCK_MS, &e), 0);
	fiber_group_cancel(&g);
	fiber_group_join(&g);
	for (size_t i = 0; i < ARRAY_LEN(askers); i++) {
		assert_int_equal(askers[i].rc, -1);
		assert_int_equal(askers[i].code, ERR_CANCELLED);
	}
	assert_true(loop_now_ns() - began < 5 * CLOCK_SEC);
	return 0;
}

static void queries_can_be_cancelled(void **state)
{
	struct dns_play p = {0};

	play_run(cancel_main, &p);
}

#define ASKERS 300

static FIBER int crowd_main(void *arg)
{
	struct dns_play *p = arg;
	struct asker *askers = mem_alloc(ASKERS * sizeof(*askers));
	struct fiber_group g;
	struct err e = {0};

	fiber_group_init(&g);
	for (size_t i = 0; i < ASKERS; i++) {
		askers[i] = (struct asker){.p = p, .name = i % 2 ? "host.test" : "gone.test"};
		assert_int_equal(fiber_start(&g, "ask", ask_fiber, &askers[i], &e), 0);
	}
	fiber_group_join(&g);
	for (size_t i = 0; i < ASKERS; i++) {
		assert_int_equal(askers[i].rc, 0);
		assert_int_equal(askers[i].status, i % 2 ? DNS_OK : DNS_NXDOMAIN);
	}
	/* The cache served all but the first ones. */
	assert_true(atomic_load(&p->server.queries) < 20);
	free(askers);
	return 0;
}

static void many_ask_at_once(void **state)
{
	struct dns_play p = {0};

	play_run(crowd_main, &p);
}

/* ---- signatures ---- */

#define ALG_ECDSAP256 13

struct signer {
	EVP_PKEY *key;
	struct buf dnskey; /* RDATA */
	char anchor[SCRATCH_MAX + 16];
	uint16_t tag;
};

static void signer_init(struct signer *s, const char *dir)
{
	unsigned char point[65];
	size_t len = 0;
	struct buf text;
	uint32_t sum = 0;
	struct span rdata;
	FILE *f;

	s->key = EVP_EC_gen("P-256");
	assert_non_null(s->key);
	assert_int_equal(
		EVP_PKEY_get_octet_string_param(s->key, "pub", point, sizeof(point), &len), 1);
	assert_int_equal(len, 65);
	buf_init(&s->dnskey, 1000);
	dns_put16(&s->dnskey, 257);
	buf_char(&s->dnskey, 3);
	buf_char(&s->dnskey, ALG_ECDSAP256);
	buf_put(&s->dnskey, point + 1, 64);
	/* RFC 4034 appendix B: the key tag */
	rdata = buf_span(&s->dnskey);
	for (size_t i = 0; i < rdata.len; i++)
		sum += i & 1 ? (unsigned char)rdata.ptr[i]
			     : (uint32_t)(unsigned char)rdata.ptr[i] << 8;
	s->tag = (uint16_t)(sum + (sum >> 16));
	buf_init(&text, 1000);
	buf_str(&text, "sec.example. IN DNSKEY 257 3 13 ");
	enc_put_base64(&text, span_skip(rdata, 4));
	buf_char(&text, '\n');
	snprintf(s->anchor, sizeof(s->anchor), "%s/anchor", dir);
	f = fopen(s->anchor, "w");
	assert_non_null(f);
	fputs(buf_cstr(&text), f);
	fclose(f);
	buf_fini(&text);
}

static void signer_fini(struct signer *s)
{
	EVP_PKEY_free(s->key);
	buf_fini(&s->dnskey);
}

/* r and s of fixed width in place of DER (RFC 6605 section 4). */
static void put_signature(struct signer *s, struct span bytes, struct buf *out)
{
	unsigned char der[128], raw[64];
	const unsigned char *at = der;
	size_t len = sizeof(der);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	ECDSA_SIG *sig;

	assert_int_equal(EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, s->key), 1);
	assert_int_equal(
		EVP_DigestSign(md, der, &len, (const unsigned char *)bytes.ptr, bytes.len), 1);
	EVP_MD_CTX_free(md);
	sig = d2i_ECDSA_SIG(NULL, &at, (long)len);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, 32), 32);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + 32, 32), 32);
	ECDSA_SIG_free(sig);
	buf_put(out, raw, 64);
}

/* A record and its RRSIG (RFC 4034 section 3); `labels` as in the owner's name. */
static void say_signed(struct signer *s, struct dns_reply *r, const char *owner, uint16_t type,
	unsigned labels, struct span rdata, bool is_false)
{
	uint32_t now = (uint32_t)time(NULL);
	struct buf sig, all;

	buf_init(&sig, 1000);
	buf_init(&all, 4000);
	dns_put16(&sig, type);
	buf_char(&sig, ALG_ECDSAP256);
	buf_char(&sig, (char)labels);
	dns_put32(&sig, 60);
	dns_put32(&sig, now + 3600);
	dns_put32(&sig, now - 3600);
	dns_put16(&sig, s->tag);
	dns_put_name(&sig, "sec.example");
	buf_span_put(&all, buf_span(&sig));
	dns_put_name(&all, owner);
	dns_put16(&all, type);
	dns_put16(&all, 1);
	dns_put32(&all, is_false ? 61 : 60);
	dns_put16(&all, (unsigned)rdata.len);
	buf_span_put(&all, rdata);
	put_signature(s, buf_span(&all), &sig);
	dns_put_rr(r, owner, type, 60, rdata);
	dns_put_rr(r, owner, 46, 60, buf_span(&sig));
	buf_fini(&sig);
	buf_fini(&all);
}

static void say_secure(struct dns_server *s, const char *name, uint16_t type, struct dns_reply *r)
{
	struct signer *k = s->arg;

	if (strcmp(name, "sec.example") == 0 && type == 48)
		say_signed(k, r, name, type, 2, buf_span(&k->dnskey), false);
	else if (strcmp(name, "good.sec.example") == 0 && type == DNS_A)
		say_signed(k, r, name, type, 3, SPAN("\1\2\3\4"), false);
	else if (strcmp(name, "false.sec.example") == 0 && type == DNS_A)
		say_signed(k, r, name, type, 3, SPAN("\1\2\3\4"), true);
	else if (strcmp(name, "bare.sec.example") == 0 && type == DNS_A)
		dns_put_rr(r, name, type, 60, SPAN("\1\2\3\4"));
	else
		say_test(s, name, type, r);
}

static FIBER int secure_main(void *arg)
{
	struct dns_play *p = arg;

	assert_int_equal(ask(p, "good.sec.example", DNS_A), DNS_OK);
	assert_true(p->ans.is_secure);
	shown_addr(&p->ans.rr[0].addr, "1.2.3.4");
	assert_int_equal(ask(p, "false.sec.example", DNS_A), DNS_BOGUS);
	assert_int_equal(p->ans.count, 0);
	assert_int_equal(ask(p, "bare.sec.example", DNS_A), DNS_BOGUS);
	/* Outside the signed zone nothing is promised. */
	assert_int_equal(ask(p, "host.test", DNS_A), DNS_OK);
	assert_false(p->ans.is_secure);
	return 0;
}

static void signatures_are_checked(void **state)
{
	struct dns_play p = {0};
	struct signer k = {0};
	char dir[SCRATCH_MAX];

	assert_true(scratch_new(dir));
	signer_init(&k, dir);
	p.server.answer = say_secure;
	p.server.arg = &k;
	dns_server_start(&p.server);
	p.dns = open_dns(&p, k.anchor, false);
	p.a = arena_new();
	test_run_real(secure_main, &p);
	arena_free(&p.a);
	dns_free(&p.dns);
	dns_server_stop(&p.server);
	signer_fini(&k);
	assert_true(scratch_remove(dir));
}

static void wrong_settings_are_told(void **state)
{
	static const char *const bad[] = {
		"localhost", "127.0.0.1@", "127.0.0.1@99999", "unix:/x", "@53", "example.org@53"};
	struct err e = {0};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct dns_opts o = {.forwarders = &bad[i], .forwarder_count = 1};

		assert_null(dns_new(&o, &e));
		assert_non_null(strstr(e.text, "DNS"));
	}
	assert_null(dns_new(&(struct dns_opts){.trust_anchor_file = "/nowhere/key"}, &e));
	assert_non_null(strstr(e.text, "/nowhere/key"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_told_apart),
		cmocka_unit_test(hostile_records_are_capped_and_dropped),
		cmocka_unit_test(what_is_no_name_is_not_asked),
		cmocka_unit_test(dropped_packets_end_at_the_deadline),
		cmocka_unit_test(queries_can_be_cancelled),
		cmocka_unit_test(many_ask_at_once),
		cmocka_unit_test(signatures_are_checked),
		cmocka_unit_test(wrong_settings_are_told),
	};

	return cmocka_run_group_tests_name("net/dns", tests, NULL, NULL);
}
