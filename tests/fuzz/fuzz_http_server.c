/* A whole connection over a stream in memory; the first octet chooses the cut and who connects. Whatever
 * comes, it ends, and what is said is HTTP. */
#include "../lib/http_play.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned mode = size ? data[0] : 0;
	struct addr_net net;
	struct http_play p;

	http_play_init(&p, span_skip(span_of(data, size), 1));
	addr_net_parse(SPAN("10.0.0.0/8"), &net, NULL);
	addr_parse_ip(mode & 1 ? SPAN("10.0.0.1") : SPAN("192.0.2.1"), 1, &p.peer);
	p.opts.proxies = &net;
	p.opts.proxy_count = 1;
	p.opts.proxy_field = mode & 2 ? HTTP_PROXY_FORWARDED : HTTP_PROXY_X_FORWARDED;
	p.opts.limits.requests = 50;
	p.step = mode / 4 % 16;
	http_play_run(&p);
	MUST(p.asked <= 50 && p.asked <= p.conn.requests);
	MUST(!buf_len(&p.out) || span_starts(buf_span(&p.out), SPAN("HTTP/1.1 ")));
	http_play_fini(&p);
	return 0;
}
