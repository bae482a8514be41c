/** The worker of the test's page. */
import '../../src/platform/browser/install.ts';
import { platform } from '../../src/platform/platform.ts';
import { coreDigests, live, replay } from './exercise.ts';

const FOLDER = '/exercise';

const REQUESTS: Readonly<Record<string, (parameters: never) => Promise<unknown>>> = {
  'core-digests': (kernel: number[]) => coreDigests(Uint8Array.from(kernel)),
  live: (kernel: number[]) => live(Uint8Array.from(kernel), FOLDER),
  replay: (recording: number[]) => replay(recording, FOLDER),
};

addEventListener('message', (event) => {
  const { id, name, parameters } = (event as MessageEvent).data;
  const perform = async (): Promise<unknown> => {
    await platform().files.makeFolder(FOLDER);
    const request = REQUESTS[name];
    if (!request) throw new Error(`no request is named ${name}`);
    return await request(parameters as never);
  };
  perform().then(
    (result) => postMessage({ id, result }),
    (error) =>
      postMessage({
        id,
        error: String(error?.stack ?? error) + (error?.cause ? `\n${error.cause?.stack ?? error.cause}` : ''),
      }),
  );
});
