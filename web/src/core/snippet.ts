// SearchSnippet (RFC 8621 section 5): HTML in which nothing but <mark> and three entities can stand. It is taken apart
// here and becomes text again, so that whatever else it might be is shown as it is written.

export interface Piece { text: string; isMark: boolean }

const ENTITIES: Record<string, string> = { "&lt;": "<", "&gt;": ">", "&amp;": "&", "&quot;": "\"", "&#39;": "'" };

export function snippetPieces(html: string): Piece[] {
	const out: Piece[] = [];
	let isMark = false;
	for (const part of html.split(/(<\/?mark>)/)) {
		if (part === "<mark>" || part === "</mark>")
			isMark = part === "<mark>";
		else if (part)
			out.push({ text: part.replace(/&(lt|gt|amp|quot|#39);/g, (e) => ENTITIES[e]!), isMark });
	}
	return out;
}

const BEFORE = 8; // characters before a mark

/** From its first mark on, with so much before it, by words. */
export function fromMark(pieces: Piece[], max = BEFORE): Piece[] {
	const at = pieces.findIndex((p) => p.isMark);
	const before = Array.from(pieces.slice(0, Math.max(0, at)).map((p) => p.text).join(""));
	if (before.length <= max)
		return pieces;
	return [{ text: "…" + before.slice(-max).join("").replace(/^\S*\s+/, ""), isMark: false }, ...pieces.slice(at)];
}
/** Not more than so many characters. */
export function cutText(text: string, max: number): string {
	const all = Array.from(text);
	return all.length > max ? all.slice(0, max).join("").trimEnd() + "…" : text;
}
