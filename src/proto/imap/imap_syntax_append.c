#include "proto/imap/imap_syntax_priv.h"

enum {               /* where a segment begins */
	AT_HEAD,     /* tag, verb, mailbox */
	AT_MESSAGE,  /* behind the mailbox, or behind a message: another, or the end */
	AT_UTF8_END, /* behind the octets in UTF8 ( */
	AT_CAT_PART, /* behind a part's octets: another part or ")" */
};

struct feed {
	struct imap_lex l;
	struct imap_append *ap;
	struct imap_append_event *events;
	size_t count;
	bool is_stream; /* the last event is DATA */
};

static struct imap_append_event *add(struct feed *f, enum imap_append_kind kind)
{
	struct imap_append_event *ev;

	LEX_ROOM(&f->l, f->events, f->count);
	ev = &f->events[f->count++];
	*ev = (struct imap_append_event){.kind = kind};
	return ev;
}

static int head(struct feed *f)
{
	struct imap_append *ap = f->ap;
	struct imap_head h;

	if (imap_head_parse(f->l.in, &h, f->l.e) < 0)
		return -1;
	ap->tag = arena_span(
		f->l.a, h.tag); /* the segment's memory may go before the command does */
	if (h.verb != IMAP_APPEND && h.verb != IMAP_REPLACE)
		return err_set(f->l.e, ERR_SYNTAX, "Expected APPEND or REPLACE");
	ap->is_replace = h.verb == IMAP_REPLACE;
	ap->is_uid = h.is_uid;
	f->l.at = h.args_at;
	if (ap->is_replace) { /* RFC 8508 section 3.2: one message */
		if (imap_lex_space(&f->l) < 0 || imap_lex_set(&f->l, false, &ap->target) < 0)
			return -1;
		if (ap->target.count != 1 ||
			ap->target.ranges[0].first != ap->target.ranges[0].last)
			return imap_lex_expected(&f->l, "one message's number");
	}
	if (imap_lex_space(&f->l) < 0 || imap_lex_name(&f->l, &ap->name) < 0)
		return -1;
	if (ap->name.ptr)
		ap->name = arena_span(f->l.a, ap->name);
	return 0;
}

/* A literal of message data: its header is the last thing of the segment. */
static int data(struct feed *f, bool is_binary_allowed)
{
	struct imap_literal lit;
	struct imap_append_event *ev;
	size_t from = f->l.at;

	if (!imap_lex_try_literal_head(&f->l, &lit) || !imap_lex_at_end(&f->l) ||
		(lit.is_binary && !is_binary_allowed)) {
		f->l.at = from;
		return imap_lex_expected(&f->l, "a literal with the message");
	}
	ev = add(f, IMAP_APPEND_DATA);
	ev->literal = lit;
	ev->is_utf8 = f->ap->is_utf8;
	f->is_stream = true;
	return 0;
}

/* cat-part = "URL" SP astring / "TEXT" SP literal (RFC 4469 section 5). 0: the list goes on in the next
 * segment (is_stream) or is closed. */
static int cat_parts(struct feed *f)
{
	struct imap_lex *l = &f->l;

	do {
		if (++f->ap->parts > IMAP_CATENATE_MAX)
			return imap_lex_too_many(l, "parts", IMAP_CATENATE_MAX);
		if (imap_lex_try_word(l, "URL")) {
			struct span url;

			if (imap_lex_space(l) < 0 || imap_lex_astring(l, "a URL", &url) < 0)
				return -1;
			add(f, IMAP_APPEND_URL)->url = url;
		} else if (imap_lex_try_word(l, "TEXT")) {
			return imap_lex_space(l) < 0 ? -1 : data(f, true);
		} else {
			return imap_lex_expected(l, "URL or TEXT");
		}
	} while (imap_lex_more(l));
	return 0;
}

static int cat_end(struct feed *f)
{
	if (imap_lex_char(&f->l, ')', "\")\"") < 0)
		return -1;
	f->ap->is_catenate = false;
	add(f, IMAP_APPEND_END);
	return 0;
}

/* append-opts: [SP flag-list] [SP date-time] */
static int options(struct feed *f, struct imap_append_event *m)
{
	struct imap_lex *l = &f->l;

	if (imap_lex_peek(l) == '(') {
		if (imap_lex_flag_list(l, &m->flags) < 0 || imap_lex_space(l) < 0)
			return -1;
	}
	if (imap_lex_peek(l) == '"') {
		struct span text;
		size_t from = l->at;

		if (imap_lex_string(l, "a date and time", &text) < 0)
			return -1;
		if (!imap_date_time_parse(text, &m->date)) {
			l->at = from;
			return imap_lex_expected(
				l, "a date and time (\"dd-Mon-yyyy hh:mm:ss +0000\")");
		}
		m->has_date = true;
		if (imap_lex_space(l) < 0)
			return -1;
	}
	return 0;
}

/* append-data = literal / literal8 / "UTF8" SP "(" literal8 ")" / "CATENATE" SP "(" … ")" */
static int message(struct feed *f)
{
	struct imap_lex *l = &f->l;
	struct imap_append *ap = f->ap;
	struct imap_append_event m = {.kind = IMAP_APPEND_MESSAGE};

	if (ap->messages >= (ap->is_replace ? 1 : IMAP_APPEND_MAX))
		return imap_lex_too_many(l, "messages", ap->is_replace ? 1 : IMAP_APPEND_MAX);
	if (options(f, &m) < 0)
		return -1;
	ap->messages++;
	ap->parts = 0;
	ap->is_utf8 = false;
	ap->is_catenate = m.is_catenate = imap_lex_try_word(l, "CATENATE");
	*add(f, IMAP_APPEND_MESSAGE) = m;
	if (ap->is_catenate) {
		if (imap_lex_space(l) < 0 || imap_lex_open(l, "a list of parts") < 0 ||
			cat_parts(f) < 0)
			return -1;
		ap->state = AT_CAT_PART;
		return f->is_stream ? 0 : cat_end(f);
	}
	ap->is_utf8 = imap_lex_try_word(l, "UTF8"); /* RFC 6855 section 4 */
	ap->state = ap->is_utf8 ? AT_UTF8_END : AT_MESSAGE;
	if (ap->is_utf8 && (imap_lex_space(l) < 0 || imap_lex_open(l, "a literal in \"(\"") < 0))
		return -1;
	return data(f, true);
}

/* What closes the message whose octets have come. */
static int behind_data(struct feed *f)
{
	struct imap_append *ap = f->ap;

	if (ap->state == AT_CAT_PART) {
		if (imap_lex_more(&f->l) && cat_parts(f) < 0)
			return -1;
		return f->is_stream ? 0 : cat_end(f);
	}
	if (ap->state == AT_UTF8_END && imap_lex_char(&f->l, ')', "\")\"") < 0)
		return -1;
	add(f, IMAP_APPEND_END);
	return 0;
}

static int segment_parse(struct feed *f)
{
	struct imap_append *ap = f->ap;

	if (ap->state == AT_HEAD) {
		if (head(f) < 0)
			return -1;
	} else if (behind_data(f) < 0) {
		return -1;
	}
	while (!f->is_stream) {
		bool is_more = imap_lex_more(&f->l);

		ap->state = AT_MESSAGE;
		if (!is_more && ap->messages > 0)
			return imap_lex_end(&f->l);
		if (!is_more)
			return imap_lex_expected(&f->l, "a message");
		if (message(f) < 0)
			return -1;
	}
	return 0;
}

int imap_append_feed(struct arena *a, struct imap_append *ap, struct span segment,
	const struct imap_dialect *d, struct imap_append_event **events_r, size_t *count_r,
	enum imap_append_next *next_r, struct err *e)
{
	struct imap_append next = *ap;
	struct feed f = {.ap = &next};
	struct err mine = {0};
	int rc;

	*events_r = NULL;
	*count_r = 0;
	imap_lex_init(&f.l, a, segment, d, &mine);
	rc = segment_parse(&f);
	ap->tag = next.tag;
	ap->is_replace = next.is_replace;
	if (rc < 0 && f.l.is_cut) { /* an argument's literal: it has to be collected first */
		*next_r = IMAP_APPEND_COLLECT;
		return 0;
	}
	if (rc < 0)
		return err_copy(e, &mine);
	*ap = next;
	*events_r = f.events;
	*count_r = f.count;
	*next_r = f.is_stream ? IMAP_APPEND_STREAM : IMAP_APPEND_DONE;
	return 0;
}
