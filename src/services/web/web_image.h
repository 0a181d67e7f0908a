#pragma once
/* Pictures that stand in letters, fetched by this server for the page: the sender's server sees neither the
 * person's address nor his browser. docs/web-login.md. */

#include "services/fetch/fetch_public.h"
#include "services/web/web_login.h"

#define WEB_IMAGE_OCTETS_MAX (10u << 20)
#define WEB_IMAGE_PIXELS_MAX 50000000ull
#define WEB_IMAGE_NS         (10 * CLOCK_SEC)
#define WEB_IMAGE_AT_ONCE    6   /* of one account */
#define WEB_IMAGE_MINUTE     240 /* of one account */

struct web_image;
struct web_image_opts {
	struct web *web; /* /jmap/image is added */
	struct web_login *login;
	const struct fetch_public *fetch; /* borrowed */
	const struct log *log;
};
struct web_image *web_image_new(const struct web_image_opts *opts);
void web_image_free(struct web_image **w);

/** What the octets are, whatever they are called: "image/png", jpeg, gif, webp, avif; NULL for anything else (never
 * SVG) and for what has more pixels than WEB_IMAGE_PIXELS_MAX. Pure. */
const char *web_image_type(struct span octets);
