/** Reading our own documents. */

/** Lines of prose: not of tables, code, headings or images. */
export function proseLines(markdown: string): string[] {
  let isFenced = false;
  let isCode = false;
  let isAfterBlank = true;
  return markdown.split('\n').filter((line) => {
    if (line.startsWith('```')) isFenced = !isFenced;
    // Code begins behind an empty line; what is indented elsewhere goes on with a list.
    if (line.trim() !== '')
      isCode = line.startsWith('    ') && !/^ +(?:- |\d+\. )/.test(line) && (isCode || isAfterBlank);
    isAfterBlank = line.trim() === '';
    return !isFenced && !isCode && !/^(?:```|\||#|!\[)/.test(line);
  });
}

function withoutCode(markdown: string): string {
  return markdown.replace(/^```[\s\S]*?^```/gm, '');
}

/** The anchors that GitHub gives the headings. */
export function anchorsOf(markdown: string): string[] {
  return [...withoutCode(markdown).matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\p{Letter}\p{Number} _-]/gu, '')
      .trim()
      .replaceAll(' ', '-'),
  );
}

/** The rows of the first table under a heading, by cell, without its head and without marks of code. */
export function tableUnder(markdown: string, heading: string): string[][] {
  const section = withoutCode(markdown)
    .split(/^#+ /m)
    .find((part) => part.split('\n', 1)[0] === heading);
  if (section === undefined) throw new Error(`There is no heading "${heading}".`);
  const lines = section.split('\n');
  const start = lines.findIndex((line) => line.startsWith('|'));
  const rows = lines.slice(start + 2);
  const end = rows.findIndex((line) => !line.startsWith('|'));
  return rows.slice(0, end < 0 ? undefined : end).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.replaceAll('`', '').trim()),
  );
}
