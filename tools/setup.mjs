#!/usr/bin/env node
/**
 * Makes a checkout ready: dependencies, build and, with --test, what the tests need. `npm start` and `npm test` call it
 * first. It does nothing when nothing is to do, asks nothing, and runs before any dependency is there.
 *
 * This file keeps to syntax that old versions of Node read, so that they can be told that they are too old.
 */
var LEAST = [20, 19];

var version = process.versions.node.split('.').map(Number);
if (version[0] < LEAST[0] || (version[0] === LEAST[0] && version[1] < LEAST[1])) {
  console.error(`godwit needs Node.js ${LEAST.join('.')} or newer; this is ${process.versions.node}.`);
  process.exitCode = 1;
} else {
  import('./setup/main.mjs').then((setup) => setup.main(process.argv.slice(2)));
}
