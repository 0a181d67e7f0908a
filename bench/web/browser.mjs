// What a person meets: Chromium on the real binary, headless, one page at a time. Times are the page's own clock, from
// the start of its navigation (or the key) to the frame in which what was asked for stands.

import { launch, login, newContext } from "../../tests/browser/lib/browser.mjs";
import { LIST } from "../../tests/browser/lib/list.mjs";
import { LONG_THREAD } from "../../tests/browser/lib/mailbox.mjs";
import { OPENED, soak } from "../../tests/browser/lib/soak.mjs";
import { sleep, startStation, until } from "../../tests/browser/lib/station.mjs";

const FRAME_MS = 1000 / 60;
const ROW = ".row:not(.skeleton)";
/** Milliseconds since the navigation began, once rows of mail have been painted. */
const LOOK = `window.listShown = new Promise((done) => {
	const found = () => {
		window.listFound = performance.now();
		requestAnimationFrame(() => setTimeout(() => done(performance.now())));
	};
	const look = () => document.querySelector("${ROW}") ? found() : requestAnimationFrame(look);
	look();
})`;

async function signedIn(browser, station) {
	const context = await newContext(browser, station);
	await context.addInitScript(LOOK);
	const page = await context.newPage();
	await login(page, station);
	await page.locator(ROW).first().waitFor();
	return { context, page, state: await context.storageState() };
}
const shown = (page) => page.evaluate(() => window.listShown);

/** CDP's own brake: so many milliseconds there and back, so many Mbit/s. */
async function slow(page, isOn) {
	const cdp = await page.context().newCDPSession(page);
	await cdp.send("Network.enable");
	await cdp.send("Network.emulateNetworkConditions", { offline: false, latency: isOn ? 100 : 0, downloadThroughput: isOn ? 10e6 / 8 : -1, uploadThroughput: isOn ? 10e6 / 8 : -1 });
}

/** A browser that has the session's cookie and nothing else; then the same page again. */
async function starts(browser, station, state, runs, isSlow) {
	const cold = [], warm = [], requests = [];
	for (let i = 0; i < runs; i++) {
		const context = await newContext(browser, station, { storageState: { cookies: state.cookies, origins: [] } });
		await context.addInitScript(LOOK);
		const page = await context.newPage();
		if (isSlow)
			await slow(page, true);
		await page.goto("/mail/inbox", { waitUntil: "commit" });
		cold.push(await shown(page));
		// the page itself and what came until the list was asked for, without the tab's icon; those after it wait for nobody
		const asked = await page.evaluate(() => performance.getEntriesByType("resource").filter((r) => r.startTime <= window.listFound)
			.sort((a, b) => a.startTime - b.startTime).map((r) => new URL(r.name).pathname).filter((p) => !/\/icon-\w+\.svg$/.test(p)));
		requests.push(["/mail/inbox", ...asked.slice(0, asked.indexOf("/jmap/api") + 1)]);
		await sleep(isSlow ? 1500 : 500); // what comes after the list: chunks for later, the worker
		for (let k = 0; k < 2; k++) {
			await page.goto("about:blank");
			if (isSlow)
				await slow(page, true);
			await page.goto("/mail/inbox", { waitUntil: "commit" });
			warm.push(await shown(page));
			await sleep(200);
		}
		await context.close();
	}
	return { cold, warm, requests };
}

/** Frames while the wheel turns; the longest gap between two of them in a turn is a frame's time. */
async function scroll(page, runs) {
	await page.evaluate(() => {
		window.frames = [];
		let last = 0;
		const tick = (t) => {
			if (last)
				window.frames.push(t - last);
			last = t;
			requestAnimationFrame(tick);
		};
		requestAnimationFrame(tick);
	});
	const box = await page.locator(LIST).boundingBox();
	await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
	let rows = 0;
	await page.evaluate(() => { window.frames.length = 0; });
	for (let i = 0; i < runs; i++) {
		await page.mouse.wheel(0, 120 + i % 5 * 60);
		await sleep(FRAME_MS);
		if (i % 20 === 0)
			rows = Math.max(rows, await page.locator(".row").count());
	}
	return { frames: await page.evaluate(() => window.frames), rows };
}

/** From a key to the frame that shows what it does, on the page's clock. */
async function keyTimes(page, keys, isDone) {
	const out = [];
	for (const key of keys) {
		await page.evaluate(([k, done]) => {
			const is = new Function("before", `return (${done})(before)`), before = document.querySelector(".row.cursor")?.dataset.id;
			window.keyTook = new Promise((tell) => addEventListener("keydown", (e) => {
				const start = e.timeStamp;
				const look = () => is(before) ? tell(performance.now() - start) : requestAnimationFrame(look);
				requestAnimationFrame(look);
			}, { once: true, capture: true }));
			void k;
		}, [key, isDone]);
		await page.keyboard.press(key);
		out.push(await page.evaluate(() => window.keyTook));
		await sleep(120);
	}
	return out;
}

const calm = (page) => until(() => page.evaluate(() => document.querySelectorAll(".row:not(.skeleton)").length > 5 && !document.querySelector(".row.skeleton")), 8000, "rows");

/** Clicks a row, tells how long until what it holds is there. */
function opened(page, pick, cards) {
	return page.evaluate(([find, is, n]) => new Promise((tell, fail) => {
		const row = new Function("return " + find)()(), done = new Function("return " + is)(), old = document.querySelector(".reader");
		if (!row)
			return fail(new Error("no such row"));
		const start = performance.now();
		row.click();
		const look = () => done(old, n) ? requestAnimationFrame(() => setTimeout(() => tell(performance.now() - start)))
			: performance.now() - start > 10_000 ? fail(new Error("never opened: " + row.textContent)) : requestAnimationFrame(look);
		requestAnimationFrame(look);
	}), [pick, OPENED, cards]);
}
/** Letters here and there in the list, none of which is the neighbour of one that was open (those are fetched already). */
async function letters(page, runs) {
	const out = [];
	for (let i = 0; i < runs; i++) {
		await page.locator(LIST).evaluate((b, n) => { b.scrollTop = n * 56 * 40; }, i + 1);
		await sleep(150);
		await calm(page);
		out.push(await opened(page, `() => { const r = [...document.querySelectorAll("${ROW}")].filter((r) => !r.querySelector(".row-n") && !r.querySelector(".row-icons svg[data-icon=attach]")); return r[Math.floor(r.length / 2)]; }`, 1));
	}
	return out;
}
async function conversations(page, runs) {
	const out = [];
	for (let i = 0; i < runs; i++) {
		await page.goto("/mail/inbox");
		await calm(page);
		await sleep(300);
		out.push(await opened(page, `() => [...document.querySelectorAll("${ROW}")].find((r) => r.textContent.includes("${LONG_THREAD}"))`, 20));
	}
	return out;
}
/** The same when the one before it is open, as it is while somebody reads on. */
async function neighbours(page, runs) {
	const out = [];
	for (let i = 0; i < runs; i++) {
		await sleep(400); // the page fetches what may come next meanwhile
		await page.evaluate((is) => {
			const done = new Function("return " + is)(), old = document.querySelector(".reader");
			window.keyTook = new Promise((tell) => addEventListener("keydown", (e) => {
				const look = () => done(old, 1) ? requestAnimationFrame(() => setTimeout(() => tell(performance.now() - e.timeStamp))) : requestAnimationFrame(look);
				requestAnimationFrame(look);
			}, { once: true, capture: true }));
		}, OPENED);
		await page.keyboard.press("j");
		out.push(await page.evaluate(() => window.keyTook));
	}
	return out;
}

/** By SMTP from outside to a row on the screen. */
async function arrivals(page, station, runs) {
	const out = [];
	await page.goto("/mail/inbox");
	await calm(page);
	await page.locator(".status.live").waitFor({ state: "attached" }).catch(() => {});
	await sleep(1000);
	for (let i = 0; i < runs; i++) {
		const subject = `Arrival ${Date.now()} ${i}`;
		const seen = page.evaluate((s) => new Promise((tell) => {
			const look = () => [...document.querySelectorAll(".row-subject")].some((r) => r.textContent === s) ? tell(Date.now()) : requestAnimationFrame(look);
			look();
		}), subject);
		await station.deliver({ subject });
		const taken = Date.now();
		out.push(Math.max(0, await seen - taken));
		await sleep(200);
	}
	return out;
}

export async function measureBrowser(report, data, { isQuick, only }) {
	const runs = isQuick ? 3 : 20, wanted = (name) => !only || only.includes(name);
	const station = await startStation({ data });
	const browser = await launch();
	try {
		const { page, context, state } = await signedIn(browser, station);
		if (wanted("start")) {
			const fast = await starts(browser, station, state, runs, false);
			report.add("requests before the first list, cold", Math.max(...fast.requests.map((r) => r.length)), { unit: "", most: 5, note: fast.requests[0].map((r) => r.replace(/^.*\//, "") || r).join(" ") });
			report.times("first list visible, cold", fast.cold, { p95: 600 });
			report.times("first list visible, warm", fast.warm, { p95: 250 });
			const far = await starts(browser, station, state, runs, true);
			report.times("100 ms away, 10 Mbit/s, cold", far.cold, { p95: 1500 });
			report.times("100 ms away, 10 Mbit/s, warm", far.warm, { p95: 700 });
		}
		await page.goto("/mail/inbox");
		await calm(page);
		if (wanted("scroll")) {
			const { frames, rows } = await scroll(page, isQuick ? 60 : 600);
			report.times("a frame while the list scrolls", frames, { p95: 20, p50: null });
			report.add("rows in the document", rows, { unit: "", most: 60 });
		}
		if (wanted("keys")) {
			await page.goto("/mail/inbox");
			await calm(page);
			await page.locator(LIST).focus();
			await page.keyboard.press("j");
			await sleep(200);
			const moved = await keyTimes(page, Array(runs).fill("j"), "(b) => document.querySelector('.row.cursor')?.dataset.id !== b");
			const starred = await keyTimes(page, Array(runs).fill("s"), "(() => { let was; return () => { const is = !!document.querySelector('.row.cursor .row-star.on'); was ??= window.wasStarred; if (is !== was) { window.wasStarred = is; return true; } return false; }; })()");
			const archived = await keyTimes(page, Array(runs).fill("e"), "(b) => !document.querySelector(`[data-id='${b}']`)");
			report.times("a key's answer on the screen (j, s, e)", [...moved, ...starred, ...archived], { p95: 50 });
		}
		if (wanted("open")) {
			await page.goto("/mail/inbox");
			await calm(page);
			report.times("a letter opened from the list", await letters(page, runs), { p95: 80 });
			report.times("the next one, with j", await neighbours(page, runs), { p95: 80 });
			report.times("a conversation of 20 opened", await conversations(page, runs), { p95: 200 });
		}
		if (wanted("push"))
			report.times("new mail in the list, after its 250", await arrivals(page, station, runs), { p95: 1000 });
		if (wanted("heap")) {
			await page.goto("/mail/inbox");
			const [a, b] = await soak(page, isQuick ? [10, 20] : [200, 1000]);
			report.add(`script heap after ${isQuick ? 10 : 200} letters were opened`, a.mib, { unit: "MiB", most: 80, note: `${a.nodes} nodes, ${a.frames} frames` });
			report.add(`script heap after ${isQuick ? 20 : "1,000"}`, b.mib, { unit: "MiB", most: Math.max(80, a.mib * 1.1), note: `${b.nodes} nodes, ${b.frames} frames` });
		}
		// this script of ours cannot run in the frames of letters, and the browser says so; 429: streams of pages that were left
		// a moment ago, where the machine is too busy to end them
		context.complaints = context.complaints.filter((c) => !/Blocked script execution in |status of 429/.test(c));
		if (context.complaints.length)
			throw new Error("the page complains:\n" + context.complaints.join("\n"));
	} finally {
		await browser.close();
		await station.halt();
	}
}
