#pragma once
/* The static files that tools/web-assets has made of web/static. */

#include "services/web/web.h"

extern const struct web_asset web_assets[];
extern const size_t web_asset_count;
