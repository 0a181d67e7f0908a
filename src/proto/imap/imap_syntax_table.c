#include "proto/imap/imap_syntax.h"

#include "proto/imap/imap_syntax_priv.h"

static const struct imap_verb_row rows[IMAP_VERB_COUNT] = {
#define X(id, name, phases, uid, capability)                                                       \
	[IMAP_##id] = {name, phases, (uid) == IMAP_UID_TOO, capability},
	IMAP_VERBS(X)
#undef X
};

const struct imap_verb_row *imap_verb_row(enum imap_verb v)
{
	return (unsigned)v < IMAP_VERB_COUNT ? &rows[v] : NULL;
}

const char *imap_verb_str(enum imap_verb v)
{
	return (unsigned)v < IMAP_VERB_COUNT ? rows[v].name : "?";
}

enum imap_verb imap_verb_of(struct span word)
{
	for (unsigned v = 0; v < IMAP_VERB_COUNT; v++)
		if (span_eq_nocase(word, span_str(rows[v].name)))
			return (enum imap_verb)v;
	return IMAP_VERB_UNKNOWN;
}
