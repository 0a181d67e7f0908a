#include "proto/mail/mime_defect.h"

#include <stddef.h>

static const struct {
	const char *name;
	bool is_ambiguous;
} defects[MIME_DEFECT_COUNT] = {
#define X(id, text, ambiguous) [MIME_##id] = {text, ambiguous},
	MIME_DEFECTS(X)
#undef X
};

const char *mime_defect_str(enum mime_defect d)
{
	return (unsigned)d < MIME_DEFECT_COUNT ? defects[d].name : "unknown";
}

bool mime_defect_is_ambiguous(enum mime_defect d)
{
	return (unsigned)d < MIME_DEFECT_COUNT && defects[d].is_ambiguous;
}

uint64_t mime_defects_ambiguous(uint64_t set)
{
	uint64_t out = 0;

	for (unsigned d = 0; d < MIME_DEFECT_COUNT; d++)
		if (defects[d].is_ambiguous)
			out |= set & mime_bit((enum mime_defect)d);
	return out;
}
