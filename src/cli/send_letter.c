#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/send_priv.h"

/* The messages, one at a time: a template with tokens, files, standard input, an mbox. Of a file only
 * its header section is read ahead; the rest streams. */

#define TEMPLATE                                                                                   \
	"Date: %DATE%\nTo: %TO_ADDRESS%\n%CC%From: %FROM_FIELD%\nSubject: %SUBJECT%\n"             \
	"Message-ID: %MESSAGEID%\nX-Mailer: yizhan/%VERSION%\n%NEW_HEADERS%\n%BODY%\n"
#define READ_AHEAD 65536

static int fail_file(const char *path)
{
	return cli_fail(SEND_EXIT_SOURCE, "%s: %s", path, strerror(errno));
}

static void fini_letter(struct send_letter *l)
{
	buf_fini(&l->text);
	if (l->fd > STDIN_FILENO)
		close(l->fd);
	*l = (struct send_letter){.fd = -1};
}

/* ---- envelope ---- */

static int add_list(struct send_letters *l, const char *list, const char **all, size_t *count)
{
	struct arena *a = l->plan->a;
	size_t more = 0;
	const char **found = list ? send_addresses(a, list, &more) : NULL;

	if (list && !more)
		return cli_fail(SEND_EXIT_WORDS, "\"%s\" names no recipient", list);
	if (*count + more > SEND_RCPTS_MAX)
		return cli_fail(SEND_EXIT_WORDS, "more than %d recipients", SEND_RCPTS_MAX);
	for (size_t i = 0; i < more; i++)
		all[(*count)++] = found[i];
	return 0;
}

static const char *sender(struct send_letters *l)
{
	struct send_plan *p = l->plan;
	const char *from = send_arg(p->words, SEND_O_FROM);
	size_t count;

	if (!from && p->account)
		from = p->account->from;
	if (!from)
		return send_default_from(p->a, send_has(p->words, SEND_O_GETPWUID));
	if (strcmp(from, "<>") == 0 || !from[0])
		return "";
	const char **all = send_addresses(p->a, from, &count);
	return all && count == 1 ? all[0] : from;
}

/* Recipients out of the words; none is fine where the message or a stop makes up for it. */
static int set_envelope(struct send_letters *l)
{
	struct send_plan *p = l->plan;
	const char *lists[] = {send_arg(p->words, SEND_O_TO), send_arg(p->words, SEND_O_CC),
		send_arg(p->words, SEND_O_BCC)};
	size_t room = 1;
	int code = 0;

	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		room += lists[i] ? strlen(lists[i]) : 0;
	l->now.rcpts = ARENA_ARRAY(p->a, const char *, room);
	l->now.from = sender(l);
	for (size_t i = 0; !code && i < ARRAY_LEN(lists); i++)
		code = add_list(l, lists[i], l->now.rcpts, &l->now.rcpt_count);
	return code;
}

/* Those of the header join those of the words, each once. */
static int add_header_rcpts(struct send_letters *l, struct span head)
{
	struct arena *a = l->plan->a;
	struct send_envelope env;
	int code = send_head_envelope(a, head, &env);

	if (code)
		return SEND_EXIT_SOURCE;
	const char **all = ARENA_ARRAY(a, const char *, l->now.rcpt_count + env.rcpt_count + 1);
	size_t count = 0;
	for (size_t i = 0; i < l->now.rcpt_count; i++)
		all[count++] = l->now.rcpts[i];
	for (size_t i = 0; i < env.rcpt_count; i++) {
		bool is_there = false;

		for (size_t k = 0; k < l->now.rcpt_count; k++)
			is_there |= strcmp(l->now.rcpts[k], env.rcpts[i]) == 0;
		if (!is_there)
			all[count++] = env.rcpts[i];
	}
	l->now.rcpts = all;
	l->now.rcpt_count = count;
	if (env.from[0] && !send_has(l->plan->words, SEND_O_FROM) &&
		!(l->plan->account && l->plan->account->from))
		l->now.from = env.from;
	return 0;
}

static bool needs_rcpt(const struct send_plan *p)
{
	enum send_stop stops[] = {p->quit_after, p->drop_after, p->drop_after_send};

	for (size_t i = 0; i < ARRAY_LEN(stops); i++) {
		if (stops[i] != SEND_STOP_NONE && stops[i] < SEND_STOP_RCPT)
			return false;
	}
	return true;
}

static int check_rcpts(struct send_letters *l)
{
	if (l->now.rcpt_count || !needs_rcpt(l->plan))
		return 0;
	return cli_fail(SEND_EXIT_WORDS, "who is it for? say --to ADDRESS, or -t");
}

/* ---- header ---- */

static int change_header(struct send_letters *l, struct buf *head)
{
	struct send_words *w = l->plan->words;
	const char *subject = send_arg(w, SEND_O_SUBJECT);
	int code = 0;

	if (subject)
		code = send_head_set(w->a, head, arena_printf(w->a, "Subject: %s", subject));
	for (size_t i = 0; !code && i < w->item_count; i++) {
		if (w->items[i].id == SEND_O_HEADER)
			code = send_head_set(w->a, head, w->items[i].arg);
		else if (w->items[i].id == SEND_O_ADD_HEADER)
			code = send_head_add(w->a, head, w->items[i].arg);
	}
	return code;
}

static const char *shown_name(const struct send_letters *l)
{
	return l->plan->account ? l->plan->account->name_shown : NULL;
}

/* A From_ line of a mailbox in front goes. */
static struct span without_from(const struct send_words *w, struct span text)
{
	if (send_has(w, SEND_O_NO_STRIP) || !span_starts(text, SPAN("From ")))
		return text;
	ptrdiff_t lf = span_find(text, '\n');
	return lf < 0 ? text : span_skip(text, (size_t)lf + 1);
}

/* What was read of a message, its header as it is to be. The rest of it follows from the file. */
static int take_text(struct send_letters *l, struct span text)
{
	struct send_plan *p = l->plan;
	struct buf head;
	int code = 0;

	buf_init(&l->now.text, SEND_FILE_MAX + SEND_HEAD_MAX * 2);
	if (send_has(p->words, SEND_O_NO_FIXUP)) {
		if (send_has(p->words, SEND_O_READ_RCPTS))
			code = add_header_rcpts(l, send_head_of(text));
		buf_span_put(&l->now.text, text);
		return code;
	}
	text = without_from(p->words, text);
	struct span first = send_head_of(text);
	if (send_has(p->words, SEND_O_READ_RCPTS))
		code = add_header_rcpts(l, first);
	buf_init(&head, SEND_HEAD_MAX * 2);
	buf_span_put(&head, first);
	if (!code)
		code = change_header(l, &head);
	if (!code)
		send_head_complete(p->a, &head, l->now.from, shown_name(l));
	buf_span_put(&l->now.text, buf_span(&head));
	buf_span_put(&l->now.text, span_skip(text, first.len));
	if (!code && (!buf_ok(&head) || !buf_ok(&l->now.text)))
		code = cli_fail(SEND_EXIT_SOURCE, "the header is too large");
	buf_fini(&head);
	return code;
}

/* ---- from a file ---- */

static bool has_whole_head(struct span text)
{
	struct span head = send_head_of(text);

	return head.len < text.len || span_find_span(text, SPAN("\n\n")) >= 0 ||
		span_find_span(text, SPAN("\n\r\n")) >= 0;
}

static int read_ahead(int fd, const char *path, struct buf *b, bool *is_end)
{
	*is_end = false;
	while (!has_whole_head(buf_span(b)) && !*is_end) {
		char *p = buf_reserve(b, READ_AHEAD);

		if (!p)
			return cli_fail(SEND_EXIT_SOURCE, "%s: the header is too large", path);
		ssize_t n = read(fd, p, READ_AHEAD);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail_file(path);
		*is_end = n == 0;
		buf_added(b, (size_t)n);
	}
	return 0;
}

static int open_letter(struct send_letters *l, const char *path)
{
	bool is_stdin = strcmp(path, "-") == 0, is_end;
	struct stat st;
	struct buf b;

	if (is_stdin && l->plan->words->in.ptr)
		return take_text(l, l->plan->words->in);
	l->now.fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	l->now.label = is_stdin ? "standard input" : path;
	if (l->now.fd < 0)
		return fail_file(path);
	buf_init(&b, SEND_HEAD_MAX);
	int code = read_ahead(l->now.fd, l->now.label, &b, &is_end);
	if (!code)
		code = take_text(l, buf_span(&b));
	buf_fini(&b);
	l->now.rest = -1;
	l->now.rest_from = -1;
	if (code)
		return code;
	if (fstat(l->now.fd, &st) == 0 && S_ISREG(st.st_mode)) {
		l->now.rest_from = lseek(l->now.fd, 0, SEEK_CUR);
		l->now.rest = st.st_size - l->now.rest_from;
	}
	if (is_end)
		l->now.rest = 0;
	return 0;
}

static long read_letter(void *arg, void *to, size_t n)
{
	struct send_letter *l = arg;
	struct span left = span_skip(buf_span(&l->text), l->read);
	ssize_t got;

	if (left.len) {
		size_t take = left.len < n ? left.len : n;

		memcpy(to, left.ptr, take);
		l->read += take;
		return (long)take;
	}
	l->is_at_end = l->fd < 0 || l->rest == 0;
	if (l->is_at_end)
		return 0;
	if (l->rest > 0 && (uint64_t)l->rest < n)
		n = (size_t)l->rest;
	do {
		got = read(l->fd, to, n);
	} while (got < 0 && errno == EINTR);
	/* a file that got shorter is not what was announced */
	if (got == 0 && l->rest > 0)
		return -1;
	l->is_at_end = got == 0;
	if (got > 0 && l->rest > 0)
		l->rest -= got;
	return (long)got;
}

static int rewind_letter(void *arg)
{
	struct send_letter *l = arg;

	l->read = 0;
	l->is_at_end = false;
	if (l->fd < 0)
		return 0;
	if (l->rest_from < 0)
		return -1;
	l->rest += lseek(l->fd, 0, SEEK_CUR) - l->rest_from;
	return lseek(l->fd, l->rest_from, SEEK_SET) < 0 ? -1 : 0;
}

int64_t send_letter_size(const struct send_letter *l)
{
	if (l->fd >= 0 && l->rest < 0)
		return -1;
	return (int64_t)buf_len(&l->text) + (l->fd >= 0 ? l->rest : 0);
}

void send_letter_source(struct send_letter *l, struct yz_source *source_r)
{
	bool is_again = l->fd < 0 || l->rest_from >= 0;

	*source_r = (struct yz_source){
		.size_of = sizeof(*source_r),
		.read = read_letter,
		.rewind = is_again ? rewind_letter : NULL,
		.size = send_letter_size(l),
		.arg = l,
	};
}

/* ---- template ---- */

struct token {
	const char *name;
	struct span value;
};

static void put_tokens(struct buf *b, struct span text, const struct token *tokens)
{
	while (text.len) {
		ptrdiff_t at = span_find(text, '%');
		const struct token *t;

		buf_span_put(b, at < 0 ? text : span_sub(text, 0, (size_t)at));
		if (at < 0)
			return;
		text = span_skip(text, (size_t)at);
		for (t = tokens; t->name; t++) {
			if (span_starts(text, span_str(t->name)))
				break;
		}
		if (t->name)
			buf_span_put(b, t->value);
		else
			buf_char(b, '%');
		text = span_skip(text, t->name ? strlen(t->name) : 1);
	}
}

/* A literal "\n" is a line's end in what was typed. */
static struct span typed(struct arena *a, const char *arg, struct span text)
{
	struct buf b;
	ptrdiff_t at;

	if (arg[0] == '-' || (arg[0] == '@' && arg[1] != '@'))
		return text;
	buf_init(&b, SEND_FILE_MAX);
	while ((at = span_find_span(text, SPAN("\\n"))) >= 0) {
		buf_span_put(&b, span_sub(text, 0, (size_t)at));
		buf_char(&b, '\n');
		text = span_skip(text, (size_t)at + 2);
	}
	buf_span_put(&b, text);
	struct span made = span_str(arena_str(a, buf_span(&b)));
	buf_fini(&b);
	return made;
}

static struct span joined(struct send_letters *l, const char *list)
{
	struct arena *a = l->plan->a;
	size_t count = 0;
	const char **all = list ? send_addresses(a, list, &count) : NULL;
	struct buf b;

	buf_init(&b, SEND_HEAD_MAX);
	for (size_t i = 0; i < count; i++)
		buf_printf(&b, "%s%s", i ? ",\r\n " : "", all[i]);
	struct span made = span_str(arena_str(a, buf_span(&b)));
	buf_fini(&b);
	return made;
}

static int default_body(struct send_letters *l, struct span *body_r)
{
	struct send_plan *p = l->plan;
	const char *body = send_arg(p->words, SEND_O_BODY);

	if (send_has(p->words, SEND_O_DUMP_BODY) || send_has(p->words, SEND_O_DUMP_BODY_PW)) {
		*body_r = send_dump_text(p, send_has(p->words, SEND_O_DUMP_BODY_PW));
		return 0;
	}
	if (!body) {
		*body_r = span_str(arena_printf(p->a,
			"This is a test message, sent with \"yizhan send\" to see how mail travels.\n"
			"It was made on %s; nobody needs to answer it.\n",
			send_host_name(p->a)));
		return 0;
	}
	int code = send_content(p->words, body, body_r, NULL);
	if (!code)
		*body_r = typed(p->a, body, *body_r);
	return code;
}

/* Fields that --add-header gives go where %NEW_HEADERS% stands, when it does. */
static int new_headers(struct send_letters *l, struct buf *fields)
{
	struct send_words *w = l->plan->words;
	int code = 0;

	for (size_t i = 0; !code && i < w->item_count; i++) {
		if (w->items[i].id == SEND_O_ADD_HEADER)
			code = send_head_add(w->a, fields, w->items[i].arg);
	}
	return code;
}

static int change_made(struct send_letters *l, struct buf *head, bool has_new_headers)
{
	struct send_words *w = l->plan->words;
	size_t count = w->item_count;
	int code;

	/* --add-header has been seen to */
	if (!has_new_headers)
		return change_header(l, head);
	struct send_item *all = w->items;
	struct send_item *some = ARENA_ARRAY(w->a, struct send_item, count + 1);
	w->item_count = 0;
	for (size_t i = 0; i < count; i++) {
		if (all[i].id != SEND_O_ADD_HEADER)
			some[w->item_count++] = all[i];
	}
	w->items = some;
	code = change_header(l, head);
	w->items = all;
	w->item_count = count;
	return code;
}

static int fill_template(struct send_letters *l, struct span data, struct buf *out)
{
	struct send_plan *p = l->plan;
	struct buf fields, body, date;
	struct span text = SPAN_NONE;
	const char *cc = send_arg(p->words, SEND_O_CC);
	int64_t now = clock_wall_ns() / CLOCK_SEC;
	int code = default_body(l, &text);

	buf_init(&fields, SEND_HEAD_MAX);
	buf_init(&body, SEND_FILE_MAX * 2);
	buf_init(&date, 128);
	clock_put_rfc5322(&date, now, clock_zone_minutes(now));
	if (!code)
		code = new_headers(l, &fields);
	if (!code && send_mime_is_needed(p->words, text))
		code = send_mime_make(p->words, text, &fields, &body);
	else if (!code)
		buf_span_put(&body, text);
	const char *subject = arena_printf(p->a, "test " SPAN_FMT, SPAN_ARG(buf_span(&date)));
	struct span to = joined(l, send_arg(p->words, SEND_O_TO));
	const struct token tokens[] = {
		{"%FROM_ADDRESS%", span_str(l->now.from)},
		{"%FROM_FIELD%",
			span_str(send_from_field(p->a,
				l->now.from[0] ? l->now.from : "MAILER-DAEMON", shown_name(l)))},
		{"%TO_ADDRESS%", to.len ? to : SPAN("undisclosed-recipients:;")},
		{"%CC%",
			cc ? span_str(arena_printf(
				     p->a, "Cc: " SPAN_FMT "\r\n", SPAN_ARG(joined(l, cc))))
			   : SPAN("")},
		{"%SUBJECT%", span_str(subject)},
		{"%DATE%", buf_span(&date)},
		{"%MESSAGEID%", span_str(send_message_id(p->a))},
		{"%VERSION%", SPAN(YIZHAN_VERSION)},
		{"%SWAKS_VERSION%", SPAN(YIZHAN_VERSION)},
		{"%NEW_HEADERS%", buf_span(&fields)},
		{"%BODY%", buf_span(&body)},
		{"%NEWLINE%", SPAN("\r\n")},
		{0},
	};
	if (!code)
		put_tokens(out, data, tokens);
	buf_fini(&fields);
	buf_fini(&body);
	buf_fini(&date);
	return code;
}

/* "\r\n.\r\n" at the end, as swaks allows it, is not part of the message. */
static struct span without_dot(struct span text)
{
	if (text.len >= 3 && (memcmp(text.ptr + text.len - 3, "\n.\n", 3) == 0))
		return span_sub(text, 0, text.len - 2);
	if (text.len >= 4 && (memcmp(text.ptr + text.len - 4, "\n.\r\n", 4) == 0))
		return span_sub(text, 0, text.len - 3);
	if (text.len >= 2 && memcmp(text.ptr + text.len - 2, "\n.", 2) == 0)
		return span_sub(text, 0, text.len - 1);
	return text;
}

static int make_letter(struct send_letters *l)
{
	struct send_words *w = l->plan->words;
	const char *data = send_arg(w, SEND_O_DATA);
	struct span text = SPAN(TEMPLATE);
	struct buf made, head;
	int code = data ? send_content(w, data, &text, NULL) : 0;

	if (code)
		return code;
	if (data)
		text = typed(w->a, data, text);
	buf_init(&l->now.text, SEND_FILE_MAX * 3);
	if (data && send_has(w, SEND_O_NO_FIXUP)) {
		buf_span_put(&l->now.text, text);
		return 0;
	}
	bool has_new_headers = span_find_span(text, SPAN("%NEW_HEADERS%")) >= 0;
	text = without_from(w, text);
	buf_init(&made, SEND_FILE_MAX * 3);
	code = fill_template(l, text, &made);
	struct span all = without_dot(buf_span(&made)), first = send_head_of(all);
	buf_init(&head, SEND_HEAD_MAX * 2);
	buf_span_put(&head, first);
	if (!code && send_has(w, SEND_O_READ_RCPTS))
		code = add_header_rcpts(l, first);
	if (!code)
		code = change_made(l, &head, has_new_headers);
	if (!code && data)
		send_head_complete(w->a, &head, l->now.from, shown_name(l));
	buf_span_put(&l->now.text, buf_span(&head));
	buf_span_put(&l->now.text, span_skip(all, first.len));
	if (!code && !buf_ok(&l->now.text))
		code = cli_fail(SEND_EXIT_WORDS, "the message is too large to be made in memory");
	buf_fini(&head);
	buf_fini(&made);
	return code;
}

/* ---- one after the other ---- */

int send_letters_begin(struct send_letters *l, struct send_plan *p)
{
	struct send_words *w = p->words;
	const char *count = send_arg(w, SEND_O_COUNT);
	uint64_t n = 1;

	*l = (struct send_letters){.plan = p, .now = {.fd = -1}};
	l->mbox_name = send_arg(w, SEND_O_MBOX);
	if (count && (!span_u64_max(span_str(count), SEND_LETTERS_MAX, &n) || !n))
		return cli_fail(SEND_EXIT_WORDS, "--count: 1 to %d", SEND_LETTERS_MAX);
	l->times = n;
	/* -t alone reads the message too, as sendmail does */
	if (!w->operand_count && !l->mbox_name && send_has(w, SEND_O_READ_RCPTS) &&
		!send_has(w, SEND_O_DATA) && !send_has(w, SEND_O_BODY)) {
		w->operands = mem_realloc(w->operands, sizeof(*w->operands));
		w->operands[0] = "-";
		w->operand_count = w->operand_room = 1;
	}
	l->count = w->operand_count ? w->operand_count : 1;
	for (size_t i = 0; n > 1 && i < w->operand_count; i++) {
		if (strcmp(w->operands[i], "-") == 0)
			return cli_fail(SEND_EXIT_WORDS, "standard input can be sent once only");
	}
	if ((w->operand_count || l->mbox_name) &&
		(send_has(w, SEND_O_DATA) || send_has(w, SEND_O_BODY)))
		return cli_fail(SEND_EXIT_WORDS, "--data and --body exclude files and --mbox");
	return l->mbox_name ? send_read_file(p->a, l->mbox_name, SEND_FILE_MAX, &l->mbox) : 0;
}

static int next_of_mbox(struct send_letters *l, bool *is_end)
{
	const char *line;
	size_t line_len, n;
	const void *octets;

	*is_end = !yz_mbox_next(
		l->mbox.ptr, l->mbox.len, &l->mbox_at, &line, &line_len, &octets, &n);
	if (*is_end)
		return 0;
	l->now.label = arena_printf(l->plan->a, "%s: message %zu", l->mbox_name, ++l->mbox_number);
	return take_text(l, span_of(octets, n));
}

static int next(struct send_letters *l, bool *is_end)
{
	struct send_words *w = l->plan->words;
	int code = set_envelope(l);

	*is_end = false;
	if (!code && l->mbox_name)
		code = next_of_mbox(l, is_end);
	else if (!code && w->operand_count)
		code = open_letter(l, w->operands[l->at % l->count]);
	else if (!code)
		code = make_letter(l);
	return code || *is_end ? code : check_rcpts(l);
}

struct send_letter *send_letters_next(struct send_letters *l, int *code_r)
{
	struct send_words *w = l->plan->words;
	bool is_end = false;

	*code_r = 0;
	fini_letter(&l->now);
	if (!l->mbox_name && l->at >= l->count * l->times)
		return NULL;
	/* what a letter is made of goes with it: there may be a million of them */
	if (!l->a)
		l->a = arena_new();
	arena_reset(l->a);
	w->a = l->plan->a = l->a;
	*code_r = next(l, &is_end);
	w->a = l->plan->a = w->keep;
	l->at++;
	return *code_r || is_end ? NULL : &l->now;
}

void send_letters_end(struct send_letters *l)
{
	fini_letter(&l->now);
	arena_free(&l->a);
}
