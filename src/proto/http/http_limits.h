#pragma once
/* How big each thing may be that an HTTP client sends. What the server may be told otherwise stands in
 * struct http_server_limits; these are for ever. */

#define HTTP_LINE_MAX     (8 * 1024)   /* octets of the request line, or of a field, without CRLF */
#define HTTP_HEAD_MAX     (32 * 1024)  /* octets of the whole head, with its empty line */
#define HTTP_FIELDS_MAX   100          /* field lines of a head */
#define HTTP_SEGMENTS_MAX 64           /* of a path */
#define HTTP_HOST_MAX     255          /* octets of a host name */
#define HTTP_LENGTH_MAX   (1ULL << 60) /* Content-Length beyond is taken for an attack */

#define HTTP_CHUNK_LINE_MAX    256  /* octets of a chunk's size with its extensions */
#define HTTP_CHUNK_DIGITS_MAX  15   /* of a chunk's size: less than 2^60 octets */
#define HTTP_CHUNK_EXT_MAX     4096 /* octets of all extensions of one body */
#define HTTP_TRAILERS_MAX      4096 /* octets of the trailer section */
#define HTTP_TRAILER_LINES_MAX 20

#define HTTP_LIST_MAX    64   /* elements of a list field that are looked at */
#define HTTP_COOKIES_MAX 64   /* pairs of a Cookie field that are looked at */
#define HTTP_FORM_MAX    1000 /* pairs of a form or query that are looked at */
#define HTTP_ETAG_MAX    128  /* octets of an entity tag of ours */
#define HTTP_COOKIE_MAX  4096 /* octets of a Set-Cookie value (RFC 6265 section 6.1) */
#define HTTP_BASIC_MAX   4096 /* octets of Basic credentials in base64 */
