#pragma once
/* A VFS over another: SQLite writes its log in two small writes a page; here they gather in memory
 * and reach the kernel in one, at the latest when the commit syncs. Nobody else can look for those
 * pages before that sync has returned, so nothing changes but the number of system calls: it is
 * only for connections that sync each commit. Other files are opened by the VFS below itself. */

/** The name of the VFS over `base` (NULL: the default one), made at the first call. NULL when there
 * is no such base. Thread-safe; the name lives for ever. */
const char *vfs_gather(const char *base);
