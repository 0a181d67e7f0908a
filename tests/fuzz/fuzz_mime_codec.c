/* Any cut gives what the whole gives, and what is encoded comes back. The first octet chooses the
 * coding and the size of pieces. */
#include "base/must.h"
#include "proto/mail/mime_charset.h"
#include "proto/mail/mime_codec.h"
#include "proto/mail/mime_flowed.h"

static const char *const charsets[] = {
	"gb18030", "big5", "iso-2022-jp", "shift_jis", "utf-8", "koi8-r", "euc-jp", "euc-kr"};

static void run(struct span in, unsigned mode, size_t step, struct buf *out)
{
	struct mime_flowed flowed = {.is_delsp = mode & 8};
	struct mime_charset *c = mime_charset_new(span_str(charsets[mode / 4 % 8]));
	struct mime_decoder d;

	mime_decoder_init(&d, mode & 1 ? MIME_CTE_BASE64 : MIME_CTE_QP);
	for (; in.len; in = span_skip(in, step)) {
		struct span piece = span_sub(in, 0, step);

		if ((mode & 3) < 2)
			mime_decoder_feed(&d, piece, out);
		else if (mode & 1)
			mime_charset_feed(c, piece, out);
		else
			mime_flowed_feed(&flowed, piece, out);
	}
	if ((mode & 3) < 2)
		mime_decoder_end(&d, out);
	else if (mode & 1)
		mime_charset_end(c, out);
	else
		mime_flowed_end(&flowed, out);
	mime_charset_free(&c);
}

static void there_and_back(struct span in, bool is_text, enum mime_encoding encoding)
{
	struct mime_encoder c;
	struct mime_decoder d;
	struct buf coded, back;

	buf_init(&coded, in.len * 4 + 100);
	buf_init(&back, in.len * 4 + 100);
	mime_encoder_init(&c, encoding, is_text);
	mime_encoder_feed(&c, span_sub(in, 0, in.len / 3), &coded);
	mime_encoder_feed(&c, span_skip(in, in.len / 3), &coded);
	mime_encoder_end(&c, &coded);
	mime_decoder_init(&d, encoding);
	mime_decoder_feed(&d, buf_span(&coded), &back);
	mime_decoder_end(&d, &back);
	MUST(buf_ok(&coded) && buf_ok(&back) && span_eq(buf_span(&back), in));
	buf_fini(&coded);
	buf_fini(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned mode = size ? data[0] : 0;
	struct span in = span_skip(span_of(data, size), 1);
	struct buf a, b;

	buf_init(&a, 4 * size + 1000 + in.len * 100);
	buf_init(&b, 4 * size + 1000 + in.len * 100);
	run(in, mode, in.len, &a);
	run(in, mode, mode / 32 + 1, &b);
	MUST(buf_ok(&a) && span_eq(buf_span(&a), buf_span(&b)));
	there_and_back(in, mode & 4, mode & 8 ? MIME_CTE_BASE64 : MIME_CTE_QP);
	buf_fini(&a);
	buf_fini(&b);
	return 0;
}
