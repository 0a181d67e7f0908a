/* The carrier and TLS: who gets a letter, under which policy, with which certificate. Real handshakes on
 * a simulated loop. */

/* OpenSSL's names first (net/tls_priv.h says why). */
#include "net/tls_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/enc.h"
#include "lib/scratch.h"
#include "net/dns.h"
#include "services/fake_spool.h"
#include "services/outbound/outbound.h"
#include "services/router/destination.h"
#include "services/tlspolicy/tlspolicy.h"

#define WALL (1795000000 * CLOCK_SEC)

/* ---- certificates ---- */

enum { GOOD, WRONG_NAME, UNKNOWN, CERTS }; /* the first two are authorities for themselves */

static struct {
	char cert[CERTS][SCRATCH_MAX + 16], key[CERTS][SCRATCH_MAX + 16];
	char ca[SCRATCH_MAX + 16];
	char tlsa[CERTS][80]; /* "030101..." */
	struct tls_server *server[CERTS];
	struct tls_client *client;
} fix;
static char fix_dir[SCRATCH_MAX];

static void make_tlsa(int i)
{
	FILE *f = fopen(fix.cert[i], "r");
	X509 *x = PEM_read_X509(f, NULL, NULL, NULL);
	unsigned char *der = NULL, digest[EVP_MAX_MD_SIZE];
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
	unsigned n;
	struct buf b;

	assert_int_equal(EVP_Digest(der, (size_t)len, digest, &n, EVP_sha256(), NULL), 1);
	buf_init(&b, sizeof(fix.tlsa[i]) - 1);
	buf_str(&b, "030101");
	enc_put_hex(&b, span_of(digest, n));
	assert_true(buf_ok(&b));
	snprintf(fix.tlsa[i], sizeof(fix.tlsa[i]), "%s", buf_cstr(&b));
	buf_fini(&b);
	OPENSSL_free(der);
	X509_free(x);
	fclose(f);
}

static void add_authority(FILE *to, const char *file)
{
	FILE *f = fopen(file, "r");
	int c;

	while ((c = fgetc(f)) != EOF)
		fputc(c, to);
	fclose(f);
}

static int set_up(void **state)
{
	static const char *const names[] = {
		"mx1.there.test,mx2.there.test", "other.test", "mx1.there.test,mx2.there.test"};
	struct err e = {0};
	FILE *ca;

	assert_true(scratch_new(fix_dir));
	for (int i = 0; i < CERTS; i++) {
		struct tls_cert_files files = {.cert = fix.cert[i], .key = fix.key[i]};
		struct tls_server_opts o = {.service = "smtp", .certs = &files, .cert_count = 1};

		snprintf(fix.cert[i], sizeof(fix.cert[i]), "%s/c%d.pem", fix_dir, i);
		snprintf(fix.key[i], sizeof(fix.key[i]), "%s/k%d.pem", fix_dir, i);
		assert_int_equal(tls_make_self_signed(names[i], fix.cert[i], fix.key[i], &e), 0);
		fix.server[i] = tls_server_new(&o, &e);
		assert_non_null(fix.server[i]);
		make_tlsa(i);
	}
	snprintf(fix.ca, sizeof(fix.ca), "%s/ca.pem", fix_dir);
	ca = fopen(fix.ca, "w");
	add_authority(ca, fix.cert[GOOD]);
	add_authority(ca, fix.cert[WRONG_NAME]);
	fclose(ca);
	fix.client = tls_client_new(
		&(struct tls_client_opts){.alpn = "smtp", .ca_file = fix.ca}, &e);
	assert_non_null(fix.client);
	return 0;
}

static int tear_down(void **state)
{
	for (int i = 0; i < CERTS; i++)
		tls_server_free(&fix.server[i]);
	tls_client_free(&fix.client);
	return scratch_remove(fix_dir) ? 0 : -1;
}

/* ---- the peer ---- */

struct peer {
	const char *address;
	int cert;
	bool is_without_tls; /* STARTTLS is not offered */
	bool is_refused;     /* and answered with 454 */
	bool is_broken;      /* and no handshake comes of it */
	bool is_requiretls;  /* REQUIRETLS is offered */
	/* seen */
	unsigned sessions, mails_clear, mails_tls, asked;
	struct net_listener *listener;
	struct fiber_group g;
};

struct talk {
	struct peer *peer;
	struct stream *s;
	bool is_tls, is_closed;
};

static void reply_ehlo(struct talk *t)
{
	stream_printf(t->s, "250-peer.test\r\n");
	if (!t->is_tls && !t->peer->is_without_tls)
		stream_printf(t->s, "250-STARTTLS\r\n");
	if (t->is_tls && t->peer->is_requiretls)
		stream_printf(t->s, "250-REQUIRETLS\r\n");
	stream_printf(t->s, "250 PIPELINING\r\n");
}

static FIBER void start_tls(struct talk *t)
{
	if (t->peer->is_refused) {
		stream_printf(t->s, "454 4.7.0 not now\r\n");
		return;
	}
	stream_printf(t->s, "220 go\r\n");
	if (t->peer->is_broken) {
		stream_printf(t->s, "what is this?\r\n");
		stream_flush(t->s, NULL);
		fiber_sleep(CLOCK_SEC, NULL);
		t->is_closed = true;
		return;
	}
	t->is_closed = tls_accept(t->s, fix.server[t->peer->cert], NULL) < 0;
	t->is_tls = true;
}

static FIBER void take_data(struct talk *t)
{
	struct span line;

	stream_printf(t->s, "354 go on\r\n");
	while (stream_read_line(t->s, 4096, &line, NULL, NULL) == 0)
		if (span_eq(line, SPAN("."))) {
			stream_printf(t->s, "250 2.0.0 taken\r\n");
			return;
		}
	t->is_closed = true;
}

static FIBER void command(struct talk *t, struct span line)
{
	struct span rest = line, verb = span_word(&rest);

	if (span_eq(verb, SPAN("EHLO"))) {
		reply_ehlo(t);
	} else if (span_eq(verb, SPAN("STARTTLS"))) {
		start_tls(t);
	} else if (span_eq(verb, SPAN("DATA"))) {
		take_data(t);
	} else if (span_eq(verb, SPAN("QUIT"))) {
		stream_printf(t->s, "221 bye\r\n");
		t->is_closed = true;
	} else {
		if (span_eq(verb, SPAN("MAIL"))) {
			*(t->is_tls ? &t->peer->mails_tls : &t->peer->mails_clear) += 1;
			t->peer->asked += span_find_span(line, SPAN(" REQUIRETLS")) >= 0;
		}
		stream_printf(t->s, "250 ok\r\n");
	}
}

static FIBER int converse(void *arg)
{
	struct talk *t = arg;
	struct span line;

	stream_printf(t->s, "220 peer.test\r\n");
	t->s->deadline_ns = loop_now_ns() + CLOCK_HOUR;
	while (!t->is_closed && stream_read_line(t->s, 4096, &line, NULL, NULL) == 0)
		command(t, line);
	stream_flush(t->s, NULL);
	stream_free(&t->s);
	free(t);
	return 0;
}

static FIBER int accept_all(void *arg)
{
	struct peer *peer = arg;

	for (;;) {
		struct talk *t = NEW(struct talk);

		t->peer = peer;
		if (net_accept(peer->listener, NULL, &t->s, NULL) < 0) {
			free(t);
			return 0;
		}
		peer->sessions++;
		assert_int_equal(fiber_start(&peer->g, "talk", converse, t, NULL), 0);
	}
}

static void peer_up(struct peer *peer)
{
	struct net_listen_opts o = {.fd = -1};
	struct err e = {0};

	assert_int_equal(addr_parse(span_str(peer->address), 25, &o.addr, &e), 0);
	peer->listener = net_listen(&o, &e);
	assert_non_null(peer->listener);
	fiber_group_init(&peer->g);
	assert_int_equal(fiber_start(&peer->g, "peer", accept_all, peer, NULL), 0);
}

static FIBER void peer_down(struct peer *peer)
{
	fiber_group_cancel(&peer->g);
	fiber_group_join(&peer->g);
	net_listener_free(&peer->listener);
}

/* ---- the feed: one letter ---- */

struct feed {
	struct outbound_parcel *parcel;
	bool is_taken, is_done;
};

static void feed_up(void *ctx)
{
}

static FIBER struct outbound_parcel *feed_next(void *ctx)
{
	struct feed *f = ctx;

	if (f->is_taken)
		return NULL;
	f->is_taken = true;
	return f->parcel;
}

static FIBER void feed_done(void *ctx, struct outbound_parcel *p)
{
	((struct feed *)ctx)->is_done = true;
}

static const struct outbound_feed feed_ops = {.up = feed_up, .next = feed_next, .done = feed_done};

/* ---- cases ---- */

#define ENFORCE "version: STSv1\nmode: enforce\nmx: *.there.test\nmax_age: 604800\n"
#define TESTING "version: STSv1\nmode: testing\nmx: *.there.test\nmax_age: 604800\n"
#define OTHERS  "version: STSv1\nmode: enforce\nmx: *.other.test\nmax_age: 604800\n"

enum fate { CLEAR, SAFE, LATER, NEVER }; /* how it went out, or that it did not */

struct story {
	const char *name;
	struct peer peer;
	const char *tlsa;  /* of mx1; NULL: none; "!..." */
	bool is_signed;    /* names are under DNSSEC */
	const char *sts;   /* policy; NULL: none */
	int row;           /* override, -1 none: enum tls_level + 1, 0 none */
	const char *wants; /* "required", "optional", "hoped": a report under REQUIRETLS */
	enum fate fate;
	unsigned detail;   /* of 4.7.x or 5.7.x */
	const char *noted; /* "policy mx kind n" */
	const char *steps; /* before the letter, with ms; those that failed with "!" */
};

#define ROW(level) (TLS_LEVEL_##level + 1)

static const struct story stories[] = {
	{"nothing published, TLS offered with a wrong certificate", {.cert = WRONG_NAME},
		.fate = SAFE, .noted = "no-policy-found mx1.there.test success 1",
		.steps = "mx 2, policy 2, address 4, connect 2, tls 2"},
	{"nothing published, no TLS", {.is_without_tls = true}, .fate = CLEAR,
		.noted = "no-policy-found mx1.there.test starttls-not-supported 1"},
	{"nothing published, a broken handshake goes on in clear", {.is_broken = true},
		.fate = CLEAR, .noted = "no-policy-found mx1.there.test validation-failure 1",
		.steps = "mx 2, policy 2, address 4, connect 2, tls! 2, connect 2"},
	{"nothing published, STARTTLS refused", {.is_refused = true}, .fate = CLEAR},

	{"DANE valid", {.cert = UNKNOWN}, .is_signed = true, .tlsa = "=", .fate = SAFE,
		.noted = "tlsa mx1.there.test success 1",
		.steps = "mx 2, policy 2, address 4, tlsa 6, connect 2, tls 2"},
	{"DANE-EE: names and authorities do not count", {.cert = WRONG_NAME}, .is_signed = true,
		.tlsa = "=", .fate = SAFE},
	{"DANE mismatched", {.cert = GOOD}, .is_signed = true, .tlsa = "other", .fate = LATER,
		.detail = 5, .noted = "tlsa mx1.there.test validation-failure 1",
		.steps = "mx 2, policy 2, address 4, tlsa 6, connect 2, tls! 2, address! 4"},
	{"DANE bogus", {.cert = GOOD}, .is_signed = true, .tlsa = "!bogus", .fate = LATER,
		.detail = 5, .noted = "tlsa mx1.there.test dnssec-invalid 1",
		.steps = "mx 2, policy 2, address 4, tlsa! 6, address! 4"},
	{"DANE without an answer", {.cert = GOOD}, .is_signed = true, .tlsa = "!silent",
		.fate = LATER, .detail = 5},
	{"DANE absent", {.cert = WRONG_NAME}, .is_signed = true, .fate = SAFE},
	{"DANE unusable, TLS with whomever", {.cert = UNKNOWN}, .is_signed = true, .tlsa = "000101",
		.fate = SAFE, .noted = "tlsa mx1.there.test tlsa-invalid 1"},
	{"DANE unusable, no TLS", {.is_without_tls = true}, .is_signed = true, .tlsa = "000101",
		.fate = LATER, .detail = 10},
	{"DANE, no TLS", {.is_without_tls = true}, .is_signed = true, .tlsa = "=", .fate = LATER,
		.detail = 10, .noted = "tlsa mx1.there.test starttls-not-supported 1"},
	{"DANE, STARTTLS refused", {.is_refused = true}, .is_signed = true, .tlsa = "=",
		.fate = LATER, .detail = 10},
	{"DANE, a broken handshake", {.is_broken = true}, .is_signed = true, .tlsa = "=",
		.fate = LATER, .detail = 5},
	{"TLSA without DNSSEC", {.cert = GOOD}, .tlsa = "other", .fate = SAFE},

	{"MTA-STS enforce, good", {.cert = GOOD}, .sts = ENFORCE, .fate = SAFE,
		.noted = "sts mx1.there.test success 1"},
	{"MTA-STS enforce, another's name", {.cert = WRONG_NAME}, .sts = ENFORCE, .fate = LATER,
		.detail = 5, .noted = "sts mx1.there.test certificate-host-mismatch 1"},
	{"MTA-STS enforce, nobody's authority", {.cert = UNKNOWN}, .sts = ENFORCE, .fate = LATER,
		.detail = 5, .noted = "sts mx1.there.test certificate-not-trusted 1"},
	{"MTA-STS enforce, no TLS", {.is_without_tls = true}, .sts = ENFORCE, .fate = LATER,
		.detail = 10, .noted = "sts mx1.there.test starttls-not-supported 1"},
	{"MTA-STS enforce, a broken handshake", {.is_broken = true}, .sts = ENFORCE, .fate = LATER,
		.detail = 5, .noted = "sts mx1.there.test validation-failure 1"},
	{"MTA-STS enforce, a host that it does not name", {.cert = GOOD}, .sts = OTHERS,
		.fate = LATER, .detail = 5, .noted = "sts mx1.there.test validation-failure 1",
		.steps = "mx 2, policy 2, address 4, policy! 0, address! 4"},
	{"MTA-STS testing, another's name", {.cert = WRONG_NAME}, .sts = TESTING, .fate = SAFE,
		.noted = "sts mx1.there.test certificate-host-mismatch 1"},
	{"MTA-STS testing, no TLS", {.is_without_tls = true}, .sts = TESTING, .fate = CLEAR,
		.noted = "sts mx1.there.test starttls-not-supported 1"},
	{"DANE valid wins over MTA-STS that would not do", {.cert = UNKNOWN}, .is_signed = true,
		.tlsa = "=", .sts = ENFORCE, .fate = SAFE},
	{"DANE mismatched wins over MTA-STS that would do", {.cert = GOOD}, .is_signed = true,
		.tlsa = "other", .sts = ENFORCE, .fate = LATER, .detail = 5},

	{"row none: an offer is not taken", {.cert = GOOD}, .row = ROW(NONE), .fate = CLEAR},
	{"row may: mismatched DANE does not count", {.cert = GOOD}, .is_signed = true,
		.tlsa = "other", .row = ROW(MAY), .fate = SAFE},
	{"row encrypt", {.cert = UNKNOWN}, .row = ROW(ENCRYPT), .fate = SAFE},
	{"row encrypt, no TLS", {.is_without_tls = true}, .row = ROW(ENCRYPT), .fate = LATER,
		.detail = 10, .steps = "mx 2, policy 2, address 4, connect 2, tls! 0, address! 4"},
	{"row encrypt, a broken handshake", {.is_broken = true}, .row = ROW(ENCRYPT), .fate = LATER,
		.detail = 5},
	{"row verify", {.cert = GOOD}, .row = ROW(VERIFY), .fate = SAFE},
	{"row verify, another's name", {.cert = WRONG_NAME}, .row = ROW(VERIFY), .fate = LATER,
		.detail = 5},
	{"row dane-only, and no records", {.cert = GOOD}, .is_signed = true, .row = ROW(DANE_ONLY),
		.fate = LATER, .detail = 5, .noted = "tlsa mx1.there.test dane-required 1"},

	{"REQUIRETLS by DANE", {.cert = UNKNOWN, .is_requiretls = true}, .is_signed = true,
		.tlsa = "=", .wants = "required", .fate = SAFE},
	{"REQUIRETLS by MTA-STS", {.cert = GOOD, .is_requiretls = true}, .sts = TESTING,
		.wants = "required", .fate = SAFE},
	{"REQUIRETLS by DNSSEC and an authority", {.cert = GOOD, .is_requiretls = true},
		.is_signed = true, .wants = "required", .fate = SAFE},
	{"REQUIRETLS, and nothing says whose host it is", {.cert = GOOD, .is_requiretls = true},
		.wants = "required", .fate = NEVER, .detail = 30},
	{"REQUIRETLS, and another's name", {.cert = WRONG_NAME, .is_requiretls = true},
		.is_signed = true, .wants = "required", .fate = NEVER, .detail = 30},
	{"REQUIRETLS is not offered", {.cert = GOOD}, .is_signed = true, .wants = "required",
		.fate = NEVER, .detail = 30},
	{"REQUIRETLS, no TLS", {.is_without_tls = true}, .is_signed = true, .wants = "required",
		.fate = NEVER, .detail = 30},
	{"REQUIRETLS, a broken handshake", {.is_broken = true}, .is_signed = true,
		.wants = "required", .fate = NEVER, .detail = 30},
	{"REQUIRETLS, and DANE that is broken today", {.cert = GOOD, .is_requiretls = true},
		.is_signed = true, .tlsa = "!fail", .wants = "required", .fate = LATER,
		.detail = 5},

	{"a report under REQUIRETLS", {.cert = GOOD, .is_requiretls = true}, .wants = "hoped",
		.fate = SAFE},
	{"a report under REQUIRETLS, which is not offered", {.cert = GOOD}, .wants = "hoped",
		.fate = SAFE},
	{"a report under REQUIRETLS, no TLS", {.is_without_tls = true}, .wants = "hoped",
		.fate = CLEAR},
	{"a report under REQUIRETLS, which MTA-STS keeps", {.is_without_tls = true}, .sts = ENFORCE,
		.wants = "hoped", .fate = LATER, .detail = 10},

	{"TLS-Required: No, and mismatched DANE", {.cert = GOOD}, .is_signed = true,
		.tlsa = "other", .wants = "optional", .fate = SAFE},
	{"TLS-Required: No, and MTA-STS without TLS", {.is_without_tls = true}, .sts = ENFORCE,
		.wants = "optional", .fate = CLEAR},
	{"TLS-Required: No, and a broken handshake", {.is_broken = true}, .sts = ENFORCE,
		.wants = "optional", .fate = CLEAR},
};

static FIBER int fetch(void *arg, struct arena *a, struct span domain, struct span *text_r,
	enum tlsrpt_result *kind_r, struct err *e)
{
	*text_r = span_str(arg);
	return 0;
}

static void drop_line(struct log_sink *sink, enum log_level level, struct span line)
{
}

static struct log_sink sink = {.write = drop_line, .level = LOG_DEBUG};

struct play {
	const struct story *story;
	struct dns *dns;
	struct peer two; /* mx2, when it has an address */
	struct log log;
	/* came of it */
	enum outbound_verdict verdict;
	struct err e;
	struct peer one;
	bool is_memory_touched, is_done;
	char host[64];
	char steps[2048]; /* "": none */
};

static FIBER int carry(void *arg)
{
	struct play *p = arg;
	const struct story *s = p->story;
	struct tlspolicy_opts po = {.store = (struct store *)p,
		.dns = p->dns,
		.fetch_fn = fetch,
		.fetch_arg = (void *)(uintptr_t)s->sts};
	struct tlspolicy *policy = tlspolicy_new(&po);
	struct outbound_opts opts = {.hostname = "here.test",
		.dns = p->dns,
		.tls = fix.client,
		.policy = policy,
		.log = &p->log};
	struct outbound_memory memory = {0};
	struct feed f = {.parcel = outbound_parcel_new(1)};
	struct outbound_steps steps = {.arena = arena_new()};
	struct outbound_carrier c = {
		.opts = &opts, .feed = &feed_ops, .ctx = &f, .memory = &memory, .steps = &steps};
	struct arena *a = arena_new();

	c.destination = destination_with_tls(a, SPAN("there.test"), s->wants && s->wants[0] == 'r',
		s->wants && s->wants[0] == 'o');
	f.parcel->rcpts[0].address = SPAN("a@there.test");
	f.parcel->body = fake_body();
	f.parcel->env.reverse_path = SPAN("s@here.test");
	f.parcel->env.is_requiretls = s->wants && s->wants[0] != 'o';
	if (s->wants && s->wants[0] == 'h')
		f.parcel->env.reverse_path = SPAN_NONE;
	peer_up(&p->one);
	if (p->two.address)
		peer_up(&p->two);
	outbound_carry(&c, &p->e);
	if (!f.parcel->steps.len) /* no letter was taken from the feed */
		outbound_steps_put(&steps, false, f.parcel->arena, &f.parcel->steps);
	snprintf(p->steps, sizeof(p->steps), SPAN_FMT, SPAN_ARG(f.parcel->steps));
	arena_free(&steps.arena);
	p->verdict = f.parcel->rcpts[0].verdict;
	p->is_done = f.is_done;
	p->is_memory_touched = memory.tls_broken_ns > 0;
	snprintf(p->host, sizeof(p->host), SPAN_FMT, SPAN_ARG(f.parcel->host));
	assert_int_equal(tlspolicy_flush(policy, NULL), 0);
	if (p->two.address)
		peer_down(&p->two);
	peer_down(&p->one);
	outbound_parcel_free(&f.parcel);
	tlspolicy_free(&policy);
	arena_free(&a);
	return 0;
}

static void play(struct play *p)
{
	const struct story *s = p->story;
	const char *tlsa = s->tlsa;
	struct dns_row rows[] = {
		{"there.test", DNS_MX, "10 mx1.there.test", s->is_signed},
		{"there.test", DNS_MX, "20 mx2.there.test", s->is_signed},
		{"mx1.there.test", DNS_A, "198.51.100.1", s->is_signed},
		{"mx2.there.test", p->two.address ? DNS_A : DNS_TXT, "198.51.100.2", s->is_signed},
		{"_mta-sts.there.test", DNS_TXT, s->sts ? "v=STSv1; id=1" : "!nodata", false},
		{"_25._tcp.mx1.there.test", DNS_TLSA, "!nodata", s->is_signed},
	};
	struct loop *l = loop_new_sim(&(struct loop_opts){.name = "sim"}, WALL);
	char unusable[80];

	if (tlsa && strcmp(tlsa, "=") == 0)
		tlsa = fix.tlsa[s->peer.cert];
	else if (tlsa && strcmp(tlsa, "other") == 0)
		tlsa = fix.tlsa[UNKNOWN];
	else if (tlsa && tlsa[0] != '!') {
		snprintf(unusable, sizeof(unusable), "%s%s", tlsa, fix.tlsa[GOOD] + 6);
		tlsa = unusable;
	}
	if (tlsa)
		rows[ARRAY_LEN(rows) - 1].value = tlsa;
	memset(&the_tls_facts, 0, sizeof(the_tls_facts));
	if (s->row)
		the_tls_facts.row = (struct tls_override){
			.match = SPAN("there.test"), .level = (enum tls_level)(s->row - 1)};
	log_root(&p->log, &sink);
	p->one = s->peer;
	p->one.address = "198.51.100.1:25";
	p->dns = dns_new_table(rows, ARRAY_LEN(rows));
	assert_int_equal(loop_run(l, carry, p, NULL), 0);
	loop_free(&l);
	dns_free(&p->dns);
	assert_int_equal(the_spool.bodies, 0);
}

static bool is_noted(const char *text)
{
	for (size_t i = 0; i < the_tls_facts.count; i++)
		if (strcmp(the_tls_facts.results[i].text, text) == 0)
			return true;
	return text == NULL;
}

/* "mx 2, tlsa! 6" of the log's JSON: milliseconds of the virtual clock */
static void check_steps(const struct story *s, const char *json)
{
	struct span item, rest = span_str(json), word, ms;
	struct buf b;
	ptrdiff_t at;

	buf_init(&b, 256);
	while (rest.len) {
		span_cut(rest, '}', &item, &rest);
		at = span_find_span(item, SPAN("\"step\":\""));
		assert_true(at >= 0);
		span_cut(span_skip(item, (size_t)at + 8), '"', &word, &item);
		buf_str(&b, buf_len(&b) ? ", " : "");
		buf_span_put(&b, word);
		if (span_find_span(item, SPAN("\"failed\":true")) >= 0)
			buf_char(&b, '!');
		at = span_find_span(item, SPAN("\"ms\":"));
		assert_true(at >= 0);
		ms = span_skip(item, (size_t)at + 5);
		span_cut(ms, ',', &ms, &item);
		buf_printf(&b, " " SPAN_FMT, SPAN_ARG(ms));
	}
	if (strcmp(buf_cstr(&b), s->steps) != 0)
		fail_msg("%s: %s, not %s: %s", s->name, buf_cstr(&b), s->steps, json);
	buf_fini(&b);
}

static void check(const struct story *s, const struct play *p)
{
	bool is_out = s->fate == CLEAR || s->fate == SAFE;
	const struct err *e = &p->e;

	if ((p->verdict == OUTBOUND_DELIVERED) != is_out)
		fail_msg("%s: verdict %d, %s", s->name, (int)p->verdict, e->text);
	if (p->one.mails_clear != (s->fate == CLEAR) || p->one.mails_tls != (s->fate == SAFE))
		fail_msg("%s: %u letters in clear, %u under TLS", s->name, p->one.mails_clear,
			p->one.mails_tls);
	if (!is_out &&
		(e->enh_class != (s->fate == LATER ? 4 : 5) || e->enh_subject != 7 ||
			e->enh_detail != s->detail ||
			(e->again == ERR_AGAIN_NEVER) != (s->fate == NEVER)))
		fail_msg("%s: %u.%u.%u %s", s->name, e->enh_class, e->enh_subject, e->enh_detail,
			e->text);
	if (p->is_memory_touched && s->fate != CLEAR)
		fail_msg("%s: the next letter would go in clear", s->name);
	if (s->wants && s->wants[0] == 'r' && p->one.asked != is_out)
		fail_msg("%s: REQUIRETLS was not said", s->name);
	if (s->wants && s->wants[0] == 'h' && p->one.asked != (is_out && s->peer.is_requiretls))
		fail_msg("%s: REQUIRETLS was said %u times", s->name, p->one.asked);
	if (s->noted && !is_noted(s->noted))
		fail_msg("%s: noted '%s', not '%s'", s->name, the_tls_facts.results[0].text,
			s->noted);
	if (s->steps)
		check_steps(s, p->steps);
}

static void a_letter_goes_where_its_policy_allows(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(stories); i++) {
		struct play p = {.story = &stories[i]};

		play(&p);
		check(&stories[i], &p);
	}
}

static void the_next_host_is_tried_when_one_does_not_fit(void **state)
{
	static const struct story s = {
		"the second fits", {.cert = WRONG_NAME}, .sts = ENFORCE, .row = 0};
	struct play p = {.story = &s, .two = {.address = "198.51.100.2:25", .cert = GOOD}};

	play(&p);
	assert_int_equal(p.verdict, OUTBOUND_DELIVERED);
	assert_int_equal(p.one.mails_clear + p.one.mails_tls, 0);
	assert_int_equal(p.two.mails_tls, 1);
	assert_true(strncmp(p.host, "mx2.there.test", 14) == 0);
	assert_true(is_noted("sts mx1.there.test certificate-host-mismatch 1"));
	assert_true(is_noted("sts mx2.there.test success 1"));
}

static void broken_dane_of_one_host_leaves_the_other(void **state)
{
	static const struct story s = {
		"mx1 is bogus", {.cert = GOOD}, .is_signed = true, .tlsa = "!bogus"};
	struct play p = {.story = &s, .two = {.address = "198.51.100.2:25", .cert = GOOD}};

	play(&p);
	assert_int_equal(p.verdict, OUTBOUND_DELIVERED);
	assert_int_equal(p.one.sessions, 0);
	assert_int_equal(p.two.mails_tls, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_letter_goes_where_its_policy_allows),
		cmocka_unit_test(the_next_host_is_tried_when_one_does_not_fit),
		cmocka_unit_test(broken_dane_of_one_host_leaves_the_other),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
