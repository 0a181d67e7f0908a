// A mailbox as somebody has it: people of many scripts, threads with one's own answers, labels, newsletters with pictures,
// letters that were given back or wait, drafts, one that leaves tomorrow, a book of addresses. For pictures of the page.

import { deflateSync } from "node:zlib";
import { mail, multipart, part } from "./mail.mjs";
import { startPeer } from "./peer.mjs";
import { until } from "./station.mjs";

const MINUTE = 60_000, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const word = (s) => /^[\x20-\x7e]*$/.test(s) ? s : `=?utf-8?B?${Buffer.from(s).toString("base64")}?=`;
const who = (name, email) => `${/^[\w .]*$/.test(name) || !/^[\x20-\x7e]*$/.test(name) ? word(name) : `"${name}"`} <${email}>`;

function crc(octets) {
	let sum = ~0;
	for (const o of octets) {
		sum ^= o;
		for (let bit = 0; bit < 8; bit++)
			sum = sum >>> 1 ^ (sum & 1 ? 0xedb88320 : 0);
	}
	return ~sum >>> 0;
}
/** A picture: `paint(x, y)` gives red, green, blue. */
export function png(width, height, paint) {
	const rows = Buffer.alloc((width * 3 + 1) * height);
	for (let y = 0, at = 0; y < height; y++) {
		rows[at++] = 0;
		for (let x = 0; x < width; x++)
			for (const c of paint(x / width, y / height))
				rows[at++] = Math.max(0, Math.min(255, Math.round(c)));
	}
	const chunk = (type, octets) => {
		const body = Buffer.concat([Buffer.from(type, "latin1"), octets]), out = Buffer.alloc(body.length + 8);
		out.writeUInt32BE(octets.length, 0);
		body.copy(out, 4);
		out.writeUInt32BE(crc(body), body.length + 4);
		return out;
	};
	const head = Buffer.alloc(13);
	head.writeUInt32BE(width, 0);
	head.writeUInt32BE(height, 4);
	head.set([8, 2, 0, 0, 0], 8);
	return Buffer.concat([Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]), chunk("IHDR", head), chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]);
}
export const hills = (width = 640, height = 320) => png(width, height, (x, y) => {
	const far = 0.45 + 0.1 * Math.sin(x * 7), near = 0.7 + 0.08 * Math.sin(x * 11 + 2);
	return y > near ? [62, 98 - y * 20, 70] : y > far ? [112, 148, 132] : [255 - y * 90, 214 - y * 40, 170 + y * 110];
});

const ME = "Alice Martin <alice@yizhan.test>";
const PEOPLE = {
	ana: who("Ana Lima", "ana@example.org"), bob: who("Bob Stone", "bob@yizhan.test"), wei: who("王伟", "wei.wang@example.cn"), li: who("李晓梅", "xiaomei@example.cn"),
	samir: who("سمير حداد", "samir@example.com"), noor: who("Noor de Vries", "noor@example.nl"), marta: who("Marta Kowalska", "marta.kowalska@university.example"),
	shop: who("Northlight Books", "news@northlight.example"), bank: who("Savings Bank", "no-reply@bank.example"), choir: who("City Choir", "choir@lists.example.org"),
	chen: who("陈昊（项目组）", "chen.hao@example.cn"), long: who("Alexandra Konstantinopolitanskaya-Featherstonehaugh", "alexandra.featherstonehaugh@department-of-long-names.example"),
	travel: who("Rail Europe", "tickets@rail.example"), yuki: who("佐藤 由紀", "yuki@example.jp"),
};
const text = (t) => part("text/plain; charset=utf-8", t);
const file = (type, name, octets) => part(`${type}; name="${word(name)}"`, octets, { "Content-Disposition": `attachment; filename="${word(name)}"` });

const NEWSLETTER = (cid) => `<!doctype html><html><head><style>
body{margin:0;background:#f4efe6;font-family:Georgia,serif;color:#2b2b2b} .wrap{max-width:600px;margin:0 auto;background:#fff}
h1{font-size:30px;line-height:36px;margin:0 0 12px} h2{font-size:20px;margin:24px 0 8px} p{line-height:1.6;margin:0 0 12px}
.button{display:inline-block;padding:12px 24px;background:#9c3d1e;color:#fff;text-decoration:none;border-radius:4px}
td{vertical-align:top}</style></head><body><div class="wrap"><img src="cid:${cid}" width="600" alt="Hills in the evening" style="display:block;width:100%">
<div style="padding:28px 32px"><h1>Books for the long evenings</h1><p>Dear reader, the clocks have gone back and the reading lamp is lit. Here is what we are reading this month.</p>
<table width="100%" cellpadding="0" cellspacing="0"><tr><td width="150"><img src="https://img.northlight.example/one.jpg" width="132" height="190" alt="Cover: The Relay Riders"></td>
<td><h2 style="margin-top:0">The Relay Riders</h2><p>Forty stations, four thousand miles, one letter. A history of the post roads of the Tang.</p><p><a class="button" href="https://northlight.example/riders">Read the first chapter</a></p></td></tr></table>
<h2>Also new</h2><ul><li>A Field Guide to Winter Birds</li><li>Letters from a Small Island</li><li>驿站：一部古代邮路史</li></ul>
<p><img src="https://img.northlight.example/two.jpg" width="536" height="120" alt="Reading evening on Friday"></p>
<p style="font-size:12px;color:#767676">You get this because you asked for it. Northlight Books, 12 Harbour Street.</p></div></div></body></html>`;

/** What lies in which folder. `ago`: milliseconds before now. */
function letters() {
	const plan = { id: "<plan.1@example.org>", subject: "Budget plan for next year" };
	const quote = "\n\nOn Monday, Ana Lima wrote:\n> Hi Alice,\n>\n> here is the budget plan for next year. Could you check the numbers for travel?\n>\n> Ana";
	const list = { "List-Id": "City Choir <choir.lists.example.org>", "List-Unsubscribe": "<https://lists.example.org/u/1>, <mailto:leave@lists.example.org>" };
	return [
		{ from: PEOPLE.bob, subject: "Lunch?", ago: 14 * MINUTE, body: text("At one, at the usual place?\n\nBob") },
		{ from: PEOPLE.ana, subject: plan.subject, id: plan.id, ago: 2 * DAY, flags: "\\Seen \\Answered", keywords: "work",
			body: multipart("mixed", [text("Hi Alice,\n\nhere is the budget plan for next year. Could you check the numbers for travel?\n\nAna\n"),
				file("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "Budget 2027.xlsx", Buffer.alloc(48_211, 7)), file("image/png", "Chart of costs.png", hills(480, 300))]) },
		{ box: "Sent", from: ME, to: PEOPLE.ana, subject: "Re: " + plan.subject, id: "<plan.2@yizhan.test>", refs: plan.id, ago: 2 * DAY - 5 * HOUR, flags: "\\Seen",
			body: text("They look right to me. Is the conference in there?\n\nAlice" + quote) },
		{ from: PEOPLE.ana, to: `${ME}, ${PEOPLE.bob}, ${PEOPLE.chen}`, subject: "Re: " + plan.subject, id: "<plan.3@example.org>", refs: plan.id + " <plan.2@yizhan.test>", ago: 47 * MINUTE, flags: "\\Flagged", keywords: "work",
			body: text("Yes, in line twelve. I have asked Bob to book the train, and Chen Hao knows the hotel.\n\nWould you tell the others? The page is at https://example.org/budget/2027 for now.\n\nAna\n\n-- \nAna Lima\nExample Foundation, Lisbon\n\nOn Monday, Alice Martin wrote:\n> They look right to me. Is the conference in there?\n>\n>> Hi Alice,\n>>\n>> here is the budget plan for next year.\n") },
		{ from: PEOPLE.wei, subject: "会议纪要：第三季度项目计划（请确认）", ago: 2 * HOUR, keywords: "work",
			body: multipart("mixed", [text("Alice 您好：\n\n附件是昨天会议的纪要，请您确认第二部分的时间安排。\n\n主要结论：\n1. 新版本在 12 月 1 日前完成测试；\n2. 服务器迁移推迟到明年第一季度；\n3. 下次会议定于周五上午 10:00。\n\n如有问题，请随时与我联系。\n\n王伟\n"),
				file("application/pdf", "会议纪要-第三季度.pdf", Buffer.from("%PDF-1.4\n" + "x".repeat(180_000)))]) },
		{ from: PEOPLE.samir, subject: "سؤال حول العقد الجديد", ago: 5 * HOUR, flags: "\\Seen", body: text("مرحبا أليس،\n\nهل يمكنك مراجعة العقد قبل يوم الخميس؟ الصفحة الثالثة فيها سؤال عن المواعيد.\n\nشكرا،\nسمير") },
		{ from: PEOPLE.noor, subject: "Photos of the weekend", ago: DAY + 3 * HOUR, keywords: "friends",
			body: multipart("mixed", [text("They turned out well, the one by the lake most of all.\n\nNoor"), file("image/png", "lake.png", hills()), file("image/png", "village.png", hills(400, 400))]) },
		{ from: PEOPLE.shop, subject: "Books for the long evenings", ago: DAY + 8 * HOUR, id: "<news.1@northlight.example>",
			headers: { "List-Unsubscribe": "<https://northlight.example/u/77>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click", "List-Id": "<news.northlight.example>" },
			body: multipart("related", [part("text/html; charset=utf-8", NEWSLETTER("hills@northlight.example")), part("image/png", hills(1200, 400), { "Content-ID": "<hills@northlight.example>", "Content-Disposition": "inline" })]) },
		{ from: PEOPLE.choir, subject: "[choir] Rehearsal moved to Tuesday", ago: 2 * DAY + HOUR, flags: "\\Seen", headers: list, keywords: "friends",
			body: text("Dear all,\n\nthe hall is taken on Monday, so we sing on Tuesday at 19:30. Please bring the Fauré.\n\nJo") },
		{ from: PEOPLE.long, to: `${ME}, ${PEOPLE.long}`, subject: "Minutes of the extraordinary meeting of the subcommittee for the revision of the procedures of the committee", ago: 3 * DAY, flags: "\\Seen \\Answered",
			body: text("Please find below the minutes, Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft and https://department-of-long-names.example/committees/subcommittees/revision/of/the/procedures/2026/11/minutes-of-the-extraordinary-meeting.html\n\nA. K.-F.") },
		{ from: PEOPLE.bank, subject: "Your statement for October is ready", ago: 4 * DAY, flags: "\\Seen", keywords: "money", body: text("Your statement can be read in your mailbox at the bank.\n") },
		{ from: PEOPLE.li, subject: "周末一起去爬山吗？", ago: 5 * DAY, flags: "\\Seen \\Flagged", keywords: "friends", body: text("天气预报说周六晴，我们早上八点在地铁站见面怎么样？\n\n晓梅") },
		{ from: PEOPLE.travel, subject: "Your tickets: Lisbon – Madrid, 14 December", ago: 8 * DAY, flags: "\\Seen \\Flagged", keywords: "money",
			body: multipart("mixed", [text("Your tickets are attached. Seat 41, coach 7. Please be at the platform ten minutes before the train leaves.\n"), file("application/pdf", "tickets.pdf", Buffer.from("%PDF-1.4\n" + "y".repeat(90_000)))]) },
		{ from: PEOPLE.yuki, subject: "来月の打ち合わせについて", ago: 11 * DAY, flags: "\\Seen", body: text("アリス様\n\nお世話になっております。来月の打ち合わせの日程をご相談させてください。\n\n佐藤") },
		{ from: PEOPLE.marta, subject: "Trip to Lisbon", ago: 17 * DAY, flags: "\\Seen \\Flagged", body: text("The train leaves at nine; I have the seats by the window.\n\nMarta") },
		{ from: PEOPLE.chen, subject: "Re: 服务器迁移 Server migration", ago: 30 * DAY, flags: "\\Seen", keywords: "work", body: text("迁移脚本已经在 staging 环境跑通，共 1,284 个账户，用时 42 分钟。\n\n陈昊") },
		{ from: who("", "builds@ci.example"), subject: "", ago: 60 * DAY, flags: "\\Seen", body: text("Build 4711 has passed.") },
		{ from: PEOPLE.marta, subject: "Happy new year!", ago: 400 * DAY, flags: "\\Seen", body: text("And a good one to you all.\n") },
		...Array.from({ length: 24 }, (_, i) => ({ from: i % 3 ? PEOPLE.shop : PEOPLE.choir, subject: i % 3 ? `Northlight letter ${64 - i}` : `[choir] Programme of week ${44 - i}`, ago: (20 + i * 11) * DAY, flags: "\\Seen",
			headers: i % 3 ? {} : list, body: text("New in the shop, and what we will sing.\n") })),
		{ box: "Junk", from: who("Prize Office", "win@prize.example"), subject: "You have won!!!", ago: 6 * HOUR, body: text("Send us your account number.") },
		{ box: "Archive", from: PEOPLE.bob, subject: "Keys of the office", ago: 90 * DAY, flags: "\\Seen", body: text("They are with Ana now.") },
		{ box: "Drafts", from: ME, to: PEOPLE.noor, subject: "Re: Photos of the weekend", ago: 3 * HOUR, flags: "\\Seen \\Draft", body: text("The one by the lake is wonderful. Could you") },
		{ box: "Drafts", from: ME, to: PEOPLE.wei, subject: "关于时间安排", ago: 26 * HOUR, flags: "\\Seen \\Draft", body: text("王伟你好：\n\n第二部分的时间安排") },
	];
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const imapDate = (d) => `${String(d.getUTCDate()).padStart(2, "0")}-${MONTHS[d.getUTCMonth()]}-${d.getUTCFullYear()} ${d.toISOString().slice(11, 19)} +0000`;

/** One that alice sends by JMAP; the ids of the Email and of the submission. */
export async function send(station, { to, subject, body, hold = null, name = "Alice Martin" }) {
	const [[, boxes], [, ids]] = await station.jmap("alice", [["Mailbox/get", { ids: null, properties: ["role"] }], ["Identity/get", { ids: null }]]);
	const sent = boxes.list.find((b) => b.role === "sent").id, me = ids.list.find((i) => i.email === "alice@yizhan.test");
	const [[, made], [, submitted]] = await station.jmap("alice", [
		["Email/set", { create: { e: { mailboxIds: { [sent]: true }, keywords: { $seen: true }, from: [{ name, email: "alice@yizhan.test" }], to: to.map(([n, email]) => ({ name: n, email })), subject,
			bodyValues: { 1: { value: body } }, textBody: [{ partId: "1", type: "text/plain" }] } } }],
		["EmailSubmission/set", { create: { s: { identityId: me.id, emailId: "#e", envelope: { mailFrom: { email: "alice@yizhan.test", parameters: hold && { HOLDUNTIL: hold } },
			rcptTo: to.map(([, email]) => ({ email, parameters: null })) } } } }],
	]);
	if (!submitted.created?.s)
		throw new Error("not sent: " + JSON.stringify([made, submitted]));
	return { emailId: made.created.e.id, threadId: made.created.e.threadId, submissionId: submitted.created.s.id };
}

/** Fill alice's account; what must be stopped, and ids of what pictures are taken of. */
export async function lifelike(station) {
	const now = Date.now(), imap = await station.imap("alice");
	const have = (await imap('LIST "" "*"')).join("\n");
	for (const folder of ["Projects", "Projects/Lisbon", "Projects/Relay", "Family", "Receipts"])
		if (!have.includes(folder))
			await imap(`CREATE "${folder}"`);
	await imap('CREATE "&i6JTVQ-"'); // 订单
	let n = 0;
	for (const l of letters()) {
		const date = new Date(now - l.ago);
		const raw = mail(l.body, { from: l.from, to: l.to ?? ME, subject: l.subject, date, id: l.id ?? `<life.${++n}@example.org>`, headers: { ...(l.refs ? { "In-Reply-To": l.refs.split(" ").at(-1), References: l.refs } : {}), ...l.headers } });
		await imap(`APPEND "${l.box ?? "INBOX"}" (${[l.flags, l.keywords].filter(Boolean).join(" ")}) "${imapDate(date)}" {${raw.length}+}\r\n${raw}`);
	}
	imap.end();
	const peers = { good: await startPeer(), grey: await startPeer({ rcpt: "450 4.2.0 greylisted, please try again in 5 minutes" }), gone: await startPeer({ rcpt: "550 5.1.1 no such user here" }) };
	station.cli("route", "set", "example.cn", `127.0.0.1:${peers.good.port}`);
	station.cli("route", "set", "corp.example", `127.0.0.1:${peers.grey.port}`);
	station.cli("route", "set", "gone.example", `127.0.0.1:${peers.gone.port}`);
	station.cli("alias", "add", "office@yizhan.test", "alice@yizhan.test");
	await station.jmap("alice", [
		["WebSettings/set", { update: { singleton: { undoSeconds: 0, labels: [{ keyword: "work", name: "Work", color: "#1a5fb4" }, { keyword: "friends", name: "朋友 Friends", color: "#26a269" }, { keyword: "money", name: "Money", color: "#e5a50a" }],
			searches: [{ id: "s1", name: "Large mail with files", query: "has:attachment larger:1M" }] } } }],
		["Contact/set", { create: Object.fromEntries([["Ana Lima", "ana@example.org", "Example Foundation"], ["Bob Stone", "bob@yizhan.test", ""], ["王伟", "wei.wang@example.cn", "远方科技有限公司"], ["李晓梅", "xiaomei@example.cn", ""],
			["سمير حداد", "samir@example.com", ""], ["Noor de Vries", "noor@example.nl", ""], ["Marta Kowalska", "marta.kowalska@university.example", "University of Example"],
			["Alexandra Konstantinopolitanskaya-Featherstonehaugh", "alexandra.featherstonehaugh@department-of-long-names.example", "Department of Long Names"], ["佐藤 由紀", "yuki@example.jp", ""]]
			.map(([name, email, org], i) => ["k" + i, { name, emails: [{ email, label: "" }], org, isKept: true }])) }],
	]);
	// an alias has an identity by itself
	const [[, own]] = await station.jmap("alice", [["Identity/get", { ids: null }]]);
	const office = { name: "Example Foundation, Office", textSignature: "Example Foundation\nOffice hours: Monday to Thursday, 9 to 16",
		htmlSignature: "<div><b>Example Foundation</b></div><div>Office hours: Monday to Thursday, 9 to 16</div>" };
	await station.jmap("alice", [["Identity/set", { update: Object.fromEntries(own.list.map((i) => [i.id, i.email.startsWith("office") ? office : { name: "Alice Martin" }])) }]]);
	const sent = {
		delivered: await send(station, { to: [["王伟", "wei.wang@example.cn"], ["李晓梅", "xiaomei@example.cn"]], subject: "第三季度计划：已确认 Plan confirmed", body: "王伟、晓梅：\n\n时间安排没有问题，谢谢。\n\nAlice" }),
		waiting: await send(station, { to: [["Grace Hall", "grace@corp.example"]], subject: "Contract, second draft", body: "Dear Grace,\n\nhere is the second draft.\n\nAlice" }),
		bounced: await send(station, { to: [["Old Friend", "old.friend@gone.example"]], subject: "Are you still there?", body: "I found your card.\n\nAlice" }),
	};
	const tomorrow = new Date(now + DAY);
	sent.scheduled = await send(station, { to: [["Marta Kowalska", "marta@example.cn"]], subject: "Good morning, Marta", body: "See you at the station.", hold: tomorrow.toISOString().slice(0, 19) + "Z" });
	const find = (subject) => until(async () => {
		const [[, q], [, g]] = await station.jmap("alice", [["Email/query", { filter: { subject } }], ["Email/get", { "#ids": { resultOf: "c0", name: "Email/query", path: "/ids" }, properties: ["id", "threadId", "subject"] }]]);
		return g.list.find((m) => m.subject === subject) ?? g.list[0];
	}, 8000, subject);
	const traces = {};
	for (const [what, s] of Object.entries(sent))
		if (what !== "scheduled")
			traces[what] = await until(async () => {
				const [[, got]] = await station.jmap("alice", [["Trace/get", { ids: [s.emailId] }]]);
				const t = got.list?.[0];
				return t && /"(delivered|deferred|failed|bounced)"/.test(JSON.stringify(t.events)) && s.emailId;
			}, 20_000, "the trace of " + what);
	const ids = { plan: await find("Budget plan for next year"), news: await find("Books for the long evenings"), minutes: await find("会议纪要"), arabic: await find("سؤال"), photos: await find("Photos of the weekend"),
		bounce: await find("Undeliver").catch(() => null) };
	const [[, boxes]] = await station.jmap("alice", [["Mailbox/get", { ids: null, properties: ["role"] }]]);
	return { sent, traces, ids, stop: () => Promise.all(Object.values(peers).map((p) => p.stop())) };
}
