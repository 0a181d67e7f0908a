#pragma once
/* Mailboxes in and out over HTTP, of the page's own capability:
 *
 *	jmapd_export.c	GET /jmap/export/{accountId}/{mailboxId}/{name}?as=mbox|zip
 *	jmapd_import.c	POST /jmap/import/{accountId}/{mailboxId}: an mbox, a letter, or a zip of either or of a Maildir
 *	jmapd_zip.c	what lies in a zip
 *	jmapd_import_folder.c	and in which folder of it */

#include "store/stage.h"
#include "services/jmapd/jmapd_core_priv.h"

#define MOVE_WEB_MAX   (1ull << 30) /* octets of an upload */
#define MOVE_WEB_GROUP 50           /* messages of one commit */

/** Who asks for which of his own mailboxes (captures 0 and 1). 1; 0: answered. Both in the request's arena. */
FIBER int jmap_move_begin(struct jmapd *d, struct web_call *c, enum web_login_how how,
	struct web_who *who_r, struct mailbox_info *info_r, struct err *e);

/* ---- folders of a zip ---- */

enum import_kind { IMPORT_NOTHING, IMPORT_LETTER, IMPORT_MBOX };
enum import_kind jmap_import_kind(struct span name);
/** "Work/2026" of "Work/2026/1.eml", "Work/2026.mbox", "Work/2026/cur/1:2,S", ".Work.2026/cur/1"; "" the top. In `a`. */
struct span jmap_import_folder(struct arena *a, struct span name);
/** The levels that two of them begin with. */
struct span jmap_import_common(struct span x, struct span y);

/* ---- zip ---- */

#define ZIP_ENTRIES_MAX 200000
#define ZIP_NAME_MAX    1024
#define ZIP_TIMES_MAX                                                                              \
	200 /* an entry is at most so many times what it takes in the zip, and 64 KiB */

struct zip_entry {
	struct span name; /* until the next entry */
	uint64_t at, packed, size;
	unsigned method; /* 0 stored, 8 deflated */
	uint32_t crc;
};
struct zip {
	struct http_source file;
	uint64_t at, end;  /* in the directory */
	uint64_t left;     /* entries */
	uint64_t unpacked; /* octets of the file that were an entry's: none is another one's too */
	char *name;        /* of ZIP_NAME_MAX */
};
/** Find its directory. ERR_SYNTAX: it is none; ERR_UNSUPPORTED: in several parts, larger than 4 GiB. */
FIBER int zip_begin(struct zip *z, struct arena *a, const struct http_source *file, struct err *e);
/** The next entry that is a file; *is_r false at the end. */
FIBER int zip_next(struct zip *z, struct zip_entry *entry_r, bool *is_r, struct err *e);
/** Its octets in pieces. ERR_LIMIT: more than it says, or than ZIP_TIMES_MAX allows, or entries lie upon each other;
 * ERR_SYNTAX: it is broken, or its check sum is another one (what was taken counts for nothing then). */
FIBER int zip_read(struct zip *z, const struct zip_entry *entry,
	FIBER int (*take)(void *arg, struct span octets, struct err *e), void *arg, struct err *e);
