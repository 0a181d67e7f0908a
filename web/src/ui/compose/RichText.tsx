// The text of a letter: the rich editor with its toolbar, or a plain field. The editor's own code comes with the first
// rich letter.

import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { splitQuote } from "../../core/compose_quote";
import { t } from "../../core/i18n";
import { type IconName, Button, Spinner, openMenu } from "../kit/kit";
import type { Composer } from "./composer";
import { LinkDialog } from "./Dialogs";
import type { Editor, Format } from "./editor";
import { startSanitizer } from "./sanitize";

const COLORS = ["#b3261e", "#8a5300", "#1e6b34", "#17559f", "#6b3fa0", "#59626c"];
const COLOR_NAMES = ["red", "amber", "green", "blue", "violet", "grey"] as const;
const SIZES = [["small", "12px"], ["normal", null], ["large", "18px"], ["huge", "24px"]] as const;

export function PlainText({ c }: { c: Composer }) {
	const ref = useRef<HTMLTextAreaElement>(null);
	useEffect(() => c.guard.watch(ref.current!), []);
	useLayoutEffect(() => {
		const field = ref.current!;
		field.value = c.letter.peek().text;
		if (c.focus === "body" && c.loads.peek() === 0) {
			field.focus();
			field.setSelectionRange(0, 0);
			field.scrollTop = 0;
		}
	}, [c.loads.value]);
	const put = (text: string, cursor: number) => {
		const field = ref.current!;
		field.value = text;
		field.setSelectionRange(cursor, cursor);
		c.set({ text });
	};
	return (
		<textarea class="plain-text" ref={ref} dir="auto" aria-label={t("compose.text")} spellcheck
			onInput={(e) => c.set({ text: e.currentTarget.value })}
			onKeyDown={(e) => {
				if (c.guard.owns(e) || e.key !== "Enter" || e.shiftKey || e.ctrlKey || e.metaKey || e.altKey)
					return;
				const f = e.currentTarget;
				const done = f.selectionStart === f.selectionEnd ? splitQuote(f.value, f.selectionStart) : null;
				if (done) {
					e.preventDefault();
					put(done.text, done.cursor);
				}
			}}
			onPaste={(e) => {
				const files = [...e.clipboardData?.files ?? []];
				if (files.length && !e.clipboardData!.types.includes("text/plain")) {
					e.preventDefault();
					c.addFiles(files, false);
				}
			}} />
	);
}

export function RichText({ c }: { c: Composer }) {
	const root = useRef<HTMLDivElement>(null);
	const state = useSignal<"loading" | "there" | "failed">("loading");
	useEffect(() => {
		let editor: Editor | null = null, isGone = false;
		Promise.all([import("./editor"), startSanitizer()]).then(([m]) => {
			if (isGone || !root.current)
				return;
			editor = new m.Editor(root.current, {
				onChange: () => c.changed(),
				onState: (s) => { c.format.value = s; },
				onFiles: (files) => c.addFiles(files, true),
				onForeignImages: (images) => queueMicrotask(() => c.adoptImages(images)),
				imageUrl: (cid) => c.imageUrl(cid),
				guard: c.guard,
			});
			c.attach(editor);
			editor.load(c.letter.peek().html);
			state.value = "there";
			if (c.focus === "body")
				setTimeout(() => editor?.focus(true), 0); // once it is shown
		}, () => {
			state.value = "failed";
		});
		return () => {
			isGone = true;
			if (editor)
				c.letter.value = { ...c.letter.peek(), ...(c.letter.peek().format === "rich" ? { html: editor.html() } : {}) };
			c.attach(null);
			editor?.destroy();
		};
	}, [c.loads.value]);
	return (
		<>
			{state.value === "there" && <Toolbar c={c} />}
			{state.value === "loading" && <Spinner />}
			{state.value === "failed" && (
				<div class="banner" role="alert"><span>{t("compose.editorFailed")}</span>
					<Button small label={t("compose.toPlain")} onClick={() => void c.changeFormat()} /></div>
			)}
			<div class="rich-box" hidden={state.value !== "there"}>
				<div class="rich-text" ref={root} role="textbox" aria-multiline="true" aria-label={t("compose.text")} dir="auto" spellcheck />
			</div>
		</>
	);
}

interface Tool { icon: IconName; label: string; format?: Format; key?: string; popup?: boolean; run(at: Element): void }

function Toolbar({ c }: { c: Composer }) {
	const ref = useRef<HTMLDivElement>(null);
	const files = useRef<HTMLInputElement>(null);
	const isLinking = useSignal<string | null>(null);
	const focused = useSignal(0);
	const e = c.editor;
	if (!e)
		return null;
	const active = c.format.value.active;
	const toggle = (icon: IconName, label: string, format: Format, key?: string): Tool => ({ icon, label, format, key, run: () => {
		e.toggle(format);
		e.focus();
	} });
	const tools: Tool[] = [
		toggle("bold", t("compose.bold"), "B", "Ctrl+B"),
		toggle("italic", t("compose.italic"), "I", "Ctrl+I"),
		toggle("underline", t("compose.underline"), "U", "Ctrl+U"),
		toggle("strike", t("compose.strike"), "S"),
		{ icon: "color", label: t("compose.color"), popup: true, run: (at) => openMenu(t("compose.color"), [
			{ label: t("compose.color.none"), run: () => e.squire.setTextColor(null) },
			...COLORS.map((color, i) => ({ label: t(`compose.color.${COLOR_NAMES[i]!}`), color, run: () => { e.squire.setTextColor(color); } })),
		], at) },
		{ icon: "size", label: t("compose.size"), popup: true, run: (at) => openMenu(t("compose.size"), SIZES.map(([name, size]) => ({
			label: t(`compose.size.${name}`), checked: (c.format.value.size || null) === size, run: () => { e.squire.setFontSize(size); } })), at) },
		toggle("list-ul", t("compose.bullets"), "UL"),
		toggle("list-ol", t("compose.numbers"), "OL"),
		toggle("quote", t("compose.quote"), "BLOCKQUOTE"),
		{ icon: "outdent", label: t("compose.outdent"), run: () => e.indent(false) },
		{ icon: "indent", label: t("compose.indent"), run: () => e.indent(true) },
		{ icon: "link", label: t("compose.link"), format: "A", key: "Ctrl+K", popup: true, run: () => { isLinking.value = e.linkAt(); } },
		{ icon: "image", label: t("compose.image"), run: () => files.current?.click() },
		toggle("code", t("compose.code"), "CODE"),
		{ icon: "clear", label: t("compose.clear"), run: () => e.squire.removeAllFormatting() },
	];
	return (
		<div class="format-bar" role="toolbar" aria-label={t("compose.format")} ref={ref}
			onMouseDown={(m) => m.preventDefault() /* the text keeps its selection */}
			onKeyDown={(k) => {
				const isRtl = getComputedStyle(k.currentTarget).direction === "rtl";
				const step = k.key === "ArrowRight" ? 1 : k.key === "ArrowLeft" ? -1 : 0;
				const to = k.key === "Home" ? 0 : k.key === "End" ? tools.length - 1
					: step ? (focused.value + (isRtl ? -step : step) + tools.length) % tools.length : -1;
				if (to < 0)
					return;
				k.preventDefault();
				focused.value = to;
				ref.current!.querySelectorAll<HTMLElement>("button")[to]?.focus();
			}}>
			{tools.map((tool, i) => (
				<Button small kind="plain" key={tool.icon} icon={tool.icon} label={tool.label} keyName={tool.key} tabIndex={i === focused.value ? 0 : -1}
					pressed={tool.format ? active.has(tool.format) : undefined} popup={tool.popup ? "menu" : undefined} onClick={(m) => {
						focused.value = i;
						tool.run(m.currentTarget);
					}} />
			))}
			<input type="file" ref={files} hidden multiple accept="image/png,image/jpeg,image/gif,image/webp,image/avif" onChange={(f) => {
				c.addFiles([...f.currentTarget.files ?? []], true);
				f.currentTarget.value = "";
			}} />
			{isLinking.value !== null && <LinkDialog url={isLinking.value} onClose={(url) => {
				isLinking.value = null;
				if (url !== null)
					e.link(url);
				else
					e.focus();
			}} />}
		</div>
	);
}
