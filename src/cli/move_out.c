#include "cli/move.h"

#include <stdlib.h>
#include <string.h>

/* OpenSSL's type of that name meets our error code. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/evp.h>
#undef ERR_STATE

#include "base/enc.h"
#include "base/hash.h"
#include "base/mem.h"
#include "net/stream.h"
#include "proto/mail/mail_header.h"
#include "proto/mail/mime_date.h"
#include "store/moved.h"
#include "services/host/ops.h"

/* Messages to the server, by the stream of services/host/ops_move.h. One fiber sends, another hears how it
 * goes: neither waits for the other. */

#define PIECE_BYTES  (64 * 1024)
#define GATHER_BYTES (64 * 1024)
#define OUT_MAX      (4 * 1024 * 1024)
#define TALK_NS      CLOCK_HOUR /* for the next word of the server, which may wait for ours */
#define DIGEST_BYTES 16

struct move_out {
	struct stream *s;
	struct fiber_group hearers;
	struct buf out, piece;
	EVP_MD_CTX *md;
	struct hash_map seen; /* how often each digest came */
	struct mail_header head;
	int64_t date_sec; /* of Received or Date, for messages whose source tells none */
	bool has_date, has_received;
	bool is_over; /* the server has said its last word */
	int code;
	uint64_t done, bad;
	struct move_sums sums;
};

/* ---- hearing ---- */

static void take_row(struct move_out *o, const struct json_in *row)
{
	struct move_sums *s = &o->sums;
	uint64_t n;

	if (json_in_u64(row, "done", &n))
		o->done = n;
	if (json_in_text(row, "note").len || json_in_text(row, "bad").len) {
		struct span what = json_in_text(row, "note");

		cli_progress(1, 1);
		cli_fail(0, SPAN_FMT ": " SPAN_FMT, SPAN_ARG(json_in_text(row, "where")),
			SPAN_ARG(what.len ? what : json_in_text(row, "bad")));
	}
	json_in_u64(row, "added", &s->added);
	json_in_u64(row, "present", &s->present);
	json_in_u64(row, "duplicates", &s->duplicates);
	json_in_u64(row, "changed", &s->changed);
	json_in_u64(row, "bad", &s->bad);
	json_in_u64(row, "folders", &s->folders);
	json_in_u64(row, "octets", &s->octets);
}

/* One line of an answer; true: it was the last. */
static bool take_line(struct span line, cli_line_fn *row, void *arg, int *code_r)
{
	struct err e = {0};
	struct json_in *doc = json_in_parse(line, &e);
	const struct json_in *v;
	bool is_last = true;

	if (!doc) {
		*code_r = cli_fail(
			EX_SOFTWARE, "the server's answer is not understood: %s", e.text);
	} else if ((v = json_in_get(doc, "row"))) {
		*code_r = row(arg, v);
		is_last = *code_r != 0;
	} else if ((v = json_in_get(doc, "error"))) {
		struct arena *a = arena_new();

		cli_progress(1, 1);
		*code_r = cli_fail(cli_exit_code(arena_str(a, json_in_text(v, "code"))), SPAN_FMT,
			SPAN_ARG(json_in_text(v, "text")));
		arena_free(&a);
	} else {
		is_last = json_in_get(doc, "end") != NULL;
	}
	if (doc)
		json_in_free(&doc);
	return is_last;
}

static FIBER int hear_lines(struct stream *s, cli_line_fn *row, void *arg)
{
	struct err e = {0};
	struct span line;
	int code = 0;

	for (;;) {
		stream_set_timeout(s, TALK_NS);
		if (stream_read_line(s, OPS_LINE_MAX, &line, NULL, &e) < 0)
			return e.code == ERR_CANCELLED
				? EX_TEMPFAIL
				: cli_fail(EX_UNAVAILABLE, "the server went away: %s", e.text);
		if (take_line(line, row, arg, &code))
			return code;
	}
}

static int take_sum_row(void *arg, const struct json_in *row)
{
	take_row(arg, row);
	return 0;
}

static FIBER int hear(void *arg)
{
	struct move_out *o = arg;
	int code = hear_lines(o->s, take_sum_row, o);

	o->is_over = true;
	if (!o->code)
		o->code = code;
	return 0;
}

FIBER int move_ask(struct stream *s, const char *cmd, struct span args, cli_line_fn *row, void *arg)
{
	struct span parts[] = {
		SPAN("{\"cmd\":\""), span_str(cmd), SPAN("\",\"args\":"), args, SPAN("}\n")};
	struct err e = {0};

	stream_set_timeout(s, TALK_NS);
	if (stream_write(s, parts, ARRAY_LEN(parts), &e) < 0)
		return cli_fail(EX_UNAVAILABLE, "the server does not listen: %s", e.text);
	return hear_lines(s, row, arg);
}

/* ---- sending ---- */

static FIBER int send_out(struct move_out *o)
{
	struct span part = buf_span(&o->out);
	struct err e = {0};

	if (!part.len)
		return o->is_over ? -1 : 0;
	stream_set_timeout(o->s, TALK_NS);
	/* why it fails is what the other fiber hears */
	if (o->is_over || stream_write(o->s, &part, 1, &e) < 0)
		return -1;
	buf_clear(&o->out);
	return 0;
}

static FIBER int send_when_much(struct move_out *o)
{
	return buf_len(&o->out) >= GATHER_BYTES ? send_out(o) : o->is_over ? -1 : 0;
}

static void put_piece(struct move_out *o)
{
	if (!buf_len(&o->piece))
		return;
	buf_printf(&o->out, "{\"octets\":%zu}\n", buf_len(&o->piece));
	buf_span_put(&o->out, buf_span(&o->piece));
	buf_clear(&o->piece);
}

/* Received is newer than Date, and not the sender's own word (RFC 5321 section 4.4). */
static void note_field(void *arg, const struct mail_field *f)
{
	struct move_out *o = arg;
	struct mime_date date;
	ptrdiff_t at = f->id == MAIL_RECEIVED ? span_rfind(f->value, ';') : 0;

	if ((f->id != MAIL_RECEIVED && f->id != MAIL_DATE) || o->has_received || at < 0 ||
		(f->id == MAIL_DATE && o->has_date))
		return;
	if (!mime_date_parse(span_skip(f->value, at ? (size_t)at + 1 : 0), &date))
		return;
	o->has_received = f->id == MAIL_RECEIVED;
	o->has_date = true;
	o->date_sec = date.unix_sec;
}

static void begin_message(struct move_out *o)
{
	mail_header_fini(&o->head);
	mail_header_init(&o->head, note_field, o);
	o->has_date = o->has_received = false;
	MUST(EVP_DigestInit_ex(o->md, EVP_sha256(), NULL) == 1);
}

FIBER struct move_out *move_out_new(struct stream *s, const struct move_opts *opts)
{
	struct move_out *o = NEW(struct move_out);
	struct json_out j;

	o->s = s;
	o->md = EVP_MD_CTX_new();
	MUST(o->md);
	buf_init(&o->out, OUT_MAX);
	buf_init(&o->piece, 2 * PIECE_BYTES);
	hash_map_init(&o->seen, (struct hash_key){loop_random(), loop_random()});
	begin_message(o);
	fiber_group_init(&o->hearers);
	json_out_init(&j, &o->out);
	json_open_object(&j);
	json_kv_str(&j, "cmd", "mailbox.import");
	json_key(&j, "args");
	json_open_object(&j);
	json_kv_str(&j, "address", opts->address);
	json_kv_span(&j, "source", opts->source);
	json_kv_u64(&j, "uidvalidity", opts->uidvalidity);
	json_kv_bool(&j, "dry_run", opts->is_dry);
	json_kv_bool(&j, "skip_duplicates", opts->is_skip);
	json_close(&j);
	json_close(&j);
	buf_char(&o->out, '\n');
	if (fiber_start(&o->hearers, "hear", hear, o, NULL) < 0) {
		o->is_over = true;
		o->code = EX_OSERR;
	}
	return o;
}

void move_out_free(struct move_out **o)
{
	if (!*o)
		return;
	EVP_MD_CTX_free((*o)->md);
	mail_header_fini(&(*o)->head);
	hash_map_fini(&(*o)->seen);
	buf_fini(&(*o)->out);
	buf_fini(&(*o)->piece);
	free(*o);
	*o = NULL;
}

FIBER int move_out_octets(struct move_out *o, struct span octets)
{
	if (!o->head.is_done)
		mail_header_feed(&o->head, octets);
	MUST(EVP_DigestUpdate(o->md, octets.ptr, octets.len) == 1);
	while (octets.len) {
		struct span part = span_sub(octets, 0, PIECE_BYTES - buf_len(&o->piece));

		buf_span_put(&o->piece, part);
		octets = span_skip(octets, part.len);
		if (buf_len(&o->piece) == PIECE_BYTES)
			put_piece(o);
		if (send_when_much(o) < 0)
			return -1;
	}
	return 0;
}

/* A message of a file is known by what it is, where it goes, and that it is the n-th like it: so the file may be
 * moved, and messages may go from it or come, between two runs. */
static void put_digest(struct move_out *o, struct buf *b, struct span folder)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	struct span key = span_of(digest, DIGEST_BYTES);
	uintptr_t n;

	MUST(EVP_DigestUpdate(o->md, folder.ptr ? folder.ptr : "", folder.len) == 1 &&
		EVP_DigestFinal_ex(o->md, digest, NULL) == 1);
	n = (uintptr_t)hash_map_get(&o->seen, key);
	hash_map_set(&o->seen, key, (void *)(n + 1));
	buf_span_put(b, key);
	if (n) {
		unsigned char count[] = {(unsigned char)(n >> 24), (unsigned char)(n >> 16),
			(unsigned char)(n >> 8), (unsigned char)n};

		buf_put(b, count, sizeof(count));
	}
}

static void put_hex(struct json_out *j, struct span item)
{
	struct buf hex;

	buf_init(&hex, 4 * MOVED_ITEM_MAX);
	enc_put_hex(&hex, item);
	json_kv_span(j, "item", buf_span(&hex));
	buf_fini(&hex);
}

static void put_flags(struct json_out *j, unsigned flags, struct span keywords)
{
	static const char *const names[] = {
		"\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft"};
	struct span word;

	json_key(j, "flags");
	json_open_array(j);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (flags & 1U << i)
			json_str(j, names[i]);
	while ((word = span_word(&keywords)).len)
		json_span(j, word);
	json_close(j);
}

FIBER int move_out_letter(struct move_out *o, const struct move_letter *l)
{
	int64_t date_sec = l->has_date ? l->date_sec : o->date_sec;
	struct json_out j;
	struct buf item;

	mail_header_finish(&o->head);
	put_piece(o);
	buf_init(&item, 2 * MOVED_ITEM_MAX);
	if (l->item.len)
		buf_span_put(&item, l->item);
	else
		put_digest(o, &item, l->folder);
	json_out_init(&j, &o->out);
	json_open_object(&j);
	json_key(&j, "message");
	json_open_object(&j);
	json_kv_span(&j, "folder", l->folder);
	if (l->use)
		json_kv_str(&j, "use", l->use);
	put_flags(&j, l->flags, l->keywords);
	if ((l->has_date || o->has_date) && date_sec > 0)
		json_kv_u64(&j, "received_at", (uint64_t)date_sec * 1000);
	put_hex(&j, buf_span(&item));
	json_kv_span(&j, "where", l->where);
	json_close(&j);
	json_close(&j);
	buf_char(&o->out, '\n');
	buf_fini(&item);
	begin_message(o);
	return send_when_much(o);
}

FIBER int move_out_drop(struct move_out *o)
{
	buf_clear(&o->piece);
	buf_str(&o->out, "{\"drop\":{}}\n");
	begin_message(o);
	return send_when_much(o);
}

FIBER int move_out_folder(struct move_out *o, struct span name, const char *use)
{
	struct json_out j;

	json_out_init(&j, &o->out);
	json_open_object(&j);
	json_key(&j, "folder");
	json_open_object(&j);
	json_kv_span(&j, "name", name);
	if (use)
		json_kv_str(&j, "use", use);
	json_close(&j);
	json_close(&j);
	buf_char(&o->out, '\n');
	return send_when_much(o);
}

FIBER int move_out_flags(struct move_out *o, struct span item, struct span flags)
{
	struct json_out j;

	json_out_init(&j, &o->out);
	json_open_object(&j);
	json_key(&j, "flags");
	json_open_object(&j);
	put_hex(&j, item);
	put_flags(&j, 0, flags);
	json_close(&j);
	json_close(&j);
	buf_char(&o->out, '\n');
	return send_when_much(o);
}

FIBER int move_out_seen(struct move_out *o, uint64_t modseq)
{
	buf_printf(&o->out, "{\"seen\":{\"modseq\":%llu}}\n", (unsigned long long)modseq);
	return send_when_much(o);
}

FIBER int move_out_flush(struct move_out *o)
{
	return send_out(o);
}

uint64_t move_out_done(const struct move_out *o)
{
	return o->done;
}

void move_out_bad(struct move_out *o, struct span where, const char *why)
{
	cli_progress(1, 1);
	cli_fail(0, SPAN_FMT ": %s", SPAN_ARG(where), why);
	o->bad++;
}

FIBER int move_out_end(struct move_out *o, struct move_sums *sums)
{
	buf_clear(&o->piece);
	buf_str(&o->out, "{\"end\":{}}\n");
	send_out(o);
	fiber_group_join(&o->hearers);
	sums->added += o->sums.added;
	sums->present += o->sums.present;
	sums->duplicates += o->sums.duplicates;
	sums->changed += o->sums.changed;
	sums->bad += o->sums.bad + o->bad;
	sums->folders += o->sums.folders;
	sums->octets += o->sums.octets;
	/* "done" alone tells what was settled before an error */
	return o->code;
}
