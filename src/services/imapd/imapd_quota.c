/* GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208). Room is counted by account: one's own quota root is "", that of a
 * team's mailboxes is the name they begin with ("Shared/team@our.example"). How much other users have is not
 * told. Limits are set by who runs the server (no QUOTASET). */
#include "services/imapd/imapd_names.h"

#include "store/account.h"

/* "* QUOTA root (STORAGE used limit MESSAGE used limit)CRLF" */
static FIBER int put_quota(
	struct imapd_conn *c, uint64_t account_id, struct span root, struct err *e)
{
	struct imap_out_mode mode = names_mode(c);
	struct buf *b = imap_out(c->s);
	struct account_room room;
	const char *before = "";

	if (account_room(imapd_store(c), account_id, &room, e) < 0)
		return -1;
	buf_str(b, "* QUOTA ");
	imap_put_astring(b, root, &mode);
	buf_str(b, " (");
	if (room.quota_octets && imap_has(c->s, IMAP_BIT(QUOTA_RES_STORAGE))) {
		/* in units of 1024 octets (RFC 9208 section 5) */
		buf_printf(b, "STORAGE %llu %llu", (unsigned long long)(room.octets + 1023) / 1024,
			(unsigned long long)room.quota_octets / 1024);
		before = " ";
	}
	if (room.quota_messages && imap_has(c->s, IMAP_BIT(QUOTA_RES_MESSAGE)))
		buf_printf(b, "%sMESSAGE %llu %llu", before, (unsigned long long)room.messages,
			(unsigned long long)room.quota_messages);
	buf_str(b, ")\r\n");
	return 0;
}

/* "Shared/team@our.example" of "Shared/team@our.example/Sent"; ptr NULL: none is told */
static struct span root_of(const struct mailbox_ref *ref)
{
	size_t levels = 0;

	if (ref->is_own)
		return SPAN("");
	if (!span_starts(ref->seen_name, SPAN(MAILBOX_SHARED "/")))
		return SPAN_NONE;
	for (size_t i = 0; i < ref->seen_name.len; i++)
		if (ref->seen_name.ptr[i] == IMAP_SEPARATOR && ++levels == 2)
			return span_sub(ref->seen_name, 0, i);
	return ref->seen_name;
}

FIBER int imapd_getquota(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e)
{
	struct mailbox_ref ref;

	if (cmd->quota.root.len == 0)
		return put_quota(c, c->account_id, SPAN(""), e);
	if (names_find(c, cmd->quota.root, MAILBOX_RIGHT_READ, &ref, e) < 0)
		return e->code == ERR_NOT_FOUND || e->code == ERR_DENIED
			? imap_result_no(r, "NONEXISTENT", "There is no such quota root")
			: -1;
	if (ref.is_own || !span_eq(root_of(&ref), cmd->quota.root))
		return imap_result_no(r, "NONEXISTENT", "There is no such quota root");
	return put_quota(c, ref.info.account_id, cmd->quota.root, e);
}

FIBER int imapd_getquotaroot(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e)
{
	struct imap_out_mode mode = names_mode(c);
	struct mailbox_ref ref;
	struct span root;

	/* RFC 4314 section 4: GETQUOTAROOT needs r */
	if (names_find(c, cmd->name, MAILBOX_RIGHT_READ, &ref, e) < 0)
		return names_refuse(r, e);
	buf_str(imap_out(c->s), "* QUOTAROOT ");
	imap_put_name(imap_out(c->s), ref.seen_name, &mode);
	root = root_of(&ref);
	if (!root.ptr) { /* a mailbox may have no root (RFC 9208 section 4.2) */
		buf_str(imap_out(c->s), "\r\n");
		return 0;
	}
	buf_char(imap_out(c->s), ' ');
	imap_put_astring(imap_out(c->s), root, &mode);
	buf_str(imap_out(c->s), "\r\n");
	return put_quota(c, ref.info.account_id, root, e);
}

/* RFC 9208 section 4.1.3: whoever has not the authority is told so; over IMAP that is everybody. */
FIBER int imapd_setquota(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e)
{
	return imap_result_no(r, "NOPERM", "Limits are set by who runs this server");
}
