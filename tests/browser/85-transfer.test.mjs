// Mailboxes as files, from the settings.

import { readFileSync } from "node:fs";
import { LIST, fill, untilCount } from "./lib/list.mjs";
import { assert, browserTests, letter, until } from "./lib/browser.mjs";

const MANY = 60;
const { test } = browserTests({ before: async ({ station }) => { await fill(station, "alice", MANY); } });
const link = (page, name) => page.locator("nav.folders").getByRole("link", { name: new RegExp("^" + name) });
const group = (page, title) => page.locator(".settings-group", { has: page.getByRole("heading", { name: title }) });
const file = async (download) => readFileSync(await download.path());
async function save(page, as) {
	const g = group(page, "Export a folder");
	await g.getByLabel("As").selectOption(as);
	const [download] = await Promise.all([page.waitForEvent("download"), g.getByRole("button", { name: "Export" }).click()]);
	return { name: download.suggestedFilename(), octets: await file(download) };
}
async function bring(page, files, folder) {
	const g = group(page, "Import messages");
	await g.getByLabel("Files").setInputFiles(files);
	await g.getByLabel("Folder").selectOption({ label: folder });
	await g.getByRole("button", { name: "Import" }).click();
}
/** A zip's files (stored or deflated), by its central directory. */
function unzip(octets) {
	const files = new Map();
	for (let at = octets.readUInt32LE(octets.length - 6); octets.readUInt32LE(at) === 0x02014b50;) {
		const [size, nameLength, extra, comment, local] = [octets.readUInt32LE(at + 20), octets.readUInt16LE(at + 28), octets.readUInt16LE(at + 30), octets.readUInt16LE(at + 32), octets.readUInt32LE(at + 42)];
		const from = local + 30 + octets.readUInt16LE(local + 26) + octets.readUInt16LE(local + 28);
		files.set(octets.toString("utf8", at + 46, at + 46 + nameLength), octets.subarray(from, from + size));
		at += 46 + nameLength + extra + comment;
	}
	return files;
}
const result = (page) => page.locator(".transfer-result");

test("85 a folder becomes an mbox or a zip, and comes back from either; what is there is passed over", async ({ page, login }) => {
	await login();
	await untilCount(page, MANY);
	await link(page, "Inbox").focus();
	await page.keyboard.press("Shift+F10");
	await page.getByRole("menuitem", { name: /^Export/ }).click();
	await page.waitForURL(/\/settings\/transfer\?export=/);
	const mbox = await save(page, "mbox");
	assert.equal(mbox.name, "Inbox.mbox");
	assert.equal(mbox.octets.toString("latin1").match(/^From /gm).length, MANY);
	await result(page).getByText(`${MANY} messages exported`).waitFor();
	const zip = await save(page, "zip");
	assert.equal(zip.octets.subarray(0, 4).toString("latin1"), "PK\x03\x04");

	await bring(page, [{ name: "in.mbox", mimeType: "application/mbox", buffer: mbox.octets }], "Archive");
	await result(page).getByText(`${MANY} messages imported`).waitFor({ timeout: 20_000 });
	await bring(page, [{ name: "in.mbox", mimeType: "application/mbox", buffer: mbox.octets }], "Archive");
	await result(page).getByText(`0 messages imported · ${MANY} were there already`).waitFor({ timeout: 20_000 });
	await bring(page, [{ name: "in.zip", mimeType: "application/zip", buffer: zip.octets },
		{ name: "one.eml", mimeType: "message/rfc822", buffer: Buffer.from("From: Ana <ana@example.org>\r\nSubject: Only one\r\n\r\nHello.\r\n") }], "Junk");
	await result(page).getByText(`${MANY + 1} messages imported`).waitFor({ timeout: 20_000 });
	await bring(page, [{ name: "no.mbox", mimeType: "application/mbox", buffer: Buffer.from([0, 1, 2, 3]) }], "Junk");
	await until(async () => await result(page).getAttribute("role") === "alert", 10_000, "what is no mail is told");

	await page.goto("/mail/junk");
	await page.locator(LIST).waitFor();
	await untilCount(page, MANY + 1);
	await page.goto("/mail/archive");
	await untilCount(page, MANY);
});

/** What is chosen in the "More" menu of the list is saved: name and octets. */
async function saveFromList(page, entry) {
	await page.getByRole("button", { name: /^More/ }).first().click();
	const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("menuitem", { name: entry }).click()]);
	return { name: download.suggestedFilename(), octets: readFileSync(await download.path()) };
}

test("88 what is chosen is saved: one letter as .eml, several and all as a .zip, octet for octet", async ({ page, station, login }) => {
	const raws = [1, 2, 3].map((n) => letter({ to: "bob@yizhan.test", subject: n < 3 ? "The same: subject" : "会议/纪要", text: `Body ${n} with ünïcode` }));
	for (const raw of raws)
		await station.deliver({ raw: Buffer.from(raw, "utf8").toString("latin1") }, { rcpt: "bob" });
	await login("bob");
	await untilCount(page, 3);
	const ends = (octets, raw) => Buffer.from(octets).toString("utf8").endsWith(raw);
	await page.locator(".row").first().locator(".row-check").click();
	const one = await saveFromList(page, "Save as .eml");
	assert.match(one.name, /^会议.纪要\.eml$/);
	assert.ok(ends(one.octets, raws[2]), "as it came, below our Received");
	await page.locator(".row").nth(1).locator(".row-check").click();
	const two = unzip((await saveFromList(page, "Save as .zip")).octets);
	assert.deepEqual([...two.keys()].sort(), ["The same subject.eml", "会议 纪要.eml"].sort());
	await page.keyboard.press("Escape");
	await page.getByRole("checkbox", { name: "Select all" }).click();
	const all = await saveFromList(page, "Save as .zip");
	assert.equal(all.name, "Inbox.zip");
	const files = unzip(all.octets);
	assert.deepEqual([...files.keys()].sort(), ["The same subject.eml", "The same subject (2).eml", "会议 纪要.eml"].sort());
	for (const raw of raws)
		assert.ok([...files.values()].some((o) => ends(o, raw)));
});

test("86 an export and an import are stopped", async ({ page, login }) => {
	let go;
	const held = new Promise((done) => { go = done; });
	await login("alice", "/settings/transfer");
	await page.route(/\/jmap\/(export|import)\//, async (r) => {
		await held;
		await r.abort().catch(() => {});
	});
	const stop = page.getByRole("button", { name: "Stop" });
	await group(page, "Export a folder").getByRole("button", { name: "Export" }).click();
	await stop.click();
	await result(page).getByText(/^Stopped/).waitFor();
	await bring(page, [{ name: "one.eml", mimeType: "message/rfc822", buffer: Buffer.from("Subject: x\r\n\r\nx\r\n") }], "Archive");
	await stop.click();
	await result(page).getByText(/^Stopped/).waitFor();
	await until(async () => await stop.count() === 0, 2000, "nothing is under way");
	go();
});
