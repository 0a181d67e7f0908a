#include "proto/imap/imap_syntax_priv.h"

#include <string.h>

#include "base/must.h"

static const struct {
	const char *word;
	unsigned bit;
} status_words[] = {
	{"MESSAGES", IMAP_STATUS_MESSAGES},
	{"UIDNEXT", IMAP_STATUS_UIDNEXT},
	{"UIDVALIDITY", IMAP_STATUS_UIDVALIDITY},
	{"UNSEEN", IMAP_STATUS_UNSEEN},
	{"RECENT", IMAP_STATUS_RECENT},
	{"DELETED", IMAP_STATUS_DELETED},
	{"SIZE", IMAP_STATUS_SIZE},
	{"HIGHESTMODSEQ", IMAP_STATUS_HIGHESTMODSEQ},
	{"APPENDLIMIT", IMAP_STATUS_APPENDLIMIT},
	{"MAILBOXID", IMAP_STATUS_MAILBOXID},
	{"DELETED-STORAGE", IMAP_STATUS_DELETED_STORAGE},
};

const char *imap_status_item_str(unsigned bit)
{
	for (size_t i = 0; i < ARRAY_LEN(status_words); i++)
		if (status_words[i].bit == bit)
			return status_words[i].word;
	return "";
}

static bool status_item(struct imap_lex *l, unsigned *items)
{
	for (size_t i = 0; i < ARRAY_LEN(status_words); i++)
		if (imap_lex_try_word(l, status_words[i].word)) {
			*items |= status_words[i].bit;
			return true;
		}
	return false;
}

/* "(" status-att *(SP status-att) ")" */
int imap_lex_status_items(struct imap_lex *l, unsigned *items_r)
{
	*items_r = 0;
	if (imap_lex_open(l, "a list of status items") < 0)
		return -1;
	do {
		if (!status_item(l, items_r))
			return imap_lex_expected(l, "a status item");
	} while (imap_lex_more(l));
	return imap_lex_close(l);
}

int imap_args_status(struct imap_lex *l, struct imap_command *c)
{
	if (imap_lex_space(l) < 0 || imap_lex_name(l, &c->status.name) < 0 || imap_lex_space(l) < 0)
		return -1;
	return imap_lex_status_items(l, &c->status.items);
}

/* known-uids and known-sequence-set: no "*", no "$" */
static int known_set(struct imap_lex *l, struct imap_set *set_r)
{
	if (imap_lex_set(l, false, set_r) < 0)
		return -1;
	if (imap_set_has_star(set_r))
		return imap_lex_expected(l, "a set without \"*\"");
	return 0;
}

/* select-param =/ ("QRESYNC" SP "(" uidvalidity SP mod-sequence-value [SP known-uids]
 * [SP seq-match-data] ")") (RFC 7162 section 7) */
static int qresync(struct imap_lex *l, struct imap_select *s)
{
	uint64_t validity;

	s->has_qresync = true;
	if (imap_lex_space(l) < 0 || imap_lex_open(l, "the arguments of QRESYNC") < 0 ||
		imap_lex_number(l, "UIDVALIDITY", 0, UINT32_MAX, &validity) < 0 ||
		imap_lex_space(l) < 0 ||
		imap_lex_number(l, "a modification sequence", 0, IMAP_MODSEQ_MAX, &s->modseq) < 0)
		return -1;
	s->uid_validity = (uint32_t)validity;
	if (imap_lex_more(l) && imap_lex_peek(l) != '(') {
		if (known_set(l, &s->known_uids) < 0)
			return -1;
		imap_set_resolve(l->a, &s->known_uids, 0, &s->known_uids);
		s->has_known_uids = true;
		imap_lex_more(l);
	}
	if (imap_lex_peek(l) == '(') { /* seq-match-data */
		s->has_match = true;
		if (imap_lex_open(l, "(") < 0 || known_set(l, &s->match_numbers) < 0 ||
			imap_lex_space(l) < 0 || known_set(l, &s->match_uids) < 0 ||
			imap_lex_close(l) < 0)
			return -1;
		if (imap_set_count(&s->match_numbers) != imap_set_count(&s->match_uids))
			return imap_lex_expected(l, "as many numbers as UIDs");
	}
	return imap_lex_close(l);
}

int imap_args_select(struct imap_lex *l, struct imap_command *c)
{
	struct imap_select *s = &c->select;

	if (imap_lex_space(l) < 0 || imap_lex_name(l, &s->name) < 0)
		return -1;
	if (!imap_lex_more(l))
		return 0;
	if (imap_lex_open(l, "a list of parameters") < 0)
		return -1;
	do {
		if (imap_lex_try_word(l, "CONDSTORE")) {
			s->is_condstore = true;
		} else if (!s->has_qresync && imap_lex_try_word(l, "QRESYNC")) {
			if (qresync(l, s) < 0)
				return -1;
		} else {
			return imap_lex_expected(l, "CONDSTORE or QRESYNC");
		}
	} while (imap_lex_more(l));
	return imap_lex_close(l);
}

/* create-param =/ "USE" SP "(" [use-attr *(SP use-attr)] ")" (RFC 6154 section 6) */
static int create_use(struct imap_lex *l, struct imap_create *c)
{
	struct span word;
	unsigned bit;

	if (!imap_lex_try_word(l, "USE"))
		return imap_lex_expected(l, "USE");
	if (imap_lex_space(l) < 0 || imap_lex_open(l, "a list of uses") < 0)
		return -1;
	if (imap_lex_peek(l) != ')')
		do {
			word = imap_lex_word_ahead(l);
			if (word.len < 2 || word.ptr[0] != '\\')
				return imap_lex_expected(l, "a use, for example \\Sent");
			l->at += word.len;
			bit = imap_special_use_of(word);
			c->use |= bit;
			c->has_unknown_use = c->has_unknown_use || bit == 0;
		} while (imap_lex_more(l));
	return imap_lex_close(l);
}

int imap_args_create(struct imap_lex *l, struct imap_command *c)
{
	struct imap_create *cr = &c->create;

	if (imap_lex_space(l) < 0 || imap_lex_name(l, &cr->name) < 0)
		return -1;
	/* RFC 9051 section 6.3.4: a trailing separator only declares what is meant to follow */
	if (cr->name.len > 1 && cr->name.ptr[cr->name.len - 1] == IMAP_SEPARATOR) {
		cr->has_trailing_separator = true;
		cr->name.len--;
	}
	if (!imap_lex_more(l))
		return 0;
	if (imap_lex_open(l, "a list of parameters") < 0 || create_use(l, cr) < 0)
		return -1;
	return imap_lex_close(l);
}

/* A pattern's runs between wildcards are each a piece of a name. */
static struct span pattern_decode(struct imap_lex *l, struct span wire)
{
	struct buf *b = arena_buf(l->a, 4 * IMAP_NAME_MAX + 4);
	struct span run;

	if (l->d->is_utf8 || wire.len == 0 || !span_is_ascii(wire))
		return wire;
	while (wire.len) {
		size_t n = 0;

		while (n < wire.len && wire.ptr[n] != '*' && wire.ptr[n] != '%')
			n++;
		run = span_sub(wire, 0, n);
		if (!imap_utf7_decode(b, run))
			return SPAN_NONE;
		if (n < wire.len)
			buf_char(b, wire.ptr[n++]);
		wire = span_skip(wire, n);
	}
	return buf_ok(b) ? buf_span(b) : SPAN_NONE;
}

/* Reference and pattern become one (RFC 9051 section 6.3.9: how is the server's choice): the pattern is
 * put behind the reference, unless it begins at the root. Runs of wildcards with a '*' are one '*'. */
static struct span join(struct imap_lex *l, struct span reference, struct span pattern)
{
	struct buf *b = arena_buf(l->a, 2 * IMAP_NAME_MAX);
	struct span parts[2] = {reference, pattern};
	char last = '\0';

	if (pattern.ptr == NULL || reference.ptr == NULL)
		return SPAN_NONE;
	if (pattern.len > 1 && pattern.ptr[0] == IMAP_SEPARATOR) {
		parts[0] = SPAN("");
		parts[1] = span_skip(pattern, 1);
	}
	for (size_t p = 0; p < 2; p++)
		for (size_t i = 0; i < parts[p].len; i++) {
			char c = parts[p].ptr[i];

			if (c == '*' && (last == '*' || last == '%'))
				buf_truncate(b, buf_len(b) - 1);
			else if (c == '%' && (last == '*' || last == '%'))
				continue;
			buf_char(b, c);
			last = c;
		}
	if (!buf_ok(b) || buf_len(b) > IMAP_NAME_MAX)
		return SPAN_NONE;
	return imap_name_capital(l->a, buf_len(b) ? buf_span(b) : SPAN(""));
}

static int pattern(struct imap_lex *l, struct imap_list *s, bool *is_empty_r)
{
	struct span wire;

	if (s->count >= IMAP_PATTERNS_MAX)
		return imap_lex_too_many(l, "patterns", IMAP_PATTERNS_MAX);
	if (imap_lex_list_mailbox(l, &wire) < 0)
		return -1;
	*is_empty_r = wire.len == 0;
	LEX_ROOM(l, s->patterns, s->count);
	s->patterns[s->count] = join(l, s->reference, pattern_decode(l, wire));
	/* Each name is held against each octet of them. */
	s->octets += s->patterns[s->count++].len;
	return s->octets <= IMAP_PATTERNS_OCTETS_MAX
		? 0
		: imap_lex_too_many(l, "octets of patterns", IMAP_PATTERNS_OCTETS_MAX);
}

/* mbox-or-pat = list-mailbox / patterns */
static int patterns(struct imap_lex *l, struct imap_list *s)
{
	bool is_empty;

	if (imap_lex_peek(l) != '(') {
		if (pattern(l, s, &is_empty) < 0)
			return -1;
		/* RFC 9051 section 6.3.9: an empty name asks for the separator */
		s->is_root_asked = is_empty;
		return 0;
	}
	s->is_extended = true;
	if (imap_lex_open(l, "a list of patterns") < 0)
		return -1;
	do {
		if (pattern(l, s, &is_empty) < 0)
			return -1;
	} while (imap_lex_more(l));
	return imap_lex_close(l);
}

/* list-select-opts (RFC 9051 section 9; SPECIAL-USE of RFC 6154) */
static int select_options(struct imap_lex *l, struct imap_list *s)
{
	s->is_extended = true;
	if (imap_lex_open(l, "a list of selection options") < 0)
		return -1;
	if (imap_lex_peek(l) != ')')
		do {
			if (imap_lex_try_word(l, "SUBSCRIBED"))
				s->select |= IMAP_LIST_SUBSCRIBED;
			else if (imap_lex_try_word(l, "REMOTE"))
				s->select |= IMAP_LIST_REMOTE;
			else if (imap_lex_try_word(l, "RECURSIVEMATCH"))
				s->select |= IMAP_LIST_RECURSIVEMATCH;
			else if (imap_lex_try_word(l, "SPECIAL-USE"))
				s->select |= IMAP_LIST_SPECIAL_USE;
			else
				return imap_lex_expected(l, "a selection option");
		} while (imap_lex_more(l));
	/* RFC 9051 section 6.3.9.1: not alone, and REMOTE is no company */
	if ((s->select & IMAP_LIST_RECURSIVEMATCH) &&
		!(s->select & (IMAP_LIST_SUBSCRIBED | IMAP_LIST_SPECIAL_USE)))
		return err_set(l->e, ERR_SYNTAX, "RECURSIVEMATCH needs another selection option");
	return imap_lex_close(l);
}

static int return_option(struct imap_lex *l, struct imap_list *s)
{
	struct span none;

	if (imap_lex_try_word(l, "SUBSCRIBED")) {
		s->returns |= IMAP_LIST_RETURN_SUBSCRIBED;
	} else if (imap_lex_try_word(l, "CHILDREN")) {
		s->returns |= IMAP_LIST_RETURN_CHILDREN;
	} else if (imap_lex_try_word(l, "SPECIAL-USE")) {
		s->returns |= IMAP_LIST_RETURN_SPECIAL_USE;
	} else if (imap_lex_try_word(l, "MYRIGHTS")) {
		s->returns |= IMAP_LIST_RETURN_MYRIGHTS;
	} else if (imap_lex_try_word(l, "STATUS")) { /* RFC 5819 */
		s->returns |= IMAP_LIST_RETURN_STATUS;
		return imap_lex_space(l) < 0 ? -1 : imap_lex_status_items(l, &s->status);
	} else if (imap_lex_try_word(l, "METADATA")) { /* RFC 9590 */
		s->returns |= IMAP_LIST_RETURN_METADATA;
		if (imap_lex_space(l) < 0)
			return -1;
		return imap_lex_entries(l, &none, &s->entries, &s->entry_count);
	} else {
		return imap_lex_expected(l, "a return option");
	}
	return 0;
}

/* list-return-opts = "RETURN" SP "(" [return-option *(SP return-option)] ")" */
static int return_options(struct imap_lex *l, struct imap_list *s)
{
	s->is_extended = true;
	if (!imap_lex_try_word(l, "RETURN"))
		return imap_lex_expected(l, "RETURN");
	if (imap_lex_space(l) < 0 || imap_lex_open(l, "a list of return options") < 0)
		return -1;
	if (imap_lex_peek(l) != ')')
		do {
			if (return_option(l, s) < 0)
				return -1;
		} while (imap_lex_more(l));
	return imap_lex_close(l);
}

static int reference(struct imap_lex *l, struct imap_list *s)
{
	struct span wire;

	if (imap_lex_space(l) < 0 || imap_lex_astring(l, "a reference name", &wire) < 0)
		return -1;
	s->reference = imap_name_decode(l->a, wire, l->d->is_utf8);
	return imap_lex_space(l);
}

int imap_args_list(struct imap_lex *l, struct imap_command *c)
{
	struct imap_list *s = &c->list;
	size_t from = l->at;

	if (imap_lex_space(l) < 0)
		return -1;
	if (imap_lex_peek(l) == '(') {
		if (select_options(l, s) < 0)
			return -1;
	} else {
		l->at = from;
	}
	if (reference(l, s) < 0 || patterns(l, s) < 0)
		return -1;
	return imap_lex_more(l) ? return_options(l, s) : 0;
}

int imap_args_lsub(struct imap_lex *l, struct imap_command *c)
{
	bool is_empty;

	if (reference(l, &c->list) < 0)
		return -1;
	return pattern(l, &c->list, &is_empty);
}
