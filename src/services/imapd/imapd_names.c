/* CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, STATUS, NAMESPACE, GETJMAPACCESS. */
#include "services/imapd/imapd_names.h"

#include "base/enc.h"
#include "base/must.h"

FIBER int names_find(struct imapd_conn *c, struct span name, unsigned rights,
	struct mailbox_ref *ref_r, struct err *e)
{
	/* What is no name takes the same way as a name that nobody has. */
	if (mailbox_resolve(imapd_store(c), c->s->cmd, c->account_id, name.ptr ? name : SPAN(""),
		    ref_r, e) < 0)
		return -1;
	if (!(ref_r->rights & MAILBOX_RIGHT_LOOKUP) && !ref_r->is_own)
		return err_set(e, ERR_NOT_FOUND, "there is no such mailbox");
	if ((ref_r->rights & rights) != rights)
		return err_set(e, ERR_DENIED, "a right is missing");
	return 0;
}

int names_refuse(struct imap_result *r, struct err *e)
{
	switch (e->code) {
	case ERR_NOT_FOUND: imap_result_no(r, "NONEXISTENT", "There is no such mailbox"); break;
	case ERR_EXISTS: imap_result_no(r, "ALREADYEXISTS", "There is such a mailbox"); break;
	case ERR_DENIED: imap_result_no(r, "NOPERM", "You have not the right to do that"); break;
	case ERR_SYNTAX: imap_result_no(r, "CANNOT", "A mailbox cannot have that name"); break;
	case ERR_LIMIT: imap_result_no(r, "LIMIT", "There are too many of them"); break;
	default: return -1;
	}
	err_clear(e);
	return 0;
}

/* ---- CREATE, DELETE, RENAME ---- */

/* What may be asked for in USE (RFC 6154 section 3): mailboxes that hold mail of their own. \All, \Flagged
 * and \Important would be views on other mailboxes. */
static bool is_use_made(unsigned use)
{
	const unsigned made = IMAP_USE_ARCHIVE | IMAP_USE_DRAFTS | IMAP_USE_JUNK | IMAP_USE_SENT |
		IMAP_USE_TRASH;

	return (use & ~made) == 0 && (use & (use - 1)) == 0;
}

FIBER int imapd_create(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e)
{
	const struct imap_create *cr = &cmd->create;
	struct span use = span_str(cr->use ? imap_special_use_str(cr->use) : ""), own;
	uint64_t owner, id;

	if (cr->use && !imap_has(c->s, IMAP_BIT(CREATE_SPECIAL_USE)))
		return imap_result_bad(r, NULL, "USE is not offered");
	if (!cr->name.ptr)
		return imap_result_no(r, "CANNOT", "A mailbox cannot have that name");
	if (mailbox_resolve_new(
		    imapd_store(c), c->s->cmd, c->account_id, cr->name, &owner, &own, e) < 0)
		return names_refuse(r, e);
	/* The uses of others' mailboxes are theirs to tell. */
	if (cr->has_unknown_use || !is_use_made(cr->use) || (cr->use && owner != c->account_id))
		return imap_result_no(r, "USEATTR", "A mailbox cannot be made for that use");
	if (mailbox_create(imapd_store(c), owner, own, use, &id, e) < 0) {
		if (e->code == ERR_EXISTS && cr->use)
			return imap_result_no(r, "USEATTR", "There is a mailbox for that use");
		return names_refuse(r, e);
	}
	if (imap_has(c->s, IMAP_BIT(OBJECTID))) { /* RFC 8474 section 4.1 */
		buf_str(&r->code, "MAILBOXID (");
		enc_put_object(&r->code, IMAPD_MAILBOX, id);
		buf_char(&r->code, ')');
	}
	return 0;
}

FIBER int imapd_delete(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e)
{
	struct mailbox_ref ref;

	/* RFC 9051 section 6.3.5: INBOX cannot go. Children stay where their parent goes: its name is
	 * listed as \NonExistent as long as there are any. */
	if (names_find(c, cmd->name, MAILBOX_RIGHT_DELETE, &ref, e) < 0)
		return names_refuse(r, e);
	if (imap_name_is_inbox(ref.info.name))
		return imap_result_no(r, "CANNOT", "INBOX cannot be deleted");
	if (mailbox_delete(imapd_store(c), ref.info.id, e) < 0)
		return names_refuse(r, e);
	return 0;
}

static bool is_below(struct span name, struct span parent)
{
	return name.len > parent.len && span_starts(name, parent) &&
		name.ptr[parent.len] == IMAP_SEPARATOR;
}

FIBER int imapd_rename(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e)
{
	struct mailbox_ref ref;
	struct span own;
	uint64_t owner;

	/* RFC 4314 section 4: x for the old name, k for the parent of the new one */
	if (names_find(c, cmd->name, MAILBOX_RIGHT_DELETE, &ref, e) < 0)
		return names_refuse(r, e);
	if (!cmd->name2.ptr)
		return imap_result_no(r, "CANNOT", "A mailbox cannot have that name");
	if (mailbox_resolve_new(
		    imapd_store(c), c->s->cmd, c->account_id, cmd->name2, &owner, &own, e) < 0)
		return names_refuse(r, e);
	if (owner != ref.info.account_id)
		return imap_result_no(r, "CANNOT", "A mailbox stays with its owner");
	if (is_below(own, ref.info.name) && !imap_name_is_inbox(ref.info.name))
		return imap_result_no(r, "CANNOT", "A mailbox cannot be moved into itself");
	if (mailbox_rename(imapd_store(c), ref.info.id, own, e) < 0)
		return names_refuse(r, e);
	return 0;
}

/* ---- subscriptions ---- */

/* Names are taken whether they are there or not (RFC 9051 section 6.3.7): the answer tells nothing about
 * others' mailboxes. */
FIBER int imapd_subscribe(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e)
{
	if (!cmd->name.ptr || !imap_name_is_creatable(cmd->name))
		return imap_result_no(r, "CANNOT", "A mailbox cannot have that name");
	if (mailbox_subscribe(imapd_store(c), c->account_id, cmd->name, true, e) < 0)
		return names_refuse(r, e);
	return 0;
}

FIBER int imapd_unsubscribe(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e)
{
	/* not subscribed to is what was asked for */
	if (!cmd->name.ptr)
		return 0;
	if (mailbox_subscribe(imapd_store(c), c->account_id, cmd->name, false, e) < 0 &&
		e->code != ERR_NOT_FOUND)
		return names_refuse(r, e);
	err_clear(e);
	return 0;
}

/* ---- STATUS ---- */

unsigned names_status_unserved(const struct imapd_conn *c, unsigned items)
{
	const bool is_rev2 = imap_has(c->s, IMAP_BIT(IMAP4REV2));
	unsigned served = IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT | IMAP_STATUS_UIDVALIDITY |
		IMAP_STATUS_UNSEEN | IMAP_STATUS_RECENT;

	if (is_rev2 || imap_has(c->s, IMAP_BIT(STATUS_SIZE)))
		served |= IMAP_STATUS_SIZE;
	if (is_rev2 || imap_has(c->s, IMAP_BIT(QUOTA_RES_MESSAGE)))
		served |= IMAP_STATUS_DELETED;
	if (imap_has(c->s, IMAP_BIT(QUOTA_RES_STORAGE)))
		served |= IMAP_STATUS_DELETED_STORAGE;
	if (imap_has(c->s, IMAP_BIT(CONDSTORE)))
		served |= IMAP_STATUS_HIGHESTMODSEQ;
	if (imap_has(c->s, IMAP_BIT(APPENDLIMIT)))
		served |= IMAP_STATUS_APPENDLIMIT;
	if (imap_has(c->s, IMAP_BIT(OBJECTID)))
		served |= IMAP_STATUS_MAILBOXID;
	return items & ~served;
}

static void put_item(
	struct imapd_conn *c, struct buf *b, const struct mailbox_info *i, unsigned bit)
{
	uint64_t limit = c->s->opts->limits.append_octets;

	switch (bit) {
	case IMAP_STATUS_MESSAGES: buf_u64(b, i->messages); break;
	case IMAP_STATUS_UIDNEXT: buf_u64(b, i->uidnext); break;
	case IMAP_STATUS_UIDVALIDITY: buf_u64(b, i->uidvalidity); break;
	case IMAP_STATUS_UNSEEN: buf_u64(b, i->unseen); break;
	case IMAP_STATUS_RECENT: buf_u64(b, 0); break; /* never given: RFC 9051 appendix E */
	case IMAP_STATUS_DELETED: buf_u64(b, i->deleted); break;
	case IMAP_STATUS_SIZE: buf_u64(b, i->octets); break;
	case IMAP_STATUS_HIGHESTMODSEQ: buf_u64(b, i->highest_modseq); break;
	case IMAP_STATUS_APPENDLIMIT: /* RFC 7889 section 3 */
		if (limit)
			buf_u64(b, limit);
		else
			buf_str(b, "NIL");
		break;
	case IMAP_STATUS_MAILBOXID:
		buf_char(b, '(');
		enc_put_object(b, IMAPD_MAILBOX, i->id);
		buf_char(b, ')');
		break;
	case IMAP_STATUS_DELETED_STORAGE: buf_u64(b, i->deleted_octets); break;
	}
}

void names_put_status(struct imapd_conn *c, const struct mailbox_ref *ref, unsigned items)
{
	struct buf *b = imap_out(c->s);
	struct imap_out_mode mode = names_mode(c);
	bool is_first = true;

	buf_str(b, "* STATUS ");
	imap_put_name(b, ref->seen_name, &mode);
	buf_str(b, " (");
	for (unsigned bit = 1; bit <= IMAP_STATUS_DELETED_STORAGE; bit <<= 1) {
		if (!(items & bit))
			continue;
		buf_printf(b, "%s%s ", is_first ? "" : " ", imap_status_item_str(bit));
		put_item(c, b, &ref->info, bit);
		is_first = false;
	}
	buf_str(b, ")\r\n");
}

FIBER int imapd_status(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e)
{
	const struct imap_status *st = &cmd->status;
	struct mailbox_ref ref;

	if (names_status_unserved(c, st->items))
		return imap_result_bad(r, NULL, "Not all of these items are offered");
	/* RFC 4314 section 4: STATUS needs r */
	if (names_find(c, st->name, MAILBOX_RIGHT_READ, &ref, e) < 0)
		return names_refuse(r, e);
	if (st->items & IMAP_STATUS_HIGHESTMODSEQ) /* RFC 7162 section 3.1 */
		imapd_condstore(c);
	names_put_status(c, &ref, st->items);
	return 0;
}

/* ---- NAMESPACE ---- */

FIBER int imapd_namespace(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e)
{
	/* RFC 9051 section 6.3.10: personal, other users', shared */
	imap_put(c->s,
		SPAN("* NAMESPACE ((\"\" \"/\")) ((\"" MAILBOX_OTHERS
		     "/\" \"/\")) ((\"" MAILBOX_SHARED "/\" \"/\"))\r\n"));
	return 0;
}

/* ---- JMAPACCESS ---- */

/* RFC 9698 section 3: the same mail, the same ids of objects, the same logins. */
FIBER int imapd_getjmapaccess(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e)
{
	if (!c->policy->jmap_url)
		return imap_result_bad(r, NULL, "Where JMAP is spoken is not known");
	imap_printf(c->s, "* JMAPACCESS \"%s\"\r\n", c->policy->jmap_url);
	return 0;
}
