#pragma once
/* Shared between the files of IMAP's grammar; nobody else includes it. */

#include "proto/imap/imap_syntax.h"

enum imap_verb imap_verb_of(struct span word);
