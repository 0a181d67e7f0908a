/* xoshiro256** (Blackman and Vigna), seeded through splitmix64. */

#include <sys/random.h>

#include "base/must.h"
#include "run/loop_priv.h"

void random_seed(uint64_t state[4], uint64_t seed)
{
	for (int i = 0; i < 4; i++) {
		uint64_t z = (seed += 0x9e3779b97f4a7c15ULL);

		z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
		z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
		state[i] = z ^ (z >> 31);
	}
}

void random_seed_kernel(uint64_t state[4])
{
	uint64_t seed;

	/* Up to 256 bytes come whole or not at all (getrandom(2)); early boot may be interrupted. */
	while (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		;
	random_seed(state, seed);
}

static inline uint64_t random_rotl(uint64_t x, int k)
{
	return x << k | x >> (64 - k);
}

uint64_t random_next(uint64_t s[4])
{
	uint64_t result = random_rotl(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = random_rotl(s[3], 45);
	return result;
}
