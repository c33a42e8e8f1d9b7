// Makes the browser of the tests ready, before several tests start it at the same time.
import { program } from './browser.js';

console.log(await program());
