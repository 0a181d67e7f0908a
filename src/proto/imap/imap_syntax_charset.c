#include "proto/imap/imap_syntax_priv.h"

#include "proto/mail/mime_charset.h"

static void keys_to_utf8(struct arena *a, struct span charset, struct imap_key *k)
{
	for (; k; k = k->next) {
		uint64_t defects = 0;

		if (k->op == IMAP_OP_HEADER || k->op == IMAP_OP_BODY || k->op == IMAP_OP_TEXT)
			k->text = mime_charset_text(a, charset, k->text, &defects);
		keys_to_utf8(a, charset, k->child);
	}
}

int imap_search_to_utf8(struct arena *a, struct imap_search *s, struct err *e)
{
	if (!s->is_foreign)
		return 0;
	if (mime_charset_canonical(a, s->charset).len == 0)
		return err_set(e, ERR_UNSUPPORTED, "The charset is not known here");
	keys_to_utf8(a, s->charset, s->root);
	s->is_foreign = false;
	return 0;
}
