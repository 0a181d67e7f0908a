#include "services/host/nearest.h"

#include "base/must.h"

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Optimal string alignment: three rows of the table are enough. */
unsigned nearest_distance(struct span a, struct span b)
{
	unsigned rows[3][NEAREST_NAME_MAX + 1];

	if (a.len > NEAREST_NAME_MAX || b.len > NEAREST_NAME_MAX)
		return NEAREST_NAME_MAX + 1;
	for (unsigned j = 0; j <= b.len; j++)
		rows[0][j] = j;
	for (unsigned i = 1; i <= a.len; i++) {
		unsigned *now = rows[i % 3], *up = rows[(i + 2) % 3], *up2 = rows[(i + 1) % 3];
		unsigned char x = span_lower((unsigned char)a.ptr[i - 1]);

		now[0] = i;
		for (unsigned j = 1; j <= b.len; j++) {
			unsigned char y = span_lower((unsigned char)b.ptr[j - 1]);

			now[j] = least(up[j - 1] + (x != y), least(up[j], now[j - 1]) + 1);
			if (i > 1 && j > 1 && x == span_lower((unsigned char)b.ptr[j - 2]) &&
				y == span_lower((unsigned char)a.ptr[i - 2]))
				now[j] = least(now[j], up2[j - 2] + 1);
		}
	}
	return rows[a.len % 3][b.len];
}

void nearest_init(struct nearest *n, struct span word)
{
	*n = (struct nearest){.word = word};
	if (word.len > NEAREST_NAME_MAX)
		return;
	/* a third of the letters may be wrong, and always one */
	n->distance = (unsigned)(word.len / 3 + 2);
}

void nearest_offer(struct nearest *n, const char *name)
{
	unsigned d = nearest_distance(n->word, span_str(name));

	/* a word whose letters are all wrong is no likeness */
	if (d < n->distance && d < n->word.len) {
		n->distance = d;
		n->best = name;
	}
}
