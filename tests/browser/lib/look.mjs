// What a program can see of a picture: words cut off, words of the wrong language, targets too small, stops of the Tab key
// that lie under something.

/** Runs in the page. `same`: words of another language that must not be seen; `keys`: names of the catalogue's words. */
export function faults({ same, keys, isTouch }) {
	const found = [], known = new Set(same), names = new Set(keys);
	const MIN = 24, TOUCH = 44, TOUCH_INSIDE = 36; // inside: of rows that are targets themselves
	const say = (what, el) => found.push(`${what}: ${el.outerHTML.replace(/\s+/g, " ").slice(0, 160)}`);
	const isSeen = (el) => el.checkVisibility({ opacityProperty: true, visibilityProperty: true, contentVisibilityAuto: true }) && el.getBoundingClientRect().width > 0;
	const isHidden = (el) => !!el.closest(".sr-only, .skip, [hidden], .drag-ghost, datalist, noscript, option, script, style, title");
	if (document.documentElement.scrollWidth > innerWidth)
		found.push(`wider than the window: ${document.documentElement.scrollWidth} > ${innerWidth}`);
	const shell = document.querySelector(".shell");
	if (shell && shell.getBoundingClientRect().top !== 0)
		found.push(`the page has slipped by ${shell.getBoundingClientRect().top}`);
	if (document.body.innerText.trim().length < 20)
		found.push("the page is blank");
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	for (let n = walk.nextNode(); n; n = walk.nextNode()) {
		const el = n.parentElement, text = n.data.trim();
		if (!text || isHidden(el) || !isSeen(el))
			continue;
		if (names.has(text) || /^[a-z]+\.[a-z][\w.]+$/i.test(text) && names.has(text))
			say("the name of a word", el);
		if (known.has(text) && !el.closest(".mail-text, .row, .rich-text, .card-line, .thread-subject"))
			say("a word of another language", el);
		if (/\{\w+\}|\bundefined\b|\bNaN\b|\[object /.test(text) && !el.closest(".mail-text, .row, .rich-text"))
			say("a word that was not filled in", el);
		// cut off by somebody who clips without saying so
		const range = document.createRange();
		range.selectNodeContents(n);
		const box = range.getBoundingClientRect();
		for (let up = el; up && up !== document.body; up = up.parentElement) {
			const style = getComputedStyle(up), clip = up.getBoundingClientRect();
			if (["auto", "scroll"].includes(style.overflowX) || ["auto", "scroll"].includes(style.overflowY))
				break;
			if (style.overflowX !== "visible" && style.textOverflow !== "ellipsis" && !style.webkitLineClamp.match(/\d/) && (box.right > clip.right + 1 || box.left < clip.left - 1)) {
				say("cut off at its side", up);
				break;
			}
			if (style.overflowY !== "visible" && style.textOverflow !== "ellipsis" && !style.webkitLineClamp.match(/\d/) && (box.bottom > clip.bottom + 3 || box.top < clip.top - 3)) {
				say("cut off below", up);
				break;
			}
			if (style.textOverflow === "ellipsis")
				break;
		}
		if (box.right > innerWidth + 1 && !el.closest("[class*=scroll], pre, .source") && !hasScroller(el))
			say("beyond the window", el);
	}
	function hasScroller(el) {
		for (let up = el; up; up = up.parentElement)
			if (["auto", "scroll", "hidden"].includes(getComputedStyle(up).overflowX))
				return true;
		return false;
	}
	for (const el of document.querySelectorAll("[aria-label], [title], [placeholder]"))
		for (const a of ["aria-label", "title", "placeholder"])
			if (names.has(el.getAttribute(a)) || known.has(el.getAttribute(a)))
				say(`${a} of another language, or a name of a word`, el);
	for (const el of document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, [role=button], [role=menuitem], [role=tab], [role=checkbox], summary")) {
		if (isHidden(el) || !isSeen(el) || el.closest("[aria-hidden=true]"))
			continue;
		const style = getComputedStyle(el);
		if (el.matches("a") && style.display === "inline" || el.matches("input[type=file]"))
			continue; // a link in a sentence
		const target = el.matches("input[type=checkbox], input[type=radio]") ? el.closest("label") ?? el : el.closest(".search, .address-field") ?? el;
		const r = target.getBoundingClientRect();
		if (r.bottom < 0 || r.top > innerHeight)
			continue;
		const isInside = !!el.closest(".person, .attachment, .row, .address-chips, .chip, .mail-text, .facts, .trace-talk, .card-people, .recipients, .folder-row");
		const min = isTouch ? isInside ? MIN : el.matches(".small") ? TOUCH_INSIDE : TOUCH : MIN;
		if (r.height < min - 0.5 || r.width < MIN - 0.5)
			say(`a target of ${Math.round(r.width)} × ${Math.round(r.height)}`, el);
	}
	return [...new Set(found)];
}

const STOPS = 40;
/** Tab through the page: what has the focus is in sight, not under anything, and shows it. */
export async function stops(page, n = STOPS) {
	const found = new Set(), seen = new Set();
	for (let i = 0; i < n; i++) {
		await page.keyboard.press("Tab");
		const at = await page.evaluate(() => {
			const el = document.activeElement;
			if (!el || el === document.body || el.matches("iframe"))
				return null;
			const id = window.__stops ??= new Map();
			if (!id.has(el))
				id.set(el, id.size);
			const say = (what) => ({ n: id.get(el), what: `${what}: ${el.outerHTML.replace(/\s+/g, " ").slice(0, 160)}` });
			const r = el.getBoundingClientRect();
			if (r.width === 0 || r.height === 0)
				return say("focus on what cannot be seen");
			const points = [[0.5, 0.5], [0.1, 0.5], [0.9, 0.5], [0.5, 0.1], [0.5, 0.9]].map(([x, y]) => [r.left + r.width * x, r.top + r.height * y])
				.filter(([x, y]) => x >= 0 && y >= 0 && x < innerWidth && y < innerHeight);
			if (!points.length)
				return say("focus out of sight");
			const isOwn = ([x, y]) => {
				const top = document.elementFromPoint(x, y);
				return top && (el.contains(top) || top.contains(el) || top.closest("label")?.contains(el) || top.closest("label")?.control === el);
			};
			if (!points.some(isOwn))
				return say("focus under something");
			const style = getComputedStyle(el), ring = el.nextElementSibling;
			const field = ring?.matches(".list-ring") ? ring : el.closest(".address-field, .search, .rich-box") ?? el;
			const hasRing = (s) => s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 1 || s.boxShadow !== "none";
			if (el.matches(":focus-visible") && !hasRing(style) && !hasRing(getComputedStyle(field)))
				return say("no sign of the focus");
			return { n: id.get(el) };
		});
		if (at?.what)
			found.add(at.what);
		if (at && seen.has(at.n) && seen.size > 3)
			break;
		if (at)
			seen.add(at.n);
	}
	return [...found];
}
