// All keys, also of what is not open now.

import { t } from "../../core/i18n";
import type { KeyBinding } from "../../core/keys";
import { settings } from "../../core/settings";
import { isHelpOpen, keys } from "../app";
import { Dialog } from "../kit/kit";
import { type KeyedList, listKeys } from "../list/list_keys";

type Line = Pick<KeyBinding, "keys" | "label" | "group">;

/** The reader's: its own words come with its room, which may never have been opened. */
function readerLines(): Line[] {
	const group = t("shell.keys.message");
	return ([["n", "nextMessage"], ["p", "previousMessage"], ["r", "reply"], ["a", "replyAll"], ["f", "forward"], ["m", "mute"], ["t", "trace"], [";", "openAll"], [":", "foldAll"]] as const)
		.map(([k, word]) => ({ keys: k, group, label: t(`shell.keys.${word}`) }));
}

function allLines(): Line[] {
	const now: Line[] = keys.all();
	const has = (k: string) => now.some((b) => b.keys === k);
	return [...now, ...has("x") ? [] : listKeys({ act: {} } as KeyedList).filter((b) => !has(b.keys)), ...has("f") ? [] : readerLines(),
		{ keys: "Ctrl+Enter", group: t("shell.keys.writing"), label: t("shell.keys.send") }];
}

export function Help() {
	const groups = new Map<string, Line[]>();
	for (const b of allLines())
		groups.set(b.group, [...groups.get(b.group) ?? [], b]);
	return (
		<Dialog wide title={t("shell.keysTitle")} onClose={() => { isHelpOpen.value = false; }}>
			{!settings.value.keys && <p class="wrong">{t("shell.keysOff")}</p>}
			<div class="help">
				{[...groups].map(([group, list]) => (
					<section key={group}>
						<h3>{group}</h3>
						<dl>
							{list.map((b) => (
								<div key={b.keys}><dt>{b.keys.split(", ").map((k) => <kbd key={k}>{k}</kbd>)}</dt><dd>{b.label}</dd></div>
							))}
						</dl>
					</section>
				))}
			</div>
		</Dialog>
	);
}
