#include "proto/imap/imap_syntax_priv.h"

#include <string.h>

/* tag = 1*<any ASTRING-CHAR except "+"> (RFC 9051 section 9) */
static bool is_tag(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if (c <= ' ' || c >= 0x7f || strchr("(){%*\"\\+", c))
			return false;
	}
	return s.len > 0 && s.len <= IMAP_TAG_MAX;
}

static struct span take_word(struct span line, size_t *at)
{
	size_t from = *at;

	while (*at < line.len && line.ptr[*at] != ' ')
		(*at)++;
	return span_sub(line, from, *at - from);
}

static void skip_blanks(struct span line, size_t *at)
{
	while (*at < line.len && line.ptr[*at] == ' ')
		(*at)++;
}

int imap_head_parse(struct span line, struct imap_head *head_r, struct err *e)
{
	size_t at = 0, behind;
	struct span tag = take_word(line, &at), word;

	*head_r = (struct imap_head){.tag = SPAN(""), .verb = IMAP_VERB_UNKNOWN, .args_at = at};
	if (!is_tag(tag))
		return err_set(e, ERR_SYNTAX, "Expected a tag at the beginning of the line");
	head_r->tag = tag;
	skip_blanks(line, &at);
	word = take_word(line, &at);
	head_r->word = word;
	head_r->args_at = at;
	if (!imap_is_atom(word))
		return err_set(e, ERR_SYNTAX, "Expected a command behind the tag");
	head_r->verb = imap_verb_of(word);
	if (!span_eq_nocase(word, SPAN("UID")))
		return 0;
	behind = at;
	skip_blanks(line, &behind);
	word = take_word(line, &behind);
	head_r->is_uid = true;
	head_r->verb = imap_verb_of(word);
	if (head_r->verb == IMAP_VERB_UNKNOWN || !imap_verb_row(head_r->verb)->has_uid_form) {
		head_r->verb = IMAP_VERB_UNKNOWN;
		return 0;
	}
	head_r->word = word;
	head_r->args_at = behind;
	return 0;
}

static int args_nothing(struct imap_lex *l, struct imap_command *c)
{
	return 0;
}

static int args_name(struct imap_lex *l, struct imap_command *c)
{
	return imap_lex_space(l) < 0 ? -1 : imap_lex_name(l, &c->name);
}

static int args_rename(struct imap_lex *l, struct imap_command *c)
{
	if (args_name(l, c) < 0 || imap_lex_space(l) < 0)
		return -1;
	return imap_lex_name(l, &c->name2);
}

static int args_login(struct imap_lex *l, struct imap_command *c)
{
	if (imap_lex_space(l) < 0 || imap_lex_astring(l, "a user name", &c->user) < 0 ||
		imap_lex_space(l) < 0)
		return -1;
	return imap_lex_astring(l, "a password", &c->secret);
}

/* authenticate = "AUTHENTICATE" SP auth-type [SP initial-resp] (RFC 9051 section 9) */
static int args_authenticate(struct imap_lex *l, struct imap_command *c)
{
	if (imap_lex_space(l) < 0 || imap_lex_atom(l, "a mechanism", &c->word1) < 0)
		return -1;
	if (!imap_lex_more(l))
		return 0;
	c->secret = span_skip(l->in, l->at);
	c->secret.len = 0;
	while (!imap_lex_at_end(l) && imap_lex_peek(l) != ' ') {
		l->at++;
		c->secret.len++;
	}
	return c->secret.len <= IMAP_STRING_MAX
		? 0
		: imap_lex_too_many(l, "octets in a response", IMAP_STRING_MAX);
}

static int args_mechanism(struct imap_lex *l, struct imap_command *c)
{
	return imap_lex_space(l) < 0 ? -1 : imap_lex_atom(l, "a mechanism", &c->word1);
}

static int args_enable(struct imap_lex *l, struct imap_command *c)
{
	if (imap_lex_space(l) < 0)
		return -1;
	do {
		if (c->word_count >= IMAP_ENABLE_MAX)
			return imap_lex_too_many(l, "capabilities", IMAP_ENABLE_MAX);
		LEX_ROOM(l, c->words, c->word_count);
		if (imap_lex_atom(l, "a capability", &c->words[c->word_count]) < 0)
			return -1;
		c->word_count++;
	} while (imap_lex_more(l));
	return 0;
}

/* uid-expunge = "UID" SP "EXPUNGE" SP sequence-set (RFC 9051 section 6.4.9) */
static int args_expunge(struct imap_lex *l, struct imap_command *c)
{
	if (!c->is_uid)
		return 0;
	return imap_lex_space(l) < 0 ? -1 : imap_lex_set(l, true, &c->set);
}

static int args_copy(struct imap_lex *l, struct imap_command *c)
{
	if (imap_lex_space(l) < 0 || imap_lex_set(l, true, &c->set) < 0)
		return -1;
	return args_name(l, c);
}

typedef int args_fn(struct imap_lex *l, struct imap_command *c);

static args_fn *const args_of[IMAP_VERB_COUNT] = {
	[IMAP_CAPABILITY] = args_nothing,
	[IMAP_NOOP] = args_nothing,
	[IMAP_LOGOUT] = args_nothing,
	[IMAP_ID] = imap_args_id,
	[IMAP_STARTTLS] = args_nothing,
	[IMAP_AUTHENTICATE] = args_authenticate,
	[IMAP_LOGIN] = args_login,
	[IMAP_UNAUTHENTICATE] = args_nothing,
	[IMAP_ENABLE] = args_enable,
	[IMAP_COMPRESS] = args_mechanism,
	[IMAP_IDLE] = args_nothing,
	[IMAP_NOTIFY] = imap_args_notify,
	[IMAP_SELECT] = imap_args_select,
	[IMAP_EXAMINE] = imap_args_select,
	[IMAP_CREATE] = imap_args_create,
	[IMAP_DELETE] = args_name,
	[IMAP_RENAME] = args_rename,
	[IMAP_SUBSCRIBE] = args_name,
	[IMAP_UNSUBSCRIBE] = args_name,
	[IMAP_LIST] = imap_args_list,
	[IMAP_LSUB] = imap_args_lsub,
	[IMAP_NAMESPACE] = args_nothing,
	[IMAP_GETJMAPACCESS] = args_nothing,
	[IMAP_STATUS] = imap_args_status,
	[IMAP_SETACL] = imap_args_setacl,
	[IMAP_DELETEACL] = imap_args_acl_who,
	[IMAP_GETACL] = args_name,
	[IMAP_LISTRIGHTS] = imap_args_acl_who,
	[IMAP_MYRIGHTS] = args_name,
	[IMAP_GETQUOTA] = imap_args_getquota,
	[IMAP_GETQUOTAROOT] = args_name,
	[IMAP_SETQUOTA] = imap_args_setquota,
	[IMAP_GETMETADATA] = imap_args_getmetadata,
	[IMAP_SETMETADATA] = imap_args_setmetadata,
	[IMAP_ESEARCH] = imap_args_esearch,
	[IMAP_CLOSE] = args_nothing,
	[IMAP_UNSELECT] = args_nothing,
	[IMAP_CHECK] = args_nothing,
	[IMAP_EXPUNGE] = args_expunge,
	[IMAP_SEARCH] = imap_args_search,
	[IMAP_SORT] = imap_args_sort,
	[IMAP_THREAD] = imap_args_thread,
	[IMAP_FETCH] = imap_args_fetch,
	[IMAP_STORE] = imap_args_store,
	[IMAP_COPY] = args_copy,
	[IMAP_MOVE] = args_copy,
};

int imap_command_parse(struct arena *a, struct span command, const struct imap_dialect *d,
	struct imap_command *cmd_r, struct err *e)
{
	struct imap_head h;
	struct imap_lex l;
	int rc = imap_head_parse(command, &h, e);

	memset(cmd_r, 0, sizeof(*cmd_r));
	cmd_r->tag = h.tag;
	cmd_r->verb = h.verb;
	cmd_r->is_uid = h.is_uid;
	cmd_r->word = h.word;
	if (rc < 0)
		return -1;
	if (h.verb == IMAP_VERB_UNKNOWN)
		return err_set(e, ERR_SYNTAX, "Unknown command");
	if (!args_of[h.verb])
		return 0; /* imap_append_feed */
	imap_lex_init(&l, a, command, d, e);
	l.at = h.args_at;
	if (args_of[h.verb](&l, cmd_r) < 0)
		return -1;
	return imap_lex_end(&l);
}

void imap_refusal_put(struct buf *b, struct span tag, const struct err *e)
{
	buf_span_put(b, tag.len ? tag : SPAN("*"));
	switch (e->code) {
	case ERR_LIMIT: buf_str(b, " NO [LIMIT] "); break; /* RFC 9051 section 7.1 */
	case ERR_UNSUPPORTED: buf_str(b, " NO [BADCHARSET (UTF-8)] "); break;
	default: buf_str(b, " BAD "); break;
	}
	for (const char *p = e->text[0] ? e->text : "Syntax error"; *p; p++)
		buf_char(b, (unsigned char)*p < ' ' ? '?' : *p);
	buf_str(b, "\r\n");
}
