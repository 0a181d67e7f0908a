#include "proto/imap/imap_syntax_priv.h"

#include <string.h>

/* "ID" SP id-params-list; "(" [string SP nstring *(SP string SP nstring)] ")" / nil (RFC 2971
 * section 4) */
int imap_args_id(struct imap_lex *l, struct imap_command *c)
{
	struct imap_pair *p;

	if (imap_lex_space(l) < 0)
		return -1;
	if (imap_lex_try_word(l, "NIL"))
		return 0;
	if (imap_lex_open(l, "NIL or a list of fields") < 0)
		return -1;
	if (imap_lex_peek(l) != ')')
		do {
			if (c->pair_count >= IMAP_ID_PAIRS_MAX)
				return imap_lex_expected(l, "at most 30 fields"); /* section 3.3 */
			LEX_ROOM(l, c->pairs, c->pair_count);
			p = &c->pairs[c->pair_count];
			if (imap_lex_string(l, "a field", &p->field) < 0 || imap_lex_space(l) < 0 ||
				imap_lex_nstring(l, "a value or NIL", false, &p->value) < 0)
				return -1;
			if (p->field.len > IMAP_ID_FIELD_MAX || p->value.len > IMAP_ID_VALUE_MAX)
				return imap_lex_expected(
					l, "fields of 30 and values of 1024 octets");
			c->pair_count++;
		} while (imap_lex_more(l));
	return imap_lex_close(l);
}

/* identifier = astring; no control characters (RFC 4314 section 3) */
static int identifier(struct imap_lex *l, struct span *who_r)
{
	if (imap_lex_space(l) < 0 || imap_lex_astring(l, "an identifier", who_r) < 0)
		return -1;
	if (who_r->len == 0 || who_r->len > IMAP_NAME_MAX || !imap_name_is_text(*who_r))
		return imap_lex_expected(l, "an identifier");
	return 0;
}

int imap_args_acl_who(struct imap_lex *l, struct imap_command *c)
{
	if (imap_lex_space(l) < 0 || imap_lex_name(l, &c->acl.name) < 0)
		return -1;
	c->name = c->acl.name;
	return identifier(l, &c->acl.identifier);
}

/* mod-rights = astring: [+-] rights; rights are lower case letters and digits (RFC 4314 section 3:
 * "Rights MUST be lowercase") */
int imap_args_setacl(struct imap_lex *l, struct imap_command *c)
{
	struct span text, *r = &c->acl.rights;
	struct buf *b = arena_buf(l->a, 64);

	if (imap_args_acl_who(l, c) < 0 || imap_lex_space(l) < 0 ||
		imap_lex_astring(l, "rights", &text) < 0)
		return -1;
	if (text.len && (text.ptr[0] == '+' || text.ptr[0] == '-')) {
		c->acl.how = text.ptr[0] == '+' ? IMAP_ACL_ADD : IMAP_ACL_REMOVE;
		text = span_skip(text, 1);
	}
	for (size_t i = 0; i < text.len; i++) {
		char ch = text.ptr[i];

		if ((ch < 'a' || ch > 'z') && (ch < '0' || ch > '9'))
			return imap_lex_expected(l, "rights in lower case");
		if (span_find(buf_span(b), ch) < 0)
			buf_char(b, ch);
	}
	*r = buf_len(b) ? buf_span(b) : SPAN("");
	return 0;
}

int imap_args_getquota(struct imap_lex *l, struct imap_command *c)
{
	return imap_lex_space(l) < 0 ? -1 : imap_lex_astring(l, "a quota root", &c->quota.root);
}

/* setquota = "SETQUOTA" SP quota-root-name SP setquota-list (RFC 9208 section 7) */
int imap_args_setquota(struct imap_lex *l, struct imap_command *c)
{
	struct imap_quota *q = &c->quota;

	if (imap_args_getquota(l, c) < 0 || imap_lex_space(l) < 0 ||
		imap_lex_open(l, "a list of limits") < 0)
		return -1;
	if (imap_lex_peek(l) != ')')
		do {
			if (q->count >= IMAP_QUOTA_MAX)
				return imap_lex_too_many(l, "limits", IMAP_QUOTA_MAX);
			LEX_ROOM(l, q->limits, q->count);
			if (imap_lex_atom(l, "a resource", &q->limits[q->count].resource) < 0 ||
				imap_lex_space(l) < 0 ||
				imap_lex_number(
					l, "a limit", 0, INT64_MAX, &q->limits[q->count].limit) < 0)
				return -1;
			q->count++;
		} while (imap_lex_more(l));
	return imap_lex_close(l);
}

/* Is `s`, in lower case, the name of an entry (RFC 5464 section 3.1 and 3.2)? is_get: the roots too,
 * which DEPTH may be asked of. */
static bool is_entry(struct span s, bool is_get)
{
	bool is_private = span_starts(s, SPAN("/private")),
	     is_shared = span_starts(s, SPAN("/shared"));
	size_t root = is_private ? 8 : 7;

	if ((!is_private && !is_shared) || s.len > IMAP_ENTRY_MAX)
		return false;
	if (s.len == root)
		return is_get;
	if (s.ptr[root] != '/' || s.ptr[s.len - 1] == '/')
		return false;
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] <= 0x1f || (unsigned char)s.ptr[i] >= 0x7f ||
			strchr("*%", s.ptr[i]) ||
			(s.ptr[i] == '/' && i + 1 < s.len && s.ptr[i + 1] == '/'))
			return false;
	return true;
}

int imap_lex_entry(struct imap_lex *l, bool is_get, struct span *name_r)
{
	size_t from = l->at;
	struct span sent;
	char *text;

	if (imap_lex_astring(l, "the name of an entry", &sent) < 0)
		return -1;
	text = arena_str(l->a, sent);
	for (size_t i = 0; i < sent.len; i++) /* "Entry names are not case sensitive" */
		text[i] = (char)span_lower((unsigned char)text[i]);
	*name_r = span_of(text, sent.len);
	if (is_entry(*name_r, is_get))
		return 0;
	l->at = from;
	return imap_lex_expected(l, "the name of an entry (/private/… or /shared/…)");
}

int imap_lex_entries(
	struct imap_lex *l, struct span *first_r, struct span **names_r, size_t *count_r)
{
	*names_r = NULL;
	*count_r = 0;
	if (imap_lex_open(l, "a list of entries") < 0)
		return -1;
	do {
		if (*count_r >= IMAP_ENTRIES_MAX)
			return imap_lex_too_many(l, "entries", IMAP_ENTRIES_MAX);
		LEX_ROOM(l, *names_r, *count_r);
		if (imap_lex_entry(l, true, &(*names_r)[*count_r]) < 0)
			return -1;
		(*count_r)++;
	} while (imap_lex_more(l));
	*first_r = (*names_r)[0];
	return imap_lex_close(l);
}

/* getmetadata-option = "MAXSIZE" SP number / "DEPTH" SP ("0" / "1" / "infinity") (RFC 5464
 * section 4.2.1, 4.2.2) */
static int metadata_options(struct imap_lex *l, struct imap_metadata *m)
{
	uint64_t depth;

	if (imap_lex_open(l, "a list of options") < 0)
		return -1;
	do {
		if (imap_lex_try_word(l, "MAXSIZE")) {
			m->has_max_size = true;
			if (imap_lex_space(l) < 0 ||
				imap_lex_number(l, "a size", 0, UINT32_MAX, &m->max_size) < 0)
				return -1;
		} else if (imap_lex_try_word(l, "DEPTH")) {
			if (imap_lex_space(l) < 0)
				return -1;
			if (imap_lex_try_word(l, "infinity"))
				m->depth = -1;
			else if (imap_lex_number(l, "0, 1 or infinity", 0, 1, &depth) < 0)
				return -1;
			else
				m->depth = (int)depth;
		} else {
			return imap_lex_expected(l, "MAXSIZE or DEPTH");
		}
	} while (imap_lex_more(l));
	return imap_lex_close(l);
}

static int get_entries(struct imap_lex *l, struct imap_metadata *m)
{
	struct span first, *names;
	size_t n;

	if (imap_lex_peek(l) == '(') {
		if (imap_lex_entries(l, &first, &names, &n) < 0)
			return -1;
	} else {
		if (imap_lex_entry(l, true, &first) < 0)
			return -1;
		names = &first;
		n = 1;
	}
	m->entries = ARENA_ARRAY(l->a, struct imap_entry, n);
	for (m->count = 0; m->count < n; m->count++)
		m->entries[m->count].name = names[m->count];
	return 0;
}

/* Do options follow here, not entries? Entries begin with '/', in quotes or a literal or not. */
static bool has_options_ahead(const struct imap_lex *l)
{
	struct imap_lex look = *l;
	struct span word;

	if (!imap_lex_try(&look, '('))
		return false;
	while (imap_lex_try(&look, ' '))
		;
	word = imap_lex_word_ahead(&look);
	return span_eq_nocase(word, SPAN("MAXSIZE")) || span_eq_nocase(word, SPAN("DEPTH"));
}

/* getmetadata = "GETMETADATA" [SP getmetadata-options] SP mailbox SP entries (RFC 5464 section 5); the
 * RFC's own examples have the options behind the mailbox, so they are taken in both places. */
int imap_args_getmetadata(struct imap_lex *l, struct imap_command *c)
{
	struct imap_metadata *m = &c->metadata;

	if (imap_lex_space(l) < 0)
		return -1;
	if (has_options_ahead(l) && (metadata_options(l, m) < 0 || imap_lex_space(l) < 0))
		return -1;
	if (imap_lex_name(l, &m->name) < 0 || imap_lex_space(l) < 0)
		return -1;
	if (has_options_ahead(l) && (metadata_options(l, m) < 0 || imap_lex_space(l) < 0))
		return -1;
	return get_entries(l, m);
}

/* setmetadata = "SETMETADATA" SP mailbox SP "(" entry SP value *(SP entry SP value) ")" */
int imap_args_setmetadata(struct imap_lex *l, struct imap_command *c)
{
	struct imap_metadata *m = &c->metadata;
	struct imap_entry *en;

	if (imap_lex_space(l) < 0 || imap_lex_name(l, &m->name) < 0 || imap_lex_space(l) < 0 ||
		imap_lex_open(l, "a list of entries and values") < 0)
		return -1;
	do {
		if (m->count >= IMAP_ENTRIES_MAX)
			return imap_lex_too_many(l, "entries", IMAP_ENTRIES_MAX);
		LEX_ROOM(l, m->entries, m->count);
		en = &m->entries[m->count];
		if (imap_lex_entry(l, false, &en->name) < 0 || imap_lex_space(l) < 0 ||
			imap_lex_nstring(l, "a value or NIL", true, &en->value) < 0)
			return -1;
		en->is_nil = en->value.ptr == NULL;
		m->count++;
	} while (imap_lex_more(l));
	return imap_lex_close(l);
}
