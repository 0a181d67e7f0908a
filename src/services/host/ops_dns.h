#pragma once
/* The states of an advice about DNS; the words are in the answers of the operation "dns". */

#define DNS_ADVICE_STATES(X)                                                                       \
	X(OK, "ok")                                                                                \
	X(OPTIONAL, "optional")                                                                    \
	X(MISSING, "missing")                                                                      \
	X(WRONG, "wrong")                                                                          \
	X(UNKNOWN, "unknown")
enum dns_advice_state {
#define X(id, text) DNS_ADVICE_##id,
	DNS_ADVICE_STATES(X)
#undef X
};
const char *dns_advice_str(enum dns_advice_state s);
