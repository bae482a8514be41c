import { mkdirSync, writeFileSync } from 'node:fs';
import { type Profiler as Inspector, Session } from 'node:inspector';
import { join } from 'node:path';

const INTERVAL_MICROSECONDS = 250;

/** V8's sampling profiler, switched on and off around what is of interest; each profile becomes NAME.cpuprofile. */
export class Profiler {
  private readonly session = new Session();
  private readonly folder: string;
  private name: string | undefined;

  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
    this.session.connect();
    this.session.post('Profiler.enable');
    this.session.post('Profiler.setSamplingInterval', { interval: INTERVAL_MICROSECONDS });
  }

  start(name: string): void {
    this.finish();
    this.name = name;
    this.session.post('Profiler.start');
  }

  /** Writes the profile that was started, if there is one. */
  finish(): void {
    const { name } = this;
    if (name === undefined) return;
    this.name = undefined;
    this.session.post('Profiler.stop', (error, result) => {
      if (error) throw error;
      this.write(name, result.profile);
    });
  }

  private write(name: string, profile: Inspector.Profile): void {
    writeFileSync(join(this.folder, `${name}.cpuprofile`), JSON.stringify(profile));
  }
}
