// The list (web.md section 10, 8 to 15).

import { LIST, count, fill, row, rows, subjects, untilCount, untilGone, untilShown } from "./lib/list.mjs";
import { assert, browserTests, sleep, until } from "./lib/browser.mjs";

const { test } = browserTests({ before: async ({ station }) => {
	await fill(station, "alice", 300, { make: (i) => ({ subject: `Letter ${i}`, from: `Sender ${i % 9} <s${i % 9}@example.org>` }) });
} });
let left = 300; // in alice's inbox

test("8 a deep list: first rows, the end, few rows in the document, no gap", async ({ page, login }) => {
	await login();
	await untilCount(page, left);
	await untilShown(page, "Letter 299");
	assert.ok(await page.locator(".row").count() <= 60);
	await page.locator(LIST).evaluate((b) => { b.scrollTop = b.scrollHeight; });
	await untilShown(page, "Letter 0");
	assert.ok(await page.locator(".row").count() <= 60);
	for (const part of [0.5, 0.2, 0.9, 0]) {
		await page.locator(LIST).evaluate((b, p) => { b.scrollTop = p * (b.scrollHeight - b.clientHeight); }, part);
		await until(async () => await page.locator(".row.skeleton").count() === 0 && await rows(page).count() > 5, 8000, "no skeletons");
		const numbers = (await subjects(page)).map((s) => Number(s.split(" ")[1]));
		assert.deepEqual(numbers, numbers.map((_, i) => numbers[0] - i));
	}
});

test("9 new mail does not move the rows in sight", async ({ page, station, login }) => {
	await login();
	await untilCount(page, left);
	const box = page.locator(LIST);
	await box.evaluate((b) => { b.scrollTop = 200 * 56; }); // behind rows that nobody has looked at
	await untilShown(page, "Letter 95");
	const where = () => row(page, "Letter 95").evaluate((r) => Math.round(r.getBoundingClientRect().top));
	await until(async () => await page.locator(".row.skeleton").count() === 0);
	const before = await where();
	for (let i = 0; i < 3; i++)
		await station.deliver({ subject: "News " + i });
	left += 3;
	await untilCount(page, left);
	assert.equal(await where(), before);
	await page.locator(".fresh", { hasText: "3 new" }).click();
	await untilShown(page, "News 2");
	assert.equal(await box.evaluate((b) => b.scrollTop), 0);
});

test("10 archive, delete, and take both back", async ({ page, login }) => {
	await login();
	await untilCount(page, left);
	await page.locator(LIST).focus();
	await page.keyboard.press("j");
	const first = (await subjects(page))[0];
	await page.keyboard.press("e");
	await untilGone(page, first, 300); // at once, whatever the server does
	await untilCount(page, left - 1);
	await page.getByRole("button", { name: "Undo" }).click();
	await untilShown(page, first);
	await row(page, first).locator(".row-check").click();
	await page.keyboard.press("#");
	await untilGone(page, first, 300);
	await page.getByRole("link", { name: /^Trash/ }).click();
	await untilShown(page, first);
	await page.keyboard.press("z");
	await untilGone(page, first);
	await page.getByRole("link", { name: /^Inbox/ }).click();
	await untilShown(page, first);
	await untilCount(page, left);
});

test("11 all that the view has, by query: moved with progress, and taken back", async ({ page, login }) => {
	await login();
	await untilCount(page, left);
	await page.getByRole("checkbox", { name: "Select all" }).click();
	await page.getByRole("button", { name: /^Select all \d+ in this view/ }).click();
	await page.getByText(new RegExp(`All ${left} in this view selected`)).waitFor();
	await page.getByRole("button", { name: /^Archive/ }).click();
	await untilCount(page, 0, 30_000);
	await page.getByText(`${left} messages archived`).waitFor({ timeout: 30_000 });
	await page.getByRole("button", { name: "Undo" }).click();
	await untilCount(page, left, 30_000);
});

test("12 twenty deletions in a row bring nothing back", async ({ page, login }) => {
	await login();
	await untilCount(page, left);
	await page.locator(LIST).focus();
	await page.keyboard.press("j");
	await page.evaluate(() => {
		window.back = [];
		const gone = new Set();
		new MutationObserver(() => {
			const now = new Set([...document.querySelectorAll(".row")].map((r) => r.dataset.id).filter(Boolean));
			for (const id of window.deleted ?? [])
				if (!now.has(id))
					gone.add(id);
				else if (gone.has(id))
					window.back.push(id);
		}).observe(document.querySelector(".rows-box"), { childList: true, subtree: true, attributes: true });
		window.deleted = [];
	});
	for (let i = 0; i < 20; i++) {
		await page.evaluate(() => window.deleted.push(document.querySelector(".row.cursor").dataset.id));
		await page.keyboard.press("#");
	}
	left -= 20;
	await untilCount(page, left);
	await sleep(1500);
	assert.equal(await count(page), left);
	assert.deepEqual(await page.evaluate(() => window.back), []);
});

test("13 what another client changes shows here", async ({ page, station, login }) => {
	await login();
	await untilCount(page, left);
	await page.locator(LIST).evaluate((b) => { b.scrollTop = b.scrollHeight; });
	await untilShown(page, "Letter 0");
	const imap = await station.imap("alice");
	await imap("SELECT INBOX");
	await imap("STORE 1 +FLAGS (\\Seen \\Flagged)");
	await until(async () => {
		const label = await row(page, "Letter 0").locator(".row-label").textContent();
		return /starred/.test(label) && !/Unread/.test(label);
	}, 8000, "flags");
	await imap("STORE 1 +FLAGS (\\Deleted)");
	await imap("EXPUNGE");
	imap.end();
	left--;
	await untilCount(page, left);
	await untilShown(page, "Letter 1");
});

test("14 drag to a folder", async ({ page, login }) => {
	await login();
	await untilCount(page, left);
	const subject = (await subjects(page))[1];
	await row(page, subject).dragTo(page.getByRole("link", { name: /^Archive/ }));
	await untilGone(page, subject);
	await page.getByRole("link", { name: /^Archive/ }).click();
	await untilShown(page, subject);
	left--;
});

test("15 offline: changes wait, and are sent once when the network is back", async ({ page, context, login }) => {
	context.setQuiet(/ERR_INTERNET_DISCONNECTED|Failed to load resource/);
	await login();
	await untilCount(page, left);
	let sets = 0;
	page.on("request", (r) => { sets += (r.postData() ?? "").includes("Email/set") ? 1 : 0; });
	await context.setOffline(true);
	await page.locator(LIST).focus();
	await page.keyboard.press("j");
	const gone = (await subjects(page))[0];
	await page.keyboard.press("e");
	await untilGone(page, gone, 500);
	await page.keyboard.press("s");
	await page.locator(".status.offline").waitFor();
	await until(() => page.evaluate(() => Object.keys(localStorage).some((k) => k.startsWith("yizhan.pending."))), 3000, "kept");
	sets = 0;
	await context.setOffline(false);
	await page.locator(".status.live").waitFor({ timeout: 15_000 });
	await until(() => page.evaluate(() => !Object.keys(localStorage).some((k) => k.startsWith("yizhan.pending."))), 10_000, "sent");
	left--;
	await untilCount(page, left);
	await sleep(500);
	assert.ok(sets >= 1 && sets <= 2, `sent once, not ${sets} times`);
	await page.getByRole("link", { name: /^Archive/ }).click();
	await untilShown(page, gone);
});
