#pragma once
/* `yizhan bench source|sink`: a load generator and a sink for SMTP, so that a measurement of a mail
 * server is never bounded by the two programs at its ends. Plain epoll on one thread each, no
 * fibers, few system calls and copies.
 *
 * argv[0] is "bench", argv[1] says which. Returns an exit code: 0, 1 when a message was refused or
 * is missing, 64 (EX_USAGE), 69 (EX_UNAVAILABLE) when the address cannot be used. */

int cli_bench(int argc, char **argv);
