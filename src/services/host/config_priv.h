#pragma once
/* Inside the configuration reader. */

#include "services/acme/acme.h"
#include "services/host/config.h"

/* Where a name stands in the file: filled by the scan, asked when a value is wrong. */
struct config_place {
	const struct config_setting *setting; /* NULL: a section's head */
	const struct config_section *section;
	size_t instance; /* of the section: 0 for the first in the file */
	struct span title;
	unsigned line;
};

struct config_scan {
	struct arena *arena;
	struct config_errors *errs;
	struct span text;
	size_t at;
	unsigned line;
	size_t place_count, place_cap;
	struct config_place *places;
};

/** What the section acme says, without the key of an external account (host_acme.c). Borrowed. */
void host_acme_settings(const struct config *c, struct acme_settings *s_r);
void config_error(struct config_errors *errs, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/** Find everything that is wrong with the shape and the names of the file, and where each setting
 * stands. Results live in sc->arena. */
void config_scan_run(struct config_scan *sc);
/** The line of a setting in the given instance of its section; 0: not in the file. */
unsigned config_scan_line(
	const struct config_scan *sc, const struct config_setting *s, size_t instance);

/** Parse one setting's values into its place at `base`; false and an error when wrong. */
bool config_value_set(struct arena *a, void *base, const struct config_setting *s,
	const char *const *values, size_t count, struct config_errors *errs, unsigned line);
/** Its preset. MUST be right. */
void config_value_preset(struct arena *a, void *base, const struct config_setting *s);
