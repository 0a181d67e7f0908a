// Folders and labels (16, 17), and searching as far as the list goes (49 to 51).

import { LIST, row, subjects, untilCount, untilGone, untilShown } from "./lib/list.mjs";
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
	await page.getByRole("button", { name: "Delete", exact: true }).last().click();
	await link(page, "Old").waitFor({ state: "detached" });
	await link(page, "Trash").click();
	await untilShown(page, "Lunch");
	await row(page, "Lunch").locator(".row-check").click();
	await page.keyboard.press("v");
	await page.locator("dialog input").fill("Inbox");
	await page.keyboard.press("Enter");
	await untilGone(page, "Lunch");
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

test("49 operators, negation, OR, Chinese words", async ({ page, login }) => {
	await login();
	await page.locator(LIST).waitFor();
	const cases = [["from:ana", ["Budget plan"]], ["-from:ana", ["Lunch", "会议纪要"]], ["subject:lunch OR subject:budget", ["Budget plan", "Lunch"]], ["预算", ["会议纪要"]],
		["quarterly", ["Budget plan"]], ["in:inbox from:bob", ["Lunch"]], ["is:unread newer:1d -(from:bob OR from:ana)", ["会议纪要"]], ["larger:5M", []], ["has:attachment", []]];
	for (const [text, want] of cases) {
		await page.fill("#search", text);
		await page.press("#search", "Enter");
		await page.waitForURL((u) => u.searchParams.get("q") === text);
		await untilCount(page, want.length);
		assert.deepEqual((await subjects(page)).sort(), [...want].sort(), text);
	}
});

test("51 a search is kept, and found among the folders", async ({ page, login }) => {
	await login();
	await page.locator(LIST).waitFor();
	await page.fill("#search", "from:ana");
	await page.press("#search", "Enter");
	await untilCount(page, 1);
	await page.keyboard.press("Escape");
	await page.getByRole("button", { name: /^More/ }).first().click();
	await page.getByRole("menuitem", { name: "Save this search" }).click();
	await answer(page, "From Ana");
	await link(page, "Inbox").click();
	await untilCount(page, 3);
	await link(page, "From Ana").click();
	await untilCount(page, 1);
});
