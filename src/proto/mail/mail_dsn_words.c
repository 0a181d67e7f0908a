#include "proto/mail/mail_dsn_priv.h"

/* What reports say, in each language. The English texts are close to those that mail systems have
 * used for decades: people and programs know them. */

const char *const dsn_subjects[MAIL_DSN_ACTION_COUNT] = {
	[MAIL_DSN_FAILED] = "Undelivered Mail Returned to Sender",
	[MAIL_DSN_DELAYED] = "Delayed Mail (still being retried)",
	[MAIL_DSN_DELIVERED] = "Successful Mail Delivery Report",
	[MAIL_DSN_RELAYED] = "Successful Mail Delivery Report",
	[MAIL_DSN_EXPANDED] = "Successful Mail Delivery Report",
};

/* clang-format off */
const struct dsn_words dsn_words[MAIL_LANG_COUNT] = {
	[MAIL_LANG_EN] = {
		.host = "This is the mail system at host ", .host_end = ".",
		.opening = {
			[MAIL_DSN_FAILED] = "I'm sorry to have to inform you that your message could not be delivered "
				"to one or more recipients.",
			[MAIL_DSN_DELAYED] = "THIS IS A WARNING ONLY. YOU DO NOT NEED TO RESEND YOUR MESSAGE. It could not be "
				"delivered yet to one or more recipients, and is being retried.",
			[MAIL_DSN_DELIVERED] = "Your message was successfully delivered to the destination(s) listed below. "
				"If it was delivered to a mailbox you will receive no further notifications.",
			[MAIL_DSN_RELAYED] = "Your message was handed on to the mail system of the destination(s) listed "
				"below, which sends no reports of success. You will hear of it again only if it fails.",
			[MAIL_DSN_EXPANDED] = "Your message was sent on to the members of the address(es) listed below.",
		},
		.full = " It's attached below.", .header = " Its header is attached below.",
		.help = "For further assistance, please send mail to postmaster.",
		.help_again = "If you do so, please include this problem report. You can delete your own text from the "
			"attached returned message.",
		.sign = "                   The mail system",
		.colon = ": ", .peer = "host ", .said = " said: ",
		.done = {"failed", "delayed", "delivered", "relayed", "expanded"},
		.why = "Why: ", .remedy = "What you can do: ", .admin = "For administrators: ",
		.next = "Next attempts: in about ", .between = ", ", .last = " and ", .next_end = ".",
		.until = "Without success it comes back to you after ", .until_end = ".",
		.way = "The way of your message (times at ", .way_end = "):",
		.station = "Station", .at = "Arrived", .took = "Took",
		.left_out = "... ", .left_out_end = " more stations",
		.clock = "clock wrong",
		.fate = {"refused", "waits", "delivered", "handed on", "sent on"},
		.queue_id = "Queue id: ",
		.sec = " s", .min = " min", .hour = " h", .day = " d",
	},
	[MAIL_LANG_ZH] = {
		.subject = {
			[MAIL_DSN_FAILED] = "邮件未能送达，已退回",
			[MAIL_DSN_DELAYED] = "邮件延迟，仍在重试",
			[MAIL_DSN_DELIVERED] = "邮件已送达",
			[MAIL_DSN_RELAYED] = "邮件已转交",
			[MAIL_DSN_EXPANDED] = "邮件已转发",
		},
		.host = "这里是主机 ", .host_end = " 的邮件系统。",
		.hint = {
			[MAIL_DSN_FAILED] = "您的邮件未能送达下列收件人，原因见下。",
			[MAIL_DSN_DELAYED] = "您的邮件尚未送达，系统仍在重试，您无需重新发送。",
			[MAIL_DSN_DELIVERED] = "您的邮件已成功送达下列收件人。",
			[MAIL_DSN_RELAYED] = "您的邮件已转交给下列收件人的邮件系统。",
			[MAIL_DSN_EXPANDED] = "您的邮件已转发给下列地址的成员。",
		},
		.opening = {
			[MAIL_DSN_FAILED] = "很抱歉，您的邮件未能送达以下一位或多位收件人。",
			[MAIL_DSN_DELAYED] = "这只是一个提醒，您无需重新发送邮件。您的邮件暂时未能送达以下一位或多位收件人，"
				"系统仍在重试。",
			[MAIL_DSN_DELIVERED] = "您的邮件已成功送达以下收件人。若已投入邮箱，您不会再收到其他通知。",
			[MAIL_DSN_RELAYED] = "您的邮件已转交给以下收件人的邮件系统，该系统不发送成功报告。只有在投递失败时，"
				"您才会再次收到通知。",
			[MAIL_DSN_EXPANDED] = "您的邮件已转发给以下地址的成员。",
		},
		.full = "原邮件附在下方。", .header = "原邮件的邮件头附在下方。",
		.help = "如需进一步帮助，请写信给邮件管理员（postmaster）。",
		.help_again = "写信时请附上本报告；您可以从所附的原邮件中删去您自己的内容。",
		.sign = "                   邮件系统",
		.colon = "：", .peer = "主机 ", .said = " 答复：",
		.done = {"投递失败", "已延迟", "已送达", "已转交", "已转发"},
		.why = "原因：", .remedy = "建议：", .admin = "管理员请注意：",
		.next = "下次尝试：约 ", .between = "、", .last = "、", .next_end = "后。",
		.until = "若一直未能送达，邮件将退回给您，期限：", .until_end = "。",
		.way = "邮件经过的路径（时间为 ", .way_end = "）：",
		.station = "站点", .at = "到达时间", .took = "耗时",
		.left_out = "... 另有 ", .left_out_end = " 个站点",
		.clock = "时钟有误",
		.fate = {"被拒绝", "待重试", "已送达", "已转交", "已转发"},
		.queue_id = "队列编号：",
		.sec = " 秒", .min = " 分钟", .hour = " 小时", .day = " 天",
	},
};
/* clang-format on */
