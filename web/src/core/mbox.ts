// The mbox format (RFC 4155, with ">From " quoting as mboxrd): many letters in one file.

const LF = 10, CR = 13, GT = 62;
const FROM = [70, 114, 111, 109, 32]; // "From "
const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function isFrom(b: Uint8Array, at: number): boolean {
	return FROM.every((c, i) => b[at + i] === c);
}
/** At the start of a line: ">", ">>" … and "From "? Where "From " begins, or -1. */
function quotedFrom(b: Uint8Array, at: number): number {
	let i = at;
	while (b[i] === GT)
		i++;
	return isFrom(b, i) ? i : -1;
}
function* lines(b: Uint8Array): Generator<[number, number]> {
	for (let at = 0; at < b.length;) {
		const end = b.indexOf(LF, at);
		const next = end < 0 ? b.length : end + 1;
		yield [at, next];
		at = next;
	}
}
function join(parts: Uint8Array[]): Uint8Array {
	const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
	let at = 0;
	for (const p of parts) {
		out.set(p, at);
		at += p.length;
	}
	return out;
}

/** A letter as it stands in an mbox, with the line before it and the empty line behind it. */
export function mboxEntry(letter: Uint8Array, from: string, at: Date): Uint8Array {
	const two = (n: number) => String(n).padStart(2, "0");
	const when = `${DAYS[at.getUTCDay()]} ${MONTHS[at.getUTCMonth()]} ${String(at.getUTCDate()).padStart(2, " ")} ${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())} ${at.getUTCFullYear()}`;
	const who = /^[^\s]+$/.test(from) ? from : "MAILER-DAEMON";
	const parts: Uint8Array[] = [new TextEncoder().encode(`From ${who} ${when}\n`)];
	const quote = Uint8Array.of(GT);
	for (const [a, end] of lines(letter)) {
		if (quotedFrom(letter, a) >= 0)
			parts.push(quote);
		const isCrLf = letter[end - 1] === LF && letter[end - 2] === CR;
		parts.push(isCrLf ? letter.subarray(a, end - 2) : letter[end - 1] === LF ? letter.subarray(a, end - 1) : letter.subarray(a, end), Uint8Array.of(LF));
	}
	parts.push(Uint8Array.of(LF));
	return join(parts);
}

/** The letters of a file: those of an mbox, or the one that it is. Lines end with CR LF. */
export function splitMbox(file: Uint8Array): { octets: Uint8Array; at: Date | null }[] {
	const isMbox = isFrom(file, 0);
	const out: { octets: Uint8Array; at: Date | null }[] = [];
	let parts: Uint8Array[] = [], at: Date | null = null, isEmpty = true, isIn = !isMbox;
	const crlf = Uint8Array.of(CR, LF);
	const finish = () => {
		if (isMbox && isEmpty && parts.length)
			parts.splice(-2); // the empty line that ends an entry
		if (parts.length)
			out.push({ octets: join(parts), at });
		parts = [];
	};
	for (const [a, end] of lines(file)) {
		if (isMbox && isEmpty && isFrom(file, a)) {
			finish();
			const words = new TextDecoder("latin1").decode(file.subarray(a, end)).trim();
			const m = /(\w{3})\s+(\d{1,2})\s+(\d{2}:\d{2}:\d{2})(?:\s+[A-Z]{3,4})?\s+(\d{4})/.exec(words);
			const d = m ? new Date(`${m[2]} ${m[1]} ${m[4]} ${m[3]} UTC`) : null;
			at = d && !Number.isNaN(d.getTime()) ? d : null;
			isEmpty = false;
			isIn = true;
			continue;
		}
		if (!isIn)
			continue;
		let stop = end;
		if (file[stop - 1] === LF)
			stop--;
		if (stop > a && file[stop - 1] === CR)
			stop--;
		isEmpty = stop === a;
		parts.push(isMbox && file[a] === GT && quotedFrom(file, a) > a ? file.subarray(a + 1, stop) : file.subarray(a, stop), crlf);
	}
	finish();
	return out;
}
