/* GETMETADATA, SETMETADATA (RFC 5464): of mailboxes, and of the server (""). */
#include "services/imapd/imapd_names.h"

#include "base/must.h"

/* RFC 5464 section 3.3: l, and any of these */
#define RIGHTS_ANY                                                                                 \
	(MAILBOX_RIGHT_READ | MAILBOX_RIGHT_SEEN | MAILBOX_RIGHT_WRITE | MAILBOX_RIGHT_INSERT |    \
		MAILBOX_RIGHT_POST)

/* The use of one's own mailbox, read as an annotation (RFC 6154 section 4). */
#define ENTRY_USE "/private/specialuse"

/* Whose annotations: a mailbox that may be looked at, or the server. */
static FIBER int subject_of(
	struct imapd_conn *c, struct span name, struct mailbox_ref *ref_r, struct err *e)
{
	*ref_r = (struct mailbox_ref){.seen_name = SPAN("")};
	if (name.ptr && name.len == 0)
		return 0; /* info.id 0: the server */
	if (names_find(c, name, 0, ref_r, e) < 0)
		return -1;
	if (!(ref_r->rights & RIGHTS_ANY))
		return err_set(e, ERR_DENIED, "a right is missing");
	return 0;
}

/* Is `name` the entry asked for, or as far below it as DEPTH reaches (RFC 5464 section 4.2.2)? */
static bool is_asked(struct span name, struct span asked, int depth)
{
	struct span below;

	if (span_eq(name, asked))
		return true;
	if (depth == 0 || !span_starts(name, asked) || name.ptr[asked.len] != '/')
		return false;
	below = span_skip(name, asked.len + 1);
	return depth < 0 || span_find(below, '/') < 0;
}

/* What is being told: one METADATA response, opened by its first entry. */
struct telling {
	struct imapd_conn *c;
	const struct mailbox_ref *ref;
	const struct imap_metadata *asked;
	bool is_open;
	uint64_t longest; /* of those that were too long: LONGENTRIES */
};

static void tell_entry(struct telling *t, struct span name, struct span value)
{
	struct imap_out_mode mode = names_mode(t->c);
	struct buf *b = imap_out(t->c->s);

	/* RFC 5464 section 4.2.1: those over MAXSIZE are left out, and the size of the largest told */
	if (t->asked && t->asked->has_max_size && value.len > t->asked->max_size) {
		if (value.len > t->longest)
			t->longest = value.len;
		return;
	}
	if (!t->is_open) {
		buf_str(b, "* METADATA ");
		imap_put_name(b, t->ref->seen_name, &mode);
		buf_str(b, " (");
	} else {
		buf_char(b, ' ');
	}
	t->is_open = true;
	imap_put_astring(b, name, &mode);
	buf_char(b, ' ');
	imap_put_nstring(b, value, &mode);
}

static void tell_end(struct telling *t)
{
	if (t->is_open)
		buf_str(imap_out(t->c->s), ")\r\n");
}

/* What the store has in and below one entry of the command. */
struct found {
	struct span asked;
	struct mailbox_metadata *list;
	size_t count;
};

/* One entry of the command, and what is below it. */
static FIBER int tell_found(struct telling *t, const struct found *f, int depth, struct err *e)
{
	struct span use = t->ref->is_own ? t->ref->info.special_use : SPAN("");
	bool has_it = false;

	for (size_t i = 0; i < f->count; i++)
		if (is_asked(f->list[i].name, f->asked, depth)) {
			struct span value = f->list[i].value;

			tell_entry(t, f->list[i].name, value.ptr ? value : SPAN(""));
			has_it = true;
		}
	if (use.len && is_asked(SPAN(ENTRY_USE), f->asked, depth)) {
		tell_entry(t, SPAN(ENTRY_USE), use);
		has_it = true;
	}
	if (!has_it && depth == 0)
		tell_entry(t, f->asked, SPAN_NONE); /* NIL: it has no value */
	return imap_relieve(t->c->s, e);
}

/* All is read before the response begins: an error of the store finds no half of a line. `found` has the
 * entries that are asked for. */
static FIBER int tell_all(
	struct telling *t, struct found *found, size_t count, int depth, struct err *e)
{
	struct imapd_conn *c = t->c;

	for (size_t i = 0; i < count; i++)
		if (mailbox_metadata_list(imapd_store(c), c->s->cmd, t->ref->info.id, c->account_id,
			    found[i].asked, &found[i].list, &found[i].count, e) < 0)
			return -1;
	for (size_t i = 0; i < count; i++)
		if (tell_found(t, &found[i], depth, e) < 0)
			return -1;
	tell_end(t);
	return 0;
}

static bool is_served(const struct imapd_conn *c, const struct mailbox_ref *ref)
{
	return imap_has(c->s, IMAP_BIT(METADATA)) ||
		(ref->info.id == 0 && imap_has(c->s, IMAP_BIT(METADATA_SERVER)));
}

FIBER int imapd_getmetadata(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e)
{
	const struct imap_metadata *m = &cmd->metadata;
	struct mailbox_ref ref;
	struct telling t = {.c = c, .ref = &ref, .asked = m};
	struct found *found;

	if (subject_of(c, m->name, &ref, e) < 0)
		return names_refuse(r, e);
	if (!is_served(c, &ref))
		return imap_result_bad(r, NULL, "Only the server's annotations are offered");
	found = ARENA_ARRAY(c->s->cmd, struct found, m->count);
	for (size_t i = 0; i < m->count; i++)
		found[i].asked = m->entries[i].name;
	if (tell_all(&t, found, m->count, m->depth, e) < 0)
		return -1;
	if (t.longest)
		imap_result_code(r, "METADATA LONGENTRIES %llu", (unsigned long long)t.longest);
	return 0;
}

FIBER int names_put_metadata(struct imapd_conn *c, const struct mailbox_ref *ref,
	const struct span *entries, size_t count, struct err *e)
{
	struct telling t = {.c = c, .ref = ref};
	struct found *found;

	if (!(ref->rights & RIGHTS_ANY))
		return 0;
	found = ARENA_ARRAY(c->s->cmd, struct found, count);
	for (size_t i = 0; i < count; i++)
		found[i].asked = entries[i];
	return tell_all(&t, found, count, 0, e);
}

/* May all of them be set? 0, or the refusal in `r`. */
static bool is_settable(
	const struct mailbox_ref *ref, const struct imap_metadata *m, struct imap_result *r)
{
	for (size_t i = 0; i < m->count; i++) {
		const struct imap_entry *en = &m->entries[i];
		bool is_shared = span_starts(en->name, SPAN("/shared"));

		/* What all see of the server is its administrator's; of a mailbox, of those who may
		 * write in it. */
		if (is_shared && (ref->info.id == 0 || !(ref->rights & MAILBOX_RIGHT_WRITE))) {
			imap_result_no(r, "NOPERM", "You have not the right to set shared entries");
			return false;
		}
		if (span_eq(en->name, SPAN(ENTRY_USE))) {
			imap_result_no(r, "CANNOT", "The use of a mailbox is told at CREATE");
			return false;
		}
	}
	return true;
}

FIBER int imapd_setmetadata(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e)
{
	const struct imap_metadata *m = &cmd->metadata;
	struct mailbox_metadata *items = ARENA_ARRAY(c->s->cmd, struct mailbox_metadata, m->count);
	struct mailbox_ref ref;

	if (subject_of(c, m->name, &ref, e) < 0)
		return names_refuse(r, e);
	if (!is_served(c, &ref))
		return imap_result_bad(r, NULL, "Only the server's annotations are offered");
	if (!is_settable(&ref, m, r))
		return 0;
	for (size_t i = 0; i < m->count; i++)
		items[i] = (struct mailbox_metadata){
			m->entries[i].name, m->entries[i].is_nil ? SPAN_NONE : m->entries[i].value};
	if (mailbox_metadata_set(imapd_store(c), ref.info.id, c->account_id, items, m->count, e) ==
		0)
		return 0;
	if (e->code != ERR_LIMIT)
		return names_refuse(r, e);
	return imap_result_no(r, "METADATA TOOMANY", "There is no room for more annotations");
}
