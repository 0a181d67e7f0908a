// Messages with parts, and finding them in the page.

import { assert, until } from "./browser.mjs";

let number = 0;
const b64 = (octets) => Buffer.from(octets).toString("base64").replace(/.{76}/g, "$&\r\n");
const word = (s) => /^[\x20-\x7e]*$/.test(s) ? s : `=?utf-8?B?${Buffer.from(s).toString("base64")}?=`;

/** One part: octets in base64 below their header. */
export function part(type, octets, headers = {}) {
	return Object.entries({ "Content-Type": type, "Content-Transfer-Encoding": "base64", ...headers }).map(([k, v]) => `${k}: ${v}\r\n`).join("") + "\r\n" + b64(octets) + "\r\n";
}
export function multipart(kind, parts) {
	const boundary = `=_part_${++number}`;
	return `Content-Type: multipart/${kind}; boundary="${boundary}"\r\n\r\n` + parts.map((p) => `--${boundary}\r\n${p}`).join("") + `--${boundary}--\r\n`;
}
/** A whole message as octets (latin1): `entity` begins with its own Content-Type. */
export function mail(entity, { from = "Ana Lima <ana@example.org>", to = "alice@yizhan.test", subject = "Hello", id = `<r${Date.now()}.${++number}@example.org>`, date = new Date(), headers = {}, above = "" } = {}) {
	return above + Object.entries({ From: from, To: to, Subject: word(subject), Date: date.toUTCString().replace("GMT", "+0000"), "Message-ID": id, "MIME-Version": "1.0", ...headers })
		.map(([k, v]) => `${k}: ${v}\r\n`).join("") + entity;
}
export const plain = (text, more = {}) => mail(part("text/plain; charset=utf-8", text), more);
export const html = (text, more = {}) => mail(part("text/html; charset=utf-8", text), more);

/** All Emails of the account, the youngest of each folder first. */
export async function emailsOf(station, name = "alice") {
	const [[, boxes]] = await station.jmap(name, [["Mailbox/get", { ids: null, properties: ["id"] }]]);
	const calls = boxes.list.flatMap((b, i) => [["Email/query", { filter: { inMailbox: b.id }, sort: [{ property: "receivedAt", isAscending: false }], limit: 200 }],
		["Email/get", { "#ids": { resultOf: "c" + i * 2, name: "Email/query", path: "/ids" }, properties: ["id", "threadId", "blobId", "subject", "from", "keywords"] }]]);
	return (await station.jmap(name, calls)).filter(([m]) => m === "Email/get").flatMap(([, got]) => got.list);
}
/** The Email of this subject, once it is there. */
export async function find(station, subject, name = "alice") {
	return await until(async () => (await emailsOf(station, name)).find((e) => e.subject === subject), 10_000, "the message " + subject);
}
/** Deliver a raw message and open its conversation; the frame, if it has one. */
export async function deliverAndOpen({ station, page, login }, raw, subject, { envelope = "ana@example.org" } = {}) {
	await station.deliver({ raw }, { from: envelope });
	return await open({ station, page, login }, subject);
}
export async function open({ station, page, login }, subject) {
	const email = await find(station, subject);
	const to = `/mail/inbox/${email.threadId}`;
	if (page.url() === "about:blank")
		await login("alice", to);
	await page.goto(to);
	await page.waitForSelector(".card.open .card-body");
	return email;
}
/** The document of a message's frame, filled. */
export async function frameOf(page, at = 0) {
	const handle = await until(async () => (await page.$$("iframe.mail-frame"))[at], 8000, "the frame");
	const frame = await handle.contentFrame();
	await until(() => frame.evaluate(() => document.body && document.body.childNodes.length > 0).catch(() => false), 8000, "the frame's content");
	return frame;
}
export const factIds = (page) => page.$$eval(".fact", (list) => list.map((f) => f.dataset.fact));
export async function allFacts(page) {
	if (await page.$(".fact-more[aria-expanded=false]"))
		await page.click(".fact-more");
	return await factIds(page);
}
export async function more(page, label) {
	await page.click(".card.open .card-actions button:last-child");
	await page.click(`.menu-item:has-text("${label}")`);
}
export { assert, until };
