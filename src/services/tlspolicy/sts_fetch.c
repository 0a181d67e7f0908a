#include "services/tlspolicy/sts_fetch.h"

#include "services/fetch/fetch.h"

/* RFC 8461 section 3.3: 200 and text/plain, nothing else. */
static int check_answer(const struct fetch_answer *answer, struct err *e)
{
	struct span type, parameters;

	span_cut(span_str(answer->type), ';', &type, &parameters);
	if (answer->status != 200)
		return err_set(e, ERR_REPLY, "the web server answers %ld", answer->status);
	if (!span_eq_nocase(span_trim(type), SPAN("text/plain")))
		return err_set(e, ERR_PROTO, "it comes as %s, not as text/plain",
			answer->type ? answer->type : "nothing");
	return 0;
}

FIBER int sts_fetch(const struct sts_fetch *f, struct arena *a, struct span domain,
	struct span *text_r, enum tlsrpt_result *kind_r, struct err *e)
{
	struct fetch_request r = {.lane = f->lane,
		.dns = f->dns,
		.url = arena_printf(a, "https://mta-sts." SPAN_FMT "/.well-known/mta-sts.txt",
			SPAN_ARG(domain)),
		.body_max = MTA_STS_FILE_MAX,
		.timeout_ns = f->timeout_ns ? f->timeout_ns : STS_FETCH_NS,
		.agent = f->agent,
		.ca_file = f->ca_file,
		.port = f->port,
		.address = f->address};
	struct fetch_answer answer;

	*kind_r = TLSRPT_STS_POLICY_FETCH_ERROR;
	*text_r = SPAN_NONE;
	if (fetch_run(&r, a, &answer, e) < 0) {
		if (answer.is_untrusted)
			*kind_r = TLSRPT_STS_WEBPKI_INVALID;
		return -1;
	}
	if (check_answer(&answer, e) < 0)
		return -1;
	*text_r = answer.body;
	return 0;
}
