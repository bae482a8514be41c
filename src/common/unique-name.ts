/** Node.js and browsers have it; declared here, where nothing of a host is known. */
declare const crypto: { randomUUID(): string };

/** A name, or a part of one, that nobody else has had. */
export function uniqueName(): string {
  return crypto.randomUUID();
}
