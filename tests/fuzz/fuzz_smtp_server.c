/* A whole session over a stream in memory; the first octet chooses LMTP, line ends and the cut.
 * smtp_play.h aborts when the decider is asked out of turn or a transaction does not end. */
#include "../lib/smtp_play.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned mode = size ? data[0] : 0;
	struct play p;

	play_init(&p, span_skip(span_of(data, size), 1));
	p.opts.is_lmtp = mode & 1;
	p.opts.newlines = mode & 2 ? SMTP_NEWLINES_NORMALISE : SMTP_NEWLINES_REFUSE;
	p.opts.limits.message_octets = 1000;
	p.opts.limits.errors_delay_ns = 0;
	p.step = mode / 4 % 16;
	p.extensions = mode & 4 ? SMTP_SERVER_EXTENSIONS : 0;
	if (mode & 64) {
		p.mechs = "SCRAM-SHA-256 XOAUTH2 PLAIN LOGIN";
		p.is_clear = mode & 128;
		p.opts.limits.auth_delay_ns = 0;
	}
	play_run(&p);
	MUST(buf_len(&p.out) > 0 && p.accepted <= p.begun);
	play_fini(&p);
	return 0;
}
