#include "proto/mail/mail_dsn.h"

#include "base/must.h"

/* What enhanced codes mean to the one who sent the mail, and what can be done about it. A detail
 * of ANY stands for the whole subject; a class of 0 for any class. */
#define ANY 1000u

struct meaning {
	unsigned cls, subject, detail;
	const char *cause, *remedy;
};

static const struct meaning meanings[] = {
	{0, 1, 1, "There is no mailbox with this name at that address's domain.",
		"Check the spelling of the part before the @, or ask the recipient for the address."},
	{0, 1, 2, "The domain of this address does not exist or takes no mail.",
		"Check the spelling of the part behind the @."},
	{0, 1, 3, "The address is not written as an address can be.",
		"Check it for blanks, missing dots and stray characters."},
	{0, 1, 4, "The address fits more than one mailbox.",
		"Ask the recipient for the exact address."},
	{0, 1, 6, "The mailbox has moved and left no forwarding address.",
		"Ask the recipient for the new address."},
	{0, 1, 7, "The next station does not take your own address as it is written.",
		"Check the sender address in your mail program."},
	{0, 1, 8, "The domain of your own address could not be verified.",
		"Check the sender address in your mail program."},
	{0, 1, 10, "The recipient's domain says that it takes no mail at all.",
		"Check the spelling of the part behind the @, or reach the recipient another way."},
	{0, 1, ANY, "Something is wrong with the address.", "Check the address."},
	{0, 2, 1, "The mailbox exists, but is switched off.", "Reach the recipient another way."},
	{4, 2, 2, "The mailbox is full.", "Nothing: delivery is tried again for some days."},
	{0, 2, 2, "The mailbox is full.", "Tell the recipient another way, and send again later."},
	{0, 2, 3, "The message is larger than this mailbox takes.",
		"Send it smaller, or put large files where the recipient can fetch them."},
	{0, 2, 4, "The mailing list behind this address could not be expanded.",
		"Write to the owner of the list."},
	{4, 2, ANY, "The mailbox cannot take the message right now.",
		"Nothing: delivery is tried again for some days."},
	{0, 2, ANY, "The mailbox did not take the message.", "Reach the recipient another way."},
	{0, 3, 1, "The mail system there has no room left.",
		"Try again later, or tell the recipient another way."},
	{0, 3, 4, "The message is larger than the mail system there takes.",
		"Send it smaller, or put large files where the recipient can fetch them."},
	{0, 3, ANY, "The mail system there has a problem of its own.",
		"Try again later, or tell the recipient another way."},
	{0, 4, 1, "The mail system there did not answer.",
		"Check the spelling of the part behind the @; else tell the recipient another way."},
	{0, 4, 2, "The connection to the mail system there broke.",
		"Try again later, or tell the recipient another way."},
	{0, 4, 3, "The name service did not answer.", "Try again later."},
	{0, 4, 4, "No way to the mail system of that domain is known.",
		"Check the spelling of the part behind the @."},
	{0, 4, 5, "The mail system there is overloaded.", "Try again later."},
	{0, 4, 6, "The message went round in a circle between mail systems.",
		"Tell the postmaster: a forwarding points back to where it came from."},
	{0, 4, 7, "The message could not be delivered in all the time that was tried.",
		"Check the address; else tell the recipient another way."},
	{0, 4, ANY, "The mail system there could not be reached.",
		"Try again later, or tell the recipient another way."},
	{0, 5, 3, "The message has more recipients than the mail system there takes.",
		"Send it to fewer recipients at a time."},
	{0, 5, ANY, "The two mail systems did not understand each other.",
		"Tell the postmaster, and include this report."},
	{0, 6, 3, "The message has to be converted on its way, and that cannot be done.",
		"Send it without special formats, or as a plain attachment."},
	{0, 6, 7, "The address has characters that the mail system there cannot handle.",
		"Ask the recipient for an address in plain letters."},
	{0, 6, 11, "The message has line ends that are forbidden in mail.",
		"Tell whoever made the program that wrote the message."},
	{0, 6, ANY, "The content of the message is not what the mail system there takes.",
		"Send it in another form, plain text for example."},
	{0, 7, 1, "The mail system there does not allow this message.",
		"Read its reply above; ask the recipient, or your own postmaster."},
	{0, 7, 2, "You may not write to this mailing list.",
		"Join the list, or write to its owner."},
	{0, 7, 8, "The login failed.", "Check name and password in your mail program."},
	{0, 7, 10, "The way there asks for encryption that could not be had.",
		"Tell the postmaster, and include this report."},
	{0, 7, 23,
		"The mail system there holds the message for forged: SPF does not allow our address.",
		"Tell your own postmaster, and include this report."},
	{0, 7, 26, "The mail system there could not verify where the message comes from.",
		"Tell your own postmaster, and include this report."},
	{0, 7, ANY,
		"A security or policy rule of the mail system there stands against the message.",
		"Read its reply above; ask the recipient, or your own postmaster."},
	{4, ANY, ANY, "There is a problem that may pass.",
		"Nothing: delivery is tried again for some days."},
	{2, ANY, ANY, "All is well.", "Nothing."},
	{0, ANY, ANY, "The mail system there refused the message.",
		"Read its reply above; ask the recipient, or your own postmaster."},
};

static const struct meaning *find(unsigned cls, unsigned subject, unsigned detail)
{
	const struct meaning *m = meanings;

	while ((m->cls && m->cls != cls) || (m->subject != ANY && m->subject != subject) ||
		(m->detail != ANY && m->detail != detail) || (cls == 2 && m->cls != 2))
		m++; /* the last entry fits all but class 2, which the one before fits */
	return m;
}

const char *mail_dsn_cause(unsigned cls, unsigned subject, unsigned detail)
{
	return find(cls, subject, detail)->cause;
}

const char *mail_dsn_remedy(unsigned cls, unsigned subject, unsigned detail)
{
	return find(cls, subject, detail)->remedy;
}
