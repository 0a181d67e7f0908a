// What holds everywhere (74 to 79, 82): accessible, by keys alone, narrow, in Chinese, from right to left, large, still.

import { settings } from "./lib/compose.mjs";
import { LIST, fill, row, untilCount, untilShown } from "./lib/list.mjs";
import { assert, axe, browserTests, shot, until } from "./lib/browser.mjs";
import { startPeer } from "./lib/peer.mjs";

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

test("75 by keys alone: read, reply, send, and write a new letter", async ({ page, station, login }) => {
	const peer = await startPeer();
	station.cli("route", "set", "example.org", `127.0.0.1:${peer.port}`);
	try {
		await settings(station, "alice", { undoSeconds: 0 });
		await login();
		await untilCount(page, 41);
		await page.evaluate(() => { for (const t of ["pointerdown", "mousedown", "click"]) addEventListener(t, (e) => { if (e.detail) throw new Error("a pointer"); }, true); });
		await page.locator(LIST).focus();
		await page.keyboard.press("j");
		await page.keyboard.press("j");
		await page.keyboard.press("o");
		await page.waitForURL(/\/T/);
		await page.locator(".card.open .card-body").waitFor();
		await page.keyboard.press("r");
		await until(() => page.evaluate(() => !!document.activeElement?.closest(".rich-text")), 8000, "the text has the keys");
		await page.keyboard.type("Answered by keys.");
		await page.keyboard.press("Control+Enter");
		await until(() => peer.messages.length === 1, 10_000, "the answer at the peer");
		assert.match(peer.messages[0].data, /In-Reply-To: /);
		assert.match(peer.messages[0].data, /Answered by keys\./);
		await page.locator(".composer").waitFor({ state: "detached" });
		await until(() => page.evaluate(() => !!document.activeElement?.closest(".pane-reader, [role=listbox]")), 3000, "the keys are back in what was read");
		await page.keyboard.press("u");
		await page.waitForURL(/inbox$/);
		await page.keyboard.press("c");
		await until(() => page.evaluate(() => document.activeElement?.getAttribute("role") === "combobox"), 8000, "the first field has the keys");
		await page.keyboard.type("new@example.org");
		await page.keyboard.press("Enter");
		for (let i = 0; i < 6 && !await page.evaluate(() => document.activeElement?.closest(".address-field")?.textContent.includes("Subject")); i++)
			await page.keyboard.press("Tab");
		await page.keyboard.type("By keys");
		await page.keyboard.press("Enter"); // goes on to the text
		await page.keyboard.type("Good morning.");
		await page.keyboard.press("Control+Enter");
		await until(() => peer.messages.length === 2, 10_000, "the new letter at the peer");
		assert.deepEqual(peer.messages[1].to, ["new@example.org"]);
	} finally {
		await peer.stop();
	}
});

test("75 the help lists all keys, wherever one is, in the language that was just chosen", async ({ page, login }) => {
	await login();
	await page.goto("/settings/general");
	await page.locator(".settings-page h1").waitFor();
	const lines = async () => {
		await page.keyboard.press("?");
		await page.locator("dialog .help").waitFor();
		const all = await page.$$eval("dialog .help dl > div", (list) => list.map((d) => d.innerText.replace(/\s+/g, " ")));
		await page.keyboard.press("Escape");
		return all;
	};
	const english = await lines();
	for (const line of ["c Compose", "/ Search", "j Next", "k Previous", "o Open", "u Back to the list", "e Archive", "# Delete", "! Junk", "r Reply", "a Reply to all", "f Forward",
		"s Star", "l Label", "v Move", "b Snooze", "x Select", "* a Select all", "n Next message of the conversation", "Shift+U Mark as unread", "z Undo", "g i Go to Inbox", "t Trace",
		". More", "Ctrl+Enter Send"])
		assert.ok(english.includes(line), `${line} in ${english.join(" | ")}`);
	await page.getByLabel("Language").selectOption("zh-CN");
	await until(() => page.evaluate(() => document.documentElement.lang === "zh-CN"));
	await page.evaluate(() => document.activeElement.blur());
	assert.deepEqual((await lines()).filter((l) => /[a-z]{4}/.test(l.replace(/Ctrl\+Enter|Shift\+\w|Escape/, ""))), []);
	await page.getByLabel("语言").selectOption("auto");
	await page.waitForResponse((r) => (r.request().postData() ?? "").includes("WebSettings/set"));
});

test("75 by keys alone: to the list, through it, into a letter and back", async ({ page, login }) => {
	await login();
	await untilCount(page, 41);
	await page.keyboard.press("Tab");
	await page.keyboard.press("Enter"); // skip to the messages
	await until(() => page.evaluate(() => !!document.activeElement?.closest("#content, .rows-box")), 3000, "the skip link");
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
