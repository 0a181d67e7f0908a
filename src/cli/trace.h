#pragma once
/* Between the files of `yizhan trace`. */

#include "proto/mail/journey.h"
#include "cli/cli.h"

#define TRACE_HEAD_MAX  (256 * 1024 + 4096) /* octets of a message that are kept: its header */
#define TRACE_TRUST_MAX 64
#define TRACE_WIDTH     80 /* of what is no terminal */
#define TRACE_WIDTH_MIN 50
#define TRACE_WIDTH_MAX 250
#define TRACE_OUT_MAX   (16 * 1024 * 1024)

struct trace {
	struct cli_call *call;
	struct journey_options options;
	struct span trust[TRACE_TRUST_MAX];
	uint64_t index; /* of an mbox, from 1; 0: not said */
	const char *message_id;
	bool is_utc, is_ascii, is_color;
	unsigned width;
	size_t shown;     /* messages so far */
	bool is_array;    /* JSON: several messages were asked for */
	const char *name; /* of the input at hand; NULL: not worth telling */
	size_t place;     /* in the mbox; 0: none */
};

/** What is known of one message; an exit code. */
int trace_message(struct trace *t, struct span head);
/** Read messages from a stream and show the one that is meant. */
int trace_stream(struct trace *t, FILE *f, const char *name);
/** From a mailbox of the server: --account, --uid, --mailbox. */
int trace_mailbox(struct trace *t);

/* trace_log.c: a letter of the server's, by queue id or Message-ID. */
/** Is this word one of those, and no file? */
bool trace_is_logged(const char *word);
int trace_logged(struct trace *t, const char *word);

#define TRACE_DIM    "2"
#define TRACE_RED    "31"
#define TRACE_GREEN  "32"
#define TRACE_YELLOW "33"
/** Print foreign text made harmless, coloured where colours are (`color` may be NULL). */
void trace_put(const struct trace *t, struct arena *a, const char *color, struct span text);

void trace_draw(const struct trace *t, struct arena *a, const struct journey *j);
void trace_json(struct json_out *out, const struct trace *t, const struct journey *j);
