#include "proto/imap/imap_syntax_priv.h"

#include "base/must.h"

enum source_for { FOR_NOTIFY = 1, FOR_ESEARCH = 2 };

static const struct source_word {
	const char *word;
	enum imap_source_kind kind;
	unsigned where;
	bool has_names;
} source_words[] = {
	{"SELECTED", IMAP_SOURCE_SELECTED, FOR_NOTIFY | FOR_ESEARCH, false},
	{"SELECTED-DELAYED", IMAP_SOURCE_SELECTED_DELAYED, FOR_NOTIFY, false},
	{"INBOXES", IMAP_SOURCE_INBOXES, FOR_NOTIFY | FOR_ESEARCH, false},
	{"PERSONAL", IMAP_SOURCE_PERSONAL, FOR_NOTIFY | FOR_ESEARCH, false},
	{"SUBSCRIBED", IMAP_SOURCE_SUBSCRIBED, FOR_NOTIFY | FOR_ESEARCH, false},
	{"SUBTREE", IMAP_SOURCE_SUBTREE, FOR_NOTIFY | FOR_ESEARCH, true},
	{"SUBTREE-ONE", IMAP_SOURCE_SUBTREE_ONE, FOR_ESEARCH, true},
	{"MAILBOXES", IMAP_SOURCE_MAILBOXES, FOR_NOTIFY | FOR_ESEARCH, true},
};

/* one-or-more-mailbox = mailbox / "(" mailbox *(SP mailbox) ")" */
static int source_names(struct imap_lex *l, struct imap_source *s)
{
	bool is_list;

	if (imap_lex_space(l) < 0)
		return -1;
	is_list = imap_lex_peek(l) == '(';
	if (is_list && imap_lex_open(l, "a list of mailboxes") < 0)
		return -1;
	do {
		if (s->count >= IMAP_MAILBOXES_MAX)
			return imap_lex_too_many(l, "mailboxes", IMAP_MAILBOXES_MAX);
		LEX_ROOM(l, s->names, s->count);
		if (imap_lex_name(l, &s->names[s->count]) < 0)
			return -1;
		s->count++;
	} while (is_list && imap_lex_more(l));
	return is_list ? imap_lex_close(l) : 0;
}

/* filter-mailboxes (RFC 5465 section 8, RFC 7377 section 5) */
static int source(struct imap_lex *l, enum source_for where, struct imap_source *s)
{
	for (size_t i = 0; i < ARRAY_LEN(source_words); i++) {
		const struct source_word *w = &source_words[i];

		if (!(w->where & where) || !imap_lex_try_word(l, w->word))
			continue;
		s->kind = w->kind;
		return w->has_names ? source_names(l, s) : 0;
	}
	return imap_lex_expected(l, "which mailboxes (selected, inboxes, personal …)");
}

/* esearch-source-opts = "IN" SP "(" source-mbox [SP "(" scope-options ")"] ")" (RFC 7377 section 5).
 * There is no scope option yet; unknown ones are an error (section 2.2). */
int imap_lex_sources(struct imap_lex *l, struct imap_source **sources_r, size_t *count_r)
{
	size_t from = l->at;

	*sources_r = NULL;
	*count_r = 0;
	if (imap_lex_space(l) < 0)
		return -1;
	if (!imap_lex_try_word(l, "IN")) {
		l->at = from;
		return 0;
	}
	if (imap_lex_space(l) < 0 || imap_lex_open(l, "a list of mailboxes") < 0)
		return -1;
	do {
		if (*count_r >= IMAP_MAILBOXES_MAX)
			return imap_lex_too_many(l, "sources", IMAP_MAILBOXES_MAX);
		LEX_ROOM(l, *sources_r, *count_r);
		if (source(l, FOR_ESEARCH, &(*sources_r)[*count_r]) < 0)
			return -1;
		(*count_r)++;
	} while (imap_lex_more(l));
	return imap_lex_close(l);
}

static const struct {
	const char *word;
	unsigned bit;
} event_words[] = {
	{"MessageNew", IMAP_EVENT_MESSAGE_NEW},
	{"MessageExpunge", IMAP_EVENT_MESSAGE_EXPUNGE},
	{"FlagChange", IMAP_EVENT_FLAG_CHANGE},
	{"AnnotationChange", IMAP_EVENT_ANNOTATION_CHANGE},
	{"MailboxName", IMAP_EVENT_MAILBOX_NAME},
	{"SubscriptionChange", IMAP_EVENT_SUBSCRIPTION_CHANGE},
	{"MailboxMetadataChange", IMAP_EVENT_MAILBOX_METADATA_CHANGE},
	{"ServerMetadataChange", IMAP_EVENT_SERVER_METADATA_CHANGE},
};

static int event(struct imap_lex *l, struct imap_notify_group *g)
{
	struct span other;

	for (size_t i = 0; i < ARRAY_LEN(event_words); i++)
		if (imap_lex_try_word(l, event_words[i].word)) {
			g->events |= event_words[i].bit;
			/* "MessageNew" [SP "(" fetch-att *(SP fetch-att) ")" ] */
			if (event_words[i].bit != IMAP_EVENT_MESSAGE_NEW ||
				!span_starts(span_skip(l->in, l->at), SPAN(" (")))
				return 0;
			g->has_items = true;
			return imap_lex_space(l) < 0 ? -1 : imap_lex_fetch_items(l, &g->items);
		}
	g->has_unknown_event = true; /* event-ext = atom: NO [BADEVENT] (RFC 5465 section 3.1) */
	return imap_lex_atom(l, "an event", &other);
}

/* RFC 5465 section 5: which events go together, and where they make sense */
static int check_events(struct imap_lex *l, const struct imap_notify_group *g)
{
	const unsigned pair = IMAP_EVENT_MESSAGE_NEW | IMAP_EVENT_MESSAGE_EXPUNGE;
	bool is_selected = g->source.kind == IMAP_SOURCE_SELECTED ||
		g->source.kind == IMAP_SOURCE_SELECTED_DELAYED;

	if ((g->events & pair) != 0 && (g->events & pair) != pair)
		return err_set(l->e, ERR_SYNTAX, "MessageNew and MessageExpunge go together");
	if ((g->events & (IMAP_EVENT_FLAG_CHANGE | IMAP_EVENT_ANNOTATION_CHANGE)) &&
		(g->events & pair) != pair)
		return err_set(l->e, ERR_SYNTAX,
			"FlagChange and AnnotationChange need MessageNew and MessageExpunge");
	if (is_selected &&
		(g->events & ~(pair | IMAP_EVENT_FLAG_CHANGE | IMAP_EVENT_ANNOTATION_CHANGE)))
		return err_set(l->e, ERR_SYNTAX,
			"The selected mailbox has message events only"); /* section 6.1 */
	if (g->has_items && !is_selected)
		return err_set(l->e, ERR_SYNTAX,
			"MessageNew fetches for the selected mailbox only"); /* section 5.2 */
	return 0;
}

/* event-group = "(" filter-mailboxes SP events ")"; events = ("(" event *(SP event) ")") / "NONE" */
static int group(struct imap_lex *l, struct imap_notify_group *g)
{
	if (imap_lex_open(l, "an event group") < 0 || source(l, FOR_NOTIFY, &g->source) < 0 ||
		imap_lex_space(l) < 0)
		return -1;
	if (!imap_lex_try_word(l, "NONE")) {
		if (imap_lex_open(l, "NONE or a list of events") < 0)
			return -1;
		do {
			if (event(l, g) < 0)
				return -1;
		} while (imap_lex_more(l));
		if (imap_lex_close(l) < 0 || check_events(l, g) < 0)
			return -1;
	}
	return imap_lex_close(l);
}

int imap_args_notify(struct imap_lex *l, struct imap_command *c)
{
	struct imap_notify *n = &c->notify;

	if (imap_lex_space(l) < 0)
		return -1;
	n->is_none = imap_lex_try_word(l, "NONE");
	if (n->is_none)
		return 0;
	if (!imap_lex_try_word(l, "SET"))
		return imap_lex_expected(l, "SET or NONE");
	if (imap_lex_space(l) < 0)
		return -1;
	n->has_status = imap_lex_try_word(l, "STATUS");
	if (n->has_status && imap_lex_space(l) < 0)
		return -1;
	do {
		if (n->count >= IMAP_NOTIFY_GROUPS_MAX)
			return imap_lex_too_many(l, "event groups", IMAP_NOTIFY_GROUPS_MAX);
		LEX_ROOM(l, n->groups, n->count);
		n->groups[n->count] = (struct imap_notify_group){0};
		if (group(l, &n->groups[n->count]) < 0)
			return -1;
		n->count++;
	} while (imap_lex_more(l));
	return 0;
}
