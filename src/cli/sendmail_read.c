#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/sendmail_priv.h"

/* A message from standard input. Small ones stay in memory, of large ones all but the header goes to
 * a file without a name. */

void sendmail_letter_begin(struct send_letter *l)
{
	*l = (struct send_letter){.fd = -1, .rest_from = -1};
	buf_init(&l->text, SENDMAIL_HELD + SEND_HEAD_MAX);
}

static int to_file(struct send_letter *l, struct span octets)
{
	while (octets.len) {
		ssize_t n = write(l->fd, octets.ptr, octets.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return sendmail_fail(EX_IOERR, "temporary file: %s", strerror(errno));
		l->rest += n;
		octets = span_skip(octets, (size_t)n);
	}
	return 0;
}

int sendmail_letter_put(struct send_letter *l, struct span octets)
{
	FILE *f;

	if (l->fd < 0 && buf_len(&l->text) + octets.len <= SENDMAIL_HELD) {
		buf_span_put(&l->text, octets);
		return 0;
	}
	if (l->fd < 0) {
		f = tmpfile();
		l->fd = f ? dup(fileno(f)) : -1;
		if (f)
			fclose(f);
		if (l->fd < 0)
			return sendmail_fail(EX_CANTCREAT, "temporary file: %s", strerror(errno));
		l->rest = 0;
	}
	return to_file(l, octets);
}

void sendmail_letter_end(struct send_letter *l)
{
	if (l->fd >= 0)
		lseek(l->fd, 0, SEEK_SET);
	l->rest_from = 0;
}

void sendmail_letter_fini(struct send_letter *l)
{
	buf_fini(&l->text);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

/* ---- lines of standard input ---- */

struct input {
	struct buf in;
	bool is_end, is_line_start, stops_at_dot;
};

static int fill(struct input *i)
{
	for (;;) {
		char *p = buf_reserve(&i->in, 65536);
		ssize_t n = p ? read(STDIN_FILENO, p, 65536) : -1;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return sendmail_fail(EX_IOERR, "standard input: %s", strerror(errno));
		i->is_end = n == 0;
		buf_added(&i->in, (size_t)n);
		return 0;
	}
}

/* The next line with its end, or a piece of a very long one; empty at the end. */
static int next_line(struct input *i, struct span *line_r)
{
	struct span all;
	ptrdiff_t lf;

	while ((lf = span_find(buf_span(&i->in), '\n')) < 0 && !i->is_end &&
		buf_len(&i->in) < 65536) {
		int code = fill(i);

		if (code)
			return code;
	}
	all = buf_span(&i->in);
	*line_r = span_sub(all, 0, lf < 0 ? all.len : (size_t)lf + 1);
	if (i->stops_at_dot && i->is_line_start && line_r->len && line_r->ptr[0] == '.' &&
		(line_r->len == 1 || line_r->ptr[1] == '\n' ||
			(line_r->ptr[1] == '\r' && line_r->len == 3))) {
		*line_r = SPAN_NONE;
		i->is_end = true;
		buf_clear(&i->in);
	}
	i->is_line_start = lf >= 0;
	return 0;
}

static bool is_blank_line(struct span line)
{
	return span_eq(line, SPAN("\n")) || span_eq(line, SPAN("\r\n"));
}

/* "Name:", the beginning of a field (RFC 5322 section 2.2)? */
static bool is_field(struct span line)
{
	ptrdiff_t colon = span_find(line, ':');

	for (ptrdiff_t i = 0; i < colon; i++) {
		if (line.ptr[i] <= ' ' || line.ptr[i] > '~')
			return i > 0 && (line.ptr[i] == ' ' || line.ptr[i] == '\t') &&
				span_trim(span_sub(line, (size_t)i, (size_t)(colon - i))).len == 0;
	}
	return colon > 0;
}

/* The header section; what begins the body, when no empty line does, is left in `i`. */
static int read_head(struct input *i, struct buf *head)
{
	struct span line;
	bool is_first = true;

	for (;;) {
		int code = next_line(i, &line);

		if (code)
			return code;
		if (!line.len)
			break;
		if (is_first && span_starts(line, SPAN("From "))) {
			buf_consume(&i->in, line.len);
			continue;
		}
		bool is_fold = buf_len(head) && (line.ptr[0] == ' ' || line.ptr[0] == '\t');
		bool is_blank = is_blank_line(line);
		if (!is_blank && !is_fold && !is_field(line))
			break;
		is_first = false;
		bool has_end = line.ptr[line.len - 1] == '\n';
		if (!is_blank)
			buf_span_put(head, line);
		if (!is_blank && !has_end)
			buf_str(head, "\n");
		buf_consume(&i->in, line.len);
		if (is_blank)
			break;
		if (!buf_ok(head))
			return sendmail_fail(EX_DATAERR, "the header is too large");
	}
	buf_str(head, "\r\n");
	return 0;
}

static int read_body(struct input *i, struct send_letter *l)
{
	struct span line;
	int code;

	while (!(code = next_line(i, &line)) && line.len) {
		code = sendmail_letter_put(l, line);
		if (code)
			break;
		if (buf_len(&i->in))
			buf_consume(&i->in, line.len);
	}
	return code;
}

int sendmail_read(struct sendmail *m, struct send_letter *l)
{
	struct input i = {.is_line_start = true, .stops_at_dot = !m->ignores_dots};
	struct buf head;
	struct send_envelope env;
	int code;

	buf_init(&i.in, 1 << 20);
	buf_init(&head, SEND_HEAD_MAX);
	sendmail_letter_begin(l);
	l->from = sendmail_from(m);
	code = read_head(&i, &head);
	if (!code && m->reads_rcpts) {
		code = send_head_envelope(m->a, buf_span(&head), &env);
		for (size_t k = 0; !code && k < env.rcpt_count; k++) {
			if (m->rcpt_count == SEND_RCPTS_MAX) {
				code = sendmail_fail(EX_USAGE, "too many recipients");
				break;
			}
			m->rcpts[m->rcpt_count++] = sendmail_qualified(m, env.rcpts[k]);
		}
	}
	if (!code) {
		if (m->station)
			sendmail_station_header(m, &head);
		else
			send_head_complete(
				m->a, &head, l->from[0] ? l->from : "MAILER-DAEMON", m->full_name);
		buf_span_put(&l->text, buf_span(&head));
		code = read_body(&i, l);
	}
	sendmail_letter_end(l);
	l->rcpts = m->rcpts;
	l->rcpt_count = m->rcpt_count;
	buf_fini(&head);
	buf_fini(&i.in);
	return code;
}
