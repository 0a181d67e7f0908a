#include "services/inbound/inbound_priv.h"

/* Errors that our own services make for a peer carry the triple and a text fit for it. For all
 * others the code alone decides: the text is the log's. */
static const struct {
	enum err_code code;
	unsigned smtp, cls, subject, detail;
	const char *text;
} replies[] = {
	{ERR_FULL, 452, 4, 3, 1, "Insufficient system storage, try again later"},
	{ERR_BUSY, 451, 4, 3, 2, "Too busy, try again later"},
	{ERR_LIMIT, 451, 4, 3, 2, "Too busy, try again later"},
	{ERR_TIMEOUT, 451, 4, 3, 0, "It took too long, try again later"},
	{ERR_CANCELLED, 421, 4, 3, 2, "Shutting down, try again later"},
};

void smtp_reply_from_err(struct smtp_reply *r, const struct err *e)
{
	if (e->smtp) {
		smtp_reply_set(
			r, e->smtp, e->enh_class, e->enh_subject, e->enh_detail, "%s", e->text);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(replies); i++) {
		if (replies[i].code != e->code)
			continue;
		smtp_reply_set(r, replies[i].smtp, replies[i].cls, replies[i].subject,
			replies[i].detail, "%s", replies[i].text);
		return;
	}
	smtp_reply_set(r, 451, 4, 3, 0, "Local error, try again later");
}
