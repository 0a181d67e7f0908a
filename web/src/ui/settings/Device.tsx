// How another device or program is set up: what autoconfig tells programs, for people, and a profile for phones.

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { t } from "../../core/i18n";
import { jmap } from "../app";
import { Button, Spinner, toast } from "../kit/kit";
import { type Server, readAutoconfig } from "./autoconfig";
import { Group, Page } from "./parts";

const servers = signal<Server[] | null>(null);
const isBroken = signal(false);

async function load() {
	try {
		const answer = await fetch("/.well-known/autoconfig/mail/config-v1.1.xml?emailaddress=" + encodeURIComponent(jmap.session.value?.username ?? ""));
		servers.value = answer.ok ? readAutoconfig(await answer.text()) : [];
	} catch {
		isBroken.value = true;
	}
}

export function Device() {
	useEffect(() => void load(), []);
	const name = jmap.session.value?.username ?? "";
	const profile = "/apple/mail.mobileconfig?email=" + encodeURIComponent(name);
	return (
		<Page title={t("settings.device")}>
			<p>{t("settings.deviceText")}</p>
			<p class="settings-row">{t("settings.deviceUser")} <code class="secret">{name}</code> <Button small icon="copy" label={t("settings.copy")}
				onClick={() => void navigator.clipboard?.writeText(name).then(() => toast({ text: t("settings.copied") }))} /></p>
			{isBroken.value ? <p class="bad-text" role="alert">{t("settings.failed")}</p> : !servers.value ? <Spinner /> : servers.value.length > 0 && (
				<div class="settings-scroll" tabIndex={0} role="region" aria-label={t("settings.device")}>
					<table class="settings-table">
						<thead><tr><th scope="col">{t("settings.service")}</th><th scope="col">{t("settings.server")}</th><th scope="col">{t("settings.port")}</th><th scope="col">{t("settings.encryption")}</th></tr></thead>
						<tbody>{servers.value.map((s) => <tr key={s.kind + s.port}><td>{s.kind.toUpperCase()}</td><td><code>{s.host}</code></td><td>{s.port}</td><td>{s.security === "SSL" ? "TLS" : s.security}</td></tr>)}</tbody>
					</table>
				</div>
			)}
			<Group title={t("settings.phone")} hint={t("settings.phoneHint")}>
				<p><a class="button" href={profile} download>{t("settings.profile")}</a></p>
			</Group>
			<p>{t("settings.deviceApp")} <a href="/settings/security">{t("settings.security")}</a></p>
		</Page>
	);
}
