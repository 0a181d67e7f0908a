#pragma once
/* What the store keeps about TLS, in memory: stands in place of store/tls_facts.c and tls_results.c. A
 * test program includes it once. Rows match by their whole name. */

#include <string.h>

#include "base/must.h"
#include "store/tls_facts.h"

#define FAKE_TLS_RESULTS 32

static struct {
	struct tls_override row; /* match "": none */
	uint64_t generation;     /* grows with each change of it */
	struct sts_fact sts;     /* domain "": none */
	unsigned puts, adds;
	size_t count;
	struct {
		char text[160]; /* "policy mx kind sessions" */
	} results[FAKE_TLS_RESULTS];
} the_tls_facts;

const char *tls_level_str(enum tls_level l)
{
	static const char *const names[] = {
#define X(id, name) [TLS_LEVEL_##id] = name,
		TLS_LEVELS(X)
#undef X
	};

	return names[l];
}

uint64_t store_directory_generation(const struct store *s)
{
	return the_tls_facts.generation;
}

FIBER int tls_override_find(struct store *s, struct arena *a, struct span destination,
	struct tls_override *row_r, bool *is_found_r, struct err *e)
{
	*is_found_r = the_tls_facts.row.match.len && span_eq(the_tls_facts.row.match, destination);
	*row_r = *is_found_r ? the_tls_facts.row : (struct tls_override){0};
	return 0;
}

FIBER int sts_fact_find(struct store *s, struct arena *a, struct span domain,
	struct sts_fact *fact_r, bool *is_found_r, struct err *e)
{
	*is_found_r = the_tls_facts.sts.domain.len && span_eq(the_tls_facts.sts.domain, domain);
	*fact_r = *is_found_r ? the_tls_facts.sts : (struct sts_fact){.domain = domain};
	return 0;
}

FIBER int sts_fact_put(struct store *s, const struct sts_fact *fact, struct err *e)
{
	the_tls_facts.puts++;
	return 0;
}

FIBER int sts_fact_sweep(struct store *s, int64_t before_ns, struct err *e)
{
	return 0;
}

FIBER int tls_result_add(
	struct store *s, const struct tls_result *rows, size_t count, struct err *e)
{
	the_tls_facts.adds++;
	for (size_t i = 0; i < count; i++) {
		MUST(the_tls_facts.count < FAKE_TLS_RESULTS);
		snprintf(the_tls_facts.results[the_tls_facts.count++].text,
			sizeof(the_tls_facts.results[0].text),
			SPAN_FMT " " SPAN_FMT " " SPAN_FMT " %u", SPAN_ARG(rows[i].policy),
			SPAN_ARG(rows[i].mx),
			SPAN_ARG(rows[i].kind.len ? rows[i].kind : SPAN("success")),
			(unsigned)rows[i].sessions);
	}
	return 0;
}

FIBER int tls_result_sweep(struct store *s, int64_t before_day, struct err *e)
{
	return 0;
}
