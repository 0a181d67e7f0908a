// A mailbox of 100,000 (web.md section 10, 8, 9, 11 at their full size, and 82). It takes minutes to make, so only the
// long run has it (YIZHAN_LONG); 82 opens 60 letters of a small one otherwise.

import { test as nodeTest } from "node:test";
import { assert, browserTests, until } from "./lib/browser.mjs";
import { LIST, count, row, rows, subjects, untilCount, untilShown } from "./lib/list.mjs";
import { fillMailbox } from "./lib/mailbox.mjs";
import { soak } from "./lib/soak.mjs";

const isLong = !!process.env.YIZHAN_LONG;
const LETTERS = isLong ? 100_000 : 120, MOVED = 12_000, OPENED = isLong ? [200, 1000] : [20, 60];
const { test } = browserTests({ before: async ({ station }) => {
	await fillMailbox(station, "alice", LETTERS);
	if (isLong)
		await fillMailbox(station, "bob", MOVED);
} });
const long = isLong ? test : (name) => nodeTest(name, { skip: "in the long run" }, () => {});
const calm = (page) => until(async () => await page.locator(".row.skeleton").count() === 0 && await rows(page).count() > 5, 15_000, "no skeletons");
const conversations = async (station, name) => {
	const [[, boxes]] = await station.jmap(name, [["Mailbox/get", { ids: null }]]);
	return boxes.list.find((m) => m.role === "inbox").totalThreads;
};

long("8 100,000 letters: the first list, any depth of it, few rows in the document", async ({ page, station, login }) => {
	const total = await conversations(station, "alice");
	assert.ok(total > LETTERS / 2);
	await login();
	await untilCount(page, total, 20_000);
	const box = page.locator(LIST);
	for (const part of [0, 1, 0.5, 0.123, 0.9999, 0.75, 0.0001, 0]) {
		await box.evaluate((b, p) => { b.scrollTop = p * (b.scrollHeight - b.clientHeight); }, part);
		await calm(page);
		const seen = await page.evaluate(() => [...document.querySelectorAll(".row")].map((r) => Number(r.dataset.index)).sort((a, b) => a - b));
		assert.ok(seen.length <= 60, `${seen.length} rows in the document`);
		assert.deepEqual(seen, seen.map((_, i) => seen[0] + i), "no gap");
		const wanted = part * (total - 1);
		assert.ok(seen[0] - 20 <= wanted && wanted <= seen.at(-1) + 20, `${part}: rows ${seen[0]} to ${seen.at(-1)}`);
		// what stands there is what the server has there
		const at = seen[Math.floor(seen.length / 2)];
		const shown = await page.locator(`.row[data-index="${at}"]`).getAttribute("data-id");
		const [[, boxes]] = await station.jmap("alice", [["Mailbox/get", { ids: null }]]);
		const [[, q]] = await station.jmap("alice", [["Email/query", { filter: { inMailbox: boxes.list.find((m) => m.role === "inbox").id },
			sort: [{ property: "receivedAt", isAscending: false }], collapseThreads: true, position: at, limit: 1 }]]);
		assert.equal(shown, q.ids[0]);
	}
}, { timeout: 180_000 });

long("9 new mail does not move rows deep in 100,000", async ({ page, station, login }) => {
	const total = await conversations(station, "alice");
	await login();
	await untilCount(page, total, 20_000);
	await page.locator(LIST).evaluate((b) => { b.scrollTop = b.scrollHeight / 2; });
	await calm(page);
	const subject = (await subjects(page))[12];
	const where = () => row(page, subject).evaluate((r) => Math.round(r.getBoundingClientRect().top));
	const before = await where();
	for (let i = 0; i < 3; i++)
		await station.deliver({ subject: "News " + i });
	await untilCount(page, total + 3, 20_000);
	await calm(page);
	assert.equal(await where(), before);
	await page.locator(".fresh").click();
	await untilShown(page, "News 2");
}, { timeout: 120_000 });

long("11 12,000 are moved with progress, and taken back", async ({ page, station, login }) => {
	const total = await conversations(station, "bob");
	await login("bob");
	await untilCount(page, total, 20_000);
	await page.getByRole("checkbox", { name: "Select all" }).click();
	await page.getByRole("button", { name: /^Select all [\d,]+ in this view/ }).click();
	await page.evaluate(() => {
		window.told = new Set();
		new MutationObserver(() => {
			const bar = document.querySelector("progress, [role=progressbar]");
			if (bar)
				window.told.add(bar.value ?? bar.getAttribute("aria-valuenow"));
		}).observe(document.body, { childList: true, subtree: true, attributes: true });
	});
	await page.getByRole("button", { name: /^Archive/ }).click();
	await untilCount(page, 0, 240_000);
	await page.getByText(/^12,000 messages archived/).waitFor({ timeout: 60_000 });
	assert.ok((await page.evaluate(() => window.told.size)) >= 5, "progress is told on the way");
	const [[, boxes]] = await station.jmap("bob", [["Mailbox/get", { ids: null }]]);
	assert.equal(boxes.list.find((m) => m.role === "archive").totalEmails, MOVED);
	await page.getByRole("button", { name: "Undo" }).click();
	await untilCount(page, total, 240_000);
	assert.equal(await count(page), total);
}, { timeout: 600_000 });

test(`82 ${OPENED[1]} letters opened one after the other: what is behind is let go`, async ({ page, login }) => {
	await login();
	await until(async () => await page.locator(LIST).count() && await count(page) > OPENED[1] / 2, 20_000, "rows");
	const [first, last] = await soak(page, OPENED);
	assert.ok(first.mib <= 80, `${first.mib} MiB after ${OPENED[0]}`);
	assert.ok(last.mib <= first.mib * 1.25 + 4, `${first.mib} MiB after ${OPENED[0]}, ${last.mib} after ${OPENED[1]}`);
	assert.ok(last.frames <= first.frames + 2, `${first.frames} frames, then ${last.frames}`);
	assert.ok(last.nodes <= first.nodes * 1.5 + 2000, `${first.nodes} nodes, then ${last.nodes}`);
}, { timeout: 900_000 });
