#pragma once
/* The carrier on a simulated loop: names and addresses in memory, a peer that is told what to say, a feed of
 * letters. A test program includes it once. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "lib/smtp_peer.h"
#include "net/dns.h"
#include "services/fake_spool.h"
#include "services/outbound/outbound.h"

#define WALL       (1795000000 * CLOCK_SEC)
#define MESSAGES   64
#define LETTER_MAX (1024 * 1024)

/* ---- the peer --------------------------------------------------------------------------------- */

static struct buf content; /* of all letters that were taken */

static inline void note_content(void *arg, const struct peer_taken *taken)
{
	if (taken->index == 0)
		buf_span_put(&content, taken->content);
}

/* Recipients by their local part: "no" 550, "later" 450, "full" 452 after the second, "bye" 421. */
/* What was said to peers, while somebody wants to know; and what they say to AUTH. */
static struct {
	struct buf said;
	const char *auth;
} heard;

static inline const char *by_name(struct peer_talk *t, const char *at, struct span line)
{
	if (heard.said.max) {
		buf_span_put(&heard.said, line);
		buf_char(&heard.said, '\n');
	}
	if (heard.auth && span_starts(line, SPAN("AUTH")))
		return heard.auth;
	if (strcmp(at, "RCPT") != 0)
		return NULL;
	if (span_find_span(line, SPAN("<no")) >= 0)
		return "550 5.1.1 nobody of that name";
	if (span_find_span(line, SPAN("<later")) >= 0)
		return "450 4.2.1 later";
	if (span_find_span(line, SPAN("<bye")) >= 0)
		return "421 4.3.2 closing";
	if (span_find_span(line, SPAN("<full")) >= 0 && t->rcpt_count >= 2)
		return "452 4.5.3 too many";
	return NULL;
}

static inline void up(struct peer *peer, struct peer_opts opts)
{
	if (!opts.ehlo)
		opts.ehlo = "PIPELINING CHUNKING";
	opts.decide = by_name;
	opts.taken = note_content;
	peer_up(peer, &opts);
}

/* ---- the feed --------------------------------------------------------------------------------- */

struct feed {
	struct outbound_parcel *parcels[MESSAGES];
	size_t count, next, done;
	unsigned ups;
	int64_t pause_ns; /* before the second letter */
};

static inline void feed_up(void *ctx)
{
	((struct feed *)ctx)->ups++;
}

static inline FIBER struct outbound_parcel *feed_next(void *ctx)
{
	struct feed *f = ctx;

	if (f->next == 1 && f->pause_ns)
		fiber_sleep(f->pause_ns, NULL);
	return f->next < f->count ? f->parcels[f->next++] : NULL;
}

static inline FIBER void feed_done(void *ctx, struct outbound_parcel *p)
{
	struct feed *f = ctx;

	for (size_t i = 0; i < p->rcpt_count; i++)
		assert_int_not_equal(p->rcpts[i].verdict, OUTBOUND_PENDING);
	f->done++;
}

static const struct outbound_feed feed_ops = {.up = feed_up, .next = feed_next, .done = feed_done};

/* A letter to the words of `to`, each a local part. */
static inline struct outbound_parcel *add_letter(struct feed *f, const char *to)
{
	struct span words = span_str(to), w;
	struct outbound_parcel *p = outbound_parcel_new(MESSAGES);

	p->rcpt_count = 0;
	while ((w = span_word(&words)).len)
		p->rcpts[p->rcpt_count++].address = span_str(
			arena_printf(p->arena, SPAN_FMT "@there.test", SPAN_ARG(w)));
	p->body = fake_body();
	p->env.reverse_path = SPAN("s@here.test");
	p->prefix = SPAN("Received: by here.test; now\r\n");
	f->parcels[f->count++] = p;
	return p;
}

static inline void feed_fini(struct feed *f)
{
	assert_int_equal(f->done, f->next);
	for (size_t i = 0; i < f->count; i++)
		outbound_parcel_free(&f->parcels[i]);
	assert_int_equal(the_spool.bodies, 0);
}

/* ---- the stage -------------------------------------------------------------------------------- */

static unsigned aliases_told; /* MX hosts that are a CNAME */

static inline void drop_line(struct log_sink *sink, enum log_level level, struct span line)
{
	(void)sink;
	(void)level;
	aliases_told += span_find_span(line, SPAN("outbound.mx.cname")) >= 0;
}

static struct log_sink sink = {.write = drop_line, .level = LOG_DEBUG};
static struct log root;
static struct outbound_opts opts;

static inline int main_of(void *arg)
{
	void (*story)(void) = *(void (**)(void))arg;

	story();
	return 0;
}

static inline void play_with(const struct dns_row *rows, size_t count, void (*story)(void))
{
	struct loop *l = loop_new_sim(&(struct loop_opts){.name = "sim"}, WALL);
	struct dns *dns = dns_new_table(rows, count);

	buf_init(&content, LETTER_MAX);
	log_root(&root, &sink);
	opts = (struct outbound_opts){.hostname = "here.test", .dns = dns, .log = &root};
	assert_int_equal(loop_run(l, main_of, &story, NULL), 0);
	loop_free(&l);
	dns_free(&dns);
	buf_fini(&content);
	fake_text = SPAN("Subject: hello\r\n\r\nWorld\r\n");
}

#define PLAY(rows, story) play_with(rows, ARRAY_LEN(rows), story)

static inline FIBER int carry(const char *destination, struct feed *f, struct err *e)
{
	struct outbound_memory memory = {0};
	struct outbound_carrier c = {.opts = &opts,
		.destination = span_str(destination),
		.feed = &feed_ops,
		.ctx = f,
		.memory = &memory};

	return outbound_carry(&c, e);
}

static inline void assert_reply(const struct outbound_rcpt *r, enum outbound_verdict v,
	unsigned code, const char *enhanced, const char *text)
{
	assert_int_equal(r->verdict, v);
	assert_int_equal(r->code, code);
	if (!span_eq(r->enhanced, span_str(enhanced)) ||
		span_find_span(r->text, span_str(text)) < 0)
		fail_msg("got '" SPAN_FMT "' '" SPAN_FMT "'", SPAN_ARG(r->enhanced),
			SPAN_ARG(r->text));
}

static const struct dns_row names[] = {
	{"there.test", DNS_MX, "10 mx1.there.test", false},
	{"there.test", DNS_MX, "20 mx2.there.test", false},
	{"mx1.there.test", DNS_A, "198.51.100.1", false},
	{"mx2.there.test", DNS_A, "198.51.100.2", false},
	{"bare.test", DNS_A, "198.51.100.1", false},
	{"null.test", DNS_MX, "0 .", false},
	{"fail.test", DNS_MX, "!fail", false},
	{"bogus.test", DNS_MX, "!bogus", false},
	{"noaddr.test", DNS_MX, "10 nowhere.test", false},
	{"nowhere.test", DNS_TXT, "x", false},
	{"loop.test", DNS_MX, "10 lo.test", false},
	{"lo.test", DNS_A, "127.0.0.1", false},
	{"self.test", DNS_MX, "10 better.test", false},
	{"self.test", DNS_MX, "20 HERE.test", false},
	{"self.test", DNS_MX, "30 mx1.there.test", false},
	{"better.test", DNS_A, "203.0.113.9", false},
	{"best.test", DNS_MX, "10 here.test", false},
	{"best.test", DNS_MX, "20 mx1.there.test", false},
};
