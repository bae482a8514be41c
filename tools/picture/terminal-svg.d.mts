export const MARGIN: number;
export const CELL: { readonly width: number; readonly height: number };
export const FIRST_BASELINE: number;
export function drawTerminal(screen: string, options: { columns: number; title: string }): string;
