/** A page in Debian's Chromium whose worker runs a bundled program and answers requests. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { type Browser, chromium, type Page } from 'playwright-core';
import { type Served, serve } from './serve.ts';

const ROOT = join(import.meta.dirname, '..', '..');
export const CHROMIUM = '/usr/bin/chromium';

export function chromiumIsThere(): boolean {
  return existsSync(CHROMIUM);
}

const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export function launchChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS });
}

/** Bundles programs for a browser. What imports a module of Node's makes it fail. */
async function bundle(
  entries: Readonly<Record<string, string>>,
): Promise<Map<string, { type: string; content: string }>> {
  const { outputFiles } = await build({
    entryPoints: Object.entries(entries).map(([out, path]) => ({ in: join(ROOT, path), out })),
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2023',
    logLevel: 'silent',
    write: false,
    outdir: '/',
  });
  return new Map(outputFiles.map(({ path, text }) => [path, { type: 'text/javascript', content: text }]));
}

const PAGE = `<!doctype html><title>godwit</title><script type="module">
const worker = new Worker('/program.js', { type: 'module' });
const waiting = new Map();
let next = 0;
worker.onerror = (event) => { for (const { reject } of waiting.values()) reject(new Error(event.message)); };
worker.onmessage = ({ data: { id, result, error } }) => {
  const { resolve, reject } = waiting.get(id);
  waiting.delete(id);
  if (error !== undefined) reject(new Error(error)); else resolve(result);
};
globalThis.ask = (name, parameters) => new Promise((resolve, reject) => {
  waiting.set(next, { resolve, reject });
  worker.postMessage({ id: next++, name, parameters });
});
</script>`;

export class ChromiumPage {
  readonly messages: string[] = [];
  private readonly browser: Browser;
  private readonly page: Page;
  private readonly served: Served;
  private readonly profile: string;

  /**
   * `program`: path of the worker's TypeScript in the checkout; it answers { id, name, parameters } with { id, result |
   * error }.
   */
  static async open(program: string): Promise<ChromiumPage> {
    const files = await bundle({ program, 'browser-worker': 'src/browser-worker.ts' });
    const served = await serve(new Map([...files, ['/', { type: 'text/html', content: PAGE }]]));
    const profile = mkdtempSync(join(tmpdir(), 'godwit-chromium-'));
    const browser = await launchChromium();
    const page = await browser.newPage();
    const opened = new ChromiumPage({ browser, page, served, profile });
    page.on('console', (message) => opened.messages.push(message.text()));
    page.on('pageerror', (error) => opened.messages.push(String(error)));
    await page.goto(served.url);
    await page.waitForFunction('globalThis.ask !== undefined');
    return opened;
  }

  private constructor(parts: { browser: Browser; page: Page; served: Served; profile: string }) {
    this.browser = parts.browser;
    this.page = parts.page;
    this.served = parts.served;
    this.profile = parts.profile;
  }

  /** Bytes go and come as arrays of numbers. */
  async ask<T>(name: string, parameters: unknown): Promise<T> {
    try {
      return (await this.page.evaluate(
        ([request, given]) =>
          (globalThis as unknown as { ask(name: unknown, given: unknown): Promise<unknown> }).ask(request, given),
        [name, parameters],
      )) as T;
    } catch (error) {
      throw new Error(`${name} failed in Chromium: ${String(error)}\n${this.messages.join('\n')}`);
    }
  }

  async close(): Promise<void> {
    await this.browser.close();
    this.served.close();
    rmSync(this.profile, { recursive: true, force: true });
  }
}
