// The settings: sections in a column, one of them open. Everything is saved as it is changed.

import { t } from "../../core/i18n";
import { addCatalogue } from "../../core/i18n";
import { back } from "../../core/router";
import en from "../../i18n/settings.en.json";
import { Button, Icon, type IconName } from "../kit/kit";
import { width } from "../shell/width";
import { About } from "./About";
import { Appearance, FolderSettings, General, Notifications, Privacy } from "./Basics";
import { Device } from "./Device";
import { Security } from "./Security";
import { Transfer } from "./Transfer";
import { WRITING_SECTIONS } from "./writing_sections";

addCatalogue(en, { "zh-CN": () => import("../../i18n/settings.zh-CN.json") });

const SECTIONS: { id: string; icon: IconName; name(): string; Section: () => preact.JSX.Element | null }[] = [
	{ id: "general", icon: "settings", name: () => t("settings.general"), Section: General },
	{ id: "appearance", icon: "sun", name: () => t("settings.appearance"), Section: Appearance },
	...(["writing", "identities", "vacation", "contacts"] as const).filter((id) => WRITING_SECTIONS[id]).map((id) => ({ id,
		icon: ({ writing: "compose", identities: "signature", vacation: "vacation", contacts: "contacts" } as const)[id], name: () => t(`writing.${id}`),
		Section: WRITING_SECTIONS[id] as () => preact.JSX.Element | null })),
	{ id: "folders", icon: "folder", name: () => t("settings.folders"), Section: FolderSettings },
	{ id: "notifications", icon: "bell", name: () => t("settings.notifications"), Section: Notifications },
	{ id: "privacy", icon: "image", name: () => t("settings.privacy"), Section: Privacy },
	{ id: "security", icon: "lock", name: () => t("settings.security"), Section: Security },
	{ id: "transfer", icon: "download", name: () => t("settings.transfer"), Section: Transfer },
	{ id: "device", icon: "phone", name: () => t("settings.device"), Section: Device },
	{ id: "about", icon: "info", name: () => t("settings.about"), Section: About },
];

export function Settings({ section }: { section: string }) {
	const isNarrow = width.value === "narrow";
	const here = SECTIONS.find((s) => s.id === section) ?? (isNarrow ? undefined : SECTIONS[0]);
	return (
		<main class={`settings${isNarrow ? " narrow" : ""}`} data-section={here?.id ?? ""}>
			{(!isNarrow || !here) && (
				<nav class="settings-nav" aria-label={t("shell.settings")}>
					<h1>{t("shell.settings")}</h1>
					<ul>
						{SECTIONS.map((s) => (
							<li key={s.id}><a class="folder" href={`/settings/${s.id}`} aria-current={here?.id === s.id ? "page" : undefined}><Icon name={s.icon} /><span>{s.name()}</span></a></li>
						))}
					</ul>
				</nav>
			)}
			{here && (
				<div class="settings-body">
					{isNarrow && <Button kind="plain" icon="back" both label={t("shell.settings")} onClick={() => back({ page: "settings", section: "" })} />}
					<here.Section key={here.id} />
				</div>
			)}
		</main>
	);
}
