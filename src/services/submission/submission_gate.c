/* The header of what is submitted (RFC 6409 section 6 and 8): read whole, checked, made complete. It
 * leaves as it came but for fields that have no business there, and those that were missing. */

#include <string.h>

#include "base/buf.h"
#include "base/must.h"
#include "base/utf8.h"
#include "proto/mail/mail_field.h"
#include "proto/mail/mail_header.h"
#include "proto/mail/mail_word.h"
#include "services/submission/submission_priv.h"

#define ADDED_MAX  8192 /* octets of what is added */
#define OWN_PREFIX "X-Yizhan-"

struct field {
	enum mail_field_id id;
	size_t offset, len, name_len;
	struct span name, value; /* once the header is whole; the value with its line end */
	struct span text;        /* it stands there instead of the value; "" as it was */
	bool is_removed;
};

struct submission_gate {
	struct arena *a;
	struct submission_gate_opts opts;
	struct mail_header header;
	struct buf raw, out;
	struct field *fields;
	size_t count, room;
};

/* Its place is known now, its octets at the end: the buffer may move. */
static void note_field(void *arg, const struct mail_field *f)
{
	struct submission_gate *g = arg;
	struct field *to;

	if (g->count == g->room) {
		size_t room = g->room ? g->room * 2 : 32;
		struct field *more = ARENA_ARRAY(g->a, struct field, room);

		if (g->count)
			memcpy(more, g->fields, g->count * sizeof(*more));
		g->fields = more;
		g->room = room;
	}
	to = &g->fields[g->count++];
	*to = (struct field){.id = f->id,
		.offset = (size_t)f->offset,
		.len = (size_t)f->len,
		.name_len = f->name.len};
}

struct submission_gate *submission_gate_new(
	struct arena *a, const struct submission_gate_opts *opts)
{
	struct submission_gate *g = ARENA_NEW(a, struct submission_gate);

	g->a = a;
	g->opts = *opts;
	mail_header_init(&g->header, note_field, g);
	buf_init(&g->raw, SUBMISSION_HEADER_MAX + MAIL_FIELD_NAME_MAX);
	buf_init(&g->out, SUBMISSION_HEADER_MAX * 2 + ADDED_MAX);
	return g;
}

void submission_gate_free(struct submission_gate **g)
{
	if (!*g)
		return;
	mail_header_fini(&(*g)->header);
	buf_fini(&(*g)->raw);
	buf_fini(&(*g)->out);
	*g = NULL;
}

bool submission_gate_is_done(const struct submission_gate *g)
{
	return g->header.is_done;
}

static int refuse(struct err *e, unsigned detail, const char *text)
{
	err_set(e, ERR_SYNTAX, "%s", text);
	return err_smtp(e, 550, 5, 6, detail);
}

static int too_large(struct err *e)
{
	err_set(e, ERR_LIMIT, "The header is larger than %d octets", SUBMISSION_HEADER_MAX);
	return err_smtp(e, 552, 5, 3, 4);
}

int submission_gate_feed(
	struct submission_gate *g, struct span octets, size_t *taken_r, struct err *e)
{
	size_t n;

	*taken_r = 0;
	if (g->header.is_done)
		return 0;
	n = mail_header_feed(&g->header, octets);
	buf_span_put(&g->raw, span_sub(octets, 0, n));
	*taken_r = n;
	if ((g->header.troubles & MAIL_HEADER_TOO_LONG) || !buf_ok(&g->raw))
		return too_large(e);
	return 0;
}

/* ---- what no header may hold ---------------------------------------------------------------------- */

/* RFC 6532 section 3.2 allows UTF-8; not what some readers take for a line's end. */
static int check_utf8(struct span raw, struct err *e)
{
	uint32_t code;

	while (raw.len) {
		if (!utf8_take(&raw, &code))
			return refuse(e, 7, "The header is neither ASCII nor UTF-8");
		if ((code >= 0x80 && code < 0xa0) || code == 0x2028 || code == 0x2029)
			return refuse(e, 0, "A control character in the header");
	}
	return 0;
}

static int check_octets(const struct submission_gate *g, struct span raw, struct err *e)
{
	size_t line = 0;

	for (size_t i = 0; i < raw.len; i++) {
		unsigned char c = (unsigned char)raw.ptr[i];
		bool is_end = c == '\r' && i + 1 < raw.len && raw.ptr[i + 1] == '\n';

		if ((c == '\r' && !is_end) || (c == '\n' && (!i || raw.ptr[i - 1] != '\r')))
			return refuse(
				e, 11, "Bare CR or LF in the header, lines must end with CR LF");
		if ((c < ' ' && c != '\t' && c != '\r' && c != '\n') || c == 0x7f)
			return refuse(e, 0, "A control character in the header");
		if (c >= 0x80 && !g->opts.is_smtputf8)
			return refuse(e, 7,
				"8-bit octets in the header: encode them (RFC 2047) or ask for SMTPUTF8");
		line = c == '\n' || c == '\r' ? 0 : line + 1;
		if (line > SUBMISSION_LINE_MAX)
			return refuse(
				e, 0, "A line of the header is longer than 998 octets: fold it");
	}
	return g->opts.is_smtputf8 ? check_utf8(raw, e) : 0;
}

/* RFC 5322 section 3.6, RFC 2045 section 3: at most one of each. */
static int check_counts(const struct submission_gate *g, struct err *e)
{
	static const enum mail_field_id single[] = {MAIL_FROM, MAIL_SENDER, MAIL_REPLY_TO, MAIL_TO,
		MAIL_CC, MAIL_SUBJECT, MAIL_DATE, MAIL_MESSAGE_ID, MAIL_IN_REPLY_TO,
		MAIL_REFERENCES, MAIL_MIME_VERSION, MAIL_CONTENT_TYPE,
		MAIL_CONTENT_TRANSFER_ENCODING};

	for (size_t i = 0; i < ARRAY_LEN(single); i++) {
		if (g->header.count[single[i]] <= 1)
			continue;
		err_set(e, ERR_SYNTAX, "More than one %s field", mail_field_name(single[i]));
		return err_smtp(e, 550, 5, 6, 0);
	}
	return 0;
}

/* Where each field lies. */
static int place_fields(struct submission_gate *g, struct span raw, struct err *e)
{
	for (size_t i = 0; i < g->count; i++) {
		struct field *f = &g->fields[i];

		struct span whole = span_sub(raw, f->offset, f->len);

		f->name = span_sub(whole, 0, f->name_len);
		/* "From :" is a field to some readers and the envelope line of a mbox to others */
		if (f->name_len >= whole.len || whole.ptr[f->name_len] != ':')
			return refuse(e, 0, "A blank before the colon of a header field");
		f->value = span_skip(whole, f->name_len + 1);
	}
	return 0;
}

/* ---- who writes ------------------------------------------------------------------------------------ */

struct decoding {
	struct arena *a;
	struct span raw, text;
};

static int decode(void *arg, struct err *e)
{
	struct decoding *d = arg;

	(void)e;
	d->text = mail_word_decode(d->a, d->raw);
	return 0;
}

/* Character sets may be read from disk: not on a loop's thread. */
static FIBER int shown_text(
	const struct submission_gate *g, struct span raw, struct span *text_r, struct err *e)
{
	struct decoding d = {.a = g->a, .raw = raw, .text = raw};

	if (span_find_span(raw, SPAN("=?")) >= 0 &&
		(g->opts.lane ? work_run(g->opts.lane, decode, &d, e) : decode(&d, e)) < 0)
		return -1;
	*text_r = d.text;
	return 0;
}

static int looks_like_another(const char *name, struct err *e)
{
	err_set(e, ERR_DENIED, "%s: the name that is shown must not look like another address",
		name);
	return err_smtp(e, 550, 5, 7, 1);
}

/* Each one that the field names is the account's, and looks like it. */
static FIBER int check_names(
	struct submission_gate *g, struct field *f, struct submission_names *names, struct err *e)
{
	const char *name = arena_str(g->a, f->name);

	if (!submission_are_words_safe(f->value))
		return refuse(e, 0, "An encoded word that hides the end of a line");
	if (submission_names_parse(g->a, name, f->value, g->opts.user->qualify, names, e) < 0)
		return -1;
	for (size_t i = 0; i < names->count; i++) {
		const struct submission_mailbox *m = &names->items[i];
		struct span shown;

		if (g->opts.may(g->opts.arg, m->address, e) < 0 ||
			shown_text(g, m->shown, &shown, e) < 0)
			return -1;
		if (!submission_is_shown_well(shown, m->address))
			return looks_like_another(name, e);
	}
	if (names->is_changed)
		f->text = names->text;
	return 0;
}

static bool is_named(const struct field *f, const char *name)
{
	return span_eq_nocase(f->name, span_str(name));
}

/* From, Sender, and the same of whoever sends it on (RFC 5322 section 3.6.2, 3.6.6). */
static FIBER int check_writers(struct submission_gate *g, size_t *authors_r, struct err *e)
{
	*authors_r = 0;
	for (size_t i = 0; i < g->count; i++) {
		struct field *f = &g->fields[i];
		bool is_sender = f->id == MAIL_SENDER || is_named(f, "Resent-Sender");
		struct submission_names names;

		if (f->id != MAIL_FROM && !is_sender && !is_named(f, "Resent-From"))
			continue;
		if (check_names(g, f, &names, e) < 0)
			return -1;
		if (is_sender && names.count > 1)
			return refuse(e, 0, "Sender names more than one mailbox");
		if (f->id == MAIL_FROM)
			*authors_r = names.count;
	}
	if (*authors_r > 1 && g->opts.policy->authors == SUBMISSION_AUTHORS_ONE)
		return refuse(e, 0, "From names more than one author");
	return 0;
}

/* ---- what leaves ----------------------------------------------------------------------------------- */

/* An Authentication-Results field that says it is ours (RFC 8601 section 5). */
static bool is_our_verdict(const struct submission_gate *g, const struct field *f)
{
	struct span host = span_str(g->opts.policy->hostname), id, rest;

	if (f->id != MAIL_AUTHENTICATION_RESULTS || !host.len)
		return false;
	span_cut(f->value, ';', &id, &rest);
	/* within quotes and comments it can be hidden, and a ';' is none; nobody has to write it so */
	if (span_find(id, '(') >= 0 || span_find(id, '"') >= 0)
		return true;
	for (size_t i = 0; i + host.len <= id.len; i++) {
		if (span_eq_nocase(span_sub(id, i, host.len), host))
			return true;
	}
	return false;
}

/* RFC 6409 section 8, RFC 5322 section 3.6.3: blind copies stay blind. */
static void remove_fields(struct submission_gate *g)
{
	for (size_t i = 0; i < g->count; i++) {
		struct field *f = &g->fields[i];

		f->is_removed = f->id == MAIL_BCC || f->id == MAIL_RESENT_BCC ||
			f->id == MAIL_RETURN_PATH ||
			span_starts_nocase(f->name, SPAN(OWN_PREFIX)) || is_our_verdict(g, f);
	}
}

/* A line of nothing but blanks ends the header for some readers. */
static bool is_blank_line(struct span line)
{
	return span_trim(line).len == 0;
}

static void put_field(struct submission_gate *g, const struct field *f)
{
	struct span rest = f->value, line;
	bool is_first = true;

	buf_span_put(&g->out, f->name);
	buf_char(&g->out, ':');
	if (f->text.len) {
		buf_char(&g->out, ' ');
		buf_span_put(&g->out, f->text);
		buf_str(&g->out, "\r\n");
		return;
	}
	do {
		ptrdiff_t lf = span_find(rest, '\n');

		line = lf < 0 ? rest : span_sub(rest, 0, (size_t)lf + 1);
		rest = span_skip(rest, line.len);
		if (!is_first && is_blank_line(line))
			continue;
		is_first = false;
		buf_span_put(&g->out, line);
		if (lf < 0) /* the message ends there */
			buf_str(&g->out, "\r\n");
	} while (rest.len);
}

/* "Name <address>", as safe as it must be. */
static void put_self(struct submission_gate *g, const char *field)
{
	const struct submission_user *u = g->opts.user;
	struct span name = span_trim(u->name);
	struct buf *b = &g->out;
	bool is_plain = span_is_ascii(name) && !span_has_line_break(name) &&
		span_find_span(name, SPAN("=?")) < 0 && name.len < 200;

	buf_printf(b, "%s: ", field);
	if (name.len && submission_is_shown_well(name, u->address)) {
		if (is_plain) {
			buf_char(b, '"');
			for (size_t i = 0; i < name.len; i++) {
				if (name.ptr[i] == '"' || name.ptr[i] == '\\')
					buf_char(b, '\\');
				buf_char(b, name.ptr[i]);
			}
			buf_char(b, '"');
		} else {
			mail_word_put(b, span_sub(name, 0, 1000), strlen(field) + 2);
		}
		buf_str(b, is_plain ? " <" : "\r\n <");
	} else {
		buf_char(b, '<');
	}
	buf_span_put(b, u->address);
	buf_str(b, ">\r\n");
}

static void put_missing(struct submission_gate *g, size_t authors)
{
	struct span address = g->opts.user->address;

	if (!g->header.count[MAIL_FROM])
		put_self(g, "From");
	else if (authors > 1 && !g->header.count[MAIL_SENDER]) /* RFC 5322 section 3.6.2 */
		put_self(g, "Sender");
	if (!g->header.count[MAIL_DATE])
		mail_date_put(&g->out, g->opts.wall_sec, g->opts.zone_minutes);
	if (!g->header.count[MAIL_MESSAGE_ID]) {
		buf_str(&g->out, "Message-ID: ");
		mail_message_id_put(&g->out, g->opts.random[0], g->opts.random[1],
			span_skip(address, (size_t)(span_rfind(address, '@') + 1)));
		buf_str(&g->out, "\r\n");
	}
}

/* No header at all: what was taken for one is the body. A line within the header that is no field is
 * another thing: some readers would go on behind it, some not. */
static int check_shape(const struct submission_gate *g, struct err *e)
{
	if (g->header.troubles & MAIL_HEADER_TOO_LONG)
		return too_large(e);
	if ((g->header.troubles & MAIL_HEADER_NO_FIELD) && g->count)
		return refuse(e, 0,
			"A line of the header is no field: a colon or an empty line is missing");
	return 0;
}

/* The account may write in ASCII only where SMTPUTF8 was not asked for. */
static int check_self(const struct submission_gate *g, struct err *e)
{
	if (g->opts.is_smtputf8 || span_is_ascii(g->opts.user->address) ||
		g->header.count[MAIL_FROM])
		return 0;
	return refuse(e, 7, "From is missing, and the account's own address needs SMTPUTF8");
}

FIBER int submission_gate_end(
	struct submission_gate *g, struct span *header_r, struct span *rest_r, struct err *e)
{
	size_t authors;
	struct span raw;

	mail_header_finish(&g->header);
	raw = span_sub(buf_span(&g->raw), 0, (size_t)g->header.body_offset);
	*rest_r = span_skip(buf_span(&g->raw), raw.len);
	if (check_shape(g, e) < 0 || check_octets(g, raw, e) < 0 || place_fields(g, raw, e) < 0 ||
		check_counts(g, e) < 0 || check_self(g, e) < 0)
		return -1;
	if (check_writers(g, &authors, e) < 0)
		return -1;
	remove_fields(g);
	for (size_t i = 0; i < g->count; i++) {
		if (!g->fields[i].is_removed)
			put_field(g, &g->fields[i]);
	}
	put_missing(g, authors);
	buf_str(&g->out, "\r\n");
	if (!buf_ok(&g->out))
		return too_large(e);
	*header_r = buf_span(&g->out);
	return 0;
}
