// Mailboxes as files, from the settings.

import { readFileSync } from "node:fs";
import { LIST, fill, untilCount } from "./lib/list.mjs";
import { assert, browserTests, until } from "./lib/browser.mjs";

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
