#include "proto/smtp/smtp_syntax.h"

#include <string.h>

#include "base/must.h"
#include "base/utf8.h"
#include "proto/smtp/smtp_syntax_priv.h"

static const char *const verb_names[SMTP_VERB_COUNT + 1] = {
#define X(id, text) [SMTP_##id] = text,
	SMTP_VERBS(X)
#undef X
		[SMTP_VERB_UNKNOWN] = "?",
};

const char *smtp_verb_str(enum smtp_verb v)
{
	return verb_names[(unsigned)v <= SMTP_VERB_COUNT ? v : SMTP_VERB_UNKNOWN];
}

static enum smtp_verb verb_of(struct span word)
{
	for (unsigned v = 0; v < SMTP_VERB_COUNT; v++)
		if (span_eq_nocase(word, span_str(verb_names[v]))) /* RFC 5321 section 2.4 */
			return (enum smtp_verb)v;
	return SMTP_VERB_UNKNOWN;
}

static int usage(const char *text, struct err *e)
{
	err_set(e, ERR_SYNTAX, "Syntax: %s", text);
	return err_smtp(e, 501, 5, 5, 4);
}

/* A-d-l = At-domain *( "," At-domain ), then ":"; its length with the colon, 0 when malformed.
 * RFC 5321 appendix C: source routes are accepted and ignored. */
static size_t take_source_route(struct span s, bool is_utf8)
{
	size_t i = 0, n;

	for (;;) {
		if (i >= s.len || s.ptr[i] != '@')
			return 0;
		n = smtp_domain_take(span_skip(s, i + 1), is_utf8);
		if (n == 0)
			return 0;
		i += 1 + n;
		if (i >= s.len)
			return 0;
		if (s.ptr[i] == ':')
			return i + 1;
		if (s.ptr[i++] != ',')
			return 0;
	}
}

/* Where a path that begins at the front ends: behind its '>' (quoted strings skipped). */
static size_t path_length(struct span s)
{
	bool is_quoted = false;

	for (size_t i = 0; i < s.len; i++) {
		if (is_quoted && s.ptr[i] == '\\')
			i++;
		else if (s.ptr[i] == '"')
			is_quoted = !is_quoted;
		else if (s.ptr[i] == '>' && !is_quoted)
			return i + 1;
	}
	return 0;
}

struct path_rule {
	struct span prefix; /* "FROM:" */
	const char *usage;
	bool is_sender;
};

/* Split the arguments into what stands in the angle brackets and the parameters behind them. */
static int split_path(struct span args, const struct path_rule *rule, struct span *path_r,
	struct span *params_r, struct err *e)
{
	size_t n;

	if (!span_starts_nocase(args, rule->prefix))
		return usage(rule->usage, e);
	args = span_skip(args, rule->prefix.len);
	/* RFC 5321 section 3.3 allows no blank here; many a client sends one all the same. */
	while (args.len && args.ptr[0] == ' ')
		args = span_skip(args, 1);
	if (args.len == 0 || args.ptr[0] != '<')
		return usage(rule->usage, e);
	n = path_length(args);
	if (n == 0 || (n < args.len && args.ptr[n] != ' '))
		return usage(rule->usage, e);
	*path_r = span_sub(args, 1, n - 2);
	*params_r = span_skip(args, n);
	return 0;
}

static int parse_path(struct span path, const struct path_rule *rule, bool is_utf8,
	struct smtp_address *a_r, struct err *e)
{
	struct span mailbox = path;
	size_t n;

	if (path.len && path.ptr[0] == '@') {
		n = take_source_route(path, is_utf8);
		if (n == 0)
			return smtp_address_trouble(path, is_utf8, rule->is_sender, e);
		mailbox = span_skip(path, n);
	}
	n = smtp_mailbox_take(mailbox, is_utf8, a_r);
	if (n == 0 || n != mailbox.len || path.len > SMTP_PATH_MAX - 2)
		return smtp_address_trouble(path, is_utf8, rule->is_sender, e);
	return 0;
}

/* "MAIL FROM:" Reverse-path [SP Mail-parameters] (RFC 5321 section 4.1.1.2) */
static int parse_mail(
	struct arena *a, unsigned features, bool is_utf8, struct smtp_command *c, struct err *e)
{
	static const struct path_rule rule = {{"FROM:", 5}, "MAIL FROM:<address>", true};
	struct span path, params;

	if (split_path(c->args, &rule, &path, &params, e) < 0 ||
		smtp_mail_params(a, params, features, &c->mail, e) < 0)
		return -1;
	if (path.len == 0) { /* the null reverse-path */
		c->mail.from.whole = c->mail.from.local = c->mail.from.domain = path;
		return 0;
	}
	if (parse_path(path, &rule, c->mail.is_smtputf8, &c->mail.from, e) < 0)
		return -1;
	/* Only RCPT has a path without a domain (RFC 5321 section 4.1.1.3). */
	if (c->mail.from.domain.len == 0)
		return smtp_address_trouble(path, true, true, e);
	return 0;
}

/* "RCPT TO:" ( "<Postmaster@" Domain ">" / "<Postmaster>" / Forward-path ) [SP Rcpt-parameters]
 * (RFC 5321 section 4.1.1.3) */
static int parse_rcpt(
	struct arena *a, unsigned features, bool is_utf8, struct smtp_command *c, struct err *e)
{
	static const struct path_rule rule = {{"TO:", 3}, "RCPT TO:<address>", false};
	struct span path, params;

	if (split_path(c->args, &rule, &path, &params, e) < 0 ||
		parse_path(path, &rule, is_utf8, &c->rcpt.to, e) < 0)
		return -1;
	return smtp_rcpt_params(a, params, features, is_utf8, &c->rcpt, e);
}

/* Domain or address-literal (RFC 5321 section 4.1.1.1). Names that DNS would not have, with an
 * underscore for example, are taken as they are: refusing a greeting refuses a lot of good mail,
 * and 4.1.4 forbids to refuse mail because of it. What could break a Received field is refused. */
static int parse_helo(
	struct arena *a, unsigned features, bool is_utf8, struct smtp_command *c, struct err *e)
{
	struct span rest = c->args, name = span_word(&rest);
	bool is_literal = name.len && name.ptr[0] == '[';

	if (name.len == 0 || span_trim(rest).len || name.len > SMTP_DOMAIN_MAX ||
		!utf8_is_valid(name) || (is_literal && !smtp_domain_is_valid(name, false)))
		return usage(c->verb == SMTP_HELO      ? "HELO hostname"
				: c->verb == SMTP_EHLO ? "EHLO hostname"
						       : "LHLO hostname",
			e);
	for (size_t i = 0; i < name.len && !is_literal; i++) {
		unsigned char ch = (unsigned char)name.ptr[i];

		if (ch <= ' ' || ch == 0x7f || strchr("()<>[],;\\\"@", ch))
			return usage("a host name or an address literal", e);
	}
	c->domain = name;
	return 0;
}

/* bdat-cmd = "BDAT" SP chunk-size [SP end-marker] (RFC 3030 section 2) */
static int parse_bdat(
	struct arena *a, unsigned features, bool is_utf8, struct smtp_command *c, struct err *e)
{
	struct span rest = c->args, size = span_word(&rest), mark = span_word(&rest);

	if (!span_u64(size, &c->chunk_size) || rest.len ||
		(mark.len && !span_eq_nocase(mark, SPAN("LAST"))))
		return usage("BDAT size [LAST]", e);
	c->is_last_chunk = mark.len > 0;
	return 0;
}

static int parse_nothing(
	struct arena *a, unsigned features, bool is_utf8, struct smtp_command *c, struct err *e)
{
	if (c->args.len == 0)
		return 0;
	err_set(e, ERR_SYNTAX, "%s takes no arguments", smtp_verb_str(c->verb));
	return err_smtp(e, 501, 5, 5, 4);
}

static int parse_something(
	struct arena *a, unsigned features, bool is_utf8, struct smtp_command *c, struct err *e)
{
	if (c->args.len)
		return 0;
	err_set(e, ERR_SYNTAX, "%s needs an argument", smtp_verb_str(c->verb));
	return err_smtp(e, 501, 5, 5, 4);
}

typedef int parse_fn(
	struct arena *a, unsigned features, bool is_utf8, struct smtp_command *c, struct err *e);

/* NOOP and HELP take any string (RFC 5321 sections 4.1.1.8 and 4.1.1.9); verbs that nobody serves
 * are not looked into. */
static parse_fn *const parsers[SMTP_VERB_COUNT + 1] = {
	[SMTP_HELO] = parse_helo,
	[SMTP_EHLO] = parse_helo,
	[SMTP_LHLO] = parse_helo,
	[SMTP_MAIL] = parse_mail,
	[SMTP_RCPT] = parse_rcpt,
	[SMTP_DATA] = parse_nothing,
	[SMTP_BDAT] = parse_bdat,
	[SMTP_RSET] = parse_nothing,
	[SMTP_QUIT] = parse_nothing,
	[SMTP_VRFY] = parse_something,
	[SMTP_EXPN] = parse_something,
	[SMTP_STARTTLS] = parse_nothing,
};

int smtp_command_parse(struct arena *a, struct span line, unsigned features, bool is_utf8_allowed,
	struct smtp_command *cmd_r, struct err *e)
{
	struct span word, args;

	memset(cmd_r, 0, sizeof(*cmd_r));
	/* RFC 5321 section 4.1.1: trailing white space before the line end is tolerated */
	while (line.len && (line.ptr[line.len - 1] == ' ' || line.ptr[line.len - 1] == '\t'))
		line.len--;
	span_cut(line, ' ', &word, &args);
	while (args.len && args.ptr[0] == ' ')
		args = span_skip(args, 1);
	cmd_r->verb = verb_of(word);
	cmd_r->word = word;
	cmd_r->args = args;
	for (size_t i = 0; i < line.len; i++) {
		unsigned char c = (unsigned char)line.ptr[i];

		if ((c < ' ' && c != '\t') || c == 0x7f) {
			err_set(e, ERR_SYNTAX, "Control characters in a command");
			return err_smtp(e, 500, 5, 5, 2);
		}
	}
	if (!parsers[cmd_r->verb])
		return 0;
	return parsers[cmd_r->verb](a, features, is_utf8_allowed, cmd_r, e);
}

static void address_copy(
	struct arena *a, const struct smtp_address *from, struct smtp_address *to_r)
{
	to_r->whole = arena_span(a, from->whole);
	to_r->local = span_sub(to_r->whole, 0, from->local.len);
	to_r->domain = span_skip(to_r->whole, to_r->whole.len - from->domain.len);
	to_r->is_utf8 = from->is_utf8;
}

void smtp_mail_copy(struct arena *a, const struct smtp_mail *from, struct smtp_mail *to_r)
{
	*to_r = *from;
	address_copy(a, &from->from, &to_r->from);
	to_r->envid = arena_span(a, from->envid);
}

void smtp_rcpt_copy(struct arena *a, const struct smtp_rcpt *from, struct smtp_rcpt *to_r)
{
	*to_r = *from;
	address_copy(a, &from->to, &to_r->to);
	to_r->orcpt = arena_span(a, from->orcpt);
}
