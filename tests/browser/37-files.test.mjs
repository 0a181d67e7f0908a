// Files and images of a letter.

import { assert, browserTests, until } from "./lib/browser.mjs";
import { PNG, give, write } from "./lib/compose.mjs";

const { test } = browserTests();

test("37 a file of 30 MB: progress, cancel, retry", async ({ page, login }) => {
	await login("alice");
	const c = await write(page, { subject: "Large" });
	const cdp = await page.context().newCDPSession(page);
	await cdp.send("Network.enable");
	const slow = (bytes) => cdp.send("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: bytes });
	await slow(3_000_000);
	const file = { name: "large.bin", mimeType: "application/octet-stream", buffer: Buffer.alloc(30_000_000, 1) };
	const input = c.box.locator(".composer-foot input[type=file]");
	await input.setInputFiles(file);
	const bar = c.files.locator("progress");
	await until(async () => Number(await bar.getAttribute("value")) > 0, 15_000, "progress");
	await c.button("Cancel large.bin").click();
	await until(async () => await c.files.count() === 0, 5000, "cancelled");

	let refused = 0;
	await page.route("**/jmap/upload/**", (r) => {
		refused++;
		return r.fulfill({ status: 400, body: "{}" });
	});
	await slow(-1);
	await input.setInputFiles(file);
	await c.button("Try large.bin again").waitFor({ timeout: 15_000 });
	assert.equal(refused, 1);
	await page.unroute("**/jmap/upload/**");
	await c.button("Try large.bin again").click();
	await c.button("Remove large.bin").waitFor({ timeout: 30_000 });
	await c.saved();
}, { quiet: /400 \(Bad Request\)/ });

test("38 a pasted image and a dropped one become parts with a cid", async ({ page, station, login }) => {
	await login("alice");
	const c = await write(page, { subject: "Pictures 38", text: "Look: " });
	await give(c.rich, "paste", { name: "shot.png", mime: "image/png", base64: PNG.toString("base64") });
	await until(async () => await c.rich.locator("img[data-yz-cid]").count() === 1, 5000, "the image stands in the text");
	await give(c.rich, "drop", { name: "second.png", mime: "image/png", base64: PNG.toString("base64") });
	await until(async () => await c.rich.locator("img[data-yz-cid]").count() === 2, 5000, "the dropped one too");
	await give(c.subject, "drop", { name: "notes.txt", mime: "text/plain", base64: "aGk=" });
	await c.button("Remove notes.txt").waitFor();
	await c.saved();
	await until(async () => {
		const [[, q], [, got]] = await station.jmap("alice", [["Email/query", { filter: { subject: "Pictures 38" } }],
			["Email/get", { "#ids": { resultOf: "c0", name: "Email/query", path: "/ids" }, properties: ["bodyStructure", "bodyValues", "htmlBody"], fetchHTMLBodyValues: true }]]);
		if (q.ids.length !== 1)
			return false;
		const e = got.list[0];
		const shape = (p) => p.subParts?.length ? `${p.type.slice(10)}(${p.subParts.map(shape).join(" ")})` : p.type;
		if (shape(e.bodyStructure) !== "mixed(alternative(text/plain related(text/html image/png image/png)) text/plain)")
			return false;
		const html = e.bodyValues[e.htmlBody[0].partId].value;
		assert.equal((html.match(/src="cid:[0-9a-f]{32}@yizhan"/g) ?? []).length, 2);
		assert.doesNotMatch(html, /data:|blob:|data-yz/);
		return true;
	}, 10_000, "the draft with its images");
});
