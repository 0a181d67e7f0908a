#include "proto/mail/mbox_priv.h"

#include <string.h>

#include "base/clock.h"

#define MBOX_SENDER_MAX 320
#define FIELDS_MAX      65536 /* octets of what we put into a header section: keywords above all */

bool mbox_is_bare(struct span octets, char *last)
{
	const char *p = octets.ptr, *end = p + octets.len;

	if (!octets.len)
		return false;
	if ((*last == '\r') != (*p == '\n'))
		return *last == '\r' || *p == '\n';
	*last = end[-1];
	for (; p < end && (p = memchr(p, '\r', (size_t)(end - p))); p++)
		if (p + 1 < end && p[1] != '\n')
			return true;
	for (p = octets.ptr + 1; p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++)
		if (p[-1] != '\r')
			return true;
	return false;
}

/* ---- octets ---- */

static void put(struct mbox_writer *w, struct span octets)
{
	if (w->is_exact) {
		buf_span_put(w->out, octets);
		return;
	}
	while (octets.len) {
		const char *cr = memchr(octets.ptr, '\r', octets.len);
		size_t n = cr ? (size_t)(cr - octets.ptr) : octets.len;

		buf_span_put(w->out, span_sub(octets, 0, n));
		octets = span_skip(octets, n + (cr ? 1 : 0)); /* none stands alone */
	}
}

static void put_end(struct mbox_writer *w)
{
	buf_str(w->out, w->is_exact ? "\r\n" : "\n");
}

void mbox_write_begin(struct mbox_writer *w, struct buf *out, const struct mbox_letter *letter,
	bool is_exact, bool is_lacking_end)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct span sender = span_sub(letter->sender, 0, MBOX_SENDER_MAX);
	int64_t date_sec = letter->date_sec;
	struct clock_civil day;

	*w = (struct mbox_writer){.out = out,
		.flags = letter->flags,
		.keywords = letter->keywords,
		.is_exact = is_exact || is_lacking_end,
		.is_lacking_end = is_lacking_end};
	buf_init(&w->head, MBOX_HEAD_MAX);
	buf_init(&w->line, 2 * MBOX_FROM_MAX);
	buf_init(&w->text, MBOX_HEAD_MAX);
	if (date_sec < 0 || date_sec > 253402300799) /* the years 1970 to 9999 */
		date_sec = 0;
	clock_to_civil(date_sec, 0, &day);
	buf_str(out, "From ");
	for (size_t i = 0; i < sender.len; i++) {
		unsigned char c = (unsigned char)sender.ptr[i];

		buf_char(out, c <= ' ' || c == 0x7f ? '_' : (char)c);
	}
	if (!sender.len)
		buf_str(out, "MAILER-DAEMON");
	buf_printf(out, " %.3s %.3s %2d %02d:%02d:%02d %04d", days + 3 * day.weekday,
		months + 3 * (day.month - 1), day.day, day.hour, day.minute, day.second, day.year);
	put_end(w);
}

/* ---- the header section ---- */

/* Ours stand behind all others, so that they count; and each that the message has of its own gets one of ours
 * behind it, which shields it. */
static void put_fields(struct mbox_writer *w, struct span head)
{
	bool has[MBOX_FIELD_COUNT + 1] = {false};
	struct span field;

	while ((field = mbox_take_field(&head)).len)
		has[mbox_field_of(field)] = true;
	buf_printf(w->out, "Status: %sO", w->flags & MBOX_SEEN ? "R" : "");
	put_end(w);
	if (has[MBOX_FIELD_X_STATUS] || (w->flags & ~(unsigned)MBOX_SEEN)) {
		buf_printf(w->out, "X-Status: %s%s%s%s", w->flags & MBOX_ANSWERED ? "A" : "",
			w->flags & MBOX_FLAGGED ? "F" : "", w->flags & MBOX_DRAFT ? "T" : "",
			w->flags & MBOX_DELETED ? "D" : "");
		put_end(w);
	}
	if (has[MBOX_FIELD_X_KEYWORDS] || w->keywords.len) {
		buf_str(w->out, "X-Keywords: ");
		buf_span_put(w->out, span_sub(w->keywords, 0, FIELDS_MAX));
		put_end(w);
	}
	for (int f = MBOX_FIELD_X_UID; f < MBOX_FIELD_GMAIL_LABELS; f++) {
		if (!has[f])
			continue;
		buf_printf(w->out, "%s: %s", mbox_field_name((enum mbox_field)f),
			f == MBOX_FIELD_CONTENT_LENGTH ? "-" : "");
		put_end(w);
	}
}

static void end_head(struct mbox_writer *w, bool has_fields)
{
	struct span head = buf_span(&w->head);

	put(w, head);
	if (head.len && head.ptr[head.len - 1] != '\n')
		put_end(w);
	if (has_fields)
		put_fields(w, head);
	buf_fini(&w->head);
	w->is_body = true;
}

/* ---- lines of the body ---- */

static void put_line(struct mbox_writer *w, struct span part, bool is_last)
{
	bool is_open;

	if (!w->is_line_open && mbox_quotes(part, &is_open) >= 0 &&
		mbox_quotes(part, &is_open) <= MBOX_QUOTES_MAX)
		buf_char(w->out, '>');
	put(w, part);
	w->is_line_open = !is_last;
}

static void write_body(struct mbox_writer *w, struct span octets)
{
	while (octets.len) {
		const char *lf = memchr(octets.ptr, '\n', octets.len);
		size_t n = lf ? (size_t)(lf - octets.ptr) + 1 : octets.len;
		struct span part = span_sub(octets, 0, n);
		bool is_open;

		octets = span_skip(octets, n);
		if (w->is_line_open || (!buf_len(&w->line) && lf)) {
			put_line(w, part, lf != NULL);
			continue;
		}
		/* the beginning of a line, cut: wait until it is known what it is */
		struct span more = span_sub(part, 0, buf_room(&w->line));
		buf_span_put(&w->line, more);
		mbox_quotes(buf_span(&w->line), &is_open);
		if (is_open && !lf && buf_room(&w->line))
			continue;
		bool is_all = more.len == part.len;
		put_line(w, buf_span(&w->line), lf && is_all);
		buf_clear(&w->line);
		if (!is_all)
			put_line(w, span_skip(part, more.len), lf != NULL);
	}
}

/* One line of the header section, or the first behind it. */
static void write_head_line(struct mbox_writer *w, struct span line)
{
	bool is_blank = span_eq(line, SPAN("\r\n")) || span_eq(line, SPAN("\n"));

	if (!is_blank && mbox_is_head_line(line, buf_span(&w->head))) {
		if (line.len <= buf_room(&w->head)) {
			buf_span_put(&w->head, line);
			return;
		}
		end_head(w, false);
		put(w, line);
		return;
	}
	/* a blank there would continue the last of our fields: then without them */
	end_head(w, line.ptr[0] != ' ' && line.ptr[0] != '\t');
	if (is_blank)
		put(w, line);
	else
		write_body(w, line);
}

/* Lines of the header section are whole when they are looked at. */
static struct span write_head(struct mbox_writer *w, struct span octets)
{
	while (octets.len && !w->is_body) {
		const char *lf = memchr(octets.ptr, '\n', octets.len);
		size_t n = lf ? (size_t)(lf - octets.ptr) + 1 : octets.len;
		struct span part = span_sub(octets, 0, n);

		octets = span_skip(octets, n);
		if (part.len > buf_room(&w->text)) { /* no line of a header section is that long */
			end_head(w, false);
			put(w, buf_span(&w->text));
			put(w, part);
			w->is_line_open = !lf;
			return octets;
		}
		if (!lf || buf_len(&w->text)) {
			buf_span_put(&w->text, part);
			part = buf_span(&w->text);
		}
		if (!lf)
			continue;
		write_head_line(w, part);
		buf_clear(&w->text);
	}
	return octets;
}

void mbox_write(struct mbox_writer *w, struct span octets)
{
	if (!w->is_body)
		octets = write_head(w, octets);
	if (octets.len)
		write_body(w, octets);
}

void mbox_write_end(struct mbox_writer *w)
{
	if (!w->is_body && buf_len(&w->text))
		write_head_line(w, buf_span(&w->text));
	if (!w->is_body) { /* it has no empty line behind its header section: it gets one */
		end_head(w, true);
		put_end(w);
		w->is_lacking_end = false;
	}
	if (buf_len(&w->line))
		put_line(w, buf_span(&w->line), true);
	if (w->is_lacking_end)
		buf_str(w->out, "\n\n");
	else
		put_end(w);
	buf_fini(&w->head);
	buf_fini(&w->line);
	buf_fini(&w->text);
}
