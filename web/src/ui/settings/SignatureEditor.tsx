// A small rich field: the composer's editor with the few formats a signature needs.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { ImeGuard } from "../../core/compose_ime";
import { t } from "../../core/i18n";
import type { Editor, Format } from "../compose/editor";
import { type IconName, Button, Spinner, promptDialog } from "../kit/kit";

const TOOLS: [IconName, Format, string][] = [["bold", "B", "writing.bold"], ["italic", "I", "writing.italic"], ["underline", "U", "writing.underline"]];

export function SignatureEditor({ html, label, onChange }: { html: string; label: string; onChange(html: string): void }) {
	const root = useRef<HTMLDivElement>(null);
	const editor = useRef<Editor | null>(null);
	const active = useSignal<Set<Format>>(new Set());
	const state = useSignal<"loading" | "there" | "failed">("loading");
	useEffect(() => {
		let isGone = false;
		Promise.all([import("../compose/editor"), import("../compose/sanitize").then((m) => m.startSanitizer())]).then(([m]) => {
			if (isGone || !root.current)
				return;
			const e = editor.current = new m.Editor(root.current, { onChange: () => onChange(e.html()), onState: (s) => { active.value = s.active; },
				onFiles: () => {}, onForeignImages: (images) => images.forEach((i) => i.remove()), imageUrl: () => null, guard: new ImeGuard() });
			e.load(html);
			state.value = "there";
		}, () => { state.value = "failed"; });
		return () => {
			isGone = true;
			editor.current?.destroy();
		};
	}, []);
	const link = async () => {
		const url = await promptDialog(t("writing.link"), t("writing.linkTo"), editor.current?.linkAt() || "https://", t("writing.setLink"),
			(v) => /^(https?|mailto):./i.test(v) ? null : t("writing.noLink"));
		if (url)
			editor.current?.link(url);
	};
	return (
		<div class="signature-editor">
			{state.value === "loading" && <Spinner />}
			{state.value === "failed" && <p role="alert" class="bad-text">{t("writing.editorFailed")}</p>}
			<div class="format-bar" role="toolbar" aria-label={t("writing.format")} onMouseDown={(e) => e.preventDefault()}>
				{TOOLS.map(([icon, format, key]) => <Button small kind="plain" key={icon} icon={icon} label={t(key)} pressed={active.value.has(format)}
					onClick={() => editor.current?.toggle(format)} />)}
				<Button small kind="plain" icon="link" label={t("writing.link")} onClick={() => void link()} />
			</div>
			<div class="signature-text" ref={root} role="textbox" aria-multiline="true" aria-label={label} dir="auto" />
		</div>
	);
}
