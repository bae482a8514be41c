/** The pictures of the README as a real browser draws them: every letter stands in its column. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CELL, drawTerminal, FIRST_BASELINE, MARGIN } from '../../tools/picture/terminal-svg.mjs';
import { chromiumIsThere, launchChromium } from './chromium.ts';

const IMAGES = join(import.meta.dirname, '..', '..', 'docs', 'images');
/** Of a column or a line, what a letter may be beside its place. */
const TOLERANCE = 0.05;
const ESCAPE = '\x1b';

interface Letter {
  readonly letter: string;
  readonly column: number;
  readonly row: number;
}

/** As it is drawn: where each letter begins, in columns and lines of the terminal. */
async function drawnLetters(browser: Browser, svg: string): Promise<Letter[]> {
  const page = await browser.newPage();
  try {
    await page.setContent(`<body>${svg}</body>`);
    const places = await page.evaluate(`[...document.querySelectorAll('text')].flatMap((text) =>
      [...text.textContent].map((letter, i) => ({
        letter, x: text.getStartPositionOfChar(i).x, y: text.getStartPositionOfChar(i).y })))`);
    return (places as { letter: string; x: number; y: number }[]).map(({ letter, x, y }) => ({
      letter,
      column: (x - MARGIN) / CELL.width,
      row: (y - FIRST_BASELINE) / CELL.height,
    }));
  } finally {
    await page.close();
  }
}

/** The screen that a person sees. Throws if a letter stands between two columns or lines. */
function readScreen(letters: readonly Letter[]): string {
  const lines: string[][] = [];
  for (const { letter, column, row } of letters) {
    const [x, y] = [Math.round(column), Math.round(row)];
    if (Math.abs(column - x) > TOLERANCE || Math.abs(row - y) > TOLERANCE) {
      throw new Error(`"${letter}" stands in column ${column} of line ${row}.`);
    }
    for (let i = lines.length; i <= y; i++) lines[i] ??= [];
    lines[y]![x] = letter;
  }
  return lines.map((line) => Array.from(line, (letter) => letter ?? ' ').join('')).join('\n');
}

describe.skipIf(!chromiumIsThere())('drawn by Chromium (skipped without the Debian package chromium)', () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await launchChromium();
  });

  afterAll(() => browser?.close());

  it('a screen with columns, colours and characters that XML knows reads as in the terminal', async () => {
    const lines = ['  total    used  free', 'Mem:       439    23', '', 'a < b && c > "d"', '   x y  z'];
    const coloured = lines.map((line) => line.replace('used', `${ESCAPE}[1;32mused${ESCAPE}[0m`));
    const svg = drawTerminal(coloured.join('\n'), { columns: 40, title: 'a screen' });
    expect(readScreen(await drawnLetters(browser, svg))).toBe(lines.join('\n'));
  });

  it.each(readdirSync(IMAGES).filter((name) => name.endsWith('.svg')))(
    '%s has every letter in its column',
    async (name) => {
      const screen = readScreen(await drawnLetters(browser, readFileSync(join(IMAGES, name), 'utf8')));
      expect(screen).toMatch(/^ {14}total {8}used {8}free/m);
      expect(screen).toMatch(/^root@godwit:~# uname -a\nLinux godwit .* riscv64 GNU\/Linux$/m);
    },
  );
});
