#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/enc.h"
#include "base/mem.h"
#include "cli/send_priv.h"

/* The conversation for people: the marks of swaks, colour and times on a terminal. Controls in what a
 * server says never reach the terminal. */

enum ink { INK_NONE, INK_SENT, INK_GOT, INK_BAD, INK_INFO, INK_GOOD };
static const char *const inks[] = {"", "\033[36m", "", "\033[31m", "\033[2m", "\033[32m"};
#define INK_END "\033[0m"

struct send_screen {
	struct send_words *w;
	FILE *out, *err;
	bool owns_out, owns_err;
	bool is_json, keeps_transcript, is_color, is_terminal;
	bool shows_data, shows_lapse, shows_raw, decodes_auth;
	bool hides_sent, hides_got, hides_info, hides_all;
	bool has_no_sent_mark, has_no_got_mark, has_no_info_mark;
	int silent; /* 0 to 3 */
	unsigned columns;
	struct buf held;       /* --silent 1 */
	struct buf transcript; /* JSON array's inside */
	struct json_out json;
	int64_t began_ns, sent_ns; /* the last thing we said */
	bool is_awaited;           /* something was said since the last reply */
	uint64_t data_octets;
	bool saw_data, has_bar;
	int64_t bar_ns;
};

#define COLUMNS_MIN  40
#define BAR_EVERY_NS (100 * CLOCK_MS)
#define BAR_FROM     ((int64_t)1 << 20) /* smaller messages need no bar */

static FILE *open_out(const char *path, FILE * or, bool *owns)
{
	*owns = false;
	if (!path)
		return or ;
	if (strcmp(path, "&STDOUT") == 0)
		return stdout;
	if (strcmp(path, "&STDERR") == 0)
		return stderr;
	FILE *f = fopen(path, "we");
	*owns = f != NULL;
	if (!f)
		cli_fail(SEND_EXIT_WORDS, "%s: %s", path, strerror(errno));
	return f;
}

static bool open_files(struct send_screen *s)
{
	const char *both = send_arg(s->w, SEND_O_OUTPUT);
	const char *out = send_arg(s->w, SEND_O_OUTPUT_OUT),
		   *err = send_arg(s->w, SEND_O_OUTPUT_ERR);

	s->out = open_out(out ? out : both, stdout, &s->owns_out);
	if (both && !err && s->out)
		s->err = s->out;
	else
		s->err = open_out(err, stderr, &s->owns_err);
	return s->out && s->err;
}

static unsigned columns_of(FILE *f)
{
	struct winsize size;
	const char *text = getenv("COLUMNS");
	uint64_t n;

	if (text && span_u64_max(span_str(text), 1000, &n) && n >= COLUMNS_MIN)
		return (unsigned)n;
	if (ioctl(fileno(f), TIOCGWINSZ, &size) == 0 && size.ws_col >= COLUMNS_MIN)
		return size.ws_col;
	return 80;
}

struct send_screen *send_screen_new(struct send_words *w)
{
	struct send_screen *s = NEW(struct send_screen);
	const char *color = send_arg(w, SEND_O_COLOR), *silent = send_arg(w, SEND_O_SILENT);

	s->w = w;
	buf_init(&s->held, SEND_SHOWN_MAX);
	buf_init(&s->transcript, SEND_SHOWN_MAX);
	json_out_init(&s->json, &s->transcript);
	s->is_json = send_has(w, SEND_O_JSON);
	s->keeps_transcript = s->is_json && send_has(w, SEND_O_TRANSCRIPT);
	if (!open_files(s)) {
		send_screen_free(&s, 0);
		return NULL;
	}
	if (s->keeps_transcript)
		json_open_array(&s->json);
	s->is_terminal = isatty(fileno(s->out));
	s->columns = columns_of(s->out);
	s->is_color = color && strcmp(color, "always") == 0 ? true
		: color && strcmp(color, "never") == 0      ? false
							    : cli_is_color(s->out);
	s->shows_data = send_has(w, SEND_O_SHOW_DATA) && !send_has(w, SEND_O_NO_DATA);
	s->shows_lapse = send_has(w, SEND_O_LAPSE);
	s->shows_raw = send_has(w, SEND_O_RAW);
	s->decodes_auth = send_has(w, SEND_O_AUTH_PLAINTEXT);
	s->hides_all = send_has(w, SEND_O_HIDE_ALL);
	s->hides_sent = send_has(w, SEND_O_HIDE_SEND);
	s->hides_got = send_has(w, SEND_O_HIDE_RECV);
	s->hides_info = send_has(w, SEND_O_HIDE_INFO);
	s->has_no_info_mark = send_has(w, SEND_O_NO_INFO_HINTS);
	s->has_no_sent_mark = send_has(w, SEND_O_NO_HINTS) || send_has(w, SEND_O_NO_SEND_HINTS);
	s->has_no_got_mark = send_has(w, SEND_O_NO_HINTS) || send_has(w, SEND_O_NO_RECV_HINTS);
	s->silent = send_has(w, SEND_O_QUIET) ? 2
		: !send_has(w, SEND_O_SILENT) ? 0
		: silent && silent[0] == '2'  ? 2
		: silent && silent[0] == '3'  ? 3
					      : 1;
	s->began_ns = s->sent_ns = clock_mono_ns();
	return s;
}

static void end_bar(struct send_screen *s)
{
	if (s->has_bar)
		cli_progress(1, 1);
	s->has_bar = false;
}

/* A whole line (or several). Errors pass --silent 1 and 2. */
static void show(struct send_screen *s, struct span text, bool is_error)
{
	end_bar(s);
	if (s->is_json || s->silent == 3 || (s->hides_all && !is_error) || s->hides_all)
		return;
	if (is_error && s->silent) {
		fwrite(text.ptr, 1, text.len, s->err);
		return;
	}
	if (s->silent == 1)
		buf_span_put(&s->held, text);
	else if (!s->silent)
		fwrite(text.ptr, 1, text.len, s->out);
}

void send_screen_free(struct send_screen **sp, int code)
{
	struct send_screen *s = *sp;

	*sp = NULL;
	if (!s)
		return;
	end_bar(s);
	if (code && s->silent == 1 && s->out)
		fwrite(buf_span(&s->held).ptr, 1, buf_len(&s->held), s->out);
	if (s->owns_out)
		fclose(s->out);
	if (s->owns_err)
		fclose(s->err);
	buf_fini(&s->held);
	buf_fini(&s->transcript);
	free(s);
}

/* What may stand on a terminal: no C0, DEL; other octets as they are. */
static void put_safe(struct buf *b, struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if ((c < 32 && c != '\t') || c == 127)
			buf_printf(b, "\\x%02x", c);
		else
			buf_char(b, (char)c);
	}
}

/* A line with its mark, and at the right end (on a terminal that has room) how long it took. */
static void line(
	struct send_screen *s, const char *mark, enum ink ink, struct span text, int64_t took_ns)
{
	struct buf b, time;
	bool is_error = mark && strcmp(mark, "***") == 0;

	buf_init(&b, SEND_SHOWN_MAX);
	buf_init(&time, 64);
	if (mark)
		buf_printf(&b, "%s ", mark);
	put_safe(&b, text);
	size_t width = buf_len(&b);
	if (took_ns >= 0 && s->is_terminal) {
		clock_put_duration(&time, took_ns / CLOCK_US * CLOCK_US);
		if (width + buf_len(&time) + 1 < s->columns)
			buf_printf(&b, "%*s%s" SPAN_FMT "%s",
				(int)(s->columns - width - buf_len(&time) - 1), "",
				s->is_color ? "\033[2m" : "", SPAN_ARG(buf_span(&time)),
				s->is_color ? INK_END : "");
	}
	if (s->is_color && inks[ink][0]) {
		struct buf colored;

		buf_init(&colored, SEND_SHOWN_MAX);
		buf_printf(&colored, "%s" SPAN_FMT INK_END SPAN_FMT, inks[ink], (int)width,
			buf_span(&b).ptr, SPAN_ARG(span_skip(buf_span(&b), width)));
		buf_fini(&b);
		b = colored;
	}
	buf_char(&b, '\n');
	show(s, buf_span(&b), is_error);
	buf_fini(&b);
	buf_fini(&time);
}

static void vsay(struct send_screen *s, const char *mark, enum ink ink, const char *fmt, va_list ap)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	buf_vprintf(&b, fmt, ap);
	line(s, s->has_no_info_mark && ink == INK_INFO ? NULL : mark, ink, buf_span(&b), -1);
	buf_fini(&b);
}

void send_say(struct send_screen *s, const char *fmt, ...)
{
	va_list ap;

	if (s->hides_info)
		return;
	va_start(ap, fmt);
	vsay(s, "===", INK_INFO, fmt, ap);
	va_end(ap);
}

void send_complain(struct send_screen *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsay(s, "***", INK_BAD, fmt, ap);
	va_end(ap);
}

/* ---- the library's events ---- */

static const char *mark_of(const struct send_screen *s, const struct yz_trace_event *e)
{
	if (e->dir == YZ_DIR_OUT)
		return s->has_no_sent_mark ? NULL
			: e->is_unexpected ? (e->is_encrypted ? "*~>" : "**>")
			: e->is_encrypted  ? " ~>"
					   : " ->";
	return s->has_no_got_mark  ? NULL
		: e->is_unexpected ? (e->is_encrypted ? "<~*" : "<**")
		: e->is_encrypted  ? "<~ "
				   : "<- ";
}

static void keep(struct send_screen *s, const struct yz_trace_event *e)
{
	static const char *const kinds[] = {
#define X(id, name) name,
		YZ_TRACE_KINDS(X)
#undef X
	};
	struct json_out *j = &s->json;

	json_open_object(j);
	json_key(j, "ms");
	json_double(j, (double)((e->time_ns - s->began_ns) / CLOCK_US) / 1000.0);
	json_kv_str(j, "kind", kinds[e->kind]);
	if (e->dir != YZ_DIR_NONE)
		json_kv_str(j, "direction", e->dir == YZ_DIR_OUT ? "out" : "in");
	json_kv_bool(j, "is_encrypted", e->is_encrypted);
	if (e->is_masked)
		json_kv_bool(j, "is_masked", true);
	if (e->is_unexpected)
		json_kv_bool(j, "is_unexpected", true);
	if (e->kind == YZ_TRACE_DATA)
		json_kv_u64(j, "octets", e->octets);
	if (e->text)
		json_kv_span(j, "text", span_of(e->text, e->len));
	json_close(j);
}

static void show_raw(struct send_screen *s, const struct yz_trace_event *e)
{
	struct span rest = span_of(e->text, e->len), row;

	for (size_t at = 0; rest.len; at += row.len) {
		struct buf b;

		buf_init(&b, 256);
		row = span_sub(rest, 0, 16);
		rest = span_skip(rest, row.len);
		buf_printf(&b, "%04zx  ", at);
		for (size_t i = 0; i < 16; i++) {
			if (i < row.len)
				buf_printf(&b, "%02x ", (unsigned)(unsigned char)row.ptr[i]);
			else
				buf_str(&b, "   ");
		}
		buf_char(&b, ' ');
		for (size_t i = 0; i < row.len; i++) {
			unsigned char c = (unsigned char)row.ptr[i];

			buf_char(&b, c >= ' ' && c < 127 ? (char)c : '.');
		}
		line(s, e->dir == YZ_DIR_OUT ? "  >" : "<  ", INK_INFO, buf_span(&b), -1);
		buf_fini(&b);
	}
}

static void end_data(struct send_screen *s, bool is_encrypted)
{
	struct buf b;

	if (!s->data_octets)
		return;
	buf_init(&b, 128);
	buf_printf(&b, "(%llu octets of message)", (unsigned long long)s->data_octets);
	if (!s->shows_data && !s->hides_sent)
		line(s,
			s->has_no_sent_mark    ? NULL
				: is_encrypted ? " ~>"
					       : " ->",
			INK_SENT, buf_span(&b), -1);
	buf_fini(&b);
	s->data_octets = 0;
}

/* What --auth-plaintext asks for: base64 that is text, as text. NULs of PLAIN are shown as \0. */
static bool decoded(struct span text, struct buf *b)
{
	ptrdiff_t blank = span_rfind(text, ' ');
	struct span last = span_skip(text, (size_t)(blank + 1));
	struct buf raw;
	bool is_text;

	buf_init(&raw, 65536);
	is_text = last.len >= 4 && enc_get_base64(&raw, last);
	for (size_t i = 0; is_text && i < buf_len(&raw); i++) {
		unsigned char c = (unsigned char)buf_span(&raw).ptr[i];

		is_text = c == 0 || (c >= 32 && c != 127);
	}
	if (is_text) {
		buf_span_put(b, span_sub(text, 0, (size_t)(blank + 1)));
		for (size_t i = 0; i < buf_len(&raw); i++) {
			if (buf_span(&raw).ptr[i])
				buf_char(b, buf_span(&raw).ptr[i]);
			else
				buf_str(b, "\\0");
		}
	}
	buf_fini(&raw);
	return is_text;
}

static void show_line(struct send_screen *s, const struct yz_trace_event *e)
{
	bool is_out = e->dir == YZ_DIR_OUT;
	int64_t took = is_out || !s->is_awaited ? -1 : e->time_ns - s->sent_ns;
	struct span text = span_of(e->text ? e->text : "", e->len);
	struct buf b;

	/* of several replies to commands sent together the first was waited for */
	s->is_awaited = is_out;
	if (is_out)
		s->sent_ns = e->time_ns;
	if (is_out ? s->hides_sent : s->hides_got)
		return;
	buf_init(&b, 65536);
	bool is_plain = s->decodes_auth && !e->is_masked && decoded(text, &b);
	line(s, mark_of(s, e),
		e->is_unexpected ? INK_BAD
			: is_out ? INK_SENT
				 : INK_GOT,
		is_plain ? buf_span(&b) : text, took);
	buf_fini(&b);
	if (s->shows_raw)
		show_raw(s, e);
	if (s->shows_lapse && took >= 0 && !s->is_terminal && !s->hides_info) {
		const char *arg = send_arg(s->w, SEND_O_LAPSE);

		if (arg && strcmp(arg, "i") == 0)
			send_say(s, "response in %llds", (long long)(took / CLOCK_SEC));
		else
			send_say(s, "response in %lld.%03llds", (long long)(took / CLOCK_SEC),
				(long long)(took / CLOCK_MS % 1000));
	}
}

static void show_data(struct send_screen *s, const struct yz_trace_event *e)
{
	struct span rest = span_of(e->text ? e->text : "", e->text ? e->len : 0), one;

	s->data_octets += e->octets;
	s->saw_data |= e->octets > 0;
	s->sent_ns = e->time_ns;
	s->is_awaited = true;
	while (s->shows_data && !s->hides_sent && rest.len) {
		span_cut(rest, '\n', &one, &rest);
		if (one.len && one.ptr[one.len - 1] == '\r')
			one.len--;
		line(s, mark_of(s, e), INK_SENT, one, -1);
	}
}

void send_screen_trace(void *screen, const struct yz_trace_event *e)
{
	struct send_screen *s = screen;

	if (s->keeps_transcript)
		keep(s, e);
	if (e->kind == YZ_TRACE_DATA) {
		show_data(s, e);
		return;
	}
	end_data(s, e->is_encrypted);
	if (e->kind == YZ_TRACE_LINE) {
		show_line(s, e);
	} else if (e->kind == YZ_TRACE_RESOLVE || e->kind == YZ_TRACE_CONNECT ||
		e->kind == YZ_TRACE_NOTE) {
		s->sent_ns = e->time_ns;
		s->is_awaited = true;
		if (!s->hides_info)
			line(s, s->has_no_info_mark ? NULL : "===", INK_INFO,
				span_of(e->text, e->len), -1);
	} else if (e->kind == YZ_TRACE_TLS) {
		s->sent_ns = e->time_ns;
	}
}

unsigned send_screen_trace_flags(const struct send_screen *s)
{
	return (send_has(s->w, SEND_O_SECRETS) ? YZ_TRACE_SECRETS : 0) |
		(send_has(s->w, SEND_O_SHOW_DATA) ? YZ_TRACE_BODY : 0);
}

/* ---- facts ---- */

void send_screen_tls(struct send_screen *s, const struct yz_session *session)
{
	const struct yz_tls_info *t = yz_tls(session);
	struct buf b;

	if (!t)
		return;
	buf_init(&b, 8192);
	buf_printf(&b, "TLS: %s, %s, %u bits", t->version, t->cipher, t->bits);
	if (t->group)
		buf_printf(&b, ", %s", t->group);
	send_say(s, "%s", buf_cstr(&b));
	if (t->cert_count) {
		const struct yz_cert *c = &t->certs[0];
		struct buf date;

		buf_init(&date, 64);
		clock_put_rfc3339(&date, c->not_after);
		send_say(s, "certificate: %s (%s), until %.10s", c->subject, c->key,
			buf_cstr(&date));
		buf_fini(&date);
	}
	if (t->is_verified)
		send_say(s, "verified for %s", t->name ? t->name : yz_host(session));
	else
		send_say(s, "not verified: %s",
			t->verify_error ? t->verify_text : "nobody asked for it");
	buf_fini(&b);
}

/* A recipient's fate: two lines at most, the server's words and what might be done. */
static void show_result(struct send_screen *s, const struct yz_result *r, unsigned width)
{
	const char *fate = yz_outcome_str(r->outcome);
	const char *advice = r->outcome == YZ_ACCEPTED ? NULL
						       : send_advice(YZ_OK, r->reply, r->outcome);
	struct buf b;

	buf_init(&b, 65536);
	/* the text begins with the fate where it says more than that */
	bool is_told = r->text && strncmp(r->text, fate, strlen(fate)) == 0;

	buf_printf(&b, "%-*s  %s", (int)width, r->path,
		r->outcome == YZ_ACCEPTED || !is_told ? fate : r->text);
	if (r->outcome == YZ_ACCEPTED) {
		line(s, "===", INK_GOOD, buf_span(&b), -1);
	} else {
		if (r->text && !is_told)
			buf_printf(&b, ": %s", r->text);
		line(s, "***", INK_BAD, buf_span(&b), -1);
		if (advice)
			send_say(s, "%*s  %s", (int)width, "", advice);
	}
	buf_fini(&b);
}

void send_screen_results(struct send_screen *s, const struct send_letter *letter,
	const struct yz_txn *t, int64_t took_ns)
{
	const struct yz_reply *reply = yz_txn_reply(t);
	size_t width = 0;
	struct buf time;

	end_bar(s);
	if (yz_txn_accepted(t) == yz_txn_count(t) && s->hides_info)
		return;
	buf_init(&time, 64);
	clock_put_duration(&time, took_ns / CLOCK_US * CLOCK_US);
	if (letter->label)
		send_say(s, "%s", letter->label);
	for (size_t i = 0; i < yz_txn_count(t); i++) {
		size_t len = strlen(yz_txn_result(t, i)->path);

		width = len > width && len < s->columns / 2 ? len : width;
	}
	for (size_t i = 0; i < yz_txn_count(t); i++)
		show_result(s, yz_txn_result(t, i), (unsigned)width);
	send_say(s, "%zu of %zu recipients, %llu octets in %s%s%s", yz_txn_accepted(t),
		yz_txn_count(t), (unsigned long long)yz_txn_octets(t), buf_cstr(&time),
		yz_txn_accepted(t) && reply ? ": " : "",
		yz_txn_accepted(t) && reply ? reply->text : "");
	buf_fini(&time);
}

void send_screen_progress(void *screen, uint64_t sent, int64_t of)
{
	struct send_screen *s = screen;
	int64_t now = clock_mono_ns();

	if (send_has(s->w, SEND_O_NO_PROGRESS) || s->silent || s->hides_all ||
		(of >= 0 && of < BAR_FROM) || now - s->bar_ns < BAR_EVERY_NS)
		return;
	s->bar_ns = now;
	s->has_bar = true;
	cli_progress(sent, of > 0 ? (uint64_t)of : 0);
}

void send_screen_raw(struct send_screen *s, struct span octets)
{
	fwrite(octets.ptr, 1, octets.len, s->out);
}

void send_screen_put_transcript(struct send_screen *s, struct json_out *j)
{
	if (!s->keeps_transcript)
		return;
	json_close(&s->json);
	json_key(j, "transcript");
	json_raw(j, buf_span(&s->transcript));
	s->keeps_transcript = false;
}

bool send_screen_is_json(const struct send_screen *s)
{
	return s->is_json;
}

bool send_screen_saw_data(const struct send_screen *s)
{
	return s->saw_data;
}
