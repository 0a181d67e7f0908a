// Opening many letters one after the other, and what the browser keeps of them.

const ROW = ".row:not(.skeleton)";
/** A reader that was not there before, with the last letter's text painted. */
export const OPENED = `(old, cards) => { const r = document.querySelector(".reader"), open = r && [...r.querySelectorAll(".card.open")].at(-1);
	if (!open || r === old || r.querySelectorAll(".card").length < cards) return false;
	const f = open.querySelector("iframe.mail-frame");
	return f ? !!f.contentDocument?.body?.textContent.trim() && f.getBoundingClientRect().height > 20 : !!open.querySelector(".mail-text")?.textContent.trim(); }`;

/** Octets of script objects after rubbish was collected. */
export async function heap(page) {
	const cdp = await page.context().newCDPSession(page);
	await cdp.send("HeapProfiler.collectGarbage");
	await cdp.send("Performance.enable");
	const { metrics } = await cdp.send("Performance.getMetrics");
	await cdp.detach();
	const of = (name) => metrics.find((m) => m.name === name).value;
	return { mib: of("JSHeapUsedSize") / 1048576, nodes: of("Nodes"), frames: of("Frames") };
}
/** Opens so many letters one after the other with "j"; what the heap is after some of them. */
export async function soak(page, looks) {
	const out = [];
	await page.locator(ROW).first().waitFor();
	await page.locator(ROW).first().click();
	await page.waitForFunction(() => document.querySelector(".reader .card.open"));
	for (let i = 1; i <= looks.at(-1); i++) {
		const old = await page.evaluateHandle(() => document.querySelector(".reader"));
		await page.keyboard.press("j");
		await page.waitForFunction(`(old) => (${OPENED})(old, 1)`, old, { timeout: 20_000 });
		await old.dispose();
		if (looks.includes(i))
			out.push(await heap(page));
	}
	return out;
}
