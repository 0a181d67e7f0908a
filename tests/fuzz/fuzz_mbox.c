/* An mbox in any cut: the same messages whatever the cut; what was read is written and read back the same. */
#include <stdlib.h>

#include "base/must.h"
#include "proto/mail/mbox.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each message as its flags and octets, an octet 0xff behind it (which cannot be told from one of the message:
 * both sides have it the same). */
static void read_all(
	struct span file, size_t step, enum mbox_kind kind, struct buf *out, struct buf *again)
{
	struct span in = SPAN_NONE;
	struct mbox_event ev = {0};
	struct buf one;
	struct mbox m;
	size_t at = 0;

	buf_init(&one, 4 * file.len + 64);
	mbox_init(&m, kind);
	while (ev.kind != MBOX_OVER) {
		mbox_next(&m, &in, &ev);
		if (ev.kind == MBOX_MORE) {
			in = span_sub(file, at, step);
			at += in.len;
			if (!in.len)
				mbox_finish(&m);
		} else if (ev.kind == MBOX_PROBE) {
			bool is_in = ev.offset <= file.len;

			mbox_probed(&m,
				is_in ? span_sub(file, ev.offset, MBOX_PROBE_BYTES) : SPAN_NONE,
				is_in && file.len - ev.offset <= MBOX_PROBE_BYTES);
		} else if (ev.kind == MBOX_BEGIN) {
			buf_clear(&one);
			buf_printf(out, "%u " SPAN_FMT "|", m.letter.flags,
				SPAN_ARG(m.letter.keywords));
		} else if (ev.kind == MBOX_OCTETS) {
			buf_span_put(&one, ev.octets);
		} else if (ev.kind == MBOX_END) {
			struct span all = buf_span(&one);
			struct mbox_writer w;
			char last = 0;

			buf_span_put(out, all);
			buf_char(out, (char)0xff);
			if (!again || !all.len)
				continue;
			bool is_bare = mbox_is_bare(all, &last) || last == '\r';
			mbox_write_begin(&w, again, &m.letter, is_bare, last != '\n');
			mbox_write(&w, all);
			mbox_write_end(&w);
		}
	}
	MUST(m.offset == file.len && buf_ok(out) && buf_ok(&one));
	mbox_fini(&m);
	buf_fini(&one);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span file = span_of(data, size);
	struct buf one, other, again;

	if (size < 2 || size > 8192)
		return 0;
	enum mbox_kind kind = data[0] % 5;
	file = span_skip(file, 1);
	buf_init(&one, 8 * size + 4096);
	buf_init(&other, 8 * size + 4096);
	buf_init(&again, 64 * size + 4096);
	read_all(file, file.len, kind, &one, &again);
	read_all(file, 1 + data[0] / 5 % 7, kind, &other, NULL);
	MUST(span_eq(buf_span(&one), buf_span(&other)));
	MUST(buf_ok(&again));
	/* what was once written stays as it is */
	struct buf twice, first, second;

	buf_init(&twice, 256 * size + 4096);
	buf_init(&first, 64 * size + 4096);
	buf_init(&second, 64 * size + 4096);
	read_all(buf_span(&again), buf_len(&again) + 1, MBOX_AUTO, &first, &twice);
	read_all(buf_span(&twice), buf_len(&twice) + 1, MBOX_AUTO, &second, NULL);
	MUST(span_eq(buf_span(&first), buf_span(&second)));
	buf_fini(&one);
	buf_fini(&other);
	buf_fini(&again);
	buf_fini(&twice);
	buf_fini(&first);
	buf_fini(&second);
	return 0;
}
