/* base/enc, base/json_out, base/utf8, base/clock: what decodes comes back the same when encoded, and
 * what is quoted is one line of valid UTF-8. */
#include "base/clock.h"
#include "base/enc.h"
#include "base/json_out.h"
#include "base/must.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct span in = span_of(p, n);
	struct buf a, b;
	uint64_t id;
	int64_t ns;

	buf_init(&a, n * 6 + 16);
	buf_init(&b, n * 6 + 16);
	if (enc_get_base64(&a, in)) {
		enc_put_base64(&b, buf_span(&a));
		MUST(span_eq(buf_span(&b), in));
	}
	buf_clear(&a), buf_clear(&b);
	if (enc_get_hex(&a, in)) {
		enc_put_hex(&b, buf_span(&a));
		MUST(span_eq_nocase(buf_span(&b), in));
	}
	buf_clear(&a), buf_clear(&b);
	if (enc_get_id(in, &id)) {
		enc_put_id(&a, id);
		MUST(span_eq_nocase(buf_span(&a), in));
	}
	buf_clear(&a);
	json_quote(&a, in);
	MUST(buf_ok(&a) && utf8_is_valid(buf_span(&a)) && !span_has_line_break(buf_span(&a)));
	MUST(!clock_parse_duration(in, &ns) || ns >= 0);
	buf_fini(&a);
	buf_fini(&b);
	return 0;
}
