#pragma once
/* What an IMAP command may hold. Past a limit the command is refused (imap_refusal_put), never cut.
 * Octet budgets of a connection are the server's (imap_server.h). */

#define IMAP_TAG_MAX             64
#define IMAP_WORD_MAX            128 /* a keyword of the grammar, an atom that names something */
#define IMAP_STRING_MAX          (64 * 1024) /* a quoted string or literal that is an argument */
#define IMAP_COMMAND_MAX         (256 * 1024) /* one command, the literals of its arguments counted */
#define IMAP_LITERAL_MINUS_MAX   4096         /* {n+} of LITERAL-: RFC 7888 section 5 */
#define IMAP_DEPTH_MAX           50           /* parentheses, NOT, OR and FUZZY within each other */
#define IMAP_SEARCH_KEYS_MAX     2000         /* of one program */
#define IMAP_SORT_KEYS_MAX       32
#define IMAP_SET_RANGES_MAX      20000 /* as sent */
#define IMAP_FETCH_ITEMS_MAX     200
#define IMAP_SECTION_DEPTH_MAX   100  /* numbers of one section: 1.2.3 has three */
#define IMAP_FIELDS_MAX          500  /* names in HEADER.FIELDS */
#define IMAP_KEYWORDS_MAX        100  /* keywords in one flag list */
#define IMAP_KEYWORD_MAX         255  /* octets of one keyword */
#define IMAP_NAME_MAX            1000 /* octets of a mailbox name in UTF-8 */
#define IMAP_NAME_LEVELS_MAX     32
#define IMAP_PATTERNS_MAX        100  /* of one LIST */
#define IMAP_PATTERNS_OCTETS_MAX 4000 /* of all of them, with the reference before each */
#define IMAP_MAILBOXES_MAX       500  /* named in one ESEARCH or NOTIFY */
#define IMAP_NOTIFY_GROUPS_MAX   50
#define IMAP_ENTRIES_MAX         100  /* of GETMETADATA and SETMETADATA */
#define IMAP_ENTRY_MAX           1000 /* octets of an entry's name */
#define IMAP_ID_PAIRS_MAX        30   /* RFC 2971 section 3.3 */
#define IMAP_ID_FIELD_MAX        30
#define IMAP_ID_VALUE_MAX        1024
#define IMAP_ENABLE_MAX          50
#define IMAP_QUOTA_MAX           20   /* resources in one SETQUOTA */
#define IMAP_CATENATE_MAX        500  /* parts of one message */
#define IMAP_APPEND_MAX          1000 /* messages of one MULTIAPPEND */
