// Finding (web.md section 10, 49 to 51): what is found is exactly what was meant.

import { fill, row, rows, subjects, untilCount, untilGone, untilShown } from "./lib/list.mjs";
import { html, multipart, part } from "./lib/mail.mjs";
import { assert, axe, browserTests, letter, shot, sleep, until } from "./lib/browser.mjs";

const DAY = 86_400_000, now = Date.now();
/** By name: what it is, where it lies, which flags it has, how many days ago it came. */
const LETTERS = {
	budget: { subject: "Budget plan", text: "The numbers for the summer house.", from: "Ana Lima <ana@example.org>", days: 1 },
	plan: { subject: "Plan of the budget", text: "House of summer.", from: "Bob Stone <bob@stone.example>", headers: { Cc: "Carla <carla@example.net>" }, days: 2, flags: "\\Seen" },
	chinese: { subject: "第三季度预算报告", text: "请看附件里的数字，谢谢。", from: "王小明 <wang@example.cn>", days: 3 },
	neighbours: { subject: "预先计算", text: "预备 算术", from: "李雷 <li@example.cn>", days: 4 },
	files: { subject: "Drawings", from: "Dora <dora@example.org>", days: 20, raw: (h) => h + multipart("mixed", [part("text/plain; charset=utf-8", "two files"),
		part("application/pdf", "%PDF-1.4 x", { "Content-Disposition": "attachment; filename=house.pdf" }),
		part("image/png", "\x89PNG", { "Content-Disposition": "attachment; filename*=utf-8''%E6%88%BF%E5%AD%90.png" })]) },
	words: { subject: "About house.pdf", text: "the file house.pdf is not in here, nor is an image", from: "Eve <eve@example.org>", days: 21, flags: "\\Flagged" },
	large: { subject: "Large", text: "x".repeat(70) + ("\r\n" + "y".repeat(70)).repeat(4000), from: "Frank <frank@example.org>", days: 40, flags: "\\Answered" },
	list: { subject: "[dev] News", text: "from a list", from: "Gus <gus@lists.example>", headers: { "List-Id": "Developers <dev.lists.example>", "X-Shelf": "seven" }, id: "<find.me@lists.example>", days: 100 },
	archived: { subject: "Old numbers", text: "kept", from: "Ana Lima <ana@example.org>", mailbox: "Archive", days: 400 },
	labelled: { subject: "Work to do", text: "with a label", from: "Hana <hana@example.org>", to: "Team <team@example.com>", headers: { Bcc: "secret@example.org" }, flags: "work", days: 5 },
	draft: { subject: "Unfinished", text: "not sent", from: "alice@yizhan.test", mailbox: "Drafts", flags: "\\Draft \\Seen", days: 6 },
	junk: { subject: "Budget cheap", text: "junk", from: "spam@example.com", mailbox: "Junk", days: 7 },
	trash: { subject: "Budget thrown away", text: "trash", from: "ana@example.org", mailbox: "Trash", days: 8 },
};
const SUBJECTS = Object.fromEntries(Object.entries(LETTERS).map(([k, l]) => [k, l.subject]));
const ALL = Object.keys(LETTERS).filter((k) => k !== "junk" && k !== "trash");
const not = (...names) => ALL.filter((k) => !names.includes(k));
const day = (days) => {
	const d = new Date(now - days * DAY);
	return `${d.getFullYear()}-${String(d.getMonth() + 1).padStart(2, "0")}-${String(d.getDate()).padStart(2, "0")}`;
};

const { test } = browserTests({ context: { timezoneId: "UTC" }, before: async ({ station }) => {
	const imap = await station.imap("alice");
	for (const [name, l] of Object.entries(LETTERS)) {
		const at = new Date(now - l.days * DAY), what = { id: `<${name}@find.example>`, date: at, ...l };
		let text = letter(what);
		if (l.raw)
			text = l.raw(text.split("\r\n\r\n")[0].split("\r\n").filter((h) => !/^Content-/.test(h)).join("\r\n") + "\r\n");
		const octets = Buffer.from(text, "utf8").toString("latin1");
		const month = at.toUTCString().split(" ")[2];
		await imap(`APPEND ${l.mailbox ?? "INBOX"} (${l.flags ?? ""}) "${String(at.getUTCDate()).padStart(2, "0")}-${month}-${at.getUTCFullYear()} ${at.toISOString().slice(11, 19)} +0000" {${octets.length}+}\r\n${octets}`);
	}
	imap.end();
	await station.jmap("alice", [["WebSettings/set", { update: { singleton: { labels: [{ keyword: "work", name: "Work", color: "#3366cc" }] } } }]]);
} });

/** Search by the field, as people do. */
async function search(page, text) {
	await page.fill("#search", text);
	await page.press("#search", "Enter");
	await page.waitForURL((u) => u.searchParams.get("q") === text.trim());
}
async function finds(page, text, names) {
	const want = names.map((n) => SUBJECTS[n]).sort();
	await search(page, text);
	let got = [];
	await until(async () => {
		const box = page.locator(".rows-box");
		if (Number(await box.getAttribute("data-count")) !== want.length || await page.locator(".row.skeleton").count() || await rows(page).count() !== want.length)
			return false;
		got = (await subjects(page)).sort();
		return JSON.stringify(got) === JSON.stringify(want);
	}, 8000).catch(async () => assert.deepEqual((await subjects(page)).sort(), want, text));
}

const QUERIES = [
	["budget", ["budget", "plan"]], ["budget plan", ["budget", "plan"]], ["\"budget plan\"", ["budget"]], ["BUDGET house", ["budget", "plan"]],
	["from:ana", ["budget", "archived"]], ["from:\"Ana Lima\"", ["budget", "archived"]], ["from:stone.example", ["plan"]], ["from:（ana OR bob）", ["budget", "plan", "archived"]],
	["to:team", ["labelled"]], ["to:alice from:bob", ["plan"]], ["cc:carla", ["plan"]], ["with:carla", ["plan"]], ["with:wang", ["chinese"]], ["with:team", ["labelled"]],
	["bcc:secret", ["labelled"]],
	["subject:budget", ["budget", "plan"]], ["subject:\"plan of\"", ["plan"]], ["body:numbers", ["budget"]], ["numbers", ["budget", "archived"]],
	["in:inbox numbers", ["budget"]], ["in:Archive", ["archived"]], ["in:junk", ["junk"]], ["in:anywhere budget", ["budget", "plan", "junk", "trash"]], ["-in:inbox", ["archived", "draft"]],
	["label:work", ["labelled"]], ["label:Work -team", []],
	["is:unread from:example.org", ["budget", "files", "words", "large", "archived", "labelled"]], ["is:read", ["plan", "draft"]], ["is:flagged", ["words"]], ["is:starred", ["words"]],
	["is:answered", ["large"]], ["is:draft", ["draft"]],
	["has:attachment", ["files"]], ["house.pdf", ["files", "words"]], ["filename:house.pdf", ["files"]], ["filename:房子", ["files"]], ["filename:.PNG", ["files"]], ["filename:utf", []],
	["type:pdf", ["files"]], ["type:image", ["files"]], ["type:image/jpeg", []], ["type:html", []],
	["larger:100k", ["large"]], ["smaller:100k in:archive", ["archived"]], ["larger:1G", []],
	[`before:${day(90)}`, ["list", "archived"]], [`after:${day(1)}`, ["budget"]], [`on:${day(2)}`, ["plan"]], [`after:${day(22)} before:${day(19)}`, ["files", "words"]],
	["older:1y", ["archived"]], ["older:30d", ["large", "list", "archived"]], ["newer:36h", ["budget"]], ["newer:3d", ["budget", "plan"]],
	["list:dev.lists.example", ["list"]], ["id:find.me@lists.example", ["list"]], ["id:<find.me@lists.example>", ["list"]], ["header:X-Shelf", ["list"]], ["header:X-Shelf:seven", ["list"]],
	["header:X-Shelf:eight", []],
	// not, or, brackets
	["-budget", not("budget", "plan")], ["-is:unread", ["plan", "draft"]], ["budget -from:ana", ["plan"]], ["-\"budget plan\" budget", ["plan"]],
	["subject:large OR subject:news", ["large", "list"]], ["subject:large | is:flagged", ["large", "words"]], ["budget (from:ana OR from:bob) -plan", []],
	["(from:ana OR from:bob) (is:read OR in:archive)", ["plan", "archived"]], ["-(from:example.org OR from:example.cn) -is:draft", ["plan", "list"]],
	// Chinese
	["预算", ["chinese"]], ["预", ["chinese", "neighbours"]], ["subject:报告", ["chinese"]], ["第三季度预算报告", ["chinese"]], ["from:王小明", ["chinese"]], ["附件 数字", ["chinese"]],
	["-预算 from:example.cn", ["neighbours"]], ["预算 OR 算术", ["chinese", "neighbours"]], ["“小明”", ["chinese"]], ["主题", []],
	// words that are none of the language
	["house.pdf is not", ["words"]], ["nothing-has-this", []],
];

test("49 each operator, negation, OR, brackets, phrases, Chinese words: exactly these", async ({ page, login }) => {
	await login();
	for (const [text, names] of QUERIES)
		await finds(page, text, names);
}, { timeout: 180_000 });

test("49 what is not understood is told at its place", async ({ page, login }) => {
	await login();
	await search(page, "budget larger:huge re:it");
	await page.locator(".list-note", { hasText: "“larger:huge” is no size" }).waitFor();
	await page.locator(".list-note li", { hasText: "“re:” is no operator" }).getByRole("button", { name: "Show" }).click();
	assert.deepEqual(await page.evaluate(() => [document.activeElement.id, document.activeElement.selectionStart, document.activeElement.selectionEnd]), ["search", 19, 22]);
	await finds(page, "in:nowhere", []);
	await page.locator(".list-note", { hasText: "There is no folder “nowhere”" }).waitFor();
	// while it is written: what the cursor has left
	await page.fill("#search", "is:new ");
	await page.locator(".search-wrong", { hasText: "is:unread" }).waitFor();
});

test("49 proposals by keys: words of the language, people, folders, labels, days, what was searched before", async ({ page, login }) => {
	await login();
	const field = page.locator("#search"), options = page.locator("#search-list [role=option]");
	const state = () => field.evaluate((f) => ({ isOpen: f.getAttribute("aria-expanded"), active: document.getElementById(f.getAttribute("aria-activedescendant") ?? "")?.textContent ?? null }));
	await page.keyboard.press("/");
	assert.equal((await state()).isOpen, "false");
	await field.pressSequentially("fro");
	await options.filter({ hasText: "from:who wrote it" }).waitFor();
	assert.equal((await state()).active, null); // Enter would search for what is written
	await page.keyboard.press("ArrowDown");
	assert.match((await state()).active, /^from:/);
	await page.keyboard.press("Enter");
	assert.equal(await field.inputValue(), "from:");
	await field.fill("");
	await field.pressSequentially("in:arc");
	await options.filter({ hasText: "Archive" }).waitFor();
	await page.keyboard.press("ArrowDown");
	await page.keyboard.press("Enter");
	assert.equal(await field.inputValue(), "in:archive ");
	await field.pressSequentially("label:");
	await options.filter({ hasText: "Work" }).click();
	await field.pressSequentially("on:");
	await options.filter({ hasText: "today" }).waitFor();
	await field.pressSequentially("x");
	assert.equal(await options.count(), 0);
	assert.equal((await state()).isOpen, "false");
	await page.keyboard.press("Backspace");
	await page.keyboard.press("ArrowUp");
	await page.keyboard.press("Enter");
	assert.match(await field.inputValue(), /^in:archive label:Work on:\d{4}-01-01 $/);
	await page.keyboard.press("Escape");
	await finds(page, "budget from:ana", ["budget"]);
	await page.keyboard.press("Escape");
	await field.fill("");
	await options.filter({ hasText: "budget from:ana" }).waitFor();
	assert.deepEqual(await axe(page), []);
	await shot(page, "find-proposals");
	await page.getByRole("button", { name: "Forget what was searched" }).click();
	assert.equal(await options.filter({ hasText: "budget from:ana" }).count(), 0);
	assert.equal(await page.evaluate(() => Object.keys(localStorage).filter((k) => k.startsWith("yizhan.recent")).length), 0);
	await field.fill("");
	await page.keyboard.press("ArrowDown"); // asked for: everything there is
	await options.filter({ hasText: "filename:" }).waitFor();
});

test("49 people are proposed from those one writes to", async ({ page, station, login }) => {
	await station.jmap("alice", [["Contact/set", { create: { c: { name: "Zoë Quinn", emails: [{ type: "other", email: "zoe@example.org" }], phones: [], org: "", note: "", isKept: true } } }]]);
	await login();
	const field = page.locator("#search");
	await field.click();
	await field.pressSequentially("from:zo");
	await page.locator("#search-list [role=option]", { hasText: "Zoë Quinn" }).waitFor();
	await page.keyboard.press("ArrowDown");
	await page.keyboard.press("Enter");
	assert.equal(await field.inputValue(), "from:zoe@example.org ");
});

test("49 the form says what the field says, and writes it", async ({ page, login }) => {
	await login();
	await page.fill("#search", "from:ana \"budget plan\" -junk larger:1k has:attachment (a OR b)");
	await page.getByRole("button", { name: "Search options" }).click();
	const value = (label) => page.getByLabel(label, { exact: true }).inputValue();
	assert.equal(await value("From"), "ana");
	assert.equal(await value("Has the words"), "\"budget plan\" (a OR b)");
	assert.equal(await value("Has not"), "junk");
	assert.ok(await page.getByLabel("Has an attachment").isChecked());
	await page.getByRole("button", { name: "Clear", exact: true }).click();
	assert.equal(await page.inputValue("#search"), "");
	await page.getByLabel("From", { exact: true }).fill("Ana Lima");
	await page.getByLabel("In", { exact: true }).selectOption({ label: "Archive" });
	await page.getByLabel("From this day").fill(day(500));
	assert.equal(await page.inputValue("#search"), `from:"Ana Lima" in:archive after:${day(500)}`);
	assert.deepEqual(await axe(page), []);
	await shot(page, "find-form");
	await page.getByRole("button", { name: "Search", exact: true }).click();
	await untilCount(page, 1);
	await untilShown(page, "Old numbers");
	// what is typed fills the form
	await page.getByRole("button", { name: "Search options" }).click();
	await page.fill("#search", "subject:x");
	await until(async () => await value("Subject") === "x");
	await page.keyboard.press("Escape");
	assert.equal(await page.locator(".search-options").count(), 0);
});

test("49 where it is looked for: this folder, all but junk and trash, everything", async ({ page, login }) => {
	await login("alice", "/mail/archive");
	await untilCount(page, 1);
	await finds(page, "budget", ["budget", "plan"]);
	const chip = (name) => page.locator(".scopes").getByRole("button", { name, exact: true });
	await chip("Everything").click();
	await untilCount(page, 4);
	assert.equal(await page.inputValue("#search"), "budget in:anywhere");
	await chip("Archive").click();
	await untilCount(page, 0);
	assert.deepEqual(await axe(page), []); // also of an empty list
	assert.equal(await chip("Archive").getAttribute("aria-pressed"), "true");
	await chip("All but junk and trash").click();
	await untilCount(page, 2);
	assert.equal(await page.inputValue("#search"), "budget");
});

test("49 the server takes whatever the page asks", async ({ page, station, login }) => {
	await login();
	const asked = [];
	page.on("request", (r) => {
		for (const [m, a] of JSON.parse(r.url().endsWith("/jmap/api") ? r.postData() ?? "{}" : "{}").methodCalls ?? [])
			if (m === "Email/query")
				asked.push(a.filter);
	});
	const hard = ["(".repeat(200) + "a", Array.from({ length: 300 }, (_, i) => "w" + i).join(" "), Array.from({ length: 12 }, (_, i) => `"p q${i}"`).join(" OR "),
		"from:\"\\\"quoted\\\" 'one\" 'two", "larger:999999999999999999999 older:99999y on:9999-12-31 before:0001-01-01", "-(a -(b -(c -(d e) OR f) OR g) OR h)", "header:x header::: id:<> list:\"\" with:a with:b",
		"预".repeat(3000)];
	for (const text of hard) {
		await search(page, text);
		await until(async () => await page.locator(".rows-box").getAttribute("data-count") !== "", 8000, text.slice(0, 60));
	}
	assert.ok(asked.length >= hard.length - 1);
	const answers = await station.jmap("alice", asked.slice(0, 16).map((filter) => ["Email/query", { filter }]));
	assert.deepEqual(answers.filter(([m]) => m !== "Email/query"), []);
});

test("50 snippets: the words around, marked, and nothing of the letter is HTML", async ({ page, station, login }) => {
	const filler = "Lorem ipsum dolor sit amet, consetetur sadipscing elitr. ".repeat(12);
	await station.deliver({ subject: "Snippet <b>one</b> & hyacinth", text: filler + "here the hyacinth <img src=x onerror=alert(1)> & more stands", from: "Iris <iris@example.org>" });
	await station.deliver({ raw: html(`<p>${filler}</p><p>Some <b>风信子</b> of &lt;mark&gt;colour</p><script>bad()</script>`, { subject: "Snippet two" }) });
	await station.deliver({ subject: "Snippet three", text: "no such flower" });
	await login();
	await search(page, "hyacinth");
	await page.locator(".row mark", { hasText: "hyacinth" }).first().waitFor();
	const first = row(page, "Snippet");
	assert.deepEqual(await first.locator(".row-subject mark").allTextContents(), ["hyacinth"]);
	assert.equal(await first.locator(".row-subject").textContent(), "Snippet <b>one</b> & hyacinth");
	assert.match(await first.locator(".row-preview").textContent(), /here the hyacinth <img src=x onerror=alert\(1\)> & more/);
	assert.deepEqual(await first.locator(".row-text *").evaluateAll((all) => [...new Set(all.map((e) => e.tagName))].sort()), ["MARK", "SPAN"]);
	await search(page, "风信子");
	await page.locator(".row-preview mark", { hasText: "风信子" }).waitFor();
	assert.match(await page.locator(".row-preview").textContent(), /Some 风信子 of <mark>colour/);
	assert.equal(await page.locator(".row-preview mark").count(), 1);
	// what shows why a letter was found is seen in a narrow list, too
	await station.deliver({ subject: "Snippet four, of which the subject alone fills more than a line of a narrow list", text: filler + "here the peony stands" });
	await station.deliver({ subject: "Snippet five, of which the subject fills more than a line, and ends with a peony", text: "no flower" });
	await page.setViewportSize({ width: 390, height: 844 });
	await search(page, "peony");
	for (const which of ["four", "five"])
		await until(() => row(page, "Snippet " + which).locator(".row-text").evaluate((box) => {
			const mark = box.querySelector("mark")?.getBoundingClientRect(), end = box.getBoundingClientRect();
			return mark && mark.right < end.right && mark.bottom <= end.bottom + 4;
		}), 8000, "the mark of " + which);
	assert.match(await row(page, "Snippet four").locator(".row-text").textContent(), /^Snippet .*… …(here )?the peony stands/);
	await shot(page, "find-narrow");
	await page.setViewportSize({ width: 1440, height: 900 });
	// asked for what is in sight, in one call; other lists have none
	let calls = 0, ids = 0;
	page.on("request", (r) => {
		for (const [m, a] of JSON.parse(r.url().endsWith("/jmap/api") ? r.postData() ?? "{}" : "{}").methodCalls ?? []) {
			calls += m === "SearchSnippet/get" ? 1 : 0;
			ids += m === "SearchSnippet/get" ? a.emailIds.length : 0;
		}
	});
	await fill(station, "alice", 120, { mailbox: "Archive", make: (i) => ({ subject: `Flower ${i}`, text: `a tulip ${i}` }) });
	await search(page, "tulip");
	await page.locator(".row-preview mark", { hasText: "tulip" }).first().waitFor();
	assert.equal(calls, 1);
	assert.ok(ids < 60, `${ids} of 120`);
	await page.locator(".rows-box").evaluate(async (b) => {
		for (let y = 0; y < b.scrollHeight - b.clientHeight; y += 150) {
			b.scrollTop = y;
			await new Promise((done) => setTimeout(done, 16));
		}
		b.scrollTop = b.scrollHeight;
	});
	await until(() => page.evaluate(() => [...document.querySelectorAll(".row")].filter((r) => r.textContent.includes("Flower 0")).some((r) => r.querySelector("mark"))), 8000, "the last row's snippet");
	assert.ok(calls <= 6, `${calls} calls while it was scrolled through`);
	await page.getByRole("link", { name: /^Inbox/ }).click();
	await untilShown(page, "Snippet three");
	await sleep(300);
	assert.equal(await page.locator(".row mark").count(), 0);
	await shot(page, "find-snippets");
});

test("51 a search is kept, found again, and forgotten", async ({ page, login }) => {
	await login();
	await finds(page, "from:bob budget", ["plan"]);
	await page.locator(".toolbar").getByRole("button", { name: /^More/ }).click();
	await page.getByRole("menuitem", { name: "Save this search" }).click();
	await page.locator("dialog input").fill("Bob's budgets");
	await page.keyboard.press("Enter");
	const kept = page.getByRole("link", { name: "Bob's budgets" });
	await kept.waitFor();
	await page.getByRole("link", { name: /^Inbox/ }).click();
	await untilShown(page, "Work to do");
	await kept.click();
	await untilCount(page, 1);
	assert.equal(await page.inputValue("#search"), "from:bob budget");
	await sleep(1000); // the server has it
	await page.reload();
	await kept.waitFor();
	await untilShown(page, "Plan of the budget");
	await kept.focus();
	await page.keyboard.press("Shift+F10");
	await page.getByRole("menuitem", { name: "Delete" }).click();
	await untilGone(page, "Bob's budgets").catch(() => {});
	await until(async () => await kept.count() === 0);
});
