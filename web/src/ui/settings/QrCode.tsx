import { useMemo } from "preact/hooks";
import { qrCode } from "../../core/qr";

const QUIET = 4; // light squares around

export function QrCode({ text, label }: { text: string; label: string }) {
	const rows = useMemo(() => qrCode(text), [text]);
	if (!rows)
		return null;
	const n = rows.length + 2 * QUIET;
	const path = rows.flatMap((row, r) => row.map((v, c) => v ? `M${c + QUIET} ${r + QUIET}h1v1h-1z` : "")).join("");
	return <svg class="qr" viewBox={`0 0 ${n} ${n}`} role="img" aria-label={label}><rect class="qr-paper" width={n} height={n} /><path d={path} /></svg>;
}
