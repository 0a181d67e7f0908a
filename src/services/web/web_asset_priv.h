#pragma once
/* The static files that tools/web-assets has made of web/static. */

#include "services/web/web.h"

extern const struct web_asset web_assets[];
extern const size_t web_asset_count;
/* The mail page of web/dist; name and path are the same: "assets/chunk-XYZ.js", "index.html". */
extern const struct web_asset web_page_assets[];
extern const size_t web_page_asset_count;
