#include "base/must.h"
#include "proto/mail/mail_header.h"
#include "proto/mail/mail_word.h"
#include "cli/move.h"

/* X-Gmail-Labels of Google's export ("Takeout"): one file has all messages, and each its labels. */

struct span move_labels_decode(struct arena *a, struct span labels)
{
	return mail_word_decode(a, mail_unfold(a, labels));
}

/* Labels that are places, those that come first win; and those that are something else. */
static const struct {
	const char *label, *folder, *use;
	unsigned flag;
} known[] = {{"Trash", "Trash", "\\Trash"}, {"Bin", "Trash", "\\Trash"}, {"Spam", "Junk", "\\Junk"},
	{"Drafts", "Drafts", "\\Drafts", MBOX_DRAFT}, {"Draft", "Drafts", "\\Drafts", MBOX_DRAFT},
	{"Sent", "Sent", "\\Sent"}, {"Sent Mail", "Sent", "\\Sent"}, {"Inbox", "INBOX", NULL},
	{"Starred", NULL, NULL, MBOX_FLAGGED}, {"Opened", NULL, NULL}, {"Archived", NULL, NULL},
	{"Important", NULL, NULL}, {"Unread", NULL, NULL}};

static bool is_place(const struct move_letter *l)
{
	return !l->use || !span_eq(span_str(l->use), SPAN("\\Archive"));
}

static void add_keyword(struct arena *a, struct move_letter *l, struct span label)
{
	struct buf *b = arena_buf(a, l->keywords.len + label.len + 8);

	buf_span_put(b, l->keywords);
	if (buf_len(b))
		buf_char(b, ' ');
	for (size_t i = 0; i < label.len; i++) {
		unsigned char c = (unsigned char)label.ptr[i];

		/* what a keyword cannot have (RFC 9051 section 9) */
		if (c <= ' ' || c >= 0x7f || span_find(SPAN("(){%*\"\\]"), (char)c) >= 0)
			c = '_';
		buf_char(b, (char)c);
	}
	l->keywords = buf_span(b);
}

void move_label_take(struct arena *a, struct span label, struct move_letter *l, bool *is_unread)
{
	if (!label.len || span_starts(label, SPAN("Category ")))
		return;
	*is_unread = *is_unread || span_eq_nocase(label, SPAN("Unread"));
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (!span_eq_nocase(label, span_str(known[i].label)))
			continue;
		l->flags |= known[i].flag;
		/* a place of Gmail's own wins over a label of the user's, but not over another place */
		if (known[i].folder && (!is_place(l) || !move_folder_use(l->folder))) {
			l->folder = span_str(known[i].folder);
			l->use = known[i].use;
		}
		return;
	}
	if (!is_place(l)) {
		l->folder = move_folder_clean(a, label);
		l->use = NULL;
	} else {
		add_keyword(a, l, label);
	}
}
