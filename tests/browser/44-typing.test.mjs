// Typing: input methods, proposals, quotes, signatures, what was forgotten.

import { assert, browserTests, until } from "./lib/browser.mjs";
import { composerOf, write } from "./lib/compose.mjs";

const { test } = browserTests();

/** Compose a Chinese word the way an input method does, and end it by Enter. */
async function compose(page, cdp, letters, word) {
	for (let i = 1; i <= letters.length; i++)
		await cdp.send("Input.imeSetComposition", { text: letters.slice(0, i), selectionStart: i, selectionEnd: i });
	await cdp.send("Input.dispatchKeyEvent", { type: "rawKeyDown", key: "Process", code: "Enter", windowsVirtualKeyCode: 229 });
	await cdp.send("Input.insertText", { text: word });
	await cdp.send("Input.dispatchKeyEvent", { type: "keyUp", key: "Enter", code: "Enter", windowsVirtualKeyCode: 13 });
}

test("44 an input method's Enter ends the word: nothing is sent, taken or split", async ({ page, login }) => {
	await login("alice");
	const c = await write(page, { subject: "" });
	const cdp = await page.context().newCDPSession(page);
	await c.rich.click();
	await page.keyboard.press("Control+Home");
	await compose(page, cdp, "nihao", "你好");
	await page.keyboard.press("Enter"); // within the moment after compositionend
	await compose(page, cdp, "shijie", "世界");
	await page.waitForTimeout(100);
	const lines = (await c.rich.innerText()).split("\n").filter((l) => /[你世]/.test(l));
	assert.deepEqual(lines, ["你好世界"]);
	await page.keyboard.press("Enter");
	await compose(page, cdp, "zaijian", "再见");
	await page.waitForTimeout(100);
	assert.match(await c.rich.innerText(), /你好世界\n再见/);

	await c.subject.click();
	await compose(page, cdp, "zhuti", "主题");
	await page.keyboard.press("Enter");
	assert.equal(await c.subject.inputValue(), "主题");
	assert.ok(await c.subject.evaluate((el) => el === document.activeElement), "Enter of the input method does not leave the field");

	await c.to.click();
	await compose(page, cdp, "wang", "王");
	await page.keyboard.press("Enter");
	await page.waitForTimeout(100);
	assert.equal(await c.chips.count(), 0);
	assert.equal(await c.to.inputValue(), "王");
	assert.equal(await page.locator(".composer").count(), 1, "nothing was sent");
});

test("45 proposals are taken by keys", async ({ page, station, login }) => {
	await station.jmap("alice", [["Contact/set", { create: { a: { name: "Ana Lima", emails: [{ email: "ana45@far.example", label: "" }], isKept: true },
		b: { name: "Anatol Berg", emails: [{ email: "anatol45@far.example", label: "" }], isKept: true } } }]]);
	await login("alice");
	const c = await write(page);
	await c.to.pressSequentially("ana", { delay: 30 });
	const options = c.box.locator(".address-found").getByRole("option");
	await until(async () => await options.count() === 2, 5000, "two proposals");
	assert.equal(await c.to.getAttribute("aria-expanded"), "true");
	const first = await options.nth(0).textContent();
	assert.equal(await c.to.getAttribute("aria-activedescendant"), await options.nth(0).getAttribute("id"));
	await c.to.press("ArrowDown");
	assert.equal(await options.nth(1).getAttribute("aria-selected"), "true");
	await c.to.press("ArrowUp");
	await c.to.press("Enter");
	assert.ok(first.includes(await c.chips.first().textContent()));
	await c.to.pressSequentially("ana", { delay: 30 });
	await until(async () => await options.count() === 1, 5000, "who is there already is not proposed again");
	await c.to.press("Escape");
	assert.equal(await options.count(), 0);
	assert.equal(await page.locator(".composer").count(), 1);
	await c.to.fill("");
	await c.to.evaluate((el) => {
		const data = new DataTransfer();
		data.setData("text/plain", "Bob <bob@far.example>; 王小明 <wang@far.example>，carol@far.example\nnobody");
		el.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
	});
	assert.equal(await c.chips.count(), 5);
	assert.equal(await c.box.locator(".person.bad").count(), 1);
	await c.to.press("Backspace");
	assert.equal(await c.to.inputValue(), "nobody");
});

test("46 Enter splits a quote, in rich and in plain text", async ({ page, station, login }) => {
	await station.deliver({ subject: "Quote 46", text: "first sentence. second sentence.\nthird line." });
	await login("alice");
	await page.getByRole("option", { name: /Quote 46/ }).first().click();
	await page.locator("main").getByText("Quote 46").first().waitFor();
	await page.locator("body").press("r");
	const c = composerOf(page);
	await c.rich.locator("blockquote").waitFor();
	await c.rich.locator("blockquote").evaluate((q) => {
		const walker = document.createTreeWalker(q, NodeFilter.SHOW_TEXT);
		for (let n = walker.nextNode(); n; n = walker.nextNode()) {
			const at = n.data.indexOf(" second");
			if (at >= 0) {
				getSelection().collapse(n, at);
				return;
			}
		}
	});
	await page.keyboard.press("Enter");
	await page.keyboard.type("my word");
	assert.equal(await c.rich.locator("blockquote").count(), 2);
	const text = await c.rich.innerText();
	assert.match(text, /first sentence\.\s+my word\s+second sentence\./);
	assert.equal(await c.rich.locator("blockquote", { hasText: "my word" }).count(), 0);

	await c.button("Plain text").click();
	await c.plain.waitFor();
	await c.plain.evaluate((f) => {
		const at = f.value.indexOf("third line") + 5;
		f.focus();
		f.setSelectionRange(at, at);
	});
	await page.keyboard.press("Enter");
	await page.keyboard.type("again");
	assert.match(await c.plain.inputValue(), /> third\n\nagain\n\n> line\./);
});

test("47 the signature follows the identity, in both formats", async ({ page, station, login }) => {
	const [[, ids]] = await station.jmap("alice", [["Identity/get", { ids: null }]]);
	const own = ids.list.find((i) => i.email === "alice@yizhan.test");
	station.cli("alias", "add", "team47@yizhan.test", "alice@yizhan.test");
	await station.jmap("alice", [["Identity/set", { update: { [own.id]: { textSignature: "Alice", htmlSignature: "<b>Alice rich</b>" } },
		create: { t: { name: "Team", email: "team47@yizhan.test", textSignature: "The team" } } }]]);
	await login("alice");
	const c = await write(page, { text: "written" });
	assert.match(await c.rich.innerText(), /written\s+Alice rich/);
	await c.from.selectOption({ label: "Team <team47@yizhan.test>" });
	assert.match(await c.rich.innerText(), /written\s+The team/);
	assert.doesNotMatch(await c.rich.innerText(), /Alice rich/);
	await c.button("Plain text").click();
	await page.getByRole("button", { name: "Plain text" }).last().click({ timeout: 1000 }).catch(() => {});
	await c.plain.waitFor();
	await c.plain.fill("written\n\n-- \nThe team\n");
	await c.from.selectOption({ label: await c.from.locator("option", { hasText: "alice@yizhan.test" }).textContent() });
	assert.equal(await c.plain.inputValue(), "written\n\n-- \nAlice\n");
	await c.plain.fill("written\n\n-- \nAlice, by hand\n");
	await c.from.selectOption({ label: "Team <team47@yizhan.test>" });
	assert.equal(await c.plain.inputValue(), "written\n\n-- \nAlice, by hand\n");
});

test("48 a forgotten file, subject and recipient are asked for in one dialog", async ({ page, login }) => {
	await login("alice");
	const c = await write(page, { text: "请查收附件" });
	await c.rich.click();
	await page.keyboard.press("Control+Enter");
	const dialog = page.locator("dialog[open]");
	await dialog.getByText("There is no recipient.").waitFor();
	assert.equal(await dialog.getByRole("listitem").count(), 3);
	await dialog.getByText("附件").waitFor();
	assert.equal(await dialog.getByRole("button", { name: "Send anyway" }).count(), 0);
	await dialog.getByRole("button", { name: "Go back" }).click();
	await c.to.fill("bob@yizhan.test");
	await c.to.press("Enter");
	await c.subject.fill("Report");
	await c.send();
	await dialog.getByText("no file is attached").waitFor();
	assert.equal(await dialog.getByRole("listitem").count(), 1);
	await dialog.getByRole("button", { name: "Send anyway" }).click();
	await c.box.waitFor({ state: "detached" });
});
