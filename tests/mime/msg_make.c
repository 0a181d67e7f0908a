/* Builds messages as told, for tests/integration/test_mime.py to read with Python's email package.
 *
 *	msg_make <orders		an order: a word, then its arguments in hex, one line each
 *
 * `write` ends a message: its length in decimal (or "refused"), LF, and its octets. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/enc.h"
#include "base/mem.h"
#include "base/must.h"
#include "proto/mail/msg_build.h"

#define LINE_MAX_OCTETS (64 << 20)
#define OUT_MAX         (256 << 20)
#define ARGS            4

struct job {
	struct arena *a; /* bodies are borrowed until the message is freed */
	struct msg *m;
	struct msg_settings s;
	bool is_refused;
};

static int order(struct job *j, struct span word, const struct span *arg)
{
	struct msg *m = j->m;

	if (span_eq(word, SPAN("text")))
		return msg_add_text(m, arg[0], arg[1], NULL);
	if (span_eq(word, SPAN("mailboxes")))
		return msg_add_mailboxes(m, arg[0], arg[1], NULL);
	if (span_eq(word, SPAN("mailbox")))
		return msg_add_mailbox(m, arg[0], arg[1], arg[2], NULL);
	if (span_eq(word, SPAN("plain")))
		return msg_set_text(m, arg[0], NULL);
	if (span_eq(word, SPAN("html")))
		return msg_set_html(m, arg[0], NULL);
	if (span_eq(word, SPAN("inline")))
		return msg_add_inline(m, arg[0], arg[1], arg[2], arg[3], NULL);
	if (span_eq(word, SPAN("attach")))
		return msg_attach(m, arg[0], arg[1], arg[2], NULL);
	if (span_eq(word, SPAN("message")))
		return msg_attach_message(m, arg[0], NULL);
	if (span_eq(word, SPAN("calendar")))
		return msg_add_calendar(m, arg[0], arg[1], NULL);
	if (span_eq(word, SPAN("charset")))
		j->s.charset = arg[0];
	else if (span_eq(word, SPAN("8bit")))
		j->s.way = MSG_WAY_8BIT;
	else if (span_eq(word, SPAN("utf8")))
		j->s.is_utf8 = true;
	else
		MUST(!"no such order");
	return 0;
}

static void begin(struct job *j, uint64_t number)
{
	memset(j, 0, sizeof(*j));
	j->a = arena_new();
	j->m = msg_new();
	j->s = (struct msg_settings){.random = number * 0x9e3779b97f4a7c15ull,
		.id = number,
		.now_sec = 1795415400,
		.host = SPAN("example.org")};
}

static void end(struct job *j)
{
	struct buf out;

	buf_init(&out, OUT_MAX);
	if (j->is_refused || msg_write_buf(j->m, &j->s, &out, NULL) < 0) {
		printf("refused\n");
	} else {
		printf("%zu\n", buf_len(&out));
		fwrite(buf_span(&out).ptr, 1, buf_len(&out), stdout);
	}
	buf_fini(&out);
	msg_free(&j->m);
	arena_free(&j->a);
}

int main(void)
{
	struct job j;
	char *line = NULL;
	size_t room = 0;
	ssize_t n;
	uint64_t number = 1;

	begin(&j, number);
	while ((n = getline(&line, &room, stdin)) > 0) {
		struct span rest = span_trim(span_of(line, n)), word, hex, args[ARGS] = {{0}};

		span_cut(rest, ' ', &word, &rest);
		if (span_eq(word, SPAN("write"))) {
			end(&j);
			begin(&j, ++number);
			continue;
		}
		for (size_t i = 0; i < ARGS && rest.len; i++) {
			struct buf b;

			span_cut(rest, ' ', &hex, &rest);
			buf_init(&b, LINE_MAX_OCTETS);
			MUST(enc_get_hex(
				&b, span_skip(hex, 1))); /* behind an 'x': it may be empty */
			args[i] = arena_span(j.a, buf_span(&b));
			buf_fini(&b);
		}
		if (order(&j, word, args) < 0)
			j.is_refused = true;
	}
	free(line);
	msg_free(&j.m);
	arena_free(&j.a);
	return 0;
}
