#include "proto/imap/imap_syntax_priv.h"

#include "base/must.h"
#include "base/utf8.h"

enum key_args {
	ARGS_NONE,
	ARGS_FLAG,     /* none; `flag` */
	ARGS_NOT_FLAG, /* none; not `flag` */
	ARGS_TEXT,     /* SP astring */
	ARGS_FIELD,    /* SP astring, in the header field `field` */
	ARGS_HEADER,   /* SP field name SP astring */
	ARGS_DAY,
	ARGS_NUMBER,
	ARGS_INTERVAL, /* SP nz-number of seconds */
	ARGS_KEYWORD,
	ARGS_NOT_KEYWORD,
	ARGS_UID,
	ARGS_MODSEQ,
	ARGS_OBJECT,
	ARGS_OLD,
	ARGS_NEW,
	ARGS_NOT,
	ARGS_OR,
	ARGS_FUZZY
};

/* search-key (RFC 9051 section 9; RFC 3501: NEW, OLD, RECENT; RFC 5032, 6203, 7162, 8474, 8514) */
static const struct key_word {
	const char *word;
	enum key_args args;
	enum imap_op op;
	unsigned flag;
	const char *field;
} key_words[] = {
	{"ALL", ARGS_NONE, IMAP_OP_ALL, 0, NULL},
	{"ANSWERED", ARGS_FLAG, IMAP_OP_FLAG, IMAP_FLAG_ANSWERED, NULL},
	{"BCC", ARGS_FIELD, IMAP_OP_HEADER, 0, "Bcc"},
	{"BEFORE", ARGS_DAY, IMAP_OP_BEFORE, 0, NULL},
	{"BODY", ARGS_TEXT, IMAP_OP_BODY, 0, NULL},
	{"CC", ARGS_FIELD, IMAP_OP_HEADER, 0, "Cc"},
	{"DELETED", ARGS_FLAG, IMAP_OP_FLAG, IMAP_FLAG_DELETED, NULL},
	{"DRAFT", ARGS_FLAG, IMAP_OP_FLAG, IMAP_FLAG_DRAFT, NULL},
	{"EMAILID", ARGS_OBJECT, IMAP_OP_EMAILID, 0, NULL},
	{"FLAGGED", ARGS_FLAG, IMAP_OP_FLAG, IMAP_FLAG_FLAGGED, NULL},
	{"FROM", ARGS_FIELD, IMAP_OP_HEADER, 0, "From"},
	{"FUZZY", ARGS_FUZZY, IMAP_OP_AND, 0, NULL},
	{"HEADER", ARGS_HEADER, IMAP_OP_HEADER, 0, NULL},
	{"KEYWORD", ARGS_KEYWORD, IMAP_OP_KEYWORD, 0, NULL},
	{"LARGER", ARGS_NUMBER, IMAP_OP_LARGER, 0, NULL},
	{"MODSEQ", ARGS_MODSEQ, IMAP_OP_MODSEQ, 0, NULL},
	{"NEW", ARGS_NEW, IMAP_OP_AND, 0, NULL},
	{"NOT", ARGS_NOT, IMAP_OP_NOT, 0, NULL},
	{"OLD", ARGS_OLD, IMAP_OP_NOT, 0, NULL},
	{"OLDER", ARGS_INTERVAL, IMAP_OP_OLDER, 0, NULL},
	{"ON", ARGS_DAY, IMAP_OP_ON, 0, NULL},
	{"OR", ARGS_OR, IMAP_OP_OR, 0, NULL},
	{"RECENT", ARGS_FLAG, IMAP_OP_FLAG, IMAP_FLAG_RECENT, NULL},
	{"SAVEDATESUPPORTED", ARGS_NONE, IMAP_OP_SAVEDATE_SUPPORTED, 0, NULL},
	{"SAVEDBEFORE", ARGS_DAY, IMAP_OP_SAVED_BEFORE, 0, NULL},
	{"SAVEDON", ARGS_DAY, IMAP_OP_SAVED_ON, 0, NULL},
	{"SAVEDSINCE", ARGS_DAY, IMAP_OP_SAVED_SINCE, 0, NULL},
	{"SEEN", ARGS_FLAG, IMAP_OP_FLAG, IMAP_FLAG_SEEN, NULL},
	{"SENTBEFORE", ARGS_DAY, IMAP_OP_SENT_BEFORE, 0, NULL},
	{"SENTON", ARGS_DAY, IMAP_OP_SENT_ON, 0, NULL},
	{"SENTSINCE", ARGS_DAY, IMAP_OP_SENT_SINCE, 0, NULL},
	{"SINCE", ARGS_DAY, IMAP_OP_SINCE, 0, NULL},
	{"SMALLER", ARGS_NUMBER, IMAP_OP_SMALLER, 0, NULL},
	{"SUBJECT", ARGS_FIELD, IMAP_OP_HEADER, 0, "Subject"},
	{"TEXT", ARGS_TEXT, IMAP_OP_TEXT, 0, NULL},
	{"THREADID", ARGS_OBJECT, IMAP_OP_THREADID, 0, NULL},
	{"TO", ARGS_FIELD, IMAP_OP_HEADER, 0, "To"},
	{"UID", ARGS_UID, IMAP_OP_UID, 0, NULL},
	{"UNANSWERED", ARGS_NOT_FLAG, IMAP_OP_NOT, IMAP_FLAG_ANSWERED, NULL},
	{"UNDELETED", ARGS_NOT_FLAG, IMAP_OP_NOT, IMAP_FLAG_DELETED, NULL},
	{"UNDRAFT", ARGS_NOT_FLAG, IMAP_OP_NOT, IMAP_FLAG_DRAFT, NULL},
	{"UNFLAGGED", ARGS_NOT_FLAG, IMAP_OP_NOT, IMAP_FLAG_FLAGGED, NULL},
	{"UNKEYWORD", ARGS_NOT_KEYWORD, IMAP_OP_NOT, 0, NULL},
	{"UNSEEN", ARGS_NOT_FLAG, IMAP_OP_NOT, IMAP_FLAG_SEEN, NULL},
	{"YOUNGER", ARGS_INTERVAL, IMAP_OP_YOUNGER, 0, NULL},
};

static int one_key(
	struct imap_lex *l, struct imap_search *s, bool is_fuzzy, struct imap_key **key_r);

/* A key more; NULL (with the error) past the limit. */
static struct imap_key *new_key(
	struct imap_lex *l, struct imap_search *s, enum imap_op op, bool is_fuzzy)
{
	struct imap_key *k;

	if (s->keys >= IMAP_SEARCH_KEYS_MAX) {
		imap_lex_too_many(l, "search keys", IMAP_SEARCH_KEYS_MAX);
		return NULL;
	}
	s->keys++;
	k = ARENA_NEW(l->a, struct imap_key);
	k->op = op;
	k->is_fuzzy = is_fuzzy;
	return k;
}

static int text_arg(struct imap_lex *l, struct imap_search *s, struct span *text_r)
{
	size_t from = l->at + 1;

	if (imap_lex_space(l) < 0 || imap_lex_astring(l, "a text to look for", text_r) < 0)
		return -1;
	if (s->is_foreign || utf8_is_valid(*text_r))
		return 0;
	l->at = from;
	return imap_lex_expected(l, "a text in UTF-8");
}

/* date = date-text / DQUOTE date-text DQUOTE */
static int day_arg(struct imap_lex *l, int64_t *day_r)
{
	static const char what[] = "a date (1-Feb-2026)";
	struct span text;
	size_t from = l->at + 1;

	if (imap_lex_space(l) < 0 || imap_lex_astring(l, what, &text) < 0)
		return -1;
	if (imap_date_parse(text, day_r))
		return 0;
	l->at = from;
	return imap_lex_expected(l, what);
}

static int keyword_arg(struct imap_lex *l, struct imap_key *k)
{
	if (imap_lex_space(l) < 0 || imap_lex_astring(l, "a keyword", &k->text) < 0)
		return -1;
	return imap_is_keyword(k->text) ? 0 : imap_lex_expected(l, "a keyword");
}

/* search-modsequence = "MODSEQ" [SP entry-name SP entry-type-req] SP mod-sequence-valzer
 * (RFC 7162 section 7). One number for all flags is kept, so what entry is asked for changes nothing
 * (section 3.1.5 allows it). */
static int modseq_arg(struct imap_lex *l, struct imap_search *s, struct imap_key *k)
{
	struct span entry;

	s->has_modseq = true;
	if (imap_lex_space(l) < 0)
		return -1;
	if (imap_lex_peek(l) == '"') {
		if (imap_lex_string(l, "a flag's entry", &entry) < 0)
			return -1;
		if (!span_starts_nocase(entry, SPAN("/flags/")) || imap_lex_space(l) < 0)
			return imap_lex_expected(l, "a flag's entry");
		if (!imap_lex_try_word(l, "all") && !imap_lex_try_word(l, "priv") &&
			!imap_lex_try_word(l, "shared"))
			return imap_lex_expected(l, "all, priv or shared");
		if (imap_lex_space(l) < 0)
			return -1;
	}
	return imap_lex_number(l, "a modification sequence", 0, IMAP_MODSEQ_MAX, &k->number);
}

static int object_arg(struct imap_lex *l, struct imap_key *k)
{
	/* objectid = 1*255(ALPHA / DIGIT / "_" / "-") (RFC 8474 section 7); any other has nobody */
	return imap_lex_space(l) < 0 ? -1 : imap_lex_astring(l, "an object's id", &k->text);
}

/* The arguments of keys without keys in them. */
static int plain_args(
	struct imap_lex *l, struct imap_search *s, const struct key_word *w, struct imap_key *k)
{
	switch (w->args) {
	case ARGS_FIELD: k->field = span_str(w->field); return text_arg(l, s, &k->text);
	case ARGS_TEXT: return text_arg(l, s, &k->text);
	case ARGS_HEADER:
		if (imap_lex_space(l) < 0 ||
			imap_lex_astring(l, "a header field's name", &k->field) < 0)
			return -1;
		return text_arg(l, s, &k->text);
	case ARGS_DAY: return day_arg(l, &k->day);
	case ARGS_NUMBER:
	case ARGS_INTERVAL:
		if (imap_lex_space(l) < 0)
			return -1;
		return imap_lex_number(l, "a number", w->args == ARGS_INTERVAL,
			w->args == ARGS_INTERVAL ? UINT32_MAX : INT64_MAX, &k->number);
	case ARGS_KEYWORD: return keyword_arg(l, k);
	case ARGS_UID:
		if (imap_lex_space(l) < 0 || imap_lex_set(l, true, &k->set) < 0)
			return -1;
		s->has_saved = s->has_saved || k->set.is_saved;
		return 0;
	case ARGS_MODSEQ: return modseq_arg(l, s, k);
	case ARGS_OBJECT: return object_arg(l, k);
	default: return 0;
	}
}

static int add_flag(struct imap_lex *l, struct imap_search *s, unsigned flag, struct imap_key **at)
{
	*at = new_key(l, s, IMAP_OP_FLAG, false);
	if (!*at)
		return -1;
	(*at)->flag = flag;
	return 0;
}

/* NOT FLAG and what is made of it */
static int negated(
	struct imap_lex *l, struct imap_search *s, const struct key_word *w, struct imap_key *k)
{
	struct imap_key *inner;

	switch (w->args) {
	case ARGS_NOT_FLAG: return add_flag(l, s, w->flag, &k->child);
	case ARGS_OLD: return add_flag(l, s, IMAP_FLAG_RECENT, &k->child);
	case ARGS_NOT_KEYWORD:
		k->child = new_key(l, s, IMAP_OP_KEYWORD, false);
		return k->child ? keyword_arg(l, k->child) : -1;
	default: /* NEW (RFC 3501 section 6.4.4) */
		if (add_flag(l, s, IMAP_FLAG_RECENT, &k->child) < 0)
			return -1;
		inner = k->child->next = new_key(l, s, IMAP_OP_NOT, false);
		return inner ? add_flag(l, s, IMAP_FLAG_SEEN, &inner->child) : -1;
	}
}

static int nested(struct imap_lex *l, struct imap_search *s, bool is_fuzzy, struct imap_key **key_r)
{
	if (imap_lex_space(l) < 0)
		return -1;
	return one_key(l, s, is_fuzzy, key_r);
}

static int worded(struct imap_lex *l, struct imap_search *s, const struct key_word *w,
	bool is_fuzzy, struct imap_key **key_r)
{
	struct imap_key *k;

	if (w->args == ARGS_FUZZY) { /* RFC 6203 section 6: of the one key behind it */
		s->has_fuzzy = true;
		return nested(l, s, true, key_r);
	}
	k = *key_r = new_key(l, s, w->op, is_fuzzy);
	if (!k)
		return -1;
	switch (w->args) {
	case ARGS_FLAG: k->flag = w->flag; return 0;
	case ARGS_NOT: return nested(l, s, is_fuzzy, &k->child);
	case ARGS_OR:
		if (nested(l, s, is_fuzzy, &k->child) < 0)
			return -1;
		return nested(l, s, is_fuzzy, &k->child->next);
	case ARGS_NOT_FLAG:
	case ARGS_NOT_KEYWORD:
	case ARGS_OLD:
	case ARGS_NEW: return negated(l, s, w, k);
	default: return plain_args(l, s, w, k);
	}
}

/* search-key *(SP search-key): all of them hold */
static int all_keys(
	struct imap_lex *l, struct imap_search *s, bool is_fuzzy, struct imap_key **key_r)
{
	struct imap_key *and, **at;

	if (one_key(l, s, is_fuzzy, key_r) < 0)
		return -1;
	if (!imap_lex_more(l))
		return 0;
	and = new_key(l, s, IMAP_OP_AND, false);
	if (!and)
		return -1;
	and->child = *key_r;
	*key_r = and;
	at = &and->child->next;
	do {
		if (one_key(l, s, is_fuzzy, at) < 0)
			return -1;
		at = &(*at)->next;
	} while (imap_lex_more(l));
	return 0;
}

static int set_key(struct imap_lex *l, struct imap_search *s, struct imap_key **key_r)
{
	struct imap_key *k = *key_r = new_key(l, s, IMAP_OP_SET, false);

	if (!k || imap_lex_set(l, true, &k->set) < 0)
		return -1;
	s->has_saved = s->has_saved || k->set.is_saved;
	s->has_numbers = s->has_numbers || !k->set.is_saved;
	return 0;
}

static const struct key_word *key_word(struct imap_lex *l)
{
	struct span word = imap_lex_word_ahead(l);

	for (size_t i = 0; i < ARRAY_LEN(key_words); i++)
		if (span_eq_nocase(word, span_str(key_words[i].word))) {
			l->at += word.len;
			return &key_words[i];
		}
	return NULL;
}

static int one_key_inside(
	struct imap_lex *l, struct imap_search *s, bool is_fuzzy, struct imap_key **key_r)
{
	int c = imap_lex_peek(l);
	const struct key_word *w;

	if (c == '(') {
		if (imap_lex_open(l, "\"(\"") < 0 || all_keys(l, s, is_fuzzy, key_r) < 0)
			return -1;
		return imap_lex_close(l);
	}
	if ((c >= '0' && c <= '9') || c == '*' || c == '$')
		return set_key(l, s, key_r);
	w = key_word(l);
	return w ? worded(l, s, w, is_fuzzy, key_r) : imap_lex_expected(l, "a search key");
}

static int one_key(
	struct imap_lex *l, struct imap_search *s, bool is_fuzzy, struct imap_key **key_r)
{
	/* NOT NOT NOT … nests as parentheses do */
	if (imap_lex_deeper(l) < 0 || one_key_inside(l, s, is_fuzzy, key_r) < 0)
		return -1;
	l->depth--;
	return 0;
}

static int charset_arg(struct imap_lex *l, struct imap_search *s)
{
	if (imap_lex_space(l) < 0 || imap_lex_astring(l, "a charset", &s->charset) < 0)
		return -1;
	if (s->charset.len == 0 || s->charset.len > IMAP_WORD_MAX)
		return imap_lex_expected(l, "a charset");
	/* US-ASCII is UTF-8; 8-bit texts under its name are read as UTF-8 */
	s->is_foreign = !span_eq_nocase(s->charset, SPAN("UTF-8")) &&
		!span_eq_nocase(s->charset, SPAN("US-ASCII"));
	return 0;
}

static int program(struct imap_lex *l, struct imap_search *s)
{
	s->charset = SPAN("");
	if (imap_lex_space(l) < 0)
		return -1;
	if (imap_lex_try_word(l, "CHARSET")) {
		/* RFC 6855 section 3: "it SHOULD reject the command with a BAD response" */
		if (l->d->is_utf8_accepted)
			return err_set(l->e, ERR_SYNTAX, "No CHARSET once UTF8=ACCEPT is enabled");
		if (charset_arg(l, s) < 0 || imap_lex_space(l) < 0)
			return -1;
	}
	return all_keys(l, s, false, &s->root);
}

/* SORT and THREAD: a charset always, without the word */
static int program_with_charset(struct imap_lex *l, struct imap_search *s)
{
	if (charset_arg(l, s) < 0 || imap_lex_space(l) < 0)
		return -1;
	return all_keys(l, s, false, &s->root);
}

static int return_option(struct imap_lex *l, struct imap_return_options *r)
{
	static const struct {
		const char *word;
		unsigned bit;
	} words[] = {{"MIN", IMAP_RETURN_MIN}, {"MAX", IMAP_RETURN_MAX}, {"ALL", IMAP_RETURN_ALL},
		{"COUNT", IMAP_RETURN_COUNT}, {"SAVE", IMAP_RETURN_SAVE},
		{"PARTIAL", IMAP_RETURN_PARTIAL}, {"RELEVANCY", IMAP_RETURN_RELEVANCY}};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (!imap_lex_try_word(l, words[i].word))
			continue;
		if (words[i].bit == IMAP_RETURN_PARTIAL) {
			/* RFC 9394 section 3.1: "only one PARTIAL" */
			if (r->what & IMAP_RETURN_PARTIAL)
				return imap_lex_expected(l, "one PARTIAL only");
			if (imap_lex_space(l) < 0 || imap_lex_partial(l, &r->partial) < 0)
				return -1;
		}
		r->what |= words[i].bit;
		return 0;
	}
	return imap_lex_expected(l, "MIN, MAX, ALL, COUNT, SAVE, PARTIAL or RELEVANCY");
}

/* [SP "RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")"] */
static int returns(struct imap_lex *l, struct imap_return_options *r)
{
	size_t from = l->at;

	if (imap_lex_space(l) < 0)
		return -1;
	if (!imap_lex_try_word(l, "RETURN")) {
		l->at = from;
		return 0;
	}
	r->is_given = true;
	if (imap_lex_space(l) < 0 || imap_lex_open(l, "a list of return options") < 0)
		return -1;
	if (imap_lex_peek(l) != ')')
		do {
			if (return_option(l, r) < 0)
				return -1;
		} while (imap_lex_more(l));
	/* "An empty list of options … is equivalent to ALL" (RFC 4731 section 3.1); with PARTIAL ALL
	 * is not told (RFC 9394 section 3.1) */
	if (r->what == 0)
		r->what = IMAP_RETURN_ALL;
	if ((r->what & IMAP_RETURN_PARTIAL) && (r->what & IMAP_RETURN_ALL))
		return err_set(l->e, ERR_SYNTAX, "Only one of ALL and PARTIAL is possible");
	return imap_lex_close(l);
}

int imap_args_search(struct imap_lex *l, struct imap_command *c)
{
	return returns(l, &c->find.returns) < 0 ? -1 : program(l, &c->find.search);
}

static int sort_key(struct imap_lex *l, struct imap_find *f)
{
	static const char *const names[] = {[IMAP_SORT_ARRIVAL] = "ARRIVAL",
		[IMAP_SORT_CC] = "CC",
		[IMAP_SORT_DATE] = "DATE",
		[IMAP_SORT_FROM] = "FROM",
		[IMAP_SORT_SIZE] = "SIZE",
		[IMAP_SORT_SUBJECT] = "SUBJECT",
		[IMAP_SORT_TO] = "TO",
		[IMAP_SORT_DISPLAYFROM] = "DISPLAYFROM",
		[IMAP_SORT_DISPLAYTO] = "DISPLAYTO",
		[IMAP_SORT_RELEVANCY] = "RELEVANCY"};
	bool is_reverse = imap_lex_try_word(l, "REVERSE");

	if (is_reverse && imap_lex_space(l) < 0)
		return -1;
	if (f->sort_count >= IMAP_SORT_KEYS_MAX)
		return imap_lex_too_many(l, "sort keys", IMAP_SORT_KEYS_MAX);
	LEX_ROOM(l, f->sort, f->sort_count);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (imap_lex_try_word(l, names[i])) {
			f->sort[f->sort_count++] = (struct imap_sort_by){
				(enum imap_sort_key)i, is_reverse};
			return 0;
		}
	return imap_lex_expected(l, "a sort key");
}

/* sort = "SORT" [return] SP "(" sort-criterion *(SP sort-criterion) ")" SP charset 1*(SP search-key)
 * (RFC 5256 section 5, RFC 5267) */
int imap_args_sort(struct imap_lex *l, struct imap_command *c)
{
	if (returns(l, &c->find.returns) < 0 || imap_lex_space(l) < 0 ||
		imap_lex_open(l, "a list of sort keys") < 0)
		return -1;
	do {
		if (sort_key(l, &c->find) < 0)
			return -1;
	} while (imap_lex_more(l));
	return imap_lex_close(l) < 0 ? -1 : program_with_charset(l, &c->find.search);
}

int imap_args_thread(struct imap_lex *l, struct imap_command *c)
{
	if (imap_lex_space(l) < 0)
		return -1;
	if (imap_lex_try_word(l, "REFERENCES"))
		c->find.thread = IMAP_THREAD_REFERENCES;
	else if (imap_lex_try_word(l, "ORDEREDSUBJECT"))
		c->find.thread = IMAP_THREAD_ORDEREDSUBJECT;
	else
		return imap_lex_expected(l, "REFERENCES or ORDEREDSUBJECT");
	return program_with_charset(l, &c->find.search);
}

int imap_args_esearch(struct imap_lex *l, struct imap_command *c)
{
	if (imap_lex_sources(l, &c->find.sources, &c->find.source_count) < 0 ||
		returns(l, &c->find.returns) < 0)
		return -1;
	c->find.returns.is_given = true; /* RFC 7377 section 2: the answer is ESEARCH always */
	if (c->find.returns.what == 0)
		c->find.returns.what = IMAP_RETURN_ALL;
	if (program(l, &c->find.search) < 0)
		return -1;
	/* RFC 7377 section 2.2: a sequence number says nothing about several mailboxes */
	if (c->find.source_count && c->find.search.has_numbers)
		return err_set(l->e, ERR_SYNTAX, "Sequence numbers cannot be used with IN");
	return 0;
}
