/** Tests run in Node.js; those that need another host install it. */
import '../../src/platform/node/install.ts';
