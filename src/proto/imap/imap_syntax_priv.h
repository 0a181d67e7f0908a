#pragma once
/* Shared between the files of IMAP's grammar; nobody else includes it. */

#include "proto/imap/imap_syntax.h"

enum imap_verb imap_verb_of(struct span word);

/* The cursor over one command. Its functions return 0 / -1 with `e` filled, or (lex_try_…) whether
 * something was there and taken. */
struct imap_lex {
	struct arena *a;
	struct span in;
	size_t at;
	const struct imap_dialect *d;
	unsigned depth; /* of what is being parsed: parentheses, NOT, OR, FUZZY */
	bool is_cut;    /* a literal's header is the last thing there is: its octets are not here */
	struct err *e;
};

void imap_lex_init(struct imap_lex *l, struct arena *a, struct span in,
	const struct imap_dialect *d, struct err *e);
/** "Expected <what> at octet n"; returns -1. */
int imap_lex_expected(struct imap_lex *l, const char *what) __attribute__((cold));
/** ERR_LIMIT "Too many <what> (at most n)"; returns -1. */
int imap_lex_too_many(struct imap_lex *l, const char *what, uint64_t max) __attribute__((cold));
bool imap_lex_at_end(const struct imap_lex *l);
/** The next octet, or -1 at the end. */
int imap_lex_peek(const struct imap_lex *l);
bool imap_lex_try(struct imap_lex *l, char c);
int imap_lex_char(struct imap_lex *l, char c, const char *what);
/** The blank between two arguments (more than one is taken too). */
int imap_lex_space(struct imap_lex *l);
/** Is there another argument: blanks, and something behind them that is not ")"? Takes the blanks. */
bool imap_lex_more(struct imap_lex *l);
/** Nothing but blanks may follow. */
int imap_lex_end(struct imap_lex *l);
/** One deeper, and "("; imap_lex_close is the way back. */
int imap_lex_open(struct imap_lex *l, const char *what);
int imap_lex_close(struct imap_lex *l);
int imap_lex_deeper(struct imap_lex *l);

/** The array with room for one more than `count`; it doubles, so that what a peer sends pays for it. */
void *imap_lex_room(struct imap_lex *l, void *items, size_t count, size_t size);
#define LEX_ROOM(l, items, count) ((items) = imap_lex_room((l), (items), (count), sizeof(*(items))))

/** 1*ATOM-CHAR, at most IMAP_WORD_MAX. */
int imap_lex_atom(struct imap_lex *l, const char *what, struct span *s_r);
/** Letters, digits, '.', '-', '_', '=' and '\': a word of the grammar, without looking at its meaning. */
struct span imap_lex_word_ahead(const struct imap_lex *l);
/** Take that word when it is `word` (in any case). */
bool imap_lex_try_word(struct imap_lex *l, const char *word);
int imap_lex_string(struct imap_lex *l, const char *what, struct span *s_r);
/** string, or "NIL" (ptr NULL); with literal8 where is_binary. */
int imap_lex_nstring(struct imap_lex *l, const char *what, bool is_binary, struct span *s_r);
int imap_lex_astring(struct imap_lex *l, const char *what, struct span *s_r);
/** list-mailbox: an astring where wildcards may stand bare. */
int imap_lex_list_mailbox(struct imap_lex *l, struct span *s_r);
/** mailbox: an astring, decoded; ptr NULL when it is no name. */
int imap_lex_name(struct imap_lex *l, struct span *name_r);
int imap_lex_number(
	struct imap_lex *l, const char *what, uint64_t min, uint64_t max, uint64_t *n_r);
int imap_lex_set(struct imap_lex *l, bool is_saved_allowed, struct imap_set *set_r);
int imap_lex_partial(struct imap_lex *l, struct imap_partial *p_r);
/** "{n}" at the cursor, not its CRLF; false: none is there. */
bool imap_lex_try_literal_head(struct imap_lex *l, struct imap_literal *lit_r);

#define IMAP_MODSEQ_MAX INT64_MAX /* RFC 7162 section 7: 63 bits */

/* flag = "\Answered" … / flag-keyword */
int imap_lex_flag_list(struct imap_lex *l, struct imap_flags *flags_r);
int imap_lex_flags_bare(struct imap_lex *l, struct imap_flags *flags_r);

int imap_lex_status_items(struct imap_lex *l, unsigned *items_r);
int imap_lex_fetch_items(struct imap_lex *l, struct imap_fetch_items *items_r);
/** ESEARCH: [SP "IN" SP "(" … ")"] */
int imap_lex_sources(struct imap_lex *l, struct imap_source **sources_r, size_t *count_r);
int imap_lex_entry(struct imap_lex *l, bool is_get, struct span *name_r);
int imap_lex_entries(
	struct imap_lex *l, struct span *first_r, struct span **names_r, size_t *count_r);

/* arguments of commands: the cursor stands behind the verb */
int imap_args_fetch(struct imap_lex *l, struct imap_command *c);
int imap_args_store(struct imap_lex *l, struct imap_command *c);
int imap_args_search(struct imap_lex *l, struct imap_command *c);
int imap_args_sort(struct imap_lex *l, struct imap_command *c);
int imap_args_thread(struct imap_lex *l, struct imap_command *c);
int imap_args_esearch(struct imap_lex *l, struct imap_command *c);
int imap_args_select(struct imap_lex *l, struct imap_command *c);
int imap_args_create(struct imap_lex *l, struct imap_command *c);
int imap_args_list(struct imap_lex *l, struct imap_command *c);
int imap_args_lsub(struct imap_lex *l, struct imap_command *c);
int imap_args_status(struct imap_lex *l, struct imap_command *c);
int imap_args_setacl(struct imap_lex *l, struct imap_command *c);
int imap_args_acl_who(struct imap_lex *l, struct imap_command *c);
int imap_args_getquota(struct imap_lex *l, struct imap_command *c);
int imap_args_setquota(struct imap_lex *l, struct imap_command *c);
int imap_args_getmetadata(struct imap_lex *l, struct imap_command *c);
int imap_args_setmetadata(struct imap_lex *l, struct imap_command *c);
int imap_args_notify(struct imap_lex *l, struct imap_command *c);
int imap_args_id(struct imap_lex *l, struct imap_command *c);
