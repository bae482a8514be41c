/** All hosts have them; this part compiles without the types of any. */
const { atob, btoa } = globalThis as unknown as { atob(text: string): string; btoa(text: string): string };

const PORTION = 8192;

export function toBase64(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += PORTION) {
    text += String.fromCharCode(...bytes.subarray(at, at + PORTION));
  }
  return btoa(text);
}

/** Undefined for what is none. */
export function fromBase64(text: string): Uint8Array | undefined {
  try {
    const bytes = atob(text);
    const found = new Uint8Array(bytes.length);
    for (let i = 0; i < bytes.length; i++) found[i] = bytes.charCodeAt(i);
    return found;
  } catch {
    return undefined;
  }
}
