#pragma once
/* Inside the room of pages and routes. */

#include "services/web/web.h"

/** Memory that lives as long as the table. */
struct arena *web_arena(struct web *w);
