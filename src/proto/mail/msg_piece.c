/* Pieces of fields, for whoever writes the rest. */
#include "proto/mail/msg_build_priv.h"

static int put_piece(struct buf *b, const struct buf *made, size_t skip, struct err *e)
{
	struct span s = span_skip(buf_span(made), skip);

	if (span_starts(s, SPAN(" ")))
		s = span_skip(s, 1);
	if (buf_ok(made))
		buf_span_put(b, s);
	return buf_ok(made) && buf_ok(b) ? 0 : err_set(e, ERR_LIMIT, "a piece that does not fit");
}

int msg_put_text(
	struct buf *b, struct span text, size_t column, const struct msg_settings *s, struct err *e)
{
	struct msg_settings own = *s;
	struct msg_fold f;
	struct buf made;
	int rc;

	if (msg_check_value(text, e) < 0)
		return -1;
	msg_settle(&own);
	buf_init(&made, 16 * MSG_FIELD_MAX);
	msg_fold_init(&f, &made, &own, SPAN(""));
	f.column = column ? column - 1 : 0; /* the blank before the first word is not given out */
	msg_fold_text(&f, text);
	rc = put_piece(b, &made, 1, e);
	buf_fini(&made);
	return rc;
}

int msg_put_mailbox(struct buf *b, struct span display, struct span address,
	const struct msg_settings *s, struct err *e)
{
	struct msg_settings own = *s;
	struct msg *m = msg_new();
	struct msg_fold f;
	struct buf made;
	int rc = msg_add_mailbox(m, SPAN("To"), display, address, e);

	msg_settle(&own);
	buf_init(&made, 16 * MSG_FIELD_MAX);
	msg_fold_init(&f, &made, &own, SPAN(""));
	if (rc == 0)
		rc = msg_fold_mailboxes(&f, &m->fields->list, e);
	if (rc == 0)
		rc = put_piece(b, &made, 1, e);
	buf_fini(&made);
	msg_free(&m);
	return rc;
}

int msg_put_param(struct buf *b, struct span name, struct span value, size_t column, struct err *e)
{
	const struct msg_settings s = {.line_max = MSG_LINE_SHOULD};
	struct msg *m = msg_new();
	struct msg_fold f;
	struct buf made;
	int rc = msg_part_param(msg_part_multi(m, SPAN("mixed")), name, value, e);

	buf_init(&made, 16 * MSG_FIELD_MAX);
	if (rc == 0) {
		msg_fold_init(&f, &made, &s, SPAN(""));
		f.column = column;
		msg_fold_param(&f, name, value);
		rc = put_piece(b, &made, 2, e); /* ":;" */
	}
	buf_fini(&made);
	msg_free(&m);
	return rc;
}
