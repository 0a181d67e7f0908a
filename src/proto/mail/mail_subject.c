#include "proto/mail/mail_subject.h"

#include "proto/mail/mail_word.h"

static bool is_wsp(char c)
{
	return c == ' ' || c == '\t';
}

static struct span skip_wsp(struct span s)
{
	size_t n = 0;

	while (n < s.len && is_wsp(s.ptr[n]))
		n++;
	return span_skip(s, n);
}

/* Step 1: encoded words to UTF-8, tabs and folds to blanks, runs of blanks to one. */
static struct span as_line(struct arena *a, struct span value)
{
	struct span s = span_sub(mail_word_decode(a, value), 0, MAIL_SUBJECT_READ);
	char *out = arena_alloc(a, s.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		char c = is_wsp(s.ptr[i]) || s.ptr[i] == '\r' || s.ptr[i] == '\n' ? ' ' : s.ptr[i];

		if (c != ' ' || !n || out[n - 1] != ' ')
			out[n++] = c;
	}
	return span_of(out, n);
}

/* subj-blob = "[" *BLOBCHAR "]" *WSP, BLOBCHAR being all but brackets: its length, 0 for none. */
static size_t blob_length(struct span s)
{
	size_t n = 1;

	if (!s.len || s.ptr[0] != '[')
		return 0;
	while (n < s.len && s.ptr[n] != '[' && s.ptr[n] != ']')
		n++;
	if (n == s.len || s.ptr[n] != ']')
		return 0;
	n++;
	while (n < s.len && is_wsp(s.ptr[n]))
		n++;
	return n;
}

/* subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":" */
static size_t refwd_length(struct span s)
{
	struct span rest;

	if (span_starts_nocase(s, SPAN("re")))
		rest = span_skip(s, 2);
	else if (span_starts_nocase(s, SPAN("fwd")))
		rest = span_skip(s, 3);
	else if (span_starts_nocase(s, SPAN("fw")))
		rest = span_skip(s, 2);
	else
		return 0;
	rest = skip_wsp(rest);
	rest = span_skip(rest, blob_length(rest));
	return rest.len && rest.ptr[0] == ':' ? s.len - rest.len + 1 : 0;
}

/* Step 2: subj-trailer = "(fwd)" / WSP */
static struct span without_trailers(struct span s, bool *is_reply_r)
{
	for (;;) {
		if (s.len && is_wsp(s.ptr[s.len - 1])) {
			s.len--;
		} else if (span_ends_nocase(s, SPAN("(fwd)"))) {
			s.len -= 5;
			*is_reply_r = true;
		} else {
			return s;
		}
	}
}

/* Step 3: subj-leader = (*subj-blob subj-refwd) / WSP; false when there is none. */
static bool take_leader(struct span *s, bool *is_reply_r)
{
	struct span rest = *s;
	size_t n;

	if (s->len && is_wsp(s->ptr[0])) {
		*s = skip_wsp(*s);
		return true;
	}
	while ((n = blob_length(rest)))
		rest = span_skip(rest, n);
	n = refwd_length(rest);
	if (!n)
		return false;
	*s = span_skip(rest, n);
	*is_reply_r = true;
	return true;
}

/* Steps 3 to 5. Where no leader is behind all the blobs in front, there is none behind fewer of
 * them: they go one after the other, as long as something is left (step 4). */
static struct span without_leaders(struct span s, bool *is_reply_r)
{
	size_t n;

	while (take_leader(&s, is_reply_r))
		;
	while ((n = blob_length(s)) && n < s.len)
		s = span_skip(s, n);
	return s;
}

struct span mail_base_subject(struct arena *a, struct span value, bool *is_reply_r)
{
	struct span s = as_line(a, value);

	*is_reply_r = false;
	for (;;) {
		s = without_leaders(without_trailers(s, is_reply_r), is_reply_r);
		/* step 6: subj-fwd-hdr and subj-fwd-trl */
		if (!span_starts_nocase(s, SPAN("[fwd:")) || s.ptr[s.len - 1] != ']')
			return s;
		s = span_sub(s, 5, s.len - 6);
		*is_reply_r = true;
	}
}
