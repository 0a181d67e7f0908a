/* SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS (RFC 4314). */
#include "services/imapd/imapd_names.h"

#include "base/must.h"
#include "store/account.h"

/* The rights of RFC 2086, of which these are made now (RFC 4314 section 2.1.1): create conveys k and x,
 * delete t and e. */
#define RIGHTS_OLD_CREATE (MAILBOX_RIGHT_CREATE | MAILBOX_RIGHT_DELETE)
#define RIGHTS_OLD_DELETE (MAILBOX_RIGHT_DELETE_MSG | MAILBOX_RIGHT_EXPUNGE)

static const struct {
	unsigned bit;
	char letter;
} letters[] = {
#define X(id, letter) {MAILBOX_RIGHT_##id, letter},
	MAILBOX_RIGHTS(X)
#undef X
};

void names_put_rights(struct buf *b, unsigned rights)
{
	size_t before = buf_len(b);

	for (size_t i = 0; i < ARRAY_LEN(letters); i++) {
		/* the virtual ones stand before a, as the RFC's examples have them */
		if (letters[i].bit == MAILBOX_RIGHT_ADMIN) {
			if (rights & RIGHTS_OLD_CREATE)
				buf_char(b, 'c');
			if (rights & RIGHTS_OLD_DELETE)
				buf_char(b, 'd');
		}
		if (rights & letters[i].bit)
			buf_char(b, letters[i].letter);
	}
	if (buf_len(b) == before)
		buf_str(b, "\"\"");
}

bool names_rights_of(struct span text, unsigned *rights_r)
{
	*rights_r = 0;
	for (size_t i = 0; i < text.len; i++) {
		unsigned bits = text.ptr[i] == 'c' ? RIGHTS_OLD_CREATE
			: text.ptr[i] == 'd'       ? RIGHTS_OLD_DELETE
						   : 0;

		for (size_t k = 0; k < ARRAY_LEN(letters); k++)
			if (letters[k].letter == text.ptr[i])
				bits = letters[k].bit;
		if (!bits)
			return false;
		*rights_r |= bits;
	}
	return true;
}

static FIBER int owner_of(
	struct imapd_conn *c, const struct mailbox_ref *ref, struct span *address_r, struct err *e)
{
	struct account_sending who;

	if (account_sending(imapd_store(c), c->s->cmd, ref->info.account_id, &who, e) < 0)
		return err_wrap(e, "whose mailbox it is");
	*address_r = who.address;
	return 0;
}

static void put_acl_of(struct imapd_conn *c, struct span identifier, unsigned rights)
{
	struct imap_out_mode mode = names_mode(c);

	buf_char(imap_out(c->s), ' ');
	imap_put_astring(imap_out(c->s), identifier, &mode);
	buf_char(imap_out(c->s), ' ');
	names_put_rights(imap_out(c->s), rights);
}

FIBER int imapd_getacl(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e)
{
	struct imap_out_mode mode = names_mode(c);
	struct mailbox_ref ref;
	struct mailbox_acl *list; /* the owner is among them */
	size_t n;

	if (names_find(c, cmd->name, MAILBOX_RIGHT_ADMIN, &ref, e) < 0)
		return names_refuse(r, e);
	if (mailbox_acl_list(imapd_store(c), c->s->cmd, ref.info.id, &list, &n, e) < 0)
		return -1;
	buf_str(imap_out(c->s), "* ACL ");
	imap_put_name(imap_out(c->s), ref.seen_name, &mode);
	for (size_t i = 0; i < n; i++)
		put_acl_of(c, list[i].identifier, list[i].rights);
	buf_str(imap_out(c->s), "\r\n");
	return 0;
}

/* What the identifier has now, for "+" and "-". */
static FIBER int rights_now(struct imapd_conn *c, uint64_t mailbox_id, struct span identifier,
	unsigned *rights_r, struct err *e)
{
	struct mailbox_acl *list;
	size_t n;

	*rights_r = 0;
	if (mailbox_acl_list(imapd_store(c), c->s->cmd, mailbox_id, &list, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (span_eq_nocase(list[i].identifier, identifier))
			*rights_r = list[i].rights;
	return 0;
}

static FIBER int acl_set(struct imapd_conn *c, const struct mailbox_ref *ref,
	struct span identifier, unsigned rights, struct imap_result *r, struct err *e)
{
	struct span owner;

	if (owner_of(c, ref, &owner, e) < 0)
		return -1;
	/* RFC 4314 section 3.1: rights that are always given are not the client's to take */
	if (span_eq_nocase(owner, identifier))
		return rights == MAILBOX_RIGHT_ALL
			? 0
			: imap_result_no(r, "CANNOT", "The owner has all rights always");
	if (mailbox_acl_set(imapd_store(c), ref->info.id, identifier, rights, e) == 0)
		return 0;
	if (e->code == ERR_NOT_FOUND)
		return imap_result_no(r, "CANNOT", "Rights can be given to accounts here only");
	return names_refuse(r, e);
}

FIBER int imapd_setacl(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e)
{
	const struct imap_acl *acl = &cmd->acl;
	struct mailbox_ref ref;
	unsigned rights, now = 0;

	if (names_find(c, acl->name, MAILBOX_RIGHT_ADMIN, &ref, e) < 0)
		return names_refuse(r, e);
	/* RFC 4314 section 3.1: an unrecognized right is BAD */
	if (!names_rights_of(acl->rights, &rights))
		return imap_result_bad(r, NULL, "There is no such right");
	if (acl->how != IMAP_ACL_SET && rights_now(c, ref.info.id, acl->identifier, &now, e) < 0)
		return -1;
	if (acl->how == IMAP_ACL_ADD)
		rights |= now;
	else if (acl->how == IMAP_ACL_REMOVE)
		rights = now & ~rights;
	return acl_set(c, &ref, acl->identifier, rights, r, e);
}

FIBER int imapd_deleteacl(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e)
{
	struct mailbox_ref ref;

	if (names_find(c, cmd->acl.name, MAILBOX_RIGHT_ADMIN, &ref, e) < 0)
		return names_refuse(r, e);
	return acl_set(c, &ref, cmd->acl.identifier, 0, r, e);
}

FIBER int imapd_listrights(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e)
{
	struct imap_out_mode mode = names_mode(c);
	struct buf *b = imap_out(c->s);
	struct mailbox_ref ref;
	struct span owner;

	if (names_find(c, cmd->acl.name, MAILBOX_RIGHT_ADMIN, &ref, e) < 0)
		return names_refuse(r, e);
	if (owner_of(c, &ref, &owner, e) < 0)
		return -1;
	/* The answer is the same for whoever else is named, there or not. */
	buf_str(b, "* LISTRIGHTS ");
	imap_put_name(b, ref.seen_name, &mode);
	buf_char(b, ' ');
	imap_put_astring(b, cmd->acl.identifier, &mode);
	buf_char(b, ' ');
	if (span_eq_nocase(owner, cmd->acl.identifier))
		names_put_rights(b, MAILBOX_RIGHT_ALL);
	else
		buf_str(b, "\"\" l r s w i p k x t e c d a");
	buf_str(b, "\r\n");
	return 0;
}

void names_put_my_rights(struct imapd_conn *c, const struct mailbox_ref *ref)
{
	struct imap_out_mode mode = names_mode(c);

	buf_str(imap_out(c->s), "* MYRIGHTS ");
	imap_put_name(imap_out(c->s), ref->seen_name, &mode);
	buf_char(imap_out(c->s), ' ');
	names_put_rights(imap_out(c->s), ref->rights);
	buf_str(imap_out(c->s), "\r\n");
}

FIBER int imapd_myrights(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e)
{
	struct mailbox_ref ref;

	if (names_find(c, cmd->name, 0, &ref, e) < 0)
		return names_refuse(r, e);
	names_put_my_rights(c, &ref);
	return 0;
}
