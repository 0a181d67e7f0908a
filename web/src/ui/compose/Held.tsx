// "Sending in 10 s - Undo": counts down by itself; screen readers hear it once.

import { useEffect, useState } from "preact/hooks";
import { t } from "../../core/i18n";
import { Button } from "../kit/kit";
import { type Held as HeldLetter, held, takeBack } from "./sending";

export function Held() {
	return (
		<div class="held-bars" role="status" aria-live="polite">
			{held.value.map((h) => <Bar h={h} key={h.submissionId} />)}
		</div>
	);
}

function Bar({ h }: { h: HeldLetter }) {
	const left = () => Math.max(0, Math.ceil((h.until - Date.now()) / 1000));
	const [seconds, setSeconds] = useState(left);
	useEffect(() => {
		const timer = setInterval(() => setSeconds(left()), 250);
		return () => clearInterval(timer);
	}, [h]);
	return (
		<div class="held">
			<span class="sr-only">{t("compose.sendingUndo")}</span>
			<span aria-hidden>{t("compose.sendingIn", { n: seconds })}</span>
			<Button label={t("kit.undo")} keyName="z" onClick={() => void takeBack(h)} />
		</div>
	);
}
