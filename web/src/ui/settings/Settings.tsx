import { addCatalogue } from "../../core/i18n";
import { WRITING_SECTIONS } from "./writing_sections";
import en from "../../i18n/settings.en.json";

addCatalogue(en, { "zh-CN": () => import("../../i18n/settings.zh-CN.json") });

export function Settings({ section }: { section: string }) {
	const Section = WRITING_SECTIONS[section];
	return <main class="settings" data-section={section}>{Section && <Section />}</main>;
}
