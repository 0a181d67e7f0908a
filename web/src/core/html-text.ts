/* HTML as the text that people would read, without showing it: for "show as plain text" of mail that has none. */

const BLOCK = /^(address|article|aside|blockquote|center|dd|div|dl|dt|figure|footer|form|h[1-6]|header|hr|li|main|nav|ol|p|pre|section|table|tr|ul)$/;
const SKIP = /^(script|style|head|title|template|noscript|svg|math|object|embed|iframe|textarea|select)$/;
const NODES_MAX = 300_000;

export function htmlToText(html: string, parser: DOMParser = new DOMParser()): string {
	const doc = parser.parseFromString(html, "text/html");
	let out = "";
	let nodes = 0;
	const newline = (): void => {
		out = out.replace(/[ \t]+$/, "");
		if (out && !out.endsWith("\n"))
			out += "\n";
	};
	const walk = (node: Node, isPre: boolean, depth: number): void => {
		if (++nodes > NODES_MAX || depth > 200)
			return;
		if (node.nodeType === 3) {
			const text = node.nodeValue ?? "";
			const flat = text.replace(/[ \t\r\n\f]+/g, " ");
			out += isPre ? text : out === "" || /\s$/.test(out) ? flat.replace(/^ /, "") : flat;
			return;
		}
		if (node.nodeType !== 1)
			return;
		const e = node as Element;
		const name = e.localName;
		if (SKIP.test(name))
			return;
		if (name === "br") {
			out += "\n";
			return;
		}
		if (name === "img") {
			out += e.getAttribute("alt") ?? "";
			return;
		}
		const isBlock = BLOCK.test(name);
		if (isBlock)
			newline();
		if (/^(p|h[1-6]|table|blockquote|ul|ol)$/.test(name) && out && !out.endsWith("\n\n"))
			out += "\n";
		if (name === "li")
			out += "• ";
		if (name === "hr")
			out += "----------";
		const from = out.length;
		for (const child of e.childNodes)
			walk(child, isPre || name === "pre", depth + 1);
		if (name === "td" || name === "th")
			out += " ";
		if (name === "a") {
			const href = e.getAttribute("href") ?? "";
			const said = out.slice(from).trim();
			if (/^https?:/i.test(href) && said && !said.includes(href.replace(/^https?:\/\/(www\.)?/i, "").replace(/\/$/, "")))
				out += ` <${href}>`;
		}
		if (name === "blockquote") {
			const quoted = out.slice(from).trim();
			out = out.slice(0, from) + quoted.split("\n").map((l) => (l.startsWith(">") ? ">" : "> ") + l).join("\n");
		}
		if (isBlock)
			newline();
	};
	walk(doc.body, false, 0);
	return out.replace(/\u00a0/g, " ").replace(/\n{3,}/g, "\n\n").trim() + "\n";
}
