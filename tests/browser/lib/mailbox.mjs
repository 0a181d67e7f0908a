// A mailbox as people have it: letters of years, a third of them in conversations, newsletters in HTML, files, English
// and Chinese. The same each time.

import { createWriteStream, mkdtempSync, rmSync } from "node:fs";
import { once } from "node:events";
import os from "node:os";
import path from "node:path";
import { sleep, until } from "./station.mjs";

export const RARE = "zephyrstone", COMMON = "meeting", CHINESE = "会议", CHINESE_RARE = "青铜器";
/** More of them, so that each is asked for the first time. */
export const COMMON_MORE = "report budget invoice project please from have this with that".split(" ");
export const CHINESE_MORE = "预算 附件 报告 项目 进度 星期 邮件 服务器 合同 天气 数据库 备份 北京 回复 来信 销售".split(" ");
export const LONG_THREAD = "Minutes of the bridge committee"; // a conversation of 20, at the top
const END = Date.UTC(2026, 10, 1), SPAN_MS = 8 * 365 * 86400e3;
const THREAD_LETTERS = 20;

/** Numbers that look like chance (mulberry32). */
export function chance(seed) {
	let a = seed >>> 0;
	const next = () => {
		a = (a + 0x6d2b79f5) >>> 0;
		let t = Math.imul(a ^ (a >>> 15), a | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
	};
	return { next, below: (n) => Math.floor(next() * n), of: (list) => list[Math.floor(next() * list.length)] };
}

const SYLLABLES = "ba ber can dor el fin gar hal in jo kel lo mar nor os pel quin ras sel tor un ver wil xan yor zel ter min ful ra".split(" ");
const NAMES = ["Ana Lima", "Bo Chen", "Chloe Martin", "David Okoro", "Elif Kaya", "Farid Haddad", "Greta Holm", "Hiro Tanaka", "Ines Costa", "Jan Novak",
	"王小明", "李华", "张伟", "陈静", "刘洋", "Karl Weiss", "Lena Fischer", "Marco Rossi", "Nadia Petrova", "Omar Said"];
const PHRASES = ["我们明天下午三点开会议讨论预算", "附件是上个月的销售报告请查收", "项目的进度比计划晚了两个星期", "请在星期五之前回复这封邮件", "新的服务器已经安装完毕可以使用",
	"关于合同的第三条我有一些疑问", "感谢您的来信我们会尽快处理", "北京的天气很好欢迎来访问", "数据库的备份已经完成没有错误", "这个月的会议改到下星期二上午"];

function vocabulary(r) {
	const words = new Set("the of and to in is that for it with as was on be at by this have from or we you please report budget invoice project meeting".split(" "));
	while (words.size < 20_000)
		words.add(Array.from({ length: 2 + r.below(3) }, () => r.of(SYLLABLES)).join(""));
	return [...words];
}
/** As often as in languages: the n-th word a 1/n of the first (Zipf). */
const word = (r, words) => words[Math.floor(Math.exp(r.next() * Math.log(words.length)) - 1)] ?? words[0];

function paragraph(r, words, length) {
	const out = [];
	for (let n = 0; n < length;) {
		const w = word(r, words);
		out.push(w);
		n += w.length + 1;
	}
	return out.join(" ").replace(/(.{60,76}) /g, "$1\n");
}
const encoded = (s) => /^[\x20-\x7e]*$/.test(s) ? s : `=?utf-8?B?${Buffer.from(s).toString("base64")}?=`;
const lines76 = (b) => b.toString("base64").replace(/.{76}/g, "$&\n");

function body(r, words, n) {
	let text = paragraph(r, words, 200 + Math.floor(4000 * r.next() ** 3));
	if (r.below(4) === 0)
		text = Array.from({ length: 3 + r.below(8) }, () => r.of(PHRASES)).join("，\n") + "。\n" + text;
	if (n % 5000 === 77)
		text += `\nThe ${RARE} lies in box ${n}. 博物馆的${CHINESE_RARE}。\n`;
	return text;
}

function letter(r, words, n, thread) {
	const name = r.of(NAMES), who = `${encoded(name)} <p${NAMES.indexOf(name)}@example.org>`;
	const date = new Date(END - SPAN_MS + n / thread.of * SPAN_MS);
	const head = [`From: ${who}`, "To: Alice <alice@yizhan.test>", `Subject: ${encoded((thread.last ? "Re: " : "") + thread.subject)}`,
		`Date: ${date.toUTCString().replace("GMT", "+0000")}`, `Message-ID: <${n}.bench@example.org>`, "MIME-Version: 1.0",
		`Status: ${r.below(10) ? "RO" : "O"}`];
	if (thread.last)
		head.push(`In-Reply-To: <${thread.last}.bench@example.org>`, `References: <${thread.first}.bench@example.org> <${thread.last}.bench@example.org>`);
	const text = body(r, words, n), kind = thread.isLong ? 50 : r.below(100), b = `b${n}`;
	const plain = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit";
	let rest;
	if (kind < 12) { // a newsletter
		const cells = Array.from({ length: 10 + r.below(40) }, (_, i) => `<tr><td style="padding:8px;color:#333"><h2>${word(r, words)} ${i}</h2><p style="font:14px sans-serif">${paragraph(r, words, 300)}</p></td></tr>`);
		rest = `Content-Type: multipart/alternative; boundary=${b}\n\n--${b}\n${plain}\n\n${text}\n--${b}\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n`
			+ `<html><body><table>${cells.join("\n")}</table></body></html>\n--${b}--\n`;
	} else if (kind < 17) { // a file
		const octets = Buffer.from(Array.from({ length: 4_000 + r.below(40_000) }, () => r.below(256)));
		rest = `Content-Type: multipart/mixed; boundary=${b}\n\n--${b}\n${plain}\n\n${text}\n--${b}\nContent-Type: application/pdf; name="${word(r, words)}.pdf"\n`
			+ `Content-Disposition: attachment; filename="${word(r, words)}.pdf"\nContent-Transfer-Encoding: base64\n\n${lines76(octets)}\n--${b}--\n`;
	} else {
		rest = `${plain}\n\n${text}\n`;
	}
	const day = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"][date.getUTCDay()], month = date.toUTCString().slice(8, 11);
	const stamp = `${day} ${month} ${String(date.getUTCDate()).padStart(2)} ${date.toUTCString().slice(17, 25)} ${date.getUTCFullYear()}`;
	return `From p@example.org ${stamp}\n${head.join("\n")}\n${rest.replace(/^From /gm, ">From ")}\n`;
}

async function writeMbox(file, count) {
	const r = chance(7), words = vocabulary(r), open = [], out = createWriteStream(file);
	const long = { subject: LONG_THREAD, of: count, isLong: true, last: 0 };
	for (let n = 1; n <= count; n++) {
		const isLong = n > count - 3 * THREAD_LETTERS && (count - n) % 3 === 0;
		let thread = isLong ? long : open.length && r.below(3) === 0 ? r.of(open) : null;
		if (!thread) {
			thread = { subject: r.below(5) ? `${word(r, words)} ${word(r, words)} ${word(r, words)} ${n}` : `${r.of(PHRASES)} ${n}`, of: count, last: 0 };
			open.push(thread);
			if (open.length > 40)
				open.splice(r.below(10), 1);
		}
		if (!out.write(letter(r, words, n, thread)))
			await once(out, "drain");
		thread.first ||= n;
		thread.last = n;
	}
	out.end();
	await once(out, "close");
}

/** So many letters, imported for somebody, their threads worked in. */
export async function fillMailbox(station, name, count) {
	const dir = mkdtempSync(path.join(os.tmpdir(), "yz-letters-"));
	try {
		const mbox = path.join(dir, "letters.mbox");
		await writeMbox(mbox, count);
		await station.cliLong("mailbox", "import", station.account(name).address, mbox);
	} finally {
		rmSync(dir, { recursive: true, force: true });
	}
	await settled(station, name, count);
}

/** All of them are in the list, in their threads. */
async function settled(station, name, count) {
	await until(async () => {
		const [[, boxes]] = await station.jmap(name, [["Mailbox/get", { ids: null, properties: ["role", "totalEmails"] }]]);
		return boxes.list.find((m) => m.role === "inbox")?.totalEmails >= count;
	}, 600_000, "the list");
}
/** Search knows all their words: without that it reads the letters themselves. */
export async function indexed(station) {
	await until(async () => {
		await sleep(200);
		return /search_documents_missing(\{[^}]*\})? 0$/m.test(await (await fetch(station.url + "/metrics")).text());
	}, 1_200_000, "the index");
}
