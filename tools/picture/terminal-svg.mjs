/** Draws lines of terminal text with their colours (SGR sequences, ECMA-48 8.3.117) as an SVG. */

/** What one letter takes, in pixels. */
export const CELL = { width: 8.4, height: 18 };
export const MARGIN = 16;
const BAR_HEIGHT = 30;
/** Where the letters of the first line stand. */
export const FIRST_BASELINE = BAR_HEIGHT + MARGIN + 13;
const BACKGROUND = '#1b1f27';
const FOREGROUND = '#d7dae0';
const PALETTE = [
  ...['#4b5263', '#e06c75', '#98c379', '#e5c07b', '#61afef', '#c678dd', '#56b6c2', '#d7dae0'],
  ...['#7f848e', '#ff7b86', '#b5e08c', '#f2d08b', '#7cc0ff', '#d99bf0', '#6fd3df', '#ffffff'],
];
// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character is what it looks for.
const SGR = /\x1b\[([\d;]*)m/;

function escapeXml(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** The style after a list of SGR codes. Codes that a picture of text does not need are passed over. */
function nextStyle(style, codes) {
  let { color, bold } = style;
  for (const code of codes) {
    if (code === 0) [color, bold] = [FOREGROUND, false];
    else if (code === 1) bold = true;
    else if (code === 22) bold = false;
    else if (code === 39) color = FOREGROUND;
    else if (code >= 30 && code <= 37) color = PALETTE[code - 30];
    else if (code >= 90 && code <= 97) color = PALETTE[code - 90 + 8];
  }
  return { color, bold };
}

/** Words as they stand, single spaces between them included. */
const RUN = /\S+(?: \S+)*/g;

/**
 * One line as pieces of text with a column and a style; gives the style at its end. No piece has spaces side by side:
 * browsers join those into one, and would stretch what is left to the piece's width.
 */
function pieces(line, start) {
  const found = [];
  let style = start;
  let column = 0;
  let rest = line;
  for (;;) {
    const match = SGR.exec(rest);
    const text = match ? rest.slice(0, match.index) : rest;
    for (const { 0: run, index } of text.matchAll(RUN)) found.push({ column: column + index, text: run, style });
    column += text.length;
    if (!match) return { found, style };
    style = nextStyle(style, match[1].split(';').map(Number));
    rest = rest.slice(match.index + match[0].length);
  }
}

function drawPiece({ column, text, style }, row) {
  const x = (MARGIN + column * CELL.width).toFixed(1);
  const y = FIRST_BASELINE + row * CELL.height;
  const weight = style.bold ? ' font-weight="bold"' : '';
  // The width is said, so that columns stay in line whatever monospaced font there is.
  const width = (text.length * CELL.width).toFixed(1);
  return `<text x="${x}" y="${y}" fill="${style.color}"${weight} textLength="${width}">${escapeXml(text)}</text>`;
}

export function drawTerminal(screen, { columns, title }) {
  const lines = screen.split('\n');
  const width = Math.ceil(columns * CELL.width + 2 * MARGIN);
  const height = BAR_HEIGHT + 2 * MARGIN + lines.length * CELL.height;
  let style = { color: FOREGROUND, bold: false };
  const texts = lines.flatMap((line, row) => {
    const drawn = pieces(line, style);
    style = drawn.style;
    return drawn.found.map((piece) => drawPiece(piece, row));
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">`,
    `<title>${escapeXml(title)}</title>`,
    `<rect width="${width}" height="${height}" rx="8" fill="${BACKGROUND}"/>`,
    ...PALETTE.slice(1, 4).map((color, i) => `<circle cx="${20 + 18 * i}" cy="16" r="5.5" fill="${color}"/>`),
    '<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" font-size="14">',
    ...texts,
    '</g>',
    '</svg>',
    '',
  ].join('\n');
}
