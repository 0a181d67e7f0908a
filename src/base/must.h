#pragma once
/* MUST(): a claim about our own code. It stays on in release builds and ends the process when it
 * is false, because going on would risk mail. Nothing a peer sends may reach a false MUST. */

void must_fail(const char *claim, const char *file, int line, const char *func)
	__attribute__((noreturn, cold));

#define MUST(claim) ((claim) ? (void)0 : must_fail(#claim, __FILE__, __LINE__, __func__))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
