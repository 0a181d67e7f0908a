/* Lines of a text/plain part: how deep they are quoted, and, when it is format=flowed (RFC 3676), put together to
 * the paragraphs that were meant. */

export interface Line {
	depth: number;
	text: string;
}
export interface TextFormat {
	isFlowed: boolean;
	isDelsp: boolean;
}

const QUOTE_MAX = 32; /* deeper is told as this deep */

/** From a part's Content-Type field, as it stands in the message. */
export function formatOf(contentType: string | null | undefined): TextFormat {
	const value = contentType ?? "";
	return {
		isFlowed: /;\s*format\s*=\s*"?flowed"?\s*(;|$)/i.test(value),
		isDelsp: /;\s*delsp\s*=\s*"?yes"?\s*(;|$)/i.test(value),
	};
}

export function linesOf(text: string, format: TextFormat): Line[] {
	const raw = text.replace(/\r\n?/g, "\n").split("\n");
	if (raw.length > 1 && raw[raw.length - 1] === "")
		raw.pop();
	return format.isFlowed ? flowed(raw, format.isDelsp) : raw.map(fixed);
}

/* "> > text" and ">> text" are the same depth in mail that is not flowed; "> From" too. */
function fixed(line: string): Line {
	const m = /^(?:>[ \t]?)+/.exec(line);
	if (!m)
		return { depth: 0, text: line };
	const depth = m[0].replace(/[^>]/g, "").length;
	return { depth: Math.min(depth, QUOTE_MAX), text: line.slice(m[0].length) };
}

/* RFC 3676 section 4.2: count the quote marks, take off one stuffed space, and a line that ends in a space goes on
 * in the next of the same depth, unless it is the line of a signature ("-- ", section 4.3). */
function flowed(raw: string[], isDelsp: boolean): Line[] {
	const out: Line[] = [];
	let open: Line | null = null;
	for (const line of raw) {
		let depth = 0;
		while (line[depth] === ">")
			depth++;
		let text = line.slice(depth);
		if (text.startsWith(" "))
			text = text.slice(1);
		const shownDepth = Math.min(depth, QUOTE_MAX);
		const isSignature = text === "-- ";
		const isSoft = text.endsWith(" ") && !isSignature;
		const body = isSoft && isDelsp ? text.slice(0, -1) : text;
		if (open && open.depth === shownDepth && !isSignature) {
			open.text += body;
		} else {
			open = { depth: shownDepth, text: body };
			out.push(open);
		}
		if (!isSoft)
			open = null;
	}
	return out;
}
