#pragma once
/* Inside the drop directory's files: what the writer and the reader agree on. */

#include "base/buf.h"
#include "services/local/drop.h"

#define DROP_MAGIC             "yizhan-drop 1\n"
#define DROP_LENGTH_DIGITS     20
#define DROP_UNFINISHED_PREFIX "new-"
#define DROP_REFUSED_PREFIX    "refused-"
