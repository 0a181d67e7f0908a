#include "proto/smtp/smtp_syntax.h"

#include <stdarg.h>
#include <string.h>

#include "base/must.h"
#include "base/utf8.h"

void smtp_reply_init(struct smtp_reply *r)
{
	memset(r, 0, sizeof(*r));
	buf_init(&r->text, SMTP_REPLY_TEXT_MAX);
	buf_init(&r->lines, SMTP_REPLY_LINES_TEXT_MAX);
}

void smtp_reply_fini(struct smtp_reply *r)
{
	buf_fini(&r->text);
	buf_fini(&r->lines);
	r->code = r->cls = r->subject = r->detail = 0;
}

void smtp_reply_clear(struct smtp_reply *r)
{
	r->code = r->cls = r->subject = r->detail = 0;
	buf_clear(&r->text);
	buf_clear(&r->lines);
}

void smtp_reply_copy(struct smtp_reply *to, const struct smtp_reply *from)
{
	to->code = from->code;
	to->cls = from->cls;
	to->subject = from->subject;
	to->detail = from->detail;
	buf_clear(&to->text);
	buf_span_put(&to->text, buf_span(&from->text));
	buf_clear(&to->lines);
	buf_span_put(&to->lines, buf_span(&from->lines));
}

/* What may not stand in a reply line becomes '?'; LF separates lines. */
static void make_safe(struct buf *b, size_t from)
{
	for (size_t i = b->from + from; i < b->to; i++) {
		unsigned char c = (unsigned char)b->mem[i];

		if ((c < ' ' && c != '\n' && c != '\t') || c == 0x7f)
			b->mem[i] = '?';
	}
}

void smtp_reply_set(struct smtp_reply *r, unsigned code, unsigned cls, unsigned subject,
	unsigned detail, const char *fmt, ...)
{
	va_list ap;

	MUST(code >= 200 && code <= 599);
	r->code = code;
	r->cls = cls;
	r->subject = subject;
	r->detail = detail;
	buf_clear(&r->text);
	buf_clear(&r->lines);
	va_start(ap, fmt);
	buf_vprintf(&r->text, fmt, ap);
	va_end(ap);
	if (!buf_ok(&r->text)) {
		buf_clear(&r->text);
		buf_str(&r->text, "(a text too long for a reply)");
	}
	make_safe(&r->text, 0);
}

/* How much of `s` fits into `room` octets without cutting a UTF-8 character. */
static size_t fit(struct span s, size_t room)
{
	if (s.len <= room)
		return s.len;
	for (size_t n = room; n + 4 > room && n > 0; n--)
		if (((unsigned char)s.ptr[n] & 0xc0) != 0x80)
			return n;
	return room;
}

#define REPLY_HEAD_MAX 16 /* "250-2.123.123 " */

static size_t put_number(char *at, unsigned v)
{
	size_t n = 0;

	if (v >= 100)
		at[n++] = (char)('0' + v / 100);
	if (v >= 10)
		at[n++] = (char)('0' + v / 10 % 10);
	at[n++] = (char)('0' + v % 10);
	return n;
}

/* Code, separator and enhanced code: what each line begins with. */
static size_t reply_head(const struct smtp_reply *r, bool is_enhanced, char head[REPLY_HEAD_MAX])
{
	size_t n = put_number(head, r->code);

	head[n++] = '-';
	/* RFC 2034 section 4: class 2, 4 and 5 only, and the class of the reply code */
	if (is_enhanced && r->cls && r->cls == r->code / 100 && r->cls != 3) {
		n += put_number(head + n, r->cls);
		head[n++] = '.';
		n += put_number(head + n, r->subject % 1000);
		head[n++] = '.';
		n += put_number(head + n, r->detail % 1000);
		head[n++] = ' ';
	}
	return n;
}

void smtp_reply_put(const struct smtp_reply *r, bool is_enhanced, struct buf *out)
{
	char head[REPLY_HEAD_MAX];
	size_t head_len = reply_head(r, is_enhanced, head), n;
	struct span line, rest = buf_span(&r->text);
	bool has_more;

	do {
		has_more = span_cut(rest, '\n', &line, &rest);
		n = fit(line, SMTP_REPLY_LINE_OUT - 2 - head_len);
		if (n < line.len) {
			rest = span_of(line.ptr + n, line.len - n + (has_more ? rest.len + 1 : 0));
			line.len = n;
			has_more = true;
		}
		head[3] = has_more ? '-' : ' ';
		buf_put(out, head, head_len);
		buf_span_put(out, line);
		buf_put(out, "\r\n", 2);
	} while (has_more);
}

void smtp_reply_parser_init(struct smtp_reply_parser *p)
{
	memset(p, 0, sizeof(*p));
	smtp_reply_init(&p->reply);
}

void smtp_reply_parser_reset(struct smtp_reply_parser *p)
{
	smtp_reply_clear(&p->reply);
	p->lines = 0;
	p->is_complete = false;
}

void smtp_reply_parser_fini(struct smtp_reply_parser *p)
{
	smtp_reply_fini(&p->reply);
	p->lines = 0;
	p->is_complete = false;
}

static int bad_reply(const char *why, struct err *e)
{
	err_set(e, ERR_PROTO, "bad SMTP reply: %s", why);
	return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
}

static bool take_number(struct span *s, unsigned *v_r)
{
	size_t n = 0;

	*v_r = 0;
	while (n < s->len && n < 3 && s->ptr[n] >= '0' && s->ptr[n] <= '9')
		*v_r = *v_r * 10 + (unsigned)(s->ptr[n++] - '0');
	*s = span_skip(*s, n);
	return n > 0;
}

/* status-code = class "." subject "." detail, followed by a blank or the end (RFC 3463 section 2;
 * RFC 2034 section 4: its class agrees with the reply code) */
bool smtp_enhanced_take(struct span *text, unsigned code, unsigned n_r[3])
{
	struct span s = *text;

	for (int i = 0; i < 3; i++) {
		if (!take_number(&s, &n_r[i]))
			return false;
		if (i < 2) {
			if (s.len == 0 || s.ptr[0] != '.')
				return false;
			s = span_skip(s, 1);
		}
	}
	if (n_r[0] != code / 100 || n_r[0] == 3 || (s.len && s.ptr[0] != ' '))
		return false;
	*text = span_skip(s, s.len ? 1 : 0);
	return true;
}

/* One line as it came. What does not fit is dropped. */
static void add_line(struct smtp_reply_parser *p, struct span line)
{
	struct buf *b = &p->reply.lines;

	if (p->lines > 1 && buf_room(b))
		buf_char(b, '\n');
	buf_span_put(b, span_sub(line, 0, buf_room(b)));
}

/* The text of one line behind its code. What does not fit is dropped. */
static void add_text(struct smtp_reply_parser *p, struct span text)
{
	struct smtp_reply *r = &p->reply;
	unsigned n[3];
	size_t from;

	if (!p->is_plain && smtp_enhanced_take(&text, r->code, n) && r->cls == 0) {
		r->cls = n[0];
		r->subject = n[1];
		r->detail = n[2];
	}
	if (p->lines > 1) {
		if (buf_room(&r->text) == 0)
			return;
		buf_char(&r->text, '\n');
	}
	from = buf_len(&r->text);
	buf_span_put(&r->text, span_sub(text, 0, fit(text, buf_room(&r->text))));
	make_safe(&r->text, from);
	if (!utf8_is_valid(span_skip(buf_span(&r->text), from)))
		for (size_t i = r->text.from + from; i < r->text.to; i++)
			if ((unsigned char)r->text.mem[i] & 0x80)
				r->text.mem[i] = '?';
}

int smtp_reply_parser_line(struct smtp_reply_parser *p, struct span line, struct err *e)
{
	unsigned code = 0;
	struct span rest = line;

	MUST(!p->is_complete);
	if (line.len > SMTP_REPLY_LINE_MAX)
		return bad_reply("line too long", e);
	if (++p->lines > SMTP_REPLY_LINES_MAX)
		return bad_reply("too many lines", e);
	if (span_has_line_break(line))
		return bad_reply("CR, LF or NUL within a line", e);
	/* Reply-code = %x32-35 %x30-35 %x30-39 (RFC 5321 section 4.2); 571 and the like are met in
	 * the wild, so the second digit is not looked at closely. */
	if (!take_number(&rest, &code) || line.len - rest.len != 3 || code < 200 || code > 599)
		return bad_reply("no reply code", e);
	if (rest.len && rest.ptr[0] != ' ' && rest.ptr[0] != '-')
		return bad_reply("no blank behind the code", e);
	if (p->lines > 1 && code != p->reply.code)
		return bad_reply("codes differ between lines", e);
	p->reply.code = code;
	p->is_complete = rest.len == 0 || rest.ptr[0] == ' ';
	if (p->keeps_lines)
		add_line(p, span_skip(rest, 1));
	add_text(p, span_skip(rest, 1));
	return 0;
}

static const struct {
	const char *name;
	unsigned feature;
} keywords[] = {
	{"PIPELINING", SMTP_PIPELINING},
	{"SIZE", SMTP_SIZE},
	{"8BITMIME", SMTP_8BITMIME},
	{"BINARYMIME", SMTP_BINARYMIME},
	{"CHUNKING", SMTP_CHUNKING},
	{"SMTPUTF8", SMTP_SMTPUTF8},
	{"DSN", SMTP_DSN},
	{"ENHANCEDSTATUSCODES", SMTP_ENHANCED},
	{"STARTTLS", SMTP_FEATURE_STARTTLS},
	{"LIMITS", SMTP_LIMITS},
	{"HELP", SMTP_FEATURE_HELP},
	{"VRFY", SMTP_FEATURE_VRFY},
	{"AUTH", SMTP_FEATURE_AUTH},
	{"REQUIRETLS", SMTP_REQUIRETLS},
	{"DELIVERBY", SMTP_DELIVERBY},
	{"FUTURERELEASE", SMTP_FUTURERELEASE},
	{"MT-PRIORITY", SMTP_MT_PRIORITY},
};

/* RFC 9422 section 3: name "=" value pairs; unknown names and bad values are ignored */
static void parse_limits(struct span rest, struct smtp_caps *caps)
{
	struct span word, name, value;
	uint64_t n;

	while ((word = span_word(&rest)).len) {
		if (!span_cut(word, '=', &name, &value) || !span_u64(value, &n) || n == 0)
			continue;
		if (span_eq_nocase(name, SPAN("RCPTMAX")))
			caps->rcpt_max = n;
		else if (span_eq_nocase(name, SPAN("MAILMAX")))
			caps->mail_max = n;
	}
}

const struct smtp_cap *smtp_caps_find(const struct smtp_caps *caps, struct span name)
{
	for (size_t i = 0; i < caps->count; i++)
		if (span_eq_nocase(caps->list[i].name, name))
			return &caps->list[i];
	return NULL;
}

static bool has_word(struct span list, struct span word)
{
	struct span w;

	while ((w = span_word(&list)).len)
		if (span_eq_nocase(w, word))
			return true;
	return false;
}

/* The words of `more` that `list` does not have behind those it has. */
static struct span merge_words(struct arena *a, struct span list, struct span more)
{
	struct span word;

	while ((word = span_word(&more)).len)
		if (!has_word(list, word))
			list = span_str(arena_printf(a, SPAN_FMT "%s" SPAN_FMT, SPAN_ARG(list),
				list.len ? " " : "", SPAN_ARG(word)));
	return list;
}

static unsigned feature_of(struct span word)
{
	for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
		if (span_eq_nocase(word, span_str(keywords[i].name)))
			return keywords[i].feature;
	return 0;
}

/* One keyword; a second one of the same name says the same again, but for AUTH, whose old form
 * stands beside the new one. */
static void add_cap(struct arena *a, struct smtp_caps *caps, struct span word, struct span params)
{
	unsigned feature = feature_of(word);
	const struct smtp_cap *old = smtp_caps_find(caps, word);
	struct smtp_cap *cap = &caps->list[old ? (size_t)(old - caps->list) : caps->count];

	caps->features |= feature;
	if (!old) {
		caps->count++;
		cap->name = arena_span(a, word);
		cap->params = SPAN("");
	}
	if (feature == SMTP_FEATURE_AUTH)
		caps->auth = cap->params = merge_words(a, cap->params, params);
	else if (!old)
		cap->params = arena_span(a, params);
	if (feature == SMTP_SIZE && !span_u64(params, &caps->size_max))
		caps->size_max = 0; /* RFC 1870 section 4: the number may be missing */
	else if (feature == SMTP_LIMITS)
		parse_limits(params, caps);
}

static size_t count_lines(struct span text)
{
	size_t n = 1;

	for (size_t i = 0; i < text.len; i++)
		n += text.ptr[i] == '\n';
	return n;
}

void smtp_caps_parse(struct arena *a, struct span text, struct smtp_caps *caps_r)
{
	struct span line, word;
	size_t max = count_lines(text);

	memset(caps_r, 0, sizeof(*caps_r));
	caps_r->list = ARENA_ARRAY(
		a, struct smtp_cap, max < SMTP_REPLY_LINES_MAX ? max : SMTP_REPLY_LINES_MAX);
	span_cut(text, '\n', &line, &text);
	while (text.len && caps_r->count < SMTP_REPLY_LINES_MAX) {
		span_cut(text, '\n', &line, &text);
		line = span_trim(line);
		/* "AUTH=LOGIN" is what servers of the last century say for "AUTH LOGIN" */
		if (span_starts_nocase(line, SPAN("AUTH="))) {
			word = SPAN("AUTH");
			line = span_skip(line, 5);
		} else {
			word = span_word(&line);
		}
		if (word.len)
			add_cap(a, caps_r, word, span_trim(line));
	}
}
