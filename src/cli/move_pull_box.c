#include <stdlib.h>
#include <string.h>

#include "base/enc.h"
#include "base/must.h"
#include "cli/move_pull.h"

/* One mailbox: what is there, what of it was brought before, the rest. */

static void add(struct pull *p, bool is_here, uint32_t uid, struct span flags)
{
	struct pull_msg **list = is_here ? &p->here : &p->there;
	size_t *count = is_here ? &p->here_count : &p->there_count;
	size_t *cap = is_here ? &p->here_cap : &p->there_cap;

	if (*count == *cap) {
		size_t more = *cap ? *cap * 2 : 1024;
		struct pull_msg *grown = ARENA_ARRAY(p->box_a, struct pull_msg, more);

		if (*count)
			memcpy(grown, *list, *count * sizeof(*grown));
		*list = grown;
		*cap = more;
	}
	(*list)[(*count)++] = (struct pull_msg){.uid = uid, .flags = arena_span(p->box_a, flags)};
}

/* ---- what was brought before ---- */

static int take_known(void *arg, const struct json_in *row)
{
	struct pull *p = arg;
	const struct json_in *items = json_in_get(row, "items");

	json_in_u64(row, "modseq", &p->modseq);
	for (size_t i = 0; i < json_in_count(items); i++) {
		const struct json_in *x = json_in_at(items, i);
		struct buf b;

		buf_init(&b, 16);
		if (enc_get_hex(&b, json_in_span(json_in_at(x, 0))) && buf_len(&b) == 4) {
			const unsigned char *n = (const unsigned char *)buf_span(&b).ptr;

			add(p, true,
				(uint32_t)n[0] << 24 | (uint32_t)n[1] << 16 | (uint32_t)n[2] << 8 |
					n[3],
				json_in_span(json_in_at(x, 1)));
		}
		buf_fini(&b);
	}
	return 0;
}

static struct span source_of(struct pull *p)
{
	return span_str(
		arena_printf(p->box_a, SPAN_FMT "@%s:%u/" SPAN_FMT, SPAN_ARG(p->server.user),
			p->server.host_text, p->server.port, SPAN_ARG(p->box->from.wire)));
}

static FIBER int ask_known(struct pull *p, struct err *e)
{
	struct buf *args = arena_buf(p->box_a, 65536);
	struct json_out j;
	int code;

	json_out_init(&j, args);
	json_open_object(&j);
	json_kv_str(&j, "address", p->address);
	json_kv_span(&j, "source", source_of(p));
	json_kv_u64(&j, "uidvalidity", p->imap.box.uidvalidity);
	json_close(&j);
	code = move_ask(p->to, "mailbox.moved", buf_span(args), take_known, p);
	return code ? err_set(e, ERR_CANCELLED, "%d", code) : 0; /* told already */
}

/* ---- what is there ---- */

static FIBER int take_there(void *arg, const struct imap_fetched *f, struct err *e)
{
	struct pull *p = arg;

	if (!f->uid || !f->has_flags)
		return 0;
	if (p->box->is_rest && (!f->has_labels || f->labels))
		return 0;
	if (p->there_count >= PULL_MESSAGES_MAX)
		return err_set(
			e, ERR_LIMIT, "more than %d messages in one mailbox", PULL_MESSAGES_MAX);
	add(p, false, f->uid, f->flags);
	return 0;
}

static int compare_uids(const void *a, const void *b)
{
	uint32_t x = ((const struct pull_msg *)a)->uid, y = ((const struct pull_msg *)b)->uid;

	return x < y ? -1 : x > y;
}

static void in_order(struct pull_msg *list, size_t *count)
{
	size_t kept = 0;

	if (*count)
		qsort(list, *count, sizeof(*list), compare_uids);
	for (size_t i = 0; i < *count; i++) /* told twice: the same message */
		if (!kept || list[kept - 1].uid != list[i].uid)
			list[kept++] = list[i];
	*count = kept;
}

/* The same words, in whatever order. */
static bool same_flags(struct span a, struct span b)
{
	struct span word, other, rest = a, in;
	size_t of_a = 0, of_b = 0;

	in = b;
	while (span_word(&in).len)
		of_b++;
	while ((word = span_word(&rest)).len) {
		bool is_in = false;

		of_a++;
		in = b;
		while (!is_in && (other = span_word(&in)).len)
			is_in = span_eq_nocase(word, other);
		if (!is_in)
			return false;
	}
	return of_a == of_b;
}

static FIBER int look_there(struct pull *p, struct err *e)
{
	struct imap_client_sink sink = {.fetched = take_there, .arg = p};
	const char *items = p->box->is_rest ? "(UID FLAGS X-GM-LABELS)" : "(UID FLAGS)";

	if (p->imap.box.exists &&
		imap_client_fetch(&p->imap, SPAN("1:*"), span_str(items), &sink, e) < 0)
		return -1;
	in_order(p->there, &p->there_count);
	in_order(p->here, &p->here_count);
	p->wanted = 0;
	for (size_t i = 0, k = 0; i < p->there_count; i++) {
		struct pull_msg *m = &p->there[i];

		while (k < p->here_count && p->here[k].uid < m->uid)
			k++;
		m->is_here = k < p->here_count && p->here[k].uid == m->uid;
		m->is_changed = m->is_here && !same_flags(m->flags, p->here[k].flags);
		p->wanted += !m->is_here;
	}
	return 0;
}

/* ---- messages ---- */

static FIBER int take_octets(void *arg, struct span octets, struct err *e)
{
	struct pull *p = arg;

	return move_out_octets(p->out, octets) < 0 ? err_set(e, ERR_CANCELLED, "told") : 0;
}

static struct pull_msg *find(struct pull *p, uint32_t uid)
{
	struct pull_msg key = {.uid = uid};

	return p->there_count ? bsearch(&key, p->there, p->there_count, sizeof(key), compare_uids)
			      : NULL;
}

static struct span item_of(struct pull *p, uint32_t uid)
{
	unsigned char *n = arena_alloc(p->box_a, 4);

	n[0] = (unsigned char)(uid >> 24);
	n[1] = (unsigned char)(uid >> 16);
	n[2] = (unsigned char)(uid >> 8);
	n[3] = (unsigned char)uid;
	return span_of(n, 4);
}

/* Flags go as words: \Seen and the like among the keywords are sorted out by the server. */
static FIBER int take_message(void *arg, const struct imap_fetched *f, struct err *e)
{
	struct pull *p = arg;
	struct pull_msg *m = find(p, f->uid);
	struct move_letter l = {.folder = p->box->to,
		.use = p->box->use,
		.keywords = f->has_flags ? f->flags
			: m              ? m->flags
					 : SPAN_NONE,
		.has_date = f->has_date,
		.date_sec = f->date_sec};
	int rc;

	if (!f->has_body)
		return 0;
	if (!m || m->is_here || m->is_come) {
		rc = move_out_drop(p->out);
	} else {
		m->is_come = true;
		l.item = item_of(p, f->uid);
		l.where = span_str(arena_printf(
			p->box_a, SPAN_FMT ": UID %u", SPAN_ARG(p->box->from.name), f->uid));
		rc = move_out_letter(p->out, &l);
		p->come++;
		cli_progress(p->come < p->wanted ? p->come : p->wanted - 1, p->wanted);
	}
	return rc < 0 ? err_set(e, ERR_CANCELLED, "told") : 0;
}

#define WHAT "(UID FLAGS INTERNALDATE BODY.PEEK[])"

static FIBER int fetch(struct pull *p, struct span uids, struct err *e)
{
	struct imap_client_sink sink = {.octets = take_octets, .fetched = take_message, .arg = p};

	return imap_client_fetch(&p->imap, uids, SPAN(WHAT), &sink, e);
}

/* The server refused a batch: one by one, to know which it cannot give. */
static FIBER int fetch_each(struct pull *p, size_t from, size_t to, struct err *e)
{
	for (size_t i = from; i < to; i++) {
		struct pull_msg *m = &p->there[i];
		struct err why = {0};
		char *uid = arena_printf(p->box_a, "%u", m->uid);

		if (m->is_here || m->is_come || fetch(p, span_str(uid), &why) == 0)
			continue;
		if (why.code != ERR_REPLY)
			return err_copy(e, &why);
		char *where = arena_printf(
			p->box_a, SPAN_FMT ": UID %u", SPAN_ARG(p->box->from.name), m->uid);
		move_out_bad(p->out, span_str(where),
			arena_printf(p->box_a, "the server does not give it: %s", why.text));
	}
	return 0;
}

static FIBER int fetch_some(struct pull *p, size_t from, size_t to, struct err *e)
{
	struct buf *set = arena_buf(p->box_a, 16 * PULL_BATCH);
	struct err why = {0};

	for (size_t i = from; i < to; i++)
		if (!p->there[i].is_here)
			buf_printf(set, "%s%u", buf_len(set) ? "," : "", p->there[i].uid);
	if (fetch(p, buf_span(set), &why) == 0)
		return move_out_flush(p->out) < 0 ? err_set(e, ERR_CANCELLED, "told") : 0;
	return why.code == ERR_REPLY ? fetch_each(p, from, to, e) : err_copy(e, &why);
}

static FIBER int fetch_all(struct pull *p, struct err *e)
{
	size_t from = 0, count = 0;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < p->there_count; i++) {
		count += !p->there[i].is_here;
		if (count < PULL_BATCH && i + 1 < p->there_count)
			continue;
		if (count)
			rc = fetch_some(p, from, i + 1, e);
		from = i + 1;
		count = 0;
	}
	for (size_t i = 0; rc == 0 && i < p->there_count; i++)
		if (p->there[i].is_changed &&
			move_out_flags(p->out, item_of(p, p->there[i].uid), p->there[i].flags) < 0)
			rc = err_set(e, ERR_CANCELLED, "told");
	return rc;
}

static FIBER int bring(struct pull *p, struct err *e)
{
	struct err why = {0};
	int rc, code;

	p->come = 0;
	struct move_opts opts = {.address = p->address,
		.source = source_of(p),
		.uidvalidity = p->imap.box.uidvalidity,
		.is_skip = p->is_skip};
	p->out = move_out_new(p->to, &opts);
	rc = move_out_folder(p->out, p->box->to, p->box->use) < 0 ? -1 : fetch_all(p, &why);
	if (rc == 0 && !p->is_dry)
		move_out_seen(p->out, p->imap.box.highest_modseq);
	else
		move_out_drop(p->out); /* half a message, it may be */
	code = move_out_end(p->out, &p->sums);
	move_out_free(&p->out);
	cli_progress(1, 1);
	if (code)
		return err_set(e, ERR_CANCELLED, "%d", code);
	return rc < 0 ? err_copy(e, &why) : 0;
}

FIBER int pull_box(struct pull *p, struct pull_box *box, struct err *e)
{
	int rc = -1;

	p->box = box;
	p->box_a = arena_new();
	p->here = p->there = NULL;
	p->here_count = p->here_cap = p->there_count = p->there_cap = 0;
	p->modseq = 0;
	if (imap_client_examine(&p->imap, box->from.wire, e) < 0 || ask_known(p, e) < 0)
		goto out;
	/* RFC 7162 section 3.1.2.1: as it was when it was last seen through */
	if (p->modseq && p->modseq == p->imap.box.highest_modseq) {
		p->sums.present += p->here_count;
		rc = 0;
		goto out;
	}
	if (look_there(p, e) < 0)
		goto out;
	for (size_t i = 0; i < p->there_count; i++)
		p->sums.present += p->there[i].is_here;
	if (p->is_dry) {
		p->sums.added += p->wanted;
		rc = 0;
	} else {
		rc = bring(p, e);
	}
out:
	arena_free(&p->box_a);
	return rc;
}
