#include "proto/mail/mime_address.h"

#include <string.h>

#include "proto/mail/mail_word.h"
#include "proto/mail/mime_lex.h"

/* What stands between two commas, gathered word by word. */
struct piece {
	struct buf words; /* display name or bare address, as it reads */
	struct buf spec;  /* between angle brackets, or the bare address without blanks */
	struct span comment;
	bool has_dot; /* without quotes */
	bool has_angle, has_words, has_at;
	bool was_blank; /* a blank stands before the next word */
	bool has_quoted_local, has_quoted_word;
	size_t word_count;
	size_t at_quoted; /* octets of spec that a quoted local part takes */
	uint64_t defects;
};

struct reader {
	struct arena *a;
	struct mime_lex lex;
	struct mime_address_list *list;
	size_t room, max;
	bool is_in_group;
};

static struct mime_address *add(struct reader *r, enum mime_address_kind kind)
{
	struct mime_address_list *l = r->list;

	if (l->count == r->room) {
		struct mime_address *more;

		r->room = r->room ? r->room * 2 : 4;
		more = ARENA_ARRAY(r->a, struct mime_address, r->room);
		if (l->count)
			memcpy(more, l->items, l->count * sizeof(*more));
		l->items = more;
	}
	l->items[l->count].kind = kind;
	l->mailboxes += kind == MIME_MAILBOX;
	return &l->items[l->count++];
}

static struct span join_blanks(struct arena *a, struct span s)
{
	char *out = arena_alloc(a, s.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (!mime_is_blank(s.ptr[i]))
			out[n++] = s.ptr[i];
		else if (n && out[n - 1] != ' ')
			out[n++] = ' ';
	}
	if (n && out[n - 1] == ' ')
		n--;
	return span_of(out, n);
}

/* Escapes of a comment undone. */
static struct span comment_text(struct arena *a, struct span s)
{
	char *out = arena_alloc(a, s.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '\\' && i + 1 < s.len)
			i++;
		out[n++] = s.ptr[i];
	}
	return join_blanks(a, span_of(out, n));
}

/* local@domain of one text in which blanks are gone; `quoted` octets at its front are a quoted
 * string that was undone. */
static void split_spec(struct reader *r, struct span spec, size_t quoted, struct mime_address *m)
{
	ptrdiff_t at = span_rfind(span_skip(spec, quoted), '@');

	if (at < 0) {
		m->local = arena_span(r->a, spec);
		m->defects |= mime_bit(MIME_ADDRESS_BAD);
		return;
	}
	at += (ptrdiff_t)quoted;
	m->local = arena_span(r->a, span_sub(spec, 0, (size_t)at));
	m->domain = arena_span(r->a, span_skip(spec, (size_t)at + 1));
	if (m->local.len == 0 || m->domain.len == 0 ||
		span_find(span_skip(m->local, quoted), '@') >= 0)
		m->defects |= mime_bit(MIME_ADDRESS_BAD);
	for (size_t i = 0; i < m->domain.len; i++)
		if (m->domain.ptr[0] != '[' && !mime_is_atext(m->domain.ptr[i]) &&
			m->domain.ptr[i] != '.')
			m->defects |= mime_bit(MIME_ADDRESS_BAD);
}

/* RFC 5322 section 4.4: <@hop,@hop:local@domain> */
static struct span take_route(struct reader *r, struct span spec, struct mime_address *m)
{
	ptrdiff_t colon = span_find(spec, ':');

	if (!spec.len || spec.ptr[0] != '@' || colon < 0)
		return spec;
	m->route = arena_span(r->a, span_sub(spec, 0, (size_t)colon));
	m->defects |= mime_bit(MIME_ADDRESS_OBSOLETE);
	return span_skip(spec, (size_t)colon + 1);
}

static void finish(struct reader *r, struct piece *p)
{
	struct mime_address *m;
	struct span spec, words = buf_span(&p->words);

	if (!p->has_angle && !words.len) {
		/* empty elements are obsolete syntax; "()" or nothing at all are not addresses */
		if (p->defects)
			r->list->defects |= p->defects;
		return;
	}
	m = add(r, MIME_MAILBOX);
	m->defects = p->defects;
	spec = buf_span(&p->spec);
	if (p->has_angle) {
		if (p->has_dot) /* RFC 5322 section 4.1, obs-phrase */
			m->defects |= mime_bit(MIME_ADDRESS_OBSOLETE);
		/* "a@b <c@d>": some readers take the first for the address */
		if (p->has_at && !span_eq_nocase(words, spec))
			m->defects |= mime_bit(MIME_ADDRESS_BAD);
		m->name = join_blanks(r->a, words);
		m->has_quoted_word = p->has_quoted_word;
		if (!m->name.len && p->comment.len)
			m->name = comment_text(r->a, p->comment);
		spec = take_route(r, spec, m);
	} else {
		if (p->word_count > 1) /* "John a@b": no address, but the last word may be one */
			m->defects |= mime_bit(MIME_ADDRESS_BAD);
		m->name = comment_text(r->a, p->comment);
	}
	split_spec(r, spec, p->at_quoted, m);
	r->list->defects |= m->defects;
}

static void put_word_blank(struct piece *p)
{
	if (p->was_blank && buf_len(&p->words))
		buf_char(&p->words, ' ');
	p->was_blank = false;
}

/* Outside of angle brackets a bare address is gathered beside the display name: words that touch
 * '@' or '.' belong together whatever blanks are between (RFC 5322 section 4.4, obs-addr-spec). */
static void add_atom(struct piece *p, struct span atom)
{
	struct span spec = buf_span(&p->spec);
	char last = spec.len ? spec.ptr[spec.len - 1] : '.';
	bool is_joint = atom.ptr[0] == '@' || atom.ptr[0] == '.' || last == '@' || last == '.';

	bool is_dot = atom.ptr[0] == '.' || last == '.';

	p->has_dot |= atom.ptr[0] == '.';
	p->has_at |= atom.ptr[0] == '@';
	if (p->was_blank && buf_len(&p->words) && is_dot)
		p->defects |= mime_bit(MIME_ADDRESS_OBSOLETE);
	if (p->was_blank && !is_joint) {
		buf_clear(&p->spec);
		p->at_quoted = 0;
		p->word_count++;
	}
	if (!p->word_count)
		p->word_count = 1;
	put_word_blank(p);
	buf_span_put(&p->words, atom);
	buf_span_put(&p->spec, atom);
}

static void take_quoted_word(struct reader *r, struct piece *p)
{
	struct span text = mime_take_quoted(r->a, &r->lex);
	bool is_local = r->lex.rest.len && (r->lex.rest.ptr[0] == '@' || r->lex.rest.ptr[0] == '.');

	if (p->was_blank || !buf_len(&p->spec) || !is_local) {
		buf_clear(&p->spec);
		p->at_quoted = 0;
		p->word_count++;
	}
	put_word_blank(p);
	p->has_quoted_word |= span_find_span(text, SPAN("=?")) >= 0;
	buf_span_put(&p->words, text);
	if (!text.len)
		buf_str(&p->words, ""); /* "" <a@b>: a name that is empty */
	buf_span_put(&p->spec, text);
	p->at_quoted = buf_len(&p->spec);
}

/* [1.2.3.4] */
static struct span take_literal(struct reader *r)
{
	ptrdiff_t end = span_find(r->lex.rest, ']');
	struct span s = span_sub(r->lex.rest, 0, end < 0 ? r->lex.rest.len : (size_t)end + 1);

	if (end < 0)
		r->lex.defects |= mime_bit(MIME_ADDRESS_BAD);
	r->lex.rest = span_skip(r->lex.rest, s.len);
	return s;
}

static size_t atom_length(struct span s)
{
	size_t n = 0;

	if (s.ptr[0] == '.' || s.ptr[0] == '@')
		return 1;
	while (n < s.len && mime_is_atext(s.ptr[n]))
		n++;
	return n ? n : 1;
}

/* The inside of <…>. */
static void take_angle(struct reader *r, struct piece *p)
{
	struct mime_lex *l = &r->lex;

	l->rest = span_skip(l->rest, 1);
	if (p->has_angle)
		p->defects |= mime_bit(MIME_ADDRESS_BAD); /* a second one: the first counts */
	else {
		buf_clear(&p->spec);
		p->at_quoted = 0;
	}
	while (l->rest.len && l->rest.ptr[0] != '>') {
		struct span word = span_sub(l->rest, 0, 1);

		if (mime_is_blank(word.ptr[0]) || word.ptr[0] == '(') {
			mime_skip_cfws(l);
			continue;
		}
		if (word.ptr[0] == '"') {
			word = mime_take_quoted(r->a, l);
			if (!p->has_angle && !buf_len(&p->spec))
				p->at_quoted = word.len;
		} else if (word.ptr[0] == '[') {
			word = take_literal(r);
		} else if (word.ptr[0] == '<') {
			p->defects |= mime_bit(MIME_ADDRESS_BAD);
			l->rest = span_skip(l->rest, 1);
			continue;
		} else {
			word = span_sub(l->rest, 0, atom_length(l->rest));
			l->rest = span_skip(l->rest, word.len);
		}
		if (!p->has_angle)
			buf_span_put(&p->spec, word);
	}
	if (!l->rest.len)
		p->defects |= mime_bit(MIME_ADDRESS_BAD);
	l->rest = span_skip(l->rest, 1);
	p->has_angle = true;
}

/* A word that stands outside of angle brackets. */
static void take_word(struct reader *r, struct piece *p)
{
	struct mime_lex *l = &r->lex;
	char c = l->rest.ptr[0];
	struct span word;

	if (p->has_angle && c != '<') { /* text behind the angle brackets */
		p->defects |= mime_bit(MIME_ADDRESS_BAD);
		if (c == '"')
			mime_take_quoted(r->a, l);
		else
			l->rest = span_skip(l->rest, atom_length(l->rest));
		return;
	}
	if (c == '<') {
		take_angle(r, p);
	} else if (c == '"') {
		take_quoted_word(r, p);
	} else if (c == '[') {
		add_atom(p, take_literal(r));
	} else {
		word = span_sub(l->rest, 0, atom_length(l->rest));
		if (c == '.' && p->was_blank)
			p->defects |= mime_bit(MIME_ADDRESS_OBSOLETE);
		if ((unsigned char)c < ' ' || strchr(")>\\]", c))
			p->defects |= mime_bit(MIME_ADDRESS_BAD);
		l->rest = span_skip(l->rest, word.len);
		add_atom(p, word);
	}
}

static void begin_group(struct reader *r, struct piece *p)
{
	struct mime_address *m;

	if (r->is_in_group || p->has_angle)
		p->defects |= mime_bit(MIME_ADDRESS_BAD);
	if (r->is_in_group)
		add(r, MIME_GROUP_END);
	r->list->defects |= p->defects;
	m = add(r, MIME_GROUP_START);
	m->defects = p->defects;
	m->name = join_blanks(r->a, buf_span(&p->words));
	m->has_quoted_word = p->has_quoted_word;
	r->is_in_group = true;
}

/* Up to a comma, a group's colon, a semicolon or the end. */
static void take_element(struct reader *r, struct piece *p)
{
	struct mime_lex *l = &r->lex;

	while (l->rest.len) {
		char c = l->rest.ptr[0];

		if (mime_is_blank(c)) {
			p->was_blank = true;
			l->rest = span_skip(l->rest, 1);
		} else if (c == '(') {
			mime_skip_comment(l);
			p->comment = l->comment;
			p->was_blank = true;
		} else if (c == ',') {
			break;
		} else if (c == ';') {
			if (!r->is_in_group) /* as Outlook writes lists */
				p->defects |= mime_bit(MIME_ADDRESS_BAD);
			break;
		} else if (c == ':') {
			l->rest = span_skip(l->rest, 1);
			begin_group(r, p);
			return;
		} else {
			take_word(r, p);
		}
	}
	p->defects |= l->defects;
	l->defects = 0;
	if (!p->has_angle && !buf_len(&p->words) && l->rest.len && l->rest.ptr[0] == ',')
		p->defects |= mime_bit(MIME_ADDRESS_OBSOLETE);
	if (l->rest.len && l->rest.ptr[0] == ',' && !span_trim(span_skip(l->rest, 1)).len)
		r->list->defects |= mime_bit(MIME_ADDRESS_OBSOLETE); /* nothing behind the comma */
	finish(r, p);
	if (l->rest.len && l->rest.ptr[0] == ';' && r->is_in_group) {
		add(r, MIME_GROUP_END);
		r->is_in_group = false;
	}
	l->rest = span_skip(l->rest, 1);
}

void mime_address_parse(
	struct arena *a, struct span value, size_t max, struct mime_address_list *list_r)
{
	struct reader r = {.a = a, .lex = {.rest = value}, .list = list_r};
	struct piece p;

	memset(list_r, 0, sizeof(*list_r));
	memset(&p, 0, sizeof(p));
	r.max = max < MIME_ADDRESSES_MAX ? max : MIME_ADDRESSES_MAX;
	buf_init(&p.words, value.len * 2 + 1);
	buf_init(&p.spec, value.len + 1);
	while (r.lex.rest.len) {
		struct buf words = p.words, spec = p.spec;

		if (list_r->count >= r.max) {
			list_r->defects |= mime_bit(MIME_ADDRESS_TOO_MANY);
			break;
		}
		memset(&p, 0, sizeof(p));
		p.words = words;
		p.spec = spec;
		buf_clear(&p.words);
		buf_clear(&p.spec);
		take_element(&r, &p);
	}
	if (r.is_in_group) {
		add(&r, MIME_GROUP_END);
		list_r->defects |= mime_bit(MIME_ADDRESS_BAD);
	}
	list_r->defects |= r.lex.defects;
	buf_fini(&p.words);
	buf_fini(&p.spec);
}

struct span mime_address_name(struct arena *a, const struct mime_address *m)
{
	return mail_word_decode(a, m->name);
}

/* dot-atom of RFC 5322 section 3.2.3 */
static bool is_dot_atom(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '.' ? i == 0 || i + 1 == s.len || s.ptr[i - 1] == '.'
				    : !mime_is_atext(s.ptr[i]))
			return false;
	}
	return s.len > 0;
}

void mime_address_put_local(struct buf *b, struct span local)
{
	if (is_dot_atom(local)) {
		buf_span_put(b, local);
		return;
	}
	buf_char(b, '"');
	for (size_t i = 0; i < local.len; i++) {
		if (local.ptr[i] == '"' || local.ptr[i] == '\\')
			buf_char(b, '\\');
		buf_char(b, local.ptr[i]);
	}
	buf_char(b, '"');
}

void mime_address_put_spec(struct buf *b, const struct mime_address *m)
{
	mime_address_put_local(b, m->local);
	if (m->domain.len) {
		buf_char(b, '@');
		buf_span_put(b, m->domain);
	}
}

struct span mime_address_spec(struct arena *a, const struct mime_address *m)
{
	struct buf b;
	struct span s;

	buf_init(&b, m->local.len * 2 + m->domain.len + 3);
	mime_address_put_spec(&b, m);
	s = arena_span(a, buf_span(&b));
	buf_fini(&b);
	return s;
}
