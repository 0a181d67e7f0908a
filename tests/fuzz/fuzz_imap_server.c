/* A whole session over a stream in memory; the first octet chooses the capabilities and the cut. imap_play.h
 * aborts when the decider is asked out of turn, or when what was begun does not end. */
#include "../lib/imap_play.h"

struct fuzz_session {
	struct span in;
	unsigned mode;
};

static FIBER int session(void *arg)
{
	struct fuzz_session *f = arg;
	struct imap_play p;

	imap_play_init(&p);
	p.opts.limits.append_octets = 1000;
	p.opts.limits.command = 8192;
	p.opts.limits.command_early = 1024;
	p.opts.limits.auth_delay_ns = 0;
	p.opts.limits.errors_hard = 0;
	p.opts.caps = f->mode & 1 ? IMAP_BITS_ALL & ~IMAP_BIT(LITERAL_PLUS) : IMAP_BITS_ALL;
	imap_play_start(&p);
	imap_play_hear(&p);
	if (f->mode & 2)
		imap_play_say(&p, SPAN("l LOGIN alice wonder\r\ns SELECT INBOX\r\n"), 0);
	imap_play_say(&p, f->in, f->mode / 4 % 16);
	imap_play_stop(&p);
	MUST(buf_len(&p.out) > 0);
	imap_play_fini(&p);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct loop_opts opts = {.name = "play", .slice_warn_ns = 60 * CLOCK_SEC};
	struct loop *l = loop_new_sim(&opts, 1795415400 * CLOCK_SEC);
	struct fuzz_session f = {
		.in = span_skip(span_of(data, size), 1), .mode = size ? data[0] : 0};
	struct err e = {0};

	MUST(loop_run(l, session, &f, &e) == 0);
	loop_free(&l);
	return 0;
}
