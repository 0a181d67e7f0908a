/* STORE, EXPUNGE, COPY and MOVE, and their UID forms (RFC 9051 section 6.4; RFC 7162, 4314, 4315, 6851). */

#include "proto/imap/imap_out.h"
#include "proto/imap/imap_set_syntax.h"
#include "services/imapd/imapd_fetch.h"
#include "services/imapd/imapd_names.h"

/* ---- what they share ---- */

/* A client that opened the mailbox with EXAMINE changes nothing in it. */
static bool may_change(struct imapd_conn *c, unsigned rights, struct imap_result *r)
{
	if (c->view->is_read_only)
		imap_result_no(r, NULL, "The mailbox was opened for reading only");
	else if ((c->view->rights & rights) != rights)
		imap_result_no(r, "NOPERM", "You may not do that in this mailbox");
	else
		return true;
	return false;
}

static uint64_t count_of(const struct uid_range *ranges, size_t count)
{
	uint64_t n = 0;

	for (size_t i = 0; i < count; i++)
		n += (uint64_t)ranges[i].last - ranges[i].first + 1;
	return n;
}

/* RFC 7162 section 3.2.7: who knows MODSEQs is told the one of his expunge. */
static void note_modseq(struct imapd_conn *c, uint64_t modseq, struct imap_result *r)
{
	if (modseq && imap_is_enabled(c->s, IMAP_BIT(CONDSTORE)))
		imap_result_code(r, "HIGHESTMODSEQ %llu", (unsigned long long)modseq);
}

/* ---- STORE ---- */

static unsigned flags_of(unsigned system)
{
	static const struct {
		unsigned said, kept;
	} flags[] = {{IMAP_FLAG_SEEN, MAILBOX_SEEN}, {IMAP_FLAG_ANSWERED, MAILBOX_ANSWERED},
		{IMAP_FLAG_FLAGGED, MAILBOX_FLAGGED}, {IMAP_FLAG_DELETED, MAILBOX_DELETED},
		{IMAP_FLAG_DRAFT, MAILBOX_DRAFT}};
	unsigned kept = 0;

	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (system & flags[i].said)
			kept |= flags[i].kept;
	return kept;
}

/* RFC 4314 section 4: right s for \Seen, t for \Deleted, w for all others and keywords. */
static unsigned flags_allowed(unsigned rights)
{
	return (rights & MAILBOX_RIGHT_SEEN ? MAILBOX_SEEN : 0) |
		(rights & MAILBOX_RIGHT_DELETE_MSG ? MAILBOX_DELETED : 0) |
		(rights & MAILBOX_RIGHT_WRITE ? MAILBOX_ANSWERED | MAILBOX_FLAGGED | MAILBOX_DRAFT
					      : 0);
}

/* A STORE does not fail while one of its flags may be changed: clients take NO badly. */
static bool may_store(struct imapd_conn *c, const struct imap_store *st, struct imap_result *r)
{
	unsigned allowed = flags_allowed(c->view->rights), named = flags_of(st->flags.system);

	if (!may_change(c, 0, r))
		return false;
	if (st->flags.system & IMAP_FLAG_RECENT) {
		imap_result_bad(r, NULL, "\\Recent cannot be changed");
		return false;
	}
	if (st->flags.count)
		named |= MAILBOX_FLAGGED; /* right w */
	if (st->how == IMAP_STORE_SET ? allowed : (allowed & named) || !named)
		return true;
	imap_result_no(r, "NOPERM", "You may not change these flags");
	return false;
}

static void put_changed(struct imapd_conn *c, const struct imap_command *cmd,
	const struct mailbox_change *x, uint32_t seq)
{
	bool is_uidonly = imap_is_enabled(c->s, IMAP_BIT(UIDONLY));
	bool has_modseq = imap_is_enabled(c->s, IMAP_BIT(CONDSTORE));
	struct buf *b = imap_out(c->s);
	const char *gap = "";

	buf_printf(b, "* %u %s (", is_uidonly ? x->uid : seq, is_uidonly ? "UIDFETCH" : "FETCH");
	if (!is_uidonly && (cmd->is_uid || imap_is_enabled(c->s, IMAP_BIT(QRESYNC)))) {
		buf_printf(b, "UID %u", x->uid);
		gap = " ";
	}
	if (has_modseq) {
		buf_printf(b, "%sMODSEQ (%llu)", gap, (unsigned long long)x->modseq);
		gap = " ";
	}
	if (!cmd->store.is_silent) {
		buf_printf(b, "%sFLAGS ", gap);
		imapd_put_flags(b, x->flags, x->keywords);
	}
	buf_str(b, ")\r\n");
}

/* With .SILENT only MODSEQs are told, to who knows them (RFC 7162 section 3.1.3). */
static FIBER int tell_changed(struct imapd_conn *c, const struct imap_command *cmd,
	const struct mailbox_store *op, struct err *e)
{
	bool is_told = !cmd->store.is_silent || imap_is_enabled(c->s, IMAP_BIT(CONDSTORE));

	for (size_t i = 0; is_told && i < op->changed_count; i++) {
		const struct mailbox_change *x = &op->changed[i];
		uint32_t seq = uidset_seq(c->view->uids, x->uid);

		if (!seq)
			continue; /* it came meanwhile, and is told as new */
		put_changed(c, cmd, x, seq);
		if (imap_relieve(c->s, e) < 0)
			return -1;
	}
	imapd_own_changes(c, op->changed, op->changed_count);
	return 0;
}

static void put_modified(struct imapd_conn *c, const struct imap_command *cmd,
	const struct mailbox_store *op, struct imap_result *r)
{
	struct imap_set_writer w;

	buf_clear(&r->code);
	buf_str(&r->code, "MODIFIED ");
	imap_set_writer_init(&w, &r->code);
	for (size_t i = 0; i < op->modified_count; i++) {
		struct uid_range x = op->modified[i];

		if (cmd->is_uid) {
			imap_set_writer_add_range(&w, x.first, x.last);
			continue;
		}
		for (uint32_t uid = x.first; uid <= x.last && uid; uid++)
			if (uidset_seq(c->view->uids, uid))
				imap_set_writer_add(&w, uidset_seq(c->view->uids, uid));
	}
	imap_set_writer_end(&w);
}

FIBER int imapd_store_flags(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e)
{
	static const enum mailbox_flag_how hows[] = {[IMAP_STORE_SET] = MAILBOX_FLAGS_REPLACE,
		[IMAP_STORE_ADD] = MAILBOX_FLAGS_ADD,
		[IMAP_STORE_REMOVE] = MAILBOX_FLAGS_REMOVE};
	const struct imap_store *st = &cmd->store;
	struct mailbox_store op = {.mailbox_id = c->view->mailbox_id,
		.how = hows[st->how],
		.flags = flags_of(st->flags.system),
		.keywords = st->flags.keywords,
		.keyword_count = st->flags.count,
		.flags_mask = flags_allowed(c->view->rights),
		.has_unchanged_since = st->has_unchanged_since,
		.unchanged_since = st->unchanged_since,
		.arena = c->s->cmd,
		.wants_all = !st->is_silent};
	struct uid_range *ranges;
	int rc;

	if (st->has_unchanged_since)
		imapd_condstore(c);
	if (!imapd_ranges(c, &st->set, cmd->is_uid, &ranges, &op.range_count, r) ||
		!may_store(c, st, r))
		return 0;
	op.ranges = ranges;
	rc = mailbox_store_flags(imapd_store(c), &op, e);
	/* what was changed before a failure is told too */
	if (tell_changed(c, cmd, &op, rc < 0 ? NULL : e) < 0 || rc < 0)
		return -1;
	if (op.modified_count)
		put_modified(c, cmd, &op, r);
	/* RFC 2180 section 4.2: some are gone, and the client has not heard of it */
	else if (!cmd->is_uid && op.wants_all &&
		op.changed_count < count_of(op.ranges, op.range_count))
		imap_result_code(r, "EXPUNGEISSUED");
	return 0;
}

/* ---- EXPUNGE ---- */

FIBER int imapd_expunge(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e)
{
	struct mailbox_expunge_op op = {.mailbox_id = c->view->mailbox_id,
		.is_deleted_only = true,
		.keep_until_ns = imapd_keep_until(c)};
	struct uid_range *ranges;

	if (cmd->is_uid) { /* RFC 4315 section 2.1 */
		if (!imapd_ranges(c, &cmd->set, true, &ranges, &op.range_count, r))
			return 0;
		op.ranges = ranges;
	}
	/* An empty "$" is nothing, and never all. */
	if (!may_change(c, MAILBOX_RIGHT_EXPUNGE, r) || (cmd->is_uid && !op.range_count))
		return 0;
	if (mailbox_expunge_ranges(imapd_store(c), &op, e) < 0)
		return -1;
	note_modseq(c, op.modseq, r);
	return 0;
}

/* ---- COPY, MOVE ---- */

static void put_copyuid(struct buf *b, const struct mailbox_copy *op)
{
	struct imap_set_writer w;

	buf_printf(b, "COPYUID %u ", op->uidvalidity);
	imap_set_writer_init(&w, b);
	for (size_t i = 0; i < op->count; i++)
		imap_set_writer_add(&w, op->from_uids[i]);
	imap_set_writer_end(&w);
	buf_char(b, ' ');
	imap_set_writer_init(&w, b);
	for (size_t i = 0; i < op->count; i++)
		imap_set_writer_add(&w, op->to_uids[i]);
	imap_set_writer_end(&w);
}

/* Where to; false: it is answered. RFC 9051 section 6.4.7: what is not there, but could be made, is told as
 * such. */
static FIBER bool find_target(struct imapd_conn *c, const struct imap_command *cmd,
	struct mailbox_ref *to, struct imap_result *r, int *rc, struct err *e)
{
	struct err why = {0};
	uint64_t owner;
	struct span own;

	if (names_find(c, cmd->name, MAILBOX_RIGHT_INSERT, to, &why) == 0)
		return true;
	if (why.code == ERR_NOT_FOUND && cmd->name.ptr &&
		mailbox_resolve_new(imapd_store(c), c->s->cmd, c->account_id, cmd->name, &owner,
			&own, NULL) == 0) {
		imap_result_no(r, "TRYCREATE", "There is no such mailbox");
		return false;
	}
	*rc = names_refuse(r, &why);
	if (*rc < 0)
		err_copy(e, &why);
	return false;
}

/* RFC 6851 section 4.3: the untagged OK comes before the EXPUNGEs, which the reply's updates tell. */
static void tell_moved(struct imapd_conn *c, const struct mailbox_copy *op)
{
	struct buf *b = imap_out(c->s);

	if (!op->count)
		return;
	buf_str(b, "* OK [");
	put_copyuid(b, op);
	buf_str(b, "] Moved\r\n");
}

/* What was moved before a failure has left: its new place is told (RFC 6851 section 3.3). */
static FIBER int copy(struct imapd_conn *c, struct mailbox_copy *op, bool may_tell,
	struct imap_result *r, bool is_uid, struct err *e)
{
	int rc = mailbox_copy(imapd_store(c), op, e);

	if (op->is_move && may_tell)
		tell_moved(c, op);
	if (rc < 0)
		return -1;
	if (!op->count && op->range_count && !is_uid)
		return imap_result_no(r, "EXPUNGEISSUED", "These messages are not there any more");
	if (op->is_move) {
		note_modseq(c, op->count ? op->modseq : 0, r);
	} else if (op->count && may_tell) {
		buf_clear(&r->code);
		put_copyuid(&r->code, op);
	}
	return 0;
}

FIBER int imapd_copy(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e)
{
	struct mailbox_copy op = {.from_id = c->view->mailbox_id,
		.is_move = cmd->verb == IMAP_MOVE,
		.arena = c->s->cmd};
	struct mailbox_ref to;
	struct uid_range *ranges;
	int rc = 0;

	if (!imapd_ranges(c, &cmd->set, cmd->is_uid, &ranges, &op.range_count, r) ||
		(op.is_move &&
			!may_change(c, MAILBOX_RIGHT_DELETE_MSG | MAILBOX_RIGHT_EXPUNGE, r)) ||
		!find_target(c, cmd, &to, r, &rc, e))
		return rc;
	op.ranges = ranges;
	op.to_id = to.info.id;
	/* RFC 4314 section 4: flags that may not be set there do not go along */
	op.flags_dropped = MAILBOX_FLAGS_ALL & ~flags_allowed(to.rights);
	/* RFC 4315 section 3: UIDs of a mailbox that he may not select are not told */
	return copy(c, &op, to.rights & MAILBOX_RIGHT_READ, r, cmd->is_uid, e);
}
