// What tests of the list need: how it is read, and what is put into it.

import { until } from "./station.mjs";

export const LIST = ".rows-box";
export const rows = (page) => page.locator(".row:not(.skeleton)");
/** Subjects in sight, from the top. */
export const subjects = (page) => page.evaluate(() => [...document.querySelectorAll(".row:not(.skeleton)")]
	.sort((a, b) => a.dataset.index - b.dataset.index).map((r) => r.querySelector(".row-subject").textContent));
export const count = async (page) => Number(await page.getAttribute(LIST, "data-count"));
export const row = (page, subject) => page.locator(".row", { hasText: subject }).first();

/** Until the list has so many rows. */
export async function untilCount(page, n, ms = 10_000) {
	await until(async () => await page.locator(LIST).count() && await count(page) === n, ms, `${n} rows`);
}
export async function untilShown(page, subject, ms = 8000) {
	await row(page, subject).waitFor({ timeout: ms });
}
export async function untilGone(page, subject, ms = 8000) {
	await until(async () => await page.locator(".row", { hasText: subject }).count() === 0, ms, subject + " gone");
}
/** Many mails at once, by IMAP. */
export async function fill(station, name, n, { mailbox = "INBOX", flags = "", make = (i) => ({ subject: `Letter ${i}` }) } = {}) {
	const { letter } = await import("./station.mjs");
	const imap = await station.imap(name);
	for (let i = 0; i < n; i++) {
		const what = make(i), text = Buffer.from(letter({ date: new Date(Date.UTC(2026, 0, 1) + i * 60_000), ...what }), "utf8").toString("latin1");
		const at = new Date(Date.UTC(2026, 0, 1) + i * 60_000);
		const month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][at.getUTCMonth()];
		const when = `${String(at.getUTCDate()).padStart(2, "0")}-${month}-${at.getUTCFullYear()} ${at.toISOString().slice(11, 19)} +0000`;
		await imap(`APPEND ${mailbox} (${what.flags ?? flags}) "${when}" {${text.length}+}\r\n${text}`);
	}
	imap.end();
}
export async function bobs(station, n, make) {
	await fill(station, "bob", n, { make });
}
