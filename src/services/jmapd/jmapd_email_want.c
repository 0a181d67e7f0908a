/* Which properties of Emails are wanted (RFC 8621 sections 4.2 and 4.9). */
#include "services/jmapd/jmapd_email.h"

#include "base/must.h"

static const struct {
	const char *name;
	unsigned needs;
	bool is_default;
} properties[] = {
#define X(id, name, needs, is_default) {name, needs, is_default},
	JMAP_EMAIL_PROPERTIES(X)
#undef X
};

/* Section 4.9: what a message has that is in no mailbox. */
static bool is_of_message(enum jmap_email_property_id id)
{
	return id >= JMAP_EMAIL_MESSAGE_ID && id <= JMAP_EMAIL_ATTACHMENTS;
}

static bool extra_of(struct span said, size_t *at_r)
{
	for (size_t i = 0; jmap_email_extras[i].name; i++)
		if (span_eq(said, span_str(jmap_email_extras[i].name))) {
			*at_r = i;
			return true;
		}
	return false;
}

static bool property_of(struct span said, struct jmap_email_property *p_r)
{
	*p_r = (struct jmap_email_property){.said = said};
	if (span_starts(said, SPAN("header:"))) {
		p_r->id = JMAP_EMAIL_HEADER;
		return jmap_header_want_of(said, &p_r->header);
	}
	p_r->id = JMAP_EMAIL_EXTRA;
	if (extra_of(said, &p_r->extra))
		return true;
	for (unsigned i = 0; i < JMAP_EMAIL_HEADER; i++)
		if (span_eq(said, span_str(properties[i].name))) {
			p_r->id = (enum jmap_email_property_id)i;
			return true;
		}
	return false;
}

bool jmap_email_is_property(struct span name)
{
	struct jmap_email_property p;

	return property_of(name, &p) && p.id != JMAP_EMAIL_EXTRA;
}

static bool add(struct jmap_email_want *w, struct span said)
{
	struct jmap_email_property p;

	for (size_t i = 0; i < w->count; i++)
		if (span_eq(w->list[i].said, said))
			return true;
	if (!property_of(said, &p))
		return false;
	w->needs |= properties[p.id].needs;
	w->list[w->count++] = p;
	return true;
}

static int take_properties(struct jmap_call *c, const struct span *names, size_t count,
	bool is_parse, struct jmap_email_want *w, struct err *e)
{
	w->list = ARENA_ARRAY(
		c->a, struct jmap_email_property, names ? count + 2 : JMAP_EMAIL_PROPERTY_COUNT);
	/* RFC 8620 section 5.1: the id is always told */
	if (!is_parse && names)
		add(w, SPAN("id"));
	for (size_t i = 0; names && i < count; i++)
		if (!add(w, names[i]))
			return jmap_fail_argument(c, e, "properties",
				arena_printf(c->a, "there is no property " SPAN_FMT,
					SPAN_ARG(span_sub(names[i], 0, 100))));
	for (unsigned i = 0; !names && i < JMAP_EMAIL_HEADER; i++)
		if (properties[i].is_default &&
			(!is_parse || is_of_message((enum jmap_email_property_id)i)))
			add(w, span_str(properties[i].name));
	return 0;
}

static int take_values(struct jmap_call *c, struct jmap_email_want *w, struct err *e)
{
	int64_t max = 0;

	if (jmap_arg_bool(c, "fetchTextBodyValues", &w->values.is_text, e) < 0 ||
		jmap_arg_bool(c, "fetchHTMLBodyValues", &w->values.is_html, e) < 0 ||
		jmap_arg_bool(c, "fetchAllBodyValues", &w->values.is_all, e) < 0 ||
		jmap_arg_int(c, "maxBodyValueBytes", 0, INT64_C(1) << 53, &max, e) < 0)
		return -1;
	w->values.max_octets = (uint64_t)max;
	return 0;
}

int jmap_email_want(struct jmap_call *c, const struct span *names, size_t count, bool is_parse,
	struct jmap_email_want *w_r, struct err *e)
{
	struct span *parts, bad;
	size_t part_count;

	*w_r = (struct jmap_email_want){0};
	if (jmap_arg_texts(c, "bodyProperties", &parts, &part_count, e) < 0)
		return -1;
	if (count > JMAP_PROPERTIES_MAX || part_count > JMAP_PROPERTIES_MAX)
		return jmap_fail(
			c, "requestTooLarge", e, "more than %d properties", JMAP_PROPERTIES_MAX);
	if (take_properties(c, names, count, is_parse, w_r, e) < 0 || take_values(c, w_r, e) < 0)
		return -1;
	if (!jmap_part_want_of(c->a, parts, part_count, &w_r->parts, &bad))
		return jmap_fail_argument(c, e, "bodyProperties",
			arena_printf(c->a, "there is no property " SPAN_FMT,
				SPAN_ARG(span_sub(bad, 0, 100))));
	if (w_r->needs & JMAP_NEED_PARTS) {
		w_r->needs |= w_r->parts.has_sizes ? JMAP_NEED_SIZES : 0;
		/* those of the root are the message's own */
		w_r->needs |= w_r->parts.has_headers ? JMAP_NEED_PART_HEADERS | JMAP_NEED_HEADER
						     : 0;
	}
	if (!w_r->values.is_text && !w_r->values.is_html && !w_r->values.is_all)
		w_r->needs &= ~(unsigned)JMAP_NEED_VALUES;
	if (w_r->needs & JMAP_NEED_VALUES)
		w_r->needs |= JMAP_NEED_PARTS;
	return 0;
}
