#include "services/jmapd/jmapd_contact_card.h"

#include "run/loop.h"
#include "store/contact.h"
#include "services/jmapd/vcard.h"

#define CARDS_MAX (8u << 20) /* octets of an import or export */

/* ---- import ---- */

/* The text itself, or a blob's. */
static FIBER int read_cards(
	struct jmap_call *c, const struct jmap_account *account, struct span *text_r, struct err *e)
{
	struct span blob_id = SPAN_NONE;
	struct jmap_blob blob;
	bool is_found = false;

	*text_r = SPAN_NONE;
	if (jmap_arg_text(c, "vcards", text_r, e) < 0 ||
		jmap_arg_text(c, "blobId", &blob_id, e) < 0)
		return -1;
	if (text_r->ptr)
		return 0;
	if (!blob_id.ptr)
		return jmap_fail_argument(c, e, "vcards", "a text or a blobId is needed");
	if (jmap_blob_find(c->d, c->a, account, blob_id, &blob, &is_found, e) < 0)
		return -1;
	if (!is_found)
		return jmap_fail_argument(c, e, "blobId", "there is no such blob");
	return jmap_blob_read(&blob, c->a, CARDS_MAX, text_r, e);
}

struct counts {
	size_t made, known, bad;
};

static FIBER int keep(struct jmap_call *c, const struct jmap_account *account, struct contact *card,
	struct counts *n, struct err *e)
{
	struct err why = {0};
	uint64_t other;

	if (contact_put(jmapd_opts_of(c->d)->store, account->id, card, &other, &why) == 0)
		n->made++;
	else if (why.code == ERR_EXISTS)
		n->known++;
	else if (why.code == ERR_SYNTAX)
		n->bad++;
	else if (why.code == ERR_LIMIT)
		return jmap_fail(
			c, "overQuota", e, "an account has at most %d contacts", CONTACT_MAX);
	else
		return err_copy(e, &why);
	return 0;
}

FIBER int jmap_contact_import(struct jmap_call *c, struct err *e)
{
	struct jmap_account *account;
	struct contact *list;
	struct counts n = {0};
	struct span text;
	size_t count;

	if (jmap_account(c, &account, e) < 0 || read_cards(c, account, &text, e) < 0)
		return -1;
	if (!vcard_read(c->a, text, &list, &count, &n.bad))
		return jmap_fail(c, "requestTooLarge", e, "more than %d cards", VCARD_IMPORT_MAX);
	for (size_t i = 0; i < count; i++)
		if (keep(c, account, &list[i], &n, e) < 0)
			return -1;
	json_key(c->out, "accountId");
	jmap_put_id(c->out, 'A', account->id);
	json_kv_u64(c->out, "created", n.made);
	json_kv_u64(c->out, "alreadyThere", n.known);
	json_kv_u64(c->out, "notUnderstood", n.bad);
	return 0;
}

/* ---- export ---- */

static int read_version(struct jmap_call *c, unsigned *version_r, struct err *e)
{
	struct span version = SPAN("4.0");

	if (jmap_arg_text(c, "version", &version, e) < 0)
		return -1;
	*version_r = span_eq(version, SPAN("4.0")) ? 4 : 3;
	if (*version_r == 3 && !span_eq(version, SPAN("3.0")))
		return jmap_fail_argument(c, e, "version", "3.0 and 4.0 are known");
	return 0;
}

static FIBER int put_cards(struct jmap_call *c, const struct jmap_account *account,
	const uint64_t *ids, size_t count, unsigned version, struct buf *b, struct err *e)
{
	struct contact *page = ARENA_ARRAY(c->a, struct contact, CONTACT_PAGE);

	if (contact_get(jmapd_opts_of(c->d)->store, c->a, account->id, ids, count, page, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (page[i].id)
			vcard_put(b, &page[i], version);
	return 0;
}

/* All of the book, a page at a time. */
static FIBER int put_all(struct jmap_call *c, const struct jmap_account *account, unsigned version,
	struct buf *b, struct err *e)
{
	struct contact_query q = {.kept = 1, .limit = CONTACT_PAGE};

	do {
		if (contact_query(jmapd_opts_of(c->d)->store, c->a, account->id, &q, e) < 0 ||
			put_cards(c, account, q.ids, q.count, version, b, e) < 0)
			return -1;
		q.position += q.count;
	} while (q.count == CONTACT_PAGE);
	return 0;
}

FIBER int jmap_contact_export(struct jmap_call *c, struct err *e)
{
	struct buf *b = arena_buf(c->a, CARDS_MAX);
	struct jmap_account *account;
	struct span *texts;
	unsigned version;
	uint64_t *ids;
	size_t count, n = 0;

	if (jmap_account(c, &account, e) < 0 || read_version(c, &version, e) < 0 ||
		jmap_arg_texts(c, "ids", &texts, &count, e) < 0)
		return -1;
	if (count > CONTACT_PAGE)
		return jmap_fail(c, "requestTooLarge", e, "more than %d ids", CONTACT_PAGE);
	ids = ARENA_ARRAY(c->a, uint64_t, count + 1);
	for (size_t i = 0; i < count; i++)
		n += jmap_id_of(c, texts[i], 'C', &ids[n]);
	if (texts ? put_cards(c, account, ids, n, version, b, e) < 0
		  : put_all(c, account, version, b, e) < 0)
		return -1;
	if (!buf_ok(b))
		return jmap_fail(c, "requestTooLarge", e, "too many cards for one answer");
	json_key(c->out, "accountId");
	jmap_put_id(c->out, 'A', account->id);
	json_kv_span(c->out, "vcards", buf_span(b));
	return 0;
}

/* ---- filled by sending ---- */

static void gather(struct arena *a, struct span field, struct contact_person *list, size_t *count)
{
	struct mime_address_list found;

	mime_address_parse(a, field, CONTACT_SENT_MAX, &found);
	for (size_t i = 0; i < found.count && *count < CONTACT_SENT_MAX; i++) {
		struct mime_address *m = &found.items[i];

		if (m->kind == MIME_MAILBOX && m->domain.len)
			list[(*count)++] = (struct contact_person){
				m->name, mime_address_spec(a, m)};
	}
}

FIBER void jmap_contacts_sent(
	struct jmap_call *c, uint64_t account_id, const struct jmap_sent *sent)
{
	struct contact_person *list = ARENA_ARRAY(c->a, struct contact_person, CONTACT_SENT_MAX);
	struct err e = {0};
	size_t count = 0;

	gather(c->a, sent->to, list, &count);
	gather(c->a, sent->cc, list, &count);
	gather(c->a, sent->bcc, list, &count);
	/* the letter is out: that nobody remembers its recipients is no reason to say otherwise */
	if (count &&
		contact_sent(jmapd_opts_of(c->d)->store, account_id, list, count, loop_wall_ns(),
			&e) < 0)
		log_event(jmapd_opts_of(c->d)->log, LOG_WARN, "contacts.failed",
			LF_STR("error", e.text));
}
