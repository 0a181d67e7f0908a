/* From HTML to plain text and back: for the text/plain half of a rich letter (RFC 2046 section 5.1.4), for plain
 * answers to HTML letters and for switching the editor. Reads any tree with the few members of a DOM that
 * NodeLike names, so that it runs without a browser. */

export interface NodeLike {
	nodeType: number; /* 1 element, 3 text, 11 fragment */
	nodeName: string;
	nodeValue: string | null;
	childNodes: ArrayLike<NodeLike>;
	getAttribute?(name: string): string | null;
}

const BLOCKS = new Set(
	("ADDRESS ARTICLE ASIDE BLOCKQUOTE CENTER DD DETAILS DIV DL DT FIELDSET FIGCAPTION FIGURE FOOTER FORM H1 H2 H3 H4 H5 H6 " +
		"HEADER HR LI MAIN NAV OL P PRE SECTION TABLE TBODY TFOOT THEAD TR UL").split(" "),
);
const SPACED = new Set("P H1 H2 H3 H4 H5 H6 BLOCKQUOTE PRE TABLE DL".split(" "));
const HIDDEN = new Set("SCRIPT STYLE HEAD TITLE TEMPLATE NOSCRIPT OBJECT EMBED AUDIO VIDEO".split(" "));
const DEPTH_MAX = 200; /* deeper trees lose their markup, not their words */

class Lines {
	lines: string[] = [];
	now = "";
	wantsBlank = false;

	text(t: string): void {
		if (t !== "" && this.wantsBlank) {
			if (this.lines.length > 0 && this.lines[this.lines.length - 1] !== "")
				this.lines.push("");
			this.wantsBlank = false;
		}
		this.now += t;
	}

	/** The line ends, if there is something on it. */
	close(): void {
		if (this.now.trim() !== "")
			this.lines.push(this.now.replace(/[ \t]+$/, ""));
		this.now = "";
	}

	break(): void {
		this.text("");
		this.lines.push(this.now.replace(/[ \t]+$/, ""));
		this.now = "";
	}

	take(more: string[]): void {
		if (more.length === 0)
			return;
		if (this.wantsBlank && this.lines.length > 0 && this.lines[this.lines.length - 1] !== "")
			this.lines.push("");
		this.wantsBlank = false;
		this.lines.push(...more);
	}
}

function trimmed(lines: string[]): string[] {
	let a = 0;
	let b = lines.length;
	while (a < b && lines[a] === "")
		a++;
	while (b > a && lines[b - 1] === "")
		b--;
	return lines.slice(a, b);
}

function isOnlyBreak(node: NodeLike): boolean {
	return node.childNodes.length === 1 && node.childNodes[0]!.nodeName === "BR";
}

function walk(node: NodeLike, out: Lines, isPre: boolean, depth: number): void {
	if (node.nodeType === 3) {
		const value = node.nodeValue ?? "";
		if (isPre) {
			const parts = value.split(/\r\n?|\n/);
			parts.forEach((p, i) => {
				if (i > 0)
					out.break();
				out.text(p);
			});
			return;
		}
		let t = value.replace(/[ \t\r\n\f]+/g, " ");
		if (t.startsWith(" ") && (out.now === "" || out.now.endsWith(" ")))
			t = t.slice(1);
		out.text(t.replace(/[\u00a0]/g, " ").replace(/\u200b/g, ""));
		return;
	}
	if (node.nodeType !== 1 && node.nodeType !== 11)
		return;
	const name = node.nodeName.toUpperCase();
	if (HIDDEN.has(name))
		return;
	if (depth > DEPTH_MAX) {
		for (const child of Array.from(node.childNodes)) {
			if (child.nodeType === 3)
				walk(child, out, isPre, depth);
		}
		return;
	}
	if (name === "BR") {
		out.break();
		return;
	}
	if (name === "HR") {
		out.close();
		out.take(["-".repeat(30)]);
		return;
	}
	if (name === "IMG") {
		const alt = node.getAttribute?.("alt")?.trim();
		if (alt)
			out.text(`[${alt}]`);
		return;
	}
	if (name === "A") {
		link(node, out, isPre, depth);
		return;
	}
	if (name === "TD" || name === "TH") {
		if (out.now !== "" && !out.now.endsWith(" "))
			out.text("  ");
		children(node, out, isPre, depth);
		return;
	}
	if (!BLOCKS.has(name)) {
		children(node, out, isPre, depth);
		return;
	}
	out.close();
	if (isOnlyBreak(node)) {
		out.break();
		return;
	}
	if (SPACED.has(name))
		out.wantsBlank = true;
	if (name === "BLOCKQUOTE") {
		const inner = linesOf(node, isPre, depth);
		out.take(inner.map((l) => (l.startsWith(">") || l === "" ? `>${l}` : `> ${l}`)));
	} else if (name === "UL" || name === "OL") {
		list(node, out, name === "OL", isPre, depth);
	} else {
		children(node, out, isPre || name === "PRE", depth);
		out.close();
	}
	if (SPACED.has(name))
		out.wantsBlank = true;
}

function link(node: NodeLike, out: Lines, isPre: boolean, depth: number): void {
	const inner = linesOf(node, isPre, depth).join(" ").trim();
	const href = (node.getAttribute?.("href") ?? "").trim();
	const bare = href.replace(/^mailto:/i, "").replace(/\/$/, "");
	if (inner === "" && !/^https?:/i.test(href))
		return;
	if (inner === "")
		out.text(`<${href}>`);
	else if (!/^(https?|mailto):/i.test(href) || inner.includes(bare) || `http://${inner}` === bare || `https://${inner}` === bare)
		out.text(inner);
	else
		out.text(`${inner} <${href.replace(/^mailto:/i, "")}>`);
}

function list(node: NodeLike, out: Lines, isOrdered: boolean, isPre: boolean, depth: number): void {
	let n = Number(node.getAttribute?.("start") ?? 1) || 1;
	for (const child of Array.from(node.childNodes)) {
		if (child.nodeName.toUpperCase() !== "LI") {
			walk(child, out, isPre, depth + 1);
			out.close();
			continue;
		}
		const mark = isOrdered ? `${n++}. ` : "- ";
		const inner = linesOf(child, isPre, depth);
		out.take((inner.length ? inner : [""]).map((l, i) => (i === 0 ? mark + l : " ".repeat(mark.length) + l)));
	}
}

function children(node: NodeLike, out: Lines, isPre: boolean, depth: number): void {
	for (const child of Array.from(node.childNodes))
		walk(child, out, isPre, depth + 1);
}

function linesOf(node: NodeLike, isPre: boolean, depth: number): string[] {
	const out = new Lines();
	children(node, out, isPre, depth);
	out.close();
	return trimmed(out.lines);
}

/** What the tree says, in lines without wrapping; quotes begin with ">". */
export function textOf(tree: NodeLike): string {
	return linesOf(tree, false, 0).join("\n");
}

export function escapeHtml(text: string): string {
	return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");
}

const URL_IN_TEXT = /\bhttps?:\/\/[^\s<>"'，。；！？、）】》]+[^\s<>"'.,;:!?)\]}，。；！？、）】》]/gu;

function inlineHtml(line: string): string {
	let html = "";
	let at = 0;
	for (const m of line.matchAll(URL_IN_TEXT)) {
		html += escapeHtml(line.slice(at, m.index)) + `<a href="${escapeHtml(m[0])}">${escapeHtml(m[0])}</a>`;
		at = m.index + m[0].length;
	}
	html += escapeHtml(line.slice(at));
	return html.replace(/ {2}/g, " &nbsp;").replace(/^ /, "&nbsp;").replace(/\t/g, " &nbsp; &nbsp;");
}

const LEVELS_MAX = 20;

function quoteLevel(line: string): [number, string] {
	let level = 0;
	let i = 0;
	while (line[i] === ">" && level < LEVELS_MAX) {
		level++;
		i++;
		if (line[i] === " " && line[i + 1] === ">")
			i++;
	}
	return [level, level > 0 && line[i] === " " ? line.slice(i + 1) : line.slice(i)];
}

/** Plain text as HTML of the editor: a div a line, ">" as quotes, links as links. */
export function htmlOfText(text: string): string {
	let html = "";
	let level = 0;
	for (const line of text.replace(/\r\n?/g, "\n").split("\n")) {
		const [l, rest] = quoteLevel(line);
		for (; level < l; level++)
			html += '<blockquote type="cite">';
		for (; level > l; level--)
			html += "</blockquote>";
		html += `<div>${rest === "" ? "<br>" : inlineHtml(rest)}</div>`;
	}
	return html + "</blockquote>".repeat(level);
}

/** format=flowed (RFC 3676): undo its soft breaks, when the part says that it is. */
export function unflow(text: string, isFlowed: boolean, delSp: boolean): string {
	if (!isFlowed)
		return text;
	const out: string[] = [];
	let held: { level: number; text: string } | null = null;
	for (const line of text.replace(/\r\n?/g, "\n").split("\n")) {
		let level = 0;
		while (line[level] === ">")
			level++;
		let rest = line.slice(level);
		if (rest.startsWith(" "))
			rest = rest.slice(1);
		const prefix = level > 0 ? ">".repeat(level) + " " : "";
		if (held && held.level !== level) {
			out.push((held.level > 0 ? ">".repeat(held.level) + " " : "") + held.text);
			held = null;
		}
		const all: string = (held?.text ?? "") + rest;
		if (rest.endsWith(" ") && rest !== "-- ") {
			held = { level, text: delSp ? all.slice(0, -1) : all };
		} else {
			out.push(prefix + all);
			held = null;
		}
	}
	if (held)
		out.push((held.level > 0 ? ">".repeat(held.level) + " " : "") + held.text);
	return out.join("\n");
}
