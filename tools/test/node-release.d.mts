export const NODE_LATEST: string;
export function nodeRelease(version: string): Promise<string>;
