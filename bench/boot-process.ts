/** A boot as a process of its own: the machine's console on standard output. Arguments: the image as JSON. */
import { createLiveMachine } from './contender/live-machine.ts';
import type { GuestImage } from './guest-image.ts';

const image = JSON.parse(process.argv[2]!) as GuestImage;
const { runner } = await createLiveMachine(image, (bytes) => process.stdout.write(bytes));
await runner.run();
