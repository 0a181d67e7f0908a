// Sections that only write into the settings.

import { signal } from "@preact/signals";
import { LANGUAGES, t } from "../../core/i18n";
import { changeSettings, settings } from "../../core/settings";
import type { Mailbox } from "../../core/types";
import { store } from "../app";
import { colorLabel, createFolder, createLabel, deleteFolder, deleteLabel, deleteSearch, LABEL_COLORS, moveFolder, renameFolder, renameLabel, useAsEntry } from "../folders/folder_actions";
import { folderIcon, folderPathName, isSystem, orderedFolders } from "../folders/folder_names";
import { Button, Dot, Icon, openMenu } from "../kit/kit";
import { Check, Group, Page, Radios, Select } from "./parts";

export function General() {
	const s = settings.value;
	return (
		<Page title={t("settings.general")}>
			<Select label={t("settings.language")} value={s.language} options={[["auto", t("settings.languageAuto")], ...LANGUAGES.map((l): [typeof s.language, string] => [l.id, l.name])]}
				onChange={(language) => changeSettings({ language })} />
			<Select label={t("settings.clock")} value={s.dateFormat} options={[["auto", t("settings.clockAuto")], ["24", t("settings.clock24")], ["12", t("settings.clock12")]]}
				onChange={(dateFormat) => changeSettings({ dateFormat })} />
			<Group title={t("settings.reading")}>
				<Check label={t("settings.conversations")} hint={t("settings.conversationsHint")} value={s.conversations} onChange={(conversations) => changeSettings({ conversations })} />
				<Radios label={t("settings.afterAction")} value={s.afterAction} options={[["list", t("settings.afterList")], ["next", t("settings.afterNext")]]}
					onChange={(afterAction) => changeSettings({ afterAction })} />
				<Select label={t("settings.markRead")} value={s.markReadSeconds} options={[[0, t("settings.markReadAtOnce")], [2, t("settings.markReadAfter", { n: 2 })], [5, t("settings.markReadAfter", { n: 5 })],
					[-1, t("settings.markReadNever")]]} onChange={(markReadSeconds) => changeSettings({ markReadSeconds })} />
			</Group>
			<Group title={t("settings.keys")}>
				<Check label={t("settings.keysOn")} hint={t("settings.keysHint")} value={s.keys} onChange={(keys) => changeSettings({ keys })} />
			</Group>
		</Page>
	);
}

export function Appearance() {
	const s = settings.value;
	return (
		<Page title={t("settings.appearance")}>
			<Radios label={t("settings.theme")} value={s.theme} options={[["system", t("settings.themeSystem")], ["light", t("settings.themeLight")], ["dark", t("settings.themeDark")]]}
				onChange={(theme) => changeSettings({ theme })} />
			<Radios label={t("settings.density")} value={s.density} options={[["compact", t("list.density.compact")], ["normal", t("list.density.normal")], ["roomy", t("list.density.roomy")]]}
				onChange={(density) => changeSettings({ density })} />
			<Radios label={t("settings.pane")} value={s.readerPane} options={[["side", t("settings.paneSide")], ["off", t("settings.paneOff")]]} onChange={(readerPane) => changeSettings({ readerPane })} />
		</Page>
	);
}

export function FolderSettings() {
	const { labels, searches } = settings.value;
	const subscribe = (m: Mailbox, isSubscribed: boolean) => void store.change("Mailbox", { update: { [m.id]: { isSubscribed } } }).catch(() => {});
	return (
		<Page title={t("settings.folders")}>
			<Group title={t("folders.own")} hint={t("settings.foldersHint")}>
				<ul class="settings-list">
					{orderedFolders().map(({ mailbox: m }) => (
						<li key={m.id}>
							<Icon name={folderIcon(m)} /><span class="grow" dir="auto">{folderPathName(m)}</span>
							<span class="quiet">{t("folders.messages", { n: m.totalEmails })}</span>
							<label class="check"><input type="checkbox" checked={m.isSubscribed} onChange={(e) => subscribe(m, e.currentTarget.checked)} />{t("settings.subscribed")}</label>
							<Button small kind="plain" icon="more" label={t("folders.menuOf", { what: folderPathName(m) })} popup="menu" onClick={(e) => openMenu(folderPathName(m), [
								{ label: t("folders.newSub"), icon: "plus", disabled: !m.myRights.mayCreateChild, run: () => void createFolder(m) },
								{ label: t("folders.rename"), icon: "compose", disabled: isSystem(m), run: () => void renameFolder(m) },
								{ label: t("folders.move"), icon: "move", disabled: isSystem(m), run: () => void moveFolder(m) },
								useAsEntry(m, e.currentTarget),
								{ label: t("folders.delete"), icon: "trash", danger: true, disabled: isSystem(m) || !m.myRights.mayDelete, run: () => void deleteFolder(m) },
							], e.currentTarget)} />
						</li>
					))}
				</ul>
				<Button icon="plus" both label={t("folders.new")} onClick={() => void createFolder(null)} />
			</Group>
			<Group title={t("folders.labels")}>
				<ul class="settings-list">
					{labels.map((l) => (
						<li key={l.keyword}>
							<Dot color={l.color} /><span class="grow" dir="auto">{l.name}</span>
							<Button small label={t("folders.color")} popup="menu" onClick={(e) => openMenu(l.name, LABEL_COLORS.map((color, i) => ({ label: t(`folders.colorName.${i}`), color,
								checked: color === l.color, run: () => colorLabel(l, color) })), e.currentTarget)} />
							<Button small label={t("folders.rename")} onClick={() => void renameLabel(l)} />
							<Button small kind="danger" label={t("folders.delete")} onClick={() => void deleteLabel(l)} />
						</li>
					))}
				</ul>
				<Button icon="plus" both label={t("folders.newLabel")} onClick={() => void createLabel()} />
			</Group>
			{searches.length > 0 && (
				<Group title={t("folders.searches")}>
					<ul class="settings-list">
						{searches.map((s) => (
							<li key={s.id}><Icon name="search" /><span class="grow" dir="auto">{s.name} <code class="quiet">{s.query}</code></span>
								<Button small kind="danger" label={t("folders.delete")} onClick={() => deleteSearch(s.id)} /></li>
						))}
					</ul>
				</Group>
			)}
		</Page>
	);
}

const permission = signal(typeof Notification === "undefined" ? "denied" : Notification.permission);
export function Notifications() {
	const s = settings.value;
	return (
		<Page title={t("settings.notifications")}>
			<Check label={t("settings.notify")} hint={t("settings.notifyHint")} value={s.notify && permission.value === "granted"} onChange={async (notify) => {
				if (notify && typeof Notification !== "undefined")
					permission.value = await Notification.requestPermission();
				changeSettings({ notify: notify && permission.value === "granted" });
			}} />
			{permission.value === "denied" && <p class="bad-text">{t("settings.notifyDenied")}</p>}
		</Page>
	);
}

export function Privacy() {
	const s = settings.value;
	return (
		<Page title={t("settings.privacy")}>
			<Radios label={t("settings.images")} value={s.images} options={[["ask", t("settings.imagesAsk")], ["contacts", t("settings.imagesContacts")]]} onChange={(images) => changeSettings({ images })} />
			<p class="quiet">{t("settings.imagesHint")}</p>
			<Group title={t("settings.imageSenders")}>
				{!s.imageSenders.length && <p class="quiet">{t("settings.imageSendersNone")}</p>}
				<ul class="settings-list">
					{s.imageSenders.map((a) => (
						<li key={a}><span class="grow">{a}</span><Button small label={t("kit.remove", { what: a })} onClick={() => changeSettings({ imageSenders: s.imageSenders.filter((o) => o !== a) })} /></li>
					))}
				</ul>
			</Group>
		</Page>
	);
}
