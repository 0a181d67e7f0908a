// The server goes away and comes back while somebody works (web.md section 10, 15 and 43): what was done meanwhile
// is sent once, and no letter leaves twice or not at all.

import { settings, write } from "./lib/compose.mjs";
import { LIST, fill, row, subjects, untilCount, untilGone } from "./lib/list.mjs";
import { assert, browserTests, sleep, until } from "./lib/browser.mjs";
import { startPeer } from "./lib/peer.mjs";

const GONE = /ERR_(CONNECTION_(REFUSED|RESET)|EMPTY_RESPONSE|INCOMPLETE_CHUNKED_ENCODING|FAILED)|Failed to load resource|net::|error occurred when fetching the script/;
const { test } = browserTests({ before: async ({ station }) => {
	await fill(station, "alice", 6);
} });

test("15 changes made while the server is down are sent once when it is there again, also by another life of the tab", async ({ page, context, station, login }) => {
	context.setQuiet(GONE);
	await login();
	await untilCount(page, 6);
	const answered = [];
	context.on("requestfinished", async (r) => {
		const data = r.postData() ?? "";
		if (data.includes("Email/set") && (await r.response())?.status() === 200)
			answered.push(...JSON.parse(data).methodCalls.filter((c) => c[0] === "Email/set").map((c) => JSON.stringify(c[1].update)));
	});
	await station.halt();
	await page.locator(LIST).focus();
	await page.keyboard.press("j");
	const gone = (await subjects(page))[0];
	await page.keyboard.press("e");
	await untilGone(page, gone, 500);
	const starred = (await subjects(page))[0];
	await page.keyboard.press("s");
	await page.locator(".status.offline, .status.polling").waitFor();
	await page.locator(".status").click();
	await page.getByText("2 changes waiting to be sent").waitFor();
	await page.keyboard.press("Escape");
	// the tab goes too: another takes over what it has left
	const again = await context.newPage();
	await page.close();
	await station.start();
	await again.goto("/mail/inbox");
	await untilCount(again, 5, 20_000);
	await until(() => again.evaluate(() => !Object.keys(localStorage).some((k) => k.startsWith("yizhan.pending."))), 15_000, "sent");
	await row(again, starred).locator(".row-star.on").waitFor();
	const find = async (subject) => {
		const [, [, got]] = await station.jmap("alice", [["Email/query", { filter: { subject: `"${subject}"` } }],
			["Email/get", { "#ids": { resultOf: "c0", name: "Email/query", path: "/ids" }, properties: ["mailboxIds", "keywords"] }]]);
		return got.list;
	};
	const [[, boxes]] = await station.jmap("alice", [["Mailbox/get", { ids: null, properties: ["role"] }]]);
	const archive = boxes.list.find((b) => b.role === "archive").id;
	assert.deepEqual((await find(gone)).map((e) => e.mailboxIds), [{ [archive]: true }]);
	assert.deepEqual((await find(starred)).map((e) => e.keywords.$flagged), [true]);
	await sleep(500);
	assert.equal(answered.length, new Set(answered).size, "none twice: " + answered.join(" "));
	assert.equal(answered.length, 2);
});

for (const when of ["before anything of it arrives", "after it was taken, before it answers"])
	test(`43 the server goes away ${when}: the letter leaves once, and the page says so`, async ({ page, context, station, login }) => {
		context.setQuiet(GONE);
		const peer = await startPeer();
		station.cli("route", "set", "far.example", `127.0.0.1:${peer.port}`);
		try {
			await settings(station, "alice", { undoSeconds: 0 });
			await login();
			await page.locator(LIST).waitFor();
			const c = await write(page, { to: "ana@far.example", subject: "Through a restart", text: "once" });
			await c.saved();
			if (when.startsWith("before")) {
				await station.halt();
			} else {
				let isLost = false;
				await page.route("**/jmap/api", async (r) => {
					if (isLost || !(r.request().postData() ?? "").includes("EmailSubmission/set"))
						return r.continue();
					isLost = true;
					assert.equal((await r.fetch()).status(), 200);
					await station.halt();
					await r.abort("connectionreset");
				});
			}
			await c.send();
			await c.state.getByText("asking whether it was sent").waitFor();
			await station.start();
			await c.box.waitFor({ state: "detached", timeout: 20_000 });
			await page.locator(".toast", { hasText: "Sent" }).waitFor();
			await until(() => peer.messages.length > 0, 10_000, "at the peer");
			await sleep(1000);
			assert.equal(peer.messages.length, 1, "once");
			const [[, sent]] = await station.jmap("alice", [["Email/query", { filter: { subject: "Through a restart" } }]]);
			assert.equal(sent.ids.length, 1, "one copy, no draft beside it");
			await station.jmap("alice", [["Email/set", { destroy: sent.ids }]]);
		} finally {
			await peer.stop();
		}
	});
