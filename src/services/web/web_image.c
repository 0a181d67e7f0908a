#include "services/web/web_image.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/gcra.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/must.h"
#include "services/web/web_image_kept.h"

#define SLOTS 1024 /* accounts by hash: who shares one shares its bounds */

struct web_image {
	struct web_image_opts opts;
	struct web_image_kept *kept;
	pthread_mutex_t lock; /* of slots; never held across a yield */
	struct slot {
		struct gcra rate;
		unsigned running;
	} slots[SLOTS];
};

/* ---- what it is ---- */

static uint32_t be(struct span s, size_t at, unsigned n)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < n; i++)
		v = v << 8 | (unsigned char)(at + i < s.len ? s.ptr[at + i] : 0);
	return v;
}

static uint32_t le(struct span s, size_t at, unsigned n)
{
	uint32_t v = 0;

	while (n--)
		v = v << 8 | (unsigned char)(at + n < s.len ? s.ptr[at + n] : 0);
	return v;
}

static bool has(struct span s, size_t at, struct span what)
{
	return s.len >= at + what.len && span_eq(span_sub(s, at, what.len), what);
}

/* The frame header of a JPEG, behind any other segments. */
static bool jpeg_size(struct span s, uint32_t *w, uint32_t *h)
{
	size_t at = 2;

	while (at + 9 < s.len && (unsigned char)s.ptr[at] == 0xff) {
		unsigned marker = (unsigned char)s.ptr[at + 1];

		if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 &&
			marker != 0xcc) {
			*h = be(s, at + 5, 2);
			*w = be(s, at + 7, 2);
			return true;
		}
		at += marker == 0xff ? 1 : 2 + be(s, at + 2, 2);
	}
	return false;
}

static bool webp_size(struct span s, uint32_t *w, uint32_t *h)
{
	uint32_t bits;

	if (has(s, 12, SPAN("VP8X"))) {
		*w = le(s, 24, 3) + 1;
		*h = le(s, 27, 3) + 1;
	} else if (has(s, 12, SPAN("VP8L"))) {
		bits = le(s, 21, 4);
		*w = (bits & 0x3fff) + 1;
		*h = (bits >> 14 & 0x3fff) + 1;
	} else if (has(s, 12, SPAN("VP8 "))) {
		*w = le(s, 26, 2) & 0x3fff;
		*h = le(s, 28, 2) & 0x3fff;
	} else {
		return false;
	}
	return s.len >= 30;
}

/* The largest spatial extent (ispe) of an AVIF's items. */
static bool avif_size(struct span s, uint32_t *w, uint32_t *h)
{
	struct span rest = s;
	bool is_found = false;
	ptrdiff_t at;

	while ((at = span_find_span(rest, SPAN("ispe"))) >= 0) {
		uint32_t w1 = be(rest, (size_t)at + 8, 4), h1 = be(rest, (size_t)at + 12, 4);

		if (!is_found || (uint64_t)w1 * h1 > (uint64_t)*w * *h) {
			*w = w1;
			*h = h1;
		}
		is_found = true;
		rest = span_skip(rest, (size_t)at + 4);
	}
	return is_found;
}

const char *web_image_type(struct span s)
{
	uint32_t w = 0, h = 0;
	const char *type = NULL;
	bool is_known = false;

	if (has(s, 0, SPAN("\x89PNG\r\n\x1a\n")) && has(s, 12, SPAN("IHDR"))) {
		type = "image/png";
		w = be(s, 16, 4);
		h = be(s, 20, 4);
		is_known = s.len >= 24;
	} else if (has(s, 0, SPAN("GIF87a")) || has(s, 0, SPAN("GIF89a"))) {
		type = "image/gif";
		w = le(s, 6, 2);
		h = le(s, 8, 2);
		is_known = s.len >= 10;
	} else if (has(s, 0, SPAN("\xff\xd8\xff"))) {
		type = "image/jpeg";
		is_known = jpeg_size(s, &w, &h);
	} else if (has(s, 0, SPAN("RIFF")) && has(s, 8, SPAN("WEBP"))) {
		type = "image/webp";
		is_known = webp_size(s, &w, &h);
	} else if (has(s, 4, SPAN("ftypavif")) || has(s, 4, SPAN("ftypavis"))) {
		type = "image/avif";
		is_known = avif_size(s, &w, &h);
	}
	return is_known && (uint64_t)w * h <= WEB_IMAGE_PIXELS_MAX ? type : NULL;
}

/* ---- how much at once ---- */

static struct slot *slot_of(struct web_image *w, uint64_t account_id)
{
	static const struct hash_key key = {0x696d6167, 0x65736c6f};

	return &w->slots[hash_bytes(&key, span_of(&account_id, sizeof(account_id))) % SLOTS];
}

/* 0: go on; else try again after so many seconds. */
static int64_t slot_take(struct web_image *w, struct slot *s)
{
	static const struct gcra_rate rate = {WEB_IMAGE_MINUTE, CLOCK_MIN, WEB_IMAGE_MINUTE};
	int64_t wait = 0;

	pthread_mutex_lock(&w->lock);
	if (s->running >= WEB_IMAGE_AT_ONCE)
		wait = 1;
	else
		wait = (gcra_take(&s->rate, &rate, loop_now_ns()) + CLOCK_SEC - 1) / CLOCK_SEC;
	s->running += !wait;
	pthread_mutex_unlock(&w->lock);
	return wait;
}

static void slot_give(struct web_image *w, struct slot *s)
{
	pthread_mutex_lock(&w->lock);
	s->running--;
	pthread_mutex_unlock(&w->lock);
}

/* ---- the request ---- */

static FIBER int reply_picture(struct web_call *c, const struct web_picture *picture, struct err *e)
{
	http_set(c->x, "Cache-Control", SPAN("private, max-age=86400"));
	http_set(c->x, "Content-Disposition", SPAN("inline"));
	http_set(c->x, "Content-Security-Policy", SPAN(WEB_BLOB_POLICY));
	return http_reply(c->x, 200, picture->type, picture->octets, e);
}

static FIBER int fetch_image(struct web_image *w, struct web_call *c, uint64_t account_id,
	struct span url, struct err *e)
{
	static const char *const fields[] = {
		"Accept: image/avif,image/webp,image/png,image/jpeg,image/gif"};
	struct fetch_public_request r = {.url = url,
		.fields = fields,
		.field_count = ARRAY_LEN(fields),
		.body_max = WEB_IMAGE_OCTETS_MAX,
		.timeout_ns = WEB_IMAGE_NS};
	struct fetch_answer answer = {0};
	struct err why = {0};
	struct web_picture picture = {.type = NULL};

	if (fetch_public(w->opts.fetch, &r, c->r->arena, &answer, &why) < 0) {
		if (why.code == ERR_CANCELLED || why.code == ERR_BUSY)
			return err_copy(e, &why);
		log_event(&c->r->log, LOG_INFO, "web.image.refused", LF_STR("error", why.text));
		/* the same whatever it was: this is no way to look around */
		return http_reply_error(c->x, 502, NULL, e);
	}
	if (answer.status == 200)
		picture = (struct web_picture){answer.body, web_image_type(answer.body)};
	if (!picture.type)
		return http_reply_error(c->x, 502, NULL, e);
	web_image_kept_put(w->kept, account_id, url, &picture, loop_now_ns());
	return reply_picture(c, &picture, e);
}

/* GET /jmap/image?url=… of the page alone: it bears the page's field though it is a GET, so that no element of
 * any markup can ask. */
static FIBER int image(void *arg, struct web_call *c, struct err *e)
{
	struct web_image *w = arg;
	struct web_who who;
	struct web_picture *kept;
	struct slot *slot;
	struct span url;
	int64_t wait;
	int rc = web_login_who(w->opts.login, c, WEB_LOGIN_COOKIE_ONLY, &who, e);

	if (rc <= 0)
		return rc;
	if (!span_eq(http_field(c->x, WEB_LOGIN_CSRF_FIELD), SPAN("1")))
		return http_reply_error(c->x, 403, "Only the page itself may ask.", e);
	if (!http_form_get(c->r->arena, c->r->head.query, SPAN("url"), &url) || !url.len ||
		url.len > FETCH_PUBLIC_URL_MAX || span_has_line_break(url))
		return http_reply_error(c->x, 400, "?url= with an address is needed.", e);
	kept = web_image_kept_get(w->kept, who.who.account_id, url, loop_now_ns());
	if (kept) {
		rc = reply_picture(c, kept, e);
		web_image_kept_done(w->kept, &kept);
		return rc;
	}
	slot = slot_of(w, who.who.account_id);
	wait = slot_take(w, slot);
	if (wait) {
		http_setf(c->x, "Retry-After", "%lld", (long long)wait);
		return http_reply_error(c->x, 429, NULL, e);
	}
	rc = fetch_image(w, c, who.who.account_id, url, e);
	slot_give(w, slot);
	return rc;
}

struct web_image *web_image_new(const struct web_image_opts *opts)
{
	struct web_image *w = NEW(struct web_image);

	w->opts = *opts;
	w->kept = web_image_kept_new(WEB_IMAGE_KEPT_BUDGET);
	pthread_mutex_init(&w->lock, NULL);
	web_add(opts->web,
		&(struct web_route){
			.path = "/jmap/image", .methods = WEB_GET, .handle = image, .arg = w});
	return w;
}

void web_image_free(struct web_image **w)
{
	if (!*w)
		return;
	web_image_kept_free(&(*w)->kept);
	pthread_mutex_destroy(&(*w)->lock);
	free(*w);
	*w = NULL;
}
