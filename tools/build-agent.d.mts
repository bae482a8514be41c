export const COMPILER: string;
export function compilerVersion(): string | undefined;
export function buildAgent(output: string): void;
