#include "proto/mail/mime_parse.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "proto/mail/mime_priv.h"

#define RUN_MAX     (64 << 10) /* what a run's end is looked for in, again where a header ends */
#define COUNT_BLOCK 128 /* counters of one octet do not overflow, and the compiler sees a vector */

/* An octet stands before `s`. */
static void count_block(struct mime_counts *c, const char *s)
{
	const char *before = s - 1;
	unsigned char lf = 0, cr = 0, crlf = 0, nul = 0, high = 0;

	for (size_t i = 0; i < COUNT_BLOCK; i++) {
		lf = (unsigned char)(lf + (s[i] == '\n'));
		cr = (unsigned char)(cr + (s[i] == '\r'));
		nul = (unsigned char)(nul + (s[i] == '\0'));
		high = (unsigned char)(high + (s[i] < 0));
		crlf = (unsigned char)(crlf + ((s[i] == '\n') & (before[i] == '\r')));
	}
	c->lf += lf;
	c->cr += cr;
	c->crlf += crlf;
	c->nul += nul;
	c->high += high;
}

void mime_count(struct mime_counts *c, struct span s)
{
	size_t i = 0;

	while (i < s.len) {
		unsigned char o = (unsigned char)s.ptr[i];

		if (i && s.len - i >= COUNT_BLOCK) {
			count_block(c, s.ptr + i);
			i += COUNT_BLOCK;
			c->last = s.ptr[i - 1];
			continue;
		}
		c->crlf += o == '\n' && c->last == '\r';
		c->lf += o == '\n';
		c->cr += o == '\r';
		c->nul += o == '\0';
		c->high += o >= 0x80;
		c->last = (char)o;
		i++;
	}
}

void mime_note(struct mime_parser *p, struct mime_part *part, enum mime_defect d, uint64_t at)
{
	struct mime_tree *t = p->tree;

	if (part->defects & mime_bit(d))
		return;
	part->defects |= mime_bit(d);
	t->defects |= mime_bit(d);
	if (t->noted_count == p->limits.defects)
		return;
	/* a power of two: the array is as full as it was made */
	if ((t->noted_count & (t->noted_count - 1)) == 0) {
		size_t room = t->noted_count ? t->noted_count * 2 : 1;
		struct mime_noted *more = ARENA_ARRAY(p->a, struct mime_noted, room);

		if (t->noted_count)
			memcpy(more, t->noted, t->noted_count * sizeof(*more));
		t->noted = more;
	}
	t->noted[t->noted_count++] = (struct mime_noted){d, part, at};
}

void mime_note_set(struct mime_parser *p, struct mime_part *part, uint64_t set, uint64_t at)
{
	for (unsigned d = 0; set && d < MIME_DEFECT_COUNT; d++) {
		if (set & mime_bit((enum mime_defect)d))
			mime_note(p, part, (enum mime_defect)d, at);
		set &= ~mime_bit((enum mime_defect)d);
	}
}

void mime_tree_note(struct arena *a, struct mime_tree *t, struct mime_part *part,
	enum mime_defect defect, uint64_t offset)
{
	struct mime_parser p = {.a = a, .tree = t, .limits = {.defects = MIME_DEFECTS_MAX}};

	mime_note(&p, part, defect, offset);
}

static uint32_t hash_of(struct span s)
{
	uint32_t h = 2166136261u; /* FNV-1a: only spares comparisons */

	for (size_t i = 0; i < s.len; i++)
		h = (h ^ (unsigned char)s.ptr[i]) * 16777619u;
	return h;
}

static bool may_open(const struct mime_parser *p)
{
	return p->tree->part_count < p->limits.parts &&
		(p->total_fields < p->limits.fields || !p->total_fields);
}

/* A new part begins at the octet `at`; where there may be no more of them, its octets stay in the
 * parent. */
static bool open_part(struct mime_parser *p, struct mime_part *parent, uint64_t at)
{
	struct mime_part *part;

	if (parent && !may_open(p)) {
		mime_note(p, parent, MIME_PARTS_TOO_MANY, at);
		p->part = parent;
		p->section = SECTION_BODY;
		return false;
	}
	part = ARENA_NEW(p->a, struct mime_part);
	part->parent = parent;
	part->header_offset = at;
	if (parent) {
		part->depth = parent->depth + 1;
		part->number = ++parent->child_count;
		if (parent->last)
			parent->last->next = part;
		else
			parent->first = part;
		parent->last = part;
	}
	p->tree->part_count++;
	p->part = part;
	p->section = SECTION_HEADER;
	mail_header_init(&p->header, mime_take_field, p);
	p->is_header_open = true;
	p->at_header = p->at_line = p->counts;
	return true;
}

static void push_level(struct mime_parser *p, struct mime_part *part)
{
	MUST(p->level_count < p->limits.depth);
	p->hashes[p->level_count] = hash_of(part->boundary);
	p->levels[p->level_count++] = (struct mime_level){part, false};
}

/* The header section of p->part is complete. `is_last`: nothing follows, neither body nor parts. */
static void end_header(struct mime_parser *p, bool is_last)
{
	struct mime_part *part = p->part;
	struct mime_counts line = p->at_line;

	part->body_offset = part->header_offset + p->header.body_offset;
	part->header_lines = p->counts.lf - p->at_header.lf;
	p->body_counts[part->depth] = part->body_offset == p->at ? p->counts : p->at_line;
	/* the line that ended the section may have begun in an earlier piece */
	if (!is_last)
		p->is_line_start = part->body_offset == p->at;
	p->section = SECTION_BODY;
	mime_interpret(p, part);
	mail_header_fini(&p->header);
	p->is_header_open = false;
	if (part->kind == MIME_MULTIPART && part->boundary.len) {
		if (!is_last)
			push_level(p, part);
	} else if (part->kind == MIME_MESSAGE) {
		if (!open_part(p, part, part->body_offset)) {
			part->kind = MIME_LEAF;
		} else if (is_last || !p->is_line_start) {
			if (part->body_offset < p->at) { /* that line is no field here either */
				p->header.troubles |= MAIL_HEADER_NO_FIELD;
				p->at_line = line;
			}
			mail_header_finish(&p->header);
			end_header(p, is_last);
		}
	}
}

/* A header section may turn out to have ended where its last line began. */
static void count_lines(struct mime_parser *p, struct span s)
{
	ptrdiff_t lf = p->section == SECTION_HEADER ? span_rfind(s, '\n') : -1;

	if (lf >= 0) {
		mime_count(&p->counts, span_sub(s, 0, (size_t)lf + 1));
		p->at_line = p->counts;
		s = span_skip(s, (size_t)lf + 1);
	}
	mime_count(&p->counts, s);
}

/* Octets go to the section that is open. Returns how many it took: fewer than all when its header
 * section ended. */
static size_t give(struct mime_parser *p, struct span s)
{
	size_t n = s.len;
	char before = p->counts.last;

	if (p->section == SECTION_HEADER)
		n = mail_header_feed(&p->header, s);
	count_lines(p, span_sub(s, 0, n));
	p->at += n;
	if (n) {
		p->is_line_start = s.ptr[n - 1] == '\n';
		before = n > 1 ? s.ptr[n - 2] : before;
		p->line_end = !p->is_line_start ? 0 : before == '\r' ? 2 : 1;
	}
	if (p->section == SECTION_HEADER && p->header.is_done)
		end_header(p, false);
	return n;
}

static void check_body(
	struct mime_parser *p, struct mime_part *part, const struct mime_counts *from)
{
	const struct mime_counts *now = &p->counts;

	part->has_8bit = now->high != from->high;
	part->has_nul = now->nul != from->nul;
	if (part->kind != MIME_LEAF || part->encoding == MIME_CTE_BINARY)
		return;
	if (part->has_nul)
		mime_note(p, part, MIME_BODY_NUL, part->body_offset);
	if (part->has_8bit && part->encoding != MIME_CTE_8BIT)
		mime_note(p, part, MIME_ENCODING_8BIT, part->body_offset);
	if (now->cr - from->cr != now->crlf - from->crlf)
		mime_note(p, part, MIME_BARE_CR, part->body_offset);
}

/* The part ends in front of the octet p->at, and of the line end before that when a boundary
 * stands there (RFC 2046 section 5.1.1). */
static void close_part(struct mime_parser *p, struct mime_part *part, unsigned line_end)
{
	const struct mime_counts *from = &p->body_counts[part->depth];
	bool has_line_end = line_end && p->at >= part->body_offset + line_end;

	/* a header section keeps its last line end, and a part holds all of its own parts */
	if (part->last && part->last->end_offset + line_end > p->at)
		has_line_end = false;
	part->end_offset = p->at - (has_line_end ? line_end : 0);
	part->body_lines = p->counts.lf - from->lf - has_line_end;
	check_body(p, part, from);
	if (part->kind != MIME_MULTIPART)
		return;
	if (!part->epilogue_offset || part->epilogue_offset > part->end_offset)
		part->epilogue_offset = part->end_offset;
	if (!part->preamble_end)
		part->preamble_end = part->end_offset;
	if (!part->child_count) {
		if (part->boundary.len)
			mime_note(p, part, MIME_START_MISSING, part->body_offset);
	}
}

/* Close what is open below `until` (NULL: all). */
static void close_below(struct mime_parser *p, struct mime_part *until, unsigned line_end)
{
	if (p->is_header_open) {
		mail_header_finish(&p->header);
		end_header(p, true);
	}
	while (p->level_count && p->levels[p->level_count - 1].part != until) {
		struct mime_level *l = &p->levels[p->level_count - 1];

		/* `until` itself may be closed already and still stand here */
		if (until && l->part->depth <= until->depth)
			break;
		if (!l->is_closed)
			mime_note(p, l->part, MIME_CLOSE_MISSING, p->at);
		p->level_count--;
	}
	while (p->part && p->part != until) {
		close_part(p, p->part, line_end);
		p->part = p->part->parent;
	}
}

static struct span boundary_text(struct span line)
{
	line = span_skip(line, 2);
	if (line.len && line.ptr[line.len - 1] == '\n')
		line.len--;
	if (line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	while (line.len && (line.ptr[line.len - 1] == ' ' || line.ptr[line.len - 1] == '\t'))
		line.len--;
	return line;
}

/* Which level's boundary is this line, innermost first? Closed ones are noted only. */
static struct mime_level *find_level(struct mime_parser *p, struct span text, bool *is_close_r)
{
	struct span head = text;
	uint32_t whole = hash_of(text), part = 0;
	bool may_close = text.len > 2 && span_eq(span_skip(text, text.len - 2), SPAN("--"));

	if (may_close) {
		head = span_sub(text, 0, text.len - 2);
		part = hash_of(head);
	}
	for (size_t i = p->level_count; i-- > 0;) {
		struct mime_level *l = &p->levels[i];

		*is_close_r = false;
		if (p->hashes[i] != whole || !span_eq(text, l->part->boundary)) {
			if (!may_close || p->hashes[i] != part || !span_eq(head, l->part->boundary))
				continue;
			*is_close_r = true;
		}
		if (!l->is_closed)
			return l;
		mime_note(p, l->part, MIME_BOUNDARY_AGAIN, p->at);
	}
	for (size_t i = p->level_count; i-- > 0;)
		if (!p->levels[i].is_closed) {
			if (span_starts(text, p->levels[i].part->boundary))
				mime_note(p, p->levels[i].part, MIME_BOUNDARY_TAIL, p->at);
			break;
		}
	return NULL;
}

/* Is the line that begins at p->at a boundary? Then it is dealt with. */
static bool take_boundary(struct mime_parser *p, struct span line)
{
	struct mime_level *l;
	struct mime_part *part;
	unsigned line_end = p->line_end;
	bool is_close;

	if (line.len < 3 || line.ptr[0] != '-' || line.ptr[1] != '-')
		return false;
	l = find_level(p, boundary_text(line), &is_close);
	if (!l)
		return false;
	part = l->part;
	close_below(p, part, line_end);
	p->part = part;
	if (!part->preamble_end)
		part->preamble_end = p->at >= part->body_offset + line_end ? p->at - line_end
									   : part->body_offset;
	mime_count(&p->counts, line);
	p->at += line.len;
	p->is_line_start = true;
	p->line_end = line.ptr[line.len - 1] != '\n' ? 0 : line.ptr[line.len - 2] == '\r' ? 2 : 1;
	if (is_close) {
		p->levels[p->level_count - 1].is_closed = true;
		part->epilogue_offset = p->at;
		p->section = SECTION_BODY;
	} else {
		open_part(p, part, p->at);
	}
	return true;
}

/* A whole line (or the message's last) that may be a boundary, or turned out not to be one. A
 * header section that it ends may open a level whose boundary it is. */
static void take_line(struct mime_parser *p, struct span line)
{
	while (line.len) {
		if (p->is_line_start && take_boundary(p, line))
			return;
		line = span_skip(line, give(p, line));
	}
}

/* The beginning of a line that may be a boundary: kept until the line is whole. Returns how many
 * octets were taken. */
static size_t hold_line(struct mime_parser *p, struct span s)
{
	size_t held = buf_len(&p->line), room = MIME_LINE_HELD - held, n;
	struct span line, end = span_sub(s, 0, room);
	ptrdiff_t lf = span_find(end, '\n');

	n = lf >= 0 ? (size_t)lf + 1 : end.len;
	line = span_sub(s, 0, n);
	if (held || lf < 0) {
		buf_span_put(&p->line, line);
		line = buf_span(&p->line);
		if (lf < 0 && line.len < MIME_LINE_HELD && (line.len < 2 || line.ptr[1] == '-'))
			return n;
	}
	take_line(p, line);
	buf_clear(&p->line);
	return n;
}

/* How far the octets go without a line that may be a boundary. */
static size_t run_length(const struct mime_parser *p, struct span s)
{
	const char *hit;

	/* a header section may open a level */
	if (p->level_count == 0 && p->section == SECTION_BODY)
		return s.len;
	s = span_sub(s, 0, RUN_MAX);
	hit = memmem(s.ptr, s.len, "\n--", 3);
	if (hit)
		return (size_t)(hit - s.ptr) + 1;
	/* a beginning of one at the end of the piece */
	return s.len > 1 && s.ptr[s.len - 1] == '-' && s.ptr[s.len - 2] == '\n' ? s.len - 1 : s.len;
}

/* "From alice@example.org Mon Nov 23 …": what an mbox has in front. Returns octets taken. */
static size_t take_from_line(struct mime_parser *p, struct span s)
{
	static const char word[] = "From ";
	ptrdiff_t lf;
	size_t n = 0, before = buf_len(&p->line);

	if (!p->is_in_from_line) {
		while (n < s.len && buf_len(&p->line) < 5 && s.ptr[n] == word[buf_len(&p->line)])
			buf_char(&p->line, s.ptr[n++]);
		if (buf_len(&p->line) < 5 && n == s.len)
			return n;
		p->allows_from_line = false;
		p->is_in_from_line = buf_len(&p->line) == 5;
		if (!p->is_in_from_line) {
			take_line(p, buf_span(&p->line));
			buf_clear(&p->line);
			return n;
		}
	}
	lf = span_find(span_skip(s, n), '\n');
	n = lf < 0 ? s.len : n + (size_t)lf + 1;
	p->at += n + before;
	buf_clear(&p->line);
	if (lf >= 0)
		p->is_in_from_line = false;
	p->part->header_offset = p->at;
	return n;
}

void mime_parser_feed(struct mime_parser *p, struct span octets)
{
	while (octets.len) {
		size_t n;

		if (p->allows_from_line || p->is_in_from_line)
			n = take_from_line(p, octets);
		else if (buf_len(&p->line) ||
			(p->is_line_start && octets.ptr[0] == '-' &&
				(p->level_count || p->section == SECTION_HEADER)))
			n = hold_line(p, octets);
		else
			n = give(p, span_sub(octets, 0, run_length(p, octets)));
		octets = span_skip(octets, n);
	}
}

static void release(void *parser)
{
	struct mime_parser *p = parser;

	if (p->is_header_open)
		mail_header_fini(&p->header);
	p->is_header_open = false;
	buf_fini(&p->line);
}

struct mime_parser *mime_parser_new(struct arena *a, const struct mime_limits *limits)
{
	static const struct mime_limits defaults = {MIME_PARTS_MAX, MIME_DEPTH_MAX, MIME_PARAMS_MAX,
		MIME_HEADERS_MAX, MIME_FIELDS_MAX, MIME_DEFECTS_MAX};
	struct mime_parser *p = ARENA_NEW(a, struct mime_parser);

	p->a = a;
	p->limits = limits ? *limits : defaults;
	MUST(p->limits.depth > 0 && p->limits.parts > 0);
	p->tree = ARENA_NEW(a, struct mime_tree);
	p->levels = ARENA_ARRAY(a, struct mime_level, p->limits.depth);
	p->hashes = ARENA_ARRAY(a, uint32_t, p->limits.depth);
	p->body_counts = ARENA_ARRAY(a, struct mime_counts, p->limits.depth + 1);
	p->is_line_start = true;
	buf_init(&p->line, MIME_LINE_HELD);
	arena_defer(a, release, p);
	open_part(p, NULL, 0);
	p->tree->root = p->part;
	return p;
}

void mime_parser_allow_from_line(struct mime_parser *p)
{
	p->allows_from_line = true;
}

struct mime_tree *mime_parser_end(struct mime_parser **pp)
{
	struct mime_parser *p = *pp;
	struct mime_tree *t = p->tree;

	*pp = NULL;
	p->allows_from_line = false;
	take_line(p, buf_span(&p->line));
	close_below(p, NULL, 0);
	t->size = p->at;
	t->is_crlf = p->counts.lf == p->counts.crlf;
	if (p->counts.crlf && !t->is_crlf)
		mime_note(p, t->root, MIME_MIXED_LINE_ENDS, 0);
	release(p);
	return t;
}

struct mime_tree *mime_parse(struct arena *a, struct span message, const struct mime_limits *limits)
{
	struct mime_parser *p = mime_parser_new(a, limits);

	mime_parser_feed(p, message);
	return mime_parser_end(&p);
}

bool mime_tree_is_ambiguous(const struct mime_tree *t)
{
	return mime_defects_ambiguous(t->defects) != 0;
}

int mime_tree_check(const struct mime_tree *t, struct err *e)
{
	uint64_t bad = mime_defects_ambiguous(t->defects);
	const struct mime_noted *first = NULL;

	if (!bad)
		return 0;
	for (size_t i = 0; i < t->noted_count; i++)
		if ((bad & mime_bit(t->noted[i].defect)) &&
			(!first || t->noted[i].offset < first->offset))
			first = &t->noted[i];
	if (first)
		err_set(e, ERR_SYNTAX, "%s at octet %llu", mime_defect_str(first->defect),
			(unsigned long long)first->offset);
	else
		err_set(e, ERR_SYNTAX, "readers would disagree about this message");
	return err_scope_set(e, ERR_SCOPE_MSG, ERR_AGAIN_NEVER);
}

struct mime_part *mime_part_next(const struct mime_part *part)
{
	if (part->first)
		return part->first;
	while (part && !part->next)
		part = part->parent;
	return part ? part->next : NULL;
}
