/* Where to: what the names say, what they do not say, and for how long. */

#include "play/rows.h"

#define END                                                                                        \
	{                                                                                          \
		NULL, DNS_A, NULL, false                                                           \
	}
#define MX1                                                                                        \
	{                                                                                          \
		"mx1.there.test", DNS_A, "198.51.100.1", false                                     \
	}
#define MX2                                                                                        \
	{                                                                                          \
		"mx2.there.test", DNS_A, "198.51.100.2", false                                     \
	}
#define WITHIN_A_STEP (4 * CLOCK_HOUR + 58 * CLOCK_MIN)

static const struct dns_row good[] = {{"there.test", DNS_MX, "10 mx1.there.test", false}, MX1, END};
static const struct dns_row cname[] = {{"there.test", DNS_MX, "10 alias.there.test", false},
	{"alias.there.test", DNS_CNAME, "mx1.there.test", false}, MX1, END};
static const struct dns_row cname_domain[] = {{"there.test", DNS_CNAME, "other.test", false},
	{"other.test", DNS_MX, "10 mx1.there.test", false}, MX1, END};
static const struct dns_row cname_loop[] = {{"there.test", DNS_MX, "10 x.there.test", false},
	{"x.there.test", DNS_CNAME, "y.there.test", false},
	{"y.there.test", DNS_CNAME, "x.there.test", false}, END};
static const struct dns_row null_mx[] = {
	{"there.test", DNS_MX, "0 .", false}, {"there.test", DNS_A, "198.51.100.1", false}, END};
static const struct dns_row implicit[] = {{"there.test", DNS_A, "198.51.100.1", false}, END};
static const struct dns_row nothing[] = {{"there.test", DNS_TXT, "no mail here", false}, END};
static const struct dns_row nowhere[] = {{"there.test", DNS_MX, "!nxdomain", false}, END};
static const struct dns_row silent[] = {{"there.test", DNS_MX, "!silent", false}, END};
static const struct dns_row servfail[] = {{"there.test", DNS_MX, "!fail", false}, END};
static const struct dns_row bogus[] = {{"there.test", DNS_MX, "!bogus", true}, END};
static const struct dns_row lame[] = {{"there.test", DNS_MX, "10 mx1.there.test", false},
	{"mx1.there.test", DNS_A, "!fail", false},
	{"there.test", DNS_MX, "20 mx2.there.test", false}, MX2, END};
static const struct dns_row mute[] = {{"there.test", DNS_MX, "10 mx1.there.test", false},
	{"mx1.there.test", DNS_A, "!silent", false},
	{"there.test", DNS_MX, "20 mx2.there.test", false}, MX2, END};
static const struct dns_row no_address[] = {{"there.test", DNS_MX, "10 mx1.there.test", false},
	{"mx1.there.test", DNS_TXT, "x", false}, END};
static const struct dns_row to_us[] = {{"there.test", DNS_MX, "10 mx.here.test", false},
	{"there.test", DNS_MX, "20 mx1.there.test", false}, MX1, END};
static const struct dns_row loopback[] = {{"there.test", DNS_MX, "10 mx1.there.test", false},
	{"mx1.there.test", DNS_A, "127.0.0.1", false}, END};

static FIBER void heal_after_two_days(struct world *w)
{
	fiber_sleep(2 * CLOCK_DAY, NULL);
	row_names_set(w, good);
}

static FIBER void heal_after_an_hour(struct world *w)
{
	fiber_sleep(CLOCK_HOUR, NULL);
	row_names_set(w, good);
}

static void check_never_met(struct world *w, struct peer *mx1, struct peer *mx2)
{
	if (mx1->sessions)
		world_fault(w, "%u connections to a host that takes no mail", mx1->sessions);
}

#define FIVE_DAYS                                                                                  \
	.attempts = 30, .attempts_most = 48, .delayed = 2, .after_ns = 5 * CLOCK_DAY,              \
	.before_ns = 5 * CLOCK_DAY + 20 * CLOCK_MIN

static const struct row rows[] = {
	{.name = "an MX that is a CNAME is followed", .names = cname},
	{.name = "a domain that is a CNAME is followed", .names = cname_domain},
	{.name = "an MX that is a CNAME of itself ends, and is told",
		.names = cname_loop,
		.failed = "a",
		FIVE_DAYS},
	{.name = "a null MX comes back at once, whatever address the domain has",
		.names = null_mx,
		.failed = "a",
		.says = "5.1.10",
		.check = check_never_met},
	{.name = "a domain without MX is its own host", .names = implicit},
	{.name = "a domain with neither MX nor address comes back at once",
		.names = nothing,
		.failed = "a",
		.says = "5.4.4"},
	{.name = "a domain that is not there comes back at once",
		.names = nowhere,
		.failed = "a",
		.says = "5.1.2"},
	{.name = "a name server that never answers: five days, two notices, one report",
		.names = silent,
		.failed = "a",
		FIVE_DAYS},
	{.name = "SERVFAIL for two days, then fine: delivered within a step of the ladder",
		.names = servfail,
		.during = heal_after_two_days,
		.delayed = 1,
		.attempts = 12,
		.attempts_most = 28,
		.after_ns = 2 * CLOCK_DAY,
		.before_ns = 2 * CLOCK_DAY + WITHIN_A_STEP},
	{.name = "signatures that do not fit for an hour, then do: delivered, never bounced",
		.names = bogus,
		.during = heal_after_an_hour,
		.attempts = 5,
		.attempts_most = 7,
		.after_ns = CLOCK_HOUR,
		.before_ns = 3 * CLOCK_HOUR},
	{.name = "the best MX has no address because its servers are lame: the second takes it",
		.names = lame,
		.has_second = true},
	{.name = "the best MX's name servers are silent: the second takes it",
		.names = mute,
		.has_second = true,
		.before_ns = 2 * CLOCK_MIN},
	{.name = "an MX without an address comes back at once",
		.names = no_address,
		.failed = "a",
		.says = "5.4.4"},
	{.name = "we are the best MX ourselves: it comes back at once, no worse host is tried",
		.names = to_us,
		.failed = "a",
		.says = "5.4.6",
		.check = check_never_met},
	{.name = "an MX on loopback comes back at once",
		.names = loopback,
		.failed = "a",
		.says = "5.4.6"},
	{.name = "the best MX is dead: the second takes it at once",
		.mx = ROW_ABSENT,
		.has_second = true},
	{.name = "the best MX swallows packets: the second takes it within a minute",
		.mx = ROW_BLACK_HOLE,
		.has_second = true},
	{.name = "the best MX greets with 554: the second takes it at once",
		.rules = {{.at = "connect", .say = "554 5.3.2 no service"}},
		.has_second = true},
	{.name = "the best MX greets with 421: the second takes it at once",
		.rules = {{.at = "connect", .say = "421 4.3.2 busy"}},
		.has_second = true},
	{.name = "the best MX hangs up before it greets: the second takes it at once",
		.rules = {{.at = "connect", .is_silent = true, .closes = true}},
		.has_second = true},
	{.name = "both MX refuse for good: it comes back at once",
		.rules = {{.at = "connect", .say = "554 5.3.2 no service"}},
		.has_second = true,
		.second = {{.at = "connect", .say = "554 5.3.2 no service"}},
		.failed = "a"},
	{.name = "one MX refuses for good, the other for now: it waits",
		.rules = {{.at = "connect", .say = "554 5.3.2 no service"}},
		.has_second = true,
		.second = {{.at = "connect", .to = 1, .say = "421 4.3.2 busy"}},
		.attempts = 2,
		.after_ns = 48 * CLOCK_SEC,
		.before_ns = 2 * CLOCK_MIN},
};

int main(int argc, char **argv)
{
	return rows_main(rows, ARRAY_LEN(rows), argc, argv);
}
