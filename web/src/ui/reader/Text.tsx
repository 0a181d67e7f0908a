// Plain text: links, quotes in colours, what is quoted at the end folded away.

import { formatOf, linesOf } from "../../core/flowed";
import { t } from "../../core/i18n";
import { linkify } from "../../core/linkify";
import { type Block, blocksOf } from "../../core/quote";
import { useMemo } from "preact/hooks";
import { mailto } from "./mailto";

export function Text({ text, contentType, isOpen }: { text: string; contentType?: string | null; /** Fold nothing. */ isOpen?: boolean }) {
	const blocks = useMemo(() => blocksOf(linesOf(text, formatOf(contentType))), [text, contentType]);
	const folded = isOpen ? [] : blocks.filter((b) => b.isFolded);
	const from = blocks.findIndex((b) => b.isFolded);
	const before = folded.length ? blocks.slice(0, from) : blocks;
	const after = folded.length ? blocks.slice(from).filter((b) => !b.isFolded) : [];
	return (
		<div class="mail-text" dir="auto">
			{before.map((b, i) => <BlockView block={b} key={i} />)}
			{folded.length > 0 && (
				<details class="folded">
					<summary aria-label={t("reader.quoted")}>…</summary>
					{folded.map((b, i) => <BlockView block={b} key={i} />)}
				</details>
			)}
			{after.map((b, i) => <BlockView block={b} key={i} />)}
		</div>
	);
}

function BlockView({ block }: { block: Block }) {
	const text = block.lines.map((l) => l.text).join("\n");
	const inner = linkify(text).map((p, i) => p.href
		? <a href={p.href} target="_blank" rel="noopener noreferrer" key={i} onClick={(e) => {
			if (p.href!.startsWith("mailto:")) {
				e.preventDefault();
				mailto(p.href!);
			}
		}}>{p.text}</a> : p.text);
	if (block.kind === "quote")
		return <blockquote class={`quote depth-${Math.min(block.depth, 4)}`}>{inner}</blockquote>;
	return <div class={block.kind === "signature" ? "signature" : ""}>{inner}</div>;
}
