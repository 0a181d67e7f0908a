// Folders, labels, and what is put off (web.md section 10, 16, 17 and 54).

import { row, untilCount, untilGone, untilShown } from "./lib/list.mjs";
import { assert, browserTests, until } from "./lib/browser.mjs";

const { test } = browserTests({ before: async ({ station }) => {
	await station.deliver({ subject: "Budget plan", from: "Ana Lima <ana@example.org>", text: "The quarterly figures." });
	await station.deliver({ subject: "Lunch", from: "Bob Stone <bob@other.example>", text: "At noon?" }, { from: "bob@other.example" });
	await station.deliver({ subject: "会议纪要", from: "王伟 <wei@example.org>", text: "周一上午九点讨论预算方案。" });
} });
const link = (page, name) => page.locator("nav.folders").getByRole("link", { name: new RegExp("^" + name) });
async function menu(page, name, item) {
	await link(page, name).focus();
	await page.keyboard.press("Shift+F10");
	await page.getByRole("menuitem", { name: item }).click();
}
async function answer(page, text) {
	await page.locator("dialog .input").fill(text);
	await page.keyboard.press("Enter");
	await page.locator("dialog").waitFor({ state: "detached" });
}

test("16 a folder is made, renamed, nested, and deleted with its mail in the trash", async ({ page, login }) => {
	await login();
	await untilCount(page, 3);
	await page.getByRole("button", { name: "New folder" }).click();
	await answer(page, "Projects");
	await link(page, "Projects").waitFor();
	await menu(page, "Projects", "Rename");
	await answer(page, "Work");
	await link(page, "Work").waitFor();
	await menu(page, "Work", "New folder inside");
	await answer(page, "2026");
	await link(page, "2026").waitFor();
	await page.getByRole("button", { name: "New folder" }).click();
	await answer(page, "Old");
	await menu(page, "Old", "Move");
	await page.locator("dialog input").fill("Work");
	await page.keyboard.press("Enter");
	await until(() => page.locator("nav.folders").evaluate((n) => {
		const all = [...n.querySelectorAll(".folder-row")].map((r) => [r.textContent, r.style.getPropertyValue("--depth")]);
		return all.some(([t, d]) => t.startsWith("Old") && d === "1");
	}), 8000, "nested");
	await row(page, "Lunch").click();
	await page.keyboard.press("v");
	await page.locator("dialog input").fill("Old");
	await page.keyboard.press("Enter");
	await untilGone(page, "Lunch");
	await link(page, "Old").click();
	await untilShown(page, "Lunch");
	await menu(page, "Old", "Delete");
	await page.locator("dialog[open]").getByRole("button", { name: "Delete", exact: true }).click();
	await link(page, "Old").waitFor({ state: "detached" });
	await link(page, "Trash").click();
	await untilShown(page, "Lunch");
	await row(page, "Lunch").locator(".row-check").click();
	await page.keyboard.press("v");
	await page.locator("dialog input").fill("Inbox");
	await page.keyboard.press("Enter");
	await untilGone(page, "Lunch");
});

test("16 another folder becomes the archive, from the folder's menu and from the settings", async ({ page, login }) => {
	await login();
	await untilCount(page, 3);
	for (const name of ["Ablage", "Kept"]) {
		await page.getByRole("button", { name: "New folder" }).click();
		await answer(page, name);
		await link(page, name).waitFor();
	}
	// what has the role is called by it; "Archive" then is the folder that had it before
	const archive = page.locator("nav.folders .folder", { has: page.locator("svg") }).filter({ hasText: /^Archive/ });
	const ids = async (name) => await page.locator("nav.folders a.folder").evaluateAll((all, n) => all.filter((a) => a.textContent.startsWith(n)).map((a) => a.dataset.folder), name);
	const [ablage] = await ids("Ablage"), [before] = await ids("Archive");
	await menu(page, "Ablage", "Use as");
	await page.getByRole("menuitem", { name: "Archive" }).click();
	await link(page, "Ablage").waitFor({ state: "detached" });
	assert.equal(await archive.count(), 2);
	assert.equal((await ids("Archive"))[0], ablage, "the one that has the role stands first");
	assert.deepEqual(await archive.locator(".folder-name").allTextContents(), ["Archive", "Archive (folder)"]);
	await row(page, "Lunch").click();
	await page.keyboard.press("e");
	await untilGone(page, "Lunch");
	await archive.first().click();
	await untilShown(page, "Lunch");
	await row(page, "Lunch").locator(".row-check").click();
	await page.keyboard.press("v");
	await page.locator("dialog input").fill("Inbox");
	await page.keyboard.press("Enter");
	await untilGone(page, "Lunch");
	// the settings have the same, and Undo gives the role back
	await page.goto("/settings/folders");
	await page.getByRole("button", { name: "What to do with Kept" }).click();
	await page.getByRole("menuitem", { name: "Use as" }).click();
	await page.getByRole("menuitem", { name: "Archive" }).click();
	await page.locator(".toast").getByText("“Kept” is used as Archive now").waitFor();
	await page.locator(".settings-list").getByText("Ablage").waitFor();
	await page.locator(".toast").getByRole("button", { name: "Undo" }).click();
	await page.locator(".settings-list").getByText("Kept").waitFor();
	assert.ok(before && before !== ablage);
});

test("16 a menu goes with what it was opened for", async ({ page, login }) => {
	await login();
	await row(page, "Lunch").click();
	await page.locator(".card.open .card-actions button").last().click();
	await page.locator(".menu").waitFor();
	await page.goBack();
	await page.locator(".menu").waitFor({ state: "detached" });
	await untilShown(page, "Lunch");
	// on a phone what is read is moved from where it is read
	await page.setViewportSize({ width: 390, height: 844 });
	await row(page, "Lunch").click();
	await page.locator(".reader-bar").getByRole("button", { name: "Move" }).click();
	await page.locator("dialog input").fill("Archive");
	await page.keyboard.press("Enter");
	await untilGone(page, "Lunch");
	await page.locator(".toast").getByRole("button", { name: "Undo" }).click();
	await untilShown(page, "Lunch");
});

test("17 a label is made, put on, listed, and taken off", async ({ page, login }) => {
	await login();
	await untilCount(page, 3);
	await page.getByRole("button", { name: "New label" }).click();
	await answer(page, "Wichtig");
	await link(page, "Wichtig").waitFor();
	await row(page, "Budget plan").locator(".row-check").click();
	await page.keyboard.press("l");
	await page.locator("dialog input").fill("Wich");
	await page.keyboard.press("Enter");
	await row(page, "Budget plan").locator(".chip", { hasText: "Wichtig" }).waitFor();
	await link(page, "Wichtig").click();
	await untilCount(page, 1);
	await page.reload();
	await untilCount(page, 1);
	await link(page, "Wichtig").waitFor();
	await row(page, "Budget plan").locator(".row-check").click();
	await page.keyboard.press("l");
	await page.locator("dialog input").fill("Wich");
	await page.keyboard.press("Enter");
	await untilCount(page, 0);
});

test("54 what is snoozed is away, comes back by undo, and comes back by itself, unread and on top", async ({ page, station, login }) => {
	await station.deliver({ subject: "Not now" });
	await login();
	await untilShown(page, "Not now");
	const snooze = async (seconds) => {
		await page.locator("[role=listbox].rows-box").focus();
		await page.keyboard.press("Home");
		await page.keyboard.press("Shift+I"); // it was read
		await page.keyboard.press("b");
		await page.getByRole("menuitem", { name: /^Pick a time/ }).click();
		const field = page.getByLabel("Date and time");
		assert.match(await field.inputValue(), /^\d{4}-\d\d-\d\dT08:00$/, "tomorrow at eight, to begin with");
		const at = new Date(Date.now() + seconds * 1000), two = (n) => String(n).padStart(2, "0");
		await field.fill(`${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`);
		await page.locator("dialog").getByRole("button", { name: "Snooze" }).click();
		await untilGone(page, "Not now");
	};
	await snooze(3600);
	await page.locator("nav.folders").getByRole("link", { name: /^Snoozed/ }).waitFor();
	await page.keyboard.press("z");
	await untilShown(page, "Not now");
	await snooze(6);
	await untilShown(page, "Not now", 20_000);
	const top = page.locator(".row[data-index='0']");
	assert.match(await top.locator(".row-label").textContent(), /^Unread.*Not now/);
});
