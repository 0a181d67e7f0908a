/* What takes hours and days: outages, the ladder to its end, clocks that are set. */

#include "play/rows.h"

#include "base/must.h"

#define FIVE_DAYS .after_ns = 5 * CLOCK_DAY, .before_ns = 5 * CLOCK_DAY + 20 * CLOCK_MIN
/* Each 4 hours after the first seven hours; a fifth more or less, with every spread on one side. */
#define FIVE_DAYS_OF_ATTEMPTS .attempts = 30, .attempts_most = 48
/* The attempt after the end of an outage may be as far away as the ladder's widest step. */
#define WITHIN_A_STEP (4 * CLOCK_HOUR + 48 * CLOCK_MIN + 10 * CLOCK_MIN)

static FIBER void set_clock_back(struct world *w)
{
	fiber_sleep(20 * CLOCK_MIN, NULL);
	loop_sim_set_wall(loop_wall_ns() - CLOCK_DAY);
}

static FIBER void set_clock_forward(struct world *w)
{
	fiber_sleep(10 * CLOCK_MIN, NULL);
	loop_sim_set_wall(loop_wall_ns() + CLOCK_DAY);
}

static FIBER void set_clock_to_and_fro(struct world *w)
{
	fiber_sleep(10 * CLOCK_MIN, NULL);
	loop_sim_set_wall(loop_wall_ns() + CLOCK_HOUR);
	fiber_sleep(30 * CLOCK_MIN, NULL);
	loop_sim_set_wall(loop_wall_ns() - CLOCK_HOUR);
}

/* Its own MX is away for a day: the report waits, and comes once. */
static const struct dns_row far_names[] = {
	{"there.test", DNS_MX, "10 mx1.there.test", false},
	{"mx1.there.test", DNS_A, "198.51.100.1", false},
	{"far.test", DNS_MX, "10 mx.far.test", false},
	{"mx.far.test", DNS_A, "198.51.100.3", false},
	{NULL, DNS_A, NULL, false},
};

static FIBER void raise_far(struct world *w)
{
	fiber_sleep(CLOCK_DAY, NULL);
	world_peer(w, &(struct peer_opts){.address = "198.51.100.3:25"});
}

static void check_far(struct world *w, struct peer *mx1, struct peer *mx2)
{
	const struct world_rcpt *r = world_rcpt(w, "a@there.test");
	const struct world_rcpt *sender = world_rcpt(w, "carol@far.test");

	if (r->failed != 1 || sender->taken != 1)
		world_fault(w, "%u reports in %u letters", r->failed, sender->taken);
	if (r->failed_ns - r->sent_ns < CLOCK_DAY)
		world_fault(w, "the report came before there was somebody to take it");
}

static const struct row rows[] = {
	{.name = "a host that is never there: tried for five days, two notices, one report",
		.mx = ROW_ABSENT,
		.failed = "a",
		.delayed = 2,
		.says = "expired",
		FIVE_DAYS,
		FIVE_DAYS_OF_ATTEMPTS},
	{.name = "a host that swallows packets: tried for five days, two notices, one report",
		.mx = ROW_BLACK_HOLE,
		.failed = "a",
		.delayed = 2,
		.says = "expired",
		FIVE_DAYS,
		FIVE_DAYS_OF_ATTEMPTS},
	{.name = "greylisted for ever: tried for five days, two notices, one report",
		.rules = {{.at = "RCPT", .say = "450 4.7.1 greylisted"}},
		.is_off_ladder = true, /* sooner at first */
		.failed = "a",
		.delayed = 2,
		.says = "greylisted",
		FIVE_DAYS,
		FIVE_DAYS_OF_ATTEMPTS},
	{.name = "421 as greeting for ever: tried for five days, two notices, one report",
		.rules = {{.at = "connect", .say = "421 4.7.0 go away"}},
		.failed = "a",
		.delayed = 2,
		.says = "go away",
		FIVE_DAYS,
		FIVE_DAYS_OF_ATTEMPTS},
	{.name = "dropped after every dot: never answered, so tried for five days and reported",
		.rules = {{.at = "dot", .is_silent = true, .closes = true}},
		.failed = "a",
		.delayed = 2,
		.unheard = 48,
		.says = "may have arrived",
		FIVE_DAYS,
		FIVE_DAYS_OF_ATTEMPTS},
	{.name = "three of four recipients put off for ever: the fourth has it once, at once",
		.rules = {{.at = "RCPT", .has = "<b", .say = "452 4.2.2 full"},
			{.at = "RCPT", .has = "<c", .say = "450 4.2.1 busy"},
			{.at = "RCPT", .has = "<d", .say = "451 4.3.0 sick"}},
		.to = "a b c d",
		.failed = "b c d",
		.before_ns = 5 * CLOCK_DAY + 20 * CLOCK_MIN},
	{.name = "an outage of two days: delivered within a step of the ladder, one notice",
		.rules = {{.at = "connect",
			.until_ns = 2 * CLOCK_DAY,
			.is_silent = true,
			.closes = true}},
		.delayed = 1,
		.attempts = 12,
		.attempts_most = 28,
		.after_ns = 2 * CLOCK_DAY - CLOCK_MIN,
		.before_ns = 2 * CLOCK_DAY + WITHIN_A_STEP},
	{.name = "an outage of three hours: delivered without any notice",
		.rules = {{.at = "MAIL",
			.until_ns = 3 * CLOCK_HOUR,
			.say = "451 4.3.2 maintenance"}},
		.attempts = 7,
		.attempts_most = 8,
		.after_ns = 3 * CLOCK_HOUR - CLOCK_MIN,
		.before_ns = 5 * CLOCK_HOUR},
	{.name = "fifty letters behind an outage of a day: all arrive, the host is not flooded",
		.rules = {{.at = "connect", .until_ns = CLOCK_DAY, .say = "421 4.3.2 closed"}},
		.letters = 50,
		.delayed = 1,
		.attempts = ROW_ANY,
		.is_off_ladder = true,
		.after_ns = CLOCK_DAY - CLOCK_MIN,
		.before_ns = CLOCK_DAY + WITHIN_A_STEP,
		.sessions_most = 40},
	{.name = "NOTIFY=NEVER: given up after five days, and nobody is told",
		.mx = ROW_ABSENT,
		.rcpt_params = "NOTIFY=NEVER",
		.failed = "a",
		.is_untold = true,
		FIVE_DAYS,
		FIVE_DAYS_OF_ATTEMPTS},
	{.name = "NOTIFY=FAILURE: no notice of delay, one report",
		.mx = ROW_ABSENT,
		.rcpt_params = "NOTIFY=FAILURE",
		.failed = "a",
		FIVE_DAYS,
		FIVE_DAYS_OF_ATTEMPTS},
	{.name = "the null sender: given up after two days, nobody is told",
		.mx = ROW_ABSENT,
		.from = "",
		.failed = "a",
		.is_untold = true,
		.after_ns = 2 * CLOCK_DAY,
		.before_ns = 2 * CLOCK_DAY + 20 * CLOCK_MIN,
		.attempts = 14,
		.attempts_most = 26},
	{.name = "a sender elsewhere, whose host is away: the report reaches it once, a day later",
		.names = far_names,
		.rules = {{.at = "RCPT", .say = "550 5.1.1 nobody"}},
		.from = "carol@far.test",
		.failed = "a",
		.is_untold = true,
		.before_ns = CLOCK_DAY + WITHIN_A_STEP,
		.during = raise_far,
		.check = check_far},
	{.name = "the clock is set back a day: what waits is tried at once, nothing is doubled",
		.rules = {{.at = "MAIL", .until_ns = 15 * CLOCK_MIN, .say = "451 4.3.0 later"}},
		.during = set_clock_back,
		.attempts = 3,
		.attempts_most = 5,
		.is_off_ladder = true,
		.before_ns = 25 * CLOCK_MIN},
	{.name = "the clock is set forward a day: nothing is given up before its attempt",
		.rules = {{.at = "MAIL", .until_ns = 15 * CLOCK_MIN, .say = "451 4.3.0 later"}},
		.during = set_clock_forward,
		.delayed = ROW_ANY,
		.attempts = 3,
		.attempts_most = 6,
		.is_off_ladder = true,
		.before_ns = CLOCK_HOUR},
	{.name = "the clock is set to and fro by an hour: delivered within the ladder's hour",
		.rules = {{.at = "MAIL", .until_ns = CLOCK_HOUR, .say = "451 4.3.0 later"}},
		.during = set_clock_to_and_fro,
		.attempts = 4,
		.attempts_most = 9,
		.is_off_ladder = true,
		.before_ns = 2 * CLOCK_HOUR + 30 * CLOCK_MIN},
};

int main(int argc, char **argv)
{
	return rows_main(rows, ARRAY_LEN(rows), argc, argv);
}
