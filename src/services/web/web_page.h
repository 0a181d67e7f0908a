#pragma once
/* The mail page: one HTML file for all its addresses (/mail/…, /settings/…, /trace/…), behind the login; its
 * scripts and styles under /assets/, whose names tell their content; its worker. They are embedded at build time
 * from web/dist, or read from a directory while somebody works on them. docs/http.md. */

#include "services/web/web_login.h"

struct work_lane;

#define WEB_PAGE_FILE_MAX (4 * 1024 * 1024) /* of a file in the directory */

struct web_page_opts {
	struct web_login *login; /* NULL: nobody has to log in */
	struct work_lane *lane;  /* where files are read */
	const char *dir;         /* NULL: what is embedded. Copied. */
};
/** Before the first request only. What opts point to outlives the struct web. */
void web_add_page(struct web *w, const struct web_page_opts *opts);
