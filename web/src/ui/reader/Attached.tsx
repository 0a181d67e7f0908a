// A message that hangs on another one, read without leaving it.

import { useEffect, useState } from "preact/hooks";
import { fullDate } from "../../core/dates";
import { t } from "../../core/i18n";
import { formatAddress } from "../../core/address";
import type { EmailBodyPart } from "../../core/types";
import { Button, Dialog, Spinner } from "../kit/kit";
import { nameOf } from "./Attachments";
import { type FullEmail, parseMessage } from "./load";
import { Content, type CardLook } from "./Message";
import { saveEml } from "./Views";

const LOOK: CardLook = { isPlain: false, paper: null };

export function AttachedMessage({ part, onClose }: { part: EmailBodyPart; onClose(): void }) {
	const [path, setPath] = useState<EmailBodyPart[]>([part]);
	const [email, setEmail] = useState<FullEmail | null>(null);
	const [isBad, setBad] = useState(false);
	const now = path[path.length - 1]!;
	useEffect(() => {
		let isOver = false;
		setEmail(null);
		setBad(false);
		parseMessage(now.blobId ?? "").then((e) => {
			if (!isOver) {
				setEmail(e);
				setBad(!e);
			}
		}, () => !isOver && setBad(true));
		return () => { isOver = true; };
	}, [now.blobId]);
	return (
		<Dialog wide title={email?.subject?.trim() || nameOf(now)} onClose={onClose} foot={<>
			{path.length > 1 && <Button icon="back" both label={t("reader.back")} onClick={() => setPath(path.slice(0, -1))} />}
			<Button icon="download" both label={t("reader.saveEml")} onClick={() => saveEml({ blobId: now.blobId ?? "", subject: email?.subject ?? now.name })} />
		</>}>
			{isBad && <p role="alert">{t("reader.previewFailed")}</p>}
			{!email && !isBad && <Spinner />}
			{email && <div class="attached-message">
				<dl class="people">
					<div><dt>{t("reader.field.from")}</dt><dd dir="auto">{(email.from ?? []).map(formatAddress).join(", ")}</dd></div>
					<div><dt>{t("reader.field.to")}</dt><dd dir="auto">{(email.to ?? []).map(formatAddress).join(", ")}</dd></div>
					{email.sentAt && <div><dt>{t("reader.field.date")}</dt><dd>{fullDate(email.sentAt)}</dd></div>}
				</dl>
				<Content key={now.blobId} email={email} look={LOOK} onMessage={(p) => setPath([...path, p])} />
			</div>}
		</Dialog>
	);
}
