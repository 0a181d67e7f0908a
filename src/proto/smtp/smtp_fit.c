/* May a transaction go to this peer, and in which form? Our own verdicts are told in the words of
 * RFC 3463. */

#include <stdlib.h>
#include <string.h>

#include "proto/smtp/smtp_client_priv.h"

/* The message needs what the peer lacks. */
static int lacking(struct smtp_txn *t, unsigned subject, unsigned detail, const char *what)
{
	struct smtp_reply r;

	smtp_reply_init(&r);
	smtp_reply_set(&r, 554, 5, subject, detail, "%s", what);
	smtp_decide_rest(t, false, SMTP_FATE_REFUSED, SMTP_STAGE_MAIL, &r);
	smtp_reply_fini(&r);
	for (size_t i = 0; i < t->rcpt_count; i++)
		t->rcpts[i].is_ours = true;
	return 0;
}

/* --- what may stand in a command ------------------------------------------------------------- */

/* Would the path end before its '>'? One within a quoted string does not count; a quoted string that
 * never ends does. */
static bool ends_early(struct span path)
{
	bool is_quoted = false;

	for (size_t i = 0; i < path.len; i++) {
		if (is_quoted && path.ptr[i] == '\\')
			i++;
		else if (path.ptr[i] == '"')
			is_quoted = !is_quoted;
		else if (path.ptr[i] == '>' && !is_quoted)
			return true;
	}
	return is_quoted;
}

static bool is_safe_path(struct span path)
{
	return !span_has_line_break(path) && !ends_early(path);
}

/* CR, LF and NUL are refused where foreign text enters a command, and what would become a parameter
 * of its own. */
static bool is_safe(const struct smtp_txn *t)
{
	bool is_ok = is_safe_path(t->reverse_path) && !span_has_line_break(t->extra) &&
		t->reverse_path.len <= SMTP_CLIENT_PATH_MAX &&
		t->extra.len <= SMTP_CLIENT_EXTRA_MAX;

	for (size_t i = 0; i < t->rcpt_count && is_ok; i++) {
		struct span a = t->rcpts[i].address, o = t->rcpts[i].orcpt;
		ptrdiff_t semicolon = span_find(o, ';');
		struct span type = span_sub(o, 0, semicolon > 0 ? (size_t)semicolon : 0);

		is_ok = is_safe_path(a) && a.len > 0 && a.len <= SMTP_CLIENT_PATH_MAX &&
			span_find(type, ' ') < 0 && !span_has_line_break(type) &&
			!span_has_line_break(t->rcpts[i].extra) &&
			t->rcpts[i].extra.len <= SMTP_CLIENT_EXTRA_MAX;
	}
	return is_ok;
}

/* --- 8 bits and UTF-8 ------------------------------------------------------------------------ */

static FIBER int is_content_7bit(struct smtp_txn *t, bool *is_7bit_r, struct err *e)
{
	struct span octets;

	*is_7bit_r = true;
	t->source->rewind(t->source);
	do {
		if (t->source->next(t->source, &octets, e) < 0)
			return err_scope_set(e, ERR_SCOPE_MSG, ERR_AGAIN_LATER);
		*is_7bit_r = *is_7bit_r && span_is_ascii(octets);
	} while (octets.len && *is_7bit_r);
	t->source->rewind(t->source);
	return 0;
}

struct need {
	bool is_ascii;       /* every address */
	bool is_convertible; /* those that are not have an ASCII form */
};

static void look_at(struct span address, struct need *n)
{
	struct buf b;

	if (span_is_ascii(address))
		return;
	n->is_ascii = false;
	buf_init(&b, SMTP_CLIENT_PATH_MAX);
	n->is_convertible = n->is_convertible && smtp_put_ascii_address(&b, address);
	buf_fini(&b);
}

static struct need look_at_envelope(const struct smtp_txn *t)
{
	struct need n = {true, true};

	look_at(t->reverse_path, &n);
	for (size_t i = 0; i < t->rcpt_count; i++)
		look_at(t->rcpts[i].address, &n);
	return n;
}

/* --- extensions that are asked for ----------------------------------------------------------- */

static bool wants_dsn(const struct smtp_txn *t)
{
	bool is_wanted = t->ret != SMTP_RET_NONE || t->envid.len;

	for (size_t i = 0; i < t->rcpt_count; i++)
		is_wanted = is_wanted || t->rcpts[i].notify || t->rcpts[i].orcpt.len;
	return is_wanted;
}

/* What is lacking for the extensions asked for; NULL: nothing. */
static const char *lacks(const struct smtp_client *c, const struct smtp_txn *t)
{
	/* RFC 8689 section 4.2.1 */
	if (t->is_requiretls && (!c->stream->tls || !smtp_client_has(c, SMTP_REQUIRETLS)))
		return "the next host does not offer REQUIRETLS under TLS";
	/* RFC 2852 section 4.1.4.1: mode R is not to go where it cannot be kept */
	if (t->by_mode == 'R' && !smtp_client_has(c, SMTP_DELIVERBY))
		return "the next host does not take a time limit for delivery (DELIVERBY)";
	if ((t->hold_for || t->hold_until) && !smtp_client_has(c, SMTP_FUTURERELEASE))
		return "the next host does not hold messages (FUTURERELEASE)";
	if (t->is_dsn_required && wants_dsn(t) && !smtp_client_has(c, SMTP_DSN))
		return "the next host does not take requests for reports (DSN)";
	return NULL;
}

/* The body's declaration, and whether 8-bit octets may go. */
static FIBER int plan_bits(struct smtp_client *c, struct smtp_txn *t, struct smtp_plan *plan,
	bool is_utf8, bool *is_7bit_r, struct err *e)
{
	bool has_8bit = smtp_client_has(c, SMTP_8BITMIME), can_look = t->source->rewind != NULL;
	bool is_8bit = t->is_body_auto || t->body == SMTP_BODY_8BITMIME;
	bool must_look = (is_utf8 && !smtp_client_has(c, SMTP_SMTPUTF8)) ||
		(is_8bit && !has_8bit && !t->is_8bit_anyway) || t->is_body_auto;

	*is_7bit_r = true;
	if (must_look && can_look && is_content_7bit(t, is_7bit_r, e) < 0)
		return -1;
	if (t->body == SMTP_BODY_BINARYMIME)
		plan->body = SMTP_BODY_BINARYMIME;
	else if (has_8bit && is_8bit && (!t->is_body_auto || !can_look || !*is_7bit_r))
		plan->body = SMTP_BODY_8BITMIME;
	plan->must_be_7bit = must_look && !can_look && plan->body == SMTP_BODY_7BIT;
	return 0;
}

static void plan_transport(struct smtp_client *c, const struct smtp_txn *t, struct smtp_plan *plan)
{
	plan->is_bdat = smtp_client_has(c, SMTP_CHUNKING);
	plan->is_together = plan->is_bdat && smtp_client_has(c, SMTP_PIPELINING) &&
		!t->is_size_unknown && t->size <= SMTP_CLIENT_SMALL && !t->is_all_or_nothing &&
		t->rcpt_count + 3 <= SMTP_WINDOW_COMMANDS;
}

FIBER int smtp_plan_make(struct smtp_client *c, struct smtp_txn *t, struct smtp_plan *plan,
	bool *fits_r, struct err *e)
{
	struct need need;
	const char *what;
	bool is_7bit, is_utf8;

	*fits_r = false;
	memset(plan, 0, sizeof(*plan));
	plan_transport(c, t, plan);
	if (!is_safe(t))
		return lacking(t, 1, 3, "an address has characters that cannot be sent");
	if (c->caps.size_max && t->size > c->caps.size_max && smtp_client_has(c, SMTP_SIZE))
		return lacking(t, 3, 4, "the message is larger than the next host takes");
	what = lacks(c, t);
	if (what)
		return lacking(t, 7, t->is_requiretls ? 30 : 0, what);
	/* RFC 3030 section 3: BINARYMIME travels with BDAT only, and is never converted here. */
	if (t->body == SMTP_BODY_BINARYMIME &&
		(!smtp_client_has(c, SMTP_BINARYMIME) || !smtp_client_has(c, SMTP_CHUNKING)))
		return lacking(t, 6, 3, "the next host does not take binary messages (BINARYMIME)");
	if (t->no_declare) { /* the caller has said all himself */
		plan->body = t->body == SMTP_BODY_BINARYMIME ? t->body : SMTP_BODY_7BIT;
		plan->is_smtputf8 = *fits_r = true;
		return 0;
	}
	/* An alias here may have led from an ASCII address to one that is not. */
	need = look_at_envelope(t);
	is_utf8 = t->is_smtputf8 || !need.is_ascii;
	if (plan_bits(c, t, plan, is_utf8, &is_7bit, e) < 0)
		return -1;
	plan->is_smtputf8 = is_utf8 && smtp_client_has(c, SMTP_SMTPUTF8);
	/* RFC 6531 section 3.2: without SMTPUTF8 such a message is not sent; one that merely was
	 * allowed to have UTF-8, and has none but in domains, may go. */
	if (is_utf8 && !plan->is_smtputf8 && (!need.is_convertible || (t->is_smtputf8 && !is_7bit)))
		return lacking(t, 6, 7,
			"the next host does not take internationalised addresses or headers (SMTPUTF8)");
	/* RFC 6152 section 3: convert or return; what may be signed is not converted. */
	if (!is_7bit && plan->body == SMTP_BODY_7BIT && !t->is_8bit_anyway)
		return lacking(t, 6, 3, "the next host does not take 8-bit messages (8BITMIME)");
	*fits_r = true;
	return 0;
}
