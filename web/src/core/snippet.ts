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
