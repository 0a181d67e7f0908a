// What holds everywhere (74 to 79, 82): accessible, by keys alone, narrow, in Chinese, from right to left, large, still.

import { LIST, fill, row, untilCount, untilShown } from "./lib/list.mjs";
import { assert, axe, browserTests, shot, until } from "./lib/browser.mjs";

const { test } = browserTests({ before: async ({ station }) => {
	await fill(station, "alice", 40, { make: (i) => ({ subject: `Letter ${i} about something that is rather long, so that it does not fit`, from: `Sender ${i % 9} <s${i % 9}@example.org>` }) });
	await station.deliver({ subject: "会议纪要：周一上午九点", from: "王伟 <wei@example.org>" });
} });
const PAGES = ["/mail/inbox", "/mail/search?q=letter", "/settings/general", "/settings/appearance", "/settings/folders", "/settings/security", "/settings/transfer", "/settings/device",
	"/settings/about"];

async function settled(page) {
	await page.locator(`${LIST}[data-count]:not([data-count=""]), .settings-page`).first().waitFor();
	await until(async () => await page.locator(".loading").count() === 0, 8000, "loaded");
}

for (const colorScheme of ["light", "dark"])
	test(`74 axe finds nothing serious, ${colorScheme}`, async ({ page, login }) => {
		await login();
		for (const path of PAGES) {
			await page.goto(path);
			await settled(page);
			assert.deepEqual(await axe(page), [], path);
			await shot(page, `74-${colorScheme}-${path.replace(/\W+/g, "-")}`);
		}
		await page.goto("/mail/inbox");
		await settled(page);
		await page.getByRole("button", { name: /^More/ }).first().click();
		assert.deepEqual(await axe(page), [], "menu");
		await page.keyboard.press("Escape");
		await page.keyboard.press("?");
		await page.locator("dialog").waitFor();
		assert.deepEqual(await axe(page), [], "help");
	}, { colorScheme, timeout: 120_000 });

test("75 by keys alone: to the list, through it, into a letter and back", async ({ page, login }) => {
	await login();
	await untilCount(page, 41);
	await page.keyboard.press("Tab");
	await page.keyboard.press("Enter"); // skip to the messages
	await until(() => page.evaluate(() => !!document.activeElement?.closest("#content, [role=listbox]")), 3000, "the skip link");
	await page.locator(LIST).focus();
	await page.keyboard.press("ArrowDown");
	await page.keyboard.press("ArrowDown");
	await page.keyboard.press("End");
	await until(async () => await page.getAttribute(LIST, "aria-activedescendant") === "row-40", 8000, "the last row");
	await page.keyboard.press("Home");
	await page.keyboard.press("Enter");
	await page.waitForURL(/\/T/);
	await page.keyboard.press("u");
	await page.waitForURL(/inbox$/);
	await page.keyboard.press("c");
	await page.locator(".composer").first().waitFor();
});

for (const [width, height] of [[390, 844], [768, 1024]])
	test(`76 ${width} pixels wide`, async ({ page, login }) => {
		await login();
		await untilCount(page, 41);
		const noOverflow = async (where) => assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, where);
		await noOverflow("list");
		await shot(page, `76-${width}-list`);
		await page.getByRole("button", { name: "Folders" }).click();
		await page.locator(".drawer").waitFor();
		await shot(page, `76-${width}-folders`);
		await page.keyboard.press("Escape");
		await page.locator(".drawer").waitFor({ state: "detached" });
		await row(page, "Letter 39").click();
		await page.waitForURL(/\/T/);
		await page.locator(".pane-reader h1").waitFor();
		await noOverflow("message");
		assert.equal(await page.locator(".pane-list").isVisible(), width >= 760);
		await shot(page, `76-${width}-message`);
		await page.goBack();
		await page.locator(LIST).waitFor();
		if (width < 760) {
			await page.locator(".bottom").getByText("Settings").click();
			await page.waitForURL(/settings/);
			await page.getByRole("link", { name: "Security" }).click();
			await page.locator(".settings-page").waitFor();
			await noOverflow("settings");
			await shot(page, `76-${width}-settings`);
		}
	}, { viewport: { width, height } });

test("77 Chinese: everything is said in it", async ({ page, login }) => {
	await login();
	await untilCount(page, 41);
	for (const path of PAGES) {
		await page.goto(path);
		await settled(page);
		assert.equal(await page.evaluate(() => document.documentElement.lang), "zh-CN");
		const text = await page.evaluate(() => [document.body.innerText, ...[...document.querySelectorAll("[aria-label],[title],[placeholder]")]
			.flatMap((e) => [e.ariaLabel, e.title, e.placeholder])].filter(Boolean).join("\n"));
		assert.doesNotMatch(text, /\b(shell|list|folders|settings|kit|mail|search|writing)\.[a-z]\w*/, path);
		assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, path);
		await shot(page, `77-zh-${path.replace(/\W+/g, "-")}`);
	}
}, { locale: "zh-CN" });

test("77 from right to left nothing overflows or stays on the wrong side", async ({ page, login }) => {
	await login();
	for (const path of ["/mail/inbox", "/settings/general"]) {
		await page.goto(path);
		await settled(page);
		await page.evaluate(() => { document.documentElement.dir = "rtl"; });
		assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, path);
		await shot(page, `77-rtl-${path.replace(/\W+/g, "-")}`);
	}
	await page.goto("/mail/inbox");
	await untilCount(page, 41);
	await page.evaluate(() => { document.documentElement.dir = "rtl"; });
	const [folders, list] = await Promise.all([page.locator(".pane-folders").boundingBox(), page.locator(".pane-list").boundingBox()]);
	assert.ok(folders.x > list.x);
});

test("78 at 200% everything can be reached", async ({ page, login }) => {
	await login();
	await untilCount(page, 41);
	assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false);
	await shot(page, "78-zoom");
}, { viewport: { width: 720, height: 450 }, deviceScaleFactor: 2 });

test("79 with reduced motion nothing moves", async ({ page, login }) => {
	await login();
	await untilCount(page, 41);
	await page.locator(LIST).focus();
	await page.keyboard.press("j");
	await page.keyboard.press("s");
	const moving = await page.evaluate(() => document.getAnimations().filter((a) => Number(a.effect?.getComputedTiming().duration) > 0).length);
	assert.equal(moving, 0);
}, { reducedMotion: "reduce" });

test("16 widths of the panes are kept on the server", async ({ page, context, login }) => {
	await login();
	await untilCount(page, 41);
	const divider = page.getByRole("separator", { name: "Width of the list" });
	const before = Number(await divider.getAttribute("aria-valuenow"));
	await divider.focus();
	await page.keyboard.press("ArrowRight");
	await page.keyboard.press("ArrowRight");
	await page.waitForResponse((r) => (r.request().postData() ?? "").includes("WebSettings/set"));
	await page.evaluate(() => localStorage.clear());
	await page.reload();
	await untilShown(page, "Letter 39");
	await until(async () => Number(await divider.getAttribute("aria-valuenow")) === before + 32, 5000, "the width");
	assert.ok(context);
});
