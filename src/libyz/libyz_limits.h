#pragma once
/* What bounds the library: sizes that a server, a name server or a caller decides. */

#include "base/clock.h"

#define YZ_URL_MAX       4096
#define YZ_HOST_MAX      255
#define YZ_ADDRESSES_MAX 64 /* of one host that are tried */
#define YZ_MX_MAX        32 /* hosts of one domain that are tried */
#define YZ_HELLO_MAX     255
#define YZ_COMMAND_MAX   (64 * 1024) /* octets of a command of the caller's own */
#define YZ_KEYWORDS_MAX  128         /* lines of an EHLO reply, as SMTP_REPLY_LINES_MAX */
#define YZ_RCPTS_MAX     1000000
#define YZ_PASSWORD_MAX  (16 * 1024) /* of a secret that a callback gives; tokens are long */

/* Name look-ups: threads of a context at a time; more look-ups wait their turn. */
#define YZ_HELPERS_MAX  64
#define YZ_HELPER_STACK (512 * 1024) /* the C library's resolver keeps its answers there */
#define YZ_DNS_MESSAGE  (64 * 1024)

/* Without blocking: a step gives the thread back after so much time or so many octets, although
 * more could be moved. */
#define YZ_STEP_NS     (200 * CLOCK_US)
#define YZ_STEP_OCTETS (256 * 1024)
#define YZ_STEP_WRITE  (64 * 1024) /* in one system call */
#define YZ_STACK_BYTES (64 * 1024)

/* A body is handed to the connection in pieces of this size, so that the time for each piece starts
 * anew, and a slow but steady line is no failure. */
#define YZ_SOURCE_BYTES (32 * 1024)

/* RFC 5321 section 4.5.3.2. */
#define YZ_CONNECT_NS  (30 * CLOCK_SEC)
#define YZ_GREETING_NS (5 * CLOCK_MIN)
#define YZ_COMMAND_NS  (5 * CLOCK_MIN)
#define YZ_DATA_NS     (2 * CLOCK_MIN)
#define YZ_BLOCK_NS    (3 * CLOCK_MIN)
#define YZ_FINAL_NS    (10 * CLOCK_MIN)
#define YZ_QUIT_NS     (5 * CLOCK_SEC)

#define YZ_UNIX_RETRY_NS (5 * CLOCK_MS) /* between looks at a full backlog */
