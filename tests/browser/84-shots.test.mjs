// Pictures of the twelve key views (84): two themes, two languages, three widths, of a mailbox as somebody has it. Each is
// looked at by a person after a change of the page; what a program can see of it is asserted here.

import { mkdirSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { after } from "node:test";
import { TOP, assert, axe, browserTests, until } from "./lib/browser.mjs";
import { hills, lifelike } from "./lib/lifelike.mjs";
import { LIST } from "./lib/list.mjs";
import { faults, stops } from "./lib/look.mjs";

const OUT = process.env.YIZHAN_SHOTS || path.join(TOP, "build/shots");
const only = process.env.YIZHAN_VIEWS ? new RegExp(process.env.YIZHAN_VIEWS) : null; // "list.*zh.*390"
let life;
const { test, shared } = browserTests({ before: async ({ station }) => {
	mkdirSync(OUT, { recursive: true });
	life = await lifelike(station);
} });
after(async () => await life?.stop());

// it is about eleven wherever this runs, so that today's letters are today's
const hour = new Date().getUTCHours(), ahead = (11 - hour + 36) % 24 - 12;
const timezoneId = ahead === 0 ? "Etc/GMT" : `Etc/GMT${ahead > 0 ? "-" : "+"}${Math.abs(ahead)}`;

const settled = async (page) => {
	await page.locator(`${LIST}[data-count]:not([data-count=""])`).first().waitFor({ state: "attached" });
	await until(async () => await page.locator(".loading, .spinner, .skeleton").count() === 0, 8000, "loaded");
};
/** By the page itself, as somebody goes about in it: so the styles of all its rooms stand beside each other. */
const visit = async (page, where) => {
	if (!await page.locator(".shell").count())
		return await page.goto(where);
	await page.evaluate((to) => {
		document.querySelector("dialog[open]")?.dispatchEvent(new Event("cancel", { cancelable: true }));
		document.activeElement?.blur();
		history.pushState(null, "", to);
		dispatchEvent(new PopStateEvent("popstate"));
	}, where);
	await page.keyboard.press("Escape"); // of a menu
	await page.waitForTimeout(150);
	await page.evaluate(() => document.activeElement?.blur());
};
const goTo = async (page, where) => {
	await visit(page, where);
	await settled(page);
};
const list = (page, folder = "inbox") => goTo(page, "/mail/" + folder);
const thread = async (page, { threadId }) => {
	await goTo(page, "/mail/inbox/" + threadId);
	await page.locator(".card.open .card-body").first().waitFor();
	await until(async () => await page.evaluate(() => [...document.querySelectorAll("iframe.mail-frame")].every((f) => f.contentDocument?.body?.childNodes.length)), 8000, "frames");
};
const write = async (page) => {
	await list(page);
	await page.locator("body").press("c");
	await page.locator(".composer .rich-text, .composer .plain-text").waitFor();
};
const address = async (page, field, ...all) => {
	const input = page.locator(".composer .address-input[role=combobox]").nth(field);
	for (const a of all) {
		await input.fill(a);
		await input.press("Enter");
	}
};
/** What was written for a picture goes again. */
const forget = async (page, word) => {
	await page.locator(".composer.active .composer-foot").getByRole("button", { name: word("compose.discard"), exact: true }).click();
	if (await page.locator(".composer").count())
		await page.locator("dialog[open]").getByRole("button", { name: word("compose.discard"), exact: true }).click();
	await page.locator(".composer").waitFor({ state: "detached" });
};
const settingsPage = async (page, section) => {
	await visit(page, "/settings/" + section);
	await page.locator(".settings-page, .writing-section").first().waitFor();
	await until(async () => await page.locator(".loading, .spinner").count() === 0, 8000, "settings");
};
const trace = async (page, id) => {
	await visit(page, "/trace/" + id);
	await page.locator(".trace-verdict").waitFor();
	await until(async () => await page.locator(".loading, .spinner").count() === 0, 8000, "trace");
};

/** name → how one comes there. `isOut`: nobody is logged in. */
const VIEWS = {
	"01-login": { isOut: true, run: async (page) => { 
		await page.goto("/login");
	} },
	"02-list": { run: async (page) => await list(page) },
	"03-selection": { run: async (page) => {
		await list(page);
		await page.locator(LIST).focus();
		for (let i = 0; i < 4; i++) {
			await page.keyboard.press("j");
			if (i !== 2)
				await page.keyboard.press("x");
		}
	} },
	"04-conversation": { run: async (page) => await thread(page, life.ids.plan) },
	"05-newsletter": { run: async (page) => await thread(page, life.ids.news) },
	"06-composer": { run: async (page) => {
		await write(page);
		await address(page, 0, "ana@example.org", "Bob Stone <bob@yizhan.test>");
		await page.locator(".composer input.address-input:not([role=combobox])").first().fill("Hotel in Lisbon");
		await page.locator(".composer .rich-text").click();
		await page.keyboard.type("Dear Ana, dear Bob,");
		await page.keyboard.press("Enter");
		await page.keyboard.type("the hotel by the station has two rooms left. Shall I take them?");
	} },
	"07-composer-full": { run: async (page, word) => {
		await write(page);
		if (await page.locator(".composer.docked .composer-full").isVisible())
			await page.locator(".composer").getByRole("button", { name: word("compose.full") }).click();
		await address(page, 0, "王伟 <wei.wang@example.cn>", "李晓梅 <xiaomei@example.cn>", "not-an-address");
		await page.locator(".composer input.address-input:not([role=combobox])").first().fill("关于第三季度项目计划的时间安排");
		await page.locator(".composer-foot input[type=file]").setInputFiles([{ name: "会议纪要-第三季度（修订版）.pdf", mimeType: "application/pdf", buffer: Buffer.alloc(183_000, 32) }, { name: "lake.png", mimeType: "image/png", buffer: hills(320, 200) }]);
		await page.locator(".composer .rich-text").click();
		for (const line of ["王伟、晓梅：", "", "附件是修订后的会议纪要，第二部分的时间安排已按照上次讨论的结果更新，请再确认一下 Q3 的测试计划。", "", "Alice"]) {
			await page.keyboard.insertText(line);
			await page.keyboard.press("Enter");
		}
		await until(async () => await page.locator(".compose-file progress").count() === 0, 8000, "uploads");
	} },
	"08-search": { run: async (page) => {
		await goTo(page, "/mail/search?q=" + encodeURIComponent("Lisbon OR 计划"));
	} },
	"09-settings": { run: async (page) => await settingsPage(page, "appearance") },
	"10-contacts": { run: async (page) => await settingsPage(page, "contacts") },
	"11-trace-delivered": { run: async (page) => {
		await trace(page, life.traces.delivered);
		await page.locator("[data-event=delivered] .trace-head").first().click();
		await page.locator(".trace-talk summary").first().click().catch(() => {});
	} },
	"12-trace-waiting": { run: async (page) => await trace(page, life.traces.waiting) },
	// and what is seen less often
	"13-drawer": { isMore: true, width: [390, 768], run: async (page, word) => {
		await list(page);
		await page.getByRole("button", { name: word("shell.folders"), exact: true }).click();
		await page.locator(".drawer").waitFor();
	} },
	"14-empty": { isMore: true, run: async (page) => await list(page, "trash") },
	"15-sent": { isMore: true, run: async (page) => {
		await list(page, "sent");
		await page.locator(".chip.wait").first().waitFor();
	} },
	"16-menu": { isMore: true, run: async (page) => {
		await thread(page, life.ids.minutes);
		await page.locator(".card.open .card-actions button").last().click();
		await page.locator(".menu").waitFor();
	} },
	"17-arabic": { isMore: true, run: async (page) => await thread(page, life.ids.arabic) },
	"18-trace-bounced": { isMore: true, run: async (page) => await trace(page, life.traces.bounced) },
	"19-identities": { isMore: true, run: async (page) => await settingsPage(page, "identities") },
	"20-security": { isMore: true, run: async (page) => await settingsPage(page, "security") },
	"21-help": { isMore: true, run: async (page) => {
		await list(page);
		await page.locator("body").press("?");
		await page.locator("dialog[open]").waitFor();
	} },
	"22-photos": { isMore: true, run: async (page) => await thread(page, life.ids.photos) },
	"23-general": { isMore: true, run: async (page) => await settingsPage(page, "general") },
	"24-transfer": { isMore: true, run: async (page) => await settingsPage(page, "transfer") },
	"25-folders-settings": { isMore: true, run: async (page) => await settingsPage(page, "folders") },
	"26-device": { isMore: true, run: async (page) => await settingsPage(page, "device") },
	"27-vacation": { isMore: true, run: async (page) => await settingsPage(page, "vacation") },
	"28-about": { isMore: true, run: async (page) => await settingsPage(page, "about") },
	"29-writing": { isMore: true, run: async (page) => await settingsPage(page, "writing") },
	"30-nothing-found": { isMore: true, run: async (page) => await goTo(page, "/mail/search?q=zxqv") },
	"31-drafts": { isMore: true, run: async (page) => await list(page, "drafts") },
	"32-settings-all": { isMore: true, run: async (page) => {
		await visit(page, "/settings/");
		await page.locator(".settings-nav, .settings-page").first().waitFor();
	} },
	"33-no-trace": { isMore: true, run: async (page) => {
		await visit(page, "/trace/Q0");
		await page.locator(".trace h1").waitFor();
	} },
};
const isMoreWanted = !!process.env.YIZHAN_VIEWS;

/** The page's words, to find its buttons by. */
function words(language) {
	const dir = path.join(TOP, "web/src/i18n"), all = {};
	for (const f of readdirSync(dir))
		if (f.endsWith(`.${language}.json`))
			Object.assign(all, JSON.parse(readFileSync(path.join(dir, f), "utf8")));
	return all;
}
const ENGLISH = words("en");

for (const language of ["en", "zh-CN"])
	for (const colorScheme of ["light", "dark"])
		for (const [width, height] of [[1440, 900], [768, 1024], [390, 844]]) {
			const name = `${language} ${colorScheme} ${width}`;
			const wanted = Object.entries(VIEWS).filter(([v, { isMore, width: w }]) => (!w || w.includes(width)) && (only ? only.test(`${v} ${name}`) : !isMore || isMoreWanted));
			if (!wanted.length)
				continue;
			const mine = words(language), word = (key) => mine[key];
			const same = new Set(language === "en" ? [] : Object.entries(ENGLISH).filter(([k, v]) => typeof v === "string" && v.length > 3 && mine[k] !== v).map(([, v]) => v));
			test(`84 the twelve key views, ${name}`, async ({ page, login }) => {
				const found = [];
				let isIn = false;
				for (const [view, { run, isOut, isMore }] of wanted) {
					if (!isOut && !isIn) {
						await login();
						isIn = true;
					}
					try {
						await run(page, word);
						await page.mouse.move(0, 0);
						await page.evaluate(() => document.fonts.ready);
						await until(async () => await page.evaluate(() => document.getAnimations().every((a) => a.playState !== "running")), 3000, "still").catch(() => {});
						await page.screenshot({ path: path.join(OUT, `${view}-${language}-${colorScheme}-${width}.png`) });
						const isTouch = width < 1000;
						found.push(...(await page.evaluate(faults, { same: [...same], keys: Object.keys(ENGLISH), isTouch })).map((f) => `${view}: ${f}`));
						found.push(...(await axe(page, { runOnly: ["color-contrast"] })).map((f) => `${view}: ${f}`));
						if (!isMore)
							found.push(...(await stops(page)).map((f) => `${view}: ${f}`));
					} catch (e) {
						found.push(`${view}: ${e.message}`);
						await page.screenshot({ path: path.join(OUT, `failed-${view}-${language}-${colorScheme}-${width}.png`) }).catch(() => {});
					}
					if (/composer/.test(view))
						await forget(page, word);
				}
				assert.deepEqual(found, []);
			}, { colorScheme, viewport: { width, height }, locale: language === "en" ? "en-GB" : "zh-CN", timezoneId, hasTouch: width < 1000, isMobile: width < 1000, timeout: 300_000 });
		}
