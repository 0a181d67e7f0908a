#pragma once
/* Between the files of journeys. */

#include "proto/mail/journey.h"

void journey_judge(struct journey *j, const struct journey_options *options);
void journey_trust(struct journey *j, const struct journey_options *options);
void journey_auth_parse(struct arena *a, struct span value, struct journey_auth *auth_r);
void journey_spf_parse(struct arena *a, struct span value, struct journey_auth *auth_r);
void journey_signature_parse(struct arena *a, struct span value, struct journey_signature *s_r);
/** A host name that means nothing outside its own network: "localhost", "mail", "a.internal". */
bool journey_is_inner(struct span name);
