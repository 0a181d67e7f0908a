/* What is known of the large providers, for stations that have sent them nothing yet: far below what
 * they take from a sender they know. `yizhan shape list` shows it, `yizhan shape set` overrides it. */

#include "services/shape/shape_priv.h"

/* match, connections, connection rate, message rate, messages a connection, recipients, note */
/* clang-format off */
#define ROWS(X)                                                                                    \
	X("mx:.google.com", 5, "60/1m", "", 50, 100, "Gmail and Google Workspace")                 \
	X("mx:.googlemail.com", 5, "60/1m", "", 50, 100, "Gmail and Google Workspace")             \
	X("mx:.yahoodns.net", 5, "60/1m", "", 20, 50, "Yahoo, AOL, and whom they host")            \
	X("mx:.olc.protection.outlook.com", 5, "60/1m", "", 100, 100, "Outlook.com, Hotmail")      \
	X("mx:.protection.outlook.com", 10, "120/1m", "", 100, 100, "Microsoft 365")               \
	X("mx:.mx.microsoft", 10, "120/1m", "", 100, 100, "Microsoft 365")                         \
	X("mx:.icloud.com", 5, "60/1m", "", 50, 100, "iCloud")                                     \
	X("mx:.gmx.net", 5, "60/1m", "", 50, 50, "GMX")                                            \
	X("mx:.web.de", 5, "60/1m", "", 50, 50, "WEB.DE")                                          \
	X("mx:.kundenserver.de", 5, "60/1m", "", 50, 50, "IONOS")                                  \
	X("mx:.qq.com", 3, "30/1m", "60/1m", 20, 50, "QQ, Foxmail, Tencent Exmail")                \
	X("mx:.netease.com", 3, "30/1m", "60/1m", 20, 50, "163, 126, yeah.net")                    \
	X("mx:.qiye.163.com", 3, "30/1m", "60/1m", 20, 50, "NetEase for companies")                \
	X("*", 20, "none", "none", 1000, 100, "everybody else")

/* clang-format on */

#define TEXT(s)                                                                                    \
	{                                                                                          \
		(s), sizeof(s) - 1                                                                 \
	}

const struct shape_row shape_builtin[] = {
#define X(match_, connections_, connection_rate_, message_rate_, messages_, recipients_, note_)    \
	{.match = TEXT(match_),                                                                    \
		.connections = (connections_),                                                     \
		.connection_rate = TEXT(connection_rate_),                                         \
		.message_rate = TEXT(message_rate_),                                               \
		.messages = (messages_),                                                           \
		.recipients = (recipients_),                                                       \
		.note = TEXT(note_),                                                               \
		.is_builtin = true},
	ROWS(X)
#undef X
};
const size_t shape_builtin_count = ARRAY_LEN(shape_builtin);

/* match, pattern, action, for how long, note. The first that fits is taken. */
/* clang-format off */
#define REPLIES(X)                                                                                 \
	X("mx:.yahoodns.net", "*[TSS0", SUSPEND, 2 * CLOCK_HOUR, "complaints: Yahoo asks for hours") \
	X("mx:.yahoodns.net", "*[TS04]", SUSPEND, 2 * CLOCK_HOUR, "unusual traffic")               \
	X("mx:.yahoodns.net", "4xx *[TS0", SLOW, CLOCK_HOUR, "deferred for reputation")            \
	X("mx:.google.com", "421 4.7.28", SLOW, CLOCK_HOUR, "unusual rate from this address")      \
	X("mx:.google.com", "4xx 4.7.x *unusual rate", SLOW, CLOCK_HOUR, "the same")               \
	X("mx:.google.com", "5xx *unusual rate of unsolicited", SUSPEND, CLOCK_HOUR,               \
		"blocked for a time, although it says 5xx")                                        \
	X("mx:.google.com", "421 4.7.0", SLOW, 30 * CLOCK_MIN, "try again later")                  \
	X("mx:.outlook.com", "4xx *RP-00", SLOW, CLOCK_HOUR, "too much for this reputation")       \
	X("mx:.outlook.com", "4xx *(S77", SLOW, CLOCK_HOUR, "server busy, for this address")       \
	X("mx:.outlook.com", "4xx *AS(48", FEWER, 30 * CLOCK_MIN, "throttled")                     \
	X("mx:.outlook.com", "432 4.3.2", FEWER, 10 * CLOCK_MIN, "too many at once for a mailbox") \
	X("mx:.icloud.com", "4xx *[CS0", SLOW, CLOCK_HOUR, "deferred for reputation")              \
	X("mx:.qq.com", "5xx *frequency limited", SUSPEND, CLOCK_HOUR, "passes, although it says 5xx") \
	X("mx:.qq.com", "4xx *frequency limited", SUSPEND, 30 * CLOCK_MIN, "")                     \
	X("mx:.netease.com", "4xx *RP:", SLOW, CLOCK_HOUR, "too much for this reputation")         \
	X("mx:.netease.com", "4xx *HL:", SUSPEND, CLOCK_HOUR, "this address is put off")           \
	X("mx:.netease.com", "5xx *MI:SFQ", SUSPEND, CLOCK_HOUR, "too many for today's standing")  \
	X("*", "4xx *greylist", SOON, 5 * CLOCK_MIN, "")                                           \
	X("*", "4xx *graylist", SOON, 5 * CLOCK_MIN, "")                                           \
	X("*", "4xx *postgrey", SOON, 5 * CLOCK_MIN, "")                                           \
	X("*", "4xx *too many * connections", FEWER, 10 * CLOCK_MIN, "")                           \
	X("*", "4xx *too many connections", FEWER, 10 * CLOCK_MIN, "")                             \
	X("*", "4xx *concurrent", FEWER, 10 * CLOCK_MIN, "")                                       \
	X("*", "4xx *server busy", FEWER, 10 * CLOCK_MIN, "")                                      \
	X("*", "4xx *rate limit", SLOW, 30 * CLOCK_MIN, "")                                        \
	X("*", "4xx *throttl", SLOW, 30 * CLOCK_MIN, "")                                           \
	X("*", "4xx *too many * messages", SLOW, 30 * CLOCK_MIN, "")                               \
	X("*", "4xx *too fast", SLOW, 30 * CLOCK_MIN, "")                                          \
	X("*", "4xx *temporarily deferred", SLOW, CLOCK_HOUR, "")                                  \
	X("*", "4xx *reputation", SLOW, CLOCK_HOUR, "")                                            \
	X("*", "452 4.3.1", NEXT, 10 * CLOCK_MIN, "this host has no room")                         \
	X("*", "4xx 4.3.0 *queue file", NEXT, 10 * CLOCK_MIN, "this host cannot write")

/* clang-format on */

const struct shape_reply shape_builtin_replies[] = {
#define X(match_, pattern_, action_, pause_, note_)                                                \
	{.match = TEXT(match_),                                                                    \
		.pattern = TEXT(pattern_),                                                         \
		.action = SHAPE_##action_,                                                         \
		.pause_ns = (pause_),                                                              \
		.note = TEXT(note_),                                                               \
		.is_builtin = true},
	REPLIES(X)
#undef X
};
const size_t shape_builtin_reply_count = ARRAY_LEN(shape_builtin_replies);
