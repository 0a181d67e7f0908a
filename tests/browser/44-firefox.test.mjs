// The same promise in a second engine. Firefox cannot be made to compose from outside, so its events are made by hand.

import { after, before, test } from "node:test";
import { assert, startStation, until } from "./lib/browser.mjs";
import { launchFirefox, loginFirefox } from "./lib/firefox.mjs";

let station, fox;
before(async () => {
	station = await startStation();
	fox = await launchFirefox();
}, { timeout: 90_000 });
after(async () => {
	await fox?.close();
	await station?.stop();
});

test("44 Firefox: keys of a composition belong to it, and what is written is formatted and saved", { timeout: 90_000 }, async () => {
	const page = await fox.browser.newPage();
	await page.setViewport({ width: 1280, height: 900 });
	await loginFirefox(page, station, "alice");
	await page.waitForSelector(".shell .pane-list");
	await page.keyboard.press("c");
	await page.waitForSelector(".rich-box:not([hidden]) .rich-text");
	await page.click(".rich-text");
	await page.keyboard.type("one");
	const key = (el, type, init) => page.evaluate((s, t, i) => {
		const target = document.querySelector(s);
		const e = t.startsWith("composition") ? new CompositionEvent(t, { bubbles: true, cancelable: true, ...i }) : new KeyboardEvent(t, { bubbles: true, cancelable: true, ...i });
		target.dispatchEvent(e);
		return e.defaultPrevented;
	}, el, type, init);
	const lines = () => page.evaluate(() => document.querySelectorAll(".rich-text > div").length);
	const before = await lines();
	await key(".rich-text", "compositionstart", { data: "" });
	await key(".rich-text", "keydown", { key: "Enter", keyCode: 13, isComposing: true });
	await key(".rich-text", "keydown", { key: "Process", keyCode: 229 });
	await key(".rich-text", "keydown", { key: "Enter", keyCode: 13, ctrlKey: true, isComposing: true });
	await key(".rich-text", "compositionend", { data: "你好" });
	assert.equal(await key(".rich-text", "keydown", { key: "Enter", keyCode: 13 }), true, "the key just after the composition is its own");
	assert.equal(await lines(), before);
	assert.equal(await page.evaluate(() => document.querySelectorAll(".composer").length), 1);
	assert.equal(await page.evaluate(() => document.querySelectorAll("dialog[open]").length), 0, "nothing was asked: nothing was sent");

	// styles pass this engine's content security policy too
	await page.keyboard.press("Enter");
	await page.keyboard.down("Control");
	await page.keyboard.press("b");
	await page.keyboard.up("Control");
	await page.keyboard.type("two");
	await page.click("[aria-label='Text colour']");
	await page.waitForSelector("[role=menuitem]");
	await page.evaluate(() => [...document.querySelectorAll("[role=menuitem]")].find((m) => m.textContent.includes("Green")).click());
	await page.keyboard.type("green");
	assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector(".rich-text .color")).color), "rgb(30, 107, 52)");
	await until(async () => (await page.$eval(".save-state", (e) => e.textContent)).startsWith("Saved"), 15_000, "saved");
	const [[, q], [, got]] = await station.jmap("alice", [["Email/query", { filter: { hasKeyword: "$draft" } }],
		["Email/get", { "#ids": { resultOf: "c0", name: "Email/query", path: "/ids" }, properties: ["bodyValues", "htmlBody"], fetchHTMLBodyValues: true }]]);
	assert.equal(q.ids.length, 1);
	const html = got.list[0].bodyValues[got.list[0].htmlBody[0].partId].value;
	assert.match(html, /one[^]*<b>two[^]*style="color: rgb\(30, 107, 52\);?"[^>]*>green/);
});
