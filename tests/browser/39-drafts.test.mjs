// Nothing that was written is lost.

import { assert, browserTests, until } from "./lib/browser.mjs";
import { composerOf, write } from "./lib/compose.mjs";

const { test } = browserTests();
const drafts = async (station, subject) => {
	const [[, q]] = await station.jmap("alice", [["Email/query", { filter: { subject, hasKeyword: "$draft" } }]]);
	return q.ids;
};

test("4 the session ends while composing: log in on top, the text is kept", async ({ page, context, station, login }) => {
	await login("alice");
	const c = await write(page, { to: "bob@yizhan.test", subject: "Session 4", text: "before" });
	await c.saved();
	await page.keyboard.type(" and after");
	await context.clearCookies();
	const dialog = page.getByRole("dialog", { name: /sign in/i });
	await dialog.waitFor();
	assert.match(await c.state.textContent(), /Not saved/);
	await dialog.getByLabel("Password").fill(station.account("alice").password);
	await dialog.getByRole("button", { name: "Sign in", exact: true }).click();
	await dialog.waitFor({ state: "detached" });
	await c.saved();
	assert.match(await c.rich.textContent(), /before/);
	assert.match(await c.rich.textContent(), /and after/);
	assert.equal((await drafts(station, "Session 4")).length, 1);
}, { quiet: /401/ });

test("39 autosave, the tab crashes, the letter is there again", async ({ page, context, station, login }) => {
	await login("alice");
	const c = await write(page, { to: "bob@yizhan.test", subject: "Crash 39", text: "first" });
	await c.saved();
	const first = await drafts(station, "Crash 39");
	assert.equal(first.length, 1);
	await c.rich.click();
	await page.keyboard.press("Control+End");
	await page.keyboard.type(" second, not saved yet");
	await page.waitForTimeout(700); // the copy in the browser is quicker than the server's
	await page.goto("chrome://crash").catch(() => {});
	await page.close().catch(() => {});
	const again = await context.newPage();
	await again.goto("/mail/inbox");
	const back = composerOf(again);
	await back.rich.getByText("second, not saved yet").waitFor();
	assert.equal(await back.subject.inputValue(), "Crash 39");
	assert.deepEqual(await back.chips.allTextContents(), ["bob@yizhan.test"]);
	await back.saved();
	const now = await drafts(station, "Crash 39");
	assert.equal(now.length, 1);
	assert.notDeepEqual(now, first);
});

test("39 the page is left in the midst of a save: one draft, with all that was written", async ({ page, station, login }) => {
	await login("alice");
	const c = await write(page, { to: "bob@yizhan.test", subject: "Left 39", text: "first" });
	await c.saved();
	let isLost = false, isMade = false;
	await page.route("**/jmap/api", async (r) => {
		if (isLost || !(r.request().postData() ?? "").includes('"Email/set"'))
			return await r.continue();
		isLost = true;
		isMade = (await r.fetch()).status() === 200; // and the page never hears of it
	});
	await c.rich.click();
	await page.keyboard.press("Control+End");
	await page.keyboard.type(" second");
	await until(() => isMade, 10_000, "made");
	await page.reload();
	const back = composerOf(page);
	await back.rich.getByText("first second").waitFor();
	await back.saved();
	assert.equal((await drafts(station, "Left 39")).length, 1);
	assert.equal(await back.box.getByText("changed or deleted elsewhere").count(), 0);
	await back.button("Discard").click();
	await page.locator("dialog[open]").getByRole("button", { name: "Discard", exact: true }).click();
	await until(async () => (await drafts(station, "Left 39")).length === 0, 5000, "discarded");
});

test("39 closing keeps the letter in Drafts, and it opens again", async ({ page, station, login }) => {
	await login("alice");
	const c = await write(page, { subject: "Closed 39", text: "kept" });
	await c.button("Save and close").click();
	await c.box.waitFor({ state: "detached" });
	await until(async () => (await drafts(station, "Closed 39")).length === 1, 5000, "in Drafts");
	await page.reload();
	await page.waitForTimeout(500);
	assert.equal(await page.locator(".composer").count(), 0);
});

test("39 another client takes the draft away: told, and not lost", async ({ page, station, login }) => {
	await login("alice");
	const c = await write(page, { subject: "Taken 39", text: "mine" });
	await c.saved();
	const [id] = await drafts(station, "Taken 39");
	await station.jmap("alice", [["Email/set", { destroy: [id] }]]);
	await c.box.getByText("changed or deleted elsewhere").waitFor({ timeout: 10_000 });
	await c.button("Keep what is here").click();
	await until(async () => {
		const ids = await drafts(station, "Taken 39");
		return ids.length === 1 && ids[0] !== id;
	}, 10_000, "saved as a draft of its own");
});

test("39 the same draft in two tabs: both are told", async ({ page, context, login }) => {
	await login("alice");
	const c = await write(page, { subject: "Twice 39", text: "one" });
	await c.saved();
	const second = await context.newPage();
	await second.goto("/mail/drafts");
	await second.getByRole("option", { name: /Twice 39/ }).click();
	await second.getByText("open in another tab").waitFor();
	await c.box.getByText("open in another tab").waitFor();
	await second.close();
	await c.box.getByText("open in another tab").waitFor({ state: "detached" });
});

test("40 two composers, each its own draft", async ({ page, station, login }) => {
	await login("alice");
	const one = await write(page, { subject: "Forty one", text: "text one" });
	await one.box.getByRole("button", { name: "Minimise" }).click();
	const two = await write(page, { subject: "Forty two", text: "text two" });
	await two.saved();
	await until(async () => (await drafts(station, "Forty one")).length === 1 && (await drafts(station, "Forty two")).length === 1, 10_000, "both");
	await composerOf(page, "Forty one").box.getByRole("button", { name: "Forty one" }).click();
	const first = composerOf(page, "Forty one");
	await first.rich.getByText("text one").waitFor();
	assert.doesNotMatch(await first.rich.textContent(), /text two/);
	assert.match(await composerOf(page, "Forty two").rich.textContent(), /text two/);
});
