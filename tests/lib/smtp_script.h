#pragma once
/* For tests of the SMTP client: a peer that plays a script over a stream in memory, on simulated time.
 * A script is a text of steps, one a line:
 *	S: text		says text CRLF
 *	C: text		expects this line
 *	C~ text		expects a line that begins so
 *	B: n text	expects n octets that end with text, line ends behind it not counted
 *	W: ms		waits
 *	X		closes
 * Whatever the client says beyond the script fails the test. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "proto/smtp/smtp_client.h"

#define SCRIPT_WALL (1795000000 * CLOCK_SEC)

struct script {
	const char *text;
	struct smtp_client_opts opts;
	int (*talk)(struct script *p, struct smtp_client *c); /* after init; its result is kept */
	void *arg;
	size_t cut; /* the peer speaks in pieces of so many octets; 0: lines */
	/* results */
	int result;
	struct err err;
	bool is_over;
	int64_t took_ns;
	struct stream *near, *far;
};

static inline struct span script_line(struct script *p)
{
	struct err e = {0};
	struct span line;
	bool is_crlf;

	if (stream_read_line(p->far, 8192, &line, &is_crlf, &e) < 0)
		fail_msg("the peer waits for a line: %s\n%s", e.text, p->text);
	assert_true(is_crlf);
	return line;
}

static inline void script_body(struct script *p, struct span what)
{
	struct span count = span_word(&what);
	struct err e = {0};
	uint64_t n;
	char *got;

	assert_true(span_u64(count, &n));
	what = span_skip(what, 1);
	got = calloc(1, n + 1);
	if (stream_read_full(p->far, got, n, &e) < 0)
		fail_msg("the peer waits for the body: %s", e.text);
	if (!span_ends_nocase(span_trim(span_of(got, n)), what))
		fail_msg("the body ends with '%s'", got + (n > 20 ? n - 20 : 0));
	free(got);
}

static inline void script_say(struct script *p, struct span text)
{
	struct err e = {0};

	for (size_t at = 0; at < text.len + 2;) {
		size_t n = p->cut ? p->cut : text.len + 2;
		struct span piece = span_sub(text, at, n);

		stream_put(p->far, piece);
		if (at + n > text.len)
			stream_put(p->far,
				span_sub(SPAN("\r\n"), at > text.len ? at - text.len : 0,
					at + n - text.len - (at > text.len ? at - text.len : 0)));
		at += n;
		if (stream_flush(p->far, &e) < 0)
			return; /* the client has hung up: the next step tells */
		if (p->cut)
			fiber_sleep(CLOCK_MS, &e);
	}
}

static inline void script_expect(struct script *p, struct span text, bool is_begin)
{
	struct span line = script_line(p);

	if (!(is_begin ? span_starts(line, text) : span_eq(line, text)))
		fail_msg("said '" SPAN_FMT "', expected '" SPAN_FMT "'", SPAN_ARG(line),
			SPAN_ARG(text));
}

static inline void script_step(struct script *p, struct span step)
{
	struct span kind = span_sub(step, 0, 2), text = span_skip(step, 3);
	struct err e = {0};
	uint64_t ms;

	if (p->far)
		stream_set_timeout(p->far, CLOCK_HOUR);
	if (span_eq(kind, SPAN("S:"))) {
		script_say(p, text);
	} else if (span_eq(kind, SPAN("C:")) || span_eq(kind, SPAN("C~"))) {
		script_expect(p, text, kind.ptr[1] == '~');
	} else if (span_eq(kind, SPAN("B:"))) {
		script_body(p, text);
	} else if (span_eq(kind, SPAN("W:"))) {
		assert_true(span_u64(text, &ms));
		fiber_sleep((int64_t)ms * CLOCK_MS, &e);
	} else {
		assert_true(span_eq(step, SPAN("X")));
		stream_free(&p->far);
	}
}

static inline int script_peer(void *arg)
{
	struct script *p = arg;
	struct span rest = span_str(p->text), step;
	struct err e = {0};

	while (rest.len) {
		span_cut(rest, '\n', &step, &rest);
		script_step(p, step);
	}
	if (p->far) {
		stream_set_timeout(p->far, CLOCK_HOUR);
		if (stream_fill(p->far, &e) == 0)
			fail_msg("the client says more: '" SPAN_FMT "'",
				SPAN_ARG(stream_peek(p->far)));
		stream_free(&p->far);
	}
	return 0;
}

static inline int script_main(void *arg)
{
	struct script *p = arg;
	int64_t begin = loop_now_ns();
	struct smtp_client c;
	struct fiber_group g;
	struct err e = {0};

	stream_pair(&p->near, &p->far, CLOCK_MS);
	fiber_group_init(&g);
	assert_int_equal(fiber_start(&g, "peer", script_peer, p, &e), 0);
	if (!p->opts.hostname)
		p->opts.hostname = "me.example";
	smtp_client_init(&c, p->near, &p->opts);
	p->result = p->talk(p, &c);
	p->took_ns = loop_now_ns() - begin;
	p->is_over = c.is_over;
	smtp_client_fini(&c);
	stream_free(&p->near);
	fiber_group_join(&g);
	return 0;
}

static inline void script_run(struct script *p)
{
	struct loop_opts opts = {.name = "script", .slice_warn_ns = 60 * CLOCK_SEC};
	struct loop *l = loop_new_sim(&opts, SCRIPT_WALL);
	struct err e = {0};

	assert_int_equal(loop_run(l, script_main, p, &e), 0);
	loop_free(&l);
}

/* Content in memory. */
struct script_source {
	struct smtp_source source;
	struct span all;
	size_t at, cut;
	size_t fails_at;  /* SIZE_MAX: never */
	int64_t pause_ns; /* before each run */
};

static inline int script_next(struct smtp_source *source, struct span *octets_r, struct err *e)
{
	struct script_source *s = CONTAINER_OF(source, struct script_source, source);

	if (s->pause_ns)
		fiber_sleep(s->pause_ns, e);
	if (s->at >= s->fails_at)
		return err_set(e, ERR_IO, "the disk is gone");
	*octets_r = span_sub(s->all, s->at, s->cut ? s->cut : s->all.len);
	s->at += octets_r->len;
	return 0;
}

static inline void script_rewind(struct smtp_source *source)
{
	CONTAINER_OF(source, struct script_source, source)->at = 0;
}

static inline struct script_source script_source_of(struct span all)
{
	return (struct script_source){
		.source = {script_next, script_rewind}, .all = all, .fails_at = SIZE_MAX};
}

#define SCRIPT_HELLO(caps)                                                                         \
	"S: 220 peer.example hello\nC: EHLO me.example\nS: 250-peer.example\n" caps                \
	"S: 250 ENHANCEDSTATUSCODES\n"
#define SCRIPT_PIPE  SCRIPT_HELLO("S: 250-PIPELINING\n")
#define SCRIPT_CHUNK SCRIPT_HELLO("S: 250-PIPELINING\nS: 250-CHUNKING\n")
#define SCRIPT_BYE   "C: QUIT\nS: 221 bye\n"
