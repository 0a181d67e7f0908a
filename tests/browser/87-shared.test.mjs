// Mailboxes that somebody else shares (RFC 8620 section 1.6.2): read-only, with rights, and not any more.

import { row, subjects, untilCount, untilGone, untilShown } from "./lib/list.mjs";
import { assert, browserTests, letter, shot, until } from "./lib/browser.mjs";

let bob;
const put = (box, subject, flags = "") => {
	const text = letter({ subject, to: "bob@yizhan.test" });
	return bob(`APPEND ${box} (${flags}) {${text.length}+}\r\n${text}`);
};
const { test } = browserTests({ before: async ({ station }) => {
	bob = await station.imap("bob");
	for (const box of ["Notices", "Team", "Secret"])
		await bob(`CREATE ${box}`);
	await bob("SETACL Notices alice@yizhan.test lr");
	await bob("SETACL Team alice@yizhan.test lrswite");
	await put("Notices", "House rules");
	await put("Notices", "Fire drill");
	await put("Team", "Roadmap");
	await put("Team", "Minutes");
	await put("Team", "会议纪要");
	await put("Secret", "Nobody's business");
	await station.deliver({ subject: "My own letter" });
} });
const section = (page) => page.locator(".folder-shared");
const link = (page, name) => section(page).getByRole("link", { name: new RegExp("^" + name) });
const button = (page, name) => page.locator(".toolbar").getByRole("button", { name });
const imapSubjects = async (box) => (await bob(`EXAMINE ${box}`), (await bob("FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])").catch(() => [])).filter((l) => /^Subject:/i.test(l)));

test("87 what others share stands below one's own folders; read-only is read, searched, and copied from", async ({ page, login, station }) => {
	await login();
	await untilCount(page, 1);
	assert.match(await section(page).getByRole("heading").textContent(), /bob@yizhan\.test/);
	await link(page, "Notices").waitFor();
	assert.equal(await link(page, "Secret").count(), 0, "what is not shared is not seen");
	assert.match(await link(page, "Notices").textContent(), /read only/);
	await link(page, "Notices").click();
	await untilCount(page, 2);
	await page.locator(".list-head", { hasText: "Read only" }).waitFor();
	await row(page, "Fire drill").click();
	await page.locator(".card.open .card-body", { hasText: "Good morning." }).waitFor();
	for (const name of [/^Archive/, /^Delete/, /^Junk/, /^Label/, /^Mark/, /^Snooze/])
		assert.equal(await button(page, name).first().isDisabled(), true, String(name));
	await page.keyboard.press("#");
	await page.keyboard.press("s");
	await page.locator(".card.open .card-actions button:last-child").click();
	assert.equal(await page.getByRole("menuitem", { name: /way of this|trace/i }).count(), 0);
	await page.keyboard.press("Escape");
	await page.fill("#search", "house");
	await page.keyboard.press("Enter");
	await untilCount(page, 1);
	await untilShown(page, "House rules");
	assert.match(page.url(), /\/mail\/@A\w+\/search/);
	// not moved, copied
	await row(page, "House rules").click();
	await button(page, /^Copy to/).click();
	await page.locator("dialog input").fill("Archive");
	await page.keyboard.press("Enter");
	await page.getByText("Copied to Archive").waitFor();
	await page.locator("nav.folders").getByRole("link", { name: /^Archive/ }).first().click();
	await untilShown(page, "House rules");
	assert.equal((await imapSubjects("Notices")).length, 2);
	const [[, got]] = await station.jmap("bob", [["Email/get", { ids: null, properties: ["keywords", "subject"] }]]);
	assert.deepEqual(got.list.filter((e) => /Fire|House/.test(e.subject)).map((e) => e.keywords), [{}, {}], "nothing was changed");
});

test("87 with rights it is changed, moved both ways and taken back; a reply says so there", async ({ page, login }) => {
	await login();
	await link(page, "Team").click();
	await untilCount(page, 3);
	await row(page, "Roadmap").click();
	await page.locator(".card.open .card-body").waitFor();
	await until(async () => (await bob("EXAMINE Team"), (await bob("FETCH 1:* (FLAGS)")).some((l) => /\\Seen/.test(l))), 8000, "read is told");
	await page.keyboard.press("s");
	await until(async () => (await bob("EXAMINE Team"), (await bob("FETCH 1:* (FLAGS)")).some((l) => /\\Flagged/.test(l))), 8000, "the star");
	await page.locator(".quick-buttons button").first().click();
	await page.locator(".composer").waitFor();
	await until(async () => (await page.locator(".composer input").evaluateAll((all) => all.map((i) => i.value))).includes("Re: Roadmap"), 8000, "the reply");
	await page.keyboard.press("Control+Enter");
	await until(async () => (await bob("EXAMINE Team"), (await bob("FETCH 1:* (FLAGS)")).some((l) => /\\Answered/.test(l))), 8000, "answered");
	// to one's own folder by Move, with undo
	await page.keyboard.press("Escape");
	await link(page, "Team").click();
	await row(page, "Minutes").locator(".row-check").click();
	await button(page, /^Move/).click();
	await page.locator("dialog input").fill("Inbox");
	await page.getByRole("option", { name: "Inbox" }).first().click();
	await untilGone(page, "Minutes");
	await until(async () => (await imapSubjects("Team")).length === 2, 8000, "2 letters in Team");
	await page.locator(".toast", { hasText: "Moved to" }).getByRole("button", { name: "Undo" }).click();
	await untilShown(page, "Minutes");
	await until(async () => (await imapSubjects("Team")).length === 3, 8000, "3 letters in Team");
	// and from one's own by dragging
	await page.goto("/mail/inbox");
	await untilShown(page, "My own letter");
	await row(page, "My own letter").dragTo(link(page, "Team"));
	await untilGone(page, "My own letter");
	await link(page, "Team").click();
	await untilShown(page, "My own letter");
	// what its owner does shows at once
	await put("Team", "Live news");
	await untilShown(page, "Live news");
	// deleting is for ever where no trash is seen, so it asks
	await row(page, "Live news").locator(".row-check").click();
	await page.keyboard.press("#");
	await page.locator("dialog").getByRole("button", { name: /Delete/ }).last().click();
	await untilGone(page, "Live news");
	await shot(page, "87-shared");
});

test("87 rights that are taken away while it is open", async ({ page, login }) => {
	await login();
	await link(page, "Team").click();
	await untilShown(page, "Roadmap");
	await bob("SETACL Team alice@yizhan.test lr");
	await link(page, "Team").locator(".folder-note").waitFor();
	await row(page, "Roadmap").click();
	await until(() => button(page, /^Delete/).first().isDisabled(), 8000, "deleting is not offered");
	await bob("DELETEACL Team alice@yizhan.test");
	await link(page, "Team").waitFor({ state: "detached" });
	await untilGone(page, "Roadmap");
	await link(page, "Notices").click();
	await untilCount(page, 2);
	await bob("DELETEACL Notices alice@yizhan.test");
	await section(page).waitFor({ state: "detached" });
	await page.waitForURL(/\/mail\/inbox/);
	await page.getByText("does not share").waitFor();
});

test("87 in Chinese", async ({ page, login }) => {
	await bob("SETACL Notices alice@yizhan.test lr");
	await login();
	await link(page, "Notices").waitFor();
	assert.match(await section(page).getByRole("heading").textContent(), /的邮箱/);
	await link(page, "Notices").click();
	await untilCount(page, 2);
	await page.locator(".list-head", { hasText: "只读" }).waitFor();
	assert.deepEqual((await subjects(page)).sort(), ["Fire drill", "House rules"]);
	await shot(page, "87-shared-zh");
}, { locale: "zh-CN" });
