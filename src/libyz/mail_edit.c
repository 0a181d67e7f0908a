/* Messages that are read: changes to the header, and writing back. */
#include <string.h>

#include "libyz/msg_priv.h"

static const struct mime_part *root_of(const struct yz_mail *m)
{
	return m->tree ? m->tree->root : NULL;
}

static int check_ended(struct yz_mail *m)
{
	const struct mime_part *root = root_of(m);

	if (!root)
		return msg_error_set(&m->error, YZ_E_STATE, "the message has not ended");
	if (!m->edits)
		m->edits = ARENA_ARRAY(m->a, struct mail_edit, root->field_count + 1);
	return msg_fine(&m->error);
}

struct peek {
	char octets[2];
	size_t n;
};

static int peek_put(void *arg, struct span s, struct err *e)
{
	struct peek *p = arg;

	for (size_t i = 0; i < s.len && p->n < sizeof(p->octets); i++)
		p->octets[p->n++] = s.ptr[i];
	return 0;
}

/* Do the header's lines end with CRLF? As its first field does; a message without any is new. */
static bool is_crlf(struct yz_mail *m)
{
	const struct mime_part *root = root_of(m);
	struct peek p = {.n = 0};
	const struct msg_sink sink = {peek_put, &p};
	const struct mime_field *f = root->fields;

	if (!root->field_count || f->len < 2 || m->store == MAIL_GONE)
		return true;
	if (mail_octets(m, f->offset + f->len - 2, f->offset + f->len, &sink, NULL) < 0)
		return true;
	return p.n < 2 || p.octets[1] != '\n' || p.octets[0] == '\r';
}

/* A field as it will stand, in the message's own line ends; ptr NULL: refused. */
static struct span make_field(struct yz_mail *m, const char *name, const char *text, struct err *e)
{
	const struct msg_settings s = {.line_max = MSG_LINE_SHOULD};
	struct span made = SPAN_NONE;
	struct buf b, lines;

	buf_init(&b, 16 * MSG_FIELD_MAX);
	buf_init(&lines, 16 * MSG_FIELD_MAX);
	if (msg_put_one(&b, span_str(name), span_str(text), &s, e) == 0) {
		struct msg_out out = {msg_to_buf, &lines, !is_crlf(m), false};

		if (msg_out_put(&out, buf_span(&b), e) == 0 && msg_out_end(&out, e) == 0)
			made = arena_span(m->a, buf_span(&lines));
	}
	buf_fini(&b);
	buf_fini(&lines);
	return made;
}

size_t yz_mail_remove(struct yz_mail *m, const char *name)
{
	const struct mime_part *root = root_of(m);
	size_t count = 0;

	if (check_ended(m) != YZ_OK)
		return 0;
	for (size_t i = 0; i < root->field_count; i++)
		if (!m->edits[i].is_removed &&
			span_eq_nocase(root->fields[i].name, span_str(name))) {
			m->edits[i].is_removed = true;
			count++;
		}
	m->is_changed |= count > 0;
	return count;
}

int yz_mail_replace(struct yz_mail *m, const char *name, const char *text)
{
	const struct mime_part *root = root_of(m);
	struct err e = {0};
	size_t i = 0;

	if (check_ended(m) != YZ_OK)
		return YZ_E_STATE;
	while (i < root->field_count &&
		(m->edits[i].is_removed || !span_eq_nocase(root->fields[i].name, span_str(name))))
		i++;
	if (i == root->field_count)
		return msg_error_set(&m->error, YZ_E_INVAL, "no field of that name");
	struct span made = make_field(m, name, text, &e);
	if (!made.ptr)
		return msg_error(&m->error, &e);
	m->edits[i].text = made;
	m->is_changed = true;
	return YZ_OK;
}

static int add(
	struct yz_mail *m, struct span **list, size_t *count, const char *name, const char *text)
{
	struct err e = {0};
	struct span made, *more;

	if (check_ended(m) != YZ_OK)
		return YZ_E_STATE;
	if (*count >= MSG_FIELDS_MAX)
		return msg_error_set(&m->error, YZ_E_LIMIT, "too many fields");
	made = make_field(m, name, text, &e);
	if (!made.ptr)
		return msg_error(&m->error, &e);
	if ((*count & (*count - 1)) == 0) { /* a power of two: it is full */
		more = ARENA_ARRAY(m->a, struct span, *count ? 2 * *count : 1);
		if (*count)
			memcpy(more, *list, *count * sizeof(*more));
		*list = more;
	}
	(*list)[(*count)++] = made;
	m->is_changed = true;
	return YZ_OK;
}

int yz_mail_prepend(struct yz_mail *m, const char *name, const char *text)
{
	return add(m, &m->before, &m->before_count, name, text);
}

int yz_mail_append(struct yz_mail *m, const char *name, const char *text)
{
	return add(m, &m->behind, &m->behind_count, name, text);
}

/* --- writing ------------------------------------------------------------------------------------- */

/* Remembers how what was written last ended. */
struct tail {
	const struct msg_sink *to;
	char last;
};

static int tail_put(void *arg, struct span s, struct err *e)
{
	struct tail *t = arg;

	if (s.len)
		t->last = s.ptr[s.len - 1];
	return t->to->write(t->to->arg, s, e);
}

/* Would what stands there, at the begin of a line, become part of a field that is put before it? */
static bool continues(struct yz_mail *m, uint64_t at)
{
	struct peek p = {.n = 0};
	const struct msg_sink sink = {peek_put, &p};

	return at < m->tree->size && mail_octets(m, at, at + 1, &sink, NULL) == 0 && p.n &&
		(p.octets[0] == ' ' || p.octets[0] == '\t');
}

/* From the header's first octet up to its empty line, changes made. *at_r: where the rest begins. */
static int put_edited(struct yz_mail *m, const struct msg_sink *to, uint64_t *at_r, struct err *e)
{
	const struct mime_part *root = root_of(m);
	struct tail tail = {to, '\n'};
	const struct msg_sink sink = {tail_put, &tail};
	uint64_t at = root->header_offset;

	for (size_t i = m->before_count; i-- > 0;)
		if (tail_put(&tail, m->before[i], e) < 0)
			return -1;
	for (size_t i = 0; i < root->field_count; i++) {
		const struct mime_field *f = &root->fields[i];
		const struct mail_edit *edit = m->edits ? &m->edits[i] : &(struct mail_edit){0};
		int rc = mail_octets(m, at, f->offset, &sink, e);

		if (rc == 0 && !edit->is_removed)
			rc = edit->text.ptr
				? tail_put(&tail, edit->text, e)
				: mail_octets(m, f->offset, f->offset + f->len, &sink, e);
		if (rc < 0)
			return -1;
		at = f->offset + f->len;
	}
	/* the last field of a message without a body may have no line end */
	if (m->behind_count && tail.last != '\n' &&
		tail_put(&tail, is_crlf(m) ? SPAN("\r\n") : SPAN("\n"), e) < 0)
		return -1;
	for (size_t i = 0; i < m->behind_count; i++)
		if (tail_put(&tail, m->behind[i], e) < 0)
			return -1;
	/* a message without any field, whose body begins with a blank: they need the empty line now */
	if (m->before_count + m->behind_count && !root->field_count && continues(m, at) &&
		tail_put(&tail, SPAN("\r\n"), e) < 0)
		return -1;
	*at_r = at;
	return 0;
}

static int sink_put(void *arg, struct span octets, struct err *e)
{
	return msg_out_put(arg, octets, e);
}

int yz_mail_write(struct yz_mail *m, yz_write_fn *write, void *arg)
{
	struct msg_out out = {.write = write, .arg = arg};
	const struct msg_sink sink = {sink_put, &out};
	struct err e = {0};
	uint64_t at = 0;
	int rc;

	if (check_ended(m) != YZ_OK)
		return YZ_E_STATE;
	rc = mail_octets(m, 0, m->tree->root->header_offset, &sink, &e);
	if (rc == 0)
		rc = put_edited(m, &sink, &at, &e);
	if (rc == 0)
		rc = mail_octets(m, at, m->tree->size, &sink, &e);
	return msg_result(&m->error, rc, &e);
}

int yz_mail_write_mem(struct yz_mail *m, size_t max, char **octets_r, size_t *n_r)
{
	struct buf b;
	int rc;

	*octets_r = NULL;
	buf_init(&b, max);
	rc = yz_mail_write(m, msg_to_buf, &b);
	if (!buf_ok(&b))
		rc = msg_error_set(&m->error, YZ_E_LIMIT, "a message of more than %zu octets", max);
	if (rc == YZ_OK)
		*octets_r = msg_give(&b, n_r);
	buf_fini(&b);
	return rc;
}

/* --- for sending ---------------------------------------------------------------------------------- */

static int buf_sink(void *arg, struct span octets, struct err *e)
{
	struct buf *b = arg;

	buf_span_put(b, octets);
	return buf_ok(b) ? 0 : err_set(e, ERR_LIMIT, "a header section that is too long");
}

/* The header as it would be written, read again; octets in *text_r, both in `a`. */
static struct mime_part *edited_root(
	struct yz_mail *m, struct arena *a, struct span *text_r, struct err *e)
{
	const struct mime_part *root = root_of(m);
	struct mime_part *read = NULL;
	uint64_t at = 0;
	struct buf b;
	const struct msg_sink sink = {buf_sink, &b};

	if (!root) {
		err_set(e, ERR_STATE, "the message has not ended");
		return NULL;
	}
	if (root->defects & mime_bit(MIME_HEADER_TOO_LONG)) {
		err_set(e, ERR_LIMIT, "a header section that is too long");
		return NULL;
	}
	buf_init(&b, 16 * MSG_FIELD_MAX);
	if (put_edited(m, &sink, &at, e) == 0 &&
		mail_octets(m, at, root->body_offset, &sink, e) == 0) {
		*text_r = arena_span(a, buf_span(&b));
		read = mime_parse(a, *text_r, NULL)->root;
	}
	buf_fini(&b);
	return read;
}

int yz_mail_envelope(struct yz_mail *m, struct yz_envelope *envelope_r)
{
	struct msg_envelope env = {.rcpt_count = 0};
	struct mime_part *root;
	struct span text;
	struct err e = {0};

	memset(envelope_r, 0, sizeof(*envelope_r));
	arena_free(&m->envelope);
	m->envelope = arena_new();
	root = edited_root(m, m->envelope, &text, &e);
	if (!root || msg_envelope_of(m->envelope, root, &env, &e) < 0)
		return msg_error(&m->error, &e);
	msg_envelope_fill(m->envelope, &env, envelope_r);
	return msg_fine(&m->error);
}

void msg_envelope_fill(struct arena *a, const struct msg_envelope *env, struct yz_envelope *to)
{
	const char **rcpts = ARENA_ARRAY(a, const char *, env->rcpt_count + 1);

	for (size_t i = 0; i < env->rcpt_count; i++)
		rcpts[i] = arena_str(a, env->rcpts[i]);
	to->from = arena_str(a, env->from);
	to->rcpts = rcpts;
	to->rcpt_count = env->rcpt_count;
	to->is_resent = env->is_resent;
	to->needs_utf8 = env->needs_utf8;
}

int yz_msg_envelope(struct yz_msg *m, struct yz_envelope *envelope_r)
{
	struct msg_envelope env;
	struct err e = {0};

	memset(envelope_r, 0, sizeof(*envelope_r));
	arena_reset(m->view);
	if (msg_envelope(m->view, m->m, &env, &e) < 0)
		return msg_error(&m->error, &e);
	msg_envelope_fill(m->view, &env, envelope_r);
	return msg_fine(&m->error);
}

/* What stands behind the @ of who sends it. */
static struct span host_of(struct span from)
{
	ptrdiff_t at = span_rfind(from, '@');
	struct span host = span_skip(from, (size_t)(at + 1));

	return at < 0 || !host.len || host.ptr[0] == '[' || !span_is_ascii(host) ? SPAN("localhost")
										 : host;
}

int mail_wire_header(struct yz_mail *m, struct buf *b, struct err *e)
{
	struct msg_settings s = {.now_sec = msg_now_sec(), .random = msg_random()};
	struct arena *a = arena_new();
	struct msg_envelope env;
	struct mime_part *root;
	struct span text;
	int rc = -1;

	s.id = (uint64_t)s.now_sec;
	root = edited_root(m, a, &text, e);
	if (root && msg_envelope_of(a, root, &env, e) == 0) {
		s.host = host_of(env.from);
		rc = msg_header_put(b, root, text, &s, e);
	}
	arena_free(&a);
	return rc;
}
