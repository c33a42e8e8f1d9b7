// What Lambda's own runtime for Node.js does, without its extras: load the handler, then ask for one event after another.

import http from "node:http";
import { createRequire } from "node:module";

// An `import` would first search the whole bundle for the names that it exports, which costs half as much again.
const { handler } = createRequire(import.meta.url)("./dist/handler.cjs");

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

const call = (method, path, body) =>
  new Promise((resolve, reject) => {
    const request = http.request({ host, port, agent, method, path: `/2018-06-01/runtime/${path}` }, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () => resolve({ headers: response.headers, body: Buffer.concat(parts).toString() }));
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end(body);
  });

for (;;) {
  const { headers, body } = await call("GET", "invocation/next");
  const invocation = `invocation/${headers["lambda-runtime-aws-request-id"]}`;
  try {
    await call("POST", `${invocation}/response`, JSON.stringify(await handler(JSON.parse(body))));
  } catch (error) {
    const failure = { errorType: error.name, errorMessage: error.message, trace: String(error.stack).split("\n") };
    await call("POST", `${invocation}/error`, JSON.stringify(failure));
  }
}
