/* A whole session over a stream in memory; the first octet chooses the cut and what is offered.
 * pop3_play.h aborts when the decider is asked out of turn. */
#include "../lib/pop3_play.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned mode = size ? data[0] : 0;
	struct pop3_play p;

	pop3_play_init(&p, span_skip(span_of(data, size), 1));
	p.opts.limits.auth_delay_ns = 0;
	p.step = mode % 16;
	p.cut = mode / 16 % 4;
	p.opts.is_utf8_needed = mode & 64;
	if (mode & 128)
		p.mechs = "PLAIN LOGIN";
	pop3_play_run(&p);
	/* messages go at QUIT alone */
	MUST(buf_len(&p.out) > 0 && p.updates <= p.opened && p.opened <= 1);
	pop3_play_fini(&p);
	return 0;
}
