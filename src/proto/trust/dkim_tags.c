#include "proto/trust/dkim_tags.h"

#include "base/enc.h"
#include "base/utf8.h"
#include "proto/trust/trust_record.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Length of the folding white space at the front: [*WSP CRLF] 1*WSP (RFC 6376 section 2.8), as often as
 * it comes; a CRLF without a blank behind it is left. */
static size_t fws(struct span s)
{
	size_t i = 0;

	for (;;) {
		if (i < s.len && is_blank(s.ptr[i]))
			i++;
		else if (i + 2 < s.len && s.ptr[i] == '\r' && s.ptr[i + 1] == '\n' &&
			is_blank(s.ptr[i + 2]))
			i += 3;
		else
			return i;
	}
}

static struct span skip_fws(struct span s)
{
	return span_skip(s, fws(s));
}

/* Blanks and whole folds off the end. The caller has looked that CR and LF stand in folds only. */
static struct span trim_end(struct span s)
{
	while (s.len &&
		(is_blank(s.ptr[s.len - 1]) || s.ptr[s.len - 1] == '\n' ||
			s.ptr[s.len - 1] == '\r'))
		s.len--;
	return s;
}

static bool take_name(struct span *s, struct span *name_r)
{
	size_t n = 0;

	/* tag-name = ALPHA *ALNUMPUNC */
	while (n < s->len && (trust_is_alnum(s->ptr[n]) || (n && s->ptr[n] == '_')))
		n++;
	if (n == 0 || (s->ptr[0] >= '0' && s->ptr[0] <= '9'))
		return false;
	*name_r = span_sub(*s, 0, n);
	*s = span_skip(*s, n);
	return true;
}

/* tag-value: VALCHAR with folding white space between; up to ";" or the end. */
static bool take_value(struct span *s, struct dkim_tag *t)
{
	struct span at = *s;

	while (at.len && at.ptr[0] != ';') {
		unsigned char c = (unsigned char)at.ptr[0];
		size_t n = fws(at);

		if (n == 0)
			n = c >= 0x80 ? utf8_length_at(at) : c > ' ' && c < 0x7f;
		if (n == 0)
			return false;
		at = span_skip(at, n);
	}
	t->raw = span_sub(*s, 0, s->len - at.len);
	t->value = trim_end(skip_fws(t->raw));
	*s = at;
	return true;
}

static int add(struct dkim_tags *tags, const struct dkim_tag *t, struct err *e)
{
	for (size_t i = 0; i < tags->count; i++) {
		if (span_eq(tags->tag[i].name, t->name))
			return err_set(e, ERR_SYNTAX, "the tag \"" SPAN_FMT "\" stands twice",
				SPAN_ARG(span_sub(t->name, 0, 32)));
	}
	if (tags->count == DKIM_TAGS_MAX)
		return err_set(e, ERR_LIMIT, "more than %d tags", DKIM_TAGS_MAX);
	tags->tag[tags->count++] = *t;
	return 0;
}

int dkim_tags_parse(struct span text, struct dkim_tags *tags_r, struct err *e)
{
	tags_r->count = 0;
	text = skip_fws(text);
	do {
		struct dkim_tag t = {0};
		size_t n = tags_r->count + 1;

		if (!take_name(&text, &t.name))
			return err_set(e, ERR_SYNTAX, "tag %zu has no name", n);
		text = skip_fws(text);
		if (!text.len || text.ptr[0] != '=')
			return err_set(e, ERR_SYNTAX, "the tag \"" SPAN_FMT "\" has no \"=\"",
				SPAN_ARG(span_sub(t.name, 0, 32)));
		text = span_skip(text, 1);
		if (!take_value(&text, &t))
			return err_set(e, ERR_SYNTAX,
				"the tag \"" SPAN_FMT "\" has an octet that may not stand there",
				SPAN_ARG(span_sub(t.name, 0, 32)));
		if (add(tags_r, &t, e) < 0)
			return -1;
		if (text.len) /* the ";" */
			text = skip_fws(span_skip(text, 1));
	} while (text.len);
	return 0;
}

const struct dkim_tag *dkim_tags_get(const struct dkim_tags *tags, const char *name)
{
	for (size_t i = 0; i < tags->count; i++) {
		if (span_eq(tags->tag[i].name, span_str(name)))
			return &tags->tag[i];
	}
	return NULL;
}

struct span dkim_tags_value(const struct dkim_tags *tags, const char *name)
{
	const struct dkim_tag *t = dkim_tags_get(tags, name);

	return t ? t->value : SPAN_NONE;
}

bool dkim_tags_word(struct span *rest, struct span *word_r)
{
	struct span tail;

	if (!rest->ptr)
		return false;
	if (!span_cut(*rest, ':', word_r, &tail))
		tail = SPAN_NONE;
	*rest = tail;
	*word_r = trim_end(skip_fws(*word_r));
	return true;
}

bool dkim_tags_has(struct span list, struct span word)
{
	struct span w;

	while (dkim_tags_word(&list, &w)) {
		if (span_eq(w, word))
			return true;
	}
	return false;
}

bool dkim_tags_base64(struct span value, struct buf *out)
{
	struct buf text;
	bool is_good;

	buf_init(&text, value.len);
	for (size_t i = 0; i < value.len; i++) {
		char c = value.ptr[i];

		if (!is_blank(c) && c != '\r' && c != '\n')
			buf_char(&text, c);
	}
	is_good = buf_len(&text) && enc_get_base64(out, buf_span(&text)) && buf_ok(out);
	buf_fini(&text);
	return is_good;
}
