#pragma once
/* Why mail was not taken, and what can be done about it: from what a server said (reply code,
 * enhanced code, words) or what was found out here, to sentences for people. The one table of this
 * kind: reports to senders, `yizhan queue list`, `explain` and `send` tell what stands in it.
 *
 *	const struct mail_cause *c = mail_cause_find(550, SPAN("5.7.26"), reply);
 *	puts(c->text[MAIL_LANG_EN]);	// "The mail system there could not verify …"
 *
 * The words of a reply go first where a provider is known for them, then the enhanced code
 * (RFC 3463 and its registry), then its subject or class, then the reply code (RFC 5321). */

#include "base/span.h"

#define MAIL_CAUSE_TEXT_MAX 2048 /* octets of a reply that are looked at */

/* id, tag (RFC 5646) */
#define MAIL_LANGS(X) X(EN, "en") X(ZH, "zh-CN")
enum mail_lang {
#define X(id, tag) MAIL_LANG_##id,
	MAIL_LANGS(X)
#undef X
		MAIL_LANG_COUNT
};
const char *mail_lang_tag(enum mail_lang lang);

struct mail_cause {
	const char *name;                    /* "no-such-user": stays, for machines */
	const char *text[MAIL_LANG_COUNT];   /* what happened, in UTF-8; English is ASCII */
	const char *remedy[MAIL_LANG_COUNT]; /* what the sender can do */
	/* the next step for who runs the sending server, often with a link; NULL: none */
	const char *admin[MAIL_LANG_COUNT];
	bool is_general; /* no more is known than the class of the reply */
};

/** `code`: reply code, 0 when no server has spoken and `text` is our own reason; `enhanced`:
 * "5.1.1", or "". Never NULL; points into a constant table. Pure, allocates nothing, any thread. */
const struct mail_cause *mail_cause_find(unsigned code, struct span enhanced, struct span text);
/** What the sender can do while delivery is still being tried. */
const char *mail_cause_patience(enum mail_lang lang);
/** Was it given up because its time was over? Then the cause is that of the last attempt. */
bool mail_cause_is_expired(struct span enhanced);
/** "The message could not be delivered in all the time that was tried." */
const struct mail_cause *mail_cause_expired(void);
