/** The build's last step: dist/interpreter.wasm, made by the sources that were just compiled. */
import { buildInterpreter } from '../dist/platform/node/prebuilt-interpreter.js';

await buildInterpreter();
