export interface Server { kind: string; host: string; port: string; security: string }

/** Of the file that mail programs read (autoconfig): plain elements in a fixed shape, written by this server. */
export function readAutoconfig(xml: string): Server[] {
	const of = (block: string, name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(block)?.[1] ?? "";
	return [...xml.matchAll(/<(incoming|outgoing)Server type="(\w+)">([\s\S]*?)<\/\1Server>/g)]
		.map((m) => ({ kind: m[2]!, host: of(m[3]!, "hostname"), port: of(m[3]!, "port"), security: of(m[3]!, "socketType") }));
}
