// All keys, as they are now.

import { t } from "../../core/i18n";
import { settings } from "../../core/settings";
import { isHelpOpen, keys } from "../app";
import { Dialog } from "../kit/kit";

export function Help() {
	const groups = new Map<string, { keys: string; label: string }[]>();
	for (const b of keys.all())
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
