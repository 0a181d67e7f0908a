#include <string.h>

#include "base/enc.h"
#include "proto/mail/mail_header.h"
#include "cli/trace.h"

/* Messages out of a stream: one, or those of an mbox, of which only the headers are kept. */

#define FROM_LINE "From "

struct splitter {
	struct trace *t;
	struct buf head; /* of the message at hand */
	bool is_mbox, is_begun, is_head_over;
	bool is_line_start, is_after_blank, is_skipping; /* the rest of a From_ line */
	size_t matched;  /* octets of FROM_LINE at the line's start */
	size_t line_len; /* without CR */
	uint64_t count;
	struct buf first; /* of an mbox that may turn out to have one message only */
	int code;
	bool is_done;
};

static bool has_id(struct span head, const char *wanted)
{
	struct span value, id = span_trim(span_str(wanted));

	if (!mail_header_find(head, SPAN("Message-ID"), &value))
		return false;
	value = span_trim(value);
	if (id.len && id.ptr[0] != '<' && value.len > 2)
		value = span_sub(value, 1, value.len - 2);
	return span_eq(value, id);
}

static void end_message(struct splitter *s)
{
	struct trace *t = s->t;
	struct span head = buf_span(&s->head);

	if (!s->is_begun)
		return;
	s->count++;
	t->place = s->is_mbox ? s->count : 0;
	if (t->message_id ? has_id(head, t->message_id) : t->index == s->count) {
		s->code = trace_message(t, head);
		s->is_done = true;
	} else if (s->count == 1 && !t->message_id && !t->index) {
		buf_span_put(&s->first, head);
	}
	buf_clear(&s->head);
	s->is_begun = s->is_head_over = false;
}

static void keep(struct splitter *s, char c)
{
	if (s->is_head_over || !buf_room(&s->head))
		return;
	buf_char(&s->head, c);
}

/* One octet of a message. */
static void take(struct splitter *s, char c)
{
	/* what is pasted from a mail program may begin with empty lines */
	if (!s->is_begun && (c == '\r' || c == '\n'))
		return;
	s->is_begun = true;
	keep(s, c);
	s->is_line_start = c == '\n';
	if (c != '\n') {
		s->line_len += c != '\r';
		return;
	}
	s->is_after_blank = !s->line_len;
	s->is_head_over |= !s->line_len;
	s->line_len = 0;
	s->matched = 0;
}

static void take_line_start(struct splitter *s, char c)
{
	size_t matched = s->matched;

	if (c == FROM_LINE[matched]) {
		if (!FROM_LINE[++s->matched]) {
			end_message(s);
			s->is_skipping = true;
			s->is_begun = false;
		}
		return;
	}
	s->is_line_start = false;
	s->matched = 0;
	for (size_t i = 0; i < matched; i++)
		take(s, FROM_LINE[i]);
	take(s, c);
}

static void feed(struct splitter *s, struct span octets)
{
	for (size_t i = 0; i < octets.len && !s->is_done; i++) {
		char c = octets.ptr[i];

		if (s->is_skipping) {
			s->is_skipping = c != '\n';
			s->is_line_start = !s->is_skipping;
			s->matched = 0;
			s->is_after_blank = true;
		} else if (s->is_mbox && s->is_line_start && s->is_after_blank) {
			take_line_start(s, c);
		} else {
			take(s, c);
		}
	}
}

/* Which message was meant, now that all have been seen. */
static int finish(struct splitter *s)
{
	struct trace *t = s->t;
	const char *name = t->name ? t->name : "standard input";

	if (!s->is_done)
		end_message(s);
	if (s->is_done)
		return s->code;
	if (t->message_id)
		return cli_fail(
			EX_NOINPUT, "%s: no message has the Message-ID %s", name, t->message_id);
	if (t->index)
		return cli_fail(EX_NOINPUT, "%s: there is no message %llu, only %llu", name,
			(unsigned long long)t->index, (unsigned long long)s->count);
	if (s->count > 1)
		return cli_fail(EX_USAGE,
			"%s: an mbox of %llu messages; say which: --index N or --message-id ID",
			name, (unsigned long long)s->count);
	t->place = 0;
	return trace_message(t, buf_span(&s->first));
}

int trace_stream(struct trace *t, FILE *f, const char *name)
{
	struct splitter s = {.t = t, .is_line_start = true, .is_after_blank = true};
	struct buf chunk;
	size_t n;
	bool is_first = true;
	int code;

	t->name = name;
	buf_init(&s.head, TRACE_HEAD_MAX);
	buf_init(&s.first, TRACE_HEAD_MAX);
	buf_init(&chunk, 65536);
	char *space = buf_reserve(&chunk, 65536);

	while ((n = fread(space, 1, 65536, f)) > 0) {
		struct span octets = span_of(space, n);

		/* the rest of a pipe is read, so that who writes it does not fail */
		if (is_first)
			s.is_mbox = span_starts(octets, SPAN(FROM_LINE));
		is_first = false;
		if (!s.is_done && (s.is_mbox || !s.is_head_over))
			feed(&s, octets);
		else if (f != stdin)
			break;
	}
	if (ferror(f))
		code = cli_fail(EX_IOERR, "%s: cannot be read", name ? name : "standard input");
	else
		code = finish(&s);
	buf_fini(&chunk);
	buf_fini(&s.first);
	buf_fini(&s.head);
	return code;
}

/* ---- from the server ---- */

static int export_row(void *arg, const struct json_in *row)
{
	struct buf *head = arg, octets;
	int code = 0;

	buf_init(&octets, JSON_IN_MAX);
	if (!enc_get_base64(&octets, json_in_text(row, "octets")))
		code = cli_fail(EX_SOFTWARE, "the server's answer is not understood");
	else
		buf_span_put(head, span_sub(buf_span(&octets), 0, buf_room(head)));
	buf_fini(&octets);
	return code;
}

int trace_mailbox(struct trace *t)
{
	struct cli_call *c = t->call;
	struct json_out j;
	struct buf args, head;
	uint64_t uid;
	int code;

	if (!span_u64_max(span_str(cli_value(c, "uid")), UINT32_MAX, &uid))
		return cli_fail(EX_USAGE, "--uid: \"%s\" is no number", cli_value(c, "uid"));
	buf_init(&args, 65536);
	buf_init(&head, TRACE_HEAD_MAX);
	json_out_init(&j, &args);
	json_open_object(&j);
	json_kv_str(&j, "address", cli_value(c, "account"));
	if (cli_value(c, "mailbox"))
		json_kv_str(&j, "folder", cli_value(c, "mailbox"));
	json_kv_u64(&j, "uid", uid);
	json_close(&j);
	code = cli_ask(c, "mailbox.export", buf_span(&args), export_row, &head);
	if (!code)
		code = trace_message(t, buf_span(&head));
	buf_fini(&head);
	buf_fini(&args);
	return code;
}
