// All letters that are being written. (compose.css, i18n/compose.*.json)

import { addCatalogue } from "../../core/i18n";
import en from "../../i18n/compose.en.json";
import { composers } from "./compose";

addCatalogue(en, { "zh-CN": () => import("../../i18n/compose.zh-CN.json") });

export function Composers() {
	return <>{composers.value.map((c) => <section class="composer" key={c.number} />)}</>;
}
